/* SPDX-License-Identifier: MIT */
#include "sim/sim_journal.h"

#include "sim/reserved.h"
#include "sim/rng.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    uint64_t lsn;
    uint64_t hash; /* of the payload */
    uint64_t size; /* in bytes */
};

struct logfile_sim_journal {
    pthread_mutex_t lock;
    struct entry *entries;
    size_t count;
    size_t capacity;
    bool is_incomplete; /* memory ran out: an entry is missing */
    /* Every record below is durable.  One mark says it of all of them, because a record that is
     * durable makes every record with a smaller LSN durable. */
    uint64_t durable_lsn;
    /* Where the log starts: a trim that ends in a crash may have moved it, or not. */
    uint64_t oldest_min; /* the log said that it had got so far */
    uint64_t oldest_max; /* nobody asked for more */
};

const char *logfile_sim_promise_name(enum logfile_sim_promise promise)
{
    switch (promise) {
    case LOGFILE_SIM_KEPT:
        return "kept";
    case LOGFILE_SIM_LOST:
        return "lost";
    case LOGFILE_SIM_GAP:
        return "gap";
    case LOGFILE_SIM_PHANTOM:
        return "phantom";
    case LOGFILE_SIM_CHANGED:
        return "changed";
    case LOGFILE_SIM_DISORDER:
        return "disorder";
    case LOGFILE_SIM_REVIVED:
        return "revived";
    case LOGFILE_SIM_AMBIGUOUS:
        return "ambiguous";
    case LOGFILE_SIM_UNREADABLE:
        return "unreadable";
    default:
        return "unknown";
    }
}

uint64_t lf_sim_hash(const void *data, size_t size)
{
    struct rng rng = {.state = size};
    const uint8_t *from = data;

    while (size > 0) {
        uint64_t word = 0;
        size_t n = size < sizeof word ? size : sizeof word;
        memcpy(&word, from, n);
        rng.state ^= word;
        rng.state = rng_next(&rng);
        from += n;
        size -= n;
    }
    return rng.state;
}

/* ---- Making one ---- */

struct logfile_sim_journal *logfile_sim_journal_new(void)
{
    struct logfile_sim_journal *journal = calloc(1, sizeof *journal);

    if (journal != NULL)
        pthread_mutex_init(&journal->lock, NULL);
    return journal;
}

void logfile_sim_journal_free(struct logfile_sim_journal *journal)
{
    if (journal == NULL)
        return;
    pthread_mutex_destroy(&journal->lock);
    free(journal->entries);
    free(journal);
}

/* Takes the lock; false: there is no journal. */
static bool take(struct logfile_sim_journal *journal)
{
    if (journal != NULL)
        pthread_mutex_lock(&journal->lock);
    return journal != NULL;
}

/* Gives the lock back. */
static int give(struct logfile_sim_journal *journal, int result)
{
    pthread_mutex_unlock(&journal->lock);
    return result;
}

static bool make_room(struct logfile_sim_journal *journal, size_t count)
{
    size_t capacity = journal->capacity == 0 ? 64 : journal->capacity;

    if (count <= journal->capacity)
        return true;
    while (capacity < count)
        capacity *= 2;
    struct entry *entries = realloc(journal->entries, capacity * sizeof *entries);
    if (entries == NULL)
        return false;
    journal->entries = entries;
    journal->capacity = capacity;
    return true;
}

static bool copy_into(struct logfile_sim_journal *to, const struct logfile_sim_journal *from)
{
    if (!make_room(to, from->count))
        return false;
    if (from->count > 0)
        memcpy(to->entries, from->entries, from->count * sizeof *from->entries);
    to->count = from->count;
    to->is_incomplete = from->is_incomplete;
    to->durable_lsn = from->durable_lsn;
    to->oldest_min = from->oldest_min;
    to->oldest_max = from->oldest_max;
    return true;
}

struct logfile_sim_journal *logfile_sim_journal_clone(struct logfile_sim_journal *journal)
{
    struct logfile_sim_journal *clone = journal == NULL ? NULL : logfile_sim_journal_new();

    if (clone == NULL)
        return NULL;
    take(journal);
    bool copied = copy_into(clone, journal);
    give(journal, 0);
    if (copied)
        return clone;
    logfile_sim_journal_free(clone);
    return NULL;
}

/* ---- What is noted ---- */

static int add(struct logfile_sim_journal *journal, const struct entry *entry)
{
    if (!make_room(journal, journal->count + 1)) {
        journal->is_incomplete = true;
        return -ENOMEM;
    }
    journal->entries[journal->count++] = *entry;
    return 0;
}

int lf_sim_journal_append_hash(struct logfile_sim_journal *journal, uint64_t lsn, uint64_t hash,
                               size_t size)
{
    struct entry entry = {.lsn = lsn, .hash = hash, .size = size};

    if (!take(journal))
        return -EINVAL;
    return give(journal, add(journal, &entry));
}

int logfile_sim_journal_append(struct logfile_sim_journal *journal, uint64_t lsn, const void *data,
                               size_t size)
{
    if (data == NULL && size > 0)
        return -EINVAL;
    return lf_sim_journal_append_hash(journal, lsn, lf_sim_hash(data, size), size);
}

static int raise_to(struct logfile_sim_journal *journal, uint64_t *mark, uint64_t lsn)
{
    take(journal);
    if (*mark < lsn)
        *mark = lsn;
    return give(journal, 0);
}

int logfile_sim_journal_durable(struct logfile_sim_journal *journal, uint64_t durable_lsn)
{
    return journal == NULL ? -EINVAL : raise_to(journal, &journal->durable_lsn, durable_lsn);
}

int logfile_sim_journal_trim(struct logfile_sim_journal *journal, uint64_t lsn)
{
    return journal == NULL ? -EINVAL : raise_to(journal, &journal->oldest_max, lsn);
}

int logfile_sim_journal_trimmed(struct logfile_sim_journal *journal, uint64_t oldest_lsn)
{
    return journal == NULL ? -EINVAL : raise_to(journal, &journal->oldest_min, oldest_lsn);
}

size_t logfile_sim_journal_count(struct logfile_sim_journal *journal)
{
    if (!take(journal))
        return 0;
    size_t count = journal->count;
    give(journal, 0);
    return count;
}

/* ---- Comparing ---- */

static bool broken(struct logfile_sim_report *report, enum logfile_sim_promise promise,
                   uint64_t lsn, const char *format, ...) __attribute__((format(printf, 4, 5)));

static bool broken(struct logfile_sim_report *report, enum logfile_sim_promise promise,
                   uint64_t lsn, const char *format, ...)
{
    va_list arguments;

    report->broken = promise;
    report->lsn = lsn;
    int n = snprintf(report->message, sizeof report->message,
                     "%s: ", logfile_sim_promise_name(promise));
    va_start(arguments, format);
    vsnprintf(report->message + n, sizeof report->message - (size_t)n, format, arguments);
    va_end(arguments);
    return false;
}

static int compare_lsn(const void *a, const void *b)
{
    uint64_t x = ((const struct entry *)a)->lsn;
    uint64_t y = ((const struct entry *)b)->lsn;

    return (x > y) - (x < y);
}

/* Several writers have noted their records in any order. */
static bool sort(struct logfile_sim_journal *journal, struct logfile_sim_report *report)
{
    struct entry *entries = journal->entries;

    if (journal->count > 0)
        qsort(entries, journal->count, sizeof *entries, compare_lsn);
    for (size_t i = 1; i < journal->count; i++)
        if (entries[i].lsn == entries[i - 1].lsn)
            return broken(report, LOGFILE_SIM_AMBIGUOUS, entries[i].lsn,
                          "LSN %" PRIu64 " was given to two records", entries[i].lsn);
    return true;
}

/* Where a comparison is. */
struct progress {
    const struct logfile_sim_journal *journal;
    size_t first; /* the entry of the first record */
    size_t next;  /* the entry that should come next */
    uint64_t last_lsn;
    struct logfile_sim_report *report;
};

static bool is_durable(const struct logfile_sim_journal *journal, const struct entry *entry)
{
    return entry->lsn < journal->durable_lsn;
}

/* The first entry that the log must still have, or has already where its first record is. */
static size_t find_first(const struct logfile_sim_journal *journal, uint64_t lsn)
{
    size_t i = 0;

    while (i < journal->count &&
           (journal->entries[i].lsn < journal->oldest_min ||
            (journal->entries[i].lsn < lsn && journal->entries[i].lsn < journal->oldest_max)))
        i++;
    return i;
}

/* The record stands where another one was expected, or none. */
static bool misplaced(struct progress *at, const struct logfile_record *record)
{
    const struct logfile_sim_journal *journal = at->journal;

    if (record->lsn < journal->oldest_min)
        return broken(at->report, LOGFILE_SIM_REVIVED, record->lsn,
                      "a record at LSN %" PRIu64 ", the log was trimmed up to %" PRIu64,
                      record->lsn, journal->oldest_min);
    if (at->next > at->first && record->lsn <= at->last_lsn)
        return broken(at->report, LOGFILE_SIM_DISORDER, record->lsn,
                      "a record at LSN %" PRIu64 " behind the one at %" PRIu64, record->lsn,
                      at->last_lsn);
    const struct entry *entry = at->next < journal->count ? &journal->entries[at->next] : NULL;
    if (entry == NULL || record->lsn < entry->lsn)
        return broken(at->report, LOGFILE_SIM_PHANTOM, record->lsn,
                      "a record of %zu bytes at LSN %" PRIu64 " that was never appended",
                      record->size, record->lsn);
    return broken(at->report, is_durable(journal, entry) ? LOGFILE_SIM_LOST : LOGFILE_SIM_GAP,
                  entry->lsn,
                  "LSN %" PRIu64 " (%" PRIu64 " bytes, number %zu of %zu) is missing, LSN %" PRIu64
                  " is there",
                  entry->lsn, entry->size, at->next + 1, journal->count, record->lsn);
}

static bool compare_record(struct progress *at, const struct logfile_record *record)
{
    const struct logfile_sim_journal *journal = at->journal;

    if (at->next >= journal->count || record->lsn != journal->entries[at->next].lsn)
        return misplaced(at, record);
    const struct entry *entry = &journal->entries[at->next];
    if (record->size != entry->size)
        return broken(at->report, LOGFILE_SIM_CHANGED, record->lsn,
                      "LSN %" PRIu64 " has %zu bytes instead of %" PRIu64, record->lsn,
                      record->size, entry->size);
    if (lf_sim_hash(record->data, record->size) != entry->hash)
        return broken(at->report, LOGFILE_SIM_CHANGED, record->lsn,
                      "LSN %" PRIu64 " has other bytes than were appended", record->lsn);
    return true;
}

static bool compare_all(struct progress *at, lf_sim_next *next, void *from)
{
    struct logfile_record record;
    int result;

    while ((result = next(from, &record)) == 1) {
        if (at->report->record_count == 0)
            at->next = at->first = find_first(at->journal, record.lsn);
        if (!compare_record(at, &record))
            return false;
        at->report->record_count++;
        at->last_lsn = record.lsn;
        at->next++;
    }
    if (at->report->record_count == 0)
        at->next = at->first = find_first(at->journal, UINT64_MAX);
    at->report->error = result;
    return result >= 0 || broken(at->report, LOGFILE_SIM_UNREADABLE, 0, "record number %zu: %s",
                                 at->next + 1, logfile_strerror(result));
}

/* What comes behind the end was not promised. */
static bool check_end(const struct progress *at)
{
    const struct logfile_sim_journal *journal = at->journal;
    const struct entry *entry = &journal->entries[at->next];

    if (at->next == journal->count || !is_durable(journal, entry))
        return true;
    return broken(at->report, LOGFILE_SIM_LOST, entry->lsn,
                  "LSN %" PRIu64 " (%" PRIu64
                  " bytes) was durable, the log ends after number %zu of %zu",
                  entry->lsn, entry->size, at->next, journal->count);
}

static int check(struct logfile_sim_journal *journal, lf_sim_next *next, void *from,
                 struct logfile_sim_report *report)
{
    struct progress at = {.journal = journal, .report = report};
    size_t begin = 0;

    if (journal->is_incomplete)
        return -ENOMEM;
    *report = (struct logfile_sim_report){.broken = LOGFILE_SIM_KEPT};
    if (!sort(journal, report) || !compare_all(&at, next, from) || !check_end(&at))
        return 1;
    /* Strikes off what is gone at both ends, and what is left is owed.  What may have been trimmed,
     * but need not, stays for a log that starts earlier after the next crash. */
    while (begin < at.next && journal->entries[begin].lsn < journal->oldest_min)
        begin++;
    journal->count = at.next - begin;
    if (journal->count == 0)
        return 0;
    memmove(journal->entries, journal->entries + begin, journal->count * sizeof(struct entry));
    const uint64_t last_lsn = journal->entries[journal->count - 1].lsn;
    if (journal->durable_lsn <= last_lsn)
        journal->durable_lsn = last_lsn + 1;
    return 0;
}

int lf_sim_journal_check_from(struct logfile_sim_journal *journal, lf_sim_next *next, void *from,
                              struct logfile_sim_report *report, size_t size)
{
    struct logfile_sim_report own;

    if (!take(journal))
        return -EINVAL;
    int result = check(journal, next, from, &own);
    if (result >= 0)
        lf_sim_copy_out(report, size, &own, sizeof own);
    return give(journal, result);
}

static int next_of_reader(void *from, struct logfile_record *record)
{
    return logfile_reader_next(from, record);
}

int logfile_sim_journal_check(struct logfile_sim_journal *journal, struct logfile_reader *reader,
                              struct logfile_sim_report *report, size_t size)
{
    if (reader == NULL)
        return -EINVAL;
    return lf_sim_journal_check_from(journal, next_of_reader, reader, report, size);
}

/* A log that cannot be opened gives no record but the reason. */
static int next_of_error(void *from, struct logfile_record *record)
{
    (void)record;
    return *(const int *)from;
}

int logfile_sim_journal_check_path(struct logfile_sim_journal *journal, const char *path,
                                   const struct logfile_io *io, struct logfile_sim_report *report,
                                   size_t size)
{
    struct logfile_reader *reader;

    if (journal == NULL || path == NULL)
        return -EINVAL;
    int error = logfile_reader_open(path, &(struct logfile_reader_options){.io = io}, &reader);
    if (error != 0) {
        /* A log that was never made has nothing in it; one that was trimmed was made. */
        take(journal);
        const bool was_trimmed = journal->oldest_min > 0;
        give(journal, 0);
        if (error == -ENOENT && !was_trimmed)
            error = 0;
        return lf_sim_journal_check_from(journal, next_of_error, &error, report, size);
    }
    int result = logfile_sim_journal_check(journal, reader, report, size);
    logfile_reader_close(reader);
    return result;
}
