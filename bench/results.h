/* SPDX-License-Identifier: MIT */
/* The results of all runs, and what they come to over the rounds. */
#ifndef BENCH_RESULTS_H
#define BENCH_RESULTS_H

#include "options.h"
#include "workload.h"

struct bench_results {
    const struct bench_options *options;
    struct bench_result *cells; /* by round, point and variant */
};

/* 0 or -ENOMEM. */
int bench_results_init(struct bench_results *results, const struct bench_options *options);
void bench_results_free(struct bench_results *results);

struct bench_result *bench_results_cell(const struct bench_results *results, unsigned round,
                                        unsigned point, unsigned variant);

/* NAN when it is not known. */
typedef double bench_metric(const struct bench_result *result);

double bench_records_per_s(const struct bench_result *result);
double bench_bytes_per_s(const struct bench_result *result);

/* Over the rounds; all NAN when there is nothing that it could be of. */
struct bench_spread {
    double least;
    double median;
    double most;
};

/* Sorts its argument. */
struct bench_spread bench_spread_of(double *values, unsigned count);

/* Of the rounds that were measured. */
struct bench_spread bench_results_spread(const struct bench_results *results, unsigned point,
                                         unsigned variant, bench_metric *metric);

/* Of records per second, each divided by those of another variant at the same point in the same
 * round. */
struct bench_spread bench_results_ratio(const struct bench_results *results, unsigned point,
                                        unsigned variant, unsigned base);

/* In how many rounds the rows that were measured at all were measured: the fewest and the most. */
struct bench_rounds {
    unsigned fewest;
    unsigned most;
};
struct bench_rounds bench_results_rounds(const struct bench_results *results);

/* Whether a round of it was cut short. */
bool bench_results_interrupted(const struct bench_results *results, unsigned point,
                               unsigned variant);

/* Whether more was due in a round of it than became durable. */
bool bench_results_past_knee(const struct bench_results *results, unsigned point, unsigned variant);
/* Whether a round of it was above what the machine allowed then. */
bool bench_results_passed(const struct bench_results *results, unsigned point, unsigned variant);

/* Any that was measured, of a log only or of any store; NULL: there is none. */
const struct bench_result *bench_results_first(const struct bench_results *results, bool is_log);

#endif /* BENCH_RESULTS_H */
