/* SPDX-License-Identifier: MIT */
/*
 * Group commit the classic way, to compare with: one mutex, two ping-pong buffers, and a condition
 * variable that wakes every waiter after every flush.  The first waiter that finds no flush under
 * way swaps the buffers and flushes; the others append to the other buffer meanwhile.  Copying and
 * checksumming are under the mutex, as that design does it.
 *
 * Two variants are the first steps from there to the ring, for comparing: payloads checksummed
 * before the mutex is taken, and a flush that wakes only its own epoch's waiters, and one thread
 * more: the next flusher.
 */
#include "base/lock.h"
#include "format/checksum.h"
#include "format/record.h"
#include "lab/lab.h"

#include <errno.h>
#include <stdlib.h>

/* One of the two buffers: an epoch in the making. */
struct lf_buffer {
    uint8_t *data;
    uint64_t end; /* bytes, header included */
    uint32_t records;
    uint64_t first_ns; /* when the first of them came */
};

enum {
    SPACE = 2, /* the condition that space in the buffer is waited for on */
    CONDITION_COUNT
};

struct lf_mutex_engine {
    struct lf_lab lab;
    pthread_mutex_t lock;
    /* A flush ended.  The classic design waits for all of them on the first; with WAKE_PER_EPOCH an
     * epoch's waiters wait on the one of its number's last bit, and threads that wait for space in
     * the buffer on the third. */
    pthread_cond_t changed[CONDITION_COUNT];
    /* All under lock; the buffer that is being flushed belongs to its flusher. */
    struct lf_buffer buffers[2];
    unsigned active;
    uint64_t base_lsn; /* of the active buffer */
    uint64_t epoch;    /* its number */
    bool flushing;
    uint32_t closed;       /* W: shutdown, perhaps without the lock.  R: under lock. */
    uint64_t end_lsn;      /* W: under lock.  R: any.  Where what was appended ends; never falls. */
    struct lf_waiter room; /* woken when there is room again, or the log has failed */
};

static struct lf_mutex_engine *engine_of(const struct logfile *log)
{
    return log->lab_state;
}

static struct lf_buffer *active_of(struct lf_mutex_engine *engine)
{
    return &engine->buffers[engine->active];
}

static int lock(struct logfile *log)
{
    return lf_lock(&engine_of(log)->lock);
}

/* 0, or -ETIMEDOUT: another thread has it, and this call may not wait. */
static int lock_until(struct logfile *log, const struct timespec *deadline, int *cancel_state)
{
    return lf_lock_until(&engine_of(log)->lock, deadline, cancel_state) ? 0 : -ETIMEDOUT;
}

static int unlock(struct logfile *log, int cancel_state, int result)
{
    return lf_unlock(&engine_of(log)->lock, cancel_state, result);
}

static bool wakes_per_epoch(const struct logfile *log)
{
    return log->lab.variant_flags & LOGFILE_VARIANT_WAKE_PER_EPOCH;
}

/* The condition that waiters of an epoch, or with SPACE for space, wait on. */
static pthread_cond_t *condition(struct logfile *log, uint64_t which)
{
    return &engine_of(log)->changed[wakes_per_epoch(log) ? which : 0];
}

/* A thread that was woken to flush next, and will not, wakes another: its deadline has passed, or the
 * log has failed, in any thread, and all of them are told, each by the one before. */
static void pass_on(struct logfile *log)
{
    struct lf_mutex_engine *engine = engine_of(log);

    if (wakes_per_epoch(log) && !engine->flushing)
        pthread_cond_signal(condition(log, engine->epoch % 2));
}

/* The flush of an epoch has ended, of whatever kind: wakes its waiters, and who flushes next.
 * A failure ends all waiting. */
static void announce_flush(struct logfile *log, uint64_t epoch, bool failed)
{
    lf_count(&log->stats.wakeups, 1);
    pthread_cond_broadcast(condition(log, epoch % 2));
    if (!wakes_per_epoch(log))
        return;
    pthread_cond_broadcast(condition(log, SPACE));
    if (failed)
        pthread_cond_broadcast(condition(log, (epoch + 1) % 2));
    else
        pthread_cond_signal(condition(log, (epoch + 1) % 2));
}

/* Waits for the flush that is under way.  0 or -ETIMEDOUT. */
static int wait_for_flush(struct logfile *log, pthread_cond_t *changed,
                          const struct timespec *deadline)
{
    struct lf_mutex_engine *engine = engine_of(log);

    if (!lf_may_wait(deadline))
        return -ETIMEDOUT;
    lf_count(&log->stats.waits_durable, 1);
    if (deadline == NULL)
        return -pthread_cond_wait(changed, &engine->lock);
    return -pthread_cond_timedwait(changed, &engine->lock, deadline);
}

/* Under the mutex: what was appended ends there.  Relaxed, as its loads: a number that orders nothing,
 * and since its stores are in order it never falls. */
static void set_end_lsn(struct lf_mutex_engine *engine, uint64_t lsn)
{
    lf_store_relaxed_64(&engine->end_lsn, lsn);
}

/* Swaps the buffers, and writes and syncs the one that was filled, without the mutex. */
static void flush_active(struct logfile *log)
{
    struct lf_mutex_engine *engine = engine_of(log);
    struct lf_buffer *full = active_of(engine);
    uint64_t epoch = engine->epoch;
    bool failed;

    lf_stages_sealed(lf_lab_stages(log), epoch);
    engine->flushing = true;
    engine->active ^= 1;
    engine->base_lsn =
        lf_layout_place(&log->layout, engine->base_lsn + lf_round_up(full->end, LF_BLOCK_BYTES));
    engine->epoch++;
    set_end_lsn(engine, engine->base_lsn);
    active_of(engine)->end = LF_EPOCH_HEADER_BYTES;
    active_of(engine)->records = 0;
    pthread_mutex_unlock(&engine->lock);
    failed = lf_epoch_commit(log, full->data, full->end, full->records, 0) != 0;
    if (!failed) {
        lf_count(&log->stats.inline_flushes, 1);
        /* Who flushes waits; so does who came first, most likely. */
        lf_stats_note_commit(&log->stats, lf_first_word(full->first_ns, true), log->committed_ns);
    }
    pthread_mutex_lock(&engine->lock);
    engine->flushing = false;
    announce_flush(log, epoch, failed);
}

static int refusal_of(struct logfile *log)
{
    if (lf_store_has_failed(&log->store))
        return LOGFILE_EFAILED;
    /* Relaxed: an append that sees it late came together with the shutdown; who sleeps is woken
     * after it was stored. */
    return lf_load_relaxed_32(&engine_of(log)->closed) ? LOGFILE_ECLOSED : 0;
}

/* Waits for room, without the mutex.  0: look again. */
static int wait_for_room(struct logfile *log, const struct timespec *deadline)
{
    struct lf_mutex_engine *engine = engine_of(log);
    uint32_t key = lf_waiter_key(&engine_of(log)->room);
    int error = refusal_of(log);

    if (error != 0)
        return error;
    if (lf_has_room(log, engine->base_lsn))
        return 0;
    error = lf_preparer_room_error(&log->preparer);
    lf_await_room(log, engine->base_lsn);
    if (error != 0 || !lf_may_wait(deadline))
        return error != 0 ? error : -ETIMEDOUT;
    pthread_mutex_unlock(&engine->lock);
    error = lf_waiter_sleep_counted(&engine_of(log)->room, key, deadline, &log->stats.waits_space);
    pthread_mutex_lock(&engine->lock);
    return error;
}

/* Waits until the active buffer has `need` bytes left. */
static int make_space(struct logfile *log, uint64_t need, const struct timespec *deadline)
{
    struct lf_mutex_engine *engine = engine_of(log);
    int error;

    while ((error = refusal_of(log)) == 0) {
        if (active_of(engine)->end + need > log->layout.slot_bytes) {
            lf_count(&log->stats.overshoots, 1);
            if (!engine->flushing && lf_may_wait(deadline))
                flush_active(log);
            else
                error = wait_for_flush(log, condition(log, SPACE), deadline);
        } else if (active_of(engine)->end == LF_EPOCH_HEADER_BYTES &&
                   !lf_has_room(log, engine->base_lsn)) {
            error = wait_for_room(log, deadline);
        } else if (!lf_has_begun(log)) {
            /* Of a log that had no room for it when it was opened.  The others are kept from the mutex
             * for no longer than by a flush. */
            error = lf_incarnation_begin(log);
            engine->base_lsn = log->chain.lsn;
            engine->epoch = log->chain.epoch;
        } else {
            return 0;
        }
        if (error != 0)
            break;
    }
    if (error != 0)
        lf_stats_note_refusal(&log->stats, error);
    return error;
}

static bool checksums_first(const struct logfile *log)
{
    return log->lab.variant_flags & LOGFILE_VARIANT_CHECKSUM_FIRST;
}

static uint64_t add_record(struct logfile *log, const struct lf_payload *payload, uint32_t crc)
{
    struct lf_mutex_engine *engine = engine_of(log);
    struct lf_buffer *buffer = active_of(engine);
    uint64_t offset = buffer->end;
    struct lf_record_place place = {engine->epoch, (uint32_t)offset, log->record_seed};

    lf_record_encode(buffer->data + offset, &place, payload, crc);
    buffer->end += lf_record_bytes(payload->size);
    if (buffer->records++ == 0)
        buffer->first_ns = lf_now_ns();
    set_end_lsn(engine, engine->base_lsn + buffer->end);
    return engine->base_lsn + offset;
}

/* Under the mutex: until `lsn` is durable, or the log has failed, or the deadline. */
static int wait_durable(struct logfile *log, uint64_t lsn, const struct timespec *deadline)
{
    struct lf_mutex_engine *engine = engine_of(log);
    int error = 0;

    while (lf_durable_lsn(log) <= lsn) {
        if (lf_store_has_failed(&log->store))
            error = LOGFILE_EFAILED;
        if (error != 0) {
            pass_on(log);
            return error;
        }
        /* It is in the epoch that fills, or in the one that is flushed. */
        uint64_t epoch = lsn >= engine->base_lsn ? engine->epoch : engine->epoch - 1;
        if (!engine->flushing)
            flush_active(log);
        else
            error = wait_for_flush(log, condition(log, epoch % 2), deadline);
    }
    return 0;
}

static int append(struct logfile *log, const struct lf_payload *payload,
                  const struct timespec *deadline, bool wait, uint64_t *lsnp)
{
    struct lf_stage_clock clock = {0};
    uint64_t lsn, epoch;
    uint32_t crc = 0;
    int cancel_state, error;

    if (wait)
        lf_stages_begin(lf_lab_stages(log), &clock);
    if (checksums_first(log))
        crc = lf_lab_payload_crc(log, payload);
    lf_stages_mark(&clock, LOGFILE_STAGE_CHECKSUM);
    error = lock_until(log, deadline, &cancel_state);
    if (error != 0)
        return error;
    error = make_space(log, lf_record_bytes(payload->size), deadline);
    if (error != 0)
        return unlock(log, cancel_state, error);
    lf_stages_mark(&clock, LOGFILE_STAGE_RESERVE);
    if (!checksums_first(log))
        crc = lf_lab_payload_crc(log, payload);
    lf_stages_mark(&clock, LOGFILE_STAGE_CHECKSUM);
    epoch = engine_of(log)->epoch;
    lsn = add_record(log, payload, crc);
    lf_stages_mark(&clock, LOGFILE_STAGE_COPY);
    if (lsnp)
        *lsnp = lsn;
    error = unlock(log, cancel_state, wait ? wait_durable(log, lsn, deadline) : 0);
    if (error == 0)
        lf_stages_finish(lf_lab_stages(log), &clock, epoch);
    return error;
}

/* As so many appends, under one lock. */
static int submit_batch(struct logfile *log, const struct lf_batch *batch,
                        const struct timespec *deadline, uint64_t *lsns)
{
    int cancel_state;
    int error = lock_until(log, deadline, &cancel_state);

    if (error != 0)
        return error;
    error = make_space(log, batch->need, deadline);
    for (int i = 0; error == 0 && i < batch->count; i++) {
        const struct lf_payload payload = {&batch->records[i], 1, batch->records[i].iov_len};
        uint64_t lsn = add_record(log, &payload, lf_lab_payload_crc(log, &payload));
        if (lsns != NULL)
            lsns[i] = lsn;
    }
    return unlock(log, cancel_state, error);
}

static uint64_t end_lsn(const struct logfile *log)
{
    return lf_load_relaxed_64(&engine_of(log)->end_lsn); /* Relaxed: see set_end_lsn. */
}

/* Has what ends behind `lsn` flushed, or waits for its flush. */
static int wait_for(struct logfile *log, uint64_t lsn, const struct timespec *deadline)
{
    int cancel_state;

    if (!lf_may_wait(deadline)) { /* One look: at failure first, and durable wins. */
        int error = lf_store_has_failed(&log->store) ? LOGFILE_EFAILED : -ETIMEDOUT;
        return lf_durable_lsn(log) > lsn ? 0 : error;
    }
    cancel_state = lock(log);
    return unlock(log, cancel_state, wait_durable(log, lsn, deadline));
}

static int wait_lsn(struct logfile *log, uint64_t lsn, const struct timespec *deadline)
{
    if (lf_durable_lsn(log) > lsn)
        return 0;
    return lsn < end_lsn(log) ? wait_for(log, lsn, deadline) : -EINVAL;
}

static int flush(struct logfile *log, const struct timespec *deadline)
{
    return wait_for(log, end_lsn(log) - 1, deadline);
}

/* Marks the log as closed, without the mutex: for who comes meanwhile it is one more flush. */
static int commit_close(struct logfile *log)
{
    struct lf_mutex_engine *engine = engine_of(log);
    bool closed;

    engine->flushing = true;
    pthread_mutex_unlock(&engine->lock);
    closed = lf_incarnation_end(log, active_of(engine)->data);
    pthread_mutex_lock(&engine->lock);
    engine->flushing = false;
    log->closed_cleanly = closed;
    pthread_cond_broadcast(condition(log, (engine->epoch - 1) % 2));
    return closed ? 0 : LOGFILE_EFAILED;
}

static int shut_down(struct logfile *log, const struct timespec *deadline)
{
    struct lf_mutex_engine *engine = engine_of(log);
    int cancel_state, error;

    lf_store_relaxed_32(&engine->closed, 1); /* Relaxed: see refusal_of. */
    lf_waiter_wake(&engine_of(log)->room);
    error = lock_until(log, deadline, &cancel_state);
    if (error != 0)
        return error;
    if (!lf_may_wait(deadline)) {
        error = lf_store_has_failed(&log->store) ? LOGFILE_EFAILED : -ETIMEDOUT;
        return unlock(log, cancel_state, log->closed_cleanly ? 0 : error);
    }
    error = wait_durable(log, end_lsn(log) - 1, deadline);
    while (error != -ETIMEDOUT && engine->flushing)
        if (wait_for_flush(log, condition(log, (engine->epoch - 1) % 2), deadline) != 0)
            error = -ETIMEDOUT;
    if (error == 0 && !log->closed_cleanly)
        error = commit_close(log);
    return unlock(log, cancel_state, error);
}

static int init_locks(struct lf_mutex_engine *engine)
{
    int error = -pthread_mutex_init(&engine->lock, NULL);
    int made = 0;

    if (error != 0)
        return error;
    while (made < CONDITION_COUNT && (error = lf_condition_init(&engine->changed[made])) == 0)
        made++;
    if (error == 0)
        return 0;
    while (made > 0)
        pthread_cond_destroy(&engine->changed[--made]);
    pthread_mutex_destroy(&engine->lock);
    return error;
}

static int start(struct logfile *log)
{
    struct lf_mutex_engine *engine = lf_lab_new(log, sizeof *engine);
    int error;

    if (engine == NULL)
        return -ENOMEM;
    for (int i = 0; i < 2; i++) {
        engine->buffers[i].data = log->buffers + (size_t)i * log->layout.slot_bytes;
        engine->buffers[i].end = LF_EPOCH_HEADER_BYTES;
    }
    engine->base_lsn = log->chain.lsn;
    engine->end_lsn = log->chain.lsn;
    engine->epoch = log->chain.epoch;
    error = init_locks(engine);
    if (error == 0)
        log->lab_state = engine;
    else
        free(engine);
    return error;
}

static void stop(struct logfile *log)
{
    struct lf_mutex_engine *engine = engine_of(log);

    for (int i = 0; i < CONDITION_COUNT; i++)
        pthread_cond_destroy(&engine->changed[i]);
    pthread_mutex_destroy(&engine->lock);
    free(engine);
}

static void look_again(struct logfile *log)
{
    lf_waiter_wake(&engine_of(log)->room);
}

const struct lf_engine lf_mutex_engine = {
    .name = "mutex",
    .buffer_count = 2,
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
