/* SPDX-License-Identifier: MIT */
/*
 * The ring, on two threads.  They wait for each other in three places: for a single store of the other
 * at (1) and (2), and at (3) for a record to be copied.
 *
 *     writer                                     flipper (the token's holder)
 *
 *                                                prepare_slot(8)            all of slot 8
 *     old = fetch_add(head, need)     <-- R1 --  old = swap(head, 8 | header)
 *       within the slot: it has a place            within the slot: that is the end
 *       past it, and first: stores end -- R2 -->   past it: waits for the crosser's end   (1)
 *     copies the record
 *     waits for the base              <-- R3 --  store_base(8)                            (2)
 *     published += bytes              -- R4 -->  collects: the sum of the shards is the end  (3)
 *
 * (1) waits for one store of a writer that waits for no thread, (2) for one store of a flipper that waits
 * at most for (1).  A thread that is preempted in between is given the processor by the other's back-off.
 *
 * Why one word.  If the slot and the place in it were two loads, a flip could come in between:
 *
 *     writer                          flipper
 *     slot = active                   active = other slot; seals the old one at 4,000
 *     offset = fetch_add(...)         4,096 of which slot?
 *
 * The fetch-add answers both from one instant, and a generation that recurs after 2^24 epochs finds no
 * writer that still holds an old one: collecting waits for each before its slot is used again.
 */
#include "ring/ring.h"

#include "base/buffers.h"
#include "base/lf_assert.h"

#include <errno.h>
#include <sched.h>

/* The first offset that is neither within the slot nor a crosser's. */
static uint64_t beyond_the_end(const struct lf_ring *ring)
{
    return ring->slot_bytes + (1 << LF_UNIT_SHIFT);
}

int lf_ring_init(struct lf_ring *ring, const struct lf_ring_config *config)
{
    /* Mapped, not allocated: shards that are not used are never touched. */
    ring->slots = lf_buffers_map(config->slot_count * sizeof *ring->slots, sizeof *ring->slots);
    if (ring->slots == NULL)
        return -ENOMEM;
    ring->slot_mask = config->slot_count - 1;
    ring->slot_bytes = config->layout.slot_bytes;
    ring->layout = config->layout;
    ring->policy = config->policy != NULL ? config->policy : &lf_reserve_by_fetch_add;
    ring->policy_state = config->policy_state;
    for (unsigned i = 0; i < config->slot_count; i++) {
        ring->slots[i].data = config->buffers + i * ring->slot_bytes;
        ring->slots[i].shard_mask = config->shard_count - 1;
    }
    return 0;
}

void lf_ring_destroy(struct lf_ring *ring)
{
    lf_buffers_unmap(ring->slots, (ring->slot_mask + 1) * sizeof *ring->slots);
}

/* The store that takes a place.  No thread sees a record yet: only publishing shows it to the flusher. */
bool lf_ring_reserve(struct lf_ring *ring, uint64_t need, struct lf_reservation *reservation)
{
    /* R1: pairs with the release of the swap in lf_ring_flip: the slot is prepared. */
    uint64_t old = lf_fetch_add_acquire_64(&ring->head, need >> LF_UNIT_SHIFT);

    return lf_ring_settle(ring, old, need, reservation);
}

/* Again as often as others were faster: some writer always gets on, but none is sure to. */
bool lf_ring_reserve_known(struct lf_ring *ring, uint64_t need, struct lf_reservation *reservation)
{
    for (;;) {
        uint64_t head = lf_load_acquire_64(&ring->head); /* R1 */

        if (!lf_ring_base_is_known(ring, head))
            return false;
        /* R1.  The head is as it was, so the base is still this epoch's. */
        if (lf_cas_acq_rel_64(&ring->head, head, head + (need >> LF_UNIT_SHIFT)))
            return lf_ring_settle(ring, head, need, reservation);
        lf_pause();
    }
}

uint64_t lf_ring_swap_head(struct lf_ring *ring, uint64_t word)
{
    return lf_swap_acq_rel_64(&ring->head, word); /* R1 */
}

const struct lf_reserve_policy lf_reserve_by_fetch_add = {
    .name = "faa",
    .reserve = lf_ring_reserve,
    .reserve_known = lf_ring_reserve_known,
    .swap = lf_ring_swap_head,
};

uint64_t lf_ring_lsn(const struct lf_reservation *reservation)
{
    struct lf_backoff backoff = {0};
    uint64_t base;

    /* For the flipper, between its swap and its store of the base: it waits at most for a crosser,
     * who waits for no thread.  If it is preempted there, the back-off gives it the processor. */
    for (;;) {
        base = lf_load_acquire_64(&reservation->slot->base); /* R3: pairs with store_base. */
        if (__builtin_expect(lf_base_is_of(base, reservation->epoch), 1))
            return lf_base_lsn(base) + reservation->offset;
        lf_backoff(&backoff);
    }
}

/* The store that makes a record visible.  Bytes, records and waiters travel in one word, so the flusher
 * never counts a waiter whose record is not there. */
void lf_ring_publish(const struct lf_reservation *reservation, unsigned records, unsigned waiters)
{
    /* A hint: a thread that has moved since only shares another thread's line for once. */
    unsigned shard = (unsigned)sched_getcpu() & reservation->slot->shard_mask;

    /* R4: the copy, before; pairs with lf_ring_collect. */
    lf_add_release_64(&reservation->slot->shards[shard].published,
                      lf_published_word(reservation->need, records, waiters));
}

/* The high bits alone: whatever epoch the slot is of by now, its bytes and records stay right. */
void lf_ring_add_waiter(struct lf_slot *slot)
{
    unsigned shard = (unsigned)sched_getcpu() & slot->shard_mask; /* A hint, as above. */

    /* F3: only orders itself before the fence. */
    lf_add_release_64(&slot->shards[shard].published, lf_published_word(0, 0, 1));
}

uint64_t lf_ring_peek_end_lsn(const struct lf_ring *ring)
{
    uint64_t head = lf_load_acquire_64(&ring->head); /* R1 */
    const struct lf_slot *slot = lf_ring_slot(ring, lf_head_generation(head));
    uint64_t base = lf_load_acquire_64(&slot->base); /* R3 */
    uint64_t end = lf_head_offset_bytes(head);
    bool is_over = lf_ring_overshot(ring, head);

    if (!lf_base_is_of(base, lf_head_generation(head)))
        return 0;
    if (is_over)
        end = lf_load_acquire_64(&slot->end);          /* R2 */
    uint64_t start = lf_load_acquire_64(&slot->start); /* R1; before the second look at the head */
    if (end == 0 || lf_head_generation(lf_load_acquire_64(&ring->head)) != lf_head_generation(head))
        return 0;
    bool is_unopened = is_over && end == LF_EPOCH_HEADER_BYTES; /* and its start may be changing */
    if (is_unopened || end == start + LF_EPOCH_HEADER_BYTES)
        return lf_base_lsn(base);
    return lf_base_lsn(base) + end - start;
}

uint64_t lf_ring_end_lsn(const struct lf_ring *ring)
{
    struct lf_backoff backoff = {0};
    uint64_t lsn;

    /* For a moment in which head, base and end are of one epoch: the flipper's few instructions
     * between swap and base, or the crosser's between fetch-add and end. */
    while ((lsn = lf_ring_peek_end_lsn(ring)) == 0)
        lf_backoff(&backoff);
    return lsn;
}

uint64_t lf_ring_published_lsn(const struct lf_ring *ring)
{
    const struct lf_slot *newest = NULL;
    uint64_t newest_lsn = 0;
    uint64_t bytes;

    for (unsigned i = 0; i <= ring->slot_mask; i++) {
        uint64_t lsn = lf_base_lsn(lf_load_acquire_64(&ring->slots[i].base)); /* R3 */
        if (lsn >= newest_lsn) {
            newest = &ring->slots[i];
            newest_lsn = lsn;
        }
    }
    bytes = lf_published_bytes(lf_ring_published(newest));
    return bytes == 0 ? newest_lsn : newest_lsn + LF_EPOCH_HEADER_BYTES + bytes;
}

static void change_gate(struct lf_ring *ring, uint64_t set, uint64_t clear)
{
    uint64_t gate;
    do {
        gate = lf_load_relaxed_64(&ring->gate); /* The swap below decides. */
        /* R5: why, before. */
    } while (!lf_cas_acq_rel_64(&ring->gate, gate, (gate & ~clear) | set));
}

void lf_ring_refuse(struct lf_ring *ring, uint32_t refusal)
{
    change_gate(ring, refusal, 0);
}

void lf_ring_admit(struct lf_ring *ring, uint32_t refusal)
{
    change_gate(ring, 0, refusal);
}

/* Makes a slot ready for an epoch, all of it before the swap that opens it.  Everyone who published
 * into it before has been collected, so no thread writes to it now; event counts are never reset. */
static void prepare_slot(struct lf_slot *slot, uint64_t epoch, bool open, uint64_t start)
{
    lf_store_relaxed_64(&slot->epoch, epoch); /* Relaxed, all of them: R1's swap releases them. */
    lf_store_relaxed_64(&slot->start, start);
    lf_store_relaxed_64(&slot->base, 0);
    lf_store_relaxed_64(&slot->end, open ? 0 : LF_EPOCH_HEADER_BYTES);
    lf_store_relaxed_32(&slot->guarded, 0);
    for (unsigned i = 0; i <= slot->shard_mask; i++)
        lf_store_relaxed_64(&slot->shards[i].published, 0);
}

static void store_base(struct lf_slot *slot, uint64_t epoch, uint64_t base_lsn)
{
    LF_ASSERT(base_lsn % LF_BLOCK_BYTES == 0);
    lf_store_release_64(&slot->base, base_lsn | (epoch & 0xfff)); /* R3: pairs with lf_ring_lsn. */
}

/* Where the sealed epoch's records end.  `offset` is what the swap returned. */
static uint64_t find_end(const struct lf_ring *ring, const struct lf_slot *slot, uint64_t offset)
{
    struct lf_backoff backoff = {0};
    uint64_t end;

    if (offset <= ring->slot_bytes)
        return offset;
    /* For the crosser, which stores the end straight after its fetch-add and waits for no thread. */
    while ((end = lf_load_acquire_64(&slot->end)) == 0) /* R2 */
        lf_backoff(&backoff);
    return end;
}

void lf_ring_open_nothing(struct lf_ring *ring, uint64_t epoch, uint64_t base_lsn)
{
    struct lf_slot *slot = lf_ring_slot(ring, epoch);

    prepare_slot(slot, epoch, false, 0);
    store_base(slot, epoch, base_lsn);
    /* R1: a release: the slot is prepared. */
    ring->policy->swap(ring, lf_head_word(epoch, beyond_the_end(ring)));
}

void lf_ring_open_epoch(struct lf_ring *ring, uint64_t epoch, uint64_t base_lsn)
{
    struct lf_slot *slot = lf_ring_slot(ring, epoch);
    uint64_t start = ring->slot_bytes - lf_layout_capacity(&ring->layout, base_lsn);

    prepare_slot(slot, epoch, true, start);
    store_base(slot, epoch, base_lsn);
    /* R1: a release: the slot is prepared. */
    ring->policy->swap(ring, lf_head_word(epoch, start + LF_EPOCH_HEADER_BYTES));
    lf_waiter_wake(&ring->flipped);
}

/* Where the next epoch goes.  One that is empty is not written, and the next takes its place; but if
 * its first record did not fit, the segment has too little left for that. */
static uint64_t next_lsn(const struct lf_ring *ring, const struct lf_sealed *sealed,
                         uint64_t base_lsn)
{
    const struct lf_layout *layout = &ring->layout;
    bool is_short = lf_layout_capacity(layout, base_lsn) < ring->slot_bytes;

    if (sealed->crossed && is_short)
        return lf_segment_first_lsn(layout, lf_segment_index(layout, base_lsn) + 1);
    if (lf_sealed_is_empty(sealed))
        return base_lsn;
    return lf_layout_place(layout, base_lsn + lf_round_up(sealed->end, LF_BLOCK_BYTES));
}

/*
 * Seals one epoch and opens the next in one swap.  The order around it:
 *
 *   prepare before swap   a writer that gets the new generation finds its slot empty (R1); the other way
 *                         round its publish could be wiped out by the reset, and collecting would wait
 *                         for it forever
 *   swap before base      the base depends on where the sealed epoch ends, which only the swap tells
 *   base before wake      a writer that is woken can go on to its LSN without waiting
 */
void lf_ring_flip(struct lf_ring *ring, uint64_t epoch, uint64_t base_lsn, bool open_next,
                  struct lf_sealed *sealed)
{
    struct lf_slot *next = lf_ring_slot(ring, epoch + 1);
    uint64_t birth = open_next ? LF_EPOCH_HEADER_BYTES : beyond_the_end(ring);

    sealed->slot = lf_ring_slot(ring, epoch);
    prepare_slot(next, epoch + 1, open_next, 0);
    /* R1: releases the prepared slot to the writers, acquires what they put into the head. */
    uint64_t old = ring->policy->swap(ring, lf_head_word(epoch + 1, birth));
    LF_ASSERT(lf_head_generation(old) == (epoch & LF_GENERATION_MASK));

    sealed->crossed = lf_ring_overshot(ring, old);
    sealed->end = find_end(ring, sealed->slot, lf_head_offset_bytes(old)) - sealed->slot->start;
    sealed->next_lsn = next_lsn(ring, sealed, base_lsn);
    store_base(next, epoch + 1, sealed->next_lsn);
    lf_waiter_wake(&ring->flipped);
}

/* After this no thread touches the slot's data but the flusher, until the slot is prepared again; and that
 * happens only after its epoch is durable, since the same thread does both. */
uint64_t lf_ring_collect(struct lf_sealed *sealed)
{
    struct lf_backoff backoff = {0};
    uint64_t expected = sealed->end - LF_EPOCH_HEADER_BYTES;
    uint64_t begin_ns = 0;
    uint64_t sum;

    /* For writers between reserve and publish; they wait for nothing but their base.  One that is
     * preempted or that copies a large record holds the epoch up, and is counted as a stall. */
    while (lf_published_bytes(sum = lf_ring_published(sealed->slot)) != expected) {
        if (begin_ns == 0)
            begin_ns = lf_now_ns();
        lf_backoff(&backoff);
    }
    sealed->records = lf_published_records(sum);
    sealed->waiters = lf_published_waiters(sum);
    return begin_ns == 0 ? 0 : lf_now_ns() - begin_ns;
}
