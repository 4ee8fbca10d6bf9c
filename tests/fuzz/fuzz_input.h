/* SPDX-License-Identifier: MIT */
/*
 * A hostile log as the fuzzers know it: a byte that says whether it is a directory, and entries that
 * are done one after the other, each with 8 bytes before it:
 *
 *   0     file: in a directory 0 the control file, 1 to 13 the segments 0 to 12, 14 a segment in the
 *         making, 15 a foreign file; else the one file
 *   1     what: 0 write, 1 set the size, 2 make a directory of a segment, or a fifo if the offset
 *         is odd
 *   2..3  block   4..5  offset in the block   6..7  bytes that follow: of the payload of a write
 *
 * A file that is written to ends with whole blocks.  So a log takes a few hundred bytes, and every
 * input is a log.
 */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include "rot/memory_disk.h"

#include <stdint.h>

#define FUZZ_INPUT_MAX ((size_t)128 << 10)
#define FUZZ_FILE_COUNT 16u
#define FUZZ_BLOCK_COUNT 256u /* of a file */

enum fuzz_what {
    FUZZ_WRITE,
    FUZZ_SIZE,
    FUZZ_KIND,
    FUZZ_WHAT_COUNT
};

struct fuzz_entry {
    uint8_t file;
    uint8_t what;
    uint16_t block;
    uint16_t offset;
    uint16_t length;
};
_Static_assert(sizeof(struct fuzz_entry) == 8, "as in an input");

/* The entry at *at, masked to what it can mean, and where its payload starts; moves *at behind it.
 * false: the input ends. */
bool fuzz_entry_next(const uint8_t *data, size_t size, size_t *at, struct fuzz_entry *entry,
                     size_t *payload);
/* Makes the disk what the input says. */
void fuzz_input_decode(const uint8_t *data, size_t size, struct memory_disk *disk);
/* The other way round; a buffer of FUZZ_INPUT_MAX bytes.  The size; 0: it does not fit. */
size_t fuzz_input_encode(struct memory_disk *disk, uint8_t *data);

#endif /* FUZZ_INPUT_H */
