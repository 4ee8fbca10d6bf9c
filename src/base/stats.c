/* SPDX-License-Identifier: MIT */
#include "base/stats.h"

#include "base/num.h"

#include <errno.h>
#include <stddef.h>

void lf_histogram_copy(const struct logfile_histogram *from, struct logfile_histogram *to)
{
    to->count = lf_counted(&from->count);
    to->sum = lf_counted(&from->sum);
    to->max = lf_counted(&from->max);
    for (int i = 0; i < LOGFILE_HISTOGRAM_BUCKETS; i++)
        to->bucket[i] = lf_counted(&from->bucket[i]);
}

/* The least value of a bucket. */
static uint64_t bucket_low(unsigned bucket)
{
    const unsigned sub_count = 1u << LF_HISTOGRAM_SUB_BITS;

    if (bucket < sub_count)
        return bucket;
    return (uint64_t)(sub_count + bucket % sub_count) << (bucket / sub_count - 1);
}

uint64_t logfile_histogram_percentile(const struct logfile_histogram *histogram, double fraction)
{
    uint64_t total = 0, below = 0;

    if (histogram == NULL)
        return 0;
    for (unsigned i = 0; i < LOGFILE_HISTOGRAM_BUCKETS; i++)
        total += histogram->bucket[i];
    for (unsigned i = 0; i + 1 < LOGFILE_HISTOGRAM_BUCKETS && total > 0; i++) {
        below += histogram->bucket[i];
        if (below > 0 && (double)below >= fraction * (double)total)
            return lf_min(bucket_low(i + 1) - 1, histogram->max);
    }
    return histogram->max;
}

void lf_stats_note_refusal(struct lf_stats *stats, int error)
{
    switch (error) {
    case -EAGAIN:
    case -ETIMEDOUT:
        lf_count(&stats->refused_full, 1);
        break;
    case LOGFILE_ETOOBIG:
        lf_count(&stats->refused_size, 1);
        break;
    case LOGFILE_ECLOSED:
    case LOGFILE_EFAILED:
        lf_count(&stats->refused_ended, 1);
        break;
    default:
        lf_count(&stats->refused_space, 1);
    }
}

enum {
    INFLIGHT_TRIES = 8 /* one more for each call that begins while this thread looks */
};

struct lf_inflight lf_inflight_read(const struct lf_inflight *inflight)
{
    struct lf_inflight copy = {0};

    /* After so many tries its calls are short: any will do. */
    for (int i = 0; i < INFLIGHT_TRIES; i++) {
        copy.begun = lf_load_acquire_64(&inflight->begun); /* I2: pairs with lf_inflight_begin. */
        copy.lsn = lf_load_acquire_64(&inflight->lsn);     /* I1: the same. */
        /* Relaxed: who saw the LSN of a later call sees here that the first one has ended. */
        if (lf_load_relaxed_64(&inflight->begun) == copy.begun)
            break;
    }
    return copy;
}

void lf_inflight_copy(const struct lf_inflight callers[LF_CALLER_COUNT], uint64_t now_ns,
                      struct logfile_stats *out)
{
    struct lf_inflight oldest = {0};
    uint64_t begun_ns;

    for (int i = 0; i < LF_CALLER_COUNT; i++) {
        struct lf_inflight inflight = lf_inflight_read(&callers[i]);
        if (inflight.begun != 0 && (oldest.begun == 0 || inflight.begun < oldest.begun))
            oldest = inflight;
    }
    if (oldest.begun == 0)
        return;
    begun_ns = oldest.begun & ~LF_INFLIGHT_CALL_MASK;
    out->inflight_ns = now_ns > begun_ns ? now_ns - begun_ns : 1; /* 0 means none */
    out->inflight_call = (uint32_t)(oldest.begun & LF_INFLIGHT_CALL_MASK);
    out->inflight_lsn = oldest.lsn;
}

const char *lf_call_phrase(uint32_t call)
{
    switch (call) {
    case LOGFILE_CALL_WRITE:
        return "write at";
    case LOGFILE_CALL_SYNC:
        return "sync of";
    case LOGFILE_CALL_ZERO_FILL:
        return "zero-fill at";
    case LOGFILE_CALL_ALLOCATE:
        return "allocation at";
    case LOGFILE_CALL_MARK:
        return "trim mark of";
    case LOGFILE_CALL_RELEASE:
        return "release of what is below";
    case LOGFILE_CALL_PUBLISH:
        return "wait for a writer after";
    default:
        return "call at";
    }
}

void lf_stats_copy(const struct lf_stats *stats, struct logfile_stats *out)
{
    out->records = lf_counted(&stats->records);
    out->bytes = lf_counted(&stats->bytes);
    out->epochs = lf_counted(&stats->epochs);
    out->inline_flushes = lf_counted(&stats->inline_flushes);
    out->sequencer_flushes = lf_counted(&stats->sequencer_flushes);
    out->overshoots = lf_counted(&stats->overshoots);
    out->wakeups = lf_counted(&stats->wakeups);
    out->waits_durable = lf_counted(&stats->waits_durable);
    out->waits_flip = lf_counted(&stats->waits_flip);
    out->waits_space = lf_counted(&stats->waits_space);
    out->gathers = lf_counted(&stats->gathers);
    out->gather_timeouts = lf_counted(&stats->gather_timeouts);
    out->late_publishes = lf_counted(&stats->late_publishes);
    out->refused_full = lf_counted(&stats->refused_full);
    out->refused_space = lf_counted(&stats->refused_space);
    out->refused_size = lf_counted(&stats->refused_size);
    out->refused_ended = lf_counted(&stats->refused_ended);
    lf_histogram_copy(&stats->flush_ns, &out->flush_ns);
    lf_histogram_copy(&stats->write_ns, &out->write_ns);
    lf_histogram_copy(&stats->sync_ns, &out->sync_ns);
    lf_histogram_copy(&stats->append_commit_ns, &out->append_commit_ns);
    lf_histogram_copy(&stats->submit_commit_ns, &out->submit_commit_ns);
    lf_histogram_copy(&stats->late_publish_ns, &out->late_publish_ns);
    lf_histogram_copy(&stats->records_per_epoch, &out->records_per_epoch);
}
