/* SPDX-License-Identifier: MIT */
/* Runs a logfile-bench as a process of its own, and takes what it says. */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include <stdbool.h>
#include <stddef.h>

#define BENCH_CHILD_WORDS_MAX 160

/* A command line that is being put together; the words are copies. */
struct bench_words {
    unsigned count;
    char *words[BENCH_CHILD_WORDS_MAX + 1]; /* NULL after the last */
};

/* false where memory or room is out. */
bool bench_words_add(struct bench_words *words, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void bench_words_free(struct bench_words *words);

/* What became of it. */
struct bench_child {
    int error;      /* 0, or -errno: it could not be run */
    int status;     /* how it exited; 128 + the signal that ended it */
    char *said;     /* its standard output, */
    char *wrote;    /* and what it wrote to the file named by --json, if it was asked to */
    char line[512]; /* the last line of its standard error, without the program's name */
};

/*
 * Runs it to its end.  program: a path, or a name that PATH has.  words: its arguments; with wants_results
 * "--json" and a file that is not on any disk are added.  The first signal that comes is passed on.
 */
void bench_child_run(const char *program, const struct bench_words *words, bool wants_results,
                     struct bench_child *child);
void bench_child_free(struct bench_child *child);

#endif /* BENCH_CHILD_H */
