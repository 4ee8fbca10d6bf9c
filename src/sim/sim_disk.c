/* SPDX-License-Identifier: MIT */
#include "logfile_sim.h"

#include "sim/reserved.h"
#include "sim/sim_file.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    FD_BASE = 1000,
    FD_COUNT = 64,
    WRITE_COUNT = 128
};

struct sim_fd {
    struct sim_file *file; /* NULL: not open */
    unsigned flags;
    bool locked;
};

/* A name as a call gives it. */
struct sim_path {
    int directory; /* descriptor, or LOGFILE_IO_HERE */
    const char *name;
};

/* A write under way. */
struct sim_write {
    struct sim_file *file; /* NULL: free */
    uint64_t from, to;
};

struct logfile_sim {
    struct logfile_io io;
    struct logfile_sim_options options;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* the gate opened, or somebody reached it */
    struct sim_tree tree;
    struct sim_fd fds[FD_COUNT];
    struct sim_write writes[WRITE_COUNT];

    uint64_t crash_in;                  /* changes until the crash, 0: none planned */
    enum logfile_sim_call crash_within; /* the kind that counts; LOGFILE_SIM_CALL_COUNT: any */
    enum logfile_sim_call crash_call;
    bool down;
    bool fault_set;
    struct logfile_sim_fault fault;
    uint64_t fault_hits;
    bool gate_closed;
    enum logfile_sim_call gate;
    unsigned gate_waiters;
    uint64_t delay_us[LOGFILE_SIM_CALL_COUNT];

    uint64_t calls[LOGFILE_SIM_CALL_COUNT];
    uint64_t changes;
    uint64_t overlaps;
    uint64_t misuses;
};

static bool is_call(enum logfile_sim_call call)
{
    return (unsigned)call < LOGFILE_SIM_CALL_COUNT;
}

const char *logfile_sim_call_name(enum logfile_sim_call call)
{
    static const char *const names[LOGFILE_SIM_CALL_COUNT] = {"open",
                                                              "close",
                                                              "stat",
                                                              "lock",
                                                              "locked",
                                                              "read",
                                                              "write",
                                                              "zero-fill",
                                                              "sync",
                                                              "allocate",
                                                              "truncate",
                                                              "punch",
                                                              "drop-cache",
                                                              "rename",
                                                              "unlink",
                                                              "sync-directory",
                                                              "make-directory",
                                                              "list-directory",
                                                              "remove-directory",
                                                              "facts"};

    return is_call(call) ? names[call] : "none";
}

/* How far the file may grow at most, in whole blocks. */
static uint64_t growth_limit(const struct logfile_sim *disk, const struct sim_file *file)
{
    uint64_t limit = disk->options.capacity_bytes + lf_sim_file_hole_bytes(file);
    uint64_t others = lf_sim_tree_used_bytes(&disk->tree);

    if (disk->options.capacity_bytes == 0)
        return UINT64_MAX;
    if (*lf_sim_file_name(file) != '\0')
        others -= lf_sim_file_used_bytes(file);
    return others < limit ? (limit - others) / LOGFILE_IO_BLOCK * LOGFILE_IO_BLOCK : 0;
}

/* ---- The beginning and end of each call ---- */

static bool changes_something(enum logfile_sim_call call)
{
    switch (call) {
    case LOGFILE_SIM_WRITE:
    case LOGFILE_SIM_ZERO_FILL:
    case LOGFILE_SIM_SYNC:
    case LOGFILE_SIM_ALLOCATE:
    case LOGFILE_SIM_TRUNCATE:
    case LOGFILE_SIM_PUNCH:
    case LOGFILE_SIM_RENAME:
    case LOGFILE_SIM_UNLINK:
    case LOGFILE_SIM_REMOVE_DIRECTORY:
    case LOGFILE_SIM_SYNC_DIRECTORY:
    case LOGFILE_SIM_MAKE_DIRECTORY:
        return true;
    default:
        return false;
    }
}

static struct timespec time_of_us(uint64_t us)
{
    return (struct timespec){.tv_sec = (time_t)(us / 1000000),
                             .tv_nsec = (long)(us % 1000000) * 1000};
}

/* What a call was given by the plan of faults. */
struct verdict {
    int error;         /* 0, or what the call returns */
    bool crash;        /* it reaches the cache, no further, and returns -EIO */
    size_t most_bytes; /* it moves no more than these */
};

/* Takes the lock; sim_leave gives it back. */
static struct verdict sim_enter(struct logfile_sim *disk, enum logfile_sim_call call)
{
    struct verdict verdict = {.most_bytes = SIZE_MAX};

    pthread_mutex_lock(&disk->lock);
    /* 1. The gate. */
    disk->gate_waiters += disk->gate_closed && disk->gate == call;
    while (disk->gate_closed && disk->gate == call && !disk->down) {
        pthread_cond_broadcast(&disk->changed);
        pthread_cond_wait(&disk->changed, &disk->lock);
    }
    /* 2. The time that the call takes, in which others go on. */
    if (disk->delay_us[call] > 0) {
        struct timespec left = time_of_us(disk->delay_us[call]);
        pthread_mutex_unlock(&disk->lock);
        while (nanosleep(&left, &left) != 0 && errno == EINTR)
            continue;
        pthread_mutex_lock(&disk->lock);
    }
    disk->calls[call]++;
    if (disk->down) {
        verdict.error = -EIO;
        return verdict;
    }
    /* 3. The crash that is planned. */
    if (changes_something(call)) {
        const bool counts = disk->crash_in > 0 && (disk->crash_within == LOGFILE_SIM_CALL_COUNT ||
                                                   disk->crash_within == call);
        disk->changes++;
        verdict.crash = counts && --disk->crash_in == 0;
    }
    if (verdict.crash)
        disk->crash_call = call;
    /* 4. The fault that is planned. */
    if (verdict.crash || !disk->fault_set || disk->fault.call != call)
        return verdict;
    if (disk->fault.after > 0) {
        disk->fault.after--;
        return verdict;
    }
    disk->fault_set = disk->fault.for_ever;
    disk->fault_hits++;
    verdict.error = disk->fault.error;
    if (disk->fault.error == 0)
        verdict.most_bytes = disk->fault.short_bytes;
    return verdict;
}

static int sim_leave(struct logfile_sim *disk, const struct verdict *verdict, int result)
{
    if (verdict->crash) {
        disk->down = true;
        pthread_cond_broadcast(&disk->changed);
        result = -EIO;
    }
    pthread_mutex_unlock(&disk->lock);
    return result;
}

static int misuse(struct logfile_sim *disk)
{
    disk->misuses++;
    return -EINVAL;
}

static struct sim_fd *get_fd(struct logfile_sim *disk, int fd)
{
    if (fd < FD_BASE || fd >= FD_BASE + FD_COUNT || disk->fds[fd - FD_BASE].file == NULL) {
        disk->misuses++;
        return NULL;
    }
    return &disk->fds[fd - FD_BASE];
}

/* ---- The operations ---- */

static struct sim_file *directory_of(struct logfile_sim *disk, int directory)
{
    if (directory == LOGFILE_IO_HERE)
        return &disk->tree.root;
    struct sim_fd *open = get_fd(disk, directory);
    return open != NULL && open->file->is_directory ? open->file : NULL;
}

/* The place that a path names, as lf_sim_tree_place. */
static int find_place(struct logfile_sim *disk, const struct sim_path *path, struct sim_name *place)
{
    struct sim_file *from = directory_of(disk, path->directory);
    if (from == NULL)
        return path->directory == LOGFILE_IO_HERE ? -EBADF : -ENOTDIR;
    int error = lf_sim_tree_place(&disk->tree, from, path->name, place);
    if (error == 0 && place->parent != &disk->tree.root && *lf_sim_file_name(place->parent) == '\0')
        return -ENOENT; /* the directory has been removed */
    return error;
}

static int do_open(struct logfile_sim *disk, const struct sim_path *path, unsigned flags)
{
    const bool creates = (flags & LOGFILE_IO_OPEN_CREATE) != 0;
    struct sim_name place;
    int i = 0;

    while (i < FD_COUNT && disk->fds[i].file != NULL)
        i++;
    if (i == FD_COUNT)
        return -EMFILE;
    int error = find_place(disk, path, &place);
    if (error != 0)
        return error;
    struct sim_file *file = lf_sim_tree_at(&disk->tree, &place);
    if (creates && file != NULL)
        return -EEXIST;
    if (!creates && file == NULL)
        return -ENOENT;
    if (!creates && file->is_directory != ((flags & LOGFILE_IO_OPEN_DIRECTORY) != 0))
        return file->is_directory ? -EISDIR : -ENOTDIR;
    if ((flags & LOGFILE_IO_OPEN_DIRECT) != 0 && disk->options.no_direct)
        return -EINVAL;
    if (creates)
        file = lf_sim_tree_add(&disk->tree, &place, false);
    if (file == NULL)
        return -ENOMEM;
    disk->fds[i] = (struct sim_fd){.file = file, .flags = flags};
    file->opens++;
    return FD_BASE + i;
}

static int sim_open(void *context, int directory, const char *name, unsigned flags, mode_t mode)
{
    struct logfile_sim *disk = context;
    struct sim_path path = {directory, name};
    struct verdict verdict = sim_enter(disk, LOGFILE_SIM_OPEN);

    (void)mode;
    return sim_leave(disk, &verdict,
                     verdict.error != 0 ? verdict.error : do_open(disk, &path, flags));
}

static int sim_close(void *context, int fd)
{
    struct logfile_sim *disk = context;
    struct verdict verdict = sim_enter(disk, LOGFILE_SIM_CLOSE);
    struct sim_fd *open = get_fd(disk, fd);

    /* As close does, it lets go of the descriptor whatever it returns. */
    if (open != NULL) {
        open->file->opens--;
        *open = (struct sim_fd){0};
        lf_sim_tree_reap(&disk->tree);
    }
    return sim_leave(disk, &verdict, open == NULL ? -EBADF : verdict.error);
}

static int sim_stat(void *context, int fd, struct logfile_io_stat *out)
{
    struct logfile_sim *disk = context;
    struct verdict verdict = sim_enter(disk, LOGFILE_SIM_STAT);
    struct sim_fd *open = get_fd(disk, fd);
    int result = open == NULL ? -EBADF : verdict.error;

    if (result == 0) {
        const struct sim_file *file = open->file;
        const bool has_name = file == &disk->tree.root || *lf_sim_file_name(file) != '\0';
        *out = (struct logfile_io_stat){
            .bytes = file->bytes,
            .kind = file->is_directory ? LOGFILE_IO_DIRECTORY : LOGFILE_IO_REGULAR,
            .device = 1,
            .inode = file->inode,
            .links = has_name, /* no file has two */
        };
    }
    return sim_leave(disk, &verdict, result);
}

static bool locked_by_other(const struct logfile_sim *disk, const struct sim_fd *asks)
{
    for (int i = 0; i < FD_COUNT; i++)
        if (&disk->fds[i] != asks && disk->fds[i].file == asks->file && disk->fds[i].locked)
            return true;
    return false;
}

static int sim_lock(void *context, int fd)
{
    struct logfile_sim *disk = context;
    struct verdict verdict = sim_enter(disk, LOGFILE_SIM_LOCK);
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
    struct logfile_sim *disk = context;
    struct verdict verdict = sim_enter(disk, LOGFILE_SIM_LOCKED);
    struct sim_fd *open = get_fd(disk, fd);
    int result = open == NULL ? -EBADF : verdict.error;

    if (result == 0)
        result = locked_by_other(disk, open);
    return sim_leave(disk, &verdict, result);
}

static bool may_change(const struct sim_fd *open)
{
    return (open->flags & LOGFILE_IO_OPEN_WRITE) != 0;
}

/* Whether a transfer keeps to the rules of DIRECT. */
static bool is_aligned(const struct sim_fd *open, const void *buffer, size_t bytes, uint64_t offset)
{
    if ((open->flags & LOGFILE_IO_OPEN_DIRECT) == 0)
        return true;
    return ((uintptr_t)buffer | bytes | offset) % LOGFILE_IO_BLOCK == 0;
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
    lf_sim_file_read(open->file, (open->flags & LOGFILE_IO_OPEN_DIRECT) != 0, buffer, bytes,
                     offset);
    return (ssize_t)bytes;
}

static ssize_t sim_read(void *context, int fd, void *buffer, size_t bytes, uint64_t offset)
{
    struct logfile_sim *disk = context;
    struct verdict verdict = sim_enter(disk, LOGFILE_SIM_READ);
    struct sim_fd *open = get_fd(disk, fd);
    ssize_t result = open == NULL ? -EBADF : verdict.error;

    if (result == 0)
        result = do_read(open, buffer, bytes, offset);
    if (result > 0 && (size_t)result > verdict.most_bytes)
        result = (ssize_t)verdict.most_bytes;
    sim_leave(disk, &verdict, 0);
    return result;
}

/* What the caller asks of a write, in one piece. */
struct write_request {
    const void *buffer;
    size_t bytes;
    uint64_t offset;
    unsigned flags;
};

/* No file is as large as that. */
static bool is_too_far(uint64_t offset, uint64_t bytes)
{
    return offset > INT64_MAX || bytes > INT64_MAX - offset;
}

static ssize_t do_write(struct logfile_sim *disk, const struct sim_fd *open,
                        const struct write_request *request, const struct verdict *verdict)
{
    struct sim_file *file = open->file;
    size_t bytes = request->bytes;
    const uint64_t limit = growth_limit(disk, file);
    const uint64_t kept_to = disk->options.discard_from;

    if (!is_aligned(open, request->buffer, bytes, request->offset) || !may_change(open))
        return misuse(disk);
    if (is_too_far(request->offset, bytes))
        return -EFBIG;
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
    /* What is beyond the part of the disk that is kept is only counted. */
    uint64_t end = request->offset + bytes;
    if (kept_to > 0 && end > kept_to)
        end = request->offset < kept_to ? kept_to : request->offset;
    int error = lf_sim_file_write(file, (open->flags & LOGFILE_IO_OPEN_DIRECT) != 0,
                                  request->buffer, end - request->offset, request->offset);
    if (error == 0)
        lf_sim_file_extend(file, request->offset + bytes);
    if (verdict->error != 0 || error != 0)
        return verdict->error != 0 ? verdict->error : error;
    if ((request->flags & LOGFILE_IO_WRITE_DSYNC) != 0 && !verdict->crash &&
        !disk->options.sync_lies)
        lf_sim_file_commit_write(file, bytes, request->offset);
    return (ssize_t)bytes;
}

static bool is_zero_fill(const void *buffer, size_t bytes)
{
    const uint8_t *byte = buffer;
    size_t n = bytes < LOGFILE_IO_BLOCK ? bytes : LOGFILE_IO_BLOCK;

    return n > 0 && byte[0] == 0 && memcmp(byte, byte + 1, n - 1) == 0;
}

/* Tells of the write before the gate and the delays, during which it is under way. */
static struct sim_write *announce_write(struct logfile_sim *disk, int fd, size_t bytes,
                                        uint64_t offset)
{
    struct sim_write *mine = NULL;

    pthread_mutex_lock(&disk->lock);
    struct sim_fd *open = get_fd(disk, fd);
    for (int i = 0; open != NULL && !disk->down && i < WRITE_COUNT; i++) {
        struct sim_write *other = &disk->writes[i];
        if (other->file == NULL)
            mine = other;
        else if (other->file == open->file && other->from < offset + bytes && offset < other->to)
            disk->overlaps++;
    }
    if (mine != NULL)
        *mine = (struct sim_write){.file = open->file, .from = offset, .to = offset + bytes};
    pthread_mutex_unlock(&disk->lock);
    return mine;
}

static ssize_t sim_write(void *context, int fd, const void *buffer, size_t bytes, uint64_t offset,
                         unsigned flags)
{
    struct logfile_sim *disk = context;
    struct write_request request = {buffer, bytes, offset, flags};
    struct sim_write *write = announce_write(disk, fd, bytes, offset);
    struct verdict verdict =
        sim_enter(disk, is_zero_fill(buffer, bytes) ? LOGFILE_SIM_ZERO_FILL : LOGFILE_SIM_WRITE);
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

static int sim_sync(void *context, int fd)
{
    struct logfile_sim *disk = context;
    struct sim_sync sync = {0};

    /* What is written once it has begun, during the gate and the delays, is not its own. */
    pthread_mutex_lock(&disk->lock);
    struct sim_fd *open = get_fd(disk, fd);
    if (open != NULL && !disk->down && !disk->options.sync_lies)
        sync = lf_sim_file_begin_sync(open->file);
    pthread_mutex_unlock(&disk->lock);

    struct verdict verdict = sim_enter(disk, LOGFILE_SIM_SYNC);
    open = get_fd(disk, fd);
    int result = open == NULL ? -EBADF : verdict.error;

    if (open != NULL && !disk->down && !verdict.crash && !disk->options.sync_lies)
        lf_sim_file_end_sync(open->file, &sync, result);
    return sim_leave(disk, &verdict, result);
}

static int sim_allocate(void *context, int fd, uint64_t offset, uint64_t bytes)
{
    struct logfile_sim *disk = context;
    struct verdict verdict = sim_enter(disk, LOGFILE_SIM_ALLOCATE);
    struct sim_fd *open = get_fd(disk, fd);
    int result = open == NULL ? -EBADF : verdict.error;

    if (result == 0 && disk->options.no_allocate)
        result = -EOPNOTSUPP;
    if (result == 0 && !may_change(open))
        result = misuse(disk);
    if (result == 0 && is_too_far(offset, bytes))
        result = -EFBIG;
    if (result == 0 && offset + bytes > open->file->bytes) {
        uint64_t limit = growth_limit(disk, open->file);
        if (offset + bytes > limit)
            result = -ENOSPC;
        if (limit > open->file->bytes) /* what there is of it stays with the file, as on ext4 */
            lf_sim_file_extend(open->file, result == 0 ? offset + bytes : limit);
    }
    return sim_leave(disk, &verdict, result);
}

static int sim_truncate(void *context, int fd, uint64_t bytes)
{
    struct logfile_sim *disk = context;
    struct verdict verdict = sim_enter(disk, LOGFILE_SIM_TRUNCATE);
    struct sim_fd *open = get_fd(disk, fd);
    int result = open == NULL ? -EBADF : verdict.error;

    if (result == 0 && !may_change(open))
        result = misuse(disk);
    if (result == 0 && is_too_far(0, bytes))
        result = -EFBIG;
    if (result == 0)
        lf_sim_file_set_bytes(open->file, bytes);
    return sim_leave(disk, &verdict, result);
}

static int sim_punch(void *context, int fd, uint64_t offset, uint64_t bytes)
{
    struct logfile_sim *disk = context;
    struct verdict verdict = sim_enter(disk, LOGFILE_SIM_PUNCH);
    struct sim_fd *open = get_fd(disk, fd);
    int result = open == NULL ? -EBADF : verdict.error;

    if (result == 0 && disk->options.no_punch)
        result = -EOPNOTSUPP;
    if (result == 0 && !may_change(open))
        result = misuse(disk);
    if (result == 0 && is_too_far(offset, bytes))
        result = -EFBIG;
    if (result == 0)
        lf_sim_file_punch(open->file, offset, bytes);
    return sim_leave(disk, &verdict, result);
}

static int sim_drop_cache(void *context, int fd)
{
    struct logfile_sim *disk = context;
    struct verdict verdict = sim_enter(disk, LOGFILE_SIM_DROP_CACHE);
    struct sim_fd *open = get_fd(disk, fd);
    int result = open == NULL ? -EBADF : verdict.error;

    if (result == 0)
        lf_sim_file_drop_cache(open->file);
    return sim_leave(disk, &verdict, result);
}

static int do_rename(struct logfile_sim *disk, const struct sim_path *from,
                     const struct sim_path *to)
{
    struct sim_name old, new;
    int error = find_place(disk, from, &old);

    if (error == 0)
        error = find_place(disk, to, &new);
    if (error != 0)
        return error;
    struct sim_file *file = lf_sim_tree_at(&disk->tree, &old);
    if (file == NULL)
        return -ENOENT;
    if (lf_sim_tree_at(&disk->tree, &new) != NULL)
        return -EEXIST;
    /* A directory cannot move into itself, nor below. */
    const struct sim_file *above = new.parent;
    while (above != file && above != &disk->tree.root)
        above = lf_sim_file_parent(above);
    if (above == file)
        return -EINVAL;
    lf_sim_tree_move(&disk->tree, file, &new);
    return 0;
}

static int sim_rename(void *context, int directory, const char *from, const char *to)
{
    struct logfile_sim *disk = context;
    struct verdict verdict = sim_enter(disk, LOGFILE_SIM_RENAME);
    struct sim_path old = {directory, from}, new = {directory, to};

    return sim_leave(disk, &verdict,
                     verdict.error != 0 ? verdict.error : do_rename(disk, &old, &new));
}

static int do_remove(struct logfile_sim *disk, const struct sim_path *path, bool is_directory)
{
    struct sim_name place;
    int error = find_place(disk, path, &place);

    if (error != 0)
        return error;
    struct sim_file *file = lf_sim_tree_at(&disk->tree, &place);
    if (file == NULL || file == &disk->tree.root)
        return file == NULL ? -ENOENT : -EBUSY;
    if (file->is_directory != is_directory)
        return is_directory ? -ENOTDIR : -EISDIR;
    if (is_directory && lf_sim_tree_entry_count(&disk->tree, file) > 0)
        return -ENOTEMPTY;
    lf_sim_tree_move(&disk->tree, file, &(struct sim_name){.parent = lf_sim_file_parent(file)});
    return 0;
}

static int sim_unlink(void *context, int directory, const char *name)
{
    struct logfile_sim *disk = context;
    struct verdict verdict = sim_enter(disk, LOGFILE_SIM_UNLINK);
    struct sim_path path = {directory, name};

    return sim_leave(disk, &verdict,
                     verdict.error != 0 ? verdict.error : do_remove(disk, &path, false));
}

static int sim_remove_directory(void *context, int directory, const char *name)
{
    struct logfile_sim *disk = context;
    struct verdict verdict = sim_enter(disk, LOGFILE_SIM_REMOVE_DIRECTORY);
    struct sim_path path = {directory, name};

    return sim_leave(disk, &verdict,
                     verdict.error != 0 ? verdict.error : do_remove(disk, &path, true));
}

static int sim_sync_directory(void *context, int directory)
{
    struct logfile_sim *disk = context;
    struct verdict verdict = sim_enter(disk, LOGFILE_SIM_SYNC_DIRECTORY);
    struct sim_file *file = directory_of(disk, directory);
    int result = file == NULL ? -EBADF : verdict.error;

    if (result == 0 && !verdict.crash && !disk->options.sync_lies) {
        lf_sim_tree_sync(&disk->tree, file);
        lf_sim_tree_reap(&disk->tree);
    }
    return sim_leave(disk, &verdict, result);
}

static int do_make_directory(struct logfile_sim *disk, const struct sim_path *path)
{
    struct sim_name place;
    int error = find_place(disk, path, &place);

    if (error != 0)
        return error;
    if (lf_sim_tree_at(&disk->tree, &place) != NULL)
        return -EEXIST;
    return lf_sim_tree_add(&disk->tree, &place, true) == NULL ? -ENOMEM : 0;
}

static int sim_make_directory(void *context, int directory, const char *name, mode_t mode)
{
    struct logfile_sim *disk = context;
    struct verdict verdict = sim_enter(disk, LOGFILE_SIM_MAKE_DIRECTORY);
    struct sim_path path = {directory, name};

    (void)mode;
    return sim_leave(disk, &verdict,
                     verdict.error != 0 ? verdict.error : do_make_directory(disk, &path));
}

/* Names in a directory, copied, so that whoever looks at them can make calls. */
struct listing {
    unsigned count;
    char (*names)[SIM_NAME_BYTES];
};

static int take_listing(struct logfile_sim *disk, const struct sim_file *directory,
                        struct listing *listing)
{
    *listing = (struct listing){0};
    listing->names = calloc(disk->tree.count + 1, SIM_NAME_BYTES);
    if (listing->names == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < disk->tree.count; i++) {
        struct sim_file *file = disk->tree.files[i];
        if (lf_sim_file_parent(file) == directory && *lf_sim_file_name(file) != '\0')
            strcpy(listing->names[listing->count++], lf_sim_file_name(file));
    }
    return 0;
}

/* Each listing starts with another name: a directory promises no order. */
static int sim_list_directory(void *context, int directory,
                              int (*visit)(void *visit_arg, const char *name), void *visit_arg)
{
    struct logfile_sim *disk = context;
    struct verdict verdict = sim_enter(disk, LOGFILE_SIM_LIST_DIRECTORY);
    uint64_t turn = disk->calls[LOGFILE_SIM_LIST_DIRECTORY];
    struct listing listing = {0};
    struct sim_file *file = directory_of(disk, directory);
    int result = file == NULL ? -ENOTDIR : verdict.error;

    if (result == 0)
        result = take_listing(disk, file, &listing);
    sim_leave(disk, &verdict, 0);
    for (unsigned i = 0; result == 0 && i < listing.count; i++)
        result = visit(visit_arg, listing.names[(i + turn) % listing.count]);
    free(listing.names);
    return result;
}

static int sim_facts(void *context, int fd, struct logfile_io_facts *out)
{
    struct logfile_sim *disk = context;
    struct verdict verdict = sim_enter(disk, LOGFILE_SIM_FACTS);
    uint64_t capacity = disk->options.capacity_bytes;
    uint64_t used = capacity == 0 ? 0 : lf_sim_tree_used_bytes(&disk->tree);
    int result = get_fd(disk, fd) == NULL ? -EBADF : verdict.error;

    if (result == 0)
        *out = (struct logfile_io_facts){
            .direct = disk->options.no_direct ? LOGFILE_IO_DIRECT_NO : LOGFILE_IO_DIRECT_YES,
            .offset_align = disk->options.no_direct ? 0 : SIM_SECTOR_BYTES,
            .memory_align = disk->options.no_direct ? 0 : SIM_SECTOR_BYTES,
            .free_bytes = capacity == 0     ? UINT64_MAX
                          : used < capacity ? capacity - used
                                            : 0,
            .total_bytes = capacity == 0 ? UINT64_MAX : capacity};
    return sim_leave(disk, &verdict, result);
}

/* ---- Making one ---- */

static const struct logfile_io operations = {
    .version = LOGFILE_IO_VERSION,
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
    .punch = sim_punch,
    .drop_cache = sim_drop_cache,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .remove_directory = sim_remove_directory,
    .sync_directory = sim_sync_directory,
    .make_directory = sim_make_directory,
    .list_directory = sim_list_directory,
    .facts = sim_facts,
};

struct logfile_sim *logfile_sim_new(const struct logfile_sim_options *options)
{
    pthread_condattr_t monotonic;

    if (options != NULL && !lf_sim_is_zero(options->reserved, sizeof options->reserved))
        return NULL;
    struct logfile_sim *disk = calloc(1, sizeof *disk);
    if (disk == NULL)
        return NULL;
    if (options != NULL)
        disk->options = *options;
    lf_sim_tree_init(&disk->tree);
    disk->crash_call = LOGFILE_SIM_CALL_COUNT;
    disk->io = operations;
    disk->io.context = disk;
    pthread_mutex_init(&disk->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&disk->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return disk;
}

/* Takes the lock; false: there is no disk. */
static bool take(struct logfile_sim *disk)
{
    if (disk != NULL)
        pthread_mutex_lock(&disk->lock);
    return disk != NULL;
}

/* Gives the lock back. */
static int give(struct logfile_sim *disk, int result)
{
    pthread_mutex_unlock(&disk->lock);
    return result;
}

struct logfile_sim *logfile_sim_clone(struct logfile_sim *disk)
{
    struct logfile_sim *clone = disk == NULL ? NULL : logfile_sim_new(&disk->options);

    if (clone == NULL)
        return NULL;
    take(disk);
    bool cloned = lf_sim_tree_clone(&clone->tree, &disk->tree);
    give(disk, 0);
    if (cloned)
        return clone;
    logfile_sim_free(clone);
    return NULL;
}

void logfile_sim_free(struct logfile_sim *disk)
{
    if (disk == NULL)
        return;
    lf_sim_tree_free(&disk->tree);
    pthread_cond_destroy(&disk->changed);
    pthread_mutex_destroy(&disk->lock);
    free(disk);
}

const struct logfile_io *logfile_sim_io(struct logfile_sim *disk)
{
    if (disk == NULL) {
        fputs("logfile_sim_io: no disk\n", stderr);
        abort();
    }
    return &disk->io;
}

int logfile_sim_set_capacity(struct logfile_sim *disk, uint64_t capacity_bytes)
{
    if (!take(disk))
        return -EINVAL;
    disk->options.capacity_bytes = capacity_bytes;
    return give(disk, 0);
}

/* ---- Crashes ---- */

int logfile_sim_crash_at(struct logfile_sim *disk, uint64_t nth)
{
    return logfile_sim_crash_at_call(disk, LOGFILE_SIM_CALL_COUNT, nth);
}

int logfile_sim_crash_at_call(struct logfile_sim *disk, enum logfile_sim_call call, uint64_t nth)
{
    if (call != LOGFILE_SIM_CALL_COUNT && !changes_something(call))
        return -EINVAL;
    if (!take(disk))
        return -EINVAL;
    disk->crash_in = nth;
    disk->crash_within = call;
    return give(disk, 0);
}

bool logfile_sim_is_down(struct logfile_sim *disk)
{
    return take(disk) && give(disk, disk->down);
}

enum logfile_sim_call logfile_sim_crash_call(struct logfile_sim *disk)
{
    if (!take(disk))
        return LOGFILE_SIM_CALL_COUNT;
    return (enum logfile_sim_call)give(disk, (int)disk->crash_call);
}

int logfile_sim_restart(struct logfile_sim *disk)
{
    if (!take(disk))
        return -EINVAL;
    for (int i = 0; i < FD_COUNT; i++)
        if (disk->fds[i].file != NULL)
            disk->fds[i].file->opens--;
    memset(disk->fds, 0, sizeof disk->fds);
    memset(disk->writes, 0, sizeof disk->writes);
    lf_sim_tree_reap(&disk->tree);
    disk->down = false;
    disk->crash_in = 0;
    disk->crash_call = LOGFILE_SIM_CALL_COUNT;
    disk->fault_set = false;
    return give(disk, 0);
}

static int reboot(struct logfile_sim *disk, struct sim_fates *fates)
{
    int error = logfile_sim_restart(disk);

    if (error == 0)
        lf_sim_tree_crash(&disk->tree, fates);
    return error;
}

int logfile_sim_reboot(struct logfile_sim *disk, uint64_t seed)
{
    struct sim_fates fates = lf_sim_choose_fates(seed);

    return reboot(disk, &fates);
}

int logfile_sim_reboot_losing_all(struct logfile_sim *disk)
{
    struct sim_fates fates = {.drop = 1};

    return reboot(disk, &fates);
}

unsigned logfile_sim_unsynced_count(struct logfile_sim *disk)
{
    struct sim_choice choice = {.settles = false};

    if (!take(disk))
        return 0;
    lf_sim_tree_choose(&disk->tree, &choice);
    give(disk, 0);
    return choice.count;
}

int logfile_sim_reboot_keeping(struct logfile_sim *disk, uint64_t mask)
{
    struct sim_choice choice = {.keep = mask, .settles = true};
    int error = logfile_sim_restart(disk);

    if (error == 0)
        lf_sim_tree_choose(&disk->tree, &choice);
    return error;
}

/* ---- Faults ---- */

static bool is_valid(const struct logfile_sim_fault *fault)
{
    if (fault == NULL || !is_call(fault->call) || fault->error > 0)
        return false;
    const bool moves_bytes = fault->call == LOGFILE_SIM_READ || fault->call == LOGFILE_SIM_WRITE ||
                             fault->call == LOGFILE_SIM_ZERO_FILL;
    return (fault->error != 0 || moves_bytes) &&
           lf_sim_is_zero(fault->reserved, sizeof fault->reserved);
}

int logfile_sim_fault(struct logfile_sim *disk, const struct logfile_sim_fault *fault)
{
    if (!is_valid(fault) || !take(disk))
        return -EINVAL;
    disk->fault = *fault;
    disk->fault_set = true;
    disk->fault_hits = 0;
    return give(disk, 0);
}

int logfile_sim_fault_clear(struct logfile_sim *disk)
{
    if (!take(disk))
        return -EINVAL;
    disk->fault_set = false;
    return give(disk, 0);
}

int logfile_sim_delay(struct logfile_sim *disk, enum logfile_sim_call call, uint64_t us)
{
    if (!is_call(call) || !take(disk))
        return -EINVAL;
    disk->delay_us[call] = us;
    return give(disk, 0);
}

int logfile_sim_gate_close(struct logfile_sim *disk, enum logfile_sim_call call)
{
    if (!is_call(call) || !take(disk))
        return -EINVAL;
    disk->gate_closed = true;
    disk->gate = call;
    disk->gate_waiters = 0;
    pthread_cond_broadcast(&disk->changed);
    return give(disk, 0);
}

int logfile_sim_gate_open(struct logfile_sim *disk)
{
    if (!take(disk))
        return -EINVAL;
    disk->gate_closed = false;
    pthread_cond_broadcast(&disk->changed);
    return give(disk, 0);
}

bool logfile_sim_gate_is_reached(struct logfile_sim *disk, unsigned ms)
{
    struct timespec now;
    int error = 0;

    clock_gettime(CLOCK_MONOTONIC, &now);
    const struct timespec deadline = time_of_us((uint64_t)now.tv_sec * 1000000 +
                                                (uint64_t)now.tv_nsec / 1000 + (uint64_t)ms * 1000);
    if (!take(disk))
        return false;
    while (disk->gate_waiters == 0 && error == 0)
        error = pthread_cond_timedwait(&disk->changed, &disk->lock, &deadline);
    return give(disk, disk->gate_waiters > 0);
}

/* ---- What happened ---- */

static uint64_t read_counter(struct logfile_sim *disk, const uint64_t *counter)
{
    take(disk);
    uint64_t value = *counter;
    give(disk, 0);
    return value;
}

uint64_t logfile_sim_call_count(struct logfile_sim *disk, enum logfile_sim_call call)
{
    return disk == NULL || !is_call(call) ? 0 : read_counter(disk, &disk->calls[call]);
}

uint64_t logfile_sim_fault_hits(struct logfile_sim *disk)
{
    return disk == NULL ? 0 : read_counter(disk, &disk->fault_hits);
}

uint64_t logfile_sim_change_count(struct logfile_sim *disk)
{
    return disk == NULL ? 0 : read_counter(disk, &disk->changes);
}

uint64_t logfile_sim_overlap_count(struct logfile_sim *disk)
{
    return disk == NULL ? 0 : read_counter(disk, &disk->overlaps);
}

uint64_t logfile_sim_misuse_count(struct logfile_sim *disk)
{
    return disk == NULL ? 0 : read_counter(disk, &disk->misuses);
}

unsigned logfile_sim_open_count(struct logfile_sim *disk)
{
    unsigned count = 0;

    if (!take(disk))
        return 0;
    for (int i = 0; i < FD_COUNT; i++)
        count += disk->fds[i].file != NULL;
    give(disk, 0);
    return count;
}

unsigned logfile_sim_file_count(struct logfile_sim *disk)
{
    unsigned count = 0;

    if (!take(disk))
        return 0;
    for (unsigned i = 0; i < disk->tree.count; i++)
        count += *lf_sim_file_name(disk->tree.files[i]) != '\0';
    give(disk, 0);
    return count;
}

bool logfile_sim_exists(struct logfile_sim *disk, const char *path)
{
    return take(disk) && give(disk, lf_sim_tree_find(&disk->tree, path) != NULL);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

unsigned logfile_sim_list(struct logfile_sim *disk, const char *path,
                          void (*visit)(void *arg, const char *), void *arg)
{
    struct listing listing = {0};

    if (!take(disk))
        return 0;
    const struct sim_file *directory = lf_sim_tree_find(&disk->tree, path);
    if (directory != NULL && directory->is_directory)
        take_listing(disk, directory, &listing);
    give(disk, 0);
    if (listing.count > 0)
        qsort(listing.names, listing.count, SIM_NAME_BYTES, compare_names);
    for (unsigned i = 0; visit != NULL && i < listing.count; i++)
        visit(arg, listing.names[i]);
    free(listing.names);
    return listing.count;
}

uint64_t logfile_sim_used_bytes(struct logfile_sim *disk, const char *path)
{
    uint64_t used = 0;

    if (!take(disk))
        return 0;
    struct sim_file *file = path == NULL ? NULL : lf_sim_tree_find(&disk->tree, path);
    if (path == NULL)
        used = lf_sim_tree_used_bytes(&disk->tree);
    else if (file != NULL)
        used = lf_sim_file_used_bytes(file);
    give(disk, 0);
    return used;
}

uint64_t logfile_sim_file_bytes(struct logfile_sim *disk, const char *path)
{
    if (!take(disk))
        return 0;
    struct sim_file *file = lf_sim_tree_find(&disk->tree, path);
    uint64_t bytes = file == NULL ? 0 : file->bytes;
    give(disk, 0);
    return bytes;
}

/* The file that is to be looked at, with the lock taken; NULL, without it, and the reason. */
static struct sim_file *take_file(struct logfile_sim *disk, const char *path, const void *buffer,
                                  int *error)
{
    *error = -EINVAL;
    if (path == NULL || buffer == NULL || !take(disk))
        return NULL;
    struct sim_file *file = lf_sim_tree_find(&disk->tree, path);
    if (file == NULL || file->is_directory) {
        *error = give(disk, -ENOENT);
        return NULL;
    }
    return file;
}

int logfile_sim_peek(struct logfile_sim *disk, const char *path, uint64_t offset, void *to,
                     size_t bytes)
{
    int error;
    struct sim_file *file = take_file(disk, path, to, &error);

    if (file == NULL)
        return error;
    lf_sim_file_read(file, false, to, bytes, offset);
    return give(disk, 0);
}

int logfile_sim_poke(struct logfile_sim *disk, const char *path, uint64_t offset, const void *from,
                     size_t bytes)
{
    int error;
    struct sim_file *file = take_file(disk, path, from, &error);

    if (file == NULL)
        return error;
    if (offset > file->capacity || bytes > file->capacity - offset)
        return give(disk, -ERANGE);
    if (bytes > 0) {
        memcpy(file->cache + offset, from, bytes);
        memcpy(file->disk + offset, from, bytes);
    }
    return give(disk, 0);
}
