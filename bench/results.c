/* SPDX-License-Identifier: MIT */
#include "results.h"

#include "clock.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

int bench_results_init(struct bench_results *results, const struct bench_options *options)
{
    results->options = options;
    results->cells = calloc(options->repeat * bench_point_count(options) * options->variants.count,
                            sizeof *results->cells);
    return results->cells != NULL ? 0 : -ENOMEM;
}

void bench_results_free(struct bench_results *results)
{
    free(results->cells);
    results->cells = NULL;
}

struct bench_result *bench_results_cell(const struct bench_results *results, unsigned round,
                                        unsigned point, unsigned variant)
{
    const struct bench_options *options = results->options;
    size_t row = (size_t)round * bench_point_count(options) + point;
    return &results->cells[row * options->variants.count + variant];
}

double bench_records_per_s(const struct bench_result *result)
{
    return (double)result->records * (double)BENCH_NS_PER_S / (double)result->elapsed_ns;
}

double bench_bytes_per_s(const struct bench_result *result)
{
    return (double)result->payload_bytes * (double)BENCH_NS_PER_S / (double)result->elapsed_ns;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

struct bench_spread bench_spread_of(double *values, unsigned count)
{
    if (count == 0)
        return (struct bench_spread){NAN, NAN, NAN};
    qsort(values, count, sizeof *values, compare);
    return (struct bench_spread){values[0], (values[(count - 1) / 2] + values[count / 2]) / 2,
                                 values[count - 1]};
}

struct bench_spread bench_results_spread(const struct bench_results *results, unsigned point,
                                         unsigned variant, bench_metric *metric)
{
    double values[BENCH_ROUNDS_MAX];
    unsigned count = 0;
    for (unsigned round = 0; round < results->options->repeat; round++) {
        const struct bench_result *result = bench_results_cell(results, round, point, variant);
        double value = result->measured ? metric(result) : NAN;
        if (!isnan(value))
            values[count++] = value;
    }
    return bench_spread_of(values, count);
}

struct bench_spread bench_results_ratio(const struct bench_results *results, unsigned point,
                                        unsigned variant, unsigned base)
{
    double values[BENCH_ROUNDS_MAX];
    unsigned count = 0;
    for (unsigned round = 0; round < results->options->repeat; round++) {
        const struct bench_result *result = bench_results_cell(results, round, point, variant);
        const struct bench_result *other = bench_results_cell(results, round, point, base);
        if (result->measured && other->measured && other->records > 0)
            values[count++] = bench_records_per_s(result) / bench_records_per_s(other);
    }
    return bench_spread_of(values, count);
}

struct bench_rounds bench_results_rounds(const struct bench_results *results)
{
    const struct bench_options *options = results->options;
    size_t rows = (size_t)bench_point_count(options) * options->variants.count;
    struct bench_rounds rounds = {.fewest = (unsigned)options->repeat};
    for (size_t row = 0; row < rows; row++) {
        unsigned count = 0;
        for (unsigned round = 0; round < options->repeat; round++)
            count += results->cells[round * rows + row].measured;
        if (count > 0 && count < rounds.fewest)
            rounds.fewest = count;
        if (count > rounds.most)
            rounds.most = count;
    }
    return rounds;
}

bool bench_results_interrupted(const struct bench_results *results, unsigned point,
                               unsigned variant)
{
    bool interrupted = false;
    for (unsigned round = 0; round < results->options->repeat; round++)
        interrupted |= bench_results_cell(results, round, point, variant)->interrupted;
    return interrupted;
}

bool bench_results_past_knee(const struct bench_results *results, unsigned point, unsigned variant)
{
    bool past_knee = false;
    for (unsigned round = 0; round < results->options->repeat; round++)
        past_knee |= bench_results_cell(results, round, point, variant)->conduct.load.past_knee;
    return past_knee;
}

bool bench_results_passed(const struct bench_results *results, unsigned point, unsigned variant)
{
    bool passed = false;
    for (unsigned round = 0; round < results->options->repeat; round++)
        passed |= bench_results_cell(results, round, point, variant)->passed;
    return passed;
}

const struct bench_result *bench_results_first(const struct bench_results *results, bool is_log)
{
    const struct bench_options *options = results->options;
    size_t cells = options->repeat * bench_point_count(options) * options->variants.count;
    for (size_t i = 0; i < cells; i++)
        if (results->cells[i].measured && (results->cells[i].is_log || !is_log))
            return &results->cells[i];
    return NULL;
}
