/* SPDX-License-Identifier: MIT */
/*
 * What the device and the kernel could do without a log just before and just after a point was run, and
 * what of that bounds each run.
 *
 * "lone-writer syncs/s": one thread writes as much as a lone writer's append takes, into blocks that were
 * written before, and makes it durable, one after the other, in the log's own way (fdatasync or RWF_DSYNC,
 * with O_DIRECT unless the log is buffered).  A sync carries a record of each writer, window or client at most.
 *
 * "kernel wakes/s": as many threads as there are writers only sleep and are woken (floors.h).  A run whose
 * appends each sleep so many times makes no more records than that.
 */
#ifndef BENCH_BOUNDS_H
#define BENCH_BOUNDS_H

#include "floors.h"
#include "options.h"
#include "workload.h"

#include <stdio.h>

/* Measured at one moment; NAN: not measured. */
struct bench_rates {
    double syncs_per_s; /* all of them, over the time, */
    double
        usual_syncs_per_s; /* and as if each took what the median took: in so short a time one that
                                 stalls would be most of it, and would bound runs that had none */
    double sync_us[BENCH_PERCENTILES];
    double wakes_per_s;
};

struct bench_bracket {
    struct bench_rates before;
    struct bench_rates after;
};

/* The file that syncs are measured on, for the whole program. */
struct bench_bounds {
    const struct bench_options *options;
    int fd; /* -1: there is none */
    bool direct;
    char path[4096];
};

/* Measuring costs less than a fifth of the time of the runs. */
bool bench_bounds_are_cheap(const struct bench_options *options);
/* There is a device whose syncs count. */
bool bench_bounds_has_syncs(const struct bench_options *options);

/* Makes the file beside the log of that path, where syncs count.  0 or -errno; either way close follows. */
int bench_bounds_open(struct bench_bounds *bounds, const struct bench_options *options,
                      const char *log_path);
void bench_bounds_close(struct bench_bounds *bounds);

/* Bytes that a lone writer's append, or its window, takes of the file. */
size_t bench_bounds_write_bytes(const struct bench_options *options,
                                const struct bench_point *point);
/* In how many groups so many sleepers stand: two where each has at least two. */
unsigned bench_bounds_groups(unsigned writers);

/* Measures for 50 ms each, or not at all when a signal has come.  0 or -errno. */
int bench_bounds_measure(const struct bench_bounds *bounds, const struct bench_point *point,
                         struct bench_rates *rates);

/* A bound of one run: rates, and what the larger of them allows it. */
struct bench_bound {
    const char *name;
    double before;
    double after;
    double records_per_s; /* NAN: it does not bound it, or was not measured */
    bool passed;
};

#define BENCH_BOUNDS_MAX 2

/* Fills in those that were measured; how many. */
unsigned bench_bounds_of(const struct bench_options *options, const struct bench_point *point,
                         const struct bench_result *result, const struct bench_bracket *bracket,
                         struct bench_bound bounds[BENCH_BOUNDS_MAX]);
/* The run was above one of them. */
bool bench_bounds_are_passed(const struct bench_options *options, const struct bench_point *point,
                             const struct bench_result *result,
                             const struct bench_bracket *bracket);

#endif /* BENCH_BOUNDS_H */
