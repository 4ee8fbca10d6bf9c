/* SPDX-License-Identifier: MIT */
#include "report.h"

#include "../names.h"
#include "../options.h"

#include <errno.h>
#include <inttypes.h>

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

void report_label(const struct work *work, char *label, size_t bytes)
{
    const char *engine = bench_name_of(bench_engine_names, (int)work->lab.engine);

    if (work->toy != NULL)
        snprintf(label, bytes, "toy/%s", work->toy->name);
    else if (work->lab.engine == LOGFILE_ENGINE_RING)
        snprintf(label, bytes, "%s/%s", engine,
                 bench_name_of(bench_reserve_names, (int)work->lab.reserve));
    else
        snprintf(label, bytes, "%s", engine);
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
    char label[32];
    uint64_t window = work->clients > 0 ? work->clients : work->window;

    report_label(work, label, sizeof label);
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

static void put_measures(FILE *out, const struct work *work, const struct work_result *result)
{
    double rate = records_per_s(result);
    double busy_ps = 0;

    for (unsigned cost = 0; cost < CPU_COST_COUNT; cost++)
        busy_ps += cost != CPU_IDLE ? (double)result->spent_ps[cost] : 0;
    fprintf(out, ",\"size_bytes\":%zu,\"records\":%" PRIu64 ",\"seconds\":%.9f", work->size,
            result->records, (double)result->elapsed_ps / 1e12);
    fprintf(out, ",\"records_per_s\":%.3f,\"bytes_per_s\":%.3f", rate, rate * (double)work->size);
    fprintf(out, ",\"p50_us\":%.3f,\"p99_us\":%.3f,\"p999_us\":%.3f,\"max_us\":%.3f",
            percentile_us(result, 0.5), percentile_us(result, 0.99), percentile_us(result, 0.999),
            (double)result->latency_ns.max / 1000);
    fprintf(out, ",\"flushes\":%" PRIu64, result->flushes);
    if (result->flushes > 0)
        fprintf(out, ",\"records_per_flush\":%.3f",
                (double)result->records / (double)result->flushes);
    else
        fputs(",\"records_per_flush\":null", out);
    fprintf(out, ",\"cpu_us_per_record\":%.6f", busy_ps / 1e6 / (double)result->records);
    bench_histogram_print(out, &result->latency_ns);
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

static void put_options(FILE *out, const struct work *work)
{
    static const char *const devices[] = {"null", "delay", "file"};
    bool is_ring = work->toy == NULL && work->lab.engine == LOGFILE_ENGINE_RING;

    fprintf(out, ",\"device\":{\"kind\":\"%s\"", devices[work->device]);
    if (work->device == WORK_DEVICE_DELAY)
        fprintf(out, ",\"delay_us\":%.3f", (double)work->delay_ns / 1000);
    fprintf(out, "},\"options\":{\"window\":%" PRIu64 ",\"batch\":%" PRIu64 ",\"clients\":%" PRIu64,
            work->window, work->batch, work->clients);
    if (work->rate > 0)
        fprintf(out, ",\"rate\":%.3f", work->rate);
    else
        fputs(",\"rate\":null", out);
    put_name(out, "flusher", bench_flusher_names, (int)work->lab.flusher, is_ring);
    put_name(out, "wait", bench_wait_names, (int)work->lab.wait, is_ring);
    put_name(out, "reserve", bench_reserve_names, (int)work->lab.reserve, is_ring);
    fprintf(out,
            ",\"publish_shards\":%u,\"slot_count\":%u,\"logs\":%u,\"fan_out\":%u,\"seed\":%" PRIu64
            "}",
            work->lab.publish_shards, work->lab.slot_count, work->logs, work->fanout, work->seed);
}

int report_json(FILE *out, const struct work *work, const struct work_result *result)
{
    char label[32];

    errno = 0;
    report_label(work, label, sizeof label);
    fprintf(out, "{\"simulated\":true,\"engine\":\"%s\",\"variant\":\"%s\",\"writers\":%u",
            work->toy != NULL ? "toy" : bench_name_of(bench_engine_names, (int)work->lab.engine),
            label, work->writers);
    put_measures(out, work, result);
    put_simulated(out, result);
    fprintf(out,
            ",\"machine\":{\"cpu\":\"%s\",\"simulated\":true,\"hardware_threads\":%u"
            ",\"numa_nodes\":%u,\"virtual\":false}",
            costs.name, work->processors, work->nodes);
    put_options(out, work);
    fputs("}\n", out);
    if (fflush(out) == 0 && !ferror(out))
        return 0;
    return errno > 0 ? -errno : -EIO;
}
