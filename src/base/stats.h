/* SPDX-License-Identifier: MIT */
/*
 * Counters.  Each is changed with a relaxed fetch-add and read with a relaxed load: they order
 * nothing, and logfile_stats promises no more than recent values.
 */
#ifndef LF_STATS_H
#define LF_STATS_H

#include "base/atomic.h"
#include "logfile.h"

#include <stdbool.h>

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
    uint64_t late_publishes;
    uint64_t refused_full;
    uint64_t refused_space;
    uint64_t refused_size;
    uint64_t refused_ended;
    struct logfile_histogram flush_ns;
    struct logfile_histogram write_ns;
    struct logfile_histogram sync_ns;
    struct logfile_histogram append_commit_ns;
    struct logfile_histogram submit_commit_ns;
    struct logfile_histogram late_publish_ns;
    struct logfile_histogram records_per_epoch;
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
    LF_CALLER_FLUSHER = 0, /* the thread that may commit */
    LF_CALLER_PREPARER,
    LF_CALLER_TRIMMER, /* the thread that trims: one at a time */
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
/* What one caller has under way, as one.  begun is 0: nothing.  Any thread; never waits. */
struct lf_inflight lf_inflight_read(const struct lf_inflight *inflight);
/* What has been under way longest, as of `now_ns`.  Any thread; never waits. */
void lf_inflight_copy(const struct lf_inflight callers[LF_CALLER_COUNT], uint64_t now_ns,
                      struct logfile_stats *out);
/* What an enum logfile_call does, before "LSN 4096". */
const char *lf_call_phrase(uint32_t call);

enum {
    LF_HISTOGRAM_SUB_BITS = 3 /* of a value, after its leading one, name its bucket */
};
static inline unsigned lf_histogram_bucket(uint64_t value)
{
    if (value >> LF_HISTOGRAM_SUB_BITS == 0)
        return (unsigned)value;
    const unsigned shift = 63u - (unsigned)__builtin_clzll(value) - LF_HISTOGRAM_SUB_BITS;
    const uint64_t bucket = ((uint64_t)shift << LF_HISTOGRAM_SUB_BITS) + (value >> shift);
    return bucket < LOGFILE_HISTOGRAM_BUCKETS ? (unsigned)bucket : LOGFILE_HISTOGRAM_BUCKETS - 1;
}

/* By any thread. */
static inline void lf_histogram_add(struct logfile_histogram *histogram, uint64_t value)
{
    uint64_t max;

    lf_count(&histogram->count, 1);
    lf_count(&histogram->sum, value);
    lf_count(&histogram->bucket[lf_histogram_bucket(value)], 1);
    do {
        max = lf_counted(&histogram->max);
    } while (value > max && !lf_cas_acq_rel_64(&histogram->max, max, value)); /* No pair. */
}
void lf_histogram_copy(const struct logfile_histogram *from, struct logfile_histogram *to);

/* A call goes away with this error, and has written nothing. */
void lf_stats_note_refusal(struct lf_stats *stats, int error);

/* When the first record of an epoch had its place, and whether its writer waits: in one word. */
static inline uint64_t lf_first_word(uint64_t now_ns, bool waits)
{
    return now_ns << 1 | waits;
}
/* That epoch has become durable. */
static inline void lf_stats_note_commit(struct lf_stats *stats, uint64_t first, uint64_t now_ns)
{
    lf_histogram_add(first & 1 ? &stats->append_commit_ns : &stats->submit_commit_ns,
                     now_ns - (first >> 1));
}

/* Copies the counters into the public struct. */
void lf_stats_copy(const struct lf_stats *stats, struct logfile_stats *out);

#endif /* LF_STATS_H */
