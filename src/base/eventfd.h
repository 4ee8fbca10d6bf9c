/* SPDX-License-Identifier: MIT */
/* Event descriptors (eventfd(2)). */
#ifndef LF_EVENTFD_H
#define LF_EVENTFD_H

#include "base/atomic.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* The descriptor that *word names: a number and one; at the first call it is made, with this count.
 * -errno. */
static inline int lf_eventfd_once(uint32_t *word, unsigned count)
{
    uint32_t known = lf_load_relaxed_32(word); /* Relaxed: a number, stored once. */

    if (known != 0)
        return (int)known - 1;
    const int fd = eventfd(count, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    /* W3: the number, before any follower arms it. */
    if (lf_cas_acq_rel_32(word, 0, (uint32_t)fd + 1))
        return fd;
    close(fd);                                /* Another thread was first. */
    return (int)lf_load_relaxed_32(word) - 1; /* Relaxed: the swap has seen it. */
}

/* Makes it readable.  It is no cancellation point: a thread cancelled here would lose the event.  The
 * result does not matter, because a descriptor with a full counter is readable. */
static inline void lf_eventfd_signal(int fd)
{
    int cancel_state;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    eventfd_write(fd, 1);
    pthread_setcancelstate(cancel_state, NULL);
}

#endif /* LF_EVENTFD_H */
