/* SPDX-License-Identifier: MIT */
/* The path reader; its functions are public and documented in logfile.h. */
#ifndef LF_READER_H
#define LF_READER_H

#include "recover.h"

struct logfile_reader {
    const struct logfile_io *io;
    int fd;
    struct lf_scan scan; /* scan.epoch is the epoch being read, durable; NULL: none */
    uint32_t offset;     /* of the next record in it */
    uint64_t start_lsn;  /* records below are passed over */
    /* What is known to be durable: epochs that start below an LSN, because a later one promises it
     * or because this reader synced them; and epochs of incarnations that had ended before this
     * reader synced. */
    uint64_t durable_lsn;
    uint32_t settled_incarnation;
    /* How the log ends, for as long as the chain breaks at tail.end_lsn. */
    bool at_break;
    bool judged;           /* tail holds a verdict, not only LIVE */
    uint64_t judged_bytes; /* size of the file that it was given on */
    struct logfile_tail tail;
};

#endif /* LF_READER_H */
