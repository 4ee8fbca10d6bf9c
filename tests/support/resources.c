/* SPDX-License-Identifier: MIT */
#include "resources.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

/* ---- What the linker makes of the names: the calls, and what they were before ---- */

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
int __real_posix_memalign(void **memory, size_t alignment, size_t bytes);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t bytes);
void __real_free(void *memory);
void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *memory, size_t bytes);
int __real_madvise(void *memory, size_t bytes, int advice);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *run(void *),
                          void *arg);
int __real_pthread_join(pthread_t thread, void **result);
int __real_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int __real_pthread_mutex_destroy(pthread_mutex_t *mutex);
int __real_pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes);
int __real_pthread_cond_destroy(pthread_cond_t *condition);
int __real_pthread_condattr_init(pthread_condattr_t *attributes);
int __real_pthread_condattr_setclock(pthread_condattr_t *attributes, clockid_t clock);
int __real_pthread_condattr_destroy(pthread_condattr_t *attributes);
ssize_t __real_getrandom(void *bytes, size_t size, unsigned flags);
long __real_sysconf(int name);

void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t bytes);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t bytes);
void __wrap_free(void *memory);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *memory, size_t bytes);
int __wrap_madvise(void *memory, size_t bytes, int advice);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *run(void *),
                          void *arg);
int __wrap_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int __wrap_pthread_mutex_destroy(pthread_mutex_t *mutex);
int __wrap_pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes);
int __wrap_pthread_cond_destroy(pthread_cond_t *condition);
int __wrap_pthread_condattr_init(pthread_condattr_t *attributes);
int __wrap_pthread_condattr_setclock(pthread_condattr_t *attributes, clockid_t clock);
int __wrap_pthread_condattr_destroy(pthread_condattr_t *attributes);
ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags);
long __wrap_sysconf(int name);

/* ---- What is known of them ---- */

enum {
    HELD_MAX = 1024
};

/* What is held has an address, or a thread's number; of mappings, parts of which can be given back,
 * only the bytes are counted. */
enum held_kind {
    HELD_NOTHING,
    HELD_MEMORY,
    HELD_THREAD,
    HELD_MUTEX,
    HELD_CONDITION,
    HELD_ATTRIBUTES
};

static const char *const held_names[] = {
    [HELD_NOTHING] = "nothing",       [HELD_MEMORY] = "memory",
    [HELD_THREAD] = "a thread",       [HELD_MUTEX] = "a mutex",
    [HELD_CONDITION] = "a condition", [HELD_ATTRIBUTES] = "attributes of a condition",
};

static const struct {
    const char *name;
    int error; /* what such a call fails with */
} kinds[] = {
    [RESOURCE_MALLOC] = {"malloc", ENOMEM},
    [RESOURCE_CALLOC] = {"calloc", ENOMEM},
    [RESOURCE_REALLOC] = {"realloc", ENOMEM},
    [RESOURCE_ALIGNED_ALLOC] = {"aligned_alloc", ENOMEM},
    [RESOURCE_POSIX_MEMALIGN] = {"posix_memalign", ENOMEM},
    [RESOURCE_STRDUP] = {"strdup", ENOMEM},
    [RESOURCE_STRNDUP] = {"strndup", ENOMEM},
    [RESOURCE_MMAP] = {"mmap", ENOMEM},
    [RESOURCE_HUGE_PAGES] = {"madvise(MADV_HUGEPAGE)", EINVAL},
    [RESOURCE_WIPE_ON_FORK] = {"madvise(MADV_WIPEONFORK)", EINVAL},
    [RESOURCE_THREAD] = {"pthread_create", EAGAIN},
    [RESOURCE_MUTEX] = {"pthread_mutex_init", EAGAIN},
    [RESOURCE_CONDITION] = {"pthread_cond_init", EAGAIN},
    [RESOURCE_ATTRIBUTES] = {"pthread_condattr_init", ENOMEM},
    [RESOURCE_CLOCK] = {"pthread_condattr_setclock", EINVAL},
    [RESOURCE_RANDOM] = {"getrandom", EAGAIN},
    [RESOURCE_PROCESSORS] = {"sysconf", EINVAL},
    [RESOURCE_ANY] = {"any call", 0},
};

static struct {
    pthread_mutex_t lock;
    bool watching; /* what is given back, */
    bool taking;   /* and what is taken, */
    bool failing;  /* or not to be had */
    struct resource_fault fault;
    unsigned calls[RESOURCE_ANY + 1];
    unsigned hits;
    enum resource last_hit;
    int error;
    struct {
        enum held_kind kind;
        uintptr_t what;
    } held[HELD_MAX];
    int64_t mapped_bytes;
    const char *misuse;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool is_hit(enum resource kind)
{
    const struct resource_fault *fault = &state.fault;
    unsigned nth = state.calls[fault->kind] - 1; /* this call is counted */

    if (!state.failing || (fault->kind != kind && fault->kind != RESOURCE_ANY))
        return false;
    return fault->for_ever ? nth >= fault->after : nth == fault->after;
}

static int hit(enum resource kind)
{
    int error = state.fault.error != 0 ? state.fault.error : kinds[kind].error;

    state.hits++;
    state.last_hit = kind;
    state.error = error;
    return error;
}

/* Counts a call; the errno that it is to fail with, or 0. */
static int meet(enum resource kind)
{
    int error = 0;

    pthread_mutex_lock(&state.lock);
    if (state.taking) {
        state.calls[kind]++;
        state.calls[RESOURCE_ANY]++;
        error = is_hit(kind) ? hit(kind) : 0;
    }
    pthread_mutex_unlock(&state.lock);
    return error;
}

/* The place of what is held, or with HELD_NOTHING and 0 a free one; HELD_MAX: none. */
static unsigned find(enum held_kind kind, uintptr_t what)
{
    unsigned at = 0;

    while (at < HELD_MAX && (state.held[at].kind != kind || state.held[at].what != what))
        at++;
    return at;
}

static void take_locked(enum held_kind kind, uintptr_t what)
{
    unsigned at = find(HELD_NOTHING, 0);

    if (find(kind, what) < HELD_MAX)
        state.misuse = held_names[kind];
    if (at == HELD_MAX)
        abort();
    state.held[at].kind = kind;
    state.held[at].what = what;
}

static void take(enum held_kind kind, uintptr_t what)
{
    pthread_mutex_lock(&state.lock);
    if (state.taking && what != 0)
        take_locked(kind, what);
    pthread_mutex_unlock(&state.lock);
}

/* Memory may be from before; of all else only what was made may be destroyed. */
static void give_back(enum held_kind kind, uintptr_t what)
{
    pthread_mutex_lock(&state.lock);
    unsigned at = state.watching ? find(kind, what) : HELD_MAX;
    if (at < HELD_MAX) {
        state.held[at].kind = HELD_NOTHING;
        state.held[at].what = 0;
    } else if (state.watching && kind != HELD_MEMORY) {
        state.misuse = held_names[kind];
    }
    pthread_mutex_unlock(&state.lock);
}

static void map_bytes(int64_t bytes)
{
    pthread_mutex_lock(&state.lock);
    state.mapped_bytes += bytes < 0 ? state.watching * bytes : state.taking * bytes;
    pthread_mutex_unlock(&state.lock);
}

/* ---- For the test ---- */

void resources_watch(const struct resource_fault *fault)
{
    pthread_mutex_lock(&state.lock);
    memset(state.calls, 0, sizeof state.calls);
    memset(state.held, 0, sizeof state.held);
    state.hits = 0;
    state.last_hit = RESOURCE_ANY;
    state.error = 0;
    state.mapped_bytes = 0;
    state.misuse = NULL;
    state.failing = fault != NULL;
    state.fault = fault != NULL ? *fault : (struct resource_fault){0};
    state.watching = true;
    state.taking = true;
    pthread_mutex_unlock(&state.lock);
}

void resources_mend(void)
{
    pthread_mutex_lock(&state.lock);
    state.failing = false;
    state.taking = false;
    pthread_mutex_unlock(&state.lock);
}

void resources_unwatch(void)
{
    pthread_mutex_lock(&state.lock);
    state.watching = false;
    pthread_mutex_unlock(&state.lock);
}

unsigned resources_calls(enum resource kind)
{
    return state.calls[kind];
}

unsigned resources_hits(void)
{
    return state.hits;
}

enum resource resources_last_hit(void)
{
    return state.last_hit;
}

int resources_error(void)
{
    return state.error;
}

const char *resources_name(enum resource kind)
{
    return kinds[kind].name;
}

bool resources_are_even(char why[RESOURCES_WHY_BYTES])
{
    bool even = true;

    pthread_mutex_lock(&state.lock);
    for (unsigned i = 0; i < HELD_MAX && even; i++) {
        even = state.held[i].kind == HELD_NOTHING;
        snprintf(why, RESOURCES_WHY_BYTES, "%s is left", held_names[state.held[i].kind]);
    }
    if (even && state.mapped_bytes != 0) {
        even = false;
        snprintf(why, RESOURCES_WHY_BYTES, "%lld bytes are left mapped",
                 (long long)state.mapped_bytes);
    }
    if (even && state.misuse != NULL) {
        even = false;
        snprintf(why, RESOURCES_WHY_BYTES, "%s: made twice, or given back without being held",
                 state.misuse);
    }
    pthread_mutex_unlock(&state.lock);
    return even;
}

/* ---- Memory ---- */

static void *took_memory(void *memory)
{
    take(HELD_MEMORY, (uintptr_t)memory);
    return memory;
}

/* Whether the call is to fail; sets errno then. */
static bool fails(enum resource kind)
{
    int error = meet(kind);

    if (error != 0)
        errno = error;
    return error != 0;
}

void *__wrap_malloc(size_t bytes)
{
    return fails(RESOURCE_MALLOC) ? NULL : took_memory(__real_malloc(bytes));
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return fails(RESOURCE_CALLOC) ? NULL : took_memory(__real_calloc(count, bytes));
}

void *__wrap_realloc(void *memory, size_t bytes)
{
    if (fails(RESOURCE_REALLOC))
        return NULL;
    give_back(HELD_MEMORY, (uintptr_t)memory);
    return took_memory(__real_realloc(memory, bytes));
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    if (fails(RESOURCE_ALIGNED_ALLOC))
        return NULL;
    return took_memory(__real_aligned_alloc(alignment, bytes));
}

int __wrap_posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    int error = meet(RESOURCE_POSIX_MEMALIGN);

    if (error == 0)
        error = __real_posix_memalign(memory, alignment, bytes);
    if (error == 0)
        took_memory(*memory);
    return error;
}

char *__wrap_strdup(const char *text)
{
    return fails(RESOURCE_STRDUP) ? NULL : took_memory(__real_strdup(text));
}

char *__wrap_strndup(const char *text, size_t bytes)
{
    return fails(RESOURCE_STRNDUP) ? NULL : took_memory(__real_strndup(text, bytes));
}

void __wrap_free(void *memory)
{
    give_back(HELD_MEMORY, (uintptr_t)memory);
    __real_free(memory);
}

/* ---- Mappings ---- */

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    if (fails(RESOURCE_MMAP))
        return MAP_FAILED;
    void *memory = __real_mmap(at, bytes, protection, flags, fd, offset);
    if (memory != MAP_FAILED)
        map_bytes((int64_t)bytes);
    return memory;
}

int __wrap_munmap(void *memory, size_t bytes)
{
    int result = __real_munmap(memory, bytes);

    if (result == 0)
        map_bytes(-(int64_t)bytes);
    return result;
}

int __wrap_madvise(void *memory, size_t bytes, int advice)
{
    if (advice == MADV_WIPEONFORK && fails(RESOURCE_WIPE_ON_FORK))
        return -1;
    if (advice == MADV_HUGEPAGE && fails(RESOURCE_HUGE_PAGES))
        return -1;
    return __real_madvise(memory, bytes, advice);
}

/* ---- Threads and locks: they return their errors ---- */

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *run(void *),
                          void *arg)
{
    int error = meet(RESOURCE_THREAD);

    if (error == 0)
        error = __real_pthread_create(thread, attributes, run, arg);
    if (error == 0)
        take(HELD_THREAD, (uintptr_t)*thread);
    return error;
}

int __wrap_pthread_join(pthread_t thread, void **result)
{
    give_back(HELD_THREAD, (uintptr_t)thread);
    return __real_pthread_join(thread, result);
}

/* What is not made is not fit for use: whoever takes it for a lock is to notice. */
static int spoil(void *lock, size_t bytes, int error)
{
    memset(lock, 0xa5, bytes);
    return error;
}

int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
    int error = meet(RESOURCE_MUTEX);

    if (error != 0)
        return spoil(mutex, sizeof *mutex, error);
    take(HELD_MUTEX, (uintptr_t)mutex);
    return __real_pthread_mutex_init(mutex, attributes);
}

int __wrap_pthread_mutex_destroy(pthread_mutex_t *mutex)
{
    give_back(HELD_MUTEX, (uintptr_t)mutex);
    return __real_pthread_mutex_destroy(mutex);
}

int __wrap_pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes)
{
    int error = meet(RESOURCE_CONDITION);

    if (error != 0)
        return spoil(condition, sizeof *condition, error);
    take(HELD_CONDITION, (uintptr_t)condition);
    return __real_pthread_cond_init(condition, attributes);
}

int __wrap_pthread_cond_destroy(pthread_cond_t *condition)
{
    give_back(HELD_CONDITION, (uintptr_t)condition);
    return __real_pthread_cond_destroy(condition);
}

int __wrap_pthread_condattr_init(pthread_condattr_t *attributes)
{
    int error = meet(RESOURCE_ATTRIBUTES);

    if (error != 0)
        return spoil(attributes, sizeof *attributes, error);
    take(HELD_ATTRIBUTES, (uintptr_t)attributes);
    return __real_pthread_condattr_init(attributes);
}

int __wrap_pthread_condattr_setclock(pthread_condattr_t *attributes, clockid_t clock)
{
    int error = meet(RESOURCE_CLOCK);

    return error != 0 ? error : __real_pthread_condattr_setclock(attributes, clock);
}

int __wrap_pthread_condattr_destroy(pthread_condattr_t *attributes)
{
    give_back(HELD_ATTRIBUTES, (uintptr_t)attributes);
    return __real_pthread_condattr_destroy(attributes);
}

/* ---- What takes nothing ---- */

ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags)
{
    bool failed = fails(RESOURCE_RANDOM);

    if (!failed)
        return __real_getrandom(bytes, size, flags);
    if (!state.fault.is_short)
        return -1;
    errno = 0; /* a short count is no error */
    return __real_getrandom(bytes, size / 2, flags);
}

long __wrap_sysconf(int name)
{
    return fails(RESOURCE_PROCESSORS) ? -1 : __real_sysconf(name);
}
