/* SPDX-License-Identifier: MIT */
#include "json_conduct.h"

#include <inttypes.h>

/* A key and a number, or null. */
static void put(FILE *out, const char *key, double value, bool known)
{
    if (known)
        fprintf(out, ",\"%s\":%.3f", key, value);
    else
        fprintf(out, ",\"%s\":null", key);
}

static void put_fairness(FILE *out, const struct bench_fairness *fairness)
{
    if (!fairness->known) {
        fputs(",\"fairness\":null", out);
        return;
    }
    fprintf(out, ",\"fairness\":{\"jain\":%.4f,\"least_over_mean\":%.4f,\"most_over_mean\":%.4f",
            fairness->jain, fairness->least_over_mean, fairness->most_over_mean);
    if (fairness->has_p50)
        fprintf(out, ",\"writer_p50_us_least\":%.3f,\"writer_p50_us_most\":%.3f}",
                fairness->p50_us_least, fairness->p50_us_most);
    else
        fputs(",\"writer_p50_us_least\":null,\"writer_p50_us_most\":null}", out);
}

static void put_crossed(FILE *out, const struct bench_crossed *crossed)
{
    if (crossed->samples == 0)
        fputs(",\"epochs_crossed\":null", out);
    else
        fprintf(out,
                ",\"epochs_crossed\":{\"samples\":%" PRIu64 ",\"mean\":%.3f,\"max\":%" PRIu64 "}",
                crossed->samples, (double)crossed->sum / (double)crossed->samples, crossed->max);
}

static void put_load(FILE *out, const struct bench_options *options, const struct bench_run_id *id,
                     const struct bench_load *load)
{
    const struct bench_point *point = &id->point;
    uint64_t clients = options->clients > 0 ? options->clients : point->writers;
    fprintf(out, ",\"load\":{\"kind\":\"%s\",\"clients\":%" PRIu64 ",\"window\":%" PRIu64,
            load->is_open ? "open" : "closed", clients, point->window);
    put(out, "think_us", (double)options->think_ns / 1000, true);
    if (load->is_open)
        fprintf(out, ",\"arrivals\":\"%s\"",
                bench_name_of(bench_arrival_names, (int)options->arrivals));
    else
        fputs(",\"arrivals\":null", out);
    put(out, "share", bench_rate_value(point->rate), bench_rate_is_share(point->rate));
    put(out, "capacity", load->capacity, load->capacity > 0);
    put(out, "rate_asked", load->rate_asked, load->is_open);
    put(out, "rate_reached", load->rate_reached, load->is_open);
    put(out, "late_p50_us", load->late_p50_us, load->has_late);
    put(out, "late_p99_us", load->late_p99_us, load->has_late);
    put(out, "late_max_us", load->late_max_us, load->has_late);
    fprintf(out, ",\"past_knee\":%s}", load->past_knee ? "true" : "false");
}

/* ---- The series ------------------------------------------------------------------------------ */

typedef void point_printer(FILE *out, const struct bench_series *series, unsigned i);

static void print_begin(FILE *out, const struct bench_series *series, unsigned i)
{
    fprintf(out, "%.3f", (double)i * (double)series->step_ns / 1e9);
}

static void print_records(FILE *out, const struct bench_series *series, unsigned i)
{
    fprintf(out, "%" PRIu64, series->points[i].records);
}

static void print_p99(FILE *out, const struct bench_series *series, unsigned i)
{
    if (series->points[i].p99_ns > 0)
        fprintf(out, "%.1f", (double)series->points[i].p99_ns / 1000);
    else
        fputs("null", out);
}

static void print_syncs(FILE *out, const struct bench_series *series, unsigned i)
{
    fprintf(out, "%" PRIu64, series->points[i].syncs);
}

static void print_steal(FILE *out, const struct bench_series *series, unsigned i)
{
    fprintf(out, "%" PRIu64, series->points[i].steal_us);
}

static void put_array(FILE *out, const char *key, const struct bench_series *series, bool known,
                      point_printer *print)
{
    fprintf(out, ",\"%s\":%s", key, known ? "[" : "null");
    for (unsigned i = 0; known && i < series->count; i++) {
        if (i > 0)
            fputc(',', out);
        print(out, series, i);
    }
    if (known)
        fputc(']', out);
}

static void put_series(FILE *out, const struct bench_series *series)
{
    if (series->count == 0) {
        fputs(",\"series\":null", out);
        return;
    }
    fprintf(out, ",\"series\":{\"step_s\":%.3f", (double)series->step_ns / 1e9);
    put_array(out, "t_s", series, true, print_begin);
    put_array(out, "records", series, true, print_records);
    put_array(out, "p99_us", series, true, print_p99);
    put_array(out, "syncs", series, series->knows_syncs, print_syncs);
    put_array(out, "steal_us", series, series->knows_steal, print_steal);
    fputc('}', out);
}

/* ---- What the processor counted -------------------------------------------------------------- */

static void put_perf(FILE *out, const struct bench_perf_result *perf)
{
    static const char *const names[BENCH_PERF_COUNTERS] = {
        [BENCH_PERF_CYCLES] = "cycles",
        [BENCH_PERF_INSTRUCTIONS] = "instructions",
        [BENCH_PERF_CACHE_MISSES] = "cache_misses",
        [BENCH_PERF_HITM] = "hitm",
    };
    fprintf(out, ",\"perf\":{\"user_only\":%s", perf->user_only ? "true" : "false");
    for (int i = 0; i < BENCH_PERF_COUNTERS; i++)
        put(out, names[i], perf->per_record[i], perf->knows[i]);
    if (perf->knows_joules)
        fprintf(out, ",\"joules_per_record\":%.9f}", perf->joules_per_record);
    else
        fputs(",\"joules_per_record\":null}", out);
}

void bench_report_conduct_json(FILE *out, const struct bench_options *options,
                               const struct bench_run_id *id, const struct bench_result *result,
                               const struct bench_detail *detail)
{
    const struct bench_conduct *conduct = &result->conduct;
    fprintf(out, ",\"capped\":%s", conduct->load.capped ? "true" : "false");
    put_fairness(out, &conduct->fairness);
    put_crossed(out, &conduct->crossed);
    put_load(out, options, id, &conduct->load);
    put_series(out, &detail->series);
    put_perf(out, &conduct->perf);
}
