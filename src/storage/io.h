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
/* Whether a name leads to the file or directory that is open as `fd`.  1, 0, or -errno: that cannot
 * be told.  flags: 0, or LOGFILE_IO_OPEN_DIRECTORY for a directory. */
int lf_io_leads_to(const struct logfile_io *io, int directory, const char *name, unsigned flags,
                   int fd);
/* How many names lead to an open file; 0 also where that cannot be told. */
uint64_t lf_io_links(const struct logfile_io *io, int fd);
/* Whether an open file that had a name has none any more. */
bool lf_io_is_removed(const struct logfile_io *io, int fd);
/* True: the device has FUA, or no volatile cache, so a write can be durable without a flush of it all.
 * device: its folder in sysfs. */
bool lf_io_needs_no_flush(const char *device);
/* Whether a caller's table is of our version, every operation is there and its reserved space is
 * zero. */
bool lf_io_is_complete(const struct logfile_io *io);

#endif /* LF_IO_H */
