/* SPDX-License-Identifier: MIT */
/* The system calls behind logfile_io_posix(), and what every user of an io table needs. */
#ifndef LF_IO_H
#define LF_IO_H

#include "logfile_io.h"

#include <stdbool.h>

/* Reads until `bytes` or the end of the file; the bytes read, or -errno.  Goes on after short
 * counts. */
ssize_t lf_io_read_full(const struct logfile_io *io, int fd, void *buffer, size_t bytes,
                        uint64_t offset);
/* Writes all of it; 0 or -errno.  Goes on after short counts; a count of 0 is -EIO. */
int lf_io_write_full(const struct logfile_io *io, int fd, const void *buffer, size_t bytes,
                     uint64_t offset, unsigned flags);
/* Makes durable which names there are in the directory that a path's last part is in. */
int lf_io_sync_parent(const struct logfile_io *io, const char *path);
/* Lists a directory by its path, as list_directory does one that is open. */
int lf_io_list(const struct logfile_io *io, const char *path,
               int (*visit)(void *visit_arg, const char *name), void *visit_arg);
/* Whether every operation of a caller's table is there, its version is ours and its reserved space is zero. */
bool lf_io_is_complete(const struct logfile_io *io);

#endif /* LF_IO_H */
