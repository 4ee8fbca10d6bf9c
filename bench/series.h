/* SPDX-License-Identifier: MIT */
/*
 * The timed part of a run in slices of 100 ms, so that a stall, a drift or a neighbour shows.  Writers
 * count in memory of their own and hand in what they have when they come to the end of a slice.  A run longer
 * than 60 s has longer slices; one of a set number of records is followed for 60 s.
 */
#ifndef BENCH_SERIES_H
#define BENCH_SERIES_H

#include "coarse.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define BENCH_SERIES_STEP_NS UINT64_C(100000000)
#define BENCH_SERIES_MAX 600

/* What is known of a slice afterwards. */
struct bench_series_point {
    uint64_t records; /* became durable */
    uint64_t p99_ns;  /* of the latencies of those, to 3 %; 0: there are too few */
    uint64_t syncs;   /* begun by flushes, */
    uint64_t
        steal_us; /* and taken by the hypervisor from all processors, as of a wake within a few ms */
};

struct bench_series {
    uint64_t step_ns;
    unsigned count; /* of whole slices */
    bool knows_syncs;
    bool knows_steal;
    struct bench_series_point points[BENCH_SERIES_MAX];
};

/* W: writers, at the end of a slice of theirs. */
struct bench_slice {
    _Atomic uint64_t records;
    _Atomic uint32_t bucket[BENCH_COARSE_BUCKETS];
};

/* While the run goes on.  W: the main thread, but for the slices. */
struct bench_recorder {
    uint64_t from_ns; /* of the timed part */
    uint64_t step_ns;
    unsigned room;
    struct bench_slice *slices;
    bool has_begun;
    unsigned noted; /* slices whose end the main thread has seen */
    int stat_fd;    /* /proc/stat; -1 */
    uint64_t syncs; /* at the end of the last one noted */
    uint64_t steal_us;
    struct bench_series *series;
};

/* Of one writer: what it has counted in the slice that it is in. */
struct bench_pending {
    unsigned slice;
    uint64_t end_ns; /* of that slice; 0: it is in none */
    uint64_t records;
    unsigned lowest;
    unsigned highest; /* buckets in use: [lowest, highest) */
    uint32_t bucket[BENCH_COARSE_BUCKETS];
};

/* duration_ns: 0: until each writer has appended its records.  0 or -ENOMEM; either way the last one follows. */
int bench_recorder_init(struct bench_recorder *recorder, uint64_t duration_ns);
/* Nothing is counted, and nobody counts; what follows goes to `series`. */
void bench_recorder_reset(struct bench_recorder *recorder, struct bench_series *series);
/* When the timed part will begin; before the writers are let go. */
void bench_recorder_begin(struct bench_recorder *recorder, uint64_t from_ns, bool knows_syncs);
/* The main thread, at now_ns.  When it should be called next, or UINT64_MAX. */
uint64_t bench_recorder_note(struct bench_recorder *recorder, uint64_t now_ns, uint64_t syncs);
/* With the writers joined: makes the series of the slices that are whole. */
void bench_recorder_end(struct bench_recorder *recorder, uint64_t elapsed_ns);
void bench_recorder_free(struct bench_recorder *recorder);

/* A writer hands in what it has counted; */
void bench_pending_end(struct bench_pending *pending, struct bench_recorder *recorder);
/* and is in the slice of now_ns from then on. */
void bench_pending_turn(struct bench_pending *pending, struct bench_recorder *recorder,
                        uint64_t now_ns);

/* `records` of a writer became durable at end_ns, in the timed part, the one looked at after latency_ns. */
static inline void bench_pending_add(struct bench_pending *pending, struct bench_recorder *recorder,
                                     uint64_t records, uint64_t latency_ns, uint64_t end_ns)
{
    unsigned index = bench_coarse_index(latency_ns);
    if (end_ns >= pending->end_ns)
        bench_pending_turn(pending, recorder, end_ns);
    pending->records += records;
    pending->bucket[index]++;
    if (index < pending->lowest)
        pending->lowest = index;
    if (index >= pending->highest)
        pending->highest = index + 1;
}

#endif /* BENCH_SERIES_H */
