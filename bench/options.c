/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "bounds.h"
#include "clock.h"
#include "near.h"
#include "option_table.h"

#include <stdio.h>
#include <string.h>

#define BIT(option) (UINT64_C(1) << (option))

/* ---- What does not go together --------------------------------------------------------------- */

static int refuse_pair(struct bench_argument *argument, unsigned option, const char *why)
{
    argument->option = bench_option_specs[option].name;
    return bench_value_refuse(argument, "%s", why);
}

/* Refuses the first of the options from `first` to before `end` that was given. */
static int refuse_any(struct bench_argument *argument, uint64_t given, unsigned first, unsigned end,
                      const char *why)
{
    for (unsigned i = first; i < end; i++)
        if ((given & BIT(i)) != 0)
            return refuse_pair(argument, i, why);
    return 0;
}

static int check_clients(struct bench_argument *argument, uint64_t given)
{
    const struct bench_options *options = argument->options;
    if ((given & BIT(OPTION_WINDOW)) != 0)
        return refuse_pair(argument, OPTION_WINDOW,
                           "not together with --clients: each client has one record on its way");
    if ((given & BIT(OPTION_RATE)) != 0)
        return refuse_pair(
            argument, OPTION_RATE,
            "not together with --clients, which go on when their records are durable");
    if ((given & BIT(OPTION_STAGES)) != 0)
        return refuse_pair(argument, OPTION_STAGES,
                           "not together with --clients: the stages are those of an append");
    if (options->clients < bench_list_max(&options->writers))
        return refuse_pair(argument, OPTION_CLIENTS,
                           "fewer than the writers, of which each has some of them");
    return 0;
}

/* An entry is a share of what the variants can do. */
static bool has_share(const struct bench_list *rates)
{
    return bench_rate_is_share(bench_list_max(rates));
}

static int check_load(struct bench_argument *argument, uint64_t given)
{
    const struct bench_options *options = argument->options;
    if ((given & BIT(OPTION_ARRIVALS)) != 0 && (given & BIT(OPTION_RATE)) == 0)
        return refuse_pair(argument, OPTION_ARRIVALS,
                           "only with --rate: else records come when the last one is durable");
    if (options->think_ns > 0 && (given & BIT(OPTION_RATE)) != 0)
        return refuse_pair(argument, OPTION_THINK,
                           "not together with --rate, at which records come whatever clients do");
    if (options->think_ns > 0 && options->clients > 0)
        return refuse_pair(argument, OPTION_THINK,
                           "not together with --clients; use as many --writers");
    if (has_share(&options->rates) && (given & BIT(OPTION_RECORDS)) != 0)
        return refuse_pair(argument, OPTION_RATE,
                           "a share of what a variant can do needs --seconds, not --records: that "
                           "is measured first");
    return 0;
}

/* One after the other, in this process, and each as long as was asked for. */
static int check_slices(struct bench_argument *argument, uint64_t given)
{
    const struct bench_options *options = argument->options;
    const char *why = NULL;
    if ((given & BIT(OPTION_SLICES)) == 0)
        return 0;
    if ((given & BIT(OPTION_REPEAT)) != 0)
        why = "not together with --repeat: each slice is a round";
    else if (options->baseline.path != NULL)
        why = "not together with --baseline, of which each run is a process; use --repeat";
    else if ((given & (BIT(OPTION_RECORDS) | BIT(OPTION_PRESET))) != 0)
        why = "needs --seconds: how long a slice is";
    else if (bench_options_place(options))
        why = "not together with --pin, --pin-sequencer or --ring-memory; use --repeat";
    return why != NULL ? refuse_pair(argument, OPTION_SLICES, why) : 0;
}

static int check_pairs(struct bench_argument *argument, uint64_t given)
{
    if (check_load(argument, given) != 0 || check_slices(argument, given) != 0)
        return -1;
    if ((given & BIT(OPTION_SIZE)) != 0 && (given & BIT(OPTION_SIZE_RANGE)) != 0)
        return refuse_pair(argument, OPTION_SIZE_RANGE, "not together with --size");
    if ((given & BIT(OPTION_SECONDS)) != 0 && (given & BIT(OPTION_RECORDS)) != 0)
        return refuse_pair(argument, OPTION_RECORDS, "not together with --seconds");
    if ((given & BIT(OPTION_FLOORS)) != 0 && (given & BIT(OPTION_NO_FLOORS)) != 0)
        return refuse_pair(argument, OPTION_NO_FLOORS, "not together with --floors");
    if (argument->options->clients > 0)
        return check_clients(argument, given);
    if (bench_list_max(&argument->options->windows) <= 1)
        return 0;
    if ((given & BIT(OPTION_STAGES)) != 0)
        return refuse_pair(argument, OPTION_STAGES,
                           "not together with --window: the stages are those of an append");
    return 0;
}

static bool lists_peer(const struct bench_list *engines)
{
    return bench_list_max(engines) >= BENCH_ENGINE_ROCKSDB;
}

static int check_engines(struct bench_argument *argument, uint64_t given)
{
    const struct bench_options *options = argument->options;
    if (options->lab.sync == LOGFILE_SYNC_NONE &&
        (lists_peer(&options->engines) || options->peers != NULL))
        return refuse_pair(argument, OPTION_SYNC,
                           "none is not for comparison: other stores are measured durable");
    if (bench_list_has(&options->engines, BENCH_ENGINE_RING))
        return 0;
    return refuse_any(argument, given, OPTION_RESERVE, OPTION_LADDER,
                      "ring is not among the engines");
}

static int check_combination(struct bench_argument *argument, uint64_t given)
{
    const struct bench_options *options = argument->options;
    if (options->ladder && options->baseline.path != NULL)
        return refuse_pair(argument, OPTION_BASELINE,
                           "not together with --ladder, whose rungs have no options of their own");
    if (options->labs != NULL && options->baseline.path != NULL)
        return refuse_pair(argument, OPTION_BASELINE,
                           "not together with --lab: what is loaded is of this build alone");
    if (options->peers != NULL && options->baseline.path != NULL)
        return refuse_pair(argument, OPTION_BASELINE,
                           "not together with --peer: a store of one's own is no part of a build");
    if ((given & BIT(OPTION_PROBE)) != 0 && given != BIT(OPTION_PROBE))
        return refuse_pair(argument, OPTION_PROBE, "not together with another option");
    if (options->preset == BENCH_PRESET_README &&
        refuse_any(argument, given, 0, OPTION_PRESET, "not together with --preset readme") != 0)
        return -1;
    if (options->ladder && refuse_any(argument, given, OPTION_ENGINE, OPTION_LADDER,
                                      "not together with --ladder") != 0)
        return -1;
    if (check_engines(argument, given) != 0)
        return -1;
    return check_pairs(argument, given);
}

static int check_runs(const struct bench_argument *argument)
{
    const struct bench_options *options = argument->options;
    uint64_t runs =
        options->repeat * bench_point_count(options) * (uint64_t)options->variants.count;
    if (runs <= BENCH_RUNS_MAX)
        return 0;
    snprintf(argument->message, argument->message_bytes,
             "%llu runs, and at most %u: shorten a list or --repeat", (unsigned long long)runs,
             BENCH_RUNS_MAX);
    return -1;
}

/* ---- What was not given ---------------------------------------------------------------------- */

static void apply_defaults(struct bench_options *options)
{
    if (options->preset == BENCH_PRESET_README) {
        options->writers = (struct bench_list){1, {20}};
        options->sizes = (struct bench_list){1, {512}};
        options->size_max = 1048576;
        options->records = 50;
    }
    if (options->records == 0 && options->duration_ns == 0)
        options->duration_ns = 2 * BENCH_NS_PER_S;
}

static const struct bench_options defaults = {
    .engines = {3, {BENCH_ENGINE_RING, BENCH_ENGINE_MUTEX, BENCH_ENGINE_SERIAL}},
    .reserves = {1, {LOGFILE_RESERVE_FAA}},
    .shards = {1, {8}},
    .flushers = {1, {LOGFILE_FLUSHER_HYBRID}},
    .waits = {1, {LOGFILE_WAIT_ADAPTIVE}},
    .gathers = {1, {0}},
    .wakes = {1, {0}},
    .writers = {4, {1, 4, 16, 64}},
    .sizes = {1, {512}},
    .windows = {1, {1}},
    .rates = {1, {0}},
    .lab = {.sync = LOGFILE_SYNC_FDATASYNC},
    .repeat = 1,
    .seed = 1,
    .dir = ".",
};

uint64_t bench_list_max(const struct bench_list *list)
{
    uint64_t max = 0;
    for (unsigned i = 0; i < list->count; i++)
        max = list->values[i] > max ? list->values[i] : max;
    return max;
}

bool bench_list_has(const struct bench_list *list, uint64_t value)
{
    for (unsigned i = 0; i < list->count; i++)
        if (list->values[i] == value)
            return true;
    return false;
}

bool bench_options_place(const struct bench_options *options)
{
    const struct bench_place_options *place = &options->place;
    return place->pin != BENCH_PIN_NONE || place->sequencer != BENCH_SEQUENCER_ANY ||
           place->memory != BENCH_MEMORY_ANY;
}

unsigned bench_point_count(const struct bench_options *options)
{
    return options->sizes.count * options->windows.count * options->rates.count *
           options->writers.count;
}

struct bench_point bench_point_at(const struct bench_options *options, unsigned index)
{
    unsigned row = index / options->writers.count;
    uint64_t rate = options->rates.values[row % options->rates.count];
    row /= options->rates.count;
    uint64_t size = options->sizes.values[row / options->windows.count];
    return (struct bench_point){
        .writers = (unsigned)options->writers.values[index % options->writers.count],
        .size_min = size,
        .size_max = options->size_max > 0 ? options->size_max : size,
        .window = options->windows.values[row % options->windows.count],
        .rate = rate,
    };
}

/* ---- The command line ------------------------------------------------------------------------ */

static int refuse_word(struct bench_argument *argument, const char *what, const char *word)
{
    snprintf(argument->message, argument->message_bytes, "%s '%.80s' (--help lists the options)",
             what, word);
    return -1;
}

/* An option is written out: what is short for one today may be short for two tomorrow. */
static int refuse_unknown(struct bench_argument *argument, const char *word)
{
    struct bench_near near = {.text = word, .bytes = strcspn(word, "=")};
    near.text += near.bytes > 2 ? 2 : near.bytes;
    near.bytes -= near.bytes > 2 ? 2 : near.bytes;
    for (unsigned i = 0; i < bench_option_count; i++)
        bench_near_look(&near, bench_option_specs[i].name);
    bench_near_look(&near, "help");
    bench_near_look(&near, "version");
    if (near.best == NULL || strncmp(word, "--", 2) != 0)
        return refuse_word(argument, "unknown option", word);
    snprintf(argument->message, argument->message_bytes,
             "unknown option '%.80s'; did you mean --%s? (--help lists the options)", word,
             near.best);
    return -1;
}

/* The place in the table of the option that a word names, with "=VALUE" or without; or -1. */
static int find_option(const char *word)
{
    size_t bytes = strcspn(word, "=");
    if (strncmp(word, "--", 2) != 0)
        return -1;
    for (unsigned i = 0; i < bench_option_count; i++)
        if (strlen(bench_option_specs[i].name) + 2 == bytes &&
            strncmp(word + 2, bench_option_specs[i].name, bytes - 2) == 0)
            return (int)i;
    return -1;
}

/* Help or the version, which end the line: whether a word asks for one of them. */
static bool asks_about(const char *word, struct bench_options *options)
{
    bool help = strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
    if (!help && strcmp(word, "--version") != 0)
        return false;
    options->action = help ? BENCH_HELP : BENCH_VERSION;
    return true;
}

/* Takes the option of word *i, and its value, which may be the next word. */
static int parse_word(int argc, char **argv, int *i, struct bench_argument *argument,
                      uint64_t *given)
{
    const char *word = argv[*i];
    const char *value = strchr(word, '=');
    int index = find_option(word);
    if (word[0] != '-')
        return refuse_word(argument, "not an option:", word);
    if (index < 0)
        return refuse_unknown(argument, word);
    const struct bench_option_spec *spec = &bench_option_specs[index];
    if (!spec->has_value && value != NULL)
        return refuse_word(argument, "no value goes with", word);
    if (spec->has_value && value == NULL && *i + 1 == argc)
        return refuse_word(argument, "a value is missing after", word);
    *given |= BIT(index);
    argument->option = spec->name;
    argument->text = value != NULL ? value + 1 : spec->has_value ? argv[++*i] : NULL;
    argument->options->texts[index] = argument->text;
    return bench_option_take(spec, argument);
}

/* 0 also when a word asks for help or the version, and then looks no further. */
static int parse_words(int argc, char **argv, struct bench_argument *argument, uint64_t *given)
{
    for (int i = 1; i < argc && !asks_about(argv[i], argument->options); i++)
        if (parse_word(argc, argv, &i, argument, given) != 0)
            return -1;
    return 0;
}

int bench_options_parse(int argc, char **argv, struct bench_options *options, char *message,
                        size_t message_bytes)
{
    struct bench_argument argument = {
        .options = options, .message = message, .message_bytes = message_bytes};
    uint64_t given = 0;
    *options = defaults;
    if (parse_words(argc, argv, &argument, &given) != 0)
        return -1;
    if (options->action == BENCH_HELP || options->action == BENCH_VERSION)
        return 0;
    if (check_combination(&argument, given) != 0)
        return -1;
    apply_defaults(options);
    if (bench_variants_make(options, &options->variants, message, message_bytes) != 0)
        return -1;
    bench_variants_tell_apart(&options->variants);
    options->given = given;
    if (options->baseline.path != NULL &&
        bench_variants_add_baseline(&options->variants, message, message_bytes) != 0)
        return -1;
    if ((given & (BIT(OPTION_FLOORS) | BIT(OPTION_NO_FLOORS))) == 0)
        options->floors = bench_bounds_are_cheap(options);
    return check_runs(&argument);
}
