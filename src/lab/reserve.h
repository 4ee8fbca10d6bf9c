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
 *
 * Order.  Every store of the head is a release and every load that decides is an acquire, under the
 * locks too, because others read the head without them: a thread that sees a value sees the slot that was
 * prepared before it, be it through a chain of writers.  That is R1 for all policies.
 */
#ifndef LF_LAB_RESERVE_H
#define LF_LAB_RESERVE_H

#include "logfile_lab.h"
#include "ring/ring.h"

const struct lf_reserve_policy *lf_reserve_policy_of(enum logfile_reserve_policy policy);

/* ---- Policies under a lock ---- */

/* What is done to the head under the lock; returns the head as it was. */
typedef uint64_t lf_reserve_section(struct lf_ring *ring, uint64_t argument);

static inline uint64_t lf_reserve_take(struct lf_ring *ring, uint64_t units)
{
    uint64_t old = lf_load_acquire_64(&ring->head); /* R1 */
    if (!lf_ring_overshot(ring, old))
        lf_store_release_64(&ring->head, old + units); /* R1 */
    return old;
}

static inline uint64_t lf_reserve_exchange(struct lf_ring *ring, uint64_t word)
{
    uint64_t old = lf_load_acquire_64(&ring->head); /* R1 */
    lf_store_release_64(&ring->head, word);         /* R1 */
    return old;
}

/*
 * Makes the three calls of a policy out of one function:
 *
 *     static uint64_t under_mine(struct lf_ring *ring, lf_reserve_section *section, uint64_t argument)
 *
 * takes the lock at ring->policy_state, returns what section(ring, argument) returns, and releases the
 * lock.  LF_RESERVE_UNDER(mine) defines the calls, and LF_RESERVE_CALLS(mine) names them in the table.
 */
#define LF_RESERVE_UNDER(lock)                                                                     \
    static bool reserve_by_##lock(struct lf_ring *ring, uint64_t need,                             \
                                  struct lf_reservation *reservation)                              \
    {                                                                                              \
        uint64_t old = under_##lock(ring, lf_reserve_take, need >> LF_UNIT_SHIFT);                 \
        return lf_ring_settle(ring, old, need, reservation);                                       \
    }                                                                                              \
    static bool reserve_known_by_##lock(struct lf_ring *ring, uint64_t need,                       \
                                        struct lf_reservation *reservation)                        \
    {                                                                                              \
        uint64_t head = lf_load_acquire_64(&ring->head); /* R1 */                                  \
        return lf_ring_base_is_known(ring, head) && reserve_by_##lock(ring, need, reservation);    \
    }                                                                                              \
    static uint64_t swap_by_##lock(struct lf_ring *ring, uint64_t word)                            \
    {                                                                                              \
        return under_##lock(ring, lf_reserve_exchange, word);                                      \
    }

#define LF_RESERVE_CALLS(lock)                                                                     \
    .reserve = reserve_by_##lock, .reserve_known = reserve_known_by_##lock, .swap = swap_by_##lock

#endif /* LF_LAB_RESERVE_H */
