/* SPDX-License-Identifier: MIT */
/*
 * Flushing: how an epoch becomes durable (lf_epoch_commit, the same for every engine), one flush from
 * the flip to the wake-up (flush_epoch), and who does it.
 *
 *   token      the right to flush: one thread has it, or none (IDLE), or none ever again (DEAD)
 *   leader     a waiting writer that took the token and flushes inline
 *   sequencer  the log's own thread; it is rung, and finds the token in its name
 *   guard      the first writer of an epoch that is gathering: it has the epoch flushed when its
 *              patience ends (gather.h)
 *   pacing     1 while the sequencer puts off a flush that no thread waits for
 *   wanted     the greatest LSN that a thread waits for without being counted in an epoch
 *
 * A fetch-add, swap, store or load that orders something carries a label, as R1 or F5; its row in
 * docs/MEMORY_ORDERING.md says what the pair carries, and which is the other half.
 */
#include "ring/flush.h"

#include "base/lf_assert.h"
#include "base/probe.h"
#include "base/threads.h"
#include "ring/log.h"

#include <errno.h>
#include <unistd.h>

enum {
    LEADER_ROUNDS_MAX = 16, /* short flushes that a leader makes for others after its own */
    /* An idle sequencer looks so long for what an event loop submits before it sleeps, */
    SPIN_NS = 200 * 1000,
    /* unless a yield takes longer than this: then others want the processor. */
    SPIN_YIELD_NS_MAX = 300 * 1000,
    SPIN_PAUSE_NS = 100 * 1000 * 1000 /* then it sleeps at once for so long */
};

/* ---------------------------------------------------------------------------------------------
 * An epoch becomes durable.
 */

/* An OPEN or CLOSE epoch is made durable even by a log that never syncs, because a trim mark will name
 * it.  Before it is written, all that comes before it is synced, so that it can promise that; after it
 * has been written, it is synced itself. */
static int sync_before(struct logfile *log, uint64_t lsn, uint64_t *promise)
{
    if (lsn <= log->recovered_lsn)
        return 0;
    int error = lf_trim_sync_unsynced(&log->trim, lsn);
    if (error != 0) {
        lf_store_fail(&log->store, error, "sync", lsn);
        return LOGFILE_EFAILED;
    }
    *promise = lsn;
    return 0;
}

int lf_epoch_commit(struct logfile *log, uint8_t *buffer, uint64_t end, uint32_t records,
                    uint32_t flags)
{
    uint64_t lsn = log->chain.lsn;
    uint64_t epoch = log->chain.epoch;
    uint64_t promise = lf_promised_lsn(log);
    struct lf_inflight *inflight = &log->store.inflight[LF_CALLER_FLUSHER];
    bool is_unsynced_mark =
        log->store.sync == LOGFILE_SYNC_NONE && (flags & (LF_EPOCH_OPEN | LF_EPOCH_CLOSE)) != 0;

    if (is_unsynced_mark && sync_before(log, lsn, &promise) != 0)
        return LOGFILE_EFAILED;

    /* 1. Seal: the header, chained to the epoch before; zeros to the end of the block. */
    if (log->lab.checksum == LOGFILE_CHECKSUM_HEADER)
        flags |= LF_EPOCH_HEADER_CHECKSUM;
    log->chain.time_ns = lf_wall_clock_ns();
    size_t bytes = lf_chain_seal(&log->chain, buffer, end, records, flags, promise);

    /* 2. Claim: the preparer leaves these blocks alone from here on. */
    lf_preparer_claim(&log->preparer, lsn, lsn + bytes);

    /* 3. Write and sync.  The thread that fails the log tells everybody, about now. */
    uint64_t begin_ns = lf_now_ns();
    lf_inflight_begin(inflight, LOGFILE_CALL_WRITE, lsn, begin_ns);
    int error = lf_store_commit(&log->store, buffer, bytes, lsn);
    if (error == 0 && is_unsynced_mark) {
        lf_inflight_begin(inflight, LOGFILE_CALL_SYNC, lsn, lf_now_ns());
        error = lf_store_sync_background(&log->store, lsn, lsn + bytes);
        if (error != 0)
            error = lf_store_fail(&log->store, error, "sync", lsn);
    }
    lf_inflight_end(inflight);
    if (error != 0)
        return LOGFILE_EFAILED;
    lf_trim_note(&log->trim, &log->chain);
    if (records > 0 && log->engine->durable != NULL)
        log->engine->durable(log, epoch, log->store.written_ns);

    /* 4. Durable.  L1: the write and the sync, before.  This store is what acknowledges: a waiter
     * that sees it returns.  chain.lsn is where the next epoch goes: beyond the padding of this one. */
    lf_store_release_64(&log->durable_lsn, log->chain.lsn);
    LF_PROBE2(durable, lsn, bytes);
    lf_follow_moved(log->follow, log->chain.lsn);
    lf_event_signal(&log->event);
    if (records > 0) {
        uint64_t now_ns = log->committed_ns = lf_now_ns();
        uint64_t flush_ns = now_ns - begin_ns;
        /* An average that follows a change of the device's speed within about eight flushes.  Relaxed:
         * a hint to waiters; its one writer is here. */
        uint64_t average = lf_load_relaxed_64(&log->flush_ns);
        average = average == 0 ? flush_ns : average - average / 8 + flush_ns / 8;
        lf_store_relaxed_64(&log->flush_ns, average);
        lf_histogram_add(&log->stats.flush_ns, flush_ns);
        lf_histogram_add(&log->stats.write_ns, log->store.written_ns - begin_ns);
        if (log->store.sync == LOGFILE_SYNC_FDATASYNC)
            lf_histogram_add(&log->stats.sync_ns, now_ns - log->store.written_ns);
        lf_count(&log->stats.epochs, 1);
        lf_count(&log->stats.records, records);
        lf_count(&log->stats.bytes, end - LF_EPOCH_HEADER_BYTES);
        lf_histogram_add(&log->stats.records_per_epoch, records);
        if (log->lab.ring_alloc == NULL)
            lf_buffers_note(&log->buffers_use, log->buffers, log->layout.slot_bytes,
                            (unsigned)((size_t)(buffer - log->buffers) / log->layout.slot_bytes),
                            bytes);
    }
    return 0;
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
           (lf_store_look(&log->store, log->chain.lsn) == 0 &&
            lf_epoch_commit(log, buffer, LF_EPOCH_HEADER_BYTES, 0, LF_EPOCH_CLOSE) == 0);
}

/* ---------------------------------------------------------------------------------------------
 * Opening epochs.
 */

/* The head is full from birth: open the epoch if there is room for it now, else say that there is
 * none, or have it made.  Where there was none when the log was opened, its OPEN epoch comes first,
 * and takes the number and the place that the head named until now. */
static void open_pending(struct logfile *log, uint64_t epoch, uint64_t base_lsn)
{
    struct lf_ring *ring = &log->ring;

    if (lf_has_room(log, base_lsn)) {
        if (!lf_has_begun(log)) {
            if (lf_incarnation_begin(log) != 0)
                return; /* Everybody has been told. */
            epoch = log->chain.epoch;
            base_lsn = log->chain.lsn;
        }
        lf_ring_admit(ring, LF_REFUSE_NO_ROOM);
        lf_ring_open_epoch(ring, epoch, base_lsn);
        lf_event_note_room(&log->event);
        return;
    }
    if (lf_preparer_room_error(&log->preparer) != 0) {
        lf_ring_refuse(ring, LF_REFUSE_NO_ROOM);
        lf_waiter_wake(&ring->flipped);
    }
    lf_await_room(log, base_lsn);
}

/* Whether open_pending would change anything.  Called without the token too: the base comes from
 * the ring, and one that is not stored yet only causes a needless ring. */
static bool can_settle_pending(struct logfile *log, uint64_t head)
{
    const struct lf_ring *ring = &log->ring;
    const struct lf_slot *slot = lf_ring_slot(ring, lf_head_generation(head));
    uint32_t refusals = lf_gate_refusals(lf_ring_gate(ring));

    if (lf_has_room(log, lf_base_lsn(lf_load_acquire_64(&slot->base)))) /* R3 */
        return true;
    return lf_preparer_room_error(&log->preparer) != 0 && !(refusals & LF_REFUSE_NO_ROOM);
}

/* ---------------------------------------------------------------------------------------------
 * One flush: the token is held.
 */

/* Judges the gather of the flushed epoch, and plans that of the open one. */
static void plan_gather(struct logfile *log, const struct lf_sealed *flushed)
{
    struct lf_ring *ring = &log->ring;
    struct lf_flusher *flusher = &log->flusher;
    struct lf_gather *gather = &flusher->gather;
    /* Relaxed, all three: only token holders store the target and flush_ns; guarded is a hint. */
    uint32_t target = lf_load_relaxed_32(&ring->gather_target);
    struct lf_gather_flush flush = {
        /* Not as it was collected: some began to wait by LSN during the commit. */
        .woken = lf_ring_waiters(flushed->slot),
        .waiting = lf_ring_waiters(lf_ring_slot(ring, log->chain.epoch)),
        .records = flushed->records,
        .bytes = flushed->end,
        .flush_ns = lf_load_relaxed_64(&log->flush_ns),
    };

    if (target != 0 &&
        (lf_load_relaxed_32(&flushed->slot->guarded) || flusher->has_paused_to_gather)) {
        lf_count(&log->stats.gathers, 1);
        if (lf_gather_note(gather, target, flushed->waiters))
            lf_count(&log->stats.gather_timeouts, 1);
    }
    flusher->has_paused_to_gather = false;
    /* Relaxed: a hint to waiters; its one writer is here. */
    uint32_t woken = lf_load_relaxed_32(&log->woken);
    woken -= (woken + 7) / 8;
    lf_store_relaxed_32(&log->woken, flush.woken > woken ? flush.woken : woken);
    target = lf_gather_plan(gather, &flush);
    lf_store_release_64(&flusher->gather_until_ns, /* F4 */
                        target == 0 ? 0
                                    : lf_now_ns() + lf_gather_patience_ns(flush.flush_ns, false));
    /* F3: pairs with needs_service and lf_append_must_demand; the fence between this store and the
     * next sum of the shards is the one of set_idle, which comes before any thread relies on it. */
    lf_store_release_32(&ring->gather_target, target);
}

static void wake_waiters(struct logfile *log, struct lf_slot *slot)
{
    if (slot == NULL)
        return;
    LF_PROBE1(wake, lf_durable_lsn(log));
    bool asked = log->lab.variant_flags & LOGFILE_VARIANT_WAKE_TREE
                     ? lf_waiter_wake_tree(&slot->durable, &slot->tree, lf_ring_waiters(slot),
                                           log->flusher.processors)
                     : lf_waiter_wake(&slot->durable);
    if (asked)
        lf_count(&log->stats.wakeups, 1);
}

/* Those whose wake-up the sequencer has put off. */
static void wake_owed(struct logfile *log)
{
    wake_waiters(log, log->flusher.owed);
    log->flusher.owed = NULL;
}

/*
 * One flush: seals the open epoch, opens the next one, and makes the sealed one durable.  Returns the
 * slot whose waiters are to be woken, or NULL.  The caller wakes them and gives the token back, in the
 * order that its role needs: lf_flusher_demand, serve_and_wake.
 *
 *     writers      reserve  reserve |  reserve        reserve  ...
 *     head         -- epoch 7 ----- | -- epoch 8 -------------------
 *     flusher                     flip  collect  write  sync  durable  wake
 *     writers of 7                  | publish ^           sleep ...    ^
 *
 * From the flip on writers join epoch 8, so none of them waits for the device before that is full too.
 * Collecting waits for the writers of 7 that are between reserve and publish, and for nothing else.
 */
static struct lf_slot *flush_epoch(struct logfile *log, bool open_next)
{
    struct lf_flusher *flusher = &log->flusher;
    struct lf_ring *ring = &log->ring;
    uint64_t epoch = log->chain.epoch;
    uint64_t base_lsn = log->chain.lsn;
    struct lf_sealed sealed;

    /* 1. Flip.  The swap opens the next epoch at once if a whole one is sure to fit after this one,
     * however long this one turns out to be. */
    flusher->flushed_ns = lf_now_ns();
    if (log->engine->sealed != NULL)
        log->engine->sealed(log, epoch);
    bool opens = open_next && lf_ring_can_flip_open(ring, base_lsn) &&
                 lf_has_room(log, base_lsn + log->layout.slot_bytes);
    lf_ring_flip(ring, epoch, base_lsn, opens, &sealed);
    LF_PROBE3(flip, epoch, base_lsn, sealed.end);

    /* 2. Else open it now that its place is known, if there is room. */
    if (open_next && !opens)
        open_pending(log, epoch + 1, sealed.next_lsn);
    else
        lf_event_note_room(&log->event);
    wake_owed(log);
    bool ends = lf_sealed_ends_segment(&sealed, base_lsn);
    /* An epoch without records is not written, and the next one takes its place; unless it has to say
     * that its segment ends here. */
    if (lf_sealed_is_empty(&sealed) && !(ends && open_next))
        return NULL;

    /* 3. Collect. */
    struct lf_inflight *inflight = &log->store.inflight[LF_CALLER_FLUSHER];
    lf_inflight_begin(inflight, LOGFILE_CALL_PUBLISH, base_lsn, flusher->flushed_ns);
    uint64_t late_ns = lf_ring_collect(&sealed);
    lf_inflight_end(inflight); /* or it would be blamed for a zero-fill that the commit waits for */
    if (late_ns > 0) {
        lf_count(&log->stats.late_publishes, 1);
        lf_histogram_add(&log->stats.late_publish_ns, late_ns);
    }

    /* 4. Commit: write, sync, and the store that acknowledges.  After a failure lf_engine_on_failure
     * wakes everybody. */
    if (lf_epoch_commit(log, sealed.slot->data, sealed.end, sealed.records,
                        ends ? LF_EPOCH_END : 0) != 0)
        return NULL;
    /* Relaxed: it is our own. */
    bool is_leader = lf_load_relaxed_32(&flusher->token) == LF_TOKEN_LEADER;
    lf_count(is_leader ? &log->stats.inline_flushes : &log->stats.sequencer_flushes, 1);
    flusher->flushed_bytes = sealed.end;
    flusher->flushed_records = sealed.records;
    if (sealed.records > 0) /* Relaxed: collecting has acquired it (R4). */
        lf_stats_note_commit(&log->stats, lf_load_relaxed_64(&sealed.slot->first),
                             log->committed_ns);

    /* 5. Plan the next gather, before any thread is woken. */
    plan_gather(log, &sealed);
    return sealed.slot;
}

/* Nothing more is accepted; what was accepted becomes durable; the log is marked as closed.  The gate
 * closes before the flip: a writer that reserves after the flip finds an epoch that is full from birth,
 * and learns from the gate why.  DEAD is the last word: no thread takes the token any more. */
static void finish(struct logfile *log)
{
    struct lf_flusher *flusher = &log->flusher;
    struct lf_ring *ring = &log->ring;

    wake_owed(log);
    lf_ring_refuse(ring, LF_REFUSE_CLOSED);
    if (!lf_store_has_failed(&log->store) &&
        !lf_ring_is_unopened(ring, lf_load_acquire_64(&ring->head))) /* R1 */
        wake_waiters(log, flush_epoch(log, false));
    if (!lf_store_has_failed(&log->store))
        log->closed_cleanly = lf_incarnation_end(log, lf_ring_slot(ring, log->chain.epoch)->data);
    lf_waiter_wake(&ring->flipped);
    lf_store_release_32(&flusher->token, LF_TOKEN_DEAD); /* F1 */
    lf_waiter_wake(&flusher->closed);
}

/* ---------------------------------------------------------------------------------------------
 * The token.
 */

bool lf_flusher_has_gathered(const struct logfile *log)
{
    const struct lf_ring *ring = &log->ring;
    uint32_t target = lf_load_acquire_32(&ring->gather_target); /* F3: pairs with plan_gather. */

    if (target == 0)
        return false;
    uint64_t head = lf_load_acquire_64(&ring->head); /* R1 */
    return lf_ring_waiters(lf_ring_slot(ring, lf_head_generation(head))) >= target;
}

void lf_flusher_end_gather(struct logfile *log)
{
    lf_store_release_64(&log->flusher.gather_until_ns, 0); /* F4 */
}

/* Whether a thread looks after the open epoch while it gathers: its first writer, or the sequencer. */
static bool is_guarded(const struct logfile *log, const struct lf_slot *slot)
{
    const struct lf_flusher *flusher = &log->flusher;

    return lf_load_acquire_32(&slot->guarded) || /* F4: pairs with the guard's stores. */
           (lf_load_acquire_64(&flusher->gather_until_ns) != 0 && /* F4 */
            lf_load_relaxed_32(&flusher->pacing));                /* Relaxed: as in hand_over. */
}

/* Whether there is something to do for a token holder.  An epoch that gathers is left to its guard,
 * who has it flushed when its patience ends. */
static bool needs_service(struct logfile *log)
{
    struct lf_ring *ring = &log->ring;
    uint64_t head = lf_load_acquire_64(&ring->head); /* R1 */
    const struct lf_slot *slot = lf_ring_slot(ring, lf_head_generation(head));

    if (lf_load_acquire_32(&log->flusher.shutdown_asked)) /* F2: pairs with the ask. */
        return true;
    if (lf_store_has_failed(&log->store))
        return false;
    if (lf_ring_overshot(ring, head))
        return !lf_ring_is_unopened(ring, head) || can_settle_pending(log, head);
    if (lf_ring_is_empty(ring, head))
        return false;
    return !is_guarded(log, slot) ||
           lf_ring_waiters(slot) >= lf_load_acquire_32(&ring->gather_target); /* F3 */
}

/* Whether a thread waits for the flush that is due. */
static bool is_urgent(struct logfile *log)
{
    const struct lf_ring *ring = &log->ring;
    const struct lf_flusher *flusher = &log->flusher;
    uint64_t head = lf_load_acquire_64(&ring->head); /* R1 */

    return lf_ring_overshot(ring, head) ||
           lf_ring_waiters(lf_ring_slot(ring, lf_head_generation(head))) > 0 ||
           /* Relaxed: a thread that relies on the answer has passed F6's fence, or asks again after it. */
           lf_load_relaxed_64(&flusher->wanted_lsn) >= lf_durable_lsn(log) ||
           lf_event_is_armed(&log->event) || lf_load_acquire_32(&flusher->shutdown_asked); /* F2 */
}

/* One round of work: needs_service says that there is some.  Returns the slot whose waiters are to
 * be woken, or NULL. */
static struct lf_slot *serve(struct logfile *log)
{
    struct lf_ring *ring = &log->ring;

    if (lf_load_acquire_32(&log->flusher.shutdown_asked)) { /* F2 */
        finish(log);
        return NULL;
    }
    if (lf_ring_is_unopened(ring, lf_load_acquire_64(&ring->head))) { /* R1 */
        open_pending(log, log->chain.epoch, log->chain.lsn);
        return NULL;
    }
    return flush_epoch(log, true);
}

static bool try_token(struct lf_flusher *flusher, enum lf_token role)
{
    /* Relaxed: the compare-and-swap decides; looking first spares the line. */
    if (lf_load_relaxed_32(&flusher->token) != LF_TOKEN_IDLE)
        return false;
    return lf_cas_acq_rel_32(&flusher->token, LF_TOKEN_IDLE, role); /* F1: pairs with release. */
}

static void ring_bell(struct lf_flusher *flusher)
{
    if (try_token(flusher, LF_TOKEN_SEQUENCER))
        lf_task_ring(&flusher->task);
}

/*
 * IDLE first, then a look at the head.  What the two fences of F5 exclude:
 *
 *     token holder                       writer that joins
 *     looks at the head: empty
 *                                        adds to the head
 *                                        looks at the token: taken, so it relies on the holder
 *     stores IDLE
 *
 * and no thread flushes.  The same comes of it if the writer's look at the token moves up before its add.
 * If the one stores IDLE, then looks, and the other adds, then looks, with a full fence in between on
 * both sides, at least one of them sees what the other did.
 */
static void set_idle(struct lf_flusher *flusher)
{
    lf_swap_acq_rel_32(&flusher->token, LF_TOKEN_IDLE); /* F1 */
    /* F5: token before head; pairs with the fence in lf_flusher_demand.  F6: pacing before what is
     * wanted; pairs with lf_flusher_check_pause. */
    lf_fence_atomic_load();
}

/*
 * Gives the token back, and leaves what has come meanwhile to another thread.  goes_on: the calling thread
 * would rather do it itself.  Whether it is to.
 */
static bool hand_over(struct logfile *log, bool goes_on)
{
    struct lf_flusher *flusher = &log->flusher;
    struct lf_ring *ring = &log->ring;

    if (lf_flusher_is_dead(flusher))
        return false;
    set_idle(flusher);
    if (!needs_service(log))
        return false;
    /* Relaxed: F5's fence orders it; a pacing sequencer looks by itself. */
    if (lf_load_relaxed_32(&flusher->pacing) && !is_urgent(log))
        return false;
    if (goes_on)
        return true;
    if (flusher->has_sequencer) {
        ring_bell(flusher);
        return false;
    }
    /* Under the leader flusher there is no thread to ring for: those that wait try the token. */
    uint64_t head = lf_load_acquire_64(&ring->head); /* R1 */
    lf_waiter_wake(&lf_ring_slot(ring, lf_head_generation(head))->durable);
    lf_waiter_wake(&ring->flipped);
    lf_waiter_wake(&flusher->closed);
    return false;
}

bool lf_flusher_demand(struct logfile *log, uint64_t lsn, bool may_lead)
{
    struct lf_flusher *flusher = &log->flusher;
    int cancel_state;

    lf_fence_atomic_load(); /* F5: head fetch-add before token load; pairs with set_idle. */
    if (!may_lead || log->lab.flusher == LOGFILE_FLUSHER_SEQUENCER) {
        if (flusher->has_sequencer)
            ring_bell(flusher);
        return false;
    }
    if (!try_token(flusher, LF_TOKEN_LEADER))
        return false;

    /* The calling thread leads.  Cancelled here, it would take the token along. */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    bool serves = lf_durable_lsn(log) <= lsn && needs_service(log);
    struct lf_slot *flushed = serves ? serve(log) : NULL;
    /* The next flusher is woken before the waiters, or it would be scheduled after all of them.  It may
     * have recycled the slot by the time that they are woken: then a later epoch's waiters look once
     * too often.  But a flush that is shorter than a wake-up is made here, rather than handed over. */
    for (unsigned rounds = LEADER_ROUNDS_MAX; hand_over(log, rounds > 0 && lf_flush_is_short(log));
         rounds--) {
        wake_waiters(log, flushed);
        flushed = NULL;
        if (!try_token(flusher, LF_TOKEN_LEADER))
            break; /* Its holder looks at the head when it gives it back. */
        if (needs_service(log))
            flushed = serve(log);
    }
    wake_waiters(log, flushed);
    pthread_setcancelstate(cancel_state, NULL);
    return serves;
}

bool lf_flusher_open_pending(struct logfile *log)
{
    struct lf_ring *ring = &log->ring;
    int cancel_state;

    if (!try_token(&log->flusher, LF_TOKEN_LEADER))
        return false;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state); /* As above. */
    /* R1.  An incarnation that has not begun is not begun here: that takes the device. */
    if (!lf_store_has_failed(&log->store) && lf_has_begun(log) &&
        lf_ring_is_unopened(ring, lf_load_acquire_64(&ring->head)))
        open_pending(log, log->chain.epoch, log->chain.lsn);
    hand_over(log, false);
    pthread_setcancelstate(cancel_state, NULL);
    return !lf_ring_is_unopened(ring, lf_load_acquire_64(&ring->head)); /* R1 */
}

void lf_flusher_announce(struct logfile *log)
{
    struct lf_flusher *flusher = &log->flusher;

    lf_fence_atomic_load(); /* F5 and F6: head fetch-add before token and pacing. */
    if (flusher->has_sequencer && !lf_load_relaxed_32(&flusher->pacing)) /* Relaxed: the fence. */
        ring_bell(flusher);
}

void lf_flusher_want(struct logfile *log, uint64_t lsn)
{
    struct lf_flusher *flusher = &log->flusher;
    uint64_t wanted_lsn;

    do {
        wanted_lsn = lf_load_relaxed_64(&flusher->wanted_lsn); /* The swap decides. */
    } while (wanted_lsn < lsn && !lf_cas_acq_rel_64(&flusher->wanted_lsn, wanted_lsn, lsn));
}

bool lf_flusher_check_pause(const struct logfile *log)
{
    lf_fence_atomic_load(); /* F6: wanted before pacing; pairs with set_idle. */
    return lf_load_relaxed_32(&log->flusher.pacing); /* Relaxed: the fence. */
}

uint64_t lf_flusher_patience_ns(const struct logfile *log)
{
    /* Relaxed, both: estimates. */
    return lf_gather_patience_ns(lf_load_relaxed_64(&log->flush_ns),
                                 lf_load_relaxed_32(&log->flusher.token) != LF_TOKEN_IDLE);
}

/* ---------------------------------------------------------------------------------------------
 * The sequencer.
 */

/* Whether the open epoch is one that waits for others; not if it is full, or the log is shut down. */
static bool is_gathering(const struct logfile *log)
{
    const struct lf_ring *ring = &log->ring;
    uint64_t head = lf_load_acquire_64(&ring->head); /* R1 */

    return !lf_ring_overshot(ring, head) &&
           !lf_load_acquire_32(&log->flusher.shutdown_asked) && /* F2 */
           /* F3 */
           lf_ring_waiters(lf_ring_slot(ring, lf_head_generation(head))) <
               lf_load_acquire_32(&ring->gather_target);
}

/*
 * Begins a pause before the flush that is due, for more to be submitted; not if the last flush is long
 * ago.  False also if a thread waits: then the caller flushes, and pacing goes back to 0 with the pause.
 * It is believed only after set_idle's fence, where sequencer_step asks is_urgent again.  Without that:
 *
 *     sequencer                           thread that is about to wait
 *     looks at what is wanted: nothing
 *                                         stores what it wants
 *                                         looks at pacing: still 0, so it does not ring
 *     stores pacing: 1, and sleeps
 *
 * and the thread waits for the end of the pause.
 */
static bool try_pause(struct logfile *log)
{
    struct lf_flusher *flusher = &log->flusher;
    uint64_t now_ns = lf_now_ns();
    /* Relaxed: the guard that stores 0 demands the flush then. */
    uint64_t gather_until_ns = lf_load_relaxed_64(&flusher->gather_until_ns);
    bool gathers = now_ns < gather_until_ns && is_gathering(log);

    flusher->pause_end_ns = flusher->flushed_ns + log->options.submit_delay_ns;
    if (gathers) {
        flusher->pause_end_ns = gather_until_ns;
        flusher->has_paused_to_gather = true;
    } else if (gather_until_ns != 0) {
        lf_flusher_end_gather(log);
    }
    if (now_ns >= flusher->pause_end_ns)
        return false;
    /* Relaxed: sequencer_step looks again after set_idle's fence, before it sleeps. */
    lf_store_relaxed_32(&flusher->pacing, 1);
    return gathers || !is_urgent(log);
}

/*
 * Ends it: from here on the first submit of an epoch rings.  Whether one came just before.  What the
 * fences of F6 exclude:
 *
 *     writer that submits                 sequencer
 *     looks at pacing: still 1
 *                                         stores pacing: 0
 *                                         looks at the head: empty, and goes to sleep
 *     adds to the head, does not ring
 *
 * and the record lies there until another thread comes.
 */
static bool end_pause(struct logfile *log)
{
    lf_store_relaxed_32(&log->flusher.pacing, 0);
    lf_fence(); /* F6: pacing before head; pairs with lf_flusher_announce. */
    return needs_service(log);
}

/*
 * After a small epoch its writers are woken first, so that they join the next one.  After a large
 * one the device is the limit: the next epoch is flipped first, or the woken writers would join it
 * too, and the device would be idle until the last of them has copied its record.
 */
static void serve_and_wake(struct logfile *log)
{
    struct lf_flusher *flusher = &log->flusher;
    struct lf_slot *flushed = serve(log);

    if (flushed != NULL && flusher->flushed_bytes > LF_GATHER_BYTES_MAX)
        flusher->owed = flushed;
    else
        wake_waiters(log, flushed);
}

/*
 * An event loop that has one record under way at a time pays for the sequencer's wake-up with each.  So if
 * it came back within SPIN_NS, the sequencer looks for it so long before it sleeps.  It does not, if more
 * records come together, which the wake-up's time lets gather; or if the processors are busy.
 */
static void plan_spin(struct logfile *log)
{
    struct lf_flusher *flusher = &log->flusher;
    struct lf_executor *own = &flusher->own;
    if (!lf_event_is_used(&log->event) || log->lab.wait != LOGFILE_WAIT_ADAPTIVE)
        return;
    uint64_t now_ns = lf_now_ns();

    if (own->slowest_yield_ns > SPIN_YIELD_NS_MAX)
        flusher->spin_again_ns = now_ns + SPIN_PAUSE_NS;
    bool spins =
        flusher->flushed_records == 1 && own->idle_ns < SPIN_NS && now_ns >= flusher->spin_again_ns;
    own->spin_ns = spins ? SPIN_NS : 0;
}

/* The pause between two flushes is over: takes the token if there is work.  What the step returns then. */
static uint64_t go_on(struct logfile *log)
{
    return end_pause(log) && try_token(&log->flusher, LF_TOKEN_SEQUENCER) ? LF_STEP_AGAIN
                                                                          : LF_STEP_WHEN_RUNG;
}

/*
 * One step of the sequencer: a flush, if there is work that cannot wait; else the token is given back.
 * It is kept from step to step while there is, and other logs that share the thread come in between.
 * Returns when the next one is due: if no thread rings, at the end of a pause.
 */
static uint64_t sequencer_step(void *arg)
{
    struct logfile *log = arg;
    struct lf_flusher *flusher = &log->flusher;
    uint32_t token = lf_load_acquire_32(&flusher->token); /* F1 */
    bool paced = false;

    /* 1. Without the token: the time of the flush that was put off may have come. */
    if (token != LF_TOKEN_SEQUENCER) {
        /* Relaxed: it is our own. */
        if (token == LF_TOKEN_DEAD || !lf_load_relaxed_32(&flusher->pacing))
            return LF_STEP_WHEN_RUNG;
        if (lf_now_ns() < flusher->pause_end_ns)
            return flusher->pause_end_ns;
        return go_on(log);
    }

    /* 2. With it: serves, unless that can be put off. */
    if (needs_service(log) && !(paced = try_pause(log))) {
        serve_and_wake(log);
        if (log->options.threads == NULL)
            plan_spin(log);
        return lf_flusher_is_dead(flusher) ? LF_STEP_WHEN_RUNG : LF_STEP_AGAIN;
    }

    /* 3. Gives it back, and looks again. */
    wake_owed(log);
    set_idle(flusher);
    if (paced && !(is_urgent(log) && needs_service(log)))
        return flusher->pause_end_ns;
    return go_on(log);
}

int lf_flusher_start(struct logfile *log)
{
    struct lf_flusher *flusher = &log->flusher;
    struct logfile_threads *shared = log->options.threads;
    const struct lf_executor_config config = {
        .name = "lf-sequencer",
        .role = LOGFILE_THREAD_SEQUENCER,
        .thread_start = log->options.thread_start,
        .thread_arg = log->options.thread_arg,
    };

    if (log->lab.variant_flags & LOGFILE_VARIANT_WAKE_TREE) {
        const long processors = sysconf(_SC_NPROCESSORS_ONLN);
        flusher->processors = processors > 0 ? (uint32_t)processors : 1;
    }
    flusher->gather.never = log->lab.variant_flags & LOGFILE_VARIANT_NO_GATHER;
    if (log->lab.flusher == LOGFILE_FLUSHER_LEADER)
        return 0;
    int error = lf_task_start(&flusher->task, shared != NULL ? &shared->sequencers : NULL,
                              &flusher->own, &config, sequencer_step, log);
    flusher->has_sequencer = error == 0;
    return error;
}

void lf_flusher_stop(struct logfile *log)
{
    struct lf_flusher *flusher = &log->flusher;

    LF_ASSERT(lf_flusher_is_dead(flusher));
    lf_task_end(&flusher->task, &flusher->own);
}

int lf_flusher_shutdown(struct logfile *log, const struct timespec *deadline)
{
    struct lf_flusher *flusher = &log->flusher;

    lf_swap_acq_rel_32(&flusher->shutdown_asked, 1); /* F2 */
    /* For a token holder to finish: the one who sees the question on its way out, the sequencer
     * rung here, or this thread.  Bounded by one flush and the last one, or the deadline. */
    for (;;) {
        uint32_t key = lf_waiter_key(&flusher->closed);

        if (lf_flusher_is_dead(flusher))
            return log->closed_cleanly ? 0 : LOGFILE_EFAILED;
        lf_flusher_demand(log, lf_durable_lsn(log),
                          !flusher->has_sequencer && lf_may_wait(deadline));
        if (lf_flusher_is_dead(flusher))
            continue;
        if (lf_waiter_sleep(&flusher->closed, key, deadline) == -ETIMEDOUT &&
            !lf_flusher_is_dead(flusher))
            return -ETIMEDOUT;
    }
}
