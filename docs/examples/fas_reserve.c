/* SPDX-License-Identifier: MIT */
/*
 * A reservation policy of the ring in one file: Concurrency Kit's test-and-set lock around the head.
 *
 *     cc -shared -fPIC -O2 -D_GNU_SOURCE -I src -I include -o fas.so docs/examples/fas_reserve.c \
 *         build/.libs/liblogfile-internal.a
 *     logfile-bench --engine ring --reserve faa,mutex --lab ./fas.so
 */
#include "lab/plugin.h"

#include <spinlock/fas.h>

static uint64_t under_fas(struct lf_ring *ring, lf_reserve_section *section, uint64_t argument)
{
    ck_spinlock_fas_t *lock = ring->policy_state; /* zeroed: nobody has it */

    ck_spinlock_fas_lock(lock);
    uint64_t old = section(ring, argument);
    ck_spinlock_fas_unlock(lock);
    return old;
}
LF_RESERVE_UNDER(fas)

static const struct lf_reserve_policy fas_reserve = {
    .name = "fas",
    LF_RESERVE_CALLS(fas),
    .state_bytes = sizeof(ck_spinlock_fas_t),
};

LF_LAB_RESERVE(fas_reserve)
