/* SPDX-License-Identifier: MIT */
/*
 * The ring engine, and the steps of its append for the laboratory, which makes others of them.
 */
#ifndef LF_ENGINE_RING_H
#define LF_ENGINE_RING_H

#include "format/checksum.h"
#include "format/record.h"
#include "ring/engine.h"
#include "ring/log.h"
#include "ring/ring.h"

/* A wait for the durability of one record. */
struct lf_durable_wait {
    uint64_t lsn;
    struct lf_slot *slot; /* of the epoch that holds it */
    uint32_t key;         /* of the slot's event count, taken before all that says not to sleep */
    const struct timespec *deadline;
    bool waits;   /* else the record is only submitted */
    bool demands; /* have it flushed before sleeping */
    bool guards;  /* the first of its epoch: has it flushed when the others do not come */
};

/* For a writer that did not get its place at once, or has a deadline.  0, -ETIMEDOUT, or why the log
 * refuses. */
int lf_append_reserve_slowly(struct logfile *log, uint64_t need, const struct timespec *deadline,
                             struct lf_reservation *reservation);
/* Whether it falls to this writer, before it waits, to have its epoch flushed. */
bool lf_append_must_demand(struct logfile *log, const struct lf_reservation *reservation);
/* Waits until the record is durable, or the log has failed, or the deadline. */
int lf_append_await(struct logfile *log, struct lf_durable_wait *wait);

/*
 * The steps of an append: touch, reserve, fill, conclude.  They are inlined, so that what is compared
 * differs by its reservation alone.
 */

/* The checksum of the payload, or 0 where payloads are not covered.  Either way every page of it
 * has been read afterwards, so that no page fault falls between reserve and publish. */
static inline __attribute__((always_inline)) uint32_t
lf_append_touch(const struct logfile *log, const struct lf_payload *payload)
{
    if (log->lab.checksum == LOGFILE_CHECKSUM_FULL)
        return lf_payload_crc(payload);
    for (int i = 0; i < payload->iov_count; i++) {
        const volatile uint8_t *bytes = payload->iov[i].iov_base;
        for (size_t at = 0; at < payload->iov[i].iov_len; at += LF_BLOCK_BYTES)
            (void)bytes[at];
        if (payload->iov[i].iov_len > 0)
            (void)bytes[payload->iov[i].iov_len - 1];
    }
    return 0;
}

static inline void lf_append_copy(const struct logfile *log,
                                  const struct lf_reservation *reservation,
                                  const struct lf_payload *payload, uint32_t crc)
{
    struct lf_record_place place = {reservation->epoch, (uint32_t)reservation->offset,
                                    log->record_seed};
    lf_record_encode(reservation->slot->data + reservation->offset, &place, payload, crc);
}

/* The first writer of an epoch notes when that was. */
static inline void lf_append_stamp(const struct lf_reservation *reservation, bool waits)
{
    /* Relaxed: publishing releases it (R4). */
    lf_store_relaxed_64(&reservation->slot->first, lf_first_word(lf_now_ns(), waits));
}

/* With a reservation in hand: copies and publishes.  `durable` receives where the record is. */
static inline __attribute__((always_inline)) void
lf_append_fill(struct logfile *log, const struct lf_reservation *reservation,
               const struct lf_payload *payload, uint32_t crc, struct lf_durable_wait *durable)
{
    if (lf_reservation_is_first(reservation)) {
        lf_append_stamp(reservation, durable->waits);
        durable->guards = durable->waits;
        if (durable->guards)
            lf_store_release_32(&reservation->slot->guarded, 1); /* F4: pairs with needs_service. */
    }
    lf_append_copy(log, reservation, payload, crc);
    durable->lsn = lf_ring_lsn(reservation);
    durable->slot = reservation->slot;
    lf_ring_publish(reservation, 1, durable->waits);
}

/* After publishing: sees to it that the record becomes durable, and waits for that if asked to. */
static inline __attribute__((always_inline)) int
lf_append_conclude(struct logfile *log, const struct lf_reservation *reservation,
                   struct lf_durable_wait *durable)
{
    if (!durable->waits) {
        if (lf_reservation_is_first(reservation))
            lf_flusher_announce(log);
        return 0;
    }
    /* The key first: a leader that plans no gather after all wakes who relied on one. */
    durable->key = lf_waiter_key(&durable->slot->durable);
    durable->demands = lf_append_must_demand(log, reservation);
    return lf_append_await(log, durable);
}

/* With a reservation policy and its state; NULL: by fetch-add. */
int lf_ring_engine_start(struct logfile *log, const struct lf_reserve_policy *policy,
                         void *policy_state);
void lf_ring_engine_stop(struct logfile *log);
int lf_ring_engine_wait(struct logfile *log, uint64_t lsn, const struct timespec *deadline);
int lf_ring_engine_flush(struct logfile *log, const struct timespec *deadline);
uint64_t lf_ring_engine_end_lsn(const struct logfile *log);
uint64_t lf_ring_engine_published_lsn(const struct logfile *log);
void lf_ring_engine_failed(struct logfile *log);
void lf_ring_engine_room(struct logfile *log);

int lf_ring_submit_batch(struct logfile *log, const struct lf_batch *batch,
                         const struct timespec *deadline, uint64_t *lsns);
int lf_ring_reserve_in_place(struct logfile *log, size_t size, const struct timespec *deadline,
                             struct logfile_reservation *out);
int lf_ring_end_reservation(struct logfile *log, const struct logfile_reservation *reservation,
                            enum lf_record_type type);

/* What every engine over the ring has in common. */
#define LF_RING_ENGINE_CALLS                                                                       \
    .fills_tails_of_segments = true, .submit_batch = lf_ring_submit_batch,                         \
    .reserve = lf_ring_reserve_in_place, .end_reservation = lf_ring_end_reservation,               \
    .wait = lf_ring_engine_wait, .flush = lf_ring_engine_flush, .shutdown = lf_flusher_shutdown,   \
    .end_lsn = lf_ring_engine_end_lsn, .published_lsn = lf_ring_engine_published_lsn,              \
    .failed = lf_ring_engine_failed, .room = lf_ring_engine_room

#endif /* LF_ENGINE_RING_H */
