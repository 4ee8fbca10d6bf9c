/* SPDX-License-Identifier: MIT */
/* The results of all runs, and what they come to over the rounds. */
#ifndef BENCH_RESULTS_H
#define BENCH_RESULTS_H

#include "options.h"
#include "workload.h"

struct bench_results {
    const struct bench_options *options;
    struct bench_result *cells; /* by round, entry of --writers, entry of --engine */
};

/* 0 or -ENOMEM. */
int bench_results_init(struct bench_results *results, const struct bench_options *options);
void bench_results_free(struct bench_results *results);

struct bench_result *bench_results_cell(const struct bench_results *results, unsigned round,
                                        unsigned count_index, unsigned engine_index);

typedef double bench_metric(const struct bench_result *result);

double bench_records_per_s(const struct bench_result *result);
double bench_bytes_per_s(const struct bench_result *result);

/* The median over the rounds that were measured, or NAN when none was. */
double bench_results_median(const struct bench_results *results, unsigned count_index,
                            unsigned engine_index, bench_metric *metric);

/* The median over the rounds of records per second, each divided by that of the mutex engine with
 * as many writers in the same round; NAN when there is no such pair. */
double bench_results_ratio(const struct bench_results *results, unsigned count_index,
                           unsigned engine_index);

/* Whether a round of it was cut short. */
bool bench_results_interrupted(const struct bench_results *results, unsigned count_index,
                               unsigned engine_index);

#endif /* BENCH_RESULTS_H */
