/* SPDX-License-Identifier: MIT */
#include "diary.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

struct diary *diary_new(const struct fuse_disk *disk)
{
    struct diary *diary = mmap(NULL, sizeof *diary, PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    ck_assert_ptr_ne(diary, MAP_FAILED);
    diary->disk = disk;
    pthread_mutex_init(&diary->lock, NULL);
    return diary;
}

void diary_free(struct diary *diary)
{
    munmap(diary, sizeof *diary);
}

/* The number of events is read here: after a promise was made, before a trim is asked for. */
void diary_add(struct diary *diary, const struct diary_mark *mark)
{
    pthread_mutex_lock(&diary->lock);
    if (diary->count == DIARY_MARK_MAX)
        abort();
    diary->marks[diary->count] = *mark;
    diary->marks[diary->count++].event_count = fuse_disk_event_count(diary->disk);
    pthread_mutex_unlock(&diary->lock);
}

/* What a process had not been promised when it died may be gone, and its LSNs be given again. */
static void forget(struct journal *journal, uint64_t end_lsn, uint64_t promised_lsn)
{
    size_t kept = 0;

    for (size_t i = 0; i < journal->count; i++) {
        struct journal_entry *entry = &journal->entries[i];
        ck_assert_msg(entry->lsn < end_lsn || entry->lsn >= promised_lsn,
                      "the next process did not find LSN %" PRIu64 ", which was promised",
                      entry->lsn);
        if (entry->lsn < end_lsn)
            journal->entries[kept++] = *entry;
    }
    journal->count = kept;
}

static void add_to_journal(const struct diary_mark *mark, uint64_t event_count,
                           struct journal *journal)
{
    bool has_happened = mark->event_count <= event_count;

    if (mark->kind == DIARY_RECORD)
        journal_add(journal, mark->lsn, mark->seed, mark->size, false);
    else if (mark->kind == DIARY_ASK_TRIM && has_happened)
        journal_ask_trim(journal, mark->lsn);
    else if (mark->kind == DIARY_TRIMMED && has_happened)
        journal_trimmed(journal, mark->lsn);
}

void diary_journal(const struct diary *diary, uint64_t event_count, struct journal *journal)
{
    uint64_t promised_lsn = 0; /* in the end */
    uint64_t durable_lsn = 0;  /* when the power went */

    for (uint64_t i = 0; i < diary->count; i++) {
        const struct diary_mark *mark = &diary->marks[i];
        if (mark->kind == DIARY_RECOVERED)
            forget(journal, mark->lsn, promised_lsn);
        add_to_journal(mark, event_count, journal);
        if (mark->kind != DIARY_ACK_BELOW)
            continue;
        if (mark->lsn > promised_lsn)
            promised_lsn = mark->lsn;
        if (mark->lsn > durable_lsn && mark->event_count <= event_count)
            durable_lsn = mark->lsn;
    }
    journal_ack_below(journal, durable_lsn);
    journal_sort(journal);
}
