/* SPDX-License-Identifier: MIT */
#include "json_conduct.h"

#include <inttypes.h>

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

/* A key and a number, or null. */
static void put(FILE *out, const char *key, double value, bool known)
{
    if (known)
        fprintf(out, ",\"%s\":%.3f", key, value);
    else
        fprintf(out, ",\"%s\":null", key);
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

void bench_report_conduct_json(FILE *out, const struct bench_options *options,
                               const struct bench_run_id *id, const struct bench_result *result,
                               const struct bench_detail *detail)
{
    const struct bench_conduct *conduct = &result->conduct;
    (void)detail;
    fprintf(out, ",\"capped\":%s", conduct->load.capped ? "true" : "false");
    put_fairness(out, &conduct->fairness);
    put_crossed(out, &conduct->crossed);
    put_load(out, options, id, &conduct->load);
}
