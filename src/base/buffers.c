/* SPDX-License-Identifier: MIT */
#include "base/buffers.h"

#include <stdint.h>
#include <sys/mman.h>

#define HUGE_PAGE_BYTES ((size_t)2 << 20)

static uint8_t *map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* At a multiple of a huge page: what is mapped too much on either side is given back. */
static uint8_t *map_aligned(size_t bytes)
{
    uint8_t *memory = map(bytes + HUGE_PAGE_BYTES);
    size_t before;

    if (memory == NULL)
        return NULL;
    before = -(uintptr_t)memory % HUGE_PAGE_BYTES;
    if (before > 0)
        munmap(memory, before);
    munmap(memory + before + bytes, HUGE_PAGE_BYTES - before);
    return memory + before;
}

void *lf_buffers_map(size_t bytes, size_t slot_bytes)
{
    uint8_t *memory;

    if (slot_bytes <= HUGE_PAGE_BYTES)
        return map(bytes);
    memory = map_aligned(bytes);
    for (size_t at = 0; memory != NULL && at < bytes; at += slot_bytes) /* Advice: may fail. */
        (void)madvise(memory + at + HUGE_PAGE_BYTES, slot_bytes - HUGE_PAGE_BYTES, MADV_HUGEPAGE);
    return memory;
}

void lf_buffers_unmap(void *memory, size_t bytes)
{
    munmap(memory, bytes);
}
