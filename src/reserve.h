/* SPDX-License-Identifier: MIT */
/*
 * Ways to take bytes off the head word, to be compared with the fetch-add of lf_ring_reserve.
 *
 *   cas                  load, compare-and-swap, again
 *   ticket, mcs, mutex   load and store under a lock; whoever swaps the head takes it too
 *
 * Each hands back what the head was, as the fetch-add does, and the ring makes the same of it: a
 * place, the crosser's end, or nothing.  Unlike the fetch-add they leave an overshot head alone.
 * The locks are Concurrency Kit's as they are: they spin, also while their holder does not run.
 */
#ifndef LF_RESERVE_H
#define LF_RESERVE_H

#include "logfile.h"

#include <pthread.h>
#include <spinlock/mcs.h>
#include <spinlock/ticket.h>
#include <stdint.h>

struct lf_ring;

union lf_reserve_lock {
    ck_spinlock_ticket_t ticket;
    ck_spinlock_mcs_t mcs;
    pthread_mutex_t mutex;
};

int lf_reserve_init(union lf_reserve_lock *lock, enum logfile_reserve_policy policy);
void lf_reserve_destroy(union lf_reserve_lock *lock, enum logfile_reserve_policy policy);

/* Puts a new word into the head of a ring under any policy, for the token's holder.  The head as it was. */
uint64_t lf_reserve_swap(struct lf_ring *ring, uint64_t word);

#endif /* LF_RESERVE_H */
