/* SPDX-License-Identifier: MIT */
/*
 * Term and vote are in the log's mark, not in records.  A mark is written without a free byte on the disk,
 * so a node whose disk is full can still vote and learn of a new term; it waits for no append that is
 * under way; and no trim has to carry it along.
 */
#include "raft/node.h"

/* The lock is held.  What giving back space fails with says nothing of the mark: that is durable. */
static int write_mark(struct lf_raft *node, uint64_t lsn)
{
    int error = logfile_mark(node->log, lsn, &node->mark, sizeof node->mark);

    if (error == LOGFILE_EFAILED || error == LOGFILE_EFORKED || error == LOGFILE_ETOOBIG)
        return RAFT_IOERR;
    return 0;
}

static int set_vote_of_term(struct lf_raft *node, raft_term term, raft_id vote)
{
    uv_mutex_lock(&node->mark_lock);
    node->mark.term = term;
    node->mark.vote = vote;
    int error = write_mark(node, 0);
    uv_mutex_unlock(&node->mark_lock);
    if (error != 0)
        return lf_raft_say(node, error, "term %llu and vote %llu could not be stored", term, vote);
    return 0;
}

int lf_raft_set_term(struct raft_io *io, raft_term term)
{
    struct lf_raft *node = io->impl;

    if (node->is_failed)
        return RAFT_IOERR;
    if (term < node->mark.term)
        return lf_raft_say(node, RAFT_INVALID, "term %llu is below term %llu", term,
                           (raft_term)node->mark.term);
    return set_vote_of_term(node, term, 0);
}

int lf_raft_set_vote(struct raft_io *io, raft_id server)
{
    struct lf_raft *node = io->impl;

    if (node->is_failed)
        return RAFT_IOERR;
    return set_vote_of_term(node, node->mark.term, server);
}

int lf_raft_restart_log(struct lf_raft *node, uint64_t lsn, raft_index index)
{
    uv_mutex_lock(&node->mark_lock);
    node->mark.start_lsn = lsn;
    node->mark.start_index = index;
    int error = write_mark(node, lsn);
    uv_mutex_unlock(&node->mark_lock);
    return error;
}
