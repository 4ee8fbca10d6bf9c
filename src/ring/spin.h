/* SPDX-License-Identifier: MIT */
/*
 * When a thread that waits for a flush looks again and again, yielding in between, rather than sleep: a
 * policy that knows no log.
 *
 * Waking a thread takes time of the processor and of the thread.  A flush that is over before one thread has been
 * woken is not slept through; nor is one that is shorter than waking all that wait for it, for those who sleep
 * are woken one after the other, and the next group is complete only when the last of them is back.  What the
 * looking costs is bounded by what it saves.
 *
 * It pays only on processors that nobody else wants.  A yield that takes long tells that somebody does: the
 * thread sleeps at once, and so do all others of its log for a pause.  A pause is four times as long as the last
 * one, up to a second, unless spins found the processors free for a while in between: a neighbour that computes
 * costs one look a second, and a moment's work of the kernel a millisecond.  RocksDB's write thread has a credit
 * for the same purpose (WriteThread::AwaitState).  docs/adr/0015 has the figures.
 */
#ifndef LF_SPIN_H
#define LF_SPIN_H

#include "base/atomic.h"
#include "base/num.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    LF_SPIN_FLUSH_NS = 100 * 1000, /* a flush that one thread does not sleep through */
    LF_SPIN_WAKE_NS = 16 * 1000,   /* what waking one of several takes */
    /* A yield that takes as long had given the processor to somebody else: so long, and so much for each that
     * waits and may have come before, but less than the scheduler's slice. */
    LF_SPIN_YIELD_NS = 300 * 1000,
    LF_SPIN_YIELD_NS_EACH = 8 * 1000,
    LF_SPIN_YIELD_NS_MAX = 1000 * 1000,
    LF_SPIN_FREE_NS =
        10 * 1000 * 1000, /* nobody else wanted the processors for so long: a new beginning */
    LF_SPIN_PAUSE_NS_MIN = 1000 * 1000,
    LF_SPIN_PAUSE_NS_MAX = 1000 * 1000 * 1000
};

/* W, R: all that wait.  Relaxed: a heuristic, in which one of two that change it at once may be lost. */
struct lf_spin {
    uint64_t again_ns; /* when the last pause ended or will */
    uint64_t pause_ns; /* how long it was */
};

/* Whether it pays for a flush that takes so long on average and has so many waiters; then for twice as long, */
static inline bool lf_spin_pays(uint64_t flush_ns, uint32_t waiters)
{
    return flush_ns <= lf_max(LF_SPIN_FLUSH_NS, (uint64_t)LF_SPIN_WAKE_NS * waiters);
}

/* if this is no pause. */
static inline bool lf_spin_may(const struct lf_spin *spin, uint64_t now_ns)
{
    return now_ns >= lf_load_relaxed_64(&spin->again_ns);
}

/* Which yield of one of so many tells that somebody else wants the processor. */
static inline uint64_t lf_spin_slow_ns(uint32_t waiters)
{
    return lf_min(LF_SPIN_YIELD_NS + (uint64_t)LF_SPIN_YIELD_NS_EACH * waiters,
                  LF_SPIN_YIELD_NS_MAX);
}

/* A spin met one, and has ended at now_ns. */
static inline void lf_spin_pause(struct lf_spin *spin, uint64_t now_ns)
{
    uint64_t again_ns = lf_load_relaxed_64(&spin->again_ns);

    if (now_ns < again_ns)
        return; /* another thread has told of the same */
    uint64_t pause_ns = LF_SPIN_PAUSE_NS_MIN;
    if (now_ns - again_ns < LF_SPIN_FREE_NS)
        pause_ns =
            lf_min(lf_max(4 * lf_load_relaxed_64(&spin->pause_ns), pause_ns), LF_SPIN_PAUSE_NS_MAX);
    lf_store_relaxed_64(&spin->pause_ns, pause_ns);
    lf_store_relaxed_64(&spin->again_ns, now_ns + pause_ns);
}

#endif /* LF_SPIN_H */
