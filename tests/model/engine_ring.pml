/* SPDX-License-Identifier: MIT */
/* The writer's side: src/ring/append.c. */

#define OK 0
#define AGAIN 1
#define EFAILED 2
#define ECLOSED 3
#define ENOROOM 4
#define ETIMEDOUT 5

/* What a writer knows for itself. */
#define LOCALS_OF_WRITER                                                                           \
    byte kind, error, gate_seen, hungry_seen, overshot_epoch;                                                           \
    byte res_slot, res_epoch, res_offset, lsn;                                                     \
    byte told_before;                                                                              \
    byte slot, turn, target;                                                                       \
    bool reserved, is_hungry, has_turn, demands, guards, timed_out;                                \
    bool failure_known, shutdown_known, has_failed;                                                \
    int expected

#define has_deadline (kind == UNTIL)
#define may_lead (!has_deadline || FLUSHER == LEADER)
#define is_large (NEED > 1)

/* ---- Reserving ---------------------------------------------------------------------------------*/

inline refusal_of()
{
    error = OK;
    if
    :: gate_seen & REFUSE_FAILED -> error = EFAILED
    :: !(gate_seen & REFUSE_FAILED) && (gate_seen & REFUSE_CLOSED) -> error = ECLOSED
    :: !(gate_seen & (REFUSE_FAILED | REFUSE_CLOSED)) && (gate_seen & REFUSE_NO_ROOM) ->
        error = (room_error -> ENOROOM : OK); /* P2 */
        lf_request_room(head_epoch)
    :: else
    fi
}

inline become_hungry()
{
    hungry_arrived++;
    hungry++;
    is_hungry = true
}

inline leave_hungry()
{
    hungry_left++;
    hungry--;
#ifndef BUG_THE_HUNGRY_WAKE_NOBODY
    lf_waiter_wake(FLIPPED)
#endif
}

/* `got`: a small record lets the hungry go first. */
inline gives_way()
{
    got = false;
    if
    :: LARGE && hungry_seen > 0 && !is_large ->
        if
        :: !has_turn ->
            turn = hungry_arrived;
            has_turn = true
        :: else
        fi;
        got = hungry_left < turn
    :: else
    fi
}

/* One try.  Nothing is added to a head that has been overshot. */
inline try_reserve()
{
    reserved = false;
    d_step { h_epoch = head_epoch; h_offset = head_offset }; /* R1 */
    gives_way();
    if
    :: got
    :: else ->
#ifdef BUG_RETRY_WITHOUT_A_LOOK
        lf_ring_reserve(NEED);
#else
        if
        :: h_offset <= SLOT -> lf_ring_reserve(NEED)
        :: else
        fi;
#endif
        if
        :: LARGE && !reserved && !is_hungry && is_large -> become_hungry()
        :: else
        fi
    fi
}

/* What for: a head that is not beyond the end.  Who: the token holder. */
inline wait_for_flip()
{
    d_step { h_epoch = head_epoch; h_offset = head_offset }; /* R1 */
    if
    :: h_offset > SLOT -> lf_flusher_demand(FOR_EVER, may_lead)
    :: else
    fi;
    if
    :: has_moved(FLIPPED)
    :: has_deadline ->
        forget_key(FLIPPED);
        error = ETIMEDOUT
    fi
}

inline reserve_slowly()
{
    do
    :: lf_waiter_key(FLIPPED);
        d_step { gate_seen = gate; hungry_seen = hungry }; /* R5 */
        refusal_of();
        if
        :: error == OK -> try_reserve()
        :: else
        fi;
        if
        :: error != OK || reserved ->
            forget_key(FLIPPED);
            break
        :: else -> wait_for_flip()
        fi;
        if
        :: error != OK -> break
        :: else
        fi
    od;
    if
    :: is_hungry -> leave_hungry()
    :: else
    fi;
    atomic { is_hungry = false; has_turn = false; turn = 0 }
}

inline reserve()
{
    error = OK;
    reserved = false;
    if
    :: gate == 0 && hungry == 0 && !has_deadline -> lf_ring_reserve(NEED) /* R5 */
    :: else
    fi;
    if
    :: !reserved -> reserve_slowly()
    :: else
    fi
}

/* ---- Waiting for durability --------------------------------------------------------------------*/

/* Failure is read first and the durable LSN second: durable wins. */
inline durability(of_lsn)
{
    has_failed = failed; /* S1 */
    if
    :: durable_lsn > of_lsn -> error = OK /* L1 */
    :: else ->
        if
        :: !has_failed -> error = AGAIN
        :: else ->
#ifndef BUG_TOLD_BUT_NOT_REFUSED
            gate = gate | REFUSE_FAILED; /* R5 */
#endif
            error = EFAILED
        fi
    fi;
    has_failed = false
}

#if WAITS_LATER
/* The slot with the greatest base that is not above, or NONE: then it is durable. */
inline find_slot(of_lsn)
{
    slot = NONE;
    found_base = 0;
    found_epoch = 0;
    do
    :: found_epoch < SLOTS ->
        atomic {
            if
            :: slots[found_epoch].base != 0 && slots[found_epoch].base <= of_lsn && /* R3 */
                    slots[found_epoch].base >= found_base ->
                slot = found_epoch;
                found_base = slots[found_epoch].base
            :: else
            fi;
            found_epoch++
        }
    :: else ->
        break
    od
}
#endif

inline drop_guard()
{
    slots[slot].guarded = false; /* F4 */
    guards = false;
    demands = true
}

/* Nobody leans on a guard's patience but a gather that is not complete. */
#define patience_ends (!PATIENT || has_deadline || slots[slot].waiters < gather_target)

/* Waits for one flush of the slot's epoch. */
inline wait_once()
{
    timed_out = false;
    if
    :: has_moved(DURABLE + slot)
#ifndef BUG_THE_GUARD_SLEEPS
    :: guards && patience_ends ->
        forget_key(DURABLE + slot);
        drop_guard()
#endif
    :: !guards && has_deadline ->
        forget_key(DURABLE + slot);
        timed_out = true
    fi
}

/* For the token holder to make the epoch durable, or the log to fail. */
inline wait_durable(of_lsn)
{
    do
#ifdef BUG_KEY_AFTER_THE_CHECK
    :: durability(of_lsn);
        lf_waiter_key(DURABLE + slot);
#else
    :: lf_waiter_key(DURABLE + slot);
        durability(of_lsn);
#endif
        if
        :: error != AGAIN ->
            forget_key(DURABLE + slot);
            break
        :: else
        fi;
        led = false;
#ifdef BUG_PACE_IS_NOT_SEEN
        if
        :: demands -> lf_flusher_demand(of_lsn, may_lead)
#else
        if
        :: pacing || demands -> lf_flusher_demand(of_lsn, may_lead) /* F6 */
#endif
        :: else
        fi;
        if
        :: led -> forget_key(DURABLE + slot)
        :: else ->
            demands = (FLUSHER == LEADER);
            wait_once();
            if
            :: timed_out ->
                durability(of_lsn);
                error = (error == AGAIN -> ETIMEDOUT : error);
                break
            :: else
            fi
        fi
    od
}

/* ---- The calls ---------------------------------------------------------------------------------*/

/* `demands`: it falls to this writer to have its epoch flushed. */
inline must_demand()
{
    if
    :: FLUSHER == LEADER && !slots[res_slot].guarded -> demands = true /* F4 */
    :: else ->
        target = gather_target; /* F3: publish before target load */
        if
        :: target == 0 -> demands = res_offset == HEADER
        :: else -> demands = slots[res_slot].waiters >= target /* R4 */
        fi
    fi
#ifdef BUG_THE_FIRST_ONLY_WAITS
    ;
    demands = false
#endif
}

#define waits (kind == APPEND || kind == UNTIL)

/* With a reservation in hand: copies and publishes. */
inline fill()
{
    guards = waits && res_offset == HEADER;
    if
    :: guards -> slots[res_slot].guarded = true /* F4 */
    :: else
    fi;
#ifdef BUG_PUBLISH_BEFORE_THE_COPY
    lf_ring_lsn();
    lf_ring_publish(NEED, waits);
    copy_record(NEED);
    note_lsn(NEED)
#else
    copy_record(NEED);
#ifdef BUG_BASE_AFTER_PUBLISH
    lf_ring_publish(NEED, waits);
    lf_ring_lsn();
    note_lsn(NEED)
#else
    lf_ring_lsn();
    note_lsn(NEED);
    lf_ring_publish(NEED, waits)
#endif
#endif
    ;
    slot = res_slot
}

/* After publishing: sees to it that the record becomes durable, and waits for that if asked to. */
inline conclude()
{
    if
    :: !waits && res_offset == HEADER -> lf_flusher_announce()
    :: !waits && res_offset != HEADER
    :: waits ->
        must_demand();
        wait_durable(lsn)
    fi
}

#if WAITS_LATER
/* lf_ring_engine_wait and lf_ring_engine_flush, from where they know what to wait for. */
inline wait_for(of_lsn)
{
    durability(of_lsn);
    if
    :: error == AGAIN ->
        find_slot(of_lsn);
        demands = (FLUSHER == LEADER);
        guards = false;
        if
        :: slot == NONE -> /* it became durable meanwhile */
            durability(of_lsn);
            assert(error != AGAIN)
        :: else ->
            if
            :: kind == FLUSH -> drop_guard()
            :: else
            fi;
            lf_flusher_want(of_lsn);
            wait_durable(of_lsn)
        fi
    :: else
    fi
}
#endif

/* What a call promises when it returns. */
inline check_append()
{
    atomic {
        if
        :: error == OK && kind != SUBMIT ->
            assert((bits(lsn, lsn + NEED) & ~stable) == 0) /* no ack before it is durable */
        :: else
        fi;
        assert(!(error == OK && failure_known && kind != SUBMIT)); /* a failed log never acks */
        assert(!(error == OK && (failure_known || shutdown_known)));
        told_lsn = (reserved && lsn > told_lsn -> lsn : told_lsn);
        told_failed = told_failed || error == EFAILED
    }
}

inline append()
{
    atomic {
        told_before = told_lsn;
        failure_known = told_failed;
        shutdown_known = told_shutdown
    };
    reserve();
    if
    :: reserved ->
        fill();
        conclude();
#if WAITS_LATER
        if
        :: kind == WAIT -> wait_for(lsn)
        :: else
        fi
#endif
    :: else
    fi;
    check_append()
}

#if WAITS_LATER
/* The ghost: what had been published before the call is durable. */
inline flush()
{
    expected = handed;
    lf_ring_end_lsn();
    wait_for(end_lsn - 1);
    atomic {
        assert(error != OK || (expected & ~stable) == 0);
        told_failed = told_failed || error == EFAILED;
        expected = 0
    }
}
#endif

inline call()
{
    if
#if KINDS & APPEND
    :: kind = APPEND
#endif
#if KINDS & SUBMIT
    :: kind = SUBMIT
#endif
#if KINDS & UNTIL
    :: kind = UNTIL
#endif
#if KINDS & FLUSH
    :: kind = FLUSH
#endif
#if KINDS & WAIT
    :: kind = WAIT
#endif
    fi;
#if WAITS_LATER
    if
    :: kind == FLUSH -> flush()
    :: else -> append()
    fi;
#else
    append();
#endif
    atomic { /* nothing of it is known to the next call */
        kind = 0; error = 0; gate_seen = 0; hungry_seen = 0; overshot_epoch = 0; reserved = false; demands = false; guards = false;
        res_slot = 0; res_epoch = 0; res_offset = 0; lsn = 0; slot = 0; target = 0;
        told_before = 0; failure_known = false; shutdown_known = false; timed_out = false
    }
}

/* The preparer has found room, or none. */
inline lf_ring_engine_room()
{
#ifndef BUG_ROOM_TELLS_NOBODY
    lf_flusher_demand(FOR_EVER, false);
#endif
    if
    :: FLUSHER == LEADER -> lf_waiter_wake(FLIPPED)
    :: else
    fi
}
