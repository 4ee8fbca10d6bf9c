/* SPDX-License-Identifier: MIT */
/* The order of runs: balanced over places and over neighbours, and points shuffled by the seed. */
#include "../../bench/order.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define MOST 12

/* Counts over one whole square, from a row on. */
struct counts {
    unsigned at_place[MOST][MOST];
    unsigned after[MOST][MOST]; /* [a][b]: b directly after a */
};

static void count_square(unsigned variants, unsigned from, struct counts *counts)
{
    memset(counts, 0, sizeof *counts);
    for (unsigned row = from; row < from + bench_order_rows(variants); row++) {
        for (unsigned place = 0; place < variants; place++) {
            unsigned variant = bench_order_variant(variants, row, place);
            ck_assert_uint_lt(variant, variants);
            counts->at_place[variant][place]++;
            if (place > 0)
                counts->after[bench_order_variant(variants, row, place - 1)][variant]++;
        }
    }
}

START_TEST(each_variant_stands_in_each_place_and_after_each_other_as_often)
{
    struct counts counts;
    for (unsigned variants = 1; variants <= MOST; variants++) {
        for (unsigned from = 0; from < 3; from++) {
            unsigned times = bench_order_rows(variants) / variants;
            count_square(variants, from, &counts);
            for (unsigned a = 0; a < variants; a++)
                for (unsigned b = 0; b < variants; b++) {
                    ck_assert_uint_eq(counts.at_place[a][b], times);
                    ck_assert_uint_eq(counts.after[a][b], a == b ? 0 : times);
                }
        }
    }
}
END_TEST

START_TEST(the_first_row_is_in_the_order_of_the_list)
{
    for (unsigned variants = 1; variants <= MOST; variants++)
        for (unsigned place = 0; place < variants; place++)
            ck_assert_uint_eq(bench_order_variant(variants, 0, place), place);
}
END_TEST

START_TEST(points_are_shuffled_anew_in_each_round_and_by_each_seed)
{
    enum {
        COUNT = 20
    };
    unsigned first[COUNT], second[COUNT], of_other_seed[COUNT], again[COUNT];
    unsigned seen[COUNT] = {0};
    bench_order_points(1, 0, COUNT, first);
    bench_order_points(1, 1, COUNT, second);
    bench_order_points(2, 0, COUNT, of_other_seed);
    bench_order_points(1, 0, COUNT, again);
    for (unsigned i = 0; i < COUNT; i++) {
        ck_assert_uint_lt(first[i], COUNT);
        seen[first[i]]++;
    }
    for (unsigned i = 0; i < COUNT; i++)
        ck_assert_uint_eq(seen[i], 1);
    ck_assert_mem_eq(first, again, sizeof first);
    ck_assert_mem_ne(first, second, sizeof first);
    ck_assert_mem_ne(first, of_other_seed, sizeof first);
    ck_assert_mem_ne(second, of_other_seed, sizeof first);
}
END_TEST

/* Each of the six orders of three points comes up about as often as the others. */
START_TEST(no_order_of_points_is_preferred)
{
    enum {
        ROUNDS = 6000
    };
    unsigned times[27] = {0};
    unsigned orders = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned points[3];
        bench_order_points(1, round, 3, points);
        times[9 * points[0] + 3 * points[1] + points[2]]++;
    }
    for (unsigned i = 0; i < 27; i++) {
        orders += times[i] > 0;
        ck_assert(times[i] == 0 || (times[i] > 800 && times[i] < 1200));
    }
    ck_assert_uint_eq(orders, 6);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bench_order");
    TCase *tests = tcase_create("order");
    tcase_add_test(tests, each_variant_stands_in_each_place_and_after_each_other_as_often);
    tcase_add_test(tests, the_first_row_is_in_the_order_of_the_list);
    tcase_add_test(tests, points_are_shuffled_anew_in_each_round_and_by_each_seed);
    tcase_add_test(tests, no_order_of_points_is_preferred);
    suite_add_tcase(suite, tests);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
