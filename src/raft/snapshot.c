/* SPDX-License-Identifier: MIT */
/*
 * A snapshot's files are the base's.  When they are durable, the log gives up what they replace:
 *
 *     a snapshot of its own  the entries before those that are to trail it: a trim;
 *     one of the leader's    all that is there, and the next entry follows the snapshot: the mark says
 *                            from which LSN on records count, and trims to it, in one step.  On a full
 *                            disk too.
 *
 * A crash before that leaves a snapshot and a log that has not heard of it.  lf_raft_load does the second
 * then, if the log does not have the snapshot's last entry, by index and term.
 */
#include "raft/node.h"

static void finish(struct lf_raft *node, int status)
{
    struct raft_io_snapshot_put *put = node->put;

    node->put = NULL;
    if (!node->is_closing) {
        lf_raft_complete(node, logfile_durable_lsn(node->log));
        lf_raft_pump(node, false);
    }
    put->cb(put, status);
}

/* In the pool. */
static void trim(uv_work_t *work)
{
    struct lf_raft *node = work->data;

    if (!node->put_replaces) {
        node->trim_error =
            logfile_trim(node->log, node->trim_lsn) == LOGFILE_EFAILED ? RAFT_IOERR : 0;
        return;
    }
    /* Nothing is appended meanwhile, so the LSNs of what comes next are not below the durable one. */
    int error = logfile_sync(node->log, NULL);
    node->trim_error =
        error != 0 ? lf_raft_error(error)
                   : lf_raft_restart_log(node, logfile_durable_lsn(node->log), node->put_index + 1);
}

static void trimmed(uv_work_t *work, int status)
{
    struct lf_raft *node = work->data;
    uint64_t next = lf_raft_lsns_next(&node->lsns);

    (void)status; /* It is not cancelled. */
    node->is_trimming = false;
    if (node->trim_error != 0)
        (void)lf_raft_say(node, node->trim_error, "the log could not be trimmed after a snapshot");
    if (node->trim_error == 0 && !node->put_replaces) {
        raft_index kept = node->put_index - node->put_trailing + 1;
        lf_raft_lsns_drop(&node->lsns, kept < next ? kept : next);
    }
    finish(node, node->trim_error);
    lf_raft_close_next(node);
}

static void start_trim(struct lf_raft *node)
{
    node->is_trimming = true;
    node->trim_work.data = node;
    uv_queue_work(node->loop, &node->trim_work, trim, trimmed);
}

static void stored(struct raft_io_snapshot_put *base_put, int status)
{
    struct lf_raft *node = base_put->data;

    if (status != 0 && node->put_replaces && !node->is_closing) {
        /* libraft has forgotten its log, and takes the snapshot for stored. */
        (void)lf_raft_say(node, status, "the leader's snapshot could not be stored: %.150s",
                          node->base->errmsg);
        node->is_failed = true;
    } else if (status == 0 && node->is_closing) {
        status = RAFT_CANCELED;
    } else if (status == 0 && node->put_replaces) {
        start_trim(node);
        return;
    } else if (status == 0 && node->put_index > node->put_trailing) {
        raft_index kept = node->put_index - node->put_trailing + 1;
        uint64_t durable_lsn = logfile_durable_lsn(node->log);
        uint64_t lsn = lf_raft_lsns_has(&node->lsns, kept) ? lf_raft_lsns_get(&node->lsns, kept).lsn
                                                           : durable_lsn;
        node->trim_lsn = lsn < durable_lsn ? lsn : durable_lsn;
        if (kept > node->lsns.first) {
            start_trim(node);
            return;
        }
    }
    finish(node, status);
}

int lf_raft_snapshot_put(struct raft_io *io, unsigned trailing,
                         struct raft_io_snapshot_put *request, const struct raft_snapshot *snapshot,
                         raft_io_snapshot_put_cb cb)
{
    struct lf_raft *node = io->impl;

    if (node->is_closing)
        return RAFT_CANCELED;
    if (node->is_failed)
        return RAFT_IOERR;
    if (node->put != NULL)
        return lf_raft_say(node, RAFT_BUSY, "another snapshot is being stored");
    request->cb = cb;
    node->put = request;
    node->put_index = snapshot->index;
    node->put_trailing = trailing;
    /* One of the node's own, of which nothing is to trail it, is no reason to forget what follows. */
    node->put_replaces = trailing == 0 && lf_raft_term_at(node, snapshot->index) != snapshot->term;
    node->base_put.data = node;
    int error = node->base->snapshot_put(node->base, trailing, &node->base_put, snapshot, stored);
    if (error != 0) {
        node->put = NULL;
        return lf_raft_say(node, error, "%.200s", node->base->errmsg);
    }
    if (node->put_replaces) {
        lf_raft_replace_all(node, snapshot->index + 1);
        lf_raft_note_match(node, snapshot->index);
    }
    return 0;
}
