/* SPDX-License-Identifier: MIT */
/*
 * What --pin, --pin-sequencer and --ring-memory come to on one machine.  Nothing is bound, so that
 * plans can be made for machines that hwloc makes up.
 */
#ifndef BENCH_PLACE_PLAN_H
#define BENCH_PLACE_PLAN_H

#include "place.h"

struct bench_place_plan {
    hwloc_cpuset_t *writers; /* one each; NULL: anywhere */
    unsigned writer_count;
    hwloc_cpuset_t sequencer; /* NULL: anywhere */
    hwloc_nodeset_t memory;   /* by the operating system's number; NULL: first touch */
    bool interleaved;         /* page by page over the nodes of `memory` */
};

/* 0, or -1 with one line in `message` and an empty plan. */
int bench_place_plan_make(hwloc_topology_t topology, const struct bench_place_options *options,
                          unsigned writers, struct bench_place_plan *plan, char *message,
                          size_t message_bytes);
void bench_place_plan_free(struct bench_place_plan *plan);

#endif /* BENCH_PLACE_PLAN_H */
