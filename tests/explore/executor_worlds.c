/* SPDX-License-Identifier: MIT */
/*
 * An executor by itself: two fibres ring two tasks, and a third takes the tasks away.  A step runs once
 * at a time, sees what was there when it was rung, and none is lost: the third fibre waits until the
 * last ring of each task has been seen.
 */
#include "executor_worlds.h"

#include "arena.h"
#include "base/executor.h"
#include "memory.h"
#include "scheduler.h"

enum {
    TASKS = 2,
    RINGERS = 2,
    RINGS = 2
};

struct counted_task {
    struct lf_task task;
    uint32_t asked[RINGERS]; /* W: a ringer, before it rings.  R: the step. */
    uint32_t seen[RINGERS];  /* W: the step. */
    bool is_inside;
    unsigned pauses;
};

static const struct executor_world *world;
static struct state {
    struct lf_executor executor;
    struct counted_task tasks[TASKS];
} * state;
static unsigned ringers[RINGERS];

static uint64_t count_step(void *arg)
{
    struct counted_task *task = arg;
    bool is_new = false;

    if (task->is_inside)
        scheduler_fail("a step runs twice at a time");
    task->is_inside = true;
    scheduler_point();
    for (unsigned i = 0; i < RINGERS; i++) {
        /* Relaxed: what is to be seen comes with the ring, or not at all. */
        uint32_t asked = lf_load_relaxed_32(&task->asked[i]);

        is_new |= asked != task->seen[i];
        lf_store_release_32(&task->seen[i], asked);
    }
    task->is_inside = false;
    if (world->pause_ns == 0 || (!is_new && task->pauses++ > 0))
        return LF_STEP_WHEN_RUNG;
    return is_new ? LF_STEP_AGAIN : scheduler_now_ns() + world->pause_ns;
}

static void *ring(void *arg)
{
    unsigned self = (unsigned)(size_t)arg;

    for (uint32_t i = 0; i < RINGS * TASKS; i++) {
        struct counted_task *task = &state->tasks[(self + i) % TASKS];

        lf_store_relaxed_32(&task->asked[self], i + 1); /* Relaxed: the ring carries it. */
        lf_task_ring(&task->task);
    }
    return NULL;
}

static bool all_is_seen(void)
{
    for (unsigned i = 0; i < TASKS; i++)
        for (unsigned j = 0; j < RINGERS; j++)
            if (lf_load_acquire_32(&state->tasks[i].seen[j]) !=
                lf_load_acquire_32(&state->tasks[i].asked[j]))
                return false;
    return true;
}

static void *take_away(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < RINGERS; i++) {
        scheduler_join(ringers[i]);
        memory_join(ringers[i]);
    }
    while (!all_is_seen())
        scheduler_yield();
    for (unsigned i = 0; i < TASKS; i++)
        lf_task_leave(&state->tasks[i].task);
    lf_executor_stop(&state->executor);
    return NULL;
}

void executor_set_up(const void *arg)
{
    world = arg;
    const struct lf_executor_config config = {.thread_count = world->threads, .name = "worker"};

    state = arena_take(sizeof *state, 128);
    if (lf_executor_start(&state->executor, &config) != 0)
        scheduler_fail("the executor does not start");
    for (unsigned i = 0; i < TASKS; i++)
        lf_task_join(&state->tasks[i].task, &state->executor, count_step, &state->tasks[i]);
}

void executor_begin(void)
{
    for (size_t i = 0; i < RINGERS; i++)
        ringers[i] = scheduler_create(i == 0 ? "a" : "b", ring, (void *)i);
    scheduler_create("closer", take_away, NULL);
}

void executor_check(void)
{
    if (!all_is_seen())
        scheduler_fail("a ring is lost");
}
