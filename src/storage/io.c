/* SPDX-License-Identifier: MIT */
/*
 * logfile_io_posix(): system calls on a file, and the loops around short counts.
 *
 * A call that a signal interrupted is made again here, so that no user of a table has to: nothing
 * has happened yet, and no failure has been reported.  Nothing else is ever made again.  Calls that
 * begin anew each time, and may take longer than the signals of a profiler leave them, are made
 * with signals blocked: else they would never be done.
 */
#include "storage/io.h"

#include "base/atomic.h"
#include "base/compat.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- Signals ----------------------------------------------------------------------------------*/

static void block_signals(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

/* Keeps errno. */
static void unblock_signals(const sigset_t *before)
{
    int error = errno;
    pthread_sigmask(SIG_SETMASK, before, NULL);
    errno = error;
}

static int fallocate_undisturbed(int fd, int how, uint64_t offset, uint64_t bytes)
{
    sigset_t before;
    block_signals(&before);
    int result = (int)TEMP_FAILURE_RETRY(fallocate(fd, how, (off_t)offset, (off_t)bytes));
    unblock_signals(&before);
    return result;
}

/* ---- Open and close ---------------------------------------------------------------------------*/

/* A log on descriptor 0, 1 or 2 would be written to by what prints.  Consumes fd. */
static int move_above_stdio(int fd)
{
    if (fd > STDERR_FILENO)
        return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int result = moved < 0 ? -errno : moved;
    close(fd);
    return result;
}

/*
 * O_DIRECT is asked for here and not by open: an open that creates a file and then finds that
 * O_DIRECT cannot be had fails, and leaves the file behind.  O_NONBLOCK goes: it was there so that
 * open does not wait for a FIFO's other end.  Consumes fd.
 */
static int set_status_flags(int fd, bool direct)
{
    struct stat status;
    if (fcntl(fd, F_SETFL, direct ? O_DIRECT : 0) == 0)
        return fd;
    int error = -errno;
    if (error == -EINVAL && fstat(fd, &status) == 0 && S_ISDIR(status.st_mode))
        error = -EISDIR;
    close(fd);
    return error;
}

/* With O_DIRECTORY the kernel calls a symbolic link no directory; the caller is told which. */
static int open_directory(int directory, const char *name)
{
    const int how = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    struct stat status;
    int fd = (int)TEMP_FAILURE_RETRY(openat(directory, name, how));
    if (fd >= 0)
        return move_above_stdio(fd);
    int error = -errno;
    bool is_link = error == -ENOTDIR &&
                   fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                   S_ISLNK(status.st_mode);
    return is_link ? -ELOOP : error;
}

/* By the name again, where /proc is not there; what has it by now may be something else. */
static int open_same_file(int directory, const char *name, int how, const struct stat *status)
{
    struct stat other;
    int fd = (int)TEMP_FAILURE_RETRY(openat(directory, name, how));
    if (fd < 0)
        return fd;
    if (fstat(fd, &other) == 0 && other.st_dev == status->st_dev && other.st_ino == status->st_ino)
        return fd;
    close(fd);
    errno = EAGAIN;
    return -1;
}

/*
 * Another process has a lease on the file: the kernel is asking for it back, and an open that may
 * wait waits for that (45 s at most, unless the administrator says otherwise).  Only a regular file
 * is waited for; what it is, is looked at on the file itself, which no change of names exchanges.
 */
static int open_leased(int directory, const char *name, int how)
{
    struct stat status;
    char path[32];
    int fd = -1;
    int place = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (place < 0)
        return -1;
    if (fstat(place, &status) != 0 || !S_ISREG(status.st_mode)) {
        errno = EAGAIN;
    } else {
        snprintf(path, sizeof path, "/proc/self/fd/%d", place);
        fd = (int)TEMP_FAILURE_RETRY(open(path, how & ~(O_NONBLOCK | O_NOFOLLOW)));
        if (fd < 0 && errno == ENOENT)
            fd = open_same_file(directory, name, how & ~O_NONBLOCK, &status);
    }
    int error = errno;
    close(place);
    errno = error;
    return fd;
}

static int posix_open(void *context, int directory, const char *name, unsigned flags, mode_t mode)
{
    int how = O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
    bool create = flags & LOGFILE_IO_OPEN_CREATE;
    struct stat status;
    (void)context;
    if (flags & LOGFILE_IO_OPEN_DIRECTORY)
        return open_directory(directory, name);
    how |= flags & LOGFILE_IO_OPEN_WRITE ? O_RDWR : O_RDONLY;
    if (create) {
        how |= O_CREAT | O_EXCL;
    } else if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
               !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode) && !S_ISLNK(status.st_mode)) {
        /* Opening a device can have effects of its own, so it is refused unopened.  The caller looks
         * at the open file again: the name may change in between. */
        return -ESPIPE;
    }
    int fd = (int)TEMP_FAILURE_RETRY(openat(directory, name, how, mode));
    if (fd < 0 && errno == EWOULDBLOCK && !create)
        fd = open_leased(directory, name, how);
    if (fd < 0)
        return -errno;
    fd = move_above_stdio(fd);
    if (fd >= 0)
        fd = set_status_flags(fd, flags & LOGFILE_IO_OPEN_DIRECT);
    if (fd < 0 && create)
        unlinkat(directory, name, 0);
    return fd;
}

static int whole_file_lock(int fd, int command, struct flock *lock)
{
    lock->l_whence = SEEK_SET;
    return fcntl(fd, command, lock);
}

static int posix_close_file(void *context, int fd)
{
    (void)context;
    /* The lock belongs to the open file, which a forked child may hold open for longer. */
    struct flock lock = {.l_type = F_UNLCK};
    (void)whole_file_lock(fd, F_OFD_SETLK, &lock);
    /* Linux releases the descriptor also when close is interrupted. */
    return close(fd) == 0 || errno == EINTR ? 0 : -errno;
}

static int posix_stat(void *context, int fd, struct logfile_io_stat *out)
{
    (void)context;
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -errno;
    out->bytes = (uint64_t)status.st_size;
    out->kind = S_ISREG(status.st_mode)   ? LOGFILE_IO_REGULAR
                : S_ISDIR(status.st_mode) ? LOGFILE_IO_DIRECTORY
                                          : LOGFILE_IO_OTHER;
    out->device = (uint64_t)status.st_dev;
    out->inode = (uint64_t)status.st_ino;
    out->links = (uint64_t)status.st_nlink;
    return 0;
}

/* ---- The writer's lock: one open file description lock over the whole file --------------------*/

static int posix_lock(void *context, int fd)
{
    (void)context;
    struct flock lock = {.l_type = F_WRLCK};
    if (whole_file_lock(fd, F_OFD_SETLK, &lock) == 0)
        return 0;
    return errno == EACCES ? -EAGAIN : -errno;
}

static int posix_locked(void *context, int fd)
{
    (void)context;
    struct flock lock = {.l_type = F_WRLCK};
    if (whole_file_lock(fd, F_OFD_GETLK, &lock) != 0)
        return -errno;
    return lock.l_type != F_UNLCK;
}

/* ---- Bytes ------------------------------------------------------------------------------------*/

static ssize_t posix_read(void *context, int fd, void *buffer, size_t bytes, uint64_t offset)
{
    (void)context;
    ssize_t count = TEMP_FAILURE_RETRY(pread(fd, buffer, bytes, (off_t)offset));
    return count < 0 ? -errno : count;
}

static ssize_t posix_write(void *context, int fd, const void *buffer, size_t bytes, uint64_t offset,
                           unsigned flags)
{
    (void)context;
    struct iovec iov = {.iov_base = (void *)(uintptr_t)buffer, .iov_len = bytes};
    int how = flags & LOGFILE_IO_WRITE_DSYNC ? RWF_DSYNC : 0;
    ssize_t count = TEMP_FAILURE_RETRY(pwritev2(fd, &iov, 1, (off_t)offset, how));
    return count < 0 ? -errno : count;
}

/* The size of the file counts as data that fdatasync covers; its times do not. */
static int posix_sync(void *context, int fd)
{
    sigset_t before;

    (void)context;
    block_signals(&before);
    int result = (int)TEMP_FAILURE_RETRY(fdatasync(fd));
    unblock_signals(&before);
    return result == 0 ? 0 : -errno;
}

static int posix_allocate(void *context, int fd, uint64_t offset, uint64_t bytes)
{
    (void)context;
    if (fallocate_undisturbed(fd, 0, offset, bytes) == 0)
        return 0;
    return errno == ENOSYS ? -EOPNOTSUPP : -errno;
}

static int posix_punch(void *context, int fd, uint64_t offset, uint64_t bytes)
{
    (void)context;
    const int how = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    if (fallocate_undisturbed(fd, how, offset, bytes) == 0)
        return 0;
    return errno == ENOSYS ? -EOPNOTSUPP : -errno;
}

static int posix_truncate(void *context, int fd, uint64_t bytes)
{
    sigset_t before;
    (void)context;
    block_signals(&before);
    int result = (int)TEMP_FAILURE_RETRY(ftruncate(fd, (off_t)bytes));
    unblock_signals(&before);
    return result == 0 ? 0 : -errno;
}

static int posix_drop_cache(void *context, int fd)
{
    (void)context;
    return -posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* ---- Names ------------------------------------------------------------------------------------*/

/* For file systems that cannot rename without replacing.  1: by a link; 0; -errno. */
static int rename_by_other_means(int directory, const char *from, const char *to)
{
    struct stat status;
    if (fstatat(directory, from, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return -errno;
    if (!S_ISDIR(status.st_mode)) { /* link refuses an existing name too */
        if (linkat(directory, from, directory, to, 0) != 0)
            return -errno;
        if (unlinkat(directory, from, 0) == 0)
            return 1;
        int error = -errno;
        unlinkat(directory, to, 0);
        return error;
    }
    /* A directory cannot be linked, but renaming it replaces nothing but an empty directory, which
     * holds no data; one that is seen is left alone all the same. */
    if (fstatat(directory, to, &status, AT_SYMLINK_NOFOLLOW) == 0)
        return -EEXIST;
    if (renameat(directory, from, directory, to) == 0)
        return 0;
    return errno == ENOTEMPTY || errno == ENOTDIR ? -EEXIST : -errno;
}

static int posix_rename(void *context, int directory, const char *from, const char *to)
{
    (void)context;
    if (renameat2(directory, from, directory, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno == EINVAL || errno == ENOSYS)
        return rename_by_other_means(directory, from, to);
    return -errno;
}

static int posix_unlink(void *context, int directory, const char *name)
{
    (void)context;
    return unlinkat(directory, name, 0) == 0 ? 0 : -errno;
}

static int posix_remove_directory(void *context, int directory, const char *name)
{
    (void)context;
    if (unlinkat(directory, name, AT_REMOVEDIR) == 0)
        return 0;
    return errno == EEXIST ? -ENOTEMPTY : -errno; /* the kernel may say either */
}

static int posix_sync_directory(void *context, int directory)
{
    (void)context;
    sigset_t before;
    block_signals(&before);
    int error = TEMP_FAILURE_RETRY(fsync(directory)) == 0 ? 0 : -errno;
    unblock_signals(&before);
    /* Some file systems have no way to sync a directory; there is nothing more to be asked for. */
    return error == -EINVAL ? 0 : error;
}

static int posix_make_directory(void *context, int directory, const char *name, mode_t mode)
{
    (void)context;
    return mkdirat(directory, name, mode) == 0 ? 0 : -errno;
}

/* On the descriptor that is held, which needs no permission that it does not have already.  By
 * getdents64: POSIX's readdir has a buffer that it allocates. */
static int posix_list_directory(void *context, int directory,
                                int (*visit)(void *visit_arg, const char *name), void *visit_arg)
{
    _Alignas(struct dirent64) char entries[4096];
    ssize_t bytes = 0;
    int result = 0;
    (void)context;
    if (lseek(directory, 0, SEEK_SET) != 0)
        return -errno;
    while (result == 0 && (bytes = getdents64(directory, entries, sizeof entries)) > 0) {
        for (ssize_t at = 0; at < bytes && result == 0;) {
            const struct dirent64 *entry = (const struct dirent64 *)(entries + at);
            if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                result = visit(visit_arg, entry->d_name);
            at += entry->d_reclen;
        }
    }
    if (result == 0 && bytes < 0)
        result = -errno;
    return result;
}

/* ---- Facts ------------------------------------------------------------------------------------*/

/* What direct transfers need, since Linux 6.1.  The call is made by its number, into memory of the
 * kernel's layout: C libraries that know neither are in use. */
static void ask_for_direct(int fd, struct logfile_io_facts *out)
{
    const unsigned dioalign = 0x2000;
    const size_t memory_align_at = 0x98, offset_align_at = 0x9c;
    _Alignas(uint64_t) unsigned char status[256];
    uint32_t mask;
    if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, dioalign, status) != 0)
        return;
    memcpy(&mask, status, sizeof mask);
    if (!(mask & dioalign))
        return;
    memcpy(&out->memory_align, status + memory_align_at, sizeof out->memory_align);
    memcpy(&out->offset_align, status + offset_align_at, sizeof out->offset_align);
    out->direct = out->offset_align == 0 ? LOGFILE_IO_DIRECT_NO : LOGFILE_IO_DIRECT_YES;
}

/* True: the device's queue says something that begins so.  A partition has its disk's queue. */
static bool queue_says(const char *device, const char *what, const char *beginning)
{
    static const char *const queues[] = {"queue", "../queue"};
    char path[PATH_MAX];
    char said[16] = "";
    int fd = -1;
    for (unsigned i = 0; fd < 0 && i < sizeof queues / sizeof queues[0]; i++) {
        snprintf(path, sizeof path, "%s/%s/%s", device, queues[i], what);
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0)
        return false;
    ssize_t count = TEMP_FAILURE_RETRY(read(fd, said, sizeof said - 1));
    close(fd);
    return count > 0 && strncmp(said, beginning, strlen(beginning)) == 0;
}

bool lf_io_needs_no_flush(const char *device)
{
    return queue_says(device, "fua", "1") || queue_says(device, "write_cache", "write through");
}

/*
 * ext4 and XFS make a write of written blocks with RWF_DSYNC durable by FUA alone, since Linux 4.18.
 * A device is asked once, and the last one is remembered: only what is faster hangs on the answer.
 */
static bool dsync_is_one_request(int fd, uint64_t fs_type)
{
    enum {
        KNOWN = 1,
        NO_FLUSH = 2
    };
    static uint64_t last; /* a device and what it said */
    const uint64_t ext4 = 0xef53, xfs = 0x58465342;
    struct stat status;
    char device[64];
    if ((fs_type != ext4 && fs_type != xfs) || TEMP_FAILURE_RETRY(fstat(fd, &status)) != 0)
        return false;
    uint64_t asked = (uint64_t)status.st_dev << 2 | KNOWN;
    uint64_t known = lf_load_relaxed_64(&last); /* relaxed: one word, and all of the answer */
    if ((known | NO_FLUSH) != (asked | NO_FLUSH)) {
        snprintf(device, sizeof device, "/sys/dev/block/%u:%u", major(status.st_dev),
                 minor(status.st_dev));
        known = asked | (lf_io_needs_no_flush(device) ? NO_FLUSH : 0);
        lf_store_relaxed_64(&last, known); /* relaxed: the same */
    }
    return (known & NO_FLUSH) != 0;
}

static int posix_facts(void *context, int fd, struct logfile_io_facts *out)
{
    struct statfs type;
    struct statvfs space;
    (void)context;
    if (TEMP_FAILURE_RETRY(fstatfs(fd, &type)) != 0 ||
        TEMP_FAILURE_RETRY(fstatvfs(fd, &space)) != 0)
        return -errno;
    *out = (struct logfile_io_facts){.fs_type = (uint64_t)type.f_type,
                                     .read_only = (space.f_flag & ST_RDONLY) != 0,
                                     .free_bytes = (uint64_t)space.f_bavail * space.f_frsize,
                                     .total_bytes = (uint64_t)space.f_blocks * space.f_frsize};
    ask_for_direct(fd, out);
    out->dsync_is_one_request = dsync_is_one_request(fd, out->fs_type);
    return 0;
}

static const struct logfile_io posix_io = {
    .version = LOGFILE_IO_VERSION,
    .open = posix_open,
    .close = posix_close_file,
    .stat = posix_stat,
    .lock = posix_lock,
    .locked = posix_locked,
    .read = posix_read,
    .write = posix_write,
    .sync = posix_sync,
    .allocate = posix_allocate,
    .truncate = posix_truncate,
    .drop_cache = posix_drop_cache,
    .punch = posix_punch,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .remove_directory = posix_remove_directory,
    .sync_directory = posix_sync_directory,
    .make_directory = posix_make_directory,
    .list_directory = posix_list_directory,
    .facts = posix_facts,
};

const struct logfile_io *logfile_io_posix(void)
{
    return &posix_io;
}

/* ---- For the users of a table -----------------------------------------------------------------*/

/*
 * Only a read that gains nothing is the end of the file.  Behind a short count that ends inside a
 * block a direct descriptor answers -EINVAL; then the block is read again from its start.
 */
ssize_t lf_io_read_full(const struct logfile_io *io, int fd, void *buffer, size_t bytes,
                        uint64_t offset)
{
    size_t end = 0;
    size_t from = 0;
    while (end < bytes) {
        ssize_t count =
            io->read(io->context, fd, (char *)buffer + from, bytes - from, offset + from);
        if (count == -EINVAL && from % LOGFILE_IO_BLOCK != 0) {
            from -= from % LOGFILE_IO_BLOCK;
            continue;
        }
        if (count < 0)
            return count;
        if ((size_t)count > bytes - from)
            return -EIO;
        if (from + (size_t)count <= end)
            break;
        from += (size_t)count;
        end = from;
    }
    return (ssize_t)end;
}

/*
 * After a short count, goes on from the last block boundary that was reached, which a direct
 * descriptor needs; within a block, from where the count ended, so that it always gets further.
 */
int lf_io_write_full(const struct logfile_io *io, int fd, const void *buffer, size_t bytes,
                     uint64_t offset, unsigned flags)
{
    size_t done = 0;
    while (done < bytes) {
        ssize_t count = io->write(io->context, fd, (const char *)buffer + done, bytes - done,
                                  offset + done, flags);
        if (count < 0)
            return (int)count;
        if (count == 0 || (size_t)count > bytes - done)
            return -EIO;
        size_t end = done + (size_t)count;
        size_t boundary = end - end % LOGFILE_IO_BLOCK;
        done = end == bytes || boundary <= done ? end : boundary;
    }
    return 0;
}

int lf_io_leads_to(const struct logfile_io *io, int directory, const char *name, unsigned flags,
                   int fd)
{
    struct logfile_io_stat held, named;
    int other = io->open(io->context, directory, name, flags, 0);
    if (other == -ENOENT || other == -ENOTDIR || other == -EISDIR || other == -ELOOP ||
        other == -ESPIPE)
        return 0; /* Something else has the name, or nothing. */
    if (other < 0)
        return other;
    int error = io->stat(io->context, other, &named);
    if (error == 0)
        error = io->stat(io->context, fd, &held);
    (void)io->close(io->context, other);
    if (error != 0)
        return error;
    return named.device == held.device && named.inode == held.inode;
}

uint64_t lf_io_links(const struct logfile_io *io, int fd)
{
    struct logfile_io_stat status = {0};
    return io->stat(io->context, fd, &status) == 0 ? status.links : 0;
}

bool lf_io_is_removed(const struct logfile_io *io, int fd)
{
    struct logfile_io_stat status = {0};
    return io->stat(io->context, fd, &status) == 0 && status.links == 0;
}

bool lf_io_is_complete(const struct logfile_io *io)
{
    for (size_t i = 0; i < sizeof io->reserved / sizeof io->reserved[0]; i++) {
        if (io->reserved[i] != NULL)
            return false;
    }
    return io->version == LOGFILE_IO_VERSION && io->open != NULL && io->close != NULL &&
           io->stat != NULL && io->lock != NULL && io->locked != NULL && io->read != NULL &&
           io->write != NULL && io->sync != NULL && io->allocate != NULL && io->truncate != NULL &&
           io->drop_cache != NULL && io->punch != NULL && io->rename != NULL &&
           io->unlink != NULL && io->remove_directory != NULL && io->sync_directory != NULL &&
           io->make_directory != NULL && io->list_directory != NULL && io->facts != NULL;
}
