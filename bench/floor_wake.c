/* SPDX-License-Identifier: MIT */
/*
 * How many threads a second this machine can wake: the ceiling over appends that block.
 *
 * THREADS sleepers stand in GROUPS groups; the comment on top of floors.h says what they do.
 */
#include "floor.h"

#include <stdio.h>

static const char usage[] = "floor_wake THREADS SECONDS [GROUPS]";

int main(int argc, char **argv)
{
    double wakes_per_s;
    if (argc != 3 && argc != 4)
        floor_usage(usage);
    unsigned threads = (unsigned)floor_number(argv[1], usage);
    uint64_t duration_ns = (uint64_t)(floor_number(argv[2], usage) * (double)BENCH_NS_PER_S);
    unsigned groups = argc == 4 ? (unsigned)floor_number(argv[3], usage) : 1;
    if (groups < 1 || threads < groups || groups > BENCH_FLOOR_GROUPS_MAX)
        floor_usage(usage);
    floor_check(bench_floor_wakes(threads, groups, duration_ns, &wakes_per_s), "starting threads");
    printf("{\"floor\":\"wake\",\"threads\":%u,\"groups\":%u,\"wakes_per_s\":%.3f}\n", threads,
           groups, wakes_per_s);
    return 0;
}
