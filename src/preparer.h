/* SPDX-License-Identifier: MIT */
/*
 * Keeps two frontiers ahead of the log's end, off the commit path:
 *
 *   allocated  fallocate'd.  Hard: an epoch opens only where it fits below.
 *   written    filled with zeros.  Soft: a sync of written blocks needs no journal commit, which
 *              halves its time on ext4, but a stream at full bandwidth must not pay for it twice.
 *
 * No epoch is written into a range with a zero-fill in flight: the flusher claims a range before it
 * writes and waits for the one chunk (256 KiB at most) that overlaps; the preparer never starts a
 * chunk below what is claimed, and when it is overtaken it starts again well ahead.
 *
 * In a log of segments it creates them, or recycles released ones, whose blocks are written already;
 * there it runs with prepare = none too.
 */
#ifndef LF_PREPARER_H
#define LF_PREPARER_H

#include "store.h"

struct lf_preparer {
    struct lf_store *store;
    enum logfile_prepare mode;
    uint64_t prepare_bytes;
    uint64_t head;       /* where the log ended when this was started */
    uint64_t room_bytes; /* that are always kept allocated ahead */
    pthread_t thread;
    bool running;               /* W: start and stop, which nothing else may overlap */
    void *zeros;                /* one chunk of zeros */
    void (*on_room)(void *arg); /* preparer thread: `allocated` grew, or `room_error` changed */
    void *on_room_arg;
    void (*thread_start)(void *arg, enum logfile_thread role);
    void *thread_arg;

    /* W: preparer.  R: any (acquire). */
    uint64_t allocated; /* end of what is allocated; one file, prepare = none: of what could be */
    uint32_t
        room_error; /* 0, or the errno (ENOSPC, EMFILE, ...) that stopped it; one file, prepare =
                            none: EFBIG, all along */

    /* Under lock. */
    pthread_mutex_t lock;
    pthread_cond_t work;       /* for the preparer: claimed moved, room was asked for, stop */
    pthread_cond_t chunk_done; /* for the flusher */
    uint64_t claimed;          /* epochs are, or are about to be, written below */
    uint64_t wanted;           /* somebody needs `allocated` to reach this */
    uint64_t written_from;     /* [written_from, written_to): zero-filled and not yet claimed */
    uint64_t written_to;
    uint64_t chunk_from; /* [chunk_from, chunk_to): a write in flight; empty: none */
    uint64_t chunk_to;
    uint64_t recycled_from; /* [recycled_from, recycled_to): written before, with stale epochs */
    uint64_t recycled_to;
    bool retry; /* somebody needs room although room_error is set */
    bool stop;
    uint64_t wake_at; /* the preparer sleeps, but not past this value of claimed */

    /* The preparer's own. */
    bool can_allocate;         /* false after -EOPNOTSUPP: allocate by writing zeros */
    bool filling;              /* on the way to the target, not waiting to fall below its half */
    bool stream_is_fast;       /* the rate, when last measured, leaves no time for zeros */
    unsigned unsynced_count;   /* chunks since the last sync, the first of which */
    uint64_t batch_from;       /* began here, and they end */
    uint64_t batch_to;         /* here; it began */
    uint64_t batch_begin_ns;   /* at this time */
    uint64_t zero_bytes_per_s; /* what writing and syncing zeros has got lately; 0: not known */
    uint64_t grow_again_at;    /* after a full disk: the value of claimed to try again at */
    uint64_t back_off_ns;
    uint64_t rate_mark_ns; /* when, and at which value of claimed, measuring began */
    uint64_t rate_mark;

    uint64_t zero_fill_bytes; /* W: preparer (fetch-add).  R: stats. */
    uint64_t zero_fill_waits; /* W: flusher (fetch-add).  R: stats. */
};

/* What a preparer is started with. */
struct lf_preparer_config {
    enum logfile_prepare mode;
    uint64_t prepare_bytes;
    uint64_t head; /* where the next epoch goes */
    uint64_t room; /* bytes from head to be allocated before this returns */
    void (*on_room)(void *arg);
    void *on_room_arg;
    void (*thread_start)(void *arg, enum logfile_thread role);
    void *thread_arg;
};

/* Allocates the first bytes in the calling thread, then starts the thread (none for one file with
 * prepare = none).  0, -ENOSPC, -EFBIG (the log would reach beyond lf_layout_end_lsn), -ENOMEM, or
 * -errno. */
int lf_preparer_start(struct lf_preparer *preparer, struct lf_store *store,
                      const struct lf_preparer_config *config);
/* Whether everything below `end` is allocated.  Any thread, never blocks. */
bool lf_preparer_has_room(const struct lf_preparer *preparer, uint64_t end);
/* 0, or -ENOSPC and the like: why there is no room, where there is none.  Any thread, never blocks. */
int lf_preparer_room_error(const struct lf_preparer *preparer);
/* Ask for room up to `end`, also after an error: on_room follows, always.  Any thread.  Asking
 * again from on_room while room_error stands would try a full disk without a pause. */
void lf_preparer_request(struct lf_preparer *preparer, uint64_t end);
/* The flusher, before it writes [from, to): waits for an overlapping chunk of zero-fill. */
void lf_preparer_claim(struct lf_preparer *preparer, uint64_t from, uint64_t to);
/* Ends the thread, waiting for one chunk or one allocation at most.  Nothing else may overlap;
 * has_room, room_error and claim may follow. */
void lf_preparer_stop(struct lf_preparer *preparer);

#endif /* LF_PREPARER_H */
