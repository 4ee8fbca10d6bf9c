/* SPDX-License-Identifier: MIT */
/* When a flush waits for the writers that the last one woke: the policy, by table. */
#include "ring/gather.h"
#include "support.h"

#include <check.h>
#include <stddef.h>

enum {
    SLOW_NS = 1000 * 1000 /* a flush that is worth a gather */
};

static uint32_t plan(struct lf_gather *gather, uint32_t woken, uint32_t waiting)
{
    const struct lf_gather_flush flush = {woken, waiting, woken, 4096, SLOW_NS};
    return lf_gather_plan(gather, &flush);
}

static const struct {
    struct lf_gather_flush flush;
    uint32_t target;
} plans[] = {
    /* Those that come back, and those that are there already. */
    {{2, 0, 2, 4096, SLOW_NS}, 2},
    {{0, 2, 0, 4096, SLOW_NS}, 2},
    {{16, 3, 16, 4096, SLOW_NS}, 19},
    /* One is nobody to wait for. */
    {{0, 0, 0, 4096, SLOW_NS}, 0},
    {{1, 0, 1, 4096, SLOW_NS}, 0},
    {{0, 1, 0, 4096, SLOW_NS}, 0},
    /* Bound by bandwidth. */
    {{16, 0, 16, LF_GATHER_BYTES_MAX, SLOW_NS}, 16},
    {{16, 0, 16, LF_GATHER_BYTES_MAX + 1, SLOW_NS}, 0},
    /* Over before a waiter is back. */
    {{16, 0, 16, 4096, LF_GATHER_FLUSH_NS_MIN}, 16},
    {{16, 0, 16, 4096, LF_GATHER_FLUSH_NS_MIN - 1}, 0},
    {{16, 0, 16, 4096, 0}, 0},
    /* One that stands for many, unless it does not wait. */
    {{1, 0, LF_GATHER_MANY, 4096, SLOW_NS}, 1},
    {{1, 0, LF_GATHER_MANY - 1, 4096, SLOW_NS}, 0},
    {{2, 1, 2 * LF_GATHER_MANY, 4096, SLOW_NS}, 3},
    {{0, 1, 10000, 4096, SLOW_NS}, 0},
    /* Those are gathered up to where copying takes as long as what the sync of another group costs, */
    {{1, 0, LF_GATHER_MANY, LF_GATHER_MANY_BYTES_MAX, SLOW_NS}, 1},
    {{1, 0, LF_GATHER_MANY, LF_GATHER_MANY_BYTES_MAX + 1, SLOW_NS}, 0},
    {{2, 0, 2 * LF_GATHER_MANY - 1, LF_GATHER_MANY_BYTES_MAX, SLOW_NS}, 0},
    /* and not on a device that is as fast as memory. */
    {{2, 0, 1000, 512 << 10, LF_GATHER_FLUSH_NS_MIN + 256 * 1024}, 2},
    {{2, 0, 1000, 512 << 10, LF_GATHER_FLUSH_NS_MIN + 256 * 1024 - 1}, 0},
};

START_TEST(plan_counts_who_may_come)
{
    struct lf_gather gather = {0};

    ck_assert_uint_eq(lf_gather_plan(&gather, &plans[_i].flush), plans[_i].target);
    ck_assert_uint_eq(gather.pause, 0);
    gather.never = true;
    ck_assert_uint_eq(lf_gather_plan(&gather, &plans[_i].flush), 0);
}
END_TEST

/* Pauses of 1, 3, 7 ... 127 flushes, and no longer ones. */
START_TEST(gathers_in_vain_become_rare)
{
    struct lf_gather gather = {0};
    uint32_t pause = 1;

    for (int i = 0; i < 10; i++) {
        ck_assert(lf_gather_note(&gather, 8, 7));
        for (uint32_t flushes = 0; flushes < pause; flushes++)
            ck_assert_uint_eq(plan(&gather, 8, 0), 0);
        ck_assert_uint_eq(plan(&gather, 8, 0), 8);
        pause = pause < LF_GATHER_PAUSE_MAX ? 2 * pause + 1 : LF_GATHER_PAUSE_MAX;
    }
    ck_assert_uint_eq(pause, LF_GATHER_PAUSE_MAX);
}
END_TEST

START_TEST(a_gather_that_came_forgives)
{
    struct lf_gather gather = {0};

    for (int i = 0; i < 5; i++)
        ck_assert(lf_gather_note(&gather, 8, 0));
    ck_assert(!lf_gather_note(&gather, 8, 8));
    ck_assert(!lf_gather_note(&gather, 8, 9));
    gather.pause = 0;
    ck_assert(lf_gather_note(&gather, 8, 7));
    ck_assert_uint_eq(gather.pause, 1);
}
END_TEST

/* Flushes that have nobody to gather use up no pause. */
START_TEST(lone_writers_do_not_end_a_pause)
{
    struct lf_gather gather = {0};

    ck_assert(lf_gather_note(&gather, 2, 1));
    ck_assert_uint_eq(plan(&gather, 1, 0), 0);
    ck_assert_uint_eq(gather.pause, 1);
    ck_assert_uint_eq(plan(&gather, 2, 0), 0);
    ck_assert_uint_eq(plan(&gather, 2, 0), 2);
}
END_TEST

START_TEST(patience_is_half_a_flush)
{
    ck_assert_uint_eq(lf_gather_patience_ns(0, false), LF_GATHER_PATIENCE_NS_MIN);
    ck_assert_uint_eq(lf_gather_patience_ns(0, true), LF_GATHER_PATIENCE_NS_MIN);
    ck_assert_uint_eq(lf_gather_patience_ns(SLOW_NS, false), SLOW_NS / 2);
    ck_assert_uint_eq(lf_gather_patience_ns(SLOW_NS, true), SLOW_NS / 2 + SLOW_NS);
    ck_assert_uint_eq(lf_gather_patience_ns(UINT64_C(1) << 40, false), LF_GATHER_PATIENCE_NS_MAX);
    ck_assert_uint_eq(lf_gather_patience_ns(UINT64_C(1) << 40, true),
                      LF_GATHER_PATIENCE_NS_MAX + (UINT64_C(1) << 40));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gather");
    TCase *tcase = tcase_create("gather");

    tcase_add_loop_test(tcase, plan_counts_who_may_come, 0, sizeof plans / sizeof plans[0]);
    tcase_add_test(tcase, gathers_in_vain_become_rare);
    tcase_add_test(tcase, a_gather_that_came_forgives);
    tcase_add_test(tcase, lone_writers_do_not_end_a_pause);
    tcase_add_test(tcase, patience_is_half_a_flush);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
