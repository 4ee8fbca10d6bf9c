/* SPDX-License-Identifier: MIT */
#include "series.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BEYOND_MIN 10 /* latencies beyond a percentile that is told */

/* ---- Writers --------------------------------------------------------------------------------- */

static void hand_in(struct bench_pending *pending, struct bench_recorder *recorder)
{
    struct bench_slice *slice = &recorder->slices[pending->slice];
    /* Statistics that publish nothing; they are read when the writers have been joined. */
    atomic_fetch_add_explicit(&slice->records, pending->records, memory_order_relaxed);
    for (unsigned i = pending->lowest; i < pending->highest; i++)
        if (pending->bucket[i] > 0)
            atomic_fetch_add_explicit(&slice->bucket[i], pending->bucket[i], memory_order_relaxed);
}

void bench_pending_end(struct bench_pending *pending, struct bench_recorder *recorder)
{
    if (pending->end_ns > 0 && pending->slice < recorder->room)
        hand_in(pending, recorder);
}

void bench_pending_turn(struct bench_pending *pending, struct bench_recorder *recorder,
                        uint64_t now_ns)
{
    uint64_t slice = (now_ns - recorder->from_ns) / recorder->step_ns;
    bench_pending_end(pending, recorder);
    memset(pending->bucket, 0, sizeof pending->bucket);
    pending->records = 0;
    pending->lowest = BENCH_COARSE_BUCKETS;
    pending->highest = 0;
    pending->slice = slice < recorder->room ? (unsigned)slice : recorder->room;
    pending->end_ns = recorder->from_ns + (slice + 1) * recorder->step_ns;
}

/* ---- The main thread ------------------------------------------------------------------------- */

static bool read_steal(int fd, uint64_t *steal_us)
{
    char text[512];
    uint64_t ticks[8] = {0};
    ssize_t length = fd >= 0 ? pread(fd, text, sizeof text - 1, 0) : -1;
    if (length <= 0)
        return false;
    text[length] = '\0';
    if (sscanf(text,
               "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
               " %" SCNu64 " %" SCNu64,
               &ticks[0], &ticks[1], &ticks[2], &ticks[3], &ticks[4], &ticks[5], &ticks[6],
               &ticks[7]) != 8)
        return false;
    *steal_us = ticks[7] * (1000000u / (uint64_t)sysconf(_SC_CLK_TCK));
    return true;
}

int bench_recorder_init(struct bench_recorder *recorder, uint64_t duration_ns)
{
    uint64_t slices = duration_ns / BENCH_SERIES_STEP_NS;
    *recorder = (struct bench_recorder){
        .step_ns = BENCH_SERIES_STEP_NS, .room = BENCH_SERIES_MAX, .stat_fd = -1};
    if (slices > BENCH_SERIES_MAX)
        recorder->step_ns = duration_ns / BENCH_SERIES_MAX;
    else if (duration_ns > 0)
        recorder->room = (unsigned)slices;
    recorder->stat_fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
    /* One more, so that there is something to allocate. */
    recorder->slices = calloc(recorder->room + 1, sizeof *recorder->slices);
    return recorder->slices != NULL ? 0 : -ENOMEM;
}

void bench_recorder_reset(struct bench_recorder *recorder, struct bench_series *series)
{
    memset(recorder->slices, 0, (recorder->room + 1) * sizeof *recorder->slices);
    recorder->series = series;
    recorder->has_begun = false;
    recorder->noted = 0;
}

void bench_recorder_begin(struct bench_recorder *recorder, uint64_t from_ns, bool knows_syncs)
{
    recorder->from_ns = from_ns;
    recorder->series->knows_syncs = knows_syncs;
}

uint64_t bench_recorder_note(struct bench_recorder *recorder, uint64_t now_ns, uint64_t syncs)
{
    struct bench_series *series = recorder->series;
    uint64_t steal_us = 0;
    if (now_ns < recorder->from_ns)
        return recorder->from_ns;
    uint64_t passed = (now_ns - recorder->from_ns) / recorder->step_ns;
    if (passed > recorder->room)
        passed = recorder->room;
    if (!recorder->has_begun || passed > recorder->noted) {
        bool known = read_steal(recorder->stat_fd, &steal_us);
        series->knows_steal = known && (!recorder->has_begun || series->knows_steal);
        if (recorder->has_begun) {
            /* Of several that went by while this thread did not run, the first has it all. */
            series->points[recorder->noted].syncs = syncs - recorder->syncs;
            series->points[recorder->noted].steal_us = steal_us - recorder->steal_us;
        }
        recorder->noted = (unsigned)passed;
        recorder->syncs = syncs;
        recorder->steal_us = steal_us;
        recorder->has_begun = true;
    }
    if (recorder->noted == recorder->room)
        return UINT64_MAX;
    return recorder->from_ns + (recorder->noted + 1) * recorder->step_ns;
}

/* ---- Afterwards ------------------------------------------------------------------------------ */

static uint64_t p99_of(const struct bench_slice *slice)
{
    struct bench_coarse coarse = {.max = UINT64_MAX};
    for (unsigned i = 0; i < BENCH_COARSE_BUCKETS; i++)
        coarse.bucket[i] = atomic_load_explicit(&slice->bucket[i], memory_order_relaxed);
    uint64_t count = bench_coarse_count(&coarse);
    return count >= 100 * BEYOND_MIN ? bench_coarse_percentile(&coarse, 0.99) : 0;
}

void bench_recorder_end(struct bench_recorder *recorder, uint64_t elapsed_ns)
{
    struct bench_series *series = recorder->series;
    uint64_t whole = elapsed_ns / recorder->step_ns;
    series->step_ns = recorder->step_ns;
    series->count = whole < recorder->noted ? (unsigned)whole : recorder->noted;
    for (unsigned i = 0; i < series->count; i++) {
        const struct bench_slice *slice = &recorder->slices[i];
        series->points[i].records = atomic_load_explicit(&slice->records, memory_order_relaxed);
        series->points[i].p99_ns = p99_of(slice);
    }
}

void bench_recorder_free(struct bench_recorder *recorder)
{
    if (recorder->stat_fd >= 0)
        close(recorder->stat_fd);
    free(recorder->slices);
}
