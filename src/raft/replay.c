/* SPDX-License-Identifier: MIT */
#include "raft/replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    BATCH_BYTES_MIN = 4 << 10,
    BATCH_BYTES_MAX = 1 << 20
};

void lf_raft_replay_init(struct lf_raft_replay *replay)
{
    memset(replay, 0, sizeof *replay);
    lf_raft_mark_init(&replay->mark);
    replay->lsns.first = 1;
}

static raft_term last_term(const struct lf_raft_replay *replay)
{
    return replay->lsns.count > 0 ? replay->entries[replay->lsns.count - 1].term : 0;
}

/* ---------------------------------------------------------------------------------------------
 * Batches.
 */

static bool batch_is_used(const struct lf_raft_replay *replay)
{
    return replay->lsns.count > 0 &&
           replay->entries[replay->lsns.count - 1].batch == (void *)replay->batch;
}

static void free_unused_batch(struct lf_raft_replay *replay)
{
    if (!batch_is_used(replay))
        raft_free(replay->batch);
    replay->batch = NULL;
    replay->batch_used = 0;
}

void lf_raft_replay_free(struct lf_raft_replay *replay)
{
    free_unused_batch(replay);
    lf_raft_replay_cut(replay, 1);
    raft_free(replay->entries);
    replay->entries = NULL;
    replay->capacity = 0;
    lf_raft_lsns_free(&replay->lsns);
}

void lf_raft_replay_cut(struct lf_raft_replay *replay, raft_index index)
{
    size_t left = index > replay->lsns.first ? (size_t)(index - replay->lsns.first) : 0;

    for (size_t i = replay->lsns.count; i > left; i--) {
        void *batch = replay->entries[i - 1].batch;
        bool has_neighbour = i > 1 && replay->entries[i - 2].batch == batch;
        if (batch != (void *)replay->batch && !has_neighbour)
            raft_free(batch);
    }
    lf_raft_lsns_cut(&replay->lsns, index);
}

/* A place for the data of an entry, also of none: libraft tells batches apart by their addresses. */
static char *place(struct lf_raft_replay *replay, size_t size)
{
    size_t need = (size + 8) / 8 * 8;

    if (replay->batch == NULL || replay->batch_size - replay->batch_used < need) {
        size_t bytes = 2 * replay->batch_size;
        bytes = bytes > BATCH_BYTES_MAX ? BATCH_BYTES_MAX : bytes;
        bytes = bytes < BATCH_BYTES_MIN ? BATCH_BYTES_MIN : bytes;
        bytes = bytes < need ? need : bytes;
        free_unused_batch(replay);
        replay->batch = raft_malloc(bytes);
        if (replay->batch == NULL)
            return NULL;
        replay->batch_size = bytes;
    }
    replay->batch_used += need;
    return replay->batch + replay->batch_used - need;
}

int lf_raft_replay_add(struct lf_raft_replay *replay, const struct lf_raft_head *head,
                       const void *data, size_t size, uint64_t lsn)
{
    if (replay->lsns.count == replay->capacity) {
        size_t capacity = 2 * replay->capacity + 16;
        struct raft_entry *entries =
            raft_realloc(replay->entries, capacity * sizeof *replay->entries);
        if (entries == NULL)
            return -ENOMEM;
        replay->entries = entries;
        replay->capacity = capacity;
    }
    char *base = lf_raft_lsns_reserve(&replay->lsns, 1) ? place(replay, size) : NULL;
    if (base == NULL)
        return -ENOMEM;
    if (size > 0)
        memcpy(base, data, size);
    replay->entries[replay->lsns.count] = (struct raft_entry){.term = head->term,
                                                              .type = head->type,
                                                              .buf = {.base = base, .len = size},
                                                              .batch = replay->batch};
    lf_raft_lsns_push(&replay->lsns, lsn, head->term);
    replay->has_begun = true;
    return 0;
}

/* ---------------------------------------------------------------------------------------------
 * Records.
 */

__attribute__((format(printf, 3, 4))) static int refuse(struct lf_raft_replay *replay, int error,
                                                        const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(replay->text, sizeof replay->text, format, arguments);
    va_end(arguments);
    replay->error = error;
    return -EBADMSG;
}

int lf_raft_replay_mark(void *arg, const void *data, size_t size, uint64_t *from)
{
    struct lf_raft_replay *replay = arg;

    (void)from; /* What is below start_lsn may be trimmed, or not: each record is looked at. */
    if (size == 0)
        return 0;
    if (size == sizeof replay->mark)
        memcpy(&replay->mark, data, size);
    if (!lf_raft_mark_is_valid(&replay->mark, size))
        return refuse(replay, RAFT_MALFORMED, "the log's mark (%zu bytes) is not a Raft node's",
                      size);
    replay->has_mark = true;
    if (replay->mark.start_lsn != 0)
        replay->lsns.first = replay->mark.start_index;
    return 0;
}

static int replay_cut(struct lf_raft_replay *replay, const struct lf_raft_head *head, uint64_t lsn)
{
    uint64_t next = lf_raft_lsns_next(&replay->lsns);

    if (replay->has_begun && head->index > next)
        return refuse(replay, RAFT_CORRUPT,
                      "entries from index %" PRIu64 " on are cut off at LSN %" PRIu64
                      ", but index %" PRIu64 " was the last",
                      head->index, lsn, next - 1);
    /* One below the first entry that is kept: those before it belong to what it cuts off. */
    if (replay->has_begun)
        lf_raft_replay_cut(replay, head->index);
    else
        replay->lsns.first = head->index;
    replay->has_begun = true;
    return 0;
}

int lf_raft_replay_record(void *arg, const struct logfile_record *record)
{
    struct lf_raft_replay *replay = arg;
    struct lf_raft_head head;

    if (record->lsn < replay->mark.start_lsn)
        return 0;
    if (!lf_raft_head_read(&head, record->data, record->size))
        return refuse(replay, RAFT_MALFORMED,
                      "the record at LSN %" PRIu64 " (after index %" PRIu64
                      ") is not a Raft node's",
                      record->lsn, lf_raft_lsns_next(&replay->lsns) - 1);
    replay->is_stale = true;
    if (head.kind == LF_RAFT_CUT)
        return replay_cut(replay, &head, record->lsn);
    if (!replay->has_begun)
        replay->lsns.first = head.index;
    uint64_t next = lf_raft_lsns_next(&replay->lsns);
    if (head.index != next)
        return refuse(replay, RAFT_CORRUPT,
                      "index %" PRIu64 " at LSN %" PRIu64 " follows index %" PRIu64, head.index,
                      record->lsn, next - 1);
    if (head.term < last_term(replay))
        return refuse(replay, RAFT_CORRUPT,
                      "the term goes back from %llu to %" PRIu64 " with index %" PRIu64
                      " at LSN %" PRIu64,
                      last_term(replay), head.term, head.index, record->lsn);
    if (replay->has_mark && head.term > replay->mark.term)
        return refuse(replay, RAFT_CORRUPT,
                      "index %" PRIu64 " at LSN %" PRIu64 " has term %" PRIu64
                      ", but the node knows of %" PRIu64 " only",
                      head.index, record->lsn, head.term, replay->mark.term);
    return lf_raft_replay_add(replay, &head, (const char *)record->data + sizeof head,
                              record->size - sizeof head, record->lsn);
}

int lf_raft_replay_end(struct lf_raft_replay *replay)
{
    bool is_first_configuration = replay->lsns.count == 1 && replay->lsns.first == 1 &&
                                  replay->entries[0].type == RAFT_CHANGE &&
                                  replay->entries[0].term == 1;

    replay->is_stale = replay->is_stale && !replay->has_mark;
    if (!replay->is_stale)
        return 0;
    if (replay->lsns.count > 0 && !is_first_configuration) {
        (void)refuse(replay, RAFT_CORRUPT,
                     "the log has entries %" PRIu64 " to %" PRIu64 ", from LSN %" PRIu64
                     " on, and no term",
                     replay->lsns.first, lf_raft_lsns_next(&replay->lsns) - 1,
                     lf_raft_lsns_get(&replay->lsns, replay->lsns.first).lsn);
        return replay->error;
    }
    lf_raft_replay_cut(replay, 1);
    return 0;
}
