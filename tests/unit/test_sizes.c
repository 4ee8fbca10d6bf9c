/* SPDX-License-Identifier: MIT */
/*
 * Structs that come out of a call take the size that the caller was compiled with: a program that
 * was compiled with an earlier header, whose struct is smaller, gets what it knows and not a byte
 * more; one that was compiled with a later header finds zero in what this version does not have.
 */
#include "logfile_lab.h"
#include "logfile_sim.h"
#include "support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOG_PATH "/sizes.log"
#define BEYOND 64 /* bytes of a struct that is not known here */
#define UNTOUCHED 0x5a

static struct logfile_sim *disk;
static struct logfile *sized_log;
static struct logfile_reader *reader;
static struct logfile_sim_journal *journal;

static int break_off(struct logfile_sim *other, void *arg)
{
    (void)other;
    (void)arg;
    return -EPROTO;
}

/* ---- The calls ---- */

static int stats(void *out, size_t size)
{
    return logfile_stats(sized_log, out, size);
}

static int lab_stats(void *out, size_t size)
{
    return logfile_lab_stats(sized_log, out, size);
}

static int failure(void *out, size_t size)
{
    return logfile_failure(sized_log, out, size);
}

static int tail(void *out, size_t size)
{
    return logfile_reader_tail(reader, out, size);
}

/* The journal knows of a record that is not there, so the report has a message. */
static int report(void *out, size_t size)
{
    return logfile_sim_journal_check_path(journal, LOG_PATH, logfile_sim_io(disk), out, size) - 1;
}

static int sweep_result(void *out, size_t size)
{
    const struct logfile_sim_sweep sweep = {.work = break_off, .check = break_off};

    return logfile_sim_sweep(&sweep, out, size) - 1;
}

static const struct {
    const char *name;
    int (*call)(void *out, size_t size); /* 0: it went as it should */
    size_t own_bytes;
    bool may_be_null;
} calls[] = {
    {"logfile_stats", stats, sizeof(struct logfile_stats), false},
    {"logfile_lab_stats", lab_stats, sizeof(struct logfile_lab_stats), false},
    {"logfile_failure", failure, sizeof(struct logfile_failure), false},
    {"logfile_reader_tail", tail, sizeof(struct logfile_tail), false},
    {"logfile_sim_journal_check_path", report, sizeof(struct logfile_sim_report), true},
    {"logfile_sim_sweep", sweep_result, sizeof(struct logfile_sim_sweep_result), true},
};
#define CALL_COUNT (sizeof calls / sizeof calls[0])

/* ---- The tests ---- */

/* A log that has failed, and is read by somebody else. */
static void begin(const char *name)
{
    const struct logfile_lab lab = {.engine = LOGFILE_ENGINE_MUTEX, .stage_sample_every = 1};
    const struct logfile_sim_fault fault = {.call = LOGFILE_SIM_SYNC, .error = -EIO};
    struct logfile_record record;
    uint64_t lsn;

    watchdog_start(60, name);
    disk = logfile_sim_new(NULL);
    const struct logfile_options options = {.slot_bytes = 16 << 10,
                                            .prepare = LOGFILE_PREPARE_NONE,
                                            .sync = LOGFILE_SYNC_FDATASYNC,
                                            .io = logfile_sim_io(disk),
                                            .lab = &lab};
    ck_assert_int_eq(logfile_open(LOG_PATH, &options, NULL, &sized_log), 0);
    ck_assert_int_eq(logfile_append(sized_log, "alpha", 5, &lsn), 0);
    journal = logfile_sim_journal_new();
    ck_assert_int_eq(logfile_sim_journal_append(journal, lsn + 8, "beta", 4), 0);
    ck_assert_int_eq(logfile_sim_journal_durable(journal, lsn + 16), 0);
    logfile_sim_fault(disk, &fault);
    ck_assert_int_eq(logfile_append(sized_log, "gamma", 5, &lsn), LOGFILE_EFAILED);
    logfile_sim_fault_clear(disk);
    ck_assert_int_eq(logfile_reader_open(LOG_PATH, READING(.io = logfile_sim_io(disk)), &reader),
                     0);
    while (logfile_reader_next(reader, &record) == 1)
        continue;
}

static void end(void)
{
    logfile_reader_close(reader);
    logfile_close(sized_log);
    logfile_sim_journal_free(journal);
    logfile_sim_free(disk);
    watchdog_stop();
}

static bool is_filled(const uint8_t *bytes, size_t count, uint8_t value)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != value)
            return false;
    return true;
}

START_TEST(a_caller_of_any_version_gets_what_it_knows)
{
    const size_t own_bytes = calls[_i].own_bytes, room = own_bytes + 2 * BEYOND;
    uint8_t *whole = malloc(room), *out = malloc(room);

    begin(calls[_i].name);
    ck_assert_int_eq(calls[_i].call(whole, own_bytes), 0);
    ck_assert(!is_filled(whole, own_bytes, 0));
    for (size_t size = 0; size <= own_bytes + BEYOND; size++) {
        const size_t known = size < own_bytes ? size : own_bytes;
        memset(out, UNTOUCHED, room);
        ck_assert_int_eq(calls[_i].call(out, size), 0);
        ck_assert_msg(memcmp(out, whole, known) == 0, "of %zu bytes, others", size);
        ck_assert_msg(is_filled(out + known, size - known, 0), "of %zu bytes, no zeros", size);
        ck_assert_msg(is_filled(out + size, room - size, UNTOUCHED), "of %zu bytes, more", size);
    }
    free(whole);
    free(out);
    end();
}
END_TEST

START_TEST(nowhere_to_put_it)
{
    begin(calls[_i].name);
    ck_assert_int_eq(calls[_i].call(NULL, calls[_i].own_bytes),
                     calls[_i].may_be_null ? 0 : -EINVAL);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sizes");
    TCase *tcase = tcase_create("sizes");

    tcase_add_loop_test(tcase, a_caller_of_any_version_gets_what_it_knows, 0, (int)CALL_COUNT);
    tcase_add_loop_test(tcase, nowhere_to_put_it, 0, (int)CALL_COUNT);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
