/* SPDX-License-Identifier: MIT */
/*
 * logfile-bench: how fast durable appends are, and how that changes with writers and engines.
 *
 * Everything that can be refused is refused before the first run.  Then, round by round, each
 * number of writers is run with each engine in turn, so that what is compared was measured within
 * seconds of each other; each run has a new log, which is read back and removed.
 */
#include "preflight.h"
#include "clock.h"
#include "device.h"
#include "options.h"
#include "payload.h"
#include "probe.h"
#include "progress.h"
#include "readback.h"
#include "remove.h"
#include "report.h"
#include "results.h"
#include "signals.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    EXIT_MISMATCH_OR_ERROR = 1,
    EXIT_REFUSED = 2,
    EXIT_SIGNAL = 128
};

#define MESSAGE_BYTES 1024

struct bench {
    struct bench_options options;
    struct bench_context context;
    struct bench_payload payload;
    struct bench_results results;
    struct bench_progress progress;
    struct bench_written *written;
    hwloc_topology_t topology;
    FILE *json;
    char log_path[PATH_MAX];
    char message[MESSAGE_BYTES];
};

static int refuse(const char *message)
{
    fprintf(stderr, "logfile-bench: %s\n", message);
    return EXIT_REFUSED;
}

/* ---- One run --------------------------------------------------------------------------------- */

/* Ends all that the removed log still costs the file system, so that the next run does not pay. */
static void remove_log(const struct bench *bench)
{
    bench_remove_log(bench->log_path);
    int fd = open(bench->options.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

static int run_in_memory(struct bench *bench, struct bench_run *run, struct bench_result *result)
{
    struct bench_device *device = bench_device_create(bench->options.delay_ns);
    if (device == NULL) {
        snprintf(bench->message, sizeof bench->message, "out of memory");
        return -1;
    }
    run->path = "log";
    run->io = bench_device_io(device);
    int status = bench_run(run, result, bench->written, bench->message, sizeof bench->message);
    bench_device_destroy(device);
    return status;
}

/* 0, also when a signal ended it early, or -1: what is in the log is not what was written. */
static int read_log_back(struct bench *bench, const struct bench_run *run,
                         struct bench_result *result)
{
    char mismatch[MESSAGE_BYTES / 2];
    int status = bench_readback(run, bench->written, mismatch, sizeof mismatch);
    if (status < 0)
        snprintf(bench->message, sizeof bench->message,
                 "READ-BACK MISMATCH: %s (the log is kept: %.400s)", mismatch, run->path);
    result->interrupted |= status > 0;
    return status < 0 ? -1 : 0;
}

static int run_in_file(struct bench *bench, struct bench_run *run, struct bench_result *result)
{
    bool is_evidence = false;
    run->path = bench->log_path;
    bench_signals_guard(bench->log_path);
    int status = bench_run(run, result, bench->written, bench->message, sizeof bench->message);
    if (status == 0) {
        status = read_log_back(bench, run, result);
        is_evidence = status != 0;
    }
    if (!is_evidence)
        remove_log(bench);
    bench_signals_guard(NULL);
    return status;
}

static int write_json(struct bench *bench, const struct bench_run_id *id,
                      const struct bench_result *result)
{
    if (bench->json == NULL || !result->measured)
        return 0;
    int error = bench_report_json(bench->json, &bench->context, id, result);
    if (error != 0)
        snprintf(bench->message, sizeof bench->message, "writing %.200s: %s",
                 bench->options.json_path, strerror(-error));
    return error;
}

/* 0, or -1 after a line on standard error. */
static int run_one(struct bench *bench, const struct bench_run_id *id, struct bench_result *result)
{
    struct bench_run run = {
        .options = &bench->options,
        .payload = &bench->payload,
        .topology = bench->topology,
        .engine = id->engine,
        .writers = id->writers,
        .progress = bench_progress_update,
        .progress_arg = &bench->progress,
    };
    bench_progress_begin(&bench->progress, id);
    int status = bench->options.device == BENCH_DEVICE_FILE ? run_in_file(bench, &run, result)
                                                            : run_in_memory(bench, &run, result);
    bench_progress_end(&bench->progress, status == 0 ? result : NULL);
    if (status == 0)
        status = write_json(bench, id, result);
    if (status == 0)
        return 0;
    result->measured = false;
    fprintf(stderr, "logfile-bench: %s, %u writer%s: %s\n",
            bench_name_of(bench_engine_names, (int)id->engine), id->writers,
            id->writers == 1 ? "" : "s", bench->message);
    return -1;
}

/* ---- All runs -------------------------------------------------------------------------------- */

/* Each round starts with another engine: what ran just before (another number of writers, or
 * nothing on an idle device) would else always weigh on the same one. */
static int run_round(struct bench *bench, unsigned round)
{
    const struct bench_options *options = &bench->options;
    for (unsigned count = 0; count < options->writers_count; count++) {
        for (unsigned place = 0; place < options->engine_count; place++) {
            unsigned engine = (place + round) % options->engine_count;
            struct bench_run_id id = {options->engines[engine], options->writers[count], round + 1};
            if (run_one(bench, &id, bench_results_cell(&bench->results, round, count, engine)) != 0)
                return EXIT_MISMATCH_OR_ERROR;
            if (bench_signals_caught() != 0)
                return EXIT_SIGNAL + bench_signals_caught();
        }
    }
    return 0;
}

static int run_all(struct bench *bench)
{
    int status = 0;
    bench_progress_init(&bench->progress, &bench->options);
    for (unsigned round = 0; status == 0 && round < bench->options.repeat; round++)
        status = run_round(bench, round);
    bench_report_table(stdout, &bench->context, &bench->results);
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

/* The node's memory follows: pages go where the thread runs that touches them first. */
static int bind_to_node(struct bench *bench)
{
    hwloc_cpuset_t set;
    if (bench->options.pin != BENCH_PIN_NODE)
        return 0;
    int error = bench_pin_plan(bench->topology, BENCH_PIN_NODE, bench->options.pin_node, 1, &set);
    if (error == 0) {
        error = bench_pin_thread(bench->topology, set);
        hwloc_bitmap_free(set);
    }
    return error;
}

static int prepare(struct bench *bench)
{
    const struct bench_options *options = &bench->options;
    unsigned most = 0;
    for (unsigned i = 0; i < options->writers_count; i++)
        most = options->writers[i] > most ? options->writers[i] : most;
    bench->payload = (struct bench_payload){.seed = options->seed,
                                            .size_min = options->size_min,
                                            .size_max = options->size_max,
                                            .writers = most};
    bench->written = calloc(most, sizeof *bench->written);
    int error = bind_to_node(bench);
    if (error == 0)
        error = bench_signals_init();
    if (error == 0)
        error = bench_payload_create(&bench->payload);
    if (error == 0)
        error = bench_results_init(&bench->results, options);
    return bench->written != NULL ? error : -ENOMEM;
}

static int open_json(struct bench *bench)
{
    if (bench->options.json_path == NULL)
        return 0;
    bench->json = fopen(bench->options.json_path, "we");
    if (bench->json != NULL)
        return 0;
    snprintf(bench->message, sizeof bench->message, "--json %.200s: %s", bench->options.json_path,
             strerror(errno));
    return -1;
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
    bench_machine_describe(bench->topology, &bench->context.machine);
    bench_filesystem_describe(bench->options.dir, &bench->context.filesystem, &bench->context.disk);
}

/* With the topology loaded. */
static int measure(struct bench *bench)
{
    if (bench_preflight(&bench->options, bench->topology, bench->message, sizeof bench->message) !=
        0)
        return refuse(bench->message);
    describe(bench);
    name_log(bench);
    int error = prepare(bench);
    int status;
    if (error != 0) {
        fprintf(stderr, "logfile-bench: %s\n", strerror(-error));
        status = EXIT_MISMATCH_OR_ERROR;
    } else if (open_json(bench) != 0) {
        status = refuse(bench->message);
    } else {
        status = close_json(bench, run_all(bench));
    }
    bench_results_free(&bench->results);
    bench_payload_destroy(&bench->payload);
    free(bench->written);
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

int main(int argc, char **argv)
{
    static struct bench bench;
    if (bench_options_parse(argc, argv, &bench.options, bench.message, sizeof bench.message) != 0)
        return refuse(bench.message);
    if (bench.options.action == BENCH_HELP)
        return fputs(bench_usage, stdout) < 0;
    if (bench.options.action == BENCH_VERSION)
        return printf("logfile-bench %s\n", LOGFILE_VERSION_STRING) < 0;
    if (bench.options.action == BENCH_PROBE)
        return probe(&bench);
    int error = bench_pin_load(&bench.topology);
    if (error != 0) {
        fprintf(stderr, "logfile-bench: reading the machine's topology: %s\n", strerror(-error));
        return EXIT_MISMATCH_OR_ERROR;
    }
    int status = measure(&bench);
    hwloc_topology_destroy(bench.topology);
    return status;
}
