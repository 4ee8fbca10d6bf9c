/* SPDX-License-Identifier: MIT */
#include "raft/node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct timespec passed; /* a deadline of the loop's: it never sleeps */

/* ---------------------------------------------------------------------------------------------
 * The queue.
 */

static struct lf_raft_operation *push(struct lf_raft *node)
{
    struct lf_raft_operation *operation = calloc(1, sizeof *operation);

    if (operation == NULL)
        return NULL;
    operation->previous = node->tail;
    *(node->tail == NULL ? &node->head : &node->tail->next) = operation;
    node->tail = operation;
    if (node->unwritten == NULL)
        node->unwritten = operation;
    return operation;
}

static void unlink_operation(struct lf_raft *node, struct lf_raft_operation *operation)
{
    if (node->unwritten == operation)
        node->unwritten = operation->next;
    *(operation->previous == NULL ? &node->head : &operation->previous->next) = operation->next;
    *(operation->next == NULL ? &node->tail : &operation->next->previous) = operation->previous;
}

/* The entries of an operation from `from` on wait no more. */
static void note_written(struct lf_raft *node, const struct lf_raft_operation *operation,
                         unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        node->waiting_entries--;
        node->waiting_bytes -= operation->entries[i].buf.len;
    }
}

static void answer(struct lf_raft *node, struct lf_raft_operation *operation, int status)
{
    struct raft_io_append *request = operation->request;

    if (operation->written < operation->count)
        note_written(node, operation, operation->written, operation->count);
    unlink_operation(node, operation);
    free(operation);
    if (request != NULL)
        request->cb(request, status);
}

void lf_raft_complete(struct lf_raft *node, uint64_t durable_lsn)
{
    while (node->head != NULL && node->head != node->unwritten && node->head->lsn < durable_lsn)
        answer(node, node->head, 0);
}

void lf_raft_fail_all(struct lf_raft *node, int error)
{
    while (node->tail != NULL)
        answer(node, node->tail, node->tail->is_gone ? 0 : error);
}

raft_term lf_raft_term_at(const struct lf_raft *node, raft_index index)
{
    raft_term term = 0;

    if (lf_raft_lsns_has(&node->lsns, index))
        term = lf_raft_lsns_get(&node->lsns, index).term;
    for (const struct lf_raft_operation *op = node->unwritten; op != NULL; op = op->next) {
        if (op->request == NULL && op->index <= index)
            term = 0;
        else if (op->request != NULL && index >= op->index && index - op->index < op->count)
            term = op->entries[index - op->index].term;
    }
    return term;
}

void lf_raft_replace_all(struct lf_raft *node, raft_index next_index)
{
    for (struct lf_raft_operation *op = node->head; op != NULL; op = op->next) {
        op->is_gone = true;
        op->written = op->count;
    }
    node->unwritten = NULL; /* They are answered in their turn, and never written. */
    node->waiting_entries = 0;
    node->waiting_bytes = 0;
    lf_raft_lsns_cut(&node->lsns, node->lsns.first);
    node->lsns.first = next_index;
    node->next_index = next_index;
}

bool lf_raft_is_choked(const struct lf_raft *node)
{
    return (node->refused != 0 && node->waiting_entries > 0) ||
           node->waiting_bytes > node->waiting_bytes_max;
}

/* ---------------------------------------------------------------------------------------------
 * Into the log.
 */

/* Records that go into the log together: each in one piece, one after the other in node->batch. */
struct batch {
    struct iovec records[LOGFILE_BATCH_MAX];
    int count;
    size_t bytes; /* as logfile_submit_batch counts them */
    size_t used;
};

static bool add_record(struct lf_raft *node, struct batch *batch, const struct lf_raft_head *head,
                       const struct raft_buffer *data)
{
    size_t size = sizeof *head + data->len;
    size_t bytes = (size + 8 + 7) / 8 * 8;

    if (batch->count == LOGFILE_BATCH_MAX || bytes > node->batch_bytes - batch->bytes)
        return false;
    char *to = node->batch + batch->used;
    memcpy(to, head, sizeof *head);
    if (data->len > 0)
        memcpy(to + sizeof *head, data->base, data->len);
    batch->records[batch->count++] = (struct iovec){.iov_base = to, .iov_len = size};
    batch->bytes += bytes;
    batch->used += size;
    return true;
}

/* Fills a batch with what waits, from the front; an empty one: the first entry alone is too large. */
static void fill_batch(struct lf_raft *node, struct batch *batch)
{
    static const struct raft_buffer nothing;

    for (struct lf_raft_operation *op = node->unwritten; op != NULL; op = op->next) {
        if (op->request == NULL) {
            const struct lf_raft_head head = lf_raft_cut_head(op->index);
            if (!add_record(node, batch, &head, &nothing))
                return;
        }
        for (unsigned i = op->written; i < op->count; i++) {
            const struct lf_raft_head head = lf_raft_entry_head(&op->entries[i], op->index + i);
            if (!add_record(node, batch, &head, &op->entries[i].buf))
                return;
        }
    }
}

/* `count` records are in the log: what they are of moves on. */
static void take_lsns(struct lf_raft *node, const uint64_t *lsns, int count)
{
    for (int taken = 0; taken < count;) {
        struct lf_raft_operation *op = node->unwritten;
        if (op->request == NULL) {
            lf_raft_lsns_cut(&node->lsns, op->index);
            op->lsn = lsns[taken++];
        }
        for (; op->written < op->count && taken < count; op->written++) {
            note_written(node, op, op->written, op->written + 1);
            lf_raft_lsns_push(&node->lsns, lsns[taken], op->entries[op->written].term);
            op->lsn = lsns[taken++];
        }
        if (op->written == op->count)
            node->unwritten = op->next;
    }
}

/* Puts the next batch, or the next entry if that is larger than one, into the log: 0, or an error of
 * logfile.h, and nothing is. */
static int write_next(struct lf_raft *node)
{
    struct batch batch = {.count = 0};
    uint64_t lsns[LOGFILE_BATCH_MAX];
    int error;

    fill_batch(node, &batch);
    if (!lf_raft_lsns_reserve(&node->lsns, (size_t)batch.count + 1))
        return -ENOMEM;
    if (batch.count > 0) {
        error = logfile_submit_batch(node->log, batch.records, batch.count, &passed, lsns);
    } else {
        struct lf_raft_operation *op = node->unwritten;
        const struct raft_entry *entry = &op->entries[op->written];
        struct lf_raft_head head = lf_raft_entry_head(entry, op->index + op->written);
        const struct iovec parts[] = {{.iov_base = &head, .iov_len = sizeof head},
                                      {.iov_base = entry->buf.base, .iov_len = entry->buf.len}};
        batch.count = 1;
        error = logfile_submitv(node->log, parts, 2, &passed, lsns);
    }
    if (error == 0)
        take_lsns(node, lsns, batch.count);
    return error;
}

static bool has_more_than_cuts(const struct lf_raft *node)
{
    for (const struct lf_raft_operation *op = node->unwritten; op != NULL; op = op->next)
        if (op->request != NULL)
            return true;
    return false;
}

void lf_raft_pump(struct lf_raft *node, bool all)
{
    while (!node->is_failed && !(node->put != NULL && node->put_replaces) &&
           (all ? node->unwritten != NULL : has_more_than_cuts(node))) {
        int error = write_next(node);
        switch (error) {
        case 0:
            node->refused = 0;
            break;
        case -EAGAIN: /* The ring is full: the log's event tells when it is not. */
        case -ETIMEDOUT:
            return;
        case LOGFILE_EFAILED:
        case LOGFILE_ECLOSED:
        case LOGFILE_EFORKED:
            node->is_failed = true; /* The event descriptor is readable, and tells so too. */
            return;
        default: /* A full disk, or whatever else keeps the log from growing: each tick tries again. */
            node->refused = error;
            return;
        }
    }
}

/* ---------------------------------------------------------------------------------------------
 * What libraft asks for.
 */

static int refuse(struct lf_raft *node)
{
    char text[200];

    node->refused_appends++;
    if (node->refused == 0)
        return lf_raft_say(node, RAFT_BUSY, "%llu bytes of entries wait for room in the log",
                           (unsigned long long)node->waiting_bytes);
    logfile_describe(node->log, node->refused, text, sizeof text);
    return lf_raft_say(node, lf_raft_error(node->refused), "%s", text);
}

int lf_raft_append(struct raft_io *io, struct raft_io_append *request,
                   const struct raft_entry entries[], unsigned count, raft_io_append_cb cb)
{
    struct lf_raft *node = io->impl;
    size_t data_max = logfile_record_max(node->log) - sizeof(struct lf_raft_head);
    const bool is_leader = !node->is_receiving_entries;

    if (node->is_closing)
        return RAFT_CANCELED;
    if (node->is_failed)
        return RAFT_IOERR;
    for (unsigned i = 0; i < count; i++)
        if (entries[i].buf.len > data_max)
            return lf_raft_say(node, RAFT_TOOBIG,
                               "index %llu has %zu bytes; an entry has %zu at most",
                               node->next_index + i, entries[i].buf.len, data_max);
    if (is_leader && lf_raft_is_choked(node)) {
        lf_raft_pump(node, false);
        if (lf_raft_is_choked(node))
            return refuse(node);
    }
    struct lf_raft_operation *op = push(node);
    if (op == NULL)
        return lf_raft_say(node, RAFT_NOMEM, "no memory for an append");
    request->cb = cb;
    op->request = request;
    op->entries = entries;
    op->count = count;
    op->index = node->next_index;
    for (unsigned i = 0; i < count; i++)
        node->waiting_bytes += entries[i].buf.len;
    node->waiting_entries += count;
    node->next_index += count;
    if (!is_leader)
        lf_raft_note_match(node, node->next_index - 1);
    lf_raft_pump(node, false);
    if (op->written > 0 || !(node->is_failed || (is_leader && node->refused != 0)))
        return 0;
    note_written(node, op, 0, count);
    node->next_index -= count;
    unlink_operation(node, op);
    free(op);
    return node->is_failed ? RAFT_IOERR : refuse(node);
}

int lf_raft_queue_cut(struct lf_raft *node, raft_index index)
{
    struct lf_raft_operation *cut = push(node);

    if (cut == NULL)
        return lf_raft_say(node, RAFT_NOMEM, "no memory to cut off entries");
    cut->index = index;
    node->next_index = index;
    return 0;
}

int lf_raft_truncate(struct raft_io *io, raft_index index)
{
    struct lf_raft *node = io->impl;

    if (node->is_closing)
        return RAFT_CANCELED;
    if (node->is_failed)
        return RAFT_IOERR;
    if (index < node->lsns.first || index >= node->next_index)
        return lf_raft_say(node, RAFT_INVALID,
                           "entries cannot be cut off from index %llu on: the log has %llu to %llu",
                           index, (raft_index)node->lsns.first, node->next_index - 1);
    int error = lf_raft_queue_cut(node, index);
    for (struct lf_raft_operation *op = node->head; error == 0 && op != NULL; op = op->next)
        if (op->request != NULL && op->index >= index)
            op->is_gone = true;
    return error;
}
