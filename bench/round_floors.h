/* SPDX-License-Identifier: MIT */
/* --floors: what the device and the kernel can do without a log, measured in each round. */
#ifndef BENCH_ROUND_FLOORS_H
#define BENCH_ROUND_FLOORS_H

#include "options.h"

struct bench_round_floors {
    bool has_sync;
    bool direct;
    double syncs_per_s;
    double sync_p50_us;
    double sync_p99_us;
    double sync_p999_us;
    double wakes_per_s[BENCH_LIST_MAX]; /* by entry of --writers; 0: not measured */
};

/* Sleepers stand in two groups where each has at least two. */
unsigned bench_floor_groups(unsigned writers);

/*
 * Measures those of one round: the device's with a file at `path`, which it removes, unless logs are
 * in memory.  Ends early when a signal has come.  0 or -errno.
 */
int bench_round_floors_measure(const struct bench_options *options, const char *path,
                               struct bench_round_floors *floors);

#endif /* BENCH_ROUND_FLOORS_H */
