/* SPDX-License-Identifier: MIT */
/*
 * Cases that once found something, kept in tests/crash/regressions.txt: a line each, the program,
 * the words that its command line takes, and behind a '#' what it found.
 */
#ifndef REGRESSIONS_H
#define REGRESSIONS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    REGRESSION_WORDS_MAX = 4
};

/* What the program does with those words on its command line: its exit status, 2 where they are
 * none of a case. */
typedef int regression_case(const void *arg, char *const words[], unsigned count);

/* Has each of the program's lines again and returns how many there are.  One that does not return
 * 0, and one that is no case of any program, fails the test with its place in the file. */
unsigned regressions_replay(const char *program, regression_case *again, const void *arg);

/* Whether a word is a number, as a command line has them: decimal, or hexadecimal behind 0x. */
bool regression_number(const char *word, uint64_t *number);

#endif /* REGRESSIONS_H */
