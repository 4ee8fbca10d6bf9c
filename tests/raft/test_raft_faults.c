/* SPDX-License-Identifier: MIT */
/*
 * Logs that no Raft node can go on with, disks that are full, and disks that fail.
 */
#include "raft_model.h"

#include "raft/node.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
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
    model_end(&model, sim);
}

static struct logfile_raft_state state_now(void)
{
    struct logfile_raft_state state;

    ck_assert_int_eq(logfile_raft_state(&disk.io, &state, sizeof state), 0);
    return state;
}

/* ---------------------------------------------------------------------------------------------
 * Logs.
 */

/* One record of a log that is made by hand. */
struct piece {
    char kind; /* e: an entry; c: a cut; x: of somebody else; 0: no more */
    raft_index index;
    raft_term term;
};

struct bad_log {
    const char *name;
    struct piece pieces[6];
    raft_term term; /* of the mark; 0: there is none */
    int error;
    const char *text; /* a part of the message; %LSN is the LSN of the piece `blamed` */
    int blamed;
};

static const struct bad_log bad_logs[] = {
    {"another's record",
     {{'e', 1, 1}, {'e', 2, 1}, {'x', 0, 0}},
     1,
     RAFT_MALFORMED,
     "the record at LSN %LSN (after index 2) is not a Raft node's",
     2},
    {"another's log",
     {{'x', 0, 0}},
     0,
     RAFT_MALFORMED,
     "the record at LSN %LSN (after index 0) is not a Raft node's",
     0},
    {"entries without a term",
     {{'e', 1, 1}, {'e', 2, 1}},
     0,
     RAFT_CORRUPT,
     "the log has entries 1 to 2, from LSN %LSN on, and no term",
     0},
    {"a gap",
     {{'e', 1, 1}, {'e', 2, 1}, {'e', 4, 1}},
     1,
     RAFT_CORRUPT,
     "index 4 at LSN %LSN follows index 2",
     2},
    {"the same index again",
     {{'e', 1, 1}, {'e', 2, 1}, {'e', 2, 2}},
     2,
     RAFT_CORRUPT,
     "index 2 at LSN %LSN follows index 2",
     2},
    {"a gap after a cut",
     {{'e', 1, 1}, {'e', 2, 1}, {'e', 3, 1}, {'c', 2, 0}, {'e', 3, 2}},
     2,
     RAFT_CORRUPT,
     "index 3 at LSN %LSN follows index 1",
     4},
    {"a term that goes back",
     {{'e', 1, 1}, {'e', 2, 3}, {'e', 3, 2}},
     3,
     RAFT_CORRUPT,
     "the term goes back from 3 to 2 with index 3 at LSN %LSN",
     2},
    {"a term of the future",
     {{'e', 1, 1}, {'e', 2, 9}},
     8,
     RAFT_CORRUPT,
     "index 2 at LSN %LSN has term 9, but the node knows of 8 only",
     1},
    {"a cut beyond the end",
     {{'e', 1, 1}, {'e', 2, 1}, {'c', 4, 0}},
     1,
     RAFT_CORRUPT,
     "entries from index 4 on are cut off at LSN %LSN, but index 2 was the last",
     2},
    {"entries beyond a cut",
     {{'e', 1, 1}, {'e', 2, 1}, {'c', 2, 0}, {'e', 3, 1}},
     1,
     RAFT_CORRUPT,
     "index 3 at LSN %LSN follows index 1",
     3},
    {"a start without a snapshot",
     {{'e', 5, 1}, {'e', 6, 1}},
     1,
     RAFT_CORRUPT,
     "the log starts with index 5 at LSN %LSN, and there is no snapshot of what was before",
     0},
};

static void append_piece(struct logfile *log, const struct piece *piece, uint64_t *lsn)
{
    struct raft_entry entry = {.term = piece->term,
                               .type = piece->index == 1 ? RAFT_CHANGE : RAFT_COMMAND};
    struct lf_raft_head head = piece->kind == 'c' ? lf_raft_cut_head(piece->index)
                                                  : lf_raft_entry_head(&entry, piece->index);

    ck_assert_int_eq(piece->kind == 'x' ? logfile_append(log, "other", 5, lsn)
                                        : logfile_append(log, &head, sizeof head, lsn),
                     0);
}

static uint64_t make_log(const struct bad_log *bad)
{
    struct logfile *log;
    struct lf_raft_mark mark;
    uint64_t lsn, blamed = 0;

    ck_assert_int_eq(logfile_open(disk.path, &disk.options, NULL, &log), 0);
    for (int i = 0; bad->pieces[i].kind != 0; i++) {
        append_piece(log, &bad->pieces[i], &lsn);
        if (i == bad->blamed)
            blamed = lsn;
    }
    lf_raft_mark_init(&mark);
    mark.term = bad->term;
    if (bad->term != 0)
        ck_assert_int_eq(logfile_mark(log, 0, &mark, sizeof mark), 0);
    ck_assert_int_eq(logfile_close(log), 0);
    return blamed;
}

static void ck_assert_contains(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "\"%s\" says nothing of \"%s\"", text, part);
}

static void with_lsn(char *to, size_t size, const char *text, uint64_t lsn)
{
    const char *at = strstr(text, "%LSN");

    snprintf(to, size, "%.*s%llu%s", (int)(at - text), text, (unsigned long long)lsn, at + 4);
}

/* Opens and loads, as raft_init and raft_start do: what it is refused with. */
static int refused_with(char *text, size_t size)
{
    struct raft_snapshot *snapshot;
    struct raft_entry *entries;
    raft_index start;
    raft_term term;
    raft_id vote;
    size_t count;

    int error = raft_disk_open(&disk);
    snprintf(text, size, "%s", disk.io.errmsg);
    if (error != 0)
        return error;
    error = disk.io.load(&disk.io, &term, &vote, &snapshot, &start, &entries, &count);
    snprintf(text, size, "%s", disk.io.errmsg);
    raft_disk_close(&disk);
    return error;
}

/* Every record of the log, in order, as a checksum. */
static uint64_t records_of_log(void)
{
    const struct logfile_reader_options options = {.io = logfile_sim_io(sim)};
    struct logfile_reader *reader;
    struct logfile_record record;
    uint64_t sum = 0;

    ck_assert_int_eq(logfile_reader_open(disk.path, &options, &reader), 0);
    while (logfile_reader_next(reader, &record) == 1) {
        sum = sum * 31 + record.lsn;
        for (size_t i = 0; i < record.size; i++)
            sum = sum * 31 + ((const uint8_t *)record.data)[i];
    }
    logfile_reader_close(reader);
    return sum;
}

START_TEST(test_logs_that_no_node_has_written_are_refused)
{
    const struct bad_log *bad = &bad_logs[_i];
    char expected[256], text[256];
    uint64_t lsn = make_log(bad);
    uint64_t before = records_of_log();

    int error = refused_with(text, sizeof text);
    ck_assert_msg(error == bad->error, "%s: %s: %s", bad->name, raft_strerror(error), text);
    with_lsn(expected, sizeof expected, bad->text, lsn);
    ck_assert_contains(text, expected);
    ck_assert_uint_eq(records_of_log(), before); /* nothing was cut */
    ck_assert_int_eq(refused_with(text, sizeof text), bad->error);
}
END_TEST

START_TEST(test_a_mark_of_another_program)
{
    struct logfile *log;
    char text[256];

    ck_assert_int_eq(logfile_open(disk.path, &disk.options, NULL, &log), 0);
    ck_assert_int_eq(logfile_mark(log, 0, "a store's checkpoint", 20), 0);
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert_int_eq(refused_with(text, sizeof text), RAFT_MALFORMED);
    ck_assert_contains(text, "the log's mark (20 bytes) is not a Raft node's");
}
END_TEST

static void make_node(unsigned entries)
{
    ck_assert_int_eq(raft_disk_open(&disk), 0);
    ck_assert_int_eq(model_bootstrap(&model), 0);
    raft_disk_close(&disk);
    model_open(&model, false);
    for (unsigned i = 0; i < entries; i++) {
        ck_assert_int_eq(model_append(&model, 1, model.term), 0);
        model_wait(&model);
    }
}

/* In the middle: what was durable cannot be read.  The last index before it is named, and its LSN. */
START_TEST(test_a_damaged_middle_is_named)
{
    char text[256], expected[64];
    uint8_t block[4096];

    make_node(40);
    const struct lf_raft *node = disk.io.impl;
    uint64_t lsn = lf_raft_lsns_get(&node->lsns, 20).lsn;
    uint64_t before = lf_raft_lsns_get(&node->lsns, 19).lsn;
    model_close(&model);
    /* Each has a group of its own, in a block of its own; one file is addressed by LSN. */
    uint64_t offset = lsn / 4096 * 4096;
    ck_assert_int_eq(logfile_sim_peek(sim, disk.path, offset, block, sizeof block), 0);
    memset(block, 0xa5, sizeof block);
    ck_assert_int_eq(logfile_sim_poke(sim, disk.path, offset, block, sizeof block), 0);
    ck_assert_int_eq(refused_with(text, sizeof text), RAFT_CORRUPT);
    snprintf(expected, sizeof expected, "after index 19 at LSN %llu: ", (unsigned long long)before);
    ck_assert_contains(text, expected);
    ck_assert_int_eq(refused_with(text, sizeof text), RAFT_CORRUPT);
}
END_TEST

START_TEST(test_a_snapshot_that_does_not_fit_is_refused)
{
    char text[256];

    make_node(20);
    model_set_term(&model, 2);
    model_put(&model, 30, 2, 0);
    model_close(&model);
    lf_raft_free_snapshot(disk.stored);
    disk.stored =
        snapshot_make(28, 2, "older", 5); /* the last one is gone, an older one is there */
    ck_assert_int_eq(refused_with(text, sizeof text), RAFT_CORRUPT);
    ck_assert_contains(text, "the log starts with index 31 at LSN ");
    ck_assert_contains(text, "and the last snapshot ends with index 28");
    lf_raft_free_snapshot(disk.stored);
    disk.stored = snapshot_make(40, 3, "of another", 10);
    ck_assert_int_eq(refused_with(text, sizeof text), RAFT_CORRUPT);
    ck_assert_contains(text, "the snapshot of index 40 has term 3, and the log knows of 2 only");
    lf_raft_free_snapshot(disk.stored);
    disk.stored = NULL;
    ck_assert_int_eq(refused_with(text, sizeof text), RAFT_CORRUPT);
    ck_assert_contains(text, "there is no snapshot");
}
END_TEST

START_TEST(test_a_log_of_the_bases_own_is_refused)
{
    char text[256];

    disk.own_term = 3;
    ck_assert_int_eq(refused_with(text, sizeof text), RAFT_INVALID);
    ck_assert_contains(text, "beside the log there is one of libraft's own, of term 3");
}
END_TEST

START_TEST(test_logs_that_cannot_be_opened)
{
    struct logfile *log;
    char text[256];

    ck_assert_int_eq(logfile_open(disk.path, &disk.options, NULL, &log), 0);
    ck_assert_int_eq(refused_with(text, sizeof text), RAFT_BUSY);
    ck_assert_int_eq(logfile_close(log), 0);
    disk.options.slot_bytes = 8 << 10;
    ck_assert_int_eq(refused_with(text, sizeof text), RAFT_INVALID);
    disk.options.slot_bytes = 0;
    disk.options.open_flags = LOGFILE_OPEN_EXISTING;
    disk.path = "none";
    ck_assert_int_eq(refused_with(text, sizeof text), RAFT_IOERR);
    ck_assert_uint_gt(strlen(text), 0);
}
END_TEST

/* ---------------------------------------------------------------------------------------------
 * A node as libraft would run it: what it was told.
 */

static struct {
    unsigned messages, entries, stepped_down;
    raft_term term;
    raft_index prev_log_index;
} told;

static void on_tick(struct raft_io *io)
{
    (void)io;
}

/* As libraft does it: a higher term is stored first; entries are appended from within. */
static void on_receive(struct raft_io *io, struct raft_message *message)
{
    const struct raft_append_entries *append = &message->append_entries;

    ck_assert_ptr_eq(io, &disk.io);
    ck_assert_uint_eq(message->type, RAFT_IO_APPEND_ENTRIES);
    told.messages++;
    told.term = append->term;
    told.prev_log_index = append->prev_log_index;
    if (append->term > model.term && io->set_term(io, append->term) != 0) {
        told.stepped_down++;
        return;
    }
    told.entries += append->n_entries;
    if (append->n_entries > 0)
        ck_assert_int_eq(model_append(&model, append->n_entries, append->term), 0);
    for (unsigned i = 0; i < append->n_entries; i++)
        free(append->entries[i].buf.base);
    raft_free(append->entries);
}

static void start_node(void)
{
    memset(&told, 0, sizeof told);
    ck_assert_int_eq(disk.io.start(&disk.io, 100, on_tick, on_receive), 0);
}

/* A leader sends entries. */
static void receive_entries(unsigned count)
{
    struct raft_message message = {.type = RAFT_IO_APPEND_ENTRIES,
                                   .server_id = 2,
                                   .server_address = "2",
                                   .append_entries = {.term = model.term,
                                                      .prev_log_index = model.next - 1,
                                                      .prev_log_term = model.term,
                                                      .n_entries = count}};

    message.append_entries.entries = raft_calloc(count, sizeof *message.append_entries.entries);
    for (unsigned i = 0; i < count; i++)
        message.append_entries.entries[i].term = model.term;
    disk.receive(&disk.base, &message);
}

/* ---------------------------------------------------------------------------------------------
 * A full disk.
 */

static void fill_disk(void)
{
    ck_assert_int_eq(logfile_sim_set_capacity(sim, logfile_sim_used_bytes(sim, NULL)), 0);
}

static void make_room(void)
{
    ck_assert_int_eq(logfile_sim_set_capacity(sim, 0), 0);
}

/* Appends until the log has used what it had prepared.  One that has been accepted before that was known
 * waits for room. */
static int append_until_refused(void)
{
    int error = 0;

    for (unsigned i = 0; i < 10000 && error == 0; i++) {
        error = model_append(&model, 4, model.term);
        while (error == 0 && model.answers < model.calls && state_now().refused == 0)
            raft_disk_run(&disk);
    }
    return error;
}

static void use_prepared_log(void)
{
    disk.options.prepare = LOGFILE_PREPARE_ALLOCATE;
    disk.options.prepare_bytes = 128 << 10;
    disk.lab.flusher = LOGFILE_FLUSHER_HYBRID;
}

START_TEST(test_a_leader_on_a_full_disk_is_refused)
{
    use_prepared_log();
    make_node(3);
    start_node();
    fill_disk();
    ck_assert_int_eq(append_until_refused(), RAFT_NOSPACE);
    ck_assert_uint_gt(strlen(disk.io.errmsg), 0);
    struct logfile_raft_state state = state_now();
    ck_assert_int_eq(state.refused, -ENOSPC);
    ck_assert_uint_eq(state.next_index, model.next);
    ck_assert_uint_ge(state.refused_appends, 1);
    ck_assert_uint_eq(state.failed, 0);
    /* It still learns of terms, and votes. */
    model_set_term(&model, model.term + 1);
    model_set_vote(&model, 2);
    ck_assert_int_eq(model_append(&model, 1, model.term), RAFT_NOSPACE);
    ck_assert_uint_eq(told.messages, 0);
    make_room();
    int error;
    do /* whether there is room again is looked at now and then */
        error = model_append(&model, 1, model.term);
    while (error == RAFT_NOSPACE);
    ck_assert_int_eq(error, 0);
    model_wait(&model);
    ck_assert_int_eq(state_now().refused, 0);
    model_close(&model);
    model_open(&model, false);
    model_close(&model);
}
END_TEST

START_TEST(test_a_follower_on_a_full_disk_stays_one)
{
    use_prepared_log();
    make_node(3);
    start_node();
    fill_disk();
    while (state_now().refused == 0) {
        receive_entries(4);
        raft_disk_run(&disk);
    }
    /* What it was given waits; what comes now does not reach libraft, but that there is a leader does. */
    struct logfile_raft_state state = state_now();
    ck_assert_uint_ge(state.waiting_entries, 1);
    unsigned entries = told.entries, messages = told.messages;
    for (unsigned i = 0; i < 20; i++) {
        receive_entries(3);
        disk.tick(&disk.base);
        raft_disk_run(&disk);
    }
    ck_assert_uint_eq(told.entries, entries);
    ck_assert_uint_eq(told.messages, messages + 20);
    ck_assert_uint_eq(told.prev_log_index, UINT64_MAX);
    ck_assert_uint_eq(state_now().refused_messages, 20);
    ck_assert_uint_eq(state_now().waiting_entries, state.waiting_entries);
    model_set_term(&model, model.term + 1);
    model_set_vote(&model, 3);
    ck_assert_uint_eq(told.stepped_down, 0);
    make_room();
    while (model.answers < model.calls) {
        disk.tick(&disk.base);
        raft_disk_run(&disk);
    }
    ck_assert_uint_eq(state_now().waiting_entries, 0);
    receive_entries(3);
    ck_assert_uint_eq(told.entries, entries + 3);
    model_wait(&model);
    model_close(&model);
    model_open(&model, false);
    model_close(&model);
}
END_TEST

/* The leader's snapshot takes the place of what is there, and of what waits, without a free byte. */
START_TEST(test_a_full_disk_takes_a_snapshot)
{
    use_prepared_log();
    make_node(3);
    start_node();
    fill_disk();
    while (state_now().refused == 0) {
        receive_entries(4);
        raft_disk_run(&disk);
    }
    model_set_term(&model, model.term + 1);
    model_put(&model, model.next + 100, model.term, 0);
    ck_assert_uint_eq(state_now().waiting_entries, 0);
    int error;
    do /* what was given back is room */
        error = model_append(&model, 1, model.term);
    while (error == RAFT_NOSPACE);
    ck_assert_int_eq(error, 0);
    model_wait(&model);
    model_close(&model);
    model_open(&model, false);
    ck_assert_uint_eq(state_now().failed, 0);
    model_close(&model);
}
END_TEST

/* More than may wait: a leader is busy, and a follower refuses; both go on when the disk does. */
START_TEST(test_a_slow_disk_pushes_back)
{
    disk.raft_options.waiting_bytes = 20000;
    make_node(3);
    start_node();
    int error = 0;
    for (unsigned i = 0; i < 10000 && error == 0; i++)
        error = model_append(&model, 4, model.term);
    ck_assert_int_eq(error, RAFT_BUSY);
    unsigned entries = told.entries;
    receive_entries(2);
    ck_assert_uint_eq(told.entries, entries);
    ck_assert_uint_eq(state_now().refused, 0);
    model_wait(&model);
    ck_assert_int_eq(model_append(&model, 1, model.term), 0);
    receive_entries(2);
    ck_assert_uint_eq(told.entries, entries + 2);
    model_wait(&model);
    model_close(&model);
    model_open(&model, false);
    model_close(&model);
}
END_TEST

/* ---------------------------------------------------------------------------------------------
 * A disk that fails.
 */

START_TEST(test_a_failed_sync_steps_the_node_down)
{
    const struct logfile_sim_fault fault = {
        .call = (uint32_t)(_i == 0 ? LOGFILE_SIM_SYNC : LOGFILE_SIM_WRITE),
        .for_ever = true,
        .error = -EIO};

    make_node(10);
    start_node();
    for (unsigned i = 0; i < 5; i++)
        ck_assert_int_eq(model_append(&model, 2, model.term), 0);
    size_t stored = model.stored_steps;
    ck_assert_int_eq(logfile_sim_fault(sim, &fault), 0);
    while (told.stepped_down == 0)
        raft_disk_run(&disk);
    /* Each was answered, the last one first; nothing is taken any more. */
    ck_assert_uint_eq(model.answers, model.calls);
    ck_assert_uint_eq(model.failed_from, model.calls - 5);
    ck_assert_uint_eq(model.stored_steps, stored);
    ck_assert_uint_eq(told.term, model.term + 1);
    ck_assert_uint_eq(state_now().failed, 1);
    ck_assert_contains(disk.io.errmsg, _i == 0 ? "sync" : "write");
    ck_assert_int_eq(model_append(&model, 1, model.term), RAFT_IOERR);
    ck_assert_int_eq(disk.io.truncate(&disk.io, 5), RAFT_IOERR);
    ck_assert_int_eq(disk.io.set_term(&disk.io, 50), RAFT_IOERR);
    ck_assert_int_eq(disk.io.set_vote(&disk.io, 1), RAFT_IOERR);
    disk.tick(&disk.base);
    ck_assert_uint_eq(told.stepped_down, 1);
    logfile_sim_fault_clear(sim);
    model_close(&model);
    model.failed_from = UINT_MAX;
    model_open(&model, true);
    ck_assert_int_eq(model_append(&model, 1, model.term), 0);
    model_wait(&model);
    model_close(&model);
}
END_TEST

static const struct logfile_sim_fault no_sync = {
    .call = LOGFILE_SIM_SYNC, .for_ever = true, .error = -EIO};

/* What has been cut off since is not answered with a failure: libraft would take back what replaced it. */
START_TEST(test_what_was_cut_off_does_not_fail)
{
    make_node(10);
    start_node();
    ck_assert_int_eq(model_append(&model, 1, 1), 0);
    model_set_term(&model, 2);
    ck_assert_int_eq(model_truncate(&model, model.next - 1), 0);
    ck_assert_int_eq(model_append(&model, 1, 2), 0);
    ck_assert_int_eq(logfile_sim_fault(sim, &no_sync), 0);
    /* The first is answered as if it were stored, after the second has failed. */
    while (told.stepped_down == 0)
        raft_disk_run(&disk);
    ck_assert_uint_eq(model.failed_from, model.calls - 1);
    ck_assert_uint_eq(model.answers, model.calls);
    logfile_sim_fault_clear(sim);
    model_close(&model);
}
END_TEST

/* The mark: a term that is not stored is not the node's. */
START_TEST(test_a_term_that_cannot_be_stored)
{
    make_node(2);
    start_node();
    ck_assert_int_eq(logfile_sim_fault(sim, &no_sync), 0);
    ck_assert_int_eq(disk.io.set_term(&disk.io, 9), RAFT_IOERR);
    ck_assert_contains(disk.io.errmsg, "term 9");
    while (told.stepped_down == 0)
        raft_disk_run(&disk);
    logfile_sim_fault_clear(sim);
    raft_disk_close(&disk);
}
END_TEST

static void on_put_failed(struct raft_io_snapshot_put *put, int status)
{
    *(int *)put->data = status;
}

/* libraft has forgotten its log by then: it must not go on. */
START_TEST(test_a_snapshot_of_the_leaders_that_cannot_be_stored)
{
    int status = 0;
    struct raft_io_snapshot_put put = {.data = &status};
    struct raft_snapshot *snapshot = snapshot_make(90, 1, "state", 5);

    make_node(10);
    start_node();
    disk.put_error = RAFT_IOERR;
    ck_assert_int_eq(disk.io.snapshot_put(&disk.io, 0, &put, snapshot, on_put_failed), 0);
    while (status == 0)
        raft_disk_run(&disk);
    ck_assert_int_eq(status, RAFT_IOERR);
    disk.tick(&disk.base);
    ck_assert_uint_eq(told.stepped_down, 1);
    ck_assert_contains(disk.io.errmsg, "could not be stored");
    model_close(&model);
    model_open(&model, false); /* the log is as it was */
    /* One of its own is only not there. */
    start_node();
    disk.put_error = RAFT_NOSPACE;
    status = 0;
    snapshot->index = 5;
    ck_assert_int_eq(disk.io.snapshot_put(&disk.io, 2, &put, snapshot, on_put_failed), 0);
    while (status == 0)
        raft_disk_run(&disk);
    ck_assert_int_eq(status, RAFT_NOSPACE);
    ck_assert_uint_eq(state_now().failed, 0);
    model_close(&model);
    model_open(&model, false);
    model_close(&model);
    lf_raft_free_snapshot(snapshot);
}
END_TEST

/* ---------------------------------------------------------------------------------------------
 * What a follower tells.
 */

static raft_index answered;

static int keep_answer(void *arg, struct raft_disk *from, struct raft_io_send *request,
                       const struct raft_message *message, raft_io_send_cb cb)
{
    (void)arg;
    (void)from;
    (void)request;
    (void)cb;
    ck_assert_uint_eq(message->type, RAFT_IO_APPEND_ENTRIES_RESULT);
    answered = message->append_entries_result.last_log_index;
    return 0;
}

static raft_index answer_with(raft_index last_log_index)
{
    struct raft_io_send request;
    const struct raft_message message = {
        .type = RAFT_IO_APPEND_ENTRIES_RESULT,
        .server_id = 2,
        .server_address = "2",
        .append_entries_result = {.term = model.term, .last_log_index = last_log_index}};

    ck_assert_int_eq(disk.io.send(&disk.io, &request, &message, NULL), 0);
    return answered;
}

/* As libraft does: an empty message is answered at once, with the end of what is stored. */
static void answer_message(struct raft_io *io, struct raft_message *message)
{
    if (message->append_entries.n_entries > 0)
        on_receive(io, message);
    else
        answer_with(model.next - 1);
}

static void receive_heartbeat(raft_index prev_log_index)
{
    struct raft_message message = {
        .type = RAFT_IO_APPEND_ENTRIES,
        .server_id = 2,
        .server_address = "2",
        .append_entries = {.term = model.term, .prev_log_index = prev_log_index}};

    disk.receive(&disk.base, &message);
}

/* libraft tells where its log ends; that is not where it is known to be the leader's. */
START_TEST(test_a_follower_tells_what_has_been_compared)
{
    make_node(10);
    memset(&told, 0, sizeof told);
    disk.send = keep_answer;
    ck_assert_int_eq(disk.io.start(&disk.io, 100, on_tick, answer_message), 0);
    model_set_term(&model, 2);
    receive_heartbeat(7); /* 8 to 11 are of another leader's, perhaps */
    ck_assert_uint_eq(answered, 7);
    receive_heartbeat(9);
    ck_assert_uint_eq(answered, 9);
    receive_heartbeat(8); /* late */
    ck_assert_uint_eq(answered, 9);
    receive_entries(3); /* after 11 */
    model_wait(&model);
    ck_assert_uint_eq(answer_with(14), 14);
    ck_assert_uint_eq(answer_with(12), 12);
    model_set_term(&model, 3);
    receive_heartbeat(13);
    ck_assert_uint_eq(answered, 13);
    model_close(&model);
}
END_TEST

static Suite *faults_suite(void)
{
    Suite *suite = suite_create("raft_faults");
    TCase *tcase = tcase_create("faults");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, test_logs_that_no_node_has_written_are_refused, 0,
                        sizeof bad_logs / sizeof *bad_logs);
    tcase_add_test(tcase, test_a_mark_of_another_program);
    tcase_add_test(tcase, test_a_damaged_middle_is_named);
    tcase_add_test(tcase, test_a_snapshot_that_does_not_fit_is_refused);
    tcase_add_test(tcase, test_a_log_of_the_bases_own_is_refused);
    tcase_add_test(tcase, test_logs_that_cannot_be_opened);
    tcase_add_test(tcase, test_a_leader_on_a_full_disk_is_refused);
    tcase_add_test(tcase, test_a_follower_on_a_full_disk_stays_one);
    tcase_add_test(tcase, test_a_full_disk_takes_a_snapshot);
    tcase_add_test(tcase, test_a_slow_disk_pushes_back);
    tcase_add_loop_test(tcase, test_a_failed_sync_steps_the_node_down, 0, 2);
    tcase_add_test(tcase, test_what_was_cut_off_does_not_fail);
    tcase_add_test(tcase, test_a_term_that_cannot_be_stored);
    tcase_add_test(tcase, test_a_snapshot_of_the_leaders_that_cannot_be_stored);
    tcase_add_test(tcase, test_a_follower_tells_what_has_been_compared);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(faults_suite());
}
