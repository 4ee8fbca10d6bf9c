/* SPDX-License-Identifier: MIT */
/*
 * Who flushes: a role behind a token, not a thread.
 *
 *   token      IDLE -> LEADER      a waiting writer takes it and flushes inline
 *              IDLE -> SEQUENCER   any thread hands it to the sequencer thread, and rings
 *              any  -> DEAD        shut down
 *
 * The thread that gives the token back sets IDLE first and looks at the head after that; a writer that joins
 * an epoch adds to the head first and looks at the token after that.  So one of the two sees the other
 * and no record is left behind.
 *
 * Gathering.  After a flush the token holder says how many waiters the next epoch gathers before it is
 * flushed (gather.h).  The one who completes them flushes, without a hop to another thread; the
 * epoch's first writer guards it with a timer meanwhile.
 *
 * Where waiters have only submitted, no thread guards the epoch: then the sequencer leaves them time, as
 * in a pause, up to `gather_until_ns`.
 *
 * Pacing.  What is only submitted is flushed by the sequencer, and on a fast device it would flush
 * every few records by themselves and take the head's cache line from the writers each time.  So
 * while no thread waits it leaves submit_delay_ns between two flushes.  It gives the token back meanwhile and
 * sleeps with a timer: a thread that is about to wait sees `pacing` and takes the token, or rings.
 */
#ifndef LF_FLUSHER_H
#define LF_FLUSHER_H

#include "base/executor.h"
#include "ring/gather.h"

struct logfile;

enum lf_token {
    LF_TOKEN_IDLE = 0,
    LF_TOKEN_LEADER,
    LF_TOKEN_SEQUENCER,
    LF_TOKEN_DEAD
};

struct lf_flusher {
    /* W: compare-and-swap from IDLE by any thread; store by its holder.  R: all. */
    _Alignas(128) uint32_t token;
    uint32_t shutdown_asked; /* W: logfile_shutdown.  R: token holders. */
    uint32_t pacing;         /* W: sequencer.  R: threads that submit or are about to wait. */
    uint64_t wanted_lsn;     /* W: logfile_wait and its like (compare-and-swap; grows).  R:
                                flushers.  The greatest LSN that was waited for. */
    /* W: the token's holder; a guard whose patience has ended (0).  R: token holders.  So long the
     * sequencer leaves those that wait by LSN; 0: it does not. */
    uint64_t gather_until_ns;
    struct lf_waiter closed; /* logfile_shutdown sleeps here */

    /* W, R: the token's holder. */
    uint64_t flushed_ns;    /* when the last flush began */
    uint64_t flushed_bytes; /* what the last flush carried, */
    uint32_t flushed_records;
    struct lf_slot *owed; /* flushed, and its waiters not woken yet */
    struct lf_gather gather;
    uint32_t processors;       /* that were online when the log was opened; for the wake tree */
    bool has_paused_to_gather; /* the sequencer, since the last flush */

    uint64_t pause_end_ns;  /* W, R: the sequencer */
    uint64_t spin_again_ns; /* the same: processors were busy, until then it does not spin */
    bool has_sequencer;
    struct lf_task task; /* the sequencer */
    struct lf_executor own;
};

static inline bool lf_flusher_is_dead(const struct lf_flusher *flusher)
{
    return lf_load_acquire_32(&flusher->token) == LF_TOKEN_DEAD; /* F1 */
}

/* Starts the sequencer thread, unless the flusher is LEADER.  0 or -errno. */
int lf_flusher_start(struct logfile *log);
/* After shutdown: ends the thread. */
void lf_flusher_stop(struct logfile *log);

/*
 * Have the open epoch flushed, if it still holds records below durability of `lsn`.
 * may_lead: the calling thread may take the token and flush inline.  Returns whether it did: if so,
 * look again; if not, another thread will, or the epoch is gathering and its guard will.
 */
bool lf_flusher_demand(struct logfile *log, uint64_t lsn, bool may_lead);
/* For a call that may not wait, under the leader flusher: opens the epoch that was full from birth, if
 * there is room for it by now.  Whether the head may be tried again. */
bool lf_flusher_open_pending(struct logfile *log);
/* The open epoch has its first record, which was only submitted. */
void lf_flusher_announce(struct logfile *log);
/* The calling thread is going to wait for a record that was submitted. */
void lf_flusher_want(struct logfile *log, uint64_t lsn);
/* The patience of those that wait in the open epoch for others has ended: it is to be flushed as it is. */
void lf_flusher_end_gather(struct logfile *log);
/* Whether those that the open epoch gathers are all there.  The calling thread has counted itself, and
 * has passed a fence since (F3). */
bool lf_flusher_has_gathered(const struct logfile *log);
/* True while the sequencer delays a flush.  A thread that is about to sleep, and is counted as a waiter
 * or registered with lf_flusher_want, must then demand it.  Full fence (F6). */
bool lf_flusher_check_pause(const struct logfile *log);
/* Asks for shutdown and waits until it is done.  As logfile_shutdown. */
int lf_flusher_shutdown(struct logfile *log, const struct timespec *deadline);

/* How long the first writer of an epoch waits for the others before it demands the flush. */
uint64_t lf_flusher_patience_ns(const struct logfile *log);

#endif /* LF_FLUSHER_H */
