/* SPDX-License-Identifier: MIT */
/*
 * Opening a log for appending, and closing it.
 *
 *   check the options -> open, or create, and lock (store.c) -> sync, drop cached pages, scan and
 *   decide (verdict.c) -> cut the torn part -> allocate room (prepare.c) -> write and sync the
 *   OPEN epoch (ring/flush.c; on a full disk later, before the first append) -> start the engine
 *
 * Only then is anything reported as durable: a page cache can show what a failed sync never wrote.
 */
#include "base/buffers.h"
#include "base/threads.h"
#include "format/record.h"
#include "options.h"
#include "read/verdict.h"
#include "ring/log.h"
#include "storage/io.h"
#include "storage/message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PREPARE_SEGMENTS_MAX 4

/* What an open in progress has, for its way back. */
struct opening {
    const char *path;
    uint64_t begin_ns;
    char shown[LF_MESSAGE_PATH_BYTES]; /* the same for messages */
    struct logfile *log;
    struct logfile_open_report report;
    struct logfile_options options; /* with every default filled in; */
    struct logfile_lab lab;         /* the same */
    struct lf_layout asked;         /* sizes that the caller named; 0: whatever the log has */
    bool created;
};

#define SAY(opening, ...)                                                                          \
    snprintf((opening)->report.message, sizeof(opening)->report.message, __VA_ARGS__)

/* ---------------------------------------------------------------------------------------------
 * Memory.
 */

static int allocate_fork_guard(struct opening *opening)
{
    struct lf_follow *page =
        mmap(NULL, LF_FOLLOW_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        return -errno;
    if (madvise(page, LF_FOLLOW_BYTES, MADV_WIPEONFORK) != 0) {
        int error = -errno;
        SAY(opening, "%s: memory that a fork clears (Linux 4.14): %s", opening->shown,
            logfile_strerror(error));
        munmap(page, LF_FOLLOW_BYTES);
        return error;
    }
    lf_follow_init(page);
    opening->log->follow = page;
    opening->log->alive = &page->alive;
    return 0;
}

static int allocate_buffers(struct opening *opening)
{
    struct logfile *log = opening->log;
    const struct logfile_lab *lab = &log->lab;
    unsigned count = log->engine->buffer_count;

    log->buffers_bytes = (count != 0 ? count : lab->slot_count) * log->layout.slot_bytes;
    log->buffers = lab->ring_alloc ? lab->ring_alloc(lab->ring_arg, log->buffers_bytes)
                                   : lf_buffers_map(log->buffers_bytes, log->layout.slot_bytes);
    if (log->buffers == NULL) {
        SAY(opening, "%s: %zu bytes of buffers: %s", opening->shown, log->buffers_bytes,
            logfile_strerror(-ENOMEM));
        return -ENOMEM;
    }
    if ((uintptr_t)log->buffers % LF_BLOCK_BYTES == 0)
        return 0;
    SAY(opening, "option lab.ring_alloc: memory that is not aligned to %u bytes", LF_BLOCK_BYTES);
    return -EINVAL;
}

static void free_memory(struct logfile *log)
{
    const struct logfile_lab *lab = &log->lab;

    if (log->buffers != NULL && lab->ring_free)
        lab->ring_free(lab->ring_arg, log->buffers, log->buffers_bytes);
    else if (log->buffers != NULL)
        lf_buffers_unmap(log->buffers, log->buffers_bytes);
    if (log->follow != NULL)
        lf_follow_release(log->follow);
    if (log->trim.landmarks != NULL)
        lf_trim_free(&log->trim);
    if (log->options.threads != NULL) /* relaxed: as below */
        lf_fetch_add_relaxed_32(&log->options.threads->log_count, UINT32_MAX);
    free(log);
}

/* ---------------------------------------------------------------------------------------------
 * The steps of opening.
 */

/* Where what comes before the first epoch is damaged because it is not there.  1: that is said; 0:
 * it is; -errno. */
static int explain_cut(struct opening *opening, uint64_t lsn)
{
    struct lf_file *file = &opening->log->store.file;
    uint64_t bytes;
    int error = lf_file_prologue_bytes(file, &bytes);

    if (error != 0)
        return error;
    if (bytes == LF_FIRST_LSN)
        return 0;
    SAY(opening,
        "%s: corrupt from LSN %" PRIu64 ": %s is cut at byte %" PRIu64
        ", within what comes before the first epoch" LF_MESSAGE_SALVAGE,
        opening->shown, lsn, lf_file_is_directory(file) ? LF_CONTROL_NAME : "the file", bytes);
    return 1;
}

static int explain_prologue(struct opening *opening, const struct lf_prologue *prologue, int error)
{
    const bool of_log = error == LOGFILE_ECORRUPT || error == LOGFILE_EFORMAT;
    const char *damage = of_log ? lf_prologue_damage(prologue, error) : NULL;
    const int cut = error == LOGFILE_ECORRUPT ? explain_cut(opening, LF_FIRST_LSN) : 0;

    if (cut != 0)
        return cut < 0 ? cut : error;
    if (damage != NULL)
        SAY(opening, "%s: corrupt: %s" LF_MESSAGE_SALVAGE, opening->shown, damage);
    else if (error == LOGFILE_EFORMAT && prologue->unknown_version != 0 &&
             prologue->unknown_version != LF_FORMAT_VERSION)
        SAY(opening, "%s: a log of format version %" PRIu32 "; this library reads version %u",
            opening->shown, prologue->unknown_version, LF_FORMAT_VERSION);
    else
        SAY(opening, "%s: file header: %s", opening->shown, logfile_strerror(error));
    return error;
}

/* Refuses a log in which records are missing, and says which, and why. */
static int explain_verdict(struct opening *opening, const struct lf_scan *scan)
{
    const struct logfile_tail *tail = &opening->report.tail;
    const uint64_t lost_end = lf_verdict_damage_end(tail);
    char reason[LF_VERDICT_REASON_BYTES];

    if (tail->verdict != LOGFILE_CORRUPT)
        return 0;
    const int cut = lf_file_is_directory(scan->file) ? 0 : explain_cut(opening, tail->end_lsn);
    if (cut != 0)
        return cut < 0 ? cut : LOGFILE_ECORRUPT;

    lf_verdict_reason(scan, reason);
    if (lost_end > tail->end_lsn)
        SAY(opening,
            "%s: corrupt: LSN %" PRIu64 " to %" PRIu64
            " cannot be read%.40s (%s)" LF_MESSAGE_SALVAGE,
            opening->shown, tail->end_lsn, lost_end, reason,
            tail->resume_lsn != 0 ? "what follows can" : "nothing whole follows");
    else
        SAY(opening, "%s: corrupt from LSN %" PRIu64 "%s" LF_MESSAGE_SALVAGE, opening->shown,
            tail->end_lsn, reason);
    return LOGFILE_ECORRUPT;
}

/* A log keeps the sizes that it was made with. */
static int check_size(struct opening *opening, const char *name, uint64_t asked, uint64_t made_with)
{
    if (asked == 0 || asked == made_with)
        return 0;
    SAY(opening, "%s: option %s: the log was made with %" PRIu64, opening->shown, name, made_with);
    return LOGFILE_EMISMATCH;
}

/* Takes over what the first blocks say, unless the caller asked for another log. */
static int adopt_prologue(struct opening *opening, const struct lf_prologue *prologue)
{
    const struct lf_file_header *header = &prologue->header;
    const uint64_t unknown = header->features_read_only & ~LF_FEATURES_READ_ONLY_KNOWN;
    struct logfile *log = opening->log;
    const uint8_t *expected = log->options.expect_id;

    memcpy(opening->report.id, header->id, sizeof opening->report.id);
    if (expected != NULL && memcmp(expected, header->id, sizeof header->id) != 0) {
        SAY(opening, "%s: %s", opening->shown, logfile_strerror(LOGFILE_EIDENTITY));
        return LOGFILE_EIDENTITY;
    }
    /* A reader may pass over what it does not know of these; a writer would not keep it right. */
    if (unknown != 0) {
        SAY(opening, "%s: features %#" PRIx64 " of the log are not known: it can be read only",
            opening->shown, unknown);
        return LOGFILE_EFORMAT;
    }
    int error = check_size(opening, "slot_bytes", opening->asked.slot_bytes, header->slot_bytes);
    if (error == 0)
        error = check_size(opening, "segment_bytes", opening->asked.segment_bytes,
                           header->segment_bytes);
    if (error != 0)
        return error;

    log->layout = lf_header_layout(header);
    /* The other engines fill whole buffers: they leave a segment with less than that. */
    if (log->engine->fills_tails_of_segments)
        log->layout.tail_bytes = lf_layout_short_tail(log->layout.slot_bytes);
    log->options.slot_bytes = log->layout.slot_bytes;
    log->options.segment_bytes = log->layout.segment_bytes;
    log->record_max = log->layout.slot_bytes - LF_EPOCH_HEADER_BYTES - LF_RECORD_HEADER_BYTES;
    lf_trim_adopt(&log->trim, &prologue->trim, prologue->user, prologue->trim_current[1] ? 0 : 1);
    return 0;
}

/* What a page cache shows need not be on stable storage, or never get there. */
static int sync_and_drop_cache(struct opening *opening)
{
    struct logfile *log = opening->log;
    int error = lf_store_sync_background(&log->store, 0, UINT64_MAX);

    if (error != 0)
        SAY(opening, "%s: sync before recovery: %s", opening->shown, logfile_strerror(error));
    else
        lf_file_drop_cache(&log->store.file, 0);
    return error;
}

/* What the caller's own function makes of the opening. */
static int explain_replay(struct opening *opening, const char *what, uint64_t lsn, int result)
{
    const int error = result < 0 ? result : -ECANCELED;

    if (result == 0)
        return 0;
    SAY(opening, "%s: replay of the %s at LSN %" PRIu64 ": %s", opening->shown, what, lsn,
        logfile_strerror(error));
    return error;
}

/* Hands the caller what it keeps in the mark, and settles where replay starts. */
static int begin_replay(struct opening *opening, const struct lf_prologue *prologue)
{
    struct logfile_options *options = &opening->options;
    const uint64_t oldest_lsn = prologue->trim.oldest_lsn;
    int error = 0;

    if (options->replay_mark != NULL)
        error =
            explain_replay(opening, "mark", oldest_lsn,
                           options->replay_mark(options->replay_arg, prologue->user,
                                                prologue->trim.user_bytes, &options->replay_from));
    if (error != 0)
        return error;
    if (options->replay_from == 0 || options->replay_from >= oldest_lsn)
        return 0;
    SAY(opening, "%s: replay from LSN %" PRIu64 ": the log starts at %" PRIu64, opening->shown,
        options->replay_from, oldest_lsn);
    return LOGFILE_ETRIMMED;
}

/*
 * Notes where the epoch is that was just found, and hands its records to the caller.  It was synced
 * before it was read, and what recovery cuts comes after the last such epoch: so nothing that is handed
 * over is taken back, unless the log is refused.
 */
static int visit_epoch(void *arg, const struct lf_scan *scan)
{
    struct opening *opening = arg;
    const struct logfile_options *options = &opening->options;
    const struct lf_epoch_header *epoch = scan->epoch;
    uint32_t offset = LF_EPOCH_HEADER_BYTES;
    int error = 0;

    lf_trim_note(&opening->log->trim, &scan->before);
    while (options->replay != NULL && error == 0 && offset < epoch->length) {
        struct lf_record_view view;
        lf_record_read(epoch, offset, &view);
        const struct logfile_record record = {view.data, view.size, epoch->lsn + offset};
        if (view.type == LF_RECORD_DATA && record.lsn >= options->replay_from)
            error = explain_replay(opening, "record", record.lsn,
                                   options->replay(options->replay_arg, &record));
        offset = view.next;
    }
    return error;
}

/* Replay cannot start above the end of the log.  The next record will not be below it, but it may well be
 * just there. */
static int check_replay_from(struct opening *opening, uint64_t end_lsn)
{
    const uint64_t from_lsn = opening->options.replay_from;

    if (from_lsn <= end_lsn + LF_EPOCH_HEADER_BYTES)
        return 0;
    SAY(opening, "%s: replay from LSN %" PRIu64 ": the log ends at %" PRIu64, opening->shown,
        from_lsn, end_lsn);
    return LOGFILE_EBEYOND;
}

/* One more incarnation, and one more epoch, must have numbers. */
static int check_numbers(struct opening *opening, const struct lf_chain *chain)
{
    /* Incarnations are told apart by theirs, and there is none behind the greatest. */
    if (chain->incarnation == UINT32_MAX) {
        SAY(opening, "%s: opened for appending %" PRIu32 " times, and cannot be once more",
            opening->shown, chain->incarnation);
        return -EOVERFLOW;
    }
    /* Only a mark or header that was made by hand is so far on; behind the greatest number comes 0,
     * which would never be read. */
    if (chain->epoch == 0 || chain->epoch >= LF_EPOCH_LIMIT) {
        SAY(opening, "%s: the last epoch has the number %" PRIu64 ", and there is an end",
            opening->shown, chain->epoch - 1);
        return -EOVERFLOW;
    }
    return 0;
}

/* Reads the log to its end, and takes over where its chain ends; on success nothing follows it. */
static int recover(struct opening *opening)
{
    struct logfile *log = opening->log;
    struct lf_file *file = &log->store.file;
    struct lf_scan scan;
    uint64_t end_lsn;
    int error = sync_and_drop_cache(opening);

    /* 1. The blocks before the first epoch. */
    if (error != 0)
        return error;
    error = lf_scan_open(&scan, file);
    if (error != 0)
        return explain_prologue(opening, &scan.prologue, error);
    error = adopt_prologue(opening, &scan.prologue);
    if (error == 0 && lf_file_is_directory(file)) /* Now it is known which segments there are. */
        error = sync_and_drop_cache(opening);
    if (error == 0)
        error = begin_replay(opening, &scan.prologue);

    /* 2. The epochs.  The log is left as it is unless all is well with it. */
    if (error == 0)
        error = lf_verdict_scan(&scan, visit_epoch, opening, &opening->report.tail);
    log->chain = scan.chain;
    log->chain.layout = log->layout;
    lf_trim_note(&log->trim, &log->chain); /* where the next epoch will be */
    if (error == 0)
        error = explain_verdict(opening, &scan);
    if (error == 0)
        error = check_replay_from(opening, scan.chain.lsn);
    if (error == 0)
        error = check_numbers(opening, &scan.chain);

    /* 3. It has been accepted: from here on it may be changed. */
    if (error == 0)
        error = lf_file_end_lsn(file, &end_lsn);
    if (error == 0 && end_lsn > scan.chain.lsn)
        error = lf_file_cut(file, scan.chain.lsn);
    if (error == 0)
        error = lf_file_remove_drafts(file);
    if (error == 0)
        error = lf_prologue_repair(&log->store, &scan.prologue);

    if (error != 0 && opening->report.message[0] == '\0')
        SAY(opening, "%s: reading at LSN %" PRIu64 ": %s", opening->shown, scan.chain.lsn,
            logfile_strerror(error));
    lf_scan_close(&scan);
    return error;
}

/* What the system calls a resource is a thread, most likely: a file seldom has none for a moment. */
static const char *thread_hint(int error)
{
    return error == -EAGAIN ? "; perhaps no thread can be started" : "";
}

/* Asks for room for the OPEN epoch, a whole epoch and a CLOSE one, and starts the preparer. */
static int start_preparer(struct opening *opening)
{
    struct logfile *log = opening->log;
    const struct logfile_options *options = &log->options;
    const uint64_t segment_bytes = log->layout.segment_bytes;
    uint64_t step = log->layout.slot_bytes;
    uint64_t ahead = lf_round_up(options->prepare_bytes, LF_BLOCK_BYTES);

    /* How far ahead blocks are prepared.  Half of it is the low mark; the epoch after a full one opens
     * at once only where two fit, each of which may leave as much of its segment unused.  More than a
     * few segments ahead would only lie idle. */
    if (segment_bytes != 0) {
        step += log->layout.slot_bytes + LF_FIRST_LSN + LF_BLOCK_BYTES;
        ahead = lf_min(ahead, PREPARE_SEGMENTS_MAX * segment_bytes);
    }
    ahead = lf_max(ahead, 4 * step + 2 * LF_BLOCK_BYTES);

    struct lf_preparer_config config = {
        .mode = options->prepare,
        .prepare_bytes = ahead,
        .keep_free_bytes = options->keep_free_bytes,
        .head = log->chain.lsn,
        .room = lf_room_end(log, log->chain.lsn) - log->chain.lsn,
        .on_room = lf_engine_on_room,
        .on_room_arg = log,
        .shared = options->threads != NULL ? &options->threads->preparers : NULL,
        .thread_start = options->thread_start,
        .thread_arg = options->thread_arg,
    };
    int error = lf_preparer_start(&log->preparer, &log->store, &config);

    if (error != 0)
        SAY(opening, "%s: getting %" PRIu64 " bytes ready for appending: %s%s", opening->shown,
            config.room, logfile_strerror(error), thread_hint(error));
    return error;
}

/* Without room for it the incarnation begins later: a log on a full disk can be read, and trimmed. */
static int begin_incarnation(struct opening *opening)
{
    struct logfile *log = opening->log;
    struct logfile_failure failure;
    bool has_room = lf_has_room(log, log->chain.lsn);
    int error = has_room ? 0 : lf_preparer_room_error(&log->preparer);

    log->incarnation = log->chain.incarnation;
    log->recovered_lsn = log->chain.lsn;
    lf_trim_begin(&log->trim, log->chain.log_seed, log->recovered_lsn);
    lf_store_release_64(&log->durable_lsn, log->chain.lsn); /* L1 */
    lf_follow_moved(log->follow, log->chain.lsn);
    if (!opening->created && (error == -ENOSPC || error == -EDQUOT))
        return 0;
    if (error != 0) {
        SAY(opening, "%s: getting %" PRIu64 " bytes ready for appending: %s", opening->shown,
            log->preparer.room_bytes, logfile_strerror(error));
        return error;
    }
    if (lf_incarnation_begin(log) == 0)
        return 0;
    lf_store_failure(&log->store, &failure);
    SAY(opening, "%s: %s at offset %" PRIu64 ": %s", opening->shown, failure.call, failure.offset,
        logfile_strerror(failure.error));
    return failure.error;
}

/* Tells the event hook, if there is one, by a thread that waits until the log is open. */
static int start_events(struct opening *opening)
{
    struct logfile *log = opening->log;
    const struct logfile_options *options = &log->options;
    const struct lf_events_config config = {
        .hook = options->event,
        .hook_arg = options->event_arg,
        .slow_ns = options->slow_ns,
        .callers = log->store.inflight,
        .shared = options->threads != NULL ? &options->threads->events : NULL,
        .thread_start = options->thread_start,
        .thread_arg = options->thread_arg,
    };

    if (options->event == NULL)
        return 0;
    int error = lf_events_start(&log->events, &config);
    if (error != 0)
        SAY(opening, "%s: starting the thread of the event hook: %s%s", opening->shown,
            logfile_strerror(error), thread_hint(error));
    else
        log->store.file.events = &log->events;
    return error;
}

static void tell_of_opening(const struct opening *opening)
{
    struct logfile *log = opening->log;
    const struct logfile_tail *tail = &opening->report.tail;
    const struct logfile_event event = {
        .kind = LOGFILE_EVENT_OPENED,
        .lsn = log->recovered_lsn,
        .ns = lf_now_ns() - opening->begin_ns,
    };
    char cut[48] = "";

    if (tail->cut_bytes > 0)
        snprintf(cut, sizeof cut, "; %" PRIu64 " bytes of a torn end cut", tail->cut_bytes);
    lf_events_post(&log->events, &event, "%s at LSN %" PRIu64 " in " LF_SECONDS "%s",
                   opening->created ? "created, open" : "open", event.lsn, LF_SECONDS_OF(event.ns),
                   cut);
}

/* Opens with valid options; on an error nothing of the log is left, neither in memory nor on disk. */
static int open_log(struct opening *opening)
{
    const struct logfile_options *options = &opening->options;
    const struct lf_store_create create = {.slot_bytes = options->slot_bytes,
                                           .segment_bytes = options->segment_bytes,
                                           .mode = options->mode};
    const size_t bytes = lf_round_up(sizeof(struct logfile), LF_CACHE_PAIR);
    struct logfile *log = aligned_alloc(LF_CACHE_PAIR, bytes);

    /* 1. The log in memory, and the file or directory, locked. */
    if (log == NULL)
        return -ENOMEM;
    opening->log = memset(log, 0, bytes);
    log->options = opening->options;
    if (options->threads != NULL) /* relaxed: logfile_threads_stop follows every close */
        lf_fetch_add_relaxed_32(&options->threads->log_count, 1);
    log->lab = opening->lab;
    log->engine = lf_engine_choose(&log->lab);
    log->layout.slot_bytes = options->slot_bytes;
    int error = lf_store_open(&log->store, opening->path, options, &create, &opening->created,
                              opening->report.message);
    if (error != 0) {
        free_memory(log);
        return error;
    }
    log->store.on_failure = lf_engine_on_failure;
    log->store.on_failure_arg = log;

    /* 2. Where the log ends, and what an append needs. */
    error = allocate_fork_guard(opening);
    if (error == 0)
        error = lf_trim_init(&log->trim, &log->store, &log->preparer, &log->durable_lsn);
    if (error == 0)
        error = recover(opening);
    if (error == 0)
        error = allocate_buffers(opening);
    if (error == 0)
        error = start_events(opening);
    if (error == 0)
        error = start_preparer(opening);
    if (error == 0)
        error = begin_incarnation(opening);
    if (error == 0) {
        error = lf_engine_start(log);
        if (error != 0)
            SAY(opening, "%s: starting the engine %s: %s%s", opening->shown, log->engine->name,
                logfile_strerror(error), thread_hint(error));
    }
    if (error == 0) {
        lf_file_keep(&log->store.file);
        return 0;
    }

    /* 3. The way back. */
    lf_preparer_stop(&log->preparer);
    lf_events_stop(&log->events);
    if (opening->created)
        lf_file_discard(&log->store.file);
    lf_store_close(&log->store);
    free_memory(log);
    return error;
}

int logfile_open(const char *path, const struct logfile_options *options,
                 struct logfile_open_report *report, struct logfile **logp)
{
    struct opening opening = {.path = path != NULL ? path : "(no path)", .begin_ns = lf_now_ns()};
    int cancel_state, error;
    const char *bad;

    if (options != NULL)
        opening.options = *options;
    lf_message_name(opening.path, opening.shown, sizeof opening.shown);
    opening.asked =
        (struct lf_layout){opening.options.slot_bytes, opening.options.segment_bytes, 0};
    /* A thread that is cancelled half-way would take file and lock along. */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    error = path == NULL || logp == NULL ? -EINVAL : 0;
    bad = error == 0 ? lf_options_resolve(&opening.options, &opening.lab) : NULL;
    if (bad != NULL) {
        SAY(&opening, "option %s: value out of range", bad);
        error = -EINVAL;
    }
    if (error == 0 && opening.options.threads != NULL &&
        !lf_threads_are_alive(opening.options.threads)) {
        SAY(&opening, "option threads: these are threads of the process that forked this one");
        error = LOGFILE_EFORKED;
    }
    if (error == 0)
        error = open_log(&opening);
    if (error != 0 && opening.report.message[0] == '\0')
        SAY(&opening, "%s: %s", opening.shown, logfile_strerror(error));
    if (report != NULL)
        *report = opening.report;
    if (error == 0)
        *logp = opening.log;
    if (error == 0 && opening.options.event != NULL) /* From here on the hook may use *logp. */
        tell_of_opening(&opening);
    pthread_setcancelstate(cancel_state, NULL);
    return error;
}

int logfile_close(struct logfile *log)
{
    int cancel_state, error;

    if (log == NULL)
        return 0;
    if (lf_events_is_own_thread(&log->events))
        return -EDEADLK;
    error = logfile_shutdown(log, NULL);
    if (error == LOGFILE_EFORKED || error == -EBUSY)
        return error;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state); /* As in logfile_open. */
    /* 1. What may fail the log, and so tell the engine and the event hook. */
    lf_preparer_end(&log->preparer);
    if (log->closed_cleanly) {
        lf_trim_shrink(&log->trim, log->chain.lsn);
        if (lf_has_begun(log))
            error = lf_trim_note_durable(&log->trim, log->chain.incarnation, log->chain.lsn);
    }
    /* 2. The hook, which may call the log until here. */
    lf_events_stop(&log->events);
    /* 3. The rest: nothing else is under way. */
    lf_preparer_stop(&log->preparer);
    log->engine->stop(log);
    lf_event_close(&log->event);
    lf_store_close(&log->store);
    free_memory(log);
    pthread_setcancelstate(cancel_state, NULL);
    return error;
}
