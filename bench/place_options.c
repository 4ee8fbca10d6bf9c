/* SPDX-License-Identifier: MIT */
/* The values of --pin, --pin-sequencer and --ring-memory, read and written. */
#include "place.h"
#include "verdict.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* A value is a name, or a name, a colon and a number. */
struct choice {
    const char *name; /* NULL ends a list */
    int value;
    bool numbered;
};

static const struct choice pins[] = {
    {"none", BENCH_PIN_NONE, false},
    {"compact", BENCH_PIN_COMPACT, false},
    {"scatter", BENCH_PIN_SCATTER, false},
    {"node", BENCH_PIN_NODE, true},
    {NULL, 0, false},
};
static const struct choice sequencers[] = {
    {"any", BENCH_SEQUENCER_ANY, false},
    {"same", BENCH_SEQUENCER_SAME, false},
    {"far", BENCH_SEQUENCER_FAR, false},
    {"core", BENCH_SEQUENCER_CORE, true},
    {NULL, 0, false},
};
static const struct choice memories[] = {
    {"any", BENCH_MEMORY_ANY, false},         {"sequencer", BENCH_MEMORY_SEQUENCER, false},
    {"writers", BENCH_MEMORY_WRITERS, false}, {"interleaved", BENCH_MEMORY_INTERLEAVED, false},
    {"node", BENCH_MEMORY_NODE, true},        {NULL, 0, false},
};
static const char pin_values[] = "none, compact, scatter, node:N, list:0,2-3";
static const char sequencer_values[] = "any, same, far, core:N";
static const char memory_values[] = "any, sequencer, writers, interleaved, node:N";
static const char list_prefix[] = "list:";

/* ---- Reading --------------------------------------------------------------------------------- */

/* Takes the digits that *text starts with.  Numbers end at INT_MAX, where hwloc's bitmaps do. */
static bool take_number(const char **text, unsigned *number)
{
    if (!isdigit((unsigned char)**text))
        return false;
    for (*number = 0; isdigit((unsigned char)**text); ++*text) {
        unsigned digit = (unsigned)(**text - '0');
        if (*number > (INT_MAX - digit) / 10)
            return false;
        *number = *number * 10 + digit;
    }
    return true;
}

static const struct choice *find_choice(const struct choice *choices, const char *text)
{
    size_t bytes = strcspn(text, ":");
    for (const struct choice *choice = choices; choice->name != NULL; choice++)
        if (strlen(choice->name) == bytes && memcmp(choice->name, text, bytes) == 0 &&
            (choice->numbered || text[bytes] == '\0'))
            return choice;
    return NULL;
}

static int parse_choice(const struct verdict *verdict, const char *text,
                        const struct choice *choices, const char *values, unsigned *number)
{
    const struct choice *choice = find_choice(choices, text);
    if (choice == NULL)
        return refuse(verdict, "'%.40s' is not one of %s", text, values);
    if (!choice->numbered)
        return choice->value;
    const char *digits = text + strcspn(text, ":");
    if (*digits++ != ':' || !take_number(&digits, number) || *digits != '\0')
        return refuse(verdict, "'%.40s' is not %s:NUMBER", text, choice->name);
    return choice->value;
}

/* Takes "2" or "2-5", and what follows up to the next one. */
static bool take_range(const char **text, unsigned *first, unsigned *last)
{
    if (!take_number(text, first))
        return false;
    *last = *first;
    if (**text == '-') {
        ++*text;
        if (!take_number(text, last) || *last < *first)
            return false;
    }
    if (**text == ',')
        return *++*text != '\0';
    return **text == '\0';
}

/* Appends the range to the list as far as there is room. */
static bool add_range(struct bench_place_options *options, unsigned first, unsigned last)
{
    if (last - first >= BENCH_PLACE_LIST_MAX - options->pin_list_count)
        return false;
    for (unsigned unit = first; unit <= last; unit++)
        options->pin_list[options->pin_list_count++] = unit;
    return true;
}

static size_t print_list(const struct bench_place_options *options, char *text);

static int parse_list(const struct verdict *verdict, const char *value,
                      struct bench_place_options *options)
{
    const char *text = value + strlen(list_prefix);
    options->pin_list_count = 0;
    do {
        unsigned first, last;
        if (!take_range(&text, &first, &last))
            return refuse(verdict, "'%.40s' is not a list of numbers and ranges, as list:0,2-3",
                          value);
        if (!add_range(options, first, last))
            return refuse(verdict, "more than %d entries", BENCH_PLACE_LIST_MAX);
    } while (*text != '\0');
    char printed[BENCH_PLACE_TEXT];
    if (print_list(options, printed) >= sizeof printed)
        return refuse(verdict, "a list of more than %zu characters", sizeof printed - 1);
    return BENCH_PIN_LIST;
}

int bench_place_parse_pin(const char *text, struct bench_place_options *options, char *message,
                          size_t message_bytes)
{
    const struct verdict verdict = {message, message_bytes};
    struct bench_place_options parsed = *options;
    bool listed = strncmp(text, list_prefix, strlen(list_prefix)) == 0;
    int pin = listed ? parse_list(&verdict, text, &parsed)
                     : parse_choice(&verdict, text, pins, pin_values, &parsed.pin_node);
    if (pin < 0)
        return -1;
    *options = parsed;
    options->pin = (enum bench_pin_policy)pin;
    return 0;
}

int bench_place_parse_sequencer(const char *text, struct bench_place_options *options,
                                char *message, size_t message_bytes)
{
    const struct verdict verdict = {message, message_bytes};
    unsigned core = 0;
    int sequencer = parse_choice(&verdict, text, sequencers, sequencer_values, &core);
    if (sequencer < 0)
        return -1;
    options->sequencer = (enum bench_place_sequencer)sequencer;
    options->sequencer_core = core;
    return 0;
}

int bench_place_parse_memory(const char *text, struct bench_place_options *options, char *message,
                             size_t message_bytes)
{
    const struct verdict verdict = {message, message_bytes};
    unsigned node = 0;
    int memory = parse_choice(&verdict, text, memories, memory_values, &node);
    if (memory < 0)
        return -1;
    options->memory = (enum bench_place_memory)memory;
    options->memory_node = node;
    return 0;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void print_choice(const struct choice *choices, int value, unsigned number, char *text)
{
    const struct choice *choice = choices;
    while (choice->name != NULL && choice->value != value)
        choice++;
    if (choice->name == NULL)
        snprintf(text, BENCH_PLACE_TEXT, "?");
    else if (choice->numbered)
        snprintf(text, BENCH_PLACE_TEXT, "%s:%u", choice->name, number);
    else
        snprintf(text, BENCH_PLACE_TEXT, "%s", choice->name);
}

/* How many entries from `first` on count up one by one. */
static unsigned run_length(const struct bench_place_options *options, unsigned first)
{
    unsigned next = first + 1;
    while (next < options->pin_list_count &&
           options->pin_list[next] == options->pin_list[next - 1] + 1)
        next++;
    return next - first;
}

/* In the order that was asked for.  The length that it would take, as snprintf has it. */
static size_t print_list(const struct bench_place_options *options, char *text)
{
    size_t used = (size_t)snprintf(text, BENCH_PLACE_TEXT, "%s", list_prefix);
    for (unsigned i = 0, length; i < options->pin_list_count; i += length) {
        char entry[32];
        unsigned first = options->pin_list[i];
        length = run_length(options, i);
        if (length > 1)
            snprintf(entry, sizeof entry, "%u-%u", first, first + length - 1);
        else
            snprintf(entry, sizeof entry, "%u", first);
        size_t left = used < BENCH_PLACE_TEXT ? BENCH_PLACE_TEXT - used : 0;
        used +=
            (size_t)snprintf(left > 0 ? text + used : NULL, left, "%s%s", i > 0 ? "," : "", entry);
    }
    return used;
}

void bench_place_print_pin(const struct bench_place_options *options, char *text)
{
    if (options->pin == BENCH_PIN_LIST)
        print_list(options, text);
    else
        print_choice(pins, (int)options->pin, options->pin_node, text);
}

void bench_place_print_sequencer(const struct bench_place_options *options, char *text)
{
    print_choice(sequencers, (int)options->sequencer, options->sequencer_core, text);
}

void bench_place_print_memory(const struct bench_place_options *options, char *text)
{
    print_choice(memories, (int)options->memory, options->memory_node, text);
}
