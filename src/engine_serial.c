/* SPDX-License-Identifier: MIT */
/*
 * One write and one sync per record, under a mutex: the floor that group commit is measured from.
 */
#include "checksum.h"
#include "internal.h"
#include "record.h"

#include <errno.h>

static struct lf_serial_engine *engine_of(struct logfile *log)
{
    return &log->engine.serial;
}

static int lock(struct logfile *log)
{
    return lf_engine_lock(&engine_of(log)->lock);
}

static int unlock(struct logfile *log, int cancel_state, int result)
{
    return lf_engine_unlock(&engine_of(log)->lock, cancel_state, result);
}

/* Waits until an epoch fits below the allocated frontier, without the mutex. */
static int make_room(struct logfile *log, const struct timespec *deadline)
{
    struct lf_serial_engine *engine = engine_of(log);

    for (;;) {
        uint32_t key = lf_waiter_key(&log->room);
        int error;

        if (lf_store_has_failed(&log->store))
            return LOGFILE_EFAILED;
        if (engine->closed)
            return LOGFILE_ECLOSED;
        if (lf_has_room(log, log->chain.lsn))
            return 0;
        error = lf_preparer_room_error(&log->preparer);
        lf_request_room(log, log->chain.lsn);
        if (error != 0)
            return error;
        lf_count(&log->stats.waits_space, 1);
        pthread_mutex_unlock(&engine->lock);
        error = lf_waiter_sleep(&log->room, key, deadline);
        pthread_mutex_lock(&engine->lock);
        if (error != 0)
            return error;
    }
}

int lf_serial_engine_append(struct logfile *log, const struct lf_payload *payload,
                            const struct timespec *deadline, uint64_t *lsnp)
{
    struct lf_stage_clock clock;
    int cancel_state, error;
    struct lf_record_place place = {0, LF_EPOCH_HEADER_BYTES, log->record_seed};
    uint32_t crc;

    lf_stages_begin(&log->stages, &clock);
    cancel_state = lock(log);
    error = make_room(log, deadline);
    if (error != 0)
        return unlock(log, cancel_state, error);
    lf_stages_mark(&clock, LOGFILE_STAGE_RESERVE);
    crc = log->options.checksum == LOGFILE_CHECKSUM_FULL ? lf_payload_crc(payload) : 0;
    lf_stages_mark(&clock, LOGFILE_STAGE_CHECKSUM);
    place.epoch = log->chain.epoch;
    lf_record_encode(log->buffers + LF_EPOCH_HEADER_BYTES, &place, payload, crc);
    if (lsnp)
        *lsnp = log->chain.lsn + LF_EPOCH_HEADER_BYTES;
    lf_stages_mark(&clock, LOGFILE_STAGE_COPY);
    lf_stages_sealed(&log->stages, place.epoch);
    error = lf_epoch_commit(log, log->buffers,
                            LF_EPOCH_HEADER_BYTES + lf_record_bytes(payload->size), 1, 0);
    if (error == 0)
        lf_count(&log->stats.inline_flushes, 1);
    unlock(log, cancel_state, error);
    if (error == 0)
        lf_stages_finish(&log->stages, &clock, place.epoch, &log->stats);
    return error;
}

int lf_serial_engine_shutdown(struct logfile *log)
{
    int cancel_state = lock(log);
    int error = lf_store_has_failed(&log->store) ? LOGFILE_EFAILED : 0;

    engine_of(log)->closed = true;
    lf_waiter_wake(&log->room);
    if (error == 0 && !log->closed_cleanly) {
        error = lf_epoch_commit(log, log->buffers, LF_EPOCH_HEADER_BYTES, 0, LF_EPOCH_CLOSE);
        log->closed_cleanly = error == 0;
    }
    return unlock(log, cancel_state, error);
}

int lf_serial_engine_start(struct logfile *log)
{
    return -pthread_mutex_init(&engine_of(log)->lock, NULL);
}

void lf_serial_engine_stop(struct logfile *log)
{
    pthread_mutex_destroy(&engine_of(log)->lock);
}
