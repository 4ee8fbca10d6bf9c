/* SPDX-License-Identifier: MIT */
#include "session.h"

#include <math.h>
#include <string.h>

static uint64_t last_end_ns(const struct bench_session *session)
{
    uint64_t last = session->task.from_ns;
    for (unsigned i = 0; i < session->task.run->writers; i++)
        if (session->writers[i].tally.last_end_ns > last)
            last = session->writers[i].tally.last_end_ns;
    return last;
}

static double ratio(double dividend, double divisor)
{
    return divisor > 0 ? dividend / divisor : 0;
}

/* Ratios compare what became durable between the two notes of usage, which lie a little off the
 * edges of the timed part, with what else was used between the same two notes. */
static void summarise_usage(const struct bench_session *session, struct bench_result *result)
{
    const struct bench_usage *before = &session->before;
    const struct bench_usage *after = &session->after;
    double records = (double)(after->records - before->records);
    result->cpu_us_per_record = ratio((double)(after->cpu_us - before->cpu_us), records);
    result->context_switches_per_record =
        ratio((double)(after->context_switches - before->context_switches), records);
    result->rss_bytes = after->rss_bytes;
    result->pressure = bench_pressure_between(&before->pressure, &after->pressure);
    /* The counter was stopped where `before` was noted, and began with an empty store. */
    result->knows_calls = session->knows_calls && before->records > 0;
    result->system_calls_per_record = ratio((double)session->calls, (double)before->records);
}

static void summarise_stages(const struct logfile_lab_stats *before,
                             const struct logfile_lab_stats *after, struct bench_result *result)
{
    result->stage_samples = after->stage_ns[0].count - before->stage_ns[0].count;
    for (unsigned i = 0; i < LOGFILE_STAGE_COUNT; i++) {
        uint64_t sum_ns = after->stage_ns[i].sum - before->stage_ns[i].sum;
        result->stage_us[i] = ratio((double)sum_ns / 1000, (double)result->stage_samples);
    }
}

/* A thread that is put to sleep is found to have been woken already, now and then: it sleeps no more
 * often than threads are exchanged. */
static void summarise_sleeps(const struct bench_session *session, double flushed,
                             struct bench_result *result)
{
    const struct bench_usage *before = &session->before;
    const struct bench_usage *after = &session->after;
    uint64_t sleeps = after->stats.waits_durable - before->stats.waits_durable;
    uint64_t switches = after->context_switches - before->context_switches;
    result->sleeps_per_record = ratio((double)(sleeps < switches ? sleeps : switches), flushed);
}

static void summarise_log(const struct bench_session *session, struct bench_result *result)
{
    const struct logfile_stats *before = &session->before.stats;
    const struct logfile_stats *after = &session->after.stats;
    double flushed = (double)(after->records - before->records);
    double mean_bytes = ratio((double)result->payload_bytes, (double)result->records);
    result->is_log = session->task.log != NULL;
    session->detail->stats_before = *before;
    session->detail->stats_after = *after;
    result->flushes = after->epochs - before->epochs;
    result->records_per_flush = ratio(flushed, (double)result->flushes);
    result->device_bytes_per_payload_byte =
        ratio((double)(after->device_bytes - before->device_bytes), flushed * mean_bytes);
    result->io_mode = after->io_mode;
    summarise_sleeps(session, flushed, result);
    summarise_stages(&session->before.lab_stats, &session->after.lab_stats, result);
    /* Eight buckets make a power of two; those below 8 have a value each. */
    for (unsigned i = 0; i < LOGFILE_HISTOGRAM_BUCKETS; i++)
        session->detail->batches[i < 2   ? 0
                                 : i < 4 ? 1
                                 : i < 8 ? 2
                                         : i / 8 + 2] +=
            after->records_per_epoch.bucket[i] - before->records_per_epoch.bucket[i];
}

static void summarise_writers(const struct bench_session *session, struct bench_result *result)
{
    struct bench_histogram *latency_ns = &session->detail->latency_ns;
    uint64_t submit_ns = 0;
    uint64_t submits = 0;
    for (unsigned i = 0; i < session->task.run->writers; i++) {
        const struct bench_writer *writer = &session->writers[i];
        result->records += writer->tally.records;
        result->payload_bytes += writer->tally.payload_bytes;
        submit_ns += writer->tally.submit_ns;
        submits += writer->tally.submits;
        bench_histogram_merge(latency_ns, &writer->tally.latency_ns);
        bench_pending_end(&session->writers[i].tally.pending, session->task.recorder);
    }
    result->submit_ns = submits > 0 ? (double)submit_ns / (double)submits : NAN;
    result->latencies = latency_ns->count;
    for (unsigned i = 0; i < BENCH_PERCENTILES; i++)
        result->percentile_us[i] = bench_histogram_told_us(latency_ns, i);
    result->max_ns = latency_ns->max;
}

/* Windows of a closed loop may be under way all through the timed part: that none ended in it is not a rate of
 * 0. */
static bool has_rate(const struct bench_session *session, bool by_clock,
                     const struct bench_result *result)
{
    return result->records > 0 ||
           (by_clock && (session->task.run->window == 1 || session->task.rate > 0));
}

void bench_session_summarise(const struct bench_session *session, struct bench_result *result)
{
    bool by_clock = session->task.until_ns != UINT64_MAX && !session->interrupted;
    uint64_t end_ns = by_clock ? session->task.until_ns : last_end_ns(session);
    /* Interrupted while writers made up for what was due earlier. */
    if (end_ns > session->task.until_ns)
        end_ns = session->task.until_ns;
    memset(result, 0, sizeof *result);
    summarise_writers(session, result);
    result->elapsed_ns = end_ns - session->task.from_ns;
    result->measured =
        session->has_before && result->elapsed_ns > 0 && has_rate(session, by_clock, result);
    result->interrupted = session->interrupted;
    bench_recorder_end(session->task.recorder, result->elapsed_ns);
    summarise_usage(session, result);
    summarise_log(session, result);
    bench_conduct_summarise(session, result, &result->conduct);
}
