/* SPDX-License-Identifier: MIT */
/*
 * Syncs that fail for real: the disk under ext4, XFS or Btrfs refuses one flush, or one write of a
 * record's bytes, and is well again.  A second sync then succeeds without them, while the page cache
 * may still show what the disk lacks.  The log has failed for good; and nothing that a reader or a
 * reopened log reports afterwards is missing on the disk.
 */
#include "device_worker.h"
#include "real_disk.h"
#include "tape.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    RECORDS_BEFORE = 20,
    RECORDS_AFTER = 5,
    RECORD_BYTES = 700,
    CASES_A_FILE_SYSTEM = 4
};

/* What a number of a test stands for. */
struct trial {
    unsigned file_system;
    enum logfile_io_mode io_mode;
    bool fails_write; /* of the record's bytes; else a flush fails */
    char name[64];
    struct fuse_disk *disk;
    struct tape tape;
    struct rng rng;
    struct mounted mounted;
    char path[128];
    struct logfile_options options;
    struct logfile_lab lab;
    struct journal journal;
};

static struct trial trial;

static void begin(int index, uint64_t round)
{
    static const char *const modes[] = {"direct", "buffered"};
    unsigned buffered = (unsigned)index % 2;

    trial.file_system = (unsigned)index / CASES_A_FILE_SYSTEM;
    trial.io_mode = buffered ? LOGFILE_IO_BUFFERED : LOGFILE_IO_DIRECT;
    trial.fails_write = index / 2 % 2 != 0;
    trial.rng.state = (uint64_t)index * 1000 + round;
    snprintf(trial.name, sizeof trial.name, "%s, %s, a %s fails",
             file_system_names[trial.file_system], modes[buffered],
             trial.fails_write ? "write" : "flush");
    watchdog_start(100, trial.name);
    trial.lab = (struct logfile_lab){.engine = (uint32_t)rng_below(&trial.rng, 3),
                                     .flusher = (uint32_t)rng_below(&trial.rng, 3)};
    trial.options = (struct logfile_options){.io_mode = trial.io_mode,
                                             .slot_bytes = 16 << 10,
                                             .prepare_bytes = 64 << 10,
                                             .prepare = (uint32_t)rng_below(&trial.rng, 3),
                                             .lab = &trial.lab};
}

static void mount_file(enum disk_file file)
{
    ck_assert_msg(disk_mount("sync", file, trial.file_system, &trial.mounted), "%s: mount: %s",
                  trial.name, strerror(errno));
    snprintf(trial.path, sizeof trial.path, "%s/log", trial.mounted.path);
}

/* ---- The fault ---- */

/* Returns what the append returned. */
static int append(struct logfile *log, uint64_t seed)
{
    uint8_t payload[RECORD_BYTES];
    uint64_t lsn = UINT64_MAX;

    payload_fill(payload, sizeof payload, seed);
    int error = logfile_append(log, payload, sizeof payload, &lsn);
    if (lsn != UINT64_MAX)
        journal_add(&trial.journal, lsn, seed, sizeof payload, error == 0);
    return error;
}

/* The next write that carries the record's first bytes, or the next flush, fails once. */
static void break_disk(uint64_t seed)
{
    uint8_t payload[RECORD_BYTES];

    payload_fill(payload, sizeof payload, seed);
    memcpy(trial.disk->needle, payload, DISK_NEEDLE_BYTES);
    __atomic_store_n(trial.fails_write ? &trial.disk->fails_writes : &trial.disk->fails_flushes, 1,
                     __ATOMIC_RELEASE);
}

/* A log whose disk has refused something says so from then on, whatever the disk does next. */
static void check_failed_log(struct logfile *log, uint64_t last_good_lsn)
{
    struct logfile_failure failure;

    for (unsigned i = 0; i < RECORDS_AFTER; i++) {
        int error = append(log, rng_next(&trial.rng));
        ck_assert_msg(error == LOGFILE_EFAILED, "%s: an append after the failure: %s", trial.name,
                      logfile_strerror(error));
    }
    ck_assert_int_eq(logfile_sync(log, NULL), LOGFILE_EFAILED);
    ck_assert_int_eq(logfile_wait(log, last_good_lsn, NULL), 0);
    ck_assert_int_eq(logfile_failure(log, &failure, sizeof failure), 0);
    ck_assert_msg(failure.error == -EIO || failure.error == -EROFS, "%s: %s failed: %s", trial.name,
                  failure.call, logfile_strerror(failure.error));
    ck_assert_int_eq(logfile_close(log), LOGFILE_EFAILED);
}

/* The library's own threads sync too: the fault may strike one of theirs, before or after the
 * append's own. */
static void append_until_failed(struct logfile *log)
{
    uint64_t seed = rng_next(&trial.rng);
    uint64_t good_lsn = trial.journal.entries[trial.journal.count - 1].lsn;

    break_disk(seed);
    int error = append(log, seed);
    for (unsigned i = 0; error == 0 && !trial.fails_write && i < 1000; i++) {
        good_lsn = trial.journal.entries[trial.journal.count - 1].lsn;
        error = append(log, rng_next(&trial.rng));
    }
    ck_assert_msg(error == LOGFILE_EFAILED, "%s: %s", trial.name, logfile_strerror(error));
    ck_assert_uint_eq(trial.disk->failed_count, 1);
    check_failed_log(log, good_lsn);
}

/* ---- The trap ---- */

static bool cache_shows_needle(void)
{
    static uint8_t bytes[1 << 20];
    int fd = open(trial.path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : pread(fd, bytes, sizeof bytes, 0);

    if (fd >= 0)
        close(fd);
    return size > 0 && memmem(bytes, (size_t)size, trial.disk->needle, DISK_NEEDLE_BYTES) != NULL;
}

static bool second_sync_succeeds(void)
{
    int fd = open(trial.path, O_RDWR | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return good;
}

static bool disk_holds_needle(void)
{
    return memmem(trial.disk->bytes[DISK_FILE_DISK], DISK_BYTES, trial.disk->needle,
                  DISK_NEEDLE_BYTES) != NULL;
}

/* Through the page cache, the case that this is about: shown, synced without complaint, not there. */
static void check_trap(void)
{
    bool shown = cache_shows_needle();
    bool synced = second_sync_succeeds();
    bool held = disk_holds_needle();

    printf("%s: afterwards the cache %s the record, a second sync %s, the disk %s it\n", trial.name,
           shown ? "shows" : "does not show", synced ? "succeeds" : "fails",
           held ? "holds" : "lacks");
    if (trial.fails_write && trial.io_mode == LOGFILE_IO_BUFFERED)
        ck_assert(shown && synced && !held);
}

/* ---- Afterwards ---- */

static void check_record(const struct logfile_record *record, size_t index)
{
    ck_assert_uint_lt(index, trial.journal.count);
    const struct journal_entry *entry = &trial.journal.entries[index];
    ck_assert_msg(record->lsn == entry->lsn && record->size == entry->size &&
                      payload_matches(record->data, record->size, entry->seed),
                  "%s: record %zu at LSN %" PRIu64 " is not the one at LSN %" PRIu64, trial.name,
                  index, record->lsn, entry->lsn);
}

/* Reads in place, where the page cache is as the failure left it.  A file system may have shut itself
 * down: an error in the place of a record is no report. */
static void read_in_place(void)
{
    struct logfile_reader *reader;
    struct logfile_record record;
    size_t count = 0;
    int result = logfile_reader_open(trial.path, NULL, &reader);

    if (result == 0) {
        while ((result = logfile_reader_next(reader, &record)) == 1)
            check_record(&record, count++);
        logfile_reader_close(reader);
    }
    ck_assert_msg(result > -4096, "%s: read in place: %s", trial.name, logfile_strerror(result));
    printf("%s: %zu records of %zu are read in place, then: %s\n", trial.name, count,
           trial.journal.count, logfile_strerror(result));
    if (count > 0)
        journal_ack_below(&trial.journal, trial.journal.entries[count - 1].lsn + 1);
}

/* What recovery has cut is gone for good, and what it kept is owed. */
static void settle_journal(uint64_t end_lsn)
{
    while (trial.journal.count > 0 &&
           trial.journal.entries[trial.journal.count - 1].lsn >= end_lsn) {
        trial.journal.count--;
        ck_assert_msg(!trial.journal.entries[trial.journal.count].acked,
                      "%s: reopening cut what had been promised", trial.name);
    }
    journal_ack_below(&trial.journal, end_lsn);
}

static void reopen_in_place(void)
{
    struct logfile_open_report report;
    struct logfile *log;

    int error = logfile_open(trial.path, &trial.options, &report, &log);

    ck_assert_msg(error > -4096, "%s: reopened in place: %s", trial.name, logfile_strerror(error));
    printf("%s: reopened in place: %s\n", trial.name, logfile_strerror(error));
    if (error != 0)
        return;
    settle_journal(report.tail.end_lsn);
    for (unsigned i = 0; i < RECORDS_AFTER; i++)
        ck_assert_int_eq(append(log, rng_next(&trial.rng)), 0);
    ck_assert_int_eq(logfile_close(log), 0);
}

/* What was reported is on the disk: it is there when nothing but the disk is left. */
static void check_disk_alone(enum disk_file file, const char *what)
{
    struct journal journal = {0};
    char why[JOURNAL_WHY_BYTES];

    mount_file(file);
    journal_copy(&journal, &trial.journal);
    bool good = journal_compare_path(&journal, trial.path, NULL, why);
    ck_assert_msg(good, "%s: on %s: %s", trial.name, what, why);
    journal_free(&journal);
    disk_unmount(&trial.mounted);
}

static void run_trial(int index, uint64_t round)
{
    struct logfile *log;

    begin(index, round);
    mount_file(DISK_FILE_DISK);
    int error = logfile_open(trial.path, &trial.options, NULL, &log);
    ck_assert_msg(error == 0, "%s: open: %s", trial.name, logfile_strerror(error));
    for (unsigned i = 0; i < RECORDS_BEFORE; i++)
        ck_assert_int_eq(append(log, rng_next(&trial.rng)), 0);
    append_until_failed(log);
    check_trap();
    read_in_place();
    if (round % 2 != 0)
        reopen_in_place();
    tape_copy_disk(&trial.tape);
    disk_unmount(&trial.mounted);
    check_disk_alone(DISK_FILE_STATE, "the disk as it was before unmounting");
    check_disk_alone(DISK_FILE_DISK, "the disk mounted again");
    journal_free(&trial.journal);
    watchdog_stop();
}

START_TEST(test_nothing_is_reported_that_the_disk_lacks)
{
    unsigned file_system = (unsigned)_i / CASES_A_FILE_SYSTEM;

    if (!file_system_is_there(file_system))
        return;
    trial.disk = disk_start("sync");
    disk_format("sync", file_system);
    tape_begin(&trial.tape, trial.disk);
    for (uint64_t round = 0; round < scaled(2, 2, 50); round++) {
        tape_rewind(&trial.tape);
        run_trial(_i, round);
    }
}
END_TEST

static int run_tests(void)
{
    Suite *suite = suite_create("failed_sync");
    TCase *tcase = tcase_create("failed_sync");
    bool any = false;

    for (unsigned i = 0; i < FILE_SYSTEM_COUNT; i++)
        any = file_system_is_there(i) || any;
    if (!any) {
        printf("skipped: none of the file systems is there\n");
        return 77;
    }
    tcase_set_timeout(tcase, (double)scaled(120, 120, 3600));
    tcase_add_loop_test(tcase, test_nothing_is_reported_that_the_disk_lacks, 0,
                        FILE_SYSTEM_COUNT * CASES_A_FILE_SYSTEM);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}

int main(void)
{
    return in_world_apart(run_tests);
}
