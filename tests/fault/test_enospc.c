/* SPDX-License-Identifier: MIT */
/*
 * A full disk.  With blocks prepared ahead it is met before anything is reserved: appends get
 * -ENOSPC, earlier records are safe, and appends go on when space returns.  Without, it is met by
 * a write and fails the log.  A trim gives space back, too.  On the simulated disk, and on a small
 * tmpfs where one can be mounted.
 */
#include "journal.h"
#include "logfile_sim.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_PATH "full.log"

enum {
    PAYLOAD_BYTES = 3000,
    CAPACITY_BYTES = 256 << 10,
    SEGMENT_BYTES = 32 << 10
};

struct full {
    struct logfile_sim *disk; /* NULL: a real file */
    const char *path;
    struct logfile *log;
    struct logfile_options options;
    uint64_t segment_bytes;
    struct journal journal;
    uint64_t seed;
};

static char current[128];

static void open_full(struct full *full, unsigned engine, enum logfile_prepare prepare)
{
    struct variant variant;

    engine_variant_get(engine, &variant);
    snprintf(current, sizeof current, "%s, preparation %d", variant.name, (int)prepare);
    watchdog_start(60, current);
    variant.options.keep_free_bytes = full->options.keep_free_bytes;
    full->options = variant.options;
    full->options.slot_bytes = 8 << 10;
    full->options.prepare = prepare;
    full->options.prepare_bytes = 32 << 10;
    full->options.segment_bytes = full->segment_bytes;
    if (full->disk != NULL)
        full->options.io = logfile_sim_io(full->disk);
    ck_assert_int_eq(logfile_open(full->path, &full->options, NULL, &full->log), 0);
}

/* Appends one record; it is durable, or nothing of it is there. */
static int append(struct full *full)
{
    uint8_t payload[PAYLOAD_BYTES];
    uint64_t lsn = UINT64_MAX;

    full->seed++;
    payload_fill(payload, sizeof payload, full->seed);
    int error = logfile_append(full->log, payload, sizeof payload, &lsn);
    if (error == 0)
        journal_add(&full->journal, lsn, full->seed, sizeof payload, true);
    else
        ck_assert_uint_eq(lsn, UINT64_MAX);
    return error;
}

/* Appends until there is no space; how many. */
static unsigned append_until_full(struct full *full)
{
    unsigned count = 0;
    int error;

    while ((error = append(full)) == 0)
        ck_assert_uint_lt(count++, 100000);
    ck_assert_msg(error == -ENOSPC, "%s: %s", current, logfile_strerror(error));
    return count;
}

/* Appends until there is no space for good: what began before space came back may say once more that
 * there is none. */
static void append_more_than(struct full *full, unsigned least)
{
    uint64_t limit_ns = now_ns() + UINT64_C(600000000000);
    unsigned count = append_until_full(full);

    while (count <= least) {
        ck_assert_msg(now_ns() < limit_ns, "%s: full again after %u appends", current, count);
        sleep_us(1000);
        count += append_until_full(full);
    }
}

/* The first append may still meet the old news. */
static void append_when_space_is_back(struct full *full)
{
    uint64_t limit_ns = now_ns() + UINT64_C(600000000000);
    int error;

    while ((error = append(full)) == -ENOSPC) {
        ck_assert_msg(now_ns() < limit_ns, "%s: still full ten minutes after space returned",
                      current);
        sleep_us(1000);
    }
    ck_assert_int_eq(error, 0);
}

static void check_still_good(struct full *full)
{
    struct timespec past = deadline_in_ms(-1);
    struct logfile_failure failure;

    ck_assert_int_eq(logfile_failure(full->log, &failure, sizeof failure), 0);
    ck_assert_int_eq(failure.error, 0);
    ck_assert_int_eq(logfile_sync(full->log, NULL), 0);
    for (size_t i = 0; i < full->journal.count; i++)
        ck_assert_int_eq(logfile_wait(full->log, full->journal.entries[i].lsn, &past), 0);
}

static void check_submit_is_refused(struct full *full)
{
    struct timespec deadline = deadline_in_ms(30000);
    uint64_t lsn = 5;
    int error = 0;

    /* A submit may find room in an epoch that is open already. */
    for (unsigned i = 0; i < 10; i++) {
        uint8_t payload[PAYLOAD_BYTES];
        payload_fill(payload, sizeof payload, ++full->seed);
        error = logfile_submit(full->log, payload, sizeof payload, &deadline, &lsn);
        if (error == 0)
            journal_add(&full->journal, lsn, full->seed, sizeof payload, true);
        else
            ck_assert_int_eq(error, -ENOSPC);
    }
    ck_assert_int_eq(error, -ENOSPC);
}

/* A log that is refused an epoch has nothing behind its end but room for a CLOSE epoch, and, as long
 * as a flush may use it, what it would have had for the last one. */
static void check_no_slot_is_held(struct full *full)
{
    uint64_t used_bytes = logfile_sim_used_bytes(full->disk, NULL);
    uint64_t limit_ns = now_ns() + UINT64_C(20000000000);

    while (used_bytes > logfile_durable_lsn(full->log) + 4096 && now_ns() < limit_ns) {
        ck_assert_int_eq(append(full), -ENOSPC);
        sleep_us(1000);
        used_bytes = logfile_sim_used_bytes(full->disk, NULL);
    }
    ck_assert_uint_le(used_bytes, logfile_durable_lsn(full->log) + 4096);
}

static void compare(struct full *full)
{
    char why[JOURNAL_WHY_BYTES];
    size_t count = full->journal.count;
    bool good = journal_compare_path(&full->journal, full->path, full->options.io, why);

    ck_assert_msg(good, "%s: %s", current, why);
    ck_assert_uint_eq(full->journal.count, count);
    journal_free(&full->journal);
    watchdog_stop();
}

/* Loop test: each engine, allocated or zero-filled ahead. */
START_TEST(test_full_and_not_full_again)
{
    struct logfile_sim_options disk_options = {.capacity_bytes = CAPACITY_BYTES};
    struct full full = {.disk = logfile_sim_new(&disk_options), .path = LOG_PATH};

    open_full(&full, (unsigned)_i / 2, (enum logfile_prepare)(_i % 2));
    ck_assert_uint_gt(append_until_full(&full), CAPACITY_BYTES / 8192 / 2);
    for (unsigned round = 2; round < 5; round++) {
        check_no_slot_is_held(&full);
        check_submit_is_refused(&full);
        check_still_good(&full);
        logfile_sim_set_capacity(full.disk, CAPACITY_BYTES * round);
        append_when_space_is_back(&full);
        append_more_than(&full, 5);
    }
    check_still_good(&full);
    ck_assert_int_eq(logfile_close(full.log), 0);
    logfile_sim_reboot_losing_all(full.disk);
    compare(&full);
    logfile_sim_free(full.disk);
}
END_TEST

/* A file system without fallocate: blocks are allocated by writing zeros. */
START_TEST(test_full_without_allocate)
{
    struct logfile_sim_options disk_options = {.capacity_bytes = CAPACITY_BYTES,
                                               .no_allocate = true};
    struct full full = {.disk = logfile_sim_new(&disk_options), .path = LOG_PATH};

    open_full(&full, (unsigned)_i / 2, (enum logfile_prepare)(_i % 2));
    ck_assert_uint_gt(append_until_full(&full), CAPACITY_BYTES / 8192 / 2);
    logfile_sim_set_capacity(full.disk, CAPACITY_BYTES * 2);
    append_when_space_is_back(&full);
    check_still_good(&full);
    ck_assert_int_eq(logfile_close(full.log), 0);
    compare(&full);
    logfile_sim_free(full.disk);
}
END_TEST

/* A log that is full can be closed, opened again, and read. */
START_TEST(test_full_log_is_closed_and_reopened)
{
    struct logfile_sim_options disk_options = {.capacity_bytes = CAPACITY_BYTES};
    struct full full = {.disk = logfile_sim_new(&disk_options), .path = LOG_PATH};

    open_full(&full, (unsigned)_i / 2, (enum logfile_prepare)(_i % 2));
    append_until_full(&full);
    ck_assert_int_eq(logfile_close(full.log), 0);
    ck_assert_int_eq(logfile_open(LOG_PATH, &full.options, NULL, &full.log), 0);
    ck_assert_int_eq(logfile_close(full.log), 0);
    logfile_sim_set_capacity(full.disk, CAPACITY_BYTES * 2);
    ck_assert_int_eq(logfile_open(LOG_PATH, &full.options, NULL, &full.log), 0);
    ck_assert_int_eq(append(&full), 0);
    ck_assert_int_eq(logfile_close(full.log), 0);
    compare(&full);
    logfile_sim_free(full.disk);
}
END_TEST

/* Trims all that is durable, which is all. */
static void trim_all(struct full *full)
{
    uint64_t lsn = logfile_durable_lsn(full->log);

    ck_assert_int_eq(logfile_trim(full->log, lsn), 0);
    journal_ask_trim(&full->journal, lsn);
    journal_trimmed(&full->journal, logfile_oldest_lsn(full->log));
}

/* Twenty times as much goes through the log as the disk has room for. */
static void fill_and_trim(struct full *full)
{
    for (unsigned round = 0; round < 20; round++) {
        append_more_than(full, 3);
        check_still_good(full);
        trim_all(full);
        append_when_space_is_back(full);
    }
    check_still_good(full);
    uint64_t oldest_lsn = logfile_oldest_lsn(full->log);
    ck_assert_int_eq(logfile_close(full->log), 0);
    logfile_sim_reboot_losing_all(full->disk);
    ck_assert_int_eq(logfile_open(full->path, &full->options, NULL, &full->log), 0);
    ck_assert_uint_eq(logfile_oldest_lsn(full->log), oldest_lsn);
    ck_assert_int_eq(append(full), 0);
    ck_assert_int_eq(logfile_close(full->log), 0);
}

/* Loop test: each engine, allocated or zero-filled ahead, one file or segments, on a file system
 * with fallocate and without. */
START_TEST(test_a_trim_gives_space_back)
{
    struct logfile_sim_options disk_options = {.capacity_bytes = CAPACITY_BYTES,
                                               .no_allocate = _i / 4 % 2 == 1};
    struct full full = {.disk = logfile_sim_new(&disk_options),
                        .path = LOG_PATH,
                        .segment_bytes = _i / 2 % 2 == 1 ? SEGMENT_BYTES : 0};
    char why[JOURNAL_WHY_BYTES];

    open_full(&full, (unsigned)_i / 8, (enum logfile_prepare)(_i % 2));
    fill_and_trim(&full);
    bool good = journal_compare_path(&full.journal, full.path, full.options.io, why);
    ck_assert_msg(good, "%s: %s", current, why);
    journal_free(&full.journal);
    logfile_sim_free(full.disk);
    watchdog_stop();
}
END_TEST

/* Loop test: each engine, allocated or zero-filled ahead, one file or segments.  Others find what was
 * to be left to them, at every moment: a disk that ended there would not do the same. */
START_TEST(test_something_is_left_to_others)
{
    const uint64_t keep_bytes = CAPACITY_BYTES / 4;
    struct logfile_sim_options disk_options = {.capacity_bytes = CAPACITY_BYTES};
    struct full full = {.disk = logfile_sim_new(&disk_options),
                        .path = LOG_PATH,
                        .segment_bytes = _i / 2 % 2 == 1 ? SEGMENT_BYTES : 0,
                        .options.keep_free_bytes = keep_bytes};

    open_full(&full, (unsigned)_i / 4, (enum logfile_prepare)(_i % 2));
    for (unsigned round = 0; round < 3; round++) {
        int error;
        while ((error = append(&full)) == 0)
            ck_assert_uint_le(logfile_sim_used_bytes(full.disk, NULL), CAPACITY_BYTES - keep_bytes);
        ck_assert_int_eq(error, -ENOSPC);
        ck_assert_uint_le(logfile_sim_used_bytes(full.disk, NULL), CAPACITY_BYTES - keep_bytes);
        check_still_good(&full);
        trim_all(&full);
        append_when_space_is_back(&full);
    }
    append_until_full(&full);
    ck_assert_int_eq(logfile_close(full.log), 0);
    full.options.keep_free_bytes = CAPACITY_BYTES - (20 << 10); /* as much as there never was */
    ck_assert_int_eq(logfile_open(LOG_PATH, &full.options, NULL, &full.log), 0);
    ck_assert_int_eq(append(&full), -ENOSPC);
    ck_assert_int_eq(logfile_close(full.log), 0);
    full.options.keep_free_bytes = 0;
    ck_assert_int_eq(logfile_open(LOG_PATH, &full.options, NULL, &full.log), 0);
    ck_assert_int_eq(append(&full), 0);
    ck_assert_int_eq(logfile_close(full.log), 0);
    char why[JOURNAL_WHY_BYTES];
    bool good = journal_compare_path(&full.journal, full.path, full.options.io, why);
    ck_assert_msg(good, "%s: %s", current, why);
    journal_free(&full.journal);
    logfile_sim_free(full.disk);
    watchdog_stop();
}
END_TEST

/* Creating on a full disk fails and leaves nothing. */
START_TEST(test_no_room_to_begin)
{
    struct variant variant;
    struct logfile *log;

    engine_variant_get((unsigned)_i / 2, &variant);
    watchdog_start(60, variant.name);
    for (uint64_t capacity = 4096; capacity < 128 << 10; capacity += 4096) {
        struct logfile_sim_options disk_options = {.capacity_bytes = capacity};
        struct logfile_sim *disk = logfile_sim_new(&disk_options);
        variant.options.io = logfile_sim_io(disk);
        variant.options.segment_bytes =
            _i % 2 == 1 ? variant.options.slot_bytes + SEGMENT_BYTES : 0;
        int error = logfile_open(LOG_PATH, &variant.options, NULL, &log);
        if (error == 0) {
            ck_assert_int_eq(logfile_close(log), 0);
        } else {
            ck_assert_int_eq(error, -ENOSPC);
            ck_assert_uint_eq(logfile_sim_file_count(disk), 0);
            ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
        }
        logfile_sim_free(disk);
    }
    watchdog_stop();
}
END_TEST

START_TEST(test_without_preparation_a_full_disk_fails_the_log)
{
    struct logfile_sim_options disk_options = {.capacity_bytes = CAPACITY_BYTES};
    struct full full = {.disk = logfile_sim_new(&disk_options), .path = LOG_PATH};
    struct logfile_failure failure;
    uint8_t payload[PAYLOAD_BYTES] = {0};
    int error;

    open_full(&full, (unsigned)_i, LOGFILE_PREPARE_NONE);
    do {
        uint64_t lsn = UINT64_MAX;
        payload_fill(payload, sizeof payload, ++full.seed);
        error = logfile_append(full.log, payload, sizeof payload, &lsn);
        if (lsn != UINT64_MAX)
            journal_add(&full.journal, lsn, full.seed, sizeof payload, error == 0);
    } while (error == 0);
    ck_assert_int_eq(error, LOGFILE_EFAILED);
    ck_assert_int_eq(logfile_failure(full.log, &failure, sizeof failure), 0);
    ck_assert_int_eq(failure.error, -ENOSPC);
    ck_assert_str_eq(failure.call, "write");
    logfile_sim_set_capacity(full.disk, 0);
    ck_assert_int_eq(append(&full), LOGFILE_EFAILED);
    ck_assert_int_eq(logfile_close(full.log), LOGFILE_EFAILED);

    char why[JOURNAL_WHY_BYTES];
    ck_assert_int_eq(logfile_open(LOG_PATH, &full.options, NULL, &full.log), 0);
    ck_assert_msg(journal_compare_path(&full.journal, LOG_PATH, full.options.io, why), "%s", why);
    ck_assert_int_eq(append(&full), 0);
    ck_assert_int_eq(logfile_close(full.log), 0);
    compare(&full);
    logfile_sim_free(full.disk);
}
END_TEST

/* ---- Many writers ---- */

enum {
    WRITERS = 8
};

struct writer {
    pthread_t thread;
    struct full full; /* a journal of its own on the common log */
    int error;
};

static void *fill_up(void *argument)
{
    struct writer *writer = argument;
    uint8_t payload[PAYLOAD_BYTES];
    uint64_t lsn;

    do {
        lsn = UINT64_MAX;
        payload_fill(payload, sizeof payload, ++writer->full.seed);
        writer->error = logfile_append(writer->full.log, payload, sizeof payload, &lsn);
        if (lsn != UINT64_MAX)
            journal_add(&writer->full.journal, lsn, writer->full.seed, sizeof payload,
                        writer->error == 0);
    } while (writer->error == 0);
    return NULL;
}

START_TEST(test_every_writer_is_told)
{
    struct logfile_sim_options disk_options = {.capacity_bytes = CAPACITY_BYTES};
    struct full full = {.disk = logfile_sim_new(&disk_options), .path = LOG_PATH};
    struct writer writers[WRITERS] = {0};

    open_full(&full, (unsigned)_i / 2, (enum logfile_prepare)(_i % 2));
    for (unsigned round = 1; round < 4; round++) {
        logfile_sim_set_capacity(full.disk, round * CAPACITY_BYTES);
        append_when_space_is_back(&full);
        for (unsigned i = 0; i < WRITERS; i++) {
            writers[i].full.log = full.log;
            writers[i].full.seed = (uint64_t)round << 48 | (uint64_t)(i + 1) << 32;
            ck_assert_int_eq(pthread_create(&writers[i].thread, NULL, fill_up, &writers[i]), 0);
        }
        for (unsigned i = 0; i < WRITERS; i++) {
            pthread_join(writers[i].thread, NULL);
            ck_assert_int_eq(writers[i].error, -ENOSPC);
            journal_take(&full.journal, &writers[i].full.journal);
        }
        ck_assert_uint_eq(journal_acked_count(&full.journal), full.journal.count);
    }
    ck_assert_int_eq(logfile_close(full.log), 0);
    compare(&full);
    logfile_sim_free(full.disk);
}
END_TEST

/* ---- A real file system ---- */

static void fill_tmpfs(unsigned engine, enum logfile_prepare prepare)
{
    struct full full = {.path = folder_path("real.log")};

    open_full(&full, engine, prepare);
    ck_assert_int_eq(append(&full), 0);
    fill_file(folder_path("other"));
    append_until_full(&full);
    check_still_good(&full);
    ck_assert_int_eq(unlink(folder_path("other")), 0);
    append_when_space_is_back(&full);
    ck_assert_uint_gt(append_until_full(&full), 50);
    check_still_good(&full);
    ck_assert_int_eq(logfile_close(full.log), 0);
    compare(&full);
    ck_assert_int_eq(unlink(folder_path("real.log")), 0);
}

START_TEST(test_a_real_file_system)
{
    if (!mount_small_tmpfs(enter_folder())) {
        printf("not tried on a real file system: cannot mount a tmpfs: %s\n", strerror(errno));
        leave_folder();
        return;
    }
    for (unsigned engine = 0; engine < engine_variant_count(); engine++)
        for (unsigned prepare = 0; prepare < 2; prepare++)
            fill_tmpfs(engine, (enum logfile_prepare)prepare);
    ck_assert_int_eq(umount(folder_path("")), 0);
    leave_folder();
}
END_TEST

/* ---- Segments ---- */

static struct logfile_options segmented(unsigned engine, struct logfile_sim *disk)
{
    struct variant variant;

    engine_variant_get(engine, &variant);
    snprintf(current, sizeof current, "%s, segments", variant.name);
    variant.options.slot_bytes = 8 << 10;
    variant.options.segment_bytes = 44 << 10;
    variant.options.prepare_bytes = 16 << 10;
    variant.options.io = logfile_sim_io(disk);
    return variant.options;
}

/* Appends until the disk is full, and looks at what a crash leaves then; there the disk is full for
 * the one who reopens, too. */
static void fill_segments(unsigned engine, uint64_t capacity_bytes)
{
    struct logfile_sim_options small = {.capacity_bytes = capacity_bytes};
    struct logfile_sim *disk = logfile_sim_new(&small);
    struct logfile_options options = segmented(engine, disk);
    struct logfile *log, *reopened;
    int error = 0;

    watchdog_start(60, current);
    ck_assert_int_eq(logfile_open(LOG_PATH, &options, NULL, &log), 0);
    while (error == 0)
        error = logfile_append(log, current, sizeof current, NULL);
    ck_assert_int_eq(error, -ENOSPC);

    struct logfile_sim *crashed = logfile_sim_clone(disk);
    logfile_sim_reboot_losing_all(crashed);
    options.io = logfile_sim_io(crashed);
    error = logfile_open(LOG_PATH, &options, NULL, &reopened);
    ck_assert_msg(error == 0, "%s, %llu bytes: %s", current, (unsigned long long)capacity_bytes,
                  logfile_strerror(error));
    ck_assert_int_eq(logfile_close(reopened), 0);
    ck_assert_int_eq(logfile_close(log), 0);
    logfile_sim_free(crashed);
    logfile_sim_free(disk);
    watchdog_stop();
}

/* No epoch says that it is the last of its segment before the next segment is there. */
START_TEST(test_no_segment_is_missing_when_the_disk_is_full)
{
    for (uint64_t capacity_bytes = 80 << 10; capacity_bytes < 260 << 10; capacity_bytes += 4096)
        fill_segments((unsigned)_i, capacity_bytes);
}
END_TEST

static Suite *enospc_suite(void)
{
    Suite *suite = suite_create("enospc");
    TCase *tcase = tcase_create("enospc");
    int count = (int)engine_variant_count();

    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, test_full_and_not_full_again, 0, count * 2);
    tcase_add_loop_test(tcase, test_full_without_allocate, 0, count * 2);
    tcase_add_loop_test(tcase, test_full_log_is_closed_and_reopened, 0, count * 2);
    tcase_add_loop_test(tcase, test_a_trim_gives_space_back, 0, count * 8);
    tcase_add_loop_test(tcase, test_something_is_left_to_others, 0, count * 4);
    tcase_add_loop_test(tcase, test_no_room_to_begin, 0, count * 2);
    tcase_add_loop_test(tcase, test_without_preparation_a_full_disk_fails_the_log, 0, count);
    tcase_add_loop_test(tcase, test_every_writer_is_told, 0, count * 2);
    tcase_add_loop_test(tcase, test_no_segment_is_missing_when_the_disk_is_full, 0, count);
    tcase_add_test(tcase, test_a_real_file_system);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(enospc_suite());
}
