/* SPDX-License-Identifier: MIT */
/* The bench's histogram: percentiles within 1 % of the exact ones, whatever the values. */
#include "../../bench/histogram.h"
#include "support.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_COUNT 20000

static struct bench_histogram histogram;
static struct bench_histogram other;
static uint64_t values[VALUE_COUNT];

static void start_empty(void)
{
    memset(&histogram, 0, sizeof(histogram));
    memset(&other, 0, sizeof(other));
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* As many values in each power of two below 2^bits. */
static uint64_t random_value(struct rng *rng, unsigned bits)
{
    return rng_next(rng) >> (64 - bits + rng_below(rng, bits));
}

static void assert_percentiles_are_near(uint64_t count)
{
    static const double fractions[] = {0.0001, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1};
    qsort(values, count, sizeof(values[0]), compare);
    for (size_t i = 0; i < sizeof(fractions) / sizeof(fractions[0]); i++) {
        uint64_t rank = (uint64_t)ceil(fractions[i] * (double)count);
        double exact = (double)values[rank - 1];
        double found = (double)bench_histogram_percentile(&histogram, fractions[i]);
        ck_assert_msg(fabs(found - exact) <= 0.01 * exact, "%g of %ju: %g instead of %g",
                      fractions[i], (uintmax_t)count, found, exact);
    }
}

START_TEST(empty_has_only_zeros)
{
    ck_assert_uint_eq(bench_histogram_percentile(&histogram, 0.5), 0);
    ck_assert_uint_eq(bench_histogram_percentile(&histogram, 1), 0);
}
END_TEST

START_TEST(small_values_are_exact)
{
    for (uint64_t value = 0; value < 128; value++)
        bench_histogram_add(&histogram, value);
    for (uint64_t value = 0; value < 128; value++)
        ck_assert_uint_eq(bench_histogram_percentile(&histogram, (double)(value + 1) / 128), value);
}
END_TEST

START_TEST(every_value_has_a_bucket_and_they_are_in_order)
{
    unsigned last = 0;
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t low = UINT64_C(1) << bit;
        for (uint64_t step = 0; step < 256; step++) {
            unsigned index = bench_histogram_index(low + (low >> 8) * step);
            ck_assert_uint_ge(index, last);
            ck_assert_uint_lt(index, BENCH_HISTOGRAM_BUCKETS);
            last = index;
        }
    }
    ck_assert_uint_eq(bench_histogram_index(UINT64_MAX), BENCH_HISTOGRAM_BUCKETS - 1);
}
END_TEST

START_TEST(percentiles_are_within_one_percent)
{
    static const unsigned bits[] = {8, 20, 40, 63};
    struct rng rng = {.state = (uint64_t)_i};
    for (unsigned i = 0; i < VALUE_COUNT; i++) {
        values[i] = random_value(&rng, bits[_i]);
        bench_histogram_add(&histogram, values[i]);
    }
    ck_assert_uint_eq(histogram.count, VALUE_COUNT);
    assert_percentiles_are_near(VALUE_COUNT);
}
END_TEST

START_TEST(few_values_use_the_nearest_rank)
{
    for (uint64_t value = 1; value <= 10; value++)
        bench_histogram_add(&histogram, value);
    ck_assert_uint_eq(bench_histogram_percentile(&histogram, 0.5), 5);
    ck_assert_uint_eq(bench_histogram_percentile(&histogram, 0.51), 6);
    ck_assert_uint_eq(bench_histogram_percentile(&histogram, 0.99), 10);
    ck_assert_uint_eq(bench_histogram_percentile(&histogram, 0), 1);
}
END_TEST

START_TEST(no_percentile_is_above_the_greatest_value)
{
    bench_histogram_add(&histogram, 1000001);
    ck_assert_uint_eq(histogram.max, 1000001);
    ck_assert_uint_le(bench_histogram_percentile(&histogram, 0.999), 1000001);
    bench_histogram_add(&histogram, UINT64_MAX);
    ck_assert_uint_eq(histogram.max, UINT64_MAX);
}
END_TEST

/* Ten values beyond p50 are half of 20, and beyond p99.99 one in ten thousand of 100,000. */
START_TEST(no_percentile_is_told_with_fewer_than_ten_values_beyond)
{
    static const uint64_t least[BENCH_PERCENTILES] = {20, 100, 1000, 10000, 100000};
    static const double fractions[BENCH_PERCENTILES] = {0.5, 0.9, 0.99, 0.999, 0.9999};
    for (uint64_t count = 1; count <= 100000; count++) {
        bench_histogram_add(&histogram, count * 1000);
        for (unsigned i = 0; i < BENCH_PERCENTILES; i++) {
            if (count != least[i] - 1 && count != least[i])
                continue;
            double told = bench_histogram_told_us(&histogram, i);
            if (count < least[i])
                ck_assert(isnan(told));
            else
                ck_assert_double_eq_tol(told, fractions[i] * (double)count, 0.01 * (double)count);
        }
    }
    ck_assert(isnan(bench_histogram_told_us(&other, BENCH_P50)));
}
END_TEST

START_TEST(merged_is_as_if_added_to_one)
{
    struct rng rng = {.state = 7};
    for (unsigned i = 0; i < VALUE_COUNT; i++) {
        values[i] = i == 1 ? UINT64_C(1) << 30 : random_value(&rng, 30);
        bench_histogram_add(i % 3 == 0 ? &histogram : &other, values[i]);
    }
    bench_histogram_merge(&histogram, &other);
    ck_assert_uint_eq(histogram.count, VALUE_COUNT);
    ck_assert_uint_eq(histogram.max, UINT64_C(1) << 30); /* it is in the other one */
    assert_percentiles_are_near(VALUE_COUNT);
}
END_TEST

START_TEST(coarse_buckets_are_an_eighth_wide)
{
    for (unsigned bit = 4; bit < 64; bit++) {
        uint64_t power = UINT64_C(1) << bit;
        uint64_t last = 0;
        unsigned buckets = 0;
        for (uint64_t step = 0; step < 64; step++) {
            uint64_t value = power + (bit < 6 ? step >> (6 - bit) : (power >> 6) * step);
            uint64_t low = bench_histogram_coarse_low(bench_histogram_index(value));
            ck_assert_uint_le(low, value);
            ck_assert_uint_lt(value - low, power / 8);
            buckets += low != last;
            last = low;
        }
        ck_assert_uint_eq(buckets, 8);
    }
    for (unsigned value = 0; value < 16; value++)
        ck_assert_uint_eq(bench_histogram_coarse_low(bench_histogram_index(value)), value);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bench_histogram");
    TCase *tests = tcase_create("histogram");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, start_empty, NULL);
    tcase_add_test(tests, empty_has_only_zeros);
    tcase_add_test(tests, small_values_are_exact);
    tcase_add_test(tests, every_value_has_a_bucket_and_they_are_in_order);
    tcase_add_loop_test(tests, percentiles_are_within_one_percent, 0, 4);
    tcase_add_test(tests, coarse_buckets_are_an_eighth_wide);
    tcase_add_test(tests, few_values_use_the_nearest_rank);
    tcase_add_test(tests, no_percentile_is_above_the_greatest_value);
    tcase_add_test(tests, no_percentile_is_told_with_fewer_than_ten_values_beyond);
    tcase_add_test(tests, merged_is_as_if_added_to_one);
    suite_add_tcase(suite, tests);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
