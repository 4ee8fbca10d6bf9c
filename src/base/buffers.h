/* SPDX-License-Identifier: MIT */
/*
 * The memory of the slots, if the caller does not bring its own.
 *
 * Huge pages make large batches faster: a write pins one page, not 512, and the first touch is one fault.  But
 * a log of small batches would hold 2 MiB of each slot for a few kilobytes.  So what lies beyond the first
 * 2 MiB of a slot, which only a large batch reaches, is backed by huge pages from the start; the first 2 MiB
 * are too, once that slot has carried as much in large batches alone.
 */
#ifndef LF_BUFFERS_H
#define LF_BUFFERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LF_HUGE_PAGE_BYTES ((size_t)2 << 20)

enum {
    LF_BUFFERS_MAX = 64,               /* slots */
    LF_BUFFERS_LARGE_BYTES = 256 << 10 /* a batch from which on huge pages pay */
};

/* What the slots have carried.  W, R: the thread that may commit. */
struct lf_buffers_use {
    /* Of each slot, the bytes of its large batches since the last small one; no more is counted once they are
     * a huge page. */
    uint64_t large_bytes[LF_BUFFERS_MAX];
};

/* Counts a batch of a slot.  Whether the slot's first bytes are to get huge pages now; true once. */
static inline bool lf_buffers_count(uint64_t *large_bytes, uint64_t bytes)
{
    if (*large_bytes >= LF_HUGE_PAGE_BYTES)
        return false;
    *large_bytes = bytes < LF_BUFFERS_LARGE_BYTES ? 0 : *large_bytes + bytes;
    return *large_bytes >= LF_HUGE_PAGE_BYTES;
}

/* Maps `bytes`, a multiple of slot_bytes, zeroed; nothing of it is resident until it is touched.
 * NULL: no memory. */
void *lf_buffers_map(size_t bytes, size_t slot_bytes);
/* Notes that slot `number` of the memory has carried a batch, which is not needed any more: what is in
 * the slot may be lost.  Two system calls in the life of a slot, at most. */
void lf_buffers_note(struct lf_buffers_use *use, void *memory, size_t slot_bytes, unsigned number,
                     uint64_t batch_bytes);
void lf_buffers_unmap(void *memory, size_t bytes);

#endif /* LF_BUFFERS_H */
