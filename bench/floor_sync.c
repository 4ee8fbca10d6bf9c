/* SPDX-License-Identifier: MIT */
/*
 * How fast one thread can make one block durable: the floor under a lone append.
 *
 * A file of 64 MiB is allocated, written over with zeros and synced, so that every block is one
 * that was written before: no commit changes the file's metadata.  Then, for the time given, blocks
 * are made durable as the comment on top of floors.h says, with O_DIRECT (buffered where the file
 * system does not take that; "direct" tells).
 */
#include "floor.h"

#include <stdio.h>
#include <string.h>

static const char usage[] = "floor_sync DIR SECONDS fdatasync|dsync";

int main(int argc, char **argv)
{
    static struct bench_sync_floor measured;
    if (argc != 4 || (strcmp(argv[3], "fdatasync") != 0 && strcmp(argv[3], "dsync") != 0))
        floor_usage(usage);
    uint64_t duration_ns = (uint64_t)(floor_number(argv[2], usage) * (double)BENCH_NS_PER_S);
    bool dsync = strcmp(argv[3], "dsync") == 0;
    int fd = floor_create(argv[1], &measured.direct);
    floor_write_zeros(fd, BENCH_FLOOR_FILE_BYTES);
    floor_check(bench_floor_syncs(fd, FLOOR_BLOCK_BYTES, duration_ns, dsync, &measured),
                "write and sync");
    floor_remove(fd);

    printf("{\"floor\":\"sync\",\"how\":\"%s\",\"direct\":%s,\"syncs_per_s\":%.3f", argv[3],
           measured.direct ? "true" : "false", measured.syncs_per_s);
    floor_print_percentiles(&measured.latency_ns);
    puts("}");
    return 0;
}
