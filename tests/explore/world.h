/* SPDX-License-Identifier: MIT */
/*
 * Worlds: small programs whose schedules are explored.
 *
 * A world sets something up once, outside of the exploration; then each execution starts from there
 * with the world's fibres, and is checked at its end.
 */
#ifndef WORLD_H
#define WORLD_H

#include "search.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct world {
    const char *name;
    const char *about;
    void (*set_up)(const void *arg);
    void (*begin)(void); /* each execution: creates fibres */
    void (*check)(void); /* after each execution */
    const void *arg;
    unsigned faults; /* calls that may fail in one execution */
    bool is_broken;  /* made to be found out: some schedule fails */
};

/* The explored log, and what shows that the explorer finds what it should. */
extern const struct world log_worlds[], toy_worlds[];
extern const unsigned log_world_count, toy_world_count;

/* NULL: there is none. */
const struct world *world_find(const char *name);

/* Sets the world up; call before the first execution. */
void world_open(const struct world *world);
/* One execution, as the search chooses.  NULL, or what failed. */
const char *world_run(const struct world *world);
/* With the failed execution of just now: takes back choices that it does not need, repeats it with a
 * trace of its last steps, and says how to repeat it. */
void world_explain(const struct world *world);

/* Every schedule within the bounds, at most `limit`; the number of executions.  from: where an
 * earlier call stopped, or an empty string; afterwards, where this one did, or empty: done.
 * *failure: NULL, or what failed in the last one. */
uint64_t world_exhaust(const struct world *world, const struct bounds *bounds, uint64_t limit,
                       char *from, size_t from_bytes, const char **failure);
/* Executions at random, each by its seed, from `first` on; every fourth by priorities.  Ends early
 * where one fails.  Their number. */
uint64_t world_sample(const struct world *world, const struct bounds *bounds, uint64_t first,
                      uint64_t count, const char **failure);

#endif /* WORLD_H */
