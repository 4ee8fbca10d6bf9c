/* SPDX-License-Identifier: MIT */
/*
 * When records are due, and how long a client thinks: drawn from the seed, so that every variant meets the
 * same times.
 *
 * Arrivals of many independent clients are a Poisson process: the gaps are exponential.  Each writer has a
 * process of its own; together they are one of the whole rate.  An even schedule, whose gaps are all the
 * same, never sends two records close together, and so flatters whatever cannot take that.
 */
#ifndef BENCH_ARRIVALS_H
#define BENCH_ARRIVALS_H

#include <stdbool.h>
#include <stdint.h>

enum bench_arrival_kind {
    BENCH_ARRIVALS_POISSON = 0,
    BENCH_ARRIVALS_EVEN /* the writers take turns */
};

struct bench_arrivals {
    enum bench_arrival_kind kind;
    uint64_t random;
    double gap_ns; /* the mean, of this writer */
    double due_ns; /* since the schedule began */
};

/* Of writer `index` of `writers`, which together offer `rate` records a second. */
void bench_arrivals_begin(struct bench_arrivals *arrivals, enum bench_arrival_kind kind,
                          double rate, unsigned writers, unsigned index, uint64_t seed);
/* When the next record is due, in ns since the schedule began. */
uint64_t bench_arrivals_next(struct bench_arrivals *arrivals);

/* The next of a row of exponential times of mean 1. */
double bench_exponential(uint64_t *random);

#endif /* BENCH_ARRIVALS_H */
