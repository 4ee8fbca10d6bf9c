/* SPDX-License-Identifier: MIT */
#include "system.h"

#include "format/checksum.h"
#include "lines.h"
#include "memory.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>

enum {
    HEAP_ALIGN = 16,
    LOCKS_MAX = 256,
    FUTEX_BUCKETS = 256 /* the kernel's, each a lock on a line of its own */
};

#define S_NS UINT64_C(1000000000)

static struct system_lock locks[LOCKS_MAX];
static unsigned lock_count;

uint64_t system_calls;

static uint64_t ps_of(const struct timespec *time)
{
    return time == NULL ? UINT64_MAX
                        : ((uint64_t)time->tv_sec * S_NS + (uint64_t)time->tv_nsec) * PS_PER_NS;
}

/* ---- Threads ---- */

int system_thread_create(pthread_t *thread, const pthread_attr_t *attributes,
                         void *(*entry)(void *), void *arg)
{
    (void)attributes;
    *thread = (pthread_t)thread_create(entry, arg);
    return 0;
}

int system_thread_join(pthread_t thread, void **result)
{
    void *value = thread_join((struct thread *)thread);

    if (result != NULL)
        *result = value;
    return 0;
}

/* ---- The kernel: sleeping and waking ----------------------------------------------------------
 *
 * Both sides take the lock of the futex's bucket, which is a line as any other.  A sleeper is off its
 * processor sleep_ns later.  Under the lock a waker chooses whom it wakes, and no deadline of theirs counts
 * any more; it pays for each of them, and wakes the next one after that.
 */

static void enter_bucket(const void *word)
{
    static struct line *buckets[FUTEX_BUCKETS];
    struct line **bucket = &buckets[((uintptr_t)word >> 2) % FUTEX_BUCKETS];

    system_calls++;
    cpu_spend(CPU_KERNEL, costs.syscall_ns);
    cpu_sync();
    line_await_stores();
    if (*bucket == NULL)
        *bucket = line_new();
    line_await(*bucket, true);
}

unsigned system_fanout;

/* The first `count` of a list, by `next`, which are taken off it. */
static struct thread *cut(struct thread **list, unsigned count)
{
    struct thread *first = *list;
    struct thread *last = first;

    if (count == 0)
        return NULL;
    for (unsigned i = 1; i < count; i++)
        last = last->next;
    *list = last->next;
    last->next = NULL;
    return first;
}

/* Wakes them; those beyond the fan-out are woken by the first ones, an equal part by each. */
static void wake_chosen(struct thread *chosen, unsigned count)
{
    unsigned direct = system_fanout > 0 && count > system_fanout ? system_fanout : count;
    struct thread *first = cut(&chosen, direct); /* and the others are left in `chosen` */

    for (unsigned i = 0; i < direct; i++) {
        struct thread *thread = cut(&first, 1);
        thread->to_wake = cut(&chosen, (count - direct + i) / direct);
        bool interrupts = thread_wake(thread);
        cpu_spend(CPU_KERNEL, interrupts ? costs.wake_idle_ns : costs.wake_busy_ns);
        cpu_sync();
    }
}

static unsigned count_chosen(const struct thread *chosen)
{
    unsigned count = 0;

    for (; chosen != NULL; chosen = chosen->next)
        count++;
    return count;
}

/* Those that are woken may take the waker's processor, but not before its call is over. */
static void wake_in_kernel(struct thread *chosen, unsigned count, uint64_t call_ps)
{
    thread_self->keeps_cpu = true;
    cpu_spend(CPU_KERNEL, call_ps);
    cpu_sync();
    wake_chosen(chosen, count);
    thread_self->keeps_cpu = false;
    cpu_sync();
}

/* When a sleep with a deadline ends: it may be so late that others end with it. */
static uint64_t timer_ps(uint64_t deadline_ps)
{
    uint64_t late_ps = thread_self->slack_ps + costs.timer_ns;

    return deadline_ps < UINT64_MAX - late_ps ? deadline_ps + late_ps : UINT64_MAX;
}

static long futex_wait(const uint32_t *word, uint32_t value, const struct timespec *deadline)
{
    enter_bucket(word);
    line_await(memory_line(word), false);
    if (*(const volatile uint32_t *)word != value) {
        errno = EAGAIN;
        return -1;
    }
    if (ps_of(deadline) <= cpu_self->now_ps) {
        errno = ETIMEDOUT;
        return -1;
    }
    memory_note_waiter(word);
    cpu_spend(CPU_KERNEL, costs.sleep_ns + (deadline != NULL ? costs.timer_arm_ns : 0));
    bool timed_out = thread_block(timer_ps(ps_of(deadline)));
    struct thread *chosen = thread_self->to_wake;
    thread_self->to_wake = NULL;
    if (chosen != NULL) {
        wake_in_kernel(chosen, count_chosen(chosen), costs.syscall_ns + costs.wake_ns);
    }
    errno = ETIMEDOUT;
    return timed_out ? -1 : 0;
}

static long futex_wake(const uint32_t *word, uint32_t count)
{
    enter_bucket(word);
    struct thread *chosen = memory_take_waiters(word, count);
    unsigned woken = count_chosen(chosen);

    wake_in_kernel(chosen, woken, costs.wake_ns);
    return woken;
}

int system_prctl(int option, ...)
{
    va_list arguments;

    if (option == PR_GET_TIMERSLACK)
        return (int)(thread_self->slack_ps / PS_PER_NS);
    if (option != PR_SET_TIMERSLACK)
        return 0;
    va_start(arguments, option);
    unsigned long ns = (unsigned long)va_arg(arguments, int);
    va_end(arguments);
    thread_self->slack_ps = ns > 0 ? ns * PS_PER_NS : costs.timer_slack_ns;
    return 0;
}

void system_sleep_until_ps(uint64_t time_ps)
{
    system_calls++;
    cpu_spend(CPU_KERNEL, costs.syscall_ns);
    cpu_sync();
    line_await_stores();
    if (time_ps > cpu_self->now_ps)
        thread_block(time_ps);
}

void system_sleep_ps(uint64_t ps)
{
    system_sleep_until_ps(cpu_self->now_ps + ps);
}

int system_clock_nanosleep(clockid_t clock, int flags, const struct timespec *time,
                           struct timespec *left)
{
    (void)clock, (void)left;
    uint64_t until_ps = ps_of(time) + (flags & TIMER_ABSTIME ? 0 : cpu_self->now_ps);
    cpu_spend(CPU_KERNEL, costs.timer_arm_ns);
    system_sleep_until_ps(timer_ps(until_ps));
    return 0;
}

long system_syscall(long number, ...)
{
    va_list arguments;
    long result = -1;

    va_start(arguments, number);
    if (number == SYS_futex) {
        const uint32_t *word = va_arg(arguments, const uint32_t *);
        int operation = va_arg(arguments, int);
        uint32_t value = va_arg(arguments, uint32_t);
        const struct timespec *deadline = va_arg(arguments, const struct timespec *);
        result = (operation & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET
                     ? futex_wait(word, value, deadline)
                     : futex_wake(word, value);
    } else if (number == SYS_clock_nanosleep) {
        clockid_t clock = va_arg(arguments, clockid_t);
        int flags = va_arg(arguments, int);
        const struct timespec *time = va_arg(arguments, const struct timespec *);
        result = system_clock_nanosleep(clock, flags, time, NULL);
    } else {
        memory_die("a system call that is not simulated");
    }
    va_end(arguments);
    return result;
}

int system_yield(void)
{
    system_calls++;
    cpu_spend(CPU_SPIN, costs.yield_ns);
    cpu_sync();
    line_await_stores();
    thread_yield();
    return 0;
}

int system_clock_gettime(clockid_t clock, struct timespec *time)
{
    (void)clock;
    cpu_spend(CPU_WORK, costs.clock_ns);
    uint64_t ns = cpu_self->now_ps / PS_PER_NS;
    *time = (struct timespec){(time_t)(ns / S_NS), (long)(ns % S_NS)};
    return 0;
}

int system_getcpu(void)
{
    cpu_spend(CPU_WORK, costs.getcpu_ns);
    return (int)cpu_number(cpu_self);
}

long system_sysconf(int name)
{
    return name == _SC_NPROCESSORS_ONLN ? (long)cpu_count : sysconf(name);
}

/* ---- Locks -------------------------------------------------------------------------------------- */

struct mutex {
    uint32_t word;
};

int system_mutex_init(pthread_mutex_t *mutex, const char *name)
{
    memset(mutex, 0, sizeof *mutex);
    if (lock_count < LOCKS_MAX)
        locks[lock_count++] = (struct system_lock){mutex, name};
    return 0;
}

const struct system_lock *system_locks(unsigned *count)
{
    *count = lock_count;
    return locks;
}

int system_mutex_lock(pthread_mutex_t *memory)
{
    uint32_t *word = &((struct mutex *)(void *)memory)->word;

    if (scale_cas(word, 32, 0, 1))
        return 0;
    while (scale_swap(word, 32, 2) != 0)
        futex_wait(word, 2, NULL);
    return 0;
}

int system_mutex_trylock(pthread_mutex_t *memory)
{
    return scale_cas(&((struct mutex *)(void *)memory)->word, 32, 0, 1) ? 0 : EBUSY;
}

int system_mutex_unlock(pthread_mutex_t *memory)
{
    uint32_t *word = &((struct mutex *)(void *)memory)->word;

    if (scale_swap(word, 32, 0) == 2)
        futex_wake(word, 1);
    return 0;
}

struct cond {
    uint32_t waiters, turn;
};

int system_cond_init(pthread_cond_t *memory)
{
    memset(memory, 0, sizeof *memory);
    return 0;
}

int system_cond_timedwait(pthread_cond_t *memory, pthread_mutex_t *mutex,
                          const struct timespec *deadline)
{
    struct cond *cond = (void *)memory;
    uint32_t turn;
    long result;

    scale_add(&cond->waiters, 32, 1);
    turn = (uint32_t)scale_load(&cond->turn, 32);
    system_mutex_unlock(mutex);
    result = futex_wait(&cond->turn, turn, deadline);
    bool timed_out = result != 0 && errno == ETIMEDOUT;
    scale_add(&cond->waiters, 32, UINT64_MAX);
    system_mutex_lock(mutex);
    return timed_out ? ETIMEDOUT : 0;
}

int system_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    return system_cond_timedwait(cond, mutex, NULL);
}

static int wake_cond(pthread_cond_t *memory, uint32_t count)
{
    struct cond *cond = (void *)memory;

    if (scale_load(&cond->waiters, 32) == 0)
        return 0;
    scale_add(&cond->turn, 32, 1);
    futex_wake(&cond->turn, count);
    return 0;
}

int system_cond_broadcast(pthread_cond_t *cond)
{
    return wake_cond(cond, INT_MAX);
}

int system_cond_signal(pthread_cond_t *cond)
{
    return wake_cond(cond, 1);
}

/* ---- Memory ------------------------------------------------------------------------------------- */

/* What is allocated has its size before it, and lines of its own: neighbours of chance would make results
 * depend on where memory lies. */
void *system_aligned_alloc(size_t alignment, size_t bytes)
{
    size_t align = alignment < 64 ? 64 : alignment;
    uint8_t *memory = memory_take(align + bytes, align);

    memcpy(memory + align - HEAP_ALIGN, &bytes, sizeof bytes);
    return memory + align;
}

void *system_malloc(size_t bytes)
{
    return system_aligned_alloc(HEAP_ALIGN, bytes);
}

void *system_calloc(size_t count, size_t bytes)
{
    return system_malloc(count * bytes);
}

void *system_realloc(void *memory, size_t bytes)
{
    void *larger = system_malloc(bytes);
    size_t before = 0;

    if (memory != NULL)
        memcpy(&before, (uint8_t *)memory - HEAP_ALIGN, sizeof before);
    if (before > 0)
        memcpy(larger, memory, before < bytes ? before : bytes);
    return larger;
}

/* A simulation ends before its memory does. */
void system_free(void *memory)
{
    if (memory != NULL && !memory_has(memory))
        free(memory);
}

int system_posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    *memory = system_aligned_alloc(alignment, bytes);
    return 0;
}

void *system_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    (void)address, (void)protection, (void)flags, (void)fd, (void)offset;
    return memory_take(bytes, 4096);
}

void *system_memcpy(void *to, const void *from, size_t bytes)
{
    memory_copy(to, bytes, true);
    return memcpy(to, from, bytes);
}

void *system_memset(void *to, int byte, size_t bytes)
{
    memory_copy(to, bytes, true);
    return memset(to, byte, bytes);
}

static void charge_checksum(size_t bytes)
{
    if (cpu_self != NULL)
        cpu_spend(CPU_WORK, bytes * costs.checksum_kib_ns / 1024);
}

/* format/checksum.h declares them, under the names that redirect.h replaces. */
uint32_t system_crc32c(uint32_t crc, const void *data, size_t bytes);
uint32_t system_crc32c_20(uint32_t crc, uint64_t a, uint64_t b, uint32_t c);

uint32_t system_crc32c(uint32_t crc, const void *data, size_t bytes)
{
    charge_checksum(bytes);
    return lf_crc32c_instructions(crc, data, bytes);
}

uint32_t system_crc32c_20(uint32_t crc, uint64_t a, uint64_t b, uint32_t c)
{
    charge_checksum(20);
    return lf_crc32c_20(crc, a, b, c);
}

/* ---- Chance ------------------------------------------------------------------------------------- */

ssize_t system_getrandom(void *bytes, size_t count, unsigned flags)
{
    (void)flags;
    memset(bytes, 0x5a, count);
    return (ssize_t)count;
}
