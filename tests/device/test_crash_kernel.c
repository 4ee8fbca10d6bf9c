/* SPDX-License-Identifier: MIT */
/*
 * Crash states of real kernels: a log on ext4, XFS and Btrfs, on a disk that keeps a tape of every
 * write and flush.  The tape is cut at many places; of what no flush had followed some is kept and
 * some is lost, by blocks or by sectors.  The kernel mounts what is left, and replays its journal;
 * the library recovers, and the promises at the top of journal.h hold.
 *
 *     test_crash_kernel            the cases of a run
 *     test_crash_kernel CASE       one case, as printed by a failure
 *
 * A case is one workload on one file system and twenty crash states of it.  Its number decides what
 * is asked for; the kernel and the threads decide in which order it arrives.
 */
#include "campaign.h"
#include "device_worker.h"
#include "real_disk.h"
#include "tape.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "tests/device/test_crash_kernel"

enum {
    STATES_A_CASE = 20,
    RECORDS_AFTER = 3, /* appended to what was recovered */
    TEXT_BYTES = 600
};

/* One file system with its disk. */
struct place {
    bool is_ready;
    unsigned file_system;
    const char *name;
    struct fuse_disk *disk;
    struct tape tape;
};
static struct place places[FILE_SYSTEM_COUNT];

/* One case. */
struct run {
    struct place *place;
    unsigned workload;
    struct rng rng;
    struct diary *diary;
    uint64_t cut; /* of the state that broke a promise: so many events had happened */
    char why[JOURNAL_WHY_BYTES];
};

static uint64_t chosen_case = UINT64_MAX;

static void prepare_place(struct place *place, unsigned file_system)
{
    if (place->is_ready)
        return;
    place->is_ready = true;
    place->file_system = file_system;
    place->name = file_system_names[file_system];
    place->disk = disk_start(place->name);
    disk_format(place->name, file_system);
    tape_begin(&place->tape, place->disk);
}

static bool fails(struct run *run, const char *what, const char *why)
{
    char text[JOURNAL_WHY_BYTES];

    snprintf(text, sizeof text, "%s: %.180s", what, why);
    memcpy(run->why, text, sizeof text);
    return false;
}

/* ---- The life ---- */

static bool live(struct run *run)
{
    struct fuse_disk *disk = run->place->disk;
    unsigned lives = 1 + (unsigned)rng_below(&run->rng, 3);
    struct mounted mounted;
    char path[128];
    bool good = true;

    __atomic_store_n(&disk->is_recording, 1, __ATOMIC_RELEASE);
    ck_assert(disk_mount(run->place->name, DISK_FILE_DISK, run->place->file_system, &mounted));
    snprintf(path, sizeof path, "%s/log", mounted.path);
    for (unsigned i = 0; good && i < lives; i++)
        good = device_work(run->workload, path, &run->rng, run->diary, run->why);
    disk_unmount(&mounted);
    __atomic_store_n(&disk->is_recording, 0, __ATOMIC_RELEASE);
    if (disk->is_overrun)
        return fails(run, "the tape", "too short");
    return good || fails(run, "before the crash", run->why);
}

/* ---- What comes after a crash ---- */

static bool append_some(struct run *run, struct logfile *log, struct journal *journal)
{
    uint8_t payload[500];
    uint64_t lsn;

    for (unsigned i = 0; i < RECORDS_AFTER; i++) {
        uint64_t seed = rng_next(&run->rng);
        payload_fill(payload, sizeof payload, seed);
        int error = logfile_append(log, payload, sizeof payload, &lsn);
        if (error != 0)
            return fails(run, "append after recovery", logfile_strerror(error));
        journal_add(journal, lsn, seed, sizeof payload, true);
    }
    return true;
}

static bool go_on(struct run *run, const char *path, struct journal *journal)
{
    struct logfile_open_report report;
    struct logfile_options options;
    struct logfile_lab lab;
    struct logfile *log;

    device_choose_options(run->workload, &run->rng, &options, &lab);
    int error = logfile_open(path, &options, &report, &log);
    if (error != 0)
        return fails(run, logfile_strerror(error), report.message);
    bool good = append_some(run, log, journal);
    error = logfile_close(log);
    if (good && error != 0)
        return fails(run, "close after recovery", logfile_strerror(error));
    return good;
}

static bool read_and_go_on(struct run *run, const char *path, struct journal *journal)
{
    char why[JOURNAL_WHY_BYTES];

    if (access(path, F_OK) != 0)
        return journal_acked_count(journal) == 0 || fails(run, "promised records", "no log");
    if (!journal_compare_path(journal, path, NULL, why))
        return fails(run, "after the crash", why);
    if (!go_on(run, path, journal))
        return false;
    return journal_compare_path(journal, path, NULL, why) ||
           fails(run, "what was appended after the crash", why);
}

static bool check_state(struct run *run, uint64_t event_count)
{
    struct journal journal = {0};
    struct mounted mounted;
    char path[128];

    if (!disk_mount(run->place->name, DISK_FILE_STATE, run->place->file_system, &mounted))
        return fails(run, "the file system itself does not mount", run->place->name);
    snprintf(path, sizeof path, "%s/log", mounted.path);
    diary_journal(run->diary, event_count, &journal);
    bool good = read_and_go_on(run, path, &journal);
    journal_free(&journal);
    disk_unmount(&mounted);
    return good;
}

static int compare_counts(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Half of the cuts are right behind a flush: what it promised is all there is. */
static void choose_cuts(struct run *run, uint64_t cuts[STATES_A_CASE])
{
    const struct fuse_disk *disk = run->place->disk;

    for (unsigned i = 0; i < STATES_A_CASE; i++) {
        cuts[i] = rng_below(&run->rng, disk->event_count + 1);
        while (i % 2 == 0 && cuts[i] > 0 && disk->events[cuts[i] - 1].bytes > 0)
            cuts[i]--;
    }
    qsort(cuts, STATES_A_CASE, sizeof cuts[0], compare_counts);
}

static bool crash_often(struct run *run)
{
    uint64_t cuts[STATES_A_CASE];

    choose_cuts(run, cuts);
    for (unsigned i = 0; i < STATES_A_CASE; i++) {
        tape_make_state(&run->place->tape, cuts[i], &run->rng);
        if (!check_state(run, cuts[i])) {
            run->cut = cuts[i];
            return false;
        }
    }
    return true;
}

/* ---- Cases ---- */

/* False: a promise is broken, `text` says which. */
static bool run_case(uint64_t number, unsigned file_system, bool lies, char text[TEXT_BYTES])
{
    struct run run = {.place = &places[file_system], .rng.state = number + 1};

    prepare_place(run.place, file_system);
    run.workload = (unsigned)(number / FILE_SYSTEM_COUNT % DEVICE_WORKLOAD_COUNT);
    run.place->tape.lies = lies;
    tape_rewind(&run.place->tape);
    run.diary = diary_new(run.place->disk);
    bool good = live(&run) && crash_often(&run);
    diary_free(run.diary);
    snprintf(text, TEXT_BYTES,
             "case %" PRIu64 ": %s, %s, cut behind event %" PRIu64 " of %" PRIu64
             ": %s\nreplay: %s %" PRIu64,
             number, run.place->name, device_workload_names[run.workload], run.cut,
             run.place->disk->event_count, run.why, PROGRAM, number);
    return good;
}

static bool is_there[FILE_SYSTEM_COUNT];

START_TEST(test_promises_hold_in_crash_states_of_real_kernels)
{
    struct campaign campaign =
        campaign_begin_shared("crash_kernel", scaled(3, 15, 7500), 1, FILE_SYSTEM_COUNT);
    char text[TEXT_BYTES];
    uint64_t number;

    while (campaign_next(&campaign, &number)) {
        unsigned file_system = (unsigned)(number % FILE_SYSTEM_COUNT);
        watchdog_start(120, file_system_names[file_system]);
        if (is_there[file_system])
            ck_assert_msg(run_case(number, file_system, false, text), "%s", text);
        campaign_passed(&campaign, is_there[file_system] ? STATES_A_CASE : 0);
        watchdog_stop();
    }
    campaign_end(&campaign);
}
END_TEST

START_TEST(test_chosen_case)
{
    unsigned file_system = (unsigned)(chosen_case % FILE_SYSTEM_COUNT);
    char text[TEXT_BYTES];

    watchdog_start(120, file_system_names[file_system]);
    ck_assert_msg(is_there[file_system], "no %s here", file_system_names[file_system]);
    ck_assert_msg(run_case(chosen_case, file_system, false, text), "%s", text);
    watchdog_stop();
}
END_TEST

/* The test itself: a disk that keeps nothing of what it says it flushed. */
START_TEST(test_a_lying_disk_is_noticed)
{
    char text[TEXT_BYTES];

    watchdog_start(120, "a lying disk");
    if (is_there[_i])
        ck_assert(!run_case((uint64_t)_i, (unsigned)_i, true, text));
    watchdog_stop();
}
END_TEST

static bool look_for_file_systems(void)
{
    bool any = false;

    for (unsigned i = 0; i < FILE_SYSTEM_COUNT; i++) {
        is_there[i] = file_system_is_there(i);
        any = any || is_there[i];
    }
    return any;
}

static int run_tests(void)
{
    Suite *suite = suite_create("crash_kernel");
    TCase *tcase = tcase_create("crash_kernel");

    if (!look_for_file_systems()) {
        printf("skipped: none of the file systems is there\n");
        return 77;
    }
    tcase_set_timeout(tcase, (double)scaled(300, 300, 360000));
    if (chosen_case != UINT64_MAX) {
        tcase_add_test(tcase, test_chosen_case);
    } else {
        tcase_add_test(tcase, test_promises_hold_in_crash_states_of_real_kernels);
        tcase_add_loop_test(tcase, test_a_lying_disk_is_noticed, 0, FILE_SYSTEM_COUNT);
    }
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}

int main(int argc, char **argv)
{
    char *end = NULL;

    if (argc == 2)
        chosen_case = strtoull(argv[1], &end, 0);
    if (argc > 2 || (argc == 2 && (*argv[1] == '\0' || *end != '\0'))) {
        fprintf(stderr, "usage: test_crash_kernel [CASE]\n");
        return 2;
    }
    return in_world_apart(run_tests);
}
