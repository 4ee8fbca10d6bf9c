/* SPDX-License-Identifier: MIT */
#include "baseline.h"

#include "clock.h"
#include "json_put.h"
#include "option_table.h"
#include "signals.h"
#include "verdict.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- The command line of one run ------------------------------------------------------------- */

static bool was_given(const struct bench_options *options, unsigned option)
{
    return (options->given >> option & 1) != 0;
}

/* What is about which runs there are, or about what becomes of them. */
static bool is_passed_on(const struct bench_options *options, unsigned option)
{
    static const char *const others[] = {"repeat", "json", "check", "seed", "core-to-core"};
    static const unsigned own[] = {OPTION_SIZE,      OPTION_WRITERS, OPTION_WINDOW, OPTION_RATE,
                                   OPTION_ENGINE,    OPTION_RESERVE, OPTION_SHARDS, OPTION_FLUSHER,
                                   OPTION_WAIT,      OPTION_GATHER,  OPTION_WAKE,   OPTION_FLOORS,
                                   OPTION_NO_FLOORS, OPTION_BASELINE};
    bool is_own = false;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        is_own |= option == own[i];
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        is_own |= strcmp(bench_option_specs[option].name, others[i]) == 0;
    return was_given(options, option) && !is_own;
}

static bool add_passed_on(struct bench_words *words, const struct bench_options *options)
{
    bool fits = true;
    for (unsigned i = 0; fits && i < bench_option_count; i++) {
        if (!is_passed_on(options, i))
            continue;
        fits = bench_words_add(words, "--%s", bench_option_specs[i].name);
        if (fits && options->texts[i] != NULL)
            fits = bench_words_add(words, "%s", options->texts[i]);
    }
    return fits && bench_words_add(words, "--seed") &&
           bench_words_add(words, "%llu", (unsigned long long)options->seed);
}

static bool add_choice(struct bench_words *words, const struct bench_options *options,
                       unsigned option, const char *value)
{
    return !was_given(options, option) ||
           (bench_words_add(words, "--%s", bench_option_specs[option].name) &&
            bench_words_add(words, "%s", value));
}

static bool add_ring(struct bench_words *words, const struct bench_options *options,
                     const struct logfile_lab *lab)
{
    char shards[32] = "cores";
    unsigned gather = lab->variant_flags & LOGFILE_VARIANT_NO_GATHER;
    unsigned wake = lab->variant_flags & LOGFILE_VARIANT_WAKE_TREE;
    if (lab->publish_shards != LOGFILE_SHARDS_PER_CORE)
        snprintf(shards, sizeof shards, "%u", lab->publish_shards);
    return add_choice(words, options, OPTION_RESERVE,
                      bench_name_of(bench_reserve_names, (int)lab->reserve)) &&
           add_choice(words, options, OPTION_SHARDS, shards) &&
           add_choice(words, options, OPTION_FLUSHER,
                      bench_name_of(bench_flusher_names, (int)lab->flusher)) &&
           add_choice(words, options, OPTION_WAIT,
                      bench_name_of(bench_wait_names, (int)lab->wait)) &&
           add_choice(words, options, OPTION_GATHER,
                      bench_name_of(bench_gather_names, (int)gather)) &&
           add_choice(words, options, OPTION_WAKE, bench_name_of(bench_wake_names, (int)wake));
}

static bool add_variant(struct bench_words *words, const struct bench_options *options,
                        const struct bench_variant *variant)
{
    return bench_words_add(words, "--engine") &&
           bench_words_add(words, "%s", bench_variant_engine(variant)) &&
           (!bench_variant_is_ring(variant) || add_ring(words, options, &variant->lab));
}

/* A preset says it all. */
static bool add_point(struct bench_words *words, const struct bench_options *options,
                      const struct bench_point *point)
{
    char number[64];
    if (options->preset != BENCH_PRESET_NONE)
        return true;
    bool fits = bench_words_add(words, "--writers") && bench_words_add(words, "%u", point->writers);
    snprintf(number, sizeof number, "%zu", point->size_min);
    fits = fits && add_choice(words, options, OPTION_SIZE, number);
    snprintf(number, sizeof number, "%llu", (unsigned long long)point->window);
    fits = fits && add_choice(words, options, OPTION_WINDOW, number);
    snprintf(number, sizeof number, "%.3f%s", bench_rate_value(point->rate),
             bench_rate_is_share(point->rate) ? "x" : "");
    return fits && add_choice(words, options, OPTION_RATE, number);
}

static bool add_run(struct bench_words *words, const struct bench_options *options,
                    const struct bench_variant *variant, const struct bench_point *point)
{
    /* A build from before there was --no-floors measures none unasked. */
    bool knows_no_floors = !variant->is_baseline || options->baseline.knows_no_floors;
    return add_variant(words, options, variant) && add_point(words, options, point) &&
           add_passed_on(words, options) &&
           (!knows_no_floors || bench_words_add(words, "--no-floors"));
}

/* ---- Whether it will do ---------------------------------------------------------------------- */

/* Asks the other program for something that it prints; 0, or -1 with a line in the verdict. */
static int ask(const struct verdict *verdict, const struct bench_baseline *baseline,
               const char *option, struct bench_child *child)
{
    struct bench_words words = {0};
    child->error = -ENOMEM;
    if (bench_words_add(&words, "%s", option))
        bench_child_run(baseline->path, &words, false, child);
    bench_words_free(&words);
    if (child->error != 0)
        return refuse(verdict, "--baseline %s: cannot be run: %s", baseline->path,
                      strerror(-child->error));
    if (child->said == NULL || child->status != 0)
        return refuse(verdict, "--baseline %s: is no logfile-bench: exit status %d for %s",
                      baseline->path, child->status, option);
    return 0;
}

/* "logfile-bench 0.1.0", and of newer ones a line "commit 0123456789ab, gcc 12.2.0 -O2". */
static int take_version(const struct verdict *verdict, struct bench_baseline *baseline,
                        const char *said)
{
    const char *commit = strstr(said, "\ncommit ");
    if (sscanf(said, "logfile-bench %63[0-9.]", baseline->version) != 1)
        return refuse(verdict, "--baseline %s: is no logfile-bench: --version says '%.40s'",
                      baseline->path, said);
    if (commit != NULL)
        sscanf(commit, " commit %63[0-9a-z-]", baseline->commit);
    return 0;
}

/* Its --help lists the option. */
static bool knows(const char *help, const char *option)
{
    char word[80];
    size_t length = (size_t)snprintf(word, sizeof word, " --%s", option);
    for (const char *at = strstr(help, word); at != NULL; at = strstr(at + 1, word))
        if (at[length] == ' ' || at[length] == ',' || at[length] == '\n')
            return true;
    return false;
}

static int check_options(const struct verdict *verdict, const struct bench_options *options,
                         struct bench_baseline *baseline, const char *help)
{
    baseline->knows_no_floors = knows(help, bench_option_specs[OPTION_NO_FLOORS].name);
    for (unsigned i = 0; i < bench_option_count; i++) {
        bool is_of_variant = i >= OPTION_RESERVE && i <= OPTION_WAKE && was_given(options, i);
        if ((is_passed_on(options, i) || is_of_variant) && !knows(help, bench_option_specs[i].name))
            return refuse(verdict, "--baseline %s: version %s does not know --%s", baseline->path,
                          baseline->version, bench_option_specs[i].name);
    }
    return 0;
}

/* Lets it refuse each of its runs. */
static int check_runs(const struct verdict *verdict, const struct bench_options *options,
                      const struct bench_baseline *baseline)
{
    int status = 0;
    for (unsigned i = 0; status == 0 && i < options->variants.count; i++) {
        const struct bench_variant *variant = &options->variants.all[i];
        for (unsigned p = 0; status == 0 && variant->is_baseline && p < bench_point_count(options);
             p++) {
            struct bench_point point = bench_point_at(options, p);
            struct bench_words words = {0};
            struct bench_child child = {.error = -ENOMEM};
            if (add_run(&words, options, variant, &point) && bench_words_add(&words, "--check"))
                bench_child_run(baseline->path, &words, false, &child);
            if (child.error != 0 || child.status != 0)
                status = refuse(verdict, "--baseline %s: %s", baseline->path,
                                child.error != 0        ? strerror(-child.error)
                                : child.line[0] != '\0' ? child.line
                                                        : "refuses the run without a word");
            bench_words_free(&words);
            bench_child_free(&child);
        }
    }
    return status;
}

int bench_baseline_check(const struct bench_options *options, struct bench_baseline *baseline,
                         char *message, size_t message_bytes)
{
    struct verdict verdict = {message, message_bytes};
    struct bench_child version = {0}, help = {0};
    int status = ask(&verdict, baseline, "--version", &version);
    if (status == 0)
        status = take_version(&verdict, baseline, version.said);
    if (status == 0)
        status = ask(&verdict, baseline, "--help", &help);
    if (status == 0)
        status = check_options(&verdict, options, baseline, help.said);
    bench_child_free(&version);
    bench_child_free(&help);
    return status != 0 ? status : check_runs(&verdict, options, baseline);
}

/* ---- One run --------------------------------------------------------------------------------- */

/* Of the lines that a process wrote, the one of its run. */
static struct bench_json find_result(const char *wrote)
{
    struct bench_json found = {NULL, 0};
    for (const char *line = wrote; line != NULL && *line != '\0';) {
        size_t bytes = strcspn(line, "\n");
        struct bench_json object = {line, bytes};
        if (bench_json_get(object, "engine").text != NULL)
            found = object;
        line += bytes + (line[bytes] == '\n');
    }
    return found;
}

static double known_or(double value, double other)
{
    return isnan(value) ? other : value;
}

static void take_percentiles(struct bench_json line, struct bench_result *result)
{
    static const char *const keys[BENCH_PERCENTILES] = {
        [BENCH_P50] = "p50_us",    [BENCH_P90] = "p90_us",       [BENCH_P99] = "p99_us",
        [BENCH_P99_9] = "p999_us", [BENCH_P99_99] = "p99_99_us",
    };
    for (unsigned i = 0; i < BENCH_PERCENTILES; i++)
        result->percentile_us[i] = bench_json_number(line, keys[i]);
    result->max_ns = (uint64_t)(known_or(bench_json_number(line, "max_us"), 0) * 1000);
}

static void take_stages(struct bench_json line, struct bench_result *result)
{
    struct bench_json stages = bench_json_get(line, "stages_us");
    result->stage_samples = (uint64_t)known_or(bench_json_number(stages, "samples"), 0);
    for (const struct bench_name *stage = bench_stage_names; stage->name != NULL; stage++)
        result->stage_us[stage->value] = known_or(bench_json_number(stages, stage->name), 0);
}

static enum logfile_io_mode io_mode_of(struct bench_json used)
{
    for (const struct bench_name *name = bench_io_names; name->name != NULL; name++)
        if (used.bytes > 2 && strlen(name->name) == used.bytes - 2 &&
            memcmp(name->name, used.text + 1, used.bytes - 2) == 0)
            return (enum logfile_io_mode)name->value;
    return LOGFILE_IO_AUTO;
}

/* What the table, and the bounds, are made of. */
static void take_result(struct bench_json line, struct bench_result *result)
{
    struct bench_json options = bench_json_get(line, "options");
    struct bench_json fairness = bench_json_get(line, "fairness");
    double seconds = bench_json_number(line, "seconds");
    double records = bench_json_number(line, "records");
    double flushes = bench_json_number(line, "flushes");
    result->measured = seconds > 0 && records >= 0;
    result->interrupted = bench_json_is_true(options, "interrupted");
    result->elapsed_ns = (uint64_t)(known_or(seconds, 0) * (double)BENCH_NS_PER_S);
    result->records = (uint64_t)known_or(records, 0);
    result->payload_bytes =
        (uint64_t)(known_or(bench_json_number(line, "bytes_per_s"), 0) * known_or(seconds, 0));
    result->latencies = (uint64_t)known_or(bench_json_number(line, "samples"), 0);
    result->is_log = !isnan(flushes);
    result->flushes = (uint64_t)known_or(flushes, 0);
    result->records_per_flush = bench_json_number(line, "records_per_flush");
    result->io_mode = io_mode_of(bench_json_get(options, "io_used"));
    result->sleeps_per_record =
        known_or(bench_json_number(line, "waits_durable"), 0) / known_or(records, 1);
    result->conduct.fairness.least_over_mean = bench_json_number(fairness, "least_over_mean");
    result->conduct.fairness.known = !isnan(result->conduct.fairness.least_over_mean);
    result->conduct.load.past_knee = bench_json_is_true(bench_json_get(line, "load"), "past_knee");
    result->reached.p50_us = bench_json_number(bench_json_get(line, "device_delay_us"), "p50");
    take_percentiles(line, result);
    take_stages(line, result);
}

static const char *own_program(char path[PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
    path[length > 0 ? length : 0] = '\0';
    return length > 0 ? path : "/proc/self/exe";
}

int bench_baseline_run(const struct bench_options *options, const struct bench_run_id *id,
                       struct bench_measured *measured, struct bench_result *result, char *message,
                       size_t message_bytes)
{
    struct verdict verdict = {message, message_bytes};
    struct bench_child *child = &measured->child;
    struct bench_words words = {0};
    char own[PATH_MAX];
    const char *program = id->variant->is_baseline ? options->baseline.path : own_program(own);
    memset(measured, 0, sizeof *measured);
    child->error = -ENOMEM;
    if (add_run(&words, options, id->variant, &id->point))
        bench_child_run(program, &words, true, child);
    bench_words_free(&words);
    if (child->error != 0)
        return refuse(&verdict, "%s: %s", program, strerror(-child->error));
    if (child->status != 0 && bench_signals_caught() == 0)
        return refuse(&verdict, "%s: exit status %d: %s", program, child->status, child->line);
    measured->line = find_result(child->wrote);
    if (measured->line.text != NULL)
        take_result(measured->line, result);
    result->interrupted |= bench_signals_caught() != 0;
    return 0;
}

void bench_measured_free(struct bench_measured *measured)
{
    bench_child_free(&measured->child);
    measured->line = (struct bench_json){NULL, 0};
}

/* ---- Its line -------------------------------------------------------------------------------- */

static void put_member(FILE *out, const struct bench_json_member *member)
{
    fprintf(out, ",\"%.*s\":%.*s", (int)member->key.bytes, member->key.text,
            (int)member->value.bytes, member->value.text);
}

static void put_options(FILE *out, const struct bench_context *context,
                        const struct bench_run_id *id, struct bench_json options)
{
    struct bench_json_member member;
    fprintf(out, ",\"options\":{\"round\":%u,\"rounds\":%" PRIu64, id->round,
            context->options->repeat);
    for (bool more = bench_json_first(options, &member); more;
         more = bench_json_next(options, &member))
        if (!bench_json_is(member.key, "round") && !bench_json_is(member.key, "rounds"))
            put_member(out, &member);
    fputc('}', out);
}

static bool is_said_here(struct bench_json key)
{
    static const char *const keys[] = {"engine", "variant", "variant_index", "point_index",
                                       "rung",   "order",   "started_at",    "bounds"};
    bool is_said = false;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        is_said |= bench_json_is(key, keys[i]);
    return is_said;
}

int bench_report_measured_json(FILE *out, const struct bench_context *context,
                               const struct bench_run_id *id, struct bench_json line,
                               const struct bench_result *result,
                               const struct bench_bracket *bracket)
{
    struct bench_json_member member;
    errno = 0;
    fputc('{', out);
    bench_report_id_json(out, id);
    for (bool more = bench_json_first(line, &member); more; more = bench_json_next(line, &member)) {
        if (bench_json_is(member.key, "options"))
            put_options(out, context, id, member.value);
        else if (!is_said_here(member.key) && !bench_json_is(member.key, "writers"))
            put_member(out, &member);
    }
    bench_report_bounds_json(out, context->options, id, result, bracket);
    return end_line(out);
}
