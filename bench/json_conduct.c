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

void bench_report_conduct_json(FILE *out, const struct bench_run_id *id,
                               const struct bench_result *result, const struct bench_detail *detail)
{
    (void)id;
    (void)detail;
    put_fairness(out, &result->conduct.fairness);
    put_crossed(out, &result->conduct.crossed);
}
