/* SPDX-License-Identifier: MIT */
/*
 * What memory shows to whom.
 *
 * Each atomic variable keeps its last few values, and each fibre a view: how new a value it must see
 * of each variable.  A load may give an older value than the newest where the view permits it; that
 * is one choice of the search, and costs one delay, because it is what a store that is delayed on
 * its way looks like to others.  An acquire that reads what a release stored takes over its view; a
 * fence takes over the views of all fences before it.  So it is the memory model of C11 but for
 * loads of what is stored later: weaker than x86-64 (stores reach different fibres at different times
 * and out of order, unless released), and about what an aarch64 may do.  A read-modify-write reads
 * the newest value.
 *
 * Plain memory shared by fibres, such as the bytes of a slot, is not delayed but watched: two
 * accesses of different fibres that no release and acquire order are a race, in whichever schedule.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Before a world. */
void memory_clear(void);
/* Before an execution, after its fibres have been created. */
void memory_restart(void);
/* All that was stored is seen by everybody: nothing is delayed for ever. */
void memory_settle(void);
/* A full fence: what the kernel does in a system call that sleeps or wakes. */
void memory_fence(void);
/* A lock, or the like, at this address. */
void memory_acquire(const void *address);
void memory_release(const void *address);
/* What the other fibre did before it returned. */
void memory_join(unsigned fibre);

/* Operations on this range decide nothing: no points, and only the newest values.  At most four. */
void memory_ignore(const void *address, size_t bytes);

/* Accesses of plain memory are watched in this range. */
void memory_watch(const void *address, size_t bytes);
bool memory_is_watched(const void *address);
void memory_touch(const void *address, size_t bytes, const char *what);

#endif /* MEMORY_H */
