/* SPDX-License-Identifier: MIT */
/*
 * What the kernel does with a thread that is woken, with nothing of the library in it: where it runs, and how
 * soon.  scripts/check-scale makes costs of a machine's file of it.
 *
 * A waker wakes a sleeper with a futex, over and over until the time is up.  Both have been where each way
 * says for US microseconds before.
 *
 *   idle      each has a processor to itself, and the sleeper's has been idle for so long.  "call_ns": the
 *             waker's call.  "runs_ns": from before the call until the sleeper runs
 *   preempt   both have one processor, and the waker has had it for so long since it slept itself.
 *             "share": how often the sleeper takes it before the waker goes on after its call.  "runs_ns":
 *             until the sleeper runs, while the waker goes on for ever
 *   timer     no waker: the sleeper sleeps so long on its processor, which is idle.  "late_ns"
 *   late      the same on a processor that another thread keeps busy
 *   hand      two on one processor wake each other in turn.  "runs_ns": of one turn
 *   deadline  the same, and each sleeps with a deadline, which does not come
 *   expire    a thread is busy on one processor, and one beside it sleeps so long, over and over.  "runs_ns":
 *             what the busy one loses each time
 *   move      the sleeper may run on either processor, and slept on the waker's; the other one is idle.
 *             "share": how often it runs on the other one
 *   return    the same, but it slept on the other one.  "share": how often it runs there again
 *   stay      the same, but the other one is busy, as the waker's is.  "share": how often it runs on the
 *             waker's
 *   start     no waker: a thread is made, and the other processor is idle.  "share": how often it starts there
 *   spread    no waker: two threads are busy on one processor, may run on either, and the other one is idle.
 *             "late_ns": until each has one.  US: for so long at most
 *   turns     the same, but each gives the processor to the other every 10 us (sched_yield)
 *
 * Times are medians.
 */
#include "floor.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SECONDS_MAX 3600
#define US_MAX 1e6
#define FALL_ASLEEP_NS UINT64_C(30000) /* from saying so to sleeping */
#define REST_NS UINT64_C(100000) /* that the waker sleeps before it wakes, in the way preempt */
#define TURN_NS UINT64_C(10000)
#define PATIENCE_NS UINT64_C(20000000) /* for a sleeper that does not get a processor */

static const char usage[] =
    "floor_sched idle|preempt|timer|late|hand|deadline|expire|move|return|stay|start|spread|turns "
    "SECONDS US";

static cpu_set_t processors[2]; /* the first two that there are */
static _Alignas(128) _Atomic uint32_t round_number;
static _Alignas(
    128) _Atomic uint32_t asleep; /* the round for which the sleeper sleeps, or is about to */
static _Alignas(128) _Atomic uint64_t ran_ns; /* when the sleeper ran; 0: not yet */
static _Atomic int ran_at;                    /* on which processor */
static _Alignas(128) _Atomic bool stop;

/* ---- Threads ------------------------------------------------------------------------------------ */

static void bind_to(const cpu_set_t *set)
{
    if (sched_setaffinity(0, sizeof *set, set) != 0)
        floor_fail("sched_setaffinity");
}

static void find_processors(void)
{
    cpu_set_t allowed;
    unsigned found = 0;

    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        floor_fail("sched_getaffinity");
    for (size_t cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++)
        if (CPU_ISSET(cpu, &allowed))
            CPU_SET(cpu, &processors[found++]);
    errno = ENODEV;
    if (found < 2)
        floor_fail("two processors");
}

static void sleep_on(uint32_t seen)
{
    while (atomic_load(&round_number) == seen)
        syscall(SYS_futex, &round_number, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void wake(void)
{
    atomic_fetch_add(&round_number, 1);
    syscall(SYS_futex, &round_number, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void busy_until(uint64_t ns)
{
    while (bench_now_ns() < ns)
        continue;
}

static void rest(uint64_t ns)
{
    struct timespec time = bench_timespec(ns);
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &time) == EINTR)
        continue;
}

/* Falls asleep where the way says, and runs where the kernel says. */
struct sleeper {
    const cpu_set_t *sleeps; /* the processor */
    bool is_free;            /* to run elsewhere */
};

static void *run_sleeper(void *arg)
{
    const struct sleeper *sleeper = arg;
    cpu_set_t both;

    CPU_OR(&both, &processors[0], &processors[1]);
    while (!atomic_load(&stop)) {
        uint32_t seen = atomic_load(&round_number);
        bind_to(sleeper->sleeps);
        if (sleeper->is_free)
            bind_to(&both);
        atomic_store(&asleep, seen + 1);
        sleep_on(seen);
        atomic_store(&ran_at, sched_getcpu());
        atomic_store(&ran_ns, bench_now_ns());
    }
    return NULL;
}

static void *keep_busy(void *arg)
{
    bind_to(arg);
    while (!atomic_load_explicit(&stop, memory_order_relaxed))
        continue;
    return NULL;
}

static pthread_t start(void *(*run)(void *arg), void *arg)
{
    pthread_t thread;

    floor_check(-pthread_create(&thread, NULL, run, arg), "starting a thread");
    return thread;
}

/* ---- Ways --------------------------------------------------------------------------------------- */

struct sums {
    struct bench_histogram runs_ns, call_ns;
    uint64_t rounds, hits;
};
static struct sums sums;

/* The sleeper sleeps now. */
static void await_sleeper(void)
{
    while (atomic_load(&asleep) != atomic_load(&round_number) + 1)
        rest(FALL_ASLEEP_NS);
    rest(FALL_ASLEEP_NS);
    atomic_store(&ran_ns, 0);
}

/* Wakes it, and tells when the call had begun, and ended. */
static void wake_timed(uint64_t *begin_ns, uint64_t *end_ns)
{
    *begin_ns = bench_now_ns();
    wake();
    *end_ns = bench_now_ns();
}

static uint64_t await_run(uint64_t begin_ns)
{
    uint64_t at_ns;

    while ((at_ns = atomic_load(&ran_ns)) == 0 && bench_now_ns() < begin_ns + PATIENCE_NS)
        continue;
    while ((at_ns = atomic_load(&ran_ns)) == 0)
        rest(FALL_ASLEEP_NS);
    return at_ns;
}

/* The sleeper's processor is idle, or busy; the waker has spun for `us` before. */
static void wake_once(uint64_t us, int wanted_cpu)
{
    uint64_t begin_ns, end_ns;

    await_sleeper();
    busy_until(bench_now_ns() + us * 1000);
    wake_timed(&begin_ns, &end_ns);
    uint64_t at_ns = await_run(begin_ns);
    bench_histogram_add(&sums.runs_ns, at_ns > begin_ns ? at_ns - begin_ns : 0);
    bench_histogram_add(&sums.call_ns, end_ns - begin_ns);
    sums.rounds++;
    sums.hits += wanted_cpu >= 0 ? atomic_load(&ran_at) == wanted_cpu : at_ns < end_ns;
}

/* The waker has slept, and has had the processor for `us` since. */
static void preempt_once(uint64_t us)
{
    await_sleeper();
    rest(REST_NS);
    wake_once(us, -1);
}

static void sleep_once(uint64_t us)
{
    uint64_t due_ns = bench_now_ns() + us * 1000;
    struct timespec due = bench_timespec(due_ns);

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
        continue;
    bench_histogram_add(&sums.runs_ns, bench_now_ns() - due_ns);
    sums.rounds++;
}

/* ---- Turns and deadlines ---- */

#define TURNS 1000
#define GAP_NS                                                                                     \
    UINT64_C(500) /* between two looks at the clock: another thread ran, or an interrupt */

static bool has_deadline;

/* Waits until the word is odd, or even, and makes it the other; so often. */
static void hand_over(uint32_t parity)
{
    struct timespec end = {.tv_sec = 1000};

    for (unsigned i = 0; i < TURNS; i++) {
        uint32_t word;
        while ((word = atomic_load(&round_number)) % 2 != parity)
            syscall(SYS_futex, &round_number, FUTEX_WAIT_PRIVATE, word, has_deadline ? &end : NULL,
                    NULL, 0);
        wake();
    }
}

static void *run_other_hand(void *arg)
{
    (void)arg;
    hand_over(1);
    return NULL;
}

static void hand_once(void)
{
    uint64_t begin_ns = bench_now_ns();
    pthread_t other = start(run_other_hand, NULL);

    hand_over(0);
    pthread_join(other, NULL);
    bench_histogram_add(&sums.runs_ns, (bench_now_ns() - begin_ns) / (2 * TURNS));
    sums.rounds++;
}

static _Atomic uint64_t expiries;

static void *expire_over_and_over(void *arg)
{
    uint64_t us = *(const uint64_t *)arg;

    while (!atomic_load(&stop)) {
        rest(us * 1000);
        atomic_fetch_add(&expiries, 1);
    }
    return NULL;
}

/* What is missing between two looks at the clock, per expiry. */
static void expire_once(uint64_t end_ns)
{
    uint64_t lost_ns = 0, before_ns = bench_now_ns(), now_ns;
    uint64_t expiries_then = atomic_load(&expiries);

    do {
        now_ns = bench_now_ns();
        lost_ns += now_ns - before_ns > GAP_NS ? now_ns - before_ns : 0;
        before_ns = now_ns;
    } while (now_ns < end_ns || atomic_load(&expiries) == expiries_then);
    bench_histogram_add(&sums.runs_ns, lost_ns / (atomic_load(&expiries) - expiries_then));
    sums.rounds++;
}

/* ---- Two on one processor ---- */

static _Alignas(128) _Atomic int runs_at[2]; /* where each of two is; -1: not there yet */
static _Atomic bool spread;                  /* this round is over */
static bool takes_turns;

static void *run_beside(void *arg)
{
    const int index = *(const int *)arg;
    cpu_set_t both;

    CPU_OR(&both, &processors[0], &processors[1]);
    bind_to(&processors[0]);
    atomic_store(&runs_at[index], sched_getcpu());
    while (atomic_load(&runs_at[1 - index]) < 0)
        sched_yield();
    bind_to(&both);
    while (!atomic_load(&spread)) {
        busy_until(bench_now_ns() + TURN_NS);
        atomic_store(&runs_at[index], sched_getcpu());
        if (takes_turns)
            sched_yield();
    }
    return NULL;
}

/* Waits for them with its eyes closed, or there would be three. */
static void spread_once(uint64_t us)
{
    static const int indices[2] = {0, 1};
    pthread_t threads[2];
    uint64_t begin_ns = bench_now_ns(), now_ns;

    atomic_store(&spread, false);
    for (int i = 0; i < 2; i++)
        atomic_store(&runs_at[i], -1);
    for (int i = 0; i < 2; i++)
        threads[i] = start(run_beside, (void *)(uintptr_t)&indices[i]);
    do {
        rest(REST_NS);
        now_ns = bench_now_ns();
    } while ((atomic_load(&runs_at[0]) < 0 || atomic_load(&runs_at[1]) < 0 ||
              atomic_load(&runs_at[0]) == atomic_load(&runs_at[1])) &&
             now_ns < begin_ns + us * 1000);
    atomic_store(&spread, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    bench_histogram_add(&sums.runs_ns, now_ns - begin_ns);
    sums.rounds++;
}

static void *tell_where(void *arg)
{
    (void)arg;
    atomic_store(&ran_at, sched_getcpu());
    return NULL;
}

static void start_once(uint64_t us, int wanted_cpu)
{
    cpu_set_t both;

    CPU_OR(&both, &processors[0], &processors[1]);
    bind_to(&processors[0]);
    busy_until(bench_now_ns() + us * 1000);
    bind_to(&both);
    uint64_t begin_ns = bench_now_ns();
    pthread_t thread = start(tell_where, NULL);
    bench_histogram_add(&sums.call_ns, bench_now_ns() - begin_ns);
    pthread_join(thread, NULL);
    bench_histogram_add(&sums.runs_ns, bench_now_ns() - begin_ns);
    sums.rounds++;
    sums.hits += atomic_load(&ran_at) == wanted_cpu;
}

static int number_of(const cpu_set_t *set)
{
    int cpu = 0;

    while (!CPU_ISSET((size_t)cpu, set))
        cpu++;
    return cpu;
}

enum kind {
    WAKES,
    PREEMPTS,
    STARTS,
    SLEEPS,
    HANDS,
    EXPIRES,
    SPREADS
};
/* Each way: who does what, and on which of the two processors. */
static const struct way {
    const char *name;
    enum kind kind;
    int sleeps_at;
    bool is_free; /* the sleeper, to run on either */
    int busy_at;  /* a third thread; -1: there is none */
    int counts_at; /* where the sleeper runs if it counts; -1: whether it runs before the waker goes on */
} ways[] = {
    {"idle", WAKES, 1, false, -1, -1},    {"preempt", PREEMPTS, 0, false, -1, -1},
    {"timer", SLEEPS, 0, false, -1, 0},   {"late", SLEEPS, 0, false, 0, 0},
    {"move", WAKES, 0, true, -1, 1},      {"return", WAKES, 1, true, -1, 1},
    {"stay", WAKES, 1, true, 1, 0},       {"spread", SPREADS, 0, true, -1, 0},
    {"turns", SPREADS, 0, true, -1, 0},   {"start", STARTS, 0, true, -1, 1},
    {"hand", HANDS, 0, false, -1, 0},     {"deadline", HANDS, 0, false, -1, 0},
    {"expire", EXPIRES, 0, false, -1, 0},
};

static void once(const struct way *way, uint64_t us, uint64_t end_ns)
{
    const int cpu = way->counts_at < 0 ? -1 : number_of(&processors[way->counts_at]);

    if (way->kind == SLEEPS)
        sleep_once(us);
    else if (way->kind == HANDS)
        hand_once();
    else if (way->kind == EXPIRES)
        expire_once(end_ns);
    else if (way->kind == SPREADS)
        spread_once(us);
    else if (way->kind == PREEMPTS)
        preempt_once(us);
    else if (way->kind == STARTS)
        start_once(us, cpu);
    else
        wake_once(us, cpu);
}

static void measure(const struct way *way, uint64_t end_ns, uint64_t us)
{
    const bool has_sleeper = way->kind == WAKES || way->kind == PREEMPTS;
    struct sleeper sleeper = {&processors[way->sleeps_at], way->is_free};
    pthread_t busy = 0, sleeping = 0;

    takes_turns = strcmp(way->name, "turns") == 0;
    has_deadline = strcmp(way->name, "deadline") == 0;
    bind_to(&processors[0]);
    if (way->busy_at >= 0)
        busy = start(keep_busy, (void *)(uintptr_t)&processors[way->busy_at]);
    if (way->kind == EXPIRES)
        busy = start(expire_over_and_over, &us);
    if (has_sleeper)
        sleeping = start(run_sleeper, &sleeper);
    do
        once(way, us, end_ns);
    while (bench_now_ns() < end_ns);
    atomic_store(&stop, true);
    if (busy != 0)
        pthread_join(busy, NULL);
    if (sleeping != 0) {
        wake();
        pthread_join(sleeping, NULL);
    }
}

static void print_result(const struct way *way, uint64_t us)
{
    const double median_ns = (double)bench_histogram_percentile(&sums.runs_ns, 0.5);

    printf("{\"floor\":\"sched\",\"how\":\"%s\",\"threads\":2,\"us\":%llu,\"rounds\":%llu",
           way->name, (unsigned long long)us, (unsigned long long)sums.rounds);
    if (way->kind == SLEEPS || way->kind == SPREADS)
        printf(",\"late_ns\":%.0f", median_ns);
    else
        printf(",\"runs_ns\":%.0f,\"call_ns\":%.0f,\"share\":%.4f", median_ns,
               (double)bench_histogram_percentile(&sums.call_ns, 0.5),
               (double)sums.hits / (double)sums.rounds);
    puts("}");
}

int main(int argc, char **argv)
{
    size_t way = 0;

    if (argc != 4)
        floor_usage(usage);
    while (way < sizeof ways / sizeof *ways && strcmp(ways[way].name, argv[1]) != 0)
        way++;
    double seconds = floor_number(argv[2], usage);
    double us = floor_number(argv[3], usage);
    if (way == sizeof ways / sizeof *ways || seconds > SECONDS_MAX || us > US_MAX || us < 1)
        floor_usage(usage);
    find_processors();
    measure(&ways[way], bench_now_ns() + (uint64_t)(seconds * (double)BENCH_NS_PER_S),
            (uint64_t)us);
    print_result(&ways[way], (uint64_t)us);
    return 0;
}
