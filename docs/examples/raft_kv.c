/* SPDX-License-Identifier: MIT */
/*
 * A key-value store on several machines: libraft replicates its commands, and a logfile is its disk.
 *
 *     raft_kv serve DIRECTORY ID COUNT PORT    server ID of COUNT
 *     raft_kv client COUNT PORT                takes commands, one a line, to the leader
 *     raft_kv load COUNT PORT CLIENTS SECONDS  so many clients set keys, and tells how fast that is
 *
 * Options, at the end:
 *
 *     --own-disk          libraft's own disk in place of a logfile
 *     --election MS       a follower that hears of no leader for so long becomes a candidate: 300
 *     --snapshot ENTRIES  a snapshot is taken after so many, and a quarter of them kept: 8192
 *     --value BYTES       that `load` sets a key to: as few as a number takes
 *     --hosts A.B.C.0     server ID is at A.B.C.ID; else all are on this machine, at 127.0.0.1
 *
 * Server ID talks to the others on port PORT+ID, and to its clients on PORT+100+ID.  The commands:
 *
 *     set KEY VALUE | get KEY | cas KEY OLD NEW | status
 *
 * A `get` goes through the log too, so that it sees all that was answered before.  "ok", "value ..." and
 * "none" mean that the command is on stable storage of a majority; "maybe ..." that it is in doubt; "no
 * ID" that another server leads.
 *
 * What a program that has libraft already adds for a logfile is in start_disk, and two lines at the end.
 *
 *     cc raft_kv.c $(pkg-config --cflags --libs logfile-raft)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <logfile_raft.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <raft.h>
#include <raft/uv.h>
#include <search.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    LINE_BYTES = 1024,
    CLIENT_PORTS = 100 /* above those of the servers among each other */
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "raft_kv: %s: %s\n", what, why);
    exit(1);
}

static struct {
    bool has_own_disk;
    unsigned election_ms, snapshot_entries, value_bytes;
    struct in_addr hosts; /* 0: all are on this machine */
} options = {.election_ms = 300, .snapshot_entries = 8192};

static struct sockaddr_in address_of(int id, int port)
{
    uint32_t hosts = ntohl(options.hosts.s_addr);
    uint32_t host = hosts != 0 ? hosts + (uint32_t)id : INADDR_LOOPBACK;

    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)(port + id)),
                                .sin_addr.s_addr = htonl(host)};
}

/* As libraft takes it. */
static void print_address(char *text, size_t size, int id, int port)
{
    struct sockaddr_in address = address_of(id, port);

    snprintf(text, size, "%s:%d", inet_ntoa(address.sin_addr), port + id);
}

/* ---- The state machine ------------------------------------------------------------------------- */

struct pair {
    char key[LINE_BYTES], value[LINE_BYTES];
};

static struct {
    void *pairs; /* a tree of struct pair, by key */
    char result[LINE_BYTES + 16];
    uint64_t applied;
    char *text; /* of a snapshot */
    size_t bytes;
} state;

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct pair *)a)->key, ((const struct pair *)b)->key);
}

static struct pair *find(const char *key)
{
    static struct pair wanted;

    snprintf(wanted.key, sizeof wanted.key, "%s", key);
    struct pair **found = tfind(&wanted, &state.pairs, compare);
    return found != NULL ? *found : NULL;
}

static void set(const char *key, const char *value)
{
    struct pair *pair = find(key);

    if (pair == NULL) {
        pair = calloc(1, sizeof *pair);
        if (pair == NULL)
            die("set", "no memory");
        snprintf(pair->key, sizeof pair->key, "%s", key);
        if (tsearch(pair, &state.pairs, compare) == NULL)
            die("set", "no memory");
    }
    snprintf(pair->value, sizeof pair->value, "%s", value);
}

/* Does what a command says; the answer is in state.result. */
static void execute(const char *line)
{
    char verb[8] = "", key[LINE_BYTES] = "", old[LINE_BYTES] = "", new[LINE_BYTES] = "";
    int words = sscanf(line, "%7s %1023s %1023s %1023s", verb, key, old, new);
    const struct pair *pair = find(key);

    snprintf(state.result, sizeof state.result, "what?");
    if (strcmp(verb, "set") == 0 && words == 3) {
        set(key, old);
        snprintf(state.result, sizeof state.result, "ok");
    } else if (strcmp(verb, "get") == 0 && words == 2) {
        snprintf(state.result, sizeof state.result, pair != NULL ? "value %s" : "none",
                 pair != NULL ? pair->value : "");
    } else if (strcmp(verb, "cas") == 0 && words == 4) {
        int is_same = pair != NULL && strcmp(pair->value, old) == 0;
        if (is_same)
            set(key, new);
        snprintf(state.result, sizeof state.result, is_same ? "ok" : "differs");
    }
}

static int apply(struct raft_fsm *fsm, const struct raft_buffer *buf, void **result)
{
    (void)fsm;
    execute(buf->base); /* it ends with a zero: see take_line */
    state.applied++;
    *result = state.result;
    return 0;
}

static void add_pair(const void *node, VISIT visit, int depth)
{
    const struct pair *pair = *(struct pair *const *)node;

    (void)depth;
    if (visit != postorder && visit != leaf)
        return;
    size_t bytes = strlen(pair->key) + strlen(pair->value) + 2;
    state.text = raft_realloc(state.text, state.bytes + bytes + 1);
    if (state.text == NULL)
        die("snapshot", "no memory");
    state.bytes += (size_t)sprintf(state.text + state.bytes, "%s %s\n", pair->key, pair->value);
}

static int take_snapshot(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *count)
{
    (void)fsm;
    state.text = raft_malloc(2);
    state.bytes = 0;
    *bufs = raft_malloc(sizeof **bufs);
    if (state.text == NULL || *bufs == NULL)
        return RAFT_NOMEM;
    strcpy(state.text, "\n");
    state.bytes = 1; /* never empty */
    twalk(state.pairs, add_pair);
    (*bufs)[0] = (struct raft_buffer){.base = state.text, .len = state.bytes};
    *count = 1;
    return 0;
}

static int restore(struct raft_fsm *fsm, struct raft_buffer *buf)
{
    char *text = buf->base, key[LINE_BYTES], value[LINE_BYTES];

    (void)fsm;
    while (state.pairs != NULL) {
        struct pair *pair = *(struct pair **)state.pairs;
        tdelete(pair, &state.pairs, compare);
        free(pair);
    }
    for (char *line = text; line < text + buf->len;) {
        char *end = memchr(line, '\n', (size_t)(text + buf->len - line));
        if (end == NULL)
            return RAFT_MALFORMED;
        *end = '\0';
        if (sscanf(line, "%1023s %1023s", key, value) == 2)
            set(key, value);
        line = end + 1;
    }
    raft_free(buf->base);
    return 0;
}

/* ---- The server -------------------------------------------------------------------------------- */

static struct server {
    uv_loop_t loop;
    struct raft_uv_transport transport;
    struct raft_io base, log_io, *io;
    struct raft_fsm fsm;
    struct raft raft;
    struct raft_transfer transfer;
    bool is_transferring, is_ending, is_raft_closed;
    uv_tcp_t listener;
    uv_signal_t signals[2];
    uv_timer_t teller;
    int id, count, port;
    char said[128];
    uint64_t applied_before;
} server;

struct connection {
    uv_tcp_t tcp;
    struct raft_apply request;
    uv_write_t write;
    char line[LINE_BYTES], answer[LINE_BYTES + 64];
    size_t bytes;
    bool is_busy, has_gone;
};

static const char *state_name(void)
{
    static const char *const names[] = {"unavailable", "follower", "candidate", "leader"};

    return names[raft_state(&server.raft)];
}

static void describe(char *text, size_t size)
{
    struct logfile_raft_state disk = {.term = server.raft.current_term};

    if (server.io == &server.log_io)
        logfile_raft_state(server.io, &disk, sizeof disk);
    snprintf(text, size, "server %d: %s, term %" PRIu64 ", log %" PRIu64 " to %llu%s%s", server.id,
             state_name(), disk.term, disk.first_index, raft_last_index(&server.raft),
             disk.refused != 0 ? ", disk full" : "", disk.failed ? ", disk failed" : "");
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf);

static void on_connection_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void end_connection(struct connection *connection)
{
    connection->has_gone = true;
    if (!connection->is_busy && !uv_is_closing((uv_handle_t *)&connection->tcp))
        uv_close((uv_handle_t *)&connection->tcp, on_connection_closed);
}

static void give_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    struct connection *connection = handle->data;

    (void)wanted;
    *buf = uv_buf_init(connection->line + connection->bytes,
                       (unsigned)(LINE_BYTES - connection->bytes));
}

static void take_line(struct connection *connection);

static void on_written(uv_write_t *write, int status)
{
    struct connection *connection = write->data;

    connection->is_busy = false;
    if (status != 0 || connection->has_gone)
        end_connection(connection);
    else
        take_line(connection);
}

static void answer(struct connection *connection, const char *text)
{
    int bytes = snprintf(connection->answer, sizeof connection->answer, "%s\n", text);
    uv_buf_t buf = uv_buf_init(connection->answer, (unsigned)bytes);

    connection->write.data = connection;
    connection->is_busy = true;
    if (connection->has_gone ||
        uv_write(&connection->write, (uv_stream_t *)&connection->tcp, &buf, 1, on_written) != 0) {
        connection->is_busy = false;
        end_connection(connection);
    }
}

static void on_applied(struct raft_apply *request, int status, void *result)
{
    struct connection *connection = request->data;
    char text[LINE_BYTES];

    if (status == 0) {
        answer(connection, result);
        return;
    }
    /* It may have been replicated all the same. */
    snprintf(text, sizeof text, "maybe %s", raft_strerror(status));
    answer(connection, text);
}

static void on_transferred(struct raft_transfer *transfer)
{
    (void)transfer;
    server.is_transferring = false;
}

/* Another server may have room. */
static void hand_over(void)
{
    if (!server.is_transferring)
        server.is_transferring =
            raft_transfer(&server.raft, &server.transfer, 0, on_transferred) == 0;
}

static void refuse(struct connection *connection, int error)
{
    raft_id leader;
    const char *address;
    char text[LINE_BYTES];

    raft_leader(&server.raft, &leader, &address);
    if (error == RAFT_NOTLEADER)
        snprintf(text, sizeof text, "no %llu",
                 raft_state(&server.raft) == RAFT_LEADER ? 0 : leader);
    else
        snprintf(text, sizeof text, "refused: %.200s", raft_errmsg(&server.raft));
    if (error == RAFT_NOSPACE)
        hand_over();
    answer(connection, text);
}

/* The first line that has come becomes an entry, unless it asks for the state of this server. */
static void take_line(struct connection *connection)
{
    char *end = memchr(connection->line, '\n', connection->bytes), line[LINE_BYTES];

    if (end == NULL) {
        if (connection->bytes == LINE_BYTES)
            end_connection(connection);
        else
            uv_read_start((uv_stream_t *)&connection->tcp, give_room, on_read);
        return;
    }
    uv_read_stop((uv_stream_t *)&connection->tcp); /* one at a time */
    *end = '\0';
    size_t size = (size_t)(end - connection->line) + 1;
    memcpy(line, connection->line, size);
    connection->bytes -= size;
    memmove(connection->line, end + 1, connection->bytes);
    if (strcmp(line, "status") == 0) {
        describe(line, sizeof line);
        answer(connection, line);
        return;
    }
    /* libraft's messages and its own disk take entries of multiples of 8 bytes only: of others that go
     * together, all but the first would arrive shifted. */
    size_t padded = (size + 7) / 8 * 8;
    struct raft_buffer buf = {.base = raft_calloc(1, padded), .len = padded};
    if (buf.base == NULL) {
        refuse(connection, RAFT_NOMEM);
        return;
    }
    memcpy(buf.base, line, size);
    connection->request.data = connection;
    connection->is_busy = true;
    int error = raft_apply(&server.raft, &connection->request, &buf, 1, on_applied);
    if (error != 0) {
        raft_free(buf.base);
        refuse(connection, error);
    }
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct connection *connection = stream->data;

    (void)buf;
    if (got < 0) {
        uv_read_stop(stream);
        end_connection(connection);
    } else if (got > 0) {
        connection->bytes += (size_t)got;
        take_line(connection);
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct connection *connection = status == 0 ? calloc(1, sizeof *connection) : NULL;

    if (connection == NULL)
        return;
    uv_tcp_init(&server.loop, &connection->tcp);
    connection->tcp.data = connection;
    if (uv_accept(listener, (uv_stream_t *)&connection->tcp) != 0) {
        end_connection(connection);
        return;
    }
    uv_tcp_nodelay(&connection->tcp, 1);
    uv_read_start((uv_stream_t *)&connection->tcp, give_room, on_read);
}

/* Says what has changed, and how much is done. */
static void tell(uv_timer_t *timer)
{
    char text[128], head[160];
    uint64_t applied = state.applied - server.applied_before;

    (void)timer;
    describe(text, sizeof text);
    snprintf(head, sizeof head, "%s, term %llu", state_name(), server.raft.current_term);
    server.applied_before = state.applied;
    if (applied == 0 && strcmp(head, server.said) == 0)
        return;
    snprintf(server.said, sizeof server.said, "%.127s", head);
    printf("%s, %" PRIu64 " commands/s\n", text, applied);
}

static void on_raft_closed(struct raft *raft)
{
    (void)raft;
    server.is_raft_closed = true;
    uv_stop(&server.loop);
}

static void on_signal(uv_signal_t *signal, int number)
{
    (void)signal;
    (void)number;
    if (server.is_ending)
        return;
    server.is_ending = true;
    raft_close(&server.raft, on_raft_closed);
}

/* The disk: this is what a logfile adds to a program that runs on libraft. */
static void start_disk(const char *directory)
{
    /* One call a group in place of two; and segments, which are used again when a snapshot has replaced
     * what was in them, so that no blocks have to be prepared beside the commits.  Or NULL for every
     * default. */
    static const struct logfile_options log = {.sync = LOGFILE_SYNC_DSYNC,
                                               .slot_bytes = 1 << 20,
                                               .segment_bytes = 16 << 20,
                                               .prepare_bytes = 16 << 20};
    static const struct logfile_raft_options log_options = {.log = &log};
    char path[LINE_BYTES];

    if (mkdir(directory, 0755) != 0 && errno != EEXIST)
        die(directory, strerror(errno));
    raft_uv_tcp_init(&server.transport, &server.loop);
    if (raft_uv_init(&server.base, &server.loop, directory, &server.transport) != 0)
        die(directory, server.base.errmsg);
    raft_uv_set_connect_retry_delay(&server.base, 100);
    snprintf(path, sizeof path, "%s/raft.log", directory);
    server.io = &server.base;
    if (options.has_own_disk)
        return;
    server.io = &server.log_io;
    if (logfile_raft_init(server.io, &server.loop, path, &server.base, &log_options) != 0)
        die(path, "cannot be set up");
}

static void start_raft(void)
{
    struct raft_configuration configuration;
    char address[64];

    server.fsm = (struct raft_fsm){
        .version = 1, .apply = apply, .snapshot = take_snapshot, .restore = restore};
    print_address(address, sizeof address, server.id, server.port);
    int error = raft_init(&server.raft, server.io, &server.fsm, (raft_id)server.id, address);
    if (error != 0)
        die(raft_strerror(error), server.io->errmsg);
    raft_set_election_timeout(&server.raft, options.election_ms);
    raft_set_heartbeat_timeout(&server.raft, options.election_ms / 6);
    raft_set_snapshot_threshold(&server.raft, options.snapshot_entries);
    raft_set_snapshot_trailing(&server.raft, options.snapshot_entries / 4);
    raft_set_pre_vote(&server.raft, true);
    raft_configuration_init(&configuration);
    for (int id = 1; id <= server.count; id++) {
        print_address(address, sizeof address, id, server.port);
        raft_configuration_add(&configuration, (raft_id)id, address, RAFT_VOTER);
    }
    error = raft_bootstrap(&server.raft, &configuration);
    raft_configuration_close(&configuration);
    if (error != 0 && error != RAFT_CANTBOOTSTRAP) /* which says that it has been done before */
        die("bootstrap", server.io->errmsg);
    error = raft_start(&server.raft);
    if (error != 0)
        die(raft_strerror(error), server.io->errmsg);
}

static void serve(const char *directory, int id, int count, int port)
{
    struct sockaddr_in address = address_of(id, port + CLIENT_PORTS);

    server.id = id;
    server.count = count;
    server.port = port;
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&server.loop);
    start_disk(directory);
    start_raft();
    uv_tcp_init(&server.loop, &server.listener);
    uv_tcp_bind(&server.listener, (struct sockaddr *)&address, 0);
    int error = uv_listen((uv_stream_t *)&server.listener, 1024, on_connection);
    if (error != 0)
        die("listen", uv_strerror(error));
    for (int i = 0; i < 2; i++) {
        uv_signal_init(&server.loop, &server.signals[i]);
        uv_signal_start(&server.signals[i], on_signal, i == 0 ? SIGTERM : SIGINT);
    }
    uv_timer_init(&server.loop, &server.teller);
    uv_timer_start(&server.teller, tell, 200, 1000);
    printf("server %d: ready, log to %llu\n", id, raft_last_index(&server.raft));
    uv_run(&server.loop, UV_RUN_DEFAULT);
    if (server.io == &server.log_io)
        logfile_raft_close(server.io);
    raft_uv_close(&server.base);
    raft_uv_tcp_close(&server.transport);
    printf("server %d: closed\n", id);
}

/* ---- The clients ------------------------------------------------------------------------------- */

static int connect_to(int port, int id)
{
    struct sockaddr_in address = address_of(id, port + CLIENT_PORTS);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* Sends a line, and reads one; false: the server has gone, and the command is in doubt. */
static bool ask(int fd, const char *line, char *text, size_t size)
{
    size_t used = 0;

    if (send(fd, line, strlen(line), MSG_NOSIGNAL) < 0)
        return false;
    while (used < size - 1) {
        ssize_t got = recv(fd, text + used, size - 1 - used, 0);
        if (got <= 0)
            return false;
        used += (size_t)got;
        if (text[used - 1] == '\n') {
            text[used - 1] = '\0';
            return true;
        }
    }
    return false;
}

/* The server that says to lead, and answers to it that it does; 0: none within some seconds. */
static int find_leader(int count, int port, char *text, size_t size)
{
    for (int tries = 0; tries < 200; tries++) {
        for (int id = 1; id <= count; id++) {
            int fd = connect_to(port, id);
            bool leads =
                fd >= 0 && ask(fd, "status\n", text, size) && strstr(text, ": leader,") != NULL;
            if (fd >= 0)
                close(fd);
            if (leads)
                return id;
        }
        usleep(50000);
    }
    return 0;
}

static void run_client(int count, int port)
{
    char line[LINE_BYTES], text[LINE_BYTES + 64];

    while (fgets(line, sizeof line, stdin) != NULL) {
        if (strcmp(line, "status\n") == 0) {
            for (int id = 1; id <= count; id++) {
                int fd = connect_to(port, id);
                bool is_up = fd >= 0 && ask(fd, line, text, sizeof text);
                printf("%s\n", is_up ? text : "down");
                if (fd >= 0)
                    close(fd);
            }
            continue;
        }
        int leader = find_leader(count, port, text, sizeof text);
        int fd = leader != 0 ? connect_to(port, leader) : -1;
        if (fd < 0)
            puts("no server leads");
        else
            puts(ask(fd, line, text, sizeof text) ? text : "maybe: the server has gone");
        if (fd >= 0)
            close(fd);
        fflush(stdout);
    }
}

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

struct load_client {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    char line[LINE_BYTES], text[LINE_BYTES];
    uint64_t begun_ns, sent;
    int number;
};

static struct {
    uv_loop_t loop;
    uint64_t *ns;
    size_t count, capacity;
    uint64_t begin_ns, end_ns;
    uint64_t other; /* answers that were not ok */
} load;

static void send_set(struct load_client *client)
{
    int bytes = snprintf(client->line, sizeof client->line, "set key%d %0*" PRIu64 "\n",
                         client->number, (int)options.value_bytes, client->sent++);
    uv_buf_t buf = uv_buf_init(client->line, (unsigned)bytes);

    client->begun_ns = now_ns();
    uv_write(&client->write, (uv_stream_t *)&client->tcp, &buf, 1, NULL);
}

static void give_text(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    struct load_client *client = handle->data;

    (void)wanted;
    *buf = uv_buf_init(client->text, sizeof client->text);
}

static void on_answer(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct load_client *client = stream->data;
    uint64_t now = now_ns();

    if (got <= 0 || now >= load.end_ns) {
        uv_close((uv_handle_t *)stream, NULL);
        return;
    }
    if (strncmp(buf->base, "ok", 2) != 0)
        load.other++;
    else if (now >= load.begin_ns && load.count < load.capacity)
        load.ns[load.count++] = now - client->begun_ns;
    send_set(client);
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct load_client *client = connect->data;

    if (status != 0)
        die("load", uv_strerror(status));
    uv_tcp_nodelay(&client->tcp, 1);
    uv_read_start((uv_stream_t *)&client->tcp, give_text, on_answer);
    send_set(client);
}

static int compare_ns(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return left < right ? -1 : left > right;
}

static void run_load(int count, int port, int clients, double seconds)
{
    char text[LINE_BYTES];
    int leader = find_leader(count, port, text, sizeof text);
    struct sockaddr_in address = address_of(leader, port + CLIENT_PORTS);
    struct load_client *all = calloc((size_t)clients, sizeof *all);

    load.capacity = 1 << 24;
    load.ns = malloc(load.capacity * sizeof *load.ns);
    if (leader == 0 || all == NULL || load.ns == NULL)
        die("load", leader == 0 ? "no server leads" : "no memory");
    uv_loop_init(&load.loop);
    load.begin_ns = now_ns() + (uint64_t)(seconds * 0.2e9); /* what is warm counts */
    load.end_ns = now_ns() + (uint64_t)(seconds * 1.2e9);
    for (int i = 0; i < clients; i++) {
        uv_tcp_init(&load.loop, &all[i].tcp);
        all[i].number = i;
        all[i].tcp.data = all[i].connect.data = &all[i];
        uv_tcp_connect(&all[i].connect, &all[i].tcp, (struct sockaddr *)&address, on_connected);
    }
    uv_run(&load.loop, UV_RUN_DEFAULT);
    qsort(load.ns, load.count, sizeof *load.ns, compare_ns);
    if (load.count == 0)
        die("load", "no answer");
    printf("%d clients: %.0f commits/s, p50 %.2f ms, p99 %.2f ms, %" PRIu64 " not ok\n", clients,
           (double)load.count / seconds, (double)load.ns[load.count / 2] / 1e6,
           (double)load.ns[load.count * 99 / 100] / 1e6, load.other);
    free(load.ns);
    free(all);
}

static bool take_option(const char *name, const char *value)
{
    static const struct {
        const char *name;
        unsigned *number;
        int most;
    } numbers[] = {{"--election", &options.election_ms, 1000000},
                   {"--snapshot", &options.snapshot_entries, INT_MAX},
                   {"--value", &options.value_bytes, LINE_BYTES - 16}};

    if (strcmp(name, "--hosts") == 0)
        return inet_aton(value, &options.hosts) != 0;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(name, numbers[i].name) == 0) {
            *numbers[i].number = (unsigned)atoi(value);
            return atoi(value) > 0 && atoi(value) <= numbers[i].most;
        }
    return false;
}

/* Takes the options off the end; how many arguments are left, or 0: one is wrong. */
static int take_options(int argc, char **argv)
{
    int left = 1;

    while (left < argc && strncmp(argv[left], "--", 2) != 0)
        left++;
    for (int i = left; i < argc; i++) {
        if (strcmp(argv[i], "--own-disk") == 0)
            options.has_own_disk = true;
        else if (i + 1 < argc && take_option(argv[i], argv[i + 1]))
            i++;
        else
            return 0;
    }
    return left;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    argc = take_options(argc, argv);
    if (argc == 6 && strcmp(argv[1], "serve") == 0)
        serve(argv[2], atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
    else if (argc == 4 && strcmp(argv[1], "client") == 0)
        run_client(atoi(argv[2]), atoi(argv[3]));
    else if (argc == 6 && strcmp(argv[1], "load") == 0)
        run_load(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), atof(argv[5]));
    else {
        fputs("usage: raft_kv serve DIRECTORY ID COUNT PORT [--own-disk] [--election MS] "
              "[--snapshot ENTRIES]\n"
              "       raft_kv client COUNT PORT\n"
              "       raft_kv load COUNT PORT CLIENTS SECONDS [--value BYTES]\n"
              "       and --hosts A.B.C.0 with each\n",
              stderr);
        return 2;
    }
    return 0;
}
