/* SPDX-License-Identifier: MIT */
/*
 * The search: which choices an execution makes, and which execution comes next.
 *
 *   exhaustive  every execution within the bounds, depth first: each execution is repeated from the
 *               start with the last choice that has an option left moved on by one (stateless model
 *               checking; preemption bounds after Musuvathi and Qadeer, PLDI 2007)
 *   random      a seed decides; within the same bounds
 *   priorities  fibres have random priorities that change a few times (PCT: Burckhardt and others,
 *               ASPLOS 2010); not bounded in preemptions
 *   replay      as written down
 *
 * Options of a choice are numbered.  Those below `free_count` cost nothing; each of the others costs
 * one of a budget.
 */
#ifndef SEARCH_H
#define SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum budget {
    BUDGET_PREEMPTIONS, /* switches away from a fibre that could go on, and early timers */
    BUDGET_DELAYS,      /* loads that see an old value */
    BUDGET_FAULTS,      /* calls that the disk fails */
    BUDGET_COUNT
};

struct bounds {
    unsigned of[BUDGET_COUNT];
};

/* Called within an execution.  fibres: whom each option would run, or NULL where it is about
 * something else. */
unsigned search_choose(unsigned count, unsigned free_count, enum budget budget,
                       const uint8_t *fibres);

/* ---- The next execution ---- */

/* Starts before the first execution. */
void search_exhaustive(const struct bounds *bounds);
/* The next execution of an exhaustive search; false: there is none. */
bool search_next(void);
/* Random executions look at how many choices the last one had, to spread what they spend.  Called
 * before the first of a case, so that the case is decided by its number alone. */
void search_forget(void);
void search_random(const struct bounds *bounds, uint64_t seed);
void search_priorities(const struct bounds *bounds, uint64_t seed);
/* As search_write wrote it; false: it is none. */
bool search_replay(const char *text);

/* ---- What was chosen ---- */

/* The choices of the last execution that were not option 0, as `position=option` with commas in
 * between; `-` where there are none.  false: it does not fit. */
bool search_write(char *text, size_t bytes);
/* What the last execution used of a budget. */
unsigned search_used(enum budget budget);

/* ---- Shrinking ---- */

/* Replays the last execution with choice number `nth` that was not option 0 taken back; false: there
 * are not so many. */
bool search_without(unsigned nth);

/* ---- Stopping and going on, of an exhaustive search ---- */

/* Repeats the execution that was written; search_next goes on behind it.  false: it is none. */
bool search_resume(const struct bounds *bounds, const char *text);

#endif /* SEARCH_H */
