/* SPDX-License-Identifier: MIT */
/* What the bench draws its load from and sorts by time: arrivals, the small histogram that lateness is counted in,
 * and the series. */
#include "../../bench/arrivals.h"
#include "../../bench/coarse.h"
#include "../../bench/series.h"
#include "support.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    DRAWS = 200000,
    WRITERS = 8
};

#define RATE 40000.0

START_TEST(gaps_are_exponential)
{
    uint64_t random = 5;
    unsigned above = 0;
    double sum = 0, squares = 0;
    for (int i = 0; i < DRAWS; i++) {
        double gap = bench_exponential(&random);
        ck_assert(gap >= 0 && gap < 40);
        sum += gap;
        squares += gap * gap;
        above += gap > 1;
    }
    double mean = sum / DRAWS;
    /* Mean, variance and median of the distribution, to five of their standard errors. */
    ck_assert_double_eq_tol(mean, 1, 5 / sqrt(DRAWS));
    ck_assert_double_eq_tol(squares / DRAWS - mean * mean, 1, 5 * sqrt(8.0 / DRAWS));
    ck_assert_double_eq_tol((double)above / DRAWS, exp(-1), 5 * 0.5 / sqrt(DRAWS));
}
END_TEST

/* All writers together: as many arrivals in a second as were asked for, and as unevenly as a Poisson
 * process has them. */
START_TEST(writers_together_have_the_rate)
{
    static unsigned counts[1000];
    struct bench_arrivals arrivals;
    double sum = 0, squares = 0;
    memset(counts, 0, sizeof counts);
    for (unsigned writer = 0; writer < WRITERS; writer++) {
        bench_arrivals_begin(&arrivals, BENCH_ARRIVALS_POISSON, RATE, WRITERS, writer, 1);
        for (uint64_t due; (due = bench_arrivals_next(&arrivals)) < 1000000000;)
            counts[due / 1000000]++;
    }
    for (int i = 0; i < 1000; i++) {
        sum += counts[i];
        squares += (double)counts[i] * counts[i];
    }
    double mean = sum / 1000;
    ck_assert_double_eq_tol(sum, RATE, 5 * sqrt(RATE));
    ck_assert_double_eq_tol((squares / 1000 - mean * mean) / mean, 1, 5 * sqrt(2.0 / 1000));
}
END_TEST

START_TEST(a_seed_gives_the_same_times_again)
{
    struct bench_arrivals first, again, other_writer, other_seed;
    unsigned same_writer = 0, same_seed = 0;
    bench_arrivals_begin(&first, BENCH_ARRIVALS_POISSON, RATE, 2, 0, 7);
    bench_arrivals_begin(&again, BENCH_ARRIVALS_POISSON, RATE, 2, 0, 7);
    bench_arrivals_begin(&other_writer, BENCH_ARRIVALS_POISSON, RATE, 2, 1, 7);
    bench_arrivals_begin(&other_seed, BENCH_ARRIVALS_POISSON, RATE, 2, 0, 8);
    for (int i = 0; i < 1000; i++) {
        uint64_t due = bench_arrivals_next(&first);
        ck_assert_uint_eq(due, bench_arrivals_next(&again));
        same_writer += due == bench_arrivals_next(&other_writer);
        same_seed += due == bench_arrivals_next(&other_seed);
    }
    ck_assert_uint_lt(same_writer, 10);
    ck_assert_uint_lt(same_seed, 10);
}
END_TEST

START_TEST(even_writers_take_turns)
{
    struct bench_arrivals arrivals[WRITERS];
    for (unsigned writer = 0; writer < WRITERS; writer++)
        bench_arrivals_begin(&arrivals[writer], BENCH_ARRIVALS_EVEN, 1000, WRITERS, writer, 1);
    for (unsigned turn = 0; turn < 100 * WRITERS; turn++)
        ck_assert_uint_eq(bench_arrivals_next(&arrivals[turn % WRITERS]), turn * 1000000ull);
}
END_TEST

START_TEST(coarse_percentiles_are_near)
{
    static struct bench_coarse coarse, half;
    for (uint64_t value = 1; value <= 100000; value++)
        bench_coarse_add(value % 2 != 0 ? &coarse : &half, value);
    bench_coarse_merge(&coarse, &half);
    ck_assert_uint_eq(bench_coarse_count(&coarse), 100000);
    ck_assert_uint_eq(coarse.max, 100000);
    for (double fraction = 0.001; fraction <= 1; fraction += 0.001) {
        double exact = fraction * 100000;
        double found = (double)bench_coarse_percentile(&coarse, fraction);
        ck_assert_msg(fabs(found - exact) <= exact / 32 + 1, "%g: %g", fraction, found);
    }
}
END_TEST

START_TEST(coarse_values_have_an_end)
{
    static struct bench_coarse coarse;
    ck_assert_uint_eq(bench_coarse_percentile(&coarse, 0.99), 0);
    unsigned last = 0;
    for (unsigned bits = 0; bits < 64; bits++) {
        unsigned index = bench_coarse_index(UINT64_C(1) << bits);
        ck_assert_uint_lt(index, BENCH_COARSE_BUCKETS);
        ck_assert(bits >= BENCH_COARSE_BITS ? index >= last : bits == 0 || index > last);
        last = index;
    }
    ck_assert_uint_eq(bench_coarse_index(UINT64_MAX), BENCH_COARSE_BUCKETS - 1);
}
END_TEST

#define STEP BENCH_SERIES_STEP_NS
#define FROM (7 * STEP + 5)

/* Two writers: one appends in each slice, the other is away for one of them; what comes after the last whole
 * slice is left out. */
START_TEST(a_series_has_what_ended_in_each_slice)
{
    static struct bench_series series;
    static struct bench_pending steady, away;
    struct bench_recorder recorder;
    ck_assert_int_eq(bench_recorder_init(&recorder, 3 * STEP + STEP / 2), 0);
    bench_recorder_reset(&recorder, &series);
    bench_recorder_begin(&recorder, FROM, true);
    ck_assert_uint_eq(bench_recorder_note(&recorder, FROM - 1, 100), FROM);
    ck_assert_uint_eq(bench_recorder_note(&recorder, FROM, 100), FROM + STEP);
    for (unsigned i = 0; i < 3500; i++)
        bench_pending_add(&steady, &recorder, 1, i % 1000 < 980 ? 100 : 5000,
                          FROM + i * (STEP / 1000));
    bench_pending_add(&away, &recorder, 7, 100, FROM + STEP - 1);
    bench_pending_add(&away, &recorder, 9, 100, FROM + 2 * STEP);
    ck_assert_uint_eq(bench_recorder_note(&recorder, FROM + STEP + 9, 110), FROM + 2 * STEP);
    ck_assert_uint_eq(bench_recorder_note(&recorder, FROM + 3 * STEP, 150), UINT64_MAX);
    bench_pending_end(&steady, &recorder);
    bench_pending_end(&away, &recorder);
    bench_recorder_end(&recorder, 3 * STEP + STEP / 2);
    ck_assert_uint_eq(series.count, 3);
    ck_assert_uint_eq(series.points[0].records, 1007);
    ck_assert_uint_eq(series.points[1].records, 1000);
    ck_assert_uint_eq(series.points[2].records, 1009);
    ck_assert_uint_eq(series.points[0].syncs, 10);
    ck_assert_uint_eq(series.points[1].syncs, 40); /* of two slices: nobody looked in between */
    ck_assert_uint_eq(series.points[2].syncs, 0);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_double_eq_tol((double)series.points[i].p99_ns, 5000, 5000.0 / 32);
    bench_recorder_free(&recorder);
}
END_TEST

/* What was counted before is forgotten, and goes to no series. */
START_TEST(a_series_begins_anew)
{
    static struct bench_series first, second;
    static struct bench_pending pending;
    struct bench_recorder recorder;
    ck_assert_int_eq(bench_recorder_init(&recorder, STEP), 0);
    for (unsigned slice = 0; slice < 2; slice++) {
        uint64_t from_ns = FROM + 5 * slice * STEP;
        memset(&pending, 0, sizeof pending);
        bench_recorder_reset(&recorder, slice == 0 ? &first : &second);
        bench_recorder_begin(&recorder, from_ns, true);
        bench_recorder_note(&recorder, from_ns, 100 * slice);
        bench_pending_add(&pending, &recorder, 3 + slice, 100, from_ns);
        ck_assert_uint_eq(bench_recorder_note(&recorder, from_ns + STEP, 100 * slice + 7),
                          UINT64_MAX);
        bench_pending_end(&pending, &recorder);
        bench_recorder_end(&recorder, STEP);
    }
    ck_assert_uint_eq(first.count, 1);
    ck_assert_uint_eq(first.points[0].records, 3);
    ck_assert_uint_eq(second.points[0].records, 4);
    ck_assert_uint_eq(second.points[0].syncs, 7);
    bench_recorder_free(&recorder);
}
END_TEST

START_TEST(a_percentile_of_few_is_none)
{
    static struct bench_series series;
    static struct bench_pending pending;
    struct bench_recorder recorder;
    ck_assert_int_eq(bench_recorder_init(&recorder, STEP), 0);
    bench_recorder_reset(&recorder, &series);
    bench_recorder_begin(&recorder, FROM, false);
    bench_recorder_note(&recorder, FROM, 0);
    for (unsigned i = 0; i < 999; i++)
        bench_pending_add(&pending, &recorder, 1, 100, FROM + i);
    bench_recorder_note(&recorder, FROM + STEP, 0);
    bench_pending_end(&pending, &recorder);
    bench_recorder_end(&recorder, STEP);
    ck_assert_uint_eq(series.count, 1);
    ck_assert_uint_eq(series.points[0].records, 999);
    ck_assert_uint_eq(series.points[0].p99_ns, 0);
    ck_assert(!series.knows_syncs);
    bench_recorder_free(&recorder);
}
END_TEST

/* A run of hours has as many slices as one of a minute; one of a set number of records may take longer
 * than there are slices for. */
START_TEST(a_long_series_has_long_slices)
{
    static struct bench_series series;
    static struct bench_pending pending;
    struct bench_recorder recorder;
    ck_assert_int_eq(bench_recorder_init(&recorder, 36000 * STEP), 0);
    ck_assert_uint_eq(recorder.step_ns, 60 * STEP);
    ck_assert_uint_eq(recorder.room, BENCH_SERIES_MAX);
    bench_recorder_free(&recorder);
    ck_assert_int_eq(bench_recorder_init(&recorder, 0), 0);
    bench_recorder_reset(&recorder, &series);
    bench_recorder_begin(&recorder, FROM, true);
    bench_recorder_note(&recorder, FROM, 0);
    bench_pending_add(&pending, &recorder, 1, 100, FROM + 700 * STEP);
    bench_pending_add(&pending, &recorder, 1, 100, FROM + 900 * STEP);
    ck_assert_uint_eq(bench_recorder_note(&recorder, FROM + 900 * STEP, 3), UINT64_MAX);
    bench_pending_end(&pending, &recorder);
    bench_recorder_end(&recorder, 900 * STEP);
    ck_assert_uint_eq(series.count, BENCH_SERIES_MAX);
    ck_assert_uint_eq(series.points[BENCH_SERIES_MAX - 1].records, 0);
    bench_recorder_free(&recorder);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bench_load");
    TCase *tests = tcase_create("load");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, gaps_are_exponential);
    tcase_add_test(tests, writers_together_have_the_rate);
    tcase_add_test(tests, a_seed_gives_the_same_times_again);
    tcase_add_test(tests, even_writers_take_turns);
    tcase_add_test(tests, coarse_percentiles_are_near);
    tcase_add_test(tests, coarse_values_have_an_end);
    tcase_add_test(tests, a_series_has_what_ended_in_each_slice);
    tcase_add_test(tests, a_series_begins_anew);
    tcase_add_test(tests, a_percentile_of_few_is_none);
    tcase_add_test(tests, a_long_series_has_long_slices);
    suite_add_tcase(suite, tests);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
