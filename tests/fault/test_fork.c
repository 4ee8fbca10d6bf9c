/* SPDX-License-Identifier: MIT */
/*
 * Fork.  The child gets LOGFILE_EFORKED from every call on its parent's log, at once, whatever the
 * parent's threads were doing: nothing, appending, or hanging in the midst of a flush, a trim, a
 * shutdown or a close.  The parent notices nothing, and its lock stays, whether the child exits or
 * runs another program.
 */
#include "journal.h"
#include "logfile_sim.h"
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct variant variant;
static struct logfile *parents_log;
static struct journal journal;

static const char *log_path(void)
{
    return folder_path("fork.log");
}

static void begin(int index)
{
    engine_variant_get((unsigned)index, &variant);
    watchdog_start(60, variant.name);
    enter_folder();
    ck_assert_int_eq(logfile_open(log_path(), &variant.options, NULL, &parents_log), 0);
}

static void end(void)
{
    char why[JOURNAL_WHY_BYTES];

    ck_assert_int_eq(logfile_close(parents_log), 0);
    ck_assert_msg(journal_compare_path(&journal, log_path(), NULL, why), "%s: %s", variant.name,
                  why);
    journal_free(&journal);
    leave_folder();
    watchdog_stop();
}

static void append(uint64_t seed)
{
    uint8_t payload[300];
    uint64_t lsn;

    payload_fill(payload, sizeof payload, seed);
    ck_assert_int_eq(logfile_append(parents_log, payload, sizeof payload, &lsn), 0);
    journal_add(&journal, lsn, seed, sizeof payload, true);
}

/* The number of the first call that does not answer as it must in a child; 0: all do. */
static int try_every_call(void)
{
    struct timespec deadline = deadline_in_ms(1000);
    struct iovec iov = {(char[]){"x"}, 1};
    struct logfile_stats stats;
    struct logfile_failure failure;
    struct logfile_lab_stats lab_stats;
    char text[8];
    uint64_t lsn = 4;
    const int results[] = {
        logfile_append(parents_log, "x", 1, &lsn),
        logfile_append_until(parents_log, "x", 1, &deadline, &lsn),
        logfile_appendv(parents_log, &iov, 1, &deadline, &lsn),
        logfile_submitv(parents_log, &iov, 1, &deadline, &lsn),
        logfile_submit(parents_log, "x", 1, &deadline, &lsn),
        logfile_wait(parents_log, 0, &deadline),
        logfile_sync(parents_log, &deadline),
        logfile_trim(parents_log, 0),
        logfile_stats(parents_log, &stats, sizeof stats),
        logfile_failure(parents_log, &failure, sizeof failure),
        logfile_describe(parents_log, LOGFILE_EFAILED, text, sizeof text),
        logfile_lab_stats(parents_log, &lab_stats, sizeof lab_stats),
        logfile_shutdown(parents_log, &deadline),
        logfile_close(parents_log),
    };
    int count = (int)(sizeof results / sizeof results[0]);

    for (int i = 0; i < count; i++)
        if (results[i] != LOGFILE_EFORKED)
            return i + 1;
    if (logfile_durable_lsn(parents_log) != 0 || logfile_next_lsn(parents_log) != 0 ||
        logfile_oldest_lsn(parents_log) != 0)
        return count + 1;
    return lsn == 4 ? 0 : count + 2;
}

static void check_child(int (*child_main)(void))
{
    int status;
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        alarm(20);
        _exit(child_main());
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status), "%s: the child died of signal %d", variant.name,
                  WTERMSIG(status));
    ck_assert_msg(WEXITSTATUS(status) == 0, "%s: check %d in the child", variant.name,
                  WEXITSTATUS(status));
}

static int try_to_open_again(void)
{
    struct logfile *log;

    return logfile_open(log_path(), &variant.options, NULL, &log) == LOGFILE_ELOCKED ? 0 : 1;
}

START_TEST(test_every_call_in_the_child)
{
    begin(_i);
    append(1);
    check_child(try_every_call);
    append(2);
    /* Neither the child's calls nor its end gave the lock away. */
    check_child(try_to_open_again);
    append(3);
    end();
}
END_TEST

/* A log that the child opens itself works, whatever it inherited. */
static int use_a_log_of_its_own(void)
{
    struct logfile *log;

    if (logfile_open(folder_path("child.log"), &variant.options, NULL, &log) != 0)
        return 1;
    for (unsigned i = 0; i < 5; i++)
        if (logfile_append(log, "child", 5, NULL) != 0)
            return 2;
    return logfile_close(log) == 0 ? 0 : 3;
}

START_TEST(test_a_log_of_the_childs_own)
{
    begin(_i);
    append(1);
    check_child(use_a_log_of_its_own);
    append(2);
    end();
}
END_TEST

/* ---- Fork while others append ---- */

enum {
    WRITERS = 3
};

struct writer {
    pthread_t thread;
    uint64_t index;
    struct journal journal;
    uint32_t *stop;
    int error;
};

static void *append_until_stopped(void *argument)
{
    struct writer *writer = argument;
    uint8_t payload[200];

    for (uint64_t i = 0; writer->error == 0 && !__atomic_load_n(writer->stop, __ATOMIC_RELAXED);
         i++) {
        uint64_t lsn;
        uint64_t seed = writer->index << 32 | i;
        payload_fill(payload, sizeof payload, seed);
        writer->error = i % 4 == 0
                            ? logfile_submit(parents_log, payload, sizeof payload, NULL, &lsn)
                            : logfile_append(parents_log, payload, sizeof payload, &lsn);
        if (writer->error == 0)
            journal_add(&writer->journal, lsn, seed, sizeof payload, i % 4 != 0);
    }
    return NULL;
}

START_TEST(test_fork_while_others_append)
{
    struct writer writers[WRITERS] = {0};
    uint32_t stop = 0;

    begin(_i);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i].index = i + 1;
        writers[i].stop = &stop;
        ck_assert_int_eq(
            pthread_create(&writers[i].thread, NULL, append_until_stopped, &writers[i]), 0);
    }
    for (unsigned i = 0; i < scaled(3, 10, 1000); i++)
        check_child(try_every_call);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
        ck_assert_int_eq(writers[i].error, 0);
        journal_take(&journal, &writers[i].journal);
    }
    end();
}
END_TEST

/* ---- Fork in the middle of a call that hangs ---- */

static struct logfile_sim *disk;
static uint64_t durable_lsn; /* of a record that was there before */

struct sleeper {
    pthread_t thread;
    uint64_t seed;
    struct journal journal;
    int error;
};

static void *sleep_in_append(void *argument)
{
    struct sleeper *sleeper = argument;
    uint8_t payload[100];
    uint64_t lsn;

    payload_fill(payload, sizeof payload, sleeper->seed);
    sleeper->error = logfile_append(parents_log, payload, sizeof payload, &lsn);
    if (sleeper->error == 0)
        journal_add(&sleeper->journal, lsn, sleeper->seed, sizeof payload, true);
    return NULL;
}

static void *sleep_in_flush(void *argument)
{
    struct sleeper *sleeper = argument;

    sleeper->error = logfile_sync(parents_log, NULL);
    return NULL;
}

static void *sleep_in_trim(void *argument)
{
    struct sleeper *sleeper = argument;

    sleeper->error = logfile_trim(parents_log, durable_lsn);
    return NULL;
}

static void *sleep_in_shutdown(void *argument)
{
    struct sleeper *sleeper = argument;

    sleeper->error = logfile_shutdown(parents_log, NULL);
    return NULL;
}

static void *sleep_in_close(void *argument)
{
    struct sleeper *sleeper = argument;

    sleeper->error = logfile_close(parents_log);
    return NULL;
}

/* The first sleeper reaches the sync that hangs; the others sleep for it. */
enum {
    SLEEPERS = 3
};
static const struct phase {
    const char *name;
    void *(*sleep[SLEEPERS])(void *);
    bool closes;
} phases[] = {
    {"a flush is under way", {sleep_in_append}, false},
    {"waiters sleep", {sleep_in_append, sleep_in_append, sleep_in_flush}, false},
    {"a trim is under way", {sleep_in_trim}, false},
    {"a shutdown is under way", {sleep_in_shutdown}, false},
    {"several shut down", {sleep_in_shutdown, sleep_in_shutdown}, false},
    {"a close is under way", {sleep_in_close}, true},
};
enum {
    PHASE_COUNT = sizeof phases / sizeof phases[0]
};

static void begin_hanging(int index, const struct phase *phase)
{
    size_t length;

    engine_variant_get((unsigned)index, &variant);
    length = strlen(variant.name);
    snprintf(variant.name + length, sizeof variant.name - length, ", %s", phase->name);
    watchdog_start(60, variant.name);
    disk = logfile_sim_new(NULL);
    variant.options.prepare = LOGFILE_PREPARE_NONE;
    variant.options.io = logfile_sim_io(disk);
    ck_assert_int_eq(logfile_open("fork.log", &variant.options, NULL, &parents_log), 0);
    append(1);
    append(2);
    durable_lsn = journal.entries[1].lsn;
    logfile_sim_gate_close(disk, LOGFILE_SIM_SYNC);
}

static void end_hanging(const struct phase *phase)
{
    char why[JOURNAL_WHY_BYTES];

    if (!phase->closes)
        ck_assert_int_eq(logfile_close(parents_log), 0);
    ck_assert_msg(journal_compare_path(&journal, "fork.log", variant.options.io, why), "%s: %s",
                  variant.name, why);
    journal_free(&journal);
    logfile_sim_free(disk);
    watchdog_stop();
}

static void start_sleepers(struct sleeper sleepers[SLEEPERS], const struct phase *phase)
{
    for (unsigned i = 0; i < SLEEPERS && phase->sleep[i] != NULL; i++) {
        sleepers[i].seed = 100 + i;
        ck_assert_int_eq(pthread_create(&sleepers[i].thread, NULL, phase->sleep[i], &sleepers[i]),
                         0);
        ck_assert(logfile_sim_gate_is_reached(disk, 600000));
    }
    sleep_us(5000); /* for the others to be asleep */
}

static void wake_sleepers(struct sleeper sleepers[SLEEPERS], const struct phase *phase)
{
    logfile_sim_gate_open(disk);
    for (unsigned i = 0; i < SLEEPERS && phase->sleep[i] != NULL; i++) {
        pthread_join(sleepers[i].thread, NULL);
        ck_assert_msg(sleepers[i].error == 0, "%s: sleeper %u: %s", variant.name, i,
                      logfile_strerror(sleepers[i].error));
        journal_take(&journal, &sleepers[i].journal);
    }
}

/* The way most children go: what they inherited is gone then, and nobody misses it. */
static int try_and_exec(void)
{
    int failed = try_every_call();

    if (failed != 0)
        return failed;
    execl("/bin/sh", "sh", "-c", "exit 0", (char *)NULL);
    return 99;
}

/* A loop test: each phase under each engine. */
START_TEST(test_fork_in_a_call_that_hangs)
{
    const struct phase *phase = &phases[_i % PHASE_COUNT];
    struct sleeper sleepers[SLEEPERS] = {0};

    begin_hanging(_i / PHASE_COUNT, phase);
    start_sleepers(sleepers, phase);
    check_child(try_every_call);
    check_child(try_and_exec);
    wake_sleepers(sleepers, phase);
    if (phase->sleep[0] == sleep_in_trim)
        journal_ask_trim(&journal, durable_lsn);
    end_hanging(phase);
}
END_TEST

START_TEST(test_exec_leaves_the_lock)
{
    begin(_i);
    append(1);
    check_child(try_and_exec);
    append(2);
    check_child(try_to_open_again);
    end();
}
END_TEST

static Suite *fork_suite(void)
{
    Suite *suite = suite_create("fork");
    TCase *tcase = tcase_create("fork");
    int count = (int)engine_variant_count();

    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, test_every_call_in_the_child, 0, count);
    /* A sanitizer's allocator may stay locked in the child: by a thread of the parent that was in it at
     * the fork.  The C library's is not. */
    if (!HAS_SANITIZER)
        tcase_add_loop_test(tcase, test_a_log_of_the_childs_own, 0, count);
    tcase_add_loop_test(tcase, test_fork_while_others_append, 0, count);
    tcase_add_loop_test(tcase, test_fork_in_a_call_that_hangs, 0, count * PHASE_COUNT);
    tcase_add_loop_test(tcase, test_exec_leaves_the_lock, 0, count);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(fork_suite());
}
