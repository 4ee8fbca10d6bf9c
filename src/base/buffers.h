/* SPDX-License-Identifier: MIT */
/* The memory of the slots, where the caller does not bring its own. */
#ifndef LF_BUFFERS_H
#define LF_BUFFERS_H

#include <stddef.h>

/*
 * Maps `bytes`, a multiple of slot_bytes, zeroed; nothing of it is resident until it is touched.
 * Behind its first 2 MiB each slot is backed by huge pages where the kernel has them: a stream saves
 * page faults and the pinning of 2,048 pages a write, while small batches stay in small pages.
 * NULL: no memory.
 */
void *lf_buffers_map(size_t bytes, size_t slot_bytes);
void lf_buffers_unmap(void *memory, size_t bytes);

#endif /* LF_BUFFERS_H */
