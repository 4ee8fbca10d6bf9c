/* SPDX-License-Identifier: MIT */
/*
 * A peer of logfile-bench in one file: records appended to a plain file, each under a mutex with a write and
 * an fdatasync of its own.
 *
 *     cc -shared -fPIC -O2 -o append_peer.so append_peer.c
 *     logfile-bench --engine ring,mutex --peer ./append_peer.so
 */
#define _GNU_SOURCE
#include <logfile_bench_peer.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

struct store {
    int fd;
    pthread_mutex_t lock;
};

struct header {
    uint64_t key;
    uint64_t size;
};

static const char *version(void)
{
    return "1";
}

static int open_store(struct bench_peer_store *store, const struct bench_peer_config *config)
{
    char path[4096];
    struct store *own = calloc(1, sizeof *own);

    if (own == NULL)
        return bench_peer_fail(store, "calloc", strerror(errno));
    if (bench_peer_enter(store, config) != 0) {
        free(own);
        return -1;
    }
    pthread_mutex_init(&own->lock, NULL);
    snprintf(path, sizeof path, "%s/records", config->path);
    own->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (own->fd < 0) {
        free(own);
        return bench_peer_fail(store, "open", strerror(errno));
    }
    store->handle = own;
    return 0;
}

static int begin(struct bench_peer_store *store, void **session)
{
    *session = store->handle;
    return 0;
}

static int append(struct bench_peer_store *store, void *session, uint64_t key, const void *data,
                  size_t size)
{
    struct store *own = session;
    struct header header = {key, size};
    struct iovec parts[] = {{&header, sizeof header}, {(void *)data, size}};
    int error = 0;

    pthread_mutex_lock(&own->lock);
    errno = EIO; /* of a short write */
    if (writev(own->fd, parts, 2) != (ssize_t)(sizeof header + size))
        error = bench_peer_fail(store, "writev", strerror(errno));
    else if (fdatasync(own->fd) != 0)
        error = bench_peer_fail(store, "fdatasync", strerror(errno));
    pthread_mutex_unlock(&own->lock);
    return error;
}

static void end(struct bench_peer_store *store, void *session)
{
    (void)store;
    (void)session;
}

static int scan(struct bench_peer_store *store, bench_peer_visit *visit, void *arg)
{
    struct store *own = store->handle;
    struct header header;
    off_t at = 0;
    ssize_t length;
    int status = 0;

    while (status == 0 && (length = pread(own->fd, &header, sizeof header, at)) > 0) {
        void *data = malloc(header.size + 1);
        at += (off_t)sizeof header;
        if (data == NULL || length != (ssize_t)sizeof header ||
            pread(own->fd, data, header.size, at) != (ssize_t)header.size)
            status = bench_peer_fail(store, "pread", "a record is cut");
        else
            status = visit(arg, header.key, data, header.size);
        at += (off_t)header.size;
        free(data);
    }
    return status;
}

static void close_store(struct bench_peer_store *store)
{
    struct store *own = store->handle;

    close(own->fd);
    pthread_mutex_destroy(&own->lock);
    free(own);
    store->handle = NULL;
}

static const struct bench_peer append_peer = {
    .name = "append",
    .settings = "a plain file with O_APPEND; writev and fdatasync of each record, under a mutex",
    .version = version,
    .open = open_store,
    .begin = begin,
    .append = append,
    .end = end,
    .scan = scan,
    .close = close_store,
};

BENCH_PEER_PLUGIN(append_peer)
