/* SPDX-License-Identifier: MIT */
/*
 * SIGKILL at random instants.  A child appends from several threads to a log on a real file and
 * tells in shared memory what was acknowledged; the parent kills it, reads the log, and starts the
 * next child on the same file.  Of each writer, records 1, 2, 3, ... must be there, in order, as
 * far as the last acknowledged one and no further than the last one begun.
 */
#include "logfile.h"
#include "support.h"

#include <check.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    WRITER_COUNT = 4,
    PAYLOAD_BYTES_MAX = 6000
};

/* Shared by parent and child; each writer has a line of its own. */
struct progress {
    uint64_t begun; /* W: writer, before it appends */
    uint64_t acked; /* W: writer, once the log has promised it */
    uint64_t padding[6];
};
static struct progress *progress;

/* Starts each payload. */
struct stamp {
    uint64_t writer;
    uint64_t number;
};

struct writer {
    struct logfile *log;
    uint64_t index;
    uint64_t number;
    uint8_t payload[PAYLOAD_BYTES_MAX];
};

static uint64_t stamp_seed(const struct stamp *stamp)
{
    return stamp->writer << 48 ^ stamp->number;
}

static size_t make_payload(struct writer *writer, struct rng *rng)
{
    struct stamp stamp = {.writer = writer->index, .number = writer->number};
    size_t size = sizeof stamp + payload_random_size(rng, PAYLOAD_BYTES_MAX - sizeof stamp);

    memcpy(writer->payload, &stamp, sizeof stamp);
    payload_fill(writer->payload + sizeof stamp, size - sizeof stamp, stamp_seed(&stamp));
    return size;
}

static void acknowledge(const struct writer *writer, uint64_t number)
{
    __atomic_store_n(&progress[writer->index].acked, number, __ATOMIC_RELEASE);
}

/* The even writers append; the odd ones submit a few and wait for the last. */
static void write_some(struct writer *writer, struct rng *rng)
{
    unsigned window = writer->index % 2 == 0 ? 1 : 1 + (unsigned)rng_below(rng, 8);
    uint64_t lsn = 0;
    int error = 0;

    for (unsigned i = 0; i < window && error == 0; i++) {
        writer->number++;
        size_t size = make_payload(writer, rng);
        __atomic_store_n(&progress[writer->index].begun, writer->number, __ATOMIC_RELEASE);
        error = window == 1 ? logfile_append(writer->log, writer->payload, size, &lsn)
                            : logfile_submit(writer->log, writer->payload, size, NULL, &lsn);
    }
    if (error == 0)
        error = logfile_wait(writer->log, lsn, NULL);
    if (error != 0)
        _exit(3);
    acknowledge(writer, writer->number);
}

static void *writer_main(void *argument)
{
    struct writer *writer = argument;
    struct rng rng = {.state = (uint64_t)getpid() * 31 + writer->index};

    for (;;)
        write_some(writer, &rng);
    return NULL;
}

/* Never returns. */
static void child_main(const char *path, const struct logfile_options *options)
{
    static struct writer writers[WRITER_COUNT];
    pthread_t thread;
    struct logfile *log;

    if (logfile_open(path, options, &log) != 0)
        _exit(2);
    for (unsigned i = 0; i < WRITER_COUNT; i++) {
        writers[i].log = log;
        writers[i].index = i;
        writers[i].number = progress[i].acked;
        if (pthread_create(&thread, NULL, writer_main, &writers[i]) != 0)
            _exit(4);
    }
    for (;;)
        pause();
}

static void run_and_kill(const char *path, const struct logfile_options *options, uint64_t us)
{
    int status;
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0)
        child_main(path, options);
    sleep_us(us);
    kill(child, SIGKILL);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
                  "the child ended by itself with status %d", status);
}

/* Counts the record in `numbers`, which must follow its writer's last one. */
static void check_record(const struct logfile_record *record, uint64_t numbers[WRITER_COUNT])
{
    struct stamp stamp;

    ck_assert_uint_ge(record->size, sizeof stamp);
    memcpy(&stamp, record->data, sizeof stamp);
    ck_assert_uint_lt(stamp.writer, WRITER_COUNT);
    ck_assert_msg(stamp.number == numbers[stamp.writer] + 1,
                  "writer %" PRIu64 ": record %" PRIu64 " follows record %" PRIu64, stamp.writer,
                  stamp.number, numbers[stamp.writer]);
    numbers[stamp.writer]++;
    ck_assert(payload_matches((const uint8_t *)record->data + sizeof stamp,
                              record->size - sizeof stamp, stamp_seed(&stamp)));
}

/* Reads the log; what is in it is what the next child goes on from. */
static uint64_t check_log(const char *path)
{
    uint64_t numbers[WRITER_COUNT] = {0};
    struct logfile_reader *reader;
    struct logfile_record record;
    struct logfile_tail tail;
    uint64_t count = 0;
    int result;

    /* A child that was killed before it had created the log has acknowledged nothing. */
    if (access(path, F_OK) != 0) {
        for (unsigned i = 0; i < WRITER_COUNT; i++)
            ck_assert_uint_eq(progress[i].acked, 0);
        return 0;
    }
    ck_assert_int_eq(logfile_reader_open(path, 0, &reader), 0);
    for (; (result = logfile_reader_next(reader, &record)) == 1; count++)
        check_record(&record, numbers);
    ck_assert_int_eq(result, 0);
    ck_assert_int_eq(logfile_reader_tail(reader, &tail), 0);
    ck_assert_int_eq(tail.verdict, LOGFILE_TORN);
    logfile_reader_close(reader);
    for (unsigned i = 0; i < WRITER_COUNT; i++) {
        ck_assert_msg(numbers[i] >= progress[i].acked && numbers[i] <= progress[i].begun,
                      "writer %u: %" PRIu64 " records, acknowledged %" PRIu64 ", begun %" PRIu64, i,
                      numbers[i], progress[i].acked, progress[i].begun);
        progress[i].acked = progress[i].begun = numbers[i];
    }
    return count;
}

/* A loop test: one engine, buffered or direct, a number of kills on one file. */
START_TEST(test_kills)
{
    unsigned rounds = (unsigned)scaled(2, 10, 1000);
    struct rng rng = {.state = now_ns()};
    struct variant variant;
    uint64_t count = 0;

    engine_variant_get((unsigned)_i / 2, &variant);
    variant.options.io_mode = _i % 2 == 0 ? LOGFILE_IO_AUTO : LOGFILE_IO_BUFFERED;
    progress = mmap(NULL, sizeof *progress * WRITER_COUNT, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(progress, MAP_FAILED);
    enter_folder();
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t us = rng_one_in(&rng, 5) ? rng_below(&rng, 3000) : rng_below(&rng, 60000);
        run_and_kill(folder_path("kill.log"), &variant.options, us);
        count = check_log(folder_path("kill.log"));
    }
    printf("%s%s: %u kills, %" PRIu64 " records\n", variant.name, _i % 2 == 0 ? "" : " buffered",
           rounds, count);
    leave_folder();
}
END_TEST

static Suite *kill_suite(void)
{
    Suite *suite = suite_create("kill");
    TCase *tcase = tcase_create("kill");

    tcase_set_timeout(tcase, (double)scaled(120, 120, 7200));
    tcase_add_loop_test(tcase, test_kills, 0, (int)engine_variant_count() * 2);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(kill_suite());
}
