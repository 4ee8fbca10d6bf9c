/* SPDX-License-Identifier: MIT */
/* The two frontiers ahead of the log, on a disk that only takes notes, and on a real file. */
#include "io_stack.h"
#include "storage/prepare.h"
#include "support.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK ((uint64_t)LF_BLOCK_BYTES)
#define MIB ((uint64_t)1 << 20)
#define TIB ((uint64_t)1 << 40)
#define HEAD LF_FIRST_LSN
#define ROOM (16 * MIB)
#define PREPARE (64 * MIB)
#define FIRST_TARGET (4 * MIB)
#define CHUNK (MIB / 4)
#define NOTE_MAX 4096
#define PATIENCE_MS 600000

/* ---- The disk ---------------------------------------------------------------------------------*/

struct note {
    uint64_t from;
    uint64_t to;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* What it does. */
    uint64_t capacity; /* no byte from here on */
    bool no_allocate;
    int allocate_error;
    int write_error;
    int sync_error;
    uint64_t write_us;
    /* What was done. */
    unsigned allocate_count;
    unsigned write_count;
    unsigned sync_count;
    unsigned unsynced_count; /* writes since the last sync, and the most there ever were */
    unsigned unsynced_max;
    uint64_t allocated;
    struct note writes[NOTE_MAX];
    pthread_t allocated_by; /* the first time */
    /* What must not be. */
    unsigned below_claimed_count;
    unsigned unallocated_count;
    unsigned misshapen_count;
} disk;

/* Everything below was claimed, and the call has returned. */
static uint64_t claimed;

static unsigned room_count; /* calls of on_room */

static void note_change(void)
{
    pthread_cond_broadcast(&disk.changed);
}

static bool is_all_zeros(const void *bytes, size_t size)
{
    static const uint8_t zeros[1 << 20];
    return size <= sizeof zeros && memcmp(bytes, zeros, size) == 0;
}

/* The preparer writes in the order of its calls, one at a time, so the notes are exact. */
static void note_write(const void *buffer, uint64_t from, uint64_t to)
{
    if (disk.write_count < NOTE_MAX)
        disk.writes[disk.write_count] = (struct note){from, to};
    disk.write_count++;
    disk.unsynced_count++;
    if (disk.unsynced_count > disk.unsynced_max)
        disk.unsynced_max = disk.unsynced_count;
    disk.unallocated_count += !disk.no_allocate && to > disk.allocated;
    disk.misshapen_count += from % BLOCK != 0 || to % BLOCK != 0 || from == to ||
                            !is_all_zeros(buffer, (size_t)(to - from));
}

static int64_t write_disk(const struct io_call *call)
{
    pthread_mutex_lock(&disk.lock);
    int64_t result = call->offset + call->bytes > disk.capacity ? -ENOSPC : (int64_t)call->bytes;
    if (disk.write_error != 0)
        result = disk.write_error;
    note_write(call->data, call->offset, call->offset + call->bytes);
    uint64_t pause_us = disk.write_us;
    pthread_mutex_unlock(&disk.lock);
    if (pause_us > 0)
        sleep_us(pause_us);
    /* Claims are contiguous, so one that overlaps has claimed the first byte, or all before. */
    bool is_below = __atomic_load_n(&claimed, __ATOMIC_ACQUIRE) > call->offset;
    pthread_mutex_lock(&disk.lock);
    disk.below_claimed_count += is_below;
    note_change();
    pthread_mutex_unlock(&disk.lock);
    return result;
}

/* With the lock. */
static int sync_disk(void)
{
    disk.sync_count++;
    disk.unsynced_count = 0;
    return disk.sync_error;
}

static int allocate_result(uint64_t end)
{
    if (disk.no_allocate)
        return -EOPNOTSUPP;
    if (disk.allocate_error != 0)
        return disk.allocate_error;
    return end > disk.capacity ? -ENOSPC : 0;
}

/* With the lock. */
static int allocate_disk(uint64_t offset, uint64_t bytes)
{
    int error = allocate_result(offset + bytes);
    uint64_t end = error == -ENOSPC ? disk.capacity : offset + bytes;
    if (disk.allocate_count++ == 0)
        disk.allocated_by = pthread_self();
    if ((error == 0 || error == -ENOSPC) && end > disk.allocated)
        disk.allocated = end;
    disk.misshapen_count += offset % BLOCK != 0 || bytes % BLOCK != 0 || bytes == 0;
    return error;
}

/* What is above has been given back, and may not be written to before it is allocated again. */
static int truncate_disk(uint64_t bytes)
{
    if (bytes < disk.allocated)
        disk.allocated = bytes;
    disk.below_claimed_count += bytes < __atomic_load_n(&claimed, __ATOMIC_ACQUIRE);
    return 0;
}

/* Every call is answered here, and the system is asked nothing. */
static bool answer(void *arg, struct io_call *call)
{
    (void)arg;
    if (call->call == LOGFILE_SIM_WRITE) {
        call->result = write_disk(call);
        return true;
    }
    pthread_mutex_lock(&disk.lock);
    if (call->call == LOGFILE_SIM_OPEN)
        call->result = 5;
    else if (call->call == LOGFILE_SIM_STAT)
        *(struct logfile_io_stat *)call->out = (struct logfile_io_stat){.kind = LOGFILE_IO_REGULAR};
    else if (call->call == LOGFILE_SIM_FACTS) /* it says nothing of what it has left */
        *(struct logfile_io_facts *)call->out =
            (struct logfile_io_facts){.direct = LOGFILE_IO_DIRECT_YES,
                                      .offset_align = 512,
                                      .memory_align = 512,
                                      .free_bytes = UINT64_MAX,
                                      .total_bytes = UINT64_MAX};
    else if (call->call == LOGFILE_SIM_SYNC)
        call->result = sync_disk();
    else if (call->call == LOGFILE_SIM_ALLOCATE)
        call->result = allocate_disk(call->offset, call->bytes);
    else if (call->call == LOGFILE_SIM_TRUNCATE)
        call->result = truncate_disk(call->bytes);
    note_change();
    pthread_mutex_unlock(&disk.lock);
    return true;
}

static void on_room(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&disk.lock);
    room_count++;
    note_change();
    pthread_mutex_unlock(&disk.lock);
}

/* ---- Shorthand --------------------------------------------------------------------------------*/

static struct io_layer notes; /* the disk */
static struct io_layer gate;  /* over it */
static struct lf_store store;
static struct lf_preparer preparer;
static struct lf_preparer_config config;
static uint32_t sync_method;

static void setup(void)
{
    pthread_condattr_t monotonic;
    memset(&disk, 0, sizeof disk);
    pthread_mutex_init(&disk.lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&disk.changed, &monotonic);
    disk.capacity = UINT64_MAX;
    claimed = HEAD;
    room_count = 0;
    sync_method = LOGFILE_SYNC_FDATASYNC;
    io_layer_init(&notes, logfile_io_posix());
    notes.before = answer;
    io_layer_init(&gate, &notes.io);
    config = (struct lf_preparer_config){.mode = LOGFILE_PREPARE_ZERO,
                                         .prepare_bytes = PREPARE,
                                         .head = HEAD,
                                         .room = ROOM,
                                         .on_room = on_room};
}

static void open_store(void)
{
    struct logfile_options options = {
        .io = &gate.io, .open_flags = LOGFILE_OPEN_EXISTING, .sync = sync_method};
    bool created;
    char message[256];
    ck_assert_int_eq(lf_store_open(&store, "log", &options, NULL, &created, message), 0);
}

static void start(void)
{
    open_store();
    ck_assert_int_eq(lf_preparer_start(&preparer, &store, &config), 0);
}

static void stop(void)
{
    lf_preparer_stop(&preparer);
    lf_store_close(&store);
    ck_assert_uint_eq(disk.below_claimed_count, 0);
    ck_assert_uint_eq(disk.unallocated_count, 0);
    ck_assert_uint_eq(disk.misshapen_count, 0);
}

static void claim_to(uint64_t to)
{
    lf_preparer_claim(&preparer, claimed, to);
    __atomic_store_n(&claimed, to, __ATOMIC_RELEASE);
}

/* Waits, with the disk's lock held while it looks, until something is so. */
static bool comes_true(bool (*is_so)(uint64_t), uint64_t value)
{
    struct timespec deadline = deadline_in_ms(PATIENCE_MS);
    int error = 0;
    pthread_mutex_lock(&disk.lock);
    while (!is_so(value) && error == 0)
        error = pthread_cond_timedwait(&disk.changed, &disk.lock, &deadline);
    pthread_mutex_unlock(&disk.lock);
    return error == 0;
}

static bool room_told(uint64_t count)
{
    return room_count >= count;
}

static bool writes_made(uint64_t count)
{
    return disk.write_count >= count;
}

/* Write number `nth` waits, and those after it. */
static void close_gate(unsigned nth)
{
    io_layer_gate_close(&gate, LOGFILE_SIM_WRITE, nth - 1, 0);
}

static bool gate_is_reached(void)
{
    return io_layer_gate_is_reached(&gate, PATIENCE_MS);
}

static void set_capacity(uint64_t capacity)
{
    pthread_mutex_lock(&disk.lock);
    disk.capacity = capacity;
    pthread_mutex_unlock(&disk.lock);
}

static unsigned disk_write_count(void)
{
    pthread_mutex_lock(&disk.lock);
    unsigned count = disk.write_count;
    pthread_mutex_unlock(&disk.lock);
    return count;
}

static unsigned call_count(void)
{
    pthread_mutex_lock(&disk.lock);
    unsigned count = disk.allocate_count + disk.write_count + disk.sync_count;
    pthread_mutex_unlock(&disk.lock);
    return count;
}

/* Waiting without a timeout, for a claim that gets far enough or for a request. */
static bool is_asleep(void)
{
    pthread_mutex_lock(&preparer.lock);
    bool asleep = preparer.wake_at != UINT64_MAX && !preparer.retry &&
                  (!preparer.zeros.filling || preparer.zeros.written_to >= preparer.allocated);
    pthread_mutex_unlock(&preparer.lock);
    return asleep;
}

static void wait_until_asleep(void)
{
    for (unsigned ms = 0; !is_asleep() && ms < PATIENCE_MS; ms++)
        sleep_us(1000);
    ck_assert(is_asleep());
}

/* It cannot be shown that a thread will do nothing, only that it sleeps and has done nothing. */
static void assert_stays_asleep(void)
{
    wait_until_asleep();
    unsigned count = call_count();
    sleep_us(30000);
    ck_assert(is_asleep());
    ck_assert_uint_eq(call_count(), count);
}

static void wait_for_failure(void)
{
    for (unsigned ms = 0; !lf_store_has_failed(&store) && ms < PATIENCE_MS; ms++)
        sleep_us(1000);
    ck_assert(lf_store_has_failed(&store));
}

static void assert_failure(int error, const char *call)
{
    struct logfile_failure failure;
    wait_for_failure();
    lf_store_failure(&store, &failure);
    ck_assert_int_eq(failure.error, error);
    ck_assert_str_eq(failure.call, call);
}

/* A claim that wakes the thread says so until the thread has looked. */
static void claim_without_waking(unsigned count)
{
    unsigned wake_count = 0;
    for (unsigned i = 0; i < count; i++) {
        claim_to(claimed + BLOCK);
        wake_count += !is_asleep();
    }
    ck_assert_uint_eq(wake_count, 0);
}

/* Wakes the thread, which has nothing to do. */
static void assert_finds_nothing_to_do(void)
{
    unsigned count = call_count();
    unsigned told = room_count;
    lf_preparer_request(&preparer, HEAD);
    ck_assert(comes_true(room_told, told + 1));
    wait_until_asleep();
    ck_assert_uint_eq(call_count(), count);
}

/* The writes, in order, cover [from, to) once and without a gap. */
static void assert_written_once(unsigned first, uint64_t from, uint64_t to)
{
    for (unsigned i = first; from < to; i++) {
        ck_assert_uint_lt(i, disk.write_count);
        ck_assert_uint_eq(disk.writes[i].from, from);
        from = disk.writes[i].to;
    }
    ck_assert_uint_eq(from, to);
}

/* ---- Starting ---------------------------------------------------------------------------------*/

START_TEST(first_room_is_allocated_by_the_caller)
{
    config.mode = LOGFILE_PREPARE_ALLOCATE;
    start();
    ck_assert(lf_preparer_has_room(&preparer, HEAD + ROOM));
    ck_assert_int_eq(lf_preparer_room_error(&preparer), 0);
    ck_assert(pthread_equal(disk.allocated_by, pthread_self()));
    stop();
}
END_TEST

START_TEST(start_tells_that_a_disk_is_broken)
{
    disk.allocate_error = -EIO;
    open_store();
    ck_assert_int_eq(lf_preparer_start(&preparer, &store, &config), -EIO);
    lf_preparer_stop(&preparer);
    lf_store_close(&store);
}
END_TEST

static void start_without_room(int expected)
{
    start();
    ck_assert(!lf_preparer_has_room(&preparer, HEAD + BLOCK));
    ck_assert_int_eq(lf_preparer_room_error(&preparer), expected);
    ck_assert_uint_le(disk.allocated, HEAD);
    wait_until_asleep();
    set_capacity(UINT64_MAX);
    pthread_mutex_lock(&disk.lock);
    disk.allocate_error = 0;
    pthread_mutex_unlock(&disk.lock);
    unsigned told = room_count;
    lf_preparer_await(&preparer, HEAD, HEAD + ROOM);
    ck_assert(comes_true(room_told, told + 1));
    ck_assert(lf_preparer_has_room(&preparer, HEAD + ROOM));
    ck_assert_int_eq(lf_preparer_room_error(&preparer), 0);
    ck_assert(!lf_store_has_failed(&store));
    stop();
}

/* Loop test: what keeps the first room from being there. */
START_TEST(start_without_room_is_no_error)
{
    static const int errors[] = {-ENOSPC, -EDQUOT, -EACCES, -EMFILE};
    config.mode = LOGFILE_PREPARE_ALLOCATE;
    disk.no_allocate = _i == 5;
    disk.capacity = _i >= 4 ? HEAD + ROOM - BLOCK : UINT64_MAX;
    disk.allocate_error = _i < 4 ? errors[_i] : 0;
    start_without_room(_i < 4 ? errors[_i] : -ENOSPC);
}
END_TEST

/* One file of which nothing is prepared: but its first block is got before it is written. */
START_TEST(without_preparing_the_first_block_is_got)
{
    config.mode = LOGFILE_PREPARE_NONE;
    disk.no_allocate = _i == 1;
    disk.capacity = HEAD;
    start_without_room(-ENOSPC);
    ck_assert_uint_eq(disk.write_count, _i == 1 ? 2 : 0);
}
END_TEST

START_TEST(without_preparing_nothing_is_done)
{
    config.mode = LOGFILE_PREPARE_NONE;
    start();
    claim_to(HEAD + MIB);
    lf_preparer_request(&preparer, HEAD + TIB);
    ck_assert(lf_preparer_has_room(&preparer, LF_LSN_END));
    ck_assert(!lf_preparer_has_room(&preparer, LF_LSN_END + 1));
    ck_assert_int_eq(lf_preparer_room_error(&preparer), -EFBIG);
    stop();
    ck_assert_uint_eq(call_count(), 1);
    ck_assert_uint_eq(disk.allocated, HEAD + BLOCK);
}
END_TEST

static struct {
    void *arg;
    enum logfile_thread role;
    char name[16];
    bool all_signals_are_blocked;
} seen;

static void look_at_thread(void *arg, enum logfile_thread role)
{
    sigset_t blocked;
    seen.arg = arg;
    seen.role = role;
    pthread_getname_np(pthread_self(), seen.name, sizeof seen.name);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    seen.all_signals_are_blocked = true;
    for (int signal_number = 1; signal_number < 32; signal_number++) {
        bool can_be = signal_number != SIGKILL && signal_number != SIGSTOP;
        if (can_be && !sigismember(&blocked, signal_number))
            seen.all_signals_are_blocked = false;
    }
}

START_TEST(thread_is_named_and_takes_no_signals)
{
    sigset_t blocked;
    config.thread_start = look_at_thread;
    config.thread_arg = &disk;
    start();
    stop();
    ck_assert_ptr_eq(seen.arg, &disk);
    ck_assert_int_eq(seen.role, LOGFILE_THREAD_PREPARER);
    ck_assert_str_eq(seen.name, "lf-preparer");
    ck_assert(seen.all_signals_are_blocked);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    ck_assert(!sigismember(&blocked, SIGTERM));
}
END_TEST

/* ---- Allocating -------------------------------------------------------------------------------*/

START_TEST(allocated_stays_ahead)
{
    config.mode = LOGFILE_PREPARE_ALLOCATE;
    start();
    wait_until_asleep();
    ck_assert(lf_preparer_has_room(&preparer, HEAD + PREPARE));
    unsigned count = call_count();
    claim_to(HEAD + MIB);
    claim_to(HEAD + PREPARE / 2); /* what is left is the low mark */
    assert_stays_asleep();
    ck_assert_uint_eq(call_count(), count);
    claim_to(HEAD + PREPARE / 2 + BLOCK);
    wait_until_asleep();
    ck_assert(lf_preparer_has_room(&preparer, claimed + PREPARE));
    ck_assert_uint_eq(call_count(), count + 2); /* allocate, sync */
    stop();
    ck_assert_uint_eq(disk.write_count, 0);
}
END_TEST

/* More room than prepare_bytes is asked for; still not every claim may cause an allocation. */
START_TEST(allocated_stays_ahead_of_large_slots)
{
    config.mode = LOGFILE_PREPARE_ALLOCATE;
    config.prepare_bytes = BLOCK;
    start();
    wait_until_asleep();
    unsigned count = disk.allocate_count;
    while (claimed < HEAD + 4 * ROOM) {
        claim_to(claimed + MIB);
        wait_until_asleep();
        ck_assert(lf_preparer_has_room(&preparer, claimed + ROOM));
    }
    ck_assert_uint_le(disk.allocate_count, count + 4);
    stop();
}
END_TEST

START_TEST(room_comes_when_asked_for)
{
    config.mode = LOGFILE_PREPARE_ALLOCATE;
    start();
    wait_until_asleep();
    unsigned told = room_count;
    lf_preparer_request(&preparer, HEAD + 10 * PREPARE + 1);
    ck_assert(comes_true(room_told, told + 1));
    ck_assert(lf_preparer_has_room(&preparer, HEAD + 10 * PREPARE + 1));
    ck_assert_int_eq(lf_preparer_room_error(&preparer), 0);
    stop();
}
END_TEST

/* Whoever asks may have looked just before the room came. */
START_TEST(asking_for_room_that_is_there_is_answered)
{
    config.mode = LOGFILE_PREPARE_ALLOCATE;
    start();
    wait_until_asleep();
    unsigned told = room_count;
    unsigned count = call_count();
    lf_preparer_request(&preparer, HEAD + ROOM);
    ck_assert(comes_true(room_told, told + 1));
    assert_stays_asleep();
    ck_assert_uint_eq(call_count(), count);
    stop();
}
END_TEST

START_TEST(full_disk_gives_what_is_left)
{
    config.mode = LOGFILE_PREPARE_ALLOCATE;
    disk.capacity = HEAD + ROOM + 4 * MIB;
    start();
    assert_stays_asleep();
    ck_assert_int_eq(lf_preparer_room_error(&preparer), 0); /* nobody lacks anything yet */
    unsigned told = room_count;
    lf_preparer_request(&preparer, HEAD + ROOM + 4 * MIB);
    ck_assert(comes_true(room_told, told + 1));
    ck_assert(lf_preparer_has_room(&preparer, HEAD + ROOM + 4 * MIB));
    ck_assert_int_eq(lf_preparer_room_error(&preparer), 0);
    ck_assert(!lf_store_has_failed(&store));
    stop();
}
END_TEST

static void ask_in_vain(uint64_t end, int expected)
{
    unsigned told = room_count;
    lf_preparer_request(&preparer, end);
    ck_assert(comes_true(room_told, told + 1));
    ck_assert(!lf_preparer_has_room(&preparer, end));
    ck_assert_int_eq(lf_preparer_room_error(&preparer), expected);
}

START_TEST(full_disk_is_told_and_may_empty)
{
    config.mode = LOGFILE_PREPARE_ALLOCATE;
    disk.capacity = HEAD + ROOM;
    start();
    assert_stays_asleep();
    const uint64_t end = HEAD + ROOM + BLOCK;
    ask_in_vain(end, -ENOSPC);
    wait_until_asleep();
    ask_in_vain(end, -ENOSPC);
    set_capacity(UINT64_MAX);
    assert_stays_asleep();
    unsigned told = room_count;
    lf_preparer_request(&preparer, end);
    ck_assert(comes_true(room_told, told + 1));
    ck_assert(lf_preparer_has_room(&preparer, end));
    ck_assert_int_eq(lf_preparer_room_error(&preparer), 0);
    ck_assert(!lf_store_has_failed(&store));
    stop();
}
END_TEST

/* The log ends at HEAD + MIB, and needs ROOM to go on: what it has of that it cannot use. */
START_TEST(full_disk_gets_back_what_is_of_no_use)
{
    const uint64_t end = HEAD + MIB;
    disk.capacity = HEAD + ROOM + BLOCK;
    start();
    wait_until_asleep();
    claim_to(end);
    unsigned told = room_count;
    lf_preparer_await(&preparer, end + BLOCK, end + ROOM);
    ck_assert(comes_true(room_told, told + 1));
    ck_assert_int_eq(lf_preparer_room_error(&preparer), -ENOSPC);
    ck_assert(lf_preparer_has_room(&preparer, end + BLOCK));
    ck_assert_uint_eq(disk.allocated, end + BLOCK);
    claim_to(end + BLOCK); /* a CLOSE epoch */
    wait_until_asleep();
    set_capacity(UINT64_MAX);
    told = room_count;
    lf_preparer_request(&preparer, 0);
    ck_assert(comes_true(room_told, told + 1));
    ck_assert(lf_preparer_has_room(&preparer, end + ROOM));
    wait_until_asleep();
    stop();
}
END_TEST

/* However often it is asked: after a refusal a full disk is left alone for a while. */
START_TEST(full_disk_is_not_tried_at_once_again)
{
    config.mode = LOGFILE_PREPARE_ALLOCATE;
    disk.capacity = HEAD + ROOM;
    start();
    wait_until_asleep();
    uint64_t before_ns = now_ns();
    ask_in_vain(HEAD + ROOM + BLOCK, -ENOSPC);
    wait_until_asleep();
    ck_assert_uint_gt(preparer.try_at_ns, before_ns);
    set_capacity(UINT64_MAX);
    unsigned told = room_count;
    lf_preparer_retry(&preparer); /* unless there is news of it */
    ck_assert(comes_true(room_told, told + 1));
    ck_assert_int_eq(lf_preparer_room_error(&preparer), 0);
    wait_until_asleep();
    ck_assert_uint_eq(preparer.try_at_ns, 0);
    stop();
}
END_TEST

START_TEST(full_disk_is_tried_again_as_the_log_gets_on)
{
    config.mode = LOGFILE_PREPARE_ALLOCATE;
    disk.capacity = HEAD + ROOM;
    start();
    assert_stays_asleep();
    unsigned count = call_count();
    claim_without_waking(200);
    ck_assert_uint_eq(call_count(), count);
    set_capacity(UINT64_MAX);
    claim_to(HEAD + 2 * MIB);
    wait_until_asleep();
    ck_assert(lf_preparer_has_room(&preparer, claimed + PREPARE));
    stop();
}
END_TEST

START_TEST(broken_allocate_fails_the_store)
{
    config.mode = LOGFILE_PREPARE_ALLOCATE;
    start();
    wait_until_asleep();
    pthread_mutex_lock(&disk.lock);
    disk.allocate_error = -EIO;
    pthread_mutex_unlock(&disk.lock);
    unsigned told = room_count;
    lf_preparer_request(&preparer, HEAD + 2 * PREPARE);
    ck_assert(comes_true(room_told, told + 1));
    assert_failure(-EIO, "allocate");
    unsigned count = call_count();
    lf_preparer_request(&preparer, HEAD + 3 * PREPARE); /* answered, and nothing done */
    ck_assert(comes_true(room_told, told + 2));
    ck_assert_uint_eq(call_count(), count);
    stop();
}
END_TEST

/* ---- Allocating by writing --------------------------------------------------------------------*/

START_TEST(disk_that_cannot_allocate_is_written)
{
    disk.no_allocate = true;
    start();
    wait_until_asleep();
    claim_to(HEAD + 12 * MIB);
    wait_until_asleep();
    ck_assert(lf_preparer_has_room(&preparer, claimed + ROOM));
    uint64_t end = preparer.allocated;
    stop();
    assert_written_once(0, HEAD, end);
    ck_assert_uint_eq(preparer.zero_fill_bytes, end - HEAD);
    ck_assert_uint_eq(preparer.zero_fill_ns.count, disk.write_count);
    ck_assert_uint_eq(preparer.zero_sync_ns.count, disk.sync_count);
    ck_assert_uint_eq(store.device_bytes, end - HEAD);
    ck_assert_uint_eq(disk.allocate_count, 1);
}
END_TEST

START_TEST(disk_that_cannot_allocate_may_be_full)
{
    disk.no_allocate = true;
    disk.capacity = HEAD + ROOM + 2 * MIB;
    start();
    wait_until_asleep();
    ask_in_vain(HEAD + 2 * ROOM, -ENOSPC);
    ck_assert(!lf_store_has_failed(&store));
    set_capacity(UINT64_MAX);
    unsigned told = room_count;
    lf_preparer_request(&preparer, HEAD + 2 * ROOM);
    ck_assert(comes_true(room_told, told + 1));
    ck_assert(lf_preparer_has_room(&preparer, HEAD + 2 * ROOM));
    stop();
}
END_TEST

/* ---- Writing zeros ----------------------------------------------------------------------------*/

START_TEST(idle_log_gets_a_few_zeros_and_then_nothing)
{
    start();
    assert_stays_asleep();
    stop();
    assert_written_once(0, HEAD, HEAD + FIRST_TARGET);
    ck_assert_uint_eq(disk.write_count, FIRST_TARGET / CHUNK);
    ck_assert_uint_eq(disk.unsynced_count, 0);
    ck_assert_uint_eq(preparer.zero_fill_bytes, FIRST_TARGET);
    ck_assert_uint_eq(store.device_bytes, FIRST_TARGET);
    ck_assert_uint_eq(preparer.zero_fill_ns.count, FIRST_TARGET / CHUNK);
    /* Room was allocated first, and synced: that is none of the zeros' syncs. */
    ck_assert_uint_eq(preparer.zero_sync_ns.count, 1);
    ck_assert_uint_ge(disk.sync_count, preparer.zero_sync_ns.count);
}
END_TEST

START_TEST(zeros_are_timed)
{
    disk.write_us = 2000;
    start();
    wait_until_asleep();
    stop();
    const struct logfile_histogram *times = &preparer.zero_fill_ns;
    ck_assert_uint_eq(times->count, FIRST_TARGET / CHUNK);
    ck_assert_uint_ge(times->sum, times->count * 2000000);
    ck_assert_uint_ge(logfile_histogram_percentile(times, 0), 2000000);
    ck_assert_uint_le(times->max, times->sum);
}
END_TEST

START_TEST(zeros_that_went_wrong_are_not_timed)
{
    if (_i == 0)
        disk.write_error = -EIO;
    else
        disk.sync_error = -EIO;
    start();
    wait_for_failure();
    stop();
    ck_assert_uint_eq(preparer.zero_fill_ns.count * CHUNK, preparer.zero_fill_bytes);
    ck_assert_uint_eq(preparer.zero_sync_ns.count, 0);
}
END_TEST

START_TEST(zeros_are_written_when_half_are_used_up)
{
    start();
    wait_until_asleep();
    unsigned count = call_count();
    claim_without_waking(FIRST_TARGET / 2 / BLOCK);
    assert_finds_nothing_to_do();
    ck_assert_uint_eq(call_count(), count);
    claim_to(claimed + BLOCK);
    ck_assert(comes_true(writes_made, FIRST_TARGET / CHUNK + 1));
    wait_until_asleep();
    stop();
    assert_written_once(0, HEAD, claimed + FIRST_TARGET);
}
END_TEST

START_TEST(zeros_grow_with_the_log)
{
    start();
    while (claimed < HEAD + 48 * MIB) {
        wait_until_asleep();
        claim_to(claimed + MIB);
    }
    wait_until_asleep();
    ck_assert_uint_ge(preparer.zeros.written_to, claimed + 48 * MIB / 3);
    ck_assert_uint_le(preparer.zeros.written_to, claimed + 48 * MIB);
    while (claimed < HEAD + 200 * MIB) {
        wait_until_asleep();
        claim_to(claimed + MIB);
    }
    wait_until_asleep();
    ck_assert_uint_ge(preparer.zeros.written_to, claimed + PREPARE / 2);
    ck_assert_uint_le(preparer.zeros.written_to, claimed + PREPARE);
    stop();
    assert_written_once(0, HEAD, preparer.zeros.written_to);
}
END_TEST

START_TEST(syncs_are_few_when_direct_and_many_when_buffered)
{
    for (unsigned direct = 0; direct < 2; direct++) {
        setup();
        open_store();
        store.facts.direct = direct;
        store.facts.direct_unproven = !direct;
        config.prepare_bytes = 2 * PREPARE;
        ck_assert_int_eq(lf_preparer_start(&preparer, &store, &config), 0);
        wait_until_asleep();
        claim_to(HEAD + PREPARE); /* the target is as large now */
        wait_until_asleep();
        ck_assert_uint_eq(disk.unsynced_max, direct ? 32 : 4);
        ck_assert_uint_eq(disk.unsynced_count, 0);
        stop();
    }
}
END_TEST

START_TEST(log_that_never_syncs_does_not_sync_zeros)
{
    sync_method = LOGFILE_SYNC_NONE;
    start();
    wait_until_asleep();
    stop();
    ck_assert_uint_gt(disk.write_count, 0);
    ck_assert_uint_eq(disk.sync_count, 0);
    ck_assert_uint_eq(preparer.zero_fill_ns.count, disk.write_count);
    ck_assert_uint_eq(preparer.zero_sync_ns.count, 0);
}
END_TEST

START_TEST(zeros_stop_where_the_disk_is_full)
{
    disk.capacity = HEAD + ROOM;
    start();
    while (claimed < HEAD + 14 * MIB) {
        wait_until_asleep();
        claim_to(claimed + MIB);
    }
    assert_stays_asleep();
    ck_assert_uint_eq(preparer.zeros.written_to, HEAD + ROOM);
    ck_assert(!lf_store_has_failed(&store));
    stop();
}
END_TEST

START_TEST(failed_zeros_fail_the_store)
{
    disk.write_error = -EIO;
    start();
    assert_failure(-EIO, "zero-fill");
    claim_to(HEAD + BLOCK); /* is let go of the chunk that failed */
    unsigned told = room_count;
    lf_preparer_request(&preparer, HEAD + TIB);
    ck_assert(comes_true(room_told, told + 1));
    stop();
    ck_assert_uint_eq(disk.write_count, 1);
}
END_TEST

START_TEST(failed_sync_of_zeros_fails_the_store)
{
    disk.sync_error = -EIO;
    start();
    assert_failure(-EIO, "sync");
    stop();
    ck_assert_uint_eq(disk.sync_count, 1);
}
END_TEST

/* ---- A claim and a chunk in flight ------------------------------------------------------------*/

struct claimer {
    pthread_t thread;
    uint64_t from;
    uint64_t to;
    uint32_t has_returned;
};

static void *claim_in_thread(void *arg)
{
    struct claimer *claimer = arg;
    lf_preparer_claim(&preparer, claimer->from, claimer->to);
    __atomic_store_n(&claimed, claimer->to, __ATOMIC_RELEASE);
    __atomic_store_n(&claimer->has_returned, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void begin_claim(struct claimer *claimer, uint64_t to)
{
    *claimer = (struct claimer){.from = claimed, .to = to};
    ck_assert_int_eq(pthread_create(&claimer->thread, NULL, claim_in_thread, claimer), 0);
}

static bool waits_for_chunk(void)
{
    pthread_mutex_lock(&preparer.lock);
    bool waits = preparer.zero_fill_waits > 0;
    pthread_mutex_unlock(&preparer.lock);
    return waits;
}

/* The claimer has counted its wait under the lock that it now sleeps on: it is in it. */
static void assert_claim_waits(struct claimer *claimer)
{
    for (unsigned ms = 0; !waits_for_chunk() && ms < PATIENCE_MS; ms++)
        sleep_us(1000);
    ck_assert(waits_for_chunk());
    ck_assert_uint_eq(__atomic_load_n(&claimer->has_returned, __ATOMIC_ACQUIRE), 0);
}

static void end_claim(struct claimer *claimer)
{
    pthread_join(claimer->thread, NULL);
    ck_assert_uint_eq(claimer->has_returned, 1);
}

START_TEST(claim_waits_for_the_chunk_in_flight)
{
    struct claimer claimer;
    close_gate(1);
    start();
    ck_assert(gate_is_reached());
    begin_claim(&claimer, HEAD + BLOCK);
    assert_claim_waits(&claimer);
    io_layer_gate_open(&gate);
    end_claim(&claimer);
    wait_until_asleep();
    stop();
    ck_assert_uint_eq(preparer.zero_fill_waits, 1);
}
END_TEST

START_TEST(claim_waits_for_no_other_chunk)
{
    struct claimer claimer;
    close_gate(2); /* the second chunk hangs */
    start();
    ck_assert(gate_is_reached());
    claim_to(HEAD + BLOCK);
    claim_to(HEAD + CHUNK);
    ck_assert_uint_eq(preparer.zero_fill_waits, 0);
    begin_claim(&claimer, HEAD + CHUNK + BLOCK);
    assert_claim_waits(&claimer);
    io_layer_gate_open(&gate);
    end_claim(&claimer);
    stop();
}
END_TEST

/* The log claims more than was prepared.  Gives a time before that claim. */
static uint64_t overtake(uint64_t to)
{
    struct claimer claimer;
    uint64_t before_ns;
    close_gate(1);
    start();
    ck_assert(gate_is_reached());
    begin_claim(&claimer, to);
    assert_claim_waits(&claimer);
    before_ns = now_ns();
    io_layer_gate_open(&gate);
    end_claim(&claimer);
    return before_ns;
}

START_TEST(overtaken_zeros_start_again_at_a_log_that_rests)
{
    overtake(HEAD + 10 * MIB);
    wait_until_asleep();
    stop();
    assert_written_once(1, HEAD + 10 * MIB, preparer.zeros.written_to);
    ck_assert_uint_gt(disk.write_count, 1);
}
END_TEST

/* A pause of this thread is a rest of the log; a test with one says nothing.  Nor does one where the
 * preparer takes so long from its choice to the write that the log would come near meanwhile. */
START_TEST(overtaken_zeros_start_again_well_ahead_of_a_log_that_moves)
{
    const uint64_t overtaken = HEAD + 10 * MIB;
    bool has_rested = false;
    uint64_t last_ns = overtake(overtaken);
    while (disk_write_count() < 2) {
        if (claimed < overtaken + MIB)
            claim_to(claimed + BLOCK);
        else
            has_rested = true;
        sleep_us(500);
        has_rested |= now_ns() - last_ns > 10000000;
        last_ns = now_ns();
    }
    ck_assert(has_rested || disk.writes[1].from >= claimed + 2 * MIB);
    stop();
}
END_TEST

/* Each pause that is long enough to be taken for the end of the stream may be used for zeros. */
START_TEST(fast_stream_is_left_alone)
{
    const unsigned claim_count = 200;
    unsigned pause_count = 1;
    start();
    wait_until_asleep();
    for (unsigned i = 0; i < claim_count; i++) {
        uint64_t before_ns = now_ns();
        claim_to(claimed + TIB);
        sleep_us(1000);
        pause_count += now_ns() - before_ns >= 4000000;
    }
    uint64_t bytes = __atomic_load_n(&preparer.zero_fill_bytes, __ATOMIC_RELAXED);
    ck_assert_uint_le(bytes, FIRST_TARGET + pause_count * PREPARE);
    wait_until_asleep(); /* now there is time */
    ck_assert_uint_ge(preparer.zeros.written_to, claimed + PREPARE / 2);
    stop();
}
END_TEST

/* Claims of all sizes, at all speeds: stop() looks at what must not be. */
START_TEST(zeros_never_land_below_what_is_claimed)
{
    struct rng rng = {.state = (uint64_t)_i};
    const uint64_t claim_count = scaled(150, 400, 20000);
    disk.write_us = rng_below(&rng, 2) * 200;
    start();
    for (uint64_t i = 0; i < claim_count; i++) {
        uint64_t blocks = 1 + rng_below(&rng, rng_one_in(&rng, 8) ? 1024 : 16);
        while (!lf_preparer_has_room(&preparer, claimed + blocks * BLOCK))
            sleep_us(100);
        claim_to(claimed + blocks * BLOCK);
        if (rng_one_in(&rng, 4))
            sleep_us(rng_below(&rng, rng_one_in(&rng, 16) ? 20000 : 400));
    }
    wait_until_asleep();
    ck_assert_uint_gt(disk.write_count, 0);
    stop();
}
END_TEST

/* ---- Stopping ---------------------------------------------------------------------------------*/

static void *stop_in_thread(void *arg)
{
    (void)arg;
    lf_preparer_stop(&preparer);
    return NULL;
}

static bool is_stopping(void)
{
    pthread_mutex_lock(&preparer.lock);
    bool stopping = preparer.stop;
    pthread_mutex_unlock(&preparer.lock);
    return stopping;
}

/* Stops while write `number` is under way: it is the last. */
static void stop_during_write(unsigned number)
{
    pthread_t thread;
    ck_assert(gate_is_reached());
    ck_assert_int_eq(pthread_create(&thread, NULL, stop_in_thread, NULL), 0);
    for (unsigned ms = 0; !is_stopping() && ms < PATIENCE_MS; ms++)
        sleep_us(1000);
    io_layer_gate_open(&gate);
    pthread_join(thread, NULL);
    stop();
    ck_assert_uint_eq(disk.write_count, number);
}

START_TEST(stop_waits_for_one_chunk)
{
    close_gate(2);
    start();
    stop_during_write(2);
}
END_TEST

START_TEST(stop_waits_for_one_chunk_of_allocating)
{
    const unsigned number = ROOM / CHUNK + 2;
    disk.no_allocate = true;
    close_gate(number);
    start();
    claim_to(HEAD + MIB);
    stop_during_write(number);
}
END_TEST

START_TEST(stop_ends_a_back_off_and_a_sleep)
{
    start();
    wait_until_asleep();
    stop();
    setup();
    start();
    wait_until_asleep();
    claim_to(HEAD + TIB);
    stop();
    claim_to(HEAD + 2 * TIB); /* harmless */
    ck_assert_int_eq(lf_preparer_room_error(&preparer), 0);
}
END_TEST

/* ---- On a real file ---------------------------------------------------------------------------*/

static const char *path;

static void open_real_store(enum logfile_io_mode mode)
{
    struct logfile_options options = {.io_mode = mode};
    struct lf_store_create create = {.slot_bytes = MIB};
    bool created;
    char message[256];
    int error = lf_store_open(&store, path, &options, &create, &created, message);
    ck_assert_msg(error == 0, "%s", message);
}

static void commit_blocks(uint8_t *buffer, uint64_t blocks)
{
    uint64_t from = claimed;
    for (uint64_t i = 0; i < blocks; i++)
        payload_fill(buffer + i * BLOCK, BLOCK, from + i * BLOCK);
    claim_to(from + blocks * BLOCK);
    ck_assert_int_eq(lf_store_commit(&store, buffer, blocks * BLOCK, from), 0);
}

static void assert_blocks_are_as_committed(uint8_t *buffer)
{
    for (uint64_t at = HEAD; at < claimed; at += BLOCK) {
        ck_assert_int_eq(lf_file_read(&store.file, at, buffer, BLOCK), BLOCK);
        ck_assert_msg(payload_matches(buffer, BLOCK, at), "block at %llu", (unsigned long long)at);
    }
}

START_TEST(zeros_and_commits_do_not_meet_on_disk)
{
    struct rng rng = {.state = 7};
    void *buffer = NULL;
    enter_folder();
    path = folder_path("log");
    open_real_store(_i == 0 ? LOGFILE_IO_AUTO : LOGFILE_IO_BUFFERED);
    config.prepare_bytes = 8 * MIB;
    config.room = 2 * MIB;
    ck_assert_int_eq(posix_memalign(&buffer, BLOCK, MIB), 0);
    ck_assert_int_eq(lf_preparer_start(&preparer, &store, &config), 0);
    while (claimed < HEAD + 24 * MIB) {
        while (!lf_preparer_has_room(&preparer, claimed + MIB))
            sleep_us(100);
        commit_blocks(buffer, 1 + rng_below(&rng, rng_one_in(&rng, 4) ? 256 : 16));
    }
    wait_until_asleep();
    assert_blocks_are_as_committed(buffer);
    lf_preparer_stop(&preparer);
    lf_file_shrink(&store.file, claimed);
    assert_blocks_are_as_committed(buffer);
    ck_assert_uint_gt(preparer.zero_fill_bytes, 0);
    lf_store_close(&store);
    free(buffer);
    leave_folder();
}
END_TEST

/* ---- The suite --------------------------------------------------------------------------------*/

static TCase *allocating(void)
{
    TCase *tcase = tcase_create("allocating");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, first_room_is_allocated_by_the_caller);
    tcase_add_test(tcase, start_tells_that_a_disk_is_broken);
    tcase_add_loop_test(tcase, start_without_room_is_no_error, 0, 6);
    tcase_add_loop_test(tcase, without_preparing_the_first_block_is_got, 0, 2);
    tcase_add_test(tcase, without_preparing_nothing_is_done);
    tcase_add_test(tcase, thread_is_named_and_takes_no_signals);
    tcase_add_test(tcase, allocated_stays_ahead);
    tcase_add_test(tcase, allocated_stays_ahead_of_large_slots);
    tcase_add_test(tcase, room_comes_when_asked_for);
    tcase_add_test(tcase, asking_for_room_that_is_there_is_answered);
    tcase_add_test(tcase, full_disk_gives_what_is_left);
    tcase_add_test(tcase, full_disk_is_told_and_may_empty);
    tcase_add_test(tcase, full_disk_gets_back_what_is_of_no_use);
    tcase_add_test(tcase, full_disk_is_not_tried_at_once_again);
    tcase_add_test(tcase, full_disk_is_tried_again_as_the_log_gets_on);
    tcase_add_test(tcase, broken_allocate_fails_the_store);
    tcase_add_test(tcase, disk_that_cannot_allocate_is_written);
    tcase_add_test(tcase, disk_that_cannot_allocate_may_be_full);
    return tcase;
}

static TCase *zeros(void)
{
    TCase *tcase = tcase_create("zeros");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, idle_log_gets_a_few_zeros_and_then_nothing);
    tcase_add_test(tcase, zeros_are_timed);
    tcase_add_loop_test(tcase, zeros_that_went_wrong_are_not_timed, 0, 2);
    tcase_add_test(tcase, zeros_are_written_when_half_are_used_up);
    tcase_add_test(tcase, zeros_grow_with_the_log);
    tcase_add_test(tcase, syncs_are_few_when_direct_and_many_when_buffered);
    tcase_add_test(tcase, log_that_never_syncs_does_not_sync_zeros);
    tcase_add_test(tcase, zeros_stop_where_the_disk_is_full);
    tcase_add_test(tcase, failed_zeros_fail_the_store);
    tcase_add_test(tcase, failed_sync_of_zeros_fails_the_store);
    tcase_add_test(tcase, fast_stream_is_left_alone);
    return tcase;
}

static TCase *races(void)
{
    TCase *tcase = tcase_create("races");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, claim_waits_for_the_chunk_in_flight);
    tcase_add_test(tcase, claim_waits_for_no_other_chunk);
    tcase_add_test(tcase, overtaken_zeros_start_again_at_a_log_that_rests);
    tcase_add_test(tcase, overtaken_zeros_start_again_well_ahead_of_a_log_that_moves);
    tcase_add_loop_test(tcase, zeros_never_land_below_what_is_claimed, 0, 8);
    tcase_add_test(tcase, stop_waits_for_one_chunk);
    tcase_add_test(tcase, stop_waits_for_one_chunk_of_allocating);
    tcase_add_test(tcase, stop_ends_a_back_off_and_a_sleep);
    tcase_add_loop_test(tcase, zeros_and_commits_do_not_meet_on_disk, 0, 2);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("preparer");
    suite_add_tcase(suite, allocating());
    suite_add_tcase(suite, zeros());
    suite_add_tcase(suite, races());
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed_count = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed_count == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
