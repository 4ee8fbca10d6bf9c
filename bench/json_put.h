/* SPDX-License-Identifier: MIT */
/* Pieces of JSON objects. */
#ifndef BENCH_JSON_PUT_H
#define BENCH_JSON_PUT_H

#include "base/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Always UTF-8: a byte that is none, which a folder's name may have, becomes the text \xHH. */
static inline void put_text(FILE *out, const char *text)
{
    fputc('"', out);
    while (*text != '\0') {
        unsigned length = lf_utf8_length(text);
        unsigned char c = (unsigned char)*text;
        if (length == 0)
            fprintf(out, "\\\\x%02x", c);
        else if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20)
            fprintf(out, "\\u%04x", c);
        else
            fwrite(text, 1, length, out);
        text += length > 0 ? length : 1;
    }
    fputc('"', out);
}

/* A key and a string, or null when the string is not known. */
static inline void put_string(FILE *out, const char *key, const char *text)
{
    fprintf(out, "\"%s\":", key);
    if (text == NULL || text[0] == '\0')
        fputs("null", out);
    else
        put_text(out, text);
}

static inline const char *truth(bool value)
{
    return value ? "true" : "false";
}

/* A key and a number, or null when there is nothing that it could say. */
static inline void put_measure(FILE *out, const char *key, double value, bool known)
{
    if (known)
        fprintf(out, ",\"%s\":%.3f", key, value);
    else
        fprintf(out, ",\"%s\":null", key);
}

/* A key and a whole number, or null. */
static inline void put_number(FILE *out, const char *key, uint64_t value, bool known)
{
    if (known)
        fprintf(out, ",\"%s\":%" PRIu64, key, value);
    else
        fprintf(out, ",\"%s\":null", key);
}

/* 0 or -errno, of everything written since errno was 0. */
static inline int end_line(FILE *out)
{
    fputs("}\n", out);
    if (fflush(out) == 0 && !ferror(out))
        return 0;
    return errno > 0 ? -errno : -EIO;
}

#endif /* BENCH_JSON_PUT_H */
