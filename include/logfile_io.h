/* SPDX-License-Identifier: MIT */
/*
 * logfile_io.h - the table of operations through which a log touches storage; second edition.
 *
 * Every system call that the library makes on a log goes through one of these.  Pass a table of
 * your own in logfile_options.io to run a log on a simulated disk, a device with a set latency, or
 * a disk that fails on demand.  A wrapper usually copies *logfile_io_posix() and replaces a few
 * members; `context` is handed back as the first argument of each.
 *
 * A log is the directory and the files that it opened, wherever they are moved to: an operation on
 * a name takes the descriptor of the directory that the name is in.  Only the path that the caller
 * of the library gave is looked up as the process looks up paths, with LOGFILE_IO_HERE in place of
 * a directory.
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

#define LOGFILE_IO_VERSION 2u
#define LOGFILE_IO_BLOCK 4096

/* In place of a directory's descriptor: names are paths of the process (AT_FDCWD). */
#define LOGFILE_IO_HERE (-100)

/* Flags of open.  A symbolic link is never followed: -ELOOP; unless a slash comes after it. */
#define LOGFILE_IO_OPEN_WRITE 0x1u  /* read and write; without it, read only */
#define LOGFILE_IO_OPEN_CREATE 0x2u /* create the file, which must not exist: else -EEXIST */
#define LOGFILE_IO_OPEN_DIRECT 0x4u /* bypass the page cache; -EINVAL if that is not possible */
/* Open a directory, to be handed back as `directory`; without any other flag.  -ENOTDIR. */
#define LOGFILE_IO_OPEN_DIRECTORY 0x8u

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
    uint32_t kind;  /* enum logfile_io_kind */
    uint32_t reserved_32;
    /* Tell files apart, as long as one of the two is open.  Both 0: the table does not say. */
    uint64_t device;
    uint64_t inode;
    /* How many names lead to the file.  0: none any more, or the table does not say. */
    uint64_t links;
};

enum logfile_io_direct {
    LOGFILE_IO_DIRECT_UNKNOWN = 0, /* not known */
    LOGFILE_IO_DIRECT_NO = 1,      /* LOGFILE_IO_OPEN_DIRECT is refused, or goes through a cache */
    LOGFILE_IO_DIRECT_YES = 2
};

/* What is known of the file system that holds an open file or directory. */
struct logfile_io_facts {
    uint32_t direct;       /* enum logfile_io_direct */
    uint32_t offset_align; /* of direct transfers, in bytes; 0: not known */
    uint32_t memory_align; /* the same of their buffers */
    uint32_t read_only;    /* 1: nothing can be written there */
    uint64_t fs_type;      /* f_type of statfs; 0: not known */
    uint64_t free_bytes;   /* that this process may still take; UINT64_MAX: no limit known */
    uint64_t total_bytes;  /* UINT64_MAX: not known */
    /* 1: a direct write with LOGFILE_IO_WRITE_DSYNC, of blocks that were written before, is one
     * request, after which the device needs no flush of its cache (FUA); 0: it is not, or not known. */
    uint32_t dsync_is_one_request;
    uint32_t reserved_32;
    uint64_t reserved[7];
};

struct logfile_io {
    uint32_t version; /* LOGFILE_IO_VERSION of the header that the table was written with; -EINVAL
                         where the library does not know it.  Version 2 has all of the members
                         below, none may be NULL; a later one may name members in place of
                         reserved ones, and the struct keeps its size */
    void *context;

    /*
     * Returns a descriptor of the table's own numbering, >= 0.  Never blocks on a FIFO.
     *
     * directory: of this and of all operations on names: a descriptor that
     * LOGFILE_IO_OPEN_DIRECTORY gave, or LOGFILE_IO_HERE.
     */
    int (*open)(void *context, int directory, const char *name, unsigned flags, mode_t mode);
    /* Releases the descriptor and any lock taken through it. */
    int (*close)(void *context, int fd);
    /* Kind and size of an open file. */
    int (*stat)(void *context, int fd, struct logfile_io_stat *out);

    /* Take the exclusive writer's lock without waiting; -EAGAIN if another descriptor holds it.  The
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
     * before both are back.  If facts says LOGFILE_IO_DIRECT_YES of a file that is open with
     * LOGFILE_IO_OPEN_DIRECT, a write itself tells what became of its bytes, and each sync must
     * tell of its own failure: no thread waits for another's.  -EINVAL or -EROFS on a file system
     * that is read-only is no failure to a reader. */
    int (*sync)(void *context, int fd);
    /* Make the range allocated and part of the file, reading as zeros where nothing was written
     * (fallocate).  -EOPNOTSUPP if the file system cannot. */
    int (*allocate)(void *context, int fd, uint64_t offset, uint64_t bytes);
    /* Set the size of the file (ftruncate). */
    int (*truncate)(void *context, int fd, uint64_t bytes);
    /* Drop clean cached pages, so that later reads come from the device (posix_fadvise).  Advice:
     * the result is ignored. */
    int (*drop_cache)(void *context, int fd);

    /* Give the blocks of the range back; it reads as zeros afterwards, and the size stays
     * (fallocate).  -EOPNOTSUPP if the file system cannot. */
    int (*punch)(void *context, int fd, uint64_t offset, uint64_t bytes);

    /* Give the file or directory a new name in the same directory, which must not exist yet:
     * -EEXIST, never a replacement.  1: it has it, but by a link, after which the old name was
     * removed.  A file system that knows files by their names may take it for another file then than
     * the one that is open, with a lock, a size and a cache of its own; so the library opens it again
     * by its new name, and goes on with that. */
    int (*rename)(void *context, int directory, const char *from, const char *to);
    /* Remove the name of a file; -EISDIR for a directory. */
    int (*unlink)(void *context, int directory, const char *name);
    /* Remove an empty directory, else -ENOTEMPTY; -ENOTDIR. */
    int (*remove_directory)(void *context, int directory, const char *name);
    /* Make durable which names there are in an open directory, and where they lead (fsync). */
    int (*sync_directory)(void *context, int directory);
    /* Create a directory: -EEXIST when the name exists. */
    int (*make_directory)(void *context, int directory, const char *name, mode_t mode);
    /* Call visit once for each name in an open directory but "." and "..", in any order, each time
     * from the start.  A visit that does not return 0 ends the listing, and its value is returned.
     * Never called for one descriptor by two threads at once; visit calls nothing of the table. */
    int (*list_directory)(void *context, int directory,
                          int (*visit)(void *visit_arg, const char *name), void *visit_arg);

    /* Tell what is known of the file system that holds an open file or directory. */
    int (*facts)(void *context, int fd, struct logfile_io_facts *out);

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
