/* SPDX-License-Identifier: MIT */
/* The table of operations: what is the base's is handed on, what is the disk's is ours. */
#include "raft/node.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WAITING_BYTES_DEFAULT = 64 << 20
};

int lf_raft_say(struct lf_raft *node, int error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(node->io->errmsg, sizeof node->io->errmsg, format, arguments);
    va_end(arguments);
    return error;
}

static int of_base(struct lf_raft *node, int error)
{
    return error == 0 ? 0 : lf_raft_say(node, error, "%.200s", node->base->errmsg);
}

/* ---------------------------------------------------------------------------------------------
 * The loop.
 */

void lf_raft_step_down(struct lf_raft *node)
{
    struct raft_message message = {
        .type = RAFT_IO_APPEND_ENTRIES,
        .server_id = 1,
        .server_address = "",
        .append_entries = {.term = node->mark.term + 1},
    };
    struct logfile_failure failure;
    char text[200];

    if (node->has_stepped_down || node->is_closing)
        return;
    node->has_stepped_down = true;
    uv_poll_stop(&node->poll); /* the descriptor of a failed log stays readable */
    if (logfile_failure(node->log, &failure, sizeof failure) == 0 && failure.error != 0 &&
        logfile_describe(node->log, LOGFILE_EFAILED, text, sizeof text) > 0)
        (void)lf_raft_say(node, RAFT_IOERR, "%s", text);
    lf_raft_complete(node, logfile_durable_lsn(node->log));
    /* libraft has no call by which its disk could end a leader.  A term that cannot be stored does it: it
     * makes the node unavailable, whatever it was. */
    if (node->receive != NULL)
        node->receive(node->io, &message);
    lf_raft_fail_all(node, RAFT_IOERR);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct lf_raft *node = poll->data;
    struct logfile_event_state state;

    (void)status;
    (void)events;
    if (logfile_event_take(node->log, &state, sizeof state) != 0)
        return;
    lf_raft_complete(node, state.durable_lsn);
    if (state.failed)
        node->is_failed = true;
    else if (state.has_room && !node->is_closing)
        lf_raft_pump(node, false);
    if (node->is_failed)
        lf_raft_step_down(node);
}

/* Also tries a full disk again, and writes cuts that nothing has followed. */
static void on_tick(struct raft_io *base)
{
    struct lf_raft *node = base->data;

    lf_raft_pump(node, true);
    if (node->is_failed)
        lf_raft_step_down(node);
    node->tick(node->io);
}

/*
 * Entries for which there is no room are refused here: once libraft has them, it cannot give them back.
 * They are taken out of the message, which is made to follow an entry that no log has.  So the follower
 * answers that it does not match, which leaves it and the leader where they are, and knows that there is
 * a leader; to drop the message would make it a candidate.
 */
static void on_message(struct raft_io *base, struct raft_message *message)
{
    struct lf_raft *node = base->data;
    struct raft_append_entries *append = &message->append_entries;
    const bool has_entries = message->type == RAFT_IO_APPEND_ENTRIES && append->n_entries > 0;

    if (has_entries && lf_raft_is_choked(node))
        lf_raft_pump(node, false);
    if (has_entries && lf_raft_is_choked(node)) {
        node->refused_messages++;
        lf_raft_free_entries(append->entries, append->n_entries);
        append->entries = NULL;
        append->n_entries = 0;
        append->prev_log_index = UINT64_MAX;
    }
    node->is_receiving_entries = has_entries;
    if (message->type == RAFT_IO_APPEND_ENTRIES) {
        node->received_term = append->term;
        node->received_reach = append->prev_log_index + append->n_entries;
    } else if (message->type == RAFT_IO_INSTALL_SNAPSHOT) {
        node->received_term = message->install_snapshot.term;
        node->received_reach = message->install_snapshot.last_index;
    }
    node->receive(node->io, message);
    node->is_receiving_entries = false;
    node->received_term = 0;
}

void lf_raft_note_match(struct lf_raft *node, raft_index index)
{
    if (node->matched_term != node->mark.term)
        node->matched = 0;
    node->matched_term = node->mark.term;
    if (node->matched < index)
        node->matched = index;
}

static int start(struct raft_io *io, unsigned msecs, raft_io_tick_cb tick, raft_io_recv_cb receive)
{
    struct lf_raft *node = io->impl;

    node->tick = tick;
    node->receive = receive;
    return of_base(node, node->base->start(node->base, msecs, on_tick, on_message));
}

/* ---------------------------------------------------------------------------------------------
 * Opening and closing.
 */

static int init(struct raft_io *io, raft_id id, const char *address)
{
    struct lf_raft *node = io->impl;
    int error = lf_raft_open(node);

    if (error != 0)
        return error;
    int fd = logfile_event_fd(node->log);
    error = fd < 0 ? lf_raft_say(node, lf_raft_error(fd), "no event descriptor: %s",
                                 logfile_strerror(fd))
                   : of_base(node, node->base->init(node->base, id, address));
    if (error != 0) {
        logfile_close(node->log);
        node->log = NULL;
        lf_raft_replay_free(&node->replay);
        return error;
    }
    node->base->data = node;
    node->poll.data = node;
    uv_poll_init(node->loop, &node->poll, fd);
    uv_poll_start(&node->poll, UV_READABLE, on_event);
    return 0;
}

/* In the pool: what was submitted becomes durable, or fails. */
static void close_log(uv_work_t *work)
{
    struct lf_raft *node = work->data;

    logfile_shutdown(node->log, NULL);
    node->closed_lsn = logfile_durable_lsn(node->log);
    logfile_close(node->log);
}

static void closed(uv_work_t *work, int status)
{
    struct lf_raft *node = work->data;

    (void)status; /* It is not cancelled. */
    node->log = NULL;
    lf_raft_complete(node, node->closed_lsn);
    lf_raft_fail_all(node, RAFT_CANCELED);
    if (!node->is_loaded)
        lf_raft_replay_free(&node->replay);
    lf_raft_lsns_free(&node->lsns);
    node->close_cb(node->io);
}

void lf_raft_close_next(struct lf_raft *node)
{
    if (!node->poll_is_closed || !node->base_is_closed || node->is_trimming ||
        node->is_shutting_down)
        return;
    node->is_shutting_down = true;
    node->close_work.data = node;
    uv_queue_work(node->loop, &node->close_work, close_log, closed);
}

static void on_poll_closed(uv_handle_t *poll)
{
    struct lf_raft *node = poll->data;

    node->poll_is_closed = true;
    lf_raft_close_next(node);
}

static void on_base_closed(struct raft_io *base)
{
    struct lf_raft *node = base->data;

    node->base_is_closed = true;
    lf_raft_close_next(node);
}

static void close_io(struct raft_io *io, raft_io_close_cb cb)
{
    struct lf_raft *node = io->impl;

    lf_raft_pump(node, true);
    node->is_closing = true;
    node->close_cb = cb;
    uv_close((uv_handle_t *)&node->poll, on_poll_closed);
    node->base->close(node->base, on_base_closed);
}

/* ---------------------------------------------------------------------------------------------
 * What is the base's.
 */

static struct raft_io *base_of(struct raft_io *io)
{
    return ((struct lf_raft *)io->impl)->base;
}

/*
 * A follower tells a leader up to where its log is the same.  libraft tells where it ends.  That is more if
 * entries of an earlier leader follow what the message has compared, and the leader, if it has appended
 * others meanwhile, takes them for its own and counts them (libraft 0.9 to 0.18):
 *
 *     leader of term 4                 follower
 *     log ends with 167                log: 167, and 168 to 171 of term 3
 *     empty message after 167   ->     167 is the same; answers: 171
 *     appends 168, 169 of term 4
 *     has 169 on a majority: commits   <-
 *
 * So what it tells is bounded here by what messages of this term have compared.
 */
static int send_message(struct raft_io *io, struct raft_io_send *request,
                        const struct raft_message *message, raft_io_send_cb cb)
{
    struct lf_raft *node = io->impl;
    struct raft_message bounded = *message;
    struct raft_append_entries_result *result = &bounded.append_entries_result;

    /* A follower's append has become durable, and the leader that it was for is none any more: the node was
     * a candidate meanwhile.  libraft answers all the same, to no one, and raft_uv takes the address that is
     * NULL for one. */
    if (message->server_id == 0 || message->server_address == NULL)
        return lf_raft_say(node, RAFT_NOCONNECTION, "no server to send to");
    if (message->type == RAFT_IO_APPEND_ENTRIES_RESULT && result->rejected == 0) {
        const bool is_answer = node->received_term == node->mark.term;
        lf_raft_note_match(node, is_answer ? node->received_reach : 0);
        if (result->last_log_index > node->matched)
            result->last_log_index = node->matched;
    }
    return of_base(node, node->base->send(node->base, request, &bounded, cb));
}

static int get_snapshot(struct raft_io *io, struct raft_io_snapshot_get *request,
                        raft_io_snapshot_get_cb cb)
{
    return of_base(io->impl, base_of(io)->snapshot_get(base_of(io), request, cb));
}

static raft_time now(struct raft_io *io)
{
    return base_of(io)->time(base_of(io));
}

static int draw(struct raft_io *io, int min, int max)
{
    return base_of(io)->random(base_of(io), min, max);
}

static int work_elsewhere(struct raft_io *io, struct raft_io_async_work *request,
                          raft_io_async_work_cb cb)
{
    return of_base(io->impl, base_of(io)->async_work(base_of(io), request, cb));
}

/* ---------------------------------------------------------------------------------------------
 * The library's own calls.
 */

static bool is_zero(const uint64_t *words, size_t count)
{
    uint64_t any = 0;

    for (size_t i = 0; i < count; i++)
        any |= words[i];
    return any == 0;
}

static void free_node(struct lf_raft *node)
{
    free(node->batch);
    free(node->path);
    free(node);
}

int logfile_raft_init(struct raft_io *io, struct uv_loop_s *loop, const char *path,
                      struct raft_io *base, const struct logfile_raft_options *options)
{
    static const struct logfile_raft_options defaults;
    const struct logfile_options *log;
    struct lf_raft *node;

    if (options == NULL)
        options = &defaults;
    log = options->log;
    if (io == NULL || loop == NULL || path == NULL || base == NULL ||
        !is_zero(options->reserved, sizeof options->reserved / sizeof *options->reserved) ||
        (log != NULL && (log->replay != NULL || log->replay_mark != NULL ||
                         log->replay_arg != NULL || log->replay_from != 0)))
        return RAFT_INVALID;
    node = calloc(1, sizeof *node);
    if (node == NULL)
        return RAFT_NOMEM;
    node->path = strdup(path);
    node->batch = malloc(LF_RAFT_BATCH_BYTES);
    if (node->path == NULL || node->batch == NULL || uv_mutex_init(&node->mark_lock) != 0) {
        free_node(node);
        return RAFT_NOMEM;
    }
    node->io = io;
    node->base = base;
    node->loop = loop;
    if (log != NULL)
        node->log_options = *log;
    node->waiting_bytes_max =
        options->waiting_bytes != 0 ? options->waiting_bytes : WAITING_BYTES_DEFAULT;
    memset(io, 0, sizeof *io);
    io->version = base->version;
    io->impl = node;
    io->init = init;
    io->close = close_io;
    io->load = lf_raft_load;
    io->start = start;
    io->bootstrap = lf_raft_bootstrap;
    io->recover = lf_raft_recover;
    io->set_term = lf_raft_set_term;
    io->set_vote = lf_raft_set_vote;
    io->send = send_message;
    io->append = lf_raft_append;
    io->truncate = lf_raft_truncate;
    io->snapshot_put = lf_raft_snapshot_put;
    io->snapshot_get = get_snapshot;
    io->time = now;
    io->random = draw;
    io->async_work = base->async_work != NULL ? work_elsewhere : NULL;
    return 0;
}

void logfile_raft_close(struct raft_io *io)
{
    struct lf_raft *node = io->impl;

    uv_mutex_destroy(&node->mark_lock);
    free_node(node);
    io->impl = NULL;
}

struct logfile *logfile_raft_log(struct raft_io *io)
{
    return ((struct lf_raft *)io->impl)->log;
}

int logfile_raft_state(struct raft_io *io, struct logfile_raft_state *out, size_t size)
{
    const struct lf_raft *node = io == NULL ? NULL : io->impl;

    if (node == NULL || out == NULL)
        return RAFT_INVALID;
    const struct logfile_raft_state state = {
        .term = node->mark.term,
        .vote = node->mark.vote,
        .first_index = node->lsns.first < node->next_index ? node->lsns.first : node->next_index,
        .next_index = node->next_index,
        .waiting_entries = node->waiting_entries,
        .waiting_bytes = node->waiting_bytes,
        .refused = node->refused,
        .failed = node->is_failed,
        .refused_appends = node->refused_appends,
        .refused_messages = node->refused_messages,
    };
    memset(out, 0, size);
    memcpy(out, &state, size < sizeof state ? size : sizeof state);
    return 0;
}
