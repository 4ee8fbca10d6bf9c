/* SPDX-License-Identifier: MIT */
/*
 * Batches and reservations, on a simulated disk: all or none, one group, one end to each reservation.
 */
#include "journal.h"
#include "logfile_sim.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_PATH "submit.log"

enum {
    SLOT_BYTES = 8 << 10,
    EPOCH_HEADER_BYTES = 80,
    RECORD_HEADER_BYTES = 8
};

static struct logfile_sim *disk;
static struct logfile *shared_log;
static struct variant variant;
static struct journal journal;

static void begin_with(int index, uint64_t segment_bytes)
{
    engine_variant_get((unsigned)index, &variant);
    watchdog_start(60, variant.name);
    disk = logfile_sim_new(NULL);
    variant.options.slot_bytes = SLOT_BYTES;
    variant.options.segment_bytes = segment_bytes;
    variant.options.prepare = LOGFILE_PREPARE_ALLOCATE;
    variant.options.io = logfile_sim_io(disk);
    ck_assert_int_eq(logfile_open(LOG_PATH, &variant.options, NULL, &shared_log), 0);
}

static void begin(int index)
{
    begin_with(index, 0);
}

/* Closes the log, and reads back exactly what the journal has. */
static void end(void)
{
    char why[JOURNAL_WHY_BYTES];

    ck_assert_int_eq(logfile_close(shared_log), 0);
    journal_ack_below(&journal, UINT64_MAX);
    ck_assert_msg(journal_compare_path(&journal, LOG_PATH, logfile_sim_io(disk), why), "%s: %s",
                  variant.name, why);
    journal_free(&journal);
    logfile_sim_free(disk);
    watchdog_stop();
}

static uint64_t epochs(void)
{
    struct logfile_stats stats;

    ck_assert_int_eq(logfile_stats(shared_log, &stats, sizeof stats), 0);
    return stats.epochs;
}

/* ---- Batches ---- */

struct batch {
    struct iovec records[LOGFILE_BATCH_MAX];
    uint64_t seeds[LOGFILE_BATCH_MAX];
    uint64_t lsns[LOGFILE_BATCH_MAX];
    int count;
    uint8_t bytes[SLOT_BYTES];
    size_t used; /* of bytes */
};

/* Records of random sizes, as many as fit `room` bytes of an epoch. */
static void fill_batch(struct batch *batch, struct rng *rng, size_t room, size_t size_max)
{
    static uint64_t seed;

    batch->count = 0;
    batch->used = 0;
    while (batch->count < LOGFILE_BATCH_MAX) {
        size_t size = payload_random_size(rng, size_max);
        size_t need = (RECORD_HEADER_BYTES + size + 7) / 8 * 8;
        if (need > room)
            return;
        room -= need;
        batch->seeds[batch->count] = __atomic_add_fetch(&seed, 1, __ATOMIC_RELAXED);
        payload_fill(batch->bytes + batch->used, size, batch->seeds[batch->count]);
        batch->records[batch->count++] = (struct iovec){batch->bytes + batch->used, size};
        batch->used += size;
    }
}

static void note_batch(struct journal *to, const struct batch *batch)
{
    for (int i = 0; i < batch->count; i++)
        journal_add(to, batch->lsns[i], batch->seeds[i], batch->records[i].iov_len, false);
}

/* They lie next to each other: each at the end of the one before. */
static bool are_next_to_each_other(const struct batch *batch)
{
    for (int i = 1; i < batch->count; i++)
        if (batch->lsns[i] !=
            batch->lsns[i - 1] + (RECORD_HEADER_BYTES + batch->records[i - 1].iov_len + 7) / 8 * 8)
            return false;
    return true;
}

START_TEST(test_a_batch_is_one_group)
{
    static struct batch batch;
    struct rng rng = {.state = 1};

    begin(_i);
    for (unsigned round = 0; round < 50; round++) {
        fill_batch(&batch, &rng, SLOT_BYTES - EPOCH_HEADER_BYTES, 1 + round * 40);
        uint64_t before = epochs();
        ck_assert_int_eq(
            logfile_submit_batch(shared_log, batch.records, batch.count, NULL, batch.lsns), 0);
        ck_assert_int_eq(logfile_sync(shared_log, NULL), 0);
        ck_assert_uint_eq(epochs(), before + 1);
        ck_assert(are_next_to_each_other(&batch));
        note_batch(&journal, &batch);
    }
    end();
}
END_TEST

START_TEST(test_a_batch_that_does_not_fit)
{
    static uint8_t payload[SLOT_BYTES];
    size_t max;

    begin(_i);
    max = logfile_record_max(shared_log);
    struct iovec halves[2] = {{payload, max / 2 - 4}, {payload, max / 2 - 3}};
    struct iovec endless[3] = {{payload, SIZE_MAX - 7}, {payload, 16}, {payload, 16}};
    struct iovec nothing = {NULL, 1};
    static struct iovec many[LOGFILE_BATCH_MAX + 1];
    const struct timespec wrong = {.tv_nsec = -1};
    uint64_t lsns[3] = {77, 77, 77};
    uint64_t next_lsn = logfile_next_lsn(shared_log);

    ck_assert_int_eq(logfile_submit_batch(shared_log, halves, 2, NULL, lsns), LOGFILE_ETOOBIG);
    ck_assert_int_eq(logfile_submit_batch(shared_log, endless, 3, NULL, lsns), LOGFILE_ETOOBIG);
    ck_assert_int_eq(logfile_submit_batch(shared_log, &nothing, 1, NULL, lsns), -EINVAL);
    ck_assert_int_eq(logfile_submit_batch(shared_log, NULL, 1, NULL, lsns), -EINVAL);
    ck_assert_int_eq(logfile_submit_batch(shared_log, halves, -1, NULL, lsns), -EINVAL);
    ck_assert_int_eq(logfile_submit_batch(shared_log, halves, 1, &wrong, lsns), -EINVAL);
    ck_assert_int_eq(logfile_submit_batch(NULL, halves, 1, NULL, lsns), -EINVAL);
    ck_assert_int_eq(logfile_submit_batch(shared_log, many, LOGFILE_BATCH_MAX + 1, NULL, NULL),
                     -EINVAL);
    ck_assert_int_eq(logfile_submit_batch(shared_log, NULL, 0, NULL, NULL), 0);
    ck_assert_uint_eq(lsns[0], 77);
    ck_assert_uint_eq(logfile_next_lsn(shared_log), next_lsn);
    /* One byte less fits, to the last byte of the slot. */
    halves[1].iov_len--;
    ck_assert_int_eq(logfile_submit_batch(shared_log, halves, 2, NULL, lsns), 0);
    ck_assert_int_eq(logfile_shutdown(shared_log, NULL), 0);
    ck_assert_int_eq(logfile_submit_batch(shared_log, halves, 2, NULL, lsns), LOGFILE_ECLOSED);
    ck_assert_int_eq(logfile_close(shared_log), 0);
    logfile_sim_free(disk);
    watchdog_stop();
}
END_TEST

/* ---- Reservations ---- */

/* Reservations are the ring's: the first three variants. */
enum {
    RINGS = 3
};

static void fill(struct logfile_reservation *reservation, uint64_t seed)
{
    payload_fill(reservation->data, reservation->size, seed);
}

START_TEST(test_a_reservation_is_a_record)
{
    struct logfile_reservation reservation;
    size_t max;

    begin_with(_i / 2, _i % 2 == 0 ? 0 : 48 << 10);
    max = logfile_record_max(shared_log);
    for (size_t size = 0; size <= max; size += size < 40 ? 1 : max / 9) {
        ck_assert_int_eq(logfile_reserve(shared_log, size, NULL, &reservation), 0);
        ck_assert_uint_eq(reservation.size, size);
        ck_assert_uint_eq((uintptr_t)reservation.data % 8, 0);
        fill(&reservation, size + 1);
        journal_add(&journal, reservation.lsn, size + 1, size, false);
        uint64_t lsn = reservation.lsn;
        ck_assert_int_eq(logfile_publish(shared_log, &reservation), 0);
        ck_assert_ptr_null(reservation.data);
        ck_assert_int_eq(logfile_wait(shared_log, lsn, NULL), 0);
    }
    end();
}
END_TEST

START_TEST(test_an_abandoned_one_is_none)
{
    struct logfile_reservation first, second;
    uint64_t lsn;

    begin_with(_i / 2, _i % 2 == 0 ? 0 : 48 << 10);
    for (size_t size = 0; size < 3000; size += 7) {
        /* Alone in its group, and between records. */
        ck_assert_int_eq(logfile_reserve(shared_log, size, NULL, &first), 0);
        fill(&first, 99);
        ck_assert_int_eq(logfile_abandon(shared_log, &first), 0);
        if (size % 3 == 0)
            ck_assert_int_eq(logfile_sync(shared_log, NULL), 0);
        ck_assert_int_eq(logfile_submit(shared_log, "", 0, NULL, &lsn), 0);
        journal_add(&journal, lsn, 0, 0, false);
        ck_assert_int_eq(logfile_reserve(shared_log, size, NULL, &second), 0);
        fill(&second, size);
        journal_add(&journal, second.lsn, size, size, false);
        ck_assert_int_eq(logfile_publish(shared_log, &second), 0);
    }
    end();
}
END_TEST

START_TEST(test_a_reservation_ends_once)
{
    struct logfile_reservation reservation, copy, early;
    const struct timespec past = deadline_in_ms(-1);

    begin(_i);
    ck_assert_int_eq(logfile_reserve(shared_log, 100, NULL, &reservation), 0);
    early = reservation;
    ck_assert_int_eq(logfile_shutdown(shared_log, &past), -EBUSY);
    ck_assert_int_eq(logfile_close(shared_log), -EBUSY);
    fill(&reservation, 5);
    journal_add(&journal, reservation.lsn, 5, 100, false);

    /* What is none of this log's, while one is held, changes nothing. */
    struct logfile_reservation wrong[7];
    for (unsigned i = 0; i < 7; i++)
        wrong[i] = reservation;
    wrong[0].size += 8;
    wrong[1].size = SIZE_MAX;
    wrong[2].data = (uint8_t *)wrong[2].data + 8;
    wrong[3].reserved[0]++;
    wrong[4].reserved[1] += 8;
    wrong[5].reserved[1] = UINT64_MAX - 7;
    wrong[6].reserved[1] = 0;
    for (unsigned i = 0; i < 7; i++)
        ck_assert_int_eq(logfile_publish(shared_log, &wrong[i]), -EINVAL);
    ck_assert_int_eq(logfile_publish(shared_log, NULL), -EINVAL);
    ck_assert_int_eq(logfile_abandon(NULL, &reservation), -EINVAL);

    copy = reservation;
    ck_assert_int_eq(logfile_publish(shared_log, &reservation), 0);
    ck_assert_int_eq(logfile_publish(shared_log, &reservation), -EINVAL);
    ck_assert_int_eq(logfile_abandon(shared_log, &reservation), -EINVAL);
    ck_assert_int_eq(logfile_publish(shared_log, &copy), -EINVAL);
    ck_assert_int_eq(logfile_abandon(shared_log, &copy), -EINVAL);

    /* Nor is a copy believed when its slot is used again, at the very same place. */
    for (unsigned i = 0; i < 8; i++) {
        ck_assert_int_eq(logfile_sync(shared_log, NULL), 0);
        ck_assert_int_eq(logfile_reserve(shared_log, 100, NULL, &reservation), 0);
        copy = early;
        ck_assert_int_eq(logfile_publish(shared_log, &copy), -EINVAL);
        fill(&reservation, i);
        journal_add(&journal, reservation.lsn, i, 100, false);
        ck_assert_int_eq(logfile_publish(shared_log, &reservation), 0);
    }
    ck_assert_int_eq(logfile_shutdown(shared_log, NULL), 0);
    ck_assert_int_eq(logfile_reserve(shared_log, 1, NULL, &reservation), LOGFILE_ECLOSED);
    ck_assert_int_eq(logfile_publish(shared_log, &early), -EINVAL);
    end();
}
END_TEST

START_TEST(test_wrong_arguments)
{
    struct logfile_reservation reservation;
    const struct timespec wrong = {.tv_nsec = 1000000000};

    begin(_i);
    ck_assert_int_eq(logfile_reserve(NULL, 1, NULL, &reservation), -EINVAL);
    ck_assert_int_eq(logfile_reserve(shared_log, 1, NULL, NULL), -EINVAL);
    ck_assert_int_eq(logfile_reserve(shared_log, 1, &wrong, &reservation), -EINVAL);
    if (_i < RINGS)
        ck_assert_int_eq(
            logfile_reserve(shared_log, logfile_record_max(shared_log) + 1, NULL, &reservation),
            LOGFILE_ETOOBIG);
    else
        ck_assert_int_eq(logfile_reserve(shared_log, 1, NULL, &reservation), -EOPNOTSUPP);
    end();
}
END_TEST

/* A log that fails while one is held: it ends, and the log can be closed. */
START_TEST(test_failure_while_one_is_held)
{
    const struct logfile_sim_fault fault = {.call = LOGFILE_SIM_SYNC, .error = -EIO};
    struct logfile_reservation held[2];

    begin(_i / 2);
    ck_assert_int_eq(logfile_append(shared_log, "", 0, NULL), 0);
    ck_assert_int_eq(logfile_sim_fault(disk, &fault), 0);
    ck_assert_int_eq(logfile_append(shared_log, "", 0, NULL), LOGFILE_EFAILED);
    ck_assert_int_eq(logfile_reserve(shared_log, 10, NULL, &held[0]), LOGFILE_EFAILED);
    logfile_close(shared_log);
    logfile_sim_free(disk);

    begin(_i / 2);
    ck_assert_int_eq(logfile_reserve(shared_log, 10, NULL, &held[0]), 0);
    ck_assert_int_eq(logfile_reserve(shared_log, 10, NULL, &held[1]), 0);
    fill(&held[0], 1);
    ck_assert_int_eq(logfile_sim_fault(disk, &fault), 0);
    /* A mark fails the log from beside. */
    ck_assert_int_eq(logfile_mark(shared_log, 0, "x", 1), LOGFILE_EFAILED);
    ck_assert_int_eq(logfile_publish(shared_log, &held[0]), LOGFILE_EFAILED);
    ck_assert_int_eq(logfile_close(shared_log), -EBUSY);
    ck_assert_int_eq(_i % 2 == 0 ? logfile_abandon(shared_log, &held[1])
                                 : logfile_publish(shared_log, &held[1]),
                     LOGFILE_EFAILED);
    ck_assert_int_eq(logfile_close(shared_log), LOGFILE_EFAILED);
    logfile_sim_free(disk);
    watchdog_stop();
}
END_TEST

/* ---- A reservation that is held for long ---- */

struct joiner {
    pthread_t thread;
    uint64_t lsn;
    int error;
};

static void *join_group(void *arg)
{
    struct joiner *joiner = arg;

    joiner->error = logfile_append(shared_log, "", 0, &joiner->lsn);
    return NULL;
}

/*
 * Appends that join the group of one that is held have nothing flushed: its end does that, whether it is
 * published or abandoned.  Loop test: rings, each on an idle log and behind groups of several writers,
 * after which a flush may be put off for as many.
 */
START_TEST(test_appends_join_a_held_one)
{
    enum {
        JOINERS = 4
    };
    struct joiner joiners[JOINERS];
    struct logfile_reservation held;
    struct logfile_stats stats;
    const struct timespec past = deadline_in_ms(-1);
    uint64_t lsn;

    begin(_i / 2);
    for (unsigned round = 0; round < (_i % 2 == 0 ? 1 : 20); round++) {
        ck_assert_int_eq(logfile_reserve(shared_log, 100, NULL, &held), 0);
        fill(&held, round);
        if (round % 3 != 2)
            journal_add(&journal, held.lsn, round, 100, false);
        for (unsigned i = 0; i < JOINERS; i++)
            ck_assert_int_eq(pthread_create(&joiners[i].thread, NULL, join_group, &joiners[i]), 0);
        /* Time for them to go to sleep; what is checked holds without it too. */
        sleep_us(3000);
        const int error = logfile_submit(shared_log, "", 0, &past, &lsn);
        ck_assert(error == 0 || error == -EAGAIN);
        if (error == 0)
            journal_add(&journal, lsn, 0, 0, false);
        ck_assert_uint_le(logfile_durable_lsn(shared_log), held.lsn);
        ck_assert_int_eq(logfile_stats(shared_log, &stats, sizeof stats), 0);
        ck_assert(error != 0 || stats.pending_bytes > 0);
        ck_assert_int_eq(round % 3 == 2 ? logfile_abandon(shared_log, &held)
                                        : logfile_publish(shared_log, &held),
                         0);
        for (unsigned i = 0; i < JOINERS; i++) {
            pthread_join(joiners[i].thread, NULL);
            ck_assert_int_eq(joiners[i].error, 0);
            journal_add(&journal, joiners[i].lsn, 0, 0, true);
        }
        if (error == 0)
            ck_assert_int_eq(logfile_wait(shared_log, lsn, NULL), 0);
    }
    end();
}
END_TEST

/* ---- All at once ---- */

struct worker {
    unsigned number;
    struct journal journal;
    int error;
};

/* Reserves, waits a little or not, publishes or abandons; or a batch; or an append. */
static void *work(void *arg)
{
    struct worker *worker = arg;
    struct rng rng = {.state = worker->number + 1};
    struct batch *batch = calloc(1, sizeof *batch);
    unsigned count = (unsigned)scaled(60, 600, 20000);

    for (unsigned i = 0; i < count && worker->error == 0; i++) {
        uint64_t seed = (uint64_t)worker->number << 40 | UINT64_C(1) << 32 | i;
        size_t size = payload_random_size(&rng, 1500);
        struct logfile_reservation reservation;
        if (i % 3 == 0) {
            fill_batch(batch, &rng, 1 + size * 4, 500);
            worker->error =
                logfile_submit_batch(shared_log, batch->records, batch->count, NULL, batch->lsns);
            if (worker->error == 0 && !are_next_to_each_other(batch))
                worker->error = -ERANGE;
            note_batch(&worker->journal, batch);
            continue;
        }
        if (i % 3 == 1) {
            uint64_t lsn;
            payload_fill(batch->bytes, size, seed);
            worker->error = logfile_append(shared_log, batch->bytes, size, &lsn);
            journal_add(&worker->journal, lsn, seed, size, false);
            continue;
        }
        worker->error = logfile_reserve(shared_log, size, NULL, &reservation);
        if (worker->error != 0)
            break;
        fill(&reservation, seed);
        if (i % 7 == 0)
            sleep_us(50);
        if (i % 4 == 0) {
            worker->error = logfile_abandon(shared_log, &reservation);
        } else {
            journal_add(&worker->journal, reservation.lsn, seed, size, false);
            worker->error = logfile_publish(shared_log, &reservation);
        }
    }
    free(batch);
    return NULL;
}

START_TEST(test_all_at_once)
{
    enum {
        WORKERS = 4
    };
    struct worker workers[WORKERS] = {{0}};
    pthread_t threads[WORKERS];

    begin_with(_i / 2, _i % 2 == 0 ? 0 : 48 << 10);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].number = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_msg(workers[i].error == 0, "%s: %s", variant.name,
                      logfile_strerror(workers[i].error));
        journal_take(&journal, &workers[i].journal);
    }
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("submit");
    TCase *batches = tcase_create("batches");
    TCase *reservations = tcase_create("reservations");
    int engine_count = (int)engine_variant_count();

    tcase_add_loop_test(batches, test_a_batch_is_one_group, 0, engine_count);
    tcase_add_loop_test(batches, test_a_batch_that_does_not_fit, 0, engine_count);
    suite_add_tcase(suite, batches);
    tcase_add_loop_test(reservations, test_a_reservation_is_a_record, 0, 2 * RINGS);
    tcase_add_loop_test(reservations, test_an_abandoned_one_is_none, 0, 2 * RINGS);
    tcase_add_loop_test(reservations, test_a_reservation_ends_once, 0, RINGS);
    tcase_add_loop_test(reservations, test_wrong_arguments, 0, engine_count);
    tcase_add_loop_test(reservations, test_failure_while_one_is_held, 0, 2 * RINGS);
    tcase_add_loop_test(reservations, test_appends_join_a_held_one, 0, 2 * RINGS);
    tcase_add_loop_test(reservations, test_all_at_once, 0, 2 * RINGS);
    suite_add_tcase(suite, reservations);
    return run_suite(suite);
}
