/* SPDX-License-Identifier: MIT */
/* The first line of results: which build measured, when, where, and in which order. */
#include "report.h"

#include "build.h"
#include "json_put.h"

#include <math.h>

static void put_next_string(FILE *out, const char *key, const char *text)
{
    fputc(',', out);
    put_string(out, key, text);
}

static void put_time(FILE *out, time_t seconds)
{
    char text[64] = "";
    struct tm utc;
    if (gmtime_r(&seconds, &utc) != NULL)
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    put_next_string(out, "time", text);
}

/* How requests come to the disk behind a file's log; null in memory. */
static void put_block_queue(FILE *out, const struct bench_context *context)
{
    const struct bench_disk *disk = &context->disk;
    if (context->options->device != BENCH_DEVICE_FILE) {
        fputs(",\"block_queue\":null", out);
        return;
    }
    fputs(",\"block_queue\":{", out);
    put_string(out, "scheduler", disk->scheduler);
    put_next_string(out, "write_cache", disk->write_cache);
    fprintf(out, ",\"rotational\":%s",
            disk->rotational < 0 ? "null" : truth(disk->rotational == 1));
    put_next_string(out, "model", disk->model);
    fputc('}', out);
}

static void put_baseline(FILE *out, const struct bench_baseline *baseline)
{
    if (baseline->path == NULL) {
        fputs(",\"baseline\":null", out);
        return;
    }
    fputs(",\"baseline\":{", out);
    put_string(out, "path", baseline->path);
    put_next_string(out, "version", baseline->version);
    put_next_string(out, "commit", baseline->commit);
    fputc('}', out);
}

int bench_report_head_json(FILE *out, const struct bench_context *context)
{
    const struct bench_machine *machine = &context->machine;
    bool is_file = context->options->device == BENCH_DEVICE_FILE;
    errno = 0;
    fprintf(out, "{\"head\":\"logfile-bench\",\"version\":\"%s\"", LOGFILE_VERSION_STRING);
    put_time(out, context->started);
    put_next_string(out, "commit", bench_commit());
    put_next_string(out, "compiler", bench_compiler());
    put_next_string(out, "cflags", bench_cflags());
    put_next_string(out, "clock_source", machine->clock_source);
    put_next_string(out, "cpus_allowed", machine->cpus_allowed);
    put_next_string(out, "cpus_online", machine->cpus_online);
    put_measure(out, "cpu_quota", machine->cpu_quota, machine->cpu_quota < HUGE_VAL);
    fprintf(out, ",\"volatile_dir\":%s", truth(is_file && context->filesystem.is_volatile));
    put_next_string(out, "virtual", machine->hypervisor);
    put_block_queue(out, context);
    bench_core_to_core_json(out, context->cores);
    fprintf(out, ",\"order\":\"williams\",\"seed\":%" PRIu64, context->options->seed);
    put_next_string(out, "command", context->command);
    put_baseline(out, &context->options->baseline);
    return end_line(out);
}
