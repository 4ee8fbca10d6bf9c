/* SPDX-License-Identifier: MIT */
#include "base/buffers.h"

#include <sys/mman.h>

static uint8_t *map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* At a multiple of a huge page: what is mapped too much on either side is given back. */
static uint8_t *map_aligned(size_t bytes)
{
    uint8_t *memory = map(bytes + LF_HUGE_PAGE_BYTES);
    size_t before;

    if (memory == NULL)
        return NULL;
    before = -(uintptr_t)memory % LF_HUGE_PAGE_BYTES;
    if (before > 0)
        munmap(memory, before);
    munmap(memory + before + bytes, LF_HUGE_PAGE_BYTES - before);
    return memory + before;
}

/* All of it is advice, and may fail. */
void *lf_buffers_map(size_t bytes, size_t slot_bytes)
{
    uint8_t *memory;

    if (slot_bytes < LF_HUGE_PAGE_BYTES)
        return map(bytes);
    memory = map_aligned(bytes);
    for (size_t at = 0; memory != NULL && at < bytes; at += slot_bytes) {
        /* Also where the kernel gives huge pages without being asked. */
        (void)madvise(memory + at, LF_HUGE_PAGE_BYTES, MADV_NOHUGEPAGE);
        if (slot_bytes > LF_HUGE_PAGE_BYTES)
            (void)madvise(memory + at + LF_HUGE_PAGE_BYTES, slot_bytes - LF_HUGE_PAGE_BYTES,
                          MADV_HUGEPAGE);
    }
    return memory;
}

void lf_buffers_note(struct lf_buffers_use *use, void *memory, size_t slot_bytes, unsigned number,
                     uint64_t batch_bytes)
{
    uint8_t *slot = (uint8_t *)memory + number * slot_bytes;

    if (slot_bytes < LF_HUGE_PAGE_BYTES ||
        !lf_buffers_count(&use->large_bytes[number], batch_bytes))
        return;
    /* The small pages go, so that the next batch finds a huge one: collapsing them would copy what is not
     * read any more, and waits for other processors. */
    if (madvise(slot, LF_HUGE_PAGE_BYTES, MADV_HUGEPAGE) == 0)
        (void)madvise(slot, LF_HUGE_PAGE_BYTES, MADV_DONTNEED);
}

void lf_buffers_unmap(void *memory, size_t bytes)
{
    munmap(memory, bytes);
}
