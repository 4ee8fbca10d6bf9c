/* SPDX-License-Identifier: MIT */
/*
 * Logs on file systems of the running kernel that are not plain ext4 on plain disks: images that
 * nobody can write to, file systems that have turned read-only, O_DIRECT that goes through the page
 * cache, and devices with large logical blocks.  What is missing here says so and is passed over.
 */
#include "real_disk.h"
#include "support.h"
#include "tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/fscrypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define IMAGE WORLD_FOLDER "/image"
#define MOUNTED WORLD_FOLDER "/mounted"
#define LOGS WORLD_FOLDER "/logs"
#define COPY WORLD_FOLDER "/copy.log"
#define IMAGE_BYTES ((off_t)600 << 20) /* of which memory is taken for what is written only */

enum {
    RECORDS = 60,
    RECORD_BYTES = 3000,
    SLOT_BYTES = 16 << 10,
    SEGMENT_BYTES = 64 << 10
};

static struct mounted device;
static struct logfile_open_report report;
static struct logfile_stats stats;

/* ---- Logs ---- */

static struct logfile_options options_of(bool segments)
{
    return (struct logfile_options){.slot_bytes = SLOT_BYTES,
                                    .prepare_bytes = 128 << 10,
                                    .segment_bytes = segments ? SEGMENT_BYTES : 0};
}

static void append(struct logfile *log, unsigned from, unsigned count)
{
    uint8_t record[RECORD_BYTES];

    for (unsigned i = from; i < from + count; i++) {
        payload_fill(record, sizeof record, i);
        ck_assert_int_eq(logfile_append(log, record, sizeof record, NULL), 0);
    }
}

static struct logfile *must_open(const char *path, const struct logfile_options *options)
{
    struct logfile *log = NULL;
    int error = logfile_open(path, options, &report, &log);

    ck_assert_msg(error == 0, "%d: %s", error, report.message);
    ck_assert_int_eq(logfile_stats(log, &stats, sizeof stats), 0);
    return log;
}

/* closed: else as a process leaves it that ends with the log open. */
static void make_log(const char *path, bool segments, bool closed)
{
    struct logfile_options options = options_of(segments);
    int status;
    pid_t child = fork();

    if (child == 0) {
        struct logfile *log = must_open(path, &options);
        append(log, 0, RECORDS);
        _exit(closed && logfile_close(log) != 0 ? 1 : 0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

/* What the last call returned. */
static int read_records(const char *path, unsigned *count, struct logfile_tail *tail)
{
    struct logfile_reader *reader;
    struct logfile_record record;
    int found = logfile_reader_open(path, NULL, &reader);

    *count = 0;
    ck_assert_msg(found == 0, "%s: %d", path, found);
    while ((found = logfile_reader_next(reader, &record)) == 1) {
        ck_assert(payload_matches(record.data, record.size, *count));
        ++*count;
    }
    if (found == 0)
        found = logfile_reader_tail(reader, tail, sizeof *tail);
    logfile_reader_close(reader);
    return found;
}

static void assert_reads(const char *path, unsigned expected, enum logfile_verdict verdict)
{
    struct logfile_tail tail;
    unsigned count;
    int error = read_records(path, &count, &tail);

    ck_assert_msg(error == 0, "%s: %d after %u records", path, error, count);
    ck_assert_uint_eq(count, expected);
    ck_assert_int_eq(tail.verdict, verdict);
}

/* The last epoch may not be on the disk, as no later one promises it. */
static void assert_reads_what_is_promised(const char *path)
{
    struct logfile_tail tail;
    unsigned count;

    ck_assert_int_eq(read_records(path, &count, &tail), -EROFS);
    ck_assert_uint_eq(count, RECORDS - 1);
}

/* A log works there: made, appended to, read, trimmed, opened again. */
static void assert_works(const char *path, bool segments, enum logfile_io_mode io_mode)
{
    struct logfile_options options = options_of(segments);
    struct logfile *log = must_open(path, &options);

    ck_assert_int_eq(stats.io_mode, io_mode);
    append(log, 0, RECORDS);
    assert_reads(path, RECORDS, LOGFILE_LIVE);
    ck_assert_int_eq(logfile_close(log), 0);
    log = must_open(path, &options);
    ck_assert_int_eq(stats.io_mode, io_mode);
    append(log, RECORDS, RECORDS);
    ck_assert_int_eq(logfile_close(log), 0);
    assert_reads(path, 2 * RECORDS, LOGFILE_CLEAN);
    log = must_open(path, &options);
    ck_assert_int_eq(logfile_trim(log, logfile_durable_lsn(log)), 0);
    ck_assert_int_eq(logfile_close(log), 0);
}

static void assert_direct_is_refused(const char *path, const char *why)
{
    struct logfile_options options = options_of(false);
    struct logfile *log;

    options.io_mode = LOGFILE_IO_DIRECT;
    ck_assert_int_eq(logfile_open(path, &options, &report, &log), -EINVAL);
    ck_assert_ptr_nonnull(strstr(report.message, "direct I/O"));
    ck_assert_msg(strstr(report.message, why) != NULL, "no '%s' in: %s", why, report.message);
    ck_assert_int_eq(access(path, F_OK), -1);
}

/* ---- File systems ---- */

static void make_folder(const char *path)
{
    ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
}

static void make_image(void)
{
    int fd = open(IMAGE, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, IMAGE_BYTES), 0);
    close(fd);
    make_folder(MOUNTED);
}

/* Mounts what is on the image. */
static bool mount_image(const char *file_system, unsigned long flags, const char *data)
{
    return mount(device.device, MOUNTED, file_system, flags, data) == 0;
}

static void unmount(void)
{
    ck_assert_msg(umount(MOUNTED) == 0, "umount: %s", strerror(errno));
    close(device.loop_fd);
}

/* Makes and mounts a file system; the last argument of the command is left for the device.  False,
 * having said so, where that cannot be done here. */
static bool have(const char *file_system, char **command, unsigned block_bytes, const char *data)
{
    unsigned last = 0;

    if (!kernel_knows(file_system, command[0]))
        return false;
    make_image();
    if (!loop_attach(IMAGE, block_bytes, &device)) {
        printf("no %s with blocks of %u bytes here: no such loop device\n", file_system,
               block_bytes);
        return false;
    }
    while (command[last] != NULL)
        last++;
    command[last] = device.device;
    bool made = run_program(command, false) == 0;
    if (made && mount_image(file_system, 0, data))
        return true;
    printf("no %s here: it cannot be %s\n", file_system, made ? "mounted" : "made");
    close(device.loop_fd);
    return false;
}

#define COMMAND(...) ((char *[]){__VA_ARGS__, NULL, NULL})
#define EXT4(...)                                                                                  \
    COMMAND((char[]){"mkfs.ext4"}, (char[]){"-q"}, (char[]){"-F"}, (char[]){"-b"},                 \
            (char[]){"4096"}, __VA_ARGS__)

/* ---- Read-only media ---- */

static void salvage(const char *path)
{
    const struct lf_tool_salvage what = {
        .from = logfile_io_posix(), .path = path, .to = logfile_io_posix(), .output = COPY};
    FILE *nowhere = fopen("/dev/null", "w");

    unlink(COPY);
    ck_assert_int_eq(lf_tool_salvage_log(&what, nowhere), LF_TOOL_OK);
    fclose(nowhere);
    assert_reads(COPY, RECORDS, LOGFILE_CLEAN);
}

static void verify(const char *path, int expected)
{
    FILE *nowhere = fopen("/dev/null", "w");

    ck_assert_int_eq(lf_tool_verify_log(logfile_io_posix(), path, nowhere), expected);
    fclose(nowhere);
}

static void assert_append_is_refused(const char *path, bool segments)
{
    struct logfile_options options = options_of(segments);
    struct logfile *log;

    ck_assert_int_eq(logfile_open(path, &options, &report, &log), -EROFS);
    ck_assert_msg(strstr(report.message, "Read-only file system") != NULL, "%s", report.message);
}

static void make_logs(const char *folder)
{
    char path[128];

    make_folder(folder);
    for (unsigned i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%u.log", folder, i);
        make_log(path, i % 2 != 0, i / 2 == 0);
    }
}

static void assert_logs_are_read(const char *folder, bool has_stopped)
{
    char path[128];

    for (unsigned i = 0; i < 4; i++) {
        bool clean = i / 2 == 0;
        snprintf(path, sizeof path, "%s/%u.log", folder, i);
        if (has_stopped && !clean)
            assert_reads_what_is_promised(path);
        else
            assert_reads(path, RECORDS, clean ? LOGFILE_CLEAN : LOGFILE_TORN);
        verify(path, clean ? LF_TOOL_OK : LF_TOOL_TORN);
        salvage(path);
        assert_append_is_refused(path, i % 2 != 0);
        snprintf(path, sizeof path, "%s/new.log", folder);
        assert_append_is_refused(path, i % 2 != 0);
    }
}

static void read_from_image(const char *file_system, char **command)
{
    if (!kernel_knows(file_system, command[0]))
        return;
    run_program(COMMAND((char[]){"rm"}, (char[]){"-rf"}, (char[]){LOGS}), true);
    make_logs(LOGS);
    unlink(IMAGE);
    make_folder(MOUNTED);
    ck_assert_int_eq(run_program(command, true), 0);
    ck_assert(loop_attach(IMAGE, 512, &device));
    ck_assert_msg(mount_image(file_system, MS_RDONLY, NULL), "mount: %s", strerror(errno));
    assert_logs_are_read(MOUNTED, false);
    unmount();
}

START_TEST(logs_on_squashfs_are_read)
{
    read_from_image("squashfs", COMMAND((char[]){"mksquashfs"}, (char[]){LOGS}, (char[]){IMAGE},
                                        (char[]){"-quiet"}, (char[]){"-no-progress"}));
}
END_TEST

START_TEST(logs_on_erofs_are_read)
{
    read_from_image("erofs", COMMAND((char[]){"mkfs.erofs"}, (char[]){IMAGE}, (char[]){LOGS}));
}
END_TEST

START_TEST(logs_on_a_read_only_mount_are_read)
{
    if (!have("ext4", EXT4((char[]){"-O"}, (char[]){"^resize_inode"}), 512, NULL))
        return;
    make_logs(MOUNTED "/logs");
    ck_assert_int_eq(mount(NULL, MOUNTED, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    assert_logs_are_read(MOUNTED "/logs", false);
    unmount();
}
END_TEST

/* It says so itself when a sync is asked for. */
START_TEST(logs_on_a_file_system_that_has_stopped_are_read)
{
    if (!have("ext4", EXT4((char[]){"-O"}, (char[]){"^resize_inode"}), 512, NULL))
        return;
    make_logs(MOUNTED "/logs");
    ck_assert_int_eq(mount(NULL, MOUNTED, NULL, MS_REMOUNT, "abort"), 0);
    assert_logs_are_read(MOUNTED "/logs", true);
    unmount();
}
END_TEST

/* A mount that is read-only of a file system that a log is being written to. */
START_TEST(log_is_followed_through_a_read_only_mount)
{
    struct logfile_options options = options_of(_i % 2 != 0);
    const char *path = LOGS "/live.log";

    make_folder(LOGS);
    make_folder(MOUNTED);
    struct logfile *log = must_open(path, &options);
    ck_assert_int_eq(mount(LOGS, MOUNTED, NULL, MS_BIND, NULL), 0);
    ck_assert_int_eq(mount(NULL, MOUNTED, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
    append(log, 0, RECORDS);
    assert_reads(MOUNTED "/live.log", RECORDS, LOGFILE_LIVE);
    ck_assert_int_eq(logfile_close(log), 0);
    assert_reads(MOUNTED "/live.log", RECORDS, LOGFILE_CLEAN);
    ck_assert_int_eq(umount(MOUNTED), 0);
    unlink(path);
}
END_TEST

/* ---- Direct or not ---- */

static bool kernel_says_of_direct(void)
{
    const struct logfile_io *io = logfile_io_posix();
    struct logfile_io_facts facts = {0};
    int fd = open(MOUNTED "/asked", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(io->facts(io->context, fd, &facts), 0);
    close(fd);
    unlink(MOUNTED "/asked");
    if (facts.direct == LOGFILE_IO_DIRECT_UNKNOWN)
        printf("the kernel does not say what becomes of O_DIRECT here\n");
    return facts.direct != LOGFILE_IO_DIRECT_UNKNOWN;
}

START_TEST(direct_is_direct_on_ext4_and_xfs)
{
    char **commands[] = {
        COMMAND((char[]){"mkfs.ext4"}, (char[]){"-q"}, (char[]){"-F"}),
        COMMAND((char[]){"mkfs.xfs"}, (char[]){"-q"}, (char[]){"-f"}),
    };
    const char *name = file_system_names[_i / 2];
    if (!have(name, commands[_i / 2], 512, NULL))
        return;
    if (kernel_says_of_direct()) {
        assert_works(MOUNTED "/a.log", _i % 2 != 0, LOGFILE_IO_DIRECT);
        ck_assert_str_eq(stats.fs_name, name);
        ck_assert_uint_eq(stats.direct_align, 512);
    }
    unmount();
}
END_TEST

START_TEST(journalled_data_are_not_direct)
{
    if (!have("ext4", EXT4((char[]){"-O"}, (char[]){"^resize_inode"}), 512, "data=journal"))
        return;
    assert_works(MOUNTED "/a.log", _i % 2 != 0, LOGFILE_IO_BUFFERED);
    if (kernel_says_of_direct())
        assert_direct_is_refused(MOUNTED "/b.log", "page cache");
    unmount();
}
END_TEST

static bool encrypt(const char *folder)
{
    _Alignas(8) uint8_t memory[sizeof(struct fscrypt_add_key_arg) + 64] = {0}; /* the key follows */
    struct fscrypt_add_key_arg *key = (void *)memory;
    struct fscrypt_policy_v2 policy = {.version = FSCRYPT_POLICY_V2,
                                       .contents_encryption_mode = FSCRYPT_MODE_AES_256_XTS,
                                       .filenames_encryption_mode = FSCRYPT_MODE_AES_256_CTS};
    key->key_spec.type = FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER;
    key->raw_size = 64;
    int root = open(MOUNTED, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    bool done = ioctl(root, FS_IOC_ADD_ENCRYPTION_KEY, key) == 0;
    memcpy(policy.master_key_identifier, key->key_spec.u.identifier,
           sizeof policy.master_key_identifier);
    done = done && ioctl(fd, FS_IOC_SET_ENCRYPTION_POLICY, &policy) == 0;
    close(root);
    close(fd);
    return done;
}

START_TEST(encrypted_files_are_not_direct)
{
    if (!have("ext4", EXT4((char[]){"-O"}, (char[]){"encrypt"}), 512, NULL))
        return;
    make_folder(MOUNTED "/secret");
    if (encrypt(MOUNTED "/secret")) {
        assert_works(MOUNTED "/secret/a.log", _i % 2 != 0, LOGFILE_IO_BUFFERED);
        if (kernel_says_of_direct()) {
            assert_direct_is_refused(MOUNTED "/secret/b.log", "page cache");
            assert_works(MOUNTED "/a.log", _i % 2 != 0, LOGFILE_IO_DIRECT);
        }
    } else {
        printf("nothing is encrypted here: %s\n", strerror(errno));
    }
    unmount();
}
END_TEST

/* chattr +j on the log's directory: segments that are made from then on go through the journal. */
START_TEST(segments_that_inherit_a_journal_end_direct)
{
    struct logfile_options options = options_of(true);
    int flags = 0;

    if (!have("ext4", EXT4((char[]){"-O"}, (char[]){"^resize_inode"}), 512, NULL))
        return;
    struct logfile *log = must_open(MOUNTED "/a.log", &options);
    bool was_direct = stats.io_mode == LOGFILE_IO_DIRECT;
    int fd = open(MOUNTED "/a.log", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_eq(ioctl(fd, FS_IOC_GETFLAGS, &flags), 0);
    flags |= FS_JOURNAL_DATA_FL;
    if (ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0 && was_direct) {
        append(log, 0, 4 * RECORDS);
        ck_assert_int_eq(logfile_stats(log, &stats, sizeof stats), 0);
        ck_assert_int_eq(stats.io_mode, LOGFILE_IO_BUFFERED);
        ck_assert_uint_eq(stats.o_direct, 1);
    }
    close(fd);
    ck_assert_int_eq(logfile_close(log), 0);
    unmount();
}
END_TEST

/* These take O_DIRECT, say nothing of it, and go through the page cache. */
START_TEST(btrfs_and_tmpfs_are_not_called_direct)
{
    assert_works(WORLD_FOLDER "/memory.log", false, LOGFILE_IO_BUFFERED);
    unlink(WORLD_FOLDER "/memory.log");
    if (!have("btrfs", COMMAND((char[]){"mkfs.btrfs"}, (char[]){"-q"}, (char[]){"-f"}), 512, NULL))
        return;
    if (!kernel_says_of_direct())
        assert_works(MOUNTED "/a.log", false, LOGFILE_IO_BUFFERED);
    unmount();
}
END_TEST

START_TEST(logs_work_on_large_blocks)
{
    static const unsigned sizes[] = {4096, 8192, 16384, 32768};
    unsigned bytes = sizes[_i / 2];
    char text[32];

    snprintf(text, sizeof text, "size=%u", bytes);
    if (!have("xfs",
              COMMAND((char[]){"mkfs.xfs"}, (char[]){"-q"}, (char[]){"-f"}, (char[]){"-K"},
                      (char[]){"-b"}, text, (char[]){"-s"}, text),
              bytes, NULL))
        return;
    bool direct = bytes <= 4096 && kernel_says_of_direct();
    assert_works(MOUNTED "/a.log", _i % 2 != 0, direct ? LOGFILE_IO_DIRECT : LOGFILE_IO_BUFFERED);
    if (bytes > 4096 && kernel_says_of_direct()) {
        assert_direct_is_refused(MOUNTED "/b.log", text + strlen("size="));
        ck_assert_uint_eq(stats.direct_align, bytes);
    }
    unmount();
}
END_TEST

/* ---- The suite ---- */

static int run_tests(void)
{
    Suite *suite = suite_create("media");
    TCase *tcase = tcase_create("media");

    tcase_set_timeout(tcase, (double)scaled(200, 200, 3600));
    tcase_add_test(tcase, logs_on_squashfs_are_read);
    tcase_add_test(tcase, logs_on_erofs_are_read);
    tcase_add_test(tcase, logs_on_a_read_only_mount_are_read);
    tcase_add_test(tcase, logs_on_a_file_system_that_has_stopped_are_read);
    tcase_add_loop_test(tcase, log_is_followed_through_a_read_only_mount, 0, 2);
    tcase_add_loop_test(tcase, direct_is_direct_on_ext4_and_xfs, 0, 4);
    tcase_add_loop_test(tcase, journalled_data_are_not_direct, 0, 2);
    tcase_add_loop_test(tcase, encrypted_files_are_not_direct, 0, 2);
    tcase_add_test(tcase, segments_that_inherit_a_journal_end_direct);
    tcase_add_test(tcase, btrfs_and_tmpfs_are_not_called_direct);
    tcase_add_loop_test(tcase, logs_work_on_large_blocks, 0, 8);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}

int main(void)
{
    return in_world_apart(run_tests);
}
