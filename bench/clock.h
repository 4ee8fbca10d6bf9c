/* SPDX-License-Identifier: MIT */
/* The one clock that everything is measured with. */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdint.h>
#include <time.h>

#define BENCH_NS_PER_S UINT64_C(1000000000)

static inline uint64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * BENCH_NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline struct timespec bench_timespec(uint64_t ns)
{
    return (struct timespec){
        .tv_sec = (time_t)(ns / BENCH_NS_PER_S),
        .tv_nsec = (long)(ns % BENCH_NS_PER_S),
    };
}

#endif /* BENCH_CLOCK_H */
