/* SPDX-License-Identifier: MIT */
/* Where writers run: which processing units (PUs) each may use. */
#ifndef BENCH_PIN_H
#define BENCH_PIN_H

#include <hwloc.h>

#include <stdbool.h>

enum bench_pin_policy {
    BENCH_PIN_NONE = 0, /* wherever the kernel puts them */
    BENCH_PIN_COMPACT,  /* one PU each, neighbours first: siblings of a core, cores of a package */
    BENCH_PIN_SCATTER,  /* one PU each, as far apart as possible: packages first, siblings last */
    BENCH_PIN_NODE,     /* everything on the PUs of one NUMA node */
    BENCH_PIN_LIST      /* one PU each, as listed */
};

/*
 * Loads this machine's topology, less what the process may not run on.  0 or -errno.
 */
int bench_pin_load(hwloc_topology_t *topology);

/* Cuts a topology down to the PUs of `allowed`, as for a process that may run on no other.  0 or
 * -errno. */
int bench_pin_restrict(hwloc_topology_t topology, hwloc_const_cpuset_t allowed);

/* Whether the machine has PUs that the topology leaves out: they are offline, or not for this
 * process. */
bool bench_pin_is_restricted(hwloc_topology_t topology);

/* Whether a NUMA node of that (operating system's) number exists and has PUs. */
bool bench_pin_has_node(hwloc_topology_t topology, unsigned node);

/*
 * Plans where `count` writers go: fills sets[0..count-1] with bitmaps that the caller frees.
 * More writers than PUs share them evenly.  Not for BENCH_PIN_NONE and BENCH_PIN_LIST.
 *
 * Returns 0, -ENOMEM, or -EINVAL (no such node).
 */
int bench_pin_plan(hwloc_topology_t topology, enum bench_pin_policy policy, unsigned node,
                   unsigned count, hwloc_cpuset_t *sets);

/*
 * The same for BENCH_PIN_LIST: writer i goes to the PU whose operating system number is
 * list[i % list_count].
 *
 * Returns 0, -ENOMEM, or -EINVAL (an empty list, or no such PU).
 */
int bench_pin_plan_list(hwloc_topology_t topology, const unsigned *list, unsigned list_count,
                        unsigned count, hwloc_cpuset_t *sets);

/* Binds the calling thread, and the threads that it starts from now on.  0 or -errno. */
int bench_pin_thread(hwloc_topology_t topology, hwloc_const_cpuset_t set);

#endif /* BENCH_PIN_H */
