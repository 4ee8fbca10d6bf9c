/* SPDX-License-Identifier: MIT */
#include "json_log.h"

#include "json_put.h"

#define COUNTER(name)                                                                              \
    {                                                                                              \
#name, offsetof(struct logfile_stats, name)                                                \
    }

/* Of logfile_stats, in its order. */
static const struct {
    const char *key;
    size_t offset;
} counters[] = {
    COUNTER(syncs),
    COUNTER(device_bytes),
    COUNTER(zero_fill_bytes),
    COUNTER(inline_flushes),
    COUNTER(sequencer_flushes),
    COUNTER(overshoots),
    COUNTER(wakeups),
    COUNTER(waits_durable),
    COUNTER(waits_flip),
    COUNTER(waits_space),
    COUNTER(waits_zero_fill),
    COUNTER(gathers),
    COUNTER(gather_timeouts),
    COUNTER(late_publishes),
    COUNTER(segments_made),
    COUNTER(trims),
    COUNTER(writes),
};

static const struct {
    const char *mean;
    const char *histogram;
    size_t offset;
} histograms[] = {
    {"flush_ns", "flush_histogram", offsetof(struct logfile_stats, flush_ns)},
    {"write_ns", "write_histogram", offsetof(struct logfile_stats, write_ns)},
    {"sync_ns", "sync_histogram", offsetof(struct logfile_stats, sync_ns)},
    {"append_commit_ns", "append_commit_histogram",
     offsetof(struct logfile_stats, append_commit_ns)},
    {"submit_commit_ns", "submit_commit_histogram",
     offsetof(struct logfile_stats, submit_commit_ns)},
    {"late_publish_ns", "late_publish_histogram", offsetof(struct logfile_stats, late_publish_ns)},
    {"zero_fill_ns", "zero_fill_histogram", offsetof(struct logfile_stats, zero_fill_ns)},
    {"zero_sync_ns", "zero_sync_histogram", offsetof(struct logfile_stats, zero_sync_ns)},
};

static uint64_t counter_at(const struct logfile_stats *stats, size_t offset)
{
    uint64_t value;
    memcpy(&value, (const char *)stats + offset, sizeof value);
    return value;
}

/* The least value that a bucket of logfile_histogram holds. */
static uint64_t bucket_low(unsigned index)
{
    return index < 8 ? index : (uint64_t)(8 + index % 8) << (index / 8 - 1);
}

/* The mean, and [microseconds, count] of each bucket that has any. */
static void put_histogram(FILE *out, const char *mean_key, const char *key,
                          const struct logfile_histogram *before,
                          const struct logfile_histogram *after)
{
    uint64_t count = after->count - before->count;
    const char *separator = "";
    put_measure(out, mean_key, (double)(after->sum - before->sum) / (double)(count > 0 ? count : 1),
                count > 0);
    fprintf(out, ",\"%s\":[", key);
    for (unsigned i = 0; i < LOGFILE_HISTOGRAM_BUCKETS; i++) {
        uint64_t in_bucket = after->bucket[i] - before->bucket[i];
        if (in_bucket == 0)
            continue;
        fprintf(out, "%s[%.3f,%" PRIu64 "]", separator, (double)bucket_low(i) / 1000, in_bucket);
        separator = ",";
    }
    fputc(']', out);
}

static void put_histograms(FILE *out, const struct bench_detail *detail)
{
    for (size_t i = 0; i < sizeof histograms / sizeof histograms[0]; i++)
        put_histogram(out, histograms[i].mean, histograms[i].histogram,
                      (const void *)((const char *)&detail->stats_before + histograms[i].offset),
                      (const void *)((const char *)&detail->stats_after + histograms[i].offset));
}

void bench_report_log_json(FILE *out, const struct bench_detail *detail, bool is_log)
{
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
        put_number(out, counters[i].key,
                   counter_at(&detail->stats_after, counters[i].offset) -
                       counter_at(&detail->stats_before, counters[i].offset),
                   is_log);
    if (is_log) {
        put_histograms(out, detail);
        return;
    }
    for (size_t i = 0; i < sizeof histograms / sizeof histograms[0]; i++)
        fprintf(out, ",\"%s\":null,\"%s\":null", histograms[i].mean, histograms[i].histogram);
}

void bench_report_pressure_json(FILE *out, const struct bench_pressure *pressure)
{
    fputs(",\"pressure\":{\"of\":\"machine\"", out);
    put_number(out, "cpu_some_us", pressure->cpu_some_us, pressure->knows_cpu);
    put_number(out, "io_some_us", pressure->io_some_us, pressure->knows_io);
    put_number(out, "steal_us", pressure->steal_us, pressure->knows_steal);
    fputc('}', out);
}
