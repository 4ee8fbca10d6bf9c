/* SPDX-License-Identifier: MIT */
/* What the rest of the machine, and the hypervisor, took from a run. */
#ifndef BENCH_PRESSURE_H
#define BENCH_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

/* Totals since the machine started, or what they grew by. */
struct bench_pressure {
    bool knows_cpu;
    bool knows_io;
    bool knows_steal;
    uint64_t cpu_some_us; /* some task of the machine waited for a processor, */
    uint64_t io_some_us;  /* or for a device: /proc/pressure */
    uint64_t
        steal_us; /* time that the hypervisor took from all processors, in ticks of the kernel */
};

void bench_pressure_read(struct bench_pressure *pressure);
struct bench_pressure bench_pressure_between(const struct bench_pressure *before,
                                             const struct bench_pressure *after);

#endif /* BENCH_PRESSURE_H */
