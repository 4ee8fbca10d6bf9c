/* SPDX-License-Identifier: MIT */
/*
 * A server of one thread that takes lines from a thousand connections, and answers each with its LSN
 * when it is on stable storage.
 *
 *     event_server LOG SOCKET                          serves until SIGTERM or ^C
 *     event_server --client SOCKET CONNECTIONS LINES   sends LINES on each, one at a time
 *
 * The loop never waits for the disk.  It submits what has come, and the log's event descriptor tells
 * when more has become durable; one sync answers for all that came meanwhile.  While the log has no room,
 * in memory or on the disk, the loop reads no more from the connections: so clients wait, and nothing is
 * queued here.
 *
 *     cc event_server.c $(pkg-config --cflags --libs logfile)
 */
#include <errno.h>
#include <inttypes.h>
#include <logfile.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    LINE_BYTES = 256,
    EVENTS = 256,
    ASK_AGAIN_MS = 100
};

static void die(const char *what, int error)
{
    fprintf(stderr, "event_server: %s: %s\n", what, logfile_strerror(error));
    exit(1);
}

/* Of a call that tells by errno. */
static int checked(int result, const char *what)
{
    if (result < 0)
        die(what, -errno);
    return result;
}

/* data: NULL, or told once only: then it is watched again by EPOLL_CTL_MOD. */
static void watch(int epoll, int operation, int fd, void *data)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = data};

    if (data != NULL)
        event.events |= EPOLLONESHOT;
    checked(epoll_ctl(epoll, operation, fd, &event), "epoll_ctl");
}

static struct sockaddr_un socket_address(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof address.sun_path)
        die(path, -ENAMETOOLONG);
    strcpy(address.sun_path, path);
    return address;
}

/* ---- The server -------------------------------------------------------------------------------- */

struct connection {
    int fd;
    uint64_t lsn;            /* of the line whose answer is owed: no more is read until then */
    struct connection *next; /* in a queue */
    size_t bytes;
    char line[LINE_BYTES];
};

struct queue {
    struct connection *first, *last;
};

static struct server {
    struct logfile *log;
    int listener, signals, event_fd;
    int connections;      /* an epoll of the listener and all connections */
    struct queue owed;    /* answers, in the order of their LSNs */
    struct queue stalled; /* the log had no room for their lines */
    uint64_t answered;
} server;

static void push(struct queue *queue, struct connection *connection)
{
    connection->next = NULL;
    *(queue->first == NULL ? &queue->first : &queue->last->next) = connection;
    queue->last = connection;
}

static struct connection *pop(struct queue *queue)
{
    struct connection *connection = queue->first;

    queue->first = connection->next;
    return connection;
}

static void end_connection(struct connection *connection)
{
    close(connection->fd); /* it also leaves the epoll */
    free(connection);
}

/* Submits the line that a connection has sent; if it is not whole yet, waits for more. */
static void take_line(struct connection *connection)
{
    static const struct timespec passed; /* never sleeps */
    char *end = memchr(connection->line, '\n', connection->bytes);

    if (end == NULL && connection->bytes == LINE_BYTES) {
        end_connection(connection);
        return;
    }
    if (end == NULL) {
        watch(server.connections, EPOLL_CTL_MOD, connection->fd, connection);
        return;
    }
    const size_t size = (size_t)(end - connection->line);
    int error = logfile_submit(server.log, connection->line, size, &passed, &connection->lsn);
    if (error == -EAGAIN || error == -ENOSPC || error == -EDQUOT) {
        push(&server.stalled, connection);
        return;
    }
    if (error != 0)
        die("submit", error);
    connection->bytes -= size + 1;
    memmove(connection->line, end + 1, connection->bytes);
    push(&server.owed, connection);
}

static void answer(struct connection *connection)
{
    char text[32];
    int length = snprintf(text, sizeof text, "%" PRIu64 "\n", connection->lsn);

    if (send(connection->fd, text, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL) == length) {
        server.answered++;
        take_line(connection); /* it may have sent the next one already */
    } else {
        end_connection(connection); /* it has gone, or never reads; its line is in the log */
    }
}

/* Tries again what the log had no room for; some of it may go back. */
static void take_stalled(void)
{
    struct queue again = server.stalled;

    server.stalled.first = NULL;
    while (again.first != NULL)
        take_line(pop(&again));
}

/* Something has become durable, or there is room again. */
static void on_event(void)
{
    struct logfile_event_state state;
    int error = logfile_event_take(server.log, &state, sizeof state);

    if (error != 0)
        die("event", error);
    while (server.owed.first != NULL && server.owed.first->lsn < state.durable_lsn)
        answer(pop(&server.owed));
    if (state.failed) { /* what is left is in doubt: the clients must ask after the next start */
        char text[256];
        logfile_describe(server.log, LOGFILE_EFAILED, text, sizeof text);
        fprintf(stderr, "event_server: %s\n", text);
        exit(1);
    }
    if (state.has_room)
        take_stalled();
}

static void on_connection(struct connection *connection)
{
    ssize_t got = recv(connection->fd, connection->line + connection->bytes,
                       LINE_BYTES - connection->bytes, MSG_DONTWAIT);

    if (got > 0) {
        connection->bytes += (size_t)got;
        take_line(connection);
    } else {
        end_connection(connection);
    }
}

static void accept_one(void)
{
    struct connection *connection = calloc(1, sizeof *connection);

    if (connection == NULL)
        die("accept", -ENOMEM);
    connection->fd = accept(server.listener, NULL, NULL);
    if (connection->fd >= 0)
        watch(server.connections, EPOLL_CTL_ADD, connection->fd, connection);
    else
        free(connection); /* the client has gone again, or there are no more descriptors */
}

static void serve(void)
{
    for (;;) {
        struct pollfd fds[] = {{.fd = server.signals, .events = POLLIN},
                               {.fd = server.event_fd, .events = POLLIN},
                               {.fd = server.connections, .events = POLLIN}};
        /* Without room only the log is listened to.  Of room on a full disk it tells when it has been
         * asked again. */
        bool is_stalled = server.stalled.first != NULL;
        int ready = poll(fds, is_stalled ? 2 : 3, is_stalled ? ASK_AGAIN_MS : -1);
        if (ready < 0 && errno != EINTR)
            die("poll", -errno);
        if (ready == 0)
            take_stalled();
        if (fds[0].revents != 0)
            return;
        if (fds[1].revents != 0)
            on_event();
        if (server.stalled.first != NULL || fds[2].revents == 0)
            continue;
        struct epoll_event events[EVENTS];
        int count = epoll_wait(server.connections, events, EVENTS, 0);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                accept_one();
            else
                on_connection(events[i].data.ptr);
        }
    }
}

/* In a thread of the log's: what its operator wants to know, a disk that hangs or is full among it. */
static void on_log_event(void *arg, const struct logfile_event *event)
{
    (void)arg;
    fprintf(stderr, "event_server: %s\n", event->text);
}

static void run_server(const char *log, const char *path)
{
    const struct logfile_options options = {.event = on_log_event};
    struct sockaddr_un address = socket_address(path);
    struct logfile_open_report report;
    sigset_t ends;

    /* 1. Signals, as a descriptor; before the log starts threads, which have them blocked too. */
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    server.signals = checked(signalfd(-1, &ends, SFD_CLOEXEC), "signalfd");
    /* 2. The log. */
    int error = logfile_open(log, &options, &report, &server.log);
    if (error != 0) {
        fprintf(stderr, "event_server: %s\n", report.message);
        exit(1);
    }
    server.event_fd = logfile_event_fd(server.log);
    if (server.event_fd < 0)
        die("event descriptor", server.event_fd);
    /* 3. The socket. */
    unlink(path);
    server.listener = checked(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    checked(bind(server.listener, (struct sockaddr *)&address, sizeof address), path);
    checked(listen(server.listener, SOMAXCONN), path);
    server.connections = checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    watch(server.connections, EPOLL_CTL_ADD, server.listener, NULL);
    serve();
    unlink(path);
    error = logfile_close(server.log); /* what was submitted becomes durable */
    if (error != 0)
        die("close", error);
    printf("%" PRIu64 " lines answered\n", server.answered);
}

/* ---- The client -------------------------------------------------------------------------------- */

struct client {
    int fd;
    unsigned sent;
    uint64_t lsn;
};

static void send_line(struct client *client, unsigned which)
{
    char text[64];
    int length = snprintf(text, sizeof text, "connection %u line %u\n", which, client->sent++);

    if (write(client->fd, text, (size_t)length) != length)
        die("client: write", -errno);
}

static void run_client(const char *path, unsigned count, unsigned lines)
{
    struct sockaddr_un address = socket_address(path);
    struct client *clients = calloc(count, sizeof *clients);
    int epoll = checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    unsigned answers = 0, open = count;

    for (unsigned i = 0; i < count; i++) {
        clients[i].fd = checked(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
        checked(connect(clients[i].fd, (struct sockaddr *)&address, sizeof address), path);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};
        checked(epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &event), "epoll_ctl");
        send_line(&clients[i], i);
    }
    while (open > 0) {
        struct epoll_event events[EVENTS];
        int ready = checked(epoll_wait(epoll, events, EVENTS, -1), "epoll_wait");
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            char text[32] = "";
            if (read(client->fd, text, sizeof text - 1) <= 0)
                die("client: the server has gone", -errno);
            const uint64_t lsn = strtoull(text, NULL, 10);
            if (lsn <= client->lsn)
                die("client: not a later LSN", -EBADMSG);
            client->lsn = lsn;
            answers++;
            if (client->sent < lines) {
                send_line(client, (unsigned)(client - clients));
            } else {
                close(client->fd);
                open--;
            }
        }
    }
    printf("%u connections, %u answers\n", count, answers);
    free(clients);
}

int main(int argc, char **argv)
{
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files); /* a descriptor for each connection */
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (argc == 5 && strcmp(argv[1], "--client") == 0) {
        run_client(argv[2], (unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]));
    } else if (argc == 3) {
        run_server(argv[1], argv[2]);
    } else {
        fprintf(stderr, "usage: event_server LOG SOCKET\n"
                        "       event_server --client SOCKET CONNECTIONS LINES\n");
        return 2;
    }
    return 0;
}
