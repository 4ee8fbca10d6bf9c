/* SPDX-License-Identifier: MIT */
/*
 * Counters.  Each is changed with a relaxed fetch-add and read with a relaxed load: they order
 * nothing, and logfile_stats promises no more than recent values.
 */
#ifndef LF_STATS_H
#define LF_STATS_H

#include "base/atomic.h"
#include "logfile.h"

/* The counters of logfile_stats that writers and flushers keep; the rest is the store's. */
struct lf_stats {
    uint64_t records;
    uint64_t bytes;
    uint64_t epochs;
    uint64_t inline_flushes;
    uint64_t sequencer_flushes;
    uint64_t overshoots;
    uint64_t wakeups;
    uint64_t waits_durable;
    uint64_t waits_flip;
    uint64_t waits_space;
    uint64_t gathers;
    uint64_t gather_timeouts;
    uint64_t stalls;
    struct logfile_histogram flush_ns;
    struct logfile_histogram stall_ns;
    struct logfile_histogram records_per_epoch;
};

enum {
    LF_HISTOGRAM_BUCKETS = sizeof(((struct logfile_histogram *)0)->bucket) / sizeof(uint64_t)
};

static inline void lf_count(uint64_t *counter, uint64_t n)
{
    lf_fetch_add_relaxed_64(counter, n);
}
static inline uint64_t lf_counted(const uint64_t *counter)
{
    return lf_load_relaxed_64(counter);
}

/* Threads that call the device, each of which has at most one call under way. */
enum lf_caller {
    LF_CALLER_FLUSHER = 0, /* whoever may commit */
    LF_CALLER_PREPARER,
    LF_CALLER_TRIMMER, /* whoever trims: one at a time */
    LF_CALLER_COUNT
};

#define LF_INFLIGHT_CALL_MASK UINT64_C(15)

/* What a thread waits for, noted before it does, so that a device that hangs can be seen.  A change
 * of `lsn` alone, while a call is under way, is not to be: a reader could not tell. */
struct lf_inflight {
    /* W: the caller.  R: stats. */
    uint64_t lsn;
    uint64_t begun; /* ns, the low four bits replaced by the enum logfile_call; 0: nothing */
};

static inline void lf_inflight_begin(struct lf_inflight *inflight, enum logfile_call call,
                                     uint64_t lsn, uint64_t now_ns)
{
    /* I1: after the end of the call before.  I2: before the call that it belongs to. */
    lf_store_release_64(&inflight->lsn, lsn);
    lf_store_release_64(&inflight->begun, (now_ns & ~LF_INFLIGHT_CALL_MASK) | call);
}
static inline void lf_inflight_end(struct lf_inflight *inflight)
{
    lf_store_relaxed_64(&inflight->begun, 0); /* Relaxed: I1 orders it before what follows. */
}
/* What has been under way longest, as of `now_ns`.  Any thread; never waits. */
void lf_inflight_copy(const struct lf_inflight callers[LF_CALLER_COUNT], uint64_t now_ns,
                      struct logfile_stats *out);

/* By any thread. */
static inline void lf_histogram_add(struct logfile_histogram *histogram, uint64_t value)
{
    unsigned bucket = value < 2 ? 0 : 63u - (unsigned)__builtin_clzll(value);
    uint64_t max;

    lf_count(&histogram->count, 1);
    lf_count(&histogram->sum, value);
    lf_count(&histogram->bucket[bucket < LF_HISTOGRAM_BUCKETS ? bucket : LF_HISTOGRAM_BUCKETS - 1],
             1);
    do {
        max = lf_counted(&histogram->max);
    } while (value > max && !lf_cas_acq_rel_64(&histogram->max, max, value)); /* No pair. */
}
void lf_histogram_copy(const struct logfile_histogram *from, struct logfile_histogram *to);

/* Copies the counters into the public struct. */
void lf_stats_copy(const struct lf_stats *stats, struct logfile_stats *out);

#endif /* LF_STATS_H */
