/* SPDX-License-Identifier: MIT */
/*
 * logfile_io.h - the table of operations through which a log touches storage.
 *
 * Every system call that the library makes on a log goes through one of these.  Pass a table of
 * your own in logfile_options.io to run a log on a simulated disk, a device with a set latency, or
 * a disk that fails on demand.  A wrapper usually copies *logfile_io_posix() and replaces a few
 * members; `context` is handed back as the first argument of each.
 *
 * Every operation returns 0 or a positive result on success and -errno on failure; errno itself is
 * not looked at.  Operations are called from several threads at once: any thread that appends, the
 * log's own threads, and readers.  None is called from a signal handler, and none of the library's
 * threads accepts signals.  Blocks are LOGFILE_IO_BLOCK bytes; with LOGFILE_IO_OPEN_DIRECT every
 * buffer, size and offset is a multiple of a block.
 */
#ifndef LOGFILE_IO_H
#define LOGFILE_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default) /* the library hides everything else */

#define LOGFILE_IO_BLOCK 4096

/* Flags of open.  A symbolic link is never followed: -ELOOP. */
#define LOGFILE_IO_OPEN_WRITE 0x1u  /* read and write; without it, read only */
#define LOGFILE_IO_OPEN_CREATE 0x2u /* create the file, which must not exist: else -EEXIST */
#define LOGFILE_IO_OPEN_DIRECT 0x4u /* bypass the page cache; -EINVAL where that is not possible */

/* Flag of write: the bytes, and the metadata needed to read them back, are on stable storage on
 * return (RWF_DSYNC). */
#define LOGFILE_IO_WRITE_DSYNC 0x1u

enum logfile_io_kind {
    LOGFILE_IO_REGULAR = 0,
    LOGFILE_IO_DIRECTORY,
    LOGFILE_IO_OTHER /* FIFO, socket, device */
};

struct logfile_io_stat {
    uint64_t bytes; /* size of the file */
    enum logfile_io_kind kind;
};

struct logfile_io {
    void *context;

    /* Returns a descriptor of the table's own numbering, >= 0.  Never blocks on a FIFO. */
    int (*open)(void *context, const char *path, unsigned flags, mode_t mode);
    /* Releases the descriptor and any lock taken through it. */
    int (*close)(void *context, int fd);
    /* Kind and size of an open file. */
    int (*stat)(void *context, int fd, struct logfile_io_stat *out);

    /* Take the exclusive writer's lock without waiting; -EAGAIN when somebody else holds it.  The
     * lock belongs to the descriptor: a second descriptor in the same process conflicts. */
    int (*lock)(void *context, int fd);
    /* 1 when another descriptor holds the writer's lock, 0 when none does. */
    int (*locked)(void *context, int fd);

    /* Bytes moved, which may be fewer than asked; 0 from read is the end of the file. */
    ssize_t (*read)(void *context, int fd, void *buffer, size_t bytes, uint64_t offset);
    ssize_t (*write)(void *context, int fd, const void *buffer, size_t bytes, uint64_t offset,
                     unsigned flags);
    /* What was written through this file before, and its size, are on stable storage on return
     * (fdatasync).  A failure is reported once and is never retried by the library. */
    int (*sync)(void *context, int fd);
    /* Make the range allocated and part of the file, reading as zeros where nothing was written
     * (fallocate).  -EOPNOTSUPP where the file system cannot. */
    int (*allocate)(void *context, int fd, uint64_t offset, uint64_t bytes);
    /* Set the size of the file (ftruncate). */
    int (*truncate)(void *context, int fd, uint64_t bytes);
    /* Drop clean cached pages, so that later reads come from the device (posix_fadvise).  Advice:
     * the result is ignored. */
    int (*drop_cache)(void *context, int fd);

    /* Give the file a new name that must not exist yet: -EEXIST, never a replacement. */
    int (*rename)(void *context, const char *from, const char *to);
    int (*unlink)(void *context, const char *path);
    /* Make the directory entry of path durable: fsync of the directory that holds it. */
    int (*sync_directory)(void *context, const char *path);

    void *reserved[8]; /* must be zero */
};

/*
 * The table that a log uses when its options name none: system calls on a file.
 *
 * Returns:  the table; static, never freed, never changed.
 * Threads:  any.  Blocking: no.
 */
const struct logfile_io *logfile_io_posix(void);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* LOGFILE_IO_H */
