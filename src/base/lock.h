/* SPDX-License-Identifier: MIT */
/* A mutex that is held for as long as a call lasts, waits and all, by a thread that may not be
 * cancelled meanwhile: it would take the mutex along. */
#ifndef LF_LOCK_H
#define LF_LOCK_H

#include "base/waiter.h"

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

/* Returns the state that lf_unlock restores. */
static inline int lf_lock(pthread_mutex_t *lock)
{
    int cancel_state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    pthread_mutex_lock(lock);
    return cancel_state;
}
/* The same for a call with a deadline: false if the mutex is taken and the call may not wait. */
static inline bool lf_lock_until(pthread_mutex_t *lock, const struct timespec *deadline,
                                 int *cancel_state)
{
    if (lf_may_wait(deadline)) {
        *cancel_state = lf_lock(lock);
        return true;
    }
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, cancel_state);
    if (pthread_mutex_trylock(lock) == 0)
        return true;
    pthread_setcancelstate(*cancel_state, NULL);
    return false;
}
/* Returns `result`. */
static inline int lf_unlock(pthread_mutex_t *lock, int cancel_state, int result)
{
    pthread_mutex_unlock(lock);
    pthread_setcancelstate(cancel_state, NULL);
    return result;
}

#endif /* LF_LOCK_H */
