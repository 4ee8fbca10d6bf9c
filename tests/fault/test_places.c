/* SPDX-License-Identifier: MIT */
/*
 * Hostile places: names that lead to no log, to somebody else's file or to nowhere, and files that
 * somebody else changes while a log is open on them.
 *
 * Whatever the place, opening answers with the documented error or with a log that works, comes
 * back in bounded time, leaks no descriptor, and changes nothing where it refuses.  What happens
 * to the file of an open log is met without harm to anybody else's file, and what is lost by it is
 * named when the log is opened again.
 */
#include "format/format.h"
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOREIGN_TEXT "This file is not a log, and somebody needs it.\n"

enum {
    RECORDS = 3,
    SEGMENT_BYTES = 64 << 10,
    NOBODY_ID = 65534,
    SECONDS_MAX = 20
};

/* Everything happens in a folder that is the working directory, so that paths can be short and a
 * user without rights above the folder gets into it. */
static struct logfile_options options;
static struct logfile *holder; /* a log that is open already */
static int counted_records;

static void begin(const char *name)
{
    watchdog_start(SECONDS_MAX, name);
    options = (struct logfile_options){.slot_bytes = 16 << 10, .prepare_bytes = 128 << 10};
    ck_assert_int_eq(chdir(enter_folder()), 0);
    ck_assert_int_eq(chmod(".", 0777), 0);
}

static void end(void)
{
    ck_assert_int_eq(chdir(".."), 0);
    leave_folder();
    watchdog_stop();
}

/* ---- Making things ---- */

static void put_file(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
    ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
    close(fd);
}

static void put_foreign_file(const char *path)
{
    put_file(path, FOREIGN_TEXT, strlen(FOREIGN_TEXT));
}

/* Something to step into, as the whole of the folder's users. */
static void put_directory(const char *path)
{
    ck_assert_int_eq(mkdir(path, 0777), 0);
    ck_assert_int_eq(chmod(path, 0777), 0);
}

static int append_some(struct logfile *log)
{
    int error = 0;

    for (int i = 0; i < RECORDS && error == 0; i++)
        error = logfile_append(log, "a record", 8, NULL);
    return error;
}

static void put_log(const char *path)
{
    struct logfile *log;

    ck_assert_int_eq(logfile_open(path, &options, NULL, &log), 0);
    ck_assert_int_eq(append_some(log), 0);
    ck_assert_int_eq(logfile_close(log), 0);
}

/* Counts the records on the way to what logfile_reader_next says last. */
static int read_log(const char *path)
{
    struct logfile_reader *reader;
    struct logfile_record record;
    int result = logfile_reader_open(path, NULL, &reader);

    counted_records = 0;
    if (result != 0)
        return result;
    while ((result = logfile_reader_next(reader, &record)) == 1)
        counted_records++;
    logfile_reader_close(reader);
    return result;
}

static void put_segments(const char *path)
{
    options.segment_bytes = SEGMENT_BYTES;
    put_log(path);
    options.segment_bytes = 0;
}

/* ---- What is there, to be compared with later ---- */

static uint64_t seen;

static uint64_t hash_text(uint64_t hash, const void *bytes, size_t size)
{
    const uint8_t *byte = bytes;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t hash_content(uint64_t hash, const char *path)
{
    uint8_t block[4096];
    ssize_t count;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return hash;
    while ((count = read(fd, block, sizeof block)) > 0)
        hash = hash_text(hash, block, (size_t)count);
    close(fd);
    return hash;
}

/* A sum, because the order of the entries of a directory is nobody's promise. */
static int see_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    uint64_t hash = hash_text(UINT64_C(0xcbf29ce484222325), path, strlen(path));

    (void)type, (void)ftw;
    hash = hash_text(hash, &status->st_mode, sizeof status->st_mode);
    if (S_ISREG(status->st_mode)) {
        hash = hash_text(hash, &status->st_size, sizeof status->st_size);
        hash = hash_content(hash, path);
    }
    seen += hash;
    return 0;
}

static uint64_t look_around(void)
{
    seen = 0;
    ck_assert_int_eq(nftw(".", see_entry, 16, FTW_PHYS), 0);
    return seen;
}

static int count_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;

    if (directory == NULL)
        return -1;
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

/* ---- Places ---- */

enum who {
    CHILD,  /* a process of its own */
    NOBODY, /* a process of a user without rights */
    HERE,   /* the process that made the place */
    THREAD  /* another thread of it */
};

struct place {
    const char *name;
    const char *path; /* NULL: "log" */
    void (*make)(void);
    void (*enter)(void); /* in the process that opens; NULL: nothing to be done */
    int writer_result;   /* of logfile_open; 0: it works, and so does all that follows */
    int reader_result;   /* of a reader, before that */
    enum who who;
    bool keeps; /* of the open file, only the content counts: it is a log that works */
    size_t segment_bytes;
};

/* Makes a place that cannot be had here: the case is passed over, and says why. */
static const char *why_not;
static void (*undo)(void);

static void make_nothing(void)
{
}
static void make_link_to_log(void)
{
    put_log("target");
    ck_assert_int_eq(symlink("target", "log"), 0);
}
static void make_dangling_link(void)
{
    ck_assert_int_eq(symlink("target", "log"), 0);
}
static void make_link_loop(void)
{
    ck_assert_int_eq(symlink("log", "log"), 0);
}
static void make_link_on_the_way(void)
{
    put_directory("directory");
    put_log("directory/log");
    ck_assert_int_eq(symlink("directory", "way"), 0);
}
static void make_link_to_segments(void)
{
    put_segments("target");
    ck_assert_int_eq(symlink("target", "log"), 0);
}
static void make_fifo(void)
{
    ck_assert_int_eq(mkfifo("log", 0666), 0);
}
static void make_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "log"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    close(fd);
}
static void make_directory(void)
{
    put_directory("log");
    put_foreign_file("log/theirs");
}
static void make_directory_as_control(void)
{
    put_directory("log");
    put_directory("log/control");
}
static void make_fifo_as_control(void)
{
    put_directory("log");
    ck_assert_int_eq(mkfifo("log/control", 0666), 0);
}
static void make_link_as_control(void)
{
    put_segments("target");
    put_directory("log");
    ck_assert_int_eq(symlink("../target/control", "log/control"), 0);
}
static void make_log(void)
{
    put_log("log");
    ck_assert_int_eq(chmod("log", 0666), 0);
}
static void make_segments(void)
{
    put_segments("log");
}
static void make_foreign(void)
{
    put_foreign_file("log");
}
static void make_empty(void)
{
    put_file("log", "", 0);
}
static void make_zeros(void)
{
    static const uint8_t zeros[64 << 10];

    put_file("log", zeros, sizeof zeros);
}

/* Writes both file headers anew, after `change`. */
static void change_headers(void (*change)(struct lf_file_header *header))
{
    static uint8_t block[LF_BLOCK_BYTES];
    int fd = open("log", O_RDWR | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, block, sizeof block, 0), sizeof block);
    change((struct lf_file_header *)(void *)block);
    lf_file_header_seal(block);
    for (off_t copy = 0; copy < 2; copy++)
        ck_assert_int_eq(pwrite(fd, block, sizeof block, copy * (off_t)sizeof block), sizeof block);
    close(fd);
}
static void raise_version(struct lf_file_header *header)
{
    header->version++;
}
static void add_feature(struct lf_file_header *header)
{
    header->features_refuse |= UINT64_C(1) << 63;
}
static void turn_bytes(struct lf_file_header *header)
{
    header->byte_order = __builtin_bswap32(header->byte_order);
}
static void make_newer(void)
{
    make_log();
    change_headers(raise_version);
}
static void make_unknown_feature(void)
{
    make_log();
    change_headers(add_feature);
}
static void make_big_endian(void)
{
    make_log();
    change_headers(turn_bytes);
}
static void make_cut_in_headers(void)
{
    make_log();
    ck_assert_int_eq(truncate("log", LF_BLOCK_BYTES), 0);
}

static void make_read_only(void)
{
    put_log("log");
    ck_assert_int_eq(chmod("log", 0444), 0);
}
static void make_private(void)
{
    put_log("log");
    ck_assert_int_eq(chmod("log", 0), 0);
}
static void make_read_only_directory(void)
{
    put_directory("directory");
    ck_assert_int_eq(chmod("directory", 0555), 0);
}
static void make_log_in_read_only_directory(void)
{
    put_directory("directory");
    put_log("directory/log");
    ck_assert_int_eq(chmod("directory/log", 0666), 0);
    ck_assert_int_eq(chmod("directory", 0555), 0);
}
static void make_locked_directory(void)
{
    put_directory("directory");
    put_log("directory/log");
    ck_assert_int_eq(chmod("directory", 0666), 0);
}

/* False where neither the file system nor this user can have the attribute. */
static bool set_attributes(int attributes)
{
    int flags = 0;
    int fd = open("log", O_RDONLY | O_CLOEXEC);
    bool done = fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;

    flags = (flags & ~(FS_IMMUTABLE_FL | FS_APPEND_FL)) | attributes;
    done = done && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
    if (!done)
        why_not = strerror(errno);
    close(fd);
    return done;
}
static void clear_attributes(void)
{
    (void)set_attributes(0);
}
static void make_with_attributes(int attributes)
{
    put_log("log");
    if (set_attributes(attributes))
        undo = clear_attributes;
}
static void make_immutable(void)
{
    make_with_attributes(FS_IMMUTABLE_FL);
}
static void make_append_only(void)
{
    make_with_attributes(FS_APPEND_FL);
}

static void hold(const char *path)
{
    ck_assert_int_eq(logfile_open(path, &options, NULL, &holder), 0);
    ck_assert_int_eq(append_some(holder), 0);
}
static void let_go(void)
{
    ck_assert_int_eq(append_some(holder), 0);
    ck_assert_int_eq(logfile_close(holder), 0);
    ck_assert_int_eq(read_log("held"), 0);
    ck_assert_int_eq(counted_records, 2 * RECORDS);
}
static void make_held(void)
{
    hold("held");
    undo = let_go;
}
static void make_held_by_link(void)
{
    make_held();
    ck_assert_int_eq(link("held", "log"), 0);
}

static void make_segments_among_others(void)
{
    put_segments("log");
    put_foreign_file("log/notes.txt");
    put_foreign_file("log/0000000000000000.old");
    put_foreign_file("log/control~");
    put_directory("log/directory");
}
static void make_others_drafts(void)
{
    put_foreign_file(".lf-0123456789abcdef");
    put_log("log");
}
static void make_file_on_the_way(void)
{
    put_foreign_file("file");
}

static void limit(int resource, rlim_t value)
{
    struct rlimit limit = {value, value};

    if (setrlimit((__rlimit_resource_t)resource, &limit) != 0)
        _exit(9);
}
static void limit_to_half_a_prologue(void)
{
    signal(SIGXFSZ, SIG_IGN);
    limit(RLIMIT_FSIZE, LF_FIRST_LSN / 2);
}
static void limit_to_a_prologue(void)
{
    signal(SIGXFSZ, SIG_IGN);
    limit(RLIMIT_FSIZE, LF_FIRST_LSN);
}
static void limit_descriptors(void)
{
    int fd = dup(STDERR_FILENO);

    limit(RLIMIT_NOFILE, (rlim_t)fd);
    close(fd);
    while (dup(STDERR_FILENO) >= 0)
        continue;
}
static void close_standard_streams(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        close(fd);
}

#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN
#define NAME_250 FIFTY FIFTY FIFTY FIFTY FIFTY
#define DEEP FIFTY "/" FIFTY "/" FIFTY "/" FIFTY "/" FIFTY "/"
#define PATH_5100                                                                                  \
    DEEP DEEP DEEP DEEP DEEP DEEP DEEP DEEP DEEP DEEP DEEP DEEP DEEP DEEP DEEP DEEP DEEP DEEP DEEP \
        DEEP

static const struct place places[] = {
    {"symbolic link to a log", NULL, make_link_to_log, NULL, -ELOOP, -ELOOP, CHILD, false, 0},
    {"dangling symbolic link", NULL, make_dangling_link, NULL, -ELOOP, -ELOOP, CHILD, false, 0},
    {"symbolic link to itself", NULL, make_link_loop, NULL, -ELOOP, -ELOOP, CHILD, false, 0},
    {"symbolic link on the way", "way/log", make_link_on_the_way, NULL, 0, 0, CHILD, true, 0},
    {"symbolic link to segments", NULL, make_link_to_segments, NULL, -ELOOP, -ELOOP, CHILD, false,
     0},
    {"symbolic link to segments, with a slash", "log/", make_link_to_segments, NULL, -ELOOP, -ELOOP,
     CHILD, false, 0},
    {"FIFO", NULL, make_fifo, NULL, -ESPIPE, -ESPIPE, CHILD, false, 0},
    {"socket", NULL, make_socket, NULL, -ESPIPE, -ESPIPE, CHILD, false, 0},
    {"/dev/null", "/dev/null", make_nothing, NULL, -ESPIPE, -ESPIPE, CHILD, false, 0},
    {"/dev/full", "/dev/full", make_nothing, NULL, -ESPIPE, -ESPIPE, CHILD, false, 0},
    {"file in /proc", "/proc/self/comm", make_nothing, NULL, -EINVAL, LOGFILE_EFORMAT, CHILD, false,
     0},
    {"directory", NULL, make_directory, NULL, -EISDIR, -EISDIR, CHILD, false, 0},
    {"directory, segments wanted", NULL, make_directory, NULL, -EISDIR, -EISDIR, CHILD, false,
     SEGMENT_BYTES},
    {"the working directory", ".", make_nothing, NULL, -EISDIR, -EISDIR, CHILD, false, 0},
    {"the root directory", "/", make_nothing, NULL, -EISDIR, -EISDIR, CHILD, false, 0},
    {"directory as control file", NULL, make_directory_as_control, NULL, -EISDIR, -EISDIR, CHILD,
     false, 0},
    {"FIFO as control file", NULL, make_fifo_as_control, NULL, -EISDIR, -EISDIR, CHILD, false, 0},
    {"symbolic link as control file", NULL, make_link_as_control, NULL, -ELOOP, -ELOOP, CHILD,
     false, 0},
    {"file where segments are wanted", NULL, make_log, NULL, LOGFILE_EMISMATCH, 0, CHILD, false,
     SEGMENT_BYTES},
    {"file as a directory", "file/log", make_file_on_the_way, NULL, -ENOTDIR, -ENOTDIR, CHILD,
     false, 0},
    {"file with a slash", "log/", make_log, NULL, -ENOTDIR, -ENOTDIR, CHILD, false, 0},
    {"new file with a slash", "log/", make_nothing, NULL, -ENOENT, -ENOENT, CHILD, false, 0},
    {"segments with slashes", "log//", make_segments, NULL, 0, 0, CHILD, true, 0},
    {"read-only file", NULL, make_read_only, NULL, -EACCES, 0, NOBODY, false, 0},
    {"somebody else's file", NULL, make_private, NULL, -EACCES, -EACCES, NOBODY, false, 0},
    {"read-only directory", "directory/log", make_read_only_directory, NULL, -EACCES, -ENOENT,
     NOBODY, false, 0},
    {"read-only directory, segments", "directory/log", make_read_only_directory, NULL, -EACCES,
     -ENOENT, NOBODY, false, SEGMENT_BYTES},
    {"log in a read-only directory", "directory/log", make_log_in_read_only_directory, NULL, 0, 0,
     NOBODY, true, 0},
    {"parent that nobody may search", "directory/log", make_locked_directory, NULL, -EACCES,
     -EACCES, NOBODY, false, 0},
    {"immutable file", NULL, make_immutable, NULL, -EPERM, 0, CHILD, false, 0},
    {"append-only file", NULL, make_append_only, NULL, -EPERM, 0, CHILD, false, 0},
    {"missing parent", "none/log", make_nothing, NULL, -ENOENT, -ENOENT, CHILD, false, 0},
    {"name that is too long", NAME_250 TEN, make_nothing, NULL, -ENAMETOOLONG, -ENAMETOOLONG, CHILD,
     false, 0},
    {"long name", NAME_250, make_nothing, NULL, 0, -ENOENT, CHILD, true, 0},
    {"longest name", NAME_250 "01234", make_nothing, NULL, 0, -ENOENT, CHILD, true, 0},
    {"longest name of segments", NAME_250 "01234", make_nothing, NULL, 0, -ENOENT, CHILD, true,
     SEGMENT_BYTES},
    {"path that is too long", PATH_5100, make_nothing, NULL, -ENAMETOOLONG, -ENAMETOOLONG, CHILD,
     false, 0},
    {"empty path", "", make_nothing, NULL, -ENOENT, -ENOENT, CHILD, false, 0},
    {"second opener", "held", make_held, NULL, LOGFILE_ELOCKED, 0, HERE, true, 0},
    {"second opener in another thread", "held", make_held, NULL, LOGFILE_ELOCKED, 0, THREAD, true,
     0},
    {"second opener in another process", "held", make_held, NULL, LOGFILE_ELOCKED, 0, CHILD, true,
     0},
    {"second opener through a hard link", NULL, make_held_by_link, NULL, LOGFILE_ELOCKED, 0, HERE,
     true, 0},
    {"hard link in another process", NULL, make_held_by_link, NULL, LOGFILE_ELOCKED, 0, CHILD, true,
     0},
    {"somebody else's text", NULL, make_foreign, NULL, LOGFILE_EFORMAT, LOGFILE_EFORMAT, CHILD,
     false, 0},
    {"empty file", NULL, make_empty, NULL, LOGFILE_EFORMAT, LOGFILE_EFORMAT, CHILD, false, 0},
    {"file of zeros", NULL, make_zeros, NULL, LOGFILE_EFORMAT, LOGFILE_EFORMAT, CHILD, false, 0},
    {"newer version", NULL, make_newer, NULL, LOGFILE_EFORMAT, LOGFILE_EFORMAT, CHILD, false, 0},
    {"unknown feature", NULL, make_unknown_feature, NULL, LOGFILE_EFORMAT, LOGFILE_EFORMAT, CHILD,
     false, 0},
    {"other byte order", NULL, make_big_endian, NULL, LOGFILE_EFORMAT, LOGFILE_EFORMAT, CHILD,
     false, 0},
    {"cut behind the first header", NULL, make_cut_in_headers, NULL, LOGFILE_ECORRUPT,
     LOGFILE_ECORRUPT, CHILD, false, 0},
    {"segments among other files", NULL, make_segments_among_others, NULL, 0, 0, CHILD, true, 0},
    {"somebody else's draft", NULL, make_others_drafts, NULL, 0, 0, CHILD, true, 0},
    {"limit of the file size, in the headers", NULL, make_nothing, limit_to_half_a_prologue, -EFBIG,
     -ENOENT, CHILD, false, 0},
    {"limit of the file size, behind them", NULL, make_nothing, limit_to_a_prologue, -EFBIG,
     -ENOENT, CHILD, false, 0},
    {"limit of the file size, segments", NULL, make_nothing, limit_to_a_prologue, -EFBIG, -ENOENT,
     CHILD, false, SEGMENT_BYTES},
    {"no descriptor left", NULL, make_log, limit_descriptors, -EMFILE, -EMFILE, CHILD, false, 0},
    {"descriptors 0 to 2 are closed", NULL, make_log, close_standard_streams, 0, 0, CHILD, true, 0},
    {"descriptors 0 to 2 are closed, segments", NULL, make_segments, close_standard_streams, 0, 0,
     CHILD, true, 0},
};
enum {
    PLACE_COUNT = sizeof places / sizeof places[0]
};

/* ---- Opening there ---- */

/* Shared with the child that opens. */
struct attempt {
    const struct place *place;
    const char *path;
    int reader_result;
    int writer_result;
    int use_result; /* of appending and closing */
    int leaked_descriptors;
    bool took_standard_stream;
    bool ended;
};

static bool has_standard_stream(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            return true;
    return false;
}

static void use_log(struct attempt *attempt, struct logfile *log)
{
    int error = append_some(log);

    if (attempt->place->enter == close_standard_streams)
        attempt->took_standard_stream = has_standard_stream();
    attempt->use_result = error == 0 ? logfile_close(log) : error;
}

static void *try_to_open(void *argument)
{
    struct attempt *attempt = argument;
    struct logfile_options asked = options;
    struct logfile *log;
    int before = count_descriptors();

    asked.segment_bytes = attempt->place->segment_bytes;
    attempt->reader_result = read_log(attempt->path);
    attempt->writer_result = logfile_open(attempt->path, &asked, NULL, &log);
    if (attempt->writer_result == 0)
        use_log(attempt, log);
    attempt->leaked_descriptors = count_descriptors() - before;
    attempt->ended = true;
    return NULL;
}

static void become_nobody(void)
{
    if (geteuid() == 0 && (setresgid(NOBODY_ID, NOBODY_ID, NOBODY_ID) != 0 ||
                           setresuid(NOBODY_ID, NOBODY_ID, NOBODY_ID) != 0))
        _exit(9);
}

/* Never returns. */
static void child_main(struct attempt *attempt)
{
    alarm(SECONDS_MAX);
    if (attempt->place->who == NOBODY)
        become_nobody();
    if (attempt->place->enter != NULL)
        attempt->place->enter();
    try_to_open(attempt);
    _exit(0);
}

static void try_in_child(struct attempt *attempt)
{
    int status;
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0)
        child_main(attempt);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(status == 0, "%s: the child ended with status %d", attempt->place->name, status);
}

static void try_place(struct attempt *attempt)
{
    pthread_t thread;

    if (attempt->place->who == HERE) {
        try_to_open(attempt);
    } else if (attempt->place->who == THREAD) {
        ck_assert_int_eq(pthread_create(&thread, NULL, try_to_open, attempt), 0);
        pthread_join(thread, NULL);
    } else {
        try_in_child(attempt);
    }
}

static void check_attempt(const struct attempt *attempt)
{
    const struct place *place = attempt->place;

    ck_assert_msg(attempt->ended, "%s: did not end", place->name);
    ck_assert_msg(attempt->reader_result == place->reader_result, "%s: reading: %s, expected %s",
                  place->name, logfile_strerror(attempt->reader_result),
                  logfile_strerror(place->reader_result));
    ck_assert_msg(attempt->writer_result == place->writer_result, "%s: opening: %s, expected %s",
                  place->name, logfile_strerror(attempt->writer_result),
                  logfile_strerror(place->writer_result));
    ck_assert_msg(attempt->use_result == 0, "%s: appending: %s", place->name,
                  logfile_strerror(attempt->use_result));
    ck_assert_msg(attempt->leaked_descriptors == 0, "%s: %d descriptors leaked", place->name,
                  attempt->leaked_descriptors);
    ck_assert_msg(!attempt->took_standard_stream, "%s: the log is a standard stream", place->name);
}

/* Everything that somebody else had in the folder has its content still. */
static void check_foreign_file(const char *path)
{
    char text[sizeof FOREIGN_TEXT] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
    ck_assert_int_eq(read(fd, text, sizeof text), (ssize_t)strlen(FOREIGN_TEXT));
    ck_assert_str_eq(text, FOREIGN_TEXT);
    close(fd);
}

static void check_what_is_kept(const struct attempt *attempt)
{
    static const char *const foreign[] = {"log/notes.txt", "log/0000000000000000.old",
                                          "log/control~", ".lf-0123456789abcdef"};

    if (attempt->writer_result == 0) {
        ck_assert_int_eq(read_log(attempt->path), 0);
        ck_assert_int_eq(counted_records,
                         attempt->reader_result == -ENOENT ? RECORDS : 2 * RECORDS);
    }
    for (unsigned i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        if (access(foreign[i], F_OK) == 0)
            check_foreign_file(foreign[i]);
    if (attempt->place->make == make_segments_among_others)
        ck_assert_int_eq(access("log/notes.txt", F_OK), 0);
}

static struct attempt *new_attempt(const struct place *place)
{
    struct attempt *attempt =
        mmap(NULL, sizeof *attempt, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(attempt, MAP_FAILED);
    attempt->place = place;
    attempt->path = place->path != NULL ? place->path : "log";
    return attempt;
}

static void run_place(struct attempt *attempt)
{
    uint64_t before = look_around();

    try_place(attempt);
    uint64_t after = look_around();
    if (undo != NULL)
        undo();
    check_attempt(attempt);
    if (!attempt->place->keeps)
        ck_assert_msg(before == after, "%s: something has changed", attempt->place->name);
    check_what_is_kept(attempt);
}

START_TEST(test_places)
{
    struct attempt *attempt = new_attempt(&places[_i]);

    undo = NULL;
    why_not = NULL;
    begin(places[_i].name);
    places[_i].make();
    if (why_not == NULL)
        run_place(attempt);
    else
        printf("%s: cannot be had here: %s\n", places[_i].name, why_not);
    munmap(attempt, sizeof *attempt);
    end();
}
END_TEST

/* ---- What happens to the file of an open log ---- */

struct event {
    const char *name;
    void (*happen)(void);
    size_t segment_bytes;
    int append_result; /* of what is appended afterwards */
    int close_result;  /* that of a file without a name loses them */
    const char *path;  /* where the log is afterwards; NULL: nowhere */
    int read_result;   /* of a reader there */
    int record_count;  /* that it reads */
    int open_result;   /* of opening it again */
};

/* The open log is directory/log. */
#define OPEN_LOG "directory/log"

static void unlink_log(void)
{
    ck_assert_int_eq(unlink(OPEN_LOG), 0);
}
static void rename_log(void)
{
    ck_assert_int_eq(rename(OPEN_LOG, "elsewhere"), 0);
}
static void replace_log(void)
{
    rename_log();
    put_foreign_file(OPEN_LOG);
}
static void rename_over_log(void)
{
    put_foreign_file("theirs");
    ck_assert_int_eq(rename("theirs", OPEN_LOG), 0);
}
static void remove_directory(void)
{
    unlink_log();
    ck_assert_int_eq(rmdir("directory"), 0);
}
static void rename_directory(void)
{
    ck_assert_int_eq(rename("directory", "other"), 0);
}
static void truncate_to_nothing(void)
{
    ck_assert_int_eq(truncate(OPEN_LOG, 0), 0);
}
static void truncate_records(void)
{
    ck_assert_int_eq(truncate(OPEN_LOG, LF_FIRST_LSN + LF_BLOCK_BYTES), 0);
}
static void extend_log(void)
{
    int fd = open(OPEN_LOG, O_WRONLY | O_APPEND | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, FOREIGN_TEXT, strlen(FOREIGN_TEXT)), (ssize_t)strlen(FOREIGN_TEXT));
    close(fd);
}
static void zero_records(void)
{
    static const uint8_t zeros[LF_BLOCK_BYTES];
    int fd = open(OPEN_LOG, O_WRONLY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, zeros, sizeof zeros, LF_FIRST_LSN + LF_BLOCK_BYTES), sizeof zeros);
    close(fd);
}
static void take_rights_away(void)
{
    ck_assert_int_eq(chmod(OPEN_LOG, 0), 0);
    ck_assert_int_eq(chmod("directory", 0), 0);
}
static void give_rights_back(void)
{
    (void)chmod("directory", 0777);
    (void)chmod(OPEN_LOG, 0644);
}
static void unlink_control(void)
{
    ck_assert_int_eq(unlink(OPEN_LOG "/control"), 0);
}
static void put_stray_files(void)
{
    put_foreign_file(OPEN_LOG "/notes.txt");
    put_foreign_file(OPEN_LOG "/control~");
}
static void change_working_directory(void)
{
    ck_assert_int_eq(chdir("directory"), 0);
}

static const struct event events[] = {
    {"unlinked", unlink_log, 0, 0, LOGFILE_EFAILED, NULL, 0, 0, 0},
    {"renamed", rename_log, 0, 0, 0, "elsewhere", 0, 2 * RECORDS, 0},
    {"replaced", replace_log, 0, 0, 0, "elsewhere", 0, 2 * RECORDS, 0},
    {"renamed over", rename_over_log, 0, 0, LOGFILE_EFAILED, OPEN_LOG, LOGFILE_EFORMAT, 0,
     LOGFILE_EFORMAT},
    {"directory removed", remove_directory, 0, 0, LOGFILE_EFAILED, NULL, 0, 0, 0},
    {"directory renamed", rename_directory, 0, 0, 0, "other/log", 0, 2 * RECORDS, 0},
    {"truncated to nothing", truncate_to_nothing, 0, 0, 0, OPEN_LOG, LOGFILE_EFORMAT, 0,
     LOGFILE_EFORMAT},
    {"truncated in the records", truncate_records, 0, 0, 0, OPEN_LOG, LOGFILE_ECORRUPT, 0,
     LOGFILE_ECORRUPT},
    {"extended", extend_log, 0, 0, 0, OPEN_LOG, 0, 2 * RECORDS, 0},
    {"records zeroed", zero_records, 0, 0, 0, OPEN_LOG, LOGFILE_ECORRUPT, 0, LOGFILE_ECORRUPT},
    {"rights taken away", take_rights_away, 0, 0, 0, OPEN_LOG, 0, 2 * RECORDS, 0},
    {"control file unlinked", unlink_control, SEGMENT_BYTES, 0, LOGFILE_EFAILED, OPEN_LOG, -EISDIR,
     0, -EISDIR},
    {"stray files in the directory", put_stray_files, SEGMENT_BYTES, 0, 0, OPEN_LOG, 0, 2 * RECORDS,
     0},
    {"directory of segments renamed", rename_log, SEGMENT_BYTES, 0, 0, "elsewhere", 0, 2 * RECORDS,
     0},
    {"working directory changed", change_working_directory, SEGMENT_BYTES, 0, 0, "log", 0,
     2 * RECORDS, 0},
};
enum {
    EVENT_COUNT = sizeof events / sizeof events[0]
};

static void check_log_afterwards(const struct event *event)
{
    struct logfile *log;
    int result = read_log(event->path);

    ck_assert_msg(result == event->read_result, "%s: reading: %s, expected %s", event->name,
                  logfile_strerror(result), logfile_strerror(event->read_result));
    ck_assert_msg(counted_records == event->record_count, "%s: %d records", event->name,
                  counted_records);
    result = logfile_open(event->path, &options, NULL, &log);
    ck_assert_msg(result == event->open_result, "%s: opening again: %s, expected %s", event->name,
                  logfile_strerror(result), logfile_strerror(event->open_result));
    if (result == 0)
        ck_assert_int_eq(logfile_close(log), 0);
}

static void check_foreign_files_afterwards(const struct event *event)
{
    if (event->happen == replace_log || event->happen == rename_over_log)
        check_foreign_file(OPEN_LOG);
    if (event->happen == put_stray_files) {
        check_foreign_file(OPEN_LOG "/notes.txt");
        check_foreign_file(OPEN_LOG "/control~");
    }
}

static void run_event(const struct event *event)
{
    int before = count_descriptors();

    options.segment_bytes = event->segment_bytes;
    hold(OPEN_LOG);
    event->happen();
    int result = append_some(holder);
    ck_assert_msg(result == event->append_result, "%s: appending: %s", event->name,
                  logfile_strerror(result));
    result = logfile_close(holder);
    ck_assert_msg(result == event->close_result, "%s: closing: %s", event->name,
                  logfile_strerror(result));
    ck_assert_msg(count_descriptors() == before, "%s: descriptors leaked", event->name);
}

START_TEST(test_events)
{
    const struct event *event = &events[_i];

    begin(event->name);
    put_directory("directory");
    run_event(event);
    if (event->happen == take_rights_away)
        give_rights_back();
    check_foreign_files_afterwards(event);
    if (event->path != NULL)
        check_log_afterwards(event);
    else
        ck_assert_msg(access(OPEN_LOG, F_OK) != 0, "%s: it is back", event->name);
    if (event->happen == change_working_directory)
        ck_assert_int_eq(chdir(".."), 0);
    end();
}
END_TEST

static Suite *places_suite(void)
{
    Suite *suite = suite_create("places");
    TCase *tcase = tcase_create("places");

    tcase_add_loop_test(tcase, test_places, 0, PLACE_COUNT);
    tcase_add_loop_test(tcase, test_events, 0, EVENT_COUNT);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    printf("%d hostile places, %d events under an open log\n", PLACE_COUNT, EVENT_COUNT);
    return run_suite(places_suite());
}
