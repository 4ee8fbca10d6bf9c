/* SPDX-License-Identifier: MIT */
/*
 * A process that comes to its limits, for real: no descriptor left, the file-size limit, no address
 * space, no thread, a small file system that is full.
 *
 * Where something is missing when a log is opened, opening says so and leaves nothing.  Where it is
 * missing for what comes next, appends are refused before anything is reserved, and go on when it
 * is there again.  A write that meets a limit fails the log.  What was acknowledged is there
 * afterwards.
 */
#include "io_stack.h"
#include "journal.h"
#include "logfile_io.h"
#include "tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG_PATH "exhausted.log"
#define COPY_PATH "copy.log"

enum {
    PAYLOAD_BYTES = 3000,
    SLOT_BYTES = 8 << 10,
    SEGMENT_BYTES = 44 << 10,
    FILE_BYTES_MAX = 256 << 10,
    /* Appends of which one meets the limit; and of which none needs what is missing, but with which
     * a log comes to be many segments. */
    APPENDS_MAX = 1000,
    APPENDS_SPARED = 60,
    DESCRIPTORS_MAX = 40,
    PREPARATIONS = 3,
    NOBODY_ID = 65534
};

struct work {
    struct logfile_options options;
    struct logfile_open_report report;
    struct journal journal;
    struct logfile *log;
    uint64_t seed;
    char path[PATH_MAX + 64];
    char name[128];
};

static struct work work;

/* ---- The log ---- */

static void begin(unsigned engine, enum logfile_prepare prepare, uint64_t segment_bytes)
{
    struct variant variant;

    engine_variant_get(engine, &variant);
    work = (struct work){.options = variant.options};
    snprintf(work.path, sizeof work.path, "%s", folder_path(LOG_PATH));
    work.options.slot_bytes = SLOT_BYTES;
    work.options.prepare = prepare;
    work.options.prepare_bytes = 16 << 10;
    /* No machine crashes here; some sync all the same. */
    variant.lab->sync = engine % 3 == 0 ? 0 : LOGFILE_SYNC_NONE;
    work.options.segment_bytes = segment_bytes;
    snprintf(work.name, sizeof work.name, "%s, preparation %d, %s", variant.name, (int)prepare,
             segment_bytes != 0 ? "segments" : "one file");
    watchdog_start(60, work.name);
}

static void begin_in_folder(unsigned engine, enum logfile_prepare prepare, uint64_t segment_bytes)
{
    enter_folder();
    begin(engine, prepare, segment_bytes);
}

static void end(void)
{
    journal_free(&work.journal);
    watchdog_stop();
}

static void open_well(void)
{
    int error = logfile_open(work.path, &work.options, &work.report, &work.log);

    ck_assert_msg(error == 0, "%s: %s", work.name, work.report.message);
}

/* What an append was told, and what failed the log if that is why. */
static const char *reason(int error)
{
    static char text[128];
    struct logfile_failure failure = {0};

    if (error != LOGFILE_EFAILED || logfile_failure(work.log, &failure, sizeof failure) != 0)
        return logfile_strerror(error);
    snprintf(text, sizeof text, "failed by %s at %llu, durable %llu: %s", failure.call,
             (unsigned long long)failure.offset, (unsigned long long)logfile_durable_lsn(work.log),
             logfile_strerror(failure.error));
    return text;
}

/* What is acknowledged, and what is in doubt, goes into the journal. */
static int append(void)
{
    uint8_t payload[PAYLOAD_BYTES];
    uint64_t lsn = UINT64_MAX;

    payload_fill(payload, sizeof payload, ++work.seed);
    int error = logfile_append(work.log, payload, sizeof payload, &lsn);
    ck_assert_msg(error == 0 || error == LOGFILE_EFAILED || lsn == UINT64_MAX,
                  "%s: refused, and has an LSN", work.name);
    if (lsn != UINT64_MAX)
        journal_add(&work.journal, lsn, work.seed, sizeof payload, error == 0);
    return error;
}

static void append_well(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int error = append();
        ck_assert_msg(error == 0, "%s: append: %s", work.name, reason(error));
    }
}

static int append_until_error(void)
{
    int error = 0;

    for (unsigned i = 0; i < APPENDS_MAX && error == 0; i++)
        error = append();
    return error;
}

/* The first append may still meet the old news. */
static void append_again(int old_news)
{
    uint64_t limit_ns = now_ns() + UINT64_C(600000000000);
    int error;

    while ((error = append()) == old_news) {
        ck_assert_msg(now_ns() < limit_ns, "%s: still: %s", work.name, logfile_strerror(error));
        sleep_us(1000);
    }
    ck_assert_msg(error == 0, "%s: appending again: %s", work.name, reason(error));
    append_well(APPENDS_SPARED);
}

static void check_not_failed(void)
{
    struct logfile_failure failure;

    ck_assert_int_eq(logfile_failure(work.log, &failure, sizeof failure), 0);
    ck_assert_msg(failure.error == 0, "%s: failed by %s: %s", work.name, failure.call,
                  logfile_strerror(failure.error));
    ck_assert_int_eq(logfile_sync(work.log, NULL), 0);
}

static void compare(void)
{
    char why[JOURNAL_WHY_BYTES];

    ck_assert_msg(journal_compare_path(&work.journal, work.path, NULL, why), "%s: %s", work.name,
                  why);
}

static void close_well(void)
{
    ck_assert_int_eq(logfile_close(work.log), 0);
    compare();
}

/* As good as any other log. */
static void reopen_and_close(void)
{
    open_well();
    append_well(3);
    close_well();
}

/* ---- Descriptors ---- */

static rlim_t set_limit(int resource, rlim_t value)
{
    struct rlimit limit;

    ck_assert_int_eq(getrlimit((__rlimit_resource_t)resource, &limit), 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = value < limit.rlim_max ? value : limit.rlim_max;
    ck_assert_int_eq(setrlimit((__rlimit_resource_t)resource, &limit), 0);
    return before;
}

static int lowest_free_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    close(fd);
    return fd;
}

/* Leaves so many; returns the limit before. */
static rlim_t leave_descriptors(unsigned count)
{
    return set_limit(RLIMIT_NOFILE, (rlim_t)lowest_free_descriptor() + count);
}

/* Some descriptors are open only for a while: they are not to be left. */
static int append_until_no_descriptor(rlim_t *before)
{
    int error = 0;

    *before = leave_descriptors(0);
    for (unsigned i = 0; i < APPENDS_MAX && error == 0; i++) {
        error = append();
        if (error == 0 && i % 20 == 19) {
            set_limit(RLIMIT_NOFILE, *before);
            leave_descriptors(0);
        }
    }
    return error;
}

/* Opens with none, one, two, ... until there are enough: how many that is. */
static unsigned open_with_few(bool exists)
{
    for (unsigned count = 0; count < DESCRIPTORS_MAX; count++) {
        int lowest = lowest_free_descriptor();
        rlim_t before = leave_descriptors(count);
        int error = logfile_open(work.path, &work.options, &work.report, &work.log);
        set_limit(RLIMIT_NOFILE, before);
        if (error == 0)
            return count;
        ck_assert_msg(error == -EMFILE, "%s: %u descriptors: %s", work.name, count,
                      work.report.message);
        ck_assert_ptr_nonnull(strstr(work.report.message, strerror(EMFILE)));
        ck_assert_int_eq(lowest_free_descriptor(), lowest);
        ck_assert_int_eq(folder_entry_count(), exists);
        if (exists)
            compare();
    }
    ck_abort_msg("%s: %d descriptors are too few", work.name, DESCRIPTORS_MAX);
}

/* Loop test: engines, times layouts. */
START_TEST(test_opening_with_few_descriptors)
{
    begin_in_folder((unsigned)_i / 2, (enum logfile_prepare)(_i % PREPARATIONS),
                    _i % 2 == 0 ? 0 : SEGMENT_BYTES);
    ck_assert_uint_ge(open_with_few(false), 2);
    append_well(APPENDS_SPARED);
    close_well();
    ck_assert_uint_ge(open_with_few(true), 2);
    append_well(3);
    close_well();
    end();
}
END_TEST

/* Also of a log with more segments than are open at a time. */
START_TEST(test_few_descriptors_are_enough)
{
    begin_in_folder(0, LOGFILE_PREPARE_ZERO, SEGMENT_BYTES);
    open_well();
    append_well(25 * SEGMENT_BYTES / PAYLOAD_BYTES);
    close_well();
    ck_assert_uint_le(open_with_few(true), 20);
    close_well();
    end();
}
END_TEST

/* Giving space back takes a descriptor; the records are trimmed all the same, and later it works.  A
 * log without syncs needs one before that, to sync what the mark will promise. */
static void trim_without(rlim_t *limit)
{
    uint64_t lsn = logfile_durable_lsn(work.log);

    journal_ask_trim(&work.journal, lsn);
    int error = logfile_trim(work.log, lsn);
    ck_assert_msg(error == 0 || error == -EMFILE, "%s: trim: %s", work.name,
                  logfile_strerror(error));
    uint64_t oldest_lsn = logfile_oldest_lsn(work.log);
    ck_assert_uint_gt(oldest_lsn, 0);
    journal_trimmed(&work.journal, oldest_lsn);
    *limit = set_limit(RLIMIT_NOFILE, *limit);
    ck_assert_int_eq(logfile_trim(work.log, lsn), 0);
    if (error == -EMFILE && work.options.lab->sync == LOGFILE_SYNC_NONE)
        journal_trimmed(&work.journal, logfile_oldest_lsn(work.log));
    else
        ck_assert_uint_eq(logfile_oldest_lsn(work.log), oldest_lsn);
}

/* Loop test: engines, times preparations. */
START_TEST(test_no_descriptor_for_the_next_segment)
{
    begin_in_folder((unsigned)_i / PREPARATIONS, (enum logfile_prepare)(_i % PREPARATIONS),
                    SEGMENT_BYTES);
    open_well();
    append_well(5);
    for (unsigned round = 0; round < 3; round++) {
        rlim_t limit;
        int error = append_until_no_descriptor(&limit);
        /* Once as many segments are open as ever are, the next one gets the descriptor of another. */
        ck_assert_msg(error == -EMFILE || (error == 0 && round > 0), "%s: %s", work.name,
                      reason(error));
        check_not_failed();
        if (round == 1)
            trim_without(&limit);
        else
            set_limit(RLIMIT_NOFILE, limit);
        append_again(-EMFILE);
    }
    close_well();
    reopen_and_close();
    end();
}
END_TEST

/* A log without segments never needs another one. */
START_TEST(test_one_file_needs_no_descriptor)
{
    begin_in_folder((unsigned)_i, (enum logfile_prepare)(_i % PREPARATIONS), 0);
    open_well();
    rlim_t limit = leave_descriptors(0);
    append_well(APPENDS_SPARED);
    uint64_t lsn = logfile_durable_lsn(work.log);
    journal_ask_trim(&work.journal, lsn);
    ck_assert_int_eq(logfile_trim(work.log, lsn), 0);
    journal_trimmed(&work.journal, logfile_oldest_lsn(work.log));
    append_well(3);
    ck_assert_int_eq(logfile_close(work.log), 0);
    set_limit(RLIMIT_NOFILE, limit);
    compare();
    end();
}
END_TEST

/* Returns how many were left: some right above the lowest free one may be taken already. */
static unsigned open_reader_with_few(struct logfile_reader **reader)
{
    for (unsigned count = 0; count < DESCRIPTORS_MAX; count++) {
        rlim_t before = leave_descriptors(count);
        int error = logfile_reader_open(work.path, NULL, reader);
        set_limit(RLIMIT_NOFILE, before);
        if (error == 0)
            return count;
        ck_assert_int_eq(error, -EMFILE);
    }
    ck_abort_msg("%s: %d descriptors are too few for a reader", work.name, DESCRIPTORS_MAX);
}

/* Reads as long as there are descriptors, and then goes on: no shortage is the end of a log. */
START_TEST(test_reading_with_few_descriptors)
{
    struct logfile_reader *reader;
    struct logfile_record record;
    unsigned count = 0;
    int found;

    begin_in_folder(0, LOGFILE_PREPARE_ZERO, SEGMENT_BYTES);
    open_well();
    append_well(APPENDS_SPARED);
    close_well();
    ck_assert_uint_ge(open_reader_with_few(&reader), 2);
    rlim_t limit = leave_descriptors(1);
    while ((found = logfile_reader_next(reader, &record)) == 1)
        count++;
    ck_assert_int_eq(found, -EMFILE);
    ck_assert_int_eq(logfile_reader_next(reader, &record), -EMFILE);
    ck_assert_uint_gt(count, 0);
    set_limit(RLIMIT_NOFILE, limit);
    while ((found = logfile_reader_next(reader, &record)) == 1)
        count++;
    ck_assert_int_eq(found, 0);
    ck_assert_uint_eq(count, APPENDS_SPARED);
    logfile_reader_close(reader);
    end();
}
END_TEST

/* The whole machine has none, or the kernel no memory for one.  Loop test: engines, times errors. */
START_TEST(test_no_descriptor_on_the_machine)
{
    static const int errors[] = {-ENFILE, -ENOMEM};
    const int error = errors[_i % 2];
    const struct logfile_sim_fault fault = {
        .call = LOGFILE_SIM_OPEN, .for_ever = true, .error = error};
    struct io_layer layer;

    io_layer_init(&layer, logfile_io_posix());
    begin_in_folder((unsigned)_i / 2, (enum logfile_prepare)(_i % PREPARATIONS), SEGMENT_BYTES);
    work.options.io = &layer.io;
    open_well();
    append_well(5);
    for (unsigned round = 0; round < 3; round++) {
        io_layer_fault(&layer, &fault);
        int result = append_until_error();
        ck_assert_msg(result == error, "%s: %s", work.name, reason(result));
        check_not_failed();
        io_layer_fault(&layer, NULL);
        append_again(error);
    }
    close_well();
    end();
}
END_TEST

/* ---- The file-size limit ---- */

static void check_failed_by(int error, const char *call)
{
    struct logfile_failure failure;

    ck_assert_int_eq(logfile_failure(work.log, &failure, sizeof failure), 0);
    ck_assert_msg(failure.error == error && strcmp(failure.call, call) == 0, "%s: failed by %s: %s",
                  work.name, failure.call, logfile_strerror(failure.error));
    ck_assert_int_eq(append(), LOGFILE_EFAILED);
    ck_assert_int_eq(logfile_close(work.log), LOGFILE_EFAILED);
}

/* Loop test: engines, times two preparations, times layouts.  With blocks allocated ahead, the
 * limit is met there. */
START_TEST(test_file_size_limit)
{
    uint64_t segment_bytes = _i / 2 % 2 == 0 ? 0 : 2 * FILE_BYTES_MAX;

    signal(SIGXFSZ, SIG_IGN);
    begin_in_folder((unsigned)_i / 4, (enum logfile_prepare)(_i % 2), segment_bytes);
    rlim_t limit = set_limit(RLIMIT_FSIZE, FILE_BYTES_MAX);
    open_well();
    int error = append_until_error();
    ck_assert_msg(error == -EFBIG, "%s: %s", work.name, logfile_strerror(error));
    check_not_failed();
    set_limit(RLIMIT_FSIZE, limit);
    append_again(-EFBIG);
    close_well();
    reopen_and_close();
    end();
}
END_TEST

/* Loop test: engines.  Without, a write meets it. */
START_TEST(test_file_size_limit_without_preparation)
{
    signal(SIGXFSZ, SIG_IGN);
    begin_in_folder((unsigned)_i, LOGFILE_PREPARE_NONE, 0);
    rlim_t limit = set_limit(RLIMIT_FSIZE, FILE_BYTES_MAX);
    open_well();
    ck_assert_int_eq(append_until_error(), LOGFILE_EFAILED);
    check_failed_by(-EFBIG, "write");
    /* What was acknowledged can be read under the limit, and once it is gone the log goes on. */
    compare();
    set_limit(RLIMIT_FSIZE, limit);
    reopen_and_close();
    end();
}
END_TEST

struct shared {
    uint64_t lsns[APPENDS_MAX];
    unsigned acknowledged;
};

/* Never returns. */
static void append_until_killed(struct shared *shared)
{
    uint8_t payload[PAYLOAD_BYTES];

    signal(SIGXFSZ, SIG_DFL);
    set_limit(RLIMIT_CORE, 0); /* nothing is left of a death that is wanted */
    set_limit(RLIMIT_FSIZE, FILE_BYTES_MAX);
    if (logfile_open(work.path, &work.options, &work.report, &work.log) != 0)
        _exit(1);
    for (unsigned i = 0; i < APPENDS_MAX; i++) {
        payload_fill(payload, sizeof payload, i + 1);
        if (logfile_append(work.log, payload, sizeof payload, &shared->lsns[i]) != 0)
            _exit(2);
        __atomic_store_n(&shared->acknowledged, i + 1, __ATOMIC_RELEASE);
    }
    _exit(3);
}

/* Loop test: engines, times preparations.  A process that does not ignore the signal dies of it,
 * unless the thread that meets the limit is one of the log's own, which blocks all signals. */
START_TEST(test_file_size_signal)
{
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;

    ck_assert_ptr_ne(shared, MAP_FAILED);
    begin_in_folder((unsigned)_i / PREPARATIONS, (enum logfile_prepare)(_i % PREPARATIONS), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        append_until_killed(shared);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg((WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ) ||
                      (WIFEXITED(status) && WEXITSTATUS(status) == 2),
                  "%s: status %d", work.name, status);
    ck_assert_uint_gt(shared->acknowledged, 10);
    for (unsigned i = 0; i <= shared->acknowledged && i < APPENDS_MAX; i++)
        if (shared->lsns[i] != 0)
            journal_add(&work.journal, shared->lsns[i], i + 1, PAYLOAD_BYTES,
                        i < shared->acknowledged);
    open_well();
    ck_assert_int_eq(logfile_close(work.log), 0);
    compare();
    munmap(shared, sizeof *shared);
    end();
}
END_TEST

/* ---- Address space and threads: in a child, which may not come back from its limits ---- */

/* Waits for a child, and returns its status: 77 where it could not try. */
static int in_child(void (*run)(void))
{
    int status;
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        run();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status), "%s: the child ended with status %d", work.name, status);
    return WEXITSTATUS(status);
}

static uint64_t address_space_bytes(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file == NULL || fscanf(file, "%lu", &pages) != 1)
        _exit(77);
    fclose(file);
    return (uint64_t)pages * 4096;
}

/* Opens with ever more address space, until it is enough; at least once it is not. */
static void open_with_little_memory(void)
{
    const uint64_t used = address_space_bytes();
    unsigned refused = 0;
    int error;

    for (uint64_t spare = 0; spare < UINT64_C(1) << 30; spare += 256 << 10) {
        set_limit(RLIMIT_AS, used + spare);
        error = logfile_open(work.path, &work.options, &work.report, &work.log);
        if (error == 0)
            break;
        /* A thread's stack is told as -EAGAIN. */
        if ((error != -ENOMEM && error != -EAGAIN) || work.report.message[0] == '\0')
            _exit(1);
        refused++;
    }
    if (error != 0 || refused == 0 || logfile_append(work.log, "here", 4, NULL) != 0 ||
        logfile_close(work.log) != 0)
        _exit(2);
}

/* Loop test: engines. */
START_TEST(test_address_space)
{
    if (HAS_SANITIZER) {
        puts("little address space: not tried, sanitizers map terabytes of their own");
        return;
    }
    begin_in_folder((unsigned)_i, (enum logfile_prepare)(_i % PREPARATIONS), 0);
    work.options.slot_bytes = 1 << 20;
    open_well();
    append_well(20);
    close_well();
    ck_assert_int_eq(in_child(open_with_little_memory), 0);
    work.options.open_flags = LOGFILE_OPEN_EXISTING;
    open_well();
    ck_assert_int_eq(logfile_close(work.log), 0);
    end();
}
END_TEST

static void open_without_threads(void)
{
    struct rlimit limit = {0, 0};

    if (chdir(folder_path("")) != 0 || setrlimit(RLIMIT_NPROC, &limit) != 0)
        _exit(77);
    if (geteuid() == 0 && (setresgid(NOBODY_ID, NOBODY_ID, NOBODY_ID) != 0 ||
                           setresuid(NOBODY_ID, NOBODY_ID, NOBODY_ID) != 0))
        _exit(77);
    int error = logfile_open(LOG_PATH, &work.options, &work.report, &work.log);
    if (error != -EAGAIN || strstr(work.report.message, "no thread can be started") == NULL)
        _exit(1);
    if (access(LOG_PATH, F_OK) == 0)
        _exit(2);
    /* This one has no thread. */
    work.options.lab = &(struct logfile_lab){.flusher = LOGFILE_FLUSHER_LEADER};
    work.options.prepare = LOGFILE_PREPARE_NONE;
    if (logfile_open(LOG_PATH, &work.options, &work.report, &work.log) != 0 ||
        logfile_append(work.log, "alone", 5, NULL) != 0 || logfile_close(work.log) != 0)
        _exit(3);
}

/* The limit is one of users that are not root. */
START_TEST(test_no_thread)
{
    begin_in_folder(0, LOGFILE_PREPARE_ZERO, 0);
    ck_assert_int_eq(chmod(folder_path(""), 0777), 0);
    int status = in_child(open_without_threads);
    if (status == 77)
        puts("a limit of threads: not tried, cannot become another user");
    else
        ck_assert_int_eq(status, 0);
    end();
}
END_TEST

/* ---- A small file system ---- */

static void remove_log(void)
{
    char command[4200];

    snprintf(command, sizeof command, "rm -rf '%s'", work.path);
    ck_assert_int_eq(system(command), 0);
}

/* Opening a new log and one that is there, on a full disk. */
static void open_on_full_disk(void)
{
    fill_file(folder_path("other"));
    ck_assert_int_eq(logfile_open(work.path, &work.options, &work.report, &work.log), -ENOSPC);
    ck_assert_ptr_nonnull(strstr(work.report.message, strerror(ENOSPC)));
    ck_assert_int_eq(folder_entry_count(), 1);
    ck_assert_int_eq(unlink(folder_path("other")), 0);
    open_well();
    append_well(10);
    close_well();
    fill_file(folder_path("other"));
    open_well();
    ck_assert_int_eq(append_until_error(), -ENOSPC);
    check_not_failed();
    compare();
    ck_assert_int_eq(unlink(folder_path("other")), 0);
    append_again(-ENOSPC);
    append_well(10);
}

/* A trim makes the room that appends lack. */
static void trim_on_full_disk(void)
{
    for (unsigned round = 0; round < 3; round++) {
        ck_assert_int_eq(append_until_error(), -ENOSPC);
        check_not_failed();
        uint64_t lsn = logfile_durable_lsn(work.log);
        journal_ask_trim(&work.journal, lsn);
        ck_assert_int_eq(logfile_trim(work.log, lsn), 0);
        journal_trimmed(&work.journal, logfile_oldest_lsn(work.log));
        append_again(-ENOSPC);
    }
    close_well();
}

/* Loop test: engines, times layouts. */
START_TEST(test_full_file_system)
{
    begin_in_folder((unsigned)_i / 2, (enum logfile_prepare)(_i / 2 % 2),
                    _i % 2 == 0 ? 0 : SEGMENT_BYTES);
    if (!mount_small_tmpfs(folder_path(""))) {
        printf("a full file system: not tried, cannot mount a tmpfs: %s\n", strerror(errno));
        end();
        return;
    }
    open_on_full_disk();
    trim_on_full_disk();
    remove_log();
    ck_assert_int_eq(umount(folder_path("")), 0);
    end();
}
END_TEST

/* How many records a copy has, all of which must be those of the log. */
static size_t count_copied(const char *path)
{
    struct logfile_reader *reader;
    struct logfile_record record;
    size_t count = 0;

    ck_assert_int_eq(logfile_reader_open(path, NULL, &reader), 0);
    while (logfile_reader_next(reader, &record) == 1) {
        ck_assert_uint_lt(count, work.journal.count);
        ck_assert(payload_matches(record.data, record.size, work.journal.entries[count++].seed));
    }
    logfile_reader_close(reader);
    return count;
}

/* Salvages to a file system that has room for a part, and then for all of it. */
START_TEST(test_salvage_to_a_full_file_system)
{
    char small[4200], copy[4300];
    FILE *out = tmpfile();

    begin_in_folder((unsigned)_i, LOGFILE_PREPARE_ZERO, 0);
    ck_assert_ptr_nonnull(out);
    snprintf(small, sizeof small, "%s", folder_path("small"));
    snprintf(copy, sizeof copy, "%s/" COPY_PATH, small);
    ck_assert_int_eq(mkdir(small, 0755), 0);
    open_well();
    append_well(2 * (1 << 20) / PAYLOAD_BYTES);
    close_well();
    if (!mount_small_tmpfs(small)) {
        printf("a copy that is too large: not tried, cannot mount a tmpfs: %s\n", strerror(errno));
        end();
        return;
    }
    struct lf_tool_salvage what = {.path = work.path, .output = copy};
    ck_assert_int_eq(lf_tool_salvage_log(&what, out), LF_TOOL_FAILED);
    size_t copied = count_copied(copy);
    ck_assert_msg(copied > 50 && copied < work.journal.count, "%zu copied", copied);
    compare();
    ck_assert_int_eq(unlink(copy), 0);
    ck_assert_int_eq(mount(NULL, small, NULL, MS_REMOUNT, "size=16m"), 0);
    ck_assert_int_eq(lf_tool_salvage_log(&what, out), LF_TOOL_OK);
    ck_assert_uint_eq(count_copied(copy), work.journal.count);
    ck_assert_int_eq(umount(small), 0);
    compare();
    fclose(out);
    end();
}
END_TEST

static Suite *exhaustion_suite(void)
{
    Suite *suite = suite_create("exhaustion");
    TCase *tcase = tcase_create("exhaustion");
    int count = (int)engine_variant_count();

    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, test_opening_with_few_descriptors, 0, count * 2);
    tcase_add_test(tcase, test_few_descriptors_are_enough);
    tcase_add_loop_test(tcase, test_no_descriptor_for_the_next_segment, 0, count * PREPARATIONS);
    tcase_add_loop_test(tcase, test_one_file_needs_no_descriptor, 0, count);
    tcase_add_test(tcase, test_reading_with_few_descriptors);
    tcase_add_loop_test(tcase, test_no_descriptor_on_the_machine, 0, count * 2);
    tcase_add_loop_test(tcase, test_file_size_limit, 0, count * 4);
    tcase_add_loop_test(tcase, test_file_size_limit_without_preparation, 0, count);
    tcase_add_loop_test(tcase, test_file_size_signal, 0, count * PREPARATIONS);
    tcase_add_loop_test(tcase, test_address_space, 0, count);
    tcase_add_test(tcase, test_no_thread);
    tcase_add_loop_test(tcase, test_full_file_system, 0, count * 2);
    tcase_add_test(tcase, test_salvage_to_a_full_file_system);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        fprintf(stderr, "usage: test_exhaustion\n");
        return 2;
    }
    if (HAS_THREAD_SANITIZER) {
        puts("not tried: the limits are those of ThreadSanitizer's run-time too");
        return 77;
    }
    return run_suite(exhaustion_suite());
}
