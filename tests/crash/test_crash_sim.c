/* SPDX-License-Identifier: MIT */
/*
 * Power cuts, and processes that die, on the simulated disk: logs of one file that are never
 * trimmed.  crash_run.h tells what a case is.
 *
 *     test_crash_sim               the cases of a run
 *     test_crash_sim SEED [TIMES]  one case, as printed by a failure
 *
 * A case with one thread is the same each time; with several, only its plan is.
 */
#include "crash_run.h"

#include <check.h>

/* Larger slots, more of them, disks that fill up; more steps where a crash is far away. */
static void widen(struct crash_run *run)
{
    if (rng_one_in(&run->rng, 8))
        run->options.slot_bytes = 32 << 10;
    if (rng_one_in(&run->rng, 8))
        run->lab.slot_count = 8;
    if (rng_one_in(&run->rng, 8))
        run->disk_options.capacity_bytes = (48 + 4 * rng_below(&run->rng, 64)) << 10;
    if (rng_one_in(&run->rng, 16))
        run->crash_within = 250;
}

static void plan_run(struct crash_run *run)
{
    run->path = "crash.log";
    run->thread_count = 1;
    run->step_count_max = 16;
    run->crash_within = 60;
    run->recrash_within = 12;
    if (rng_one_in(&run->rng, 60))
        run->thread_count = 2 + (unsigned)rng_below(&run->rng, CRASH_THREADS_MAX - 1);
    run->options.slot_bytes = rng_one_in(&run->rng, 4) ? 16 << 10 : 8 << 10;
    run->lab.slot_count = rng_one_in(&run->rng, 2) ? 2 : 4;
    run->options.prepare_bytes = 64 << 10;
    run->disk_options.no_direct = rng_one_in(&run->rng, 4);
    run->disk_options.no_allocate = rng_one_in(&run->rng, 8);
    if (crash_is_wide(run))
        widen(run);
    crash_choose_engine(run);
}

static const struct crash_program program = {"test_crash_sim", plan_run, 1};

START_TEST(test_promises_hold_in_every_crash_state)
{
    crash_run_cases(&program, scaled(5000, 850000, 70000000));
}
END_TEST

START_TEST(test_what_was_found_before_stays_found)
{
    crash_replay_regressions(&program);
}
END_TEST

START_TEST(test_a_lying_sync_is_noticed)
{
    ck_assert_uint_ge(crash_count_caught(&program, CRASH_PLANT_SYNC_LIES, 200), 100);
}
END_TEST

START_TEST(test_rot_of_a_synced_byte_is_noticed)
{
    ck_assert_uint_ge(crash_count_caught(&program, CRASH_PLANT_ROT, 200), 190);
}
END_TEST

START_TEST(test_an_early_acknowledgement_is_noticed)
{
    ck_assert_uint_ge(crash_count_caught(&program, CRASH_PLANT_EARLY_ACK, 400), 20);
}
END_TEST

START_TEST(test_a_record_that_was_never_appended_is_noticed)
{
    ck_assert_uint_ge(crash_count_caught(&program, CRASH_PLANT_FORGOTTEN, 200), 100);
}
END_TEST

static Suite *crash_suite(void)
{
    Suite *suite = suite_create("crash_sim");
    TCase *promises = tcase_create("promises");
    TCase *plants = tcase_create("the test itself");

    tcase_set_timeout(promises, (double)scaled(600, 600, 360000));
    tcase_add_test(promises, test_what_was_found_before_stays_found);
    tcase_add_test(promises, test_promises_hold_in_every_crash_state);
    suite_add_tcase(suite, promises);
    tcase_set_timeout(plants, 300);
    tcase_add_test(plants, test_a_lying_sync_is_noticed);
    tcase_add_test(plants, test_rot_of_a_synced_byte_is_noticed);
    tcase_add_test(plants, test_an_early_acknowledgement_is_noticed);
    tcase_add_test(plants, test_a_record_that_was_never_appended_is_noticed);
    suite_add_tcase(suite, plants);
    return suite;
}

int main(int argc, char **argv)
{
    return argc == 1 ? run_suite(crash_suite())
                     : crash_replay(&program, argv + 1, (unsigned)argc - 1);
}
