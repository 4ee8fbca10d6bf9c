/* SPDX-License-Identifier: MIT */
/*
 * Power cuts, and processes that die, on the simulated disk.
 *
 * A case is one number.  It decides the engine and its options, what one to four threads append,
 * at which call the machine or the process dies, what becomes of each unsynced sector, how recovery
 * is crashed in turn, and what is appended after it.  Whatever happens, the promises at the top of
 * journal.h hold, a crash alone never makes a log corrupt, and the log goes on.
 *
 *     test_crash_sim               the cases of a run
 *     test_crash_sim SEED          one case, as printed by a failure
 *
 * A case with one thread is the same each time; with several, only its plan is.
 */
#include "journal.h"
#include "sim_disk.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_PATH "crash.log"
#define LSN_UNSET UINT64_MAX

enum {
    WORKER_MAX = 4,
    RECORD_BYTES_MAX = 16 << 10
};

/* Faults of the test's own making, to see that it finds them. */
enum plant {
    PLANT_NONE,
    PLANT_SYNC_LIES, /* the disk says that it synced */
    PLANT_ROT,       /* a byte that was synced changes */
    PLANT_EARLY_ACK, /* a submit counts as an acknowledgement */
    PLANT_FORGOTTEN  /* a record that was appended is struck from the journal */
};

struct run {
    uint64_t seed;
    enum plant plant;
    struct rng rng;
    struct logfile_options options; /* of the next open */
    struct sim_options disk_options;
    unsigned worker_count;
    uint64_t state_count; /* crash states that recovered, or should have */
    char why[JOURNAL_WHY_BYTES];
};

/* One thread's work on an open log. */
struct worker {
    struct logfile *log;
    struct sim_disk *disk;
    struct rng rng;
    unsigned steps;
    enum plant plant;
    bool submit_is_ack;
    struct journal journal;
    bool broken;
    char why[JOURNAL_WHY_BYTES];
    uint8_t payload[RECORD_BYTES_MAX];
};

static bool fails(struct run *run, const char *what, int error)
{
    snprintf(run->why, sizeof run->why, "%s: %s", what, logfile_strerror(error));
    return false;
}

/* ---- Appending ---- */

static void worker_fails(struct worker *worker, const char *what, int error)
{
    if (!worker->broken)
        snprintf(worker->why, sizeof worker->why, "%s: %s", what, logfile_strerror(error));
    worker->broken = true;
}

/* Whether a call may end like this on a disk that only crashes. */
static bool is_expected(const struct worker *worker, int error)
{
    return error == 0 || error == -ETIMEDOUT ||
           (error == LOGFILE_EFAILED && sim_is_down(worker->disk));
}

static void note(struct worker *worker, const struct journal_entry *entry, int error)
{
    if (!is_expected(worker, error))
        worker_fails(worker, "append", error);
    if (error == 0 && entry->lsn == LSN_UNSET)
        worker_fails(worker, "append gave no LSN", 0);
    if (entry->lsn == LSN_UNSET)
        return;
    journal_add(&worker->journal, entry->lsn, entry->seed, entry->size, entry->acked);
    if (entry->acked)
        journal_ack_below(&worker->journal, entry->lsn);
}

static int append_in_pieces(struct worker *worker, size_t size, uint64_t *lsnp)
{
    struct iovec iov[8];
    int count = 0;
    size_t at = 0;

    while (at < size && count < 7) {
        size_t piece = rng_below(&worker->rng, size - at + 1);
        iov[count++] = (struct iovec){.iov_base = worker->payload + at, .iov_len = piece};
        at += piece;
    }
    iov[count++] = (struct iovec){.iov_base = worker->payload + at, .iov_len = size - at};
    return logfile_appendv(worker->log, iov, count, lsnp);
}

static void do_append(struct worker *worker)
{
    size_t size = payload_random_size(&worker->rng, logfile_record_max(worker->log));
    struct journal_entry entry = {
        .lsn = LSN_UNSET, .seed = rng_next(&worker->rng), .size = (uint32_t)size};
    struct timespec deadline = deadline_in_ms(rng_one_in(&worker->rng, 2) ? -1 : 1000);
    bool submits = false;
    int error;

    payload_fill(worker->payload, size, entry.seed);
    switch (rng_below(&worker->rng, 8)) {
    case 0:
        error = append_in_pieces(worker, size, &entry.lsn);
        break;
    case 1:
        error = logfile_append_until(worker->log, worker->payload, size, &deadline, &entry.lsn);
        break;
    case 2:
    case 3:
    case 4:
        submits = !worker->submit_is_ack && worker->plant != PLANT_EARLY_ACK;
        error = logfile_submit(worker->log, worker->payload, size, NULL, &entry.lsn);
        break;
    default:
        error = logfile_append(worker->log, worker->payload, size, &entry.lsn);
        break;
    }
    entry.acked = error == 0 && !submits;
    note(worker, &entry, error);
}

static void do_wait(struct worker *worker)
{
    if (worker->journal.count == 0)
        return;
    uint64_t lsn = worker->journal.entries[rng_below(&worker->rng, worker->journal.count)].lsn;
    int error = logfile_wait(worker->log, lsn, NULL);
    if (!is_expected(worker, error))
        worker_fails(worker, "wait", error);
    if (error == 0)
        journal_ack_below(&worker->journal, lsn + 1);
}

static void do_flush(struct worker *worker)
{
    int error = logfile_flush(worker->log, NULL);

    if (!is_expected(worker, error))
        worker_fails(worker, "flush", error);
    if (error == 0)
        journal_ack_below(&worker->journal, UINT64_MAX);
}

static void *work(void *argument)
{
    struct worker *worker = argument;

    for (unsigned i = 0; i < worker->steps && !worker->broken; i++) {
        switch (rng_below(&worker->rng, 10)) {
        case 0:
            do_wait(worker);
            break;
        case 1:
            do_flush(worker);
            break;
        case 2:
            journal_ack_below(&worker->journal, logfile_durable_lsn(worker->log));
            break;
        default:
            do_append(worker);
            break;
        }
    }
    return NULL;
}

/* All workers append `steps` times; what they did goes to the journal. */
static bool append_all(struct run *run, struct sim_disk *disk, struct logfile *log,
                       struct journal *journal, unsigned steps)
{
    static struct worker workers[WORKER_MAX];
    pthread_t threads[WORKER_MAX];
    bool good = true;

    for (unsigned i = 0; i < run->worker_count; i++) {
        struct worker *worker = &workers[i];
        worker->log = log;
        worker->disk = disk;
        worker->rng.state = rng_next(&run->rng);
        worker->steps = steps;
        worker->plant = run->plant;
        worker->submit_is_ack = run->options.engine == LOGFILE_ENGINE_SERIAL;
        worker->broken = false;
        if (i > 0 && pthread_create(&threads[i], NULL, work, worker) != 0)
            abort();
    }
    work(&workers[0]);
    for (unsigned i = 0; i < run->worker_count; i++) {
        if (i > 0)
            pthread_join(threads[i], NULL);
        if (workers[i].broken)
            memcpy(run->why, workers[i].why, sizeof run->why);
        good = good && !workers[i].broken;
        journal_take(journal, &workers[i].journal);
    }
    return good && journal_sort(journal, run->why);
}

/* ---- The plan of a case ---- */

static void choose_engine(struct run *run)
{
    struct logfile_options *options = &run->options;
    bool threads = run->worker_count > 1 || rng_one_in(&run->rng, 40);

    options->engine = (enum logfile_engine)rng_below(&run->rng, 3);
    options->io_mode =
        (enum logfile_io_mode)rng_below(&run->rng, run->disk_options.no_direct ? 2 : 3);
    options->sync = (enum logfile_sync)rng_below(&run->rng, 2);
    /* Without threads of the log's own, a case costs microseconds and is the same each time. */
    options->flusher = LOGFILE_FLUSHER_LEADER;
    options->prepare = LOGFILE_PREPARE_NONE;
    if (!threads)
        return;
    options->flusher = (enum logfile_flusher)rng_below(&run->rng, 3);
    options->prepare = (enum logfile_prepare)rng_below(&run->rng, 3);
    options->wait = (enum logfile_wait_strategy)rng_below(&run->rng, 2);
}

static void plan_run(struct run *run)
{
    run->rng.state = run->seed;
    run->worker_count = 1;
    if (rng_one_in(&run->rng, 60))
        run->worker_count = 2 + (unsigned)rng_below(&run->rng, WORKER_MAX - 1);
    run->options.slot_bytes = rng_one_in(&run->rng, 4) ? 16 << 10 : 8 << 10;
    run->options.slot_count = rng_one_in(&run->rng, 2) ? 2 : 4;
    run->options.prepare_bytes = 64 << 10;
    run->disk_options.no_direct = rng_one_in(&run->rng, 4);
    run->disk_options.no_allocate = rng_one_in(&run->rng, 8);
    run->disk_options.sync_lies = run->plant == PLANT_SYNC_LIES;
    choose_engine(run);
}

/* ---- Lives of a machine ---- */

/* Reads the log as it lies there, without opening it for appending. */
static bool inspect(struct run *run, struct sim_disk *disk, struct journal *journal)
{
    struct logfile_reader *reader;
    struct logfile_tail tail;
    int error = logfile_reader_open_io(LOG_PATH, 0, sim_disk_io(disk), &reader);

    if (error == -ENOENT && journal_acked_count(journal) == 0) {
        journal->count = 0;
        return true;
    }
    if (error != 0)
        return fails(run, "opening a reader", error);
    bool good = journal_compare(journal, reader, run->why);
    error = good ? logfile_reader_tail(reader, &tail) : 0;
    logfile_reader_close(reader);
    if (error != 0)
        return fails(run, "tail", error);
    if (good && tail.verdict != LOGFILE_CLEAN && tail.verdict != LOGFILE_TORN)
        return fails(run, "the verdict is neither clean nor torn", 0);
    return good;
}

/* Opens the log; false with an empty `why` when the machine went down meanwhile. */
static bool open_log(struct run *run, struct sim_disk *disk, struct logfile **logp)
{
    struct logfile_open_report report;

    run->options.io = sim_disk_io(disk);
    run->options.report = &report;
    int error = logfile_open(LOG_PATH, &run->options, logp);
    if (error != 0 && !sim_is_down(disk)) {
        fails(run, "open", error);
        size_t length = strlen(run->why);
        snprintf(run->why + length, sizeof run->why - length, " (%.100s)", report.message);
    }
    return error == 0;
}

/* What the log has when it was opened; nothing to be said when the machine goes down meanwhile, and
 * nothing to be appended: the journal still has what may be lost, at LSNs that are given anew. */
static bool compare_open_log(struct run *run, struct sim_disk *disk, struct journal *journal,
                             bool *compared)
{
    struct journal before = {0};

    journal_copy(&before, journal);
    *compared = journal_compare_path(journal, LOG_PATH, sim_disk_io(disk), run->why);
    if (!*compared && sim_is_down(disk)) {
        journal_copy(journal, &before);
        run->why[0] = '\0';
    }
    journal_free(&before);
    return run->why[0] == '\0';
}

static bool close_log(struct run *run, struct sim_disk *disk, struct logfile *log,
                      struct journal *journal)
{
    int error = logfile_close(log);

    if (error == 0)
        journal_ack_below(journal, UINT64_MAX);
    if (error != 0 && !(error == LOGFILE_EFAILED && sim_is_down(disk)))
        return fails(run, "close", error);
    return true;
}

/*
 * Opens the log, checks what is in it, appends, closes or is cut off.  The machine is off or about
 * to be rebooted afterwards; no file is open.
 */
static bool live(struct run *run, struct sim_disk *disk, struct journal *journal, unsigned steps)
{
    struct logfile *log = NULL;

    run->why[0] = '\0';
    if (!open_log(run, disk, &log))
        return run->why[0] == '\0';
    bool compared;
    bool good = compare_open_log(run, disk, journal, &compared);
    if (good && compared)
        good = append_all(run, disk, log, journal, steps);
    /* Half of the logs are not closed before the lights go out. */
    if (rng_one_in(&run->rng, 2) && !sim_is_down(disk))
        sim_crash_at(disk, 1);
    return close_log(run, disk, log, journal) && good;
}

/* Runs the log through several openings, until the machine crashes or is cut off. */
static bool first_life(struct run *run, struct sim_disk *disk, struct journal *journal)
{
    unsigned openings = 1 + (unsigned)rng_below(&run->rng, 3);

    sim_crash_at(disk, 1 + rng_below(&run->rng, 60));
    for (unsigned i = 0; i < openings && !sim_is_down(disk); i++) {
        if (!live(run, disk, journal, 1 + (unsigned)rng_below(&run->rng, 16)))
            return false;
        choose_engine(run);
    }
    return true;
}

static void rot(struct run *run, struct sim_disk *disk, const struct journal *journal)
{
    uint8_t byte;

    if (run->plant != PLANT_ROT || journal->count == 0)
        return;
    const struct journal_entry *last = &journal->entries[journal->count - 1];
    uint64_t offset = journal->entries[0].lsn +
                      rng_below(&run->rng, last->lsn + last->size + 1 - journal->entries[0].lsn);
    sim_peek(disk, LOG_PATH, offset, &byte, 1);
    byte ^= 0x10;
    sim_poke(disk, LOG_PATH, offset, &byte, 1);
}

/* The power was cut; or only the process died, and what it wrote is still in the cache. */
static void come_back(struct run *run, struct sim_disk *disk)
{
    run->state_count++;
    if (rng_one_in(&run->rng, 4))
        sim_restart(disk);
    else
        sim_reboot(disk, rng_next(&run->rng));
}

/* From one crash on: what is left is read, is recovered, perhaps crashes again, and goes on. */
static bool later_lives(struct run *run, struct sim_disk *disk, struct journal *journal)
{
    come_back(run, disk);
    /* What a reader has returned must survive the next crash. */
    while (rng_one_in(&run->rng, 4)) {
        if (!inspect(run, disk, journal))
            return false;
        come_back(run, disk);
    }
    choose_engine(run);
    if (rng_one_in(&run->rng, 2))
        sim_crash_at(disk, 1 + rng_below(&run->rng, 12));
    if (!live(run, disk, journal, (unsigned)rng_below(&run->rng, 4)))
        return false;

    come_back(run, disk);
    choose_engine(run);
    if (!live(run, disk, journal, 2))
        return false;
    if (run->plant == PLANT_FORGOTTEN && journal->count > 0)
        journal->entries[0] = journal->entries[--journal->count];

    run->state_count++;
    sim_reboot_losing_all(disk);
    rot(run, disk, journal);
    if (!inspect(run, disk, journal))
        return false;
    if (sim_misuse_count(disk) > 0)
        return fails(run, "a call broke a rule of logfile_io.h", 0);
    return true;
}

static bool all_fates(struct run *run, struct sim_disk *disk, const struct journal *journal)
{
    struct logfile_options options = run->options;
    bool good = true;

    for (unsigned i = 0; i < 6 && good; i++) {
        struct sim_disk *clone = sim_disk_clone(disk);
        struct journal copy = {0};
        journal_copy(&copy, journal);
        run->options = options;
        good = later_lives(run, clone, &copy);
        journal_free(&copy);
        sim_disk_free(clone);
    }
    return good;
}

/* One case.  False: a promise is broken, run->why says which. */
static bool run_case(struct run *run)
{
    struct journal journal = {0};

    plan_run(run);
    struct sim_disk *disk = sim_disk_new(&run->disk_options);
    bool good = first_life(run, disk, &journal) && all_fates(run, disk, &journal);
    sim_disk_free(disk);
    journal_free(&journal);
    return good;
}

/* ---- The tests ---- */

static char current_case[64];

static bool run_seed(uint64_t seed, enum plant plant, uint64_t *state_count,
                     char why[JOURNAL_WHY_BYTES])
{
    struct run run = {.seed = seed, .plant = plant};

    snprintf(current_case, sizeof current_case, "test_crash_sim %" PRIu64, seed);
    watchdog_start(60, current_case);
    bool good = run_case(&run);
    watchdog_stop();
    *state_count += run.state_count;
    memcpy(why, run.why, JOURNAL_WHY_BYTES);
    return good;
}

START_TEST(test_promises_hold_in_every_crash_state)
{
    uint64_t wanted = scaled(5000, 300000, 100000000);
    uint64_t states = 0;
    uint64_t cases = 0;
    uint64_t begin = now_ns();
    char why[JOURNAL_WHY_BYTES];

    for (uint64_t seed = 1; states < wanted; seed++, cases++)
        if (!run_seed(seed, PLANT_NONE, &states, why))
            ck_abort_msg("%s; again with: test_crash_sim %" PRIu64, why, seed);
    printf("%" PRIu64 " crash states from %" PRIu64 " workloads in %.1f s\n", states, cases,
           (double)(now_ns() - begin) / 1e9);
}
END_TEST

/* How many of `count` cases notice the planted fault. */
static unsigned count_caught(enum plant plant, unsigned count)
{
    unsigned caught = 0;
    uint64_t states = 0;
    char why[JOURNAL_WHY_BYTES];

    for (uint64_t seed = 1; seed <= count; seed++)
        caught += !run_seed(seed, plant, &states, why);
    printf("planted fault %d: %u of %u workloads notice\n", (int)plant, caught, count);
    return caught;
}

START_TEST(test_a_lying_sync_is_noticed)
{
    ck_assert_uint_ge(count_caught(PLANT_SYNC_LIES, 200), 100);
}
END_TEST

START_TEST(test_rot_of_a_synced_byte_is_noticed)
{
    ck_assert_uint_ge(count_caught(PLANT_ROT, 200), 190);
}
END_TEST

START_TEST(test_an_early_acknowledgement_is_noticed)
{
    ck_assert_uint_ge(count_caught(PLANT_EARLY_ACK, 400), 20);
}
END_TEST

START_TEST(test_a_record_that_was_never_appended_is_noticed)
{
    ck_assert_uint_ge(count_caught(PLANT_FORGOTTEN, 200), 100);
}
END_TEST

static Suite *crash_suite(void)
{
    Suite *suite = suite_create("crash_sim");
    TCase *promises = tcase_create("promises");
    TCase *plants = tcase_create("the test itself");

    tcase_set_timeout(promises, (double)scaled(600, 600, 36000));
    tcase_add_test(promises, test_promises_hold_in_every_crash_state);
    suite_add_tcase(suite, promises);
    tcase_set_timeout(plants, 300);
    tcase_add_test(plants, test_a_lying_sync_is_noticed);
    tcase_add_test(plants, test_rot_of_a_synced_byte_is_noticed);
    tcase_add_test(plants, test_an_early_acknowledgement_is_noticed);
    tcase_add_test(plants, test_a_record_that_was_never_appended_is_noticed);
    suite_add_tcase(suite, plants);
    return suite;
}

static int replay(uint64_t seed)
{
    uint64_t states = 0;
    char why[JOURNAL_WHY_BYTES];
    bool good = run_seed(seed, PLANT_NONE, &states, why);

    printf("case %" PRIu64 ": %s after %" PRIu64 " crash states%s%s\n", seed,
           good ? "good" : "broken", states, good ? "" : ": ", good ? "" : why);
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return replay(strtoull(argv[1], NULL, 0));
    return run_suite(crash_suite());
}
