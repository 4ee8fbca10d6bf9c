/* SPDX-License-Identifier: MIT */
#include "bounds.h"

#include "awake.h"
#include "clock.h"
#include "results.h"
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#define MEASURE_NS (BENCH_NS_PER_S / 20)
#define RECORD_OVERHEAD_BYTES 96 /* the headers of a group and of its one record */
#define SLOT_BYTES (UINT64_C(8) << 20)
#define CHEAP_SHARE 5

/* ---- When, and on what ----------------------------------------------------------------------- */

bool bench_bounds_has_syncs(const struct bench_options *options)
{
    return options->device == BENCH_DEVICE_FILE && options->lab.sync != LOGFILE_SYNC_NONE;
}

bool bench_bounds_are_cheap(const struct bench_options *options)
{
    unsigned measured = bench_bounds_has_syncs(options) ? 2 : 1;
    return options->duration_ns > 0 &&
           2 * measured * MEASURE_NS * CHEAP_SHARE < options->variants.count * options->duration_ns;
}

int bench_bounds_open(struct bench_bounds *bounds, const struct bench_options *options,
                      const char *log_path)
{
    *bounds = (struct bench_bounds){.options = options, .fd = -1};
    if (!bench_bounds_has_syncs(options))
        return 0;
    snprintf(bounds->path, sizeof bounds->path, "%.*s.floor", (int)sizeof bounds->path - 16,
             log_path);
    bench_signals_guard_file(bounds->path);
    bounds->fd = open(bounds->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (bounds->fd < 0)
        return -errno;
    bounds->direct =
        options->log.io_mode != LOGFILE_IO_BUFFERED && fcntl(bounds->fd, F_SETFL, O_DIRECT) == 0;
    return bench_floor_write_zeros(bounds->fd, BENCH_FLOOR_FILE_BYTES);
}

void bench_bounds_close(struct bench_bounds *bounds)
{
    if (bounds->fd >= 0) {
        close(bounds->fd);
        unlink(bounds->path);
    }
    bench_signals_guard_file(NULL);
    bounds->fd = -1;
}

size_t bench_bounds_write_bytes(const struct bench_options *options,
                                const struct bench_point *point)
{
    uint64_t mean = point->size_min + (point->size_max - point->size_min) / 2;
    uint64_t bytes = (mean + RECORD_OVERHEAD_BYTES) * point->window;
    uint64_t most = options->log.slot_bytes > 0 ? options->log.slot_bytes : SLOT_BYTES;
    if (most > BENCH_FLOOR_FILE_BYTES)
        most = BENCH_FLOOR_FILE_BYTES;
    if (bytes > most)
        bytes = most;
    return (bytes + BENCH_FLOOR_BLOCK_BYTES - 1) / BENCH_FLOOR_BLOCK_BYTES *
           BENCH_FLOOR_BLOCK_BYTES;
}

unsigned bench_bounds_groups(unsigned writers)
{
    return writers >= 4 ? 2 : 1;
}

/* ---- Measuring ------------------------------------------------------------------------------- */

static int measure_syncs(const struct bench_bounds *bounds, size_t bytes, struct bench_rates *rates)
{
    static struct bench_sync_floor measured;
    struct bench_awake awake;
    bool dsync = bounds->options->lab.sync == LOGFILE_SYNC_DSYNC;
    memset(&measured, 0, sizeof measured);
    bench_awake_begin(&awake);
    int error = bench_floor_syncs(bounds->fd, bytes, MEASURE_NS, dsync, &measured);
    bench_awake_end(&awake);
    uint64_t median_ns = bench_histogram_percentile(&measured.latency_ns, 0.5);
    rates->syncs_per_s = measured.syncs_per_s;
    rates->usual_syncs_per_s =
        median_ns > 0 ? (double)BENCH_NS_PER_S / (double)median_ns : measured.syncs_per_s;
    for (unsigned i = 0; i < BENCH_PERCENTILES; i++)
        rates->sync_us[i] = bench_histogram_told_us(&measured.latency_ns, i);
    return error;
}

int bench_bounds_measure(const struct bench_bounds *bounds, const struct bench_point *point,
                         struct bench_rates *rates)
{
    int error = 0;
    rates->syncs_per_s = rates->usual_syncs_per_s = rates->wakes_per_s = NAN;
    if (bounds->fd >= 0 && bench_signals_caught() == 0)
        error = measure_syncs(bounds, bench_bounds_write_bytes(bounds->options, point), rates);
    if (error == 0 && bench_signals_caught() == 0)
        error = bench_floor_wakes(point->writers, bench_bounds_groups(point->writers), MEASURE_NS,
                                  &rates->wakes_per_s);
    /* Nobody was woken on a processor that had no time for it: that is no bound. */
    if (rates->wakes_per_s <= 0)
        rates->wakes_per_s = NAN;
    return error;
}

/* ---- What follows from it -------------------------------------------------------------------- */

/* records_per_unit: how many records a run makes of one sync or one wake at most; NAN: as many as it likes. */
static struct bench_bound bound(const char *name, double before, double after,
                                double records_per_unit, const struct bench_result *result)
{
    struct bench_bound bound = {.name = name, .before = before, .after = after};
    bound.records_per_s = fmax(before, after) * records_per_unit; /* fmax leaves NAN out */
    bound.passed = result->measured && bench_records_per_s(result) > bound.records_per_s;
    return bound;
}

unsigned bench_bounds_of(const struct bench_options *options, const struct bench_point *point,
                         const struct bench_result *result, const struct bench_bracket *bracket,
                         struct bench_bound bounds[BENCH_BOUNDS_MAX])
{
    const struct bench_rates *before = &bracket->before;
    const struct bench_rates *after = &bracket->after;
    uint64_t clients = options->clients > 0 ? options->clients : point->writers * point->window;
    double sleeps = result->sleeps_per_record;
    unsigned count = 0;
    if (!isnan(before->usual_syncs_per_s))
        bounds[count++] = bound("lone-writer syncs/s", before->usual_syncs_per_s,
                                after->usual_syncs_per_s, (double)clients, result);
    if (!isnan(before->wakes_per_s))
        bounds[count++] = bound("kernel wakes/s", before->wakes_per_s, after->wakes_per_s,
                                sleeps > 0 ? 1 / sleeps : NAN, result);
    return count;
}

bool bench_bounds_are_passed(const struct bench_options *options, const struct bench_point *point,
                             const struct bench_result *result, const struct bench_bracket *bracket)
{
    struct bench_bound bounds[BENCH_BOUNDS_MAX];
    unsigned count = bench_bounds_of(options, point, result, bracket, bounds);
    bool passed = false;
    for (unsigned i = 0; i < count; i++)
        passed |= bounds[i].passed;
    return passed;
}
