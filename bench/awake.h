/* SPDX-License-Identifier: MIT */
/*
 * Keeps processors from halting while one thread measures how fast it can do something that it waits for.
 *
 * A processor without work halts, and in a virtual machine it takes the hypervisor to start it again: a lone
 * thread that syncs would then be slower than a writer of a busy log is, and no bound.  A thread of the
 * scheduler's lowest class (SCHED_IDLE), which anything else displaces, spins on each of a few processors, and
 * the caller stays on these.  Where the kernel refuses the class, nothing is done.
 */
#ifndef BENCH_AWAKE_H
#define BENCH_AWAKE_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#define BENCH_AWAKE_MAX 4

struct bench_awake {
    _Atomic bool stop;
    cpu_set_t before; /* where the caller could run */
    unsigned count;
    struct bench_awake_spinner {
        struct bench_awake *awake;
        unsigned cpu;
        pthread_t thread;
    } spinners[BENCH_AWAKE_MAX];
};

void bench_awake_begin(struct bench_awake *awake);
void bench_awake_end(struct bench_awake *awake);

#endif /* BENCH_AWAKE_H */
