/* SPDX-License-Identifier: MIT */
/*
 * How many threads a second this machine can wake: the ceiling over appends that block.
 *
 * THREADS sleepers stand in GROUPS groups, and each group has a waker.  A round of a group: the
 * waker changes the group's word and wakes all who sleep on it with one FUTEX_WAKE; each sleeper
 * returns, counts itself with one fetch-add, and sleeps on the word again; the last to count itself
 * wakes the waker, which begins the next round.  Nothing else is done, so a round is what a log
 * does to its writers for each epoch, without the log: one wake for all, a switch to each, one
 * sleep of each.
 *
 * Counted are sleeps that a wake ended.  A sleeper that finds the word changed before it could
 * sleep costs no switch and is not counted.  With one group the processors idle while the last
 * sleeper hands over to the waker; with two, the other group fills that gap, as a log does that
 * writes one epoch while it wakes the last one's writers.
 */
#include "floor.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STACK_BYTES (128u * 1024)
#define WARM_UP_SHARE 10
#define GROUPS_MAX 64

static const char usage[] = "floor_wake THREADS SECONDS [GROUPS]";

/* Each word on lines of its own: the sleepers' word, their count, and the waker's word. */
struct group {
    _Alignas(128) _Atomic uint32_t round;
    _Alignas(128) _Atomic uint32_t counted;
    _Alignas(128) _Atomic uint32_t turn;
    unsigned sleepers;
};

struct sleeper {
    _Alignas(128) struct group *group;
    _Atomic uint64_t wakes; /* W: its own thread.  R: the main thread */
    pthread_t thread;
};

static struct group groups[GROUPS_MAX];
static _Atomic bool stop;

/* True when it slept. */
static bool sleep_on(_Atomic uint32_t *word, uint32_t value)
{
    return syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0) == 0;
}

static void wake(_Atomic uint32_t *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static void *sleeper_main(void *arg)
{
    struct sleeper *sleeper = arg;
    struct group *group = sleeper->group;
    uint64_t wakes = 0;
    for (uint32_t seen = 0; !stop; seen++) {
        while (group->round == seen && !stop)
            wakes += sleep_on(&group->round, seen);
        atomic_store_explicit(&sleeper->wakes, wakes, memory_order_relaxed);
        if (atomic_fetch_add(&group->counted, 1) + 1 == group->sleepers) {
            group->turn++;
            wake(&group->turn, 1);
        }
    }
    return NULL;
}

static void *waker_main(void *arg)
{
    struct group *group = arg;
    for (uint32_t turn = 0; !stop; turn++) {
        group->counted = 0;
        group->round++;
        wake(&group->round, INT_MAX);
        while (group->turn == turn && !stop)
            sleep_on(&group->turn, turn);
    }
    return NULL;
}

static void start(pthread_t *thread, void *(*run)(void *), void *arg)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    errno = pthread_create(thread, &attributes, run, arg);
    if (errno != 0)
        floor_fail("starting a thread");
    pthread_attr_destroy(&attributes);
}

static uint64_t wakes_so_far(struct sleeper *sleepers, unsigned count)
{
    uint64_t wakes = 0;
    for (unsigned i = 0; i < count; i++)
        wakes += atomic_load_explicit(&sleepers[i].wakes, memory_order_relaxed);
    return wakes;
}

int main(int argc, char **argv)
{
    if (argc != 3 && argc != 4)
        floor_usage(usage);
    unsigned count = (unsigned)floor_number(argv[1], usage);
    double seconds = floor_number(argv[2], usage);
    unsigned group_count = argc == 4 ? (unsigned)floor_number(argv[3], usage) : 1;
    struct sleeper *sleepers = aligned_alloc(128, count * sizeof *sleepers);
    if (count < group_count || group_count > GROUPS_MAX || sleepers == NULL)
        floor_usage(usage);
    for (unsigned i = 0; i < count; i++)
        groups[i % group_count].sleepers++;
    for (unsigned i = 0; i < count; i++) {
        sleepers[i] = (struct sleeper){.group = &groups[i % group_count]};
        start(&sleepers[i].thread, sleeper_main, &sleepers[i]);
    }
    pthread_t wakers[GROUPS_MAX];
    for (unsigned i = 0; i < group_count; i++)
        start(&wakers[i], waker_main, &groups[i]);

    usleep((useconds_t)(seconds * 1e6 / WARM_UP_SHARE));
    uint64_t before = wakes_so_far(sleepers, count);
    uint64_t start_ns = bench_now_ns();
    usleep((useconds_t)(seconds * 1e6));
    uint64_t wakes = wakes_so_far(sleepers, count) - before;
    double elapsed_s = (double)(bench_now_ns() - start_ns) / (double)BENCH_NS_PER_S;
    printf("{\"floor\":\"wake\",\"threads\":%u,\"groups\":%u,\"wakes_per_s\":%.3f}\n", count,
           group_count, (double)wakes / elapsed_s);
    fflush(stdout);
    _exit(0); /* whoever still sleeps need not be woken for this */
}
