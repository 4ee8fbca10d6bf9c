/* SPDX-License-Identifier: MIT */
#include "histogram.h"

#include <inttypes.h>
#include <math.h>

#define COARSE_SUB_BITS 3
#define LEAST_BEYOND 10

void bench_histogram_merge(struct bench_histogram *into, const struct bench_histogram *from)
{
    into->count += from->count;
    if (from->max > into->max)
        into->max = from->max;
    for (unsigned i = 0; i < BENCH_HISTOGRAM_BUCKETS; i++)
        into->bucket[i] += from->bucket[i];
}

/* How many bits of a value its bucket does not tell. */
static unsigned bucket_shift(unsigned index)
{
    unsigned row = index >> BENCH_HISTOGRAM_SUB_BITS;
    return row <= 1 ? 0 : row - 1;
}

static uint64_t bucket_low(unsigned index)
{
    unsigned shift = bucket_shift(index);
    return (uint64_t)(index - (shift << BENCH_HISTOGRAM_SUB_BITS)) << shift;
}

uint64_t bench_histogram_middle(unsigned index)
{
    return bucket_low(index) + ((UINT64_C(1) << bucket_shift(index)) - 1) / 2;
}

uint64_t bench_histogram_coarse_low(unsigned index)
{
    uint64_t low = bucket_low(index);
    if (low >> (COARSE_SUB_BITS + 1) == 0)
        return low;
    unsigned shift = 63U - (unsigned)__builtin_clzll(low) - COARSE_SUB_BITS;
    return low >> shift << shift;
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
            uint64_t middle = bench_histogram_middle(i);
            return middle < histogram->max ? middle : histogram->max;
        }
    }
    return histogram->max;
}

double bench_histogram_told_us(const struct bench_histogram *latency_ns,
                               enum bench_percentile percentile)
{
    static const struct {
        double fraction;
        uint64_t one_in; /* so many values lies beyond it */
    } percentiles[BENCH_PERCENTILES] = {
        [BENCH_P50] = {0.5, 2},        [BENCH_P90] = {0.9, 10},          [BENCH_P99] = {0.99, 100},
        [BENCH_P99_9] = {0.999, 1000}, [BENCH_P99_99] = {0.9999, 10000},
    };
    if (latency_ns->count < LEAST_BEYOND * percentiles[percentile].one_in)
        return NAN;
    return (double)bench_histogram_percentile(latency_ns, percentiles[percentile].fraction) / 1000;
}

void bench_histogram_print(FILE *out, const struct bench_histogram *latency_ns)
{
    const char *separator = "";

    fputs(",\"latency_histogram\":[", out);
    for (unsigned i = 0; i < BENCH_HISTOGRAM_BUCKETS;) {
        uint64_t low_ns = bench_histogram_coarse_low(i);
        uint64_t count = 0;
        for (; i < BENCH_HISTOGRAM_BUCKETS && bench_histogram_coarse_low(i) == low_ns; i++)
            count += latency_ns->bucket[i];
        if (count == 0)
            continue;
        fprintf(out, "%s[%.3f,%" PRIu64 "]", separator, (double)low_ns / 1000, count);
        separator = ",";
    }
    fputc(']', out);
}
