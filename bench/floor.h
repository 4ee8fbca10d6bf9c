/* SPDX-License-Identifier: MIT */
/*
 * What the floors share.  A floor is a small program that measures what the machine itself can do,
 * with nothing of the library in it; scripts/bars puts the log beside it.  Each prints its result
 * as one JSON object a line and exits with 1 when a call failed, 2 when it was called wrongly.
 */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include "clock.h"
#include "floors.h"
#include "histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLOOR_BLOCK_BYTES BENCH_FLOOR_BLOCK_BYTES

/* Ends the program with errno's text. */
void floor_fail(const char *call) __attribute__((noreturn));
/* The same for -errno; nothing for 0. */
void floor_check(int error, const char *call);
void floor_usage(const char *usage) __attribute__((noreturn));

/* An argument that is a number above 0, or the end of the program. */
double floor_number(const char *text, const char *usage);

/*
 * Creates the one file of this program in a folder, with O_DIRECT where the file system takes it.
 * A signal that ends the program removes it too.
 */
int floor_create(const char *dir, bool *direct);
/* Closes and removes it, and makes that durable, so that the next program does not pay for it. */
void floor_remove(int fd);
/* Allocates a range and writes zeros over all of it, durably. */
void floor_write_zeros(int fd, uint64_t bytes);
/* Writes all of it, with RWF_DSYNC if asked for. */
void floor_write(int fd, const void *buffer, size_t bytes, uint64_t offset, bool dsync);

/* Page-aligned bytes that do not compress. */
void *floor_buffer(size_t bytes);

/* `,"p50_us":...,"p99_us":...` on standard output. */
void floor_print_percentiles(const struct bench_histogram *latency_ns);

#endif /* BENCH_FLOOR_H */
