/* SPDX-License-Identifier: MIT */
#include "floors.h"

#include "clock.h"
#include "base/compat.h"
#include "payload.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define ZEROS_BYTES (1u << 20)
#define SYNC_WARM_UP_SHARE 20
#define WAKE_WARM_UP_SHARE 10
#define STACK_BYTES (128u * 1024)

/* ---- The device ------------------------------------------------------------------------------ */

int bench_floor_write(int fd, const void *buffer, size_t bytes, uint64_t offset, bool dsync)
{
    for (size_t done = 0; done < bytes;) {
        struct iovec iov = {.iov_base = (char *)(uintptr_t)buffer + done, .iov_len = bytes - done};
        ssize_t count = pwritev2(fd, &iov, 1, (off_t)(offset + done), dsync ? RWF_DSYNC : 0);
        if (count <= 0)
            return count < 0 ? -errno : -EIO;
        done += (size_t)count;
    }
    return 0;
}

int bench_floor_write_zeros(int fd, uint64_t bytes)
{
    void *zeros = aligned_alloc(BENCH_FLOOR_BLOCK_BYTES, ZEROS_BYTES);
    if (zeros == NULL)
        return -ENOMEM;
    memset(zeros, 0, ZEROS_BYTES);
    int error = fallocate(fd, 0, 0, (off_t)bytes) != 0 && errno != EOPNOTSUPP ? -errno : 0;
    for (uint64_t at = 0; error == 0 && at < bytes; at += ZEROS_BYTES)
        error = bench_floor_write(fd, zeros, bytes - at < ZEROS_BYTES ? bytes - at : ZEROS_BYTES,
                                  at, false);
    if (error == 0 && fsync(fd) != 0)
        error = -errno;
    free(zeros);
    return error;
}

/* Writes and syncs one block after the other. */
struct syncer {
    int fd;
    bool dsync;
    size_t bytes;
    const void *block;
    uint64_t number; /* of the next one */
};

static int make_next_durable(struct syncer *syncer)
{
    uint64_t place = syncer->number++ % (BENCH_FLOOR_FILE_BYTES / syncer->bytes);
    int error = bench_floor_write(syncer->fd, syncer->block, syncer->bytes, place * syncer->bytes,
                                  syncer->dsync);
    return error == 0 && !syncer->dsync && fdatasync(syncer->fd) != 0 ? -errno : error;
}

/* Until the time is over; how long each took goes into latency_ns. */
static int sync_for(struct syncer *syncer, uint64_t duration_ns, struct bench_histogram *latency_ns)
{
    uint64_t start_ns = bench_now_ns();
    uint64_t now_ns = start_ns;
    int error = 0;
    while (error == 0 && now_ns - start_ns < duration_ns) {
        uint64_t begin_ns = now_ns;
        error = make_next_durable(syncer);
        now_ns = bench_now_ns();
        bench_histogram_add(latency_ns, now_ns - begin_ns);
    }
    return error;
}

/* Page-aligned bytes that do not compress. */
static void *make_block(size_t bytes)
{
    uint64_t *words = aligned_alloc(BENCH_FLOOR_BLOCK_BYTES, bytes);
    for (size_t i = 0; words != NULL && i < bytes / sizeof *words; i++)
        words[i] = bench_mix(i + 1);
    return words;
}

int bench_floor_syncs(int fd, size_t bytes, uint64_t duration_ns, bool dsync,
                      struct bench_sync_floor *floor)
{
    void *block = make_block(bytes);
    struct syncer syncer = {.fd = fd, .dsync = dsync, .bytes = bytes, .block = block};
    if (block == NULL)
        return -ENOMEM;
    int error = sync_for(&syncer, duration_ns / SYNC_WARM_UP_SHARE, &floor->latency_ns);
    memset(&floor->latency_ns, 0, sizeof floor->latency_ns);
    uint64_t start_ns = bench_now_ns();
    if (error == 0)
        error = sync_for(&syncer, duration_ns, &floor->latency_ns);
    double seconds = (double)(bench_now_ns() - start_ns) / (double)BENCH_NS_PER_S;
    floor->syncs_per_s = (double)floor->latency_ns.count / seconds;
    free(block);
    return error;
}

/* ---- The kernel ------------------------------------------------------------------------------ */

/* Each word on lines of its own: the sleepers' word, their count, and the waker's word. */
struct group {
    _Alignas(128) _Atomic uint32_t round;
    _Alignas(128) _Atomic uint32_t counted;
    _Alignas(128) _Atomic uint32_t turn;
    const _Atomic bool *stop;
    unsigned sleepers;
    pthread_t waker;
};

struct sleeper {
    _Alignas(128) struct group *group;
    _Atomic uint64_t wakes; /* W: its own thread.  R: the main thread */
    pthread_t thread;
};

struct crowd {
    struct group groups[BENCH_FLOOR_GROUPS_MAX];
    _Alignas(128) _Atomic bool stop;
    struct sleeper *sleepers;
    unsigned sleepers_started;
    unsigned wakers_started;
};

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
    for (uint32_t seen = 0; !*group->stop; seen++) {
        while (group->round == seen && !*group->stop)
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
    for (uint32_t turn = 0; !*group->stop; turn++) {
        group->counted = 0;
        group->round++;
        wake(&group->round, INT_MAX);
        while (group->turn == turn && !*group->stop)
            sleep_on(&group->turn, turn);
    }
    return NULL;
}

static int start(pthread_t *thread, void *(*run)(void *), void *arg)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int error = pthread_create(thread, &attributes, run, arg);
    pthread_attr_destroy(&attributes);
    return -error;
}

/* Signals are for the thread that was there before, so these ones inherit a mask that has all. */
static int start_crowd(struct crowd *crowd, unsigned threads, unsigned groups)
{
    sigset_t all, before;
    int error = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    for (unsigned i = 0; error == 0 && i < threads; i++) {
        crowd->sleepers[i].group = &crowd->groups[i % groups];
        error = start(&crowd->sleepers[i].thread, sleeper_main, &crowd->sleepers[i]);
        crowd->sleepers_started += error == 0;
    }
    for (unsigned i = 0; error == 0 && i < groups; i++) {
        error = start(&crowd->groups[i].waker, waker_main, &crowd->groups[i]);
        crowd->wakers_started += error == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

/* A thread looks at `stop` and then at its word.  Both words change after `stop` was set, so who
 * saw it unset finds its word changed when it goes to sleep, or is asleep and woken here. */
static void end_crowd(struct crowd *crowd, unsigned groups)
{
    crowd->stop = true;
    for (unsigned i = 0; i < groups; i++) {
        crowd->groups[i].round++;
        wake(&crowd->groups[i].round, INT_MAX);
        crowd->groups[i].turn++;
        wake(&crowd->groups[i].turn, INT_MAX);
    }
    for (unsigned i = 0; i < crowd->sleepers_started; i++)
        pthread_join(crowd->sleepers[i].thread, NULL);
    for (unsigned i = 0; i < crowd->wakers_started; i++)
        pthread_join(crowd->groups[i].waker, NULL);
}

static uint64_t wakes_so_far(const struct crowd *crowd)
{
    uint64_t wakes = 0;
    for (unsigned i = 0; i < crowd->sleepers_started; i++)
        wakes += atomic_load_explicit(&crowd->sleepers[i].wakes, memory_order_relaxed);
    return wakes;
}

/* A signal may cut it short; what is measured is measured by the clock. */
static void pause_for(uint64_t ns)
{
    struct timespec time = bench_timespec(ns);
    nanosleep(&time, NULL);
}

static double count_wakes(const struct crowd *crowd, uint64_t duration_ns)
{
    pause_for(duration_ns / WAKE_WARM_UP_SHARE);
    uint64_t before = wakes_so_far(crowd);
    uint64_t start_ns = bench_now_ns();
    pause_for(duration_ns);
    uint64_t wakes = wakes_so_far(crowd) - before;
    return (double)wakes * (double)BENCH_NS_PER_S / (double)(bench_now_ns() - start_ns);
}

int bench_floor_wakes(unsigned threads, unsigned groups, uint64_t duration_ns, double *wakes_per_s)
{
    struct crowd *crowd = aligned_alloc(128, sizeof *crowd);
    struct sleeper *sleepers = aligned_alloc(128, threads * sizeof *sleepers);
    int error = crowd == NULL || sleepers == NULL ? -ENOMEM : 0;
    if (error == 0) {
        memset(crowd, 0, sizeof *crowd);
        memset(sleepers, 0, threads * sizeof *sleepers);
        crowd->sleepers = sleepers;
        for (unsigned i = 0; i < groups; i++)
            crowd->groups[i].stop = &crowd->stop;
        for (unsigned i = 0; i < threads; i++)
            crowd->groups[i % groups].sleepers++;
        error = start_crowd(crowd, threads, groups);
        if (error == 0)
            *wakes_per_s = count_wakes(crowd, duration_ns);
        end_crowd(crowd, groups);
    }
    free(sleepers);
    free(crowd);
    return error;
}
