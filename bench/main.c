/* SPDX-License-Identifier: MIT */
/*
 * logfile-bench: how fast durable appends are, and how that changes with writers and engines.
 *
 * Everything that can be refused is refused before the first run, where --check ends.  Then, round by round, at each
 * size, window and number of writers every variant is run in turn, in a balanced order (order.h), so
 * that what is compared was measured within seconds of each other; each run has a new log, which is
 * read back and removed.  With --slices all rounds of a point are run before the next point, over logs that
 * stay open from the first to the last (kept.h).
 */
#include "preflight.h"
#include "baseline.h"
#include "bounds.h"
#include "build.h"
#include "clock.h"
#include "device.h"
#include "kept.h"
#include "options.h"
#include "order.h"
#include "payload.h"
#include "probe.h"
#include "progress.h"
#include "readback.h"
#include "remove.h"
#include "report.h"
#include "results.h"
#include "signals.h"
#include "workload.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    EXIT_MISMATCH_OR_ERROR = 1,
    EXIT_REFUSED = 64, /* as wrong arguments of every program of the project */
    EXIT_SIGNAL = 128
};

#define MESSAGE_BYTES 1024

/* A run that is over. */
struct bench_outcome {
    struct bench_run_id id;
    struct bench_result *result;
    struct bench_detail detail;     /* or, with --baseline, */
    struct bench_measured measured; /* what a process said */
};

struct bench {
    struct bench_options options;
    struct bench_context context;
    struct bench_core_to_core cores; /* with --core-to-core */
    struct bench_payload payload;
    struct bench_results results;
    struct bench_progress progress;
    struct bench_written *written;
    struct bench_kept kept;           /* with --slices */
    struct bench_outcome *outcomes;   /* of the point that is run, in order */
    struct bench_placement placement; /* of the first run that was measured */
    bool has_placement;
    bool placements_differ; /* between that one and a later one */
    struct bench_bounds bounds;
    struct bench_bracket *brackets; /* by round and point; NULL: none is measured */
    struct bench_place
        *places[BENCH_LIST_MAX]; /* by entry of --writers; NULL: nowhere in particular */
    unsigned *points;            /* in the order of the round */
    unsigned *first_rows; /* of each point: the row of the square that it has in the first round */
    unsigned runs;        /* that have begun */
    char *command;
    hwloc_topology_t topology;
    FILE *json;
    char log_path[PATH_MAX];
    char message[MESSAGE_BYTES];
};

/* One line, whatever the arguments that it names are made of. */
static int refuse(char *message)
{
    for (char *c = message; *c != '\0'; c++)
        if (iscntrl((unsigned char)*c))
            *c = '?';
    fprintf(stderr, "logfile-bench: %s\n", message);
    return EXIT_REFUSED;
}

/* NULL when nothing is measured beside the runs. */
static struct bench_bracket *bracket_of(const struct bench *bench, unsigned round, unsigned point)
{
    if (bench->brackets == NULL)
        return NULL;
    return &bench->brackets[(size_t)round * bench_point_count(&bench->options) + point];
}

/* ---- One run --------------------------------------------------------------------------------- */

static int run_in_memory(struct bench *bench, struct bench_run *run, struct bench_outcome *outcome)
{
    struct bench_device *device = bench_device_create(bench->options.delay_ns);
    if (device == NULL) {
        snprintf(bench->message, sizeof bench->message, "out of memory");
        return -1;
    }
    run->path = "log";
    run->io = bench_device_io(device);
    int status = bench_run(run, outcome->result, &outcome->detail, bench->written, bench->message,
                           sizeof bench->message);
    outcome->result->reached = bench_device_reached(device);
    bench_device_destroy(device);
    return status;
}

/* 0, also when a signal ended it early, or -1: what is in the log is not what was written. */
static int read_log_back(struct bench *bench, const struct bench_run *run,
                         struct bench_result *result)
{
    int status = bench_readback(run, bench->written, bench->message, sizeof bench->message);
    result->interrupted |= status > 0;
    return status < 0 ? BENCH_RUN_MISMATCH : BENCH_RUN_OK;
}

static int run_in_file(struct bench *bench, struct bench_run *run, struct bench_outcome *outcome)
{
    run->path = bench->log_path;
    bench_signals_guard(bench->log_path);
    int status = bench_run(run, outcome->result, &outcome->detail, bench->written, bench->message,
                           sizeof bench->message);
    if (status == BENCH_RUN_OK && run->variant->peer == NULL)
        status = read_log_back(bench, run, outcome->result);
    if (status == BENCH_RUN_MISMATCH)
        bench_readback_tell_kept(run->path, bench->message, sizeof bench->message);
    else
        bench_remove_log_for_good(bench->log_path, bench->options.dir);
    bench_signals_guard(NULL);
    return status;
}

static int tell_json_failure(struct bench *bench, int error)
{
    if (error != 0)
        snprintf(bench->message, sizeof bench->message, "writing %.200s: %s",
                 bench->options.json_path, strerror(-error));
    return error;
}

static int write_json(struct bench *bench, const struct bench_outcome *outcome,
                      const struct bench_bracket *bracket)
{
    if (bench->json == NULL || !outcome->result->measured)
        return 0;
    if (bench->options.baseline.path != NULL)
        return tell_json_failure(
            bench, bench_report_measured_json(bench->json, &bench->context, &outcome->id,
                                              outcome->measured.line, outcome->result, bracket));
    return tell_json_failure(bench, bench_report_json(bench->json, &bench->context, &outcome->id,
                                                      outcome->result, &outcome->detail, bracket));
}

/* The pools are as large as the largest record needs; a run takes pieces of its own sizes. */
static void set_sizes(struct bench *bench, const struct bench_point *point)
{
    bench->payload.size_min = point->size_min;
    bench->payload.size_max = point->size_max;
}

static void note_placement(struct bench *bench, const struct bench_placement *last)
{
    const struct bench_placement *first = &bench->placement;
    if (!bench->has_placement)
        bench->placement = *last;
    else if (strcmp(first->writers, last->writers) != 0 ||
             strcmp(first->sequencer, last->sequencer) != 0 ||
             strcmp(first->ring_memory, last->ring_memory) != 0)
        bench->placements_differ = true;
    bench->has_placement = true;
}

/* A window counts when its wait ends: where none did within the time, there is no number to show. */
static void tell_unmeasured(const struct bench_run_id *id, const struct bench_result *result)
{
    if (result->measured || result->interrupted || id->point.window == 1)
        return;
    fprintf(stderr,
            "logfile-bench: %s, %u writer%s: no window of %llu records ended in the timed part\n",
            id->variant->label, id->point.writers, id->point.writers == 1 ? "" : "s",
            (unsigned long long)id->point.window);
}

static int run_somewhere(struct bench *bench, struct bench_run *run, struct bench_outcome *outcome)
{
    if (bench->options.is_sliced)
        return bench_kept_slice(&bench->kept, outcome->id.variant_index, outcome->result,
                                &outcome->detail, bench->message, sizeof bench->message);
    if (bench->options.baseline.path != NULL)
        return bench_baseline_run(&bench->options, &outcome->id, &outcome->measured,
                                  outcome->result, bench->message, sizeof bench->message);
    return bench->options.device == BENCH_DEVICE_FILE ? run_in_file(bench, run, outcome)
                                                      : run_in_memory(bench, run, outcome);
}

/* -1, after a line on standard error about a run. */
static int tell_failed_run(const struct bench *bench, const struct bench_run_id *id)
{
    fprintf(stderr, "logfile-bench: %s, %u writer%s: %s\n", id->variant->label, id->point.writers,
            id->point.writers == 1 ? "" : "s", bench->message);
    return -1;
}

static struct bench_run run_at(struct bench *bench, const struct bench_point *point)
{
    return (struct bench_run){
        .options = &bench->options,
        .payload = &bench->payload,
        .writers = point->writers,
        .window = point->window,
        .rate = point->rate,
        .progress = bench_progress_update,
        .progress_arg = &bench->progress,
    };
}

/* Runs what outcome->id says.  0, or -1 after a line on standard error. */
static int run_one(struct bench *bench, struct bench_place *place, struct bench_outcome *outcome)
{
    const struct bench_run_id *id = &outcome->id;
    struct bench_result *result = outcome->result;
    struct bench_run run = run_at(bench, &id->point);
    run.variant = id->variant;
    run.place = place;
    set_sizes(bench, &id->point);
    bench_progress_begin(&bench->progress, id);
    int status = run_somewhere(bench, &run, outcome);
    bench_progress_end(&bench->progress, status == 0 ? result : NULL);
    if (status != 0) {
        result->measured = false;
        bench_measured_free(&outcome->measured);
        return tell_failed_run(bench, id);
    }
    tell_unmeasured(id, result);
    if (place != NULL && result->measured && bench->options.baseline.path == NULL)
        note_placement(bench, &outcome->detail.placement);
    return 0;
}

/* ---- What bounds a point --------------------------------------------------------------------- */

/* Measures what the machine can do now.  0, or -1 after a line on standard error. */
static int measure_bounds(struct bench *bench, unsigned round, unsigned index, bool is_after)
{
    if (bench->brackets == NULL)
        return 0;
    struct bench_point point = bench_point_at(&bench->options, index);
    struct bench_bracket *bracket = bracket_of(bench, round, index);
    struct bench_rates *rates = is_after ? &bracket->after : &bracket->before;
    int error = bench_bounds_measure(&bench->bounds, &point, rates);
    if (error != 0)
        snprintf(bench->message, sizeof bench->message, "%s", strerror(-error));
    else if (bench->json != NULL)
        error =
            tell_json_failure(bench, bench_report_rates_json(bench->json, &bench->bounds, &point,
                                                             rates, round + 1, is_after));
    if (error != 0)
        fprintf(stderr, "logfile-bench: --floors: %s\n", bench->message);
    return error != 0 ? -1 : 0;
}

/* ---- All runs -------------------------------------------------------------------------------- */

static double seconds_since_1970(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / (double)BENCH_NS_PER_S;
}

static int ending(int status)
{
    if (status != 0)
        return EXIT_MISMATCH_OR_ERROR;
    return bench_signals_caught() != 0 ? EXIT_SIGNAL + bench_signals_caught() : 0;
}

/* Runs the variants of a point.  Each point goes through the rows of the square from round to round, and
 * starts at a row of its own: no round begins with one variant everywhere.  *ran: how many were run to
 * their end. */
static int run_variants(struct bench *bench, unsigned round, unsigned point, unsigned *ran)
{
    const struct bench_options *options = &bench->options;
    struct bench_place *place = bench->places[point % options->writers.count];
    unsigned count = options->variants.count;
    int status = 0;
    for (*ran = 0; status == 0 && *ran < count;) {
        unsigned variant = bench_order_variant(count, round + bench->first_rows[point], *ran);
        struct bench_outcome *outcome = &bench->outcomes[*ran];
        outcome->id = (struct bench_run_id){.point = bench_point_at(options, point),
                                            .variant = &options->variants.all[variant],
                                            .variant_index = variant,
                                            .point_index = point,
                                            .round = round + 1,
                                            .order = bench->runs++,
                                            .started_at = seconds_since_1970()};
        outcome->result = bench_results_cell(&bench->results, round, point, variant);
        int failed = run_one(bench, place, outcome);
        *ran += failed == 0;
        status = ending(failed);
    }
    return status;
}

/* Results are written when what was measured after them is known. */
static int write_outcomes(struct bench *bench, unsigned count, const struct bench_bracket *bracket)
{
    int status = 0;
    for (unsigned i = 0; i < count; i++) {
        struct bench_outcome *outcome = &bench->outcomes[i];
        if (bracket != NULL)
            outcome->result->passed = bench_bounds_are_passed(&bench->options, &outcome->id.point,
                                                              outcome->result, bracket);
        if (status == 0 && write_json(bench, outcome, bracket) != 0)
            status = tell_failed_run(bench, &outcome->id);
        bench_measured_free(&outcome->measured);
    }
    return status;
}

static int run_point(struct bench *bench, unsigned round, unsigned point)
{
    unsigned ran = 0;
    int status = ending(measure_bounds(bench, round, point, false));
    if (status != 0)
        return status;
    status = run_variants(bench, round, point, &ran);
    if (status == 0)
        status = ending(measure_bounds(bench, round, point, true));
    int written = ending(write_outcomes(bench, ran, bracket_of(bench, round, point)));
    return status != 0 ? status : written;
}

static int run_round(struct bench *bench, unsigned round)
{
    unsigned points = bench_point_count(&bench->options);
    int status = 0;
    bench_order_points(bench->options.seed, round, points, bench->points);
    for (unsigned i = 0; status == 0 && i < points; i++)
        status = run_point(bench, round, bench->points[i]);
    return status;
}

/* -1, after a line on standard error about the variant that bench->kept names. */
static int tell_failed_log(const struct bench *bench, const struct bench_point *point)
{
    struct bench_run_id id = {.point = *point,
                              .variant = &bench->options.variants.all[bench->kept.failed]};
    return tell_failed_run(bench, &id);
}

/* All rounds of a point, over logs that stay open.  However it ends, they are closed, read back and removed. */
static int run_slices(struct bench *bench, unsigned index)
{
    struct bench_point point = bench_point_at(&bench->options, index);
    struct bench_run run = run_at(bench, &point);
    set_sizes(bench, &point);
    int error =
        bench_kept_open(&bench->kept, &run, bench->log_path, bench->message, sizeof bench->message);
    int status = ending(error != 0 ? tell_failed_log(bench, &point) : 0);
    for (unsigned round = 0; status == 0 && round < bench->options.repeat; round++)
        status = run_point(bench, round, index);
    error = bench_kept_close(&bench->kept, bench->written, bench->message, sizeof bench->message);
    int closed = ending(error != 0 ? tell_failed_log(bench, &point) : 0);
    return status != 0 ? status : closed;
}

static int run_rounds(struct bench *bench)
{
    unsigned points = bench_point_count(&bench->options);
    int status = 0;
    bench_order_points(bench->options.seed, 0, points, bench->points);
    for (unsigned i = 0; i < points; i++)
        bench->first_rows[bench->points[i]] = i;
    for (unsigned i = 0; bench->options.is_sliced && status == 0 && i < points; i++)
        status = run_slices(bench, bench->points[i]);
    for (unsigned i = 0; !bench->options.is_sliced && status == 0 && i < bench->options.repeat; i++)
        status = run_round(bench, i);
    return status;
}

/* What can be said of all runs at once; where they differ, each result says it. */
static const struct bench_placement *common_placement(const struct bench *bench)
{
    return bench->has_placement && !bench->placements_differ ? &bench->placement : NULL;
}

/* Everything not measured.  0 or -errno. */
static int open_bounds(struct bench *bench)
{
    size_t count = bench->options.repeat * bench_point_count(&bench->options);
    const struct bench_rates none = {NAN, NAN, {NAN, NAN, NAN, NAN, NAN}, NAN};
    if (!bench->options.floors)
        return 0;
    bench->brackets = calloc(count, sizeof *bench->brackets);
    bench->bounds.fd = -1;
    if (bench->brackets == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        bench->brackets[i] = (struct bench_bracket){none, none};
    return bench_bounds_open(&bench->bounds, &bench->options, bench->log_path);
}

static int write_head(struct bench *bench)
{
    if (bench->json == NULL ||
        tell_json_failure(bench, bench_report_head_json(bench->json, &bench->context)) == 0)
        return 0;
    fprintf(stderr, "logfile-bench: %s\n", bench->message);
    return EXIT_MISMATCH_OR_ERROR;
}

/* 0, or a status after a line on standard error. */
static int measure_cores(struct bench *bench)
{
    if (!bench->options.core_to_core)
        return 0;
    int error = bench_core_to_core(&bench->cores);
    bench->context.cores = &bench->cores;
    if (error != 0)
        fprintf(stderr, "logfile-bench: --core-to-core: %s\n", strerror(-error));
    return ending(error);
}

static int run_all(struct bench *bench)
{
    int error = open_bounds(bench);
    int status = measure_cores(bench);
    if (status == 0)
        status = write_head(bench);
    if (error != 0) {
        fprintf(stderr, "logfile-bench: --floors: %s\n", strerror(-error));
        status = EXIT_MISMATCH_OR_ERROR;
    }
    bench_progress_init(&bench->progress, &bench->options);
    if (status == 0)
        status = run_rounds(bench);
    if (bench->brackets != NULL)
        bench_bounds_close(&bench->bounds);
    bench_report_table(stdout, &bench->context, &bench->results, bench->brackets,
                       common_placement(bench));
    if (ferror(stdout)) {
        fprintf(stderr, "logfile-bench: writing to standard output failed\n");
        return EXIT_MISMATCH_OR_ERROR;
    }
    return status;
}

/* ---- Before and after ------------------------------------------------------------------------ */

static void name_log(struct bench *bench)
{
    snprintf(bench->log_path, sizeof bench->log_path, "%s/logfile-bench-%ld-%llx.log",
             bench->options.dir, (long)getpid(), (unsigned long long)bench_now_ns());
}

/* As a shell would take it again: quoted where it would take it apart. */
static void print_word(FILE *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789-_=:,./+@%";
    if (word[0] != '\0' && strspn(word, plain) == strlen(word)) {
        fputs(word, out);
        return;
    }
    fputc('\'', out);
    for (; *word != '\0'; word++)
        fputs(*word == '\'' ? "'\\''" : (char[]){*word, '\0'}, out);
    fputc('\'', out);
}

/* 0 or -ENOMEM. */
static int note_command(struct bench *bench, int argc, char **argv)
{
    size_t bytes = 0;
    FILE *out = open_memstream(&bench->command, &bytes);
    if (out == NULL)
        return -ENOMEM;
    for (int i = 0; i < argc; i++) {
        if (i > 0)
            fputc(' ', out);
        print_word(out, argv[i]);
    }
    return fclose(out) == 0 ? 0 : -ENOMEM;
}

/* The node's memory follows: pages go where the thread runs that touches them first. */
static int bind_to_node(struct bench *bench)
{
    const struct bench_place_options *place = &bench->options.place;
    hwloc_cpuset_t set;
    if (place->pin != BENCH_PIN_NODE)
        return 0;
    int error = bench_pin_plan(bench->topology, BENCH_PIN_NODE, place->pin_node, 1, &set);
    if (error == 0) {
        error = bench_pin_thread(bench->topology, set);
        hwloc_bitmap_free(set);
    }
    return error;
}

/* Preflight has seen that all of it can be had; only memory can still be out. */
static int plan_places(struct bench *bench)
{
    const struct bench_options *options = &bench->options;
    for (unsigned i = 0; bench_options_place(options) && i < options->writers.count; i++)
        if (bench_place_create(bench->topology, &options->place,
                               (unsigned)options->writers.values[i], &bench->places[i],
                               bench->message, sizeof bench->message) != 0)
            return -ENOMEM;
    return 0;
}

static int allocate(struct bench *bench)
{
    const struct bench_options *options = &bench->options;
    unsigned writers = (unsigned)bench_list_max(&options->writers);
    size_t size_max = bench_list_max(&options->sizes);
    if (options->size_max > size_max)
        size_max = options->size_max;
    bench->payload =
        (struct bench_payload){.seed = options->seed, .size_max = size_max, .writers = writers};
    bench->written = calloc(writers, sizeof *bench->written);
    bench->outcomes = calloc(options->variants.count, sizeof *bench->outcomes);
    bench->points = calloc(bench_point_count(options), sizeof *bench->points);
    bench->first_rows = calloc(bench_point_count(options), sizeof *bench->first_rows);
    if (bench->written == NULL || bench->points == NULL || bench->first_rows == NULL ||
        bench->outcomes == NULL)
        return -ENOMEM;
    /* Processes of their own have their own. */
    int error = options->baseline.path == NULL ? bench_payload_create(&bench->payload) : 0;
    return error != 0 ? error : bench_results_init(&bench->results, options);
}

static int prepare(struct bench *bench, int argc, char **argv)
{
    int error = bench_signals_init();
    if (error == 0)
        error = note_command(bench, argc, argv);
    if (error == 0)
        error = plan_places(bench);
    if (error == 0)
        error = bind_to_node(bench);
    return error != 0 ? error : allocate(bench);
}

static void release(struct bench *bench)
{
    for (unsigned i = 0; i < BENCH_LIST_MAX && bench->places[i] != NULL; i++)
        bench_place_destroy(bench->places[i]);
    bench_results_free(&bench->results);
    bench_payload_destroy(&bench->payload);
    free(bench->outcomes);
    free(bench->brackets);
    free(bench->points);
    free(bench->first_rows);
    free(bench->written);
    free(bench->command);
}

static int open_json(struct bench *bench, const char *mode)
{
    if (bench->options.json_path == NULL)
        return 0;
    bench->json = fopen(bench->options.json_path, mode);
    if (bench->json != NULL)
        return 0;
    snprintf(bench->message, sizeof bench->message, "--json %.200s: %s", bench->options.json_path,
             strerror(errno));
    return -1;
}

/* Whether results could be written, without a trace of that. */
static int try_json(struct bench *bench)
{
    const char *path = bench->options.json_path;
    bool is_new = path != NULL && access(path, F_OK) != 0;
    if (open_json(bench, "ae") != 0)
        return -1;
    if (bench->json != NULL)
        fclose(bench->json);
    if (is_new)
        unlink(path);
    return 0;
}

static int close_json(struct bench *bench, int status)
{
    if (bench->json == NULL || fclose(bench->json) == 0 || status != 0)
        return status;
    fprintf(stderr, "logfile-bench: writing %s: %s\n", bench->options.json_path, strerror(errno));
    return EXIT_MISMATCH_OR_ERROR;
}

static void describe(struct bench *bench)
{
    bench->context.options = &bench->options;
    bench->context.command = bench->command;
    bench->context.started = time(NULL);
    bench_machine_describe(bench->topology, &bench->context.machine);
    bench_filesystem_describe(bench->options.dir, &bench->context.filesystem, &bench->context.disk);
}

/* With the topology loaded. */
static int measure(struct bench *bench, int argc, char **argv)
{
    if (bench_preflight(&bench->options, bench->topology, bench->message, sizeof bench->message) !=
        0)
        return refuse(bench->message);
    if (bench->options.baseline.path != NULL &&
        bench_baseline_check(&bench->options, &bench->options.baseline, bench->message,
                             sizeof bench->message) != 0)
        return refuse(bench->message);
    name_log(bench);
    int error = prepare(bench, argc, argv);
    int status;
    describe(bench);
    if (error != 0) {
        fprintf(stderr, "logfile-bench: %s\n", strerror(-error));
        status = EXIT_MISMATCH_OR_ERROR;
    } else if (bench->options.action == BENCH_CHECK) {
        status = try_json(bench) != 0 ? refuse(bench->message) : 0;
    } else if (open_json(bench, "we") != 0) {
        status = refuse(bench->message);
    } else {
        status = close_json(bench, run_all(bench));
    }
    release(bench);
    return status;
}

static int probe(struct bench *bench)
{
    if (bench_preflight_probe(&bench->options, bench->message, sizeof bench->message) != 0)
        return refuse(bench->message);
    int error = bench_signals_init();
    if (error == 0)
        error = bench_probe(bench->options.dir, stdout);
    if (error != 0)
        fprintf(stderr, "logfile-bench: --probe: %s\n", strerror(-error));
    if (bench_signals_caught() != 0)
        return EXIT_SIGNAL + bench_signals_caught();
    return error != 0 ? EXIT_MISMATCH_OR_ERROR : 0;
}

static int print_version(void)
{
    int length = printf("logfile-bench %s\n", LOGFILE_VERSION_STRING);
    bench_print_build(stdout);
    return length < 0 || ferror(stdout);
}

int main(int argc, char **argv)
{
    static struct bench bench;
    if (bench_options_parse(argc, argv, &bench.options, bench.message, sizeof bench.message) != 0)
        return refuse(bench.message);
    if (bench.options.action == BENCH_HELP)
        return fputs(bench_usage, stdout) < 0;
    if (bench.options.action == BENCH_VERSION)
        return print_version();
    if (bench.options.action == BENCH_PROBE)
        return probe(&bench);
    int error = bench_pin_load(&bench.topology);
    if (error != 0) {
        fprintf(stderr, "logfile-bench: reading the machine's topology: %s\n", strerror(-error));
        return EXIT_MISMATCH_OR_ERROR;
    }
    int status = measure(&bench, argc, argv);
    hwloc_topology_destroy(bench.topology);
    return status;
}
