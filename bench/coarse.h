/* SPDX-License-Identifier: MIT */
/*
 * A small histogram, for what there are many of: exact below 32 ns, above it 16 buckets to each power of
 * two.  A percentile is the middle of its bucket, so it is off by at most 1/32 (3 %).  Values above 18
 * minutes count as that.
 */
#ifndef BENCH_COARSE_H
#define BENCH_COARSE_H

#include <stdint.h>

#define BENCH_COARSE_SUB_BITS 4
#define BENCH_COARSE_BITS 40
#define BENCH_COARSE_BUCKETS                                                                       \
    ((BENCH_COARSE_BITS - BENCH_COARSE_SUB_BITS + 1) << BENCH_COARSE_SUB_BITS)

struct bench_coarse {
    uint64_t max;
    uint32_t bucket[BENCH_COARSE_BUCKETS];
};

static inline unsigned bench_coarse_index(uint64_t value)
{
    const uint64_t most = (UINT64_C(1) << BENCH_COARSE_BITS) - 1;
    if (value > most)
        value = most;
    if (value >> BENCH_COARSE_SUB_BITS == 0)
        return (unsigned)value;
    unsigned shift = 63U - (unsigned)__builtin_clzll(value) - BENCH_COARSE_SUB_BITS;
    return (shift << BENCH_COARSE_SUB_BITS) + (unsigned)(value >> shift);
}

static inline void bench_coarse_add(struct bench_coarse *coarse, uint64_t value)
{
    coarse->bucket[bench_coarse_index(value)]++;
    if (value > coarse->max)
        coarse->max = value;
}

void bench_coarse_merge(struct bench_coarse *into, const struct bench_coarse *from);
uint64_t bench_coarse_count(const struct bench_coarse *coarse);
/* By nearest rank; 0 when it is empty. */
uint64_t bench_coarse_percentile(const struct bench_coarse *coarse, double fraction);

#endif /* BENCH_COARSE_H */
