/* SPDX-License-Identifier: MIT */
#include "report.h"

#include "clock.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

char *bench_format_count(char *text, double value)
{
    char digits[BENCH_NUMBER_BYTES];
    int length = snprintf(digits, sizeof digits, "%.0f", value);
    char *to = text;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return text;
}

char *bench_format_number(char *text, double value)
{
    if (isnan(value))
        return strcpy(text, "-");
    if (value >= 99.95)
        return bench_format_count(text, value);
    snprintf(text, BENCH_NUMBER_BYTES, value < 9.995 ? "%.2f" : "%.1f", value);
    return text;
}

/* ---- What was measured, and on what ---------------------------------------------------------- */

static void print_amount(FILE *out, const struct bench_options *options)
{
    char count[BENCH_NUMBER_BYTES];
    if (options->records > 0)
        fprintf(out, "%s records a writer", bench_format_count(count, (double)options->records));
    else
        fprintf(out, "%g s a run", (double)options->duration_ns / (double)BENCH_NS_PER_S);
    if (options->repeat > 1)
        fprintf(out, ", medians of %" PRIu64 " interleaved rounds", options->repeat);
}

static void print_task(FILE *out, const struct bench_options *options)
{
    char small[BENCH_NUMBER_BYTES], large[BENCH_NUMBER_BYTES];
    fprintf(out, "logfile %s: records of %s", LOGFILE_VERSION_STRING,
            bench_format_count(small, (double)options->size_min));
    if (options->size_max != options->size_min)
        fprintf(out, " to %s", bench_format_count(large, (double)options->size_max));
    if (options->window > 1)
        fprintf(out, " B, submitted in windows of %s, ",
                bench_format_count(small, (double)options->window));
    else
        fputs(" B, each append waits until durable, ", out);
    if (options->rate > 0)
        fprintf(out, "%s a second asked for, ", bench_format_count(small, options->rate));
    print_amount(out, options);
    if (options->preset == BENCH_PRESET_README)
        fputs(", opening an empty log included", out);
    if (options->log.segment_bytes > 0)
        fprintf(out, ", segments of %s B",
                bench_format_count(small, (double)options->log.segment_bytes));
    if (options->trim_keep_bytes > 0)
        fprintf(out, ", trimmed to the last %s B",
                bench_format_count(small, (double)options->trim_keep_bytes));
    fputc('\n', out);
}

static void print_machine(FILE *out, const struct bench_machine *machine)
{
    fprintf(out, "machine: %s%s, %d cores, %d hardware threads, %.0f GiB, Linux %s\n",
            machine->cpu[0] != '\0' ? machine->cpu : machine->architecture,
            machine->is_virtual ? " (virtual)" : "", machine->cores, machine->units,
            (double)machine->memory_bytes / (1 << 30), machine->kernel);
}

static void print_device(FILE *out, const struct bench_context *context,
                         enum logfile_io_mode io_mode)
{
    const struct bench_options *options = context->options;
    const struct bench_disk *disk = &context->disk;
    if (options->device == BENCH_DEVICE_NULL) {
        fputs("device: null, forgets what is written\n", out);
        return;
    }
    if (options->device == BENCH_DEVICE_DELAY) {
        fprintf(out, "device: forgets what is written, a sync takes %" PRIu64 " us\n",
                options->delay_ns / 1000);
        return;
    }
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
    fprintf(out, "; %s I/O, sync by %s, prepare %s\n", bench_name_of(bench_io_names, (int)io_mode),
            bench_name_of(bench_sync_names, (int)options->log.sync),
            bench_name_of(bench_prepare_names, (int)options->log.prepare));
}

static void print_warnings(FILE *out, const struct bench_options *options)
{
    if (options->log.sync == LOGFILE_SYNC_NONE)
        fputs("UNSAFE: --sync none, so nothing here was durable\n", out);
    if (options->log.checksum == LOGFILE_CHECKSUM_HEADER)
        fputs("payloads are not checksummed (--checksum header)\n", out);
}

/* ---- The table ------------------------------------------------------------------------------- */

static double p50_us(const struct bench_result *result)
{
    return result->records > 0 ? (double)result->p50_ns / 1000 : NAN;
}

static double p99_us(const struct bench_result *result)
{
    return result->records > 0 ? (double)result->p99_ns / 1000 : NAN;
}

static double p999_us(const struct bench_result *result)
{
    return result->records > 0 ? (double)result->p999_ns / 1000 : NAN;
}

static double records_per_flush(const struct bench_result *result)
{
    return result->flushes > 0 ? result->records_per_flush : NAN;
}

static double megabytes_per_s(const struct bench_result *result)
{
    return bench_bytes_per_s(result) / 1e6;
}

/* Right-aligned, the suffix included. */
static void print_number(FILE *out, int width, double value, const char *suffix)
{
    char text[BENCH_NUMBER_BYTES + 8];
    bench_format_number(text, value);
    if (!isnan(value))
        strcat(text, suffix);
    fprintf(out, "%*s", width, text);
}

static void print_row(FILE *out, const struct bench_results *results, unsigned count_index,
                      unsigned engine_index)
{
    static const struct column {
        bench_metric *metric;
        int width;
    } columns[] = {
        {bench_records_per_s, 12}, {megabytes_per_s, 10}, {p50_us, 10}, {p99_us, 10}, {p999_us, 10},
        {records_per_flush, 15},
    };
    const struct bench_options *options = results->options;
    fprintf(out, "%7u  %-8s", options->writers[count_index],
            bench_name_of(bench_engine_names, (int)options->engines[engine_index]));
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        print_number(out, columns[i].width,
                     bench_results_median(results, count_index, engine_index, columns[i].metric),
                     "");
    print_number(out, 10, bench_results_ratio(results, count_index, engine_index), "x");
    fputs(bench_results_interrupted(results, count_index, engine_index) ? " *\n" : "\n", out);
}

static bool was_any_interrupted(const struct bench_results *results)
{
    bool any = false;
    for (unsigned count = 0; count < results->options->writers_count; count++)
        for (unsigned engine = 0; engine < results->options->engine_count; engine++)
            any |= bench_results_interrupted(results, count, engine);
    return any;
}

static bool was_any_measured(const struct bench_results *results)
{
    for (unsigned count = 0; count < results->options->writers_count; count++)
        for (unsigned engine = 0; engine < results->options->engine_count; engine++)
            if (!isnan(bench_results_median(results, count, engine, bench_records_per_s)))
                return true;
    return false;
}

/* The mode that the log chose, in whichever run came first. */
static enum logfile_io_mode chosen_io_mode(const struct bench_results *results)
{
    return bench_results_cell(results, 0, 0, 0)->io_mode;
}

void bench_report_table(FILE *out, const struct bench_context *context,
                        const struct bench_results *results)
{
    if (!was_any_measured(results))
        return;
    print_task(out, context->options);
    print_machine(out, &context->machine);
    print_device(out, context, chosen_io_mode(results));
    print_warnings(out, context->options);
    fprintf(out, "\n%7s  %-8s%12s%10s%10s%10s%10s%15s%10s\n", "writers", "engine", "records/s",
            "MB/s", "p50 us", "p99 us", "p99.9 us", "records/flush", "vs mutex");
    for (unsigned count = 0; count < context->options->writers_count; count++) {
        for (unsigned engine = 0; engine < context->options->engine_count; engine++)
            print_row(out, results, count, engine);
        if (count + 1 < context->options->writers_count)
            fputc('\n', out);
    }
    if (was_any_interrupted(results))
        fputs("\n* interrupted: measured over less than was asked for\n", out);
    fflush(out);
}
