/* SPDX-License-Identifier: MIT */
/* What stands above the table: what was measured, on what, and what the machine can do. */
#include "report.h"

#include "build.h"

#include "clock.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define TOLERATED 1.1 /* a device's delay may be so much longer than asked for */

/* ---- What was measured, and on what ---------------------------------------------------------- */

/* An interrupted program has fewer rounds than it was asked for, and of some rows fewer than of others. */
static void print_rounds(FILE *out, const struct bench_options *options, struct bench_rounds rounds)
{
    const char *one = options->is_sliced ? "slice" : "round";
    const char *several = options->is_sliced ? "slices by turns" : "interleaved rounds";
    if (rounds.fewest == options->repeat)
        fprintf(out, ", medians of %" PRIu64 " %s", options->repeat, several);
    else if (rounds.most == 1)
        fprintf(out, ", one %s of the %" PRIu64 " that were asked for", one, options->repeat);
    else if (rounds.fewest == rounds.most)
        fprintf(out, ", medians of %u %s, of the %" PRIu64 " that were asked for", rounds.most,
                several, options->repeat);
    else
        fprintf(out, ", medians of %u to %u %s, of the %" PRIu64 " that were asked for",
                rounds.fewest, rounds.most, several, options->repeat);
    if (options->is_sliced)
        fputs(", over logs that stay open", out);
}

static void print_amount(FILE *out, const struct bench_options *options,
                         const struct bench_results *results)
{
    char count[BENCH_NUMBER_BYTES];
    if (options->records > 0)
        fprintf(out, "%s records a writer", bench_format_count(count, (double)options->records));
    else
        fprintf(out, "%g s a run", (double)options->duration_ns / (double)BENCH_NS_PER_S);
    if (options->repeat > 1)
        print_rounds(out, options, bench_results_rounds(results));
}

static void print_numbers(FILE *out, const struct bench_list *list)
{
    char text[BENCH_NUMBER_BYTES];
    for (unsigned i = 0; i < list->count; i++)
        fprintf(out, "%s%s", i > 0 ? ", " : "", bench_format_count(text, (double)list->values[i]));
}

static void print_sizes(FILE *out, const struct bench_options *options)
{
    char text[BENCH_NUMBER_BYTES];
    print_numbers(out, &options->sizes);
    if (options->size_max > options->sizes.values[0])
        fprintf(out, " to %s", bench_format_count(text, (double)options->size_max));
}

static void print_windows(FILE *out, const struct bench_options *options)
{
    const struct bench_list *windows = &options->windows;
    if (options->clients > 0) {
        fprintf(out, " B, submitted by %llu clients that wait until durable, ",
                (unsigned long long)options->clients);
        return;
    }
    if (bench_list_max(windows) == 1) {
        fputs(" B, each append waits until durable, ", out);
        return;
    }
    fputs(options->rates.values[0] == 0 ? " B, submitted in windows of "
                                        : " B, submitted when due, on their way a writer up to ",
          out);
    print_numbers(out, windows);
    fputs(", ", out);
}

static void print_extent(FILE *out, const struct bench_options *options)
{
    char text[BENCH_NUMBER_BYTES];
    if (options->log.segment_bytes > 0)
        fprintf(out, ", segments of %s B",
                bench_format_count(text, (double)options->log.segment_bytes));
    if (options->written_bytes > 0)
        fprintf(out, ", %s B of each log written before",
                bench_format_count(text, (double)options->written_bytes));
    if (options->trim_keep_bytes > 0)
        fprintf(out, ", trimmed to the last %s B",
                bench_format_count(text, (double)options->trim_keep_bytes));
}

static void print_task(FILE *out, const struct bench_options *options,
                       const struct bench_results *results)
{
    fprintf(out, "logfile %s: records of ", LOGFILE_VERSION_STRING);
    print_sizes(out, options);
    print_windows(out, options);
    print_amount(out, options, results);
    if (options->preset == BENCH_PRESET_README)
        fputs(", opening an empty log included", out);
    print_extent(out, options);
    fputc('\n', out);
    bench_report_load(out, options);
}

static void print_baseline(FILE *out, const struct bench_baseline *baseline)
{
    if (baseline->path != NULL)
        fprintf(out, "baseline: %s, version %s%s%s; each run of either build is a process\n",
                baseline->path, baseline->version, baseline->commit[0] != '\0' ? ", commit " : "",
                baseline->commit);
}

/* What of the machine this process may not have. */
static void print_share(FILE *out, const struct bench_machine *machine)
{
    char text[BENCH_NUMBER_BYTES];
    if (machine->is_restricted)
        fprintf(out, "restricted: to the hardware threads %s, of %s\n", machine->cpus_allowed,
                machine->cpus_online);
    if (machine->cpu_quota < machine->units)
        fprintf(out, "restricted: to the time of %s processors, by a cgroup\n",
                bench_format_number(text, machine->cpu_quota));
}

static void print_machine(FILE *out, const struct bench_machine *machine)
{
    fprintf(out, "machine: %s%s, %d cores, %d hardware threads, %.0f GiB, Linux %s\n",
            machine->cpu[0] != '\0' ? machine->cpu : machine->architecture,
            machine->is_virtual ? " (virtual)" : "", machine->cores, machine->units,
            (double)machine->memory_bytes / (1 << 30), machine->kernel);
}

/* How logs are written; log_result: NULL when there was none. */
static void print_log_io(FILE *out, const struct bench_options *options,
                         const struct bench_result *log_result)
{
    if (log_result != NULL)
        fprintf(out, "; %s I/O, sync by %s, prepare %s",
                bench_name_of(bench_io_names, (int)log_result->io_mode),
                bench_name_of(bench_sync_names, (int)options->lab.sync),
                bench_name_of(bench_prepare_names, (int)options->log.prepare));
    fputc('\n', out);
}

static void print_disk(FILE *out, const struct bench_context *context)
{
    const struct bench_disk *disk = &context->disk;
    const struct bench_filesystem *filesystem = &context->filesystem;
    const char *where = disk->name[0] != '\0' ? disk->name : filesystem->source;
    fprintf(out, "file system: %s%s%s", filesystem->type[0] != '\0' ? filesystem->type : "unknown",
            where[0] != '\0' ? " on " : "", where);
    if (disk->model[0] != '\0')
        fprintf(out, " (%s)", disk->model);
    if (disk->rotational == 1 && !context->machine.is_virtual) /* virtual disks say it at random */
        fputs(", rotating", out);
    if (disk->write_cache[0] != '\0')
        fprintf(out, ", %s cache", disk->write_cache);
}

static double reached_us(const struct bench_result *result)
{
    return result->reached.p50_us;
}

/* A line if syncs took longer than asked for, because the kernel or another thread came too late. */
static void print_reached(FILE *out, const struct bench_results *results)
{
    const struct bench_options *options = results->options;
    const double asked_us = (double)options->delay_ns / 1000;
    double most_us = asked_us * TOLERATED;
    unsigned most_point = 0;
    const char *most_label = NULL;
    char text[BENCH_NUMBER_BYTES];
    for (unsigned point = 0; point < bench_point_count(options); point++)
        for (unsigned variant = 0; variant < options->variants.count; variant++) {
            double us = bench_results_spread(results, point, variant, reached_us).median;
            if (!(us > most_us))
                continue;
            most_us = us;
            most_point = point;
            most_label = options->variants.all[variant].label;
        }
    if (most_label == NULL)
        return;
    unsigned writers = bench_point_at(options, most_point).writers;
    fprintf(out, "DEVICE LATE: a sync took up to %s us in the median (%s, %u writer%s)\n",
            bench_format_number(text, most_us), most_label, writers, writers == 1 ? "" : "s");
}

static void print_device(FILE *out, const struct bench_context *context,
                         const struct bench_results *results)
{
    const struct bench_options *options = context->options;
    if (options->device == BENCH_DEVICE_NULL) {
        fputs("device: null, forgets what is written\n", out);
        return;
    }
    if (options->device == BENCH_DEVICE_DELAY) {
        fprintf(out, "device: forgets what is written, a sync takes %" PRIu64 " us\n",
                options->delay_ns / 1000);
        print_reached(out, results);
        return;
    }
    print_disk(out, context);
    print_log_io(out, options, bench_results_first(results, true));
}

static void print_warnings(FILE *out, const struct bench_context *context)
{
    const struct bench_options *options = context->options;
    if (options->device == BENCH_DEVICE_FILE && context->filesystem.is_volatile)
        fprintf(out, "VOLATILE: %s is in memory, so nothing here outlives a power cut\n",
                context->filesystem.type);
    if (options->lab.sync == LOGFILE_SYNC_NONE)
        fputs("UNSAFE: --sync none, so nothing here was durable\n", out);
    if (options->lab.checksum == LOGFILE_CHECKSUM_HEADER)
        fputs("payloads are not checksummed (--checksum header)\n", out);
}

static void print_place(FILE *out, const char *who, const char *where)
{
    fprintf(out, "%s %s%s", who, where[0] != '\0' ? "on " : "",
            where[0] != '\0' ? where : "anywhere");
}

static void print_placement(FILE *out, const struct bench_placement *placement)
{
    fputs("placement, as read back: ", out);
    print_place(out, "writers", placement->writers);
    print_place(out, ", sequencer", placement->sequencer);
    if (placement->ring_memory[0] != '\0')
        fprintf(out, ", pages of the ring by node %s", placement->ring_memory);
    fputc('\n', out);
}

static void print_settings(FILE *out, const struct bench_variants *variants)
{
    for (unsigned i = 0; i < variants->count; i++) {
        const struct bench_peer *peer = variants->all[i].peer;
        if (peer != NULL)
            fprintf(out, "%s %s: %s\n", peer->name, peer->version(), peer->settings);
    }
}

/* ---- What bounds the runs -------------------------------------------------------------------- */

typedef double bench_rate(const struct bench_rates *rates);

static double syncs_per_s(const struct bench_rates *rates)
{
    return rates->usual_syncs_per_s;
}

static double sync_p50_us(const struct bench_rates *rates)
{
    return rates->sync_us[BENCH_P50];
}

static double wakes_per_s(const struct bench_rates *rates)
{
    return rates->wakes_per_s;
}

/* The median of all that was measured before and after points with one entry of --writers, or with any. */
static double median_rate(const struct bench_options *options, const struct bench_bracket *brackets,
                          const unsigned *writers_index, bench_rate *rate)
{
    unsigned points = bench_point_count(options);
    size_t most = 2 * options->repeat * points;
    double *values = calloc(most, sizeof *values);
    double median = NAN;
    unsigned count = 0;
    for (size_t i = 0; values != NULL && i < most; i++) {
        const struct bench_bracket *bracket = &brackets[i / 2];
        double value = rate(i % 2 == 0 ? &bracket->before : &bracket->after);
        bool is_meant =
            writers_index == NULL || i / 2 % points % options->writers.count == *writers_index;
        if (is_meant && !isnan(value))
            values[count++] = value;
    }
    if (count > 0)
        median = bench_spread_of(values, count).median;
    free(values);
    return median;
}

static void print_sync_rate(FILE *out, const struct bench_options *options,
                            const struct bench_bracket *brackets)
{
    struct bench_point point = bench_point_at(options, 0);
    char text[BENCH_NUMBER_BYTES];
    double per_s = median_rate(options, brackets, NULL, syncs_per_s);
    if (isnan(per_s))
        return;
    fprintf(out, "lone-writer syncs/s: %s", bench_format_number(text, per_s));
    if (options->sizes.count * options->windows.count == 1)
        fprintf(out, ", each of %s B",
                bench_format_count(text, (double)bench_bounds_write_bytes(options, &point)));
    fprintf(out, ", p50 %s us\n",
            bench_format_number(text, median_rate(options, brackets, NULL, sync_p50_us)));
}

/* Medians of what was measured around the points. */
static void print_rates(FILE *out, const struct bench_options *options,
                        const struct bench_bracket *brackets)
{
    char text[BENCH_NUMBER_BYTES];
    print_sync_rate(out, options, brackets);
    for (unsigned i = 0; i < options->writers.count; i++) {
        unsigned writers = (unsigned)options->writers.values[i];
        double per_s = median_rate(options, brackets, &i, wakes_per_s);
        if (!isnan(per_s))
            fprintf(out, "kernel wakes/s at %u writer%s: %s\n", writers, writers == 1 ? "" : "s",
                    bench_format_number(text, per_s));
    }
}

/* ---- All of it ------------------------------------------------------------------------------- */

void bench_report_head(FILE *out, const struct bench_context *context,
                       const struct bench_results *results, const struct bench_bracket *brackets,
                       const struct bench_placement *placement)
{
    print_task(out, context->options, results);
    fputs("build: ", out);
    bench_print_build(out);
    print_baseline(out, &context->options->baseline);
    print_machine(out, &context->machine);
    if (context->cores != NULL)
        bench_core_to_core_print(out, context->cores);
    print_share(out, &context->machine);
    print_device(out, context, results);
    print_settings(out, &context->options->variants);
    if (brackets != NULL)
        print_rates(out, context->options, brackets);
    if (placement != NULL)
        print_placement(out, placement);
    print_warnings(out, context);
    fputc('\n', out);
}
