/* SPDX-License-Identifier: MIT */
#include "remove.h"

#include "base/compat.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

/* readdir may allocate, which a signal handler must not. */
#define ENTRIES_BYTES 4096
#define DEPTH_MAX 2 /* folders in folders that are emptied, each with its entries on the stack */

union entries {
    struct dirent64 first; /* for its alignment */
    char bytes[ENTRIES_BYTES];
};

static void empty_directory(int dir_fd, unsigned depth);

/* A log's directory has files only; another store's may have folders. */
static bool remove_folder(int dir_fd, const char *name, unsigned depth)
{
    int fd = depth > 0 ? openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (fd < 0)
        return false;
    empty_directory(fd, depth - 1);
    close(fd);
    return unlinkat(dir_fd, name, AT_REMOVEDIR) == 0;
}

static bool is_itself_or_above(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

static bool remove_entries(int dir_fd, union entries *entries, ssize_t bytes, unsigned depth)
{
    bool removed = false;
    for (ssize_t at = 0; at < bytes;) {
        const struct dirent64 *entry = (const void *)(entries->bytes + at);
        at += entry->d_reclen;
        if (is_itself_or_above(entry->d_name))
            continue;
        removed |=
            unlinkat(dir_fd, entry->d_name, 0) == 0 || remove_folder(dir_fd, entry->d_name, depth);
    }
    return removed;
}

/* Listing may skip names while others go, so it is done until nothing more goes. */
static void empty_directory(int dir_fd, unsigned depth)
{
    union entries entries;
    bool removed;
    do {
        ssize_t bytes;
        removed = false;
        lseek(dir_fd, 0, SEEK_SET);
        while ((bytes = getdents64(dir_fd, &entries, sizeof entries)) > 0)
            removed |= remove_entries(dir_fd, &entries, bytes, depth);
    } while (removed);
}

void bench_remove_log(const char *path)
{
    if (unlink(path) == 0 || (errno != EISDIR && errno != EPERM))
        return;
    int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir_fd < 0)
        return;
    empty_directory(dir_fd, DEPTH_MAX);
    close(dir_fd);
    rmdir(path);
}

void bench_remove_log_for_good(const char *path, const char *dir)
{
    bench_remove_log(path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}
