/* SPDX-License-Identifier: MIT */
/*
 * The schedules of the real code: every world within small bounds, and many more at random; and the
 * explorer itself on protocols that are known to be right or broken.
 *
 * With LF_LONG the schedules of three writers and the sequencer are gone through one after the other;
 * where LF_PROGRESS names a folder, a later run goes on where the last one stopped.
 */
#include "world.h"

#include "campaign.h"
#include "scheduler.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TEXT_BYTES = 1 << 14,
    PIECE = 200, /* schedules between two looks at the clock */
    SCHEDULES_A_CASE = 1000,
    SCHEDULES_A_LONG_CASE = 100000
};

static void fail_world(const struct world *world, const char *failure)
{
    char text[256];

    snprintf(text, sizeof text, "%s", failure);
    world_explain(world);
    ck_abort_msg("%s: %s", world->name, text);
}

/* ---- The explorer itself ---- */

static const struct bounds toy_bounds = {{3, 2, 0}};

START_TEST(right_protocols_pass_and_broken_ones_are_found)
{
    const struct world *toy = &toy_worlds[_i];
    char from[TEXT_BYTES] = "";
    const char *failure;
    uint64_t count;

    world_open(toy);
    count = world_exhaust(toy, &toy_bounds, UINT64_MAX, from, sizeof from, &failure);
    ck_assert_uint_gt(count, 0);
    if (failure != NULL && !toy->is_broken)
        fail_world(toy, failure);
    ck_assert_msg((failure != NULL) == toy->is_broken, "%s passes all %lu schedules", toy->name,
                  (unsigned long)count);
}
END_TEST

/* At random too. */
START_TEST(broken_protocols_are_found_at_random)
{
    const struct world *toy = &toy_worlds[_i];
    const char *failure;

    world_open(toy);
    world_sample(toy, &toy_bounds, 0, 10000, &failure);
    ck_assert_msg((failure != NULL) == toy->is_broken, "%s", toy->name);
}
END_TEST

START_TEST(a_replay_repeats_the_failure)
{
    const struct world *toy = &toy_worlds[_i];
    char text[TEXT_BYTES], again[TEXT_BYTES], failure[256];
    const char *found;

    if (!toy->is_broken)
        return;
    world_open(toy);
    world_sample(toy, &toy_bounds, 0, 10000, &found);
    ck_assert_ptr_nonnull(found);
    snprintf(failure, sizeof failure, "%s", found);
    ck_assert(search_write(text, sizeof text));
    uint64_t steps = scheduler_steps();

    search_random(&toy_bounds, 12345);
    world_run(toy); /* something else in between */
    ck_assert(search_replay(text));
    found = world_run(toy);
    ck_assert_ptr_nonnull(found);
    ck_assert_str_eq(found, failure);
    ck_assert_uint_eq(scheduler_steps(), steps);
    ck_assert(search_write(again, sizeof again));
    ck_assert_str_eq(again, text);
}
END_TEST

START_TEST(what_is_no_schedule_is_refused)
{
    static const char *const texts[] = {"x", "1", "1=", "1=0", "2=1,1=1", "1=1;", "1=1,,2=1"};

    ck_assert(search_replay("-"));
    ck_assert(search_replay("1=1,7=2"));
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        ck_assert_msg(!search_replay(texts[i]), "%s", texts[i]);
}
END_TEST

/* In pieces as in one go: the same number of schedules. */
START_TEST(a_search_that_was_stopped_goes_on)
{
    const struct world *toy = world_find("toy-dekker");
    char from[TEXT_BYTES] = "";
    const char *failure;
    uint64_t all, pieces = 0;

    world_open(toy);
    all = world_exhaust(toy, &toy_bounds, UINT64_MAX, from, sizeof from, &failure);
    do {
        pieces += world_exhaust(toy, &toy_bounds, 7, from, sizeof from, &failure);
        ck_assert_ptr_null(failure);
    } while (from[0] != '\0');
    ck_assert_uint_eq(pieces, all);
}
END_TEST

/* ---- The log ---- */

/* The schedules within the bounds, at most `limit`, a piece at a time while there is time. */
static uint64_t exhaust(const struct world *world, const struct bounds *bounds, uint64_t limit,
                        uint64_t end_ns)
{
    char from[TEXT_BYTES] = "";
    const char *failure;
    uint64_t count = 0;

    do {
        uint64_t piece = limit - count < PIECE ? limit - count : PIECE;
        count += world_exhaust(world, bounds, piece, from, sizeof from, &failure);
        if (failure != NULL)
            fail_world(world, failure);
    } while (count < limit && from[0] != '\0' && campaign_time_is_left(end_ns));
    return count;
}

/* Every schedule within the bounds, from the fewest preemptions on, as far as the time allows, half
 * of which is for all worlds together. */
START_TEST(every_world_within_small_bounds)
{
    static const unsigned steps[][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}};
    const size_t step_count = sizeof steps / sizeof steps[0];
    const struct world *world = &log_worlds[_i];
    uint64_t limit = scaled(300, 8000, 1000000);
    uint64_t count = 0;

    world_open(world);
    ck_assert_ptr_null(scheduler_failure());
    for (size_t i = 0; i < step_count; i++) {
        struct bounds bounds = {{steps[i][0], steps[i][1], world->faults}};
        uint64_t end_ns = campaign_share_end_ns(2 * log_world_count * (unsigned)step_count);
        count += exhaust(world, &bounds, limit, end_ns);
    }
    printf("%s: tried %lu schedules in order, of at most %lu\n", world->name, (unsigned long)count,
           (unsigned long)(limit * step_count));
}
END_TEST

static void sample(const struct world *world, uint64_t case_count, unsigned sharers)
{
    struct bounds bounds = {{3, 2, world->faults}};
    struct campaign campaign;
    const char *failure;
    char name[64];
    uint64_t number;

    snprintf(name, sizeof name, "explore-%s", world->name);
    world_open(world);
    campaign = campaign_begin_shared(name, case_count, sharers, 1);
    while (campaign_next(&campaign, &number)) {
        world_sample(world, &bounds, number * SCHEDULES_A_CASE, SCHEDULES_A_CASE, &failure);
        if (failure != NULL)
            fail_world(world, failure);
        campaign_passed(&campaign, SCHEDULES_A_CASE);
    }
    campaign_end(&campaign);
}

START_TEST(every_world_at_random)
{
    sample(&log_worlds[_i], scaled(1, 20, 10000), 4 * log_world_count);
}
END_TEST

/* The figure: three writers and the sequencer, up to three preemptions, delayed stores. */
static const char *const figure_worlds[] = {"three-sequencer", "crosser-sequencer"};
#define FIGURE_COUNT ((int)(sizeof figure_worlds / sizeof figure_worlds[0]))

START_TEST(three_writers_and_the_sequencer_at_random)
{
    if (test_scale() != SCALE_SMALL)
        sample(world_find(figure_worlds[_i]), scaled(0, 500, 100000), 8);
}
END_TEST

/* ---- In order, for as long as it takes ---- */

START_TEST(three_writers_and_the_sequencer_in_order)
{
    const struct world *world = world_find(figure_worlds[_i]);
    const struct bounds bounds = {{3, 1, 0}};
    char name[64], place[72], from[TEXT_BYTES];
    struct campaign campaign;
    const char *failure;
    uint64_t number;

    if (test_scale() != SCALE_LONG)
        return;
    snprintf(name, sizeof name, "explore-%s-in-order", world->name);
    snprintf(place, sizeof place, "%s-at", name);
    campaign_load(place, from, sizeof from);
    world_open(world);
    campaign = campaign_begin(name, 5000);
    while (campaign_next(&campaign, &number)) {
        uint64_t count =
            world_exhaust(world, &bounds, SCHEDULES_A_LONG_CASE, from, sizeof from, &failure);
        if (failure != NULL)
            fail_world(world, failure);
        campaign_keep(place, from);
        campaign_passed(&campaign, count);
        if (from[0] == '\0')
            break; /* that were all */
    }
    campaign_end(&campaign);
}
END_TEST

static Suite *explore_suite(void)
{
    Suite *suite = suite_create("explore");
    TCase *explorer = tcase_create("explorer");
    TCase *worlds = tcase_create("worlds");
    TCase *in_order = tcase_create("in-order");
    int toy_count = (int)toy_world_count;
    int world_count = (int)log_world_count;

    tcase_add_loop_test(explorer, right_protocols_pass_and_broken_ones_are_found, 0, toy_count);
    tcase_add_loop_test(explorer, broken_protocols_are_found_at_random, 0, toy_count);
    tcase_add_loop_test(explorer, a_replay_repeats_the_failure, 0, toy_count);
    tcase_add_test(explorer, what_is_no_schedule_is_refused);
    tcase_add_test(explorer, a_search_that_was_stopped_goes_on);
    suite_add_tcase(suite, explorer);

    tcase_set_timeout(worlds, (double)scaled(300, 600, 360000));
    tcase_add_loop_test(worlds, every_world_within_small_bounds, 0, world_count);
    tcase_add_loop_test(worlds, every_world_at_random, 0, world_count);
    tcase_add_loop_test(worlds, three_writers_and_the_sequencer_at_random, 0, FIGURE_COUNT);
    suite_add_tcase(suite, worlds);

    tcase_set_timeout(in_order, (double)scaled(300, 600, 360000));
    tcase_add_loop_test(in_order, three_writers_and_the_sequencer_in_order, 0, FIGURE_COUNT);
    suite_add_tcase(suite, in_order);
    return suite;
}

int main(void)
{
#if HAS_THREAD_SANITIZER
    puts("ThreadSanitizer does not know fibres, and they are all that there is to check here");
    return 77;
#else
    return run_suite(explore_suite());
#endif
}
