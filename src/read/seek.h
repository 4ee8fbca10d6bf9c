/* SPDX-License-Identifier: MIT */
/*
 * Starting to read in the middle of a log: at an LSN, by looking back for the epoch that holds it, or at
 * an epoch that is known by name.
 */
#ifndef LF_SEEK_H
#define LF_SEEK_H

#include "read/recover.h"

/*
 * Lets the scan go on at the last epoch that starts at or below `lsn`, is whole, and is known to be
 * part of the log.  Reads at most slot_bytes before `lsn`, and that epoch.  lsn: not below the oldest
 * LSN.  1; 0: none was found, and the scan is where it was; -errno of a read, -ENOMEM.
 */
int lf_scan_seek(struct lf_scan *scan, uint64_t lsn);

/* What names an epoch. */
struct lf_epoch_name {
    uint64_t lsn;
    uint64_t epoch;
    uint32_t chain;
};
/* Lets the scan go on at that epoch, whether it is there or not. */
void lf_scan_seek_epoch(struct lf_scan *scan, const struct lf_epoch_name *name);
/* Whether a valid header of another epoch is where the next one should be: 1, 0 or -errno. */
int lf_scan_meets_other(struct lf_scan *scan);

#endif /* LF_SEEK_H */
