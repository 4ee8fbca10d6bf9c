/* SPDX-License-Identifier: MIT */
#ifndef LF_THREAD_H
#define LF_THREAD_H

#include <pthread.h>

/* Starts a thread of the library with every signal blocked: signals are for the program's own
 * threads.  0 or -errno. */
int lf_thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg);

#endif /* LF_THREAD_H */
