/* SPDX-License-Identifier: MIT */
/*
 * Reads a log epoch by epoch, with or without a writer in this or another process, and says how it
 * ends.  Readers and verify share it.
 *
 *                     break, and a writer has the log
 *     READING  ------------------------------------------>  AT_END   the tail says LIVE
 *      ^    |                                                  |
 *      |    |  break, and none has it: the verdict             |  the writer is gone
 *      |    +--------------------------------------------->  JUDGED  the tail says CLEAN, TORN, CORRUPT
 *      |
 *      +---- from both: there is an epoch after all, or what was at the break has been trimmed away;
 *            from JUDGED, if it is CORRUPT: lf_cursor_skip
 *
 * Every step in AT_END or JUDGED looks again.  A reader that follows an open log is AT_END, without a
 * look, if it has read up to the log's durable LSN; and a break below that is damage, writer or not.
 */
#ifndef LF_CURSOR_H
#define LF_CURSOR_H

#include "base/follow.h"
#include "logfile.h"
#include "read/verdict.h"

enum lf_cursor_state {
    LF_CURSOR_READING,
    LF_CURSOR_AT_END,
    LF_CURSOR_JUDGED
};

struct lf_cursor {
    /* NULL; or the log in this process, of which it is known what is durable: it is read so far without
     * a look at anything else, until it has ended. */
    struct lf_follow *follow;
    int ended; /* why it has: LOGFILE_ECLOSED, LOGFILE_EFAILED; 0: it has not, or that was told */
    struct lf_file file;
    struct lf_scan scan; /* scan.epoch is the epoch that lf_cursor_next stopped at; NULL: none */
    enum lf_cursor_state state;
    struct logfile_tail tail; /* the last end or damage that was met */
    uint64_t judged_end_lsn;  /* JUDGED: where the log's bytes ended at the verdict */
    bool live;                /* a writer had the log when last looked at */
    uint64_t start_lsn;       /* records below are not asked for */
    /* For verify: takes epochs that are not durable too, finds damage beside a writer, and goes on at the
     * oldest epoch if it is overtaken by a trim. */
    bool takes_all;
    /* What is known to be durable: epochs that start below an LSN, because a later one promises it
     * or because this cursor synced them; and, up to the end of the segment that it synced, epochs
     * of incarnations that had ended before. */
    uint64_t durable_lsn;
    uint32_t settled_incarnation;
    uint64_t settled_end_lsn;
    /* A file system that has stopped after an error refuses a sync with -EROFS.  For tools that copy
     * out what there is: */
    bool takes_unsynced;   /* go on then, */
    uint64_t unsynced_lsn; /* with what may not be on the disk, from here on; 0: nothing */
};

/* Opens the log's file, or directory; nothing has been read.  Errors as lf_file_open. */
int lf_cursor_open(struct lf_cursor *cursor, const struct logfile_io *io, const char *path);
/* Reads what comes before the first epoch.  Errors as lf_scan_open. */
int lf_cursor_start(struct lf_cursor *cursor);
void lf_cursor_close(struct lf_cursor *cursor);

/* Asks whether a writer has the log.  0 or -errno. */
int lf_cursor_look_for_writer(struct lf_cursor *cursor);
/*
 * EPOCH: the next one, whole and durable, is at scan.epoch until the next call; END: there is none,
 * and the tail says why; DAMAGE: the verdict is CORRUPT, and the tail says what cannot be read;
 * FAILED: scan.error, which may be LOGFILE_ETRIMMED.
 */
enum lf_step lf_cursor_next(struct lf_cursor *cursor);
/*
 * Starts again at `lsn`, or at the oldest epoch: 0.  As lf_scan_seek; LOGFILE_ETRIMMED.  What is known to be
 * durable stays known.
 */
int lf_cursor_seek(struct lf_cursor *cursor, uint64_t lsn);
/* Goes on after the damage that lf_cursor_next met.  0; -ENOENT: nothing whole follows; -errno. */
int lf_cursor_skip(struct lf_cursor *cursor);

#endif /* LF_CURSOR_H */
