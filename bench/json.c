/* SPDX-License-Identifier: MIT */
/* The keys and their meaning are in logfile-bench(1); scripts/benchlib reads them. */
#include "report.h"

#include "clock.h"
#include "json_conduct.h"
#include "json_log.h"
#include "hdr.h"
#include "json_put.h"

#include <errno.h>
#include <math.h>

static void put_name(FILE *out, const char *key, const struct bench_name *names, int value)
{
    fprintf(out, ",\"%s\":\"%s\"", key, bench_name_of(names, value));
}

/* ---- Measures -------------------------------------------------------------------------------- */

void bench_report_id_json(FILE *out, const struct bench_run_id *id)
{
    fprintf(out, "\"engine\":\"%s\",", bench_variant_engine(id->variant));
    put_string(out, "variant", id->variant->label);
    fprintf(out, ",\"variant_index\":%u,\"point_index\":%u", id->variant_index, id->point_index);
    put_number(out, "rung", id->variant->rung, id->variant->rung > 0);
    fprintf(out, ",\"order\":%u,\"started_at\":%.3f,\"writers\":%u", id->order, id->started_at,
            id->point.writers);
}

/* Percentiles; NAN: too few values to tell. */
static void put_told(FILE *out, const double percentile_us[BENCH_PERCENTILES])
{
    static const struct {
        const char *key;
        enum bench_percentile percentile;
    } keys[] = {
        {"p50_us", BENCH_P50},    {"p90_us", BENCH_P90},     {"p99_us", BENCH_P99},
        {"p999_us", BENCH_P99_9}, {"p99_9_us", BENCH_P99_9}, {"p99_99_us", BENCH_P99_99},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        double us = percentile_us[keys[i].percentile];
        put_measure(out, keys[i].key, us, !isnan(us));
    }
}

static void put_measures(FILE *out, const struct bench_result *result)
{
    uint64_t records = result->records > 0 ? result->records : 1;
    fprintf(out, ",\"size_bytes\":%" PRIu64, (result->payload_bytes + records / 2) / records);
    fprintf(out, ",\"records\":%" PRIu64 ",\"seconds\":%.6f", result->records,
            (double)result->elapsed_ns / (double)BENCH_NS_PER_S);
    put_measure(out, "records_per_s", bench_records_per_s(result), true);
    put_measure(out, "bytes_per_s", bench_bytes_per_s(result), true);
    put_number(out, "samples", result->latencies, true);
    put_told(out, result->percentile_us);
    put_measure(out, "max_us", (double)result->max_ns / 1000, result->latencies > 0);
}

static void put_costs(FILE *out, const struct bench_result *result)
{
    bool any = result->records > 0;
    put_number(out, "flushes", result->flushes, result->is_log);
    put_measure(out, "records_per_flush", result->records_per_flush, result->flushes > 0);
    put_measure(out, "device_bytes_per_payload_byte", result->device_bytes_per_payload_byte,
                result->is_log && result->payload_bytes > 0);
    put_measure(out, "cpu_us_per_record", result->cpu_us_per_record, any);
    put_number(out, "rss_bytes", result->rss_bytes, result->rss_bytes > 0);
    put_measure(out, "submit_ns", result->submit_ns, !isnan(result->submit_ns));
    put_measure(out, "context_switches_per_record", result->context_switches_per_record, any);
    put_measure(out, "system_calls_per_record", result->system_calls_per_record,
                result->knows_calls);
}

static void put_batches(FILE *out, const uint64_t *batches, bool known)
{
    unsigned count = BENCH_BATCH_BUCKETS;
    fputs(",\"batch_histogram\":", out);
    if (!known) {
        fputs("null", out);
        return;
    }
    while (count > 0 && batches[count - 1] == 0)
        count--;
    fputc('[', out);
    for (unsigned i = 0; i < count; i++)
        fprintf(out, "%s%" PRIu64, i > 0 ? "," : "", batches[i]);
    fputc(']', out);
}

static void put_stages(FILE *out, const struct bench_result *result)
{
    if (result->stage_samples == 0) {
        fputs(",\"stages_us\":null", out);
        return;
    }
    fprintf(out, ",\"stages_us\":{\"samples\":%" PRIu64, result->stage_samples);
    for (const struct bench_name *stage = bench_stage_names; stage->name != NULL; stage++)
        put_measure(out, stage->name, result->stage_us[stage->value], true);
    fputc('}', out);
}

/* ---- What bounded it ------------------------------------------------------------------------- */

static void put_bound(FILE *out, const struct bench_bound *bound)
{
    fprintf(out, "{\"bound\":\"%s\"", bound->name);
    put_measure(out, "before", bound->before, !isnan(bound->before));
    put_measure(out, "after", bound->after, !isnan(bound->after));
    put_measure(out, "records_per_s", bound->records_per_s, !isnan(bound->records_per_s));
    fprintf(out, ",\"passed\":%s}", truth(bound->passed));
}

void bench_report_bounds_json(FILE *out, const struct bench_options *options,
                              const struct bench_run_id *id, const struct bench_result *result,
                              const struct bench_bracket *bracket)
{
    struct bench_bound bounds[BENCH_BOUNDS_MAX];
    if (bracket == NULL) {
        fputs(",\"bounds\":null", out);
        return;
    }
    unsigned count = bench_bounds_of(options, &id->point, result, bracket, bounds);
    fputs(",\"bounds\":[", out);
    for (unsigned i = 0; i < count; i++) {
        fputs(i > 0 ? "," : "", out);
        put_bound(out, &bounds[i]);
    }
    fputc(']', out);
}

/* ---- What it was measured on ----------------------------------------------------------------- */

static void put_placement(FILE *out, const struct bench_options *options,
                          const struct bench_placement *placement)
{
    const struct bench_place_options *place = &options->place;
    char text[BENCH_PLACE_TEXT];
    if (!bench_options_place(options)) {
        fputs(",\"placement\":null", out);
        return;
    }
    fputs(",\"placement\":{", out);
    bench_place_print_pin(place, text);
    put_string(out, "pin", text);
    fputc(',', out);
    bench_place_print_sequencer(place, text);
    put_string(out, "pin_sequencer", text);
    fputc(',', out);
    bench_place_print_memory(place, text);
    put_string(out, "ring_memory", text);
    fputc(',', out);
    put_string(out, "writers", placement->writers);
    fputc(',', out);
    put_string(out, "sequencer", placement->sequencer);
    fputc(',', out);
    put_string(out, "ring_pages", placement->ring_memory);
    fputc('}', out);
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

static void put_reached(FILE *out, const struct bench_options *options,
                        const struct bench_reached *reached)
{
    if (options->device != BENCH_DEVICE_DELAY) {
        fputs(",\"device_delay_us\":null", out);
        return;
    }
    fprintf(out, ",\"device_delay_us\":{\"asked\":%" PRIu64 ",\"syncs\":%" PRIu64,
            options->delay_ns / 1000, reached->syncs);
    put_measure(out, "mean", reached->mean_us, !isnan(reached->mean_us));
    put_measure(out, "p50", reached->p50_us, !isnan(reached->p50_us));
    put_measure(out, "p99", reached->p99_us, !isnan(reached->p99_us));
    fputc('}', out);
}

/* ---- What it was measured with --------------------------------------------------------------- */

static void put_choice(FILE *out, const char *key, const struct bench_name *names, int value,
                       bool known)
{
    if (known)
        put_name(out, key, names, value);
    else
        fprintf(out, ",\"%s\":null", key);
}

/* What only the ring has. */
static void put_ring_options(FILE *out, const struct bench_variant *variant)
{
    const struct logfile_lab *lab = &variant->lab;
    bool is_ring = bench_variant_is_ring(variant);
    put_choice(out, "flusher", bench_flusher_names, (int)lab->flusher, is_ring);
    put_choice(out, "wait", bench_wait_names, (int)lab->wait, is_ring);
    put_choice(out, "gather", bench_gather_names,
               (int)(lab->variant_flags & LOGFILE_VARIANT_NO_GATHER), is_ring);
    put_choice(out, "wake", bench_wake_names, (int)(lab->variant_flags & LOGFILE_VARIANT_WAKE_TREE),
               is_ring);
    fputc(',', out);
    put_string(out, "reserve", is_ring ? bench_variant_reserve(variant) : NULL);
    if (is_ring && lab->publish_shards == LOGFILE_SHARDS_PER_CORE)
        fputs(",\"publish_shards\":\"cores\"", out);
    else
        put_number(out, "publish_shards", lab->publish_shards, is_ring);
}

static void put_variant_flags(FILE *out, const struct bench_variant *variant)
{
    const char *separator = "";
    fputs(",\"variant_flags\":[", out);
    for (const struct bench_name *flag = bench_variant_flag_names; flag->name != NULL; flag++) {
        if ((variant->lab.variant_flags & (unsigned)flag->value) == 0)
            continue;
        fprintf(out, "%s\"%s\"", separator, flag->name);
        separator = ",";
    }
    fputc(']', out);
}

static void put_log_options(FILE *out, const struct bench_variant *variant,
                            const struct bench_result *result)
{
    const struct logfile_options *log = &variant->log;
    const struct logfile_lab *lab = &variant->lab;
    bool is_log = result->is_log;
    put_choice(out, "io", bench_io_names, (int)log->io_mode, is_log);
    put_choice(out, "io_used", bench_io_names, (int)result->io_mode, is_log);
    put_choice(out, "sync", bench_sync_names, (int)lab->sync, is_log);
    put_choice(out, "prepare", bench_prepare_names, (int)log->prepare, is_log);
    put_choice(out, "checksum", bench_checksum_names, (int)lab->checksum, is_log);
    put_number(out, "slot_bytes", log->slot_bytes, is_log && log->slot_bytes != 0);
    put_number(out, "segment_bytes", log->segment_bytes, is_log);
}

static void put_task(FILE *out, const struct bench_options *options,
                     const struct bench_point *point, const struct bench_load *load)
{
    put_string(out, "preset",
               options->preset != BENCH_PRESET_NONE
                   ? bench_name_of(bench_preset_names, (int)options->preset)
                   : NULL);
    fprintf(out, ",\"size_min\":%zu,\"size_max\":%zu,\"window\":%" PRIu64, point->size_min,
            point->size_max, point->window);
    put_number(out, "clients", options->clients, options->clients > 0);
    put_measure(out, "asked_seconds", (double)options->duration_ns / (double)BENCH_NS_PER_S,
                options->duration_ns > 0);
    put_number(out, "records_per_writer", options->records, options->records > 0);
    put_measure(out, "rate", load->rate_asked, load->is_open);
}

static void put_options(FILE *out, const struct bench_context *context,
                        const struct bench_run_id *id, const struct bench_result *result)
{
    const struct bench_options *options = context->options;
    fprintf(out, ",\"options\":{\"version\":\"%s\",", LOGFILE_VERSION_STRING);
    put_task(out, options, &id->point, &result->conduct.load);
    put_ring_options(out, id->variant);
    put_variant_flags(out, id->variant);
    put_log_options(out, id->variant, result);
    put_number(out, "trim_keep", options->trim_keep_bytes, result->is_log);
    put_number(out, "written", options->written_bytes, result->is_log);
    put_number(out, "stages_every", options->lab.stage_sample_every, result->is_log);
    fprintf(out, ",\"sliced\":%s", truth(options->is_sliced));
    fprintf(out, ",\"seed\":%" PRIu64 ",\"round\":%u,\"rounds\":%" PRIu64 ",\"interrupted\":%s,",
            options->seed, id->round, options->repeat, truth(result->interrupted));
    put_string(out, "command", context->command);
    fputc('}', out);
}

/* ---- Lines ----------------------------------------------------------------------------------- */

int bench_report_json(FILE *out, const struct bench_context *context, const struct bench_run_id *id,
                      const struct bench_result *result, const struct bench_detail *detail,
                      const struct bench_bracket *bracket)
{
    errno = 0;
    fputc('{', out);
    bench_report_id_json(out, id);
    put_measures(out, result);
    put_costs(out, result);
    bench_histogram_print(out, &detail->latency_ns);
    fputs(",\"hdr\":\"", out);
    bench_hdr_print(out, &detail->latency_ns);
    fputc('"', out);
    put_batches(out, detail->batches, result->is_log);
    bench_report_log_json(out, detail, result->is_log);
    put_stages(out, result);
    bench_report_pressure_json(out, &result->pressure);
    bench_report_conduct_json(out, context->options, id, result, detail);
    put_reached(out, context->options, &result->reached);
    fputc(',', out);
    put_string(out, "settings", id->variant->peer != NULL ? id->variant->peer->settings : NULL);
    put_placement(out, context->options, &detail->placement);
    put_machine(out, &context->machine);
    put_filesystem(out, context);
    put_device(out, context);
    put_options(out, context, id, result);
    bench_report_bounds_json(out, context->options, id, result, bracket);
    return end_line(out);
}

static const char *moment(bool is_after)
{
    return is_after ? "after" : "before";
}

static int put_wake_floor(FILE *out, unsigned writers, double wakes_per_s, unsigned round,
                          bool is_after)
{
    errno = 0;
    fprintf(out, "{\"floor\":\"wake\",\"threads\":%u,\"groups\":%u", writers,
            bench_bounds_groups(writers));
    put_measure(out, "wakes_per_s", wakes_per_s, true);
    fprintf(out, ",\"round\":%u,\"moment\":\"%s\"", round, moment(is_after));
    return end_line(out);
}

static int put_sync_floor(FILE *out, const struct bench_bounds *bounds,
                          const struct bench_point *point, const struct bench_rates *rates,
                          unsigned round, bool is_after)
{
    errno = 0;
    fprintf(out, "{\"floor\":\"sync\",\"how\":\"%s\",\"direct\":%s,\"bytes\":%zu",
            bench_name_of(bench_sync_names, (int)bounds->options->lab.sync), truth(bounds->direct),
            bench_bounds_write_bytes(bounds->options, point));
    put_measure(out, "syncs_per_s", rates->syncs_per_s, true);
    put_told(out, rates->sync_us);
    fprintf(out, ",\"round\":%u,\"moment\":\"%s\"", round, moment(is_after));
    return end_line(out);
}

int bench_report_rates_json(FILE *out, const struct bench_bounds *bounds,
                            const struct bench_point *point, const struct bench_rates *rates,
                            unsigned round, bool is_after)
{
    int error = 0;
    if (!isnan(rates->syncs_per_s))
        error = put_sync_floor(out, bounds, point, rates, round, is_after);
    if (error == 0 && !isnan(rates->wakes_per_s))
        error = put_wake_floor(out, point->writers, rates->wakes_per_s, round, is_after);
    return error;
}
