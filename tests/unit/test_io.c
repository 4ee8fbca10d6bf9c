/* SPDX-License-Identifier: MIT */
/* The table of system calls, and the loops around short counts. */
#include "storage/io.h"
#include "paths.h"
#include "support.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK ((size_t)LOGFILE_IO_BLOCK)
#define WRITE LOGFILE_IO_OPEN_WRITE
#define CREATE (LOGFILE_IO_OPEN_WRITE | LOGFILE_IO_OPEN_CREATE)
#define DIRECT LOGFILE_IO_OPEN_DIRECT

static const struct logfile_io *io;
static const char *path;

/* A file in memory, every call on which is scripted. */
#define SCRIPT_BYTES (4 * BLOCK)
#define SCRIPT_MAX 8

static struct {
    ssize_t answers[SCRIPT_MAX]; /* greatest count of each call, or its error; 0 ends the script */
    unsigned call_count;
    uint64_t offsets[SCRIPT_MAX];
    bool direct; /* refuse transfers that do not start at a block */
    size_t file_bytes;
    uint8_t file[SCRIPT_BYTES];
} script;

/* ---- A kernel that refuses: these take the place of the C library's ---------------------------*/

static int renameat2_errno;
static int fcntl_errno;
static int fcntl_refused; /* the command */

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    if (renameat2_errno == 0)
        return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
    errno = renameat2_errno;
    return -1;
}

int fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (fcntl_errno == 0 || command != fcntl_refused)
        return (int)syscall(SYS_fcntl, fd, command, argument);
    errno = fcntl_errno;
    return -1;
}

/* ---- A kernel that tells what it was asked: these too -----------------------------------------*/

static unsigned sync_count;        /* of files */
static unsigned folder_sync_count; /* of what fsync is used for */
static int write_flags;            /* of the last write */
static unsigned interrupt_count;   /* calls that a signal is going to interrupt */

static bool is_interrupted(void)
{
    if (interrupt_count == 0)
        return false;
    interrupt_count--;
    errno = EINTR;
    return true;
}

static bool has_ticks; /* a signal comes before any such call could be done */

static bool is_starved(void)
{
    sigset_t blocked;
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &blocked), 0);
    if (!has_ticks || sigismember(&blocked, SIGPROF))
        return false;
    errno = EINTR;
    return true;
}

int fdatasync(int fd)
{
    sync_count++;
    return is_interrupted() || is_starved() ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    folder_sync_count++;
    return is_interrupted() || is_starved() ? -1 : (int)syscall(SYS_fsync, fd);
}

ssize_t pwritev2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
    write_flags = flags;
    return is_interrupted() ? -1 : syscall(SYS_pwritev2, fd, iov, count, offset, 0, flags);
}

int fallocate(int fd, int how, off_t offset, off_t bytes)
{
    return is_starved() ? -1 : (int)syscall(SYS_fallocate, fd, how, offset, bytes);
}

int ftruncate(int fd, off_t bytes)
{
    return is_starved() ? -1 : (int)syscall(SYS_ftruncate, fd, bytes);
}

static void refuse_fcntl(int command, int error)
{
    fcntl_refused = command;
    fcntl_errno = error;
}

static void setup(void)
{
    renameat2_errno = 0;
    fcntl_errno = 0;
    sync_count = 0;
    folder_sync_count = 0;
    interrupt_count = 0;
    has_ticks = false;
    memset(&script, 0, sizeof script);
    io = logfile_io_posix();
    enter_folder();
    path = folder_path("file");
}

static int open_file(unsigned flags)
{
    int fd = io->open(io->context, LOGFILE_IO_HERE, path, flags, 0644);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static void close_file(int fd)
{
    ck_assert_int_eq(io->close(io->context, fd), 0);
}

static void make_file(void)
{
    close_file(open_file(CREATE));
}

static int try_open(const char *name, unsigned flags)
{
    return io->open(io->context, LOGFILE_IO_HERE, name, flags, 0644);
}

/* ---- open -------------------------------------------------------------------------------------*/

START_TEST(open_creates_only_what_is_not_there)
{
    ck_assert_int_eq(try_open(path, WRITE), -ENOENT);
    make_file();
    ck_assert_int_eq(try_open(path, CREATE), -EEXIST);
    close_file(open_file(WRITE));
    close_file(open_file(0));
}
END_TEST

START_TEST(open_applies_the_umask)
{
    struct stat status;
    umask(027);
    int fd = io->open(io->context, LOGFILE_IO_HERE, path, CREATE, 0666);
    ck_assert_int_ge(fd, 0);
    close_file(fd);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0640);
}
END_TEST

START_TEST(open_follows_no_symbolic_link)
{
    const char *link_path = folder_path("link");
    ck_assert_int_eq(symlink(path, link_path), 0);
    ck_assert_int_eq(try_open(link_path, WRITE), -ELOOP);
    ck_assert_int_eq(try_open(link_path, CREATE), -EEXIST);
    make_file();
    ck_assert_int_eq(try_open(link_path, WRITE), -ELOOP);
    ck_assert_int_eq(try_open(link_path, 0), -ELOOP);
}
END_TEST

static void make_socket(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char previous[PATH_MAX];
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    /* A socket's address is short; the folder's name may be long. */
    ck_assert_ptr_nonnull(getcwd(previous, sizeof previous));
    ck_assert_int_eq(chdir(folder_path("")), 0);
    strcpy(address.sun_path, name);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(chdir(previous), 0);
    close(fd);
}

/* Neither end of the FIFO is open: an open that waits would hang here. */
START_TEST(open_refuses_what_is_no_file)
{
    ck_assert_int_eq(mkfifo(folder_path("fifo"), 0600), 0);
    make_socket("socket");
    static const unsigned flags[] = {WRITE, 0, WRITE | DIRECT, DIRECT};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        ck_assert_int_eq(try_open(folder_path("fifo"), flags[i]), -ESPIPE);
        ck_assert_int_eq(try_open(folder_path("socket"), flags[i]), -ESPIPE);
        ck_assert_int_eq(try_open("/dev/null", flags[i]), -ESPIPE);
    }
}
END_TEST

START_TEST(open_tells_a_directory)
{
    struct logfile_io_stat status;
    ck_assert_int_eq(try_open(folder_path(""), WRITE), -EISDIR);
    int fd = try_open(folder_path(""), 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(io->stat(io->context, fd, &status), 0);
    ck_assert_int_eq(status.kind, LOGFILE_IO_DIRECTORY);
    close_file(fd);
    ck_assert_int_eq(try_open(folder_path(""), DIRECT), -EISDIR);
}
END_TEST

/* What prints must never print into a log. */
START_TEST(open_leaves_standard_descriptors_alone)
{
    int saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
    close(STDIN_FILENO);
    int created = try_open(path, CREATE);
    int opened = try_open(path, WRITE);
    bool stdin_is_free = fcntl(STDIN_FILENO, F_GETFD) < 0;
    if (saved >= 0)
        dup2(saved, STDIN_FILENO);
    ck_assert_int_gt(created, STDERR_FILENO);
    ck_assert_int_gt(opened, STDERR_FILENO);
    ck_assert(stdin_is_free);
    ck_assert_int_ne(fcntl(created, F_GETFD) & FD_CLOEXEC, 0);
    close_file(created);
    close_file(opened);
}
END_TEST

START_TEST(open_sets_the_flags_that_matter)
{
    int fd = open_file(CREATE);
    int flags = fcntl(fd, F_GETFL);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_eq(flags & (O_NONBLOCK | O_DIRECT | O_APPEND), 0);
    ck_assert_int_eq(flags & O_ACCMODE, O_RDWR);
    close_file(fd);
    fd = open_file(0);
    ck_assert_int_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    close_file(fd);
    fd = try_open(path, WRITE | DIRECT);
    if (fd != -EINVAL) {
        ck_assert_int_ge(fd, 0);
        ck_assert_int_ne(fcntl(fd, F_GETFL) & O_DIRECT, 0);
        close_file(fd);
    }
}
END_TEST

/* The kernel learns only when the file is there that O_DIRECT cannot be had, or no descriptor. */
START_TEST(open_that_fails_leaves_nothing)
{
    static const struct {
        unsigned flags;
        int command;
        int error;
    } cases[] = {{CREATE | DIRECT, F_SETFL, EINVAL}, {CREATE, F_DUPFD_CLOEXEC, EMFILE}};
    int saved = dup(STDIN_FILENO);
    close(STDIN_FILENO);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        refuse_fcntl(cases[i].command, cases[i].error);
        ck_assert_int_eq(try_open(path, cases[i].flags), -cases[i].error);
        ck_assert_int_eq(folder_entry_count(), 0);
        fcntl_errno = 0;
        ck_assert_int_eq(dup(STDERR_FILENO), STDIN_FILENO); /* none is left open */
        close(STDIN_FILENO);
    }
    dup2(saved, STDIN_FILENO);
    make_file();
    refuse_fcntl(F_SETFL, EINVAL);
    ck_assert_int_eq(try_open(path, WRITE | DIRECT), -EINVAL);
    ck_assert_int_eq(folder_entry_count(), 1);
}
END_TEST

/* ---- lock -------------------------------------------------------------------------------------*/

START_TEST(lock_belongs_to_the_descriptor)
{
    int first = open_file(CREATE);
    int second = open_file(WRITE);
    int reader = open_file(0);
    ck_assert_int_eq(io->locked(io->context, reader), 0);
    ck_assert_int_eq(io->lock(io->context, first), 0);
    ck_assert_int_eq(io->lock(io->context, second), -EAGAIN);
    ck_assert_int_eq(io->locked(io->context, first), 0);
    ck_assert_int_eq(io->locked(io->context, second), 1);
    ck_assert_int_eq(io->locked(io->context, reader), 1);
    close_file(reader); /* a lock of the process would be lost here */
    ck_assert_int_eq(io->lock(io->context, second), -EAGAIN);
    close_file(first);
    ck_assert_int_eq(io->lock(io->context, second), 0);
    close_file(second);
}
END_TEST

static int in_child(int (*body)(void))
{
    int status;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        _exit(body());
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int child_lock_errno(void)
{
    int fd = try_open(path, WRITE);
    return fd < 0 ? 255 : -io->lock(io->context, fd);
}

START_TEST(lock_keeps_other_processes_out)
{
    int fd = open_file(CREATE);
    ck_assert_int_eq(io->lock(io->context, fd), 0);
    ck_assert_int_eq(in_child(child_lock_errno), EAGAIN);
    close_file(fd);
    ck_assert_int_eq(in_child(child_lock_errno), 0);
}
END_TEST

/* The child has the open file, and with it the lock, until it ends. */
START_TEST(close_unlocks_although_a_child_holds_the_file)
{
    int gate[2];
    char byte;
    int fd = open_file(CREATE);
    ck_assert_int_eq(io->lock(io->context, fd), 0);
    ck_assert_int_eq(pipe(gate), 0);
    pid_t child = fork();
    if (child == 0) {
        close(gate[1]);
        _exit(read(gate[0], &byte, 1) != 0);
    }
    close_file(fd);
    int again = open_file(WRITE);
    int error = io->lock(io->context, again);
    close(gate[0]);
    close(gate[1]);
    waitpid(child, NULL, 0);
    ck_assert_int_eq(error, 0);
    close_file(again);
}
END_TEST

/* ---- bytes ------------------------------------------------------------------------------------*/

START_TEST(bytes_come_back_from_where_they_went)
{
    char back[8] = "";
    struct logfile_io_stat status;
    int fd = open_file(CREATE);
    ck_assert_int_eq(io->write(io->context, fd, "abc", 3, 5000, 0), 3);
    ck_assert_int_eq(io->write(io->context, fd, "de", 2, 5003, LOGFILE_IO_WRITE_DSYNC), 2);
    ck_assert_int_eq(io->sync(io->context, fd), 0);
    ck_assert_int_eq(io->drop_cache(io->context, fd), 0);
    ck_assert_int_eq(io->read(io->context, fd, back, sizeof back, 5000), 5);
    ck_assert_str_eq(back, "abcde");
    ck_assert_int_eq(io->read(io->context, fd, back, sizeof back, 5005), 0);
    ck_assert_int_eq(io->stat(io->context, fd, &status), 0);
    ck_assert_uint_eq(status.bytes, 5005);
    ck_assert_int_eq(status.kind, LOGFILE_IO_REGULAR);
    ck_assert_int_eq(io->truncate(io->context, fd, 5001), 0);
    ck_assert_int_eq(io->read(io->context, fd, back, sizeof back, 5000), 1);
    close_file(fd);
}
END_TEST

START_TEST(allocate_makes_zeros_that_are_part_of_the_file)
{
    char back[16];
    struct logfile_io_stat status;
    int fd = open_file(CREATE);
    ck_assert_int_eq(io->write(io->context, fd, "abc", 3, 0, 0), 3);
    int error = io->allocate(io->context, fd, 0, 1 << 20);
    if (error != -EOPNOTSUPP) {
        ck_assert_int_eq(error, 0);
        ck_assert_int_eq(io->stat(io->context, fd, &status), 0);
        ck_assert_uint_eq(status.bytes, 1 << 20);
        ck_assert_int_eq(io->read(io->context, fd, back, 16, 0), 16);
        ck_assert_mem_eq(back, "abc\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    }
    close_file(fd);
}
END_TEST

START_TEST(punch_leaves_zeros_and_the_size)
{
    static uint8_t bytes[4 * LOGFILE_IO_BLOCK], back[4 * LOGFILE_IO_BLOCK];
    struct logfile_io_stat status;
    int fd = open_file(CREATE);
    memset(bytes, 'x', sizeof bytes);
    ck_assert_int_eq(io->write(io->context, fd, bytes, sizeof bytes, 0, 0), sizeof bytes);
    int error = io->punch(io->context, fd, BLOCK, 2 * BLOCK);
    if (error != -EOPNOTSUPP) {
        ck_assert_int_eq(error, 0);
        memset(bytes + BLOCK, 0, 2 * BLOCK);
        ck_assert_int_eq(io->read(io->context, fd, back, sizeof back, 0), sizeof back);
        ck_assert_mem_eq(back, bytes, sizeof bytes);
        ck_assert_int_eq(io->punch(io->context, fd, 3 * BLOCK, 9 * BLOCK), 0);
        ck_assert_int_eq(io->stat(io->context, fd, &status), 0);
        ck_assert_uint_eq(status.bytes, sizeof bytes);
    }
    close_file(fd);
}
END_TEST

START_TEST(what_is_to_be_durable_is_asked_of_the_kernel)
{
    int fd = open_file(CREATE);
    ck_assert_int_eq(io->sync(io->context, fd), 0);
    ck_assert_uint_eq(sync_count, 1);
    ck_assert_int_eq(sync_parent(io, path), 0);
    ck_assert_uint_eq(folder_sync_count, 1);
    ck_assert_int_eq(io->write(io->context, fd, "x", 1, 0, LOGFILE_IO_WRITE_DSYNC), 1);
    ck_assert_int_eq(write_flags, RWF_DSYNC);
    ck_assert_int_eq(io->write(io->context, fd, "x", 1, 0, 0), 1);
    ck_assert_int_eq(write_flags, 0);
    close_file(fd);
}
END_TEST

START_TEST(calls_that_a_signal_interrupts_are_made_again)
{
    int fd = open_file(CREATE);
    interrupt_count = 2;
    ck_assert_int_eq(io->sync(io->context, fd), 0);
    ck_assert_uint_eq(sync_count, 3);
    interrupt_count = 2;
    ck_assert_int_eq(sync_parent(io, path), 0);
    ck_assert_uint_eq(folder_sync_count, 3);
    interrupt_count = 2;
    ck_assert_int_eq(io->write(io->context, fd, "x", 1, 0, 0), 1);
    ck_assert_uint_eq(interrupt_count, 0);
    close_file(fd);
}
END_TEST

/* Some kernels give up what they have done of these at each signal: a profiler's would never let
 * them be done.  Afterwards signals come as before. */
START_TEST(signals_do_not_starve_a_call)
{
    sigset_t after;
    int fd = open_file(CREATE);
    has_ticks = true;
    int allocated = io->allocate(io->context, fd, 0, 4 * BLOCK);
    ck_assert(allocated == 0 || allocated == -EOPNOTSUPP);
    int punched = io->punch(io->context, fd, 0, BLOCK);
    ck_assert(punched == 0 || punched == -EOPNOTSUPP);
    ck_assert_int_eq(io->truncate(io->context, fd, BLOCK), 0);
    ck_assert_int_eq(io->sync(io->context, fd), 0);
    ck_assert_int_eq(sync_parent(io, path), 0);
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
    ck_assert_int_eq(sigismember(&after, SIGPROF), 0);
    close_file(fd);
}
END_TEST

static volatile sig_atomic_t is_asked_back;

static void note_break(int number)
{
    (void)number;
    is_asked_back = 1;
}

/* Takes a lease, as file servers do, says so, and gives it back when it is asked to. */
static void hold_lease(int tell)
{
    sigset_t none, io_signal;
    sigemptyset(&none);
    sigemptyset(&io_signal);
    sigaddset(&io_signal, SIGIO);
    signal(SIGIO, note_break);
    sigprocmask(SIG_BLOCK, &io_signal, NULL);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    char answer = fd >= 0 && syscall(SYS_fcntl, fd, F_SETLEASE, F_WRLCK) == 0 ? 'y' : 'n';
    if (write(tell, &answer, 1) != 1 || answer == 'n')
        _exit(1);
    while (!is_asked_back)
        sigsuspend(&none);
    usleep(20000); /* what the opener does meanwhile is to wait */
    syscall(SYS_fcntl, fd, F_SETLEASE, F_UNLCK);
    _exit(0);
}

/* Loop test: for reading, for writing. */
START_TEST(lease_is_waited_for)
{
    int ends[2];
    char answer = 'n';
    make_file();
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        hold_lease(ends[1]);
    ck_assert_int_eq(read(ends[0], &answer, 1), 1);
    if (answer == 'y')
        close_file(open_file(_i == 0 ? 0 : WRITE));
    else
        fprintf(stderr, "no leases here: not tried\n");
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

START_TEST(errors_are_returned_and_not_left_in_errno)
{
    char byte;
    struct logfile_io_stat status;
    const int bad = 1000000;
    ck_assert_int_eq(io->read(io->context, bad, &byte, 1, 0), -EBADF);
    ck_assert_int_eq(io->write(io->context, bad, &byte, 1, 0, 0), -EBADF);
    ck_assert_int_eq(io->write(io->context, bad, &byte, 1, 0, LOGFILE_IO_WRITE_DSYNC), -EBADF);
    ck_assert_int_eq(io->sync(io->context, bad), -EBADF);
    ck_assert_int_eq(io->allocate(io->context, bad, 0, 4096), -EBADF);
    ck_assert_int_eq(io->truncate(io->context, bad, 0), -EBADF);
    ck_assert_int_eq(io->punch(io->context, bad, 0, 4096), -EBADF);
    ck_assert_int_eq(io->drop_cache(io->context, bad), -EBADF);
    ck_assert_int_eq(io->stat(io->context, bad, &status), -EBADF);
    ck_assert_int_eq(io->lock(io->context, bad), -EBADF);
    ck_assert_int_eq(io->locked(io->context, bad), -EBADF);
    ck_assert_int_eq(io->close(io->context, bad), -EBADF);
}
END_TEST

/* ---- names ------------------------------------------------------------------------------------*/

START_TEST(rename_never_replaces)
{
    char byte = 0;
    const char *other = folder_path("other");
    int fd = open_file(CREATE);
    ck_assert_int_eq(io->write(io->context, fd, "x", 1, 0, 0), 1);
    close_file(fd);
    ck_assert_int_eq(io->rename(io->context, LOGFILE_IO_HERE, path, other), 0);
    make_file();
    ck_assert_int_eq(io->rename(io->context, LOGFILE_IO_HERE, path, other), -EEXIST);
    ck_assert_int_eq(folder_entry_count(), 2);
    fd = try_open(other, 0);
    ck_assert_int_eq(io->read(io->context, fd, &byte, 1, 0), 1);
    close_file(fd);
    ck_assert_int_eq(
        io->rename(io->context, LOGFILE_IO_HERE, folder_path("none"), folder_path("new")), -ENOENT);
    ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, path), 0);
    ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, path), -ENOENT);
}
END_TEST

/* Not every file system can rename without replacing; the caller is told. */
START_TEST(rename_never_replaces_without_the_kernels_help)
{
    static const int errors[] = {EINVAL, ENOSYS};
    const char *other = folder_path("other");
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        renameat2_errno = errors[i];
        make_file();
        ck_assert_int_eq(io->rename(io->context, LOGFILE_IO_HERE, path, other), 1);
        ck_assert_int_eq(folder_entry_count(), 1);
        make_file();
        ck_assert_int_eq(io->rename(io->context, LOGFILE_IO_HERE, path, other), -EEXIST);
        ck_assert_int_eq(folder_entry_count(), 2);
        ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, path), 0);
        ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, other), 0);
    }
    renameat2_errno = EXDEV;
    ck_assert_int_eq(io->rename(io->context, LOGFILE_IO_HERE, path, other), -EXDEV);
}
END_TEST

static void make_directory(const char *name)
{
    ck_assert_int_eq(io->make_directory(io->context, LOGFILE_IO_HERE, name, 0755), 0);
}

static int remove_directory(const char *name)
{
    return io->remove_directory(io->context, LOGFILE_IO_HERE, name);
}

START_TEST(make_directory_makes_what_is_not_there)
{
    struct stat status;
    umask(027);
    make_directory(path);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert(S_ISDIR(status.st_mode));
    ck_assert_uint_eq(status.st_mode & 0777, 0750);
    ck_assert_int_eq(io->make_directory(io->context, LOGFILE_IO_HERE, path, 0755), -EEXIST);
    ck_assert_int_eq(
        io->make_directory(io->context, LOGFILE_IO_HERE, folder_path("none/new"), 0755), -ENOENT);
    make_directory(folder_path("file/inner"));
    ck_assert_int_eq(remove_directory(path), -ENOTEMPTY);
    ck_assert_int_eq(remove_directory(folder_path("file/inner")), 0);
    ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, path), -EISDIR);
    ck_assert_int_eq(remove_directory(path), 0);
    ck_assert_int_eq(remove_directory(path), -ENOENT);
    make_file();
    ck_assert_int_eq(remove_directory(path), -ENOTDIR);
    ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, path), 0);
    ck_assert_int_eq(folder_entry_count(), 0);
}
END_TEST

/* With the kernel's help and without it. */
START_TEST(rename_of_a_directory_never_replaces)
{
    static const int errors[] = {0, EINVAL, ENOSYS};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        const char *other = folder_path("other");
        renameat2_errno = errors[i];
        path = folder_path("file");
        make_directory(path);
        make_directory(folder_path("file/inner"));
        ck_assert_int_eq(io->rename(io->context, LOGFILE_IO_HERE, path, other), 0);
        ck_assert_int_eq(access(folder_path("other/inner"), F_OK), 0);
        make_directory(path);
        ck_assert_int_eq(io->rename(io->context, LOGFILE_IO_HERE, other, path),
                         -EEXIST); /* not even an empty one */
        ck_assert_int_eq(io->rename(io->context, LOGFILE_IO_HERE, path, other), -EEXIST);
        ck_assert_int_eq(remove_directory(path), 0);
        make_file();
        ck_assert_int_eq(io->rename(io->context, LOGFILE_IO_HERE, other, path), -EEXIST);
        ck_assert_int_eq(io->rename(io->context, LOGFILE_IO_HERE, path, other), -EEXIST);
        ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, path), 0);
        ck_assert_int_eq(io->rename(io->context, LOGFILE_IO_HERE, path, folder_path("new")),
                         -ENOENT);
        ck_assert_int_eq(remove_directory(folder_path("other/inner")), 0);
        ck_assert_int_eq(remove_directory(other), 0);
    }
}
END_TEST

static char listed[8][NAME_MAX + 1];
static unsigned listed_count;

static int list_name(void *arg, const char *name)
{
    ck_assert_ptr_eq(arg, listed);
    ck_assert_uint_lt(listed_count, 8);
    strcpy(listed[listed_count++], name);
    return strcmp(name, "stop") == 0 ? -EINTR : 0;
}

static int list(const char *name)
{
    listed_count = 0;
    return list_path(io, name, list_name, listed);
}

START_TEST(list_directory_tells_each_name_once)
{
    unsigned seen = 0;
    make_directory(folder_path("directory"));
    ck_assert_int_eq(list(folder_path("directory")), 0);
    ck_assert_uint_eq(listed_count, 0);
    make_directory(folder_path("directory/b"));
    path = folder_path("directory/a");
    make_file();
    ck_assert_int_eq(symlink("none", folder_path("directory/...")), 0);
    ck_assert_int_eq(list(folder_path("directory")), 0);
    ck_assert_uint_eq(listed_count, 3);
    for (unsigned i = 0; i < 3; i++)
        seen |= strcmp(listed[i], "a") == 0     ? 1u
                : strcmp(listed[i], "b") == 0   ? 2u
                : strcmp(listed[i], "...") == 0 ? 4u
                                                : 8u;
    ck_assert_uint_eq(seen, 7);
}
END_TEST

START_TEST(list_directory_ends_when_it_is_told_to)
{
    make_directory(folder_path("directory"));
    path = folder_path("directory/stop");
    make_file();
    ck_assert_int_eq(list(folder_path("directory")), -EINTR);
    ck_assert_uint_eq(listed_count, 1);
}
END_TEST

START_TEST(list_directory_starts_anew_each_time)
{
    unsigned count = 0;
    make_directory(folder_path("directory"));
    int fd = try_open(folder_path("directory"), LOGFILE_IO_OPEN_DIRECTORY);
    path = folder_path("directory/a");
    for (unsigned round = 1; round < 3; round++) {
        make_file();
        listed_count = 0;
        ck_assert_int_eq(io->list_directory(io->context, fd, list_name, listed), 0);
        ck_assert_uint_eq(listed_count, round);
        path = folder_path("directory/b");
        count += listed_count;
    }
    ck_assert_uint_eq(count, 3);
    close_file(fd);
}
END_TEST

/* Names are looked up in the directory that is held, wherever its own name leads. */
START_TEST(names_in_a_directory_that_is_held)
{
    struct logfile_io_stat first, second;
    make_directory(folder_path("directory"));
    int directory = try_open(folder_path("directory"), LOGFILE_IO_OPEN_DIRECTORY);
    ck_assert_int_ge(directory, 0);
    ck_assert_int_eq(rename(folder_path("directory"), folder_path("moved")), 0);
    make_directory(folder_path("directory"));
    int fd = io->open(io->context, directory, "a", CREATE, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(io->rename(io->context, directory, "a", "b"), 0);
    ck_assert_int_eq(access(folder_path("moved/b"), F_OK), 0);
    ck_assert_int_eq(io->make_directory(io->context, directory, "c", 0755), 0);
    ck_assert_int_eq(io->unlink(io->context, directory, "c"), -EISDIR);
    ck_assert_int_eq(io->remove_directory(io->context, directory, "c"), 0);
    ck_assert_int_eq(io->sync_directory(io->context, directory), 0);
    int again = io->open(io->context, directory, "b", 0, 0);
    ck_assert_int_eq(io->stat(io->context, fd, &first), 0);
    ck_assert_int_eq(io->stat(io->context, again, &second), 0);
    ck_assert(first.inode == second.inode && first.device == second.device);
    ck_assert_int_eq(io->stat(io->context, directory, &second), 0);
    ck_assert_int_eq(second.kind, LOGFILE_IO_DIRECTORY);
    ck_assert(first.inode != second.inode);
    ck_assert_uint_eq(first.links, 1);
    ck_assert_int_eq(linkat(directory, "b", directory, "d", 0), 0);
    ck_assert_int_eq(io->stat(io->context, fd, &first), 0);
    ck_assert_uint_eq(first.links, 2);
    ck_assert_int_eq(io->unlink(io->context, directory, "d"), 0);
    ck_assert_int_eq(io->unlink(io->context, directory, "b"), 0);
    ck_assert_int_eq(io->stat(io->context, fd, &first), 0);
    ck_assert_uint_eq(first.links, 0);
    close_file(again);
    close_file(fd);
    close_file(directory);
}
END_TEST

START_TEST(only_a_directory_is_opened_as_one)
{
    make_file();
    ck_assert_int_eq(try_open(path, LOGFILE_IO_OPEN_DIRECTORY), -ENOTDIR);
    ck_assert_int_eq(try_open(folder_path("none"), LOGFILE_IO_OPEN_DIRECTORY), -ENOENT);
    make_directory(folder_path("directory"));
    ck_assert_int_eq(symlink(folder_path("directory"), folder_path("link")), 0);
    ck_assert_int_eq(try_open(folder_path("link"), LOGFILE_IO_OPEN_DIRECTORY), -ELOOP);
    close_file(try_open(folder_path("link/"), LOGFILE_IO_OPEN_DIRECTORY));
    ck_assert_int_eq(mkfifo(folder_path("fifo"), 0600), 0);
    ck_assert_int_eq(try_open(folder_path("fifo"), LOGFILE_IO_OPEN_DIRECTORY), -ENOTDIR);
}
END_TEST

START_TEST(facts_are_told_of_files_and_directories)
{
    struct logfile_io_facts facts;
    int fds[] = {open_file(CREATE), try_open(folder_path("."), LOGFILE_IO_OPEN_DIRECTORY)};
    for (size_t i = 0; i < 2; i++) {
        memset(&facts, 0xff, sizeof facts);
        ck_assert_int_eq(io->facts(io->context, fds[i], &facts), 0);
        ck_assert_uint_ne(facts.fs_type, 0);
        ck_assert_uint_eq(facts.read_only, 0);
        ck_assert_uint_le(facts.free_bytes, facts.total_bytes);
        ck_assert_uint_le(facts.direct, LOGFILE_IO_DIRECT_YES);
        ck_assert((facts.direct == LOGFILE_IO_DIRECT_YES) == (facts.offset_align != 0));
        ck_assert_uint_le(facts.dsync_is_one_request, 1);
        close_file(fds[i]);
    }
    ck_assert_int_eq(io->facts(io->context, fds[0], &facts), -EBADF);
}
END_TEST

static void write_text(const char *name, const char *text)
{
    FILE *file = fopen(folder_path(name), "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static const struct {
    const char *fua, *write_cache; /* NULL: an older kernel, or a device that is no disk */
    bool needs_no_flush;
} devices[] = {
    {"0\n", "write back\n", false},
    {"1\n", "write back\n", true},
    {"0\n", "write through\n", true},
    {"1\n", "write through\n", true},
    {NULL, "write back\n", false},
    {NULL, "write through\n", true},
    {"1\n", NULL, true},
    {"0\n", NULL, false},
    {NULL, NULL, false},
    {"", "", false},
};

/* A disk, and a partition of it. */
START_TEST(device_says_whether_it_needs_a_flush)
{
    make_directory(folder_path("disk"));
    make_directory(folder_path("disk/queue"));
    make_directory(folder_path("disk/part"));
    if (devices[_i].fua != NULL)
        write_text("disk/queue/fua", devices[_i].fua);
    if (devices[_i].write_cache != NULL)
        write_text("disk/queue/write_cache", devices[_i].write_cache);
    ck_assert(lf_io_needs_no_flush(folder_path("disk")) == devices[_i].needs_no_flush);
    ck_assert(lf_io_needs_no_flush(folder_path("disk/part")) == devices[_i].needs_no_flush);
}
END_TEST

/* ---- Short counts -----------------------------------------------------------------------------*/

static ssize_t next_answer(size_t bytes, uint64_t offset)
{
    unsigned call = script.call_count++;
    if (call >= SCRIPT_MAX)
        return -ELOOP;
    script.offsets[call] = offset;
    if (script.direct && offset % BLOCK != 0)
        return -EINVAL;
    ssize_t answer = script.answers[call] != 0 ? script.answers[call] : (ssize_t)bytes;
    return answer > (ssize_t)bytes && answer != SSIZE_MAX ? (ssize_t)bytes : answer;
}

static ssize_t scripted_write(void *context, int fd, const void *buffer, size_t bytes,
                              uint64_t offset, unsigned flags)
{
    (void)context;
    ck_assert_int_eq(fd, 7);
    ck_assert_uint_eq(flags, LOGFILE_IO_WRITE_DSYNC);
    ssize_t count = next_answer(bytes, offset);
    if (count > 0 && count <= (ssize_t)bytes)
        memcpy(script.file + offset, buffer, (size_t)count);
    return count;
}

static ssize_t scripted_read(void *context, int fd, void *buffer, size_t bytes, uint64_t offset)
{
    (void)context;
    ck_assert_int_eq(fd, 7);
    size_t left = offset < script.file_bytes ? script.file_bytes - offset : 0;
    ssize_t count = next_answer(bytes < left ? bytes : left, offset);
    if (count > 0 && count <= (ssize_t)bytes)
        memcpy(buffer, script.file + offset, (size_t)count);
    return count;
}

static uint8_t data[SCRIPT_BYTES];

static int write_scripted(void)
{
    struct logfile_io table = *io;
    table.write = scripted_write;
    payload_fill(data, sizeof data, 1);
    return lf_io_write_full(&table, 7, data, SCRIPT_BYTES, 0, LOGFILE_IO_WRITE_DSYNC);
}

static ssize_t read_scripted(void)
{
    struct logfile_io table = *io;
    table.read = scripted_read;
    payload_fill(script.file, sizeof script.file, 2);
    memset(data, 0, sizeof data);
    return lf_io_read_full(&table, 7, data, SCRIPT_BYTES, 0);
}

START_TEST(write_goes_on_from_a_block)
{
    script.answers[0] = (ssize_t)BLOCK + 100; /* then from BLOCK */
    script.answers[1] = (ssize_t)BLOCK;       /* then from 2 BLOCK */
    script.direct = true;
    ck_assert_int_eq(write_scripted(), 0);
    ck_assert_mem_eq(script.file, data, SCRIPT_BYTES);
    ck_assert_uint_eq(script.call_count, 3);
    ck_assert_uint_eq(script.offsets[1], BLOCK);
    ck_assert_uint_eq(script.offsets[2], 2 * BLOCK);
}
END_TEST

START_TEST(write_gets_on_within_a_block)
{
    script.answers[0] = 1;
    script.answers[1] = 1;
    script.answers[2] = (ssize_t)BLOCK - 1; /* ends inside the second block */
    ck_assert_int_eq(write_scripted(), 0);
    ck_assert_mem_eq(script.file, data, SCRIPT_BYTES);
    ck_assert_uint_eq(script.offsets[1], 1);
    ck_assert_uint_eq(script.offsets[2], 2);
    ck_assert_uint_eq(script.offsets[3], BLOCK);
}
END_TEST

START_TEST(write_stops_at_an_error)
{
    script.answers[0] = (ssize_t)BLOCK;
    script.answers[1] = -ENOSPC;
    ck_assert_int_eq(write_scripted(), -ENOSPC);
    ck_assert_uint_eq(script.call_count, 2);
}
END_TEST

static ssize_t write_nothing(void *context, int fd, const void *buffer, size_t bytes,
                             uint64_t offset, unsigned flags)
{
    (void)context;
    (void)fd;
    (void)buffer;
    (void)bytes;
    (void)offset;
    (void)flags;
    return 0;
}

START_TEST(write_takes_no_impossible_count)
{
    struct logfile_io table = *io;
    table.write = write_nothing;
    ck_assert_int_eq(lf_io_write_full(&table, 7, data, BLOCK, 0, 0), -EIO);
    script.answers[0] = SSIZE_MAX;
    ck_assert_int_eq(write_scripted(), -EIO);
}
END_TEST

START_TEST(read_goes_on_after_short_counts)
{
    script.file_bytes = SCRIPT_BYTES;
    script.answers[0] = 1;
    script.answers[1] = (ssize_t)BLOCK + 7;
    ck_assert_int_eq(read_scripted(), SCRIPT_BYTES);
    ck_assert_mem_eq(data, script.file, SCRIPT_BYTES);
    ck_assert_uint_eq(script.call_count, 3);
}
END_TEST

START_TEST(read_ends_where_the_file_ends)
{
    script.file_bytes = 2 * BLOCK + 10;
    ck_assert_int_eq(read_scripted(), 2 * BLOCK + 10);
    ck_assert_mem_eq(data, script.file, 2 * BLOCK + 10);
    script.file_bytes = 0;
    script.call_count = 0;
    ck_assert_int_eq(read_scripted(), 0);
}
END_TEST

/* A direct descriptor cannot go on inside a block, neither at the end nor before it. */
START_TEST(read_is_exact_on_a_direct_descriptor)
{
    script.direct = true;
    script.file_bytes = 2 * BLOCK + 10;
    ck_assert_int_eq(read_scripted(), 2 * BLOCK + 10);
    ck_assert_mem_eq(data, script.file, 2 * BLOCK + 10);

    script.file_bytes = SCRIPT_BYTES;
    script.call_count = 0;
    script.answers[0] = (ssize_t)BLOCK + 512;
    ck_assert_int_eq(read_scripted(), SCRIPT_BYTES);
    ck_assert_mem_eq(data, script.file, SCRIPT_BYTES);
    ck_assert_uint_eq(script.offsets[1], BLOCK + 512);
    ck_assert_uint_eq(script.offsets[2], BLOCK);
}
END_TEST

START_TEST(read_never_takes_an_error_for_the_end)
{
    script.file_bytes = SCRIPT_BYTES;
    script.answers[0] = (ssize_t)BLOCK;
    script.answers[1] = -EIO;
    ck_assert_int_eq(read_scripted(), -EIO);
    script.call_count = 0;
    script.answers[0] = -EINVAL;
    ck_assert_int_eq(read_scripted(), -EINVAL);
    script.call_count = 0;
    script.answers[0] = SSIZE_MAX;
    ck_assert_int_eq(read_scripted(), -EIO);
}
END_TEST

/* ---- Tables -----------------------------------------------------------------------------------*/

START_TEST(table_without_an_operation_is_not_complete)
{
    ck_assert(lf_io_is_complete(io));
    const size_t first = offsetof(struct logfile_io, open);
    const size_t end = offsetof(struct logfile_io, reserved);
    for (size_t at = first; at < end; at += sizeof(void (*)(void))) {
        struct logfile_io table = *io;
        memset((char *)&table + at, 0, sizeof(void (*)(void)));
        ck_assert_msg(!lf_io_is_complete(&table), "operation at byte %zu", at);
    }
}
END_TEST

START_TEST(table_with_reserved_space_in_use_is_not_complete)
{
    for (size_t i = 0; i < sizeof io->reserved / sizeof io->reserved[0]; i++) {
        struct logfile_io table = *io;
        table.reserved[i] = &table;
        ck_assert(!lf_io_is_complete(&table));
    }
}
END_TEST

static TCase *system_calls(void)
{
    TCase *tcase = tcase_create("system calls");
    tcase_add_checked_fixture(tcase, setup, leave_folder);
    tcase_add_test(tcase, open_creates_only_what_is_not_there);
    tcase_add_test(tcase, open_applies_the_umask);
    tcase_add_test(tcase, open_follows_no_symbolic_link);
    tcase_add_test(tcase, open_refuses_what_is_no_file);
    tcase_add_test(tcase, open_tells_a_directory);
    tcase_add_test(tcase, open_leaves_standard_descriptors_alone);
    tcase_add_test(tcase, open_sets_the_flags_that_matter);
    tcase_add_test(tcase, open_that_fails_leaves_nothing);
    tcase_add_test(tcase, lock_belongs_to_the_descriptor);
    tcase_add_test(tcase, lock_keeps_other_processes_out);
    tcase_add_test(tcase, close_unlocks_although_a_child_holds_the_file);
    tcase_add_test(tcase, bytes_come_back_from_where_they_went);
    tcase_add_test(tcase, allocate_makes_zeros_that_are_part_of_the_file);
    tcase_add_test(tcase, punch_leaves_zeros_and_the_size);
    tcase_add_test(tcase, what_is_to_be_durable_is_asked_of_the_kernel);
    tcase_add_test(tcase, calls_that_a_signal_interrupts_are_made_again);
    tcase_add_test(tcase, signals_do_not_starve_a_call);
    tcase_add_loop_test(tcase, lease_is_waited_for, 0, 2);
    tcase_add_test(tcase, errors_are_returned_and_not_left_in_errno);
    tcase_add_test(tcase, rename_never_replaces);
    tcase_add_test(tcase, rename_never_replaces_without_the_kernels_help);
    tcase_add_test(tcase, make_directory_makes_what_is_not_there);
    tcase_add_test(tcase, rename_of_a_directory_never_replaces);
    tcase_add_test(tcase, list_directory_tells_each_name_once);
    tcase_add_test(tcase, list_directory_ends_when_it_is_told_to);
    tcase_add_test(tcase, list_directory_starts_anew_each_time);
    tcase_add_test(tcase, names_in_a_directory_that_is_held);
    tcase_add_test(tcase, only_a_directory_is_opened_as_one);
    tcase_add_test(tcase, facts_are_told_of_files_and_directories);
    tcase_add_loop_test(tcase, device_says_whether_it_needs_a_flush, 0,
                        (int)(sizeof devices / sizeof devices[0]));
    return tcase;
}

static TCase *helpers(void)
{
    TCase *tcase = tcase_create("helpers");
    tcase_add_checked_fixture(tcase, setup, leave_folder);
    tcase_add_test(tcase, write_goes_on_from_a_block);
    tcase_add_test(tcase, write_gets_on_within_a_block);
    tcase_add_test(tcase, write_stops_at_an_error);
    tcase_add_test(tcase, write_takes_no_impossible_count);
    tcase_add_test(tcase, read_goes_on_after_short_counts);
    tcase_add_test(tcase, read_ends_where_the_file_ends);
    tcase_add_test(tcase, read_is_exact_on_a_direct_descriptor);
    tcase_add_test(tcase, read_never_takes_an_error_for_the_end);
    tcase_add_test(tcase, table_without_an_operation_is_not_complete);
    tcase_add_test(tcase, table_with_reserved_space_in_use_is_not_complete);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("io");
    suite_add_tcase(suite, system_calls());
    suite_add_tcase(suite, helpers());
    return run_suite(suite);
}
