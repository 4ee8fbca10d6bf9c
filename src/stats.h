/* SPDX-License-Identifier: MIT */
/*
 * Counters.  Each is changed with a relaxed fetch-add and read with a relaxed load: they order
 * nothing, and logfile_stats promises no more than recent values.
 */
#ifndef LF_STATS_H
#define LF_STATS_H

#include "atomic.h"
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
    struct logfile_histogram stage_ns[LOGFILE_STAGE_COUNT];
};

static inline void lf_count(uint64_t *counter, uint64_t n)
{
    lf_fetch_add_relaxed_64(counter, n);
}
static inline uint64_t lf_counted(const uint64_t *counter)
{
    return lf_load_relaxed_64(counter);
}

/* By any thread. */
void lf_histogram_add(struct logfile_histogram *histogram, uint64_t value);

/* Copies the counters into the public struct. */
void lf_stats_copy(const struct lf_stats *stats, struct logfile_stats *out);

#endif /* LF_STATS_H */
