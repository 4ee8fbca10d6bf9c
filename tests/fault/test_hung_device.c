/* SPDX-License-Identifier: MIT */
/*
 * A device that hangs, in real time: what logfile.h says of deadlines, under each engine and
 * flusher, in one file and in segments.
 *
 * One call of the device hangs for seconds (30 with LF_LONG).  Meanwhile threads append, submit,
 * wait, flush and shut down with deadlines, again and again: each call is back while the device
 * still hangs, nothing is acknowledged early, and what was left pending is asked for until it is
 * durable.  When the hang ends every thread returns, and the log has all it acknowledged, once.
 *
 * How late a call is depends on the machine, so here nobody looks: the explorer does, in virtual
 * time (tests/explore, the worlds hang-hybrid and hang-sequencer).
 *
 * A trial is one log on one disk.  The trials of a test hang side by side: hanging costs no
 * processor.  Threads put down what they find wrong, and the main thread asserts at the end.  Run
 * the program again to have a failed trial again; its message names it.
 */
#include "hung_disk.h"
#include "journal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_PATH "hung.log"

enum {
    SLOT_BYTES = 8 << 10,
    SEGMENT_BYTES = 64 << 10,
    PREPARE_BYTES = 512 << 10,
    TRIALS_MAX = 128,
    ASKERS = 3,
    ROUNDS = 3,           /* calls that each asker comes back from while the device hangs */
    PATIENCE_MS = 120000, /* what has not come by then, on however busy a machine, is held */
    FIRST_RECORDS = 80,   /* in the log before a trim of most of them */
    FIRST_RECORD_BYTES = 7000,
    END_MS = 600000, /* after the hang, for all that is left to do */
    WATCHDOG_S = 1200
};

/* Who brings the call about that hangs. */
enum provoker {
    BY_APPEND,  /* one append without a deadline, or whoever comes first */
    BY_FEEDING, /* appends without a deadline, until the preparer has to come */
    BY_TRIM,
    BY_SHUTDOWN /* without a deadline, of a log that has nothing left to flush */
};

enum layout {
    ANY_LAYOUT,
    ONE_FILE,
    SEGMENTS
};

/* What hangs, and what that means for appends. */
struct scenario {
    const char *name;
    struct hung_call what;
    enum provoker provoker;
    bool goes_on;     /* appends are acknowledged meanwhile, as long as there is room */
    bool holds_flush; /* whoever flushes waits for it, though it is not the flush that hangs */
    enum layout layout;
    enum logfile_prepare prepare;
    enum logfile_io_mode io_mode;
    enum logfile_sync sync;
};

struct trial;

/* A thread of the test on one log. */
struct asker {
    pthread_t thread;
    struct trial *trial;
    struct journal journal;
    struct rng rng;
    uint64_t seed;           /* of the next payload */
    atomic_uint returns;     /* from calls with a deadline, since the device hangs */
    atomic_uint timeouts;    /* of these, in vain */
    atomic_uint acked_count; /* appends that went well while the device hung */
    unsigned asked_again;    /* for an LSN that was pending */
    bool has_failed;         /* the log has: LOGFILE_EFAILED */
};

struct trial {
    char name[160];
    const struct scenario *scenario;
    struct logfile_options options;
    struct logfile_lab lab;
    bool has_provoker; /* else it is BY_APPEND, and an asker comes first */
    bool keeps;        /* every deadline, whatever hangs */
    pthread_t thread;
    struct hung_disk disk;
    struct logfile *log;
    struct journal journal;
    struct asker askers[ASKERS];
    struct asker provoker;
    struct asker reader;
    uint64_t first_lsn; /* of a record that was durable before */
    uint64_t trim_lsn;
    atomic_bool is_over; /* nothing new is asked for */
    atomic_bool reader_is_done;
    atomic_bool has_ended;
    atomic_bool is_shutting_down;
    atomic_bool is_closed;
    pthread_mutex_t lock;
    char why[256]; /* the first thing that was wrong */
};

static struct trial trials[TRIALS_MAX];
static unsigned trial_count;

static uint64_t hang_ms(void)
{
    return scaled(500, 2000, 30000);
}

/* Puts down what is wrong.  The trial goes on to its end, where everybody has returned. */
static __attribute__((format(printf, 2, 3))) void blame(struct trial *trial, const char *format,
                                                        ...)
{
    va_list arguments;

    pthread_mutex_lock(&trial->lock);
    if (trial->why[0] == '\0') {
        va_start(arguments, format);
        vsnprintf(trial->why, sizeof trial->why, format, arguments);
        va_end(arguments);
    }
    pthread_mutex_unlock(&trial->lock);
}

static bool hangs(struct trial *trial)
{
    return hung_disk_has_caught(&trial->disk, 0);
}

/* What hung has failed the log in the end. */
static bool is_to_fail(const struct trial *trial)
{
    const struct hung_call *what = &trial->scenario->what;
    return what->error != 0 && what->error != -ENOSPC && what->call != LOGFILE_SIM_PUNCH &&
           what->call != LOGFILE_SIM_UNLINK;
}

static bool is_full(const struct trial *trial, int error)
{
    return error == -ENOSPC && trial->scenario->what.error == -ENOSPC;
}

/* ---------------------------------------------------------------------------------------------
 * Calls with a deadline.
 */

static struct timespec begin_call(struct asker *asker)
{
    int64_t ms = (int64_t)rng_below(&asker->rng, 120) - 10; /* some have passed: they ask once */

    hung_disk_set_timed(true);
    return deadline_in_ms(ms);
}

static void end_call(struct asker *asker, int error)
{
    hung_disk_set_timed(false);
    if (!hangs(asker->trial))
        return;
    asker->returns++;
    asker->timeouts += is_late(error);
}

/* Judges a result that is neither durable nor pending. */
static void judge_error(struct asker *asker, const char *call, int error)
{
    struct trial *trial = asker->trial;

    if (error == 0 || is_late(error) || is_full(trial, error))
        return;
    if (error == LOGFILE_ECLOSED && trial->is_shutting_down)
        return;
    asker->has_failed = error == LOGFILE_EFAILED;
    if (error != LOGFILE_EFAILED || !is_to_fail(trial))
        blame(trial, "%s: %s", call, logfile_strerror(error));
}

static void note_acknowledgement(struct asker *asker, const char *call, bool hung_before)
{
    if (!hung_before || !hangs(asker->trial))
        return;
    asker->acked_count++;
    if (!asker->trial->scenario->goes_on)
        blame(asker->trial, "%s: acknowledged while the device hangs", call);
}

/* Serial has no other way than to make a record durable. */
static bool is_durable_on_return(const struct trial *trial, bool submits)
{
    return !submits || trial->lab.engine == LOGFILE_ENGINE_SERIAL;
}

static int append_once(struct asker *asker, bool submits)
{
    const char *call = submits ? "submit" : "append_until";
    uint8_t payload[4000];
    size_t size = (size_t)rng_below(&asker->rng, sizeof payload);
    bool hung_before = hangs(asker->trial);
    uint64_t lsn = UINT64_MAX;
    int error;

    payload_fill(payload, size, ++asker->seed);
    struct timespec deadline = begin_call(asker);
    if (submits)
        error = logfile_submit(asker->trial->log, payload, size, &deadline, &lsn);
    else
        error = logfile_append_until(asker->trial->log, payload, size, &deadline, &lsn);
    end_call(asker, error);
    bool is_durable = error == 0 && is_durable_on_return(asker->trial, submits);
    if (lsn != UINT64_MAX)
        journal_add(&asker->journal, lsn, asker->seed, size, is_durable);
    if (is_durable)
        note_acknowledgement(asker, call, hung_before);
    judge_error(asker, call, error);
    return error;
}

/* For a record that was not acknowledged so far: it came to the log after the hang began. */
static int wait_for(struct asker *asker, struct journal_entry *entry)
{
    bool hung_before = hangs(asker->trial);
    struct timespec deadline = begin_call(asker);
    int error = logfile_wait(asker->trial->log, entry->lsn, &deadline);

    end_call(asker, error);
    entry->acked = error == 0;
    asker->asked_again++;
    if (error == 0)
        note_acknowledgement(asker, "wait", hung_before);
    judge_error(asker, "wait", error);
    return error;
}

/* One of the records that are pending. */
static void ask_again(struct asker *asker)
{
    struct journal *journal = &asker->journal;

    if (journal->count == 0)
        return;
    struct journal_entry *entry = &journal->entries[rng_below(&asker->rng, journal->count)];
    if (!entry->acked)
        wait_for(asker, entry);
}

static void settle(struct asker *asker)
{
    for (size_t i = 0; i < asker->journal.count && !asker->has_failed; i++) {
        struct journal_entry *entry = &asker->journal.entries[i];
        while (!entry->acked && wait_for(asker, entry) == -ETIMEDOUT)
            continue;
    }
}

/* What is said never to block, whatever hangs. */
static void ask_for_state(struct asker *asker)
{
    struct logfile *log = asker->trial->log;
    struct logfile_stats stats;
    struct logfile_failure failure;

    uint64_t durable_lsn = logfile_durable_lsn(log);
    uint64_t next_lsn = logfile_next_lsn(log);
    if (next_lsn <= asker->trial->first_lsn || logfile_oldest_lsn(log) > durable_lsn ||
        logfile_stats(log, &stats, sizeof stats) != 0 ||
        logfile_failure(log, &failure, sizeof failure) != 0)
        blame(asker->trial, "the state makes no sense");
}

static void flush_once(struct asker *asker)
{
    struct trial *trial = asker->trial;
    struct timespec deadline = begin_call(asker);
    int error = logfile_sync(trial->log, &deadline);

    end_call(asker, error);
    judge_error(asker, "flush", error);
    /* What was durable before is so whatever hangs. */
    deadline = deadline_in_ms(-1);
    if (logfile_wait(trial->log, trial->first_lsn, &deadline) != 0)
        blame(trial, "a record is no longer durable");
    ask_for_state(asker);
}

/* ---------------------------------------------------------------------------------------------
 * Threads.
 */

static void *ask(void *argument)
{
    struct asker *asker = argument;
    struct trial *trial = asker->trial;
    long kind = asker - trial->askers;

    hung_disk_join(&trial->disk, HUNG_CALLER);
    while (!trial->is_over && !asker->has_failed) {
        if (kind < 2)
            append_once(asker, kind == 1);
        else
            flush_once(asker);
        ask_again(asker);
        sleep_us(10000);
    }
    settle(asker);
    return NULL;
}

static void shut_down_once(struct asker *asker)
{
    struct trial *trial = asker->trial;

    trial->is_shutting_down = true;
    struct timespec deadline = begin_call(asker);
    int error = logfile_shutdown(trial->log, &deadline);
    end_call(asker, error);
    if (error != 0 && error != -ETIMEDOUT)
        blame(trial, "shutdown: %s", logfile_strerror(error));
    if (error == 0 && !trial->scenario->goes_on && hangs(trial))
        blame(trial, "shut down while the device hangs");
}

/* Two shut down, again also when it is done; one goes on appending for as long as it may. */
static void *ask_to_shut_down(void *argument)
{
    struct asker *asker = argument;
    struct trial *trial = asker->trial;
    bool appends = asker == &trial->askers[2];

    hung_disk_join(&trial->disk, HUNG_CALLER);
    while (!trial->is_over) {
        if (appends)
            append_once(asker, false);
        else
            shut_down_once(asker);
        ask_again(asker);
        ask_for_state(asker);
        sleep_us(10000);
    }
    settle(asker);
    return NULL;
}

static void *close_log(void *argument)
{
    struct asker *asker = argument;

    hung_disk_join(&asker->trial->disk, HUNG_CALLER);
    int error = logfile_close(asker->trial->log);
    if (error != 0)
        blame(asker->trial, "close: %s", logfile_strerror(error));
    asker->trial->is_closed = true;
    return NULL;
}

static int append_untimed(struct asker *asker, size_t size)
{
    uint8_t payload[FIRST_RECORD_BYTES];
    uint64_t lsn = UINT64_MAX;

    payload_fill(payload, size, ++asker->seed);
    bool hung_before = hangs(asker->trial);
    int error = logfile_append(asker->trial->log, payload, size, &lsn);
    if (lsn != UINT64_MAX)
        journal_add(&asker->journal, lsn, asker->seed, size, error == 0);
    if (error == 0)
        note_acknowledgement(asker, "append", hung_before);
    judge_error(asker, "append", error);
    return error;
}

static void trim(struct asker *asker)
{
    struct trial *trial = asker->trial;
    int expected = is_to_fail(trial) ? LOGFILE_EFAILED : trial->scenario->what.error;
    int error = logfile_trim(trial->log, trial->trim_lsn);

    if (error != expected)
        blame(trial, "trim: %s", logfile_strerror(error));
    asker->has_failed = error == LOGFILE_EFAILED;
}

static void *provoke(void *argument)
{
    struct asker *asker = argument;
    struct trial *trial = asker->trial;

    switch (trial->scenario->provoker) {
    case BY_APPEND:
        hung_disk_join(&trial->disk, HUNG_CALLER);
        append_untimed(asker, 100);
        break;
    case BY_FEEDING:
        hung_disk_join(&trial->disk, HUNG_CALLER);
        /* Slowly: the preparer is to come before the room is used up, on a busy machine too. */
        while (!hung_disk_has_caught(&trial->disk, 20) && !trial->is_over &&
               append_untimed(asker, 1000) == 0)
            continue;
        break;
    case BY_TRIM:
        hung_disk_join(&trial->disk, HUNG_TRIMMER);
        trim(asker);
        break;
    case BY_SHUTDOWN:
        hung_disk_join(&trial->disk, HUNG_CALLER);
        trial->is_shutting_down = true;
        if (logfile_shutdown(trial->log, NULL) != 0)
            blame(trial, "the first shutdown failed");
        break;
    }
    return NULL;
}

/* Reads the log to what is its end for now. */
static void *read_all(void *argument)
{
    struct asker *asker = argument;
    struct trial *trial = asker->trial;
    struct logfile_reader *reader;
    struct logfile_record record;
    int error;

    hung_disk_join(&trial->disk, HUNG_READER);
    error = logfile_reader_open(
        LOG_PATH, &(struct logfile_reader_options){.io = &trial->disk.layer.io}, &reader);
    if (error == 0) {
        while ((error = logfile_reader_next(reader, &record)) > 0)
            continue;
        logfile_reader_close(reader);
    }
    if (error != 0 && error != LOGFILE_ETRIMMED)
        blame(trial, "reader: %s", logfile_strerror(error));
    trial->reader_is_done = true;
    return NULL;
}

/* ---------------------------------------------------------------------------------------------
 * One trial.
 */

static void prepare_asker(struct trial *trial, struct asker *asker, uint64_t number)
{
    asker->trial = trial;
    asker->seed = number << 32;
    asker->rng.state = asker->seed + (uint64_t)(trial - trials);
}

static void open_trial(struct trial *trial)
{
    struct logfile_options *options = &trial->options;

    options->io = &trial->disk.layer.io;
    options->thread_start = hung_disk_thread_start;
    options->thread_arg = &trial->disk;
    ck_assert_int_eq(logfile_open(LOG_PATH, options, NULL, &trial->log), 0);
}

/* Records that are durable before anything hangs. */
static void append_first(struct trial *trial)
{
    struct asker *asker = &trial->provoker;
    bool trims = trial->scenario->provoker == BY_TRIM;
    unsigned count = trims ? FIRST_RECORDS : 1;

    for (unsigned i = 0; i < count; i++)
        if (append_untimed(asker, trims ? FIRST_RECORD_BYTES : 1) != 0)
            blame(trial, "the first record was not appended");
    if (asker->journal.count < count)
        return;
    trial->first_lsn = asker->journal.entries[count - 1].lsn;
    trial->trim_lsn = asker->journal.entries[count * 3 / 4].lsn;
}

/* Until the preparer has made the room that it keeps ahead, and has nothing left to do. */
static void await_room(struct trial *trial)
{
    struct logfile_sim *sim = trial->disk.sim;
    uint64_t begin_ns = now_ns();
    uint64_t before;

    if (trial->options.prepare == LOGFILE_PREPARE_NONE)
        return;
    do {
        before = logfile_sim_change_count(sim);
        sleep_us(100000);
    } while ((logfile_sim_change_count(sim) != before ||
              logfile_sim_used_bytes(sim, NULL) < PREPARE_BYTES / 2) &&
             now_ns() - begin_ns < PATIENCE_MS * UINT64_C(1000000));
}

static void start(struct asker *asker, void *(*run)(void *argument))
{
    if (pthread_create(&asker->thread, NULL, run, asker) != 0)
        abort();
}

static void start_askers(struct trial *trial, void *(*run)(void *argument))
{
    for (int i = 0; i < ASKERS; i++)
        start(&trial->askers[i], run);
}

static bool await_hang(struct trial *trial)
{
    bool has_begun = hung_disk_has_caught(&trial->disk, PATIENCE_MS);

    if (!has_begun)
        blame(trial, "nothing came to the call that hangs");
    return has_begun;
}

/* Where the preparer hangs, appends come to the end of the room at some time, and wait in vain.
 * How soon depends on the machine. */
static bool is_room_used_up(struct trial *trial)
{
    return trial->scenario->provoker != BY_FEEDING || trial->is_shutting_down ||
           (trial->askers[0].timeouts > 0 && trial->askers[1].timeouts > 0);
}

/* Every asker has been back from some calls; and where appends go on, one has been acknowledged, by
 * itself or when it was asked for again, however slow the machine is.  Beside a shutdown none may be. */
static bool are_back(struct trial *trial)
{
    unsigned acked_count = 0;

    for (int i = 0; i < ASKERS; i++) {
        if (trial->askers[i].returns < ROUNDS)
            return false;
        acked_count += trial->askers[i].acked_count;
    }
    return !trial->scenario->goes_on ||
           (trial->reader_is_done && (acked_count > 0 || trial->is_shutting_down));
}

static void await(struct trial *trial, bool (*is_so)(struct trial *trial), uint64_t limit_ms,
                  const char *else_why)
{
    uint64_t limit_ns = now_ns() + limit_ms * 1000000;

    while (!is_so(trial)) {
        if (now_ns() > limit_ns) {
            blame(trial, "%s", else_why);
            return;
        }
        sleep_us(10000);
    }
}

/* The hang lasts as long as it is said to, and until every asker has been back from some calls: who
 * cannot be is held by the device. */
static void hold_out(struct trial *trial)
{
    sleep_us(hang_ms() * 1000);
    if (!trial->keeps)
        return;
    await(trial, are_back, PATIENCE_MS,
          "a call with a deadline, or a reader, is held by the device");
    await(trial, is_room_used_up, PATIENCE_MS,
          "the room is not used up, or an append that waits for it is held by the device");
}

/* Whether something was tried at all. */
static void check_what_was_tried(struct trial *trial)
{
    unsigned timeouts = 0, asked_again = 0, acked_count = 0;

    for (int i = 0; i < ASKERS; i++) {
        timeouts += trial->askers[i].timeouts;
        asked_again += trial->askers[i].asked_again;
        acked_count += trial->askers[i].acked_count;
    }
    if (trial->scenario->goes_on && acked_count == 0)
        blame(trial, "nothing was acknowledged although there was room");
    if (!trial->scenario->goes_on && trial->keeps && timeouts < ASKERS)
        blame(trial, "only %u calls timed out", timeouts);
    if (!trial->scenario->goes_on && trial->keeps && asked_again == 0)
        blame(trial, "no record was asked for again");
}

/* Under the ring's flushers with a thread of their own, who has a deadline never comes here. */
static bool has_sequencer(const struct trial *trial)
{
    return trial->lab.engine == LOGFILE_ENGINE_RING && trial->lab.flusher != LOGFILE_FLUSHER_LEADER;
}

static void check_who_came(struct trial *trial)
{
    if (has_sequencer(trial) && hung_disk_timed_count(&trial->disk) > 0)
        blame(trial, "a thread inside a call with a deadline has come to the device");
}

/* Once nothing hangs any more: an append is durable, or the log has failed, as it is said to. */
static void append_last(struct trial *trial)
{
    struct logfile_failure failure;
    int error;

    while (is_full(trial, error = append_untimed(&trial->provoker, 10)))
        sleep_us(1000);
    if (is_to_fail(trial) != (error == LOGFILE_EFAILED))
        blame(trial, "at the end: %s", logfile_strerror(error));
    if (logfile_failure(trial->log, &failure, sizeof failure) != 0 ||
        failure.error != (is_to_fail(trial) ? trial->scenario->what.error : 0))
        blame(trial, "the log has failed with %d in %s", failure.error, failure.call);
}

static void trim_again(struct trial *trial)
{
    if (trial->scenario->provoker != BY_TRIM)
        return;
    journal_ask_trim(&trial->journal, trial->trim_lsn);
    if (!is_to_fail(trial) && logfile_trim(trial->log, trial->trim_lsn) != 0)
        blame(trial, "trimming again failed");
    journal_trimmed(&trial->journal, logfile_oldest_lsn(trial->log));
}

static void compare(struct trial *trial)
{
    char why[JOURNAL_WHY_BYTES];

    journal_take(&trial->journal, &trial->provoker.journal);
    for (int i = 0; i < ASKERS; i++)
        journal_take(&trial->journal, &trial->askers[i].journal);
    if (!journal_compare_path(&trial->journal, LOG_PATH, &trial->disk.layer.io, why))
        blame(trial, "%s", why);
    journal_free(&trial->journal);
}

static void close_and_compare(struct trial *trial)
{
    trim_again(trial);
    int error = logfile_close(trial->log);
    if (error != (is_to_fail(trial) ? LOGFILE_EFAILED : 0))
        blame(trial, "close: %s", logfile_strerror(error));
    compare(trial);
}

static void join_all(struct trial *trial)
{
    if (trial->has_provoker)
        pthread_join(trial->provoker.thread, NULL);
    pthread_join(trial->reader.thread, NULL);
    for (int i = 0; i < ASKERS; i++)
        pthread_join(trial->askers[i].thread, NULL);
}

/* With something in it, and room ahead. */
static void set_up(struct trial *trial)
{
    open_trial(trial);
    append_first(trial);
    await_room(trial);
}

static void end_hang(struct trial *trial)
{
    hung_disk_end(&trial->disk);
    sleep_us(100000); /* for some more calls, which go well */
    trial->is_over = true;
}

static void *run_trial(void *argument)
{
    struct trial *trial = argument;

    set_up(trial);
    hung_disk_begin(&trial->disk, &trial->scenario->what);
    if (trial->has_provoker)
        start(&trial->provoker, provoke);
    else
        start_askers(trial, ask);
    await_hang(trial);
    if (trial->has_provoker)
        start_askers(trial, ask);
    start(&trial->reader, read_all);
    hold_out(trial);
    end_hang(trial);
    join_all(trial);
    check_what_was_tried(trial);
    check_who_came(trial);
    append_last(trial);
    close_and_compare(trial);
    trial->has_ended = true;
    return NULL;
}

/* As many as have been, of calls that had to be in vain. */
static void check_shutdowns(struct trial *trial)
{
    if (trial->keeps && !trial->scenario->goes_on &&
        (trial->askers[0].timeouts == 0 || trial->askers[1].timeouts == 0))
        blame(trial, "no shutdown timed out");
    if (logfile_shutdown(trial->log, NULL) != 0)
        blame(trial, "shutting down in the end failed");
    if (append_untimed(&trial->provoker, 1) != LOGFILE_ECLOSED)
        blame(trial, "the log takes records after it was shut down");
}

static void *run_shutdown(void *argument)
{
    struct trial *trial = argument;

    set_up(trial);
    hung_disk_begin(&trial->disk, &trial->scenario->what);
    start(&trial->provoker, provoke);
    await_hang(trial);
    start_askers(trial, ask_to_shut_down);
    start(&trial->reader, read_all);
    hold_out(trial);
    end_hang(trial);
    join_all(trial);
    check_who_came(trial);
    check_shutdowns(trial);
    close_and_compare(trial);
    trial->has_ended = true;
    return NULL;
}

/*
 * Something that a close has to make durable: without a deadline, which may pass before the record
 * is in.  Serial makes it durable on the spot, so there it comes before the hang.
 */
static void leave_pending(struct trial *trial)
{
    struct asker *asker = &trial->askers[0];
    uint64_t lsn;

    if (trial->lab.engine == LOGFILE_ENGINE_SERIAL)
        append_untimed(asker, 100);
    hung_disk_begin(&trial->disk, &trial->scenario->what);
    if (trial->lab.engine == LOGFILE_ENGINE_SERIAL)
        return;
    uint8_t payload[100];
    payload_fill(payload, sizeof payload, ++asker->seed);
    int error = logfile_submit(trial->log, payload, sizeof payload, NULL, &lsn);
    if (error == 0)
        journal_add(&asker->journal, lsn, asker->seed, sizeof payload, false);
    else
        blame(trial, "nothing is pending: %s", logfile_strerror(error));
}

/* Shut down already, so that close only has to wait for the preparer. */
static void shut_down_before(struct trial *trial)
{
    hung_disk_begin(&trial->disk, &trial->scenario->what);
    start(&trial->provoker, provoke);
    await_hang(trial);
    trial->is_shutting_down = true;
    shut_down_once(&trial->askers[0]);
    pthread_join(trial->provoker.thread, NULL);
}

static void *run_close(void *argument)
{
    struct trial *trial = argument;

    set_up(trial);
    if (trial->scenario->provoker == BY_APPEND)
        leave_pending(trial);
    else
        shut_down_before(trial);
    start(&trial->askers[1], close_log);
    await_hang(trial);
    sleep_us(hang_ms() * 1000);
    if (trial->is_closed)
        blame(trial, "closed while the device hangs");
    hung_disk_end(&trial->disk);
    pthread_join(trial->askers[1].thread, NULL);
    journal_ack_below(&trial->askers[0].journal, UINT64_MAX);
    compare(trial);
    trial->has_ended = true;
    return NULL;
}

/* ---------------------------------------------------------------------------------------------
 * Many trials side by side.
 */

/*
 * What logfile.h says of deadlines.  The ring with a sequencer keeps them.  Under the leader
 * flusher and the mutex engine a call with a deadline is held where it flushes itself, and so not
 * when somebody else is in the device already.  Under serial it is held wherever an append hangs.
 */
static bool keeps_deadlines(const struct trial *trial)
{
    if (has_sequencer(trial))
        return true;
    if (trial->scenario->provoker == BY_FEEDING || trial->scenario->provoker == BY_TRIM)
        return !trial->scenario->holds_flush;
    return trial->lab.engine != LOGFILE_ENGINE_SERIAL && trial->has_provoker;
}

static const unsigned shard_counts[] = {1, 8, LOGFILE_SHARDS_PER_CORE};

static void add_trial(const struct scenario *scenario, unsigned engine, bool has_segments,
                      bool has_provoker)
{
    struct trial *trial = &trials[trial_count++];
    struct variant variant;

    ck_assert_uint_le(trial_count, TRIALS_MAX);
    memset(trial, 0, sizeof *trial);
    trial->scenario = scenario;
    trial->has_provoker = has_provoker;
    engine_variant_get(engine, &variant);
    snprintf(trial->name, sizeof trial->name, "%s, %s, %s%s", scenario->name, variant.name,
             has_segments ? "segments" : "one file", has_provoker ? "" : ", an asker comes first");
    /* These take turns: they do not multiply the number of trials. */
    variant.lab->publish_shards = shard_counts[trial_count % 3];
    variant.lab->wait = trial_count % 2 ? LOGFILE_WAIT_BLOCK : LOGFILE_WAIT_ADAPTIVE;
    variant.options.slot_bytes = SLOT_BYTES;
    variant.options.segment_bytes = has_segments ? SEGMENT_BYTES : 0;
    variant.options.prepare = scenario->prepare;
    variant.options.prepare_bytes = PREPARE_BYTES;
    variant.options.io_mode = scenario->io_mode;
    variant.options.sync = scenario->sync;
    trial->options = variant.options;
    trial->lab = *variant.lab;
    trial->options.lab = &trial->lab;
    trial->keeps = keeps_deadlines(trial);
    pthread_mutex_init(&trial->lock, NULL);
    hung_disk_init(&trial->disk);
    for (unsigned i = 0; i < ASKERS; i++)
        prepare_asker(trial, &trial->askers[i], i + 1);
    prepare_asker(trial, &trial->provoker, ASKERS + 1);
    prepare_asker(trial, &trial->reader, ASKERS + 2);
}

/* A trial that does not end is named, not left to the watchdog, which knows of none. */
static void join_trial(struct trial *trial)
{
    uint64_t begin_ns = now_ns();

    while (!trial->has_ended) {
        sleep_us(10000);
        ck_assert_msg(now_ns() - begin_ns < (hang_ms() + END_MS) * 1000000, "%s: no end; %s",
                      trial->name, trial->why);
    }
    pthread_join(trial->thread, NULL);
}

static void run_trials(const char *what, void *(*run)(void *argument))
{
    watchdog_start(WATCHDOG_S, what);
    for (unsigned i = 0; i < trial_count; i++)
        ck_assert_int_eq(pthread_create(&trials[i].thread, NULL, run, &trials[i]), 0);
    for (unsigned i = 0; i < trial_count; i++)
        join_trial(&trials[i]);
    for (unsigned i = 0; i < trial_count; i++) {
        ck_assert_msg(trials[i].why[0] == '\0', "%s: %s", trials[i].name, trials[i].why);
        hung_disk_free(&trials[i].disk);
        pthread_mutex_destroy(&trials[i].lock);
    }
    trial_count = 0;
    watchdog_stop();
}

/* Each scenario under each engine and layout that it is for; at the small scale, half of them. */
static void run_scenarios(const char *what, void *(*run)(void *argument),
                          const struct scenario *scenarios, unsigned count)
{
    unsigned number = 0;

    for (unsigned i = 0; i < count; i++)
        for (unsigned engine = 0; engine < engine_variant_count(); engine++)
            for (unsigned segments = 0; segments < 2; segments++) {
                enum layout layout = segments ? SEGMENTS : ONE_FILE;
                if (scenarios[i].layout != ANY_LAYOUT && scenarios[i].layout != layout)
                    continue;
                if (number++ % scaled(2, 1, 1) != 0)
                    continue;
                add_trial(&scenarios[i], engine, segments == 1, true);
                if (scenarios[i].provoker == BY_APPEND && run == run_trial)
                    add_trial(&scenarios[i], engine, segments == 1, false);
            }
    run_trials(what, run);
}

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

START_TEST(a_commit_hangs)
{
    static const struct scenario scenarios[] = {
        {.name = "a sync hangs",
         .what = {LOGFILE_SIM_SYNC, HUNG_ALL, 0},
         .layout = ONE_FILE,
         .prepare = LOGFILE_PREPARE_NONE},
        {.name = "a sync hangs",
         .what = {LOGFILE_SIM_SYNC, HUNG_ALL & ~HUNG_PREPARER, 0},
         .layout = SEGMENTS,
         .prepare = LOGFILE_PREPARE_ALLOCATE},
        {.name = "a write hangs",
         .what = {LOGFILE_SIM_WRITE, HUNG_CALLER | HUNG_SEQUENCER, 0},
         .prepare = LOGFILE_PREPARE_ALLOCATE},
        {.name = "a write that syncs hangs",
         .what = {LOGFILE_SIM_WRITE, HUNG_CALLER | HUNG_SEQUENCER, 0},
         .layout = ONE_FILE,
         .sync = LOGFILE_SYNC_DSYNC},
        {.name = "a sync hangs, then fails",
         .what = {LOGFILE_SIM_SYNC, HUNG_CALLER | HUNG_SEQUENCER, -EIO},
         .io_mode = LOGFILE_IO_BUFFERED},
    };
    run_scenarios("a commit hangs", run_trial, scenarios, COUNT(scenarios));
}
END_TEST

/* The preparer is off the commit path until the room ahead is used up; then appends wait for it,
 * and no longer than they said.  Only through the page cache its sync holds that of a commit. */
static const struct scenario preparer_scenarios[] = {
    {.name = "an allocation hangs",
     .what = {LOGFILE_SIM_ALLOCATE, HUNG_PREPARER, 0},
     .prepare = LOGFILE_PREPARE_ALLOCATE,
     .provoker = BY_FEEDING,
     .goes_on = true},
    {.name = "an allocation hangs, then the disk is full",
     .what = {LOGFILE_SIM_ALLOCATE, HUNG_PREPARER, -ENOSPC},
     .prepare = LOGFILE_PREPARE_ALLOCATE,
     .provoker = BY_FEEDING,
     .goes_on = true},
    {.name = "an allocation hangs, then fails",
     .what = {LOGFILE_SIM_ALLOCATE, HUNG_PREPARER, -EIO},
     .prepare = LOGFILE_PREPARE_ALLOCATE,
     .provoker = BY_FEEDING,
     .goes_on = true},
    {.name = "a zero-fill hangs",
     .what = {LOGFILE_SIM_WRITE, HUNG_PREPARER, 0},
     .layout = ONE_FILE,
     .provoker = BY_FEEDING,
     .goes_on = true,
     .holds_flush = true},
    {.name = "a zero-fill hangs, then fails",
     .what = {LOGFILE_SIM_WRITE, HUNG_PREPARER, -EIO},
     .layout = ONE_FILE,
     .provoker = BY_FEEDING,
     .goes_on = true,
     .holds_flush = true},
    {.name = "the preparer's sync hangs",
     .what = {LOGFILE_SIM_SYNC, HUNG_PREPARER, 0},
     .prepare = LOGFILE_PREPARE_ALLOCATE,
     .provoker = BY_FEEDING,
     .goes_on = true},
    {.name = "the preparer's sync through the page cache hangs",
     .what = {LOGFILE_SIM_SYNC, HUNG_PREPARER, 0},
     .layout = ONE_FILE,
     .prepare = LOGFILE_PREPARE_ALLOCATE,
     .io_mode = LOGFILE_IO_BUFFERED,
     .provoker = BY_FEEDING,
     .holds_flush = true},
    {.name = "making a segment hangs",
     .what = {LOGFILE_SIM_OPEN, HUNG_PREPARER, 0},
     .layout = SEGMENTS,
     .prepare = LOGFILE_PREPARE_ALLOCATE,
     .provoker = BY_FEEDING,
     .goes_on = true},
    {.name = "a segment's header hangs",
     .what = {LOGFILE_SIM_WRITE, HUNG_PREPARER, 0},
     .layout = SEGMENTS,
     .prepare = LOGFILE_PREPARE_ALLOCATE,
     .provoker = BY_FEEDING,
     .goes_on = true},
    {.name = "naming a segment hangs",
     .what = {LOGFILE_SIM_RENAME, HUNG_PREPARER, 0},
     .layout = SEGMENTS,
     .prepare = LOGFILE_PREPARE_ALLOCATE,
     .provoker = BY_FEEDING,
     .goes_on = true},
    {.name = "a directory's sync hangs",
     .what = {LOGFILE_SIM_SYNC_DIRECTORY, HUNG_PREPARER, 0},
     .layout = SEGMENTS,
     .prepare = LOGFILE_PREPARE_ALLOCATE,
     .provoker = BY_FEEDING,
     .goes_on = true},
    {.name = "a directory's sync hangs, then fails",
     .what = {LOGFILE_SIM_SYNC_DIRECTORY, HUNG_PREPARER, -EIO},
     .layout = SEGMENTS,
     .prepare = LOGFILE_PREPARE_ALLOCATE,
     .provoker = BY_FEEDING,
     .goes_on = true},
};

START_TEST(the_preparer_hangs)
{
    run_scenarios("the preparer hangs", run_trial, preparer_scenarios, COUNT(preparer_scenarios));
}
END_TEST

/* Appends and readers go past a trim that hangs.  Only through the page cache the sync of its mark
 * holds that of a commit. */
START_TEST(a_trim_hangs)
{
    static const struct scenario scenarios[] = {
        {.name = "a trim mark's write hangs",
         .what = {LOGFILE_SIM_WRITE, HUNG_TRIMMER, 0},
         .provoker = BY_TRIM,
         .goes_on = true},
        {.name = "a trim mark's write hangs, then fails",
         .what = {LOGFILE_SIM_WRITE, HUNG_TRIMMER, -EIO},
         .provoker = BY_TRIM,
         .goes_on = true},
        {.name = "a trim mark's sync hangs",
         .what = {LOGFILE_SIM_SYNC, HUNG_TRIMMER, 0},
         .prepare = LOGFILE_PREPARE_ALLOCATE,
         .provoker = BY_TRIM,
         .goes_on = true},
        {.name = "a trim mark's sync through the page cache hangs",
         .what = {LOGFILE_SIM_SYNC, HUNG_TRIMMER, 0},
         .prepare = LOGFILE_PREPARE_ALLOCATE,
         .io_mode = LOGFILE_IO_BUFFERED,
         .provoker = BY_TRIM,
         .holds_flush = true},
        {.name = "punching a hole hangs",
         .what = {LOGFILE_SIM_PUNCH, HUNG_TRIMMER, 0},
         .layout = ONE_FILE,
         .provoker = BY_TRIM,
         .goes_on = true},
        {.name = "punching a hole hangs, then fails",
         .what = {LOGFILE_SIM_PUNCH, HUNG_TRIMMER, -EIO},
         .layout = ONE_FILE,
         .provoker = BY_TRIM,
         .goes_on = true},
        {.name = "removing a segment hangs",
         .what = {LOGFILE_SIM_UNLINK, HUNG_TRIMMER, 0},
         .layout = SEGMENTS,
         .provoker = BY_TRIM,
         .goes_on = true},
        {.name = "removing a segment hangs, then fails",
         .what = {LOGFILE_SIM_UNLINK, HUNG_TRIMMER, -EIO},
         .layout = SEGMENTS,
         .provoker = BY_TRIM,
         .goes_on = true},
    };
    run_scenarios("a trim hangs", run_trial, scenarios, COUNT(scenarios));
}
END_TEST

/* What a shutdown does not need does not hold it, hung or not. */
START_TEST(a_shutdown_while_the_device_hangs)
{
    static const struct scenario scenarios[] = {
        {.name = "a sync hangs, and the log is shut down",
         .what = {LOGFILE_SIM_SYNC, HUNG_ALL & ~HUNG_PREPARER, 0},
         .prepare = LOGFILE_PREPARE_ALLOCATE},
        {.name = "the last epoch of a shutdown hangs",
         .what = {LOGFILE_SIM_WRITE, HUNG_ALL & ~HUNG_PREPARER, 0},
         .prepare = LOGFILE_PREPARE_ALLOCATE,
         .provoker = BY_SHUTDOWN},
        {.name = "an allocation hangs, and the log is shut down",
         .what = {LOGFILE_SIM_ALLOCATE, HUNG_PREPARER, 0},
         .prepare = LOGFILE_PREPARE_ALLOCATE,
         .provoker = BY_FEEDING,
         .goes_on = true},
        {.name = "a trim hangs, and the log is shut down",
         .what = {LOGFILE_SIM_WRITE, HUNG_TRIMMER, 0},
         .provoker = BY_TRIM,
         .goes_on = true},
    };
    run_scenarios("a shutdown while the device hangs", run_shutdown, scenarios, COUNT(scenarios));
}
END_TEST

/* Close waits for the last flush, and for what the preparer has under way. */
START_TEST(a_close_while_the_device_hangs)
{
    static const struct scenario scenarios[] = {
        {.name = "a sync hangs, and the log is closed",
         .what = {LOGFILE_SIM_SYNC, HUNG_ALL & ~HUNG_PREPARER, 0},
         .prepare = LOGFILE_PREPARE_ALLOCATE},
        {.name = "an allocation hangs, and the log is closed",
         .what = {LOGFILE_SIM_ALLOCATE, HUNG_PREPARER, 0},
         .prepare = LOGFILE_PREPARE_ALLOCATE,
         .provoker = BY_FEEDING,
         .goes_on = true},
    };
    run_scenarios("a close while the device hangs", run_close, scenarios, COUNT(scenarios));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hung device");
    TCase *tcase = tcase_create("hung device");

    tcase_set_timeout(tcase, WATCHDOG_S + 10);
    tcase_add_test(tcase, a_commit_hangs);
    tcase_add_test(tcase, the_preparer_hangs);
    tcase_add_test(tcase, a_trim_hangs);
    tcase_add_test(tcase, a_shutdown_while_the_device_hangs);
    tcase_add_test(tcase, a_close_while_the_device_hangs);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
