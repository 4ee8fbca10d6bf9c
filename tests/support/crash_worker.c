/* SPDX-License-Identifier: MIT */
#include "crash_worker.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LSN_UNSET UINT64_MAX

enum {
    RECORD_BYTES_MAX = 32 << 10,
    RECORD_HEADER_BYTES = 8,
    FIRST_LSN = 16 << 10, /* of a log that was never trimmed */
    BATCH_MAX = 12,
    HELD_MAX = 3,
    PATIENCE_MS = 600000
};

static const struct timespec past = {.tv_sec = 1};

struct worker {
    const struct crash_workload *load;
    struct logfile *log;
    struct rng rng;
    struct journal journal;
    struct logfile_reader *reader; /* NULL: none is open */
    bool follows;                  /* it is one of the handle */
    uint64_t begin_lsn;            /* where it began */
    uint64_t read_lsn;             /* of the last record that it gave */
    uint64_t event_lsn;            /* that the last event told to be durable; 0: there was none */
    struct crash_counts counts;
    bool broken;
    char why[JOURNAL_WHY_BYTES];
    uint8_t payload[RECORD_BYTES_MAX];
};

static void fails(struct worker *worker, const char *what, int error)
{
    if (!worker->broken)
        snprintf(worker->why, sizeof worker->why, "%s: %s", what, logfile_strerror(error));
    worker->broken = true;
}

void crash_counts_add(struct crash_counts *to, const struct crash_counts *from)
{
    to->batches += from->batches;
    to->batch_records += from->batch_records;
    to->published += from->published;
    to->abandoned += from->abandoned;
    to->events += from->events;
    to->followed += from->followed;
}

bool crash_worker_was_full(const struct logfile_failure *failure)
{
    return failure->error == -ENOSPC;
}

/* Without preparation a full disk fails a log. */
static bool may_have_failed(const struct worker *worker)
{
    struct logfile_failure failure = {0};

    if (logfile_sim_is_down(worker->load->disk))
        return true;
    (void)logfile_failure(worker->log, &failure, sizeof failure);
    return worker->load->is_wide && worker->load->may_be_full && crash_worker_was_full(&failure);
}

/* Whether a call may end like this on a disk that only crashes and is full. */
static bool is_expected(const struct worker *worker, int error)
{
    return error == 0 || is_late(error) || (error == LOGFILE_EFAILED && may_have_failed(worker));
}

/* NULL, or now and then a time that has passed. */
static const struct timespec *choose_deadline(struct worker *worker)
{
    return worker->load->is_wide && rng_one_in(&worker->rng, 4) ? &past : NULL;
}

/* ---- Appending ---- */

static void note(struct worker *worker, const struct journal_entry *entry, int error)
{
    bool is_full = error == -ENOSPC && entry->lsn == LSN_UNSET;

    if (!is_expected(worker, error) && !(is_full && worker->load->may_be_full))
        fails(worker, "append", error);
    if (error == 0 && entry->lsn == LSN_UNSET)
        fails(worker, "append gave no LSN", 0);
    if (entry->lsn == LSN_UNSET)
        return;
    journal_add(&worker->journal, entry->lsn, entry->seed, entry->size, entry->acked);
    if (entry->acked)
        journal_ack_below(&worker->journal, entry->lsn);
}

static int append_in_pieces(struct worker *worker, size_t size, uint64_t *lsnp)
{
    struct iovec iov[8];
    int count = 0;
    size_t at = 0;

    while (at < size && count < 7) {
        size_t piece = rng_below(&worker->rng, size - at + 1);
        iov[count++] = (struct iovec){.iov_base = worker->payload + at, .iov_len = piece};
        at += piece;
    }
    iov[count++] = (struct iovec){.iov_base = worker->payload + at, .iov_len = size - at};
    return logfile_appendv(worker->log, iov, count, NULL, lsnp);
}

static bool submit_is_durable(const struct crash_workload *load)
{
    return load->options->lab->engine == LOGFILE_ENGINE_SERIAL || load->submit_is_promised;
}

static void do_append(struct worker *worker)
{
    size_t size = payload_random_size(&worker->rng, logfile_record_max(worker->log));
    struct journal_entry entry = {
        .lsn = LSN_UNSET, .seed = rng_next(&worker->rng), .size = (uint32_t)size};
    struct timespec deadline = deadline_in_ms(rng_one_in(&worker->rng, 2) ? -1 : 1000);
    bool submits = false;
    int error;

    payload_fill(worker->payload, size, entry.seed);
    switch (rng_below(&worker->rng, 8)) {
    case 0:
        error = append_in_pieces(worker, size, &entry.lsn);
        break;
    case 1:
        error = logfile_append_until(worker->log, worker->payload, size, &deadline, &entry.lsn);
        break;
    case 2:
    case 3:
    case 4:
        submits = !submit_is_durable(worker->load);
        error =
            logfile_submit(worker->log, worker->payload, size, choose_deadline(worker), &entry.lsn);
        break;
    default:
        error = logfile_append(worker->log, worker->payload, size, &entry.lsn);
        break;
    }
    entry.acked = error == 0 && !submits;
    note(worker, &entry, error);
}

/* ---- Batches ---- */

static size_t record_bytes(size_t size)
{
    return RECORD_HEADER_BYTES + (size + 7) / 8 * 8;
}

/* Records that fit one group, with their payloads. */
static int choose_batch(struct worker *worker, struct iovec records[BATCH_MAX],
                        struct journal_entry entries[BATCH_MAX])
{
    size_t room = logfile_record_max(worker->log) + RECORD_HEADER_BYTES;
    const int wanted = 1 + (int)rng_below(&worker->rng, BATCH_MAX);
    uint8_t *payload = worker->payload;
    int count = 0;

    while (count < wanted && room >= RECORD_HEADER_BYTES) {
        const size_t size = payload_random_size(&worker->rng, (room - RECORD_HEADER_BYTES) / 8 * 8);
        entries[count] =
            (struct journal_entry){.seed = rng_next(&worker->rng), .size = (uint32_t)size};
        payload_fill(payload, size, entries[count].seed);
        records[count++] = (struct iovec){.iov_base = payload, .iov_len = size};
        payload += size;
        room -= record_bytes(size);
    }
    return count;
}

/* All of them have their places, one after the other, or none has. */
static void do_batch(struct worker *worker)
{
    struct iovec records[BATCH_MAX];
    struct journal_entry entries[BATCH_MAX];
    uint64_t lsns[BATCH_MAX];
    const int count = choose_batch(worker, records, entries);

    for (int i = 0; i < count; i++)
        lsns[i] = LSN_UNSET;
    /* Often one that may not wait, which finds no room behind the one before it. */
    const struct timespec *deadline = rng_one_in(&worker->rng, 2) ? &past : NULL;
    int error = logfile_submit_batch(worker->log, records, count, deadline, lsns);
    for (int i = 0; i < count; i++) {
        entries[i].lsn = lsns[i];
        entries[i].acked = error == 0 && submit_is_durable(worker->load);
        note(worker, &entries[i], error);
        if ((lsns[i] == LSN_UNSET) != (lsns[0] == LSN_UNSET))
            fails(worker, "a part of a batch has its place", error);
        if (i > 0 && lsns[0] != LSN_UNSET &&
            lsns[i] != lsns[i - 1] + record_bytes(records[i - 1].iov_len))
            fails(worker, "the records of a batch are not side by side", error);
    }
    if (lsns[0] == LSN_UNSET)
        return;
    journal_tie(&worker->journal, (size_t)count);
    worker->counts.batches++;
    worker->counts.batch_records += (uint64_t)count;
}

/* ---- Reservations ---- */

struct held {
    struct logfile_reservation reservation;
    struct journal_entry entry;
};

/* Also what is abandoned has a payload, which must never be read. */
static void end_held(struct worker *worker, struct held *held)
{
    struct logfile_reservation copy = held->reservation;
    const bool publishes = !rng_one_in(&worker->rng, 3);
    int error;

    payload_fill(held->reservation.data, held->entry.size, held->entry.seed);
    error = publishes ? logfile_publish(worker->log, &held->reservation)
                      : logfile_abandon(worker->log, &held->reservation);
    if (error != 0 && !(error == LOGFILE_EFAILED && may_have_failed(worker)))
        fails(worker, publishes ? "publish" : "abandon", error);
    if (publishes)
        journal_add(&worker->journal, held->entry.lsn, held->entry.seed, held->entry.size, false);
    worker->counts.published += publishes;
    worker->counts.abandoned += !publishes;
    error = logfile_publish(worker->log, &copy);
    if (error != -EINVAL)
        fails(worker, "a reservation has ended twice", error);
}

/* The thread that holds one waits for nothing: for the next one neither. */
static unsigned reserve_some(struct worker *worker, struct held held[HELD_MAX])
{
    const bool may_reserve = worker->load->options->lab->engine == LOGFILE_ENGINE_RING;
    const unsigned wanted = 1 + (unsigned)rng_below(&worker->rng, HELD_MAX);
    unsigned count = 0;
    int error = 0;

    while (count < wanted && error == 0) {
        const size_t size = payload_random_size(&worker->rng, logfile_record_max(worker->log));
        error = logfile_reserve(worker->log, size, count == 0 ? choose_deadline(worker) : &past,
                                &held[count].reservation);
        if (error != 0)
            break;
        held[count].entry = (struct journal_entry){.lsn = held[count].reservation.lsn,
                                                   .seed = rng_next(&worker->rng),
                                                   .size = (uint32_t)size};
        if (held[count].reservation.size != size)
            fails(worker, "a reservation has another size", 0);
        count++;
    }
    if (!may_reserve && error != -EOPNOTSUPP)
        fails(worker, "an engine without reservations gives one", error);
    if (may_reserve && !is_expected(worker, error) &&
        !(error == -ENOSPC && worker->load->may_be_full))
        fails(worker, "reserve", error);
    return count;
}

static void do_reservations(struct worker *worker)
{
    struct held held[HELD_MAX];
    unsigned count = reserve_some(worker, held);

    if (count > 0 && rng_one_in(&worker->rng, 2)) { /* a record in between, or after them */
        struct journal_entry entry = {.lsn = LSN_UNSET, .seed = rng_next(&worker->rng), .size = 64};
        payload_fill(worker->payload, entry.size, entry.seed);
        int error = logfile_submit(worker->log, worker->payload, entry.size, &past, &entry.lsn);
        note(worker, &entry, error);
    }
    while (count > 0) { /* in any order */
        const uint64_t next = rng_below(&worker->rng, count);
        end_held(worker, &held[next]);
        held[next] = held[--count];
    }
}

/* ---- Events ---- */

/* It is told soon after the durable LSN has moved. */
static bool becomes_readable(int fd)
{
    return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, PATIENCE_MS) == 1;
}

/* What an event says to be durable is so. */
static void do_take(struct worker *worker)
{
    const uint64_t durable_lsn = logfile_durable_lsn(worker->log);
    const int fd = logfile_event_fd(worker->log);
    struct logfile_event_state state;

    if (worker->load->thread_count == 1 && durable_lsn > worker->event_lsn && !becomes_readable(fd))
        fails(worker, "the durable LSN has moved, and the event descriptor does not tell", 0);
    int error = logfile_event_take(worker->log, &state, sizeof state);
    if (error != 0) {
        fails(worker, "taking an event", error);
        return;
    }
    if (state.durable_lsn < durable_lsn)
        fails(worker, "an event tells of less than is durable", 0);
    if (state.failed && !may_have_failed(worker))
        fails(worker, "an event tells of a failure", 0);
    journal_ack_below(&worker->journal, state.durable_lsn);
    worker->event_lsn = state.durable_lsn;
    worker->counts.events++;
}

/* ---- Waiting ---- */

static void do_wait(struct worker *worker)
{
    if (worker->journal.count == 0)
        return;
    uint64_t lsn = worker->journal.entries[rng_below(&worker->rng, worker->journal.count)].lsn;
    int error = logfile_wait(worker->log, lsn, choose_deadline(worker));
    if (!is_expected(worker, error))
        fails(worker, "wait", error);
    if (error == 0)
        journal_ack_below(&worker->journal, lsn + 1);
}

static void do_flush(struct worker *worker)
{
    int error = logfile_sync(worker->log, choose_deadline(worker));

    if (!is_expected(worker, error))
        fails(worker, "flush", error);
    if (error == 0)
        journal_ack_below(&worker->journal, UINT64_MAX);
}

/* ---- Trimming ---- */

/* An LSN to trim below; sometimes one that is not durable. */
static uint64_t choose_trim_lsn(struct worker *worker)
{
    const struct journal *journal = &worker->journal;
    uint64_t durable_lsn = logfile_durable_lsn(worker->log);

    switch (rng_below(&worker->rng, 8)) {
    case 0:
        return rng_below(&worker->rng, durable_lsn + 1);
    case 1:
        return durable_lsn + 1 + rng_below(&worker->rng, 64 << 10);
    case 2:
    case 3:
    case 4:
        return durable_lsn;
    default:
        return journal->count == 0 ? durable_lsn
                                   : journal->entries[rng_below(&worker->rng, journal->count)].lsn;
    }
}

/* What lies between what was asked for and what was done: a part of an epoch, and where a segment
 * ends, what the next epoch left unused of it. */
static uint64_t trim_slack(const struct worker *worker)
{
    uint64_t slot_bytes = worker->load->options->slot_bytes;

    return worker->load->options->segment_bytes == 0 ? slot_bytes
                                                     : 2 * slot_bytes + FIRST_LSN + 4096;
}

static void check_trim(struct worker *worker, uint64_t lsn, uint64_t before, uint64_t oldest_lsn)
{
    const struct crash_workload *load = worker->load;
    bool alone = load->thread_count == 1;

    if (oldest_lsn < before)
        fails(worker, "a trim moved the oldest LSN backwards", 0);
    if (oldest_lsn + trim_slack(worker) < lsn)
        fails(worker, "a trim kept more than a group", 0);
    if (!alone || oldest_lsn == before)
        return;
    if (oldest_lsn > lsn)
        fails(worker, "a trim went too far", 0);
    if (load->check_trimmed != NULL && !load->check_trimmed(load, oldest_lsn, worker->why))
        worker->broken = true;
}

static void do_trim(struct worker *worker)
{
    uint64_t lsn = choose_trim_lsn(worker);
    uint64_t before = logfile_oldest_lsn(worker->log);
    uint64_t durable_lsn = logfile_durable_lsn(worker->log);
    int error = logfile_trim(worker->log, lsn);
    uint64_t oldest_lsn = logfile_oldest_lsn(worker->log);

    if (error == -EINVAL && lsn > durable_lsn)
        return;
    if (error != 0 && !may_have_failed(worker))
        fails(worker, "trim", error);
    if (lsn > logfile_durable_lsn(worker->log)) {
        if (error == 0)
            fails(worker, "a trim beyond the durable LSN", 0);
        return;
    }
    journal_ask_trim(&worker->journal, lsn);
    journal_trimmed(&worker->journal, oldest_lsn);
    if (error == 0)
        check_trim(worker, lsn, before, oldest_lsn);
}

/* ---- Reading beside the writing ---- */

static void close_reader(struct worker *worker)
{
    logfile_reader_close(worker->reader);
    worker->reader = NULL;
}

static void open_reader(struct worker *worker)
{
    const struct journal *journal = &worker->journal;
    const uint64_t durable_lsn = logfile_durable_lsn(worker->log);
    uint64_t lsn = 0;

    if (journal->count > 0 && rng_one_in(&worker->rng, 2))
        lsn = journal->entries[rng_below(&worker->rng, journal->count)].lsn;
    worker->follows = worker->load->has_all_calls && rng_one_in(&worker->rng, 2);
    int error = logfile_reader_open(
        worker->load->path,
        &(struct logfile_reader_options){.lsn = lsn,
                                         .io = logfile_sim_io(worker->load->disk),
                                         .log = worker->follows ? worker->log : NULL},
        &worker->reader);
    worker->begin_lsn = lsn;
    worker->read_lsn = 0;
    if (error == 0)
        return;
    worker->reader = NULL;
    if (!logfile_sim_is_down(worker->load->disk) &&
        !(error == LOGFILE_ETRIMMED && lsn < logfile_oldest_lsn(worker->log)) &&
        !(error == LOGFILE_EBEYOND && lsn >= durable_lsn)) /* only submitted */
        fails(worker, "opening a reader beside the writer", error);
}

static struct journal_entry *find_entry(const struct journal *journal, uint64_t lsn)
{
    for (size_t i = journal->count; i > 0; i--)
        if (journal->entries[i - 1].lsn == lsn)
            return &journal->entries[i - 1];
    return NULL;
}

/* What a reader gives is durable from then on. */
static void check_read(struct worker *worker, const struct logfile_record *record)
{
    struct journal_entry *entry = find_entry(&worker->journal, record->lsn);

    if (entry != NULL)
        entry->acked = true;
    else
        entry = find_entry(worker->load->recovered, record->lsn);
    if (record->lsn <= worker->read_lsn)
        fails(worker, "a reader beside the writer went back", 0);
    if (entry == NULL || entry->size != record->size ||
        !payload_matches(record->data, record->size, entry->seed))
        fails(worker, "a reader beside the writer saw what was never appended", 0);
    worker->read_lsn = record->lsn;
    worker->counts.followed += worker->follows;
}

/* A reader that follows the log has read, where it ends, all that was durable when it began to look. */
static void check_followed(struct worker *worker, uint64_t durable_lsn)
{
    const uint64_t oldest_lsn = logfile_oldest_lsn(worker->log);

    for (size_t i = 0; i < worker->journal.count; i++) {
        const uint64_t lsn = worker->journal.entries[i].lsn;
        if (lsn >= worker->begin_lsn && lsn >= oldest_lsn && lsn < durable_lsn &&
            lsn > worker->read_lsn)
            fails(worker, "a reader that follows the log stops before what is durable", 0);
    }
}

static void do_read(struct worker *worker)
{
    const uint64_t durable_lsn = logfile_durable_lsn(worker->log);
    struct logfile_record record;
    int result = 1;

    if (worker->reader != NULL && rng_one_in(&worker->rng, 4))
        close_reader(worker);
    if (worker->reader == NULL)
        open_reader(worker);
    if (worker->reader == NULL)
        return;
    for (uint64_t left = rng_below(&worker->rng, 12); left > 0 && result == 1; left--) {
        result = logfile_reader_next(worker->reader, &record);
        if (result == 1)
            check_read(worker, &record);
    }
    if (result == 0 && worker->follows && !logfile_sim_is_down(worker->load->disk))
        check_followed(worker, durable_lsn);
    if (result < 0 && result != LOGFILE_ETRIMMED && !logfile_sim_is_down(worker->load->disk))
        fails(worker, "reading beside the writer", result);
    if (result < 0)
        close_reader(worker);
}

/* ---- Working ---- */

/* What the first generations do not know. */
static void do_newer(struct worker *worker)
{
    switch (rng_below(&worker->rng, 5)) {
    case 0:
    case 1:
        do
            do_batch(worker);
        while (!worker->broken && rng_one_in(&worker->rng, 2));
        break;
    case 2:
    case 3:
        do_reservations(worker);
        break;
    default:
        do_take(worker);
        break;
    }
}

static void do_something(struct worker *worker)
{
    if (worker->load->has_all_calls && rng_one_in(&worker->rng, 4)) {
        do_newer(worker);
        return;
    }
    if (worker->load->trim_one_in > 0 && rng_one_in(&worker->rng, worker->load->trim_one_in)) {
        do_trim(worker);
        return;
    }
    if (worker->load->is_wide && worker->load->thread_count == 1 && rng_one_in(&worker->rng, 12)) {
        do_read(worker);
        return;
    }
    switch (rng_below(&worker->rng, 10)) {
    case 0:
        do_wait(worker);
        break;
    case 1:
        do_flush(worker);
        break;
    case 2:
        journal_ack_below(&worker->journal, logfile_durable_lsn(worker->log));
        break;
    default:
        do_append(worker);
        break;
    }
}

static void *work(void *argument)
{
    struct worker *worker = argument;

    for (unsigned i = 0; i < worker->load->steps && !worker->broken; i++)
        do_something(worker);
    close_reader(worker);
    return NULL;
}

bool crash_work(const struct crash_workload *load, struct rng *rng, struct journal *journal,
                char why[JOURNAL_WHY_BYTES])
{
    static struct worker workers[CRASH_THREADS_MAX];
    pthread_t threads[CRASH_THREADS_MAX];
    bool good = true;

    for (unsigned i = 0; i < load->thread_count; i++) {
        struct worker *worker = &workers[i];
        worker->load = load;
        worker->log = load->log;
        worker->rng.state = rng_next(rng);
        worker->broken = false;
        worker->event_lsn = 0;
        worker->counts = (struct crash_counts){0};
        if (i > 0 && pthread_create(&threads[i], NULL, work, worker) != 0)
            abort();
    }
    work(&workers[0]);
    for (unsigned i = 0; i < load->thread_count; i++) {
        if (i > 0)
            pthread_join(threads[i], NULL);
        if (workers[i].broken)
            memcpy(why, workers[i].why, JOURNAL_WHY_BYTES);
        good = good && !workers[i].broken;
        crash_counts_add(load->counts, &workers[i].counts);
        journal_take(journal, &workers[i].journal);
    }
    journal_sort(journal);
    return good;
}
