/* SPDX-License-Identifier: MIT */
/*
 * What an event loop that embeds the log gets from its event descriptor, beside what it had to build
 * without one.  A server of one thread answers each request, a record of 64 bytes, when that is durable;
 * a client in a process of its own keeps one request of each connection on its way.
 *
 *   event    submit, poll the log's descriptor, take
 *   helper   submit, and tell a thread, which waits for the last record and writes to an eventfd
 *   append   logfile_append, one request at a time
 *
 * Each round runs every mode for SECONDS, in an order that turns round from one to the next, on a log of
 * its own in DIRECTORY.  A line of JSON for each: requests a second, the server's processor time per
 * request, and the client's latencies.
 */
#include <logfile.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 4096,
    ROUNDS_MAX = 1000,
    SECONDS_MAX = 600,
    REQUEST_BYTES = 64,
    EVENTS = 256,
    SAMPLES_MAX = 4 << 20
};

enum mode {
    EVENT,
    HELPER,
    APPEND,
    MODES
};
static const char *const mode_names[MODES] = {"event", "helper", "append"};

static const char usage[] = "usage: event_loop DIRECTORY CONNECTIONS SECONDS ROUNDS";

static void die(const char *what, int error)
{
    fprintf(stderr, "event_loop: %s: %s\n", what, logfile_strerror(error));
    exit(1);
}

/* Of a call that tells by errno. */
static int checked(int result, const char *what)
{
    if (result < 0)
        die(what, -errno);
    return result;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- The client -------------------------------------------------------------------------------- */

struct outcome {
    uint64_t requests;
    double seconds;
    uint64_t p50_ns, p99_ns;
};

static int compare(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static void send_request(int fd, uint64_t *sent_ns)
{
    static const char request[REQUEST_BYTES] = "a request";

    *sent_ns = clock_ns(CLOCK_MONOTONIC);
    if (write(fd, request, sizeof request) != sizeof request)
        die("client: write", -errno);
}

/* Until the time is up, and every request has been answered. */
static struct outcome drive(const int *fds, unsigned count, double seconds)
{
    static uint64_t sent_ns[CONNECTIONS_MAX];
    uint32_t *samples = malloc(SAMPLES_MAX * sizeof *samples);
    const uint64_t begin_ns = clock_ns(CLOCK_MONOTONIC);
    const uint64_t end_ns = begin_ns + (uint64_t)(seconds * 1e9);
    struct outcome outcome = {0};
    unsigned open = count;
    int epoll = checked(epoll_create1(0), "epoll_create1");

    if (samples == NULL)
        die("client", -ENOMEM);
    for (unsigned i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        checked(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event), "epoll_ctl");
        send_request(fds[i], &sent_ns[i]);
    }
    while (open > 0) {
        struct epoll_event events[EVENTS];
        int ready = checked(epoll_wait(epoll, events, EVENTS, -1), "epoll_wait");
        for (int i = 0; i < ready; i++) {
            const unsigned which = events[i].data.u32;
            uint64_t lsn;
            if (read(fds[which], &lsn, sizeof lsn) != sizeof lsn)
                die("client: read", -errno);
            const uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
            if (outcome.requests < SAMPLES_MAX)
                samples[outcome.requests] = (uint32_t)(now_ns - sent_ns[which]);
            outcome.requests++;
            if (now_ns < end_ns) {
                send_request(fds[which], &sent_ns[which]);
            } else {
                close(fds[which]);
                open--;
            }
        }
    }
    outcome.seconds = (double)(clock_ns(CLOCK_MONOTONIC) - begin_ns) / 1e9;
    const size_t taken = outcome.requests < SAMPLES_MAX ? outcome.requests : SAMPLES_MAX;
    qsort(samples, taken, sizeof *samples, compare);
    outcome.p50_ns = samples[taken / 2];
    outcome.p99_ns = samples[taken * 99 / 100];
    free(samples);
    return outcome;
}

/* ---- The helper thread ------------------------------------------------------------------------- */

/* What a program without the event descriptor has in its place. */
struct helper {
    struct logfile *log;
    int fd; /* an eventfd: something more is durable */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t wanted_lsn; /* the last record */
    bool stops;
};

static void *help(void *arg)
{
    struct helper *helper = arg;
    uint64_t done_lsn = 0;

    pthread_mutex_lock(&helper->lock);
    for (;;) {
        while (helper->wanted_lsn == done_lsn && !helper->stops)
            pthread_cond_wait(&helper->changed, &helper->lock);
        if (helper->wanted_lsn == done_lsn)
            break;
        done_lsn = helper->wanted_lsn;
        pthread_mutex_unlock(&helper->lock);
        int error = logfile_wait(helper->log, done_lsn, NULL);
        if (error != 0)
            die("helper", error);
        eventfd_write(helper->fd, 1);
        pthread_mutex_lock(&helper->lock);
    }
    pthread_mutex_unlock(&helper->lock);
    return NULL;
}

static void helper_want(struct helper *helper, uint64_t lsn)
{
    pthread_mutex_lock(&helper->lock);
    helper->wanted_lsn = lsn;
    pthread_cond_signal(&helper->changed);
    pthread_mutex_unlock(&helper->lock);
}

static void helper_stop(struct helper *helper)
{
    pthread_mutex_lock(&helper->lock);
    helper->stops = true;
    pthread_cond_signal(&helper->changed);
    pthread_mutex_unlock(&helper->lock);
    pthread_join(helper->thread, NULL);
    close(helper->fd);
}

/* ---- The server -------------------------------------------------------------------------------- */

struct answer {
    uint64_t lsn;
    int fd;
};

struct server {
    enum mode mode;
    struct logfile *log;
    struct helper helper;
    int epoll, event_fd;
    unsigned open;
    /* Answers that are owed, in the order of their LSNs: there is one for a connection at most. */
    struct answer owed[CONNECTIONS_MAX];
    unsigned first, end;
};

static void answer(int fd, uint64_t lsn)
{
    if (write(fd, &lsn, sizeof lsn) != sizeof lsn)
        die("server: write", -errno);
}

static void on_request(struct server *server, int fd)
{
    char request[REQUEST_BYTES];
    uint64_t lsn;
    ssize_t got = read(fd, request, sizeof request);

    if (got == 0) {
        close(fd);
        server->open--;
        return;
    }
    if (got != sizeof request)
        die("server: read", -errno);
    /* There are as many requests as connections at most: the ring has room for them. */
    int error = server->mode == APPEND
                    ? logfile_append(server->log, request, sizeof request, &lsn)
                    : logfile_submit(server->log, request, sizeof request, NULL, &lsn);
    if (error != 0)
        die("append", error);
    if (server->mode == APPEND)
        answer(fd, lsn);
    else
        server->owed[server->end++ % CONNECTIONS_MAX] = (struct answer){lsn, fd};
}

static void on_event(struct server *server)
{
    struct logfile_event_state state = {0};
    int error = 0;

    if (server->mode == EVENT) {
        error = logfile_event_take(server->log, &state, sizeof state);
    } else {
        eventfd_t count;
        eventfd_read(server->event_fd, &count);
        state.durable_lsn = logfile_durable_lsn(server->log);
    }
    if (error != 0 || state.failed)
        die("event", error != 0 ? error : LOGFILE_EFAILED);
    for (; server->first != server->end; server->first++) {
        const struct answer *owed = &server->owed[server->first % CONNECTIONS_MAX];
        if (owed->lsn >= state.durable_lsn)
            return;
        answer(owed->fd, owed->lsn);
    }
}

static void serve(struct server *server)
{
    while (server->open > 0) {
        struct epoll_event events[EVENTS];
        int ready = checked(epoll_wait(server->epoll, events, EVENTS, -1), "epoll_wait");
        const unsigned before = server->end;
        for (int i = 0; i < ready; i++)
            if (events[i].data.fd == server->event_fd)
                on_event(server);
            else
                on_request(server, events[i].data.fd);
        if (server->mode == HELPER && server->end != before)
            helper_want(&server->helper, server->owed[(server->end - 1) % CONNECTIONS_MAX].lsn);
    }
}

static void watch(const struct server *server, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    checked(epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

/* The processor time of the loop and of the threads that serve it. */
static double run_server(enum mode mode, const char *path, const int *fds, unsigned count)
{
    static struct server server;

    server = (struct server){.mode = mode, .open = count, .event_fd = -1};
    int error = logfile_open(path, NULL, NULL, &server.log);
    if (error != 0)
        die(path, error);
    server.epoll = checked(epoll_create1(0), "epoll_create1");
    for (unsigned i = 0; i < count; i++)
        watch(&server, fds[i]);
    if (mode == EVENT)
        server.event_fd = logfile_event_fd(server.log);
    if (mode == HELPER) {
        server.helper.log = server.log;
        server.event_fd = server.helper.fd = eventfd(0, EFD_NONBLOCK);
        pthread_mutex_init(&server.helper.lock, NULL);
        pthread_cond_init(&server.helper.changed, NULL);
        pthread_create(&server.helper.thread, NULL, help, &server.helper);
    }
    if (mode != APPEND)
        watch(&server, server.event_fd);
    const uint64_t begin_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    serve(&server);
    const double busy = (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begin_ns) / 1e9;
    if (mode == HELPER)
        helper_stop(&server.helper);
    error = logfile_close(server.log);
    if (error != 0)
        die("close", error);
    close(server.epoll);
    unlink(path);
    return busy;
}

/* ---- Rounds ------------------------------------------------------------------------------------ */

static void run(enum mode mode, const char *directory, unsigned count, double seconds,
                unsigned round)
{
    static int ours[CONNECTIONS_MAX], theirs[CONNECTIONS_MAX];
    struct outcome outcome;
    int result[2];
    char path[4096];

    snprintf(path, sizeof path, "%s/event_loop.%d.log", directory, (int)getpid());
    for (unsigned i = 0; i < count; i++) {
        int pair[2];
        checked(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "socketpair");
        ours[i] = pair[0];
        theirs[i] = pair[1];
    }
    checked(pipe(result), "pipe");
    const pid_t client = checked(fork(), "fork");
    for (unsigned i = 0; i < count; i++)
        close(client == 0 ? ours[i] : theirs[i]);
    if (client == 0) {
        outcome = drive(theirs, count, seconds);
        _exit(write(result[1], &outcome, sizeof outcome) != sizeof outcome);
    }
    close(result[1]);
    const double busy = run_server(mode, path, ours, count);
    if (read(result[0], &outcome, sizeof outcome) != sizeof outcome)
        die("client", -EPIPE);
    close(result[0]);
    waitpid(client, NULL, 0);
    printf("{\"round\": %u, \"mode\": \"%s\", \"connections\": %u, \"requests_per_s\": %.0f, "
           "\"cpu_us_per_request\": %.3f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
           round, mode_names[mode], count, (double)outcome.requests / outcome.seconds,
           busy * 1e6 / (double)outcome.requests, (double)outcome.p50_ns / 1e3,
           (double)outcome.p99_ns / 1e3);
    fflush(stdout);
}

/* A number from 1 to `max`. */
static bool parse(const char *text, double max, double *number)
{
    char *end;

    errno = 0;
    *number = strtod(text, &end);
    return errno == 0 && end != text && *end == '\0' && *number > 0 && *number <= max;
}

int main(int argc, char **argv)
{
    double connections, seconds, rounds;
    struct rlimit files;

    if (argc != 5 || !parse(argv[2], CONNECTIONS_MAX, &connections) || connections < 1 ||
        !parse(argv[3], SECONDS_MAX, &seconds) || !parse(argv[4], ROUNDS_MAX, &rounds)) {
        fprintf(stderr, "%s\n", usage);
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    for (unsigned round = 0; round < (unsigned)rounds; round++)
        for (unsigned i = 0; i < MODES; i++) {
            const enum mode mode = (enum mode)((i + round) % MODES);
            if (mode != APPEND || connections < 2)
                run(mode, argv[1], (unsigned)connections, seconds, round);
        }
    return 0;
}
