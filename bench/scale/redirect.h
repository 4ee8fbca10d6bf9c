/* SPDX-License-Identifier: MIT */
/*
 * Forced into each file that is simulated, before everything else: what it would ask the system for, it
 * asks system.h for.  Concurrency Kit's locks stay as they are, over charged operations.
 */
#ifndef SCALE_REDIRECT_H
#define SCALE_REDIRECT_H

#include "system.h"

/* Before their names become macros. */
#include <ck_backoff.h>
#include <ck_elide.h>
#include <sys/prctl.h>

/* The operations of Concurrency Kit that its ticket and MCS locks use, whatever the width of their words. */
#undef ck_pr_stall
#undef ck_pr_load_32
#undef ck_pr_load_64
#undef ck_pr_load_uint
#undef ck_pr_load_ptr
#undef ck_pr_store_uint
#undef ck_pr_store_ptr
#define SCALE_BITS(p) (8 * (unsigned)sizeof *(p))
#define ck_pr_stall() scale_stall()
#define ck_pr_load_32(p) ((uint32_t)scale_load(p, 32))
#define ck_pr_load_64(p) ((uint64_t)scale_load(p, 64))
#define ck_pr_load_uint(p) ((unsigned)scale_load(p, SCALE_BITS(p)))
#define ck_pr_load_ptr(p) ((void *)(uintptr_t)scale_load(p, SCALE_BITS(p)))
#define ck_pr_store_uint(p, value) scale_store(p, SCALE_BITS(p), (unsigned)(value))
#define ck_pr_store_ptr(p, value) scale_store(p, SCALE_BITS(p), (uint64_t)(uintptr_t)(value))
#define ck_pr_faa_32(p, n) ((uint32_t)scale_add(p, 32, n))
#define ck_pr_faa_64(p, n) ((uint64_t)scale_add(p, 64, n))
#define ck_pr_faa_uint(p, n) ((unsigned)scale_add(p, SCALE_BITS(p), n))
#define ck_pr_inc_16(p) ((void)scale_add(p, 16, 1))
#define ck_pr_inc_32(p) ((void)scale_add(p, 32, 1))
#define ck_pr_fas_ptr(p, value)                                                                    \
    ((void *)(uintptr_t)scale_swap(p, SCALE_BITS(p), (uint64_t)(uintptr_t)(value)))
#define ck_pr_cas_ptr(p, expected, value)                                                          \
    scale_cas(p, SCALE_BITS(p), (uint64_t)(uintptr_t)(expected), (uint64_t)(uintptr_t)(value))
#define ck_pr_cas_32(p, expected, value) scale_cas(p, 32, expected, value)
#include <spinlock/mcs.h>
#include <spinlock/ticket.h>

#define pthread_create system_thread_create
#define pthread_join system_thread_join
#define pthread_self() ((pthread_t)0)
#define pthread_setname_np system_thread_name
#define pthread_sigmask system_sigmask
#define pthread_setcancelstate system_cancel_state
#define pthread_mutex_init(mutex, attributes) system_mutex_init(mutex, #mutex)
#define pthread_mutex_destroy system_mutex_destroy
#define pthread_mutex_lock system_mutex_lock
#define pthread_mutex_trylock system_mutex_trylock
#define pthread_mutex_unlock system_mutex_unlock
#define pthread_cond_init(cond, attributes) system_cond_init(cond)
#define pthread_cond_destroy system_cond_destroy
#define pthread_cond_wait system_cond_wait
#define pthread_cond_timedwait system_cond_timedwait
#define pthread_cond_broadcast system_cond_broadcast
#define pthread_cond_signal system_cond_signal
#define syscall system_syscall
#define clock_gettime system_clock_gettime
#define clock_nanosleep system_clock_nanosleep
#define prctl system_prctl
#define sched_yield system_yield
#define sched_getcpu system_getcpu
#define sysconf system_sysconf
#define malloc system_malloc
#define calloc system_calloc
#define realloc system_realloc
#define free system_free
#define aligned_alloc system_aligned_alloc
#define posix_memalign system_posix_memalign
#define mmap system_mmap
#define munmap system_munmap
#define madvise system_madvise
#define getrandom system_getrandom
#undef memcpy
#define memcpy system_memcpy
#undef memset
#define memset system_memset
/* Of the checksum the time is charged; its own loads are not. */
#define lf_crc32c_instructions system_crc32c
#define lf_crc32c_20 system_crc32c_20

#endif /* SCALE_REDIRECT_H */
