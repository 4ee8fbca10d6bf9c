/* SPDX-License-Identifier: MIT */
/*
 * The event hook: what happens to a log, told to a function of the caller's by a thread that does nothing else.
 *
 *   a thread of the log     lf_events_post: puts the event into the one place that its kind has, rings
 *   the task                takes what is pending, one event at a time, and calls the hook, without a lock;
 *                           looks twice in slow_ns at the calls that are under way, for SLOW
 *
 * A kind that is pending when it is posted again is merged: its facts are those of the last one, and
 * its count says how many there were.  So a hook that blocks takes no memory, and delays no other thread.
 *
 * There are no events without a hook, and no struct lf_events in use: the thread that posts tests a pointer.
 */
#ifndef LF_EVENTS_H
#define LF_EVENTS_H

#include "base/executor.h"
#include "base/stats.h"
#include "logfile.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>

enum {
    LF_EVENT_KIND_COUNT = LOGFILE_EVENT_TRIMMED + 1
};

/* A duration in a text. */
#define LF_SECONDS "%" PRIu64 ".%03u s"
#define LF_SECONDS_OF(ns) (uint64_t)(ns) / 1000000000, (unsigned)((uint64_t)(ns) / 1000000 % 1000)

struct lf_events_config {
    void (*hook)(void *arg, const struct logfile_event *event);
    void *hook_arg;
    uint64_t slow_ns;
    const struct lf_inflight *callers; /* LF_CALLER_COUNT of them */
    struct lf_executor *shared;        /* NULL: it has a thread of its own */
    void (*thread_start)(void *arg, enum logfile_thread role);
    void *thread_arg;
};

/* A call that was seen under way. */
struct lf_events_seen {
    uint64_t begun;  /* as in struct lf_inflight; 0: none */
    uint64_t due_ns; /* when it is to be told of, again */
};

struct lf_events {
    struct lf_events_config config; /* Never changes after the start. */
    struct lf_task task;
    struct lf_executor own;
    bool running; /* W: start and stop, which nothing else may overlap */

    pthread_mutex_t lock; /* for a few instructions; never while the hook is called */
    pthread_cond_t ended; /* lf_events_stop waits here for has_ended */
    /* Under lock. */
    struct logfile_event pending[LF_EVENT_KIND_COUNT]; /* count 0: none of the kind */
    uint64_t order[LF_EVENT_KIND_COUNT];               /* in which they are told */
    uint64_t last_order;
    bool is_open; /* OPENED has been posted: nothing is told before that */
    bool stop;
    bool has_ended; /* stop, and all has been told */

    struct lf_events_seen seen[LF_CALLER_COUNT]; /* the task's own */
};

/* Starts the task, which tells nothing before OPENED is posted.  0 or -errno: nothing is left. */
int lf_events_start(struct lf_events *events, const struct lf_events_config *config);
/* Tells what is pending, unless OPENED never was, and ends the task; waits for the hook to return.
 * Does nothing if it was not started.  Nothing is posted meanwhile, but by the hook. */
void lf_events_stop(struct lf_events *events);
/* Whether the calling thread calls hooks: this one, or one that shares the thread. */
bool lf_events_is_own_thread(const struct lf_events *events);

/* Tells of an event.  facts: kind, and what there is of error, call, lsn and ns; the rest is filled in
 * here.  Any thread; takes one lock, briefly, and rings the task. */
void lf_events_post(struct lf_events *events, const struct logfile_event *facts, const char *format,
                    ...) __attribute__((format(printf, 3, 4)));

#endif /* LF_EVENTS_H */
