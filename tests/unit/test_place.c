/* SPDX-License-Identifier: MIT */
/*
 * A place in a log that was kept: an LSN, a cursor, an id, and the bytes of the trim mark.  Whoever
 * comes back with one reads on exactly there, or is told that the log is another one, or ends before.
 */
#include "format/format.h"
#include "io_stack.h"
#include "log_image.h"
#include "logfile_sim.h"
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    RECORDS = 200,
    SLOT_BYTES = 8 << 10,
    SEGMENT_BYTES = 64 << 10
};

#define NAME "log"

static struct logfile_sim *disk;
static struct io_layer layer; /* over the disk: it counts what is read */
static uint64_t lsns[RECORDS];
static uint64_t segment_bytes;

/* Two tests of each: of one file, and of segments. */
static void begin(int index)
{
    disk = logfile_sim_new(NULL);
    io_layer_init(&layer, logfile_sim_io(disk));
    segment_bytes = index % 2 == 1 ? SEGMENT_BYTES : 0;
    watchdog_start(120, "test_place");
}

static void end(void)
{
    ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
    logfile_sim_free(disk);
    watchdog_stop();
}

static struct logfile_options options_of_log(void)
{
    return (struct logfile_options){.io = &layer.io,
                                    .slot_bytes = SLOT_BYTES,
                                    .segment_bytes = segment_bytes,
                                    .prepare = LOGFILE_PREPARE_ALLOCATE,
                                    .prepare_bytes = 64 << 10};
}

static struct logfile *open_log(void)
{
    struct logfile_open_report report;
    struct logfile_options options = options_of_log();
    struct logfile *log = NULL;

    int error = logfile_open(NAME, &options, &report, &log);
    ck_assert_msg(error == 0, "%s", report.message);
    return log;
}

static void append(struct logfile *log, unsigned from, unsigned to)
{
    unsigned char payload[1000];

    for (unsigned i = from; i < to; i++) {
        payload_fill(payload, sizeof payload, i);
        ck_assert_int_eq(logfile_append(log, payload, sizeof payload, &lsns[i]), 0);
    }
}

static void make_log(unsigned records)
{
    struct logfile *log = open_log();

    append(log, 0, records);
    ck_assert_int_eq(logfile_close(log), 0);
}

static void expect(struct logfile_reader *reader, unsigned i)
{
    struct logfile_record record;

    ck_assert_int_eq(logfile_reader_next(reader, &record), 1);
    ck_assert_uint_eq(record.lsn, lsns[i]);
    ck_assert(payload_matches(record.data, record.size, i));
}

static void expect_end(struct logfile_reader *reader)
{
    struct logfile_record record;

    ck_assert_int_eq(logfile_reader_next(reader, &record), 0);
}

static int open_at(uint64_t lsn, struct logfile_reader **readerp)
{
    return logfile_reader_open(NAME, READING(.lsn = lsn, .io = &layer.io), readerp);
}

static int open_at_cursor(const struct logfile_cursor *cursor, struct logfile_reader **readerp)
{
    const struct logfile_reader_options options = {.cursor = cursor, .io = &layer.io};

    return logfile_reader_open(NAME, &options, readerp);
}

/* Changes a byte of a record's payload on the disk. */
static void damage_record(unsigned i)
{
    const uint64_t lsn = lsns[i] + LF_RECORD_HEADER_BYTES + 3;
    char path[64] = NAME;
    uint64_t offset = lsn;
    unsigned char byte;

    if (segment_bytes != 0) {
        snprintf(path, sizeof path, NAME "/%016llx.segment",
                 (unsigned long long)(lsn / segment_bytes));
        offset = lsn % segment_bytes;
    }
    ck_assert_int_eq(logfile_sim_peek(disk, path, offset, &byte, 1), 0);
    byte ^= 0x10;
    logfile_sim_poke(disk, path, offset, &byte, 1);
}

static void remove_log(void)
{
    logfile_sim_free(disk);
    disk = logfile_sim_new(NULL);
    io_layer_init(&layer, logfile_sim_io(disk));
}

START_TEST(an_lsn_is_found_without_reading_what_is_before)
{
    struct logfile_reader *reader;

    begin(_i);
    make_log(RECORDS);
    for (unsigned i = 0; i < RECORDS; i += 7) {
        io_layer_count_anew(&layer);
        ck_assert_int_eq(open_at(lsns[i], &reader), 0);
        expect(reader, i);
        ck_assert_uint_le(io_layer_bytes(&layer, LOGFILE_SIM_READ),
                          2 * SLOT_BYTES + (128 << 10)); /* of 800 KiB */
        if (i + 1 < RECORDS)
            expect(reader, i + 1);
        logfile_reader_close(reader);
        ck_assert_int_eq(open_at(lsns[i] - 1, &reader), 0);
        expect(reader, i);
        logfile_reader_close(reader);
    }
    end();
}
END_TEST

START_TEST(an_lsn_above_the_end_is_told)
{
    struct logfile_reader *reader = NULL;

    begin(_i);
    struct logfile *log = open_log();
    append(log, 0, 20);
    const uint64_t next_lsn = logfile_next_lsn(log);
    for (int live = 1; live >= 0; live--) {
        ck_assert_int_eq(open_at(lsns[19] + 1, &reader), 0);
        expect_end(reader);
        logfile_reader_close(reader);
        reader = NULL;
        ck_assert_int_eq(open_at(next_lsn + (1 << 20), &reader), LOGFILE_EBEYOND);
        if (segment_bytes == 0) /* else that may be what an epoch leaves of its segment */
            ck_assert_int_eq(open_at(next_lsn + 2 * LF_BLOCK_BYTES, &reader), LOGFILE_EBEYOND);
        ck_assert_int_eq(open_at(UINT64_MAX, &reader), LOGFILE_EBEYOND);
        ck_assert_ptr_null(reader);
        if (live)
            ck_assert_int_eq(logfile_close(log), 0);
    }
    end();
}
END_TEST

/* A position that was kept, of a log that was put away: the new one is shorter, or has caught up. */
START_TEST(another_log_is_told)
{
    struct logfile_reader *reader = NULL;
    struct logfile_cursor cursor;
    uint8_t id[16], other[16];
    const struct logfile_reader_options expecting = {.expect_id = id, .io = &layer.io};

    begin(_i);
    struct logfile *log = open_log();
    logfile_id(log, id);
    append(log, 0, 50);
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert_int_eq(logfile_reader_open(NAME, &expecting, &reader), 0);
    for (unsigned i = 0; i < 50; i++)
        expect(reader, i);
    ck_assert_int_eq(logfile_reader_cursor(reader, &cursor), 0);
    ck_assert_mem_eq(cursor.id, id, sizeof id);
    logfile_reader_close(reader);
    const uint64_t saved = cursor.lsn;

    remove_log();
    log = open_log();
    logfile_id(log, other);
    ck_assert_mem_ne(other, id, sizeof id);
    append(log, 0, 5);
    ck_assert_int_eq(open_at(saved, &reader), LOGFILE_EBEYOND);
    append(log, 5, 80);
    ck_assert_int_eq(open_at_cursor(&cursor, &reader), LOGFILE_EIDENTITY);
    ck_assert_int_eq(logfile_reader_open(NAME, &expecting, &reader), LOGFILE_EIDENTITY);
    ck_assert_int_eq(logfile_close(log), 0);

    struct logfile_open_report report;
    struct logfile_options options = options_of_log();
    options.expect_id = id;
    ck_assert_int_eq(logfile_open(NAME, &options, &report, &log), LOGFILE_EIDENTITY);
    options.expect_id = other;
    ck_assert_int_eq(logfile_open(NAME, &options, &report, &log), 0);
    ck_assert_int_eq(logfile_close(log), 0);
    end();
}
END_TEST

START_TEST(a_cursor_neither_repeats_nor_leaves_out)
{
    struct logfile_reader *reader;
    struct logfile_cursor cursor;

    begin(_i);
    make_log(60);
    ck_assert_int_eq(open_at(0, &reader), 0);
    ck_assert_int_eq(logfile_reader_cursor(reader, &cursor), 0);
    for (unsigned i = 0; i < 60; i++) {
        logfile_reader_close(reader);
        ck_assert_int_eq(open_at_cursor(&cursor, &reader), 0);
        expect(reader, i);
        ck_assert_int_eq(logfile_reader_cursor(reader, &cursor), 0);
    }
    expect_end(reader);
    logfile_reader_close(reader);
    ck_assert_int_eq(open_at_cursor(&cursor, &reader), 0);
    expect_end(reader);
    struct logfile *log = open_log();
    append(log, 60, 70);
    for (unsigned i = 60; i < 70; i++)
        expect(reader, i);
    logfile_reader_close(reader);
    ck_assert_int_eq(logfile_trim(log, lsns[65]), 0);
    ck_assert_int_eq(open_at_cursor(&cursor, &reader), LOGFILE_ETRIMMED);
    ck_assert_int_eq(logfile_close(log), 0);
    end();
}
END_TEST

/* A copy of the log is put back, and gets other records at the same places. */
START_TEST(another_history_is_told)
{
    struct logfile_reader *reader = NULL;
    struct logfile_cursor cursor, beyond;

    begin(_i);
    make_log(10);
    struct logfile_sim *copy = logfile_sim_clone(disk);
    struct logfile *log = open_log();
    append(log, 10, 40);
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert_int_eq(open_at(lsns[10], &reader), 0);
    expect(reader, 10);
    ck_assert_int_eq(logfile_reader_cursor(reader, &cursor), 0);
    for (unsigned i = 11; i < 40; i++)
        expect(reader, i);
    ck_assert_int_eq(logfile_reader_cursor(reader, &beyond), 0);
    logfile_reader_close(reader);

    logfile_sim_free(disk);
    disk = copy;
    io_layer_init(&layer, logfile_sim_io(disk));
    reader = NULL;
    ck_assert_int_eq(open_at_cursor(&beyond, &reader), LOGFILE_EBEYOND);
    log = open_log();
    append(log, 10, 20);
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert_int_eq(open_at_cursor(&cursor, &reader), LOGFILE_EIDENTITY);
    ck_assert_int_eq(open_at_cursor(&beyond, &reader), LOGFILE_EBEYOND);
    ck_assert_ptr_null(reader);
    end();
}
END_TEST

/* Reading starts where it was asked to, whatever has become of what is before. */
START_TEST(damage_before_the_start_is_not_met)
{
    struct logfile_reader *reader;
    struct logfile_record record;

    begin(_i);
    make_log(RECORDS);
    damage_record(3);
    damage_record(90);
    for (unsigned i = 4; i < RECORDS; i++) {
        ck_assert_int_eq(open_at(lsns[i], &reader), 0);
        if (i != 90)
            expect(reader, i);
        else
            ck_assert_int_eq(logfile_reader_next(reader, &record), LOGFILE_ECORRUPT);
        logfile_reader_close(reader);
    }
    ck_assert_int_eq(open_at(lsns[80], &reader), 0);
    for (unsigned i = 80; i < 90; i++)
        expect(reader, i);
    ck_assert_int_eq(logfile_reader_next(reader, &record), LOGFILE_ECORRUPT);
    ck_assert_int_eq(logfile_reader_skip(reader), 0);
    for (unsigned i = 91; i < RECORDS; i++)
        expect(reader, i);
    expect_end(reader);
    logfile_reader_close(reader);
    end();
}
END_TEST

/* An epoch that reached the disk although the one before it did not is no place to start at. */
START_TEST(what_a_crash_left_behind_the_end_is_not_found)
{
    struct logfile_reader *reader = NULL;
    struct log_image image;

    begin(0);
    log_image_new(&image, SLOT_BYTES, 1);
    log_image_open(&image);
    log_image_record(&image, "kept", 4);
    log_image_seal(&image);
    image.hold_promise = 1;
    log_image_record(&image, "lost", 4);
    const uint64_t lost_lsn = log_image_seal(&image);
    const uint64_t stray_lsn = log_image_record(&image, "stray", 5);
    log_image_seal(&image);
    memset(image.bytes + lost_lsn, 0, LF_BLOCK_BYTES);
    log_image_store(&image, logfile_sim_io(disk), NAME);
    ck_assert_int_eq(open_at(stray_lsn, &reader), LOGFILE_EBEYOND);
    ck_assert_int_eq(open_at(lost_lsn, &reader), 0);
    expect_end(reader);
    logfile_reader_close(reader);
    log_image_free(&image);
    end();
}
END_TEST

/* ---- The bytes that are kept ---- */

static void expect_kept(struct logfile *log, const void *bytes, size_t size)
{
    uint8_t found[LOGFILE_MARK_MAX];

    ck_assert_int_eq(logfile_mark_read(log, found, sizeof found), (int)size);
    ck_assert(size == 0 || memcmp(found, bytes, size) == 0);
}

START_TEST(a_mark_keeps_bytes_over_trims_and_openings)
{
    uint8_t bytes[LOGFILE_MARK_MAX], part[5];

    begin(_i);
    payload_fill(bytes, sizeof bytes, 1);
    struct logfile *log = open_log();
    expect_kept(log, NULL, 0);
    append(log, 0, 100);
    ck_assert_int_eq(logfile_mark(log, 0, "term 3", 6), 0);
    ck_assert_uint_eq(logfile_oldest_lsn(log), LF_FIRST_LSN);
    ck_assert_int_eq(logfile_trim(log, lsns[10]), 0);
    expect_kept(log, "term 3", 6);
    ck_assert_int_eq(logfile_mark_read(log, part, sizeof part), 6);
    ck_assert_mem_eq(part, "term ", 5);
    ck_assert_int_eq(logfile_mark_read(log, NULL, 0), 6);
    ck_assert_int_eq(logfile_close(log), 0);

    log = open_log();
    expect_kept(log, "term 3", 6);
    const uint64_t oldest_lsn = logfile_oldest_lsn(log);
    ck_assert_int_eq(logfile_mark(log, lsns[50], bytes, sizeof bytes), 0);
    ck_assert_uint_gt(logfile_oldest_lsn(log), oldest_lsn);
    ck_assert_uint_le(logfile_oldest_lsn(log), lsns[50]);
    ck_assert_int_eq(logfile_mark(log, 0, bytes, sizeof bytes + 1), LOGFILE_ETOOBIG);
    ck_assert_int_eq(logfile_mark(log, 0, NULL, 1), -EINVAL);
    ck_assert_int_eq(logfile_mark(log, logfile_durable_lsn(log) + 1, "x", 1), -EINVAL);
    ck_assert_int_eq(logfile_mark(NULL, 0, "x", 1), -EINVAL);
    expect_kept(log, bytes, sizeof bytes);
    ck_assert_int_eq(logfile_mark(log, 0, NULL, 0), 0);
    expect_kept(log, NULL, 0);
    ck_assert_int_eq(logfile_close(log), 0);
    end();
}
END_TEST

/* Whatever call a crash strikes, the bytes and the oldest record are those before, or those after. */
START_TEST(a_mark_is_one_step)
{
    static const char *const kept[] = {"before", "after!"};

    begin(_i);
    for (uint64_t call = 1, crashed = 1; crashed; call++) {
        remove_log();
        struct logfile *log = open_log();
        append(log, 0, 60);
        ck_assert_int_eq(logfile_mark(log, lsns[5], kept[0], 6), 0);
        const uint64_t before_lsn = logfile_oldest_lsn(log);
        ck_assert_int_eq(logfile_sim_crash_at(disk, call), 0);
        const int error = logfile_mark(log, lsns[50], kept[1], 6);
        crashed = logfile_sim_is_down(disk);
        (void)logfile_close(log);
        if (logfile_sim_is_down(disk))
            ck_assert_int_eq(logfile_sim_reboot(disk, call), 0);
        else
            ck_assert_int_eq(logfile_sim_crash_at(disk, 0), 0);
        log = open_log();
        const bool moved = logfile_oldest_lsn(log) != before_lsn;
        ck_assert(moved || error != 0);
        expect_kept(log, kept[moved], 6);
        ck_assert_int_eq(logfile_close(log), 0);
    }
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("place");
    TCase *tcase = tcase_create("places");

    tcase_set_timeout(tcase, 600);
    tcase_add_loop_test(tcase, an_lsn_is_found_without_reading_what_is_before, 0, 2);
    tcase_add_loop_test(tcase, an_lsn_above_the_end_is_told, 0, 2);
    tcase_add_loop_test(tcase, another_log_is_told, 0, 2);
    tcase_add_loop_test(tcase, a_cursor_neither_repeats_nor_leaves_out, 0, 2);
    tcase_add_loop_test(tcase, another_history_is_told, 0, 2);
    tcase_add_loop_test(tcase, damage_before_the_start_is_not_met, 0, 2);
    tcase_add_test(tcase, what_a_crash_left_behind_the_end_is_not_found);
    tcase_add_loop_test(tcase, a_mark_keeps_bytes_over_trims_and_openings, 0, 2);
    tcase_add_loop_test(tcase, a_mark_is_one_step, 0, 2);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
