/* SPDX-License-Identifier: MIT */
/*
 * A device in memory that forgets what is written to it, but for the first 64 KiB of each file,
 * which a log needs back when it opens.  With a delay, each sync (and each write that asks to be
 * durable on return) takes that long; several at once take it side by side.  It never takes less, and may
 * take longer: what it was is counted.
 */
#ifndef BENCH_DEVICE_H
#define BENCH_DEVICE_H

#include "logfile_io.h"

#include <stdint.h>

struct bench_device;

/* NULL when there is no memory.  delay_ns 0: the null device.  With a delay it takes some milliseconds, in
 * which the thread sleeps again and again, to see how late the kernel ends that. */
struct bench_device *bench_device_create(uint64_t delay_ns);
/* When no log uses the table any more.  NULL is allowed. */
void bench_device_destroy(struct bench_device *device);
/* The table to put into logfile_options.io. */
const struct logfile_io *bench_device_io(const struct bench_device *device);

/* What syncs took; NAN where there were too few to tell. */
struct bench_reached {
    uint64_t syncs;
    double mean_us;
    double p50_us;
    double p99_us;
};
/* Of all syncs since it was created; when none is under way. */
struct bench_reached bench_device_reached(const struct bench_device *device);

#endif /* BENCH_DEVICE_H */
