/* SPDX-License-Identifier: MIT */
#include "scheduler.h"

#include "../../bench/scale/fibre.h"
#include "memory.h"
#include "search.h"
#include "trace.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define UNPOISON(memory, bytes) __asan_unpoison_memory_region(memory, bytes)
#else
#define UNPOISON(memory, bytes) ((void)(memory), (void)(bytes))
#endif

enum {
    STACK_BYTES = 128 << 10,
    STEPS_MAX = 50000,     /* of an execution: more is a livelock */
    LONE_ROUNDS_JUMP = 64, /* spinning fibres alone look this often before time jumps */
    LONE_ROUNDS_MAX = 4000,
    LONE_ROUND_NS = 1000
};

#define START_NS UINT64_C(1000000000000)
/* A timer may end before others have done what they could in this time, but not in an hour. */
#define HURRY_NS_MAX UINT64_C(10000000)

enum fibre_state {
    FIBRE_READY,
    FIBRE_SPINNING,
    FIBRE_BLOCKED,
    FIBRE_DONE
};

struct fibre {
    struct fibre_context context;
    fibre_main *entry;
    void *arg;
    const char *name;
    enum fibre_state state;
    const void *waits_at;
    uint64_t deadline_ns;
    bool timed_out;
    bool is_device;
};

bool is_exploring;

static struct fibre fibres[FIBRES_MAX];
static _Alignas(64) uint8_t stacks[FIBRES_MAX][STACK_BYTES];
static struct fibre_context outside;
static unsigned fibre_count, kept_count;
static unsigned self;
/* One bit for each fibre. */
static uint32_t ready, spinning, timed;
static uint64_t now_ns = START_NS;
static uint64_t kept_ns = START_NS;
static uint64_t hurried_ns;
static unsigned lone_rounds;
static uint64_t steps;
static void (*quiet_check)(void);
static char failure[256];

/* ---- Failure ---- */

void scheduler_fail(const char *format, ...)
{
    va_list arguments;

    if (failure[0] == '\0') {
        va_start(arguments, format);
        vsnprintf(failure, sizeof failure, format, arguments);
        va_end(arguments);
        trace("%s", failure);
    }
    if (!is_exploring)
        return;
    is_exploring = false;
    fibre_switch(&fibres[self].context, &outside);
}

const char *scheduler_failure(void)
{
    return failure[0] != '\0' ? failure : NULL;
}

void scheduler_on_quiet(void (*check)(void))
{
    quiet_check = check;
}

uint64_t scheduler_steps(void)
{
    return steps;
}

/* ---- States ---- */

static void make_ready(unsigned fibre, bool timed_out)
{
    fibres[fibre].state = FIBRE_READY;
    fibres[fibre].timed_out = timed_out;
    ready |= 1u << fibre;
    spinning &= ~(1u << fibre);
    timed &= ~(1u << fibre);
}

static void leave_ready(enum fibre_state state)
{
    fibres[self].state = state;
    ready &= ~(1u << self);
}

unsigned scheduler_create(const char *name, fibre_main *entry, void *arg)
{
    unsigned fibre = fibre_count++;

    if (fibre >= FIBRES_MAX) {
        fputs("explore: too many fibres\n", stderr);
        __builtin_trap();
    }
    fibres[fibre] = (struct fibre){.entry = entry, .arg = arg, .name = name};
    return fibre;
}

void scheduler_clear(void)
{
    fibre_count = kept_count = 0;
    now_ns = START_NS;
    quiet_check = NULL;
    failure[0] = '\0';
}

void scheduler_keep(void)
{
    kept_count = fibre_count;
    kept_ns = now_ns;
}

void scheduler_restore(void)
{
    fibre_count = kept_count;
    now_ns = kept_ns;
    failure[0] = '\0';
}

unsigned scheduler_self(void)
{
    return self;
}

const char *scheduler_name(unsigned fibre)
{
    return fibres[fibre].name;
}

unsigned scheduler_count(void)
{
    return fibre_count;
}

bool scheduler_is_done(unsigned fibre)
{
    return fibres[fibre].state == FIBRE_DONE;
}

bool scheduler_sleeps_at(unsigned fibre, const void *address)
{
    return fibres[fibre].state == FIBRE_BLOCKED && fibres[fibre].waits_at == address;
}

uint64_t scheduler_now_ns(void)
{
    return now_ns;
}

uint64_t scheduler_hurried_ns(void)
{
    return hurried_ns;
}

void scheduler_stored(void)
{
    uint32_t left = spinning;

    while (left != 0) {
        unsigned fibre = (unsigned)__builtin_ctz(left);
        left &= left - 1;
        make_ready(fibre, false);
    }
    lone_rounds = 0;
}

/* ---- Time ---- */

/* The sleeper whose deadline comes first. */
static unsigned next_timer(void)
{
    unsigned first = FIBRES_MAX;

    for (uint32_t left = timed; left != 0; left &= left - 1) {
        unsigned fibre = (unsigned)__builtin_ctz(left);
        if (first == FIBRES_MAX || fibres[fibre].deadline_ns < fibres[first].deadline_ns)
            first = fibre;
    }
    return first;
}

/* Time goes on to the deadline of this sleeper, which is the first. */
static void pass_time_to(unsigned fibre)
{
    if (fibres[fibre].deadline_ns > now_ns)
        now_ns = fibres[fibre].deadline_ns;
    for (uint32_t left = timed; left != 0; left &= left - 1) {
        unsigned other = (unsigned)__builtin_ctz(left);
        if (fibres[other].deadline_ns <= now_ns)
            make_ready(other, true);
    }
    trace("time is %+.3f us", (double)(now_ns - kept_ns) / 1e3);
}

/* No fibre is ready, but some spin: time passes a little, and they look again. */
static void let_spinners_look(void)
{
    unsigned timer = next_timer();

    if (timer != FIBRES_MAX &&
        (lone_rounds >= LONE_ROUNDS_JUMP || fibres[timer].deadline_ns <= now_ns + LONE_ROUND_NS)) {
        pass_time_to(timer);
        return;
    }
    if (++lone_rounds > LONE_ROUNDS_MAX)
        scheduler_fail("livelock: fibres spin, and nobody else can run");
    unsigned rounds = lone_rounds;
    now_ns += LONE_ROUND_NS;
    memory_settle();
    scheduler_stored();
    lone_rounds = rounds;
}

static void fail_deadlock(void)
{
    char names[128] = "";

    for (unsigned i = 0; i < fibre_count; i++)
        if (fibres[i].state == FIBRE_BLOCKED)
            snprintf(names + strlen(names), sizeof names - strlen(names), " %s(%s)", fibres[i].name,
                     trace_name(fibres[i].waits_at));
    scheduler_fail("deadlock: nobody can run; asleep for ever:%s", names);
}

static bool is_device_busy(void)
{
    for (uint32_t left = timed; left != 0; left &= left - 1)
        if (fibres[__builtin_ctz(left)].is_device)
            return true;
    return false;
}

/* No fibre is ready.  Afterwards one is, or all have returned: false. */
static bool wait_for_anything(void)
{
    while (ready == 0) {
        unsigned timer = next_timer();
        if (spinning != 0) {
            let_spinners_look();
            continue;
        }
        memory_settle();
        if (timer == FIBRES_MAX) {
            for (unsigned i = 0; i < fibre_count; i++)
                if (fibres[i].state != FIBRE_DONE)
                    fail_deadlock();
            return false;
        }
        if (quiet_check != NULL && !is_device_busy())
            quiet_check();
        pass_time_to(timer);
    }
    return true;
}

/* ---- Choosing ---- */

struct options {
    uint8_t fibre[FIBRES_MAX + 1];
    uint8_t count;
    uint8_t ready_count; /* the one behind them, where there is one, is the next timer's */
};

/* The fibre that runs, where it can go on; the others in turn; the sleeper whose time comes next. */
static void list_options(struct options *options)
{
    options->count = 0;
    for (unsigned i = 0; i < fibre_count; i++) {
        unsigned fibre = self + i < fibre_count ? self + i : self + i - fibre_count;
        if (ready & 1u << fibre)
            options->fibre[options->count++] = (uint8_t)fibre;
    }
    options->ready_count = options->count;
    if (timed == 0)
        return;
    unsigned timer = next_timer();
    if (fibres[timer].deadline_ns <= now_ns + HURRY_NS_MAX)
        options->fibre[options->count++] = (uint8_t)timer;
}

static unsigned choose(const struct options *options, unsigned free_count)
{
    uint64_t before_ns = now_ns;
    unsigned taken = 0;

    if (options->count > 1)
        taken = search_choose(options->count, free_count, BUDGET_PREEMPTIONS, options->fibre);
    if (taken == options->ready_count)
        pass_time_to(options->fibre[taken]);
    hurried_ns += now_ns - before_ns;
    return options->fibre[taken];
}

static void switch_to(unsigned fibre)
{
    unsigned before = self;

    if (fibre == before)
        return;
    self = fibre;
    fibre_switch(&fibres[before].context, &fibres[fibre].context);
}

/* The fibre cannot go on.  The first of the others is free, or each of them. */
static void switch_away(bool all_are_free)
{
    struct options options;

    if (!wait_for_anything()) {
        is_exploring = false;
        fibre_switch(&fibres[self].context, &outside);
    }
    list_options(&options);
    switch_to(choose(&options, all_are_free ? options.ready_count : 1));
}

/* ---- What fibres call ---- */

void scheduler_point(void)
{
    struct options options;

    if (++steps > STEPS_MAX)
        scheduler_fail("livelock: %d steps", STEPS_MAX);
    if ((ready & (ready - 1)) == 0 && timed == 0)
        return;
    list_options(&options);
    switch_to(choose(&options, 1));
}

void scheduler_yield(void)
{
    if (++steps > STEPS_MAX)
        scheduler_fail("livelock: %d steps", STEPS_MAX);
    leave_ready(FIBRE_SPINNING);
    spinning |= 1u << self;
    switch_away(false);
}

bool scheduler_block(const void *address, uint64_t deadline_ns, bool is_device)
{
    struct fibre *fibre = &fibres[self];

    if (deadline_ns <= now_ns)
        return true;
    fibre->waits_at = address;
    fibre->deadline_ns = deadline_ns;
    fibre->is_device = is_device;
    leave_ready(FIBRE_BLOCKED);
    if (deadline_ns != NO_DEADLINE)
        timed |= 1u << self;
    switch_away(true);
    return fibre->timed_out;
}

unsigned scheduler_wake(const void *address, unsigned count)
{
    unsigned woken = 0;

    for (unsigned i = 0; i < fibre_count && woken < count; i++) {
        if (fibres[i].state != FIBRE_BLOCKED || fibres[i].waits_at != address)
            continue;
        make_ready(i, false);
        woken++;
    }
    return woken;
}

/* ---- An execution ---- */

static void start(void)
{
    struct fibre *fibre = &fibres[self];

    (void)fibre->entry(fibre->arg);
    trace("returns");
    leave_ready(FIBRE_DONE);
    scheduler_wake(fibre, FIBRES_MAX);
    scheduler_stored();
    switch_away(true);
}

void scheduler_join(unsigned fibre)
{
    while (fibres[fibre].state != FIBRE_DONE)
        scheduler_block(&fibres[fibre], NO_DEADLINE, false);
}

void scheduler_run(void)
{
    struct options options;

    ready = spinning = timed = 0;
    steps = hurried_ns = 0;
    lone_rounds = 0;
    for (unsigned i = 0; i < fibre_count; i++) {
        UNPOISON(stacks[i], STACK_BYTES);
        fibre_prepare(&fibres[i].context, stacks[i], STACK_BYTES, start);
        make_ready(i, false);
    }
    self = 0;
    is_exploring = true;
    list_options(&options);
    self = choose(&options, options.ready_count);
    fibre_switch(&outside, &fibres[self].context);
    is_exploring = false;
}
