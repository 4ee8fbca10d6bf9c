/* SPDX-License-Identifier: MIT */
/* Event counts: no wake-up is lost, deadlines end waits, nobody sleeps on a stale key. */
#include "support.h"
#include "base/waiter.h"

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

START_TEST(stale_key_does_not_sleep)
{
    struct lf_waiter waiter = {0};
    uint32_t key = lf_waiter_key(&waiter);
    uint64_t slowest_ns;

    ck_assert(!lf_waiter_wake(&waiter));
    ck_assert_int_eq(lf_waiter_sleep(&waiter, key, NULL), 0);
    ck_assert(lf_waiter_spin(&waiter, key, UINT64_MAX, UINT64_MAX, &slowest_ns));
    ck_assert(lf_waiter_yield(&waiter, key, 0, NULL));
}
END_TEST

START_TEST(deadline_ends_a_sleep)
{
    struct lf_waiter waiter = {0};
    struct timespec past = deadline_in_ms(-1000), soon = deadline_in_ms(30);
    uint64_t begin_ns = now_ns();
    uint64_t slowest_ns;

    ck_assert_int_eq(lf_waiter_sleep(&waiter, lf_waiter_key(&waiter), &past), -ETIMEDOUT);
    ck_assert_int_eq(lf_waiter_sleep(&waiter, lf_waiter_key(&waiter), &soon), -ETIMEDOUT);
    ck_assert_uint_ge(now_ns() - begin_ns, 29000000);
    /* It ends with the first slow yield. */
    ck_assert(!lf_waiter_spin(&waiter, lf_waiter_key(&waiter), UINT64_MAX, 0, &slowest_ns));
    ck_assert(!lf_waiter_spin(&waiter, lf_waiter_key(&waiter), 1000, UINT64_MAX, &slowest_ns));
    ck_assert_uint_gt(slowest_ns, 0);
}
END_TEST

/* What may not wait is known by its value: an engine that is loaded has another lf_no_wait. */
START_TEST(a_copy_of_no_wait_may_not_wait)
{
    struct lf_waiter waiter = {0};
    struct timespec copy = lf_no_wait, past = deadline_in_ms(-1000), soon = deadline_in_ms(1000);

    ck_assert(!lf_may_wait(&lf_no_wait));
    ck_assert(!lf_may_wait(&copy));
    ck_assert(!lf_may_wait(lf_settle_deadline(&copy)));
    ck_assert(!lf_may_wait(lf_settle_deadline(&past)));
    ck_assert(lf_may_wait(lf_settle_deadline(&soon)));
    ck_assert(lf_may_wait(NULL));
    ck_assert_int_eq(lf_waiter_sleep(&waiter, lf_waiter_key(&waiter), &copy), -ETIMEDOUT);
}
END_TEST

START_TEST(yields_end)
{
    struct lf_waiter waiter = {0};
    struct timespec past = deadline_in_ms(-1000), soon = deadline_in_ms(10);
    uint32_t key = lf_waiter_key(&waiter);
    uint64_t begin_ns = now_ns();

    ck_assert(!lf_waiter_yield(&waiter, key, 100, NULL));
    ck_assert(!lf_waiter_yield(&waiter, key, UINT_MAX, &past));
    ck_assert(!lf_waiter_yield(&waiter, key, UINT_MAX, &soon));
    ck_assert_uint_ge(now_ns() - begin_ns, 9000000);
}
END_TEST

/* The counter wraps inside its 31 bits and never touches the sleepers bit. */
START_TEST(counter_wraps)
{
    struct lf_waiter waiter = {UINT32_MAX - 1};
    uint32_t key = lf_waiter_key(&waiter);

    lf_waiter_wake(&waiter);
    ck_assert_uint_eq(waiter.word, 0);
    ck_assert_int_eq(lf_waiter_sleep(&waiter, key, NULL), 0);
}
END_TEST

START_TEST(time_left)
{
    struct timespec past = deadline_in_ms(-5), far = {.tv_sec = INT64_MAX};
    struct timespec soon = deadline_in_ms(3600000), made = lf_timespec(3000000007u);

    ck_assert_uint_eq(lf_ns_until(&past), 0);
    ck_assert_uint_eq(lf_ns_until(&far), UINT64_MAX);
    ck_assert_uint_le(lf_ns_until(&soon), 3600 * UINT64_C(1000000000));
    ck_assert_uint_gt(lf_ns_until(&soon), 0);
    ck_assert_int_eq(made.tv_sec, 3);
    ck_assert_int_eq(made.tv_nsec, 7);
}
END_TEST

/* Two threads hand a number to and fro, sleeping without a deadline for every turn: one lost
 * wake-up, and the watchdog ends the test. */
#define TURNS scaled(2000, 20000, 1000000)

static struct lf_waiter turned;
static uint64_t turn;

static void take_turns(uint64_t parity)
{
    for (uint64_t mine = parity; mine < TURNS; mine += 2) {
        for (;;) {
            uint32_t key = lf_waiter_key(&turned);
            if (lf_load_acquire_64(&turn) == mine)
                break;
            lf_waiter_sleep(&turned, key, NULL);
        }
        lf_store_release_64(&turn, mine + 1);
        lf_waiter_wake(&turned);
    }
}

static void *partner_main(void *arg)
{
    (void)arg;
    take_turns(1);
    return NULL;
}

START_TEST(no_wake_up_is_lost)
{
    pthread_t partner;

    watchdog_start(120, "a wake-up was lost");
    ck_assert_int_eq(pthread_create(&partner, NULL, partner_main, NULL), 0);
    take_turns(0);
    pthread_join(partner, NULL);
    watchdog_stop();
    ck_assert_uint_eq(turn, TURNS);
}
END_TEST

/* Many sleepers, one wake. */
static uint32_t released, awake;

static void *sleeper_main(void *arg)
{
    (void)arg;
    for (;;) {
        uint32_t key = lf_waiter_key(&turned);
        if (lf_load_acquire_32(&released))
            break;
        lf_waiter_sleep(&turned, key, NULL);
    }
    lf_fetch_add_relaxed_32(&awake, 1);
    return NULL;
}

START_TEST(one_wake_wakes_all)
{
    pthread_t threads[16];

    watchdog_start(120, "a sleeper was not woken");
    for (int i = 0; i < 16; i++)
        pthread_create(&threads[i], NULL, sleeper_main, NULL);
    sleep_us(20000);
    lf_store_release_32(&released, 1);
    lf_waiter_wake(&turned);
    for (int i = 0; i < 16; i++)
        pthread_join(threads[i], NULL);
    watchdog_stop();
    ck_assert_uint_eq(awake, 16);
}
END_TEST

/* A shared wake-up: the waker and those that wake reach all, also those that it was not told of. */
enum {
    CROWD = 100
};

static struct lf_waiter crowded;
static struct lf_wake_tree tree;
static uint32_t crowd_released, crowd_asleep, crowd_awake;

static void *crowd_main(void *arg)
{
    (void)arg;
    for (;;) {
        uint32_t key = lf_waiter_key(&crowded);
        if (lf_load_acquire_32(&crowd_released))
            break;
        lf_fetch_add_relaxed_32(&crowd_asleep, 1);
        lf_waiter_sleep(&crowded, key, NULL);
        lf_waiter_pass_on(&crowded, &tree);
    }
    lf_fetch_add_relaxed_32(&crowd_awake, 1);
    return NULL;
}

/* Of 100 sleepers the waker is told of as many as there are, of fewer, of more, of a handful, of none. */
static const uint32_t told[] = {CROWD,           CROWD / 2, 3 * CROWD, LF_WAITER_SHARE + 1,
                                LF_WAITER_SHARE, 0};

enum {
    TOLD = sizeof told / sizeof *told
};

/* On many processors and on few: with two the waker's share is all. */
START_TEST(shared_wake_has_shares)
{
    struct lf_waiter waiter = {LF_WAITER_SLEEPERS};

    ck_assert(lf_waiter_wake_tree(&waiter, &tree, 1000, 256));
    ck_assert_uint_eq(tree.share, LF_WAITER_SHARE);
    ck_assert_uint_eq(tree.left, 1000 - LF_WAITER_SHARE);
    ck_assert(!lf_waiter_wake_tree(&waiter, &tree, 1000, 16)); /* nobody sleeps now */
    ck_assert_uint_eq(tree.share, 63);
    ck_assert_uint_eq(tree.left, 1000 - 63);
    lf_waiter_wake_tree(&waiter, &tree, 64, 3);
    ck_assert_uint_eq(tree.share, 22);
    ck_assert_uint_eq(tree.left, 42);
    lf_waiter_pass_on(&waiter, &tree);
    ck_assert_uint_eq(tree.left, 20);
    lf_waiter_wake_tree(&waiter, &tree, 64, 2);
    ck_assert_uint_eq(tree.left, 0);
}
END_TEST

START_TEST(shared_wake_reaches_all)
{
    pthread_t threads[CROWD];

    watchdog_start(120, "a sleeper was not woken");
    crowd_released = crowd_asleep = crowd_awake = 0;
    for (int i = 0; i < CROWD; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, crowd_main, NULL), 0);
    while (lf_load_relaxed_32(&crowd_asleep) < CROWD)
        sleep_us(1000);
    sleep_us(20000);
    lf_store_release_32(&crowd_released, 1);
    ck_assert(lf_waiter_wake_tree(&crowded, &tree, told[_i % TOLD], _i < TOLD ? 64 : 3));
    for (int i = 0; i < CROWD; i++)
        pthread_join(threads[i], NULL);
    watchdog_stop();
    ck_assert_uint_eq(crowd_awake, CROWD);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("waiter");
    TCase *tcase = tcase_create("waiter");

    tcase_set_timeout(tcase, 180);
    tcase_add_test(tcase, stale_key_does_not_sleep);
    tcase_add_test(tcase, deadline_ends_a_sleep);
    tcase_add_test(tcase, a_copy_of_no_wait_may_not_wait);
    tcase_add_test(tcase, yields_end);
    tcase_add_test(tcase, counter_wraps);
    tcase_add_test(tcase, time_left);
    tcase_add_test(tcase, no_wake_up_is_lost);
    tcase_add_test(tcase, one_wake_wakes_all);
    tcase_add_loop_test(tcase, shared_wake_reaches_all, 0, 2 * TOLD);
    tcase_add_test(tcase, shared_wake_has_shares);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
