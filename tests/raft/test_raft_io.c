/* SPDX-License-Identifier: MIT */
/*
 * Each operation of the table, against what libraft says of it: called by hand, and looked at by another
 * start.
 */
#include "raft_model.h"

#include "raft/node.h"

#include <stdlib.h>
#include <string.h>

static uv_loop_t loop;
static struct logfile_sim *sim;
static struct raft_disk disk;
static struct raft_model model;

static void setup(void)
{
    model_begin(&model, &disk, &loop, &sim);
}

static void teardown(void)
{
    ck_assert_uint_eq(model_end(&model, sim), 0);
}

static void open_new(void)
{
    ck_assert_int_eq(raft_disk_open(&disk), 0);
    ck_assert_int_eq(model_bootstrap(&model), 0);
    raft_disk_close(&disk);
    model_open(&model, false);
}

/* In order, and as if the power had gone: nothing that was called back may be missing. */
static void restart(bool loses_power)
{
    model_close(&model);
    if (loses_power)
        logfile_sim_reboot_losing_all(sim);
    model_open(&model, false);
}

/* The power goes, and nothing of what was not synced stays. */
static void crash(void)
{
    logfile_sim_crash_at(sim, 1);
    model_close(&model);
    logfile_sim_reboot_losing_all(sim);
    model.failed_from = UINT_MAX;
    model_open(&model, true);
}

static struct logfile_raft_state state_now(void)
{
    struct logfile_raft_state state;

    ck_assert_int_eq(logfile_raft_state(&disk.io, &state, sizeof state), 0);
    return state;
}

START_TEST(test_a_new_node_has_nothing)
{
    model_open(&model, false);
    ck_assert_uint_eq(state_now().next_index, 1);
    ck_assert_uint_eq(state_now().term, 0);
    ck_assert_ptr_nonnull(logfile_raft_log(&disk.io));
    restart(true);
    model_close(&model);
}
END_TEST

START_TEST(test_bootstrap_is_made_once)
{
    open_new();
    ck_assert_uint_eq(model.term, 1);
    ck_assert_int_eq(model_bootstrap(&model), RAFT_CANTBOOTSTRAP);
    restart(true);
    ck_assert_int_eq(model_bootstrap(&model), RAFT_CANTBOOTSTRAP);
    model_close(&model);
}
END_TEST

/* At every call of it. */
START_TEST(test_bootstrap_that_is_cut_short_can_be_made_again)
{
    for (unsigned at = 1;; at++) {
        logfile_sim_free(sim);
        sim = logfile_sim_new(NULL);
        disk.options.io = logfile_sim_io(sim);
        model_free(&model);
        model_init(&model, &disk);
        logfile_sim_crash_at(sim, at);
        if (raft_disk_open(&disk) == 0) {
            (void)model_bootstrap(&model);
            raft_disk_close(&disk);
        }
        bool was_down = logfile_sim_is_down(sim);
        logfile_sim_reboot(sim, at);
        model_free(&model);
        model_init(&model, &disk);
        ck_assert_int_eq(raft_disk_open(&disk), 0);
        int error = model_bootstrap(&model);
        if (error == RAFT_CANTBOOTSTRAP) { /* it was through */
            model.term = 1;
            model.step_count = 0;
        }
        ck_assert(error == 0 || error == RAFT_CANTBOOTSTRAP);
        ck_assert_uint_eq(state_now().next_index, 2);
        ck_assert_uint_eq(state_now().term, 1);
        raft_disk_close(&disk);
        if (!was_down) {
            ck_assert_uint_gt(at, 3);
            return;
        }
    }
}
END_TEST

/* A server that joins has no first configuration of its own; what a bootstrap left is not in its way. */
START_TEST(test_a_node_that_was_never_bootstrapped_takes_entries)
{
    const struct raft_entry entry = {.term = 1, .type = RAFT_CHANGE, .buf = {.len = 0}};
    const struct lf_raft_head head = lf_raft_entry_head(&entry, 1);
    struct logfile *log;

    ck_assert_int_eq(logfile_open(disk.path, &disk.options, NULL, &log), 0);
    ck_assert_int_eq(logfile_submit(log, &head, sizeof head, NULL, NULL), 0);
    ck_assert_int_eq(logfile_close(log), 0);
    model_open(&model, false);
    model_set_term(&model, 7);
    ck_assert_int_eq(model_append(&model, 1, 7), 0);
    model_wait(&model);
    model_close(&model);
    ck_assert_int_eq(raft_disk_open(&disk), 0);
    ck_assert_uint_eq(state_now().next_index, 2);
    raft_disk_close(&disk);
}
END_TEST

START_TEST(test_appends_are_answered_in_order_and_there_again)
{
    open_new();
    for (unsigned i = 1; i <= 40; i++) /* several are on their way at a time */
        ck_assert_int_eq(model_append(&model, i % 9 + 1, 1), 0);
    ck_assert_uint_eq(model.answers, 0);
    model_wait(&model);
    restart(true);
    ck_assert_int_eq(model_append(&model, 3000, 1), 0); /* more than a batch, or a slot, takes */
    model_wait(&model);
    restart(true);
    ck_assert_int_eq(model_append(&model, 5, 1), 0);
    restart(false); /* closing waits for it */
    model_close(&model);
}
END_TEST

START_TEST(test_an_entry_may_fill_a_slot_and_no_more)
{
    struct raft_io_append request;
    struct raft_entry entry = {.term = 1, .type = RAFT_COMMAND};

    disk.options.slot_bytes = 4 << 20; /* larger than what is copied together */
    model.data_max = 3 << 20;
    open_new();
    for (unsigned i = 0; i < 40; i++) {
        ck_assert_int_eq(model_append(&model, 2, 1), 0);
        model_wait(&model);
    }
    size_t most = logfile_record_max(logfile_raft_log(&disk.io)) - 24;
    entry.buf.len = most + 1;
    ck_assert_int_eq(disk.io.append(&disk.io, &request, &entry, 1, NULL), RAFT_TOOBIG);
    ck_assert_ptr_nonnull(strstr(disk.io.errmsg, "index 82"));
    restart(true);
    model_close(&model);
}
END_TEST

START_TEST(test_term_and_vote_are_durable_when_they_return)
{
    open_new();
    model_set_term(&model, 5);
    crash();
    model_set_vote(&model, 3);
    crash();
    model_set_term(&model, 6); /* the vote was of another term */
    crash();
    ck_assert_uint_eq(state_now().vote, 0);
    ck_assert_int_eq(disk.io.set_term(&disk.io, 5), RAFT_INVALID);
    model_close(&model);
}
END_TEST

START_TEST(test_what_is_cut_off_is_gone)
{
    open_new();
    model_set_term(&model, 2);
    ck_assert_int_eq(model_append(&model, 50, 2), 0);
    model_wait(&model);
    ck_assert_int_eq(model_truncate(&model, 30), 0); /* in the middle, and nothing follows */
    restart(true);
    ck_assert_uint_eq(model.next, 30);
    model_set_term(&model, 3);
    ck_assert_int_eq(model_append(&model, 4, 3), 0);
    ck_assert_int_eq(model_truncate(&model, 32), 0); /* of what is on its way */
    model_set_term(&model, 4);
    ck_assert_int_eq(model_append(&model, 1, 4), 0);
    ck_assert_int_eq(model_truncate(&model, 32), 0); /* twice, and further back */
    ck_assert_int_eq(model_truncate(&model, 10), 0);
    ck_assert_int_eq(model_append(&model, 2, 4), 0);
    model_wait(&model);
    crash();
    ck_assert_uint_eq(model.next, 12);
    ck_assert_int_eq(model_truncate(&model, 1), 0); /* all */
    ck_assert_int_eq(model_append(&model, 3, 4), 0);
    model_wait(&model);
    model_close(&model);
    ck_assert_int_eq(raft_disk_open(&disk), 0);
    ck_assert_uint_eq(state_now().next_index, 4);
    raft_disk_close(&disk);
}
END_TEST

START_TEST(test_only_what_is_there_can_be_cut_off)
{
    open_new();
    ck_assert_int_eq(model_append(&model, 3, 1), 0);
    ck_assert_int_eq(disk.io.truncate(&disk.io, 5), RAFT_INVALID);
    ck_assert_ptr_nonnull(strstr(disk.io.errmsg, "from index 5 on: the log has 1 to 4"));
    ck_assert_int_eq(disk.io.truncate(&disk.io, 0), RAFT_INVALID);
    model_wait(&model);
    model_put(&model, 4, 1, 2);
    model_wait(&model);
    restart(false);
    model_close(&model);
}
END_TEST

/* A cut that is lost in a crash with what followed it leaves the log as it was. */
START_TEST(test_a_cut_goes_with_what_follows)
{
    open_new();
    model_set_term(&model, 2);
    ck_assert_int_eq(model_append(&model, 9, 2), 0);
    model_wait(&model);
    ck_assert_int_eq(model_truncate(&model, 5), 0);
    model_set_term(&model, 3);
    ck_assert_int_eq(model_append(&model, 1, 3), 0);
    crash();
    ck_assert_uint_eq(model.next, 11);
    ck_assert_uint_eq(model_term_at(&model, 5), 2);
    model_close(&model);
}
END_TEST

/* Segments of a log end anywhere: cuts before, at and behind each end, of a log of several. */
START_TEST(test_cuts_at_every_place_of_a_log_of_segments)
{
    disk.options.slot_bytes = 8 << 10;
    disk.options.segment_bytes = 32 << 10;
    disk.lab.flusher = LOGFILE_FLUSHER_HYBRID;
    disk.options.prepare = LOGFILE_PREPARE_ALLOCATE;
    model.data_max = 2000;
    open_new();
    for (raft_index index = 400; index > 60; index -= (raft_index)scaled(23, 3, 1)) {
        model_set_term(&model, model.term + 1);
        while (model.next < 420) {
            ck_assert_int_eq(model_append(&model, 20, model.term), 0);
            model_wait(&model);
        }
        ck_assert_int_eq(model_truncate(&model, index), 0);
        ck_assert_int_eq(model_append(&model, 2, model.term), 0);
        model_wait(&model);
        if (index % 5 == 0)
            restart(index % 2 == 0);
    }
    restart(true);
    ck_assert_uint_gt(logfile_sim_file_count(sim), 4);
    model_close(&model);
}
END_TEST

START_TEST(test_a_snapshot_with_every_trailing)
{
    raft_index last_first = 0;

    open_new();
    model_set_term(&model, 2);
    for (unsigned trailing = 0; trailing <= 40; trailing++) {
        ck_assert_int_eq(model_append(&model, 7, 2), 0);
        model_wait(&model);
        ck_assert_int_eq(model_append(&model, 3, 2), 0); /* on its way */
        raft_index index = model.next - 1 - trailing % 5;
        model_put(&model, index, 2, trailing);
        model_wait(&model);
        raft_index first = state_now().first_index;
        raft_index kept = index > trailing ? index - trailing + 1 : 1;
        ck_assert_uint_le(first, kept);
        ck_assert_uint_ge(first, last_first);
        if (kept > last_first)
            ck_assert_uint_gt(first, last_first);
        last_first = first;
        restart(trailing % 2 == 0);
        last_first = state_now().first_index;
    }
    model_close(&model);
}
END_TEST

/* The leader's: it replaces what is there, before, at and behind its end, and also what is on its way. */
START_TEST(test_a_snapshot_replaces_all)
{
    static const int offsets[] = {-3, 0, 1, 50};

    for (unsigned i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        if (i == 0)
            open_new();
        raft_term term = model.term + 2;
        model_set_term(&model, term - 1);
        ck_assert_int_eq(model_append(&model, 10, term - 1), 0);
        model_wait(&model);
        model_set_term(&model, term);
        model_put(&model, (raft_index)((int64_t)model.next - 1 + offsets[i]), term, 0);
        ck_assert_uint_eq(state_now().first_index, model.next);
        ck_assert_uint_eq(state_now().next_index, model.next);
        if (i % 2 == 0)
            restart(true);
        ck_assert_int_eq(model_append(&model, 3, term), 0);
        model_wait(&model);
        restart(i % 2 == 0);
        ck_assert_uint_eq(state_now().first_index, model.next - 3);
    }
    model_close(&model);
}
END_TEST

/* One of its own, of which nothing is to trail it, does not take what follows it. */
START_TEST(test_a_snapshot_of_its_own_keeps_what_follows)
{
    open_new();
    ck_assert_int_eq(model_append(&model, 20, 1), 0);
    model_wait(&model);
    model_put(&model, 15, 1, 0);
    ck_assert_uint_eq(state_now().next_index, 22);
    restart(true);
    ck_assert_int_eq(model_append(&model, 1, 1), 0);
    model_wait(&model);
    restart(true);
    ck_assert_uint_eq(model.next, 23);
    model_close(&model);
}
END_TEST

static void on_put_status(struct raft_io_snapshot_put *put, int status)
{
    *(int *)put->data = status;
}

/* The files are there, and the log has not heard of them. */
START_TEST(test_a_crash_between_snapshot_and_log)
{
    int status = -1;
    struct raft_io_snapshot_put put = {.data = &status};

    for (int keeps = 0; keeps < 2; keeps++) {
        teardown();
        setup();
        open_new();
        model_set_term(&model, 2);
        ck_assert_int_eq(model_append(&model, 20, 2), 0);
        model_wait(&model);
        /* Either it has the last entry of it, or another one in its place. */
        disk.stored = snapshot_make(15, keeps ? 2 : 3, "state", 5);
        model_set_term(&model, 3);
        model_close(&model);
        logfile_sim_reboot_losing_all(sim);
        if (!keeps) {
            model.next = 16;
            model.begun_next = 16;
            model.step_count = 0;
            model.stored_steps = 0;
            model.start = 16;
        }
        model_open(&model, !keeps);
        ck_assert_uint_eq(state_now().next_index, keeps ? 22 : 16);
        ck_assert_int_eq(model_append(&model, 2, 3), 0);
        model_wait(&model);
        restart(true);
        ck_assert_uint_eq(state_now().next_index, keeps ? 24 : 18);
        /* Closed while one is being stored. */
        struct raft_snapshot *snapshot = snapshot_make(40, 4, "state", 5);
        ck_assert_int_eq(disk.io.snapshot_put(&disk.io, 0, &put, snapshot, on_put_status), 0);
        ck_assert_int_eq(disk.io.snapshot_put(&disk.io, 0, &put, snapshot, on_put_status),
                         RAFT_BUSY);
        model_close(&model);
        ck_assert_int_eq(status, RAFT_CANCELED);
        lf_raft_free_snapshot(snapshot);
        model_open(&model, false);
        model_close(&model);
    }
}
END_TEST

START_TEST(test_recover_appends_a_configuration)
{
    struct raft_configuration configuration;

    open_new();
    model_set_term(&model, 4);
    ck_assert_int_eq(model_append(&model, 3, 3), 0);
    model_wait(&model);
    model_close(&model);
    ck_assert_int_eq(raft_disk_open(&disk), 0);
    raft_configuration_init(&configuration);
    raft_configuration_add(&configuration, 9, "9", RAFT_VOTER);
    ck_assert_int_eq(disk.io.recover(&disk.io, &configuration), 0);
    raft_configuration_close(&configuration);
    ck_assert_uint_eq(state_now().next_index, 6);
    raft_disk_close(&disk);
    model.next = 6;
    model.terms[5] = 4;
    model.begun_next = 6;
    model.begun_terms[5] = 4;
    model.step_count = 0;
    memcpy(model.begun_terms, model.terms, 6 * sizeof *model.terms);
    model_open(&model, false);
    model_close(&model);
}
END_TEST

static void on_get(struct raft_io_snapshot_get *get, struct raft_snapshot *snapshot, int status)
{
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(snapshot->index, 3);
    lf_raft_free_snapshot(snapshot);
    *(bool *)get->data = true;
}

static int refuse_to_send(void *arg, struct raft_disk *from, struct raft_io_send *request,
                          const struct raft_message *message, raft_io_send_cb cb)
{
    (void)arg;
    (void)from;
    (void)request;
    (void)message;
    (void)cb;
    ck_abort_msg("a message to no server");
    return 0;
}

START_TEST(test_what_is_the_bases_is_handed_on)
{
    uint64_t now_ms = 77;
    bool is_done = false;
    struct raft_io_snapshot_get get = {.data = &is_done};
    struct raft_io_send send;
    struct raft_message message = {.type = RAFT_IO_TIMEOUT_NOW, .server_address = "2"};

    disk.now_ms = &now_ms;
    open_new();
    ck_assert_int_eq(model_append(&model, 2, 1), 0);
    model_put(&model, 3, 1, 1);
    ck_assert_int_eq(disk.io.snapshot_get(&disk.io, &get, on_get), 0);
    raft_disk_run_until(&disk, &is_done);
    ck_assert_uint_eq(disk.io.time(&disk.io), 77);
    for (int i = 0; i < 100; i++) {
        int drawn = disk.io.random(&disk.io, 5, 9);
        ck_assert(drawn >= 5 && drawn < 9);
    }
    message.server_id = 2;
    ck_assert_int_eq(disk.io.send(&disk.io, &send, &message, NULL), RAFT_NOCONNECTION);
    disk.send = refuse_to_send; /* to no server: it does not come to the base */
    message.server_id = 0;
    ck_assert_int_eq(disk.io.send(&disk.io, &send, &message, NULL), RAFT_NOCONNECTION);
    message.server_id = 2;
    message.server_address = NULL;
    ck_assert_int_eq(disk.io.send(&disk.io, &send, &message, NULL), RAFT_NOCONNECTION);
    ck_assert_ptr_null(disk.io.async_work);
    ck_assert_int_eq(disk.io.version, 1);
    model_close(&model);
}
END_TEST

START_TEST(test_arguments_are_checked)
{
    struct logfile_raft_state state;
    struct logfile_options options = {.replay_from = 1};
    struct logfile_raft_options raft_options = {.log = &options};

    ck_assert_int_eq(logfile_raft_init(NULL, &loop, "a", &disk.base, NULL), RAFT_INVALID);
    ck_assert_int_eq(logfile_raft_init(&disk.io, NULL, "a", &disk.base, NULL), RAFT_INVALID);
    ck_assert_int_eq(logfile_raft_init(&disk.io, &loop, NULL, &disk.base, NULL), RAFT_INVALID);
    ck_assert_int_eq(logfile_raft_init(&disk.io, &loop, "a", NULL, NULL), RAFT_INVALID);
    ck_assert_int_eq(logfile_raft_init(&disk.io, &loop, "a", &disk.base, &raft_options),
                     RAFT_INVALID);
    options.replay_from = 0;
    raft_options.reserved[5] = 1;
    ck_assert_int_eq(logfile_raft_init(&disk.io, &loop, "a", &disk.base, &raft_options),
                     RAFT_INVALID);
    ck_assert_int_eq(logfile_raft_state(NULL, &state, sizeof state), RAFT_INVALID);
    raft_options.reserved[5] = 0;
    ck_assert_int_eq(logfile_raft_init(&disk.io, &loop, "a", &disk.base, &raft_options), 0);
    ck_assert_ptr_null(logfile_raft_log(&disk.io));
    ck_assert_int_eq(logfile_raft_state(&disk.io, NULL, 0), RAFT_INVALID);
    ck_assert_int_eq(logfile_raft_state(&disk.io, &state, 8), 0); /* an older caller's */
    logfile_raft_close(&disk.io);                                 /* without raft_init */
}
END_TEST

static uint64_t syncs(void)
{
    return logfile_sim_call_count(sim, LOGFILE_SIM_SYNC);
}

START_TEST(test_syncs_are_counted)
{
    open_new();
    model_set_term(&model, 2);
    /* Sixteen appends of one turn of the loop are one group. */
    uint64_t before = syncs();
    for (unsigned i = 0; i < 16; i++)
        ck_assert_int_eq(model_append(&model, 1, 2), 0);
    model_wait(&model);
    ck_assert_uint_eq(syncs() - before, 1);
    /* A cut and what follows it, too. */
    before = syncs();
    ck_assert_int_eq(model_truncate(&model, 10), 0);
    ck_assert_uint_eq(syncs() - before, 0);
    ck_assert_int_eq(model_append(&model, 4, 2), 0);
    model_wait(&model);
    ck_assert_uint_eq(syncs() - before, 1);
    /* Each of term and vote writes both copies of the mark. */
    before = syncs();
    model_set_term(&model, 3);
    model_set_vote(&model, 1);
    ck_assert_uint_eq(syncs() - before, 4);
    model_close(&model);
}
END_TEST

/* The log's own threads flush, as they do everywhere but here. */
START_TEST(test_the_log_flushes_by_itself)
{
    disk.lab.flusher = LOGFILE_FLUSHER_HYBRID;
    disk.options.prepare = LOGFILE_PREPARE_ZERO;
    open_new();
    for (unsigned i = 0; i < 300; i++) {
        ck_assert_int_eq(model_append(&model, i % 4 + 1, model.term), 0);
        if (i % 10 == 9) {
            model_set_term(&model, model.term + 1);
            ck_assert_int_eq(model_truncate(&model, model.next - 3), 0);
        }
        if (i % 3 == 0)
            model_wait(&model);
        if (i % 50 == 49)
            model_put(&model, model.next - 1, model_term_at(&model, model.next - 1), 8);
        if (i % 40 == 39)
            restart(false);
    }
    model_wait(&model);
    restart(true);
    model_close(&model);
}
END_TEST

static Suite *io_suite(void)
{
    Suite *suite = suite_create("raft_io");
    TCase *tcase = tcase_create("operations");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_a_new_node_has_nothing);
    tcase_add_test(tcase, test_bootstrap_is_made_once);
    tcase_add_test(tcase, test_bootstrap_that_is_cut_short_can_be_made_again);
    tcase_add_test(tcase, test_a_node_that_was_never_bootstrapped_takes_entries);
    tcase_add_test(tcase, test_appends_are_answered_in_order_and_there_again);
    tcase_add_test(tcase, test_an_entry_may_fill_a_slot_and_no_more);
    tcase_add_test(tcase, test_term_and_vote_are_durable_when_they_return);
    tcase_add_test(tcase, test_what_is_cut_off_is_gone);
    tcase_add_test(tcase, test_only_what_is_there_can_be_cut_off);
    tcase_add_test(tcase, test_a_cut_goes_with_what_follows);
    tcase_add_test(tcase, test_cuts_at_every_place_of_a_log_of_segments);
    tcase_add_test(tcase, test_a_snapshot_with_every_trailing);
    tcase_add_test(tcase, test_a_snapshot_replaces_all);
    tcase_add_test(tcase, test_a_snapshot_of_its_own_keeps_what_follows);
    tcase_add_test(tcase, test_a_crash_between_snapshot_and_log);
    tcase_add_test(tcase, test_recover_appends_a_configuration);
    tcase_add_test(tcase, test_what_is_the_bases_is_handed_on);
    tcase_add_test(tcase, test_arguments_are_checked);
    tcase_add_test(tcase, test_syncs_are_counted);
    tcase_add_test(tcase, test_the_log_flushes_by_itself);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(io_suite());
}
