/* SPDX-License-Identifier: MIT */
/*
 * What is kept twice is mended by the next opening, and what only looks like a shorter log is
 * refused.  Logs are written by the library on a simulated disk, damaged there, and opened again.
 */
#include "format/format.h"
#include "logfile_lab.h"
#include "logfile_sim.h"
#include "support.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLOT_BYTES = 8 << 10,
    SEGMENT_BYTES = 48 << 10,
    RECORDS = 30,
    FILES_MAX = 32,
    NAME_BYTES = 64
};
#define BLOCK ((uint64_t)LF_BLOCK_BYTES)
#define LOG_PATH "log"

static struct logfile_sim *disk;
static bool has_segments;
static const struct logfile_lab never_syncs = {.sync = LOGFILE_SYNC_NONE};
static struct logfile_options options;
static struct logfile_open_report report;

/* Blocks 0 to 3. */
static const char *head_path(void)
{
    return has_segments ? LOG_PATH "/control" : LOG_PATH;
}

static void use_disk(struct logfile_sim *other)
{
    disk = other;
    options.io = logfile_sim_io(disk);
}

/* Loop test: one file or segments. */
static void begin(int index)
{
    static const struct logfile_sim_options sim_options;

    watchdog_start((unsigned)scaled(300, 300, 7200), "repair");
    has_segments = index % 2 == 1;
    options = (struct logfile_options){.slot_bytes = SLOT_BYTES,
                                       .segment_bytes = has_segments ? SEGMENT_BYTES : 0,
                                       .prepare_bytes = 64 << 10};
    use_disk(logfile_sim_new(&sim_options));
}

static void end(void)
{
    ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
    logfile_sim_free(disk);
    watchdog_stop();
}

static struct logfile *open_log(void)
{
    struct logfile *log = NULL;
    const int error = logfile_open(LOG_PATH, &options, &report, &log);

    ck_assert_msg(error == 0, "open: %s: %s", logfile_strerror(error), report.message);
    return log;
}

static void append_records(struct logfile *log, unsigned count, uint64_t *lsns)
{
    for (unsigned i = 0; i < count; i++)
        ck_assert_int_eq(logfile_append(log, "0123456789", 10, &lsns[i]), 0);
}

/* A session of so many records, each an epoch by itself. */
static void write_session(unsigned count, uint64_t *lsns)
{
    struct logfile *log = open_log();

    append_records(log, count, lsns);
    ck_assert_int_eq(logfile_close(log), 0);
}

static unsigned count_records(uint64_t *first_lsn)
{
    struct logfile_reader *reader;
    struct logfile_record record;
    unsigned count = 0;
    int found;

    ck_assert_int_eq(logfile_reader_open(LOG_PATH, READING(.io = options.io), &reader), 0);
    while ((found = logfile_reader_next(reader, &record)) == 1)
        if (count++ == 0 && first_lsn != NULL)
            *first_lsn = record.lsn;
    ck_assert_int_eq(found, 0);
    logfile_reader_close(reader);
    return count;
}

static void peek(const char *path, uint64_t offset, void *to, size_t bytes)
{
    ck_assert_int_eq(logfile_sim_peek(disk, path, offset, to, bytes), 0);
}

static void flip(const char *path, uint64_t offset, uint8_t mask)
{
    uint8_t byte;

    peek(path, offset, &byte, 1);
    byte ^= mask;
    ck_assert_int_eq(logfile_sim_poke(disk, path, offset, &byte, 1), 0);
}

static void expect_equal_blocks(const char *path, uint64_t block)
{
    uint8_t copies[2][LF_BLOCK_BYTES];

    peek(path, block * BLOCK, copies[0], BLOCK);
    peek(path, (block + 1) * BLOCK, copies[1], BLOCK);
    ck_assert_msg(memcmp(copies[0], copies[1], BLOCK) == 0, "%s: blocks %" PRIu64 " and the next",
                  path, block);
}

/* ---- All bytes of a disk ---- */

struct picture_file {
    char name[NAME_BYTES];
    uint8_t *bytes;
    uint64_t size;
};

struct picture {
    struct picture_file files[FILES_MAX];
    unsigned count;
};

static void take_file(struct picture *picture, const char *path)
{
    const uint64_t size = logfile_sim_file_bytes(disk, path);

    ck_assert_uint_lt(picture->count, FILES_MAX);
    struct picture_file *file = &picture->files[picture->count++];
    snprintf(file->name, NAME_BYTES, "%s", path);
    file->size = size;
    file->bytes = malloc(size + 1);
    ck_assert_ptr_nonnull(file->bytes);
    if (size > 0)
        peek(path, 0, file->bytes, size);
}

static int take_name(void *arg, const char *name)
{
    char path[NAME_BYTES];

    snprintf(path, sizeof path, LOG_PATH "/%s", name);
    take_file(arg, path);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct picture_file *)a)->name, ((const struct picture_file *)b)->name);
}

static void take_picture(struct picture *picture)
{
    *picture = (struct picture){0};
    if (!has_segments) {
        take_file(picture, LOG_PATH);
        return;
    }
    const struct logfile_io *io = logfile_sim_io(disk);
    const int fd = io->open(io->context, LOGFILE_IO_HERE, LOG_PATH, LOGFILE_IO_OPEN_DIRECTORY, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(io->list_directory(io->context, fd, take_name, picture), 0);
    ck_assert_int_eq(io->close(io->context, fd), 0);
    qsort(picture->files, picture->count, sizeof picture->files[0], compare_names);
}

static void free_picture(struct picture *picture)
{
    for (unsigned i = 0; i < picture->count; i++)
        free(picture->files[i].bytes);
}

static void expect_same(const struct picture *a, const struct picture *b)
{
    ck_assert_uint_eq(a->count, b->count);
    for (unsigned i = 0; i < a->count; i++) {
        const struct picture_file *x = &a->files[i], *y = &b->files[i];
        ck_assert_str_eq(x->name, y->name);
        ck_assert_msg(x->size == y->size && memcmp(x->bytes, y->bytes, x->size) == 0,
                      "%s has changed", x->name);
    }
}

/* Opening refuses, and leaves the disk as it is. */
static void expect_refused(int expected)
{
    struct picture before, after;
    struct logfile *log;

    take_picture(&before);
    const int error = logfile_open(LOG_PATH, &options, &report, &log);
    ck_assert_msg(error == expected, "%s: %s", logfile_strerror(error), report.message);
    take_picture(&after);
    expect_same(&before, &after);
    free_picture(&before);
    free_picture(&after);
}

/* ---- One copy of two ---- */

/* Opening mends it, without a record lost. */
static void expect_mended(const char *path, uint64_t block, unsigned records)
{
    const uint64_t pair = block - block % 2;
    struct logfile *log = open_log();

    ck_assert_int_eq(report.tail.verdict, LOGFILE_CLEAN);
    expect_equal_blocks(path, pair); /* before anything is appended */
    ck_assert_int_eq(logfile_close(log), 0);
    expect_equal_blocks(path, pair);
    ck_assert_uint_eq(count_records(NULL), records);
}

START_TEST(rot_in_one_copy_is_mended)
{
    static const uint64_t offsets[] = {0, 4, 8, 14, 20, 33, 40, 49, 56, 70, 100, 2000, 4095};
    uint64_t lsns[RECORDS];

    begin(_i);
    write_session(RECORDS, lsns);
    for (uint64_t block = 0; block < 4; block++)
        for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
            uint8_t before[2 * LF_BLOCK_BYTES], after[2 * LF_BLOCK_BYTES];
            peek(head_path(), 0, before, sizeof before);
            flip(head_path(), block * BLOCK + offsets[i], 0x20);
            expect_mended(head_path(), block, RECORDS);
            peek(head_path(), 0, after, sizeof after);
            ck_assert_mem_eq(before, after, sizeof before); /* the header never changes */
        }
    end();
}
END_TEST

static const char *segment_path(uint64_t index)
{
    static char path[NAME_BYTES];

    snprintf(path, sizeof path, LOG_PATH "/%016" PRIx64 ".segment", index);
    return path;
}

/* Either copy of each segment's header, and both where epochs say whose segment it is. */
START_TEST(rot_in_the_header_of_a_segment_is_mended)
{
    uint64_t lsns[RECORDS];

    begin(1);
    write_session(RECORDS, lsns);
    const uint64_t last = lsns[RECORDS - 1] / SEGMENT_BYTES;
    ck_assert_uint_ge(last, 2);
    for (uint64_t index = 0; index <= last; index++)
        for (unsigned damaged = 1; damaged <= 3; damaged++) {
            uint8_t before[2 * LF_BLOCK_BYTES], after[2 * LF_BLOCK_BYTES];
            peek(segment_path(index), 0, before, sizeof before);
            for (uint64_t copy = 0; copy < 2; copy++)
                if ((damaged >> copy & 1) != 0)
                    flip(segment_path(index), copy * BLOCK + 1000 + copy, 1);
            expect_mended(segment_path(index), 0, RECORDS);
            peek(segment_path(index), 0, after, sizeof after);
            ck_assert_mem_eq(before, after, sizeof before);
        }
    end();
}
END_TEST

/* A log that is damaged otherwise is left as it is, copies and all. */
START_TEST(nothing_is_mended_in_a_log_that_is_refused)
{
    uint64_t lsns[RECORDS];

    begin(_i);
    write_session(RECORDS, lsns);
    flip(head_path(), 100, 1);
    flip(head_path(), 3 * BLOCK + 100, 1);
    if (has_segments)
        flip(segment_path(0), 30, 1);
    flip(has_segments ? segment_path(0) : LOG_PATH, lsns[1], 1);
    expect_refused(LOGFILE_ECORRUPT);
    ck_assert_ptr_nonnull(strstr(report.message, "corrupt: LSN"));
    end();
}
END_TEST

/* ---- What is lost twice ---- */

static const struct loss {
    unsigned first; /* block of the first copy */
    bool zeros;     /* or one bit */
    int error;
    const char *what;
} twice_lost[] = {
    {0, false, LOGFILE_ECORRUPT, "both copies of the file header are damaged"},
    {0, true, LOGFILE_EFORMAT, "both copies of the file header are lost"},
    {2, false, LOGFILE_ECORRUPT, "both copies of the trim mark are damaged"},
    {2, true, LOGFILE_ECORRUPT, "both copies of the trim mark are damaged"},
};
#define TWICE_LOST_COUNT ((int)(sizeof twice_lost / sizeof twice_lost[0]))

static void expect_advice(const char *what)
{
    static const char advice[] = "; see logfile salvage PATH OUTPUT";
    const size_t length = strlen(report.message);

    ck_assert_msg(strstr(report.message, what) != NULL, "no '%s' in: %s", what, report.message);
    ck_assert_msg(length >= sizeof advice &&
                      strcmp(report.message + length - sizeof advice + 1, advice) == 0,
                  "%s", report.message);
}

/* Loop test: each loss, of one file and of segments. */
START_TEST(what_is_lost_twice_is_named_with_what_to_do)
{
    const struct loss *loss = &twice_lost[_i / 2];
    static const uint8_t zeros[LF_BLOCK_BYTES];
    uint64_t lsns[RECORDS];

    begin(_i);
    write_session(RECORDS, lsns);
    for (uint64_t block = loss->first; block < loss->first + 2; block++) {
        if (loss->zeros)
            ck_assert_int_eq(
                logfile_sim_poke(disk, head_path(), block * BLOCK, zeros, sizeof zeros), 0);
        else
            flip(head_path(), block * BLOCK + 60, 1);
    }
    expect_refused(loss->error);
    expect_advice(loss->what);
    end();
}
END_TEST

START_TEST(copies_that_contradict_each_other_are_named_with_what_to_do)
{
    _Alignas(LF_BLOCK_BYTES) uint8_t block[LF_BLOCK_BYTES];
    struct lf_file_header *header = (void *)block;
    struct lf_trim_mark *mark = (void *)block;
    uint64_t lsns[RECORDS];

    begin(_i);
    write_session(RECORDS, lsns);
    peek(head_path(), BLOCK, block, sizeof block);
    const uint32_t log_seed = lf_log_seed(header);
    struct logfile_sim *whole = disk;
    use_disk(logfile_sim_clone(whole));
    header->id[0] ^= 1;
    lf_file_header_seal(block);
    ck_assert_int_eq(logfile_sim_poke(disk, head_path(), BLOCK, block, sizeof block), 0);
    expect_refused(LOGFILE_ECORRUPT);
    expect_advice("the copies of the file header contradict each other");
    logfile_sim_free(disk);
    use_disk(whole);
    peek(head_path(), 2 * BLOCK, block, sizeof block);
    mark->epoch++;
    lf_trim_mark_seal(block, log_seed);
    for (uint64_t copy = 2; copy < 4; copy++, mark->epoch++, lf_trim_mark_seal(block, log_seed))
        ck_assert_int_eq(logfile_sim_poke(disk, head_path(), copy * BLOCK, block, sizeof block), 0);
    expect_refused(LOGFILE_ECORRUPT);
    expect_advice("the copies of the trim mark contradict each other");
    end();
}
END_TEST

/* Nobody but salvage reads a directory whose control file is gone, or either kind once it is cut. */
START_TEST(a_log_that_is_cut_is_named_with_what_to_do)
{
    uint64_t lsns[RECORDS];

    begin(_i);
    write_session(RECORDS, lsns);
    const struct logfile_io *io = logfile_sim_io(disk);
    const int fd = io->open(io->context, LOGFILE_IO_HERE, head_path(), LOGFILE_IO_OPEN_WRITE, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(io->truncate(io->context, fd, 2 * BLOCK), 0);
    ck_assert_int_eq(io->close(io->context, fd), 0);
    expect_refused(LOGFILE_ECORRUPT);
    expect_advice("is cut at byte 8192, within what comes before the first epoch");
    if (has_segments) {
        ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, head_path()), 0);
        expect_refused(-EISDIR);
        expect_advice("is a directory with no control file in it");
    }
    end();
}
END_TEST

/* ---- The newest mark ---- */

static void flip_bit_of_mark(struct logfile_sim *whole, uint64_t bit, uint64_t oldest_lsn)
{
    struct logfile *log;
    uint64_t lsn, first_lsn;

    use_disk(logfile_sim_clone(whole));
    flip(head_path(), 2 * BLOCK + bit / 8, (uint8_t)(1u << bit % 8));
    ck_assert_uint_eq(count_records(&first_lsn), RECORDS - 20);
    ck_assert_uint_ge(first_lsn, oldest_lsn);
    log = open_log();
    ck_assert_int_eq(report.tail.verdict, LOGFILE_CLEAN);
    ck_assert_uint_eq(logfile_oldest_lsn(log), oldest_lsn);
    ck_assert_int_eq(logfile_append(log, "x", 1, &lsn), 0);
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert_uint_eq(count_records(&first_lsn), RECORDS - 20 + 1);
    ck_assert_uint_ge(first_lsn, oldest_lsn);
    expect_equal_blocks(head_path(), 2);
    logfile_sim_free(disk);
}

/* Each bit of both copies: nothing that was trimmed comes back, and nothing else is lost. */
START_TEST(each_bit_of_the_newest_mark)
{
    const uint64_t step = scaled(1021, 61, 1);
    const uint64_t fields = 2 * 8 * sizeof(struct lf_trim_mark);
    uint64_t lsns[RECORDS];

    begin(_i);
    struct logfile *log = open_log();
    append_records(log, RECORDS, lsns);
    ck_assert_int_eq(logfile_trim(log, lsns[20]), 0);
    const uint64_t oldest_lsn = logfile_oldest_lsn(log);
    ck_assert_uint_gt(oldest_lsn, lsns[19]);
    ck_assert_int_eq(logfile_close(log), 0);
    struct logfile_sim *whole = disk;
    for (uint64_t bit = 0; bit < fields; bit += scaled(7, 1, 1)) /* of either copy by turns */
        flip_bit_of_mark(whole, bit % 2 * 8 * BLOCK + bit / 2, oldest_lsn);
    for (uint64_t bit = 0; bit < 2 * 8 * BLOCK; bit += step)
        flip_bit_of_mark(whole, bit, oldest_lsn);
    use_disk(whole);
    end();
}
END_TEST

/* Keeps `letter` in every byte that there is room for, so that a mark reaches each of its sectors. */
static int keep_letters(struct logfile *log, uint64_t lsn, char letter)
{
    uint8_t letters[LOGFILE_MARK_MAX];

    memset(letters, letter, sizeof letters);
    return logfile_mark(log, lsn, letters, sizeof letters);
}

static void expect_newest_mark(uint64_t oldest_lsn)
{
    uint8_t letters[LOGFILE_MARK_MAX];
    struct logfile *log = open_log();

    ck_assert_uint_eq(logfile_oldest_lsn(log), oldest_lsn);
    ck_assert_int_eq(logfile_mark_read(log, letters, sizeof letters), sizeof letters);
    ck_assert(letters[0] == 'B' || letters[0] == 'C');
    ck_assert(memcmp(letters, letters + 1, sizeof letters - 1) == 0);
    ck_assert_int_eq(logfile_close(log), 0);
}

/* Whether the crash struck. */
static bool crash_in_a_mark(struct logfile_sim *whole, uint64_t nth, uint64_t oldest_lsn)
{
    struct logfile_sim *crashed = logfile_sim_clone(whole);

    use_disk(crashed);
    struct logfile *log = open_log();
    ck_assert_int_eq(logfile_sim_crash_at(disk, nth), 0);
    const int error = keep_letters(log, oldest_lsn, 'C');
    const bool is_struck = logfile_sim_is_down(disk);
    ck_assert(is_struck || error == 0);
    (void)logfile_close(log);
    for (uint64_t seed = 0; is_struck && seed < scaled(10, 30, 300); seed++) {
        use_disk(logfile_sim_clone(crashed));
        ck_assert_int_eq(logfile_sim_reboot(disk, seed), 0);
        expect_newest_mark(oldest_lsn);
        logfile_sim_free(disk);
    }
    logfile_sim_free(crashed);
    return is_struck;
}

/* An earlier crash left one copy behind the other.  On a full disk no OPEN epoch comes before the next
 * mark, whose first copy may be torn: the newest of before is there all the same. */
START_TEST(a_crash_leaves_a_whole_mark)
{
    uint8_t older[LF_BLOCK_BYTES];
    uint64_t lsns[RECORDS];

    begin(_i);
    const uint64_t stale = (uint64_t)_i / 2;
    struct logfile *log = open_log();
    append_records(log, RECORDS, lsns);
    ck_assert_int_eq(keep_letters(log, lsns[10], 'A'), 0);
    peek(head_path(), 2 * BLOCK, older, sizeof older);
    ck_assert_int_eq(keep_letters(log, lsns[20], 'B'), 0);
    const uint64_t oldest_lsn = logfile_oldest_lsn(log);
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert_int_eq(logfile_sim_poke(disk, head_path(), (2 + stale) * BLOCK, older, sizeof older),
                     0);
    ck_assert_int_eq(logfile_sim_set_capacity(disk, LOGFILE_IO_BLOCK), 0);
    struct logfile_sim *whole = disk;
    uint64_t nth = 1;
    while (crash_in_a_mark(whole, nth, oldest_lsn))
        nth++;
    ck_assert_uint_gt(nth, 4); /* two copies, each written and synced */
    use_disk(whole);
    end();
}
END_TEST

/* ---- What looks like a shorter log ---- */

static void lose_in_file(const char *path, uint64_t offset, bool truncate)
{
    static const uint8_t zeros[LF_BLOCK_BYTES];
    const struct logfile_io *io = logfile_sim_io(disk);
    const uint64_t size = logfile_sim_file_bytes(disk, path);

    if (truncate && size > offset) {
        const int fd = io->open(io->context, LOGFILE_IO_HERE, path, LOGFILE_IO_OPEN_WRITE, 0);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(io->truncate(io->context, fd, offset), 0);
        ck_assert_int_eq(io->close(io->context, fd), 0);
    }
    for (uint64_t at = offset; !truncate && at < size; at += BLOCK)
        ck_assert_int_eq(logfile_sim_poke(disk, path, at, zeros, BLOCK), 0);
}

/* Zeros, or nothing, in the place of every epoch from `lsn` on. */
static void lose_from(uint64_t lsn, bool truncate)
{
    if (!has_segments) {
        lose_in_file(LOG_PATH, lsn, truncate);
        return;
    }
    uint64_t index = lsn / SEGMENT_BYTES;
    lose_in_file(segment_path(index), lsn % SEGMENT_BYTES, truncate);
    while (logfile_sim_exists(disk, segment_path(++index)))
        lose_in_file(segment_path(index), LF_FIRST_LSN, truncate);
}

/* All that the last session wrote is gone, whether it appended anything, and was closed, or not. */
START_TEST(a_whole_session_that_is_gone)
{
    const bool truncate = _i / 2 % 2 == 1;
    const bool synced = _i / 4 % 2 == 0;

    for (unsigned count = 0; count < 3; count++) {
        uint64_t lsns[RECORDS];
        begin(_i);
        options.lab = synced ? NULL : &never_syncs;
        write_session(2, lsns);
        struct logfile *log = open_log();
        const uint64_t from = report.tail.end_lsn;
        append_records(log, count, lsns);
        ck_assert_int_eq(logfile_close(log), 0);
        lose_from(from, truncate);
        expect_refused(LOGFILE_ECORRUPT);
        ck_assert_uint_eq(report.tail.end_lsn, from);
        end();
    }
}
END_TEST

/* A log that never syncs does so once when it is closed: from then on it promises all of itself. */
START_TEST(one_bit_of_a_closed_log_that_never_syncs)
{
    uint64_t lsns[RECORDS];

    begin(_i);
    options.lab = &never_syncs;
    write_session(RECORDS, lsns);
    const uint64_t close_lsn = lsns[RECORDS - 1] + 2 * BLOCK;
    for (unsigned i = 0; i < RECORDS; i++) {
        const char *path = has_segments ? segment_path(lsns[i] / SEGMENT_BYTES) : LOG_PATH;
        const uint64_t offset = has_segments ? lsns[i] % SEGMENT_BYTES : lsns[i];
        flip(path, offset + i, (uint8_t)(1u << i % 8));
        expect_refused(LOGFILE_ECORRUPT);
        ck_assert_uint_eq(report.tail.end_lsn, lsns[i] - LF_EPOCH_HEADER_BYTES);
        ck_assert_uint_ge(report.tail.promised_lsn, close_lsn - BLOCK);
        flip(path, offset + i, (uint8_t)(1u << i % 8));
    }
    write_session(1, lsns); /* it was those bits alone */
    end();
}
END_TEST

/* ---- Another version ---- */

static void set_version(uint32_t version)
{
    _Alignas(LF_BLOCK_BYTES) uint8_t block[LF_BLOCK_BYTES];

    peek(head_path(), 0, block, sizeof block);
    ((struct lf_file_header *)block)->version = version;
    lf_file_header_seal(block);
    for (uint64_t copy = 0; copy < 2; copy++)
        ck_assert_int_eq(logfile_sim_poke(disk, head_path(), copy * BLOCK, block, sizeof block), 0);
}

START_TEST(another_version_is_named)
{
    static const uint32_t versions[] = {1, 3, 77};
    uint64_t lsns[RECORDS];

    begin(_i);
    write_session(RECORDS, lsns);
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        char expected[32];
        struct logfile_reader *reader;
        snprintf(expected, sizeof expected, "version %" PRIu32 ";", versions[i]);
        set_version(versions[i]);
        expect_refused(LOGFILE_EFORMAT);
        ck_assert_msg(strstr(report.message, expected) != NULL, "%s", report.message);
        ck_assert_int_eq(logfile_reader_open(LOG_PATH, READING(.io = options.io), &reader),
                         LOGFILE_EFORMAT);
    }
    set_version(LF_FORMAT_VERSION);
    ck_assert_uint_eq(count_records(NULL), RECORDS);
    end();
}
END_TEST

static Suite *repair_suite(void)
{
    Suite *suite = suite_create("repair");
    TCase *tcase = tcase_create("repair");

    tcase_set_timeout(tcase, (double)scaled(300, 300, 7200));
    tcase_add_loop_test(tcase, rot_in_one_copy_is_mended, 0, 2);
    tcase_add_test(tcase, rot_in_the_header_of_a_segment_is_mended);
    tcase_add_loop_test(tcase, nothing_is_mended_in_a_log_that_is_refused, 0, 2);
    tcase_add_loop_test(tcase, what_is_lost_twice_is_named_with_what_to_do, 0,
                        2 * TWICE_LOST_COUNT);
    tcase_add_loop_test(tcase, copies_that_contradict_each_other_are_named_with_what_to_do, 0, 2);
    tcase_add_loop_test(tcase, a_log_that_is_cut_is_named_with_what_to_do, 0, 2);
    tcase_add_loop_test(tcase, each_bit_of_the_newest_mark, 0, 2);
    tcase_add_loop_test(tcase, a_crash_leaves_a_whole_mark, 0, 4);
    tcase_add_loop_test(tcase, a_whole_session_that_is_gone, 0, 8);
    tcase_add_loop_test(tcase, one_bit_of_a_closed_log_that_never_syncs, 0, 2);
    tcase_add_loop_test(tcase, another_version_is_named, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(repair_suite());
}
