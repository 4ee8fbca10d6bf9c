/* SPDX-License-Identifier: MIT */
#include "regressions.h"

#include <check.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST "tests/crash/regressions.txt"

static FILE *open_list(void)
{
    const char *source = getenv("srcdir"); /* automake sets it */
    char path[4096];

    snprintf(path, sizeof path, "%s/" LIST, source != NULL ? source : TOP_SRCDIR);
    FILE *list = fopen(path, "r");
    ck_assert_msg(list != NULL, "%s cannot be read", path);
    return list;
}

/* Each program passes over the lines of the others, so none of them may be nobody's. */
static bool is_program(const char *word)
{
    static const char *const programs[] = {"test_crash_sim", "test_small_worlds"};

    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
        if (strcmp(word, programs[i]) == 0)
            return true;
    return false;
}

/* Cuts a line into words, as far as its comment; one more than there may be: too many. */
static unsigned split(char *line, char *words[REGRESSION_WORDS_MAX + 1])
{
    unsigned count = 0;
    char *rest = NULL;
    char *word;

    line[strcspn(line, "#\n")] = '\0';
    for (word = strtok_r(line, " ", &rest); word != NULL && count <= REGRESSION_WORDS_MAX;
         word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    return count;
}

unsigned regressions_replay(const char *program, regression_case *again, const void *arg)
{
    FILE *list = open_list();
    char line[512], copy[512];
    unsigned count = 0;

    for (unsigned at = 1; fgets(line, sizeof line, list) != NULL; at++) {
        char *words[REGRESSION_WORDS_MAX + 1];
        strcpy(copy, line);
        unsigned word_count = split(copy, words);
        if (word_count == 0)
            continue;
        ck_assert_msg(word_count > 1 && word_count <= REGRESSION_WORDS_MAX && is_program(words[0]),
                      LIST ":%u: no case: %s", at, line);
        if (strcmp(words[0], program) != 0)
            continue;
        int status = again(arg, words + 1, word_count - 1);
        ck_assert_msg(status != 2, LIST ":%u: no case of %s: %s", at, program, line);
        ck_assert_msg(status == 0, LIST ":%u: found again: %s", at, line);
        count++;
    }
    fclose(list);
    return count;
}

bool regression_number(const char *word, uint64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoull(word, &end, 0);
    return isdigit((unsigned char)word[0]) && *end == '\0' && errno == 0;
}
