/* SPDX-License-Identifier: MIT */
/*
 * What more than one flush in flight would give: threads that each write and sync.
 *
 * A file of 128 MiB is allocated, written over with zeros and synced.  Then DEPTH threads take one
 * extent of BYTES after the other from it, in order, each writes its own with O_DIRECT and makes it
 * durable: by fdatasync (which waits for the others' writes too), or by RWF_DSYNC in the write
 * itself.  So DEPTH flushes are in flight all the time.  A latency is that of one write and sync.
 * No order among them is kept; a log would have to wait for the earlier ones before it acknowledges
 * a later one, so this is the most that depth could give.
 */
#include "floor.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES (UINT64_C(128) << 20)
#define DEPTH_MAX 64

static const char usage[] = "floor_depth DIR SECONDS DEPTH BYTES fdatasync|dsync";

struct flushes {
    int fd;
    bool dsync;
    size_t bytes;
    const void *extent;
    uint64_t end_ns;
    _Alignas(128) _Atomic uint64_t next;
};

struct flusher {
    _Alignas(128) struct flushes *flushes;
    pthread_t thread;
    struct bench_histogram latency_ns;
};

static void *flusher_main(void *arg)
{
    struct flusher *flusher = arg;
    struct flushes *flushes = flusher->flushes;
    uint64_t now_ns = bench_now_ns();
    while (now_ns < flushes->end_ns) {
        uint64_t begin_ns = now_ns;
        uint64_t at = atomic_fetch_add(&flushes->next, flushes->bytes) %
                      (FILE_BYTES / flushes->bytes * flushes->bytes);
        floor_write(flushes->fd, flushes->extent, flushes->bytes, at, flushes->dsync);
        if (!flushes->dsync && fdatasync(flushes->fd) != 0)
            floor_fail("fdatasync");
        now_ns = bench_now_ns();
        bench_histogram_add(&flusher->latency_ns, now_ns - begin_ns);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static struct flushes flushes;
    static struct flusher flushers[DEPTH_MAX];
    static struct bench_histogram latency_ns;
    if (argc != 6 || (strcmp(argv[5], "fdatasync") != 0 && strcmp(argv[5], "dsync") != 0))
        floor_usage(usage);
    double seconds = floor_number(argv[2], usage);
    unsigned depth = (unsigned)floor_number(argv[3], usage);
    flushes.bytes = (size_t)floor_number(argv[4], usage);
    flushes.dsync = strcmp(argv[5], "dsync") == 0;
    if (depth < 1 || depth > DEPTH_MAX || flushes.bytes == 0 ||
        flushes.bytes % FLOOR_BLOCK_BYTES != 0 || flushes.bytes > FILE_BYTES)
        floor_usage(usage);
    bool direct;
    flushes.fd = floor_create(argv[1], &direct);
    flushes.extent = floor_buffer(flushes.bytes);
    floor_write_zeros(flushes.fd, FILE_BYTES);

    uint64_t start_ns = bench_now_ns();
    flushes.end_ns = start_ns + (uint64_t)(seconds * (double)BENCH_NS_PER_S);
    for (unsigned i = 0; i < depth; i++) {
        flushers[i].flushes = &flushes;
        errno = pthread_create(&flushers[i].thread, NULL, flusher_main, &flushers[i]);
        if (errno != 0)
            floor_fail("starting a thread");
    }
    for (unsigned i = 0; i < depth; i++) {
        pthread_join(flushers[i].thread, NULL);
        bench_histogram_merge(&latency_ns, &flushers[i].latency_ns);
    }
    double per_s =
        (double)latency_ns.count * (double)BENCH_NS_PER_S / (double)(bench_now_ns() - start_ns);
    floor_remove(flushes.fd);
    printf("{\"floor\":\"depth\",\"how\":\"%s\",\"direct\":%s,\"depth\":%u,\"bytes\":%zu"
           ",\"flushes_per_s\":%.3f,\"bytes_per_s\":%.3f",
           argv[5], direct ? "true" : "false", depth, flushes.bytes, per_s,
           per_s * (double)flushes.bytes);
    floor_print_percentiles(&latency_ns);
    puts("}");
    return 0;
}
