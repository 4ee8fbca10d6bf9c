/* SPDX-License-Identifier: MIT */
#include "remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

/* readdir may allocate, which a signal handler must not. */
#define ENTRIES_BYTES 4096

union entries {
    struct dirent64 first; /* for its alignment */
    char bytes[ENTRIES_BYTES];
};

static bool remove_entries(int dir_fd, union entries *entries, ssize_t bytes)
{
    bool removed = false;
    for (ssize_t at = 0; at < bytes;) {
        const struct dirent64 *entry = (const void *)(entries->bytes + at);
        removed |= unlinkat(dir_fd, entry->d_name, 0) == 0;
        at += entry->d_reclen;
    }
    return removed;
}

/* Listing may skip names while others go, so it is done until nothing more goes. */
static void empty_directory(int dir_fd)
{
    union entries entries;
    bool removed;
    do {
        ssize_t bytes;
        removed = false;
        lseek(dir_fd, 0, SEEK_SET);
        while ((bytes = getdents64(dir_fd, &entries, sizeof entries)) > 0)
            removed |= remove_entries(dir_fd, &entries, bytes);
    } while (removed);
}

void bench_remove_log(const char *path)
{
    if (unlink(path) == 0 || (errno != EISDIR && errno != EPERM))
        return;
    int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir_fd < 0)
        return;
    empty_directory(dir_fd);
    close(dir_fd);
    rmdir(path);
}
