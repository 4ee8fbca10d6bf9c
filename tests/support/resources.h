/* SPDX-License-Identifier: MIT */
/*
 * What a process asks its C library for: memory, mappings, threads, locks, random numbers.  While
 * it is watched, each such call of the code under test is counted, can be made to fail, and must be
 * made up for: what was taken is given back, once.
 *
 * Programs that use it are linked with resource_flags of Makefile.am, so that their calls, and the
 * library's, pass by here.  What libc allocates by itself does not.
 */
#ifndef RESOURCES_H
#define RESOURCES_H

#include <stdbool.h>

enum resource {
    RESOURCE_MALLOC,
    RESOURCE_CALLOC,
    RESOURCE_REALLOC,
    RESOURCE_ALIGNED_ALLOC,
    RESOURCE_POSIX_MEMALIGN,
    RESOURCE_STRDUP,
    RESOURCE_STRNDUP,
    RESOURCE_MMAP,
    RESOURCE_HUGE_PAGES,   /* madvise: advice, */
    RESOURCE_WIPE_ON_FORK, /* and what is no mere advice */
    RESOURCE_THREAD,
    RESOURCE_MUTEX,
    RESOURCE_CONDITION,
    RESOURCE_ATTRIBUTES,
    RESOURCE_CLOCK, /* pthread_condattr_setclock */
    RESOURCE_RANDOM,
    RESOURCE_PROCESSORS, /* sysconf */
    RESOURCE_ANY
};

/* Which calls fail. */
struct resource_fault {
    enum resource kind;
    unsigned after; /* calls of that kind that still go well */
    bool for_ever;  /* else once */
    int error;      /* an errno; 0: what such a call fails with */
    bool is_short;  /* RANDOM: no error, but half of the bytes */
};

/* Starts to watch, holding nothing.  fault: NULL, or which calls fail. */
void resources_watch(const struct resource_fault *fault);
/* Calls go well again, and are the test's own: only what is given back is still watched. */
void resources_mend(void);
/* Ends watching. */
void resources_unwatch(void);

/* While they were watched: calls of a kind, those that failed, and the last of these. */
unsigned resources_calls(enum resource kind);
unsigned resources_hits(void);
enum resource resources_last_hit(void);
/* What that returned, as an errno. */
int resources_error(void);
const char *resources_name(enum resource kind);

#define RESOURCES_WHY_BYTES 128
/* Whether everything that was taken has been given back, and nothing else. */
bool resources_are_even(char why[RESOURCES_WHY_BYTES]);

#endif /* RESOURCES_H */
