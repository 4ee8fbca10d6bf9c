/* SPDX-License-Identifier: MIT */
/*
 * Readers that wait: for a log in this process, and for one that another process writes; what they
 * cost while nothing happens, and what they are told when nothing more will.
 */
#include "format/format.h"
#include "logfile_io.h"
#include "logfile_sim.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SLOT_BYTES = 8 << 10,
    SEGMENT_BYTES = 64 << 10,
    RECORD_BYTES = 100
};

#define NAME "log"

static const struct timespec passed;

static void setup(void)
{
    enter_folder();
    watchdog_start(120, "test_follow");
}

static void teardown(void)
{
    leave_folder();
    watchdog_stop();
}

/* ---- Records ---- */

static void append(struct logfile *log, unsigned number)
{
    unsigned char payload[RECORD_BYTES];

    payload_fill(payload, sizeof payload, number);
    ck_assert_int_eq(logfile_append(log, payload, sizeof payload, NULL), 0);
}

static void expect(struct logfile_reader *reader, unsigned number)
{
    struct logfile_record record;

    ck_assert_int_eq(logfile_reader_next(reader, &record), 1);
    ck_assert_uint_eq(record.size, RECORD_BYTES);
    ck_assert(payload_matches(record.data, record.size, number));
}

static void expect_next(struct logfile_reader *reader, int result)
{
    struct logfile_record record;

    ck_assert_int_eq(logfile_reader_next(reader, &record), result);
}

static struct logfile *open_log(const char *path, const struct logfile_io *io,
                                uint64_t segment_bytes)
{
    const struct logfile_options options = {.io = io,
                                            .slot_bytes = SLOT_BYTES,
                                            .segment_bytes = segment_bytes,
                                            .prepare = LOGFILE_PREPARE_ALLOCATE,
                                            .prepare_bytes = 64 << 10};
    struct logfile_open_report report;
    struct logfile *log = NULL;

    const int error = logfile_open(path, &options, &report, &log);
    ck_assert_msg(error == 0, "%d: %s", error, report.message);
    return log;
}

static struct logfile_reader *follow(const char *path, struct logfile *log)
{
    struct logfile_reader *reader = NULL;

    ck_assert_int_eq(logfile_reader_open(path, READING(.log = log), &reader), 0);
    return reader;
}

/* ---- What it costs ---- */

/* A disk that counts what this thread asks of it, beside what the log's own threads do. */
static struct logfile_sim *counted_disk;
static _Thread_local uint64_t own_calls;
static _Thread_local uint64_t own_syncs;
static _Thread_local uint64_t own_bytes;

static ssize_t counted_read(void *context, int fd, void *buffer, size_t bytes, uint64_t offset)
{
    const ssize_t count = logfile_sim_io(counted_disk)->read(context, fd, buffer, bytes, offset);

    own_calls++;
    own_bytes += count > 0 ? (uint64_t)count : 0;
    return count;
}

static int counted_stat(void *context, int fd, struct logfile_io_stat *out)
{
    own_calls++;
    return logfile_sim_io(counted_disk)->stat(context, fd, out);
}

static int counted_locked(void *context, int fd)
{
    own_calls++;
    return logfile_sim_io(counted_disk)->locked(context, fd);
}

static int counted_sync(void *context, int fd)
{
    own_calls++;
    own_syncs++;
    return logfile_sim_io(counted_disk)->sync(context, fd);
}

static int counted_list(void *context, int directory,
                        int (*visit)(void *visit_arg, const char *name), void *visit_arg)
{
    own_calls++;
    return logfile_sim_io(counted_disk)->list_directory(context, directory, visit, visit_arg);
}

static struct logfile_io counting_disk(void)
{
    counted_disk = logfile_sim_new(NULL);
    struct logfile_io io = *logfile_sim_io(counted_disk);
    io.read = counted_read;
    io.stat = counted_stat;
    io.locked = counted_locked;
    io.sync = counted_sync;
    io.list_directory = counted_list;
    return io;
}

/* At its end a follower of a handle looks at nothing, and it never syncs. */
START_TEST(a_follower_of_a_log_asks_only_the_log)
{
    const struct logfile_io io = counting_disk();
    struct logfile *log = open_log(NAME, &io, _i == 1 ? SEGMENT_BYTES : 0);
    struct logfile_reader *reader = follow(NAME, log);

    for (unsigned i = 0; i < 300; i++) {
        append(log, i);
        const uint64_t syncs = own_syncs;
        expect(reader, i);
        const uint64_t calls = own_calls;
        for (int j = 0; j < 3; j++) {
            expect_next(reader, 0);
            ck_assert_int_eq(logfile_reader_wait(reader, &passed), -ETIMEDOUT);
        }
        ck_assert_uint_eq(own_calls, calls);
        ck_assert_uint_eq(own_syncs, syncs);
    }
    logfile_reader_close(reader);
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert_uint_eq(logfile_sim_open_count(counted_disk), 0);
    logfile_sim_free(counted_disk);
}
END_TEST

/* Beside a writer all but the newest group is promised, also across the ends of segments; that one is
 * synced once, however often it is asked for. */
START_TEST(a_reader_by_path_syncs_the_newest_group_once)
{
    const struct logfile_io io = counting_disk();
    struct logfile *log = open_log(NAME, &io, _i == 1 ? SEGMENT_BYTES : 0);
    struct logfile_reader *reader;

    for (unsigned i = 0; i < 300; i++)
        append(log, i);
    const uint64_t syncs = own_syncs;
    ck_assert_int_eq(logfile_reader_open(NAME, READING(.io = &io), &reader), 0);
    for (unsigned i = 0; i < 299; i++)
        expect(reader, i);
    ck_assert_uint_eq(own_syncs, syncs);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(logfile_reader_wait(reader, &passed), 0);
    expect(reader, 299);
    for (int i = 0; i < 3; i++) {
        expect_next(reader, 0);
        ck_assert_int_eq(logfile_reader_wait(reader, &passed), -ETIMEDOUT);
    }
    ck_assert_uint_eq(own_syncs, syncs + 1);

    /* Back and again: it is known to be durable. */
    ck_assert_int_eq(logfile_reader_seek(reader, logfile_durable_lsn(log) - LF_BLOCK_BYTES), 0);
    expect(reader, 299);
    expect_next(reader, 0);
    ck_assert_uint_eq(own_syncs, syncs + 1);
    logfile_reader_close(reader);

    /* What the mark promises needs no sync either. */
    ck_assert_int_eq(logfile_mark(log, 0, "x", 1), 0);
    const uint64_t marked = own_syncs;
    ck_assert_int_eq(logfile_reader_open(NAME, READING(.io = &io), &reader), 0);
    for (unsigned i = 0; i < 300; i++)
        expect(reader, i);
    expect_next(reader, 0);
    ck_assert_uint_eq(own_syncs, marked);
    logfile_reader_close(reader);
    ck_assert_int_eq(logfile_close(log), 0);
    logfile_sim_free(counted_disk);
}
END_TEST

/* ---- The last record of a large log ---- */

enum {
    LARGE_SLOT = 1 << 20,
    LARGE_SEGMENT = 8 << 20,
    LARGE_EPOCHS = 40,
    LARGE_RECORDS = 16, /* fill a slot */
    LARGE_RECORD = LARGE_SLOT / LARGE_RECORDS - 256
};

/* What stands before the first epoch, the next epoch's header, a mark, and whole blocks. */
#define BESIDES (16 * (uint64_t)LF_BLOCK_BYTES)

/* The next record is that at `lsn`, and no more than two slots were read for it since own_bytes was 0. */
static void expect_cheap(struct logfile_reader *reader, uint64_t lsn, const void *payload,
                         const char *how)
{
    struct logfile_record record;

    ck_assert_int_eq(logfile_reader_next(reader, &record), 1);
    ck_assert_uint_eq(record.lsn, lsn);
    ck_assert(memcmp(record.data, payload, record.size) == 0);
    printf("%s: %lu KiB read, of slots of %u KiB\n", how, (unsigned long)own_bytes >> 10,
           LARGE_SLOT >> 10);
    ck_assert_uint_le(own_bytes, 2 * LARGE_SLOT + BESIDES);
}

/*
 * Bit 0: segments; bit 1: one record fills the last epoch, not 16; bit 2: the log is open, and nothing
 * promises its last epoch.
 */
START_TEST(the_last_record_costs_two_slots)
{
    const struct logfile_io io = counting_disk();
    const struct logfile_lab lab = {.flusher = LOGFILE_FLUSHER_LEADER};
    const struct logfile_options options = {.io = &io,
                                            .lab = &lab,
                                            .slot_bytes = LARGE_SLOT,
                                            .segment_bytes = _i & 1 ? LARGE_SEGMENT : 0,
                                            .prepare = LOGFILE_PREPARE_ALLOCATE,
                                            .prepare_bytes = 2 * LARGE_SLOT};
    const bool is_one = (_i & 2) != 0, is_open = (_i & 4) != 0;
    static unsigned char payload[LARGE_SLOT];
    struct logfile_reader *reader = NULL;
    struct logfile_cursor cursor;
    struct logfile_record record;
    struct logfile *log;
    uint64_t lsn = 0;

    ck_assert_int_eq(logfile_open(NAME, &options, NULL, &log), 0);
    for (unsigned epoch = 0; epoch < LARGE_EPOCHS; epoch++) {
        const bool as_one = is_one && epoch == LARGE_EPOCHS - 1;
        const size_t size = as_one ? logfile_record_max(log) : LARGE_RECORD;
        for (unsigned i = 0; i < (as_one ? 1 : LARGE_RECORDS); i++) {
            payload_fill(payload, size, epoch * LARGE_RECORDS + i);
            ck_assert_int_eq(logfile_submit(log, payload, size, NULL, &lsn), 0);
        }
        ck_assert_int_eq(logfile_sync(log, NULL), 0);
    }
    if (!is_open)
        ck_assert_int_eq(logfile_close(log), 0);

    /* By LSN. */
    own_bytes = 0;
    ck_assert_int_eq(logfile_reader_open(NAME, READING(.lsn = lsn, .io = &io), &reader), 0);
    expect_cheap(reader, lsn, payload, "by LSN");
    ck_assert_int_eq(logfile_reader_cursor(reader, &cursor), 0);
    expect_next(reader, 0);

    /* By seeking there. */
    ck_assert_int_eq(logfile_reader_seek(reader, 0), 0);
    ck_assert_int_eq(logfile_reader_next(reader, &record), 1);
    own_bytes = 0;
    ck_assert_int_eq(logfile_reader_seek(reader, lsn), 0);
    expect_cheap(reader, lsn, payload, "by seeking");
    logfile_reader_close(reader);

    /* By a cursor before it: where the last record is still to come. */
    cursor.lsn = lsn;
    own_bytes = 0;
    ck_assert_int_eq(logfile_reader_open(NAME, READING(.cursor = &cursor, .io = &io), &reader), 0);
    expect_cheap(reader, lsn, payload, "by cursor");
    logfile_reader_close(reader);
    if (is_open)
        ck_assert_int_eq(logfile_close(log), 0);
    logfile_sim_free(counted_disk);
}
END_TEST

/* ---- Seeking ---- */

/* Bit 0: segments; bit 1: it follows the log. */
START_TEST(seeking_is_opening_elsewhere)
{
    struct logfile_sim *disk = logfile_sim_new(NULL);
    struct logfile *log = open_log(NAME, logfile_sim_io(disk), _i & 1 ? SEGMENT_BYTES : 0);
    struct logfile_reader *reader, *fresh;
    struct logfile_record record, other;
    struct logfile_cursor cursor;
    struct rng rng;
    uint64_t lsns[200];
    const struct logfile_reader_options at_start = {.io = logfile_sim_io(disk),
                                                    .log = _i & 2 ? log : NULL};

    rng.state = 1;
    for (unsigned i = 0; i < 200; i++) {
        unsigned char payload[RECORD_BYTES];
        payload_fill(payload, sizeof payload, i);
        ck_assert_int_eq(logfile_append(log, payload, sizeof payload, &lsns[i]), 0);
    }
    ck_assert_int_eq(logfile_reader_open(NAME, &at_start, &reader), 0);
    for (unsigned i = 0; i < 300; i++) {
        const unsigned to = (unsigned)rng_below(&rng, 200);
        const uint64_t lsn = lsns[to] - (to > 0 ? rng_below(&rng, 60) : 0);
        struct logfile_reader_options there = at_start;
        there.lsn = lsn;
        ck_assert_int_eq(logfile_reader_seek(reader, lsn), 0);
        ck_assert_int_eq(logfile_reader_open(NAME, &there, &fresh), 0);
        for (unsigned j = 0; j < 3; j++) {
            const int found = logfile_reader_next(fresh, &other);
            ck_assert_int_eq(logfile_reader_next(reader, &record), found);
            ck_assert(found != 1 || record.lsn == other.lsn);
        }
        logfile_reader_close(fresh);
    }

    /* Refused, it stays where it is: within a group, at its end, and at the end of the log. */
    for (unsigned to = 0; to < 200; to += 199) {
        ck_assert_int_eq(logfile_reader_seek(reader, lsns[to]), 0);
        expect(reader, to);
        ck_assert_int_eq(logfile_reader_seek(reader, logfile_durable_lsn(log) + LF_BLOCK_BYTES),
                         LOGFILE_EBEYOND);
        if (to + 1 < 200)
            expect(reader, to + 1);
        else
            expect_next(reader, 0);
    }
    ck_assert_int_eq(logfile_reader_seek(reader, lsns[100]), 0);
    expect(reader, 100);
    ck_assert_int_eq(logfile_trim(log, lsns[50]), 0);
    ck_assert_int_eq(logfile_reader_seek(reader, logfile_oldest_lsn(log) - 1), LOGFILE_ETRIMMED);
    ck_assert_int_eq(logfile_reader_cursor(reader, &cursor), 0);
    ck_assert_uint_eq(cursor.lsn, lsns[100] + 1);
    expect(reader, 101);
    ck_assert_int_eq(logfile_reader_seek(reader, 0), 0);
    ck_assert_int_eq(logfile_reader_next(reader, &record), 1);
    ck_assert_uint_ge(record.lsn, logfile_oldest_lsn(log));
    ck_assert_uint_le(record.lsn, lsns[50]);
    /* After new records: what had been the end is no more. */
    append(log, 200);
    ck_assert_int_eq(logfile_reader_seek(reader, lsns[199] + 1), 0);
    expect(reader, 200);
    logfile_reader_close(reader);
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
    logfile_sim_free(disk);
}
END_TEST

/* ---- Waiting for a log in this process ---- */

enum {
    WRITERS = 3,
    EACH = 300
};

struct writer {
    struct logfile *log;
    unsigned number;
    int error;
};

static void *write_records(void *arg)
{
    struct writer *writer = arg;

    for (unsigned i = 0; i < EACH && writer->error == 0; i++) {
        const unsigned record[2] = {writer->number, i};
        writer->error = i % 3 == 0 ? logfile_submit(writer->log, record, sizeof record, NULL, NULL)
                                   : logfile_append(writer->log, record, sizeof record, NULL);
    }
    if (writer->error == 0)
        writer->error = logfile_sync(writer->log, NULL);
    return NULL;
}

struct follower {
    struct logfile_reader *reader;
    struct logfile *log;
    bool polls;
    unsigned next[WRITERS];
    unsigned count;
    int ended;  /* what the wait returned */
    int result; /* of the last read; 1: something wrong with a record */
};

/* One round of reading.  False: something is wrong. */
static bool read_all(struct follower *follower)
{
    struct logfile_record record;

    while ((follower->result = logfile_reader_next(follower->reader, &record)) == 1) {
        unsigned told[2];
        if (record.size != sizeof told)
            return false;
        memcpy(told, record.data, sizeof told);
        if (told[0] >= WRITERS || told[1] != follower->next[told[0]]++)
            return false;
        follower->count++;
    }
    return follower->result == 0;
}

static void *follow_records(void *arg)
{
    struct follower *follower = arg;

    while (follower->ended == 0 && read_all(follower)) {
        if (follower->polls) {
            struct pollfd poll_fd = {.fd = logfile_reader_fd(follower->reader), .events = POLLIN};
            if (poll(&poll_fd, 1, -1) < 0)
                break;
            follower->ended = logfile_reader_wait(follower->reader, &passed);
            if (follower->ended == -ETIMEDOUT)
                follower->ended = 0;
        } else {
            follower->ended = logfile_reader_wait(follower->reader, NULL);
        }
    }
    return NULL;
}

/* Every engine; followers that wait, and that poll.  One wake-up lost, and this never ends. */
START_TEST(every_record_wakes_its_followers)
{
    struct writer writers[WRITERS];
    struct follower followers[4];
    pthread_t threads[WRITERS], readers[4];
    struct variant variant;

    engine_variant_get((unsigned)_i, &variant);
    const char *path = folder_path(NAME);
    struct logfile *log;
    ck_assert_int_eq(logfile_open(path, &variant.options, NULL, &log), 0);
    memset(followers, 0, sizeof followers);
    for (unsigned i = 0; i < 4; i++) {
        followers[i].reader = follow(path, log);
        followers[i].polls = i % 2 == 1;
        ck_assert_int_eq(pthread_create(&readers[i], NULL, follow_records, &followers[i]), 0);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.log = log, .number = i};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_records, &writers[i]), 0);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(writers[i].error, 0);
    }
    /* Half of the runs close it underneath. */
    ck_assert_int_eq(_i % 2 == 0 ? logfile_shutdown(log, NULL) : logfile_close(log), 0);
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(readers[i], NULL);
        ck_assert_int_eq(followers[i].ended, LOGFILE_ECLOSED);
        ck_assert_int_eq(followers[i].result, 0);
        ck_assert_uint_eq(followers[i].count, WRITERS * EACH);
        logfile_reader_close(followers[i].reader);
    }
    if (_i % 2 == 0)
        ck_assert_int_eq(logfile_close(log), 0);
}
END_TEST

/* Told once that the log was closed, a follower goes on by path, and finds the next opening. */
START_TEST(a_closed_log_is_followed_by_path)
{
    const char *path = folder_path(NAME);
    const uint64_t segment_bytes = _i == 1 ? SEGMENT_BYTES : 0;
    struct logfile *log = open_log(path, NULL, segment_bytes);
    struct logfile_reader *reader = follow(path, log);
    struct logfile_tail tail;

    append(log, 0);
    append(log, 1);
    ck_assert_int_eq(logfile_reader_wait(reader, NULL), 0);
    expect(reader, 0);
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert_int_eq(logfile_reader_wait(reader, NULL), 0);
    expect(reader, 1);
    ck_assert_int_eq(logfile_reader_wait(reader, NULL), LOGFILE_ECLOSED);
    expect_next(reader, 0);
    ck_assert_int_eq(logfile_reader_tail(reader, &tail, sizeof tail), 0);
    ck_assert_uint_eq(tail.verdict, LOGFILE_CLEAN);
    ck_assert_int_eq(logfile_reader_wait(reader, &passed), -ETIMEDOUT);
    log = open_log(path, NULL, segment_bytes);
    append(log, 2);
    ck_assert_int_eq(logfile_reader_wait(reader, NULL), 0);
    expect(reader, 2);
    ck_assert_int_eq(logfile_close(log), 0);
    logfile_reader_close(reader);
}
END_TEST

/* A log that fails tells its followers, who have got all that was acknowledged. */
START_TEST(a_failed_log_ends_the_wait)
{
    struct logfile_sim *disk = logfile_sim_new(NULL);
    struct logfile *log = open_log(NAME, logfile_sim_io(disk), 0);
    struct follower follower = {.reader = follow(NAME, log)};
    pthread_t thread;
    unsigned record[2] = {0, 0};

    ck_assert_int_eq(logfile_append(log, record, sizeof record, NULL), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, follow_records, &follower), 0);
    logfile_sim_fault(disk, &(struct logfile_sim_fault){.call = LOGFILE_SIM_WRITE, .error = -EIO});
    record[1] = 1;
    ck_assert_int_eq(logfile_append(log, record, sizeof record, NULL), LOGFILE_EFAILED);
    pthread_join(thread, NULL);
    ck_assert_int_eq(follower.ended, LOGFILE_EFAILED);
    ck_assert_uint_eq(follower.count, 1);
    logfile_sim_fault_clear(disk);
    ck_assert_int_eq(logfile_close(log), LOGFILE_EFAILED);
    ck_assert(read_all(&follower)); /* now by path; the record in doubt may be there */
    ck_assert_uint_le(follower.count, 2);
    logfile_reader_close(follower.reader);
    logfile_sim_free(disk);
}
END_TEST

/* Below the durable LSN there is no end: what is missing there is damage, though the log is open. */
START_TEST(damage_below_the_durable_lsn_is_told)
{
    struct logfile_sim *disk = logfile_sim_new(NULL);
    struct logfile *log = open_log(NAME, logfile_sim_io(disk), 0);
    struct logfile_reader *reader = follow(NAME, log);
    struct logfile_tail tail;
    uint64_t lsn;

    append(log, 0);
    ck_assert_int_eq(logfile_append(log, "lost", 4, &lsn), 0);
    if (_i == 0)
        append(log, 2);
    logfile_sim_poke(disk, NAME, lsn + 8, "x", 1);
    expect(reader, 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(logfile_reader_wait(reader, NULL), 0);
        expect_next(reader, LOGFILE_ECORRUPT);
        ck_assert_int_eq(logfile_reader_tail(reader, &tail, sizeof tail), 0);
        ck_assert_uint_eq(tail.end_lsn, lsn - LF_EPOCH_HEADER_BYTES);
    }
    ck_assert_int_eq(logfile_reader_skip(reader), _i == 0 ? 0 : -ENOENT);
    if (_i == 0)
        expect(reader, 2);
    append(log, 3);
    if (_i == 1) { /* now something whole follows */
        expect_next(reader, LOGFILE_ECORRUPT);
        ck_assert_int_eq(logfile_reader_skip(reader), 0);
    }
    expect(reader, 3);
    expect_next(reader, 0);
    ck_assert_int_eq(logfile_reader_wait(reader, &passed), -ETIMEDOUT);
    logfile_reader_close(reader);
    ck_assert_int_eq(logfile_close(log), 0);
    logfile_sim_free(disk);
}
END_TEST

/* A follower is told that what it was to read was trimmed away, and goes on where it is sent. */
START_TEST(a_trim_overtakes_a_follower)
{
    struct logfile_sim *disk = logfile_sim_new(NULL);
    struct logfile *log = open_log(NAME, logfile_sim_io(disk), _i == 1 ? SEGMENT_BYTES : 0);
    struct logfile_reader *reader = follow(NAME, log);
    struct logfile_record record;
    unsigned char payload[RECORD_BYTES];
    uint64_t lsn = 0, last = 0;
    int found;

    for (unsigned i = 0; i < 400; i++) {
        payload_fill(payload, sizeof payload, i);
        ck_assert_int_eq(logfile_append(log, payload, sizeof payload, &lsn), 0);
    }
    expect(reader, 0);
    ck_assert_int_eq(logfile_trim(log, lsn), 0);
    while ((found = logfile_reader_next(reader, &record)) == 1) /* what is in memory still */
        ck_assert_uint_lt(record.lsn, logfile_oldest_lsn(log));
    ck_assert_int_eq(found, LOGFILE_ETRIMMED);
    ck_assert_int_eq(logfile_reader_wait(reader, NULL), 0);
    expect_next(reader, LOGFILE_ETRIMMED);
    ck_assert_int_eq(logfile_reader_seek(reader, 0), 0);
    while (logfile_reader_next(reader, &record) == 1) {
        ck_assert_uint_gt(record.lsn, last);
        last = record.lsn;
    }
    ck_assert_uint_eq(last, lsn);
    append(log, 400);
    expect(reader, 400);
    logfile_reader_close(reader);
    ck_assert_int_eq(logfile_close(log), 0);
    logfile_sim_free(disk);
}
END_TEST

/* ---- Descriptors ---- */

static bool is_readable(int fd, int ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, ms) == 1;
}

/* Bit 0: segments; bit 1: it follows the log. */
START_TEST(a_descriptor_stays_readable_until_the_end_is_read)
{
    const char *path = folder_path(NAME);
    struct logfile *log = open_log(path, NULL, _i & 1 ? SEGMENT_BYTES : 0);
    struct logfile_reader *reader = follow(path, _i & 2 ? log : NULL);
    const int fd = logfile_reader_fd(reader);
    int quiet = 0;

    ck_assert_int_ge(fd, 0);
    ck_assert(is_readable(fd, 0));
    for (unsigned i = 0; i < 300; i++) {
        expect_next(reader, 0);
        ck_assert_int_eq(logfile_reader_fd(reader), fd);
        quiet +=
            !is_readable(fd, 0); /* but for the clock, and what the preparer does to the file */
        append(log, i);
        ck_assert(is_readable(fd, -1));
        ck_assert(is_readable(fd, -1));
        expect(reader, i);
        if (i % 2 == 0)
            ck_assert(is_readable(fd, 0));
    }
    ck_assert_int_gt(quiet, 0);
    expect_next(reader, 0);
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert(is_readable(fd, -1));
    expect_next(reader, 0);
    if (_i & 2)
        ck_assert_int_eq(logfile_reader_wait(reader, &passed), LOGFILE_ECLOSED);
    /* The next opening makes it readable as well. */
    log = open_log(path, NULL, _i & 1 ? SEGMENT_BYTES : 0);
    append(log, 300);
    while (is_readable(fd, -1) && logfile_reader_wait(reader, &passed) != 0)
        expect_next(reader, 0);
    expect(reader, 300);
    logfile_reader_close(reader);
    ck_assert_int_eq(logfile_close(log), 0);
}
END_TEST

/* ---- Across processes ---- */

/* Appends records from `from` on, each one told of when it is durable, until it is killed. */
static pid_t start_writer(const char *path, uint64_t segment_bytes, unsigned from, int *acks)
{
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        const struct logfile_options options = {.slot_bytes = SLOT_BYTES,
                                                .segment_bytes = segment_bytes,
                                                .prepare = LOGFILE_PREPARE_ALLOCATE,
                                                .prepare_bytes = 64 << 10};
        unsigned char payload[RECORD_BYTES];
        struct logfile *log;
        if (logfile_open(path, &options, NULL, &log) != 0)
            _exit(1);
        for (unsigned i = from;; i++) {
            payload_fill(payload, sizeof payload, i);
            if (logfile_append(log, payload, sizeof payload, NULL) != 0 ||
                write(ends[1], &i, sizeof i) != sizeof i)
                _exit(2);
        }
    }
    close(ends[1]);
    *acks = ends[0];
    return child;
}

static unsigned take_ack(int acks)
{
    unsigned number;

    ck_assert_int_eq(read(acks, &number, sizeof number), sizeof number);
    return number;
}

/* Kills it; the number of the last record that it has told of. */
static unsigned kill_writer(pid_t child, int acks)
{
    unsigned number, last = 0;
    int status;

    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));
    while (read(acks, &number, sizeof number) == sizeof number)
        last = number;
    close(acks);
    return last;
}

/* Three writers, one after the other, each killed at its work; one reader waits through all of it. */
START_TEST(a_reader_waits_for_another_process)
{
    const char *path = folder_path(NAME);
    const uint64_t segment_bytes = _i == 1 ? SEGMENT_BYTES : 0;
    struct logfile_reader *reader = NULL;
    struct logfile_record record;
    unsigned next = 0;

    for (unsigned round = 0; round < 3; round++) {
        int acks;
        const pid_t child = start_writer(path, segment_bytes, next, &acks);
        ck_assert_uint_eq(take_ack(acks), next);
        if (reader == NULL)
            reader = follow(path, NULL);
        for (unsigned i = 0; i < 100; i++) {
            ck_assert_int_eq(logfile_reader_wait(reader, NULL), 0);
            expect(reader, next++);
        }
        const unsigned last = kill_writer(child, acks);
        while (next <= last)
            expect(reader, next++);
        /* One more may be there, that was not told of. */
        while (logfile_reader_next(reader, &record) == 1)
            ck_assert(payload_matches(record.data, record.size, next++));
        ck_assert_int_eq(logfile_reader_wait(reader, &passed), -ETIMEDOUT);
        struct timespec soon = deadline_in_ms(50);
        ck_assert_int_eq(logfile_reader_wait(reader, &soon), -ETIMEDOUT);
    }
    logfile_reader_close(reader);
}
END_TEST

/* Bit 0: segments; bit 1: it is trimmed beside a reader that is behind, by another process. */
START_TEST(what_another_process_trims_is_told)
{
    const char *path = folder_path(NAME);
    const uint64_t segment_bytes = _i == 1 ? SEGMENT_BYTES : 0;
    struct logfile_reader *reader;
    uint64_t first;
    int status;

    struct logfile *log = open_log(path, NULL, segment_bytes);
    unsigned char payload[RECORD_BYTES];
    payload_fill(payload, sizeof payload, 0);
    ck_assert_int_eq(logfile_append(log, payload, sizeof payload, &first), 0);
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert_int_eq(logfile_reader_open(path, READING(.lsn = first), &reader), 0);
    expect(reader, 0);
    const pid_t child = fork();
    if (child == 0) {
        log = open_log(path, NULL, segment_bytes);
        for (unsigned i = 1; i < 500; i++)
            append(log, i);
        if (logfile_trim(log, logfile_durable_lsn(log)) != 0)
            _exit(1);
        append(log, 500);
        _exit(0); /* not closed */
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ck_assert_int_eq(logfile_reader_wait(reader, NULL), 0);
    int found;
    struct logfile_record record;
    while ((found = logfile_reader_next(reader, &record)) == 1)
        continue;
    ck_assert_int_eq(found, LOGFILE_ETRIMMED);
    ck_assert_int_eq(logfile_reader_seek(reader, first), LOGFILE_ETRIMMED);
    ck_assert_int_eq(logfile_reader_seek(reader, 0), 0);
    bool has_last = false;
    while (logfile_reader_next(reader, &record) == 1)
        has_last = payload_matches(record.data, record.size, 500);
    ck_assert(has_last);
    logfile_reader_close(reader);
}
END_TEST

/* Another log under the name: the old one's reader is told that nothing comes, its cursor that the log is
 * another one. */
START_TEST(a_replaced_log_is_told)
{
    const char *path = folder_path(NAME);
    const uint64_t segment_bytes = _i == 1 ? SEGMENT_BYTES : 0;
    struct logfile_reader *reader, *other;
    struct logfile_cursor cursor;

    struct logfile *log = open_log(path, NULL, segment_bytes);
    append(log, 0);
    reader = follow(path, NULL);
    expect(reader, 0);
    ck_assert_int_eq(logfile_reader_cursor(reader, &cursor), 0);
    char command[512];
    snprintf(command, sizeof command, "rm -r '%s'", path);
    ck_assert_int_eq(system(command), 0);
    /* Its writer may go on still. */
    ck_assert_int_eq(logfile_reader_wait(reader, &passed), -ETIMEDOUT);
    logfile_close(log);
    ck_assert_int_eq(logfile_reader_wait(reader, NULL), -ESTALE);
    log = open_log(path, NULL, segment_bytes);
    append(log, 7);
    ck_assert_int_eq(logfile_reader_wait(reader, NULL), -ESTALE);
    ck_assert_int_eq(logfile_reader_open(path, READING(.cursor = &cursor), &other),
                     LOGFILE_EIDENTITY);
    /* A handle of one log and the path of another do not go together. */
    struct logfile *elsewhere = open_log(folder_path("elsewhere"), NULL, segment_bytes);
    ck_assert_int_eq(logfile_reader_open(path, READING(.log = elsewhere), &other),
                     LOGFILE_EIDENTITY);
    ck_assert_int_eq(logfile_close(elsewhere), 0);
    ck_assert_int_eq(logfile_close(log), 0);
    logfile_reader_close(reader);
}
END_TEST

START_TEST(a_fork_ends_a_follower)
{
    const char *path = folder_path(NAME);
    struct logfile *log = open_log(path, NULL, 0);
    struct logfile_reader *reader = follow(path, log), *other;
    int status;

    append(log, 0);
    const pid_t child = fork();
    if (child == 0) {
        struct logfile_record record;
        const bool told = logfile_reader_next(reader, &record) == LOGFILE_EFORKED &&
                          logfile_reader_wait(reader, NULL) == LOGFILE_EFORKED &&
                          logfile_reader_fd(reader) == LOGFILE_EFORKED &&
                          logfile_reader_seek(reader, 20480) == LOGFILE_EFORKED &&
                          logfile_reader_open(path, READING(.log = log), &other) == LOGFILE_EFORKED;
        logfile_reader_close(reader);
        _exit(told ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    expect(reader, 0);
    append(log, 1);
    ck_assert_int_eq(logfile_reader_wait(reader, NULL), 0);
    expect(reader, 1);
    logfile_reader_close(reader);
    ck_assert_int_eq(logfile_close(log), 0);
}
END_TEST

START_TEST(bad_arguments)
{
    const struct timespec bad = {.tv_sec = 1, .tv_nsec = 1000000000};
    const char *path = folder_path(NAME);
    struct logfile *log = open_log(path, NULL, 0);
    struct logfile_reader *reader = follow(path, log);

    ck_assert_int_eq(logfile_reader_wait(NULL, NULL), -EINVAL);
    ck_assert_int_eq(logfile_reader_wait(reader, &bad), -EINVAL);
    ck_assert_int_eq(logfile_reader_fd(NULL), -EINVAL);
    ck_assert_int_eq(logfile_reader_seek(NULL, 0), -EINVAL);
    logfile_reader_close(reader);
    ck_assert_int_eq(logfile_close(log), 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("follow");
    TCase *tcase = tcase_create("follow");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, a_follower_of_a_log_asks_only_the_log, 0, 2);
    tcase_add_loop_test(tcase, a_reader_by_path_syncs_the_newest_group_once, 0, 2);
    tcase_add_loop_test(tcase, the_last_record_costs_two_slots, 0, 8);
    tcase_add_loop_test(tcase, seeking_is_opening_elsewhere, 0, 4);
    tcase_add_loop_test(tcase, every_record_wakes_its_followers, 0, (int)engine_variant_count());
    tcase_add_loop_test(tcase, a_closed_log_is_followed_by_path, 0, 2);
    tcase_add_test(tcase, a_failed_log_ends_the_wait);
    tcase_add_loop_test(tcase, damage_below_the_durable_lsn_is_told, 0, 2);
    tcase_add_loop_test(tcase, a_trim_overtakes_a_follower, 0, 2);
    tcase_add_loop_test(tcase, a_descriptor_stays_readable_until_the_end_is_read, 0, 4);
    tcase_add_loop_test(tcase, a_reader_waits_for_another_process, 0, 2);
    tcase_add_loop_test(tcase, what_another_process_trims_is_told, 0, 2);
    tcase_add_loop_test(tcase, a_replaced_log_is_told, 0, 2);
    tcase_add_test(tcase, a_fork_ends_a_follower);
    tcase_add_test(tcase, bad_arguments);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(suite());
}
