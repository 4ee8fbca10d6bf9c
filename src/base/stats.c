/* SPDX-License-Identifier: MIT */
#include "base/stats.h"

void lf_histogram_copy(const struct logfile_histogram *from, struct logfile_histogram *to)
{
    to->count = lf_counted(&from->count);
    to->sum = lf_counted(&from->sum);
    to->max = lf_counted(&from->max);
    for (int i = 0; i < LF_HISTOGRAM_BUCKETS; i++)
        to->bucket[i] = lf_counted(&from->bucket[i]);
}

enum {
    INFLIGHT_TRIES = 8 /* one more for each call that begins while this thread looks */
};

/* What a caller has under way, as one.  After so many tries its calls are short: any will do. */
static struct lf_inflight read_inflight(const struct lf_inflight *inflight)
{
    struct lf_inflight copy = {0};

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
        struct lf_inflight inflight = read_inflight(&callers[i]);
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
    out->stalls = lf_counted(&stats->stalls);
    lf_histogram_copy(&stats->flush_ns, &out->flush_ns);
    lf_histogram_copy(&stats->stall_ns, &out->stall_ns);
    lf_histogram_copy(&stats->records_per_epoch, &out->records_per_epoch);
}
