/* SPDX-License-Identifier: MIT */
/* When a thread that waits for a flush looks rather than sleep: the policy, by table and against neighbours. */
#include "ring/spin.h"
#include "support.h"

#include <check.h>
#include <stddef.h>

enum {
    US = 1000,
    MS = 1000 * US
};
#define S (1000 * (uint64_t)MS)

static const struct {
    uint64_t flush_ns;
    uint32_t waiters;
    bool pays;
} cases[] = {
    /* One thread: a flush of a moment. */
    {0, 0, true},
    {50 * US, 1, true},
    {100 * US, 1, true},
    {100 * US + 1, 1, false},
    {100 * US + 1, 6, false},
    /* Many: one that is shorter than waking them. */
    {100 * US + 1, 7, true},
    {256 * US, 16, true},
    {256 * US + 1, 16, false},
    {1 * MS, 62, false},
    {1 * MS, 64, true},
    {10 * MS, 256, false},
    /* No overflow. */
    {UINT64_MAX, UINT32_MAX, false},
    {UINT32_MAX, UINT32_MAX, true},
};

START_TEST(it_pays_where_waking_takes_longer)
{
    ck_assert(lf_spin_pays(cases[_i].flush_ns, cases[_i].waiters) == cases[_i].pays);
}
END_TEST

/* Waits begin one after the other, each of a flush of 200 us; those that spin find that every so many-th yield
 * took 3 ms.  How many of `waits` spun, and how many of those met a slow yield. */
static unsigned spins(unsigned waits, unsigned slow_every, unsigned *slow)
{
    struct lf_spin spin = {0};
    uint64_t now_ns = 5 * S;
    unsigned count = 0;

    *slow = 0;
    for (unsigned i = 0; i < waits; i++) {
        if (lf_spin_may(&spin, now_ns)) {
            bool is_slow = slow_every > 0 && ++count % slow_every == 0;
            count += slow_every == 0;
            now_ns += is_slow ? 3 * MS : 0;
            *slow += is_slow;
            if (is_slow)
                lf_spin_pause(&spin, now_ns);
        }
        now_ns += 200 * US;
    }
    return count;
}

START_TEST(free_processors_are_used)
{
    unsigned slow;

    ck_assert_uint_eq(spins(50000, 0, &slow), 50000);
}
END_TEST

/* A neighbour that computes: ten seconds of waits meet it five times until a pause is a second, and then once a
 * second. */
START_TEST(a_neighbour_that_computes_ends_it)
{
    unsigned slow;
    unsigned count = spins(50000, 1, &slow);

    ck_assert_uint_ge(slow, 13);
    ck_assert_uint_le(slow, 16);
    ck_assert_uint_eq(count, slow);
}
END_TEST

/* So does one that takes the processor from every tenth thread that spins. */
START_TEST(half_a_neighbour_ends_it)
{
    unsigned slow;

    ck_assert_uint_le(spins(50000, 10, &slow), 200);
    ck_assert_uint_le(slow, 16);
}
END_TEST

/* A moment's work of the kernel, once in a thousand spins: a pause is a millisecond, and nearly all spin. */
START_TEST(a_moment_is_forgotten)
{
    unsigned slow;

    ck_assert_uint_ge(spins(50000, 1000, &slow), 49000);
    ck_assert_uint_ge(slow, 49);
}
END_TEST

/* Sixteen threads that meet the same neighbour make one pause of it. */
START_TEST(one_meeting_counts_once)
{
    struct lf_spin spin = {0};

    for (unsigned i = 0; i < 16; i++)
        lf_spin_pause(&spin, S + i);
    ck_assert(!lf_spin_may(&spin, S + LF_SPIN_PAUSE_NS_MIN - 1));
    ck_assert(lf_spin_may(&spin, S + LF_SPIN_PAUSE_NS_MIN));
}
END_TEST

/* The next one is four times as long if it comes soon, and never longer than a second. */
START_TEST(pauses_grow)
{
    struct lf_spin spin = {0};
    uint64_t now_ns = S;
    uint64_t pause_ns = LF_SPIN_PAUSE_NS_MIN;

    for (unsigned i = 0; i < 10; i++) {
        lf_spin_pause(&spin, now_ns);
        ck_assert(!lf_spin_may(&spin, now_ns + pause_ns - 1));
        ck_assert(lf_spin_may(&spin, now_ns + pause_ns));
        now_ns += pause_ns + LF_SPIN_FREE_NS - 1;
        pause_ns = 4 * pause_ns < S ? 4 * pause_ns : S;
    }
    /* If the processors were free for a while, it begins anew. */
    lf_spin_pause(&spin, now_ns + 1);
    ck_assert(lf_spin_may(&spin, now_ns + 1 + LF_SPIN_PAUSE_NS_MIN));
}
END_TEST

/* Of many threads that yield, each comes a little later; but a neighbour's slice stays longer than that. */
START_TEST(many_threads_are_no_neighbour)
{
    ck_assert_uint_eq(lf_spin_slow_ns(0), 300 * US);
    ck_assert_uint_eq(lf_spin_slow_ns(16), 428 * US);
    ck_assert_uint_eq(lf_spin_slow_ns(1000), 1 * MS);
    ck_assert_uint_eq(lf_spin_slow_ns(UINT32_MAX), 1 * MS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spin");
    TCase *tcase = tcase_create("spin");

    tcase_add_loop_test(tcase, it_pays_where_waking_takes_longer, 0,
                        sizeof cases / sizeof cases[0]);
    tcase_add_test(tcase, free_processors_are_used);
    tcase_add_test(tcase, a_neighbour_that_computes_ends_it);
    tcase_add_test(tcase, half_a_neighbour_ends_it);
    tcase_add_test(tcase, a_moment_is_forgotten);
    tcase_add_test(tcase, one_meeting_counts_once);
    tcase_add_test(tcase, pauses_grow);
    tcase_add_test(tcase, many_threads_are_no_neighbour);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
