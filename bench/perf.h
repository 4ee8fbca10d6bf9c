/* SPDX-License-Identifier: MIT */
/*
 * What the processor counts while a run goes on: of the whole program, by perf_event_open; and the energy of
 * its packages, of everything that runs on them, by powercap.  A virtual machine, a container or another
 * user's kernel refuses some or all of it: that is not known then, and nothing else.
 */
#ifndef BENCH_PERF_H
#define BENCH_PERF_H

#include <stdbool.h>
#include <stdint.h>

enum bench_perf_counter {
    BENCH_PERF_CYCLES = 0,
    BENCH_PERF_INSTRUCTIONS,
    BENCH_PERF_CACHE_MISSES, /* of the last level */
    BENCH_PERF_HITM, /* loads that another core's modified line served; known of some processors */
    BENCH_PERF_COUNTERS
};

#define BENCH_PERF_PACKAGES 8

struct bench_perf {
    int fd[BENCH_PERF_COUNTERS]; /* -1: refused */
    bool user_only;              /* the kernel's own part was refused */
    uint64_t energy_uj[BENCH_PERF_PACKAGES];
    unsigned packages; /* whose energy can be read */
};

struct bench_perf_result {
    bool knows[BENCH_PERF_COUNTERS];
    double per_record[BENCH_PERF_COUNTERS];
    bool user_only;
    bool knows_joules;
    double joules_per_record;
};

/* A counter of perf_event_open, which counts nothing yet; of threads that are started later, too.  -1: refused. */
int bench_counter_open(uint32_t type, uint64_t config, bool user_only, uint64_t read_format);

/* Counts nothing yet.  Threads are counted that are started later. */
void bench_perf_open(struct bench_perf *perf);
void bench_perf_start(struct bench_perf *perf);
/* Counts no more; tells what was counted while so many records became durable. */
void bench_perf_stop(struct bench_perf *perf, uint64_t records, struct bench_perf_result *result);
void bench_perf_close(struct bench_perf *perf);

/* The raw event of HITM on a processor of /proc/cpuinfo's vendor, family and model; 0: none is known. */
uint64_t bench_perf_hitm_event(const char *vendor, int family, int model);

#endif /* BENCH_PERF_H */
