/* SPDX-License-Identifier: MIT */
#include "costs.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LEVELS_MAX = 8,
    LINE_BYTES = 8192, /* of a row of 256 numbers */
    LINE_NS_MAX = 100000
};

struct costs costs;

/* What a file tells, until all of it has been read. */
struct reading {
    const char *path;
    unsigned line;
    char *message;
    size_t message_bytes;
    unsigned level_count, row_count;
    unsigned within[LEVELS_MAX]; /* processors of one group of this level */
    uint32_t level_ps[LEVELS_MAX];
};

struct cost {
    const char *key;
    uint64_t *value;
    double unit, least, most;
};

static const struct cost table[] = {
#define ENTRY(key, unit, least, most) {#key, &costs.key, (double)(unit), least, most},
    SCALE_COSTS(ENTRY)
#undef ENTRY
};

enum {
    COST_COUNT = sizeof table / sizeof *table
};

__attribute__((format(printf, 2, 3))) static int refuse(struct reading *reading, const char *format,
                                                        ...)
{
    va_list arguments;
    int length = 0;

    if (reading->path != NULL)
        length = snprintf(reading->message, reading->message_bytes, "%s:%u: ", reading->path,
                          reading->line);
    if (length < 0 || (size_t)length >= reading->message_bytes)
        return -1;
    va_start(arguments, format);
    vsnprintf(reading->message + length, reading->message_bytes - (size_t)length, format,
              arguments);
    va_end(arguments);
    return -1;
}

/* Without the blanks at both ends. */
static char *trim(char *text)
{
    text += strspn(text, " \t");
    for (size_t length = strlen(text); length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL;)
        text[--length] = '\0';
    return text;
}

static int read_number(struct reading *reading, const char *key, const char *text, double least,
                       double most, double *number)
{
    char *end;

    errno = 0;
    *number = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !isfinite(*number))
        return refuse(reading, "%s: \"%.40s\" is not a number", key, text);
    if (*number < least || *number > most)
        return refuse(reading, "%s: %.12g is not from %.12g to %.12g", key, *number, least, most);
    return 0;
}

static int set_cost(struct reading *reading, const char *key, const char *value, bool *given)
{
    double number;

    for (unsigned i = 0; i < COST_COUNT; i++) {
        const struct cost *cost = &table[i];
        if (strcmp(cost->key, key) != 0)
            continue;
        if (given != NULL && given[i])
            return refuse(reading, "%s is given twice", key);
        if (read_number(reading, key, value, cost->least, cost->most, &number) != 0)
            return -1;
        if (cost->unit == 1 && number != floor(number))
            return refuse(reading, "%s: %.12g is not a whole number", key, number);
        *cost->value = (uint64_t)llround(number * cost->unit);
        if (given != NULL)
            given[i] = true;
        return 0;
    }
    return refuse(reading, "\"%.40s\" is no cost", key);
}

/* within 16 = 40 */
static int read_level(struct reading *reading, const char *group, const char *value)
{
    double processors, ns;
    unsigned before = reading->level_count > 0 ? reading->within[reading->level_count - 1] : 1;

    if (reading->level_count == LEVELS_MAX)
        return refuse(reading, "more than %d distances", LEVELS_MAX);
    if (read_number(reading, "within", group, 2, CPUS_MAX, &processors) != 0 ||
        read_number(reading, "within", value, 0, LINE_NS_MAX, &ns) != 0)
        return -1;
    if (processors != floor(processors) || (unsigned)processors <= before ||
        (unsigned)processors % before != 0)
        return refuse(reading, "within %s: not a multiple of %u, which is nearer", group, before);
    reading->within[reading->level_count] = (unsigned)processors;
    reading->level_ps[reading->level_count++] = (uint32_t)llround(ns * (double)PS_PER_NS);
    return 0;
}

/* row 1 = 40 0 95 95 */
static int read_row(struct reading *reading, const char *number, char *value)
{
    double row, ns;
    unsigned column = 0;

    if (read_number(reading, "row", number, 0, CPUS_MAX - 1, &row) != 0)
        return -1;
    if (row != reading->row_count)
        return refuse(reading, "row %s comes after row %d", number, (int)reading->row_count - 1);
    for (char *word = strtok(value, " \t"); word != NULL; word = strtok(NULL, " \t")) {
        if (column == CPUS_MAX)
            return refuse(reading, "row %s has more than %u numbers", number, CPUS_MAX);
        if (read_number(reading, "row", word, 0, LINE_NS_MAX, &ns) != 0)
            return -1;
        costs.line_ps[reading->row_count][column++] = (uint32_t)llround(ns * (double)PS_PER_NS);
    }
    if (costs.processors != 0 && column != costs.processors)
        return refuse(reading, "row %s has %u numbers, and the machine %u processors", number,
                      column, (unsigned)costs.processors);
    reading->row_count++;
    return 0;
}

static int read_line(struct reading *reading, char *text, bool *given)
{
    text[strcspn(text, "#")] = '\0';
    char *key = trim(text);
    char *value = strchr(key, '=');

    if (*key == '\0')
        return 0;
    if (value == NULL)
        return refuse(reading, "\"%.40s\" is not key = value", key);
    *value++ = '\0';
    key = trim(key);
    value = trim(value);
    if (strncmp(key, "within ", 7) == 0)
        return read_level(reading, trim(key + 7), value);
    if (strncmp(key, "row ", 4) == 0)
        return read_row(reading, trim(key + 4), value);
    if (strcmp(key, "name") != 0)
        return set_cost(reading, key, value, given);
    if (*value == '\0' || strlen(value) >= sizeof costs.name)
        return refuse(reading, "name: not of 1 to %zu bytes", sizeof costs.name - 1);
    strcpy(costs.name, value);
    return 0;
}

/* The time between two processors is that of the nearest level whose group holds both. */
static void fill_by_level(const struct reading *reading)
{
    for (unsigned a = 0; a < costs.processors; a++)
        for (unsigned b = 0; b < costs.processors; b++) {
            unsigned level = 0;
            while (a / reading->within[level] != b / reading->within[level])
                level++;
            costs.line_ps[a][b] = a == b ? 0 : reading->level_ps[level];
        }
}

/* A machine is whole if each cost is there, and within its range. */
static int finish(struct reading *reading, const bool *given)
{
    for (unsigned i = 0; i < COST_COUNT; i++)
        if (!given[i])
            return refuse(reading, "%s is missing", table[i].key);
    if (costs.name[0] == '\0')
        return refuse(reading, "name is missing");
    if (costs.request_percent + costs.data_percent > 100)
        return refuse(reading, "request_percent and data_percent are more than 100 together");
    if (reading->row_count > 0 && reading->level_count > 0)
        return refuse(reading, "distances are given by rows and by \"within\"");
    if (reading->row_count > 0 && reading->row_count != costs.processors)
        return refuse(reading, "%u rows, and %u processors", reading->row_count,
                      (unsigned)costs.processors);
    if (reading->row_count > 0)
        return 0;
    if (costs.processors > 1 &&
        (reading->level_count == 0 || reading->within[reading->level_count - 1] < costs.processors))
        return refuse(reading, "no distance covers all %u processors", (unsigned)costs.processors);
    if (costs.processors > 1)
        fill_by_level(reading);
    return 0;
}

int costs_read(const char *path, char *message, size_t message_bytes)
{
    struct reading reading = {.path = path, .message = message, .message_bytes = message_bytes};
    static char text[LINE_BYTES];
    bool given[COST_COUNT] = {false};
    FILE *file = fopen(path, "r");
    int result = 0;

    if (file == NULL) {
        snprintf(message, message_bytes, "%s: %s", path, strerror(errno));
        return -1;
    }
    memset(&costs, 0, sizeof costs);
    while (result == 0 && fgets(text, sizeof text, file) != NULL) {
        reading.line++;
        if (strchr(text, '\n') == NULL && !feof(file))
            result = refuse(&reading, "longer than %d bytes", LINE_BYTES - 2);
        else
            result = read_line(&reading, text, given);
    }
    if (result == 0 && ferror(file))
        result = refuse(&reading, "%s", strerror(errno));
    fclose(file);
    return result == 0 ? finish(&reading, given) : result;
}

int costs_select(unsigned processors, unsigned nodes, char *message, size_t message_bytes)
{
    static uint32_t selected_ps[CPUS_MAX][CPUS_MAX];
    struct reading reading = {.message = message, .message_bytes = message_bytes};
    unsigned node = (unsigned)costs.node_processors;
    unsigned each = processors / nodes;

    if (each == 0 || processors % nodes != 0 || (nodes > 1 && each > node) ||
        processors > costs.processors || (nodes - 1) * node + each > costs.processors)
        return refuse(&reading, "%s has no %u processors on %u of its nodes", costs.name,
                      processors, nodes);
    for (unsigned a = 0; a < processors; a++)
        for (unsigned b = 0; b < processors; b++)
            selected_ps[a][b] =
                costs.line_ps[a / each * node + a % each][b / each * node + b % each];
    memcpy(costs.line_ps, selected_ps, sizeof selected_ps);
    if (nodes > 1)
        costs.node_processors = each;
    costs.processors = processors;
    return 0;
}

int costs_set(const char *assignment, char *message, size_t message_bytes)
{
    struct reading reading = {.message = message, .message_bytes = message_bytes};
    char text[128];
    char *value;

    if (strlen(assignment) >= sizeof text)
        return refuse(&reading, "\"%.40s...\" is not key=value", assignment);
    strcpy(text, assignment);
    value = strchr(text, '=');
    if (value == NULL)
        return refuse(&reading, "\"%.40s\" is not key=value", assignment);
    *value++ = '\0';
    if (strcmp(text, "processors") == 0)
        return refuse(&reading, "processors is set by the machine's file alone");
    return set_cost(&reading, text, value, NULL);
}
