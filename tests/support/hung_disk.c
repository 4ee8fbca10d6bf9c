/* SPDX-License-Identifier: MIT */
#include "hung_disk.h"

#include <errno.h>

static _Thread_local struct hung_disk *my_disk;
static _Thread_local unsigned my_part;
static _Thread_local bool is_in_timed_call;

static bool hangs_here(const struct hung_disk *disk, enum logfile_sim_call call)
{
    return disk->hangs && disk->what.call == call && (disk->what.parts & my_part) != 0;
}

/* Before each call that may hang.  0, or what it returns instead of being made. */
static int pass(enum logfile_sim_call call)
{
    struct hung_disk *disk = my_disk;
    int error = 0;

    if (disk == NULL)
        return 0;
    pthread_mutex_lock(&disk->lock);
    disk->timed_count += is_in_timed_call;
    if (hangs_here(disk, call)) {
        error = disk->what.error;
        disk->caught_count++;
        pthread_cond_broadcast(&disk->changed);
        while (disk->hangs)
            pthread_cond_wait(&disk->changed, &disk->lock);
    }
    pthread_mutex_unlock(&disk->lock);
    return error;
}

/* ---- The table: the calls of the simulated disk, whose context it keeps ---- */

static int hung_open(void *context, int directory, const char *name, unsigned flags, mode_t mode)
{
    int error = pass(LOGFILE_SIM_OPEN);
    return error != 0 ? error
                      : logfile_sim_io(context)->open(context, directory, name, flags, mode);
}

static ssize_t hung_write(void *context, int fd, const void *buffer, size_t bytes, uint64_t offset,
                          unsigned flags)
{
    int error = pass(LOGFILE_SIM_WRITE);
    if (error != 0)
        return error;
    return logfile_sim_io(context)->write(context, fd, buffer, bytes, offset, flags);
}

static int hung_sync(void *context, int fd)
{
    int error = pass(LOGFILE_SIM_SYNC);
    return error != 0 ? error : logfile_sim_io(context)->sync(context, fd);
}

static int hung_allocate(void *context, int fd, uint64_t offset, uint64_t bytes)
{
    int error = pass(LOGFILE_SIM_ALLOCATE);
    return error != 0 ? error : logfile_sim_io(context)->allocate(context, fd, offset, bytes);
}

static int hung_punch(void *context, int fd, uint64_t offset, uint64_t bytes)
{
    int error = pass(LOGFILE_SIM_PUNCH);
    return error != 0 ? error : logfile_sim_io(context)->punch(context, fd, offset, bytes);
}

static int hung_rename(void *context, int directory, const char *from, const char *to)
{
    int error = pass(LOGFILE_SIM_RENAME);
    return error != 0 ? error : logfile_sim_io(context)->rename(context, directory, from, to);
}

static int hung_unlink(void *context, int directory, const char *name)
{
    int error = pass(LOGFILE_SIM_UNLINK);
    return error != 0 ? error : logfile_sim_io(context)->unlink(context, directory, name);
}

static int hung_sync_directory(void *context, int directory)
{
    int error = pass(LOGFILE_SIM_SYNC_DIRECTORY);
    return error != 0 ? error : logfile_sim_io(context)->sync_directory(context, directory);
}

void hung_disk_init(struct hung_disk *disk)
{
    *disk = (struct hung_disk){.sim = logfile_sim_new(NULL)};
    ck_assert_ptr_nonnull(disk->sim);
    disk->io = *logfile_sim_io(disk->sim);
    disk->io.open = hung_open;
    disk->io.write = hung_write;
    disk->io.sync = hung_sync;
    disk->io.allocate = hung_allocate;
    disk->io.punch = hung_punch;
    disk->io.rename = hung_rename;
    disk->io.unlink = hung_unlink;
    disk->io.sync_directory = hung_sync_directory;
    pthread_mutex_init(&disk->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&disk->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void hung_disk_free(struct hung_disk *disk)
{
    logfile_sim_free(disk->sim);
    pthread_cond_destroy(&disk->changed);
    pthread_mutex_destroy(&disk->lock);
}

void hung_disk_join(struct hung_disk *disk, unsigned part)
{
    my_disk = disk;
    my_part = part;
}

void hung_disk_thread_start(void *disk, enum logfile_thread role)
{
    hung_disk_join(disk, role == LOGFILE_THREAD_PREPARER ? HUNG_PREPARER : HUNG_SEQUENCER);
}

void hung_disk_set_timed(bool is_timed)
{
    is_in_timed_call = is_timed;
}

void hung_disk_begin(struct hung_disk *disk, const struct hung_call *what)
{
    pthread_mutex_lock(&disk->lock);
    disk->what = *what;
    disk->hangs = true;
    disk->caught_count = 0;
    pthread_mutex_unlock(&disk->lock);
}

void hung_disk_end(struct hung_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    disk->hangs = false;
    pthread_cond_broadcast(&disk->changed);
    pthread_mutex_unlock(&disk->lock);
}

bool hung_disk_has_caught(struct hung_disk *disk, unsigned ms)
{
    struct timespec deadline = deadline_in_ms(ms);
    int error = ms == 0 ? ETIMEDOUT : 0;

    pthread_mutex_lock(&disk->lock);
    while (disk->hangs && disk->caught_count == 0 && error == 0)
        error = pthread_cond_timedwait(&disk->changed, &disk->lock, &deadline);
    bool has_caught = disk->hangs && disk->caught_count > 0;
    pthread_mutex_unlock(&disk->lock);
    return has_caught;
}

unsigned hung_disk_timed_count(struct hung_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    unsigned count = disk->timed_count;
    pthread_mutex_unlock(&disk->lock);
    return count;
}
