/* SPDX-License-Identifier: MIT */
/*
 * What reading costs: bytes read and memory, for logs that are larger, or damaged in more places, by
 * steps of four.  Both grow as the log does, and no faster.
 */
#include "fuzz_meter.h"
#include "ring/log.h"
#include "log_image.h"
#include "rot/memory_disk.h"
#include "support.h"
#include "tool/tool.h"
#include "read/window.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_FACTOR 12
#define READ_BYTES (16 * (uint64_t)LF_BLOCK_BYTES)
/* What a reader takes, with the user's bytes of the trim mark, and the names of its files. */
#define READER_BYTES 12288u
/* What an open log takes: where it can be trimmed to, and the block of a trim mark. */
#define LOG_BYTES                                                                                  \
    (sizeof(struct logfile) + LF_LANDMARKS_MAX * sizeof(struct lf_landmark) + LF_BLOCK_BYTES +     \
     READER_BYTES)

static struct memory_disk disk;

static void setup(void)
{
    memory_disk_init(&disk, false);
}

static void teardown(void)
{
    memory_disk_free(&disk);
}

/* Every second epoch is damaged, `damage_count` in all. */
static void make_damaged(unsigned damage_count)
{
    struct log_image image;

    log_image_new(&image, 8192, 1);
    log_image_open(&image);
    for (unsigned i = 0; i < damage_count; i++) {
        log_image_record(&image, "lost", 4);
        image.bytes[log_image_seal(&image) + LF_EPOCH_HEADER_BYTES] ^= 1;
        log_image_record(&image, "kept", 4);
        log_image_seal(&image);
    }
    log_image_close(&image);
    log_image_store(&image, &disk.io, MEMORY_PATH);
    log_image_free(&image);
}

static void make_whole(unsigned epoch_count, size_t record_bytes)
{
    static uint8_t record[60000];
    struct log_image image;

    log_image_new(&image, 65536, 1);
    log_image_open(&image);
    for (unsigned i = 0; i < epoch_count; i++) {
        log_image_record(&image, record, record_bytes);
        log_image_seal(&image);
    }
    log_image_close(&image);
    log_image_store(&image, &disk.io, MEMORY_PATH);
    log_image_free(&image);
}

struct costs {
    unsigned records;
    unsigned breaks;
    uint64_t read_bytes;
    size_t memory_bytes;
};

static struct costs read_all(void)
{
    struct logfile_reader *reader;
    struct logfile_record record;
    struct costs costs = {0};
    int found;

    disk.read_bytes = 0;
    fuzz_meter_start();
    ck_assert_int_eq(logfile_reader_open(MEMORY_PATH, READING(.io = &disk.io), &reader), 0);
    while ((found = logfile_reader_next(reader, &record)) != 0) {
        costs.records += found == 1;
        costs.breaks += found != 1;
        if (found != 1)
            ck_assert_int_eq(logfile_reader_skip(reader), 0);
    }
    logfile_reader_close(reader);
    costs.read_bytes = disk.read_bytes;
    costs.memory_bytes = fuzz_meter_peak();
    return costs;
}

static void check_read_bytes(const char *what, uint64_t read_bytes)
{
    const uint64_t file_bytes = memory_disk_bytes(&disk);

    printf("%s: %.2f bytes read for each of %" PRIu64 "\n", what,
           (double)read_bytes / (double)file_bytes, file_bytes);
    ck_assert_uint_le(read_bytes, READ_FACTOR * file_bytes + READ_BYTES);
}

static const unsigned damages[] = {1, 4, 16, 64, 256};

START_TEST(damage_costs_a_reader_the_same_each_time)
{
    make_damaged(damages[_i]);
    const struct costs costs = read_all();
    ck_assert_uint_eq(costs.records, damages[_i]);
    ck_assert_uint_eq(costs.breaks, damages[_i]);
    check_read_bytes("reader", costs.read_bytes);
}
END_TEST

START_TEST(damage_costs_verify_the_same_each_time)
{
    char *report = NULL;
    size_t report_bytes;
    FILE *out = open_memstream(&report, &report_bytes);

    make_damaged(damages[_i]);
    disk.read_bytes = 0;
    ck_assert_int_eq(lf_tool_verify_log(&disk.io, MEMORY_PATH, out), LF_TOOL_CORRUPT);
    fclose(out);
    free(report);
    check_read_bytes("verify", disk.read_bytes);
}
END_TEST

/* Beyond the largest epoch and 64 KiB a reader takes an eighth of what it found valid, up to 1 MiB. */
static size_t window_bytes_max(size_t record_bytes)
{
    const size_t eighth = (size_t)memory_disk_bytes(&disk) / 8;
    const size_t window =
        (size_t)lf_round_up(record_bytes + LF_EPOCH_HEADER_BYTES + 8, LF_BLOCK_BYTES) +
        LF_WINDOW_BYTES_MIN;

    return eighth > window ? eighth : window;
}

/* What opening for appending takes, its buffers aside, which are mapped and as large as asked
 * for. */
static size_t memory_of_opening(void)
{
    const struct logfile_options options = {
        .lab = &(struct logfile_lab){.engine = LOGFILE_ENGINE_SERIAL},
        .prepare = LOGFILE_PREPARE_NONE,
        .io = &disk.io};
    struct logfile *log;

    fuzz_meter_start();
    ck_assert_int_eq(logfile_open(MEMORY_PATH, &options, NULL, &log), 0);
    const size_t memory_bytes = fuzz_meter_peak();
    ck_assert_int_eq(logfile_close(log), 0);
    return memory_bytes;
}

START_TEST(memory_follows_what_is_valid)
{
    static const unsigned epochs[] = {1, 4, 16, 64, 200};
    static const size_t sizes[] = {4000, 60000};

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        make_whole(epochs[_i], sizes[i]);
        const size_t reading = read_all().memory_bytes;
        const size_t window_max = window_bytes_max(sizes[i]);
        const size_t opening = memory_of_opening();
        printf("%u epochs of %zu bytes: %zu bytes of memory to read, %zu to open\n", epochs[_i],
               sizes[i], reading, opening);
        ck_assert_uint_le(reading, window_max + READER_BYTES);
        ck_assert_uint_le(opening, window_max + LOG_BYTES);
    }
}
END_TEST

static Suite *costs_suite(void)
{
    Suite *suite = suite_create("costs");
    TCase *tests = tcase_create("costs");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, damage_costs_a_reader_the_same_each_time, 0, 5);
    tcase_add_loop_test(tests, damage_costs_verify_the_same_each_time, 0, 5);
    tcase_add_loop_test(tests, memory_follows_what_is_valid, 0, 5);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return run_suite(costs_suite());
}
