/* SPDX-License-Identifier: MIT */
/*
 * The scheduler: threads are fibres of one thread, and it decides at each point who runs next.
 *
 * Every atomic operation, system call and copy into the ring is a point.  What is decided there is a
 * choice among numbered options, made by the search (search.h); option 0 is to go on.  So an
 * execution is its list of choices, and the same list gives the same execution.
 *
 *   ready      can run
 *   spinning   has looked in vain, and looks again when somebody has stored something
 *   blocked    sleeps at an address or until a time
 *   done       has returned
 *
 * Time is virtual.  It stands still while a fibre can run.  A sleep whose deadline comes next may end
 * at any point by a choice: others may always be as slow as that.  Where no fibre can run, time
 * goes on to the next deadline; where there is none, that is a deadlock.
 */
#ifndef SCHEDULER_H
#define SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>

enum {
    FIBRES_MAX = 8
};

#define NO_DEADLINE UINT64_MAX

/* False while a world is set up or checked: then points do nothing. */
extern bool is_exploring;

typedef void *fibre_main(void *arg);

/* A fibre that starts ready; its number. */
unsigned scheduler_create(const char *name, fibre_main *entry, void *arg);
/* Forgets all fibres. */
void scheduler_clear(void);
/* Keeps the fibres that were created so far, none of which has run, for every execution. */
void scheduler_keep(void);
/* Back to the fibres that were kept, at the time when they were. */
void scheduler_restore(void);
/* Runs until all fibres have returned or something failed. */
void scheduler_run(void);

/* ---- Called by fibres ---- */

unsigned scheduler_self(void);
const char *scheduler_name(unsigned fibre);
/* Somebody else may run here. */
void scheduler_point(void);
/* Nothing but others can help this fibre. */
void scheduler_yield(void);
/* Sleeps until woken at the address, or the deadline.  Whether the deadline ended it.  is_device:
 * the time is that of a device at work, not of somebody who waits in vain. */
bool scheduler_block(const void *address, uint64_t deadline_ns, bool is_device);
/* Wakes at most `count` fibres that sleep at the address, and gives their number. */
unsigned scheduler_wake(const void *address, unsigned count);
/* What spinning fibres look at may have changed. */
void scheduler_stored(void);
/* Sleeps until the fibre has returned. */
void scheduler_join(unsigned fibre);
bool scheduler_is_done(unsigned fibre);
uint64_t scheduler_now_ns(void);
/* How much of it has passed while some fibre was ready: so late may a timed call be. */
uint64_t scheduler_hurried_ns(void);

/* Whether the fibre sleeps at this address, or until a time, for what is not a device. */
bool scheduler_sleeps_at(unsigned fibre, const void *address);
unsigned scheduler_count(void);

/* ---- Failure ---- */

/* What holds when no fibre can run and time is about to pass for somebody who waits.  NULL: none. */
void scheduler_on_quiet(void (*check)(void));
/* The execution has failed; ends it.  The first failure counts. */
__attribute__((format(printf, 1, 2))) void scheduler_fail(const char *format, ...);
/* NULL: none. */
const char *scheduler_failure(void);
uint64_t scheduler_steps(void);

#endif /* SCHEDULER_H */
