/* SPDX-License-Identifier: MIT */
/*
 * The protocol of the ring engine as a model for spin: reserve, publish, flip, park and wake, the
 * flush token, failure and shutdown.  Names are those of src/ring/ring.c, src/ring/flush.c and
 * src/ring/append.c; comments carry the labels of docs/MEMORY_ORDERING.md.  scripts/check-model
 * says which configurations are tried, plants each of the bugs, and knows what must find it.
 *
 * Each statement is one step.  A step makes one access to what threads share; those that a step
 * joins are named below.
 *
 * Safety: each assertion says what it stands for.  Liveness: a lost wake-up leaves somebody asleep
 * for ever, which spin reports as an invalid end state (no timer repairs it, see PATIENT); that
 * nobody runs in circles is the property `returns`.
 *
 * What differs from the code:
 *
 *  - Memory is sequentially consistent.  A fence is modelled by the order that it keeps: the bugs
 *    that it prevents are planted by changing that order.  Weaker memory is the schedule explorer's.
 *  - Sizes are units.  A slot has HEADER and SLOT_UNITS of them, and an epoch's extent ends where
 *    its records do: no padding to blocks, no segments.  Epoch numbers do not wrap.
 *  - An event count is a bit for each thread: whether it moved since that thread took its key.  That
 *    a count, a sleepers bit and a futex do this is the model waiter.pml.
 *  - A slot has one shard.
 *  - Time.  A deadline may pass at any moment, or never.  Whether gathering or pacing may pay is a
 *    free choice.  With PATIENT, as always, a guard's patience and a pause between flushes end only
 *    where the protocol leans on them: for a gather that is not complete, and while nobody waits.
 *    So a timer hides no wake-up that is lost.  Spinning before a sleep is left out.
 *  - Where several loads decide one question, a compare-and-swap that a relaxed load precedes, and
 *    the two halves of a base word or of the head word, are one step.
 *  - The disk takes a write and a sync as one step each, which may fail.  Two threads that sync at
 *    once are the model store.pml.
 *  - Room is counted in epochs; the preparer is a process that finds room, or an error.
 *  - The policies under a lock, batches, statistics, the start and fork are left out.
 */

/* ---- The configuration -------------------------------------------------------------------------*/

#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef CALLS /* of each writer */
#define CALLS 1
#endif
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef SLOT_UNITS
#define SLOT_UNITS 2
#endif
#ifndef KINDS /* of calls that a writer may make */
#define KINDS APPEND
#endif
#ifndef FLUSHER
#define FLUSHER HYBRID
#endif
#ifndef GATHER /* flushes may be put off for waiters that come back */
#define GATHER 0
#endif
#ifndef PACING /* the sequencer may put off what nobody waits for */
#define PACING 0
#endif
#ifndef FAULTS /* a write or a sync may fail */
#define FAULTS 0
#endif
#ifndef BACKGROUND /* the preparer's sync may fail */
#define BACKGROUND 0
#endif
#ifndef CLOSERS /* threads that may ask for shutdown */
#define CLOSERS 0
#endif
#ifndef LARGE /* the first writer makes one call, whose record needs two units */
#define LARGE 0
#endif
#ifndef ROOM /* epochs that fit before the preparer has to work; 0: all of them */
#define ROOM 0
#endif
#ifndef PATIENT
#define PATIENT 1
#endif

/* Kinds of calls. */
#define APPEND 1
#define SUBMIT 2
#define UNTIL 4 /* append with a deadline */
#define FLUSH 8
#define WAIT 16 /* submit, then wait for it */

#define HYBRID 0
#define SEQUENCER 1
#define LEADER 2
#define HAS_SEQUENCER (FLUSHER != LEADER)
#define WAITS_LATER (KINDS & (FLUSH | WAIT)) /* for what was submitted before */

#define HEADER 1
#define SLOT (HEADER + SLOT_UNITS)
#define NONE 255
#define FOR_EVER 255
#define NEED ((LARGE && _pid == FIRST_WRITER) -> 2 : 1)

/* Every caller is back. */
#define CALLERS (WRITERS + CLOSERS)
#define FIRST_WRITER 1
byte returned;

#include "ring.pml"
#include "flusher.pml"
#include "engine_ring.pml"

/* ---- Who takes part ----------------------------------------------------------------------------*/

proctype writer()
{
    LOCALS;
    LOCALS_OF_WRITER;
    byte calls = (LARGE && _pid == FIRST_WRITER -> 1 : CALLS);

    do
    :: calls > 0 ->
        calls--;
        call()
    :: else ->
        break
    od;
    returned++
}

#if CLOSERS > 0
/* logfile_shutdown, at any moment or never. */
proctype closer()
{
    LOCALS;

    if
    :: shutdown()
    :: skip
    fi;
    returned++
}
#endif

#if FLUSHER != LEADER
proctype sequencer()
{
    LOCALS;

    sequencer_main()
}
#endif

#if BACKGROUND
/* A write of the preparer, or of whoever trims, fails at any moment or never. */
proctype background()
{
    if
    :: lf_store_fail()
    :: skip
    fi
}
#endif

#if ROOM > 0
/* Finds room when asked, or says once that there is none. */
proctype preparer()
{
    LOCALS;
    byte errors_left = 1;
    byte reached;

    end_asked:
    do
    :: atomic { room_retry -> room_retry = false; reached = room_wanted };
        if
        :: room = (room > reached -> room : reached); /* P1 */
            room_error = false                        /* P2 */
        :: errors_left > 0 && room < reached ->
            errors_left--;
            room_error = true                         /* P2 */
        fi;
        lf_ring_engine_room()
    od
}
#endif

init {
    byte i = 0;

    atomic {
        start();
        do
        :: i < WRITERS ->
            run writer();
            i++
        :: else ->
            break
        od;
#if CLOSERS > 0
        run closer();
#endif
#if CLOSERS > 1
        run closer();
#endif
#if FLUSHER != LEADER
        run sequencer();
#endif
#if BACKGROUND
        run background();
#endif
#if ROOM > 0
        run preparer();
#endif
        i = 0
    }
}

#ifdef LIVENESS
ltl returns { <> (returned == CALLERS) }
#endif
