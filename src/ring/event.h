/* SPDX-License-Identifier: MIT */
/*
 * The event descriptor: how an event loop waits for many records at once, without a thread.
 *
 *   SIGNALLED -- lf_event_take drains the descriptor -------------------------------> ARMED
 *   ARMED     -- the durable LSN moves, there is room, the log fails: one write -----> SIGNALLED
 *
 * So there is at most one write for an epoch, and none as long as the loop has not taken the last one.
 * While it is ARMED a thread waits, as if it slept for all that is submitted: is_urgent.
 */
#ifndef LF_EVENT_H
#define LF_EVENT_H

#include "base/atomic.h"

struct logfile;
struct logfile_event_state;

enum lf_event_mode {
    LF_EVENT_SIGNALLED = 0, /* also before there is a descriptor */
    LF_EVENT_ARMED
};

struct lf_event {
    /* W: the first logfile_event_fd, once.  R: all.  An eventfd and 1; 0: there is none. */
    uint32_t descriptor;
    /* W: lf_event_take (ARMED); who signals (compare-and-swap).  R: flushers. */
    uint32_t mode;
    /* W: a refused writer (1), who makes room (0).  R: both, and lf_event_take. */
    uint32_t wants_room;
};

/* The descriptor; makes it at the first call.  -errno. */
int lf_event_fd(struct lf_event *event);
/* 0, or -EINVAL: there is no descriptor. */
int lf_event_take(struct logfile *log, struct logfile_event_state *state);
/* After something of lf_event_take's answer has changed, and a read-modify-write since. */
void lf_event_signal(struct lf_event *event);
/* After the head, or the gate, was swapped and may have come to admit a writer that was refused. */
void lf_event_note_room(struct lf_event *event);
/* Before the last look of a writer that goes away refused.  Whether it is worth that look. */
bool lf_event_want_room(struct lf_event *event);
/* After the threads have ended. */
void lf_event_close(struct lf_event *event);

/* Relaxed: a hint. */
static inline bool lf_event_is_used(const struct lf_event *event)
{
    return lf_load_relaxed_32(&event->descriptor) != 0;
}

/* Relaxed: who relies on it has passed a fence, E1's or F6's. */
static inline bool lf_event_is_armed(const struct lf_event *event)
{
    return lf_load_relaxed_32(&event->mode) == LF_EVENT_ARMED;
}

#endif /* LF_EVENT_H */
