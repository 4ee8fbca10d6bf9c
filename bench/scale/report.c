/* SPDX-License-Identifier: MIT */
#include "report.h"

#include "../names.h"
#include "../options.h"

#include <errno.h>
#include <inttypes.h>

enum {
    SHARDS_USUAL = 8,
    LABEL_BYTES = 96,
    BEYOND_LEAST = 10 /* latencies beyond a percentile, or it would be chance */
};

static double per_record(const struct work_result *result, uint64_t count)
{
    return result->records > 0 ? (double)count / (double)result->records : 0;
}

static double records_per_s(const struct work_result *result)
{
    return result->elapsed_ps > 0 ? (double)result->records * 1e12 / (double)result->elapsed_ps : 0;
}

static double percentile_us(const struct work_result *result, double fraction)
{
    return (double)bench_histogram_percentile(&result->latency_ns, fraction) / 1000;
}

static bool is_ring(const struct work *work)
{
    return work->toy == NULL && work->lab.engine == LOGFILE_ENGINE_RING;
}

static unsigned shards_of(const struct work *work)
{
    return work->lab.publish_shards != 0 ? work->lab.publish_shards : SHARDS_USUAL;
}

static void label_ring(const struct work *work, FILE *label)
{
    const struct logfile_lab *lab = &work->lab;

    if (work->tells_reserve || lab->reserve != LOGFILE_RESERVE_FAA)
        fprintf(label, "/%s", bench_name_of(bench_reserve_names, (int)lab->reserve));
    if (shards_of(work) != SHARDS_USUAL)
        fprintf(label, "/%u-shard", shards_of(work));
    if (lab->flusher != LOGFILE_FLUSHER_HYBRID)
        fprintf(label, "/%s", bench_name_of(bench_flusher_names, (int)lab->flusher));
    if (lab->wait != LOGFILE_WAIT_ADAPTIVE)
        fprintf(label, "/%s", bench_name_of(bench_wait_names, (int)lab->wait));
}

/* As logfile-bench has it: the engine, and of the ring what is not usual, or one of a list.  What that cannot
 * choose comes after it, because it makes another design. */
static void put_label(const struct work *work, FILE *label)
{
    const struct bench_name *flag = bench_variant_flag_names;

    if (work->toy != NULL) {
        fprintf(label, "toy/%s", work->toy->name);
        return;
    }
    fputs(bench_name_of(bench_engine_names, (int)work->lab.engine), label);
    if (is_ring(work))
        label_ring(work, label);
    for (; flag->name != NULL; flag++)
        if ((work->lab.variant_flags & (unsigned)flag->value) != 0)
            fprintf(label, "/%s", flag->name);
    if (work->lab.slot_count > 2)
        fprintf(label, "/%u-slot", work->lab.slot_count);
    if (work->logs > 1)
        fprintf(label, "/%u-log", work->logs);
    if (work->fanout > 0)
        fprintf(label, "/fan-out-%u", work->fanout);
    if (work->pins)
        fputs("/pinned", label);
}

static void write_label(const struct work *work, char *label, size_t bytes)
{
    FILE *out = fmemopen(label, bytes, "w");

    label[0] = '\0';
    if (out == NULL)
        return;
    put_label(work, out);
    fclose(out);
}

void report_head(FILE *out)
{
    fprintf(out, "%5s %5s %7s %6s %5s  %-12s %12s %9s %9s %8s %7s %7s %8s %6s\n", "cpus", "nodes",
            "writers", "window", "batch", "what", "records/s", "p50 us", "p99 us", "rec/fl",
            "lines", "far", "line ns", "fair");
}

void report_text(FILE *out, const struct work *work, const struct work_result *result,
                 unsigned names)
{
    char label[LABEL_BYTES];
    uint64_t window = work->clients > 0 ? work->clients : work->window;

    write_label(work, label, sizeof label);
    fprintf(out,
            "%5u %5u %7u %6" PRIu64 " %5" PRIu64 "  %-12s %12.0f %9.2f %9.2f %8.2f %7.2f %7.2f "
            "%8.1f %6.3f\n",
            work->processors, work->nodes, work->writers, window, work->batch, label,
            records_per_s(result), percentile_us(result, 0.5), percentile_us(result, 0.99),
            result->flushes > 0 ? (double)result->records / (double)result->flushes : 0,
            per_record(result, result->all.transfers + result->all.upgrades),
            per_record(result, result->all.far),
            per_record(result, result->all.queue_ps + result->all.transfer_ps) / 1000,
            result->fairness);
    for (unsigned i = 0; i < names && i < result->name_count; i++) {
        const struct work_lines *lines = &result->names[i];
        fprintf(out,
                "      %-28s %7.3f transfers, %.3f upgrades a record; waited %.1f ns for its turn, "
                "%.1f for its way\n",
                lines->name, per_record(result, lines->transfers),
                per_record(result, lines->upgrades), per_record(result, lines->queue_ps) / 1000,
                per_record(result, lines->transfer_ps) / 1000);
    }
}

static void put_name(FILE *out, const char *key, const struct bench_name *names, int value,
                     bool known)
{
    if (known)
        fprintf(out, ",\"%s\":\"%s\"", key, bench_name_of(names, value));
    else
        fprintf(out, ",\"%s\":null", key);
}

static void put_percentile(FILE *out, const struct work_result *result, const char *key,
                           double fraction)
{
    if ((1 - fraction) * (double)result->latency_ns.count >= BEYOND_LEAST)
        fprintf(out, ",\"%s\":%.3f", key, percentile_us(result, fraction));
    else
        fprintf(out, ",\"%s\":null", key);
}

static void put_latencies(FILE *out, const struct work_result *result)
{
    fprintf(out, ",\"samples\":%" PRIu64, result->latency_ns.count);
    put_percentile(out, result, "p50_us", 0.5);
    put_percentile(out, result, "p90_us", 0.9);
    put_percentile(out, result, "p99_us", 0.99);
    put_percentile(out, result, "p999_us", 0.999);
    put_percentile(out, result, "p99_9_us", 0.999);
    put_percentile(out, result, "p99_99_us", 0.9999);
    fprintf(out, ",\"max_us\":%.3f", (double)result->latency_ns.max / 1000);
    bench_histogram_print(out, &result->latency_ns);
}

static void put_fairness(FILE *out, const struct work *work, const struct work_result *result)
{
    double mean = (double)result->records / work->writers;

    if (work->writers > 1 && result->records > 0)
        fprintf(out,
                ",\"fairness\":{\"jain\":%.6f,\"least_over_mean\":%.6f"
                ",\"most_over_mean\":%.6f}",
                result->fairness, (double)result->writer_least / mean,
                (double)result->writer_most / mean);
    else
        fputs(",\"fairness\":null", out);
}

static void put_measures(FILE *out, const struct work *work, const struct work_result *result)
{
    double rate = records_per_s(result);
    double busy_ps = 0;

    for (unsigned cost = 0; cost < CPU_COST_COUNT; cost++)
        busy_ps += cost != CPU_IDLE ? (double)result->spent_ps[cost] : 0;
    fprintf(out, ",\"size_bytes\":%zu,\"records\":%" PRIu64 ",\"seconds\":%.9f", work->size,
            result->records, (double)result->elapsed_ps / 1e12);
    fprintf(out, ",\"records_per_s\":%.3f,\"bytes_per_s\":%.3f", rate, rate * (double)work->size);
    put_latencies(out, result);
    put_fairness(out, work, result);
    fprintf(out, ",\"flushes\":%" PRIu64, result->flushes);
    if (result->flushes > 0)
        fprintf(out, ",\"records_per_flush\":%.3f",
                (double)result->records / (double)result->flushes);
    else
        fputs(",\"records_per_flush\":null", out);
    fprintf(out,
            ",\"cpu_us_per_record\":%.6f,\"context_switches_per_record\":%.6f"
            ",\"system_calls_per_record\":%.6f",
            busy_ps / 1e6 / (double)result->records, per_record(result, result->switches),
            per_record(result, result->system_calls));
}

/* What only a simulation knows. */
static void put_simulated(FILE *out, const struct work_result *result)
{
    fprintf(out,
            ",\"simulation\":{\"atomic_operations\":%" PRIu64 ",\"real_seconds\":%.3f"
            ",\"fairness\":%.6f,\"writer_records_least\":%" PRIu64
            ",\"writer_records_most\":%" PRIu64,
            result->operations, result->real_seconds, result->fairness, result->writer_least,
            result->writer_most);
    fputs(",\"processors_ns_per_record\":{", out);
    for (unsigned cost = 0; cost < CPU_COST_COUNT; cost++)
        fprintf(out, "%s\"%s\":%.3f", cost > 0 ? "," : "", cpu_cost_names[cost],
                per_record(result, result->spent_ps[cost]) / 1000);
    fprintf(out,
            "},\"transfers_per_record\":%.6f,\"far_transfers_per_record\":%.6f"
            ",\"upgrades_per_record\":%.6f,\"lines\":[",
            per_record(result, result->all.transfers), per_record(result, result->all.far),
            per_record(result, result->all.upgrades));
    for (unsigned i = 0; i < result->name_count; i++) {
        const struct work_lines *lines = &result->names[i];
        fprintf(out,
                "%s{\"name\":\"%s\",\"transfers_per_record\":%.6f,\"far_per_record\":%.6f"
                ",\"upgrades_per_record\":%.6f,\"queue_ns_per_record\":%.3f"
                ",\"transfer_ns_per_record\":%.3f}",
                i > 0 ? "," : "", lines->name, per_record(result, lines->transfers),
                per_record(result, lines->far), per_record(result, lines->upgrades),
                per_record(result, lines->queue_ps) / 1000,
                per_record(result, lines->transfer_ps) / 1000);
    }
    fputs("]}", out);
}

/* A JSON string. */
static void put_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20)
            fprintf(out, "\\u%04x", (unsigned char)*text);
        else
            fprintf(out, "%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
    fputc('"', out);
}

static void put_device(FILE *out, const struct work *work)
{
    static const char *const devices[] = {"null", "delay", "file"};

    fprintf(out, ",\"device\":{\"kind\":\"%s\"", devices[work->device]);
    if (work->device == WORK_DEVICE_DELAY)
        fprintf(out, ",\"delay_us\":%" PRIu64, work->delay_ns / 1000);
    fputc('}', out);
}

static void put_flags(FILE *out, const struct work *work)
{
    const struct bench_name *flag = bench_variant_flag_names;
    const char *separator = "";

    fputs(",\"variant_flags\":[", out);
    for (; flag->name != NULL; flag++) {
        if ((work->lab.variant_flags & (unsigned)flag->value) == 0)
            continue;
        fprintf(out, "%s\"%s\"", separator, flag->name);
        separator = ",";
    }
    fputc(']', out);
}

static void put_task(FILE *out, const struct work *work)
{
    fprintf(out, "\"size_min\":%zu,\"size_max\":%zu,\"window\":%" PRIu64 ",\"batch\":%" PRIu64,
            work->size, work->size, work->window, work->batch);
    if (work->clients > 0)
        fprintf(out, ",\"clients\":%" PRIu64, work->clients);
    else
        fputs(",\"clients\":null", out);
    if (work->rate > 0)
        fprintf(out, ",\"rate\":%.3f", work->rate);
    else
        fputs(",\"rate\":null", out);
}

static void put_options(FILE *out, const struct work *work)
{
    bool is_of_ring = is_ring(work);

    fprintf(out, ",\"options\":{\"version\":\"%s\",", LOGFILE_VERSION_STRING);
    put_task(out, work);
    put_name(out, "flusher", bench_flusher_names, (int)work->lab.flusher, is_of_ring);
    put_name(out, "wait", bench_wait_names, (int)work->lab.wait, is_of_ring);
    put_name(out, "reserve", bench_reserve_names, (int)work->lab.reserve, is_of_ring);
    if (is_of_ring)
        fprintf(out, ",\"publish_shards\":%u", shards_of(work));
    else
        fputs(",\"publish_shards\":null", out);
    put_flags(out, work);
    put_name(out, "checksum", bench_checksum_names, (int)work->lab.checksum, work->toy == NULL);
    fprintf(out,
            ",\"slot_count\":%u,\"logs\":%u,\"fan_out\":%u,\"seed\":%" PRIu64
            ",\"round\":1,\"rounds\":1,\"interrupted\":false,\"command\":",
            work->lab.slot_count, work->logs, work->fanout, work->seed);
    put_text(out, work->command);
    fputc('}', out);
}

int report_json(FILE *out, const struct work *work, const struct work_result *result)
{
    char label[LABEL_BYTES];

    errno = 0;
    write_label(work, label, sizeof label);
    fprintf(out, "{\"simulated\":true,\"engine\":\"%s\",\"variant\":\"%s\",\"writers\":%u",
            work->toy != NULL ? "toy" : bench_name_of(bench_engine_names, (int)work->lab.engine),
            label, work->writers);
    put_measures(out, work, result);
    put_simulated(out, result);
    fputs(",\"machine\":{\"cpu\":", out);
    put_text(out, costs.name);
    fprintf(out,
            ",\"simulated\":true,\"packages\":%u,\"cores\":%u,\"hardware_threads\":%u"
            ",\"numa_nodes\":%u,\"virtual\":false}",
            work->nodes, work->processors, work->processors, work->nodes);
    put_device(out, work);
    put_options(out, work);
    fputs("}\n", out);
    if (fflush(out) == 0 && !ferror(out))
        return 0;
    return errno > 0 ? -errno : -EIO;
}
