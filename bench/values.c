/* SPDX-License-Identifier: MIT */
#include "values.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int bench_value_refuse(const struct bench_argument *argument, const char *format, ...)
{
    char what[512];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    snprintf(argument->message, argument->message_bytes, "--%s: %s", argument->option, what);
    return -1;
}

/* What of a text is quoted in a message. */
static int quoted(size_t bytes)
{
    return bytes < 40 ? (int)bytes : 40;
}

/* ---- One value ------------------------------------------------------------------------------- */

static bool is_number(const char *text, size_t bytes, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < bytes; i++) {
        unsigned digit = (unsigned)(text[i] - '0');
        if (!isdigit((unsigned char)text[i]) || *value > (UINT64_MAX - digit) / 10)
            return false;
        *value = *value * 10 + digit;
    }
    return bytes > 0;
}

int bench_value_number(const struct bench_argument *argument, uint64_t min, uint64_t max,
                       uint64_t *out)
{
    uint64_t value;
    if (!is_number(argument->text, strlen(argument->text), &value) || value < min || value > max)
        return bench_value_refuse(argument, "'%.40s' is not a whole number from %llu to %llu",
                                  argument->text, (unsigned long long)min, (unsigned long long)max);
    *out = value;
    return 0;
}

int bench_value_real(const struct bench_argument *argument, double min, double max, double *out)
{
    char *end;
    double value = strtod(argument->text, &end);
    bool plain = strspn(argument->text, "0123456789.") == strlen(argument->text);
    if (!plain || *end != '\0' || end == argument->text || !(value >= min && value <= max))
        return bench_value_refuse(argument, "'%.40s' is not a number from %g to %g", argument->text,
                                  min, max);
    *out = value;
    return 0;
}

int bench_value_name(const struct bench_argument *argument, const struct bench_name *names,
                     int *out)
{
    return bench_value_entry_name(argument, argument->text, strlen(argument->text), names, out);
}

int bench_value_name_number(const struct bench_argument *argument, const struct bench_name *names,
                            const char *numbered, int *value, uint64_t *number)
{
    size_t bytes = strcspn(argument->text, ":");
    bool wants_number = bytes == strlen(numbered) && memcmp(argument->text, numbered, bytes) == 0;
    if (!wants_number)
        return bench_value_name(argument, names, value);
    const char *digits = argument->text + bytes + (argument->text[bytes] == ':');
    if (!is_number(digits, strlen(digits), number) || *number > UINT32_MAX)
        return bench_value_refuse(argument, "'%.40s' is not %s:NUMBER", argument->text, numbered);
    return bench_value_entry_name(argument, argument->text, bytes, names, value);
}

int bench_value_range(const struct bench_argument *argument, uint64_t *min, uint64_t *max)
{
    const char *colon = strchr(argument->text, ':');
    if (colon == NULL || !is_number(argument->text, (size_t)(colon - argument->text), min) ||
        !is_number(colon + 1, strlen(colon + 1), max) || *min > *max || *max > UINT32_MAX)
        return bench_value_refuse(argument, "'%.40s' is not SMALLEST:LARGEST in bytes",
                                  argument->text);
    return 0;
}

/* ---- Lists ----------------------------------------------------------------------------------- */

int bench_value_entry_number(const struct bench_argument *argument, const char *text, size_t bytes,
                             const char *what, uint64_t min, uint64_t max, uint64_t *out)
{
    if (is_number(text, bytes, out) && *out >= min && *out <= max)
        return 0;
    return bench_value_refuse(argument, "'%.*s' is not a %s from %llu to %llu", quoted(bytes), text,
                              what, (unsigned long long)min, (unsigned long long)max);
}

int bench_value_entry_name(const struct bench_argument *argument, const char *text, size_t bytes,
                           const struct bench_name *names, int *out)
{
    char known[256] = "";
    for (const struct bench_name *name = names; name->name != NULL; name++) {
        if (strlen(name->name) == bytes && memcmp(name->name, text, bytes) == 0) {
            *out = name->value;
            return 0;
        }
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used > 0 ? ", " : "", name->name);
    }
    return bench_value_refuse(argument, "'%.*s' is not one of %s", quoted(bytes), text, known);
}

static int add_value(const struct bench_argument *argument, const char *text, size_t bytes,
                     uint64_t value, struct bench_list *list)
{
    for (unsigned i = 0; i < list->count; i++)
        if (list->values[i] == value)
            return bench_value_refuse(argument, "%.*s is listed twice", quoted(bytes), text);
    if (list->count == BENCH_LIST_MAX)
        return bench_value_refuse(argument, "more than %d entries", BENCH_LIST_MAX);
    list->values[list->count++] = value;
    return 0;
}

int bench_value_list(const struct bench_argument *argument, bench_value_entry *entry,
                     struct bench_list *list)
{
    list->count = 0;
    for (const char *text = argument->text;;) {
        size_t bytes = strcspn(text, ",");
        uint64_t value;
        if (entry(argument, text, bytes, &value) != 0 ||
            add_value(argument, text, bytes, value, list) != 0)
            return -1;
        if (text[bytes] == '\0')
            return 0;
        text += bytes + 1;
    }
}
