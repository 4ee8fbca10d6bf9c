/* SPDX-License-Identifier: MIT */
/*
 * Segments that share few descriptors and are shared by threads, on a disk that hangs.
 */
#include "file_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

/* ---- Few descriptors for many segments --------------------------------------------------------*/

#define MANY (3 * LF_SEGMENTS_OPEN_MAX)

START_TEST(many_segments_take_few_descriptors)
{
    use_place(_i);
    unsigned before = descriptor_count();
    make_segments(MANY);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < MANY; i++)
            write_block(first_lsn_of(i) + round * BLOCK, round * MANY + i);
        ck_assert_uint_le(descriptor_count(), before + 2 + LF_SEGMENTS_OPEN_MAX);
    }
    for (unsigned i = 0; i < 2 * MANY; i++)
        assert_block(first_lsn_of(i % MANY) + i / MANY * BLOCK, i);
    lf_file_close(&file);
    ck_assert_uint_eq(descriptor_count(), before);
}
END_TEST

/* Clean segments are closed first, and those that were used longest ago. */
START_TEST(segment_that_is_used_stays_open)
{
    use_sim(NULL);
    make_segments(MANY);
    write_block(LF_FIRST_LSN, 0);
    uint64_t open_count = logfile_sim_call_count(disk, LOGFILE_SIM_OPEN);
    uint64_t sync_count = logfile_sim_call_count(disk, LOGFILE_SIM_SYNC);
    for (unsigned i = 1; i < MANY; i++)
        ck_assert(lf_file_has_segment(&file, first_lsn_of(i)));
    uint64_t opened = logfile_sim_call_count(disk, LOGFILE_SIM_OPEN) - open_count;
    write_block(LF_FIRST_LSN, 1);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_OPEN), open_count + opened);
    ck_assert(lf_file_has_segment(&file, first_lsn_of(MANY - 1)));
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_OPEN), open_count + opened);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC), sync_count);
    lf_file_close(&file);
}
END_TEST

START_TEST(what_was_written_is_synced_before_it_is_closed)
{
    use_sim(NULL);
    make_segments(MANY);
    uint64_t sync_count = logfile_sim_call_count(disk, LOGFILE_SIM_SYNC);
    for (unsigned i = 0; i < MANY; i++) {
        write_block(first_lsn_of(i), i);
        assert_block(first_lsn_of(i), i); /* reading makes it no cleaner */
    }
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC),
                      sync_count + MANY - LF_SEGMENTS_OPEN_MAX);
    lf_file_close(&file);
    logfile_sim_reboot_losing_all(disk);
    for (unsigned i = 0; i < MANY - LF_SEGMENTS_OPEN_MAX; i++)
        assert_block_in(segment_path(i), LF_FIRST_LSN, i);
}
END_TEST

START_TEST(what_was_allocated_is_synced_before_it_is_closed)
{
    use_sim(NULL);
    make_directory();
    ck_assert_int_eq(
        lf_file_extend(&file, LF_FIRST_LSN, LF_FIRST_LSN + BLOCK, true, &reached, &written), 0);
    extend_to(0, 1);
    extend_to(1, MANY);
    for (unsigned i = 1; i < MANY; i++)
        write_block(first_lsn_of(i), i);
    lf_file_close(&file);
    logfile_sim_reboot_losing_all(disk);
    ck_assert_int_eq(bytes_of(segment_path(0)), SEGMENT_BYTES);
}
END_TEST

START_TEST(what_was_synced_is_closed_as_it_is)
{
    use_sim(NULL);
    make_segments(MANY);
    uint64_t sync_count = logfile_sim_call_count(disk, LOGFILE_SIM_SYNC);
    for (unsigned i = 0; i < MANY; i++) {
        if (i % 2 == 0) {
            write_block(first_lsn_of(i), i);
            ck_assert_int_eq(lf_file_sync(&file, first_lsn_of(i), first_lsn_of(i) + BLOCK), 0);
        } else {
            ck_assert_int_eq(
                lf_file_write(&file, first_lsn_of(i), block_of(i), BLOCK, LOGFILE_IO_WRITE_DSYNC),
                0);
        }
    }
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC), sync_count + MANY / 2);
    lf_file_close(&file);
    logfile_sim_reboot_losing_all(disk);
    for (unsigned i = 0; i < MANY; i++)
        assert_block_in(segment_path(i), LF_FIRST_LSN, i);
}
END_TEST

/* What a commit does to a segment that owes a sync already: holds it, writes, syncs, lets it go. */
static const struct {
    bool others_write; /* before the sync */
    bool syncs;
    unsigned owed; /* syncs, when it is closed */
} holders[] = {{false, true, 0}, {true, true, 1}, {false, false, 1}};

START_TEST(what_is_held_for_a_sync_owes_what_others_write)
{
    struct lf_place place;
    use_sim(NULL);
    make_segments(MANY);
    write_block(LF_FIRST_LSN, 0);
    ck_assert_int_eq(lf_file_hold(&file, LF_FIRST_LSN, true, &place), 0);
    ck_assert_uint_eq(place.offset, LF_FIRST_LSN);
    ck_assert_uint_eq(place.room, SEGMENT_BYTES - LF_FIRST_LSN);
    if (holders[_i].others_write)
        write_block(LF_FIRST_LSN + BLOCK, 1);
    if (holders[_i].syncs)
        ck_assert_int_eq(file.io->sync(file.io->context, place.fd), 0);
    lf_file_let_go(&file, &place, !holders[_i].syncs);
    uint64_t sync_count = logfile_sim_call_count(disk, LOGFILE_SIM_SYNC);
    uint64_t open_count = logfile_sim_call_count(disk, LOGFILE_SIM_OPEN);
    for (unsigned i = 1; i <= LF_SEGMENTS_OPEN_MAX; i++)
        write_block(first_lsn_of(i), i); /* the last of them takes its place */
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_OPEN),
                      open_count + LF_SEGMENTS_OPEN_MAX);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC),
                      sync_count + holders[_i].owed);
    lf_file_close(&file);
}
END_TEST

START_TEST(log_that_never_syncs_does_not_sync_to_close)
{
    use_sim(NULL);
    make_segments(MANY);
    file.segments.never_syncs = true;
    uint64_t sync_count = logfile_sim_call_count(disk, LOGFILE_SIM_SYNC);
    for (unsigned i = 0; i < MANY; i++)
        write_block(first_lsn_of(i), i);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC), sync_count);
    for (unsigned i = 0; i < MANY; i++)
        assert_block(first_lsn_of(i), i);
    lf_file_close(&file);
}
END_TEST

/* A sync is never left out because nothing seems to have been written. */
START_TEST(every_sync_is_made)
{
    use_sim(NULL);
    make_segments(3);
    uint64_t sync_count = logfile_sim_call_count(disk, LOGFILE_SIM_SYNC);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(lf_file_sync(&file, first_lsn_of(1), first_lsn_of(1) + BLOCK), 0);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC), sync_count + 2);
    ck_assert_int_eq(lf_file_sync(&file, SEGMENT_BYTES - BLOCK, first_lsn_of(2)), 0);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC), sync_count + 5);
    ck_assert_int_eq(lf_file_sync(&file, 2 * BLOCK, 3 * BLOCK), 0); /* a trim mark */
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_SYNC), sync_count + 6);
    lf_file_close(&file);
}
END_TEST

/* The failure may concern whoever wrote there: nobody may go on. */
START_TEST(sync_that_fails_while_closing_ends_it_all)
{
    const struct logfile_sim_fault fault = {.call = LOGFILE_SIM_SYNC, .error = -EIO};
    use_sim(NULL);
    make_segments(LF_SEGMENTS_OPEN_MAX + 1);
    for (unsigned i = 0; i < LF_SEGMENTS_OPEN_MAX; i++)
        write_block(first_lsn_of(i), i);
    logfile_sim_fault(disk, &fault);
    ck_assert_int_eq(
        lf_file_write(&file, first_lsn_of(LF_SEGMENTS_OPEN_MAX), block_of(0), BLOCK, 0), -EIO);
    for (unsigned i = 0; i <= LF_SEGMENTS_OPEN_MAX; i++) {
        ck_assert_int_eq(lf_file_write(&file, first_lsn_of(i), block_of(0), BLOCK, 0), -EIO);
        ck_assert_int_eq(lf_file_sync(&file, first_lsn_of(i), first_lsn_of(i) + 1), -EIO);
    }
    lf_file_close(&file);
}
END_TEST

START_TEST(failed_sync_is_returned)
{
    const struct logfile_sim_fault fault = {.call = LOGFILE_SIM_SYNC, .error = -EIO};
    use_sim(NULL);
    make_segments(3);
    logfile_sim_fault(disk, &fault);
    ck_assert_int_eq(lf_file_sync(&file, first_lsn_of(1), 3 * SEGMENT_BYTES), -EIO);
    logfile_sim_fault(disk, &fault);
    ck_assert_int_eq(lf_file_sync(&file, 0, BLOCK), -EIO);
    lf_file_close(&file);
}
END_TEST

/* ---- Threads ----------------------------------------------------------------------------------*/

static void *sync_first_segment(void *arg)
{
    *(int *)arg = lf_file_sync(&file, LF_FIRST_LSN, SEGMENT_BYTES);
    return NULL;
}

static void *write_second_segment(void *arg)
{
    uint8_t block[LF_BLOCK_BYTES];
    payload_fill(block, BLOCK, 1);
    *(int *)arg = lf_file_write(&file, first_lsn_of(1), block, BLOCK, 0);
    return NULL;
}

/* Starts a call that hangs at a gate. */
static pthread_t hang(enum logfile_sim_call call, void *(*body)(void *), int *result)
{
    pthread_t thread;
    logfile_sim_gate_close(disk, call);
    ck_assert_int_eq(pthread_create(&thread, NULL, body, result), 0);
    ck_assert(logfile_sim_gate_is_reached(disk, PATIENCE_MS));
    return thread;
}

START_TEST(sync_that_hangs_holds_nobody_up)
{
    int result = 1;
    use_sim(NULL);
    make_segments(4);
    pthread_t thread = hang(LOGFILE_SIM_SYNC, sync_first_segment, &result);
    write_block(LF_FIRST_LSN, 0);
    for (unsigned i = 1; i < 4; i++)
        write_block(first_lsn_of(i), i);
    ck_assert_int_eq(lf_file_release(&file, SEGMENT_BYTES - BLOCK, 0), 0);
    logfile_sim_gate_open(disk);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(result, 0);
    lf_file_close(&file);
}
END_TEST

START_TEST(open_that_hangs_holds_only_its_segment_up)
{
    pthread_t threads[2];
    int results[2] = {1, 1};
    use_sim(NULL);
    make_segments(3);
    reopen_directory(LF_FIRST_LSN);
    write_block(LF_FIRST_LSN, 0);
    uint64_t open_count = logfile_sim_call_count(disk, LOGFILE_SIM_OPEN);
    threads[0] = hang(LOGFILE_SIM_OPEN, write_second_segment, &results[0]);
    ck_assert_int_eq(pthread_create(&threads[1], NULL, write_second_segment, &results[1]), 0);
    write_block(LF_FIRST_LSN, 1);
    logfile_sim_gate_open(disk);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_eq(results[i], 0);
    }
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_OPEN), open_count + 1);
    lf_file_close(&file);
}
END_TEST

START_TEST(close_that_hangs_holds_nobody_up)
{
    int result = 1;
    use_sim(NULL);
    make_segments(LF_SEGMENTS_OPEN_MAX + 2);
    reopen_directory(LF_FIRST_LSN);
    for (unsigned i = 0; i < LF_SEGMENTS_OPEN_MAX; i++)
        ck_assert(lf_file_has_segment(&file, first_lsn_of(2 + i)));
    pthread_t thread = hang(LOGFILE_SIM_CLOSE, write_second_segment, &result);
    for (unsigned i = 1; i < LF_SEGMENTS_OPEN_MAX; i++)
        write_block(first_lsn_of(2 + i), i);
    logfile_sim_gate_open(disk);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(result, 0);
    lf_file_close(&file);
}
END_TEST

/* A released segment that somebody still syncs is removed when he is done. */
static void *release_first_segment(void *arg)
{
    *(int *)arg = lf_file_release(&file, first_lsn_of(1), 0);
    return NULL;
}

START_TEST(segment_in_use_is_not_removed)
{
    pthread_t threads[2];
    int results[2] = {1, 1};
    use_sim(NULL);
    make_segments(2);
    threads[0] = hang(LOGFILE_SIM_SYNC, sync_first_segment, &results[0]);
    ck_assert_int_eq(pthread_create(&threads[1], NULL, release_first_segment, &results[1]), 0);
    sleep_us(2000);
    ck_assert(logfile_sim_exists(disk, segment_path(0)));
    logfile_sim_gate_open(disk);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_eq(results[i], 0);
    }
    assert_segments(1, 2);
    lf_file_close(&file);
}
END_TEST

/* What a thread has to say. */
static void *complaint(const char *what)
{
    return (void *)(uintptr_t)what;
}

static void join(pthread_t thread)
{
    void *what;
    ck_assert_int_eq(pthread_join(thread, &what), 0);
    ck_assert_msg(what == NULL, "%s", (const char *)what);
}

#define CROWD 8

/* More threads than cores on more segments than places, each in blocks of its own. */
static void *write_everywhere(void *arg)
{
    uint64_t mine = (uint64_t)(uintptr_t)arg;
    struct rng rng = {.state = mine};
    uint8_t block[LF_BLOCK_BYTES], found[LF_BLOCK_BYTES];
    uint64_t round_count = scaled(100, 300, 10000);
    for (uint64_t round = 0; round < round_count; round++) {
        uint64_t lsn = first_lsn_of(rng_below(&rng, MANY)) + mine * BLOCK;
        payload_fill(block, BLOCK, lsn ^ round);
        if (lf_file_write(&file, lsn, block, BLOCK, 0) != 0)
            return complaint("write");
        if (rng_one_in(&rng, 4) && lf_file_sync(&file, lsn, lsn + BLOCK) != 0)
            return complaint("sync");
        if (lf_file_read(&file, lsn, found, BLOCK) != (ssize_t)BLOCK ||
            !payload_matches(found, BLOCK, lsn ^ round))
            return complaint("read");
    }
    return NULL;
}

START_TEST(crowd_finds_its_bytes)
{
    pthread_t threads[CROWD];
    use_place(_i);
    make_segments(MANY);
    for (uintptr_t i = 0; i < CROWD; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_everywhere, (void *)i), 0);
    for (unsigned i = 0; i < CROWD; i++)
        join(threads[i]);
    lf_file_close(&file);
}
END_TEST

static uint32_t trimmed;

/* Trims behind a writer, for whom segments are made meanwhile: all three at once. */
static void *trim_behind(void *arg)
{
    (void)arg;
    for (uint64_t index = 1; index < MANY; index++) {
        while (__atomic_load_n(&trimmed, __ATOMIC_ACQUIRE) < index)
            sleep_us(10);
        if (lf_file_release(&file, first_lsn_of(index), (unsigned)(index % 3)) != 0)
            return complaint("release");
    }
    return NULL;
}

static uint64_t prepared_lsn;

static void *prepare_ahead(void *arg)
{
    uint64_t from = SEGMENT_BYTES, to, behind;
    (void)arg;
    for (uint64_t index = 1; index < MANY; index++) {
        if (lf_file_extend(&file, from, (index + 1) * SEGMENT_BYTES, true, &to, &behind) != 0)
            return complaint("extend");
        __atomic_store_n(&prepared_lsn, to, __ATOMIC_RELEASE);
        from = to;
    }
    return NULL;
}

START_TEST(log_moves_through_its_segments)
{
    pthread_t threads[2];
    use_place(_i);
    make_segments(1);
    prepared_lsn = SEGMENT_BYTES;
    trimmed = 0;
    ck_assert_int_eq(pthread_create(&threads[0], NULL, prepare_ahead, NULL), 0);
    ck_assert_int_eq(pthread_create(&threads[1], NULL, trim_behind, NULL), 0);
    for (uint32_t index = 0; index < MANY; index++) {
        while (__atomic_load_n(&prepared_lsn, __ATOMIC_ACQUIRE) < (index + 1) * SEGMENT_BYTES)
            sleep_us(10);
        for (uint64_t lsn = first_lsn_of(index); lsn < (index + 1) * SEGMENT_BYTES; lsn += BLOCK) {
            write_block(lsn, lsn);
            ck_assert_int_eq(lf_file_sync(&file, lsn, lsn + BLOCK), 0);
            assert_block(lsn, lsn);
        }
        __atomic_store_n(&trimmed, index, __ATOMIC_RELEASE);
    }
    for (unsigned i = 0; i < 2; i++)
        join(threads[i]);
    lf_file_shrink(&file, MANY * SEGMENT_BYTES - 1);
    assert_segments(MANY - 1, MANY);
    lf_file_close(&file);
}
END_TEST

/* ---- The suite --------------------------------------------------------------------------------*/

static TCase *descriptor_tests(void)
{
    TCase *tcase = new_tcase("descriptors");
    tcase_add_loop_test(tcase, many_segments_take_few_descriptors, 0, PLACE_COUNT);
    tcase_add_test(tcase, segment_that_is_used_stays_open);
    tcase_add_test(tcase, what_was_written_is_synced_before_it_is_closed);
    tcase_add_test(tcase, what_was_allocated_is_synced_before_it_is_closed);
    tcase_add_test(tcase, what_was_synced_is_closed_as_it_is);
    tcase_add_loop_test(tcase, what_is_held_for_a_sync_owes_what_others_write, 0,
                        (int)(sizeof holders / sizeof holders[0]));
    tcase_add_test(tcase, log_that_never_syncs_does_not_sync_to_close);
    tcase_add_test(tcase, every_sync_is_made);
    tcase_add_test(tcase, sync_that_fails_while_closing_ends_it_all);
    tcase_add_test(tcase, failed_sync_is_returned);
    return tcase;
}

static TCase *thread_tests(void)
{
    TCase *tcase = new_tcase("threads");
    tcase_add_test(tcase, sync_that_hangs_holds_nobody_up);
    tcase_add_test(tcase, open_that_hangs_holds_only_its_segment_up);
    tcase_add_test(tcase, close_that_hangs_holds_nobody_up);
    tcase_add_test(tcase, segment_in_use_is_not_removed);
    tcase_add_loop_test(tcase, crowd_finds_its_bytes, 0, PLACE_COUNT);
    tcase_add_loop_test(tcase, log_moves_through_its_segments, 0, PLACE_COUNT);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("file shared");
    suite_add_tcase(suite, descriptor_tests());
    suite_add_tcase(suite, thread_tests());
    return run_suite(suite);
}
