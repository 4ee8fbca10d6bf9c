/* SPDX-License-Identifier: MIT */
#include "ring/flush.h"

#include "base/lf_assert.h"
#include "base/thread.h"
#include "ring/log.h"

#include <errno.h>

enum {
    GATHER_BYTES_MAX = 256 << 10, /* beyond, bandwidth is the limit: fill while the device writes */
    GATHER_FLUSH_NS_MIN = 10 * 1000, /* below, a flush is over before a waiter is back */
    GATHER_PENALTY_MAX = 64,         /* flushes without a gather after one in vain */
    PATIENCE_NS_MIN = 20 * 1000,     /* about what a thread needs to wake */
    PATIENCE_NS_MAX = 2 * 1000 * 1000,
    PACE_NS = 100 * 1000 /* between two flushes that nobody waits for */
};

static struct lf_flusher *flusher_of(struct logfile *log)
{
    return &log->ring.flusher;
}

static struct lf_ring *ring_of(struct logfile *log)
{
    return &log->ring.ring;
}

static bool has_failed(const struct logfile *log)
{
    return lf_store_has_failed(&log->store);
}

/* ---------------------------------------------------------------------------------------------
 * Opening epochs.
 */

/* The head is full from birth: open the epoch if there is room for it now, else say that there is
 * none, or have it made.  Where there was none when the log was opened, its OPEN epoch comes first,
 * and takes the number and the place that the head named until now. */
static void open_pending(struct logfile *log, uint64_t epoch, uint64_t base_lsn)
{
    struct lf_ring *ring = ring_of(log);

    if (lf_has_room(log, base_lsn)) {
        if (!lf_has_begun(log)) {
            if (lf_incarnation_begin(log) != 0)
                return; /* Everybody has been told. */
            epoch = log->chain.epoch;
            base_lsn = log->chain.lsn;
        }
        lf_ring_admit(ring, LF_REFUSE_NO_ROOM);
        lf_ring_open_epoch(ring, epoch, base_lsn);
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
    const struct lf_ring *ring = ring_of(log);
    const struct lf_slot *slot = lf_ring_slot(ring, lf_head_generation(head));
    uint32_t refusals = lf_gate_refusals(lf_ring_gate(ring));

    if (lf_has_room(log, lf_base_lsn(lf_load_acquire_64(&slot->base)))) /* R3 */
        return true;
    return lf_preparer_room_error(&log->preparer) != 0 && !(refusals & LF_REFUSE_NO_ROOM);
}

/* ---------------------------------------------------------------------------------------------
 * Flushing: the token is held.
 */

static void note_gather(struct logfile *log, uint32_t target, uint32_t waiters)
{
    struct lf_flusher *flusher = flusher_of(log);

    if (target == 0)
        return;
    lf_count(&log->stats.gathers, 1);
    if (waiters >= target) {
        flusher->gather_penalty = 0;
        return;
    }
    lf_count(&log->stats.gather_timeouts, 1);
    if (flusher->gather_penalty < GATHER_PENALTY_MAX)
        flusher->gather_penalty = 2 * flusher->gather_penalty + 1;
    flusher->gather_pause = flusher->gather_penalty;
}

/* Whether waiting for the writers of the flushed epoch to come back may pay. */
static bool may_gather(struct logfile *log, const struct lf_sealed *flushed)
{
    struct lf_flusher *flusher = flusher_of(log);

    if (flusher->gather_pause > 0) {
        flusher->gather_pause--;
        return false;
    }
    /* Relaxed: only token holders store it. */
    return flushed->end <= GATHER_BYTES_MAX &&
           lf_load_relaxed_64(&log->flush_ns) >= GATHER_FLUSH_NS_MIN;
}

/* How many waiters the open epoch gathers: those about to be woken, who may come back, and those
 * who wait in it already.  One is nobody to wait for. */
static void plan_gather(struct logfile *log, const struct lf_sealed *flushed)
{
    struct lf_ring *ring = ring_of(log);
    uint32_t target = flushed->waiters + lf_ring_waiters(lf_ring_slot(ring, log->chain.epoch));

    if (target < 2 || log->lab.variant_flags & LOGFILE_VARIANT_NO_GATHER ||
        !may_gather(log, flushed))
        target = 0;
    lf_store_release_32(&ring->gather_target, target); /* F3: pairs with is_gathering. */
}

static void note_stall(struct logfile *log, uint64_t ns)
{
    if (ns == 0)
        return;
    lf_count(&log->stats.stalls, 1);
    lf_histogram_add(&log->stats.stall_ns, ns);
}

static void note_role(struct logfile *log)
{
    /* Relaxed: it is our own. */
    bool is_leader = lf_load_relaxed_32(&flusher_of(log)->token) == LF_TOKEN_LEADER;
    lf_count(is_leader ? &log->stats.inline_flushes : &log->stats.sequencer_flushes, 1);
}

static void wake_waiters(struct logfile *log, struct lf_slot *slot)
{
    if (slot != NULL && lf_waiter_wake(&slot->durable))
        lf_count(&log->stats.wakeups, 1);
}

/* Those whose wake-up the sequencer has put off. */
static void wake_owed(struct logfile *log)
{
    struct lf_flusher *flusher = flusher_of(log);

    wake_waiters(log, flusher->owed);
    flusher->owed = NULL;
}

/* Seals the open epoch, opens the next one, and makes the sealed one durable.  Returns the slot
 * whose waiters are to be woken, or NULL. */
static struct lf_slot *flush_open_epoch(struct logfile *log, bool open_next)
{
    struct lf_flusher *flusher = flusher_of(log);
    struct lf_ring *ring = ring_of(log);
    uint64_t epoch = log->chain.epoch;
    uint64_t base_lsn = log->chain.lsn;
    /* Relaxed: only token holders store it. */
    uint32_t target = lf_load_relaxed_32(&ring->gather_target);
    struct lf_sealed sealed;

    flusher->flushed_ns = lf_now_ns();
    if (log->engine->sealed != NULL)
        log->engine->sealed(log, epoch);
    /* Wherever the sealed epoch ends, the next one fits. */
    bool opens = open_next && lf_ring_can_flip_open(ring, base_lsn) &&
                 lf_has_room(log, base_lsn + log->layout.slot_bytes);
    lf_ring_flip(ring, epoch, base_lsn, opens, &sealed);
    if (open_next && !opens)
        open_pending(log, epoch + 1, sealed.next_lsn);
    wake_owed(log);
    bool ends = lf_sealed_ends_segment(&sealed, base_lsn);
    if (lf_sealed_is_empty(&sealed) && !(ends && open_next))
        return NULL;

    /* The write that follows takes the place of this note. */
    lf_inflight_begin(&log->store.inflight[LF_CALLER_FLUSHER], LOGFILE_CALL_PUBLISH, base_lsn,
                      flusher->flushed_ns);
    note_stall(log, lf_ring_collect(&sealed));
    if (lf_epoch_commit(log, lf_slot_epoch(sealed.slot), sealed.end, sealed.records,
                        ends ? LF_EPOCH_END : 0) != 0)
        return NULL; /* Everybody has been woken by lf_engine_on_failure. */
    note_role(log);
    if (lf_load_relaxed_32(&sealed.slot->guarded)) /* Relaxed: a statistic and a heuristic. */
        note_gather(log, target, sealed.waiters);
    plan_gather(log, &sealed);
    flusher->flushed_bytes = sealed.end;
    return sealed.slot;
}

/* Nothing more is accepted; what was accepted becomes durable; the log is marked as closed. */
static void finish(struct logfile *log)
{
    struct lf_flusher *flusher = flusher_of(log);
    struct lf_ring *ring = ring_of(log);

    wake_owed(log);
    lf_ring_refuse(ring, LF_REFUSE_CLOSED);
    if (!has_failed(log) && !lf_ring_is_unopened(ring, lf_load_acquire_64(&ring->head))) /* R1 */
        wake_waiters(log, flush_open_epoch(log, false));
    if (!has_failed(log))
        log->closed_cleanly = lf_incarnation_end(log, lf_ring_slot(ring, log->chain.epoch)->data);
    lf_waiter_wake(&ring->flipped);
    lf_store_release_32(&flusher->token, LF_TOKEN_DEAD); /* F1 */
    lf_waiter_wake(&flusher->bell);
    lf_waiter_wake(&flusher->closed);
}

/* ---------------------------------------------------------------------------------------------
 * The token.
 */

/* The open epoch is left to its first writer, who flushes it when the others have come or its
 * patience ends. */
static bool is_gathering(const struct lf_ring *ring, uint64_t head)
{
    const struct lf_slot *slot = lf_ring_slot(ring, lf_head_generation(head));

    if (!lf_load_acquire_32(&slot->guarded)) /* F4: pairs with the guard's stores. */
        return false;
    /* F3: pairs with plan_gather. */
    return lf_ring_waiters(slot) < lf_load_acquire_32(&ring->gather_target);
}

/* Whether there is something to do for a token holder. */
static bool needs_service(struct logfile *log)
{
    struct lf_ring *ring = ring_of(log);
    uint64_t head = lf_load_acquire_64(&ring->head); /* R1 */

    if (lf_load_acquire_32(&flusher_of(log)->shutdown_asked)) /* F2: pairs with the ask. */
        return true;
    if (has_failed(log))
        return false;
    if (lf_ring_is_unopened(ring, head))
        return can_settle_pending(log, head);
    if (lf_ring_overshot(ring, head))
        return true;
    return !lf_ring_is_empty(ring, head) && !is_gathering(ring, head);
}

/* Whether somebody waits for the flush that is due. */
static bool is_urgent(struct logfile *log)
{
    const struct lf_ring *ring = ring_of(log);
    const struct lf_flusher *flusher = flusher_of(log);
    uint64_t head = lf_load_acquire_64(&ring->head); /* R1 */

    return lf_ring_overshot(ring, head) ||
           lf_ring_waiters(lf_ring_slot(ring, lf_head_generation(head))) > 0 ||
           /* Relaxed: F6's fence orders it. */
           lf_load_relaxed_64(&flusher->wanted_lsn) >= lf_durable_lsn(log) ||
           lf_load_acquire_32(&flusher->shutdown_asked); /* F2 */
}

/* One round of work: needs_service says that there is some.  Returns the slot whose waiters are to
 * be woken, or NULL. */
static struct lf_slot *serve(struct logfile *log)
{
    struct lf_ring *ring = ring_of(log);

    if (lf_load_acquire_32(&flusher_of(log)->shutdown_asked)) { /* F2 */
        finish(log);
        return NULL;
    }
    if (lf_ring_is_unopened(ring, lf_load_acquire_64(&ring->head))) { /* R1 */
        open_pending(log, log->chain.epoch, log->chain.lsn);
        return NULL;
    }
    return flush_open_epoch(log, true);
}

static bool try_token(struct lf_flusher *flusher, enum lf_token role)
{
    /* Relaxed: the compare-and-swap decides; looking first spares the line. */
    if (lf_load_relaxed_32(&flusher->token) != LF_TOKEN_IDLE)
        return false;
    return lf_cas_acq_rel_32(&flusher->token, LF_TOKEN_IDLE, role); /* F1: pairs with release. */
}

static bool is_dead(const struct lf_flusher *flusher)
{
    return lf_load_acquire_32(&flusher->token) == LF_TOKEN_DEAD; /* F1 */
}

static void ring_bell(struct lf_flusher *flusher)
{
    if (try_token(flusher, LF_TOKEN_SEQUENCER))
        lf_waiter_wake(&flusher->bell);
}

/* Under the leader flusher there is nobody to ring for: whoever waits tries the token itself. */
static void wake_leaders(struct logfile *log)
{
    struct lf_ring *ring = ring_of(log);
    uint64_t head = lf_load_acquire_64(&ring->head); /* R1 */

    lf_waiter_wake(&lf_ring_slot(ring, lf_head_generation(head))->durable);
    lf_waiter_wake(&ring->flipped);
    lf_waiter_wake(&flusher_of(log)->closed);
}

/* IDLE first, then a look at the head: a writer that joined while the token was taken saw it taken
 * and relies on this look. */
static void set_idle(struct lf_flusher *flusher)
{
    lf_store_release_32(&flusher->token, LF_TOKEN_IDLE); /* F1 */
    /* F5: token before head; pairs with the fence in lf_flusher_demand.  F6: pacing before what is
     * wanted; pairs with lf_flusher_is_pacing. */
    lf_fence();
}

static void hand_over(struct logfile *log)
{
    struct lf_flusher *flusher = flusher_of(log);

    if (is_dead(flusher))
        return;
    set_idle(flusher);
    if (!needs_service(log))
        return;
    /* Relaxed: F5's fence orders it; a pacing sequencer looks by itself. */
    if (lf_load_relaxed_32(&flusher->pacing) && !is_urgent(log))
        return;
    if (flusher->has_sequencer)
        ring_bell(flusher);
    else
        wake_leaders(log);
}

/* The calling thread holds the token as LEADER.  Cancelled here, it would take the token along.
 * Whether there was something to do. */
static bool lead(struct logfile *log, uint64_t lsn)
{
    bool serves = lf_durable_lsn(log) <= lsn && needs_service(log);
    struct lf_slot *flushed = NULL;
    int cancel_state;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    if (serves)
        flushed = serve(log);
    /* The successor first, or it would be scheduled behind everybody who is woken.  It may recycle
     * the slot meanwhile: then a later epoch's waiters look once too often. */
    hand_over(log);
    wake_waiters(log, flushed);
    pthread_setcancelstate(cancel_state, NULL);
    return serves;
}

bool lf_flusher_demand(struct logfile *log, uint64_t lsn, bool may_lead)
{
    struct lf_flusher *flusher = flusher_of(log);

    lf_fence(); /* F5: head fetch-add before token load; pairs with set_idle. */
    if (may_lead && log->lab.flusher != LOGFILE_FLUSHER_SEQUENCER)
        return try_token(flusher, LF_TOKEN_LEADER) && lead(log, lsn);
    if (flusher->has_sequencer)
        ring_bell(flusher);
    return false;
}

bool lf_flusher_open_pending(struct logfile *log)
{
    struct lf_ring *ring = ring_of(log);
    int cancel_state;

    if (!try_token(flusher_of(log), LF_TOKEN_LEADER))
        return false;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state); /* As in lead. */
    /* R1.  An incarnation that has not begun is not begun here: that takes the device. */
    if (!has_failed(log) && lf_has_begun(log) &&
        lf_ring_is_unopened(ring, lf_load_acquire_64(&ring->head)))
        open_pending(log, log->chain.epoch, log->chain.lsn);
    hand_over(log);
    pthread_setcancelstate(cancel_state, NULL);
    return !lf_ring_is_unopened(ring, lf_load_acquire_64(&ring->head)); /* R1 */
}

void lf_flusher_announce(struct logfile *log)
{
    struct lf_flusher *flusher = flusher_of(log);

    lf_fence(); /* F5 and F6: head fetch-add before token and pacing. */
    if (flusher->has_sequencer && !lf_load_relaxed_32(&flusher->pacing)) /* Relaxed: the fence. */
        ring_bell(flusher);
}

void lf_flusher_want(struct logfile *log, uint64_t lsn)
{
    struct lf_flusher *flusher = flusher_of(log);
    uint64_t wanted_lsn;

    do {
        wanted_lsn = lf_load_relaxed_64(&flusher->wanted_lsn); /* The swap decides. */
    } while (wanted_lsn < lsn && !lf_cas_acq_rel_64(&flusher->wanted_lsn, wanted_lsn, lsn));
}

bool lf_flusher_is_pacing(const struct logfile *log)
{
    lf_fence(); /* F6: wanted before pacing; pairs with set_idle. */
    return lf_load_relaxed_32(&log->ring.flusher.pacing); /* Relaxed: the fence. */
}

uint64_t lf_flusher_patience_ns(const struct logfile *log)
{
    /* Relaxed, both: estimates. */
    uint64_t flush_ns = lf_load_relaxed_64(&log->flush_ns);
    bool busy = lf_load_relaxed_32(&log->ring.flusher.token) != LF_TOKEN_IDLE;
    uint64_t patience_ns = flush_ns / 2;

    if (patience_ns < PATIENCE_NS_MIN)
        patience_ns = PATIENCE_NS_MIN;
    if (patience_ns > PATIENCE_NS_MAX)
        patience_ns = PATIENCE_NS_MAX;
    return busy ? patience_ns + flush_ns : patience_ns;
}

/* ---------------------------------------------------------------------------------------------
 * The sequencer thread.
 */

/* Whether the flush that is due can wait a little for more to be submitted. */
static bool may_pace(struct logfile *log)
{
    struct lf_flusher *flusher = flusher_of(log);

    if (lf_now_ns() >= flusher->flushed_ns + PACE_NS)
        return false;
    /* Relaxed: sequence looks again behind set_idle's fence, before it sleeps. */
    lf_store_relaxed_32(&flusher->pacing, 1);
    return !is_urgent(log);
}

/* No longer: from here on the first submit of an epoch rings.  Whether one came just before. */
static bool end_pace(struct logfile *log)
{
    lf_store_relaxed_32(&flusher_of(log)->pacing, 0);
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
    struct lf_flusher *flusher = flusher_of(log);
    struct lf_slot *flushed = serve(log);

    if (flushed != NULL && flusher->flushed_bytes > GATHER_BYTES_MAX)
        flusher->owed = flushed;
    else
        wake_waiters(log, flushed);
}

/* The thread holds the token as SEQUENCER and keeps it while there is work that cannot wait. */
static void sequence(struct logfile *log)
{
    struct lf_flusher *flusher = flusher_of(log);
    bool paced;

    do {
        paced = false;
        while (!is_dead(flusher) && needs_service(log) && !(paced = may_pace(log)))
            serve_and_wake(log);
        wake_owed(log);
        if (is_dead(flusher))
            return;
        set_idle(flusher);
        if (paced && !is_urgent(log))
            return;
    } while (end_pace(log) && try_token(flusher, LF_TOKEN_SEQUENCER));
}

/* Until the bell rings, or the time of the flush that was put off has come. */
static void await_bell(struct logfile *log, uint32_t key)
{
    struct lf_flusher *flusher = flusher_of(log);
    struct timespec until;

    if (!lf_load_relaxed_32(&flusher->pacing)) { /* Relaxed: it is our own. */
        lf_waiter_sleep(&flusher->bell, key, NULL);
        return;
    }
    until = lf_timespec(lf_now_ns() + PACE_NS);
    if (lf_waiter_sleep(&flusher->bell, key, &until) == -ETIMEDOUT && end_pace(log))
        try_token(flusher, LF_TOKEN_SEQUENCER);
}

static void *sequencer_main(void *arg)
{
    struct logfile *log = arg;
    struct lf_flusher *flusher = flusher_of(log);

    pthread_setname_np(pthread_self(), "lf-sequencer");
    if (log->options.thread_start)
        log->options.thread_start(log->options.thread_arg, LOGFILE_THREAD_SEQUENCER);
    while (!is_dead(flusher)) {
        uint32_t key = lf_waiter_key(&flusher->bell);
        uint32_t token = lf_load_acquire_32(&flusher->token); /* F1 */

        if (token == LF_TOKEN_SEQUENCER)
            sequence(log);
        else if (token != LF_TOKEN_DEAD)
            await_bell(log, key);
    }
    return NULL;
}

int lf_flusher_start(struct logfile *log)
{
    struct lf_flusher *flusher = flusher_of(log);
    int error;

    if (log->lab.flusher == LOGFILE_FLUSHER_LEADER)
        return 0;
    error = lf_thread_start(&flusher->sequencer, sequencer_main, log);
    flusher->has_sequencer = error == 0;
    return error;
}

void lf_flusher_stop(struct logfile *log)
{
    struct lf_flusher *flusher = flusher_of(log);

    LF_ASSERT(is_dead(flusher));
    if (flusher->has_sequencer)
        pthread_join(flusher->sequencer, NULL);
}

int lf_flusher_shutdown(struct logfile *log, const struct timespec *deadline)
{
    struct lf_flusher *flusher = flusher_of(log);

    lf_store_release_32(&flusher->shutdown_asked, 1); /* F2 */
    /* For a token holder to finish: the one who sees the question on its way out, the sequencer
     * rung here, or this thread.  Bounded by one flush and the last one, or the deadline. */
    for (;;) {
        uint32_t key = lf_waiter_key(&flusher->closed);

        if (is_dead(flusher))
            return log->closed_cleanly ? 0 : LOGFILE_EFAILED;
        lf_flusher_demand(log, lf_durable_lsn(log),
                          !flusher->has_sequencer && lf_may_wait(deadline));
        if (is_dead(flusher))
            continue;
        if (lf_waiter_sleep(&flusher->closed, key, deadline) == -ETIMEDOUT && !is_dead(flusher))
            return -ETIMEDOUT;
    }
}
