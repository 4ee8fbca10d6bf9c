/* SPDX-License-Identifier: MIT */
/*
 * Order.  Every store of the head is a release and every load that decides is an acquire, under the
 * locks too, because others read the head without them: whoever sees a value sees the slot that was
 * prepared before it, be it through a chain of writers.  That is R1 for all policies.
 */
#include "reserve.h"

#include "ring.h"

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

/* Again as often as others were faster: somebody always gets on, but nobody is sure to. */
static uint64_t take_by_cas(struct lf_ring *ring, uint64_t units)
{
    for (;;) {
        uint64_t old = lf_load_acquire_64(&ring->head); /* R1 */
        if (lf_ring_overshot(ring, old) || lf_cas_acq_rel_64(&ring->head, old, old + units))
            return old;
        lf_pause();
    }
}

/* ---- Under a lock ---- */

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
    ck_spinlock_ticket_lock(&ring->lock.ticket);
    uint64_t old = section(ring, argument);
    ck_spinlock_ticket_unlock(&ring->lock.ticket);
    return old;
}

static uint64_t under_mcs(struct lf_ring *ring, uint64_t section(struct lf_ring *, uint64_t),
                          uint64_t argument)
{
    ck_spinlock_mcs_context_t node;
    ck_spinlock_mcs_lock(&ring->lock.mcs, &node);
    uint64_t old = section(ring, argument);
    ck_spinlock_mcs_unlock(&ring->lock.mcs, &node);
    return old;
}

static uint64_t under_mutex(struct lf_ring *ring, uint64_t section(struct lf_ring *, uint64_t),
                            uint64_t argument)
{
    pthread_mutex_lock(&ring->lock.mutex);
    uint64_t old = section(ring, argument);
    pthread_mutex_unlock(&ring->lock.mutex);
    return old;
}

/* ---- By the ring's policy ---- */

static inline uint64_t take_by_policy(struct lf_ring *ring, uint64_t units)
{
    switch (ring->policy) {
    case LOGFILE_RESERVE_FAA:
        break;
    case LOGFILE_RESERVE_CAS:
        return take_by_cas(ring, units);
    case LOGFILE_RESERVE_TICKET:
        return under_ticket(ring, take, units);
    case LOGFILE_RESERVE_MCS:
        return under_mcs(ring, take, units);
    case LOGFILE_RESERVE_MUTEX:
        return under_mutex(ring, take, units);
    }
    return lf_fetch_add_acquire_64(&ring->head, units); /* R1 */
}

static bool has_lock(enum logfile_reserve_policy policy)
{
    return policy != LOGFILE_RESERVE_FAA && policy != LOGFILE_RESERVE_CAS;
}

/* Again as often as others were faster: as take_by_cas. */
bool lf_ring_reserve_known(struct lf_ring *ring, uint64_t need, struct lf_reservation *reservation)
{
    for (;;) {
        uint64_t head = lf_load_acquire_64(&ring->head); /* R1 */

        if (!lf_ring_base_is_known(ring, head))
            return false;
        if (has_lock(ring->policy))
            return lf_ring_reserve_by_policy(ring, need, reservation);
        /* R1.  The head is as it was, so the base is still this epoch's. */
        if (lf_cas_acq_rel_64(&ring->head, head, head + (need >> LF_UNIT_SHIFT)))
            return lf_ring_settle(ring, head, need, reservation);
        lf_pause();
    }
}

bool lf_ring_reserve_by_policy(struct lf_ring *ring, uint64_t need,
                               struct lf_reservation *reservation)
{
    return lf_ring_settle(ring, take_by_policy(ring, need >> LF_UNIT_SHIFT), need, reservation);
}

uint64_t lf_reserve_swap(struct lf_ring *ring, uint64_t word)
{
    switch (ring->policy) {
    case LOGFILE_RESERVE_FAA:
    case LOGFILE_RESERVE_CAS:
        break;
    case LOGFILE_RESERVE_TICKET:
        return under_ticket(ring, swap, word);
    case LOGFILE_RESERVE_MCS:
        return under_mcs(ring, swap, word);
    case LOGFILE_RESERVE_MUTEX:
        return under_mutex(ring, swap, word);
    }
    return lf_swap_acq_rel_64(&ring->head, word); /* R1 */
}
