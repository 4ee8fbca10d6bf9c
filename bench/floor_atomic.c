/* SPDX-License-Identifier: MIT */
/*
 * What one step of taking a place costs on this machine, with nothing of the library in it: the
 * costs that a machine's file of logfile-scale has (scripts/check-scale).
 *
 * THREADS threads do the same step over and over until the time is up.  A tenth of the time goes by
 * before anything is counted.  "ns_per_op" is the time over the steps of all threads together: how
 * long the machine is taken up by one.
 *
 *   faa      fetch-add on one word that all threads share
 *   cas      the same by a load and a compare-and-swap, repeated until it succeeds
 *   ticket   load, add and store of that word under Concurrency Kit's ticket lock, on the same lines
 *   mcs      likewise under its MCS queue lock
 *   mutex    likewise under a pthread mutex
 *   turns    each thread in turn adds to the word that the one before it has just stored: a line
 *            goes from one processor to the next for each step
 *   private  fetch-add on a word that each thread has for itself
 *   copy     memcpy of BYTES (512) into a private ring of 1 MiB
 *   clock    one reading of the clock
 *   pause    one of the processor's pauses, as in a loop that spins
 *   fence    one full fence
 *   call     one system call that does nothing
 *   yield    sched_yield, with no other thread that wants the processor
 *   wake     THREADS sleep on a futex, and a waker calls FUTEX_WAKE once for all of them, when all of
 *            them sleep.  A step is one thread's share of that call: what the waker pays for it, and
 *            not what it costs to switch to it
 *
 * Each thread has a processor to itself where there are as many ("pinned"); otherwise the kernel
 * decides.  For wake the waker has the first and the sleepers share the rest.  turns is refused
 * where threads would have to share, because a thread that is not running keeps its turn.
 */
#include "floor.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <spinlock/mcs.h>
#include <spinlock/ticket.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define THREADS_MAX 1024u
#define BATCH 16u /* steps between two looks at whether the time is up */
#define RECORD_UNITS 66u
#define COPY_RING_BYTES ((size_t)1 << 20)
#define COPY_BYTES_MAX ((size_t)64 << 10)
#define WARM_UP_SHARE 10
#define SECONDS_MAX 3600
#define FALL_ASLEEP_US 50 /* from counting oneself as a sleeper to sleeping */

static const char usage[] =
    "floor_atomic faa|cas|ticket|mcs|mutex|turns|private|copy|clock|pause|fence|call|yield|wake "
    "THREADS SECONDS [BYTES]";

struct worker {
    _Alignas(128) _Atomic uint64_t steps; /* W: its own thread.  R: the main thread */
    _Atomic uint64_t own;
    unsigned index;
    pthread_t thread;
    unsigned char *ring;
};

/* One pair of lines: the word, and the locks that guard it in some of the ways. */
static struct {
    _Alignas(128) _Atomic uint64_t word;
    ck_spinlock_ticket_t ticket;
    ck_spinlock_mcs_t mcs;
    pthread_mutex_t mutex;
} shared = {.ticket = CK_SPINLOCK_TICKET_INITIALIZER, .mutex = PTHREAD_MUTEX_INITIALIZER};

/* Read by everybody, written once, and so on lines of its own. */
static _Alignas(128) _Atomic bool stop;
static _Alignas(128) unsigned thread_count;
static size_t copy_bytes = 512;
static unsigned char *payload;

/* For wake: what the sleepers sleep on, how many are about to, and what the waker measured. */
static _Alignas(128) _Atomic uint32_t wake_round;
static _Alignas(128) _Atomic uint32_t sleeper_count;

/* ---- The steps ---- */

/* The word is atomic for the sake of the ways without a lock; under one, a plain addition. */
static void add_under_lock(void)
{
    uint64_t word = atomic_load_explicit(&shared.word, memory_order_relaxed);
    atomic_store_explicit(&shared.word, word + RECORD_UNITS, memory_order_relaxed);
}

static void step_faa(struct worker *worker)
{
    (void)worker;
    atomic_fetch_add(&shared.word, RECORD_UNITS);
}

static void step_cas(struct worker *worker)
{
    (void)worker;
    uint64_t word = atomic_load(&shared.word);
    while (!atomic_compare_exchange_strong(&shared.word, &word, word + RECORD_UNITS))
        ;
}

static void step_ticket(struct worker *worker)
{
    (void)worker;
    ck_spinlock_ticket_lock(&shared.ticket);
    add_under_lock();
    ck_spinlock_ticket_unlock(&shared.ticket);
}

static void step_mcs(struct worker *worker)
{
    (void)worker;
    ck_spinlock_mcs_context_t node;
    ck_spinlock_mcs_lock(&shared.mcs, &node);
    add_under_lock();
    ck_spinlock_mcs_unlock(&shared.mcs, &node);
}

static void step_mutex(struct worker *worker)
{
    (void)worker;
    pthread_mutex_lock(&shared.mutex);
    add_under_lock();
    pthread_mutex_unlock(&shared.mutex);
}

/* Waits for the thread before it, which has a processor of its own, or for the end. */
static void step_turns(struct worker *worker)
{
    uint64_t word = atomic_load_explicit(&shared.word, memory_order_acquire);
    while (word % thread_count != worker->index) {
        if (atomic_load_explicit(&stop, memory_order_relaxed))
            return;
        word = atomic_load_explicit(&shared.word, memory_order_acquire);
    }
    atomic_store_explicit(&shared.word, word + 1, memory_order_release);
}

static void step_private(struct worker *worker)
{
    atomic_fetch_add(&worker->own, RECORD_UNITS);
}

static void step_copy(struct worker *worker)
{
    uint64_t at = atomic_load_explicit(&worker->own, memory_order_relaxed);
    memcpy(worker->ring + at % COPY_RING_BYTES, payload, copy_bytes);
    /* A record begins at a multiple of 8 bytes, as in the log. */
    atomic_store_explicit(&worker->own, at + (copy_bytes + 15) / 8 * 8, memory_order_relaxed);
}

static void step_clock(struct worker *worker)
{
    atomic_store_explicit(&worker->own, bench_now_ns(), memory_order_relaxed);
}

static void step_pause(struct worker *worker)
{
    (void)worker;
    ck_pr_stall();
}

static void step_fence(struct worker *worker)
{
    atomic_store_explicit(&worker->own, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
}

static void step_call(struct worker *worker)
{
    (void)worker;
    syscall(SYS_getppid);
}

static void step_yield(struct worker *worker)
{
    (void)worker;
    sched_yield();
}

/* ---- Threads ---- */

/* Binds the calling thread to the given one of the processors that this process may use, or to all
 * but the first of them. */
static void bind_to(unsigned number, bool all_behind)
{
    cpu_set_t allowed;
    cpu_set_t chosen;
    CPU_ZERO(&chosen);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        floor_fail("sched_getaffinity");
    unsigned seen = 0;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed))
            continue;
        if (seen == number || (all_behind && seen > number))
            CPU_SET(cpu, &chosen);
        seen++;
    }
    if (sched_setaffinity(0, sizeof chosen, &chosen) != 0)
        floor_fail("sched_setaffinity");
}

static unsigned processor_count(void)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        floor_fail("sched_getaffinity");
    return (unsigned)CPU_COUNT(&allowed);
}

static bool pinned;

/* Each step gets a loop of its own, so that none is a call through a pointer. */
#define DEFINE_RUN(name)                                                                           \
    static void *run_##name(void *arg)                                                             \
    {                                                                                              \
        struct worker *worker = arg;                                                               \
        uint64_t steps = 0;                                                                        \
        if (pinned)                                                                                \
            bind_to(worker->index, false);                                                         \
        while (!atomic_load_explicit(&stop, memory_order_relaxed)) {                               \
            for (unsigned i = 0; i < BATCH; i++)                                                   \
                step_##name(worker);                                                               \
            steps += BATCH;                                                                        \
            atomic_store_explicit(&worker->steps, steps, memory_order_relaxed);                    \
        }                                                                                          \
        return NULL;                                                                               \
    }

DEFINE_RUN(faa)
DEFINE_RUN(cas)
DEFINE_RUN(ticket)
DEFINE_RUN(mcs)
DEFINE_RUN(mutex)
DEFINE_RUN(turns)
DEFINE_RUN(private)
DEFINE_RUN(copy)
DEFINE_RUN(clock)
DEFINE_RUN(pause)
DEFINE_RUN(fence)
DEFINE_RUN(call)
DEFINE_RUN(yield)

/* Waits for the waker's next round, which comes when all sleep; the last one comes with stop. */
static void *run_sleeper(void *arg)
{
    (void)arg;
    if (pinned)
        bind_to(1, true);
    do {
        uint32_t seen = atomic_load(&wake_round);
        atomic_fetch_add(&sleeper_count, 1);
        while (atomic_load(&wake_round) == seen)
            syscall(SYS_futex, &wake_round, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    } while (!atomic_load(&stop));
    return NULL;
}

struct way {
    const char *name;
    void *(*run)(void *worker);
};

static const struct way ways[] = {
    {"faa", run_faa},     {"cas", run_cas},      {"ticket", run_ticket},   {"mcs", run_mcs},
    {"mutex", run_mutex}, {"turns", run_turns},  {"private", run_private}, {"copy", run_copy},
    {"clock", run_clock}, {"pause", run_pause},  {"fence", run_fence},     {"call", run_call},
    {"yield", run_yield}, {"wake", run_sleeper},
};

static const struct way *way;

static void start(struct worker *workers)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * 1024);
    for (unsigned i = 0; i < thread_count; i++) {
        errno = pthread_create(&workers[i].thread, &attributes, way->run, &workers[i]);
        if (errno != 0)
            floor_fail("starting a thread");
    }
    pthread_attr_destroy(&attributes);
}

static void join(struct worker *workers)
{
    for (unsigned i = 0; i < thread_count; i++)
        pthread_join(workers[i].thread, NULL);
}

/* ---- Measuring ---- */

static uint64_t steps_so_far(const struct worker *workers)
{
    uint64_t steps = 0;
    for (unsigned i = 0; i < thread_count; i++)
        steps += atomic_load_explicit(&workers[i].steps, memory_order_relaxed);
    return steps;
}

static double measure_steps(struct worker *workers, double seconds)
{
    start(workers);
    usleep((useconds_t)(seconds * 1e6 / WARM_UP_SHARE));
    uint64_t before = steps_so_far(workers);
    uint64_t start_ns = bench_now_ns();
    usleep((useconds_t)(seconds * 1e6));
    uint64_t steps = steps_so_far(workers) - before;
    double elapsed_ns = (double)(bench_now_ns() - start_ns);
    atomic_store(&stop, true);
    join(workers);
    return elapsed_ns / (double)(steps > 0 ? steps : 1);
}

/* Each counts itself just before it sleeps, and every sleeper gets there. */
static void wait_until_asleep(void)
{
    while (atomic_load(&sleeper_count) < thread_count)
        usleep(FALL_ASLEEP_US);
    usleep(FALL_ASLEEP_US);
    atomic_store(&sleeper_count, 0);
}

/* Wakes all of them with one call and adds its time up; returns how many were woken. */
static uint64_t wake_all(uint64_t *ns)
{
    atomic_fetch_add(&wake_round, 1);
    uint64_t begin_ns = bench_now_ns();
    long count = syscall(SYS_futex, &wake_round, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    *ns += bench_now_ns() - begin_ns;
    return count > 0 ? (uint64_t)count : 0;
}

static double measure_wake(struct worker *workers, double seconds)
{
    start(workers);
    if (pinned)
        bind_to(0, false);
    uint64_t ns = 0;
    uint64_t woken = 0;
    uint64_t end_ns = bench_now_ns() + (uint64_t)(seconds * (double)BENCH_NS_PER_S);
    while (bench_now_ns() < end_ns || woken == 0) {
        wait_until_asleep();
        woken += wake_all(&ns);
    }
    double ns_per_wake = (double)ns / (double)woken;
    wait_until_asleep();
    atomic_store(&stop, true);
    wake_all(&ns);
    join(workers);
    return ns_per_wake;
}

static const struct way *way_of(const char *name)
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (strcmp(ways[i].name, name) == 0)
            return &ways[i];
    floor_usage(usage);
}

/* Whether each thread can have a processor to itself; a waker needs only one that it does not share
 * with those it wakes. */
static bool can_pin(void)
{
    return processor_count() >= (way->run == run_sleeper ? 2 : thread_count);
}

static struct worker *make_workers(void)
{
    struct worker *workers = aligned_alloc(128, thread_count * sizeof *workers);
    if (workers == NULL)
        floor_fail("memory");
    payload = floor_buffer(COPY_BYTES_MAX);
    for (unsigned i = 0; i < thread_count; i++) {
        workers[i] = (struct worker){.index = i};
        if (way->run == run_copy)
            workers[i].ring = floor_buffer(COPY_RING_BYTES + COPY_BYTES_MAX);
    }
    return workers;
}

static void free_workers(struct worker *workers)
{
    for (unsigned i = 0; i < thread_count; i++)
        free(workers[i].ring);
    free(workers);
    free(payload);
}

static void print_result(double ns_per_op)
{
    printf("{\"floor\":\"atomic\",\"how\":\"%s\",\"threads\":%u,\"pinned\":%s,\"ns_per_op\":%.3f"
           ",\"ops_per_s\":%.3f",
           way->name, thread_count, pinned ? "true" : "false", ns_per_op,
           (double)BENCH_NS_PER_S / ns_per_op);
    if (way->run == run_copy)
        printf(",\"bytes\":%zu", copy_bytes);
    puts("}");
}

int main(int argc, char **argv)
{
    if (argc != 4 && argc != 5)
        floor_usage(usage);
    way = way_of(argv[1]);
    double threads = floor_number(argv[2], usage);
    double seconds = floor_number(argv[3], usage);
    double bytes = argc == 5 ? floor_number(argv[4], usage) : (double)copy_bytes;
    if (threads > THREADS_MAX || threads != (unsigned)threads || seconds > SECONDS_MAX)
        floor_usage(usage);
    if (bytes > (double)COPY_BYTES_MAX || (argc == 5 && way->run != run_copy))
        floor_usage(usage);
    thread_count = (unsigned)threads;
    copy_bytes = (size_t)bytes;
    pinned = can_pin();
    if (way->run == run_turns && !pinned)
        floor_usage("floor_atomic turns: at most as many THREADS as processors");
    struct worker *workers = make_workers();
    print_result(way->run == run_sleeper ? measure_wake(workers, seconds)
                                         : measure_steps(workers, seconds));
    free_workers(workers);
    return 0;
}
