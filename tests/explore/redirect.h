/* SPDX-License-Identifier: MIT */
/*
 * Forced into each file of the library that is explored, before everything else: what it would ask
 * the system for, it asks the scheduler for.  Files need nothing: a log touches them only through its io
 * table.
 */
#ifndef REDIRECT_H
#define REDIRECT_H

#include "system.h"

/* Before their names become macros. */
#include <sys/eventfd.h>
#include <spinlock/mcs.h>
#include <spinlock/ticket.h>

#define pthread_create explore_thread_create
#define pthread_join explore_thread_join
#define pthread_self explore_thread_self
#define pthread_setname_np explore_thread_name
#define pthread_mutex_init explore_mutex_init
#define pthread_mutex_destroy explore_mutex_destroy
#define pthread_mutex_lock explore_mutex_lock
#define pthread_mutex_trylock explore_mutex_trylock
#define pthread_mutex_unlock explore_mutex_unlock
#define pthread_cond_init explore_cond_init
#define pthread_cond_destroy explore_cond_destroy
#define pthread_cond_wait explore_cond_wait
#define pthread_cond_timedwait explore_cond_timedwait
#define pthread_cond_broadcast explore_cond_broadcast
#define pthread_cond_signal explore_cond_signal
#define ck_spinlock_ticket_lock(lock) explore_spin_lock(lock)
#define ck_spinlock_ticket_unlock(lock) explore_spin_unlock(lock)
#define ck_spinlock_mcs_lock(lock, node) ((void)(node), explore_spin_lock(lock))
#define ck_spinlock_mcs_unlock(lock, node) ((void)(node), explore_spin_unlock(lock))
#define syscall explore_syscall
#define clock_gettime explore_clock_gettime
#define sched_yield explore_yield
#define eventfd explore_eventfd
#define eventfd_read explore_eventfd_read
#define eventfd_write explore_eventfd_write
#define sched_getcpu explore_getcpu
#define malloc explore_malloc
#define calloc explore_calloc
#define aligned_alloc explore_aligned_alloc
#define posix_memalign explore_posix_memalign
#undef asprintf
#define asprintf explore_asprintf
#undef strndup
#define strndup explore_strndup
#define free explore_free
#define mmap explore_mmap
#define munmap explore_munmap
#define madvise explore_madvise
#undef memcpy
#define memcpy explore_memcpy
#define getrandom explore_getrandom
#define abort explore_abort

#endif /* REDIRECT_H */
