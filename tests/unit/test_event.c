/* SPDX-License-Identifier: MIT */
/*
 * The event descriptor, on a simulated disk: what makes it readable, that nothing is lost between two
 * takes, and how many writes it costs.
 */
#include "logfile_sim.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define LOG_PATH "event.log"

enum {
    SECONDS = 600, /* of patience for what must happen */
    SLOT_BYTES = 8 << 10
};

static struct logfile_sim *disk;
static struct logfile *event_log;
static struct variant variant;
static int fd;

static void begin(int index, uint64_t submit_delay_ns)
{
    engine_variant_get((unsigned)index, &variant);
    watchdog_start(60, variant.name);
    disk = logfile_sim_new(NULL);
    variant.options.slot_bytes = SLOT_BYTES;
    variant.options.prepare = LOGFILE_PREPARE_NONE;
    variant.options.submit_delay_ns = submit_delay_ns;
    variant.options.io = logfile_sim_io(disk);
    ck_assert_int_eq(logfile_open(LOG_PATH, &variant.options, NULL, &event_log), 0);
    fd = logfile_event_fd(event_log);
    ck_assert_int_ge(fd, 0);
}

static void end(int close_result)
{
    ck_assert_int_eq(logfile_close(event_log), close_result);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1); /* It was the log's. */
    logfile_sim_free(disk);
    watchdog_stop();
}

static bool is_readable(int timeout_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, timeout_ms) == 1;
}

static struct logfile_event_state take(void)
{
    struct logfile_event_state state;

    ck_assert_int_eq(logfile_event_take(event_log, &state, sizeof state), 0);
    return state;
}

/* As an event loop does: until `lsn` is durable. */
static void await(uint64_t lsn)
{
    while (take().durable_lsn <= lsn)
        ck_assert_msg(is_readable(SECONDS * 1000), "%s: LSN %lu is lost", variant.name, lsn);
}

/* Engines with a thread that flushes what is only submitted: the first two variants. */
enum {
    FLUSHED_BY_A_THREAD = 2
};

START_TEST(test_durable_makes_it_readable)
{
    uint64_t lsn;

    begin(_i, 0);
    ck_assert_int_eq(logfile_event_fd(event_log), fd);
    ck_assert(is_readable(0)); /* The first take tells where the log is. */
    struct logfile_event_state state = take();
    ck_assert_uint_eq(state.durable_lsn, logfile_durable_lsn(event_log));
    ck_assert_uint_eq(state.failed, 0);
    ck_assert_uint_eq(state.has_room, 1);
    ck_assert(!is_readable(0));
    for (unsigned i = 0; i < 100; i++) {
        ck_assert_int_eq(logfile_submit(event_log, "record", 6, NULL, &lsn), 0);
        ck_assert(is_readable(SECONDS * 1000));
        await(lsn);
    }
    ck_assert_int_eq(logfile_shutdown(event_log, NULL), 0);
    ck_assert(is_readable(0));
    ck_assert_uint_eq(take().durable_lsn, logfile_durable_lsn(event_log));
    end(0);
}
END_TEST

/* The counter of the descriptor says how often it was written to. */
START_TEST(test_one_write_until_it_is_taken)
{
    uint64_t count = 0;

    begin(_i, 0);
    take();
    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(logfile_append(event_log, "record", 6, NULL), 0);
    ck_assert(is_readable(0));
    ck_assert_int_eq(read(fd, &count, sizeof count), sizeof count);
    ck_assert_uint_eq(count, 1);
    end(0);
}
END_TEST

/* What an engine's callers flush is told too. */
START_TEST(test_every_engine_tells)
{
    uint64_t lsn;

    begin(_i, 0);
    take();
    ck_assert_int_eq(logfile_append(event_log, "record", 6, &lsn), 0);
    ck_assert(is_readable(0));
    ck_assert_uint_gt(take().durable_lsn, lsn);
    ck_assert(!is_readable(0));
    end(0);
}
END_TEST

START_TEST(test_room_after_a_refusal)
{
    const struct timespec past = deadline_in_ms(-1);
    static const uint8_t payload[SLOT_BYTES / 2 - 200];
    uint64_t lsn, last_lsn = 0;
    unsigned count = 0;
    int error;

    begin(_i, 0);
    logfile_sim_gate_close(disk, LOGFILE_SIM_SYNC);
    take();
    while ((error = logfile_submit(event_log, payload, sizeof payload, &past, &lsn)) == 0) {
        last_lsn = lsn;
        ck_assert_uint_lt(count++, 64);
    }
    ck_assert_int_eq(error, -EAGAIN);
    ck_assert_uint_eq(lsn, last_lsn); /* It was left alone. */
    ck_assert(logfile_sim_gate_is_reached(disk, SECONDS * 1000));
    /* The flip that the first records caused may have come after the first refusal. */
    while (take().has_room)
        ck_assert(logfile_submit(event_log, payload, sizeof payload, &past, &last_lsn) != -EINVAL);
    ck_assert(!is_readable(0));
    ck_assert_int_eq(logfile_submit_batch(event_log,
                                          &(struct iovec){(void *)payload, sizeof payload}, 1,
                                          &past, &lsn),
                     -EAGAIN);
    struct logfile_reservation reservation;
    ck_assert_int_eq(logfile_reserve(event_log, sizeof payload, &past, &reservation), -EAGAIN);
    uint64_t durable_lsn = logfile_durable_lsn(event_log);

    logfile_sim_gate_open(disk);
    while (!take().has_room)
        ck_assert(is_readable(SECONDS * 1000));
    while ((error = logfile_submit(event_log, payload, sizeof payload, &past, &lsn)) == -EAGAIN) {
        ck_assert(is_readable(SECONDS * 1000));
        take();
    }
    ck_assert_int_eq(error, 0);
    await(lsn);
    ck_assert_uint_gt(logfile_durable_lsn(event_log), durable_lsn);
    end(0);
}
END_TEST

START_TEST(test_a_full_disk_has_room_again)
{
    struct logfile_sim_options small = {.capacity_bytes = 64 << 10};
    uint64_t lsn;
    int error;

    engine_variant_get((unsigned)_i, &variant);
    watchdog_start(60, variant.name);
    disk = logfile_sim_new(&small);
    variant.options.slot_bytes = SLOT_BYTES;
    variant.options.prepare = LOGFILE_PREPARE_ALLOCATE;
    variant.options.io = logfile_sim_io(disk);
    ck_assert_int_eq(logfile_open(LOG_PATH, &variant.options, NULL, &event_log), 0);
    fd = logfile_event_fd(event_log);
    do
        error = logfile_append(event_log, "record", 6, &lsn);
    while (error == 0);
    ck_assert_int_eq(error, -ENOSPC);
    ck_assert_uint_eq(take().has_room, 0);
    logfile_sim_set_capacity(disk, 1 << 20);
    /* A try is made when an append asks for one. */
    while ((error = logfile_append(event_log, "record", 6, &lsn)) == -ENOSPC)
        is_readable(10);
    ck_assert_int_eq(error, 0);
    while (!take().has_room)
        ck_assert(is_readable(SECONDS * 1000));
    end(0);
}
END_TEST

START_TEST(test_a_failure_stays_readable)
{
    begin(_i, 0);
    take();
    const struct logfile_sim_fault fault = {.call = LOGFILE_SIM_SYNC, .error = -EIO};
    ck_assert_int_eq(logfile_sim_fault(disk, &fault), 0);
    ck_assert_int_eq(logfile_append(event_log, "record", 6, NULL), LOGFILE_EFAILED);
    /* The thread that failed the log may tell the append before the loop. */
    ck_assert(is_readable(SECONDS * 1000));
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(is_readable(0));
        ck_assert_uint_eq(take().failed, 1);
    }
    end(LOGFILE_EFAILED);
}
END_TEST

/* A record that no thread waits for may lie for ten seconds; one whose event is awaited does not. */
START_TEST(test_armed_it_ends_a_pause)
{
    uint64_t lsn;

    begin(_i, UINT64_C(10) * 1000 * 1000 * 1000);
    ck_assert_int_eq(logfile_append(event_log, "first", 5, NULL),
                     0); /* The next flush is put off. */
    uint64_t begin_ns = now_ns();
    ck_assert_int_eq(logfile_submit(event_log, "second", 6, NULL, &lsn), 0);
    sleep_us(20000);
    if (now_ns() - begin_ns < UINT64_C(5000000000))
        ck_assert_uint_le(logfile_durable_lsn(event_log), lsn);
    begin_ns = now_ns();
    await(lsn);
    for (unsigned i = 0; i < 20; i++) {
        ck_assert_int_eq(logfile_submit(event_log, "more", 4, NULL, &lsn), 0);
        await(lsn);
    }
    /* Twenty pauses would have taken more than three minutes. */
    ck_assert_uint_lt(now_ns() - begin_ns, UINT64_C(100000000000));
    end(0);
}
END_TEST

START_TEST(test_wrong_arguments)
{
    struct logfile_event_state state = {.durable_lsn = 77};
    struct logfile_open_report report;
    struct logfile *other;

    begin(0, 0);
    ck_assert_int_eq(logfile_event_fd(NULL), -EINVAL);
    ck_assert_int_eq(logfile_event_take(NULL, &state, sizeof state), -EINVAL);
    ck_assert_int_eq(logfile_event_take(event_log, NULL, sizeof state), -EINVAL);
    ck_assert_int_eq(logfile_open("other.log", &variant.options, NULL, &other), 0);
    ck_assert_int_eq(logfile_event_take(other, &state, sizeof state), -EINVAL); /* no descriptor */
    ck_assert_uint_eq(state.durable_lsn, 77);
    ck_assert_int_eq(logfile_close(other), 0);
    variant.options.submit_delay_ns = UINT64_C(10000000001);
    ck_assert_int_eq(logfile_open("third.log", &variant.options, &report, &other), -EINVAL);
    ck_assert_str_eq(report.message, "option submit_delay_ns: value out of range");
    /* A caller that knows only the first member gets that. */
    memset(&state, 0xab, sizeof state);
    ck_assert_int_eq(logfile_event_take(event_log, &state, sizeof state.durable_lsn), 0);
    ck_assert_uint_eq(state.durable_lsn, logfile_durable_lsn(event_log));
    ck_assert_uint_eq(state.failed, 0xabababab);
    end(0);
}
END_TEST

/* ---- Many submitters, one loop ---- */

enum {
    SUBMITTERS = 4
};

struct submitter {
    unsigned count;
    uint64_t last_lsn; /* written with a release: 0: not done yet */
};

static void *submit_all(void *arg)
{
    struct submitter *submitter = arg;
    static const uint8_t payload[1000];
    uint64_t lsn = 0;

    for (unsigned i = 0; i < submitter->count; i++)
        if (logfile_submit(event_log, payload, i % sizeof payload, NULL, &lsn) != 0)
            return submitter;
    __atomic_store_n(&submitter->last_lsn, lsn, __ATOMIC_RELEASE);
    return NULL;
}

START_TEST(test_a_loop_misses_nothing)
{
    struct submitter submitters[SUBMITTERS];
    pthread_t threads[SUBMITTERS];

    begin(_i, 0);
    for (unsigned i = 0; i < SUBMITTERS; i++) {
        submitters[i] = (struct submitter){.count = (unsigned)scaled(200, 3000, 100000)};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, submit_all, &submitters[i]), 0);
    }
    for (unsigned i = 0; i < SUBMITTERS; i++) {
        /* The loop sleeps on the descriptor alone, with each record of this thread on its way. */
        uint64_t lsn;
        while ((lsn = __atomic_load_n(&submitters[i].last_lsn, __ATOMIC_ACQUIRE)) == 0) {
            is_readable(100);
            take();
        }
        await(lsn);
        void *failed;
        pthread_join(threads[i], &failed);
        ck_assert_ptr_null(failed);
    }
    end(0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("event");
    TCase *tcase = tcase_create("event");

    tcase_add_loop_test(tcase, test_durable_makes_it_readable, 0, FLUSHED_BY_A_THREAD);
    tcase_add_loop_test(tcase, test_one_write_until_it_is_taken, 0, (int)engine_variant_count());
    tcase_add_loop_test(tcase, test_every_engine_tells, 0, (int)engine_variant_count());
    tcase_add_loop_test(tcase, test_room_after_a_refusal, 0, FLUSHED_BY_A_THREAD);
    tcase_add_loop_test(tcase, test_a_full_disk_has_room_again, 0, FLUSHED_BY_A_THREAD);
    tcase_add_loop_test(tcase, test_a_failure_stays_readable, 0, (int)engine_variant_count());
    tcase_add_loop_test(tcase, test_armed_it_ends_a_pause, 0, FLUSHED_BY_A_THREAD);
    tcase_add_test(tcase, test_wrong_arguments);
    tcase_add_loop_test(tcase, test_a_loop_misses_nothing, 0, FLUSHED_BY_A_THREAD);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
