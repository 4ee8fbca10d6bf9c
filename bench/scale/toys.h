/* SPDX-License-Identifier: MIT */
/*
 * What bench/floor_atomic measures, simulated: threads that do one step over and over, with nothing of the
 * log in it.  Textbooks know what each must cost.
 *
 *   faa, cas, ticket, mcs, mutex, turns, private   as in bench/floor_atomic.c
 *   false    each thread adds to a word of its own, and all of them are on one line
 */
#ifndef SCALE_TOYS_H
#define SCALE_TOYS_H

struct toy {
    const char *name;
    void (*step)(unsigned thread);
};

/* NULL: there is none of that name. */
const struct toy *toy_of(const char *name);
/* Makes what `threads` threads share; in a simulated thread, before the first step. */
void toys_start(unsigned threads);
/* Whether no step was lost: the words say so many steps, but for one of each thread, which may be under way.
 * 0 or -1. */
int toys_check(const struct toy *toy, unsigned long long steps, unsigned threads);

#endif /* SCALE_TOYS_H */
