/* SPDX-License-Identifier: MIT */
#include "regressions.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *open_list(void)
{
    const char *source = getenv("srcdir"); /* automake sets it */
    char path[4096];

    snprintf(path, sizeof path, "%s/tests/crash/regressions.txt",
             source != NULL ? source : TOP_SRCDIR);
    FILE *list = fopen(path, "r");
    ck_assert_msg(list != NULL, "%s cannot be read", path);
    return list;
}

/* Cuts a line into words, as far as its comment. */
static unsigned split(char *line, char *words[REGRESSION_WORDS_MAX])
{
    unsigned count = 0;
    char *rest = NULL;

    line[strcspn(line, "#\n")] = '\0';
    for (char *word = strtok_r(line, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        ck_assert_uint_lt(count, REGRESSION_WORDS_MAX);
        words[count++] = word;
    }
    return count;
}

unsigned regressions_replay(const char *program, regression_case *again)
{
    FILE *list = open_list();
    char line[512], copy[512];
    unsigned count = 0;

    while (fgets(line, sizeof line, list) != NULL) {
        char *words[REGRESSION_WORDS_MAX];
        strcpy(copy, line);
        unsigned word_count = split(copy, words);
        if (word_count < 2 || strcmp(words[0], program) != 0)
            continue;
        ck_assert_msg(again(words + 1, word_count - 1) == 0, "found again: %s", line);
        count++;
    }
    fclose(list);
    return count;
}
