/* SPDX-License-Identifier: MIT */
/*
 * Two threads that sync one file through the page cache, as src/storage/store.c has them: a failed
 * write-back is reported once, to whichever sync comes first, and an epoch whose write-back failed
 * is acknowledged by nobody.
 *
 * What differs from the code: the epoch is one page; syncs are a write-back and a report, which is
 * all that the kernel promises of them; locks are taken for granted: what they guard is one step.
 */

#ifndef EPOCHS
#define EPOCHS 2
#endif

/* The kernel's. */
bool dirty;      /* the epoch is in the page cache only */
bool stable;     /* the epoch is on the disk */
bool unreported; /* a write-back failed, and no sync has said so */

/* The store's. */
bool failed;
byte syncs_begun_count;
byte syncs_ended_count;

/* The write-back, by whichever thread comes along. */
inline write_back()
{
    if
    :: atomic { dirty -> dirty = false; stable = true }
    :: atomic { dirty -> dirty = false; unreported = true }
    :: atomic { !dirty -> skip }
    fi
}

/* The report, to the thread whose sync is over. */
inline report()
{
    d_step { error = unreported; unreported = false }
}

inline wait_for_other_sync()
{
    d_step { syncs_ended_count++; begun_count = syncs_begun_count };
#ifndef BUG_NOBODY_WAITS_FOR_THE_OTHER_SYNC
    syncs_ended_count >= begun_count
#endif
}

/* `ok`: write and sync have returned, and nobody has seen a failure. */
inline sync_range()
{
    ok = !failed; /* S1 */
    if
    :: ok ->
        syncs_begun_count++;
        write_back();
        report();
#ifdef BUG_ENDED_BEFORE_IT_IS_NOTED
        wait_for_other_sync();
        failed = failed || error; /* S1 */
#else
        failed = failed || error; /* S1 */
        wait_for_other_sync();
#endif
        ok = !error;
#ifndef BUG_NO_LOOK_AFTER_THE_SYNC
        ok = ok && !failed /* S1 */
#endif
    :: else
    fi
}

active proctype flusher()
{
    byte epochs_left = EPOCHS;
    byte begun_count;
    bool error, ok;

    do
    :: epochs_left > 0 ->
        epochs_left--;
        if
        :: failed -> break /* S1 */
        :: else
        fi;
        d_step { dirty = true; stable = false }; /* write */
        sync_range();
        if
        :: ok -> assert(stable) /* acknowledged */
        :: else -> break
        fi
    :: else ->
        break
    od
}

active proctype background()
{
    byte syncs_left = EPOCHS;
    byte begun_count;
    bool error, ok;

    do
    :: syncs_left > 0 ->
        syncs_left--;
        sync_range()
    :: else ->
        break
    od
}
