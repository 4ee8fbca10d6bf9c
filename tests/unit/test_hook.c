/* SPDX-License-Identifier: MIT */
/*
 * The event hook, on a simulated disk: each event comes once, with what it is about; a call that hangs
 * is told of while it hangs; a hook that blocks holds nobody up; and the hook is called by one thread
 * of the log's, which there is only for it.
 */
#include "base/events.h"
#include "logfile_sim.h"
#include "support.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOG_PATH "hook.log"
#define MS_NS UINT64_C(1000000)
#define FIRST_LSN 16384
#define SLOW_NEVER_NS (UINT64_C(3600) * 1000 * MS_NS)
#define SLOW_SOON_NS (20 * MS_NS)

enum {
    SLOT_BYTES = 8 << 10,
    TOLD_MAX = 256
};

/* What the hook has been told, and how it answers. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct logfile_event told[TOLD_MAX];
    unsigned count;
    long thread;                                     /* that called it */
    unsigned is_inside;                              /* calls of the hook under way */
    bool blocks;                                     /* it does not return */
    void (*then)(const struct logfile_event *event); /* called without the lock */
} hooked = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static struct logfile_sim *disk;
static struct variant variant;
static struct logfile *hook_log;
static long events_thread; /* as thread_start was told */
static unsigned thread_counts[3];
static int hook_arg; /* its address is what the hook is to get */

static long own_thread(void)
{
    return syscall(SYS_gettid);
}

static void hook(void *arg, const struct logfile_event *event)
{
    ck_assert_ptr_eq(arg, &hook_arg);
    pthread_mutex_lock(&hooked.lock);
    ck_assert_uint_eq(hooked.is_inside++, 0);
    ck_assert_uint_lt(hooked.count, TOLD_MAX);
    hooked.told[hooked.count++] = *event;
    ck_assert(hooked.thread == 0 || hooked.thread == own_thread());
    hooked.thread = own_thread();
    pthread_cond_broadcast(&hooked.changed);
    while (hooked.blocks)
        pthread_cond_wait(&hooked.changed, &hooked.lock);
    void (*then)(const struct logfile_event *) = hooked.then;
    pthread_mutex_unlock(&hooked.lock);
    if (then != NULL)
        then(event);
    pthread_mutex_lock(&hooked.lock);
    hooked.is_inside--;
    pthread_mutex_unlock(&hooked.lock);
}

static void set_then(void (*then)(const struct logfile_event *event))
{
    pthread_mutex_lock(&hooked.lock);
    hooked.then = then;
    pthread_mutex_unlock(&hooked.lock);
}

static void set_blocks(bool blocks)
{
    pthread_mutex_lock(&hooked.lock);
    hooked.blocks = blocks;
    pthread_cond_broadcast(&hooked.changed);
    pthread_mutex_unlock(&hooked.lock);
}

static unsigned told_count(void)
{
    pthread_mutex_lock(&hooked.lock);
    unsigned count = hooked.count;
    pthread_mutex_unlock(&hooked.lock);
    return count;
}

/* The nth event of a kind, from 0; waits for it. */
static struct logfile_event await(uint32_t kind, unsigned nth)
{
    struct logfile_event found;

    pthread_mutex_lock(&hooked.lock);
    for (unsigned i = 0, left = nth;; i++) {
        while (i == hooked.count)
            pthread_cond_wait(&hooked.changed, &hooked.lock);
        if (hooked.told[i].kind == kind && left-- == 0) {
            found = hooked.told[i];
            break;
        }
    }
    pthread_mutex_unlock(&hooked.lock);
    ck_assert_uint_gt(found.count, 0);
    ck_assert_uint_eq(found.reserved_32, 0);
    for (size_t i = 0; i < sizeof found.reserved / sizeof found.reserved[0]; i++)
        ck_assert_uint_eq(found.reserved[i], 0);
    ck_assert_ptr_null(strchr(found.text, '\n'));
    return found;
}

/* How often a kind has been told so far. */
static unsigned count_of(uint32_t kind)
{
    unsigned count = 0;

    pthread_mutex_lock(&hooked.lock);
    for (unsigned i = 0; i < hooked.count; i++)
        count += hooked.told[i].kind == kind;
    pthread_mutex_unlock(&hooked.lock);
    return count;
}

static void check_text(const struct logfile_event *event, const char *begin, const char *end)
{
    size_t length = strlen(event->text), end_length = strlen(end);

    ck_assert_msg(strncmp(event->text, begin, strlen(begin)) == 0 && length >= end_length &&
                      strcmp(event->text + length - end_length, end) == 0,
                  "\"%s\" is not \"%s ... %s\"", event->text, begin, end);
}

static void count_thread(void *arg, enum logfile_thread role)
{
    (void)arg;
    __atomic_fetch_add(&thread_counts[role], 1, __ATOMIC_RELAXED);
    if (role == LOGFILE_THREAD_EVENTS)
        __atomic_store_n(&events_thread, own_thread(), __ATOMIC_RELAXED);
}

static unsigned thread_count(enum logfile_thread role)
{
    return __atomic_load_n(&thread_counts[role], __ATOMIC_RELAXED);
}

static void prepare(int index, const struct logfile_sim_options *disk_options)
{
    engine_variant_get((unsigned)index, &variant);
    watchdog_start(120, variant.name);
    disk = logfile_sim_new(disk_options);
    variant.options.slot_bytes = SLOT_BYTES;
    variant.options.prepare = LOGFILE_PREPARE_NONE;
    variant.options.io = logfile_sim_io(disk);
    variant.options.event = hook;
    variant.options.event_arg = &hook_arg;
    variant.options.slow_ns = SLOW_NEVER_NS;
    variant.options.thread_start = count_thread;
}

static void open_it(void)
{
    hooked.thread = 0; /* of the log before */
    ck_assert_int_eq(logfile_open(LOG_PATH, &variant.options, NULL, &hook_log), 0);
}

static void begin(int index, uint64_t slow_ns)
{
    prepare(index, NULL);
    variant.options.slow_ns = slow_ns;
    open_it();
    await(LOGFILE_EVENT_OPENED, 0);
}

static void end(int close_result)
{
    ck_assert_int_eq(logfile_close(hook_log), close_result);
    logfile_sim_free(disk);
    watchdog_stop();
}

/* ---- Each event ---- */

static void expect_handle(const struct logfile_event *event)
{
    (void)event;
    ck_assert_uint_eq(logfile_oldest_lsn(hook_log), FIRST_LSN);
}

START_TEST(test_opened)
{
    uint64_t before_ns = lf_wall_clock_ns();
    struct logfile_event event;

    prepare(_i, NULL);
    set_then(expect_handle); /* *logp is set before the first event. */
    open_it();
    event = await(LOGFILE_EVENT_OPENED, 0);
    ck_assert_uint_eq(event.count, 1);
    ck_assert_int_eq(event.error, 0);
    ck_assert_uint_eq(event.lsn, FIRST_LSN);
    ck_assert_uint_gt(event.ns, 0);
    ck_assert_uint_ge(event.time_ns, before_ns);
    ck_assert_uint_le(event.time_ns, lf_wall_clock_ns());
    check_text(&event, "created, open at LSN 16384 in ", " s");
    ck_assert_int_eq(logfile_append(hook_log, "record", 6, NULL), 0);
    uint64_t end_lsn = logfile_durable_lsn(hook_log);

    /* A log whose process died in the midst of an append: what it wrote last is torn. */
    logfile_sim_fault(disk, &(struct logfile_sim_fault){
                                .call = LOGFILE_SIM_WRITE, .error = -EIO, .for_ever = true});
    uint8_t payload[5000];
    memset(payload, 'x', sizeof payload);
    ck_assert_int_eq(logfile_append(hook_log, payload, sizeof payload, NULL), LOGFILE_EFAILED);
    ck_assert_int_eq(logfile_close(hook_log), LOGFILE_EFAILED);
    logfile_sim_fault_clear(disk);
    open_it();
    event = await(LOGFILE_EVENT_OPENED, 1);
    ck_assert_uint_eq(event.lsn, end_lsn);
    char begins[64];
    snprintf(begins, sizeof begins, "open at LSN %" PRIu64 " in ", end_lsn);
    check_text(&event, begins, " bytes of a torn end cut");
    end(0);
    ck_assert_uint_eq(count_of(LOGFILE_EVENT_OPENED), 2);
    ck_assert_uint_eq(count_of(LOGFILE_EVENT_FAILED), 1);
    ck_assert_uint_eq(told_count(), 3);
}
END_TEST

static void check_failure(const struct logfile_event *event)
{
    struct logfile_failure failure;

    if (event->kind != LOGFILE_EVENT_FAILED)
        return;
    ck_assert_int_eq(logfile_failure(hook_log, &failure, sizeof failure), 0);
    ck_assert_int_eq(failure.error, event->error);
    ck_assert_uint_eq(failure.offset, event->lsn);
    ck_assert_str_eq(failure.call, "sync");
}

START_TEST(test_failed)
{
    char text[128];

    begin(_i, SLOW_NEVER_NS);
    set_then(check_failure);
    uint64_t lsn = logfile_durable_lsn(hook_log);
    logfile_sim_fault(disk, &(struct logfile_sim_fault){.call = LOGFILE_SIM_SYNC, .error = -EIO});
    ck_assert_int_eq(logfile_append(hook_log, "record", 6, NULL), LOGFILE_EFAILED);
    ck_assert_int_eq(logfile_append(hook_log, "record", 6, NULL), LOGFILE_EFAILED);
    end(LOGFILE_EFAILED); /* It has been told when that returns. */
    ck_assert_uint_eq(count_of(LOGFILE_EVENT_FAILED), 1);
    struct logfile_event event = await(LOGFILE_EVENT_FAILED, 0);
    ck_assert_uint_eq(event.count, 1);
    ck_assert_int_eq(event.error, -EIO);
    ck_assert_uint_eq(event.lsn, lsn);
    snprintf(text, sizeof text, "sync at LSN %" PRIu64 " failed: Input/output error", lsn);
    ck_assert_str_eq(event.text, text);
}
END_TEST

/* Refused often, told once; and again when that is over. */
START_TEST(test_no_space_and_space_back)
{
    struct logfile_sim_options small = {.capacity_bytes = 64 << 10};
    struct logfile_event event;
    char text[128];
    int error;

    prepare(_i, &small);
    variant.options.prepare = LOGFILE_PREPARE_ALLOCATE;
    open_it();
    for (unsigned round = 0; round < 2; round++) {
        do
            error = logfile_append(hook_log, "record", 6, NULL);
        while (error == 0);
        ck_assert_int_eq(error, -ENOSPC);
        event = await(LOGFILE_EVENT_NO_SPACE, round);
        ck_assert_uint_eq(event.count, 1);
        ck_assert_int_eq(event.error, -ENOSPC);
        ck_assert_uint_ge(event.lsn, logfile_durable_lsn(hook_log));
        snprintf(text, sizeof text, "no room after LSN %" PRIu64 ": No space left on device",
                 event.lsn);
        ck_assert_str_eq(event.text, text);
        for (unsigned i = 0; i < 20; i++) {
            ck_assert_int_eq(logfile_append(hook_log, "record", 6, NULL), -ENOSPC);
            sleep_us(1000);
        }

        logfile_sim_set_capacity(disk, (128u << 10) << round);
        /* A try is made when an append asks for one. */
        while ((error = logfile_append(hook_log, "record", 6, NULL)) == -ENOSPC)
            sleep_us(1000);
        ck_assert_int_eq(error, 0);
        event = await(LOGFILE_EVENT_SPACE_BACK, round);
        ck_assert_uint_eq(event.count, 1);
        ck_assert_int_eq(event.error, 0);
        ck_assert_uint_gt(event.lsn, logfile_durable_lsn(hook_log));
        ck_assert_uint_ge(event.ns, 20 * MS_NS); /* the sleeps between its refusals */
        snprintf(text, sizeof text, "room again, up to LSN %" PRIu64 ", after ", event.lsn);
        check_text(&event, text, " s");
    }
    end(0);
    ck_assert_uint_eq(count_of(LOGFILE_EVENT_NO_SPACE), 2);
    ck_assert_uint_eq(count_of(LOGFILE_EVENT_SPACE_BACK), 2);
}
END_TEST

/* What happens while the log is opened is told after that. */
START_TEST(test_opened_on_a_full_disk)
{
    prepare(_i, NULL);
    variant.options.prepare = LOGFILE_PREPARE_ALLOCATE;
    open_it();
    ck_assert_int_eq(logfile_append(hook_log, "record", 6, NULL), 0);
    ck_assert_int_eq(logfile_close(hook_log), 0);
    unsigned before = told_count();
    logfile_sim_set_capacity(disk, 1);
    open_it();
    await(LOGFILE_EVENT_NO_SPACE, 0);
    ck_assert_uint_eq(hooked.told[before].kind, LOGFILE_EVENT_OPENED);
    ck_assert_uint_eq(hooked.told[before + 1].kind, LOGFILE_EVENT_NO_SPACE);
    end(0);
}
END_TEST

START_TEST(test_segments_and_trims)
{
    static const uint8_t payload[4000];
    struct logfile_event event;
    struct logfile_stats stats;
    uint64_t segment_bytes = 64 << 10, lsn = 0, made = 0;
    char text[128];

    prepare(_i, NULL);
    variant.options.segment_bytes = segment_bytes;
    open_it();
    for (unsigned round = 0; round < 3; round++) {
        while (lsn < (round + 1) * 3 * segment_bytes)
            ck_assert_int_eq(logfile_append(hook_log, payload, sizeof payload, &lsn), 0);
        ck_assert_int_eq(logfile_trim(hook_log, lsn), 0);
        event = await(LOGFILE_EVENT_TRIMMED, round);
        ck_assert_uint_eq(event.count, 1);
        ck_assert_int_eq(event.error, 0);
        ck_assert_uint_eq(event.lsn, logfile_oldest_lsn(hook_log));
        ck_assert_uint_gt(event.ns, 0);
        snprintf(text, sizeof text, "trimmed to LSN %" PRIu64 " in ", event.lsn);
        check_text(&event, text, " s");
        ck_assert_int_eq(logfile_trim(hook_log, 0), 0); /* moves nothing, and is no event */
    }
    ck_assert_int_eq(logfile_stats(hook_log, &stats, sizeof stats), 0);
    ck_assert_uint_ge(stats.segments_made, 9);
    end(0);
    ck_assert_uint_eq(count_of(LOGFILE_EVENT_TRIMMED), 3);

    /* Events of one kind may have been merged, but none is lost, and the last one is the last. */
    uint64_t last_lsn = 0;
    bool recycled = false;
    for (unsigned i = 0; i < count_of(LOGFILE_EVENT_SEGMENT_MADE); i++) {
        event = await(LOGFILE_EVENT_SEGMENT_MADE, i);
        made += event.count;
        ck_assert_uint_eq(event.lsn % segment_bytes, FIRST_LSN);
        ck_assert(i == 0 || event.lsn > last_lsn);
        last_lsn = event.lsn;
        snprintf(text, sizeof text, "%016" PRIx64 ".segment ", event.lsn / segment_bytes);
        check_text(&event, text, " and up");
        recycled |= strstr(event.text, "recycled") != NULL;
    }
    ck_assert(recycled);
    ck_assert_uint_ge(made, stats.segments_made);
    ck_assert_uint_ge(last_lsn, lsn - lsn % segment_bytes);
}
END_TEST

/* ---- Calls that hang ---- */

/* The next that is told of such a call; on a busy machine others may be slow too. */
static struct logfile_event await_slow(uint32_t call, unsigned *nth)
{
    struct logfile_event event;

    do
        event = await(LOGFILE_EVENT_SLOW, (*nth)++);
    while (event.call != call);
    ck_assert_uint_eq(event.count, 1);
    ck_assert_int_eq(event.error, 0);
    return event;
}

static void *append(void *argument)
{
    *(int *)argument = logfile_append(hook_log, "record", 6, NULL);
    return NULL;
}

/* Told after slow_ns, and each time that it has doubled; not any more when the call is over. */
static void check_slow_commit(int index, enum logfile_sim_call what, uint32_t call,
                              const char *phrase)
{
    struct logfile_event event;
    pthread_t thread;
    char text[64];
    int error = -1;

    begin(index, SLOW_SOON_NS);
    uint64_t lsn = logfile_durable_lsn(hook_log);
    unsigned nth = 0;
    logfile_sim_gate_close(disk, what);
    ck_assert_int_eq(pthread_create(&thread, NULL, append, &error), 0);
    snprintf(text, sizeof text, "%s LSN %" PRIu64 ": under way for ", phrase, lsn);
    uint64_t least_ns = SLOW_SOON_NS;
    for (unsigned i = 0; i < 3; i++) {
        do /* one before the gate was closed */
            event = await_slow(call, &nth);
        while (event.lsn != lsn);
        ck_assert_uint_ge(event.ns, least_ns);
        check_text(&event, text, " s");
        while (least_ns <= event.ns) /* when it is due again */
            least_ns *= 2;
    }
    logfile_sim_gate_open(disk);
    pthread_join(thread, NULL);
    ck_assert_int_eq(error, 0);
    end(0);
    /* If it was told of once more before the gate was open, then because it was due. */
    for (; nth < count_of(LOGFILE_EVENT_SLOW); nth++) {
        event = await(LOGFILE_EVENT_SLOW, nth);
        if (event.lsn == lsn && event.call == call)
            ck_assert_uint_ge(event.ns, least_ns);
    }
}

START_TEST(test_slow_sync)
{
    check_slow_commit(_i, LOGFILE_SIM_SYNC, LOGFILE_CALL_SYNC, "sync of");
}
END_TEST

START_TEST(test_slow_write)
{
    check_slow_commit(_i, LOGFILE_SIM_WRITE, LOGFILE_CALL_WRITE, "write at");
}
END_TEST

static void *trim(void *argument)
{
    *(int *)argument = logfile_trim(hook_log, logfile_durable_lsn(hook_log));
    return NULL;
}

START_TEST(test_slow_release)
{
    struct logfile_event event;
    pthread_t thread;
    int error = -1;

    begin(_i, SLOW_SOON_NS);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(logfile_append(hook_log, "record", 6, NULL), 0);
    unsigned nth = 0;
    logfile_sim_gate_close(disk, LOGFILE_SIM_PUNCH);
    ck_assert_int_eq(pthread_create(&thread, NULL, trim, &error), 0);
    event = await_slow(LOGFILE_CALL_RELEASE, &nth);
    ck_assert_uint_eq(event.lsn, logfile_oldest_lsn(hook_log));
    check_text(&event, "release of what is below LSN ", " s");
    logfile_sim_gate_open(disk);
    pthread_join(thread, NULL);
    ck_assert_int_eq(error, 0);
    end(0);
}
END_TEST

static void *sync_it(void *argument)
{
    *(int *)argument = logfile_sync(hook_log, NULL);
    return NULL;
}

/* Not the device's fault: a writer that has its place and does not fill it. */
START_TEST(test_slow_writer)
{
    struct logfile_reservation reservation;
    struct logfile_event event;
    pthread_t thread;
    unsigned nth = 0;
    int error = -1;

    begin(0, SLOW_SOON_NS);
    ck_assert_uint_eq(variant.lab->engine, LOGFILE_ENGINE_RING);
    uint64_t lsn = logfile_durable_lsn(hook_log);
    ck_assert_int_eq(logfile_reserve(hook_log, 100, NULL, &reservation), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, sync_it, &error), 0);
    event = await_slow(LOGFILE_CALL_PUBLISH, &nth);
    ck_assert_uint_eq(event.lsn, lsn);
    check_text(&event, "wait for a writer after LSN ", " s");
    memset(reservation.data, 0, reservation.size);
    ck_assert_int_eq(logfile_publish(hook_log, &reservation), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(error, 0);
    end(0);
}
END_TEST

static void look_while_it_hangs(const struct logfile_event *event)
{
    struct logfile_stats stats;

    if (event->kind != LOGFILE_EVENT_SLOW || event->ns < 1000 * MS_NS)
        return;
    ck_assert_int_eq(logfile_stats(hook_log, &stats, sizeof stats), 0);
    if (stats.inflight_call == LOGFILE_CALL_NONE)
        return; /* It has come back since the event. */
    ck_assert_uint_eq(stats.inflight_call, event->call);
    ck_assert_uint_eq(stats.inflight_lsn, event->lsn);
    ck_assert_uint_ge(stats.inflight_ns, event->ns);
}

/* A sync that hangs for two seconds is seen after one, by the hook and in the statistics. */
START_TEST(test_a_sync_hangs_for_two_seconds)
{
    struct logfile_event event;
    pthread_t thread;
    unsigned nth = 0;
    int error = -1;

    prepare(0, NULL);
    variant.options.slow_ns = 0; /* one second */
    open_it();
    set_then(look_while_it_hangs);
    uint64_t lsn = logfile_durable_lsn(hook_log);
    logfile_sim_gate_close(disk, LOGFILE_SIM_SYNC);
    ck_assert_int_eq(pthread_create(&thread, NULL, append, &error), 0);
    ck_assert(logfile_sim_gate_is_reached(disk, 600000));
    uint64_t begin_ns = now_ns();
    event = await_slow(LOGFILE_CALL_SYNC, &nth);
    ck_assert_uint_eq(event.lsn, lsn);
    ck_assert_uint_ge(event.ns, 1000 * MS_NS);
    ck_assert_int_eq(logfile_durable_lsn(hook_log), lsn); /* It hangs still. */
    struct logfile_stats stats;
    ck_assert_int_eq(logfile_stats(hook_log, &stats, sizeof stats), 0);
    ck_assert_uint_eq(stats.inflight_call, LOGFILE_CALL_SYNC);
    ck_assert_uint_ge(stats.inflight_ns, event.ns);
    while (now_ns() - begin_ns < 2000 * MS_NS)
        sleep_us(1000);
    logfile_sim_gate_open(disk);
    pthread_join(thread, NULL);
    ck_assert_int_eq(error, 0);
    end(0);
}
END_TEST

/* ---- A hook that blocks ---- */

START_TEST(test_a_hook_that_blocks)
{
    static const uint8_t payload[3000];
    struct logfile_event event;
    uint64_t lsn;

    begin(_i, SLOW_NEVER_NS);
    set_blocks(true);
    for (unsigned i = 0; i < 20; i++) {
        for (unsigned j = 0; j < 3; j++)
            ck_assert_int_eq(logfile_append(hook_log, payload, sizeof payload, &lsn), 0);
        ck_assert_int_eq(logfile_trim(hook_log, lsn), 0);
        if (i == 0)
            await(LOGFILE_EVENT_TRIMMED, 0);
    }
    ck_assert_uint_eq(count_of(LOGFILE_EVENT_TRIMMED), 1);
    set_blocks(false);
    event = await(LOGFILE_EVENT_TRIMMED, 1);
    ck_assert_uint_eq(event.count, 19);
    ck_assert_uint_eq(event.lsn, logfile_oldest_lsn(hook_log));
    /* After that they are told one by one again. */
    ck_assert_int_eq(logfile_append(hook_log, payload, sizeof payload, &lsn), 0);
    ck_assert_int_eq(logfile_append(hook_log, payload, sizeof payload, &lsn), 0);
    ck_assert_int_eq(logfile_trim(hook_log, lsn), 0);
    ck_assert_uint_eq(await(LOGFILE_EVENT_TRIMMED, 2).count, 1);
    end(0);
}
END_TEST

static void *close_it(void *argument)
{
    int result = logfile_close(hook_log);

    __atomic_store_n((int *)argument, result, __ATOMIC_RELEASE);
    return NULL;
}

/* Closing waits until the hook has returned, and has been told the rest. */
START_TEST(test_close_tells_the_rest)
{
    uint64_t lsn;
    pthread_t thread;
    int result = 1;

    begin(_i, SLOW_NEVER_NS);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(logfile_append(hook_log, "record", 6, &lsn), 0);
    set_blocks(true);
    ck_assert_int_eq(logfile_trim(hook_log, lsn), 0);
    await(LOGFILE_EVENT_TRIMMED, 0);
    logfile_sim_fault(disk, &(struct logfile_sim_fault){.call = LOGFILE_SIM_SYNC, .error = -EIO});
    ck_assert_int_eq(logfile_append(hook_log, "record", 6, NULL), LOGFILE_EFAILED);
    ck_assert_int_eq(pthread_create(&thread, NULL, close_it, &result), 0);
    sleep_us(50000);
    ck_assert_int_eq(__atomic_load_n(&result, __ATOMIC_ACQUIRE), 1);
    ck_assert_uint_eq(count_of(LOGFILE_EVENT_FAILED), 0);
    set_blocks(false);
    pthread_join(thread, NULL);
    ck_assert_int_eq(result, LOGFILE_EFAILED);
    ck_assert_uint_eq(count_of(LOGFILE_EVENT_FAILED), 1);
    logfile_sim_free(disk);
    watchdog_stop();
}
END_TEST

/* Whatever fails while the log is closed is told before that returns. */
START_TEST(test_a_failure_while_closing)
{
    unsigned failures = 0, after = 0;
    int result;

    do {
        begin(_i, SLOW_NEVER_NS);
        ck_assert_int_eq(logfile_append(hook_log, "record", 6, NULL), 0);
        logfile_sim_fault(
            disk, &(struct logfile_sim_fault){
                      .call = LOGFILE_SIM_SYNC, .after = after++, .error = -EIO, .for_ever = true});
        result = logfile_close(hook_log);
        failures += result != 0;
        ck_assert(result == 0 || result == LOGFILE_EFAILED);
        ck_assert_uint_eq(count_of(LOGFILE_EVENT_FAILED), failures);
        logfile_sim_free(disk);
        watchdog_stop();
    } while (result != 0);
    ck_assert_uint_ge(failures, 3); /* the CLOSE epoch, and each copy of the mark */
}
END_TEST

/* Kinds in the order in which they came; of room and no room, the last word is what holds. */
START_TEST(test_order_of_what_is_merged)
{
    static const struct lf_inflight callers[LF_CALLER_COUNT];
    static struct lf_events events;
    const struct lf_events_config config = {
        .hook = hook, .hook_arg = &hook_arg, .slow_ns = 1000 * MS_NS, .callers = callers};
    static const struct {
        uint32_t kind;
        uint64_t count, lsn;
    } expected[] = {
        {LOGFILE_EVENT_OPENED, 1, 0},     {LOGFILE_EVENT_TRIMMED, 2, 6},
        {LOGFILE_EVENT_SPACE_BACK, 1, 3}, {LOGFILE_EVENT_SEGMENT_MADE, 1, 4},
        {LOGFILE_EVENT_NO_SPACE, 2, 5},
    };
    static const uint32_t posted[] = {
        LOGFILE_EVENT_TRIMMED,      LOGFILE_EVENT_NO_SPACE, LOGFILE_EVENT_SPACE_BACK,
        LOGFILE_EVENT_SEGMENT_MADE, LOGFILE_EVENT_NO_SPACE, LOGFILE_EVENT_TRIMMED,
    };

    watchdog_start(60, "order");
    ck_assert_int_eq(lf_events_start(&events, &config), 0);
    for (unsigned i = 0; i < sizeof posted / sizeof posted[0]; i++)
        lf_events_post(&events, &(struct logfile_event){.kind = posted[i], .lsn = i + 1}, "%u", i);
    sleep_us(20000);
    ck_assert_uint_eq(told_count(), 0); /* It is not open. */
    lf_events_post(&events, &(struct logfile_event){.kind = LOGFILE_EVENT_OPENED}, "open");
    lf_events_stop(&events);
    ck_assert_uint_eq(told_count(), sizeof expected / sizeof expected[0]);
    for (unsigned i = 0; i < told_count(); i++) {
        ck_assert_uint_eq(hooked.told[i].kind, expected[i].kind);
        ck_assert_uint_eq(hooked.told[i].count, expected[i].count);
        ck_assert_uint_eq(hooked.told[i].lsn, expected[i].lsn);
    }
    watchdog_stop();
}
END_TEST

/* Of a log that was never opened nothing is told. */
START_TEST(test_an_opening_that_fails_tells_nothing)
{
    uint64_t fault_count = 0;
    int error;

    do {
        prepare(_i, NULL);
        variant.options.segment_bytes = 64 << 10;
        logfile_sim_fault(disk, &(struct logfile_sim_fault){.call = LOGFILE_SIM_SYNC,
                                                            .after = (uint32_t)fault_count++,
                                                            .error = -EIO});
        error = logfile_open(LOG_PATH, &variant.options, NULL, &hook_log);
        if (error != 0) {
            ck_assert_uint_eq(told_count(), 0);
            logfile_sim_free(disk);
            watchdog_stop();
        } else {
            logfile_sim_fault_clear(disk);
        }
    } while (error != 0 && fault_count < 100);
    ck_assert_int_eq(error, 0);
    ck_assert_uint_gt(fault_count, 3);
    await(LOGFILE_EVENT_OPENED, 0);
    (void)logfile_close(hook_log);
    logfile_sim_free(disk);
    watchdog_stop();
}
END_TEST

/* ---- Which thread ---- */

START_TEST(test_one_thread_that_is_no_writers)
{
    pthread_t thread;
    int error = -1;

    begin(_i, SLOW_NEVER_NS);
    logfile_sim_fault(disk, &(struct logfile_sim_fault){.call = LOGFILE_SIM_SYNC, .error = -EIO});
    ck_assert_int_eq(pthread_create(&thread, NULL, append, &error), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(error, LOGFILE_EFAILED);
    await(LOGFILE_EVENT_FAILED, 0);
    const long thread_of_hook = __atomic_load_n(&events_thread, __ATOMIC_RELAXED);
    pthread_mutex_lock(&hooked.lock);
    ck_assert_int_eq(hooked.thread, thread_of_hook); /* and hook has seen no other */
    pthread_mutex_unlock(&hooked.lock);
    ck_assert_int_ne(thread_of_hook, own_thread());
    ck_assert_uint_eq(thread_count(LOGFILE_THREAD_EVENTS), 1);
    ck_assert_uint_le(thread_count(LOGFILE_THREAD_SEQUENCER), 1);
    end(LOGFILE_EFAILED);
}
END_TEST

START_TEST(test_no_thread_without_a_hook)
{
    prepare(_i, NULL);
    variant.options.event = NULL;
    open_it();
    ck_assert_int_eq(logfile_append(hook_log, "record", 6, NULL), 0);
    end(0);
    ck_assert_uint_eq(thread_count(LOGFILE_THREAD_EVENTS), 0);
    ck_assert_uint_eq(told_count(), 0);
}
END_TEST

/* ---- A hook that calls the log ---- */

static unsigned callbacks;

static void call_back(const struct logfile_event *event)
{
    struct logfile_failure failure;
    struct logfile_stats stats;
    char text[100];
    uint64_t lsn;

    (void)event;
    callbacks++;
    ck_assert_int_eq(logfile_close(hook_log), -EDEADLK);
    ck_assert_int_eq(logfile_stats(hook_log, &stats, sizeof stats), 0);
    ck_assert_int_eq(logfile_failure(hook_log, &failure, sizeof failure), 0);
    ck_assert_int_gt(logfile_describe(hook_log, LOGFILE_ECLOSED, text, sizeof text), 0);
    int error = logfile_append(hook_log, "from the hook", 13, &lsn);
    ck_assert(error == 0 || error == LOGFILE_ECLOSED);
    /* It trims what it has appended, and is told of that: until the log is closed, for ever. */
    error = logfile_trim(hook_log, logfile_durable_lsn(hook_log));
    ck_assert_int_eq(error, 0);
    pthread_mutex_lock(&hooked.lock);
    hooked.count = hooked.count > TOLD_MAX / 2 ? 0 : hooked.count;
    pthread_mutex_unlock(&hooked.lock);
}

START_TEST(test_a_hook_that_calls_the_log)
{
    unsigned rounds = (unsigned)scaled(3, 20, 500);

    for (unsigned i = 0; i < rounds; i++) {
        prepare(_i, NULL);
        variant.options.prepare = i % 2 ? LOGFILE_PREPARE_ALLOCATE : LOGFILE_PREPARE_ZERO;
        variant.options.segment_bytes = i % 3 ? 64 << 10 : 0;
        set_then(call_back);
        open_it();
        for (unsigned j = 0; j < i; j++)
            ck_assert_int_eq(logfile_append(hook_log, "record", 6, NULL), 0);
        end(0); /* while it calls */
    }
    ck_assert_uint_ge(callbacks, rounds);
}
END_TEST

static Suite *hook_suite(void)
{
    Suite *suite = suite_create("hook");
    TCase *tcase = tcase_create("each event");
    int engines = (int)engine_variant_count();

    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, test_opened, 0, engines);
    tcase_add_loop_test(tcase, test_failed, 0, engines);
    tcase_add_loop_test(tcase, test_no_space_and_space_back, 0, engines);
    tcase_add_loop_test(tcase, test_opened_on_a_full_disk, 0, engines);
    tcase_add_loop_test(tcase, test_segments_and_trims, 0, engines);
    suite_add_tcase(suite, tcase);

    tcase = tcase_create("calls that hang");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, test_slow_sync, 0, engines);
    tcase_add_loop_test(tcase, test_slow_write, 0, engines);
    tcase_add_loop_test(tcase, test_slow_release, 0, engines);
    tcase_add_test(tcase, test_slow_writer);
    tcase_add_test(tcase, test_a_sync_hangs_for_two_seconds);
    suite_add_tcase(suite, tcase);

    tcase = tcase_create("the hook");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, test_a_hook_that_blocks, 0, engines);
    tcase_add_loop_test(tcase, test_close_tells_the_rest, 0, engines);
    tcase_add_loop_test(tcase, test_a_failure_while_closing, 0, engines);
    tcase_add_test(tcase, test_order_of_what_is_merged);
    tcase_add_loop_test(tcase, test_an_opening_that_fails_tells_nothing, 0, engines);
    tcase_add_loop_test(tcase, test_one_thread_that_is_no_writers, 0, engines);
    tcase_add_loop_test(tcase, test_no_thread_without_a_hook, 0, engines);
    tcase_add_loop_test(tcase, test_a_hook_that_calls_the_log, 0, engines);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(hook_suite());
}
