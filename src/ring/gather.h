/* SPDX-License-Identifier: MIT */
/*
 * When a flush waits for the writers that the last one woke: a policy that knows no log.
 *
 * If a flush started as soon as the first writer is back, all the others would miss it: they would wait
 * for the rest of that sync, and for the next one.
 * So after each flush the policy says how many waiters the next epoch is to gather before it is
 * flushed: those that are about to be woken, and those that wait in it already.  The writer that
 * completes them flushes; the epoch's first writer guards it meanwhile, and has it flushed as it is
 * when its patience ends.  A lone writer never waits.
 *
 * Waiters are threads that sleep for durability: in an append, or by an LSN.  One that waits by LSN is back
 * when it waits again; by then it has submitted what it will.  It may stand for many records, of a window
 * or of logical clients: then the next flush waits for it even if it is alone, because a flush that starts
 * while it still submits takes some of them, and the rest waits for that sync and the next one.
 *
 * Gathering pays while a flush is longer than a wake-up and a group is bound by the sync, not by the
 * bandwidth.  If it was in vain (writers that do not come back at once) it pauses, for 1, 3, 7 ... up to
 * LF_GATHER_PAUSE_MAX flushes that would have gathered.  docs/adr/0002 has the figures.
 */
#ifndef LF_GATHER_H
#define LF_GATHER_H

#include "base/num.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    LF_GATHER_BYTES_MAX =
        256 << 10,       /* beyond, bandwidth is the limit: fill while the device writes */
    LF_GATHER_MANY = 32, /* records for each waiter: they were submitted */
    LF_GATHER_MANY_BYTES_MAX = 1 << 20,    /* copying more takes as long as what a sync costs */
    LF_GATHER_MANY_BYTES_PER_NS = 2,       /* below, it is the copying that takes the time */
    LF_GATHER_FLUSH_NS_MIN = 10 * 1000,    /* below, a flush is over before a waiter is back */
    LF_GATHER_PAUSE_MAX = 127,             /* flushes without a gather after one in vain */
    LF_GATHER_PATIENCE_NS_MIN = 20 * 1000, /* about what a thread needs to wake */
    LF_GATHER_PATIENCE_NS_MAX = 2 * 1000 * 1000
};

struct lf_gather {
    bool never;       /* never changes */
    uint32_t pause;   /* flushes left that would gather and do not */
    uint32_t penalty; /* the pause after the last gather in vain; 0: the last one was not */
};

/* A flush that has just ended. */
struct lf_gather_flush {
    uint32_t woken;    /* waiters that are about to be woken */
    uint32_t waiting;  /* waiters that are in the next epoch already */
    uint32_t records;  /* that it carried, */
    uint64_t bytes;    /* and their bytes */
    uint64_t flush_ns; /* what a flush takes, on average */
};

/* Whether its waiters stand for many records each. */
static inline bool lf_gather_is_of_many(const struct lf_gather_flush *flush)
{
    return flush->woken > 0 && flush->records / flush->woken >= LF_GATHER_MANY;
}

/* Whether such a flush is worth a wait for those who come back. */
static inline bool lf_gather_pays(const struct lf_gather_flush *flush)
{
    if (!lf_gather_is_of_many(flush))
        return flush->bytes <= LF_GATHER_BYTES_MAX && flush->flush_ns >= LF_GATHER_FLUSH_NS_MIN;
    return flush->bytes <= LF_GATHER_MANY_BYTES_MAX &&
           flush->flush_ns >= LF_GATHER_FLUSH_NS_MIN + flush->bytes / LF_GATHER_MANY_BYTES_PER_NS;
}

/* How many waiters the next epoch gathers before it is flushed; 0: none are waited for. */
static inline uint32_t lf_gather_plan(struct lf_gather *gather, const struct lf_gather_flush *flush)
{
    uint32_t target = flush->woken + flush->waiting;

    if (target < (lf_gather_is_of_many(flush) ? 1 : 2) || gather->never)
        return 0;
    if (gather->pause > 0) {
        gather->pause--;
        return 0;
    }
    return lf_gather_pays(flush) ? target : 0;
}
/* Notes that of `target` waiters `came` were there when the epoch was flushed.  Whether it was in vain. */
static inline bool lf_gather_note(struct lf_gather *gather, uint32_t target, uint32_t came)
{
    if (came >= target) {
        gather->penalty = 0;
        return false;
    }
    gather->penalty = (uint32_t)lf_min(2 * gather->penalty + 1, LF_GATHER_PAUSE_MAX);
    gather->pause = gather->penalty;
    return true;
}

/* How long the first writer of an epoch waits for the others: half a flush, and all of one more if one
 * is under way. */
static inline uint64_t lf_gather_patience_ns(uint64_t flush_ns, bool is_flushing)
{
    uint64_t patience_ns =
        lf_min(lf_max(flush_ns / 2, LF_GATHER_PATIENCE_NS_MIN), LF_GATHER_PATIENCE_NS_MAX);
    return is_flushing ? patience_ns + flush_ns : patience_ns;
}

#endif /* LF_GATHER_H */
