/* SPDX-License-Identifier: MIT */
/*
 * Replay: what logfile_open hands over while it reads a log is what a reader reads afterwards, and the
 * log is read once.  tests/support/crash_run.c asks the same in every crash state that it makes.
 */
#include "format/format.h"
#include "io_stack.h"
#include "logfile_lab.h"
#include "logfile_sim.h"
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH "log"

enum {
    SLOT_BYTES = 64 << 10,
    SEGMENT_BYTES = 128 << 10,
    RECORDS_MAX = 4096,
    STEPS = 150
};

static struct logfile_sim *disk;
static uint64_t segment_bytes;
static unsigned char payload[1 << 20];

static struct logfile_options small_log(const struct logfile_io *io)
{
    return (struct logfile_options){.io = io,
                                    .slot_bytes = SLOT_BYTES,
                                    .segment_bytes = segment_bytes,
                                    .prepare = LOGFILE_PREPARE_ALLOCATE,
                                    .prepare_bytes = 64 << 10};
}

/* ---- What is there, as replay and as a reader tell it ---- */

struct records {
    unsigned count;
    struct {
        uint64_t lsn, hash;
        size_t size;
    } all[RECORDS_MAX];
    unsigned stop_at; /* the number, from 1, at which replay returns `result` */
    int result;
};
static struct records replayed, read_back;

static void note(struct records *records, const struct logfile_record *record)
{
    const unsigned char *data = record->data;
    uint64_t hash = 0;

    ck_assert_uint_lt(records->count, RECORDS_MAX);
    for (size_t i = 0; i < record->size; i++)
        hash = hash * 1099511628211u + data[i] + 1;
    records->all[records->count].lsn = record->lsn;
    records->all[records->count].hash = hash;
    records->all[records->count++].size = record->size;
}

static int on_replay(void *arg, const struct logfile_record *record)
{
    struct records *records = arg;

    note(records, record);
    return records->count == records->stop_at ? records->result : 0;
}

static void read_all(const struct logfile_io *io)
{
    struct logfile_reader *reader;
    struct logfile_record record;
    int result;

    read_back = (struct records){0};
    ck_assert_int_eq(logfile_reader_open(PATH, READING(.io = io), &reader), 0);
    while ((result = logfile_reader_next(reader, &record)) == 1)
        note(&read_back, &record);
    ck_assert_int_eq(result, 0);
    logfile_reader_close(reader);
}

/* The last opening: with replay into `replayed`. */
static struct logfile_open_report report;
static struct logfile *opened;

static int open_with_replay(const struct logfile_io *io, uint64_t from)
{
    struct logfile_options options = small_log(io);

    options.replay = on_replay;
    options.replay_arg = &replayed;
    options.replay_from = from;
    replayed.count = 0;
    opened = NULL;
    const int error = logfile_open(PATH, &options, &report, &opened);
    ck_assert(error == 0 ? opened != NULL : report.message[0] != '\0');
    return error;
}

static void open_and_close(const struct logfile_io *io, uint64_t from)
{
    const int error = open_with_replay(io, from);

    ck_assert_msg(error == 0, "%s: %s", logfile_strerror(error), report.message);
    ck_assert_int_eq(logfile_close(opened), 0);
}

/* What was replayed is what is read from the record number `first` on. */
static void expect_replayed_from(unsigned first)
{
    ck_assert_uint_eq(replayed.count, read_back.count - first);
    ck_assert_mem_eq(replayed.all, read_back.all + first, replayed.count * sizeof replayed.all[0]);
}

/* Every test twice: with one file, and with segments. */
static void begin(int index)
{
    disk = logfile_sim_new(NULL);
    segment_bytes = index == 1 ? SEGMENT_BYTES : 0;
    replayed = (struct records){0};
    watchdog_start(120, "test_replay");
}

static void end(void)
{
    ck_assert_uint_eq(logfile_sim_misuse_count(disk), 0);
    ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
    logfile_sim_free(disk);
    watchdog_stop();
}

/* ---- Logs ---- */

/* Groups of one record and of many, sizes of all kinds, and places that were given up. */
static void append_some(struct logfile *log, uint64_t seed)
{
    struct rng rng = {.state = seed};
    uint64_t lsn = 0;

    for (unsigned i = 0; i < STEPS; i++) {
        const size_t size = payload_random_size(&rng, i % 16 == 0 ? SLOT_BYTES / 2 : 900);
        struct logfile_reservation place;
        payload_fill(payload, size, seed + i);
        ck_assert_int_eq(logfile_submit(log, payload, size, NULL, &lsn), 0);
        if (i % 5 == 0) {
            ck_assert_int_eq(logfile_reserve(log, size, NULL, &place), 0);
            memset(place.data, 'x', size);
            ck_assert_int_eq(logfile_abandon(log, &place), 0);
        }
        if (rng_one_in(&rng, 4))
            ck_assert_int_eq(logfile_wait(log, lsn, NULL), 0);
    }
    ck_assert_int_eq(logfile_wait(log, lsn, NULL), 0);
}

static struct logfile *new_log(const struct logfile_io *io)
{
    struct logfile_options options = small_log(io);
    struct logfile *log;

    ck_assert_int_eq(logfile_open(PATH, &options, NULL, &log), 0);
    return log;
}

static void make_log(const struct logfile_io *io)
{
    struct logfile *log = new_log(io);

    append_some(log, 1);
    ck_assert_int_eq(logfile_close(log), 0);
}

/* As a crash leaves it after the last record is durable: the disk of a log that is still open. */
static void make_log_that_was_not_closed(void)
{
    struct logfile *log = new_log(logfile_sim_io(disk));

    append_some(log, 1);
    struct logfile_sim *crashed = logfile_sim_clone(disk);
    ck_assert_int_eq(logfile_close(log), 0);
    logfile_sim_free(disk);
    disk = crashed;
}

static const char *file_of(uint64_t lsn, uint64_t *offset)
{
    static char name[64];

    *offset = segment_bytes != 0 ? lsn % segment_bytes : lsn;
    if (segment_bytes == 0)
        return PATH;
    snprintf(name, sizeof name, PATH "/%016llx.segment", (unsigned long long)(lsn / segment_bytes));
    return name;
}

/* Changes the first byte after a record's header. */
static void damage(uint64_t lsn)
{
    uint64_t offset;
    unsigned char byte;
    const char *file = file_of(lsn + LF_RECORD_HEADER_BYTES, &offset);

    ck_assert_int_eq(logfile_sim_peek(disk, file, offset, &byte, 1), 0);
    byte ^= 0x10;
    ck_assert_int_eq(logfile_sim_poke(disk, file, offset, &byte, 1), 0);
}

/* Calls that have changed something on the disk; a sync makes what is there last. */
static uint64_t changes(void)
{
    return logfile_sim_change_count(disk) - logfile_sim_call_count(disk, LOGFILE_SIM_SYNC) -
           logfile_sim_call_count(disk, LOGFILE_SIM_SYNC_DIRECTORY);
}

/* An opening that is refused: the same error, and a disk on which nothing is changed. */
static void expect_refused(uint64_t from, int expected)
{
    const uint64_t before = changes();
    const unsigned files = logfile_sim_file_count(disk);
    const int error = open_with_replay(logfile_sim_io(disk), from);

    ck_assert_msg(error == expected, "%s, not %s: %s", logfile_strerror(error),
                  logfile_strerror(expected), report.message);
    ck_assert_uint_eq(changes(), before);
    ck_assert_uint_eq(logfile_sim_file_count(disk), files);
    ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
}

/* ---- Tests ---- */

START_TEST(replay_is_what_a_reader_reads)
{
    begin(_i);
    const struct logfile_io *io = logfile_sim_io(disk);

    make_log(io);
    read_all(io);
    ck_assert_uint_eq(read_back.count, STEPS);
    for (int again = 0; again < 3; again++) { /* a log with one more incarnation each time */
        open_and_close(io, 0);
        expect_replayed_from(0);
    }
    ck_assert_int_eq(open_with_replay(io, 0), 0);
    append_some(opened, 1000);
    ck_assert_uint_eq(replayed.count, STEPS); /* only what was there */
    ck_assert_int_eq(logfile_close(opened), 0);
    open_and_close(io, 0);
    read_all(io);
    ck_assert_uint_eq(read_back.count, 2 * STEPS);
    expect_replayed_from(0);
    end();
}
END_TEST

START_TEST(replay_starts_at_an_lsn)
{
    begin(_i);
    const struct logfile_io *io = logfile_sim_io(disk);

    make_log(io);
    read_all(io);
    for (unsigned i = 0; i < STEPS; i += 7) {
        open_and_close(io, read_back.all[i].lsn);
        expect_replayed_from(i);
        open_and_close(io, read_back.all[i].lsn - 1);
        expect_replayed_from(i);
        open_and_close(io, read_back.all[i].lsn + 1);
        expect_replayed_from(i + 1);
    }
    /* Up to where the next record can be at the earliest. */
    open_and_close(io, read_back.all[STEPS - 1].lsn + 1);
    ck_assert_uint_eq(replayed.count, 0);
    ck_assert_int_eq(open_with_replay(io, 0), 0);
    const uint64_t end_lsn = report.tail.end_lsn;
    logfile_close(opened);
    open_and_close(io, end_lsn + LF_EPOCH_HEADER_BYTES);
    ck_assert_uint_eq(replayed.count, 0);
    end();
}
END_TEST

/* A place that a program noted while it was appending, before a crash, is a place to start from. */
START_TEST(replay_starts_where_the_log_ended)
{
    begin(_i);
    struct logfile *log = new_log(logfile_sim_io(disk));

    for (unsigned i = 0; i < 40; i++) {
        ck_assert_int_eq(logfile_append(log, payload, 5000, NULL), 0);
        struct logfile_sim *crashed = logfile_sim_clone(disk);
        struct logfile_sim *running = disk;
        const uint64_t lsn = i % 2 == 0 ? logfile_durable_lsn(log) : logfile_next_lsn(log);
        disk = crashed;
        open_and_close(logfile_sim_io(crashed), lsn);
        ck_assert_uint_eq(replayed.count, 0);
        disk = running;
        logfile_sim_free(crashed);
    }
    ck_assert_int_eq(logfile_close(log), 0);
    end();
}
END_TEST

START_TEST(a_torn_tail_is_not_replayed)
{
    begin(_i);
    make_log_that_was_not_closed();
    read_all(logfile_sim_io(disk));
    ck_assert_uint_eq(read_back.count, STEPS);
    const uint64_t last_lsn = read_back.all[STEPS - 1].lsn;
    damage(last_lsn);
    /* The log ends before it now: what was there cannot be replayed from, */
    expect_refused(last_lsn + SLOT_BYTES, LOGFILE_EBEYOND);
    ck_assert_uint_eq(replayed.count, 0);
    /* and what is cut is not replayed. */
    ck_assert_int_eq(open_with_replay(logfile_sim_io(disk), 0), 0);
    ck_assert_uint_eq(report.tail.verdict, LOGFILE_TORN);
    ck_assert_uint_gt(report.tail.cut_bytes, 0);
    ck_assert_int_eq(logfile_close(opened), 0);
    read_all(logfile_sim_io(disk));
    ck_assert_uint_lt(read_back.count, STEPS);
    ck_assert_uint_gt(read_back.count, 0);
    expect_replayed_from(0);
    end();
}
END_TEST

/* What comes before the damage may have been replayed; then the log is refused, and left as it is. */
START_TEST(a_damaged_log_is_refused)
{
    begin(_i);
    make_log(logfile_sim_io(disk));
    read_all(logfile_sim_io(disk));
    damage(read_back.all[STEPS / 2].lsn);
    expect_refused(0, LOGFILE_ECORRUPT);
    ck_assert_uint_le(replayed.count, STEPS / 2);
    ck_assert_mem_eq(replayed.all, read_back.all, replayed.count * sizeof replayed.all[0]);
    ck_assert_uint_eq(report.tail.verdict, LOGFILE_CORRUPT);
    end();
}
END_TEST

START_TEST(a_trimmed_log_is_replayed_from_its_start)
{
    begin(_i);
    const struct logfile_io *io = logfile_sim_io(disk);

    make_log(io);
    read_all(io);
    ck_assert_int_eq(open_with_replay(io, 0), 0);
    ck_assert_int_eq(logfile_trim(opened, read_back.all[STEPS / 2].lsn), 0);
    const uint64_t oldest_lsn = logfile_oldest_lsn(opened);
    ck_assert_uint_gt(oldest_lsn, read_back.all[0].lsn);
    ck_assert_int_eq(logfile_close(opened), 0);

    read_all(io);
    ck_assert_uint_lt(read_back.count, STEPS);
    open_and_close(io, 0);
    expect_replayed_from(0);
    open_and_close(io, oldest_lsn);
    expect_replayed_from(0);
    open_and_close(io, read_back.all[3].lsn);
    expect_replayed_from(3);
    expect_refused(oldest_lsn - 1, LOGFILE_ETRIMMED);
    expect_refused(1, LOGFILE_ETRIMMED);
    ck_assert_uint_eq(replayed.count, 0);
    end();
}
END_TEST

START_TEST(a_log_ends_where_replay_may_not_start)
{
    begin(_i);
    const struct logfile_io *io = logfile_sim_io(disk);

    /* None yet: none is created. */
    ck_assert_int_eq(open_with_replay(io, UINT64_MAX), LOGFILE_EBEYOND);
    ck_assert_uint_eq(logfile_sim_file_count(disk), 0);
    /* One that is new, and one that is empty. */
    open_and_close(io, 0);
    ck_assert_uint_eq(replayed.count, 0);
    open_and_close(io, 0);
    ck_assert_uint_eq(replayed.count, 0);
    const uint64_t end_lsn = report.tail.end_lsn;
    ck_assert_uint_gt(end_lsn, LF_FIRST_LSN);

    /* One with records: the end is where an opening finds it, and each adds two groups. */
    make_log(io);
    ck_assert_int_eq(open_with_replay(io, 0), 0);
    ck_assert_int_eq(logfile_close(opened), 0);
    read_all(io);
    open_and_close(io, report.tail.end_lsn);
    expect_refused(report.tail.end_lsn + SLOT_BYTES + SEGMENT_BYTES, LOGFILE_EBEYOND);
    expect_refused(UINT64_MAX, LOGFILE_EBEYOND);
    /* Exactly: what an opening would find is known from one in a copy. */
    struct logfile_sim *copy = logfile_sim_clone(disk);
    struct logfile_sim *original = disk;
    disk = copy;
    ck_assert_int_eq(open_with_replay(logfile_sim_io(copy), 0), 0);
    const uint64_t found_lsn = report.tail.end_lsn;
    ck_assert_int_eq(logfile_close(opened), 0);
    logfile_sim_free(copy);
    disk = original;
    expect_refused(found_lsn + LF_EPOCH_HEADER_BYTES + 1, LOGFILE_EBEYOND);
    ck_assert_int_eq(open_with_replay(io, found_lsn + LF_EPOCH_HEADER_BYTES), 0);
    ck_assert_int_eq(logfile_close(opened), 0);
    end();
}
END_TEST

/* Replay ends an opening, with its own error if that is one. */
START_TEST(replay_ends_an_opening)
{
    static const struct {
        int returned, expected;
    } results[] = {
        {-EPERM, -EPERM},    {LOGFILE_ECORRUPT, LOGFILE_ECORRUPT},
        {-123456, -123456},  {1, -ECANCELED},
        {EPERM, -ECANCELED},
    };

    begin(_i);
    make_log_that_was_not_closed();
    read_all(logfile_sim_io(disk));
    damage(read_back.all[STEPS - 1].lsn); /* something to cut */
    for (unsigned i = 0; i < sizeof results / sizeof results[0]; i++) {
        replayed.stop_at = 1 + i * 20;
        replayed.result = results[i].returned;
        expect_refused(0, results[i].expected);
        ck_assert_uint_eq(replayed.count, replayed.stop_at);
    }
    replayed.stop_at = 0;
    open_and_close(logfile_sim_io(disk), 0);
    read_all(logfile_sim_io(disk));
    expect_replayed_from(0);
    end();
}
END_TEST

/* Replay takes no byte from the device that recovery does not read anyway. */
START_TEST(a_start_with_replay_reads_the_log_once)
{
    struct io_layer layer;

    begin(_i);
    const struct logfile_io *io = logfile_sim_io(disk);
    make_log(io);
    ck_assert_int_eq(open_with_replay(io, 0), 0);
    const uint64_t oldest_lsn = logfile_oldest_lsn(opened);
    ck_assert_int_eq(logfile_close(opened), 0);
    struct logfile_sim *same = logfile_sim_clone(disk);

    /* 1. Without replay, and with it. */
    struct logfile_options options = small_log(&layer.io);
    io_layer_init(&layer, logfile_sim_io(same));
    ck_assert_int_eq(logfile_open(PATH, &options, NULL, &opened), 0);
    const uint64_t plain_bytes = io_layer_bytes(&layer, LOGFILE_SIM_READ);
    ck_assert_int_eq(logfile_close(opened), 0);
    logfile_sim_free(same);

    io_layer_init(&layer, io);
    ck_assert_int_eq(open_with_replay(&layer.io, 0), 0);
    ck_assert_uint_eq(replayed.count, STEPS);
    ck_assert_uint_eq(io_layer_bytes(&layer, LOGFILE_SIM_READ), plain_bytes);
    ck_assert_int_eq(logfile_close(opened), 0);

    /* 2. Which is about as many as the log has: headers, and what is looked at after its end. */
    const uint64_t log_bytes = report.tail.end_lsn - oldest_lsn;
    ck_assert_uint_ge(plain_bytes, log_bytes - log_bytes / 8); /* segments end early */
    ck_assert_uint_le(plain_bytes,
                      log_bytes + 16 * LF_BLOCK_BYTES + 2 * SLOT_BYTES + segment_bytes);
    end();
}
END_TEST

/* The same of a log that is large enough for a second thread to read it ahead. */
START_TEST(a_large_log_is_replayed_while_it_is_read_ahead)
{
    struct io_layer layer;
    struct logfile *log;

    begin(0);
    const unsigned count = 1024, record_bytes = 28 << 10;
    log = new_log(logfile_sim_io(disk));
    for (unsigned i = 0; i < count; i++) {
        payload_fill(payload, record_bytes, i);
        ck_assert_int_eq(logfile_submit(log, payload, record_bytes - i, NULL, NULL), 0);
    }
    ck_assert_int_eq(logfile_close(log), 0);
    io_layer_init(&layer, logfile_sim_io(disk));
    ck_assert_int_eq(open_with_replay(&layer.io, 0), 0);
    ck_assert_uint_le(io_layer_bytes(&layer, LOGFILE_SIM_READ),
                      report.tail.end_lsn + report.tail.end_lsn / 4);
    ck_assert_int_eq(logfile_close(opened), 0);
    read_all(logfile_sim_io(disk));
    ck_assert_uint_eq(read_back.count, count);
    expect_replayed_from(0);
    end();
}
END_TEST

/* And of groups that take more memory than is read at once. */
START_TEST(large_groups_are_replayed)
{
    const unsigned count = 40;
    struct logfile *log;

    begin(0);
    const struct logfile_options large = {.io = logfile_sim_io(disk),
                                          .slot_bytes = 8 << 20,
                                          .prepare = LOGFILE_PREPARE_NONE,
                                          .replay = on_replay,
                                          .replay_arg = &replayed};
    ck_assert_int_eq(logfile_open(PATH, &large, NULL, &log), 0);
    for (unsigned i = 0; i < count; i++) {
        payload_fill(payload, sizeof payload, i);
        ck_assert_int_eq(logfile_submit(log, payload, sizeof payload - i, NULL, NULL), 0);
    }
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert_int_eq(logfile_open(PATH, &large, NULL, &log), 0);
    ck_assert_int_eq(logfile_close(log), 0);
    read_all(logfile_sim_io(disk));
    ck_assert_uint_eq(read_back.count, count);
    expect_replayed_from(0);
    end();
}
END_TEST

/* On a full disk a log is opened without an incarnation of its own: it is replayed all the same. */
START_TEST(a_log_without_room_is_replayed)
{
    begin(_i);
    const struct logfile_io *io = logfile_sim_io(disk);

    make_log(io);
    read_all(io);
    logfile_sim_set_capacity(disk, 1);
    ck_assert_int_eq(open_with_replay(io, read_back.all[10].lsn), 0);
    expect_replayed_from(10);
    ck_assert_int_eq(logfile_append(opened, "x", 1, NULL), -ENOSPC);
    ck_assert_int_eq(logfile_close(opened), 0);
    logfile_sim_set_capacity(disk, 0);
    open_and_close(io, 0);
    expect_replayed_from(0);
    end();
}
END_TEST

/* What a program keeps in its mark, and where it wants to go on from. */
struct checkpoint {
    unsigned calls;
    size_t size;
    char bytes[LOGFILE_MARK_MAX];
    uint64_t from_before, from_after;
    int result;
};

static int on_mark_and_record(void *arg, const struct logfile_record *record)
{
    ck_assert_uint_eq(((struct checkpoint *)arg)->calls, 1); /* the mark comes first */
    note(&replayed, record);
    return 0;
}

static int on_mark(void *arg, const void *data, size_t size, uint64_t *from)
{
    struct checkpoint *checkpoint = arg;

    ck_assert_uint_le(size, sizeof checkpoint->bytes);
    memcpy(checkpoint->bytes, data, size);
    checkpoint->size = size;
    checkpoint->from_before = *from;
    checkpoint->calls++;
    *from = checkpoint->from_after;
    return checkpoint->result;
}

static int open_with_mark(struct checkpoint *checkpoint, uint64_t from)
{
    struct logfile_options options = small_log(logfile_sim_io(disk));

    options.replay = on_mark_and_record;
    options.replay_mark = on_mark;
    options.replay_arg = checkpoint;
    options.replay_from = from;
    checkpoint->calls = 0;
    replayed.count = 0;
    const int error = logfile_open(PATH, &options, &report, &opened);
    ck_assert_uint_eq(checkpoint->calls, 1);
    return error;
}

START_TEST(replay_begins_with_the_mark)
{
    static struct checkpoint checkpoint;
    char bytes[LOGFILE_MARK_MAX];

    begin(_i);
    /* 1. A new log has none. */
    ck_assert_int_eq(open_with_mark(&checkpoint, 0), 0);
    ck_assert_uint_eq(checkpoint.size, 0);
    append_some(opened, 1);
    ck_assert_int_eq(logfile_close(opened), 0);

    /* 2. It decides where replay starts, whatever the options say. */
    read_all(logfile_sim_io(disk));
    checkpoint.from_after = read_back.all[30].lsn;
    ck_assert_int_eq(open_with_mark(&checkpoint, 77), 0);
    ck_assert_uint_eq(checkpoint.from_before, 77);
    expect_replayed_from(30);
    payload_fill(bytes, sizeof bytes, 5);
    ck_assert_int_eq(logfile_mark(opened, read_back.all[20].lsn, bytes, sizeof bytes), 0);
    ck_assert_int_eq(logfile_close(opened), 0);

    /* 3. It is the last one, also of a log that was trimmed with it. */
    read_all(logfile_sim_io(disk));
    checkpoint.from_after = read_back.all[3].lsn;
    ck_assert_int_eq(open_with_mark(&checkpoint, 0), 0);
    ck_assert_uint_eq(checkpoint.size, sizeof bytes);
    ck_assert_mem_eq(checkpoint.bytes, bytes, sizeof bytes);
    expect_replayed_from(3);
    ck_assert_int_eq(logfile_close(opened), 0);

    /* 4. What it says is checked, and it may refuse the log. */
    const uint64_t before = changes();
    checkpoint.from_after = 1;
    ck_assert_int_eq(open_with_mark(&checkpoint, 0), LOGFILE_ETRIMMED);
    checkpoint.from_after = UINT64_MAX;
    ck_assert_int_eq(open_with_mark(&checkpoint, 0), LOGFILE_EBEYOND);
    checkpoint.from_after = 0;
    checkpoint.result = -EILSEQ;
    ck_assert_int_eq(open_with_mark(&checkpoint, 0), -EILSEQ);
    checkpoint.result = 1;
    ck_assert_int_eq(open_with_mark(&checkpoint, 0), -ECANCELED);
    ck_assert_uint_eq(replayed.count, 0);
    ck_assert_uint_eq(changes(), before);
    end();
}
END_TEST

/* ---- A store in every crash state ---- */

/* A counter: each record adds one, and a mark keeps what it came to, and up to which LSN. */
struct counter {
    uint64_t value, from;
    unsigned replayed;
};
static uint64_t begun, acknowledged;

static int count_mark(void *arg, const void *data, size_t size, uint64_t *from)
{
    struct counter *counter = arg;

    if (size == 0)
        return 0;
    if (size != sizeof *counter)
        return -EBADMSG;
    memcpy(counter, data, size);
    counter->replayed = 0;
    *from = counter->from;
    return 0;
}

static int count_record(void *arg, const struct logfile_record *record)
{
    struct counter *counter = arg;
    uint64_t number;

    memcpy(&number, record->data, sizeof number);
    if (number != counter->value) /* the next one, which it says itself */
        return -EBADMSG;
    counter->value++;
    counter->from = record->lsn + 1;
    counter->replayed++;
    return 0;
}

static int open_counter(struct logfile_sim *sim, struct counter *counter, struct logfile **log)
{
    struct logfile_options options = small_log(logfile_sim_io(sim));
    const struct logfile_lab lab = {.flusher = LOGFILE_FLUSHER_LEADER};

    *counter = (struct counter){0};
    options.slot_bytes = 8 << 10;
    options.segment_bytes = segment_bytes != 0 ? 32 << 10 : 0;
    options.lab = &lab;
    if (segment_bytes == 0)
        options.prepare = LOGFILE_PREPARE_NONE; /* no thread but ours */
    options.replay = count_record;
    options.replay_mark = count_mark;
    options.replay_arg = counter;
    return logfile_open(PATH, &options, NULL, log);
}

static int count_up(struct logfile *log, struct counter *counter, unsigned steps)
{
    static const unsigned char filler[3000];
    int error = 0;

    for (unsigned i = 1; i <= steps && error == 0; i++) {
        const struct iovec record[] = {{&counter->value, sizeof counter->value},
                                       {(void *)filler, i % 3 * 1400}};
        uint64_t lsn;
        begun = counter->value + 1;
        error = logfile_appendv(log, record, 2, NULL, &lsn);
        if (error != 0)
            break;
        acknowledged = ++counter->value;
        counter->from = lsn + 1;
        if (i % 4 == 0)
            error = logfile_mark(log, counter->from, counter, sizeof *counter);
    }
    return error;
}

static int count_work(struct logfile_sim *sim, void *arg)
{
    struct counter counter;
    struct logfile *log;

    (void)arg;
    begun = acknowledged = 0;
    int error = open_counter(sim, &counter, &log);
    if (error == 0) {
        error = count_up(log, &counter, 14);
        logfile_close(log);
    }
    return logfile_sim_is_down(sim) ? 0 : error;
}

static unsigned most_replayed, starts_from_a_mark;

static int count_check(struct logfile_sim *sim, void *arg)
{
    struct counter counter;
    struct logfile *log;

    (void)arg;
    for (unsigned again = 0; again < 2; again++) {
        int error = open_counter(sim, &counter, &log);
        if (error != 0)
            return error;
        const bool is_right = counter.value >= acknowledged && counter.value <= begun;
        most_replayed = counter.replayed > most_replayed ? counter.replayed : most_replayed;
        starts_from_a_mark += counter.value > counter.replayed;
        error = is_right ? count_up(log, &counter, 3) : -ERANGE;
        logfile_close(log);
        if (error != 0)
            return error;
    }
    return 0;
}

/* Whatever a crash leaves, mark and records together come to each acknowledged addition once. */
START_TEST(mark_and_replay_survive_crashes)
{
    const struct logfile_sim_sweep sweep = {
        .work = count_work, .check = count_check, .seed_count = scaled(1, 3, 32)};
    struct logfile_sim_sweep_result result;

    begin(_i);
    ck_assert_msg(logfile_sim_sweep(&sweep, &result, sizeof result) == 0,
                  "crash at call %llu, seed %llu: %s", (unsigned long long)result.crash_at,
                  (unsigned long long)result.seed, logfile_strerror(result.result));
    ck_assert_uint_gt(result.case_count, 40);
    ck_assert_uint_gt(starts_from_a_mark, 0);
    ck_assert_uint_gt(most_replayed, 0);
    ck_assert_uint_le(most_replayed, 4 + 3 + 1); /* and not all that the log still has */
    end();
}
END_TEST

static Suite *replay_suite(void)
{
    Suite *suite = suite_create("replay");
    TCase *tcase = tcase_create("replay");

    tcase_add_loop_test(tcase, replay_is_what_a_reader_reads, 0, 2);
    tcase_add_loop_test(tcase, replay_starts_at_an_lsn, 0, 2);
    tcase_add_loop_test(tcase, replay_starts_where_the_log_ended, 0, 2);
    tcase_add_loop_test(tcase, a_torn_tail_is_not_replayed, 0, 2);
    tcase_add_loop_test(tcase, a_damaged_log_is_refused, 0, 2);
    tcase_add_loop_test(tcase, a_trimmed_log_is_replayed_from_its_start, 0, 2);
    tcase_add_loop_test(tcase, a_log_ends_where_replay_may_not_start, 0, 2);
    tcase_add_loop_test(tcase, replay_ends_an_opening, 0, 2);
    tcase_add_loop_test(tcase, a_start_with_replay_reads_the_log_once, 0, 2);
    tcase_add_test(tcase, a_large_log_is_replayed_while_it_is_read_ahead);
    tcase_add_test(tcase, large_groups_are_replayed);
    tcase_add_loop_test(tcase, a_log_without_room_is_replayed, 0, 2);
    tcase_add_loop_test(tcase, replay_begins_with_the_mark, 0, 2);
    tcase_add_loop_test(tcase, mark_and_replay_survive_crashes, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(replay_suite());
}
