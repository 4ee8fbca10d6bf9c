/* SPDX-License-Identifier: MIT */
/*
 * Many threads on one log.  Slots are tiny and records large, so that reservations overshoot, cross
 * slot ends and go round the ring all the time.  What is appended is compared with what is read
 * back; a thread that nobody wakes is found by the watchdog.
 */
#include "campaign.h"
#include "format/format.h"
#include "journal.h"
#include "logfile_sim.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define LOG_PATH "threads.log"
#define LSN_UNSET UINT64_MAX

enum {
    THREAD_MAX = 1000,
    CROWD = 64,
    PAYLOAD_BYTES_MAX = 8 << 10
};
enum {
    RING_VARIANTS = 3,
    WAIT_STRATEGIES = 3
}; /* the ring comes first among the engines */

static struct variant variant;
static struct logfile *shared_log;
static struct logfile_sim *disk;
static struct journal journal;

/* One thread. */
struct worker {
    pthread_t thread;
    uint64_t index;
    unsigned record_count;
    size_t size_max;
    bool until_closed; /* go on until the log is shut down */
    uint32_t *stop;    /* or until this is set; NULL: record_count decides */
    struct rng rng;
    struct journal journal;
    uint64_t number;
    char why[128];
};
static struct worker workers[THREAD_MAX];

static void complain(struct worker *worker, const char *what, int error)
{
    if (worker->why[0] == '\0')
        snprintf(worker->why, sizeof worker->why, "worker %u, record %u: %s: %s",
                 (unsigned)worker->index, (unsigned)worker->number, what, logfile_strerror(error));
}

/* ---- One record, one way or another ---- */

enum how {
    HOW_APPEND,
    HOW_SUBMIT,
    HOW_UNTIL
};

static int put(struct worker *worker, enum how how, struct journal_entry *entry)
{
    uint8_t payload[PAYLOAD_BYTES_MAX];
    struct timespec deadline;

    entry->lsn = LSN_UNSET;
    entry->seed = worker->index << 32 | ++worker->number;
    payload_fill(payload, entry->size, entry->seed);
    switch (how) {
    case HOW_SUBMIT:
        return logfile_submit(shared_log, payload, entry->size, NULL, &entry->lsn);
    case HOW_UNTIL:
        deadline = deadline_in_ms((int64_t)rng_below(&worker->rng, 4) - 1);
        return logfile_append_until(shared_log, payload, entry->size, &deadline, &entry->lsn);
    case HOW_APPEND:
        break;
    }
    return logfile_append(shared_log, payload, entry->size, &entry->lsn);
}

/* Pending is not lost: it can be waited for.  Not written leaves no LSN. */
static int settle(struct worker *worker, struct journal_entry *entry, int error)
{
    if (error == -ETIMEDOUT && entry->lsn != LSN_UNSET)
        error = logfile_wait(shared_log, entry->lsn, NULL);
    else if (is_late(error))
        return 0;
    if (error == 0) {
        if (worker->journal.count > 0 &&
            entry->lsn <= worker->journal.entries[worker->journal.count - 1].lsn)
            complain(worker, "LSNs do not grow", 0);
        journal_add(&worker->journal, entry->lsn, entry->seed, entry->size, true);
    } else if (entry->lsn != LSN_UNSET) {
        complain(worker, "an LSN with an error", error);
    }
    return error;
}

static int put_one(struct worker *worker, enum how how)
{
    struct journal_entry entry = {
        .size = (uint32_t)payload_random_size(&worker->rng, worker->size_max)};

    return settle(worker, &entry, put(worker, how, &entry));
}

static bool is_done(const struct worker *worker)
{
    if (worker->stop != NULL)
        return __atomic_load_n(worker->stop, __ATOMIC_RELAXED) != 0;
    return !worker->until_closed && worker->number >= worker->record_count;
}

/* Fills slots as fast as they open. */
static void *run_submits(void *argument)
{
    struct worker *worker = argument;
    int error = 0;

    while (error == 0 && !is_done(worker))
        error = put_one(worker, HOW_SUBMIT);
    if (error != 0)
        complain(worker, "submit", error);
    return NULL;
}

static void *run_appends(void *argument)
{
    struct worker *worker = argument;
    int error = 0;

    while (error == 0 && !is_done(worker))
        error = put_one(worker, HOW_APPEND);
    if (error != 0 && !(worker->until_closed && error == LOGFILE_ECLOSED))
        complain(worker, "append", error);
    return NULL;
}

static int wait_for_an_old_one(struct worker *worker)
{
    struct timespec deadline = deadline_in_ms((int64_t)rng_below(&worker->rng, 3) - 1);

    if (worker->journal.count == 0)
        return 0;
    uint64_t lsn = worker->journal.entries[rng_below(&worker->rng, worker->journal.count)].lsn;
    int error = logfile_wait(shared_log, lsn, &deadline);
    return error == -ETIMEDOUT ? logfile_wait(shared_log, lsn, NULL) : error;
}

static int flush(struct worker *worker)
{
    struct timespec deadline = deadline_in_ms((int64_t)rng_below(&worker->rng, 3) - 1);
    int error = logfile_sync(shared_log, rng_one_in(&worker->rng, 2) ? NULL : &deadline);

    return error == -ETIMEDOUT ? 0 : error;
}

/* Everything that a log can be asked for. */
static void *run_mix(void *argument)
{
    struct worker *worker = argument;
    int error = 0;

    while (error == 0 && !is_done(worker)) {
        switch (rng_below(&worker->rng, 8)) {
        case 0:
            error = wait_for_an_old_one(worker);
            break;
        case 1:
            error = flush(worker);
            break;
        case 2:
        case 3:
            error = put_one(worker, HOW_UNTIL);
            break;
        case 4:
        case 5:
            error = put_one(worker, HOW_SUBMIT);
            break;
        default:
            error = put_one(worker, HOW_APPEND);
            break;
        }
    }
    if (error != 0 && !(worker->until_closed && error == LOGFILE_ECLOSED))
        complain(worker, "mix", error);
    return NULL;
}

/* ---- Starting and joining ---- */

static void prepare_workers(unsigned count, unsigned record_count)
{
    memset(workers, 0, sizeof workers);
    for (unsigned i = 0; i < count; i++) {
        workers[i].index = i + 1;
        workers[i].rng.state = i + 1;
        workers[i].record_count = record_count;
        workers[i].size_max = variant.options.slot_bytes - 88;
    }
}

static void start_workers(unsigned from, unsigned to, void *(*run)(void *))
{
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 << 10);
    for (unsigned i = from; i < to; i++)
        ck_assert_int_eq(pthread_create(&workers[i].thread, &attributes, run, &workers[i]), 0);
    pthread_attr_destroy(&attributes);
}

static void join_workers(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        pthread_join(workers[i].thread, NULL);
        journal_take(&journal, &workers[i].journal);
    }
    for (unsigned i = from; i < to; i++)
        ck_assert_msg(workers[i].why[0] == '\0', "%s: %s", variant.name, workers[i].why);
}

static void begin_sim_variant(uint64_t sync_us)
{
    watchdog_start((unsigned)scaled(120, 60, 7200), variant.name);
    disk = logfile_sim_new(NULL);
    logfile_sim_delay(disk, LOGFILE_SIM_SYNC, sync_us);
    variant.options.slot_bytes = 8 << 10;
    variant.lab->slot_count = 2;
    variant.options.prepare_bytes = 128 << 10;
    variant.options.io = logfile_sim_io(disk);
    ck_assert_int_eq(logfile_open(LOG_PATH, &variant.options, NULL, &shared_log), 0);
}

static void begin_sim(int index, uint64_t sync_us)
{
    engine_variant_get((unsigned)index, &variant);
    begin_sim_variant(sync_us);
}

static void compare(const char *path)
{
    char why[JOURNAL_WHY_BYTES];
    size_t count = journal.count;
    bool good = journal_compare_path(&journal, path, variant.options.io, why);

    ck_assert_msg(good, "%s: %s", variant.name, why);
    ck_assert_uint_eq(journal.count, count);
    journal_free(&journal);
}

static void end_sim(void)
{
    ck_assert_int_eq(logfile_close(shared_log), 0);
    ck_assert_uint_eq(logfile_sim_overlap_count(disk), 0);
    compare(LOG_PATH);
    logfile_sim_free(disk);
    watchdog_stop();
}

/* ---- The tests ---- */

START_TEST(test_64_threads)
{
    struct logfile_stats stats;
    unsigned count = CROWD;

    begin_sim(_i, 0);
    prepare_workers(count, (unsigned)scaled(50, 200, 20000));
    start_workers(0, count, run_appends);
    join_workers(0, count);
    ck_assert_int_eq(logfile_stats(shared_log, &stats, sizeof stats), 0);
    ck_assert_uint_eq(stats.records, journal.count);
    ck_assert_uint_eq(stats.records_per_epoch.count, stats.epochs);
    if (variant.lab->engine == LOGFILE_ENGINE_RING)
        ck_assert_uint_gt(stats.overshoots, 0);
    end_sim();
}
END_TEST

START_TEST(test_mixed_calls)
{
    unsigned count = (unsigned)scaled(8, 24, 64);

    begin_sim(_i, 30);
    prepare_workers(count, (unsigned)scaled(60, 300, 20000));
    start_workers(0, count, run_mix);
    join_workers(0, count);
    end_sim();
}
END_TEST

/* What a test of stages can say whatever the machine does: as many of each, and of no log that was
 * not asked for them. */
static void check_stages(void)
{
    unsigned every = variant.lab->stage_sample_every;
    struct logfile_lab_stats stats;
    uint64_t samples;

    ck_assert_int_eq(logfile_lab_stats(shared_log, &stats, sizeof stats), 0);
    samples = stats.stage_ns[0].count;
    for (int i = 0; i < LOGFILE_STAGE_COUNT; i++)
        ck_assert_uint_eq(stats.stage_ns[i].count, samples);
    ck_assert_msg((samples > 0) == (every > 0), "%s: %u samples", variant.name, (unsigned)samples);
}

/* One engine, thin variants: all that can be chosen to be compared is the same log. */
START_TEST(test_every_combination)
{
    unsigned count = 6;

    combination_get((unsigned)_i, &variant);
    begin_sim_variant(20);
    prepare_workers(count, (unsigned)scaled(30, 100, 5000));
    start_workers(0, count, run_mix);
    join_workers(0, count);
    check_stages();
    end_sim();
}
END_TEST

/* A queue lock goes to one thread alone, which may be the last to get a processor: fewer records, so
 * that a round takes about as long as under the other policies. */
static unsigned crowd_record_count(void)
{
    bool is_queue = variant.lab->reserve == LOGFILE_RESERVE_TICKET ||
                    variant.lab->reserve == LOGFILE_RESERVE_MCS;

    return (unsigned)scaled(20, 30, 200) / (is_queue ? 5 : 1);
}

/* One round: a combination, a pace of the disk and a mix of calls, all decided by its number. */
static void run_crowd(uint64_t round)
{
    size_t length;

    /* 37 and the number of combinations have no common divisor: each has its turn. */
    combination_get((unsigned)(round * 37 % combination_count()), &variant);
    length = strlen(variant.name);
    snprintf(variant.name + length, sizeof variant.name - length, ", crowd %" PRIu64, round);
    begin_sim_variant(round % 3 * 20);
    prepare_workers(CROWD, crowd_record_count());
    for (unsigned i = 0; i < CROWD; i++)
        workers[i].rng.state += round * THREAD_MAX;
    start_workers(0, CROWD, run_mix);
    join_workers(0, CROWD);
    end_sim();
}

/*
 * As many threads as there are to be, for as long as can be afforded: that is longest where the
 * ThreadSanitizer watches.  `make check-long` goes on where it was, LF_SECONDS long if that is set.
 */
START_TEST(test_a_crowd_for_a_while)
{
    struct campaign campaign =
        campaign_begin("threads-crowd", scaled(UINT32_MAX, UINT32_MAX, 20000));
    uint64_t seconds = HAS_THREAD_SANITIZER ? 15 : scaled(3, 5, 5);
    uint64_t round;

    if (test_scale() != SCALE_LONG)
        campaign.end_ns = campaign.begun_ns + seconds * UINT64_C(1000000000);
    while (campaign_next(&campaign, &round)) {
        run_crowd(round);
        campaign_passed(&campaign, CROWD);
    }
    campaign_end(&campaign);
}
END_TEST

/* On the device, with every wait strategy and without preparation. */
START_TEST(test_mixed_calls_on_a_file)
{
    unsigned count = 12;

    engine_variant_get((unsigned)_i / WAIT_STRATEGIES, &variant);
    variant.lab->wait = (enum logfile_wait_strategy)(_i % WAIT_STRATEGIES);
    watchdog_start(240, variant.name);
    enter_folder();
    variant.options.slot_bytes = 8 << 10;
    variant.lab->slot_count = 2;
    ck_assert_int_eq(logfile_open(folder_path(LOG_PATH), &variant.options, NULL, &shared_log), 0);
    prepare_workers(count, (unsigned)scaled(10, 40, 4000));
    start_workers(0, count, run_mix);
    join_workers(0, count);
    ck_assert_int_eq(logfile_close(shared_log), 0);
    compare(folder_path(LOG_PATH));
    leave_folder();
    watchdog_stop();
}
END_TEST

/* Deadlines that mostly pass: what is pending is resolved by waiting, what is not written is not
 * there. */
START_TEST(test_short_deadlines)
{
    unsigned count = (unsigned)scaled(4, 12, 64);
    struct timespec past = deadline_in_ms(-1);

    begin_sim(_i, 1500);
    prepare_workers(count, 0);
    for (unsigned round = 0; round < scaled(10, 40, 4000); round++) {
        for (unsigned i = 0; i < count; i++) {
            workers[i].record_count += 2;
            workers[i].until_closed = false;
        }
        start_workers(0, count, run_mix);
        for (unsigned i = 0; i < count; i++) {
            pthread_join(workers[i].thread, NULL);
            ck_assert_msg(workers[i].why[0] == '\0', "%s: %s", variant.name, workers[i].why);
        }
        ck_assert_int_eq(logfile_sync(shared_log, NULL), 0);
        ck_assert_int_eq(logfile_sync(shared_log, &past), 0);
    }
    for (unsigned i = 0; i < count; i++)
        journal_take(&journal, &workers[i].journal);
    end_sim();
}
END_TEST

START_TEST(test_shutdown_with_writers_in_flight)
{
    unsigned count = (unsigned)scaled(8, 32, 64);
    struct rng rng = {.state = (uint64_t)_i + 1};

    for (unsigned round = 0; round < scaled(3, 12, 1000); round++) {
        begin_sim(_i, rng_below(&rng, 3) * 50);
        prepare_workers(count, 0);
        for (unsigned i = 0; i < count; i++)
            workers[i].until_closed = true;
        start_workers(0, count, round % 2 == 0 ? run_appends : run_mix);
        sleep_us(rng_below(&rng, 20000));
        ck_assert_int_eq(logfile_shutdown(shared_log, NULL), 0);
        join_workers(0, count);
        /* Every one that returned 0 is there, and so is what was only submitted. */
        journal_ack_below(&journal, UINT64_MAX);
        end_sim();
    }
}
END_TEST

static void *shut_down(void *argument)
{
    struct worker *worker = argument;
    int error = logfile_shutdown(shared_log, NULL);

    if (error != 0)
        complain(worker, "shutdown", error);
    return NULL;
}

START_TEST(test_several_shutdowns_at_once)
{
    for (unsigned round = 0; round < scaled(5, 30, 1000); round++) {
        begin_sim(_i, 20);
        prepare_workers(12, 0);
        for (unsigned i = 0; i < 8; i++)
            workers[i].until_closed = true;
        start_workers(0, 8, run_appends);
        sleep_us(round * 100);
        start_workers(8, 12, shut_down);
        join_workers(0, 12);
        end_sim();
    }
}
END_TEST

/* ---- Large records among small ones ---- */

static int compare_counts(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static uint64_t epoch_count(void)
{
    struct logfile_stats stats;

    ck_assert_int_eq(logfile_stats(shared_log, &stats, sizeof stats), 0);
    return stats.epochs;
}

/* In the ring, a record that needs a whole slot gets one after a few epochs, however many small
 * ones come. */
START_TEST(test_large_records_do_not_starve)
{
    enum {
        SMALL_WRITERS = 48,
        LARGE_RECORDS = 40
    };
    uint64_t epochs[LARGE_RECORDS];
    uint32_t stop = 0;

    begin_sim(_i, 5000); /* so that epochs, not turns on a processor, are what is waited for */
    prepare_workers(SMALL_WRITERS + 1, LARGE_RECORDS);
    for (unsigned i = 0; i < SMALL_WRITERS; i++) {
        workers[i].stop = &stop;
        workers[i].size_max = 700;
    }
    start_workers(0, SMALL_WRITERS, run_submits);
    struct worker *large = &workers[SMALL_WRITERS];
    for (unsigned i = 0; i < LARGE_RECORDS; i++) {
        struct journal_entry entry = {.size = (uint32_t)large->size_max};
        uint64_t before = epoch_count();
        ck_assert_int_eq(settle(large, &entry, put(large, HOW_APPEND, &entry)), 0);
        epochs[i] = epoch_count() - before;
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    join_workers(0, SMALL_WRITERS);
    journal_take(&journal, &large->journal);
    qsort(epochs, LARGE_RECORDS, sizeof epochs[0], compare_counts);
    /* At most one record of each small writer goes before a large one: half a dozen epochs.  Nine
     * of ten are judged, and loosely where a sanitizer slows everything down: a thread that is not
     * scheduled is no starved writer. */
    uint64_t limit = scaled(100, 24, 24);
    uint64_t waited = epochs[LARGE_RECORDS * 9 / 10];
    ck_assert_msg(waited <= limit,
                  "%s: a tenth of the large records waited for %" PRIu64 " epochs or more",
                  variant.name, waited);
    end_sim();
}
END_TEST

/* ---- A thousand threads ---- */

START_TEST(test_1000_threads)
{
    unsigned count = (unsigned)scaled(200, THREAD_MAX, THREAD_MAX);
    struct rusage usage;

    engine_variant_get((unsigned)_i, &variant);
    watchdog_start(240, variant.name);
    enter_folder();
    /* As an embedding program would: with the default buffers. */
    variant.options.slot_bytes = 0;
    variant.options.prepare_bytes = 0;
    ck_assert_int_eq(logfile_open(folder_path(LOG_PATH), &variant.options, NULL, &shared_log), 0);
    prepare_workers(
        count, variant.lab->engine == LOGFILE_ENGINE_SERIAL ? 2 : (unsigned)scaled(5, 20, 2000));
    for (unsigned i = 0; i < count; i++)
        workers[i].size_max = PAYLOAD_BYTES_MAX;
    start_workers(0, count, run_appends);
    join_workers(0, count);
    ck_assert_int_eq(logfile_close(shared_log), 0);
    compare(folder_path(LOG_PATH));
    ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
    printf("%s: %u threads, largest resident set %ld MiB\n", variant.name, count,
           usage.ru_maxrss >> 10);
    if (!HAS_SANITIZER)
        ck_assert_int_lt(usage.ru_maxrss >> 10, 400);
    leave_folder();
    watchdog_stop();
}
END_TEST

/* ---- Numbers that wrap ---- */

/* Changes the first blocks of a closed log to those of one that was trimmed up to here. */
static void set_trim_marks(uint8_t blocks[LF_FIRST_LSN], uint64_t epoch, uint64_t oldest_lsn)
{
    struct lf_file_header header;

    memcpy(&header, blocks, sizeof header);
    for (unsigned copy = 0; copy < 2; copy++) {
        uint8_t *block = blocks + (2 + copy) * LF_BLOCK_BYTES;
        struct lf_trim_mark mark;
        memcpy(&mark, block, sizeof mark);
        mark.epoch = epoch;
        mark.oldest_lsn = oldest_lsn;
        mark.incarnation = 0;
        mark.promise = oldest_lsn;
        memcpy(block, &mark, sizeof mark);
        lf_trim_mark_seal(block, lf_log_seed(&header));
    }
}

/* Makes a log without records whose next epoch has this number. */
static void make_old_log(uint64_t epoch)
{
    uint8_t blocks[LF_FIRST_LSN];
    static const uint8_t nothing[2 * LF_BLOCK_BYTES];
    struct logfile *log;

    ck_assert_int_eq(logfile_open(LOG_PATH, &variant.options, NULL, &log), 0);
    ck_assert_int_eq(logfile_close(log), 0);
    logfile_sim_peek(disk, LOG_PATH, 0, blocks, sizeof blocks);
    set_trim_marks(blocks, epoch, LF_FIRST_LSN);
    logfile_sim_poke(disk, LOG_PATH, 0, blocks, sizeof blocks);
    logfile_sim_poke(disk, LOG_PATH, LF_FIRST_LSN, nothing, sizeof nothing);
}

/* Epoch numbers around the powers of two at which some field of fewer bits begins again. */
START_TEST(test_epoch_numbers_wrap)
{
    static const unsigned bits[] = {12, 16, 24, 31, 32, 40, 63};
    uint64_t epoch = (UINT64_C(1) << bits[_i / (int)engine_variant_count()]) - 100;
    struct logfile_open_report report;

    begin_sim(_i % (int)engine_variant_count(), 0);
    ck_assert_int_eq(logfile_close(shared_log), 0);
    logfile_sim_free(disk);
    disk = logfile_sim_new(NULL);
    variant.options.io = logfile_sim_io(disk);
    make_old_log(epoch);
    ck_assert_int_eq(logfile_open(LOG_PATH, &variant.options, &report, &shared_log), 0);
    ck_assert_uint_eq(report.tail.last_epoch, epoch - 1);
    prepare_workers(8, (unsigned)scaled(40, 100, 10000));
    start_workers(0, 8, run_mix);
    join_workers(0, 8);
    struct logfile_stats stats;
    ck_assert_int_eq(logfile_stats(shared_log, &stats, sizeof stats), 0);
    ck_assert_uint_gt(stats.epochs, 100);
    end_sim();
}
END_TEST

static Suite *threads_suite(void)
{
    Suite *suite = suite_create("threads");
    TCase *tcase = tcase_create("threads");
    int count = (int)engine_variant_count();

    tcase_set_timeout(tcase, (double)scaled(300, 300, 10000));
    tcase_add_loop_test(tcase, test_64_threads, 0, count);
    tcase_add_loop_test(tcase, test_mixed_calls, 0, count);
    tcase_add_loop_test(tcase, test_every_combination, 0, (int)combination_count());
    tcase_add_loop_test(tcase, test_mixed_calls_on_a_file, 0, count * WAIT_STRATEGIES);
    tcase_add_loop_test(tcase, test_short_deadlines, 0, count);
    tcase_add_loop_test(tcase, test_shutdown_with_writers_in_flight, 0, count);
    tcase_add_loop_test(tcase, test_several_shutdowns_at_once, 0, count);
    tcase_add_loop_test(tcase, test_large_records_do_not_starve, 0, RING_VARIANTS);
    tcase_add_loop_test(tcase, test_1000_threads, 0, count);
    tcase_add_loop_test(tcase, test_epoch_numbers_wrap, 0, count * 7);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("crowd");
    tcase_set_timeout(tcase, (double)scaled(300, 300, 36000));
    tcase_add_test(tcase, test_a_crowd_for_a_while);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(threads_suite());
}
