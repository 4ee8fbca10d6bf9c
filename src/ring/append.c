/* SPDX-License-Identifier: MIT */
/*
 * The lock-free engine, from the writer's side:
 *
 *   checksum -> reserve -> copy -> publish -> wait until a thread has made the epoch durable
 *
 * A thread that holds a reservation waits for nothing but its base: the payload is checksummed, and
 * so its pages are touched, before it reserves.
 */
#include "ring/append.h"

#include "ring/log.h"

#include <errno.h>

enum {
    HUNGRY_FRACTION = 8, /* records above this part of a slot may go first */
    SHORT_YIELDS = 100   /* for short flushes: their flusher may have been preempted */
};

/* A call with a deadline does not flush itself, so that a device that hangs cannot hold it; under
 * the leader flusher there is no other thread to do it, unless the call may not wait at all. */
static bool may_lead(const struct logfile *log, const struct timespec *deadline)
{
    return deadline == NULL ||
           (log->lab.flusher == LOGFILE_FLUSHER_LEADER && lf_may_wait(deadline));
}

/* ---------------------------------------------------------------------------------------------
 * Reserving.
 */

/* Why a writer may not reserve; failure first. */
static int refusal_of(struct logfile *log, uint64_t gate)
{
    uint32_t refusals = lf_gate_refusals(gate);

    if (refusals & LF_REFUSE_FAILED)
        return LOGFILE_EFAILED;
    if (refusals & LF_REFUSE_CLOSED)
        return LOGFILE_ECLOSED;
    if (refusals & LF_REFUSE_NO_ROOM) {
        int error = lf_preparer_room_error(&log->preparer);
        lf_request_room(log, lf_ring_end_lsn(&log->ring));
        return error; /* 0: there is room again, and a flip to come. */
    }
    return 0;
}

/* A record that needs much of a slot would starve behind small ones: from its first overshoot until
 * it has its place, small ones give way. */
static bool is_large(const struct logfile *log, uint64_t need)
{
    return need > log->layout.slot_bytes / HUNGRY_FRACTION;
}

static void leave_hungry(struct logfile *log)
{
    struct lf_ring *ring = &log->ring;

    /* Relaxed, as in try_reserve: counts that only delay others; the wake orders what they look at. */
    lf_fetch_add_relaxed_64(&ring->hungry_left, 1);
    lf_fetch_add_relaxed_64(&ring->gate, -LF_GATE_HUNGRY_ONE);
    lf_waiter_wake(&ring->flipped);
    lf_event_note_room(&log->event);
}

/* Where a writer is that did not get its place at once. */
struct queueing {
    uint64_t need;
    const struct timespec *deadline;
    bool hungry;
    bool has_turn; /* `turn` is set */
    uint64_t turn; /* hungry_left when it need give way no longer */
};

/*
 * Whether a small record lets the hungry go first: until as many of them have left as were there
 * when it looked first.  So a large record waits for the small ones that came before it, once each,
 * and a small one for the large ones that came before it.
 */
static bool gives_way(struct logfile *log, struct queueing *queueing, uint64_t gate)
{
    const struct lf_ring *ring = &log->ring;

    if (lf_gate_hungry(gate) == 0 || is_large(log, queueing->need))
        return false;
    if (!queueing->has_turn) {
        queueing->turn = lf_load_relaxed_64(&ring->hungry_arrived);
        queueing->has_turn = true;
    }
    return lf_load_relaxed_64(&ring->hungry_left) < queueing->turn;
}

/* One try.  It looks at the head first: nothing is added to a head that has been overshot. */
static bool try_reserve(struct logfile *log, struct queueing *queueing, uint64_t gate,
                        struct lf_reservation *reservation)
{
    struct lf_ring *ring = &log->ring;
    uint64_t head = lf_load_acquire_64(&ring->head); /* R1 */

    if (gives_way(log, queueing, gate))
        return false;
    if (!lf_may_wait(queueing->deadline))
        return ring->policy->reserve_known(ring, queueing->need, reservation);
    if (!lf_ring_overshot(ring, head)) {
        if (ring->policy->reserve(ring, queueing->need, reservation))
            return true;
        lf_count(&log->stats.overshoots, 1);
    }
    if (!queueing->hungry && is_large(log, queueing->need)) {
        lf_fetch_add_relaxed_64(&ring->hungry_arrived, 1);
        lf_fetch_add_relaxed_64(&ring->gate, LF_GATE_HUNGRY_ONE);
        queueing->hungry = true;
    }
    return false;
}

/* Waits for the next flip, having the full epoch flushed.  What for: a head that is not beyond the
 * end.  Who: the token holder.  Nothing is owed meanwhile, so a deadline ends it cleanly. */
static int wait_for_flip(struct logfile *log, struct queueing *queueing, uint32_t key)
{
    struct lf_ring *ring = &log->ring;
    uint64_t head = lf_load_acquire_64(&ring->head); /* R1 */

    if (lf_ring_overshot(ring, head))
        lf_flusher_demand(log, UINT64_MAX, may_lead(log, queueing->deadline));
    /* No other thread would open it, if no call may wait. */
    if (!lf_may_wait(queueing->deadline) && log->lab.flusher == LOGFILE_FLUSHER_LEADER &&
        lf_ring_is_unopened(ring, head) && lf_flusher_open_pending(log))
        return 0;
    return lf_waiter_sleep_counted(&ring->flipped, key, queueing->deadline,
                                   lf_ring_is_unopened(ring, head) ? &log->stats.waits_space
                                                                   : &log->stats.waits_flip);
}

/*
 * The way of a writer that did not get its place at once, round by round:
 *
 *   key       before all that it looks at, so that a flip meanwhile ends the sleep below at once
 *   refused   the log has failed, is shut down, or has no room: it goes away
 *   tries     unless large records that came before it go first
 *   waits     for the next flip, and has the full epoch flushed
 */
int lf_append_reserve_slowly(struct logfile *log, uint64_t need, const struct timespec *deadline,
                             struct lf_reservation *reservation)
{
    struct lf_ring *ring = &log->ring;
    struct queueing queueing = {.need = need, .deadline = deadline};
    bool is_last = false; /* the look of a writer that goes away refused */
    int error;

    for (;;) {
        uint32_t key = lf_waiter_key(&ring->flipped);
        uint64_t gate = lf_ring_gate(ring);

        error = refusal_of(log, gate);
        if (error == 0 && try_reserve(log, &queueing, gate, reservation))
            break;
        if (error == 0)
            error = wait_for_flip(log, &queueing, key);
        if (error == 0)
            continue;
        /* An event loop is told when there is room; which may have come since the look (E2). */
        if (is_last || !lf_event_want_room(&log->event))
            break;
        is_last = true;
    }
    if (queueing.hungry)
        leave_hungry(log);
    if (error == -ETIMEDOUT && !lf_may_wait(deadline))
        error = -EAGAIN;
    if (error != 0)
        lf_stats_note_refusal(&log->stats, error);
    return error;
}

static inline int reserve(struct logfile *log, uint64_t need, const struct timespec *deadline,
                          struct lf_reservation *reservation)
{
    struct lf_ring *ring = &log->ring;

    if (__builtin_expect(lf_ring_gate(ring) == 0 && deadline == NULL, 1)) {
        if (__builtin_expect(lf_ring_reserve(ring, need, reservation), 1))
            return 0;
        lf_count(&log->stats.overshoots, 1);
    }
    return lf_append_reserve_slowly(log, need, deadline, reservation);
}

/* ---------------------------------------------------------------------------------------------
 * Waiting for durability.
 */

/* The slot of the epoch that holds `lsn`: the one with the greatest base that is not above.  NULL:
 * none, so it is durable. */
static struct lf_slot *find_slot(struct lf_ring *ring, uint64_t lsn)
{
    struct lf_slot *found = NULL;
    uint64_t found_lsn = 0;

    for (unsigned i = 0; i <= ring->slot_mask; i++) {
        uint64_t base_lsn = lf_base_lsn(lf_load_acquire_64(&ring->slots[i].base)); /* R3 */
        if (base_lsn != 0 && base_lsn <= lsn && base_lsn >= found_lsn) {
            found = &ring->slots[i];
            found_lsn = base_lsn;
        }
    }
    return found;
}

/* Failure is read first and the durable LSN second: durable wins.  The other way round a record that
 * became durable between the two looks would be reported as lost with the log. */
static int durability(struct logfile *log, uint64_t lsn)
{
    bool failed = lf_store_has_failed(&log->store);

    if (lf_durable_lsn(log) > lsn)
        return 0;
    if (!failed)
        return -EAGAIN;
    lf_ring_refuse(&log->ring, LF_REFUSE_FAILED); /* Who is told of a failure enters no more. */
    return LOGFILE_EFAILED;
}

static void drop_guard(struct logfile *log, struct lf_durable_wait *wait)
{
    /* F4.  The slot may carry a later epoch by now: that one is only flushed a little early. */
    lf_store_release_32(&wait->slot->guarded, 0);
    lf_flusher_end_gather(log);
    wait->guards = false;
    wait->demands = true;
}

/* How long to spin before sleeping. */
static uint64_t spin_ns(const struct logfile *log)
{
    if (log->lab.wait == LOGFILE_WAIT_SPIN)
        return UINT64_MAX / 2;
    uint64_t flush_ns = lf_load_relaxed_64(&log->flush_ns); /* Relaxed, both: estimates. */
    bool pays = lf_spin_pays(flush_ns, lf_load_relaxed_32(&log->woken));
    if (log->lab.wait == LOGFILE_WAIT_BLOCK || !pays)
        return 0;
    return lf_spin_may(&log->spin, lf_now_ns()) ? 2 * flush_ns : 0;
}

/* Whether the event count moved while this thread looked at it. */
static bool spin(struct logfile *log, const struct lf_slot *slot, uint32_t key,
                 const struct timespec *until)
{
    if (log->lab.wait == LOGFILE_WAIT_ADAPTIVE && lf_flush_is_short(log))
        return lf_waiter_yield(&slot->durable, key, SHORT_YIELDS, until);

    uint64_t left_ns = until != NULL ? lf_ns_until(until) : UINT64_MAX;
    uint64_t limit_ns = lf_min(spin_ns(log), left_ns);
    uint64_t slowest_ns;
    if (limit_ns == 0)
        return false;
    /* A thread that never sleeps does so also where others want the processor. */
    uint64_t slow_ns =
        log->lab.wait == LOGFILE_WAIT_SPIN
            ? UINT64_MAX
            : lf_spin_slow_ns(lf_load_relaxed_32(&log->woken)); /* Relaxed: as above. */
    bool moved = lf_waiter_spin(&slot->durable, key, limit_ns, slow_ns, &slowest_ns);
    if (slowest_ns >= slow_ns)
        lf_spin_pause(&log->spin, lf_now_ns());
    return moved;
}

/* Waits until the slot's event count moves, or a time; -ETIMEDOUT. */
static int wait_until(struct logfile *log, struct lf_slot *slot, uint32_t key,
                      const struct timespec *until)
{
    if (spin(log, slot, key, until))
        return 0;
    int result = lf_waiter_sleep_counted(&slot->durable, key, until, &log->stats.waits_durable);
    if (log->lab.variant_flags & LOGFILE_VARIANT_WAKE_TREE)
        lf_waiter_pass_on(&slot->durable, &slot->tree);
    return result;
}

/* Waits for one flush of the slot's epoch.  A guard gets up earlier to have it flushed, also when
 * its own deadline comes first: no other thread looks after the epoch. */
static int wait_once(struct logfile *log, struct lf_durable_wait *wait)
{
    struct timespec patience;
    uint64_t patience_ns;

    if (!wait->guards)
        return wait_until(log, wait->slot, wait->key, wait->deadline);
    patience_ns = lf_flusher_patience_ns(log);
    if (wait->deadline != NULL && lf_ns_until(wait->deadline) < patience_ns)
        patience_ns = lf_ns_until(wait->deadline);
    patience = lf_timespec(lf_now_ns() + patience_ns);
    if (wait_until(log, wait->slot, wait->key, &patience) == -ETIMEDOUT)
        drop_guard(log, wait);
    return 0;
}

/*
 * Waits for the token holder to make the epoch durable, or for the log to fail; this thread may be the
 * holder.  The device bounds it, or the deadline.
 *
 * No wake-up is lost, because the key is taken before everything that says not to sleep:
 *
 *     waiter                              flusher
 *     key
 *     durable LSN: not yet
 *                                         stores the durable LSN
 *                                         wakes: the count moves on
 *     sleeps on key: comes back at once
 *
 * A key taken after the look would be the new one, and the sleep would wait for the next flush of a
 * slot that may never have another.
 *
 * Pausing is checked each time round (F6): a sequencer that began a pause after this thread published,
 * and saw no waiter, would let it sleep for the rest of the pause.
 */
int lf_append_await(struct logfile *log, struct lf_durable_wait *wait)
{
    for (;; wait->key = lf_waiter_key(&wait->slot->durable)) {
        int error = durability(log, wait->lsn);

        if (error != -EAGAIN)
            return error;
        if ((lf_flusher_check_pause(log) || wait->demands) &&
            lf_flusher_demand(log, wait->lsn, may_lead(log, wait->deadline)))
            continue;
        /* What was taken is looked at again when it is given back; only leaders must try again. */
        wait->demands = log->lab.flusher == LOGFILE_FLUSHER_LEADER;
        if (wait_once(log, wait) == -ETIMEDOUT) {
            error = durability(log, wait->lsn);
            return error == -EAGAIN ? -ETIMEDOUT : error;
        }
    }
}

/* ---------------------------------------------------------------------------------------------
 * Appending.
 */

/*
 * Whether it falls to this writer, before it waits, to have its epoch flushed.  Of the writers that are
 * gathered it is the last one's task.  What the fences of F3 exclude:
 *
 *     last writer                         token holder
 *     loads the target: still the old one
 *                                         stores the target: 8
 *                                         sums the shards: 7, so the epoch is gathering
 *     publishes: 8
 *
 * and both leave the flush to the other; only the guard's patience would end that.  With publish,
 * fence, load here and store, fence, sum there, one sees the other.
 */
bool lf_append_must_demand(struct logfile *log, const struct lf_reservation *reservation)
{
    struct lf_ring *ring = &log->ring;
    uint32_t target;

    if (log->lab.flusher == LOGFILE_FLUSHER_LEADER &&
        !lf_load_acquire_32(&reservation->slot->guarded)) /* F4: pairs with the guard's stores. */
        return true; /* Its first record was only submitted, and no thread was rung for it. */
    /* F3: publish before target load; pairs with set_idle's fence after plan_gather. */
    lf_fence_atomic_load();
    target = lf_load_acquire_32(&ring->gather_target); /* F3 */
    if (target == 0)
        return lf_reservation_is_first(reservation);
    return lf_ring_waiters(reservation->slot) >= target;
}

/*
 * The life of one append:
 *
 *   touch      reads every page of the payload, for the checksum: later a page fault would hold a place
 *   reserve    one fetch-add; from here to publish the flusher may wait for this thread
 *   fill       copies, and publishes with a release: the record is visible
 *   conclude   leads the flush, or leaves it to another thread; returns when the record is durable
 */
static int append(struct logfile *log, const struct lf_payload *payload,
                  const struct timespec *deadline, bool wait, uint64_t *lsnp)
{
    uint32_t crc = lf_append_touch(log, payload);
    struct lf_durable_wait durable = {.deadline = deadline, .waits = wait};
    struct lf_reservation reservation;
    int error = reserve(log, lf_record_bytes(payload->size), deadline, &reservation);

    if (error != 0)
        return error;
    lf_append_fill(log, &reservation, payload, crc, &durable);
    if (lsnp)
        *lsnp = durable.lsn;
    return lf_append_conclude(log, &reservation, &durable);
}

/* ---------------------------------------------------------------------------------------------
 * The other calls.
 */

/* 0: another thread is about to tell, and this call may not wait. */
static uint64_t find_end_lsn(struct logfile *log, const struct timespec *deadline)
{
    return lf_may_wait(deadline) ? lf_ring_end_lsn(&log->ring) : lf_ring_peek_end_lsn(&log->ring);
}

int lf_ring_engine_wait(struct logfile *log, uint64_t lsn, const struct timespec *deadline)
{
    struct lf_durable_wait wait = {.lsn = lsn, .deadline = deadline};
    int error = durability(log, lsn);
    uint64_t end_lsn;

    if (error != -EAGAIN)
        return error;
    end_lsn = find_end_lsn(log, deadline);
    if (lsn >= end_lsn)
        return end_lsn == 0 ? -ETIMEDOUT : -EINVAL;
    wait.slot = find_slot(&log->ring, lsn);
    wait.demands = log->lab.flusher == LOGFILE_FLUSHER_LEADER;
    if (wait.slot == NULL) /* Every epoch in the ring is above: it became durable meanwhile. */
        return durability(log, lsn);
    wait.key = lf_waiter_key(&wait.slot->durable);
    lf_flusher_want(log, lsn);
    if (lf_may_wait(deadline)) {
        lf_ring_add_waiter(wait.slot);
        lf_fence_atomic_load(); /* F3: counted before target load, as in lf_append_must_demand. */
        wait.demands |= lf_flusher_has_gathered(log);
    }
    return lf_append_await(log, &wait);
}

int lf_ring_engine_flush(struct logfile *log, const struct timespec *deadline)
{
    /* All that was reserved before this call ends here; if it is a base, the epoch is empty and the
     * one before is meant. */
    uint64_t end_lsn = find_end_lsn(log, deadline);
    struct lf_durable_wait wait = {.lsn = end_lsn - 1, .deadline = deadline};
    int error = end_lsn != 0 ? durability(log, wait.lsn) : -ETIMEDOUT;

    if (error != -EAGAIN)
        return error;
    wait.slot = find_slot(&log->ring, wait.lsn);
    if (wait.slot == NULL)
        return durability(log, wait.lsn);
    wait.key = lf_waiter_key(&wait.slot->durable);
    drop_guard(log, &wait);
    lf_flusher_want(log, wait.lsn);
    return lf_append_await(log, &wait);
}

void lf_ring_engine_failed(struct logfile *log)
{
    struct lf_ring *ring = &log->ring;

    lf_ring_refuse(ring, LF_REFUSE_FAILED);
    lf_waiter_wake(&ring->flipped);
    for (unsigned i = 0; i <= ring->slot_mask; i++)
        lf_waiter_wake(&ring->slots[i].durable);
}

void lf_ring_engine_room(struct logfile *log)
{
    struct lf_ring *ring = &log->ring;

    lf_fence(); /* F5: `allocated` or `room_error` before the token; pairs with set_idle. */
    /* The token holder opens the epoch, or says that there is no room; under the leader flusher
     * a thread that waits for the flip becomes it. */
    lf_flusher_demand(log, UINT64_MAX, false);
    if (log->lab.flusher == LOGFILE_FLUSHER_LEADER)
        lf_waiter_wake(&ring->flipped);
}

int lf_ring_engine_start(struct logfile *log, const struct lf_reserve_policy *policy,
                         void *policy_state)
{
    struct lf_ring *ring = &log->ring;
    struct lf_ring_config config = {
        .buffers = log->buffers,
        .slot_count = log->lab.slot_count,
        .shard_count = log->lab.publish_shards,
        .layout = log->chain.layout,
        .policy = policy,
        .policy_state = policy_state,
    };
    int error = lf_ring_init(ring, &config);

    if (error != 0)
        return error;
    if (lf_has_begun(log))
        lf_ring_open_epoch(ring, log->chain.epoch, log->chain.lsn);
    else
        lf_ring_open_nothing(ring, log->chain.epoch, log->chain.lsn);
    if (!lf_has_begun(log))
        lf_ring_refuse(ring, LF_REFUSE_NO_ROOM);
    error = lf_flusher_start(log);
    if (error != 0)
        lf_ring_destroy(ring);
    return error;
}

void lf_ring_engine_stop(struct logfile *log)
{
    lf_flusher_stop(log);
    lf_ring_destroy(&log->ring);
}

uint64_t lf_ring_engine_end_lsn(const struct logfile *log)
{
    return lf_ring_end_lsn(&log->ring);
}

uint64_t lf_ring_engine_published_lsn(const struct logfile *log)
{
    return lf_ring_published_lsn(&log->ring);
}

static int start(struct logfile *log)
{
    return lf_ring_engine_start(log, NULL, NULL);
}

const struct lf_engine lf_ring_engine = {
    .name = "ring",
    LF_RING_ENGINE_CALLS,
    .start = start,
    .stop = lf_ring_engine_stop,
    .append = append,
};
