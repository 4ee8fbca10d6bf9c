/* SPDX-License-Identifier: MIT */
#include "fault_trial.h"

#include "tool/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KIB = 1 << 10,
    SLOT_BYTES = 8 * KIB,
    PATIENCE_MS = 600000
};

/* A ck_assert writes to a file each time; these are too many for that. */
#define must_hold(condition, ...)                                                                  \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg(__VA_ARGS__);                                                             \
    } while (0)

/* What the watchdog says; static, so that it stays valid. */
static char current[sizeof((struct fault_trial *)0)->name];

/* ---- The plan --------------------------------------------------------------------------------- */

void fault_plan_write(const struct fault_plan *plan, char text[FAULT_PLAN_BYTES])
{
    const struct logfile_sim_fault *fault = &plan->fault;

    snprintf(text, FAULT_PLAN_BYTES, "%u:%u:%u:%u:%u:%d:%zu:%" PRIu64, plan->variant_index,
             (unsigned)plan->prepare, (unsigned)fault->call, fault->after,
             (unsigned)fault->for_ever, fault->error, fault->short_bytes, plan->segment_bytes);
}

bool fault_plan_read(struct fault_plan *plan, const char *text)
{
    unsigned prepare, call, for_ever;
    int end = 0;

    memset(plan, 0, sizeof *plan);
    int count = sscanf(text, "%u:%u:%u:%u:%u:%d:%zu:%" SCNu64 "%n", &plan->variant_index, &prepare,
                       &call, &plan->fault.after, &for_ever, &plan->fault.error,
                       &plan->fault.short_bytes, &plan->segment_bytes, &end);
    if (count != 8 || text[end] != '\0' || plan->variant_index >= engine_variant_count() ||
        prepare > LOGFILE_PREPARE_NONE || call >= LOGFILE_SIM_CALL_COUNT || for_ever > 1)
        return false;
    plan->prepare = (enum logfile_prepare)prepare;
    plan->fault.call = (enum logfile_sim_call)call;
    plan->fault.for_ever = for_ever == 1;
    return true;
}

static void set_name(struct fault_trial *trial, const struct fault_plan *plan, const char *variant)
{
    const struct logfile_sim_fault *fault = &plan->fault;
    char text[FAULT_PLAN_BYTES];

    fault_plan_write(plan, text);
    snprintf(trial->name, sizeof trial->name, "test_fault_io %s: %s, %s call %u %s: %s", text,
             variant, logfile_sim_call_name(fault->call), fault->after + 1,
             fault->for_ever ? "and later" : "once",
             fault->error == 0 ? "short" : strerror(-fault->error));
    memcpy(current, trial->name, sizeof current);
}

void fault_trial_begin(struct fault_trial *trial, const struct fault_plan *plan)
{
    struct variant variant;

    memset(trial, 0, sizeof *trial);
    engine_variant_get(plan->variant_index, &variant);
    trial->disk = logfile_sim_new(NULL);
    trial->fault = plan->fault;
    trial->options = variant.options;
    trial->options.slot_bytes = SLOT_BYTES;
    trial->options.segment_bytes = plan->segment_bytes;
    trial->options.prepare = plan->prepare;
    trial->options.prepare_bytes = 32 * KIB;
    trial->options.io = logfile_sim_io(trial->disk);
    set_name(trial, plan, variant.name);
    watchdog_start(30, current);
}

void fault_trial_end(struct fault_trial *trial)
{
    must_hold(logfile_sim_open_count(trial->disk) == 0, "%s: %u descriptors are open", trial->name,
              logfile_sim_open_count(trial->disk));
    must_hold(logfile_sim_misuse_count(trial->disk) == 0, "%s: a call broke a rule", trial->name);
    logfile_sim_free(trial->disk);
    journal_free(&trial->journal);
    watchdog_stop();
}

/* ---- What may be told ------------------------------------------------------------------------ */

static bool has_segments(const struct fault_trial *trial)
{
    return trial->options.segment_bytes != 0;
}

static bool means_no_room(int error)
{
    return error == -ENOSPC || error == -EDQUOT || error == -EFBIG || error == -EMFILE ||
           error == -ENFILE || error == -ENOMEM || error == -EROFS;
}

/* Room that cannot be had is no failure: nothing was reserved.  A segment takes many calls to make,
 * one file grows by two kinds of them. */
static bool is_room_error(const struct fault_trial *trial, int error)
{
    enum logfile_sim_call call = trial->fault.call;
    bool makes_room = call == LOGFILE_SIM_ALLOCATE || call == LOGFILE_SIM_ZERO_FILL;

    return error != 0 && error == trial->fault.error && means_no_room(error) &&
           (makes_room || has_segments(trial));
}

/* Calls that fail without anybody being the worse for it. */
static bool is_harmless(const struct fault_trial *trial)
{
    enum logfile_sim_call call = trial->fault.call;

    return trial->fault.error == 0 || call == LOGFILE_SIM_CLOSE || call == LOGFILE_SIM_DROP_CACHE ||
           call == LOGFILE_SIM_LOCKED || call == LOGFILE_SIM_PUNCH;
}

/* What opening ends with where the call fails that it cannot do without. */
static int open_error(const struct fault_trial *trial)
{
    bool locked = trial->fault.call == LOGFILE_SIM_LOCK && trial->fault.error == -EAGAIN;

    return locked ? LOGFILE_ELOCKED : trial->fault.error;
}

/* A failure says which call, with which error, and where; and always the same. */
static void check_failure(struct fault_trial *trial)
{
    struct logfile_failure failure;

    must_hold(logfile_failure(trial->log, &failure, sizeof failure) == 0,
              "%s: cannot tell of its failure", trial->name);
    if (trial->failed) {
        must_hold(memcmp(&failure, &trial->failure, sizeof failure) == 0,
                  "%s: the failure is another now", trial->name);
        return;
    }
    trial->failed = true;
    trial->failure = failure;
    trial->durable_lsn = logfile_durable_lsn(trial->log);
    must_hold(!is_harmless(trial), "%s: failed the log", trial->name);
    must_hold(failure.error == trial->fault.error, "%s: failure says %d", trial->name,
              failure.error);
    must_hold(strcmp(failure.call, "write") == 0 || strcmp(failure.call, "sync") == 0 ||
                  strcmp(failure.call, "allocate") == 0 || strcmp(failure.call, "zero-fill") == 0,
              "%s: failure of '%s'", trial->name, failure.call);
    must_hold(failure.offset <= trial->durable_lsn + 512 * KIB, "%s: failure at offset %" PRIu64,
              trial->name, failure.offset);
}

/* What is durable when the log has failed stays.  Only one commit can have been under way, and it ends well if what
 * failed was in another file: blocks of the next segment that were got ready. */
static void check_still_durable(struct fault_trial *trial, uint64_t durable_lsn)
{
    if (durable_lsn == trial->durable_lsn)
        return;
    must_hold(durable_lsn > trial->durable_lsn && !trial->has_moved,
              "%s: the durable LSN moved after failing", trial->name);
    trial->has_moved = true;
    trial->durable_lsn = durable_lsn;
}

/* ---- Opening and closing --------------------------------------------------------------------- */

/* Whether the fault keeps the one who gives up from removing what was made: from doing so, or from
 * looking whether it is what has the name. */
static bool keeps_from_removing(const struct fault_trial *trial)
{
    switch (trial->fault.call) {
    case LOGFILE_SIM_UNLINK:
    case LOGFILE_SIM_REMOVE_DIRECTORY:
    case LOGFILE_SIM_LIST_DIRECTORY:
        return true;
    case LOGFILE_SIM_OPEN:
    case LOGFILE_SIM_STAT:
        return trial->fault.for_ever;
    default:
        return false;
    }
}

static void check_nothing_is_left(struct fault_trial *trial, int error, unsigned files_before)
{
    must_hold(error == open_error(trial), "%s: open: %s (%s)", trial->name, logfile_strerror(error),
              trial->report.message);
    must_hold(trial->log == NULL, "%s: open gave a log", trial->name);
    must_hold(trial->report.message[0] != '\0', "%s: open does not say what failed", trial->name);
    must_hold(logfile_sim_open_count(trial->disk) == 0, "%s: open left a descriptor", trial->name);
    /* Of a log that was there a segment may be left, ready for the next try. */
    if (!keeps_from_removing(trial) && !(has_segments(trial) && files_before > 0))
        must_hold(logfile_sim_file_count(trial->disk) == files_before, "%s: open left a file",
                  trial->name);
}

static int try_to_open(struct fault_trial *trial)
{
    unsigned files = logfile_sim_file_count(trial->disk);

    trial->log = NULL;
    trial->failed = trial->has_moved = false;
    trial->event_lsn = 0;
    int error = logfile_open(FAULT_LOG_PATH, &trial->options, &trial->report, &trial->log);
    if (error != 0)
        check_nothing_is_left(trial, error, files);
    return error;
}

/* What was in doubt is settled by reopening.  It is looked at on a copy of the disk, where nothing
 * fails and no call counts. */
static void settle_journal(struct fault_trial *trial)
{
    char why[JOURNAL_WHY_BYTES];
    struct logfile_sim *copy = logfile_sim_clone(trial->disk);
    bool good = journal_compare_path(&trial->journal, FAULT_LOG_PATH, logfile_sim_io(copy), why);

    must_hold(good, "%s: opened again: %s", trial->name, why);
    logfile_sim_free(copy);
}

bool fault_trial_open(struct fault_trial *trial)
{
    int error = try_to_open(trial);

    if (error != 0 && !trial->fault.for_ever) {
        error = try_to_open(trial);
        must_hold(error == 0, "%s: open, the second time: %s", trial->name, trial->report.message);
    }
    if (error == 0 && trial->journal.count > 0)
        settle_journal(trial);
    return error == 0;
}

void fault_trial_close(struct fault_trial *trial)
{
    int error = logfile_close(trial->log);

    if (error == 0)
        journal_ack_below(&trial->journal, UINT64_MAX);
    must_hold(error == 0 || error == LOGFILE_EFAILED, "%s: close: %s", trial->name,
              logfile_strerror(error));
    must_hold(error != 0 || !trial->failed, "%s: close says 0 after a failure", trial->name);
    must_hold(error == 0 || !is_harmless(trial), "%s: close: %s", trial->name,
              logfile_strerror(error));
}

/* ---- Appending ------------------------------------------------------------------------------- */

void fault_trial_note(struct fault_trial *trial, const struct journal_entry *entry, int error)
{
    if (error == 0)
        must_hold(!trial->failed, "%s: appended to a failed log", trial->name);
    else if (error == LOGFILE_EFAILED)
        check_failure(trial);
    else
        must_hold(is_room_error(trial, error) && entry->lsn == LSN_UNSET, "%s: append: %s",
                  trial->name, logfile_strerror(error));
    if (entry->lsn != LSN_UNSET)
        journal_add(&trial->journal, entry->lsn, entry->seed, entry->size, entry->acked);
}

static uint64_t last_seed;

static int append(struct fault_trial *trial, size_t size, bool submits)
{
    static uint8_t payload[SLOT_BYTES];
    struct journal_entry entry = {.lsn = LSN_UNSET, .seed = ++last_seed, .size = (uint32_t)size};

    payload_fill(payload, size, entry.seed);
    int error = submits ? logfile_submit(trial->log, payload, size, NULL, &entry.lsn)
                        : logfile_append(trial->log, payload, size, &entry.lsn);
    entry.acked = error == 0 && !submits;
    fault_trial_note(trial, &entry, error);
    if (entry.acked)
        journal_ack_below(&trial->journal, entry.lsn);
    return error;
}

void fault_trial_append(struct fault_trial *trial, size_t size, bool submits)
{
    (void)append(trial, size, submits);
}

/* All of them have their places, or none has; and so they are read. */
void fault_trial_append_batch(struct fault_trial *trial)
{
    static uint8_t payloads[3][SLOT_BYTES];
    static const size_t sizes[3] = {100, 4000, 0};
    struct iovec records[3];
    uint64_t lsns[3] = {LSN_UNSET, LSN_UNSET, LSN_UNSET};
    const uint64_t first_seed = last_seed + 1;

    for (unsigned i = 0; i < 3; i++) {
        payload_fill(payloads[i], sizes[i], ++last_seed);
        records[i] = (struct iovec){.iov_base = payloads[i], .iov_len = sizes[i]};
    }
    int error = logfile_submit_batch(trial->log, records, 3, NULL, lsns);
    for (unsigned i = 0; i < 3; i++) {
        struct journal_entry entry = {
            .lsn = lsns[i], .seed = first_seed + i, .size = (uint32_t)sizes[i]};
        must_hold((lsns[i] == LSN_UNSET) == (lsns[0] == LSN_UNSET),
                  "%s: a part of a batch has its place: %s", trial->name, logfile_strerror(error));
        fault_trial_note(trial, &entry, error);
    }
    if (lsns[0] != LSN_UNSET)
        journal_tie(&trial->journal, 3);
}

/* What is abandoned has a payload too, which must never be read. */
void fault_trial_reserve(struct fault_trial *trial, size_t size, bool publishes)
{
    struct journal_entry entry = {.lsn = LSN_UNSET, .seed = ++last_seed, .size = (uint32_t)size};
    struct logfile_reservation reservation;
    int error = logfile_reserve(trial->log, size, NULL, &reservation);

    if (trial->options.lab->engine != LOGFILE_ENGINE_RING) {
        must_hold(error == -EOPNOTSUPP, "%s: reserve: %s", trial->name, logfile_strerror(error));
        return;
    }
    if (error != 0) {
        fault_trial_note(trial, &entry, error);
        return;
    }
    const uint64_t lsn = reservation.lsn;
    payload_fill(reservation.data, size, entry.seed);
    error = publishes ? logfile_publish(trial->log, &reservation)
                      : logfile_abandon(trial->log, &reservation);
    must_hold(error == 0 || error == LOGFILE_EFAILED, "%s: end of a reservation: %s", trial->name,
              logfile_strerror(error));
    must_hold(reservation.data == NULL, "%s: a reservation has ended and is there", trial->name);
    if (publishes)
        entry.lsn = lsn;
    fault_trial_note(trial, &entry, error);
}

/* An event tells what is durable, and of a failure; a failed log goes on telling. */
void fault_trial_take(struct fault_trial *trial)
{
    const uint64_t durable_lsn = logfile_durable_lsn(trial->log);
    struct logfile_event_state state;
    struct pollfd polled = {.fd = logfile_event_fd(trial->log), .events = POLLIN};

    if (durable_lsn > trial->event_lsn || trial->failed)
        must_hold(poll(&polled, 1, PATIENCE_MS) == 1, "%s: the event descriptor does not tell",
                  trial->name);
    int error = logfile_event_take(trial->log, &state, sizeof state);
    must_hold(error == 0, "%s: taking an event: %s", trial->name, logfile_strerror(error));
    must_hold(state.durable_lsn >= durable_lsn, "%s: an event tells of less than is durable",
              trial->name);
    must_hold(state.failed || !trial->failed, "%s: an event does not tell of the failure",
              trial->name);
    if (state.failed)
        check_failure(trial);
    if (trial->failed)
        check_still_durable(trial, state.durable_lsn);
    trial->event_lsn = state.durable_lsn;
    journal_ack_below(&trial->journal, state.durable_lsn);
}

static void flush(struct fault_trial *trial)
{
    int error = logfile_sync(trial->log, NULL);

    if (error == 0)
        journal_ack_below(&trial->journal, UINT64_MAX);
    else
        must_hold(error == LOGFILE_EFAILED, "%s: flush: %s", trial->name, logfile_strerror(error));
    if (error != 0)
        check_failure(trial);
}

void fault_trial_append_some(struct fault_trial *trial)
{
    fault_trial_append(trial, 100, false);
    fault_trial_append(trial, 0, true);
    fault_trial_append(trial, 3000, true);
    fault_trial_append(trial, 8100, false);
    fault_trial_append_batch(trial);
    flush(trial);
    fault_trial_take(trial);
    fault_trial_reserve(trial, 2000, true);
    fault_trial_append(trial, 5000, true);
    fault_trial_reserve(trial, 300, false);
    fault_trial_append(trial, 6000, true);
    fault_trial_append(trial, 5000, false);
    flush(trial);
    fault_trial_append_batch(trial);
    for (unsigned i = 0; i < 6; i++)
        fault_trial_append(trial, 4000, i % 2 == 0);
    fault_trial_take(trial);
}

/* A fault that is over, and did not fail the log, is forgotten; the first append may still meet the
 * old news. */
static void append_in_the_end(struct fault_trial *trial)
{
    uint64_t limit_ns = now_ns() + PATIENCE_MS * UINT64_C(1000000);

    if (trial->fault.for_ever || logfile_sim_fault_hits(trial->disk) == 0)
        return;
    while (is_room_error(trial, append(trial, 10, false))) {
        must_hold(now_ns() < limit_ns, "%s: the fault is over, and there is no room", trial->name);
        sleep_us(100);
    }
}

/* ---- Trimming and waiting -------------------------------------------------------------------- */

/* Giving space back may fail by itself; what is removed is looked at before. */
static bool is_release_error(const struct fault_trial *trial, int error)
{
    enum logfile_sim_call call = trial->fault.call;

    return error == trial->fault.error &&
           (call == LOGFILE_SIM_PUNCH || call == LOGFILE_SIM_UNLINK || call == LOGFILE_SIM_OPEN ||
            call == LOGFILE_SIM_STAT || call == LOGFILE_SIM_LIST_DIRECTORY);
}

static int trim(struct fault_trial *trial, uint64_t lsn)
{
    journal_ask_trim(&trial->journal, lsn);
    int error = logfile_trim(trial->log, lsn);
    journal_trimmed(&trial->journal, logfile_oldest_lsn(trial->log));
    must_hold(error == 0 || error == LOGFILE_EFAILED || is_release_error(trial, error),
              "%s: trim: %s", trial->name, logfile_strerror(error));
    if (error == LOGFILE_EFAILED)
        check_failure(trial);
    must_hold(error != 0 || !trial->failed, "%s: trimmed a failed log", trial->name);
    return error;
}

void fault_trial_trim(struct fault_trial *trial)
{
    uint64_t lsn = logfile_durable_lsn(trial->log);
    int error = trim(trial, lsn);

    if (error != 0 && error != LOGFILE_EFAILED && !trial->fault.for_ever) {
        error = trim(trial, lsn);
        must_hold(error == 0 || error == LOGFILE_EFAILED, "%s: the same trim again: %s",
                  trial->name, logfile_strerror(error));
    }
}

/* Durable is what was before the wait, or is after it. */
static void check_wait(struct fault_trial *trial, struct journal_entry *entry)
{
    uint64_t durable_lsn = logfile_durable_lsn(trial->log);
    int error = logfile_wait(trial->log, entry->lsn, NULL);
    bool was_durable = entry->lsn < durable_lsn;
    bool is_durable = entry->lsn < logfile_durable_lsn(trial->log);

    must_hold(error == 0 || (error == LOGFILE_EFAILED && trial->failed && !was_durable),
              "%s: wait for %s LSN: %s", trial->name, was_durable ? "a durable" : "another",
              logfile_strerror(error));
    must_hold(error != 0 || is_durable, "%s: wait for an LSN that is not durable: 0", trial->name);
    entry->acked = entry->acked || error == 0;
}

void fault_trial_check_waits(struct fault_trial *trial)
{
    struct logfile_failure failure;

    append_in_the_end(trial);
    flush(trial); /* or a background thread may fail the log between two looks at it */
    must_hold(logfile_failure(trial->log, &failure, sizeof failure) == 0,
              "%s: cannot tell of its failure", trial->name);
    if (failure.error != 0)
        check_failure(trial);
    if (trial->failed)
        check_still_durable(trial, logfile_durable_lsn(trial->log));
    for (size_t i = 0; i < trial->journal.count; i++)
        check_wait(trial, &trial->journal.entries[i]);
}

/* ---- Reading --------------------------------------------------------------------------------- */

static const struct journal_entry *find_entry(const struct fault_trial *trial, uint64_t lsn)
{
    for (size_t i = 0; i < trial->journal.count; i++)
        if (trial->journal.entries[i].lsn == lsn)
            return &trial->journal.entries[i];
    return NULL;
}

static void check_record(const struct fault_trial *trial, const struct logfile_record *record)
{
    const struct journal_entry *entry = find_entry(trial, record->lsn);

    must_hold(entry != NULL && entry->size == record->size &&
                  payload_matches(record->data, record->size, entry->seed),
              "%s: read what was never appended at LSN %" PRIu64, trial->name, record->lsn);
}

/* An error of a reader is that of the call; none is taken for the end of the log. */
static void check_read_error(const struct fault_trial *trial, int error)
{
    must_hold(error == 0 || error == trial->fault.error, "%s: reader: %s", trial->name,
              logfile_strerror(error));
}

/* Reads to the end or an error. */
static int read_all(const struct fault_trial *trial, struct logfile_reader *reader)
{
    struct logfile_record record;
    struct logfile_tail tail;
    int result;

    while ((result = logfile_reader_next(reader, &record)) == 1)
        check_record(trial, &record);
    return result != 0 ? result : logfile_reader_tail(reader, &tail, sizeof tail);
}

static int open_and_read(const struct fault_trial *trial)
{
    struct logfile_reader *reader = NULL;
    int error = logfile_reader_open(
        FAULT_LOG_PATH, &(struct logfile_reader_options){.io = trial->options.io}, &reader);

    if (error != 0)
        return error;
    error = read_all(trial, reader);
    if (error != 0 && !trial->fault.for_ever) { /* The same reader goes on. */
        check_read_error(trial, error);
        error = read_all(trial, reader);
        must_hold(error == 0, "%s: reader, after the fault: %s", trial->name,
                  logfile_strerror(error));
    }
    logfile_reader_close(reader);
    return error;
}

void fault_trial_read(struct fault_trial *trial)
{
    if (!logfile_sim_exists(trial->disk, FAULT_LOG_PATH))
        return;
    int error = open_and_read(trial);

    check_read_error(trial, error);
    if (error != 0 && !trial->fault.for_ever) {
        error = open_and_read(trial);
        must_hold(error == 0, "%s: reader, the second time: %s", trial->name,
                  logfile_strerror(error));
    }
}

/* ---- What is left ---------------------------------------------------------------------------- */

static void compare(struct fault_trial *trial, const char *when)
{
    char why[JOURNAL_WHY_BYTES];
    bool good = journal_compare_path(&trial->journal, FAULT_LOG_PATH, trial->options.io, why);

    must_hold(good, "%s: %s: %s", trial->name, when, why);
}

static void open_well(struct fault_trial *trial, const char *when)
{
    int error = logfile_open(FAULT_LOG_PATH, &trial->options, &trial->report, &trial->log);

    must_hold(error == 0, "%s: %s: %s", trial->name, when, trial->report.message);
}

static void append_well(struct fault_trial *trial)
{
    uint64_t lsn;

    must_hold(logfile_append(trial->log, "", 0, &lsn) == 0, "%s: append, without faults",
              trial->name);
    journal_add(&trial->journal, lsn, 0, 0, true);
}

static void check_name(void *arg, const char *name)
{
    const struct fault_trial *trial = arg;

    must_hold(strstr(name, ".segment.new") == NULL, "%s: %s is left", trial->name, name);
}

static void verify(struct fault_trial *trial)
{
    char *report = NULL;
    size_t report_bytes;
    FILE *out = open_memstream(&report, &report_bytes);

    if (out == NULL)
        abort();
    int status = lf_tool_verify_log(trial->options.io, FAULT_LOG_PATH, out);
    fclose(out);
    /* One copy of a trim mark may be torn: a write that failed half-way. */
    must_hold(status == LF_TOOL_OK, "%s: verify: %d: %s", trial->name, status, report);
    free(report);
}

void fault_trial_finish(struct fault_trial *trial)
{
    logfile_sim_fault_clear(trial->disk);
    open_well(trial, "reopening");
    compare(trial, "reopened");
    append_well(trial);
    logfile_sim_crash_at(trial->disk, 1);
    logfile_close(trial->log);
    logfile_sim_reboot_losing_all(trial->disk);
    compare(trial, "after a power cut");
    open_well(trial, "after a power cut");
    append_well(trial);
    must_hold(logfile_close(trial->log) == 0, "%s: close, without faults", trial->name);
    compare(trial, "closed");
    logfile_sim_list(trial->disk, FAULT_LOG_PATH, check_name, trial);
    verify(trial);
}
