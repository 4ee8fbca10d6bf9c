/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a log by LSN, in one file and in a directory of segments: on the file system that
 * the tests run on, and on a simulated disk that fails, hangs and crashes.
 */
#include "storage/file.h"
#include "logfile_sim.h"
#include "paths.h"
#include "support.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK ((size_t)LF_BLOCK_BYTES)
#define SLOT_BYTES LF_SLOT_BYTES_MIN
#define SEGMENT_BYTES ((uint64_t)64 << 10)
#define WRITE LOGFILE_IO_OPEN_WRITE
#define CREATE (LOGFILE_IO_OPEN_WRITE | LOGFILE_IO_OPEN_CREATE)
#define PATIENCE_MS 600000

/* ---- Two places to be tested in ---------------------------------------------------------------*/

enum place {
    PLACE_FOLDER,
    PLACE_SIM,
    PLACE_COUNT
};

static const struct logfile_io *io;
static struct logfile_sim *disk; /* NULL: a folder */
static const char *log_path;

static void use_sim(const struct logfile_sim_options *options)
{
    disk = logfile_sim_new(options);
    io = logfile_sim_io(disk);
    log_path = "/log";
}

static void use_place(int place)
{
    if (place == PLACE_SIM) {
        use_sim(NULL);
        return;
    }
    io = logfile_io_posix();
    log_path = folder_path("log");
}

static void setup(void)
{
    enter_folder();
    disk = NULL;
}

static void teardown(void)
{
    if (disk != NULL) {
        ck_assert_uint_eq(logfile_sim_misuse_count(disk), 0);
        ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
        logfile_sim_free(disk);
    }
    leave_folder();
}

/* ---- Looking at the log from outside ----------------------------------------------------------*/

static const char *inside(const char *name)
{
    static char paths[4][PATH_MAX];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    ck_assert_int_lt(snprintf(path, PATH_MAX, "%s/%s", log_path, name), PATH_MAX);
    return path;
}

static const char *segment_path(uint64_t index)
{
    char name[LF_SEGMENT_NAME_BYTES];
    lf_file_segment_name(index, name);
    return inside(name);
}

static int count_name(void *arg, const char *name)
{
    (void)name;
    ++*(unsigned *)arg;
    return 0;
}

static void count_foreign(void *arg, const char *name)
{
    (void)name;
    ++*(unsigned *)arg;
}

static unsigned count_names(void)
{
    unsigned count = 0;
    ck_assert_int_eq(list_path(io, log_path, count_name, &count), 0);
    return count;
}

/* Size of a file; -1: there is none. */
static int64_t bytes_of(const char *path)
{
    struct logfile_io_stat status;
    int fd = io->open(io->context, LOGFILE_IO_HERE, path, 0, 0);
    if (fd == -ENOENT)
        return -1;
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(io->stat(io->context, fd, &status), 0);
    ck_assert_int_eq(io->close(io->context, fd), 0);
    return (int64_t)status.bytes;
}

static bool exists(uint64_t index)
{
    return bytes_of(segment_path(index)) >= 0;
}

static void peek(const char *path, void *to, size_t bytes, uint64_t offset)
{
    int fd = io->open(io->context, LOGFILE_IO_HERE, path, 0, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(io->read(io->context, fd, to, bytes, offset), (ssize_t)bytes);
    ck_assert_int_eq(io->close(io->context, fd), 0);
}

static void make_file(const char *path, uint64_t bytes)
{
    int fd = io->open(io->context, LOGFILE_IO_HERE, path, CREATE, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(io->truncate(io->context, fd, bytes), 0);
    ck_assert_int_eq(io->close(io->context, fd), 0);
}

static unsigned descriptor_count(void)
{
    unsigned count = 0;
    if (disk != NULL)
        return logfile_sim_open_count(disk);
    ck_assert_int_eq(list_path(logfile_io_posix(), "/proc/self/fd", count_name, &count), 0);
    return count;
}

/* ---- Making logs ------------------------------------------------------------------------------*/

static struct lf_file file;
static struct lf_file_header header;
static uint64_t reached;
static uint64_t written;

static void make_header(uint64_t segment_bytes)
{
    header = (struct lf_file_header){.version = LF_FORMAT_VERSION,
                                     .byte_order = LF_BYTE_ORDER_MARK,
                                     .block_bytes = LF_BLOCK_BYTES,
                                     .generation = LF_FIRST_GENERATION,
                                     .slot_bytes = SLOT_BYTES,
                                     .segment_bytes = segment_bytes,
                                     .first_lsn = LF_FIRST_LSN};
    memcpy(header.magic, LF_FILE_MAGIC, sizeof header.magic);
    memset(header.id, 'i', sizeof header.id);
    memset(header.salt, 's', sizeof header.salt);
}

static void open_log(const char *path, bool is_directory)
{
    int fd = io->open(io->context, LOGFILE_IO_HERE, path, WRITE, 0);
    ck_assert_int_ge(fd, 0);
    int directory = -1;
    if (is_directory) {
        directory = io->open(io->context, LOGFILE_IO_HERE, log_path, LOGFILE_IO_OPEN_DIRECTORY, 0);
        ck_assert_int_ge(directory, 0);
    }
    ck_assert_int_eq(lf_file_init(&file, io, fd, WRITE, directory), 0);
    file.segments.mode = 0644;
}

/* As if this opener had made the log. */
static void let_discard(void)
{
    const char *parent = disk != NULL ? "/" : folder_path(".");
    int fd = io->open(io->context, LOGFILE_IO_HERE, parent, LOGFILE_IO_OPEN_DIRECTORY, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(lf_file_may_be_discarded(&file, fd, "log"), 0);
}

static void make_one_file(void)
{
    make_header(0);
    make_file(log_path, LF_FIRST_LSN);
    open_log(log_path, false);
    ck_assert_int_eq(lf_file_adopt(&file, &header, LF_FIRST_LSN), 0);
}

static void open_directory(uint64_t oldest_lsn)
{
    open_log(inside(LF_CONTROL_NAME), true);
    ck_assert_int_eq(lf_file_adopt(&file, &header, oldest_lsn), 0);
}

static void make_directory(void)
{
    make_header(SEGMENT_BYTES);
    ck_assert_int_eq(io->make_directory(io->context, LOGFILE_IO_HERE, log_path, 0755), 0);
    make_file(inside(LF_CONTROL_NAME), LF_FIRST_LSN);
    ck_assert_int_eq(sync_parent(io, inside(LF_CONTROL_NAME)), 0);
    ck_assert_int_eq(sync_parent(io, log_path), 0);
    open_directory(LF_FIRST_LSN);
}

static void reopen_directory(uint64_t oldest_lsn)
{
    lf_file_close(&file);
    open_directory(oldest_lsn);
}

static uint64_t first_lsn_of(uint64_t index)
{
    return index * SEGMENT_BYTES + LF_FIRST_LSN;
}

/* Of the first `count` segments, those from `from` on. */
static void extend_to(uint64_t from, uint64_t count)
{
    uint64_t from_lsn = first_lsn_of(from);
    ck_assert_int_eq(
        lf_file_extend(&file, from_lsn, count * SEGMENT_BYTES, true, &reached, &written), 0);
    ck_assert_uint_eq(reached, count * SEGMENT_BYTES);
}

static void make_segments(uint64_t count)
{
    make_directory();
    extend_to(0, count);
}

static uint8_t *block_of(uint64_t seed)
{
    static uint8_t block[LF_BLOCK_BYTES];
    payload_fill(block, sizeof block, seed);
    return block;
}

static void write_block(uint64_t lsn, uint64_t seed)
{
    ck_assert_int_eq(lf_file_write(&file, lsn, block_of(seed), BLOCK, 0), 0);
}

static void assert_block(uint64_t lsn, uint64_t seed)
{
    uint8_t found[LF_BLOCK_BYTES];
    ck_assert_int_eq(lf_file_read(&file, lsn, found, BLOCK), (ssize_t)BLOCK);
    ck_assert_msg(payload_matches(found, BLOCK, seed), "block at LSN %" PRIu64, lsn);
}

static void assert_block_in(const char *path, uint64_t offset, uint64_t seed)
{
    uint8_t found[LF_BLOCK_BYTES];
    peek(path, found, BLOCK, offset);
    ck_assert_msg(payload_matches(found, BLOCK, seed), "%s at %" PRIu64, path, offset);
}

/* Blocks 0 to 3 of a segment are as they should be. */
static void assert_is_segment(uint64_t index)
{
    static _Alignas(8) uint8_t blocks[4 * LF_BLOCK_BYTES];
    struct lf_file_header expected = header;
    const struct lf_file_header *found = (const void *)blocks;
    peek(segment_path(index), blocks, sizeof blocks, 0);
    ck_assert_int_eq(lf_file_header_check(blocks), 0);
    expected.first_lsn = first_lsn_of(index);
    expected.checksum = found->checksum;
    ck_assert_mem_eq(found, &expected, sizeof expected);
    ck_assert_mem_eq(blocks, blocks + BLOCK, BLOCK);
    ck_assert(lf_is_zero(blocks + 2 * BLOCK, blocks + 4 * BLOCK));
}

/* The control file and the segments of [from, end), and nothing else. */
static void assert_segments(uint64_t from, uint64_t end)
{
    for (uint64_t index = from; index < end; index++)
        assert_is_segment(index);
    ck_assert_uint_eq(count_names(), 1 + end - from);
}

/* ---- One file ---------------------------------------------------------------------------------*/

START_TEST(one_file_is_passed_through)
{
    uint64_t end_lsn;
    use_place(_i);
    make_one_file();
    ck_assert(!lf_file_is_directory(&file));
    ck_assert_int_eq(
        lf_file_extend(&file, LF_FIRST_LSN, (uint64_t)1 << 20, true, &reached, &written), 0);
    ck_assert_uint_eq(reached, 1 << 20);
    ck_assert_uint_eq(written, LF_FIRST_LSN);
    ck_assert_int_eq(bytes_of(log_path), 1 << 20);
    write_block(0, 1);
    write_block(LF_FIRST_LSN, 2);
    write_block(5 * SEGMENT_BYTES, 3);
    ck_assert_int_eq(lf_file_sync(&file, 0, UINT64_MAX), 0);
    assert_block_in(log_path, 0, 1);
    assert_block_in(log_path, LF_FIRST_LSN, 2);
    assert_block_in(log_path, 5 * SEGMENT_BYTES, 3);
    assert_block(5 * SEGMENT_BYTES, 3);
    ck_assert_int_eq(lf_file_read_prologue(&file, block_of(0), BLOCK, 0), BLOCK);
    ck_assert(lf_file_has_segment(&file, (uint64_t)1 << 40));
    ck_assert_int_eq(lf_file_end_lsn(&file, &end_lsn), 0);
    ck_assert_uint_eq(end_lsn, 1 << 20);
    ck_assert_int_eq(lf_file_read(&file, 1 << 20, block_of(0), BLOCK), 0);
    lf_file_drop_cache(&file, LF_FIRST_LSN);
    ck_assert_int_eq(lf_file_refresh(&file, LF_FIRST_LSN), 0);
    ck_assert_int_eq(lf_file_locked(&file), 0);
    lf_file_close(&file);
}
END_TEST

START_TEST(one_file_is_cut_and_shrunk)
{
    use_place(_i);
    make_one_file();
    write_block(LF_FIRST_LSN, 1);
    write_block(LF_FIRST_LSN + BLOCK, 2);
    ck_assert_int_eq(lf_file_cut(&file, LF_FIRST_LSN + BLOCK), 0);
    ck_assert_int_eq(bytes_of(log_path), LF_FIRST_LSN + BLOCK);
    assert_block(LF_FIRST_LSN, 1);
    lf_file_shrink(&file, LF_FIRST_LSN);
    ck_assert_int_eq(bytes_of(log_path), LF_FIRST_LSN);
    let_discard();
    lf_file_discard(&file);
    ck_assert_int_eq(bytes_of(log_path), -1);
    lf_file_close(&file);
}
END_TEST

START_TEST(one_file_needs_no_allocation_that_nobody_asked_for)
{
    use_sim(NULL);
    make_one_file();
    ck_assert_int_eq(lf_file_extend(&file, LF_FIRST_LSN, 1 << 20, false, &reached, &written), 0);
    ck_assert_uint_eq(reached, 1 << 20);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_ALLOCATE), 0);
    lf_file_close(&file);
}
END_TEST

START_TEST(one_file_is_one_segment_that_never_ends)
{
    struct lf_place place;
    use_sim(NULL);
    make_one_file();
    ck_assert_int_eq(lf_file_hold(&file, 3 * SEGMENT_BYTES, true, &place), 0);
    ck_assert_int_eq(place.fd, file.fd);
    ck_assert_uint_eq(place.offset, 3 * SEGMENT_BYTES);
    ck_assert_uint_gt(place.room, LF_LSN_END - 3 * SEGMENT_BYTES);
    lf_file_let_go(&file, &place, true);
    lf_file_close(&file);
}
END_TEST

START_TEST(one_file_is_punched_once)
{
    uint8_t found[LF_BLOCK_BYTES];
    use_sim(NULL);
    make_one_file();
    for (unsigned i = 0; i < 8; i++)
        write_block(LF_FIRST_LSN + i * BLOCK, i);
    ck_assert_int_eq(lf_file_release(&file, LF_FIRST_LSN, 0), 0);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_PUNCH), 0);
    ck_assert_int_eq(lf_file_release(&file, LF_FIRST_LSN + 2 * BLOCK, 0), 0);
    ck_assert_int_eq(lf_file_release(&file, LF_FIRST_LSN + 2 * BLOCK, 0), 0);
    ck_assert_int_eq(lf_file_release(&file, LF_FIRST_LSN + BLOCK, 0), 0);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_PUNCH), 1);
    ck_assert_int_eq(lf_file_release(&file, LF_FIRST_LSN + 5 * BLOCK, 0), 0);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_PUNCH), 2);
    for (unsigned i = 0; i < 5; i++) {
        peek(log_path, found, BLOCK, LF_FIRST_LSN + i * BLOCK);
        ck_assert(lf_is_zero(found, found + BLOCK));
    }
    assert_block(LF_FIRST_LSN + 5 * BLOCK, 5);
    ck_assert_int_eq(bytes_of(log_path), LF_FIRST_LSN + 8 * BLOCK);
    lf_file_close(&file);
}
END_TEST

/* What could not be punched is tried again. */
START_TEST(punch_that_fails_is_told)
{
    const struct logfile_sim_fault fault = {.call = LOGFILE_SIM_PUNCH, .error = -EIO};
    use_sim(NULL);
    make_one_file();
    logfile_sim_fault(disk, &fault);
    ck_assert_int_eq(lf_file_release(&file, LF_FIRST_LSN + BLOCK, 0), -EIO);
    ck_assert_int_eq(lf_file_release(&file, LF_FIRST_LSN + BLOCK, 0), 0);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_PUNCH), 2);
    lf_file_close(&file);
}
END_TEST

/* ---- Where bytes are --------------------------------------------------------------------------*/

START_TEST(lsn_is_a_place_in_a_segment)
{
    use_place(_i);
    make_segments(3);
    write_block(0, 1);
    write_block(LF_FIRST_LSN - BLOCK, 2);
    write_block(LF_FIRST_LSN, 3);
    write_block(SEGMENT_BYTES - BLOCK, 4);
    write_block(first_lsn_of(1), 5);
    write_block(3 * SEGMENT_BYTES - BLOCK, 6);
    assert_block_in(inside(LF_CONTROL_NAME), 0, 1);
    assert_block_in(inside(LF_CONTROL_NAME), LF_FIRST_LSN - BLOCK, 2);
    assert_block_in(segment_path(0), LF_FIRST_LSN, 3);
    assert_block_in(segment_path(0), SEGMENT_BYTES - BLOCK, 4);
    assert_block_in(segment_path(1), LF_FIRST_LSN, 5);
    assert_block_in(segment_path(2), SEGMENT_BYTES - BLOCK, 6);
    assert_block(0, 1);
    assert_block(LF_FIRST_LSN - BLOCK, 2);
    assert_block(LF_FIRST_LSN, 3);
    assert_block(SEGMENT_BYTES - BLOCK, 4);
    assert_block(first_lsn_of(1), 5);
    assert_block(3 * SEGMENT_BYTES - BLOCK, 6);
    assert_segments(0, 3);
    lf_file_close(&file);
}
END_TEST

START_TEST(read_ends_with_its_segment)
{
    static uint8_t bytes[2 * 64 << 10];
    uint64_t end_lsn;
    use_place(_i);
    make_segments(2);
    ck_assert_int_eq(lf_file_read(&file, LF_FIRST_LSN, bytes, sizeof bytes),
                     (ssize_t)(SEGMENT_BYTES - LF_FIRST_LSN));
    ck_assert_int_eq(lf_file_read(&file, 0, bytes, sizeof bytes), (ssize_t)LF_FIRST_LSN);
    ck_assert_int_eq(lf_file_read(&file, 2 * SEGMENT_BYTES, bytes, sizeof bytes), 0);
    ck_assert_int_eq(lf_file_read_prologue(&file, bytes, 4 * BLOCK, 0), (ssize_t)(4 * BLOCK));
    ck_assert_int_eq(lf_file_read_segment_header(&file, 1, bytes, 2 * BLOCK), (ssize_t)(2 * BLOCK));
    ck_assert_int_eq(lf_file_header_check(bytes), 0);
    ck_assert_int_eq(lf_file_read_segment_header(&file, 2, bytes, 2 * BLOCK), -ENOENT);
    ck_assert_int_eq(lf_file_end_lsn(&file, &end_lsn), 0);
    ck_assert_uint_eq(end_lsn, 2 * SEGMENT_BYTES);
    lf_file_close(&file);
}
END_TEST

/* Somebody made the file longer than a segment is. */
START_TEST(bytes_behind_a_segment_are_not_the_logs)
{
    static uint8_t blocks[2 * LF_BLOCK_BYTES];
    uint64_t end_lsn;
    use_place(_i);
    make_segments(1);
    int fd = io->open(io->context, LOGFILE_IO_HERE, segment_path(0), WRITE, 0);
    ck_assert_int_eq(io->truncate(io->context, fd, 2 * SEGMENT_BYTES), 0);
    ck_assert_int_eq(io->close(io->context, fd), 0);
    fd = io->open(io->context, LOGFILE_IO_HERE, inside(LF_CONTROL_NAME), WRITE, 0);
    ck_assert_int_eq(io->truncate(io->context, fd, SEGMENT_BYTES), 0);
    ck_assert_int_eq(io->close(io->context, fd), 0);
    ck_assert_int_eq(lf_file_end_lsn(&file, &end_lsn), 0);
    ck_assert_uint_eq(end_lsn, SEGMENT_BYTES);
    ck_assert_int_eq(lf_file_read(&file, SEGMENT_BYTES, blocks, BLOCK), 0);
    ck_assert_int_eq(lf_file_read(&file, SEGMENT_BYTES - BLOCK, blocks, 2 * BLOCK), BLOCK);
    ck_assert_int_eq(lf_file_read(&file, LF_FIRST_LSN - BLOCK, blocks, 2 * BLOCK), BLOCK);
    lf_file_close(&file);
}
END_TEST

START_TEST(new_directory_has_no_segment)
{
    uint64_t end_lsn, index;
    use_place(_i);
    make_directory();
    ck_assert(lf_file_is_directory(&file));
    ck_assert(!lf_file_has_segment(&file, LF_FIRST_LSN));
    ck_assert_int_eq(lf_file_end_lsn(&file, &end_lsn), 0);
    ck_assert_uint_eq(end_lsn, 0);
    ck_assert_int_eq(lf_file_read(&file, LF_FIRST_LSN, block_of(0), BLOCK), 0);
    ck_assert_int_eq(lf_file_write(&file, LF_FIRST_LSN, block_of(0), BLOCK, 0), -ENOENT);
    ck_assert_int_eq(lf_file_next_segment(&file, 0, &index), 0);
    ck_assert_int_eq(lf_file_sync(&file, 0, UINT64_MAX), 0);
    lf_file_drop_cache(&file, 0);
    ck_assert_int_eq(lf_file_cut(&file, LF_FIRST_LSN), 0);
    ck_assert_int_eq(lf_file_release(&file, LF_FIRST_LSN, 0), 0);
    extend_to(0, 1);
    assert_segments(0, 1);
    lf_file_close(&file);
}
END_TEST

START_TEST(missing_segment_is_noticed)
{
    uint64_t end_lsn, index;
    use_place(_i);
    make_segments(4);
    lf_file_close(&file);
    ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, segment_path(1)), 0);
    ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, segment_path(2)), 0);
    open_directory(LF_FIRST_LSN);
    ck_assert(lf_file_has_segment(&file, LF_FIRST_LSN));
    ck_assert(!lf_file_has_segment(&file, first_lsn_of(1)));
    ck_assert(!lf_file_has_segment(&file, 3 * SEGMENT_BYTES - 1));
    ck_assert(lf_file_has_segment(&file, first_lsn_of(3)));
    ck_assert(!lf_file_has_segment(&file, first_lsn_of(4)));
    ck_assert_int_eq(lf_file_read(&file, first_lsn_of(1), block_of(0), BLOCK), 0);
    ck_assert_int_eq(lf_file_write(&file, first_lsn_of(1), block_of(0), BLOCK, 0), -ENOENT);
    ck_assert_int_eq(lf_file_next_segment(&file, 1, &index), 1);
    ck_assert_uint_eq(index, 3);
    ck_assert_int_eq(lf_file_end_lsn(&file, &end_lsn), 0);
    ck_assert_uint_eq(end_lsn, 4 * SEGMENT_BYTES);
    ck_assert_int_eq(
        lf_file_extend(&file, LF_FIRST_LSN, 4 * SEGMENT_BYTES, true, &reached, &written), -ESTALE);
    ck_assert_uint_eq(reached, SEGMENT_BYTES);
    ck_assert(!exists(1));
    lf_file_close(&file);
}
END_TEST

/* ---- Opening ----------------------------------------------------------------------------------*/

static int open_for_reading(const char *path)
{
    struct lf_file reader;
    int error = lf_file_open(&reader, io, path);
    if (error == 0)
        lf_file_close(&reader);
    return error;
}

START_TEST(only_logs_are_opened)
{
    use_place(_i);
    ck_assert_int_eq(open_for_reading(log_path), -ENOENT);
    make_one_file();
    lf_file_close(&file);
    ck_assert_int_eq(open_for_reading(log_path), 0);
    ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, log_path), 0);
    ck_assert_int_eq(io->make_directory(io->context, LOGFILE_IO_HERE, log_path, 0755), 0);
    ck_assert_int_eq(open_for_reading(log_path), -EISDIR);
    ck_assert_int_eq(
        io->make_directory(io->context, LOGFILE_IO_HERE, inside(LF_CONTROL_NAME), 0755), 0);
    ck_assert_int_eq(open_for_reading(log_path), -EISDIR);
    ck_assert_int_eq(io->remove_directory(io->context, LOGFILE_IO_HERE, inside(LF_CONTROL_NAME)),
                     0);
    make_file(inside(LF_CONTROL_NAME), 0);
    ck_assert_int_eq(open_for_reading(log_path), 0);
}
END_TEST

START_TEST(links_and_devices_are_refused)
{
    use_place(PLACE_FOLDER);
    make_segments(1);
    lf_file_close(&file);
    ck_assert_int_eq(symlink(log_path, folder_path("link")), 0);
    ck_assert_int_eq(open_for_reading(folder_path("link")), -ELOOP);
    ck_assert_int_eq(mkfifo(folder_path("fifo"), 0600), 0);
    ck_assert_int_eq(open_for_reading(folder_path("fifo")), -ESPIPE);
    ck_assert_int_eq(open_for_reading("/dev/null"), -ESPIPE);
    ck_assert_int_eq(rename(inside(LF_CONTROL_NAME), folder_path("elsewhere")), 0);
    ck_assert_int_eq(symlink(folder_path("elsewhere"), inside(LF_CONTROL_NAME)), 0);
    ck_assert_int_eq(open_for_reading(log_path), -ELOOP);
    ck_assert_int_eq(unlink(inside(LF_CONTROL_NAME)), 0);
    ck_assert_int_eq(mkfifo(inside(LF_CONTROL_NAME), 0600), 0);
    ck_assert_int_eq(open_for_reading(log_path), -EISDIR);
}
END_TEST

static enum lf_segment_kind kind_of(struct lf_file *of, uint64_t index)
{
    struct lf_segment_check check;
    ck_assert_int_eq(lf_file_check_segment(of, index, &check), 0);
    return check.kind;
}

/* What stands in a segment's place is passed over, and named; it is never removed, nor written to,
 * and no segment takes its place. */
START_TEST(what_is_no_file_is_no_segment)
{
    static const enum lf_segment_kind kinds[] = {LF_SEGMENT_FILE, LF_SEGMENT_LINK, LF_SEGMENT_OTHER,
                                                 LF_SEGMENT_DIRECTORY, LF_SEGMENT_MISSING};
    struct lf_file reader;
    unsigned count = 0;
    use_place(PLACE_FOLDER);
    make_segments(1);
    ck_assert_int_eq(symlink(segment_path(0), segment_path(1)), 0);
    ck_assert_int_eq(mkfifo(segment_path(2), 0600), 0);
    ck_assert_int_eq(mkdir(segment_path(3), 0700), 0);
    ck_assert_int_eq(lf_file_open(&reader, io, log_path), 0);
    ck_assert_int_eq(lf_file_adopt(&reader, &header, LF_FIRST_LSN), 0);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_int_eq(kind_of(&reader, i), kinds[i]);
    for (unsigned i = 1; i < 4; i++) {
        ck_assert_int_eq(lf_file_read(&file, first_lsn_of(i), block_of(0), BLOCK), 0);
        ck_assert_int_eq(lf_file_read(&reader, first_lsn_of(i), block_of(0), BLOCK), 0);
        ck_assert_int_eq(lf_file_write(&file, first_lsn_of(i), block_of(0), BLOCK, 0), -ENOENT);
        ck_assert(!lf_file_has_segment(&file, first_lsn_of(i)));
        ck_assert_int_eq(lf_file_extend(&file, first_lsn_of(i), (i + 1) * SEGMENT_BYTES, true,
                                        &reached, &written),
                         -EEXIST);
    }
    ck_assert_int_eq(lf_file_visit_foreign(&reader, count_foreign, &count), 0);
    ck_assert_uint_eq(count, 3);
    ck_assert_int_eq(lf_file_sync(&file, 0, UINT64_MAX), 0);
    ck_assert_int_eq(lf_file_cut(&file, LF_FIRST_LSN + BLOCK), 0);
    lf_file_shrink(&file, LF_FIRST_LSN + BLOCK);
    lf_file_close(&file);
    lf_file_close(&reader);
    ck_assert_uint_eq(count_names(), 5);
}
END_TEST

/* Makes a file as a segment of a log: of another one, if its id is. */
static void make_foreign_segment(uint64_t at, uint64_t index, char id)
{
    _Alignas(8) uint8_t block[LF_BLOCK_BYTES] = {0};
    struct lf_file_header *other = (void *)block;
    *other = header;
    memset(other->id, id, sizeof other->id);
    other->first_lsn = first_lsn_of(index);
    lf_file_header_seal(block);
    int fd = io->open(io->context, LOGFILE_IO_HERE, segment_path(at), CREATE, 0644);
    ck_assert_int_ge(fd, 0);
    for (unsigned copy = 0; copy < 2; copy++)
        ck_assert_int_eq(io->write(io->context, fd, block, BLOCK, copy * BLOCK, 0), (ssize_t)BLOCK);
    ck_assert_int_eq(io->truncate(io->context, fd, SEGMENT_BYTES), 0);
    ck_assert_int_eq(io->close(io->context, fd), 0);
}

static void assert_check(uint64_t index, enum lf_segment_copy first, enum lf_segment_copy second)
{
    struct lf_segment_check check;
    ck_assert_int_eq(lf_file_check_segment(&file, index, &check), 0);
    ck_assert_int_eq(check.kind, LF_SEGMENT_FILE);
    ck_assert_int_eq(check.copies[0], first);
    ck_assert_int_eq(check.copies[1], second);
}

static void damage(uint64_t index, unsigned copy)
{
    int fd = io->open(io->context, LOGFILE_IO_HERE, segment_path(index), WRITE, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(io->write(io->context, fd, block_of(99), BLOCK, copy * BLOCK, 0),
                     (ssize_t)BLOCK);
    ck_assert_int_eq(io->close(io->context, fd), 0);
}

START_TEST(segments_are_told_by_their_headers)
{
    struct lf_segment_check check;
    use_place(_i);
    make_segments(3);
    assert_check(1, LF_COPY_VALID, LF_COPY_VALID);
    damage(1, 0);
    assert_check(1, LF_COPY_DAMAGED, LF_COPY_VALID);
    damage(1, 1);
    assert_check(1, LF_COPY_DAMAGED, LF_COPY_DAMAGED);
    make_foreign_segment(5, 9, 'i');
    assert_check(5, LF_COPY_MOVED, LF_COPY_MOVED);
    ck_assert_int_eq(lf_file_check_segment(&file, 5, &check), 0);
    ck_assert_uint_eq(check.indexes[0], 9);
    make_foreign_segment(6, 6, 'x');
    assert_check(6, LF_COPY_FOREIGN, LF_COPY_FOREIGN);
    damage(6, 1);
    assert_check(6, LF_COPY_FOREIGN, LF_COPY_DAMAGED);
    make_file(segment_path(7), 5);
    assert_check(7, LF_COPY_DAMAGED, LF_COPY_DAMAGED);
    ck_assert_int_eq(kind_of(&file, 8), LF_SEGMENT_MISSING);
    lf_file_close(&file);
}
END_TEST

/* A segment of another log is neither read as one for appending, nor written to, taken over, cut,
 * removed or recycled, wherever it lies. */
START_TEST(segments_of_another_log_are_left_alone)
{
    use_place(_i);
    make_segments(3);
    reopen_directory(first_lsn_of(2));
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, segment_path(i)), 0);
    make_foreign_segment(0, 0, 'x');
    make_file(segment_path(1), SEGMENT_BYTES); /* no header of any log */
    make_foreign_segment(3, 3, 'x');
    ck_assert_int_eq(lf_file_write(&file, first_lsn_of(3), block_of(0), BLOCK, 0), -ENOENT);
    ck_assert_int_eq(
        lf_file_extend(&file, first_lsn_of(3), 4 * SEGMENT_BYTES, true, &reached, &written),
        -EEXIST);
    ck_assert_uint_eq(reached, first_lsn_of(3));
    ck_assert_int_eq(lf_file_cut(&file, first_lsn_of(2)), 0);
    ck_assert_int_eq(lf_file_release(&file, first_lsn_of(2), 0), 0);
    lf_file_shrink(&file, first_lsn_of(2));
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(bytes_of(segment_path(i)), i == 2 ? LF_FIRST_LSN : SEGMENT_BYTES);
    /* Out of the way, it is in nobody's way. */
    ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, segment_path(3)), 0);
    extend_to(3, 4);
    assert_is_segment(3);
    lf_file_close(&file);
}
END_TEST

/* While a segment is open, its name may come to lead elsewhere. */
START_TEST(what_took_a_segments_name_is_left_alone)
{
    use_place(_i);
    make_segments(4);
    write_block(first_lsn_of(3), 1);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, segment_path(i)), 0);
        make_foreign_segment(i, i, 'x');
    }
    ck_assert_int_eq(lf_file_release(&file, first_lsn_of(2), 1), 0);
    extend_to(4, 5);
    lf_file_shrink(&file, first_lsn_of(2));
    for (unsigned i = 0; i < 4; i++)
        assert_check(i, LF_COPY_FOREIGN, LF_COPY_FOREIGN);
    ck_assert_int_eq(bytes_of(segment_path(3)), SEGMENT_BYTES);
    lf_file_close(&file);
}
END_TEST

START_TEST(header_of_another_kind_is_refused)
{
    use_place(_i);
    make_segments(2);
    make_header(0);
    ck_assert_int_eq(lf_file_adopt(&file, &header, LF_FIRST_LSN), LOGFILE_EFORMAT);
    make_header(SEGMENT_BYTES);
    header.first_lsn = first_lsn_of(1);
    ck_assert_int_eq(lf_file_adopt(&file, &header, LF_FIRST_LSN), LOGFILE_EFORMAT);
    lf_file_close(&file);
    /* A segment is no log by itself, not even the first. */
    for (unsigned i = 0; i < 2; i++) {
        struct lf_file segment;
        make_header(SEGMENT_BYTES);
        header.first_lsn = first_lsn_of(i);
        ck_assert_int_eq(lf_file_open(&segment, io, segment_path(i)), 0);
        ck_assert_int_eq(lf_file_adopt(&segment, &header, LF_FIRST_LSN), LOGFILE_EFORMAT);
        lf_file_close(&segment);
    }
}
END_TEST

START_TEST(before_the_header_is_read_there_is_only_the_prologue)
{
    use_sim(NULL);
    make_segments(2);
    lf_file_close(&file);
    open_log(inside(LF_CONTROL_NAME), true);
    uint64_t sync_count = logfile_sim_call_count(disk, LOGFILE_SIM_SYNC);
    ck_assert_int_eq(lf_file_sync(&file, 0, UINT64_MAX), 0);
    lf_file_drop_cache(&file, 0);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC), sync_count + 1);
    ck_assert_int_eq(lf_file_read_prologue(&file, block_of(0), BLOCK, 3 * BLOCK), BLOCK);
    ck_assert_int_eq(lf_file_adopt(&file, &header, LF_FIRST_LSN), 0);
    ck_assert_int_eq(lf_file_sync(&file, 0, UINT64_MAX), 0);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC), sync_count + 4);
    ck_assert_int_eq(lf_file_adopt(&file, &header, first_lsn_of(1)), 0);
    ck_assert_int_eq(lf_file_sync(&file, 0, UINT64_MAX), 0); /* not of what is released */
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC), sync_count + 6);
    lf_file_close(&file);
}
END_TEST

START_TEST(log_outlives_a_change_of_directory)
{
    char here[PATH_MAX];
    use_place(PLACE_FOLDER);
    make_segments(2);
    write_block(first_lsn_of(1), 7);
    lf_file_close(&file);
    ck_assert_ptr_nonnull(getcwd(here, sizeof here));
    ck_assert_int_eq(chdir(folder_path("")), 0);
    ck_assert_int_eq(lf_file_open(&file, io, "log"), 0);
    ck_assert_int_eq(lf_file_adopt(&file, &header, LF_FIRST_LSN), 0);
    ck_assert_int_eq(chdir("/"), 0);
    assert_block(first_lsn_of(1), 7);
    lf_file_close(&file);
    ck_assert_int_eq(chdir(here), 0);
}
END_TEST

/* Wherever the directory is moved to, and whatever gets its name. */
START_TEST(log_goes_with_its_directory)
{
    use_place(_i);
    make_segments(2);
    write_block(first_lsn_of(1), 7);
    lf_file_close(&file);
    open_directory(LF_FIRST_LSN);
    const char *moved = disk != NULL ? "/moved" : folder_path("moved");
    ck_assert_int_eq(io->rename(io->context, LOGFILE_IO_HERE, log_path, moved), 0);
    ck_assert_int_eq(io->make_directory(io->context, LOGFILE_IO_HERE, log_path, 0755), 0);
    make_file(segment_path(1), 5);
    make_file(segment_path(2), 5);
    assert_block(first_lsn_of(1), 7);
    extend_to(2, 4);
    ck_assert_int_eq(lf_file_release(&file, first_lsn_of(2), 1), 0);
    extend_to(4, 5);
    ck_assert_int_eq(lf_file_cut(&file, first_lsn_of(3)), 0);
    lf_file_shrink(&file, first_lsn_of(2));
    ck_assert_uint_eq(count_names(), 2); /* what is not the log's is as it was */
    ck_assert_int_eq(bytes_of(segment_path(1)), 5);
    lf_file_close(&file);
    log_path = moved;
    assert_segments(2, 3);
}
END_TEST

/* ---- Extending --------------------------------------------------------------------------------*/

START_TEST(new_segments_are_whole_and_durable)
{
    unsigned before;
    use_place(_i);
    before = descriptor_count();
    make_segments(3);
    ck_assert_uint_eq(written, LF_FIRST_LSN);
    ck_assert_uint_eq(file.header_bytes, 3 * LF_FIRST_LSN);
    assert_segments(0, 3);
    lf_file_close(&file);
    ck_assert_uint_eq(descriptor_count(), before);
    if (disk != NULL)
        logfile_sim_reboot_losing_all(disk);
    assert_segments(0, 3);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(bytes_of(segment_path(i)), SEGMENT_BYTES);
}
END_TEST

START_TEST(segment_is_allocated_as_far_as_it_is_wanted)
{
    use_sim(NULL);
    make_directory();
    uint64_t middle = LF_FIRST_LSN + 3 * BLOCK;
    ck_assert_int_eq(lf_file_extend(&file, LF_FIRST_LSN, middle, true, &reached, &written), 0);
    ck_assert_uint_eq(reached, middle);
    ck_assert_int_eq(bytes_of(segment_path(0)), middle);
    uint64_t end = SEGMENT_BYTES + LF_FIRST_LSN + BLOCK;
    ck_assert_int_eq(lf_file_extend(&file, middle, end, true, &reached, &written), 0);
    ck_assert_uint_eq(reached, end);
    ck_assert_uint_eq(written, middle);
    ck_assert_int_eq(bytes_of(segment_path(0)), SEGMENT_BYTES);
    ck_assert_int_eq(bytes_of(segment_path(1)), LF_FIRST_LSN + BLOCK);
    /* The size of the first is durable with its next sync, that of the second already. */
    ck_assert_int_eq(lf_file_sync(&file, middle, SEGMENT_BYTES), 0);
    lf_file_close(&file);
    logfile_sim_reboot_losing_all(disk);
    ck_assert_int_eq(bytes_of(segment_path(0)), SEGMENT_BYTES);
    ck_assert_int_eq(bytes_of(segment_path(1)), LF_FIRST_LSN + BLOCK);
}
END_TEST

/* The end of a segment's header is as far as nothing. */
START_TEST(segment_may_be_wanted_for_its_header_only)
{
    use_sim(NULL);
    make_segments(1);
    ck_assert_int_eq(
        lf_file_extend(&file, SEGMENT_BYTES, first_lsn_of(1), true, &reached, &written), 0);
    ck_assert_uint_eq(reached, first_lsn_of(1));
    ck_assert_int_eq(bytes_of(segment_path(1)), LF_FIRST_LSN);
    lf_file_close(&file);
}
END_TEST

START_TEST(segments_may_grow_by_themselves)
{
    use_sim(NULL);
    make_directory();
    ck_assert_int_eq(
        lf_file_extend(&file, LF_FIRST_LSN, 2 * SEGMENT_BYTES, false, &reached, &written), 0);
    ck_assert_uint_eq(reached, 2 * SEGMENT_BYTES);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_ALLOCATE), 0);
    assert_segments(0, 2);
    ck_assert_int_eq(bytes_of(segment_path(1)), LF_FIRST_LSN);
    lf_file_close(&file);
}
END_TEST

START_TEST(segment_is_made_where_nothing_can_be_allocated)
{
    const struct logfile_sim_options options = {.no_allocate = true};
    use_sim(&options);
    make_directory();
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(
            lf_file_extend(&file, LF_FIRST_LSN, 2 * SEGMENT_BYTES, true, &reached, &written),
            -EOPNOTSUPP);
        ck_assert_uint_eq(reached, LF_FIRST_LSN);
        assert_segments(0, 1);
    }
    ck_assert_int_eq(
        lf_file_extend(&file, LF_FIRST_LSN, 2 * SEGMENT_BYTES, false, &reached, &written), 0);
    assert_segments(0, 2);
    lf_file_close(&file);
}
END_TEST

START_TEST(full_disk_leaves_what_there_was)
{
    use_sim(NULL);
    make_segments(2);
    logfile_sim_set_capacity(disk, logfile_sim_used_bytes(disk, NULL) + SEGMENT_BYTES);
    ck_assert_int_eq(
        lf_file_extend(&file, 2 * SEGMENT_BYTES, 4 * SEGMENT_BYTES, true, &reached, &written),
        -ENOSPC);
    ck_assert_uint_eq(reached, 3 * SEGMENT_BYTES);
    assert_segments(0, 3);
    logfile_sim_set_capacity(disk, 0);
    ck_assert_int_eq(lf_file_extend(&file, reached, 4 * SEGMENT_BYTES, true, &reached, &written),
                     0);
    assert_segments(0, 4);
    lf_file_close(&file);
}
END_TEST

/* ---- Releasing and recycling ------------------------------------------------------------------*/

START_TEST(released_segments_are_kept_or_removed)
{
    use_place(_i);
    make_segments(6);
    ck_assert_int_eq(lf_file_release(&file, SEGMENT_BYTES - BLOCK, 0), 0);
    assert_segments(0, 6);
    ck_assert_int_eq(lf_file_release(&file, first_lsn_of(2), 2), 0);
    assert_segments(0, 6);
    ck_assert_int_eq(lf_file_release(&file, first_lsn_of(4) + BLOCK, 2), 0);
    assert_segments(2, 6);
    ck_assert_int_eq(lf_file_release(&file, first_lsn_of(3), 2), 0); /* never backwards */
    ck_assert_uint_eq(lf_segments_range(&file.segments).first, 4);
    assert_segments(2, 6);
    ck_assert_int_eq(lf_file_release(&file, first_lsn_of(4), 0), 0);
    assert_segments(4, 6);
    ck_assert_int_eq(lf_file_release(&file, first_lsn_of(9), 0), 0); /* not made yet */
    assert_segments(6, 6);
    lf_file_close(&file);
}
END_TEST

START_TEST(released_segment_becomes_the_next_one)
{
    use_place(_i);
    make_segments(4);
    for (unsigned i = 0; i < 4; i++)
        write_block(first_lsn_of(i), i);
    ck_assert_int_eq(lf_file_release(&file, first_lsn_of(2), 8), 0);
    ck_assert_int_eq(
        lf_file_extend(&file, 4 * SEGMENT_BYTES, 5 * SEGMENT_BYTES, true, &reached, &written), 0);
    ck_assert_uint_eq(written, 5 * SEGMENT_BYTES);
    assert_segments(1, 5);
    assert_block(first_lsn_of(4), 0); /* stale */
    assert_block(first_lsn_of(3), 3);
    ck_assert(!lf_file_has_segment(&file, LF_FIRST_LSN));
    /* One more that is recycled, and then a new one. */
    ck_assert_int_eq(
        lf_file_extend(&file, 5 * SEGMENT_BYTES, 7 * SEGMENT_BYTES, true, &reached, &written), 0);
    ck_assert_uint_eq(reached, 7 * SEGMENT_BYTES);
    ck_assert_uint_eq(written, 6 * SEGMENT_BYTES);
    assert_segments(2, 7);
    assert_block(first_lsn_of(5), 1);
    lf_file_close(&file);
    if (disk != NULL)
        logfile_sim_reboot_losing_all(disk);
    assert_segments(2, 7);
}
END_TEST

START_TEST(released_segments_are_found_again)
{
    use_place(_i);
    make_segments(5);
    ck_assert_int_eq(lf_file_release(&file, first_lsn_of(3), 3), 0);
    lf_file_close(&file);
    ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, segment_path(1)), 0);
    open_directory(first_lsn_of(3));
    extend_to(5, 6);
    ck_assert_uint_eq(written, 6 * SEGMENT_BYTES);
    ck_assert(!exists(0) && exists(2));
    extend_to(6, 7); /* past the gap */
    ck_assert_uint_eq(written, 7 * SEGMENT_BYTES);
    assert_segments(3, 7);
    extend_to(7, 8);
    ck_assert_uint_eq(written, first_lsn_of(7));
    assert_segments(3, 8);
    lf_file_close(&file);
}
END_TEST

START_TEST(released_segment_may_be_short)
{
    use_place(_i);
    make_segments(3);
    int fd = io->open(io->context, LOGFILE_IO_HERE, segment_path(0), WRITE, 0);
    ck_assert_int_eq(io->truncate(io->context, fd, LF_FIRST_LSN + 2 * BLOCK), 0);
    ck_assert_int_eq(io->close(io->context, fd), 0);
    ck_assert_int_eq(lf_file_release(&file, first_lsn_of(1), 8), 0);
    extend_to(3, 4);
    ck_assert_uint_eq(written, first_lsn_of(3) + 2 * BLOCK);
    ck_assert_int_eq(bytes_of(segment_path(3)), SEGMENT_BYTES);
    ck_assert_int_eq(lf_file_sync(&file, first_lsn_of(3), 4 * SEGMENT_BYTES), 0);
    lf_file_close(&file);
    if (disk != NULL)
        logfile_sim_reboot_losing_all(disk);
    ck_assert_int_eq(bytes_of(segment_path(3)), SEGMENT_BYTES);
}
END_TEST

START_TEST(released_segment_may_be_no_file)
{
    use_place(PLACE_FOLDER);
    make_segments(3);
    lf_file_close(&file);
    ck_assert_int_eq(unlink(segment_path(0)), 0);
    ck_assert_int_eq(mkdir(segment_path(0), 0700), 0);
    open_directory(first_lsn_of(1));
    extend_to(3, 4);
    ck_assert_uint_eq(written, first_lsn_of(3));
    ck_assert_int_eq(rmdir(segment_path(0)), 0);
    assert_segments(1, 4);
    lf_file_close(&file);
}
END_TEST

/* The part of a segment that was wanted before was not recycled. */
START_TEST(written_ends_where_it_is_interrupted)
{
    use_sim(NULL);
    make_segments(3);
    ck_assert_int_eq(lf_file_release(&file, first_lsn_of(1), 8), 0);
    ck_assert_int_eq(lf_file_extend(&file, 3 * SEGMENT_BYTES - BLOCK, 4 * SEGMENT_BYTES, true,
                                    &reached, &written),
                     0);
    ck_assert_uint_eq(reached, 4 * SEGMENT_BYTES);
    ck_assert_uint_eq(written, 3 * SEGMENT_BYTES - BLOCK);
    lf_file_close(&file);
}
END_TEST

/* A file system that cannot rewrite a block without a free one gets one. */
START_TEST(full_disk_gives_up_what_cannot_be_recycled)
{
    const struct logfile_sim_fault fault = {.call = LOGFILE_SIM_WRITE, .error = -ENOSPC};
    use_sim(NULL);
    make_segments(3);
    ck_assert_int_eq(lf_file_release(&file, first_lsn_of(1), 8), 0);
    logfile_sim_fault(disk, &fault);
    extend_to(3, 4);
    ck_assert_uint_eq(logfile_sim_fault_hits(disk), 1);
    ck_assert_uint_eq(written, first_lsn_of(3));
    assert_segments(1, 4);
    lf_file_close(&file);
}
END_TEST

/* ---- Cutting ----------------------------------------------------------------------------------*/

START_TEST(cut_never_comes_back)
{
    use_place(_i);
    make_segments(5);
    for (unsigned i = 0; i < 5; i++)
        write_block(first_lsn_of(i) + BLOCK, i);
    ck_assert_int_eq(lf_file_sync(&file, LF_FIRST_LSN, 5 * SEGMENT_BYTES), 0);
    ck_assert_int_eq(lf_file_cut(&file, first_lsn_of(2) + BLOCK), 0);
    lf_file_close(&file);
    if (disk != NULL)
        logfile_sim_reboot_losing_all(disk);
    assert_segments(0, 3);
    ck_assert_int_eq(bytes_of(segment_path(1)), SEGMENT_BYTES);
    ck_assert_int_eq(bytes_of(segment_path(2)), LF_FIRST_LSN + BLOCK);
    open_directory(LF_FIRST_LSN);
    uint64_t end_lsn;
    ck_assert_int_eq(lf_file_end_lsn(&file, &end_lsn), 0);
    ck_assert_uint_eq(end_lsn, first_lsn_of(2) + BLOCK);
    ck_assert_int_eq(lf_file_extend(&file, end_lsn, 4 * SEGMENT_BYTES, true, &reached, &written),
                     0);
    assert_segments(0, 4);
    lf_file_close(&file);
}
END_TEST

/* The next epoch goes into a segment that is there, and empty; or is not there. */
START_TEST(cut_at_a_border)
{
    use_place(_i);
    make_segments(4);
    ck_assert_int_eq(lf_file_cut(&file, first_lsn_of(2)), 0);
    assert_segments(0, 3);
    ck_assert_int_eq(bytes_of(segment_path(2)), LF_FIRST_LSN);
    ck_assert_int_eq(lf_file_cut(&file, 2 * SEGMENT_BYTES), 0);
    assert_segments(0, 3);
    ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, segment_path(2)), 0);
    reopen_directory(LF_FIRST_LSN);
    ck_assert_int_eq(lf_file_cut(&file, first_lsn_of(2)), 0);
    assert_segments(0, 2);
    extend_to(2, 3);
    assert_segments(0, 3);
    lf_file_close(&file);
}
END_TEST

/* A cut makes nothing longer. */
START_TEST(cut_behind_the_end_changes_nothing)
{
    use_place(_i);
    make_segments(1);
    ck_assert_int_eq(lf_file_cut(&file, LF_FIRST_LSN + BLOCK), 0);
    ck_assert_int_eq(lf_file_cut(&file, LF_FIRST_LSN + 2 * BLOCK), 0);
    ck_assert_int_eq(bytes_of(segment_path(0)), LF_FIRST_LSN + BLOCK);
    lf_file_close(&file);
}
END_TEST

START_TEST(cut_leaves_no_segment_behind_a_gap)
{
    use_place(_i);
    make_segments(6);
    lf_file_close(&file);
    ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, segment_path(2)), 0);
    ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, segment_path(4)), 0);
    open_directory(LF_FIRST_LSN);
    ck_assert_int_eq(lf_file_cut(&file, first_lsn_of(1) + BLOCK), 0);
    assert_segments(0, 2);
    lf_file_close(&file);
}
END_TEST

START_TEST(closed_log_is_as_small_as_can_be)
{
    use_place(_i);
    make_segments(6);
    ck_assert_int_eq(lf_file_release(&file, first_lsn_of(2), 8), 0);
    assert_segments(0, 6);
    lf_file_shrink(&file, first_lsn_of(3) + 2 * BLOCK);
    assert_segments(2, 4);
    ck_assert_int_eq(bytes_of(segment_path(3)), LF_FIRST_LSN + 2 * BLOCK);
    lf_file_close(&file);
}
END_TEST

START_TEST(discarded_log_is_gone)
{
    use_place(_i);
    make_segments(3);
    make_file(inside("0000000000000003.segment.new"), 1);
    let_discard();
    lf_file_discard(&file);
    ck_assert_int_eq(bytes_of(inside(LF_CONTROL_NAME)), -1);
    ck_assert_int_eq(io->make_directory(io->context, LOGFILE_IO_HERE, log_path, 0755), 0);
    lf_file_close(&file);
}
END_TEST

static int note_aside(void *arg, const char *name)
{
    if (strncmp(name, ".lf-", 4) == 0)
        snprintf(arg, PATH_MAX, "%s/notes", name);
    return 0;
}

/* Under the name that the log has then. */
START_TEST(discarding_leaves_what_is_foreign)
{
    char notes[PATH_MAX] = "";
    use_place(PLACE_FOLDER);
    make_segments(2);
    make_file(inside("notes"), 1);
    let_discard();
    lf_file_discard(&file);
    ck_assert_int_eq(list_path(io, folder_path("."), note_aside, notes), 0);
    ck_assert_int_eq(bytes_of(folder_path(notes)), 1);
    ck_assert_int_eq(io->make_directory(io->context, LOGFILE_IO_HERE, folder_path("log"), 0755), 0);
    lf_file_close(&file);
}
END_TEST

/* Whether there is a log under the log's name, after a crash at that call. */
static bool survives_discarding(bool is_directory, uint64_t crash_at, uint64_t seed)
{
    use_sim(NULL);
    if (is_directory)
        make_segments(2);
    else
        make_one_file();
    ck_assert_int_eq(io->sync(io->context, file.fd), 0);
    ck_assert_int_eq(sync_parent(io, log_path), 0);
    let_discard();
    logfile_sim_crash_at(disk, crash_at);
    lf_file_discard(&file);
    lf_file_close(&file);
    logfile_sim_reboot(disk, seed);
    int64_t bytes = bytes_of(is_directory ? inside(LF_CONTROL_NAME) : log_path);
    if (bytes != -1) {
        ck_assert_int_eq(bytes, LF_FIRST_LSN);
        ck_assert(!is_directory || (exists(0) && exists(1)));
    }
    logfile_sim_free(disk);
    disk = NULL;
    return bytes != -1;
}

/* A crash leaves the name to a whole log, or to none. */
START_TEST(discarding_is_whole_after_a_crash)
{
    unsigned survived = 0;
    for (unsigned crash_at = 1; crash_at <= 8; crash_at++)
        for (uint64_t seed = 0; seed < 16; seed++)
            survived += survives_discarding(_i == 1, crash_at, seed);
    ck_assert_uint_gt(survived, 0);
    ck_assert_uint_lt(survived, 8 * 16);
}
END_TEST

/* ---- Names ------------------------------------------------------------------------------------*/

static const char *const foreign_names[] = {
    "notes",
    "control.new",
    "Control",
    "0000000000000000",
    "0000000000000000.",
    "0000000000000000.segments",
    "0000000000000000.segment.old",
    "000000000000000.segment",
    "00000000000000000.segment",
    "000000000000000A.segment",
    "000000000000000g.segment",
    "0x00000000000001.segment",
    "-000000000000001.segment",
    ".segment",
    "ffffffffffffffff.segment",
    "0000ffffffffffff.segment", /* the end of it would be no LSN */
    "ffffffffffffffff.segment.new",
};
#define FOREIGN_COUNT (sizeof foreign_names / sizeof foreign_names[0])

static void make_foreign_names(void)
{
    for (unsigned i = 0; i < FOREIGN_COUNT; i++)
        make_file(inside(foreign_names[i]), 1);
}

static void see_foreign(void *arg, const char *name)
{
    for (unsigned i = 0; i < FOREIGN_COUNT; i++)
        if (strcmp(name, foreign_names[i]) == 0)
            ++*(unsigned *)arg;
    ck_assert_str_ne(name, LF_CONTROL_NAME);
    ck_assert_str_ne(name, "0000000000000002.segment.new");
}

START_TEST(foreign_names_are_left_alone)
{
    unsigned count = 0;
    use_place(_i);
    make_segments(2);
    make_foreign_names();
    struct lf_file reader;
    ck_assert_int_eq(lf_file_open(&reader, io, log_path), 0);
    ck_assert_int_eq(lf_file_adopt(&reader, &header, LF_FIRST_LSN), 0);
    make_file(inside("0000000000000002.segment.new"), 1);
    ck_assert_int_eq(lf_file_visit_foreign(&reader, see_foreign, &count), 0);
    ck_assert_uint_eq(count, FOREIGN_COUNT);
    lf_file_close(&reader);
    reopen_directory(LF_FIRST_LSN);
    ck_assert_int_eq(lf_file_remove_drafts(&file), 0);
    ck_assert_uint_eq(lf_segments_range(&file.segments).end, 2);
    ck_assert_int_eq(lf_file_cut(&file, LF_FIRST_LSN), 0);
    lf_file_shrink(&file, LF_FIRST_LSN);
    ck_assert_uint_eq(count_names(), 2 + FOREIGN_COUNT);
    lf_file_close(&file);
}
END_TEST

START_TEST(one_file_has_no_foreign_names)
{
    unsigned count = 0;
    use_place(_i);
    make_one_file();
    ck_assert_int_eq(lf_file_visit_foreign(&file, see_foreign, &count), 0);
    ck_assert_uint_eq(count, 0);
    lf_file_close(&file);
}
END_TEST

START_TEST(drafts_of_a_dead_process_are_removed)
{
    use_place(_i);
    make_segments(2);
    lf_file_close(&file);
    make_file(inside("0000000000000002.segment.new"), SEGMENT_BYTES);
    make_file(inside("0000000000000007.segment.new"), 0);
    struct lf_file reader;
    ck_assert_int_eq(lf_file_open(&reader, io, log_path), 0);
    ck_assert_int_eq(lf_file_adopt(&reader, &header, LF_FIRST_LSN), 0);
    lf_file_close(&reader);
    open_directory(LF_FIRST_LSN);
    ck_assert_uint_eq(count_names(), 5); /* nothing is removed before the log is accepted */
    ck_assert_int_eq(lf_file_remove_drafts(&file), 0);
    assert_segments(0, 2);
    lf_file_close(&file);
}
END_TEST

START_TEST(draft_in_the_way_is_replaced)
{
    use_place(_i);
    make_segments(1);
    make_file(inside("0000000000000001.segment.new"), 3 * SEGMENT_BYTES);
    extend_to(1, 2);
    assert_segments(0, 2);
    ck_assert_int_eq(bytes_of(segment_path(1)), SEGMENT_BYTES);
    lf_file_close(&file);
}
END_TEST

/* Where renaming is linking and unlinking, a crash in between leaves a segment in use under its old
 * name too.  That name goes; the file is not recycled. */
START_TEST(second_name_of_a_segment_is_not_recycled)
{
    uint8_t block[LF_BLOCK_BYTES];
    use_place(PLACE_FOLDER);
    make_segments(3);
    reopen_directory(first_lsn_of(1));
    ck_assert_int_eq(unlink(segment_path(0)), 0);
    ck_assert_int_eq(link(segment_path(2), segment_path(0)), 0);
    extend_to(3, 4);
    assert_segments(1, 4);
    ck_assert_int_eq(lf_file_read_segment_header(&file, 2, block, sizeof block), sizeof block);
    ck_assert_uint_eq(((struct lf_file_header *)block)->first_lsn, first_lsn_of(2));
    ck_assert_int_ne(access(segment_path(0), F_OK), 0);
    lf_file_close(&file);
}
END_TEST

/* Nothing counts up to a number that somebody wrote into a name. */
START_TEST(gap_of_any_size_takes_no_time)
{
    const uint64_t far = LF_LSN_END / SEGMENT_BYTES - 1;
    uint64_t index, end_lsn;
    use_place(_i);
    make_segments(2);
    make_file(segment_path(far), 3);
    reopen_directory(LF_FIRST_LSN);
    ck_assert_int_eq(lf_file_end_lsn(&file, &end_lsn), 0);
    ck_assert_uint_eq(end_lsn, far * SEGMENT_BYTES + 3);
    ck_assert_int_eq(lf_file_next_segment(&file, 2, &index), 1);
    ck_assert_uint_eq(index, far);
    ck_assert_int_eq(lf_file_sync(&file, 0, UINT64_MAX), 0);
    lf_file_drop_cache(&file, 0);
    ck_assert_int_eq(lf_file_release(&file, first_lsn_of(far), 1), 0);
    ck_assert_uint_eq(count_names(), 2);
    ck_assert_int_eq(lf_file_cut(&file, first_lsn_of(2)), 0);
    ck_assert_uint_eq(count_names(), 2); /* it has no header: it is somebody else's */
    lf_file_close(&file);
}
END_TEST

/* A reader that had a segment open does not go on with one that was removed. */
START_TEST(refresh_sees_what_was_replaced)
{
    struct lf_file reader;
    use_place(_i);
    make_segments(3);
    write_block(first_lsn_of(2), 1);
    ck_assert_int_eq(lf_file_open(&reader, io, log_path), 0);
    ck_assert_int_eq(lf_file_adopt(&reader, &header, LF_FIRST_LSN), 0);
    ck_assert(lf_file_has_segment(&reader, first_lsn_of(2)));
    ck_assert_int_eq(lf_file_cut(&file, first_lsn_of(1)), 0);
    extend_to(1, 5);
    write_block(first_lsn_of(2), 2);
    write_block(first_lsn_of(4), 4);
    lf_file_close(&file);
    ck_assert_int_eq(lf_file_refresh(&reader, LF_FIRST_LSN), 0);
    uint64_t end_lsn;
    ck_assert_int_eq(lf_file_end_lsn(&reader, &end_lsn), 0);
    ck_assert_uint_eq(end_lsn, 5 * SEGMENT_BYTES);
    file = reader;
    assert_block(first_lsn_of(2), 2);
    assert_block(first_lsn_of(4), 4);
    lf_file_close(&file);
}
END_TEST

/* ---- Few descriptors for many segments --------------------------------------------------------*/

#define MANY (3 * LF_SEGMENTS_OPEN_MAX)

START_TEST(many_segments_take_few_descriptors)
{
    use_place(_i);
    unsigned before = descriptor_count();
    make_segments(MANY);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < MANY; i++)
            write_block(first_lsn_of(i) + round * BLOCK, round * MANY + i);
        ck_assert_uint_le(descriptor_count(), before + 2 + LF_SEGMENTS_OPEN_MAX);
    }
    for (unsigned i = 0; i < 2 * MANY; i++)
        assert_block(first_lsn_of(i % MANY) + i / MANY * BLOCK, i);
    lf_file_close(&file);
    ck_assert_uint_eq(descriptor_count(), before);
}
END_TEST

/* Clean segments are closed first, and those that were used longest ago. */
START_TEST(segment_that_is_used_stays_open)
{
    use_sim(NULL);
    make_segments(MANY);
    write_block(LF_FIRST_LSN, 0);
    uint64_t open_count = logfile_sim_call_count(disk, LOGFILE_SIM_OPEN);
    uint64_t sync_count = logfile_sim_call_count(disk, LOGFILE_SIM_SYNC);
    for (unsigned i = 1; i < MANY; i++)
        ck_assert(lf_file_has_segment(&file, first_lsn_of(i)));
    uint64_t opened = logfile_sim_call_count(disk, LOGFILE_SIM_OPEN) - open_count;
    write_block(LF_FIRST_LSN, 1);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_OPEN), open_count + opened);
    ck_assert(lf_file_has_segment(&file, first_lsn_of(MANY - 1)));
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_OPEN), open_count + opened);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC), sync_count);
    lf_file_close(&file);
}
END_TEST

START_TEST(what_was_written_is_synced_before_it_is_closed)
{
    use_sim(NULL);
    make_segments(MANY);
    uint64_t sync_count = logfile_sim_call_count(disk, LOGFILE_SIM_SYNC);
    for (unsigned i = 0; i < MANY; i++) {
        write_block(first_lsn_of(i), i);
        assert_block(first_lsn_of(i), i); /* reading makes it no cleaner */
    }
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC),
                      sync_count + MANY - LF_SEGMENTS_OPEN_MAX);
    lf_file_close(&file);
    logfile_sim_reboot_losing_all(disk);
    for (unsigned i = 0; i < MANY - LF_SEGMENTS_OPEN_MAX; i++)
        assert_block_in(segment_path(i), LF_FIRST_LSN, i);
}
END_TEST

START_TEST(what_was_allocated_is_synced_before_it_is_closed)
{
    use_sim(NULL);
    make_directory();
    ck_assert_int_eq(
        lf_file_extend(&file, LF_FIRST_LSN, LF_FIRST_LSN + BLOCK, true, &reached, &written), 0);
    extend_to(0, 1);
    extend_to(1, MANY);
    for (unsigned i = 1; i < MANY; i++)
        write_block(first_lsn_of(i), i);
    lf_file_close(&file);
    logfile_sim_reboot_losing_all(disk);
    ck_assert_int_eq(bytes_of(segment_path(0)), SEGMENT_BYTES);
}
END_TEST

START_TEST(what_was_synced_is_closed_as_it_is)
{
    use_sim(NULL);
    make_segments(MANY);
    uint64_t sync_count = logfile_sim_call_count(disk, LOGFILE_SIM_SYNC);
    for (unsigned i = 0; i < MANY; i++) {
        if (i % 2 == 0) {
            write_block(first_lsn_of(i), i);
            ck_assert_int_eq(lf_file_sync(&file, first_lsn_of(i), first_lsn_of(i) + BLOCK), 0);
        } else {
            ck_assert_int_eq(
                lf_file_write(&file, first_lsn_of(i), block_of(i), BLOCK, LOGFILE_IO_WRITE_DSYNC),
                0);
        }
    }
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC), sync_count + MANY / 2);
    lf_file_close(&file);
    logfile_sim_reboot_losing_all(disk);
    for (unsigned i = 0; i < MANY; i++)
        assert_block_in(segment_path(i), LF_FIRST_LSN, i);
}
END_TEST

/* What a commit does to a segment that owes a sync already: holds it, writes, syncs, lets it go. */
static const struct {
    bool others_write; /* before the sync */
    bool syncs;
    unsigned owed; /* syncs, when it is closed */
} holders[] = {{false, true, 0}, {true, true, 1}, {false, false, 1}};

START_TEST(what_is_held_for_a_sync_owes_what_others_write)
{
    struct lf_place place;
    use_sim(NULL);
    make_segments(MANY);
    write_block(LF_FIRST_LSN, 0);
    ck_assert_int_eq(lf_file_hold(&file, LF_FIRST_LSN, true, &place), 0);
    ck_assert_uint_eq(place.offset, LF_FIRST_LSN);
    ck_assert_uint_eq(place.room, SEGMENT_BYTES - LF_FIRST_LSN);
    if (holders[_i].others_write)
        write_block(LF_FIRST_LSN + BLOCK, 1);
    if (holders[_i].syncs)
        ck_assert_int_eq(file.io->sync(file.io->context, place.fd), 0);
    lf_file_let_go(&file, &place, !holders[_i].syncs);
    uint64_t sync_count = logfile_sim_call_count(disk, LOGFILE_SIM_SYNC);
    uint64_t open_count = logfile_sim_call_count(disk, LOGFILE_SIM_OPEN);
    for (unsigned i = 1; i <= LF_SEGMENTS_OPEN_MAX; i++)
        write_block(first_lsn_of(i), i); /* the last of them takes its place */
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_OPEN),
                      open_count + LF_SEGMENTS_OPEN_MAX);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC),
                      sync_count + holders[_i].owed);
    lf_file_close(&file);
}
END_TEST

START_TEST(log_that_never_syncs_does_not_sync_to_close)
{
    use_sim(NULL);
    make_segments(MANY);
    file.segments.never_syncs = true;
    uint64_t sync_count = logfile_sim_call_count(disk, LOGFILE_SIM_SYNC);
    for (unsigned i = 0; i < MANY; i++)
        write_block(first_lsn_of(i), i);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC), sync_count);
    for (unsigned i = 0; i < MANY; i++)
        assert_block(first_lsn_of(i), i);
    lf_file_close(&file);
}
END_TEST

/* A sync is never left out because nothing seems to have been written. */
START_TEST(every_sync_is_made)
{
    use_sim(NULL);
    make_segments(3);
    uint64_t sync_count = logfile_sim_call_count(disk, LOGFILE_SIM_SYNC);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(lf_file_sync(&file, first_lsn_of(1), first_lsn_of(1) + BLOCK), 0);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC), sync_count + 2);
    ck_assert_int_eq(lf_file_sync(&file, SEGMENT_BYTES - BLOCK, first_lsn_of(2)), 0);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC), sync_count + 5);
    ck_assert_int_eq(lf_file_sync(&file, 2 * BLOCK, 3 * BLOCK), 0); /* a trim mark */
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC), sync_count + 6);
    lf_file_close(&file);
}
END_TEST

/* The failure may concern whoever wrote there: nobody may go on. */
START_TEST(sync_that_fails_while_closing_ends_it_all)
{
    const struct logfile_sim_fault fault = {.call = LOGFILE_SIM_SYNC, .error = -EIO};
    use_sim(NULL);
    make_segments(LF_SEGMENTS_OPEN_MAX + 1);
    for (unsigned i = 0; i < LF_SEGMENTS_OPEN_MAX; i++)
        write_block(first_lsn_of(i), i);
    logfile_sim_fault(disk, &fault);
    ck_assert_int_eq(
        lf_file_write(&file, first_lsn_of(LF_SEGMENTS_OPEN_MAX), block_of(0), BLOCK, 0), -EIO);
    for (unsigned i = 0; i <= LF_SEGMENTS_OPEN_MAX; i++) {
        ck_assert_int_eq(lf_file_write(&file, first_lsn_of(i), block_of(0), BLOCK, 0), -EIO);
        ck_assert_int_eq(lf_file_sync(&file, first_lsn_of(i), first_lsn_of(i) + 1), -EIO);
    }
    lf_file_close(&file);
}
END_TEST

START_TEST(failed_sync_is_returned)
{
    const struct logfile_sim_fault fault = {.call = LOGFILE_SIM_SYNC, .error = -EIO};
    use_sim(NULL);
    make_segments(3);
    logfile_sim_fault(disk, &fault);
    ck_assert_int_eq(lf_file_sync(&file, first_lsn_of(1), 3 * SEGMENT_BYTES), -EIO);
    logfile_sim_fault(disk, &fault);
    ck_assert_int_eq(lf_file_sync(&file, 0, BLOCK), -EIO);
    lf_file_close(&file);
}
END_TEST

/* ---- Threads ----------------------------------------------------------------------------------*/

static void *sync_first_segment(void *arg)
{
    *(int *)arg = lf_file_sync(&file, LF_FIRST_LSN, SEGMENT_BYTES);
    return NULL;
}

static void *write_second_segment(void *arg)
{
    uint8_t block[LF_BLOCK_BYTES];
    payload_fill(block, BLOCK, 1);
    *(int *)arg = lf_file_write(&file, first_lsn_of(1), block, BLOCK, 0);
    return NULL;
}

/* Starts a call that hangs at a gate. */
static pthread_t hang(enum logfile_sim_call call, void *(*body)(void *), int *result)
{
    pthread_t thread;
    logfile_sim_gate_close(disk, call);
    ck_assert_int_eq(pthread_create(&thread, NULL, body, result), 0);
    ck_assert(logfile_sim_gate_is_reached(disk, PATIENCE_MS));
    return thread;
}

START_TEST(sync_that_hangs_holds_nobody_up)
{
    int result = 1;
    use_sim(NULL);
    make_segments(4);
    pthread_t thread = hang(LOGFILE_SIM_SYNC, sync_first_segment, &result);
    write_block(LF_FIRST_LSN, 0);
    for (unsigned i = 1; i < 4; i++)
        write_block(first_lsn_of(i), i);
    ck_assert_int_eq(lf_file_release(&file, SEGMENT_BYTES - BLOCK, 0), 0);
    logfile_sim_gate_open(disk);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(result, 0);
    lf_file_close(&file);
}
END_TEST

START_TEST(open_that_hangs_holds_only_its_segment_up)
{
    pthread_t threads[2];
    int results[2] = {1, 1};
    use_sim(NULL);
    make_segments(3);
    reopen_directory(LF_FIRST_LSN);
    write_block(LF_FIRST_LSN, 0);
    uint64_t open_count = logfile_sim_call_count(disk, LOGFILE_SIM_OPEN);
    threads[0] = hang(LOGFILE_SIM_OPEN, write_second_segment, &results[0]);
    ck_assert_int_eq(pthread_create(&threads[1], NULL, write_second_segment, &results[1]), 0);
    write_block(LF_FIRST_LSN, 1);
    logfile_sim_gate_open(disk);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_eq(results[i], 0);
    }
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_OPEN), open_count + 1);
    lf_file_close(&file);
}
END_TEST

START_TEST(close_that_hangs_holds_nobody_up)
{
    int result = 1;
    use_sim(NULL);
    make_segments(LF_SEGMENTS_OPEN_MAX + 2);
    reopen_directory(LF_FIRST_LSN);
    for (unsigned i = 0; i < LF_SEGMENTS_OPEN_MAX; i++)
        ck_assert(lf_file_has_segment(&file, first_lsn_of(2 + i)));
    pthread_t thread = hang(LOGFILE_SIM_CLOSE, write_second_segment, &result);
    for (unsigned i = 1; i < LF_SEGMENTS_OPEN_MAX; i++)
        write_block(first_lsn_of(2 + i), i);
    logfile_sim_gate_open(disk);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(result, 0);
    lf_file_close(&file);
}
END_TEST

/* A released segment that somebody still syncs is removed when he is done. */
static void *release_first_segment(void *arg)
{
    *(int *)arg = lf_file_release(&file, first_lsn_of(1), 0);
    return NULL;
}

START_TEST(segment_in_use_is_not_removed)
{
    pthread_t threads[2];
    int results[2] = {1, 1};
    use_sim(NULL);
    make_segments(2);
    threads[0] = hang(LOGFILE_SIM_SYNC, sync_first_segment, &results[0]);
    ck_assert_int_eq(pthread_create(&threads[1], NULL, release_first_segment, &results[1]), 0);
    sleep_us(2000);
    ck_assert(logfile_sim_exists(disk, segment_path(0)));
    logfile_sim_gate_open(disk);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_eq(results[i], 0);
    }
    assert_segments(1, 2);
    lf_file_close(&file);
}
END_TEST

/* What a thread has to say. */
static void *complaint(const char *what)
{
    return (void *)(uintptr_t)what;
}

static void join(pthread_t thread)
{
    void *what;
    ck_assert_int_eq(pthread_join(thread, &what), 0);
    ck_assert_msg(what == NULL, "%s", (const char *)what);
}

#define CROWD 8

/* More threads than cores on more segments than places, each in blocks of its own. */
static void *write_everywhere(void *arg)
{
    uint64_t mine = (uint64_t)(uintptr_t)arg;
    struct rng rng = {.state = mine};
    uint8_t block[LF_BLOCK_BYTES], found[LF_BLOCK_BYTES];
    uint64_t round_count = scaled(100, 300, 10000);
    for (uint64_t round = 0; round < round_count; round++) {
        uint64_t lsn = first_lsn_of(rng_below(&rng, MANY)) + mine * BLOCK;
        payload_fill(block, BLOCK, lsn ^ round);
        if (lf_file_write(&file, lsn, block, BLOCK, 0) != 0)
            return complaint("write");
        if (rng_one_in(&rng, 4) && lf_file_sync(&file, lsn, lsn + BLOCK) != 0)
            return complaint("sync");
        if (lf_file_read(&file, lsn, found, BLOCK) != (ssize_t)BLOCK ||
            !payload_matches(found, BLOCK, lsn ^ round))
            return complaint("read");
    }
    return NULL;
}

START_TEST(crowd_finds_its_bytes)
{
    pthread_t threads[CROWD];
    use_place(_i);
    make_segments(MANY);
    for (uintptr_t i = 0; i < CROWD; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_everywhere, (void *)i), 0);
    for (unsigned i = 0; i < CROWD; i++)
        join(threads[i]);
    lf_file_close(&file);
}
END_TEST

static uint32_t trimmed;

/* Trims behind a writer, for whom segments are made meanwhile: all three at once. */
static void *trim_behind(void *arg)
{
    (void)arg;
    for (uint64_t index = 1; index < MANY; index++) {
        while (__atomic_load_n(&trimmed, __ATOMIC_ACQUIRE) < index)
            sleep_us(10);
        if (lf_file_release(&file, first_lsn_of(index), (unsigned)(index % 3)) != 0)
            return complaint("release");
    }
    return NULL;
}

static uint64_t prepared_lsn;

static void *prepare_ahead(void *arg)
{
    uint64_t from = SEGMENT_BYTES, to, behind;
    (void)arg;
    for (uint64_t index = 1; index < MANY; index++) {
        if (lf_file_extend(&file, from, (index + 1) * SEGMENT_BYTES, true, &to, &behind) != 0)
            return complaint("extend");
        __atomic_store_n(&prepared_lsn, to, __ATOMIC_RELEASE);
        from = to;
    }
    return NULL;
}

START_TEST(log_moves_through_its_segments)
{
    pthread_t threads[2];
    use_place(_i);
    make_segments(1);
    prepared_lsn = SEGMENT_BYTES;
    trimmed = 0;
    ck_assert_int_eq(pthread_create(&threads[0], NULL, prepare_ahead, NULL), 0);
    ck_assert_int_eq(pthread_create(&threads[1], NULL, trim_behind, NULL), 0);
    for (uint32_t index = 0; index < MANY; index++) {
        while (__atomic_load_n(&prepared_lsn, __ATOMIC_ACQUIRE) < (index + 1) * SEGMENT_BYTES)
            sleep_us(10);
        for (uint64_t lsn = first_lsn_of(index); lsn < (index + 1) * SEGMENT_BYTES; lsn += BLOCK) {
            write_block(lsn, lsn);
            ck_assert_int_eq(lf_file_sync(&file, lsn, lsn + BLOCK), 0);
            assert_block(lsn, lsn);
        }
        __atomic_store_n(&trimmed, index, __ATOMIC_RELEASE);
    }
    for (unsigned i = 0; i < 2; i++)
        join(threads[i]);
    lf_file_shrink(&file, MANY * SEGMENT_BYTES - 1);
    assert_segments(MANY - 1, MANY);
    lf_file_close(&file);
}
END_TEST

/* ---- Faults -----------------------------------------------------------------------------------*/

/* A log whose next segment is made anew, or recycled; the first two segments hold something. */
static void make_log_with_choice(bool recycle)
{
    make_segments(3);
    for (unsigned i = 1; i < 3; i++)
        write_block(first_lsn_of(i), i);
    ck_assert_int_eq(lf_file_sync(&file, LF_FIRST_LSN, 3 * SEGMENT_BYTES), 0);
    ck_assert_int_eq(lf_file_release(&file, first_lsn_of(1), recycle ? 1 : 0), 0);
    ck_assert_int_eq(exists(0), recycle);
}

/* What was in the log still is, and every name is one that the log knows. */
static void assert_log_is_whole(void)
{
    unsigned count = 0;
    for (unsigned i = 1; i < 3; i++) {
        assert_is_segment(i);
        assert_block_in(segment_path(i), LF_FIRST_LSN, i);
    }
    ck_assert_int_eq(lf_file_visit_foreign(&file, see_foreign, &count), 0);
    ck_assert_uint_eq(count, 0);
}

static int extend_by_two(void)
{
    return lf_file_extend(&file, 3 * SEGMENT_BYTES, 5 * SEGMENT_BYTES, true, &reached, &written);
}

/* One call of extend fails.  Returns false when there was no such call. */
static bool extend_with_fault(bool recycle, const struct logfile_sim_fault *fault)
{
    use_sim(NULL);
    make_log_with_choice(recycle);
    logfile_sim_fault(disk, fault);
    int error = extend_by_two();
    bool hit = logfile_sim_fault_hits(disk) > 0;
    bool may_be_made_good = fault->call == LOGFILE_SIM_UNLINK || fault->call == LOGFILE_SIM_OPEN ||
                            fault->call == LOGFILE_SIM_CLOSE || fault->call == LOGFILE_SIM_STAT ||
                            recycle;
    ck_assert_msg(!hit || error == fault->error || (error == 0 && may_be_made_good),
                  "%s: %d instead of %d", logfile_sim_call_name(fault->call), error, fault->error);
    ck_assert_uint_ge(logfile_sim_open_count(disk), 1);
    logfile_sim_fault_clear(disk);
    assert_log_is_whole();
    ck_assert_int_eq(lf_file_extend(&file, reached, 5 * SEGMENT_BYTES, true, &reached, &written),
                     0);
    lf_file_close(&file);
    logfile_sim_reboot_losing_all(disk);
    for (unsigned i = 3; i < 5; i++)
        assert_is_segment(i);
    open_directory(first_lsn_of(1));
    assert_log_is_whole();
    ck_assert_int_eq(lf_file_release(&file, first_lsn_of(1), 0), 0);
    assert_segments(1, 5);
    lf_file_close(&file);
    ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
    logfile_sim_free(disk);
    disk = NULL;
    return hit;
}

START_TEST(each_call_may_fail_once)
{
    static const int errors[] = {-EIO, -ENOSPC, -EDQUOT, -EACCES, -EMFILE, -EROFS, -EINTR};
    unsigned hit_count = 0;
    for (int call = 0; call < LOGFILE_SIM_CALL_COUNT; call++) {
        for (unsigned i = 0; i < 2 * sizeof errors / sizeof errors[0]; i++) {
            struct logfile_sim_fault fault = {.call = (enum logfile_sim_call)call,
                                              .error = errors[i / 2]};
            while (extend_with_fault(i % 2, &fault)) {
                fault.after++;
                hit_count++;
            }
        }
    }
    ck_assert_uint_gt(hit_count, 100);
}
END_TEST

/* A short count is no error. */
START_TEST(short_counts_are_made_good)
{
    use_sim(NULL);
    make_log_with_choice(true);
    const struct logfile_sim_fault fault = {
        .call = LOGFILE_SIM_WRITE, .for_ever = true, .short_bytes = 5000};
    logfile_sim_fault(disk, &fault);
    ck_assert_int_eq(extend_by_two(), 0);
    ck_assert_uint_gt(logfile_sim_fault_hits(disk), 0);
    logfile_sim_fault_clear(disk);
    assert_segments(1, 5);
    lf_file_close(&file);
}
END_TEST

/* An error while looking for segments is never taken for their absence. */
START_TEST(faults_are_not_taken_for_gaps)
{
    uint64_t index, end_lsn;
    use_sim(NULL);
    make_segments(2);
    lf_file_close(&file);
    const struct logfile_sim_fault no_listing = {.call = LOGFILE_SIM_LIST_DIRECTORY, .error = -EIO};
    const struct logfile_sim_fault no_open = {
        .call = LOGFILE_SIM_OPEN, .for_ever = true, .error = -EIO};
    const struct logfile_sim_fault no_stat = {
        .call = LOGFILE_SIM_STAT, .for_ever = true, .error = -EIO};
    open_log(inside(LF_CONTROL_NAME), true);
    logfile_sim_fault(disk, &no_listing);
    ck_assert_int_eq(lf_file_adopt(&file, &header, LF_FIRST_LSN), -EIO);
    ck_assert_int_eq(lf_file_adopt(&file, &header, LF_FIRST_LSN), 0);
    logfile_sim_fault(disk, &no_listing);
    ck_assert_int_eq(lf_file_refresh(&file, LF_FIRST_LSN), -EIO);
    logfile_sim_fault(disk, &no_listing);
    ck_assert_int_eq(lf_file_next_segment(&file, 0, &index), -EIO);
    logfile_sim_fault(disk, &no_open);
    ck_assert_int_eq(lf_file_read(&file, LF_FIRST_LSN, block_of(0), BLOCK), -EIO);
    ck_assert(lf_file_has_segment(&file, LF_FIRST_LSN));
    ck_assert_int_eq(lf_file_end_lsn(&file, &end_lsn), -EIO);
    ck_assert_int_eq(lf_file_sync(&file, 0, UINT64_MAX), -EIO);
    logfile_sim_fault(disk, &no_stat);
    ck_assert_int_eq(lf_file_read(&file, LF_FIRST_LSN, block_of(0), BLOCK), -EIO);
    ck_assert_int_eq(lf_file_end_lsn(&file, &end_lsn), -EIO);
    ck_assert_int_eq(lf_file_cut(&file, LF_FIRST_LSN), -EIO);
    logfile_sim_fault_clear(disk);
    lf_file_close(&file);
}
END_TEST

START_TEST(cut_that_fails_says_so)
{
    static const enum logfile_sim_call calls[] = {LOGFILE_SIM_LIST_DIRECTORY, LOGFILE_SIM_UNLINK,
                                                  LOGFILE_SIM_TRUNCATE, LOGFILE_SIM_SYNC,
                                                  LOGFILE_SIM_SYNC_DIRECTORY};
    for (unsigned i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        const struct logfile_sim_fault fault = {.call = calls[i], .error = -EIO};
        use_sim(NULL);
        make_segments(3);
        logfile_sim_fault(disk, &fault);
        ck_assert_int_eq(lf_file_cut(&file, LF_FIRST_LSN), -EIO);
        ck_assert_uint_eq(logfile_sim_fault_hits(disk), 1);
        lf_file_close(&file);
        ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
        logfile_sim_free(disk);
        disk = NULL;
    }
}
END_TEST

/* Whoever dies in the middle leaves no gap. */
START_TEST(cut_begins_at_the_end)
{
    const struct logfile_sim_fault fault = {.call = LOGFILE_SIM_UNLINK, .after = 2, .error = -EIO};
    use_sim(NULL);
    make_segments(5);
    logfile_sim_fault(disk, &fault);
    ck_assert_int_eq(lf_file_cut(&file, LF_FIRST_LSN), -EIO);
    assert_segments(0, 3);
    lf_file_close(&file);
}
END_TEST

START_TEST(release_that_fails_is_made_again)
{
    const struct logfile_sim_fault fault = {.call = LOGFILE_SIM_UNLINK, .error = -EIO};
    use_sim(NULL);
    make_segments(3);
    logfile_sim_fault(disk, &fault);
    ck_assert_int_eq(lf_file_release(&file, first_lsn_of(2), 0), -EIO);
    ck_assert_int_eq(lf_file_release(&file, first_lsn_of(2), 0), 0);
    assert_segments(2, 3);
    lf_file_close(&file);
}
END_TEST

/* ---- Crashes ----------------------------------------------------------------------------------*/

/* A crash at any step of recycling leaves a valid header. */
START_TEST(recycling_keeps_one_header_valid)
{
    for (uint64_t at = 1; at < 8; at++) {
        use_sim(NULL);
        make_log_with_choice(true);
        logfile_sim_crash_at(disk, at);
        (void)extend_by_two();
        lf_file_close(&file);
        logfile_sim_reboot(disk, at);
        open_directory(first_lsn_of(1));
        for (uint64_t index = 0; index < 5; index++) {
            struct lf_segment_check check;
            ck_assert_int_eq(lf_file_check_segment(&file, index, &check), 0);
            ck_assert(check.kind == LF_SEGMENT_MISSING || lf_segment_is_ours(&check));
        }
        lf_file_close(&file);
        logfile_sim_free(disk);
        disk = NULL;
    }
}
END_TEST

/* The log opens, has what it had, no name that nobody knows, and goes on. */
static void assert_survived(bool is_extended)
{
    open_directory(first_lsn_of(1));
    ck_assert_int_eq(lf_file_remove_drafts(&file), 0);
    assert_log_is_whole();
    struct lf_segment_range range = lf_segments_range(&file.segments);
    ck_assert_uint_ge(range.end, is_extended ? 5 : 3);
    for (uint64_t index = 1; index < range.end; index++)
        assert_is_segment(index);
    ck_assert_int_eq(
        lf_file_extend(&file, 3 * SEGMENT_BYTES, 7 * SEGMENT_BYTES, true, &reached, &written), 0);
    ck_assert_int_eq(lf_file_release(&file, first_lsn_of(1), 0), 0);
    assert_segments(1, 7);
    lf_file_close(&file);
}

/* Returns whether extend was done before the crash came. */
static bool extend_and_crash(bool recycle, uint64_t at, uint64_t seed)
{
    use_sim(NULL);
    make_log_with_choice(recycle);
    logfile_sim_crash_at(disk, at);
    bool is_extended = extend_by_two() == 0;
    lf_file_close(&file);
    logfile_sim_reboot(disk, seed);
    assert_survived(is_extended);
    logfile_sim_free(disk);
    disk = NULL;
    return is_extended;
}

START_TEST(crash_at_any_step_leaves_a_log)
{
    uint64_t seed_count = scaled(3, 20, 1000);
    uint64_t crash_count = 0;
    for (int recycle = 0; recycle < 2; recycle++) {
        bool is_extended = false;
        for (uint64_t at = 1; !is_extended; at++, crash_count++)
            for (uint64_t seed = 0; seed < seed_count; seed++)
                is_extended = extend_and_crash(recycle, at, seed);
    }
    ck_assert_uint_gt(crash_count, 15);
}
END_TEST

/* ---- The suite --------------------------------------------------------------------------------*/

static TCase *new_tcase(const char *name)
{
    TCase *tcase = tcase_create(name);
    tcase_add_checked_fixture(tcase, setup, teardown);
    return tcase;
}

static TCase *one_file_tests(void)
{
    TCase *tcase = new_tcase("one file");
    tcase_add_loop_test(tcase, one_file_is_passed_through, 0, PLACE_COUNT);
    tcase_add_loop_test(tcase, one_file_is_cut_and_shrunk, 0, PLACE_COUNT);
    tcase_add_test(tcase, one_file_needs_no_allocation_that_nobody_asked_for);
    tcase_add_test(tcase, one_file_is_one_segment_that_never_ends);
    tcase_add_test(tcase, one_file_is_punched_once);
    tcase_add_test(tcase, punch_that_fails_is_told);
    tcase_add_loop_test(tcase, one_file_has_no_foreign_names, 0, PLACE_COUNT);
    return tcase;
}

static TCase *place_tests(void)
{
    TCase *tcase = new_tcase("where bytes are");
    tcase_add_loop_test(tcase, lsn_is_a_place_in_a_segment, 0, PLACE_COUNT);
    tcase_add_loop_test(tcase, read_ends_with_its_segment, 0, PLACE_COUNT);
    tcase_add_loop_test(tcase, bytes_behind_a_segment_are_not_the_logs, 0, PLACE_COUNT);
    tcase_add_loop_test(tcase, new_directory_has_no_segment, 0, PLACE_COUNT);
    tcase_add_loop_test(tcase, missing_segment_is_noticed, 0, PLACE_COUNT);
    return tcase;
}

static TCase *open_tests(void)
{
    TCase *tcase = new_tcase("opening");
    tcase_add_loop_test(tcase, only_logs_are_opened, 0, PLACE_COUNT);
    tcase_add_test(tcase, links_and_devices_are_refused);
    tcase_add_test(tcase, what_is_no_file_is_no_segment);
    tcase_add_loop_test(tcase, header_of_another_kind_is_refused, 0, PLACE_COUNT);
    tcase_add_loop_test(tcase, segments_are_told_by_their_headers, 0, PLACE_COUNT);
    tcase_add_loop_test(tcase, segments_of_another_log_are_left_alone, 0, PLACE_COUNT);
    tcase_add_loop_test(tcase, what_took_a_segments_name_is_left_alone, 0, PLACE_COUNT);
    tcase_add_test(tcase, recycling_keeps_one_header_valid);
    tcase_add_test(tcase, before_the_header_is_read_there_is_only_the_prologue);
    tcase_add_test(tcase, log_outlives_a_change_of_directory);
    tcase_add_loop_test(tcase, log_goes_with_its_directory, 0, PLACE_COUNT);
    return tcase;
}

static TCase *extend_tests(void)
{
    TCase *tcase = new_tcase("extending");
    tcase_add_loop_test(tcase, new_segments_are_whole_and_durable, 0, PLACE_COUNT);
    tcase_add_test(tcase, segment_is_allocated_as_far_as_it_is_wanted);
    tcase_add_test(tcase, segment_may_be_wanted_for_its_header_only);
    tcase_add_test(tcase, segments_may_grow_by_themselves);
    tcase_add_test(tcase, segment_is_made_where_nothing_can_be_allocated);
    tcase_add_test(tcase, full_disk_leaves_what_there_was);
    return tcase;
}

static TCase *recycle_tests(void)
{
    TCase *tcase = new_tcase("recycling");
    tcase_add_loop_test(tcase, released_segments_are_kept_or_removed, 0, PLACE_COUNT);
    tcase_add_loop_test(tcase, released_segment_becomes_the_next_one, 0, PLACE_COUNT);
    tcase_add_loop_test(tcase, released_segments_are_found_again, 0, PLACE_COUNT);
    tcase_add_loop_test(tcase, released_segment_may_be_short, 0, PLACE_COUNT);
    tcase_add_test(tcase, released_segment_may_be_no_file);
    tcase_add_test(tcase, written_ends_where_it_is_interrupted);
    tcase_add_test(tcase, full_disk_gives_up_what_cannot_be_recycled);
    return tcase;
}

static TCase *cut_tests(void)
{
    TCase *tcase = new_tcase("cutting");
    tcase_add_loop_test(tcase, cut_never_comes_back, 0, PLACE_COUNT);
    tcase_add_loop_test(tcase, cut_at_a_border, 0, PLACE_COUNT);
    tcase_add_loop_test(tcase, cut_behind_the_end_changes_nothing, 0, PLACE_COUNT);
    tcase_add_loop_test(tcase, cut_leaves_no_segment_behind_a_gap, 0, PLACE_COUNT);
    tcase_add_loop_test(tcase, closed_log_is_as_small_as_can_be, 0, PLACE_COUNT);
    tcase_add_loop_test(tcase, discarded_log_is_gone, 0, PLACE_COUNT);
    tcase_add_test(tcase, discarding_leaves_what_is_foreign);
    tcase_add_loop_test(tcase, discarding_is_whole_after_a_crash, 0, 2);
    return tcase;
}

static TCase *name_tests(void)
{
    TCase *tcase = new_tcase("names");
    tcase_add_loop_test(tcase, foreign_names_are_left_alone, 0, PLACE_COUNT);
    tcase_add_loop_test(tcase, drafts_of_a_dead_process_are_removed, 0, PLACE_COUNT);
    tcase_add_loop_test(tcase, draft_in_the_way_is_replaced, 0, PLACE_COUNT);
    tcase_add_test(tcase, second_name_of_a_segment_is_not_recycled);
    tcase_add_loop_test(tcase, gap_of_any_size_takes_no_time, 0, PLACE_COUNT);
    tcase_add_loop_test(tcase, refresh_sees_what_was_replaced, 0, PLACE_COUNT);
    return tcase;
}

static TCase *descriptor_tests(void)
{
    TCase *tcase = new_tcase("descriptors");
    tcase_add_loop_test(tcase, many_segments_take_few_descriptors, 0, PLACE_COUNT);
    tcase_add_test(tcase, segment_that_is_used_stays_open);
    tcase_add_test(tcase, what_was_written_is_synced_before_it_is_closed);
    tcase_add_test(tcase, what_was_allocated_is_synced_before_it_is_closed);
    tcase_add_test(tcase, what_was_synced_is_closed_as_it_is);
    tcase_add_loop_test(tcase, what_is_held_for_a_sync_owes_what_others_write, 0,
                        (int)(sizeof holders / sizeof holders[0]));
    tcase_add_test(tcase, log_that_never_syncs_does_not_sync_to_close);
    tcase_add_test(tcase, every_sync_is_made);
    tcase_add_test(tcase, sync_that_fails_while_closing_ends_it_all);
    tcase_add_test(tcase, failed_sync_is_returned);
    return tcase;
}

static TCase *thread_tests(void)
{
    TCase *tcase = new_tcase("threads");
    tcase_add_test(tcase, sync_that_hangs_holds_nobody_up);
    tcase_add_test(tcase, open_that_hangs_holds_only_its_segment_up);
    tcase_add_test(tcase, close_that_hangs_holds_nobody_up);
    tcase_add_test(tcase, segment_in_use_is_not_removed);
    tcase_add_loop_test(tcase, crowd_finds_its_bytes, 0, PLACE_COUNT);
    tcase_add_loop_test(tcase, log_moves_through_its_segments, 0, PLACE_COUNT);
    return tcase;
}

static TCase *fault_tests(void)
{
    TCase *tcase = new_tcase("faults");
    tcase_add_test(tcase, each_call_may_fail_once);
    tcase_add_test(tcase, short_counts_are_made_good);
    tcase_add_test(tcase, faults_are_not_taken_for_gaps);
    tcase_add_test(tcase, cut_that_fails_says_so);
    tcase_add_test(tcase, cut_begins_at_the_end);
    tcase_add_test(tcase, release_that_fails_is_made_again);
    tcase_add_test(tcase, crash_at_any_step_leaves_a_log);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("file");
    suite_add_tcase(suite, one_file_tests());
    suite_add_tcase(suite, place_tests());
    suite_add_tcase(suite, open_tests());
    suite_add_tcase(suite, extend_tests());
    suite_add_tcase(suite, recycle_tests());
    suite_add_tcase(suite, cut_tests());
    suite_add_tcase(suite, name_tests());
    suite_add_tcase(suite, descriptor_tests());
    suite_add_tcase(suite, thread_tests());
    suite_add_tcase(suite, fault_tests());
    return run_suite(suite);
}
