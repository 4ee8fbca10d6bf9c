/* SPDX-License-Identifier: MIT */
/*
 * An engine in one file: group commit by a queue of writers, as LevelDB and its descendants do it.  A call
 * puts what it has to write into a queue under a mutex.  The call at the head of the queue leads: it takes
 * as many of the others as fit into one epoch, writes and syncs them without the mutex, and then wakes each of
 * them, and the next to lead.
 *
 *     cc -shared -fPIC -O2 -D_GNU_SOURCE -I src -I include -o queue.so docs/examples/queue_engine.c \
 *         build/.libs/liblogfile-internal.a
 *     logfile-bench --engine ring,mutex --lab ./queue.so
 *
 * Every record is durable when its call returns, also one that is only submitted.  No stages are timed.
 */
#include "lab/plugin.h"

#include "base/lock.h"

#include <errno.h>
#include <stdlib.h>

enum state {
    QUEUED, /* and may leave */
    TAKEN,  /* by a leader, which writes it */
    DONE
};

/* A call with what it has to write, on its stack. */
struct writer {
    const struct lf_payload *payload; /* NULL: a batch */
    const struct lf_batch *batch;
    uint64_t need; /* bytes in an epoch */
    uint64_t *lsns;
    enum state state;
    int error; /* of one that is done */
    struct writer *next;
    struct lf_waiter changed; /* woken when it is done, or is to lead */
};

struct queue_engine {
    struct lf_lab lab;
    pthread_mutex_t lock;
    /* All under lock.  A leader alone touches the chain and the buffer. */
    struct writer *first;
    struct writer **last; /* where the next one goes */
    bool leading;
    uint32_t closed;  /* W: shutdown, perhaps without the lock.  R: any. */
    uint64_t end_lsn; /* W: the leader.  R: any.  Where the last record that was begun ends. */
    /* Woken when records are durable, a leader has gone, there is room again, or the log has failed. */
    struct lf_waiter changed;
};

static struct queue_engine *engine_of(const struct logfile *log)
{
    return log->lab_state;
}

/* ---- The queue, under the lock ---- */

static void enqueue(struct queue_engine *engine, struct writer *writer)
{
    *engine->last = writer;
    engine->last = &writer->next;
}

static void leave(struct queue_engine *engine, struct writer *writer)
{
    struct writer **at = &engine->first;

    while (*at != writer)
        at = &(*at)->next;
    *at = writer->next;
    if (engine->last == &writer->next)
        engine->last = at;
    writer->next = NULL;
}

/* The head of the queue and as many behind it as fit into one epoch, as a list. */
static struct writer *take_group(struct logfile *log)
{
    struct queue_engine *engine = engine_of(log);
    struct writer *group = engine->first, **at = &group;
    uint64_t end = LF_EPOCH_HEADER_BYTES;

    while (*at != NULL && end + (*at)->need <= log->layout.slot_bytes) {
        end += (*at)->need;
        (*at)->state = TAKEN;
        at = &(*at)->next;
    }
    engine->first = *at;
    if (engine->first == NULL)
        engine->last = &engine->first;
    *at = NULL;
    return group;
}

/* The leader goes: others look again, and the head of the queue leads. */
static void stop_leading(struct queue_engine *engine)
{
    engine->leading = false;
    lf_waiter_wake(&engine->changed);
    if (engine->first != NULL)
        lf_waiter_wake(&engine->first->changed);
}

/* ---- Leading ---- */

static int refusal_of(struct logfile *log)
{
    if (lf_store_has_failed(&log->store))
        return LOGFILE_EFAILED;
    /* Relaxed: an append that sees it late came together with the shutdown. */
    return lf_load_relaxed_32(&engine_of(log)->closed) ? LOGFILE_ECLOSED : 0;
}

/* A call goes away and has written nothing: because the log has ended, or else with this error. */
static int refuse(struct logfile *log, int error)
{
    int refusal = refusal_of(log);

    error = refusal != 0 ? refusal : error;
    lf_stats_note_refusal(&log->stats, error);
    return error;
}

/* Sleeps until something has changed, without the lock.  0, or -ETIMEDOUT. */
static int sleep_unlocked(struct logfile *log, struct lf_waiter *changed,
                          const struct timespec *deadline, uint64_t *sleeps)
{
    uint32_t key = lf_waiter_key(changed);

    pthread_mutex_unlock(&engine_of(log)->lock);
    int error = lf_waiter_sleep_counted(changed, key, deadline, sleeps);
    pthread_mutex_lock(&engine_of(log)->lock);
    return error;
}

/* Waits until an epoch fits below the allocated frontier. */
static int make_room(struct logfile *log, const struct timespec *deadline)
{
    struct queue_engine *engine = engine_of(log);

    for (;;) {
        uint32_t key = lf_waiter_key(&engine->changed);
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
        error = lf_waiter_sleep_counted(&engine->changed, key, deadline, &log->stats.waits_space);
        pthread_mutex_lock(&engine->lock);
        if (error != 0)
            return error;
    }
}

/* Puts a record at `offset` of the epoch.  Where the next one goes. */
static uint64_t put(struct logfile *log, uint64_t offset, const struct lf_payload *payload,
                    uint64_t *lsn)
{
    const struct lf_record_place place = {log->chain.epoch, (uint32_t)offset, log->record_seed};

    lf_record_encode(log->buffers + offset, &place, payload, lf_lab_payload_crc(log, payload));
    if (lsn != NULL)
        *lsn = log->chain.lsn + offset;
    return offset + lf_record_bytes(payload->size);
}

/* Writes and syncs all of a group in one epoch, without the lock. */
static int commit(struct logfile *log, const struct writer *group)
{
    uint64_t first = lf_first_word(lf_now_ns(), true);
    uint64_t end = LF_EPOCH_HEADER_BYTES;
    uint32_t records = 0;

    for (const struct writer *writer = group; writer != NULL; writer = writer->next) {
        const struct lf_batch *batch = writer->batch;
        if (writer->payload != NULL)
            end = put(log, end, writer->payload, writer->lsns);
        for (int i = 0; batch != NULL && i < batch->count; i++) {
            const struct lf_payload payload = {&batch->records[i], 1, batch->records[i].iov_len};
            end = put(log, end, &payload, writer->lsns != NULL ? &writer->lsns[i] : NULL);
        }
        records += batch != NULL ? (uint32_t)batch->count : 1;
    }
    /* Relaxed: a number that orders nothing. */
    lf_store_relaxed_64(&engine_of(log)->end_lsn, log->chain.lsn + end);
    int error = lf_epoch_commit(log, log->buffers, end, records, 0);
    if (error == 0) {
        lf_count(&log->stats.inline_flushes, 1);
        lf_stats_note_commit(&log->stats, first, log->committed_ns);
    }
    return error;
}

/* The head of the queue leads.  One that finds no room goes away alone: the next one asks for itself. */
static void lead(struct logfile *log, struct writer *leader, const struct timespec *deadline)
{
    struct queue_engine *engine = engine_of(log);

    engine->leading = true;
    int error = make_room(log, deadline);
    if (error != 0) {
        leave(engine, leader);
        leader->error = refuse(log, error);
        leader->state = DONE;
        stop_leading(engine);
        return;
    }
    struct writer *group = take_group(log);
    pthread_mutex_unlock(&engine->lock);
    error = commit(log, group);
    pthread_mutex_lock(&engine->lock);
    for (struct writer *writer = group, *next; writer != NULL; writer = next) {
        next = writer->next; /* It may be gone as soon as the lock is. */
        writer->error = error;
        writer->state = DONE;
        lf_waiter_wake(&writer->changed);
    }
    stop_leading(engine);
}

/* Until what the call has to write is durable, or the log refuses it, or its deadline passes first. */
static int write_durably(struct logfile *log, struct writer *writer,
                         const struct timespec *deadline)
{
    struct queue_engine *engine = engine_of(log);
    int cancel_state, error = 0;

    if (!lf_may_wait(deadline)) /* A record that is only submitted is not for this engine. */
        return refuse(log, -ETIMEDOUT);
    cancel_state = lf_lock(&engine->lock);
    enqueue(engine, writer);
    while (writer->state != DONE) {
        if (writer->state == QUEUED && error != 0) {
            leave(engine, writer);
            writer->error = refuse(log, error);
            if (!engine->leading)
                stop_leading(engine); /* It may have been woken to lead. */
            break;
        }
        if (writer->state == QUEUED && !engine->leading && engine->first == writer)
            lead(log, writer, deadline);
        else
            error = sleep_unlocked(log, &writer->changed, error == 0 ? deadline : NULL,
                                   &log->stats.waits_durable);
    }
    return lf_unlock(&engine->lock, cancel_state, writer->error);
}

static int append(struct logfile *log, const struct lf_payload *payload,
                  const struct timespec *deadline, bool wait, uint64_t *lsnp)
{
    struct writer writer = {
        .payload = payload, .need = lf_record_bytes(payload->size), .lsns = lsnp};

    (void)wait; /* nothing else is there to be done with a record than to make it durable */
    return write_durably(log, &writer, deadline);
}

static int submit_batch(struct logfile *log, const struct lf_batch *batch,
                        const struct timespec *deadline, uint64_t *lsns)
{
    struct writer writer = {.batch = batch, .need = batch->need, .lsns = lsns};

    return write_durably(log, &writer, deadline);
}

/* ---- The other calls, as those of src/lab/serial.c ---- */

static uint64_t end_lsn(const struct logfile *log)
{
    return lf_load_relaxed_64(&engine_of(log)->end_lsn); /* Relaxed: as where it is stored. */
}

static int wait_lsn(struct logfile *log, uint64_t lsn, const struct timespec *deadline)
{
    for (int error = 0;;) {
        uint32_t key = lf_waiter_key(&engine_of(log)->changed);
        bool failed = lf_store_has_failed(&log->store);

        if (lf_durable_lsn(log) > lsn)
            return 0;
        if (failed)
            return LOGFILE_EFAILED;
        if (lsn >= end_lsn(log))
            return -EINVAL;
        if (error != 0)
            return error;
        error = lf_waiter_sleep_counted(&engine_of(log)->changed, key, deadline,
                                        &log->stats.waits_durable);
    }
}

static int flush(struct logfile *log, const struct timespec *deadline)
{
    return wait_lsn(log, end_lsn(log) - 1, deadline);
}

/* Under the lock, when nobody leads. */
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
    struct queue_engine *engine = engine_of(log);
    int cancel_state, error = 0;

    lf_store_relaxed_32(&engine->closed, 1); /* Relaxed: the wake carries the order. */
    lf_waiter_wake(&engine->changed);
    if (!lf_lock_until(&engine->lock, deadline, &cancel_state))
        return -ETIMEDOUT;
    while (engine->leading && error == 0)
        error = sleep_unlocked(log, &engine->changed, deadline, &log->stats.waits_durable);
    if (!engine->leading)
        error = close_log(log, deadline);
    return lf_unlock(&engine->lock, cancel_state, error);
}

static int start(struct logfile *log)
{
    struct queue_engine *engine = lf_lab_new(log, sizeof *engine);
    int error;

    if (engine == NULL)
        return -ENOMEM;
    engine->last = &engine->first;
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

static const struct lf_engine queue_engine = {
    .name = "queue",
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

LF_LAB_ENGINE(queue_engine)
