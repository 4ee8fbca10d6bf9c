/* SPDX-License-Identifier: MIT */
/* The path reader; its functions are public and documented in logfile.h. */
#ifndef LF_READER_H
#define LF_READER_H

#include "read/verdict.h"

struct logfile_reader {
    struct lf_file file;
    struct lf_scan scan;          /* scan.epoch is the epoch being read, durable; NULL: none */
    uint32_t offset;              /* of the next record in it */
    uint64_t start_lsn;           /* records below are passed over */
    struct logfile_cursor cursor; /* behind the last record that was returned */
    /* What is known to be durable: epochs that start below an LSN, because a later one promises it
     * or because this reader synced them; and, up to the end of the segment that this reader
     * synced, epochs of incarnations that had ended before. */
    uint64_t durable_lsn;
    uint32_t settled_incarnation;
    uint64_t settled_end_lsn;
    /* How the log ends, for as long as the chain breaks at tail.end_lsn. */
    bool at_break;
    bool judged;             /* tail holds a verdict, not only LIVE */
    uint64_t judged_end_lsn; /* where the log's bytes ended when it was given */
    struct logfile_tail tail;
    /* A file system that has stopped after an error refuses a sync with -EROFS.  For tools that copy
     * out what there is: */
    bool takes_unsynced;   /* go on then, */
    uint64_t unsynced_lsn; /* with what may not be on the disk, from here on; 0: nothing */
};

#endif /* LF_READER_H */
