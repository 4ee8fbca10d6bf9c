/* SPDX-License-Identifier: MIT */
#include "base/events.h"

#include "base/num.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- Posting ----------------------------------------------------------------------------------*/

/* An event that undoes this one is pending. */
static bool is_undone(const struct lf_events *events, uint32_t kind)
{
    switch (kind) {
    case LOGFILE_EVENT_NO_SPACE:
        return events->pending[LOGFILE_EVENT_SPACE_BACK].count > 0;
    case LOGFILE_EVENT_SPACE_BACK:
        return events->pending[LOGFILE_EVENT_NO_SPACE].count > 0;
    default:
        return false;
    }
}

void lf_events_post(struct lf_events *events, const struct logfile_event *facts, const char *format,
                    ...)
{
    struct logfile_event event = *facts;
    const uint32_t kind = event.kind;
    va_list arguments;

    event.time_ns = lf_wall_clock_ns();
    va_start(arguments, format);
    vsnprintf(event.text, sizeof event.text, format, arguments);
    va_end(arguments);

    pthread_mutex_lock(&events->lock);
    struct logfile_event *pending = &events->pending[kind];
    /* Kinds are told in the order in which they came first; but of two that undo each other the last
     * word is the one that holds. */
    if (pending->count == 0 || is_undone(events, kind))
        events->order[kind] = ++events->last_order;
    if (kind == LOGFILE_EVENT_OPENED) {
        events->order[kind] = 0; /* before what opening brought about */
        events->is_open = true;
    }
    event.count = pending->count + 1;
    *pending = event;
    pthread_mutex_unlock(&events->lock);
    lf_task_ring(&events->task);
}

/* ---- The task ---------------------------------------------------------------------------------*/

/* Called with the lock.  The event that is to be told next.  False: none is pending. */
static bool take(struct lf_events *events, struct logfile_event *event)
{
    struct logfile_event *first = NULL;
    uint64_t first_order = UINT64_MAX;

    for (unsigned kind = 0; kind < LF_EVENT_KIND_COUNT; kind++)
        if (events->pending[kind].count > 0 && events->order[kind] < first_order) {
            first = &events->pending[kind];
            first_order = events->order[kind];
        }
    if (first == NULL)
        return false;
    *event = *first;
    first->count = 0;
    return true;
}

static void tell(struct lf_events *events, const struct logfile_event *event)
{
    events->config.hook(events->config.hook_arg, event);
}

static void tell_slow(struct lf_events *events, const struct lf_inflight *inflight, uint64_t ns)
{
    struct logfile_event event = {
        .kind = LOGFILE_EVENT_SLOW,
        .call = (uint32_t)(inflight->begun & LF_INFLIGHT_CALL_MASK),
        .count = 1,
        .lsn = inflight->lsn,
        .ns = ns,
        .time_ns = lf_wall_clock_ns(),
    };

    snprintf(event.text, sizeof event.text, "%s LSN %" PRIu64 ": under way for " LF_SECONDS,
             lf_call_phrase(event.call), event.lsn, LF_SECONDS_OF(ns));
    tell(events, &event);
}

/*
 * Looks at the calls that are under way, and tells of those that hang: after slow_ns, and then each
 * time that it has doubled.  Returns when to look next: a call that takes longer than half of slow_ns
 * is seen before it is due, so it is told of when it is.
 */
static uint64_t look(struct lf_events *events)
{
    const uint64_t slow_ns = events->config.slow_ns;
    uint64_t next_ns = lf_now_ns() + slow_ns / 2;

    for (unsigned i = 0; i < LF_CALLER_COUNT; i++) {
        const struct lf_inflight inflight = lf_inflight_read(&events->config.callers[i]);
        const uint64_t begun_ns = inflight.begun & ~LF_INFLIGHT_CALL_MASK;
        struct lf_events_seen *seen = &events->seen[i];
        const uint64_t now_ns = lf_now_ns(); /* the hook may have taken its time */

        if (inflight.begun == 0)
            continue;
        if (inflight.begun != seen->begun)
            *seen = (struct lf_events_seen){inflight.begun, begun_ns + slow_ns};
        if (now_ns >= seen->due_ns) {
            while (now_ns >= seen->due_ns)
                seen->due_ns += seen->due_ns - begun_ns;
            tell_slow(events, &inflight, now_ns - begun_ns);
        }
        next_ns = lf_min(next_ns, seen->due_ns);
    }
    return next_ns;
}

/*
 * One step of the task: tells one event, and looks at the calls that are under way; after OPENED has been
 * posted, when logfile_open is done.  Returns when to look next.
 */
static uint64_t events_step(void *arg)
{
    struct lf_events *events = arg;
    struct logfile_event event;

    pthread_mutex_lock(&events->lock);
    const bool is_open = events->is_open;
    const bool has_event = is_open && take(events, &event);
    if (is_open && !has_event && events->stop) {
        events->has_ended = true;
        pthread_cond_signal(&events->ended);
    }
    pthread_mutex_unlock(&events->lock);
    if (!is_open)
        return LF_STEP_WHEN_RUNG;
    if (has_event)
        tell(events, &event);
    const uint64_t next_ns = look(events);
    return has_event ? LF_STEP_AGAIN : next_ns;
}

/* ---- Start and stop ---------------------------------------------------------------------------*/

static int init(struct lf_events *events, const struct lf_events_config *config)
{
    memset(events, 0, sizeof *events);
    events->config = *config;
    int error = -pthread_mutex_init(&events->lock, NULL);
    if (error != 0)
        return error;
    error = -pthread_cond_init(&events->ended, NULL);
    if (error != 0)
        pthread_mutex_destroy(&events->lock);
    return error;
}

static void release(struct lf_events *events)
{
    pthread_cond_destroy(&events->ended);
    pthread_mutex_destroy(&events->lock);
}

int lf_events_start(struct lf_events *events, const struct lf_events_config *config)
{
    const struct lf_executor_config own = {
        .name = "lf-events",
        .role = LOGFILE_THREAD_EVENTS,
        .thread_start = config->thread_start,
        .thread_arg = config->thread_arg,
    };
    int error = init(events, config);

    if (error != 0)
        return error;
    error = lf_task_start(&events->task, config->shared, &events->own, &own, events_step, events);
    events->running = error == 0;
    if (error != 0)
        release(events);
    return error;
}

void lf_events_stop(struct lf_events *events)
{
    if (!events->running)
        return;
    pthread_mutex_lock(&events->lock);
    events->stop = true;
    lf_task_ring(&events->task);
    while (events->is_open && !events->has_ended) /* For the hook to be told of everything. */
        pthread_cond_wait(&events->ended, &events->lock);
    pthread_mutex_unlock(&events->lock);
    lf_task_end(&events->task, &events->own);
    events->running = false;
    release(events);
}

bool lf_events_is_own_thread(const struct lf_events *events)
{
    return events->running && lf_executor_is_own_thread(events->task.executor);
}
