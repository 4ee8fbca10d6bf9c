/* SPDX-License-Identifier: MIT */
/*
 * Segments that are not where they belong: exchanged, of another log, of another index, stale, or
 * something else altogether under a segment's name.  Whatever it is, a log whose end it may hide is
 * refused by name, and nothing on disk is changed.
 */
#include "format/format.h"
#include "logfile.h"
#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SLOT_BYTES = 8 << 10,
    SEGMENT_BYTES = 48 << 10,
    RECORDS = 22,
    ENTRIES_MAX = 64
};

/* ---- Files ---- */

static const char *path_in(const char *directory, const char *name)
{
    static char paths[8][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, PATH_MAX, "%s/%s", folder_path(directory), name);
    return path;
}

static const char *segment_name(uint64_t index)
{
    static char names[8][32];
    static unsigned next;
    char *name = names[next++ % 8];

    snprintf(name, 32, "%016" PRIx64 ".segment", index);
    return name;
}

static const char *segment_path(const char *directory, uint64_t index)
{
    return path_in(directory, segment_name(index));
}

/* What a name in a directory leads to. */
struct entry {
    char name[NAME_MAX + 1];
    mode_t kind;
    uint64_t size;
    uint8_t *bytes;
};

struct picture {
    struct entry entries[ENTRIES_MAX];
    int count;
};

/* What is there now: the preparer of a log that is open makes its files longer. */
static void read_file(const char *path, struct entry *entry)
{
    FILE *file = fopen(path, "rb");

    ck_assert_ptr_nonnull(file);
    entry->bytes = malloc(entry->size + 1);
    ck_assert_ptr_nonnull(entry->bytes);
    entry->size = fread(entry->bytes, 1, entry->size, file);
    ck_assert(!ferror(file));
    fclose(file);
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

/* The preparer of a log that is open may be making a segment. */
static bool is_counted(const char *name, bool with_drafts)
{
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
           (with_drafts || strstr(name, ".new") == NULL);
}

static void take_some(const char *directory, struct picture *picture, bool with_drafts)
{
    struct dirent **names;
    const int count = scandir(folder_path(directory), &names, NULL, alphasort);

    ck_assert_int_ge(count, 2);
    *picture = (struct picture){0};
    for (int i = 0; i < count; i++) {
        if (is_counted(names[i]->d_name, with_drafts)) {
            struct entry *entry = &picture->entries[picture->count++];
            const char *path = path_in(directory, names[i]->d_name);
            struct stat status;
            ck_assert_int_lt(picture->count, ENTRIES_MAX);
            snprintf(entry->name, sizeof entry->name, "%s", names[i]->d_name);
            ck_assert_int_eq(lstat(path, &status), 0);
            entry->kind = status.st_mode & S_IFMT;
            entry->size = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
            if (S_ISREG(status.st_mode))
                read_file(path, entry);
        }
        free(names[i]);
    }
    free(names);
}

static void take_picture(const char *directory, struct picture *picture)
{
    take_some(directory, picture, true);
}

static void free_picture(struct picture *picture)
{
    for (int i = 0; i < picture->count; i++)
        free(picture->entries[i].bytes);
}

static void expect_same(const struct picture *a, const struct picture *b)
{
    ck_assert_int_eq(a->count, b->count);
    for (int i = 0; i < a->count; i++) {
        const struct entry *x = &a->entries[i], *y = &b->entries[i];
        ck_assert_str_eq(x->name, y->name);
        ck_assert_msg(x->kind == y->kind && x->size == y->size &&
                          (x->size == 0 || memcmp(x->bytes, y->bytes, x->size) == 0),
                      "%s has changed", x->name);
    }
}

static void remove_name(const char *path)
{
    struct stat status;

    if (lstat(path, &status) == 0)
        ck_assert_int_eq(S_ISDIR(status.st_mode) ? rmdir(path) : unlink(path), 0);
}

/* Makes the directory what it was. */
static void put_back(const char *directory, const struct picture *picture)
{
    struct picture now;

    take_picture(directory, &now);
    for (int i = 0; i < now.count; i++)
        remove_name(path_in(directory, now.entries[i].name));
    for (int i = 0; i < picture->count; i++)
        write_file(path_in(directory, picture->entries[i].name), picture->entries[i].bytes,
                   picture->entries[i].size);
    free_picture(&now);
}

static void copy_directory(const char *from, const char *to)
{
    struct picture picture;

    ck_assert_int_eq(mkdir(folder_path(to), 0755), 0);
    take_some(from, &picture, false);
    put_back(to, &picture);
    free_picture(&picture);
}

/* ---- Logs ---- */

static struct logfile_open_report report;

static struct logfile_options log_options(void)
{
    return (struct logfile_options){.slot_bytes = SLOT_BYTES,
                                    .segment_bytes = SEGMENT_BYTES,
                                    .prepare_bytes = 3 * SEGMENT_BYTES};
}

/* A log that was closed, and the same with its end as it is in a log that was not. */
static void make_logs(const char *closed, const char *torn)
{
    struct logfile_options options = log_options();
    struct logfile *log;

    ck_assert_int_eq(logfile_open(folder_path(closed), &options, &report, &log), 0);
    for (unsigned i = 0; i < RECORDS; i++) {
        uint64_t lsn;
        ck_assert_int_eq(logfile_append(log, "0123456789", 10, &lsn), 0);
    }
    while (access(segment_path(closed, 4), F_OK) != 0) /* the preparer makes it ahead of the log */
        usleep(1000);
    copy_directory(closed, torn);
    ck_assert_int_eq(logfile_close(log), 0);
}

static unsigned count_segments(const struct picture *picture)
{
    unsigned count = 0;

    for (int i = 0; i < picture->count; i++)
        count += strlen(picture->entries[i].name) == strlen(segment_name(0)) &&
                 strstr(picture->entries[i].name, ".segment") != NULL;
    return count;
}

/* What a crash leaves of a segment in the making: no business of an opening that is refused. */
static void leave_draft(const char *directory)
{
    write_file(path_in(directory, "00000000000000ff.segment.new"), "draft", 5);
}

/* named: what the message says. */
static void expect_refused(const char *directory, const char *named)
{
    struct logfile_options options = log_options();
    struct picture before, after;
    struct logfile *log;

    take_picture(directory, &before);
    const int error = logfile_open(folder_path(directory), &options, &report, &log);
    ck_assert_msg(error == LOGFILE_ECORRUPT, "%s: %s: %s", named, logfile_strerror(error),
                  report.message);
    ck_assert_msg(strstr(report.message, named) != NULL, "%s, not %s", report.message, named);
    take_picture(directory, &after);
    expect_same(&before, &after);
    free_picture(&before);
    free_picture(&after);
}

static void expect_opens(const char *directory, enum logfile_verdict verdict)
{
    struct logfile_options options = log_options();
    struct logfile_reader *reader;
    struct logfile_record record;
    struct logfile *log;
    unsigned count = 0;

    const int error = logfile_open(folder_path(directory), &options, &report, &log);
    ck_assert_msg(error == 0, "%s: %s", logfile_strerror(error), report.message);
    ck_assert_int_eq(report.tail.verdict, verdict);
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert_int_eq(logfile_reader_open(folder_path(directory), NULL, &reader), 0);
    while (logfile_reader_next(reader, &record) == 1)
        count++;
    ck_assert_uint_eq(count, RECORDS);
    logfile_reader_close(reader);
}

/* Loop test: a log that was closed, or one that was not. */
static const char *begin(int index, struct picture *whole)
{
    watchdog_start(300, "misplaced");
    enter_folder();
    make_logs("closed", "torn");
    const char *directory = index == 0 ? "closed" : "torn";
    take_picture(directory, whole);
    ck_assert_uint_ge(count_segments(whole), index == 0 ? 3 : 5);
    return directory;
}

/* It was what was done to it alone. */
static void end(int index, struct picture *whole)
{
    const char *directory = index == 0 ? "closed" : "torn";

    put_back(directory, whole);
    expect_opens(directory, index == 0 ? LOGFILE_CLEAN : LOGFILE_TORN);
    free_picture(whole);
    leave_folder();
    watchdog_stop();
}

/* ---- What is in a segment's place ---- */

/* Every pair, segments that are only prepared included. */
START_TEST(exchanged)
{
    struct picture whole;
    const char *directory = begin(_i, &whole);
    const unsigned count = count_segments(&whole);

    for (unsigned i = 0; i < count; i++)
        for (unsigned j = i + 1; j < count; j++) {
            const char *swap = path_in(directory, "swap");
            ck_assert_int_eq(rename(segment_path(directory, i), swap), 0);
            ck_assert_int_eq(rename(segment_path(directory, j), segment_path(directory, i)), 0);
            ck_assert_int_eq(rename(swap, segment_path(directory, j)), 0);
            leave_draft(directory);
            expect_refused(directory, segment_name(i));
            put_back(directory, &whole);
        }
    end(_i, &whole);
}
END_TEST

static void put_copy(const char *from, uint64_t from_index, const char *to, uint64_t index)
{
    struct entry entry = {0};
    struct stat status;

    ck_assert_int_eq(stat(segment_path(from, from_index), &status), 0);
    entry.size = (uint64_t)status.st_size;
    read_file(segment_path(from, from_index), &entry);
    write_file(segment_path(to, index), entry.bytes, entry.size);
    free(entry.bytes);
}

/* Another log's segment of the same number, and this log's of another one. */
START_TEST(of_another_log_or_index)
{
    struct picture whole;
    const char *directory = begin(_i, &whole);
    unsigned count = count_segments(&whole);

    make_logs("other", "other-torn");
    while (access(segment_path("other-torn", count - 1), F_OK) != 0) /* fewer were made ahead */
        count--;
    for (unsigned index = 0; index < count; index++) {
        put_copy("other-torn", index, directory, index);
        leave_draft(directory);
        expect_refused(directory, segment_name(index));
        put_back(directory, &whole);
        put_copy(directory, (index + 1) % count, directory, index);
        leave_draft(directory);
        expect_refused(directory, segment_name(index));
        put_back(directory, &whole);
    }
    end(_i, &whole);
}
END_TEST

static void make_directory(const char *path)
{
    ck_assert_int_eq(mkdir(path, 0755), 0);
}
static void make_fifo(const char *path)
{
    ck_assert_int_eq(mkfifo(path, 0644), 0);
}
static void make_link(const char *path)
{
    ck_assert_int_eq(symlink("nowhere", path), 0);
}
static void make_link_to_segment(const char *path)
{
    ck_assert_int_eq(symlink("0000000000000001.segment", path), 0);
}
static void make_empty_file(const char *path)
{
    write_file(path, "", 0);
}
static void make_zeros(const char *path)
{
    static const uint8_t zeros[SEGMENT_BYTES];
    write_file(path, zeros, sizeof zeros);
}
static void make_text(const char *path)
{
    write_file(path, "these are notes", 15);
}

static void (*const makers[])(const char *path) = {
    make_directory,  make_fifo,  make_link, make_link_to_segment,
    make_empty_file, make_zeros, make_text,
};
#define MAKER_COUNT ((int)(sizeof makers / sizeof makers[0]))

/* Loop test: times what is there. */
START_TEST(something_else)
{
    struct picture whole;
    const char *directory = begin(_i % 2, &whole);
    const unsigned count = count_segments(&whole);

    for (unsigned index = 0; index < count; index++) {
        ck_assert_int_eq(unlink(segment_path(directory, index)), 0);
        makers[_i / 2](segment_path(directory, index));
        leave_draft(directory);
        expect_refused(directory, segment_name(index));
        put_back(directory, &whole);
    }
    /* Further on, too, where no segment has been prepared. */
    makers[_i / 2](segment_path(directory, count + 3));
    expect_refused(directory, segment_name(count + 3));
    end(_i % 2, &whole);
}
END_TEST

/* Both copies of the header are damaged: only what was read in a segment says that it is that one. */
START_TEST(without_a_header)
{
    struct picture whole;
    const char *directory = begin(_i, &whole);
    const unsigned count = count_segments(&whole);

    expect_opens(directory, _i == 0 ? LOGFILE_CLEAN : LOGFILE_TORN);
    const uint64_t end_lsn = report.tail.end_lsn;
    put_back(directory, &whole);
    for (unsigned index = 0; index < count; index++) {
        const int fd = open(segment_path(directory, index), O_RDWR);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(pwrite(fd, "xxxxxxxx", 8, 100), 8);
        ck_assert_int_eq(pwrite(fd, "xxxxxxxx", 8, LF_BLOCK_BYTES + 100), 8);
        ck_assert_int_eq(close(fd), 0);
        if (index * (uint64_t)SEGMENT_BYTES + LF_FIRST_LSN >= end_lsn) {
            leave_draft(directory);
            expect_refused(directory, segment_name(index));
        } else {
            expect_opens(directory, _i == 0 ? LOGFILE_CLEAN : LOGFILE_TORN);
        }
        put_back(directory, &whole);
    }
    end(_i, &whole);
}
END_TEST

/* A segment as it was earlier: its header is right, and what came later is missed. */
START_TEST(a_stale_copy_of_itself)
{
    struct logfile_options options = log_options();
    struct picture whole;
    struct logfile *log;

    watchdog_start(300, "stale");
    enter_folder();
    ck_assert_int_eq(logfile_open(folder_path("closed"), &options, &report, &log), 0);
    for (unsigned i = 0; i < RECORDS; i++) {
        uint64_t lsn;
        char name[32];
        ck_assert_int_eq(logfile_append(log, "0123456789", 10, &lsn), 0);
        snprintf(name, sizeof name, "%u", i);
        copy_directory("closed", name);
    }
    ck_assert_int_eq(logfile_close(log), 0);
    take_picture("closed", &whole);
    const unsigned count = count_segments(&whole);
    for (unsigned i = 0; i < RECORDS; i++)
        for (unsigned index = 0; index < count; index++) {
            char name[32];
            snprintf(name, sizeof name, "%u", i);
            if (access(segment_path(name, index), F_OK) != 0)
                continue;
            put_copy(name, index, "closed", index);
            struct picture changed;
            take_picture("closed", &changed);
            const struct entry *before = &whole.entries[index];
            const struct entry *now = &changed.entries[index];
            ck_assert_str_eq(now->name, segment_name(index));
            if (before->size > now->size ||
                memcmp(before->bytes, now->bytes, before->size) != 0) /* it is stale */
                expect_refused("closed", "corrupt: LSN");
            free_picture(&changed);
            put_back("closed", &whole);
        }
    expect_opens("closed", LOGFILE_CLEAN);
    free_picture(&whole);
    leave_folder();
    watchdog_stop();
}
END_TEST

static Suite *misplaced_suite(void)
{
    Suite *suite = suite_create("misplaced segments");
    TCase *tcase = tcase_create("misplaced");

    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, exchanged, 0, 2);
    tcase_add_loop_test(tcase, of_another_log_or_index, 0, 2);
    tcase_add_loop_test(tcase, something_else, 0, 2 * MAKER_COUNT);
    tcase_add_loop_test(tcase, without_a_header, 0, 2);
    tcase_add_test(tcase, a_stale_copy_of_itself);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(misplaced_suite());
}
