/* SPDX-License-Identifier: MIT */
/* Where the bench puts writers, the sequencer and the ring: planned on machines that hwloc makes
 * up, bound and read back on this one. */
#include "../../bench/place_plan.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* PUs 0-7 and 8-15, siblings next to each other. */
#define TWO_NODES "pack:2 [numa(memory=1GB)] core:4 pu:2"
/* Two packages of four nodes of two PUs each: node n has PUs 2n and 2n + 1. */
#define EIGHT_NODES "pack:2 group:4 [numa] core:2 pu:1"
#define ONE_NODE "pack:1 [numa] l3:2 core:2 pu:2"
#define MATRIX_MAX 8

static hwloc_topology_t topology;
static struct bench_place_options options;
static struct bench_place_plan made;
static char message[256];
static char text[BENCH_PLACE_TEXT];

static void load(const char *description)
{
    ck_assert_int_eq(hwloc_topology_init(&topology), 0);
    ck_assert_int_eq(hwloc_topology_set_synthetic(topology, description), 0);
    ck_assert_int_eq(hwloc_topology_load(topology), 0);
    memset(&options, 0, sizeof options);
    memset(&made, 0, sizeof made);
}

static void unload(void)
{
    bench_place_plan_free(&made);
    hwloc_topology_destroy(topology);
}

static void load_two_nodes(void)
{
    load(TWO_NODES);
}

static void load_eight_nodes(void)
{
    load(EIGHT_NODES);
}

static void load_one_node(void)
{
    load(ONE_NODE);
}

static void restrict_to(const char *units)
{
    hwloc_bitmap_t allowed = hwloc_bitmap_alloc();
    ck_assert_int_eq(hwloc_bitmap_list_sscanf(allowed, units), 0);
    ck_assert_int_eq(bench_pin_restrict(topology, allowed), 0);
    hwloc_bitmap_free(allowed);
}

static void pin(const char *value)
{
    ck_assert_int_eq(bench_place_parse_pin(value, &options, message, sizeof message), 0);
}

static void sequencer(const char *value)
{
    ck_assert_int_eq(bench_place_parse_sequencer(value, &options, message, sizeof message), 0);
}

static void memory(const char *value)
{
    ck_assert_int_eq(bench_place_parse_memory(value, &options, message, sizeof message), 0);
}

static void plan(unsigned writers)
{
    bench_place_plan_free(&made);
    message[0] = '\0';
    int status = bench_place_plan_make(topology, &options, writers, &made, message, sizeof message);
    ck_assert_msg(status == 0, "%s", message);
}

static void refuses(const char *expected)
{
    bench_place_plan_free(&made);
    ck_assert_int_eq(bench_place_plan_make(topology, &options, 2, &made, message, sizeof message),
                     -1);
    ck_assert_str_eq(message, expected);
    ck_assert_ptr_null(made.writers);
    ck_assert_ptr_null(made.sequencer);
    ck_assert_ptr_null(made.memory);
}

static void assert_set(hwloc_const_bitmap_t set, const char *expected)
{
    ck_assert_ptr_nonnull(set);
    hwloc_bitmap_list_snprintf(text, sizeof text, set);
    ck_assert_str_eq(text, expected);
}

/* What the machine says of its nodes' latencies, the whole table row by row. */
static void set_matrix(const hwloc_uint64_t *values, unsigned long kind)
{
    hwloc_obj_t nodes[MATRIX_MAX];
    hwloc_uint64_t copy[MATRIX_MAX * MATRIX_MAX];
    unsigned count = (unsigned)hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE);
    ck_assert_uint_le(count, MATRIX_MAX);
    for (unsigned i = 0; i < count; i++)
        nodes[i] = hwloc_get_obj_by_type(topology, HWLOC_OBJ_NUMANODE, i);
    memcpy(copy, values, count * count * sizeof *values);
    hwloc_distances_add_handle_t handle =
        hwloc_distances_add_create(topology, "test", kind | HWLOC_DISTANCES_KIND_FROM_USER, 0);
    ck_assert_ptr_nonnull(handle);
    ck_assert_int_eq(hwloc_distances_add_values(topology, handle, count, nodes, copy, 0), 0);
    ck_assert_int_eq(hwloc_distances_add_commit(topology, handle, 0), 0);
}

/* Nodes that are all 20 from each other, but for one pair. */
static void set_matrix_with(unsigned from, unsigned to, hwloc_uint64_t value, unsigned long kind)
{
    hwloc_uint64_t values[MATRIX_MAX * MATRIX_MAX];
    unsigned count = (unsigned)hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE);
    for (unsigned i = 0; i < count * count; i++)
        values[i] = i % (count + 1) == 0 ? 10 : 20;
    values[from * count + to] = values[to * count + from] = value;
    set_matrix(values, kind);
}

/* ---- Values ---------------------------------------------------------------------------------- */

static void clear(void)
{
    memset(&options, 0, sizeof options);
}

START_TEST(values_are_printed_as_they_are_read)
{
    static const char *const pins[] = {"none",      "compact",    "scatter",         "node:3",
                                       "list:0",    "list:0,2-3", "list:3,1,0,4-63", "list:0,0-1",
                                       "list:2,1,0"};
    static const char *const sequencers[] = {"any", "same", "far", "core:12"};
    static const char *const memories[] = {"any", "sequencer", "writers", "interleaved", "node:1"};
    for (size_t i = 0; i < sizeof pins / sizeof *pins; i++) {
        pin(pins[i]);
        bench_place_print_pin(&options, text);
        ck_assert_str_eq(text, pins[i]);
    }
    for (size_t i = 0; i < sizeof sequencers / sizeof *sequencers; i++) {
        sequencer(sequencers[i]);
        bench_place_print_sequencer(&options, text);
        ck_assert_str_eq(text, sequencers[i]);
    }
    for (size_t i = 0; i < sizeof memories / sizeof *memories; i++) {
        memory(memories[i]);
        bench_place_print_memory(&options, text);
        ck_assert_str_eq(text, memories[i]);
    }
}
END_TEST

START_TEST(a_list_keeps_its_order)
{
    pin("list:5,0,2-4");
    static const unsigned expected[] = {5, 0, 2, 3, 4};
    ck_assert_uint_eq(options.pin_list_count, 5);
    ck_assert_mem_eq(options.pin_list, expected, sizeof expected);
    pin("list:7");
    ck_assert_uint_eq(options.pin_list_count, 1);
}
END_TEST

static const struct {
    int (*parse)(const char *value, struct bench_place_options *options, char *message,
                 size_t message_bytes);
    const char *value;
    const char *message;
} bad_values[] = {
    {bench_place_parse_pin, "", "'' is not one of none, compact, scatter, node:N, list:0,2-3"},
    {bench_place_parse_pin, "spread",
     "'spread' is not one of none, compact, scatter, node:N, list:0,2-3"},
    {bench_place_parse_pin, "compact:1",
     "'compact:1' is not one of none, compact, scatter, node:N, list:0,2-3"},
    {bench_place_parse_pin, "list",
     "'list' is not one of none, compact, scatter, node:N, list:0,2-3"},
    {bench_place_parse_pin, "node", "'node' is not node:NUMBER"},
    {bench_place_parse_pin, "node:", "'node:' is not node:NUMBER"},
    {bench_place_parse_pin, "node:-1", "'node:-1' is not node:NUMBER"},
    {bench_place_parse_pin, "node:1x", "'node:1x' is not node:NUMBER"},
    {bench_place_parse_pin, "node:2147483648", "'node:2147483648' is not node:NUMBER"},
    {bench_place_parse_pin, "list:", "'list:' is not a list of numbers and ranges, as list:0,2-3"},
    {bench_place_parse_pin, "list:0,",
     "'list:0,' is not a list of numbers and ranges, as list:0,2-3"},
    {bench_place_parse_pin, "list:3-2",
     "'list:3-2' is not a list of numbers and ranges, as list:0,2-3"},
    {bench_place_parse_pin, "list:1-",
     "'list:1-' is not a list of numbers and ranges, as list:0,2-3"},
    {bench_place_parse_pin, "list:0;1",
     "'list:0;1' is not a list of numbers and ranges, as list:0,2-3"},
    {bench_place_parse_pin, "list:0-1024", "more than 1024 entries"},
    {bench_place_parse_pin, "list:0-1023,5", "more than 1024 entries"},
    {bench_place_parse_pin, "list:0-2147483647", "more than 1024 entries"},
    {bench_place_parse_sequencer, "near", "'near' is not one of any, same, far, core:N"},
    {bench_place_parse_sequencer, "core", "'core' is not core:NUMBER"},
    {bench_place_parse_sequencer, "far:1", "'far:1' is not one of any, same, far, core:N"},
    {bench_place_parse_memory, "local",
     "'local' is not one of any, sequencer, writers, interleaved, node:N"},
    {bench_place_parse_memory, "node:x", "'node:x' is not node:NUMBER"},
};
#define BAD_VALUES ((int)(sizeof bad_values / sizeof *bad_values))

START_TEST(a_bad_value_is_refused_and_changes_nothing)
{
    struct bench_place_options before;
    pin("list:1-3");
    sequencer("core:1");
    memory("node:1");
    before = options;
    ck_assert_int_eq(bad_values[_i].parse(bad_values[_i].value, &options, message, sizeof message),
                     -1);
    ck_assert_str_eq(message, bad_values[_i].message);
    ck_assert_mem_eq(&before, &options, sizeof before);
}
END_TEST

START_TEST(the_longest_list_fits_and_no_longer_text_does)
{
    pin("list:0-1023");
    ck_assert_uint_eq(options.pin_list_count, BENCH_PLACE_LIST_MAX);
    char value[16 * BENCH_PLACE_LIST_MAX] = "list:";
    size_t used = strlen(value);
    for (unsigned i = 0; i < BENCH_PLACE_LIST_MAX; i++)
        used +=
            (size_t)snprintf(value + used, sizeof value - used, "%s%u", i > 0 ? "," : "", 2 * i);
    ck_assert_int_eq(bench_place_parse_pin(value, &options, message, sizeof message), -1);
    ck_assert_str_eq(message, "a list of more than 2047 characters");
}
END_TEST

/* ---- Two nodes ------------------------------------------------------------------------------- */

START_TEST(nothing_asked_for_is_nothing_planned)
{
    plan(4);
    ck_assert_ptr_null(made.writers);
    ck_assert_ptr_null(made.sequencer);
    ck_assert_ptr_null(made.memory);
    ck_assert(!made.interleaved);
}
END_TEST

START_TEST(writers_follow_each_policy)
{
    pin("compact");
    plan(20); /* more than PUs */
    assert_set(made.writers[0], "0");
    assert_set(made.writers[1], "1");
    assert_set(made.writers[15], "15");
    assert_set(made.writers[19], "3");
    pin("scatter");
    plan(2);
    assert_set(made.writers[0], "0");
    assert_set(made.writers[1], "8");
    pin("node:1");
    plan(2);
    assert_set(made.writers[0], "8-15");
    assert_set(made.writers[1], "8-15");
    pin("list:9,0-1");
    plan(5);
    assert_set(made.writers[0], "9");
    assert_set(made.writers[1], "0");
    assert_set(made.writers[2], "1");
    assert_set(made.writers[3], "9");
    assert_set(made.writers[4], "0");
}
END_TEST

START_TEST(same_is_the_first_writers_node)
{
    sequencer("same");
    pin("compact");
    plan(16);
    assert_set(made.sequencer, "0-7");
    pin("list:12,0,1");
    plan(3);
    assert_set(made.sequencer, "8-15");
    pin("node:1");
    plan(3);
    assert_set(made.sequencer, "8-15");
}
END_TEST

START_TEST(far_is_the_other_node)
{
    sequencer("far");
    pin("compact");
    plan(4);
    assert_set(made.sequencer, "8-15");
    pin("node:1");
    plan(4);
    assert_set(made.sequencer, "0-7");
}
END_TEST

START_TEST(far_is_from_the_first_writer_where_writers_are_everywhere)
{
    sequencer("far");
    pin("scatter");
    plan(2);
    assert_set(made.sequencer, "8-15");
    pin("list:8,0");
    plan(2);
    assert_set(made.sequencer, "0-7");
}
END_TEST

START_TEST(a_core_is_all_of_its_units)
{
    sequencer("core:0");
    plan(1);
    assert_set(made.sequencer, "0-1");
    sequencer("core:7");
    plan(1);
    assert_set(made.sequencer, "14-15");
    ck_assert_ptr_null(made.writers);
}
END_TEST

START_TEST(memory_follows_each_policy)
{
    pin("list:8,0");
    sequencer("core:1");
    memory("sequencer");
    plan(2);
    assert_set(made.memory, "0");
    ck_assert(!made.interleaved);
    memory("writers");
    plan(2);
    assert_set(made.memory, "1");
    ck_assert(!made.interleaved);
    memory("node:1");
    plan(2);
    assert_set(made.memory, "1");
    ck_assert(!made.interleaved);
    memory("interleaved");
    plan(2);
    assert_set(made.memory, "0-1");
    ck_assert(made.interleaved);
}
END_TEST

START_TEST(what_the_machine_lacks_is_refused_with_what_it_has)
{
    pin("node:2");
    refuses("--pin node:2: this machine has PUs on NUMA nodes 0 to 1");
    pin("list:0,16");
    refuses("--pin list:16: this machine has PUs 0 to 15");
    pin("none");
    sequencer("core:8");
    refuses("--pin-sequencer core:8: this machine has cores 0 to 7");
    sequencer("any");
    memory("node:2");
    refuses("--ring-memory node:2: this machine has memory on NUMA nodes 0 to 1");
}
END_TEST

START_TEST(what_needs_another_option_is_refused)
{
    sequencer("same");
    refuses("--pin-sequencer same: needs --pin: writers that roam have no place");
    sequencer("far");
    refuses("--pin-sequencer far: needs --pin: writers that roam have no place");
    sequencer("any");
    memory("sequencer");
    refuses("--ring-memory sequencer: needs --pin-sequencer");
    pin("compact");
    refuses("--ring-memory sequencer: needs --pin-sequencer");
    pin("none");
    sequencer("core:0");
    memory("writers");
    refuses("--ring-memory writers: needs --pin");
}
END_TEST

/* ---- Two nodes, of which this process may use a part ----------------------------------------- */

START_TEST(a_restricted_process_is_told_so)
{
    ck_assert(!bench_pin_is_restricted(topology));
    restrict_to("0-15");
    ck_assert(!bench_pin_is_restricted(topology));
    restrict_to("1,3,8-9");
    ck_assert(bench_pin_is_restricted(topology));
    sequencer("core:3");
    refuses("--pin-sequencer core:3: of this machine this process may use cores 0 to 2");
    sequencer("any");
    pin("list:1,2");
    refuses("--pin list:2: of this machine this process may use PUs 1,3,8-9");
}
END_TEST

START_TEST(cores_are_numbered_by_what_is_left)
{
    restrict_to("3,8-9");
    sequencer("core:1");
    plan(1);
    assert_set(made.sequencer, "8-9");
    sequencer("same");
    pin("compact");
    plan(1);
    assert_set(made.sequencer, "3");
    sequencer("far");
    plan(1);
    assert_set(made.sequencer, "8-9");
}
END_TEST

/* Its PUs are not for this process, while its memory is. */
START_TEST(a_node_without_units_gives_memory_and_no_place)
{
    restrict_to("0-3");
    pin("node:1");
    refuses("--pin node:1: of this machine this process may use PUs on NUMA node 0");
    pin("list:0");
    sequencer("far");
    memory("node:1");
    plan(1);
    assert_set(made.sequencer, "2-3");
    assert_set(made.memory, "1");
    memory("interleaved");
    plan(1);
    assert_set(made.memory, "0-1");
}
END_TEST

START_TEST(one_core_has_nothing_far)
{
    restrict_to("4-5");
    pin("compact");
    sequencer("far");
    refuses("--pin-sequencer far: of this machine this process may use one core");
}
END_TEST

START_TEST(one_core_of_a_machine_has_nothing_far)
{
    pin("compact");
    sequencer("far");
    refuses("--pin-sequencer far: this machine has one core");
    sequencer("same");
    plan(1);
    assert_set(made.sequencer, "0-1");
}
END_TEST

static void load_one_core(void)
{
    load("pack:1 [numa] core:1 pu:2");
}

/* ---- Eight nodes ----------------------------------------------------------------------------- */

START_TEST(far_is_another_package_first)
{
    sequencer("far");
    pin("node:1");
    plan(1);
    assert_set(made.sequencer, "8-9");
    pin("node:6");
    plan(1);
    assert_set(made.sequencer, "0-1");
}
END_TEST

START_TEST(far_is_another_node_where_each_package_has_writers)
{
    sequencer("far");
    pin("list:0,8");
    plan(2);
    assert_set(made.sequencer, "10-11"); /* no writers, and farthest from the first */
    pin("list:8,0");
    plan(2);
    assert_set(made.sequencer, "2-3");
}
END_TEST

START_TEST(far_is_what_the_matrix_says)
{
    set_matrix_with(0, 2, 40, HWLOC_DISTANCES_KIND_MEANS_LATENCY);
    sequencer("far");
    pin("node:0");
    plan(1);
    assert_set(made.sequencer, "4-5");
    pin("node:2");
    plan(1);
    assert_set(made.sequencer, "0-1");
    pin("node:5"); /* all the same from here: the lowest number */
    plan(1);
    assert_set(made.sequencer, "0-1");
}
END_TEST

START_TEST(far_is_from_the_nearest_writer)
{
    set_matrix_with(0, 2, 40, HWLOC_DISTANCES_KIND_MEANS_LATENCY);
    sequencer("far");
    pin("list:0,4"); /* there are writers on node 2 itself */
    plan(2);
    assert_set(made.sequencer, "2-3");
    pin("list:0,2"); /* node 2 is 20 from the other writer, as all are, but 40 from the first */
    plan(2);
    assert_set(made.sequencer, "4-5");
    pin("list:2,0"); /* node 2 is no farther from the first than others */
    plan(2);
    assert_set(made.sequencer, "4-5");
}
END_TEST

/* A row of the matrix may differ from its column: what counts is the way from the writers. */
START_TEST(far_is_the_way_from_the_writers)
{
    hwloc_uint64_t values[MATRIX_MAX * MATRIX_MAX];
    for (unsigned i = 0; i < MATRIX_MAX * MATRIX_MAX; i++)
        values[i] = i % (MATRIX_MAX + 1) == 0 ? 10 : 20;
    values[0 * MATRIX_MAX + 3] = 30;
    values[5 * MATRIX_MAX + 0] = 40;
    set_matrix(values, HWLOC_DISTANCES_KIND_MEANS_LATENCY);
    sequencer("far");
    pin("node:0");
    plan(1);
    assert_set(made.sequencer, "6-7");
}
END_TEST

/* More bandwidth is not farther. */
START_TEST(a_matrix_of_bandwidths_is_not_distance)
{
    set_matrix_with(0, 2, 40, HWLOC_DISTANCES_KIND_MEANS_BANDWIDTH);
    sequencer("far");
    pin("node:0");
    plan(1);
    assert_set(made.sequencer, "8-9");
}
END_TEST

START_TEST(far_never_goes_to_a_node_without_units)
{
    set_matrix_with(0, 2, 40, HWLOC_DISTANCES_KIND_MEANS_LATENCY);
    restrict_to("0-3,6-15");
    sequencer("far");
    pin("node:0");
    plan(1);
    assert_set(made.sequencer, "2-3");
}
END_TEST

/* ---- Two kinds of memory in one place -------------------------------------------------------- */

/* Package p has nodes 2p and 2p + 1 next to the same PUs. */
static void load_two_kinds(void)
{
    load("pack:2 [numa(indexes=0,2)] [numa(indexes=1,3)] core:2 pu:1");
}

START_TEST(two_nodes_of_the_same_units_are_one_place)
{
    set_matrix_with(0, 1, 40, HWLOC_DISTANCES_KIND_MEANS_LATENCY);
    hwloc_obj_t first = hwloc_get_obj_by_type(topology, HWLOC_OBJ_NUMANODE, 0);
    hwloc_obj_t second = hwloc_get_obj_by_type(topology, HWLOC_OBJ_NUMANODE, 1);
    ck_assert(hwloc_bitmap_isequal(first->cpuset, second->cpuset));
    sequencer("far");
    pin("list:0");
    plan(1);
    assert_set(made.sequencer, "2-3");
}
END_TEST

/* ---- No memory ------------------------------------------------------------------------------- */

static void load_without_memory(void)
{
    load("pack:2 [numa(memory=0)] core:2 pu:1");
}

START_TEST(memory_that_is_not_there_is_refused)
{
    hwloc_get_obj_by_type(topology, HWLOC_OBJ_NUMANODE, 0)->attr->numanode.local_memory = 1 << 20;
    pin("node:1");
    memory("writers");
    refuses("--ring-memory writers: there is no memory there that this process may use");
    memory("node:1");
    refuses("--ring-memory node:1: this machine has memory on NUMA node 0");
    memory("interleaved");
    plan(1);
    assert_set(made.memory, "0");
    hwloc_get_obj_by_type(topology, HWLOC_OBJ_NUMANODE, 0)->attr->numanode.local_memory = 0;
    refuses("--ring-memory interleaved: no NUMA node tells of memory");
}
END_TEST

/* ---- One node -------------------------------------------------------------------------------- */

START_TEST(far_is_a_core_behind_another_cache)
{
    sequencer("far");
    pin("compact");
    plan(1);
    assert_set(made.sequencer, "4-5");
    pin("list:4,6");
    plan(2);
    assert_set(made.sequencer, "0-1");
}
END_TEST

START_TEST(far_is_a_core_without_writers_first)
{
    sequencer("far");
    pin("list:0,4");
    plan(2);
    assert_set(made.sequencer, "6-7");
    pin("list:0,5,6"); /* the only core that is left shares the cache */
    plan(3);
    assert_set(made.sequencer, "2-3");
}
END_TEST

START_TEST(far_is_still_far_where_every_core_has_writers)
{
    sequencer("far");
    pin("node:0");
    plan(1);
    assert_set(made.sequencer, "4-5");
    pin("compact");
    plan(100);
    assert_set(made.sequencer, "4-5");
}
END_TEST

START_TEST(units_count_as_cores_where_there_are_none)
{
    hwloc_topology_destroy(topology);
    load("pack:1 [numa] pu:4");
    sequencer("core:2");
    plan(1);
    assert_set(made.sequencer, "2");
    sequencer("far");
    pin("compact");
    plan(2);
    assert_set(made.sequencer, "2");
}
END_TEST

/* ---- What cannot be bound -------------------------------------------------------------------- */

static void refuses_to_create(const char *expected)
{
    struct bench_place *place = NULL;
    ck_assert_int_eq(bench_place_create(topology, &options, 1, &place, message, sizeof message),
                     -1);
    ck_assert_str_eq(message, expected);
    ck_assert_ptr_null(place);
}

/* Nothing can be bound on a machine that is not this one. */
START_TEST(a_machine_that_cannot_bind_is_refused)
{
    pin("compact");
    refuses_to_create("--pin: threads cannot be bound here");
    pin("none");
    sequencer("core:0");
    refuses_to_create("--pin-sequencer: threads cannot be bound here");
    sequencer("any");
    memory("interleaved");
    refuses_to_create("--ring-memory: memory cannot be bound here: Function not implemented");
    memory("node:7");
    refuses_to_create("--ring-memory node:7: this machine has memory on NUMA nodes 0 to 1");
}
END_TEST

/* ---- This machine ---------------------------------------------------------------------------- */

#define RING_BYTES ((size_t)1 << 22)
#define TOUCHED_PAGES 3

static struct bench_place *place;
static struct logfile_lab log_lab;
static struct logfile_options log_options;
static struct bench_placement placement;

static void load_this_machine(void)
{
    ck_assert_int_eq(bench_pin_load(&topology), 0);
    memset(&options, 0, sizeof options);
    log_lab = (struct logfile_lab){0};
    log_options = (struct logfile_options){.lab = &log_lab};
    place = NULL;
}

static void unload_this_machine(void)
{
    bench_place_destroy(place);
    hwloc_topology_destroy(topology);
}

static bool can_bind_threads(void)
{
    return hwloc_topology_get_support(topology)->cpubind->set_thisthread_cpubind != 0;
}

static void create(unsigned writers)
{
    int status = bench_place_create(topology, &options, writers, &place, message, sizeof message);
    ck_assert_msg(status == 0, "%s", message);
}

/* A writer or a log's thread, which stays until the binding was read back. */
struct thread {
    pthread_t id;
    void (*be)(const struct thread *thread);
    unsigned index;
    sem_t bound;
    sem_t leave;
};

static void *thread_main(void *arg)
{
    struct thread *thread = arg;
    thread->be(thread);
    sem_post(&thread->bound);
    sem_wait(&thread->leave);
    return NULL;
}

static void start(struct thread *thread, void (*be)(const struct thread *), unsigned index)
{
    thread->be = be;
    thread->index = index;
    sem_init(&thread->bound, 0, 0);
    sem_init(&thread->leave, 0, 0);
    ck_assert_int_eq(pthread_create(&thread->id, NULL, thread_main, thread), 0);
    sem_wait(&thread->bound);
}

static void finish(struct thread *thread)
{
    sem_post(&thread->leave);
    pthread_join(thread->id, NULL);
    sem_destroy(&thread->bound);
    sem_destroy(&thread->leave);
}

static void be_writer(const struct thread *thread)
{
    ck_assert_int_eq(bench_place_bind_writer(place, thread->index), 0);
}

static void be_sequencer(const struct thread *thread)
{
    (void)thread;
    log_options.thread_start(log_options.thread_arg, LOGFILE_THREAD_SEQUENCER);
}

static void be_preparer(const struct thread *thread)
{
    (void)thread;
    log_options.thread_start(log_options.thread_arg, LOGFILE_THREAD_PREPARER);
}

/* As a writer that somebody else moves after it was bound. */
static void be_moved_writer(const struct thread *thread)
{
    be_writer(thread);
    hwloc_obj_t last = hwloc_get_obj_by_type(
        topology, HWLOC_OBJ_PU, (unsigned)hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU) - 1);
    ck_assert_int_eq(bench_pin_thread(topology, last->cpuset), 0);
}

/* Where the kernel lets a thread run, asked of pthread rather than of hwloc. */
static void assert_runs_on(const struct thread *thread, hwloc_const_cpuset_t expected)
{
    cpu_set_t allowed;
    ck_assert_int_eq(pthread_getaffinity_np(thread->id, sizeof allowed, &allowed), 0);
    for (unsigned unit = 0; unit < CPU_SETSIZE; unit++)
        ck_assert_int_eq(CPU_ISSET(unit, &allowed), hwloc_bitmap_isset(expected, unit));
}

static void print_all(hwloc_const_cpuset_t set, char *out)
{
    hwloc_bitmap_list_snprintf(out, BENCH_PLACE_TEXT, set);
}

START_TEST(threads_are_bound_and_read_back)
{
    struct thread writers[2], sequencing, preparing;
    char expected[BENCH_PLACE_TEXT];
    if (!can_bind_threads())
        return;
    pin("compact");
    sequencer("core:0");
    create(2);
    bench_place_hook(place, &log_options, &log_lab);
    for (unsigned i = 0; i < 2; i++)
        start(&writers[i], be_writer, i);
    start(&sequencing, be_sequencer, 0);
    start(&preparing, be_preparer, 0);
    bench_place_read_back(place, &placement);
    ck_assert_int_eq(placement.error, 0);
    hwloc_bitmap_t both = hwloc_bitmap_alloc();
    hwloc_bitmap_or(both, bench_place_writer(place, 0), bench_place_writer(place, 1));
    print_all(both, expected);
    ck_assert_str_eq(placement.writers, expected);
    hwloc_bitmap_free(both);
    hwloc_cpuset_t core =
        hwloc_get_obj_by_depth(topology, hwloc_get_type_or_below_depth(topology, HWLOC_OBJ_CORE), 0)
            ->cpuset;
    print_all(core, expected);
    ck_assert_str_eq(placement.sequencer, expected);
    ck_assert_str_eq(placement.ring_memory, "");
    for (unsigned i = 0; i < 2; i++)
        assert_runs_on(&writers[i], bench_place_writer(place, i));
    assert_runs_on(&sequencing, core);
    assert_runs_on(&preparing, hwloc_topology_get_topology_cpuset(topology));
    for (unsigned i = 0; i < 2; i++)
        finish(&writers[i]);
    finish(&sequencing);
    finish(&preparing);
}
END_TEST

/* What is read back is what the kernel says, not what was planned, and of threads that are there. */
START_TEST(a_thread_that_was_moved_or_ended_reads_back_so)
{
    struct thread writer;
    unsigned units = (unsigned)hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU);
    char expected[BENCH_PLACE_TEXT];
    if (!can_bind_threads())
        return;
    pin("compact");
    create(1);
    bench_place_hook(place, &log_options, &log_lab);
    start(&writer, be_moved_writer, 0);
    bench_place_read_back(place, &placement);
    print_all(hwloc_get_obj_by_type(topology, HWLOC_OBJ_PU, units - 1)->cpuset, expected);
    ck_assert_str_eq(placement.writers, expected);
    ck_assert_str_eq(placement.sequencer, "");
    finish(&writer);
    /* The kernel lets a thread be joined a moment before it has gone. */
    for (int i = 0; i < 5000; i++) {
        bench_place_read_back(place, &placement);
        if (placement.writers[0] == '\0')
            break;
        usleep(1000);
    }
    ck_assert_str_eq(placement.writers, "");
}
END_TEST

START_TEST(an_unbound_sequencer_is_read_back_by_what_it_inherits)
{
    struct thread sequencing;
    hwloc_const_cpuset_t all = hwloc_topology_get_topology_cpuset(topology);
    char expected[BENCH_PLACE_TEXT] = "";
    if (!can_bind_threads())
        return;
    create(1);
    bench_place_hook(place, &log_options, &log_lab);
    start(&sequencing, be_sequencer, 0);
    bench_place_read_back(place, &placement);
    ck_assert_str_eq(placement.sequencer, "");
    finish(&sequencing);
    hwloc_const_cpuset_t first = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PU, 0)->cpuset;
    ck_assert_int_eq(bench_pin_thread(topology, first), 0);
    start(&sequencing, be_sequencer, 0);
    bench_place_read_back(place, &placement);
    if (!hwloc_bitmap_isequal(first, all))
        print_all(first, expected);
    ck_assert_str_eq(placement.sequencer, expected);
    finish(&sequencing);
    bench_place_hook(place, &log_options, &log_lab);
    bench_place_read_back(place, &placement);
    ck_assert_str_eq(placement.sequencer, "");
    ck_assert_int_eq(bench_pin_thread(topology, all), 0);
}
END_TEST

START_TEST(a_binding_that_fails_is_noted)
{
    if (!can_bind_threads())
        return;
    pin("compact");
    create(2);
    hwloc_bitmap_t set = (hwloc_bitmap_t)(uintptr_t)bench_place_writer(place, 1);
    hwloc_bitmap_zero(set); /* the kernel takes no empty set */
    int error = bench_place_bind_writer(place, 1);
    ck_assert_int_lt(error, 0);
    bench_place_read_back(place, &placement);
    ck_assert_int_eq(placement.error, error);
}
END_TEST

START_TEST(without_options_nothing_is_bound)
{
    create(3);
    bench_place_hook(place, &log_options, &log_lab);
    ck_assert_ptr_null(bench_place_writer(place, 2));
    ck_assert_int_eq(bench_place_bind_writer(place, 2), 0);
    ck_assert_ptr_null((void *)(uintptr_t)log_lab.ring_alloc);
    ck_assert_ptr_null((void *)(uintptr_t)log_lab.ring_free);
    bench_place_read_back(place, &placement);
    ck_assert_int_eq(placement.error, 0);
    ck_assert_str_eq(placement.writers, "");
    ck_assert_str_eq(placement.sequencer, "");
    ck_assert_str_eq(placement.ring_memory, "");
}
END_TEST

/* Whether the kernel, or a container, lets memory be bound: asked without hwloc. */
static bool can_bind_memory(void)
{
    unsigned long first_node = 1;
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long status = syscall(SYS_mbind, page, 4096L, 2L /* MPOL_BIND */, &first_node, 64L, 0L);
    munmap(page, 4096);
    return status == 0;
}

static int policy_of(void *memory_at)
{
    int policy = -1;
    ck_assert_int_eq(syscall(SYS_get_mempolicy, &policy, NULL, 0L, memory_at, 2L /* of it */), 0);
    return policy;
}

static const struct {
    const char *value;
    int policy; /* MPOL_BIND, MPOL_INTERLEAVE */
} real_memories[] = {{"node:0", 2}, {"interleaved", 3}, {"writers", 2}};

START_TEST(ring_memory_is_bound_and_read_back)
{
    char expected[BENCH_PLACE_TEXT];
    if (!can_bind_memory() || !can_bind_threads())
        return;
    pin("compact");
    memory(real_memories[_i].value);
    create(1);
    bench_place_hook(place, &log_options, &log_lab);
    char *ring = log_lab.ring_alloc(log_lab.ring_arg, RING_BYTES);
    ck_assert_ptr_nonnull(ring);
    ck_assert_uint_eq((uintptr_t)ring % 4096, 0);
    ck_assert_int_eq(policy_of(ring), real_memories[_i].policy);
    ck_assert_int_eq(policy_of(ring + RING_BYTES - 1), real_memories[_i].policy);
    bench_place_read_back(place, &placement);
    ck_assert_str_eq(placement.ring_memory, ""); /* nothing is touched yet */
    madvise(ring, RING_BYTES, MADV_NOHUGEPAGE);
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < TOUCHED_PAGES; i++) {
        char *page = ring + RING_BYTES - page_bytes * (1 + 200 * i);
        ck_assert_int_eq(page[0], 0);
        page[0] = 1;
    }
    bench_place_read_back(place, &placement);
    if (hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE) == 1) {
        snprintf(expected, sizeof expected, "%u:%d",
                 hwloc_get_obj_by_type(topology, HWLOC_OBJ_NUMANODE, 0)->os_index, TOUCHED_PAGES);
        ck_assert_str_eq(placement.ring_memory, expected);
    }
    log_lab.ring_free(log_lab.ring_arg, ring, RING_BYTES);
    bench_place_read_back(place, &placement);
    ck_assert_str_eq(placement.ring_memory, "");
}
END_TEST

/* A log takes the hooks: its sequencer and its ring are where they were asked to be. */
START_TEST(a_log_is_placed)
{
    char directory[] = "/tmp/logfile-place-XXXXXX";
    char path[64];
    struct logfile *log;
    uint64_t lsn;
    if (!can_bind_memory() || !can_bind_threads())
        return;
    sequencer("core:0");
    memory("sequencer");
    create(1);
    bench_place_hook(place, &log_options, &log_lab);
    log_lab.flusher = LOGFILE_FLUSHER_SEQUENCER;
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/log", directory);
    ck_assert_int_eq(logfile_open(path, &log_options, NULL, &log), 0);
    ck_assert_int_eq(logfile_append(log, "record", 6, &lsn), 0);
    bench_place_read_back(place, &placement);
    ck_assert_int_eq(placement.error, 0);
    print_all(
        hwloc_get_obj_by_depth(topology, hwloc_get_type_or_below_depth(topology, HWLOC_OBJ_CORE), 0)
            ->cpuset,
        text);
    ck_assert_str_eq(placement.sequencer, text);
    ck_assert_str_ne(placement.ring_memory, "");
    ck_assert_int_eq(logfile_close(log), 0);
    unlink(path);
    rmdir(directory);
    bench_place_read_back(place, &placement);
    ck_assert_str_eq(placement.ring_memory, "");
    ck_assert_str_eq(placement.sequencer, "");
}
END_TEST

/* ---- All of them ----------------------------------------------------------------------------- */

static TCase *add_case(Suite *suite, const char *name, void (*setup)(void), void (*teardown)(void))
{
    TCase *tests = tcase_create(name);
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    suite_add_tcase(suite, tests);
    return tests;
}

static void add_two_nodes(Suite *suite)
{
    TCase *tests = add_case(suite, "two nodes", load_two_nodes, unload);
    tcase_add_test(tests, nothing_asked_for_is_nothing_planned);
    tcase_add_test(tests, writers_follow_each_policy);
    tcase_add_test(tests, same_is_the_first_writers_node);
    tcase_add_test(tests, far_is_the_other_node);
    tcase_add_test(tests, far_is_from_the_first_writer_where_writers_are_everywhere);
    tcase_add_test(tests, a_core_is_all_of_its_units);
    tcase_add_test(tests, memory_follows_each_policy);
    tcase_add_test(tests, what_the_machine_lacks_is_refused_with_what_it_has);
    tcase_add_test(tests, what_needs_another_option_is_refused);
    tcase_add_test(tests, a_restricted_process_is_told_so);
    tcase_add_test(tests, cores_are_numbered_by_what_is_left);
    tcase_add_test(tests, a_node_without_units_gives_memory_and_no_place);
    tcase_add_test(tests, one_core_has_nothing_far);
    tcase_add_test(tests, a_machine_that_cannot_bind_is_refused);
}

static void add_eight_nodes(Suite *suite)
{
    TCase *tests = add_case(suite, "eight nodes", load_eight_nodes, unload);
    tcase_add_test(tests, far_is_another_package_first);
    tcase_add_test(tests, far_is_another_node_where_each_package_has_writers);
    tcase_add_test(tests, far_is_what_the_matrix_says);
    tcase_add_test(tests, far_is_from_the_nearest_writer);
    tcase_add_test(tests, far_is_the_way_from_the_writers);
    tcase_add_test(tests, a_matrix_of_bandwidths_is_not_distance);
    tcase_add_test(tests, far_never_goes_to_a_node_without_units);
}

static void add_one_node(Suite *suite)
{
    TCase *tests = add_case(suite, "one node", load_one_node, unload);
    tcase_add_test(tests, far_is_a_core_behind_another_cache);
    tcase_add_test(tests, far_is_a_core_without_writers_first);
    tcase_add_test(tests, far_is_still_far_where_every_core_has_writers);
    tcase_add_test(tests, units_count_as_cores_where_there_are_none);
}

static void add_values(Suite *suite)
{
    TCase *tests = add_case(suite, "values", clear, NULL);
    tcase_add_test(tests, values_are_printed_as_they_are_read);
    tcase_add_test(tests, a_list_keeps_its_order);
    tcase_add_loop_test(tests, a_bad_value_is_refused_and_changes_nothing, 0, BAD_VALUES);
    tcase_add_test(tests, the_longest_list_fits_and_no_longer_text_does);
}

static void add_odd_machines(Suite *suite)
{
    TCase *one_core = add_case(suite, "one core", load_one_core, unload);
    tcase_add_test(one_core, one_core_of_a_machine_has_nothing_far);
    TCase *two_kinds = add_case(suite, "two kinds of memory", load_two_kinds, unload);
    tcase_add_test(two_kinds, two_nodes_of_the_same_units_are_one_place);
    TCase *no_memory = add_case(suite, "no memory", load_without_memory, unload);
    tcase_add_test(no_memory, memory_that_is_not_there_is_refused);
}

static void add_this_machine(Suite *suite)
{
    TCase *tests = add_case(suite, "this machine", load_this_machine, unload_this_machine);
    tcase_add_test(tests, threads_are_bound_and_read_back);
    tcase_add_test(tests, a_thread_that_was_moved_or_ended_reads_back_so);
    tcase_add_test(tests, an_unbound_sequencer_is_read_back_by_what_it_inherits);
    tcase_add_test(tests, a_binding_that_fails_is_noted);
    tcase_add_test(tests, without_options_nothing_is_bound);
    tcase_add_loop_test(tests, ring_memory_is_bound_and_read_back, 0, 3);
    tcase_add_test(tests, a_log_is_placed);
}

int main(void)
{
    Suite *suite = suite_create("bench_place");
    add_values(suite);
    add_two_nodes(suite);
    add_eight_nodes(suite);
    add_one_node(suite);
    add_odd_machines(suite);
    add_this_machine(suite);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
