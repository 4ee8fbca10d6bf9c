/* SPDX-License-Identifier: MIT */
#include "option_table.h"

#include "clock.h"

#include <string.h>

#define SHARDS_MAX 256

/* ---- What is compared ------------------------------------------------------------------------ */

/* Entries of a list of names, each of which stands for its value. */
static int name_entry(const struct bench_argument *argument, const char *text, size_t bytes,
                      uint64_t *out)
{
    int value = 0;
    if (bench_value_entry_name(argument, text, bytes, argument->names, &value) != 0)
        return -1;
    *out = (uint64_t)value;
    return 0;
}

static int parse_names(const struct bench_argument *argument, const struct bench_name *names,
                       struct bench_list *list)
{
    struct bench_argument of_names = *argument;
    of_names.names = names;
    return bench_value_list(&of_names, name_entry, list);
}

static int shards_entry(const struct bench_argument *argument, const char *text, size_t bytes,
                        uint64_t *out)
{
    static const char cores[] = "cores";
    if (bytes == strlen(cores) && memcmp(text, cores, bytes) == 0) {
        *out = LOGFILE_SHARDS_PER_CORE;
        return 0;
    }
    if (bench_value_entry_number(argument, text, bytes, "power of two", 1, SHARDS_MAX, out) != 0)
        return -1;
    if ((*out & (*out - 1)) != 0)
        return bench_value_refuse(argument, "%.*s is not a power of two", (int)bytes, text);
    return 0;
}

static int parse_engines(const struct bench_argument *argument)
{
    struct bench_argument of_names = *argument;
    of_names.names = bench_engine_names;
    return bench_value_list_repeated(&of_names, name_entry, &argument->options->engines);
}

static int parse_peers(const struct bench_argument *argument)
{
    if (argument->text[0] == '\0')
        return bench_value_refuse(argument, "an empty name");
    argument->options->peers = argument->text;
    return 0;
}

static int parse_labs(const struct bench_argument *argument)
{
    if (argument->text[0] == '\0')
        return bench_value_refuse(argument, "an empty name");
    argument->options->labs = argument->text;
    return 0;
}

static int parse_reserves(const struct bench_argument *argument)
{
    return parse_names(argument, bench_reserve_names, &argument->options->reserves);
}

static int parse_shards(const struct bench_argument *argument)
{
    return bench_value_list(argument, shards_entry, &argument->options->shards);
}

static int parse_flushers(const struct bench_argument *argument)
{
    return parse_names(argument, bench_flusher_names, &argument->options->flushers);
}

static int parse_waits(const struct bench_argument *argument)
{
    return parse_names(argument, bench_wait_names, &argument->options->waits);
}

static int parse_gathers(const struct bench_argument *argument)
{
    return parse_names(argument, bench_gather_names, &argument->options->gathers);
}

static int parse_wakes(const struct bench_argument *argument)
{
    return parse_names(argument, bench_wake_names, &argument->options->wakes);
}

static int parse_ladder(const struct bench_argument *argument)
{
    argument->options->ladder = true;
    return 0;
}

/* ---- What is appended ------------------------------------------------------------------------ */

static int writers_entry(const struct bench_argument *argument, const char *text, size_t bytes,
                         uint64_t *out)
{
    return bench_value_entry_number(argument, text, bytes, "number of writers", 1,
                                    BENCH_WRITERS_MAX, out);
}

static int size_entry(const struct bench_argument *argument, const char *text, size_t bytes,
                      uint64_t *out)
{
    return bench_value_entry_size(argument, text, bytes, 0, UINT32_MAX, out);
}

static int window_entry(const struct bench_argument *argument, const char *text, size_t bytes,
                        uint64_t *out)
{
    return bench_value_entry_number(argument, text, bytes, "whole number", 1, UINT64_C(1) << 24,
                                    out);
}

static int parse_writers(const struct bench_argument *argument)
{
    return bench_value_list(argument, writers_entry, &argument->options->writers);
}

static int parse_sizes(const struct bench_argument *argument)
{
    return bench_value_list(argument, size_entry, &argument->options->sizes);
}

static int parse_size_range(const struct bench_argument *argument)
{
    struct bench_options *options = argument->options;
    options->sizes.count = 1;
    return bench_value_range(argument, &options->sizes.values[0], &options->size_max);
}

static int parse_windows(const struct bench_argument *argument)
{
    return bench_value_list(argument, window_entry, &argument->options->windows);
}

static int parse_clients(const struct bench_argument *argument)
{
    return bench_value_number(argument, 1, BENCH_CLIENTS_MAX, &argument->options->clients);
}

static int parse_rates(const struct bench_argument *argument)
{
    return bench_value_list(argument, bench_value_entry_rate, &argument->options->rates);
}

static int parse_think(const struct bench_argument *argument)
{
    return bench_value_time(argument, "us", 1000, 60 * BENCH_NS_PER_S,
                            &argument->options->think_ns);
}

static int parse_preset(const struct bench_argument *argument)
{
    int preset = 0;
    int status = bench_value_name(argument, bench_preset_names, &preset);
    argument->options->preset = (enum bench_preset)preset;
    return status;
}

/* ---- How long, and where --------------------------------------------------------------------- */

static int parse_seconds(const struct bench_argument *argument)
{
    return bench_value_time(argument, "s", BENCH_NS_PER_S / 100, 86400 * BENCH_NS_PER_S,
                            &argument->options->duration_ns);
}

static int parse_records(const struct bench_argument *argument)
{
    return bench_value_number(argument, 1, UINT64_C(1) << 40, &argument->options->records);
}

static int parse_repeat(const struct bench_argument *argument)
{
    return bench_value_number(argument, 1, BENCH_ROUNDS_MAX, &argument->options->repeat);
}

static int parse_slices(const struct bench_argument *argument)
{
    argument->options->is_sliced = true;
    return parse_repeat(argument);
}

static int parse_seed(const struct bench_argument *argument)
{
    return bench_value_number(argument, 0, UINT64_MAX, &argument->options->seed);
}

static int parse_device(const struct bench_argument *argument)
{
    int device = 0;
    uint64_t delay_ns = 0;
    if (bench_value_name_time(argument, bench_device_names, "delay", &device, &delay_ns) != 0)
        return -1;
    if (device == BENCH_DEVICE_DELAY &&
        (delay_ns < 1000 || delay_ns > 10 * BENCH_NS_PER_S || delay_ns % 1000 != 0))
        return bench_value_refuse(argument, "a delay is 1 to 10000000 whole microseconds");
    argument->options->device = (enum bench_device_kind)device;
    argument->options->delay_ns = delay_ns;
    return 0;
}

static int parse_dir(const struct bench_argument *argument)
{
    if (argument->text[0] == '\0')
        return bench_value_refuse(argument, "an empty name");
    argument->options->dir = argument->text;
    return 0;
}

typedef int place_parser(const char *text, struct bench_place_options *place, char *message,
                         size_t message_bytes);

static int parse_place(const struct bench_argument *argument, place_parser *parser)
{
    char what[512];
    if (parser(argument->text, &argument->options->place, what, sizeof what) == 0)
        return 0;
    return bench_value_refuse(argument, "%s", what);
}

static int parse_pin(const struct bench_argument *argument)
{
    return parse_place(argument, bench_place_parse_pin);
}

static int parse_pin_sequencer(const struct bench_argument *argument)
{
    return parse_place(argument, bench_place_parse_sequencer);
}

static int parse_ring_memory(const struct bench_argument *argument)
{
    return parse_place(argument, bench_place_parse_memory);
}

static int parse_probe(const struct bench_argument *argument)
{
    argument->options->action = BENCH_PROBE;
    return parse_dir(argument);
}

static int parse_check(const struct bench_argument *argument)
{
    argument->options->action = BENCH_CHECK;
    return 0;
}

/* ---- How the logs work, and results ---------------------------------------------------------- */

static int parse_slot_bytes(const struct bench_argument *argument)
{
    return bench_value_size(argument, 1, UINT32_MAX, &argument->options->log.slot_bytes);
}

static int parse_segment_bytes(const struct bench_argument *argument)
{
    return bench_value_size(argument, 1, UINT64_C(1) << 40, &argument->options->log.segment_bytes);
}

static int parse_written(const struct bench_argument *argument)
{
    if (bench_value_size(argument, 1, UINT64_C(1) << 40, &argument->options->written_bytes) != 0)
        return -1;
    argument->options->log.prepare = LOGFILE_PREPARE_ALLOCATE; /* which does nothing there */
    return 0;
}

static int parse_trim_keep(const struct bench_argument *argument)
{
    return bench_value_size(argument, 1, UINT64_C(1) << 50, &argument->options->trim_keep_bytes);
}

static int parse_floors(const struct bench_argument *argument)
{
    argument->options->floors = true;
    return 0;
}

static int parse_no_floors(const struct bench_argument *argument)
{
    argument->options->floors = false;
    return 0;
}

static int parse_core_to_core(const struct bench_argument *argument)
{
    argument->options->core_to_core = true;
    return 0;
}

static int parse_baseline(const struct bench_argument *argument)
{
    if (argument->text[0] == '\0')
        return bench_value_refuse(argument, "an empty name");
    argument->options->baseline.path = argument->text;
    return 0;
}

static int parse_stages(const struct bench_argument *argument)
{
    uint64_t every = 0;
    int status = bench_value_number(argument, 1, UINT32_MAX, &every);
    argument->options->lab.stage_sample_every = (uint32_t)every;
    return status;
}

static int parse_json(const struct bench_argument *argument)
{
    if (argument->text[0] == '\0')
        return bench_value_refuse(argument, "an empty name");
    argument->options->json_path = argument->text;
    return 0;
}

/* ---- The table ------------------------------------------------------------------------------- */

#define VALUE(name, parse)                                                                         \
    {                                                                                              \
        name, parse, true, NULL, 0                                                                 \
    }
#define FLAG(name, parse)                                                                          \
    {                                                                                              \
        name, parse, false, NULL, 0                                                                \
    }
#define CHOICE(name, names, member)                                                                \
    {                                                                                              \
        name, NULL, true, names, offsetof(struct bench_options, member)                            \
    }

const struct bench_option_spec bench_option_specs[] = {
    [OPTION_SIZE] = VALUE("size", parse_sizes),
    [OPTION_SIZE_RANGE] = VALUE("size-range", parse_size_range),
    [OPTION_WRITERS] = VALUE("writers", parse_writers),
    [OPTION_WINDOW] = VALUE("window", parse_windows),
    [OPTION_CLIENTS] = VALUE("clients", parse_clients),
    [OPTION_RATE] = VALUE("rate", parse_rates),
    [OPTION_ARRIVALS] = CHOICE("arrivals", bench_arrival_names, arrivals),
    [OPTION_THINK] = VALUE("think", parse_think),
    [OPTION_SECONDS] = VALUE("seconds", parse_seconds),
    [OPTION_RECORDS] = VALUE("records", parse_records),
    [OPTION_PRESET] = VALUE("preset", parse_preset),
    [OPTION_ENGINE] = VALUE("engine", parse_engines),
    [OPTION_PEER] = VALUE("peer", parse_peers),
    [OPTION_LAB] = VALUE("lab", parse_labs),
    [OPTION_RESERVE] = VALUE("reserve", parse_reserves),
    [OPTION_SHARDS] = VALUE("shards", parse_shards),
    [OPTION_FLUSHER] = VALUE("flusher", parse_flushers),
    [OPTION_WAIT] = VALUE("wait", parse_waits),
    [OPTION_GATHER] = VALUE("gather", parse_gathers),
    [OPTION_WAKE] = VALUE("wake", parse_wakes),
    [OPTION_LADDER] = FLAG("ladder", parse_ladder),
    [OPTION_STAGES] = VALUE("stages", parse_stages),
    [OPTION_PROBE] = VALUE("probe", parse_probe),
    [OPTION_SYNC] = CHOICE("sync", bench_sync_names, lab.sync),
    [OPTION_FLOORS] = FLAG("floors", parse_floors),
    [OPTION_NO_FLOORS] = FLAG("no-floors", parse_no_floors),
    [OPTION_BASELINE] = VALUE("baseline", parse_baseline),
    [OPTION_REPEAT] = VALUE("repeat", parse_repeat),
    [OPTION_SLICES] = VALUE("slices", parse_slices),
    [OPTION_OTHERS] = VALUE("seed", parse_seed),
    FLAG("core-to-core", parse_core_to_core),
    VALUE("device", parse_device),
    VALUE("dir", parse_dir),
    VALUE("pin", parse_pin),
    VALUE("pin-sequencer", parse_pin_sequencer),
    VALUE("ring-memory", parse_ring_memory),
    VALUE("json", parse_json),
    FLAG("check", parse_check),
    VALUE("slot-bytes", parse_slot_bytes),
    VALUE("segment-bytes", parse_segment_bytes),
    VALUE("trim-keep", parse_trim_keep),
    VALUE("written", parse_written),
    CHOICE("io", bench_io_names, log.io_mode),
    CHOICE("prepare", bench_prepare_names, log.prepare),
    CHOICE("checksum", bench_checksum_names, lab.checksum),
};

const unsigned bench_option_count = sizeof bench_option_specs / sizeof bench_option_specs[0];
_Static_assert(sizeof bench_option_specs / sizeof bench_option_specs[0] <= BENCH_OPTIONS_MAX,
               "one bit each in a mask");
_Static_assert(sizeof(uint32_t) == sizeof(int), "choices are stored as int");

int bench_option_take(const struct bench_option_spec *spec, const struct bench_argument *argument)
{
    if (spec->parse != NULL)
        return spec->parse(argument);
    int value = 0;
    if (bench_value_name(argument, spec->names, &value) != 0)
        return -1;
    memcpy((char *)argument->options + spec->offset, &value, sizeof value);
    return 0;
}
