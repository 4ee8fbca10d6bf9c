/* SPDX-License-Identifier: MIT */
/*
 * Forgetting the start of a log.
 *
 * A trim mark names the epoch at which reading starts: its LSN, number and chain value.  Trimming
 * therefore needs to know where epochs start: the landmarks, a table of fixed size that every
 * commit and every recovered epoch adds to.  When it is full, every second one is dropped and the
 * new ones keep that distance, so that it always covers the whole log, evenly.
 *
 *   landmark at or below lsn -> trim mark written and synced -> oldest LSN -> space given back
 *
 * in this order: a crash in between costs space, never a record.
 */
#ifndef LF_TRIM_H
#define LF_TRIM_H

#include "format.h"

#include <pthread.h>

struct logfile;

#define LF_LANDMARKS_MAX 2048u

struct lf_landmark {
    uint64_t lsn; /* where an epoch starts */
    uint64_t epoch;
    uint32_t chain; /* what its chain field is */
};

struct lf_trim {
    pthread_mutex_t lock;          /* landmarks; held shortly */
    struct lf_landmark *landmarks; /* LF_LANDMARKS_MAX, by LSN */
    unsigned count;
    uint64_t distance_bytes;  /* between two of them at least */
    pthread_mutex_t trimming; /* one trim at a time: mark and release */
    void *mark;               /* one block */
    struct lf_trim_mark last; /* the mark that counts */
};

/* 0 or -ENOMEM. */
int lf_trim_init(struct lf_trim *trim);
void lf_trim_free(struct lf_trim *trim);
/* An epoch starts where the chain is now.  The recovering thread, or the token's holder. */
void lf_trim_note(struct lf_trim *trim, const struct lf_chain *chain);
/* As logfile_trim, of a log whose handle has been checked. */
int lf_trim_below(struct logfile *log, uint64_t lsn);

#endif /* LF_TRIM_H */
