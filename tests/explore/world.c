/* SPDX-License-Identifier: MIT */
#include "world.h"

#include "arena.h"
#include "memory.h"
#include "scheduler.h"
#include "trace.h"

#include <stdio.h>
#include <string.h>

enum {
    TEXT_BYTES = 1 << 14,
    PRIORITIES_EVERY = 4 /* random executions */
};

static const struct world *find_in(const struct world *worlds, unsigned count, const char *name)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(worlds[i].name, name) == 0)
            return &worlds[i];
    return NULL;
}

const struct world *world_find(const char *name)
{
    const struct world *found = find_in(log_worlds, log_world_count, name);
    return found != NULL ? found : find_in(toy_worlds, toy_world_count, name);
}

void world_open(const struct world *world)
{
    scheduler_clear();
    arena_clear();
    memory_clear();
    trace_names(NULL);
    world->set_up(world->arg);
    scheduler_keep();
    arena_keep();
}

const char *world_run(const struct world *world)
{
    arena_restore();
    scheduler_restore();
    world->begin();
    memory_restart();
    scheduler_run();
    if (scheduler_failure() == NULL)
        world->check();
    return scheduler_failure();
}

/* ---- A failure ---- */

/* Takes back one choice after the other, as long as the execution fails the same way. */
static void shrink(const struct world *world, char text[TEXT_BYTES], const char *failure)
{
    char shorter[TEXT_BYTES];

    for (unsigned nth = 0;;) {
        if (!search_replay(text))
            return;
        world_run(world);
        if (!search_without(nth))
            return;
        const char *same = world_run(world);
        if (same != NULL && strcmp(same, failure) == 0 && search_write(shorter, sizeof shorter))
            strcpy(text, shorter);
        else
            nth++;
    }
}

void world_explain(const struct world *world)
{
    char failure[256], text[TEXT_BYTES];

    snprintf(failure, sizeof failure, "%s", scheduler_failure());
    if (!search_write(text, sizeof text)) {
        printf("%s: %s\nThe choices do not fit %d bytes.\n", world->name, failure, TEXT_BYTES);
        return;
    }
    shrink(world, text, failure);
    search_replay(text);
    trace_start();
    world_run(world);
    trace_stop();
    trace_print();
    printf("%s: %s\n  preemptions %u, delays %u, faults %u\n  to repeat: "
           "tests/explore/explore %s --replay %s\n",
           world->name, failure, search_used(BUDGET_PREEMPTIONS), search_used(BUDGET_DELAYS),
           search_used(BUDGET_FAULTS), world->name, text);
    fflush(stdout);
}

/* ---- Many executions ---- */

/* The execution where the last call stopped, again; or the first one. */
static bool start_exhaust(const struct bounds *bounds, const char *from)
{
    if (*from != '\0')
        return search_resume(bounds, from);
    search_exhaustive(bounds);
    return search_next();
}

uint64_t world_exhaust(const struct world *world, const struct bounds *bounds, uint64_t limit,
                       char *from, size_t from_bytes, const char **failure)
{
    bool goes_on = *from != '\0';
    uint64_t count = 0;

    *failure = NULL;
    if (!start_exhaust(bounds, from))
        *failure = "where the search stopped before cannot be read";
    while (*failure == NULL) {
        *failure = world_run(world);
        count += !goes_on; /* the one that was stopped at has been counted */
        goes_on = false;
        if (*failure != NULL)
            break;
        if (count >= limit) {
            if (!search_write(from, from_bytes))
                *failure = "where the search stopped does not fit";
            break;
        }
        if (!search_next()) {
            *from = '\0';
            break;
        }
    }
    return count;
}

uint64_t world_sample(const struct world *world, const struct bounds *bounds, uint64_t first,
                      uint64_t count, const char **failure)
{
    uint64_t done = 0;

    *failure = NULL;
    search_forget();
    while (done < count && *failure == NULL) {
        uint64_t seed = first + done++;
        if (seed % PRIORITIES_EVERY == PRIORITIES_EVERY - 1)
            search_priorities(bounds, seed);
        else
            search_random(bounds, seed);
        *failure = world_run(world);
    }
    return done;
}
