/* SPDX-License-Identifier: MIT */
/*
 * The machine has nothing left: each call for memory, a mapping, a thread, a lock or random numbers
 * fails, once and from then on; the first one, the second, and so on until the operation makes no
 * more.  What must hold, whichever it is:
 *   - the operation fails with the error of the call and says so, or does without;
 *   - nothing is left of it: memory, mappings, threads, locks, descriptors, files;
 *   - the log has what it had, and the same operation succeeds when there is enough again;
 *   - once a log is open, nothing is asked for any more.
 *
 *     test_resources       all that is checked
 *     test_resources PLAN  one operation, as printed by a failure
 */
#include "io_stack.h"
#include "journal.h"
#include "resources.h"
#include "tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_PATH "resources.log"
#define COPY_PATH "copy.log"

enum {
    RECORDS = 12,
    RECORD_BYTES = 3000,
    SEGMENT_BYTES = 44 << 10,
    CALLS_MAX = 200, /* of one operation: more have no end */
    READ_TRIES = 50,
    /* From 16 MiB on a second thread reads ahead. */
    LARGE_RECORDS = 20,
    LARGE_RECORD_BYTES = 1 << 20,
    LAYOUTS = 2
};

/* What is tried, and what of it fails: the numbers of a PLAN. */
struct plan {
    unsigned operation;
    unsigned variant;
    bool segments;
    struct resource_fault fault;
};

struct trial {
    struct plan plan;
    struct logfile_options options;
    struct logfile_open_report report;
    struct io_layer layer;
    struct journal journal;
    struct logfile *log;
    FILE *said; /* what the commands of the program say */
    int descriptors;
    char name[256];
};

struct operation {
    const char *name;
    int (*run)(struct trial *trial);           /* an error code, or a status of the program */
    void (*check_failed)(struct trial *trial); /* what it leaves; NULL: the log as it was */
    void (*check_done)(struct trial *trial);   /* after it has succeeded; NULL: as well */
    bool starts_empty;                         /* there is no log before it */
    bool is_large;
    bool is_program; /* fails with LF_TOOL_FAILED, and a line that says why */
};

#define must(condition, ...)                                                                       \
    do {                                                                                           \
        if (!(condition))                                                                          \
            broken(__VA_ARGS__);                                                                   \
    } while (0)

/* Ends the test: said where libcheck need not be asked for memory. */
#define broken(...)                                                                                \
    do {                                                                                           \
        resources_mend();                                                                          \
        ck_abort_msg(__VA_ARGS__);                                                                 \
    } while (0)

/* ---- The log ---- */

/* The engines and flushers, and one more: buffers so large that they get huge pages, a lock to
 * reserve under, and as many counters as processors. */
static unsigned variants(void)
{
    return engine_variant_count() + 1;
}

static void ignore_event(void *arg, const struct logfile_event *event)
{
    (void)arg;
    (void)event;
}

static void set_options(struct trial *trial)
{
    struct logfile_options *options = &trial->options;
    struct variant variant;
    bool is_last = trial->plan.variant == engine_variant_count();

    engine_variant_get(is_last ? 0 : trial->plan.variant, &variant);
    *options = variant.options;
    options->prepare = (enum logfile_prepare)((trial->plan.variant + trial->plan.segments) % 3);
    options->prepare_bytes = 64 << 10;
    /* Mostly through the cache, which is faster. */
    options->io_mode = trial->plan.variant % 3 == 1 ? LOGFILE_IO_AUTO : LOGFILE_IO_BUFFERED;
    options->segment_bytes = trial->plan.segments ? SEGMENT_BYTES : 0;
    if (is_last) {
        options->slot_bytes = 4 << 20;
        options->segment_bytes = trial->plan.segments ? 8 << 20 : 0;
        variant.lab->reserve = LOGFILE_RESERVE_MUTEX;
        variant.lab->publish_shards = LOGFILE_SHARDS_PER_CORE;
    }
    options->io = &trial->layer.io;
    if (trial->plan.variant % 2 == 0)
        options->event = ignore_event;
}

static int count_descriptors(void)
{
    int count = 0;

    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static int open_log(struct trial *trial)
{
    trial->log = NULL;
    return logfile_open(folder_path(LOG_PATH), &trial->options, &trial->report, &trial->log);
}

static void append(struct trial *trial, size_t size)
{
    static uint8_t payload[LARGE_RECORD_BYTES];
    uint64_t seed = trial->journal.count + 1;
    uint64_t lsn;

    payload_fill(payload, size, seed);
    int error = logfile_append(trial->log, payload, size, &lsn);
    must(error == 0, "%s: append: %s", trial->name, logfile_strerror(error));
    journal_add(&trial->journal, lsn, seed, size, true);
}

static void close_well(struct trial *trial)
{
    int error = logfile_close(trial->log);

    trial->log = NULL;
    must(error == 0, "%s: close: %s", trial->name, logfile_strerror(error));
}

static void make_log(struct trial *trial, bool is_large)
{
    int error = open_log(trial);

    must(error == 0, "%s: make: %s", trial->name, trial->report.message);
    for (unsigned i = 0; i < (is_large ? LARGE_RECORDS : RECORDS); i++)
        append(trial, is_large ? LARGE_RECORD_BYTES : RECORD_BYTES);
    close_well(trial);
}

/* The log has what was acknowledged, and it is as good as any other. */
static void check_log(struct trial *trial)
{
    char why[JOURNAL_WHY_BYTES];

    must(journal_compare_path(&trial->journal, folder_path(LOG_PATH), &trial->layer.io, why),
         "%s: %s", trial->name, why);
}

static void open_and_append(struct trial *trial)
{
    int error = open_log(trial);

    must(error == 0, "%s: open, with enough of all: %s", trial->name, trial->report.message);
    append(trial, 100);
    close_well(trial);
    check_log(trial);
}

/* ---- The operations ---- */

static int run_open(struct trial *trial)
{
    return open_log(trial);
}

/* Ends what has succeeded. */
static void close_opened(struct trial *trial)
{
    if (trial->log == NULL)
        return;
    append(trial, 10);
    close_well(trial);
}

static void check_nothing_made(struct trial *trial)
{
    must(folder_entry_count() == 0, "%s: files are left", trial->name);
}

static void check_nothing_lost(struct trial *trial)
{
    check_log(trial);
    open_and_append(trial);
}

/* A reader that was told of an error goes on where it was. */
static int read_records(struct trial *trial, struct logfile_reader *reader, size_t *count)
{
    struct logfile_record record;
    struct logfile_tail tail;
    int found;

    while ((found = logfile_reader_next(reader, &record)) == 1) {
        const struct journal_entry *entry = &trial->journal.entries[*count];
        must(*count < trial->journal.count && entry->lsn == record.lsn &&
                 entry->size == record.size &&
                 payload_matches(record.data, record.size, entry->seed),
             "%s: record %zu is another", trial->name, *count);
        ++*count;
    }
    return found != 0 ? found : logfile_reader_tail(reader, &tail, sizeof tail);
}

static int run_read(struct trial *trial)
{
    struct logfile_reader *reader;
    size_t count = 0;
    int first_error = 0;
    int error = logfile_reader_open(
        folder_path(LOG_PATH), &(struct logfile_reader_options){.io = &trial->layer.io}, &reader);

    if (error != 0)
        return error;
    for (unsigned i = 0; i < READ_TRIES; i++) {
        error = read_records(trial, reader, &count);
        if (first_error == 0)
            first_error = error;
    }
    must(error == 0 || trial->plan.fault.for_ever, "%s: the same reader, again: %s", trial->name,
         logfile_strerror(error));
    must(error != 0 || count == trial->journal.count, "%s: read %zu records of %zu", trial->name,
         count, trial->journal.count);
    logfile_reader_close(reader);
    return first_error;
}

static int run_verify(struct trial *trial)
{
    return lf_tool_verify_log(&trial->layer.io, folder_path(LOG_PATH), trial->said);
}

static int run_salvage(struct trial *trial)
{
    struct lf_tool_salvage what = {.from = &trial->layer.io,
                                   .path = folder_path(LOG_PATH),
                                   .to = &trial->layer.io,
                                   .output = folder_path(COPY_PATH)};

    return lf_tool_salvage_log(&what, trial->said);
}

/* The copy holds a beginning of the log's records, and all of them if it is whole. */
static void check_copy(struct trial *trial, bool is_whole)
{
    struct logfile_reader *reader;
    struct logfile_record record;
    size_t count = 0;

    int error = logfile_reader_open(folder_path(COPY_PATH), NULL, &reader);
    must(error == 0, "%s: the copy: %s", trial->name, logfile_strerror(error));
    while (logfile_reader_next(reader, &record) == 1) {
        const struct journal_entry *entry = &trial->journal.entries[count++];
        must(count <= trial->journal.count && entry->size == record.size &&
                 payload_matches(record.data, record.size, entry->seed),
             "%s: record %zu of the copy is another", trial->name, count);
    }
    must(!is_whole || count == trial->journal.count, "%s: %zu of %zu copied", trial->name, count,
         trial->journal.count);
    logfile_reader_close(reader);
}

static void check_salvage_failed(struct trial *trial)
{
    if (access(folder_path(COPY_PATH), F_OK) == 0) {
        check_copy(trial, false);
        unlink(folder_path(COPY_PATH));
    }
    must(folder_entry_count() == 1, "%s: files are left", trial->name);
    check_log(trial);
}

static void check_salvage(struct trial *trial)
{
    check_copy(trial, true);
    unlink(folder_path(COPY_PATH));
    check_log(trial);
}

/* In the order of the numbers in a PLAN. */
static const struct operation operations[] = {
    {.name = "create", .run = run_open, .check_failed = check_nothing_made, .starts_empty = true},
    {.name = "open", .run = run_open, .check_failed = check_nothing_lost},
    {.name = "open, reading ahead", .run = run_open, .is_large = true},
    {.name = "read", .run = run_read},
    {.name = "verify", .run = run_verify, .is_program = true},
    {.name = "salvage",
     .run = run_salvage,
     .check_failed = check_salvage_failed,
     .check_done = check_salvage,
     .is_program = true},
};
enum {
    OPERATIONS = sizeof operations / sizeof operations[0],
    OPERATION_CREATE = 0,
    OPERATION_OPEN,
    OPERATION_OPEN_LARGE,
    OPERATION_READ,
    OPERATION_VERIFY,
    OPERATION_SALVAGE
};

/* ---- A trial ---- */

static const struct operation *operation_of(const struct trial *trial)
{
    return &operations[trial->plan.operation];
}

static void set_name(struct trial *trial)
{
    const struct resource_fault *fault = &trial->plan.fault;

    snprintf(
        trial->name, sizeof trial->name,
        "%s, variant %u, %s, call %u of %s fails%s: tests/fault/test_resources %u:%u:%u:%u:%u:%u",
        operation_of(trial)->name, trial->plan.variant,
        trial->plan.segments ? "segments" : "one file", fault->after, resources_name(fault->kind),
        fault->for_ever ? ", and all later ones" : "", trial->plan.operation, trial->plan.variant,
        trial->plan.segments, fault->kind, fault->after, fault->for_ever);
}

static void begin(struct trial *trial, const struct plan *plan)
{
    *trial = (struct trial){.plan = *plan, .said = tmpfile()};
    /* Nothing here is about what a crash leaves, and the cache is faster than the disk. */
    io_layer_init(&trial->layer, logfile_io_posix());
    io_layer_skip(&trial->layer, LOGFILE_SIM_SYNC);
    io_layer_skip(&trial->layer, LOGFILE_SIM_DROP_CACHE);
    io_layer_skip(&trial->layer, LOGFILE_SIM_SYNC_DIRECTORY);
    ck_assert_ptr_nonnull(trial->said);
    set_name(trial);
    watchdog_start(120, trial->name);
    enter_folder();
    set_options(trial);
    if (!operation_of(trial)->starts_empty)
        make_log(trial, operation_of(trial)->is_large);
    trial->descriptors = count_descriptors();
}

static void end(struct trial *trial)
{
    journal_free(&trial->journal);
    fclose(trial->said);
    leave_folder();
    watchdog_stop();
}

/* What messages go to standard error is caught, to be looked at. */
static int run_quietly(struct trial *trial)
{
    int fd = fileno(trial->said);
    int kept = dup(STDERR_FILENO);

    fflush(trial->said);
    must(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0 && dup2(fd, STDERR_FILENO) >= 0,
         "%s: cannot catch messages", trial->name);
    int result = operation_of(trial)->run(trial);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    return result;
}

/* Whether the operation needs none of it: advice, a count, a thread that reads ahead. */
static bool can_do_without(const struct trial *trial)
{
    enum resource kind = resources_last_hit();

    return kind == RESOURCE_HUGE_PAGES || kind == RESOURCE_PROCESSORS ||
           operation_of(trial)->is_large;
}

static void check_message(struct trial *trial)
{
    const char *reason = logfile_strerror(-resources_error());
    const char *message = trial->report.message;

    must(strstr(message, reason) != NULL && strstr(message, ".log: ") != NULL,
         "%s: the report says: %s", trial->name, message);
}

static void check_line(struct trial *trial)
{
    const char *reason = logfile_strerror(-resources_error());
    char text[1024] = "";

    must(pread(fileno(trial->said), text, sizeof text - 1, 0) > 0, "%s: says nothing", trial->name);
    must(strstr(text, reason) != NULL && strstr(text, "logfile: ") != NULL, "%s: says: %s",
         trial->name, text);
}

static void check_result(struct trial *trial, int result)
{
    const struct operation *operation = operation_of(trial);
    enum resource kind = resources_last_hit();
    int expected = operation->is_program ? LF_TOOL_FAILED : -resources_error();

    must(result != 0 || can_do_without(trial), "%s: %s failed and the operation did not",
         trial->name, resources_name(kind));
    must(result == 0 || result == expected, "%s: %s failed, and the result is %d: %s", trial->name,
         resources_name(kind), result, logfile_strerror(result));
    if (result != 0 && operation->is_program)
        check_line(trial);
    if (result != 0 && operation->run == run_open)
        check_message(trial);
}

static void check_nothing_kept(struct trial *trial)
{
    char why[RESOURCES_WHY_BYTES];

    must(resources_are_even(why), "%s: %s failed: %s", trial->name,
         resources_name(resources_last_hit()), why);
    must(count_descriptors() == trial->descriptors, "%s: descriptors are left", trial->name);
}

static void check_left(struct trial *trial, int result)
{
    const struct operation *operation = operation_of(trial);
    void (*check)(struct trial *) = result != 0 ? operation->check_failed : operation->check_done;

    (check != NULL ? check : check_log)(trial);
}

/* A second log does not go where the first one was made. */
static void remove_created(struct trial *trial)
{
    if (!operation_of(trial)->starts_empty)
        return;
    journal_free(&trial->journal);
    trial->journal = (struct journal){0};
    enter_folder();
}

static int run_watched(struct trial *trial, const struct resource_fault *fault)
{
    resources_watch(fault);
    int result = run_quietly(trial);
    resources_mend();
    if (resources_hits() > 0)
        check_result(trial, result);
    else
        must(result == 0, "%s: nothing failed: %d", trial->name, result);
    close_opened(trial);
    check_nothing_kept(trial);
    resources_unwatch();
    check_left(trial, result);
    if (result == 0)
        remove_created(trial);
    return result;
}

/* Whether a call was made that is to fail. */
static bool try_once(struct trial *trial)
{
    set_name(trial);
    run_watched(trial, &trial->plan.fault);
    return resources_hits() > 0;
}

/* Each call of a kind fails; how many there are. */
static unsigned fail_calls(struct plan plan)
{
    struct trial trial;
    unsigned step = (unsigned)scaled(2, 1, 1);

    begin(&trial, &plan);
    while (try_once(&trial)) {
        trial.plan.fault.after += step;
        ck_assert_uint_lt(trial.plan.fault.after, CALLS_MAX);
    }
    run_watched(&trial, NULL);
    end(&trial);
    return trial.plan.fault.after;
}

/* Once, and for ever: which are the same calls up to the first. */
static unsigned fail_any_call(struct plan plan)
{
    plan.fault = (struct resource_fault){.kind = RESOURCE_ANY, .for_ever = true};
    fail_calls(plan);
    plan.fault.for_ever = false;
    return fail_calls(plan);
}

/* ---- The tests ---- */

/* Loop test: variants, times layouts. */
START_TEST(test_create)
{
    struct plan plan = {.operation = OPERATION_CREATE,
                        .variant = (unsigned)_i / LAYOUTS,
                        .segments = _i % LAYOUTS == 1};

    ck_assert_uint_gt(fail_any_call(plan), 20);
}
END_TEST

START_TEST(test_open)
{
    struct plan plan = {.operation = OPERATION_OPEN,
                        .variant = (unsigned)_i / LAYOUTS,
                        .segments = _i % LAYOUTS == 1};

    ck_assert_uint_gt(fail_any_call(plan), 15);
}
END_TEST

/* Loop test: layouts. */
START_TEST(test_read)
{
    struct plan plan = {.operation = OPERATION_READ, .segments = _i == 1};

    ck_assert_uint_ge(fail_any_call(plan), 5);
}
END_TEST

/* Recovering without the thread that reads ahead takes longer, and no more. */
START_TEST(test_open_large)
{
    struct plan plan = {.operation = OPERATION_OPEN_LARGE,
                        .variant = engine_variant_count(),
                        .segments = _i == 1,
                        .fault.kind = RESOURCE_ANY};

    ck_assert_uint_gt(fail_calls(plan), 20);
}
END_TEST

START_TEST(test_verify)
{
    struct plan plan = {.operation = OPERATION_VERIFY, .segments = _i == 1};

    ck_assert_uint_ge(fail_any_call(plan), 4);
}
END_TEST

START_TEST(test_salvage)
{
    struct plan plan = {.operation = OPERATION_SALVAGE, .segments = _i == 1};

    ck_assert_uint_gt(fail_any_call(plan), 25);
}
END_TEST

/* Loop test: kinds.  Each of them is asked for by some operation, or the list has no use. */
START_TEST(test_each_kind_for_ever)
{
    struct plan plan = {.variant = engine_variant_count(),
                        .fault = {.kind = (enum resource)_i, .for_ever = true}};
    unsigned count = 0;

    for (plan.operation = 0; plan.operation <= OPERATION_OPEN; plan.operation++)
        for (plan.variant = 3; plan.variant < variants(); plan.variant += 3)
            for (unsigned segments = 0; segments < LAYOUTS; segments++) {
                plan.segments = segments == 1;
                count += fail_calls(plan);
            }
    plan.variant = 0;
    plan.operation = OPERATION_READ;
    count += fail_calls(plan);
    if (_i != RESOURCE_MALLOC && _i != RESOURCE_REALLOC)
        ck_assert_msg(count > 0, "%s is not called", resources_name((enum resource)_i));
}
END_TEST

/* Everything fails from the moment on that the log is open, and nobody notices. */
static void use_log(struct trial *trial)
{
    const struct resource_fault all = {.kind = RESOURCE_ANY, .for_ever = true};
    uint8_t payload[RECORD_BYTES] = {0};
    struct logfile_failure failure;
    struct logfile_stats stats;
    uint64_t lsn = 0;
    int error = 0;

    ck_assert_int_eq(open_log(trial), 0);
    resources_watch(&all);
    for (unsigned i = 0; i < 60 && error == 0; i++) {
        error = i % 2 == 0 ? logfile_append(trial->log, payload, sizeof payload, &lsn)
                           : logfile_submit(trial->log, payload, sizeof payload, NULL, &lsn);
        if (error == 0 && i % 10 == 9)
            error = logfile_sync(trial->log, NULL);
        if (error == 0 && i % 20 == 19)
            error = logfile_trim(trial->log, logfile_durable_lsn(trial->log));
    }
    if (error == 0)
        error = logfile_stats(trial->log, &stats, sizeof stats);
    if (error == 0)
        error = logfile_failure(trial->log, &failure, sizeof failure);
    if (error == 0)
        error = logfile_shutdown(trial->log, NULL);
    resources_mend();
    must(error == 0, "%s: %s", trial->name, logfile_strerror(error));
    must(resources_calls(RESOURCE_ANY) == 0, "%s: %u calls of an open log, the last of %s",
         trial->name, resources_calls(RESOURCE_ANY), resources_name(resources_last_hit()));
    resources_unwatch();
    close_well(trial);
}

/* Loop test: variants, times layouts. */
START_TEST(test_an_open_log_needs_nothing)
{
    struct plan plan = {.operation = OPERATION_CREATE,
                        .variant = (unsigned)_i / LAYOUTS,
                        .segments = _i % LAYOUTS == 1};
    struct trial trial;

    begin(&trial, &plan);
    use_log(&trial);
    end(&trial);
}
END_TEST

/* Closing needs nothing either: a log can be left however little there is. */
START_TEST(test_closing_needs_nothing)
{
    const struct resource_fault all = {.kind = RESOURCE_ANY, .for_ever = true};
    struct plan plan = {.operation = OPERATION_CREATE,
                        .variant = (unsigned)_i / LAYOUTS,
                        .segments = _i % LAYOUTS == 1};
    struct trial trial;

    begin(&trial, &plan);
    ck_assert_int_eq(open_log(&trial), 0);
    append(&trial, RECORD_BYTES);
    resources_watch(&all);
    int error = logfile_close(trial.log);
    resources_mend();
    ck_assert_int_eq(error, 0);
    ck_assert_uint_eq(resources_calls(RESOURCE_ANY), 0);
    resources_unwatch();
    check_log(&trial);
    end(&trial);
}
END_TEST

/* The mutex engine makes a condition after the other, under both of its ways to wake. */
START_TEST(test_conditions_are_given_back)
{
    struct plan plan = {.operation = OPERATION_CREATE,
                        .variant = 3 + (unsigned)_i,
                        .fault = {.kind = RESOURCE_CONDITION}};
    struct variant variant;

    engine_variant_get(plan.variant, &variant);
    ck_assert_int_eq(variant.lab->engine, LOGFILE_ENGINE_MUTEX);
    /* Those of the store, the segments and the preparer, and at least two of the engine. */
    ck_assert_uint_ge(fail_calls(plan), 5);
}
END_TEST

/* A signal before the kernel has random numbers is no failure. */
START_TEST(test_random_numbers_are_asked_for_again)
{
    struct plan plan = {.operation = (unsigned)_i,
                        .fault = {.kind = RESOURCE_RANDOM, .error = EINTR}};
    struct trial trial;

    begin(&trial, &plan);
    do {
        resources_watch(&trial.plan.fault);
        int error = open_log(&trial);
        resources_mend();
        ck_assert_msg(error == 0, "%s: %s", trial.name, trial.report.message);
        close_opened(&trial);
        resources_unwatch();
        check_log(&trial);
        remove_created(&trial);
        trial.plan.fault.after++;
    } while (resources_hits() > 0);
    ck_assert_uint_gt(trial.plan.fault.after, 1);
    end(&trial);
}
END_TEST

/* Fewer random bytes than were asked for are an error: a nonce of zeros would let what is stale
 * come back to life. */
START_TEST(test_few_random_bytes)
{
    struct plan plan = {.operation = (unsigned)_i,
                        .fault = {.kind = RESOURCE_RANDOM, .error = EIO, .is_short = true}};

    ck_assert_uint_ge(fail_calls(plan), 1);
}
END_TEST

/* The test sees what it is there to see. */
START_TEST(test_what_is_kept_is_noticed)
{
    char why[RESOURCES_WHY_BYTES];
    pthread_mutex_t mutex;

    resources_watch(NULL);
    void *volatile memory = malloc(10);
    pthread_mutex_init(&mutex, NULL);
    resources_mend();
    ck_assert(!resources_are_even(why));
    free(memory);
    ck_assert(!resources_are_even(why));
    pthread_mutex_destroy(&mutex);
    ck_assert(resources_are_even(why));
    pthread_mutex_init(&mutex, NULL);
    pthread_mutex_destroy(&mutex);
    ck_assert(!resources_are_even(why));
    resources_watch(&(struct resource_fault){.kind = RESOURCE_MALLOC, .after = 1});
    memory = malloc(10);
    void *volatile second = malloc(10);
    resources_unwatch();
    ck_assert_ptr_nonnull(memory);
    free(memory);
    ck_assert_ptr_null(second);
    ck_assert_uint_eq(resources_hits(), 1);
}
END_TEST

/* ---- Threads that logs share ---- */

/* Each call that they are started with fails: its error, and none of them is left. */
START_TEST(test_shared_threads)
{
    struct resource_fault fault = {.kind = (enum resource)_i};
    const struct logfile_threads_options options = {.sequencers = 3, .preparers = 2};
    struct logfile_threads *threads;
    char why[RESOURCES_WHY_BYTES];
    unsigned hits;

    do {
        resources_watch(&fault);
        int error = logfile_threads_start(&options, &threads);

        hits = resources_hits();
        must(error == (hits > 0 ? -resources_error() : 0), "%s %u: %d", resources_name(fault.kind),
             fault.after, error);
        resources_mend();
        if (hits == 0)
            must(logfile_threads_stop(threads) == 0, "they do not stop");
        resources_unwatch();
        must(resources_are_even(why), "%s %u: %s", resources_name(fault.kind), fault.after, why);
        fault.after++;
    } while (hits > 0);
    if (fault.kind == RESOURCE_THREAD)
        must(fault.after == 3 + 2 + 1 + 1, "%u threads", fault.after - 1);
}
END_TEST

static Suite *resources_suite(void)
{
    Suite *suite = suite_create("resources");
    TCase *tcase = tcase_create("resources");
    int count = (int)variants() * LAYOUTS;

    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, test_what_is_kept_is_noticed);
    tcase_add_loop_test(tcase, test_create, 0, count);
    tcase_add_loop_test(tcase, test_open, 0, count);
    tcase_add_loop_test(tcase, test_read, 0, LAYOUTS);
    tcase_add_loop_test(tcase, test_open_large, 0, LAYOUTS);
    tcase_add_loop_test(tcase, test_verify, 0, LAYOUTS);
    tcase_add_loop_test(tcase, test_salvage, 0, LAYOUTS);
    tcase_add_loop_test(tcase, test_each_kind_for_ever, 0, RESOURCE_ANY);
    tcase_add_loop_test(tcase, test_an_open_log_needs_nothing, 0, count);
    tcase_add_loop_test(tcase, test_closing_needs_nothing, 0, count);
    tcase_add_loop_test(tcase, test_conditions_are_given_back, 0, 2);
    tcase_add_loop_test(tcase, test_random_numbers_are_asked_for_again, 0, 2);
    tcase_add_loop_test(tcase, test_few_random_bytes, 0, 2);
    tcase_add_loop_test(tcase, test_shared_threads, 0, RESOURCE_ANY);
    suite_add_tcase(suite, tcase);
    return suite;
}

/* A PLAN is as set_name prints it. */
static bool read_plan(const char *text, struct plan *plan)
{
    unsigned numbers[6];
    int used = 0;

    if (sscanf(text, "%u:%u:%u:%u:%u:%u%n", &numbers[0], &numbers[1], &numbers[2], &numbers[3],
               &numbers[4], &numbers[5], &used) != 6 ||
        text[used] != '\0' || numbers[0] >= OPERATIONS || numbers[1] >= variants() ||
        numbers[2] > 1 || numbers[3] > RESOURCE_ANY || numbers[5] > 1)
        return false;
    *plan = (struct plan){.operation = numbers[0],
                          .variant = numbers[1],
                          .segments = numbers[2] == 1,
                          .fault = {.kind = (enum resource)numbers[3],
                                    .after = numbers[4],
                                    .for_ever = numbers[5] == 1}};
    return true;
}

static struct plan replayed;

START_TEST(test_replay)
{
    struct trial trial;

    begin(&trial, &replayed);
    try_once(&trial);
    run_watched(&trial, NULL);
    end(&trial);
}
END_TEST

static int replay(const char *text)
{
    if (!read_plan(text, &replayed)) {
        fprintf(stderr, "usage: test_resources [PLAN]\n");
        return 2;
    }
    return run_test("resources", test_replay);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return replay(argc == 2 ? argv[1] : "");
    return run_suite(resources_suite());
}
