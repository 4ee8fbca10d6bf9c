/* SPDX-License-Identifier: MIT */
/*
 * A log that fails in its preparer thread, just after a flush has ended well and its successor has
 * been chosen: every writer is told, whoever was chosen.
 */
#include "io_stack.h"
#include "support.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#define WRITERS 8
#define SYNC_US 100
#define PATIENCE_MS 600000u
#define RECORD_BYTES 600

static struct io_layer layer;
static struct logfile *shared_log;
static _Thread_local bool is_preparer;
static uint32_t armed; /* the preparer's next write fails, right after a sync */
static uint32_t fired;
static uint64_t sync_count;
static uint32_t told; /* writers that have returned */
static unsigned after_sync_us;

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void note_thread(void *arg, enum logfile_thread role)
{
    (void)arg;
    is_preparer = role == LOGFILE_THREAD_PREPARER;
}

static void await_sync(void)
{
    uint64_t seen = __atomic_load_n(&sync_count, __ATOMIC_ACQUIRE);
    uint64_t begin_us = now_us();

    while (__atomic_load_n(&sync_count, __ATOMIC_ACQUIRE) == seen && now_us() - begin_us < 500000)
        sched_yield();
    begin_us = now_us();
    while (now_us() - begin_us < after_sync_us)
        continue;
}

static bool write_or_fail(void *arg, struct io_call *call)
{
    (void)arg;
    call->result = -EIO;
    if (call->call != LOGFILE_SIM_WRITE || !is_preparer ||
        !__atomic_load_n(&armed, __ATOMIC_ACQUIRE))
        return false;
    await_sync();
    __atomic_store_n(&fired, 1, __ATOMIC_RELEASE);
    return true;
}

static void count_sync(void *arg, struct io_call *call)
{
    (void)arg;
    if (call->call == LOGFILE_SIM_SYNC && !is_preparer) {
        sleep_us(SYNC_US);
        __atomic_fetch_add(&sync_count, 1, __ATOMIC_RELEASE);
    }
}

static void *append_until_told(void *arg)
{
    static const char record[RECORD_BYTES];
    int error = 0;

    while (error == 0)
        error = logfile_append(shared_log, record, sizeof record, NULL);
    __atomic_fetch_add(&told, 1, __ATOMIC_RELEASE);
    return arg;
}

static bool becomes(const uint32_t *word, uint32_t value)
{
    uint64_t begin_us = now_us();

    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value) {
        if (now_us() - begin_us > PATIENCE_MS * 1000)
            return false;
        sleep_us(200);
    }
    return true;
}

static void open_shared(const struct variant *variant, const char *path)
{
    struct logfile_options options = variant->options;

    io_layer_init(&layer, logfile_io_posix());
    layer.before = write_or_fail;
    layer.after = count_sync;
    io_layer_skip(&layer, LOGFILE_SIM_SYNC);
    options.io = &layer.io;
    options.io_mode = LOGFILE_IO_BUFFERED;
    options.thread_start = note_thread;
    armed = fired = told = 0;
    ck_assert_int_eq(logfile_open(path, &options, NULL, &shared_log), 0);
}

START_TEST(every_writer_is_told)
{
    struct variant variant;
    pthread_t writers[WRITERS];
    struct rng rng = {(uint64_t)_i + 1};

    engine_variant_get((unsigned)_i, &variant);
    watchdog_start(240, variant.name);
    enter_folder();
    for (uint64_t round = 0; round < scaled(4, 15, 1000); round++) {
        const char *path = folder_path("failing.log");
        open_shared(&variant, path);
        after_sync_us = (unsigned)rng_below(&rng, 40);
        for (int i = 0; i < WRITERS; i++)
            ck_assert_int_eq(pthread_create(&writers[i], NULL, append_until_told, NULL), 0);
        sleep_us(2000 + rng_below(&rng, 3000));
        __atomic_store_n(&armed, 1, __ATOMIC_RELEASE);
        ck_assert_msg(becomes(&fired, 1), "%s: the preparer wrote nothing", variant.name);
        ck_assert_msg(becomes(&told, WRITERS), "%s: %u of %d writers returned", variant.name, told,
                      WRITERS);
        for (int i = 0; i < WRITERS; i++)
            pthread_join(writers[i], NULL);
        ck_assert_int_eq(logfile_close(shared_log), LOGFILE_EFAILED);
        ck_assert_int_eq(unlink(path), 0);
    }
    leave_folder();
    watchdog_stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("background failure");
    TCase *tcase = tcase_create("background failure");

    tcase_set_timeout(tcase, (double)scaled(300, 300, 36000));
    tcase_add_loop_test(tcase, every_writer_is_told, 0, (int)engine_variant_count());
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
