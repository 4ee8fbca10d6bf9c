/* SPDX-License-Identifier: MIT */
/*
 * A node's disk: what it is made of, and the queue through which entries go into the log.
 *
 * The queue holds what libraft has asked for and has not been answered, in the order in which it asked:
 *
 *     head                              unwritten                        tail
 *     [ append ] -> [ cut ] -> [ append ] -> [ append, a part ] -> [ cut ]
 *     in the log, not durable yet            not in the log yet
 *
 * pump() moves `unwritten` towards the tail, as far as the log has room, many operations in a batch; a cut
 * at the tail waits for the append that follows it, so that both go with the same sync.  The log's event
 * tells how far it is durable; complete() answers from the head.
 *
 * Answers that an append has failed come from the tail: libraft takes back the entries of the one that has
 * failed and all after them, and would take back twice what it hears of from the front.  The append of
 * entries that have been cut off since is never answered with a failure: libraft would take back what has
 * come in their place.
 *
 * What libraft was told to be accepted is not refused later: it would go on with a log in memory that the
 * disk does not have.  So what is to be refused for want of room is refused at once, or, of a follower,
 * before libraft sees it (lf_raft_receive).
 */
#ifndef LF_RAFT_NODE_H
#define LF_RAFT_NODE_H

#include "raft/replay.h"

#include "logfile_raft.h"

#include <uv.h>

enum {
    LF_RAFT_BATCH_BYTES = 1 << 20 /* a larger entry goes alone, without being copied together */
};

struct lf_raft_operation {
    struct lf_raft_operation *next, *previous;
    struct raft_io_append *request;   /* NULL: a cut */
    const struct raft_entry *entries; /* libraft keeps them until the answer */
    unsigned count, written;
    raft_index index; /* of the first one; of a cut: from where on */
    uint64_t lsn;     /* of the last record that is in the log; 0: none is */
    bool is_gone;     /* all of its entries have been cut off, or replaced by a snapshot */
};

struct lf_raft {
    struct raft_io *io, *base;
    uv_loop_t *loop;
    char *path;
    struct logfile_options log_options;
    uint64_t waiting_bytes_max;
    struct logfile *log;          /* from init until closed */
    struct lf_raft_replay replay; /* until load */
    bool is_loaded;

    /* Term, vote and start: what the mark has, or is getting.  The pool's thread changes them too. */
    uv_mutex_t mark_lock;
    struct lf_raft_mark mark;

    struct lf_raft_lsns lsns; /* of what is in the log */
    raft_index next_index;    /* of what comes next, after the queue */
    struct lf_raft_operation *head, *tail, *unwritten;
    uint64_t waiting_entries, waiting_bytes; /* in `unwritten` and after it */
    char *batch;
    size_t batch_bytes; /* of a batch at most, as logfile_submit_batch counts them */

    int refused;    /* what the log refuses records with, until it takes one */
    bool is_failed; /* for good */
    bool has_stepped_down;
    uint64_t refused_appends, refused_messages;

    uv_poll_t poll; /* of the log's event descriptor */
    raft_io_tick_cb tick;
    raft_io_recv_cb receive;
    bool is_receiving_entries; /* what is appended is a follower's */
    /* Up to where a leader's message that is being received reaches; and up to where the log is known to be
     * as that of the leader of the term `matched_term`: see send_message. */
    raft_term received_term;
    raft_index received_reach;
    raft_term matched_term;
    raft_index matched;

    struct raft_io_snapshot_put *put; /* libraft's, one at a time */
    struct raft_io_snapshot_put base_put;
    raft_index put_index;
    unsigned put_trailing;
    bool put_replaces; /* all that is in the log */
    uv_work_t trim_work;
    bool is_trimming;
    uint64_t trim_lsn;
    int trim_error;

    bool is_closing, poll_is_closed, base_is_closed, is_shutting_down;
    uv_work_t close_work;
    uint64_t closed_lsn; /* durable when the log was closed */
    raft_io_close_cb close_cb;
};

/* ---- queue.c ---- */

int lf_raft_append(struct raft_io *io, struct raft_io_append *request,
                   const struct raft_entry entries[], unsigned count, raft_io_append_cb cb);
int lf_raft_truncate(struct raft_io *io, raft_index index);
/* Puts what waits into the log, as far as there is room; `all`: also a cut that nothing follows. */
void lf_raft_pump(struct lf_raft *node, bool all);
/* Answers what is durable below an LSN. */
void lf_raft_complete(struct lf_raft *node, uint64_t durable_lsn);
/* Answers all that is left, from the end, with an error of raft.h. */
void lf_raft_fail_all(struct lf_raft *node, int error);
/* Of an entry in the log or in the queue; 0: there is none of that index. */
raft_term lf_raft_term_at(const struct lf_raft *node, raft_index index);
/* A snapshot is to replace all that is in the log and in the queue: the next entry has this index. */
void lf_raft_replace_all(struct lf_raft *node, raft_index next_index);
/* Whether no more entries are taken from a leader for now. */
bool lf_raft_is_choked(const struct lf_raft *node);
/* A cut that goes with the next entry. */
int lf_raft_queue_cut(struct lf_raft *node, raft_index index);

/* ---- snapshot.c ---- */

int lf_raft_snapshot_put(struct raft_io *io, unsigned trailing,
                         struct raft_io_snapshot_put *request, const struct raft_snapshot *snapshot,
                         raft_io_snapshot_put_cb cb);

/* ---- mark.c ---- */

int lf_raft_set_term(struct raft_io *io, raft_term term);
int lf_raft_set_vote(struct raft_io *io, raft_id server);
/* Records below `lsn`, which is durable, count no more, and the first one from there on is of `index`;
 * trims to it.  In any thread.  An error of raft.h. */
int lf_raft_restart_log(struct lf_raft *node, uint64_t lsn, raft_index index);

/* ---- node.c ---- */

/* Sets io->errmsg, and returns `error`. */
__attribute__((format(printf, 3, 4))) int lf_raft_say(struct lf_raft *node, int error,
                                                      const char *format, ...);
/* The log is as that of the current leader's up to there. */
void lf_raft_note_match(struct lf_raft *node, raft_index index);
/* The disk has failed. */
void lf_raft_step_down(struct lf_raft *node);
/* Closing goes on, if nothing holds it up. */
void lf_raft_close_next(struct lf_raft *node);

/* ---- load.c ---- */

/* With all that it holds; NULL: nothing. */
void lf_raft_free_snapshot(struct raft_snapshot *snapshot);
int lf_raft_open(struct lf_raft *node);
int lf_raft_load(struct raft_io *io, raft_term *term, raft_id *vote,
                 struct raft_snapshot **snapshot, raft_index *start_index,
                 struct raft_entry *entries[], size_t *count);
int lf_raft_bootstrap(struct raft_io *io, const struct raft_configuration *configuration);
int lf_raft_recover(struct raft_io *io, const struct raft_configuration *configuration);

#endif /* LF_RAFT_NODE_H */
