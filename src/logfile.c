/* SPDX-License-Identifier: MIT */
/* The entry points: each checks its arguments and hands over to the engine (ring/engine.h).
 * docs/ARCHITECTURE.md follows an append from here to the disk. */
#include "base/copy_out.h"
#include "lab/lab.h"
#include "read/follow.h"
#include "ring/log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum {
    IOV_COUNT_MAX = 1024
};

/* A fork wipes the page behind `alive` in the child. */
static int check_handle(const struct logfile *log)
{
    if (log == NULL)
        return -EINVAL;
    return __builtin_expect(*(const volatile uint32_t *)log->alive != 0, 1) ? 0 : LOGFILE_EFORKED;
}

static int refuse_size(struct logfile *log)
{
    lf_stats_note_refusal(&log->stats, LOGFILE_ETOOBIG);
    return LOGFILE_ETOOBIG;
}

/* Apart, so that an append without a deadline keeps its short way.  One whose deadline has passed is
 * a submit, and one look at what became of it. */
static __attribute__((noinline)) int append_until(struct logfile *log,
                                                  const struct lf_payload *payload,
                                                  const struct timespec *deadline, bool wait,
                                                  uint64_t *lsnp)
{
    uint64_t lsn;
    int error;

    if (!lf_deadline_is_valid(deadline))
        return -EINVAL;
    if (payload->size > log->record_max)
        return refuse_size(log);
    deadline = lf_settle_deadline(deadline);
    if (!wait || lf_may_wait(deadline))
        return log->engine->append(log, payload, deadline, wait, lsnp);
    error = log->engine->append(log, payload, deadline, false, &lsn);
    if (error != 0)
        return error;
    if (lsnp)
        *lsnp = lsn;
    return log->engine->wait(log, lsn, deadline);
}

static inline __attribute__((always_inline)) int append(struct logfile *log,
                                                        const struct lf_payload *payload,
                                                        const struct timespec *deadline, bool wait,
                                                        uint64_t *lsnp)
{
    int error = check_handle(log);

    if (__builtin_expect(error != 0, 0))
        return error;
    if (payload->iov_count == 1 && payload->iov->iov_base == NULL && payload->size > 0)
        return -EINVAL;
    if (__builtin_expect(deadline != NULL, 0))
        return append_until(log, payload, deadline, wait, lsnp);
    if (__builtin_expect(payload->size > log->record_max, 0))
        return refuse_size(log);
    return log->engine->append(log, payload, NULL, wait, lsnp);
}

/* A payload in one buffer. */
#define PAYLOAD(data, bytes)                                                                       \
    (&(const struct lf_payload){                                                                   \
        .iov = &(const struct iovec){.iov_base = (void *)(data), .iov_len = (bytes)},              \
        .iov_count = 1,                                                                            \
        .size = (bytes)})

int logfile_append(struct logfile *log, const void *data, size_t size, uint64_t *lsnp)
{
    return append(log, PAYLOAD(data, size), NULL, true, lsnp);
}

int logfile_append_until(struct logfile *log, const void *data, size_t size,
                         const struct timespec *deadline, uint64_t *lsnp)
{
    return append(log, PAYLOAD(data, size), deadline, true, lsnp);
}

int logfile_submit(struct logfile *log, const void *data, size_t size,
                   const struct timespec *deadline, uint64_t *lsnp)
{
    return append(log, PAYLOAD(data, size), deadline, false, lsnp);
}

/* The buffers of a record, or the records of a batch, are `count` readable buffers. */
static bool are_buffers(const struct iovec *iov, int count, int count_max)
{
    if (count < 0 || count > count_max || (iov == NULL && count > 0))
        return false;
    for (int i = 0; i < count; i++)
        if (iov[i].iov_base == NULL && iov[i].iov_len > 0)
            return false;
    return true;
}

static int append_buffers(struct logfile *log, const struct iovec *iov, int count,
                          const struct timespec *deadline, bool wait, uint64_t *lsnp)
{
    struct lf_payload payload = {.iov = iov, .iov_count = count};

    if (log == NULL || !are_buffers(iov, count, IOV_COUNT_MAX))
        return -EINVAL;
    for (int i = 0; i < count; i++)
        if (__builtin_add_overflow(payload.size, iov[i].iov_len, &payload.size))
            payload.size = SIZE_MAX; /* no record is so large */
    return append(log, &payload, deadline, wait, lsnp);
}

int logfile_appendv(struct logfile *log, const struct iovec *iov, int count,
                    const struct timespec *deadline, uint64_t *lsnp)
{
    return append_buffers(log, iov, count, deadline, true, lsnp);
}

int logfile_submitv(struct logfile *log, const struct iovec *iov, int count,
                    const struct timespec *deadline, uint64_t *lsnp)
{
    return append_buffers(log, iov, count, deadline, false, lsnp);
}

int logfile_submit_batch(struct logfile *log, const struct iovec *records, int count,
                         const struct timespec *deadline, uint64_t *lsns)
{
    struct lf_batch batch = {.records = records, .count = count};
    int error = check_handle(log);

    if (error != 0)
        return error;
    if (!are_buffers(records, count, LOGFILE_BATCH_MAX) || !lf_deadline_is_valid(deadline))
        return -EINVAL;
    for (int i = 0; i < count; i++) {
        if (records[i].iov_len > log->record_max)
            return refuse_size(log);
        batch.need += lf_record_bytes(records[i].iov_len);
    }
    if (batch.need > log->record_max + LF_RECORD_HEADER_BYTES)
        return refuse_size(log);
    if (count == 0)
        return 0;
    return log->engine->submit_batch(log, &batch, lf_settle_deadline(deadline), lsns);
}

int logfile_reserve(struct logfile *log, size_t size, const struct timespec *deadline,
                    struct logfile_reservation *reservation)
{
    int error = check_handle(log);

    if (error != 0)
        return error;
    if (reservation == NULL || !lf_deadline_is_valid(deadline))
        return -EINVAL;
    if (log->engine->reserve == NULL)
        return -EOPNOTSUPP;
    if (size > log->record_max)
        return refuse_size(log);
    return log->engine->reserve(log, size, lf_settle_deadline(deadline), reservation);
}

static int end_reservation(struct logfile *log, struct logfile_reservation *reservation,
                           enum lf_record_type type)
{
    int error = check_handle(log);

    if (error != 0)
        return error;
    if (reservation == NULL || reservation->data == NULL || log->engine->reserve == NULL)
        return -EINVAL;
    error = log->engine->end_reservation(log, reservation, type);
    if (error != 0)
        return error;
    *reservation = (struct logfile_reservation){0};
    return lf_store_has_failed(&log->store) ? LOGFILE_EFAILED : 0;
}

int logfile_publish(struct logfile *log, struct logfile_reservation *reservation)
{
    return end_reservation(log, reservation, LF_RECORD_DATA);
}

int logfile_abandon(struct logfile *log, struct logfile_reservation *reservation)
{
    return end_reservation(log, reservation, LF_RECORD_PAD);
}

/* ---------------------------------------------------------------------------------------------
 * Waiting.
 */

int logfile_wait(struct logfile *log, uint64_t lsn, const struct timespec *deadline)
{
    int error = check_handle(log);

    if (error != 0)
        return error;
    if (!lf_deadline_is_valid(deadline))
        return -EINVAL;
    return log->engine->wait(log, lsn, lf_settle_deadline(deadline));
}

int logfile_sync(struct logfile *log, const struct timespec *deadline)
{
    int error = check_handle(log);

    if (error != 0)
        return error;
    if (!lf_deadline_is_valid(deadline))
        return -EINVAL;
    return log->engine->flush(log, lf_settle_deadline(deadline));
}

int logfile_shutdown(struct logfile *log, const struct timespec *deadline)
{
    int error = check_handle(log);

    if (error != 0)
        return error;
    if (!lf_deadline_is_valid(deadline))
        return -EINVAL;
    /* Relaxed: one that is reserved meanwhile is waited for, as an append that is under way. */
    if (lf_load_relaxed_32(&log->reservations) != 0)
        return -EBUSY;
    error = log->engine->shutdown(log, lf_settle_deadline(deadline));
    lf_event_signal(&log->event);
    if (error == 0) /* A failed log has told its followers. */
        lf_follow_end(log->follow, LOGFILE_ECLOSED);
    return error;
}

/* ---------------------------------------------------------------------------------------------
 * Events.
 */

int logfile_event_fd(struct logfile *log)
{
    int error = check_handle(log);
    return error != 0 ? error : lf_event_fd(&log->event);
}

int logfile_event_take(struct logfile *log, struct logfile_event_state *out, size_t size)
{
    struct logfile_event_state own;
    int error = check_handle(log);

    if (error != 0 || out == NULL)
        return error != 0 ? error : -EINVAL;
    error = lf_event_take(log, &own);
    if (error != 0)
        return error;
    lf_copy_out(out, size, &own, sizeof own);
    if (own.failed) /* A caller that is told of a failure enters no more. */
        lf_engine_on_failure(log);
    return 0;
}

/* ---------------------------------------------------------------------------------------------
 * State.
 */

uint64_t logfile_durable_lsn(struct logfile *log)
{
    return check_handle(log) == 0 ? lf_durable_lsn(log) : 0;
}

/* Where what has been reserved ends; at the end of a log that was shut down the durable LSN, which
 * the CLOSE epoch has moved beyond that. */
uint64_t logfile_next_lsn(struct logfile *log)
{
    if (check_handle(log) != 0)
        return 0;
    uint64_t durable_lsn = lf_durable_lsn(log); /* First: or it might pass the end meanwhile. */
    uint64_t end_lsn = log->engine->end_lsn(log);
    return lf_max(end_lsn, durable_lsn);
}

uint64_t logfile_oldest_lsn(struct logfile *log)
{
    return check_handle(log) == 0 ? lf_trim_oldest_lsn(&log->trim) : 0;
}

void logfile_id(struct logfile *log, uint8_t id[16])
{
    const struct lf_file_header *header = log != NULL ? &log->store.file.header : NULL;

    memset(id, 0, sizeof header->id);
    if (check_handle(log) == 0)
        memcpy(id, header->id, sizeof header->id);
}

int logfile_trim(struct logfile *log, uint64_t lsn)
{
    int error = check_handle(log);
    return error != 0 ? error : lf_trim_below(&log->trim, lsn, NULL);
}

int logfile_mark(struct logfile *log, uint64_t lsn, const void *data, size_t size)
{
    int error = check_handle(log);

    if (error != 0)
        return error;
    if (size > LOGFILE_MARK_MAX)
        return LOGFILE_ETOOBIG;
    if (data == NULL && size > 0)
        return -EINVAL;
    const struct lf_user_bytes user = {.bytes = data != NULL ? data : "", .size = (uint32_t)size};
    return lf_trim_below(&log->trim, lsn, &user);
}

int logfile_mark_read(struct logfile *log, void *data, size_t size)
{
    int error = check_handle(log);

    if (error != 0)
        return error;
    return data == NULL && size > 0 ? -EINVAL : (int)lf_trim_user_bytes(&log->trim, data, size);
}

int lf_followed_by_log(struct logfile *log, struct lf_followed *out)
{
    const struct lf_file *file = log != NULL ? &log->store.file : NULL;
    int error = check_handle(log);

    if (error == 0)
        error = file->io->stat(file->io->context, file->fd, &out->file);
    if (error != 0)
        return error;
    out->io = file->io;
    memcpy(out->id, file->header.id, sizeof out->id);
    out->follow = log->follow;
    lf_follow_hold(out->follow);
    return 0;
}

size_t logfile_record_max(struct logfile *log)
{
    return log == NULL ? 0 : log->record_max;
}

static void copy_stats(struct logfile *log, struct logfile_stats *out)
{
    const struct lf_facts *facts = &log->store.facts;
    const struct logfile_io_facts *said = &facts->said;

    memset(out, 0, sizeof *out);
    lf_stats_copy(&log->stats, out);
    out->io_mode = lf_facts_bypasses_cache(facts) ? LOGFILE_IO_DIRECT : LOGFILE_IO_BUFFERED;
    out->o_direct = facts->direct;
    out->direct_align = (uint32_t)lf_max(said->offset_align, said->memory_align);
    out->no_allocation = !lf_facts_allocates(facts);
    out->fs_type = said->fs_type;
    snprintf(out->fs_name, sizeof out->fs_name, "%s", lf_facts_name(said));
    out->sync = log->store.sync;
    out->slot_bytes = log->layout.slot_bytes;
    out->incarnation = lf_load_relaxed_32(&log->incarnation); /* Relaxed: a statistic. */
    out->durable_lsn = lf_durable_lsn(log);
    out->pending_bytes = lf_pending_bytes(log, out->durable_lsn);
    lf_inflight_copy(log->store.inflight, lf_now_ns(), out);
    out->writes = lf_counted(&log->store.write_count);
    out->syncs = lf_counted(&log->store.sync_count);
    out->trims = lf_counted(&log->store.trim_count);
    out->segments_made = lf_counted(&log->store.file.made_count);
    out->device_bytes =
        lf_counted(&log->store.device_bytes) + lf_counted(&log->store.file.header_bytes);
    out->zero_fill_bytes = lf_counted(&log->preparer.zero_fill_bytes);
    out->waits_zero_fill = lf_counted(&log->preparer.zero_fill_waits);
    lf_histogram_copy(&log->preparer.zero_fill_ns, &out->zero_fill_ns);
    lf_histogram_copy(&log->preparer.zero_sync_ns, &out->zero_sync_ns);
}

int logfile_stats(struct logfile *log, struct logfile_stats *out, size_t size)
{
    struct logfile_stats own;
    int error = check_handle(log);

    if (error != 0 || out == NULL)
        return error != 0 ? error : -EINVAL;
    copy_stats(log, &own);
    lf_copy_out(out, size, &own, sizeof own);
    return 0;
}

int logfile_lab_stats(struct logfile *log, struct logfile_lab_stats *out, size_t size)
{
    struct logfile_lab_stats own = {0};
    int error = check_handle(log);

    if (error != 0 || out == NULL)
        return error != 0 ? error : -EINVAL;
    own.engine = log->lab.own_engine != NULL ? LOGFILE_ENGINE_OWN : log->lab.engine;
    own.slot_count = log->lab.slot_count;
    own.publish_shards = log->lab.publish_shards;
    if (log->lab_state != NULL)
        lf_stages_copy(lf_lab_stages(log), own.stage_ns);
    lf_copy_out(out, size, &own, sizeof own);
    return 0;
}

int logfile_failure(struct logfile *log, struct logfile_failure *out, size_t size)
{
    struct logfile_failure own;
    int error = check_handle(log);

    if (error != 0 || out == NULL)
        return error != 0 ? error : -EINVAL;
    lf_store_failure(&log->store, &own);
    lf_copy_out(out, size, &own, sizeof own);
    if (own.error != 0) /* A caller that is told of a failure enters no more. */
        lf_engine_on_failure(log);
    return 0;
}

int logfile_describe(struct logfile *log, int error, char *text, size_t size)
{
    int result = check_handle(log);

    if (result != 0)
        return result;
    return text == NULL && size > 0 ? -EINVAL : lf_describe(log, error, text, size);
}
