/* SPDX-License-Identifier: MIT */
/* The device with a delay: it takes that long and no less, takes no processor, and tells what it took. */
#include "../../bench/device.h"

#include "../../bench/clock.h"

#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#define US UINT64_C(1000)

static struct bench_device *device;
static const struct logfile_io *io;

static void begin(uint64_t delay_ns)
{
    device = bench_device_create(delay_ns);
    ck_assert_ptr_nonnull(device);
    io = bench_device_io(device);
}

static void end(void)
{
    bench_device_destroy(device);
}

static void sync_once(void)
{
    ck_assert_int_eq(io->sync(io->context, 0), 0);
}

START_TEST(no_sync_is_shorter_than_asked)
{
    static const struct {
        uint64_t us;
        unsigned syncs;
    } cases[] = {{1, 1000}, {5, 1000}, {20, 300}, {50, 200}, {200, 100}, {2000, 30}};
    const uint64_t delay_ns = cases[_i].us * US;
    const double delay_us = (double)cases[_i].us;

    begin(delay_ns);
    uint64_t sum_ns = 0;
    for (unsigned i = 0; i < cases[_i].syncs; i++) {
        uint64_t begin_ns = bench_now_ns();
        sync_once();
        uint64_t took_ns = bench_now_ns() - begin_ns;
        ck_assert_uint_ge(took_ns, delay_ns);
        sum_ns += took_ns;
    }
    struct bench_reached reached = bench_device_reached(device);
    ck_assert_uint_eq(reached.syncs, cases[_i].syncs);
    ck_assert_double_ge(reached.mean_us, delay_us);
    ck_assert_double_le(reached.mean_us * (double)cases[_i].syncs, (double)sum_ns / 1000);
    ck_assert_double_ge(reached.p50_us, delay_us);
    ck_assert(isnan(reached.p99_us) == (cases[_i].syncs < 1000));
    ck_assert(isnan(reached.p99_us) || reached.p99_us >= reached.p50_us);
    end();
}
END_TEST

static uint64_t processor_ns(void)
{
    struct timespec used;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * BENCH_NS_PER_S + (uint64_t)used.tv_nsec;
}

START_TEST(a_sync_leaves_the_processor_to_others)
{
    enum {
        SYNCS = 100
    };
    begin(2000 * US);
    uint64_t before_ns = processor_ns();
    for (unsigned i = 0; i < SYNCS; i++)
        sync_once();
    ck_assert_uint_lt(processor_ns() - before_ns, SYNCS * 2000 * US / 4);
    end();
}
END_TEST

enum {
    THREADS = 4,
    SYNCS_EACH = 500
};

static void *sync_often(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < SYNCS_EACH; i++)
        sync_once();
    return NULL;
}

START_TEST(syncs_side_by_side_are_all_counted)
{
    pthread_t threads[THREADS];

    begin(20 * US);
    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, sync_often, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    struct bench_reached reached = bench_device_reached(device);
    ck_assert_uint_eq(reached.syncs, THREADS * SYNCS_EACH);
    ck_assert_double_ge(reached.p50_us, 20);
    ck_assert_double_ge(reached.p99_us, reached.p50_us);
    end();
}
END_TEST

START_TEST(a_durable_write_is_a_sync_and_another_is_none)
{
    char block[512] = {0};

    begin(5 * US);
    int fd = io->open(io->context, LOGFILE_IO_HERE, "log",
                      LOGFILE_IO_OPEN_WRITE | LOGFILE_IO_OPEN_CREATE, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(io->write(io->context, fd, block, sizeof block, 0, 0), sizeof block);
    ck_assert_uint_eq(bench_device_reached(device).syncs, 0);
    ck_assert(isnan(bench_device_reached(device).mean_us));
    ck_assert_int_eq(io->write(io->context, fd, block, sizeof block, 0, LOGFILE_IO_WRITE_DSYNC),
                     sizeof block);
    ck_assert_uint_eq(bench_device_reached(device).syncs, 1);
    ck_assert_double_ge(bench_device_reached(device).mean_us, 5);
    ck_assert(isnan(bench_device_reached(device).p50_us));
    io->close(io->context, fd);
    end();
}
END_TEST

START_TEST(the_null_device_counts_none)
{
    begin(0);
    sync_once();
    ck_assert_uint_eq(bench_device_reached(device).syncs, 0);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bench_device");
    TCase *tests = tcase_create("device");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, no_sync_is_shorter_than_asked, 0, 6);
    tcase_add_test(tests, a_sync_leaves_the_processor_to_others);
    tcase_add_test(tests, syncs_side_by_side_are_all_counted);
    tcase_add_test(tests, a_durable_write_is_a_sync_and_another_is_none);
    tcase_add_test(tests, the_null_device_counts_none);
    suite_add_tcase(suite, tests);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
