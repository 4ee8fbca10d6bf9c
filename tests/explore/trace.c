/* SPDX-License-Identifier: MIT */
#include "trace.h"

#include "scheduler.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    KEPT_MAX = 400,
    LINE_BYTES = 160
};

bool trace_is_on;

static char lines[KEPT_MAX][LINE_BYTES];
static unsigned line_count;
static const char *(*name_function)(const void *address);

void trace_start(void)
{
    line_count = 0;
    trace_is_on = true;
}

void trace_stop(void)
{
    trace_is_on = false;
}

void trace_note(const char *format, ...)
{
    char *line = lines[line_count % KEPT_MAX];
    va_list arguments;
    int length = snprintf(line, LINE_BYTES, "%6u  %-10s ", line_count,
                          is_exploring ? scheduler_name(scheduler_self()) : "");

    va_start(arguments, format);
    vsnprintf(line + length, LINE_BYTES - (size_t)length, format, arguments);
    va_end(arguments);
    line_count++;
}

void trace_print(void)
{
    unsigned from = line_count > KEPT_MAX ? line_count - KEPT_MAX : 0;

    if (from > 0)
        printf("... %u steps before\n", from);
    for (unsigned i = from; i < line_count; i++)
        puts(lines[i % KEPT_MAX]);
}

void trace_names(const char *(*name_of)(const void *address))
{
    name_function = name_of;
}

const char *trace_name(const void *address)
{
    static char names[8][32];
    static unsigned turn;
    const char *name = name_function != NULL ? name_function(address) : NULL;

    if (name != NULL)
        return name;
    char *text = names[turn++ % 8];
    snprintf(text, sizeof names[0], "%p", address);
    return text;
}
