/* SPDX-License-Identifier: MIT */
#include "arrivals.h"

#include "clock.h"
#include "payload.h"

#include <math.h>

double bench_exponential(uint64_t *random)
{
    *random += UINT64_C(0x9e3779b97f4a7c15);
    /* 53 bits, from just above 0 to 1. */
    double even = (double)((bench_mix(*random) >> 11) + 1) / (double)(UINT64_C(1) << 53);
    return -log(even);
}

void bench_arrivals_begin(struct bench_arrivals *arrivals, enum bench_arrival_kind kind,
                          double rate, unsigned writers, unsigned index, uint64_t seed)
{
    double turn_ns = (double)BENCH_NS_PER_S / rate;
    *arrivals = (struct bench_arrivals){
        .kind = kind,
        .random = bench_mix(seed ^ bench_mix(index + 1)),
        .gap_ns = turn_ns * writers,
    };
    /* What comes next is one gap on. */
    if (kind == BENCH_ARRIVALS_EVEN)
        arrivals->due_ns = turn_ns * index - arrivals->gap_ns;
}

uint64_t bench_arrivals_next(struct bench_arrivals *arrivals)
{
    double share = arrivals->kind == BENCH_ARRIVALS_EVEN ? 1 : bench_exponential(&arrivals->random);
    arrivals->due_ns += arrivals->gap_ns * share;
    return (uint64_t)arrivals->due_ns;
}
