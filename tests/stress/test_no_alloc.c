/* SPDX-License-Identifier: MIT */
/*
 * Nothing is allocated after logfile_open.  This program has malloc and its kin, mmap and brk of
 * its own, which count while they are watched; a million appends go by every way of waiting.
 */
#include "logfile_sim.h"
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if HAS_SANITIZER

int main(void)
{
    puts("a sanitizer has its own malloc");
    return 77;
}

#else

/* glibc's own functions behind the ones that are replaced here. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

static uint32_t watching;
static uint64_t allocation_count;
static const char *last_allocation = "none";

static void count_allocation(const char *name)
{
    if (!__atomic_load_n(&watching, __ATOMIC_RELAXED))
        return;
    __atomic_fetch_add(&allocation_count, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&last_allocation, name, __ATOMIC_RELAXED);
}

void *malloc(size_t bytes)
{
    count_allocation("malloc");
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    count_allocation("calloc");
    return __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    count_allocation("realloc");
    return __libc_realloc(memory, bytes);
}

void *memalign(size_t alignment, size_t bytes);
void *memalign(size_t alignment, size_t bytes)
{
    count_allocation("memalign");
    return __libc_memalign(alignment, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    count_allocation("aligned_alloc");
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    count_allocation("posix_memalign");
    *memory = __libc_memalign(alignment, bytes);
    return *memory == NULL ? ENOMEM : 0;
}

void *mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    count_allocation("mmap");
    return (void *)syscall(SYS_mmap, address, bytes, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t bytes, int protection, int flags, int fd, off64_t offset)
{
    count_allocation("mmap64");
    return (void *)syscall(SYS_mmap, address, bytes, protection, flags, fd, offset);
}

int brk(void *end)
{
    (void)end;
    count_allocation("brk");
    errno = ENOMEM;
    return -1;
}

void *sbrk(intptr_t bytes)
{
    (void)bytes;
    count_allocation("sbrk");
    errno = ENOMEM;
    return (void *)-1;
}

/* Where the heap ends, whoever moved it. */
static uint64_t program_break(void)
{
    return (uint64_t)syscall(SYS_brk, 0);
}

/* ---- The work ---- */

#define LOG_PATH "no_alloc.log"

enum {
    WORKERS = 4,
    SLOT_BYTES = 8 << 10
};

static struct logfile *watched_log;
static pthread_barrier_t start_line, finish_line;

struct worker {
    pthread_t thread;
    unsigned appends;
    struct rng rng;
    unsigned pending_count; /* appends that ended pending */
    int error;
};

/* Appends one record in one of the ways; the record of a deadline that passed is waited for. */
static int append_one(struct worker *worker, unsigned turn)
{
    static const uint8_t payload[SLOT_BYTES];
    struct iovec iov[2] = {{(void *)(uintptr_t)payload, 10}, {(void *)(uintptr_t)payload, 20}};
    struct timespec deadline;
    uint64_t lsn = UINT64_MAX;
    size_t size = turn % 16 == 0 ? SLOT_BYTES - 88 : rng_below(&worker->rng, 120);
    int error;

    switch (turn % 8) {
    case 0:
        return logfile_append(watched_log, payload, size, &lsn);
    case 1:
        return logfile_appendv(watched_log, iov, 2, NULL, &lsn);
    case 2:
        deadline = deadline_in_ms((int64_t)(turn / 8 % 3) - 1);
        error = logfile_append_until(watched_log, payload, size, &deadline, &lsn);
        if (!is_late(error))
            return error;
        worker->pending_count++;
        return lsn == UINT64_MAX ? 0 : logfile_wait(watched_log, lsn, NULL);
    case 3:
        error = logfile_submit(watched_log, payload, size, NULL, &lsn);
        return error != 0 ? error : logfile_wait(watched_log, lsn, NULL);
    case 4:
        error = logfile_submit(watched_log, payload, size, NULL, &lsn);
        return error != 0 ? error : logfile_sync(watched_log, NULL);
    default:
        return logfile_submit(watched_log, payload, size, NULL, &lsn);
    }
}

static void *work(void *argument)
{
    struct worker *worker = argument;

    /* Thread-local state of the C library comes into being before the line. */
    for (unsigned i = 0; i < 64 && worker->error == 0; i++)
        worker->error = append_one(worker, i);
    pthread_barrier_wait(&start_line);
    for (unsigned i = 0; i < worker->appends && worker->error == 0; i++)
        worker->error = append_one(worker, i);
    pthread_barrier_wait(&finish_line);
    return NULL;
}

static uint64_t event_count;

static void count_event(void *arg, const struct logfile_event *event)
{
    (void)arg;
    __atomic_fetch_add(&event_count, event->count, __ATOMIC_RELAXED);
}

/* Opens a log on a disk that forgets all but the log's first blocks. */
static struct logfile_sim *open_watched_log(const struct variant *variant, uint64_t sync_us)
{
    struct logfile_sim_options disk_options = {.discard_from = 32 << 10};
    struct logfile_sim *disk = logfile_sim_new(&disk_options);
    struct logfile_options options = variant->options;

    logfile_sim_delay(disk, LOGFILE_SIM_SYNC, sync_us);
    options.slot_bytes = SLOT_BYTES;
    options.prepare_bytes = 256 << 10;
    options.io = logfile_sim_io(disk);
    options.event = count_event;
    options.slow_ns = 1000000; /* Many a call is told of as slow. */
    ck_assert_int_eq(logfile_open(LOG_PATH, &options, NULL, &watched_log), 0);
    return disk;
}

/* All went well, and by the ways that were to be tried. */
static void check_work(const struct variant *variant, const struct worker *workers,
                       bool deadlines_pass)
{
    struct logfile_stats stats;
    unsigned pending_count = 0;

    for (unsigned i = 0; i < WORKERS; i++) {
        ck_assert_msg(workers[i].error == 0, "%s: %s", variant->name,
                      logfile_strerror(workers[i].error));
        pending_count += workers[i].pending_count;
    }
    if (variant->lab->engine != LOGFILE_ENGINE_RING)
        return;
    ck_assert_int_eq(logfile_stats(watched_log, &stats, sizeof stats), 0);
    ck_assert_uint_gt(stats.overshoots, 0);
    ck_assert_uint_gt(stats.waits_durable + stats.waits_flip, 0);
    if (deadlines_pass && variant->lab->flusher != LOGFILE_FLUSHER_LEADER)
        ck_assert_uint_gt(pending_count, 0);
}

static void append_and_count(const struct variant *variant, unsigned appends, uint64_t sync_us)
{
    struct worker workers[WORKERS] = {0};
    struct logfile_sim *disk = open_watched_log(variant, sync_us);
    pthread_barrier_init(&start_line, NULL, WORKERS + 1);
    pthread_barrier_init(&finish_line, NULL, WORKERS + 1);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].appends = appends / WORKERS;
        workers[i].rng.state = i;
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    uint64_t break_before = program_break();
    __atomic_store_n(&watching, 1, __ATOMIC_RELAXED);
    pthread_barrier_wait(&start_line);
    pthread_barrier_wait(&finish_line);
    __atomic_store_n(&watching, 0, __ATOMIC_RELAXED);
    ck_assert_uint_eq(program_break(), break_before);
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(workers[i].thread, NULL);

    ck_assert_msg(allocation_count == 0, "%s: %u allocations, the last by %s", variant->name,
                  (unsigned)allocation_count, last_allocation);
    check_work(variant, workers, sync_us > 0);
    ck_assert_int_eq(logfile_close(watched_log), 0);
    logfile_sim_free(disk);
    pthread_barrier_destroy(&start_line);
    pthread_barrier_destroy(&finish_line);
}

/* Loop test over engines and flushers: a million appends together. */
START_TEST(test_no_allocation)
{
    struct variant variant;
    unsigned fast = (unsigned)scaled(20000, 210000, 10000000);

    engine_variant_get((unsigned)_i, &variant);
    watchdog_start((unsigned)scaled(300, 300, 7200), variant.name);
    append_and_count(&variant, fast, 0);
    /* Slow enough that waiters sleep and deadlines pass. */
    append_and_count(&variant, 2000, 300);
    watchdog_stop();
}
END_TEST

/* Nor while segments are made, trimmed and recycled, or a hole is punched, and an event hook is told. */
START_TEST(test_no_allocation_over_rotations)
{
    struct variant variant;
    uint8_t record[1000] = {0};
    uint64_t lsn = 0;

    engine_variant_get((unsigned)_i / 2, &variant);
    variant.options.slot_bytes = 8 << 10;
    variant.options.prepare_bytes = 128 << 10;
    variant.options.segment_bytes = _i % 2 == 0 ? 64 << 10 : 0;
    variant.lab->sync = LOGFILE_SYNC_NONE;
    variant.options.event = count_event;
    watchdog_start((unsigned)scaled(300, 300, 7200), variant.name);
    enter_folder();
    ck_assert_int_eq(logfile_open(folder_path(LOG_PATH), &variant.options, NULL, &watched_log), 0);
    __atomic_store_n(&watching, 1, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < 1000; i++) {
        int error = logfile_append(watched_log, record, sizeof record, &lsn);
        if (error == 0 && i % 50 == 49)
            error = logfile_trim(watched_log, lsn);
        __atomic_store_n(&watching, error == 0, __ATOMIC_RELAXED);
    }
    while (__atomic_load_n(&watching, __ATOMIC_RELAXED) &&
           __atomic_load_n(&event_count, __ATOMIC_RELAXED) < 20) /* the opening and the trims */
        sleep_us(1000);
    ck_assert(__atomic_exchange_n(&watching, 0, __ATOMIC_RELAXED));
    ck_assert_uint_gt(logfile_oldest_lsn(watched_log), 900 * 4096);
    ck_assert_msg(allocation_count == 0, "%s: %u allocations, the last by %s", variant.name,
                  (unsigned)allocation_count, last_allocation);
    ck_assert_int_eq(logfile_close(watched_log), 0);
    leave_folder();
    watchdog_stop();
}
END_TEST

/* The test sees what it is there to see. */
START_TEST(test_allocations_are_counted)
{
    void *volatile memory[3];

    __atomic_store_n(&watching, 1, __ATOMIC_RELAXED);
    memory[0] = malloc(10);
    memory[1] = strdup("allocates inside the C library");
    memory[2] = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    __atomic_store_n(&watching, 0, __ATOMIC_RELAXED);
    ck_assert_uint_eq(allocation_count, 3);
    free(memory[0]);
    free(memory[1]);
    munmap(memory[2], 4096);
}
END_TEST

static Suite *no_alloc_suite(void)
{
    Suite *suite = suite_create("no_alloc");
    TCase *tcase = tcase_create("no allocation");

    tcase_set_timeout(tcase, (double)scaled(400, 400, 10000));
    tcase_add_loop_test(tcase, test_no_allocation, 0, (int)engine_variant_count());
    tcase_add_loop_test(tcase, test_no_allocation_over_rotations, 0,
                        2 * (int)engine_variant_count());
    tcase_add_test(tcase, test_allocations_are_counted);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(no_alloc_suite());
}

#endif
