/* SPDX-License-Identifier: MIT */
/*
 * How fast one thread can make one block durable: the floor under a lone append.
 *
 * A file of 64 MiB is allocated, written over with zeros and synced, so that every block is one
 * that was written before: no commit changes the file's metadata.  Then, for the time given, one
 * block of 4 KiB after the other is written with O_DIRECT (buffered where the file system does not
 * take that; "direct" tells) and made durable: by fdatasync, or by RWF_DSYNC in the write itself.
 * Behind the last block it starts again with the first.  A latency is that of one write and sync.
 * The first twentieth of the time is not counted.
 */
#include "floor.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES (UINT64_C(64) << 20)
#define WARM_UP_SHARE 20

static const char usage[] = "floor_sync DIR SECONDS fdatasync|dsync";

static void make_durable(int fd, const void *block, uint64_t number, bool dsync)
{
    floor_write(fd, block, FLOOR_BLOCK_BYTES, number * FLOOR_BLOCK_BYTES % FILE_BYTES, dsync);
    if (!dsync && fdatasync(fd) != 0)
        floor_fail("fdatasync");
}

int main(int argc, char **argv)
{
    static struct bench_histogram latency_ns;
    if (argc != 4 || (strcmp(argv[3], "fdatasync") != 0 && strcmp(argv[3], "dsync") != 0))
        floor_usage(usage);
    uint64_t duration_ns = (uint64_t)(floor_number(argv[2], usage) * (double)BENCH_NS_PER_S);
    bool dsync = strcmp(argv[3], "dsync") == 0;
    bool direct;
    int fd = floor_create(argv[1], &direct);
    void *block = floor_buffer(FLOOR_BLOCK_BYTES);
    floor_write_zeros(fd, FILE_BYTES);

    uint64_t number = 0;
    uint64_t start_ns = bench_now_ns();
    while (bench_now_ns() - start_ns < duration_ns / WARM_UP_SHARE)
        make_durable(fd, block, number++, dsync);
    start_ns = bench_now_ns();
    uint64_t now_ns = start_ns;
    while (now_ns - start_ns < duration_ns) {
        uint64_t begin_ns = now_ns;
        make_durable(fd, block, number++, dsync);
        now_ns = bench_now_ns();
        bench_histogram_add(&latency_ns, now_ns - begin_ns);
    }
    floor_remove(fd);

    double seconds = (double)(now_ns - start_ns) / (double)BENCH_NS_PER_S;
    printf("{\"floor\":\"sync\",\"how\":\"%s\",\"direct\":%s,\"syncs_per_s\":%.3f", argv[3],
           direct ? "true" : "false", (double)latency_ns.count / seconds);
    floor_print_percentiles(&latency_ns);
    puts("}");
    return 0;
}
