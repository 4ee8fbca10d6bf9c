/* SPDX-License-Identifier: MIT */
/*
 * What a log says of the errors of its calls: what it knows, in one line, of whatever length.
 */
#include "logfile_sim.h"
#include "support.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LOG_PATH "describe.log"

enum {
    SLOT_BYTES = 8 << 10,
    TEXT_BYTES = 400
};

static struct logfile_sim *disk;
static struct variant variant;
static struct logfile *described;
static char text[TEXT_BYTES];

static void begin(int index, const struct logfile_sim_options *disk_options,
                  enum logfile_prepare prepare)
{
    engine_variant_get((unsigned)index, &variant);
    watchdog_start(60, variant.name);
    disk = logfile_sim_new(disk_options);
    variant.options.slot_bytes = SLOT_BYTES;
    variant.options.prepare = prepare;
    variant.options.io = logfile_sim_io(disk);
    ck_assert_int_eq(logfile_open(LOG_PATH, &variant.options, NULL, &described), 0);
}

static void end(int close_result)
{
    ck_assert_int_eq(logfile_close(described), close_result);
    logfile_sim_free(disk);
    watchdog_stop();
}

/* The line, which is as long as it says, and cut where the caller has less. */
static const char *describe(int error)
{
    char part[20];
    int length = logfile_describe(described, error, text, sizeof text);

    ck_assert_int_eq(length, (int)strlen(text));
    ck_assert_ptr_null(strchr(text, '\n'));
    ck_assert_int_eq(logfile_describe(described, error, NULL, 0), length);
    ck_assert_int_eq(logfile_describe(described, error, part, sizeof part), length);
    ck_assert_uint_eq(strlen(part), length < 19 ? (size_t)length : 19);
    ck_assert(strncmp(part, text, strlen(part)) == 0);
    return text;
}

static const char *expected(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *expected(const char *format, ...)
{
    static char line[TEXT_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    return line;
}

START_TEST(test_numbers_of_the_log)
{
    uint8_t id[16];
    char hex[33];
    uint64_t lsn;

    begin(_i, NULL, LOGFILE_PREPARE_NONE);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(logfile_append(described, "record", 6, &lsn), 0);
    ck_assert_int_eq(logfile_trim(described, lsn), 0);
    ck_assert_uint_gt(logfile_oldest_lsn(described), 16384);
    ck_assert_str_eq(
        describe(LOGFILE_ETRIMMED),
        expected("position is below the oldest record that is kept: the log starts at LSN %" PRIu64,
                 logfile_oldest_lsn(described)));
    ck_assert_str_eq(describe(LOGFILE_EBEYOND),
                     expected("position is above the end of the log: durable up to LSN %" PRIu64,
                              logfile_durable_lsn(described)));
    ck_assert_str_eq(describe(LOGFILE_ETOOBIG),
                     expected("record is larger than the log takes: %zu bytes at most, with "
                              "slot_bytes 8192; a mark: 4000",
                              logfile_record_max(described)));
    ck_assert_str_eq(describe(LOGFILE_EMISMATCH),
                     "options do not go with the log as it was made: slot_bytes 8192, "
                     "segment_bytes 0");
    logfile_id(described, id);
    for (unsigned i = 0; i < sizeof id; i++)
        snprintf(hex + 2 * i, 3, "%02x", id[i]);
    ck_assert_str_eq(describe(LOGFILE_EIDENTITY),
                     expected("another log than the one that was expected: this one is %s", hex));
    ck_assert_int_eq(logfile_shutdown(described, NULL), 0);
    ck_assert_int_eq(logfile_append(described, "record", 6, NULL), LOGFILE_ECLOSED);
    ck_assert_str_eq(
        describe(LOGFILE_ECLOSED),
        expected("log is shut down: durable up to LSN %" PRIu64, logfile_durable_lsn(described)));
    end(0);
}
END_TEST

/* What the log knows nothing of; room errors too, while there is room. */
START_TEST(test_what_it_does_not_know)
{
    static const int errors[] = {
        0,       1,      -EIO,    -ENOSPC,         -EMFILE,         -12345,
        INT_MIN, -EFBIG, -EINVAL, LOGFILE_EFAILED, LOGFILE_ELOCKED, LOGFILE_ECORRUPT,
    };

    begin(_i, NULL, LOGFILE_PREPARE_ALLOCATE);
    for (unsigned i = 0; i < sizeof errors / sizeof errors[0]; i++)
        ck_assert_str_eq(describe(errors[i]), logfile_strerror(errors[i]));
    ck_assert_int_eq(logfile_describe(described, -EIO, NULL, 1), -EINVAL);
    ck_assert_int_eq(logfile_describe(NULL, -EIO, text, sizeof text), -EINVAL);
    end(0);
}
END_TEST

START_TEST(test_failed)
{
    begin(_i, NULL, LOGFILE_PREPARE_NONE);
    uint64_t lsn = logfile_durable_lsn(described);
    logfile_sim_fault(disk,
                      &(struct logfile_sim_fault){.call = LOGFILE_SIM_WRITE, .error = -EROFS});
    ck_assert_int_eq(logfile_append(described, "record", 6, NULL), LOGFILE_EFAILED);
    ck_assert_str_eq(describe(LOGFILE_EFAILED),
                     expected("log has failed: a write or sync went wrong: write at LSN %" PRIu64
                              " failed: Read-only file system; durable up to LSN %" PRIu64,
                              lsn, lsn));
    end(LOGFILE_EFAILED);
}
END_TEST

/* A file that is gone is named. */
START_TEST(test_removed)
{
    uint64_t lsn = 0;
    int error;

    engine_variant_get((unsigned)_i, &variant);
    watchdog_start(60, variant.name);
    enter_folder();
    variant.options.slot_bytes = SLOT_BYTES;
    variant.options.segment_bytes = _i % 2 == 0 ? 64 << 10 : 0;
    ck_assert_int_eq(logfile_open(folder_path(LOG_PATH), &variant.options, NULL, &described), 0);
    ck_assert_int_eq(logfile_append(described, "record", 6, &lsn), 0);
    const char *segment = folder_path(LOG_PATH "/0000000000000000.segment");
    ck_assert_int_eq(remove(variant.options.segment_bytes != 0 ? segment : folder_path(LOG_PATH)),
                     0);
    error = logfile_trim(described, lsn); /* which looks */
    ck_assert_int_eq(error, LOGFILE_EFAILED);
    ck_assert_str_eq(
        describe(LOGFILE_EFAILED),
        expected("log has failed: a write or sync went wrong: %s has been removed or replaced; "
                 "durable up to LSN %" PRIu64,
                 variant.options.segment_bytes != 0 ? "0000000000000000.segment" : "the log's file",
                 logfile_durable_lsn(described)));
    ck_assert_int_eq(logfile_close(described), LOGFILE_EFAILED);
    leave_folder();
    watchdog_stop();
}
END_TEST

START_TEST(test_full_disk)
{
    struct logfile_sim_options small = {.capacity_bytes = 128 << 10};
    uint64_t missing, after_lsn, free_bytes, keep;
    int error, end_of_line = 0;

    begin(_i, &small, LOGFILE_PREPARE_ALLOCATE);
    ck_assert_int_eq(logfile_close(described), 0);
    variant.options.keep_free_bytes = 40 << 10;
    ck_assert_int_eq(logfile_open(LOG_PATH, &variant.options, NULL, &described), 0);
    do
        error = logfile_append(described, "record", 6, NULL);
    while (error == 0);
    ck_assert_int_eq(error, -ENOSPC);
    ck_assert_int_eq(sscanf(describe(-ENOSPC),
                            "No space left on device: %" SCNu64
                            " bytes are missing after LSN %" SCNu64 "; the file system has %" SCNu64
                            " free, keep_free_bytes is %" SCNu64 "%n",
                            &missing, &after_lsn, &free_bytes, &keep, &end_of_line),
                     4);
    ck_assert_uint_eq(text[end_of_line], '\0');
    ck_assert_uint_eq(keep, 40 << 10);
    ck_assert_uint_eq(free_bytes, (128 << 10) - logfile_sim_used_bytes(disk, NULL));
    ck_assert_uint_ge(after_lsn, logfile_durable_lsn(described));
    ck_assert_uint_gt(missing, 0);
    ck_assert_uint_lt(free_bytes, keep + missing);                  /* That is why. */
    ck_assert_str_eq(describe(-EDQUOT), logfile_strerror(-EDQUOT)); /* It is not that. */

    logfile_sim_set_capacity(disk, 1 << 20);
    while ((error = logfile_append(described, "record", 6, NULL)) == -ENOSPC)
        sleep_us(1000);
    ck_assert_int_eq(error, 0);
    ck_assert_str_eq(describe(-ENOSPC), logfile_strerror(-ENOSPC)); /* It is over. */
    end(0);
}
END_TEST

/* A call that did not wait: for how much, and what holds that up. */
START_TEST(test_pending)
{
    const struct timespec past = deadline_in_ms(-1);
    struct logfile_stats stats;
    uint64_t lsn, seconds, pending, call_lsn;
    unsigned ms;

    begin(_i, NULL, LOGFILE_PREPARE_NONE);
    ck_assert_str_eq(describe(-EAGAIN), logfile_strerror(-EAGAIN)); /* It may try again. */
    logfile_sim_gate_close(disk, LOGFILE_SIM_SYNC);
    ck_assert_int_eq(logfile_append_until(described, "record", 6, &past, &lsn), -ETIMEDOUT);
    ck_assert(logfile_sim_gate_is_reached(disk, 600000));
    do /* the write before it may still be noted */
        ck_assert_int_eq(logfile_stats(described, &stats, sizeof stats), 0);
    while (stats.inflight_call != LOGFILE_CALL_SYNC);
    ck_assert_int_gt(logfile_describe(described, -ETIMEDOUT, text, sizeof text), 0);
    ck_assert_int_eq(
        strncmp(text, logfile_strerror(-ETIMEDOUT), strlen(logfile_strerror(-ETIMEDOUT))), 0);
    ck_assert_int_eq(sscanf(text + strlen(logfile_strerror(-ETIMEDOUT)),
                            ": %" SCNu64 " bytes are not durable yet; sync of LSN %" SCNu64
                            ", under way for %" SCNu64 ".%u s",
                            &pending, &call_lsn, &seconds, &ms),
                     4);
    ck_assert_uint_gt(pending, 6);
    ck_assert_uint_eq(call_lsn, logfile_durable_lsn(described));
    logfile_sim_gate_open(disk);
    ck_assert_int_eq(logfile_wait(described, lsn, NULL), 0);
    end(0);
}
END_TEST

START_TEST(test_reservations)
{
    struct logfile_reservation reservation[2];

    begin(0, NULL, LOGFILE_PREPARE_NONE);
    ck_assert_int_eq(logfile_reserve(described, 1, NULL, &reservation[0]), 0);
    ck_assert_int_eq(logfile_reserve(described, 1, NULL, &reservation[1]), 0);
    ck_assert_int_eq(logfile_close(described), -EBUSY);
    ck_assert_str_eq(describe(-EBUSY),
                     expected("%s: 2 reservations are held", logfile_strerror(-EBUSY)));
    ck_assert_int_eq(logfile_abandon(described, &reservation[0]), 0);
    ck_assert_int_eq(logfile_abandon(described, &reservation[1]), 0);
    end(0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("describe");
    TCase *tcase = tcase_create("describe");
    int engines = (int)engine_variant_count();

    tcase_add_loop_test(tcase, test_numbers_of_the_log, 0, engines);
    tcase_add_loop_test(tcase, test_what_it_does_not_know, 0, engines);
    tcase_add_loop_test(tcase, test_failed, 0, engines);
    tcase_add_loop_test(tcase, test_removed, 0, engines);
    tcase_add_loop_test(tcase, test_full_disk, 0, engines);
    tcase_add_loop_test(tcase, test_pending, 0, 2); /* those with a thread that flushes */
    tcase_add_test(tcase, test_reservations);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
