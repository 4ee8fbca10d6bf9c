/* SPDX-License-Identifier: MIT */
/*
 * A device that hangs, and one that is slow in the wrong moment.
 *
 * A call with a deadline comes back in time although a sync, a write or an allocation does not, and
 * what it left behind can be asked for again.  And no epoch is written into a range that a
 * zero-fill in flight could still overwrite.
 */
#include "journal.h"
#include "logfile_sim.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define LOG_PATH "hang.log"

static struct logfile_sim *disk;
static struct logfile *hung_log;
static struct variant variant;
static struct journal journal;

static void begin(int index, enum logfile_prepare prepare)
{
    engine_variant_get((unsigned)index, &variant);
    watchdog_start(60, variant.name);
    disk = logfile_sim_new(NULL);
    variant.options.slot_bytes = 8 << 10;
    variant.options.prepare = prepare;
    variant.options.prepare_bytes = 64 << 10;
    variant.options.io = logfile_sim_io(disk);
    ck_assert_int_eq(logfile_open(LOG_PATH, &variant.options, NULL, &hung_log), 0);
}

static void end(void)
{
    char why[JOURNAL_WHY_BYTES];

    ck_assert_int_eq(logfile_close(hung_log), 0);
    ck_assert_msg(journal_compare_path(&journal, LOG_PATH, logfile_sim_io(disk), why), "%s: %s",
                  variant.name, why);
    ck_assert_uint_eq(logfile_sim_overlap_count(disk), 0);
    journal_free(&journal);
    logfile_sim_free(disk);
    watchdog_stop();
}

/* Appends with a deadline 50 ms away, while the device hangs: what holds it holds it for ever. */
static int append_in_time(size_t size, bool submits, uint64_t *lsnp)
{
    static uint64_t seed;
    uint8_t payload[8 << 10];
    struct timespec deadline = deadline_in_ms(50);

    seed++;
    payload_fill(payload, size, seed);
    *lsnp = UINT64_MAX;
    int error = submits ? logfile_submit(hung_log, payload, size, &deadline, lsnp)
                        : logfile_append_until(hung_log, payload, size, &deadline, lsnp);
    if (*lsnp != UINT64_MAX)
        journal_add(&journal, *lsnp, seed, size, error == 0 && !submits);
    return is_late(error) ? -ETIMEDOUT : error;
}

/* Every call with a deadline, while nothing becomes durable. */
static void check_everything_times_out(uint64_t pending_lsn)
{
    struct timespec deadline = deadline_in_ms(50);
    uint64_t lsn;

    ck_assert_int_eq(logfile_wait(hung_log, pending_lsn, &deadline), -ETIMEDOUT);
    ck_assert_int_eq(logfile_sync(hung_log, &deadline), -ETIMEDOUT);
    /* The ring fills: pending as long as there is room, not written after that. */
    int error;
    unsigned count = 0;
    do {
        error = append_in_time(4000, true, &lsn);
        ck_assert_uint_lt(count++, 64);
    } while (error == 0);
    ck_assert_int_eq(error, -ETIMEDOUT);
    ck_assert_uint_eq(lsn, UINT64_MAX);
    ck_assert_int_eq(append_in_time(8000, false, &lsn), -ETIMEDOUT);
    ck_assert_uint_eq(lsn, UINT64_MAX);
}

/* Only flushers with a thread of their own promise to keep deadlines; variants 0 and 1. */
enum {
    KEEPS_DEADLINES = 2
};

/* Loop test: each flusher that keeps deadlines, each call of a commit. */
START_TEST(test_a_hung_commit)
{
    static const enum logfile_sim_call calls[] = {LOGFILE_SIM_SYNC, LOGFILE_SIM_WRITE};
    uint64_t lsns[3];

    begin(_i / 2, LOGFILE_PREPARE_NONE);
    ck_assert_int_eq(logfile_append(hung_log, "", 0, &lsns[0]), 0);
    journal_add(&journal, lsns[0], 0, 0, true);
    logfile_sim_gate_close(disk, calls[_i % 2]);
    ck_assert_int_eq(append_in_time(100, false, &lsns[1]), -ETIMEDOUT);
    ck_assert_uint_ne(lsns[1], UINT64_MAX);
    ck_assert(logfile_sim_gate_is_reached(disk, 600000));
    ck_assert_int_eq(append_in_time(200, false, &lsns[2]), -ETIMEDOUT);
    ck_assert_uint_ne(lsns[2], UINT64_MAX);
    check_everything_times_out(lsns[1]);
    /* What was durable before is so whatever hangs. */
    struct timespec past = deadline_in_ms(-1);
    ck_assert_int_eq(logfile_wait(hung_log, lsns[0], &past), 0);
    ck_assert_uint_le(logfile_durable_lsn(hung_log), lsns[1]);

    logfile_sim_gate_open(disk);
    ck_assert_int_eq(logfile_wait(hung_log, lsns[1], NULL), 0);
    ck_assert_int_eq(logfile_wait(hung_log, lsns[2], NULL), 0);
    ck_assert_int_eq(logfile_sync(hung_log, NULL), 0);
    journal_ack_below(&journal, UINT64_MAX);
    end();
}
END_TEST

START_TEST(test_shutdown_while_a_sync_hangs)
{
    uint64_t lsn;

    begin(_i, LOGFILE_PREPARE_NONE);
    logfile_sim_gate_close(disk, LOGFILE_SIM_SYNC);
    ck_assert_int_eq(append_in_time(100, false, &lsn), -ETIMEDOUT);
    ck_assert(logfile_sim_gate_is_reached(disk, 600000));
    for (unsigned i = 0; i < 2; i++) {
        struct timespec deadline = deadline_in_ms(50);
        ck_assert_int_eq(logfile_shutdown(hung_log, &deadline), -ETIMEDOUT);
    }
    logfile_sim_gate_open(disk);
    ck_assert_int_eq(logfile_shutdown(hung_log, NULL), 0);
    ck_assert_int_eq(logfile_wait(hung_log, lsn, NULL), 0);
    journal_ack_below(&journal, UINT64_MAX);
    end();
}
END_TEST

/* An allocation that hangs is off the commit path until the room ahead is used up; then appends
 * wait for it, and no longer than they said. */
START_TEST(test_a_hung_allocation)
{
    uint64_t lsn;
    unsigned count = 0;
    int error;

    begin(_i, LOGFILE_PREPARE_ALLOCATE);
    logfile_sim_gate_close(disk, LOGFILE_SIM_ALLOCATE);
    do {
        error = append_in_time(4000, false, &lsn);
        ck_assert_uint_lt(count++, 100);
    } while (error == 0);
    ck_assert_int_eq(error, -ETIMEDOUT);
    ck_assert_uint_eq(lsn, UINT64_MAX);
    ck_assert_uint_ge(count, 2);
    ck_assert(logfile_sim_gate_is_reached(disk, 600000));
    logfile_sim_gate_open(disk);
    ck_assert_int_eq(logfile_append(hung_log, "", 0, &lsn), 0);
    journal_add(&journal, lsn, 0, 0, true);
    end();
}
END_TEST

/* ---- A zero-fill races an epoch ---- */

struct racer {
    pthread_t thread;
    struct journal journal;
    unsigned count;
    unsigned pause_us; /* between appends: a stream that is too fast is not prepared for */
    int error;
};

static void *append_many(void *argument)
{
    struct racer *racer = argument;
    static uint8_t payload[6000];

    for (unsigned i = 0; i < racer->count && racer->error == 0; i++) {
        uint64_t lsn;
        payload_fill(payload, sizeof payload, i);
        racer->error = logfile_append(hung_log, payload, sizeof payload, &lsn);
        if (racer->error == 0)
            journal_add(&racer->journal, lsn, i, sizeof payload, true);
        if (racer->pause_us > 0)
            sleep_us(racer->pause_us);
    }
    return NULL;
}

/* Waits until nothing moves any more: the writer is at the range of the zero-fill, or done. */
static void wait_for_standstill(void)
{
    uint64_t before;

    do {
        before = logfile_durable_lsn(hung_log);
        sleep_us(100000);
    } while (logfile_durable_lsn(hung_log) != before);
}

START_TEST(test_no_epoch_is_written_into_a_zero_fill)
{
    /* More than the preparer had written before the gate closed, so that it has to come back. */
    struct racer racer = {.count = 1500, .pause_us = 200};
    struct logfile_stats stats;

    begin(_i, LOGFILE_PREPARE_ZERO);
    logfile_sim_gate_close(disk, LOGFILE_SIM_ZERO_FILL);
    ck_assert_int_eq(pthread_create(&racer.thread, NULL, append_many, &racer), 0);
    ck_assert(logfile_sim_gate_is_reached(disk, 600000));
    wait_for_standstill();
    ck_assert_uint_eq(logfile_sim_overlap_count(disk), 0);
    logfile_sim_gate_open(disk);
    pthread_join(racer.thread, NULL);
    ck_assert_int_eq(racer.error, 0);
    journal_take(&journal, &racer.journal);
    ck_assert_int_eq(logfile_stats(hung_log, &stats, sizeof stats), 0);
    /* It was a race: the writer did come to the range. */
    ck_assert_uint_ge(stats.waits_zero_fill, 1);
    end();
}
END_TEST

/* The same with the timing left to chance: slow zero-fills, and writers that overtake them. */
START_TEST(test_zero_fills_never_overlap_epochs)
{
    struct racer racer = {.count = (unsigned)scaled(100, 400, 100000)};

    begin(0, LOGFILE_PREPARE_ZERO);
    logfile_sim_delay(disk, LOGFILE_SIM_ZERO_FILL, (uint64_t)_i * 300);
    append_many(&racer);
    ck_assert_int_eq(racer.error, 0);
    journal_take(&journal, &racer.journal);
    end();
}
END_TEST

static Suite *hang_suite(void)
{
    Suite *suite = suite_create("hang");
    TCase *tcase = tcase_create("hang");

    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, test_a_hung_commit, 0, KEEPS_DEADLINES * 2);
    tcase_add_loop_test(tcase, test_shutdown_while_a_sync_hangs, 0, KEEPS_DEADLINES);
    tcase_add_loop_test(tcase, test_a_hung_allocation, 0, KEEPS_DEADLINES);
    tcase_add_loop_test(tcase, test_no_epoch_is_written_into_a_zero_fill, 0,
                        (int)engine_variant_count());
    tcase_add_loop_test(tcase, test_zero_fills_never_overlap_epochs, 0, 5);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(hang_suite());
}
