/* SPDX-License-Identifier: MIT */
#define FUSE_USE_VERSION 31

#include "fuse_disk.h"

#include <errno.h>
#include <fuse.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const file_paths[DISK_FILE_COUNT] = {"/disk", "/state"};

/* Of this process: the server's, or the test's. */
static struct fuse_disk *served;

/* ---- The tape ---- */

static void begin_event(uint64_t offset, const void *data, uint64_t bytes)
{
    uint64_t count = served->event_count;

    if (!__atomic_load_n(&served->is_recording, __ATOMIC_ACQUIRE))
        return;
    if (count == DISK_EVENT_MAX || bytes > DISK_TAPE_BYTES - served->taped_bytes) {
        served->is_overrun = 1;
        return;
    }
    served->events[count] =
        (struct disk_event){.offset = offset, .bytes = bytes, .at = served->taped_bytes};
    if (bytes > 0)
        memcpy(served->tape + served->taped_bytes, data, bytes);
    served->taped_bytes += bytes;
    __atomic_store_n(&served->event_count, count + 1, __ATOMIC_SEQ_CST);
}

uint64_t fuse_disk_event_count(const struct fuse_disk *disk)
{
    return __atomic_load_n(&disk->event_count, __ATOMIC_SEQ_CST);
}

/* ---- Faults ---- */

/* Whether one of the faults that were asked for is due. */
static bool takes_fault(uint32_t *left)
{
    uint32_t count = __atomic_load_n(left, __ATOMIC_ACQUIRE);

    if (count == 0)
        return false;
    __atomic_store_n(left, count - 1, __ATOMIC_RELEASE);
    __atomic_fetch_add(&served->failed_count, 1, __ATOMIC_SEQ_CST);
    return true;
}

static bool holds_needle(const void *data, size_t bytes)
{
    return memmem(data, bytes, served->needle, DISK_NEEDLE_BYTES) != NULL;
}

/* ---- The file system ---- */

static int file_of_path(const char *path)
{
    for (int i = 0; i < DISK_FILE_COUNT; i++)
        if (strcmp(path, file_paths[i]) == 0)
            return i;
    return -ENOENT;
}

static int disk_getattr(const char *path, struct stat *st, struct fuse_file_info *info)
{
    (void)info;
    memset(st, 0, sizeof *st);
    if (strcmp(path, "/") == 0) {
        st->st_mode = S_IFDIR | 0755;
        st->st_nlink = 2;
        return 0;
    }
    st->st_mode = S_IFREG | 0600;
    st->st_nlink = 1;
    st->st_size = (off_t)DISK_BYTES;
    return file_of_path(path) < 0 ? -ENOENT : 0;
}

static int disk_open(const char *path, struct fuse_file_info *info)
{
    int file = file_of_path(path);

    if (file < 0)
        return file;
    info->fh = (uint64_t)file;
    return 0;
}

/* The part of a range that is within the file. */
static size_t within(size_t bytes, off_t offset)
{
    size_t left = (size_t)offset < DISK_BYTES ? DISK_BYTES - (size_t)offset : 0;

    return bytes < left ? bytes : left;
}

static int disk_read(const char *path, char *data, size_t bytes, off_t offset,
                     struct fuse_file_info *info)
{
    (void)path;
    bytes = within(bytes, offset);
    memcpy(data, served->bytes[info->fh] + offset, bytes);
    return (int)bytes;
}

static void touch(uint64_t file, size_t bytes, off_t offset)
{
    size_t first = (size_t)offset / DISK_BLOCK_BYTES;
    size_t last = ((size_t)offset + bytes - 1) / DISK_BLOCK_BYTES;

    memset(&served->is_touched[file][first], 1, last - first + 1);
}

static int disk_write(const char *path, const char *data, size_t bytes, off_t offset,
                      struct fuse_file_info *info)
{
    (void)path;
    bytes = within(bytes, offset);
    if (bytes == 0)
        return -ENOSPC;
    if (info->fh == DISK_FILE_DISK) {
        if (holds_needle(data, bytes) && takes_fault(&served->fails_writes))
            return -EIO;
        begin_event((uint64_t)offset, data, bytes);
    }
    memcpy(served->bytes[info->fh] + offset, data, bytes);
    touch(info->fh, bytes, offset);
    return (int)bytes;
}

/* The loop device makes this of a flush. */
static int disk_fsync(const char *path, int data_only, struct fuse_file_info *info)
{
    (void)path;
    (void)data_only;
    if (info->fh != DISK_FILE_DISK)
        return 0;
    if (takes_fault(&served->fails_flushes))
        return -EIO;
    begin_event(0, NULL, 0);
    return 0;
}

/* Nothing may be kept by the kernel: the test changes the bytes behind its back. */
static void *disk_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    (void)connection;
    config->direct_io = 1;
    config->kernel_cache = 0;
    return NULL;
}

static const struct fuse_operations operations = {
    .init = disk_init,
    .getattr = disk_getattr,
    .open = disk_open,
    .read = disk_read,
    .write = disk_write,
    .fsync = disk_fsync,
};

/* ---- The server's process ---- */

static int serve(const char *mount_point)
{
    struct fuse_args arguments = FUSE_ARGS_INIT(0, NULL);
    struct fuse *fuse;

    if (fuse_opt_add_arg(&arguments, "fuse_disk") != 0)
        return 1;
    fuse = fuse_new(&arguments, &operations, sizeof operations, NULL);
    if (fuse == NULL || fuse_mount(fuse, mount_point) != 0)
        return 1;
    return fuse_loop(fuse);
}

/* False: the server has ended. */
static bool wait_for_server(pid_t server, const char *mount_point)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    char path[PATH_MAX];
    struct stat st;

    snprintf(path, sizeof path, "%s%s", mount_point, file_paths[DISK_FILE_STATE]);
    while (stat(path, &st) != 0) {
        if (waitpid(server, NULL, WNOHANG) == server)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

struct fuse_disk *fuse_disk_start(const char *mount_point)
{
    pid_t server;

    served = mmap(NULL, sizeof *served, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (served == MAP_FAILED)
        return NULL;
    server = fork();
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(serve(mount_point));
    }
    if (server > 0 && wait_for_server(server, mount_point))
        return served;
    munmap(served, sizeof *served);
    errno = server > 0 ? ENOTCONN : errno;
    return NULL;
}
