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
    LOGFILE_IO_DIRECTORY, /* what a read-only open of a directory may give; or open is -EISDIR */
    LOGFILE_IO_OTHER      /* FIFO, socket, device */
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
     * (fdatasync).  A failure is never retried by the library.  Two threads may sync at once.  A
     * failed write-back from the page cache may be told to one of them alone: neither is believed
     * before both are back.  With LOGFILE_IO_OPEN_DIRECT a write itself tells what became of its
     * bytes, and each sync must tell of its own failure: nobody waits for another's. */
    int (*sync)(void *context, int fd);
    /* Make the range allocated and part of the file, reading as zeros where nothing was written
     * (fallocate).  -EOPNOTSUPP where the file system cannot. */
    int (*allocate)(void *context, int fd, uint64_t offset, uint64_t bytes);
    /* Set the size of the file (ftruncate). */
    int (*truncate)(void *context, int fd, uint64_t bytes);
    /* Drop clean cached pages, so that later reads come from the device (posix_fadvise).  Advice:
     * the result is ignored. */
    int (*drop_cache)(void *context, int fd);

    /* Give the blocks of the range back; it reads as zeros afterwards, and the size stays
     * (fallocate).  -EOPNOTSUPP where the file system cannot. */
    int (*punch)(void *context, int fd, uint64_t offset, uint64_t bytes);

    /* Give the file or directory a new name that must not exist yet: -EEXIST, never a
     * replacement. */
    int (*rename)(void *context, const char *from, const char *to);
    /* Remove a file, or an empty directory (else -ENOTEMPTY). */
    int (*unlink)(void *context, const char *path);
    /* Make the directory entry of path durable, or that there is none: fsync of the directory that
     * holds it. */
    int (*sync_directory)(void *context, const char *path);
    /* Create a directory: -EEXIST when the name exists. */
    int (*make_directory)(void *context, const char *path, mode_t mode);
    /* Call visit once for each name in a directory but "." and "..", in any order.  A visit that
     * does not return 0 ends the listing, and its value is returned.  -ENOTDIR, -ELOOP. */
    int (*list_directory)(void *context, const char *path,
                          int (*visit)(void *visit_arg, const char *name), void *visit_arg);

    void *reserved[5]; /* must be zero */
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
