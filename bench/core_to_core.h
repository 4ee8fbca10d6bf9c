/* SPDX-License-Identifier: MIT */
/*
 * How long a cache line takes from one processor to another: two threads, each on a processor of its own, hand
 * a word to each other.  Half of the time there and back, the least mean of some batches, because whatever else
 * runs there only adds to it.
 */
#ifndef BENCH_CORE_TO_CORE_H
#define BENCH_CORE_TO_CORE_H

#include <stdbool.h>
#include <stdio.h>

#define BENCH_CORES_MAX 128 /* of more, the first are measured */

struct bench_core_to_core {
    unsigned count;
    unsigned cpus[BENCH_CORES_MAX];              /* as the operating system numbers them */
    double ns[BENCH_CORES_MAX][BENCH_CORES_MAX]; /* 0: itself, or not measured */
};

/* Of the processors that the process may use.  Ends early when a signal has come.  0 or -errno. */
int bench_core_to_core(struct bench_core_to_core *map);

/* A member of a JSON object that has some before it; map: NULL: null.  And a few lines of text. */
void bench_core_to_core_json(FILE *out, const struct bench_core_to_core *map);
void bench_core_to_core_print(FILE *out, const struct bench_core_to_core *map);

#endif /* BENCH_CORE_TO_CORE_H */
