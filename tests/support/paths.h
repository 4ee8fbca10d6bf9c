/* SPDX-License-Identifier: MIT */
/* What an io table does in an open directory, done by a path. */
#ifndef PATHS_H
#define PATHS_H

#include "logfile_io.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Makes durable which names there are in the directory that holds `path`. */
static inline int sync_parent(const struct logfile_io *io, const char *path)
{
    char parent[PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    if (slash != NULL)
        snprintf(parent, sizeof parent, "%.*s", (int)(slash - path) + 1, path);
    int fd = io->open(io->context, LOGFILE_IO_HERE, parent, LOGFILE_IO_OPEN_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    int error = io->sync_directory(io->context, fd);
    (void)io->close(io->context, fd);
    return error;
}

static inline int list_path(const struct logfile_io *io, const char *path,
                            int (*visit)(void *visit_arg, const char *name), void *visit_arg)
{
    int fd = io->open(io->context, LOGFILE_IO_HERE, path, LOGFILE_IO_OPEN_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    int result = io->list_directory(io->context, fd, visit, visit_arg);
    (void)io->close(io->context, fd);
    return result;
}

#endif /* PATHS_H */
