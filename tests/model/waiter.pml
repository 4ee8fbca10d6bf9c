/* SPDX-License-Identifier: MIT */
/*
 * The event count of src/base/waiter.c on a futex, as a model for spin: that nobody sleeps through a
 * change.  log.pml takes this for granted.
 *
 * What differs from the code: memory is sequentially consistent, sleeps have no deadline, and a
 * futex call that wakes for no reason is left out, because it could only hide a lost wake-up.
 */

#ifndef SLEEPERS_COUNT
#define SLEEPERS_COUNT 2
#endif
#define CHANGES 2
#define SLEEPERS 1
#define COUNT_ONE 2

byte word;    /* a count above the sleepers bit */
byte changes; /* what is waited for: CHANGES of them */
byte queue;   /* the kernel's: who sleeps, a bit each */

#define ME (1 << _pid)
#ifdef BUG_NO_SLEEPERS_BIT
#define asleep_at(key) (key)
#else
#define asleep_at(key) ((key) | SLEEPERS)
#endif

/* Raises the sleepers bit while the count is still `key`. */
inline announce_sleeper()
{
    do
    :: seen = word;
        if
        :: (seen & ~SLEEPERS) != key ->
            announced = false;
            break
        :: (seen & ~SLEEPERS) == key && (seen & SLEEPERS) ->
            announced = true;
            break
        :: else ->
#ifdef BUG_NO_SLEEPERS_BIT
            announced = true;
            break
#else
            if
            :: atomic { word == seen -> word = seen | SLEEPERS }; /* W2 */
                announced = true;
                break
            :: atomic { word != seen -> skip }
            fi
#endif
        fi
    od
}

/* FUTEX_WAIT: compares and queues in one step, under the kernel's lock. */
inline futex_wait()
{
    if
#ifdef BUG_FUTEX_WITHOUT_RECHECK
    :: queue = queue | ME;
#else
    :: atomic { word == asleep_at(key) -> queue = queue | ME };
#endif
        (queue & ME) == 0
#ifndef BUG_FUTEX_WITHOUT_RECHECK
    :: atomic { word != asleep_at(key) -> skip }
#endif
    fi
}

active [SLEEPERS_COUNT] proctype sleeper()
{
    byte key, seen;
    bool announced;

    do
#ifdef BUG_KEY_AFTER_THE_CHECK
    :: changes == CHANGES -> break
    :: changes != CHANGES ->
        key = word & ~SLEEPERS;
#else
    :: key = word & ~SLEEPERS; /* W1 */
        if
        :: changes == CHANGES -> break
        :: else
        fi;
#endif
        announce_sleeper();
        if
        :: announced -> futex_wait()
        :: else
        fi
    od
}

inline lf_waiter_wake()
{
    do
    :: seen = word;
        if
#ifdef BUG_WAKE_KEEPS_THE_COUNT
        :: atomic { word == seen -> word = seen & ~SLEEPERS }; break
#else
        :: atomic { word == seen -> word = (seen & ~SLEEPERS) + COUNT_ONE }; break /* W1 */
#endif
        :: atomic { word != seen -> skip }
        fi
    od;
    if
    :: seen & SLEEPERS ->
#ifdef BUG_WAKES_ONE
        if
        :: atomic { queue & 1 -> queue = queue & ~1 }
        :: atomic { queue & 2 -> queue = queue & ~2 }
        :: queue == 0
        fi
#else
        queue = 0
#endif
    :: else
    fi
}

active [CHANGES] proctype waker()
{
    byte seen;

#ifdef BUG_WAKE_BEFORE_THE_CHANGE
    lf_waiter_wake();
    changes++
#else
    changes++;
    lf_waiter_wake()
#endif
}

#ifdef LIVENESS
ltl returns { <> (_nr_pr == 0) }
#endif
