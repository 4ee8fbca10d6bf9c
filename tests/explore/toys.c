/* SPDX-License-Identifier: MIT */
/*
 * Small protocols of which it is known whether they are right: the explorer must find out the broken
 * ones, and let the right ones pass.
 */
#include "base/atomic.h"
#include "memory.h"
#include "scheduler.h"
#include "system.h"
#include "world.h"

#include <linux/futex.h>
#include <stddef.h>
#include <string.h>

/* What the fibres of a toy share. */
static struct {
    uint32_t x, y;
    uint32_t saw[2];
    uint32_t word; /* to sleep at */
    uint64_t data;
} shared;

static void set_up(const void *arg)
{
    (void)arg;
    memory_watch(&shared.data, sizeof shared.data);
}

static void check_nothing(void)
{
}

/* ---- Store, then load: one of two must see the other (Dekker) ---- */

static void *store_then_load(void *arg)
{
    size_t side = (size_t)arg & 1;

    lf_store_release_32(side == 0 ? &shared.x : &shared.y, 1);
    if ((size_t)arg & 2)
        lf_fence();
    shared.saw[side] = lf_load_acquire_32(side == 0 ? &shared.y : &shared.x);
    return NULL;
}

static void begin_dekker(size_t flags)
{
    memset(&shared, 0, sizeof shared);
    scheduler_create("left", store_then_load, (void *)(0 | flags));
    scheduler_create("right", store_then_load, (void *)(1 | flags));
}

static void begin_dekker_without_fence(void)
{
    begin_dekker(0);
}

static void begin_dekker_with_fence(void)
{
    begin_dekker(2);
}

static void check_dekker(void)
{
    if (shared.saw[0] == 0 && shared.saw[1] == 0)
        scheduler_fail("neither saw the other");
}

/* ---- Data, then a flag that says so ---- */

static void write_data(void)
{
    uint64_t data = 42;

    explore_memcpy(&shared.data, &data, sizeof data);
}

static void *publish(void *arg)
{
    (void)arg;
    write_data();
    lf_store_release_32(&shared.x, 1);
    return NULL;
}

static void *publish_relaxed(void *arg)
{
    (void)arg;
    write_data();
    lf_store_relaxed_32(&shared.x, 1);
    return NULL;
}

static void *publish_first(void *arg)
{
    (void)arg;
    lf_store_release_32(&shared.x, 1);
    write_data();
    return NULL;
}

static void *consume(void *arg)
{
    (void)arg;
    while (lf_load_acquire_32(&shared.x) == 0)
        lf_pause();
    memory_touch(&shared.data, sizeof shared.data, "read");
    if (shared.data != 42)
        scheduler_fail("published, and not there");
    return NULL;
}

static void begin_publish(fibre_main *how)
{
    memset(&shared, 0, sizeof shared);
    scheduler_create("writer", how, NULL);
    scheduler_create("reader", consume, NULL);
}

static void begin_published(void)
{
    begin_publish(publish);
}

static void begin_published_relaxed(void)
{
    begin_publish(publish_relaxed);
}

static void begin_published_first(void)
{
    begin_publish(publish_first);
}

/* ---- Message passing by two atomic words, the second not released: stores out of order ---- */

static void *store_two(void *arg)
{
    lf_store_relaxed_32(&shared.x, 1);
    if (arg == NULL)
        lf_store_relaxed_32(&shared.y, 1);
    else
        lf_store_release_32(&shared.y, 1);
    return NULL;
}

static void *load_two(void *arg)
{
    (void)arg;
    if (lf_load_acquire_32(&shared.y) == 1 && lf_load_relaxed_32(&shared.x) == 0)
        scheduler_fail("the second store was seen, and the first was not");
    return NULL;
}

static void begin_stores(void *is_released)
{
    memset(&shared, 0, sizeof shared);
    scheduler_create("writer", store_two, is_released);
    scheduler_create("reader", load_two, NULL);
}

static void begin_stores_in_order(void)
{
    begin_stores(&shared);
}

static void begin_stores_out_of_order(void)
{
    begin_stores(NULL);
}

/* ---- Check a condition, then sleep ---- */

static void *sleep_after_check(void *arg)
{
    uint32_t key = lf_load_acquire_32(&shared.word);

    if (lf_load_acquire_32(&shared.x) != 0)
        return NULL;
    if (arg != NULL) /* broken: the key is taken after the check */
        key = lf_load_acquire_32(&shared.word);
    explore_syscall(SYS_futex, &shared.word, FUTEX_WAIT_BITSET, key, NULL, NULL, ~0u);
    return NULL;
}

static void *change_and_wake(void *arg)
{
    (void)arg;
    lf_store_release_32(&shared.x, 1);
    lf_add_release_32(&shared.word, 1);
    explore_syscall(SYS_futex, &shared.word, FUTEX_WAKE_BITSET, 1, NULL, NULL, ~0u);
    return NULL;
}

static void begin_sleep(void *is_broken)
{
    memset(&shared, 0, sizeof shared);
    scheduler_create("sleeper", sleep_after_check, is_broken);
    scheduler_create("waker", change_and_wake, NULL);
}

static void begin_sleep_right(void)
{
    begin_sleep(NULL);
}

static void begin_sleep_lost(void)
{
    begin_sleep(&shared);
}

/* ---- Nobody ends the loop ---- */

static void *spin_for_ever(void *arg)
{
    (void)arg;
    while (lf_load_acquire_32(&shared.x) == 0)
        lf_pause();
    return NULL;
}

static void begin_spin(void)
{
    memset(&shared, 0, sizeof shared);
    scheduler_create("spinner", spin_for_ever, NULL);
}

#define TOY(label, text, begins, checks, broken)                                                   \
    {                                                                                              \
        .name = label, .about = text, .set_up = set_up, .begin = begins, .check = checks,          \
        .is_broken = broken                                                                        \
    }

const struct world toy_worlds[] = {
    TOY("toy-dekker", "store, fence, load", begin_dekker_with_fence, check_dekker, false),
    TOY("toy-dekker-no-fence", "store, load", begin_dekker_without_fence, check_dekker, true),
    TOY("toy-publish", "data, then a released flag", begin_published, check_nothing, false),
    TOY("toy-publish-relaxed", "data, then a flag that is not released", begin_published_relaxed,
        check_nothing, true),
    TOY("toy-publish-first", "a flag, then the data", begin_published_first, check_nothing, true),
    TOY("toy-stores", "two stores, the second released", begin_stores_in_order, check_nothing,
        false),
    TOY("toy-stores-relaxed", "two stores, none released", begin_stores_out_of_order, check_nothing,
        true),
    TOY("toy-sleep", "key, check, sleep", begin_sleep_right, check_nothing, false),
    TOY("toy-sleep-lost", "check, key, sleep: a lost wake-up", begin_sleep_lost, check_nothing,
        true),
    TOY("toy-spin", "a loop that nobody ends", begin_spin, check_nothing, true),
};
const unsigned toy_world_count = sizeof toy_worlds / sizeof toy_worlds[0];
