/* SPDX-License-Identifier: MIT */
/* What messages say: names of any bytes as one line, and the system's own words for its errors. */
#include "storage/message.h"
#include "io_stack.h"
#include "support.h"

#include <check.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SKIPPED 77

static void setup(void)
{
    enter_folder();
}

static void teardown(void)
{
    leave_folder();
}

/* ---- Names ------------------------------------------------------------------------------------*/

static const struct {
    const char *name, *shown;
} names[] = {
    {"", ""},
    {"plain/log", "plain/log"},
    {"two\nlines", "two\\nlines"},
    {"a\\nb", "a\\\\nb"},
    {"\x1b[2J\t\r\x7f", "\\x1b[2J\\x09\\x0d\\x7f"},
    {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
    {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
    {"\xff\xfe", "\\xff\\xfe"},
    {"\xc3", "\\xc3"},                   /* cut off */
    {"\xc0\x8a", "\\xc0\\x8a"},          /* a newline that is too long */
    {"\xed\xa0\x80", "\\xed\\xa0\\x80"}, /* half a pair */
    {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
    {"\xc2\x85", "\\xc2\\x85"}, /* "next line" */
    {"\xc2\x9b"
     "31m",
     "\\xc2\\x9b"
     "31m"},                             /* what terminals take for ESC [ */
    {"\xe2\x80\xa8", "\\xe2\\x80\\xa8"}, /* a line separator */
    {"\xe2\x80\xa6", "\xe2\x80\xa6"},
};

START_TEST(names_are_one_line)
{
    char shown[64];

    ck_assert_ptr_eq(lf_message_name(names[_i].name, shown, sizeof shown), shown);
    ck_assert_str_eq(shown, names[_i].shown);
}
END_TEST

START_TEST(long_names_keep_their_end)
{
    char name[300], shown[40];

    for (size_t length = 0; length < sizeof name; length++) {
        memset(name, '\n', length);
        name[length] = '\0';
        if (length > 4)
            memcpy(name + length - 4, "/log", 4);
        lf_message_name(name, shown, sizeof shown);
        ck_assert_uint_lt(strlen(shown), sizeof shown);
        if (length <= 4)
            continue;
        ck_assert_str_eq(shown + strlen(shown) - 4, "/log");
        size_t whole = 2 * (length - 4) + 4;
        ck_assert_int_eq(strncmp(shown, "...", 3) == 0, whole >= sizeof shown);
        ck_assert_uint_ge(strlen(shown), whole < sizeof shown ? whole : sizeof shown - 2);
    }
}
END_TEST

/* ---- Errors of the device ---------------------------------------------------------------------*/

static const int device_errors[] = {
    ETIMEDOUT, ENOSYS,  EBUSY,     EAGAIN, EISDIR, ELOOP, ESPIPE,
    EIO,       ENOTSUP, EREMOTEIO, EINVAL, ENOENT, 524 /* ENOTSUPP */};
#define DEVICE_ERROR_COUNT (sizeof device_errors / sizeof device_errors[0])

/* Those of the system, or the number. */
static const char *words_for(int error)
{
    static char number[32];

    snprintf(number, sizeof number, "system error %d", error);
    return strerrordesc_np(error) != NULL ? strerrordesc_np(error) : number;
}

static void make_log(void)
{
    struct logfile *log;

    ck_assert_int_eq(logfile_open(folder_path("log"), NULL, NULL, &log), 0);
    ck_assert_int_eq(logfile_append(log, "x", 1, NULL), 0);
    ck_assert_int_eq(logfile_close(log), 0);
}

START_TEST(failing_read_is_named_as_the_system_does)
{
    const struct logfile_sim_fault fault = {
        .call = LOGFILE_SIM_READ, .for_ever = true, .error = -device_errors[_i]};
    struct io_layer layer;
    struct logfile_open_report report = {0};
    struct logfile_options options = {.io = &layer.io, .io_mode = LOGFILE_IO_BUFFERED};
    struct logfile_reader *reader;
    struct logfile_record record;
    struct logfile *log;

    make_log();
    io_layer_init(&layer, logfile_io_posix());
    ck_assert_int_eq(logfile_reader_open(folder_path("log"), READING(.io = &layer.io), &reader), 0);
    io_layer_fault(&layer, &fault);
    ck_assert_int_eq(logfile_reader_next(reader, &record), fault.error);
    logfile_reader_close(reader);
    ck_assert_int_eq(logfile_open(folder_path("log"), &options, &report, &log), fault.error);
    ck_assert_msg(strstr(report.message, words_for(-fault.error)) != NULL, "%d: %s", fault.error,
                  report.message);
}
END_TEST

/* From now on the system call fails with that error. */
static bool forbid(int number, int error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* Exits 0: the message is right; SKIPPED: the kernel filters no calls; else prints it. */
static void open_without(int number, int error)
{
    struct logfile_open_report report = {0};
    struct logfile_options options = {0};
    struct logfile *log;

    if (!forbid(number, error))
        _exit(SKIPPED);
    int result = logfile_open(folder_path("log"), &options, &report, &log);
    if (result == -error && strstr(report.message, words_for(error)) != NULL)
        _exit(0);
    printf("error %d: %d, %s\n", error, result, report.message);
    fflush(stdout);
    _exit(1);
}

/* The kernel's own answers to the log's syncs, where no table of the caller's is in between. */
START_TEST(failing_sync_is_named_as_the_system_does)
{
    int error = device_errors[_i];
    int status;

    make_log();
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        open_without(SYS_fdatasync, error);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    if (WEXITSTATUS(status) == SKIPPED)
        printf("not tried: the kernel filters no system calls\n");
    else
        ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

/* ---- Paths ------------------------------------------------------------------------------------*/

static const char *message_of(const char *path, int expected)
{
    static struct logfile_open_report report;
    struct logfile_options options = {0};
    struct logfile *log;

    ck_assert_int_eq(logfile_open(path, &options, &report, &log), expected);
    return report.message;
}

static void check_message(const char *path, int expected, const char *words)
{
    const char *message = message_of(path, expected);

    ck_assert_msg(strstr(message, words) != NULL, "no '%s' in: %s", words, message);
}

START_TEST(paths_are_called_what_they_are)
{
    make_log();
    ck_assert_int_eq(symlink("log", folder_path("link")), 0);
    ck_assert_int_eq(symlink("circle", folder_path("circle")), 0);
    ck_assert_int_eq(mkdir(folder_path("empty"), 0700), 0);
    ck_assert_int_eq(mkdir(folder_path("linked"), 0700), 0);
    ck_assert_int_eq(symlink("../log", folder_path("linked/control")), 0);
    ck_assert_int_eq(mkfifo(folder_path("fifo"), 0600), 0);
    check_message(folder_path("link"), -ELOOP, "link: is a symbolic link");
    check_message(folder_path("circle"), -ELOOP, "circle: is a symbolic link");
    check_message(folder_path("circle/log"), -ELOOP, "log: Too many levels of symbolic links");
    check_message(folder_path("empty"), -EISDIR, "empty: is a directory with no control file");
    check_message(folder_path("linked"), -ELOOP, "linked: its control file is a symbolic link");
    check_message(folder_path("fifo"), -ESPIPE, "fifo: is not a regular file");
    check_message(folder_path("none/log"), -ENOENT, "No such file");
    check_message(folder_path("log/log"), -ENOTDIR, "log: Not a directory");
}
END_TEST

START_TEST(message_is_one_line_with_the_end_of_the_path)
{
    char name[PATH_MAX];

    snprintf(name, sizeof name, "%s/%0200d\nlogfile: forged: clean/log", folder_path("none"), 0);
    const char *message = message_of(name, -ENOENT);
    ck_assert_ptr_null(strchr(message, '\n'));
    ck_assert_msg(
        strstr(message, "\\nlogfile: forged: clean/log: open of its directory: No such") != NULL,
        "%s", message);
    ck_assert_int_eq(strncmp(message, "...", 3), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("message");
    TCase *tests = tcase_create("message");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, names_are_one_line, 0, (int)(sizeof names / sizeof names[0]));
    tcase_add_test(tests, long_names_keep_their_end);
    tcase_add_loop_test(tests, failing_read_is_named_as_the_system_does, 0, DEVICE_ERROR_COUNT);
    tcase_add_loop_test(tests, failing_sync_is_named_as_the_system_does, 0, DEVICE_ERROR_COUNT);
    tcase_add_test(tests, paths_are_called_what_they_are);
    tcase_add_test(tests, message_is_one_line_with_the_end_of_the_path);
    suite_add_tcase(suite, tests);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
