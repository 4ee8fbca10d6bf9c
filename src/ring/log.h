/* SPDX-License-Identifier: MIT */
/*
 * The log itself: what the entry points, the engines and the flusher share.
 */
#ifndef LF_INTERNAL_H
#define LF_INTERNAL_H

#include "base/buffers.h"
#include "base/events.h"
#include "base/follow.h"
#include "base/stats.h"
#include "base/waiter.h"
#include "format/format.h"
#include "logfile_lab.h"
#include "ring/engine.h"
#include "ring/event.h"
#include "ring/flush.h"
#include "ring/ring.h"
#include "ring/spin.h"
#include "storage/prepare.h"
#include "storage/store.h"
#include "storage/trim.h"

struct logfile {
    /* Never change after open. */
    struct lf_follow *follow;       /* what readers that follow the log know of it */
    const uint32_t *alive;          /* 1; on its page, which a fork wipes in the child */
    struct logfile_options options; /* with every default filled in */
    struct logfile_lab lab;         /* the same */
    const struct lf_engine *engine;
    struct lf_layout layout;
    size_t record_max;      /* payload bytes of a record that an empty slot holds */
    uint64_t recovered_lsn; /* all below was durable when the log was opened */
    uint32_t running; /* 1 when open is done: until then, callbacks of its threads wait for it */
    uint8_t *buffers; /* slot_count buffers of slot_bytes (ring), or two (mutex), or one (serial) */
    size_t buffers_bytes;

    /* W: the thread that may commit, once, before the first epoch of records opens: lf_incarnation_begin. */
    uint32_t begun;       /* the OPEN epoch is durable */
    uint32_t incarnation; /* the last one that has begun */
    uint32_t record_seed;

    struct lf_events events; /* not in use without a hook */
    struct lf_store store;
    struct lf_preparer preparer;
    struct lf_trim trim;

    /* W, R: the thread that may commit (holds the flush token, or the engine's mutex). */
    _Alignas(LF_CACHE_PAIR) struct lf_chain chain;
    bool closed_cleanly;               /* the CLOSE epoch is durable */
    uint64_t committed_ns;             /* when the last epoch with records was */
    struct lf_buffers_use buffers_use; /* unless the caller brought them */

    /* W: the thread that may commit.  R: all. */
    _Alignas(LF_CACHE_PAIR) uint64_t durable_lsn;
    uint64_t flush_ns; /* moving average of write + sync */
    uint32_t woken;    /* the most threads that one of the last few flushes had to wake */

    _Alignas(LF_CACHE_PAIR) struct lf_event event;
    uint32_t reservations; /* W: fetch-add.  R: shutdown.  Held by callers. */

    _Alignas(LF_CACHE_PAIR) struct lf_stats stats;

    /* Of the ring engine. */
    struct lf_ring ring;
    struct lf_flusher flusher;
    struct lf_spin spin;

    void *lab_state; /* of an engine of the laboratory: its own */
};

/* L1: pairs with the release in lf_epoch_commit: who sees it sees what was made durable. */
static inline uint64_t lf_durable_lsn(const struct logfile *log)
{
    return lf_load_acquire_64(&log->durable_lsn);
}

enum {
    LF_SHORT_FLUSH_NS =
        64 * 1000 /* docs/adr/0013: about what a thread takes to be woken and back */
};
/* Whether a flush takes less than it takes to wake a thread, which then had better not sleep. */
static inline bool lf_flush_is_short(const struct logfile *log)
{
    uint64_t flush_ns = lf_load_relaxed_64(&log->flush_ns); /* Relaxed: an estimate; 0: none yet. */
    return flush_ns != 0 && flush_ns < LF_SHORT_FLUSH_NS;
}

/* What was submitted and is not durable, without waiting for any thread. */
static inline uint64_t lf_pending_bytes(const struct logfile *log, uint64_t durable_lsn)
{
    uint64_t end_lsn = log->engine->published_lsn(log);
    return end_lsn > durable_lsn ? end_lsn - durable_lsn : 0;
}

/* What a header or mark may promise now: without syncs, only what recovery synced. */
static inline uint64_t lf_promised_lsn(const struct logfile *log)
{
    return log->store.sync == LOGFILE_SYNC_NONE ? log->recovered_lsn : lf_durable_lsn(log);
}

/* L5: pairs with the release in lf_incarnation_begin: who sees it sees seed and incarnation. */
static inline bool lf_has_begun(const struct logfile *log)
{
    return lf_load_acquire_32(&log->begun) != 0;
}

/* Up to where an epoch that goes behind `lsn`, and a CLOSE epoch behind it, reach at most; before
 * the incarnation has begun an OPEN epoch comes first.  Where one may be the last of its segment,
 * that is the start of the next one: it is there, durable, before an epoch says that it is. */
static inline uint64_t lf_room_end(const struct logfile *log, uint64_t lsn)
{
    const struct lf_layout *layout = &log->layout;
    uint64_t place = lf_layout_place(layout, lsn + (lf_has_begun(log) ? 0 : LF_BLOCK_BYTES));
    uint64_t close_lsn = lf_layout_place(layout, place + lf_layout_capacity(layout, place));
    return lf_layout_place(layout, close_lsn + LF_BLOCK_BYTES);
}
/* The same of a CLOSE epoch alone: what a log that ends at `lsn`, and cannot go on, still needs.
 * An incarnation that has not begun is not closed either. */
static inline uint64_t lf_close_end(const struct logfile *log, uint64_t lsn)
{
    const struct lf_layout *layout = &log->layout;
    return lf_has_begun(log)
               ? lf_layout_place(layout, lf_layout_place(layout, lsn) + LF_BLOCK_BYTES)
               : lsn;
}
/* Whether they fit below the allocated frontier. */
static inline bool lf_has_room(const struct logfile *log, uint64_t lsn)
{
    return lf_preparer_has_room(&log->preparer, lf_room_end(log, lsn));
}
static inline void lf_request_room(struct logfile *log, uint64_t lsn)
{
    lf_preparer_request(&log->preparer, lf_room_end(log, lsn));
}

/* The same of the thread that opens epochs, in whose hands the log ends at `lsn`, without one. */
static inline void lf_await_room(struct logfile *log, uint64_t lsn)
{
    lf_preparer_await(&log->preparer, lf_close_end(log, lsn), lf_room_end(log, lsn));
}

/*
 * An incarnation begins with an OPEN epoch on stable storage, before anything is accepted, and ends
 * with a CLOSE epoch.  It begins when the log is opened, if there is room; else when there is, by the
 * thread that is about to open the first epoch (docs/adr/0008).  There is room for all of lf_room_end,
 * and no buffer is in use.
 * begin: 0, LOGFILE_EFAILED (the log has failed, and the engine has been told), or -errno of the
 * kernel's random numbers (the same).
 * end: whether the log is closed: with a CLOSE epoch, or never begun and so left as it was found.
 */
int lf_incarnation_begin(struct logfile *log);
bool lf_incarnation_end(struct logfile *log, uint8_t *buffer);

/*
 * Makes one epoch of a buffer that holds records from LF_EPOCH_HEADER_BYTES to `end`, writes and
 * syncs it, and advances the durable LSN; what was in the buffer may be
 * lost then.  Wakes no thread.  0, or LOGFILE_EFAILED: the log has
 * failed, and the engine has been told.
 */
int lf_epoch_commit(struct logfile *log, uint8_t *buffer, uint64_t end, uint32_t records,
                    uint32_t flags);

/* Writes a line about an error of a call on this log; returns its length.  The handle is valid. */
int lf_describe(struct logfile *log, int error, char *text, size_t size);

#endif /* LF_INTERNAL_H */
