/* SPDX-License-Identifier: MIT */
/*
 * A disk that takes its time, so that calls overlap that hardly ever do: a flush beside the last
 * sync of a shutdown, a close beside a zero-fill that fails, a wait beside a gather, one large
 * record among small ones.
 */
#include "io_stack.h"
#include "support.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct io_layer slow_disk;
static atomic_uint sync_us;      /* what a sync takes; it does nothing else */
static atomic_uint zero_fill_us; /* what a write of 64 KiB and more takes on top */
static atomic_bool zero_fill_fails;
static atomic_uint zero_fills_begun;

static bool take_time(void *arg, struct io_call *call)
{
    (void)arg;
    if (call->call == LOGFILE_SIM_SYNC && sync_us > 0)
        sleep_us(sync_us);
    /* With small slots, only the preparer writes as much at once. */
    if (call->call != LOGFILE_SIM_WRITE || call->bytes < 64 << 10)
        return false;
    zero_fills_begun++;
    sleep_us(zero_fill_us);
    call->result = -EIO;
    return zero_fill_fails;
}

static void open_log(struct logfile **log, enum logfile_flusher flusher,
                     enum logfile_prepare prepare)
{
    struct logfile_options options = {.prepare = prepare,
                                      .slot_bytes = 8192,
                                      .io = &slow_disk.io,
                                      .lab = &(struct logfile_lab){.flusher = flusher}};

    io_layer_init(&slow_disk, logfile_io_posix());
    slow_disk.before = take_time;
    io_layer_skip(&slow_disk, LOGFILE_SIM_SYNC); /* nothing here survives the test */
    ck_assert_int_eq(logfile_open(folder_path("log"), &options, NULL, log), 0);
}

static void begin(const char *what)
{
    watchdog_start(120, what);
    enter_folder();
    sync_us = 0;
    zero_fill_us = 0;
    zero_fill_fails = false;
    zero_fills_begun = 0;
}

static void end(void)
{
    leave_folder();
    watchdog_stop();
}

static void expect_record(enum logfile_verdict verdict)
{
    struct logfile_reader *reader;
    struct logfile_record record;
    struct logfile_tail tail;

    ck_assert_int_eq(logfile_reader_open(folder_path("log"), NULL, &reader), 0);
    ck_assert_int_eq(logfile_reader_next(reader, &record), 1);
    ck_assert_uint_eq(record.size, 1);
    ck_assert_int_eq(logfile_reader_next(reader, &record), 0);
    ck_assert_int_eq(logfile_reader_tail(reader, &tail, sizeof tail), 0);
    ck_assert_int_eq(tail.verdict, verdict);
    logfile_reader_close(reader);
}

static void *shut_down(void *log)
{
    return (void *)(intptr_t)logfile_shutdown(log, NULL);
}

/* The shutdown's own sync is under way; there is nothing to flush, so a flush need not wait. */
START_TEST(flush_beside_the_shutdown_of_an_idle_log)
{
    struct timespec deadline;
    struct logfile *log;
    pthread_t thread;
    void *result;

    begin("a flush beside a shutdown");
    open_log(&log, (enum logfile_flusher)_i, LOGFILE_PREPARE_NONE);
    sync_us = 300000;
    pthread_create(&thread, NULL, shut_down, log);
    sleep_us(100000);
    /* A flush that nobody wakes sleeps until then, and the watchdog says so before. */
    deadline = deadline_in_ms(3600000);
    ck_assert_int_eq(logfile_sync(log, &deadline), 0);
    pthread_join(thread, &result);
    ck_assert_int_eq((intptr_t)result, 0);
    ck_assert_int_eq(logfile_shutdown(log, NULL), 0);
    ck_assert_int_eq(logfile_close(log), 0);
    end();
}
END_TEST

/* The preparer tells of a failure while the log is being taken down: the close has lost its trim mark
 * by that, and no record. */
START_TEST(close_beside_a_failing_zero_fill)
{
    struct logfile *log;

    begin("a close beside a failing zero-fill");
    zero_fill_us = 200000;
    open_log(&log, (enum logfile_flusher)_i, LOGFILE_PREPARE_ZERO);
    while (zero_fills_begun <
           2) /* The first chunk is where the next epochs go: they wait for it. */
        sleep_us(1000);
    zero_fill_fails = true;
    ck_assert_int_eq(logfile_append(log, "x", 1, NULL), 0);
    const int error = logfile_shutdown(log, NULL);
    ck_assert(error == 0 || error == LOGFILE_EFAILED); /* the zero-fill may have been faster */
    ck_assert_int_eq(logfile_close(log), LOGFILE_EFAILED);
    expect_record(error == 0 ? LOGFILE_CLEAN : LOGFILE_TORN);
    end();
}
END_TEST

/* What the preparer's failure cut off is not reported as flushed. */
START_TEST(shutdown_after_a_failed_zero_fill)
{
    struct logfile_failure failure = {0};
    struct logfile *log;

    begin("a shutdown after a failed zero-fill");
    zero_fill_us = 200000;
    open_log(&log, (enum logfile_flusher)_i, LOGFILE_PREPARE_ZERO);
    zero_fill_fails = true; /* from now on: opening may have to wait for the first one */
    while (failure.error == 0)
        ck_assert_int_eq(logfile_failure(log, &failure, sizeof failure), 0);
    ck_assert_int_eq(failure.error, -EIO);
    ck_assert_int_eq(logfile_shutdown(log, NULL), LOGFILE_EFAILED);
    ck_assert_int_eq(logfile_close(log), LOGFILE_EFAILED);
    end();
}
END_TEST

/* A second opener has the file in hand when its creator gives up: it must not find a log there. */
static int second_fd;

static void open_when_full(void *arg, struct io_call *call)
{
    (void)arg;
    if (call->call == LOGFILE_SIM_ALLOCATE)
        second_fd = open(folder_path("log"), O_RDWR);
}

START_TEST(a_creator_that_gives_up_leaves_no_log)
{
    const struct logfile_sim_fault full = {
        .call = LOGFILE_SIM_ALLOCATE, .for_ever = true, .error = -ENOSPC};
    struct logfile_options options = {.io = &slow_disk.io};
    struct stat status;
    struct logfile *log;

    begin("a creator that gives up");
    io_layer_init(&slow_disk, logfile_io_posix());
    slow_disk.after = open_when_full;
    io_layer_fault(&slow_disk, &full);
    ck_assert_int_eq(logfile_open(folder_path("log"), &options, NULL, &log), -ENOSPC);
    ck_assert_int_eq(folder_entry_count(), 0);
    ck_assert_int_ge(second_fd, 0);
    ck_assert_int_eq(fstat(second_fd, &status), 0);
    ck_assert_int_eq(status.st_size, 0);
    close(second_fd);
    end();
}
END_TEST

/* ---- A wait sleeps while others gather ---- */

static atomic_bool stop;

/* Comes back late enough for others to gather, and soon enough for that to go on. */
static void *append_and_think(void *log)
{
    while (!stop) {
        if (logfile_append(log, "small", 5, NULL) != 0)
            return (void *)1;
        sleep_us(1500);
    }
    return NULL;
}

/* How often this thread gave its processor away because it had nothing to do. */
static long sleep_count(void)
{
    struct rusage usage;
    ck_assert_int_eq(getrusage(RUSAGE_THREAD, &usage), 0);
    return usage.ru_nvcsw;
}

enum {
    SLEEPS = 5,
    WAITS_MAX = 1000 /* some find the record durable already, and have nothing to sleep for */
};

START_TEST(a_wait_sleeps)
{
    pthread_t threads[2];
    struct logfile *log;
    long slept = 0;
    void *result;

    begin("a wait beside a gather");
    stop = false;
    open_log(&log, (enum logfile_flusher)_i, LOGFILE_PREPARE_NONE);
    sync_us = 20000;
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, append_and_think, log);
    for (int i = 0; i < WAITS_MAX && slept < SLEEPS; i++) {
        uint64_t lsn;
        while ((lsn = logfile_next_lsn(log) - 1) < logfile_durable_lsn(log))
            sleep_us(4000); /* nothing in the open epoch yet */
        long before = sleep_count();
        ck_assert_int_eq(logfile_wait(log, lsn, NULL), 0);
        slept += sleep_count() > before;
    }
    ck_assert_int_ge(slept, SLEEPS);
    stop = true;
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], &result);
        ck_assert_ptr_null(result);
    }
    ck_assert_int_eq(logfile_close(log), 0);
    end();
}
END_TEST

/* ---- A large record among small ones ---- */

static void *submit_all_the_time(void *log)
{
    char small[100] = {0};
    while (!stop)
        if (logfile_submit(log, small, sizeof(small), NULL, NULL) != 0)
            return (void *)1;
    return NULL;
}

static uint64_t epoch_count(struct logfile *log)
{
    struct logfile_stats stats;
    ck_assert_int_eq(logfile_stats(log, &stats, sizeof stats), 0);
    return stats.epochs;
}

#define SMALL_WRITERS 24

START_TEST(a_large_record_does_not_starve)
{
    static char large[8000];
    pthread_t threads[SMALL_WRITERS];
    struct logfile *log;
    uint64_t worst = 0;
    void *result;

    begin("a large record among small ones");
    stop = false;
    open_log(&log, (enum logfile_flusher)_i, LOGFILE_PREPARE_NONE);
    for (int i = 0; i < SMALL_WRITERS; i++)
        pthread_create(&threads[i], NULL, submit_all_the_time, log);
    for (int i = 0; i < (int)scaled(20, 100, 1000); i++) {
        uint64_t before = epoch_count(log);
        ck_assert_int_eq(logfile_submit(log, large, sizeof(large), NULL, NULL), 0);
        uint64_t passed = epoch_count(log) - before;
        worst = passed > worst ? passed : worst;
    }
    stop = true;
    for (int i = 0; i < SMALL_WRITERS; i++) {
        pthread_join(threads[i], &result);
        ck_assert_ptr_null(result);
    }
    /* Two would do if the writer got a processor whenever it is woken. */
    ck_assert_uint_lt(worst, 1000);
    ck_assert_int_eq(logfile_close(log), 0);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("slow_disk");
    TCase *tcase = tcase_create("slow_disk");

    tcase_set_timeout(tcase, 150);
    tcase_add_loop_test(tcase, flush_beside_the_shutdown_of_an_idle_log, 0, 3);
    tcase_add_loop_test(tcase, close_beside_a_failing_zero_fill, 0, 3);
    tcase_add_loop_test(tcase, shutdown_after_a_failed_zero_fill, 0, 3);
    tcase_add_test(tcase, a_creator_that_gives_up_leaves_no_log);
    tcase_add_loop_test(tcase, a_wait_sleeps, 0, 3);
    tcase_add_loop_test(tcase, a_large_record_does_not_starve, 0, 3);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
