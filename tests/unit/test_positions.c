/* SPDX-License-Identifier: MIT */
/*
 * oldest LSN <= durable LSN <= next LSN, for whoever reads them in this order, at every moment: under
 * each engine and flusher, in one file and in segments, beside writers that fill slots, trims and a
 * shutdown, and of a log that has failed.  None ever falls.  Whatever is below the next LSN can be
 * waited for; every record that is appended later is at or above it; on an idle log it is the durable
 * LSN.
 */
#include "logfile_sim.h"
#include "support.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#define LOG_PATH "positions.log"

enum {
    WRITERS = 2,
    LOOKERS = 2,
    SLOT_BYTES = 8 << 10,
    SEGMENT_BYTES = 32 << 10,
    LAYOUTS = 2, /* one file, segments */
    WAIT_EVERY = 32
};

static struct variant variant;
static struct logfile_sim *disk;
static struct logfile *log_under_test;
static uint32_t is_over;

/* A thread puts down what it found wrong; the main thread asserts. */
struct actor {
    pthread_t thread;
    uint64_t seed;
    unsigned count;
    char why[160];
};

__attribute__((format(printf, 2, 3))) static void blame(struct actor *actor, const char *format,
                                                        ...)
{
    va_list arguments;

    if (actor->why[0] != '\0')
        return;
    va_start(arguments, format);
    vsnprintf(actor->why, sizeof actor->why, format, arguments);
    va_end(arguments);
}

static void begin(int index)
{
    engine_variant_get((unsigned)(index / LAYOUTS), &variant);
    watchdog_start(120, variant.name);
    disk = logfile_sim_new(NULL);
    variant.options.slot_bytes = SLOT_BYTES;
    variant.options.segment_bytes = index % LAYOUTS == 0 ? 0 : SEGMENT_BYTES;
    variant.options.prepare_bytes = 64 << 10;
    variant.options.io = logfile_sim_io(disk);
    is_over = 0;
    ck_assert_int_eq(logfile_open(LOG_PATH, &variant.options, NULL, &log_under_test), 0);
}

static void end(int expected)
{
    ck_assert_int_eq(logfile_close(log_under_test), expected);
    logfile_sim_free(disk);
    watchdog_stop();
}

/* ---- Threads ---- */

struct positions {
    uint64_t oldest_lsn;
    uint64_t durable_lsn;
    uint64_t next_lsn;
};

static struct positions look(void)
{
    struct positions now;

    now.oldest_lsn = logfile_oldest_lsn(log_under_test);
    now.durable_lsn = logfile_durable_lsn(log_under_test);
    now.next_lsn = logfile_next_lsn(log_under_test);
    return now;
}

static void judge(struct actor *actor, const struct positions *before, const struct positions *now)
{
    if (now->oldest_lsn > now->durable_lsn || now->durable_lsn > now->next_lsn)
        blame(actor, "oldest %" PRIu64 ", durable %" PRIu64 ", next %" PRIu64, now->oldest_lsn,
              now->durable_lsn, now->next_lsn);
    if (now->oldest_lsn < before->oldest_lsn || now->durable_lsn < before->durable_lsn ||
        now->next_lsn < before->next_lsn)
        blame(actor, "fell to %" PRIu64 ", %" PRIu64 ", %" PRIu64, now->oldest_lsn,
              now->durable_lsn, now->next_lsn);
}

static void *look_on(void *argument)
{
    struct actor *actor = argument;
    struct positions before = {0};

    for (unsigned i = 0; !__atomic_load_n(&is_over, __ATOMIC_ACQUIRE); i++) {
        struct positions now = look();
        judge(actor, &before, &now);
        before = now;
        if (i % WAIT_EVERY != 0)
            continue;
        int error = logfile_wait(log_under_test, now.next_lsn - 1, NULL);
        if (error != 0)
            blame(actor, "wait below next: %s", logfile_strerror(error));
        sleep_us(50);
    }
    return NULL;
}

static size_t choose_size(struct rng *rng)
{
    return rng_one_in(rng, 8) ? logfile_record_max(log_under_test) - rng_below(rng, 4000)
                              : rng_below(rng, 200);
}

static int add(struct rng *rng, const uint8_t *payload, size_t size, uint64_t *lsnp)
{
    struct timespec past = deadline_in_ms(-1);

    switch (rng_below(rng, 4)) {
    case 0:
        return logfile_submit(log_under_test, payload, size, NULL, lsnp);
    case 1:
        return logfile_append_until(log_under_test, payload, size, &past, lsnp);
    default:
        return logfile_append(log_under_test, payload, size, lsnp);
    }
}

static void *write_records(void *argument)
{
    static const uint8_t payload[SLOT_BYTES];
    struct actor *actor = argument;
    struct rng rng = {.state = actor->seed};

    for (unsigned i = 0; i < actor->count; i++) {
        uint64_t next_lsn = logfile_next_lsn(log_under_test);
        uint64_t lsn = UINT64_MAX;
        int error = add(&rng, payload, choose_size(&rng), &lsn);

        if (error != 0 && !is_late(error))
            blame(actor, "append: %s", logfile_strerror(error));
        if (lsn < next_lsn || (error == 0 && logfile_next_lsn(log_under_test) <= lsn))
            blame(actor, "a record at %" PRIu64 ", next was %" PRIu64, lsn, next_lsn);
        if (actor->seed == 1 && i % 50 == 49)
            logfile_trim(log_under_test, logfile_durable_lsn(log_under_test));
    }
    return NULL;
}

static void start(struct actor *actors, unsigned count, void *run(void *), unsigned record_count)
{
    for (unsigned i = 0; i < count; i++) {
        actors[i] = (struct actor){.seed = i + 1, .count = record_count};
        ck_assert_int_eq(pthread_create(&actors[i].thread, NULL, run, &actors[i]), 0);
    }
}

static void join(struct actor *actors, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        pthread_join(actors[i].thread, NULL);
        ck_assert_msg(actors[i].why[0] == '\0', "%s: %s", variant.name, actors[i].why);
    }
}

/* ---- Tests: each engine and flusher, in each layout ---- */

static void check_idle(void)
{
    struct timespec past = deadline_in_ms(-1);
    struct positions now = look();
    struct logfile_stats stats;

    ck_assert_uint_eq(now.next_lsn, now.durable_lsn);
    ck_assert_int_eq(logfile_wait(log_under_test, now.next_lsn - 1, NULL), 0);
    ck_assert_int_eq(logfile_wait(log_under_test, now.next_lsn - 1, &past), 0);
    ck_assert_int_eq(logfile_wait(log_under_test, now.next_lsn, NULL), -EINVAL);
    ck_assert_int_eq(logfile_wait(log_under_test, now.next_lsn, &past), -EINVAL);
    ck_assert_int_eq(logfile_wait(log_under_test, 0, &past), 0);
    ck_assert_int_eq(logfile_wait(log_under_test, now.oldest_lsn, &past), 0);
    ck_assert_int_eq(logfile_sync(log_under_test, &past), 0);
    ck_assert_int_eq(logfile_stats(log_under_test, &stats, sizeof stats), 0);
    ck_assert_uint_eq(stats.pending_bytes, 0);
    ck_assert_uint_eq(stats.durable_lsn, now.durable_lsn);
}

START_TEST(test_positions_are_ordered)
{
    struct actor writers[WRITERS], lookers[LOOKERS];

    begin(_i);
    check_idle();
    start(lookers, LOOKERS, look_on, 0);
    start(writers, WRITERS, write_records, (unsigned)scaled(50, 400, 20000));
    join(writers, WRITERS);
    ck_assert_int_eq(logfile_sync(log_under_test, NULL), 0);
    check_idle();
    ck_assert_int_eq(logfile_shutdown(log_under_test, NULL), 0);
    __atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
    join(lookers, LOOKERS);
    check_idle();
    end(0);
}
END_TEST

/* Each size that ends an epoch somewhere else, one at a time, and each place in a segment. */
START_TEST(test_an_idle_log_has_nothing_pending)
{
    static const uint8_t payload[SLOT_BYTES];
    size_t max;

    begin(_i);
    max = logfile_record_max(log_under_test);
    for (size_t i = 0; i < 60; i++) {
        size_t size = i % 3 == 0 ? max - i : i * 97;
        uint64_t lsn, next_lsn = logfile_next_lsn(log_under_test);
        ck_assert_int_eq(logfile_append(log_under_test, payload, size, &lsn), 0);
        ck_assert_uint_ge(lsn, next_lsn);
        check_idle();
    }
    end(0);
}
END_TEST

/* What was submitted and cannot become durable is pending, and what failed stays in doubt. */
START_TEST(test_a_failed_log_has_its_doubts)
{
    struct logfile_sim_fault fault = {.call = LOGFILE_SIM_WRITE, .error = -EIO, .for_ever = true};
    struct timespec past = deadline_in_ms(-1);
    struct logfile_stats stats;
    uint64_t lsn = UINT64_MAX;

    begin(_i);
    ck_assert_int_eq(logfile_append(log_under_test, "a", 1, NULL), 0);
    logfile_sim_fault(disk, &fault);
    ck_assert_int_eq(logfile_append(log_under_test, "bc", 2, &lsn), LOGFILE_EFAILED);
    struct positions now = look();
    ck_assert_int_eq(logfile_stats(log_under_test, &stats, sizeof stats), 0);
    ck_assert_uint_eq(stats.pending_bytes, now.next_lsn - now.durable_lsn);
    if (lsn != UINT64_MAX) { /* unless making a segment has failed the log before */
        ck_assert_uint_le(now.durable_lsn, lsn);
        ck_assert_uint_gt(now.next_lsn, lsn);
        ck_assert_int_eq(logfile_wait(log_under_test, now.next_lsn - 1, &past), LOGFILE_EFAILED);
    }
    ck_assert_int_eq(logfile_wait(log_under_test, now.durable_lsn - 1, &past), 0);
    ck_assert_int_eq(logfile_shutdown(log_under_test, NULL), LOGFILE_EFAILED);
    struct positions later = look();
    ck_assert_mem_eq(&now, &later, sizeof now);
    end(LOGFILE_EFAILED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("positions");
    TCase *tcase = tcase_create("positions");
    int count = (int)engine_variant_count() * LAYOUTS;

    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, test_positions_are_ordered, 0, count);
    tcase_add_loop_test(tcase, test_an_idle_log_has_nothing_pending, 0, count);
    tcase_add_loop_test(tcase, test_a_failed_log_has_its_doubts, 0, count);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
