/* SPDX-License-Identifier: MIT */
#include "crash_worker.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LSN_UNSET UINT64_MAX

enum {
    RECORD_BYTES_MAX = 32 << 10,
    FIRST_LSN = 16 << 10 /* of a log that was never trimmed */
};

struct worker {
    const struct crash_workload *load;
    struct logfile *log;
    struct rng rng;
    struct journal journal;
    struct logfile_reader *reader; /* NULL: none is open */
    uint64_t read_lsn;             /* of the last record that it gave */
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
    static const struct timespec past = {.tv_sec = 1};

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
    int error = logfile_reader_open(
        worker->load->path,
        &(struct logfile_reader_options){.lsn = lsn, .io = logfile_sim_io(worker->load->disk)},
        &worker->reader);
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
}

static void do_read(struct worker *worker)
{
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
    if (result < 0 && result != LOGFILE_ETRIMMED && !logfile_sim_is_down(worker->load->disk))
        fails(worker, "reading beside the writer", result);
    if (result < 0)
        close_reader(worker);
}

/* ---- Working ---- */

static void do_something(struct worker *worker)
{
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
        journal_take(journal, &workers[i].journal);
    }
    journal_sort(journal);
    return good;
}
