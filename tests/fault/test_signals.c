/* SPDX-License-Identifier: MIT */
/*
 * Storms of signals.  Handlers without SA_RESTART interrupt every thread of the program, thousands
 * of times a second, in whatever call it is: no call returns -EINTR, none comes back before its
 * deadline or long after it, and what is acknowledged is in the log, whole.
 */
#include "journal.h"
#include "logfile_sim.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LSN_UNSET UINT64_MAX

enum {
    WRITERS = 4,
    PAYLOAD_BYTES_MAX = 6000,
    STORM_PAUSE_US = 50,
    DEADLINE_MS = 30
};

static struct variant variant;
static struct logfile *stormy_log;
static struct journal journal;

/* ---- The storm ---- */

static uint64_t handled_count; /* W: handlers */

static void count_signal(int number)
{
    (void)number;
    __atomic_fetch_add(&handled_count, 1, __ATOMIC_RELAXED);
}

static struct {
    pthread_t thread;
    pthread_t targets[WRITERS];
    unsigned target_count;
    uint32_t stop;
} storm;

static void *blow(void *argument)
{
    (void)argument;
    do {
        for (unsigned i = 0; i < storm.target_count; i++)
            pthread_kill(storm.targets[i], SIGUSR1);
        kill(getpid(), SIGUSR2); /* for any thread that takes it: the log's own take none */
        sleep_us(STORM_PAUSE_US);
    } while (__atomic_load_n(&storm.stop, __ATOMIC_ACQUIRE) == 0);
    return NULL;
}

static void install_handlers(void)
{
    struct sigaction action = {.sa_handler = count_signal}; /* no SA_RESTART */

    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    ck_assert_int_eq(sigaction(SIGUSR2, &action, NULL), 0);
}

/* The targets have been set, and are not joined before the storm has ended. */
static void begin_storm(void)
{
    sigset_t all, before;

    handled_count = 0;
    storm.stop = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the storm does not interrupt itself */
    ck_assert_int_eq(pthread_create(&storm.thread, NULL, blow, NULL), 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void end_storm(void)
{
    __atomic_store_n(&storm.stop, 1, __ATOMIC_RELEASE);
    pthread_join(storm.thread, NULL);
    storm.target_count = 0;
    ck_assert_uint_gt(__atomic_load_n(&handled_count, __ATOMIC_RELAXED), 0);
}

/* Runs in each of the log's threads. */
static uint32_t open_minded_count; /* those that would take a signal */

static void look_at_mask(void *arg, enum logfile_thread role)
{
    sigset_t blocked;

    (void)arg, (void)role;
    if (pthread_sigmask(SIG_SETMASK, NULL, &blocked) != 0 || !sigismember(&blocked, SIGUSR2))
        __atomic_fetch_add(&open_minded_count, 1, __ATOMIC_RELAXED);
}

/* ---- Writers in it ---- */

struct writer {
    pthread_t thread;
    uint64_t index;
    struct rng rng;
    uint64_t number;
    uint32_t *stop; /* or until the log is shut down */
    struct journal journal;
    char why[160];
};
static struct writer writers[WRITERS];

static void complain(struct writer *writer, const char *call, int error, const char *what)
{
    if (writer->why[0] == '\0')
        snprintf(writer->why, sizeof writer->why,
                 "writer %" PRIu64 ", record %" PRIu64 ": %s: %s%s", writer->index, writer->number,
                 call, logfile_strerror(error), what);
}

/* A deadline that is said to have passed has passed. */
static void check_time(struct writer *writer, const char *call, int error,
                       const struct timespec *deadline)
{
    uint64_t now = now_ns();
    uint64_t due = (uint64_t)deadline->tv_sec * 1000000000u + (uint64_t)deadline->tv_nsec;

    if (is_late(error) && now < due)
        complain(writer, call, error, ", too early");
}

static int put(struct writer *writer, uint64_t seed, size_t size, uint64_t *lsn)
{
    uint8_t payload[PAYLOAD_BYTES_MAX];
    struct timespec deadline = deadline_in_ms((int64_t)rng_below(&writer->rng, 3));

    payload_fill(payload, size, seed);
    switch (rng_below(&writer->rng, 4)) {
    case 0:
        return logfile_submit(stormy_log, payload, size, NULL, lsn);
    case 1:
        return logfile_append_until(stormy_log, payload, size, &deadline, lsn);
    default:
        return logfile_append(stormy_log, payload, size, lsn);
    }
}

/* What is pending is waited for; what is not written leaves no trace. */
static int put_one(struct writer *writer)
{
    uint64_t seed = writer->index << 32 | ++writer->number;
    size_t size = payload_random_size(&writer->rng, PAYLOAD_BYTES_MAX);
    uint64_t lsn = LSN_UNSET;
    int error = put(writer, seed, size, &lsn);

    if (is_late(error) && lsn == LSN_UNSET)
        return 0;
    if (error == 0 || error == -ETIMEDOUT)
        error = logfile_wait(stormy_log, lsn, NULL);
    if (error == 0)
        journal_add(&writer->journal, lsn, seed, size, true);
    else if (lsn != LSN_UNSET)
        complain(writer, "an LSN with an error", error, "");
    return error;
}

static int flush_one(struct writer *writer)
{
    struct timespec deadline = deadline_in_ms((int64_t)rng_below(&writer->rng, 3));
    int error = logfile_sync(stormy_log, rng_one_in(&writer->rng, 2) ? NULL : &deadline);

    return error == -ETIMEDOUT ? 0 : error;
}

static void *write_until_stopped(void *argument)
{
    struct writer *writer = argument;
    int error = 0;

    while (error == 0 && __atomic_load_n(writer->stop, __ATOMIC_RELAXED) == 0)
        error = rng_one_in(&writer->rng, 6) ? flush_one(writer) : put_one(writer);
    if (error != 0 && error != LOGFILE_ECLOSED)
        complain(writer, "a call", error, "");
    return NULL;
}

static void start_writers(void *(*run)(void *), uint32_t *stop)
{
    memset(writers, 0, sizeof writers);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i].index = i + 1;
        writers[i].rng.state = i + 1;
        writers[i].stop = stop;
        ck_assert_int_eq(pthread_create(&writers[i].thread, NULL, run, &writers[i]), 0);
        storm.targets[i] = writers[i].thread;
    }
    storm.target_count = WRITERS;
}

static void join_writers(void)
{
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
        journal_take(&journal, &writers[i].journal);
    }
    for (unsigned i = 0; i < WRITERS; i++)
        ck_assert_msg(writers[i].why[0] == '\0', "%s: %s", variant.name, writers[i].why);
}

static void compare(const char *path)
{
    char why[JOURNAL_WHY_BYTES];

    ck_assert_msg(journal_compare_path(&journal, path, variant.options.io, why), "%s: %s",
                  variant.name, why);
    journal_free(&journal);
}

/* ---- The tests ---- */

/* A loop test: one engine, one file or segments that are made in the storm; opened, written and
 * shut down in it. */
START_TEST(test_appending_in_a_storm)
{
    uint32_t stop = 0;

    engine_variant_get((unsigned)_i / 2, &variant);
    variant.options.segment_bytes = _i % 2 == 0 ? 0 : 64 << 10;
    variant.options.thread_start = look_at_mask;
    watchdog_start(60, variant.name);
    enter_folder();
    install_handlers();
    begin_storm(); /* without targets yet: it hits the thread that opens */
    ck_assert_int_eq(logfile_open(folder_path("storm.log"), &variant.options, NULL, &stormy_log),
                     0);
    end_storm();
    start_writers(write_until_stopped, &stop);
    begin_storm();
    sleep_us(scaled(100000, 200000, 5000000));
    int error = logfile_shutdown(stormy_log, NULL);
    ck_assert_msg(error == 0, "%s: shutdown: %s", variant.name, logfile_strerror(error));
    end_storm();
    join_writers();
    ck_assert_int_eq(logfile_close(stormy_log), 0);
    ck_assert_msg(open_minded_count == 0, "%s: a thread of the log takes signals", variant.name);
    ck_assert_msg(journal.count > 0, "%s: nothing was appended", variant.name);
    compare(folder_path("storm.log"));
    leave_folder();
    watchdog_stop();
}
END_TEST

/* Every call with a deadline, on a disk that hangs. */
static void *time_out(void *argument)
{
    struct writer *writer = argument;
    struct timespec deadline = deadline_in_ms(DEADLINE_MS);
    uint64_t seed = writer->index << 32;
    uint8_t payload[100];
    uint64_t lsn = LSN_UNSET;
    int error;

    payload_fill(payload, sizeof payload, seed);
    error = logfile_append_until(stormy_log, payload, sizeof payload, &deadline, &lsn);
    check_time(writer, "append_until", error, &deadline);
    if (error != -ETIMEDOUT || lsn == LSN_UNSET)
        complain(writer, "append_until", error, ", not pending");
    deadline = deadline_in_ms(DEADLINE_MS);
    error = logfile_wait(stormy_log, lsn, &deadline);
    check_time(writer, "wait", error, &deadline);
    if (error != -ETIMEDOUT)
        complain(writer, "wait", error, ", not pending");
    deadline = deadline_in_ms(DEADLINE_MS);
    error = logfile_sync(stormy_log, &deadline);
    check_time(writer, "flush", error, &deadline);
    if (error != -ETIMEDOUT)
        complain(writer, "flush", error, ", not pending");
    journal_add(&writer->journal, lsn, seed, sizeof payload, false);
    return NULL;
}

/* The main thread is in the storm, too. */
static void check_shutdown_times_out(void)
{
    struct timespec deadline = deadline_in_ms(DEADLINE_MS);
    struct writer main_thread = {.index = 0};
    int error = logfile_shutdown(stormy_log, &deadline);

    check_time(&main_thread, "shutdown", error, &deadline);
    ck_assert_int_eq(error, -ETIMEDOUT);
    ck_assert_msg(main_thread.why[0] == '\0', "%s: %s", variant.name, main_thread.why);
}

/* Only flushers with a thread of their own promise to keep deadlines. */
enum {
    KEEPS_DEADLINES = 2
};

/* A loop test: each flusher that keeps deadlines, each wait strategy. */
START_TEST(test_deadlines_in_a_storm)
{
    struct logfile_sim *disk = logfile_sim_new(NULL);

    engine_variant_get((unsigned)_i / 3, &variant);
    variant.lab->wait = (enum logfile_wait_strategy)(_i % 3);
    variant.options.prepare = LOGFILE_PREPARE_NONE;
    variant.options.io = logfile_sim_io(disk);
    watchdog_start(60, variant.name);
    install_handlers();
    ck_assert_int_eq(logfile_open("storm.log", &variant.options, NULL, &stormy_log), 0);
    logfile_sim_gate_close(disk, LOGFILE_SIM_SYNC);
    start_writers(time_out, NULL);
    begin_storm();
    ck_assert(logfile_sim_gate_is_reached(disk, 600000));
    sleep_us(3 * DEADLINE_MS * 1000);
    end_storm();
    join_writers();
    begin_storm();
    check_shutdown_times_out();
    logfile_sim_gate_open(disk);
    ck_assert_int_eq(logfile_shutdown(stormy_log, NULL), 0);
    end_storm();
    ck_assert_int_eq(logfile_close(stormy_log), 0);
    journal_ack_below(&journal, UINT64_MAX);
    compare("storm.log");
    logfile_sim_free(disk);
    watchdog_stop();
}
END_TEST

static Suite *signals_suite(void)
{
    Suite *suite = suite_create("signals");
    TCase *tcase = tcase_create("signals");
    int count = (int)engine_variant_count();

    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, test_appending_in_a_storm, 0, count * 2);
    tcase_add_loop_test(tcase, test_deadlines_in_a_storm, 0, KEEPS_DEADLINES * 3);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(signals_suite());
}
