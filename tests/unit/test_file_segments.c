/* SPDX-License-Identifier: MIT */
/*
 * Segments that are made, released and used again, cut off, and found beside names that are not
 * the log's.
 */
#include "file_fixture.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* ---- The suite --------------------------------------------------------------------------------*/

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
    tcase_add_loop_test(tcase, one_file_has_no_foreign_names, 0, PLACE_COUNT);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("file segments");
    suite_add_tcase(suite, extend_tests());
    suite_add_tcase(suite, recycle_tests());
    suite_add_tcase(suite, cut_tests());
    suite_add_tcase(suite, name_tests());
    return run_suite(suite);
}
