/* SPDX-License-Identifier: MIT */
/*
 * The public contract of a log that works, on a real file: the same tests for every choice of
 * engine, flusher, wait strategy, sync and I/O mode, or for every engine and flusher where the
 * rest makes no difference.
 */
#include "journal.h"
#include "logfile_io.h"
#include "support.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
    RECORD_BYTES_MAX = 16 << 10,
    BLOCK_BYTES = 4096
};
enum {
    EPOCH_HEADER_BYTES = 80,
    RECORD_HEADER_BYTES = 8
};

static struct variant variant;
static struct logfile *contract_log;
static struct logfile_open_report report; /* of its last opening */
static struct journal journal;
static uint8_t payload[RECORD_BYTES_MAX + 1];
static uint64_t next_seed;
static char why[JOURNAL_WHY_BYTES];

static const char *log_path(void)
{
    return folder_path("contract.log");
}

/* False where the file system does not take direct I/O. */
static bool open_log(void)
{
    int error = logfile_open(log_path(), &variant.options, &report, &contract_log);

    if (error == -EINVAL && variant.options.io_mode == LOGFILE_IO_DIRECT)
        return false;
    ck_assert_msg(error == 0, "%s: open: %s", variant.name, logfile_strerror(error));
    return true;
}

static void close_log(void)
{
    ck_assert_int_eq(logfile_close(contract_log), 0);
    contract_log = NULL;
}

/* Starts a test of the loop test's variant. */
static bool begin(int index)
{
    variant_get((unsigned)index, &variant);
    watchdog_start(60, variant.name);
    enter_folder();
    return open_log();
}

static void begin_engine_with(int index, uint32_t sync)
{
    engine_variant_get((unsigned)index, &variant);
    variant.lab->sync = sync;
    watchdog_start(60, variant.name);
    enter_folder();
    ck_assert(open_log());
}

static void begin_engine(int index)
{
    begin_engine_with(index, LOGFILE_SYNC_FDATASYNC);
}

/* Closes the log, if it is open, and compares what is in it with the journal. */
static void end(void)
{
    struct logfile_reader *reader;
    struct logfile_tail tail;

    if (contract_log != NULL)
        close_log();
    journal_ack_below(&journal, UINT64_MAX);
    ck_assert_int_eq(logfile_reader_open(log_path(), NULL, &reader), 0);
    ck_assert_msg(journal_compare(&journal, reader, why), "%s: %s", variant.name, why);
    ck_assert_int_eq(logfile_reader_tail(reader, &tail, sizeof tail), 0);
    ck_assert_int_eq(tail.verdict, LOGFILE_CLEAN);
    logfile_reader_close(reader);
    journal_free(&journal);
    leave_folder();
    watchdog_stop();
}

enum how {
    HOW_APPEND,
    HOW_APPENDV,
    HOW_APPENDV_UNTIL,
    HOW_SUBMIT_WAIT,
    HOW_SUBMITV_WAIT,
    HOW_APPEND_UNTIL,
    HOW_BATCH_WAIT,
    HOW_RESERVE_WAIT,
    HOW_COUNT
};

static int reserve_and_publish(size_t size, uint64_t *lsnp)
{
    struct logfile_reservation reservation;
    int error = logfile_reserve(contract_log, size, NULL, &reservation);

    if (error != 0)
        return error;
    *lsnp = reservation.lsn;
    memcpy(reservation.data, payload, size);
    return logfile_publish(contract_log, &reservation);
}

static int call(enum how how, size_t size, uint64_t *lsnp)
{
    struct timespec deadline = deadline_in_ms(60000);
    struct iovec whole = {payload, size};
    struct iovec iov[5] = {{NULL, 0},
                           {payload, size / 3},
                           {payload, 0},
                           {payload + size / 3, size - size / 3},
                           {NULL, 0}};
    int error;

    switch (how) {
    case HOW_APPENDV:
        return logfile_appendv(contract_log, iov, 5, NULL, lsnp);
    case HOW_APPENDV_UNTIL:
        return logfile_appendv(contract_log, iov, 5, &deadline, lsnp);
    case HOW_SUBMITV_WAIT:
        error = logfile_submitv(contract_log, iov, 5, NULL, lsnp);
        return error != 0 ? error : logfile_wait(contract_log, *lsnp, NULL);
    case HOW_SUBMIT_WAIT:
        error = logfile_submit(contract_log, payload, size, NULL, lsnp);
        return error != 0 ? error : logfile_wait(contract_log, *lsnp, NULL);
    case HOW_APPEND_UNTIL:
        return logfile_append_until(contract_log, payload, size, &deadline, lsnp);
    case HOW_BATCH_WAIT:
        error = logfile_submit_batch(contract_log, &whole, 1, NULL, lsnp);
        return error != 0 ? error : logfile_wait(contract_log, *lsnp, NULL);
    case HOW_RESERVE_WAIT:
        error = reserve_and_publish(size, lsnp);
        if (error == -EOPNOTSUPP && variant.lab->engine != LOGFILE_ENGINE_RING)
            break;
        return error != 0 ? error : logfile_wait(contract_log, *lsnp, NULL);
    case HOW_APPEND:
    case HOW_COUNT:
        break;
    }
    return logfile_append(contract_log, payload, size, lsnp);
}

/* Appends a record one way or another and looks at what can be seen of it. */
static uint64_t append(enum how how, size_t size)
{
    uint64_t next_lsn = logfile_next_lsn(contract_log);
    uint64_t lsn = UINT64_MAX;
    uint64_t seed = ++next_seed;

    payload_fill(payload, size, seed);
    int error = call(how, size, &lsn);
    ck_assert_msg(error == 0, "%s: %zu bytes: %s", variant.name, size, logfile_strerror(error));
    ck_assert_uint_ge(lsn, next_lsn);
    if (journal.count > 0)
        ck_assert_uint_gt(lsn, journal.entries[journal.count - 1].lsn);
    ck_assert_uint_gt(logfile_durable_lsn(contract_log), lsn);
    ck_assert_uint_gt(logfile_next_lsn(contract_log), lsn);
    journal_add(&journal, lsn, seed, size, true);
    return lsn;
}

/* ---- Every variant ---- */

static void append_edge_sizes(void)
{
    /* The last bytes of an epoch's first and second block, and of the slot. */
    static const size_t from_block_end[] = {0, 1, 7, 8, 9, 16, 17};
    static const size_t small[] = {0, 1, 7, 8, 9, 63, 64, 65, 1000};
    size_t max = logfile_record_max(contract_log);
    size_t turn = 0;

    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++)
        append(turn++ % HOW_COUNT, small[i]);
    for (size_t block = BLOCK_BYTES; block <= 2 * BLOCK_BYTES; block += BLOCK_BYTES)
        for (size_t i = 0; i < sizeof from_block_end / sizeof from_block_end[0]; i++)
            append(turn++ % HOW_COUNT,
                   block - EPOCH_HEADER_BYTES - RECORD_HEADER_BYTES - 8 + from_block_end[i]);
    for (size_t less = 0; less < 10; less++)
        append(turn++ % HOW_COUNT, max - less);
}

START_TEST(test_every_size_is_read_back)
{
    if (!begin(_i))
        return;
    ck_assert_uint_eq(logfile_record_max(contract_log),
                      variant.options.slot_bytes - EPOCH_HEADER_BYTES - RECORD_HEADER_BYTES);
    append_edge_sizes();
    end();
}
END_TEST

START_TEST(test_a_log_goes_on_after_reopening)
{
    if (!begin(_i))
        return;
    for (uint64_t opening = 2; opening <= 4; opening++) {
        append(HOW_APPEND, 100);
        append(HOW_SUBMIT_WAIT, 5000);
        uint64_t next_lsn = logfile_next_lsn(contract_log);
        close_log();
        ck_assert(open_log());
        ck_assert_uint_ge(logfile_next_lsn(contract_log), next_lsn);
        ck_assert_int_eq(report.tail.verdict, LOGFILE_CLEAN);
        ck_assert_uint_eq(report.tail.incarnation, opening - 1);
        ck_assert_str_eq(report.message, "");
        struct logfile_stats stats;
        ck_assert_int_eq(logfile_stats(contract_log, &stats, sizeof stats), 0);
        ck_assert_uint_eq(stats.incarnation, opening);
    }
    end();
}
END_TEST

START_TEST(test_too_large_reserves_nothing)
{
    if (!begin(_i))
        return;
    size_t max = logfile_record_max(contract_log);
    uint64_t lsn = 77;
    struct iovec halves[2] = {{payload, max / 2}, {payload, max - max / 2 + 1}};
    struct iovec endless[2] = {{payload, SIZE_MAX}, {payload, 2}};

    append(HOW_APPEND, 10);
    uint64_t next_lsn = logfile_next_lsn(contract_log);
    ck_assert_int_eq(logfile_append(contract_log, payload, max + 1, &lsn), LOGFILE_ETOOBIG);
    ck_assert_int_eq(logfile_append(contract_log, payload, SIZE_MAX, &lsn), LOGFILE_ETOOBIG);
    ck_assert_int_eq(logfile_submit(contract_log, payload, max + 1, NULL, &lsn), LOGFILE_ETOOBIG);
    ck_assert_int_eq(logfile_appendv(contract_log, halves, 2, NULL, &lsn), LOGFILE_ETOOBIG);
    ck_assert_int_eq(logfile_appendv(contract_log, endless, 2, NULL, &lsn), LOGFILE_ETOOBIG);
    ck_assert_uint_eq(lsn, 77);
    ck_assert_uint_eq(logfile_next_lsn(contract_log), next_lsn);
    struct logfile_stats stats;
    ck_assert_int_eq(logfile_stats(contract_log, &stats, sizeof stats), 0);
    ck_assert_uint_eq(stats.refused_size, 5);
    append(HOW_APPEND, max);
    end();
}
END_TEST

/* ---- Every engine ---- */

struct writer {
    uint64_t index;
    unsigned record_count;
    struct journal journal;
    int error;
};

static void *write_records(void *argument)
{
    struct writer *writer = argument;
    struct rng rng = {.state = writer->index};
    uint8_t bytes[2000];
    uint64_t last_lsn = 0;

    for (unsigned i = 0; i < writer->record_count && writer->error == 0; i++) {
        uint64_t lsn = UINT64_MAX;
        uint64_t seed = writer->index << 32 | i;
        size_t size = payload_random_size(&rng, sizeof bytes);
        payload_fill(bytes, size, seed);
        writer->error = i % 3 == 0 ? logfile_submit(contract_log, bytes, size, NULL, &lsn)
                                   : logfile_append(contract_log, bytes, size, &lsn);
        if (writer->error == 0 && (lsn <= last_lsn || lsn == UINT64_MAX))
            writer->error = -ERANGE;
        last_lsn = lsn;
        journal_add(&writer->journal, lsn, seed, size, true);
    }
    if (writer->error == 0)
        writer->error = logfile_sync(contract_log, NULL);
    return NULL;
}

/* The durable LSN never falls; checked from beside the writers. */
static void watch_durable_lsn(unsigned rounds)
{
    uint64_t before = 0;

    for (unsigned i = 0; i < rounds; i++) {
        uint64_t now = logfile_durable_lsn(contract_log);
        ck_assert_uint_ge(now, before);
        ck_assert_uint_ge(logfile_next_lsn(contract_log), now);
        before = now;
        if (i % 64 == 0)
            sleep_us(50);
    }
}

START_TEST(test_writers_keep_their_order)
{
    enum {
        WRITERS = 4
    };
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];

    begin_engine(_i);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] =
            (struct writer){.index = i + 1, .record_count = (unsigned)scaled(20, 150, 10000)};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_records, &writers[i]), 0);
    }
    watch_durable_lsn(3000);
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_msg(writers[i].error == 0, "%s: writer %u: %s", variant.name, i,
                      logfile_strerror(writers[i].error));
        journal_take(&journal, &writers[i].journal);
    }
    end();
}
END_TEST

START_TEST(test_submit_wait_flush)
{
    struct timespec past = deadline_in_ms(-1000);
    uint64_t lsns[50];

    begin_engine(_i);
    ck_assert_int_eq(logfile_sync(contract_log, NULL), 0);
    ck_assert_int_eq(logfile_sync(contract_log, &past), 0);
    for (unsigned i = 0; i < 50; i++) {
        payload_fill(payload, i, i + 1);
        ck_assert_int_eq(logfile_submit(contract_log, payload, i, NULL, &lsns[i]), 0);
        journal_add(&journal, lsns[i], i + 1, i, true);
    }
    ck_assert_int_eq(logfile_wait(contract_log, lsns[20], NULL), 0);
    for (unsigned i = 0; i <= 20; i++)
        ck_assert_int_eq(logfile_wait(contract_log, lsns[i], &past), 0);
    ck_assert_int_eq(logfile_sync(contract_log, NULL), 0);
    for (unsigned i = 0; i < 50; i++)
        ck_assert_int_eq(logfile_wait(contract_log, lsns[i], &past), 0);
    ck_assert_uint_gt(logfile_durable_lsn(contract_log), lsns[49]);
    /* What was never handed out cannot be waited for. */
    ck_assert_int_eq(logfile_wait(contract_log, logfile_next_lsn(contract_log), NULL), -EINVAL);
    ck_assert_int_eq(logfile_wait(contract_log, UINT64_MAX, &past), -EINVAL);
    /* Below the first record all is durable. */
    ck_assert_int_eq(logfile_wait(contract_log, 0, &past), 0);
    ck_assert_uint_le(logfile_oldest_lsn(contract_log), lsns[0]);
    end();
}
END_TEST

/* What is submitted becomes durable by itself, where the engine says so.  Loop test: each engine,
 * on a device, and without syncs: then a flush is over so soon that the next one is put off a
 * little. */
START_TEST(test_submit_becomes_durable_by_itself)
{
    uint64_t lsn;
    uint64_t limit_ns = now_ns() + UINT64_C(600000000000);

    begin_engine_with(_i / 2, _i % 2 == 0 ? LOGFILE_SYNC_FDATASYNC : LOGFILE_SYNC_NONE);
    bool by_itself = variant.lab->engine == LOGFILE_ENGINE_SERIAL ||
                     (variant.lab->engine == LOGFILE_ENGINE_RING &&
                      variant.lab->flusher != LOGFILE_FLUSHER_LEADER);
    for (unsigned i = 0; i < 200; i++) {
        payload_fill(payload, 10, i);
        ck_assert_int_eq(logfile_submit(contract_log, payload, 10, NULL, &lsn), 0);
        journal_add(&journal, lsn, i, 10, true);
        while (by_itself && logfile_durable_lsn(contract_log) <= lsn) {
            ck_assert_msg(now_ns() < limit_ns, "%s: still pending after ten minutes", variant.name);
            sched_yield();
        }
    }
    end();
}
END_TEST

static void note_until(int error, uint64_t lsn, uint64_t seed, size_t size)
{
    if (error == 0)
        ck_assert_uint_ne(lsn, UINT64_MAX);
    else
        ck_assert(error == -ETIMEDOUT || (lsn == UINT64_MAX && is_late(error)));
    if (lsn == UINT64_MAX)
        return; /* not written */
    ck_assert_int_eq(logfile_wait(contract_log, lsn, NULL), 0);
    journal_add(&journal, lsn, seed, size, true);
}

START_TEST(test_deadlines)
{
    static const int64_t ms[] = {-100000, -1, 0, 1, 5, 60000};

    begin_engine(_i);
    for (unsigned i = 0; i < 120; i++) {
        struct timespec deadline = deadline_in_ms(ms[i % 6]);
        uint64_t lsn = UINT64_MAX;
        size_t size = i * 40;
        payload_fill(payload, size, i);
        int error = logfile_append_until(contract_log, payload, size, &deadline, &lsn);
        if (ms[i % 6] == 60000)
            ck_assert_int_eq(error, 0);
        note_until(error, lsn, i, size);
    }
    struct timespec broken[] = {{.tv_sec = -1}, {.tv_nsec = 1000000000}, {.tv_nsec = -1}};
    for (unsigned i = 0; i < 3; i++) {
        uint64_t lsn = 5;
        ck_assert_int_eq(logfile_append_until(contract_log, payload, 1, &broken[i], &lsn), -EINVAL);
        ck_assert_int_eq(logfile_submit(contract_log, payload, 1, &broken[i], &lsn), -EINVAL);
        ck_assert_int_eq(logfile_wait(contract_log, 0, &broken[i]), -EINVAL);
        ck_assert_int_eq(logfile_sync(contract_log, &broken[i]), -EINVAL);
        ck_assert_int_eq(logfile_shutdown(contract_log, &broken[i]), -EINVAL);
        ck_assert_uint_eq(lsn, 5);
    }
    end();
}
END_TEST

START_TEST(test_many_buffers_are_one_record)
{
    static struct iovec iov[1024];
    uint64_t lsn;

    begin_engine(_i);
    payload_fill(payload, 3 * 1024, 9);
    for (size_t i = 0; i < 1024; i++)
        iov[i] = (struct iovec){.iov_base = payload + 3 * i, .iov_len = 3};
    ck_assert_int_eq(logfile_appendv(contract_log, iov, 1024, NULL, &lsn), 0);
    journal_add(&journal, lsn, 9, 3 * 1024, true);
    ck_assert_int_eq(logfile_appendv(contract_log, NULL, 0, NULL, &lsn), 0);
    journal_add(&journal, lsn, 1, 0, true);
    ck_assert_int_eq(logfile_submitv(contract_log, iov, 1024, NULL, &lsn), 0);
    ck_assert_int_eq(logfile_wait(contract_log, lsn, NULL), 0);
    journal_add(&journal, lsn, 9, 3 * 1024, true);
    ck_assert_int_eq(logfile_appendv(contract_log, iov, 1025, NULL, &lsn), -EINVAL);
    ck_assert_int_eq(logfile_submitv(contract_log, iov, 1025, NULL, &lsn), -EINVAL);
    end();
}
END_TEST

static uint64_t record_bytes(size_t size)
{
    return (RECORD_HEADER_BYTES + size + 7) / 8 * 8;
}

START_TEST(test_statistics_add_up)
{
    enum {
        RECORDS = 40
    };
    struct logfile_stats stats;
    uint64_t bytes = 0;

    begin_engine(_i);
    for (size_t i = 0; i < RECORDS; i++) {
        append((enum how)(i % HOW_COUNT), i * 7);
        bytes += record_bytes(i * 7);
    }
    ck_assert_int_eq(logfile_shutdown(contract_log, NULL), 0);
    ck_assert_int_eq(logfile_stats(contract_log, &stats, sizeof stats), 0);
    ck_assert_uint_eq(stats.sync, LOGFILE_SYNC_FDATASYNC);
    ck_assert_int_ne(stats.io_mode, LOGFILE_IO_AUTO);
    ck_assert_uint_eq(stats.slot_bytes, variant.options.slot_bytes);
    ck_assert_uint_eq(stats.records, RECORDS);
    ck_assert_uint_eq(stats.bytes, bytes);
    /* Each of these was waited for before the next one. */
    ck_assert_uint_eq(stats.epochs, RECORDS);
    ck_assert_uint_ge(stats.syncs, RECORDS);
    ck_assert_uint_eq(stats.flush_ns.count, RECORDS);
    ck_assert_uint_eq(stats.records_per_epoch.count, RECORDS);
    ck_assert_uint_eq(stats.records_per_epoch.sum, RECORDS);
    ck_assert_uint_eq(stats.records_per_epoch.max, 1);
    ck_assert_uint_ge(stats.flush_ns.sum, stats.flush_ns.max);
    ck_assert_uint_eq(stats.write_ns.count, RECORDS);
    ck_assert_uint_eq(stats.sync_ns.count, RECORDS);
    ck_assert_uint_le(stats.write_ns.sum + stats.sync_ns.sum, stats.flush_ns.sum);
    ck_assert_uint_eq(stats.append_commit_ns.count + stats.submit_commit_ns.count, RECORDS);
    if (variant.lab->engine == LOGFILE_ENGINE_RING) /* The others know only who flushes. */
        ck_assert_uint_eq(stats.submit_commit_ns.count, 4 * RECORDS / HOW_COUNT);
    ck_assert_uint_eq(
        stats.refused_full + stats.refused_space + stats.refused_size + stats.refused_ended, 0);
    ck_assert_uint_ge(stats.device_bytes, stats.zero_fill_bytes + RECORDS * BLOCK_BYTES);
    ck_assert_uint_eq(stats.durable_lsn, logfile_durable_lsn(contract_log));
    if (variant.lab->engine == LOGFILE_ENGINE_RING)
        ck_assert_uint_eq(stats.inline_flushes + stats.sequencer_flushes, RECORDS);
    end();
}
END_TEST

START_TEST(test_after_shutdown)
{
    struct timespec past = deadline_in_ms(-1);
    struct iovec iov = {payload, 3};
    struct logfile_failure failure;
    struct logfile_stats stats;
    uint64_t lsn = 13;

    begin_engine(_i);
    uint64_t last_lsn = append(HOW_APPEND, 33);
    ck_assert_int_eq(logfile_shutdown(contract_log, NULL), 0);
    ck_assert_int_eq(logfile_shutdown(contract_log, NULL), 0);
    ck_assert_int_eq(logfile_shutdown(contract_log, &past), 0);
    ck_assert_int_eq(logfile_append(contract_log, payload, 3, &lsn), LOGFILE_ECLOSED);
    ck_assert_int_eq(logfile_append_until(contract_log, payload, 3, &past, &lsn), LOGFILE_ECLOSED);
    ck_assert_int_eq(logfile_appendv(contract_log, &iov, 1, NULL, &lsn), LOGFILE_ECLOSED);
    ck_assert_int_eq(logfile_appendv(contract_log, &iov, 1, &past, &lsn), LOGFILE_ECLOSED);
    ck_assert_int_eq(logfile_submitv(contract_log, &iov, 1, NULL, &lsn), LOGFILE_ECLOSED);
    ck_assert_int_eq(logfile_submit(contract_log, payload, 3, NULL, &lsn), LOGFILE_ECLOSED);
    ck_assert_uint_eq(lsn, 13);
    ck_assert_int_eq(logfile_stats(contract_log, &stats, sizeof stats), 0);
    ck_assert_uint_eq(stats.refused_ended, 6);
    ck_assert_int_eq(logfile_wait(contract_log, last_lsn, &past), 0);
    ck_assert_int_eq(logfile_wait(contract_log, UINT64_MAX, NULL), -EINVAL);
    ck_assert_int_eq(logfile_sync(contract_log, NULL), 0);
    ck_assert_uint_gt(logfile_durable_lsn(contract_log), last_lsn);
    ck_assert_int_eq(logfile_failure(contract_log, &failure, sizeof failure), 0);
    ck_assert_int_eq(failure.error, 0);
    ck_assert_int_eq(logfile_close(NULL), 0);
    end();
}
END_TEST

static long count_switches(void)
{
    struct rusage usage;
    ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_nvcsw;
}

/* No thread of a log that nobody uses wakes up, not even for a moment: after appends, after records
 * that were only submitted, and after zeros were written ahead. */
START_TEST(test_an_idle_log_sleeps)
{
    struct logfile_stats before, after;

    begin_engine(_i);
    append(HOW_APPEND, 100);
    append(HOW_SUBMIT_WAIT, 100);
    uint64_t lsn = 0;
    ck_assert_int_eq(logfile_submit(contract_log, payload, 0, NULL, &lsn), 0);
    ck_assert_int_eq(logfile_sync(contract_log, NULL), 0);
    journal_add(&journal, lsn, 1, 0, true);
    do { /* until the zeros ahead are there */
        ck_assert_int_eq(logfile_stats(contract_log, &before, sizeof before), 0);
        sleep_us(200000);
        ck_assert_int_eq(logfile_stats(contract_log, &after, sizeof after), 0);
    } while (after.device_bytes != before.device_bytes);
    long switches = count_switches();
    sleep_us(300000);
    ck_assert_int_le(count_switches() - switches, 10);
    end();
}
END_TEST

/* A reader beside the writer sees every record that has been promised, and gives no verdict. */
START_TEST(test_reading_beside_the_writer)
{
    struct logfile_reader *reader;
    struct logfile_record record;
    struct logfile_tail tail;

    begin_engine(_i);
    ck_assert_int_eq(logfile_reader_open(log_path(), NULL, &reader), 0);
    ck_assert_int_eq(logfile_reader_next(reader, &record), 0);
    for (unsigned i = 0; i < 30; i++) {
        uint64_t lsn = append(HOW_APPEND, i * 100);
        ck_assert_int_eq(logfile_reader_next(reader, &record), 1);
        ck_assert_uint_eq(record.lsn, lsn);
        ck_assert_uint_eq(record.size, i * 100);
        ck_assert_int_eq(logfile_reader_next(reader, &record), 0);
        ck_assert_int_eq(logfile_reader_tail(reader, &tail, sizeof tail), 0);
        ck_assert_int_eq(tail.verdict, LOGFILE_LIVE);
    }
    logfile_reader_close(reader);
    end();
}
END_TEST

START_TEST(test_nobody_need_ask_for_the_lsn)
{
    struct logfile_reader *reader;
    struct logfile_record record;
    struct iovec iov = {payload, 2};
    struct timespec deadline = deadline_in_ms(60000);

    begin_engine(_i);
    ck_assert_int_eq(logfile_append(contract_log, NULL, 0, NULL), 0);
    ck_assert_int_eq(logfile_append_until(contract_log, payload, 1, &deadline, NULL), 0);
    ck_assert_int_eq(logfile_appendv(contract_log, &iov, 1, NULL, NULL), 0);
    ck_assert_int_eq(logfile_submit(contract_log, payload, 3, NULL, NULL), 0);
    close_log();
    ck_assert_int_eq(logfile_reader_open(log_path(), NULL, &reader), 0);
    for (size_t size = 0; size < 4; size++) {
        ck_assert_int_eq(logfile_reader_next(reader, &record), 1);
        ck_assert_uint_eq(record.size, size);
    }
    ck_assert_int_eq(logfile_reader_next(reader, &record), 0);
    logfile_reader_close(reader);
    leave_folder();
    watchdog_stop();
}
END_TEST

/* Two logs in one process know nothing of each other. */
START_TEST(test_two_logs)
{
    struct logfile *other;
    uint64_t lsn;

    begin_engine(_i);
    ck_assert_int_eq(logfile_open(folder_path("other.log"), &variant.options, NULL, &other), 0);
    for (unsigned i = 0; i < 10; i++) {
        append(HOW_APPEND, i);
        ck_assert_int_eq(logfile_append(other, "x", 1, &lsn), 0);
    }
    ck_assert_int_eq(logfile_close(other), 0);
    append(HOW_APPEND, 3);
    end();
}
END_TEST

static void *ring_alloc(void *arg, size_t bytes)
{
    void *memory = aligned_alloc(BLOCK_BYTES, bytes);

    *(size_t *)arg += bytes;
    return memory == NULL ? NULL : memset(memory, 0, bytes);
}

static void ring_free(void *arg, void *memory, size_t bytes)
{
    *(size_t *)arg -= bytes;
    free(memory);
}

static void count_thread(void *arg, enum logfile_thread role)
{
    __atomic_fetch_add((unsigned *)arg, role == LOGFILE_THREAD_SEQUENCER ? 1u : 256u,
                       __ATOMIC_RELAXED);
}

START_TEST(test_callbacks)
{
    size_t held_bytes = 0;
    unsigned started = 0;

    begin_engine(_i);
    close_log();
    variant.lab->ring_alloc = ring_alloc;
    variant.lab->ring_free = ring_free;
    variant.lab->ring_arg = &held_bytes;
    variant.options.thread_start = count_thread;
    variant.options.thread_arg = &started;
    ck_assert(open_log());
    ck_assert_uint_gt(held_bytes, 0);
    append(HOW_APPEND, 1000);
    close_log();
    ck_assert_uint_eq(held_bytes, 0);
    bool has_sequencer = variant.lab->engine == LOGFILE_ENGINE_RING &&
                         variant.lab->flusher != LOGFILE_FLUSHER_LEADER;
    ck_assert_uint_eq(started % 256, has_sequencer);
    ck_assert_uint_eq(started / 256, 1);
    end();
}
END_TEST

static Suite *contract_suite(void)
{
    Suite *suite = suite_create("contract");
    TCase *variants = tcase_create("variants");
    TCase *each_engine = tcase_create("engines");
    int engine_count = (int)engine_variant_count();

    tcase_set_timeout(variants, 120);
    tcase_add_loop_test(variants, test_every_size_is_read_back, 0, (int)variant_count());
    tcase_add_loop_test(variants, test_a_log_goes_on_after_reopening, 0, (int)variant_count());
    tcase_add_loop_test(variants, test_too_large_reserves_nothing, 0, (int)variant_count());
    suite_add_tcase(suite, variants);

    tcase_set_timeout(each_engine, 120);
    tcase_add_loop_test(each_engine, test_writers_keep_their_order, 0, engine_count);
    tcase_add_loop_test(each_engine, test_submit_wait_flush, 0, engine_count);
    tcase_add_loop_test(each_engine, test_submit_becomes_durable_by_itself, 0, 2 * engine_count);
    tcase_add_loop_test(each_engine, test_deadlines, 0, engine_count);
    tcase_add_loop_test(each_engine, test_many_buffers_are_one_record, 0, engine_count);
    tcase_add_loop_test(each_engine, test_statistics_add_up, 0, engine_count);
    tcase_add_loop_test(each_engine, test_after_shutdown, 0, engine_count);
    tcase_add_loop_test(each_engine, test_an_idle_log_sleeps, 0, engine_count);
    tcase_add_loop_test(each_engine, test_reading_beside_the_writer, 0, engine_count);
    tcase_add_loop_test(each_engine, test_nobody_need_ask_for_the_lsn, 0, engine_count);
    tcase_add_loop_test(each_engine, test_two_logs, 0, engine_count);
    tcase_add_loop_test(each_engine, test_callbacks, 0, engine_count);
    suite_add_tcase(suite, each_engine);
    return suite;
}

int main(void)
{
    return run_suite(contract_suite());
}
