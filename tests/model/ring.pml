/* SPDX-License-Identifier: MIT */
/* The ring: src/ring/ring.c, the event counts that it wakes, and the disk under it. */

/* ---- Event counts ------------------------------------------------------------------------------*/

/* A bit for each process: the count moved since it took its key. */
#define FLIPPED 0
#define BELL 1
#define CLOSED_EVENT 2
#define DURABLE 3 /* + slot */
byte moved[DURABLE + SLOTS];

#define ME (1 << _pid)
#define lf_waiter_key(event) moved[event] = moved[event] & ~ME /* W1 */
#define lf_waiter_wake(event) moved[event] = 255               /* W1 */
#define has_moved(event) ((moved[event] & ME) != 0)            /* W2 */
/* Not asleep after all: the key is nothing that this process still knows. */
#define forget_key(event) moved[event] = moved[event] | ME

/* ---- The ring ----------------------------------------------------------------------------------*/

typedef slot_type {
    byte epoch;
    byte base; /* 0: not known yet */
    byte base_epoch;
    byte end;
    bool guarded;
    byte published; /* units */
    byte waiters;
    byte copied     /* ghost: units whose bytes are there, a bit each */
};
slot_type slots[SLOTS];

byte head_epoch;
byte head_offset;

#define REFUSE_FAILED 1
#define REFUSE_CLOSED 2
#define REFUSE_NO_ROOM 4
byte gate;
byte hungry;
byte hungry_arrived;
byte hungry_left;
byte gather_target;

#define slot_of(of_epoch) ((of_epoch) % SLOTS)
#define bits(from, to) ((1 << (to)) - (1 << (from)))

/* ---- The log and its disk ----------------------------------------------------------------------*/

byte durable_lsn;
bool failed;
bool closed_cleanly;
byte chain_epoch;
byte chain_lsn;
byte room; /* epochs up to this number may open */
byte room_wanted;
bool room_retry;
bool room_error;

/* Ghosts: what no code looks at. */
int stable;         /* units of the log on stable storage, a bit each */
int handed;         /* units of the log that belong to a published record */
byte told_lsn;      /* the greatest LSN of a record whose call has returned */
bool told_failed;   /* somebody was told that the log has failed */
bool told_shutdown; /* shutdown has returned 0 */
byte holders;       /* of the flush token */

/* on_failure, lf_ring_engine_failed: whoever sleeps must look again. */
inline lf_ring_engine_failed()
{
    gate = gate | REFUSE_FAILED; /* R5 */
    lf_waiter_wake(FLIPPED);
#ifndef BUG_FAILURE_WAKES_NOBODY
    lf_waiter_wake(DURABLE);
#if SLOTS > 1
    lf_waiter_wake(DURABLE + 1);
#endif
#if SLOTS > 2
    lf_waiter_wake(DURABLE + 2);
    lf_waiter_wake(DURABLE + 3);
#endif
#endif
}

inline lf_store_fail()
{
    if
    :: atomic { !failed -> failed = true }; /* S1 */
        lf_ring_engine_failed()
    :: else
    fi
}

/* ---- Writers -----------------------------------------------------------------------------------*/

/* Whether `need` units were got: reserved, with res_slot, res_epoch and res_offset. */
inline lf_ring_reserve(need)
{
#ifdef BUG_RESERVE_IN_TWO_STEPS
    d_step { h_epoch = head_epoch; h_offset = head_offset };
    d_step { head_epoch = h_epoch; head_offset = h_offset + need };
#else
    d_step { h_epoch = head_epoch; h_offset = head_offset; head_offset = h_offset + need }; /* R1 */
#endif
    assert(h_offset <= SLOT || h_epoch != overshot_epoch); /* a retry looks first */
    if
    :: h_offset + need > SLOT ->
        reserved = false;
        overshot_epoch = h_epoch;
#ifndef BUG_FORGET_THE_CROSSER
        if
        :: h_offset <= SLOT -> slots[slot_of(h_epoch)].end = h_offset /* R2 */
        :: else
        fi
#endif
    :: else ->
        reserved = true;
        d_step {
            res_slot = slot_of(h_epoch);
            res_epoch = slots[res_slot].epoch;
            res_offset = h_offset
        };
        assert(res_epoch == h_epoch) /* the slot was prepared before the swap */
    fi
}

/* The copy.  Nobody else's bytes are there, and the slot is still this epoch's. */
inline copy_record(need)
{
    d_step {
        assert(slots[res_slot].epoch == res_epoch);
        assert((slots[res_slot].copied & bits(res_offset, res_offset + need)) == 0);
        slots[res_slot].copied = slots[res_slot].copied | bits(res_offset, res_offset + need)
    }
}

/* Waits for the base, which the flipper stores at once. */
inline lf_ring_lsn()
{
    d_step {
        slots[res_slot].base != 0 && slots[res_slot].base_epoch == res_epoch -> /* R3 */
        lsn = slots[res_slot].base + res_offset
    }
}

/* The ghost: LSNs are unique, and none is below that of a record whose call had returned before. */
inline lf_ring_publish(need, waits)
{
    d_step {
        slots[res_slot].published = slots[res_slot].published + need; /* R4 */
        slots[res_slot].waiters = slots[res_slot].waiters + waits
    }
}

inline note_lsn(need)
{
    d_step {
        assert((handed & bits(lsn, lsn + need)) == 0);
        assert(lsn > told_before);
        handed = handed | bits(lsn, lsn + need)
    }
}

#if WAITS_LATER
/* Where what has been reserved so far ends: end_lsn. */
inline lf_ring_end_lsn()
{
    do
    :: d_step { h_epoch = head_epoch; h_offset = head_offset }; /* R1 */
        d_step {
            found_base = slots[slot_of(h_epoch)].base; /* R3 */
            found_epoch = slots[slot_of(h_epoch)].base_epoch
        };
        if
        :: found_base == 0 || found_epoch != h_epoch
        :: else ->
            if
            :: h_offset > SLOT -> h_offset = slots[slot_of(h_epoch)].end /* R2 */
            :: else
            fi;
            if
            :: head_epoch == h_epoch && h_offset == HEADER -> /* R1 */
                end_lsn = found_base;
                break
            :: head_epoch == h_epoch && h_offset > HEADER ->
                end_lsn = found_base + h_offset;
                break
            :: else
            fi
        fi
    od
}
#endif

/* ---- Whoever holds the flush token -------------------------------------------------------------*/

#define is_unopened (h_offset > SLOT && slots[slot_of(h_epoch)].end == HEADER) /* R2 */

/* A slot carries a new epoch only when its last one is durable, or the log has failed. */
inline prepare_slot(epoch_number, opens)
{
    prepared = slot_of(epoch_number);
    assert(failed || slots[prepared].copied == 0);
    slots[prepared].epoch = epoch_number;
    slots[prepared].base = 0;
    slots[prepared].end = (opens -> 0 : HEADER);
    slots[prepared].guarded = false;
#ifndef BUG_RESET_AFTER_SWAP
    d_step { slots[prepared].published = 0; slots[prepared].waiters = 0 }
#endif
}

inline store_base(epoch_number, base_lsn)
{
    d_step { slots[prepared].base = base_lsn; slots[prepared].base_epoch = epoch_number } /* R3 */
}

inline lf_ring_open_epoch(epoch_number, base_lsn)
{
    prepare_slot(epoch_number, true);
    store_base(epoch_number, base_lsn);
    d_step { head_epoch = epoch_number; head_offset = HEADER }; /* R1 */
#ifdef BUG_RESET_AFTER_SWAP
    d_step { slots[prepared].published = 0; slots[prepared].waiters = 0 };
#endif
    lf_waiter_wake(FLIPPED)
}

/* Seals the open epoch; its end becomes known. */
inline lf_ring_flip(opens_next)
{
    prepare_slot(chain_epoch + 1, opens_next);
#ifdef BUG_FLIP_IN_TWO_STEPS
    h_offset = head_offset;
    d_step { head_epoch = chain_epoch + 1; head_offset = (opens_next -> HEADER : SLOT + 1) };
#else
    d_step { /* R1 */
        h_offset = head_offset;
        assert(head_epoch == chain_epoch);
        head_epoch = chain_epoch + 1;
        head_offset = (opens_next -> HEADER : SLOT + 1)
    };
#endif
    sealed = slot_of(chain_epoch);
    if /* find_end */
    :: h_offset <= SLOT -> sealed_end = h_offset
    :: else -> /* for the crosser */
        atomic { slots[sealed].end != 0 -> sealed_end = slots[sealed].end } /* R2 */
    fi;
    next_lsn = (sealed_end == HEADER -> chain_lsn : chain_lsn + sealed_end);
    store_base(chain_epoch + 1, next_lsn);
#ifdef BUG_RESET_AFTER_SWAP /* before the base it would do no harm: nobody publishes without one */
    d_step { slots[prepared].published = 0; slots[prepared].waiters = 0 };
#endif
#ifndef BUG_FLIP_WAKES_NOBODY
    lf_waiter_wake(FLIPPED)
#endif
}

/* Waits until every writer of the sealed epoch has published. */
inline lf_ring_collect()
{
    d_step {
        slots[sealed].published == sealed_end - HEADER -> /* R4 */
        sealed_waiters = slots[sealed].waiters
    }
}

/* ---- Epoch, store: how an epoch becomes durable ------------------------------------------------*/

/* `committed`: whether write and sync have returned.  The write takes whole records only. */
inline lf_epoch_commit(slot, end_units, has_records)
{
    d_step { /* lf_chain_seal: the token holder's own */
        commit_lsn = chain_lsn;
        chain_lsn = chain_lsn + end_units;
        chain_epoch++;
        committed = false
    };
#ifdef BUG_ACK_BEFORE_SYNC
    durable_lsn = chain_lsn; /* L1 */
#endif
#ifdef BUG_WAKE_BEFORE_DURABLE
    lf_waiter_wake(DURABLE + slot);
#endif
    if
    :: failed /* S1 */
    :: else ->
        assert(!has_records || slots[slot].copied == bits(HEADER, end_units)); /* all published */
        if
        :: committed = true /* write */
        :: FAULTS -> lf_store_fail()
        fi
    fi;
    if
    :: committed ->
        if
        :: failed -> committed = false /* S1 */
        :: else ->
            if
            :: d_step { stable = stable | (slots[slot].copied << commit_lsn) } /* sync */
            :: FAULTS ->
#ifndef BUG_IGNORE_THE_SYNC
                committed = false;
#endif
                lf_store_fail()
            fi
        fi
    :: else
    fi;
#ifndef BUG_IGNORE_THE_SYNC
    if
    :: committed && failed -> committed = false /* settle_sync: S1 */
    :: else
    fi;
#endif
    if
    :: committed ->
        d_step {
            assert(chain_lsn >= durable_lsn);
            durable_lsn = chain_lsn; /* L1 */
            slots[slot].copied = 0
        }
    :: else
    fi
}

/* ---- Before all this ---------------------------------------------------------------------------*/

inline start()
{
    chain_epoch = 1;
    chain_lsn = 1;
    durable_lsn = 1;
    head_epoch = 1;
    head_offset = HEADER;
    slots[1 % SLOTS].epoch = 1;
    slots[1 % SLOTS].base = 1;
    slots[1 % SLOTS].base_epoch = 1;
    room = (ROOM > 0 -> ROOM : 255);
    owed = NONE;
    do
    :: i < DURABLE + SLOTS ->
        lf_waiter_wake(i);
        i++
    :: else ->
        break
    od;
    i = 0
}
