/* SPDX-License-Identifier: MIT */
/*
 * What the device and the kernel can do without a log: the measuring parts of floor_sync and
 * floor_wake, for logfile-bench too.
 *
 * The sync floor.  One thread writes one block (of 4 KiB, or several) after the other into blocks that were
 * written before, and makes each durable: by fdatasync, or by RWF_DSYNC in the write itself.  Behind
 * the last block it starts again with the first.  A latency is that of one write and sync.  The
 * first twentieth of the time is not counted.
 *
 * The wake ceiling.  Sleepers stand in groups, and each group has a waker.  A round of a group: the
 * waker changes the group's word and wakes all who sleep on it with one FUTEX_WAKE; each sleeper
 * returns, counts itself with one fetch-add, and sleeps on the word again; the last to count itself
 * wakes the waker, which begins the next round.  Nothing else is done, so a round is what a log
 * does to its writers for each epoch, without the log: one wake for all, a switch to each, one
 * sleep of each.  Counted are sleeps that a wake ended.  A sleeper that finds the word changed
 * before it could sleep costs no switch and is not counted.  With one group the processors idle
 * while the last sleeper hands over to the waker; with two, the other group fills that gap, as a
 * log does that writes one epoch while it wakes the last one's writers.
 */
#ifndef BENCH_FLOORS_H
#define BENCH_FLOORS_H

#include "histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_FLOOR_BLOCK_BYTES 4096u
#define BENCH_FLOOR_FILE_BYTES (UINT64_C(64) << 20)
#define BENCH_FLOOR_GROUPS_MAX 64

struct bench_sync_floor {
    bool direct;
    double syncs_per_s;
    struct bench_histogram latency_ns;
};

/* Writes all of it, with RWF_DSYNC if asked for.  0 or -errno. */
int bench_floor_write(int fd, const void *buffer, size_t bytes, uint64_t offset, bool dsync);
/* Allocates a range and writes zeros over all of it, durably.  0 or -errno. */
int bench_floor_write_zeros(int fd, uint64_t bytes);

/*
 * Measures writes of `bytes`, whole blocks, for a time on a file whose first BENCH_FLOOR_FILE_BYTES
 * were written.  floor->direct is the caller's.  0 or -errno.
 */
int bench_floor_syncs(int fd, size_t bytes, uint64_t duration_ns, bool dsync,
                      struct bench_sync_floor *floor);

/*
 * Measures with so many sleepers, in at most as many groups, for a time and a tenth of it before
 * that is not counted.  No thread is left.  0 or -errno.
 */
int bench_floor_wakes(unsigned threads, unsigned groups, uint64_t duration_ns, double *wakes_per_s);

#endif /* BENCH_FLOORS_H */
