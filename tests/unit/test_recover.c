/* SPDX-License-Identifier: MIT */
/*
 * The scanner and the verdict: a log that is whole, cut short, damaged, full of leftovers, made to
 * mislead.  Logs are built in memory, damaged, put on a simulated disk and recovered.
 */
#include "golden.h"
#include "storage/io.h"
#include "log_image.h"
#include "logfile.h"
#include "format/record.h"
#include "read/verdict.h"
#include "logfile_sim.h"
#include "io_stack.h"
#include "support.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOT_BYTES 8192u
#define NAME "log"

/* ---- A log on a disk ---- */

static struct logfile_sim *disk_with(const struct log_image *image)
{
    static const struct logfile_sim_options options;
    struct logfile_sim *disk = logfile_sim_new(&options);

    log_image_store(image, logfile_sim_io(disk), NAME);
    return disk;
}

/* What recovery says of a log. */
struct found {
    int error;
    struct logfile_tail tail;
    struct lf_prologue prologue;
    uint32_t epochs;
    uint32_t records;
    size_t window_capacity;
    bool segment_missing;
    uint64_t missing_index;
};

static struct lf_file file_at(const struct logfile_io *io, const char *path)
{
    struct lf_file file;

    ck_assert_int_eq(lf_file_open(&file, io, path), 0);
    return file;
}

/* A file that is opened otherwise than for reading. */
static struct lf_file file_with(const struct logfile_io *io, unsigned flags, const char *path)
{
    struct lf_file file;
    const int fd = io->open(io->context, LOGFILE_IO_HERE, path, flags, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(lf_file_init(&file, io, fd, flags, -1), 0);
    return file;
}

static struct found scan_file(struct lf_file *file)
{
    struct found found = {0};
    struct lf_scan scan;
    enum lf_step step;

    found.error = lf_scan_open(&scan, file);
    found.prologue = scan.prologue;
    if (found.error == 0) {
        while ((step = lf_scan_next(&scan)) == LF_STEP_EPOCH) {
            found.epochs++;
            found.records += scan.epoch->record_count;
        }
        found.error =
            step == LF_STEP_FAILED ? scan.error : lf_verdict_scan(&scan, NULL, NULL, &found.tail);
        found.segment_missing = scan.damage == LF_DAMAGE_MISSING;
        found.missing_index = scan.damage_index;
        found.window_capacity = scan.window.capacity;
        lf_scan_close(&scan);
    }
    lf_file_close(file);
    return found;
}

static struct found scan_to_end(const struct logfile_io *io, const char *path)
{
    struct lf_file file = file_at(io, path);

    return scan_file(&file);
}

static struct found recover_image(const struct log_image *image)
{
    struct logfile_sim *disk = disk_with(image);
    const struct found found = scan_to_end(logfile_sim_io(disk), NAME);

    ck_assert_uint_eq(logfile_sim_misuse_count(disk), 0);
    logfile_sim_free(disk);
    return found;
}

static void add_record(struct log_image *image, size_t size)
{
    static uint8_t payload[1 << 20];

    payload_fill(payload, size, size);
    log_image_record(image, payload, size);
}

/* An epoch with one record. */
static uint64_t add_epoch(struct log_image *image, size_t size)
{
    add_record(image, size);
    return log_image_seal(image);
}

/* OPEN at 16384, epochs at 20480, 24576 (two blocks), 32768, CLOSE at 36864. */
#define SAMPLE_FIRST ((uint64_t)20480)
#define SAMPLE_SECOND ((uint64_t)24576)
#define SAMPLE_THIRD ((uint64_t)32768)
#define SAMPLE_CLOSE ((uint64_t)36864)
#define SAMPLE_END ((uint64_t)40960)

static void build_open_sample_behind_open(struct log_image *image)
{
    add_epoch(image, 100);
    add_record(image, 4000);
    log_image_pad(image, 30);
    add_record(image, 1000);
    log_image_seal(image);
    add_record(image, 0);
    add_epoch(image, 50);
}

static void build_open_sample(struct log_image *image)
{
    log_image_new(image, SLOT_BYTES, 1);
    log_image_open(image);
    build_open_sample_behind_open(image);
}

static void build_sample(struct log_image *image)
{
    build_open_sample(image);
    log_image_close(image);
    ck_assert_uint_eq(image->chain.lsn, SAMPLE_END);
}

static void expect_verdict(const struct found *found, enum logfile_verdict verdict,
                           uint64_t end_lsn)
{
    ck_assert_int_eq(found->error, 0);
    ck_assert_int_eq(found->tail.verdict, verdict);
    ck_assert_uint_eq(found->tail.end_lsn, end_lsn);
}

/* ---- Whole logs ---- */

START_TEST(golden_verdicts)
{
    const struct golden *golden = &golden_files[_i];
    const struct found found = scan_to_end(logfile_io_posix(), golden_path(golden->name));

    ck_assert_int_eq(found.error, 0);
    ck_assert_int_eq(found.tail.verdict, golden->verdict);
}
END_TEST

START_TEST(closed_log)
{
    struct log_image image;

    build_sample(&image);
    const struct found found = recover_image(&image);
    expect_verdict(&found, LOGFILE_CLEAN, SAMPLE_END);
    ck_assert_uint_eq(found.epochs, 5);
    ck_assert_uint_eq(found.records, 6);
    ck_assert_uint_eq(found.tail.incarnation, 1);
    ck_assert_uint_eq(found.tail.last_epoch, 5);
    ck_assert_uint_eq(found.tail.promised_lsn, SAMPLE_END); /* the trim mark's */
    ck_assert_uint_eq(found.tail.resume_lsn, SAMPLE_END);
    ck_assert_uint_eq(found.tail.cut_bytes, 0);
    log_image_free(&image);
}
END_TEST

/* What recovery leaves behind is what the next epoch is made with. */
START_TEST(chain_continues_the_log)
{
    struct log_image image;
    struct logfile_tail tail;
    struct lf_scan scan;

    build_open_sample(&image);
    struct logfile_sim *disk = disk_with(&image);
    const struct logfile_io *io = logfile_sim_io(disk);
    struct lf_file file = file_at(io, NAME);
    ck_assert_int_eq(lf_scan_open(&scan, &file), 0);
    ck_assert_int_eq(lf_verdict_scan(&scan, NULL, NULL, &tail), 0);
    ck_assert_int_eq(tail.verdict, LOGFILE_TORN);
    ck_assert_uint_eq(tail.cut_bytes, 0);
    ck_assert_uint_eq(scan.chain.lsn, image.chain.lsn);
    ck_assert_uint_eq(scan.chain.epoch, image.chain.epoch);
    ck_assert_uint_eq(scan.chain.chain, image.chain.chain);
    ck_assert_uint_eq(scan.chain.nonce, image.chain.nonce);
    ck_assert_uint_eq(scan.chain.incarnation, image.chain.incarnation);
    ck_assert_uint_eq(scan.chain.record_seed, image.chain.record_seed);
    lf_scan_close(&scan);
    lf_file_close(&file);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

START_TEST(incarnations_grow)
{
    struct log_image image;

    build_sample(&image);
    log_image_open(&image);
    add_epoch(&image, 10);
    image.chain.incarnation += 5; /* numbers may be left out */
    log_image_open(&image);
    struct found found = recover_image(&image);
    expect_verdict(&found, LOGFILE_TORN, image.chain.lsn);
    ck_assert_uint_eq(found.tail.incarnation, 8);
    log_image_close(&image);
    found = recover_image(&image);
    expect_verdict(&found, LOGFILE_CLEAN, image.chain.lsn);
    log_image_free(&image);
}
END_TEST

/* The largest epoch, alone in its window and more than one read away. */
START_TEST(large_epochs)
{
    struct log_image image;
    const size_t slot_bytes = (size_t)1 << 23;
    uint8_t *payload = malloc(slot_bytes);

    ck_assert_ptr_nonnull(payload);
    payload_fill(payload, slot_bytes, 3);
    log_image_new(&image, slot_bytes, 1);
    log_image_open(&image);
    for (int i = 0; i < 300; i++)
        add_epoch(&image, (size_t)(37 * i));
    log_image_record(&image, payload, slot_bytes - 88);
    log_image_seal(&image);
    for (int i = 0; i < 300; i++)
        add_epoch(&image, (size_t)(41 * i));
    log_image_close(&image);
    const struct found found = recover_image(&image);
    expect_verdict(&found, LOGFILE_CLEAN, image.chain.lsn);
    ck_assert_uint_eq(found.records, 601);
    ck_assert_uint_eq(found.window_capacity, slot_bytes + LF_WINDOW_BYTES_MIN);
    log_image_free(&image);
    free(payload);
}
END_TEST

/* ---- Damage ---- */

/* What each byte of a closed log belongs to, and so what its loss must lead to. */
static void expect_flip_noticed(const struct found *found, uint64_t at)
{
    if (at < 2 * LF_BLOCK_BYTES) {
        ck_assert_int_eq(found->error, 0);
        ck_assert(!found->prologue.header_valid[at / LF_BLOCK_BYTES]);
        ck_assert(found->prologue.header_valid[1 - at / LF_BLOCK_BYTES]);
    } else if (at < LF_FIRST_LSN) {
        ck_assert_int_eq(found->error, 0);
        ck_assert(!found->prologue.trim_valid[at / LF_BLOCK_BYTES - 2]);
        ck_assert(found->prologue.trim_valid[3 - at / LF_BLOCK_BYTES]);
    } else {
        ck_assert_msg(found->error == 0 && found->tail.verdict == LOGFILE_CORRUPT, "byte %lu",
                      (unsigned long)at);
        ck_assert_uint_le(found->tail.end_lsn, at);
        ck_assert_uint_gt(found->tail.promised_lsn, at);
        if (at < SAMPLE_CLOSE)
            ck_assert_uint_gt(found->tail.resume_lsn, at);
        else
            ck_assert_uint_eq(found->tail.resume_lsn, 0);
    }
}

START_TEST(every_flipped_byte_is_noticed)
{
    const uint64_t step = scaled(13, 1, 1);
    const unsigned values = (unsigned)scaled(1, 1, 255);
    struct log_image image;

    build_sample(&image);
    struct logfile_sim *disk = disk_with(&image);
    for (uint64_t at = 0; at < SAMPLE_END; at += step)
        for (unsigned i = 0; i < values; i++) {
            const uint8_t change = values == 1 ? (uint8_t)(1u << (at % 8)) : (uint8_t)(i + 1);
            uint8_t byte = image.bytes[at] ^ change;
            logfile_sim_poke(disk, NAME, at, &byte, 1);
            const struct found found = scan_to_end(logfile_sim_io(disk), NAME);
            expect_flip_noticed(&found, at);
            logfile_sim_poke(disk, NAME, at, &image.bytes[at], 1);
        }
    const struct found found = scan_to_end(logfile_sim_io(disk), NAME);
    expect_verdict(&found, LOGFILE_CLEAN, SAMPLE_END);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* Each sector zeroed: a log of zeros in the right place is still not the log. */
START_TEST(every_zeroed_sector_is_noticed)
{
    struct log_image image, damaged;

    build_sample(&image);
    for (uint64_t at = LF_FIRST_LSN; at < SAMPLE_END; at += 512) {
        if (lf_is_zero(image.bytes + at, image.bytes + at + 512))
            continue;
        log_image_copy(&damaged, &image);
        memset(damaged.bytes + at, 0, 512);
        const struct found found = recover_image(&damaged);
        ck_assert_int_eq(found.error, 0);
        ck_assert_int_eq(found.tail.verdict, LOGFILE_CORRUPT);
        log_image_free(&damaged);
    }
    log_image_free(&image);
}
END_TEST

/* The end of the last whole epoch of the sample in a file of that size. */
static uint64_t sample_end_within(uint64_t size)
{
    static const uint64_t ends[] = {SAMPLE_END,    SAMPLE_CLOSE, SAMPLE_THIRD,
                                    SAMPLE_SECOND, SAMPLE_FIRST, LF_FIRST_LSN};
    unsigned i = 0;

    while (ends[i] > size)
        i++;
    return ends[i];
}

/* From `end` to the end of the last block that is not zero. */
static uint64_t cut_bytes_within(const struct log_image *image, uint64_t end)
{
    size_t last = image->size;

    while (last > end && image->bytes[last - 1] == 0)
        last--;
    const uint64_t block_end = lf_round_up(last, LF_BLOCK_BYTES);
    return (block_end < image->size ? block_end : image->size) - end;
}

/* A closed log promises all of itself; one that was not closed what is below its last epoch. */
static void truncate_everywhere(struct log_image *image, bool closed)
{
    const size_t step = (size_t)scaled(37, 5, 1);
    const uint64_t end = image->size;

    for (size_t size = 0; size < end; size += step) {
        image->size = size;
        const struct found found = recover_image(image);
        if (size < 8) {
            ck_assert_int_eq(found.error, LOGFILE_EFORMAT);
        } else if (size < LF_FIRST_LSN) {
            ck_assert(found.error == LOGFILE_ECORRUPT ||
                      (found.error == 0 && found.tail.verdict == LOGFILE_CORRUPT));
        } else {
            expect_verdict(&found, closed || size < SAMPLE_FIRST ? LOGFILE_CORRUPT : LOGFILE_TORN,
                           sample_end_within(size));
            ck_assert_uint_eq(found.tail.promised_lsn, closed ? SAMPLE_END : SAMPLE_FIRST);
        }
        if (found.error == 0 && found.tail.verdict == LOGFILE_TORN)
            ck_assert_uint_eq(found.tail.cut_bytes,
                              cut_bytes_within(image, sample_end_within(size)));
    }
    image->size = end;
}

START_TEST(every_truncation)
{
    struct log_image image;

    build_sample(&image);
    truncate_everywhere(&image, true);
    log_image_free(&image);
}
END_TEST

/* No epoch behind the OPEN one has promised anything. */
START_TEST(every_truncation_of_an_open_log)
{
    struct log_image image;

    log_image_new(&image, SLOT_BYTES, 1);
    log_image_open(&image);
    image.hold_promise = 1;
    build_open_sample_behind_open(&image);
    log_image_close(&image);
    truncate_everywhere(&image, false);
    log_image_free(&image);
}
END_TEST

START_TEST(torn_last_epoch)
{
    struct log_image image;

    build_open_sample(&image);
    add_epoch(&image, 6000);
    const uint64_t lsn = image.chain.lsn - 2 * LF_BLOCK_BYTES;
    memset(image.bytes + lsn + 512, 0, 1024);
    log_image_extend(&image, 5 * LF_BLOCK_BYTES);
    const struct found found = recover_image(&image);
    expect_verdict(&found, LOGFILE_TORN, lsn);
    ck_assert_uint_eq(found.tail.promised_lsn, lsn);
    ck_assert_uint_eq(found.tail.cut_bytes, 2 * LF_BLOCK_BYTES);
    log_image_free(&image);
}
END_TEST

/* Two epochs were under way when the power went: the first is lost, the second whole. */
START_TEST(unpromised_epoch_behind_a_torn_one)
{
    struct log_image image;

    build_open_sample(&image);
    image.hold_promise = 1;
    const uint64_t lsn = add_epoch(&image, 10);
    add_epoch(&image, 20);
    memset(image.bytes + lsn, 0, LF_BLOCK_BYTES);
    const struct found found = recover_image(&image);
    expect_verdict(&found, LOGFILE_TORN, lsn);
    ck_assert_uint_eq(found.tail.cut_bytes, 2 * LF_BLOCK_BYTES);
    log_image_free(&image);
}
END_TEST

START_TEST(damaged_middle)
{
    struct log_image image;

    build_sample(&image);
    image.bytes[SAMPLE_SECOND + LF_BLOCK_BYTES + 5] ^= 1;
    const struct found found = recover_image(&image);
    expect_verdict(&found, LOGFILE_CORRUPT, SAMPLE_SECOND);
    ck_assert_uint_eq(found.tail.promised_lsn, SAMPLE_END);
    ck_assert_uint_eq(found.tail.resume_lsn, SAMPLE_THIRD);
    ck_assert_uint_eq(found.tail.last_epoch, 2);
    log_image_free(&image);
}
END_TEST

/* The log was closed, opened again, and the OPEN epoch is damaged: not CLEAN, records follow. */
START_TEST(damage_behind_a_close)
{
    struct log_image image;

    build_sample(&image);
    log_image_open(&image);
    add_epoch(&image, 10);
    image.bytes[SAMPLE_END + 9] ^= 1;
    const struct found found = recover_image(&image);
    expect_verdict(&found, LOGFILE_CORRUPT, SAMPLE_END);
    ck_assert_uint_eq(found.tail.resume_lsn, SAMPLE_END + LF_BLOCK_BYTES);
    log_image_free(&image);
}
END_TEST

/* The only later header promises, but its own records are gone: there is nothing to go on with. */
START_TEST(nothing_whole_behind_the_damage)
{
    struct log_image image;
    struct logfile_tail tail;
    struct lf_scan scan;

    build_open_sample(&image);
    image.bytes[SAMPLE_SECOND + 90] ^= 1;
    image.bytes[SAMPLE_THIRD + 90] ^= 1;
    struct logfile_sim *disk = disk_with(&image);
    const struct logfile_io *io = logfile_sim_io(disk);
    struct lf_file file = file_at(io, NAME);
    ck_assert_int_eq(lf_scan_open(&scan, &file), 0);
    ck_assert_int_eq(lf_verdict_scan(&scan, NULL, NULL, &tail), 0);
    ck_assert_int_eq(tail.verdict, LOGFILE_CORRUPT);
    ck_assert_uint_eq(tail.promised_lsn, SAMPLE_THIRD);
    ck_assert_uint_eq(tail.resume_lsn, 0);
    ck_assert_int_eq(lf_verdict_resume(&scan, &tail), -ENOENT);
    lf_scan_close(&scan);
    lf_file_close(&file);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* Goes on behind each of several damaged places and reads all that is whole. */
START_TEST(resume_after_each_damage)
{
    struct log_image image;
    struct logfile_tail tail;
    struct lf_scan scan;
    unsigned epochs = 0, breaks = 0;

    log_image_new(&image, SLOT_BYTES, 1);
    log_image_open(&image);
    for (int i = 1; i <= 40; i++) {
        const uint64_t lsn = add_epoch(&image, (size_t)(150 * i));
        if (i % 10 == 5)
            image.bytes[lsn + 80] ^= 1;
        if (i % 10 == 8)
            image.bytes[lsn + 8] ^= 1;
    }
    log_image_close(&image);
    const uint64_t open_lsn = image.chain.lsn;
    log_image_open(&image);
    image.bytes[open_lsn + 8] ^= 1; /* what begins the next incarnation */
    add_epoch(&image, 10);
    log_image_close(&image);
    struct logfile_sim *disk = disk_with(&image);
    const struct logfile_io *io = logfile_sim_io(disk);
    struct lf_file file = file_at(io, NAME);
    ck_assert_int_eq(lf_scan_open(&scan, &file), 0);
    for (;;) {
        while (lf_scan_next(&scan) == LF_STEP_EPOCH)
            epochs++;
        ck_assert_int_eq(lf_verdict_give(&scan, &tail), 0);
        if (tail.verdict != LOGFILE_CORRUPT)
            break;
        breaks++;
        ck_assert_int_eq(lf_verdict_resume(&scan, &tail), 0);
    }
    ck_assert_int_eq(tail.verdict, LOGFILE_CLEAN);
    ck_assert_uint_eq(breaks, 9);
    ck_assert_uint_eq(epochs, 1 + 40 - 8 + 1 + 2);
    ck_assert_uint_eq(tail.incarnation, 2);
    lf_scan_close(&scan);
    lf_file_close(&file);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* Puts a whole epoch over the block at `lsn`, as if it had come to be there. */
static void plant_epoch(struct log_image *image, uint64_t lsn, uint64_t epoch, uint32_t incarnation)
{
    struct log_image other;

    log_image_copy(&other, image);
    other.chain.lsn = lsn;
    other.chain.epoch = epoch;
    lf_chain_begin(&other.chain, incarnation, 5);
    other.hold_promise = 1;
    other.promise = 0;
    add_epoch(&other, 10);
    memcpy(image->bytes + lsn, other.bytes + lsn, LF_BLOCK_BYTES);
    log_image_free(&other);
}

/* What looks like an epoch inside one that is damaged is its payload. */
START_TEST(payload_is_not_searched)
{
    struct log_image image;

    build_sample(&image);
    plant_epoch(&image, SAMPLE_SECOND + LF_BLOCK_BYTES, 4, 1);
    struct found found = recover_image(&image);
    expect_verdict(&found, LOGFILE_CORRUPT, SAMPLE_SECOND);
    ck_assert_uint_eq(found.tail.resume_lsn, SAMPLE_THIRD);

    /* With the header gone too, nothing says what the block behind it is. */
    image.bytes[SAMPLE_SECOND] ^= 1;
    found = recover_image(&image);
    expect_verdict(&found, LOGFILE_CORRUPT, SAMPLE_SECOND);
    ck_assert_uint_eq(found.tail.resume_lsn, SAMPLE_SECOND + LF_BLOCK_BYTES);
    log_image_free(&image);
}
END_TEST

/* Reading goes on with later epochs of this incarnation or a later one, never with older ones. */
START_TEST(leftovers_behind_the_damage)
{
    static const uint64_t epochs[] = {3, 9, 9, 9, 4};
    static const uint32_t incarnations[] = {7, 6, 7, 8, 7};
    static const bool resumes[] = {false, false, true, true, true};
    struct log_image image;

    for (int i = 0; i < 5; i++) {
        log_image_new(&image, SLOT_BYTES, 1);
        image.chain.incarnation = 6;
        log_image_open(&image);
        add_epoch(&image, 10);
        add_epoch(&image, 20);
        const uint64_t end = image.chain.lsn;
        log_image_extend(&image, 2 * LF_BLOCK_BYTES);
        plant_epoch(&image, end + LF_BLOCK_BYTES, epochs[i], incarnations[i]);
        struct lf_epoch_header *planted = log_image_epoch(&image, end + LF_BLOCK_BYTES);
        planted->promise = planted->lsn;
        log_image_reseal(&image, planted);
        const struct found found = recover_image(&image);
        expect_verdict(&found, LOGFILE_CORRUPT, end);
        ck_assert_uint_eq(found.tail.resume_lsn, resumes[i] ? end + LF_BLOCK_BYTES : 0);
        log_image_free(&image);
    }
}
END_TEST

/* ---- Leftovers and things that do not belong here ---- */

/*
 * An older incarnation's epoch lies exactly where the next epoch would be, with the number that it
 * would have: a recovery that did not clear it would revive it if nothing tied epochs together.
 */
START_TEST(stale_epoch_is_not_believed)
{
    struct log_image image, stale;

    build_open_sample(&image);
    log_image_copy(&stale, &image);
    stale.hold_promise = 1;
    add_epoch(&stale, 10);
    const uint64_t lsn = add_epoch(&stale, 20);

    image.hold_promise = 1; /* and the power went before the mark told of the opening */
    log_image_open(&image);
    ck_assert_uint_eq(image.chain.lsn, lsn);
    log_image_extend(&image, LF_BLOCK_BYTES);
    memcpy(image.bytes + lsn, stale.bytes + lsn, LF_BLOCK_BYTES);
    ck_assert_uint_eq(log_image_epoch(&image, lsn)->epoch, image.chain.epoch);
    const struct found found = recover_image(&image);
    expect_verdict(&found, LOGFILE_TORN, lsn);
    ck_assert_uint_eq(found.tail.cut_bytes, LF_BLOCK_BYTES);
    log_image_free(&image);
    log_image_free(&stale);
}
END_TEST

/* The same epoch of a log that differs in nothing but id and salt; its promise counts for nothing. */
START_TEST(epoch_of_another_log_is_not_believed)
{
    struct log_image image, other;

    build_open_sample(&image);
    log_image_new(&other, SLOT_BYTES, 2);
    other.chain.epoch = image.chain.epoch;
    other.chain.lsn = image.chain.lsn;
    other.chain.chain = image.chain.chain;
    lf_chain_begin(&other.chain, image.chain.incarnation, image.chain.nonce);
    add_epoch(&other, 10);
    add_epoch(&other, 20);
    const uint64_t lsn = image.chain.lsn;
    log_image_extend(&image, 2 * LF_BLOCK_BYTES);
    memcpy(image.bytes + lsn, other.bytes + lsn, 2 * LF_BLOCK_BYTES);
    const struct found found = recover_image(&image);
    expect_verdict(&found, LOGFILE_TORN, lsn);
    log_image_free(&image);
    log_image_free(&other);
}
END_TEST

/* Written to the wrong place, at the end and behind it: neither an epoch nor a promise. */
START_TEST(misplaced_epoch_is_not_believed)
{
    struct log_image image;

    build_open_sample(&image);
    const uint64_t end = image.chain.lsn;
    log_image_extend(&image, 4 * LF_BLOCK_BYTES);
    memcpy(image.bytes + end, image.bytes + SAMPLE_THIRD, LF_BLOCK_BYTES);
    memcpy(image.bytes + end + 2 * LF_BLOCK_BYTES, image.bytes + SAMPLE_FIRST, LF_BLOCK_BYTES);
    struct found found = recover_image(&image);
    expect_verdict(&found, LOGFILE_TORN, end);

    /* One of the log's own, over another: what it replaced is missed. */
    memcpy(image.bytes + SAMPLE_FIRST, image.bytes + SAMPLE_THIRD, LF_BLOCK_BYTES);
    found = recover_image(&image);
    expect_verdict(&found, LOGFILE_CORRUPT, SAMPLE_FIRST);
    log_image_free(&image);
}
END_TEST

/* A log copied into a record of the same log: its headers are payload. */
START_TEST(log_inside_a_record)
{
    struct log_image image, copy;

    build_sample(&copy);
    log_image_new(&image, 1 << 20, 2);
    log_image_open(&image);
    log_image_record(&image, copy.bytes, copy.size);
    log_image_seal(&image);
    image.bytes[image.chain.lsn - 1] = 1; /* and the epoch that holds it is torn */
    const struct found found = recover_image(&image);
    expect_verdict(&found, LOGFILE_TORN, SAMPLE_FIRST);
    log_image_free(&image);
    log_image_free(&copy);
}
END_TEST

/* Changes a field of the third epoch and makes the checksum right: nothing else is wrong. */
static struct found forge_third(void (*change)(struct lf_epoch_header *header))
{
    struct log_image image;

    build_open_sample(&image);
    struct lf_epoch_header *header = log_image_epoch(&image, SAMPLE_THIRD);
    change(header);
    log_image_reseal(&image, header);
    const struct found found = recover_image(&image);
    log_image_free(&image);
    return found;
}

static void change_epoch(struct lf_epoch_header *header)
{
    header->epoch++;
}
static void change_chain(struct lf_epoch_header *header)
{
    header->chain ^= 1;
}
static void change_nonce(struct lf_epoch_header *header)
{
    header->nonce ^= 1;
}
static void change_incarnation(struct lf_epoch_header *header)
{
    header->incarnation++;
}
static void change_count_down(struct lf_epoch_header *header)
{
    header->record_count--;
}
static void change_count_up(struct lf_epoch_header *header)
{
    header->record_count++;
}
static void change_length_down(struct lf_epoch_header *header)
{
    header->length -= 8;
}
static void change_length_up(struct lf_epoch_header *header)
{
    header->length += 8;
}
static void change_length_beyond_file(struct lf_epoch_header *header)
{
    header->length = SLOT_BYTES;
}
static void change_flags(struct lf_epoch_header *header)
{
    header->flags = LF_EPOCH_HEADER_CHECKSUM;
}

static void (*const changes[])(struct lf_epoch_header *header) = {
    change_epoch,       change_chain,      change_nonce,
    change_incarnation, change_count_down, change_count_up,
    change_length_down, change_length_up,  change_length_beyond_file,
    change_flags,
};

START_TEST(headers_that_do_not_fit)
{
    const struct found found = forge_third(changes[_i]);

    expect_verdict(&found, LOGFILE_TORN, SAMPLE_THIRD);
    ck_assert_uint_eq(found.tail.cut_bytes, LF_BLOCK_BYTES);
}
END_TEST

/* ---- File header and trim marks ---- */

START_TEST(not_a_log)
{
    struct log_image image;

    log_image_new(&image, SLOT_BYTES, 1);
    image.size = 0;
    ck_assert_int_eq(recover_image(&image).error, LOGFILE_EFORMAT);
    image.size = 100;
    memset(image.bytes, 'x', 100);
    ck_assert_int_eq(recover_image(&image).error, LOGFILE_EFORMAT);
    log_image_free(&image);
}
END_TEST

START_TEST(file_header_copies)
{
    struct log_image image;
    uint8_t *second;

    build_sample(&image);
    second = image.bytes + LF_BLOCK_BYTES;
    /* Both damaged; one damaged and one gone: a log, but not one that can be trusted. */
    image.bytes[40] ^= 1;
    second[50] ^= 1;
    ck_assert_int_eq(recover_image(&image).error, LOGFILE_ECORRUPT);
    second[50] ^= 1;
    struct found found = recover_image(&image);
    expect_verdict(&found, LOGFILE_CLEAN, SAMPLE_END);
    second[0] ^= 1;
    ck_assert_int_eq(recover_image(&image).error, LOGFILE_ECORRUPT);
    image.bytes[40] ^= 1;
    found = recover_image(&image);
    expect_verdict(&found, LOGFILE_CLEAN, SAMPLE_END);
    second[0] ^= 1;

    /* Both valid, of two logs. */
    second[72] ^= 1;
    lf_file_header_seal(second);
    ck_assert_int_eq(recover_image(&image).error, LOGFILE_ECORRUPT);
    log_image_free(&image);
}
END_TEST

/* Both copies whole, but changed: the second one by itself, too. */
static struct found recover_changed_header(void (*change)(struct lf_file_header *header),
                                           int copies)
{
    struct log_image image;

    build_sample(&image);
    for (int copy = 2 - copies; copy < 2; copy++) {
        uint8_t *block = image.bytes + copy * LF_BLOCK_BYTES;
        change((struct lf_file_header *)block);
        lf_file_header_seal(block);
    }
    const struct found found = recover_image(&image);
    log_image_free(&image);
    return found;
}

static void change_to_version_1(struct lf_file_header *header)
{
    header->version = 1;
}
static void change_to_version_3(struct lf_file_header *header)
{
    header->version = 3;
}
static void change_to_unknown_feature(struct lf_file_header *header)
{
    header->features_refuse = 1;
}

/* One copy is enough: the other may be older than what is in the log. */
START_TEST(file_header_of_another_version)
{
    for (int copies = 1; copies <= 2; copies++) {
        struct found found = recover_changed_header(change_to_version_1, copies);
        ck_assert_int_eq(found.error, LOGFILE_EFORMAT);
        ck_assert_uint_eq(found.prologue.unknown_version, 1);
        found = recover_changed_header(change_to_version_3, copies);
        ck_assert_int_eq(found.error, LOGFILE_EFORMAT);
        ck_assert_uint_eq(found.prologue.unknown_version, 3);
        found = recover_changed_header(change_to_unknown_feature, copies);
        ck_assert_int_eq(found.error, LOGFILE_EFORMAT);
        ck_assert_uint_eq(found.prologue.unknown_version, 2);
    }
}
END_TEST

static void change_generation(struct lf_file_header *header)
{
    header->generation = 7;
}
static void change_feature(struct lf_file_header *header)
{
    header->features_ignore = 1;
}
static void change_generation_and_features(struct lf_file_header *header)
{
    header->generation = 7;
    header->features_ignore = 1;
    header->features_read_only = 2;
    ((uint8_t *)header)[4000] = 3;
}
static void change_slot_bytes(struct lf_file_header *header)
{
    header->generation = 7;
    header->slot_bytes *= 2;
}
static void change_id(struct lf_file_header *header)
{
    header->generation = 7;
    header->id[3] ^= 1;
}
static void change_salt(struct lf_file_header *header)
{
    header->generation = 7;
    header->salt[15] ^= 1;
}

/* Of two whole copies the one with the greater generation counts, if both are of one log. */
START_TEST(file_header_generations)
{
    struct found found = recover_changed_header(change_generation_and_features, 1);
    expect_verdict(&found, LOGFILE_CLEAN, SAMPLE_END);
    ck_assert_uint_eq(found.prologue.header.generation, 7);
    ck_assert_uint_eq(found.prologue.header.features_read_only, 2);
    ck_assert(!found.prologue.header_valid[0] && found.prologue.header_valid[1]);
    found = recover_changed_header(change_generation, 2);
    expect_verdict(&found, LOGFILE_CLEAN, SAMPLE_END);
    ck_assert(found.prologue.header_valid[0] && found.prologue.header_valid[1]);

    ck_assert_int_eq(recover_changed_header(change_feature, 1).error, LOGFILE_ECORRUPT);
    ck_assert_int_eq(recover_changed_header(change_slot_bytes, 1).error, LOGFILE_ECORRUPT);
    ck_assert_int_eq(recover_changed_header(change_id, 1).error, LOGFILE_ECORRUPT);
    ck_assert_int_eq(recover_changed_header(change_salt, 1).error, LOGFILE_ECORRUPT);
}
END_TEST

START_TEST(trim_mark_copies)
{
    struct log_image image;

    build_sample(&image);
    uint8_t *copies[2] = {image.bytes + 2 * LF_BLOCK_BYTES, image.bytes + 3 * LF_BLOCK_BYTES};
    copies[0][20] ^= 1;
    copies[1][30] ^= 1;
    ck_assert_int_eq(recover_image(&image).error, LOGFILE_ECORRUPT);
    copies[0][20] ^= 1;
    struct found found = recover_image(&image);
    expect_verdict(&found, LOGFILE_CLEAN, SAMPLE_END);
    ck_assert_uint_eq(found.prologue.trim.sequence, 3);
    ck_assert(found.prologue.trim_valid[0] && !found.prologue.trim_valid[1]);
    copies[1][30] ^= 1;

    /* One older than the other, either way round: no damage, and the newer one counts. */
    for (int older = 0; older < 2; older++) {
        memcpy(copies[older], copies[1 - older], LF_BLOCK_BYTES);
        struct lf_trim_mark *mark = (struct lf_trim_mark *)copies[older];
        mark->sequence = 2;
        mark->promise = SAMPLE_FIRST;
        lf_trim_mark_seal(mark, image.chain.log_seed);
        found = recover_image(&image);
        expect_verdict(&found, LOGFILE_CLEAN, SAMPLE_END);
        ck_assert_uint_eq(found.prologue.trim.sequence, 3);
        ck_assert_uint_eq(found.prologue.trim.promise, SAMPLE_END);
        ck_assert(found.prologue.trim_valid[0] && found.prologue.trim_valid[1]);
        ck_assert(!found.prologue.trim_current[older] && found.prologue.trim_current[1 - older]);
        memcpy(copies[older], copies[1 - older], LF_BLOCK_BYTES);
    }

    /* The same number twice, saying different things. */
    found = recover_image(&image);
    expect_verdict(&found, LOGFILE_CLEAN, SAMPLE_END);
    ck_assert(found.prologue.trim_current[0] && found.prologue.trim_current[1]);
    ((struct lf_trim_mark *)copies[1])->chain ^= 1;
    lf_trim_mark_seal(copies[1], image.chain.log_seed);
    ck_assert_int_eq(recover_image(&image).error, LOGFILE_ECORRUPT);
    log_image_free(&image);
}
END_TEST

START_TEST(trimmed_log)
{
    struct log_image image;

    build_sample(&image);
    log_image_trim(&image, SAMPLE_SECOND);
    struct found found = recover_image(&image);
    expect_verdict(&found, LOGFILE_CLEAN, SAMPLE_END);
    ck_assert_uint_eq(found.epochs, 3);
    log_image_trim(&image, SAMPLE_THIRD);
    found = recover_image(&image);
    expect_verdict(&found, LOGFILE_CLEAN, SAMPLE_END);
    ck_assert_uint_eq(found.epochs, 2);
    ck_assert_uint_eq(found.prologue.trim.sequence, 5);

    /* Either copy is lost: the other says the same, and nothing comes back. */
    for (unsigned copy = 2; copy < 4; copy++) {
        image.bytes[copy * LF_BLOCK_BYTES + 8] ^= 1;
        found = recover_image(&image);
        expect_verdict(&found, LOGFILE_CLEAN, SAMPLE_END);
        ck_assert_uint_eq(found.epochs, 2);
        image.bytes[copy * LF_BLOCK_BYTES + 8] ^= 1;
    }

    /* An older mark, after what the newer one released is gone: damage, not an empty log. */
    image.mark.oldest_lsn = SAMPLE_SECOND;
    log_image_write_marks(&image);
    found = recover_image(&image);
    expect_verdict(&found, LOGFILE_CORRUPT, SAMPLE_SECOND);
    ck_assert_uint_eq(found.tail.resume_lsn, SAMPLE_THIRD);
    log_image_free(&image);
}
END_TEST

/* A mark that speaks of another epoch than the one that is there. */
START_TEST(trim_mark_contradicts_the_log)
{
    struct log_image image;

    log_image_new(&image, SLOT_BYTES, 1);
    image.hold_promise = 1; /* it promises nothing, so that nothing else is wrong */
    log_image_open(&image);
    const uint32_t chain = image.mark.chain;
    struct found found = recover_image(&image);
    expect_verdict(&found, LOGFILE_TORN, SAMPLE_FIRST);

    image.mark.chain ^= 1;
    log_image_write_marks(&image);
    found = recover_image(&image);
    expect_verdict(&found, LOGFILE_CORRUPT, LF_FIRST_LSN);
    ck_assert_uint_eq(found.tail.resume_lsn, LF_FIRST_LSN);
    image.mark.chain = chain;
    image.mark.epoch = 2;
    log_image_write_marks(&image);
    found = recover_image(&image);
    expect_verdict(&found, LOGFILE_CORRUPT, LF_FIRST_LSN);
    image.mark.oldest_lsn = image.mark.promise = (uint64_t)1 << 62;
    log_image_write_marks(&image);
    found = recover_image(&image);
    expect_verdict(&found, LOGFILE_CORRUPT, (uint64_t)1 << 62);
    ck_assert_uint_eq(found.tail.resume_lsn, 0);
    log_image_free(&image);
}
END_TEST

/* The mark knows more than the log has: what it promises, or an opening. */
START_TEST(trim_mark_promises_more)
{
    struct log_image image;

    build_sample(&image);
    image.mark.promise = SAMPLE_END + LF_BLOCK_BYTES;
    log_image_write_marks(&image);
    struct found found = recover_image(&image);
    expect_verdict(&found, LOGFILE_CORRUPT, SAMPLE_END);
    ck_assert_uint_eq(found.tail.promised_lsn, SAMPLE_END + LF_BLOCK_BYTES);
    ck_assert_uint_eq(found.tail.resume_lsn, 0);

    image.mark.promise = SAMPLE_END;
    image.mark.incarnation = 2;
    log_image_write_marks(&image);
    found = recover_image(&image);
    expect_verdict(&found, LOGFILE_CORRUPT, SAMPLE_END);
    ck_assert_uint_eq(found.tail.promised_lsn, SAMPLE_END);

    /* An older mark promises less than the log has. */
    image.mark.promise = LF_FIRST_LSN;
    image.mark.incarnation = 0;
    log_image_write_marks(&image);
    found = recover_image(&image);
    expect_verdict(&found, LOGFILE_CLEAN, SAMPLE_END);
    ck_assert_uint_eq(found.tail.promised_lsn, SAMPLE_CLOSE);
    log_image_free(&image);
}
END_TEST

/* Two sessions; of the second nothing is left but zeros, or the file ends where the first was
 * closed: what is there looks like a log that was closed cleanly. */
START_TEST(a_whole_session_that_is_gone)
{
    for (int truncated = 0; truncated < 2; truncated++)
        for (int closed = 0; closed < 2; closed++) {
            struct log_image image;
            build_sample(&image);
            log_image_open(&image);
            add_epoch(&image, 10);
            if (closed)
                log_image_close(&image);
            memset(image.bytes + SAMPLE_END, 0, image.size - SAMPLE_END);
            if (truncated)
                image.size = SAMPLE_END;
            const struct found found = recover_image(&image);
            expect_verdict(&found, LOGFILE_CORRUPT, SAMPLE_END);
            ck_assert_uint_gt(found.tail.promised_lsn, SAMPLE_END);
            ck_assert_uint_eq(found.tail.resume_lsn, 0);
            log_image_free(&image);
        }
}
END_TEST

START_TEST(created_and_never_opened)
{
    struct log_image image;

    log_image_new(&image, SLOT_BYTES, 1);
    struct found found = recover_image(&image);
    expect_verdict(&found, LOGFILE_TORN, LF_FIRST_LSN);
    ck_assert_uint_eq(found.tail.incarnation, 0);
    ck_assert_uint_eq(found.tail.last_epoch, 0);
    ck_assert_uint_eq(found.tail.cut_bytes, 0);
    log_image_extend(&image, 10 * LF_BLOCK_BYTES);
    found = recover_image(&image);
    expect_verdict(&found, LOGFILE_TORN, LF_FIRST_LSN);
    log_image_free(&image);
}
END_TEST

/* Positions and numbers beyond 32 and 40 bits, in a sparse file on a real file system. */
START_TEST(far_positions)
{
    static const uint64_t starts[] = {((uint64_t)1 << 32) - 2 * LF_BLOCK_BYTES,
                                      ((uint64_t)1 << 40) - 2 * LF_BLOCK_BYTES};
    struct log_image image, part;

    log_image_new(&image, SLOT_BYTES, 1);
    log_image_copy(&part, &image);
    const uint64_t start = starts[_i];
    image.mark.oldest_lsn = image.mark.promise = start;
    image.mark.epoch = ((uint64_t)1 << 32) - 2;
    image.mark.chain = 5;
    log_image_write_marks(&image);

    const char *path = folder_path("far");
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, image.bytes, image.size, 0), (ssize_t)image.size);
    struct lf_chain chain = {.layout = image.chain.layout,
                             .log_seed = image.chain.log_seed,
                             .lsn = start,
                             .epoch = image.mark.epoch,
                             .chain = 5};
    lf_chain_begin(&chain, UINT32_MAX - 1, 1);
    uint8_t *block = part.bytes;
    for (int i = 0; i < 6; i++) {
        const struct iovec iov = {(void *)(uintptr_t) "x", 1};
        const struct lf_payload payload = {&iov, 1, 1};
        const struct lf_record_place place = {chain.epoch, LF_EPOCH_HEADER_BYTES,
                                              chain.record_seed};
        const uint64_t lsn = chain.lsn;
        lf_record_encode(block + LF_EPOCH_HEADER_BYTES, &place, &payload, lf_payload_crc(&payload));
        lf_chain_seal(&chain, block, LF_EPOCH_HEADER_BYTES + 16, 1, 0, lsn);
        ck_assert_int_eq(pwrite(fd, block, LF_BLOCK_BYTES, (off_t)lsn), LF_BLOCK_BYTES);
    }
    close(fd);
    const struct found found = scan_to_end(logfile_io_posix(), path);
    expect_verdict(&found, LOGFILE_TORN, start + 6 * LF_BLOCK_BYTES);
    ck_assert_uint_eq(found.epochs, 6);
    ck_assert_uint_eq(found.tail.last_epoch, ((uint64_t)1 << 32) + 3);
    unlink(path);
    log_image_free(&image);
    log_image_free(&part);
}
END_TEST

/* ---- Reads that go wrong ---- */

/* Each read fails once: always an error, never an end, and never a verdict. */
START_TEST(read_errors)
{
    struct log_image image;
    unsigned reads;

    build_sample(&image);
    for (int i = 0; i < 600; i++)
        add_epoch(&image, 5000);
    log_image_epoch(&image, SAMPLE_THIRD)->lsn++;
    struct logfile_sim *disk = disk_with(&image);
    const struct found whole = scan_to_end(logfile_sim_io(disk), NAME);
    expect_verdict(&whole, LOGFILE_CORRUPT, SAMPLE_THIRD);
    reads = (unsigned)logfile_sim_call_count(disk, LOGFILE_SIM_READ);
    ck_assert_uint_gt(reads, 8);
    for (unsigned i = 0; i < reads; i++) {
        logfile_sim_fault(
            disk, &(struct logfile_sim_fault){.call = LOGFILE_SIM_READ, .after = i, .error = -EIO});
        ck_assert_int_eq(scan_to_end(logfile_sim_io(disk), NAME).error, -EIO);
        logfile_sim_fault_clear(disk);
    }
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

START_TEST(short_reads)
{
    static const size_t sizes[] = {1, 511, 512, 4095, 4096, 4097, 12288, 100000};
    struct log_image image;

    build_sample(&image);
    image.bytes[SAMPLE_SECOND + 100] ^= 1;
    image.size -= 700;
    const struct found whole = recover_image(&image);
    expect_verdict(&whole, LOGFILE_CORRUPT, SAMPLE_SECOND);
    struct logfile_sim *disk = disk_with(&image);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        logfile_sim_fault(disk, &(struct logfile_sim_fault){.call = LOGFILE_SIM_READ,
                                                            .for_ever = true,
                                                            .short_bytes = sizes[i]});
        const struct found found = scan_to_end(logfile_sim_io(disk), NAME);
        ck_assert_int_eq(found.error, 0);
        ck_assert_mem_eq(&found.tail, &whole.tail, sizeof(found.tail));
    }
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* A descriptor that takes whole blocks only, and a file that is not one. */
START_TEST(direct_descriptor)
{
    struct log_image image;
    const struct logfile_io *io = logfile_io_posix();
    const char *path = folder_path("direct");

    build_open_sample(&image);
    image.hold_promise = 1; /* the power went while it was closed */
    log_image_close(&image);
    image.size -= 1000;
    log_image_store(&image, io, path);
    const int fd = io->open(io->context, LOGFILE_IO_HERE, path, LOGFILE_IO_OPEN_DIRECT, 0);
    if (fd == -EINVAL) {
        printf("direct_descriptor: not run: the file system has no O_DIRECT\n");
    } else {
        ck_assert_int_ge(fd, 0);
        io->close(io->context, fd);
        struct lf_file file = file_with(io, LOGFILE_IO_OPEN_DIRECT, path);
        const struct found found = scan_file(&file);
        expect_verdict(&found, LOGFILE_TORN, SAMPLE_CLOSE);
        ck_assert_uint_eq(found.tail.cut_bytes, LF_BLOCK_BYTES - 1000);
    }
    unlink(path);
    log_image_free(&image);
}
END_TEST

/* The simulated disk checks every read for alignment. */
START_TEST(direct_reads_are_aligned)
{
    struct log_image image;

    log_image_new(&image, 1 << 20, 1);
    log_image_open(&image);
    for (int i = 0; i < 60; i++)
        add_epoch(&image, (size_t)(13331 * i));
    image.size -= 3000;
    struct logfile_sim *disk = disk_with(&image);
    struct lf_file file = file_with(logfile_sim_io(disk), LOGFILE_IO_OPEN_DIRECT, NAME);
    const struct found found = scan_file(&file);
    ck_assert_int_eq(found.error, 0);
    ck_assert_int_eq(found.tail.verdict, LOGFILE_TORN);
    ck_assert_uint_eq(found.epochs, 60);
    ck_assert_uint_eq(logfile_sim_misuse_count(disk), 0);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* The file gets shorter while it is read, to a size that is no multiple of a block. */
START_TEST(truncated_underneath)
{
    struct log_image image;
    struct lf_scan scan;

    log_image_new(&image, 1 << 20, 1);
    log_image_open(&image);
    add_epoch(&image, 900000);
    add_epoch(&image, 900000);
    struct logfile_sim *disk = disk_with(&image);
    const struct logfile_io *io = logfile_sim_io(disk);
    struct lf_file file = file_with(io, LOGFILE_IO_OPEN_DIRECT, NAME);
    const int writer = io->open(io->context, LOGFILE_IO_HERE, NAME, LOGFILE_IO_OPEN_WRITE, 0);
    ck_assert_int_eq(lf_scan_open(&scan, &file), 0);
    ck_assert_int_eq(lf_scan_next(&scan), LF_STEP_EPOCH);
    ck_assert_int_eq(lf_scan_next(&scan), LF_STEP_EPOCH);
    ck_assert_int_eq(io->truncate(io->context, writer, image.size - 1000), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(lf_scan_next(&scan), LF_STEP_BREAK);
    lf_scan_close(&scan);
    lf_file_close(&file);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* ---- Files that are made to be expensive ---- */

static uint64_t read_bytes, read_calls;

/* Reads all that can be read, behind damage too; returns how often it went on. */
static unsigned salvage(const struct log_image *image, size_t *window_capacity)
{
    struct logfile_sim *disk = disk_with(image);
    struct logfile_tail tail;
    struct io_layer layer;
    struct lf_scan scan;
    unsigned resumed = 0;

    io_layer_init(&layer, logfile_sim_io(disk));
    struct lf_file file = file_at(&layer.io, NAME);
    ck_assert_int_eq(lf_scan_open(&scan, &file), 0);
    for (;;) {
        ck_assert_int_eq(lf_verdict_scan(&scan, NULL, NULL, &tail), 0);
        if (tail.verdict != LOGFILE_CORRUPT || lf_verdict_resume(&scan, &tail) != 0)
            break;
        resumed++;
    }
    *window_capacity = scan.window.capacity;
    read_bytes = io_layer_bytes(&layer, LOGFILE_SIM_READ);
    read_calls = io_layer_count(&layer, LOGFILE_SIM_READ);
    lf_scan_close(&scan);
    lf_file_close(&file);
    logfile_sim_free(disk);
    return resumed;
}

/*
 * Every block starts a header that is valid and claims the rest of the file, or all that a slot may
 * hold.  Checking each claim in full would read the file once a block.
 */
static void build_claims(struct log_image *image, uint64_t slot_bytes, unsigned blocks)
{
    log_image_new(image, slot_bytes, 1);
    log_image_open(image);
    log_image_extend(image, (size_t)blocks * LF_BLOCK_BYTES);
    for (unsigned i = 0; i < blocks; i++) {
        const uint64_t lsn = image->chain.lsn + (uint64_t)i * LF_BLOCK_BYTES;
        const uint64_t rest = image->size - lsn;
        struct lf_epoch_header *header = log_image_epoch(image, lsn);
        *header = (struct lf_epoch_header){
            .magic = LF_EPOCH_MAGIC,
            .epoch = image->chain.epoch + i,
            .lsn = lsn,
            .promise = lsn,
            .nonce = image->chain.nonce,
            .incarnation = image->chain.incarnation,
            .chain = image->chain.chain,
            .length = (uint32_t)(rest < slot_bytes ? rest : slot_bytes),
            .record_count = 1,
            .flags = LF_EPOCH_HEADER_CHECKSUM,
        };
        log_image_reseal(image, header);
    }
}

START_TEST(claims_are_not_paid_for_twice)
{
    struct log_image image;
    size_t window_capacity;

    build_claims(&image, 1 << 20, 2000);
    salvage(&image, &window_capacity);
    ck_assert_uint_le(read_bytes, 8 * image.size);
    ck_assert_uint_le(window_capacity, ((size_t)1 << 20) + LF_BLOCK_BYTES);
    log_image_free(&image);
}
END_TEST

/* A claim beyond the end of a file that is larger than the window: no memory is spent on it. */
START_TEST(claim_beyond_the_file)
{
    struct log_image image;
    size_t window_capacity;

    log_image_new(&image, LF_SLOT_BYTES_MAX, 1);
    log_image_open(&image);
    const uint64_t lsn = add_epoch(&image, 10);
    struct lf_epoch_header *header = log_image_epoch(&image, lsn);
    header->length = (uint32_t)LF_SLOT_BYTES_MAX;
    log_image_reseal(&image, header);
    log_image_extend(&image, (size_t)4 << 20);
    salvage(&image, &window_capacity);
    ck_assert_uint_le(window_capacity, LF_WINDOW_BYTES_MIN);
    log_image_free(&image);
}
END_TEST

enum place {
    FIRST_RECORD,
    LAST_RECORD,
    PADDING,
    COUNT,
    PLACE_COUNT
};

static void damage_claim(struct log_image *image, uint64_t lsn, enum place place)
{
    struct lf_epoch_header *header = log_image_epoch(image, lsn);

    if (place == FIRST_RECORD)
        image->bytes[lsn + 5000] ^= 1;
    else if (place == LAST_RECORD)
        image->bytes[image->chain.lsn - 5000] ^= 1;
    else if (place == PADDING)
        image->bytes[image->chain.lsn - 1] ^= 1;
    else
        header->record_count++;
    log_image_reseal(image, header);
}

/* Claims that the file is large enough for: one record, or many that are right and then one that is
 * not.  Memory is the largest valid epoch and 64 KiB all the same. */
START_TEST(claims_take_no_memory)
{
    const size_t slot_bytes = (size_t)8 << 20;
    const size_t valid_bytes = 200000;
    struct log_image image;
    size_t window_capacity;

    for (unsigned variant = 0; variant < 2 * PLACE_COUNT; variant++) {
        log_image_new(&image, slot_bytes, 1);
        log_image_open(&image);
        if (variant >= PLACE_COUNT)
            add_epoch(&image, valid_bytes);
        uint64_t lsn = image.chain.lsn;
        for (unsigned i = 0; i < 10; i++)
            add_record(&image, 700000);
        ck_assert_uint_eq(log_image_seal(&image), lsn);
        damage_claim(&image, lsn, (enum place)(variant % PLACE_COUNT));
        log_image_extend(&image, slot_bytes);
        salvage(&image, &window_capacity);
        ck_assert_uint_le(window_capacity,
                          LF_WINDOW_BYTES_MIN + (variant >= PLACE_COUNT
                                                     ? lf_round_up(valid_bytes + 88, LF_BLOCK_BYTES)
                                                     : 0));
        ck_assert_uint_le(read_bytes, 4 * image.size);
        log_image_free(&image);
    }
}
END_TEST

/* What was found valid pays for a larger window: an eighth of it, up to 1 MiB. */
START_TEST(memory_grows_with_what_is_valid)
{
    static const size_t sizes[] = {0, 1 << 18, 1 << 19, 1 << 20, 1 << 22, 1 << 23, 1 << 24};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct log_image image;
        size_t window_capacity;
        log_image_new(&image, SLOT_BYTES, 1);
        log_image_open(&image);
        while (image.chain.lsn < sizes[i])
            add_epoch(&image, 4000);
        log_image_extend(&image, (size_t)2 << 20);
        salvage(&image, &window_capacity);
        const size_t paid_for =
            sizes[i] / 8 < LF_WINDOW_BYTES_MAX ? sizes[i] / 8 : LF_WINDOW_BYTES_MAX;
        ck_assert_uint_le(window_capacity,
                          paid_for < LF_WINDOW_BYTES_MIN ? LF_WINDOW_BYTES_MIN : paid_for);
        ck_assert_uint_ge(window_capacity, paid_for / 2);
        log_image_free(&image);
    }
}
END_TEST

/* Whatever the sizes of its epochs, a log is read once, but for what it takes to believe that an
 * epoch is larger than any before; and in large pieces. */
START_TEST(whole_log_is_read_once)
{
    struct log_image image;
    size_t window_capacity;

    log_image_new(&image, 1 << 20, 1);
    log_image_open(&image);
    for (size_t i = 0; i < 40; i++)
        add_epoch(&image, i * 25000);
    for (size_t i = 0; i < 1000; i++)
        add_epoch(&image, i);
    log_image_close(&image);
    ck_assert_uint_eq(salvage(&image, &window_capacity), 0);
    ck_assert_uint_le(read_bytes, image.size + image.size / 8);
    ck_assert_uint_le(read_calls, image.size / (1 << 18));
    log_image_free(&image);
}
END_TEST

/* Every second epoch is damaged: the search for promises must not start over at each. */
START_TEST(many_breaks)
{
    struct log_image image;
    size_t window_capacity;
    const unsigned pairs = 1000;

    log_image_new(&image, SLOT_BYTES, 1);
    log_image_open(&image);
    for (unsigned i = 0; i < pairs; i++) {
        const uint64_t lsn = add_epoch(&image, 10);
        image.bytes[lsn + 90] ^= 1;
        add_epoch(&image, 20);
    }
    log_image_close(&image);
    ck_assert_uint_eq(salvage(&image, &window_capacity), pairs);
    ck_assert_uint_le(read_bytes, 8 * image.size);
    log_image_free(&image);
}
END_TEST

/* ---- The pieces that readers use ---- */

START_TEST(promises_and_stepping_back)
{
    struct log_image image;
    struct lf_scan scan;

    build_open_sample(&image);
    image.hold_promise = 1; /* the power went before the mark told of the CLOSE epoch */
    image.promise = SAMPLE_CLOSE;
    log_image_close(&image);
    struct logfile_sim *disk = disk_with(&image);
    const struct logfile_io *io = logfile_sim_io(disk);
    struct lf_file file = file_at(io, NAME);
    ck_assert_int_eq(lf_scan_open(&scan, &file), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(lf_scan_next(&scan), LF_STEP_EPOCH);
    ck_assert_uint_eq(scan.epoch->lsn, SAMPLE_SECOND);
    ck_assert_uint_eq(lf_scan_next_promise(&scan), SAMPLE_THIRD);

    /* The epoch changes on the disk: stepping back reads what is there now. */
    uint8_t byte = 0xff;
    logfile_sim_poke(disk, NAME, SAMPLE_SECOND + 80, &byte, 1);
    lf_scan_step_back(&scan);
    ck_assert_ptr_null(scan.epoch);
    ck_assert_int_eq(lf_scan_next(&scan), LF_STEP_BREAK);
    ck_assert_uint_eq(scan.chain.lsn, SAMPLE_SECOND);
    logfile_sim_poke(disk, NAME, SAMPLE_SECOND + 80, &image.bytes[SAMPLE_SECOND + 80], 1);
    lf_scan_invalidate(&scan);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(lf_scan_next(&scan), LF_STEP_EPOCH);
    ck_assert_uint_eq(scan.epoch->lsn, SAMPLE_CLOSE);
    ck_assert_uint_eq(lf_scan_next_promise(&scan), 0);

    /* The CLOSE epoch that was there does not make the log clean. */
    struct logfile_tail tail;
    logfile_sim_poke(disk, NAME, SAMPLE_CLOSE + 80, &byte, 1);
    lf_scan_step_back(&scan);
    ck_assert_int_eq(lf_scan_next(&scan), LF_STEP_BREAK);
    ck_assert_int_eq(lf_verdict_give(&scan, &tail), 0);
    ck_assert_int_eq(tail.verdict, LOGFILE_TORN);
    ck_assert_uint_eq(tail.promised_lsn, SAMPLE_CLOSE);
    lf_scan_close(&scan);
    lf_file_close(&file);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* A header whose promise was looked at is checked again if other bytes are read in its place. */
START_TEST(header_that_changes_is_checked_again)
{
    struct log_image image;
    struct logfile_tail tail;
    struct lf_scan scan;

    build_open_sample(&image);
    log_image_close(&image);
    struct logfile_sim *disk = disk_with(&image);
    struct lf_file file = file_at(logfile_sim_io(disk), NAME);
    ck_assert_int_eq(lf_scan_open(&scan, &file), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(lf_scan_next(&scan), LF_STEP_EPOCH);
    for (size_t at = 0; at < LF_EPOCH_HEADER_BYTES; at++) {
        const uint8_t right = image.bytes[SAMPLE_SECOND + at];
        const uint8_t wrong = right ^ 1;
        lf_scan_step_back(&scan);
        ck_assert_int_eq(lf_scan_next(&scan), LF_STEP_EPOCH);
        ck_assert_uint_ne(lf_scan_next_promise(&scan), 0);
        logfile_sim_poke(disk, NAME, SAMPLE_SECOND + at, &wrong, 1);
        lf_scan_invalidate(&scan);
        ck_assert_int_eq(lf_scan_next(&scan), LF_STEP_BREAK);
        ck_assert_int_eq(lf_verdict_give(&scan, &tail), 0);
        ck_assert_int_eq(tail.verdict, LOGFILE_CORRUPT);
        ck_assert_uint_eq(tail.promised_lsn, SAMPLE_END);
        logfile_sim_poke(disk, NAME, SAMPLE_SECOND + at, &right, 1);
    }
    lf_scan_invalidate(&scan);
    ck_assert_int_eq(lf_scan_next(&scan), LF_STEP_EPOCH);
    lf_scan_close(&scan);
    lf_file_close(&file);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* A verdict is about the file as it was; after an invalidate it is about the file as it is. */
START_TEST(verdict_is_not_kept_too_long)
{
    struct log_image image;
    struct logfile_tail tail;
    struct lf_scan scan;

    build_sample(&image);
    log_image_extend(&image, 2 * LF_BLOCK_BYTES);
    struct logfile_sim *disk = disk_with(&image);
    const struct logfile_io *io = logfile_sim_io(disk);
    struct lf_file file = file_at(io, NAME);
    ck_assert_int_eq(lf_scan_open(&scan, &file), 0);
    ck_assert_int_eq(lf_verdict_scan(&scan, NULL, NULL, &tail), 0);
    ck_assert_int_eq(tail.verdict, LOGFILE_CLEAN);

    /* The next incarnation's OPEN epoch is lost at once, what follows it is not. */
    log_image_open(&image);
    const uint64_t lsn = add_epoch(&image, 10);
    logfile_sim_poke(disk, NAME, lsn, image.bytes + lsn, LF_BLOCK_BYTES);
    lf_scan_invalidate(&scan);
    ck_assert_int_eq(lf_scan_next(&scan), LF_STEP_BREAK);
    ck_assert_int_eq(lf_verdict_give(&scan, &tail), 0);
    ck_assert_int_eq(tail.verdict, LOGFILE_CORRUPT);
    ck_assert_uint_eq(tail.resume_lsn, lsn);

    /* And what was to be gone on with is lost too: the CLOSE before it is not the log's end. */
    uint8_t byte = 0xff;
    ck_assert_int_eq(lf_verdict_resume(&scan, &tail), 0);
    logfile_sim_poke(disk, NAME, lsn + 80, &byte, 1);
    lf_scan_invalidate(&scan);
    ck_assert_int_eq(lf_scan_next(&scan), LF_STEP_BREAK);
    ck_assert_int_eq(lf_verdict_give(&scan, &tail), 0);
    ck_assert_int_eq(tail.verdict, LOGFILE_TORN);
    lf_scan_close(&scan);
    lf_file_close(&file);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

static void add_damage_tests(Suite *suite)
{
    TCase *tcase = tcase_create("damage");

    tcase_set_timeout(tcase, 600);
    tcase_add_test(tcase, every_flipped_byte_is_noticed);
    tcase_add_test(tcase, every_zeroed_sector_is_noticed);
    tcase_add_test(tcase, every_truncation);
    tcase_add_test(tcase, every_truncation_of_an_open_log);
    tcase_add_test(tcase, torn_last_epoch);
    tcase_add_test(tcase, unpromised_epoch_behind_a_torn_one);
    tcase_add_test(tcase, damaged_middle);
    tcase_add_test(tcase, damage_behind_a_close);
    tcase_add_test(tcase, nothing_whole_behind_the_damage);
    tcase_add_test(tcase, resume_after_each_damage);
    tcase_add_test(tcase, payload_is_not_searched);
    tcase_add_test(tcase, leftovers_behind_the_damage);
    tcase_add_test(tcase, stale_epoch_is_not_believed);
    tcase_add_test(tcase, epoch_of_another_log_is_not_believed);
    tcase_add_test(tcase, misplaced_epoch_is_not_believed);
    tcase_add_test(tcase, log_inside_a_record);
    tcase_add_loop_test(tcase, headers_that_do_not_fit, 0,
                        (int)(sizeof(changes) / sizeof(changes[0])));
    suite_add_tcase(suite, tcase);
}

static void add_other_tests(Suite *suite)
{
    TCase *tcase = tcase_create("logs");

    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, golden_verdicts, 0, (int)golden_count);
    tcase_add_test(tcase, closed_log);
    tcase_add_test(tcase, chain_continues_the_log);
    tcase_add_test(tcase, incarnations_grow);
    tcase_add_test(tcase, large_epochs);
    tcase_add_test(tcase, not_a_log);
    tcase_add_test(tcase, file_header_copies);
    tcase_add_test(tcase, file_header_of_another_version);
    tcase_add_test(tcase, file_header_generations);
    tcase_add_test(tcase, trim_mark_copies);
    tcase_add_test(tcase, trimmed_log);
    tcase_add_test(tcase, trim_mark_contradicts_the_log);
    tcase_add_test(tcase, trim_mark_promises_more);
    tcase_add_test(tcase, a_whole_session_that_is_gone);
    tcase_add_test(tcase, created_and_never_opened);
    tcase_add_loop_test(tcase, far_positions, 0, 2);
    tcase_add_test(tcase, read_errors);
    tcase_add_test(tcase, short_reads);
    tcase_add_test(tcase, direct_descriptor);
    tcase_add_test(tcase, direct_reads_are_aligned);
    tcase_add_test(tcase, truncated_underneath);
    tcase_add_test(tcase, claims_are_not_paid_for_twice);
    tcase_add_test(tcase, claim_beyond_the_file);
    tcase_add_test(tcase, claims_take_no_memory);
    tcase_add_test(tcase, memory_grows_with_what_is_valid);
    tcase_add_test(tcase, many_breaks);
    tcase_add_test(tcase, whole_log_is_read_once);
    tcase_add_test(tcase, promises_and_stepping_back);
    tcase_add_test(tcase, header_that_changes_is_checked_again);
    tcase_add_test(tcase, verdict_is_not_kept_too_long);
    suite_add_tcase(suite, tcase);
}

int main(void)
{
    Suite *suite = suite_create("recover");

    enter_folder();
    add_other_tests(suite);
    add_damage_tests(suite);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
