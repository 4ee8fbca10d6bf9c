/* SPDX-License-Identifier: MIT */
/*
 * Every store that the bench can be built with keeps what was appended, byte for byte: through
 * several writers, through closing and through the death of its process.  It syncs each append.
 */
#include "../../bench/peers/peer.h"
#include "support.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WRITERS 4
#define RECORD_MAX ((size_t)1 << 20)
#define WRITER_SHIFT 48 /* a key is its writer above its number */
#define SKIPPED 77

/* The stores synchronise their threads in ways that ThreadSanitizer, which did not compile them,
 * does not see; it is to judge the adapters only. */
const char *__tsan_default_options(void);

const char *__tsan_default_options(void)
{
    return "ignore_noninstrumented_modules=1";
}

/* ---- Counting syncs: a program's own definitions come before the C library's ---- */

static unsigned sync_count;

static void count_sync(void)
{
    __atomic_fetch_add(&sync_count, 1, __ATOMIC_RELAXED);
}

int fsync(int fd)
{
    count_sync();
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    count_sync();
    return (int)syscall(SYS_fdatasync, fd);
}

int msync(void *memory, size_t bytes, int flags)
{
    if ((flags & MS_SYNC) != 0)
        count_sync();
    return (int)syscall(SYS_msync, memory, bytes, flags);
}

/* ---- A store ---- */

static const struct bench_peer *peer;
static struct bench_peer_store store;
static struct bench_peer_config config;

static int peer_count(void)
{
    int count = 0;
    while (bench_peers[count] != NULL)
        count++;
    return count;
}

static void choose(int index)
{
    peer = bench_peers[index];
    store = (struct bench_peer_store){.peer = peer};
    enter_folder();
    config = (struct bench_peer_config){
        .path = folder_path("store"), .writers = WRITERS, .size_max = RECORD_MAX};
}

static void open_store(void)
{
    ck_assert_msg(peer->open(&store, &config) == 0, "%s: %s", peer->name, store.message);
}

static void close_store(void)
{
    peer->close(&store);
    ck_assert_str_eq(store.message, "");
}

/* ---- Records ---- */

struct writer {
    uint64_t index;
    uint64_t records;
    size_t size_min;
    size_t size_max;
    pthread_t thread;
};

static uint64_t key_of(uint64_t writer, uint64_t number)
{
    return writer << WRITER_SHIFT | number;
}

/* The first records of a writer are the smallest and the largest. */
static size_t size_of(const struct writer *writer, uint64_t number)
{
    struct rng rng = {key_of(writer->index, number)};
    if (number < 2)
        return number == 0 ? writer->size_min : writer->size_max;
    return writer->size_min + rng_below(&rng, writer->size_max - writer->size_min + 1);
}

static int append_all(const struct writer *writer)
{
    unsigned char *data = malloc(RECORD_MAX);
    void *session = NULL;
    int status = peer->begin(&store, &session);
    if (status != 0) {
        free(data);
        return status;
    }
    for (uint64_t number = 0; status == 0 && number < writer->records; number++) {
        uint64_t key = key_of(writer->index, number);
        size_t size = size_of(writer, number);
        payload_fill(data, size, key);
        status = peer->append(&store, session, key, size > 0 ? data : NULL, size);
        memset(data, 0, size); /* the store must have taken it */
    }
    peer->end(&store, session);
    free(data);
    return status;
}

static void *writer_main(void *arg)
{
    return append_all(arg) == 0 ? NULL : arg;
}

static void run_writers(struct writer *writers, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        ck_assert_int_eq(pthread_create(&writers[i].thread, NULL, writer_main, &writers[i]), 0);
    for (unsigned i = 0; i < count; i++) {
        void *failed;
        pthread_join(writers[i].thread, &failed);
        ck_assert_msg(failed == NULL, "%s: %s", peer->name, store.message);
    }
}

/* What a scan is to find next. */
struct expected {
    const struct writer *writers;
    unsigned writer_count;
    unsigned writer;
    uint64_t number;
};

static int check_record(void *arg, uint64_t key, const void *data, size_t size)
{
    struct expected *expected = arg;
    ck_assert_uint_lt(expected->writer, expected->writer_count);
    const struct writer *writer = &expected->writers[expected->writer];
    ck_assert_uint_eq(key, key_of(writer->index, expected->number));
    ck_assert_uint_eq(size, size_of(writer, expected->number));
    ck_assert(payload_matches(data, size, key));
    if (++expected->number == writer->records) {
        expected->writer++;
        expected->number = 0;
    }
    return 0;
}

static void check_all(const struct writer *writers, unsigned count)
{
    struct expected expected = {.writers = writers, .writer_count = count};
    int status = peer->scan(&store, check_record, &expected);
    ck_assert_msg(status == 0, "%s: %s", peer->name, store.message);
    ck_assert_uint_eq(expected.writer, count);
}

static void check_all_when_opened_again(const struct writer *writers, unsigned count)
{
    close_store();
    open_store();
    check_all(writers, count);
    close_store();
}

/* ---- Tests ---- */

START_TEST(what_several_writers_appended_is_found)
{
    struct writer writers[WRITERS];
    choose(_i);
    open_store();
    for (unsigned i = 0; i < WRITERS; i++)
        writers[i] =
            (struct writer){.index = i, .records = scaled(20, 100, 2000), .size_max = 5000};
    run_writers(writers, WRITERS);
    check_all(writers, WRITERS);
    check_all_when_opened_again(writers, WRITERS);
}
END_TEST

START_TEST(an_empty_record_and_a_large_one_are_found)
{
    struct writer writer = {.records = 2, .size_max = RECORD_MAX};
    choose(_i);
    open_store();
    ck_assert_msg(append_all(&writer) == 0, "%s: %s", peer->name, store.message);
    check_all(&writer, 1);
    check_all_when_opened_again(&writer, 1);
}
END_TEST

/* More than LMDB's first map takes, and SQLite's log between two checkpoints. */
START_TEST(a_store_grows)
{
    struct writer writers[WRITERS];
    choose(_i);
    open_store();
    for (unsigned i = 0; i < WRITERS; i++)
        writers[i] = (struct writer){
            .index = i, .records = 18, .size_min = RECORD_MAX, .size_max = RECORD_MAX};
    run_writers(writers, WRITERS);
    check_all_when_opened_again(writers, WRITERS);
}
END_TEST

START_TEST(a_new_store_is_empty)
{
    choose(_i);
    open_store();
    check_all(NULL, 0);
    close_store();
}
END_TEST

/* In a process that ends without closing the store. */
static void append_and_die(const struct writer *writer)
{
    int status = peer->open(&store, &config);
    if (status == 0)
        status = append_all(writer);
    if (status != 0)
        fprintf(stderr, "%s: %s\n", peer->name, store.message);
    _exit(status == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

START_TEST(what_was_acknowledged_outlives_the_process)
{
    struct writer writer = {.records = 10, .size_max = 3000};
    int status;
    choose(_i);
    pid_t child = fork();
    if (child == 0)
        append_and_die(&writer);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    open_store();
    check_all(&writer, 1);
    close_store();
}
END_TEST

/* One writer's commits cannot share a sync. */
START_TEST(each_append_is_synced)
{
    unsigned char data[512];
    void *session;
    choose(_i);
    open_store();
    ck_assert_int_eq(peer->begin(&store, &session), 0);
    payload_fill(data, sizeof(data), 1);
    for (uint64_t number = 0; number < 20; number++) {
        unsigned before = __atomic_load_n(&sync_count, __ATOMIC_RELAXED);
        ck_assert_int_eq(peer->append(&store, session, number, data, sizeof(data)), 0);
        ck_assert_uint_gt(__atomic_load_n(&sync_count, __ATOMIC_RELAXED), before);
    }
    peer->end(&store, session);
    close_store();
}
END_TEST

static int stop_at_second(void *arg, uint64_t key, const void *data, size_t size)
{
    (void)key;
    (void)data;
    (void)size;
    return ++*(int *)arg == 2 ? 5 : 0;
}

START_TEST(a_scan_ends_when_it_is_told_to)
{
    struct writer writer = {.records = 3, .size_max = 10};
    int seen = 0;
    choose(_i);
    open_store();
    ck_assert_int_eq(append_all(&writer), 0);
    ck_assert_int_eq(peer->scan(&store, stop_at_second, &seen), 5);
    ck_assert_int_eq(seen, 2);
    close_store();
}
END_TEST

static void check_is_refused(const char *path)
{
    config.path = path;
    ck_assert_int_eq(peer->open(&store, &config), -1);
    ck_assert_ptr_nonnull(strstr(store.message, ": "));
    ck_assert_ptr_null(strpbrk(store.message, "\r\n"));
}

START_TEST(a_folder_that_cannot_be_made_is_refused)
{
    choose(_i);
    check_is_refused(folder_path("missing/store"));
    ck_assert_str_eq(store.message, "mkdir: No such file or directory");
    ck_assert_int_eq(folder_entry_count(), 0);
}
END_TEST

START_TEST(a_file_in_place_of_the_folder_is_refused)
{
    choose(_i);
    const char *path = folder_path("file");
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(close(fd), 0);
    check_is_refused(path);
    /* An open that works forgets what was said. */
    config.path = folder_path("store");
    open_store();
    close_store();
}
END_TEST

START_TEST(names_settings_and_versions_are_one_line_each)
{
    choose(_i);
    ck_assert_str_ne(peer->name, "");
    ck_assert_uint_ge(strlen(peer->settings), 40);
    ck_assert_ptr_null(strpbrk(peer->settings, "\r\n\""));
    ck_assert(peer->version()[0] >= '0' && peer->version()[0] <= '9');
}
END_TEST

START_TEST(the_first_failure_is_kept)
{
    struct bench_peer_store failing = {.message = ""};
    ck_assert_int_eq(bench_peer_fail(&failing, "one", "went\nwrong"), -1);
    ck_assert_int_eq(bench_peer_fail(&failing, "two", "went wrong too"), -1);
    ck_assert_str_eq(failing.message, "one: went wrong");
}
END_TEST

int main(void)
{
    int peers = peer_count();
    if (peers == 0) {
        puts("no other store is built in; on Debian: scripts/install-deps peers");
        return SKIPPED;
    }
    Suite *suite = suite_create("bench_peers");
    TCase *tests = tcase_create("peers");
    tcase_set_timeout(tests, 300);
    tcase_add_checked_fixture(tests, NULL, leave_folder);
    tcase_add_loop_test(tests, what_several_writers_appended_is_found, 0, peers);
    tcase_add_loop_test(tests, an_empty_record_and_a_large_one_are_found, 0, peers);
    tcase_add_loop_test(tests, a_store_grows, 0, peers);
    tcase_add_loop_test(tests, a_new_store_is_empty, 0, peers);
    tcase_add_loop_test(tests, what_was_acknowledged_outlives_the_process, 0, peers);
    tcase_add_loop_test(tests, each_append_is_synced, 0, peers);
    tcase_add_loop_test(tests, a_scan_ends_when_it_is_told_to, 0, peers);
    tcase_add_loop_test(tests, a_folder_that_cannot_be_made_is_refused, 0, peers);
    tcase_add_loop_test(tests, a_file_in_place_of_the_folder_is_refused, 0, peers);
    tcase_add_loop_test(tests, names_settings_and_versions_are_one_line_each, 0, peers);
    tcase_add_test(tests, the_first_failure_is_kept);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
