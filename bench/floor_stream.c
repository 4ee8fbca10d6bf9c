/* SPDX-License-Identifier: MIT */
/*
 * How fast bytes go to a new file, durably, and how fast they come back.
 *
 * write: the clock starts; a new file is created and BYTES of it are allocated (fallocate); pieces
 * of 8 MiB are written one after the other with O_DIRECT, each followed by fdatasync; the clock
 * stops.  So the opening is part of it, and every piece is durable before the next is begun, as the
 * epochs of a log are.  The last piece is rounded up to a whole block.
 *
 * read: the file is read from start to end in pieces of 8 MiB with O_DIRECT, one thread, one piece
 * at a time; opening is part of it.  Pages that the cache may hold of the file are dropped before.
 *
 * "direct" tells where the file system did not take O_DIRECT.
 */
#include "floor.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PIECE_BYTES (UINT64_C(8) << 20)

static const char usage[] = "floor_stream write DIR BYTES, or floor_stream read FILE";

static void print_result(const char *how, bool direct, uint64_t bytes, uint64_t elapsed_ns)
{
    double seconds = (double)elapsed_ns / (double)BENCH_NS_PER_S;
    printf("{\"floor\":\"stream\",\"how\":\"%s\",\"direct\":%s,\"bytes\":%llu,\"seconds\":%.6f"
           ",\"bytes_per_s\":%.3f}\n",
           how, direct ? "true" : "false", (unsigned long long)bytes, seconds,
           (double)bytes / seconds);
}

static void write_new_file(const char *dir, uint64_t bytes)
{
    void *piece = floor_buffer(PIECE_BYTES);
    bytes = (bytes + FLOOR_BLOCK_BYTES - 1) / FLOOR_BLOCK_BYTES * FLOOR_BLOCK_BYTES;
    bool direct;
    uint64_t start_ns = bench_now_ns();
    int fd = floor_create(dir, &direct);
    if (fallocate(fd, 0, 0, (off_t)bytes) != 0)
        floor_fail("fallocate");
    for (uint64_t at = 0; at < bytes; at += PIECE_BYTES) {
        floor_write(fd, piece, bytes - at < PIECE_BYTES ? bytes - at : PIECE_BYTES, at, false);
        if (fdatasync(fd) != 0)
            floor_fail("fdatasync");
    }
    uint64_t elapsed_ns = bench_now_ns() - start_ns;
    floor_remove(fd);
    print_result("write", direct, bytes, elapsed_ns);
}

static void drop_cached_pages(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        floor_fail(path);
    fdatasync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

static void read_file(const char *path)
{
    void *piece = floor_buffer(PIECE_BYTES);
    drop_cached_pages(path);
    uint64_t bytes = 0;
    uint64_t start_ns = bench_now_ns();
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        floor_fail(path);
    bool direct = fcntl(fd, F_SETFL, O_DIRECT) == 0;
    ssize_t count;
    while ((count = pread(fd, piece, PIECE_BYTES, (off_t)bytes)) > 0) {
        bytes += (uint64_t)count;
        if (count % FLOOR_BLOCK_BYTES != 0) /* the end; O_DIRECT cannot go on from here */
            break;
    }
    if (count < 0)
        floor_fail("read");
    uint64_t elapsed_ns = bench_now_ns() - start_ns;
    close(fd);
    print_result("read", direct, bytes, elapsed_ns);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "write") == 0)
        write_new_file(argv[2], (uint64_t)floor_number(argv[3], usage));
    else if (argc == 3 && strcmp(argv[1], "read") == 0)
        read_file(argv[2]);
    else
        floor_usage(usage);
    return 0;
}
