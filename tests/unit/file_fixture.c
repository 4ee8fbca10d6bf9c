/* SPDX-License-Identifier: MIT */
#include "file_fixture.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Two places to be tested in ---------------------------------------------------------------*/

const struct logfile_io *io;
struct logfile_sim *disk; /* NULL: a folder */
const char *log_path;

void use_sim(const struct logfile_sim_options *options)
{
    disk = logfile_sim_new(options);
    io = logfile_sim_io(disk);
    log_path = "/log";
}

void use_place(int place)
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

TCase *new_tcase(const char *name)
{
    TCase *tcase = tcase_create(name);
    tcase_add_checked_fixture(tcase, setup, teardown);
    return tcase;
}

/* ---- Looking at the log from outside ----------------------------------------------------------*/

const char *inside(const char *name)
{
    static char paths[4][PATH_MAX];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    ck_assert_int_lt(snprintf(path, PATH_MAX, "%s/%s", log_path, name), PATH_MAX);
    return path;
}

const char *segment_path(uint64_t index)
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

void count_foreign(void *arg, const char *name)
{
    (void)name;
    ++*(unsigned *)arg;
}

unsigned count_names(void)
{
    unsigned count = 0;
    ck_assert_int_eq(list_path(io, log_path, count_name, &count), 0);
    return count;
}

/* Size of a file; -1: there is none. */
int64_t bytes_of(const char *path)
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

bool exists(uint64_t index)
{
    return bytes_of(segment_path(index)) >= 0;
}

void peek(const char *path, void *to, size_t bytes, uint64_t offset)
{
    int fd = io->open(io->context, LOGFILE_IO_HERE, path, 0, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(io->read(io->context, fd, to, bytes, offset), (ssize_t)bytes);
    ck_assert_int_eq(io->close(io->context, fd), 0);
}

void make_file(const char *path, uint64_t bytes)
{
    int fd = io->open(io->context, LOGFILE_IO_HERE, path, CREATE, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(io->truncate(io->context, fd, bytes), 0);
    ck_assert_int_eq(io->close(io->context, fd), 0);
}

unsigned descriptor_count(void)
{
    unsigned count = 0;
    if (disk != NULL)
        return logfile_sim_open_count(disk);
    ck_assert_int_eq(list_path(logfile_io_posix(), "/proc/self/fd", count_name, &count), 0);
    return count;
}

/* ---- Making logs ------------------------------------------------------------------------------*/

struct lf_file file;
struct lf_file_header header;
uint64_t reached;
uint64_t written;

void make_header(uint64_t segment_bytes)
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

void open_log(const char *path, bool is_directory)
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
void let_discard(void)
{
    const char *parent = disk != NULL ? "/" : folder_path(".");
    int fd = io->open(io->context, LOGFILE_IO_HERE, parent, LOGFILE_IO_OPEN_DIRECTORY, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(lf_file_may_be_discarded(&file, fd, "log"), 0);
}

void make_one_file(void)
{
    make_header(0);
    make_file(log_path, LF_FIRST_LSN);
    open_log(log_path, false);
    ck_assert_int_eq(lf_file_adopt(&file, &header, LF_FIRST_LSN), 0);
}

void open_directory(uint64_t oldest_lsn)
{
    open_log(inside(LF_CONTROL_NAME), true);
    ck_assert_int_eq(lf_file_adopt(&file, &header, oldest_lsn), 0);
}

void make_directory(void)
{
    make_header(SEGMENT_BYTES);
    ck_assert_int_eq(io->make_directory(io->context, LOGFILE_IO_HERE, log_path, 0755), 0);
    make_file(inside(LF_CONTROL_NAME), LF_FIRST_LSN);
    ck_assert_int_eq(sync_parent(io, inside(LF_CONTROL_NAME)), 0);
    ck_assert_int_eq(sync_parent(io, log_path), 0);
    open_directory(LF_FIRST_LSN);
}

void reopen_directory(uint64_t oldest_lsn)
{
    lf_file_close(&file);
    open_directory(oldest_lsn);
}

uint64_t first_lsn_of(uint64_t index)
{
    return index * SEGMENT_BYTES + LF_FIRST_LSN;
}

/* Of the first `count` segments, those from `from` on. */
void extend_to(uint64_t from, uint64_t count)
{
    uint64_t from_lsn = first_lsn_of(from);
    ck_assert_int_eq(
        lf_file_extend(&file, from_lsn, count * SEGMENT_BYTES, true, &reached, &written), 0);
    ck_assert_uint_eq(reached, count * SEGMENT_BYTES);
}

void make_segments(uint64_t count)
{
    make_directory();
    extend_to(0, count);
}

uint8_t *block_of(uint64_t seed)
{
    static uint8_t block[LF_BLOCK_BYTES];
    payload_fill(block, sizeof block, seed);
    return block;
}

void write_block(uint64_t lsn, uint64_t seed)
{
    ck_assert_int_eq(lf_file_write(&file, lsn, block_of(seed), BLOCK, 0), 0);
}

void assert_block(uint64_t lsn, uint64_t seed)
{
    uint8_t found[LF_BLOCK_BYTES];
    ck_assert_int_eq(lf_file_read(&file, lsn, found, BLOCK), (ssize_t)BLOCK);
    ck_assert_msg(payload_matches(found, BLOCK, seed), "block at LSN %" PRIu64, lsn);
}

void assert_block_in(const char *path, uint64_t offset, uint64_t seed)
{
    uint8_t found[LF_BLOCK_BYTES];
    peek(path, found, BLOCK, offset);
    ck_assert_msg(payload_matches(found, BLOCK, seed), "%s at %" PRIu64, path, offset);
}

/* Blocks 0 to 3 of a segment are as they should be. */
void assert_is_segment(uint64_t index)
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
void assert_segments(uint64_t from, uint64_t end)
{
    for (uint64_t index = from; index < end; index++)
        assert_is_segment(index);
    ck_assert_uint_eq(count_names(), 1 + end - from);
}
