/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a log by LSN, in one file and in a directory of segments: on the file system that
 * the tests run on, and on a simulated disk.
 */
#include "file_fixture.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* What stands in a segment's place is passed over; it is never removed, nor written to, and no segment
 * takes its place.  It is misplaced, which the verdict names; foreign is only what is released. */
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
    ck_assert_uint_eq(count, 0);
    ck_assert_int_eq(lf_file_refresh(&reader, first_lsn_of(3)), 0);
    ck_assert_int_eq(lf_file_visit_foreign(&reader, count_foreign, &count), 0);
    ck_assert_uint_eq(count, 2);
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

/* ---- The suite --------------------------------------------------------------------------------*/

static TCase *one_file_tests(void)
{
    TCase *tcase = new_tcase("one file");
    tcase_add_loop_test(tcase, one_file_is_passed_through, 0, PLACE_COUNT);
    tcase_add_loop_test(tcase, one_file_is_cut_and_shrunk, 0, PLACE_COUNT);
    tcase_add_test(tcase, one_file_needs_no_allocation_that_nobody_asked_for);
    tcase_add_test(tcase, one_file_is_one_segment_that_never_ends);
    tcase_add_test(tcase, one_file_is_punched_once);
    tcase_add_test(tcase, punch_that_fails_is_told);
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
    tcase_add_test(tcase, before_the_header_is_read_there_is_only_the_prologue);
    tcase_add_test(tcase, log_outlives_a_change_of_directory);
    tcase_add_loop_test(tcase, log_goes_with_its_directory, 0, PLACE_COUNT);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("file");
    suite_add_tcase(suite, one_file_tests());
    suite_add_tcase(suite, place_tests());
    suite_add_tcase(suite, open_tests());
    return run_suite(suite);
}
