/* SPDX-License-Identifier: MIT */
/*
 * A histogram in the format of HdrHistogram, so that its readers and plotters take it: encoding V2,
 * compressed, in base64.  Values are nanoseconds, with two significant digits, of which ours have a
 * little less: each of our buckets is counted at its middle, which is the highest value of the bucket that
 * a reader finds it in.  So the percentiles that a reader computes are those of bench_histogram_percentile, but
 * for the greatest value, which a reader does not know more exactly than its bucket.
 */
#ifndef BENCH_HDR_H
#define BENCH_HDR_H

#include "histogram.h"

/* Without quotes. */
void bench_hdr_print(FILE *out, const struct bench_histogram *latency_ns);

#endif /* BENCH_HDR_H */
