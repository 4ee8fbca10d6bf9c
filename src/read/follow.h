/* SPDX-License-Identifier: MIT */
/* What a reader that follows an open log asks of it, once.  Defined in src/logfile.c: a log is made
 * of parts that readers know nothing of. */
#ifndef LF_READ_FOLLOW_H
#define LF_READ_FOLLOW_H

#include "base/follow.h"
#include "logfile_io.h"

struct logfile;

struct lf_followed {
    struct lf_follow *follow; /* held: the caller's to release */
    const struct logfile_io *io;
    struct logfile_io_stat file; /* of the file, or control */
    uint8_t id[16];
};

/* 0; -EINVAL, LOGFILE_EFORKED; -errno of stat. */
int lf_followed_by_log(struct logfile *log, struct lf_followed *out);

#endif /* LF_READ_FOLLOW_H */
