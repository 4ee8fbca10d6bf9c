/* SPDX-License-Identifier: MIT */
/*
 * Counts the system calls of the calling thread and of all that it starts later, by the kernel's
 * own tracepoint.  While a counter is open every system call takes the kernel's slower way, so it is
 * closed before anything is timed.
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
/* Tells what was counted, and closes the counter.  False when that is not known; fd may be -1. */
bool bench_calls_close(int fd, uint64_t *calls);

#endif /* BENCH_CALLS_H */
