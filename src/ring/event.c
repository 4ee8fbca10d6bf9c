/* SPDX-License-Identifier: MIT */
/*
 * No signal is lost: one side stores and looks whether the loop is armed, the other arms and looks at
 * what was stored, each with a full fence in between (E1).
 *
 *     flusher                             event loop
 *     durable LSN: 100
 *                                         drains the descriptor
 *                                         mode: ARMED
 *     fence                               fence
 *     mode?  ARMED: writes                durable LSN?
 *
 * If the flusher still saw SIGNALLED, its store came first, and the loop sees 100.  If both see each
 * other, the descriptor is readable once too often.  The same holds of room (E2), and of the pause of
 * a sequencer (F6).
 */
#include "ring/event.h"

#include "base/eventfd.h"
#include "ring/log.h"

#include <errno.h>
#include <unistd.h>

static int descriptor_of(const struct lf_event *event)
{
    return (int)lf_load_relaxed_32(&event->descriptor) - 1; /* Relaxed: a number; see E3. */
}

int lf_event_fd(struct lf_event *event)
{
    return lf_eventfd_once(&event->descriptor,
                           1); /* Readable: the first take tells how things are. */
}

void lf_event_close(struct lf_event *event)
{
    if (event->descriptor != 0)
        close(descriptor_of(event));
}

void lf_event_signal(struct lf_event *event)
{
    /* E1: what has changed, before mode; pairs with lf_event_take. */
    lf_fence_atomic_load();
    if (lf_event_is_armed(event) &&
        lf_cas_acq_rel_32(&event->mode, LF_EVENT_ARMED, LF_EVENT_SIGNALLED)) /* E3 */
        lf_eventfd_signal(descriptor_of(event));
}

void lf_event_note_room(struct lf_event *event)
{
    /* E2: the head before the wish; pairs with lf_event_want_room. */
    lf_fence_atomic_load();
    if (lf_load_relaxed_32(&event->wants_room) == 0)
        return;
    lf_swap_acq_rel_32(&event->wants_room, 0);
    lf_event_signal(event);
}

bool lf_event_want_room(struct lf_event *event)
{
    if (descriptor_of(event) < 0)
        return false;
    lf_swap_acq_rel_32(&event->wants_room, 1);
    /* E2: the wish before the head; pairs with lf_event_note_room. */
    lf_fence_atomic_load();
    return true;
}

int lf_event_take(struct logfile *log, struct logfile_event_state *state)
{
    struct lf_event *event = &log->event;
    eventfd_t count;

    if (descriptor_of(event) < 0)
        return -EINVAL;
    /* First drained, then armed: what is signalled after the arming must not be drained away. */
    eventfd_read(descriptor_of(event), &count);       /* Empty or not, it is drained. */
    lf_swap_acq_rel_32(&event->mode, LF_EVENT_ARMED); /* E3: the descriptor. */
    /* F6: armed before pacing, as for every thread that is about to wait.  Its fence is E1's too. */
    if (lf_flusher_check_pause(log))
        lf_flusher_demand(log, UINT64_MAX, false);
    state->failed = lf_store_has_failed(&log->store);
    state->durable_lsn = lf_durable_lsn(log);
    state->has_room = lf_load_relaxed_32(&event->wants_room) == 0; /* Relaxed: E2's fence. */
    if (state->failed)                                             /* It stays readable for good. */
        lf_eventfd_signal(descriptor_of(event));
    return 0;
}
