/* SPDX-License-Identifier: MIT */
/*
 * What the mutex and ping-pong design as published gets wrong, one test for each weakness: where it
 * adds clarity the same thing is done to such a log (classic_log.h) and to ours, on the same
 * simulated disk; the one has the weakness, and ours does not.
 */
#include "format/checksum.h"
#include "classic_log.h"
#include "format/format.h"
#include "logfile_io.h"
#include "logfile_sim.h"
#include "paths.h"
#include "support.h"
#include "tool/tool.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OURS "ours.log"
#define CLASSIC "classic.log"

enum {
    RECORD_BYTES = 100,
    CLASSIC_BYTES = sizeof(struct classic_record) + RECORD_BYTES,
    BLOCK = LOGFILE_IO_BLOCK,
    SEEN_MAX = 16,
    SHORTER_BYTES = RECORD_BYTES,
    LONGER_BYTES = RECORD_BYTES + 4,
    PREPARED_BYTES = 1 << 20,
    FOREIGN = 999 /* a record that nobody appended */
};

static struct logfile_sim *disk;
static const struct logfile_io *io;
static struct logfile_options options;
static struct logfile_lab lab;

static void begin(void)
{
    watchdog_start(60, "differences");
    disk = logfile_sim_new(&(struct logfile_sim_options){0});
    io = logfile_sim_io(disk);
    /* Without threads of the log's own: each append is an epoch, and each case the same each time. */
    lab = (struct logfile_lab){.flusher = LOGFILE_FLUSHER_LEADER};
    options = (struct logfile_options){
        .slot_bytes = 16 << 10, .prepare = LOGFILE_PREPARE_NONE, .io = io, .lab = &lab};
}

static void end(void)
{
    ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
    logfile_sim_free(disk);
    watchdog_stop();
}

/* ---- What was read ---- */

struct seen {
    unsigned count;
    unsigned records[SEEN_MAX];
    int result; /* of the read: 0 is the end of the log */
};

static void see(void *arg, const void *data, uint32_t size)
{
    struct seen *seen = arg;
    unsigned number = 0;

    ck_assert_uint_lt(seen->count, SEEN_MAX);
    while (number < SEEN_MAX &&
           !(size == RECORD_BYTES && payload_matches(data, RECORD_BYTES, number)))
        number++;
    seen->records[seen->count++] = number < SEEN_MAX ? number : FOREIGN;
}

/* Exactly records 0 to count - 1 were seen, in that order. */
static bool saw(const struct seen *seen, unsigned count)
{
    for (unsigned i = 0; i < seen->count && i < count; i++) {
        if (seen->records[i] != i)
            return false;
    }
    return seen->count == count;
}

static struct seen read_classic(void)
{
    struct seen seen = {0};

    seen.result = classic_read(io, CLASSIC, see, &seen);
    return seen;
}

static void read_all(struct logfile_reader *reader, struct seen *seen)
{
    struct logfile_record record;

    while ((seen->result = logfile_reader_next(reader, &record)) == 1)
        see(seen, record.data, (uint32_t)record.size);
}

/* What a reader sees of our log, and how it says that the log ends. */
static struct seen read_ours(struct logfile_tail *tail)
{
    struct seen seen = {0};
    struct logfile_reader *reader;

    ck_assert_int_eq(logfile_reader_open(OURS, READING(.io = io), &reader), 0);
    read_all(reader, &seen);
    int error = logfile_reader_tail(reader, tail, sizeof *tail);
    ck_assert_msg(error == 0 || error == seen.result, "tail: %s", logfile_strerror(error));
    logfile_reader_close(reader);
    return seen;
}

/* ---- What was appended ---- */

static uint64_t append_ours(struct logfile *log, unsigned number)
{
    uint8_t payload[RECORD_BYTES];
    uint64_t lsn = 0;

    payload_fill(payload, sizeof payload, number);
    ck_assert_int_eq(logfile_append(log, payload, sizeof payload, &lsn), 0);
    return lsn;
}

static int append_classic(struct classic_log *log, unsigned number)
{
    uint8_t payload[RECORD_BYTES];

    payload_fill(payload, sizeof payload, number);
    return classic_append(log, payload, sizeof payload);
}

static struct logfile *open_ours(void)
{
    struct logfile *log;

    ck_assert_int_eq(logfile_open(OURS, &options, NULL, &log), 0);
    return log;
}

/* Both logs with records 0 to count - 1, closed; lsns receives where ours are. */
static void make_both(unsigned count, uint64_t *lsns)
{
    struct logfile *log = open_ours();
    struct classic_log classic;

    ck_assert_int_eq(classic_open(&classic, io, CLASSIC, 0), 0);
    for (unsigned i = 0; i < count; i++) {
        lsns[i] = append_ours(log, i);
        ck_assert_int_eq(append_classic(&classic, i), 0);
    }
    classic_close(&classic);
    ck_assert_int_eq(logfile_close(log), 0);
}

static void flip(const char *path, uint64_t offset)
{
    uint8_t byte;

    logfile_sim_peek(disk, path, offset, &byte, 1);
    byte ^= 0x10;
    logfile_sim_poke(disk, path, offset, &byte, 1);
}

/* Writes a block, also behind the end of the file. */
static void write_block(const char *path, uint64_t offset, const uint8_t block[BLOCK])
{
    int fd = io->open(io->context, LOGFILE_IO_HERE, path, LOGFILE_IO_OPEN_WRITE, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(io->write(io->context, fd, block, BLOCK, offset, 0), BLOCK);
    ck_assert_int_eq(io->sync(io->context, fd), 0);
    ck_assert_int_eq(io->close(io->context, fd), 0);
}

/* ---- What is on the disk ---- */

START_TEST(a_zero_byte_does_not_end_the_log)
{
    static const uint8_t zeros[sizeof(struct classic_record)];
    struct logfile_tail tail;
    struct seen seen;
    uint64_t lsns[4];

    begin();
    make_both(4, lsns);
    logfile_sim_poke(disk, CLASSIC, 1 * CLASSIC_BYTES, zeros, sizeof zeros);
    logfile_sim_poke(disk, OURS, lsns[1], zeros, LF_RECORD_HEADER_BYTES);
    seen = read_classic();
    ck_assert(saw(&seen, 1) && seen.result == 0); /* three records are gone, and all is well */
    seen = read_ours(&tail);
    ck_assert(saw(&seen, 1) && seen.result == LOGFILE_ECORRUPT);
    ck_assert_int_eq(tail.verdict, LOGFILE_CORRUPT);
    ck_assert_uint_le(tail.end_lsn, lsns[1]);
    ck_assert_uint_gt(tail.promised_lsn, lsns[1]);
    end();
}
END_TEST

START_TEST(a_checksum_of_zero_is_checked)
{
    const uint32_t zero = 0;
    struct logfile_tail tail;
    struct seen seen;
    uint64_t lsns[4];

    begin();
    make_both(4, lsns);
    logfile_sim_poke(disk, CLASSIC, 1 * CLASSIC_BYTES + 4, &zero, sizeof zero);
    flip(CLASSIC, 1 * CLASSIC_BYTES + 50);
    logfile_sim_poke(disk, OURS, lsns[1] + 4, &zero, sizeof zero);
    flip(OURS, lsns[1] + 50);
    seen = read_classic();
    ck_assert_uint_eq(seen.count, 4);
    ck_assert_uint_eq(seen.records[1], FOREIGN); /* damage, handed out as a record */
    seen = read_ours(&tail);
    ck_assert(saw(&seen, 1) && seen.result == LOGFILE_ECORRUPT);
    end();
}
END_TEST

/* A payload whose CRC32C is the same without its last four bytes: the word before them
 * brings the remainder to zero, and zeros leave it there. */
static void fill_ambiguous(uint8_t payload[LONGER_BYTES])
{
    uint32_t remainder;

    memset(payload, 0, LONGER_BYTES);
    payload_fill(payload, SHORTER_BYTES - sizeof remainder, 0);
    remainder = ~lf_crc32c(0, payload, SHORTER_BYTES - sizeof remainder);
    memcpy(payload + SHORTER_BYTES - sizeof remainder, &remainder, sizeof remainder);
    ck_assert_uint_eq(lf_crc32c(0, payload, SHORTER_BYTES), lf_crc32c(0, payload, LONGER_BYTES));
}

/* Both lengths take the same place in our log, and what is between them is zero as padding is. */
START_TEST(the_length_is_covered)
{
    const uint32_t shorter = SHORTER_BYTES;
    uint8_t payload[LONGER_BYTES];
    struct classic_log classic;
    struct logfile_tail tail;
    struct logfile *log;
    struct seen seen;
    uint32_t word;
    uint64_t lsn;

    begin();
    fill_ambiguous(payload);
    ck_assert_int_eq(classic_open(&classic, io, CLASSIC, 0), 0);
    ck_assert_int_eq(classic_append(&classic, payload, sizeof payload), 0);
    classic_close(&classic);
    logfile_sim_poke(disk, CLASSIC, 0, &shorter, sizeof shorter);
    log = open_ours();
    ck_assert_int_eq(logfile_append(log, payload, sizeof payload, &lsn), 0);
    append_ours(log, 1);
    append_ours(log, 2);
    ck_assert_int_eq(logfile_close(log), 0);
    logfile_sim_peek(disk, OURS, lsn, &word, sizeof word);
    ck_assert_uint_eq(word & 0xfffffff, LONGER_BYTES);
    word -= LONGER_BYTES - SHORTER_BYTES;
    logfile_sim_poke(disk, OURS, lsn, &word, sizeof word);

    seen = read_classic();
    ck_assert(seen.count == 1 && seen.result == 0); /* a record that nobody wrote */
    seen = read_ours(&tail);
    ck_assert(seen.count == 0 && seen.result == LOGFILE_ECORRUPT);
    end();
}
END_TEST

/* A copy of the last block goes behind it: what a recycled file holds, or a write
 * that went astray. */
START_TEST(stale_blocks_stay_dead)
{
    uint8_t block[BLOCK];
    struct classic_log classic;
    struct logfile_tail before, tail;
    struct logfile *log;
    struct seen seen;
    uint64_t lsn = 0;

    begin();
    log = open_ours();
    for (unsigned i = 0; i < 3; i++)
        lsn = append_ours(log, i);
    logfile_sim_restart(disk); /* killed: nothing marks the end */
    ck_assert_int_eq(classic_open(&classic, io, CLASSIC, 0), 0);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(append_classic(&classic, i), 0);
    classic_close(&classic);

    seen = read_ours(&before);
    ck_assert(saw(&seen, 3));
    logfile_sim_peek(disk, OURS, lsn - lsn % BLOCK, block, BLOCK);
    write_block(OURS, before.end_lsn, block);
    logfile_sim_peek(disk, CLASSIC, 2 * CLASSIC_BYTES, block, CLASSIC_BYTES);
    logfile_sim_poke(disk, CLASSIC, 3 * CLASSIC_BYTES, block, CLASSIC_BYTES);
    seen = read_classic();
    ck_assert_uint_eq(seen.count, 4); /* the third record, twice */
    ck_assert_uint_eq(seen.records[3], 2);
    seen = read_ours(&tail);
    ck_assert(saw(&seen, 3) && seen.result == 0);
    ck_assert_int_eq(tail.verdict, LOGFILE_TORN);
    ck_assert_uint_eq(tail.end_lsn, before.end_lsn);
    logfile_close(log); /* of the process that is gone: only its memory is left */
    end();
}
END_TEST

START_TEST(nobody_need_know_where_the_log_ends)
{
    struct classic_log classic;
    struct logfile_tail tail;
    struct logfile *log;
    struct seen seen;
    uint64_t lsns[3];

    begin();
    make_both(3, lsns);
    ck_assert_int_eq(classic_open(&classic, io, CLASSIC, 2 * CLASSIC_BYTES), 0); /* a wrong guess */
    ck_assert_int_eq(append_classic(&classic, 3), 0);
    classic_close(&classic);
    log = open_ours();
    append_ours(log, 3);
    ck_assert_int_eq(logfile_close(log), 0);
    seen = read_classic();
    ck_assert_uint_eq(seen.count, 3); /* an acknowledged record was overwritten */
    ck_assert_uint_eq(seen.records[2], 3);
    seen = read_ours(&tail);
    ck_assert(saw(&seen, 4) && tail.verdict == LOGFILE_CLEAN);
    end();
}
END_TEST

/* ---- What a crash does ---- */

/* Appends record 0, and record 1 in a power cut; whether record 0 is there afterwards. */
static bool classic_keeps_its_tail(uint64_t seed)
{
    struct classic_log classic;
    struct seen seen;

    begin();
    ck_assert_int_eq(classic_open(&classic, io, CLASSIC, 0), 0);
    ck_assert_int_eq(sync_parent(io, CLASSIC), 0);
    ck_assert_int_eq(append_classic(&classic, 0), 0);
    logfile_sim_crash_at_call(disk, LOGFILE_SIM_WRITE, 1);
    ck_assert_int_ne(append_classic(&classic, 1), 0);
    logfile_sim_reboot(disk, seed);
    seen = read_classic();
    end();
    return seen.count > 0 && seen.records[0] == 0;
}

static bool ours_keeps_its_tail(uint64_t seed)
{
    uint8_t payload[RECORD_BYTES] = {0};
    struct logfile_tail tail;
    struct logfile *log;
    struct seen seen;
    uint64_t lsn;

    begin();
    log = open_ours();
    append_ours(log, 0);
    logfile_sim_crash_at_call(disk, LOGFILE_SIM_WRITE, 1);
    ck_assert_int_ne(logfile_append(log, payload, sizeof payload, &lsn), 0);
    logfile_close(log);
    logfile_sim_reboot(disk, seed);
    seen = read_ours(&tail);
    end();
    return seen.count > 0 && seen.records[0] == 0 && seen.result == 0;
}

START_TEST(an_acknowledged_block_is_not_rewritten)
{
    unsigned lost_count = 0;

    for (uint64_t seed = 1; seed <= 200; seed++) {
        lost_count += !classic_keeps_its_tail(seed);
        ck_assert_msg(ours_keeps_its_tail(seed), "an acknowledged record is lost, seed %u",
                      (unsigned)seed);
    }
    ck_assert_uint_gt(lost_count, 0);
}
END_TEST

START_TEST(the_file_does_not_grow_at_each_sync)
{
    unsigned classic_grew_count = 0;
    struct classic_log classic;
    struct logfile *log;
    uint64_t bytes;

    begin();
    lab.flusher = LOGFILE_FLUSHER_HYBRID;
    options.prepare = LOGFILE_PREPARE_ZERO;
    log = open_ours();
    append_ours(log, 0);
    while ((bytes = logfile_sim_file_bytes(disk, OURS)) < PREPARED_BYTES)
        sleep_us(1000); /* the preparer works while there is time */
    ck_assert_int_eq(classic_open(&classic, io, CLASSIC, 0), 0);
    for (unsigned i = 1; i <= 100; i++) {
        uint64_t before = logfile_sim_file_bytes(disk, CLASSIC);
        uint8_t payload[BLOCK - sizeof(struct classic_record)] = {1};

        append_ours(log, i % SEEN_MAX);
        ck_assert_int_eq(classic_append(&classic, payload, sizeof payload), 0);
        classic_grew_count += logfile_sim_file_bytes(disk, CLASSIC) > before;
    }
    /* A hundred blocks went into what was prepared before the first of them. */
    ck_assert_uint_ge(bytes, logfile_durable_lsn(log));
    ck_assert_uint_eq(classic_grew_count, 100);
    classic_close(&classic);
    ck_assert_int_eq(logfile_close(log), 0);
    end();
}
END_TEST

START_TEST(the_name_is_durable_before_the_first_record_is)
{
    struct classic_log classic;
    struct logfile_tail tail;
    struct logfile *log;
    struct seen seen;

    begin();
    ck_assert_int_eq(classic_open(&classic, io, CLASSIC, 0), 0);
    ck_assert_int_eq(append_classic(&classic, 0), 0);
    logfile_sim_reboot_losing_all(disk);
    ck_assert(!logfile_sim_exists(disk, CLASSIC)); /* acknowledged, and gone with its file */

    log = open_ours();
    append_ours(log, 0);
    logfile_sim_reboot_losing_all(disk);
    logfile_close(log);
    seen = read_ours(&tail);
    ck_assert(saw(&seen, 1));
    end();
}
END_TEST

/* ---- What callers are told ---- */

START_TEST(a_durable_record_does_not_get_a_later_error)
{
    const struct logfile_sim_fault fault = {.call = LOGFILE_SIM_SYNC, .error = -EIO};
    uint8_t payload[RECORD_BYTES] = {0};
    struct classic_log classic;
    struct logfile *log;
    uint64_t lsn, later_lsn = 0;

    begin();
    ck_assert_int_eq(classic_open(&classic, io, CLASSIC, 0), 0);
    log = open_ours();
    ck_assert_int_eq(append_classic(&classic, 0), 0);
    lsn = append_ours(log, 0);
    logfile_sim_fault(disk, &fault);
    ck_assert_int_eq(append_classic(&classic, 1), -EIO);
    logfile_sim_fault(disk, &fault);
    ck_assert_int_eq(logfile_append(log, payload, sizeof payload, &later_lsn), LOGFILE_EFAILED);
    ck_assert_int_eq(classic_wait(&classic), -EIO); /* also for whoever waited for record 0 */
    ck_assert_int_eq(logfile_wait(log, lsn, NULL), 0);
    ck_assert_int_eq(logfile_wait(log, later_lsn, NULL), LOGFILE_EFAILED);
    classic_close(&classic);
    ck_assert_int_eq(logfile_close(log), LOGFILE_EFAILED);
    end();
}
END_TEST

/* With io and its gate at the sync: an append that gives up; what becomes of it. */
static int outcome_of_a_cancelled_append(bool fails)
{
    const struct timespec deadline = deadline_in_ms(20);
    uint8_t payload[RECORD_BYTES];
    struct logfile *log = open_ours();
    uint64_t lsn = 0;
    int error;

    payload_fill(payload, sizeof payload, 0);
    logfile_sim_gate_close(disk, LOGFILE_SIM_SYNC);
    ck_assert_int_eq(logfile_append_until(log, payload, sizeof payload, &deadline, &lsn),
                     -ETIMEDOUT);
    ck_assert_uint_ne(lsn, 0);
    if (fails)
        logfile_sim_fault(disk, &(struct logfile_sim_fault){
                                    .call = LOGFILE_SIM_SYNC, .error = -EIO, .for_ever = true});
    logfile_sim_gate_open(disk);
    error = logfile_wait(log, lsn, NULL);
    logfile_sim_fault_clear(disk);
    logfile_close(log);
    return error;
}

START_TEST(a_cancelled_append_can_be_asked_about)
{
    for (int fails = 0; fails < 2; fails++) {
        begin();
        lab.flusher = LOGFILE_FLUSHER_SEQUENCER;
        options.io_mode = LOGFILE_IO_BUFFERED;
        ck_assert_int_eq(outcome_of_a_cancelled_append(fails), fails ? LOGFILE_EFAILED : 0);
        end();
    }
}
END_TEST

enum {
    LATER_WAITERS = 8
};

struct waiter {
    pthread_t thread;
    struct logfile *log;
    uint64_t lsn; /* 0: append a record instead */
    int error;
};

static void *wait_for_record(void *arg)
{
    struct waiter *waiter = arg;
    uint8_t payload[RECORD_BYTES] = {0};

    waiter->error = waiter->lsn != 0 ? logfile_wait(waiter->log, waiter->lsn, NULL)
                                     : logfile_append(waiter->log, payload, sizeof payload, NULL);
    return NULL;
}

static void start_waiter(struct waiter *waiter, struct logfile *log, uint64_t lsn)
{
    *waiter = (struct waiter){.log = log, .lsn = lsn};
    ck_assert_int_eq(pthread_create(&waiter->thread, NULL, wait_for_record, waiter), 0);
}

static uint64_t sleep_count(struct logfile *log)
{
    struct logfile_stats stats;

    ck_assert_int_eq(logfile_stats(log, &stats, sizeof stats), 0);
    return stats.waits_durable;
}

/* One thread waits for an epoch whose sync is held up, LATER_WAITERS for the one after it, which
 * sync is slow.  How often they went to sleep, all in all, once all of them slept. */
static uint64_t sleeps_over_two_flushes(enum logfile_engine engine)
{
    struct waiter waiters[1 + LATER_WAITERS];
    uint8_t payload[RECORD_BYTES] = {0};
    uint64_t first_lsn = 0, later_lsn, sleeps;
    struct logfile *log;

    lab.engine = engine;
    lab.flusher = LOGFILE_FLUSHER_SEQUENCER;
    lab.wait = LOGFILE_WAIT_BLOCK;
    log = open_ours();
    logfile_sim_gate_close(disk, LOGFILE_SIM_SYNC);
    if (engine == LOGFILE_ENGINE_RING)
        ck_assert_int_eq(logfile_submit(log, payload, sizeof payload, NULL, &first_lsn), 0);
    start_waiter(&waiters[0], log, first_lsn);
    ck_assert(logfile_sim_gate_is_reached(disk, 600000));
    ck_assert_int_eq(logfile_submit(log, payload, sizeof payload, NULL, &later_lsn), 0);
    for (unsigned i = 1; i <= LATER_WAITERS; i++)
        start_waiter(&waiters[i], log, later_lsn);
    while (sleep_count(log) < LATER_WAITERS + (engine == LOGFILE_ENGINE_RING))
        sleep_us(1000);
    sleep_us(50000); /* from counting itself to sleeping it is a few instructions */
    logfile_sim_delay(disk, LOGFILE_SIM_SYNC, 300000);
    logfile_sim_gate_open(disk);
    for (unsigned i = 0; i <= LATER_WAITERS; i++) {
        ck_assert_int_eq(pthread_join(waiters[i].thread, NULL), 0);
        ck_assert_int_eq(waiters[i].error, 0);
    }
    sleeps = sleep_count(log);
    ck_assert_int_eq(logfile_close(log), 0);
    return sleeps;
}

START_TEST(a_flush_wakes_only_who_waits_for_it)
{
    begin();
    /* The library's own mutex engine is the classic here: its broadcast wakes all of them, one
     * flushes, and the others go back to sleep. */
    ck_assert_uint_gt(sleeps_over_two_flushes(LOGFILE_ENGINE_MUTEX), LATER_WAITERS + 1);
    end();
    begin();
    ck_assert_uint_eq(sleeps_over_two_flushes(LOGFILE_ENGINE_RING), LATER_WAITERS + 1);
    end();
}
END_TEST

START_TEST(a_second_opener_is_refused)
{
    struct classic_log classic, second_classic;
    struct logfile *log, *second = NULL;
    struct logfile_tail tail;
    struct seen seen;

    begin();
    ck_assert_int_eq(classic_open(&classic, io, CLASSIC, 0), 0);
    ck_assert_int_eq(classic_open(&second_classic, io, CLASSIC, 0), 0);
    ck_assert_int_eq(append_classic(&classic, 0), 0);
    ck_assert_int_eq(append_classic(&second_classic, 1), 0);
    classic_close(&classic);
    classic_close(&second_classic);
    seen = read_classic();
    ck_assert_uint_eq(seen.count, 1); /* both were acknowledged */

    log = open_ours();
    append_ours(log, 0);
    ck_assert_int_eq(logfile_open(OURS, &options, NULL, &second), LOGFILE_ELOCKED);
    append_ours(log, 1);
    ck_assert_int_eq(logfile_close(log), 0);
    seen = read_ours(&tail);
    ck_assert(saw(&seen, 2));
    end();
}
END_TEST

/* ---- What readers see ---- */

/* The classic log's reader shows a record whose sync failed, and that a power cut takes away. */
static void check_classic_shows_too_much(void)
{
    struct classic_log classic;
    struct seen seen;

    ck_assert_int_eq(classic_open(&classic, io, CLASSIC, 0), 0);
    ck_assert_int_eq(sync_parent(io, CLASSIC), 0);
    logfile_sim_fault(disk, &(struct logfile_sim_fault){.call = LOGFILE_SIM_SYNC, .error = -EIO});
    ck_assert_int_eq(append_classic(&classic, 0), -EIO);
    seen = read_classic();
    ck_assert(saw(&seen, 1));
    classic_close(&classic);
    logfile_sim_reboot_losing_all(disk);
    seen = read_classic();
    ck_assert(saw(&seen, 0));
}

/* Ours syncs for itself before it shows what no later epoch promises. */
START_TEST(a_reader_sees_only_what_is_durable)
{
    const struct logfile_sim_fault fault = {
        .call = LOGFILE_SIM_SYNC, .error = -EIO, .for_ever = true};
    uint8_t payload[RECORD_BYTES];
    struct logfile *log;
    struct logfile_tail tail;
    struct seen seen;
    uint64_t lsn = 0;

    begin();
    check_classic_shows_too_much();
    log = open_ours();
    append_ours(log, 0);
    payload_fill(payload, sizeof payload, 1);
    logfile_sim_fault(disk, &fault);
    ck_assert_int_eq(logfile_append(log, payload, sizeof payload, &lsn), LOGFILE_EFAILED);
    seen = read_ours(&tail);
    ck_assert(saw(&seen, 1) && seen.result == -EIO);
    logfile_close(log);
    logfile_sim_reboot_losing_all(disk);
    seen = read_ours(&tail);
    ck_assert(saw(&seen, 1) && seen.result == 0);
    end();
}
END_TEST

static int verify(char **report)
{
    size_t report_bytes;
    FILE *out = open_memstream(report, &report_bytes);
    int status;

    ck_assert_ptr_nonnull(out);
    status = lf_tool_verify_log(io, OURS, out);
    fclose(out);
    return status;
}

/* What salvage copies: all that is whole, on both sides of the damage. */
static struct seen read_around_damage(void)
{
    struct logfile_reader *reader;
    struct seen seen = {0};

    ck_assert_int_eq(logfile_reader_open(OURS, READING(.io = io), &reader), 0);
    read_all(reader, &seen);
    ck_assert_int_eq(seen.result, LOGFILE_ECORRUPT);
    ck_assert_int_eq(logfile_reader_skip(reader), 0);
    read_all(reader, &seen);
    logfile_reader_close(reader);
    return seen;
}

START_TEST(damage_is_found_named_and_got_around)
{
    struct logfile_tail clean, tail;
    struct seen seen;
    uint64_t lsns[4];
    char *report;

    begin();
    make_both(4, lsns);
    seen = read_ours(&clean); /* finds the end */
    ck_assert(saw(&seen, 4) && clean.verdict == LOGFILE_CLEAN && clean.end_lsn > lsns[3]);
    ck_assert_int_eq(verify(&report), LF_TOOL_OK);
    free(report);
    flip(CLASSIC, 1 * CLASSIC_BYTES + 50);
    flip(OURS, lsns[1] + 50);
    seen = read_classic();
    ck_assert(saw(&seen, 1) && seen.result == 0); /* and nothing to tell that from the end */
    ck_assert_int_eq(verify(&report), LF_TOOL_CORRUPT);
    ck_assert_msg(strstr(report, "corrupt") != NULL, "%s", report);
    free(report);
    seen = read_ours(&tail);
    ck_assert_uint_eq(tail.end_lsn, lsns[1] - lsns[1] % BLOCK);
    ck_assert_uint_eq(tail.resume_lsn, lsns[2] - lsns[2] % BLOCK);
    seen = read_around_damage();
    ck_assert_uint_eq(seen.count, 3);
    ck_assert(seen.records[0] == 0 && seen.records[1] == 2 && seen.records[2] == 3);
    end();
}
END_TEST

static TCase *disk_case(void)
{
    TCase *tcase = tcase_create("disk and crashes");

    tcase_add_test(tcase, a_zero_byte_does_not_end_the_log);
    tcase_add_test(tcase, a_checksum_of_zero_is_checked);
    tcase_add_test(tcase, the_length_is_covered);
    tcase_add_test(tcase, stale_blocks_stay_dead);
    tcase_add_test(tcase, nobody_need_know_where_the_log_ends);
    tcase_add_test(tcase, an_acknowledged_block_is_not_rewritten);
    tcase_add_test(tcase, the_file_does_not_grow_at_each_sync);
    tcase_add_test(tcase, the_name_is_durable_before_the_first_record_is);
    return tcase;
}

static TCase *caller_case(void)
{
    TCase *tcase = tcase_create("callers and readers");

    tcase_add_test(tcase, a_durable_record_does_not_get_a_later_error);
    tcase_add_test(tcase, a_cancelled_append_can_be_asked_about);
    tcase_add_test(tcase, a_flush_wakes_only_who_waits_for_it);
    tcase_add_test(tcase, a_second_opener_is_refused);
    tcase_add_test(tcase, a_reader_sees_only_what_is_durable);
    tcase_add_test(tcase, damage_is_found_named_and_got_around);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("differences");

    suite_add_tcase(suite, disk_case());
    suite_add_tcase(suite, caller_case());
    return run_suite(suite);
}
