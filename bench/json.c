/* SPDX-License-Identifier: MIT */
/* The keys and their meaning are in logfile-bench(1); scripts/plot reads them. */
#include "report.h"

#include "clock.h"

#include <errno.h>
#include <inttypes.h>

static void put_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c < 0x20)
            fprintf(out, "\\u%04x", *c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
}

/* A key and a string, or null when the string is not known. */
static void put_string(FILE *out, const char *key, const char *text)
{
    fprintf(out, "\"%s\":", key);
    if (text == NULL || text[0] == '\0')
        fputs("null", out);
    else
        put_text(out, text);
}

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

static void put_name(FILE *out, const char *key, const struct bench_name *names, int value)
{
    fprintf(out, ",\"%s\":\"%s\"", key, bench_name_of(names, value));
}

/* A key and a number, or null when there is nothing that it could say. */
static void put_measure(FILE *out, const char *key, double value, bool known)
{
    if (known)
        fprintf(out, ",\"%s\":%.3f", key, value);
    else
        fprintf(out, ",\"%s\":null", key);
}

static void put_measures(FILE *out, const struct bench_run_id *id,
                         const struct bench_result *result)
{
    bool any = result->records > 0;
    uint64_t records = any ? result->records : 1;
    fprintf(out, "\"engine\":\"%s\",\"writers\":%u",
            bench_name_of(bench_engine_names, (int)id->engine), id->writers);
    fprintf(out, ",\"size_bytes\":%" PRIu64, (result->payload_bytes + records / 2) / records);
    fprintf(out, ",\"records\":%" PRIu64 ",\"seconds\":%.6f", result->records,
            (double)result->elapsed_ns / (double)BENCH_NS_PER_S);
    put_measure(out, "records_per_s", bench_records_per_s(result), true);
    put_measure(out, "bytes_per_s", bench_bytes_per_s(result), true);
    put_measure(out, "p50_us", (double)result->p50_ns / 1000, any);
    put_measure(out, "p99_us", (double)result->p99_ns / 1000, any);
    put_measure(out, "p999_us", (double)result->p999_ns / 1000, any);
    put_measure(out, "max_us", (double)result->max_ns / 1000, any);
    fprintf(out, ",\"flushes\":%" PRIu64, result->flushes);
    put_measure(out, "records_per_flush", result->records_per_flush, result->flushes > 0);
    put_measure(out, "device_bytes_per_payload_byte", result->device_bytes_per_payload_byte,
                result->payload_bytes > 0);
    put_measure(out, "cpu_us_per_record", result->cpu_us_per_record, any);
    if (result->rss_bytes > 0)
        fprintf(out, ",\"rss_bytes\":%" PRIu64, result->rss_bytes);
    else
        fputs(",\"rss_bytes\":null", out);
}

static void put_machine(FILE *out, const struct bench_machine *machine)
{
    fputs(",\"machine\":{", out);
    put_string(out, "cpu", machine->cpu);
    fprintf(out,
            ",\"packages\":%d,\"cores\":%d,\"hardware_threads\":%d,\"numa_nodes\":%d"
            ",\"memory_bytes\":%" PRIu64 ",\"virtual\":%s,",
            machine->packages, machine->cores, machine->units, machine->nodes,
            machine->memory_bytes, truth(machine->is_virtual));
    put_string(out, "architecture", machine->architecture);
    fputc(',', out);
    put_string(out, "kernel", machine->kernel);
    fputc('}', out);
}

static void put_filesystem(FILE *out, const struct bench_context *context)
{
    const struct bench_filesystem *filesystem = &context->filesystem;
    if (context->options->device != BENCH_DEVICE_FILE) {
        fputs(",\"filesystem\":null", out);
        return;
    }
    fputs(",\"filesystem\":{", out);
    put_string(out, "type", filesystem->type);
    fputc(',', out);
    put_string(out, "source", filesystem->source);
    fputc(',', out);
    put_string(out, "mount_options", filesystem->mount_options);
    fputc(',', out);
    put_string(out, "super_options", filesystem->super_options);
    fprintf(out, ",\"total_bytes\":%" PRIu64 ",\"free_bytes\":%" PRIu64 "}",
            filesystem->total_bytes, filesystem->free_bytes);
}

static void put_device(FILE *out, const struct bench_context *context)
{
    const struct bench_options *options = context->options;
    const struct bench_disk *disk = &context->disk;
    fprintf(out, ",\"device\":{\"kind\":\"%s\"",
            bench_name_of(bench_device_names, (int)options->device));
    if (options->device == BENCH_DEVICE_DELAY)
        fprintf(out, ",\"delay_us\":%" PRIu64, options->delay_ns / 1000);
    if (options->device == BENCH_DEVICE_FILE) {
        fputc(',', out);
        put_string(out, "name", disk->name);
        fputc(',', out);
        put_string(out, "model", disk->model);
        fputc(',', out);
        put_string(out, "write_cache", disk->write_cache);
        fprintf(out, ",\"rotational\":%s",
                disk->rotational < 0 ? "null" : truth(disk->rotational == 1));
    }
    fputc('}', out);
}

static void put_log_options(FILE *out, const struct logfile_options *log,
                            const struct bench_result *result)
{
    put_name(out, "flusher", bench_flusher_names, (int)log->flusher);
    put_name(out, "wait", bench_wait_names, (int)log->wait);
    put_name(out, "reserve", bench_reserve_names, (int)log->reserve);
    put_name(out, "io", bench_io_names, (int)log->io_mode);
    put_name(out, "io_used", bench_io_names, (int)result->io_mode);
    put_name(out, "sync", bench_sync_names, (int)log->sync);
    put_name(out, "prepare", bench_prepare_names, (int)log->prepare);
    put_name(out, "checksum", bench_checksum_names, (int)log->checksum);
    if (log->slot_bytes != 0)
        fprintf(out, ",\"slot_bytes\":%zu", log->slot_bytes);
    else
        fputs(",\"slot_bytes\":null", out);
    fprintf(out, ",\"segment_bytes\":%" PRIu64, log->segment_bytes);
}

static void put_options(FILE *out, const struct bench_options *options,
                        const struct bench_run_id *id, const struct bench_result *result)
{
    fprintf(out, ",\"options\":{\"version\":\"%s\",", LOGFILE_VERSION_STRING);
    put_string(out, "preset",
               options->preset != BENCH_PRESET_NONE
                   ? bench_name_of(bench_preset_names, (int)options->preset)
                   : NULL);
    fprintf(out, ",\"size_min\":%zu,\"size_max\":%zu,\"window\":%" PRIu64, options->size_min,
            options->size_max, options->window);
    put_measure(out, "asked_seconds", (double)options->duration_ns / (double)BENCH_NS_PER_S,
                options->duration_ns > 0);
    if (options->records > 0)
        fprintf(out, ",\"records_per_writer\":%" PRIu64, options->records);
    else
        fputs(",\"records_per_writer\":null", out);
    put_measure(out, "rate", options->rate, options->rate > 0);
    put_name(out, "pin", bench_pin_names, (int)options->pin);
    if (options->pin == BENCH_PIN_NODE)
        fprintf(out, ",\"pin_node\":%u", options->pin_node);
    put_log_options(out, &options->log, result);
    fprintf(out, ",\"trim_keep\":%" PRIu64, options->trim_keep_bytes);
    fprintf(out, ",\"seed\":%" PRIu64 ",\"round\":%u,\"rounds\":%" PRIu64 ",\"interrupted\":%s}",
            options->seed, id->round, options->repeat, truth(result->interrupted));
}

int bench_report_json(FILE *out, const struct bench_context *context, const struct bench_run_id *id,
                      const struct bench_result *result)
{
    errno = 0;
    fputc('{', out);
    put_measures(out, id, result);
    put_machine(out, &context->machine);
    put_filesystem(out, context);
    put_device(out, context);
    put_options(out, context->options, id, result);
    fputs("}\n", out);
    if (fflush(out) == 0 && !ferror(out))
        return 0;
    return errno > 0 ? -errno : -EIO;
}
