/* SPDX-License-Identifier: MIT */
#include "results.h"

#include "clock.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define ROUNDS_MAX 1000 /* what --repeat takes */

int bench_results_init(struct bench_results *results, const struct bench_options *options)
{
    results->options = options;
    results->cells = calloc(options->repeat * options->writers_count * options->engine_count,
                            sizeof *results->cells);
    return results->cells != NULL ? 0 : -ENOMEM;
}

void bench_results_free(struct bench_results *results)
{
    free(results->cells);
    results->cells = NULL;
}

struct bench_result *bench_results_cell(const struct bench_results *results, unsigned round,
                                        unsigned count_index, unsigned engine_index)
{
    const struct bench_options *options = results->options;
    size_t row = (size_t)round * options->writers_count + count_index;
    return &results->cells[row * options->engine_count + engine_index];
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

/* Sorts its argument. */
static double median(double *values, unsigned count)
{
    if (count == 0)
        return NAN;
    qsort(values, count, sizeof *values, compare);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

double bench_results_median(const struct bench_results *results, unsigned count_index,
                            unsigned engine_index, bench_metric *metric)
{
    double values[ROUNDS_MAX];
    unsigned count = 0;
    for (unsigned round = 0; round < results->options->repeat; round++) {
        const struct bench_result *result =
            bench_results_cell(results, round, count_index, engine_index);
        if (result->measured)
            values[count++] = metric(result);
    }
    return median(values, count);
}

double bench_results_ratio(const struct bench_results *results, unsigned count_index,
                           unsigned engine_index)
{
    const struct bench_options *options = results->options;
    double values[ROUNDS_MAX];
    unsigned count = 0;
    unsigned mutex = 0;
    while (mutex < options->engine_count && options->engines[mutex] != LOGFILE_ENGINE_MUTEX)
        mutex++;
    for (unsigned round = 0; mutex < options->engine_count && round < options->repeat; round++) {
        const struct bench_result *result =
            bench_results_cell(results, round, count_index, engine_index);
        const struct bench_result *base = bench_results_cell(results, round, count_index, mutex);
        if (result->measured && base->measured && base->records > 0)
            values[count++] = bench_records_per_s(result) / bench_records_per_s(base);
    }
    return median(values, count);
}

bool bench_results_interrupted(const struct bench_results *results, unsigned count_index,
                               unsigned engine_index)
{
    bool interrupted = false;
    for (unsigned round = 0; round < results->options->repeat; round++)
        interrupted |= bench_results_cell(results, round, count_index, engine_index)->interrupted;
    return interrupted;
}
