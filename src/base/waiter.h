/* SPDX-License-Identifier: MIT */
/*
 * Event counts: how a thread sleeps until another thread says that something changed.
 *
 *   waiter:  key = lf_waiter_key(w);  check the condition;  lf_waiter_sleep(w, key, deadline);
 *   waker:   change the state;  lf_waiter_wake(w);
 *
 * A wake between key and sleep makes the sleep return at once, so no wake-up is lost.  The word is
 * a 31-bit counter above a bit that says "a thread sleeps"; only then does a wake enter the kernel.
 * An event count is never reset.  The idea is Concurrency Kit's ck_ec (P. Khuong); docs/adr/0001
 * says why a plain futex stands here instead.
 */
#ifndef LF_WAITER_H
#define LF_WAITER_H

#include "base/atomic.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

enum {
    LF_WAITER_SLEEPERS = 1, /* a thread sleeps */
    LF_WAITER_ONE = 2       /* one wake */
};

struct lf_waiter {
    /* W: wakers (compare-and-swap), sleepers (set the low bit).  R: both. */
    uint32_t word;
};

/* W1: pairs with the release in lf_waiter_wake: who sees the new key sees the change before it. */
static inline uint32_t lf_waiter_key(const struct lf_waiter *waiter)
{
    return lf_load_acquire_32(&waiter->word) & ~(uint32_t)LF_WAITER_SLEEPERS;
}

/*
 * The deadline of a call that may not wait at all.  The entry points put it in place of one that has
 * passed when the call begins, so that everything below can tell, without a look at the clock, that
 * it must neither sleep nor make a system call, but to wake a thread that it hands work to.  It is known by
 * its value, a time that has always passed: the code of an engine that a program loads has a copy of its own.
 */
extern const struct timespec lf_no_wait;
static inline bool lf_may_wait(const struct timespec *deadline)
{
    return deadline == NULL || deadline->tv_sec != 0 || deadline->tv_nsec != 0;
}
static inline bool lf_deadline_is_valid(const struct timespec *deadline)
{
    return deadline == NULL ||
           (deadline->tv_sec >= 0 && deadline->tv_nsec >= 0 && deadline->tv_nsec < 1000000000);
}
/* lf_no_wait if the deadline has passed, else itself. */
const struct timespec *lf_settle_deadline(const struct timespec *deadline);

/*
 * Sleeps until a wake after `key` was taken, or the deadline (absolute, CLOCK_MONOTONIC; NULL: for
 * ever; lf_no_wait: not at all).  May return early.  0, or -ETIMEDOUT.
 */
int lf_waiter_sleep(struct lf_waiter *waiter, uint32_t key, const struct timespec *deadline);
/* The same, and adds one to *sleeps if the kernel was asked to put the thread to sleep. */
int lf_waiter_sleep_counted(struct lf_waiter *waiter, uint32_t key, const struct timespec *deadline,
                            uint64_t *sleeps);

/*
 * Looks again and again until a wake after `key` was taken, for at most `ns`, and yields the
 * processor in between: a loop of pause instructions would keep it from the very thread that is
 * waited for, and a virtual machine's host takes such loops for idling.  Whether there was a wake.
 * *slowest_ns: the longest that a yield took; more than a moment means that others want the
 * processor.  It ends with the first that took slow_ns.
 */
bool lf_waiter_spin(const struct lf_waiter *waiter, uint32_t key, uint64_t ns, uint64_t slow_ns,
                    uint64_t *slowest_ns);
/* The same, for at most so many yields, however long another thread keeps the processor; not beyond the
 * deadline, if there is one. */
bool lf_waiter_yield(const struct lf_waiter *waiter, uint32_t key, unsigned yields,
                     const struct timespec *deadline);

void lf_waiter_wake_sleepers(struct lf_waiter *waiter);
/* Moves the count on.  Whether a thread sleeps. */
static inline bool lf_waiter_move(struct lf_waiter *waiter)
{
    uint32_t word;
    do {
        word = lf_load_relaxed_32(&waiter->word); /* The swap below decides. */
        /* W1: a release: what changed before the wake is seen by the thread that sees the new key.
         * W2: an acquire: the sleepers bit, and so the sleeper. */
    } while (!lf_cas_acq_rel_32(&waiter->word, word,
                                (word & ~(uint32_t)LF_WAITER_SLEEPERS) + LF_WAITER_ONE));
    return word & LF_WAITER_SLEEPERS;
}
/* Wakes every sleeper.  Whether the kernel was asked to. */
static inline bool lf_waiter_wake(struct lf_waiter *waiter)
{
    if (!lf_waiter_move(waiter))
        return false;
    lf_waiter_wake_sleepers(waiter);
    return true;
}

/* Wakes one sleeper, of several any of which will do.  It cannot know whether others sleep: each wake
 * is a system call from the first sleep on. */
void lf_waiter_wake_one(struct lf_waiter *waiter);

/*
 * A wake-up that is shared.  One thread that wakes a thousand needs a system call's time for each; here it wakes
 * its share of them, and each thread that has slept passes it on, before it goes on, to as many.
 *
 *     waker             left = 1000 - 16; moves the count on; wakes 16
 *     each that slept   takes 16 of what is left, and wakes 16; the one that takes the last wakes all
 *
 * A share is at least LF_WAITER_SHARE, and a processor's part of all: more wakers than processors would only make
 * more system calls.  On two processors it is all of them: there a second waker lost more than it gained.
 *
 * No sleeper is left behind: the kernel wakes those first that slept first, and either a wake finds fewer than it
 * asks for, so none sleeps any more on a key that has passed; or it wakes as many threads as it takes, each of
 * which passes it on; and the last one, which wakes all, also finds those that were not counted.  A later
 * wake-up that begins meanwhile stores both words anew, and takes the others along, whatever share it finds.
 */
#define LF_WAITER_SHARE 8

struct lf_wake_tree {
    /* W: the waker; threads that have slept take from `left` (compare-and-swap).  R: both. */
    uint32_t share; /* how many each wakes; at least 1 where any are left */
    uint32_t left;  /* to be woken by others than the waker */
};

/* Wakes every sleeper, of whom there are about `count`, on so many processors; each calls lf_waiter_pass_on.
 * Whether the kernel was asked to. */
bool lf_waiter_wake_tree(struct lf_waiter *waiter, struct lf_wake_tree *tree, uint32_t count,
                         uint32_t processors);
/* A thread has slept, and however its sleep ended. */
void lf_waiter_pass_on(struct lf_waiter *waiter, struct lf_wake_tree *tree);

/* CLOCK_MONOTONIC in nanoseconds. */
static inline uint64_t lf_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
/* The time of day, in nanoseconds since 1970 (UTC). */
static inline uint64_t lf_wall_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
struct timespec lf_timespec(uint64_t ns);
/* Nanoseconds until an absolute time; 0 when it has passed. */
uint64_t lf_ns_until(const struct timespec *time);
/* A condition variable whose timed waits take times of CLOCK_MONOTONIC.  -errno. */
int lf_condition_init(pthread_cond_t *condition);

/*
 * One step of waiting for a thread that is between two instructions: pause, then yield the
 * processor, then sleep 50 us a step, so that a preempted thread can finish.  Starts zeroed.
 */
struct lf_backoff {
    unsigned steps;
};
void lf_backoff(struct lf_backoff *backoff);

#endif /* LF_WAITER_H */
