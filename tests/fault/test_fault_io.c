/* SPDX-License-Identifier: MIT */
/*
 * Every call on the disk fails: once and for ever, the first of its kind, the second, and so on for
 * as long as the workload makes any, with each of several errnos, and with short counts; on a log of
 * one file and on one of segments.
 *
 *     test_fault_io       all that is checked
 *     test_fault_io PLAN  one trial, as printed by a failure
 *
 * The workload creates a log, fills several segments, trims, fills the recycled ones, closes, opens
 * again, and reads.  What must hold, whatever fails:
 *   - opening fails with the error of the call, and leaves neither files nor descriptors behind; the
 *     next try works;
 *   - the first failed write or sync fails the log for good: nothing is acknowledged after it, the
 *     cause can be asked for, and what was durable before it still counts as durable;
 *   - what the log can do without, such as giving space back, does not fail it;
 *   - reopening, on the same machine or after a power cut, gives what was acknowledged and nothing
 *     that the disk does not have;
 *   - short counts are no errors.
 */
#include "campaign.h"
#include "fault_trial.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum {
    SEGMENT_BYTES = 32 << 10,
    PREPARE_COUNT = 3,
    REPLAYS = 100,
    CALLS_MAX = 1000 /* of one kind: a workload that makes more has no end */
};

static const int error_numbers[] = {EIO,   ENOSPC, EDQUOT, EFBIG,  EINVAL, EROFS,
                                    EBADF, EINTR,  EAGAIN, ENOMEM, EMFILE};
enum {
    ERROR_COUNT = sizeof error_numbers / sizeof error_numbers[0]
};

/* ---- The workload ---- */

/* From open to close, or as far as it gets. */
static void live(struct fault_trial *trial)
{
    if (!fault_trial_open(trial))
        return;
    fault_trial_append_some(trial);
    fault_trial_trim(trial);
    fault_trial_append_some(trial);
    fault_trial_trim(trial);
    fault_trial_check_waits(trial);
    fault_trial_close(trial);
}

/* Whether the fault was hit: if not, the workload makes no such call any more. */
static bool run_trial(const struct fault_plan *plan)
{
    struct fault_trial trial;

    fault_trial_begin(&trial, plan);
    logfile_sim_fault(trial.disk, &plan->fault);
    live(&trial);
    live(&trial);
    fault_trial_read(&trial);
    bool hit = logfile_sim_fault_hits(trial.disk) > 0;
    fault_trial_finish(&trial);
    fault_trial_end(&trial);
    return hit;
}

/* ---- Each call ---- */

/* Fails the calls of a kind that are this pass's, until the workload makes no more; the trials.  How
 * many calls there are depends a little on how the threads meet, so one miss is not believed. */
static unsigned fail_calls(struct fault_plan plan, unsigned pass)
{
    unsigned trials = 0;

    plan.fault.after = campaign_pass_begins[pass];
    while (run_trial(&plan) || run_trial(&plan)) {
        plan.fault.after += CAMPAIGN_PASSES;
        ck_assert_uint_lt(trials++, CALLS_MAX);
    }
    return trials;
}

/* Only those who prepare make some calls. */
static enum logfile_prepare prepare_for(enum logfile_sim_call call, unsigned turn)
{
    if (call == LOGFILE_SIM_ZERO_FILL)
        return LOGFILE_PREPARE_ZERO;
    if (call == LOGFILE_SIM_ALLOCATE || call == LOGFILE_SIM_TRUNCATE)
        return turn % 2 == 0 ? LOGFILE_PREPARE_ZERO : LOGFILE_PREPARE_ALLOCATE;
    return (enum logfile_prepare)(turn % PREPARE_COUNT);
}

/* What one variant meets of the errnos: two of them, so that all variants together meet each; in a
 * small run one; in a long one each, with every way of preparing. */
static unsigned fail_with_errnos(struct fault_plan plan, unsigned pass)
{
    unsigned errno_count = (unsigned)scaled(1, 2, ERROR_COUNT);
    unsigned prepare_count = (unsigned)scaled(1, 1, PREPARE_COUNT);
    unsigned trials = 0;

    for (unsigned i = 0; i < errno_count * prepare_count; i++) {
        unsigned turn = plan.variant_index + i / prepare_count * engine_variant_count();
        plan.fault.error = -error_numbers[turn % ERROR_COUNT];
        plan.prepare = prepare_for(plan.fault.call, plan.variant_index + i);
        trials += fail_calls(plan, pass);
    }
    return trials;
}

/* Calls that a workload is sure to make: a directory takes some of its own, and no punching; the
 * preparer fills with zeros where it finds the time; a directory is removed by who gives up. */
static bool is_made(enum logfile_sim_call call, uint64_t segment_bytes)
{
    switch (call) {
    case LOGFILE_SIM_MAKE_DIRECTORY:
    case LOGFILE_SIM_LIST_DIRECTORY:
    case LOGFILE_SIM_UNLINK:
        return segment_bytes != 0;
    case LOGFILE_SIM_PUNCH:
        return segment_bytes == 0;
    case LOGFILE_SIM_ZERO_FILL:
    case LOGFILE_SIM_REMOVE_DIRECTORY:
    case LOGFILE_SIM_FACTS:
        return false;
    default:
        return call != LOGFILE_SIM_CALL_COUNT;
    }
}

/* Loop test: engine variants, times one file or segments, times once or for ever. */
START_TEST(test_each_call_fails)
{
    struct fault_plan plan = {.variant_index = (unsigned)_i / 4,
                              .segment_bytes = _i % 2 == 0 ? 0 : SEGMENT_BYTES,
                              .fault.for_ever = _i / 2 % 2 == 1};

    const uint64_t end_ns = campaign_share_end_ns(6 * engine_variant_count());
    unsigned pass = 0;

    do {
        for (enum logfile_sim_call call = 0; call < LOGFILE_SIM_CALL_COUNT; call++) {
            plan.fault.call = call;
            unsigned trials = fail_with_errnos(plan, pass);
            if (pass == 0 && is_made(call, plan.segment_bytes))
                ck_assert_msg(trials > 0, "no %s call was made", logfile_sim_call_name(call));
        }
    } while (campaign_next_pass(&pass, end_ns));
}
END_TEST

/* Loop test: engine variants, times one file or segments. */
START_TEST(test_short_counts)
{
    static const enum logfile_sim_call calls[] = {LOGFILE_SIM_READ, LOGFILE_SIM_WRITE,
                                                  LOGFILE_SIM_ZERO_FILL};
    struct fault_plan plan = {.variant_index = (unsigned)_i / 2,
                              .segment_bytes = _i % 2 == 0 ? 0 : SEGMENT_BYTES};

    const uint64_t end_ns = campaign_share_end_ns(12 * engine_variant_count());
    unsigned pass = 0;

    do {
        for (unsigned i = 0; i < 6; i++) {
            plan.fault = (struct logfile_sim_fault){
                .call = calls[i / 2], .for_ever = i % 2 == 1, .short_bytes = 4096};
            unsigned trials = fail_calls(plan, pass);
            ck_assert(trials > 0 || pass > 0 || plan.fault.call == LOGFILE_SIM_ZERO_FILL);
        }
    } while (campaign_next_pass(&pass, end_ns));
}
END_TEST

/* Counts that end inside a block; a buffered log only, where that can be. */
START_TEST(test_odd_short_counts)
{
    static const enum logfile_sim_call calls[] = {LOGFILE_SIM_READ, LOGFILE_SIM_WRITE};
    struct fault_plan plan = {.variant_index = (unsigned)_i / 2,
                              .prepare = LOGFILE_PREPARE_NONE,
                              .segment_bytes = _i % 2 == 0 ? 0 : SEGMENT_BYTES};
    struct fault_trial trial;

    for (unsigned i = 0; i < 2; i++) {
        plan.fault = (struct logfile_sim_fault){
            .call = calls[i], .after = 3, .for_ever = true, .short_bytes = 777};
        fault_trial_begin(&trial, &plan);
        trial.options.io_mode = LOGFILE_IO_BUFFERED;
        logfile_sim_fault(trial.disk, &plan.fault);
        live(&trial);
        live(&trial);
        fault_trial_read(&trial);
        ck_assert_uint_gt(logfile_sim_fault_hits(trial.disk), 0);
        fault_trial_finish(&trial);
        fault_trial_end(&trial);
    }
}
END_TEST

/*
 * A sync that failed may have left the cache with what the disk has not.  What a reopened log then
 * shows, it must have made durable.
 */
START_TEST(test_a_failed_sync_does_not_come_back_as_durable)
{
    struct fault_plan plan = {.variant_index = (unsigned)_i / 2,
                              .prepare = LOGFILE_PREPARE_NONE,
                              .segment_bytes = _i % 2 == 0 ? 0 : SEGMENT_BYTES,
                              .fault = {.call = LOGFILE_SIM_SYNC, .error = -EIO}};

    for (plan.fault.after = 1; plan.fault.after < 24; plan.fault.after++) {
        struct fault_trial trial;
        fault_trial_begin(&trial, &plan);
        trial.options.io_mode = plan.fault.after % 2 == 0 ? LOGFILE_IO_BUFFERED : LOGFILE_IO_DIRECT;
        logfile_sim_fault(trial.disk, &plan.fault);
        live(&trial);
        fault_trial_finish(&trial);
        fault_trial_end(&trial);
    }
}
END_TEST

/* RWF_DSYNC: the write is the sync. */
START_TEST(test_a_failed_dsync_write)
{
    struct fault_plan plan = {.variant_index = (unsigned)_i / 2,
                              .prepare = LOGFILE_PREPARE_NONE,
                              .segment_bytes = _i % 2 == 0 ? 0 : SEGMENT_BYTES,
                              .fault = {.call = LOGFILE_SIM_WRITE, .error = -EIO}};

    for (plan.fault.after = 0; plan.fault.after < 24; plan.fault.after++) {
        struct fault_trial trial;
        fault_trial_begin(&trial, &plan);
        trial.options.sync = LOGFILE_SYNC_DSYNC;
        logfile_sim_fault(trial.disk, &plan.fault);
        live(&trial);
        fault_trial_finish(&trial);
        fault_trial_end(&trial);
    }
}
END_TEST

/* ---- Many threads ---- */

enum {
    WRITERS = 12
};

struct writer {
    pthread_t thread;
    struct logfile *log;
    uint64_t seed;
    struct journal_entry entry;
    int error;
};

static void *append_one(void *argument)
{
    struct writer *writer = argument;
    uint8_t payload[3000];

    writer->entry =
        (struct journal_entry){.lsn = LSN_UNSET, .seed = writer->seed, .size = sizeof payload};
    payload_fill(payload, sizeof payload, writer->seed);
    writer->error = logfile_append(writer->log, payload, sizeof payload, &writer->entry.lsn);
    return NULL;
}

/* Some wait for durability, the rest for room in the ring, while the call that will fail hangs. */
static void hang_writers(struct fault_trial *trial, struct writer writers[WRITERS])
{
    logfile_sim_gate_close(trial->disk, trial->fault.call);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.log = trial->log, .seed = 1000 + i};
        ck_assert_int_eq(pthread_create(&writers[i].thread, NULL, append_one, &writers[i]), 0);
    }
    ck_assert(logfile_sim_gate_is_reached(trial->disk, 600000));
    /* Time for the others to go to sleep; what is checked holds without it too. */
    sleep_us(20000);
}

/* Loop test: engines, times write or sync. */
START_TEST(test_every_waiter_is_told)
{
    struct fault_plan plan = {
        .variant_index = (unsigned)_i / 2,
        .prepare = LOGFILE_PREPARE_NONE,
        .fault = {.call = _i % 2 == 0 ? LOGFILE_SIM_SYNC : LOGFILE_SIM_WRITE, .error = -EIO}};
    struct writer writers[WRITERS];
    struct fault_trial trial;

    fault_trial_begin(&trial, &plan);
    ck_assert(fault_trial_open(&trial));
    fault_trial_append(&trial, 100, false);
    hang_writers(&trial, writers);
    logfile_sim_fault(trial.disk, &plan.fault);
    logfile_sim_gate_open(trial.disk);
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
        ck_assert_msg(writers[i].error == LOGFILE_EFAILED, "%s: writer %u: %s", trial.name, i,
                      logfile_strerror(writers[i].error));
        fault_trial_note(&trial, &writers[i].entry, writers[i].error);
    }
    fault_trial_check_waits(&trial);
    fault_trial_append(&trial, 10, false);
    fault_trial_close(&trial);
    fault_trial_finish(&trial);
    fault_trial_end(&trial);
}
END_TEST

static Suite *fault_suite(void)
{
    Suite *suite = suite_create("fault_io");
    TCase *tcase = tcase_create("faults");
    int count = (int)engine_variant_count();

    tcase_set_timeout(tcase, (double)scaled(120, 300, 7200));
    tcase_add_loop_test(tcase, test_each_call_fails, 0, count * 4);
    tcase_add_loop_test(tcase, test_short_counts, 0, count * 2);
    tcase_add_loop_test(tcase, test_odd_short_counts, 0, count * 2);
    tcase_add_loop_test(tcase, test_a_failed_sync_does_not_come_back_as_durable, 0, count * 2);
    tcase_add_loop_test(tcase, test_a_failed_dsync_write, 0, count * 2);
    tcase_add_loop_test(tcase, test_every_waiter_is_told, 0, count * 2);
    suite_add_tcase(suite, tcase);
    return suite;
}

/* One plan, a hundred times: where the preparer is at the n-th call is not the same each time. */
static int replay(const char *text)
{
    struct fault_plan plan;

    if (!fault_plan_read(&plan, text)) {
        fprintf(stderr, "usage: test_fault_io [PLAN]\n");
        return 2;
    }
    for (unsigned i = 0; i < REPLAYS; i++)
        run_trial(&plan);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return replay(argc == 2 ? argv[1] : "");
    return run_suite(fault_suite());
}
