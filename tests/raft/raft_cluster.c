/* SPDX-License-Identifier: MIT */
#include "raft_cluster.h"

#include "raft/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEARTBEAT_MS = 20,
    ELECTION_MS = 100,
    INSTALL_MS = 300, /* a snapshot that was lost on its way is sent again */
    SNAPSHOT_EVERY = 24,
    TRAILING = 8,
    COMMANDS_MAX = 1 << 16
};

/* ---------------------------------------------------------------------------------------------
 * The network.
 */

static void free_letter(struct cluster_letter *letter)
{
    struct raft_message *message = &letter->message;

    if (message->type == RAFT_IO_APPEND_ENTRIES && message->append_entries.n_entries > 0) {
        raft_free(message->append_entries.entries[0].batch);
        raft_free(message->append_entries.entries);
    }
    if (message->type == RAFT_IO_INSTALL_SNAPSHOT) {
        raft_configuration_close(&message->install_snapshot.conf);
        raft_free(message->install_snapshot.data.base);
    }
    free(letter);
}

static void copy_entries(struct raft_append_entries *append)
{
    const struct raft_entry *from = append->entries;
    size_t bytes = 8, used = 0;

    if (append->n_entries == 0) {
        append->entries = NULL;
        return;
    }
    for (unsigned i = 0; i < append->n_entries; i++)
        bytes += (from[i].buf.len + 7) / 8 * 8;
    char *batch = raft_malloc(bytes);
    append->entries = raft_malloc(append->n_entries * sizeof *append->entries);
    for (unsigned i = 0; i < append->n_entries; i++) {
        append->entries[i] = from[i];
        append->entries[i].batch = batch;
        append->entries[i].buf.base = batch + used;
        if (from[i].buf.len > 0)
            memcpy(batch + used, from[i].buf.base, from[i].buf.len);
        used += (from[i].buf.len + 7) / 8 * 8;
    }
}

static void copy_snapshot(struct raft_install_snapshot *install)
{
    const struct raft_configuration from = install->conf;
    void *data = raft_malloc(install->data.len + 1);

    raft_configuration_init(&install->conf);
    for (unsigned i = 0; i < from.n; i++)
        raft_configuration_add(&install->conf, from.servers[i].id, from.servers[i].address,
                               from.servers[i].role);
    memcpy(data, install->data.base, install->data.len);
    install->data.base = data;
}

static int send_letter(void *arg, struct raft_disk *from, struct raft_io_send *request,
                       const struct raft_message *message, raft_io_send_cb cb)
{
    struct cluster_server *server = arg;
    struct cluster *cluster = server->cluster;
    struct cluster_letter *letter = calloc(1, sizeof *letter), **letters = &cluster->letters;
    struct cluster_sent *sent = calloc(1, sizeof *sent);

    (void)from;
    letter->message = *message;
    letter->from = server->id;
    letter->to = message->server_id;
    letter->due_ms = cluster->now_ms + 1 + rng_below(&cluster->rng, 15);
    if (message->type == RAFT_IO_APPEND_ENTRIES)
        copy_entries(&letter->message.append_entries);
    if (message->type == RAFT_IO_INSTALL_SNAPSHOT) {
        copy_snapshot(&letter->message.install_snapshot);
        cluster->installs++;
    }
    while (*letters != NULL)
        letters = &(*letters)->next;
    *letters = letter;
    *sent = (struct cluster_sent){
        .next = cluster->sent, .from = server->id, .request = request, .cb = cb};
    cluster->sent = sent;
    return 0;
}

/* Answers what has been sent, or of one server that ends. */
static void answer_sent(struct cluster *cluster, raft_id of)
{
    struct cluster_sent *sent = cluster->sent;

    cluster->sent = NULL;
    while (sent != NULL) {
        struct cluster_sent *next = sent->next;
        if (of == 0 || sent->from == of) {
            sent->cb(sent->request, of == 0 ? 0 : RAFT_CANCELED);
            free(sent);
        } else {
            sent->next = cluster->sent;
            cluster->sent = sent;
        }
        sent = next;
    }
}

static void deliver(struct cluster *cluster, struct cluster_letter *letter)
{
    struct cluster_server *to = &cluster->servers[letter->to - 1];
    struct cluster_server *from = &cluster->servers[letter->from - 1];
    bool is_lost = !cluster->is_calm && rng_one_in(&cluster->rng, 40);

    if (!to->is_running || to->disk.receive == NULL || is_lost || to->is_cut_off ||
        from->is_cut_off) {
        free_letter(letter);
        return;
    }
    letter->message.server_id = from->id;
    letter->message.server_address = from->address;
    to->disk.receive(&to->disk.base, &letter->message);
    free(letter);
}

static void deliver_due(struct cluster *cluster)
{
    struct cluster_letter **letters = &cluster->letters;

    while (*letters != NULL) {
        struct cluster_letter *letter = *letters;
        if (letter->due_ms > cluster->now_ms) {
            letters = &letter->next;
            continue;
        }
        *letters = letter->next;
        deliver(cluster, letter);
        letters = &cluster->letters;
    }
}

/* ---------------------------------------------------------------------------------------------
 * The state machine.
 */

static void learn_committed(struct cluster *cluster, size_t position, uint64_t command)
{
    if (position < cluster->committed_count) {
        ck_assert_msg(cluster->committed[position] == command,
                      "state machine safety: command %zu is %llu and %llu", position,
                      (unsigned long long)cluster->committed[position],
                      (unsigned long long)command);
        return;
    }
    ck_assert_uint_eq(position, cluster->committed_count);
    if (cluster->committed_count == cluster->committed_capacity) {
        cluster->committed_capacity = 2 * cluster->committed_capacity + 64;
        cluster->committed =
            realloc(cluster->committed, cluster->committed_capacity * sizeof *cluster->committed);
    }
    cluster->committed[cluster->committed_count++] = command;
}

static int apply(struct raft_fsm *fsm, const struct raft_buffer *buf, void **result)
{
    struct cluster_server *server = fsm->data;
    uint64_t command;

    memcpy(&command, buf->base, sizeof command);
    learn_committed(server->cluster, server->applied_count, command);
    server->applied =
        realloc(server->applied, (server->applied_count + 1) * sizeof *server->applied);
    server->applied[server->applied_count++] = command;
    *result = NULL;
    return 0;
}

static int take_state(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *count)
{
    struct cluster_server *server = fsm->data;
    size_t bytes = server->applied_count * sizeof *server->applied;

    *bufs = raft_malloc(sizeof **bufs);
    *count = 1;
    (*bufs)[0].base = raft_malloc(bytes + 8);
    (*bufs)[0].len = bytes + 8;
    memset((*bufs)[0].base, 0, 8);
    if (bytes > 0)
        memcpy((char *)(*bufs)[0].base + 8, server->applied, bytes);
    return 0;
}

static int restore_state(struct raft_fsm *fsm, struct raft_buffer *buf)
{
    struct cluster_server *server = fsm->data;

    server->applied_count = (buf->len - 8) / sizeof *server->applied;
    server->applied = realloc(server->applied, buf->len);
    memcpy(server->applied, (char *)buf->base + 8, buf->len - 8);
    for (size_t i = 0; i < server->applied_count; i++)
        learn_committed(server->cluster, i, server->applied[i]);
    raft_free(buf->base);
    return 0;
}

/* ---------------------------------------------------------------------------------------------
 * Servers.
 */

static int count_truncate(struct raft_io *io, raft_index index)
{
    const struct raft_disk *disk = ((struct lf_raft *)io->impl)->base->impl;
    struct cluster_server *server = disk->send_arg;

    server->cluster->truncations++;
    return lf_raft_truncate(io, index);
}

/* What was not synced is lost or not. */
static void reboot(struct cluster_server *server)
{
    struct cluster *cluster = server->cluster;

    logfile_sim_reboot(server->disk.sim, rng_next(&cluster->rng));
    server->up_at_ms = cluster->now_ms + rng_below(&cluster->rng, 300);
    cluster->crashes++;
}

static void start_server(struct cluster_server *server)
{
    struct cluster *cluster = server->cluster;
    struct raft_configuration configuration;

    raft_disk_prepare(&server->disk);
    server->disk.io.truncate = count_truncate;
    server->fsm = (struct raft_fsm){.version = 1,
                                    .data = server,
                                    .apply = apply,
                                    .snapshot = take_state,
                                    .restore = restore_state};
    server->applied_count = 0;
    server->checked_index = 0;
    int error =
        raft_init(&server->raft, &server->disk.io, &server->fsm, server->id, server->address);
    if (error != 0) { /* down again, before it was up */
        ck_assert_msg(logfile_sim_is_down(server->disk.sim), "server %llu: %s: %s", server->id,
                      raft_strerror(error), server->disk.io.errmsg);
        logfile_raft_close(&server->disk.io);
        reboot(server);
        return;
    }
    raft_set_election_timeout(&server->raft, ELECTION_MS);
    raft_set_heartbeat_timeout(&server->raft, HEARTBEAT_MS);
    raft_set_install_snapshot_timeout(&server->raft, INSTALL_MS);
    raft_set_snapshot_threshold(&server->raft, SNAPSHOT_EVERY);
    raft_set_snapshot_trailing(&server->raft, TRAILING);
    raft_set_pre_vote(&server->raft, server->id % 2 == 0);
    if (server->disk.io.impl != NULL && ((struct lf_raft *)server->disk.io.impl)->mark.term == 0) {
        raft_configuration_init(&configuration);
        for (unsigned i = 0; i < CLUSTER_SERVERS; i++)
            raft_configuration_add(&configuration, cluster->servers[i].id,
                                   cluster->servers[i].address, RAFT_VOTER);
        error = raft_bootstrap(&server->raft, &configuration);
        raft_configuration_close(&configuration);
    }
    if (error == 0)
        error = raft_start(&server->raft);
    server->is_running = true;
    server->tick_at_ms = cluster->now_ms + rng_below(&cluster->rng, HEARTBEAT_MS);
    server->starts++;
    ck_assert_msg(error == 0 || logfile_sim_is_down(server->disk.sim), "server %llu: %s: %s",
                  server->id, raft_strerror(error), server->disk.io.errmsg);
}

static void on_closed(struct raft *raft)
{
    struct cluster_server *server = raft->data;

    server->is_closed = true;
}

static void stop_server(struct cluster_server *server)
{
    struct cluster *cluster = server->cluster;

    answer_sent(cluster, server->id);
    server->is_closed = false;
    server->raft.data = server;
    raft_close(&server->raft, on_closed);
    while (!server->is_closed)
        uv_run(&cluster->loop, UV_RUN_ONCE);
    logfile_raft_close(&server->disk.io);
    server->is_running = false;
}

void cluster_init(struct cluster *cluster, uint64_t seed)
{
    memset(cluster, 0, sizeof *cluster);
    cluster->rng.state = seed * 0x9e3779b97f4a7c15u + 1;
    cluster->is_acknowledged = calloc(COMMANDS_MAX, sizeof *cluster->is_acknowledged);
    ck_assert_int_eq(uv_loop_init(&cluster->loop), 0);
    for (unsigned i = 0; i < CLUSTER_SERVERS; i++) {
        struct cluster_server *server = &cluster->servers[i];
        server->cluster = cluster;
        server->id = i + 1;
        snprintf(server->address, sizeof server->address, "%u", i + 1);
        raft_disk_init(&server->disk, &cluster->loop, logfile_sim_new(NULL));
        server->disk.options.slot_bytes = 8 << 10;
        server->disk.now_ms = &cluster->now_ms;
        server->disk.is_of_libraft = true;
        server->disk.rng.state = rng_next(&cluster->rng);
        server->disk.send = send_letter;
        server->disk.send_arg = server;
    }
}

void cluster_free(struct cluster *cluster)
{
    for (unsigned i = 0; i < CLUSTER_SERVERS; i++) {
        struct cluster_server *server = &cluster->servers[i];
        if (server->is_running)
            stop_server(server);
        free(server->applied);
        raft_disk_free(&server->disk);
        ck_assert_uint_eq(logfile_sim_misuse_count(server->disk.sim), 0);
        logfile_sim_free(server->disk.sim);
    }
    while (cluster->letters != NULL) {
        struct cluster_letter *letter = cluster->letters;
        cluster->letters = letter->next;
        free_letter(letter);
    }
    uv_run(&cluster->loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&cluster->loop), 0);
    free(cluster->committed);
    free(cluster->is_acknowledged);
}

/* ---------------------------------------------------------------------------------------------
 * Promises.
 */

static raft_index last_index(const struct raft *raft)
{
    const struct raft_log *log = &raft->log;
    size_t count =
        log->front <= log->back ? log->back - log->front : log->size - log->front + log->back;

    return log->offset + count;
}

/* 0: it is not in the log in memory. */
static raft_term term_of(const struct raft *raft, raft_index index)
{
    const struct raft_log *log = &raft->log;

    if (index <= log->offset || index > last_index(raft))
        return 0;
    return log->entries[(log->front + (size_t)(index - log->offset - 1)) % log->size].term;
}

static void check_log_matching(const struct raft *a, const struct raft *b)
{
    raft_index last = last_index(a) < last_index(b) ? last_index(a) : last_index(b);
    bool is_same = false;

    for (raft_index index = last; index > 0; index--) {
        raft_term at_a = term_of(a, index), at_b = term_of(b, index);
        if (at_a == 0 || at_b == 0)
            return;
        is_same = is_same || at_a == at_b;
        ck_assert_msg(!is_same || at_a == at_b, "log matching: index %llu has terms %llu and %llu",
                      index, at_a, at_b);
    }
}

static void check_leader(struct cluster *cluster, const struct cluster_server *server)
{
    const struct raft *raft = &server->raft;
    raft_term term = raft->current_term;

    ck_assert_uint_lt(term, CLUSTER_STEPS_MAX);
    ck_assert_msg(cluster->leaders[term] == 0 || cluster->leaders[term] == server->id,
                  "election safety: %llu and %llu lead in term %llu", cluster->leaders[term],
                  server->id, term);
    if (cluster->leaders[term] != 0)
        return;
    cluster->leaders[term] = server->id;
    cluster->elections++;
    for (raft_index index = raft->log.offset + 1; index <= cluster->committed_index; index++)
        ck_assert_msg(cluster->committed_terms[index] == 0 ||
                          term_of(raft, index) == cluster->committed_terms[index],
                      "leader completeness: %llu leads in term %llu without index %llu", server->id,
                      term, index);
}

static void check_server(struct cluster *cluster, struct cluster_server *server)
{
    const struct raft *raft = &server->raft;

    if (raft->state == RAFT_LEADER)
        check_leader(cluster, server);
    for (raft_index index = server->checked_index + 1; index <= raft->commit_index; index++) {
        raft_term term = term_of(raft, index);
        ck_assert_uint_lt(index, CLUSTER_STEPS_MAX);
        if (term == 0)
            continue;
        ck_assert_msg(cluster->committed_terms[index] == 0 ||
                          cluster->committed_terms[index] == term,
                      "index %llu is committed with terms %llu and %llu", index,
                      cluster->committed_terms[index], term);
        cluster->committed_terms[index] = term;
        if (index > cluster->committed_index)
            cluster->committed_index = index;
    }
    server->checked_index = raft->commit_index;
    /* The disk agrees with what libraft believes of it. */
    const struct lf_raft *node = server->disk.io.impl;
    if (!node->is_failed && raft->state != RAFT_UNAVAILABLE && node->put == NULL)
        ck_assert_uint_eq(node->next_index, last_index(raft) + 1);
}

static void check(struct cluster *cluster)
{
    for (unsigned i = 0; i < CLUSTER_SERVERS; i++)
        if (cluster->servers[i].is_running)
            check_server(cluster, &cluster->servers[i]);
    for (unsigned i = 0; i < CLUSTER_SERVERS; i++)
        for (unsigned j = 0; j < i; j++)
            if (cluster->servers[i].is_running && cluster->servers[j].is_running)
                check_log_matching(&cluster->servers[i].raft, &cluster->servers[j].raft);
}

/* ---------------------------------------------------------------------------------------------
 * Steps.
 */

struct command {
    struct raft_apply request;
    struct cluster *cluster;
    uint64_t first, count;
};

static void on_applied(struct raft_apply *request, int status, void *result)
{
    struct command *command = request->data;

    (void)result;
    if (status == 0) {
        command->cluster->is_acknowledged[command->first] = true;
        command->cluster->acknowledged_count++;
    }
    free(command);
}

static void send_command(struct cluster *cluster, struct cluster_server *server)
{
    struct command *command = calloc(1, sizeof *command);
    struct raft_buffer buf = {.len = 8 + 8 * rng_below(&cluster->rng, 20)};

    command->cluster = cluster;
    command->request.data = command;
    command->first = ++cluster->last_command;
    ck_assert_uint_lt(command->first, COMMANDS_MAX);
    buf.base = raft_malloc(buf.len);
    memset(buf.base, 0, buf.len);
    memcpy(buf.base, &command->first, sizeof command->first);
    if (raft_apply(&server->raft, &command->request, &buf, 1, on_applied) != 0) {
        raft_free(buf.base);
        free(command);
    }
}

static void step_server(struct cluster *cluster, struct cluster_server *server)
{
    if (!server->is_running) {
        if (cluster->now_ms >= server->up_at_ms)
            start_server(server);
        return;
    }
    if (cluster->now_ms >= server->tick_at_ms && server->disk.tick != NULL) {
        server->disk.tick(&server->disk.base);
        server->tick_at_ms += HEARTBEAT_MS;
    }
    if (raft_state(&server->raft) == RAFT_LEADER &&
        rng_one_in(&cluster->rng, cluster->is_calm ? 20 : 3))
        for (uint64_t more = 1 + rng_below(&cluster->rng, 3); more > 0; more--)
            send_command(cluster, server);
    if (cluster->is_calm || !rng_one_in(&cluster->rng, 3)) /* a disk takes its time */
        raft_disk_run(&server->disk);
    if (!cluster->is_calm && rng_one_in(&cluster->rng, server->is_cut_off ? 50 : 150))
        server->is_cut_off = !server->is_cut_off;
}

static void restart_what_is_down(struct cluster *cluster)
{
    for (unsigned i = 0; i < CLUSTER_SERVERS; i++) {
        struct cluster_server *server = &cluster->servers[i];
        if (server->is_running && (logfile_sim_is_down(server->disk.sim) ||
                                   raft_state(&server->raft) == RAFT_UNAVAILABLE)) {
            stop_server(server);
            reboot(server);
        }
    }
}

void cluster_step(struct cluster *cluster)
{
    cluster->now_ms += 1 + rng_below(&cluster->rng, 6);
    answer_sent(cluster, 0);
    deliver_due(cluster);
    for (unsigned i = 0; i < CLUSTER_SERVERS; i++)
        step_server(cluster, &cluster->servers[i]);
    uv_run(&cluster->loop, UV_RUN_NOWAIT);
    restart_what_is_down(cluster);
    check(cluster);
}

static bool is_settled(const struct cluster *cluster)
{
    for (unsigned i = 0; i < CLUSTER_SERVERS; i++)
        if (!cluster->servers[i].is_running ||
            cluster->servers[i].applied_count < cluster->committed_count)
            return false;
    return true;
}

void cluster_calm_down(struct cluster *cluster)
{
    cluster->is_calm = true;
    for (unsigned i = 0; i < CLUSTER_SERVERS; i++) {
        cluster->servers[i].is_cut_off = false;
        logfile_sim_crash_at(cluster->servers[i].disk.sim, 0);
    }
    size_t before = cluster->acknowledged_count;
    unsigned steps = 0;
    while (!is_settled(cluster) || cluster->acknowledged_count == before) {
        cluster_step(cluster);
        ck_assert_msg(++steps < 5000, "the servers do not come together");
    }
    /* Everything that was acknowledged is there, once. */
    uint8_t *seen = calloc(COMMANDS_MAX, 1);
    for (size_t i = 0; i < cluster->committed_count; i++)
        ck_assert_uint_eq(seen[cluster->committed[i]]++, 0);
    for (uint64_t command = 1; command <= cluster->last_command; command++)
        ck_assert_msg(!cluster->is_acknowledged[command] || seen[command] == 1,
                      "command %llu was acknowledged, and is lost", (unsigned long long)command);
    free(seen);
}
