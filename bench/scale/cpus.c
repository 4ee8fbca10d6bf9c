/* SPDX-License-Identifier: MIT */
#include "cpus.h"

#include "lines.h"
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const cpu_cost_names[CPU_COST_COUNT] = {"work",   "queue",  "transfer", "spin",
                                                    "kernel", "switch", "idle"};

struct cpu cpus[CPUS_MAX];
unsigned cpu_count;
struct cpu *cpu_self;
struct thread *thread_self;
uint64_t cpu_horizon_ps;
uint64_t cpu_switches;

static struct fibre_context outside;

/* ---- What comes next --------------------------------------------------------------------------
 *
 * Processors that are ready to go on are in one heap, by their clocks; timers in another.  The processor
 * whose thread runs is in neither.
 */

static struct cpu *ready[CPUS_MAX];
static unsigned ready_count;

static bool comes_before(const struct cpu *a, const struct cpu *b)
{
    return a->now_ps < b->now_ps || (a->now_ps == b->now_ps && a < b);
}

static void push_ready(struct cpu *cpu)
{
    unsigned at = ready_count++;

    for (; at > 0 && comes_before(cpu, ready[(at - 1) / 2]); at = (at - 1) / 2)
        ready[at] = ready[(at - 1) / 2];
    ready[at] = cpu;
}

static struct cpu *pop_ready(void)
{
    struct cpu *first = ready[0];
    struct cpu *last = ready[--ready_count];
    unsigned at = 0;

    for (unsigned child = 1; child < ready_count; child = 2 * at + 1) {
        if (child + 1 < ready_count && comes_before(ready[child + 1], ready[child]))
            child++;
        if (!comes_before(ready[child], last))
            break;
        ready[at] = ready[child];
        at = child;
    }
    ready[at] = last;
    return first;
}

struct timer {
    uint64_t time_ps;
    uint64_t order; /* of those of one time */
    enum {
        TIMER_SLEEP,
        TIMER_STORE,
        TIMER_SLICE,
        TIMER_BALANCE,
        TIMER_CALL
    } kind;
    union {
        struct {
            struct thread *thread;
            uint64_t number;
        } sleep;
        struct cpu *cpu; /* of TIMER_STORE, TIMER_SLICE and TIMER_BALANCE */
        struct {
            void (*call)(void *arg);
            void *arg;
        } call;
    } of;
};

static struct timer *timers;
static unsigned timer_count, timer_room;
static uint64_t timer_order;

static bool is_earlier(const struct timer *a, const struct timer *b)
{
    return a->time_ps < b->time_ps || (a->time_ps == b->time_ps && a->order < b->order);
}

/* The thread that runs may go on as long as no other comes first. */
static void set_horizon(void)
{
    uint64_t horizon_ps = ready_count > 0 ? ready[0]->now_ps : UINT64_MAX;

    if (timer_count > 0 && timers[0].time_ps < horizon_ps)
        horizon_ps = timers[0].time_ps;
    if (cpu_self != NULL && cpu_self->queued > 0 && cpu_self->slice_end_ps < horizon_ps)
        horizon_ps = cpu_self->slice_end_ps;
    cpu_horizon_ps = horizon_ps;
}

static void push_timer(struct timer timer)
{
    unsigned at = timer_count++;

    if (timer_count > timer_room) {
        timer_room = 2 * timer_room + 64;
        timers = realloc(timers, timer_room * sizeof *timers);
        if (timers == NULL)
            memory_die("memory for timers");
    }
    timer.order = timer_order++;
    for (; at > 0 && is_earlier(&timer, &timers[(at - 1) / 2]); at = (at - 1) / 2)
        timers[at] = timers[(at - 1) / 2];
    timers[at] = timer;
    set_horizon();
}

static struct timer pop_timer(void)
{
    struct timer first = timers[0];
    struct timer last = timers[--timer_count];
    unsigned at = 0;

    for (unsigned child = 1; child < timer_count; child = 2 * at + 1) {
        if (child + 1 < timer_count && is_earlier(&timers[child + 1], &timers[child]))
            child++;
        if (!is_earlier(&timers[child], &last))
            break;
        timers[at] = timers[child];
        at = child;
    }
    timers[at] = last;
    return first;
}

/* ---- Processors and their queues -------------------------------------------------------------- */

static void spend(struct cpu *cpu, enum cpu_cost cost, uint64_t ps)
{
    cpu->now_ps += ps;
    cpu->spent_ps[cost] += ps;
}

static void append(struct thread_queue *queue, struct thread *thread)
{
    thread->next = NULL;
    if (queue->head == NULL)
        queue->head = thread;
    else
        queue->tail->next = thread;
    queue->tail = thread;
}

/* At that time, has_woken: the thread that runs is to give way to it.  Whether it did not know that yet. */
static bool enqueue(struct cpu *cpu, struct thread *thread, uint64_t time_ps, bool has_woken)
{
    bool preempts = has_woken && costs.wake_preempts != 0;

    thread->state = THREAD_QUEUED;
    thread->cpu = cpu_number(cpu);
    append(preempts ? &cpu->woken : &cpu->others, thread);
    if (cpu->queued++ == 0) {
        cpu->crowded_ps = time_ps;
        if (costs.balance_ns > 0)
            push_timer((struct timer){
                .time_ps = time_ps + costs.balance_ns, .kind = TIMER_BALANCE, .of.cpu = cpu});
    }
    bool interrupts = preempts && cpu->slice_end_ps > time_ps;
    if (interrupts)
        cpu->slice_end_ps = time_ps;
    /* One that looks at a line in vain gives way when its slice is over. */
    if (cpu->parked_at != NULL)
        push_timer(
            (struct timer){.time_ps = cpu->slice_end_ps > time_ps ? cpu->slice_end_ps : time_ps,
                           .kind = TIMER_SLICE,
                           .of.cpu = cpu});
    set_horizon();
    return interrupts;
}

static struct thread *dequeue(struct cpu *cpu)
{
    struct thread_queue *queue = cpu->woken.head != NULL ? &cpu->woken : &cpu->others;
    struct thread *thread = queue->head;

    if (thread == NULL)
        return NULL;
    queue->head = thread->next;
    cpu->queued--;
    return thread;
}

/* The first one of the queue that may run elsewhere; NULL: there is none. */
static struct thread *take_free(struct cpu *cpu, struct thread_queue *queue)
{
    struct thread *before = NULL, *thread = queue->head;

    for (; thread != NULL && thread->is_pinned; thread = thread->next)
        before = thread;
    if (thread == NULL)
        return NULL;
    if (before == NULL)
        queue->head = thread->next;
    else
        before->next = thread->next;
    if (queue->tail == thread)
        queue->tail = before;
    cpu->queued--;
    return thread;
}

/* Threads have queued there for a while: one that may run elsewhere, or NULL. */
static struct thread *take_from(struct cpu *cpu, uint64_t time_ps)
{
    struct thread *thread;

    if (cpu->queued == 0 || time_ps < cpu->crowded_ps + costs.balance_ns)
        return NULL;
    thread = take_free(cpu, &cpu->woken);
    return thread != NULL ? thread : take_free(cpu, &cpu->others);
}

/* The processor has nothing to do: it takes a thread that queues elsewhere, from the longest queue. */
static struct thread *steal(const struct cpu *thief, uint64_t time_ps)
{
    struct cpu *victim = NULL;

    for (unsigned i = 0; i < cpu_count; i++)
        if (&cpus[i] != thief && cpus[i].queued > 0 &&
            (victim == NULL || cpus[i].queued > victim->queued))
            victim = &cpus[i];
    return victim != NULL ? take_from(victim, time_ps) : NULL;
}

static void dispatch(struct cpu *cpu, struct thread *thread)
{
    thread->state = THREAD_RUNNING;
    thread->cpu = cpu_number(cpu);
    cpu->running = thread;
    cpu->loaded_line = NULL;
    spend(cpu, CPU_SWITCH, costs.switch_ns);
    cpu->slice_end_ps = cpu->now_ps + costs.slice_ns;
}

/* Whether it happens, which it does so often. */
static bool happens(uint64_t percent)
{
    static uint64_t state = 1;

    if (percent == 0 || percent == 100)
        return percent != 0;
    state = state * UINT64_C(6364136223846793005) + 1;
    return (state >> 33) % 100 < percent;
}

/* An idle processor of the node that the thread ran on, or of the machine; NULL: there is none. */
static struct cpu *find_idle(const struct thread *thread)
{
    unsigned node = (unsigned)costs.node_processors;
    unsigned first = thread->cpu / node * node;

    for (unsigned i = 0; i < node; i++) {
        unsigned at = first + (thread->cpu - first + i) % node;
        if (at < cpu_count && cpus[at].running == NULL)
            return &cpus[at];
    }
    for (unsigned i = 0; i < cpu_count; i++)
        if (cpus[(thread->cpu + i) % cpu_count].running == NULL)
            return &cpus[(thread->cpu + i) % cpu_count];
    return NULL;
}

/* Where a thread that wakes up runs, or queues.  waker: the processor of the thread that wakes it; NULL: a timer
 * of its own processor does. */
static struct cpu *place(const struct thread *thread, struct cpu *waker)
{
    struct cpu *last = &cpus[thread->cpu];
    struct cpu *idle;

    if (thread->is_pinned)
        return last;
    if (waker == NULL)
        waker = last;
    if (last->running == NULL)
        return happens(costs.wake_returns_percent) ? last : waker;
    idle = find_idle(thread);
    if (idle != NULL && happens(costs.wake_moves_percent))
        return idle;
    return happens(costs.wake_joins_percent) ? waker : last;
}

/* The idle processor goes on with this thread, by a wake-up or by an interrupt of its own. */
static void leave_idleness(struct cpu *cpu, struct thread *thread, uint64_t time_ps, bool by_timer)
{
    /* One that is still on its way into idleness is spared the way out. */
    if (time_ps > cpu->now_ps) {
        spend(cpu, CPU_IDLE, time_ps - cpu->now_ps);
        spend(cpu, CPU_SWITCH, by_timer ? 0 : costs.idle_exit_ns);
        spend(cpu, CPU_KERNEL, by_timer ? costs.timer_interrupt_ns : 0);
    }
    dispatch(cpu, thread);
    push_ready(cpu);
    set_horizon();
}

/* The thread goes on there.  Whether that processor is interrupted. */
static bool run_at(struct cpu *cpu, struct thread *thread, uint64_t time_ps, bool by_timer)
{
    if (cpu->running != NULL) {
        cpu->interrupts_ps += by_timer ? costs.timer_interrupt_ns : 0;
        return enqueue(cpu, thread, time_ps, true);
    }
    leave_idleness(cpu, thread, time_ps, by_timer);
    return true;
}

/* As cpus.h tells of thread_wake; waker: as place has it. */
static bool make_ready(struct thread *thread, uint64_t time_ps, struct cpu *waker)
{
    thread->sleep_number++;
    thread->waits_at = NULL;
    return run_at(place(thread, waker), thread, time_ps, waker == NULL);
}

/* Threads have queued for a while: those processors that are idle take one each. */
static void balance(struct cpu *crowded, uint64_t time_ps)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        struct cpu *idle = &cpus[(cpu_number(crowded) + i) % cpu_count];
        struct thread *thread = idle->running == NULL ? take_from(crowded, time_ps) : NULL;
        if (thread != NULL)
            leave_idleness(idle, thread, time_ps, false);
    }
}

/* ---- Going on -------------------------------------------------------------------------------- */

/*
 * The first store that is under way is seen, if its line has arrived.  One that has waited for those before it
 * may have lost its line meanwhile, and asks again; when the line comes, the store is made, whichever processor wants the
 * line next, or two processors could take it from each other for ever.  Each timer of a store makes one of
 * them, so they keep their order.
 */
static void see_first_store(struct cpu *cpu, uint64_t now_ps)
{
    struct pending_store *store = &cpu->stores[cpu->store_first];
    uint64_t queued_ps;

    if (store->granted_ps < now_ps)
        store->granted_ps = line_request(store->line, cpu_number(cpu), now_ps, true, &queued_ps);
    if (store->granted_ps > now_ps) {
        if (store->granted_ps > cpu->stored_ps) {
            cpu->stored_ps = store->granted_ps;
            cpu->stored_line = store->line;
        }
        push_timer(
            (struct timer){.time_ps = store->granted_ps, .kind = TIMER_STORE, .of.cpu = cpu});
        return;
    }
    memory_poke(store);
    cpu->store_first = (cpu->store_first + 1) % CPU_STORES_MAX;
    cpu->store_count--;
}

static void fire(const struct timer *timer)
{
    struct cpu *cpu = timer->of.cpu;

    switch (timer->kind) {
    case TIMER_SLEEP:
        if (timer->of.sleep.thread->state != THREAD_BLOCKED ||
            timer->of.sleep.thread->sleep_number != timer->of.sleep.number)
            break;
        memory_forget_waiter(timer->of.sleep.thread);
        timer->of.sleep.thread->timed_out = true;
        make_ready(timer->of.sleep.thread, timer->time_ps, NULL);
        break;
    case TIMER_STORE:
        see_first_store(cpu, timer->time_ps);
        break;
    case TIMER_SLICE:
        if (cpu->parked_at != NULL && cpu->queued > 0)
            cpu_unpark(cpu, timer->time_ps);
        break;
    case TIMER_BALANCE:
        balance(cpu, timer->time_ps);
        break;
    case TIMER_CALL:
        timer->of.call.call(timer->of.call.arg);
        break;
    }
}

/* The thread that ran does not go on now: the one that comes first does. */
static void go_on(void)
{
    struct thread *before = thread_self;

    cpu_self = NULL;
    for (;;) {
        while (timer_count > 0 && (ready_count == 0 || timers[0].time_ps <= ready[0]->now_ps)) {
            struct timer timer = pop_timer();
            fire(&timer);
        }
        if (ready_count == 0)
            memory_die("a simulation in which all threads sleep for ever");
        struct cpu *first = pop_ready();
        if (first->interrupts_ps == 0) {
            cpu_self = first;
            break;
        }
        spend(first, CPU_KERNEL, first->interrupts_ps);
        first->interrupts_ps = 0;
        push_ready(first);
    }
    thread_self = cpu_self->running;
    set_horizon();
    if (thread_self != before)
        fibre_switch(&before->context, &thread_self->context);
}

/* The running thread has left: the next one of the queue, one from elsewhere, or none. */
static void leave(void)
{
    struct cpu *cpu = cpu_self;
    struct thread *next;

    line_stand_for_stores(); /* of plain memory: a switch is a fence */
    cpu_switches++;
    next = dequeue(cpu);
    if (next == NULL)
        next = steal(cpu, cpu->now_ps);
    cpu->running = NULL;
    if (next != NULL) {
        dispatch(cpu, next);
        push_ready(cpu);
    }
    go_on();
}

void cpu_give_way(void)
{
    struct cpu *cpu = cpu_self;

    /* Not while a store is under way, which is this processor's. */
    if (cpu->queued > 0 && cpu->now_ps >= cpu->slice_end_ps && cpu->store_count == 0 &&
        !thread_self->keeps_cpu) {
        enqueue(cpu, thread_self, cpu->now_ps, false);
        leave();
        return;
    }
    push_ready(cpu);
    go_on();
}

bool thread_yield(void)
{
    if (cpu_self->queued == 0)
        return false;
    enqueue(cpu_self, thread_self, cpu_self->now_ps, false);
    leave();
    return true;
}

bool thread_block(uint64_t deadline_ps)
{
    struct thread *thread = thread_self;

    thread->state = THREAD_BLOCKED;
    thread->timed_out = false;
    thread->sleep_number++;
    if (deadline_ps != UINT64_MAX)
        push_timer((struct timer){.time_ps = deadline_ps,
                                  .kind = TIMER_SLEEP,
                                  .of.sleep = {thread, thread->sleep_number}});
    leave();
    return thread->timed_out;
}

bool thread_wake(struct thread *thread)
{
    struct cpu *self = cpu_self;
    bool interrupts = make_ready(thread, self->now_ps, self);

    return interrupts && &cpus[thread->cpu] != self;
}

void cpu_park(struct line *line, uint64_t period_ps)
{
    struct cpu *cpu = cpu_self;

    cpu->parked_at = line;
    cpu->park_period_ps = period_ps > 0 ? period_ps : 1;
    if (cpu->queued > 0)
        push_timer((struct timer){.time_ps = cpu->slice_end_ps > cpu->now_ps ? cpu->slice_end_ps
                                                                             : cpu->now_ps,
                                  .kind = TIMER_SLICE,
                                  .of.cpu = cpu});
    go_on();
}

/* It looks once more at the end of the period in which that is. */
void cpu_unpark(struct cpu *cpu, uint64_t time_ps)
{
    uint64_t periods = 0;

    if (time_ps > cpu->now_ps)
        periods = (time_ps - cpu->now_ps + cpu->park_period_ps - 1) / cpu->park_period_ps;
    cpu->parked_at = NULL;
    spend(cpu, CPU_SPIN, periods * cpu->park_period_ps);
    push_ready(cpu);
    set_horizon();
}

void cpu_store_later(const struct pending_store *store, uint64_t time_ps)
{
    struct cpu *cpu = cpu_self;

    cpu->stores[(cpu->store_first + cpu->store_count++) % CPU_STORES_MAX] = *store;
    push_timer((struct timer){.time_ps = time_ps, .kind = TIMER_STORE, .of.cpu = cpu});
}

/* ---- Threads --------------------------------------------------------------------------------- */

static void start(void)
{
    struct thread *thread = thread_self;

    thread->result = thread->entry(thread->arg);
    cpu_sync();
    thread->state = THREAD_DONE;
    memory_wake_all(thread);
    leave();
}

static struct thread *make_thread(void *(*entry)(void *arg), void *arg)
{
    struct thread *thread = memory_take(sizeof *thread, 64);

    thread->entry = entry;
    thread->arg = arg;
    thread->stack = memory_take_stack();
    thread->slack_ps = costs.timer_slack_ns;
    fibre_prepare(&thread->context, thread->stack, STACK_BYTES, start);
    return thread;
}

static unsigned load_of(const struct cpu *cpu)
{
    return cpu->queued + (cpu->running != NULL);
}

struct thread *thread_create_on(unsigned cpu, void *(*entry)(void *arg), void *arg)
{
    struct thread *thread = make_thread(entry, arg);
    unsigned best = cpu != CPU_ANY ? cpu : cpu_number(cpu_self);

    cpu_sync();
    if (cpu == CPU_ANY && happens(costs.create_moves_percent))
        for (unsigned i = 0; i < cpu_count; i++)
            if (load_of(&cpus[i]) < load_of(&cpus[best]))
                best = i;
    thread->cpu = best;
    thread->is_pinned = cpu != CPU_ANY;
    run_at(&cpus[best], thread, cpu_self->now_ps, false);
    return thread;
}

struct thread *thread_create(void *(*entry)(void *arg), void *arg)
{
    return thread_create_on(CPU_ANY, entry, arg);
}

void *thread_join(struct thread *thread)
{
    cpu_sync();
    while (thread->state != THREAD_DONE) {
        memory_note_waiter(thread);
        thread_block(UINT64_MAX);
        cpu_sync();
    }
    return thread->result;
}

void cpus_at(uint64_t time_ps, void (*call)(void *arg), void *arg)
{
    push_timer((struct timer){.time_ps = time_ps, .kind = TIMER_CALL, .of.call = {call, arg}});
}

void cpus_account(uint64_t now_ps)
{
    for (unsigned i = 0; i < cpu_count; i++)
        if (cpus[i].running == NULL && cpus[i].now_ps < now_ps)
            spend(&cpus[i], CPU_IDLE, now_ps - cpus[i].now_ps);
}

void cpus_run(unsigned count, void *(*entry)(void *arg), void *arg)
{
    struct thread *first = make_thread(entry, arg);
    struct thread none;

    cpu_count = count;
    dispatch(&cpus[0], first);
    cpu_self = &cpus[0];
    thread_self = first;
    set_horizon();
    memset(&none, 0, sizeof none);
    fibre_switch(&outside, &first->context);
    cpu_self = NULL;
}

void cpus_stop(void)
{
    struct fibre_context left;

    fibre_switch(&left, &outside);
    __builtin_unreachable();
}
