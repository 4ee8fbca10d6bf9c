/* SPDX-License-Identifier: MIT */
/*
 * A log on a disk that has no byte left is opened all the same: it can be read and trimmed, appends
 * are refused, and go on when there is room.  Its incarnation begins then, and not before.  On the
 * simulated disk: with one file and with segments, after a crash and after a close, wherever in a
 * segment the log ends; and with a crash at each call of the beginning that was put off.
 */
#include "journal.h"
#include "logfile_sim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOG_PATH "full.log"

enum {
    PAYLOAD_BYTES = 3000,
    SLOT_BYTES = 8 << 10,
    SEGMENT_BYTES = 32 << 10,
    PREPARE_KINDS = 3
};

struct full {
    struct logfile_sim *disk;
    struct logfile *log;
    struct logfile_options options;
    struct journal journal;
    uint64_t seed;
};

static char current[160];

static void begin(struct full *full, unsigned engine, enum logfile_prepare prepare, bool segments,
                  bool no_allocate)
{
    const struct logfile_sim_options disk_options = {.no_allocate = no_allocate};
    struct variant variant;

    engine_variant_get(engine, &variant);
    snprintf(current, sizeof current, "%s, preparation %d, %s%s", variant.name, (int)prepare,
             segments ? "segments" : "one file", no_allocate ? ", no allocate" : "");
    watchdog_start(120, current);
    *full = (struct full){.disk = logfile_sim_new(&disk_options), .options = variant.options};
    full->options.slot_bytes = SLOT_BYTES;
    full->options.segment_bytes = segments ? SEGMENT_BYTES : 0;
    full->options.prepare = prepare;
    full->options.prepare_bytes = SLOT_BYTES;
    full->options.io = logfile_sim_io(full->disk);
}

static void end(struct full *full)
{
    ck_assert_uint_eq(logfile_sim_open_count(full->disk), 0);
    ck_assert_uint_eq(logfile_sim_misuse_count(full->disk), 0);
    logfile_sim_free(full->disk);
    journal_free(&full->journal);
    watchdog_stop();
}

static int append(struct full *full)
{
    uint8_t payload[PAYLOAD_BYTES];
    uint64_t lsn = UINT64_MAX;

    payload_fill(payload, sizeof payload, ++full->seed);
    int error = logfile_append(full->log, payload, sizeof payload, &lsn);
    if (lsn != UINT64_MAX)
        journal_add(&full->journal, lsn, full->seed, sizeof payload, error == 0);
    ck_assert(error == 0 || error == LOGFILE_EFAILED || lsn == UINT64_MAX);
    return error;
}

static void append_when_space_is_back(struct full *full)
{
    uint64_t limit_ns = now_ns() + UINT64_C(60000000000);
    int error;

    while ((error = append(full)) == -ENOSPC) {
        ck_assert_msg(now_ns() < limit_ns, "%s: still full 60 s after space returned", current);
        sleep_us(1000);
    }
    ck_assert_msg(error == 0, "%s: %s", current, logfile_strerror(error));
}

static void open_log(struct full *full)
{
    struct logfile_open_report report = {0};

    int error = logfile_open(LOG_PATH, &full->options, &report, &full->log);
    ck_assert_msg(error == 0, "%s: %s", current, report.message);
}

static void read_tail(const struct full *full, struct logfile_tail *tail)
{
    struct logfile_reader *reader;
    struct logfile_record record;

    ck_assert_int_eq(logfile_reader_open(LOG_PATH,
                                         &(struct logfile_reader_options){.io = full->options.io},
                                         &reader),
                     0);
    while (logfile_reader_next(reader, &record) == 1)
        continue;
    ck_assert_int_eq(logfile_reader_tail(reader, tail, sizeof *tail), 0);
    logfile_reader_close(reader);
}

static void compare(struct full *full, const char *when)
{
    char why[JOURNAL_WHY_BYTES];
    size_t count = full->journal.count;
    bool good = journal_compare_path(&full->journal, LOG_PATH, full->options.io, why);

    ck_assert_msg(good, "%s, %s: %s", current, when, why);
    ck_assert_uint_eq(full->journal.count, count);
}

/* Somebody else takes what is left. */
static void take_the_rest(struct full *full)
{
    logfile_sim_set_capacity(full->disk, logfile_sim_used_bytes(full->disk, NULL));
}

static void grow_disk(struct full *full, uint64_t bytes)
{
    logfile_sim_set_capacity(full->disk, logfile_sim_used_bytes(full->disk, NULL) + bytes);
}

/* Gives back what a log that died had got ahead. */
static void cut(struct full *full)
{
    struct logfile *log;

    logfile_sim_set_capacity(full->disk, LOGFILE_IO_BLOCK);
    ck_assert_int_eq(logfile_open(LOG_PATH, &full->options, NULL, &log), 0);
    ck_assert_int_eq(logfile_close(log), 0);
}

/* A log of some records on a disk that is full now, closed or after a crash. */
static void fill(struct full *full, unsigned record_count, bool crash)
{
    open_log(full);
    for (unsigned i = 0; i < record_count; i++)
        ck_assert_int_eq(append(full), 0);
    if (!crash) {
        ck_assert_int_eq(logfile_close(full->log), 0);
    } else {
        struct logfile_sim *crashed = logfile_sim_clone(full->disk);
        ck_assert_int_eq(logfile_close(full->log), 0);
        logfile_sim_free(full->disk);
        full->disk = crashed;
        full->options.io = logfile_sim_io(crashed);
        logfile_sim_reboot_losing_all(crashed);
        cut(full);
    }
    take_the_rest(full);
}

/* What can be done with a log that has no room: everything but appending. */
static void use_without_room(struct full *full)
{
    uint64_t durable_lsn = logfile_durable_lsn(full->log);
    uint64_t used_bytes = logfile_sim_used_bytes(full->disk, NULL);
    struct timespec past = deadline_in_ms(-1);
    struct logfile_stats stats;
    uint64_t lsn = 5;

    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(append(full), -ENOSPC);
    /* Serial, where every append is a call of the device, makes none after the deadline. */
    int late = full->options.lab->engine == LOGFILE_ENGINE_SERIAL ? -ETIMEDOUT : -ENOSPC;
    ck_assert_int_eq(logfile_append_until(full->log, "", 0, &past, &lsn), late);
    ck_assert_int_eq(logfile_submit(full->log, "", 0, NULL, &lsn), -ENOSPC);
    ck_assert_uint_eq(lsn, 5);
    ck_assert_int_eq(logfile_sync(full->log, NULL), 0);
    ck_assert_int_eq(logfile_wait(full->log, durable_lsn - 1, NULL), 0);
    ck_assert_int_eq(logfile_wait(full->log, logfile_next_lsn(full->log), NULL), -EINVAL);
    ck_assert_uint_eq(logfile_durable_lsn(full->log), durable_lsn);
    ck_assert_uint_ge(logfile_next_lsn(full->log), durable_lsn);
    ck_assert_int_eq(logfile_stats(full->log, &stats, sizeof stats), 0);
    ck_assert_uint_ge(stats.incarnation, 1);
    compare(full, "open without room");
    ck_assert_int_eq(logfile_trim(full->log, logfile_oldest_lsn(full->log)), 0);
    ck_assert_uint_le(logfile_sim_used_bytes(full->disk, NULL), used_bytes);
}

/* Loop test: each engine, each preparation, one file or segments, after a crash or a close. */
START_TEST(test_opened_with_no_byte_free)
{
    for (unsigned record_count = 1; record_count < 16; record_count++) {
        struct full full;
        struct logfile_tail tail;

        begin(&full, (unsigned)_i / 12, (enum logfile_prepare)(_i / 4 % 3), _i / 2 % 2 == 1,
              record_count % 4 == 3);
        fill(&full, record_count, _i % 2 == 1);
        for (unsigned round = 0; round < 2; round++) { /* to open it takes nothing */
            open_log(&full);
            use_without_room(&full);
            ck_assert_int_eq(logfile_close(full.log), 0);
        }
        open_log(&full);
        ck_assert_int_eq(append(&full), -ENOSPC);
        grow_disk(&full, 4 * SEGMENT_BYTES);
        append_when_space_is_back(&full);
        ck_assert_int_eq(append(&full), 0);
        ck_assert_int_eq(logfile_close(full.log), 0);
        logfile_sim_reboot_losing_all(full.disk);
        compare(&full, "closed");
        read_tail(&full, &tail);
        ck_assert_int_eq(tail.verdict, LOGFILE_CLEAN);
        ck_assert_uint_eq(tail.incarnation, 2); /* those that found no room never were */
        end(&full);
    }
}
END_TEST

/* A log that was not opened with room stays as it was found: it is torn, or clean. */
START_TEST(test_closed_without_having_begun)
{
    for (unsigned engine = 0; engine < engine_variant_count(); engine++) {
        struct full full;
        struct logfile_tail before, after;

        begin(&full, engine, LOGFILE_PREPARE_ZERO, _i / 2 == 1, false);
        fill(&full, 5, _i % 2 == 1);
        read_tail(&full, &before);
        ck_assert_int_eq(before.verdict, _i % 2 == 1 ? LOGFILE_TORN : LOGFILE_CLEAN);
        open_log(&full);
        ck_assert_int_eq(append(&full), -ENOSPC);
        ck_assert_int_eq(logfile_shutdown(full.log, NULL), 0);
        ck_assert_int_eq(logfile_shutdown(full.log, NULL), 0);
        ck_assert_int_eq(append(&full), LOGFILE_ECLOSED);
        ck_assert_int_eq(logfile_close(full.log), 0);
        read_tail(&full, &after);
        ck_assert_int_eq(after.verdict, before.verdict);
        ck_assert_uint_eq(after.end_lsn, before.end_lsn);
        ck_assert_uint_eq(after.incarnation, before.incarnation);
        compare(&full, "closed");
        end(&full);
    }
}
END_TEST

/* Loop test: each engine, each preparation, one file or segments, after a crash or a close.  Nobody
 * makes room but the log. */
START_TEST(test_a_trim_is_the_way_out)
{
    struct full full;

    begin(&full, (unsigned)_i / 12, (enum logfile_prepare)(_i / 4 % 3), _i / 2 % 2 == 1, false);
    fill(&full, 40, _i % 2 == 1);
    open_log(&full);
    ck_assert_int_eq(append(&full), -ENOSPC);
    uint64_t lsn = logfile_durable_lsn(full.log);
    journal_ask_trim(&full.journal, lsn);
    ck_assert_int_eq(logfile_trim(full.log, lsn), 0);
    journal_trimmed(&full.journal, logfile_oldest_lsn(full.log));
    append_when_space_is_back(&full);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(append(&full), 0);
    ck_assert_int_eq(logfile_close(full.log), 0);
    logfile_sim_reboot_losing_all(full.disk);
    char why[JOURNAL_WHY_BYTES];
    bool good = journal_compare_path(&full.journal, LOG_PATH, full.options.io, why);
    ck_assert_msg(good, "%s: %s", current, why);
    end(&full);
}
END_TEST

/* What a crash leaves of a beginning that was put off is a log as any other. */
static bool crash_at(struct full *full, uint64_t nth, uint64_t seed)
{
    open_log(full);
    ck_assert_int_eq(append(full), -ENOSPC);
    grow_disk(full, 4 * SEGMENT_BYTES);
    logfile_sim_crash_at(full->disk, nth);
    int error = -ENOSPC;
    for (unsigned i = 0; i < 2000 && error == -ENOSPC; i++) {
        error = append(full);
        if (error == -ENOSPC)
            sleep_us(1000);
    }
    bool struck = logfile_sim_is_down(full->disk);
    (void)logfile_close(full->log);
    struck |= logfile_sim_is_down(full->disk);
    logfile_sim_crash_at(full->disk, 0);
    logfile_sim_reboot(full->disk, seed);
    return struck;
}

/* Loop test: each engine, one file or segments. */
START_TEST(test_crashes_while_it_begins)
{
    struct full full;
    bool struck = true;

    begin(&full, (unsigned)_i / 2, LOGFILE_PREPARE_ALLOCATE, _i % 2 == 1, false);
    fill(&full, 7, true);
    for (uint64_t nth = 1; struck; nth++) {
        char why[JOURNAL_WHY_BYTES];
        struck = crash_at(&full, nth, nth);
        bool good = journal_compare_path(&full.journal, LOG_PATH, full.options.io, why);
        ck_assert_msg(good, "%s, crash at call %llu: %s", current, (unsigned long long)nth, why);
        cut(&full);
        take_the_rest(&full);
        ck_assert_uint_lt(nth, 200);
    }
    end(&full);
}
END_TEST

/* ---- What keeps the next segment from being made ----------------------------------------------*/

static const int refusals[] = {-EACCES, -EPERM,  -ENOENT, -ENOTDIR,     -EROFS,  -EEXIST,
                               -ELOOP,  -EISDIR, -ESPIPE, -EMFILE,      -ENFILE, -ENOMEM,
                               -ENOSPC, -EDQUOT, -EFBIG,  -ENAMETOOLONG};

/* Appends until an error. */
static int append_until_refused(struct full *full)
{
    int error = 0;
    for (unsigned i = 0; i < 1000 && error == 0; i++)
        error = append(full);
    return error;
}

static int append_when_it_goes_on(struct full *full, int refusal)
{
    int error = refusal;
    for (unsigned i = 0; i < 60000 && error == refusal; i++) {
        error = append(full);
        if (error == refusal)
            sleep_us(1000);
    }
    return error;
}

/* What is none of the log's files has the name of one. */
static int told(enum logfile_sim_call call, int error)
{
    bool is_no_file = error == -ELOOP || error == -EISDIR || error == -ESPIPE;
    return call == LOGFILE_SIM_OPEN && is_no_file ? -EEXIST : error;
}

static void refuse_next_segment(unsigned engine, enum logfile_sim_call call, int cause)
{
    struct full full;
    struct logfile_failure failure;
    const struct logfile_sim_fault fault = {.call = call, .for_ever = true, .error = cause};
    const int refusal = told(call, cause);

    begin(&full, engine, LOGFILE_PREPARE_ALLOCATE, true, false);
    snprintf(current + strlen(current), sizeof current - strlen(current), ", %s: %d",
             logfile_sim_call_name(call), refusal);
    open_log(&full);
    ck_assert_int_eq(append(&full), 0);
    logfile_sim_fault(full.disk, &fault);
    int error = append_until_refused(&full);
    /* It may also come to a segment that was made ready, and is believed to be something else now. */
    ck_assert_int_eq(logfile_failure(full.log, &failure, sizeof failure), 0);
    if (error == LOGFILE_EFAILED && call == LOGFILE_SIM_OPEN && failure.error == -ESTALE) {
        logfile_sim_fault_clear(full.disk);
        ck_assert_int_eq(logfile_close(full.log), LOGFILE_EFAILED);
        end(&full);
        return;
    }
    ck_assert_msg(error == refusal, "%s: %s", current, logfile_strerror(error));
    ck_assert_int_eq(append(&full), refusal);
    ck_assert_int_eq(logfile_failure(full.log, &failure, sizeof failure), 0);
    ck_assert_int_eq(failure.error, 0);
    logfile_sim_fault_clear(full.disk);
    ck_assert_int_eq(append_when_it_goes_on(&full, refusal), 0);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(append(&full), 0);
    ck_assert_int_eq(logfile_close(full.log), 0);
    compare(&full, "closed");
    end(&full);
}

/* Loop test: each engine. */
START_TEST(test_next_segment_is_refused_for_now)
{
    static const enum logfile_sim_call calls[] = {LOGFILE_SIM_OPEN, LOGFILE_SIM_RENAME,
                                                  LOGFILE_SIM_ALLOCATE};
    for (unsigned i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        for (unsigned j = 0; j < sizeof calls / sizeof calls[0]; j++)
            refuse_next_segment((unsigned)_i, calls[j], refusals[i]);
}
END_TEST

static void fail_next_segment(enum logfile_sim_call call)
{
    struct full full;
    struct logfile_failure failure;
    const struct logfile_sim_fault fault = {.call = call, .for_ever = true, .error = -EIO};

    begin(&full, 0, LOGFILE_PREPARE_ALLOCATE, true, false);
    open_log(&full);
    ck_assert_int_eq(append(&full), 0);
    logfile_sim_fault(full.disk, &fault);
    ck_assert_int_eq(append_until_refused(&full), LOGFILE_EFAILED);
    ck_assert_int_eq(logfile_failure(full.log, &failure, sizeof failure), 0);
    ck_assert_int_eq(failure.error, -EIO);
    ck_assert_int_eq(logfile_close(full.log), LOGFILE_EFAILED);
    logfile_sim_fault_clear(full.disk);
    end(&full);
}

/* A disk that is broken is no refusal. */
START_TEST(test_a_broken_disk_still_fails_the_log)
{
    static const enum logfile_sim_call calls[] = {LOGFILE_SIM_OPEN, LOGFILE_SIM_WRITE,
                                                  LOGFILE_SIM_SYNC, LOGFILE_SIM_ALLOCATE};
    for (unsigned i = 0; i < sizeof calls / sizeof calls[0]; i++)
        fail_next_segment(calls[i]);
}
END_TEST

static Suite *full_open_suite(void)
{
    Suite *suite = suite_create("full_open");
    TCase *tcase = tcase_create("full_open");
    int count = (int)engine_variant_count();

    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, test_opened_with_no_byte_free, 0, count * 4 * PREPARE_KINDS);
    tcase_add_loop_test(tcase, test_closed_without_having_begun, 0, 4);
    tcase_add_loop_test(tcase, test_a_trim_is_the_way_out, 0, count * 4 * PREPARE_KINDS);
    tcase_add_loop_test(tcase, test_crashes_while_it_begins, 0, count * 2);
    tcase_add_loop_test(tcase, test_next_segment_is_refused_for_now, 0, count);
    tcase_add_test(tcase, test_a_broken_disk_still_fails_the_log);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(full_open_suite());
}
