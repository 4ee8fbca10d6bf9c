/* SPDX-License-Identifier: MIT */
/*
 * What must hold of every file that somebody may hand to a reader, or to whoever opens a log for
 * appending.  A property that does not hold aborts, with a line on standard error.
 */
#ifndef FUZZ_TARGET_H
#define FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

/*
 * The reader, over all damage, and verify: every call returns with a result that is documented; LSNs
 * grow; what is read is at most FUZZ_READ_FACTOR times the size of the files and FUZZ_READ_BYTES;
 * memory is at most what docs/DURABILITY.md says, and all of it is given back.
 */
void fuzz_target_reader(const uint8_t *data, size_t size);

/*
 * Opening for appending: a log that is refused as damaged is left as it was; whatever came of it, what
 * was readable before still is; and what is appended to one that opens is read back behind it.
 */
void fuzz_target_recover(const uint8_t *data, size_t size);

/* What the inputs so far have needed at most, for those who set the bounds. */
struct fuzz_most {
    double read_factor;  /* bytes read for each byte of the files, with 16 blocks taken off */
    size_t window_bytes; /* memory beyond the largest whole epoch and 64 KiB */
};
struct fuzz_most fuzz_target_most(void);

#endif /* FUZZ_TARGET_H */
