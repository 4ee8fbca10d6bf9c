/* SPDX-License-Identifier: MIT */
/*
 * A store of your own on top of logfile, and a test that crashes it at every call.
 *
 * The store keeps balances.  A transfer is three records: the new balances of two accounts, and a
 * COMMIT.  Recovery applies what was committed.  Where a crash has left half a transfer it also
 * appends an ABORT, or else the next COMMIT would adopt that half.  With --bug it forgets to.
 *
 *     cc crash_test.c $(pkg-config --cflags --libs logfile-sim) && ./a.out --bug
 */
#include <inttypes.h>
#include <logfile_lab.h>
#include <logfile_sim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ACCOUNTS = 4,
    TRANSFERS = 6
};
enum {
    PUT,
    COMMIT,
    ABORT
};

struct record {
    uint32_t kind, account;
    int64_t balance;
};

struct store {
    struct logfile *log;
    int64_t balances[ACCOUNTS];
    unsigned committed; /* transfers */
};

static struct logfile_sim_journal *journal; /* what the log owes us */
static unsigned acknowledged;               /* transfers that somebody was told of */
static bool forgets_to_abort;

/* ---- The store ---- */

static int append(struct store *store, uint32_t kind, uint32_t account, int64_t balance)
{
    struct record record = {kind, account, balance};
    uint64_t lsn = 0;
    int error = logfile_append(store->log, &record, sizeof record, &lsn);

    if (lsn != 0)
        logfile_sim_journal_append(journal, lsn, &record, sizeof record);
    if (error == 0)
        logfile_sim_journal_durable(journal, lsn + 1);
    return error;
}

static int transfer(struct store *store, uint32_t from, uint32_t to, int64_t amount)
{
    int error = append(store, PUT, from, store->balances[from] - amount);

    if (error == 0)
        error = append(store, PUT, to, store->balances[to] + amount);
    if (error == 0)
        error = append(store, COMMIT, 0, 0);
    if (error != 0)
        return error;
    store->balances[from] -= amount;
    store->balances[to] += amount;
    return 0;
}

/* Reads the log; 1: it ends within a transfer, 0: it does not. */
static int replay(struct store *store, struct logfile_reader *reader)
{
    struct logfile_record found;
    struct record record;
    int64_t balances[ACCOUNTS] = {0}; /* with what is not committed yet */
    bool within = false;
    int result;

    while ((result = logfile_reader_next(reader, &found)) == 1) {
        memcpy(&record, found.data, sizeof record);
        within = record.kind == PUT;
        if (record.kind == PUT)
            balances[record.account] = record.balance;
        if (record.kind == ABORT)
            memcpy(balances, store->balances, sizeof balances);
        if (record.kind == COMMIT)
            memcpy(store->balances, balances, sizeof balances);
        store->committed += record.kind == COMMIT;
    }
    return result < 0 ? result : within;
}

static int open_store(struct store *store, const struct logfile_io *io)
{
    /* No thread but ours, so that the same seed makes the same calls each time. */
    struct logfile_options options = {.io = io,
                                      .slot_bytes = 64 << 10,
                                      .lab =
                                          &(struct logfile_lab){.flusher = LOGFILE_FLUSHER_LEADER},
                                      .prepare = LOGFILE_PREPARE_NONE};
    struct logfile_reader *reader;

    *store = (struct store){0};
    int result = logfile_open("/store.log", &options, NULL, &store->log);
    if (result != 0)
        return result;
    result = logfile_reader_open("/store.log", &(struct logfile_reader_options){.io = io}, &reader);
    if (result == 0) {
        result = replay(store, reader);
        logfile_reader_close(reader);
    }
    if (result == 1)
        result = forgets_to_abort ? 0 : append(store, ABORT, 0, 0);
    if (result != 0)
        logfile_close(store->log);
    return result;
}

/* ---- The test ---- */

static int fail(const char *what, int64_t value)
{
    printf("broken: %s (%" PRId64 ")\n", what, value);
    return 1;
}

/* Runs until it is done, or the disk goes down. */
static int work(struct logfile_sim *disk, void *arg)
{
    struct store store;

    (void)arg;
    logfile_sim_journal_free(journal);
    journal = logfile_sim_journal_new();
    acknowledged = 0;
    int error = open_store(&store, logfile_sim_io(disk));
    if (error == 0) {
        for (uint32_t i = 0; i < TRANSFERS && error == 0; i++) {
            error = transfer(&store, i % ACCOUNTS, (i + 1) % ACCOUNTS, 10 + i);
            acknowledged += error == 0;
        }
        logfile_close(store.log);
    }
    return error == 0 || logfile_sim_is_down(disk) ? 0 : fail(logfile_strerror(error), error);
}

/* What must be true of the store whenever it has been opened. */
static int check_store(const struct store *store, unsigned least, unsigned most)
{
    int64_t sum = 0;

    for (int i = 0; i < ACCOUNTS; i++)
        sum += store->balances[i];
    if (store->committed < least || store->committed > most)
        return fail("number of transfers", store->committed);
    return sum == 0 ? 0 : fail("the sum of all balances is not 0", sum);
}

/* Opens the store after the crash, makes one more transfer, and opens it once more. */
static int check(struct logfile_sim *disk, void *arg)
{
    const struct logfile_io *io = logfile_sim_io(disk);
    struct logfile_sim_report report;
    struct store store;

    (void)arg;
    if (logfile_sim_journal_check_path(journal, "/store.log", io, &report, sizeof report) != 0)
        return fail(report.message, report.error);
    for (unsigned again = 0; again < 2; again++) {
        int error = open_store(&store, io);
        if (error != 0)
            return fail(logfile_strerror(error), error);
        /* The transfer in doubt is there as a whole, or not at all. */
        int result = check_store(&store, acknowledged + again, acknowledged + again + 1);
        if (result == 0)
            result =
                transfer(&store, (acknowledged + 2) % ACCOUNTS, (acknowledged + 3) % ACCOUNTS, 1);
        logfile_close(store.log);
        if (result != 0)
            return result;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct logfile_sim_sweep sweep = {.work = work, .check = check, .seed_count = 16};
    struct logfile_sim_sweep_result result;

    forgets_to_abort = argc > 1 && strcmp(argv[1], "--bug") == 0;
    int first = forgets_to_abort ? 2 : 1;
    if (argc == first + 2) { /* one case again */
        sweep.crash_at = strtoull(argv[first], NULL, 10);
        sweep.seed = strtoull(argv[first + 1], NULL, 10);
    }
    if (argc != first && (argc != first + 2 || sweep.crash_at == 0)) {
        fprintf(stderr, "usage: crash_test [--bug] [CRASH_AT SEED]\n");
        return 2;
    }
    int error = logfile_sim_sweep(&sweep, &result, sizeof result);
    logfile_sim_journal_free(journal);
    if (error == 0)
        printf("%" PRIu64 " crashes: no transfer was lost, and none is half done\n",
               result.case_count);
    else
        printf("crashed in call %" PRIu64 " (%s); again with: %s%s %" PRIu64 " %" PRIu64 "\n",
               result.crash_at, logfile_sim_call_name(result.crash_call), argv[0],
               forgets_to_abort ? " --bug" : "", result.crash_at, result.seed);
    return error != 0;
}
