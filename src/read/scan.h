/* SPDX-License-Identifier: MIT */
/*
 * Walks the valid epochs of a log, one after the other, up to where the chain breaks.
 * Open-for-append, readers and verify all use this one piece of code.
 *
 * An epoch is valid if and only if its header checksum, magic and flags, position = LSN,
 * epoch = previous + 1, chain, incarnation (the same with the same nonce, or greater on an OPEN
 * epoch), promise <= LSN, length <= slot_bytes, every record, the record count and the zero padding
 * up to the block's end all hold.  It is kept whole or not at all.
 */
#ifndef LF_SCAN_H
#define LF_SCAN_H

#include "format/format.h"
#include "read/prologue.h"
#include "read/window.h"
#include "storage/file.h"

/* What a step along a log comes to.  EPOCH, BREAK and FAILED are the scanner's; a cursor makes of a
 * break whatever it is. */
enum lf_step {
    LF_STEP_EPOCH,  /* there is the next epoch */
    LF_STEP_BREAK,  /* what comes next is not the next epoch: end of the log, zeros, damage */
    LF_STEP_END,    /* it is the end of the log, for now or for good */
    LF_STEP_DAMAGE, /* it is damage */
    LF_STEP_MOVED,  /* reading goes on elsewhere */
    LF_STEP_FAILED  /* nothing can be said: scan->error */
};

/* What proves that a log is corrupt. */
enum lf_damage {
    LF_DAMAGE_NONE,
    LF_DAMAGE_PROMISE,     /* a later epoch, or the trim mark, promises more than can be read */
    LF_DAMAGE_INCARNATION, /* the trim mark knows of a later opening */
    LF_DAMAGE_MARK,        /* what is there is not what the trim mark names */
    LF_DAMAGE_CUT,         /* the one file ends before its first epoch */
    LF_DAMAGE_MISSING,     /* a segment is missing */
    LF_DAMAGE_MISPLACED    /* a segment's name leads to something else */
};

/* Walks the epochs of a log.  Memory: the largest epoch that was found valid and 64 KiB; and, if
 * that is more, an eighth of what was found valid so far, up to LF_WINDOW_BYTES_MAX. */
struct lf_scan {
    struct lf_file *file;
    struct lf_prologue prologue;
    struct lf_chain chain; /* what the next epoch must be */
    uint64_t promised_lsn; /* greatest promise among valid epochs so far */
    uint32_t last_flags;   /* of the last valid epoch; 0 before the first */
    uint64_t last_lsn;     /* where that one is */
    int error; /* why the last call could not read what it had to: -errno; 0: it could */
    /* The epoch that lf_scan_next found; NULL otherwise. */
    const struct lf_epoch_header *epoch;
    struct lf_chain before; /* chain, last_flags and last_lsn before that epoch */
    uint32_t flags_before;
    uint64_t lsn_before;
    struct lf_epoch_header checked; /* the last valid header that was found, of whatever epoch */
    uint64_t vouched_lsn; /* the caller has named the epoch here: it may take a slot of memory */
    uint64_t valid_bytes; /* of all epochs found valid */
    /* What is between some break passed before and the end of the log. */
    bool rest_known;
    bool rest_stays;       /* nothing can change it any more */
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
/* EPOCH: scan->epoch is the next valid epoch, whole in memory until the next call; BREAK: the chain
 * breaks at scan->chain.lsn; FAILED: a read failed, -ENOMEM. */
enum lf_step lf_scan_next(struct lf_scan *scan);
/* Forget what is cached of the file: the next call reads again. */
void lf_scan_invalidate(struct lf_scan *scan);
/* Forget the epoch that lf_scan_next found, and what is cached: the next call reads it again. */
void lf_scan_step_back(struct lf_scan *scan);
/* What the header after scan->epoch promises; 0 when no valid successor is in memory. */
uint64_t lf_scan_next_promise(struct lf_scan *scan);
void lf_scan_close(struct lf_scan *scan);

/* ---- Starting in the middle: at an LSN, or at an epoch that is known by name ------------------ */

/*
 * Lets the scan go on at the last epoch that starts at or below `lsn`, is whole, and is known to be
 * part of the log.  Reads no byte twice: at most slot_bytes before `lsn`, and what that epoch has after
 * it; takes a slot of memory for it, if the epoch is not found nearby.  lsn: not below the oldest LSN.
 * If there is none, the scan stays where it was.  0; -errno of a read, -ENOMEM.
 */
int lf_scan_seek(struct lf_scan *scan, uint64_t lsn);

/* What names an epoch. */
struct lf_epoch_name {
    uint64_t lsn;
    uint64_t epoch;
    uint32_t chain;
};
/* Lets the scan go on at that epoch, whether it is there or not.  It has been read before, so that its
 * memory is spent without another look. */
void lf_scan_seek_epoch(struct lf_scan *scan, const struct lf_epoch_name *name);
/* Whether a whole epoch is where the next one should be, and is another; no where scan->error is set. */
bool lf_scan_meets_other(struct lf_scan *scan);

/* ---- For the verdict: what is where ----------------------------------------------------------- */

/*
 * After a read has failed, scan->error says why, nothing more is read, and everything is said not to be
 * there: it is enough to look at the error when all has been asked.  The calls above begin afresh.
 */

/* Brings `bytes` from the block-aligned `lsn` on into memory.  How many there are from there on. */
uint64_t lf_scan_load(struct lf_scan *scan, uint64_t lsn, uint64_t bytes);
/* The valid header in memory at `lsn`, whatever it belongs to; NULL: there is none. */
const struct lf_epoch_header *lf_scan_find_header(struct lf_scan *scan, uint64_t lsn);
/* The same, after reading the block. */
const struct lf_epoch_header *lf_scan_load_header(struct lf_scan *scan, uint64_t lsn);
/* The whole epoch at `lsn`, wherever in the log that is, in memory until the next call; NULL: there is
 * none.  The scan stays where it is. */
const struct lf_epoch_header *lf_scan_peek(struct lf_scan *scan, uint64_t lsn);

#endif /* LF_SCAN_H */
