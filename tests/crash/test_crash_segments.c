/* SPDX-License-Identifier: MIT */
/*
 * Power cuts, and processes that die, on the simulated disk: logs of small segments, and logs of one
 * file, that are trimmed while they are written.  crash_run.h tells what a case is.
 *
 *     test_crash_segments               the cases of a run
 *     test_crash_segments SEED [TIMES]  one case, as printed by a failure
 *
 * A log of segments has a thread of its own that makes them, so a case is not the same each time:
 * what breaks is made again until it breaks.
 */
#include "crash_run.h"

#include "tool/tool.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_PATH "crash.log"

enum {
    KIB = 1 << 10,
    REPLAYS = 500,
    SPARE_SEGMENTS_MAX = 8 /* released ones that a log keeps, at most */
};

/* ---- What verify says ---- */

/* A crash leaves nothing that verify takes for damage: at most a copy of the trim mark that was being
 * written. */
static bool check_with_verify(struct crash_run *run, struct logfile_sim *disk, bool is_closed)
{
    char *report = NULL;
    size_t report_bytes;
    FILE *out = open_memstream(&report, &report_bytes);

    if (out == NULL)
        abort();
    int status = lf_tool_verify_log(logfile_sim_io(disk), LOG_PATH, out);
    fclose(out);
    bool good = status == LF_TOOL_OK || (status == LF_TOOL_TORN && !is_closed);
    if (!good)
        snprintf(run->why, sizeof run->why, "verify: %d: %.200s", status, report);
    free(report);
    return run->why[0] == '\0';
}

static bool check_crashed(struct crash_run *run, struct logfile_sim *disk)
{
    return check_with_verify(run, disk, false);
}

/* ---- What is in the directory ---- */

struct names {
    uint64_t lowest; /* indices of segments */
    uint64_t highest;
    unsigned segment_count;
    uint64_t first; /* those below have been released */
    unsigned released_count;
    unsigned foreign_count;
    char foreign[64]; /* one of them */
};

static void look_at_name(void *arg, const char *name)
{
    struct names *names = arg;
    char *end;
    uint64_t index = strtoull(name, &end, 16);

    if (strcmp(name, "control") == 0)
        return;
    if (end != name + 16 || strcmp(end, ".segment") != 0) {
        names->foreign_count++;
        snprintf(names->foreign, sizeof names->foreign, "%s", name);
        return;
    }
    if (names->segment_count == 0)
        names->lowest = index;
    names->highest = index;
    names->segment_count++;
    names->released_count += index < names->first;
}

static bool fails_with_names(struct crash_run *run, const char *what, const struct names *names)
{
    snprintf(run->why, sizeof run->why,
             "%s: %u segments from %" PRIu64 " to %" PRIu64 ", %u other names %s", what,
             names->segment_count, names->lowest, names->highest, names->foreign_count,
             names->foreign);
    return false;
}

/* Of what was trimmed there are the segments that wait to be recycled; and one segment at most is
 * being made. */
static bool check_trimmed_directory(struct crash_run *run, struct logfile_sim *disk,
                                    uint64_t oldest_lsn)
{
    uint64_t first = oldest_lsn / run->options.segment_bytes;
    struct names names = {.first = first};

    logfile_sim_list(disk, LOG_PATH, look_at_name, &names);
    if (names.released_count > SPARE_SEGMENTS_MAX || names.foreign_count > 1)
        return fails_with_names(run, "trimmed, and too much is left", &names);
    return true;
}

/* The size is asked for last: it can only grow meanwhile. */
static bool check_trimmed_file(struct crash_run *run, struct logfile_sim *disk, uint64_t oldest_lsn)
{
    uint64_t used_bytes = logfile_sim_used_bytes(disk, LOG_PATH);
    uint64_t bytes = logfile_sim_file_bytes(disk, LOG_PATH);

    if (!run->disk_options.no_punch && used_bytes > bytes + 4 * KIB - (oldest_lsn - 16 * KIB))
        return crash_fails(run, "trimmed, and the space was not given back", 0);
    return true;
}

static bool check_trimmed(struct crash_run *run, struct logfile_sim *disk, uint64_t oldest_lsn)
{
    return run->options.segment_bytes == 0 ? check_trimmed_file(run, disk, oldest_lsn)
                                           : check_trimmed_directory(run, disk, oldest_lsn);
}

static bool read_end_lsn(struct crash_run *run, struct logfile_sim *disk, uint64_t *end_lsn)
{
    struct logfile_reader *reader;
    struct logfile_record record;
    struct logfile_tail tail;
    int error = logfile_reader_open(
        LOG_PATH, &(struct logfile_reader_options){.io = logfile_sim_io(disk)}, &reader);

    if (error != 0)
        return crash_fails(run, "opening a reader of a closed log", error);
    while (logfile_reader_next(reader, &record) == 1)
        continue;
    error = logfile_reader_tail(reader, &tail, sizeof tail);
    logfile_reader_close(reader);
    if (error != 0 || tail.verdict != LOGFILE_CLEAN)
        return crash_fails(run, "a closed log is not clean", error);
    *end_lsn = tail.end_lsn;
    return true;
}

/* A log that was closed has the segments from its first to its last byte, and nothing else. */
static bool check_closed_directory(struct crash_run *run, struct logfile_sim *disk,
                                   uint64_t oldest_lsn, uint64_t end_lsn)
{
    uint64_t first = oldest_lsn / run->options.segment_bytes;
    uint64_t last = (end_lsn - 1) / run->options.segment_bytes;
    struct names names = {0};

    logfile_sim_list(disk, LOG_PATH, look_at_name, &names);
    if (names.foreign_count > 0)
        return fails_with_names(run, "a closed log has names that are not its own", &names);
    if (names.segment_count != names.highest - names.lowest + 1)
        return fails_with_names(run, "a closed log has a gap", &names);
    if (names.lowest != first || names.highest < last || names.highest > last + 1)
        return fails_with_names(run, "a closed log has other segments than it needs", &names);
    return true;
}

static bool check_closed_file(struct crash_run *run, struct logfile_sim *disk, uint64_t end_lsn)
{
    if (logfile_sim_file_bytes(disk, LOG_PATH) != end_lsn)
        return crash_fails(run, "a closed log has bytes behind its end", 0);
    return true;
}

static bool check_closed(struct crash_run *run, struct logfile_sim *disk, uint64_t oldest_lsn)
{
    uint64_t end_lsn = 0;

    if (!check_with_verify(run, disk, true) || !read_end_lsn(run, disk, &end_lsn))
        return false;
    return run->options.segment_bytes == 0 ? check_closed_file(run, disk, end_lsn)
                                           : check_closed_directory(run, disk, oldest_lsn, end_lsn);
}

/* ---- The plan ---- */

static void plan_disk(struct crash_run *run)
{
    struct logfile_sim_options *options = &run->disk_options;

    options->no_direct = rng_one_in(&run->rng, 4);
    options->no_allocate = rng_one_in(&run->rng, 16);
    options->no_punch = rng_one_in(&run->rng, 8);
    if (rng_one_in(&run->rng, 6))
        options->capacity_bytes = (128 + 4 * rng_below(&run->rng, 128)) * KIB;
}

/* Slots so large that the last epochs of a segment have room for a part of one only. */
static void plan_short_epochs(struct crash_run *run)
{
    run->options.slot_bytes = 32 * KIB;
    run->options.segment_bytes += 40 * KIB;
}

static void plan_log(struct crash_run *run)
{
    uint64_t slot_bytes = rng_one_in(&run->rng, 6) ? 16 * KIB : 8 * KIB;

    run->options.slot_bytes = slot_bytes;
    run->lab.slot_count = rng_one_in(&run->rng, 2) ? 2 : 4;
    run->options.prepare_bytes = 64 * KIB;
    if (!rng_one_in(&run->rng, 4))
        run->options.segment_bytes = slot_bytes + (20 + 4 * rng_below(&run->rng, 8)) * KIB;
    if (run->seed % 4 == 3 && run->options.segment_bytes != 0)
        plan_short_epochs(run);
}

static void plan_run(struct crash_run *run)
{
    /* The longest are for segments that are written to again after they were recycled. */
    static const unsigned distances[] = {20, 60, 250, 250, 700, 700, 700, 2500};
    unsigned distance = distances[rng_below(&run->rng, 8)];

    run->path = LOG_PATH;
    run->thread_count = 1;
    if (rng_one_in(&run->rng, 40))
        run->thread_count = 2 + (unsigned)rng_below(&run->rng, CRASH_THREADS_MAX - 1);
    run->trim_one_in = 3 + (unsigned)rng_below(&run->rng, 12);
    run->step_count_max = 16 + distance / 6;
    run->crash_within = distance;
    run->recrash_within = 30;
    run->check_crashed = check_crashed;
    run->check_trimmed = check_trimmed;
    run->check_closed = check_closed;
    run->aims = true;
    plan_log(run);
    plan_disk(run);
    crash_choose_engine(run);
}

/* ---- A full disk ---- */

/* Whatever the capacity, the log meets the full disk ahead of its data: it has no room, and has not
 * failed. */
static void fill_disk(uint64_t capacity_bytes)
{
    const struct logfile_sim_options disk_options = {.capacity_bytes = capacity_bytes,
                                                     .no_allocate = true};
    struct logfile_sim *disk = logfile_sim_new(&disk_options);
    const struct logfile_options options = {
        .io = logfile_sim_io(disk),
        .lab = &(struct logfile_lab){.flusher = LOGFILE_FLUSHER_LEADER},
        .prepare = LOGFILE_PREPARE_ALLOCATE,
        .prepare_bytes = 64 * KIB,
        .slot_bytes = 8 * KIB,
        .segment_bytes = 128 * KIB};
    struct logfile *log;

    int error = logfile_open(LOG_PATH, &options, NULL, &log);
    if (error == 0) {
        while ((error = logfile_append(log, "x", 1, NULL)) == 0)
            continue;
        ck_assert_msg(logfile_close(log) == 0, "%" PRIu64 " bytes: close", capacity_bytes);
    }
    ck_assert_msg(error == -ENOSPC, "%" PRIu64 " bytes: %s", capacity_bytes,
                  logfile_strerror(error));
    logfile_sim_free(disk);
}

/* There a segment that exists is made of header and name, and has no room before zeros are in
 * it. */
START_TEST(test_a_full_disk_that_cannot_allocate_fails_no_log)
{
    for (uint64_t capacity_bytes = 32 * KIB; capacity_bytes <= 512 * KIB; capacity_bytes += 4 * KIB)
        fill_disk(capacity_bytes);
}
END_TEST

/* ---- The tests ---- */

static const struct crash_program program = {"test_crash_segments", plan_run, REPLAYS};

START_TEST(test_promises_hold_in_every_crash_state)
{
    crash_run_cases(&program, scaled(1000, 150000, 30000000));
}
END_TEST

START_TEST(test_a_lying_sync_is_noticed)
{
    ck_assert_uint_ge(crash_count_caught(&program, CRASH_PLANT_SYNC_LIES, 100), 50);
}
END_TEST

START_TEST(test_rot_of_a_synced_byte_is_noticed)
{
    ck_assert_uint_ge(crash_count_caught(&program, CRASH_PLANT_ROT, 100), 80);
}
END_TEST

START_TEST(test_an_early_acknowledgement_is_noticed)
{
    ck_assert_uint_ge(crash_count_caught(&program, CRASH_PLANT_EARLY_ACK, 200), 10);
}
END_TEST

START_TEST(test_a_trim_that_is_forgotten_is_noticed)
{
    ck_assert_uint_ge(crash_count_caught(&program, CRASH_PLANT_UNTRIM, 100), 50);
}
END_TEST

static Suite *crash_suite(void)
{
    Suite *suite = suite_create("crash_segments");
    TCase *promises = tcase_create("promises");
    TCase *plants = tcase_create("the test itself");

    tcase_set_timeout(promises, (double)scaled(600, 600, 360000));
    tcase_add_test(promises, test_promises_hold_in_every_crash_state);
    tcase_add_test(promises, test_a_full_disk_that_cannot_allocate_fails_no_log);
    suite_add_tcase(suite, promises);
    tcase_set_timeout(plants, 300);
    tcase_add_test(plants, test_a_lying_sync_is_noticed);
    tcase_add_test(plants, test_rot_of_a_synced_byte_is_noticed);
    tcase_add_test(plants, test_an_early_acknowledgement_is_noticed);
    tcase_add_test(plants, test_a_trim_that_is_forgotten_is_noticed);
    suite_add_tcase(suite, plants);
    return suite;
}

int main(int argc, char **argv)
{
    return argc == 1 ? run_suite(crash_suite())
                     : crash_replay(&program, argv + 1, (unsigned)argc - 1);
}
