/* SPDX-License-Identifier: MIT */
/*
 * Counts the system calls of the calling thread and of all that it starts later, by the kernel's
 * own tracepoint.  While a counter is open every system call takes the kernel's slower way, so it is
 * closed when the timed part begins.
 */
#ifndef BENCH_CALLS_H
#define BENCH_CALLS_H

#include <stdbool.h>
#include <stdint.h>

/* A counter that does not count yet.  -1 where the kernel has no such counter or does not permit
 * it. */
int bench_calls_open(void);
/* Counts from now on, in every thread. */
void bench_calls_start(int fd);
/* Counts no more and tells what was counted.  False when that is not known; fd may be -1. */
bool bench_calls_stop(int fd, uint64_t *calls);
/* fd may be -1. */
void bench_calls_close(int fd);

#endif /* BENCH_CALLS_H */
