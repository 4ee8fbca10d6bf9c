/* SPDX-License-Identifier: MIT */
/*
 * Ways to take bytes off the head word, to be compared with the fetch-add of lf_ring_reserve.
 *
 *   cas                  load, compare-and-swap, again
 *   ticket, mcs, mutex   load and store under a lock; the flusher takes it too when it swaps the head
 *
 * Each hands back what the head was, as the fetch-add does, and the ring makes the same of it: a
 * place, the crosser's end, or nothing.  Unlike the fetch-add they leave an overshot head alone.
 * The locks are Concurrency Kit's as they are: they spin, also while their holder does not run.
 */
#ifndef LF_LAB_RESERVE_H
#define LF_LAB_RESERVE_H

#include "logfile_lab.h"
#include "ring/ring.h"

#include <pthread.h>
#include <spinlock/mcs.h>
#include <spinlock/ticket.h>

/* The state of a policy: ring->policy_state. */
union lf_reserve_lock {
    _Alignas(LF_CACHE_PAIR) ck_spinlock_ticket_t ticket;
    ck_spinlock_mcs_t mcs;
    pthread_mutex_t mutex;
};

/* 0 or -errno. */
int lf_reserve_init(union lf_reserve_lock *lock, enum logfile_reserve_policy policy);
void lf_reserve_destroy(union lf_reserve_lock *lock, enum logfile_reserve_policy policy);

const struct lf_reserve_policy *lf_reserve_policy_of(enum logfile_reserve_policy policy);

#endif /* LF_LAB_RESERVE_H */
