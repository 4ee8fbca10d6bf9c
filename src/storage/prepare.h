/* SPDX-License-Identifier: MIT */
/*
 * Keeps two frontiers ahead of the log's end, off the commit path:
 *
 *   allocated  fallocate'd.  Hard: an epoch opens only where it fits below.
 *   written    filled with zeros.  Soft: a sync of written blocks needs no journal commit, which
 *              halves its time on ext4.  Which are filled, and when, src/storage/zeros.h decides.
 *
 * No epoch is written into a range with a zero-fill in flight: the flusher claims a range before it
 * writes and waits for the one chunk (256 KiB at most) that overlaps; the preparer never starts a
 * chunk below what is claimed, and when it is overtaken it starts again well ahead.
 *
 * In a log of segments it creates them, or recycles released ones, whose blocks are written already;
 * there it runs with prepare = none too.
 *
 * On a full disk it takes what a thread waits for and no more, and what a try that failed has got it
 * gives back.  When even that is too much, it gives back all that the log cannot use until there is
 * more: see lf_preparer_await.  So `allocated` may fall, but only while no epoch is open, and never
 * from where the next one fits to where it does not: who reads it without the lock never sees room
 * that is about to go.
 */
#ifndef LF_PREPARER_H
#define LF_PREPARER_H

#include "base/executor.h"
#include "storage/store.h"
#include "storage/zeros.h"

struct lf_preparer {
    struct lf_store *store;
    enum logfile_prepare mode;
    uint64_t prepare_bytes;
    uint64_t room_bytes; /* that are always kept allocated ahead */
    uint64_t keep_free_bytes;
    struct lf_task task;
    struct lf_executor own;
    bool running;               /* W: start and stop, which nothing else may overlap */
    bool has_ended;             /* W, R: the thread that stops it */
    void *zero_chunk;           /* zeros */
    void (*on_room)(void *arg); /* preparer: `allocated` or `room_error` may have changed */
    void *on_room_arg;

    /* W: preparer.  R: any (acquire). */
    uint64_t allocated; /* end of what is allocated; one file, prepare = none: of what could be */
    /* 0, or the errno (ENOSPC, EMFILE, ...) that stopped it; EFBIG all along where there is no
     * thread: one file, prepare = none */
    uint32_t room_error;
    uint64_t
        refused_ns; /* W, R: preparer, and its starter before.  Since when room_error is set. */

    /* Under lock. */
    pthread_mutex_t lock;
    pthread_cond_t chunk_done; /* for the flusher */
    struct lf_zeros zeros;     /* with `claimed` */
    uint64_t wanted;           /* a thread needs `allocated` to reach this */
    uint64_t chunk_from;       /* [chunk_from, chunk_to): a write in flight; empty: none */
    uint64_t chunk_to;
    /* While `allocated` is below await_end, no epoch is open, and nothing from await_from on is in
     * use. */
    uint64_t await_from;
    uint64_t await_end;
    bool retry;         /* a thread asked for room */
    uint64_t try_at_ns; /* and gets an answer then: after a refusal not at once */
    bool stop;
    uint64_t wake_at;    /* the preparer is rung when claimed gets there */
    bool must_look;      /* whether the log's files still have names */
    uint64_t look_at_ns; /* a claim after this asks for that */

    /* The preparer's own. */
    bool can_allocate;      /* false after -EOPNOTSUPP: allocate by writing zeros */
    bool has_first_block;   /* prepare = none: all that is ever allocated */
    bool has_new_zeros;     /* that no sync has been made of */
    uint64_t grow_again_at; /* after a full disk: the value of claimed at which more is tried
                                  than what a thread waits for */

    /* W: preparer, and who gives space back; under lock.  R: preparer, without. */
    uint64_t believe_until_ns; /* a full disk that says that it still is */

    uint64_t zero_fill_bytes; /* W: preparer (fetch-add).  R: stats. */
    uint64_t zero_fill_waits; /* W: flusher (fetch-add).  R: stats. */
    /* W: preparer (fetch-add).  R: stats. */
    struct logfile_histogram zero_fill_ns;
    struct logfile_histogram zero_sync_ns;
};

/* What a preparer is started with. */
struct lf_preparer_config {
    enum logfile_prepare mode;
    uint64_t prepare_bytes;
    uint64_t head;            /* where the next epoch goes */
    uint64_t keep_free_bytes; /* of the file system: what is taken leaves so much */
    uint64_t room;            /* bytes from head that are asked for before this returns */
    void (*on_room)(void *arg);
    void *on_room_arg;
    struct lf_executor *shared; /* NULL: it has a thread of its own */
    void (*thread_start)(void *arg, enum logfile_thread role);
    void *thread_arg;
};

/* Allocates the first bytes in the calling thread, then starts the task (none for one file with
 * prepare = none, of which only the first block is allocated).  A disk that has no room for them is
 * no error: lf_preparer_room_error tells, and none of them is held.  0, -EFBIG (the log would reach
 * beyond lf_layout_end_lsn), -ENOMEM, or -errno. */
int lf_preparer_start(struct lf_preparer *preparer, struct lf_store *store,
                      const struct lf_preparer_config *config);
/* Whether everything below `end` is allocated.  Any thread, never blocks. */
static inline bool lf_preparer_has_room(const struct lf_preparer *preparer, uint64_t end)
{
    /* P1: pairs with publish_allocated. */
    return end <= lf_load_acquire_64(&preparer->allocated);
}
/* 0, or -ENOSPC and the like: why there is no room, where there is none.  Any thread, never
 * blocks. */
int lf_preparer_room_error(const struct lf_preparer *preparer);
/* Ask for room up to `end`, also after an error: on_room follows, always, at once or after a pause
 * from the last refusal.  Any thread. */
void lf_preparer_request(struct lf_preparer *preparer, uint64_t end);
/* The same of the one thread that opens epochs, when the next one does not fit: none is open, none
 * will be before room reaches `end`, and nothing from `from` on is used until then.  If there is no
 * room to be had, that is given back. */
void lf_preparer_await(struct lf_preparer *preparer, uint64_t from, uint64_t end);
/* The log has given space back: what was refused is tried again at once. */
void lf_preparer_retry(struct lf_preparer *preparer);
/* The flusher, before it writes [from, to): waits for an overlapping chunk of zero-fill. */
void lf_preparer_claim(struct lf_preparer *preparer, uint64_t from, uint64_t to);
/* How much room is missing to what was asked for, and after which LSN.  Any thread; takes the lock
 * briefly. */
uint64_t lf_preparer_missing_bytes(struct lf_preparer *preparer, uint64_t *after_lsn);
/* Ends the task, waiting for one chunk or one allocation at most.  What others call may overlap. */
void lf_preparer_end(struct lf_preparer *preparer);
/* The same, and frees the rest.  Nothing else may overlap; has_room, room_error and claim may
 * follow. */
void lf_preparer_stop(struct lf_preparer *preparer);

#endif /* LF_PREPARER_H */
