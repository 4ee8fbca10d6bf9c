/* SPDX-License-Identifier: MIT */
/*
 * Order.  Every store of the head is a release and every load that decides is an acquire, under the
 * locks too, because others read the head without them: a thread that sees a value sees the slot that was
 * prepared before it, be it through a chain of writers.  That is R1 for all policies.
 */
#include "lab/reserve.h"

int lf_reserve_init(union lf_reserve_lock *lock, enum logfile_reserve_policy policy)
{
    if (policy == LOGFILE_RESERVE_TICKET)
        ck_spinlock_ticket_init(&lock->ticket);
    else if (policy == LOGFILE_RESERVE_MCS)
        ck_spinlock_mcs_init(&lock->mcs);
    else if (policy == LOGFILE_RESERVE_MUTEX)
        return -pthread_mutex_init(&lock->mutex, NULL);
    return 0;
}

void lf_reserve_destroy(union lf_reserve_lock *lock, enum logfile_reserve_policy policy)
{
    if (policy == LOGFILE_RESERVE_MUTEX)
        pthread_mutex_destroy(&lock->mutex);
}

/* ---- By compare-and-swap ---- */

/* Again as often as others were faster: some writer always gets on, but none is sure to. */
static uint64_t take_by_cas(struct lf_ring *ring, uint64_t units)
{
    for (;;) {
        uint64_t old = lf_load_acquire_64(&ring->head); /* R1 */
        if (lf_ring_overshot(ring, old) || lf_cas_acq_rel_64(&ring->head, old, old + units))
            return old;
        lf_pause();
    }
}

static bool reserve_by_cas(struct lf_ring *ring, uint64_t need, struct lf_reservation *reservation)
{
    return lf_ring_settle(ring, take_by_cas(ring, need >> LF_UNIT_SHIFT), need, reservation);
}

/* ---- Under a lock ---- */

static union lf_reserve_lock *lock_of(const struct lf_ring *ring)
{
    return ring->policy_state;
}

static uint64_t take(struct lf_ring *ring, uint64_t units)
{
    uint64_t old = lf_load_acquire_64(&ring->head); /* R1 */
    if (!lf_ring_overshot(ring, old))
        lf_store_release_64(&ring->head, old + units); /* R1 */
    return old;
}

static uint64_t swap(struct lf_ring *ring, uint64_t word)
{
    uint64_t old = lf_load_acquire_64(&ring->head); /* R1 */
    lf_store_release_64(&ring->head, word);         /* R1 */
    return old;
}

static uint64_t under_ticket(struct lf_ring *ring, uint64_t section(struct lf_ring *, uint64_t),
                             uint64_t argument)
{
    ck_spinlock_ticket_lock(&lock_of(ring)->ticket);
    uint64_t old = section(ring, argument);
    ck_spinlock_ticket_unlock(&lock_of(ring)->ticket);
    return old;
}

static uint64_t under_mcs(struct lf_ring *ring, uint64_t section(struct lf_ring *, uint64_t),
                          uint64_t argument)
{
    ck_spinlock_mcs_context_t node;
    ck_spinlock_mcs_lock(&lock_of(ring)->mcs, &node);
    uint64_t old = section(ring, argument);
    ck_spinlock_mcs_unlock(&lock_of(ring)->mcs, &node);
    return old;
}

static uint64_t under_mutex(struct lf_ring *ring, uint64_t section(struct lf_ring *, uint64_t),
                            uint64_t argument)
{
    pthread_mutex_lock(&lock_of(ring)->mutex);
    uint64_t old = section(ring, argument);
    pthread_mutex_unlock(&lock_of(ring)->mutex);
    return old;
}

/* What a lock makes of the three calls. */
#define UNDER(lock)                                                                                \
    static bool reserve_by_##lock(struct lf_ring *ring, uint64_t need,                             \
                                  struct lf_reservation *reservation)                              \
    {                                                                                              \
        uint64_t old = under_##lock(ring, take, need >> LF_UNIT_SHIFT);                            \
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
        return under_##lock(ring, swap, word);                                                     \
    }
UNDER(ticket)
UNDER(mcs)
UNDER(mutex)

const struct lf_reserve_policy *lf_reserve_policy_of(enum logfile_reserve_policy policy)
{
    static const struct lf_reserve_policy policies[] = {
        [LOGFILE_RESERVE_CAS] = {reserve_by_cas, lf_ring_reserve_known, lf_ring_swap_head},
        [LOGFILE_RESERVE_TICKET] = {reserve_by_ticket, reserve_known_by_ticket, swap_by_ticket},
        [LOGFILE_RESERVE_MCS] = {reserve_by_mcs, reserve_known_by_mcs, swap_by_mcs},
        [LOGFILE_RESERVE_MUTEX] = {reserve_by_mutex, reserve_known_by_mutex, swap_by_mutex},
    };

    return policy == LOGFILE_RESERVE_FAA ? &lf_reserve_by_fetch_add : &policies[policy];
}
