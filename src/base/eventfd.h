/* SPDX-License-Identifier: MIT */
/* Event descriptors (eventfd(2)). */
#ifndef LF_EVENTFD_H
#define LF_EVENTFD_H

#include <pthread.h>
#include <sys/eventfd.h>

/* Makes it readable.  No cancellation point: who is told to write must, or the event is lost.  What
 * becomes of the call does not matter: a descriptor with a full counter is readable. */
static inline void lf_eventfd_signal(int fd)
{
    int cancel_state;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    eventfd_write(fd, 1);
    pthread_setcancelstate(cancel_state, NULL);
}

#endif /* LF_EVENTFD_H */
