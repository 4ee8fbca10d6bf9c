/* SPDX-License-Identifier: MIT */
#include "base/waiter.h"

#include "base/num.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    SLEEPERS = LF_WAITER_SLEEPERS,
    PAUSE_STEPS = 64,
    YIELD_STEPS = 128,
    SLEEP_NS = 50000
};

static long futex(const uint32_t *word, int operation, uint32_t value,
                  const struct timespec *deadline)
{
    return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, deadline, NULL,
                   FUTEX_BITSET_MATCH_ANY);
}

/* Raises the sleepers bit while the count is still `key`. */
static bool announce_sleeper(struct lf_waiter *waiter, uint32_t key)
{
    for (;;) {
        uint32_t word = lf_load_relaxed_32(&waiter->word); /* The swap below decides. */
        if ((word & ~(uint32_t)SLEEPERS) != key)
            return false;
        if (word & SLEEPERS)
            return true;
        /* W2: ordered before the futex call, whose kernel lock orders it against the waker. */
        if (lf_cas_acq_rel_32(&waiter->word, word, word | SLEEPERS))
            return true;
    }
}

const struct timespec lf_no_wait;

const struct timespec *lf_settle_deadline(const struct timespec *deadline)
{
    return deadline != NULL && lf_ns_until(deadline) == 0 ? &lf_no_wait : deadline;
}

int lf_waiter_sleep(struct lf_waiter *waiter, uint32_t key, const struct timespec *deadline)
{
    uint64_t sleeps = 0;
    return lf_waiter_sleep_counted(waiter, key, deadline, &sleeps);
}

int lf_waiter_sleep_counted(struct lf_waiter *waiter, uint32_t key, const struct timespec *deadline,
                            uint64_t *sleeps)
{
    if (!lf_may_wait(deadline))
        return -ETIMEDOUT;
    if (!announce_sleeper(waiter, key))
        return 0;
    lf_fetch_add_relaxed_64(sleeps, 1); /* Relaxed: a statistic. */
    /* Waits for the waker's change of the word, at most until the deadline.  An absolute deadline
     * survives interrupted sleeps: the caller just calls again. */
    if (futex(&waiter->word, FUTEX_WAIT_BITSET, key | SLEEPERS, deadline) == -1 &&
        errno == ETIMEDOUT)
        return -ETIMEDOUT;
    return 0;
}

void lf_waiter_wake_sleepers(struct lf_waiter *waiter)
{
    futex(&waiter->word, FUTEX_WAKE_BITSET, INT_MAX, NULL);
}

void lf_waiter_wake_one(struct lf_waiter *waiter)
{
    uint32_t word;

    do {
        word = lf_load_relaxed_32(&waiter->word); /* The swap below decides. */
        /* W1, W2: as lf_waiter_wake; but the bit stays, for those that sleep on. */
    } while (!lf_cas_acq_rel_32(&waiter->word, word, word + LF_WAITER_ONE));
    if (word & SLEEPERS)
        futex(&waiter->word, FUTEX_WAKE_BITSET, 1, NULL);
}

bool lf_waiter_wake_tree(struct lf_waiter *waiter, struct lf_wake_tree *tree, uint32_t count,
                         uint32_t processors)
{
    uint32_t part = processors > 2 ? (count + processors - 1) / processors : count;
    uint32_t share = (uint32_t)lf_max(LF_WAITER_SHARE, part);
    bool is_tree = count > share;

    /* Relaxed, both: the count moves on after them, and only a thread that has slept passes on. */
    lf_store_relaxed_32(&tree->share, share);
    lf_store_relaxed_32(&tree->left, is_tree ? count - share : 0);
    if (!lf_waiter_move(waiter))
        return false;
    futex(&waiter->word, FUTEX_WAKE_BITSET, is_tree ? share : INT_MAX, NULL);
    return true;
}

void lf_waiter_pass_on(struct lf_waiter *waiter, struct lf_wake_tree *tree)
{
    uint32_t share, count, taken;

    do {
        count = lf_load_relaxed_32(&tree->left); /* The swap below decides. */
        if (count == 0)
            return;
        share = lf_load_relaxed_32(&tree->share); /* Any will do. */
        taken = count < share ? count : share;
    } while (!lf_cas_acq_rel_32(&tree->left, count,
                                count - taken)); /* No pair: it only shares out work. */
    futex(&waiter->word, FUTEX_WAKE_BITSET, count > taken ? share : INT_MAX, NULL);
}

bool lf_waiter_spin(const struct lf_waiter *waiter, uint32_t key, uint64_t ns, uint64_t slow_ns,
                    uint64_t *slowest_ns)
{
    uint64_t begin_ns = lf_now_ns();
    uint64_t before_ns = begin_ns;

    *slowest_ns = 0;
    while (lf_waiter_key(waiter) == key) {
        sched_yield();
        uint64_t now_ns = lf_now_ns();
        if (now_ns - before_ns > *slowest_ns)
            *slowest_ns = now_ns - before_ns;
        if (now_ns - begin_ns >= ns || *slowest_ns >= slow_ns)
            return lf_waiter_key(waiter) != key;
        before_ns = now_ns;
    }
    return true;
}

bool lf_waiter_yield(const struct lf_waiter *waiter, uint32_t key, unsigned yields,
                     const struct timespec *deadline)
{
    while (lf_waiter_key(waiter) == key) {
        if (yields-- == 0 || (deadline != NULL && lf_ns_until(deadline) == 0))
            return false;
        sched_yield();
    }
    return true;
}

struct timespec lf_timespec(uint64_t ns)
{
    struct timespec time = {.tv_sec = (time_t)(ns / 1000000000u),
                            .tv_nsec = (long)(ns % 1000000000u)};
    return time;
}

uint64_t lf_ns_until(const struct timespec *time)
{
    struct timespec now;
    int64_t ns;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (time->tv_sec - now.tv_sec > INT32_MAX) /* more than 68 years: no overflow below */
        return UINT64_MAX;
    ns = (int64_t)(time->tv_sec - now.tv_sec) * 1000000000 + time->tv_nsec - now.tv_nsec;
    return ns > 0 ? (uint64_t)ns : 0;
}

int lf_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    int error = -pthread_condattr_init(&attributes);

    if (error != 0)
        return error;
    error = -pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (error == 0)
        error = -pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
    return error;
}

void lf_backoff(struct lf_backoff *backoff)
{
    unsigned step = backoff->steps++;
    if (step < PAUSE_STEPS) {
        for (unsigned i = 0; i <= step; i++)
            lf_pause();
    } else if (step < YIELD_STEPS) {
        sched_yield();
    } else {
        /* The bare system call: the library function is a cancellation point, and a thread that backs
         * off may hold a reservation. */
        syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = SLEEP_NS},
                NULL);
    }
}
