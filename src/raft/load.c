/* SPDX-License-Identifier: MIT */
/* What a node starts with. */
#include "raft/node.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The node's own copies of term, start and places follow the replay's. */
static void adopt_replay(struct lf_raft *node)
{
    node->mark = node->replay.mark;
    node->next_index = lf_raft_lsns_next(&node->replay.lsns);
}

int lf_raft_open(struct lf_raft *node)
{
    struct logfile_options options = node->log_options;
    struct logfile_open_report report;
    struct lf_raft_replay *replay = &node->replay;

    lf_raft_replay_init(replay);
    options.replay = lf_raft_replay_record;
    options.replay_mark = lf_raft_replay_mark;
    options.replay_arg = replay;
    int error = logfile_open(node->path, &options, &report, &node->log);
    if (error != 0) {
        uint64_t last = lf_raft_lsns_next(&replay->lsns) - 1;
        if (replay->text[0] != '\0')
            error = lf_raft_say(node, replay->error, "%s", replay->text);
        else if (error == LOGFILE_ECORRUPT && replay->lsns.count > 0)
            error =
                lf_raft_say(node, RAFT_CORRUPT, "after index %" PRIu64 " at LSN %" PRIu64 ": %s",
                            last, lf_raft_lsns_get(&replay->lsns, last).lsn, report.message);
        else
            error = lf_raft_say(node, lf_raft_error(error), "%s", report.message);
        lf_raft_replay_free(replay);
        return error;
    }
    error = lf_raft_replay_end(replay);
    if (error != 0) {
        (void)lf_raft_say(node, error, "%s", replay->text);
        logfile_close(node->log);
        node->log = NULL;
        lf_raft_replay_free(replay);
        return error;
    }
    adopt_replay(node);
    size_t most = logfile_record_max(node->log) + 8;
    node->batch_bytes = most < LF_RAFT_BATCH_BYTES ? most : LF_RAFT_BATCH_BYTES;
    return 0;
}

/* ---------------------------------------------------------------------------------------------
 * The snapshot.
 */

void lf_raft_free_snapshot(struct raft_snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    raft_configuration_close(&snapshot->configuration);
    for (unsigned i = 0; i < snapshot->n_bufs; i++)
        raft_free(snapshot->bufs[i].base);
    raft_free(snapshot->bufs);
    raft_free(snapshot);
}

static int load_snapshot(struct lf_raft *node, struct raft_snapshot **snapshot)
{
    raft_term term = 0;
    raft_id vote = 0;
    raft_index start_index = 1;
    struct raft_entry *entries = NULL;
    size_t count = 0;
    int error =
        node->base->load(node->base, &term, &vote, snapshot, &start_index, &entries, &count);

    if (error != 0)
        return lf_raft_say(node, error, "%.200s", node->base->errmsg);
    if (term == 0 && count == 0)
        return 0;
    lf_raft_free_entries(entries, count);
    lf_raft_free_snapshot(*snapshot);
    *snapshot = NULL;
    return lf_raft_say(
        node, RAFT_INVALID,
        "beside the log there is one of libraft's own, of term %llu with %zu entries", term, count);
}

/* Brings the log in line with a snapshot, NULL: none, of the last index and term that it replaces. */
static int follow_snapshot(struct lf_raft *node, const struct raft_snapshot *snapshot)
{
    struct lf_raft_replay *replay = &node->replay;
    const uint64_t first = replay->lsns.first;
    const uint64_t next = lf_raft_lsns_next(&replay->lsns);
    const uint64_t first_lsn = replay->lsns.count > 0 ? lf_raft_lsns_get(&replay->lsns, first).lsn
                                                      : replay->mark.start_lsn;

    if (snapshot == NULL && first > 1)
        return lf_raft_say(node, RAFT_CORRUPT,
                           "the log starts with index %" PRIu64 " at LSN %" PRIu64
                           ", and there is no snapshot of what was before",
                           first, first_lsn);
    if (snapshot == NULL && replay->lsns.count > 0 && replay->entries[0].type != RAFT_CHANGE)
        return lf_raft_say(node, RAFT_MALFORMED,
                           "index 1 at LSN %" PRIu64 " is not a configuration", first_lsn);
    if (snapshot == NULL)
        return 0;
    if (snapshot->index + 1 < first)
        return lf_raft_say(node, RAFT_CORRUPT,
                           "the log starts with index %" PRIu64 " at LSN %" PRIu64
                           ", and the last snapshot ends with index %llu",
                           first, first_lsn, snapshot->index);
    if (snapshot->term > node->mark.term)
        return lf_raft_say(node, RAFT_CORRUPT,
                           "the snapshot of index %llu has term %llu, and the log knows of %" PRIu64
                           " only",
                           snapshot->index, snapshot->term, node->mark.term);
    if (snapshot->index + 1 == first ||
        (snapshot->index < next &&
         lf_raft_lsns_get(&replay->lsns, snapshot->index).term == snapshot->term))
        return 0;
    /* The leader's snapshot was stored, and the node died before the log heard of it. */
    int error = lf_raft_restart_log(node, logfile_durable_lsn(node->log), snapshot->index + 1);
    if (error != 0)
        return lf_raft_say(node, error,
                           "the log could not be restarted after the snapshot of index %llu",
                           snapshot->index);
    lf_raft_replay_cut(replay, first);
    replay->lsns.first = snapshot->index + 1;
    adopt_replay(node);
    return 0;
}

int lf_raft_load(struct raft_io *io, raft_term *term, raft_id *vote,
                 struct raft_snapshot **snapshot, raft_index *start_index,
                 struct raft_entry *entries[], size_t *count)
{
    struct lf_raft *node = io->impl;
    struct lf_raft_replay *replay = &node->replay;

    *snapshot = NULL;
    int error = load_snapshot(node, snapshot);
    if (error == 0)
        error = follow_snapshot(node, *snapshot);
    if (error != 0) {
        lf_raft_free_snapshot(*snapshot);
        *snapshot = NULL;
        return error;
    }
    *term = node->mark.term;
    *vote = node->mark.vote;
    *start_index = replay->lsns.first;
    *count = replay->lsns.count;
    *entries = NULL;
    if (*count > 0) {
        *entries = replay->entries;
        replay->entries = NULL;
        /* The batch is the entries', if any is in it. */
        if ((*entries)[*count - 1].batch == (void *)replay->batch)
            replay->batch = NULL;
    }
    node->lsns = replay->lsns;
    memset(&replay->lsns, 0, sizeof replay->lsns);
    raft_free(replay->batch);
    replay->batch = NULL;
    raft_free(replay->entries);
    replay->entries = NULL;
    node->is_loaded = true;
    return replay->is_stale ? lf_raft_queue_cut(node, 1) : 0;
}

/* ---------------------------------------------------------------------------------------------
 * The first configuration, and one that is forced.
 */

/* Appends a configuration as an entry, and waits until it is durable. */
static int append_configuration(struct lf_raft *node, raft_index index, raft_term term,
                                const struct raft_configuration *configuration)
{
    struct lf_raft_head cut = lf_raft_cut_head(index);
    struct raft_entry entry = {.term = term, .type = RAFT_CHANGE};
    struct iovec records[2] = {{.iov_base = &cut, .iov_len = sizeof cut}};
    uint64_t lsns[2];
    int error = raft_configuration_encode(configuration, &entry.buf);

    if (error != 0)
        return lf_raft_say(node, error, "a configuration that cannot be written down");
    struct lf_raft_head head = lf_raft_entry_head(&entry, index);
    char *record = malloc(sizeof head + entry.buf.len);
    if (record == NULL) {
        raft_free(entry.buf.base);
        return lf_raft_say(node, RAFT_NOMEM, "no memory for a configuration");
    }
    memcpy(record, &head, sizeof head);
    memcpy(record + sizeof head, entry.buf.base, entry.buf.len);
    records[1] = (struct iovec){.iov_base = record, .iov_len = sizeof head + entry.buf.len};
    error = logfile_submit_batch(node->log, records, 2, NULL, lsns);
    if (error == 0)
        error = logfile_wait(node->log, lsns[1], NULL);
    if (error == 0)
        error = lf_raft_replay_add(&node->replay, &head, entry.buf.base, entry.buf.len, lsns[1]);
    raft_free(entry.buf.base);
    free(record);
    if (error == 0) {
        node->replay.is_stale = false;
        node->next_index = index + 1;
        return 0;
    }
    return lf_raft_say(node, lf_raft_error(error), "the configuration could not be stored: %s",
                       logfile_strerror(error));
}

/* The entry comes first: if the node dies before it has a term, it is as good as new. */
int lf_raft_bootstrap(struct raft_io *io, const struct raft_configuration *configuration)
{
    struct lf_raft *node = io->impl;

    if (node->mark.term != 0 || node->replay.lsns.count > 0)
        return lf_raft_say(node, RAFT_CANTBOOTSTRAP, "the log has term %" PRIu64 " and %zu entries",
                           node->mark.term, node->replay.lsns.count);
    int error = append_configuration(node, 1, 1, configuration);
    return error == 0 ? lf_raft_set_term(io, 1) : error;
}

int lf_raft_recover(struct raft_io *io, const struct raft_configuration *configuration)
{
    struct lf_raft *node = io->impl;
    struct raft_snapshot *snapshot = NULL;
    int error = load_snapshot(node, &snapshot);

    if (error == 0)
        error = follow_snapshot(node, snapshot);
    lf_raft_free_snapshot(snapshot);
    if (error != 0)
        return error;
    return append_configuration(node, node->next_index, node->mark.term, configuration);
}
