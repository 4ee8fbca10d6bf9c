/* SPDX-License-Identifier: MIT */
/*
 * The scanner and the verdict over a directory of segments: epochs on both sides of every border,
 * segments that are short, missing, left over from another life or made to mislead; and the thread
 * that reads ahead.  Logs are built in memory, stored on a simulated disk, and damaged there.
 */
#include "log_image.h"
#include "logfile.h"
#include "read/window.h"
#include "format/record.h"
#include "read/verdict.h"
#include "logfile_sim.h"
#include "support.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_BYTES 8192u
/* Epochs of one block go to blocks 4 to 8; behind the one in block 8 no other is sure to fit. */
#define SEGMENT_BYTES (LF_FIRST_LSN + 3 * SLOT_BYTES + LF_BLOCK_BYTES)
#define EPOCHS_PER_SEGMENT 5u
#define NAME "log"

/* ---- A log on a disk ---- */

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

static void remove_segment(struct logfile_sim *disk, uint64_t index)
{
    const struct logfile_io *io = logfile_sim_io(disk);

    ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, segment_path(index)), 0);
}

static void truncate_segment(struct logfile_sim *disk, uint64_t index, uint64_t bytes)
{
    const struct logfile_io *io = logfile_sim_io(disk);
    const int fd =
        io->open(io->context, LOGFILE_IO_HERE, segment_path(index), LOGFILE_IO_OPEN_WRITE, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(io->truncate(io->context, fd, bytes), 0);
    ck_assert_int_eq(io->close(io->context, fd), 0);
}

/* What recovery says of a log. */
struct found {
    int error;
    struct logfile_tail tail;
    uint32_t epochs;
    uint32_t records;
    bool segment_missing;
    uint64_t missing_index;
    struct lf_chain chain; /* where the next epoch goes */
};

static struct found scan_to_end(const struct logfile_io *io)
{
    struct found found = {0};
    struct lf_file file;
    struct lf_scan scan;
    enum lf_step step;

    ck_assert_int_eq(lf_file_open(&file, io, NAME), 0);
    found.error = lf_scan_open(&scan, &file);
    if (found.error == 0) {
        while ((step = lf_scan_next(&scan)) == LF_STEP_EPOCH) {
            found.epochs++;
            found.records += scan.epoch->record_count;
        }
        found.error =
            step == LF_STEP_FAILED ? scan.error : lf_verdict_scan(&scan, NULL, NULL, &found.tail);
        found.segment_missing = scan.damage == LF_DAMAGE_MISSING;
        found.missing_index = scan.damage_index;
        found.chain = scan.chain;
        lf_scan_close(&scan);
    }
    lf_file_close(&file);
    return found;
}

static struct found recover_disk(struct logfile_sim *disk)
{
    const struct found found = scan_to_end(logfile_sim_io(disk));

    ck_assert_uint_eq(logfile_sim_misuse_count(disk), 0);
    ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
    return found;
}

static struct found recover_image(const struct log_image *image)
{
    struct logfile_sim *disk = disk_with(image);
    const struct found found = recover_disk(disk);

    logfile_sim_free(disk);
    return found;
}

static void expect_verdict(const struct found *found, enum logfile_verdict verdict,
                           uint64_t end_lsn)
{
    ck_assert_int_eq(found->error, 0);
    ck_assert_int_eq(found->tail.verdict, verdict);
    ck_assert_uint_eq(found->tail.end_lsn, end_lsn);
}

static void expect_missing(const struct found *found, uint64_t index)
{
    expect_verdict(found, LOGFILE_CORRUPT, index * SEGMENT_BYTES + LF_FIRST_LSN);
    ck_assert(found->segment_missing);
    ck_assert_uint_eq(found->missing_index, index);
}

/* An epoch with one record. */
static uint64_t add_epoch(struct log_image *image, size_t size)
{
    uint8_t payload[SLOT_BYTES];

    payload_fill(payload, size, size);
    log_image_record(image, payload, size);
    return log_image_seal(image);
}

static void new_log(struct log_image *image)
{
    log_image_new_segments(image, SLOT_BYTES, SEGMENT_BYTES, 1);
    log_image_open(image);
}

/* OPEN and `count` more epochs, each of one block.  The nth of all is at epoch_lsn(n). */
static void build_log(struct log_image *image, unsigned count)
{
    new_log(image);
    for (unsigned i = 0; i < count; i++)
        add_epoch(image, 100 + i);
}

static uint64_t epoch_lsn(unsigned n)
{
    return n / EPOCHS_PER_SEGMENT * (uint64_t)SEGMENT_BYTES + LF_FIRST_LSN +
           n % EPOCHS_PER_SEGMENT * (uint64_t)LF_BLOCK_BYTES;
}

/* ---- Whole logs ---- */

/* Every length of a log, closed or not, with and without segments prepared ahead. */
START_TEST(every_length)
{
    for (unsigned count = 0; count < 3 * EPOCHS_PER_SEGMENT; count++)
        for (unsigned variant = 0; variant < 6; variant++) {
            const bool closed = variant % 2 == 1;
            struct log_image image;
            build_log(&image, count);
            if (closed)
                log_image_close(&image);
            for (unsigned i = 0; i < variant / 2; i++)
                log_image_prepare_segment(&image);
            const unsigned epochs = 1 + count + closed;
            const struct found found = recover_image(&image);
            expect_verdict(&found, closed ? LOGFILE_CLEAN : LOGFILE_TORN, epoch_lsn(epochs));
            ck_assert_uint_eq(found.epochs, epochs);
            ck_assert_uint_eq(found.records, count);
            ck_assert_uint_eq(found.tail.cut_bytes, 0);
            ck_assert_uint_eq(found.tail.resume_lsn, image.chain.lsn);
            ck_assert_uint_eq(found.chain.lsn, image.chain.lsn);
            ck_assert_uint_eq(found.chain.chain, image.chain.chain);
            ck_assert(!found.segment_missing);
            log_image_free(&image);
        }
}
END_TEST

static void build_random_log(struct log_image *image, uint64_t seed, unsigned *records)
{
    struct rng rng = {.state = seed};
    uint8_t payload[SLOT_BYTES] = {0};

    new_log(image);
    *records = 0;
    for (unsigned epoch = 0; epoch < 40; epoch++) {
        const unsigned count = 1 + (unsigned)rng_below(&rng, 4);
        const size_t most = (SLOT_BYTES - LF_EPOCH_HEADER_BYTES) / count - 16;
        for (unsigned i = 0; i < count; i++)
            log_image_record(image, payload, rng_below(&rng, most));
        *records += count;
        log_image_seal(image);
        if (rng_one_in(&rng, 8)) {
            log_image_close(image);
            log_image_open(image);
        }
    }
    log_image_close(image);
}

START_TEST(epochs_of_all_sizes)
{
    for (uint64_t seed = 1; seed <= scaled(5, 20, 500); seed++) {
        struct log_image image;
        unsigned records;
        build_random_log(&image, seed, &records);
        const struct found found = recover_image(&image);
        expect_verdict(&found, LOGFILE_CLEAN, image.chain.lsn);
        ck_assert_uint_eq(found.records, records);
        log_image_free(&image);
    }
}
END_TEST

struct visited {
    struct lf_chain chains[64];
    unsigned count;
    unsigned stop_after; /* so many; 0: never */
};

static int note_epoch(void *arg, const struct lf_scan *scan)
{
    struct visited *visited = arg;

    ck_assert_uint_lt(visited->count, 64);
    ck_assert_uint_eq(scan->epoch->lsn, scan->before.lsn);
    visited->chains[visited->count++] = scan->before;
    return visited->count == visited->stop_after ? -ENOTEMPTY : 0;
}

/* Recovery tells where each epoch starts, what it is numbered and what its chain field is, and knows
 * the same of the one to come. */
START_TEST(recovery_names_each_epoch)
{
    struct visited visited = {.count = 0};
    struct logfile_tail tail;
    struct log_image image;
    struct lf_file file;
    struct lf_scan scan;

    build_log(&image, 12);
    log_image_trim(&image, epoch_lsn(3));
    struct logfile_sim *disk = disk_with(&image);
    ck_assert_int_eq(lf_file_open(&file, logfile_sim_io(disk), NAME), 0);
    ck_assert_int_eq(lf_scan_open(&scan, &file), 0);
    ck_assert_int_eq(lf_verdict_scan(&scan, note_epoch, &visited, &tail), 0);
    ck_assert_uint_eq(visited.count, 13 - 3);
    for (unsigned i = 0; i < visited.count; i++) {
        const unsigned n = 3 + i;
        ck_assert_uint_eq(visited.chains[i].lsn, epoch_lsn(n));
        ck_assert_uint_eq(visited.chains[i].epoch, n + 1);
        ck_assert_uint_eq(visited.chains[i].chain, log_image_epoch(&image, epoch_lsn(n))->chain);
    }
    ck_assert_uint_eq(scan.chain.lsn, epoch_lsn(13));
    ck_assert_uint_eq(scan.chain.epoch, 14);
    ck_assert_uint_eq(scan.chain.chain, image.chain.chain);

    /* The visitor ends the scan, and says why. */
    lf_scan_restart(&scan);
    visited = (struct visited){.stop_after = 4};
    ck_assert_int_eq(lf_verdict_scan(&scan, note_epoch, &visited, &tail), -ENOTEMPTY);
    ck_assert_uint_eq(visited.count, 4);
    lf_scan_close(&scan);
    lf_file_close(&file);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

START_TEST(trimmed_log)
{
    struct log_image image;

    build_log(&image, 17);
    log_image_close(&image);
    for (unsigned n = 1; n < 18; n++) {
        log_image_trim(&image, epoch_lsn(n));
        struct logfile_sim *disk = disk_with(&image);
        ck_assert(!logfile_sim_exists(disk, segment_path(n / EPOCHS_PER_SEGMENT - 1)));
        struct found found = recover_disk(disk);
        expect_verdict(&found, LOGFILE_CLEAN, image.chain.lsn);
        ck_assert_uint_eq(found.epochs, 19 - n);
        /* The segments below come back, with what was in them: they count for nothing. */
        for (uint64_t index = 0; index < n / EPOCHS_PER_SEGMENT; index++)
            log_image_store_segment(&image, logfile_sim_io(disk), NAME, index);
        found = recover_disk(disk);
        expect_verdict(&found, LOGFILE_CLEAN, image.chain.lsn);
        ck_assert_uint_eq(found.epochs, 19 - n);
        logfile_sim_free(disk);
    }
    log_image_free(&image);
}
END_TEST

/* Blocks 0 and 1 of a segment as they should be. */
static void write_header(struct logfile_sim *disk, const struct log_image *image, uint64_t index)
{
    _Alignas(LF_BLOCK_BYTES) uint8_t block[LF_BLOCK_BYTES];
    struct lf_file_header *header = (struct lf_file_header *)block;

    memcpy(block, image->bytes, sizeof(block)); /* the control file's */
    header->first_lsn = lf_segment_first_lsn(&image->chain.layout, index);
    lf_file_header_seal(block);
    for (uint64_t copy = 0; copy < 2; copy++)
        logfile_sim_poke(disk, segment_path(index), copy * LF_BLOCK_BYTES, block, sizeof(block));
}

/* Writes one epoch with the record "x" to its segment, which is made where it begins. */
static void write_far_epoch(struct logfile_sim *disk, struct log_image *segment,
                            struct lf_chain *chain)
{
    const struct logfile_io *io = logfile_sim_io(disk);
    const struct iovec iov = {(void *)(uintptr_t) "x", 1};
    const struct lf_payload payload = {&iov, 1, 1};
    const struct lf_record_place place = {chain->epoch, LF_EPOCH_HEADER_BYTES, chain->record_seed};
    const uint64_t index = chain->lsn / SEGMENT_BYTES;
    uint8_t *block = segment->bytes + LF_FIRST_LSN;

    if (chain->lsn % SEGMENT_BYTES == LF_FIRST_LSN) {
        log_image_store_segment(segment, io, NAME, 0);
        ck_assert_int_eq(
            io->rename(io->context, LOGFILE_IO_HERE, segment_path(0), segment_path(index)), 0);
        write_header(disk, segment, index);
    }
    const uint64_t offset = chain->lsn % SEGMENT_BYTES;
    lf_record_encode(block + LF_EPOCH_HEADER_BYTES, &place, &payload, lf_payload_crc(&payload));
    lf_chain_seal(chain, block, LF_EPOCH_HEADER_BYTES + 16, 1, 0, chain->lsn);
    logfile_sim_poke(disk, segment_path(index), offset, block, LF_BLOCK_BYTES);
}

/* LSNs beyond 32, 40 and nearly 63 bits. */
START_TEST(far_positions)
{
    static const uint64_t lsns[] = {(uint64_t)1 << 32, (uint64_t)1 << 40, (uint64_t)1 << 62,
                                    INT64_MAX - (uint64_t)(1 << 30)};
    struct log_image image;

    build_log(&image, 0);
    log_image_extend(&image, SEGMENT_BYTES - image.size);
    const uint64_t first_lsn = lsns[_i] / SEGMENT_BYTES * SEGMENT_BYTES + LF_FIRST_LSN;
    struct logfile_sim *disk = disk_with(&image);
    image.mark.oldest_lsn = image.mark.promise = first_lsn;
    image.mark.epoch = ((uint64_t)1 << 32) - 2;
    image.mark.chain = 5;
    log_image_write_marks(&image);
    logfile_sim_poke(disk, NAME "/control", 0, image.bytes, LF_FIRST_LSN);
    struct lf_chain chain = {.layout = image.chain.layout,
                             .log_seed = image.chain.log_seed,
                             .lsn = first_lsn,
                             .epoch = image.mark.epoch,
                             .chain = 5};
    lf_chain_begin(&chain, UINT32_MAX - 1, 1);
    for (unsigned i = 0; i < 13; i++)
        write_far_epoch(disk, &image, &chain);
    const struct found found = recover_disk(disk);
    expect_verdict(&found, LOGFILE_TORN, first_lsn + 2 * SEGMENT_BYTES + 3 * LF_BLOCK_BYTES);
    ck_assert_uint_eq(found.epochs, 13);
    ck_assert_uint_eq(found.tail.last_epoch, ((uint64_t)1 << 32) + 10);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* ---- Damage ---- */

/* Each epoch of a closed log: its loss is noticed, and reading goes on with the next one. */
START_TEST(each_lost_epoch_is_noticed)
{
    struct log_image image;
    const uint8_t byte = 0xff;

    build_log(&image, 15);
    log_image_close(&image);
    struct logfile_sim *disk = disk_with(&image);
    for (unsigned n = 0; n < 17; n++) {
        const uint64_t lsn = epoch_lsn(n);
        const uint64_t offset = lsn % SEGMENT_BYTES;
        logfile_sim_poke(disk, segment_path(lsn / SEGMENT_BYTES), offset + 20, &byte, 1);
        const struct found found = recover_disk(disk);
        expect_verdict(&found, LOGFILE_CORRUPT, lsn);
        ck_assert_uint_eq(found.tail.promised_lsn, epoch_lsn(17));
        ck_assert_uint_eq(found.tail.resume_lsn, n < 16 ? epoch_lsn(n + 1) : 0);
        ck_assert(!found.segment_missing);
        logfile_sim_poke(disk, segment_path(lsn / SEGMENT_BYTES), offset + 20,
                         image.bytes + lsn + 20, 1);
    }
    const struct found found = recover_disk(disk);
    expect_verdict(&found, LOGFILE_CLEAN, image.chain.lsn);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* The last epoch of a segment is torn: so is the log, although the next segment is there. */
START_TEST(torn_at_a_border)
{
    for (unsigned count = 3; count < 6; count++) {
        struct log_image image;
        build_log(&image, count);
        log_image_prepare_segment(&image);
        memset(image.bytes + epoch_lsn(count) + 512, 0xee, 512);
        const struct found found = recover_image(&image);
        expect_verdict(&found, LOGFILE_TORN, epoch_lsn(count));
        ck_assert_uint_eq(found.tail.cut_bytes, LF_BLOCK_BYTES);
        log_image_free(&image);
    }
}
END_TEST

/* END says that the next epoch is in the next segment, and without END it follows: only that one is
 * looked for, wherever a writer would have gone on. */
START_TEST(end_flags_that_are_wrong)
{
    struct log_image image;

    build_log(&image, 8);
    for (unsigned n = 3; n <= 5; n++) {
        const bool is_last = n == EPOCHS_PER_SEGMENT - 1;
        const uint64_t next_segment = epoch_lsn((n / EPOCHS_PER_SEGMENT + 1) * EPOCHS_PER_SEGMENT);
        struct lf_epoch_header *header = log_image_epoch(&image, epoch_lsn(n));
        ck_assert((header->flags & LF_EPOCH_END) == (is_last ? LF_EPOCH_END : 0));
        header->flags ^= LF_EPOCH_END;
        log_image_reseal(&image, header);
        if (n == 5)
            log_image_prepare_segment(&image);
        const struct found found = recover_image(&image);
        /* Behind an epoch that ends the last segment nothing can be missing. */
        expect_verdict(&found, n == 5 ? LOGFILE_TORN : LOGFILE_CORRUPT,
                       is_last ? epoch_lsn(n) + LF_BLOCK_BYTES : next_segment);
        ck_assert_uint_eq(found.epochs, n + 1);
        header->flags ^= LF_EPOCH_END;
        log_image_reseal(&image, header);
    }
    log_image_free(&image);
}
END_TEST

/* Seals an epoch that has END where this writer would not have set it. */
static void add_last_epoch(struct log_image *image, unsigned records)
{
    const uint64_t index = lf_segment_index(&image->chain.layout, image->chain.lsn);
    struct lf_chain before = image->chain;

    for (unsigned i = 0; i < records; i++)
        log_image_record(image, "x", 1);
    struct lf_epoch_header *header = log_image_epoch(image, log_image_seal(image));
    header->flags |= LF_EPOCH_END;
    log_image_reseal(image, header);
    lf_chain_advance(&before, header);
    image->chain = before;
    ck_assert_uint_eq(image->chain.lsn, (index + 1) * SEGMENT_BYTES + LF_FIRST_LSN);
    log_image_prepare_segment(image);
}

/* A writer may end a segment wherever it likes, also with an epoch that holds nothing else. */
START_TEST(segments_that_end_early)
{
    for (unsigned count = 0; count < 3; count++)
        for (unsigned records = 0; records < 2; records++) {
            struct log_image image;
            build_log(&image, count);
            add_last_epoch(&image, records);
            struct found found = recover_image(&image);
            expect_verdict(&found, LOGFILE_TORN, epoch_lsn(EPOCHS_PER_SEGMENT));
            add_last_epoch(&image, records);
            add_epoch(&image, 10);
            log_image_close(&image);
            found = recover_image(&image);
            expect_verdict(&found, LOGFILE_CLEAN, epoch_lsn(2 * EPOCHS_PER_SEGMENT + 2));
            ck_assert_uint_eq(found.epochs, 1 + count + 2 + 2);
            ck_assert_uint_eq(found.records, count + 2 * records + 1);
            log_image_free(&image);
        }
}
END_TEST

/* A writer may also go on where another epoch of the full size would not fit, up to the last block. */
START_TEST(segment_that_is_filled_to_the_end)
{
    struct log_image image;

    build_log(&image, 3);
    for (unsigned n = 4; n < 6; n++) {
        /* As if the segment were larger: only its end decides. */
        image.chain.layout.segment_bytes = 0;
        add_epoch(&image, 10);
        image.chain.layout.segment_bytes = SEGMENT_BYTES;
    }
    ck_assert_uint_eq(image.chain.lsn, SEGMENT_BYTES - LF_BLOCK_BYTES);
    image.size = SEGMENT_BYTES;
    struct found found = recover_image(&image);
    expect_verdict(&found, LOGFILE_TORN, SEGMENT_BYTES - LF_BLOCK_BYTES);
    ck_assert_uint_eq(found.epochs, 6);
    log_image_close(&image); /* with END, and a segment behind it */
    found = recover_image(&image);
    expect_verdict(&found, LOGFILE_CLEAN, epoch_lsn(EPOCHS_PER_SEGMENT));
    log_image_free(&image);
}
END_TEST

/* ---- Segments that are missing ---- */

START_TEST(each_missing_segment_is_named)
{
    struct log_image image;

    build_log(&image, 22);
    log_image_close(&image);
    const uint64_t last = lf_segment_index(&image.chain.layout, image.chain.lsn);
    ck_assert_uint_eq(last, 4);
    for (uint64_t index = 0; index <= last; index++) {
        struct logfile_sim *disk = disk_with(&image);
        remove_segment(disk, index);
        const struct found found = recover_disk(disk);
        expect_missing(&found, index);
        ck_assert_uint_eq(found.tail.resume_lsn,
                          index < last ? epoch_lsn(((unsigned)index + 1) * EPOCHS_PER_SEGMENT) : 0);
        logfile_sim_free(disk);
    }
    log_image_free(&image);
}
END_TEST

/* An epoch that ends its segment promises that the next one exists, with nothing in it yet. */
START_TEST(missing_successor)
{
    struct log_image image;

    for (unsigned count = 3; count < 6; count++)
        for (unsigned closed = 0; closed < 2; closed++) {
            build_log(&image, count);
            if (closed)
                log_image_close(&image);
            log_image_prepare_segment(&image);
            const unsigned epochs = 1 + count + closed;
            const uint64_t last = epochs / EPOCHS_PER_SEGMENT + 1;
            struct logfile_sim *disk = disk_with(&image);
            remove_segment(disk, last); /* nobody said that it exists */
            struct found found = recover_disk(disk);
            expect_verdict(&found, closed ? LOGFILE_CLEAN : LOGFILE_TORN, epoch_lsn(epochs));
            ck_assert(!found.segment_missing);
            if (epochs == EPOCHS_PER_SEGMENT) {
                remove_segment(disk, last - 1);
                found = recover_disk(disk);
                expect_missing(&found, last - 1);
                ck_assert_uint_eq(found.tail.promised_lsn, epoch_lsn(closed ? epochs : epochs - 1));
                ck_assert_uint_eq(found.tail.resume_lsn, 0);
            }
            logfile_sim_free(disk);
            log_image_free(&image);
        }
}
END_TEST

/* Whoever created the log died before it made the first segment. */
START_TEST(no_segment_at_all)
{
    struct log_image image;

    log_image_new_segments(&image, SLOT_BYTES, SEGMENT_BYTES, 1);
    struct logfile_sim *disk = disk_with(&image);
    struct found found = recover_disk(disk);
    expect_verdict(&found, LOGFILE_TORN, LF_FIRST_LSN);
    remove_segment(disk, 0);
    found = recover_disk(disk);
    expect_verdict(&found, LOGFILE_TORN, LF_FIRST_LSN);
    ck_assert(!found.segment_missing);
    ck_assert_uint_eq(found.tail.cut_bytes, 0);

    /* But the second segment is not made before the first. */
    log_image_prepare_segment(&image);
    log_image_store_segment(&image, logfile_sim_io(disk), NAME, 1);
    found = recover_disk(disk);
    expect_missing(&found, 0);
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* The trim mark says that there was something. */
START_TEST(no_segment_of_a_trimmed_log)
{
    struct log_image image;

    build_log(&image, 12);
    for (unsigned n = 1; n <= 5; n += 4) {
        log_image_trim(&image, epoch_lsn(n));
        struct logfile_sim *disk = disk_with(&image);
        for (uint64_t index = n / EPOCHS_PER_SEGMENT; index <= 2; index++)
            remove_segment(disk, index);
        const struct found found = recover_disk(disk);
        expect_verdict(&found, LOGFILE_CORRUPT, epoch_lsn(n));
        ck_assert(found.segment_missing);
        ck_assert_uint_eq(found.missing_index, n / EPOCHS_PER_SEGMENT);
        logfile_sim_free(disk);
    }
    log_image_free(&image);
}
END_TEST

/* A gap that would take for ever to walk through.  What is beyond counts. */
START_TEST(segment_far_away)
{
    static const uint64_t indexes[] = {(uint64_t)1 << 20, (uint64_t)1 << 40};
    struct log_image image, far;

    build_log(&image, 2);
    for (unsigned i = 0; i < 2; i++) {
        const uint64_t first_lsn = indexes[i] * SEGMENT_BYTES + LF_FIRST_LSN;
        struct logfile_sim *disk = disk_with(&image);
        build_log(&far, 0);
        far.chain.lsn = LF_FIRST_LSN;
        far.chain.epoch = 77;
        add_epoch(&far, 5);
        struct lf_epoch_header *header = log_image_epoch(&far, LF_FIRST_LSN);
        header->lsn = header->promise = first_lsn;
        log_image_reseal(&far, header);
        log_image_store_segment(&far, logfile_sim_io(disk), NAME, 0);
        const struct logfile_io *io = logfile_sim_io(disk);
        ck_assert_int_eq(
            io->rename(io->context, LOGFILE_IO_HERE, segment_path(0), segment_path(indexes[i])), 0);
        log_image_store_segment(&image, io, NAME, 0);
        const struct found found = recover_disk(disk);
        expect_verdict(&found, LOGFILE_CORRUPT, epoch_lsn(3));
        ck_assert_uint_eq(found.tail.promised_lsn, first_lsn);
        ck_assert_uint_eq(found.tail.resume_lsn, first_lsn);
        ck_assert_uint_lt(logfile_sim_call_count(disk, LOGFILE_SIM_LIST_DIRECTORY), 20);
        logfile_sim_free(disk);
        log_image_free(&far);
    }
    log_image_free(&image);
}
END_TEST

/* ---- Segments that are short ---- */

START_TEST(each_short_segment)
{
    struct log_image image;
    const unsigned step = (unsigned)scaled(2048, 512, 128);

    build_log(&image, 15);
    log_image_close(&image);
    struct logfile_sim *disk = disk_with(&image);
    for (uint64_t index = 0; index < 4; index++)
        for (uint64_t bytes = SEGMENT_BYTES; bytes-- > 0; bytes -= bytes % step) {
            const uint64_t blocks = bytes / LF_BLOCK_BYTES;
            const unsigned whole =
                (unsigned)index * EPOCHS_PER_SEGMENT + (blocks < 4   ? 0
                                                        : blocks < 9 ? (unsigned)blocks - 4
                                                                     : EPOCHS_PER_SEGMENT);
            truncate_segment(disk, index, bytes);
            const struct found found = recover_disk(disk);
            ck_assert_int_eq(found.error, 0);
            if (blocks >= 9 || (index == 3 && whole >= 17)) {
                expect_verdict(&found, LOGFILE_CLEAN, epoch_lsn(17));
            } else {
                expect_verdict(&found, LOGFILE_CORRUPT, epoch_lsn(whole));
                ck_assert(!found.segment_missing);
            }
            log_image_store_segment(&image, logfile_sim_io(disk), NAME, index);
        }
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* ---- What does not belong here ---- */

/*
 * A released segment gets the name of the next one, and its header; the epochs in it are those of
 * its first life.  At every place where the log may end in its new one.
 */
START_TEST(recycled_segment)
{
    for (unsigned count = 14; count < 21; count++)
        for (unsigned closed = 0; closed < 2; closed++) {
            struct log_image image;
            build_log(&image, count);
            if (closed)
                log_image_close(&image);
            log_image_prepare_segment(&image);
            const unsigned epochs = 1 + count + closed;
            const uint64_t index = epochs / EPOCHS_PER_SEGMENT;
            struct logfile_sim *disk = disk_with(&image);
            for (unsigned n = epochs % EPOCHS_PER_SEGMENT; n < EPOCHS_PER_SEGMENT; n++)
                logfile_sim_poke(disk, segment_path(index), LF_FIRST_LSN + n * LF_BLOCK_BYTES,
                                 image.bytes + epoch_lsn(n), LF_BLOCK_BYTES);
            truncate_segment(disk, index + 1, SEGMENT_BYTES);
            logfile_sim_poke(disk, segment_path(index + 1), LF_FIRST_LSN,
                             image.bytes + SEGMENT_BYTES + LF_FIRST_LSN,
                             SEGMENT_BYTES - LF_FIRST_LSN);
            const struct found found = recover_disk(disk);
            expect_verdict(&found, closed ? LOGFILE_CLEAN : LOGFILE_TORN, epoch_lsn(epochs));
            ck_assert_uint_eq(found.epochs, epochs);
            logfile_sim_free(disk);
            log_image_free(&image);
        }
}
END_TEST

/* A segment in the place of another one is the loss of that one. */
START_TEST(exchanged_segments)
{
    struct log_image image;

    build_log(&image, 18);
    log_image_close(&image);
    struct logfile_sim *disk = disk_with(&image);
    const struct logfile_io *io = logfile_sim_io(disk);
    ck_assert_int_eq(io->rename(io->context, LOGFILE_IO_HERE, segment_path(1), "log/x"), 0);
    ck_assert_int_eq(io->rename(io->context, LOGFILE_IO_HERE, segment_path(2), segment_path(1)), 0);
    ck_assert_int_eq(io->rename(io->context, LOGFILE_IO_HERE, "log/x", segment_path(2)), 0);
    const struct found found = recover_disk(disk);
    expect_verdict(&found, LOGFILE_CORRUPT, epoch_lsn(5));
    ck_assert(!found.segment_missing);
    ck_assert_uint_eq(found.tail.resume_lsn, epoch_lsn(15));
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* What looks like an epoch in the first blocks of a segment is not one. */
START_TEST(blocks_before_the_first_epoch)
{
    struct log_image image, other;

    build_log(&image, 7);
    log_image_prepare_segment(&image);
    for (uint64_t block = 0; block < 4; block++) {
        const uint64_t lsn = 2 * SEGMENT_BYTES + block * LF_BLOCK_BYTES;
        log_image_copy(&other, &image);
        other.chain.lsn = 2 * SEGMENT_BYTES + LF_FIRST_LSN;
        add_epoch(&other, 5);
        struct lf_epoch_header *header = log_image_epoch(&other, 2 * SEGMENT_BYTES + LF_FIRST_LSN);
        header->lsn = header->promise = lsn;
        log_image_reseal(&other, header);
        memcpy(other.bytes + lsn, header, LF_BLOCK_BYTES);
        memset(header, 0, LF_BLOCK_BYTES);
        const struct found found = recover_image(&other);
        expect_verdict(&found, LOGFILE_TORN, epoch_lsn(8));
        log_image_free(&other);
    }
    log_image_free(&image);
}
END_TEST

/* The header in the control file decides; in a file by itself a segment is no log. */
START_TEST(headers_that_do_not_go_with_the_place)
{
    struct log_image image, one_file;
    struct lf_file file;
    struct lf_scan scan;

    build_log(&image, 7);
    log_image_new(&one_file, SLOT_BYTES, 1);
    struct logfile_sim *disk = disk_with(&image);
    const struct logfile_io *io = logfile_sim_io(disk);
    ck_assert_int_eq(lf_file_open(&file, io, segment_path(1)), 0);
    ck_assert_int_eq(lf_scan_open(&scan, &file), LOGFILE_EFORMAT);
    lf_file_close(&file);
    logfile_sim_poke(disk, "log/control", 0, one_file.bytes, LF_FIRST_LSN);
    ck_assert_int_eq(scan_to_end(io).error, LOGFILE_EFORMAT);
    /* A segment that has lost both copies is known by the epochs that were read in it. */
    logfile_sim_poke(disk, "log/control", 0, image.bytes, LF_FIRST_LSN);
    logfile_sim_poke(disk, segment_path(1), 0, one_file.bytes + LF_FIRST_LSN / 2, LF_FIRST_LSN / 2);
    const struct found found = recover_disk(disk);
    expect_verdict(&found, LOGFILE_TORN, epoch_lsn(8));
    logfile_sim_free(disk);
    log_image_free(&one_file);
    log_image_free(&image);
}
END_TEST

/* ---- Reads that go wrong ---- */

/* Each read, listing and open fails once: an error, or no matter; never another end. */
START_TEST(read_errors)
{
    static const enum logfile_sim_call calls[] = {LOGFILE_SIM_READ, LOGFILE_SIM_OPEN,
                                                  LOGFILE_SIM_LIST_DIRECTORY};
    struct log_image image;

    build_log(&image, 17);
    log_image_epoch(&image, epoch_lsn(7))->lsn++;
    struct logfile_sim *disk = disk_with(&image);
    for (unsigned c = 0; c < 3; c++) {
        const uint64_t before = logfile_sim_call_count(disk, calls[c]);
        const struct found whole = recover_disk(disk);
        expect_verdict(&whole, LOGFILE_CORRUPT, epoch_lsn(7));
        const unsigned count = (unsigned)(logfile_sim_call_count(disk, calls[c]) - before);
        ck_assert_uint_gt(count, 0);
        for (unsigned after = calls[c] == LOGFILE_SIM_OPEN ? 3 : 0; after < count; after++) {
            logfile_sim_fault(
                disk, &(struct logfile_sim_fault){.call = calls[c], .after = after, .error = -EIO});
            const struct found found = scan_to_end(logfile_sim_io(disk));
            const bool is_same =
                found.error == 0 && memcmp(&found.tail, &whole.tail, sizeof(found.tail)) == 0;
            ck_assert_msg(found.error == -EIO || is_same, "%s %u: %d",
                          logfile_sim_call_name(calls[c]), after, found.error);
            ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
            logfile_sim_fault_clear(disk);
        }
    }
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* ---- Reading ahead ---- */

#define LARGE_SLOT_BYTES ((uint64_t)1 << 20)
#define LARGE_SEGMENT_BYTES ((uint64_t)5 << 20)

/* Enough for the thread to be started, in epochs of every size. */
static void build_large_log(struct log_image *image, uint64_t segment_bytes)
{
    struct rng rng = {.state = 4};
    uint8_t *payload = malloc(LARGE_SLOT_BYTES);

    ck_assert_ptr_nonnull(payload);
    payload_fill(payload, LARGE_SLOT_BYTES, 1);
    log_image_new_segments(image, LARGE_SLOT_BYTES, segment_bytes, 1);
    log_image_open(image);
    while (image->chain.lsn < ((uint64_t)40 << 20)) {
        log_image_record(image, payload, rng_below(&rng, LARGE_SLOT_BYTES - 88));
        log_image_seal(image);
        for (unsigned i = 0; i < 10; i++) {
            log_image_record(image, payload, rng_below(&rng, 20000));
            log_image_seal(image);
        }
    }
    free(payload);
}

static struct found recover_ahead(struct logfile_sim *disk, bool *was_read_ahead)
{
    struct found found = {0};
    struct lf_file file;
    struct lf_scan scan;

    ck_assert_int_eq(lf_file_open(&file, logfile_sim_io(disk), NAME), 0);
    ck_assert_int_eq(lf_scan_open(&scan, &file), 0);
    found.error = lf_verdict_scan(&scan, NULL, NULL, &found.tail);
    found.segment_missing = scan.damage == LF_DAMAGE_MISSING;
    found.missing_index = scan.damage_index;
    *was_read_ahead = scan.valid_bytes >= (uint64_t)16 << 20;
    ck_assert_ptr_null(scan.window.ahead);
    ck_assert_uint_le(scan.window.capacity, LARGE_SLOT_BYTES + LF_WINDOW_BYTES_MIN);
    lf_scan_close(&scan);
    lf_file_close(&file);
    return found;
}

START_TEST(large_log_is_read_ahead)
{
    static const uint64_t sizes[] = {0, LARGE_SEGMENT_BYTES};
    struct log_image image;
    const uint8_t byte = 0xff;
    bool was_read_ahead;

    build_large_log(&image, sizes[_i]);
    struct logfile_sim *disk = disk_with(&image);
    struct found found = recover_ahead(disk, &was_read_ahead);
    expect_verdict(&found, LOGFILE_TORN, image.chain.lsn);
    ck_assert(was_read_ahead);
    ck_assert_uint_eq(found.tail.last_epoch, image.chain.epoch - 1);
    /* Damage behind the place where the thread begins. */
    const uint64_t at = ((uint64_t)31 << 20) - LF_BLOCK_BYTES / 2;
    if (sizes[_i] == 0)
        logfile_sim_poke(disk, NAME, at, &byte, 1);
    else
        logfile_sim_poke(disk, segment_path(at / sizes[_i]), at % sizes[_i], &byte, 1);
    const struct found alone = scan_to_end(logfile_sim_io(disk));
    found = recover_ahead(disk, &was_read_ahead);
    ck_assert_int_eq(found.tail.verdict, LOGFILE_CORRUPT);
    ck_assert_mem_eq(&found.tail, &alone.tail, sizeof(alone.tail));
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

START_TEST(missing_and_short_segments_of_a_large_log)
{
    struct log_image image;
    bool was_read_ahead;

    build_large_log(&image, LARGE_SEGMENT_BYTES);
    for (unsigned is_short = 0; is_short < 2; is_short++) {
        struct logfile_sim *disk = disk_with(&image);
        if (is_short)
            truncate_segment(disk, 5, LARGE_SEGMENT_BYTES / 2);
        else
            remove_segment(disk, 5);
        const struct found alone = scan_to_end(logfile_sim_io(disk));
        const struct found found = recover_ahead(disk, &was_read_ahead);
        ck_assert(was_read_ahead);
        ck_assert_int_eq(found.error, 0);
        ck_assert_int_eq(found.tail.verdict, LOGFILE_CORRUPT);
        ck_assert_mem_eq(&found.tail, &alone.tail, sizeof(alone.tail));
        ck_assert(found.segment_missing == !is_short);
        logfile_sim_free(disk);
    }
    log_image_free(&image);
}
END_TEST

/* Some read fails, of the thread or not: once, which the thread forgives; and for ever. */
START_TEST(errors_while_reading_ahead)
{
    struct log_image image;
    bool was_read_ahead;

    build_large_log(&image, LARGE_SEGMENT_BYTES);
    struct logfile_sim *disk = disk_with(&image);
    const uint64_t before = logfile_sim_call_count(disk, LOGFILE_SIM_READ);
    struct found found = recover_ahead(disk, &was_read_ahead);
    const unsigned reads = (unsigned)(logfile_sim_call_count(disk, LOGFILE_SIM_READ) - before);
    for (unsigned after = reads / 4; after < reads - reads / 4; after += 3) {
        logfile_sim_fault(disk, &(struct logfile_sim_fault){
                                    .call = LOGFILE_SIM_READ, .after = after, .error = -EIO});
        found = recover_ahead(disk, &was_read_ahead);
        if (found.error == 0)
            expect_verdict(&found, LOGFILE_TORN, image.chain.lsn);
        else
            ck_assert_int_eq(found.error, -EIO);
        logfile_sim_fault(
            disk, &(struct logfile_sim_fault){
                      .call = LOGFILE_SIM_READ, .after = after, .for_ever = true, .error = -EIO});
        found = recover_ahead(disk, &was_read_ahead);
        ck_assert_int_eq(found.error, -EIO);
        logfile_sim_fault_clear(disk);
    }
    logfile_sim_free(disk);
    log_image_free(&image);
}
END_TEST

/* From front to back, over and over a place, back and forth: always what lf_file_read gives. */
START_TEST(reading_ahead_gives_what_is_there)
{
    static const uint64_t sizes[] = {0, LARGE_SEGMENT_BYTES};
    uint8_t *expected = malloc(2 * LARGE_SLOT_BYTES), *got = malloc(2 * LARGE_SLOT_BYTES);
    struct rng rng = {.state = 8};
    struct log_image image;
    struct lf_file file;
    struct lf_scan scan;

    build_large_log(&image, sizes[_i]);
    struct logfile_sim *disk = disk_with(&image);
    ck_assert_int_eq(lf_file_open(&file, logfile_sim_io(disk), NAME), 0);
    ck_assert_int_eq(lf_scan_open(&scan, &file), 0);
    uint64_t lsn = LF_FIRST_LSN;
    struct lf_window_ahead *ahead = lf_window_ahead_start(&file, lsn);
    ck_assert_ptr_nonnull(ahead);
    for (unsigned i = 0; i < 500; i++) {
        const size_t bytes = (1 + rng_below(&rng, rng_one_in(&rng, 4) ? 511 : 20)) * LF_BLOCK_BYTES;
        const ssize_t count = lf_file_read(&file, lsn, expected, bytes);
        ck_assert_int_eq(lf_window_ahead_take(ahead, lsn, got, bytes), count);
        ck_assert(memcmp(expected, got, (size_t)count) == 0);
        lsn += (uint64_t)count & ~(uint64_t)(LF_BLOCK_BYTES - 1);
        if (rng_one_in(&rng, 20) || count == 0)
            lsn = LF_FIRST_LSN + rng_below(&rng, image.size / LF_BLOCK_BYTES) * LF_BLOCK_BYTES;
    }
    lf_window_ahead_stop(ahead);
    lf_window_ahead_stop(NULL);
    lf_scan_close(&scan);
    lf_file_close(&file);
    logfile_sim_free(disk);
    log_image_free(&image);
    free(expected);
    free(got);
}
END_TEST

static TCase *damage_case(void)
{
    TCase *tcase = tcase_create("damage");

    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, each_lost_epoch_is_noticed);
    tcase_add_test(tcase, torn_at_a_border);
    tcase_add_test(tcase, end_flags_that_are_wrong);
    tcase_add_test(tcase, segments_that_end_early);
    tcase_add_test(tcase, segment_that_is_filled_to_the_end);
    tcase_add_test(tcase, each_missing_segment_is_named);
    tcase_add_test(tcase, missing_successor);
    tcase_add_test(tcase, no_segment_at_all);
    tcase_add_test(tcase, no_segment_of_a_trimmed_log);
    tcase_add_test(tcase, segment_far_away);
    tcase_add_test(tcase, each_short_segment);
    tcase_add_test(tcase, recycled_segment);
    tcase_add_test(tcase, exchanged_segments);
    tcase_add_test(tcase, blocks_before_the_first_epoch);
    tcase_add_test(tcase, headers_that_do_not_go_with_the_place);
    tcase_add_test(tcase, read_errors);
    return tcase;
}

static TCase *other_case(void)
{
    TCase *tcase = tcase_create("logs");

    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, every_length);
    tcase_add_test(tcase, epochs_of_all_sizes);
    tcase_add_test(tcase, recovery_names_each_epoch);
    tcase_add_test(tcase, trimmed_log);
    tcase_add_loop_test(tcase, far_positions, 0, 4);
    tcase_add_loop_test(tcase, large_log_is_read_ahead, 0, 2);
    tcase_add_test(tcase, missing_and_short_segments_of_a_large_log);
    tcase_add_test(tcase, errors_while_reading_ahead);
    tcase_add_loop_test(tcase, reading_ahead_gives_what_is_there, 0, 2);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("recover segments");

    suite_add_tcase(suite, other_case());
    suite_add_tcase(suite, damage_case());
    return run_suite(suite);
}
