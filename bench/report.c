/* SPDX-License-Identifier: MIT */
#include "report.h"

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

/* ---- The table ------------------------------------------------------------------------------- */

static double p50_us(const struct bench_result *result)
{
    return result->percentile_us[BENCH_P50];
}

static double p99_us(const struct bench_result *result)
{
    return result->percentile_us[BENCH_P99];
}

static double p999_us(const struct bench_result *result)
{
    return result->percentile_us[BENCH_P99_9];
}

static double samples(const struct bench_result *result)
{
    return (double)result->latencies;
}

static double records_per_flush(const struct bench_result *result)
{
    return result->is_log && result->flushes > 0 ? result->records_per_flush : NAN;
}

static double worst_over_mean(const struct bench_result *result)
{
    const struct bench_fairness *fairness = &result->conduct.fairness;
    return fairness->known ? fairness->least_over_mean : NAN;
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

/* What the rows of one table have in common. */
struct table {
    FILE *out;
    const struct bench_results *results;
    const struct bench_options *options;
    unsigned base;
    int label_width;
    char base_title[BENCH_LABEL_BYTES + 8];
    int base_width;
};

#define RATIO_WIDTH 10
#define RUNG_WIDTH 16
#define SPREAD_WIDTH 15

static void init_table(struct table *table, FILE *out, const struct bench_results *results)
{
    const struct bench_variants *variants = &results->options->variants;
    *table = (struct table){.out = out, .results = results, .options = results->options};
    table->base = bench_variants_baseline(variants);
    table->label_width = 8;
    for (unsigned i = 0; i < variants->count; i++)
        if ((int)strlen(variants->all[i].label) > table->label_width)
            table->label_width = (int)strlen(variants->all[i].label);
    bool has_baseline = table->options->baseline.path != NULL;
    int length = snprintf(table->base_title, sizeof table->base_title, "vs %s",
                          has_baseline ? "baseline" : variants->all[table->base].label);
    table->base_width = length + 2 > RATIO_WIDTH ? length + 2 : RATIO_WIDTH;
}

/* Which point and variant a row is about; sizes and windows only where there are several. */
static void print_row_head(const struct table *table, unsigned point_index, unsigned variant)
{
    struct bench_point point = bench_point_at(table->options, point_index);
    char text[BENCH_NUMBER_BYTES];
    if (table->options->sizes.count > 1)
        fprintf(table->out, "%10s  ", bench_format_count(text, (double)point.size_min));
    if (table->options->windows.count > 1)
        fprintf(table->out, "%10s  ", bench_format_count(text, (double)point.window));
    if (table->options->rates.count > 1)
        fprintf(table->out, "%10s  ", bench_format_rate(text, point.rate));
    fprintf(table->out, "%7u  %-*s", point.writers, table->label_width,
            table->options->variants.all[variant].label);
}

static void print_heading_head(const struct table *table)
{
    if (table->options->sizes.count > 1)
        fprintf(table->out, "%10s  ", "bytes");
    if (table->options->windows.count > 1)
        fprintf(table->out, "%10s  ", "window");
    if (table->options->rates.count > 1)
        fprintf(table->out, "%10s  ", "rate");
    fprintf(table->out, "%7s  %-*s", "writers", table->label_width, "engine");
}

/* ---- The table of results -------------------------------------------------------------------- */

static void print_heading(const struct table *table)
{
    print_heading_head(table);
    fprintf(table->out, "%12s%10s%10s%10s%10s%12s%15s%19s%*s", "records/s", "MB/s", "p50 us",
            "p99 us", "p99.9 us", "samples", "records/flush", "worst writer/mean",
            table->base_width, table->base_title);
    if (table->options->repeat > 1)
        fprintf(table->out, "%*s", SPREAD_WIDTH, "least..most");
    if (table->options->ladder)
        fprintf(table->out, "%*s", RUNG_WIDTH, "vs rung before");
    if (table->options->ladder && table->options->repeat > 1)
        fprintf(table->out, "%*s", SPREAD_WIDTH, "least..most");
    fputc('\n', table->out);
}

static void print_ratio(const struct table *table, int width, struct bench_spread ratio)
{
    char least[BENCH_NUMBER_BYTES], most[BENCH_NUMBER_BYTES], text[2 * BENCH_NUMBER_BYTES + 2];
    print_number(table->out, width, ratio.median, "x");
    if (table->options->repeat < 2)
        return;
    if (isnan(ratio.median)) {
        fprintf(table->out, "%*s", SPREAD_WIDTH, "-");
        return;
    }
    snprintf(text, sizeof text, "%s..%s", bench_format_number(least, ratio.least),
             bench_format_number(most, ratio.most));
    fprintf(table->out, "%*s", SPREAD_WIDTH, text);
}

static double median(const struct table *table, unsigned point, unsigned variant,
                     bench_metric *metric)
{
    return bench_results_spread(table->results, point, variant, metric).median;
}

static void print_row(const struct table *table, unsigned point, unsigned variant)
{
    static const struct column {
        bench_metric *metric;
        int width;
    } before[] = {{bench_records_per_s, 12},
                  {megabytes_per_s, 10},
                  {p50_us, 10},
                  {p99_us, 10},
                  {p999_us, 10}};
    char text[BENCH_NUMBER_BYTES];
    print_row_head(table, point, variant);
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++)
        print_number(table->out, before[i].width, median(table, point, variant, before[i].metric),
                     "");
    double count = median(table, point, variant, samples);
    fprintf(table->out, "%12s", isnan(count) ? "-" : bench_format_count(text, count));
    print_number(table->out, 15, median(table, point, variant, records_per_flush), "");
    print_number(table->out, 19, median(table, point, variant, worst_over_mean), "");
    print_ratio(table, table->base_width,
                bench_results_ratio(table->results, point, variant,
                                    bench_variants_base_of(&table->options->variants, variant)));
    if (table->options->ladder)
        print_ratio(table, RUNG_WIDTH,
                    variant > 0 ? bench_results_ratio(table->results, point, variant, variant - 1)
                                : bench_spread_of(NULL, 0));
    if (bench_results_interrupted(table->results, point, variant))
        fputs(" *", table->out);
    if (bench_results_past_knee(table->results, point, variant))
        fputs(" +", table->out);
    if (bench_results_passed(table->results, point, variant))
        fputs(" ^", table->out);
    fputc('\n', table->out);
}

typedef void row_printer(const struct table *table, unsigned point, unsigned variant);

/* A row for each variant at each point, a blank line between points. */
static void print_rows(const struct table *table, row_printer *print)
{
    unsigned points = bench_point_count(table->options);
    for (unsigned point = 0; point < points; point++) {
        for (unsigned variant = 0; variant < table->options->variants.count; variant++)
            print(table, point, variant);
        if (point + 1 < points && table->options->variants.count > 1)
            fputc('\n', table->out);
    }
}

/* ---- The table of stages --------------------------------------------------------------------- */

#define STAGE_METRIC(name, stage)                                                                  \
    static double name(const struct bench_result *result)                                          \
    {                                                                                              \
        return result->stage_samples > 0 ? result->stage_us[stage] : NAN;                          \
    }

STAGE_METRIC(checksum_us, LOGFILE_STAGE_CHECKSUM)
STAGE_METRIC(reserve_us, LOGFILE_STAGE_RESERVE)
STAGE_METRIC(copy_us, LOGFILE_STAGE_COPY)
STAGE_METRIC(flip_us, LOGFILE_STAGE_FLIP)
STAGE_METRIC(write_us, LOGFILE_STAGE_WRITE)
STAGE_METRIC(sync_us, LOGFILE_STAGE_SYNC)
STAGE_METRIC(wake_us, LOGFILE_STAGE_WAKE)

static bench_metric *const stage_metrics[LOGFILE_STAGE_COUNT] = {
    [LOGFILE_STAGE_CHECKSUM] = checksum_us, [LOGFILE_STAGE_RESERVE] = reserve_us,
    [LOGFILE_STAGE_COPY] = copy_us,         [LOGFILE_STAGE_FLIP] = flip_us,
    [LOGFILE_STAGE_WRITE] = write_us,       [LOGFILE_STAGE_SYNC] = sync_us,
    [LOGFILE_STAGE_WAKE] = wake_us,
};

static void print_stage_row(const struct table *table, unsigned point, unsigned variant)
{
    print_row_head(table, point, variant);
    for (unsigned stage = 0; stage < LOGFILE_STAGE_COUNT; stage++)
        print_number(table->out, 10, median(table, point, variant, stage_metrics[stage]), "");
    fputc('\n', table->out);
}

static void print_stages(const struct table *table)
{
    fprintf(table->out, "\nmean us of one append in %u, by stage\n",
            table->options->lab.stage_sample_every);
    print_heading_head(table);
    for (const struct bench_name *stage = bench_stage_names; stage->name != NULL; stage++)
        fprintf(table->out, "%10s", stage->name);
    fputc('\n', table->out);
    print_rows(table, print_stage_row);
}

/* ---- All of it ------------------------------------------------------------------------------- */

typedef bool row_mark(const struct bench_results *results, unsigned point, unsigned variant);

static bool is_any_marked(const struct bench_results *results, row_mark *is_marked)
{
    bool any = false;
    for (unsigned point = 0; point < bench_point_count(results->options); point++)
        for (unsigned variant = 0; variant < results->options->variants.count; variant++)
            any |= is_marked(results, point, variant);
    return any;
}

void bench_report_table(FILE *out, const struct bench_context *context,
                        const struct bench_results *results, const struct bench_bracket *brackets,
                        const struct bench_placement *placement)
{
    struct table table;
    if (bench_results_first(results, false) == NULL)
        return;
    bench_report_head(out, context, results, brackets, placement);
    init_table(&table, out, results);
    print_heading(&table);
    print_rows(&table, print_row);
    if (context->options->lab.stage_sample_every > 0)
        print_stages(&table);
    if (is_any_marked(results, bench_results_interrupted))
        fputs("\n* interrupted: measured over less than was asked for\n", out);
    if (is_any_marked(results, bench_results_past_knee))
        fputs(
            "\n+ past the knee: more was due than became durable, so that latencies only tell how "
            "long the run was\n",
            out);
    if (is_any_marked(results, bench_results_passed))
        fputs("\n^ above what syncs or wakes just before and after allow: the machine changed "
              "meanwhile, so measure again\n",
              out);
    fflush(out);
}
