/* SPDX-License-Identifier: MIT */
#include "read/watch.h"

#include "base/num.h"
#include "base/waiter.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* IN_ATTRIB: a name was removed.  IN_CLOSE_WRITE: the writer has gone. */
#define EVENTS_OF_FILE (IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_DELETE_SELF)
/* The same of all that is in it, and which files those are. */
#define EVENTS_OF_DIRECTORY (EVENTS_OF_FILE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void lf_watch_init(struct lf_watch *watch)
{
    *watch = (struct lf_watch){.notify = -1, .timer = -1, .epoll = -1};
}

void lf_watch_close(struct lf_watch *watch)
{
    close_one(&watch->epoll);
    close_one(&watch->timer);
    close_one(&watch->notify);
    watch->is_started = false;
}

static int add(const struct lf_watch *watch, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};

    return epoll_ctl(watch->epoll, EPOLL_CTL_ADD, fd, &event) == 0 || errno == EEXIST ? 0 : -errno;
}

/* The descriptor for polling becomes readable by the file's events, and by the clock.  If the one
 * cannot be added, the other is there. */
static void connect_file(const struct lf_watch *watch)
{
    const struct itimerspec looks = {.it_interval = lf_timespec(LF_LOOK_NS),
                                     .it_value = lf_timespec(1)};

    if (watch->notify >= 0)
        (void)add(watch, watch->notify, EPOLLIN);
    (void)timerfd_settime(watch->timer, 0, &looks, NULL);
}

/* Watches what is open, whatever its name is by now.  The descriptors of another table are its own. */
void lf_watch_start(struct lf_watch *watch, const struct lf_file *file)
{
    const bool is_directory = lf_file_is_directory(file);
    const uint32_t events = is_directory ? EVENTS_OF_DIRECTORY : EVENTS_OF_FILE;
    char name[32];

    if (watch->is_started)
        return;
    watch->is_started = true;
    if (file->io == logfile_io_posix()) {
        snprintf(name, sizeof name, "/proc/self/fd/%d", is_directory ? file->directory : file->fd);
        watch->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (watch->notify >= 0 && inotify_add_watch(watch->notify, name, events) < 0)
            close_one(&watch->notify);
    }
    if (watch->epoll >= 0)
        connect_file(watch);
}

int lf_watch_sleep(struct lf_watch *watch, const struct timespec *deadline)
{
    struct pollfd poll_fd = {.fd = watch->notify, .events = POLLIN}; /* -1 is passed over */
    uint64_t ns = LF_LOOK_NS;

    if (deadline != NULL)
        ns = lf_min(ns, lf_may_wait(deadline) ? lf_ns_until(deadline) : 0);
    if (ns == 0)
        return -ETIMEDOUT;
    const struct timespec timeout = lf_timespec(ns);
    /* Waits for the file's next event; at most for LF_LOOK_NS.  A signal is a look more. */
    (void)ppoll(&poll_fd, 1, &timeout, NULL);
    return 0;
}

void lf_watch_drain(struct lf_watch *watch)
{
    _Alignas(struct inotify_event) char notices[4096];
    struct epoll_event events[4];
    uint64_t expirations;

    /* Bounded: a writer may be at work all the time, and a look follows in any case. */
    for (int i = 0; i < 64 && watch->notify >= 0; i++)
        if (read(watch->notify, notices, sizeof notices) <= 0)
            break;
    if (watch->timer >= 0 && read(watch->timer, &expirations, sizeof expirations) < 0)
        expirations = 0;   /* it has not expired */
    if (watch->epoll >= 0) /* What lf_follow_fd has told is over when it has been asked for. */
        (void)epoll_wait(watch->epoll, events, 4, 0);
}

int lf_watch_fd(struct lf_watch *watch, int follow_fd)
{
    const struct itimerspec at_once = {.it_value = lf_timespec(1)};
    int error;

    if (watch->epoll >= 0)
        return watch->epoll;
    watch->epoll = epoll_create1(EPOLL_CLOEXEC);
    error = watch->epoll < 0 ? -errno : 0;
    if (error == 0) {
        watch->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        error = watch->timer < 0 ? -errno : add(watch, watch->timer, EPOLLIN);
    }
    if (error == 0 && follow_fd >= 0)
        error = add(watch, follow_fd, EPOLLIN | EPOLLET);
    if (error != 0) {
        close_one(&watch->timer);
        close_one(&watch->epoll);
        return error;
    }
    /* Readable from the start: what is there already was not told. */
    (void)timerfd_settime(watch->timer, 0, &at_once, NULL);
    if (watch->is_started)
        connect_file(watch);
    return watch->epoll;
}
