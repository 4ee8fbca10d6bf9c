/* SPDX-License-Identifier: MIT */
/*
 * What `logfile verify` says of damaged logs.  The function behind the command reads one-file logs
 * from memory here, so that every byte of a log can be damaged in turn; directories from the disk.
 */
#include "io_stack.h"
#include "log_image.h"
#include "support.h"
#include "tool/tool.h"

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK ((size_t)LF_BLOCK_BYTES)

enum {
    MEMORY_FD = 7
};

/* ---- A file in memory, read only --------------------------------------------------------------*/

struct memory_file {
    uint8_t *bytes;
    size_t size;
    unsigned locked_times; /* how often a writer has it open when that is asked */
    int locked_error;      /* 0, or the answer to that */
    size_t late_at;        /* 0, or a block that can be read only after the second such call */
    uint8_t late_block[BLOCK];
    uint64_t bad_lsn; /* reads that touch this byte fail; 0: none do */
};

static int64_t read_memory(const struct memory_file *file, const struct io_call *call)
{
    if (call->offset >= file->size)
        return 0;
    const uint64_t rest = file->size - call->offset;
    const uint64_t bytes = call->bytes < rest ? call->bytes : rest;
    if (file->bad_lsn != 0 && call->offset <= file->bad_lsn && file->bad_lsn < call->offset + bytes)
        return -EIO;
    memcpy(call->out, file->bytes + call->offset, bytes);
    return (int64_t)bytes;
}

/* The file answers every call, so that nothing is asked of the system. */
static bool answer_from_memory(void *arg, struct io_call *call)
{
    struct memory_file *file = arg;

    switch (call->call) {
    case LOGFILE_SIM_OPEN:
        call->result = call->flags & LOGFILE_IO_OPEN_WRITE ? -EROFS : MEMORY_FD;
        return true;
    case LOGFILE_SIM_STAT:
        *(struct logfile_io_stat *)call->out =
            (struct logfile_io_stat){.bytes = file->size, .kind = LOGFILE_IO_REGULAR};
        break;
    case LOGFILE_SIM_LOCKED:
        if (call->number == 2 && file->late_at != 0)
            memcpy(file->bytes + file->late_at, file->late_block, BLOCK);
        call->result =
            file->locked_error != 0 ? file->locked_error : call->number <= file->locked_times;
        break;
    case LOGFILE_SIM_READ:
        call->result = read_memory(file, call);
        break;
    default:
        break;
    }
    if (call->fd != MEMORY_FD)
        call->result = -EBADF;
    return true;
}

static struct memory_file log_file;
static struct io_layer layer; /* of the last verify */
static char *report;
static size_t report_bytes;

/* Returns verify's exit status; `report` is what it printed. */
static int verify(void)
{
    io_layer_init(&layer, logfile_io_posix());
    layer.before = answer_from_memory;
    layer.arg = &log_file;
    free(report);
    FILE *out = open_memstream(&report, &report_bytes);
    ck_assert_ptr_nonnull(out);
    int status = lf_tool_verify_log(&layer.io, "log", out);
    fclose(out);
    return status;
}

static bool report_has(const char *text)
{
    return strstr(report, text) != NULL;
}

/* ---- The logs ---------------------------------------------------------------------------------*/

static void append_sizes(struct logfile *log, const size_t *sizes, size_t count)
{
    uint8_t payload[8000];

    for (size_t i = 0; i < count; i++) {
        payload_fill(payload, sizes[i], i);
        ck_assert_int_eq(logfile_append(log, payload, sizes[i], NULL), 0);
    }
}

static struct logfile *open_log(void)
{
    struct logfile_options options = {.slot_bytes = 8192, .prepare = LOGFILE_PREPARE_NONE};
    struct logfile *log;

    ck_assert_int_eq(logfile_open(folder_path("log"), &options, NULL, &log), 0);
    return log;
}

static void load_log(void)
{
    FILE *stream = fopen(folder_path("log"), "rb");

    ck_assert_ptr_nonnull(stream);
    fseek(stream, 0, SEEK_END);
    log_file = (struct memory_file){.size = (size_t)ftell(stream)};
    log_file.bytes = malloc(log_file.size);
    rewind(stream);
    ck_assert_uint_eq(fread(log_file.bytes, 1, log_file.size, stream), log_file.size);
    fclose(stream);
}

/* A log that the library wrote, one block per epoch but for the record of 5,000 bytes. */
static void load_small_log(unsigned incarnations)
{
    static const size_t sizes[] = {0, 1, 24, 5000};

    for (unsigned i = 0; i < incarnations; i++) {
        struct logfile *log = open_log();
        append_sizes(log, sizes, sizeof(sizes) / sizeof(sizes[0]));
        ck_assert_int_eq(logfile_close(log), 0);
    }
    load_log();
}

/* The same while it is open, up to its last epoch. */
static void load_open_log(void)
{
    static const size_t sizes[] = {0, 1, 24, 5000};
    struct logfile *log = open_log();

    append_sizes(log, sizes, sizeof(sizes) / sizeof(sizes[0]));
    load_log();
    log_file.size = logfile_durable_lsn(log);
    ck_assert_int_eq(logfile_close(log), 0);
}

static void take_image(struct log_image *image)
{
    log_file = (struct memory_file){.bytes = malloc(image->size), .size = image->size};
    memcpy(log_file.bytes, image->bytes, image->size);
    log_image_free(image);
}

static void setup(void)
{
    enter_folder();
}

static void teardown(void)
{
    free(log_file.bytes);
    free(report);
    report = NULL;
    leave_folder();
}

/* ---- One byte at a time -----------------------------------------------------------------------*/

static int verify_flipped(size_t at, uint8_t mask)
{
    log_file.bytes[at] ^= mask;
    int status = verify();
    log_file.bytes[at] ^= mask;
    return status;
}

/* One copy of what comes before the first epoch can be repaired; all else was promised when the log
 * was closed. */
static void check_every_byte(uint8_t mask)
{
    size_t stride = scaled(5, 1, 1);

    for (size_t at = 0; at < log_file.size; at += stride) {
        int expected = at < LF_FIRST_LSN ? LF_TOOL_OK : LF_TOOL_CORRUPT;
        ck_assert_msg(verify_flipped(at, mask) == expected, "byte %zu with %02x flipped: %s", at,
                      mask, report);
        ck_assert_msg(report_has("log: clean, repairable: ") == (at < LF_FIRST_LSN),
                      "byte %zu with %02x flipped: %s", at, mask, report);
    }
    ck_assert_int_eq(verify(), LF_TOOL_OK);
    ck_assert(!report_has("repairable"));
}

START_TEST(each_flipped_byte_is_noticed)
{
    static const uint8_t masks[] = {0xff, 0x01, 0x80};

    load_small_log(1);
    ck_assert_int_eq(verify(), LF_TOOL_OK);
    ck_assert(report_has("log: clean: 4 records in 6 epochs"));
    check_every_byte(masks[_i]);
}
END_TEST

START_TEST(each_flipped_byte_of_a_log_opened_twice_is_noticed)
{
    load_small_log(2);
    check_every_byte(0x10);
}
END_TEST

/* ---- Larger damage ----------------------------------------------------------------------------*/

/* A sector of a closed log that goes back to zeros, as when a disk forgets a write. */
START_TEST(each_lost_sector_is_noticed)
{
    static const uint8_t zeros[512];

    load_small_log(1);
    for (size_t at = 0; at < log_file.size; at += sizeof(zeros)) {
        uint8_t saved[sizeof(zeros)];
        memcpy(saved, log_file.bytes + at, sizeof(saved));
        memset(log_file.bytes + at, 0, sizeof(zeros));
        bool was_zero = memcmp(saved, zeros, sizeof(zeros)) == 0;
        int expected = was_zero || at < LF_FIRST_LSN ? LF_TOOL_OK : LF_TOOL_CORRUPT;
        ck_assert_msg(verify() == expected, "sector at %zu: %s", at, report);
        ck_assert_msg(report_has(", repairable: ") == (!was_zero && at < LF_FIRST_LSN),
                      "sector at %zu: %s", at, report);
        memcpy(log_file.bytes + at, saved, sizeof(saved));
    }
}
END_TEST

/* Also where it had once been closed: the trim mark knows of the later opening. */
START_TEST(each_truncation_is_noticed)
{
    load_small_log(2);
    size_t stride = scaled(127, 1, 1);
    size_t whole = log_file.size;
    char cut[64];

    for (log_file.size = LF_FIRST_LSN; log_file.size < whole; log_file.size += stride)
        ck_assert_msg(verify() == LF_TOOL_CORRUPT, "%zu bytes: %s", log_file.size, report);
    for (log_file.size = 1; log_file.size < LF_FIRST_LSN; log_file.size += 97) {
        int status = verify();
        ck_assert_msg(status >= LF_TOOL_CORRUPT, "%zu bytes: %s", log_file.size, report);
        snprintf(cut, sizeof(cut), "log: damage: the file is cut at byte %zu, ", log_file.size);
        ck_assert_msg(status != LF_TOOL_CORRUPT || report_has(cut), "%zu bytes: %s", log_file.size,
                      report);
    }
}
END_TEST

START_TEST(exchanged_epochs_are_noticed)
{
    uint8_t saved[BLOCK];

    load_small_log(1);
    uint8_t *first = log_file.bytes + LF_FIRST_LSN + BLOCK;
    uint8_t *second = first + BLOCK;
    memcpy(saved, first, BLOCK);
    memcpy(first, second, BLOCK);
    memcpy(second, saved, BLOCK);
    ck_assert_int_eq(verify(), LF_TOOL_CORRUPT);
}
END_TEST

static void damage(uint64_t lsn)
{
    log_file.bytes[lsn] ^= 0x55;
}

START_TEST(each_damage_is_named_with_its_range)
{
    load_small_log(1);
    damage(LF_FIRST_LSN + BLOCK);     /* epoch 2, of one block */
    damage(LF_FIRST_LSN + 4 * BLOCK); /* epoch 5, of two */
    ck_assert_int_eq(verify(), LF_TOOL_CORRUPT);
    ck_assert(report_has("log: damage: LSN 20480 to 24576: 1 epoch"));
    ck_assert(report_has("log: damage: LSN 32768 to 40960: 1 epoch"));
    ck_assert(report_has("log: corrupt: 2 records in 4 epochs"));
}
END_TEST

START_TEST(damage_up_to_the_end_is_named)
{
    load_small_log(1);
    damage(LF_FIRST_LSN + BLOCK + LF_EPOCH_HEADER_BYTES); /* a record of epoch 2 */
    damage(LF_FIRST_LSN + 2 * BLOCK + 4000);              /* padding of epoch 3 */
    damage(LF_FIRST_LSN + 3 * BLOCK + 4000);              /* and of 4, */
    damage(LF_FIRST_LSN + 4 * BLOCK + 8000);              /* 5, */
    damage(LF_FIRST_LSN + 6 * BLOCK + 4000);              /* and the CLOSE epoch */
    ck_assert_int_eq(verify(), LF_TOOL_CORRUPT);
    ck_assert(report_has("log: damage: LSN 20480 to 45056: no whole epoch follows"));
}
END_TEST

/* ---- The blocks before the first epoch --------------------------------------------------------*/

static void expect_copy(const char *kind, unsigned block, const char *fate)
{
    static const char *const copies[] = {
        "first copy of the file header",
        "second copy of the file header",
        "first copy of the trim mark",
        "second copy of the trim mark",
    };
    char line[160];

    snprintf(line, sizeof(line), "log: %s: LSN %zu to %zu: %s is damaged%s\n", kind, block * BLOCK,
             (block + 1) * BLOCK, copies[block], fate);
    ck_assert_msg(report_has(line), "no '%s' in: %s", line, report);
}

START_TEST(one_damaged_copy_is_named)
{
    load_small_log(1);
    damage((uint64_t)_i * BLOCK + 1000);
    ck_assert_int_eq(verify(), LF_TOOL_OK);
    expect_copy("repairable", (unsigned)_i, "; repaired at the next open for append");
    ck_assert(report_has("log: clean, repairable: 4 records in 6 epochs"));
    damage(LF_FIRST_LSN + BLOCK); /* that cannot be repaired, and the log is refused */
    ck_assert_int_eq(verify(), LF_TOOL_CORRUPT);
    expect_copy("damage", (unsigned)_i, "");
    ck_assert(!report_has("repaired at"));
    ck_assert(report_has("log: corrupt: 3 records in 5 epochs, the last ends at LSN 45056; see "
                         "logfile salvage PATH OUTPUT\n"));
}
END_TEST

/* An open for append repairs nothing in a log that it refuses for the other pair's sake, */
START_TEST(nothing_is_repaired_beside_a_lost_pair)
{
    load_small_log(1);
    damage((uint64_t)_i * BLOCK + 1000);
    damage(2 * BLOCK + 1000);
    damage(3 * BLOCK + 1000);
    ck_assert_int_eq(verify(), LF_TOOL_CORRUPT);
    for (unsigned block = 0; block < 4; block++)
        if (block == (unsigned)_i || block >= 2)
            expect_copy("damage", block, "");
    ck_assert(!report_has("repair"));
    ck_assert(report_has("; see logfile salvage PATH OUTPUT\n"));
}
END_TEST

/* nor in one that can only be read, */
START_TEST(nothing_is_repaired_in_a_log_with_an_unknown_feature)
{
    load_small_log(1);
    for (unsigned copy = 0; copy < 2; copy++) {
        struct lf_file_header *header = (void *)(log_file.bytes + copy * BLOCK);
        header->features_read_only = 1;
        lf_file_header_seal(header);
    }
    ck_assert_int_eq(verify(), LF_TOOL_OK);
    damage((uint64_t)_i * BLOCK + 1000);
    ck_assert_int_eq(verify(), LF_TOOL_OK);
    expect_copy("note", (unsigned)_i, "; not repaired: the log can only be read");
    ck_assert(report_has("log: clean: 4 records in 6 epochs"));
}
END_TEST

/* nor in one that cannot be read. */
START_TEST(nothing_is_repaired_in_an_unreadable_log)
{
    load_small_log(1);
    damage((uint64_t)_i * BLOCK + 1000);
    log_file.bad_lsn = LF_FIRST_LSN + BLOCK;
    ck_assert_int_eq(verify(), LF_TOOL_FAILED);
    expect_copy("damage", (unsigned)_i, "");
    ck_assert(!report_has("repair"));
}
END_TEST

START_TEST(two_damaged_copies_are_corrupt)
{
    load_small_log(1);
    damage(2 * BLOCK);
    damage(3 * BLOCK);
    ck_assert_int_eq(verify(), LF_TOOL_CORRUPT);
    ck_assert(report_has("first copy of the trim mark"));
    ck_assert(report_has("second copy of the trim mark"));
    damage(100);
    damage(BLOCK + 100);
    ck_assert_int_eq(verify(), LF_TOOL_CORRUPT);
    ck_assert(report_has("second copy of the file header"));
    ck_assert(!report_has("trim mark"));
}
END_TEST

START_TEST(a_header_of_another_log_is_corrupt)
{
    struct log_image other;

    load_small_log(1);
    log_image_new(&other, 8192, 3);
    memcpy(log_file.bytes + BLOCK, other.bytes, BLOCK);
    log_image_free(&other);
    ck_assert_int_eq(verify(), LF_TOOL_CORRUPT);
    ck_assert(report_has("contradict each other"));
}
END_TEST

START_TEST(trim_marks_that_disagree_are_corrupt)
{
    load_small_log(1);
    const struct lf_file_header *header = (const void *)log_file.bytes;
    struct lf_trim_mark *first = (void *)(log_file.bytes + 2 * BLOCK);
    const struct lf_trim_mark *second = (const void *)(log_file.bytes + 3 * BLOCK);
    first->sequence = second->sequence;
    first->epoch = second->epoch + 1;
    lf_trim_mark_seal(first, lf_log_seed(header));
    ck_assert_int_eq(verify(), LF_TOOL_CORRUPT);
    ck_assert(report_has("log: damage: LSN 8192 to 16384: trim marks that contradict each other"));
}
END_TEST

/* ---- Not damage -------------------------------------------------------------------------------*/

START_TEST(bytes_behind_the_close_are_noted)
{
    load_small_log(1);
    size_t end = log_file.size;
    log_file.size += 3 * BLOCK;
    log_file.bytes = realloc(log_file.bytes, log_file.size);
    memset(log_file.bytes + end, 0, 3 * BLOCK);
    ck_assert_int_eq(verify(), LF_TOOL_OK);
    ck_assert(!report_has("note"));
    log_file.bytes[end + BLOCK + 5] = 1;
    ck_assert_int_eq(verify(), LF_TOOL_OK);
    ck_assert(report_has("log: note: LSN 45056 to 53248"));
    ck_assert(report_has("log: clean: 4 records"));
}
END_TEST

START_TEST(a_log_without_close_is_torn)
{
    load_open_log();
    ck_assert_int_eq(verify(), LF_TOOL_TORN);
    ck_assert(report_has("log: torn: 4 records in 5 epochs, the last ends at LSN 40960"));
    ck_assert(!report_has("note"));
    log_file.bytes[BLOCK + 12] ^= 1;
    ck_assert_int_eq(verify(), LF_TOOL_TORN);
    ck_assert(report_has("log: torn, repairable: 4 records in 5 epochs"));
}
END_TEST

START_TEST(a_trimmed_log_with_padding_records_is_clean)
{
    struct log_image image;

    log_image_new(&image, 8192, 1);
    log_image_open(&image);
    log_image_record(&image, "gone", 4);
    log_image_seal(&image);
    log_image_record(&image, "kept", 4);
    log_image_pad(&image, 40);
    uint64_t kept_lsn = log_image_seal(&image);
    log_image_close(&image);
    log_image_trim(&image, kept_lsn);
    take_image(&image);
    ck_assert_int_eq(verify(), LF_TOOL_OK);
    ck_assert(report_has("log: clean: 1 records in 2 epochs"));
}
END_TEST

START_TEST(a_live_log_is_checked_up_to_its_end)
{
    load_open_log();
    log_file.locked_times = UINT_MAX;
    ck_assert_int_eq(verify(), LF_TOOL_OK);
    ck_assert(report_has("log: note: open for appending; checked up to LSN 40960"));
    ck_assert(report_has("log: live: 4 records in 5 epochs"));
}
END_TEST

START_TEST(damage_in_a_live_log_is_corrupt)
{
    load_small_log(1);
    log_file.locked_times = UINT_MAX;
    damage(LF_FIRST_LSN + 2 * BLOCK);
    ck_assert_int_eq(verify(), LF_TOOL_CORRUPT);
    ck_assert(report_has("log: damage: LSN 24576 to 28672"));
}
END_TEST

static void make_late(size_t at)
{
    log_file.late_at = at;
    memcpy(log_file.late_block, log_file.bytes + at, BLOCK);
    memset(log_file.bytes + at, 0, BLOCK);
}

/* What the scanner read before the writer wrote it looks like damage when later epochs are there. */
START_TEST(what_a_writer_writes_meanwhile_is_no_damage)
{
    load_small_log(1);
    log_file.locked_times = UINT_MAX;
    make_late(LF_FIRST_LSN + 2 * BLOCK);
    ck_assert_int_eq(verify(), LF_TOOL_OK);
    ck_assert(report_has("log: live: 4 records in 6 epochs"));
    ck_assert(!report_has("damage"));
}
END_TEST

START_TEST(a_log_that_is_closed_meanwhile_is_clean)
{
    load_small_log(1);
    log_file.locked_times = 1;
    make_late(log_file.size - BLOCK);
    ck_assert_int_eq(verify(), LF_TOOL_OK);
    ck_assert(report_has("log: clean: 4 records in 6 epochs"));
}
END_TEST

/* Nothing is said of a break that was read before the writer had gone. */
START_TEST(a_log_whose_writer_goes_after_the_break_is_live)
{
    load_open_log();
    log_file.locked_times = 2;
    make_late(log_file.size - 2 * BLOCK);
    ck_assert_int_eq(verify(), LF_TOOL_OK);
    ck_assert(report_has("log: live: 3 records in 4 epochs"));
}
END_TEST

/* Where there are no locks, no writer of ours can have it.  Loop test: closed, or not. */
START_TEST(a_log_without_locks_gets_its_verdict)
{
    static const int errors[] = {-ENOSYS, -ENOLCK, -EOPNOTSUPP};

    if (_i == 0)
        load_small_log(1);
    else
        load_open_log();
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        log_file.locked_error = errors[i];
        ck_assert_int_eq(verify(), _i == 0 ? LF_TOOL_OK : LF_TOOL_TORN);
        ck_assert(report_has(_i == 0 ? "log: clean: 4 records in 6 epochs"
                                     : "log: torn: 4 records in 5 epochs"));
    }
    log_file.locked_error = -EIO; /* no file system without locks says that */
    ck_assert_int_eq(verify(), LF_TOOL_FAILED);
}
END_TEST

/* ---- Not readable -----------------------------------------------------------------------------*/

START_TEST(a_read_error_is_no_verdict)
{
    load_small_log(1);
    for (log_file.bad_lsn = 1; log_file.bad_lsn < log_file.size; log_file.bad_lsn += BLOCK)
        ck_assert_msg(verify() == LF_TOOL_FAILED, "byte %d: %s", (int)log_file.bad_lsn, report);
}
END_TEST

START_TEST(what_is_no_log_is_unreadable)
{
    log_file = (struct memory_file){.bytes = calloc(8, BLOCK), .size = 8 * BLOCK};
    ck_assert_int_eq(verify(), LF_TOOL_FAILED);
    memset(log_file.bytes, 'x', log_file.size);
    ck_assert_int_eq(verify(), LF_TOOL_FAILED);
    log_file.size = 0;
    ck_assert_int_eq(verify(), LF_TOOL_FAILED);
}
END_TEST

/* ---- Directories ------------------------------------------------------------------------------*/

#define SLOT_BYTES ((uint64_t)8192)
#define SEGMENT_BYTES ((uint64_t)(4 * BLOCK + 3 * SLOT_BYTES + BLOCK)) /* 5 epochs of one block */

static struct log_image image;

static const char *directory(void)
{
    return folder_path("directory");
}

static const char *segment(uint64_t index)
{
    return log_image_segment_path(directory(), index);
}

/* Segments 0 to 3, closed in the last one. */
static void store_directory(void)
{
    log_image_new_segments(&image, SLOT_BYTES, SEGMENT_BYTES, 1);
    log_image_open(&image);
    for (unsigned i = 0; i < 3; i++)
        log_image_fill_segment(&image, 50);
    log_image_close(&image);
    log_image_store(&image, logfile_io_posix(), directory());
}

static int verify_directory(void)
{
    free(report);
    FILE *out = open_memstream(&report, &report_bytes);
    ck_assert_ptr_nonnull(out);
    int status = lf_tool_verify_log(logfile_io_posix(), directory(), out);
    fclose(out);
    return status;
}

static void flip_byte(const char *path, long at)
{
    FILE *file = fopen(path, "r+b");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, at, SEEK_SET), 0);
    int byte = fgetc(file);
    ck_assert_int_eq(fseek(file, at, SEEK_SET), 0);
    ck_assert_int_ne(fputc(byte ^ 0x20, file), EOF);
    ck_assert_int_eq(fclose(file), 0);
}

static void make_file(const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", directory(), name);
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    fclose(file);
}

START_TEST(a_directory_is_clean)
{
    store_directory();
    ck_assert_int_eq(verify_directory(), LF_TOOL_OK);
    ck_assert(report_has(": clean: 14 records in 16 epochs, the last ends at LSN 155648"));
    ck_assert_ptr_eq(strchr(report, '\n'), report + strlen(report) - 1);
    log_image_free(&image);
}
END_TEST

START_TEST(headers_of_segments_are_checked)
{
    static const struct {
        long at;
        const char *kind, *what, *verdict;
    } flips[] = {
        {0, "repairable", "first copy of its file header is damaged", "clean, repairable"},
        {80, "repairable", "first copy of its file header is damaged", "clean, repairable"},
        {4095, "repairable", "first copy of its file header is damaged", "clean, repairable"},
        {4096, "repairable", "second copy of its file header is damaged", "clean, repairable"},
        {5000, "repairable", "second copy of its file header is damaged", "clean, repairable"},
        {8192, "note", "blocks 2 and 3 are not zero", "clean"},
        {16383, "note", "blocks 2 and 3 are not zero", "clean"},
    };
    char line[200];

    store_directory();
    for (uint64_t index = 0; index < 4; index++)
        for (size_t i = 0; i < sizeof(flips) / sizeof(flips[0]); i++) {
            flip_byte(segment(index), flips[i].at);
            ck_assert_int_eq(verify_directory(), LF_TOOL_OK);
            snprintf(line, sizeof(line), ": %s: %016x.segment: %s", flips[i].kind, (unsigned)index,
                     flips[i].what);
            ck_assert_msg(report_has(line), "%s not in:\n%s", line, report);
            snprintf(line, sizeof(line), ": %s: 14 records in 16 epochs", flips[i].verdict);
            ck_assert_msg(report_has(line), "%s not in:\n%s", line, report);
            flip_byte(segment(index), flips[i].at);
        }
    ck_assert_int_eq(verify_directory(), LF_TOOL_OK);
    log_image_free(&image);
}
END_TEST

/* The header is whole, but not that of this segment, or of this log; the epochs in it prove that it
 * is this segment. */
START_TEST(headers_of_other_segments_are_repaired)
{
    struct log_image other;

    store_directory();
    log_image_new_segments(&other, SLOT_BYTES, SEGMENT_BYTES, 2);
    for (unsigned i = 0; i < 2; i++) {
        memcpy(image.bytes + SEGMENT_BYTES, i == 0 ? image.bytes + 2 * SEGMENT_BYTES : other.bytes,
               2 * BLOCK);
        log_image_store_segment(&image, logfile_io_posix(), directory(), 1);
        ck_assert_int_eq(verify_directory(), LF_TOOL_OK);
        ck_assert(report_has("0000000000000001.segment: first copy of its file header"));
        ck_assert(report_has("0000000000000001.segment: second copy of its file header"));
        ck_assert(report_has(": clean, repairable: 14 records in 16 epochs"));
    }
    log_image_free(&other);
    log_image_free(&image);
}
END_TEST

START_TEST(missing_segments_are_named)
{
    static const char *const lines[] = {
        ": damage: 0000000000000000.segment is missing\n",
        ": damage: 0000000000000001.segment is missing\n",
        ": damage: 0000000000000002.segment is missing\n",
        ": damage: 0000000000000003.segment is missing\n",
    };

    store_directory();
    for (uint64_t index = 0; index < 4; index++) {
        ck_assert_int_eq(remove(segment(index)), 0);
        ck_assert_int_eq(verify_directory(), LF_TOOL_CORRUPT);
        ck_assert_msg(report_has(lines[index]), "%s", report);
        log_image_store_segment(&image, logfile_io_posix(), directory(), index);
    }
    ck_assert_int_eq(remove(segment(1)), 0);
    ck_assert_int_eq(remove(segment(2)), 0);
    ck_assert_int_eq(verify_directory(), LF_TOOL_CORRUPT);
    ck_assert(
        report_has(": damage: 0000000000000001.segment to 0000000000000002.segment are missing\n"));
    ck_assert(report_has(": damage: LSN 61440 to 151552: 10 epochs are not whole or missing\n"));
    flip_byte(segment(3), 0);
    ck_assert_int_eq(verify_directory(), LF_TOOL_CORRUPT);
    ck_assert(report_has(": damage: 0000000000000003.segment: first copy of its file header is "
                         "damaged\n"));
    ck_assert(!report_has("repair"));
    log_image_free(&image);
}
END_TEST

/* One that was prepared and never used may be gone. */
START_TEST(a_gap_behind_the_end_is_no_damage)
{
    store_directory();
    log_image_prepare_segment(&image);
    log_image_prepare_segment(&image);
    log_image_store_segment(&image, logfile_io_posix(), directory(), 5);
    ck_assert_int_eq(verify_directory(), LF_TOOL_OK);
    ck_assert(!report_has("missing"));
    log_image_free(&image);
}
END_TEST

START_TEST(foreign_files_are_named)
{
    store_directory();
    make_file("note");
    make_file("0000000000000001.SEGMENT");
    make_file("1.segment");
    make_file("000000000000000g.segment");
    make_file("ffffffffffffffff.segment");
    make_file("0000000000000001.segment.old");
    make_file("two\nlines");
    ck_assert_int_eq(verify_directory(), LF_TOOL_OK);
    ck_assert(report_has("directory: foreign file: note\n"));
    ck_assert(report_has("directory: foreign file: 0000000000000001.SEGMENT\n"));
    ck_assert(report_has("directory: foreign file: 1.segment\n"));
    ck_assert(report_has("directory: foreign file: 000000000000000g.segment\n"));
    ck_assert(report_has("directory: foreign file: ffffffffffffffff.segment\n"));
    ck_assert(report_has("directory: foreign file: 0000000000000001.segment.old\n"));
    ck_assert(report_has("directory: foreign file: two\\nlines\n"));
    ck_assert(!report_has("foreign file: 0000000000000001.segment\n"));
    ck_assert(!report_has("foreign file: control"));
    flip_byte(segment(1), 0);
    ck_assert_int_eq(verify_directory(), LF_TOOL_OK);
    ck_assert(report_has("foreign file: note\n"));
    log_image_free(&image);
}
END_TEST

static void exchange(const char *a, const char *b)
{
    const char *swap = folder_path("swap");

    ck_assert_int_eq(rename(a, swap), 0);
    ck_assert_int_eq(rename(b, a), 0);
    ck_assert_int_eq(rename(swap, b), 0);
}

/* The file is named, as misplaced and as nothing else. */
START_TEST(misplaced_segments_are_named)
{
    store_directory();
    exchange(segment(2), segment(3));
    ck_assert_int_eq(verify_directory(), LF_TOOL_CORRUPT);
    ck_assert(report_has("damage: 0000000000000002.segment: misplaced: "));
    exchange(segment(2), segment(3));
    ck_assert_int_eq(verify_directory(), LF_TOOL_OK);

    /* After the end of a log of which nothing is lost. */
    for (unsigned i = 0; i < 3; i++) {
        const char *stray = segment(7);
        ck_assert_int_eq(i == 0   ? mkdir(stray, 0700)
                         : i == 1 ? mkfifo(stray, 0600)
                                  : symlink(segment(1), stray),
                         0);
        ck_assert_int_eq(verify_directory(), LF_TOOL_CORRUPT);
        ck_assert(report_has("damage: 0000000000000007.segment: misplaced: "));
        ck_assert(report_has(": corrupt: 14 records in 16 epochs"));
        ck_assert(!report_has("foreign file"));
        ck_assert_int_eq(remove(stray), 0);
    }
    log_image_free(&image);
}
END_TEST

/* They are not part of the log, whatever is in them. */
START_TEST(released_segments_are_mentioned)
{
    store_directory();
    log_image_trim(&image, 2 * SEGMENT_BYTES + LF_FIRST_LSN);
    log_image_store(&image, logfile_io_posix(), directory());
    flip_byte(segment(0), 0);
    flip_byte(segment(1), LF_FIRST_LSN);
    ck_assert_int_eq(verify_directory(), LF_TOOL_OK);
    ck_assert(report_has(": note: segments from 0000000000000000.segment on have been released"));
    ck_assert(report_has(": clean: 5 records in 6 epochs"));
    ck_assert_int_eq(remove(segment(0)), 0);
    ck_assert_int_eq(verify_directory(), LF_TOOL_OK);
    ck_assert(report_has(": note: segments from 0000000000000001.segment on have been released"));
    ck_assert_int_eq(remove(segment(1)), 0);
    ck_assert_int_eq(verify_directory(), LF_TOOL_OK);
    ck_assert(!report_has("released"));
    log_image_free(&image);
}
END_TEST

START_TEST(damage_in_a_directory_is_named)
{
    store_directory();
    flip_byte(segment(1), LF_FIRST_LSN + 70);
    flip_byte(segment(2), LF_FIRST_LSN + 4 * BLOCK + 4000);
    ck_assert_int_eq(verify_directory(), LF_TOOL_CORRUPT);
    ck_assert(report_has(": damage: LSN 61440 to 65536: 1 epoch"));
    ck_assert(report_has(": damage: LSN 122880 to 151552: 1 epoch"));
    ck_assert(report_has(": corrupt: 12 records in 14 epochs"));
    ck_assert(!report_has(" is missing"));
    log_image_free(&image);
}
END_TEST

static void overwrite(const char *path, const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path, "r+b");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

/* A writer that trims before the nth read, and uses again what it has released: segment 0 is 4 now,
 * segment 1 has the header of 5 and is yet to be renamed, and what was in them is gone. */
static unsigned reads_left;

static void trim_meanwhile(void)
{
    static uint8_t zeros[SEGMENT_BYTES];

    log_image_trim(&image, 2 * SEGMENT_BYTES + LF_FIRST_LSN + BLOCK);
    overwrite(folder_path("directory/control"), image.bytes, LF_FIRST_LSN);
    log_image_prepare_segment(&image);
    log_image_prepare_segment(&image);
    for (uint64_t index = 0; index < 2; index++) {
        overwrite(segment(index), zeros, sizeof(zeros));
        overwrite(segment(index), image.bytes + (4 + index) * SEGMENT_BYTES, LF_FIRST_LSN);
    }
    ck_assert_int_eq(rename(segment(0), segment(4)), 0);
}

static bool trim_before_a_read(void *arg, struct io_call *call)
{
    (void)arg;
    if (call->call == LOGFILE_SIM_READ && reads_left > 0 && --reads_left == 0)
        trim_meanwhile();
    call->result = 1; /* it is always locked */
    return call->call == LOGFILE_SIM_LOCKED;
}

START_TEST(a_live_log_that_is_trimmed_meanwhile_is_whole)
{
    unsigned nth = 0;

    io_layer_init(&layer, logfile_io_posix());
    layer.before = trim_before_a_read;
    do {
        store_directory();
        reads_left = ++nth;
        free(report);
        FILE *out = open_memstream(&report, &report_bytes);
        int status = lf_tool_verify_log(&layer.io, directory(), out);
        fclose(out);
        ck_assert_msg(status == LF_TOOL_OK, "read %u: %s", nth, report);
        ck_assert_msg(report_has(": live: ") && !report_has("damage"), "read %u: %s", nth, report);
        remove(segment(4));
        log_image_free(&image);
    } while (reads_left == 0);
    ck_assert_uint_gt(nth, 6);
}
END_TEST

START_TEST(a_directory_that_is_no_log)
{
    ck_assert_int_eq(verify_directory(), LF_TOOL_FAILED);
    store_directory();
    ck_assert_int_eq(remove(folder_path("directory/control")), 0);
    ck_assert_int_eq(verify_directory(), LF_TOOL_FAILED);
    log_image_free(&image);
}
END_TEST

static TCase *new_case(const char *name)
{
    TCase *tcase = tcase_create(name);

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 300);
    return tcase;
}

static TCase *damage_case(void)
{
    TCase *tcase = new_case("damage");

    tcase_add_loop_test(tcase, each_flipped_byte_is_noticed, 0, 3);
    tcase_add_test(tcase, each_flipped_byte_of_a_log_opened_twice_is_noticed);
    tcase_add_test(tcase, each_lost_sector_is_noticed);
    tcase_add_test(tcase, each_truncation_is_noticed);
    tcase_add_test(tcase, exchanged_epochs_are_noticed);
    tcase_add_test(tcase, each_damage_is_named_with_its_range);
    tcase_add_test(tcase, damage_up_to_the_end_is_named);
    tcase_add_loop_test(tcase, one_damaged_copy_is_named, 0, 4);
    tcase_add_loop_test(tcase, nothing_is_repaired_beside_a_lost_pair, 0, 2);
    tcase_add_loop_test(tcase, nothing_is_repaired_in_a_log_with_an_unknown_feature, 0, 4);
    tcase_add_loop_test(tcase, nothing_is_repaired_in_an_unreadable_log, 0, 4);
    tcase_add_test(tcase, two_damaged_copies_are_corrupt);
    tcase_add_test(tcase, a_header_of_another_log_is_corrupt);
    tcase_add_test(tcase, trim_marks_that_disagree_are_corrupt);
    return tcase;
}

static TCase *no_damage_case(void)
{
    TCase *tcase = new_case("no damage");

    tcase_add_test(tcase, bytes_behind_the_close_are_noted);
    tcase_add_test(tcase, a_log_without_close_is_torn);
    tcase_add_test(tcase, a_trimmed_log_with_padding_records_is_clean);
    tcase_add_test(tcase, a_live_log_is_checked_up_to_its_end);
    tcase_add_test(tcase, damage_in_a_live_log_is_corrupt);
    tcase_add_test(tcase, what_a_writer_writes_meanwhile_is_no_damage);
    tcase_add_test(tcase, a_log_whose_writer_goes_after_the_break_is_live);
    tcase_add_test(tcase, a_log_that_is_closed_meanwhile_is_clean);
    tcase_add_loop_test(tcase, a_log_without_locks_gets_its_verdict, 0, 2);
    tcase_add_test(tcase, a_read_error_is_no_verdict);
    tcase_add_test(tcase, what_is_no_log_is_unreadable);
    return tcase;
}

static TCase *directory_case(void)
{
    TCase *tcase = new_case("directories");

    tcase_add_test(tcase, a_directory_is_clean);
    tcase_add_test(tcase, headers_of_segments_are_checked);
    tcase_add_test(tcase, headers_of_other_segments_are_repaired);
    tcase_add_test(tcase, missing_segments_are_named);
    tcase_add_test(tcase, a_gap_behind_the_end_is_no_damage);
    tcase_add_test(tcase, foreign_files_are_named);
    tcase_add_test(tcase, misplaced_segments_are_named);
    tcase_add_test(tcase, released_segments_are_mentioned);
    tcase_add_test(tcase, damage_in_a_directory_is_named);
    tcase_add_test(tcase, a_live_log_that_is_trimmed_meanwhile_is_whole);
    tcase_add_test(tcase, a_directory_that_is_no_log);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("verify");
    suite_add_tcase(suite, damage_case());
    suite_add_tcase(suite, no_damage_case());
    suite_add_tcase(suite, directory_case());
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
