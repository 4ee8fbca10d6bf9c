/* SPDX-License-Identifier: MIT */
/*
 * File systems of the running kernel that are full, or have no more files to give, or a directory
 * that may not be written to: appends are refused, nothing is lost, the log takes nothing that it
 * cannot use, and goes on when it is mended.  What needs a mount is not tried where there can be
 * none.
 */
#include "logfile.h"
#include "support.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PAYLOAD_BYTES = 4000,
    IMAGE_BYTES = 12 << 20,
    SEGMENT_BYTES = 1 << 20,
    SLOT_BYTES = 64 << 10
};

static char payload[PAYLOAD_BYTES];

/* ---- Small file systems -----------------------------------------------------------------------*/

static bool enter_namespace(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* A file system in a file, on the folder "mnt"; the kernel takes it away when this process ends. */
static bool mount_ext4(void)
{
    char command[1024];
    FILE *image = fopen(folder_path("image"), "w");

    if (image == NULL || ftruncate(fileno(image), IMAGE_BYTES) != 0 || fclose(image) != 0 ||
        mkdir(folder_path("mnt"), 0755) != 0 || !enter_namespace())
        return false;
    snprintf(
        command, sizeof command,
        "PATH=$PATH:/sbin:/usr/sbin; { mkfs.ext4 -q -O ^has_journal %s && mount -o loop %s %s; } "
        ">/dev/null 2>&1",
        folder_path("image"), folder_path("image"), folder_path("mnt"));
    return system(command) == 0;
}

static bool mount_few_inodes(void)
{
    return mkdir(folder_path("mnt"), 0755) == 0 && enter_namespace() &&
           mount("tmpfs", folder_path("mnt"), "tmpfs", 0, "size=8m,nr_inodes=8") == 0;
}

static void unmount(void)
{
    ck_assert_int_eq(umount(folder_path("mnt")), 0);
}

static uint64_t free_bytes(void)
{
    struct statvfs status;
    ck_assert_int_eq(statvfs(folder_path("mnt"), &status), 0);
    return (uint64_t)status.f_bavail * status.f_frsize;
}

/* ---- Shorthand --------------------------------------------------------------------------------*/

static void open_log(const char *path, const struct logfile_options *options, struct logfile **log)
{
    struct logfile_open_report report = {0};

    int error = logfile_open(path, options, &report, log);
    ck_assert_msg(error == 0, "%s", report.message);
}

static unsigned append_until(struct logfile *log, int expected)
{
    unsigned count = 0;
    int error;

    while ((error = logfile_append(log, payload, sizeof payload, NULL)) == 0)
        ck_assert_uint_lt(count++, 20000);
    ck_assert_msg(error == expected, "%s", logfile_strerror(error));
    return count;
}

static void append_when_mended(struct logfile *log, int refusal)
{
    uint64_t limit_ns = now_ns() + UINT64_C(60000000000);
    int error;

    while ((error = logfile_append(log, payload, sizeof payload, NULL)) == refusal) {
        ck_assert_msg(now_ns() < limit_ns, "still refused 60 s after it was mended");
        sleep_us(1000);
    }
    ck_assert_msg(error == 0, "%s", logfile_strerror(error));
}

static unsigned read_all(const char *path)
{
    struct logfile_reader *reader;
    struct logfile_record record;
    unsigned count = 0;
    int error;

    ck_assert_int_eq(logfile_reader_open(path, NULL, &reader), 0);
    while ((error = logfile_reader_next(reader, &record)) == 1)
        count++;
    ck_assert_int_eq(error, 0);
    logfile_reader_close(reader);
    return count;
}

static void not_tried(const char *what)
{
    printf("not tried, %s: %s\n", what, strerror(errno));
    leave_folder();
}

/* ---- The disk is full -------------------------------------------------------------------------*/

/* Slots of 8 MiB on a disk of 12: what a log cannot use is left to others, open or not. */
START_TEST(test_nothing_is_held_that_is_of_no_use)
{
    const struct logfile_options options = {0};
    struct logfile *log;
    uint64_t left_bytes;

    enter_folder();
    if (!mount_ext4()) {
        not_tried("a small ext4");
        return;
    }
    const char *path = folder_path("mnt/x.log");
    open_log(path, &options, &log);
    unsigned count = append_until(log, -ENOSPC);
    left_bytes = free_bytes();
    ck_assert_uint_gt(left_bytes, 7 << 20);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(logfile_append(log, payload, 1, NULL), -ENOSPC);
    ck_assert_uint_ge(free_bytes(), left_bytes);
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert_uint_ge(free_bytes(), left_bytes);
    open_log(path, &options, &log);
    ck_assert_int_eq(logfile_append(log, payload, 1, NULL), -ENOSPC);
    ck_assert_uint_ge(free_bytes(), left_bytes);
    ck_assert_uint_eq(read_all(path), count);
    ck_assert_int_eq(logfile_trim(log, logfile_durable_lsn(log)), 0);
    append_when_mended(log, -ENOSPC);
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert_int_eq(unlink(path), 0);

    int error = logfile_open(folder_path("mnt/y.log"),
                             &(struct logfile_options){.slot_bytes = 32 << 20}, NULL, &log);
    ck_assert_int_eq(error, -ENOSPC); /* what is refused leaves nothing behind */
    ck_assert_uint_ge(free_bytes(), 10 << 20);
    unmount();
    leave_folder();
}
END_TEST

/* Fills the disk in a process of its own, which dies or closes. */
static void fill_in_child(const char *path, const struct logfile_options *options, bool crash)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        struct logfile *log;
        int error = logfile_open(path, options, NULL, &log);
        while (error == 0)
            error = logfile_append(log, payload, sizeof payload, NULL);
        _exit(error != -ENOSPC || (!crash && logfile_close(log) != 0));
    }
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

/* Loop test: one file or segments, after a crash or a close.  Somebody else has taken the rest. */
START_TEST(test_opened_on_a_full_disk_to_be_trimmed)
{
    const struct logfile_options options = {.slot_bytes = SLOT_BYTES,
                                            .segment_bytes = _i / 2 == 1 ? SEGMENT_BYTES : 0};
    struct logfile *log;

    enter_folder();
    if (!mount_ext4()) {
        not_tried("a small ext4");
        return;
    }
    const char *path = folder_path("mnt/x");
    fill_in_child(path, &options, _i % 2 == 1);
    fill_file(folder_path("mnt/other"));
    open_log(path, &options, &log);
    fill_file(folder_path("mnt/another"));
    ck_assert_uint_gt(read_all(path), 2000);
    ck_assert_int_eq(logfile_trim(log, logfile_durable_lsn(log)), 0);
    append_when_mended(log, -ENOSPC);
    ck_assert_int_eq(logfile_close(log), 0);
    open_log(path, &options, &log);
    append_when_mended(log, -ENOSPC);
    ck_assert_int_eq(logfile_close(log), 0);
    unmount();
    leave_folder();
}
END_TEST

/* ---- No more files ----------------------------------------------------------------------------*/

START_TEST(test_no_inode_for_the_next_segment)
{
    const struct logfile_options options = {
        .slot_bytes = 8 << 10, .segment_bytes = 32 << 10, .prepare_bytes = 8 << 10};
    struct logfile *log;

    enter_folder();
    if (!mount_few_inodes()) {
        not_tried("a tmpfs of few files");
        return;
    }
    const char *path = folder_path("mnt/x");
    open_log(path, &options, &log);
    unsigned count = append_until(log, -ENOSPC);
    ck_assert_int_eq(logfile_close(log), 0);
    open_log(path, &options, &log);
    count += append_until(log, -ENOSPC);
    ck_assert_uint_eq(read_all(path), count);
    ck_assert_int_eq(mount(NULL, folder_path("mnt"), NULL, MS_REMOUNT, "size=8m,nr_inodes=80"), 0);
    append_when_mended(log, -ENOSPC);
    for (unsigned i = 0; i < 50; i++)
        ck_assert_int_eq(logfile_append(log, payload, sizeof payload, NULL), 0);
    ck_assert_int_eq(logfile_close(log), 0);
    unmount();
    leave_folder();
}
END_TEST

/* ---- The next segment may not be made ---------------------------------------------------------*/

/* Takes away the right to make files in the log's directory, and gives it back. */
static void set_right(const char *path, bool is_root, bool right)
{
    if (!is_root)
        ck_assert_int_eq(chmod(path, right ? 0755 : 0555), 0);
    else if (right)
        ck_assert_int_eq(setresuid(0, 0, 0), 0);
    else
        ck_assert_int_eq(setresuid(65534, 65534, 0), 0);
}

static const struct logfile_options small_segments = {
    .slot_bytes = 8 << 10, .segment_bytes = 32 << 10, .prepare_bytes = 8 << 10};

START_TEST(test_right_to_make_segments_is_lost_and_found)
{
    const bool is_root = geteuid() == 0;
    struct logfile_failure failure;
    struct logfile *log;

    ck_assert_int_eq(chmod(enter_folder(), 0755), 0);
    const char *path = folder_path("x");
    open_log(path, &small_segments, &log);
    set_right(path, is_root, false);
    unsigned count = append_until(log, -EACCES);
    ck_assert_uint_gt(count, 0);
    ck_assert_int_eq(logfile_append(log, payload, 1, NULL), -EACCES);
    ck_assert_int_eq(logfile_failure(log, &failure, sizeof failure), 0);
    ck_assert_int_eq(failure.error, 0);
    set_right(path, is_root, true);
    append_when_mended(log, -EACCES);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(logfile_append(log, payload, sizeof payload, NULL), 0);
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert_uint_eq(read_all(path), count + 21);
    leave_folder();
}
END_TEST

/* Somebody else's directory has the name of a segment that is to come. */
START_TEST(test_something_in_the_way_of_the_next_segment)
{
    struct logfile *log;

    enter_folder();
    const char *path = folder_path("x");
    const char *in_the_way = folder_path("x/0000000000000005.segment");
    open_log(path, &small_segments, &log);
    ck_assert_int_eq(mkdir(in_the_way, 0755), 0);
    unsigned count = append_until(log, -EEXIST);
    ck_assert_uint_gt(count, 5);
    ck_assert_int_eq(rmdir(in_the_way), 0);
    append_when_mended(log, -EEXIST);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(logfile_append(log, payload, sizeof payload, NULL), 0);
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert_uint_eq(read_all(path), count + 21);
    leave_folder();
}
END_TEST

static Suite *full_disk_suite(void)
{
    Suite *suite = suite_create("full_disk");
    TCase *tcase = tcase_create("full_disk");

    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, test_nothing_is_held_that_is_of_no_use);
    tcase_add_loop_test(tcase, test_opened_on_a_full_disk_to_be_trimmed, 0, 4);
    tcase_add_test(tcase, test_no_inode_for_the_next_segment);
    tcase_add_test(tcase, test_right_to_make_segments_is_lost_and_found);
    tcase_add_test(tcase, test_something_in_the_way_of_the_next_segment);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(full_disk_suite());
}
