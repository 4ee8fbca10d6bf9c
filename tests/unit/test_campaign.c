/* SPDX-License-Identifier: MIT */
/* What bounds a campaign, and that no bound leaves a kind of cases out. */
#include "campaign.h"
#include "support.h"

#include <stdlib.h>

#define SHARERS_WITHOUT_TIME 4000000000u

/* Each test is a process of its own; what make check-long sets is none of its business. */
static void forget_settings(void)
{
    unsetenv("LF_LONG");
    unsetenv("LF_SCALE");
    unsetenv("LF_SECONDS");
    unsetenv("LF_CASES");
    unsetenv("LF_PROGRESS");
}

static uint64_t run(struct campaign campaign)
{
    uint64_t number, cases = 0;

    while (campaign_next(&campaign, &number)) {
        ck_assert_uint_eq(number, cases);
        cases++;
        campaign_passed(&campaign, 1);
    }
    campaign_end(&campaign);
    return cases;
}

START_TEST(time_that_is_over_ends_a_campaign_but_for_one_case_of_each_kind)
{
    ck_assert_uint_eq(run(campaign_begin_shared("test", UINT64_MAX, SHARERS_WITHOUT_TIME, 7)), 7);
}
END_TEST

START_TEST(a_campaign_that_has_time_tries_all)
{
    ck_assert_uint_eq(run(campaign_begin("test", 1000)), 1000);
}
END_TEST

START_TEST(a_number_of_cases_is_kept_whatever_the_time)
{
    setenv("LF_CASES", "300", 1);
    ck_assert_uint_eq(run(campaign_begin_shared("test", 7, SHARERS_WITHOUT_TIME, 1)), 300);
}
END_TEST

START_TEST(a_long_run_has_no_bound)
{
    setenv("LF_LONG", "1", 1);
    ck_assert_uint_eq(campaign_share_end_ns(SHARERS_WITHOUT_TIME), UINT64_MAX);
    ck_assert_uint_eq(run(campaign_begin_shared("test", 500, SHARERS_WITHOUT_TIME, 1)), 500);
}
END_TEST

START_TEST(the_first_pass_is_made_and_all_passes_meet_each_call)
{
    bool is_met[CAMPAIGN_PASSES] = {false};
    unsigned pass = 0;

    ck_assert(!campaign_next_pass(&pass, 0));
    ck_assert_uint_eq(pass, 1);
    pass = 0;
    do
        is_met[campaign_pass_begins[pass]] = true;
    while (campaign_next_pass(&pass, UINT64_MAX));
    for (unsigned i = 0; i < CAMPAIGN_PASSES; i++)
        ck_assert(is_met[i]);
}
END_TEST

/* Each number once, and the first tenth of them in each tenth. */
START_TEST(numbers_are_spread)
{
    static const uint64_t counts[] = {1, 2, 3, 10, 100, 4096, 10007, 49152};
    const uint64_t count = counts[_i];
    bool *is_met = calloc(count, sizeof *is_met);
    unsigned tenths = 0;

    ck_assert_ptr_nonnull(is_met);
    for (uint64_t number = 0; number < count; number++) {
        const uint64_t chosen = campaign_spread(number, count);
        ck_assert_uint_lt(chosen, count);
        ck_assert(!is_met[chosen]);
        is_met[chosen] = true;
        if (number < count / 10)
            tenths |= 1u << chosen * 10 / count;
    }
    ck_assert(count < 1000 || tenths == 0x3ff);
    free(is_met);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("campaign");
    TCase *tcase = tcase_create("campaign");

    tcase_add_checked_fixture(tcase, forget_settings, NULL);
    tcase_add_test(tcase, time_that_is_over_ends_a_campaign_but_for_one_case_of_each_kind);
    tcase_add_test(tcase, a_campaign_that_has_time_tries_all);
    tcase_add_test(tcase, a_number_of_cases_is_kept_whatever_the_time);
    tcase_add_test(tcase, a_long_run_has_no_bound);
    tcase_add_test(tcase, the_first_pass_is_made_and_all_passes_meet_each_call);
    tcase_add_loop_test(tcase, numbers_are_spread, 0, 8);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
