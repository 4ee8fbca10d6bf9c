/* SPDX-License-Identifier: MIT */
/*
 * A device that hangs can be seen in logfile_stats while it hangs: which call, for how long, of which
 * LSN, and how much is pending.  Under each engine and flusher, for the calls of a commit, of the
 * preparer and of a trim, and for a writer that is late to publish.  Looking never blocks: the thread
 * that looks is the test's only one that is free.
 */
#include "format/checksum.h"
#include "hung_disk.h"
#include "ring/log.h"

#include <errno.h>

#define LOG_PATH "inflight.log"

static struct hung_disk disk;
static struct variant variant;
static struct logfile *hung_log;

static void begin(int index, enum logfile_prepare prepare)
{
    engine_variant_get((unsigned)index, &variant);
    watchdog_start(120, variant.name);
    hung_disk_init(&disk);
    variant.options.slot_bytes = 8 << 10;
    variant.options.prepare = prepare;
    variant.options.prepare_bytes = 64 << 10;
    variant.options.io = &disk.layer.io;
    variant.options.thread_start = hung_disk_thread_start;
    variant.options.thread_arg = &disk;
    ck_assert_int_eq(logfile_open(LOG_PATH, &variant.options, NULL, &hung_log), 0);
}

static struct logfile_stats look(void)
{
    struct logfile_stats stats;

    ck_assert_int_eq(logfile_stats(hung_log, &stats, sizeof stats), 0);
    return stats;
}

/* Nothing is pending, and sooner or later nothing is under way. */
static void end(void)
{
    struct logfile_stats stats;

    ck_assert_int_eq(logfile_sync(hung_log, NULL), 0);
    ck_assert_uint_eq(look().pending_bytes, 0);
    while ((stats = look()).inflight_ns != 0)
        sleep_us(1000);
    ck_assert_uint_eq(stats.inflight_call, LOGFILE_CALL_NONE);
    ck_assert_uint_eq(stats.inflight_lsn, 0);
    ck_assert_int_eq(logfile_close(hung_log), 0);
    hung_disk_free(&disk);
    watchdog_stop();
}

static void hang(enum logfile_sim_call call, unsigned parts)
{
    hung_disk_begin(&disk, &(struct hung_call){.call = call, .parts = parts});
}

/* What hangs, for longer and longer. */
static struct logfile_stats check_hang(enum logfile_call call)
{
    struct logfile_stats first, later;

    ck_assert(hung_disk_has_caught(&disk, 60000));
    do { /* until what had begun before it is over */
        first = look();
        sleep_us(2000);
        later = look();
    } while (later.inflight_call != call || later.inflight_lsn != first.inflight_lsn ||
             later.inflight_ns < first.inflight_ns + 2000000);
    return later;
}

/* ---- Commits: each engine and flusher ---- */

static void *append(void *argument)
{
    hung_disk_join(&disk, HUNG_CALLER);
    *(int *)argument = logfile_append(hung_log, "abc", 3, NULL);
    return NULL;
}

static void check_a_commit(int index, enum logfile_sim_call what, enum logfile_call call)
{
    struct logfile_stats before, during;
    pthread_t thread;
    int error = -1;

    begin(index, LOGFILE_PREPARE_NONE);
    ck_assert_int_eq(logfile_append(hung_log, "x", 1, NULL), 0);
    before = look();
    ck_assert_uint_eq(before.pending_bytes, 0);
    hang(what, HUNG_CALLER | HUNG_SEQUENCER);
    ck_assert_int_eq(pthread_create(&thread, NULL, append, &error), 0);
    during = check_hang(call);
    ck_assert_uint_eq(during.inflight_lsn, before.durable_lsn);
    ck_assert_uint_eq(during.durable_lsn, before.durable_lsn);
    ck_assert_uint_gt(during.pending_bytes, 0);
    ck_assert_uint_le(during.pending_bytes, LF_BLOCK_BYTES);
    ck_assert_uint_eq(during.writes, before.writes + 1);
    ck_assert_uint_eq(during.syncs, before.syncs + (call == LOGFILE_CALL_SYNC));
    hung_disk_end(&disk);
    pthread_join(thread, NULL);
    ck_assert_int_eq(error, 0);
    end();
}

START_TEST(test_a_write_hangs)
{
    check_a_commit(_i, LOGFILE_SIM_WRITE, LOGFILE_CALL_WRITE);
}
END_TEST

START_TEST(test_a_sync_hangs)
{
    check_a_commit(_i, LOGFILE_SIM_SYNC, LOGFILE_CALL_SYNC);
}
END_TEST

static void *shut_down(void *argument)
{
    hung_disk_join(&disk, HUNG_CALLER);
    *(int *)argument = logfile_shutdown(hung_log, NULL);
    return NULL;
}

START_TEST(test_the_last_sync_hangs)
{
    pthread_t thread;
    int error = -1;

    begin(_i, LOGFILE_PREPARE_NONE);
    hang(LOGFILE_SIM_SYNC, HUNG_CALLER | HUNG_SEQUENCER);
    ck_assert_int_eq(pthread_create(&thread, NULL, shut_down, &error), 0);
    ck_assert_uint_eq(check_hang(LOGFILE_CALL_SYNC).inflight_lsn, logfile_durable_lsn(hung_log));
    hung_disk_end(&disk);
    pthread_join(thread, NULL);
    ck_assert_int_eq(error, 0);
    end();
}
END_TEST

/* A failed call is no longer under way, and a sync that was not made does not count. */
START_TEST(test_a_failed_write_is_over)
{
    struct logfile_sim_fault fault = {.call = LOGFILE_SIM_WRITE, .error = -EIO, .for_ever = true};
    struct logfile_stats before, after;

    begin(_i, LOGFILE_PREPARE_NONE);
    ck_assert_int_eq(logfile_append(hung_log, "x", 1, NULL), 0);
    before = look();
    logfile_sim_fault(disk.sim, &fault);
    ck_assert_int_eq(logfile_append(hung_log, "y", 1, NULL), LOGFILE_EFAILED);
    while ((after = look()).inflight_ns != 0)
        sleep_us(1000);
    ck_assert_uint_eq(after.writes, before.writes + 1);
    ck_assert_uint_eq(after.syncs, before.syncs);
    ck_assert_uint_eq(after.device_bytes, before.device_bytes);
    ck_assert_int_eq(logfile_close(hung_log), LOGFILE_EFAILED);
    hung_disk_free(&disk);
    watchdog_stop();
}
END_TEST

/* ---- The background ---- */

static uint32_t is_fed;

/* Appends until told to stop, so that the preparer has something to do. */
static void *feed(void *argument)
{
    static const uint8_t payload[4000];

    while (!__atomic_load_n(&is_fed, __ATOMIC_ACQUIRE))
        *(int *)argument |= logfile_append(hung_log, payload, sizeof payload, NULL);
    return NULL;
}

static void check_the_preparer(int index, enum logfile_prepare prepare, enum logfile_sim_call what,
                               enum logfile_call call)
{
    pthread_t thread;
    int error = 0;

    begin(index, prepare);
    hang(what, HUNG_PREPARER);
    is_fed = 0;
    ck_assert_int_eq(pthread_create(&thread, NULL, feed, &error), 0);
    ck_assert_uint_ge(check_hang(call).inflight_lsn, LF_FIRST_LSN);
    hung_disk_end(&disk);
    __atomic_store_n(&is_fed, 1, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    ck_assert_int_eq(error, 0);
    end();
}

START_TEST(test_an_allocation_hangs)
{
    check_the_preparer(_i, LOGFILE_PREPARE_ALLOCATE, LOGFILE_SIM_ALLOCATE, LOGFILE_CALL_ALLOCATE);
}
END_TEST

START_TEST(test_a_zero_fill_hangs)
{
    check_the_preparer(_i, LOGFILE_PREPARE_ZERO, LOGFILE_SIM_WRITE, LOGFILE_CALL_ZERO_FILL);
}
END_TEST

START_TEST(test_a_sync_of_the_preparer_hangs)
{
    check_the_preparer(_i, LOGFILE_PREPARE_ALLOCATE, LOGFILE_SIM_SYNC, LOGFILE_CALL_SYNC);
}
END_TEST

static void *trim(void *argument)
{
    hung_disk_join(&disk, HUNG_TRIMMER);
    *(int *)argument = logfile_trim(hung_log, logfile_durable_lsn(hung_log));
    return NULL;
}

static void check_a_trim(int index, enum logfile_sim_call what, enum logfile_call call)
{
    pthread_t thread;
    int error = -1;

    begin(index, LOGFILE_PREPARE_NONE);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(logfile_append(hung_log, "x", 1, NULL), 0);
    hang(what, HUNG_TRIMMER);
    ck_assert_int_eq(pthread_create(&thread, NULL, trim, &error), 0);
    ck_assert_uint_gt(check_hang(call).inflight_lsn, LF_FIRST_LSN);
    hung_disk_end(&disk);
    pthread_join(thread, NULL);
    ck_assert_int_eq(error, 0);
    end();
}

START_TEST(test_a_trim_mark_hangs)
{
    check_a_trim(_i, LOGFILE_SIM_WRITE, LOGFILE_CALL_MARK);
}
END_TEST

START_TEST(test_a_sync_of_a_trim_mark_hangs)
{
    check_a_trim(_i, LOGFILE_SIM_SYNC, LOGFILE_CALL_MARK);
}
END_TEST

START_TEST(test_giving_space_back_hangs)
{
    check_a_trim(_i, LOGFILE_SIM_PUNCH, LOGFILE_CALL_RELEASE);
}
END_TEST

/* Of two that hang, the one that began first. */
START_TEST(test_the_oldest_is_told)
{
    struct timespec past = deadline_in_ms(-1);
    uint64_t writes;
    pthread_t thread;
    int error = -1;

    begin(_i, LOGFILE_PREPARE_NONE);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(logfile_append(hung_log, "x", 1, NULL), 0);
    writes = look().writes;
    hang(LOGFILE_SIM_WRITE, HUNG_TRIMMER | HUNG_SEQUENCER);
    ck_assert_int_eq(pthread_create(&thread, NULL, trim, &error), 0);
    ck_assert(hung_disk_has_caught(&disk, 60000));
    ck_assert_int_eq(logfile_append_until(hung_log, "y", 1, &past, NULL), -ETIMEDOUT);
    while (look().writes == writes)
        sleep_us(1000);
    check_hang(LOGFILE_CALL_MARK);
    hung_disk_end(&disk);
    pthread_join(thread, NULL);
    ck_assert_int_eq(error, 0);
    end();
}
END_TEST

/* A writer that has its place and does not come to copy its record. */
START_TEST(test_a_late_publish_shows)
{
    struct timespec past = deadline_in_ms(-1);
    char late[] = {1, 2, 3, 4};
    struct iovec iov = {.iov_base = late, .iov_len = sizeof late};
    struct lf_payload payload = {.iov = &iov, .iov_count = 1, .size = sizeof late};
    struct lf_reservation reservation;
    struct logfile_stats stats;

    begin(_i, LOGFILE_PREPARE_NONE);
    struct lf_ring *ring = &hung_log->ring;
    ck_assert(lf_ring_reserve(ring, lf_record_bytes(sizeof late), &reservation));
    ck_assert_int_eq(logfile_append_until(hung_log, "y", 1, &past, NULL), -ETIMEDOUT);
    ck_assert_int_eq(logfile_sync(hung_log, &past), -ETIMEDOUT); /* It rings. */
    while ((stats = look()).inflight_call != LOGFILE_CALL_PUBLISH)
        sleep_us(1000);
    ck_assert_uint_eq(stats.inflight_lsn, stats.durable_lsn);
    ck_assert_uint_gt(stats.pending_bytes, 0);

    struct lf_record_place place = {reservation.epoch, (uint32_t)reservation.offset,
                                    hung_log->record_seed};
    lf_record_encode(reservation.slot->data + reservation.offset, &place, &payload,
                     lf_payload_crc(&payload));
    lf_ring_publish(&reservation, 1, 0);
    ck_assert_int_eq(logfile_sync(hung_log, NULL), 0);
    ck_assert_uint_eq(look().late_publishes, 1);
    end();
}
END_TEST

int main(void)
{
    enum {
        WITH_A_SEQUENCER = 2 /* variants 0 and 1 */
    };
    Suite *suite = suite_create("inflight");
    TCase *tcase = tcase_create("inflight");
    int engines = (int)engine_variant_count();

    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, test_a_write_hangs, 0, engines);
    tcase_add_loop_test(tcase, test_a_sync_hangs, 0, engines);
    tcase_add_loop_test(tcase, test_the_last_sync_hangs, 0, engines);
    tcase_add_loop_test(tcase, test_a_failed_write_is_over, 0, engines);
    tcase_add_loop_test(tcase, test_an_allocation_hangs, 0, engines);
    tcase_add_loop_test(tcase, test_a_zero_fill_hangs, 0, engines);
    tcase_add_loop_test(tcase, test_a_sync_of_the_preparer_hangs, 0, engines);
    tcase_add_loop_test(tcase, test_a_trim_mark_hangs, 0, engines);
    tcase_add_loop_test(tcase, test_a_sync_of_a_trim_mark_hangs, 0, engines);
    tcase_add_loop_test(tcase, test_giving_space_back_hangs, 0, engines);
    tcase_add_loop_test(tcase, test_the_oldest_is_told, 0, WITH_A_SEQUENCER);
    tcase_add_loop_test(tcase, test_a_late_publish_shows, 0, WITH_A_SEQUENCER);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
