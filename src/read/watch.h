/* SPDX-License-Identifier: MIT */
/*
 * How a reader by path learns that there may be news: inotify tells of writes to the log's file, or
 * to any in its directory, of a writer that closes it, and of its removal, at once.  What tells nothing, as a
 * network file system or memory that is mapped elsewhere, is looked at once in LF_LOOK_NS: so late
 * can it be.
 */
#ifndef LF_WATCH_H
#define LF_WATCH_H

#include "storage/file.h"

#include <stdbool.h>
#include <time.h>

#define LF_LOOK_NS ((uint64_t)1000000000)

struct lf_watch {
    bool is_started;
    int notify; /* an inotify descriptor; -1: it cannot be had here */
    int timer;  /* these two only after lf_watch_fd; else -1 */
    int epoll;
};

void lf_watch_init(struct lf_watch *watch);
void lf_watch_close(struct lf_watch *watch);
/* From now on, what happens to the file is noticed.  Once is enough.  Never fails: without inotify it is
 * looked at by the clock alone. */
void lf_watch_start(struct lf_watch *watch, const struct lf_file *file);
/* Sleeps until something has happened since lf_watch_drain, it is time for a look, or the deadline has
 * passed, which gives -ETIMEDOUT; may return early. */
int lf_watch_sleep(struct lf_watch *watch, const struct timespec *deadline);
/* What has happened so far has been noticed: the caller looks afterwards. */
void lf_watch_drain(struct lf_watch *watch);
/* A descriptor that is readable now, and from when something has happened, or it is time for a look, until
 * lf_watch_drain.  follow_fd: -1, or lf_follow_fd, which tells of news until lf_watch_start.  -errno. */
int lf_watch_fd(struct lf_watch *watch, int follow_fd);

#endif /* LF_WATCH_H */
