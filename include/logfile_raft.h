/* SPDX-License-Identifier: MIT */
/*
 * logfile_raft.h - a logfile as the disk of libraft, the Raft engine (Debian's libraft-dev).
 *
 * libraft takes its disk and its network as a table of operations, struct raft_io.  raft_uv_init fills
 * one in that does all of it.  logfile_raft_init fills in another one, which asks the first for its
 * network, its timers and its files of snapshots, and keeps log, term and vote in a logfile:
 *
 *     raft_uv_init(&base, loop, directory, &transport);
 *     logfile_raft_init(&io, loop, path, &base, NULL);      // the line that is new
 *     raft_init(&raft, &io, &fsm, id, address);
 *     ...
 *     raft_close(&raft, closed);                            // and when that has been called:
 *     logfile_raft_close(&io);
 *     raft_uv_close(&base);
 *
 * Nothing else of a program changes: it sets up `base` with the raft_uv_set_... functions, and never
 * hands it to raft_init.
 *
 * Every entry is a record; the entries of an append go into the log together, and its callback is called
 * when they are durable.  Entries that are cut off are not overwritten: a record says from which index
 * on those before it count no more.  It goes with the entries that replace them, so that costs no sync.
 * Term and vote are what logfile_mark keeps.  docs/RAFT.md has the whole of it.
 *
 * A full disk.  A leader's append is refused with RAFT_NOSPACE, and nothing of it is kept; raft_apply
 * returns that.  A follower keeps what it has been given until there is room, refuses what comes
 * meanwhile, and stays a follower: it votes, it takes snapshots, and it goes on by itself.
 *
 * A disk that fails.  The first write or sync that fails is the last: what is not durable by then is
 * failed with RAFT_IOERR, and the node steps down, to RAFT_UNAVAILABLE.  raft_io.errmsg says what it was.
 * To go on, close the node and start it again.
 *
 * Threads.  As everything of libraft, all calls are made by the thread that runs the loop.  The log has
 * threads of its own, which call nothing here; trims and closing run in libuv's pool.
 */
#ifndef LOGFILE_RAFT_H
#define LOGFILE_RAFT_H

#include "logfile.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default) /* the library hides everything else */

struct raft_io;   /* raft.h */
struct uv_loop_s; /* uv.h */

/* A zeroed struct, or NULL in its place, means every default. */
struct logfile_raft_options {
    /* NULL, or how the log is opened; copied.  replay, replay_mark, replay_arg and replay_from belong to
     * this library and are zero.  An entry fits into a slot, less 24 bytes: all nodes take the same
     * slot_bytes. */
    const struct logfile_options *log;
    uint64_t
        waiting_bytes;    /* of entries that wait for room in the log, before others are refused; 0:
                               64 MiB */
    uint64_t reserved[6]; /* must be zero */
};

/*
 * Fills in the table of operations that raft_init takes.
 *
 * io:       to be filled in; not moved, and not freed before logfile_raft_close.
 * loop:     the loop that runs the node; the one of `base`.
 * path:     of the log, as logfile_open; copied.  It is opened or created by raft_init, or by whatever
 *           calls io->init.  Not a name that libraft gives to files in its directory: "raft.log" is none.
 * base:     another table, filled in but not initialised, valid until logfile_raft_close: raft_uv_init
 *           makes one.  Of its operations these are used: init, close, start, load (the snapshot alone),
 *           send, snapshot_put, snapshot_get, time, random, async_work.  Its `data` is overwritten.
 * options:  NULL for every default; copied.
 * Returns:  0.
 * Errors:   those of raft.h: RAFT_INVALID (a NULL, a reserved field or replay that is not zero),
 *           RAFT_NOMEM.
 *           What raft_init returns of opening the log is in io->errmsg, with the index and the LSN if
 *           something is wrong there: RAFT_CORRUPT (a damaged log; a gap between indices; a term that
 *           goes back, or is above the node's; entries that are cut off beyond the end; a snapshot that
 *           is missing), RAFT_MALFORMED (no log, or not one of a Raft node), RAFT_BUSY (open elsewhere),
 *           RAFT_INVALID (options that the log was not made with), RAFT_NOSPACE, RAFT_NOMEM, RAFT_IOERR.
 *           None of them has changed the log.  raft_start returns RAFT_INVALID if `base` has a log or a
 *           term of its own: that is another node's state, or this one's before it had a logfile.
 * Threads:  that of the loop.
 * Blocking: no; opening the log reads it once.
 */
int logfile_raft_init(struct raft_io *io, struct uv_loop_s *loop, const char *path,
                      struct raft_io *base, const struct logfile_raft_options *options);

/*
 * Frees what logfile_raft_init has allocated.
 *
 * io:       filled in by logfile_raft_init; raft_init has not been called, or has failed, or raft_close
 *           has called back.
 * Threads:  that of the loop.  Blocking: no.
 */
void logfile_raft_close(struct raft_io *io);

/*
 * The log itself, for logfile_stats, logfile_describe and the like.  It is not to be written to, trimmed
 * or closed.
 *
 * io:       as logfile_raft_close.
 * Returns:  the log, from raft_init until raft_close; else NULL.
 * Threads:  that of the loop.  Blocking: no.
 */
struct logfile *logfile_raft_log(struct raft_io *io);

/* How the disk of a node is. */
struct logfile_raft_state {
    uint64_t term;
    uint64_t vote;            /* the server that got it in this term; 0: none */
    uint64_t first_index;     /* of the log; next_index if it is empty */
    uint64_t next_index;      /* that the next entry gets */
    uint64_t waiting_entries; /* that have no place in the log yet, for want of room, */
    uint64_t waiting_bytes;   /* and what is in them */
    int32_t refused; /* the error that the log refuses entries with, -ENOSPC say; 0: it does not */
    uint32_t failed; /* 1: for good; raft_io.errmsg says why */
    uint64_t refused_appends;  /* of a leader, since raft_init, */
    uint64_t refused_messages; /* and of entries for a follower */
    uint64_t reserved[6];      /* zero */
};

/*
 * Tells how the disk of a node is.
 *
 * io:       as logfile_raft_close.
 * out, size: receives it; `size` is sizeof *out.
 * Returns:  0.
 * Errors:   RAFT_INVALID.
 * Threads:  that of the loop.  Blocking: no.
 */
int logfile_raft_state(struct raft_io *io, struct logfile_raft_state *out, size_t size);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* LOGFILE_RAFT_H */
