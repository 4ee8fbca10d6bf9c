/* SPDX-License-Identifier: MIT */
#include "histogram.h"

#include <math.h>

void bench_histogram_merge(struct bench_histogram *into, const struct bench_histogram *from)
{
    into->count += from->count;
    if (from->max > into->max)
        into->max = from->max;
    for (unsigned i = 0; i < BENCH_HISTOGRAM_BUCKETS; i++)
        into->bucket[i] += from->bucket[i];
}

static uint64_t bucket_middle(unsigned index)
{
    unsigned row = index >> BENCH_HISTOGRAM_SUB_BITS;
    if (row <= 1)
        return index;
    unsigned shift = row - 1;
    uint64_t low = (uint64_t)(index - (shift << BENCH_HISTOGRAM_SUB_BITS)) << shift;
    return low + ((UINT64_C(1) << shift) - 1) / 2;
}

uint64_t bench_histogram_percentile(const struct bench_histogram *histogram, double fraction)
{
    uint64_t rank = (uint64_t)ceil(fraction * (double)histogram->count);
    if (rank == 0)
        rank = 1;
    uint64_t seen = 0;
    for (unsigned i = 0; i < BENCH_HISTOGRAM_BUCKETS; i++) {
        seen += histogram->bucket[i];
        if (seen >= rank) {
            uint64_t middle = bucket_middle(i);
            return middle < histogram->max ? middle : histogram->max;
        }
    }
    return histogram->max;
}
