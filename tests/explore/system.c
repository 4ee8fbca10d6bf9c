/* SPDX-License-Identifier: MIT */
#include "system.h"

#include "arena.h"
#include "memory.h"
#include "scheduler.h"
#include "trace.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    MAP_ALIGN = 4096,
    MALLOC_ALIGN = 16
};

#define S_NS UINT64_C(1000000000)

static uint64_t ns_of(const struct timespec *time)
{
    return time == NULL ? NO_DEADLINE : (uint64_t)time->tv_sec * S_NS + (uint64_t)time->tv_nsec;
}

/* ---- Threads ---- */

int explore_thread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*entry)(void *), void *arg)
{
    static const char *const names[] = {"log-thread", "log-thread-2", "log-thread-3"};
    const unsigned count = scheduler_count();

    (void)attributes;
    *thread = scheduler_create(names[count < 2 ? count : 2], entry, arg);
    return 0;
}

pthread_t explore_thread_self(void)
{
    return scheduler_self();
}

int explore_thread_join(pthread_t thread, void **result)
{
    (void)result;
    scheduler_join((unsigned)thread);
    memory_join((unsigned)thread);
    return 0;
}

int explore_thread_name(pthread_t thread, const char *name)
{
    (void)thread, (void)name;
    return 0;
}

/* ---- Locks ---- */

/* What a lock is here, in the memory of whatever it is there. */
struct lock {
    uint32_t owner; /* number of a fibre and 1; 0: free */
};

static void take_lock(void *memory)
{
    struct lock *lock = memory;

    if (is_exploring)
        scheduler_point();
    while (is_exploring && lock->owner != 0)
        scheduler_block(lock, NO_DEADLINE, false);
    lock->owner = scheduler_self() + 1;
    if (!is_exploring)
        return;
    memory_acquire(memory);
    trace("lock  %s", trace_name(memory));
}

static void give_lock(void *memory)
{
    struct lock *lock = memory;

    if (is_exploring && lock->owner != scheduler_self() + 1)
        scheduler_fail("%s is unlocked by who does not hold it", trace_name(memory));
    lock->owner = 0;
    if (!is_exploring)
        return;
    memory_release(memory);
    trace("unlock %s", trace_name(memory));
    scheduler_wake(lock, 1);
}

int explore_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
    (void)attributes;
    memset(mutex, 0, sizeof *mutex);
    return 0;
}

int explore_mutex_destroy(pthread_mutex_t *mutex)
{
    if (((struct lock *)(void *)mutex)->owner != 0)
        scheduler_fail("%s is destroyed while it is locked", trace_name(mutex));
    return 0;
}

int explore_mutex_lock(pthread_mutex_t *mutex)
{
    take_lock(mutex);
    return 0;
}

int explore_mutex_trylock(pthread_mutex_t *mutex)
{
    const struct lock *lock = (const void *)mutex;

    if (is_exploring)
        scheduler_point();
    if (lock->owner != 0)
        return EBUSY;
    take_lock(mutex);
    return 0;
}

int explore_mutex_unlock(pthread_mutex_t *mutex)
{
    give_lock(mutex);
    return 0;
}

void explore_spin_lock(void *lock)
{
    take_lock(lock);
}

void explore_spin_unlock(void *lock)
{
    give_lock(lock);
}

int explore_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attributes)
{
    (void)attributes;
    memset(cond, 0, sizeof *cond);
    return 0;
}

int explore_cond_destroy(pthread_cond_t *cond)
{
    (void)cond;
    return 0;
}

int explore_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                           const struct timespec *deadline)
{
    bool timed_out;

    give_lock(mutex);
    trace("waits for %s", trace_name(cond));
    timed_out = scheduler_block(cond, ns_of(deadline), false);
    take_lock(mutex);
    return timed_out ? ETIMEDOUT : 0;
}

int explore_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    return explore_cond_timedwait(cond, mutex, NULL);
}

static int wake_cond(pthread_cond_t *cond, unsigned count)
{
    if (!is_exploring)
        return 0;
    scheduler_point();
    unsigned woken = scheduler_wake(cond, count);
    trace("wakes %u at %s", woken, trace_name(cond));
    return 0;
}

int explore_cond_broadcast(pthread_cond_t *cond)
{
    return wake_cond(cond, FIBRES_MAX);
}

int explore_cond_signal(pthread_cond_t *cond)
{
    return wake_cond(cond, 1);
}

/* ---- Time and sleep ---- */

/* The kernel compares under a lock that the waker takes too; its entry is a fence on both sides. */
static long futex_wait(const uint32_t *word, uint32_t value, const struct timespec *deadline)
{
    scheduler_point();
    memory_fence();
    if (*(const volatile uint32_t *)word != value) {
        errno = EAGAIN;
        return -1;
    }
    trace("sleeps at %s", trace_name(word));
    bool timed_out = scheduler_block(word, ns_of(deadline), false);
    memory_fence();
    trace("%s at %s", timed_out ? "time is up" : "woken", trace_name(word));
    errno = ETIMEDOUT;
    return timed_out ? -1 : 0;
}

static long futex_wake(const uint32_t *word, uint32_t count)
{
    scheduler_point();
    memory_fence();
    unsigned woken = scheduler_wake(word, count);
    trace("wakes %u at %s", woken, trace_name(word));
    return woken;
}

static long futex(va_list arguments)
{
    const uint32_t *word = va_arg(arguments, const uint32_t *);
    int operation = va_arg(arguments, int);
    uint32_t value = va_arg(arguments, uint32_t);
    const struct timespec *deadline = va_arg(arguments, const struct timespec *);

    if (!is_exploring)
        return 0;
    if ((operation & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET)
        return futex_wait(word, value, deadline);
    return futex_wake(word, value);
}

static long nap(va_list arguments)
{
    (void)va_arg(arguments, clockid_t);
    (void)va_arg(arguments, int);
    const struct timespec *time = va_arg(arguments, const struct timespec *);

    if (is_exploring)
        scheduler_block(time, scheduler_now_ns() + ns_of(time), false);
    return 0;
}

long explore_syscall(long number, ...)
{
    va_list arguments;
    long result = -1;

    va_start(arguments, number);
    if (number == SYS_futex)
        result = futex(arguments);
    else if (number == SYS_clock_nanosleep)
        result = nap(arguments);
    else
        scheduler_fail("system call %ld is not known here", number);
    va_end(arguments);
    return result;
}

/* ---- Event descriptors ---- */

enum {
    EVENT_FDS_MAX = 4,
    EVENT_FD_FIRST = 1000000 /* no file's */
};

static uint64_t event_counts[EVENT_FDS_MAX];
static int event_fd_count;

void explore_eventfd_clear(void)
{
    event_fd_count = 0;
}

int explore_eventfd(unsigned count, int flags)
{
    (void)flags;
    if (event_fd_count == EVENT_FDS_MAX) {
        errno = EMFILE;
        return -1;
    }
    event_counts[event_fd_count] = count;
    return EVENT_FD_FIRST + event_fd_count++;
}

/* The kernel's lock around the counter is a fence on both sides.  NULL: there is no such descriptor. */
static uint64_t *touch_event(int fd)
{
    if (is_exploring) {
        scheduler_point();
        memory_fence();
    }
    if (fd < EVENT_FD_FIRST || fd >= EVENT_FD_FIRST + event_fd_count)
        return NULL;
    return &event_counts[fd - EVENT_FD_FIRST];
}

int explore_eventfd_read(int fd, uint64_t *count)
{
    uint64_t *counter = touch_event(fd);

    if (counter == NULL)
        return -1;
    *count = *counter;
    *counter = 0;
    trace("reads %lu from an event descriptor", *count);
    return *count != 0 ? 0 : -1;
}

int explore_eventfd_write(int fd, uint64_t count)
{
    uint64_t *counter = touch_event(fd);

    if (counter == NULL)
        return -1;
    *counter += count;
    trace("writes to an event descriptor");
    if (is_exploring)
        scheduler_wake(counter, FIBRES_MAX);
    return 0;
}

void explore_poll(int fd)
{
    const uint64_t *counter = touch_event(fd);

    while (is_exploring && counter != NULL && *counter == 0) {
        trace("polls an event descriptor");
        scheduler_block(counter, NO_DEADLINE, false);
    }
}

int explore_clock_gettime(clockid_t clock, struct timespec *time)
{
    uint64_t ns = scheduler_now_ns();

    (void)clock;
    *time = (struct timespec){(time_t)(ns / S_NS), (long)(ns % S_NS)};
    return 0;
}

int explore_yield(void)
{
    if (is_exploring)
        scheduler_yield();
    return 0;
}

int explore_getcpu(void)
{
    return (int)scheduler_self();
}

/* ---- Memory ---- */

void *explore_malloc(size_t bytes)
{
    return arena_take(bytes, MALLOC_ALIGN);
}

void *explore_calloc(size_t count, size_t bytes)
{
    return arena_take(count * bytes, MALLOC_ALIGN);
}

void *explore_aligned_alloc(size_t alignment, size_t bytes)
{
    return arena_take(bytes, alignment);
}

int explore_posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    *memory = arena_take(bytes, alignment);
    return 0;
}

int explore_asprintf(char **text, const char *format, ...)
{
    va_list arguments;
    char buffer[4096];

    va_start(arguments, format);
    int length = vsnprintf(buffer, sizeof buffer, format, arguments);
    va_end(arguments);
    *text = arena_take((size_t)length + 1, 1);
    memcpy(*text, buffer, (size_t)length + 1);
    return length;
}

char *explore_strndup(const char *text, size_t bytes)
{
    size_t length = strnlen(text, bytes);

    return memcpy(arena_take(length + 1, 1), text, length); /* the arena is zeroed */
}

/* What is freed within an execution comes back with the next one. */
void explore_free(void *memory)
{
    (void)memory;
}

void *explore_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    (void)address, (void)protection, (void)flags, (void)fd, (void)offset;
    return arena_take(bytes, MAP_ALIGN);
}

int explore_munmap(void *memory, size_t bytes)
{
    (void)memory, (void)bytes;
    return 0;
}

int explore_madvise(void *memory, size_t bytes, int advice)
{
    (void)memory, (void)bytes, (void)advice;
    return 0;
}

/* Copies into the ring are watched, and somebody else may run before each of them. */
void *explore_memcpy(void *to, const void *from, size_t bytes)
{
    if (is_exploring && memory_is_watched(to)) {
        scheduler_point();
        memory_touch(to, bytes, "copy");
    }
    return memcpy(to, from, bytes);
}

/* ---- Chance, and the end ---- */

ssize_t explore_getrandom(void *bytes, size_t count, unsigned flags)
{
    (void)flags;
    memset(bytes, 0x5a, count);
    return (ssize_t)count;
}

void explore_abort(void)
{
    scheduler_fail("the library has aborted");
    abort(); /* while nothing is explored */
}
