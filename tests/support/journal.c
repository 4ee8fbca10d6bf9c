/* SPDX-License-Identifier: MIT */
#include "journal.h"

#include "logfile_sim.h"
#include "sim/sim_journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *memory)
{
    if (memory == NULL) {
        perror("journal");
        abort();
    }
    return memory;
}

static void make_room(struct journal *journal, size_t count)
{
    if (journal->count + count <= journal->capacity)
        return;
    while (journal->count + count > journal->capacity)
        journal->capacity = journal->capacity == 0 ? 64 : journal->capacity * 2;
    journal->entries =
        must(realloc(journal->entries, journal->capacity * sizeof *journal->entries));
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

/* Of the payload that the seed stands for. */
static uint64_t hash_of(uint64_t seed, size_t size)
{
    uint8_t *payload = must(malloc(size + 1));

    payload_fill(payload, size, seed);
    uint64_t hash = lf_sim_hash(payload, size);
    free(payload);
    return hash;
}

void journal_add(struct journal *journal, uint64_t lsn, uint64_t seed, size_t size, bool acked)
{
    make_room(journal, 1);
    journal->entries[journal->count++] = (struct journal_entry){.lsn = lsn,
                                                                .seed = seed,
                                                                .hash = hash_of(seed, size),
                                                                .size = (uint32_t)size,
                                                                .acked = acked};
}

void journal_tie(struct journal *journal, size_t count)
{
    for (size_t left = 0; left < count; left++)
        journal->entries[journal->count - 1 - left].batch_left = (uint32_t)left;
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

void journal_sort(struct journal *journal)
{
    if (journal->count > 0)
        qsort(journal->entries, journal->count, sizeof *journal->entries, compare_lsn);
}

size_t journal_acked_count(const struct journal *journal)
{
    size_t count = 0;

    for (size_t i = 0; i < journal->count; i++)
        count += journal->entries[i].acked;
    return count;
}

/* ---- Comparing ---- */

static void tell_entries(const struct journal *journal, struct logfile_sim_journal *told)
{
    for (size_t i = 0; i < journal->count; i++) {
        const struct journal_entry *entry = &journal->entries[i];
        if (lf_sim_journal_append_hash(told, entry->lsn, entry->hash, entry->size) != 0)
            must(NULL);
        if (entry->acked)
            logfile_sim_journal_durable(told, entry->lsn + 1);
    }
}

/* What the checker is to know. */
static struct logfile_sim_journal *tell(const struct journal *journal)
{
    struct logfile_sim_journal *told = must(logfile_sim_journal_new());

    tell_entries(journal, told);
    logfile_sim_journal_trim(told, journal->oldest_max);
    logfile_sim_journal_trimmed(told, journal->oldest_min);
    return told;
}

/* As the checker goes on: without what the log has said to be gone, cut behind what was read.  False:
 * that ends within a batch. */
static bool go_on_with(struct journal *journal, size_t count, char why[JOURNAL_WHY_BYTES])
{
    size_t first = 0;

    while (first < journal->count && journal->entries[first].lsn < journal->oldest_min)
        first++;
    if (count > 0)
        memmove(journal->entries, journal->entries + first, count * sizeof *journal->entries);
    journal->count = count;
    journal_ack_below(journal, UINT64_MAX);
    const struct journal_entry *last = count > 0 ? &journal->entries[count - 1] : NULL;
    if (last == NULL || last->batch_left == 0)
        return true;
    snprintf(why, JOURNAL_WHY_BYTES,
             "the log ends at LSN %" PRIu64 ", and %u more records are of the same batch",
             last->lsn, (unsigned)last->batch_left);
    return false;
}

bool journal_compare(struct journal *journal, struct logfile_reader *reader,
                     char why[JOURNAL_WHY_BYTES])
{
    struct logfile_sim_report report;

    journal_sort(journal);
    struct logfile_sim_journal *told = tell(journal);
    bool good = logfile_sim_journal_check(told, reader, &report, sizeof report) == 0;

    if (good)
        good = go_on_with(journal, logfile_sim_journal_count(told), why);
    else
        snprintf(why, JOURNAL_WHY_BYTES, "%s", report.message);
    logfile_sim_journal_free(told);
    return good;
}

bool journal_compare_path(struct journal *journal, const char *path, const struct logfile_io *io,
                          char why[JOURNAL_WHY_BYTES])
{
    struct logfile_reader *reader;
    int error = logfile_reader_open(path, &(struct logfile_reader_options){.io = io}, &reader);

    if (error != 0) {
        snprintf(why, JOURNAL_WHY_BYTES, "opening the reader: %s", logfile_strerror(error));
        return false;
    }
    bool good = journal_compare(journal, reader, why);
    logfile_reader_close(reader);
    return good;
}
