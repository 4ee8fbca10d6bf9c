/* SPDX-License-Identifier: MIT */
/*
 * Salvage on disks that fail: each call on the disk of the damaged log, or on that of the copy,
 * fails, once and for ever, with each of several errnos.  What must hold:
 *   - the damaged log is never changed;
 *   - exit status 0 means that every whole record is in the copy, and on stable storage;
 *   - another status comes with the reason, and the copy is not there, or is called incomplete and
 *     is a log that holds a beginning of them;
 *   - totals are printed only where they are true after a power cut;
 *   - without the fault, salvaging again works.
 *
 *     test_salvage       all that is checked
 *     test_salvage PLAN  one trial, as printed by a failure
 */
#include "campaign.h"
#include "heap.h"
#include "logfile_sim.h"
#include "support.h"
#include "tool/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_PATH "/damaged.log"
#define COPY_PATH "/copy.log"

enum {
    RECORDS = 9,
    DAMAGED = 4, /* this one cannot be read */
    RECORD_BYTES = 3000,
    SLOT_BYTES = 8 << 10,
    SEGMENT_BYTES = 44 << 10,
    IMAGE_FILES_MAX = 8,
    IMAGE_FILE_BYTES = 128 << 10,
    TEXT_BYTES = 2048,
    CALLS_MAX = 300 /* of one kind: a salvage that makes more has no end */
};

static const int errors[] = {EIO,   ENOSPC, EDQUOT, EFBIG,  EINVAL, EROFS,
                             EBADF, EINTR,  EAGAIN, ENOMEM, EMFILE};
enum {
    ERRORS = sizeof errors / sizeof errors[0]
};

/* Which disk fails, and how: the numbers of a PLAN. */
struct plan {
    unsigned on_copy; /* 0: the disk of the damaged log */
    unsigned segments;
    struct logfile_sim_fault fault;
};

/* The damaged log, byte for byte. */
struct image {
    unsigned count;
    char paths[IMAGE_FILES_MAX][64];
    uint64_t sizes[IMAGE_FILES_MAX];
    uint8_t *bytes[IMAGE_FILES_MAX];
    struct logfile_sim *disk;
};

static struct logfile_sim *master; /* has the damaged log; never salvaged itself */
static struct image before;
static uint64_t lsns[RECORDS];

struct trial {
    struct plan plan;
    struct logfile_sim *from, *to;
    FILE *out, *said; /* standard output and standard error of the program */
    char name[192];
    char text[TEXT_BYTES];
};

/* ---- The damaged log ---- */

static void add_to_image(struct image *image, const char *path)
{
    unsigned at = image->count++;

    ck_assert_uint_lt(at, IMAGE_FILES_MAX);
    snprintf(image->paths[at], sizeof image->paths[at], "%s", path);
    image->sizes[at] = logfile_sim_file_bytes(image->disk, path);
    ck_assert_uint_le(image->sizes[at], IMAGE_FILE_BYTES);
    image->bytes[at] = calloc(1, IMAGE_FILE_BYTES);
    ck_assert_ptr_nonnull(image->bytes[at]);
    ck_assert_int_eq(
        logfile_sim_peek(image->disk, path, 0, image->bytes[at], (size_t)image->sizes[at]), 0);
}

static void add_name(void *arg, const char *name)
{
    char path[64];

    snprintf(path, sizeof path, LOG_PATH "/%.40s", name);
    add_to_image(arg, path);
}

static void take_image(struct image *image, struct logfile_sim *disk, bool segments)
{
    *image = (struct image){.disk = disk};
    if (segments)
        logfile_sim_list(disk, LOG_PATH, add_name, image);
    else
        add_to_image(image, LOG_PATH);
}

static void free_image(struct image *image)
{
    for (unsigned i = 0; i < image->count; i++)
        free(image->bytes[i]);
}

static bool images_are_equal(const struct image *a, const struct image *b)
{
    bool equal = a->count == b->count;

    for (unsigned i = 0; i < a->count && equal; i++)
        equal = strcmp(a->paths[i], b->paths[i]) == 0 && a->sizes[i] == b->sizes[i] &&
                memcmp(a->bytes[i], b->bytes[i], (size_t)a->sizes[i]) == 0;
    return equal;
}

/* Each record is an epoch of its own. */
static void append_records(struct logfile *log)
{
    uint8_t payload[RECORD_BYTES];

    for (unsigned i = 0; i < RECORDS; i++) {
        payload_fill(payload, sizeof payload, i);
        ck_assert_int_eq(logfile_append(log, payload, sizeof payload, &lsns[i]), 0);
    }
}

static void damage(uint64_t lsn, bool segments)
{
    char path[64] = LOG_PATH;
    uint8_t byte;

    if (segments)
        snprintf(path, sizeof path, LOG_PATH "/%016" PRIx64 ".segment", lsn / SEGMENT_BYTES);
    uint64_t at = (segments ? lsn % SEGMENT_BYTES : lsn) + RECORD_BYTES / 2;
    ck_assert_int_eq(logfile_sim_peek(master, path, at, &byte, 1), 0);
    byte ^= 1;
    ck_assert_int_eq(logfile_sim_poke(master, path, at, &byte, 1), 0);
}

static void make_damaged_log(bool segments)
{
    struct logfile_options options = {.slot_bytes = SLOT_BYTES,
                                      .prepare_bytes = 16 << 10,
                                      .segment_bytes = segments ? SEGMENT_BYTES : 0};
    struct logfile *log;

    master = logfile_sim_new(NULL);
    ck_assert_ptr_nonnull(master);
    options.io = logfile_sim_io(master);
    ck_assert_int_eq(logfile_open(LOG_PATH, &options, NULL, &log), 0);
    append_records(log);
    ck_assert_int_eq(logfile_close(log), 0);
    damage(lsns[DAMAGED], segments);
    take_image(&before, master, segments);
}

static void free_damaged_log(void)
{
    free_image(&before);
    logfile_sim_free(master);
}

/* ---- A trial ---- */

static void begin(struct trial *trial, const struct plan *plan)
{
    *trial = (struct trial){.plan = *plan,
                            .from = logfile_sim_clone(master),
                            .to = logfile_sim_new(NULL),
                            .out = tmpfile(),
                            .said = tmpfile()};
    ck_assert(trial->from != NULL && trial->to != NULL);
    ck_assert(trial->out != NULL && trial->said != NULL);
    /* Zeros ahead of so short a log are not what is tried here: few are enough. */
    logfile_sim_delay(trial->to, LOGFILE_SIM_ZERO_FILL, 2000);
    snprintf(trial->name, sizeof trial->name,
             "%s, %s, %s call %u%s: %s: tests/fault/test_salvage %u:%u:%u:%u:%u:%d",
             plan->on_copy ? "the copy" : "the log", plan->segments ? "segments" : "one file",
             logfile_sim_call_name(plan->fault.call), plan->fault.after,
             plan->fault.for_ever ? " and all later ones" : "", logfile_strerror(plan->fault.error),
             plan->on_copy, plan->segments, plan->fault.call, plan->fault.after,
             plan->fault.for_ever, -plan->fault.error);
    watchdog_start(120, trial->name);
}

static void end(struct trial *trial)
{
    fclose(trial->out);
    fclose(trial->said);
    logfile_sim_free(trial->from);
    logfile_sim_free(trial->to);
    watchdog_stop();
}

static int salvage(struct trial *trial)
{
    struct lf_tool_salvage what = {.from = logfile_sim_io(trial->from),
                                   .path = LOG_PATH,
                                   .to = logfile_sim_io(trial->to),
                                   .output = COPY_PATH};
    int kept = dup(STDERR_FILENO);

    rewind(trial->out);
    rewind(trial->said);
    ck_assert(ftruncate(fileno(trial->out), 0) == 0 && ftruncate(fileno(trial->said), 0) == 0);
    ck_assert_int_ge(dup2(fileno(trial->said), STDERR_FILENO), 0);
    int status = lf_tool_salvage_log(&what, trial->out);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    fflush(trial->out);
    return status;
}

/* What the program wrote. */
static const char *text_of(struct trial *trial, FILE *file)
{
    ssize_t count = pread(fileno(file), trial->text, TEXT_BYTES - 1, 0);

    trial->text[count > 0 ? count : 0] = '\0';
    return trial->text;
}

/* How many records the copy has, which are the first of those that are whole. */
static unsigned count_copied(struct trial *trial)
{
    struct logfile_reader *reader;
    struct logfile_record record;
    unsigned count = 0;
    int found;

    if (!logfile_sim_exists(trial->to, COPY_PATH))
        return 0;
    int error = logfile_reader_open(COPY_PATH, READING(.io = logfile_sim_io(trial->to)), &reader);
    ck_assert_msg(error == 0, "%s: the copy: %s", trial->name, logfile_strerror(error));
    while ((found = logfile_reader_next(reader, &record)) == 1) {
        unsigned seed = count < DAMAGED ? count : count + 1;
        ck_assert_msg(seed < RECORDS && record.size == RECORD_BYTES &&
                          payload_matches(record.data, record.size, seed),
                      "%s: record %u of the copy is another", trial->name, count);
        count++;
    }
    ck_assert_msg(found == 0, "%s: the copy: %s", trial->name, logfile_strerror(found));
    logfile_reader_close(reader);
    return count;
}

static void check_log_is_unchanged(struct trial *trial)
{
    struct image after;

    take_image(&after, trial->from, trial->plan.segments != 0);
    ck_assert_msg(images_are_equal(&before, &after), "%s: the log has changed", trial->name);
    free_image(&after);
    ck_assert_msg(logfile_sim_open_count(trial->from) == 0 &&
                      logfile_sim_open_count(trial->to) == 0,
                  "%s: something is left open", trial->name);
}

/* Of the calls on either disk that a copy cannot do without, a failure is the program's own. */
static bool must_fail(const struct plan *plan)
{
    enum logfile_sim_call call = plan->fault.call;

    if (plan->fault.error != -EIO)
        return false; /* another way may be found, or room */
    if (plan->on_copy)
        return call == LOGFILE_SIM_WRITE || call == LOGFILE_SIM_SYNC || call == LOGFILE_SIM_OPEN ||
               call == LOGFILE_SIM_RENAME || call == LOGFILE_SIM_SYNC_DIRECTORY;
    /* Whether there is a segment is asked by opening it, and then it is opened to be read. */
    if (call == LOGFILE_SIM_OPEN)
        return plan->fault.for_ever;
    /* What is read is tried again, and what costs nothing may be missing: what is there is counted. */
    return false;
}

/* The reason is that of the fault; a log that has it says so too. */
static void check_reason(struct trial *trial)
{
    const char *said = text_of(trial, trial->said);
    bool exists = logfile_sim_exists(trial->to, COPY_PATH);
    bool is_locked =
        trial->plan.fault.call == LOGFILE_SIM_LOCK && trial->plan.fault.error == -EAGAIN;
    const char *reason = logfile_strerror(is_locked ? LOGFILE_ELOCKED : trial->plan.fault.error);

    /* The last thing that closing the copy writes fails it when there is nobody left to ask why. */
    ck_assert_msg(strstr(said, reason) != NULL ||
                      (trial->plan.on_copy && strstr(said, logfile_strerror(LOGFILE_EFAILED))),
                  "%s: no reason: %s", trial->name, said);
    /* Where the one who gives up cannot look whether the name is still the copy's, the empty log that
     * the copy was to become stays. */
    if (exists && trial->plan.fault.call == LOGFILE_SIM_STAT && trial->plan.fault.for_ever)
        return;
    ck_assert_msg((strstr(said, COPY_PATH ": incomplete: ") != NULL) == exists,
                  "%s: there is %s copy, and it says: %s", trial->name, exists ? "a" : "no", said);
    if (!exists)
        ck_assert_msg(logfile_sim_file_count(trial->to) == 0, "%s: files are left", trial->name);
}

/* Totals speak of what a power cut leaves. */
static void check_totals(struct trial *trial, int status)
{
    unsigned total = 0;
    bool has_totals = sscanf(text_of(trial, trial->out), "%u records", &total) == 1;

    logfile_sim_reboot_losing_all(trial->to);
    unsigned count = count_copied(trial);
    ck_assert_msg(status != LF_TOOL_OK || (has_totals && total == RECORDS - 1),
                  "%s: succeeded with %u of %d records", trial->name, total, RECORDS - 1);
    ck_assert_msg(!has_totals || total == count, "%s: says %u and has %u records", trial->name,
                  total, count);
}

static void check_status(struct trial *trial, int status)
{
    bool is_hit = logfile_sim_fault_hits(trial->plan.on_copy ? trial->to : trial->from) > 0;

    ck_assert_msg(status == LF_TOOL_OK || (is_hit && status == LF_TOOL_FAILED), "%s: status %d",
                  trial->name, status);
    ck_assert_msg(status != LF_TOOL_OK || !is_hit || !must_fail(&trial->plan),
                  "%s: the call failed, and salvage did not", trial->name);
}

/* What is there is a log, to which more can be appended. */
static void check_copy_is_a_log(struct trial *trial)
{
    struct logfile_options options = {.io = logfile_sim_io(trial->to),
                                      .prepare = LOGFILE_PREPARE_NONE};
    struct logfile *log;

    if (!logfile_sim_exists(trial->to, COPY_PATH))
        return;
    ck_assert_int_eq(logfile_open(COPY_PATH, &options, NULL, &log), 0);
    ck_assert_int_eq(logfile_append(log, "more", 4, NULL), 0);
    ck_assert_int_eq(logfile_close(log), 0);
}

/* Another name, as whoever salvages would take; here the copy goes. */
static void salvage_again(struct trial *trial)
{
    const struct logfile_io *io = logfile_sim_io(trial->to);

    if (logfile_sim_exists(trial->to, COPY_PATH))
        ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, COPY_PATH), 0);
    int status = salvage(trial);
    ck_assert_msg(status == LF_TOOL_OK && count_copied(trial) == RECORDS - 1,
                  "%s: the second time, without faults: %d", trial->name, status);
}

/* Whether the fault was hit. */
static bool run_trial(const struct plan *plan)
{
    struct trial trial;

    begin(&trial, plan);
    struct logfile_sim *disk = plan->on_copy ? trial.to : trial.from;
    ck_assert_int_eq(logfile_sim_fault(disk, &plan->fault), 0);
    int status = salvage(&trial);
    bool is_hit = logfile_sim_fault_hits(disk) > 0;
    check_status(&trial, status);
    logfile_sim_fault_clear(disk);
    check_log_is_unchanged(&trial);
    if (status != LF_TOOL_OK)
        check_reason(&trial);
    check_totals(&trial, status);
    if (status != LF_TOOL_OK) {
        check_copy_is_a_log(&trial);
        if (plan->fault.after % 2 == 0 || test_scale() == SCALE_LONG)
            salvage_again(&trial);
    }
    end(&trial);
    return is_hit;
}

/* ---- Each call ---- */

/* How many calls there are depends a little on how the threads meet: one miss is not believed. */
static unsigned fail_calls(struct plan plan, unsigned pass)
{
    unsigned trials = 0;

    plan.fault.after = campaign_pass_begins[pass];
    while (run_trial(&plan) || run_trial(&plan)) {
        plan.fault.after += CAMPAIGN_PASSES;
        ck_assert_uint_lt(trials++, CALLS_MAX);
    }
    return trials;
}

/* Calls that each salvage makes. */
static bool is_made(enum logfile_sim_call call, bool on_copy)
{
    switch (call) {
    case LOGFILE_SIM_OPEN:
    case LOGFILE_SIM_CLOSE:
    case LOGFILE_SIM_READ:
        return true;
    case LOGFILE_SIM_STAT:
    case LOGFILE_SIM_LOCKED:
        return !on_copy;
    case LOGFILE_SIM_WRITE:
    case LOGFILE_SIM_SYNC:
    case LOGFILE_SIM_ALLOCATE:
    case LOGFILE_SIM_RENAME:
    case LOGFILE_SIM_SYNC_DIRECTORY:
        return on_copy;
    default:
        return false;
    }
}

/* The first errno with each call, once and for ever; the others take turns. */
static unsigned fail_with_errnos(struct plan plan, unsigned turn, unsigned pass)
{
    unsigned count = (unsigned)scaled(1, 2, ERRORS);
    unsigned trials = 0;

    for (unsigned i = 0; i < count && (i == 0 || trials > 0); i++) {
        plan.fault.error = -errors[i == 0 ? 0 : (turn * 2 + i - 1) % (ERRORS - 1) + 1];
        trials += fail_calls(plan, pass);
    }
    return trials;
}

/* Loop test: which disk, times layouts, times once or for ever. */
START_TEST(test_each_call_fails)
{
    struct plan plan = {.on_copy = (unsigned)_i % 2,
                        .segments = (unsigned)_i / 2 % 2,
                        .fault.for_ever = _i / 4 == 1};
    const uint64_t end_ns = campaign_share_end_ns(8);
    unsigned pass = 0;

    heap_keep();
    make_damaged_log(plan.segments != 0);
    do {
        for (unsigned call = 0; call < LOGFILE_SIM_CALL_COUNT; call++) {
            plan.fault.call = (enum logfile_sim_call)call;
            unsigned trials = fail_with_errnos(plan, call + (unsigned)_i, pass);
            ck_assert_msg(trials > 0 || pass > 0 || !is_made(plan.fault.call, plan.on_copy != 0),
                          "no %s call was made", logfile_sim_call_name(plan.fault.call));
        }
    } while (campaign_next_pass(&pass, end_ns));
    free_damaged_log();
}
END_TEST

static Suite *salvage_suite(void)
{
    Suite *suite = suite_create("salvage");
    TCase *tcase = tcase_create("faults");

    tcase_set_timeout(tcase, (double)scaled(120, 300, 7200));
    tcase_add_loop_test(tcase, test_each_call_fails, 0, 8);
    suite_add_tcase(suite, tcase);
    return suite;
}

static struct plan replayed;

START_TEST(test_replay)
{
    make_damaged_log(replayed.segments != 0);
    run_trial(&replayed);
    free_damaged_log();
}
END_TEST

/* A PLAN is as begin prints it. */
static bool read_plan(const char *text, struct plan *plan)
{
    unsigned numbers[6];
    int used = 0;

    if (sscanf(text, "%u:%u:%u:%u:%u:%u%n", &numbers[0], &numbers[1], &numbers[2], &numbers[3],
               &numbers[4], &numbers[5], &used) != 6 ||
        text[used] != '\0' || numbers[0] > 1 || numbers[1] > 1 ||
        numbers[2] >= LOGFILE_SIM_CALL_COUNT || numbers[4] > 1 || numbers[5] == 0)
        return false;
    *plan = (struct plan){.on_copy = numbers[0],
                          .segments = numbers[1],
                          .fault = {.call = (enum logfile_sim_call)numbers[2],
                                    .after = numbers[3],
                                    .for_ever = numbers[4] == 1,
                                    .error = -(int)numbers[5]}};
    return true;
}

static int replay(const char *text)
{
    if (!read_plan(text, &replayed)) {
        fprintf(stderr, "usage: test_salvage [PLAN]\n");
        return 2;
    }
    return run_test("salvage", test_replay);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return replay(argc == 2 ? argv[1] : "");
    return run_suite(salvage_suite());
}
