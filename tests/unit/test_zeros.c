/* SPDX-License-Identifier: MIT */
/* The policy of zeros, with a log and a device that are numbers. */
#include "storage/zeros.h"

#include "base/num.h"
#include "support.h"

#include <check.h>

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define MS ((uint64_t)1000000)
#define S (1000 * MS)
#define COMMIT (8 * KIB)
#define PREPARE (64 * MIB)
#define SYNC_BYTES (8 * MIB)

/* ---- A log that moves, and a device ----------------------------------------------------------- */

struct world {
    struct lf_layout layout;
    struct lf_zeros zeros;
    uint64_t now_ns;
    uint64_t commit_ns; /* from one claim to the next; 0: the log rests */
    uint64_t due_ns;    /* of the next claim */
    uint64_t call_ns;   /* what a write and a sync take, */
    uint64_t mib_ns;    /* and each MiB of zeros */
    uint64_t allocated;
    uint64_t ahead; /* that is kept allocated */

    /* What was seen. */
    uint64_t chunk_from, chunk_to; /* in flight */
    uint64_t filled_bytes;
    uint64_t sync_count;
    uint64_t overlap_count; /* claims of blocks that are being filled */
    uint64_t entered_count; /* segments */
    uint64_t unready_count; /* of them, those that were not full then */
    uint64_t wake_count;
    uint64_t pause_count;
};

static struct world world;

static void begin(uint64_t segment_bytes, uint64_t bytes_per_s)
{
    world = (struct world){.layout = {.slot_bytes = MIB, .segment_bytes = segment_bytes},
                           .commit_ns = bytes_per_s == 0 ? 0 : COMMIT * S / bytes_per_s,
                           .call_ns = 60000,
                           .mib_ns = 700000,
                           .ahead = lf_max(PREPARE, segment_bytes)};
    world.now_ns = world.due_ns = S;
    world.allocated = lf_segment_end_lsn(&world.layout, world.ahead);
    if (segment_bytes == 0)
        world.allocated = UINT64_MAX / 2;
    lf_zeros_init(&world.zeros, &world.layout, LF_FIRST_LSN, PREPARE, world.now_ns);
}

static void allocate(void)
{
    if (world.layout.segment_bytes == 0)
        return;
    uint64_t low = lf_max(PREPARE / 2, world.layout.segment_bytes / 2);
    if (world.zeros.claimed + low > world.allocated)
        world.allocated = lf_segment_end_lsn(&world.layout, world.zeros.claimed + low - 1);
}

static void note_entry(uint64_t end)
{
    world.entered_count++;
    world.unready_count += world.zeros.written_to < end;
}

static void claim(void)
{
    const struct lf_layout *layout = &world.layout;
    uint64_t from = world.zeros.claimed;
    if (layout->segment_bytes != 0 && from % layout->segment_bytes == 0) {
        note_entry(from + layout->segment_bytes);
        from = lf_segment_first_lsn(layout, lf_segment_index(layout, from));
    }
    world.overlap_count += world.chunk_from < from + COMMIT && from < world.chunk_to;
    lf_zeros_claim(&world.zeros, from + COMMIT);
    allocate();
}

/* The log goes on meanwhile. */
static void pass_to(uint64_t until_ns)
{
    while (world.commit_ns != 0 && world.due_ns <= until_ns) {
        claim();
        world.due_ns += world.commit_ns;
    }
    world.now_ns = until_ns;
}

static void fill(const struct lf_zeros_step *step)
{
    uint64_t begin_ns = world.now_ns;
    ck_assert_uint_lt(step->from, step->to);
    ck_assert_uint_ge(step->from, world.zeros.claimed);
    ck_assert_uint_ge(step->from, world.zeros.written_to);
    ck_assert_uint_le(step->to, world.allocated);
    ck_assert_uint_le(step->to - step->from, LF_ZEROS_CHUNK_BYTES);
    ck_assert_uint_le(step->to, lf_segment_end_lsn(&world.layout, step->from));
    world.chunk_from = step->from;
    world.chunk_to = step->to;
    pass_to(begin_ns + world.call_ns + (step->to - step->from) * world.mib_ns / MIB);
    world.chunk_from = world.chunk_to = 0;
    world.filled_bytes += step->to - step->from;
    lf_zeros_filled(&world.zeros, step->from, step->to, begin_ns, world.now_ns);
}

static void rest(uint64_t end_ns)
{
    uint64_t at = lf_zeros_wake_at(&world.zeros);
    uint64_t allocated = world.allocated;
    world.wake_count++;
    while (world.commit_ns != 0 && world.now_ns < end_ns && world.zeros.claimed < at &&
           world.allocated == allocated)
        pass_to(world.due_ns);
    if (world.commit_ns == 0)
        world.now_ns = end_ns;
}

static void run(uint64_t ns)
{
    uint64_t end_ns = world.now_ns + ns;
    while (world.now_ns < end_ns) {
        struct lf_zeros_step step =
            lf_zeros_next(&world.zeros, world.allocated, SYNC_BYTES, world.now_ns);
        if (step.job == LF_ZEROS_FILL) {
            fill(&step);
        } else if (step.job == LF_ZEROS_SYNC) {
            uint64_t begin_ns = world.now_ns;
            ck_assert_uint_le(world.zeros.unsynced_bytes, SYNC_BYTES + LF_ZEROS_CHUNK_BYTES);
            pass_to(begin_ns + 5 * world.call_ns);
            lf_zeros_synced(&world.zeros, begin_ns, world.now_ns);
            world.sync_count++;
        } else if (step.job == LF_ZEROS_PAUSE) {
            ck_assert_uint_gt(step.until_ns, world.now_ns);
            world.pause_count++;
            pass_to(step.until_ns);
        } else {
            rest(end_ns);
        }
    }
}

static uint64_t consumed(void)
{
    return world.zeros.claimed - LF_FIRST_LSN;
}

/* ---- Segments --------------------------------------------------------------------------------- */

START_TEST(recycled_segments_are_left_alone)
{
    begin(64 * MIB, 24 * MIB);
    lf_zeros_recycle(&world.zeros, LF_FIRST_LSN, 64 * MIB);
    lf_zeros_recycle(&world.zeros, 64 * MIB, 2048 * MIB);
    world.allocated = 2048 * MIB;
    run(20 * S);
    ck_assert_uint_gt(world.entered_count, 2);
    ck_assert_uint_eq(world.filled_bytes, 0);
    ck_assert_uint_eq(world.unready_count, 0);
}
END_TEST

/* Also several ahead. */
START_TEST(segments_are_filled_before_the_log_enters_them)
{
    const uint64_t segment_bytes[] = {MIB, 16 * MIB};
    begin(segment_bytes[_i], 24 * MIB);
    run(5 * S); /* the target grows with what the log has consumed */
    world.overlap_count = world.entered_count = world.unready_count = 0;
    run(10 * S);
    ck_assert_uint_gt(world.entered_count, 10);
    ck_assert_uint_eq(world.unready_count, 0);
    ck_assert_uint_ge(world.zeros.written_to, world.zeros.claimed + PREPARE / 2 - MIB);
    ck_assert_uint_eq(world.overlap_count, 0);
}
END_TEST

/* ---- One file --------------------------------------------------------------------------------- */

START_TEST(one_file_is_filled_in_bursts)
{
    begin(0, 24 * MIB);
    run(MS); /* the first chunk may meet the first claims */
    world.overlap_count = 0;
    run(20 * S);
    ck_assert_uint_eq(world.overlap_count, 0);
    ck_assert_uint_ge(world.zeros.written_to, world.zeros.claimed + PREPARE / 2 - MIB);
    ck_assert_uint_le(world.filled_bytes, consumed() + PREPARE + MIB);
    ck_assert_uint_le(world.wake_count, 2 * consumed() / (PREPARE / 2) + 10);
}
END_TEST

START_TEST(log_that_does_not_move_gets_four_mib)
{
    uint64_t segment_bytes[] = {0, 64 * MIB};
    begin(segment_bytes[_i], 0);
    run(S);
    ck_assert_uint_eq(world.filled_bytes, 4 * MIB);
    ck_assert_uint_eq(world.zeros.unsynced_bytes, 0);
    ck_assert_uint_eq(world.wake_count, 1);
}
END_TEST

/* Every block would be written twice. */
START_TEST(stream_is_left_alone)
{
    uint64_t segment_bytes[] = {0, 64 * MIB};
    begin(segment_bytes[_i], 1000 * MIB);
    run(5 * S);
    ck_assert_uint_le(world.filled_bytes, consumed() / 20);
    ck_assert_uint_gt(world.pause_count, 0);
    ck_assert_uint_le(world.pause_count, 5 * S / (20 * MS) + 10);
    world.commit_ns = COMMIT * S / (8 * MIB); /* now there is time */
    world.due_ns = world.now_ns;
    run(20 * S);
    ck_assert_uint_gt(world.zeros.written_to, world.zeros.claimed);
}
END_TEST

/* A device on which zeros take as long as the log's whole bandwidth: it waits, longer each time. */
START_TEST(overtaken_zeros_wait_longer_each_time)
{
    begin(0, 50 * MIB);
    world.mib_ns = 100 * MS;
    run(20 * S);
    ck_assert_uint_le(world.filled_bytes, consumed() / 10);
    ck_assert_uint_le(world.pause_count, 150);
}
END_TEST

START_TEST(what_is_given_back_is_filled_again)
{
    begin(0, 0);
    run(S);
    lf_zeros_cut(&world.zeros, LF_FIRST_LSN + MIB);
    ck_assert_uint_eq(world.zeros.written_to, LF_FIRST_LSN + MIB);
    run(S);
    ck_assert_uint_eq(world.zeros.written_to, LF_FIRST_LSN + 4 * MIB);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("zeros");
    TCase *tcase = tcase_create("zeros");
    tcase_add_test(tcase, recycled_segments_are_left_alone);
    tcase_add_loop_test(tcase, segments_are_filled_before_the_log_enters_them, 0, 2);
    tcase_add_test(tcase, one_file_is_filled_in_bursts);
    tcase_add_loop_test(tcase, log_that_does_not_move_gets_four_mib, 0, 2);
    tcase_add_loop_test(tcase, stream_is_left_alone, 0, 2);
    tcase_add_test(tcase, overtaken_zeros_wait_longer_each_time);
    tcase_add_test(tcase, what_is_given_back_is_filled_again);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
