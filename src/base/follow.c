/* SPDX-License-Identifier: MIT */
#include "base/follow.h"

#include "base/eventfd.h"
#include "logfile.h"

#include <sys/mman.h>
#include <unistd.h>

void lf_follow_init(struct lf_follow *follow)
{
    follow->holders = 1;
    follow->alive = 1;
}

void lf_follow_hold(struct lf_follow *follow)
{
    lf_fetch_add_relaxed_32(&follow->holders, 1); /* Relaxed: the fence orders it. */
    lf_fence(); /* F7: holders before the durable LSN; pairs with lf_follow_moved, lf_follow_end. */
}

void lf_follow_release(struct lf_follow *follow)
{
    uint32_t holders;

    if (!lf_follow_is_alive(follow))
        return;
    do
        holders = lf_load_relaxed_32(&follow->holders); /* The swap below decides. */
    /* L8: what each holder did with the page comes before it is unmapped by the last one. */
    while (!lf_cas_acq_rel_32(&follow->holders, holders, holders - 1));
    if (holders > 1)
        return;
    if (follow->event_fd != 0)
        close((int)follow->event_fd - 1);
    munmap(follow, LF_FOLLOW_BYTES);
}

void lf_follow_tell(struct lf_follow *follow)
{
    lf_waiter_wake(&follow->moved);
    /* W3: pairs with lf_follow_arm, which has stored the descriptor before. */
    if (lf_load_relaxed_32(&follow->armed) == 0 || lf_swap_acq_rel_32(&follow->armed, 0) == 0)
        return;
    lf_eventfd_signal((int)lf_load_relaxed_32(&follow->event_fd) - 1);
}

void lf_follow_end(struct lf_follow *follow, int error)
{
    /* L7: the last durable LSN, before; pairs with lf_follow_ended. */
    lf_cas_acq_rel_32(&follow->ended, 0, (uint32_t)-error);
    lf_fence(); /* F7: the end before the holders; pairs with lf_follow_hold, lf_follow_arm. */
    if (lf_load_relaxed_32(&follow->holders) > 1)
        lf_follow_tell(follow);
}

int lf_follow_wait(struct lf_follow *follow, uint64_t lsn, const struct timespec *deadline)
{
    for (;;) {
        const uint32_t key = lf_waiter_key(&follow->moved); /* W1 */
        if (!lf_follow_is_alive(follow))
            return LOGFILE_EFORKED;
        const int ended = lf_follow_ended(follow);
        if (lf_follow_durable_lsn(follow) > lsn)
            return 0;
        if (ended != 0)
            return ended;
        /* Waits for lf_follow_tell: a commit, the log's failure or its end; at most until the
         * deadline. */
        const int error = lf_waiter_sleep(&follow->moved, key, deadline);
        if (error != 0)
            return error;
    }
}

int lf_follow_fd(struct lf_follow *follow)
{
    return lf_eventfd_once(&follow->event_fd, 0);
}

void lf_follow_arm(struct lf_follow *follow)
{
    lf_swap_acq_rel_32(&follow->armed,
                       1); /* W3: the descriptor, before; pairs with lf_follow_tell. */
    lf_fence(); /* F7: armed before the durable LSN; pairs with lf_follow_moved, lf_follow_end. */
}
