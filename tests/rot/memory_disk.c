/* SPDX-License-Identifier: MIT */
#include "memory_disk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOG_FD = MEMORY_HANDLES_MAX, /* of the log's directory */
    TOP_FD                       /* of the one that the log is in */
};

/* ---- Files ----------------------------------------------------------------------------------- */

struct memory_file *memory_disk_find(struct memory_disk *disk, const char *name)
{
    for (unsigned i = 0; i < MEMORY_FILES_MAX; i++)
        if (disk->files[i].linked && strcmp(disk->files[i].name, name) == 0)
            return &disk->files[i];
    return NULL;
}

/* A place that has neither a name nor a user. */
static struct memory_file *find_place(struct memory_disk *disk)
{
    for (unsigned i = 0; i < MEMORY_FILES_MAX; i++)
        if (!disk->files[i].linked && disk->files[i].open_count == 0)
            return &disk->files[i];
    return NULL;
}

static void reserve(struct memory_file *file, size_t size)
{
    if (size <= file->capacity)
        return;
    const size_t capacity = size + size / 2 + LOGFILE_IO_BLOCK;
    file->bytes = realloc(file->bytes, capacity);
    if (file->bytes == NULL) {
        perror("memory_disk");
        exit(1);
    }
    memset(file->bytes + file->capacity, 0, capacity - file->capacity);
    file->capacity = capacity;
}

struct memory_file *memory_disk_make(struct memory_disk *disk, const char *name)
{
    struct memory_file *file = memory_disk_find(disk, name);

    if (file != NULL || strlen(name) >= sizeof(file->name))
        return file;
    file = find_place(disk);
    if (file == NULL)
        return NULL;
    memory_file_become(file, LOGFILE_IO_REGULAR);
    reserve(file, 1); /* so that there are bytes to point to */
    file->linked = true;
    strcpy(file->name, name);
    return file;
}

bool memory_file_resize(struct memory_file *file, size_t size)
{
    if (size > MEMORY_FILE_BYTES_MAX)
        return false;
    reserve(file, size);
    if (size < file->size)
        memset(file->bytes + size, 0, file->size - size);
    file->size = size;
    return true;
}

void memory_file_become(struct memory_file *file, enum logfile_io_kind kind)
{
    memory_file_resize(file, 0);
    file->kind = kind;
}

void memory_file_set(struct memory_file *file, const uint8_t *bytes, size_t size)
{
    if (memory_file_resize(file, size) && size > 0)
        memcpy(file->bytes, bytes, size);
}

void memory_disk_copy(struct memory_disk *to, const struct memory_disk *from)
{
    to->is_directory = from->is_directory;
    for (unsigned i = 0; i < MEMORY_FILES_MAX; i++) {
        const struct memory_file *file = &from->files[i];
        to->files[i].linked = file->linked;
        to->files[i].kind = file->kind;
        memcpy(to->files[i].name, file->name, sizeof(file->name));
        memory_file_set(&to->files[i], file->bytes, file->linked ? file->size : 0);
    }
}

static bool holds(const struct memory_disk *disk, const struct memory_file *file)
{
    for (unsigned i = 0; i < MEMORY_FILES_MAX; i++) {
        const struct memory_file *other = &disk->files[i];
        if (other->linked && strcmp(other->name, file->name) == 0)
            return other->size == file->size && other->kind == file->kind &&
                   (file->size == 0 || memcmp(other->bytes, file->bytes, file->size) == 0);
    }
    return false;
}

static bool holds_all(const struct memory_disk *disk, const struct memory_disk *of)
{
    for (unsigned i = 0; i < MEMORY_FILES_MAX; i++)
        if (of->files[i].linked && !holds(disk, &of->files[i]))
            return false;
    return true;
}

bool memory_disk_equals(const struct memory_disk *a, const struct memory_disk *b)
{
    return holds_all(a, b) && holds_all(b, a);
}

uint64_t memory_disk_bytes(const struct memory_disk *disk)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < MEMORY_FILES_MAX; i++)
        bytes += disk->files[i].linked ? disk->files[i].size : 0;
    return bytes;
}

/* ---- The table: open files.  All of it holds the lock ---------------------------------------- */

static struct memory_disk *enter(void *context)
{
    struct memory_disk *disk = context;

    pthread_mutex_lock(&disk->lock);
    return disk;
}

static int leave(struct memory_disk *disk, int result)
{
    pthread_mutex_unlock(&disk->lock);
    return result;
}

static struct memory_file *file_of(struct memory_disk *disk, int fd)
{
    return fd >= 0 && fd < MEMORY_HANDLES_MAX ? disk->handles[fd].file : NULL;
}

static struct memory_file *writable_file_of(struct memory_disk *disk, int fd)
{
    struct memory_file *file = file_of(disk, fd);

    return file != NULL && disk->handles[fd].may_write ? file : NULL;
}

static void note_change(struct memory_disk *disk, bool is_cut)
{
    disk->change_count++;
    disk->cut_count += is_cut;
}

static int new_handle(struct memory_disk *disk, struct memory_file *file, unsigned flags)
{
    for (int fd = 0; fd < MEMORY_HANDLES_MAX; fd++) {
        if (disk->handles[fd].file != NULL)
            continue;
        disk->handles[fd].file = file;
        disk->handles[fd].may_write = (flags & LOGFILE_IO_OPEN_WRITE) != 0;
        disk->handles[fd].locked = false;
        file->open_count++;
        return fd;
    }
    return -EMFILE;
}

static bool is_directory_name(const struct memory_disk *disk, const char *path)
{
    return disk->is_directory &&
           (strcmp(path, MEMORY_PATH) == 0 || strcmp(path, MEMORY_PATH "/") == 0);
}

static int open_directory(struct memory_disk *disk, const char *path)
{
    if (strcmp(path, ".") == 0)
        return TOP_FD;
    if (is_directory_name(disk, path))
        return LOG_FD;
    return memory_disk_find(disk, path) != NULL ? -ENOTDIR : -ENOENT;
}

static int open_file(struct memory_disk *disk, const char *path, unsigned flags)
{
    struct memory_file *file = memory_disk_find(disk, path);

    if (flags & LOGFILE_IO_OPEN_DIRECTORY)
        return open_directory(disk, path);
    if (is_directory_name(disk, path))
        return -EISDIR;
    if ((flags & LOGFILE_IO_OPEN_CREATE) != 0) {
        if (file != NULL)
            return -EEXIST;
        file = memory_disk_make(disk, path);
        if (file == NULL)
            return -ENOSPC;
        note_change(disk, false);
    }
    if (file != NULL && file->kind == LOGFILE_IO_DIRECTORY && (flags & LOGFILE_IO_OPEN_WRITE) != 0)
        return -EISDIR;
    return file == NULL ? -ENOENT : new_handle(disk, file, flags);
}

/* The whole path of a name.  All that is not the log's directory is the one that holds it. */
static const char *path_of(int directory, const char *name, char path[MEMORY_NAME_BYTES])
{
    static const char log[] = MEMORY_PATH "/";
    const size_t length = directory == LOG_FD ? strlen(name) : 0;

    if (directory != LOG_FD)
        return name;
    if (length > MEMORY_NAME_BYTES - sizeof(log))
        return "";
    memcpy(path, log, sizeof(log) - 1);
    memcpy(path + sizeof(log) - 1, name, length + 1);
    return path;
}

static int memory_open(void *context, int directory, const char *name, unsigned flags, mode_t mode)
{
    struct memory_disk *disk = enter(context);
    char path[MEMORY_NAME_BYTES];

    (void)mode;
    return leave(disk, open_file(disk, path_of(directory, name, path), flags));
}

static int memory_close(void *context, int fd)
{
    struct memory_disk *disk = enter(context);
    struct memory_file *file = file_of(disk, fd);

    if (fd == LOG_FD || fd == TOP_FD)
        return leave(disk, 0);
    if (file == NULL)
        return leave(disk, -EBADF);
    file->open_count--;
    disk->handles[fd].file = NULL;
    disk->handles[fd].locked = false;
    return leave(disk, 0);
}

static int memory_stat(void *context, int fd, struct logfile_io_stat *out)
{
    struct memory_disk *disk = enter(context);
    const struct memory_file *file = file_of(disk, fd);

    if (fd == LOG_FD || fd == TOP_FD)
        *out = (struct logfile_io_stat){
            .kind = LOGFILE_IO_DIRECTORY, .device = 1, .inode = (uint64_t)fd, .links = 1};
    else if (file != NULL)
        *out = (struct logfile_io_stat){.bytes = file->size,
                                        .kind = file->kind,
                                        .device = 1,
                                        .inode = (uint64_t)(file - disk->files) + 1,
                                        .links = file->linked};
    else
        return leave(disk, -EBADF);
    return leave(disk, 0);
}

static bool is_locked_by_another(const struct memory_disk *disk, int fd)
{
    for (int i = 0; i < MEMORY_HANDLES_MAX; i++)
        if (i != fd && disk->handles[i].file == disk->handles[fd].file && disk->handles[i].locked)
            return true;
    return false;
}

static int memory_lock(void *context, int fd)
{
    struct memory_disk *disk = enter(context);

    if (file_of(disk, fd) == NULL)
        return leave(disk, -EBADF);
    if (is_locked_by_another(disk, fd))
        return leave(disk, -EAGAIN);
    disk->handles[fd].locked = true;
    return leave(disk, 0);
}

static int memory_locked(void *context, int fd)
{
    struct memory_disk *disk = enter(context);

    if (file_of(disk, fd) == NULL)
        return leave(disk, -EBADF);
    return leave(disk, is_locked_by_another(disk, fd));
}

/* ---- The table: bytes ------------------------------------------------------------------------ */

static ssize_t memory_read(void *context, int fd, void *buffer, size_t bytes, uint64_t offset)
{
    struct memory_disk *disk = enter(context);
    const struct memory_file *file = file_of(disk, fd);

    if (file == NULL || file->kind != LOGFILE_IO_REGULAR)
        return leave(disk, file == NULL                         ? -EBADF
                           : file->kind == LOGFILE_IO_DIRECTORY ? -EISDIR
                                                                : -ESPIPE);
    const size_t rest = offset < file->size ? file->size - (size_t)offset : 0;
    const size_t count = bytes < rest ? bytes : rest;
    if (count > 0)
        memcpy(buffer, file->bytes + offset, count);
    disk->read_bytes += count;
    disk->read_count++;
    leave(disk, 0);
    return (ssize_t)count;
}

static ssize_t memory_write(void *context, int fd, const void *buffer, size_t bytes,
                            uint64_t offset, unsigned flags)
{
    struct memory_disk *disk = enter(context);
    struct memory_file *file = writable_file_of(disk, fd);

    (void)flags;
    if (file == NULL)
        return leave(disk, -EBADF);
    if (offset > MEMORY_FILE_BYTES_MAX || bytes > MEMORY_FILE_BYTES_MAX - offset)
        return leave(disk, -EFBIG);
    if (offset + bytes > file->size)
        memory_file_resize(file, (size_t)offset + bytes);
    memcpy(file->bytes + offset, buffer, bytes);
    note_change(disk, false);
    leave(disk, 0);
    return (ssize_t)bytes;
}

static int memory_done(void *context, int fd)
{
    struct memory_disk *disk = enter(context);

    return leave(disk, file_of(disk, fd) != NULL ? 0 : -EBADF);
}

static int memory_no_range(void *context, int fd, uint64_t offset, uint64_t bytes)
{
    (void)context, (void)fd, (void)offset, (void)bytes;
    return -EOPNOTSUPP;
}

static int memory_truncate(void *context, int fd, uint64_t bytes)
{
    struct memory_disk *disk = enter(context);
    struct memory_file *file = writable_file_of(disk, fd);

    if (file == NULL)
        return leave(disk, -EBADF);
    note_change(disk, bytes < file->size);
    return leave(disk, memory_file_resize(file, (size_t)bytes) ? 0 : -EFBIG);
}

/* ---- The table: names ------------------------------------------------------------------------ */

static int memory_rename(void *context, int directory, const char *old, const char *new)
{
    struct memory_disk *disk = enter(context);
    char paths[2][MEMORY_NAME_BYTES];
    const char *from = path_of(directory, old, paths[0]);
    const char *to = path_of(directory, new, paths[1]);
    struct memory_file *file = memory_disk_find(disk, from);

    if (file == NULL)
        return leave(disk, -ENOENT);
    if (memory_disk_find(disk, to) != NULL)
        return leave(disk, -EEXIST);
    if (strlen(to) >= sizeof(file->name))
        return leave(disk, -ENAMETOOLONG);
    strcpy(file->name, to);
    note_change(disk, false);
    return leave(disk, 0);
}

static int memory_unlink(void *context, int directory, const char *name)
{
    struct memory_disk *disk = enter(context);
    char path[MEMORY_NAME_BYTES];
    struct memory_file *file = memory_disk_find(disk, path_of(directory, name, path));

    if (file == NULL)
        return leave(disk, -ENOENT);
    if (file->kind == LOGFILE_IO_DIRECTORY)
        return leave(disk, -EISDIR);
    file->linked = false;
    note_change(disk, true);
    return leave(disk, 0);
}

static int memory_remove_directory(void *context, int directory, const char *name)
{
    (void)context, (void)directory, (void)name;
    return -ENOTEMPTY;
}

static int memory_sync_directory(void *context, int directory)
{
    (void)context;
    return directory == LOG_FD || directory == TOP_FD ? 0 : -EBADF;
}

static int memory_make_directory(void *context, int directory, const char *name, mode_t mode)
{
    (void)context, (void)directory, (void)name, (void)mode;
    return -EEXIST;
}

static int memory_list(void *context, int directory, int (*visit)(void *arg, const char *name),
                       void *arg)
{
    struct memory_disk *disk = enter(context);
    int result = directory == LOG_FD ? 0 : -ENOTDIR;

    for (unsigned i = 0; i < MEMORY_FILES_MAX && result == 0; i++)
        if (disk->files[i].linked)
            result = visit(arg, disk->files[i].name + strlen(MEMORY_PATH "/"));
    return leave(disk, result);
}

static int memory_facts(void *context, int fd, struct logfile_io_facts *out)
{
    (void)context, (void)fd;
    *out = (struct logfile_io_facts){.free_bytes = UINT64_MAX, .total_bytes = UINT64_MAX};
    return 0;
}

/* ---- All of it ------------------------------------------------------------------------------- */

void memory_disk_init(struct memory_disk *disk, bool is_directory)
{
    memset(disk, 0, sizeof(*disk));
    pthread_mutex_init(&disk->lock, NULL);
    disk->is_directory = is_directory;
    disk->io = (struct logfile_io){
        .version = LOGFILE_IO_VERSION,
        .context = disk,
        .open = memory_open,
        .close = memory_close,
        .stat = memory_stat,
        .lock = memory_lock,
        .locked = memory_locked,
        .read = memory_read,
        .write = memory_write,
        .sync = memory_done,
        .allocate = memory_no_range,
        .truncate = memory_truncate,
        .drop_cache = memory_done,
        .punch = memory_no_range,
        .rename = memory_rename,
        .unlink = memory_unlink,
        .remove_directory = memory_remove_directory,
        .sync_directory = memory_sync_directory,
        .make_directory = memory_make_directory,
        .list_directory = memory_list,
        .facts = memory_facts,
    };
}

void memory_disk_clear(struct memory_disk *disk, bool is_directory)
{
    for (unsigned i = 0; i < MEMORY_FILES_MAX; i++) {
        memory_file_become(&disk->files[i], LOGFILE_IO_REGULAR);
        disk->files[i].linked = false;
    }
    disk->is_directory = is_directory;
    disk->read_bytes = disk->read_count = disk->change_count = disk->cut_count = 0;
}

void memory_disk_free(struct memory_disk *disk)
{
    for (unsigned i = 0; i < MEMORY_FILES_MAX; i++)
        free(disk->files[i].bytes);
    pthread_mutex_destroy(&disk->lock);
}
