/* SPDX-License-Identifier: MIT */
/*
 * Simulated processors.  Threads are fibres; each processor has a clock of its own.
 *
 * What a thread computes moves its processor's clock on and no other.  Before it does what others can see,
 * or looks at what others do, it lets all processors catch up whose clocks are behind (cpu_sync).  So what
 * threads do to each other happens in the order of simulated time, and a fibre is left only when that order
 * demands another one.  Where two clocks are equal, the lower processor comes first: a run is decided by its
 * machine, its options and its seed.
 *
 * Threads that are more than processors queue, and have a slice each; one that wakes up is given the processor of
 * one that runs, if the machine does so (wake_preempts).  Every picosecond of a
 * processor goes to one of the costs below, so that they sum up to its clock.
 */
#ifndef SCALE_CPUS_H
#define SCALE_CPUS_H

#include "costs.h"
#include "fibre.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

enum cpu_cost {
    CPU_WORK,     /* instructions, copies, checksums, lines that are there */
    CPU_QUEUE,    /* for a line that others had asked for before */
    CPU_TRANSFER, /* for a line that is on its way */
    CPU_SPIN,     /* looking again and again: pauses, and the device's own waits */
    CPU_KERNEL,   /* system calls, waking and sleeping */
    CPU_SWITCH,   /* from one thread to another, and out of idleness */
    CPU_IDLE,
    CPU_COST_COUNT
};
extern const char *const cpu_cost_names[CPU_COST_COUNT];

struct line;

struct thread {
    struct fibre_context context;
    void *(*entry)(void *arg);
    void *arg;
    void *result;
    unsigned cpu; /* where it runs, or ran last */
    enum {
        THREAD_QUEUED,
        THREAD_RUNNING,
        THREAD_BLOCKED,
        THREAD_DONE
    } state;
    bool timed_out;
    bool is_pinned;        /* to the processor that it is on */
    bool keeps_cpu;        /* gives its processor away when its call, or its instruction, is over */
    uint64_t sleep_number; /* of the sleep that a timer may end */
    uint64_t slack_ps;     /* that a sleep with a deadline is longer */
    const void *waits_at;  /* a futex, or NULL */
    struct thread *next;   /* in the queue that it is in */
    struct thread *to_wake; /* before it returns from its sleep, by `next` */
    uint8_t *stack;
};

struct thread_queue {
    struct thread *head, *tail;
};

enum {
    CPU_STORES_MAX = 16, /* that wait for their lines */
    STACK_BYTES = 256 << 10
};

/* A store that is under way: its thread sees it already, others will. */
struct pending_store {
    void *at;
    uint64_t value;
    unsigned bits;
    struct line *line;
    uint64_t granted_ps; /* its line is there, at least for a moment */
};

struct cpu {
    uint64_t now_ps;
    uint64_t slice_end_ps;
    struct thread *running; /* NULL: idle since now_ps */
    /* Those that wait for it: that have woken up, and after them that have run. */
    struct thread_queue woken, others;
    unsigned queued;
    uint64_t interrupts_ps; /* that it has had, and has yet to spend */
    uint64_t crowded_ps;    /* since when some queue */
    /* Looking in vain at this line since now_ps, once in each period; NULL: it is not. */
    struct line *parked_at;
    uint64_t park_period_ps;
    /* Stores are seen in their order, and the last one then. */
    uint64_t stored_ps;
    struct line *stored_line;
    unsigned store_first, store_count;
    struct pending_store stores[CPU_STORES_MAX];
    struct line *loaded_line; /* of the last atomic load */
    uint64_t spent_ps[CPU_COST_COUNT];
};

extern struct cpu cpus[CPUS_MAX];
extern unsigned cpu_count;
extern struct cpu *cpu_self; /* whose thread runs; NULL: outside of the simulation */
extern struct thread *thread_self;
extern uint64_t cpu_horizon_ps; /* from then on others come first */
extern uint64_t cpu_switches;   /* how often a thread has left its processor */

static inline unsigned cpu_number(const struct cpu *cpu)
{
    return (unsigned)(cpu - cpus);
}

/* The running thread's processor spends time. */
static inline void cpu_spend(enum cpu_cost cost, uint64_t ps)
{
    cpu_self->now_ps += ps;
    cpu_self->spent_ps[cost] += ps;
}
static inline void cpu_spend_until(enum cpu_cost cost, uint64_t ps)
{
    if (ps > cpu_self->now_ps)
        cpu_spend(cost, ps - cpu_self->now_ps);
}

void cpu_give_way(void);
static inline void cpu_sync(void)
{
    if (cpu_self->now_ps >= cpu_horizon_ps)
        cpu_give_way();
}

/* Runs `entry` as the first thread on so many processors, until it or cpus_stop ends it. */
void cpus_run(unsigned count, void *(*entry)(void *arg), void *arg);
/* Ends the simulation: does not return. */
_Noreturn void cpus_stop(void);
/* Calls `call` at that time, outside of all threads: it may neither spend time nor block. */
void cpus_at(uint64_t time_ps, void (*call)(void *arg), void *arg);
/* All processors' time up to now, idleness included, is in spent_ps afterwards. */
void cpus_account(uint64_t now_ps);

/* Starts a thread, ready at the caller's time; pinned to a processor, if it is not CPU_ANY. */
#define CPU_ANY UINT_MAX
struct thread *thread_create_on(unsigned cpu, void *(*entry)(void *arg), void *arg);
struct thread *thread_create(void *(*entry)(void *arg), void *arg);
void *thread_join(struct thread *thread);
/* The calling thread sleeps until thread_wake, or the deadline (UINT64_MAX: none).  Whether that ended it.
 * No store of it is under way. */
bool thread_block(uint64_t deadline_ps);
/* A thread that blocks can run again, at the caller's time.  True if that interrupts another processor. */
bool thread_wake(struct thread *thread);
/* Lets another thread run on this processor, if one queues.  Whether one did. */
bool thread_yield(void);

/* The running thread looks at the line again and again: its processor does nothing else until the line is
 * taken away from it, or others want it. */
void cpu_park(struct line *line, uint64_t period_ps);
void cpu_unpark(struct cpu *cpu, uint64_t time_ps);

/* A store that will be seen at that time; cpu_self->store_count is less than CPU_STORES_MAX. */
void cpu_store_later(const struct pending_store *store, uint64_t time_ps);

#endif /* SCALE_CPUS_H */
