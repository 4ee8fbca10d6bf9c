/* SPDX-License-Identifier: MIT */
/*
 * The path reader on logs of segments and on logs that are trimmed under it: across every border,
 * behind a writer that goes on to the next segment, and at a place that is no longer there.
 */
#include "storage/io.h"
#include "log_image.h"
#include "logfile.h"
#include "read/reader.h"
#include "logfile_sim.h"
#include "io_stack.h"
#include "support.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOT_BYTES 8192u
/* Epochs of one block go to blocks 4 to 8; behind the one in block 8 no other is sure to fit. */
#define SEGMENT_BYTES (LF_FIRST_LSN + 3 * SLOT_BYTES + LF_BLOCK_BYTES)
#define EPOCHS_PER_SEGMENT 5u
#define NAME "log"
#define CONTROL NAME "/control"

/* ---- A log on a simulated disk, and what a writer does to it ---- */

static struct logfile_sim *disk_with(const struct log_image *image)
{
    static const struct logfile_sim_options options;
    struct logfile_sim *disk = logfile_sim_new(&options);

    log_image_store(image, logfile_sim_io(disk), NAME);
    return disk;
}

static const char *segment_path(uint64_t index)
{
    return log_image_segment_path(NAME, index);
}

static struct logfile_reader *open_reader(struct logfile_sim *disk, uint64_t lsn)
{
    struct logfile_reader *reader = NULL;

    ck_assert_int_eq(
        logfile_reader_open(NAME, READING(.lsn = lsn, .io = logfile_sim_io(disk)), &reader), 0);
    return reader;
}

/* Holds the writer's lock. */
static int open_writer(struct logfile_sim *disk)
{
    const struct logfile_io *io = logfile_sim_io(disk);
    const int fd = io->open(io->context, LOGFILE_IO_HERE, CONTROL, LOGFILE_IO_OPEN_WRITE, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(io->lock(io->context, fd), 0);
    return fd;
}

static void close_writer(struct logfile_sim *disk, int fd)
{
    const struct logfile_io *io = logfile_sim_io(disk);

    ck_assert_int_eq(io->close(io->context, fd), 0);
}

/* The nth epoch of all, OPEN being 0, where each has one block. */
static uint64_t epoch_lsn(unsigned n)
{
    return n / EPOCHS_PER_SEGMENT * (uint64_t)SEGMENT_BYTES + LF_FIRST_LSN +
           n % EPOCHS_PER_SEGMENT * (uint64_t)LF_BLOCK_BYTES;
}

static uint64_t segment_of(uint64_t lsn)
{
    return lsn / SEGMENT_BYTES;
}

/* Its record says which epoch it is in; *n is the number of the next one. */
static void add_epoch(struct log_image *image, unsigned *n)
{
    uint8_t payload[SLOT_BYTES];

    ck_assert_uint_eq(image->chain.lsn, epoch_lsn(*n));
    payload_fill(payload, 100 + *n, *n);
    log_image_record(image, payload, 100 + *n);
    log_image_seal(image);
    ++*n;
}

/* OPEN and the epochs 1 to count - 1. */
static void build_log(struct log_image *image, unsigned count)
{
    unsigned n = 1;

    log_image_new_segments(image, SLOT_BYTES, SEGMENT_BYTES, 1);
    log_image_open(image);
    while (n < count)
        add_epoch(image, &n);
}

/* Puts on the disk what the image has from epoch n on. */
static void publish(struct logfile_sim *disk, const struct log_image *image, unsigned n)
{
    const struct logfile_io *io = logfile_sim_io(disk);

    for (uint64_t index = segment_of(epoch_lsn(n)); index <= segment_of(image->size - 1); index++)
        log_image_store_segment(image, io, NAME, index);
}

static void write_trim_mark(struct logfile_sim *disk, struct log_image *image, unsigned n)
{
    log_image_trim(image, epoch_lsn(n));
    logfile_sim_poke(disk, CONTROL, 0, image->bytes, LF_FIRST_LSN);
}

/* Trims to epoch n and unlinks what is below. */
static void trim_and_unlink(struct logfile_sim *disk, struct log_image *image, unsigned n)
{
    const struct logfile_io *io = logfile_sim_io(disk);

    write_trim_mark(disk, image, n);
    for (uint64_t index = 0; index < segment_of(epoch_lsn(n)); index++)
        io->unlink(io->context, LOGFILE_IO_HERE, segment_path(index));
}

/* Gives segment `index` the header of `next_index`; its epochs stay. */
static void write_header(struct logfile_sim *disk, const struct log_image *image, uint64_t index,
                         uint64_t next_index)
{
    _Alignas(LF_BLOCK_BYTES) uint8_t block[LF_BLOCK_BYTES];
    struct lf_file_header *header = (struct lf_file_header *)block;

    memcpy(block, image->bytes, sizeof(block)); /* the control file's */
    header->first_lsn = lf_segment_first_lsn(&image->chain.layout, next_index);
    lf_file_header_seal(block);
    for (uint64_t copy = 0; copy < 2; copy++)
        logfile_sim_poke(disk, segment_path(index), copy * LF_BLOCK_BYTES, block, sizeof(block));
}

/* Trims to epoch n, and makes the segments below the next ones, which the image has already. */
static void trim_and_recycle(struct logfile_sim *disk, struct log_image *image, unsigned n,
                             uint64_t next_index)
{
    const struct logfile_io *io = logfile_sim_io(disk);

    write_trim_mark(disk, image, n);
    for (uint64_t index = 0; index < segment_of(epoch_lsn(n)); index++, next_index++) {
        write_header(disk, image, index, next_index);
        ck_assert_int_eq(
            io->rename(io->context, LOGFILE_IO_HERE, segment_path(index), segment_path(next_index)),
            0);
        if (next_index <= segment_of(image->size - 1))
            log_image_store_segment(image, io, NAME, next_index);
    }
}

/* ---- What a reader finds ---- */

static void expect_epoch(const struct logfile_record *record, unsigned n)
{
    ck_assert_uint_eq(record->lsn, epoch_lsn(n) + LF_EPOCH_HEADER_BYTES);
    ck_assert_uint_eq(record->size, 100 + n);
    ck_assert(payload_matches(record->data, record->size, n));
}

/* Reads from epoch *n on to the end, or to an error, which it returns; *n is what is next. */
static int read_on(struct logfile_reader *reader, unsigned *n)
{
    struct logfile_record record;
    int found;

    while ((found = logfile_reader_next(reader, &record)) == 1)
        expect_epoch(&record, (*n)++);
    return found;
}

/* Reads epochs from *n on, up to `end`. */
static void read_to(struct logfile_reader *reader, unsigned *n, unsigned end)
{
    struct logfile_record record;

    while (*n < end) {
        ck_assert_int_eq(logfile_reader_next(reader, &record), 1);
        expect_epoch(&record, (*n)++);
    }
}

static struct logfile_tail expect_tail(struct logfile_reader *reader, enum logfile_verdict verdict,
                                       uint64_t end_lsn)
{
    struct logfile_tail tail;

    ck_assert_int_eq(logfile_reader_tail(reader, &tail, sizeof tail), 0);
    ck_assert_int_eq(tail.verdict, verdict);
    ck_assert_uint_eq(tail.end_lsn, end_lsn);
    return tail;
}

/* ---- A log that stands still ---- */

START_TEST(reads_across_segments)
{
    for (unsigned count = 1; count < 17; count++)
        for (unsigned closed = 0; closed < 2; closed++) {
            struct log_image image;
            unsigned n = 1;
            build_log(&image, count);
            if (closed)
                log_image_close(&image);
            struct logfile_sim *disk = disk_with(&image);
            struct logfile_reader *reader = open_reader(disk, 0);
            ck_assert_int_eq(read_on(reader, &n), 0);
            ck_assert_uint_eq(n, count);
            expect_tail(reader, closed ? LOGFILE_CLEAN : LOGFILE_TORN, image.chain.lsn);
            logfile_reader_close(reader);
            ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
            ck_assert_uint_eq(logfile_sim_misuse_count(disk), 0);
            logfile_sim_free(disk);
            log_image_free(&image);
        }
}
END_TEST

START_TEST(starts_anywhere)
{
    struct log_image image;

    build_log(&image, 17);
    log_image_trim(&image, epoch_lsn(7));
    struct logfile_sim *disk = disk_with(&image);
    const struct logfile_io *io = logfile_sim_io(disk);
    for (uint64_t lsn = 8; lsn < image.chain.lsn; lsn += 1000) {
        struct logfile_reader *reader = NULL;
        unsigned first = 7, n;
        const int error = logfile_reader_open(NAME, READING(.lsn = lsn, .io = io), &reader);
        ck_assert_int_eq(error, lsn < epoch_lsn(7) ? LOGFILE_ETRIMMED : 0);
        if (error != 0)
            continue;
        while (first < 17 && epoch_lsn(first) + LF_EPOCH_HEADER_BYTES < lsn)
            first++;
        n = first;
        ck_assert_int_eq(read_on(reader, &n), 0);
        ck_assert_uint_eq(n, 17);
        logfile_reader_close(reader);
    }
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

START_TEST(bad_directories)
{
    static const struct logfile_sim_options options;
    struct logfile_reader *reader = NULL;
    struct logfile_sim *disk = logfile_sim_new(&options);
    const struct logfile_io *io = logfile_sim_io(disk);
    struct log_image image;

    ck_assert_int_eq(io->make_directory(io->context, LOGFILE_IO_HERE, NAME, 0755), 0);
    ck_assert_int_eq(logfile_reader_open(NAME, READING(.io = io), &reader), -EISDIR);
    ck_assert_int_eq(io->make_directory(io->context, LOGFILE_IO_HERE, CONTROL, 0755), 0);
    ck_assert_int_eq(logfile_reader_open(NAME, READING(.io = io), &reader), -EISDIR);
    logfile_sim_free(disk);

    build_log(&image, 3);
    disk = disk_with(&image);
    /* A segment is no log by itself. */
    ck_assert_int_eq(
        logfile_reader_open(segment_path(0), READING(.io = logfile_sim_io(disk)), &reader),
        LOGFILE_EFORMAT);
    ck_assert_ptr_null(reader);
    ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

START_TEST(missing_segment)
{
    struct log_image image;
    unsigned n = 1;

    build_log(&image, 18);
    log_image_close(&image);
    struct logfile_sim *disk = disk_with(&image);
    const struct logfile_io *io = logfile_sim_io(disk);
    ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, segment_path(1)), 0);
    struct logfile_reader *reader = open_reader(disk, 0);
    const int writer = open_writer(disk);
    ck_assert_int_eq(read_on(reader, &n), 0);
    expect_tail(reader, LOGFILE_LIVE, epoch_lsn(5));
    close_writer(disk, writer);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(read_on(reader, &n), LOGFILE_ECORRUPT);
        ck_assert_uint_eq(n, 5);
        ck_assert_uint_eq(expect_tail(reader, LOGFILE_CORRUPT, epoch_lsn(5)).resume_lsn,
                          epoch_lsn(10));
        ck_assert_int_eq(reader->cursor.scan.damage, LF_DAMAGE_MISSING);
        ck_assert_uint_eq(reader->cursor.scan.damage_index, 1);
    }
    ck_assert_int_eq(logfile_reader_skip(reader), 0);
    n = 10;
    ck_assert_int_eq(read_on(reader, &n), 0);
    ck_assert_uint_eq(n, 18);
    expect_tail(reader, LOGFILE_CLEAN, image.chain.lsn);
    logfile_reader_close(reader);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* ---- Only what is durable ---- */

/* A writer that promises nothing and is gone: each of its segments needs a sync, and only one. */
START_TEST(one_sync_settles_a_segment)
{
    struct log_image image;
    unsigned n = 1;

    log_image_new_segments(&image, SLOT_BYTES, SEGMENT_BYTES, 1);
    log_image_open(&image);
    image.hold_promise = 1;
    while (n < 18)
        add_epoch(&image, &n);
    struct logfile_sim *disk = disk_with(&image);
    const uint64_t syncs = logfile_sim_call_count(disk, LOGFILE_SIM_SYNC);
    struct logfile_reader *reader = open_reader(disk, 0);
    n = 1;
    ck_assert_int_eq(read_on(reader, &n), 0);
    ck_assert_uint_eq(n, 18);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC), syncs + 4);
    logfile_reader_close(reader);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* What a reader has returned of a segment is still there when the power goes at that moment. */
START_TEST(what_is_read_is_durable)
{
    struct log_image image;
    unsigned n = 1;

    build_log(&image, 5);
    struct logfile_sim *disk = disk_with(&image);
    const struct logfile_io *io = logfile_sim_io(disk);
    const int writer = open_writer(disk);
    struct logfile_reader *reader = open_reader(disk, 0);
    ck_assert_int_eq(read_on(reader, &n), 0);
    add_epoch(&image, &n);
    const int fd =
        io->open(io->context, LOGFILE_IO_HERE, segment_path(1), LOGFILE_IO_OPEN_WRITE, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(
        lf_io_write_full(io, fd, image.bytes + epoch_lsn(5), LF_BLOCK_BYTES, LF_FIRST_LSN, 0), 0);
    n = 5;
    ck_assert_int_eq(read_on(reader, &n), 0);
    ck_assert_uint_eq(n, 6);
    logfile_reader_close(reader);
    io->close(io->context, fd);
    close_writer(disk, writer);
    logfile_sim_reboot_losing_all(disk);
    reader = open_reader(disk, epoch_lsn(5));
    n = 5;
    ck_assert_int_eq(read_on(reader, &n), 0);
    ck_assert_uint_eq(n, 6);
    logfile_reader_close(reader);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* ---- Behind a writer ---- */

/* Epoch after epoch; the segments come to be in time, or one ahead. */
START_TEST(follows_into_the_next_segment)
{
    struct log_image image;
    unsigned n = 1, written = 1;

    build_log(&image, 1);
    if (_i == 1)
        log_image_prepare_segment(&image);
    struct logfile_sim *disk = disk_with(&image);
    const int writer = open_writer(disk);
    struct logfile_reader *reader = open_reader(disk, 0);
    while (written < 30) {
        ck_assert_int_eq(read_on(reader, &n), 0);
        ck_assert_uint_eq(n, written);
        expect_tail(reader, LOGFILE_LIVE, image.chain.lsn);
        add_epoch(&image, &written);
        if (_i == 1 && segment_of(image.size - 1) == segment_of(image.chain.lsn))
            log_image_prepare_segment(&image);
        publish(disk, &image, written - 1);
    }
    ck_assert_int_eq(read_on(reader, &n), 0);
    ck_assert_uint_eq(n, written);
    logfile_reader_close(reader);
    close_writer(disk, writer);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* The end of a live log is asked for again and again: no file is opened, no directory listed. */
START_TEST(looking_for_news_is_cheap)
{
    static const enum logfile_sim_call calls[] = {LOGFILE_SIM_OPEN, LOGFILE_SIM_LIST_DIRECTORY,
                                                  LOGFILE_SIM_STAT, LOGFILE_SIM_SYNC,
                                                  LOGFILE_SIM_DROP_CACHE};
    struct log_image image;
    uint64_t before[5];
    unsigned n = 1;

    build_log(&image, 8);
    log_image_prepare_segment(&image);
    struct logfile_sim *disk = disk_with(&image);
    const int writer = open_writer(disk);
    struct logfile_reader *reader = open_reader(disk, 0);
    ck_assert_int_eq(read_on(reader, &n), 0);
    for (unsigned i = 0; i < 5; i++)
        before[i] = logfile_sim_call_count(disk, calls[i]);
    const uint64_t reads = logfile_sim_call_count(disk, LOGFILE_SIM_READ);
    for (unsigned i = 0; i < 100; i++)
        ck_assert_int_eq(read_on(reader, &n), 0);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(logfile_sim_call_count(disk, calls[i]), before[i]);
    ck_assert_uint_le(logfile_sim_call_count(disk, LOGFILE_SIM_READ), reads + 200);
    logfile_reader_close(reader);
    close_writer(disk, writer);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/*
 * A reader looks through the segments that a dead writer prepared.  The next writer removes them
 * and makes others of the same names: those it has open are not what is read.
 */
START_TEST(segments_that_are_made_anew)
{
    struct log_image image;
    unsigned n = 1, written = 4;

    build_log(&image, 4);
    log_image_prepare_segment(&image);
    log_image_prepare_segment(&image);
    struct logfile_sim *disk = disk_with(&image);
    const struct logfile_io *io = logfile_sim_io(disk);
    struct logfile_reader *reader = open_reader(disk, 0);
    ck_assert_int_eq(read_on(reader, &n), 0);
    expect_tail(reader, LOGFILE_TORN, epoch_lsn(4));
    const int writer = open_writer(disk);
    for (uint64_t index = 1; index <= 2; index++) {
        ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, segment_path(index)), 0);
        log_image_store_segment(&image, io, NAME, index);
    }
    for (; written < 14; publish(disk, &image, written - 1)) {
        add_epoch(&image, &written);
        if (_i == 1) {
            ck_assert_int_eq(read_on(reader, &n), 0);
        }
    }
    ck_assert_int_eq(read_on(reader, &n), 0);
    ck_assert_uint_eq(n, 14);
    close_writer(disk, writer);
    ck_assert_int_eq(read_on(reader, &n), 0);
    expect_tail(reader, LOGFILE_TORN, image.chain.lsn);
    logfile_reader_close(reader);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* ---- Trimmed underneath ---- */

/* A reader that stands at epoch `at` when the log is trimmed to 12, with a writer or without. */
static void read_what_is_trimmed(unsigned at, bool live, bool recycled)
{
    struct log_image image;
    unsigned n = 1, written = 20;

    build_log(&image, 20);
    struct logfile_sim *disk = disk_with(&image);
    struct logfile_reader *reader = open_reader(disk, 0);
    read_to(reader, &n, at);
    const int writer = open_writer(disk);
    const uint64_t next_index = segment_of(image.size - 1) + 1;
    while (written < 32)
        add_epoch(&image, &written);
    if (recycled)
        trim_and_recycle(disk, &image, 12, next_index);
    else
        trim_and_unlink(disk, &image, 12);
    publish(disk, &image, 20);
    if (!live)
        close_writer(disk, writer);

    const int end = read_on(reader, &n);
    /* What is open, or in memory, may still be there, and so lead to the segment that is kept. */
    ck_assert_int_eq(end, n >= 12 ? 0 : LOGFILE_ETRIMMED);
    ck_assert_uint_ge(n, at);
    if (at < EPOCHS_PER_SEGMENT)
        ck_assert_int_eq(end, LOGFILE_ETRIMMED);
    if (at >= 2 * EPOCHS_PER_SEGMENT)
        ck_assert_int_eq(end, 0);
    if (end != 0) {
        ck_assert_int_eq(read_on(reader, &n), LOGFILE_ETRIMMED);
        ck_assert_int_eq(logfile_reader_skip(reader), -EINVAL);
    } else {
        ck_assert_uint_eq(n, 32);
    }
    logfile_reader_close(reader);

    reader = open_reader(disk, 0);
    n = 12;
    ck_assert_int_eq(read_on(reader, &n), 0);
    ck_assert_uint_eq(n, 32);
    logfile_reader_close(reader);
    if (live)
        close_writer(disk, writer);
    ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
    logfile_sim_free(disk);
    log_image_free(&image);
}

START_TEST(trimmed_segments)
{
    for (unsigned at = 1; at < 20; at++)
        read_what_is_trimmed(at, _i % 2 == 1, _i / 2 == 1);
}
END_TEST

/* The start that was asked for is still there, only what leads to it is not. */
START_TEST(trimmed_below_the_start)
{
    struct log_image image;

    build_log(&image, 20);
    for (unsigned n = 11; n < 20; n++) {
        struct logfile_sim *disk = disk_with(&image);
        struct logfile_reader *reader = open_reader(disk, epoch_lsn(n));
        struct log_image trimmed;
        unsigned at = n;
        log_image_copy(&trimmed, &image);
        trim_and_unlink(disk, &trimmed, 11);
        ck_assert_int_eq(read_on(reader, &at), 0);
        ck_assert_uint_eq(at, 20);
        expect_tail(reader, LOGFILE_TORN, image.chain.lsn);
        logfile_reader_close(reader);

        reader = open_reader(disk, epoch_lsn(n));
        trim_and_unlink(disk, &trimmed, n);
        at = n;
        ck_assert_int_eq(read_on(reader, &at), 0);
        ck_assert_uint_eq(at, 20);
        logfile_reader_close(reader);
        log_image_free(&trimmed);
        logfile_sim_free(disk);
    }
    log_image_free(&image);
}
END_TEST

/* A hole in the one file, with a writer and without. */
START_TEST(hole_in_one_file)
{
    struct log_image image;
    uint64_t lsns[20];

    log_image_new(&image, SLOT_BYTES, 1);
    log_image_open(&image);
    for (unsigned i = 0; i < 20; i++) {
        log_image_record(&image, "x", 1);
        lsns[i] = log_image_seal(&image);
    }
    for (unsigned at = 0; at < 12; at++) {
        struct logfile_sim *disk = disk_with(&image);
        const struct logfile_io *io = logfile_sim_io(disk);
        struct logfile_reader *reader = open_reader(disk, 0);
        struct logfile_record record;
        struct log_image trimmed;
        int found = 1;
        for (unsigned i = 0; i < at; i++)
            ck_assert_int_eq(logfile_reader_next(reader, &record), 1);
        const int writer = io->open(io->context, LOGFILE_IO_HERE, NAME, LOGFILE_IO_OPEN_WRITE, 0);
        ck_assert_int_eq(io->lock(io->context, writer), 0);
        log_image_copy(&trimmed, &image);
        log_image_trim(&trimmed, lsns[10]);
        logfile_sim_poke(disk, NAME, 0, trimmed.bytes, LF_FIRST_LSN);
        ck_assert_int_eq(io->punch(io->context, writer, LF_FIRST_LSN, lsns[10] - LF_FIRST_LSN), 0);
        if (_i == 0)
            io->close(io->context, writer);
        lf_scan_invalidate(&reader->cursor.scan);
        reader->cursor.scan.epoch = NULL;
        while ((found = logfile_reader_next(reader, &record)) == 1)
            ck_assert_uint_ge(at, 10);
        ck_assert_int_eq(found, at < 10 ? LOGFILE_ETRIMMED : 0);
        logfile_reader_close(reader);
        logfile_sim_free(disk);
        log_image_free(&trimmed);
    }
    log_image_free(&image);
}
END_TEST

/* Both copies are being written, as it looks: that is no end of the reader, and no damage. */
START_TEST(no_whole_trim_mark_for_a_moment)
{
    struct log_image image, torn;
    unsigned n = 1;

    build_log(&image, 7);
    log_image_copy(&torn, &image);
    torn.bytes[2 * LF_BLOCK_BYTES + 9] ^= 1;
    torn.bytes[3 * LF_BLOCK_BYTES + 9] ^= 1;
    struct logfile_sim *disk = disk_with(&image);
    struct logfile_reader *reader = open_reader(disk, 0);
    const int writer = open_writer(disk);
    ck_assert_int_eq(read_on(reader, &n), 0);
    logfile_sim_poke(disk, CONTROL, 0, torn.bytes, LF_FIRST_LSN);
    ck_assert_int_eq(read_on(reader, &n), 0);
    expect_tail(reader, LOGFILE_LIVE, image.chain.lsn);
    close_writer(disk, writer);
    ck_assert_int_eq(read_on(reader, &n), LOGFILE_ECORRUPT);
    logfile_reader_close(reader);
    logfile_sim_free(disk);
    log_image_free(&image);
    log_image_free(&torn);
}
END_TEST

/* ---- A writer that trims between any two calls of a reader ---- */

static struct {
    struct logfile_sim *disk;
    struct log_image *image;
    bool recycles;
    bool appends; /* at the same moment: what was there before ends below the new oldest LSN */
    bool leaves;  /* unlocks when it has trimmed */
    int writer;
    unsigned calls_left; /* before it trims; 0: it has */
} meddler;

static bool meddle(void *arg, struct io_call *call)
{
    (void)arg;
    (void)call;
    if (meddler.calls_left == 0 || --meddler.calls_left > 0)
        return false;
    if (meddler.appends)
        for (uint64_t index = 0; index < 6; index++)
            log_image_store_segment(meddler.image, logfile_sim_io(meddler.disk), NAME, index);
    if (meddler.recycles)
        trim_and_recycle(meddler.disk, meddler.image, 12, 6);
    else
        trim_and_unlink(meddler.disk, meddler.image, 12);
    if (meddler.leaves)
        close_writer(meddler.disk, meddler.writer);
    return false;
}

/* Reads all there is, opening again where the log was trimmed; never meets damage.  The number of
 * the epoch behind the last one that was read. */
static unsigned read_while_trimmed(const struct logfile_io *io)
{
    struct logfile_reader *reader = NULL;
    struct logfile_record record;
    unsigned n = 1, ends = 0;

    ck_assert_int_eq(logfile_reader_open(NAME, READING(.io = io), &reader), 0);
    while (ends < 2) {
        const int found = logfile_reader_next(reader, &record);
        if (found == 1) {
            if (record.lsn == epoch_lsn(12) + LF_EPOCH_HEADER_BYTES)
                n = 12;
            expect_epoch(&record, n++);
        } else if (found == LOGFILE_ETRIMMED) {
            logfile_reader_close(reader);
            ck_assert_int_eq(logfile_reader_open(NAME, READING(.io = io), &reader), 0);
        } else {
            ck_assert_msg(found == 0, "%s at epoch %u", logfile_strerror(found), n);
            ends++;
        }
    }
    logfile_reader_close(reader);
    return n;
}

static void trim_at_any_moment(const struct log_image *before, const struct log_image *after)
{
    unsigned nth = 0;

    do {
        struct log_image trimmed;
        log_image_copy(&trimmed, after);
        struct logfile_sim *disk = disk_with(before);
        meddler.disk = disk;
        meddler.image = &trimmed;
        meddler.calls_left = ++nth;
        meddler.writer = open_writer(disk);
        struct io_layer layer;
        io_layer_init(&layer, logfile_sim_io(disk));
        layer.before = meddle;
        const unsigned end = read_while_trimmed(&layer.io);
        if (meddler.calls_left > 0)
            ck_assert_uint_eq(end, meddler.appends ? 8 : 28);
        else if (!meddler.appends || end > 8) /* else it came when all had been said */
            ck_assert_uint_eq(end, 28);
        if (!meddler.leaves || meddler.calls_left > 0)
            close_writer(disk, meddler.writer);
        logfile_sim_free(disk);
        log_image_free(&trimmed);
    } while (meddler.calls_left == 0);
    ck_assert_uint_gt(nth, 10);
}

START_TEST(trims_at_any_moment)
{
    struct log_image before, after;

    meddler.recycles = _i % 2 == 1;
    meddler.leaves = _i / 2 % 2 == 1;
    meddler.appends = _i / 4 == 1;
    build_log(&before, meddler.appends ? 8 : 28);
    build_log(&after, 28);
    if (meddler.recycles)
        log_image_prepare_segment(&after);
    trim_at_any_moment(&before, &after);
    log_image_free(&before);
    log_image_free(&after);
}
END_TEST

/* ---- The library's own writer ---- */

#define LIVE_RECORDS 3000u

struct live {
    struct logfile *log;
    uint64_t lsns[LIVE_RECORDS];
    unsigned trims;
};

static size_t live_size(unsigned i)
{
    return 8 + i * 37 % 3000;
}

static void *append_and_trim(void *arg)
{
    struct live *live = arg;
    uint8_t payload[4096] = {0};

    for (unsigned i = 0; i < LIVE_RECORDS; i++) {
        memcpy(payload, &i, sizeof(i));
        if (logfile_submit(live->log, payload, live_size(i), NULL, &live->lsns[i]) != 0)
            abort();
        if (i % 500 == 499) {
            if (logfile_sync(live->log, NULL) != 0 ||
                logfile_trim(live->log, live->lsns[i - 50]) != 0)
                abort();
            live->trims++;
        }
    }
    return NULL;
}

/* Follows to the last record; what it misses, it misses because it was told so. */
static unsigned follow(const char *path)
{
    struct logfile_reader *reader = NULL;
    unsigned trimmed = 0, next = 0;

    ck_assert_int_eq(logfile_reader_open(path, NULL, &reader), 0);
    while (next < LIVE_RECORDS) {
        struct logfile_record record;
        unsigned i;
        const int found = logfile_reader_next(reader, &record);
        if (found == 0)
            continue;
        if (found == LOGFILE_ETRIMMED) {
            trimmed++;
            logfile_reader_close(reader);
            ck_assert_int_eq(logfile_reader_open(path, NULL, &reader), 0);
            continue;
        }
        ck_assert_msg(found == 1, "%s", logfile_strerror(found));
        memcpy(&i, record.data, sizeof(i));
        ck_assert(trimmed > 0 ? i < LIVE_RECORDS : i == next);
        ck_assert_uint_eq(record.size, live_size(i));
        next = i + 1;
    }
    logfile_reader_close(reader);
    return trimmed;
}

START_TEST(follows_a_live_log)
{
    static struct live live;
    struct logfile_options options = {.slot_bytes = SLOT_BYTES, .prepare_bytes = 1 << 16};
    const char *path = folder_path(_i == 0 ? "one-file" : "directory");
    pthread_t writer;
    struct logfile_reader *reader = NULL;
    struct logfile_record record;

    watchdog_start(120, "follows_a_live_log");
    options.segment_bytes = _i == 0 ? 0 : 2 * SEGMENT_BYTES;
    ck_assert_int_eq(logfile_open(path, &options, NULL, &live.log), 0);
    ck_assert_int_eq(pthread_create(&writer, NULL, append_and_trim, &live), 0);
    follow(path);
    ck_assert_int_eq(pthread_join(writer, NULL), 0);
    ck_assert_uint_eq(live.trims, LIVE_RECORDS / 500);
    ck_assert_int_eq(logfile_reader_open(path, READING(.lsn = live.lsns[0]), &reader),
                     LOGFILE_ETRIMMED);
    ck_assert_int_eq(logfile_close(live.log), 0);

    ck_assert_int_eq(
        logfile_reader_open(path, READING(.lsn = live.lsns[LIVE_RECORDS - 20]), &reader), 0);
    for (unsigned i = LIVE_RECORDS - 20; i < LIVE_RECORDS; i++) {
        ck_assert_int_eq(logfile_reader_next(reader, &record), 1);
        ck_assert_uint_eq(record.lsn, live.lsns[i]);
    }
    ck_assert_int_eq(logfile_reader_next(reader, &record), 0);
    struct logfile_tail tail;
    ck_assert_int_eq(logfile_reader_tail(reader, &tail, sizeof tail), 0);
    ck_assert_int_eq(tail.verdict, LOGFILE_CLEAN);
    logfile_reader_close(reader);
    watchdog_stop();
}
END_TEST

static TCase *still_case(void)
{
    TCase *tcase = tcase_create("logs that stand still");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, reads_across_segments);
    tcase_add_test(tcase, starts_anywhere);
    tcase_add_test(tcase, bad_directories);
    tcase_add_test(tcase, missing_segment);
    tcase_add_test(tcase, one_sync_settles_a_segment);
    tcase_add_test(tcase, what_is_read_is_durable);
    return tcase;
}

static TCase *live_case(void)
{
    TCase *tcase = tcase_create("live logs");

    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, follows_into_the_next_segment, 0, 2);
    tcase_add_test(tcase, looking_for_news_is_cheap);
    tcase_add_loop_test(tcase, segments_that_are_made_anew, 0, 2);
    tcase_add_loop_test(tcase, trimmed_segments, 0, 4);
    tcase_add_test(tcase, trimmed_below_the_start);
    tcase_add_loop_test(tcase, hole_in_one_file, 0, 2);
    tcase_add_test(tcase, no_whole_trim_mark_for_a_moment);
    tcase_add_loop_test(tcase, trims_at_any_moment, 0, 8);
    tcase_add_loop_test(tcase, follows_a_live_log, 0, 2);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("reader segments");

    enter_folder();
    suite_add_tcase(suite, still_case());
    suite_add_tcase(suite, live_case());
    return run_suite(suite);
}
