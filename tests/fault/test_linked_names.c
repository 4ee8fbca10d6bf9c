/* SPDX-License-Identifier: MIT */
/*
 * A file system that cannot rename without replacing, and knows files by their names, as bindfs
 * does: a log gets its name by a link, and what has that name then is another file than the one that
 * is open.  A lock on the one does not keep anybody from the other, and what is written to the one
 * is not seen in the other.
 *
 * The layer here plays that on any file system: a descriptor stands for the name that it was opened
 * by, and is stale once a link has given the file another one.
 */
#include "io_stack.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SEGMENT_BYTES = 65536,
    SLOT_BYTES = 8192,
    RECORD_BYTES = 1000,
    NAMES_MAX = 4096,
    FD_MAX = 1024,
    SECONDS_MAX = 60
};

struct named {
    char name[64]; /* empty: gone */
};

static struct {
    pthread_mutex_t lock;
    struct named names[NAMES_MAX]; /* each a file of its own; a link makes another one */
    int name_count;
    int file_of[FD_MAX]; /* index of its name, as it was when opened; -1: none */
    bool is_locked[FD_MAX];
    unsigned lost_count; /* writes that went to a stale descriptor */
    void (*on_link)(void);
} place = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct io_layer layer;
static struct logfile_open_report report;

/* ---- The file system --------------------------------------------------------------------------*/

/* With the lock. */
static int find_name(const char *name)
{
    const char *slash = strrchr(name, '/');
    const char *last = slash != NULL ? slash + 1 : name;
    for (int i = 0; i < place.name_count; i++)
        if (strcmp(place.names[i].name, last) == 0)
            return i;
    ck_assert_int_lt(place.name_count, NAMES_MAX);
    snprintf(place.names[place.name_count].name, sizeof place.names[0].name, "%s", last);
    return place.name_count++;
}

/* With the lock. */
static bool is_held_by_other(int fd)
{
    for (int other = 0; other < FD_MAX; other++)
        if (other != fd && place.is_locked[other] && place.file_of[other] == place.file_of[fd])
            return true;
    return false;
}

/* A directory cannot be linked, and a file system moves all that is in it along. */
static bool is_directory(int directory, const char *name)
{
    struct stat status;
    return fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode);
}

static int link_and_unlink(int directory, const char *from, const char *to)
{
    if (linkat(directory, from, directory, to, 0) != 0)
        return -errno;
    ck_assert_int_eq(unlinkat(directory, from, 0), 0);
    pthread_mutex_lock(&place.lock);
    place.names[find_name(from)].name[0] = '\0';
    place.names[find_name(to)].name[0] = '\0'; /* as something else had it before */
    (void)find_name(to);
    pthread_mutex_unlock(&place.lock);
    void (*on_link)(void) = place.on_link;
    place.on_link = NULL;
    if (on_link != NULL)
        on_link();
    return 1;
}

/* With the lock. */
static bool note_call(struct io_call *call)
{
    switch (call->call) {
    case LOGFILE_SIM_CLOSE:
        place.file_of[call->fd] = -1;
        place.is_locked[call->fd] = false;
        return false;
    case LOGFILE_SIM_LOCK:
        place.is_locked[call->fd] = !is_held_by_other(call->fd);
        call->result = place.is_locked[call->fd] ? 0 : -EAGAIN;
        return true;
    case LOGFILE_SIM_LOCKED:
        call->result = is_held_by_other(call->fd);
        return true;
    case LOGFILE_SIM_WRITE:
    case LOGFILE_SIM_ALLOCATE:
    case LOGFILE_SIM_TRUNCATE:
        place.lost_count +=
            place.file_of[call->fd] >= 0 && place.names[place.file_of[call->fd]].name[0] == '\0';
        return false;
    default:
        return false;
    }
}

static bool before_call(void *arg, struct io_call *call)
{
    (void)arg;
    if (call->call == LOGFILE_SIM_RENAME && !is_directory(call->fd, call->name)) {
        call->result = link_and_unlink(call->fd, call->name, call->to);
        return true;
    }
    pthread_mutex_lock(&place.lock);
    bool is_answered = note_call(call);
    pthread_mutex_unlock(&place.lock);
    return is_answered;
}

static void after_call(void *arg, struct io_call *call)
{
    (void)arg;
    if (call->call != LOGFILE_SIM_OPEN || call->result < 0)
        return;
    ck_assert_int_lt(call->result, FD_MAX);
    pthread_mutex_lock(&place.lock);
    place.file_of[call->result] =
        call->flags & LOGFILE_IO_OPEN_DIRECTORY ? -1 : find_name(call->name);
    place.is_locked[call->result] = false;
    pthread_mutex_unlock(&place.lock);
}

static void begin(const char *what)
{
    watchdog_start(SECONDS_MAX, what);
    enter_folder();
    io_layer_init(&layer, logfile_io_posix());
    layer.before = before_call;
    layer.after = after_call;
    place.name_count = 0;
    place.lost_count = 0;
    place.on_link = NULL;
    memset(place.is_locked, 0, sizeof place.is_locked);
    for (int fd = 0; fd < FD_MAX; fd++)
        place.file_of[fd] = -1;
}

static void end(void)
{
    ck_assert_uint_eq(place.lost_count, 0);
    for (int fd = 0; fd < FD_MAX; fd++)
        ck_assert_int_eq(place.file_of[fd], -1); /* no descriptor is left */
    watchdog_stop();
    leave_folder();
}

/* ---- Logs -------------------------------------------------------------------------------------*/

static const char *log_path(void)
{
    return folder_path("log");
}

static int try_open(uint64_t segment_bytes, unsigned open_flags, struct logfile **logp)
{
    struct logfile_options options = {.segment_bytes = segment_bytes,
                                      .slot_bytes = SLOT_BYTES,
                                      .open_flags = open_flags,
                                      .io = &layer.io};
    return logfile_open(log_path(), &options, &report, logp);
}

static struct logfile *open_log(uint64_t segment_bytes)
{
    struct logfile *log = NULL;
    int error = try_open(segment_bytes, 0, &log);
    ck_assert_msg(error == 0, "%s", report.message);
    return log;
}

static uint64_t append_some(struct logfile *log, unsigned count)
{
    static const char record[RECORD_BYTES];
    uint64_t lsn = 0;
    for (unsigned i = 0; i < count; i++)
        ck_assert_int_eq(logfile_append(log, record, sizeof record, &lsn), 0);
    return lsn;
}

static void close_log(struct logfile *log)
{
    ck_assert_int_eq(logfile_close(log), 0);
}

static void assert_records(unsigned expected)
{
    struct logfile_reader_options options = {.io = &layer.io};
    struct logfile_reader *reader;
    struct logfile_record record;
    unsigned count = 0;
    int result;
    ck_assert_int_eq(logfile_reader_open(log_path(), &options, &reader), 0);
    while ((result = logfile_reader_next(reader, &record)) == 1)
        count++;
    logfile_reader_close(reader);
    ck_assert_int_eq(result, 0);
    ck_assert_uint_eq(count, expected);
}

/* ---- Tests ------------------------------------------------------------------------------------*/

/* Loop test: one file, and segments. */
START_TEST(second_opener_is_refused)
{
    uint64_t segment_bytes = _i == 0 ? 0 : SEGMENT_BYTES;
    struct logfile *second;

    begin("a second opener of a log that was just made");
    struct logfile *log = open_log(segment_bytes);
    append_some(log, 10);
    ck_assert_int_eq(try_open(segment_bytes, 0, &second), LOGFILE_ELOCKED);
    append_some(log, 10);
    close_log(log);
    log = open_log(segment_bytes);
    append_some(log, 10);
    close_log(log);
    assert_records(30);
    ck_assert_int_eq(folder_entry_count(), 1);
    end();
}
END_TEST

/* Those that are made, and those that are recycled. */
START_TEST(segments_are_written_under_the_name_that_they_have)
{
    begin("segments that get their names by links");
    struct logfile *log = open_log(SEGMENT_BYTES);
    append_some(log, 300);
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_int_eq(logfile_trim(log, append_some(log, 150)), 0);
        append_some(log, 149);
    }
    close_log(log);
    assert_records(150);
    end();
}
END_TEST

static struct logfile *quicker;

static void open_quickly(void)
{
    quicker = open_log(0);
    append_some(quicker, 3);
}

static void open_and_close_quickly(void)
{
    open_quickly();
    close_log(quicker);
}

static void remove_quickly(void)
{
    ck_assert_int_eq(unlink(log_path()), 0);
}

static void replace_quickly(void)
{
    FILE *file;
    remove_quickly();
    file = fopen(log_path(), "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_gt(fputs("no log\n", file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static const struct race {
    void (*on_link)(void);
    unsigned open_flags;
    int error;
    unsigned record_count; /* that the winner has made durable */
    int entry_count;
} races[] = {
    {open_quickly, 0, LOGFILE_ELOCKED, 3, 1},
    {open_quickly, LOGFILE_OPEN_EXCLUSIVE, LOGFILE_ELOCKED, 3, 1},
    {open_and_close_quickly, 0, 0, 3, 1},
    {open_and_close_quickly, LOGFILE_OPEN_EXCLUSIVE, -EEXIST, 3, 1},
    {remove_quickly, 0, -ENOENT, 0, 0},
    {replace_quickly, 0, LOGFILE_EFORMAT, 0, 1},
    {replace_quickly, LOGFILE_OPEN_EXCLUSIVE, -EEXIST, 0, 1},
};
#define RACE_COUNT ((int)(sizeof races / sizeof races[0]))

/* Loop test: between the link and the lock under the new name somebody else has it.  What is theirs
 * stays, with all that they were told is durable. */
START_TEST(somebody_else_is_quicker)
{
    const struct race *race = &races[_i];
    struct logfile *log = NULL;

    begin("an opener that is quicker than the log's maker");
    quicker = NULL;
    place.on_link = race->on_link;
    ck_assert_int_eq(try_open(0, race->open_flags, &log), race->error);
    if (race->on_link == open_quickly)
        close_log(quicker);
    if (race->error == 0)
        close_log(log);
    else
        ck_assert_int_ne(report.message[0], '\0');
    ck_assert_int_eq(folder_entry_count(), race->entry_count);
    if (race->record_count > 0)
        assert_records(race->record_count);
    end();
}
END_TEST

static Suite *linked_names_suite(void)
{
    Suite *suite = suite_create("linked names");
    TCase *tcase = tcase_create("linked names");
    tcase_set_timeout(tcase, 2 * SECONDS_MAX);
    tcase_add_loop_test(tcase, second_opener_is_refused, 0, 2);
    tcase_add_test(tcase, segments_are_written_under_the_name_that_they_have);
    tcase_add_loop_test(tcase, somebody_else_is_quicker, 0, RACE_COUNT);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(linked_names_suite());
}
