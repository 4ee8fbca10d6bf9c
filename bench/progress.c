/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include "clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CLEAR_LINE "\r\033[K"

void bench_progress_init(struct bench_progress *progress, const struct bench_options *options)
{
    memset(progress, 0, sizeof *progress);
    progress->options = options;
    progress->is_terminal = isatty(STDERR_FILENO) == 1;
    progress->total =
        (unsigned)options->repeat * bench_point_count(options) * options->variants.count;
}

static void name_run(struct bench_progress *progress, const struct bench_run_id *id)
{
    char size[32] = "", window[32] = "", rate[64] = "", text[BENCH_NUMBER_BYTES];
    if (progress->options->sizes.count > 1)
        snprintf(size, sizeof size, ", %zu B", id->point.size_min);
    if (progress->options->windows.count > 1)
        snprintf(window, sizeof window, ", window %" PRIu64, id->point.window);
    if (progress->options->rates.count > 1)
        snprintf(rate, sizeof rate, ", %s/s", bench_format_rate(text, id->point.rate));
    snprintf(progress->name, sizeof progress->name, "%s%s%s%s, %u writer%s", id->variant->label,
             size, window, rate, id->point.writers, id->point.writers == 1 ? "" : "s");
}

void bench_progress_begin(struct bench_progress *progress, const struct bench_run_id *id)
{
    progress->current++;
    progress->last_ns = 0;
    progress->last_records = 0;
    name_run(progress, id);
    if (progress->is_terminal)
        fprintf(stderr, CLEAR_LINE "[%u/%u] %s", progress->current, progress->total,
                progress->name);
}

void bench_progress_update(void *arg, uint64_t elapsed_ns, uint64_t records)
{
    struct bench_progress *progress = arg;
    char count[BENCH_NUMBER_BYTES];
    if (!progress->is_terminal || elapsed_ns <= progress->last_ns)
        return;
    double seconds = (double)(elapsed_ns - progress->last_ns) / (double)BENCH_NS_PER_S;
    double per_s = (double)(records - progress->last_records) / seconds;
    fprintf(stderr, CLEAR_LINE "[%u/%u] %s: %.1f s, %s records/s", progress->current,
            progress->total, progress->name, (double)elapsed_ns / (double)BENCH_NS_PER_S,
            bench_format_count(count, per_s));
    progress->last_ns = elapsed_ns;
    progress->last_records = records;
}

void bench_progress_end(struct bench_progress *progress, const struct bench_result *result)
{
    char count[BENCH_NUMBER_BYTES], p50[BENCH_NUMBER_BYTES], p99[BENCH_NUMBER_BYTES];
    if (progress->is_terminal) {
        fputs(CLEAR_LINE, stderr);
        return;
    }
    if (result == NULL || !result->measured)
        return;
    fprintf(stderr, "[%u/%u] %s: %s records/s, p50 %s us, p99 %s us%s\n", progress->current,
            progress->total, progress->name, bench_format_count(count, bench_records_per_s(result)),
            bench_format_number(p50, result->percentile_us[BENCH_P50]),
            bench_format_number(p99, result->percentile_us[BENCH_P99]),
            result->interrupted ? " (interrupted)" : "");
}
