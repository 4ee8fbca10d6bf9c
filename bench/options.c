/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "clock.h"
#include "option_table.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define BIT(option) (UINT64_C(1) << (option))

/* What getopt_long returns: apart from each other and from letters. */
enum {
    VALUE_OF_HELP = 1,
    VALUE_OF_VERSION = 2,
    VALUE_OF_FIRST_SPEC = 256
};

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

static int check_pairs(struct bench_argument *argument, uint64_t given)
{
    if ((given & BIT(OPTION_SIZE)) != 0 && (given & BIT(OPTION_SIZE_RANGE)) != 0)
        return refuse_pair(argument, OPTION_SIZE_RANGE, "not together with --size");
    if ((given & BIT(OPTION_SECONDS)) != 0 && (given & BIT(OPTION_RECORDS)) != 0)
        return refuse_pair(argument, OPTION_RECORDS, "not together with --seconds");
    if (argument->options->clients > 0)
        return check_clients(argument, given);
    if (bench_list_max(&argument->options->windows) <= 1)
        return 0;
    if ((given & BIT(OPTION_RATE)) != 0)
        return refuse_pair(argument, OPTION_RATE,
                           "not together with --window: records of a window wait "
                           "for each other, not for the log");
    if ((given & BIT(OPTION_STAGES)) != 0)
        return refuse_pair(argument, OPTION_STAGES,
                           "not together with --window: the stages are those of an append");
    return 0;
}

static bool lists_peer(const struct bench_list *engines)
{
    return bench_list_max(engines) >= BENCH_ENGINE_ROCKSDB;
}

static bool lists_ring(const struct bench_list *engines)
{
    for (unsigned i = 0; i < engines->count; i++)
        if (engines->values[i] == BENCH_ENGINE_RING)
            return true;
    return false;
}

static int check_engines(struct bench_argument *argument, uint64_t given)
{
    const struct bench_options *options = argument->options;
    if (options->lab.sync == LOGFILE_SYNC_NONE && lists_peer(&options->engines))
        return refuse_pair(argument, OPTION_SYNC,
                           "none is not for comparison: other stores are measured durable");
    if (lists_ring(&options->engines))
        return 0;
    return refuse_any(argument, given, OPTION_RESERVE, OPTION_LADDER,
                      "ring is not among the engines");
}

static int check_combination(struct bench_argument *argument, uint64_t given)
{
    const struct bench_options *options = argument->options;
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
    .writers = {4, {1, 4, 16, 64}},
    .sizes = {1, {512}},
    .windows = {1, {1}},
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

bool bench_options_place(const struct bench_options *options)
{
    const struct bench_place_options *place = &options->place;
    return place->pin != BENCH_PIN_NONE || place->sequencer != BENCH_SEQUENCER_ANY ||
           place->memory != BENCH_MEMORY_ANY;
}

unsigned bench_point_count(const struct bench_options *options)
{
    return options->sizes.count * options->windows.count * options->writers.count;
}

struct bench_point bench_point_at(const struct bench_options *options, unsigned index)
{
    unsigned row = index / options->writers.count;
    uint64_t size = options->sizes.values[row / options->windows.count];
    return (struct bench_point){
        .writers = (unsigned)options->writers.values[index % options->writers.count],
        .size_min = size,
        .size_max = options->size_max > 0 ? options->size_max : size,
        .window = options->windows.values[row % options->windows.count],
    };
}

/* ---- The command line ------------------------------------------------------------------------ */

static void fill_long_options(struct option *long_options)
{
    for (unsigned i = 0; i < bench_option_count; i++)
        long_options[i] = (struct option){.name = bench_option_specs[i].name,
                                          .has_arg = bench_option_specs[i].has_value,
                                          .val = VALUE_OF_FIRST_SPEC + (int)i};
    long_options[bench_option_count] = (struct option){.name = "help", .val = VALUE_OF_HELP};
    long_options[bench_option_count + 1] =
        (struct option){.name = "version", .val = VALUE_OF_VERSION};
    long_options[bench_option_count + 2] = (struct option){.name = NULL};
}

static int refuse_word(struct bench_argument *argument, const char *what, const char *word)
{
    snprintf(argument->message, argument->message_bytes, "%s '%.80s' (--help lists the options)",
             what, word);
    return -1;
}

/* What getopt_long found wrong with a word. */
static int refuse_unknown(struct bench_argument *argument, const char *word)
{
    char letter[] = {'-', (char)optopt, '\0'};
    bool is_letter = optopt > ' ' && optopt <= '~';
    if (optopt >= VALUE_OF_FIRST_SPEC || optopt == VALUE_OF_HELP || optopt == VALUE_OF_VERSION)
        return refuse_word(argument, "no value goes with", word);
    return refuse_word(argument, "unknown option", is_letter ? letter : word);
}

/* Goes through the words; 0 also when one asks for help or the version, and then looks no further. */
static int parse_words(int argc, char **argv, struct bench_argument *argument, uint64_t *given)
{
    struct option long_options[BENCH_OPTIONS_MAX + 3];
    int chosen;
    fill_long_options(long_options);
    opterr = 0;
    while ((chosen = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        if (chosen == VALUE_OF_HELP || chosen == VALUE_OF_VERSION) {
            argument->options->action = chosen == VALUE_OF_HELP ? BENCH_HELP : BENCH_VERSION;
            return 0;
        }
        if (chosen == ':')
            return refuse_word(argument, "a value is missing after", argv[optind - 1]);
        if (chosen == '?')
            return refuse_unknown(argument, argv[optind - 1]);
        unsigned index = (unsigned)(chosen - VALUE_OF_FIRST_SPEC);
        *given |= BIT(index);
        argument->option = bench_option_specs[index].name;
        argument->text = optarg;
        if (bench_option_take(&bench_option_specs[index], argument) != 0)
            return -1;
    }
    return optind < argc ? refuse_word(argument, "not an option:", argv[optind]) : 0;
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
    return check_runs(&argument);
}
