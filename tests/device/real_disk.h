/* SPDX-License-Identifier: MIT */
/*
 * File systems of the running kernel on a disk of our own: loop devices on the files of
 * fuse_disk.h, mkfs, mount, and a world apart in which all of it is gone when the test ends,
 * however it ends.
 */
#ifndef REAL_DISK_H
#define REAL_DISK_H

#include "fuse_disk.h"

enum {
    FILE_SYSTEM_COUNT = 3
};
extern const char *const file_system_names[FILE_SYSTEM_COUNT];

/*
 * Runs `body` in a child with mounts and processes of its own and returns what it returned.  When
 * that child ends, or this process is stopped or killed, the kernel ends every process that it has
 * started, unmounts what they have mounted and detaches the loop devices.  77, with the reason on
 * standard output, where the machine does not let it.  Where there was a world it does not return:
 * the process ends with that status.
 */
int in_world_apart(int (*body)(void));

/* Where nobody else can look: an empty folder of memory, in a world apart. */
#define WORLD_FOLDER "/mnt"

/* Runs a program to its end.  Its exit status; 127: there is no such program.  quiet: nothing of what
 * it prints is seen, else its errors are. */
int run_program(char *const *arguments, bool is_quiet);
/* Whether the kernel knows a file system, and there is the program that makes it; says what is
 * missing. */
bool kernel_knows(const char *file_system, const char *program);
/* Whether the machine has what it takes to make the file system; says what is missing. */
bool file_system_is_there(unsigned file_system);

struct mounted {
    int loop_fd; /* the device is detached when it is closed and unmounted */
    char device[32];
    char path[64];
};

/* Attaches a loop device, with logical blocks of so many bytes, to a file.  The test ends where that
 * fails; where the kernel has no such blocks it is false. */
bool loop_attach(const char *path, unsigned block_bytes, struct mounted *mounted);

/* Starts the disk, in a folder of WORLD_FOLDER that is named after it.  The test ends where it
 * cannot. */
struct fuse_disk *disk_start(const char *name);
/* Makes an empty file system on it. */
void disk_format(const char *name, unsigned file_system);
/* Attaches a loop device to one of the disk's files and mounts it.  False: it cannot be mounted, and
 * nothing is left behind. */
bool disk_mount(const char *name, enum disk_file file, unsigned file_system,
                struct mounted *mounted);
/* A file system that its disk has failed may have nothing to say about it. */
void disk_unmount(struct mounted *mounted);

#endif /* REAL_DISK_H */
