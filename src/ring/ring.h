/* SPDX-License-Identifier: MIT */
/*
 * The ring: where writers put records, and how a group of them is cut off and handed over.
 *
 * One 64-bit head word names both the open epoch and the place in it:
 *
 *     bits 40..63  generation: the low 24 bits of the epoch number
 *     bits  0..39  offset in the epoch's slot, in units of 8 bytes
 *
 *   reserve   old = fetch_add(head, need).  The old word says which epoch, hence which slot, and
 *             where in it.  There is no second load, so no stale slot.
 *   publish   add the bytes to one of the slot's shards, with a release.
 *   flip      old = swap(head, next generation | header).  Seals one epoch and opens the next.
 *
 * A writer whose reservation passes the slot's end has nothing.  Exactly one such writer of an
 * epoch starts within the slot: the crosser, which stores the slot's true end at once.  An epoch
 * that may not open yet gets a head beyond the end instead: full from birth, without a crosser.
 *
 * Arithmetic of the head word.  A slot is at most 64 MiB, 2^23 units.  A thread adds to an overshot
 * head at most twice per generation: a retry looks first, but a call whose deadline passed may be
 * followed by one that has none, and whose first try does not look.  At most LF_THREADS_MAX = 2^15
 * threads may be inside at once, so the offset stays below 2^23 + 2 * 2^15 * 2^23 < 2^40 and never
 * carries into the generation; asserted below.
 *
 * The laboratory takes bytes off the head in other ways, to compare them (lab/reserve.h); whatever the
 * way, a full epoch ends with one crosser.
 *
 * The ring knows nothing of files.
 */
#ifndef LF_RING_H
#define LF_RING_H

#include "base/atomic.h"
#include "base/lf_assert.h"
#include "base/probe.h"
#include "base/waiter.h"
#include "format/format.h"
#include "logfile.h"

#include <stdbool.h>
#include <stddef.h>

#define LF_CACHE_PAIR 128 /* two lines: the hardware fetches them together */

#define LF_HEAD_OFFSET_BITS 40
#define LF_HEAD_OFFSET_MASK ((UINT64_C(1) << LF_HEAD_OFFSET_BITS) - 1)
#define LF_GENERATION_MASK UINT64_C(0xffffff)
#define LF_UNIT_SHIFT 3
#define LF_THREADS_MAX (UINT64_C(1) << 15)

_Static_assert((LF_SLOT_BYTES_MAX >> LF_UNIT_SHIFT) * (2 * LF_THREADS_MAX + 1) <=
                   LF_HEAD_OFFSET_MASK,
               "overshoots cannot carry into the generation");

static inline uint64_t lf_head_word(uint64_t epoch, uint64_t offset_bytes)
{
    return (epoch & LF_GENERATION_MASK) << LF_HEAD_OFFSET_BITS | offset_bytes >> LF_UNIT_SHIFT;
}
static inline uint64_t lf_head_generation(uint64_t head)
{
    return head >> LF_HEAD_OFFSET_BITS;
}
static inline uint64_t lf_head_offset_bytes(uint64_t head)
{
    return (head & LF_HEAD_OFFSET_MASK) << LF_UNIT_SHIFT;
}

/*
 * What a publish adds, and what the shards of a slot sum up to:
 *
 *     bits  0..23  bytes in units of 8
 *     bits 24..47  records
 *     bits 48..63  threads that wait for durability (may overflow off the top: it is only a hint)
 */
static inline uint64_t lf_published_word(uint64_t bytes, uint64_t records, uint64_t waiters)
{
    return bytes >> LF_UNIT_SHIFT | records << 24 | waiters << 48;
}
static inline uint64_t lf_published_bytes(uint64_t word)
{
    return (word & 0xffffff) << LF_UNIT_SHIFT;
}
static inline uint32_t lf_published_records(uint64_t word)
{
    return (uint32_t)(word >> 24 & 0xffffff);
}
static inline uint32_t lf_published_waiters(uint64_t word)
{
    return (uint32_t)(word >> 48);
}

#define LF_SHARDS_MAX 256
#define LF_SHARDS_DEFAULT 8

struct lf_shard {
    /* W: writers (fetch-add).  R: flusher. */
    _Alignas(LF_CACHE_PAIR) uint64_t published;
};

/*
 * The life of a slot:
 *
 *              prepare_slot               swap                    swap of the next
 *     durable ------------> prepared ---------------> open ------------------------> sealed
 *        ^                                             ^                                |
 *        |                     lf_ring_open_epoch      |                                | collect
 *        |        prepared -----> full from birth -----+                                v
 *        +-------------------------- commit ----------------------------------- collected
 *
 *   full from birth   head beyond the end, end = LF_EPOCH_HEADER_BYTES: lf_ring_is_unopened
 *   open              head within the slot; beyond it, once a record did not fit: lf_ring_overshot
 *   sealed            the head names a later generation
 *   collected         the shards sum up to the end: only the flusher touches it now
 *   durable           the durable LSN is beyond it; its waiters may still read base and event count
 */
struct lf_slot {
    uint8_t *data;       /* the epoch, its header first: slot_bytes, 4 KiB-aligned; never changes */
    unsigned shard_mask; /* which of the shards are used; never changes */
    /* W: flusher, before the swap that opens the epoch.  R: writers, after their fetch-add. */
    uint64_t epoch;
    /* The same.  The head's offset that stands for the epoch's first byte: 0, or, where its segment has less
     * than a slot left, so much that the epoch ends where offsets do.  A multiple of the block size. */
    uint64_t start;
    /* W: flusher, as soon as the epoch before is sealed.  R: writers with a reservation; waiters.
     * LSN of the epoch with the low 12 bits of its number in the low 12 bits; 0: not known yet. */
    uint64_t base;
    /* W: the crosser, once; flusher.  R: flusher.  True end of a slot that was overshot; 0: not
     * known yet; LF_EPOCH_HEADER_BYTES: full from birth, which no crosser's end can be: an epoch
     * that starts with its slot holds any record. */
    uint64_t end;
    /* W: the epoch's first writer; flusher.  R: the thread that releases the flush token.
     * The first writer looks after the epoch with a timer while others gather. */
    uint32_t guarded;
    /* W: the epoch's first writer, before it publishes.  R: flusher, after it has collected.  When that
     * was: lf_first_word. */
    uint64_t first;
    /* Woken when the epoch is durable, or the log has failed. */
    _Alignas(LF_CACHE_PAIR) struct lf_waiter durable;
    struct lf_wake_tree tree; /* of its last wake-up, if the variant is on */
    struct lf_shard shards[LF_SHARDS_MAX];
};

/* Why writers may not reserve: low half of ring.gate. */
enum lf_refusal {
    LF_REFUSE_FAILED = 1u << 0,
    LF_REFUSE_CLOSED = 1u << 1,
    LF_REFUSE_NO_ROOM = 1u << 2 /* no allocated space, and none to be had */
};
#define LF_GATE_HUNGRY_ONE (UINT64_C(1) << 32)

struct lf_ring;
struct lf_reservation;

/* A way to take bytes off the head, and to exchange the head.  lf_reserve_by_fetch_add is the ring's
 * own; appends that find a place at once call lf_ring_reserve without this table. */
struct lf_reserve_policy {
    const char *name; /* one word */
    /* As lf_ring_reserve, lf_ring_reserve_known and lf_ring_swap_head. */
    bool (*reserve)(struct lf_ring *ring, uint64_t need, struct lf_reservation *reservation);
    bool (*reserve_known)(struct lf_ring *ring, uint64_t need, struct lf_reservation *reservation);
    uint64_t (*swap)(struct lf_ring *ring, uint64_t word); /* returns the head as it was */
    /* What it keeps of one ring, such as a lock: ring->policy_state, zeroed, on cache lines of its own.
     * NULL: zeros are enough; nothing is left to be done. */
    size_t state_bytes;
    int (*init)(void *state); /* 0 or -errno */
    void (*destroy)(void *state);
};
extern const struct lf_reserve_policy lf_reserve_by_fetch_add;
static inline bool lf_reserve_is_complete(const struct lf_reserve_policy *policy)
{
    return policy->name != NULL && policy->reserve != NULL && policy->reserve_known != NULL &&
           policy->swap != NULL;
}

struct lf_ring {
    /* Never change. */
    struct lf_slot *slots;
    unsigned slot_mask;
    uint64_t slot_bytes;
    struct lf_layout layout;
    const struct lf_reserve_policy *policy;
    void *policy_state; /* state_bytes of the policy */

    /* W: writers (fetch-add), flusher (swap).  R: both. */
    _Alignas(LF_CACHE_PAIR) uint64_t head;

    /* Read by every writer, written rarely.
     * gate: W: flusher and failing threads (refusals), hungry writers (count in the high half). */
    _Alignas(LF_CACHE_PAIR) uint64_t gate;
    /* W: large records that did not get their place at once (fetch-add).  R: small ones.  How many
     * have ever become hungry, and how many of them no longer are. */
    uint64_t hungry_arrived;
    uint64_t hungry_left;
    /* W: flusher.  R: writers.  How many waiters the open epoch gathers before it is flushed, 0:
     * none are waited for. */
    uint32_t gather_target;

    /* Woken at each flip, and when the gate changes. */
    _Alignas(LF_CACHE_PAIR) struct lf_waiter flipped;
};

/* A place in the open epoch, until it is published. */
struct lf_reservation {
    struct lf_slot *slot;
    uint64_t epoch;
    uint64_t offset; /* of the record in its epoch, bytes */
    uint64_t need;   /* bytes */
};

static inline struct lf_slot *lf_ring_slot(const struct lf_ring *ring, uint64_t epoch_or_generation)
{
    return &ring->slots[epoch_or_generation & ring->slot_mask];
}
static inline bool lf_ring_overshot(const struct lf_ring *ring, uint64_t head)
{
    return lf_head_offset_bytes(head) > ring->slot_bytes;
}
/* Nothing has been reserved in the open epoch; the head is not beyond the end. */
static inline bool lf_ring_is_empty(const struct lf_ring *ring, uint64_t head)
{
    const struct lf_slot *slot = lf_ring_slot(ring, lf_head_generation(head));
    return lf_head_offset_bytes(head) == lf_load_relaxed_64(&slot->start) + LF_EPOCH_HEADER_BYTES;
}
/* The writer of a record at this offset joined its epoch first. */
static inline bool lf_reservation_is_first(const struct lf_reservation *reservation)
{
    return reservation->offset == LF_EPOCH_HEADER_BYTES;
}
/* A base word is of this epoch. */
static inline bool lf_base_is_of(uint64_t base, uint64_t epoch)
{
    return base != 0 && ((base ^ epoch) & 0xfff) == 0;
}
static inline uint64_t lf_base_lsn(uint64_t base)
{
    return base & ~UINT64_C(0xfff);
}

/* The head (a value of ring->head) is within its slot, and the flipper has told the epoch's base. */
static inline bool lf_ring_base_is_known(const struct lf_ring *ring, uint64_t head)
{
    const struct lf_slot *slot = lf_ring_slot(ring, lf_head_generation(head));
    return !lf_ring_overshot(ring, head) &&
           lf_base_is_of(lf_load_acquire_64(&slot->base), lf_head_generation(head)); /* R3 */
}

/* --- setting up ------------------------------------------------------------------------------ */

struct lf_ring_config {
    uint8_t *buffers; /* slot_count x layout.slot_bytes, 4 KiB-aligned */
    unsigned slot_count;
    unsigned shard_count;
    struct lf_layout layout;
    const struct lf_reserve_policy *policy; /* NULL: by fetch-add */
    void *policy_state;
};

/* Allocates the slots, of a zeroed ring; no epoch is open yet.  0 or -ENOMEM. */
int lf_ring_init(struct lf_ring *ring, const struct lf_ring_config *config);
void lf_ring_destroy(struct lf_ring *ring);

/* --- writers --------------------------------------------------------------------------------- */

/*
 * Takes `need` bytes (a multiple of 8, at most slot_bytes - LF_EPOCH_HEADER_BYTES) of the open
 * epoch.  false: the slot's end was passed and nothing is reserved; wait for the next flip, and
 * look at the head before the next try.
 */
bool lf_ring_reserve(struct lf_ring *ring, uint64_t need, struct lf_reservation *reservation);
/*
 * The same by compare-and-swap, for a call that may not wait: it never takes a place whose base is
 * yet to be stored, so lf_ring_lsn returns at once.
 */
bool lf_ring_reserve_known(struct lf_ring *ring, uint64_t need, struct lf_reservation *reservation);
/* Exchanges the head, for the token's holder; returns it as it was. */
uint64_t lf_ring_swap_head(struct lf_ring *ring, uint64_t word);
/* What the head was before this writer took `need` bytes of it makes of it: a place in the open
 * epoch, its end, or nothing. */
static inline bool lf_ring_settle(struct lf_ring *ring, uint64_t old, uint64_t need,
                                  struct lf_reservation *reservation)
{
    uint64_t offset = lf_head_offset_bytes(old);
    struct lf_slot *slot = lf_ring_slot(ring, lf_head_generation(old));

    if (__builtin_expect(offset + need > ring->slot_bytes, 0)) {
        /* R2: the crosser; pairs with find_end. */
        if (offset <= ring->slot_bytes)
            lf_store_release_64(&slot->end, offset);
        return false;
    }
    reservation->slot = slot;
    reservation->epoch = slot->epoch;
    reservation->offset = offset - slot->start;
    reservation->need = need;
    LF_DEBUG_ASSERT((slot->epoch & LF_GENERATION_MASK) == lf_head_generation(old));
    LF_PROBE1(reserve, need);
    return true;
}
/* The LSN of a reservation.  Waits for the base, which the flipper stores at once. */
uint64_t lf_ring_lsn(const struct lf_reservation *reservation);
/* The last touch of the slot: hands the copied bytes to the flusher. */
void lf_ring_publish(const struct lf_reservation *reservation, unsigned records, unsigned waiters);
/* A thread waits for what has been published into this slot.  Only a hint, as the slot may be used again
 * by now. */
void lf_ring_add_waiter(struct lf_slot *slot);
/* The sum of what was published into this slot. */
static inline uint64_t lf_ring_published(const struct lf_slot *slot)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i <= slot->shard_mask; i++)
        sum += lf_load_acquire_64(&slot->shards[i].published); /* R4: pairs with lf_ring_publish. */
    return sum;
}
/* How many threads wait for the durability of what is in this slot. */
static inline uint32_t lf_ring_waiters(const struct lf_slot *slot)
{
    return lf_published_waiters(lf_ring_published(slot));
}
/* Where what has been reserved so far ends: every LSN handed out before is below, every later one
 * at or above.  A multiple of the block size when the open epoch is empty. */
uint64_t lf_ring_end_lsn(const struct lf_ring *ring);
/* The same, or 0: the flipper, or the crosser of a full slot, is between two instructions. */
uint64_t lf_ring_peek_end_lsn(const struct lf_ring *ring);
/* Where what has been published so far ends, about: never waits, and is exact when no thread publishes
 * or flips. */
uint64_t lf_ring_published_lsn(const struct lf_ring *ring);

/* --- the gate -------------------------------------------------------------------------------- */

static inline uint32_t lf_gate_refusals(uint64_t gate)
{
    return (uint32_t)gate;
}
static inline uint32_t lf_gate_hungry(uint64_t gate)
{
    return (uint32_t)(gate >> 32);
}
/* R5: pairs with the changes below: who sees a refusal sees why. */
static inline uint64_t lf_ring_gate(const struct lf_ring *ring)
{
    return lf_load_acquire_64(&ring->gate);
}
void lf_ring_refuse(struct lf_ring *ring, uint32_t refusal);
void lf_ring_admit(struct lf_ring *ring, uint32_t refusal);

/* --- the holder of the flush token ----------------------------------------------------------- */

/* A sealed epoch. */
struct lf_sealed {
    struct lf_slot *slot;
    uint64_t end;      /* bytes of the epoch (slot->end is an offset of the head), header
                          included; LF_EPOCH_HEADER_BYTES: no records */
    uint64_t next_lsn; /* where the next epoch goes */
    bool crossed;      /* some record did not fit */
    uint32_t records;  /* filled by lf_ring_collect */
    uint32_t waiters;  /* filled by lf_ring_collect */
};

static inline bool lf_sealed_is_empty(const struct lf_sealed *sealed)
{
    return sealed->end == LF_EPOCH_HEADER_BYTES;
}
/* Whether the epoch is the last of its segment: the next one goes to another place than its end. */
static inline bool lf_sealed_ends_segment(const struct lf_sealed *sealed, uint64_t base_lsn)
{
    return sealed->next_lsn > base_lsn + lf_round_up(sealed->end, LF_BLOCK_BYTES);
}

/* Whether the head (a value of ring->head) is full from birth. */
static inline bool lf_ring_is_unopened(const struct lf_ring *ring, uint64_t head)
{
    const struct lf_slot *slot = lf_ring_slot(ring, lf_head_generation(head));
    return lf_ring_overshot(ring, head) &&
           lf_load_acquire_64(&slot->end) == LF_EPOCH_HEADER_BYTES; /* R2 */
}
/* Of a log that has no room for its first epoch: one that is full from birth, at its end. */
void lf_ring_open_nothing(struct lf_ring *ring, uint64_t epoch, uint64_t base_lsn);
/* Opens the very first epoch, or one that was full from birth.  It ends at the latest where its
 * segment does. */
void lf_ring_open_epoch(struct lf_ring *ring, uint64_t epoch, uint64_t base_lsn);
/* Whether an epoch may be opened by the flip that seals the one at base_lsn: wherever that one ends, a
 * whole slot fits behind it in the same segment. */
static inline bool lf_ring_can_flip_open(const struct lf_ring *ring, uint64_t base_lsn)
{
    const struct lf_layout *layout = &ring->layout;
    uint64_t end_lsn = base_lsn + lf_layout_capacity(layout, base_lsn);

    return lf_layout_place(layout, end_lsn) == end_lsn &&
           lf_layout_capacity(layout, end_lsn) == ring->slot_bytes;
}
/*
 * Seals the open epoch `epoch`, which starts at base_lsn, and opens the next one, or, with
 * open_next false, leaves that one full from birth.  Neither blocks nor fails: of an overshot slot it
 * waits for the crosser's one store, which follows its fetch-add.  (The laboratory's policies that have
 * a lock take that.)
 *
 * The place where an epoch starts, and so the room that it has, is known only when the one before has
 * been sealed.  Where that may be less than a slot, near the end of a segment, the flip leaves the
 * next epoch full from birth, and lf_ring_open_epoch opens it straight after.
 */
void lf_ring_flip(struct lf_ring *ring, uint64_t epoch, uint64_t base_lsn, bool open_next,
                  struct lf_sealed *sealed);
/* Waits until every writer of the sealed epoch has published.  Nanoseconds that it had to wait. */
uint64_t lf_ring_collect(struct lf_sealed *sealed);

#endif /* LF_RING_H */
