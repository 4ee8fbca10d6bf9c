/* SPDX-License-Identifier: MIT */
/* Counters and histograms. */
#include "base/stats.h"
#include "support.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(eight_buckets_to_a_power_of_two)
{
    static const struct {
        uint64_t value;
        unsigned bucket;
    } cases[] = {{0, 0},
                 {1, 1},
                 {7, 7},
                 {8, 8},
                 {15, 15},
                 {16, 16},
                 {17, 16},
                 {18, 17},
                 {1023, 63},
                 {1024, 64},
                 {UINT64_C(1) << 46, 352},
                 {UINT64_C(1) << 47, 360},
                 {(UINT64_C(1) << 48) - 1, 367},
                 {UINT64_C(1) << 60, 367},
                 {UINT64_MAX, 367}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct logfile_histogram histogram = {0};
        lf_histogram_add(&histogram, cases[i].value);
        ck_assert_uint_eq(histogram.bucket[cases[i].bucket], 1);
        ck_assert_uint_eq(histogram.count, 1);
        ck_assert_uint_eq(histogram.max, cases[i].value);
    }
}
END_TEST

/* Never below the value, and by an eighth above it at most. */
START_TEST(percentiles_are_off_by_a_bucket_at_most)
{
    struct logfile_histogram histogram = {0};
    static const double fractions[] = {0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1};

    ck_assert_uint_eq(logfile_histogram_percentile(&histogram, 0.5), 0);
    ck_assert_uint_eq(logfile_histogram_percentile(NULL, 0.5), 0);
    for (uint64_t value = 1; value <= 100000; value++)
        lf_histogram_add(&histogram, value);
    for (size_t i = 0; i < sizeof fractions / sizeof fractions[0]; i++) {
        const double exact = fractions[i] * 100000;
        const double told = (double)logfile_histogram_percentile(&histogram, fractions[i]);
        ck_assert_double_ge(told, exact);
        ck_assert_double_le(told, exact * 9 / 8);
    }
    ck_assert_uint_eq(logfile_histogram_percentile(&histogram, 1), 100000);
    /* Beyond the last bucket there is only the greatest. */
    lf_histogram_add(&histogram, UINT64_MAX);
    ck_assert_uint_eq(logfile_histogram_percentile(&histogram, 1), UINT64_MAX);
}
END_TEST

START_TEST(sum_count_and_max)
{
    struct logfile_histogram histogram = {0};

    for (uint64_t value = 1; value <= 100; value++)
        lf_histogram_add(&histogram, 101 - value);
    ck_assert_uint_eq(histogram.count, 100);
    ck_assert_uint_eq(histogram.sum, 5050);
    ck_assert_uint_eq(histogram.max, 100);
}
END_TEST

/* Each counter comes out under its own name: every field is given another value. */
START_TEST(every_counter_is_copied)
{
    struct lf_stats stats;
    struct logfile_stats out;
    uint64_t *words = (uint64_t *)&stats;

    memset(&out, 0, sizeof(out));
    for (size_t i = 0; i < sizeof(stats) / sizeof(uint64_t); i++)
        words[i] = i + 1;
    lf_stats_copy(&stats, &out);
    ck_assert_uint_eq(out.records, stats.records);
    ck_assert_uint_eq(out.bytes, stats.bytes);
    ck_assert_uint_eq(out.epochs, stats.epochs);
    ck_assert_uint_eq(out.inline_flushes, stats.inline_flushes);
    ck_assert_uint_eq(out.sequencer_flushes, stats.sequencer_flushes);
    ck_assert_uint_eq(out.overshoots, stats.overshoots);
    ck_assert_uint_eq(out.wakeups, stats.wakeups);
    ck_assert_uint_eq(out.waits_durable, stats.waits_durable);
    ck_assert_uint_eq(out.waits_flip, stats.waits_flip);
    ck_assert_uint_eq(out.waits_space, stats.waits_space);
    ck_assert_uint_eq(out.gathers, stats.gathers);
    ck_assert_uint_eq(out.gather_timeouts, stats.gather_timeouts);
    ck_assert_uint_eq(out.late_publishes, stats.late_publishes);
    ck_assert_mem_eq(&out.flush_ns, &stats.flush_ns, sizeof(stats.flush_ns));
    ck_assert_mem_eq(&out.late_publish_ns, &stats.late_publish_ns, sizeof(stats.late_publish_ns));
    ck_assert_uint_eq(out.refused_full, stats.refused_full);
    ck_assert_uint_eq(out.refused_space, stats.refused_space);
    ck_assert_uint_eq(out.refused_size, stats.refused_size);
    ck_assert_uint_eq(out.refused_ended, stats.refused_ended);
    ck_assert_mem_eq(&out.write_ns, &stats.write_ns, sizeof(stats.write_ns));
    ck_assert_mem_eq(&out.sync_ns, &stats.sync_ns, sizeof(stats.sync_ns));
    ck_assert_mem_eq(&out.append_commit_ns, &stats.append_commit_ns,
                     sizeof(stats.append_commit_ns));
    ck_assert_mem_eq(&out.submit_commit_ns, &stats.submit_commit_ns,
                     sizeof(stats.submit_commit_ns));
    ck_assert_mem_eq(&out.records_per_epoch, &stats.records_per_epoch,
                     sizeof(stats.records_per_epoch));
}
END_TEST

/* Of what several threads have under way, the oldest, with all that belongs to it. */
START_TEST(the_oldest_call_is_told)
{
    struct lf_inflight callers[LF_CALLER_COUNT] = {{0, 0}};
    struct logfile_stats out = {0};

    lf_inflight_copy(callers, 5000, &out);
    ck_assert_uint_eq(out.inflight_ns, 0);
    ck_assert_uint_eq(out.inflight_call, LOGFILE_CALL_NONE);
    lf_inflight_begin(&callers[LF_CALLER_FLUSHER], LOGFILE_CALL_WRITE, 8192, 3200);
    lf_inflight_begin(&callers[LF_CALLER_TRIMMER], LOGFILE_CALL_RELEASE, 4096, 1600);
    lf_inflight_begin(&callers[LF_CALLER_PREPARER], LOGFILE_CALL_ALLOCATE, 65536, 4800);
    lf_inflight_copy(callers, 5000, &out);
    ck_assert_uint_eq(out.inflight_ns, 3400);
    ck_assert_uint_eq(out.inflight_call, LOGFILE_CALL_RELEASE);
    ck_assert_uint_eq(out.inflight_lsn, 4096);
    lf_inflight_end(&callers[LF_CALLER_TRIMMER]);
    lf_inflight_copy(callers, 3200, &out);
    ck_assert_uint_eq(out.inflight_ns, 1); /* not 0: it is under way */
    ck_assert_uint_eq(out.inflight_call, LOGFILE_CALL_WRITE);
    ck_assert_uint_eq(out.inflight_lsn, 8192);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stats");
    TCase *tcase = tcase_create("stats");

    tcase_add_test(tcase, eight_buckets_to_a_power_of_two);
    tcase_add_test(tcase, percentiles_are_off_by_a_bucket_at_most);
    tcase_add_test(tcase, sum_count_and_max);
    tcase_add_test(tcase, every_counter_is_copied);
    tcase_add_test(tcase, the_oldest_call_is_told);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
