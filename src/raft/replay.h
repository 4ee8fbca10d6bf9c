/* SPDX-License-Identifier: MIT */
/*
 * What a node's log says, as it is opened: the entries that count, with their LSNs, and the mark.
 *
 * Entries lie in batches, as libraft wants them: a batch is freed when none of its entries is left, and
 * neighbours share one.
 */
#ifndef LF_RAFT_REPLAY_H
#define LF_RAFT_REPLAY_H

#include "raft/lsns.h"
#include "raft/record.h"

#include "logfile.h"

struct lf_raft_replay {
    struct lf_raft_mark mark;
    bool has_mark;
    struct raft_entry *entries; /* raft_malloc'ed; lsns.count of them */
    size_t capacity;
    struct lf_raft_lsns lsns; /* of each, and the index of the first */
    bool has_begun;           /* lsns.first says where the log starts */
    bool is_stale;            /* there are records, and none counts: the next entry cuts them off */
    char *batch;              /* that the last entries are in; NULL: they have filled it */
    size_t batch_used, batch_size;
    int error;      /* of raft.h: what the records are refused with */
    char text[200]; /* and why */
};

void lf_raft_replay_init(struct lf_raft_replay *replay);
/* Frees everything but what has been taken. */
void lf_raft_replay_free(struct lf_raft_replay *replay);

/* logfile_options.replay and .replay_mark; `arg` is the replay. */
int lf_raft_replay_record(void *arg, const struct logfile_record *record);
int lf_raft_replay_mark(void *arg, const void *data, size_t size, uint64_t *from);

/* Opened: the log of a node that was about to be bootstrapped when it died has one entry and no mark, and
 * is as good as new; any other without a mark is refused.  0, or an error of raft.h, and `text`. */
int lf_raft_replay_end(struct lf_raft_replay *replay);

/* One entry more, at the end. */
int lf_raft_replay_add(struct lf_raft_replay *replay, const struct lf_raft_head *head,
                       const void *data, size_t size, uint64_t lsn);
/* Entries from `index` on are gone. */
void lf_raft_replay_cut(struct lf_raft_replay *replay, raft_index index);

#endif /* LF_RAFT_REPLAY_H */
