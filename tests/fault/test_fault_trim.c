/* SPDX-License-Identifier: MIT */
/*
 * A trim whose space cannot be given back at first, and a trimmed log whose last epoch rots.
 *
 * What a trim owes to the disk is paid by the next one, at whatever LSN, in this process or in the
 * next.  And the mark of a trimmed log names an epoch that was durable: when it is gone, the log is
 * corrupt and not just torn.
 */
#include "journal.h"
#include "logfile_sim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOG_PATH "trim.log"

enum {
    KIB = 1 << 10,
    BLOCK_BYTES = LOGFILE_IO_BLOCK,
    SEGMENT_BYTES = 32 * KIB,
    PAYLOAD_BYTES = 3000, /* one block each */
    RECORDS = 128         /* more segments than are kept for recycling */
};

static struct logfile_sim *disk;
static struct logfile *trim_log;
static struct logfile_options options;
static uint64_t lsns[RECORDS];

static void open_log(void)
{
    ck_assert_int_eq(logfile_open(LOG_PATH, &options, NULL, &trim_log), 0);
}

static void append_all(void)
{
    uint8_t payload[PAYLOAD_BYTES];

    for (unsigned i = 0; i < RECORDS; i++) {
        payload_fill(payload, sizeof payload, i);
        ck_assert_int_eq(logfile_append(trim_log, payload, sizeof payload, &lsns[i]), 0);
    }
}

/* A log with many records: in segments, or in one file. */
static void begin(bool has_segments)
{
    struct variant variant;

    watchdog_start(30, "trim");
    engine_variant_get(0, &variant);
    disk = logfile_sim_new(NULL);
    options = variant.options;
    options.io = logfile_sim_io(disk);
    options.slot_bytes = 8 * KIB;
    options.prepare = LOGFILE_PREPARE_NONE;
    options.segment_bytes = has_segments ? SEGMENT_BYTES : 0;
    open_log();
    append_all();
}

static void end(void)
{
    ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
    logfile_sim_free(disk);
    watchdog_stop();
}

/* ---- Space that is owed ---- */

static const struct {
    bool has_segments;
    enum logfile_sim_call call;
} failing_calls[] = {
    {false, LOGFILE_SIM_PUNCH},
    {true, LOGFILE_SIM_UNLINK},
};
enum {
    FAILING_CALLS = sizeof failing_calls / sizeof failing_calls[0]
};

/* A trim of nearly everything that leaves the space where it is. */
static void fail_trim(int index, bool for_ever)
{
    struct logfile_sim_fault fault = {
        .call = failing_calls[index].call, .for_ever = for_ever, .error = -EIO};
    struct logfile_failure failure;
    uint64_t used_bytes = logfile_sim_used_bytes(disk, NULL);

    logfile_sim_fault(disk, &fault);
    ck_assert_int_eq(logfile_trim(trim_log, lsns[RECORDS - 1]), -EIO);
    ck_assert_uint_ge(logfile_sim_fault_hits(disk), 1);
    ck_assert_uint_ge(logfile_sim_used_bytes(disk, NULL), used_bytes); /* more is prepared */
    ck_assert_int_eq(logfile_failure(trim_log, &failure, sizeof failure), 0);
    ck_assert_int_eq(failure.error, 0);
    ck_assert_uint_gt(logfile_oldest_lsn(trim_log), lsns[RECORDS - 2]);
}

/* What is left is what the log keeps: blocks 0 to 3, the last records, and spare segments. */
static void check_given_back(void)
{
    uint64_t spare_bytes = (8 + 2) * SEGMENT_BYTES;
    uint64_t used_bytes = logfile_sim_used_bytes(disk, NULL);

    ck_assert_uint_lt(used_bytes,
                      options.segment_bytes != 0 ? spare_bytes : 10 * (uint64_t)BLOCK_BYTES);
}

static void check_appends(void)
{
    ck_assert_int_eq(logfile_append(trim_log, "on", 2, NULL), 0);
    ck_assert_int_eq(logfile_close(trim_log), 0);
}

START_TEST(the_same_trim_again_gives_the_space_back)
{
    begin(failing_calls[_i].has_segments);
    fail_trim(_i, false);
    ck_assert_int_eq(logfile_trim(trim_log, lsns[RECORDS - 1]), 0);
    check_given_back();
    check_appends();
    end();
}
END_TEST

START_TEST(a_trim_of_less_gives_the_space_back)
{
    begin(failing_calls[_i].has_segments);
    fail_trim(_i, false);
    ck_assert_int_eq(logfile_trim(trim_log, 0), 0);
    check_given_back();
    check_appends();
    end();
}
END_TEST

START_TEST(a_trim_of_the_next_opening_gives_the_space_back)
{
    begin(failing_calls[_i].has_segments);
    fail_trim(_i, true);
    ck_assert_int_eq(logfile_close(trim_log), 0);
    logfile_sim_fault_clear(disk);
    open_log();
    ck_assert_int_eq(logfile_trim(trim_log, logfile_oldest_lsn(trim_log)), 0);
    check_given_back();
    check_appends();
    end();
}
END_TEST

/* Where holes cannot be punched there is nothing to be told. */
START_TEST(a_disk_that_cannot_punch_is_no_error)
{
    struct logfile_sim_fault fault = {
        .call = LOGFILE_SIM_PUNCH, .for_ever = true, .error = -EOPNOTSUPP};

    begin(false);
    logfile_sim_fault(disk, &fault);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(logfile_trim(trim_log, lsns[RECORDS - 1]), 0);
    check_appends();
    end();
}
END_TEST

/* ---- The last epoch rots ---- */

/* A log of one epoch, trimmed to it, whose process died.  Where the epoch is. */
static uint64_t leave_one_epoch(void)
{
    ck_assert_int_eq(logfile_trim(trim_log, lsns[RECORDS - 1]), 0);
    uint64_t oldest_lsn = logfile_oldest_lsn(trim_log);

    ck_assert_uint_eq(oldest_lsn, lsns[RECORDS - 1] / BLOCK_BYTES * BLOCK_BYTES);
    logfile_sim_crash_at(disk, 1);
    ck_assert_int_eq(logfile_close(trim_log), LOGFILE_EFAILED);
    logfile_sim_reboot_losing_all(disk);
    return oldest_lsn;
}

/* The file that holds an LSN, and where in it. */
static const char *place_of(uint64_t lsn, uint64_t *offset)
{
    static char path[64];

    *offset = lsn;
    if (options.segment_bytes == 0)
        return LOG_PATH;
    *offset = lsn % SEGMENT_BYTES;
    snprintf(path, sizeof path, LOG_PATH "/%016llx.segment",
             (unsigned long long)(lsn / SEGMENT_BYTES));
    return path;
}

static void flip_byte(uint64_t lsn)
{
    uint64_t offset;
    const char *path = place_of(lsn, &offset);
    uint8_t byte;

    logfile_sim_peek(disk, path, offset, &byte, 1);
    byte ^= 0x10;
    logfile_sim_poke(disk, path, offset, &byte, 1);
}

static void check_corrupt(uint64_t at_lsn)
{
    struct logfile_open_report report = {0};
    struct logfile_reader *reader;
    struct logfile_record record;
    struct logfile_tail tail;

    ck_assert_int_eq(logfile_open(LOG_PATH, &options, &report, &trim_log), LOGFILE_ECORRUPT);
    ck_assert_uint_eq(report.tail.end_lsn, at_lsn);
    ck_assert_ptr_nonnull(strstr(report.message, "corrupt: LSN"));
    ck_assert_uint_gt(report.tail.promised_lsn, at_lsn);
    ck_assert_int_eq(
        logfile_reader_open(LOG_PATH, &(struct logfile_reader_options){.io = options.io}, &reader),
        0);
    ck_assert_int_eq(logfile_reader_next(reader, &record), LOGFILE_ECORRUPT);
    ck_assert_int_eq(logfile_reader_tail(reader, &tail, sizeof tail), 0);
    ck_assert_int_eq(tail.verdict, LOGFILE_CORRUPT);
    logfile_reader_close(reader);
}

/* Loop test: one file or segments, times a byte of the header, the record and the padding. */
START_TEST(rot_of_the_only_epoch_is_corruption)
{
    static const uint64_t offsets[] = {0, 9, 20, 40, 70, 1000, BLOCK_BYTES - 1};

    begin(_i % 2 == 1);
    uint64_t oldest_lsn = leave_one_epoch();
    flip_byte(oldest_lsn + offsets[_i / 2]);
    check_corrupt(oldest_lsn);
    flip_byte(oldest_lsn + offsets[_i / 2]);
    open_log(); /* it was that byte alone */
    check_appends();
    end();
}
END_TEST

static Suite *trim_suite(void)
{
    Suite *suite = suite_create("fault_trim");
    TCase *tcase = tcase_create("trim");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, the_same_trim_again_gives_the_space_back, 0, FAILING_CALLS);
    tcase_add_loop_test(tcase, a_trim_of_less_gives_the_space_back, 0, FAILING_CALLS);
    tcase_add_loop_test(tcase, a_trim_of_the_next_opening_gives_the_space_back, 0, FAILING_CALLS);
    tcase_add_test(tcase, a_disk_that_cannot_punch_is_no_error);
    tcase_add_loop_test(tcase, rot_of_the_only_epoch_is_corruption, 0, 14);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(trim_suite());
}
