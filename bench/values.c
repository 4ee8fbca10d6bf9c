/* SPDX-License-Identifier: MIT */
#include "values.h"

#include "clock.h"
#include "near.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

/* K, M and G are powers of 1024, as the log and file systems count; "KB", which some count in
 * thousands, is not taken. */
static bool is_size(const char *text, size_t bytes, uint64_t *value)
{
    static const char units[] = "kmg";
    size_t digits = bytes;
    while (digits > 0 && !isdigit((unsigned char)text[digits - 1]))
        digits--;
    if (!is_number(text, digits, value))
        return false;
    size_t rest = bytes - digits;
    if (rest == 0 || (rest == 1 && tolower((unsigned char)text[digits]) == 'b'))
        return true;
    const char *unit = strchr(units, tolower((unsigned char)text[digits]));
    if (unit == NULL || !(rest == 1 || (rest == 3 && strncasecmp(text + digits + 1, "ib", 2) == 0)))
        return false;
    unsigned shift = 10 * (unsigned)(unit - units + 1);
    if (*value > UINT64_MAX >> shift)
        return false;
    *value <<= shift;
    return true;
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

/* A text that begins with digits, of which one point may be part: their value, and what follows. */
static bool split_number(const char *text, double *value, const char **rest)
{
    char digits[32];
    char *end;
    size_t length = strspn(text, "0123456789.");
    if (length == 0 || length >= sizeof digits)
        return false;
    memcpy(digits, text, length);
    digits[length] = '\0';
    *value = strtod(digits, &end);
    *rest = text + length;
    return *end == '\0' && end != digits;
}

static const struct {
    const char *name;
    double ns;
    const char *word;
} time_units[] = {
    {"ns", 1, "nanoseconds"}, {"us", 1e3, "microseconds"}, {"ms", 1e6, "milliseconds"},
    {"s", 1e9, "seconds"},    {"m", 60e9, "minutes"},      {"min", 60e9, "minutes"},
};

static bool is_time(const char *text, const char *unit, double *ns)
{
    double value;
    const char *rest;
    if (!split_number(text, &value, &rest))
        return false;
    if (*rest == '\0')
        rest = unit;
    for (size_t i = 0; i < sizeof time_units / sizeof time_units[0]; i++) {
        if (strcmp(rest, time_units[i].name) != 0)
            continue;
        *ns = value * time_units[i].ns;
        return true;
    }
    return false;
}

/* "2 s", "10 ms": a time in the greatest unit that it has one of. */
static void print_time(char *text, size_t bytes, uint64_t ns)
{
    size_t unit = 0;
    while (unit < 3 && (double)ns >= time_units[unit + 1].ns)
        unit++;
    snprintf(text, bytes, "%g %s", (double)ns / time_units[unit].ns, time_units[unit].name);
}

int bench_value_time(const struct bench_argument *argument, const char *unit, uint64_t min_ns,
                     uint64_t max_ns, uint64_t *out_ns)
{
    double ns;
    char least[32], most[32];
    size_t i = 0;
    if (is_time(argument->text, unit, &ns) && ns >= (double)min_ns && ns <= (double)max_ns) {
        *out_ns = (uint64_t)ns;
        return 0;
    }
    while (strcmp(time_units[i].name, unit) != 0)
        i++;
    print_time(least, sizeof least, min_ns);
    print_time(most, sizeof most, max_ns);
    return bench_value_refuse(argument,
                              "'%.40s' is not a number of %s, or a time such as 500ms or 1.5s, "
                              "from %s to %s",
                              argument->text, time_units[i].word, least, most);
}

int bench_value_name(const struct bench_argument *argument, const struct bench_name *names,
                     int *out)
{
    return bench_value_entry_name(argument, argument->text, strlen(argument->text), names, out);
}

int bench_value_name_time(const struct bench_argument *argument, const struct bench_name *names,
                          const char *timed, int *value, uint64_t *ns)
{
    double time_ns;
    size_t bytes = strcspn(argument->text, ":");
    bool wants_time = bytes == strlen(timed) && memcmp(argument->text, timed, bytes) == 0;
    if (!wants_time)
        return bench_value_name(argument, names, value);
    const char *time = argument->text + bytes + (argument->text[bytes] == ':');
    if (!is_time(time, "us", &time_ns) || time_ns > 1e18)
        return bench_value_refuse(argument, "'%.40s' is not %s:NUMBER, in microseconds, or %s:2ms",
                                  argument->text, timed, timed);
    *ns = (uint64_t)time_ns;
    return bench_value_entry_name(argument, argument->text, bytes, names, value);
}

int bench_value_range(const struct bench_argument *argument, uint64_t *min, uint64_t *max)
{
    const char *colon = strchr(argument->text, ':');
    if (colon == NULL || !is_size(argument->text, (size_t)(colon - argument->text), min) ||
        !is_size(colon + 1, strlen(colon + 1), max) || *min > *max || *max > UINT32_MAX)
        return bench_value_refuse(
            argument, "'%.40s' is not SMALLEST:LARGEST in bytes, such as 512:64K", argument->text);
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

#define RATE_MIN 0.001
#define RATE_MAX 1e9
#define SHARE_MIN 0.01
#define SHARE_MAX 10

/* "k", "M" or "x" after a number; true if the value with it is one that a rate can have. */
static bool is_rate(double value, const char *unit, size_t bytes, bool *is_share, double *rate)
{
    *is_share = bytes == 1 && *unit == 'x';
    if (bytes == 1 && (*unit == 'k' || *unit == 'K'))
        value *= 1e3;
    else if (bytes == 1 && *unit == 'M')
        value *= 1e6;
    else if (bytes > 0 && !*is_share)
        return false;
    *rate = value;
    return *is_share ? value >= SHARE_MIN && value <= SHARE_MAX
                     : value >= RATE_MIN && value <= RATE_MAX;
}

int bench_value_entry_rate(const struct bench_argument *argument, const char *text, size_t bytes,
                           uint64_t *out)
{
    const char *unit;
    double value, rate;
    bool is_share;
    if (!split_number(text, &value, &unit) ||
        !is_rate(value, unit, bytes - (size_t)(unit - text), &is_share, &rate))
        return bench_value_refuse(argument,
                                  "'%.*s' is not a number of records a second from %g to %g, such "
                                  "as 40000, 40k or 1.5M, or 0.5x: that share of what each variant "
                                  "can do",
                                  quoted(bytes), text, RATE_MIN, RATE_MAX);
    *out = (uint64_t)(rate * 1000 + 0.5) | (is_share ? BENCH_RATE_SHARE : 0);
    return 0;
}

int bench_value_entry_size(const struct bench_argument *argument, const char *text, size_t bytes,
                           uint64_t min, uint64_t max, uint64_t *out)
{
    if (is_size(text, bytes, out) && *out >= min && *out <= max)
        return 0;
    return bench_value_refuse(argument,
                              "'%.*s' is not a whole number of bytes from %llu to %llu, such as "
                              "4096, 4K or 4KiB",
                              quoted(bytes), text, (unsigned long long)min,
                              (unsigned long long)max);
}

int bench_value_size(const struct bench_argument *argument, uint64_t min, uint64_t max,
                     uint64_t *out)
{
    return bench_value_entry_size(argument, argument->text, strlen(argument->text), min, max, out);
}

int bench_value_entry_name(const struct bench_argument *argument, const char *text, size_t bytes,
                           const struct bench_name *names, int *out)
{
    char known[256] = "";
    struct bench_near near = {.text = text, .bytes = bytes};
    for (const struct bench_name *name = names; name->name != NULL; name++) {
        if (strlen(name->name) == bytes && memcmp(name->name, text, bytes) == 0) {
            *out = name->value;
            return 0;
        }
        bench_near_look(&near, name->name);
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used > 0 ? ", " : "", name->name);
    }
    return bench_value_refuse(argument, "'%.*s' is not one of %s%s%s%s", quoted(bytes), text, known,
                              near.best != NULL ? "; did you mean " : "",
                              near.best != NULL ? near.best : "", near.best != NULL ? "?" : "");
}

static int add_value(const struct bench_argument *argument, const char *text, size_t bytes,
                     uint64_t value, bool may_repeat, struct bench_list *list)
{
    for (unsigned i = 0; !may_repeat && i < list->count; i++)
        if (list->values[i] == value)
            return bench_value_refuse(argument, "%.*s is listed twice", quoted(bytes), text);
    if (list->count == BENCH_LIST_MAX)
        return bench_value_refuse(argument, "more than %d entries: list fewer, or run it twice",
                                  BENCH_LIST_MAX);
    list->values[list->count++] = value;
    return 0;
}

static int parse_list(const struct bench_argument *argument, bench_value_entry *entry,
                      bool may_repeat, struct bench_list *list)
{
    list->count = 0;
    for (const char *text = argument->text;;) {
        size_t bytes = strcspn(text, ",");
        uint64_t value;
        if (entry(argument, text, bytes, &value) != 0 ||
            add_value(argument, text, bytes, value, may_repeat, list) != 0)
            return -1;
        if (text[bytes] == '\0')
            return 0;
        text += bytes + 1;
    }
}

int bench_value_list(const struct bench_argument *argument, bench_value_entry *entry,
                     struct bench_list *list)
{
    return parse_list(argument, entry, false, list);
}

int bench_value_list_repeated(const struct bench_argument *argument, bench_value_entry *entry,
                              struct bench_list *list)
{
    return parse_list(argument, entry, true, list);
}
