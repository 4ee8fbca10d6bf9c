/* SPDX-License-Identifier: MIT */
/*
 * SIGKILL at random instants, while records are appended, segments made, the start trimmed, or the
 * log recovered from the kill before.  A child appends from several threads to a log on a real file
 * and tells in shared memory what was acknowledged; the parent kills it, reads the log, and starts
 * the next child on the same log.  Of each writer, records 1, 2, 3, ... must be there, in order, as
 * far as the last acknowledged one and no further than the last one begun; where the log is
 * trimmed, from the first one on that had to be kept.
 *
 *     test_kill          the cases of a run, KILLS kills each
 *     test_kill CASE     one case, as printed by a failure
 *
 * A case decides engine, kind of log and when to kill, not how far the child gets until then: what
 * breaks is to be made again until it breaks.
 */
#include "campaign.h"
#include "logfile.h"
#include "regressions.h"
#include "support.h"

#include <check.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    WRITER_COUNT = 4,
    PAYLOAD_BYTES_MAX = 6000,
    KILLS = 5, /* of one log */
    SEGMENT_BYTES = 64 << 10,
    KIND_COUNT = 4 /* of logs: one file or segments, buffered or not */
};

/* Shared by parent and child; each writer has a line of its own. */
struct progress {
    uint64_t begun; /* W: writer, before it appends */
    uint64_t acked; /* W: writer, once the log has promised it */
    uint64_t kept;  /* W: whoever trims, before that; 0: nothing may be trimmed */
    uint64_t padding[5];
};
static struct progress *progress;
/* Behind the writers' lines. */
struct life {
    uint64_t opened;     /* W: the child, once it has recovered the log */
    uint64_t oldest_lsn; /* W: whoever trims, afterwards */
};
static struct life *life;

static char current[160]; /* the case and its replay, for messages */

/* Starts each payload. */
struct stamp {
    uint64_t writer;
    uint64_t number;
};

struct writer {
    struct logfile *log;
    uint64_t index;
    uint64_t number;
    bool trims;
    uint8_t payload[PAYLOAD_BYTES_MAX];
};

/* The last record of each writer that its writer has noted; the child's own. */
static struct mark {
    uint64_t number;
    uint64_t lsn;
} marks[WRITER_COUNT];
static pthread_mutex_t marks_lock = PTHREAD_MUTEX_INITIALIZER;

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

static void note_mark(const struct writer *writer, uint64_t lsn)
{
    pthread_mutex_lock(&marks_lock);
    marks[writer->index] = (struct mark){writer->number, lsn};
    pthread_mutex_unlock(&marks_lock);
}

/* Says what has to be kept, and returns the LSN below which nothing has to; 0: that is everything,
 * because some writer has no record yet. */
static uint64_t choose_trim(void)
{
    uint64_t lsn = UINT64_MAX;

    pthread_mutex_lock(&marks_lock);
    for (unsigned i = 0; i < WRITER_COUNT; i++)
        lsn = marks[i].lsn < lsn ? marks[i].lsn : lsn;
    for (unsigned i = 0; i < WRITER_COUNT && lsn > 0; i++)
        __atomic_store_n(&progress[i].kept, marks[i].number, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&marks_lock);
    return lsn;
}

static void trim(const struct writer *writer)
{
    uint64_t lsn = choose_trim();

    if (lsn == 0)
        return;
    if (logfile_trim(writer->log, lsn) != 0)
        _exit(5);
    __atomic_store_n(&life->oldest_lsn, logfile_oldest_lsn(writer->log), __ATOMIC_RELEASE);
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
    note_mark(writer, lsn);
    if (writer->trims && rng_one_in(rng, 2))
        trim(writer);
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

    if (logfile_open(path, options, NULL, &log) != 0)
        _exit(2);
    __atomic_store_n(&life->opened, 1, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < WRITER_COUNT; i++) {
        writers[i].log = log;
        writers[i].index = i;
        writers[i].number = progress[i].acked;
        writers[i].trims = i == 0 && options->segment_bytes != 0;
        if (pthread_create(&thread, NULL, writer_main, &writers[i]) != 0)
            _exit(4);
    }
    for (;;)
        pause();
}

/* In vain, where the child ends by itself: how it ended tells why. */
static void wait_until_opened(void)
{
    for (unsigned i = 0; i < 50000 && __atomic_load_n(&life->opened, __ATOMIC_ACQUIRE) == 0; i++)
        sleep_us(200);
}

/* Of three kills, one strikes while the log is made or recovered, or soon after. */
static void choose_instant(struct rng *rng)
{
    if (rng_one_in(rng, 3)) {
        sleep_us(rng_below(rng, 20000));
    } else {
        wait_until_opened();
        sleep_us(rng_below(rng, 40000));
    }
}

static void run_and_kill(const char *path, const struct logfile_options *options, struct rng *rng)
{
    int status;

    life->opened = 0;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        child_main(path, options);
    choose_instant(rng);
    kill(child, SIGKILL);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
                  "%s: the child ended by itself with status %d", current, status);
}

/* Counts the record in `numbers`, which must follow its writer's last one; the first one that is
 * there must not be behind the first one that had to be kept. */
static void check_record(const struct logfile_record *record, uint64_t numbers[WRITER_COUNT])
{
    struct stamp stamp;

    ck_assert_msg(record->size >= sizeof stamp, "%s: a record of %zu bytes", current, record->size);
    memcpy(&stamp, record->data, sizeof stamp);
    ck_assert_msg(stamp.writer < WRITER_COUNT, "%s: writer %" PRIu64, current, stamp.writer);
    uint64_t last = numbers[stamp.writer];
    bool follows = last == 0 ? stamp.number == 1 || stamp.number <= progress[stamp.writer].kept
                             : stamp.number == last + 1;
    ck_assert_msg(follows, "%s: writer %" PRIu64 ": record %" PRIu64 " follows record %" PRIu64,
                  current, stamp.writer, stamp.number, last);
    ck_assert_msg(record->lsn >= life->oldest_lsn, "%s: a record that was trimmed is back",
                  current);
    numbers[stamp.writer] = stamp.number;
    ck_assert_msg(payload_matches((const uint8_t *)record->data + sizeof stamp,
                                  record->size - sizeof stamp, stamp_seed(&stamp)),
                  "%s: writer %" PRIu64 ": record %" PRIu64 " has other bytes", current,
                  stamp.writer, stamp.number);
}

/* A log that was killed while it was made has no epoch yet, and is as good as closed. */
static void check_end(struct logfile_reader *reader)
{
    struct logfile_tail tail;

    int error = logfile_reader_tail(reader, &tail, sizeof tail);
    ck_assert_msg(error == 0, "%s: tail: %s", current, logfile_strerror(error));
    ck_assert_msg(tail.verdict == LOGFILE_TORN ||
                      (tail.verdict == LOGFILE_CLEAN && tail.last_epoch == 0),
                  "%s: verdict %d", current, tail.verdict);
}

/* What is in the log is what the next child goes on from. */
static void check_numbers(const uint64_t numbers[WRITER_COUNT])
{
    for (unsigned i = 0; i < WRITER_COUNT; i++) {
        ck_assert_msg(numbers[i] >= progress[i].acked && numbers[i] <= progress[i].begun,
                      "%s: writer %u: %" PRIu64 " records, acknowledged %" PRIu64
                      ", begun %" PRIu64,
                      current, i, numbers[i], progress[i].acked, progress[i].begun);
        progress[i].acked = progress[i].begun = numbers[i];
    }
}

static void check_log(const char *path)
{
    uint64_t numbers[WRITER_COUNT] = {0};
    struct logfile_reader *reader;
    struct logfile_record record;
    int result;

    /* A child that was killed before it had created the log has acknowledged nothing. */
    if (access(path, F_OK) == 0) {
        result = logfile_reader_open(path, NULL, &reader);
        ck_assert_msg(result == 0, "%s: reading: %s", current, logfile_strerror(result));
        while ((result = logfile_reader_next(reader, &record)) == 1)
            check_record(&record, numbers);
        ck_assert_msg(result == 0, "%s: reading: %s", current, logfile_strerror(result));
        check_end(reader);
        logfile_reader_close(reader);
    }
    check_numbers(numbers);
}

/* ---- Cases ---- */

/* What came of all of them. */
static uint64_t kill_count;
static uint64_t recovery_kill_count; /* before the log was open */
static uint64_t trim_count;          /* logs that were trimmed */
static uint64_t record_count;

static void choose_log(uint64_t number, struct variant *variant)
{
    unsigned kind = (unsigned)(number / engine_variant_count()) % KIND_COUNT;

    engine_variant_get((unsigned)(number % engine_variant_count()), variant);
    variant->options.io_mode = kind % 2 == 0 ? LOGFILE_IO_AUTO : LOGFILE_IO_BUFFERED;
    variant->options.segment_bytes = kind / 2 == 0 ? SEGMENT_BYTES : 0;
    snprintf(current, sizeof current, "%s%s%s (replay: tests/crash/test_kill %" PRIu64 ")",
             variant->name, kind % 2 == 0 ? "" : " buffered", kind / 2 == 0 ? " segments" : "",
             number);
}

static void run_case(uint64_t number)
{
    struct rng rng = {.state = number};
    struct variant variant;

    choose_log(number, &variant);
    memset(progress, 0, sizeof *progress * WRITER_COUNT + sizeof *life);
    enter_folder();
    for (unsigned i = 0; i < KILLS; i++) {
        run_and_kill(folder_path("kill.log"), &variant.options, &rng);
        check_log(folder_path("kill.log"));
        kill_count++;
        recovery_kill_count += life->opened == 0;
    }
    trim_count += life->oldest_lsn > 0;
    for (unsigned i = 0; i < WRITER_COUNT; i++)
        record_count += progress[i].acked;
    leave_folder();
}

static bool has_only_case;
static uint64_t only_case;

static void run_campaign(void)
{
    struct campaign campaign =
        campaign_begin_shared("kill", scaled(12, 24, 10000 / KILLS), 1, 4 * engine_variant_count());
    uint64_t number;

    while (campaign_next(&campaign, &number)) {
        run_case(number);
        campaign_passed(&campaign, KILLS);
    }
    campaign_end(&campaign);
}

START_TEST(test_kills)
{
    progress = mmap(NULL, sizeof *progress * WRITER_COUNT + sizeof *life, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(progress, MAP_FAILED);
    life = (struct life *)(void *)(progress + WRITER_COUNT);
    if (has_only_case)
        run_case(only_case);
    else
        run_campaign();
    printf("%" PRIu64 " kills, %" PRIu64 " of them before the log was open, %" PRIu64
           " records, %" PRIu64 " logs trimmed\n",
           kill_count, recovery_kill_count, record_count, trim_count);
}
END_TEST

static Suite *kill_suite(void)
{
    Suite *suite = suite_create("kill");
    TCase *tcase = tcase_create("kill");

    tcase_set_timeout(tcase, (double)scaled(120, 120, 36000));
    tcase_add_test(tcase, test_kills);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(int argc, char **argv)
{
    has_only_case = argc == 2;
    if (argc > 2 || (has_only_case && !regression_number(argv[1], &only_case))) {
        fprintf(stderr, "usage: test_kill [CASE]\n");
        return 2;
    }
    return run_suite(kill_suite());
}
