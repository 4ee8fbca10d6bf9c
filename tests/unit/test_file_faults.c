/* SPDX-License-Identifier: MIT */
/*
 * A log's files on a disk that fails and crashes.
 */
#include "file_fixture.h"

#include <errno.h>
#include <stdio.h>

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
    ck_assert_int_eq(lf_file_visit_foreign(&file, count_foreign, &count), 0);
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
    tcase_add_test(tcase, recycling_keeps_one_header_valid);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("file faults");
    suite_add_tcase(suite, fault_tests());
    return run_suite(suite);
}
