/* SPDX-License-Identifier: MIT */
/*
 * The path reader: every record once, in order, and only when it is durable; the end, and what is
 * said of it; and the independent reader of docs/FORMAT.md, which must say the same.
 */
#include "format/checksum.h"
#include "golden.h"
#include "storage/io.h"
#include "log_image.h"
#include "logfile_lab.h"
#include "format/record.h"
#include "logfile_sim.h"
#include "io_stack.h"
#include "support.h"

#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOT_BYTES 8192u
#define NAME "log"
#define INDEPENDENT_READER "tests/support/independent_reader"

/* ---- A log on a simulated disk ---- */

static struct logfile_sim *disk_with(const struct log_image *image)
{
    static const struct logfile_sim_options options;
    struct logfile_sim *disk = logfile_sim_new(&options);

    log_image_store(image, logfile_sim_io(disk), NAME);
    return disk;
}

static struct logfile_reader *open_reader(struct logfile_sim *disk, uint64_t lsn)
{
    struct logfile_reader *reader = NULL;

    ck_assert_int_eq(
        logfile_reader_open(NAME, READING(.lsn = lsn, .io = logfile_sim_io(disk)), &reader), 0);
    ck_assert_ptr_nonnull(reader);
    return reader;
}

/* What another process would do: open the file for appending, lock it, write to it. */
static int open_writer(struct logfile_sim *disk)
{
    const struct logfile_io *io = logfile_sim_io(disk);
    const int fd = io->open(io->context, LOGFILE_IO_HERE, NAME, LOGFILE_IO_OPEN_WRITE, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(io->lock(io->context, fd), 0);
    return fd;
}

static void close_writer(struct logfile_sim *disk, int fd)
{
    const struct logfile_io *io = logfile_sim_io(disk);

    ck_assert_int_eq(io->close(io->context, fd), 0);
}

/* Writes what the image has from `lsn` on; without a sync it is in the cache only. */
static void write_from(struct logfile_sim *disk, int fd, const struct log_image *image,
                       uint64_t lsn, bool sync)
{
    const struct logfile_io *io = logfile_sim_io(disk);

    ck_assert_int_eq(
        lf_io_write_full(io, fd, image->bytes + lsn, image->size - (size_t)lsn, lsn, 0), 0);
    if (sync)
        ck_assert_int_eq(io->sync(io->context, fd), 0);
}

static void add_record(struct log_image *image, size_t size)
{
    uint8_t payload[SLOT_BYTES];

    payload_fill(payload, size, size);
    log_image_record(image, payload, size);
}

static uint64_t add_epoch(struct log_image *image, size_t size)
{
    add_record(image, size);
    return log_image_seal(image);
}

/* Incarnation 1 with one record in each of three epochs, of 100, 5000 and 300 bytes; not closed. */
#define FIRST_LSN ((uint64_t)20480 + LF_EPOCH_HEADER_BYTES)
#define SECOND_LSN ((uint64_t)24576 + LF_EPOCH_HEADER_BYTES)
#define THIRD_LSN ((uint64_t)32768 + LF_EPOCH_HEADER_BYTES)
#define SAMPLE_END ((uint64_t)36864)

static void build_sample(struct log_image *image)
{
    log_image_new(image, SLOT_BYTES, 1);
    log_image_open(image);
    add_epoch(image, 100);
    add_epoch(image, 5000);
    add_epoch(image, 300);
    ck_assert_uint_eq(image->chain.lsn, SAMPLE_END);
}

static void expect_record(struct logfile_reader *reader, uint64_t lsn, size_t size)
{
    struct logfile_record record;

    ck_assert_int_eq(logfile_reader_next(reader, &record), 1);
    ck_assert_uint_eq(record.lsn, lsn);
    ck_assert_uint_eq(record.size, size);
    ck_assert(payload_matches(record.data, size, size));
}

static void expect_next(struct logfile_reader *reader, int expected)
{
    struct logfile_record record = {.lsn = 77};

    ck_assert_int_eq(logfile_reader_next(reader, &record), expected);
    ck_assert_uint_eq(record.lsn, 77);
}

static void expect_sample(struct logfile_reader *reader)
{
    expect_record(reader, FIRST_LSN, 100);
    expect_record(reader, SECOND_LSN, 5000);
    expect_record(reader, THIRD_LSN, 300);
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

/* ---- Arguments and places ---- */

START_TEST(bad_arguments)
{
    struct logfile_reader *reader = NULL;
    struct logfile_record record;
    struct logfile_tail tail;
    struct logfile_io io = *logfile_io_posix();
    const char *path = golden_path("tiny.log");

    ck_assert_int_eq(logfile_reader_open(NULL, NULL, &reader), -EINVAL);
    ck_assert_int_eq(logfile_reader_open(path, NULL, NULL), -EINVAL);
    io.read = NULL;
    ck_assert_int_eq(logfile_reader_open(path, READING(.io = &io), &reader), -EINVAL);
    ck_assert_ptr_null(reader);
    ck_assert_int_eq(logfile_reader_next(NULL, &record), -EINVAL);
    ck_assert_int_eq(logfile_reader_tail(NULL, &tail, sizeof tail), -EINVAL);
    ck_assert_int_eq(logfile_reader_skip(NULL), -EINVAL);
    logfile_reader_close(NULL);

    ck_assert_int_eq(logfile_reader_open(path, NULL, &reader), 0);
    ck_assert_int_eq(logfile_reader_next(reader, NULL), -EINVAL);
    ck_assert_int_eq(logfile_reader_tail(reader, NULL, 0), -EINVAL);
    ck_assert_int_eq(logfile_reader_skip(reader), -EINVAL);
    logfile_reader_close(reader);
}
END_TEST

START_TEST(bad_places)
{
    struct logfile_reader *reader = NULL;
    const char *path = folder_path("place");
    char *target;

    ck_assert_int_eq(logfile_reader_open(path, NULL, &reader), -ENOENT);
    ck_assert_int_eq(access(path, F_OK), -1);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    ck_assert_int_eq(logfile_reader_open(path, NULL, &reader), -EISDIR);
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(mkfifo(path, 0644), 0);
    ck_assert_int_eq(logfile_reader_open(path, NULL, &reader), -ESPIPE);
    ck_assert_int_eq(unlink(path), 0);
    target = realpath(golden_path("tiny.log"), NULL);
    ck_assert_int_eq(symlink(target, path), 0);
    ck_assert_int_eq(logfile_reader_open(path, NULL, &reader), -ELOOP);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(logfile_reader_open("/dev/null", NULL, &reader), -ESPIPE);
    ck_assert_ptr_null(reader);
    free(target);
}
END_TEST

START_TEST(not_a_log)
{
    static const struct logfile_sim_options options;
    struct logfile_reader *reader = NULL;
    struct log_image image;

    for (int damaged = 0; damaged < 2; damaged++) {
        build_sample(&image);
        memset(image.bytes + (damaged ? 20 : 0), 'x', 2 * LF_BLOCK_BYTES - 20);
        if (damaged)
            memcpy(image.bytes + LF_BLOCK_BYTES, "logfile\n", 8);
        struct logfile_sim *disk = logfile_sim_new(&options);
        log_image_store(&image, logfile_sim_io(disk), NAME);
        ck_assert_int_eq(logfile_reader_open(NAME, READING(.io = logfile_sim_io(disk)), &reader),
                         damaged ? LOGFILE_ECORRUPT : LOGFILE_EFORMAT);
        ck_assert_ptr_null(reader);
        ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
        logfile_sim_free(disk);
        log_image_free(&image);
    }
}
END_TEST

/* Whatever call fails while a reader opens, its error comes back and nothing stays open. */
START_TEST(errors_of_opening)
{
    static const enum logfile_sim_call calls[] = {LOGFILE_SIM_OPEN, LOGFILE_SIM_STAT,
                                                  LOGFILE_SIM_READ};
    struct logfile_reader *reader = NULL;
    struct log_image image;

    build_sample(&image);
    struct logfile_sim *disk = disk_with(&image);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        logfile_sim_fault(disk, &(struct logfile_sim_fault){.call = calls[i], .error = -EIO});
        ck_assert_int_eq(logfile_reader_open(NAME, READING(.io = logfile_sim_io(disk)), &reader),
                         -EIO);
        logfile_sim_fault_clear(disk);
    }
    ck_assert_ptr_null(reader);
    ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* ---- Reading ---- */

START_TEST(reads_every_record_once)
{
    struct log_image image;

    log_image_new(&image, SLOT_BYTES, 1);
    log_image_open(&image);
    for (size_t size = 0; size < 300; size++) {
        add_record(&image, size);
        if (size % 7 == 3)
            log_image_pad(&image, size);
        if (size % 5 == 4)
            log_image_seal(&image);
    }
    log_image_close(&image);
    struct logfile_sim *disk = disk_with(&image);
    struct logfile_reader *reader = open_reader(disk, 0);
    struct logfile_record record;
    uint64_t last_lsn = 0;
    for (size_t size = 0; size < 300; size++) {
        ck_assert_int_eq(logfile_reader_next(reader, &record), 1);
        ck_assert_uint_eq(record.size, size);
        ck_assert(payload_matches(record.data, size, size));
        ck_assert_uint_gt(record.lsn, last_lsn);
        last_lsn = record.lsn;
    }
    expect_next(reader, 0);
    expect_next(reader, 0);
    const struct logfile_tail tail = expect_tail(reader, LOGFILE_CLEAN, image.chain.lsn);
    ck_assert_uint_eq(tail.incarnation, 1);
    logfile_reader_close(reader);
    ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
    ck_assert_uint_eq(logfile_sim_misuse_count(disk), 0);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* From every position: the first record at or after it, and all that follow. */
START_TEST(starts_at_the_first_record_at_or_after)
{
    static const uint64_t lsns[] = {FIRST_LSN, FIRST_LSN + 112, SECOND_LSN, THIRD_LSN};
    struct log_image image;

    log_image_new(&image, SLOT_BYTES, 1);
    log_image_open(&image);
    add_record(&image, 100);
    add_record(&image, 7);
    log_image_seal(&image);
    add_epoch(&image, 5000);
    add_epoch(&image, 300);
    struct logfile_sim *disk = disk_with(&image);
    for (uint64_t lsn = LF_FIRST_LSN; lsn < image.chain.lsn + 8; lsn += 4) {
        struct logfile_reader *reader = open_reader(disk, lsn);
        struct logfile_record record;
        for (size_t i = 0; i < 4; i++) {
            if (lsns[i] < lsn)
                continue;
            ck_assert_int_eq(logfile_reader_next(reader, &record), 1);
            ck_assert_uint_eq(record.lsn, lsns[i]);
        }
        expect_next(reader, 0);
        logfile_reader_close(reader);
    }
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

START_TEST(starts_in_a_trimmed_log)
{
    struct log_image image;
    struct logfile_reader *reader = NULL;

    build_sample(&image);
    log_image_close(&image);
    log_image_trim(&image, 24576);
    struct logfile_sim *disk = disk_with(&image);
    const struct logfile_io *io = logfile_sim_io(disk);
    ck_assert_int_eq(logfile_reader_open(NAME, READING(.lsn = FIRST_LSN, .io = io), &reader),
                     LOGFILE_ETRIMMED);
    ck_assert_int_eq(logfile_reader_open(NAME, READING(.lsn = 24575, .io = io), &reader),
                     LOGFILE_ETRIMMED);
    ck_assert_int_eq(logfile_reader_open(NAME, READING(.lsn = 1, .io = io), &reader),
                     LOGFILE_ETRIMMED);
    ck_assert_ptr_null(reader);
    ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
    for (uint64_t lsn = 0; lsn <= 24576; lsn += 24576) {
        reader = open_reader(disk, lsn);
        expect_record(reader, SECOND_LSN, 5000);
        expect_record(reader, THIRD_LSN, 300);
        expect_next(reader, 0);
        expect_tail(reader, LOGFILE_CLEAN, image.chain.lsn);
        logfile_reader_close(reader);
    }
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

START_TEST(tail_waits_for_the_last_record)
{
    struct log_image image;
    struct logfile_tail tail;

    build_sample(&image);
    log_image_close(&image);
    struct logfile_sim *disk = disk_with(&image);
    struct logfile_reader *reader = open_reader(disk, 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(logfile_reader_tail(reader, &tail, sizeof tail), -EAGAIN);
    expect_record(reader, FIRST_LSN, 100);
    ck_assert_int_eq(logfile_reader_tail(reader, &tail, sizeof tail), -EAGAIN);
    expect_record(reader, SECOND_LSN, 5000);
    expect_record(reader, THIRD_LSN, 300);
    expect_tail(reader, LOGFILE_CLEAN, image.chain.lsn);
    expect_next(reader, 0);
    logfile_reader_close(reader);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* Each read fails once, at every place; the call that met it is made again, and nothing is lost. */
START_TEST(read_errors_are_not_the_end)
{
    static const enum logfile_sim_call calls[] = {LOGFILE_SIM_READ, LOGFILE_SIM_STAT,
                                                  LOGFILE_SIM_LOCKED, LOGFILE_SIM_SYNC};
    struct logfile_record record;
    struct log_image image;

    build_sample(&image);
    log_image_extend(&image, 3 * LF_BLOCK_BYTES);
    struct logfile_sim *disk = disk_with(&image);
    for (size_t call = 0; call < sizeof(calls) / sizeof(calls[0]); call++) {
        unsigned after = 0;
        unsigned failed;
        do {
            struct logfile_reader *reader = open_reader(disk, 0);
            size_t sizes[4] = {0};
            int count = 0, result;
            failed = 0;
            logfile_sim_fault(disk, &(struct logfile_sim_fault){
                                        .call = calls[call], .after = after++, .error = -EIO});
            while ((result = logfile_reader_next(reader, &record)) != 0) {
                ck_assert_int_eq(result, result < 0 ? -EIO : 1);
                failed += result < 0;
                if (result == 1 && count < 4)
                    sizes[count++] = record.size;
            }
            logfile_sim_fault_clear(disk);
            ck_assert_int_eq(count, 3);
            ck_assert(sizes[0] == 100 && sizes[1] == 5000 && sizes[2] == 300);
            expect_tail(reader, LOGFILE_TORN, SAMPLE_END);
            logfile_reader_close(reader);
        } while (failed > 0);
        ck_assert_uint_gt(after, 1);
    }
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* ---- Only what is durable ---- */

START_TEST(promised_epochs_need_no_sync)
{
    struct log_image image;

    log_image_new(&image, SLOT_BYTES, 1);
    log_image_open(&image);
    for (int i = 0; i < 50; i++)
        add_epoch(&image, 100);
    struct logfile_sim *disk = disk_with(&image);
    const uint64_t syncs = logfile_sim_call_count(disk, LOGFILE_SIM_SYNC);
    const int writer = open_writer(disk);
    struct logfile_reader *reader = open_reader(disk, 0);
    struct logfile_record record;
    for (int i = 0; i < 49; i++)
        ck_assert_int_eq(logfile_reader_next(reader, &record), 1);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC), syncs);
    ck_assert_int_eq(logfile_reader_next(reader, &record), 1);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC), syncs + 1);
    logfile_reader_close(reader);
    close_writer(disk, writer);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* A writer that does not sync promises nothing: once it is gone, one sync settles all it wrote. */
START_TEST(one_sync_settles_an_incarnation)
{
    struct log_image image;
    struct logfile_record record;

    log_image_new(&image, SLOT_BYTES, 1);
    log_image_open(&image);
    image.hold_promise = 1;
    for (int i = 0; i < 50; i++)
        add_epoch(&image, 100);
    struct logfile_sim *disk = disk_with(&image);
    const uint64_t syncs = logfile_sim_call_count(disk, LOGFILE_SIM_SYNC);
    struct logfile_reader *reader = open_reader(disk, 0);
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(logfile_reader_next(reader, &record), 1);
    expect_next(reader, 0);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC), syncs + 1);
    logfile_reader_close(reader);

    /* With the writer still there, what it writes later is not settled by an earlier sync. */
    const int writer = open_writer(disk);
    reader = open_reader(disk, 0);
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(logfile_reader_next(reader, &record), 1);
    ck_assert_uint_gt(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC), syncs + 40);
    logfile_reader_close(reader);
    close_writer(disk, writer);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* What a reader has returned is still there when the power goes at that moment. */
START_TEST(what_is_read_is_durable)
{
    struct log_image image;

    build_sample(&image);
    struct logfile_sim *disk = disk_with(&image);
    const int writer = open_writer(disk);
    struct logfile_reader *reader = open_reader(disk, 0);
    expect_sample(reader);
    expect_next(reader, 0);
    const uint64_t lsn = add_epoch(&image, 700);
    write_from(disk, writer, &image, lsn, false);
    expect_record(reader, lsn + LF_EPOCH_HEADER_BYTES, 700);
    logfile_reader_close(reader);
    logfile_sim_reboot_losing_all(disk);

    reader = open_reader(disk, lsn);
    expect_record(reader, lsn + LF_EPOCH_HEADER_BYTES, 700);
    logfile_reader_close(reader);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* The sync fails, the page cache goes on showing what the disk never got: it is not returned. */
START_TEST(what_a_failed_sync_lost_is_not_read)
{
    struct log_image image, before;

    build_sample(&image);
    log_image_copy(&before, &image);
    log_image_extend(&before, 4 * LF_BLOCK_BYTES);
    struct logfile_sim *disk = disk_with(&before);
    const int writer = open_writer(disk);
    struct logfile_reader *reader = open_reader(disk, 0);
    expect_sample(reader);
    const uint64_t lsn = add_epoch(&image, 700);
    write_from(disk, writer, &image, lsn, false);
    logfile_sim_fault(disk, &(struct logfile_sim_fault){.call = LOGFILE_SIM_SYNC, .error = -EIO});
    expect_next(reader, -EIO);
    logfile_sim_fault_clear(disk);
    expect_next(reader, 0);
    expect_tail(reader, LOGFILE_LIVE, SAMPLE_END);
    close_writer(disk, writer);
    expect_next(reader, 0);
    expect_tail(reader, LOGFILE_TORN, SAMPLE_END);
    logfile_reader_close(reader);
    logfile_sim_free(disk);
    log_image_free(&image);
    log_image_free(&before);
}
END_TEST

static struct {
    struct logfile_sim *disk;
    const struct log_image *image;
    int writer; /* -1: it has written */
} successor;

/* Right after the reader's sync another incarnation replaces what was read, without a sync. */
static bool replace_before_drop_cache(void *arg, struct io_call *call)
{
    (void)arg;
    if (call->call != LOGFILE_SIM_DROP_CACHE)
        return false;
    if (successor.writer >= 0)
        write_from(successor.disk, successor.writer, successor.image, SAMPLE_END, false);
    successor.writer = -1;
    return false;
}

/* A sync counts for the epoch that it was made for, not for another one at the same place. */
START_TEST(a_sync_does_not_settle_its_successor)
{
    struct log_image image, torn;
    struct logfile_reader *reader = NULL;

    build_sample(&image);
    log_image_copy(&torn, &image);
    add_epoch(&torn, 10);
    struct logfile_sim *disk = disk_with(&torn);
    log_image_open(&image);
    struct io_layer layer;
    io_layer_init(&layer, logfile_sim_io(disk));
    layer.before = replace_before_drop_cache;
    successor.disk = disk;
    successor.image = &image;
    successor.writer = open_writer(disk);
    ck_assert_int_eq(logfile_reader_open(NAME, READING(.io = &layer.io), &reader), 0);
    expect_sample(reader);
    ck_assert_uint_eq(expect_tail(reader, LOGFILE_LIVE, image.chain.lsn).incarnation, 2);
    logfile_reader_close(reader);
    logfile_sim_reboot_losing_all(disk);
    reader = open_reader(disk, 0);
    expect_sample(reader);
    ck_assert_uint_eq(expect_tail(reader, LOGFILE_TORN, image.chain.lsn).incarnation, 2);
    logfile_reader_close(reader);
    logfile_sim_free(disk);
    log_image_free(&torn);
    log_image_free(&image);
}
END_TEST

/* ---- The end ---- */

START_TEST(end_is_not_sticky)
{
    struct log_image image, before;

    build_sample(&image);
    log_image_copy(&before, &image);
    log_image_extend(&before, 2 * LF_BLOCK_BYTES);
    struct logfile_sim *disk = disk_with(&before);
    const int writer = open_writer(disk);
    struct logfile_reader *reader = open_reader(disk, 0);
    expect_sample(reader);
    for (size_t i = 0; i < 20; i++) {
        expect_next(reader, 0);
        expect_tail(reader, LOGFILE_LIVE, image.chain.lsn);
        const uint64_t lsn = add_epoch(&image, 400 * i);
        write_from(disk, writer, &image, lsn, true);
        expect_record(reader, lsn + LF_EPOCH_HEADER_BYTES, 400 * i);
    }
    log_image_close(&image);
    write_from(disk, writer, &image, image.chain.lsn - LF_BLOCK_BYTES, true);
    expect_tail(reader, LOGFILE_LIVE, image.chain.lsn);
    close_writer(disk, writer);
    expect_tail(reader, LOGFILE_CLEAN, image.chain.lsn);
    logfile_reader_close(reader);
    logfile_sim_free(disk);
    log_image_free(&before);
    log_image_free(&image);
}
END_TEST

/* A torn tail is cut and written over by the next writer: the reader goes on where it stood. */
START_TEST(goes_on_after_a_recovery)
{
    struct log_image image, torn;

    build_sample(&image);
    log_image_copy(&torn, &image);
    torn.hold_promise = 1;
    add_epoch(&torn, 7000);
    add_epoch(&torn, 10);
    torn.bytes[SAMPLE_END + 5000] ^= 1;
    struct logfile_sim *disk = disk_with(&torn);
    struct logfile_reader *reader = open_reader(disk, 0);
    expect_sample(reader);
    expect_next(reader, 0);
    const struct logfile_tail tail = expect_tail(reader, LOGFILE_TORN, SAMPLE_END);
    ck_assert_uint_eq(tail.cut_bytes, 3 * LF_BLOCK_BYTES);

    const int writer = open_writer(disk);
    log_image_open(&image);
    const uint64_t lsn = add_epoch(&image, 20);
    log_image_extend(&image, LF_BLOCK_BYTES);
    write_from(disk, writer, &image, SAMPLE_END, true);
    expect_record(reader, lsn + LF_EPOCH_HEADER_BYTES, 20);
    expect_next(reader, 0);
    ck_assert_uint_eq(expect_tail(reader, LOGFILE_LIVE, lsn + LF_BLOCK_BYTES).incarnation, 2);
    close_writer(disk, writer);
    logfile_reader_close(reader);
    logfile_sim_free(disk);
    log_image_free(&torn);
    log_image_free(&image);
}
END_TEST

/* A writer cuts what was torn and dies before it appends: there is nothing left to be cut. */
START_TEST(verdict_follows_the_file)
{
    struct log_image image;

    build_sample(&image);
    log_image_extend(&image, 3 * LF_BLOCK_BYTES);
    memset(image.bytes + SAMPLE_END, 0xdd, 2 * LF_BLOCK_BYTES);
    struct logfile_sim *disk = disk_with(&image);
    struct logfile_reader *reader = open_reader(disk, 0);
    expect_sample(reader);
    ck_assert_uint_eq(expect_tail(reader, LOGFILE_TORN, SAMPLE_END).cut_bytes, 2 * LF_BLOCK_BYTES);
    const int writer = open_writer(disk);
    const struct logfile_io *io = logfile_sim_io(disk);
    ck_assert_int_eq(io->truncate(io->context, writer, SAMPLE_END), 0);
    close_writer(disk, writer);
    ck_assert_uint_eq(expect_tail(reader, LOGFILE_TORN, SAMPLE_END).cut_bytes, 0);
    logfile_reader_close(reader);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* An idle log that was not closed is not read through again at every call. */
START_TEST(verdict_is_given_once)
{
    struct log_image image;

    build_sample(&image);
    log_image_extend(&image, (size_t)8 << 20);
    struct logfile_sim *disk = disk_with(&image);
    struct logfile_reader *reader = open_reader(disk, 0);
    expect_sample(reader);
    expect_next(reader, 0);
    const uint64_t reads = logfile_sim_call_count(disk, LOGFILE_SIM_READ);
    for (int i = 0; i < 10; i++) {
        expect_next(reader, 0);
        expect_tail(reader, LOGFILE_TORN, SAMPLE_END);
    }
    ck_assert_uint_le(logfile_sim_call_count(disk, LOGFILE_SIM_READ),
                      reads + 40); /* the break, the trim mark */
    logfile_reader_close(reader);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* ---- Damage ---- */

/* The sample, closed, with its second record damaged. */
static void build_damaged(struct log_image *image)
{
    build_sample(image);
    log_image_close(image);
    image->bytes[SECOND_LSN + 4500] ^= 1;
}

START_TEST(damage_is_named_and_passed)
{
    struct log_image image;

    build_damaged(&image);
    struct logfile_sim *disk = disk_with(&image);
    struct logfile_reader *reader = open_reader(disk, 0);
    expect_record(reader, FIRST_LSN, 100);
    ck_assert_int_eq(logfile_reader_skip(reader), -EINVAL);
    for (int i = 0; i < 3; i++) {
        expect_next(reader, LOGFILE_ECORRUPT);
        const struct logfile_tail tail = expect_tail(reader, LOGFILE_CORRUPT, 24576);
        ck_assert_uint_eq(tail.promised_lsn, image.chain.lsn);
        ck_assert_uint_eq(tail.resume_lsn, 32768);
        ck_assert_uint_eq(tail.last_epoch, 2);
    }
    ck_assert_int_eq(logfile_reader_skip(reader), 0);
    ck_assert_int_eq(logfile_reader_skip(reader), -EINVAL);
    expect_record(reader, THIRD_LSN, 300);
    expect_next(reader, 0);
    expect_tail(reader, LOGFILE_CLEAN, image.chain.lsn);
    ck_assert_int_eq(logfile_reader_skip(reader), -EINVAL);
    logfile_reader_close(reader);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* Reads all that can be read, asking again after each -EIO; how often it met one. */
static unsigned read_damaged_stubbornly(struct logfile_reader *reader)
{
    struct logfile_record record;
    struct logfile_tail tail;
    unsigned failed = 0, records = 0;
    int found;

    while ((found = logfile_reader_next(reader, &record)) != 0) {
        if (found == LOGFILE_ECORRUPT) {
            while ((found = logfile_reader_tail(reader, &tail, sizeof tail)) == -EIO)
                failed++;
            ck_assert_int_eq(found, 0);
            ck_assert_uint_eq(tail.end_lsn, 24576);
            ck_assert_uint_eq(tail.resume_lsn, 32768);
            while ((found = logfile_reader_skip(reader)) == -EIO)
                failed++;
            ck_assert_int_eq(found, 0);
        } else if (found == 1) {
            ck_assert_uint_eq(record.size, records++ == 0 ? 100 : 300);
        } else {
            ck_assert_int_eq(found, -EIO);
            failed++;
        }
    }
    ck_assert_uint_eq(records, 2);
    return failed;
}

START_TEST(read_errors_at_damage)
{
    static const enum logfile_sim_call calls[] = {LOGFILE_SIM_READ, LOGFILE_SIM_STAT,
                                                  LOGFILE_SIM_LOCKED};
    struct log_image image;

    build_damaged(&image);
    struct logfile_sim *disk = disk_with(&image);
    for (size_t call = 0; call < sizeof(calls) / sizeof(calls[0]); call++) {
        unsigned after = 0, failed;
        do {
            struct logfile_reader *reader = open_reader(disk, 0);
            logfile_sim_fault(disk, &(struct logfile_sim_fault){
                                        .call = calls[call], .after = after++, .error = -EIO});
            failed = read_damaged_stubbornly(reader);
            logfile_sim_fault_clear(disk);
            logfile_reader_close(reader);
        } while (failed > 0);
        ck_assert_uint_gt(after, 1);
    }
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* A reader that starts behind the damage has nothing to do with it; one that starts in it has. */
START_TEST(damage_below_the_start)
{
    struct log_image image;

    build_damaged(&image);
    struct logfile_sim *disk = disk_with(&image);
    struct logfile_reader *reader = open_reader(disk, THIRD_LSN);
    expect_record(reader, THIRD_LSN, 300);
    expect_next(reader, 0);
    expect_tail(reader, LOGFILE_CLEAN, image.chain.lsn);
    logfile_reader_close(reader);

    reader = open_reader(disk, SECOND_LSN);
    expect_next(reader, LOGFILE_ECORRUPT);
    expect_tail(reader, LOGFILE_CORRUPT, 24576);
    ck_assert_int_eq(logfile_reader_skip(reader), 0);
    expect_record(reader, THIRD_LSN, 300);
    logfile_reader_close(reader);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

START_TEST(nothing_behind_the_damage)
{
    struct log_image image;

    build_sample(&image);
    image.bytes[SECOND_LSN] ^= 1;
    image.bytes[THIRD_LSN] ^= 1;
    struct logfile_sim *disk = disk_with(&image);
    struct logfile_reader *reader = open_reader(disk, 0);
    expect_record(reader, FIRST_LSN, 100);
    expect_next(reader, LOGFILE_ECORRUPT);
    ck_assert_uint_eq(expect_tail(reader, LOGFILE_CORRUPT, 24576).resume_lsn, 0);
    ck_assert_int_eq(logfile_reader_skip(reader), -ENOENT);
    expect_next(reader, LOGFILE_ECORRUPT);
    logfile_reader_close(reader);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

START_TEST(no_verdict_while_a_writer_is_there)
{
    struct log_image image;

    build_damaged(&image);
    struct logfile_sim *disk = disk_with(&image);
    const int writer = open_writer(disk);
    struct logfile_reader *reader = open_reader(disk, 0);
    expect_record(reader, FIRST_LSN, 100);
    expect_next(reader, 0);
    expect_tail(reader, LOGFILE_LIVE, 24576);
    ck_assert_int_eq(logfile_reader_skip(reader), -EINVAL);
    close_writer(disk, writer);
    expect_next(reader, LOGFILE_ECORRUPT);
    expect_tail(reader, LOGFILE_CORRUPT, 24576);

    /* And back: a writer that opens takes the verdict away. */
    const int other = open_writer(disk);
    expect_next(reader, 0);
    expect_tail(reader, LOGFILE_LIVE, 24576);
    ck_assert_int_eq(logfile_reader_skip(reader), -EINVAL);
    close_writer(disk, other);
    logfile_reader_close(reader);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* What the reader was about to read was trimmed and released meanwhile. */
START_TEST(trimmed_underneath)
{
    struct log_image image;

    build_sample(&image);
    log_image_close(&image);
    struct logfile_sim *disk = disk_with(&image);
    struct logfile_reader *reader = open_reader(disk, 0);
    log_image_trim(&image, 32768);
    logfile_sim_poke(disk, NAME, 0, image.bytes, image.size);
    expect_next(reader, LOGFILE_ETRIMMED);
    expect_next(reader, LOGFILE_ETRIMMED);
    logfile_reader_close(reader);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* ---- A writer that comes and goes between any two calls of a reader ---- */

static struct {
    struct logfile_sim *disk;
    const struct log_image *after; /* what the file becomes */
    unsigned calls_left;           /* before it does; 0: it has */
} meddler;

static bool meddle(void *arg, struct io_call *call)
{
    (void)arg;
    (void)call;
    if (meddler.calls_left > 0 && --meddler.calls_left == 0)
        logfile_sim_poke(meddler.disk, NAME, 0, meddler.after->bytes, meddler.after->size);
    return false;
}

/* Reads all there is; the number of records, or the first error. */
static int count_records(struct logfile_reader *reader, int count)
{
    struct logfile_record record;
    int found;

    while ((found = logfile_reader_next(reader, &record)) == 1) {
        static const size_t sizes[] = {100, 5000, 300, 11, 6000, 13};
        ck_assert_int_lt(count, 6);
        ck_assert_uint_eq(record.size, sizes[count]);
        count++;
    }
    return found < 0 ? found : count;
}

START_TEST(writer_comes_and_goes)
{
    struct log_image before, after;
    unsigned nth = 0;

    build_sample(&after);
    log_image_copy(&before, &after);
    log_image_extend(&before, 6 * LF_BLOCK_BYTES);
    memset(before.bytes + SAMPLE_END, 0xdd, 100); /* torn */
    log_image_open(&after);
    add_epoch(&after, 11);
    add_epoch(&after, 6000);
    add_epoch(&after, 13);
    log_image_close(&after);
    ck_assert_uint_eq(after.size, before.size);
    do {
        struct logfile_sim *disk = disk_with(&before);
        struct logfile_reader *reader = NULL;
        struct io_layer layer;
        io_layer_init(&layer, logfile_sim_io(disk));
        meddler.disk = disk;
        meddler.after = &after;
        meddler.calls_left = ++nth;
        layer.before = meddle;
        ck_assert_int_eq(logfile_reader_open(NAME, READING(.io = &layer.io), &reader), 0);
        const int count = count_records(reader, 0);
        ck_assert_int_ge(count, 3);
        if (meddler.calls_left == 0) {
            ck_assert_int_eq(count_records(reader, count), 6);
            expect_tail(reader, LOGFILE_CLEAN, after.chain.lsn);
        } else {
            ck_assert_int_eq(count, 3);
        }
        logfile_reader_close(reader);
        logfile_sim_free(disk);
    } while (meddler.calls_left == 0);
    ck_assert_uint_gt(nth, 15);
    log_image_free(&before);
    log_image_free(&after);
}
END_TEST

/* ---- The independent reader ---- */

#define TEXT_BYTES 20000u

struct text {
    size_t used;
    char bytes[TEXT_BYTES];
};

static void __attribute__((format(printf, 2, 3))) say(struct text *text, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    const int count =
        vsnprintf(text->bytes + text->used, TEXT_BYTES - text->used, format, arguments);
    va_end(arguments);
    ck_assert(count >= 0 && (size_t)count < TEXT_BYTES - text->used);
    text->used += (size_t)count;
}

/* What the library finds in a log, in the words of the independent reader. */
static void library_text(const char *path, struct text *text)
{
    static const char *const words[] = {"CLEAN", "TORN", "CORRUPT", "LIVE"};
    struct logfile_reader *reader;
    struct logfile_record record;
    struct logfile_tail first, tail;
    bool damaged = false;
    int found = logfile_reader_open(path, NULL, &reader);

    *text = (struct text){0};
    if (found != 0) {
        say(text, "%s\n", found == LOGFILE_EFORMAT ? "unreadable" : "corrupt-header");
        ck_assert(found == LOGFILE_EFORMAT || found == LOGFILE_ECORRUPT);
        return;
    }
    for (;;) {
        while ((found = logfile_reader_next(reader, &record)) == 1)
            say(text, "record %lu %zu %08x\n", (unsigned long)record.lsn, record.size,
                lf_crc32c(0, record.data, record.size));
        ck_assert_int_eq(logfile_reader_tail(reader, &tail, sizeof tail), 0);
        if (!damaged)
            first = tail;
        damaged = true;
        if (found != LOGFILE_ECORRUPT || logfile_reader_skip(reader) != 0)
            break;
        say(text, "break %lu\n", (unsigned long)tail.resume_lsn);
    }
    say(text, "verdict %s %lu %lu\n", words[first.verdict], (unsigned long)first.end_lsn,
        (unsigned long)first.promised_lsn);
    logfile_reader_close(reader);
}

static void independent_text(const char *path, struct text *text)
{
    char command[4200];

    snprintf(command, sizeof(command), "'%s' '%s'", INDEPENDENT_READER, path);
    FILE *pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    *text = (struct text){0};
    text->used = fread(text->bytes, 1, TEXT_BYTES - 1, pipe);
    ck_assert_msg(pclose(pipe) == 0, "%s fails", INDEPENDENT_READER);
}

static void expect_agreement(const char *path, const char *what)
{
    static struct text library, independent;

    library_text(path, &library);
    independent_text(path, &independent);
    ck_assert_msg(strcmp(library.bytes, independent.bytes) == 0,
                  "%s\n--- library\n%s--- independent\n%s", what, library.bytes, independent.bytes);
}

static unsigned count_lines(const char *text, const char *start)
{
    unsigned count = 0;

    for (const char *at = strstr(text, start); at != NULL; at = strstr(at + 1, start))
        count++;
    return count;
}

START_TEST(golden_files_agree)
{
    static const char *const words[] = {"CLEAN", "TORN", "CORRUPT"};
    const struct golden *golden = &golden_files[_i];
    const char *path = golden_path(golden->name);
    static struct text text;
    char verdict[32];

    expect_agreement(path, golden->name);
    library_text(path, &text);
    snprintf(verdict, sizeof(verdict), "verdict %s ", words[golden->verdict]);
    ck_assert_ptr_nonnull(strstr(text.bytes, verdict));
    ck_assert_uint_eq(count_lines(text.bytes, "record "), golden->record_count);
}
END_TEST

static void copy_file(const char *from, const char *to)
{
    char bytes[1 << 16];
    size_t count;
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(to, "wb");

    ck_assert(in != NULL && out != NULL);
    while ((count = fread(bytes, 1, sizeof(bytes), in)) > 0)
        ck_assert_uint_eq(fwrite(bytes, 1, count, out), count);
    ck_assert_int_eq(fclose(in), 0);
    ck_assert_int_eq(fclose(out), 0);
}

/* As a crash would leave it.  The names in a directory are few. */
static void copy_log(const char *from, const char *to)
{
    char source[5000], target[5000];

    if (access(log_image_segment_path(from, 0), F_OK) != 0) {
        copy_file(from, to);
        return;
    }
    mkdir(to, 0755);
    snprintf(source, sizeof(source), "%s/control", from);
    snprintf(target, sizeof(target), "%s/control", to);
    copy_file(source, target);
    for (uint64_t index = 0; index < 100; index++) {
        const char *segment = log_image_segment_path(from, index);
        if (access(segment, F_OK) == 0)
            copy_file(segment, log_image_segment_path(to, index));
    }
}

static void append_25(struct logfile *log)
{
    uint8_t payload[SLOT_BYTES];

    for (size_t i = 0; i < 25; i++) {
        const size_t size = i * i * 13 % logfile_record_max(log);
        payload_fill(payload, size, size);
        if (i % 3 == 0)
            ck_assert_int_eq(logfile_append(log, payload, size, NULL), 0);
        else
            ck_assert_int_eq(logfile_submit(log, payload, size, NULL, NULL), 0);
    }
    ck_assert_int_eq(logfile_sync(log, NULL), 0);
}

static void expect_written(const char *path, const char *verdict, unsigned record_count)
{
    static struct text text;

    expect_agreement(path, verdict);
    library_text(path, &text);
    ck_assert_ptr_nonnull(strstr(text.bytes, verdict));
    ck_assert_uint_eq(count_lines(text.bytes, "record "), record_count);
}

/* A log that the library itself writes: closed, opened again, and as a crash would leave it. */
START_TEST(written_logs_agree)
{
    const char *path = folder_path(_i == 0 ? "written" : "written-segments");
    const char *crashed = folder_path(_i == 0 ? "crashed" : "crashed-segments");
    struct logfile_options options = {
        .slot_bytes = SLOT_BYTES, .prepare_bytes = 1 << 16, .segment_bytes = _i == 0 ? 0 : 45056};

    for (unsigned opened = 1; opened <= 4; opened++) {
        struct logfile *log;
        const struct logfile_lab lab = {
            .checksum = opened == 2 ? LOGFILE_CHECKSUM_HEADER : LOGFILE_CHECKSUM_FULL,
            .engine = opened == 3 ? LOGFILE_ENGINE_SERIAL : LOGFILE_ENGINE_RING};
        options.lab = &lab;
        ck_assert_int_eq(logfile_open(path, &options, NULL, &log), 0);
        append_25(log);
        copy_log(path, crashed);
        expect_written(crashed, "verdict TORN ", 25 * opened);
        ck_assert_int_eq(logfile_close(log), 0);
        expect_written(path, "verdict CLEAN ", 25 * opened);
    }
}
END_TEST

/* A change of one field of some epoch header, with the checksum made right again. */
static void mutate_header(struct rng *rng, struct log_image *image)
{
    const uint64_t blocks = (image->size - LF_FIRST_LSN) / LF_BLOCK_BYTES;
    struct lf_epoch_header *header =
        log_image_epoch(image, LF_FIRST_LSN + rng_below(rng, blocks) * LF_BLOCK_BYTES);
    static const uint64_t values[] = {0, 1, 8, 64, 72, 4096, SLOT_BYTES, UINT64_MAX};
    uint64_t value = values[rng_below(rng, sizeof(values) / sizeof(values[0]))];

    if (header->magic != LF_EPOCH_MAGIC)
        return;
    /* The fields are eight bytes apart or less; four at a time reaches each. */
    uint32_t *word = (uint32_t *)header + 2 + rng_below(rng, 14);
    if (rng_one_in(rng, 2))
        value = *word + rng_below(rng, 17) - 8;
    *word = (uint32_t)value;
    log_image_reseal(image, header);
}

static void mutate(struct rng *rng, struct log_image *image)
{
    const uint64_t at = rng_below(rng, image->size);
    const uint64_t blocks = image->size / LF_BLOCK_BYTES;
    uint8_t *from = image->bytes + rng_below(rng, blocks) * LF_BLOCK_BYTES;
    uint8_t *to = image->bytes + rng_below(rng, blocks) * LF_BLOCK_BYTES;

    switch (rng_below(rng, 8)) {
    case 0: /* anywhere */
        image->bytes[at] ^= (uint8_t)(1u << rng_below(rng, 8));
        break;
    case 1: /* where headers and records are */
        image->bytes[at & ~(uint64_t)0xf00] ^= (uint8_t)rng_next(rng);
        break;
    case 2:
        memset(image->bytes + (at & ~(uint64_t)511), 0, 512);
        break;
    case 3:
        memmove(to, from, LF_BLOCK_BYTES);
        break;
    case 4:
        if (at > LF_BLOCK_BYTES)
            image->size = (size_t)at;
        break;
    case 5:
        memset(to, 0, LF_BLOCK_BYTES);
        break;
    default:
        mutate_header(rng, image);
    }
}

static void remove_log(const struct log_image *image, const char *path)
{
    char control[5000];

    if (image->segment_bytes == 0) {
        ck_assert_int_eq(unlink(path), 0);
        return;
    }
    for (uint64_t index = 0; index < 8; index++)
        unlink(log_image_segment_path(path, index));
    snprintf(control, sizeof(control), "%s/control", path);
    ck_assert_int_eq(unlink(control), 0);
    ck_assert_int_eq(rmdir(path), 0);
}

/* What can happen to the segments of a log besides. */
static void mutate_segments(struct rng *rng, const char *path)
{
    const char *one = log_image_segment_path(path, rng_below(rng, 6));
    const char *other = log_image_segment_path(path, rng_below(rng, 6));
    struct stat status;

    switch (rng_below(rng, 5)) {
    case 0:
        unlink(one);
        break;
    case 1:
        rename(one, other);
        break;
    case 2: /* comes to be too long, or short */
        if (stat(one, &status) == 0)
            ck_assert_int_eq(truncate(one, (off_t)rng_below(rng, 60000)), 0);
        break;
    default:
        break;
    }
}

/* The same answer for logs that are damaged in every way that comes to mind. */
START_TEST(damaged_logs)
{
    const uint64_t count = scaled(40, 300, 20000);
    const char *path = folder_path("damaged");
    struct log_image image;
    char what[64];

    for (uint64_t seed = 1; seed <= count; seed++) {
        struct rng rng = {.state = seed};
        const unsigned directory = golden_count - 1;
        golden_files[rng_one_in(&rng, 2) ? directory : rng_below(&rng, directory)].build(&image);
        for (uint64_t i = 0; i <= rng_below(&rng, 4); i++)
            if (image.size > LF_FIRST_LSN + LF_BLOCK_BYTES)
                mutate(&rng, &image);
        log_image_store(&image, logfile_io_posix(), path);
        if (image.segment_bytes != 0)
            mutate_segments(&rng, path);
        snprintf(what, sizeof(what), "seed %lu", (unsigned long)seed);
        expect_agreement(path, what);
        remove_log(&image, path);
        log_image_free(&image);
    }
}
END_TEST

static void add_sim_tests(Suite *suite)
{
    TCase *tcase = tcase_create("simulated");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, not_a_log);
    tcase_add_test(tcase, errors_of_opening);
    tcase_add_test(tcase, reads_every_record_once);
    tcase_add_test(tcase, starts_at_the_first_record_at_or_after);
    tcase_add_test(tcase, starts_in_a_trimmed_log);
    tcase_add_test(tcase, tail_waits_for_the_last_record);
    tcase_add_test(tcase, read_errors_are_not_the_end);
    tcase_add_test(tcase, promised_epochs_need_no_sync);
    tcase_add_test(tcase, one_sync_settles_an_incarnation);
    tcase_add_test(tcase, what_is_read_is_durable);
    tcase_add_test(tcase, what_a_failed_sync_lost_is_not_read);
    tcase_add_test(tcase, a_sync_does_not_settle_its_successor);
    tcase_add_test(tcase, end_is_not_sticky);
    tcase_add_test(tcase, goes_on_after_a_recovery);
    tcase_add_test(tcase, verdict_follows_the_file);
    tcase_add_test(tcase, verdict_is_given_once);
    tcase_add_test(tcase, damage_is_named_and_passed);
    tcase_add_test(tcase, read_errors_at_damage);
    tcase_add_test(tcase, damage_below_the_start);
    tcase_add_test(tcase, nothing_behind_the_damage);
    tcase_add_test(tcase, no_verdict_while_a_writer_is_there);
    tcase_add_test(tcase, trimmed_underneath);
    tcase_add_test(tcase, writer_comes_and_goes);
    suite_add_tcase(suite, tcase);
}

static void add_file_tests(Suite *suite)
{
    TCase *tcase = tcase_create("files");

    tcase_set_timeout(tcase, 600);
    tcase_add_test(tcase, bad_arguments);
    tcase_add_test(tcase, bad_places);
    tcase_add_loop_test(tcase, golden_files_agree, 0, (int)golden_count);
    tcase_add_loop_test(tcase, written_logs_agree, 0, 2);
    tcase_add_test(tcase, damaged_logs);
    suite_add_tcase(suite, tcase);
}

int main(void)
{
    Suite *suite = suite_create("reader");

    enter_folder();
    add_sim_tests(suite);
    add_file_tests(suite);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
