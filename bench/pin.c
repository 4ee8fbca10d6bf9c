/* SPDX-License-Identifier: MIT */
#include "pin.h"

#include <errno.h>
#include <limits.h>

/* hwloc sets errno on failure, but not on each. */
static int hwloc_error(void)
{
    return errno > 0 ? -errno : -EINVAL;
}

/* Restricting takes PUs off the topology's own list of what the machine has, so that only this mark
 * on its root tells afterwards. */
static const char restricted_mark[] = "LogfileBenchRestricted";

int bench_pin_restrict(hwloc_topology_t topology, hwloc_const_cpuset_t allowed)
{
    if (hwloc_bitmap_isincluded(hwloc_topology_get_topology_cpuset(topology), allowed))
        return 0;
    if (hwloc_topology_restrict(topology, allowed, 0) != 0)
        return hwloc_error();
    return hwloc_obj_add_info(hwloc_get_root_obj(topology), restricted_mark, "1") == 0 ? 0
                                                                                       : -ENOMEM;
}

bool bench_pin_is_restricted(hwloc_topology_t topology)
{
    return hwloc_obj_get_info_by_name(hwloc_get_root_obj(topology), restricted_mark) != NULL ||
           !hwloc_bitmap_isequal(hwloc_topology_get_topology_cpuset(topology),
                                 hwloc_topology_get_complete_cpuset(topology));
}

/* Cuts the topology down to where this process was bound to when it was started. */
static int restrict_to_binding(hwloc_topology_t topology)
{
    hwloc_bitmap_t bound = hwloc_bitmap_alloc();
    if (bound == NULL)
        return -ENOMEM;
    int error = 0;
    if (hwloc_get_cpubind(topology, bound, HWLOC_CPUBIND_PROCESS) == 0)
        error = bench_pin_restrict(topology, bound);
    hwloc_bitmap_free(bound);
    return error;
}

int bench_pin_load(hwloc_topology_t *topology)
{
    if (hwloc_topology_init(topology) != 0)
        return -ENOMEM;
    int error = 0;
    if (hwloc_topology_load(*topology) != 0)
        error = hwloc_error();
    if (error == 0)
        error = restrict_to_binding(*topology);
    if (error != 0)
        hwloc_topology_destroy(*topology);
    return error;
}

bool bench_pin_has_node(hwloc_topology_t topology, unsigned node)
{
    hwloc_obj_t found = hwloc_get_numanode_obj_by_os_index(topology, node);
    return found != NULL && !hwloc_bitmap_iszero(found->cpuset);
}

static hwloc_cpuset_t compact_set(hwloc_topology_t topology, unsigned index)
{
    int units = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU);
    hwloc_obj_t unit = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PU, index % (unsigned)units);
    return hwloc_bitmap_dup(unit->cpuset);
}

static hwloc_cpuset_t node_set(hwloc_topology_t topology, unsigned node)
{
    return hwloc_bitmap_dup(hwloc_get_numanode_obj_by_os_index(topology, node)->cpuset);
}

static hwloc_cpuset_t unit_set(hwloc_topology_t topology, unsigned unit)
{
    hwloc_obj_t found = hwloc_get_pu_obj_by_os_index(topology, unit);
    return found != NULL ? hwloc_bitmap_dup(found->cpuset) : NULL;
}

static bool has_units(hwloc_topology_t topology, const unsigned *list, unsigned list_count)
{
    for (unsigned i = 0; i < list_count; i++)
        if (hwloc_get_pu_obj_by_os_index(topology, list[i]) == NULL)
            return false;
    return list_count > 0;
}

/* The first `count` sets are given back. */
static int fail_without_memory(hwloc_cpuset_t *sets, unsigned count)
{
    while (count > 0)
        hwloc_bitmap_free(sets[--count]);
    return -ENOMEM;
}

static int plan_scatter(hwloc_topology_t topology, unsigned count, hwloc_cpuset_t *sets)
{
    hwloc_obj_t root = hwloc_get_root_obj(topology);
    if (hwloc_distrib(topology, &root, 1, sets, count, INT_MAX, 0) != 0)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++)
        hwloc_bitmap_singlify(sets[i]);
    return 0;
}

int bench_pin_plan(hwloc_topology_t topology, enum bench_pin_policy policy, unsigned node,
                   unsigned count, hwloc_cpuset_t *sets)
{
    if (policy == BENCH_PIN_SCATTER)
        return plan_scatter(topology, count, sets);
    if (policy == BENCH_PIN_NODE && !bench_pin_has_node(topology, node))
        return -EINVAL;
    for (unsigned i = 0; i < count; i++) {
        sets[i] = policy == BENCH_PIN_NODE ? node_set(topology, node) : compact_set(topology, i);
        if (sets[i] == NULL)
            return fail_without_memory(sets, i);
    }
    return 0;
}

int bench_pin_plan_list(hwloc_topology_t topology, const unsigned *list, unsigned list_count,
                        unsigned count, hwloc_cpuset_t *sets)
{
    if (!has_units(topology, list, list_count))
        return -EINVAL;
    for (unsigned i = 0; i < count; i++) {
        sets[i] = unit_set(topology, list[i % list_count]);
        if (sets[i] == NULL)
            return fail_without_memory(sets, i);
    }
    return 0;
}

int bench_pin_thread(hwloc_topology_t topology, hwloc_const_cpuset_t set)
{
    return hwloc_set_cpubind(topology, set, HWLOC_CPUBIND_THREAD) == 0 ? 0 : hwloc_error();
}
