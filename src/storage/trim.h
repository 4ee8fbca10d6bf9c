/* SPDX-License-Identifier: MIT */
/*
 * The trim mark, and forgetting the start of a log.
 *
 * A trim mark names the epoch at which reading starts: its LSN, number and chain value.  Trimming
 * therefore needs to know where epochs start: the landmarks, a table of fixed size that every
 * commit and every recovered epoch adds to.  When it is full, every second one is dropped and the
 * new ones keep that distance, so that it always covers the whole log, evenly.
 *
 *   landmark at or below lsn -> both copies of the mark written and synced -> oldest LSN -> space
 *   given back
 *
 * in this order: a crash in between costs space, never a record.
 *
 * The mark also says what was durable when it was written.  An opening writes one when its OPEN epoch
 * is on stable storage, and a clean close when its CLOSE epoch is: so a log that has lost its last
 * epochs, whole, is known to have lost them.  And it keeps the user's bytes.
 *
 * Both copies say the same.  One is written and synced before the other, a damaged one first, so one
 * whole mark is there at any time; and as nothing relies on a mark before both are durable, rot in
 * either hides nothing.
 */
#ifndef LF_TRIM_H
#define LF_TRIM_H

#include "base/atomic.h"
#include "format/format.h"
#include "storage/prepare.h"
#include "storage/store.h"

#include <pthread.h>

#define LF_LANDMARKS_MAX 2048u

struct lf_landmark {
    uint64_t lsn; /* where an epoch starts */
    uint64_t epoch;
    uint32_t chain; /* what its chain field is */
};

struct lf_trim {
    /* Never change. */
    struct lf_store *store;
    struct lf_preparer *preparer; /* is told when space has been given back */
    uint32_t log_seed;
    uint64_t recovered_lsn;      /* all below was durable when the log was opened */
    const uint64_t *durable_lsn; /* the log's: all below is durable now */

    uint64_t oldest_lsn;           /* W: under `trimming`.  R: any. */
    pthread_mutex_t lock;          /* landmarks; held briefly */
    struct lf_landmark *landmarks; /* LF_LANDMARKS_MAX, by LSN */
    unsigned count;
    uint64_t distance_bytes;  /* between two of them at least */
    pthread_mutex_t trimming; /* one trim at a time: mark and release */
    void *mark;               /* one block: the mark that counts, as it is on disk */
    unsigned first_copy;      /* the one to be written first: if one is damaged or older, that */
};

/* 0 or -ENOMEM. */
int lf_trim_init(struct lf_trim *trim, struct lf_store *store, struct lf_preparer *preparer,
                 const uint64_t *durable_lsn);
void lf_trim_free(struct lf_trim *trim);
/* An epoch starts where the chain is now.  The recovering thread, or the token's holder. */
void lf_trim_note(struct lf_trim *trim, const struct lf_chain *chain);
/* Takes over the mark that recovery found, with the user's bytes.  first_copy: the copy to be written
 * first, the one that is damaged or older if one is. */
void lf_trim_adopt(struct lf_trim *trim, const struct lf_trim_mark *mark, const void *user,
                   unsigned first_copy);
/* Recovery is over: what the log's marks are sealed with, and where the log ended. */
void lf_trim_begin(struct lf_trim *trim, uint32_t log_seed, uint64_t recovered_lsn);
/* L4: pairs with the release in move_mark: the mark that says so is durable. */
static inline uint64_t lf_trim_oldest_lsn(const struct lf_trim *trim)
{
    return lf_load_acquire_64(&trim->oldest_lsn);
}
/*
 * Makes a mark durable that says what is durable now: all below `promise`, in that incarnation.  The
 * opener, after the OPEN epoch; the closer, after the CLOSE epoch.  0 or LOGFILE_EFAILED.
 */
int lf_trim_note_durable(struct lf_trim *trim, uint32_t incarnation, uint64_t promise);
/* Without syncs nothing may be promised, nor be relied on: before a log that does without says what
 * is durable, it syncs all below `end_lsn` once.  0 or an error of lf_store. */
int lf_trim_sync_unsynced(struct lf_trim *trim, uint64_t end_lsn);
/* What the user keeps in the mark. */
struct lf_user_bytes {
    const void *bytes;
    uint32_t size;
};
/* As logfile_mark, of checked bytes; user = NULL: as logfile_trim. */
int lf_trim_below(struct lf_trim *trim, uint64_t lsn, const struct lf_user_bytes *user);
/* As lf_file_shrink, while no trim is under way: the event hook may trim a log that is being closed. */
void lf_trim_shrink(struct lf_trim *trim, uint64_t end_lsn);
/* Copies the first `size` of the user's bytes; returns how many are kept. */
uint32_t lf_trim_user_bytes(struct lf_trim *trim, void *data, size_t size);

#endif /* LF_TRIM_H */
