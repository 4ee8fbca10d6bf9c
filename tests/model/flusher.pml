/* SPDX-License-Identifier: MIT */
/* Who flushes: src/ring/flush.c. */

#define IDLE 0
#define LEADER_TOKEN 1
#define SEQUENCER_TOKEN 2
#define DEAD 3
byte token;
bool shutdown_asked;
bool pacing;
byte wanted_lsn;
byte owed; /* slot whose waiters are not woken yet, or NONE */

/* What a process knows for itself. */
#define LOCALS                                                                                     \
    byte h_epoch, h_offset;                   /* a value of the head */                            \
    byte found_base, found_epoch, end_lsn;    /* lf_ring_end_lsn, find_slot */                     \
    byte prepared, sealed, sealed_end, next_lsn; /* lf_ring_flip */                                \
    byte sealed_waiters, commit_lsn, flushed; /* flush_epoch */                               \
    bool committed, has_room;                                                                      \
    bool needed, urgent, got, serves, led, closing, unopened; /* the token */                      \
    byte summed

/* ---- Opening epochs ----------------------------------------------------------------------------*/

inline lf_request_room(epoch_number)
{
    d_step { /* under the preparer's lock */
        room_wanted = (room_wanted > epoch_number -> room_wanted : epoch_number);
        room_retry = true
    }
}

inline open_pending(epoch_number, base_lsn)
{
    if
    :: epoch_number <= room -> /* P1 */
        gate = gate & ~REFUSE_NO_ROOM; /* R5 */
        lf_ring_open_epoch(epoch_number, base_lsn)
    :: else ->
        if
        :: room_error -> /* P2 */
            gate = gate | REFUSE_NO_ROOM; /* R5 */
            lf_waiter_wake(FLIPPED)
        :: else
        fi;
        lf_request_room(epoch_number)
    fi
}

/* ---- Flushing: the token is held ---------------------------------------------------------------*/

inline wake_owed()
{
    if
    :: owed != NONE ->
        lf_waiter_wake(DURABLE + owed);
        owed = NONE
    :: else
    fi
}

/* Those about to be woken, who may come back, and those who wait in the open epoch already. */
inline plan_gather()
{
    if
    :: GATHER ->
        sealed_waiters = sealed_waiters + slots[slot_of(chain_epoch)].waiters;
        if /* may_gather, NO_GATHER, and one is nobody to wait for */
        :: sealed_waiters >= 2 -> gather_target = sealed_waiters /* F3 */
        :: gather_target = 0                                     /* F3 */
        fi
    :: else
    fi
}

/* `flushed`: the slot whose waiters are to be woken, or NONE. */
inline flush_epoch(opens_next)
{
    flushed = NONE;
    has_room = opens_next && chain_epoch + 1 <= room; /* P1 */
    lf_ring_flip(has_room);
    if
    :: opens_next && !has_room ->
        open_pending(chain_epoch + 1, next_lsn)
    :: else
    fi;
    wake_owed();
#ifdef BUG_TOKEN_BACK_BEFORE_THE_WRITE
    holders--;
    token = IDLE;
#endif
    if
    :: sealed_end == HEADER
    :: else ->
        lf_ring_collect();
        lf_epoch_commit(sealed, sealed_end, true);
        if
        :: committed ->
            plan_gather();
#ifndef BUG_WAKE_BEFORE_DURABLE
            flushed = sealed
#endif
        :: else /* everybody has been woken by lf_ring_engine_failed */
        fi
    fi
#ifdef BUG_TOKEN_BACK_BEFORE_THE_WRITE
    ;
    holders++;
    token = LEADER_TOKEN
#endif
}

/* ---- The token ---------------------------------------------------------------------------------*/

/* The open epoch is left to its first writer. */
inline is_gathering()
{
    if
    :: slots[slot_of(h_epoch)].guarded -> /* F4 */
        summed = slots[slot_of(h_epoch)].waiters; /* R4 */
        needed = !(summed < gather_target)        /* F3 */
    :: else ->
        needed = true
    fi
}

/* `needed`: whether there is something to do for a token holder. */
inline needs_service()
{
    d_step { h_epoch = head_epoch; h_offset = head_offset }; /* R1 */
    if
    :: shutdown_asked -> needed = true /* F2 */
    :: else ->
        if
        :: failed -> needed = false /* S1 */
        :: else ->
            if
            :: is_unopened ->
                needed = h_epoch <= room || (room_error && !(gate & REFUSE_NO_ROOM)) /* P1, P2 */
            :: h_offset > SLOT && !is_unopened ->
                needed = true
            :: h_offset == HEADER ->
                needed = false
            :: else ->
                is_gathering()
            fi
        fi
    fi
}

/* `urgent`: whether somebody waits for the flush that is due. */
inline is_urgent()
{
    d_step { h_epoch = head_epoch; h_offset = head_offset }; /* R1 */
    if
    :: h_offset > SLOT -> urgent = true
    :: else ->
        if
        :: slots[slot_of(h_epoch)].waiters > 0 -> urgent = true /* R4 */
        :: else -> urgent = wanted_lsn >= durable_lsn || shutdown_asked /* F6, L1, F2 */
        fi
    fi
}

/* Nothing more is accepted; what was accepted becomes durable; the log is marked as closed.  Its
 * first half is part of serve. */
inline finish()
{
    if
    :: flushed != NONE -> lf_waiter_wake(DURABLE + flushed)
    :: else
    fi;
    flushed = NONE;
    if
    :: !failed -> /* S1 */
        prepared = slot_of(chain_epoch);
        lf_epoch_commit(prepared, HEADER, false);
        closed_cleanly = committed
    :: else
    fi;
    lf_waiter_wake(FLIPPED);
    d_step { holders--; token = DEAD }; /* F1 */
    lf_waiter_wake(BELL);
    lf_waiter_wake(CLOSED_EVENT)
}

/* One round of work: needs_service says that there is some. */
inline serve()
{
    closing = shutdown_asked; /* F2 */
    flushed = NONE;
    if
    :: closing ->
        wake_owed();
        gate = gate | REFUSE_CLOSED; /* R5 */
        unopened = failed            /* S1 */
    :: else ->
        unopened = false
    fi;
    d_step { h_epoch = head_epoch; h_offset = head_offset }; /* R1 */
    unopened = unopened || is_unopened;
    if
    :: closing && unopened
    :: !closing && unopened ->
        open_pending(chain_epoch, chain_lsn)
#ifdef BUG_CLOSE_SEALS_NOTHING
    :: closing && !unopened
    :: !closing && !unopened ->
#else
    :: !unopened ->
#endif
        flush_epoch(!closing)
    fi;
    if
    :: closing -> finish()
    :: else
    fi
}

/* The ghost: nobody else is at it. */
inline hold_token()
{
    d_step { holders++; assert(holders == 1) }
}

inline try_token(role)
{
#ifdef BUG_TAKE_THE_TOKEN_IN_TWO_STEPS
    got = token == IDLE;
    if
    :: got -> token = role
    :: else
    fi
#else
    d_step { /* F1 */
        got = token == IDLE;
        if
        :: got -> token = role
        :: else
        fi
    }
#endif
}

inline ring_bell()
{
    try_token(SEQUENCER_TOKEN);
    if
    :: got -> lf_waiter_wake(BELL)
    :: else
    fi
}

inline wake_leaders()
{
    d_step { h_epoch = head_epoch; h_offset = head_offset }; /* R1 */
    lf_waiter_wake(DURABLE + slot_of(h_epoch));
    lf_waiter_wake(FLIPPED);
    lf_waiter_wake(CLOSED_EVENT)
}

inline set_idle()
{
    d_step { holders--; token = IDLE } /* F1; then F5: token store before head load */
}

inline hand_over()
{
    if
    :: token == DEAD -> needed = false /* F1 */
    :: else ->
#ifdef BUG_LOOK_BEFORE_IDLE
        needs_service();
        set_idle();
#else
        set_idle();
        needs_service();
#endif
#ifdef BUG_NO_LOOK_AFTER_IDLE
        needed = false;
#endif
        if
        :: needed && pacing -> /* F5 */
            is_urgent();
            needed = urgent
        :: else
        fi
    fi;
    if
    :: needed && HAS_SEQUENCER -> ring_bell()
    :: needed && !HAS_SEQUENCER -> wake_leaders()
    :: else
    fi
}

/* The calling thread holds the token as LEADER. */
inline lead(lsn_asked)
{
    hold_token();
    serves = durable_lsn <= lsn_asked; /* L1 */
    flushed = NONE;
    if
    :: serves ->
        needs_service();
        serves = needed
    :: else
    fi;
    if
    :: serves -> serve()
    :: else
    fi;
    hand_over();
    if
    :: flushed != NONE -> lf_waiter_wake(DURABLE + flushed)
    :: else
    fi;
#ifdef BUG_LED_FOR_NOTHING
    led = true
#else
    led = serves
#endif
}

/* F5: head fetch-add before token load.  `led`: look again. */
inline lf_flusher_demand(lsn_asked, may_lead)
{
    led = false;
    if
    :: FLUSHER != SEQUENCER && may_lead ->
        try_token(LEADER_TOKEN);
        if
        :: got -> lead(lsn_asked)
        :: else
        fi
    :: else ->
        if
        :: HAS_SEQUENCER -> ring_bell()
        :: else
        fi
    fi
}

/* F5 and F6: head fetch-add before token and pacing. */
inline lf_flusher_announce()
{
    if
    :: HAS_SEQUENCER && !pacing -> ring_bell()
    :: else
    fi
}

inline lf_flusher_want(lsn_asked)
{
    d_step { wanted_lsn = (wanted_lsn < lsn_asked -> lsn_asked : wanted_lsn) }
}

/* ---- The sequencer thread ----------------------------------------------------------------------*/

/* `urgent`: the flush that is due cannot wait. */
inline try_pause()
{
    urgent = true;
    if
    :: PACING ->
        pacing = true;
        is_urgent()
    :: skip
    fi
}

inline end_pause()
{
    pacing = false; /* F6: pacing before head */
    needs_service()
}

inline serve_and_wake()
{
    serve();
    if
    :: flushed == NONE
    :: flushed != NONE && sealed_end > HEADER + 1 -> owed = flushed /* large, perhaps */
    :: flushed != NONE -> lf_waiter_wake(DURABLE + flushed)
    fi
}

/* The thread holds the token as SEQUENCER and keeps it while there is work that cannot wait. */
inline sequence()
{
    do
    :: hold_token();
        do
        :: token == DEAD -> break
        :: else ->
            needs_service();
            if
            :: !needed -> urgent = true; break
            :: else -> try_pause()
            fi;
            if
            :: !urgent -> break
            :: else -> serve_and_wake()
            fi
        od;
        wake_owed();
        if
        :: token == DEAD -> break
        :: else -> set_idle()
        fi;
        if
        :: !urgent -> is_urgent()
        :: else
        fi;
        if
        :: !urgent -> break
        :: else -> end_pause()
        fi;
        if
        :: needed -> try_token(SEQUENCER_TOKEN)
        :: else -> got = false
        fi;
        if
        :: !got -> break
        :: else
        fi
    od
}

/* Nobody leans on the end of this pause. */
#define pause_is_idle                                                                              \
    (head_offset <= SLOT && slots[slot_of(head_epoch)].waiters == 0 && wanted_lsn < durable_lsn && \
     !shutdown_asked)

/* Until the bell rings, or the time of the flush that was put off has come. */
inline await_bell()
{
    if
    :: !pacing ->
        end_bell: has_moved(BELL)
    :: else ->
        if
        :: has_moved(BELL)
        :: !PATIENT || pause_is_idle ->
            forget_key(BELL);
            end_pause();
            if
            :: needed -> try_token(SEQUENCER_TOKEN)
            :: else
            fi
        fi
    fi
}

inline sequencer_main()
{
    do
    :: token == DEAD -> break /* F1 */
    :: else ->
        lf_waiter_key(BELL);
        if /* F1 */
        :: token == SEQUENCER_TOKEN ->
            forget_key(BELL);
            sequence()
        :: token == DEAD ->
            forget_key(BELL)
        :: else ->
            await_bell()
        fi
    od
}

/* ---- Shutdown ----------------------------------------------------------------------------------*/

/* Without a deadline: with one it may give up whenever it sleeps. */
inline shutdown()
{
    shutdown_asked = true; /* F2 */
    do
    :: lf_waiter_key(CLOSED_EVENT);
        if
        :: token == DEAD -> break /* F1 */
        :: else
        fi;
#ifndef BUG_SHUTDOWN_RINGS_NOBODY
        lf_flusher_demand(durable_lsn, !HAS_SEQUENCER);
#endif
        if
        :: token == DEAD /* F1 */
        :: else -> has_moved(CLOSED_EVENT)
        fi
    od;
    forget_key(CLOSED_EVENT);
    if
    :: closed_cleanly ->
        assert((handed & ~stable) == 0); /* what was accepted is durable */
        told_shutdown = true
    :: else ->
        assert(failed)
    fi
}
