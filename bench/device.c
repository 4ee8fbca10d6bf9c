/* SPDX-License-Identifier: MIT */
#include "device.h"

#include "base/atomic.h"
#include "clock.h"
#include "histogram.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define KEPT_BYTES 65536u
#define TRY_COUNT 50                 /* sleeps, to see how late the kernel ends them, */
#define TRY_NS_MAX UINT64_C(200000)  /* each so long at most */
#define LATE_NS_MAX UINT64_C(100000) /* more than that is another load's, not the kernel's */

#define NAME_BYTES 4096u

/* A file or a directory.  Its descriptors are its place in the table. */
struct file {
    char name[NAME_BYTES]; /* the whole path; empty: unlinked */
    bool is_directory;
    unsigned open_count;
    uint64_t bytes;
    unsigned char kept[KEPT_BYTES];
};

struct bench_device {
    struct logfile_io io;
    uint64_t delay_ns;
    uint64_t late_ns; /* how much later than asked for a sleep ends */
    /* Of every sync, how much longer than the delay it took; several may end at once (fetch-add). */
    uint64_t over_ns_sum;
    uint64_t over_ns[BENCH_HISTOGRAM_BUCKETS];
    /* Guards all below: the log's threads and the writers call at once. */
    pthread_mutex_t lock;
    struct file **files;
    int file_count;
};

/* ---- The delay ---- */

/* The kernel may end a sleep 50 us late to save wake-ups, unless told not to; what the library's own
 * sleeps get in this thread stays as it was. */
static void sleep_until(uint64_t ns)
{
    struct timespec wake = bench_timespec(ns);
    int slack_ns = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, NULL) == EINTR)
        continue;
    prctl(PR_SET_TIMERSLACK, slack_ns > 0 ? slack_ns : 0, 0, 0, 0);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* How late sleeps of about the delay end here, in the median. */
static uint64_t measure_lateness(uint64_t delay_ns)
{
    uint64_t late_ns[TRY_COUNT];
    for (unsigned i = 0; i < TRY_COUNT; i++) {
        uint64_t due_ns = bench_now_ns() + (delay_ns < TRY_NS_MAX ? delay_ns : TRY_NS_MAX);
        sleep_until(due_ns);
        late_ns[i] = bench_now_ns() - due_ns;
    }
    qsort(late_ns, TRY_COUNT, sizeof late_ns[0], compare);
    uint64_t median_ns = late_ns[TRY_COUNT / 2];
    return median_ns < LATE_NS_MAX ? median_ns : LATE_NS_MAX;
}

/* As a disk, it leaves the processor to others: asleep where the kernel ends a sleep in time, and for the
 * rest by giving way to each thread that wants to run.  It never takes less than the delay. */
static void wait_out(struct bench_device *device)
{
    if (device->delay_ns == 0)
        return;
    uint64_t now_ns = bench_now_ns();
    uint64_t end_ns = now_ns + device->delay_ns;
    if (device->delay_ns > device->late_ns)
        sleep_until(end_ns - device->late_ns);
    /* The rest, by the clock.  Another thread that runs in between may keep the processor for its slice;
     * what was reached shows it. */
    while ((now_ns = bench_now_ns()) < end_ns)
        sched_yield();
    /* Relaxed: statistics, which publish nothing. */
    lf_fetch_add_relaxed_64(&device->over_ns_sum, now_ns - end_ns);
    lf_fetch_add_relaxed_64(&device->over_ns[bench_histogram_index(now_ns - end_ns)], 1);
}

/* ---- Files; under the lock ---- */

static struct file *find(const struct bench_device *device, const char *path)
{
    for (int i = 0; i < device->file_count; i++)
        if (strcmp(device->files[i]->name, path) == 0)
            return device->files[i];
    return NULL;
}

/* The name within a directory of something that lies in it, else NULL. */
static const char *name_in(const struct file *file, const char *directory)
{
    size_t length = strlen(directory);
    bool inside = strncmp(file->name, directory, length) == 0 && file->name[length] == '/';
    return inside ? file->name + length + 1 : NULL;
}

static int place_of(const struct bench_device *device, const struct file *file)
{
    int i = 0;
    while (device->files[i] != file)
        i++;
    return i;
}

/* A place in the table that nobody uses, or a new one; NULL: no memory. */
static struct file *new_file(struct bench_device *device)
{
    for (int i = 0; i < device->file_count; i++)
        if (device->files[i]->name[0] == '\0' && device->files[i]->open_count == 0)
            return device->files[i];
    struct file *file = calloc(1, sizeof *file);
    size_t count = (size_t)device->file_count + 1;
    struct file **files = realloc(device->files, count * sizeof(struct file *));
    if (files != NULL)
        device->files = files;
    if (files == NULL || file == NULL) {
        free(file);
        return NULL;
    }
    device->files[device->file_count++] = file;
    return file;
}

static int create(struct bench_device *device, const char *path, bool is_directory)
{
    if (strlen(path) >= NAME_BYTES)
        return -ENAMETOOLONG;
    if (find(device, path) != NULL)
        return -EEXIST;
    struct file *file = new_file(device);
    if (file == NULL)
        return -ENOMEM;
    memset(file, 0, sizeof *file);
    strcpy(file->name, path);
    file->is_directory = is_directory;
    return 0;
}

static int give_descriptor(struct bench_device *device, const char *path, bool is_directory)
{
    struct file *file = find(device, path);
    if (file == NULL)
        return -ENOENT;
    if (file->is_directory != is_directory)
        return is_directory ? -ENOTDIR : -EISDIR;
    file->open_count++;
    return place_of(device, file);
}

static int set_name(struct file *file, const char *directory, const char *name)
{
    char path[NAME_BYTES];
    int length = snprintf(path, sizeof path, "%s/%s", directory, name);
    if (length < 0 || (size_t)length >= sizeof path)
        return -ENAMETOOLONG;
    strcpy(file->name, path);
    return 0;
}

/* What lies in a directory moves with it. */
static int move(struct bench_device *device, struct file *file, const char *to)
{
    if (strlen(to) >= NAME_BYTES)
        return -ENAMETOOLONG;
    int error = 0;
    for (int i = 0; i < device->file_count && error == 0; i++) {
        const char *name = name_in(device->files[i], file->name);
        if (name != NULL)
            error = set_name(device->files[i], to, name);
    }
    if (error == 0)
        strcpy(file->name, to);
    return error;
}

static bool is_empty(const struct bench_device *device, const char *directory)
{
    for (int i = 0; i < device->file_count; i++)
        if (name_in(device->files[i], directory) != NULL)
            return false;
    return true;
}

/* ---- The operations ---- */

/* The descriptor of every directory that was not made here. */
#define OUTSIDE INT_MAX

/* The path of a name: with a directory that was made here before it. */
static int join(const struct bench_device *device, int directory, const char *name,
                char path[NAME_BYTES])
{
    path[0] = '\0';
    if (directory >= 0 && directory != OUTSIDE) {
        strcpy(path, device->files[directory]->name);
        strcat(path, strlen(path) + 1 < NAME_BYTES ? "/" : "");
    }
    if (strlen(path) + strlen(name) >= NAME_BYTES)
        return -ENAMETOOLONG;
    strcat(path, name);
    return 0;
}

static int open_path(struct bench_device *device, const char *path, unsigned flags)
{
    bool is_directory = (flags & LOGFILE_IO_OPEN_DIRECTORY) != 0;
    if (is_directory && find(device, path) == NULL)
        return OUTSIDE;
    int error = (flags & LOGFILE_IO_OPEN_CREATE) != 0 ? create(device, path, false) : 0;
    return error != 0 ? error : give_descriptor(device, path, is_directory);
}

static int device_open(void *context, int directory, const char *name, unsigned flags, mode_t mode)
{
    struct bench_device *device = context;
    char path[NAME_BYTES];
    (void)mode;
    pthread_mutex_lock(&device->lock);
    int result = join(device, directory, name, path);
    if (result == 0)
        result = open_path(device, path, flags);
    pthread_mutex_unlock(&device->lock);
    return result;
}

static int device_close(void *context, int fd)
{
    struct bench_device *device = context;
    pthread_mutex_lock(&device->lock);
    if (fd != OUTSIDE)
        device->files[fd]->open_count--;
    pthread_mutex_unlock(&device->lock);
    return 0;
}

static int device_stat(void *context, int fd, struct logfile_io_stat *out)
{
    struct bench_device *device = context;
    pthread_mutex_lock(&device->lock);
    bool is_file = fd != OUTSIDE && !device->files[fd]->is_directory;
    *out = (struct logfile_io_stat){.bytes = is_file ? device->files[fd]->bytes : 0,
                                    .kind = is_file ? LOGFILE_IO_REGULAR : LOGFILE_IO_DIRECTORY,
                                    .device = 1,
                                    .inode = (uint64_t)fd + 1,
                                    .links = fd == OUTSIDE || device->files[fd]->name[0] != '\0'};
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
    pthread_mutex_lock(&device->lock);
    const struct file *file = device->files[fd];
    uint64_t left = offset < file->bytes ? file->bytes - offset : 0;
    size_t count = bytes < left ? bytes : (size_t)left;
    size_t kept = kept_part(offset, count);
    if (kept > 0)
        memcpy(buffer, file->kept + offset, kept);
    pthread_mutex_unlock(&device->lock);
    memset((unsigned char *)buffer + kept, 0, count - kept);
    return (ssize_t)count;
}

static void grow(struct file *file, uint64_t bytes)
{
    if (bytes > file->bytes)
        file->bytes = bytes;
}

static ssize_t device_write(void *context, int fd, const void *buffer, size_t bytes,
                            uint64_t offset, unsigned flags)
{
    struct bench_device *device = context;
    pthread_mutex_lock(&device->lock);
    struct file *file = device->files[fd];
    size_t kept = kept_part(offset, bytes);
    if (kept > 0)
        memcpy(file->kept + offset, buffer, kept);
    grow(file, offset + bytes);
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
    pthread_mutex_lock(&device->lock);
    grow(device->files[fd], offset + bytes);
    pthread_mutex_unlock(&device->lock);
    return 0;
}

static int device_truncate(void *context, int fd, uint64_t bytes)
{
    struct bench_device *device = context;
    pthread_mutex_lock(&device->lock);
    struct file *file = device->files[fd];
    file->bytes = bytes;
    if (bytes < KEPT_BYTES)
        memset(file->kept + bytes, 0, KEPT_BYTES - bytes);
    pthread_mutex_unlock(&device->lock);
    return 0;
}

static int device_punch(void *context, int fd, uint64_t offset, uint64_t bytes)
{
    struct bench_device *device = context;
    pthread_mutex_lock(&device->lock);
    size_t kept = kept_part(offset, bytes);
    if (kept > 0)
        memset(device->files[fd]->kept + offset, 0, kept);
    pthread_mutex_unlock(&device->lock);
    return 0;
}

static int device_drop_cache(void *context, int fd)
{
    (void)context, (void)fd;
    return 0;
}

static int rename_path(struct bench_device *device, const char *from, const char *to)
{
    struct file *file = find(device, from);
    int error = file == NULL ? -ENOENT : find(device, to) != NULL ? -EEXIST : 0;
    return error != 0 ? error : move(device, file, to);
}

static int device_rename(void *context, int directory, const char *from, const char *to)
{
    struct bench_device *device = context;
    char from_path[NAME_BYTES], to_path[NAME_BYTES];
    pthread_mutex_lock(&device->lock);
    int error = join(device, directory, from, from_path);
    if (error == 0)
        error = join(device, directory, to, to_path);
    if (error == 0)
        error = rename_path(device, from_path, to_path);
    pthread_mutex_unlock(&device->lock);
    return error;
}

static int remove_path(struct bench_device *device, const char *path, bool is_directory)
{
    struct file *file = find(device, path);
    if (file == NULL)
        return -ENOENT;
    if (file->is_directory != is_directory)
        return is_directory ? -ENOTDIR : -EISDIR;
    if (!is_empty(device, path))
        return -ENOTEMPTY;
    file->name[0] = '\0';
    return 0;
}

static int remove_name(struct bench_device *device, int directory, const char *name,
                       bool is_directory)
{
    char path[NAME_BYTES];
    pthread_mutex_lock(&device->lock);
    int error = join(device, directory, name, path);
    if (error == 0)
        error = remove_path(device, path, is_directory);
    pthread_mutex_unlock(&device->lock);
    return error;
}

static int device_unlink(void *context, int directory, const char *name)
{
    return remove_name(context, directory, name, false);
}

static int device_remove_directory(void *context, int directory, const char *name)
{
    return remove_name(context, directory, name, true);
}

static int device_sync_directory(void *context, int directory)
{
    (void)context, (void)directory;
    return 0;
}

static int device_make_directory(void *context, int directory, const char *name, mode_t mode)
{
    struct bench_device *device = context;
    char path[NAME_BYTES];
    (void)mode;
    pthread_mutex_lock(&device->lock);
    int error = join(device, directory, name, path);
    if (error == 0)
        error = create(device, path, true);
    pthread_mutex_unlock(&device->lock);
    return error;
}

/* Copies the name of what is at a place of the table, if it lies in the directory. */
static bool copy_name(struct bench_device *device, int place, const char *directory,
                      char name[NAME_BYTES])
{
    pthread_mutex_lock(&device->lock);
    const char *found = name_in(device->files[place], directory);
    if (found != NULL)
        snprintf(name, NAME_BYTES, "%s", found);
    pthread_mutex_unlock(&device->lock);
    return found != NULL;
}

static int device_list_directory(void *context, int directory,
                                 int (*visit)(void *visit_arg, const char *name), void *visit_arg)
{
    struct bench_device *device = context;
    char path[NAME_BYTES], name[NAME_BYTES];
    pthread_mutex_lock(&device->lock);
    int result = directory < 0 || directory == OUTSIDE ? -ENOTDIR : 0;
    if (result == 0)
        strcpy(path, device->files[directory]->name);
    int count = device->file_count;
    pthread_mutex_unlock(&device->lock);
    /* The lock is not held over a visit. */
    for (int i = 0; i < count && result == 0; i++)
        if (copy_name(device, i, path, name))
            result = visit(visit_arg, name);
    return result;
}

static int device_facts(void *context, int fd, struct logfile_io_facts *out)
{
    (void)context, (void)fd;
    *out = (struct logfile_io_facts){
        .direct = LOGFILE_IO_DIRECT_YES, .free_bytes = UINT64_MAX, .total_bytes = UINT64_MAX};
    return 0;
}

static const struct logfile_io operations = {
    .version = LOGFILE_IO_VERSION,
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
    .punch = device_punch,
    .drop_cache = device_drop_cache,
    .rename = device_rename,
    .unlink = device_unlink,
    .remove_directory = device_remove_directory,
    .sync_directory = device_sync_directory,
    .make_directory = device_make_directory,
    .list_directory = device_list_directory,
    .facts = device_facts,
};

struct bench_device *bench_device_create(uint64_t delay_ns)
{
    struct bench_device *device = calloc(1, sizeof *device);
    if (device == NULL)
        return NULL;
    device->io = operations;
    device->io.context = device;
    device->delay_ns = delay_ns;
    device->late_ns = delay_ns > 0 ? measure_lateness(delay_ns) : 0;
    pthread_mutex_init(&device->lock, NULL);
    return device;
}

void bench_device_destroy(struct bench_device *device)
{
    if (device == NULL)
        return;
    for (int i = 0; i < device->file_count; i++)
        free(device->files[i]);
    free(device->files);
    pthread_mutex_destroy(&device->lock);
    free(device);
}

const struct logfile_io *bench_device_io(const struct bench_device *device)
{
    return &device->io;
}

struct bench_reached bench_device_reached(const struct bench_device *device)
{
    const double delay_us = (double)device->delay_ns / 1000;
    struct bench_histogram over_ns = {.max = UINT64_MAX};
    for (unsigned i = 0; i < BENCH_HISTOGRAM_BUCKETS; i++) {
        over_ns.bucket[i] =
            lf_load_relaxed_64(&device->over_ns[i]); /* relaxed: no sync is under way */
        over_ns.count += over_ns.bucket[i];
    }
    double sum_ns = (double)lf_load_relaxed_64(&device->over_ns_sum); /* the same */
    return (struct bench_reached){
        .syncs = over_ns.count,
        .mean_us = delay_us + sum_ns / 1000 / (double)over_ns.count,
        .p50_us = delay_us + bench_histogram_told_us(&over_ns, BENCH_P50),
        .p99_us = delay_us + bench_histogram_told_us(&over_ns, BENCH_P99),
    };
}
