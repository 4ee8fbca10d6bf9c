/* SPDX-License-Identifier: MIT */
/*
 * Logs that have come far: their first epoch has an LSN, a number and an incarnation of the test's
 * choice, as after years of appending and trimming.
 *
 * They lie on a simulated disk, which keeps what is below the highest offset in memory.  So in a
 * log of one file, what lies between the log's first blocks and the first epoch is left out on the
 * way to the disk; the log sees the offsets that it expects.  A log of segments needs no such help.
 */
#ifndef FAR_LOG_H
#define FAR_LOG_H

#include "io_stack.h"
#include "logfile_sim.h"

#include <stdint.h>

struct far_start {
    uint64_t lsn; /* a multiple of 4096; with segments, behind the first four blocks of one */
    uint64_t epoch;
    uint32_t incarnation;
};

enum {
    FAR_LOG_RECORD_BYTES = 100,
    FAR_LOG_RECORD_SEED = 7
};

/*
 * Makes the log at `path`, synced and not closed: an OPEN epoch at start->lsn, and behind it an
 * epoch with one record, the payload of FAR_LOG_RECORD_SEED.  segment_bytes: 0 for one file.
 * Returns the record's LSN.  *layer becomes what to open the log with, good for this log alone.
 */
uint64_t far_log_make(struct logfile_sim *disk, const char *path, uint64_t slot_bytes,
                      uint64_t segment_bytes, const struct far_start *start,
                      struct io_layer *layer);

#endif /* FAR_LOG_H */
