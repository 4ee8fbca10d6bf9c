/* SPDX-License-Identifier: MIT */
/*
 * Records that come into the ring otherwise than one call at a time: in batches, and in space that the
 * caller fills.
 *
 *   batch        one fetch-add for all, one publish for all; so all of them are in one epoch
 *   reservation  reserve and publish of an append, with the caller in between.  Meanwhile the header has
 *                a mark in it that no record's header equals.  Who ends the reservation takes the mark
 *                away first: it is there once, so a reservation ends once, whatever copies there are of
 *                it.  It names epoch and size, so that a copy is not believed when the slot is used again.
 *
 * What a held reservation keeps waiting:
 *
 *     holder               another writer           flusher
 *     reserves in 7
 *                          appends to 7, sleeps
 *                                                   flips; collects 7: waits for the holder
 *     fills the space
 *     publishes   ------------- R4 ------------->   collected: writes, syncs, durable, wakes
 *
 * From the flip on others append to epoch 8, and their flush waits for that of 7.  A holder that made a
 * call that waits for a flush would wait for itself; that is why the header forbids it.
 */
#include "base/num.h"
#include "format/checksum.h"
#include "ring/append.h"

#include <errno.h>
#include <string.h>

/* One record of a batch. */
static struct lf_payload payload_of(const struct iovec *record)
{
    return (struct lf_payload){.iov = record, .iov_count = 1, .size = record->iov_len};
}

/* Hands over what has been copied, for a writer that does not wait.  If it is the first of its epoch, this is
 * also what has those flushed that joined a held reservation: none of them has demanded it
 * (lf_append_must_demand), as a flush would only wait for the holder. */
static void publish(struct logfile *log, const struct lf_reservation *reservation, unsigned records)
{
    const bool is_first = lf_reservation_is_first(reservation);

    if (is_first)
        lf_append_stamp(reservation, false);
    lf_ring_publish(reservation, records, 0);
    if (is_first)
        lf_flusher_announce(log);
}

int lf_ring_submit_batch(struct logfile *log, const struct lf_batch *batch,
                         const struct timespec *deadline, uint64_t *lsns)
{
    uint32_t crcs[LOGFILE_BATCH_MAX];
    struct lf_reservation reservation, record;
    int error;

    /* 1. Touch every payload; then reserve space for all of them. */
    for (int i = 0; i < batch->count; i++) {
        struct lf_payload payload = payload_of(&batch->records[i]);
        crcs[i] = lf_append_touch(log, &payload);
    }
    error = lf_append_reserve_slowly(log, batch->need, deadline, &reservation);
    if (error != 0)
        return error;

    /* 2. Copy, each record to its place. */
    record = reservation;
    for (int i = 0; i < batch->count; i++) {
        struct lf_payload payload = payload_of(&batch->records[i]);
        lf_append_copy(log, &record, &payload, crcs[i]);
        record.offset += lf_record_bytes(payload.size);
    }
    uint64_t lsn = lf_ring_lsn(&reservation);
    for (int i = 0; lsns != NULL && i < batch->count; i++) {
        lsns[i] = lsn;
        lsn += lf_record_bytes(batch->records[i].iov_len);
    }

    /* 3. Publish: one store shows them all. */
    publish(log, &reservation, (unsigned)batch->count);
    return 0;
}

#define TYPE_RESERVED (UINT64_C(15) << 28) /* no record has this type */

static uint64_t mark_of(uint64_t epoch, size_t size)
{
    return epoch << 32 | TYPE_RESERVED | size;
}

static uint64_t *header_of(const struct lf_reservation *reservation)
{
    return (uint64_t *)(void *)(reservation->slot->data + reservation->offset);
}

int lf_ring_reserve_in_place(struct logfile *log, size_t size, const struct timespec *deadline,
                             struct logfile_reservation *out)
{
    struct lf_reservation reservation;
    int error;

    /* Relaxed: a shutdown that does not see it waits for it, as for an append that is under way. */
    lf_fetch_add_relaxed_32(&log->reservations, 1);
    error = lf_append_reserve_slowly(log, lf_record_bytes(size), deadline, &reservation);
    if (error != 0) {
        lf_fetch_add_relaxed_32(&log->reservations, -1u);
        return error;
    }
    /* Relaxed: the thread that ends it has got the reservation from this thread. */
    lf_store_relaxed_64(header_of(&reservation), mark_of(reservation.epoch, size));
    *out = (struct logfile_reservation){
        .data = (uint8_t *)header_of(&reservation) + LF_RECORD_HEADER_BYTES,
        .size = size,
        .lsn = lf_ring_lsn(&reservation),
        .reserved = {reservation.epoch, reservation.offset},
    };
    return 0;
}

/* What a caller hands back is looked at, not believed.  false: it is no place in this ring. */
static bool find_reservation(struct logfile *log, const struct logfile_reservation *of,
                             struct lf_reservation *reservation)
{
    const struct lf_ring *ring = &log->ring;

    *reservation = (struct lf_reservation){
        .slot = lf_ring_slot(ring, of->reserved[0]),
        .epoch = of->reserved[0],
        .offset = of->reserved[1],
        .need = lf_record_bytes(of->size),
    };
    /* Relaxed, both: they do not change while it is held, and else any answer is right. */
    uint64_t room = ring->slot_bytes - lf_load_relaxed_64(&reservation->slot->start);
    return of->size <= log->record_max &&
           lf_load_relaxed_64(&reservation->slot->epoch) == reservation->epoch &&
           reservation->offset % LF_RECORD_ALIGN == 0 &&
           reservation->offset >= LF_EPOCH_HEADER_BYTES && reservation->offset <= room &&
           reservation->need <= room - reservation->offset &&
           of->data == (uint8_t *)header_of(reservation) + LF_RECORD_HEADER_BYTES;
}

int lf_ring_end_reservation(struct logfile *log, const struct logfile_reservation *of,
                            enum lf_record_type type)
{
    struct lf_reservation reservation;

    if (!find_reservation(log, of, &reservation))
        return -EINVAL;

    /* 1. Take the mark away, once. */
    uint64_t *header = header_of(&reservation);
    uint64_t mark = mark_of(reservation.epoch, of->size);
    if (!lf_cas_acq_rel_64(header, mark, 0)) /* One of two gets it; nothing relies on the order. */
        return -EINVAL;

    /* 2. The header, of a record or of the padding that is never read; and zeros up to its end. */
    struct lf_record_place place = {reservation.epoch, (uint32_t)reservation.offset,
                                    log->record_seed};
    lf_record_finish(header, &place, type, of->size, log->lab.checksum == LOGFILE_CHECKSUM_FULL);

    /* 3. Publish, as any append. */
    publish(log, &reservation, 1);
    lf_fetch_add_relaxed_32(&log->reservations, -1u); /* Relaxed: a count. */
    return 0;
}
