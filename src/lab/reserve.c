/* SPDX-License-Identifier: MIT */
#include "lab/reserve.h"

#include <pthread.h>
#include <spinlock/mcs.h>
#include <spinlock/ticket.h>

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

static const struct lf_reserve_policy by_cas = {
    .name = "cas",
    .reserve = reserve_by_cas,
    .reserve_known = lf_ring_reserve_known,
    .swap = lf_ring_swap_head,
};

/* ---- Under a ticket lock ---- */

static uint64_t under_ticket(struct lf_ring *ring, lf_reserve_section *section, uint64_t argument)
{
    ck_spinlock_ticket_t *lock = ring->policy_state;

    ck_spinlock_ticket_lock(lock);
    uint64_t old = section(ring, argument);
    ck_spinlock_ticket_unlock(lock);
    return old;
}
LF_RESERVE_UNDER(ticket)

static int init_ticket(void *state)
{
    ck_spinlock_ticket_init(state);
    return 0;
}

static const struct lf_reserve_policy by_ticket = {
    .name = "ticket",
    LF_RESERVE_CALLS(ticket),
    .state_bytes = sizeof(ck_spinlock_ticket_t),
    .init = init_ticket,
};

/* ---- Under an MCS lock ---- */

static uint64_t under_mcs(struct lf_ring *ring, lf_reserve_section *section, uint64_t argument)
{
    ck_spinlock_mcs_t *lock = ring->policy_state;
    ck_spinlock_mcs_context_t node;

    ck_spinlock_mcs_lock(lock, &node);
    uint64_t old = section(ring, argument);
    ck_spinlock_mcs_unlock(lock, &node);
    return old;
}
LF_RESERVE_UNDER(mcs)

static int init_mcs(void *state)
{
    ck_spinlock_mcs_init(state);
    return 0;
}

static const struct lf_reserve_policy by_mcs = {
    .name = "mcs",
    LF_RESERVE_CALLS(mcs),
    .state_bytes = sizeof(ck_spinlock_mcs_t),
    .init = init_mcs,
};

/* ---- Under a mutex ---- */

static uint64_t under_mutex(struct lf_ring *ring, lf_reserve_section *section, uint64_t argument)
{
    pthread_mutex_t *lock = ring->policy_state;

    pthread_mutex_lock(lock);
    uint64_t old = section(ring, argument);
    pthread_mutex_unlock(lock);
    return old;
}
LF_RESERVE_UNDER(mutex)

static int init_mutex(void *state)
{
    pthread_mutex_t *reserve_mutex = state; /* the name of its line to logfile-scale */

    return -pthread_mutex_init(reserve_mutex, NULL);
}

static void destroy_mutex(void *state)
{
    pthread_mutex_destroy(state);
}

static const struct lf_reserve_policy by_mutex = {
    .name = "mutex",
    LF_RESERVE_CALLS(mutex),
    .state_bytes = sizeof(pthread_mutex_t),
    .init = init_mutex,
    .destroy = destroy_mutex,
};

/* ---- All of them ---- */

const struct lf_reserve_policy *lf_reserve_policy_of(enum logfile_reserve_policy policy)
{
    static const struct lf_reserve_policy *const policies[] = {
        [LOGFILE_RESERVE_FAA] = &lf_reserve_by_fetch_add,
        [LOGFILE_RESERVE_CAS] = &by_cas,
        [LOGFILE_RESERVE_TICKET] = &by_ticket,
        [LOGFILE_RESERVE_MCS] = &by_mcs,
        [LOGFILE_RESERVE_MUTEX] = &by_mutex,
    };

    return policies[policy];
}
