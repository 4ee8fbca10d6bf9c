/* SPDX-License-Identifier: MIT */
/* Where one line goes that says what is wrong with what was asked for. */
#ifndef BENCH_VERDICT_H
#define BENCH_VERDICT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

struct verdict {
    char *message;
    size_t message_bytes;
};

static inline int refuse(const struct verdict *verdict, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline int refuse(const struct verdict *verdict, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(verdict->message, verdict->message_bytes, format, list);
    va_end(list);
    return -1;
}

#endif /* BENCH_VERDICT_H */
