/* SPDX-License-Identifier: MIT */
#include "conduct.h"

#include "session.h"

#include <math.h>

static void see_p50(const struct bench_writer *writer, struct bench_fairness *fairness)
{
    if (writer->tally.latency_ns.count == 0)
        return;
    double p50_us = (double)bench_histogram_percentile(&writer->tally.latency_ns, 0.5) / 1000;
    if (!fairness->has_p50 || p50_us < fairness->p50_us_least)
        fairness->p50_us_least = p50_us;
    if (!fairness->has_p50 || p50_us > fairness->p50_us_most)
        fairness->p50_us_most = p50_us;
    fairness->has_p50 = true;
}

static void summarise_fairness(const struct bench_session *session, struct bench_fairness *fairness)
{
    const struct bench_run *run = session->task.run;
    double least = INFINITY, most = 0, sum = 0, squares = 0;
    for (unsigned i = 0; i < run->writers; i++) {
        double records = (double)session->writers[i].tally.records;
        least = fmin(least, records);
        most = fmax(most, records);
        sum += records;
        squares += records * records;
        see_p50(&session->writers[i], fairness);
    }
    fairness->known = run->writers > 1 && run->options->records == 0 && sum > 0;
    if (!fairness->known)
        return;
    fairness->jain = sum * sum / (run->writers * squares);
    fairness->least_over_mean = least * run->writers / sum;
    fairness->most_over_mean = most * run->writers / sum;
}

static void summarise_crossed(const struct bench_session *session, struct bench_crossed *crossed)
{
    for (unsigned i = 0; i < session->task.run->writers; i++) {
        const struct bench_crossed *one = &session->writers[i].tally.crossed;
        crossed->samples += one->samples;
        crossed->sum += one->sum;
        if (one->max > crossed->max)
            crossed->max = one->max;
    }
}

void bench_conduct_summarise(const struct bench_session *session, const struct bench_result *result,
                             struct bench_conduct *conduct)
{
    *conduct = (struct bench_conduct){.crossed = {0}};
    bench_load_summarise(session, result, &conduct->load);
    conduct->perf = session->perf_result;
    summarise_fairness(session, &conduct->fairness);
    summarise_crossed(session, &conduct->crossed);
}
