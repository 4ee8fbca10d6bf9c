/* SPDX-License-Identifier: MIT */
/* How an epoch becomes durable, the same for every engine. */
#include "ring/log.h"

/* The average follows a change of the device's speed within about eight flushes. */
static void note_flush_time(struct logfile *log, uint64_t ns)
{
    uint64_t average = lf_load_relaxed_64(&log->flush_ns); /* Only its one writer is here. */

    average = average == 0 ? ns : average - average / 8 + ns / 8;
    lf_store_relaxed_64(&log->flush_ns, average); /* A hint to waiters: orders nothing. */
    lf_histogram_add(&log->stats.flush_ns, ns);
}

static void note_epoch(struct logfile *log, uint64_t end, uint32_t records)
{
    lf_count(&log->stats.epochs, 1);
    lf_count(&log->stats.records, records);
    lf_count(&log->stats.bytes, end - LF_EPOCH_HEADER_BYTES);
    lf_histogram_add(&log->stats.records_per_epoch, records);
}

/* Writes and syncs what has been sealed; 0 or an error of lf_store. */
static int commit_sealed(struct logfile *log, const uint8_t *buffer, size_t bytes, uint64_t lsn,
                         bool syncs_itself)
{
    int error = lf_store_commit(&log->store, buffer, bytes, lsn);

    if (error != 0 || !syncs_itself)
        return error;
    lf_inflight_begin(&log->store.inflight[LF_CALLER_FLUSHER], LOGFILE_CALL_SYNC, lsn, lf_now_ns());
    error = lf_store_sync_background(&log->store, lsn, lsn + bytes);
    return error != 0 ? lf_store_fail(&log->store, error, "sync", lsn) : 0;
}

int lf_incarnation_begin(struct logfile *log)
{
    uint64_t nonce;
    int error = lf_store_random(&nonce, sizeof nonce);

    if (error != 0)
        return lf_store_fail(&log->store, error, "random numbers", log->chain.lsn);
    lf_chain_begin(&log->chain, log->chain.incarnation + 1, nonce);
    error = lf_epoch_commit(log, log->buffers, LF_EPOCH_HEADER_BYTES, 0, LF_EPOCH_OPEN);
    if (error != 0)
        return error;
    log->record_seed = log->chain.record_seed;
    /* Relaxed: a statistic, and read under L5 else. */
    lf_store_relaxed_32(&log->incarnation, log->chain.incarnation);
    error = lf_trim_note_durable(&log->trim, log->chain.incarnation, log->chain.lsn);
    if (error != 0)
        return error;
    lf_store_release_32(&log->begun, 1); /* L5: the OPEN epoch, before; pairs with lf_has_begun. */
    return 0;
}

bool lf_incarnation_end(struct logfile *log, uint8_t *buffer)
{
    return !lf_has_begun(log) ||
           lf_epoch_commit(log, buffer, LF_EPOCH_HEADER_BYTES, 0, LF_EPOCH_CLOSE) == 0;
}

int lf_epoch_commit(struct logfile *log, uint8_t *buffer, uint64_t end, uint32_t records,
                    uint32_t flags)
{
    uint64_t lsn = log->chain.lsn;
    uint64_t epoch = log->chain.epoch;
    /* A trim mark will speak of it, whatever the log does without. */
    bool late_sync =
        log->options.sync == LOGFILE_SYNC_NONE && (flags & (LF_EPOCH_OPEN | LF_EPOCH_CLOSE)) != 0;
    struct lf_inflight *inflight = &log->store.inflight[LF_CALLER_FLUSHER];
    uint64_t begin_ns, promise = lf_promised_lsn(log);
    size_t bytes;
    int error;

    if (log->lab.checksum == LOGFILE_CHECKSUM_HEADER)
        flags |= LF_EPOCH_HEADER_CHECKSUM;
    if (late_sync && lsn > log->recovered_lsn) {
        error = lf_trim_sync_unsynced(&log->trim, lsn);
        if (error != 0) {
            lf_store_fail(&log->store, error, "sync", lsn);
            return LOGFILE_EFAILED;
        }
        promise = lsn;
    }
    log->chain.time_ns = lf_wall_clock_ns();
    bytes = lf_chain_seal(&log->chain, buffer, end, records, flags, promise);
    lf_preparer_claim(&log->preparer, lsn, lsn + bytes);
    begin_ns = lf_now_ns();
    lf_inflight_begin(inflight, LOGFILE_CALL_WRITE, lsn, begin_ns);
    error = commit_sealed(log, buffer, bytes, lsn, late_sync);
    lf_inflight_end(inflight);
    if (error != 0)
        return LOGFILE_EFAILED;
    lf_trim_note(&log->trim, &log->chain);
    if (records > 0 && log->engine->durable != NULL)
        log->engine->durable(log, epoch, log->store.written_ns);

    /* L1: the write and the sync, before.  No record starts between this epoch and the next. */
    lf_store_release_64(&log->durable_lsn, log->chain.lsn);
    if (records > 0) {
        note_flush_time(log, lf_now_ns() - begin_ns);
        note_epoch(log, end, records);
    }
    return 0;
}
