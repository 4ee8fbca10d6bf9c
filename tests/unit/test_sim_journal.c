/* SPDX-License-Identifier: MIT */
/*
 * The journal of logfile_sim.h: each promise that is broken by hand is named, and what a log may do
 * is not.  Records come from a list, so that they can be what no reader would give; what concerns
 * readers and paths is tried with logs on the simulated disk.
 */
#include "logfile_sim.h"
#include "sim/sim_journal.h"
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#define LSN(i) (1000 + 100 * (uint64_t)(i)) /* of record number i */

enum {
    RECORDS = 5,
    RECORD_MAX = 16
};

static struct logfile_sim_journal *journal;
static struct logfile_sim_report report;

/* ---- A log that is a list ---- */

struct list {
    struct logfile_record records[RECORD_MAX];
    unsigned count;
    unsigned at;
    int result; /* at its end */
};

static int next_of_list(void *from, struct logfile_record *record)
{
    struct list *list = from;

    if (list->at == list->count)
        return list->result;
    *record = list->records[list->at++];
    return 1;
}

static const char *const payloads[RECORDS] = {"alpha", "", "gamma gamma gamma", "delta", "epsilon"};

static void list_add(struct list *list, uint64_t lsn, const char *data)
{
    list->records[list->count++] =
        (struct logfile_record){.lsn = lsn, .data = data, .size = strlen(data)};
}

/* Records number `from` up to, but without, `to`. */
static struct list list_of(unsigned from, unsigned to)
{
    struct list list = {0};

    for (unsigned i = from; i < to; i++)
        list_add(&list, LSN(i), payloads[i]);
    return list;
}

static int check_list(struct list list)
{
    return lf_sim_journal_check_from(journal, next_of_list, &list, &report, sizeof report);
}

static void append(unsigned i)
{
    ck_assert_int_eq(logfile_sim_journal_append(journal, LSN(i), payloads[i], strlen(payloads[i])),
                     0);
}

/* Five records were appended, of which the first so many are durable. */
static void begin(unsigned durable_count)
{
    journal = logfile_sim_journal_new();
    for (unsigned i = 0; i < RECORDS; i++)
        append(i);
    if (durable_count > 0)
        logfile_sim_journal_durable(journal, LSN(durable_count - 1) + 1);
}

static void end(void)
{
    logfile_sim_journal_free(journal);
}

static void assert_kept(struct list list, unsigned count)
{
    ck_assert_msg(check_list(list) == 0, "%s", report.message);
    ck_assert_int_eq(report.broken, LOGFILE_SIM_KEPT);
    ck_assert_uint_eq(report.record_count, list.count);
    ck_assert_str_eq(report.message, "");
    ck_assert_uint_eq(logfile_sim_journal_count(journal), count);
}

static void assert_broken(struct list list, enum logfile_sim_promise promise, uint64_t lsn)
{
    const char *name = logfile_sim_promise_name(promise);
    size_t count = logfile_sim_journal_count(journal);

    ck_assert_int_eq(check_list(list), 1);
    ck_assert_msg(report.broken == promise, "%s", report.message);
    ck_assert_uint_eq(report.lsn, lsn);
    ck_assert_msg(strncmp(report.message, name, strlen(name)) == 0, "%s", report.message);
    ck_assert_uint_eq(logfile_sim_journal_count(journal), count);
}

/* ---- What a log may do ---- */

START_TEST(test_what_was_not_promised_may_be_there_or_not)
{
    for (unsigned there = 2; there <= RECORDS; there++) {
        begin(2);
        assert_kept(list_of(0, there), there);
        end();
    }
}
END_TEST

START_TEST(test_the_order_of_notes_does_not_matter)
{
    static const unsigned order[RECORDS] = {3, 0, 4, 2, 1};

    journal = logfile_sim_journal_new();
    logfile_sim_journal_durable(journal, LSN(3)); /* records that come only now */
    for (unsigned i = 0; i < RECORDS; i++)
        append(order[i]);
    assert_broken(list_of(0, 2), LOGFILE_SIM_LOST, LSN(2));
    assert_kept(list_of(0, 3), 3);
    end();
}
END_TEST

START_TEST(test_what_was_recovered_is_owed)
{
    begin(2);
    assert_kept(list_of(0, 4), 4);
    assert_broken(list_of(0, 3), LOGFILE_SIM_LOST, LSN(3));
    /* What the crash took may be appended at the same place. */
    logfile_sim_journal_append(journal, LSN(4), "zeta", 4);
    struct list list = list_of(0, 4);
    list_add(&list, LSN(4), "zeta");
    assert_kept(list, 5);
    end();
}
END_TEST

START_TEST(test_a_trim_that_was_asked_for_may_have_happened)
{
    for (unsigned first = 0; first <= 3; first++) {
        begin(RECORDS);
        logfile_sim_journal_trim(journal, LSN(3));
        assert_kept(list_of(first, RECORDS), RECORDS);
        /* It may be there again after another crash, as long as nobody said that it is gone. */
        assert_kept(list_of(0, RECORDS), RECORDS);
        end();
    }
}
END_TEST

START_TEST(test_a_trim_that_has_happened_strikes_records_off)
{
    begin(RECORDS);
    logfile_sim_journal_trim(journal, LSN(3));
    logfile_sim_journal_trimmed(journal, LSN(2));
    assert_kept(list_of(3, RECORDS), 3); /* number 2 may be gone too */
    assert_kept(list_of(2, RECORDS), 3);
    end();
}
END_TEST

START_TEST(test_all_may_have_been_trimmed)
{
    begin(RECORDS);
    logfile_sim_journal_trim(journal, LSN(4) + 50);
    logfile_sim_journal_trimmed(journal, LSN(4) + 50);
    assert_kept((struct list){0}, 0);
    end();
}
END_TEST

/* ---- Each promise, broken by hand ---- */

/* Five records were appended; the log gives those from `from` up to, but without, `to`, then
 * perhaps another one, and then its result. */
struct breach {
    enum logfile_sim_promise promise;
    uint64_t lsn;        /* the record that is concerned */
    unsigned read_count; /* of records that are right, before it */
    unsigned durable_count;
    unsigned trim, trimmed; /* asked for and told, up to that record */
    unsigned from, to;
    struct logfile_record other;
    int result;
    const char *told; /* also in the message */
};

#define OTHER(place, payload)                                                                      \
    .other = {.lsn = (place), .data = (payload), .size = sizeof(payload) - 1}

static const struct breach breaches[] = {
    {LOGFILE_SIM_LOST, LSN(3), 3, .durable_count = 4, .to = 3},
    {LOGFILE_SIM_LOST, LSN(0), 0, .durable_count = 4},
    {LOGFILE_SIM_LOST, LSN(0), 0, .durable_count = 4, .from = 1, .to = 5},
    {LOGFILE_SIM_LOST, LSN(2), 2, .durable_count = 4, .to = 2, OTHER(LSN(3), "delta")},
    /* A trim up to the second is no excuse for the third. */
    {LOGFILE_SIM_LOST, LSN(1), 0, .durable_count = 4, .trim = 1, .from = 2, .to = 5},
    {LOGFILE_SIM_GAP, LSN(2), 2, .durable_count = 1, .to = 2, OTHER(LSN(3), "delta")},
    {LOGFILE_SIM_PHANTOM, LSN(1) + 8, 2, .durable_count = 1, .to = 2, OTHER(LSN(1) + 8, "who")},
    {LOGFILE_SIM_PHANTOM, LSN(5), 5, .durable_count = 1, .to = 5, OTHER(LSN(5), "behind")},
    {LOGFILE_SIM_PHANTOM, 1, 0, .durable_count = 1, OTHER(1, "before")},
    {LOGFILE_SIM_CHANGED, LSN(2), 2, .to = 2, OTHER(LSN(2), "gamma gamma gamme")},
    {LOGFILE_SIM_CHANGED, LSN(2), 2, .to = 2, OTHER(LSN(2), "gamma"),
     .told = "5 bytes instead of 17"},
    {LOGFILE_SIM_DISORDER, LSN(2), 3, .to = 3, OTHER(LSN(2), "gamma gamma gamma")}, /* again */
    {LOGFILE_SIM_DISORDER, LSN(1), 3, .to = 3, OTHER(LSN(1), "")},                  /* back */
    {LOGFILE_SIM_REVIVED, LSN(1), 0, .durable_count = 5, .trim = 3, .trimmed = 2, .from = 1,
     .to = 5},
    {LOGFILE_SIM_UNREADABLE, 0, 3, .to = 3, .result = LOGFILE_ECORRUPT},
};

static struct list list_of_breach(const struct breach *breach)
{
    struct list list = list_of(breach->from, breach->to);

    if (breach->other.lsn != 0)
        list.records[list.count++] = breach->other;
    list.result = breach->result;
    return list;
}

START_TEST(test_what_is_broken_is_named)
{
    const struct breach *breach = &breaches[_i];

    begin(breach->durable_count);
    if (breach->trim > 0)
        logfile_sim_journal_trim(journal, LSN(breach->trim));
    if (breach->trimmed > 0)
        logfile_sim_journal_trimmed(journal, LSN(breach->trimmed));
    assert_broken(list_of_breach(breach), breach->promise, breach->lsn);
    ck_assert_uint_eq(report.record_count, breach->read_count);
    ck_assert_int_eq(report.error, breach->result);
    ck_assert(breach->told == NULL || strstr(report.message, breach->told) != NULL);
    end();
}
END_TEST

START_TEST(test_ambiguous)
{
    begin(0);
    append(3);
    assert_broken(list_of(0, RECORDS), LOGFILE_SIM_AMBIGUOUS, LSN(3));
    end();
}
END_TEST

/* ---- The hash ---- */

START_TEST(test_every_byte_and_the_size_count)
{
    uint8_t payload[40] = {0};

    for (size_t size = 0; size < sizeof payload; size++) {
        uint64_t hash = lf_sim_hash(payload, size);
        ck_assert_uint_ne(hash, lf_sim_hash(payload, size + 1));
        for (size_t i = 0; i < 8 * size; i++) {
            payload[i / 8] ^= (uint8_t)(1u << i % 8);
            ck_assert_uint_ne(lf_sim_hash(payload, size), hash);
            payload[i / 8] ^= (uint8_t)(1u << i % 8);
        }
        ck_assert_uint_eq(lf_sim_hash(payload, size), hash);
    }
}
END_TEST

/* ---- Journals ---- */

START_TEST(test_a_clone_is_a_journal_of_its_own)
{
    begin(4);
    logfile_sim_journal_trim(journal, LSN(2));
    logfile_sim_journal_trimmed(journal, LSN(1));
    struct logfile_sim_journal *first = journal;
    journal = logfile_sim_journal_clone(first);
    assert_broken(list_of(0, RECORDS), LOGFILE_SIM_REVIVED, LSN(0));
    assert_broken(list_of(3, RECORDS), LOGFILE_SIM_LOST, LSN(2));
    assert_broken(list_of(2, 3), LOGFILE_SIM_LOST, LSN(3));
    assert_kept(list_of(2, 4), 3);
    ck_assert_uint_eq(logfile_sim_journal_count(first), RECORDS);
    end();
    logfile_sim_journal_free(first);
}
END_TEST

struct writer {
    pthread_t thread;
    uint64_t first;
};

static void *note_many(void *argument)
{
    struct writer *writer = argument;

    for (uint64_t i = 0; i < 1000; i++) {
        logfile_sim_journal_append(journal, writer->first + 2 * i, "x", 1);
        logfile_sim_journal_durable(journal, writer->first);
    }
    return NULL;
}

START_TEST(test_several_writers_share_a_journal)
{
    struct writer writers[2] = {{.first = 1000}, {.first = 1001}};

    journal = logfile_sim_journal_new();
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&writers[i].thread, NULL, note_many, &writers[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(writers[i].thread, NULL);
    ck_assert_uint_eq(logfile_sim_journal_count(journal), 2000);
    assert_broken((struct list){0}, LOGFILE_SIM_LOST, 1000);
    end();
}
END_TEST

START_TEST(test_bad_arguments)
{
    struct list list = {0};

    journal = logfile_sim_journal_new();
    logfile_sim_journal_free(NULL);
    ck_assert_ptr_null(logfile_sim_journal_clone(NULL));
    ck_assert_int_eq(logfile_sim_journal_append(NULL, 1, "x", 1), -EINVAL);
    ck_assert_int_eq(logfile_sim_journal_append(journal, 1, NULL, 1), -EINVAL);
    ck_assert_int_eq(logfile_sim_journal_append(journal, 1, NULL, 0), 0);
    ck_assert_int_eq(logfile_sim_journal_durable(NULL, 1), -EINVAL);
    ck_assert_int_eq(logfile_sim_journal_trim(NULL, 1), -EINVAL);
    ck_assert_int_eq(logfile_sim_journal_trimmed(NULL, 1), -EINVAL);
    ck_assert_uint_eq(logfile_sim_journal_count(NULL), 0);
    ck_assert_int_eq(logfile_sim_journal_check(journal, NULL, NULL, 0), -EINVAL);
    ck_assert_int_eq(logfile_sim_journal_check_path(journal, NULL, NULL, NULL, 0), -EINVAL);
    ck_assert_int_eq(logfile_sim_journal_check_path(NULL, "/x", NULL, NULL, 0), -EINVAL);
    ck_assert_int_eq(lf_sim_journal_check_from(NULL, next_of_list, &list, NULL, 0), -EINVAL);
    ck_assert_str_eq(logfile_sim_promise_name((enum logfile_sim_promise)99), "unknown");
    end();
}
END_TEST

/* ---- Logs ---- */

static struct logfile_sim *disk;

static struct logfile *open_log(void)
{
    struct logfile_options options = {.io = logfile_sim_io(disk),
                                      .slot_bytes = 8 << 10,
                                      .lab =
                                          &(struct logfile_lab){.flusher = LOGFILE_FLUSHER_LEADER},
                                      .prepare = LOGFILE_PREPARE_NONE};
    struct logfile *log;

    ck_assert_int_eq(logfile_open("/log", &options, NULL, &log), 0);
    return log;
}

static void append_to(struct logfile *log, const char *data)
{
    uint64_t lsn;

    ck_assert_int_eq(logfile_append(log, data, strlen(data), &lsn), 0);
    logfile_sim_journal_append(journal, lsn, data, strlen(data));
    logfile_sim_journal_durable(journal, lsn + 1);
}

static int check_log(void)
{
    return logfile_sim_journal_check_path(journal, "/log", logfile_sim_io(disk), &report,
                                          sizeof report);
}

static void begin_log(void)
{
    disk = logfile_sim_new(NULL);
    journal = logfile_sim_journal_new();
}

static void end_log(void)
{
    logfile_sim_journal_free(journal);
    logfile_sim_free(disk);
}

START_TEST(test_a_log_that_was_never_made_is_empty)
{
    begin_log();
    ck_assert_int_eq(check_log(), 0);
    logfile_sim_journal_append(journal, 20000, "x", 1);
    ck_assert_int_eq(check_log(), 0);
    ck_assert_uint_eq(logfile_sim_journal_count(journal), 0);
    logfile_sim_journal_append(journal, 20000, "x", 1);
    logfile_sim_journal_durable(journal, 20001);
    ck_assert_int_eq(check_log(), 1);
    ck_assert_int_eq(report.broken, LOGFILE_SIM_LOST);
    end_log();
    /* One that was trimmed was there. */
    begin_log();
    logfile_sim_journal_trimmed(journal, 30000);
    ck_assert_int_eq(check_log(), 1);
    ck_assert(report.broken == LOGFILE_SIM_UNREADABLE && report.error == -ENOENT);
    end_log();
}
END_TEST

START_TEST(test_a_log_is_read_and_compared)
{
    begin_log();
    struct logfile *log = open_log();
    for (unsigned i = 0; i < RECORDS; i++)
        append_to(log, payloads[i]);
    logfile_close(log);
    ck_assert_msg(check_log() == 0, "%s", report.message);
    ck_assert_uint_eq(report.record_count, RECORDS);
    logfile_sim_reboot_losing_all(disk);
    log = open_log();
    append_to(log, "zeta");
    logfile_close(log);
    ck_assert_msg(check_log() == 0, "%s", report.message);
    ck_assert_uint_eq(logfile_sim_journal_count(journal), RECORDS + 1);
    ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
    end_log();
}
END_TEST

START_TEST(test_a_disk_that_lies_is_found_out)
{
    struct logfile_sim_options options = {.sync_lies = true};

    disk = logfile_sim_new(&options);
    journal = logfile_sim_journal_new();
    struct logfile *log = open_log();
    append_to(log, "alpha");
    logfile_close(log);
    logfile_sim_reboot_losing_all(disk);
    ck_assert_int_eq(check_log(), 1);
    ck_assert_int_eq(report.broken, LOGFILE_SIM_LOST);
    end_log();
}
END_TEST

START_TEST(test_a_log_that_cannot_be_read)
{
    uint8_t byte = 0xff;

    begin_log();
    struct logfile *log = open_log();
    append_to(log, "alpha");
    append_to(log, "beta");
    logfile_close(log);
    uint64_t offset = 16 << 10; /* where the first group is */
    for (unsigned i = 0; i < 64; i++)
        ck_assert_int_eq(logfile_sim_poke(disk, "/log", offset + 4096 + i, &byte, 1), 0);
    ck_assert_int_eq(check_log(), 1);
    ck_assert(report.broken == LOGFILE_SIM_UNREADABLE && report.error == LOGFILE_ECORRUPT);
    end_log();
}
END_TEST

static void add_promises(Suite *suite)
{
    TCase *tcase = tcase_create("promises");

    tcase_add_test(tcase, test_what_was_not_promised_may_be_there_or_not);
    tcase_add_test(tcase, test_the_order_of_notes_does_not_matter);
    tcase_add_test(tcase, test_what_was_recovered_is_owed);
    tcase_add_test(tcase, test_a_trim_that_was_asked_for_may_have_happened);
    tcase_add_test(tcase, test_a_trim_that_has_happened_strikes_records_off);
    tcase_add_test(tcase, test_all_may_have_been_trimmed);
    tcase_add_loop_test(tcase, test_what_is_broken_is_named, 0,
                        (int)(sizeof breaches / sizeof breaches[0]));
    tcase_add_test(tcase, test_ambiguous);
    suite_add_tcase(suite, tcase);
}

static void add_rest(Suite *suite)
{
    TCase *tcase = tcase_create("journals and logs");

    tcase_add_test(tcase, test_every_byte_and_the_size_count);
    tcase_add_test(tcase, test_a_clone_is_a_journal_of_its_own);
    tcase_add_test(tcase, test_several_writers_share_a_journal);
    tcase_add_test(tcase, test_bad_arguments);
    tcase_add_test(tcase, test_a_log_that_was_never_made_is_empty);
    tcase_add_test(tcase, test_a_log_is_read_and_compared);
    tcase_add_test(tcase, test_a_disk_that_lies_is_found_out);
    tcase_add_test(tcase, test_a_log_that_cannot_be_read);
    suite_add_tcase(suite, tcase);
}

int main(void)
{
    Suite *suite = suite_create("sim_journal");

    add_promises(suite);
    add_rest(suite);
    return run_suite(suite);
}
