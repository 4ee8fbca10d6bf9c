/* SPDX-License-Identifier: MIT */
#include "fuzz_meter.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

/* What the linker makes of the names below: the calls, and what they were before. */
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
int __real_posix_memalign(void **memory, size_t alignment, size_t bytes);
void __real_free(void *memory);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t bytes);
void __wrap_free(void *memory);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t held_bytes; /* wraps while what was allocated before the start is freed */
static size_t peak_bytes;

static void *note(void *memory)
{
    pthread_mutex_lock(&lock);
    held_bytes += memory != NULL ? malloc_usable_size(memory) : 0;
    if ((ptrdiff_t)held_bytes > (ptrdiff_t)peak_bytes)
        peak_bytes = held_bytes;
    pthread_mutex_unlock(&lock);
    return memory;
}

static void forget(void *memory)
{
    pthread_mutex_lock(&lock);
    held_bytes -= memory != NULL ? malloc_usable_size(memory) : 0;
    pthread_mutex_unlock(&lock);
}

void *__wrap_malloc(size_t bytes)
{
    return note(__real_malloc(bytes));
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return note(__real_calloc(count, bytes));
}

void *__wrap_realloc(void *memory, size_t bytes)
{
    forget(memory);
    return note(__real_realloc(memory, bytes));
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return note(__real_aligned_alloc(alignment, bytes));
}

int __wrap_posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    const int error = __real_posix_memalign(memory, alignment, bytes);

    if (error == 0)
        note(*memory);
    return error;
}

void __wrap_free(void *memory)
{
    forget(memory);
    __real_free(memory);
}

void fuzz_meter_start(void)
{
    pthread_mutex_lock(&lock);
    held_bytes = peak_bytes = 0;
    pthread_mutex_unlock(&lock);
}

size_t fuzz_meter_peak(void)
{
    return peak_bytes;
}

ptrdiff_t fuzz_meter_held(void)
{
    return (ptrdiff_t)held_bytes;
}
