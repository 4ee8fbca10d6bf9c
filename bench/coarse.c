/* SPDX-License-Identifier: MIT */
#include "coarse.h"

#include <math.h>

void bench_coarse_merge(struct bench_coarse *into, const struct bench_coarse *from)
{
    for (unsigned i = 0; i < BENCH_COARSE_BUCKETS; i++)
        into->bucket[i] += from->bucket[i];
    if (from->max > into->max)
        into->max = from->max;
}

uint64_t bench_coarse_count(const struct bench_coarse *coarse)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < BENCH_COARSE_BUCKETS; i++)
        count += coarse->bucket[i];
    return count;
}

static uint64_t middle(unsigned index)
{
    unsigned row = index >> BENCH_COARSE_SUB_BITS;
    unsigned shift = row <= 1 ? 0 : row - 1;
    uint64_t low = (uint64_t)(index - (shift << BENCH_COARSE_SUB_BITS)) << shift;
    return low + ((UINT64_C(1) << shift) - 1) / 2;
}

uint64_t bench_coarse_percentile(const struct bench_coarse *coarse, double fraction)
{
    uint64_t rank = (uint64_t)ceil(fraction * (double)bench_coarse_count(coarse));
    uint64_t seen = 0;
    if (rank == 0)
        rank = 1;
    for (unsigned i = 0; i < BENCH_COARSE_BUCKETS; i++) {
        seen += coarse->bucket[i];
        if (seen >= rank)
            return middle(i) < coarse->max ? middle(i) : coarse->max;
    }
    return coarse->max;
}
