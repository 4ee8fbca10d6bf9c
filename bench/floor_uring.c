/* SPDX-License-Identifier: MIT */
/*
 * What more than one flush in flight would give through io_uring: floor_depth with one thread.
 *
 * The same file and the same extents as in floor_depth.  DEPTH flushes are kept in flight by one
 * thread: each is a write linked to an fdatasync (link), or one write with RWF_DSYNC (dsync).  The
 * thread submits what it has and waits for one completion with the same system call.  A latency is
 * from filling the entry to seeing the completion.
 *
 * Exits with 77 where the kernel does not have io_uring or does not permit it.  liburing is not
 * needed: three structures in shared memory and two system calls are all that is used.
 */
#include "floor.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILE_BYTES (UINT64_C(128) << 20)
#define DEPTH_MAX 64u
#define SKIPPED 77

static const char usage[] = "floor_uring DIR SECONDS DEPTH BYTES link|dsync";

struct uring {
    int fd;
    struct io_uring_params params;
    unsigned char *rings; /* of submissions and of completions, in one mapping */
    struct io_uring_sqe *entries;
    unsigned filled; /* since the last submission */
};

struct flushes {
    struct uring uring;
    int fd;
    bool dsync;
    size_t bytes;
    void *extent;
    uint64_t next;
    uint64_t begin_ns[DEPTH_MAX];
    struct bench_histogram latency_ns;
};

static _Atomic unsigned *ring_word(const struct uring *uring, unsigned offset)
{
    return (_Atomic unsigned *)(void *)(uring->rings + offset);
}

static size_t rings_bytes(const struct io_uring_params *params)
{
    size_t submissions = params->sq_off.array + params->sq_entries * sizeof(unsigned);
    size_t completions = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
    return submissions > completions ? submissions : completions;
}

static void *map(int fd, size_t bytes, off_t what)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);
    if (memory == MAP_FAILED)
        floor_fail("mmap");
    return memory;
}

static void uring_init(struct uring *uring)
{
    uring->fd = (int)syscall(SYS_io_uring_setup, 2 * DEPTH_MAX, &uring->params);
    if (uring->fd < 0 || (uring->params.features & IORING_FEAT_SINGLE_MMAP) == 0) {
        fprintf(stderr, "floor_uring: io_uring is not to be had here\n");
        _exit(SKIPPED);
    }
    uring->rings = map(uring->fd, rings_bytes(&uring->params), IORING_OFF_SQ_RING);
    uring->entries =
        map(uring->fd, uring->params.sq_entries * sizeof *uring->entries, IORING_OFF_SQES);
}

/* There is always room: no more than two entries are in flight for each flush. */
static struct io_uring_sqe *uring_fill(struct uring *uring)
{
    const struct io_sqring_offsets *offsets = &uring->params.sq_off;
    _Atomic unsigned *tail = ring_word(uring, offsets->tail);
    unsigned index = *tail & (uring->params.sq_entries - 1);
    struct io_uring_sqe *entry = &uring->entries[index];
    memset(entry, 0, sizeof *entry);
    *ring_word(uring, offsets->array + index * (unsigned)sizeof index) = index;
    /* The kernel looks at the tail only in the system call that follows. */
    ++*tail;
    uring->filled++;
    return entry;
}

static void uring_submit_and_wait(struct uring *uring)
{
    if (syscall(SYS_io_uring_enter, uring->fd, uring->filled, 1, IORING_ENTER_GETEVENTS, NULL, 0) <
        0)
        floor_fail("io_uring_enter");
    uring->filled = 0;
}

static void begin_flush(struct flushes *flushes, unsigned slot)
{
    struct io_uring_sqe *entry = uring_fill(&flushes->uring);
    flushes->begin_ns[slot] = bench_now_ns();
    entry->opcode = IORING_OP_WRITE;
    entry->fd = flushes->fd;
    entry->addr = (uint64_t)(uintptr_t)flushes->extent;
    entry->len = (unsigned)flushes->bytes;
    entry->off = flushes->next;
    entry->user_data = slot;
    flushes->next = (flushes->next + flushes->bytes) % FILE_BYTES;
    if (flushes->dsync) {
        entry->rw_flags = RWF_DSYNC;
        return;
    }
    entry->flags = IOSQE_IO_LINK;
    entry->user_data = DEPTH_MAX; /* its end is of no interest: the sync follows it */
    entry = uring_fill(&flushes->uring);
    entry->opcode = IORING_OP_FSYNC;
    entry->fd = flushes->fd;
    entry->fsync_flags = IORING_FSYNC_DATASYNC;
    entry->user_data = slot;
}

/* Takes all completions, and begins a flush for each that ended unless the time is over. */
static void take_completions(struct flushes *flushes, bool begin_more, unsigned *in_flight)
{
    const struct uring *uring = &flushes->uring;
    const struct io_cqring_offsets *offsets = &uring->params.cq_off;
    struct io_uring_cqe *completions =
        (struct io_uring_cqe *)(void *)(uring->rings + offsets->cqes);
    _Atomic unsigned *head = ring_word(uring, offsets->head);
    while (*head != *ring_word(uring, offsets->tail)) {
        struct io_uring_cqe done = completions[*head & (uring->params.cq_entries - 1)];
        ++*head;
        bool is_write = !flushes->dsync && done.user_data == DEPTH_MAX;
        if (done.res != (is_write || flushes->dsync ? (int)flushes->bytes : 0)) {
            fprintf(stderr, "floor_uring: %s: %d\n", is_write ? "write" : "flush", done.res);
            floor_remove(flushes->fd);
            _exit(done.res == -EOPNOTSUPP || done.res == -EINVAL ? SKIPPED : 1);
        }
        if (is_write)
            continue;
        --*in_flight;
        bench_histogram_add(&flushes->latency_ns,
                            bench_now_ns() - flushes->begin_ns[done.user_data]);
        if (begin_more) {
            begin_flush(flushes, (unsigned)done.user_data);
            ++*in_flight;
        }
    }
}

int main(int argc, char **argv)
{
    static struct flushes flushes;
    if (argc != 6 || (strcmp(argv[5], "link") != 0 && strcmp(argv[5], "dsync") != 0))
        floor_usage(usage);
    double seconds = floor_number(argv[2], usage);
    unsigned depth = (unsigned)floor_number(argv[3], usage);
    flushes.bytes = (size_t)floor_number(argv[4], usage);
    flushes.dsync = strcmp(argv[5], "dsync") == 0;
    if (depth < 1 || depth > DEPTH_MAX || flushes.bytes % FLOOR_BLOCK_BYTES != 0 ||
        FILE_BYTES % flushes.bytes != 0)
        floor_usage(usage);
    uring_init(&flushes.uring);
    bool direct;
    flushes.fd = floor_create(argv[1], &direct);
    flushes.extent = floor_buffer(flushes.bytes);
    floor_write_zeros(flushes.fd, FILE_BYTES);

    uint64_t start_ns = bench_now_ns();
    uint64_t end_ns = start_ns + (uint64_t)(seconds * (double)BENCH_NS_PER_S);
    unsigned in_flight = depth;
    for (unsigned slot = 0; slot < depth; slot++)
        begin_flush(&flushes, slot);
    while (in_flight > 0) {
        uring_submit_and_wait(&flushes.uring);
        take_completions(&flushes, bench_now_ns() < end_ns, &in_flight);
    }
    double per_s = (double)flushes.latency_ns.count * (double)BENCH_NS_PER_S /
                   (double)(bench_now_ns() - start_ns);
    floor_remove(flushes.fd);
    printf("{\"floor\":\"depth\",\"how\":\"uring-%s\",\"direct\":%s,\"depth\":%u,\"bytes\":%zu"
           ",\"flushes_per_s\":%.3f,\"bytes_per_s\":%.3f",
           argv[5], direct ? "true" : "false", depth, flushes.bytes, per_s,
           per_s * (double)flushes.bytes);
    floor_print_percentiles(&flushes.latency_ns);
    puts("}");
    return 0;
}
