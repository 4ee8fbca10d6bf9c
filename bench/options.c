/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "clock.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct bench_name bench_engine_names[] = {
    {"ring", LOGFILE_ENGINE_RING},
    {"mutex", LOGFILE_ENGINE_MUTEX},
    {"serial", LOGFILE_ENGINE_SERIAL},
    {NULL, 0},
};
const struct bench_name bench_reserve_names[] = {
    {"faa", LOGFILE_RESERVE_FAA},       {"cas", LOGFILE_RESERVE_CAS},
    {"ticket", LOGFILE_RESERVE_TICKET}, {"mcs", LOGFILE_RESERVE_MCS},
    {"mutex", LOGFILE_RESERVE_MUTEX},   {NULL, 0},
};
const struct bench_name bench_flusher_names[] = {
    {"hybrid", LOGFILE_FLUSHER_HYBRID},
    {"sequencer", LOGFILE_FLUSHER_SEQUENCER},
    {"leader", LOGFILE_FLUSHER_LEADER},
    {NULL, 0},
};
const struct bench_name bench_wait_names[] = {
    {"adaptive", LOGFILE_WAIT_ADAPTIVE},
    {"block", LOGFILE_WAIT_BLOCK},
    {"spin", LOGFILE_WAIT_SPIN},
    {NULL, 0},
};
const struct bench_name bench_io_names[] = {
    {"auto", LOGFILE_IO_AUTO},
    {"direct", LOGFILE_IO_DIRECT},
    {"buffered", LOGFILE_IO_BUFFERED},
    {NULL, 0},
};
const struct bench_name bench_sync_names[] = {
    {"fdatasync", LOGFILE_SYNC_FDATASYNC},
    {"dsync", LOGFILE_SYNC_DSYNC},
    {"none", LOGFILE_SYNC_NONE},
    {NULL, 0},
};
const struct bench_name bench_prepare_names[] = {
    {"zero", LOGFILE_PREPARE_ZERO},
    {"allocate", LOGFILE_PREPARE_ALLOCATE},
    {"none", LOGFILE_PREPARE_NONE},
    {NULL, 0},
};
const struct bench_name bench_checksum_names[] = {
    {"full", LOGFILE_CHECKSUM_FULL},
    {"header", LOGFILE_CHECKSUM_HEADER},
    {NULL, 0},
};
const struct bench_name bench_device_names[] = {
    {"file", BENCH_DEVICE_FILE},
    {"null", BENCH_DEVICE_NULL},
    {"delay", BENCH_DEVICE_DELAY},
    {NULL, 0},
};
const struct bench_name bench_pin_names[] = {
    {"none", BENCH_PIN_NONE},
    {"compact", BENCH_PIN_COMPACT},
    {"scatter", BENCH_PIN_SCATTER},
    {"node", BENCH_PIN_NODE},
    {NULL, 0},
};
const struct bench_name bench_preset_names[] = {
    {"readme", BENCH_PRESET_README},
    {NULL, 0},
};

const char bench_usage[] =
    "usage: logfile-bench [OPTION VALUE]...\n"
    "Measures durable appends: how fast, how long each takes, and how that grows with writers.\n"
    "\n"
    "what is appended\n"
    "  --engine LIST      of ring, mutex, serial [all three]\n"
    "  --writers LIST     numbers of concurrent writers, one run each [1,4,16,64]\n"
    "  --size BYTES       of each record [512]\n"
    "  --size-range A:B   sizes drawn evenly from A to B bytes\n"
    "  --window W         records submitted and not yet durable, per writer; 1: append [1]\n"
    "  --rate R           records per second, all writers together, on a fixed schedule (open "
    "loop)\n"
    "  --preset readme    20 writers, 50 records each of 512 B to 1 MiB, opening the log timed\n"
    "how long\n"
    "  --seconds S        timed part of each run, after a warm-up [2]\n"
    "  --records N        per writer, instead of --seconds\n"
    "  --repeat N         interleaved rounds; the table shows medians [1]\n"
    "where\n"
    "  --device WHAT      file, null (forgets), delay:USEC (forgets; a sync takes USEC) [file]\n"
    "  --dir DIR          where the log file is made, and removed again [.]\n"
    "  --pin HOW          none, compact, scatter, node:N [none]\n"
    "how the log works\n"
    "  --flusher F        hybrid, sequencer, leader [hybrid]\n"
    "  --wait W           adaptive, block, spin [adaptive]\n"
    "  --reserve P        faa, cas, ticket, mcs, mutex [faa]\n"
    "  --io M             auto, direct, buffered [auto]\n"
    "  --sync S           fdatasync, dsync, none (unsafe) [fdatasync]\n"
    "  --prepare P        zero, allocate, none [zero]\n"
    "  --checksum C       full, header [full]\n"
    "  --slot-bytes N     size of one buffer [the library's default]\n"
    "  --segment-bytes N  a directory of segments of that size, not one file\n"
    "  --trim-keep BYTES  keep the last of the log and trim the rest, all the time\n"
    "results\n"
    "  --json FILE        one JSON object per run and line, as they come\n"
    "  --seed N           of payloads and sizes [1]\n"
    "  --help, --version\n"
    "or\n"
    "  --probe DIR        how long syncs take in DIR, by how they are made; appends nothing\n"
    "\n"
    "The table goes to standard output, progress to standard error.  logfile-bench(1) tells "
    "more.\n";

/* One option being parsed. */
struct argument {
    const char *option; /* without the dashes */
    const char *text;
    struct bench_options *options;
    char *message;
    size_t message_bytes;
};

static int refuse(const struct argument *argument, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int refuse(const struct argument *argument, const char *format, ...)
{
    char what[256];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    snprintf(argument->message, argument->message_bytes, "--%s: %s", argument->option, what);
    return -1;
}

const char *bench_name_of(const struct bench_name *names, int value)
{
    while (names->name != NULL && names->value != value)
        names++;
    return names->name != NULL ? names->name : "?";
}

/* ---- Values ---------------------------------------------------------------------------------- */

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

static int parse_number(const struct argument *argument, uint64_t min, uint64_t max, uint64_t *out)
{
    uint64_t value;
    if (!is_number(argument->text, strlen(argument->text), &value) || value < min || value > max)
        return refuse(argument, "'%.40s' is not a whole number from %llu to %llu", argument->text,
                      (unsigned long long)min, (unsigned long long)max);
    *out = value;
    return 0;
}

static int parse_real(const struct argument *argument, double min, double max, double *out)
{
    char *end;
    double value = strtod(argument->text, &end);
    bool plain = strspn(argument->text, "0123456789.") == strlen(argument->text);
    if (!plain || *end != '\0' || end == argument->text || !(value >= min && value <= max))
        return refuse(argument, "'%.40s' is not a number from %g to %g", argument->text, min, max);
    *out = value;
    return 0;
}

static int parse_name(const struct argument *argument, const char *text, size_t bytes,
                      const struct bench_name *names, int *out)
{
    char known[128] = "";
    for (const struct bench_name *name = names; name->name != NULL; name++) {
        if (strlen(name->name) == bytes && memcmp(name->name, text, bytes) == 0) {
            *out = name->value;
            return 0;
        }
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used > 0 ? ", " : "", name->name);
    }
    return refuse(argument, "'%.*s' is not one of %s", bytes < 40 ? (int)bytes : 40, text, known);
}

static int parse_engines(const struct argument *argument)
{
    struct bench_options *options = argument->options;
    options->engine_count = 0;
    for (const char *text = argument->text;;) {
        size_t bytes = strcspn(text, ",");
        int engine = 0;
        if (parse_name(argument, text, bytes, bench_engine_names, &engine) != 0)
            return -1;
        for (unsigned i = 0; i < options->engine_count; i++)
            if (options->engines[i] == (enum logfile_engine)engine)
                return refuse(argument, "%.*s is listed twice", (int)bytes, text);
        options->engines[options->engine_count++] = (enum logfile_engine)engine;
        if (text[bytes] == '\0')
            return 0;
        text += bytes + 1;
    }
}

static int parse_writers(const struct argument *argument)
{
    struct bench_options *options = argument->options;
    options->writers_count = 0;
    for (const char *text = argument->text;;) {
        size_t bytes = strcspn(text, ",");
        uint64_t count;
        if (!is_number(text, bytes, &count) || count < 1 || count > BENCH_WRITERS_MAX)
            return refuse(argument, "'%.*s' is not a number of writers from 1 to %u",
                          bytes < 40 ? (int)bytes : 40, text, BENCH_WRITERS_MAX);
        for (unsigned i = 0; i < options->writers_count; i++)
            if (options->writers[i] == count)
                return refuse(argument, "%.*s is listed twice", (int)bytes, text);
        if (options->writers_count == BENCH_COUNTS_MAX)
            return refuse(argument, "more than %d numbers", BENCH_COUNTS_MAX);
        options->writers[options->writers_count++] = (unsigned)count;
        if (text[bytes] == '\0')
            return 0;
        text += bytes + 1;
    }
}

static int parse_size(const struct argument *argument)
{
    uint64_t size;
    if (parse_number(argument, 0, UINT32_MAX, &size) != 0)
        return -1;
    argument->options->size_min = argument->options->size_max = size;
    return 0;
}

static int parse_size_range(const struct argument *argument)
{
    const char *colon = strchr(argument->text, ':');
    uint64_t min, max;
    if (colon == NULL || !is_number(argument->text, (size_t)(colon - argument->text), &min) ||
        !is_number(colon + 1, strlen(colon + 1), &max) || min > max || max > UINT32_MAX)
        return refuse(argument, "'%.40s' is not SMALLEST:LARGEST in bytes", argument->text);
    argument->options->size_min = min;
    argument->options->size_max = max;
    return 0;
}

static int parse_seconds(const struct argument *argument)
{
    double seconds;
    if (parse_real(argument, 0.01, 86400, &seconds) != 0)
        return -1;
    argument->options->duration_ns = (uint64_t)(seconds * (double)BENCH_NS_PER_S);
    return 0;
}

static int parse_records(const struct argument *argument)
{
    return parse_number(argument, 1, UINT64_C(1) << 40, &argument->options->records);
}

static int parse_window(const struct argument *argument)
{
    return parse_number(argument, 1, UINT64_C(1) << 24, &argument->options->window);
}

static int parse_rate(const struct argument *argument)
{
    return parse_real(argument, 0.001, 1e9, &argument->options->rate);
}

static int parse_repeat(const struct argument *argument)
{
    return parse_number(argument, 1, 1000, &argument->options->repeat);
}

static int parse_seed(const struct argument *argument)
{
    return parse_number(argument, 0, UINT64_MAX, &argument->options->seed);
}

static int parse_slot_bytes(const struct argument *argument)
{
    uint64_t bytes;
    if (parse_number(argument, 1, UINT32_MAX, &bytes) != 0)
        return -1;
    argument->options->log.slot_bytes = bytes;
    return 0;
}

static int parse_segment_bytes(const struct argument *argument)
{
    return parse_number(argument, 1, UINT64_C(1) << 40, &argument->options->log.segment_bytes);
}

static int parse_trim_keep(const struct argument *argument)
{
    return parse_number(argument, 1, UINT64_C(1) << 50, &argument->options->trim_keep_bytes);
}

/* NAME, or NAME:NUMBER where the number belongs to the name. */
static int parse_name_number(const struct argument *argument, const struct bench_name *names,
                             const char *numbered, int *value, uint64_t *number)
{
    size_t bytes = strcspn(argument->text, ":");
    bool wants_number = bytes == strlen(numbered) && memcmp(argument->text, numbered, bytes) == 0;
    if (!wants_number)
        return parse_name(argument, argument->text, strlen(argument->text), names, value);
    const char *digits = argument->text + bytes + (argument->text[bytes] == ':');
    if (!is_number(digits, strlen(digits), number) || *number > UINT32_MAX)
        return refuse(argument, "'%.40s' is not %s:NUMBER", argument->text, numbered);
    return parse_name(argument, argument->text, bytes, names, value);
}

static int parse_device(const struct argument *argument)
{
    int device = 0;
    uint64_t usec = 0;
    if (parse_name_number(argument, bench_device_names, "delay", &device, &usec) != 0)
        return -1;
    if (device == BENCH_DEVICE_DELAY && (usec < 1 || usec > 10000000))
        return refuse(argument, "a delay is 1 to 10000000 microseconds");
    argument->options->device = (enum bench_device_kind)device;
    argument->options->delay_ns = usec * 1000;
    return 0;
}

static int parse_pin(const struct argument *argument)
{
    int pin = 0;
    uint64_t node = 0;
    if (parse_name_number(argument, bench_pin_names, "node", &pin, &node) != 0)
        return -1;
    argument->options->pin = (enum bench_pin_policy)pin;
    argument->options->pin_node = (unsigned)node;
    return 0;
}

static int parse_dir(const struct argument *argument)
{
    if (argument->text[0] == '\0')
        return refuse(argument, "an empty name");
    argument->options->dir = argument->text;
    return 0;
}

static int parse_probe(const struct argument *argument)
{
    argument->options->action = BENCH_PROBE;
    return parse_dir(argument);
}

static int parse_json(const struct argument *argument)
{
    if (argument->text[0] == '\0')
        return refuse(argument, "an empty name");
    argument->options->json_path = argument->text;
    return 0;
}

/* ---- The list of options --------------------------------------------------------------------- */

/* An option either has a parser, or is a choice of `names` that is stored at `offset`. */
struct option_spec {
    const char *name;
    int (*parse)(const struct argument *argument);
    const struct bench_name *names;
    size_t offset;
};

enum {
    SIZE,
    SIZE_RANGE,
    WRITERS,
    WINDOW,
    RATE,
    SECONDS,
    RECORDS,
    PRESET,
    PROBE,
    OTHERS /* that nothing else conflicts with */
};

static const struct option_spec specs[] = {
    [SIZE] = {"size", parse_size, NULL, 0},
    [SIZE_RANGE] = {"size-range", parse_size_range, NULL, 0},
    [WRITERS] = {"writers", parse_writers, NULL, 0},
    [WINDOW] = {"window", parse_window, NULL, 0},
    [RATE] = {"rate", parse_rate, NULL, 0},
    [SECONDS] = {"seconds", parse_seconds, NULL, 0},
    [RECORDS] = {"records", parse_records, NULL, 0},
    [PRESET] = {"preset", NULL, bench_preset_names, offsetof(struct bench_options, preset)},
    [PROBE] = {"probe", parse_probe, NULL, 0},
    [OTHERS] = {"engine", parse_engines, NULL, 0},
    {"repeat", parse_repeat, NULL, 0},
    {"seed", parse_seed, NULL, 0},
    {"device", parse_device, NULL, 0},
    {"dir", parse_dir, NULL, 0},
    {"pin", parse_pin, NULL, 0},
    {"json", parse_json, NULL, 0},
    {"slot-bytes", parse_slot_bytes, NULL, 0},
    {"segment-bytes", parse_segment_bytes, NULL, 0},
    {"trim-keep", parse_trim_keep, NULL, 0},
    {"reserve", NULL, bench_reserve_names, offsetof(struct bench_options, log.reserve)},
    {"flusher", NULL, bench_flusher_names, offsetof(struct bench_options, log.flusher)},
    {"wait", NULL, bench_wait_names, offsetof(struct bench_options, log.wait)},
    {"io", NULL, bench_io_names, offsetof(struct bench_options, log.io_mode)},
    {"sync", NULL, bench_sync_names, offsetof(struct bench_options, log.sync)},
    {"prepare", NULL, bench_prepare_names, offsetof(struct bench_options, log.prepare)},
    {"checksum", NULL, bench_checksum_names, offsetof(struct bench_options, log.checksum)},
};

#define SPEC_COUNT (sizeof specs / sizeof specs[0])
_Static_assert(SPEC_COUNT < 32, "one bit each in `given`");
_Static_assert(sizeof(enum logfile_sync) == sizeof(int), "choices are stored as int");

/* What getopt_long returns: apart from each other and from letters. */
enum {
    VALUE_OF_HELP = 1,
    VALUE_OF_VERSION = 2,
    VALUE_OF_FIRST_SPEC = 256
};

static int parse_option(const struct option_spec *spec, const struct argument *argument)
{
    if (spec->parse != NULL)
        return spec->parse(argument);
    int value = 0;
    if (parse_name(argument, argument->text, strlen(argument->text), spec->names, &value) != 0)
        return -1;
    memcpy((char *)argument->options + spec->offset, &value, sizeof value);
    return 0;
}

/* ---- What does not go together --------------------------------------------------------------- */

static int refuse_pair(struct argument *argument, unsigned option, const char *why)
{
    argument->option = specs[option].name;
    return refuse(argument, "%s", why);
}

static int check_combination(struct argument *argument, unsigned given)
{
    const struct bench_options *options = argument->options;
    if (options->action == BENCH_PROBE && given != 1U << PROBE)
        return refuse_pair(argument, PROBE, "not together with another option");
    if (options->preset == BENCH_PRESET_README) {
        for (unsigned i = 0; i < PRESET; i++)
            if ((given & 1U << i) != 0)
                return refuse_pair(argument, i, "not together with --preset readme");
    }
    if ((given & 1U << SIZE) != 0 && (given & 1U << SIZE_RANGE) != 0)
        return refuse_pair(argument, SIZE_RANGE, "not together with --size");
    if ((given & 1U << SECONDS) != 0 && (given & 1U << RECORDS) != 0)
        return refuse_pair(argument, RECORDS, "not together with --seconds");
    if (options->rate > 0 && options->window > 1)
        return refuse_pair(argument, RATE,
                           "not together with --window: records of a window wait "
                           "for each other, not for the log");
    return 0;
}

static void apply_defaults(struct bench_options *options)
{
    if (options->preset == BENCH_PRESET_README) {
        options->writers[0] = 20;
        options->writers_count = 1;
        options->size_min = 512;
        options->size_max = 1048576;
        options->records = 50;
    }
    if (options->records == 0 && options->duration_ns == 0)
        options->duration_ns = 2 * BENCH_NS_PER_S;
}

static const struct bench_options defaults = {
    .engines = {LOGFILE_ENGINE_RING, LOGFILE_ENGINE_MUTEX, LOGFILE_ENGINE_SERIAL},
    .engine_count = 3,
    .writers = {1, 4, 16, 64},
    .writers_count = 4,
    .size_min = 512,
    .size_max = 512,
    .window = 1,
    .repeat = 1,
    .seed = 1,
    .dir = ".",
};

/* ---- The command line ------------------------------------------------------------------------ */

static void fill_long_options(struct option *long_options)
{
    for (unsigned i = 0; i < SPEC_COUNT; i++)
        long_options[i] = (struct option){.name = specs[i].name,
                                          .has_arg = required_argument,
                                          .val = VALUE_OF_FIRST_SPEC + (int)i};
    long_options[SPEC_COUNT] = (struct option){.name = "help", .val = VALUE_OF_HELP};
    long_options[SPEC_COUNT + 1] = (struct option){.name = "version", .val = VALUE_OF_VERSION};
    long_options[SPEC_COUNT + 2] = (struct option){.name = NULL};
}

static int refuse_word(struct argument *argument, const char *what, const char *word)
{
    snprintf(argument->message, argument->message_bytes, "%s '%.80s' (--help lists the options)",
             what, word);
    return -1;
}

static int refuse_unknown(struct argument *argument, const char *word)
{
    char letter[] = {'-', (char)optopt, '\0'};
    bool is_letter = optopt > ' ' && optopt <= '~';
    return refuse_word(argument, "unknown option", is_letter ? letter : word);
}

int bench_options_parse(int argc, char **argv, struct bench_options *options, char *message,
                        size_t message_bytes)
{
    struct option long_options[SPEC_COUNT + 3];
    struct argument argument = {
        .options = options, .message = message, .message_bytes = message_bytes};
    unsigned given = 0;
    int chosen;

    *options = defaults;
    fill_long_options(long_options);
    opterr = 0;
    while ((chosen = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        if (chosen == VALUE_OF_HELP || chosen == VALUE_OF_VERSION) {
            options->action = chosen == VALUE_OF_HELP ? BENCH_HELP : BENCH_VERSION;
            return 0;
        }
        if (chosen == ':')
            return refuse_word(&argument, "a value is missing after", argv[optind - 1]);
        if (chosen == '?')
            return refuse_unknown(&argument, argv[optind - 1]);
        unsigned index = (unsigned)(chosen - VALUE_OF_FIRST_SPEC);
        given |= 1U << index;
        argument.option = specs[index].name;
        argument.text = optarg;
        if (parse_option(&specs[index], &argument) != 0)
            return -1;
    }
    if (optind < argc)
        return refuse_word(&argument, "not an option:", argv[optind]);
    if (check_combination(&argument, given) != 0)
        return -1;
    apply_defaults(options);
    return 0;
}
