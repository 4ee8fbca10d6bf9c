/* SPDX-License-Identifier: MIT */
/*
 * Trimming, of one file and of a directory of segments, under every engine: what is kept, what is
 * told, and what is given back.
 */
#include "format/format.h"
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
    PAYLOAD_BYTES = 1500,
    RECORDS = 60,
    SEGMENT_BYTES = 64 << 10
};

static struct variant variant;
static struct logfile *trim_log;
static uint64_t lsns[RECORDS];
static unsigned char payload[PAYLOAD_BYTES];

static const char *log_path(void)
{
    return folder_path("trim.log");
}

static bool has_segments(int index)
{
    return index % 2 == 1;
}

static void open_log(void)
{
    struct logfile_open_report report;
    struct logfile_options options = variant.options;

    int error = logfile_open(log_path(), &options, &report, &trim_log);
    ck_assert_msg(error == 0, "%s: %s: %s", variant.name, logfile_strerror(error), report.message);
}

static void close_log(void)
{
    ck_assert_int_eq(logfile_close(trim_log), 0);
}

/* Two tests for each engine: of one file, and of segments. */
static void begin(int index)
{
    engine_variant_get((unsigned)index / 2, &variant);
    variant.options.slot_bytes = 8 << 10;
    variant.options.segment_bytes = has_segments(index) ? SEGMENT_BYTES : 0;
    variant.options.prepare_bytes = 64 << 10;
    watchdog_start(120, variant.name);
    enter_folder();
    open_log();
}

static void end(void)
{
    close_log();
    leave_folder();
    watchdog_stop();
}

static void append_all(void)
{
    for (unsigned i = 0; i < RECORDS; i++) {
        payload_fill(payload, sizeof payload, i);
        ck_assert_int_eq(logfile_append(trim_log, payload, sizeof payload, &lsns[i]), 0);
    }
}

/* Reads from `lsn` on: the records from number `first` on are there, and no other. */
static void check_reads(uint64_t lsn, unsigned first)
{
    struct logfile_reader *reader;
    struct logfile_record record;

    ck_assert_int_eq(logfile_reader_open(log_path(), READING(.lsn = lsn), &reader), 0);
    for (unsigned i = first; i < RECORDS; i++) {
        ck_assert_int_eq(logfile_reader_next(reader, &record), 1);
        ck_assert_uint_eq(record.lsn, lsns[i]);
        ck_assert(record.size == PAYLOAD_BYTES && payload_matches(record.data, record.size, i));
    }
    ck_assert_int_eq(logfile_reader_next(reader, &record), 0);
    logfile_reader_close(reader);
}

static unsigned first_kept(void)
{
    unsigned first = 0;
    while (first < RECORDS && lsns[first] < logfile_oldest_lsn(trim_log))
        first++;
    return first;
}

START_TEST(test_trim_forgets_what_is_below)
{
    struct logfile_reader *reader;

    begin(_i);
    ck_assert_uint_eq(logfile_oldest_lsn(trim_log), LF_FIRST_LSN);
    append_all();
    ck_assert_int_eq(logfile_trim(trim_log, lsns[40]), 0);
    uint64_t oldest_lsn = logfile_oldest_lsn(trim_log);
    ck_assert_uint_le(oldest_lsn, lsns[40]);
    ck_assert_uint_gt(oldest_lsn, lsns[39]); /* one record an epoch: exact */
    ck_assert_int_eq(logfile_reader_open(log_path(), READING(.lsn = lsns[39]), &reader),
                     LOGFILE_ETRIMMED);
    check_reads(0, 40);
    check_reads(oldest_lsn, 40);
    check_reads(lsns[45], 45);

    close_log();
    open_log();
    ck_assert_uint_eq(logfile_oldest_lsn(trim_log), oldest_lsn);
    check_reads(0, 40);
    end();
}
END_TEST

START_TEST(test_trim_never_goes_back)
{
    begin(_i);
    append_all();
    ck_assert_int_eq(logfile_trim(trim_log, lsns[30]), 0);
    uint64_t oldest_lsn = logfile_oldest_lsn(trim_log);
    ck_assert_int_eq(logfile_trim(trim_log, lsns[10]), 0);
    ck_assert_int_eq(logfile_trim(trim_log, 0), 0);
    ck_assert_uint_eq(logfile_oldest_lsn(trim_log), oldest_lsn);
    check_reads(0, 30);
    end();
}
END_TEST

START_TEST(test_trim_beyond_the_durable_lsn_is_refused)
{
    begin(_i);
    append_all();
    ck_assert_int_eq(logfile_trim(trim_log, logfile_durable_lsn(trim_log) + 1), -EINVAL);
    ck_assert_int_eq(logfile_trim(trim_log, UINT64_MAX), -EINVAL);
    ck_assert_int_eq(logfile_trim(NULL, 0), -EINVAL);
    ck_assert_uint_eq(logfile_oldest_lsn(trim_log), LF_FIRST_LSN);
    check_reads(0, 0);
    end();
}
END_TEST

/* Reading starts at an epoch whose incarnation its header tells, so the last one is kept. */
START_TEST(test_trim_of_everything_keeps_the_incarnation)
{
    struct logfile_stats before, after;

    begin(_i);
    append_all();
    ck_assert_int_eq(logfile_trim(trim_log, logfile_durable_lsn(trim_log)), 0);
    ck_assert_uint_ge(first_kept(), RECORDS - 1);
    ck_assert_int_eq(logfile_stats(trim_log, &before, sizeof before), 0);
    close_log();
    open_log();
    ck_assert_int_eq(logfile_stats(trim_log, &after, sizeof after), 0);
    ck_assert_uint_eq(after.incarnation, before.incarnation + 1);
    check_reads(0, first_kept());
    ck_assert_int_eq(logfile_append(trim_log, "x", 1, NULL), 0);
    end();
}
END_TEST

static unsigned count_segments(void)
{
    DIR *directory = opendir(log_path());
    unsigned count = 0;

    ck_assert_ptr_nonnull(directory);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory))
        count += strstr(entry->d_name, ".segment") != NULL;
    closedir(directory);
    return count;
}

static uint64_t blocks_on_disk(void)
{
    struct stat status;
    ck_assert_int_eq(stat(log_path(), &status), 0);
    return (uint64_t)status.st_blocks;
}

/* What a trimmed log takes on disk does not grow with what went through it: it is less than a quarter
 * of that, which twelve rounds without a trim would exceed after four. */
START_TEST(test_trim_gives_space_back)
{
    begin(_i);
    for (unsigned round = 0; round < 12; round++) {
        append_all();
        ck_assert_int_eq(logfile_trim(trim_log, lsns[RECORDS - 1]), 0);
        if (has_segments(_i) && round > 3)
            ck_assert_uint_le(count_segments(), 16);
        else if (round == 11)
            ck_assert_uint_lt(4 * 512 * blocks_on_disk(), logfile_durable_lsn(trim_log));
        check_reads(0, first_kept());
    }
    ck_assert_uint_gt(logfile_durable_lsn(trim_log), (uint64_t)12 * RECORDS * 4096);
    end();
}
END_TEST

static struct logfile_stats append_and_trim(unsigned rounds)
{
    struct logfile_stats stats;

    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < 8; i++)
            ck_assert_int_eq(logfile_append(trim_log, payload, sizeof payload, &lsns[i]), 0);
        ck_assert_int_eq(logfile_trim(trim_log, lsns[7]), 0);
    }
    ck_assert_int_eq(logfile_stats(trim_log, &stats, sizeof stats), 0);
    return stats;
}

/* The first segments are new, and filled with zeros ahead of the log; the blocks of those that are used
 * again are written already.  On a busy machine a few more are new: none had been trimmed in time. */
START_TEST(test_recycled_segments_need_no_zeros)
{
    struct logfile_stats first, last;

    begin(2 * _i + 1);
    first = append_and_trim(200);
    last = append_and_trim(400);
    ck_assert_uint_ge(last.segments_made, first.segments_made + 100);
    ck_assert_uint_gt(first.zero_fill_ns.count, 0);
    ck_assert_uint_ge(first.zero_fill_bytes, first.zero_fill_ns.count * LF_BLOCK_BYTES);
    ck_assert_uint_le(first.zero_fill_bytes, first.zero_fill_ns.count * SEGMENT_BYTES);
    ck_assert_uint_le(first.zero_sync_ns.count, first.zero_fill_ns.count);
    ck_assert_uint_gt(first.zero_sync_ns.count, 0);
    ck_assert_uint_le(last.zero_fill_bytes - first.zero_fill_bytes,
                      (last.segments_made - first.segments_made) / 10 * SEGMENT_BYTES);
    end();
}
END_TEST

/* Landmarks are thinned out, evenly: a long log is trimmed to within a thousandth of it. */
START_TEST(test_trim_of_a_long_log_is_close)
{
    enum {
        MANY = 6000
    };
    static uint64_t many[MANY];

    watchdog_start(120, "long log");
    enter_folder();
    engine_variant_get(0, &variant);
    variant.lab->sync = LOGFILE_SYNC_NONE;
    open_log();
    for (unsigned i = 0; i < MANY; i++)
        ck_assert_int_eq(logfile_append(trim_log, "x", 1, &many[i]), 0);
    for (unsigned i = 500; i < MANY; i += 500) {
        ck_assert_int_eq(logfile_trim(trim_log, many[i]), 0);
        uint64_t span = many[MANY - 1] - many[0];
        ck_assert_uint_le(logfile_oldest_lsn(trim_log), many[i]);
        ck_assert_uint_ge(logfile_oldest_lsn(trim_log) + span / 500, many[i]);
    }
    end();
}
END_TEST

static Suite *trim_suite(void)
{
    Suite *suite = suite_create("trim");
    TCase *tcase = tcase_create("trim");
    int count = 2 * (int)engine_variant_count();

    tcase_add_loop_test(tcase, test_trim_forgets_what_is_below, 0, count);
    tcase_add_loop_test(tcase, test_trim_never_goes_back, 0, count);
    tcase_add_loop_test(tcase, test_trim_beyond_the_durable_lsn_is_refused, 0, count);
    tcase_add_loop_test(tcase, test_trim_of_everything_keeps_the_incarnation, 0, count);
    tcase_add_loop_test(tcase, test_trim_gives_space_back, 0, count);
    tcase_add_loop_test(tcase, test_recycled_segments_need_no_zeros, 0, count / 2);
    tcase_add_test(tcase, test_trim_of_a_long_log_is_close);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(trim_suite());
}
