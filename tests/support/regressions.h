/* SPDX-License-Identifier: MIT */
/*
 * Cases that once found something, kept in tests/crash/regressions.txt: a line each, the program, the
 * words that its command line takes, and behind a '#' what it found.
 */
#ifndef REGRESSIONS_H
#define REGRESSIONS_H

enum {
    REGRESSION_WORDS_MAX = 4
};

/* What the program does with those words on its command line: its exit status. */
typedef int regression_case(char *const words[], unsigned count);

/* Has each of the program's lines again and returns how many there are.  One that does not return 0
 * fails the test, with its line. */
unsigned regressions_replay(const char *program, regression_case *again);

#endif /* REGRESSIONS_H */
