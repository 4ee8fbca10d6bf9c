/* SPDX-License-Identifier: MIT */
/*
 * All memory that simulated threads share, and every access of it.
 *
 * The library is compiled a second time (Makefile.am: libscaled): its atomic operations call the
 * lf_explore_ functions here, those of Concurrency Kit's locks the scale_pr_ ones (redirect.h), and its plain
 * loads and stores the hooks of the compiler's -fsanitize=thread, which is all that is used of that.  So every
 * access is charged for the line that it touches.
 *
 * Atomic operations happen in the order of simulated time.  An atomic store is seen by others when its line
 * has arrived, and in the order of its processor's stores; its own thread sees it at once.  Plain accesses
 * cost time and move lines, but their values are not delayed: nothing may depend on when those are seen.
 */
#ifndef SCALE_MEMORY_H
#define SCALE_MEMORY_H

#include "access.h"
#include "cpus.h"

#include <stddef.h>

/* Before anything else. */
void memory_start(void);
_Noreturn void memory_die(const char *what);
/* Zeroed pages that are not simulated. */
void *memory_map(size_t bytes);
/* Zeroed; `alignment` a power of two.  Never NULL, never given back. */
void *memory_take(size_t bytes, size_t alignment);
uint8_t *memory_take_stack(void);
bool memory_has(const void *at);
bool memory_is_stack(const void *at);

/* The line of an address of simulated memory, which is made if it was never touched. */
struct line *memory_line(const void *at);
/* The same, or NULL. */
struct line *memory_line_of_index(size_t index);
size_t memory_index(const void *at);
const void *memory_at(size_t index);
size_t memory_index_end(void);

/* From here on the range is a buffer for records: of its lines is known who touched them last, and a copy
 * waits for several at a time. */
void memory_is_data(const void *at, size_t bytes);
/* How many lines of buffers came from another processor, and how long they were waited for. */
struct memory_data {
    uint64_t transfers, far;
    uint64_t transfer_ps;
};
extern struct memory_data memory_data;

/* A copy or the like of `bytes` bytes. */
void memory_copy(const void *at, size_t bytes, bool writes);

/* How many atomic operations there were. */
extern uint64_t memory_operations;

void memory_poke(const struct pending_store *store);

/* ---- Threads that sleep at an address, in the order in which they went to sleep. */
void memory_note_waiter(const void *at);
void memory_forget_waiter(struct thread *thread);
/* The first `count` of them, by `next`; they are forgotten, and no deadline ends their sleep any more. */
struct thread *memory_take_waiters(const void *at, uint32_t count);
void memory_wake_all(const void *at);

#endif /* SCALE_MEMORY_H */
