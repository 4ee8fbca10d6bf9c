/* SPDX-License-Identifier: MIT */
/*
 * What a waiting thread is told, and when it is woken, on a simulated disk whose syncs are held up: a
 * record that is durable gets no later error, one whose append gave up can be asked about, and a flush
 * wakes only the threads that wait for it.
 */
#include "logfile_sim.h"
#include "support.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define LOG_PATH "waits.log"

enum {
    RECORD_BYTES = 100
};

static struct logfile_sim *disk;
static struct logfile_options options;
static struct logfile_lab lab;

static void begin(void)
{
    watchdog_start(60, "waits");
    disk = logfile_sim_new(&(struct logfile_sim_options){0});
    /* Without threads of the log's own: each append is an epoch, and each case the same each time. */
    lab = (struct logfile_lab){.flusher = LOGFILE_FLUSHER_LEADER};
    options = (struct logfile_options){.slot_bytes = 16 << 10,
                                       .prepare = LOGFILE_PREPARE_NONE,
                                       .io = logfile_sim_io(disk),
                                       .lab = &lab};
}

static void end(void)
{
    ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
    logfile_sim_free(disk);
    watchdog_stop();
}

static struct logfile *open_log(void)
{
    struct logfile *log;

    ck_assert_int_eq(logfile_open(LOG_PATH, &options, NULL, &log), 0);
    return log;
}

START_TEST(a_durable_record_gets_no_later_error)
{
    const uint8_t payload[RECORD_BYTES] = {0};
    uint64_t lsn, later_lsn = 0;

    begin();
    struct logfile *log = open_log();
    ck_assert_int_eq(logfile_append(log, payload, sizeof payload, &lsn), 0);
    logfile_sim_fault(disk, &(struct logfile_sim_fault){.call = LOGFILE_SIM_SYNC, .error = -EIO});
    ck_assert_int_eq(logfile_append(log, payload, sizeof payload, &later_lsn), LOGFILE_EFAILED);
    ck_assert_int_eq(logfile_wait(log, lsn, NULL), 0);
    ck_assert_int_eq(logfile_wait(log, later_lsn, NULL), LOGFILE_EFAILED);
    ck_assert_int_eq(logfile_close(log), LOGFILE_EFAILED);
    end();
}
END_TEST

/* With io and its gate at the sync: an append that gives up; what becomes of it. */
static int outcome_of_an_append_that_gave_up(bool fails)
{
    const struct timespec deadline = deadline_in_ms(20);
    uint8_t payload[RECORD_BYTES];
    struct logfile *log = open_log();
    uint64_t lsn = 0;
    int error;

    payload_fill(payload, sizeof payload, 0);
    logfile_sim_gate_close(disk, LOGFILE_SIM_SYNC);
    ck_assert_int_eq(logfile_append_until(log, payload, sizeof payload, &deadline, &lsn),
                     -ETIMEDOUT);
    ck_assert_uint_ne(lsn, 0);
    if (fails)
        logfile_sim_fault(disk, &(struct logfile_sim_fault){
                                    .call = LOGFILE_SIM_SYNC, .error = -EIO, .for_ever = true});
    logfile_sim_gate_open(disk);
    error = logfile_wait(log, lsn, NULL);
    logfile_sim_fault_clear(disk);
    logfile_close(log);
    return error;
}

START_TEST(an_append_that_gave_up_can_be_asked_about)
{
    for (int fails = 0; fails < 2; fails++) {
        begin();
        lab.flusher = LOGFILE_FLUSHER_SEQUENCER;
        options.io_mode = LOGFILE_IO_BUFFERED;
        ck_assert_int_eq(outcome_of_an_append_that_gave_up(fails), fails ? LOGFILE_EFAILED : 0);
        end();
    }
}
END_TEST

enum {
    LATER_WAITERS = 8
};

struct waiter {
    pthread_t thread;
    struct logfile *log;
    uint64_t lsn; /* 0: append a record instead */
    int error;
};

static void *wait_for_record(void *arg)
{
    struct waiter *waiter = arg;
    uint8_t payload[RECORD_BYTES] = {0};

    waiter->error = waiter->lsn != 0 ? logfile_wait(waiter->log, waiter->lsn, NULL)
                                     : logfile_append(waiter->log, payload, sizeof payload, NULL);
    return NULL;
}

static void start_waiter(struct waiter *waiter, struct logfile *log, uint64_t lsn)
{
    *waiter = (struct waiter){.log = log, .lsn = lsn};
    ck_assert_int_eq(pthread_create(&waiter->thread, NULL, wait_for_record, waiter), 0);
}

static uint64_t sleep_count(struct logfile *log)
{
    struct logfile_stats stats;

    ck_assert_int_eq(logfile_stats(log, &stats, sizeof stats), 0);
    return stats.waits_durable;
}

/* One thread waits for an epoch whose sync is held up, LATER_WAITERS for the one after it, which
 * sync is slow.  How often they went to sleep, all in all, once all of them slept. */
static uint64_t sleeps_over_two_flushes(enum logfile_engine engine)
{
    struct waiter waiters[1 + LATER_WAITERS];
    uint8_t payload[RECORD_BYTES] = {0};
    uint64_t first_lsn = 0, later_lsn, sleeps;
    struct logfile *log;

    lab.engine = engine;
    lab.flusher = LOGFILE_FLUSHER_SEQUENCER;
    lab.wait = LOGFILE_WAIT_BLOCK;
    log = open_log();
    logfile_sim_gate_close(disk, LOGFILE_SIM_SYNC);
    if (engine == LOGFILE_ENGINE_RING)
        ck_assert_int_eq(logfile_submit(log, payload, sizeof payload, NULL, &first_lsn), 0);
    start_waiter(&waiters[0], log, first_lsn);
    ck_assert(logfile_sim_gate_is_reached(disk, 600000));
    ck_assert_int_eq(logfile_submit(log, payload, sizeof payload, NULL, &later_lsn), 0);
    for (unsigned i = 1; i <= LATER_WAITERS; i++)
        start_waiter(&waiters[i], log, later_lsn);
    while (sleep_count(log) < LATER_WAITERS + (engine == LOGFILE_ENGINE_RING))
        sleep_us(1000);
    sleep_us(50000); /* from counting itself to sleeping it is a few instructions */
    logfile_sim_delay(disk, LOGFILE_SIM_SYNC, 300000);
    logfile_sim_gate_open(disk);
    for (unsigned i = 0; i <= LATER_WAITERS; i++) {
        ck_assert_int_eq(pthread_join(waiters[i].thread, NULL), 0);
        ck_assert_int_eq(waiters[i].error, 0);
    }
    sleeps = sleep_count(log);
    ck_assert_int_eq(logfile_close(log), 0);
    return sleeps;
}

START_TEST(a_flush_wakes_only_the_threads_that_wait_for_it)
{
    begin();
    /* The broadcast of the mutex engine wakes all of them, one flushes, and the others go back to
     * sleep. */
    ck_assert_uint_gt(sleeps_over_two_flushes(LOGFILE_ENGINE_MUTEX), LATER_WAITERS + 1);
    end();
    begin();
    ck_assert_uint_eq(sleeps_over_two_flushes(LOGFILE_ENGINE_RING), LATER_WAITERS + 1);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("waits");
    TCase *tcase = tcase_create("waits");

    tcase_set_timeout(tcase, 600);
    tcase_add_test(tcase, a_durable_record_gets_no_later_error);
    tcase_add_test(tcase, an_append_that_gave_up_can_be_asked_about);
    tcase_add_test(tcase, a_flush_wakes_only_the_threads_that_wait_for_it);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
