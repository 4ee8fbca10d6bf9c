/* SPDX-License-Identifier: MIT */
/*
 * An engine and a reservation policy of the caller's own, by struct logfile_lab: they are used, asked for
 * their state once a log, and refused by name when they are not whole or stand beside another choice.
 */
#include "lab/reserve.h"
#include "ring/engine.h"
#include "support.h"

#include <errno.h>
#include <string.h>

#define RECORDS 20

static struct logfile_lab lab;
static struct logfile_open_report report;

static int open_log(struct logfile **log)
{
    struct logfile_options options = {
        .slot_bytes = 8 << 10, .prepare_bytes = 64 << 10, .lab = &lab};

    return logfile_open(folder_path("own.log"), &options, &report, log);
}

static void begin(const char *what)
{
    enter_folder();
    watchdog_start(60, what);
    lab = (struct logfile_lab){0};
}

static void end(void)
{
    leave_folder();
    watchdog_stop();
}

static void append_all(struct logfile *log)
{
    for (unsigned i = 0; i < RECORDS; i++)
        ck_assert_int_eq(logfile_append(log, "0123456789", i % 11, NULL), 0);
}

/* What a reader finds. */
static unsigned count_records(void)
{
    struct logfile_reader *reader;
    struct logfile_record record;
    unsigned count = 0;

    ck_assert_int_eq(logfile_reader_open(folder_path("own.log"), NULL, &reader), 0);
    while (logfile_reader_next(reader, &record) == 1)
        count++;
    logfile_reader_close(reader);
    return count;
}

/* ---- An engine: the serial one, with its appends counted ---- */

static unsigned appends;

static int append(struct logfile *log, const struct lf_payload *payload,
                  const struct timespec *deadline, bool wait, uint64_t *lsnp)
{
    appends++;
    return lf_serial_engine.append(log, payload, deadline, wait, lsnp);
}

static struct lf_engine counted_engine(void)
{
    struct lf_engine engine = lf_serial_engine;

    engine.name = "counted";
    engine.append = append;
    return engine;
}

START_TEST(test_an_engine_is_used)
{
    struct lf_engine engine = counted_engine();
    struct logfile_lab_stats stats;
    struct logfile *log;

    begin("engine");
    appends = 0;
    lab.own_engine = &engine;
    lab.reserve = LOGFILE_RESERVE_MUTEX; /* the ring's, as ever */
    ck_assert_int_eq(open_log(&log), 0);
    append_all(log);
    ck_assert_uint_eq(appends, RECORDS);
    ck_assert_int_eq(logfile_lab_stats(log, &stats, sizeof stats), 0);
    ck_assert_uint_eq(stats.engine, LOGFILE_ENGINE_OWN);
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert_uint_eq(count_records(), RECORDS);
    end();
}
END_TEST

static int start_in_vain(struct logfile *log)
{
    (void)log;
    return -EPROTO;
}

START_TEST(test_an_engine_that_does_not_start_is_named)
{
    struct lf_engine engine = counted_engine();
    struct logfile *log;

    begin("engine that does not start");
    engine.start = start_in_vain;
    lab.own_engine = &engine;
    ck_assert_int_eq(open_log(&log), -EPROTO);
    ck_assert_msg(strstr(report.message, "starting the engine counted: ") != NULL, "%s",
                  report.message);
    ck_assert_int_eq(folder_entry_count(), 0);
    end();
}
END_TEST

/* ---- A policy: the ring's own, with a state ---- */

struct state {
    uint64_t zeros[3];
    unsigned reservations;
};
static unsigned inits, destroys, reservations;
static int init_error;

static int init(void *state)
{
    static const struct state zeroed;

    inits++;
    ck_assert_uint_eq((uintptr_t)state % LF_CACHE_PAIR, 0);
    ck_assert_mem_eq(state, &zeroed, sizeof zeroed);
    return init_error;
}

static void destroy(void *state)
{
    destroys++;
    reservations = ((struct state *)state)->reservations;
}

static bool reserve(struct lf_ring *ring, uint64_t need, struct lf_reservation *reservation)
{
    ((struct state *)ring->policy_state)->reservations++;
    return lf_ring_reserve(ring, need, reservation);
}

static const struct lf_reserve_policy counted_policy = {
    .name = "counted",
    .reserve = reserve,
    .reserve_known = lf_ring_reserve_known,
    .swap = lf_ring_swap_head,
    .state_bytes = sizeof(struct state),
    .init = init,
    .destroy = destroy,
};

/* _i: of every append the stages are timed, too. */
START_TEST(test_a_policy_is_used)
{
    struct logfile_lab_stats stats;
    struct logfile *log;

    begin("policy");
    inits = destroys = reservations = 0;
    lab.own_reserve = &counted_policy;
    lab.stage_sample_every = (uint32_t)_i;
    ck_assert_int_eq(open_log(&log), 0);
    append_all(log);
    ck_assert_int_eq(logfile_lab_stats(log, &stats, sizeof stats), 0);
    ck_assert_uint_eq(stats.engine, LOGFILE_ENGINE_RING);
    ck_assert_uint_eq(stats.stage_ns[0].count, _i * RECORDS);
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert_uint_eq(inits, 1);
    ck_assert_uint_eq(destroys, 1);
    ck_assert_uint_ge(reservations, RECORDS);
    ck_assert_uint_eq(count_records(), RECORDS);
    end();
}
END_TEST

START_TEST(test_a_policy_whose_state_cannot_be_made)
{
    struct logfile *log;

    begin("policy without state");
    inits = destroys = 0;
    init_error = -EPROTO;
    lab.own_reserve = &counted_policy;
    ck_assert_int_eq(open_log(&log), -EPROTO);
    init_error = 0;
    ck_assert_uint_eq(inits, 1);
    ck_assert_uint_eq(destroys, 0);
    ck_assert_int_eq(folder_entry_count(), 0);
    end();
}
END_TEST

/* ---- What is refused ---- */

static void check_refused(const char *option)
{
    char expected[64];
    struct logfile *log;

    snprintf(expected, sizeof expected, "option lab.%s:", option);
    ck_assert_int_eq(open_log(&log), -EINVAL);
    ck_assert_msg(strncmp(report.message, expected, strlen(expected)) == 0, "%s instead of %s",
                  report.message, expected);
    ck_assert_int_eq(folder_entry_count(), 0);
}

START_TEST(test_one_choice_at_a_time)
{
    struct lf_engine engine = counted_engine();

    begin("one choice at a time");
    lab = (struct logfile_lab){.own_engine = &engine, .engine = LOGFILE_ENGINE_MUTEX};
    check_refused("own_engine");
    lab = (struct logfile_lab){.own_reserve = &counted_policy, .reserve = LOGFILE_RESERVE_CAS};
    check_refused("own_reserve");
    lab = (struct logfile_lab){.own_reserve = &counted_policy, .engine = LOGFILE_ENGINE_MUTEX};
    check_refused("own_reserve");
    lab = (struct logfile_lab){.own_reserve = &counted_policy, .own_engine = &engine};
    check_refused("own_reserve");
    end();
}
END_TEST

/* Members without which no engine, or no policy, is whole. */
static const size_t engine_members[] = {
    offsetof(struct lf_engine, name),    offsetof(struct lf_engine, start),
    offsetof(struct lf_engine, stop),    offsetof(struct lf_engine, append),
    offsetof(struct lf_engine, wait),    offsetof(struct lf_engine, submit_batch),
    offsetof(struct lf_engine, flush),   offsetof(struct lf_engine, shutdown),
    offsetof(struct lf_engine, end_lsn), offsetof(struct lf_engine, published_lsn),
    offsetof(struct lf_engine, failed),  offsetof(struct lf_engine, room),
};
static const size_t policy_members[] = {
    offsetof(struct lf_reserve_policy, name),
    offsetof(struct lf_reserve_policy, reserve),
    offsetof(struct lf_reserve_policy, reserve_known),
    offsetof(struct lf_reserve_policy, swap),
};

START_TEST(test_a_table_that_is_not_whole)
{
    begin("not whole");
    for (size_t i = 0; i < sizeof engine_members / sizeof *engine_members; i++) {
        struct lf_engine engine = counted_engine();
        memset((char *)&engine + engine_members[i], 0, sizeof(void *));
        lab = (struct logfile_lab){.own_engine = &engine};
        check_refused("own_engine");
    }
    for (int i = 0; i < 2; i++) { /* one of two that belong together */
        struct lf_engine engine = lf_ring_engine;
        if (i == 0)
            engine.reserve = NULL;
        else
            engine.end_reservation = NULL;
        lab = (struct logfile_lab){.own_engine = &engine};
        check_refused("own_engine");
    }
    for (size_t i = 0; i < sizeof policy_members / sizeof *policy_members; i++) {
        struct lf_reserve_policy policy = counted_policy;
        memset((char *)&policy + policy_members[i], 0, sizeof(void *));
        lab = (struct logfile_lab){.own_reserve = &policy};
        check_refused("own_reserve");
    }
    end();
}
END_TEST

static Suite *own_suite(void)
{
    Suite *suite = suite_create("own");
    TCase *tcase = tcase_create("own");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, test_an_engine_is_used);
    tcase_add_test(tcase, test_an_engine_that_does_not_start_is_named);
    tcase_add_loop_test(tcase, test_a_policy_is_used, 0, 2);
    tcase_add_test(tcase, test_a_policy_whose_state_cannot_be_made);
    tcase_add_test(tcase, test_one_choice_at_a_time);
    tcase_add_test(tcase, test_a_table_that_is_not_whole);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(own_suite());
}
