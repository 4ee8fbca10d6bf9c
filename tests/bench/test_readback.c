/* SPDX-License-Identifier: MIT */
/* The bench notices every way in which a log can differ from what its writers were told. */
#include "../../bench/readback.h"
#include "../../bench/remove.h"
#include "support.h"

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITERS 3
#define RECORDS 4 /* of each writer */

static struct bench_options options;
static struct bench_payload payload;
static struct bench_written written[WRITERS];
static char message[512];
static const char *path;
static struct logfile *writing;

static void start(size_t size_min, size_t size_max)
{
    payload = (struct bench_payload){
        .seed = 5, .size_min = size_min, .size_max = size_max, .writers = WRITERS};
    ck_assert_int_eq(bench_payload_create(&payload), 0);
    enter_folder();
    path = folder_path("log");
    ck_assert_int_eq(logfile_open(path, NULL, NULL, &writing), 0);
}

/* Appends a record that no writer counts. */
static void put(unsigned writer, uint64_t number)
{
    struct bench_piece piece;
    bench_payload_take(&payload, writer, number, &piece);
    ck_assert_int_eq(logfile_append(writing, piece.data, piece.size, NULL), 0);
    bench_payload_return(&piece);
}

static void put_next(unsigned writer)
{
    put(writer, written[writer].offered++);
    written[writer].acked++;
}

static void put_all(void)
{
    for (unsigned i = 0; i < WRITERS * RECORDS; i++)
        put_next(i % WRITERS);
}

static int read_file(const char *file)
{
    struct bench_run run = {
        .options = &options, .payload = &payload, .writers = WRITERS, .path = file};
    return bench_readback(&run, written, message, sizeof(message));
}

static int read_back(void)
{
    ck_assert_int_eq(logfile_close(writing), 0);
    return read_file(path);
}

/* What another store holds. */
#define PAIRS_MAX 32

static struct {
    uint64_t key;
    unsigned char *data;
    size_t size;
} pairs[PAIRS_MAX];
static unsigned pair_count;

static void free_pairs(void)
{
    while (pair_count > 0)
        free(pairs[--pair_count].data);
}

static void stop(void)
{
    free_pairs();
    bench_payload_destroy(&payload);
    leave_folder();
}

START_TEST(what_was_written_is_found)
{
    static const size_t sizes[][2] = {{512, 512}, {8, 8}, {8, 70000}, {0, 0}, {7, 7}, {0, 20}};
    start(sizes[_i][0], sizes[_i][1]);
    put_all();
    ck_assert_msg(read_back() == 0, "%s", message);
}
END_TEST

START_TEST(an_unacknowledged_record_may_be_there_or_not)
{
    start(512, 512);
    put_all();
    put(0, written[0].offered++);
    written[1].offered++;
    ck_assert_msg(read_back() == 0, "%s", message);
}
END_TEST

START_TEST(a_missing_record_is_noticed)
{
    size_t size = _i == 0 ? 512 : 0;
    start(size, size);
    put_all();
    written[2].offered++;
    written[2].acked++;
    ck_assert_int_eq(read_back(), -1);
    ck_assert_ptr_nonnull(strstr(message, "acknowledged"));
}
END_TEST

START_TEST(a_gap_is_noticed)
{
    start(512, 512);
    written[1].offered++;
    written[1].acked++;
    put_all();
    ck_assert_int_eq(read_back(), -1);
    ck_assert_ptr_nonnull(strstr(message, "writer 1: record 1 where 0 was due"));
}
END_TEST

START_TEST(a_record_twice_is_noticed)
{
    start(_i == 0 ? 512 : 0, 512);
    put_all();
    put(1, RECORDS - 1);
    written[1].offered++;
    ck_assert_int_eq(read_back(), -1);
}
END_TEST

START_TEST(a_wrong_order_is_noticed)
{
    start(512, 512);
    put(2, 1);
    put(2, 0);
    written[2] = (struct bench_written){.acked = 2, .offered = 2};
    ck_assert_int_eq(read_back(), -1);
    ck_assert_ptr_nonnull(strstr(message, "writer 2: record 1 where 0 was due"));
}
END_TEST

START_TEST(a_record_that_was_never_offered_is_noticed)
{
    size_t size = _i == 0 ? 512 : 4;
    start(size, size);
    put_all();
    put(0, RECORDS);
    ck_assert_int_eq(read_back(), -1);
}
END_TEST

/* Each byte, the stamp's included, and the length. */
START_TEST(an_altered_record_is_noticed)
{
    start(64, 64);
    struct bench_piece piece;
    unsigned writer;
    uint64_t number;
    unsigned char copy[64];
    bench_payload_take(&payload, 1, 9, &piece);
    memcpy(copy, piece.data, sizeof(copy));
    bench_payload_return(&piece);

    ck_assert(bench_payload_recognise(&payload, copy, 64, &writer, &number));
    ck_assert_uint_eq(writer, 1);
    ck_assert_uint_eq(number, 9);
    ck_assert(!bench_payload_recognise(&payload, copy, 63, &writer, &number));
    for (unsigned i = 0; i < 64; i++) {
        copy[i] ^= 0x10;
        bool recognised = bench_payload_recognise(&payload, copy, 64, &writer, &number);
        ck_assert(!recognised || writer != 1 || number != 9);
        copy[i] ^= 0x10;
    }
    put(0, 0);
    ck_assert_int_eq(logfile_append(writing, copy + 1, 63, NULL), 0);
    written[0] = (struct bench_written){.acked = 1, .offered = 2};
    ck_assert_int_eq(read_back(), -1);
    ck_assert_ptr_nonnull(strstr(message, "never appended"));
}
END_TEST

/* As if five records of each writer had been trimmed away. */
static void start_trimmed(uint64_t keep_bytes)
{
    options.trim_keep_bytes = keep_bytes;
    start(512, 512);
    for (unsigned i = 0; i < WRITERS; i++)
        written[i] = (struct bench_written){.acked = 5, .offered = 5};
}

START_TEST(a_trimmed_log_is_compared_from_what_is_left)
{
    start_trimmed(1);
    put_next(0); /* nothing is left of the others */
    put_next(0);
    ck_assert_msg(read_back() == 0, "%s", message);
}
END_TEST

START_TEST(a_gap_behind_what_was_trimmed_is_noticed)
{
    start_trimmed(1);
    put_next(0);
    put(0, 7);
    written[0].offered = written[0].acked = 8;
    ck_assert_int_eq(read_back(), -1);
    ck_assert_ptr_nonnull(strstr(message, "writer 0: record 7 where 6 was due"));
}
END_TEST

START_TEST(a_missing_end_of_a_trimmed_log_is_noticed)
{
    start_trimmed(1);
    put_all();
    written[2].offered++;
    written[2].acked++;
    ck_assert_int_eq(read_back(), -1);
    ck_assert_ptr_nonnull(strstr(message, "acknowledged"));
}
END_TEST

START_TEST(a_log_that_was_trimmed_too_far_is_noticed)
{
    start_trimmed(1 << 20);
    put_all();
    ck_assert_int_eq(read_back(), -1);
    ck_assert_ptr_nonnull(strstr(message, "bytes were left"));
}
END_TEST

START_TEST(a_log_that_cannot_be_opened_is_noticed)
{
    start(512, 512);
    ck_assert_int_eq(logfile_close(writing), 0);
    ck_assert_int_eq(read_file(folder_path("other")), -1);
}
END_TEST

START_TEST(taken_pieces_leave_no_trace)
{
    start(16, 300);
    struct bench_piece piece;
    unsigned char *before = malloc(payload.writers * payload.pool_bytes);
    memcpy(before, payload.pools, payload.writers * payload.pool_bytes);
    for (uint64_t number = 0; number < 20000; number++) {
        bench_payload_take(&payload, number % WRITERS, number, &piece);
        ck_assert_uint_ge(piece.size, 16);
        ck_assert_uint_le(piece.size, 300);
        bench_payload_return(&piece);
    }
    ck_assert_mem_eq(before, payload.pools, payload.writers * payload.pool_bytes);
    free(before);
    ck_assert_int_eq(logfile_close(writing), 0);
}
END_TEST

/* ---- Another store --------------------------------------------------------------------------- */

static int scan_ends_with;

static int scan_pairs(struct bench_peer_store *store, bench_peer_visit *visit, void *arg)
{
    int status = 0;
    snprintf(store->message, sizeof store->message, "the store is broken");
    for (unsigned i = 0; status == 0 && i < pair_count; i++)
        status = visit(arg, pairs[i].key, pairs[i].data, pairs[i].size);
    return status != 0 ? status : scan_ends_with;
}

/* A store that holds every record of each writer, sorted by key. */
static void start_store(size_t size_min, size_t size_max)
{
    payload = (struct bench_payload){
        .seed = 5, .size_min = size_min, .size_max = size_max, .writers = WRITERS};
    ck_assert_int_eq(bench_payload_create(&payload), 0);
    enter_folder();
    scan_ends_with = 0;
    for (unsigned i = 0; i < WRITERS * RECORDS; i++) {
        struct bench_piece piece;
        unsigned writer = i / RECORDS;
        bench_payload_take(&payload, writer, i % RECORDS, &piece);
        unsigned char *copy = malloc(piece.size + 1);
        memcpy(copy, piece.data, piece.size);
        bench_payload_return(&piece);
        pairs[pair_count].key = bench_stamp(writer, i % RECORDS);
        pairs[pair_count].data = copy;
        pairs[pair_count++].size = piece.size;
        written[writer] = (struct bench_written){.acked = RECORDS, .offered = RECORDS};
    }
}

static void remove_pair(unsigned index)
{
    free(pairs[index].data);
    memmove(&pairs[index], &pairs[index + 1], (--pair_count - index) * sizeof(pairs[0]));
}

static int read_store_back(void)
{
    static const struct bench_peer peer = {.name = "pairs", .scan = scan_pairs};
    struct bench_peer_store store = {.peer = &peer};
    struct bench_run run = {.options = &options, .payload = &payload, .writers = WRITERS};
    return bench_readback_peer(&run, &store, written, message, sizeof(message));
}

START_TEST(what_a_store_was_given_is_found)
{
    static const size_t ranges[][2] = {{512, 512}, {0, 40}, {0, 0}, {3, 3}};
    start_store(ranges[_i][0], ranges[_i][1]);
    ck_assert_msg(read_store_back() == 0, "%s", message);
}
END_TEST

START_TEST(a_record_that_a_store_lost_is_noticed)
{
    start_store(_i == 0 ? 512 : 3, _i == 0 ? 512 : 3);
    remove_pair(1);
    ck_assert_int_eq(read_store_back(), -1);
    ck_assert_ptr_nonnull(strstr(message, "writer 0: key 2 where record 1 was due"));
}
END_TEST

START_TEST(a_last_record_that_a_store_lost_is_noticed)
{
    start_store(512, 512);
    remove_pair(RECORDS - 1);
    ck_assert_int_eq(read_store_back(), -1);
    ck_assert_ptr_nonnull(strstr(message, "writer 0: 3 records found, 4 were acknowledged"));
}
END_TEST

START_TEST(a_record_that_a_store_altered_is_noticed)
{
    start_store(_i == 0 ? 512 : 3, _i == 0 ? 512 : 3);
    pairs[5].data[_i == 0 ? 511 : 2] ^= 1;
    ck_assert_int_eq(read_store_back(), -1);
    ck_assert_ptr_nonnull(strstr(message, "never appended"));
}
END_TEST

START_TEST(a_record_under_anothers_key_is_noticed)
{
    start_store(512, 512);
    pairs[5].key = _i == 0 ? bench_stamp(WRITERS, 0) : bench_stamp(1, 2);
    ck_assert_int_eq(read_store_back(), -1);
    ck_assert_ptr_nonnull(strstr(message, "never appended"));
}
END_TEST

START_TEST(a_store_that_cannot_be_read_is_noticed)
{
    start_store(512, 512);
    scan_ends_with = -1;
    ck_assert_int_eq(read_store_back(), -1);
    ck_assert_ptr_nonnull(strstr(message, "after 12 records: the store is broken"));
}
END_TEST

START_TEST(a_folder_is_removed_with_the_folders_in_it)
{
    enter_folder();
    char name[PATH_MAX];
    path = folder_path("store");
    ck_assert_int_eq(mkdir(path, 0700), 0);
    for (unsigned i = 0; i < 200; i++) { /* more than one listing holds */
        snprintf(name, sizeof name, "%s/a-folder-with-a-rather-long-name-%u", path, i);
        ck_assert_int_eq(mkdir(name, 0700), 0);
        strcat(name, "/file");
        ck_assert_int_eq(mknod(name, S_IFREG | 0600, 0), 0);
    }
    bench_remove_log(path);
    ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bench_readback");
    TCase *tests = tcase_create("readback");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, NULL, stop);
    tcase_add_loop_test(tests, what_was_written_is_found, 0, 6);
    tcase_add_test(tests, an_unacknowledged_record_may_be_there_or_not);
    tcase_add_loop_test(tests, a_missing_record_is_noticed, 0, 2);
    tcase_add_test(tests, a_gap_is_noticed);
    tcase_add_loop_test(tests, a_record_twice_is_noticed, 0, 2);
    tcase_add_test(tests, a_wrong_order_is_noticed);
    tcase_add_loop_test(tests, a_record_that_was_never_offered_is_noticed, 0, 2);
    tcase_add_test(tests, an_altered_record_is_noticed);
    tcase_add_test(tests, a_trimmed_log_is_compared_from_what_is_left);
    tcase_add_test(tests, a_gap_behind_what_was_trimmed_is_noticed);
    tcase_add_test(tests, a_missing_end_of_a_trimmed_log_is_noticed);
    tcase_add_test(tests, a_log_that_was_trimmed_too_far_is_noticed);
    tcase_add_test(tests, a_log_that_cannot_be_opened_is_noticed);
    tcase_add_test(tests, taken_pieces_leave_no_trace);
    tcase_add_loop_test(tests, what_a_store_was_given_is_found, 0, 4);
    tcase_add_loop_test(tests, a_record_that_a_store_lost_is_noticed, 0, 2);
    tcase_add_test(tests, a_last_record_that_a_store_lost_is_noticed);
    tcase_add_loop_test(tests, a_record_that_a_store_altered_is_noticed, 0, 2);
    tcase_add_loop_test(tests, a_record_under_anothers_key_is_noticed, 0, 2);
    tcase_add_test(tests, a_store_that_cannot_be_read_is_noticed);
    tcase_add_test(tests, a_folder_is_removed_with_the_folders_in_it);
    suite_add_tcase(suite, tests);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
