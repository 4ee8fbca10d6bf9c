/* SPDX-License-Identifier: MIT */
/*
 * Names that change under a log: its directory or file is renamed, replaced or removed while it is
 * open, being opened or being made; the process loses the way to it; and things that are not the
 * log's have the names of its segments.
 */
#include "storage/file.h"
#include "io_stack.h"
#include "storage/segments.h"
#include "support.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEGMENT_BYTES 65536
#define SLOT_BYTES 8192
#define RECORD_BYTES 1000
#define SECOND_COUNT 600
#define NOBODY_ID 65534
#define SECONDS_MAX 60
#define APPENDS_MAX 5000 /* more than can be prepared */

static struct io_layer layer;
static bool uses_layer; /* else a log has no table of ours */
static struct logfile_open_report report;
static enum logfile_engine engine;

/* From now on a log has a table with this hook. */
static void use_layer(bool (*before)(void *arg, struct io_call *call))
{
    io_layer_init(&layer, logfile_io_posix());
    layer.before = before;
    uses_layer = true;
}

/* ---- Logs -------------------------------------------------------------------------------------*/

static const char *log_path(void)
{
    return folder_path("log");
}

static int try_open(const char *path, uint64_t segment_bytes, struct logfile **logp)
{
    struct logfile_options options = {.segment_bytes = segment_bytes,
                                      .slot_bytes = SLOT_BYTES,
                                      .lab = &(struct logfile_lab){.engine = engine},
                                      .io = uses_layer ? &layer.io : NULL};
    return logfile_open(path, &options, &report, logp);
}

static struct logfile *open_log(const char *path, uint64_t segment_bytes)
{
    struct logfile *log = NULL;
    int error = try_open(path, segment_bytes, &log);
    ck_assert_msg(error == 0, "%s", report.message);
    return log;
}

static int append(struct logfile *log, uint64_t *lsnp)
{
    static const char record[RECORD_BYTES];
    return logfile_append(log, record, sizeof record, lsnp);
}

static void append_some(struct logfile *log, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        ck_assert_int_eq(append(log, NULL), 0);
}

/* How many go well; *error: of the one that does not. */
static unsigned append_until_error(struct logfile *log, int *error)
{
    unsigned count = 0;
    while ((*error = append(log, NULL)) == 0)
        ck_assert_uint_lt(++count, APPENDS_MAX);
    return count;
}

static void close_log(struct logfile *log)
{
    ck_assert_int_eq(logfile_close(log), 0);
}

static unsigned read_rest(struct logfile_reader *reader, int *result)
{
    struct logfile_record record;
    unsigned count = 0;
    while ((*result = logfile_reader_next(reader, &record)) == 1)
        count++;
    return count;
}

static unsigned count_records(const char *path, int *result)
{
    struct logfile_reader *reader;
    *result = logfile_reader_open(path, NULL, &reader);
    if (*result != 0)
        return 0;
    unsigned count = read_rest(reader, result);
    logfile_reader_close(reader);
    return count;
}

static void assert_records(const char *path, unsigned expected)
{
    int result;
    unsigned count = count_records(path, &result);
    ck_assert_int_eq(result, 0);
    ck_assert_uint_eq(count, expected);
}

/* A log that was closed, and its records. */
static void make_log(const char *path, uint64_t segment_bytes, unsigned count)
{
    struct logfile *log = open_log(path, segment_bytes);
    append_some(log, count);
    close_log(log);
}

static const char *segment_path(uint64_t index)
{
    char name[LF_SEGMENT_NAME_BYTES], path[LF_SEGMENT_NAME_BYTES + 8];
    lf_file_segment_name(index, name);
    snprintf(path, sizeof path, "log/%s", name);
    return folder_path(path);
}

static bool is_there(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

/* The first index from `from` on that has no segment, once the preparer has come to rest. */
static uint64_t next_index(uint64_t from)
{
    uint64_t index = from;
    for (unsigned quiet = 0; quiet < 20; quiet++) {
        sleep_us(5000);
        while (is_there(segment_path(index))) {
            index++;
            quiet = 0;
        }
    }
    return index;
}

static void begin(const char *what)
{
    watchdog_start(SECONDS_MAX, what);
    enter_folder();
    uses_layer = false;
    engine = LOGFILE_ENGINE_RING;
}

static void end(void)
{
    watchdog_stop();
    leave_folder();
}

/* ---- A directory that is renamed, and replaced ------------------------------------------------*/

/* What the log does after its directory has been replaced. */
static void close_at_once(struct logfile *log)
{
    (void)log;
}

static void append_more(struct logfile *log)
{
    append_some(log, 300);
}

static void trim_all(struct logfile *log)
{
    uint64_t lsn = 0;
    append_some(log, 100);
    ck_assert_int_eq(append(log, &lsn), 0);
    ck_assert_int_eq(logfile_trim(log, lsn), 0);
}

/* Released segments become the next ones. */
static void trim_and_append(struct logfile *log)
{
    for (unsigned i = 0; i < 4; i++) {
        trim_all(log);
        append_some(log, 150);
    }
}

static void (*const acts[])(struct logfile *) = {close_at_once, append_more, trim_all,
                                                 trim_and_append};

/* Loop test: what it does, for a log of segments and for one file. */
START_TEST(another_log_under_the_old_name_is_left_alone)
{
    uint64_t segment_bytes = _i % 2 == 0 ? SEGMENT_BYTES : 0;
    int result;

    begin("a directory that is replaced");
    struct logfile *first = open_log(log_path(), segment_bytes);
    append_some(first, 100);
    (void)next_index(0);
    ck_assert_int_eq(rename(log_path(), folder_path("moved")), 0);
    make_log(log_path(), segment_bytes, SECOND_COUNT);
    acts[_i / 2](first);
    close_log(first);
    assert_records(log_path(), SECOND_COUNT);
    ck_assert_uint_gt(count_records(folder_path("moved"), &result), 0);
    ck_assert_int_eq(result, 0);
    make_log(log_path(), segment_bytes, 1); /* it opens for appending, and so does the other */
    make_log(folder_path("moved"), segment_bytes, 1);
    assert_records(log_path(), SECOND_COUNT + 1);
    end();
}
END_TEST

static void replace_by(const char *name)
{
    ck_assert_int_eq(rename(log_path(), folder_path("moved")), 0);
    ck_assert_int_eq(rename(folder_path(name), log_path()), 0);
}

static bool replace_before_lock(void *arg, struct io_call *call)
{
    (void)arg;
    if (call->call == LOGFILE_SIM_LOCK)
        replace_by("other");
    return false;
}

/* Between opening and recovery. */
START_TEST(log_is_replaced_while_it_is_opened)
{
    uint64_t segment_bytes = _i == 0 ? SEGMENT_BYTES : 0;

    begin("a log that is replaced while it is opened");
    make_log(log_path(), segment_bytes, 200);
    make_log(folder_path("other"), segment_bytes, SECOND_COUNT);
    use_layer(replace_before_lock);
    struct logfile *log = open_log(log_path(), segment_bytes);
    append_some(log, 100);
    close_log(log);
    assert_records(log_path(), SECOND_COUNT);
    assert_records(folder_path("moved"), 300);
    end();
}
END_TEST

/* A reader goes on in the directory that it opened. */
START_TEST(reader_stays_with_its_directory)
{
    struct logfile_reader *reader;
    struct logfile_record record;
    int result;

    begin("a reader whose directory is replaced");
    make_log(log_path(), SEGMENT_BYTES, 300);
    make_log(folder_path("other"), SEGMENT_BYTES, 10);
    ck_assert_int_eq(logfile_reader_open(log_path(), NULL, &reader), 0);
    ck_assert_int_eq(logfile_reader_next(reader, &record), 1);
    replace_by("other");
    ck_assert_uint_eq(read_rest(reader, &result), 299);
    ck_assert_int_eq(result, 0);
    logfile_reader_close(reader);
    end();
}
END_TEST

/* ---- A log that is being made -----------------------------------------------------------------*/

static bool gives_up;

/* Another process exchanges what the opener has just made. */
static bool replace_before_allocate(void *arg, struct io_call *call)
{
    (void)arg;
    if (call->call == LOGFILE_SIM_ALLOCATE && !is_there(folder_path("moved")))
        replace_by("other");
    call->result = -EIO;
    return call->call == LOGFILE_SIM_ALLOCATE && gives_up;
}

/* Loop test: segments and one file; it is given up or not. */
START_TEST(log_is_replaced_while_it_is_made)
{
    uint64_t segment_bytes = _i % 2 == 0 ? SEGMENT_BYTES : 0;
    struct logfile *log;

    begin("a log that is replaced while it is made");
    make_log(folder_path("other"), segment_bytes, SECOND_COUNT);
    use_layer(replace_before_allocate);
    gives_up = _i / 2 == 0;
    int error = try_open(log_path(), segment_bytes, &log);
    if (gives_up) {
        ck_assert_int_eq(error, -EIO);
    } else {
        ck_assert_int_eq(error, 0);
        append_some(log, 100);
        close_log(log);
        assert_records(folder_path("moved"), 100);
    }
    assert_records(log_path(), SECOND_COUNT);
    end();
}
END_TEST

static bool remove_instead_of_allocate(void *arg, struct io_call *call)
{
    (void)arg;
    if (call->call != LOGFILE_SIM_ALLOCATE)
        return false;
    if (is_there(folder_path("log/control")))
        (void)unlink(folder_path("log/control"));
    else
        (void)unlink(log_path());
    call->result = -EIO;
    return true;
}

START_TEST(log_is_removed_while_it_is_made)
{
    struct logfile *log;

    begin("a log that is removed while it is made");
    use_layer(remove_instead_of_allocate);
    ck_assert_int_eq(try_open(log_path(), _i == 0 ? SEGMENT_BYTES : 0, &log), -EIO);
    ck_assert_int_eq(folder_entry_count(), 0);
    end();
}
END_TEST

/* ---- A process that loses the way to its log --------------------------------------------------*/

static bool drop_rights(void)
{
    return setresgid(NOBODY_ID, NOBODY_ID, NOBODY_ID) == 0 &&
           setresuid(NOBODY_ID, NOBODY_ID, NOBODY_ID) == 0;
}

static bool change_root(void)
{
    return chroot(folder_path("empty")) == 0 && chdir("/") == 0;
}

/* Segments, directory and all. */
static bool remove_directory(void)
{
    for (uint64_t index = next_index(0); index > 0; index--)
        (void)unlink(segment_path(index - 1));
    return unlink(folder_path("log/control")) == 0 && rmdir(log_path()) == 0;
}

static const struct loss {
    const char *name;
    bool (*happens)(void);
    bool needs_root;
    int error; /* of the append that needs a new segment; 0: there is none */
    int failure;
    bool stays;
} losses[] = {
    {"rights are dropped", drop_rights, true, -EACCES, 0, true},
    {"root is changed", change_root, true, 0, 0, true},
    {"directory is removed", remove_directory, false, LOGFILE_EFAILED, -ESTALE, false},
};
#define LOSS_COUNT ((int)(sizeof losses / sizeof losses[0]))

/* In a child, which tells how many appends went well. */
static void lose(const struct loss *loss, int tell)
{
    struct logfile_failure failure;
    int error = 0;
    struct logfile *log = open_log(log_path(), SEGMENT_BYTES);
    append_some(log, 10);
    unsigned count = 10;
    (void)next_index(0);
    if (!loss->happens())
        _exit(9);
    if (loss->error == 0)
        append_some(log, 600);
    else
        count += append_until_error(log, &error);
    count += loss->error == 0 ? 600 : 0;
    ck_assert_int_eq(error, loss->error);
    if (loss->failure == 0)
        ck_assert_uint_gt(count, 10); /* what is prepared can be used */
    logfile_failure(log, &failure, sizeof failure);
    ck_assert_int_eq(failure.error, loss->failure);
    ck_assert_int_eq(logfile_close(log), loss->failure == 0 ? 0 : LOGFILE_EFAILED);
    _exit(write(tell, &count, sizeof count) == sizeof count ? 0 : 8);
}

/* Loop test: the next segment cannot be made, which is no failure of the log unless its segments are
 * gone. */
START_TEST(way_to_the_log_is_lost)
{
    const struct loss *loss = &losses[_i];
    unsigned count = 0;
    int ends[2], status;

    if (loss->needs_root && geteuid() != 0) {
        printf("%s: not tried, needs root\n", loss->name);
        return;
    }
    begin(loss->name);
    ck_assert_int_eq(chmod(folder_path("."), 0755), 0);
    ck_assert_int_eq(mkdir(folder_path("empty"), 0755), 0);
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        lose(loss, ends[1]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(status == 0, "%s: the child ended with %d", loss->name, status);
    ck_assert_int_eq(read(ends[0], &count, sizeof count), sizeof count);
    if (loss->stays)
        assert_records(log_path(), count);
    close(ends[0]);
    close(ends[1]);
    end();
}
END_TEST

/* Only what is in the way of the path that was given need be passed: no name is looked up from the
 * root. */
START_TEST(relative_path_below_what_may_not_be_searched)
{
    int status;

    if (geteuid() != 0) {
        printf("a relative path below a locked directory: not tried, needs root\n");
        return;
    }
    begin("a relative path below a locked directory");
    ck_assert_int_eq(mkdir(folder_path("locked"), 0755), 0);
    ck_assert_int_eq(mkdir(folder_path("locked/below"), 0755), 0);
    make_log(folder_path("locked/below/log"), SEGMENT_BYTES, 100);
    ck_assert_int_eq(chown(folder_path("locked/below"), NOBODY_ID, NOBODY_ID), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        if (chdir(folder_path("locked/below")) != 0 || chmod("..", 0700) != 0 || !drop_rights())
            _exit(9);
        assert_records("log", 100);
        make_log("new", SEGMENT_BYTES, 300);
        assert_records("new", 300);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    assert_records(folder_path("locked/below/new"), 300);
    end();
}
END_TEST

/* ---- Things with a segment's name -------------------------------------------------------------*/

static void put_directory(const char *path)
{
    ck_assert_int_eq(mkdir(path, 0755), 0);
}

static void put_link(const char *path)
{
    ck_assert_int_eq(symlink("nowhere", path), 0);
}

static void put_fifo(const char *path)
{
    ck_assert_int_eq(mkfifo(path, 0644), 0);
}

static void put_file(const char *path)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs("somebody else's", file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

/* A segment of another log. */
static void put_segment(const char *path)
{
    if (!is_there(folder_path("other")))
        make_log(folder_path("other"), SEGMENT_BYTES, 10);
    ck_assert_int_eq(link(folder_path("other/0000000000000000.segment"), path), 0);
}

static void (*const strays[])(const char *) = {put_directory, put_link, put_fifo, put_file,
                                               put_segment};
#define STRAY_COUNT ((int)(sizeof strays / sizeof strays[0]))

static void remove_stray(const char *path)
{
    ck_assert(unlink(path) == 0 || rmdir(path) == 0);
}

/* Nothing is made in its place, and nothing done to it; when it is gone the log goes on. */
START_TEST(next_segment_has_its_name_taken)
{
    int error;

    begin("a stray in the place of the next segment");
    struct logfile *log = open_log(log_path(), SEGMENT_BYTES);
    append_some(log, 10);
    uint64_t index = next_index(0);
    strays[_i](segment_path(index));
    unsigned count = 10 + append_until_error(log, &error);
    ck_assert_int_eq(error, -EEXIST);
    ck_assert(is_there(segment_path(index)));
    remove_stray(segment_path(index));
    while (append(log, NULL) != 0)
        sleep_us(1000);
    append_some(log, 100);
    close_log(log);
    assert_records(log_path(), count + 101);
    if (strays[_i] == put_segment)
        assert_records(folder_path("other"), 10);
    end();
}
END_TEST

static void remove_segment(const char *path)
{
    ck_assert_int_eq(unlink(path), 0);
}

static void put_over(const char *path, const char *made)
{
    ck_assert_int_eq(rename(made, path), 0);
}

/* The same bytes in another file, as from a copy that was put back. */
static void replace_by_copy(const char *path)
{
    static char bytes[SEGMENT_BYTES];
    FILE *from = fopen(path, "r");
    FILE *to = fopen(folder_path("copy"), "w");
    ck_assert(from != NULL && to != NULL);
    size_t size = fread(bytes, 1, sizeof bytes, from);
    ck_assert_uint_eq(fwrite(bytes, 1, size, to), size);
    ck_assert(fclose(from) == 0 && fclose(to) == 0);
    put_over(path, folder_path("copy"));
}

static void replace_by_link(const char *path)
{
    put_link(folder_path("link"));
    put_over(path, folder_path("link"));
}

static void replace_by_segment(const char *path)
{
    ck_assert_int_eq(link(segment_path(0), folder_path("second")), 0);
    put_over(path, folder_path("second"));
}

static void (*const segment_losses[])(const char *) = {remove_segment, replace_by_copy,
                                                       replace_by_link, replace_by_segment};
#define SEGMENT_LOSS_COUNT ((int)(sizeof segment_losses / sizeof segment_losses[0]))

/* Nothing is acknowledged that is in a file without a name. */
START_TEST(prepared_segment_is_lost)
{
    int error, result;

    begin("a segment that was prepared is removed or replaced");
    struct logfile *log = open_log(log_path(), SEGMENT_BYTES);
    append_some(log, 10);
    uint64_t index = next_index(0);
    for (uint64_t lost = 1; lost < index; lost++)
        segment_losses[_i](segment_path(lost));
    unsigned count = 10 + append_until_error(log, &error);
    ck_assert_int_eq(error, LOGFILE_EFAILED);
    ck_assert_int_eq(logfile_close(log), LOGFILE_EFAILED);
    ck_assert_uint_ge(count_records(log_path(), &result), count);
    end();
}
END_TEST

/* Below the log's first segment it is in nobody's way, and stays. */
START_TEST(released_segment_is_replaced)
{
    uint64_t lsn;

    begin("a stray in the place of a released segment");
    struct logfile *log = open_log(log_path(), SEGMENT_BYTES);
    append_some(log, 300);
    ck_assert_int_eq(append(log, &lsn), 0);
    ck_assert_int_eq(logfile_trim(log, lsn), 0);
    for (uint64_t index = 0; index < 3; index++) {
        (void)unlink(segment_path(index));
        strays[_i](segment_path(index));
    }
    append_some(log, 300);
    ck_assert_int_eq(append(log, &lsn), 0);
    ck_assert_int_eq(logfile_trim(log, lsn), 0);
    close_log(log);
    make_log(log_path(), SEGMENT_BYTES, 100);
    for (uint64_t index = 0; index < 3; index++)
        ck_assert(is_there(segment_path(index)));
    assert_records(log_path(), 101);
    if (strays[_i] == put_segment)
        assert_records(folder_path("other"), 10);
    end();
}
END_TEST

/* ---- Files that have a second name ------------------------------------------------------------*/

#define ARCHIVED_COUNT 8 /* as many as are kept to be used again */

static const char *archive_path(uint64_t index)
{
    char name[16];
    snprintf(name, sizeof name, "kept.%u", (unsigned)index);
    return folder_path(name);
}

static size_t read_file(const char *path, uint8_t bytes[SEGMENT_BYTES])
{
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    size_t size = fread(bytes, 1, SEGMENT_BYTES, file);
    ck_assert_int_eq(fclose(file), 0);
    return size;
}

static uint8_t archived[ARCHIVED_COUNT][SEGMENT_BYTES];
static size_t archived_bytes[ARCHIVED_COUNT];
static int archived_fds[ARCHIVED_COUNT]; /* so that no other file gets the inode */

/* Every second one is linked. */
static void archive(unsigned i, uint64_t index)
{
    archived_bytes[i] = read_file(segment_path(index), archived[i]);
    archived_fds[i] = open(segment_path(index), O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(archived_fds[i], 0);
    ck_assert(i % 2 == 1 || link(segment_path(index), archive_path(i)) == 0);
}

/* Whether a segment from `from` on is the file that was archived. */
static bool is_used_again(unsigned i, uint64_t from)
{
    struct stat status, other;
    ck_assert_int_eq(fstat(archived_fds[i], &status), 0);
    for (uint64_t index = from; index < from + 200; index++)
        if (stat(segment_path(index), &other) == 0 && other.st_ino == status.st_ino)
            return true;
    return false;
}

/* The released segments that were not linked are used again, the others are left to whoever linked
 * them. */
START_TEST(segments_that_were_linked_are_not_recycled)
{
    static uint8_t bytes[SEGMENT_BYTES];
    unsigned used_again = 0;
    uint64_t lsn;

    begin("an archive made of links");
    struct logfile *log = open_log(log_path(), SEGMENT_BYTES);
    append_some(log, 400);
    ck_assert_int_eq(append(log, &lsn), 0);
    uint64_t top = lsn / SEGMENT_BYTES;
    for (unsigned i = 0; i < ARCHIVED_COUNT; i++)
        archive(i, top - ARCHIVED_COUNT + i);
    ck_assert_int_eq(logfile_trim(log, lsn), 0);
    append_some(log, 600);
    for (unsigned i = 0; i < ARCHIVED_COUNT; i++) {
        if (i % 2 == 1) {
            used_again += is_used_again(i, top);
            continue;
        }
        ck_assert_uint_eq(read_file(archive_path(i), bytes), archived_bytes[i]);
        ck_assert_mem_eq(bytes, archived[i], archived_bytes[i]);
        ck_assert(!is_used_again(i, top));
    }
    ck_assert_uint_gt(used_again, 0);
    for (unsigned i = 0; i < ARCHIVED_COUNT; i++)
        close(archived_fds[i]);
    close_log(log);
    assert_records(log_path(), 601);
    end();
}
END_TEST

/* A segment of this log, with the index that comes next, as from an archive. */
static void put_next_segment(uint64_t index)
{
    static uint8_t bytes[SEGMENT_BYTES];
    struct lf_file_header *header = (struct lf_file_header *)(void *)bytes;
    (void)read_file(segment_path(0), bytes);
    header->first_lsn = index * SEGMENT_BYTES + LF_FIRST_LSN;
    lf_file_header_seal(header);
    memcpy(bytes + LF_BLOCK_BYTES, bytes, LF_BLOCK_BYTES);
    memcpy(archived[0], bytes, sizeof bytes);
    FILE *file = fopen(archive_path(0), "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, sizeof bytes, file), sizeof bytes);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(link(archive_path(0), segment_path(index)), 0);
}

START_TEST(linked_segment_is_not_adopted)
{
    static uint8_t bytes[SEGMENT_BYTES];
    int error;

    begin("a segment of an archive under the next one's name");
    struct logfile *log = open_log(log_path(), SEGMENT_BYTES);
    append_some(log, 10);
    uint64_t index = next_index(0);
    put_next_segment(index);
    unsigned count = 10 + append_until_error(log, &error);
    ck_assert_int_eq(error, -EEXIST);
    ck_assert_uint_eq(read_file(archive_path(0), bytes), SEGMENT_BYTES);
    ck_assert_mem_eq(bytes, archived[0], SEGMENT_BYTES);
    remove_stray(segment_path(index));
    while (append(log, NULL) != 0)
        sleep_us(1000);
    close_log(log);
    assert_records(log_path(), count + 1);
    end();
}
END_TEST

/* ---- Files that are removed while records go into them ----------------------------------------*/

enum way_to_notice {
    BY_APPENDING,
    BY_TRIMMING,
    BY_SHUTTING_DOWN,
    WAY_COUNT
};

/* What is removed: of one file, and of segments. */
static const struct removal {
    uint64_t segment_bytes;
    const char *file; /* "": the log itself; NULL: the segment that is being filled */
} removals[] = {{0, ""}, {SEGMENT_BYTES, LF_CONTROL_NAME}, {SEGMENT_BYTES, NULL}};
#define REMOVAL_COUNT ((int)(sizeof removals / sizeof removals[0]))

static void name_in_use(const struct removal *removal, uint64_t lsn,
                        char name[LF_SEGMENT_NAME_BYTES])
{
    if (removal->file != NULL)
        snprintf(name, LF_SEGMENT_NAME_BYTES, "%s", removal->file);
    else
        lf_file_segment_name(lsn / SEGMENT_BYTES, name);
}

static void remove_in_use(const char *name)
{
    char path[LF_SEGMENT_NAME_BYTES + 8];
    snprintf(path, sizeof path, name[0] != '\0' ? "log/%s" : "log%s", name);
    ck_assert_int_eq(unlink(folder_path(path)), 0);
}

/* It may take a second, or the next segment, if that comes earlier. */
static int append_for_a_while(struct logfile *log)
{
    const uint64_t end_ns = now_ns() + UINT64_C(10000000000);
    int error = 0;
    while (error == 0 && now_ns() < end_ns) {
        sleep_us(10000);
        error = append(log, NULL);
    }
    return error;
}

static int notice(struct logfile *log, enum way_to_notice way, uint64_t lsn)
{
    if (way == BY_APPENDING)
        return append_for_a_while(log);
    return way == BY_TRIMMING ? logfile_trim(log, lsn) : logfile_shutdown(log, NULL);
}

/* Loop test: the engine, what is removed, and what notices.  From then on nothing is acknowledged. */
START_TEST(file_in_use_is_removed)
{
    static const enum logfile_engine engines[] = {LOGFILE_ENGINE_RING, LOGFILE_ENGINE_MUTEX,
                                                  LOGFILE_ENGINE_SERIAL};
    const struct removal *removal = &removals[_i / WAY_COUNT % REMOVAL_COUNT];
    char name[LF_SEGMENT_NAME_BYTES];
    struct logfile_failure failure;
    uint64_t lsn;

    begin("a file that is removed while records go into it");
    engine = engines[_i / WAY_COUNT / REMOVAL_COUNT];
    struct logfile *log = open_log(log_path(), removal->segment_bytes);
    append_some(log, 30);
    ck_assert_int_eq(append(log, &lsn), 0);
    name_in_use(removal, lsn, name);
    remove_in_use(name);
    ck_assert_int_eq(notice(log, _i % WAY_COUNT, lsn), LOGFILE_EFAILED);
    ck_assert_int_eq(logfile_failure(log, &failure, sizeof failure), 0);
    ck_assert_int_eq(failure.error, -ESTALE);
    ck_assert_str_eq(failure.file, name);
    ck_assert_int_lt(append(log, NULL), 0);
    ck_assert_int_eq(logfile_close(log), LOGFILE_EFAILED);
    end();
}
END_TEST

/* What has become full is looked at when the next segment is entered. */
START_TEST(full_segment_is_removed)
{
    struct logfile_failure failure;
    uint64_t lsn;
    int error;

    begin("a segment that is removed when it is nearly full");
    struct logfile *log = open_log(log_path(), SEGMENT_BYTES);
    append_some(log, 30);
    ck_assert_int_eq(append(log, &lsn), 0);
    ck_assert_int_eq(unlink(segment_path(lsn / SEGMENT_BYTES)), 0);
    ck_assert_uint_le(append_until_error(log, &error), SEGMENT_BYTES / 4096);
    ck_assert_int_eq(error, LOGFILE_EFAILED);
    ck_assert_int_eq(logfile_failure(log, &failure, sizeof failure), 0);
    ck_assert_int_eq(failure.error, -ESTALE);
    ck_assert_int_eq(logfile_close(log), LOGFILE_EFAILED);
    end();
}
END_TEST

static void tell_no_links(void *arg, struct io_call *call)
{
    (void)arg;
    if (call->call == LOGFILE_SIM_STAT && call->result == 0)
        ((struct logfile_io_stat *)call->out)->links = 0;
}

/* Loop test: one file, and segments.  A table that never tells of a name says nothing when it tells
 * of none. */
START_TEST(file_that_never_had_a_name_is_not_missed)
{
    uint64_t lsn;

    begin("a table that tells of no links");
    use_layer(NULL);
    layer.after = tell_no_links;
    struct logfile *log = open_log(log_path(), _i == 0 ? SEGMENT_BYTES : 0);
    append_some(log, 100);
    ck_assert_int_eq(append(log, &lsn), 0);
    sleep_us(1100 * 1000);
    append_some(log, 100);
    ck_assert_int_eq(logfile_trim(log, lsn), 0);
    close_log(log);
    assert_records(log_path(), 101);
    end();
}
END_TEST

/* ---- Other names ------------------------------------------------------------------------------*/

/* Reading comes to the end of what there is, whatever the verdict on it. */
START_TEST(far_segments_name_is_taken)
{
    const uint64_t far = 1000;
    int result;

    begin("a stray with the name of a far segment");
    make_log(log_path(), SEGMENT_BYTES, 100);
    strays[_i](segment_path(far));
    ck_assert_uint_eq(count_records(log_path(), &result), 100);
    ck_assert(result == 0 || result == LOGFILE_ECORRUPT);
    ck_assert(is_there(segment_path(far)));
    struct logfile *log;
    if (try_open(log_path(), SEGMENT_BYTES, &log) == 0) {
        append_some(log, 200);
        close_log(log);
    }
    ck_assert(is_there(segment_path(far)));
    end();
}
END_TEST

START_TEST(directory_without_control_is_named_so)
{
    struct logfile *log;

    begin("a directory without a control file");
    ck_assert_int_eq(mkdir(log_path(), 0755), 0);
    ck_assert_int_eq(try_open(log_path(), 0, &log), -EISDIR);
    ck_assert_ptr_nonnull(strstr(report.message, "no control file in it"));
    end();
}
END_TEST

static Suite *names_suite(void)
{
    Suite *suite = suite_create("names");
    TCase *tcase = tcase_create("names");
    tcase_set_timeout(tcase, 2 * SECONDS_MAX);
    tcase_add_loop_test(tcase, another_log_under_the_old_name_is_left_alone, 0, 8);
    tcase_add_loop_test(tcase, log_is_replaced_while_it_is_opened, 0, 2);
    tcase_add_test(tcase, reader_stays_with_its_directory);
    tcase_add_loop_test(tcase, log_is_replaced_while_it_is_made, 0, 4);
    tcase_add_loop_test(tcase, log_is_removed_while_it_is_made, 0, 2);
    tcase_add_loop_test(tcase, way_to_the_log_is_lost, 0, LOSS_COUNT);
    tcase_add_test(tcase, relative_path_below_what_may_not_be_searched);
    tcase_add_loop_test(tcase, next_segment_has_its_name_taken, 0, STRAY_COUNT);
    tcase_add_loop_test(tcase, prepared_segment_is_lost, 0, SEGMENT_LOSS_COUNT);
    tcase_add_loop_test(tcase, released_segment_is_replaced, 0, STRAY_COUNT);
    tcase_add_test(tcase, segments_that_were_linked_are_not_recycled);
    tcase_add_test(tcase, linked_segment_is_not_adopted);
    tcase_add_loop_test(tcase, file_in_use_is_removed, 0, 3 * REMOVAL_COUNT * WAY_COUNT);
    tcase_add_test(tcase, full_segment_is_removed);
    tcase_add_loop_test(tcase, file_that_never_had_a_name_is_not_missed, 0, 2);
    tcase_add_loop_test(tcase, far_segments_name_is_taken, 0, STRAY_COUNT);
    tcase_add_test(tcase, directory_without_control_is_named_so);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(names_suite());
}
