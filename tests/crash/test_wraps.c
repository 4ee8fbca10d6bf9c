/* SPDX-License-Identifier: MIT */
/*
 * Numbers that have come far.  Logs start a little before a place where an LSN, the index of a
 * segment, the number of an epoch (whose low 24 bits are the generation in the ring's head word) or
 * an incarnation no longer fits the bits that it did, and are appended to across it, by one thread
 * and by several; trimmed, crashed on the simulated disk, recovered and read back, under each
 * engine.  Where a number ends, the log says so and loses nothing.
 *
 *     test_wraps         all of it
 *     test_wraps INDEX   one, as printed by a failure behind the name of its test
 */
#include "campaign.h"
#include "far_log.h"
#include "format/format.h"
#include "journal.h"
#include "logfile_sim.h"
#include "regressions.h"
#include "support.h"

#include "tool/tool.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_PATH "far.log"
#define EASY_LSN (((uint64_t)1 << 20) + 4 * LOGFILE_IO_BLOCK) /* where nothing is the matter */

enum {
    KIB = 1 << 10,
    SLOT_BYTES = 8 * KIB,
    SEGMENT_BYTES = 64 * KIB,
    RECORD_BYTES_MAX = 3 * KIB,
    THREADS_MAX = 4,
    WRAPS_LEAST = 4 /* starts that a test tries, however slow the machine is */
};

/* One log, from the start that it was made with. */
struct life {
    struct logfile_sim *disk;
    struct io_layer layer;
    struct logfile_options options;
    struct logfile_open_report report;
    struct logfile *log;
    struct journal journal;
    struct rng rng;
    char name[192];
};

/* An index stands for an engine, one file or segments, and a way to prepare; and it seeds what is
 * random. */
enum {
    WAY_COUNT = 6 /* three to prepare, on a disk that can allocate and on one that cannot */
};

static bool has_segments(int index)
{
    return index % 2 == 1;
}

/* So many in a row have the same way. */
static int per_way_count(void)
{
    return 2 * (int)engine_variant_count();
}

/* Makes the log, not open yet. */
static void life_begin(struct life *life, int index, uint64_t segment_bytes,
                       const struct far_start *start)
{
    const unsigned way = (unsigned)(index / per_way_count());
    const struct logfile_sim_options disk_options = {.no_allocate = way / 3 % 2 == 1};
    struct variant variant;

    memset(life, 0, sizeof *life);
    engine_variant_get((unsigned)(index % per_way_count() / 2), &variant);
    life->options = variant.options;
    life->options.slot_bytes = SLOT_BYTES;
    life->options.segment_bytes = has_segments(index) ? segment_bytes : 0;
    life->options.prepare_bytes = 64 * KIB;
    life->options.prepare = (enum logfile_prepare)(way % 3);
    life->options.io = &life->layer.io;
    life->disk = logfile_sim_new(&disk_options);
    life->rng.state = (uint64_t)index;
    snprintf(life->name, sizeof life->name,
             "test_wraps %d: %s, %s, way %u: from LSN %#" PRIx64 ", epoch %#" PRIx64
             ", incarnation %#" PRIx32,
             index, variant.name, has_segments(index) ? "segments" : "one file", way, start->lsn,
             start->epoch, start->incarnation);
    watchdog_start(120, life->name);
    uint64_t lsn = far_log_make(life->disk, LOG_PATH, SLOT_BYTES, life->options.segment_bytes,
                                start, &life->layer);
    journal_add(&life->journal, lsn, FAR_LOG_RECORD_SEED, FAR_LOG_RECORD_BYTES, true);
}

static void life_end(struct life *life)
{
    ck_assert_msg(logfile_sim_misuse_count(life->disk) == 0, "%s: misuse of io", life->name);
    journal_free(&life->journal);
    logfile_sim_free(life->disk);
    watchdog_stop();
}

static void open_log(struct life *life)
{
    int error = logfile_open(LOG_PATH, &life->options, &life->report, &life->log);

    ck_assert_msg(error == 0, "%s: %s: %s", life->name, logfile_strerror(error),
                  life->report.message);
}

static void check_is_refused(struct life *life, int expected)
{
    int error = logfile_open(LOG_PATH, &life->options, &life->report, &life->log);

    ck_assert_msg(error == expected, "%s: opened again: %s", life->name, logfile_strerror(error));
}

static void close_log(struct life *life)
{
    int error = logfile_close(life->log);

    ck_assert_msg(error == 0, "%s: close: %s", life->name, logfile_strerror(error));
}

/* ---- Appending ---- */

struct writer {
    struct life *life;
    struct rng rng;
    struct journal journal;
    unsigned record_count;
    int error; /* of the call that ended it */
};

/* One record; 0, or what ended the writer.  What got an LSN may be read. */
static int append_one(struct writer *writer)
{
    uint8_t payload[RECORD_BYTES_MAX];
    size_t size = rng_below(&writer->rng, sizeof payload);
    uint64_t seed = rng_next(&writer->rng);
    bool submits = rng_one_in(&writer->rng, 4);
    uint64_t lsn = 0;
    int error;

    payload_fill(payload, size, seed);
    error = submits ? logfile_submit(writer->life->log, payload, size, NULL, &lsn)
                    : logfile_append(writer->life->log, payload, size, &lsn);
    if (lsn != 0)
        journal_add(&writer->journal, lsn, seed, size, error == 0 && !submits);
    return error;
}

static void *write_records(void *arg)
{
    struct writer *writer = arg;

    for (unsigned i = 0; i < writer->record_count && writer->error == 0; i++)
        writer->error = append_one(writer);
    return NULL;
}

/* So many threads append so many records each, or until each of them is told an error: returned is
 * one of them. */
static int append(struct life *life, unsigned thread_count, unsigned record_count)
{
    struct writer writers[THREADS_MAX] = {0};
    pthread_t threads[THREADS_MAX];
    int error = 0;

    for (unsigned i = 0; i < thread_count; i++) {
        writers[i].life = life;
        writers[i].rng.state = rng_next(&life->rng);
        writers[i].record_count = record_count;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_records, &writers[i]), 0);
    }
    for (unsigned i = 0; i < thread_count; i++) {
        pthread_join(threads[i], NULL);
        error = writers[i].error != 0 ? writers[i].error : error;
        journal_take(&life->journal, &writers[i].journal);
    }
    journal_ack_below(&life->journal, logfile_durable_lsn(life->log));
    return error;
}

/* The machine goes down, at the latest with the next change; what was not synced is lost, kept or
 * torn. */
static void crash_now(struct life *life)
{
    if (!logfile_sim_is_down(life->disk))
        logfile_sim_crash_at(life->disk, 1);
    (void)logfile_close(life->log); /* fails, unless the log was not written to any more */
    ck_assert_int_eq(logfile_sim_reboot(life->disk, rng_next(&life->rng)), 0);
}

/* ---- Reading back ---- */

static void check_journal(struct life *life)
{
    char why[JOURNAL_WHY_BYTES] = "";
    bool good = journal_compare_path(&life->journal, LOG_PATH, &life->layer.io, why);

    ck_assert_msg(good, "%s: %s", life->name, why);
}

/* Finds nothing, or only the torn end that a crash leaves. */
static void check_with_verify(struct life *life, bool is_closed)
{
    char *report = NULL;
    size_t report_bytes;
    FILE *out = open_memstream(&report, &report_bytes);

    ck_assert_ptr_nonnull(out);
    int status = lf_tool_verify_log(&life->layer.io, LOG_PATH, out);
    fclose(out);
    ck_assert_msg(status == LF_TOOL_OK || (status == LF_TOOL_TORN && !is_closed),
                  "%s: verify: %d: %s", life->name, status, report);
    free(report);
}

/* ---- Where numbers need one bit more ---- */

/* What is at most 2^bits when the log starts, and beyond when the test is over. */
enum number {
    NUMBER_LSN,
    NUMBER_SEGMENT, /* an index; of a log of one file, the LSN that it would have */
    NUMBER_EPOCH,
    NUMBER_INCARNATION,
    NUMBER_ALL /* LSN, epoch and, as far as it has the bits, incarnation */
};

struct wrap {
    enum number number;
    unsigned bits;
};

/* Of an epoch, the low 12 bits are a tag in the ring's slots and the low 24 bits are the
 * generation, which each of the others takes across its end too. */
static const struct wrap wraps[] = {
    {NUMBER_LSN, 24},         {NUMBER_LSN, 31},         {NUMBER_LSN, 32},     {NUMBER_LSN, 40},
    {NUMBER_SEGMENT, 24},     {NUMBER_SEGMENT, 31},     {NUMBER_SEGMENT, 32}, {NUMBER_SEGMENT, 40},
    {NUMBER_EPOCH, 12},       {NUMBER_EPOCH, 24},       {NUMBER_EPOCH, 31},   {NUMBER_EPOCH, 32},
    {NUMBER_EPOCH, 40},       {NUMBER_EPOCH, 63},       {NUMBER_ALL, 24},     {NUMBER_ALL, 31},
    {NUMBER_INCARNATION, 24}, {NUMBER_INCARNATION, 31}, {NUMBER_ALL, 32},     {NUMBER_ALL, 40},
};
#define WRAP_COUNT (sizeof wraps / sizeof wraps[0])

enum {
    LIVES = 3, /* openings that end in a crash */
    EPOCHS_BEFORE = 12,
    RECORDS_ALONE = 10, /* of one thread, in each of them, */
    RECORDS_EACH = 8    /* and of each of several */
};

static uint64_t power_of_two(unsigned bits)
{
    return (uint64_t)1 << bits;
}

static bool wraps_epoch(const struct wrap *wrap)
{
    return wrap->number == NUMBER_EPOCH || wrap->number == NUMBER_ALL;
}

static bool wraps_incarnation(const struct wrap *wrap)
{
    return wrap->number == NUMBER_INCARNATION || (wrap->number == NUMBER_ALL && wrap->bits < 32);
}

/* The first epoch of the segment that ends where the LSN, or index, has one bit more; of one file,
 * the same place. */
static uint64_t start_lsn(const struct wrap *wrap)
{
    if (wrap->number == NUMBER_SEGMENT)
        return power_of_two(wrap->bits) * SEGMENT_BYTES - SEGMENT_BYTES + LF_FIRST_LSN;
    if (wrap->number == NUMBER_LSN || wrap->number == NUMBER_ALL)
        return power_of_two(wrap->bits) - SEGMENT_BYTES + LF_FIRST_LSN;
    return EASY_LSN;
}

static struct far_start start_of(const struct wrap *wrap)
{
    return (struct far_start){
        .lsn = start_lsn(wrap),
        .epoch = wraps_epoch(wrap) ? power_of_two(wrap->bits) - EPOCHS_BEFORE : 5,
        .incarnation =
            wraps_incarnation(wrap) ? (uint32_t)(power_of_two(wrap->bits) - LIVES + 1) : 1,
    };
}

static void read_tail(struct life *life, struct logfile_tail *tail)
{
    struct logfile_reader *reader;
    struct logfile_record record;

    ck_assert_int_eq(logfile_reader_open(LOG_PATH, READING(.io = &life->layer.io), &reader), 0);
    while (logfile_reader_next(reader, &record) == 1)
        continue;
    ck_assert_int_eq(logfile_reader_tail(reader, tail, sizeof *tail), 0);
    logfile_reader_close(reader);
}

/* That the log has got across: else the test would have tested nothing. */
static void check_has_wrapped(struct life *life, const struct wrap *wrap)
{
    const uint64_t limit = power_of_two(wrap->bits);
    struct logfile_tail tail;

    read_tail(life, &tail);
    ck_assert_int_eq(tail.verdict, LOGFILE_CLEAN);
    if (start_lsn(wrap) != EASY_LSN)
        ck_assert_uint_gt(tail.end_lsn, start_lsn(wrap) + SEGMENT_BYTES - LF_FIRST_LSN);
    if (wraps_epoch(wrap))
        ck_assert_uint_gt(tail.last_epoch, limit);
    if (wraps_incarnation(wrap))
        ck_assert_uint_gt(tail.incarnation, limit);
}

/* The first and the last one are called what docs/FORMAT.md says; and the last one's number is not
 * taken for another's. */
static void check_names(struct life *life)
{
    struct logfile_tail tail;
    char name[64];

    if (life->options.segment_bytes == 0)
        return;
    read_tail(life, &tail);
    const uint64_t oldest_lsn = life->journal.oldest_min;
    const uint64_t ends[2] = {oldest_lsn, tail.end_lsn - 1};
    for (unsigned i = 0; i < 2; i++) {
        snprintf(name, sizeof name, LOG_PATH "/%016" PRIx64 ".segment", ends[i] / SEGMENT_BYTES);
        ck_assert_msg(logfile_sim_exists(life->disk, name), "%s: %s is missing", life->name, name);
    }
}

/* A reader that starts at the LSN of a record starts with that record. */
static void check_reads_from(struct life *life, const struct journal_entry *entry)
{
    struct logfile_reader *reader;
    struct logfile_record record;

    ck_assert_int_eq(
        logfile_reader_open(LOG_PATH, READING(.lsn = entry->lsn, .io = &life->layer.io), &reader),
        0);
    ck_assert_int_eq(logfile_reader_next(reader, &record), 1);
    ck_assert_uint_eq(record.lsn, entry->lsn);
    ck_assert(record.size == entry->size && payload_matches(record.data, record.size, entry->seed));
    logfile_reader_close(reader);
}

static void check_what_is_there(struct life *life, bool is_closed)
{
    check_journal(life);
    check_with_verify(life, is_closed);
    check_names(life);
    for (unsigned i = 0; i < 3 && life->journal.count > 0; i++)
        check_reads_from(life, &life->journal.entries[rng_below(&life->rng, life->journal.count)]);
}

/* Somewhere between the oldest record and the newest. */
static void trim_a_little(struct life *life)
{
    const struct journal *journal = &life->journal;
    uint64_t lsn = journal->entries[rng_below(&life->rng, journal->count)].lsn;

    ck_assert_uint_lt(lsn, logfile_durable_lsn(life->log));
    journal_ask_trim(&life->journal, lsn);
    int error = logfile_trim(life->log, lsn);
    ck_assert_msg(error == 0, "%s: trim: %s", life->name, logfile_strerror(error));
    journal_trimmed(&life->journal, logfile_oldest_lsn(life->log));
}

/* Everything that was appended is durable. */
static void append_well(struct life *life, unsigned thread_count, unsigned record_count)
{
    int error = append(life, thread_count, record_count);

    ck_assert_msg(error == 0, "%s: append: %s", life->name, logfile_strerror(error));
    ck_assert_int_eq(logfile_sync(life->log, NULL), 0);
    journal_ack_below(&life->journal, logfile_durable_lsn(life->log));
}

/* From an opening to a crash, somewhere in the work of several threads. */
static void live_and_die(struct life *life)
{
    open_log(life);
    append_well(life, 1, RECORDS_ALONE);
    trim_a_little(life);
    append_well(life, THREADS_MAX, RECORDS_EACH);
    logfile_sim_crash_at(life->disk, 1 + rng_below(&life->rng, 40));
    (void)append(life, THREADS_MAX, RECORDS_EACH); /* until the machine goes down */
    crash_now(life);
    check_what_is_there(life, false);
}

START_TEST(logs_go_on_where_numbers_need_one_bit_more)
{
    /* Where time ends early, the others of this test have begun elsewhere: together they meet each. */
    const uint64_t end_ns = campaign_share_end_ns(2 * (unsigned)per_way_count());
    size_t tried = 0;

    for (; tried < WRAP_COUNT && (tried < WRAPS_LEAST || campaign_time_is_left(end_ns)); tried++) {
        const size_t i = (tried + (size_t)_i * WRAPS_LEAST) % WRAP_COUNT;
        const struct far_start start = start_of(&wraps[i]);
        struct life life;

        /* The ways to prepare take turns. */
        life_begin(&life, _i + (int)i * per_way_count(), SEGMENT_BYTES, &start);
        for (unsigned n = 0; n < LIVES; n++)
            live_and_die(&life);
        open_log(&life);
        append_well(&life, 1, 1);
        close_log(&life);
        check_what_is_there(&life, true);
        check_has_wrapped(&life, &wraps[i]);
        life_end(&life);
    }
    printf("tried %zu of %zu starts\n", tried, WRAP_COUNT);
}
END_TEST

/* ---- Where numbers end ---- */

START_TEST(the_last_incarnation_is_refused_and_loses_nothing)
{
    const struct far_start start = {EASY_LSN, 5, UINT32_MAX - 2};
    struct life life;

    life_begin(&life, _i, SEGMENT_BYTES, &start);
    for (unsigned i = 0; i < 2; i++) {
        open_log(&life);
        ck_assert_int_eq(append(&life, 1 + i, 5), 0);
        close_log(&life);
    }
    check_is_refused(&life, -EOVERFLOW);
    ck_assert_ptr_nonnull(strstr(life.report.message, "4294967295 times"));
    journal_ack_below(&life.journal, UINT64_MAX);
    check_journal(&life);
    check_with_verify(&life, true);
    life_end(&life);
}
END_TEST

/* The last LSN that an epoch of this log may reach. */
static uint64_t end_of_log(const struct life *life)
{
    const struct lf_layout layout = {SLOT_BYTES, life->options.segment_bytes, 0};

    return lf_layout_end_lsn(&layout);
}

/* A log that has two segments left, the last of which ends where LSNs end, or a bit before. */
static void begin_near_the_end(struct life *life, int index)
{
    /* The first divides the last LSN, the second does not. */
    const uint64_t segment_bytes = index / per_way_count() % 2 == 0 ? SEGMENT_BYTES : 52 * KIB;
    const uint64_t left = has_segments(index) ? 2 * segment_bytes - LF_FIRST_LSN : 64 * KIB;
    const uint64_t end =
        has_segments(index) ? LF_LSN_END / segment_bytes * segment_bytes : LF_LSN_END;
    const struct far_start start = {end - left, 5, 1};

    life_begin(life, index, segment_bytes, &start);
}

/* It is full, and that is not a failure. */
static void check_is_full(struct life *life)
{
    const char byte = 1;
    uint64_t lsn = 1;
    struct logfile_failure failure;

    ck_assert_int_eq(logfile_append(life->log, &byte, 1, &lsn), -EFBIG);
    ck_assert_int_eq(logfile_submit(life->log, &byte, 1, NULL, &lsn), -EFBIG);
    ck_assert_uint_eq(lsn, 1);
    ck_assert_int_eq(logfile_sync(life->log, NULL), 0);
    ck_assert_int_eq(logfile_failure(life->log, &failure, sizeof failure), 0);
    ck_assert_int_eq(failure.error, 0);
    ck_assert_uint_le(logfile_durable_lsn(life->log), end_of_log(life));
}

static void append_until_full(struct life *life, unsigned thread_count)
{
    int error = append(life, thread_count, 1000);

    ck_assert_msg(error == -EFBIG, "%s: %s", life->name, logfile_strerror(error));
    check_is_full(life);
}

/* Trimming a log that is full gives space back, but no LSNs. */
static void trim_to_the_last(struct life *life)
{
    uint64_t lsn = life->journal.entries[life->journal.count - 1].lsn;

    journal_ask_trim(&life->journal, lsn);
    ck_assert_int_eq(logfile_trim(life->log, lsn), 0);
    journal_trimmed(&life->journal, logfile_oldest_lsn(life->log));
    check_is_full(life);
}

START_TEST(at_the_last_lsn_appends_are_refused_and_nothing_is_lost)
{
    struct life life;

    begin_near_the_end(&life, _i);
    open_log(&life);
    append_until_full(&life, 1 + (unsigned)_i / 2 % THREADS_MAX);
    close_log(&life);
    check_is_refused(&life, -EFBIG);
    check_journal(&life);
    check_with_verify(&life, true);
    life_end(&life);
}
END_TEST

START_TEST(a_full_log_can_be_trimmed_and_survives_a_crash)
{
    struct life life;

    begin_near_the_end(&life, _i);
    open_log(&life);
    append_until_full(&life, THREADS_MAX);
    trim_to_the_last(&life);
    crash_now(&life);
    check_journal(&life);
    check_with_verify(&life, false);
    check_is_refused(&life, -EFBIG);
    check_journal(&life);
    life_end(&life);
}
END_TEST

/* Of each test, the indices from `first` on: so many, and so many where numbers need one bit
 * more. */
static Suite *wraps_suite(int first, int count, int bit_count)
{
    Suite *suite = suite_create("wraps");
    TCase *ends = tcase_create("where numbers end");
    TCase *bits = tcase_create("where numbers need one bit more");
    int behind = first + count;

    tcase_add_loop_test(ends, the_last_incarnation_is_refused_and_loses_nothing, first, behind);
    tcase_add_loop_test(ends, at_the_last_lsn_appends_are_refused_and_nothing_is_lost, first,
                        behind);
    tcase_add_loop_test(ends, a_full_log_can_be_trimmed_and_survives_a_crash, first, behind);
    suite_add_tcase(suite, ends);
    tcase_add_loop_test(bits, logs_go_on_where_numbers_need_one_bit_more, first, first + bit_count);
    tcase_set_timeout(bits, (double)scaled(120, 120, 3600));
    suite_add_tcase(suite, bits);
    return suite;
}

int main(int argc, char **argv)
{
    uint64_t index;

    if (argc == 1)
        return run_suite(
            wraps_suite(0, WAY_COUNT * per_way_count(), (int)scaled(1, 2, 200) * per_way_count()));
    if (argc > 2 || !regression_number(argv[1], &index) || index > INT32_MAX / 2) {
        fprintf(stderr, "usage: test_wraps [INDEX]\n");
        return 2;
    }
    return run_suite(wraps_suite((int)index, 1, 1));
}
