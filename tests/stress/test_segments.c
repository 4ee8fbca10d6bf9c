/* SPDX-License-Identifier: MIT */
/*
 * Writers, a thread that trims and a reader that follows, all at once on a log of small segments:
 * segments are made, filled, trimmed, recycled and read at the same time.  Under every engine and
 * flusher, and for one file with holes too.
 */
#include "journal.h"
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

enum {
    WRITERS = 6,
    PAYLOAD_BYTES_MAX = 3000,
    LARGE_BYTES_MAX = 30000, /* do not fit the epochs that are short of room */
    KEPT_BYTES = 300 << 10
};

/* One file; small slots and segments; slots so large that a segment ends with short epochs. */
static const struct {
    size_t slot_bytes;
    uint64_t segment_bytes;
} layouts[] = {{8 << 10, 0}, {8 << 10, 64 << 10}, {32 << 10, 128 << 10}};
#define LAYOUT_COUNT ((int)(sizeof layouts / sizeof layouts[0]))

struct worker {
    pthread_t thread;
    uint64_t index;
    struct journal journal;
    uint64_t read_count; /* of the follower */
    uint64_t gone_count; /* how often what it was to read next had been trimmed */
    int error;
};

static struct variant variant;
static struct logfile *shared_log;
static const char *log_path;
static uint32_t stop;

static bool is_stopped(void)
{
    return __atomic_load_n(&stop, __ATOMIC_ACQUIRE) != 0;
}

static void *run_writer(void *argument)
{
    struct worker *worker = argument;
    struct rng rng = {.state = worker->index};
    unsigned count = (unsigned)scaled(100, 1000, 50000);
    uint8_t payload[LARGE_BYTES_MAX];
    const bool has_large = variant.options.slot_bytes > LARGE_BYTES_MAX;

    for (unsigned i = 0; i < count && worker->error == 0; i++) {
        uint64_t seed = worker->index << 32 | i;
        size_t max = has_large && i % 16 == 0 ? LARGE_BYTES_MAX : PAYLOAD_BYTES_MAX;
        size_t size = 8 + rng_below(&rng, max - 8);
        uint64_t lsn = 0;
        payload_fill(payload, size, seed);
        worker->error = i % 4 == 0 ? logfile_submit(shared_log, payload, size, NULL, &lsn)
                                   : logfile_append(shared_log, payload, size, &lsn);
        journal_add(&worker->journal, lsn, seed, size, true);
    }
    if (worker->error == 0)
        worker->error = logfile_sync(shared_log, NULL);
    return NULL;
}

static int trim_behind(uint64_t durable_lsn)
{
    uint64_t oldest_lsn = logfile_oldest_lsn(shared_log);
    int error = 0;

    if (durable_lsn > oldest_lsn + KEPT_BYTES)
        error = logfile_trim(shared_log, durable_lsn - KEPT_BYTES);
    return logfile_oldest_lsn(shared_log) < oldest_lsn ? -ERANGE : error;
}

static void *run_trimmer(void *argument)
{
    struct worker *worker = argument;
    bool is_last; /* behind all that was written: there may have been no time for any before */

    do {
        is_last = is_stopped();
        worker->error = trim_behind(logfile_durable_lsn(shared_log));
        sleep_us(500);
    } while (worker->error == 0 && !is_last);
    return NULL;
}

/* Reads to the present end.  LOGFILE_ETRIMMED: it was too slow. */
static int read_on(struct worker *worker, struct logfile_reader *reader, uint64_t *last_lsn)
{
    struct logfile_record record;
    int found;

    while ((found = logfile_reader_next(reader, &record)) == 1) {
        if (record.lsn <= *last_lsn || record.size < 8)
            return -ERANGE;
        *last_lsn = record.lsn;
        worker->read_count++;
    }
    return found;
}

static int follow_from(struct worker *worker, uint64_t *last_lsn)
{
    struct logfile_reader *reader;
    int error = logfile_reader_open(log_path, NULL, &reader);

    if (error != 0)
        return error;
    /* What is kept may start below what has been read. */
    *last_lsn = 0;
    do {
        error = read_on(worker, reader, last_lsn);
        sleep_us(200);
    } while (error == 0 && !is_stopped());
    logfile_reader_close(reader);
    return error;
}

static void *run_follower(void *argument)
{
    struct worker *worker = argument;
    uint64_t last_lsn = 0;

    /* At last, when the writers are done, there is something to read. */
    while (worker->error == 0 && (!is_stopped() || worker->read_count == 0)) {
        worker->error = follow_from(worker, &last_lsn);
        if (worker->error != LOGFILE_ETRIMMED)
            continue;
        worker->gone_count++;
        worker->error = 0;
    }
    return NULL;
}

static void open_log(int index)
{
    engine_variant_get((unsigned)(index / LAYOUT_COUNT), &variant);
    variant.options.slot_bytes = layouts[index % LAYOUT_COUNT].slot_bytes;
    variant.options.prepare_bytes = 128 << 10;
    variant.options.segment_bytes = layouts[index % LAYOUT_COUNT].segment_bytes;
    watchdog_start(240, variant.name);
    enter_folder();
    log_path = folder_path("segments.log");
    ck_assert_int_eq(logfile_open(log_path, &variant.options, NULL, &shared_log), 0);
}

static void start(struct worker *worker, void *(*run)(void *), uint64_t index)
{
    *worker = (struct worker){.index = index};
    ck_assert_int_eq(pthread_create(&worker->thread, NULL, run, worker), 0);
}

static void join(struct worker *worker)
{
    pthread_join(worker->thread, NULL);
    ck_assert_msg(worker->error == 0, "%s: thread %u: %s", variant.name, (unsigned)worker->index,
                  logfile_strerror(worker->error));
}

/* All that is not below the oldest LSN is there, before and after the log is opened again. */
static void check_all(struct journal *journal)
{
    char why[JOURNAL_WHY_BYTES];
    uint64_t oldest_lsn = logfile_oldest_lsn(shared_log);

    ck_assert_uint_gt(oldest_lsn, KEPT_BYTES);
    journal_ask_trim(journal, oldest_lsn);
    journal_trimmed(journal, oldest_lsn);
    for (unsigned round = 0; round < 2; round++) {
        ck_assert_int_eq(logfile_close(shared_log), 0);
        ck_assert_msg(journal_compare_path(journal, log_path, NULL, why), "%s: %s", variant.name,
                      why);
        ck_assert_int_eq(logfile_open(log_path, &variant.options, NULL, &shared_log), 0);
        ck_assert_uint_eq(logfile_oldest_lsn(shared_log), oldest_lsn);
    }
    ck_assert_int_eq(logfile_close(shared_log), 0);
}

START_TEST(test_segments_are_made_trimmed_recycled_and_read)
{
    struct worker writers[WRITERS], trimmer, follower;
    struct journal journal = {0};

    open_log(_i);
    __atomic_store_n(&stop, 0, __ATOMIC_RELEASE);
    start(&trimmer, run_trimmer, 100);
    start(&follower, run_follower, 101);
    for (unsigned i = 0; i < WRITERS; i++)
        start(&writers[i], run_writer, i + 1);
    for (unsigned i = 0; i < WRITERS; i++) {
        join(&writers[i]);
        journal_take(&journal, &writers[i].journal);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    join(&trimmer);
    join(&follower);
    ck_assert_uint_gt(follower.read_count, 0);
    check_all(&journal);
    journal_free(&journal);
    leave_folder();
    watchdog_stop();
}
END_TEST

static Suite *segments_suite(void)
{
    Suite *suite = suite_create("segments");
    TCase *tcase = tcase_create("segments");

    tcase_set_timeout(tcase, (double)scaled(300, 300, 10000));
    tcase_add_loop_test(tcase, test_segments_are_made_trimmed_recycled_and_read, 0,
                        LAYOUT_COUNT * (int)engine_variant_count());
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(segments_suite());
}
