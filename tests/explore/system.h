/* SPDX-License-Identifier: MIT */
/* What an explored library is given for a system: redirect.h puts it in its place. */
#ifndef SYSTEM_H
#define SYSTEM_H

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Threads. */
int explore_thread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*entry)(void *), void *arg);
int explore_thread_join(pthread_t thread, void **result);
pthread_t explore_thread_self(void);
int explore_thread_name(pthread_t thread, const char *name);

/* Locks. */
int explore_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int explore_mutex_destroy(pthread_mutex_t *mutex);
int explore_mutex_lock(pthread_mutex_t *mutex);
int explore_mutex_trylock(pthread_mutex_t *mutex);
int explore_mutex_unlock(pthread_mutex_t *mutex);
int explore_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attributes);
int explore_cond_destroy(pthread_cond_t *cond);
int explore_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int explore_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                           const struct timespec *deadline);
int explore_cond_broadcast(pthread_cond_t *cond);
int explore_cond_signal(pthread_cond_t *cond);

/* Concurrency Kit's locks spin without asking anybody: here they are one more mutex. */
void explore_spin_lock(void *lock);
void explore_spin_unlock(void *lock);

/* Time and sleep. */
long explore_syscall(long number, ...);
int explore_clock_gettime(clockid_t clock, struct timespec *time);
int explore_yield(void);
int explore_getcpu(void);

/* Event descriptors; and what an event loop does with one: sleeps until it is readable. */
int explore_eventfd(unsigned count, int flags);
int explore_eventfd_read(int fd, uint64_t *count);
int explore_eventfd_write(int fd, uint64_t count);
void explore_poll(int fd);
/* At the begin of an execution: there are none. */
void explore_eventfd_clear(void);

/* Memory. */
void *explore_malloc(size_t bytes);
void *explore_calloc(size_t count, size_t bytes);
void *explore_aligned_alloc(size_t alignment, size_t bytes);
int explore_posix_memalign(void **memory, size_t alignment, size_t bytes);
__attribute__((format(printf, 2, 3))) int explore_asprintf(char **text, const char *format, ...);
char *explore_strndup(const char *text, size_t bytes);
void explore_free(void *memory);
void *explore_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset);
int explore_munmap(void *memory, size_t bytes);
int explore_madvise(void *memory, size_t bytes, int advice);
void *explore_memcpy(void *to, const void *from, size_t bytes);

/* Chance, and the end. */
ssize_t explore_getrandom(void *bytes, size_t count, unsigned flags);
__attribute__((noreturn)) void explore_abort(void);

#endif /* SYSTEM_H */
