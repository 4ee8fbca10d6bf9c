/* SPDX-License-Identifier: MIT */
/* What a simulated library is given for a system: redirect.h puts it in its place. */
#ifndef SCALE_SYSTEM_H
#define SCALE_SYSTEM_H

#include "access.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Threads. */
int system_thread_create(pthread_t *thread, const pthread_attr_t *attributes,
                         void *(*entry)(void *), void *arg);
int system_thread_join(pthread_t thread, void **result);

/* A mutex as glibc has it: a word that is 0, 1, or 2 while others may sleep, without spinning.  A condition
 * variable: two words on one line, which its waiters and wakers change, and one more for the sleep. */
int system_mutex_init(pthread_mutex_t *mutex, const char *name);
int system_mutex_lock(pthread_mutex_t *mutex);
int system_mutex_trylock(pthread_mutex_t *mutex);
int system_mutex_unlock(pthread_mutex_t *mutex);
int system_cond_init(pthread_cond_t *cond);
int system_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int system_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                          const struct timespec *deadline);
int system_cond_broadcast(pthread_cond_t *cond);
int system_cond_signal(pthread_cond_t *cond);

/* Time and sleep. */
long system_syscall(long number, ...);
int system_clock_gettime(clockid_t clock, struct timespec *time);
int system_clock_nanosleep(clockid_t clock, int flags, const struct timespec *time,
                           struct timespec *left);
int system_yield(void);
int system_prctl(int option, ...); /* the slack of timers */
int system_getcpu(void);
long system_sysconf(int name);

/* Memory. */
void *system_malloc(size_t bytes);
void *system_calloc(size_t count, size_t bytes);
void *system_realloc(void *memory, size_t bytes);
void system_free(void *memory);
void *system_aligned_alloc(size_t alignment, size_t bytes);
int system_posix_memalign(void **memory, size_t alignment, size_t bytes);
void *system_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset);
void *system_memcpy(void *to, const void *from, size_t bytes);
void *system_memset(void *to, int byte, size_t bytes);

/* What a simulation does without: names, signals, cancellation, and giving memory back. */
static inline int system_thread_name(pthread_t thread, const char *name)
{
    (void)thread, (void)name;
    return 0;
}
static inline int system_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    (void)how, (void)set, (void)old;
    return 0;
}
static inline int system_cancel_state(int state, int *old)
{
    (void)state, (void)old;
    return 0;
}
static inline int system_mutex_destroy(pthread_mutex_t *mutex)
{
    (void)mutex;
    return 0;
}
static inline int system_cond_destroy(pthread_cond_t *cond)
{
    (void)cond;
    return 0;
}
static inline int system_munmap(void *memory, size_t bytes)
{
    (void)memory, (void)bytes;
    return 0;
}
static inline int system_madvise(void *memory, size_t bytes, int advice)
{
    (void)memory, (void)bytes, (void)advice;
    return 0;
}

/* Chance. */
ssize_t system_getrandom(void *bytes, size_t count, unsigned flags);

/* ---- For the simulator itself ---- */

/* The thread that runs sleeps so long, as in a system call that waits for a device. */
void system_sleep_ps(uint64_t ps);
void system_sleep_until_ps(uint64_t time_ps);

/* What would be if one that wakes many woke so many of them, and each of these its part of the others; 0: it
 * wakes all itself, as the library does. */
extern unsigned system_fanout;
/* How many calls there were of the kernel. */
extern uint64_t system_calls;

/* The locks that were made, by the expression that stood for them in the source. */
struct system_lock {
    const void *at;
    const char *name;
};
const struct system_lock *system_locks(unsigned *count);

#endif /* SCALE_SYSTEM_H */
