/* SPDX-License-Identifier: MIT */
/*
 * Reading a log from its start: the scanner walks valid epochs, and where the chain breaks the
 * rule of docs/FORMAT.md says whether the log is clean, torn or corrupt.  Open-for-append, readers
 * and verify all use this one piece of code.
 *
 * An epoch is valid if and only if its header checksum, magic and flags, position = LSN,
 * epoch = previous + 1, chain, incarnation (the same with the same nonce, or greater on an OPEN
 * epoch), promise <= LSN, length <= slot_bytes, every record, the record count and the zero padding
 * up to the block's end all hold.  It is kept whole or not at all.
 */
#ifndef LF_RECOVER_H
#define LF_RECOVER_H

#include "format/format.h"
#include "logfile.h"
#include "read/window.h"
#include "storage/file.h"

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
int lf_trim_mark_read(struct lf_file *file, struct lf_prologue *prologue);

/* What proves that a log is corrupt. */
enum lf_damage {
    LF_DAMAGE_NONE,
    LF_DAMAGE_PROMISE,     /* a later epoch, or the trim mark, promises more than can be read */
    LF_DAMAGE_INCARNATION, /* the trim mark knows of a later opening */
    LF_DAMAGE_MARK,        /* what is there is not what the trim mark names */
    LF_DAMAGE_MISSING,     /* a segment is missing */
    LF_DAMAGE_MISPLACED    /* a segment's name leads to something else */
};

/* Walks the epochs of a log.  Memory: the largest epoch that was found valid and 64 KiB; and, where
 * that is more, an eighth of what was found valid so far, up to LF_WINDOW_BYTES_MAX. */
struct lf_scan {
    struct lf_file *file;
    struct lf_prologue prologue;
    struct lf_chain chain; /* what the next epoch must be */
    uint64_t promised_lsn; /* greatest promise among valid epochs so far */
    uint32_t last_flags;   /* of the last valid epoch; 0 before the first */
    uint64_t last_lsn;     /* where that one is */
    /* The epoch that lf_scan_next returned 1 for; NULL otherwise. */
    const struct lf_epoch_header *epoch;
    struct lf_chain before; /* chain, last_flags and last_lsn before that epoch */
    uint32_t flags_before;
    uint64_t lsn_before;
    uint64_t valid_bytes; /* of all epochs found valid */
    /* What is between some break passed before and the end of the log. */
    bool rest_known;
    bool rest_stays;       /* nobody can change it any more */
    uint64_t rest_promise; /* greatest promise of an epoch header */
    uint64_t rest_end;     /* end of the last block that is not zero; 0: none */
    enum lf_damage damage; /* what the last verdict found */
    uint64_t damage_index; /* MISSING, MISPLACED: of which segment */
    struct lf_window window;
};

/* Starts at the oldest epoch that is kept: reads blocks 0 to 3, and has the file adopt the header.
 * The file stays the caller's.  On an error there is nothing to close.  Errors as lf_prologue_read
 * and lf_file_adopt. */
int lf_scan_open(struct lf_scan *scan, struct lf_file *file);
/* Starts again at the trim mark, which the caller has read again. */
void lf_scan_restart(struct lf_scan *scan);
/* 1: scan->epoch is the next valid epoch, whole in memory until the next call; 0: the chain breaks
 * at scan->chain.lsn (end of the log, zeros, damage); -errno: a read failed, -ENOMEM. */
int lf_scan_next(struct lf_scan *scan);
/* Looks for a whole epoch at `lsn`, wherever in the log that is, in memory until the next call: 1, 0 or
 * -errno.  The scan stays where it is. */
int lf_scan_peek(struct lf_scan *scan, uint64_t lsn, const struct lf_epoch_header **headerp);
/* Forget what is cached of the file: the next call reads again. */
void lf_scan_invalidate(struct lf_scan *scan);
/*
 * The last verdict was CORRUPT, and no writer had the log: none can open it, so what was found behind
 * the break stays as it is, and later breaks need no look at it, whatever is forgotten.
 */
void lf_scan_keep_rest(struct lf_scan *scan);
/* Forget the epoch that lf_scan_next found, and what is cached: the next call reads it again. */
void lf_scan_step_back(struct lf_scan *scan);
/* What the header behind scan->epoch promises; 0 when no valid successor is in memory. */
uint64_t lf_scan_next_promise(const struct lf_scan *scan);
/* Fill in what is known of the log's end without a look behind it. */
void lf_scan_describe(const struct lf_scan *scan, enum logfile_verdict verdict,
                      struct logfile_tail *tail);
/*
 * At a break: look for a later valid epoch header of this log that promises durability beyond the
 * break, and for anything else that contradicts an end there (enum lf_damage).  Fills verdict, end,
 * promise, resume (CORRUPT: 0 when no whole epoch follows; it can be the break itself, where a whole
 * epoch does not fit what is before it) and cut_bytes.  0, or -errno of a read.
 */
int lf_scan_verdict(struct lf_scan *scan, struct logfile_tail *tail);
/* Whether the last verdict was CORRUPT at a segment that is missing; *index names it. */
bool lf_scan_missing_segment(const struct lf_scan *scan, uint64_t *index);
/* Where the damage of a verdict ends, as far as it is known. */
uint64_t lf_tail_damage_end(const struct logfile_tail *tail);
/* Go on at tail->resume_lsn, behind the damage: the chain is taken from the header found there.
 * 0; -ENOENT: there is no epoch; -errno of a read. */
int lf_scan_resume(struct lf_scan *scan, const struct logfile_tail *tail);
void lf_scan_close(struct lf_scan *scan);

/* Told where each epoch starts, and at last where the next one goes. */
typedef void lf_scan_visit(void *arg, const struct lf_chain *before);

/*
 * Scans to the end and gives the verdict; on return scan->chain is where the next epoch goes.  In a
 * large log a second thread reads ahead meanwhile.  visit: NULL for none.
 */
int lf_recover(struct lf_scan *scan, lf_scan_visit *visit, void *arg, struct logfile_tail *tail);

/* What of blocks 0 to 3 is damaged, after lf_prologue_read failed with LOGFILE_ECORRUPT or
 * LOGFILE_EFORMAT.  NULL: they are not a damaged log's. */
const char *lf_prologue_damage(const struct lf_prologue *prologue, int error);

#endif /* LF_RECOVER_H */
