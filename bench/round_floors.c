/* SPDX-License-Identifier: MIT */
#include "round_floors.h"

#include "clock.h"
#include "floors.h"
#include "signals.h"

#define FLOOR_NS (3 * BENCH_NS_PER_S / 10) /* for each floor */

unsigned bench_floor_groups(unsigned writers)
{
    return writers >= 4 ? 2 : 1;
}

static int measure_syncs(const char *path, struct bench_round_floors *floors)
{
    static struct bench_sync_floor measured;
    int error = bench_floor_sync_at(path, FLOOR_NS, &measured);
    const struct bench_histogram *latency_ns = &measured.latency_ns;
    floors->has_sync = error == 0;
    floors->direct = measured.direct;
    floors->syncs_per_s = measured.syncs_per_s;
    floors->sync_p50_us = (double)bench_histogram_percentile(latency_ns, 0.5) / 1000;
    floors->sync_p99_us = (double)bench_histogram_percentile(latency_ns, 0.99) / 1000;
    floors->sync_p999_us = (double)bench_histogram_percentile(latency_ns, 0.999) / 1000;
    return error;
}

int bench_round_floors_measure(const struct bench_options *options, const char *path,
                               struct bench_round_floors *floors)
{
    const struct bench_list *counts = &options->writers;
    int error = options->device == BENCH_DEVICE_FILE ? measure_syncs(path, floors) : 0;
    for (unsigned i = 0; error == 0 && bench_signals_caught() == 0 && i < counts->count; i++) {
        unsigned writers = (unsigned)counts->values[i];
        error = bench_floor_wakes(writers, bench_floor_groups(writers), FLOOR_NS,
                                  &floors->wakes_per_s[i]);
    }
    return error;
}
