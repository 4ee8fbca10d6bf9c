/* SPDX-License-Identifier: MIT */
#include "device.h"

#include "clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define KEPT_BYTES 65536u
#define SPIN_BELOW_NS UINT64_C(100000) /* a sleep this short would be mostly waking up */
#define WAKE_EARLY_NS UINT64_C(10000)  /* the end of a longer one is spun, so that it is exact */

struct bench_device {
    struct logfile_io io;
    uint64_t delay_ns;
    /* Guards all below: the log's threads and the writers call at once. */
    pthread_mutex_t lock;
    char name[4096]; /* of the one file; empty: there is none */
    uint64_t bytes;
    int next_fd;
    unsigned char kept[KEPT_BYTES];
};

static void wait_out(const struct bench_device *device)
{
    if (device->delay_ns == 0)
        return;
    uint64_t end_ns = bench_now_ns() + device->delay_ns;
    if (device->delay_ns >= SPIN_BELOW_NS) {
        /* The kernel may end a sleep 50 us late to save wake-ups, unless told not to; what the
         * library's own sleeps get in this thread stays as it was. */
        struct timespec wake = bench_timespec(end_ns - WAKE_EARLY_NS);
        int slack_ns = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
        prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, NULL) == EINTR)
            continue;
        prctl(PR_SET_TIMERSLACK, slack_ns > 0 ? slack_ns : 0, 0, 0, 0);
    }
    while (bench_now_ns() < end_ns)
        continue;
}

static int device_open(void *context, const char *path, unsigned flags, mode_t mode)
{
    struct bench_device *device = context;
    (void)mode;
    if (strlen(path) >= sizeof device->name)
        return -ENAMETOOLONG;
    pthread_mutex_lock(&device->lock);
    bool exists = strcmp(device->name, path) == 0;
    bool creates = (flags & LOGFILE_IO_OPEN_CREATE) != 0;
    int result = exists ? (creates ? -EEXIST : device->next_fd++) : -ENOENT;
    if (!exists && creates) {
        snprintf(device->name, sizeof device->name, "%s", path);
        device->bytes = 0;
        memset(device->kept, 0, sizeof device->kept);
        result = device->next_fd++;
    }
    pthread_mutex_unlock(&device->lock);
    return result;
}

static int device_close(void *context, int fd)
{
    (void)context, (void)fd;
    return 0;
}

static int device_stat(void *context, int fd, struct logfile_io_stat *out)
{
    struct bench_device *device = context;
    (void)fd;
    pthread_mutex_lock(&device->lock);
    *out = (struct logfile_io_stat){.bytes = device->bytes, .kind = LOGFILE_IO_REGULAR};
    pthread_mutex_unlock(&device->lock);
    return 0;
}

static int device_lock(void *context, int fd)
{
    (void)context, (void)fd;
    return 0;
}

static int device_locked(void *context, int fd)
{
    (void)context, (void)fd;
    return 0;
}

/* How much of a range lies in the part that is kept. */
static size_t kept_part(uint64_t offset, size_t bytes)
{
    if (offset >= KEPT_BYTES)
        return 0;
    return bytes < KEPT_BYTES - offset ? bytes : (size_t)(KEPT_BYTES - offset);
}

static ssize_t device_read(void *context, int fd, void *buffer, size_t bytes, uint64_t offset)
{
    struct bench_device *device = context;
    (void)fd;
    pthread_mutex_lock(&device->lock);
    uint64_t left = offset < device->bytes ? device->bytes - offset : 0;
    size_t count = bytes < left ? bytes : (size_t)left;
    size_t kept = kept_part(offset, count);
    if (kept > 0)
        memcpy(buffer, device->kept + offset, kept);
    pthread_mutex_unlock(&device->lock);
    memset((unsigned char *)buffer + kept, 0, count - kept);
    return (ssize_t)count;
}

static ssize_t device_write(void *context, int fd, const void *buffer, size_t bytes,
                            uint64_t offset, unsigned flags)
{
    struct bench_device *device = context;
    (void)fd;
    pthread_mutex_lock(&device->lock);
    size_t kept = kept_part(offset, bytes);
    if (kept > 0)
        memcpy(device->kept + offset, buffer, kept);
    if (offset + bytes > device->bytes)
        device->bytes = offset + bytes;
    pthread_mutex_unlock(&device->lock);
    if ((flags & LOGFILE_IO_WRITE_DSYNC) != 0)
        wait_out(device);
    return (ssize_t)bytes;
}

static int device_sync(void *context, int fd)
{
    (void)fd;
    wait_out(context);
    return 0;
}

static int device_allocate(void *context, int fd, uint64_t offset, uint64_t bytes)
{
    struct bench_device *device = context;
    (void)fd;
    pthread_mutex_lock(&device->lock);
    if (offset + bytes > device->bytes)
        device->bytes = offset + bytes;
    pthread_mutex_unlock(&device->lock);
    return 0;
}

static int device_truncate(void *context, int fd, uint64_t bytes)
{
    struct bench_device *device = context;
    (void)fd;
    pthread_mutex_lock(&device->lock);
    device->bytes = bytes;
    if (bytes < KEPT_BYTES)
        memset(device->kept + bytes, 0, KEPT_BYTES - bytes);
    pthread_mutex_unlock(&device->lock);
    return 0;
}

static int device_drop_cache(void *context, int fd)
{
    (void)context, (void)fd;
    return 0;
}

static int device_rename(void *context, const char *from, const char *to)
{
    struct bench_device *device = context;
    if (strlen(to) >= sizeof device->name)
        return -ENAMETOOLONG;
    pthread_mutex_lock(&device->lock);
    int error = strcmp(device->name, from) == 0 ? 0 : -ENOENT;
    if (error == 0)
        snprintf(device->name, sizeof device->name, "%s", to);
    pthread_mutex_unlock(&device->lock);
    return error;
}

static int device_unlink(void *context, const char *path)
{
    struct bench_device *device = context;
    pthread_mutex_lock(&device->lock);
    int error = strcmp(device->name, path) == 0 ? 0 : -ENOENT;
    if (error == 0)
        device->name[0] = '\0';
    pthread_mutex_unlock(&device->lock);
    return error;
}

static int device_sync_directory(void *context, const char *path)
{
    (void)context, (void)path;
    return 0;
}

static const struct logfile_io operations = {
    .open = device_open,
    .close = device_close,
    .stat = device_stat,
    .lock = device_lock,
    .locked = device_locked,
    .read = device_read,
    .write = device_write,
    .sync = device_sync,
    .allocate = device_allocate,
    .truncate = device_truncate,
    .drop_cache = device_drop_cache,
    .rename = device_rename,
    .unlink = device_unlink,
    .sync_directory = device_sync_directory,
};

struct bench_device *bench_device_create(uint64_t delay_ns)
{
    struct bench_device *device = calloc(1, sizeof *device);
    if (device == NULL)
        return NULL;
    device->io = operations;
    device->io.context = device;
    device->delay_ns = delay_ns;
    pthread_mutex_init(&device->lock, NULL);
    return device;
}

void bench_device_destroy(struct bench_device *device)
{
    if (device == NULL)
        return;
    pthread_mutex_destroy(&device->lock);
    free(device);
}

const struct logfile_io *bench_device_io(const struct bench_device *device)
{
    return &device->io;
}
