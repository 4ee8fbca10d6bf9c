/* SPDX-License-Identifier: MIT */
/*
 * Blocks 0 to 3: the log's file header and its trim mark, in two copies each.
 *
 * Two copies are worth no more than one if the loss of the first is never mended.  Trim marks need
 * no repair: an opening writes both anew.
 */
#ifndef LF_PROLOGUE_H
#define LF_PROLOGUE_H

#include "format/format.h"
#include "storage/file.h"

struct lf_store;

/* What the blocks before the first epoch say. */
struct lf_prologue {
    struct lf_file_header header;
    struct lf_trim_mark trim;        /* the one that counts */
    uint8_t user[LF_USER_BYTES_MAX]; /* what the user keeps in it: trim.user_bytes of them */
    uint32_t log_seed;
    uint32_t unknown_version; /* LOGFILE_EFORMAT: what a header is of that is whole and not for this
                                 library; 0: there is none */
    bool has_marks;           /* LOGFILE_EFORMAT: no header, and yet what looks like a trim mark */
    bool header_valid[2];     /* copies that are as good as the one that counts */
    bool trim_valid[2];       /* whole; one that is older than the other is no damage */
    bool trim_current[2];     /* and as good as the one that counts */
};

/*
 * Reads and checks blocks 0 to 3.
 * 0; LOGFILE_EFORMAT; LOGFILE_ECORRUPT: both copies of header or trim mark are damaged, or they
 * contradict each other; -errno.
 */
int lf_prologue_read(struct lf_file *file, struct lf_prologue *prologue);
/* Reads the trim marks again.  0; LOGFILE_ECORRUPT; -errno: prologue is as it was. */
int lf_prologue_read_mark(struct lf_file *file, struct lf_prologue *prologue);

/*
 * Rewrites each damaged copy of the log's file header and of those of its segments, syncing after each,
 * so that a crash never meets two that are damaged.  The opener, when recovery has found nothing
 * that speaks against appending.  0, LOGFILE_EFAILED or -errno.
 */
int lf_prologue_repair(struct lf_store *store, const struct lf_prologue *prologue);

/* What of blocks 0 to 3 is damaged, after lf_prologue_read failed with LOGFILE_ECORRUPT or
 * LOGFILE_EFORMAT.  NULL: they are not a damaged log's. */
const char *lf_prologue_damage(const struct lf_prologue *prologue, int error);

#endif /* LF_PROLOGUE_H */
