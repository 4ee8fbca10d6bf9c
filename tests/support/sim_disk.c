/* SPDX-License-Identifier: MIT */
#include "sim_disk.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

enum {
    FD_BASE = 1000,
    FD_COUNT = 64,
    FILE_COUNT = 16,
    NAME_COUNT = 4,
    NAME_BYTES = 128,
    WRITE_COUNT = 128
};

/* What the cache knows of a sector. */
enum sector_state {
    SECTOR_CLEAN,   /* cache and disk agree */
    SECTOR_DIRTY,   /* the next sync writes it */
    SECTOR_SYNCING, /* the sync that is under way writes it, unless a crash comes first */
    SECTOR_LOST     /* a sync that failed should have written it; no later one will */
};

struct sim_file {
    /* Names since the directory was last synced: the first is on disk, the last is the current
     * one; "" is no name. */
    char names[NAME_COUNT][NAME_BYTES];
    unsigned name_count;
    uint64_t disk_bytes; /* size on disk */
    uint64_t bytes;      /* size in the cache */
    uint8_t *disk;
    uint8_t *cache;
    uint8_t *state;              /* enum sector_state, one a sector */
    size_t capacity;             /* bytes that the arrays have room for */
    size_t dirty_from, dirty_to; /* sectors outside are clean */
};

struct sim_fd {
    struct sim_file *file; /* NULL: not open */
    unsigned flags;
    bool locked;
};

/* A write under way. */
struct sim_write {
    struct sim_file *file; /* NULL: free */
    uint64_t from, to;
};

struct sim_disk {
    struct logfile_io io;
    struct sim_options options;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* the gate opened, or somebody reached it */
    struct sim_file *files[FILE_COUNT];
    unsigned file_count;
    struct sim_fd fds[FD_COUNT];
    struct sim_write writes[WRITE_COUNT];

    uint64_t crash_in; /* changes until the crash, 0: none planned */
    bool down;
    bool fault_set;
    struct sim_fault fault;
    uint64_t fault_hits;
    bool gate_closed;
    enum sim_call gate;
    unsigned gate_waiters;
    uint64_t delay_us[SIM_CALL_COUNT];

    uint64_t calls[SIM_CALL_COUNT];
    uint64_t changes;
    uint64_t overlaps;
    uint64_t misuses;
};

const char *sim_call_name(enum sim_call call)
{
    static const char *const names[SIM_CALL_COUNT] = {
        "open",     "close",      "stat",      "lock",   "locked",
        "read",     "write",      "zero-fill", "sync",   "allocate",
        "truncate", "drop-cache", "rename",    "unlink", "sync-directory"};

    return names[call];
}

/* ---- Files ---- */

static void *must(void *memory)
{
    if (memory == NULL) {
        perror("sim_disk");
        abort();
    }
    return memory;
}

static const char *current_name(const struct sim_file *file)
{
    return file->names[file->name_count - 1];
}

static struct sim_file *find_file(const struct sim_disk *disk, const char *path)
{
    for (unsigned i = 0; i < disk->file_count; i++)
        if (strcmp(current_name(disk->files[i]), path) == 0)
            return disk->files[i];
    return NULL;
}

static void set_name(struct sim_file *file, const char *name)
{
    /* The name on disk and the last ones are what a crash can choose from. */
    if (file->name_count == NAME_COUNT) {
        memmove(file->names[1], file->names[2], sizeof file->names[0] * (NAME_COUNT - 2));
        file->name_count--;
    }
    if (strlen(name) >= NAME_BYTES)
        abort();
    strcpy(file->names[file->name_count++], name);
}

static void only_name(struct sim_file *file, unsigned index)
{
    memmove(file->names[0], file->names[index], sizeof file->names[0]);
    file->name_count = 1;
}

static struct sim_file *add_file(struct sim_disk *disk, const char *path)
{
    if (disk->file_count == FILE_COUNT)
        return NULL;
    struct sim_file *file = must(calloc(1, sizeof *file));
    file->name_count = 1;
    set_name(file, path);
    file->dirty_from = SIZE_MAX;
    disk->files[disk->file_count++] = file;
    return file;
}

static void free_file(struct sim_file *file)
{
    free(file->disk);
    free(file->cache);
    free(file->state);
    free(file);
}

static uint8_t *grow(uint8_t *array, size_t old_bytes, size_t new_bytes)
{
    array = must(realloc(array, new_bytes));
    memset(array + old_bytes, 0, new_bytes - old_bytes);
    return array;
}

static void ensure_capacity(struct sim_file *file, uint64_t bytes)
{
    if (bytes <= file->capacity)
        return;
    size_t capacity = file->capacity == 0 ? 32 << 10 : file->capacity;
    while (capacity < bytes)
        capacity *= 2;
    file->disk = grow(file->disk, file->capacity, capacity);
    file->cache = grow(file->cache, file->capacity, capacity);
    file->state = grow(file->state, file->capacity / SIM_SECTOR_BYTES, capacity / SIM_SECTOR_BYTES);
    file->capacity = capacity;
}

static uint8_t *sector(uint8_t *image, size_t index)
{
    return image + index * SIM_SECTOR_BYTES;
}

/* Writes the sectors of a range that are in `state` to the disk. */
static void commit(struct sim_file *file, size_t from, size_t to, enum sector_state state)
{
    for (size_t i = from; i < to; i++) {
        if (file->state[i] != state)
            continue;
        memcpy(sector(file->disk, i), sector(file->cache, i), SIM_SECTOR_BYTES);
        file->state[i] = SECTOR_CLEAN;
    }
}

/* Before a range changes in the cache: what a sync under way has of it goes to the disk as it is,
 * and the rest is the next sync's. */
static void mark_dirty(struct sim_file *file, uint64_t from, uint64_t to)
{
    size_t first = from / SIM_SECTOR_BYTES;
    size_t end = (to + SIM_SECTOR_BYTES - 1) / SIM_SECTOR_BYTES;

    commit(file, first, end, SECTOR_SYNCING);
    memset(file->state + first, SECTOR_DIRTY, end - first);
    if (first < file->dirty_from)
        file->dirty_from = first;
    if (end > file->dirty_to)
        file->dirty_to = end;
}

static void change_state(struct sim_file *file, enum sector_state from, enum sector_state to)
{
    for (size_t i = file->dirty_from; i < file->dirty_to; i++)
        if (file->state[i] == from)
            file->state[i] = to;
}

static void tighten_dirty(struct sim_file *file)
{
    while (file->dirty_from < file->dirty_to && file->state[file->dirty_from] == SECTOR_CLEAN)
        file->dirty_from++;
    if (file->dirty_from < file->dirty_to)
        return;
    file->dirty_from = SIZE_MAX;
    file->dirty_to = 0;
}

static void set_bytes(struct sim_file *file, uint64_t bytes)
{
    uint64_t end = file->bytes < file->capacity ? file->bytes : file->capacity;

    if (bytes < end) {
        mark_dirty(file, bytes, end);
        memset(file->cache + bytes, 0, end - bytes);
    }
    file->bytes = bytes;
}

static uint64_t used_bytes(const struct sim_disk *disk)
{
    uint64_t used = 0;

    for (unsigned i = 0; i < disk->file_count; i++)
        if (current_name(disk->files[i])[0] != '\0')
            used += disk->files[i]->bytes;
    return used;
}

/* How far the file may grow at most. */
static uint64_t growth_limit(const struct sim_disk *disk, const struct sim_file *file)
{
    if (disk->options.capacity_bytes == 0)
        return UINT64_MAX;
    uint64_t others = used_bytes(disk) - file->bytes;
    return others < disk->options.capacity_bytes ? disk->options.capacity_bytes - others : 0;
}

/* ---- The beginning and end of each call ---- */

static bool changes_something(enum sim_call call)
{
    switch (call) {
    case SIM_WRITE:
    case SIM_ZERO_FILL:
    case SIM_SYNC:
    case SIM_ALLOCATE:
    case SIM_TRUNCATE:
    case SIM_RENAME:
    case SIM_UNLINK:
    case SIM_SYNC_DIRECTORY:
        return true;
    default:
        return false;
    }
}

static void pass_gate(struct sim_disk *disk, enum sim_call call)
{
    disk->gate_waiters += disk->gate_closed && disk->gate == call;
    while (disk->gate_closed && disk->gate == call && !disk->down) {
        pthread_cond_broadcast(&disk->changed);
        pthread_cond_wait(&disk->changed, &disk->lock);
    }
}

static void take_time(struct sim_disk *disk, enum sim_call call)
{
    uint64_t us = disk->delay_us[call];

    if (us == 0)
        return;
    pthread_mutex_unlock(&disk->lock);
    sleep_us(us);
    pthread_mutex_lock(&disk->lock);
}

/* What a call was given by the plan of faults. */
struct verdict {
    int error;         /* 0, or what the call returns */
    bool crash;        /* it reaches the cache, no further, and returns -EIO */
    size_t most_bytes; /* it moves no more than these */
};

static void plan_fault(struct sim_disk *disk, enum sim_call call, struct verdict *verdict)
{
    if (!disk->fault_set || disk->fault.call != call)
        return;
    if (disk->fault.after > 0) {
        disk->fault.after--;
        return;
    }
    disk->fault_set = disk->fault.for_ever;
    disk->fault_hits++;
    verdict->error = disk->fault.error;
    if (disk->fault.error == 0)
        verdict->most_bytes = disk->fault.short_bytes;
}

/* Takes the lock; sim_leave gives it back. */
static struct verdict sim_enter(struct sim_disk *disk, enum sim_call call)
{
    struct verdict verdict = {.most_bytes = SIZE_MAX};

    pthread_mutex_lock(&disk->lock);
    pass_gate(disk, call);
    take_time(disk, call);
    disk->calls[call]++;
    if (disk->down) {
        verdict.error = -EIO;
        return verdict;
    }
    if (changes_something(call)) {
        disk->changes++;
        verdict.crash = disk->crash_in > 0 && --disk->crash_in == 0;
    }
    if (!verdict.crash)
        plan_fault(disk, call, &verdict);
    return verdict;
}

static int sim_leave(struct sim_disk *disk, const struct verdict *verdict, int result)
{
    if (verdict->crash) {
        disk->down = true;
        pthread_cond_broadcast(&disk->changed);
        result = -EIO;
    }
    pthread_mutex_unlock(&disk->lock);
    return result;
}

static int misuse(struct sim_disk *disk)
{
    disk->misuses++;
    return -EINVAL;
}

static struct sim_fd *get_fd(struct sim_disk *disk, int fd)
{
    if (fd < FD_BASE || fd >= FD_BASE + FD_COUNT || disk->fds[fd - FD_BASE].file == NULL) {
        disk->misuses++;
        return NULL;
    }
    return &disk->fds[fd - FD_BASE];
}

/* ---- The operations ---- */

static int give_fd(struct sim_disk *disk, struct sim_file *file, unsigned flags)
{
    for (int i = 0; i < FD_COUNT; i++) {
        if (disk->fds[i].file != NULL)
            continue;
        disk->fds[i] = (struct sim_fd){.file = file, .flags = flags};
        return FD_BASE + i;
    }
    return -EMFILE;
}

static int do_open(struct sim_disk *disk, const char *path, unsigned flags)
{
    struct sim_file *file = find_file(disk, path);

    if ((flags & LOGFILE_IO_OPEN_DIRECT) != 0 && disk->options.no_direct)
        return -EINVAL;
    if ((flags & LOGFILE_IO_OPEN_CREATE) == 0)
        return file == NULL ? -ENOENT : give_fd(disk, file, flags);
    if (file != NULL)
        return -EEXIST;
    file = add_file(disk, path);
    return file == NULL ? -ENFILE : give_fd(disk, file, flags);
}

static int sim_open(void *context, const char *path, unsigned flags, mode_t mode)
{
    struct sim_disk *disk = context;
    struct verdict verdict = sim_enter(disk, SIM_OPEN);

    (void)mode;
    return sim_leave(disk, &verdict,
                     verdict.error != 0 ? verdict.error : do_open(disk, path, flags));
}

static int sim_close(void *context, int fd)
{
    struct sim_disk *disk = context;
    struct verdict verdict = sim_enter(disk, SIM_CLOSE);
    struct sim_fd *open = get_fd(disk, fd);

    /* As close does, it lets go of the descriptor whatever it returns. */
    if (open != NULL)
        *open = (struct sim_fd){0};
    return sim_leave(disk, &verdict, open == NULL ? -EBADF : verdict.error);
}

static int sim_stat(void *context, int fd, struct logfile_io_stat *out)
{
    struct sim_disk *disk = context;
    struct verdict verdict = sim_enter(disk, SIM_STAT);
    struct sim_fd *open = get_fd(disk, fd);
    int result = open == NULL ? -EBADF : verdict.error;

    if (result == 0)
        *out = (struct logfile_io_stat){.bytes = open->file->bytes, .kind = LOGFILE_IO_REGULAR};
    return sim_leave(disk, &verdict, result);
}

static bool locked_by_other(const struct sim_disk *disk, const struct sim_fd *asks)
{
    for (int i = 0; i < FD_COUNT; i++)
        if (&disk->fds[i] != asks && disk->fds[i].file == asks->file && disk->fds[i].locked)
            return true;
    return false;
}

static int sim_lock(void *context, int fd)
{
    struct sim_disk *disk = context;
    struct verdict verdict = sim_enter(disk, SIM_LOCK);
    struct sim_fd *open = get_fd(disk, fd);
    int result = open == NULL ? -EBADF : verdict.error;

    if (result == 0 && locked_by_other(disk, open))
        result = -EAGAIN;
    if (result == 0)
        open->locked = true;
    return sim_leave(disk, &verdict, result);
}

static int sim_locked(void *context, int fd)
{
    struct sim_disk *disk = context;
    struct verdict verdict = sim_enter(disk, SIM_LOCKED);
    struct sim_fd *open = get_fd(disk, fd);
    int result = open == NULL ? -EBADF : verdict.error;

    if (result == 0)
        result = locked_by_other(disk, open);
    return sim_leave(disk, &verdict, result);
}

/* Whether a transfer keeps to the rules of DIRECT. */
static bool is_aligned(const struct sim_fd *open, const void *buffer, size_t bytes, uint64_t offset)
{
    if ((open->flags & LOGFILE_IO_OPEN_DIRECT) == 0)
        return true;
    return ((uintptr_t)buffer | bytes | offset) % LOGFILE_IO_BLOCK == 0;
}

/* What a read sees: with DIRECT, the disk where the cache has only what was lost. */
static void read_bytes(const struct sim_fd *open, uint8_t *to, size_t bytes, uint64_t offset)
{
    const struct sim_file *file = open->file;
    size_t stored = offset >= file->capacity ? 0 : file->capacity - offset;

    if (stored > bytes)
        stored = bytes;
    if (stored > 0)
        memcpy(to, file->cache + offset, stored);
    memset(to + stored, 0, bytes - stored);
    if ((open->flags & LOGFILE_IO_OPEN_DIRECT) == 0)
        return;
    for (size_t i = 0; i + SIM_SECTOR_BYTES <= stored; i += SIM_SECTOR_BYTES)
        if (file->state[(offset + i) / SIM_SECTOR_BYTES] == SECTOR_LOST)
            memcpy(to + i, file->disk + offset + i, SIM_SECTOR_BYTES);
}

static ssize_t do_read(const struct sim_fd *open, void *buffer, size_t bytes, uint64_t offset)
{
    /* Not counted as misuse: behind a short count a reader may try this to tell the end of a file
     * from a read that was cut short. */
    if (!is_aligned(open, buffer, bytes, offset))
        return -EINVAL;
    if (offset >= open->file->bytes)
        return 0;
    if (bytes > open->file->bytes - offset)
        bytes = open->file->bytes - offset;
    read_bytes(open, buffer, bytes, offset);
    return (ssize_t)bytes;
}

static ssize_t sim_read(void *context, int fd, void *buffer, size_t bytes, uint64_t offset)
{
    struct sim_disk *disk = context;
    struct verdict verdict = sim_enter(disk, SIM_READ);
    struct sim_fd *open = get_fd(disk, fd);
    ssize_t result = open == NULL ? -EBADF : verdict.error;

    if (result == 0)
        result = do_read(open, buffer, bytes, offset);
    if (result > 0 && (size_t)result > verdict.most_bytes)
        result = (ssize_t)verdict.most_bytes;
    sim_leave(disk, &verdict, 0);
    return result;
}

static struct sim_write *begin_write(struct sim_disk *disk, struct sim_file *file, uint64_t from,
                                     uint64_t to)
{
    struct sim_write *mine = NULL;

    for (int i = 0; i < WRITE_COUNT; i++) {
        struct sim_write *other = &disk->writes[i];
        if (other->file == NULL)
            mine = other;
        else if (other->file == file && other->from < to && from < other->to)
            disk->overlaps++;
    }
    if (mine != NULL)
        *mine = (struct sim_write){.file = file, .from = from, .to = to};
    return mine;
}

static void store_bytes(struct sim_disk *disk, struct sim_file *file, const void *buffer,
                        size_t bytes, uint64_t offset)
{
    uint64_t limit = disk->options.discard_from;
    uint64_t end = offset + bytes;

    if (limit > 0 && end > limit)
        end = offset < limit ? limit : offset;
    if (end > offset) {
        ensure_capacity(file, end);
        mark_dirty(file, offset, end);
        memcpy(file->cache + offset, buffer, end - offset);
    }
    if (file->bytes < offset + bytes)
        file->bytes = offset + bytes;
}

static void commit_write(struct sim_file *file, size_t bytes, uint64_t offset)
{
    uint64_t end = offset + bytes < file->capacity ? offset + bytes : file->capacity;

    if (end > offset)
        commit(file, offset / SIM_SECTOR_BYTES, (end + SIM_SECTOR_BYTES - 1) / SIM_SECTOR_BYTES,
               SECTOR_DIRTY);
    if (file->disk_bytes < offset + bytes)
        file->disk_bytes = offset + bytes;
}

/* What the caller asks of a write, in one piece. */
struct write_request {
    const void *buffer;
    size_t bytes;
    uint64_t offset;
    unsigned flags;
};

static ssize_t do_write(struct sim_disk *disk, const struct sim_fd *open,
                        const struct write_request *request, const struct verdict *verdict)
{
    struct sim_file *file = open->file;
    size_t bytes = request->bytes;
    uint64_t limit = growth_limit(disk, file);

    if (!is_aligned(open, request->buffer, bytes, request->offset) ||
        (open->flags & LOGFILE_IO_OPEN_WRITE) == 0)
        return misuse(disk);
    if (request->offset + bytes > file->bytes && request->offset + bytes > limit) {
        bytes = request->offset < limit ? limit - request->offset : 0;
        if (bytes == 0 && verdict->error == 0)
            return -ENOSPC;
    }
    /* A write that fails has often done a part of its work. */
    if (verdict->error != 0)
        bytes /= 2;
    if (bytes > verdict->most_bytes)
        bytes = verdict->most_bytes;
    store_bytes(disk, file, request->buffer, bytes, request->offset);
    if (verdict->error != 0)
        return verdict->error;
    if ((request->flags & LOGFILE_IO_WRITE_DSYNC) != 0 && !verdict->crash &&
        !disk->options.sync_lies)
        commit_write(file, bytes, request->offset);
    return (ssize_t)bytes;
}

static bool is_zero_fill(const void *buffer, size_t bytes)
{
    const uint8_t *byte = buffer;
    size_t n = bytes < LOGFILE_IO_BLOCK ? bytes : LOGFILE_IO_BLOCK;

    return n > 0 && byte[0] == 0 && memcmp(byte, byte + 1, n - 1) == 0;
}

/* Tells of the write before the gate and the delays, during which it is under way. */
static struct sim_write *announce_write(struct sim_disk *disk, int fd, size_t bytes,
                                        uint64_t offset)
{
    struct sim_write *write = NULL;

    pthread_mutex_lock(&disk->lock);
    struct sim_fd *open = get_fd(disk, fd);
    if (open != NULL && !disk->down)
        write = begin_write(disk, open->file, offset, offset + bytes);
    pthread_mutex_unlock(&disk->lock);
    return write;
}

static ssize_t sim_write(void *context, int fd, const void *buffer, size_t bytes, uint64_t offset,
                         unsigned flags)
{
    struct sim_disk *disk = context;
    struct write_request request = {buffer, bytes, offset, flags};
    struct sim_write *write = announce_write(disk, fd, bytes, offset);
    struct verdict verdict =
        sim_enter(disk, is_zero_fill(buffer, bytes) ? SIM_ZERO_FILL : SIM_WRITE);
    struct sim_fd *open = get_fd(disk, fd);
    ssize_t result = open == NULL ? -EBADF : -EIO;

    if (open != NULL && !disk->down)
        result = do_write(disk, open, &request, &verdict);
    if (write != NULL)
        write->file = NULL;
    if (verdict.crash)
        result = -EIO;
    sim_leave(disk, &verdict, 0);
    return result;
}

/* A sync owes what was written before it began, and nothing that comes while it waits. */
static uint64_t begin_sync(struct sim_disk *disk, int fd)
{
    uint64_t bytes = 0;

    pthread_mutex_lock(&disk->lock);
    struct sim_fd *open = get_fd(disk, fd);
    if (open != NULL && !disk->down) {
        change_state(open->file, SECTOR_DIRTY, SECTOR_SYNCING);
        bytes = open->file->bytes;
    }
    pthread_mutex_unlock(&disk->lock);
    return bytes;
}

static void end_sync(struct sim_file *file, uint64_t bytes, int error)
{
    if (error != 0) {
        change_state(file, SECTOR_SYNCING, SECTOR_LOST);
        return;
    }
    if (file->dirty_from < file->dirty_to)
        commit(file, file->dirty_from, file->dirty_to, SECTOR_SYNCING);
    tighten_dirty(file);
    file->disk_bytes = bytes;
}

static int sim_sync(void *context, int fd)
{
    struct sim_disk *disk = context;
    uint64_t bytes = begin_sync(disk, fd);
    struct verdict verdict = sim_enter(disk, SIM_SYNC);
    struct sim_fd *open = get_fd(disk, fd);
    int result = open == NULL ? -EBADF : verdict.error;

    if (open != NULL && !disk->down && !verdict.crash && !disk->options.sync_lies)
        end_sync(open->file, bytes, result);
    return sim_leave(disk, &verdict, result);
}

static int sim_allocate(void *context, int fd, uint64_t offset, uint64_t bytes)
{
    struct sim_disk *disk = context;
    struct verdict verdict = sim_enter(disk, SIM_ALLOCATE);
    struct sim_fd *open = get_fd(disk, fd);
    int result = open == NULL ? -EBADF : verdict.error;

    if (result == 0 && disk->options.no_allocate)
        result = -EOPNOTSUPP;
    if (result == 0 && offset + bytes > open->file->bytes) {
        if (offset + bytes > growth_limit(disk, open->file))
            result = -ENOSPC;
        else
            open->file->bytes = offset + bytes;
    }
    return sim_leave(disk, &verdict, result);
}

static int sim_truncate(void *context, int fd, uint64_t bytes)
{
    struct sim_disk *disk = context;
    struct verdict verdict = sim_enter(disk, SIM_TRUNCATE);
    struct sim_fd *open = get_fd(disk, fd);
    int result = open == NULL ? -EBADF : verdict.error;

    if (result == 0)
        set_bytes(open->file, bytes);
    return sim_leave(disk, &verdict, result);
}

static int sim_drop_cache(void *context, int fd)
{
    struct sim_disk *disk = context;
    struct verdict verdict = sim_enter(disk, SIM_DROP_CACHE);
    struct sim_fd *open = get_fd(disk, fd);
    int result = open == NULL ? -EBADF : verdict.error;

    for (size_t i = 0; result == 0 && i < open->file->dirty_to; i++) {
        if (open->file->state[i] != SECTOR_LOST)
            continue;
        memcpy(sector(open->file->cache, i), sector(open->file->disk, i), SIM_SECTOR_BYTES);
        open->file->state[i] = SECTOR_CLEAN;
    }
    return sim_leave(disk, &verdict, result);
}

static int sim_rename(void *context, const char *from, const char *to)
{
    struct sim_disk *disk = context;
    struct verdict verdict = sim_enter(disk, SIM_RENAME);
    int result = verdict.error;

    if (result == 0) {
        struct sim_file *file = find_file(disk, from);
        if (file == NULL)
            result = -ENOENT;
        else if (find_file(disk, to) != NULL)
            result = -EEXIST;
        else
            set_name(file, to);
    }
    return sim_leave(disk, &verdict, result);
}

static int sim_unlink(void *context, const char *path)
{
    struct sim_disk *disk = context;
    struct verdict verdict = sim_enter(disk, SIM_UNLINK);
    int result = verdict.error;

    if (result == 0) {
        struct sim_file *file = find_file(disk, path);
        if (file == NULL)
            result = -ENOENT;
        else
            set_name(file, "");
    }
    return sim_leave(disk, &verdict, result);
}

static int sim_sync_directory(void *context, const char *path)
{
    struct sim_disk *disk = context;
    struct verdict verdict = sim_enter(disk, SIM_SYNC_DIRECTORY);

    (void)path;
    if (verdict.error == 0 && !verdict.crash && !disk->options.sync_lies)
        for (unsigned i = 0; i < disk->file_count; i++)
            only_name(disk->files[i], disk->files[i]->name_count - 1);
    return sim_leave(disk, &verdict, verdict.error);
}

/* ---- Making one ---- */

static const struct logfile_io operations = {
    .open = sim_open,
    .close = sim_close,
    .stat = sim_stat,
    .lock = sim_lock,
    .locked = sim_locked,
    .read = sim_read,
    .write = sim_write,
    .sync = sim_sync,
    .allocate = sim_allocate,
    .truncate = sim_truncate,
    .drop_cache = sim_drop_cache,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .sync_directory = sim_sync_directory,
};

struct sim_disk *sim_disk_new(const struct sim_options *options)
{
    struct sim_disk *disk = must(calloc(1, sizeof *disk));

    if (options != NULL)
        disk->options = *options;
    disk->io = operations;
    disk->io.context = disk;
    pthread_mutex_init(&disk->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&disk->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return disk;
}

static uint8_t *copy_of(const uint8_t *array, size_t bytes)
{
    return bytes == 0 ? NULL : memcpy(must(malloc(bytes)), array, bytes);
}

static struct sim_file *clone_file(const struct sim_file *file)
{
    struct sim_file *clone = must(malloc(sizeof *clone));

    *clone = *file;
    clone->disk = copy_of(file->disk, file->capacity);
    clone->cache = copy_of(file->cache, file->capacity);
    clone->state = copy_of(file->state, file->capacity / SIM_SECTOR_BYTES);
    return clone;
}

struct sim_disk *sim_disk_clone(const struct sim_disk *disk)
{
    struct sim_disk *clone = sim_disk_new(&disk->options);

    for (unsigned i = 0; i < disk->file_count; i++)
        clone->files[i] = clone_file(disk->files[i]);
    clone->file_count = disk->file_count;
    return clone;
}

void sim_disk_free(struct sim_disk *disk)
{
    for (unsigned i = 0; i < disk->file_count; i++)
        free_file(disk->files[i]);
    pthread_cond_destroy(&disk->changed);
    pthread_mutex_destroy(&disk->lock);
    free(disk);
}

const struct logfile_io *sim_disk_io(struct sim_disk *disk)
{
    return &disk->io;
}

void sim_set_capacity(struct sim_disk *disk, uint64_t capacity_bytes)
{
    pthread_mutex_lock(&disk->lock);
    disk->options.capacity_bytes = capacity_bytes;
    pthread_mutex_unlock(&disk->lock);
}

/* ---- Crashes ---- */

void sim_crash_at(struct sim_disk *disk, uint64_t nth)
{
    pthread_mutex_lock(&disk->lock);
    disk->crash_in = nth;
    pthread_mutex_unlock(&disk->lock);
}

bool sim_is_down(struct sim_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    bool down = disk->down;
    pthread_mutex_unlock(&disk->lock);
    return down;
}

/* How a crash treats unsynced sectors: weights of the fates. */
struct fates {
    struct rng rng;
    unsigned keep, drop, trash, stray;
};

static struct fates choose_fates(uint64_t seed)
{
    static const unsigned mixes[][4] = {
        {1, 0, 0, 0}, {0, 1, 0, 0}, {1, 1, 0, 0}, {8, 1, 0, 0},
        {1, 8, 0, 0}, {6, 6, 2, 1}, {8, 0, 1, 0}, {8, 0, 0, 1},
    };
    struct fates fates = {.rng = {.state = seed}};
    const unsigned *mix = mixes[rng_below(&fates.rng, sizeof mixes / sizeof mixes[0])];

    fates.keep = mix[0];
    fates.drop = mix[1];
    fates.trash = mix[2];
    fates.stray = mix[3];
    return fates;
}

static void trash_sector(struct rng *rng, uint8_t *disk, const uint8_t *cache)
{
    size_t half = SIM_SECTOR_BYTES / 2;

    switch (rng_below(rng, 4)) {
    case 0:
        payload_fill(disk, SIM_SECTOR_BYTES, rng_next(rng));
        break;
    case 1:
        memcpy(disk, cache, SIM_SECTOR_BYTES);
        disk[rng_below(rng, SIM_SECTOR_BYTES)] ^= (uint8_t)(1u << rng_below(rng, 8));
        break;
    case 2:
        memcpy(disk, cache, half);
        break;
    default:
        memcpy(disk + half, cache + half, half);
        break;
    }
}

static bool is_unsynced(const struct sim_file *file, size_t index)
{
    return file->state[index] == SECTOR_DIRTY || file->state[index] == SECTOR_SYNCING;
}

/* Another unsynced sector of the file, or this one. */
static size_t stray_sector(struct rng *rng, const struct sim_file *file, size_t index)
{
    size_t other = file->dirty_from + rng_below(rng, file->dirty_to - file->dirty_from);

    return is_unsynced(file, other) ? other : index;
}

static void settle_sector(struct fates *fates, struct sim_file *file, size_t i)
{
    unsigned sum = fates->keep + fates->drop + fates->trash + fates->stray;
    uint64_t choice = rng_below(&fates->rng, sum);

    if (choice < fates->keep) {
        memcpy(sector(file->disk, i), sector(file->cache, i), SIM_SECTOR_BYTES);
    } else if (choice < fates->keep + fates->trash) {
        trash_sector(&fates->rng, sector(file->disk, i), sector(file->cache, i));
    } else if (choice < fates->keep + fates->trash + fates->stray) {
        size_t other = stray_sector(&fates->rng, file, i);
        memcpy(sector(file->disk, other), sector(file->cache, i), SIM_SECTOR_BYTES);
    }
}

static uint64_t settle_size(struct fates *fates, const struct sim_file *file)
{
    if (fates->keep == 0 || rng_one_in(&fates->rng, 4))
        return file->disk_bytes;
    /* A file that grew in several steps may have made some of them. */
    if (file->disk_bytes < file->bytes && rng_one_in(&fates->rng, 4)) {
        uint64_t sectors = (file->bytes - file->disk_bytes) / SIM_SECTOR_BYTES;
        return file->disk_bytes + rng_below(&fates->rng, sectors + 1) * SIM_SECTOR_BYTES;
    }
    return file->bytes;
}

/* The cache is what the disk has. */
static void start_afresh(struct sim_file *file, uint64_t bytes)
{
    if (bytes < file->capacity)
        memset(file->disk + bytes, 0, file->capacity - bytes);
    file->disk_bytes = bytes;
    file->bytes = bytes;
    if (file->capacity > 0) {
        memcpy(file->cache, file->disk, file->capacity);
        memset(file->state, SECTOR_CLEAN, file->capacity / SIM_SECTOR_BYTES);
    }
    file->dirty_from = SIZE_MAX;
    file->dirty_to = 0;
}

static void settle_file(struct fates *fates, struct sim_file *file)
{
    for (size_t i = file->dirty_from; i < file->dirty_to; i++)
        if (is_unsynced(file, i))
            settle_sector(fates, file, i);
    start_afresh(file, settle_size(fates, file));
    only_name(file, (unsigned)(fates->keep == 0 ? 0 : rng_below(&fates->rng, file->name_count)));
}

/* Removes files without a name, and the loser where two have the same one. */
static void drop_nameless(struct sim_disk *disk)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < disk->file_count; i++) {
        struct sim_file *file = disk->files[i];
        bool twice = false;
        for (unsigned k = 0; k < kept; k++)
            twice |= strcmp(disk->files[k]->names[0], file->names[0]) == 0;
        if (file->names[0][0] == '\0' || twice)
            free_file(file);
        else
            disk->files[kept++] = file;
    }
    disk->file_count = kept;
}

void sim_restart(struct sim_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    memset(disk->fds, 0, sizeof disk->fds);
    memset(disk->writes, 0, sizeof disk->writes);
    disk->down = false;
    disk->crash_in = 0;
    disk->fault_set = false;
    pthread_mutex_unlock(&disk->lock);
}

static void reboot(struct sim_disk *disk, struct fates *fates)
{
    for (unsigned i = 0; i < disk->file_count; i++)
        settle_file(fates, disk->files[i]);
    drop_nameless(disk);
    sim_restart(disk);
}

void sim_reboot(struct sim_disk *disk, uint64_t seed)
{
    struct fates fates = choose_fates(seed);

    reboot(disk, &fates);
}

void sim_reboot_losing_all(struct sim_disk *disk)
{
    struct fates fates = {.drop = 1};

    reboot(disk, &fates);
}

/* ---- Faults ---- */

void sim_fault(struct sim_disk *disk, const struct sim_fault *fault)
{
    pthread_mutex_lock(&disk->lock);
    disk->fault = *fault;
    disk->fault_set = true;
    disk->fault_hits = 0;
    pthread_mutex_unlock(&disk->lock);
}

void sim_fault_clear(struct sim_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    disk->fault_set = false;
    pthread_mutex_unlock(&disk->lock);
}

void sim_delay(struct sim_disk *disk, enum sim_call call, uint64_t us)
{
    pthread_mutex_lock(&disk->lock);
    disk->delay_us[call] = us;
    pthread_mutex_unlock(&disk->lock);
}

void sim_gate_close(struct sim_disk *disk, enum sim_call call)
{
    pthread_mutex_lock(&disk->lock);
    disk->gate_closed = true;
    disk->gate = call;
    disk->gate_waiters = 0;
    pthread_mutex_unlock(&disk->lock);
}

void sim_gate_open(struct sim_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    disk->gate_closed = false;
    pthread_cond_broadcast(&disk->changed);
    pthread_mutex_unlock(&disk->lock);
}

bool sim_gate_is_reached(struct sim_disk *disk, unsigned ms)
{
    struct timespec deadline = deadline_in_ms(ms);
    int error = 0;

    pthread_mutex_lock(&disk->lock);
    while (disk->gate_waiters == 0 && error == 0)
        error = pthread_cond_timedwait(&disk->changed, &disk->lock, &deadline);
    bool reached = disk->gate_waiters > 0;
    pthread_mutex_unlock(&disk->lock);
    return reached;
}

/* ---- What happened ---- */

static uint64_t read_counter(struct sim_disk *disk, const uint64_t *counter)
{
    pthread_mutex_lock(&disk->lock);
    uint64_t value = *counter;
    pthread_mutex_unlock(&disk->lock);
    return value;
}

uint64_t sim_call_count(struct sim_disk *disk, enum sim_call call)
{
    return read_counter(disk, &disk->calls[call]);
}

uint64_t sim_fault_hits(struct sim_disk *disk)
{
    return read_counter(disk, &disk->fault_hits);
}

uint64_t sim_change_count(struct sim_disk *disk)
{
    return read_counter(disk, &disk->changes);
}

uint64_t sim_overlap_count(struct sim_disk *disk)
{
    return read_counter(disk, &disk->overlaps);
}

uint64_t sim_misuse_count(struct sim_disk *disk)
{
    return read_counter(disk, &disk->misuses);
}

unsigned sim_open_count(struct sim_disk *disk)
{
    unsigned count = 0;

    pthread_mutex_lock(&disk->lock);
    for (int i = 0; i < FD_COUNT; i++)
        count += disk->fds[i].file != NULL;
    pthread_mutex_unlock(&disk->lock);
    return count;
}

unsigned sim_file_count(struct sim_disk *disk)
{
    unsigned count = 0;

    pthread_mutex_lock(&disk->lock);
    for (unsigned i = 0; i < disk->file_count; i++)
        count += current_name(disk->files[i])[0] != '\0';
    pthread_mutex_unlock(&disk->lock);
    return count;
}

uint64_t sim_file_bytes(struct sim_disk *disk, const char *path)
{
    pthread_mutex_lock(&disk->lock);
    struct sim_file *file = find_file(disk, path);
    uint64_t bytes = file == NULL ? 0 : file->bytes;
    pthread_mutex_unlock(&disk->lock);
    return bytes;
}

void sim_peek(struct sim_disk *disk, const char *path, uint64_t offset, void *to, size_t bytes)
{
    pthread_mutex_lock(&disk->lock);
    struct sim_file *file = find_file(disk, path);
    memset(to, 0, bytes);
    if (file != NULL && offset + bytes <= file->capacity)
        memcpy(to, file->cache + offset, bytes);
    pthread_mutex_unlock(&disk->lock);
}

void sim_poke(struct sim_disk *disk, const char *path, uint64_t offset, const void *from,
              size_t bytes)
{
    pthread_mutex_lock(&disk->lock);
    struct sim_file *file = find_file(disk, path);
    if (file != NULL && offset + bytes <= file->capacity) {
        memcpy(file->cache + offset, from, bytes);
        memcpy(file->disk + offset, from, bytes);
    }
    pthread_mutex_unlock(&disk->lock);
}
