/* SPDX-License-Identifier: MIT */
/*
 * Numbers that have come far.  Logs start a little before a place where an LSN, the index of a
 * segment, the number of an epoch (whose low 24 bits are the generation in the ring's head word) or
 * an incarnation no longer fits the bits that it did, and are appended to across it, by one thread
 * and by several; trimmed, crashed on the simulated disk, recovered and read back, under each
 * engine.  Where a number ends, the log says so and loses nothing.
 */
#include "far_log.h"
#include "format.h"
#include "journal.h"
#include "logfile_sim.h"
#include "support.h"

#include "tool/tool.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_PATH "far.log"
#define EASY_LSN (((uint64_t)1 << 20) + 4 * LOGFILE_IO_BLOCK) /* where nothing is the matter */

enum {
    KIB = 1 << 10,
    SLOT_BYTES = 8 * KIB,
    SEGMENT_BYTES = 64 * KIB,
    RECORD_BYTES_MAX = 3 * KIB,
    THREADS_MAX = 4
};

/* One log, from the start that it was made with. */
struct life {
    struct logfile_sim *disk;
    struct logfile_io io;
    struct logfile_options options;
    struct logfile_open_report report;
    struct logfile *log;
    struct journal journal;
    struct rng rng;
    char name[160];
};

/* Every other one is a log of segments. */
static bool has_segments(int index)
{
    return index % 2 == 1;
}

static void life_begin(struct life *life, int index, uint64_t segment_bytes,
                       const struct far_start *start)
{
    struct variant variant;

    memset(life, 0, sizeof *life);
    engine_variant_get((unsigned)index / 2, &variant);
    life->options = variant.options;
    life->options.slot_bytes = SLOT_BYTES;
    life->options.segment_bytes = has_segments(index) ? segment_bytes : 0;
    life->options.prepare_bytes = 64 * KIB;
    life->options.report = &life->report;
    life->options.io = &life->io;
    life->disk = logfile_sim_new(NULL);
    life->rng.state = (uint64_t)index;
    snprintf(life->name, sizeof life->name,
             "%s, %s: from LSN %#" PRIx64 ", epoch %#" PRIx64 ", incarnation %#" PRIx32,
             variant.name, has_segments(index) ? "segments" : "one file", start->lsn, start->epoch,
             start->incarnation);
    watchdog_start(120, life->name);
    uint64_t lsn = far_log_make(life->disk, LOG_PATH, SLOT_BYTES, life->options.segment_bytes,
                                start, &life->io);
    journal_add(&life->journal, lsn, FAR_LOG_RECORD_SEED, FAR_LOG_RECORD_BYTES, true);
}

static void life_end(struct life *life)
{
    ck_assert_msg(logfile_sim_misuse_count(life->disk) == 0, "%s: misuse of io", life->name);
    journal_free(&life->journal);
    logfile_sim_free(life->disk);
    watchdog_stop();
}

static void open_log(struct life *life)
{
    int error = logfile_open(LOG_PATH, &life->options, &life->log);

    ck_assert_msg(error == 0, "%s: %s: %s", life->name, logfile_strerror(error),
                  life->report.message);
}

static void close_log(struct life *life)
{
    int error = logfile_close(life->log);

    ck_assert_msg(error == 0, "%s: close: %s", life->name, logfile_strerror(error));
}

/* ---- Appending ---- */

struct writer {
    struct life *life;
    struct rng rng;
    struct journal journal;
    unsigned record_count;
    int error; /* of the call that ended it */
};

/* One record; 0, or what ended the writer.  What got an LSN may be read. */
static int append_one(struct writer *writer)
{
    uint8_t payload[RECORD_BYTES_MAX];
    size_t size = rng_below(&writer->rng, sizeof payload);
    uint64_t seed = rng_next(&writer->rng);
    bool submits = rng_one_in(&writer->rng, 4);
    uint64_t lsn = 0;
    int error;

    payload_fill(payload, size, seed);
    error = submits ? logfile_submit(writer->life->log, payload, size, NULL, &lsn)
                    : logfile_append(writer->life->log, payload, size, &lsn);
    if (lsn != 0)
        journal_add(&writer->journal, lsn, seed, size, error == 0 && !submits);
    return error;
}

static void *write_records(void *arg)
{
    struct writer *writer = arg;

    for (unsigned i = 0; i < writer->record_count && writer->error == 0; i++)
        writer->error = append_one(writer);
    return NULL;
}

/* So many threads append so many records each, or until each of them is told an error: returned is
 * one of them. */
static int append(struct life *life, unsigned thread_count, unsigned record_count)
{
    struct writer writers[THREADS_MAX] = {0};
    pthread_t threads[THREADS_MAX];
    int error = 0;

    for (unsigned i = 0; i < thread_count; i++) {
        writers[i].life = life;
        writers[i].rng.state = rng_next(&life->rng);
        writers[i].record_count = record_count;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_records, &writers[i]), 0);
    }
    for (unsigned i = 0; i < thread_count; i++) {
        pthread_join(threads[i], NULL);
        error = writers[i].error != 0 ? writers[i].error : error;
        journal_take(&life->journal, &writers[i].journal);
    }
    journal_ack_below(&life->journal, logfile_durable_lsn(life->log));
    return error;
}

/* ---- Reading back ---- */

static void check_journal(struct life *life)
{
    char why[JOURNAL_WHY_BYTES] = "";
    bool good = journal_sort(&life->journal, why) &&
                journal_compare_path(&life->journal, LOG_PATH, &life->io, why);

    ck_assert_msg(good, "%s: %s", life->name, why);
}

/* Finds nothing, or only the torn end that a crash leaves. */
static void check_with_verify(struct life *life, bool is_closed)
{
    char *report = NULL;
    size_t report_bytes;
    FILE *out = open_memstream(&report, &report_bytes);

    ck_assert_ptr_nonnull(out);
    int status = lf_tool_verify_log(&life->io, LOG_PATH, out);
    fclose(out);
    ck_assert_msg(status == LF_TOOL_OK || (status == LF_TOOL_TORN && !is_closed),
                  "%s: verify: %d: %s", life->name, status, report);
    free(report);
}

/* ---- Where numbers end ---- */

START_TEST(the_last_incarnation_is_refused_and_loses_nothing)
{
    const struct far_start start = {EASY_LSN, 5, UINT32_MAX - 2};
    struct life life;

    life_begin(&life, _i, SEGMENT_BYTES, &start);
    for (unsigned i = 0; i < 2; i++) {
        open_log(&life);
        ck_assert_int_eq(append(&life, 1 + i, 5), 0);
        close_log(&life);
    }
    int error = logfile_open(LOG_PATH, &life.options, &life.log);
    ck_assert_msg(error == -EOVERFLOW, "%s: %s", life.name, logfile_strerror(error));
    ck_assert_ptr_nonnull(strstr(life.report.message, "4294967295 times"));
    journal_ack_below(&life.journal, UINT64_MAX);
    check_journal(&life);
    check_with_verify(&life, true);
    life_end(&life);
}
END_TEST

static Suite *wraps_suite(void)
{
    Suite *suite = suite_create("wraps");
    TCase *ends = tcase_create("where numbers end");
    int variant_count = 2 * (int)engine_variant_count();

    tcase_add_loop_test(ends, the_last_incarnation_is_refused_and_loses_nothing, 0, variant_count);
    suite_add_tcase(suite, ends);
    return suite;
}

int main(void)
{
    return run_suite(wraps_suite());
}
