/* SPDX-License-Identifier: MIT */
/* Where the bench puts its writers, on machines that hwloc makes up and on this one. */
#include "../../bench/pin.h"

#include <check.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

/* Two packages of four cores of two threads: PUs 0-7 and 8-15, siblings next to each other. */
#define TWO_PACKAGES "Package:2 [NUMANode(memory=1GB)] Core:4 PU:2"
#define UNITS 16
#define WRITERS_MAX 64

static hwloc_topology_t topology;
static hwloc_cpuset_t sets[WRITERS_MAX];
static unsigned set_count;

static void load(const char *description)
{
    ck_assert_int_eq(hwloc_topology_init(&topology), 0);
    ck_assert_int_eq(hwloc_topology_set_synthetic(topology, description), 0);
    ck_assert_int_eq(hwloc_topology_load(topology), 0);
}

static void plan(enum bench_pin_policy policy, unsigned node, unsigned count)
{
    for (unsigned i = 0; i < set_count; i++)
        hwloc_bitmap_free(sets[i]);
    set_count = 0;
    ck_assert_int_eq(bench_pin_plan(topology, policy, node, count, sets), 0);
    set_count = count;
}

static void load_two_packages(void)
{
    load(TWO_PACKAGES);
}

static void release(void)
{
    for (unsigned i = 0; i < set_count; i++)
        hwloc_bitmap_free(sets[i]);
    hwloc_topology_destroy(topology);
}

/* The one PU that a writer is bound to. */
static unsigned unit_of(unsigned writer)
{
    ck_assert_int_eq(hwloc_bitmap_weight(sets[writer]), 1);
    return (unsigned)hwloc_bitmap_first(sets[writer]);
}

static void assert_each_unit_has(unsigned writers_each, unsigned units)
{
    unsigned seen[UNITS] = {0};
    for (unsigned i = 0; i < set_count; i++)
        seen[unit_of(i)]++;
    for (unsigned unit = 0; unit < units; unit++)
        ck_assert_uint_eq(seen[unit], writers_each);
}

/* How many different ones of unit / divisor the writers are on: cores for 2, packages for 8. */
static unsigned different(unsigned divisor)
{
    bool seen[UNITS] = {false};
    unsigned count = 0;
    for (unsigned i = 0; i < set_count; i++) {
        unsigned place = unit_of(i) / divisor;
        count += !seen[place];
        seen[place] = true;
    }
    return count;
}

START_TEST(compact_fills_neighbours_first)
{
    plan(BENCH_PIN_COMPACT, 0, UNITS);
    for (unsigned i = 0; i < UNITS; i++)
        ck_assert_uint_eq(unit_of(i), i);
}
END_TEST

START_TEST(compact_starts_again_when_all_are_taken)
{
    plan(BENCH_PIN_COMPACT, 0, 2 * UNITS);
    assert_each_unit_has(2, UNITS);
    ck_assert_uint_eq(unit_of(UNITS), 0);
    ck_assert_uint_eq(unit_of(UNITS + 1), 1);
}
END_TEST

START_TEST(scatter_takes_packages_then_cores_then_siblings)
{
    plan(BENCH_PIN_SCATTER, 0, 1);
    ck_assert_uint_eq(different(1), 1);
    plan(BENCH_PIN_SCATTER, 0, 2);
    ck_assert_uint_eq(different(8), 2);
    plan(BENCH_PIN_SCATTER, 0, 4);
    ck_assert_uint_eq(different(8), 2);
    ck_assert_uint_eq(different(2), 4);
    plan(BENCH_PIN_SCATTER, 0, 8);
    ck_assert_uint_eq(different(2), 8);
    plan(BENCH_PIN_SCATTER, 0, UNITS);
    assert_each_unit_has(1, UNITS);
}
END_TEST

START_TEST(scatter_shares_evenly_when_all_are_taken)
{
    plan(BENCH_PIN_SCATTER, 0, 3 * UNITS);
    assert_each_unit_has(3, UNITS);
}
END_TEST

START_TEST(node_uses_all_of_its_units_and_no_other)
{
    ck_assert(bench_pin_has_node(topology, 0));
    ck_assert(bench_pin_has_node(topology, 1));
    plan(BENCH_PIN_NODE, 1, 5);
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_int_eq(hwloc_bitmap_weight(sets[i]), 8);
        ck_assert_int_eq(hwloc_bitmap_first(sets[i]), 8);
        ck_assert_int_eq(hwloc_bitmap_last(sets[i]), 15);
    }
}
END_TEST

START_TEST(a_node_that_is_not_there_is_refused)
{
    ck_assert(!bench_pin_has_node(topology, 2));
    ck_assert_int_eq(bench_pin_plan(topology, BENCH_PIN_NODE, 2, 1, sets), -EINVAL);
}
END_TEST

START_TEST(a_list_is_taken_in_its_order_and_again)
{
    static const unsigned list[] = {9, 0, 0};
    for (unsigned i = 0; i < set_count; i++)
        hwloc_bitmap_free(sets[i]);
    set_count = 0;
    ck_assert_int_eq(bench_pin_plan_list(topology, list, 3, 5, sets), 0);
    set_count = 5;
    static const unsigned expected[] = {9, 0, 0, 9, 0};
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(unit_of(i), expected[i]);
}
END_TEST

START_TEST(a_list_with_a_unit_that_is_not_there_is_refused)
{
    static const unsigned list[] = {0, UNITS};
    ck_assert_int_eq(bench_pin_plan_list(topology, list, 2, 1, sets), -EINVAL);
    ck_assert_int_eq(bench_pin_plan_list(topology, list, 0, 1, sets), -EINVAL);
}
END_TEST

/* As in a container or under taskset: PUs 3 and 12 are left. */
START_TEST(only_units_that_may_be_used_are_taken)
{
    hwloc_bitmap_t allowed = hwloc_bitmap_alloc();
    hwloc_bitmap_set(allowed, 3);
    hwloc_bitmap_set(allowed, 12);
    ck_assert(!bench_pin_is_restricted(topology));
    ck_assert_int_eq(bench_pin_restrict(topology, allowed), 0);
    ck_assert(bench_pin_is_restricted(topology));
    hwloc_bitmap_free(allowed);
    static const enum bench_pin_policy policies[] = {BENCH_PIN_COMPACT, BENCH_PIN_SCATTER};
    for (unsigned i = 0; i < 2; i++) {
        plan(policies[i], 0, 2);
        ck_assert_uint_eq(unit_of(0), 3);
        ck_assert_uint_eq(unit_of(1), 12);
    }
}
END_TEST

START_TEST(one_unit_takes_everybody)
{
    load("Core:1 PU:1");
    plan(BENCH_PIN_COMPACT, 0, 3);
    assert_each_unit_has(3, 1);
    plan(BENCH_PIN_SCATTER, 0, 3);
    assert_each_unit_has(3, 1);
    plan(BENCH_PIN_NODE, 0, 3);
    assert_each_unit_has(3, 1);
}
END_TEST

START_TEST(a_bound_thread_runs_where_it_is_put)
{
    ck_assert_int_eq(bench_pin_load(&topology), 0);
    if (!hwloc_topology_get_support(topology)->cpubind->set_thisthread_cpubind)
        return;
    unsigned units = (unsigned)hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU);
    unsigned count = units < WRITERS_MAX ? units : WRITERS_MAX;
    plan(BENCH_PIN_COMPACT, 0, count);
    for (unsigned i = 0; i < count; i++) {
        ck_assert_int_eq(bench_pin_thread(topology, sets[i]), 0);
        ck_assert_int_eq(sched_getcpu(), hwloc_bitmap_first(sets[i]));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bench_pin");
    TCase *made_up = tcase_create("two packages");
    tcase_set_timeout(made_up, 60);
    tcase_add_checked_fixture(made_up, load_two_packages, release);
    tcase_add_test(made_up, compact_fills_neighbours_first);
    tcase_add_test(made_up, compact_starts_again_when_all_are_taken);
    tcase_add_test(made_up, scatter_takes_packages_then_cores_then_siblings);
    tcase_add_test(made_up, scatter_shares_evenly_when_all_are_taken);
    tcase_add_test(made_up, node_uses_all_of_its_units_and_no_other);
    tcase_add_test(made_up, a_node_that_is_not_there_is_refused);
    tcase_add_test(made_up, a_list_is_taken_in_its_order_and_again);
    tcase_add_test(made_up, a_list_with_a_unit_that_is_not_there_is_refused);
    tcase_add_test(made_up, only_units_that_may_be_used_are_taken);
    suite_add_tcase(suite, made_up);
    TCase *others = tcase_create("others");
    tcase_set_timeout(others, 60);
    tcase_add_checked_fixture(others, NULL, release);
    tcase_add_test(others, one_unit_takes_everybody);
    tcase_add_test(others, a_bound_thread_runs_where_it_is_put);
    suite_add_tcase(suite, others);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
