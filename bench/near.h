/* SPDX-License-Identifier: MIT */
/* What somebody may have meant who wrote something else. */
#ifndef BENCH_NEAR_H
#define BENCH_NEAR_H

#include <stddef.h>

/* How many letters are wrong, missing, too many, or changed places with the next one. */
unsigned bench_near_distance(const char *text, size_t bytes, const char *name);

/* Keeps the best of the names that it is shown. */
struct bench_near {
    const char *text;
    size_t bytes;
    const char *best; /* NULL: none is near */
    unsigned distance;
};

/* A name is near if the text is how it begins, or at most a third of its letters, and two of them, are
 * not as they should be. */
void bench_near_look(struct bench_near *near, const char *name);

#endif /* BENCH_NEAR_H */
