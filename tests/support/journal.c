/* SPDX-License-Identifier: MIT */
#include "journal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool broken(char why[JOURNAL_WHY_BYTES], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool broken(char why[JOURNAL_WHY_BYTES], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why, JOURNAL_WHY_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

static void make_room(struct journal *journal, size_t count)
{
    if (journal->count + count <= journal->capacity)
        return;
    while (journal->count + count > journal->capacity)
        journal->capacity = journal->capacity == 0 ? 64 : journal->capacity * 2;
    journal->entries = realloc(journal->entries, journal->capacity * sizeof *journal->entries);
    if (journal->entries == NULL) {
        perror("journal");
        abort();
    }
}

void journal_free(struct journal *journal)
{
    free(journal->entries);
    memset(journal, 0, sizeof *journal);
}

static void append_entries(struct journal *journal, const struct journal *from)
{
    if (from->count == 0)
        return;
    make_room(journal, from->count);
    memcpy(journal->entries + journal->count, from->entries, from->count * sizeof *from->entries);
    journal->count += from->count;
}

void journal_copy(struct journal *to, const struct journal *from)
{
    to->count = 0;
    to->oldest_min = from->oldest_min;
    to->oldest_max = from->oldest_max;
    append_entries(to, from);
}

void journal_add(struct journal *journal, uint64_t lsn, uint64_t seed, size_t size, bool acked)
{
    make_room(journal, 1);
    journal->entries[journal->count++] =
        (struct journal_entry){.lsn = lsn, .seed = seed, .size = (uint32_t)size, .acked = acked};
}

void journal_ack_below(struct journal *journal, uint64_t durable_lsn)
{
    for (size_t i = 0; i < journal->count; i++)
        if (journal->entries[i].lsn < durable_lsn)
            journal->entries[i].acked = true;
}

void journal_ask_trim(struct journal *journal, uint64_t lsn)
{
    if (journal->oldest_max < lsn)
        journal->oldest_max = lsn;
    journal_ack_below(journal, lsn);
}

void journal_trimmed(struct journal *journal, uint64_t oldest_lsn)
{
    if (journal->oldest_min < oldest_lsn)
        journal->oldest_min = oldest_lsn;
}

void journal_take(struct journal *journal, struct journal *from)
{
    append_entries(journal, from);
    journal_trimmed(journal, from->oldest_min);
    if (journal->oldest_max < from->oldest_max)
        journal->oldest_max = from->oldest_max;
    journal_free(from);
}

static int compare_lsn(const void *a, const void *b)
{
    uint64_t x = ((const struct journal_entry *)a)->lsn;
    uint64_t y = ((const struct journal_entry *)b)->lsn;

    return (x > y) - (x < y);
}

bool journal_sort(struct journal *journal, char why[JOURNAL_WHY_BYTES])
{
    if (journal->count > 0)
        qsort(journal->entries, journal->count, sizeof *journal->entries, compare_lsn);
    for (size_t i = 1; i < journal->count; i++)
        if (journal->entries[i].lsn == journal->entries[i - 1].lsn)
            return broken(why, "LSN %" PRIu64 " was given to two records", journal->entries[i].lsn);
    return true;
}

size_t journal_acked_count(const struct journal *journal)
{
    size_t count = 0;

    for (size_t i = 0; i < journal->count; i++)
        count += journal->entries[i].acked;
    return count;
}

/* Compares the record with the `index`th entry. */
static bool compare_record(const struct journal *journal, size_t index,
                           const struct logfile_record *record, char why[JOURNAL_WHY_BYTES])
{
    if (index >= journal->count)
        return broken(why, "phantom: a record of %zu bytes at LSN %" PRIu64 " behind the last one",
                      record->size, record->lsn);
    const struct journal_entry *entry = &journal->entries[index];
    if (record->lsn > entry->lsn)
        return broken(
            why, "%s: LSN %" PRIu64 " (%u bytes, number %zu) is missing, LSN %" PRIu64 " is there",
            entry->acked ? "lost an acknowledged record" : "gap", entry->lsn, entry->size, index,
            record->lsn);
    if (record->lsn < entry->lsn)
        return broken(why,
                      "phantom: a record of %zu bytes at LSN %" PRIu64 ", the next is at %" PRIu64,
                      record->size, record->lsn, entry->lsn);
    if (record->size != entry->size)
        return broken(why, "LSN %" PRIu64 ": %zu bytes instead of %u", record->lsn, record->size,
                      entry->size);
    if (!payload_matches(record->data, record->size, entry->seed))
        return broken(why, "LSN %" PRIu64 ": other bytes than were appended", record->lsn);
    return true;
}

/* Forgets what the log has said to be gone. */
static void drop_trimmed(struct journal *journal)
{
    size_t kept = 0;

    for (size_t i = 0; i < journal->count; i++)
        if (journal->entries[i].lsn >= journal->oldest_min)
            journal->entries[kept++] = journal->entries[i];
    journal->count = kept;
}

/* The first entry that a log must have whose first record is at `lsn`. */
static size_t first_kept(const struct journal *journal, uint64_t lsn)
{
    size_t i = 0;

    while (i < journal->count && journal->entries[i].lsn < lsn &&
           journal->entries[i].lsn < journal->oldest_max)
        i++;
    return i;
}

bool journal_compare(struct journal *journal, struct logfile_reader *reader,
                     char why[JOURNAL_WHY_BYTES])
{
    struct logfile_record record;
    size_t end = SIZE_MAX; /* of the entries that were read */
    int result;

    drop_trimmed(journal);
    while ((result = logfile_reader_next(reader, &record)) == 1) {
        if (end == SIZE_MAX)
            end = first_kept(journal, record.lsn);
        if (!compare_record(journal, end, &record, why))
            return false;
        end++;
    }
    if (end == SIZE_MAX)
        end = first_kept(journal, UINT64_MAX);
    if (result < 0)
        return broken(why, "reading record %zu: %s", end, logfile_strerror(result));
    for (size_t i = end; i < journal->count; i++)
        if (journal->entries[i].acked)
            return broken(why,
                          "lost an acknowledged record: LSN %" PRIu64
                          " (%u bytes), the log ends after %zu of %zu",
                          journal->entries[i].lsn, journal->entries[i].size, end, journal->count);
    journal->count = end;
    journal_ack_below(journal, UINT64_MAX);
    return true;
}

bool journal_compare_path(struct journal *journal, const char *path, const struct logfile_io *io,
                          char why[JOURNAL_WHY_BYTES])
{
    struct logfile_reader *reader;
    int error = logfile_reader_open_io(path, 0, io, &reader);

    if (error != 0)
        return broken(why, "opening the reader: %s", logfile_strerror(error));
    bool good = journal_compare(journal, reader, why);
    logfile_reader_close(reader);
    return good;
}
