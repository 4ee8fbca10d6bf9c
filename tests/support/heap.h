/* SPDX-License-Identifier: MIT */
/*
 * Memory for tests that open thousands of logs a second: from a heap that never goes back to the
 * kernel, so that no page of it has to be mapped and cleared anew each time.
 */
#ifndef HEAP_H
#define HEAP_H

#include "logfile_lab.h"

/* Whatever is allocated from now on comes from the heap, and stays there when it is freed. */
void heap_keep(void);
/* Sets ring_alloc and ring_free. */
void heap_use(struct logfile_lab *lab);

#endif /* HEAP_H */
