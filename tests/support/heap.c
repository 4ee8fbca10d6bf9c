/* SPDX-License-Identifier: MIT */
#include "heap.h"

#include "logfile_io.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdlib.h>
#include <string.h>

void heap_keep(void)
{
    /* Other C libraries have no such settings: there it only takes longer. */
#ifdef __GLIBC__
    const int most = 1 << 30;

    /* One arena: a thread that lives for one log would start with an empty one. */
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, most);
    mallopt(M_TRIM_THRESHOLD, most);
    mallopt(M_TOP_PAD, 16 << 20);
#endif
}

static void *take(void *arg, size_t bytes)
{
    void *memory = aligned_alloc(LOGFILE_IO_BLOCK, bytes);

    (void)arg;
    return memory == NULL ? NULL : memset(memory, 0, bytes);
}

static void give_back(void *arg, void *memory, size_t bytes)
{
    (void)arg;
    (void)bytes;
    free(memory);
}

void heap_use(struct logfile_lab *lab)
{
    lab->ring_alloc = take;
    lab->ring_free = give_back;
}
