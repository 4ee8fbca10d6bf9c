/* SPDX-License-Identifier: MIT */
#include "rot_check.h"

#include "rot_oracle.h"
#include "support.h"
#include "tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_UNDEFINED(address, bytes) ((void)(address))
#endif

#define LATER_BYTES 333 /* of the record that is appended to a log which opens */

const char *rot_outcome_name(enum rot_outcome outcome)
{
    static const char *const names[ROT_OUTCOME_COUNT] = {
        [ROT_UNNOTICED] = "unnoticed",   [ROT_FORGIVEN] = "one copy damaged",
        [ROT_MARK_LOST] = "torn, whole", [ROT_CUT] = "torn, cut",
        [ROT_OLDER] = "older state",     [ROT_CORRUPT] = "corrupt, named",
        [ROT_REFUSED] = "refused"};

    return names[outcome];
}

/* ---- Failing --------------------------------------------------------------------------------- */

static void say_replay(struct rot_check *check, const struct rot_damage *damages, unsigned count)
{
    int used =
        snprintf(check->failure, sizeof(check->failure), "tests/rot/test_rot %s", check->log->name);

    for (unsigned i = 0; i < count; i++)
        used += snprintf(check->failure + used, sizeof(check->failure) - (size_t)used,
                         " %s %" PRIu64 " %" PRIu64, rot_kind_name(damages[i].kind), damages[i].at,
                         damages[i].value);
}

__attribute__((format(printf, 3, 4), noreturn)) static void
give_up(const struct rot_check *check, const char *who, const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "%s: ", who);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nreplay with: %s\n", check->failure);
    exit(1);
}

static void check_tail(const struct rot_check *check, const char *who,
                       const struct logfile_tail *is, const struct logfile_tail *should)
{
    if (is->verdict != should->verdict || is->end_lsn != should->end_lsn ||
        is->promised_lsn != should->promised_lsn || is->resume_lsn != should->resume_lsn ||
        is->last_epoch != should->last_epoch || is->incarnation != should->incarnation ||
        is->cut_bytes != should->cut_bytes)
        give_up(check, who,
                "verdict %d, end %" PRIu64 ", promise %" PRIu64 ", resume %" PRIu64
                ", epoch %" PRIu64 ", incarnation %u, cut %" PRIu64 "; should be %d, %" PRIu64
                ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %u, %" PRIu64,
                is->verdict, is->end_lsn, is->promised_lsn, is->resume_lsn, is->last_epoch,
                is->incarnation, is->cut_bytes, should->verdict, should->end_lsn,
                should->promised_lsn, should->resume_lsn, should->last_epoch, should->incarnation,
                should->cut_bytes);
}

static void check_error(const struct rot_check *check, const char *who, int is, int should)
{
    if (is != should)
        give_up(check, who, "%d (%s), should be %d (%s)", is, logfile_strerror(is), should,
                logfile_strerror(should));
}

/* ---- The reader ------------------------------------------------------------------------------ */

static void check_record(const struct rot_check *check, const struct logfile_record *record,
                         const struct rot_event *event)
{
    if (event->kind != ROT_RECORD)
        give_up(check, "reader", "a record at LSN %" PRIu64 " that should not be", record->lsn);
    if (record->lsn != event->lsn || record->size != event->size ||
        memcmp(record->data, event->data, event->size) != 0)
        give_up(check, "reader", "record at LSN %" PRIu64 ", %zu bytes; should be %" PRIu64 ", %u",
                record->lsn, record->size, event->lsn, event->size);
}

static struct memory_disk *oracles_disk(struct rot_check *check)
{
    return check->is_veiled ? &check->unveiled : &check->damaged;
}

/* What the oracle saw on the way. */
struct sight {
    int error; /* blocks 0 to 3 cannot be used */
    unsigned bad_copy_count;
    unsigned damage_count;
    uint64_t record_count;
    uint64_t lost_lsn; /* below it nothing is missing */
    struct rot_event first_break;
    struct rot_event last;
};

static void note_event(struct sight *sight, const struct rot_event *event)
{
    if (event->kind == ROT_RECORD) {
        sight->record_count++;
        return;
    }
    if (sight->first_break.kind == ROT_RECORD)
        sight->first_break = *event;
    sight->damage_count += event->kind == ROT_DAMAGE;
    sight->last = *event;
}

static bool is_last(const struct rot_event *event)
{
    return event->kind == ROT_END || (event->kind == ROT_DAMAGE && event->tail.resume_lsn == 0);
}

/* The reader gives what the oracle says, and goes past damage: up to what the oracle ends with. */
static void read_along(const struct rot_check *check, struct logfile_reader *reader,
                       struct rot_oracle *oracle, struct sight *sight)
{
    struct logfile_record record;
    struct logfile_tail tail;
    struct rot_event event;

    do {
        event = rot_oracle_next(oracle);
        note_event(sight, &event);
        const int found = logfile_reader_next(reader, &record);
        if (found == 1) {
            check_record(check, &record, &event);
            continue;
        }
        if (event.kind == ROT_RECORD)
            give_up(check, "reader", "%s instead of the record at LSN %" PRIu64,
                    found == 0 ? "the end" : logfile_strerror(found), event.lsn);
        check_error(check, "reader", found, event.kind == ROT_DAMAGE ? LOGFILE_ECORRUPT : 0);
        check_error(check, "tail", logfile_reader_tail(reader, &tail, sizeof tail), 0);
        check_tail(check, "tail", &tail, &event.tail);
        if (event.kind == ROT_DAMAGE)
            check_error(check, "skip", logfile_reader_skip(reader),
                        event.tail.resume_lsn == 0 ? -ENOENT : 0);
    } while (!is_last(&event));
}

static struct sight check_reader(struct rot_check *check)
{
    struct logfile_reader *reader = NULL;
    struct rot_oracle oracle;
    struct sight sight = {.error = rot_oracle_start(&oracle, check->log, oracles_disk(check))};
    const int error = logfile_reader_open(MEMORY_PATH, READING(.io = &check->damaged.io), &reader);

    check_error(check, "reader", error, sight.error);
    sight.bad_copy_count = oracle.bad_copy_count;
    if (error != 0)
        return sight;
    sight.bad_copy_count += rot_oracle_bad_segments(&oracle);
    read_along(check, reader, &oracle, &sight);
    logfile_reader_close(reader);
    return sight;
}

/* ---- verify ---------------------------------------------------------------------------------- */

static int status_of(const struct sight *sight)
{
    if (sight->error != 0 && sight->error != LOGFILE_ECORRUPT)
        return LF_TOOL_FAILED;
    if (sight->error != 0 || sight->damage_count > 0)
        return LF_TOOL_CORRUPT;
    return sight->last.tail.verdict == LOGFILE_CLEAN ? LF_TOOL_OK : LF_TOOL_TORN;
}

/* verify says on standard error what it cannot read at all. */
static int mute(void)
{
    const int saved = dup(STDERR_FILENO);
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    fflush(stderr);
    dup2(null, STDERR_FILENO);
    close(null);
    return saved;
}

static void unmute(int saved)
{
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
}

static int run_verify(struct memory_disk *disk, bool is_muted, char **report)
{
    size_t bytes;
    FILE *out = open_memstream(report, &bytes);
    const int saved = is_muted ? mute() : -1;
    const int status = lf_tool_verify_log(&disk->io, MEMORY_PATH, out);

    if (is_muted)
        unmute(saved);
    fclose(out);
    return status;
}

/* The range that is corrupt is named, and a copy that is not as the other one. */
static void check_report(const struct rot_check *check, const struct sight *sight,
                         const char *report)
{
    char range[64];

    snprintf(range, sizeof(range), "damage: LSN %" PRIu64 " to ", sight->first_break.tail.end_lsn);
    if (sight->damage_count > 0 && strstr(report, range) == NULL)
        give_up(check, "verify", "does not name \"%s\": %s", range, report);
    if (sight->error != 0 && strstr(report, "damage: ") == NULL)
        give_up(check, "verify", "names no damage: %s", report);
    if (sight->bad_copy_count > 0 && strstr(report, "repairable: ") == NULL &&
        strstr(report, "damage: ") == NULL && strstr(report, "note: ") == NULL)
        give_up(check, "verify", "names no copy: %s", report);
}

static void check_verify(struct rot_check *check, const struct sight *sight)
{
    const int should = status_of(sight);
    char *report = NULL;
    const int status = run_verify(&check->damaged, should == LF_TOOL_FAILED, &report);

    if (status != should)
        give_up(check, "verify", "status %d, should be %d: %s", status, should, report);
    if (status != LF_TOOL_FAILED)
        check_report(check, sight, report);
    free(report);
    if (check->damaged.change_count != 0)
        give_up(check, "reader or verify", "changed the log");
}

/* ---- Opening for appending ------------------------------------------------------------------- */

static int open_log(struct memory_disk *disk, struct logfile_open_report *report,
                    struct logfile **log)
{
    const struct logfile_options options = {
        .lab = &(struct logfile_lab){.engine = LOGFILE_ENGINE_SERIAL},
        .prepare = LOGFILE_PREPARE_NONE,
        .prepare_bytes = LF_BLOCK_BYTES,
        .open_flags = LOGFILE_OPEN_EXISTING,
        .io = &disk->io};

    return logfile_open(MEMORY_PATH, &options, report, log);
}

/* The first break decides. */
static void check_refused(struct rot_check *check, const struct sight *sight,
                          const struct logfile_open_report *report, int error)
{
    char named[64] = "";

    check_error(check, "open", error, sight->error != 0 ? sight->error : LOGFILE_ECORRUPT);
    if (check->work.change_count != 0)
        give_up(check, "open", "refused, and changed the log");
    if (sight->error == 0) {
        check_tail(check, "open", &report->tail, &sight->first_break.tail);
        snprintf(named, sizeof(named), "LSN %" PRIu64, sight->first_break.tail.end_lsn);
    }
    if (report->message[0] == '\0' || strstr(report->message, named) == NULL)
        give_up(check, "open", "message \"%s\" without \"%s\"", report->message, named);
}

static void append_and_close(struct rot_check *check, struct logfile *log)
{
    uint8_t payload[LATER_BYTES];

    payload_fill(payload, sizeof(payload), 1);
    check_error(check, "append", logfile_append(log, payload, sizeof(payload), NULL), 0);
    check_error(check, "close", logfile_close(log), 0);
}

/* All that was read before, then the new record, and CLEAN. */
static void check_appended(struct rot_check *check)
{
    struct logfile_reader *reader = NULL;
    struct logfile_record record;
    struct logfile_tail tail;
    struct rot_oracle oracle;
    struct rot_event event;

    rot_oracle_start(&oracle, check->log, oracles_disk(check));
    check_error(check, "reader after open",
                logfile_reader_open(MEMORY_PATH, READING(.io = &check->work.io), &reader), 0);
    for (event = rot_oracle_next(&oracle); event.kind == ROT_RECORD;
         event = rot_oracle_next(&oracle)) {
        check_error(check, "reader after open", logfile_reader_next(reader, &record), 1);
        check_record(check, &record, &event);
    }
    check_error(check, "reader after append", logfile_reader_next(reader, &record), 1);
    if (record.size != LATER_BYTES || !payload_matches(record.data, LATER_BYTES, 1))
        give_up(check, "reader after append", "not the record that was appended");
    check_error(check, "reader after append", logfile_reader_next(reader, &record), 0);
    check_error(check, "tail after append", logfile_reader_tail(reader, &tail, sizeof tail), 0);
    if (tail.verdict != LOGFILE_CLEAN)
        give_up(check, "tail after append", "verdict %d", tail.verdict);
    logfile_reader_close(reader);
}

/* Nothing is left of a damaged copy. */
static void check_mended(struct rot_check *check)
{
    char *report = NULL;
    const int status = run_verify(&check->work, false, &report);

    if (status != LF_TOOL_OK)
        give_up(check, "verify after append", "status %d: %s", status, report);
    free(report);
}

static void check_open(struct rot_check *check, const struct sight *sight)
{
    struct logfile_open_report report = {0};
    struct logfile *log = NULL;

    memory_disk_copy(&check->work, &check->damaged);
    check->work.change_count = 0;
    const int error = open_log(&check->work, &report, &log);
    if (sight->error != 0 || sight->damage_count > 0) {
        check_refused(check, sight, &report, error);
        return;
    }
    check_error(check, "open", error, 0);
    check_tail(check, "open", &report.tail, &sight->last.tail);
    append_and_close(check, log);
    check_appended(check);
    check_mended(check);
}

/* ---- All of it ------------------------------------------------------------------------------- */

static enum rot_outcome outcome_of(const struct rot_check *check, const struct sight *sight)
{
    if (sight->error == LOGFILE_ECORRUPT || sight->damage_count > 0)
        return ROT_CORRUPT;
    if (sight->error != 0)
        return ROT_REFUSED;
    if (sight->record_count < check->record_count)
        return sight->last.tail.verdict == LOGFILE_CLEAN ? ROT_OLDER : ROT_CUT;
    if (sight->last.tail.verdict != LOGFILE_CLEAN && check->log->is_closed)
        return ROT_MARK_LOST;
    return sight->bad_copy_count > 0 ? ROT_FORGIVEN : ROT_UNNOTICED;
}

static struct sight look(struct rot_check *check)
{
    const struct sight sight = check_reader(check);

    check_verify(check, &sight);
    check_open(check, &sight);
    return sight;
}

static uint64_t mark_promise(struct rot_log *log)
{
    uint64_t promise = 0;

    for (unsigned i = 0; i < log->mark_count; i++) {
        const struct lf_trim_mark *mark = (const void *)log->marks[i];
        promise = mark->promise > promise ? mark->promise : promise;
    }
    return promise;
}

void rot_check_init(struct rot_check *check, struct rot_log *log)
{
    *check = (struct rot_check){.log = log};
    memory_disk_init(&check->damaged, log->disk.is_directory);
    memory_disk_init(&check->work, log->disk.is_directory);
    memory_disk_init(&check->unveiled, log->disk.is_directory);
    memory_disk_copy(&check->damaged, &log->disk);
    say_replay(check, NULL, 0);
    const struct sight sight = look(check);
    check->mark_promise = mark_promise(log);
    if (sight.error != 0 || sight.bad_copy_count + sight.damage_count > 0 ||
        sight.last.tail.end_lsn != log->end_lsn || sight.record_count == 0)
        give_up(check, "the log as it should be", "is damaged");
    check->record_count = sight.record_count;
    check->greatest_promise = sight.last.tail.promised_lsn;
}

void rot_check_free(struct rot_check *check)
{
    memory_disk_free(&check->damaged);
    memory_disk_free(&check->work);
    memory_disk_free(&check->unveiled);
}

static void veil(struct rot_check *check, const struct rot_damage *damages, unsigned count)
{
    memory_disk_copy(&check->unveiled, &check->damaged);
    for (unsigned i = 0; i < count; i++) {
        const struct rot_place place = rot_place(&check->damaged, damages[i].at);
        const size_t from = place.offset / LF_BLOCK_BYTES * LF_BLOCK_BYTES;
        VALGRIND_MAKE_MEM_UNDEFINED(place.file->bytes + from, LF_BLOCK_BYTES);
    }
}

enum rot_outcome rot_check_run(struct rot_check *check, const struct rot_damage *damages,
                               unsigned count)
{
    memory_disk_copy(&check->damaged, &check->log->disk);
    for (unsigned i = 0; i < count; i++)
        rot_damage_apply(check->log, &damages[i], &check->damaged);
    if (check->is_veiled)
        veil(check, damages, count);
    say_replay(check, damages, count);
    const struct sight sight = look(check);
    check->end_lsn = sight.first_break.tail.end_lsn;
    return outcome_of(check, &sight);
}
