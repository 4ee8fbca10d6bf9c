/* SPDX-License-Identifier: MIT */
/*
 * One write and one sync per record, under a mutex: the floor that group commit is measured from.
 */
#include "base/lock.h"
#include "format/checksum.h"
#include "format/record.h"
#include "lab/lab.h"

#include <errno.h>
#include <stdlib.h>

struct lf_serial_engine {
    struct lf_lab lab;
    pthread_mutex_t lock;
    uint32_t closed;  /* W: shutdown, perhaps without the lock.  R: any. */
    uint64_t end_lsn; /* W: under lock.  R: any.  Where the last record that was begun ends. */
    /* Woken when a record has become durable, there is room again, or the log has failed. */
    struct lf_waiter changed;
};

static struct lf_serial_engine *engine_of(const struct logfile *log)
{
    return log->lab_state;
}

static int lock(struct logfile *log)
{
    return lf_lock(&engine_of(log)->lock);
}

static int unlock(struct logfile *log, int cancel_state, int result)
{
    return lf_unlock(&engine_of(log)->lock, cancel_state, result);
}

static int refusal_of(struct logfile *log)
{
    if (lf_store_has_failed(&log->store))
        return LOGFILE_EFAILED;
    /* Relaxed: an append that sees it late came together with the shutdown. */
    return lf_load_relaxed_32(&engine_of(log)->closed) ? LOGFILE_ECLOSED : 0;
}

/* A call goes away: because the log has ended, or else with this error. */
static int refuse(struct logfile *log, int error)
{
    int refusal = refusal_of(log);

    error = refusal != 0 ? refusal : error;
    lf_stats_note_refusal(&log->stats, error);
    return error;
}

/* Waits until an epoch fits below the allocated frontier, without the mutex. */
static int make_room(struct logfile *log, const struct timespec *deadline)
{
    struct lf_serial_engine *engine = engine_of(log);

    for (;;) {
        uint32_t key = lf_waiter_key(&engine_of(log)->changed);
        int error = refusal_of(log);

        if (error != 0)
            return error;
        if (lf_has_room(log, log->chain.lsn))
            return lf_has_begun(log) ? 0 : lf_incarnation_begin(log);
        error = lf_preparer_room_error(&log->preparer);
        lf_await_room(log, log->chain.lsn);
        if (error != 0)
            return error;
        pthread_mutex_unlock(&engine->lock);
        error = lf_waiter_sleep_counted(&engine_of(log)->changed, key, deadline,
                                        &log->stats.waits_space);
        pthread_mutex_lock(&engine->lock);
        if (error != 0)
            return error;
    }
}

/* Under the mutex: puts a record at `offset` of the epoch.  Where the next one goes. */
static uint64_t put(struct logfile *log, uint64_t offset, const struct lf_payload *payload,
                    uint32_t crc)
{
    const struct lf_record_place place = {log->chain.epoch, (uint32_t)offset, log->record_seed};

    lf_record_encode(log->buffers + offset, &place, payload, crc);
    return offset + lf_record_bytes(payload->size);
}

/* Under the mutex: makes durable what was put, which ends at `end`. */
static int commit_records(struct logfile *log, uint64_t end, uint32_t records)
{
    /* Relaxed: a number that orders nothing. */
    lf_store_relaxed_64(&engine_of(log)->end_lsn, log->chain.lsn + end);
    uint64_t first = lf_first_word(lf_now_ns(), true);
    int error = lf_epoch_commit(log, log->buffers, end, records, 0);
    lf_waiter_wake(&engine_of(log)->changed);
    if (error == 0) {
        lf_count(&log->stats.inline_flushes, 1);
        lf_stats_note_commit(&log->stats, first, log->committed_ns);
    }
    return error;
}

static int append(struct logfile *log, const struct lf_payload *payload,
                  const struct timespec *deadline, bool wait, uint64_t *lsnp)
{
    struct lf_stage_clock clock;
    int cancel_state, error;
    uint64_t end, epoch;
    uint32_t crc;

    (void)wait; /* nothing else is there to be done with a record than to make it durable */

    if (!lf_may_wait(deadline)) /* A record that is only submitted is not for this engine. */
        return refuse(log, -ETIMEDOUT);
    lf_stages_begin(lf_lab_stages(log), &clock);
    cancel_state = lock(log);
    error = make_room(log, deadline);
    if (error != 0)
        return unlock(log, cancel_state, refuse(log, error));
    lf_stages_mark(&clock, LOGFILE_STAGE_RESERVE);
    crc = lf_lab_payload_crc(log, payload);
    lf_stages_mark(&clock, LOGFILE_STAGE_CHECKSUM);
    epoch = log->chain.epoch;
    end = put(log, LF_EPOCH_HEADER_BYTES, payload, crc);
    if (lsnp)
        *lsnp = log->chain.lsn + LF_EPOCH_HEADER_BYTES;
    lf_stages_mark(&clock, LOGFILE_STAGE_COPY);
    lf_stages_sealed(lf_lab_stages(log), epoch);
    error = unlock(log, cancel_state, commit_records(log, end, 1));
    if (error == 0)
        lf_stages_finish(lf_lab_stages(log), &clock, epoch);
    return error;
}

/* One write and one sync for all of them. */
static int submit_batch(struct logfile *log, const struct lf_batch *batch,
                        const struct timespec *deadline, uint64_t *lsns)
{
    uint64_t end = LF_EPOCH_HEADER_BYTES;
    int cancel_state, error;

    if (!lf_may_wait(deadline))
        return refuse(log, -ETIMEDOUT);
    cancel_state = lock(log);
    error = make_room(log, deadline);
    if (error != 0)
        return unlock(log, cancel_state, refuse(log, error));
    for (int i = 0; i < batch->count; i++) {
        const struct lf_payload payload = {&batch->records[i], 1, batch->records[i].iov_len};
        if (lsns != NULL)
            lsns[i] = log->chain.lsn + end;
        end = put(log, end, &payload, lf_lab_payload_crc(log, &payload));
    }
    return unlock(log, cancel_state, commit_records(log, end, (uint32_t)batch->count));
}

static uint64_t end_lsn(const struct logfile *log)
{
    return lf_load_relaxed_64(&engine_of(log)->end_lsn); /* Relaxed: as where it is stored. */
}

/* For the thread that writes the record, or for the log to fail. */
static int wait_durable(struct logfile *log, uint64_t lsn, const struct timespec *deadline)
{
    for (int error = 0;;) {
        uint32_t key = lf_waiter_key(&engine_of(log)->changed);
        bool failed = lf_store_has_failed(&log->store);

        if (lf_durable_lsn(log) > lsn)
            return 0;
        if (failed)
            return LOGFILE_EFAILED;
        if (error != 0)
            return error;
        error = lf_waiter_sleep_counted(&engine_of(log)->changed, key, deadline,
                                        &log->stats.waits_durable);
    }
}

static int wait_lsn(struct logfile *log, uint64_t lsn, const struct timespec *deadline)
{
    bool failed = lf_store_has_failed(&log->store);

    if (lf_durable_lsn(log) > lsn)
        return 0;
    if (failed)
        return LOGFILE_EFAILED;
    return lsn < end_lsn(log) ? wait_durable(log, lsn, deadline) : -EINVAL;
}

static int flush(struct logfile *log, const struct timespec *deadline)
{
    return wait_durable(log, end_lsn(log) - 1, deadline);
}

/* Under the mutex. */
static int close_log(struct logfile *log, const struct timespec *deadline)
{
    if (log->closed_cleanly)
        return 0;
    if (lf_store_has_failed(&log->store))
        return LOGFILE_EFAILED;
    if (!lf_may_wait(deadline))
        return -ETIMEDOUT;
    log->closed_cleanly = lf_incarnation_end(log, log->buffers);
    lf_waiter_wake(&engine_of(log)->changed);
    return log->closed_cleanly ? 0 : LOGFILE_EFAILED;
}

static int shut_down(struct logfile *log, const struct timespec *deadline)
{
    int cancel_state;

    lf_store_relaxed_32(&engine_of(log)->closed, 1); /* Relaxed: the wake carries the order. */
    lf_waiter_wake(&engine_of(log)->changed);
    if (!lf_lock_until(&engine_of(log)->lock, deadline, &cancel_state))
        return -ETIMEDOUT;
    return unlock(log, cancel_state, close_log(log, deadline));
}

static int start(struct logfile *log)
{
    struct lf_serial_engine *engine = lf_lab_new(log, sizeof *engine);
    int error;

    if (engine == NULL)
        return -ENOMEM;
    engine->end_lsn = log->chain.lsn;
    error = -pthread_mutex_init(&engine->lock, NULL);
    if (error == 0)
        log->lab_state = engine;
    else
        free(engine);
    return error;
}

static void stop(struct logfile *log)
{
    pthread_mutex_destroy(&engine_of(log)->lock);
    free(engine_of(log));
}

static void look_again(struct logfile *log)
{
    lf_waiter_wake(&engine_of(log)->changed);
}

const struct lf_engine lf_serial_engine = {
    .name = "serial",
    .buffer_count = 1,
    .start = start,
    .stop = stop,
    .append = append,
    .submit_batch = submit_batch,
    .wait = wait_lsn,
    .flush = flush,
    .shutdown = shut_down,
    .end_lsn = end_lsn,
    .published_lsn = end_lsn,
    .failed = look_again,
    .room = look_again,
    .durable = lf_lab_durable,
};
