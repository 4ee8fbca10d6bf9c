/* SPDX-License-Identifier: MIT */
#include "crash_run.h"

#include "campaign.h"
#include "heap.h"
#include "regressions.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CRASHES_IN_A_ROW_MAX = 4,
    LEAST_CASES = 50, /* of a run, however slow the machine is */
    REPLAY_CHECKED_ONE_IN = 4
};

bool crash_is_wide(const struct crash_run *run)
{
    return run->generation >= CRASH_GENERATION_WIDE;
}

bool crash_fails(struct crash_run *run, const char *what, int error)
{
    snprintf(run->why, sizeof run->why, "%s: %s", what, logfile_strerror(error));
    return false;
}

static bool check_trimmed(const struct crash_workload *load, uint64_t oldest_lsn,
                          char why[JOURNAL_WHY_BYTES])
{
    struct crash_run *run = load->arg;

    if (run->check_trimmed(run, load->disk, oldest_lsn))
        return true;
    memcpy(why, run->why, JOURNAL_WHY_BYTES);
    return false;
}

static bool append_all(struct crash_run *run, struct logfile_sim *disk, struct logfile *log,
                       struct journal *journal, unsigned steps)
{
    struct crash_workload load = {
        .log = log,
        .disk = disk,
        .options = &run->options,
        .path = run->path,
        .recovered = journal,
        .is_wide = crash_is_wide(run),
        .has_all_calls = run->generation >= CRASH_GENERATION_CALLS,
        .thread_count = run->thread_count,
        .steps = steps,
        .trim_one_in = run->trim_one_in,
        .check_trimmed = run->check_trimmed == NULL ? NULL : check_trimmed,
        .arg = run,
        .counts = &run->counts,
        .may_be_full = run->disk_options.capacity_bytes != 0,
        .submit_is_promised = run->plant == CRASH_PLANT_EARLY_ACK,
    };

    return crash_work(&load, &run->rng, journal, run->why);
}

/* What the first generation left as it is by default. */
static void choose_variant(struct crash_run *run)
{
    struct logfile_lab *lab = &run->lab;

    lab->reserve = (uint32_t)rng_below(&run->rng, 5);
    lab->publish_shards = 1u << rng_below(&run->rng, 4);
    lab->variant_flags = (uint32_t)rng_below(&run->rng, 8);
    lab->stage_sample_every = rng_one_in(&run->rng, 8);
}

void crash_choose_engine(struct crash_run *run)
{
    struct logfile_options *options = &run->options;
    struct logfile_lab *lab = &run->lab;
    bool threads = run->thread_count > 1 || rng_one_in(&run->rng, 40);

    lab->engine = (uint32_t)rng_below(&run->rng, 3);
    options->io_mode = (uint32_t)rng_below(&run->rng, run->disk_options.no_direct ? 2 : 3);
    options->sync = LOGFILE_SYNC_FDATASYNC + (uint32_t)rng_below(&run->rng, 2);
    /* Without threads of the log's own, a case costs microseconds and is the same each time. */
    lab->flusher = LOGFILE_FLUSHER_LEADER;
    options->prepare = LOGFILE_PREPARE_NONE;
    if (threads) {
        lab->flusher = (uint32_t)rng_below(&run->rng, 3);
        options->prepare = (uint32_t)rng_below(&run->rng, 3);
        lab->wait = (uint32_t)rng_below(&run->rng, 2);
    }
    /* A log of segments has a thread anyway; and without preparation a full disk fails a log. */
    if (options->segment_bytes != 0)
        options->prepare = (uint32_t)rng_below(&run->rng, 3);
    if (run->disk_options.capacity_bytes != 0 && options->prepare == LOGFILE_PREPARE_NONE &&
        !crash_is_wide(run))
        options->prepare = LOGFILE_PREPARE_ALLOCATE;
    if (crash_is_wide(run))
        choose_variant(run);
}

/* ---- Reading ---- */

static bool check_tail(struct crash_run *run, struct logfile_reader *reader)
{
    struct logfile_tail tail;
    int error = logfile_reader_tail(reader, &tail, sizeof tail);

    if (error != 0)
        return crash_fails(run, "tail", error);
    if (tail.verdict != LOGFILE_CLEAN && tail.verdict != LOGFILE_TORN)
        return crash_fails(run, "the verdict is neither clean nor torn", 0);
    return true;
}

/* Reads the log as it lies there, without opening it for appending. */
static bool inspect(struct crash_run *run, struct logfile_sim *disk, struct journal *journal)
{
    struct logfile_reader *reader;
    int error = logfile_reader_open(
        run->path, &(struct logfile_reader_options){.io = logfile_sim_io(disk)}, &reader);

    if (error == -ENOENT && journal_acked_count(journal) == 0 && journal->oldest_min == 0) {
        journal->count = 0;
        return true;
    }
    if (error != 0)
        return crash_fails(run, "opening a reader", error);
    bool good = journal_compare(journal, reader, run->why) && check_tail(run, reader);
    logfile_reader_close(reader);
    return good && (run->check_crashed == NULL || run->check_crashed(run, disk));
}

/* The same from somewhere in the middle. */
static bool inspect_from_within(struct crash_run *run, struct logfile_sim *disk,
                                const struct journal *journal)
{
    struct logfile_reader *reader;
    struct journal rest = {0};

    if (journal->count == 0)
        return true;
    uint64_t lsn = journal->entries[rng_below(&run->rng, journal->count)].lsn;
    lsn -= rng_below(&run->rng, 2);
    int error = logfile_reader_open(
        run->path, &(struct logfile_reader_options){.lsn = lsn, .io = logfile_sim_io(disk)},
        &reader);
    if (error == LOGFILE_ETRIMMED && lsn < journal->oldest_max)
        return true;
    if (error != 0)
        return crash_fails(run, "opening a reader within", error);
    journal_copy(&rest, journal);
    journal_ask_trim(&rest, lsn);
    journal_trimmed(&rest, lsn);
    bool good = journal_compare(&rest, reader, run->why);
    logfile_reader_close(reader);
    journal_free(&rest);
    return good;
}

/* ---- Opening and closing ---- */

static int note_replayed(void *arg, const struct logfile_record *record)
{
    struct logfile_sim_journal *replayed = arg;
    int error = logfile_sim_journal_append(replayed, record->lsn, record->data, record->size);

    return error != 0 ? error : logfile_sim_journal_durable(replayed, record->lsn + 1);
}

static int try_to_open(struct crash_run *run, struct logfile_sim *disk,
                       struct logfile_open_report *report, struct logfile **logp,
                       struct logfile_sim_journal **replayed)
{
    *replayed = logfile_sim_journal_new();
    run->options.replay = note_replayed;
    run->options.replay_arg = *replayed;
    int error = logfile_open(run->path, &run->options, report, logp);

    /* A log that is full may need room to be made. */
    if (error == -ENOSPC && run->disk_options.capacity_bytes != 0) {
        logfile_sim_set_capacity(disk, 0);
        logfile_sim_journal_free(*replayed);
        run->options.replay_arg = *replayed = logfile_sim_journal_new();
        error = logfile_open(run->path, &run->options, report, logp);
    }
    run->options.replay = NULL;
    return error;
}

/* What opening has replayed is what a reader reads then, in a copy of the disk that no crash strikes.  It
 * is looked at in one of so many cases, because it takes its time. */
static bool check_replayed(struct crash_run *run, struct logfile_sim *disk,
                           struct logfile_sim_journal *replayed)
{
    struct logfile_sim_report report = {0};

    if (run->seed % REPLAY_CHECKED_ONE_IN != 0)
        return true;
    struct logfile_sim *copy = logfile_sim_clone(disk);
    int error = logfile_sim_journal_check_path(replayed, run->path, logfile_sim_io(copy), &report,
                                               sizeof report);
    logfile_sim_free(copy);
    if (error == 0)
        return true;
    snprintf(run->why, sizeof run->why, "replay: %.200s", report.message);
    return false;
}

/* Opens the log; false with an empty `why` when the machine went down meanwhile. */
static bool open_log(struct crash_run *run, struct logfile_sim *disk, struct logfile **logp)
{
    struct logfile_open_report report;
    struct logfile_sim_journal *replayed;

    run->options.io = logfile_sim_io(disk);
    run->options.lab = &run->lab;
    heap_use(&run->lab);
    int error = try_to_open(run, disk, &report, logp, &replayed);
    if (error != 0 && !logfile_sim_is_down(disk)) {
        crash_fails(run, "open", error);
        size_t length = strlen(run->why);
        snprintf(run->why + length, sizeof run->why - length, " (%.100s)", report.message);
    }
    run->found_incarnation = report.tail.incarnation;
    if (error == 0 && !check_replayed(run, disk, replayed)) {
        logfile_close(*logp);
        error = -EBADMSG;
    }
    logfile_sim_journal_free(replayed);
    return error == 0;
}

/* Where the disk is full, an incarnation begins later than the log is opened, or not at all: then
 * the log is closed as it was found. */
static bool has_begun(const struct crash_run *run, struct logfile *log)
{
    struct logfile_stats stats;
    return logfile_stats(log, &stats, sizeof stats) == 0 &&
           stats.incarnation > run->found_incarnation;
}

/* A log starts where a trim left it, or was about to. */
static bool check_oldest(struct crash_run *run, struct logfile *log, struct journal *journal)
{
    uint64_t oldest_lsn = logfile_oldest_lsn(log);

    if (oldest_lsn < journal->oldest_min)
        return crash_fails(run, "the oldest LSN went back behind what a trim had reported", 0);
    if (oldest_lsn > 16384 && oldest_lsn > journal->oldest_max)
        return crash_fails(run, "the oldest LSN is beyond what was asked for", 0);
    /* What is open has been synced. */
    journal_trimmed(journal, oldest_lsn);
    journal->oldest_max = oldest_lsn;
    return true;
}

/* A reader syncs what it is not sure of, which may help the log: in a copy it does not. */
static bool compare_copy(struct crash_run *run, struct logfile_sim *disk, struct journal *journal)
{
    struct logfile_sim *copy = logfile_sim_clone(disk);
    bool good = journal_compare_path(journal, run->path, logfile_sim_io(copy), run->why);

    logfile_sim_free(copy);
    return good;
}

static bool reads_copies(struct crash_run *run)
{
    return run->generation >= CRASH_GENERATION_COPIES && rng_one_in(&run->rng, 2);
}

/* What the log has when it was opened; nothing to be said when the machine goes down meanwhile, and
 * nothing to be appended: the journal still has what may be lost, at LSNs that are given anew. */
static bool compare_open_log(struct crash_run *run, struct logfile_sim *disk,
                             struct journal *journal, bool *compared)
{
    struct journal before = {0};

    if (reads_copies(run))
        return *compared = compare_copy(run, disk, journal);
    journal_copy(&before, journal);
    *compared = journal_compare_path(journal, run->path, logfile_sim_io(disk), run->why);
    if (!*compared && logfile_sim_is_down(disk)) {
        journal_copy(journal, &before);
        run->why[0] = '\0';
    }
    journal_free(&before);
    return run->why[0] == '\0';
}

static bool fails_with_failure(struct crash_run *run, int error,
                               const struct logfile_failure *failure)
{
    snprintf(run->why, sizeof run->why, "close: %s: %s at %" PRIu64 ": %s", logfile_strerror(error),
             failure->call, failure->offset, logfile_strerror(failure->error));
    return false;
}

/* What was closed has been looked at; nothing to be said when the machine goes down meanwhile. */
static bool look_at_closed(struct crash_run *run, struct logfile_sim *disk, uint64_t oldest_lsn)
{
    if (run->check_closed == NULL || run->check_closed(run, disk, oldest_lsn))
        return true;
    if (logfile_sim_is_down(disk))
        run->why[0] = '\0';
    return logfile_sim_is_down(disk);
}

static bool close_log(struct crash_run *run, struct logfile_sim *disk, struct logfile *log,
                      struct journal *journal)
{
    uint64_t oldest_lsn = logfile_oldest_lsn(log);
    struct logfile_failure failure = {0};
    bool began = has_begun(run, log);

    (void)logfile_shutdown(log, NULL);
    (void)logfile_failure(log, &failure, sizeof failure);
    int error = logfile_close(log);
    bool was_full = error == LOGFILE_EFAILED && crash_worker_was_full(&failure) &&
                    run->disk_options.capacity_bytes != 0 && crash_is_wide(run);
    if (error == 0 && began)
        journal_ack_below(journal, UINT64_MAX);
    if (error != 0 && !(error == LOGFILE_EFAILED && logfile_sim_is_down(disk)) && !was_full)
        return fails_with_failure(run, error, &failure);
    return was_full || !began || logfile_sim_is_down(disk) || look_at_closed(run, disk, oldest_lsn);
}

/* ---- Lives of a machine ---- */

/*
 * Opens the log, checks what is in it, appends, closes or is cut off.  The machine is off or about
 * to be rebooted afterwards; no file is open.
 */
static bool live(struct crash_run *run, struct logfile_sim *disk, struct journal *journal,
                 unsigned steps)
{
    struct logfile *log = NULL;
    bool compared = false;

    run->why[0] = '\0';
    if (!open_log(run, disk, &log))
        return run->why[0] == '\0';
    bool good = check_oldest(run, log, journal);
    if (good)
        good = compare_open_log(run, disk, journal, &compared);
    if (!has_begun(run, log) && run->seed % 2 == 1) /* half of the full disks get room again */
        logfile_sim_set_capacity(disk, 0);
    if (good && compared)
        good = append_all(run, disk, log, journal, steps);
    /* Half of the logs are not closed before the lights go out. */
    if (rng_one_in(&run->rng, 2) && !logfile_sim_is_down(disk))
        logfile_sim_crash_at(disk, 1);
    bool closed = close_log(run, disk, log, journal);
    return good && closed;
}

/* Calls that are rare, each of which is a step of something that a crash must not tear. */
static enum logfile_sim_call choose_rare_call(struct crash_run *run)
{
    static const enum logfile_sim_call file_calls[] = {LOGFILE_SIM_PUNCH, LOGFILE_SIM_PUNCH,
                                                       LOGFILE_SIM_TRUNCATE, LOGFILE_SIM_ALLOCATE};
    static const enum logfile_sim_call directory_calls[] = {
        LOGFILE_SIM_RENAME,   LOGFILE_SIM_UNLINK,   LOGFILE_SIM_SYNC_DIRECTORY,
        LOGFILE_SIM_ALLOCATE, LOGFILE_SIM_TRUNCATE, LOGFILE_SIM_MAKE_DIRECTORY};

    return run->options.segment_bytes == 0 ? file_calls[rng_below(&run->rng, 4)]
                                           : directory_calls[rng_below(&run->rng, 6)];
}

static void plan_crash(struct crash_run *run, struct logfile_sim *disk, unsigned within)
{
    if (run->aims && rng_one_in(&run->rng, 2))
        logfile_sim_crash_at_call(disk, choose_rare_call(run),
                                  1 + rng_below(&run->rng, 1 + within / 12));
    else
        logfile_sim_crash_at(disk, 1 + rng_below(&run->rng, within));
}

/* Runs the log through several openings, until the machine crashes or is cut off. */
static bool first_life(struct crash_run *run, struct logfile_sim *disk, struct journal *journal)
{
    unsigned openings = 1 + (unsigned)rng_below(&run->rng, 3);

    plan_crash(run, disk, run->crash_within);
    for (unsigned i = 0; i < openings && !logfile_sim_is_down(disk); i++) {
        if (!live(run, disk, journal, 1 + (unsigned)rng_below(&run->rng, run->step_count_max)))
            return false;
        crash_choose_engine(run);
    }
    return true;
}

/* The power was cut; or only the process died, and what it wrote is still in the cache. */
static void come_back(struct crash_run *run, struct logfile_sim *disk)
{
    enum logfile_sim_call call = logfile_sim_crash_call(disk);

    if (call != LOGFILE_SIM_CALL_COUNT)
        run->crash_count[call]++;
    run->state_count++;
    if (rng_one_in(&run->rng, 4))
        logfile_sim_restart(disk);
    else
        logfile_sim_reboot(disk, rng_next(&run->rng));
}

/* What a reader has returned must survive the next crash. */
static bool look_around(struct crash_run *run, struct logfile_sim *disk, struct journal *journal)
{
    come_back(run, disk);
    while (rng_one_in(&run->rng, 4)) {
        if (!inspect(run, disk, journal))
            return false;
        if (run->trim_one_in > 0 && !inspect_from_within(run, disk, journal))
            return false;
        come_back(run, disk);
    }
    crash_choose_engine(run);
    return true;
}

/* Where a byte of the log is: the offset, in the file of the path. */
static uint64_t find_byte(const struct crash_run *run, uint64_t lsn, char path[128])
{
    uint64_t segment_bytes = run->options.segment_bytes;

    if (segment_bytes == 0) {
        snprintf(path, 128, "%s", run->path);
        return lsn;
    }
    snprintf(path, 128, "%.64s/%016" PRIx64 ".segment", run->path, lsn / segment_bytes);
    return lsn % segment_bytes;
}

/* Changes a byte of a record. */
static void rot(struct crash_run *run, struct logfile_sim *disk, const struct journal *journal)
{
    char path[128];
    uint8_t byte;

    if (run->plant != CRASH_PLANT_ROT || journal->count == 0)
        return;
    const struct journal_entry *entry = &journal->entries[rng_below(&run->rng, journal->count)];
    uint64_t offset = find_byte(run, entry->lsn + rng_below(&run->rng, entry->size + 8), path);
    logfile_sim_peek(disk, path, offset, &byte, 1);
    byte ^= 0x10;
    logfile_sim_poke(disk, path, offset, &byte, 1);
}

static void plant_in_journal(struct crash_run *run, struct journal *journal)
{
    if (journal->count == 0)
        return;
    if (run->plant == CRASH_PLANT_FORGOTTEN)
        journal->entries[0] = journal->entries[--journal->count];
    if (run->plant == CRASH_PLANT_UNTRIM)
        journal_trimmed(journal, journal->entries[0].lsn + 1);
}

/* Recovery, or what is appended behind it, crashes, and the recovery of that, and so on. */
static bool crash_in_a_row(struct crash_run *run, struct logfile_sim *disk, struct journal *journal)
{
    uint64_t crashes = crash_is_wide(run) ? rng_below(&run->rng, CRASHES_IN_A_ROW_MAX) : 0;

    for (; crashes > 0; crashes--) {
        plan_crash(run, disk, run->recrash_within);
        if (!live(run, disk, journal, (unsigned)rng_below(&run->rng, 3)))
            return false;
        if (!look_around(run, disk, journal))
            return false;
    }
    return true;
}

/* From one crash on: what is left is read, is recovered, perhaps crashes again, and goes on. */
static bool later_lives(struct crash_run *run, struct logfile_sim *disk, struct journal *journal)
{
    if (!look_around(run, disk, journal) || !crash_in_a_row(run, disk, journal))
        return false;
    if (rng_one_in(&run->rng, 2))
        plan_crash(run, disk, run->recrash_within);
    if (!live(run, disk, journal, (unsigned)rng_below(&run->rng, 4)))
        return false;

    come_back(run, disk);
    crash_choose_engine(run);
    if (!live(run, disk, journal, 2))
        return false;
    plant_in_journal(run, journal);

    run->state_count++;
    logfile_sim_reboot_losing_all(disk);
    rot(run, disk, journal);
    if (!inspect(run, disk, journal))
        return false;
    if (logfile_sim_misuse_count(disk) > 0)
        return crash_fails(run, "a call broke a rule of logfile_io.h", 0);
    return true;
}

static bool all_fates(struct crash_run *run, struct logfile_sim *disk,
                      const struct journal *journal)
{
    struct logfile_options options = run->options;
    struct logfile_lab lab = run->lab;
    bool good = true;

    for (unsigned i = 0; i < 6 && good; i++) {
        struct logfile_sim *clone = logfile_sim_clone(disk);
        struct journal copy = {0};
        journal_copy(&copy, journal);
        run->options = options;
        run->lab = lab;
        good = later_lives(run, clone, &copy);
        journal_free(&copy);
        logfile_sim_free(clone);
    }
    return good;
}

static bool run_planned(struct crash_run *run)
{
    struct journal journal = {0};
    struct logfile_sim *disk = logfile_sim_new(&run->disk_options);
    bool good = first_life(run, disk, &journal) && all_fates(run, disk, &journal);

    logfile_sim_free(disk);
    journal_free(&journal);
    return good;
}

/* The case as a person types it. */
static const char *case_name(const struct crash_run *run)
{
    static char name[48];

    snprintf(name, sizeof name, "%" PRIu64 "@%u", run->seed, run->generation);
    return name;
}

/* One case.  False: a promise is broken, run->why says which. */
static bool run_case(struct crash_run *run, const struct crash_program *program)
{
    static char current[96];

    snprintf(current, sizeof current, "%s %s", program->name, case_name(run));
    watchdog_start(60, current);
    run->rng.state = run->seed;
    program->plan(run);
    run->disk_options.sync_lies = run->plant == CRASH_PLANT_SYNC_LIES;
    bool good = run_planned(run);
    watchdog_stop();
    return good;
}

/* ---- The tests ---- */

static void print_counts(const struct crash_run *total)
{
    const char *comma = "";

    printf("crashed in:");
    for (enum logfile_sim_call call = 0; call < LOGFILE_SIM_CALL_COUNT; call++) {
        if (total->crash_count[call] == 0)
            continue;
        printf("%s %s %" PRIu64, comma, logfile_sim_call_name(call), total->crash_count[call]);
        comma = ",";
    }
    printf("\n");
    printf("calls: %" PRIu64 " batches of %" PRIu64 " records, %" PRIu64
           " reservations published and %" PRIu64 " abandoned, %" PRIu64 " events taken, %" PRIu64
           " records followed\n",
           total->counts.batches, total->counts.batch_records, total->counts.published,
           total->counts.abandoned, total->counts.events, total->counts.followed);
}

static uint64_t run_numbered(uint64_t number, const struct crash_program *program,
                             struct crash_run *total)
{
    struct crash_run run = {.seed = number + 1, .generation = CRASH_GENERATION};

    if (!run_case(&run, program))
        ck_abort_msg("%s; again with: %s %s", run.why, program->name, case_name(&run));
    for (int i = 0; i < LOGFILE_SIM_CALL_COUNT; i++)
        total->crash_count[i] += run.crash_count[i];
    crash_counts_add(&total->counts, &run.counts);
    return run.state_count;
}

void crash_run_cases(const struct crash_program *program, uint64_t state_count)
{
    struct campaign campaign = campaign_begin_shared(program->name, UINT64_MAX, 1, LEAST_CASES);
    /* A run that goes on from a finished one tries as many again. */
    const uint64_t goal = (campaign.tried / state_count + 1) * state_count;
    struct crash_run total = {0};
    uint64_t number;

    heap_keep();
    while (campaign.tried < goal && campaign_next(&campaign, &number))
        campaign_passed(&campaign, run_numbered(number, program, &total));
    campaign_end(&campaign);
    printf("crash states: tried %" PRIu64 " of %" PRIu64 "\n", campaign.tried, goal);
    print_counts(&total);
}

unsigned crash_count_caught(const struct crash_program *program, enum crash_plant plant,
                            unsigned count)
{
    unsigned caught = 0;

    heap_keep();
    for (uint64_t seed = 1; seed <= count; seed++) {
        struct crash_run run = {.seed = seed, .generation = CRASH_GENERATION, .plant = plant};
        caught += !run_case(&run, program);
    }
    printf("planted fault %d: %u of %u workloads notice\n", (int)plant, caught, count);
    return caught;
}

/* False: no case. */
static bool parse_name(const char *name, struct crash_run *run)
{
    char *end;

    *run = (struct crash_run){.seed = strtoull(name, &end, 10), .generation = CRASH_GENERATION};
    if (end != name && *end == '@')
        run->generation = (unsigned)strtoul(name = end + 1, &end, 10);
    return end != name && *end == '\0' && run->generation >= CRASH_GENERATION_FIRST &&
           run->generation <= CRASH_GENERATION;
}

/* A case, made `times` times or until it breaks: what main returns. */
static int replay(const struct crash_program *program, const char *name, uint64_t times)
{
    uint64_t states = 0;

    for (uint64_t i = 0; i < times; i++) {
        struct crash_run run;
        if (!parse_name(name, &run))
            return 2;
        if (!run_case(&run, program)) {
            printf("%s; again with: %s %s\n", run.why, program->name, case_name(&run));
            return 1;
        }
        states += run.state_count;
    }
    printf("%s %s: good after %" PRIu64 " crash states\n", program->name, name, states);
    return 0;
}

/* SEED[@GENERATION] [TIMES] */
static int replay_words(const struct crash_program *program, char *const words[], unsigned count,
                        uint64_t times)
{
    if (count > 2 || (count == 2 && (!regression_number(words[1], &times) || times == 0)))
        return 2;
    return replay(program, words[0], times);
}

static int replay_once(const void *program, char *const words[], unsigned count)
{
    return replay_words(program, words, count, 1);
}

void crash_replay_regressions(const struct crash_program *program)
{
    unsigned count = regressions_replay(program->name, replay_once, program);

    ck_assert_uint_ge(count, 1);
    printf("%u cases of before are good\n", count);
}

int crash_replay(const struct crash_program *program, char *const words[], unsigned count)
{
    int status = replay_words(program, words, count, program->times);

    if (status == 2)
        fprintf(stderr, "usage: %s [SEED[@GENERATION] [TIMES]]\n", program->name);
    return status;
}
