/* SPDX-License-Identifier: MIT */
/* What the runs were asked to carry, in one line. */
#include "report.h"

#include <inttypes.h>

char *bench_format_rate(char *text, uint64_t rate)
{
    if (!bench_rate_is_share(rate))
        return bench_format_number(text, bench_rate_value(rate));
    snprintf(text, BENCH_NUMBER_BYTES, "%gx", bench_rate_value(rate));
    return text;
}

static void print_closed(FILE *out, const struct bench_options *options)
{
    char text[BENCH_NUMBER_BYTES];
    fputs("load: closed loop, ", out);
    if (options->clients > 0)
        fputs(bench_format_count(text, (double)options->clients), out);
    for (unsigned i = 0; options->clients == 0 && i < options->writers.count; i++)
        fprintf(out, "%s%s", i > 0 ? ", " : "",
                bench_format_count(text, (double)options->writers.values[i]));
    bool is_one = options->clients == 0 && bench_list_max(&options->writers) == 1;
    fprintf(out, " client%s, think ", is_one ? "" : "s");
    if (options->think_ns == 0)
        fputs("0", out);
    else
        fprintf(out, "%s us (exponential)",
                bench_format_number(text, (double)options->think_ns / 1000));
}

static void print_open(FILE *out, const struct bench_options *options)
{
    char text[BENCH_NUMBER_BYTES];
    bool has_share = false;
    fprintf(out, "load: open loop, %s, ",
            options->arrivals == BENCH_ARRIVALS_POISSON ? "Poisson" : "evenly spaced");
    for (unsigned i = 0; i < options->rates.count; i++) {
        uint64_t rate = options->rates.values[i];
        has_share |= bench_rate_is_share(rate);
        fprintf(out, "%s%s%s", i > 0 ? ", " : "", bench_format_rate(text, rate),
                bench_rate_is_share(rate) ? "" : "/s");
    }
    if (has_share)
        fputs(" (x: of what each variant did just before, in a closed loop)", out);
}

void bench_report_load(FILE *out, const struct bench_options *options)
{
    if (options->rates.values[0] == 0)
        print_closed(out, options);
    else
        print_open(out, options);
    fputc('\n', out);
}
