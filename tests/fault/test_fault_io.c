/* SPDX-License-Identifier: MIT */
/*
 * Every call on the disk fails: once and for ever, the first of its kind, the second, and so on for
 * as long as the workload makes any, with each of several errnos, and with short counts.
 *
 * What must hold, whatever fails:
 *   - opening fails with the error of the call, and leaves neither files nor descriptors behind;
 *   - the first failed write or sync fails the log for good: nothing is acknowledged after it, the
 *     cause can be asked for, and what was durable before it still counts as durable;
 *   - reopening, on the same machine or after a power cut, gives what was acknowledged and nothing
 *     that the disk does not have;
 *   - short counts are no errors.
 */
#include "journal.h"
#include "logfile_sim.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define LOG_PATH "fault.log"
#define LSN_UNSET UINT64_MAX

static const int error_numbers[] = {EIO, ENOSPC, EDQUOT, EFBIG, EINVAL, EROFS, EBADF};
enum {
    ERROR_COUNT = sizeof error_numbers / sizeof error_numbers[0]
};

/* Calls whose failure is no failure of the log. */
static bool is_harmless(enum logfile_sim_call call)
{
    return call == LOGFILE_SIM_CLOSE || call == LOGFILE_SIM_DROP_CACHE ||
           call == LOGFILE_SIM_LOCKED;
}

/* One workload on one disk. */
struct trial {
    struct logfile_sim *disk;
    struct logfile_options options;
    struct logfile_open_report report;
    struct logfile_sim_fault fault;
    struct journal journal;
    struct logfile *log;
    bool failed;          /* the log has said so */
    uint64_t durable_lsn; /* when it did */
    char name[160];
};

static char current[160];

static void trial_begin(struct trial *trial, unsigned variant_index,
                        const struct logfile_sim_fault *fault, enum logfile_prepare prepare)
{
    struct variant variant;

    memset(trial, 0, sizeof *trial);
    engine_variant_get(variant_index, &variant);
    trial->disk = logfile_sim_new(NULL);
    trial->fault = *fault;
    trial->options = variant.options;
    trial->options.slot_bytes = 8 << 10;
    trial->options.prepare = prepare;
    trial->options.prepare_bytes = 32 << 10;
    trial->options.io = logfile_sim_io(trial->disk);
    snprintf(trial->name, sizeof trial->name, "%s, %s call %u %s %s", variant.name,
             logfile_sim_call_name(fault->call), fault->after + 1,
             fault->for_ever ? "and later" : "once",
             fault->error == 0 ? "short" : strerror(-fault->error));
    memcpy(current, trial->name, sizeof current);
    watchdog_start(30, current);
}

static void trial_end(struct trial *trial)
{
    ck_assert_msg(logfile_sim_open_count(trial->disk) == 0, "%s: %u descriptors are open",
                  trial->name, logfile_sim_open_count(trial->disk));
    ck_assert_msg(logfile_sim_misuse_count(trial->disk) == 0, "%s: a call broke a rule",
                  trial->name);
    logfile_sim_free(trial->disk);
    journal_free(&trial->journal);
    watchdog_stop();
}

/* ---- Appending while calls fail ---- */

/* Room that cannot be had is no failure: nothing was reserved. */
static bool is_room_error(const struct trial *trial, int error)
{
    return (trial->fault.call == LOGFILE_SIM_ALLOCATE ||
            trial->fault.call == LOGFILE_SIM_ZERO_FILL) &&
           error == trial->fault.error;
}

static void check_failure(struct trial *trial)
{
    struct logfile_failure failure;

    ck_assert_int_eq(logfile_failure(trial->log, &failure), 0);
    ck_assert_msg(failure.error == trial->fault.error, "%s: failure says %d", trial->name,
                  failure.error);
    ck_assert_msg(failure.call[0] != '\0', "%s: failure names no call", trial->name);
    ck_assert_msg(failure.offset <= logfile_sim_file_bytes(trial->disk, LOG_PATH) + (16 << 10),
                  "%s: failure at offset %" PRIu64, trial->name, failure.offset);
    if (!trial->failed) {
        trial->failed = true;
        trial->durable_lsn = logfile_durable_lsn(trial->log);
    }
}

static void note(struct trial *trial, const struct journal_entry *entry, int error)
{
    if (error == 0)
        ck_assert_msg(!trial->failed, "%s: appended to a failed log", trial->name);
    else if (error == LOGFILE_EFAILED)
        check_failure(trial);
    else
        ck_assert_msg(is_room_error(trial, error) && entry->lsn == LSN_UNSET, "%s: append: %s",
                      trial->name, logfile_strerror(error));
    if (entry->lsn != LSN_UNSET)
        journal_add(&trial->journal, entry->lsn, entry->seed, entry->size, entry->acked);
}

static void append(struct trial *trial, size_t size, bool submits)
{
    static uint8_t payload[8 << 10];
    static uint64_t seed;
    struct journal_entry entry = {.lsn = LSN_UNSET, .seed = ++seed, .size = (uint32_t)size};

    payload_fill(payload, size, entry.seed);
    int error = submits ? logfile_submit(trial->log, payload, size, NULL, &entry.lsn)
                        : logfile_append(trial->log, payload, size, &entry.lsn);
    entry.acked = error == 0 && !submits;
    note(trial, &entry, error);
    if (entry.acked)
        journal_ack_below(&trial->journal, entry.lsn);
}

static void flush(struct trial *trial)
{
    int error = logfile_flush(trial->log, NULL);

    if (error == 0)
        journal_ack_below(&trial->journal, UINT64_MAX);
    else
        ck_assert_msg(error == LOGFILE_EFAILED, "%s: flush: %s", trial->name,
                      logfile_strerror(error));
    if (error != 0)
        check_failure(trial);
}

/* Durable stays durable, and nothing else becomes it. */
static void check_waits(struct trial *trial)
{
    uint64_t durable_lsn = logfile_durable_lsn(trial->log);

    if (trial->failed)
        ck_assert_msg(durable_lsn == trial->durable_lsn, "%s: the durable LSN moved after failing",
                      trial->name);
    for (size_t i = 0; i < trial->journal.count; i++) {
        uint64_t lsn = trial->journal.entries[i].lsn;
        int error = logfile_wait(trial->log, lsn, NULL);
        int expected = trial->failed && lsn >= durable_lsn ? LOGFILE_EFAILED : 0;
        ck_assert_msg(error == expected, "%s: wait for %s LSN: %s", trial->name,
                      lsn < durable_lsn ? "a durable" : "another", logfile_strerror(error));
        if (error == 0)
            trial->journal.entries[i].acked = true;
    }
}

static void append_some(struct trial *trial)
{
    append(trial, 100, false);
    append(trial, 0, true);
    append(trial, 3000, true);
    append(trial, 8100, false);
    flush(trial);
    append(trial, 5000, true);
    append(trial, 6000, true);
    append(trial, 5000, false);
    flush(trial);
    for (unsigned i = 0; i < 6; i++)
        append(trial, 4000, i % 2 == 0);
}

/* ---- Opening and closing ---- */

static bool open_log(struct trial *trial)
{
    unsigned files = logfile_sim_file_count(trial->disk);

    trial->log = NULL;
    trial->options.report = &trial->report;
    int error = logfile_open(LOG_PATH, &trial->options, &trial->log);
    if (error == 0)
        return true;
    ck_assert_msg(error == trial->fault.error, "%s: open: %s (%s)", trial->name,
                  logfile_strerror(error), trial->report.message);
    ck_assert_ptr_null(trial->log);
    ck_assert_msg(trial->report.message[0] != '\0', "%s: open does not say what failed",
                  trial->name);
    ck_assert_msg(logfile_sim_open_count(trial->disk) == 0, "%s: open left a descriptor",
                  trial->name);
    if (trial->fault.call != LOGFILE_SIM_UNLINK)
        ck_assert_msg(logfile_sim_file_count(trial->disk) == files, "%s: open left a file",
                      trial->name);
    return false;
}

static void close_log(struct trial *trial)
{
    int error = logfile_close(trial->log);

    if (error == 0)
        journal_ack_below(&trial->journal, UINT64_MAX);
    ck_assert_msg(error == 0 || error == LOGFILE_EFAILED, "%s: close: %s", trial->name,
                  logfile_strerror(error));
    ck_assert_msg(error != 0 || !trial->failed, "%s: close says 0 after a failure", trial->name);
}

static void compare(struct trial *trial, const char *when)
{
    char why[JOURNAL_WHY_BYTES];

    if (logfile_sim_file_bytes(trial->disk, LOG_PATH) == 0 &&
        journal_acked_count(&trial->journal) == 0)
        return; /* it never came into being */
    bool good = journal_sort(&trial->journal, why) &&
                journal_compare_path(&trial->journal, LOG_PATH, trial->options.io, why);
    ck_assert_msg(good, "%s: %s: %s", trial->name, when, why);
}

/* Opens without faults; what recovery then shows must be on the disk. */
static void reopen_and_cut(struct trial *trial)
{
    struct logfile *log;

    logfile_sim_fault_clear(trial->disk);
    int error = logfile_open(LOG_PATH, &trial->options, &log);
    ck_assert_msg(error == 0, "%s: reopening: %s", trial->name, logfile_strerror(error));
    compare(trial, "reopened");
    ck_assert_int_eq(logfile_append(log, "", 0, NULL), 0);
    logfile_sim_crash_at(trial->disk, 1);
    logfile_close(log);
    logfile_sim_reboot_losing_all(trial->disk);
    error = logfile_open(LOG_PATH, &trial->options, &log);
    ck_assert_msg(error == 0, "%s: after a power cut: %s", trial->name, logfile_strerror(error));
    ck_assert_int_eq(logfile_close(log), 0);
}

/* The record that reopen_and_cut appended is the last one. */
static void compare_with_one_more(struct trial *trial)
{
    struct logfile_reader *reader;
    struct logfile_record record = {0};
    size_t count = 0;

    ck_assert_int_eq(logfile_reader_open_io(LOG_PATH, 0, trial->options.io, &reader), 0);
    while (logfile_reader_next(reader, &record) == 1)
        count++;
    logfile_reader_close(reader);
    ck_assert_msg(count == trial->journal.count + 1, "%s: %zu records after a power cut, not %zu",
                  trial->name, count, trial->journal.count + 1);
    ck_assert_uint_eq(record.size, 0);
    journal_add(&trial->journal, record.lsn, 0, 0, true);
    compare(trial, "after a power cut");
}

/* Whether the fault was hit: if not, the workload makes no such call any more. */
static bool run_trial(unsigned variant_index, const struct logfile_sim_fault *fault,
                      enum logfile_prepare prepare)
{
    struct trial trial;

    trial_begin(&trial, variant_index, fault, prepare);
    logfile_sim_fault(trial.disk, fault);
    if (open_log(&trial)) {
        append_some(&trial);
        check_waits(&trial);
        close_log(&trial);
    }
    bool hit = logfile_sim_fault_hits(trial.disk) > 0;
    if (is_harmless(fault->call) || fault->error == 0)
        ck_assert_msg(!trial.failed, "%s: failed the log", trial.name);
    reopen_and_cut(&trial);
    compare_with_one_more(&trial);
    trial_end(&trial);
    return hit;
}

/* ---- The tests ---- */

/* Fails the first call of a kind, the second, ... until the workload makes no more; the trials. */
static unsigned fail_calls(unsigned variant_index, enum logfile_prepare prepare,
                           struct logfile_sim_fault fault)
{
    for (fault.after = 0; fault.after < 100; fault.after++)
        if (!run_trial(variant_index, &fault, prepare))
            break;
    return fault.after;
}

/* Every call of every kind, with every errno. */
static void fail_each_call(unsigned variant_index, enum logfile_prepare prepare, bool for_ever)
{
    unsigned errno_count = (unsigned)scaled(1, ERROR_COUNT, ERROR_COUNT);
    unsigned trials = 0;

    for (enum logfile_sim_call call = 0; call < LOGFILE_SIM_CALL_COUNT; call++) {
        for (unsigned i = 0; i < errno_count; i++) {
            struct logfile_sim_fault fault = {
                .call = call, .for_ever = for_ever, .error = -error_numbers[i]};
            trials += fail_calls(variant_index, prepare, fault);
        }
    }
    /* Even with no preparation, some thirty calls can fail. */
    ck_assert_uint_ge(trials, 30 * errno_count);
}

START_TEST(test_each_call_fails_once)
{
    fail_each_call((unsigned)_i / 3, (enum logfile_prepare)(_i % 3), false);
}
END_TEST

START_TEST(test_each_call_fails_for_ever)
{
    fail_each_call((unsigned)_i / 3, (enum logfile_prepare)(_i % 3), true);
}
END_TEST

START_TEST(test_short_counts)
{
    static const enum logfile_sim_call calls[] = {LOGFILE_SIM_READ, LOGFILE_SIM_WRITE,
                                                  LOGFILE_SIM_ZERO_FILL};

    for (unsigned i = 0; i < 3; i++)
        for (unsigned after = 0; after < 20; after++) {
            struct logfile_sim_fault fault = {
                .call = calls[i], .after = after, .short_bytes = 4096};
            fault.for_ever = after % 2 == 1;
            if (!run_trial((unsigned)_i, &fault, LOGFILE_PREPARE_ZERO))
                break;
        }
}
END_TEST

START_TEST(test_odd_short_counts)
{
    struct trial trial;
    struct logfile_sim_fault fault = {
        .call = LOGFILE_SIM_WRITE, .after = 3, .for_ever = true, .short_bytes = 777};

    trial_begin(&trial, (unsigned)_i, &fault, LOGFILE_PREPARE_NONE);
    trial.options.io_mode = LOGFILE_IO_BUFFERED;
    logfile_sim_fault(trial.disk, &fault);
    ck_assert(open_log(&trial));
    append_some(&trial);
    ck_assert(!trial.failed);
    close_log(&trial);
    logfile_sim_fault_clear(trial.disk);
    fault =
        (struct logfile_sim_fault){.call = LOGFILE_SIM_READ, .for_ever = true, .short_bytes = 1000};
    logfile_sim_fault(trial.disk, &fault);
    compare(&trial, "with short reads");
    trial_end(&trial);
}
END_TEST

/*
 * A sync that failed may have left the cache with what the disk has not.  What a reopened log then
 * shows, it must have made durable.
 */
START_TEST(test_a_failed_sync_does_not_come_back_as_durable)
{
    for (unsigned after = 1; after < 12; after++) {
        for (unsigned mode = LOGFILE_IO_BUFFERED; mode <= LOGFILE_IO_DIRECT; mode++) {
            struct logfile_sim_fault fault = {
                .call = LOGFILE_SIM_SYNC, .after = after, .error = -EIO};
            struct trial trial;
            trial_begin(&trial, (unsigned)_i, &fault, LOGFILE_PREPARE_NONE);
            trial.options.io_mode = (enum logfile_io_mode)mode;
            logfile_sim_fault(trial.disk, &fault);
            if (open_log(&trial)) {
                append_some(&trial);
                check_waits(&trial);
                close_log(&trial);
            }
            reopen_and_cut(&trial);
            compare_with_one_more(&trial);
            trial_end(&trial);
        }
    }
}
END_TEST

/* RWF_DSYNC: the write is the sync. */
START_TEST(test_a_failed_dsync_write)
{
    for (unsigned after = 0; after < 12; after++) {
        struct logfile_sim_fault fault = {.call = LOGFILE_SIM_WRITE, .after = after, .error = -EIO};
        struct trial trial;
        trial_begin(&trial, (unsigned)_i, &fault, LOGFILE_PREPARE_NONE);
        trial.options.sync = LOGFILE_SYNC_DSYNC;
        logfile_sim_fault(trial.disk, &fault);
        if (open_log(&trial)) {
            append_some(&trial);
            check_waits(&trial);
            close_log(&trial);
        }
        reopen_and_cut(&trial);
        compare_with_one_more(&trial);
        trial_end(&trial);
    }
}
END_TEST

/* ---- Many threads ---- */

enum {
    WRITERS = 12
};

struct writer {
    pthread_t thread;
    struct logfile *log;
    uint64_t seed;
    struct journal_entry entry;
    int error;
};

static void *append_one(void *argument)
{
    struct writer *writer = argument;
    uint8_t payload[3000];

    writer->entry =
        (struct journal_entry){.lsn = LSN_UNSET, .seed = writer->seed, .size = sizeof payload};
    payload_fill(payload, sizeof payload, writer->seed);
    writer->error = logfile_append(writer->log, payload, sizeof payload, &writer->entry.lsn);
    return NULL;
}

/* Some wait for durability, the rest for room in the ring, while the call that will fail hangs. */
static void hang_writers(struct trial *trial, struct writer writers[WRITERS])
{
    logfile_sim_gate_close(trial->disk, trial->fault.call);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.log = trial->log, .seed = 1000 + i};
        ck_assert_int_eq(pthread_create(&writers[i].thread, NULL, append_one, &writers[i]), 0);
    }
    ck_assert(logfile_sim_gate_is_reached(trial->disk, 10000));
    /* Time for the others to go to sleep; what is checked holds without it too. */
    sleep_us(20000);
}

/* Loop test: engines, times write or sync. */
START_TEST(test_every_waiter_is_told)
{
    struct logfile_sim_fault fault = {.call = _i % 2 == 0 ? LOGFILE_SIM_SYNC : LOGFILE_SIM_WRITE,
                                      .error = -EIO};
    struct writer writers[WRITERS];
    struct trial trial;

    trial_begin(&trial, (unsigned)_i / 2, &fault, LOGFILE_PREPARE_NONE);
    ck_assert(open_log(&trial));
    append(&trial, 100, false);
    hang_writers(&trial, writers);
    logfile_sim_fault(trial.disk, &fault);
    logfile_sim_gate_open(trial.disk);
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
        ck_assert_msg(writers[i].error == LOGFILE_EFAILED, "%s: writer %u: %s", trial.name, i,
                      logfile_strerror(writers[i].error));
        note(&trial, &writers[i].entry, writers[i].error);
    }
    check_waits(&trial);
    append(&trial, 10, false);
    close_log(&trial);
    reopen_and_cut(&trial);
    compare_with_one_more(&trial);
    trial_end(&trial);
}
END_TEST

static Suite *fault_suite(void)
{
    Suite *suite = suite_create("fault_io");
    TCase *tcase = tcase_create("faults");
    int count = (int)engine_variant_count();

    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, test_each_call_fails_once, 0, count * 3);
    tcase_add_loop_test(tcase, test_each_call_fails_for_ever, 0, count * 3);
    tcase_add_loop_test(tcase, test_short_counts, 0, count);
    tcase_add_loop_test(tcase, test_odd_short_counts, 0, count);
    tcase_add_loop_test(tcase, test_a_failed_sync_does_not_come_back_as_durable, 0, count);
    tcase_add_loop_test(tcase, test_a_failed_dsync_write, 0, count);
    tcase_add_loop_test(tcase, test_every_waiter_is_told, 0, count * 2);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(fault_suite());
}
