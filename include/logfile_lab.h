/* SPDX-License-Identifier: MIT */
/*
 * logfile_lab.h - parts of a log that can be exchanged for others, one at a time, so that each can be
 * measured by itself.  A program that only wants a log needs none of it.
 *
 *     struct logfile_lab lab = {.engine = LOGFILE_ENGINE_MUTEX};
 *     struct logfile_options options = {.lab = &lab};
 *
 * Nothing of it is stored in the file: any choice opens any log.  But for LOGFILE_CHECKSUM_HEADER and
 * LOGFILE_SYNC_NONE the promises are the same under each; what differs is who flushes.
 *
 * A submitted record becomes durable without another call, except under the leader flusher and the
 * mutex engine: there by the next wait, sync, shutdown or full buffer of a call that may wait.  Under
 * the serial engine it is durable on return.
 *
 * A call whose deadline has passed when it begins never sleeps and never touches the device, under
 * every engine.  So under the leader flusher and the mutex engine it flushes nothing, and to the serial
 * engine, which has no other way to take a record, it appends nothing: -ETIMEDOUT.  (A lock that
 * `reserve` asks for, or under which room is asked for on a full disk, it takes all the same.)
 *
 * Where the device hangs, a call with a deadline to come is back in time
 *   ring, hybrid and sequencer flushers  always.  It never flushes itself.
 *   ring, leader flusher; mutex engine   unless it flushes itself, for then the device holds it.
 *                logfile_append_until, logfile_wait, logfile_sync and logfile_shutdown do so when
 *                no other thread is flushing, logfile_submit only for room in a full buffer.
 *   serial engine  if it is logfile_wait or logfile_sync.  The others wait for the device, and for
 *                each other.
 * A call that was held returns what came of it, also 0, whatever its deadline was.
 *
 * The ring with its hybrid or sequencer flusher makes a submitted record durable without another call, and
 * so does the serial engine, which knows nothing else.  Under the leader flusher and the mutex
 * engine the callers flush: an event descriptor tells what they have flushed, and submits are not
 * enough.  Reservations (logfile_reserve) are the ring's alone.  Only the ring has -EAGAIN: the others return
 * -ETIMEDOUT, not written, in its place.
 */
#ifndef LOGFILE_LAB_H
#define LOGFILE_LAB_H

#include "logfile.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default) /* the library hides everything else */

/* How appends become durable. */
enum logfile_engine {
    LOGFILE_ENGINE_RING = 0, /* lock-free group commit: reserve by fetch-add, flip by swap */
    LOGFILE_ENGINE_MUTEX,    /* group commit the classic way: one mutex, two buffers, broadcast */
    LOGFILE_ENGINE_SERIAL    /* one write and one sync per record, under a mutex: the floor */
};

/* How ring writers take space. */
enum logfile_reserve_policy {
    LOGFILE_RESERVE_FAA = 0, /* one atomic fetch-add */
    LOGFILE_RESERVE_CAS,     /* a compare-and-swap loop, which adds nothing to a full head */
    LOGFILE_RESERVE_TICKET,  /* under Concurrency Kit's ticket lock, for at most 65,535 threads */
    LOGFILE_RESERVE_MCS,     /* under Concurrency Kit's MCS queue lock */
    LOGFILE_RESERVE_MUTEX    /* under a pthread mutex */
};

/* Who writes and syncs for the ring. */
enum logfile_flusher {
    LOGFILE_FLUSHER_HYBRID = 0, /* a waiting writer if that saves a thread hop, else the thread */
    LOGFILE_FLUSHER_SEQUENCER,  /* always the sequencer thread */
    LOGFILE_FLUSHER_LEADER      /* always a waiting writer; there is no sequencer thread */
};

/* How ring writers wait. */
enum logfile_wait_strategy {
    LOGFILE_WAIT_ADAPTIVE = 0, /* where a flush is shorter than waking all that wait for it, and
                                  processors are free, look again and again, yielding in between;
                                  else, and after that, sleep */
    LOGFILE_WAIT_BLOCK,        /* sleep at once */
    LOGFILE_WAIT_SPIN          /* for durability, never sleep: yield until it is there */
};

enum logfile_checksum {
    LOGFILE_CHECKSUM_FULL = 0, /* CRC32C over header and payload */
    LOGFILE_CHECKSUM_HEADER /* over the header only.  UNSAFE: torn payloads of a crash, and rotten
                                  ones, go unnoticed */
};

/* Of logfile_lab.sync.  UNSAFE: never syncs, promises nothing. */
#define LOGFILE_SYNC_NONE 3u

/* variant_flags */
#define LOGFILE_VARIANT_CHECKSUM_FIRST 0x1u /* mutex: payloads are checksummed before the lock */
#define LOGFILE_VARIANT_WAKE_PER_EPOCH 0x2u /* mutex: a flush wakes only its own epoch's waiters */
#define LOGFILE_VARIANT_NO_GATHER 0x4u /* ring: a flush does not wait for writers to come back */
#define LOGFILE_VARIANT_WAKE_TREE                                                                  \
    0x8u /* ring: a flush wakes some of its waiters, and each of them some
                                          of the others */

#define LOGFILE_SHARDS_PER_CORE 0xffffffffu /* publish_shards */

/* Tables of functions that only the library's own sources declare: its src/lab/plugin.h says how to
 * make one, for the very version that is linked. */
struct lf_engine;
struct lf_reserve_policy;

/* logfile_options.lab.  A zeroed struct, or NULL in its place, means every default; a value that is
 * not one of these is -EINVAL from logfile_open. */
struct logfile_lab {
    uint32_t engine;         /* enum logfile_engine */
    uint32_t reserve;        /* enum logfile_reserve_policy */
    uint32_t flusher;        /* enum logfile_flusher */
    uint32_t wait;           /* enum logfile_wait_strategy */
    uint32_t sync;           /* 0: as logfile_options.sync says; else LOGFILE_SYNC_NONE, or an enum
                                logfile_sync, in its place */
    uint32_t checksum;       /* enum logfile_checksum */
    uint32_t variant_flags;  /* LOGFILE_VARIANT_* */
    uint32_t publish_shards; /* counters of a slot that ring writers publish into, each on lines of
                                its own: a power of two up to 256, or LOGFILE_SHARDS_PER_CORE: one
                                for each processor that runs, rounded up; 0: 8 */
    uint32_t slot_count;     /* buffers; power of two, 2 to 64; 0: 2 */
    uint32_t stage_sample_every; /* time the stages of one append in so many, drawn at random, for
                                    logfile_lab_stats; 0: of none.  Only of calls that wait until
                                    their record is durable */
    void *(*ring_alloc)(void *arg, size_t bytes); /* zeroed, 4 KiB-aligned; NULL: mmap */
    void (*ring_free)(void *arg, void *memory, size_t bytes);
    void *ring_arg;
    /* An engine, or a reservation policy of the ring, of the caller's own, which outlives the log; NULL:
     * as `engine` and `reserve` say.  Not both, and where one is given `engine` and, with a policy,
     * `reserve` must be 0. */
    const struct lf_engine *own_engine;
    const struct lf_reserve_policy *own_reserve;
    uint64_t reserved[10]; /* must be zero */
};

/* The stages of one append, from call to return. */
enum logfile_stage {
    LOGFILE_STAGE_CHECKSUM = 0, /* of the payload */
    LOGFILE_STAGE_RESERVE,      /* until it has its place; under mutex and serial, until the lock */
    LOGFILE_STAGE_COPY,         /* record encoded and published */
    LOGFILE_STAGE_FLIP,         /* until its epoch was sealed */
    LOGFILE_STAGE_WRITE,        /* late publishes of the epoch, a zero-fill in its way, its write */
    LOGFILE_STAGE_SYNC,         /* the sync; next to nothing where the write syncs itself */
    LOGFILE_STAGE_WAKE,         /* until the append was about to return */
    LOGFILE_STAGE_COUNT
};

/* Of logfile_lab_stats.engine: an engine of the caller's own. */
#define LOGFILE_ENGINE_OWN 0xffffffffu

struct logfile_lab_stats {
    uint32_t engine;         /* enum logfile_engine, or LOGFILE_ENGINE_OWN */
    uint32_t slot_count;     /* what the log has: never 0 */
    uint32_t publish_shards; /* the same */
    uint32_t reserved_32;
    /* Of the appends that stage_sample_every picked, as many in each; their sums add up to the time
     * that those appends took. */
    struct logfile_histogram stage_ns[LOGFILE_STAGE_COUNT];
};

/*
 * Copies what logfile_stats does not tell.
 *
 * out, size: receives it; `size` is the size of *out that the caller was compiled with.  What this
 *           version does not know of it is zeroed.
 * Returns:  0.
 * Errors:   -EINVAL (NULL log or out), LOGFILE_EFORKED.
 * Threads:  any.
 * Blocking: no, also while the device hangs.
 * Progress: wait-free; no system call.
 */
int logfile_lab_stats(struct logfile *log, struct logfile_lab_stats *out, size_t size);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* LOGFILE_LAB_H */
