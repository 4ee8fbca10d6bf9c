/* SPDX-License-Identifier: MIT */
/*
 * All memory that a log in a world has: one piece, which is set back before each execution to what it
 * was when the log had been opened.  Only the pages that were ever written since are copied.
 */
#ifndef ARENA_H
#define ARENA_H

#include <stddef.h>

/* Empties the arena. */
void arena_clear(void);
/* Zeroed; `alignment` a power of two.  Never NULL. */
void *arena_take(size_t bytes, size_t alignment);
/* Keeps what the arena holds now. */
void arena_keep(void);
/* Back to what was kept. */
void arena_restore(void);

#endif /* ARENA_H */
