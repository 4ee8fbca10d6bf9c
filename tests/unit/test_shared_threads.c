/* SPDX-License-Identifier: MIT */
/* Logs that share threads, on simulated disks: how many there are, what each log promises beside the
 * others, and beside one whose device hangs. */
#include "io_stack.h"
#include "logfile_sim.h"
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LOGS_MAX = 100,
    SLOT_BYTES = 8 << 10
};

static struct logfile_threads *threads;

/* A log on a disk of its own. */
struct shared_log {
    struct logfile_sim *disk;
    struct io_layer layer;
    struct logfile_options options;
    struct logfile *log;
    unsigned event_count; /* W: the hook */
    int close_in_hook;    /* what closing another log from the hook gave */
    uint64_t last_lsn;
};
static struct shared_log logs[LOGS_MAX];

static void start(uint32_t sequencers)
{
    const struct logfile_threads_options options = {.sequencers = sequencers};

    ck_assert_int_eq(logfile_threads_start(&options, &threads), 0);
}

static void open_shared(struct shared_log *shared)
{
    if (shared->disk == NULL) {
        shared->disk = logfile_sim_new(NULL);
        io_layer_init(&shared->layer, logfile_sim_io(shared->disk));
    }
    shared->options.slot_bytes = SLOT_BYTES;
    shared->options.prepare_bytes = 256 << 10;
    shared->options.io = &shared->layer.io;
    shared->options.threads = threads;
    ck_assert_int_eq(logfile_open("shared.log", &shared->options, NULL, &shared->log), 0);
}

static void close_shared(struct shared_log *shared)
{
    ck_assert_int_eq(logfile_close(shared->log), 0);
    shared->log = NULL;
}

static void end(unsigned count)
{
    ck_assert_int_eq(logfile_threads_stop(threads), 0);
    for (unsigned i = 0; i < count; i++)
        logfile_sim_free(logs[i].disk);
}

/* Of the library: a sanitizer may have some too. */
static unsigned thread_count(void)
{
    DIR *directory = opendir("/proc/self/task");
    unsigned count = 0;

    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char path[64 + sizeof entry->d_name], name[32] = "";

        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = entry->d_name[0] != '.' ? fopen(path, "r") : NULL;
        if (file == NULL)
            continue;
        count += fgets(name, sizeof name, file) != NULL && strncmp(name, "lf-", 3) == 0;
        fclose(file);
    }
    closedir(directory);
    return count;
}

/* They name themselves when they begin. */
static void await_thread_count(unsigned count)
{
    while (thread_count() != count)
        usleep(1000);
}

/* ---- How many ---- */

START_TEST(a_hundred_logs_have_seven_threads)
{
    uint64_t lsn;

    ck_assert_int_eq(logfile_threads_start(NULL, &threads), 0);
    await_thread_count(7); /* four flush, two prepare, one calls hooks */
    for (unsigned i = 0; i < LOGS_MAX; i++)
        open_shared(&logs[i]);
    ck_assert_uint_eq(thread_count(), 7);
    for (unsigned i = 0; i < LOGS_MAX; i++)
        ck_assert_int_eq(logfile_submit(logs[i].log, "x", 1, NULL, &logs[i].last_lsn), 0);
    for (unsigned i = 0; i < LOGS_MAX; i++) {
        ck_assert_int_eq(logfile_wait(logs[i].log, logs[i].last_lsn, NULL), 0);
        ck_assert_int_eq(logfile_append(logs[i].log, "y", 1, &lsn), 0);
        ck_assert_uint_gt(lsn, logs[i].last_lsn);
    }
    for (unsigned i = 0; i < LOGS_MAX; i++)
        close_shared(&logs[i]);
    end(LOGS_MAX);
    await_thread_count(0);
}
END_TEST

/* ---- Bad input, and use in the wrong order ---- */

START_TEST(what_is_out_of_range_is_refused)
{
    struct logfile_threads_options options = {.sequencers = 65};

    ck_assert_int_eq(logfile_threads_start(NULL, NULL), -EINVAL);
    ck_assert_int_eq(logfile_threads_start(&options, &threads), -EINVAL);
    options = (struct logfile_threads_options){.preparers = 65};
    ck_assert_int_eq(logfile_threads_start(&options, &threads), -EINVAL);
    options = (struct logfile_threads_options){.reserved = {[7] = 1}};
    ck_assert_int_eq(logfile_threads_start(&options, &threads), -EINVAL);
    ck_assert_int_eq(logfile_threads_stop(NULL), 0);
    options = (struct logfile_threads_options){.sequencers = 64, .preparers = 64};
    ck_assert_int_eq(logfile_threads_start(&options, &threads), 0);
    ck_assert_int_eq(logfile_threads_stop(threads), 0);
}
END_TEST

START_TEST(threads_outlive_their_logs)
{
    start(1);
    open_shared(&logs[0]);
    ck_assert_int_eq(logfile_threads_stop(threads), -EBUSY);
    ck_assert_int_eq(logfile_append(logs[0].log, "x", 1, NULL), 0); /* nothing happened */
    close_shared(&logs[0]);

    /* An open that fails leaves no trace with them. */
    logs[0].options.open_flags = LOGFILE_OPEN_EXCLUSIVE;
    ck_assert_int_eq(logfile_open("shared.log", &logs[0].options, NULL, &logs[0].log), -EEXIST);
    end(1);
}
END_TEST

static int in_child(void)
{
    struct logfile_open_report report;
    struct logfile *log;

    logs[1].options =
        (struct logfile_options){.threads = threads, .io = logfile_sim_io(logs[1].disk)};
    if (logfile_open("shared.log", &logs[1].options, &report, &log) != LOGFILE_EFORKED ||
        strstr(report.message, "threads") == NULL)
        return 1;
    return logfile_threads_stop(threads) == LOGFILE_EFORKED ? 0 : 2;
}

START_TEST(a_child_has_no_threads)
{
    int status;

    start(1);
    logs[1].disk = logfile_sim_new(NULL);
    open_shared(&logs[0]);
    pid_t child = fork();
    if (child == 0)
        _exit(in_child());
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(logfile_append(logs[0].log, "x", 1, NULL), 0);
    close_shared(&logs[0]);
    end(2);
}
END_TEST

/* ---- Beside each other ---- */

static void *write_all(void *arg)
{
    struct shared_log *shared = arg;
    const unsigned count = (unsigned)scaled(200, 2000, 50000);

    for (unsigned i = 0; i < count; i++) {
        uint64_t lsn;
        bool waits = i % 3 == 0;

        ck_assert_int_eq(waits ? logfile_append(shared->log, &i, sizeof i, &lsn)
                               : logfile_submit(shared->log, &i, sizeof i, NULL, &lsn),
                         0);
        if (waits)
            ck_assert_uint_gt(logfile_durable_lsn(shared->log), lsn);
    }
    return NULL;
}

static unsigned count_records(struct shared_log *shared)
{
    const struct logfile_reader_options options = {.io = &shared->layer.io};
    struct logfile_reader *reader;
    struct logfile_record record;
    unsigned count = 0;

    ck_assert_int_eq(logfile_reader_open("shared.log", &options, &reader), 0);
    while (logfile_reader_next(reader, &record) == 1)
        count++;
    logfile_reader_close(reader);
    return count;
}

/* Two writers a log, more logs than threads, and small slots: all of it is there afterwards. */
START_TEST(writers_of_many_logs)
{
    enum {
        LOGS = 8,
        WRITERS = 2
    };
    const unsigned count = WRITERS * (unsigned)scaled(200, 2000, 50000);
    pthread_t writers[LOGS * WRITERS];

    start((uint32_t)_i);
    for (unsigned i = 0; i < LOGS; i++)
        open_shared(&logs[i]);
    for (unsigned i = 0; i < LOGS * WRITERS; i++)
        ck_assert_int_eq(pthread_create(&writers[i], NULL, write_all, &logs[i % LOGS]), 0);
    for (unsigned i = 0; i < LOGS * WRITERS; i++)
        pthread_join(writers[i], NULL);
    for (unsigned i = 0; i < LOGS; i++) {
        close_shared(&logs[i]);
        ck_assert_uint_eq(count_records(&logs[i]), count);
    }
    end(LOGS);
}
END_TEST

static void await_durable(struct shared_log *shared, uint64_t lsn)
{
    while (logfile_durable_lsn(shared->log) <= lsn)
        usleep(100);
}

/* No thread waits for these, and one thread keeps the times of all. */
START_TEST(what_is_only_submitted_becomes_durable)
{
    enum {
        LOGS = 20
    };

    start(1);
    for (unsigned i = 0; i < LOGS; i++) {
        logs[i].options.submit_delay_ns = 1000000 * (i % 4 + 1);
        open_shared(&logs[i]);
    }
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < LOGS; i++)
            ck_assert_int_eq(logfile_submit(logs[i].log, "x", 1, NULL, &logs[i].last_lsn), 0);
        for (unsigned i = 0; i < LOGS; i++)
            await_durable(&logs[i], logs[i].last_lsn);
    }
    for (unsigned i = 0; i < LOGS; i++)
        close_shared(&logs[i]);
    end(LOGS);
}
END_TEST

/* One device hangs, in a sync of the sequencer's and perhaps of the preparer's: the log on the other goes
 * on, and closes. */
START_TEST(a_device_that_hangs_holds_its_own_log)
{
    uint64_t lsn;

    start(2);
    open_shared(&logs[0]);
    open_shared(&logs[1]);
    io_layer_gate_close(&logs[0].layer, LOGFILE_SIM_SYNC, 0, 0);
    ck_assert_int_eq(logfile_submit(logs[0].log, "x", 1, NULL, &logs[0].last_lsn), 0);
    ck_assert(io_layer_gate_is_reached(&logs[0].layer, 600000));
    for (unsigned i = 0; i < 50; i++) {
        ck_assert_int_eq(logfile_submit(logs[1].log, "y", 1, NULL, &lsn), 0);
        await_durable(&logs[1], lsn);
    }
    close_shared(&logs[1]);
    ck_assert_uint_le(logfile_durable_lsn(logs[0].log), logs[0].last_lsn);
    io_layer_gate_open(&logs[0].layer);
    ck_assert_int_eq(logfile_wait(logs[0].log, logs[0].last_lsn, NULL), 0);
    close_shared(&logs[0]);
    end(2);
}
END_TEST

/* A log fails while it shares threads: the others do not notice. */
START_TEST(a_log_that_fails_takes_no_other_along)
{
    const struct logfile_sim_fault fault = {.call = LOGFILE_SIM_SYNC, .error = -EIO};

    start(1);
    open_shared(&logs[0]);
    open_shared(&logs[1]);
    io_layer_fault(&logs[0].layer, &fault);
    ck_assert_int_eq(logfile_append(logs[0].log, "x", 1, NULL), LOGFILE_EFAILED);
    ck_assert_int_eq(logfile_append(logs[1].log, "y", 1, NULL), 0);
    ck_assert_int_eq(logfile_close(logs[0].log), LOGFILE_EFAILED);
    ck_assert_int_eq(logfile_append(logs[1].log, "z", 1, NULL), 0);
    close_shared(&logs[1]);
    end(2);
}
END_TEST

/* ---- Hooks ---- */

static void on_event(void *arg, const struct logfile_event *event)
{
    struct shared_log *shared = arg;

    if (event->kind == LOGFILE_EVENT_OPENED && shared == &logs[0])
        shared->close_in_hook = logfile_close(logs[1].log);
    __atomic_fetch_add(&shared->event_count, 1, __ATOMIC_RELEASE);
}

/* One thread calls the hooks of all; closing one tells it everything, and none may be closed there. */
START_TEST(hooks_share_a_thread)
{
    enum {
        LOGS = 10
    };

    start(1);
    for (unsigned i = LOGS; i-- > 0;) {
        logs[i].options.event = on_event;
        logs[i].options.event_arg = &logs[i];
        open_shared(&logs[i]);
    }
    await_thread_count(4);
    for (unsigned i = 0; i < LOGS; i++)
        close_shared(&logs[i]);
    for (unsigned i = 0; i < LOGS; i++)
        ck_assert_uint_eq(logs[i].event_count, 1);
    ck_assert_int_eq(logs[0].close_in_hook, -EDEADLK);
    end(LOGS);
}
END_TEST

static void count_thread(void *arg, enum logfile_thread role)
{
    __atomic_fetch_add((unsigned *)arg + role, 1, __ATOMIC_RELAXED);
}

START_TEST(each_thread_begins_with_the_callers_function)
{
    unsigned started[3] = {0}, of_log[3] = {0};
    const struct logfile_threads_options options = {
        .sequencers = 3, .preparers = 2, .thread_start = count_thread, .thread_arg = started};

    ck_assert_int_eq(logfile_threads_start(&options, &threads), 0);
    logs[0].options.thread_start = count_thread;
    logs[0].options.thread_arg = of_log;
    logs[0].options.event = on_event;
    logs[0].options.event_arg = &logs[2];
    open_shared(&logs[0]);
    close_shared(&logs[0]);
    end(1);
    ck_assert_uint_eq(started[LOGFILE_THREAD_SEQUENCER], 3);
    ck_assert_uint_eq(started[LOGFILE_THREAD_PREPARER], 2);
    ck_assert_uint_eq(started[LOGFILE_THREAD_EVENTS], 1);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(of_log[i], 0); /* the log has started none */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shared threads");
    TCase *tests = tcase_create("shared threads");

    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, a_hundred_logs_have_seven_threads);
    tcase_add_test(tests, what_is_out_of_range_is_refused);
    tcase_add_test(tests, threads_outlive_their_logs);
    tcase_add_test(tests, a_child_has_no_threads);
    tcase_add_loop_test(tests, writers_of_many_logs, 1, 4);
    tcase_add_test(tests, what_is_only_submitted_becomes_durable);
    tcase_add_test(tests, a_device_that_hangs_holds_its_own_log);
    tcase_add_test(tests, a_log_that_fails_takes_no_other_along);
    tcase_add_test(tests, hooks_share_a_thread);
    tcase_add_test(tests, each_thread_begins_with_the_callers_function);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
