/* SPDX-License-Identifier: MIT */
/*
 * Bad input: what a caller, or whoever put a file in the log's place, can get wrong.  Each gets the
 * error that the contract names, nothing is created, and what was there stays as it was.
 */
#include "format/format.h"
#include "journal.h"
#include "logfile_io.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct logfile *const UNTOUCHED = (struct logfile *)0x10;

static struct logfile_options small_options(void)
{
    return (struct logfile_options){.slot_bytes = 8 << 10, .prepare_bytes = 64 << 10};
}

static const char *log_path(void)
{
    return folder_path("options.log");
}

static void begin(const char *what)
{
    enter_folder();
    watchdog_start(60, what);
}

static void end(void)
{
    leave_folder();
    watchdog_stop();
}

/* What the last opening that failed said. */
static struct logfile_open_report refusal;

/* Opening fails with this error, says why, and hands out nothing. */
static void check_refused(const char *path, const struct logfile_options *asked, int expected)
{
    struct logfile_options options = asked == NULL ? small_options() : *asked;
    struct logfile *log = UNTOUCHED;

    memset(&refusal, 0x5a, sizeof refusal);
    int error = logfile_open(path, &options, &refusal, &log);
    ck_assert_msg(error == expected, "got %d, %s, instead of %s: %.200s", error,
                  logfile_strerror(error), logfile_strerror(expected), refusal.message);
    ck_assert_ptr_eq(log, UNTOUCHED);
    ck_assert_uint_gt(strnlen(refusal.message, sizeof refusal.message), 0);
    ck_assert_uint_lt(strnlen(refusal.message, sizeof refusal.message), sizeof refusal.message);
    ck_assert_ptr_null(strchr(refusal.message, '\n'));
}

/* A closed log with a few records. */
static void make_log(void)
{
    struct logfile_options options = small_options();
    struct logfile *log;
    uint64_t lsn;

    ck_assert_int_eq(logfile_open(log_path(), &options, NULL, &log), 0);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_int_eq(logfile_append(log, "0123456789", i * 2, &lsn), 0);
    ck_assert_int_eq(logfile_close(log), 0);
}

/* ---- Options ---- */

/* Sets one option to a value that is not one of its own. */
struct bad_option {
    const char *name;
    size_t offset;
    size_t bytes;
    uint64_t value;
    int expected;
};
#define BAD(field, number, error)                                                                  \
    {                                                                                              \
#field, offsetof(struct logfile_options, field),                                           \
            sizeof((struct logfile_options *)0)->field, number, error                              \
    }

enum {
    LAST_RESERVED = sizeof((struct logfile_options *)0)->reserved / sizeof(uint64_t) - 1
};

static const struct bad_option bad_options[] = {
    BAD(io_mode, 3, -EINVAL),
    BAD(sync, 3, -EINVAL),
    BAD(prepare, 3, -EINVAL),
    BAD(open_flags, LOGFILE_OPEN_EXISTING | LOGFILE_OPEN_EXCLUSIVE, -EINVAL),
    BAD(open_flags, 4, -EINVAL),
    BAD(open_flags, 0x80000000, -EINVAL),
    BAD(mode, 010000, -EINVAL),
    BAD(slot_bytes, 1, -EINVAL),
    BAD(slot_bytes, 4 << 10, -EINVAL),
    BAD(slot_bytes, 12 << 10, -EINVAL),
    BAD(slot_bytes, (8 << 10) + 1, -EINVAL),
    BAD(slot_bytes, 128 << 20, -EINVAL),
    BAD(slot_bytes, UINT64_MAX, -EINVAL),
    BAD(prepare_bytes, UINT64_MAX, -EINVAL),
    BAD(replay_from, 1, -EINVAL), /* and no replay */
    BAD(replay_mark, 1, -EINVAL),
    BAD(slow_ns, 999999, -EINVAL),
    BAD(slow_ns, UINT64_C(3600000000001), -EINVAL),
    BAD(reserved[0], 1, -EINVAL),
    BAD(reserved_32, 1, -EINVAL),
    BAD(reserved[LAST_RESERVED], 1, -EINVAL),
    BAD(segment_bytes, 1, -EINVAL),
    BAD(segment_bytes, (8 << 10) + (16 << 10), -EINVAL), /* no room for a CLOSE epoch */
    BAD(segment_bytes, (1 << 20) + 512, -EINVAL),
    BAD(segment_bytes, (UINT64_C(1) << 40) + 4096, -EINVAL),
};
#define BAD_OPTION_COUNT (sizeof bad_options / sizeof bad_options[0])

#define BAD_LAB(field, number)                                                                     \
    {                                                                                              \
        "lab." #field, offsetof(struct logfile_lab, field),                                        \
            sizeof((struct logfile_lab *)0)->field, number, -EINVAL                                \
    }

enum {
    LAST_LAB_RESERVED = sizeof((struct logfile_lab *)0)->reserved / sizeof(uint64_t) - 1
};

static const struct bad_option bad_labs[] = {
    BAD_LAB(engine, 3),
    BAD_LAB(engine, 0xffffffff),
    BAD_LAB(reserve, 5),
    BAD_LAB(flusher, 3),
    BAD_LAB(wait, 3),
    BAD_LAB(checksum, 2),
    BAD_LAB(slot_count, 1),
    BAD_LAB(slot_count, 3),
    BAD_LAB(slot_count, 128),
    BAD_LAB(slot_count, 0x80000000),
    BAD_LAB(variant_flags, 16),
    BAD_LAB(variant_flags, 0x80000000),
    BAD_LAB(publish_shards, 3),
    BAD_LAB(publish_shards, 512),
    BAD_LAB(publish_shards, 0xfffffffe),
    BAD_LAB(sync, 4),
    BAD_LAB(reserved[0], 1),
    BAD_LAB(reserved[LAST_LAB_RESERVED], 1),
};
#define BAD_LAB_COUNT (sizeof bad_labs / sizeof bad_labs[0])

/* The message names the option: of an array, as a whole. */
static void check_names(const struct bad_option *bad, const char *message)
{
    char expected[64];

    snprintf(expected, sizeof expected, "option %.*s:", (int)strcspn(bad->name, "["), bad->name);
    ck_assert_msg(strncmp(message, expected, strlen(expected)) == 0, "%s: %s", bad->name, message);
}

START_TEST(test_bad_option)
{
    const struct bad_option *bad = &bad_options[_i];
    struct logfile_options options = small_options();

    begin(bad->name);
    memcpy((char *)&options + bad->offset, &bad->value, bad->bytes);
    check_refused(log_path(), &options, bad->expected);
    check_names(bad, refusal.message);
    ck_assert_int_eq(folder_entry_count(), 0);
    /* Nor is a log that exists touched. */
    make_log();
    check_refused(log_path(), &options, bad->expected);
    end();
}
END_TEST

START_TEST(test_bad_lab)
{
    const struct bad_option *bad = &bad_labs[_i];
    struct logfile_options options = small_options();
    struct logfile_lab lab = {0};

    begin(bad->name);
    options.lab = &lab;
    memcpy((char *)&lab + bad->offset, &bad->value, bad->bytes);
    check_refused(log_path(), &options, -EINVAL);
    check_names(bad, refusal.message);
    ck_assert_int_eq(folder_entry_count(), 0);
    end();
}
END_TEST

/* No lab, and a zeroed one, are every default. */
START_TEST(test_default_lab)
{
    static const struct logfile_lab zeroed;
    struct logfile_options options = small_options();
    struct logfile_lab_stats stats;
    struct logfile *log;

    begin("default lab");
    options.lab = _i == 0 ? NULL : &zeroed;
    ck_assert_int_eq(logfile_open(log_path(), &options, NULL, &log), 0);
    ck_assert_int_eq(logfile_append(log, "1", 1, NULL), 0);
    ck_assert_int_eq(logfile_lab_stats(log, &stats, sizeof stats), 0);
    ck_assert_uint_eq(stats.engine, LOGFILE_ENGINE_RING);
    ck_assert_uint_eq(stats.slot_count, 2);
    ck_assert_uint_eq(stats.publish_shards, 8);
    for (int i = 0; i < LOGFILE_STAGE_COUNT; i++)
        ck_assert_uint_eq(stats.stage_ns[i].count, 0);
    ck_assert_int_eq(logfile_lab_stats(NULL, &stats, sizeof stats), -EINVAL);
    ck_assert_int_eq(logfile_lab_stats(log, NULL, sizeof stats), -EINVAL);
    ck_assert_int_eq(logfile_close(log), 0);
    end();
}
END_TEST

/* The caller's struct is not looked at after opening. */
START_TEST(test_lab_is_copied)
{
    struct logfile_options options = small_options();
    struct logfile_lab lab = {.engine = LOGFILE_ENGINE_MUTEX, .stage_sample_every = 1};
    struct logfile_lab_stats stats;
    struct logfile *log;

    begin("lab is copied");
    options.lab = &lab;
    ck_assert_int_eq(logfile_open(log_path(), &options, NULL, &log), 0);
    memset(&lab, 0xff, sizeof lab);
    memset(&options, 0xff, sizeof options);
    ck_assert_int_eq(logfile_append(log, "1", 1, NULL), 0);
    ck_assert_int_eq(logfile_lab_stats(log, &stats, sizeof stats), 0);
    ck_assert_uint_eq(stats.engine, LOGFILE_ENGINE_MUTEX);
    for (int i = 0; i < LOGFILE_STAGE_COUNT; i++)
        ck_assert_uint_eq(stats.stage_ns[i].count, 1);
    ck_assert_int_eq(logfile_close(log), 0);
    end();
}
END_TEST

START_TEST(test_bad_io_table)
{
    struct logfile_io io = *logfile_io_posix();
    struct logfile_options options = small_options();

    begin("io table");
    options.io = &io;
    io.sync = NULL;
    check_refused(log_path(), &options, -EINVAL);
    io = *logfile_io_posix();
    io.sync_directory = NULL;
    check_refused(log_path(), &options, -EINVAL);
    io = *logfile_io_posix();
    io.reserved[4] = &io;
    check_refused(log_path(), &options, -EINVAL);
    ck_assert_int_eq(folder_entry_count(), 0);
    end();
}
END_TEST

static void *alloc_nothing(void *arg, size_t bytes)
{
    (void)arg;
    (void)bytes;
    return NULL;
}

static void free_nothing(void *arg, void *memory, size_t bytes)
{
    (void)arg;
    (void)memory;
    (void)bytes;
}

START_TEST(test_bad_ring_memory)
{
    struct logfile_options options = small_options();
    struct logfile_lab lab = {0};

    begin("ring memory");
    options.lab = &lab;
    lab.ring_alloc = alloc_nothing;
    check_refused(log_path(), &options, -EINVAL);
    lab.ring_free = free_nothing;
    check_refused(log_path(), &options, -ENOMEM);
    ck_assert_int_eq(folder_entry_count(), 0);
    end();
}
END_TEST

static bool is_zeroed(const void *memory, size_t bytes)
{
    const uint8_t *byte = memory;

    for (size_t i = 0; i < bytes; i++)
        if (byte[i] != 0)
            return false;
    return true;
}

/* Whose log it is stands in the report, also of a log that is refused; nobody needs to ask. */
START_TEST(test_report_names_the_log)
{
    struct logfile_options options = small_options();
    struct logfile_open_report report;
    struct logfile *log;
    uint8_t id[16];

    begin("report");
    options.segment_bytes = _i == 0 ? 0 : 64 << 10;
    memset(&report, 0x5a, sizeof report);
    ck_assert_int_eq(logfile_open(log_path(), &options, &report, &log), 0);
    logfile_id(log, id);
    ck_assert(!is_zeroed(id, sizeof id));
    ck_assert_mem_eq(report.id, id, sizeof id);
    ck_assert(is_zeroed(report.reserved, sizeof report.reserved));
    ck_assert_str_eq(report.message, "");
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert_int_eq(logfile_open(log_path(), &options, NULL, &log), 0);
    ck_assert_int_eq(logfile_close(log), 0);
    options.slot_bytes = 16 << 10;
    check_refused(log_path(), &options, LOGFILE_EMISMATCH);
    ck_assert_mem_eq(refusal.id, id, sizeof id);
    ck_assert_int_eq(logfile_open(log_path(), &options, NULL, &log), LOGFILE_EMISMATCH);
    options.slot_bytes = 1;
    check_refused(log_path(), &options, -EINVAL);
    ck_assert(is_zeroed(refusal.id, sizeof refusal.id));
    end();
}
END_TEST

START_TEST(test_size_in_conflict_with_the_log)
{
    struct logfile_options options = small_options();
    struct logfile *log;

    begin("conflict");
    make_log();
    options.slot_bytes = 16 << 10;
    check_refused(log_path(), &options, LOGFILE_EMISMATCH);
    options.slot_bytes = 0;
    ck_assert_int_eq(logfile_open(log_path(), &options, NULL, &log), 0);
    ck_assert_uint_eq(logfile_record_max(log), (8 << 10) - 88);
    ck_assert_int_eq(logfile_close(log), 0);
    options.slot_bytes = 8 << 10;
    options.segment_bytes = 64 << 10;
    check_refused(log_path(), &options, LOGFILE_EMISMATCH);
    end();
}
END_TEST

START_TEST(test_segment_size_in_conflict_with_the_log)
{
    struct logfile_options options = small_options();
    struct logfile *log;

    begin("conflict of segments");
    options.segment_bytes = 64 << 10;
    ck_assert_int_eq(logfile_open(log_path(), &options, NULL, &log), 0);
    ck_assert_int_eq(logfile_append(log, "x", 1, NULL), 0);
    ck_assert_int_eq(logfile_close(log), 0);
    options.segment_bytes = 128 << 10;
    check_refused(log_path(), &options, LOGFILE_EMISMATCH);
    options.segment_bytes = 0; /* whatever it is */
    ck_assert_int_eq(logfile_open(log_path(), &options, NULL, &log), 0);
    ck_assert_int_eq(logfile_close(log), 0);
    end();
}
END_TEST

/* ---- Arguments ---- */

START_TEST(test_null_arguments)
{
    struct logfile *log = UNTOUCHED;
    struct logfile_reader *reader = NULL;
    struct logfile_stats stats;
    struct logfile_failure failure;
    struct logfile_record record;
    struct logfile_tail tail;
    struct iovec iov = {(void *)1, 1};
    uint64_t lsn = 3;

    begin("NULL");
    ck_assert_int_eq(logfile_open(NULL, NULL, NULL, &log), -EINVAL);
    ck_assert_int_eq(logfile_open(log_path(), NULL, NULL, NULL), -EINVAL);
    ck_assert_ptr_eq(log, UNTOUCHED);
    ck_assert_int_eq(logfile_append(NULL, "x", 1, &lsn), -EINVAL);
    ck_assert_int_eq(logfile_append_until(NULL, "x", 1, NULL, &lsn), -EINVAL);
    ck_assert_int_eq(logfile_appendv(NULL, &iov, 1, NULL, &lsn), -EINVAL);
    ck_assert_int_eq(logfile_submitv(NULL, &iov, 1, NULL, &lsn), -EINVAL);
    ck_assert_int_eq(logfile_submit(NULL, "x", 1, NULL, &lsn), -EINVAL);
    ck_assert_int_eq(logfile_wait(NULL, 0, NULL), -EINVAL);
    ck_assert_int_eq(logfile_sync(NULL, NULL), -EINVAL);
    ck_assert_int_eq(logfile_shutdown(NULL, NULL), -EINVAL);
    ck_assert_int_eq(logfile_stats(NULL, &stats, sizeof stats), -EINVAL);
    ck_assert_int_eq(logfile_failure(NULL, &failure, sizeof failure), -EINVAL);
    ck_assert_uint_eq(logfile_durable_lsn(NULL), 0);
    ck_assert_uint_eq(logfile_next_lsn(NULL), 0);
    ck_assert_uint_eq(logfile_oldest_lsn(NULL), 0);
    ck_assert_uint_eq(logfile_record_max(NULL), 0);
    ck_assert_int_eq(logfile_close(NULL), 0);
    ck_assert_int_eq(logfile_reader_open(NULL, NULL, &reader), -EINVAL);
    ck_assert_int_eq(logfile_reader_open(log_path(), NULL, NULL), -EINVAL);
    ck_assert_int_eq(logfile_reader_next(NULL, &record), -EINVAL);
    ck_assert_int_eq(logfile_reader_skip(NULL), -EINVAL);
    ck_assert_int_eq(logfile_reader_tail(NULL, &tail, sizeof tail), -EINVAL);
    logfile_reader_close(NULL);
    ck_assert_uint_eq(lsn, 3);
    ck_assert_int_eq(folder_entry_count(), 0);
    end();
}
END_TEST

/* A loop test over the engines. */
START_TEST(test_bad_payloads)
{
    struct variant variant;
    struct logfile *log;
    uint64_t lsn = 3;
    struct timespec deadline = deadline_in_ms(1000);

    engine_variant_get((unsigned)_i, &variant);
    begin(variant.name);
    ck_assert_int_eq(logfile_open(log_path(), &variant.options, NULL, &log), 0);
    uint64_t next_lsn = logfile_next_lsn(log);
    size_t max = logfile_record_max(log);
    uint8_t *payload = calloc(1, max + 1);
    struct iovec iov[2] = {{payload, 1}, {NULL, 1}};
    const struct timespec no_time = {.tv_nsec = 1000000000};

    ck_assert_int_eq(logfile_append(log, NULL, 1, &lsn), -EINVAL);
    ck_assert_int_eq(logfile_append_until(log, NULL, 1, &deadline, &lsn), -EINVAL);
    ck_assert_int_eq(logfile_submit(log, NULL, 1, NULL, &lsn), -EINVAL);
    ck_assert_int_eq(logfile_appendv(log, iov, 2, NULL, &lsn), -EINVAL);
    ck_assert_int_eq(logfile_appendv(log, NULL, 1, NULL, &lsn), -EINVAL);
    ck_assert_int_eq(logfile_appendv(log, iov, -1, NULL, &lsn), -EINVAL);
    ck_assert_int_eq(logfile_appendv(log, iov, 1, &no_time, &lsn), -EINVAL);
    ck_assert_int_eq(logfile_submitv(log, iov, 2, NULL, &lsn), -EINVAL);
    ck_assert_int_eq(logfile_submitv(log, NULL, 1, NULL, &lsn), -EINVAL);
    ck_assert_int_eq(logfile_submitv(log, iov, -1, NULL, &lsn), -EINVAL);
    ck_assert_int_eq(logfile_submitv(log, iov, 1, &no_time, &lsn), -EINVAL);
    ck_assert_int_eq(logfile_append(log, payload, max + 1, &lsn), LOGFILE_ETOOBIG);
    ck_assert_int_eq(logfile_append_until(log, payload, max + 1, &deadline, &lsn), LOGFILE_ETOOBIG);
    ck_assert_int_eq(logfile_submit(log, payload, max + 1, NULL, &lsn), LOGFILE_ETOOBIG);
    ck_assert_int_eq(logfile_stats(log, NULL, 0), -EINVAL);
    ck_assert_int_eq(logfile_failure(log, NULL, 0), -EINVAL);
    ck_assert_uint_eq(lsn, 3);
    ck_assert_uint_eq(logfile_next_lsn(log), next_lsn);
    ck_assert_int_eq(logfile_append(log, payload, max, &lsn), 0);
    ck_assert_uint_ge(lsn, next_lsn);
    ck_assert_int_eq(logfile_close(log), 0);
    free(payload);
    end();
}
END_TEST

/* ---- What lies at the path ---- */

static void write_file(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
    ck_assert_int_eq(close(fd), 0);
}

struct image {
    size_t size;
    uint8_t bytes[256 << 10];
};

static void read_image(struct image *image)
{
    int fd = open(log_path(), O_RDONLY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ssize_t size = read(fd, image->bytes, sizeof image->bytes);
    ck_assert_int_ge(size, 0);
    image->size = (size_t)size;
    close(fd);
}

/* Opening and reading fail with `expected`, and not a byte of the file changes. */
static void check_file_refused(int expected)
{
    static struct image before, after;
    struct logfile_reader *reader;

    read_image(&before);
    check_refused(log_path(), NULL, expected);
    ck_assert_int_eq(logfile_reader_open(log_path(), NULL, &reader), expected);
    read_image(&after);
    ck_assert_uint_eq(before.size, after.size);
    ck_assert_mem_eq(before.bytes, after.bytes, before.size);
    ck_assert_int_eq(folder_entry_count(), 1);
}

START_TEST(test_a_file_that_is_no_log)
{
    static uint8_t bytes[64 << 10];

    begin("no log");
    write_file(log_path(), "", 0);
    check_file_refused(LOGFILE_EFORMAT);
    write_file(log_path(), "hello\n", 6);
    check_file_refused(LOGFILE_EFORMAT);
    write_file(log_path(), bytes, sizeof bytes);
    check_file_refused(LOGFILE_EFORMAT);
    payload_fill(bytes, sizeof bytes, 5);
    write_file(log_path(), bytes, sizeof bytes);
    check_file_refused(LOGFILE_EFORMAT);
    write_file(log_path(), bytes, 4097);
    check_file_refused(LOGFILE_EFORMAT);
    end();
}
END_TEST

/* Changes both copies of the file header, which stay whole. */
static void check_other_header(void (*change)(struct lf_file_header *header))
{
    static struct image image;

    make_log();
    read_image(&image);
    for (unsigned copy = 0; copy < 2; copy++) {
        uint8_t *block = image.bytes + copy * LF_BLOCK_BYTES;
        struct lf_file_header header;
        memcpy(&header, block, sizeof header);
        change(&header);
        memcpy(block, &header, sizeof header);
        lf_file_header_seal(block);
    }
    write_file(log_path(), image.bytes, image.size);
    check_file_refused(LOGFILE_EFORMAT);
    ck_assert_int_eq(unlink(log_path()), 0);
}

static void other_version(struct lf_file_header *header)
{
    header->version++;
}

static void other_byte_order(struct lf_file_header *header)
{
    header->byte_order = __builtin_bswap32(header->byte_order);
}

static void other_feature(struct lf_file_header *header)
{
    header->features_refuse |= UINT64_C(1) << 63;
}

static void other_block_size(struct lf_file_header *header)
{
    header->block_bytes = 512;
}

static void other_magic(struct lf_file_header *header)
{
    header->magic[7] = '\r';
}

START_TEST(test_a_log_of_another_kind)
{
    begin("another kind");
    check_other_header(other_version);
    check_other_header(other_byte_order);
    check_other_header(other_feature);
    check_other_header(other_block_size);
    check_other_header(other_magic);
    end();
}
END_TEST

static void check_place_refused(int expected)
{
    struct logfile_reader *reader;
    int entries = folder_entry_count();

    check_refused(log_path(), NULL, expected);
    ck_assert_int_eq(logfile_reader_open(log_path(), NULL, &reader), expected);
    ck_assert_int_eq(folder_entry_count(), entries);
}

START_TEST(test_places_that_are_no_regular_files)
{
    struct logfile_reader *reader;

    begin("special files");
    make_log();
    ck_assert_int_eq(rename(log_path(), folder_path("real.log")), 0);
    ck_assert_int_eq(symlink("real.log", log_path()), 0);
    check_place_refused(-ELOOP);
    ck_assert_int_eq(unlink(log_path()), 0);
    ck_assert_int_eq(symlink("nowhere", log_path()), 0);
    check_place_refused(-ELOOP);
    ck_assert_int_eq(unlink(log_path()), 0);
    ck_assert_int_eq(mkdir(log_path(), 0755), 0);
    check_place_refused(-EISDIR);
    ck_assert_int_eq(rmdir(log_path()), 0);
    ck_assert_int_eq(mkfifo(log_path(), 0644), 0);
    check_place_refused(-ESPIPE);
    check_refused("/dev/null", NULL, -ESPIPE);
    ck_assert_int_eq(logfile_reader_open("/dev/null", NULL, &reader), -ESPIPE);
    end();
}
END_TEST

START_TEST(test_names_that_lead_nowhere)
{
    struct logfile_options options = small_options();
    struct logfile_reader *reader;
    static char long_name[PATH_MAX + 100];

    begin("nowhere");
    check_refused(folder_path("missing/options.log"), NULL, -ENOENT);
    ck_assert_int_eq(logfile_reader_open(log_path(), NULL, &reader), -ENOENT);
    check_refused("", NULL, -ENOENT);
    memset(long_name, 'x', sizeof long_name - 1);
    check_refused(long_name, NULL, -ENAMETOOLONG);
    write_file(folder_path("file"), "x", 1);
    check_refused(folder_path("file/options.log"), NULL, -ENOTDIR);
    ck_assert_int_eq(unlink(folder_path("file")), 0);
    options.open_flags = LOGFILE_OPEN_EXISTING;
    check_refused(log_path(), &options, -ENOENT);
    ck_assert_int_eq(folder_entry_count(), 0);
    make_log();
    options.open_flags = LOGFILE_OPEN_EXCLUSIVE;
    check_refused(log_path(), &options, -EEXIST);
    end();
}
END_TEST

/* ---- A log that is open elsewhere ---- */

static int open_in_child(void)
{
    int status;
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct logfile_options options = small_options();
        struct logfile *log;
        int error = logfile_open(log_path(), &options, NULL, &log);
        _exit(error == 0 ? 0 : error == LOGFILE_ELOCKED ? 1 : 2);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

START_TEST(test_two_openers)
{
    struct logfile_options options = small_options();
    struct logfile *log;
    uint64_t lsn;

    begin("two openers");
    ck_assert_int_eq(logfile_open(log_path(), &options, NULL, &log), 0);
    for (unsigned i = 0; i < 3; i++) {
        check_refused(log_path(), NULL, LOGFILE_ELOCKED);
        ck_assert_int_eq(open_in_child(), 1);
        ck_assert_int_eq(logfile_append(log, "abc", 3, &lsn), 0);
    }
    /* A reader that comes and goes does not take the lock along. */
    struct logfile_reader *reader;
    ck_assert_int_eq(logfile_reader_open(log_path(), NULL, &reader), 0);
    logfile_reader_close(reader);
    ck_assert_int_eq(open_in_child(), 1);
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert_int_eq(open_in_child(), 0);
    ck_assert_int_eq(folder_entry_count(), 1);
    end();
}
END_TEST

/* ---- Damage ---- */

START_TEST(test_damage_is_refused_and_named)
{
    struct logfile_options options = small_options();
    struct logfile_open_report report;
    struct logfile *log;
    static struct image image;
    uint64_t lsns[4];

    begin("damage");
    ck_assert_int_eq(logfile_open(log_path(), &options, &report, &log), 0);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(logfile_append(log, "0123456789abcdef", 16, &lsns[i]), 0);
    ck_assert_int_eq(logfile_close(log), 0);
    read_image(&image);
    image.bytes[lsns[1] + LF_RECORD_HEADER_BYTES + 3] ^= 1;
    write_file(log_path(), image.bytes, image.size);

    ck_assert_int_eq(logfile_open(log_path(), &options, &report, &log), LOGFILE_ECORRUPT);
    ck_assert_int_eq(report.tail.verdict, LOGFILE_CORRUPT);
    ck_assert_uint_gt(report.tail.end_lsn, lsns[0]);
    ck_assert_uint_le(report.tail.end_lsn, lsns[1]);
    ck_assert_uint_gt(report.tail.promised_lsn, lsns[3]);
    ck_assert_uint_gt(report.tail.resume_lsn, lsns[1]);
    ck_assert_uint_le(report.tail.resume_lsn, lsns[2]);
    static struct image after;
    read_image(&after);
    ck_assert_uint_eq(after.size, image.size);
    ck_assert_mem_eq(after.bytes, image.bytes, image.size);
    end();
}
END_TEST

START_TEST(test_a_torn_tail_is_cut)
{
    struct logfile_options options = small_options();
    struct logfile_open_report report;
    struct logfile *log;
    static struct image image;
    uint64_t lsns[3];
    char why[JOURNAL_WHY_BYTES];
    struct journal journal = {0};

    begin("torn tail");
    options.prepare = LOGFILE_PREPARE_NONE;
    ck_assert_int_eq(logfile_open(log_path(), &options, &report, &log), 0);
    for (unsigned i = 0; i < 3; i++) {
        uint8_t bytes[3000];
        payload_fill(bytes, sizeof bytes, i);
        ck_assert_int_eq(logfile_append(log, bytes, sizeof bytes, &lsns[i]), 0);
        journal_add(&journal, lsns[i], i, sizeof bytes, true);
    }
    /* As a crash within the last write would have left it. */
    read_image(&image);
    ck_assert_int_eq(logfile_close(log), 0);
    memset(image.bytes + lsns[2] + 1000, 0, 512);
    write_file(log_path(), image.bytes, image.size);
    journal.entries[2].acked = false;

    ck_assert_int_eq(logfile_open(log_path(), &options, &report, &log), 0);
    ck_assert_int_eq(report.tail.verdict, LOGFILE_TORN);
    ck_assert_uint_gt(report.tail.cut_bytes, 0);
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert_msg(journal_compare_path(&journal, log_path(), NULL, why), "%s", why);
    ck_assert_uint_eq(journal.count, 2);
    journal_free(&journal);
    end();
}
END_TEST

/* What was never synced may be lost in any order, so no epoch may promise another one before all is
 * synced, once, for the CLOSE epoch: what that one and the trim mark promise is there. */
START_TEST(test_a_log_that_never_syncs_promises_nothing)
{
    struct logfile_open_report report;
    struct logfile_options options = small_options();
    struct logfile *log;
    uint64_t lsn;

    begin("a log that never syncs");
    options.lab = &(struct logfile_lab){.sync = LOGFILE_SYNC_NONE};
    ck_assert_int_eq(logfile_open(log_path(), &options, &report, &log), 0);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(logfile_append(log, "0123456789", 10, &lsn), 0);
    struct logfile_reader *reader;
    struct logfile_record record;
    struct logfile_tail tail;
    ck_assert_int_eq(logfile_reader_open(log_path(), NULL, &reader), 0);
    while (logfile_reader_next(reader, &record) == 1)
        continue;
    ck_assert_int_eq(logfile_reader_tail(reader, &tail, sizeof tail), 0);
    ck_assert_uint_eq(tail.end_lsn, LF_FIRST_LSN + 4 * LF_BLOCK_BYTES);
    ck_assert_uint_eq(tail.promised_lsn, LF_FIRST_LSN);
    logfile_reader_close(reader);
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert_int_eq(logfile_open(log_path(), &options, &report, &log), 0);
    ck_assert_int_eq(report.tail.verdict, LOGFILE_CLEAN);
    ck_assert_uint_eq(report.tail.promised_lsn, LF_FIRST_LSN + 5 * LF_BLOCK_BYTES);
    ck_assert_int_eq(logfile_close(log), 0);
    end();
}
END_TEST

static Suite *options_suite(void)
{
    Suite *suite = suite_create("options");
    TCase *tcase = tcase_create("bad input");

    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, test_bad_option, 0, (int)BAD_OPTION_COUNT);
    tcase_add_loop_test(tcase, test_bad_lab, 0, (int)BAD_LAB_COUNT);
    tcase_add_loop_test(tcase, test_default_lab, 0, 2);
    tcase_add_test(tcase, test_lab_is_copied);
    tcase_add_loop_test(tcase, test_report_names_the_log, 0, 2);
    tcase_add_test(tcase, test_bad_io_table);
    tcase_add_test(tcase, test_bad_ring_memory);
    tcase_add_test(tcase, test_size_in_conflict_with_the_log);
    tcase_add_test(tcase, test_segment_size_in_conflict_with_the_log);
    tcase_add_test(tcase, test_null_arguments);
    tcase_add_loop_test(tcase, test_bad_payloads, 0, (int)engine_variant_count());
    tcase_add_test(tcase, test_a_file_that_is_no_log);
    tcase_add_test(tcase, test_a_log_of_another_kind);
    tcase_add_test(tcase, test_places_that_are_no_regular_files);
    tcase_add_test(tcase, test_names_that_lead_nowhere);
    tcase_add_test(tcase, test_two_openers);
    tcase_add_test(tcase, test_damage_is_refused_and_named);
    tcase_add_test(tcase, test_a_torn_tail_is_cut);
    tcase_add_test(tcase, test_a_log_that_never_syncs_promises_nothing);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(options_suite());
}
