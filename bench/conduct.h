/* SPDX-License-Identifier: MIT */
/*
 * How a run went, beside how fast it was: whether its writers had the same share, how many groups an
 * append had to see off, what load it was under, and what the processor counted.
 */
#ifndef BENCH_CONDUCT_H
#define BENCH_CONDUCT_H

#include "load.h"
#include "perf.h"

#include <stdbool.h>
#include <stdint.h>

/* Of the writers of one run: how their records within the timed part, and their latencies, differ. */
struct bench_fairness {
    bool known;  /* two writers or more, whose records were not counted out to them */
    double jain; /* 1: all have as many; 1/n: one of n has all */
    double least_over_mean;
    double most_over_mean;
    bool has_p50; /* of the writers that have latencies */
    double p50_us_least;
    double p50_us_most;
};

/* Epochs that became durable between the call and the return of an append, of those that were looked at. */
struct bench_crossed {
    uint64_t samples;
    uint64_t sum;
    uint64_t max;
};

static inline void bench_crossed_add(struct bench_crossed *crossed, uint64_t epochs)
{
    crossed->samples++;
    crossed->sum += epochs;
    if (epochs > crossed->max)
        crossed->max = epochs;
}

struct bench_conduct {
    struct bench_fairness fairness;
    struct bench_crossed crossed;
    struct bench_load load;
    struct bench_perf_result perf;
};

/* With its writers joined; of the result, what was counted. */
void bench_conduct_summarise(const struct bench_session *session, const struct bench_result *result,
                             struct bench_conduct *conduct);

#endif /* BENCH_CONDUCT_H */
