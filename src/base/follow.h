/* SPDX-License-Identifier: MIT */
/*
 * What a log that is open tells the readers that follow it, in its own process: up to where it is
 * durable, and that nothing more comes.
 *
 * It lies on a page of its own, which the log and its followers share and the last of them frees, so
 * that a log may be closed while it is followed.  A fork wipes the page in the child.
 *
 *   the log                         a follower
 *   stores durable_lsn              takes the key of `moved`, or arms the descriptor
 *   fence (F7)                      fence (F7)
 *   is it followed, or armed?       loads durable_lsn: still the old one?
 *   wakes                           sleeps
 *
 * So at least one of the two sees the other.  Of a log that is not followed a commit pays a store, a
 * fence and a load.
 */
#ifndef LF_FOLLOW_H
#define LF_FOLLOW_H

#include "base/atomic.h"
#include "base/waiter.h"

#define LF_FOLLOW_BYTES 4096 /* of its page */

struct lf_follow {
    uint32_t alive; /* 1; every call on the log looks here; 0: this process is a fork's child */

    /* W: the thread that commits.  R: followers. */
    _Alignas(256) uint64_t durable_lsn;
    uint32_t
        ended; /* W: any, once.  0, or why nothing more comes: the code, as a positive number */

    /* W: followers, as they come and go.  R: the thread that commits. */
    _Alignas(128) uint32_t holders;
    uint32_t armed;    /* W: followers (to 1), the thread that commits (to 0). */
    uint32_t event_fd; /* a descriptor and one; 0: there is none yet */
    struct lf_waiter moved;
};

/* The page has been mapped, is zero, and will be wiped by a fork; the log is its first holder. */
void lf_follow_init(struct lf_follow *follow);
/* One holder more. */
void lf_follow_hold(struct lf_follow *follow);
/* One holder less; the last one unmaps the page.  Does nothing in a fork's child. */
void lf_follow_release(struct lf_follow *follow);

/* A fork's child holds a wiped page. */
static inline bool lf_follow_is_alive(const struct lf_follow *follow)
{
    return *(const volatile uint32_t *)&follow->alive != 0;
}

/* ---- The log ----------------------------------------------------------------------------------- */

/* Wakes those who follow, and makes their descriptor readable, if it was armed. */
void lf_follow_tell(struct lf_follow *follow);

static inline void lf_follow_moved(struct lf_follow *follow, uint64_t durable_lsn)
{
    /* L6: the write and the sync, before; pairs with lf_follow_durable_lsn. */
    lf_swap_acq_rel_64(&follow->durable_lsn, durable_lsn);
    /* F7: the durable LSN before the holders; pairs with lf_follow_hold, lf_follow_arm. */
    lf_fence_atomic_load();
    if (lf_load_relaxed_32(&follow->holders) > 1)
        lf_follow_tell(follow);
}

/* Nothing more comes, because of `error`; the first reason stays. */
void lf_follow_end(struct lf_follow *follow, int error);

/* ---- A follower -------------------------------------------------------------------------------- */

/* L6: who sees it sees what was made durable. */
static inline uint64_t lf_follow_durable_lsn(const struct lf_follow *follow)
{
    return lf_load_acquire_64(&follow->durable_lsn);
}

/* 0, or why nothing more comes: then the durable LSN, loaded after it, is the last one, but that of a
 * failed log may move once more, by a commit that was under way. */
static inline int lf_follow_ended(const struct lf_follow *follow)
{
    return -(int)lf_load_acquire_32(&follow->ended); /* L7: pairs with lf_follow_end. */
}

/*
 * Sleeps until the durable LSN is above `lsn`: 0; -ETIMEDOUT; LOGFILE_EFORKED; or why nothing more
 * comes.  deadline: as lf_waiter_sleep.
 */
int lf_follow_wait(struct lf_follow *follow, uint64_t lsn, const struct timespec *deadline);

/*
 * A descriptor of all followers, which is never read: each time that the durable LSN has moved after
 * lf_follow_arm, or the log ends, it is written to, which an epoll with EPOLLET tells of.  -errno.
 * It is closed with the page.
 */
int lf_follow_fd(struct lf_follow *follow);
/* The next move is told.  What the durable LSN is must be looked at afterwards.  Full fence (F7). */
void lf_follow_arm(struct lf_follow *follow);

#endif /* LF_FOLLOW_H */
