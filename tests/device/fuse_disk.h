/* SPDX-License-Identifier: MIT */
/*
 * A disk of our own under a real kernel: a FUSE file system of two files, which hold their bytes in
 * memory that the test shares, so that a loop device can be put on either of them.
 *
 * `disk` is what a file system lives on while the log is written.  Each write and each flush that
 * arrives is an event on the tape, and one can be made to fail.  `state` is what the test makes of
 * the tape: the disk as it may be found after the power went.
 */
#ifndef FUSE_DISK_H
#define FUSE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    DISK_BLOCK_BYTES = 4096,
    DISK_BLOCK_COUNT = 77 << 10,
    DISK_EVENT_MAX = 1 << 18
};
#define DISK_BYTES ((size_t)DISK_BLOCK_COUNT * DISK_BLOCK_BYTES) /* 308 MiB: XFS wants 300 */
#define DISK_TAPE_BYTES ((size_t)1 << 30)
#define DISK_NEEDLE_BYTES 16

enum disk_file {
    DISK_FILE_DISK,
    DISK_FILE_STATE,
    DISK_FILE_COUNT
};

struct disk_event {
    uint64_t offset;
    uint64_t bytes; /* 0: a flush */
    uint64_t at;    /* of the bytes in `tape` */
};

/* Zeroed, and so sparse, until something is written. */
struct fuse_disk {
    /* W: test.  R: server. */
    uint32_t is_recording;
    uint32_t fails_flushes; /* this many flushes fail, without effect: W: server too */
    uint32_t fails_writes;  /* this many writes that hold the needle fail, and write nothing */
    uint8_t needle[DISK_NEEDLE_BYTES];
    /* W: server.  R: all.  An event is counted when it begins. */
    uint64_t event_count;
    uint64_t taped_bytes;
    uint64_t failed_count;
    uint32_t is_overrun; /* the tape is full: nothing that it says can be believed */
    struct disk_event events[DISK_EVENT_MAX];
    uint8_t is_touched[DISK_FILE_COUNT][DISK_BLOCK_COUNT]; /* W: server, set; test, cleared */
    uint8_t bytes[DISK_FILE_COUNT][DISK_BYTES];
    uint8_t tape[DISK_TAPE_BYTES];
};

/* Starts a process that serves the files in the empty folder `mount_point`; returns when they are
 * there.  The process ends with the one that started it.  NULL, with errno. */
struct fuse_disk *fuse_disk_start(const char *mount_point);
/* Events that have begun. */
uint64_t fuse_disk_event_count(const struct fuse_disk *disk);

#endif /* FUSE_DISK_H */
