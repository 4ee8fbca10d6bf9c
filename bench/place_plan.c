/* SPDX-License-Identifier: MIT */
#include "place_plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBERS_BYTES 160

struct planning {
    hwloc_topology_t topology;
    const struct bench_place_options *options;
    struct bench_place_plan *plan;
    char *message;
    size_t message_bytes;
};

static int refuse(const struct planning *planning, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int refuse(const struct planning *planning, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(planning->message, planning->message_bytes, format, list);
    va_end(list);
    return -1;
}

static int refuse_without_memory(const struct planning *planning)
{
    return refuse(planning, "out of memory");
}

/* ---- What the machine has -------------------------------------------------------------------- */

static bool has_units(hwloc_obj_t node)
{
    return !hwloc_bitmap_iszero(node->cpuset);
}

static bool has_memory(hwloc_obj_t node)
{
    return node->attr->numanode.local_memory > 0;
}

static hwloc_obj_t next_node(hwloc_topology_t topology, hwloc_obj_t node)
{
    return hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, node);
}

/* Where hwloc knows no cores, each PU counts as one. */
static int core_depth(hwloc_topology_t topology)
{
    return hwloc_get_type_or_below_depth(topology, HWLOC_OBJ_CORE);
}

/* The first node next to the set's first PU; NULL: this process may use none that is. */
static hwloc_obj_t node_of(hwloc_topology_t topology, hwloc_const_cpuset_t set)
{
    unsigned unit = (unsigned)hwloc_bitmap_first(set);
    hwloc_obj_t node = next_node(topology, NULL);
    while (node != NULL && !hwloc_bitmap_isset(node->cpuset, unit))
        node = next_node(topology, node);
    return node;
}

/* The same among nodes with memory. */
static hwloc_obj_t memory_of(hwloc_topology_t topology, hwloc_const_cpuset_t set)
{
    unsigned unit = (unsigned)hwloc_bitmap_first(set);
    hwloc_obj_t node = next_node(topology, NULL);
    while (node != NULL && !(hwloc_bitmap_isset(node->cpuset, unit) && has_memory(node)))
        node = next_node(topology, node);
    return node;
}

/* Several kinds of memory next to the same PUs are several nodes, of which one counts as where the
 * PUs are. */
static bool is_place(hwloc_topology_t topology, hwloc_obj_t node)
{
    return has_units(node) && node_of(topology, node->cpuset) == node;
}

static unsigned count_places(hwloc_topology_t topology)
{
    unsigned count = 0;
    for (hwloc_obj_t node = NULL; (node = next_node(topology, node)) != NULL;)
        count += is_place(topology, node);
    return count;
}

/* ---- Messages -------------------------------------------------------------------------------- */

/* "core 0", "cores 0 to 3", "cores 0,2-3". */
static void print_numbers(const char *what, hwloc_const_bitmap_t numbers, char *text)
{
    int first = hwloc_bitmap_first(numbers);
    int last = hwloc_bitmap_last(numbers);
    char list[NUMBERS_BYTES / 2];
    if (first == last) {
        snprintf(text, NUMBERS_BYTES, "%s %d", what, first);
    } else if (hwloc_bitmap_weight(numbers) == last - first + 1) {
        snprintf(text, NUMBERS_BYTES, "%ss %d to %d", what, first, last);
    } else {
        int length = hwloc_bitmap_list_snprintf(list, sizeof list, numbers);
        snprintf(text, NUMBERS_BYTES, "%ss %s%s", what, list,
                 (size_t)length >= sizeof list ? "..." : "");
    }
}

/* Refuses `value` of `option`, and names what there is instead. */
static int refuse_number(const struct planning *planning, const char *option, const char *value,
                         const char *what, hwloc_const_bitmap_t numbers)
{
    char text[NUMBERS_BYTES];
    if (hwloc_bitmap_iszero(numbers))
        snprintf(text, sizeof text, "no %s", what);
    else
        print_numbers(what, numbers, text);
    return refuse(planning, "--%s %s: %s %s", option, value,
                  bench_pin_is_restricted(planning->topology)
                      ? "of this machine this process may use"
                      : "this machine has",
                  text);
}

/* Refuses node:N of `option`, and names the nodes of which `is_usable` holds. */
static int refuse_node(const struct planning *planning, const char *option, unsigned number,
                       const char *what, bool (*is_usable)(hwloc_obj_t node))
{
    char value[32];
    hwloc_bitmap_t numbers = hwloc_bitmap_alloc();
    if (numbers == NULL)
        return refuse_without_memory(planning);
    for (hwloc_obj_t node = NULL; (node = next_node(planning->topology, node)) != NULL;)
        if (is_usable(node))
            hwloc_bitmap_set(numbers, node->os_index);
    snprintf(value, sizeof value, "node:%u", number);
    int status = refuse_number(planning, option, value, what, numbers);
    hwloc_bitmap_free(numbers);
    return status;
}

static int refuse_unit(const struct planning *planning, unsigned unit)
{
    char value[32];
    snprintf(value, sizeof value, "list:%u", unit);
    return refuse_number(planning, "pin", value, "PU",
                         hwloc_topology_get_topology_cpuset(planning->topology));
}

static int refuse_core(const struct planning *planning, unsigned cores)
{
    char value[32];
    hwloc_bitmap_t numbers = hwloc_bitmap_alloc();
    if (numbers == NULL)
        return refuse_without_memory(planning);
    hwloc_bitmap_set_range(numbers, 0, (int)cores - 1);
    snprintf(value, sizeof value, "core:%u", planning->options->sequencer_core);
    int status = refuse_number(planning, "pin-sequencer", value, "core", numbers);
    hwloc_bitmap_free(numbers);
    return status;
}

/* ---- Writers --------------------------------------------------------------------------------- */

static int check_list(const struct planning *planning)
{
    const struct bench_place_options *options = planning->options;
    for (unsigned i = 0; i < options->pin_list_count; i++)
        if (hwloc_get_pu_obj_by_os_index(planning->topology, options->pin_list[i]) == NULL)
            return refuse_unit(planning, options->pin_list[i]);
    return 0;
}

static int check_writers(const struct planning *planning)
{
    const struct bench_place_options *options = planning->options;
    if (options->pin == BENCH_PIN_LIST)
        return check_list(planning);
    if (options->pin == BENCH_PIN_NODE &&
        !bench_pin_has_node(planning->topology, options->pin_node))
        return refuse_node(planning, "pin", options->pin_node, "PUs on NUMA node", has_units);
    return 0;
}

static int fill_writers(const struct planning *planning, unsigned count, hwloc_cpuset_t *sets)
{
    const struct bench_place_options *options = planning->options;
    if (options->pin == BENCH_PIN_LIST)
        return bench_pin_plan_list(planning->topology, options->pin_list, options->pin_list_count,
                                   count, sets);
    return bench_pin_plan(planning->topology, options->pin, options->pin_node, count, sets);
}

static int plan_writers(const struct planning *planning, unsigned count)
{
    if (planning->options->pin == BENCH_PIN_NONE)
        return 0;
    if (check_writers(planning) != 0)
        return -1;
    hwloc_cpuset_t *sets = calloc(count, sizeof(hwloc_cpuset_t));
    if (sets == NULL)
        return refuse_without_memory(planning);
    int error = fill_writers(planning, count, sets);
    if (error != 0) {
        free(sets);
        return refuse(planning, "--pin: planning where writers go: %s", strerror(-error));
    }
    planning->plan->writers = sets;
    planning->plan->writer_count = count;
    return 0;
}

/* ---- How far --------------------------------------------------------------------------------- */

/* Greater the nearer the root of the topology the two meet: in a cache, a package, the machine. */
static uint64_t tree_distance(hwloc_topology_t topology, hwloc_obj_t one, hwloc_obj_t other)
{
    if (one == other)
        return 0;
    while (hwloc_obj_type_is_memory(one->type))
        one = one->parent;
    while (hwloc_obj_type_is_memory(other->type))
        other = other->parent;
    int depth = hwloc_get_common_ancestor_obj(topology, one, other)->depth;
    return (uint64_t)(hwloc_topology_get_depth(topology) - depth);
}

/* The machine's latencies between all of its nodes; NULL: it does not tell. */
static struct hwloc_distances_s *get_matrix(hwloc_topology_t topology)
{
    struct hwloc_distances_s *matrix;
    unsigned count = 1;
    if (hwloc_distances_get_by_type(topology, HWLOC_OBJ_NUMANODE, &count, &matrix,
                                    HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0) != 0 ||
        count == 0)
        return NULL;
    if ((int)matrix->nbobjs == hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE))
        return matrix;
    hwloc_distances_release(topology, matrix);
    return NULL;
}

static uint64_t node_distance(hwloc_topology_t topology, struct hwloc_distances_s *matrix,
                              hwloc_obj_t from, hwloc_obj_t to)
{
    hwloc_uint64_t there, back;
    if (matrix != NULL && hwloc_distances_obj_pair_values(matrix, from, to, &there, &back) == 0)
        return there;
    return tree_distance(topology, from, to);
}

/* From the node to the nearest one that writers run on, of which there is at least one. */
static uint64_t nearest_writer(hwloc_topology_t topology, struct hwloc_distances_s *matrix,
                               hwloc_const_cpuset_t writers, hwloc_obj_t to)
{
    uint64_t nearest = UINT64_MAX;
    for (hwloc_obj_t node = NULL; (node = next_node(topology, node)) != NULL;) {
        if (!is_place(topology, node) || !hwloc_bitmap_intersects(node->cpuset, writers))
            continue;
        uint64_t distance = node_distance(topology, matrix, node, to);
        if (distance < nearest)
            nearest = distance;
    }
    return nearest;
}

static hwloc_obj_t farthest_node(hwloc_topology_t topology, struct hwloc_distances_s *matrix,
                                 hwloc_const_cpuset_t writers, hwloc_obj_t first)
{
    hwloc_obj_t best = NULL;
    uint64_t best_nearest = 0, best_first = 0;
    for (hwloc_obj_t node = NULL; (node = next_node(topology, node)) != NULL;) {
        if (!is_place(topology, node))
            continue;
        uint64_t nearest = nearest_writer(topology, matrix, writers, node);
        uint64_t from_first = node_distance(topology, matrix, first, node);
        if (best == NULL || nearest > best_nearest ||
            (nearest == best_nearest && from_first > best_first)) {
            best = node;
            best_nearest = nearest;
            best_first = from_first;
        }
    }
    return best;
}

/* From the PU, and if there is one, without a writer. */
static hwloc_obj_t farthest_core(hwloc_topology_t topology, hwloc_const_cpuset_t writers,
                                 hwloc_obj_t from)
{
    hwloc_obj_t best = NULL;
    bool best_is_free = false;
    uint64_t best_distance = 0;
    for (hwloc_obj_t core = NULL;
         (core = hwloc_get_next_obj_by_depth(topology, core_depth(topology), core)) != NULL;) {
        bool is_free = !hwloc_bitmap_intersects(core->cpuset, writers);
        uint64_t distance = tree_distance(topology, core, from);
        if (best == NULL || is_free > best_is_free ||
            (is_free == best_is_free && distance > best_distance)) {
            best = core;
            best_is_free = is_free;
            best_distance = distance;
        }
    }
    return best;
}

/* ---- The sequencer --------------------------------------------------------------------------- */

static hwloc_cpuset_t unite_writers(const struct bench_place_plan *plan)
{
    hwloc_cpuset_t all = hwloc_bitmap_alloc();
    for (unsigned i = 0; all != NULL && i < plan->writer_count; i++) {
        if (hwloc_bitmap_or(all, all, plan->writers[i]) != 0) {
            hwloc_bitmap_free(all);
            return NULL;
        }
    }
    return all;
}

/* With the node of the first writer, which is there. */
static hwloc_obj_t find_far(const struct planning *planning, hwloc_const_cpuset_t writers,
                            hwloc_obj_t first)
{
    hwloc_topology_t topology = planning->topology;
    unsigned unit = (unsigned)hwloc_bitmap_first(planning->plan->writers[0]);
    if (count_places(topology) == 1)
        return farthest_core(topology, writers, hwloc_get_pu_obj_by_os_index(topology, unit));
    struct hwloc_distances_s *matrix = get_matrix(topology);
    hwloc_obj_t found = farthest_node(topology, matrix, writers, first);
    if (matrix != NULL)
        hwloc_distances_release(topology, matrix);
    return found;
}

static int take_set(const struct planning *planning, hwloc_obj_t object)
{
    planning->plan->sequencer = hwloc_bitmap_dup(object->cpuset);
    return planning->plan->sequencer != NULL ? 0 : refuse_without_memory(planning);
}

static int plan_far(const struct planning *planning, hwloc_obj_t first)
{
    hwloc_topology_t topology = planning->topology;
    if (hwloc_get_nbobjs_by_depth(topology, core_depth(topology)) == 1)
        return refuse(planning, "--pin-sequencer far: %s one core",
                      bench_pin_is_restricted(topology) ? "of this machine this process may use"
                                                        : "this machine has");
    hwloc_cpuset_t writers = unite_writers(planning->plan);
    if (writers == NULL)
        return refuse_without_memory(planning);
    hwloc_obj_t found = find_far(planning, writers, first);
    hwloc_bitmap_free(writers);
    return take_set(planning, found);
}

/* Relative to the writers. */
static int plan_beside(const struct planning *planning)
{
    bool is_far = planning->options->sequencer == BENCH_SEQUENCER_FAR;
    const char *value = is_far ? "far" : "same";
    if (planning->plan->writers == NULL)
        return refuse(planning, "--pin-sequencer %s: needs --pin: writers that roam have no place",
                      value);
    hwloc_obj_t first = node_of(planning->topology, planning->plan->writers[0]);
    if (first == NULL)
        return refuse(planning,
                      "--pin-sequencer %s: this process may not use the writers' NUMA node", value);
    return is_far ? plan_far(planning, first) : take_set(planning, first);
}

static int plan_core(const struct planning *planning)
{
    hwloc_topology_t topology = planning->topology;
    int depth = core_depth(topology);
    hwloc_obj_t core = hwloc_get_obj_by_depth(topology, depth, planning->options->sequencer_core);
    if (core == NULL)
        return refuse_core(planning, hwloc_get_nbobjs_by_depth(topology, depth));
    return take_set(planning, core);
}

static int plan_sequencer(const struct planning *planning)
{
    switch (planning->options->sequencer) {
    case BENCH_SEQUENCER_SAME:
    case BENCH_SEQUENCER_FAR:
        return plan_beside(planning);
    case BENCH_SEQUENCER_CORE:
        return plan_core(planning);
    case BENCH_SEQUENCER_ANY:
        break;
    }
    return 0;
}

/* ---- The ring's memory ----------------------------------------------------------------------- */

static int take_nodes(const struct planning *planning, hwloc_const_nodeset_t nodes)
{
    planning->plan->memory = hwloc_bitmap_dup(nodes);
    return planning->plan->memory != NULL ? 0 : refuse_without_memory(planning);
}

/* Next to a set that was planned; NULL: it was not. */
static int plan_near(const struct planning *planning, const char *value, const char *needs,
                     hwloc_const_cpuset_t set)
{
    if (set == NULL)
        return refuse(planning, "--ring-memory %s: needs --%s", value, needs);
    hwloc_obj_t node = memory_of(planning->topology, set);
    if (node == NULL)
        return refuse(planning,
                      "--ring-memory %s: there is no memory there that this process may use",
                      value);
    return take_nodes(planning, node->nodeset);
}

static int plan_interleaved(const struct planning *planning)
{
    hwloc_nodeset_t nodes = hwloc_bitmap_alloc();
    if (nodes == NULL)
        return refuse_without_memory(planning);
    for (hwloc_obj_t node = NULL; (node = next_node(planning->topology, node)) != NULL;)
        if (has_memory(node))
            hwloc_bitmap_set(nodes, node->os_index);
    planning->plan->memory = nodes;
    planning->plan->interleaved = true;
    if (hwloc_bitmap_iszero(nodes))
        return refuse(planning, "--ring-memory interleaved: no NUMA node tells of memory");
    return 0;
}

static int plan_node(const struct planning *planning)
{
    unsigned number = planning->options->memory_node;
    hwloc_obj_t node = hwloc_get_numanode_obj_by_os_index(planning->topology, number);
    if (node == NULL || !has_memory(node))
        return refuse_node(planning, "ring-memory", number, "memory on NUMA node", has_memory);
    return take_nodes(planning, node->nodeset);
}

static int plan_memory(const struct planning *planning)
{
    const struct bench_place_plan *plan = planning->plan;
    switch (planning->options->memory) {
    case BENCH_MEMORY_SEQUENCER:
        return plan_near(planning, "sequencer", "pin-sequencer", plan->sequencer);
    case BENCH_MEMORY_WRITERS:
        return plan_near(planning, "writers", "pin",
                         plan->writers != NULL ? plan->writers[0] : NULL);
    case BENCH_MEMORY_INTERLEAVED:
        return plan_interleaved(planning);
    case BENCH_MEMORY_NODE:
        return plan_node(planning);
    case BENCH_MEMORY_ANY:
        break;
    }
    return 0;
}

/* ---- All of it ------------------------------------------------------------------------------- */

int bench_place_plan_make(hwloc_topology_t topology, const struct bench_place_options *options,
                          unsigned writers, struct bench_place_plan *plan, char *message,
                          size_t message_bytes)
{
    const struct planning planning = {topology, options, plan, message, message_bytes};
    memset(plan, 0, sizeof *plan);
    if (plan_writers(&planning, writers) == 0 && plan_sequencer(&planning) == 0 &&
        plan_memory(&planning) == 0)
        return 0;
    bench_place_plan_free(plan);
    return -1;
}

void bench_place_plan_free(struct bench_place_plan *plan)
{
    for (unsigned i = 0; i < plan->writer_count; i++)
        hwloc_bitmap_free(plan->writers[i]);
    free(plan->writers);
    hwloc_bitmap_free(plan->sequencer);
    hwloc_bitmap_free(plan->memory);
    memset(plan, 0, sizeof *plan);
}
