/* SPDX-License-Identifier: MIT */
/* The ring without files: head word, crosser, full-from-birth epochs, wrap, publication. */
#include "lab/reserve.h"
#include "ring/ring.h"
#include "support.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_BYTES ((uint64_t)8192)
#define SLOT_COUNT 4u
#define BASE_LSN LF_FIRST_LSN

/* Every test runs under each policy, with one shard, with the default and with the most. */
static const unsigned shard_counts[] = {1, LF_SHARDS_DEFAULT, LF_SHARDS_MAX};
#define POLICY_COUNT (LOGFILE_RESERVE_MUTEX + 1)
#define RING_COUNT (POLICY_COUNT * (int)(sizeof(shard_counts) / sizeof(shard_counts[0])))

static uint8_t data[SLOT_COUNT * SLOT_BYTES];

static _Alignas(LF_CACHE_PAIR) unsigned char policy_state[LF_CACHE_PAIR];

static enum logfile_reserve_policy policy_of(int index)
{
    return (enum logfile_reserve_policy)(index % POLICY_COUNT);
}

/* The policy of that test, whose state has been made anew. */
static const struct lf_reserve_policy *begin_policy(int index)
{
    const struct lf_reserve_policy *policy = lf_reserve_policy_of(policy_of(index));

    ck_assert_uint_le(policy->state_bytes, sizeof(policy_state));
    memset(policy_state, 0, sizeof(policy_state));
    if (policy->init != NULL)
        ck_assert_int_eq(policy->init(policy_state), 0);
    return policy;
}

/* By fetch-add this is lf_ring_reserve. */
static bool reserve(struct lf_ring *ring, uint64_t need, struct lf_reservation *reservation)
{
    return ring->policy->reserve(ring, need, reservation);
}

static void ring_setup(int index, struct lf_ring *ring, uint64_t epoch)
{
    struct lf_ring_config config = {
        .buffers = data,
        .slot_count = SLOT_COUNT,
        .shard_count = shard_counts[index / POLICY_COUNT],
        .layout = {SLOT_BYTES, 0, 0},
        .policy = begin_policy(index),
        .policy_state = policy_state,
    };

    memset(ring, 0, sizeof(*ring));
    ck_assert_int_eq(lf_ring_init(ring, &config), 0);
    lf_ring_open_epoch(ring, epoch, BASE_LSN);
}

static bool reserve_and_publish(struct lf_ring *ring, uint64_t need)
{
    struct lf_reservation reservation;

    if (!reserve(ring, need, &reservation))
        return false;
    lf_ring_publish(&reservation, 1, 0);
    return true;
}

START_TEST(reservations_follow_each_other)
{
    struct lf_ring ring;
    struct lf_reservation first, second;

    ring_setup(_i, &ring, 1);
    ck_assert_uint_eq(lf_ring_end_lsn(&ring), BASE_LSN);
    ck_assert(reserve(&ring, 24, &first));
    ck_assert(reserve(&ring, 16, &second));
    ck_assert(lf_reservation_is_first(&first));
    ck_assert(!lf_reservation_is_first(&second));
    ck_assert_uint_eq(lf_ring_lsn(&first), BASE_LSN + LF_EPOCH_HEADER_BYTES);
    ck_assert_uint_eq(lf_ring_lsn(&second), BASE_LSN + LF_EPOCH_HEADER_BYTES + 24);
    ck_assert_uint_eq(lf_ring_end_lsn(&ring), BASE_LSN + LF_EPOCH_HEADER_BYTES + 24 + 16);
}
END_TEST

START_TEST(flip_collects_what_was_published)
{
    struct lf_ring ring;
    struct lf_reservation reservation;
    struct lf_sealed sealed;

    ring_setup(_i, &ring, 1);
    for (int i = 0; i < 10; i++) {
        ck_assert(reserve(&ring, 40, &reservation));
        lf_ring_publish(&reservation, 1, i < 3);
    }
    ck_assert_uint_eq(lf_ring_waiters(&ring.slots[1]), 3);
    lf_ring_flip(&ring, 1, BASE_LSN, true, &sealed);
    lf_ring_collect(&sealed);
    ck_assert_uint_eq(sealed.end, LF_EPOCH_HEADER_BYTES + 400);
    ck_assert_uint_eq(sealed.records, 10);
    ck_assert_uint_eq(sealed.waiters, 3);
    ck_assert_uint_eq(lf_ring_end_lsn(&ring), BASE_LSN + 4096);
    ck_assert(reserve(&ring, 8, &reservation));
    ck_assert_uint_eq(reservation.epoch, 2);
    ck_assert_uint_eq(lf_ring_lsn(&reservation), BASE_LSN + 4096 + LF_EPOCH_HEADER_BYTES);
}
END_TEST

/* A record that fills the slot exactly leaves no crosser; the next one is it. */
START_TEST(exactly_full_slot)
{
    struct lf_ring ring;
    struct lf_sealed sealed;

    ring_setup(_i, &ring, 1);
    ck_assert(reserve_and_publish(&ring, SLOT_BYTES - LF_EPOCH_HEADER_BYTES));
    lf_ring_flip(&ring, 1, BASE_LSN, true, &sealed);
    ck_assert_uint_eq(sealed.end, SLOT_BYTES);
    lf_ring_collect(&sealed);

    ck_assert(reserve_and_publish(&ring, SLOT_BYTES - LF_EPOCH_HEADER_BYTES));
    ck_assert(!reserve_and_publish(&ring, 8));
    ck_assert(lf_ring_overshot(&ring, ring.head));
    ck_assert(!lf_ring_is_unopened(&ring, ring.head));
    lf_ring_flip(&ring, 2, BASE_LSN + SLOT_BYTES, true, &sealed);
    ck_assert_uint_eq(sealed.end, SLOT_BYTES);
    ck_assert_uint_eq(lf_ring_end_lsn(&ring), BASE_LSN + 2 * SLOT_BYTES);
}
END_TEST

/* Only the first writer past the end names it; later ones change nothing. */
START_TEST(one_crosser)
{
    struct lf_ring ring;
    struct lf_sealed sealed;

    ring_setup(_i, &ring, 1);
    ck_assert(reserve_and_publish(&ring, 5000));
    ck_assert(!reserve_and_publish(&ring, 4000));
    ck_assert(!reserve_and_publish(&ring, 8));
    ck_assert(!reserve_and_publish(&ring, 4000));
    ck_assert_uint_eq(lf_ring_end_lsn(&ring), BASE_LSN + LF_EPOCH_HEADER_BYTES + 5000);
    lf_ring_flip(&ring, 1, BASE_LSN, true, &sealed);
    ck_assert_uint_eq(sealed.end, LF_EPOCH_HEADER_BYTES + 5000);
    lf_ring_collect(&sealed);
    ck_assert_uint_eq(sealed.records, 1);
    ck_assert_uint_eq(lf_ring_end_lsn(&ring), BASE_LSN + 8192);
}
END_TEST

START_TEST(full_from_birth)
{
    struct lf_ring ring;
    struct lf_sealed sealed;
    struct lf_reservation reservation;

    ring_setup(_i, &ring, 1);
    ck_assert(reserve_and_publish(&ring, 8));
    lf_ring_flip(&ring, 1, BASE_LSN, false, &sealed);
    ck_assert(lf_ring_is_unopened(&ring, ring.head));
    ck_assert(!reserve_and_publish(&ring, 8));
    ck_assert(!reserve_and_publish(&ring, SLOT_BYTES - LF_EPOCH_HEADER_BYTES));
    ck_assert(lf_ring_is_unopened(&ring, ring.head));
    ck_assert_uint_eq(lf_ring_end_lsn(&ring), BASE_LSN + 4096);

    lf_ring_open_epoch(&ring, 2, BASE_LSN + 4096);
    ck_assert(!lf_ring_is_unopened(&ring, ring.head));
    ck_assert(reserve(&ring, 8, &reservation));
    ck_assert(lf_reservation_is_first(&reservation));
    ck_assert_uint_eq(lf_ring_lsn(&reservation), BASE_LSN + 4096 + LF_EPOCH_HEADER_BYTES);
}
END_TEST

/* ---- Epochs that end with their segment ---- */

#define SEGMENT_BYTES ((uint64_t)1 << 20)
#define LEFT_BYTES ((uint64_t)12 << 10) /* of the segment, where the short epoch starts */
#define SHORT_LSN (SEGMENT_BYTES - LEFT_BYTES)
#define LARGE_SLOT_BYTES ((uint64_t)32 << 10)

/* An epoch of LEFT_BYTES is open, number 5. */
static void short_setup(int index, struct lf_ring *ring)
{
    static uint8_t large[2 * LARGE_SLOT_BYTES];
    const struct lf_ring_config config = {
        .buffers = large,
        .slot_count = 2,
        .shard_count = shard_counts[index / POLICY_COUNT],
        .layout = {LARGE_SLOT_BYTES, SEGMENT_BYTES, 2 * LF_BLOCK_BYTES},
        .policy = begin_policy(index),
        .policy_state = policy_state,
    };

    memset(ring, 0, sizeof(*ring));
    ck_assert_int_eq(lf_ring_init(ring, &config), 0);
    lf_ring_open_epoch(ring, 5, SHORT_LSN);
}

START_TEST(short_epoch_ends_with_its_segment)
{
    struct lf_ring ring;
    struct lf_reservation first, second;
    struct lf_sealed sealed;

    short_setup(_i, &ring);
    ck_assert(lf_ring_is_empty(&ring, ring.head));
    ck_assert_uint_eq(lf_ring_end_lsn(&ring), SHORT_LSN);
    ck_assert(reserve(&ring, 1000, &first));
    ck_assert(lf_reservation_is_first(&first));
    ck_assert(!lf_ring_is_empty(&ring, ring.head));
    ck_assert_uint_eq(lf_ring_lsn(&first), SHORT_LSN + LF_EPOCH_HEADER_BYTES);
    ck_assert(reserve(&ring, LEFT_BYTES - LF_EPOCH_HEADER_BYTES - 1000, &second));
    ck_assert_uint_eq(lf_ring_end_lsn(&ring), SEGMENT_BYTES);
    ck_assert(!reserve_and_publish(&ring, 8));
    lf_ring_publish(&first, 1, 1);
    lf_ring_publish(&second, 1, 1);
    ck_assert(!lf_ring_can_flip_open(&ring, SHORT_LSN));
    lf_ring_flip(&ring, 5, SHORT_LSN, false, &sealed);
    lf_ring_collect(&sealed);
    ck_assert_uint_eq(sealed.end, LEFT_BYTES);
    ck_assert_uint_eq(sealed.records, 2);
    ck_assert_uint_eq(sealed.next_lsn, SEGMENT_BYTES + LF_FIRST_LSN);
    ck_assert(lf_sealed_ends_segment(&sealed, SHORT_LSN));
    lf_ring_destroy(&ring);
}
END_TEST

/* What is left behind a short epoch is used too, until a record does not fit. */
START_TEST(record_that_does_not_fit_ends_the_segment)
{
    struct lf_ring ring;
    struct lf_sealed sealed;

    short_setup(_i, &ring);
    ck_assert(reserve_and_publish(&ring, 1000));
    lf_ring_flip(&ring, 5, SHORT_LSN, false, &sealed);
    ck_assert_uint_eq(sealed.next_lsn, SHORT_LSN + LF_BLOCK_BYTES);
    ck_assert(!lf_sealed_ends_segment(&sealed, SHORT_LSN));
    lf_ring_open_epoch(&ring, 6, sealed.next_lsn);
    ck_assert(reserve_and_publish(&ring, 1000));
    ck_assert(!reserve_and_publish(&ring, LEFT_BYTES));
    lf_ring_flip(&ring, 6, SHORT_LSN + LF_BLOCK_BYTES, false, &sealed);
    ck_assert(sealed.crossed && !lf_sealed_is_empty(&sealed));
    ck_assert_uint_eq(sealed.end, LF_EPOCH_HEADER_BYTES + 1000);
    ck_assert_uint_eq(sealed.next_lsn, SEGMENT_BYTES + LF_FIRST_LSN);
    lf_ring_destroy(&ring);
}
END_TEST

/* Nor does the first record of a short epoch need to fit: then it ends its segment, and is empty. */
START_TEST(empty_epoch_ends_the_segment)
{
    struct lf_ring ring;
    struct lf_sealed sealed;

    short_setup(_i, &ring);
    ck_assert(!reserve_and_publish(&ring, LEFT_BYTES));
    ck_assert(lf_ring_overshot(&ring, ring.head));
    ck_assert(!lf_ring_is_unopened(&ring, ring.head));
    ck_assert_uint_eq(lf_ring_end_lsn(&ring), SHORT_LSN);
    lf_ring_flip(&ring, 5, SHORT_LSN, false, &sealed);
    ck_assert(sealed.crossed && lf_sealed_is_empty(&sealed));
    lf_ring_collect(&sealed);
    ck_assert_uint_eq(sealed.records, 0);
    ck_assert(lf_sealed_ends_segment(&sealed, SHORT_LSN));
    ck_assert_uint_eq(sealed.next_lsn, SEGMENT_BYTES + LF_FIRST_LSN);
    ck_assert(lf_ring_is_unopened(&ring, ring.head));
    lf_ring_destroy(&ring);
}
END_TEST

/* The generation is 24 bits of a 64-bit epoch number; wrapping skips no slot and opens none twice. */
START_TEST(generation_wraps)
{
    static const uint64_t starts[] = {0xfffffe, 0x1fffffe, 0xfffffffe, UINT64_C(0xfffffffffe)};
    struct lf_ring ring;
    struct lf_sealed sealed;
    struct lf_reservation reservation;

    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        uint64_t lsn = BASE_LSN;
        ring_setup(_i, &ring, starts[i]);
        for (uint64_t epoch = starts[i]; epoch < starts[i] + 6; epoch++, lsn += 4096) {
            ck_assert(reserve(&ring, 16, &reservation));
            ck_assert_uint_eq(reservation.epoch, epoch);
            ck_assert_ptr_eq(reservation.slot, &ring.slots[epoch % SLOT_COUNT]);
            ck_assert_uint_eq(lf_ring_lsn(&reservation), lsn + LF_EPOCH_HEADER_BYTES);
            lf_ring_publish(&reservation, 1, 1);
            lf_ring_flip(&ring, epoch, lsn, true, &sealed);
            lf_ring_collect(&sealed);
            ck_assert_uint_eq(sealed.records, 1);
        }
    }
}
END_TEST

/* As many overshoots as threads can make at once do not reach the generation. */
START_TEST(overshoots_do_not_carry)
{
    struct lf_ring ring;
    uint64_t generation;

    ring_setup(_i, &ring, 77);
    generation = lf_head_generation(ring.head);
    for (uint64_t i = 0; i < LF_THREADS_MAX; i++)
        reserve_and_publish(&ring, SLOT_BYTES - LF_EPOCH_HEADER_BYTES);
    ck_assert_uint_eq(lf_head_generation(ring.head), generation);
    ck_assert_uint_eq(lf_head_generation(lf_head_word(77, LF_SLOT_BYTES_MAX) +
                                         (LF_THREADS_MAX * LF_SLOT_BYTES_MAX >> 3)),
                      77);
}
END_TEST

/* The fetch-add alone adds to a head that is overshot; either way the end stays the crosser's. */
START_TEST(full_heads_are_left_alone)
{
    struct lf_ring ring;
    uint64_t head;

    ring_setup(_i, &ring, 1);
    ck_assert(reserve_and_publish(&ring, 5000));
    ck_assert(!reserve_and_publish(&ring, 4000));
    head = ring.head;
    ck_assert(lf_ring_overshot(&ring, head));
    ck_assert(!reserve_and_publish(&ring, 4000));
    if (ring.policy == &lf_reserve_by_fetch_add)
        ck_assert_uint_eq(ring.head, head + 500);
    else
        ck_assert_uint_eq(ring.head, head);
    ck_assert_uint_eq(lf_ring_slot(&ring, 1)->end, LF_EPOCH_HEADER_BYTES + 5000);
}
END_TEST

/* Whatever the processor, a publish stays within the shards that are summed up and prepared. */
START_TEST(shards_beyond_the_count_stay_untouched)
{
    struct lf_ring ring;

    ring_setup(_i, &ring, 1);
    for (int i = 0; i < 100; i++)
        ck_assert(reserve_and_publish(&ring, 8));
    for (unsigned i = shard_counts[_i / POLICY_COUNT]; i < LF_SHARDS_MAX; i++)
        ck_assert_uint_eq(ring.slots[1].shards[i].published, 0);
    ck_assert_uint_eq(lf_ring_slot(&ring, 1)->shard_mask + 1, shard_counts[_i / POLICY_COUNT]);
}
END_TEST

START_TEST(gate_bits_and_hunger)
{
    struct lf_ring ring;

    ring_setup(_i, &ring, 1);
    lf_ring_refuse(&ring, LF_REFUSE_NO_ROOM);
    lf_ring_refuse(&ring, LF_REFUSE_FAILED);
    ring.gate += 3 * LF_GATE_HUNGRY_ONE;
    lf_ring_admit(&ring, LF_REFUSE_NO_ROOM);
    ck_assert_uint_eq(lf_gate_refusals(lf_ring_gate(&ring)), LF_REFUSE_FAILED);
    ck_assert_uint_eq(lf_gate_hungry(lf_ring_gate(&ring)), 3);
}
END_TEST

START_TEST(published_word_keeps_its_fields_apart)
{
    uint64_t word = lf_published_word(LF_SLOT_BYTES_MAX - LF_EPOCH_HEADER_BYTES, 1, 1) +
                    lf_published_word(0, LF_SLOT_BYTES_MAX / 8 - 9, 0xfffe);

    ck_assert_uint_eq(lf_published_bytes(word), LF_SLOT_BYTES_MAX - LF_EPOCH_HEADER_BYTES);
    ck_assert_uint_eq(lf_published_records(word), LF_SLOT_BYTES_MAX / 8 - 8);
    ck_assert_uint_eq(lf_published_waiters(word), 0xffff);
}
END_TEST

/* ---- Writers against a flipper: every reservation is disjoint, published bytes come out whole. */

#define WRITERS 4

static struct lf_ring shared;
static uint64_t tickets;
static uint32_t broken;

/* Locks that hand over in order wait, spinning, for threads that do not run: where there are more
 * threads than processors, each hand-over may take a time slice. */
static uint64_t records_of_one(void)
{
    bool in_order = shared.policy == lf_reserve_policy_of(LOGFILE_RESERVE_TICKET) ||
                    shared.policy == lf_reserve_policy_of(LOGFILE_RESERVE_MCS);
    return in_order ? scaled(20, 100, 2000) : scaled(2000, 20000, 200000);
}

/* Writes its ticket all over its place, and waits its turn when there is none. */
static void *writer_main(void *arg)
{
    struct rng rng = {(uintptr_t)arg};
    uint64_t todo = records_of_one();

    while (todo > 0) {
        uint64_t need = 8 * (1 + rng_below(&rng, 400));
        struct lf_reservation reservation;
        uint64_t *place;

        if (lf_ring_overshot(&shared, lf_load_acquire_64(&shared.head)) ||
            !reserve(&shared, need, &reservation)) {
            sleep_us(10);
            continue;
        }
        place = (uint64_t *)(reservation.slot->data + reservation.offset);
        place[0] = need;
        for (uint64_t i = 1; i < need / 8; i++)
            place[i] = (uintptr_t)arg;
        if (lf_ring_lsn(&reservation) % 4096 != reservation.offset % 4096)
            lf_store_release_32(&broken, 1);
        lf_ring_publish(&reservation, 1, 0);
        todo--;
    }
    lf_fetch_add_relaxed_64(&tickets, 1);
    return NULL;
}

/* Walks a sealed slot: lengths chain up to the end, and every place is of one writer. */
static bool is_whole(const struct lf_sealed *sealed, uint64_t *records)
{
    uint64_t offset = LF_EPOCH_HEADER_BYTES;

    for (*records = 0; offset < sealed->end; ++*records) {
        const uint64_t *place = (const uint64_t *)(sealed->slot->data + offset);
        for (uint64_t i = 2; i < place[0] / 8; i++)
            if (place[i] != place[1])
                return false;
        offset += place[0];
    }
    return offset == sealed->end;
}

START_TEST(writers_against_a_flipper)
{
    pthread_t threads[WRITERS];
    uint64_t lsn = BASE_LSN, epoch = 0xfffff0, total = 0, records;
    bool done = false;

    ring_setup(_i, &shared, epoch);
    tickets = 0;
    for (uintptr_t i = 0; i < WRITERS; i++)
        pthread_create(&threads[i], NULL, writer_main, (void *)(i + 1));
    while (!done) {
        struct lf_sealed sealed;
        done = lf_load_acquire_64(&tickets) == WRITERS;
        lf_ring_flip(&shared, epoch++, lsn, true, &sealed);
        lf_ring_collect(&sealed);
        ck_assert(is_whole(&sealed, &records));
        ck_assert_uint_eq(sealed.records, records);
        total += records;
        lsn += lf_round_up(sealed.end, LF_BLOCK_BYTES);
        sleep_us(1);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(broken, 0);
    ck_assert_uint_eq(total, WRITERS * records_of_one());
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ring");
    TCase *tcase = tcase_create("ring");

    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, reservations_follow_each_other, 0, RING_COUNT);
    tcase_add_loop_test(tcase, flip_collects_what_was_published, 0, RING_COUNT);
    tcase_add_loop_test(tcase, exactly_full_slot, 0, RING_COUNT);
    tcase_add_loop_test(tcase, one_crosser, 0, RING_COUNT);
    tcase_add_loop_test(tcase, full_from_birth, 0, RING_COUNT);
    tcase_add_loop_test(tcase, short_epoch_ends_with_its_segment, 0, RING_COUNT);
    tcase_add_loop_test(tcase, record_that_does_not_fit_ends_the_segment, 0, RING_COUNT);
    tcase_add_loop_test(tcase, empty_epoch_ends_the_segment, 0, RING_COUNT);
    tcase_add_loop_test(tcase, generation_wraps, 0, RING_COUNT);
    tcase_add_loop_test(tcase, overshoots_do_not_carry, 0, RING_COUNT);
    tcase_add_loop_test(tcase, full_heads_are_left_alone, 0, RING_COUNT);
    tcase_add_loop_test(tcase, shards_beyond_the_count_stay_untouched, 0, RING_COUNT);
    tcase_add_test(tcase, gate_bits_and_hunger);
    tcase_add_test(tcase, published_word_keeps_its_fields_apart);
    tcase_add_loop_test(tcase, writers_against_a_flipper, 0, RING_COUNT);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
