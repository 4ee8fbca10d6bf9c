/* SPDX-License-Identifier: MIT */
/*
 * What putting a record into a ring costs at least: the floor under a submit on a null device.
 *
 * Each iteration takes room with one fetch-add, copies a record of BYTES (90) there, and says so
 * with a second fetch-add.  The ring has 16 MiB, as two slots of 8 MiB have; a record takes the
 * room that it would take in the log.  The records come from 64 KiB, at a place that moves on each time,
 * so they are in the cache, as in logfile-bench.
 *
 * own: every thread has a ring and two counters of its own, each on cache lines of its own.
 * shared: all threads have one ring and the same two counters, on different lines.
 */
#include "floor.h"

#include "payload.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RING_BYTES (UINT64_C(16) << 20)
#define RECORD_HEADER_BYTES 8u
#define BATCH 4096u /* iterations between two looks at the clock */
#define RECORD_BYTES_MAX 4096u
#define THREADS_MAX 256

static const char usage[] = "floor_copy THREADS SECONDS own|shared [BYTES]";

struct ring {
    _Alignas(128) _Atomic uint64_t head;
    _Alignas(128) _Atomic uint64_t published;
    unsigned char *bytes;
};

struct copier {
    _Alignas(128) struct ring *ring;
    pthread_t thread;
    const unsigned char *pool;
    size_t record_bytes;
    uint64_t duration_ns;
    uint64_t iterations;
    uint64_t elapsed_ns;
};

static void copy_batch(const struct copier *copier, uint64_t first)
{
    struct ring *ring = copier->ring;
    size_t bytes = copier->record_bytes;
    uint64_t room = (RECORD_HEADER_BYTES + bytes + 7) / 8 * 8;
    for (uint64_t i = first; i < first + BATCH; i++) {
        uint64_t at = atomic_fetch_add(&ring->head, room) % RING_BYTES;
        memcpy(ring->bytes + at, copier->pool + i * BENCH_PAYLOAD_STEP % BENCH_PAYLOAD_SPAN, bytes);
        atomic_fetch_add(&ring->published, room);
    }
}

static void *copier_main(void *arg)
{
    struct copier *copier = arg;
    uint64_t start_ns = bench_now_ns();
    while (copier->elapsed_ns < copier->duration_ns) {
        copy_batch(copier, copier->iterations);
        copier->iterations += BATCH;
        copier->elapsed_ns = bench_now_ns() - start_ns;
    }
    return NULL;
}

static void init_ring(struct ring *ring)
{
    /* A record may begin at the very end. */
    ring->bytes = floor_buffer(RING_BYTES + RECORD_BYTES_MAX);
}

int main(int argc, char **argv)
{
    static struct ring rings[THREADS_MAX];
    static struct copier copiers[THREADS_MAX];
    if ((argc != 4 && argc != 5) || (strcmp(argv[3], "own") != 0 && strcmp(argv[3], "shared") != 0))
        floor_usage(usage);
    unsigned count = (unsigned)floor_number(argv[1], usage);
    double seconds = floor_number(argv[2], usage);
    bool shared = strcmp(argv[3], "shared") == 0;
    size_t bytes = argc == 5 ? (size_t)floor_number(argv[4], usage) : 90;
    if (count < 1 || count > THREADS_MAX || bytes > RECORD_BYTES_MAX)
        floor_usage(usage);
    for (unsigned i = 0; i < (shared ? 1 : count); i++)
        init_ring(&rings[i]);
    for (unsigned i = 0; i < count; i++) {
        copiers[i].ring = &rings[shared ? 0 : i];
        copiers[i].pool = floor_buffer(BENCH_PAYLOAD_SPAN + RECORD_BYTES_MAX);
        copiers[i].record_bytes = bytes;
        copiers[i].duration_ns = (uint64_t)(seconds * (double)BENCH_NS_PER_S);
    }
    for (unsigned i = 0; i < count; i++) {
        errno = pthread_create(&copiers[i].thread, NULL, copier_main, &copiers[i]);
        if (errno != 0)
            floor_fail("starting a thread");
    }
    double per_s = 0;
    for (unsigned i = 0; i < count; i++) {
        pthread_join(copiers[i].thread, NULL);
        per_s +=
            (double)copiers[i].iterations * (double)BENCH_NS_PER_S / (double)copiers[i].elapsed_ns;
    }
    printf("{\"floor\":\"copy\",\"how\":\"%s\",\"threads\":%u,\"bytes\":%zu,\"copies_per_s\":%.3f"
           ",\"ns_per_copy\":%.3f}\n",
           argv[3], count, bytes, per_s, (double)count * (double)BENCH_NS_PER_S / per_s);
    return 0;
}
