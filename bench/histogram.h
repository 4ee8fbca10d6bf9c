/* SPDX-License-Identifier: MIT */
/*
 * Latencies in log-linear buckets: exact below 128 ns, above it 64 buckets to each power of two.  A
 * percentile is the middle of its bucket, so it is off by at most 1/128 (0.8 %); the greatest value
 * is kept exactly.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

#define BENCH_HISTOGRAM_SUB_BITS 6
#define BENCH_HISTOGRAM_BUCKETS ((64 - BENCH_HISTOGRAM_SUB_BITS + 1) << BENCH_HISTOGRAM_SUB_BITS)

struct bench_histogram {
    uint64_t count;
    uint64_t max;
    uint64_t bucket[BENCH_HISTOGRAM_BUCKETS];
};

/* A value's leading seven bits, in the row of its power of two. */
static inline unsigned bench_histogram_index(uint64_t value)
{
    if (value >> BENCH_HISTOGRAM_SUB_BITS == 0)
        return (unsigned)value;
    unsigned shift = 63U - (unsigned)__builtin_clzll(value) - BENCH_HISTOGRAM_SUB_BITS;
    return (shift << BENCH_HISTOGRAM_SUB_BITS) + (unsigned)(value >> shift);
}

static inline void bench_histogram_add(struct bench_histogram *histogram, uint64_t value)
{
    histogram->count++;
    histogram->bucket[bench_histogram_index(value)]++;
    if (value > histogram->max)
        histogram->max = value;
}

void bench_histogram_merge(struct bench_histogram *into, const struct bench_histogram *from);

/*
 * The smallest value that at least `fraction` of all values do not exceed (nearest rank), to the
 * precision of a bucket; 0 when the histogram is empty.
 */
uint64_t bench_histogram_percentile(const struct bench_histogram *histogram, double fraction);

/* What is told of a distribution, where it has the values for it. */
enum bench_percentile {
    BENCH_P50 = 0,
    BENCH_P90,
    BENCH_P99,
    BENCH_P99_9,
    BENCH_P99_99,
    BENCH_PERCENTILES
};

/* The same in microseconds, but NAN where fewer than ten values lie beyond it: so few of them are chance. */
double bench_histogram_told_us(const struct bench_histogram *latency_ns,
                               enum bench_percentile percentile);

/* What stands for the values of a bucket. */
uint64_t bench_histogram_middle(unsigned index);

/*
 * Of buckets eight times as wide, 8 to each power of two (exact below 16): the least value that
 * falls into the same one of them as bucket `index` does.
 */
uint64_t bench_histogram_coarse_low(unsigned index);

/* As a member of a JSON object that has some before it: [microseconds, count] of each bucket that has any,
 * neighbours with the same lower edge as one. */
void bench_histogram_print(FILE *out, const struct bench_histogram *latency_ns);

#endif /* BENCH_HISTOGRAM_H */
