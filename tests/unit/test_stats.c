/* SPDX-License-Identifier: MIT */
/* Counters and histograms. */
#include "base/stats.h"
#include "support.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(buckets_are_powers_of_two)
{
    static const struct {
        uint64_t value;
        unsigned bucket;
    } cases[] = {{0, 0},
                 {1, 0},
                 {2, 1},
                 {3, 1},
                 {4, 2},
                 {7, 2},
                 {8, 3},
                 {1023, 9},
                 {1024, 10},
                 {UINT64_C(1) << 46, 46},
                 {UINT64_C(1) << 47, 47},
                 {UINT64_C(1) << 60, 47},
                 {UINT64_MAX, 47}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct logfile_histogram histogram = {0};
        lf_histogram_add(&histogram, cases[i].value);
        ck_assert_uint_eq(histogram.bucket[cases[i].bucket], 1);
        ck_assert_uint_eq(histogram.count, 1);
        ck_assert_uint_eq(histogram.max, cases[i].value);
    }
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
    ck_assert_uint_eq(out.stalls, stats.stalls);
    ck_assert_mem_eq(&out.flush_ns, &stats.flush_ns, sizeof(stats.flush_ns));
    ck_assert_mem_eq(&out.stall_ns, &stats.stall_ns, sizeof(stats.stall_ns));
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

    tcase_add_test(tcase, buckets_are_powers_of_two);
    tcase_add_test(tcase, sum_count_and_max);
    tcase_add_test(tcase, every_counter_is_copied);
    tcase_add_test(tcase, the_oldest_call_is_told);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
