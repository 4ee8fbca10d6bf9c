/* SPDX-License-Identifier: MIT */
#include "raft/record.h"

#include "logfile.h"

#include <errno.h>
#include <string.h>

static const char mark_magic[8] = "LFRAFT1";

_Static_assert(sizeof(struct lf_raft_head) == 24, "the head is packed by itself");
_Static_assert(sizeof(struct lf_raft_mark) == 40, "and so is the mark");

struct lf_raft_head lf_raft_entry_head(const struct raft_entry *entry, raft_index index)
{
    return (struct lf_raft_head){.kind = LF_RAFT_ENTRY,
                                 .version = 1,
                                 .type = entry->type,
                                 .index = index,
                                 .term = entry->term};
}

struct lf_raft_head lf_raft_cut_head(raft_index index)
{
    return (struct lf_raft_head){.kind = LF_RAFT_CUT, .version = 1, .index = index};
}

bool lf_raft_head_read(struct lf_raft_head *head, const void *data, size_t size)
{
    if (size < sizeof *head)
        return false;
    memcpy(head, data, sizeof *head);
    if (head->version != 1 || head->zero != 0 || head->index == 0)
        return false;
    if (head->kind == LF_RAFT_CUT)
        return head->type == 0 && head->term == 0 && size == sizeof *head;
    return head->kind == LF_RAFT_ENTRY && head->term > 0 && head->type >= RAFT_COMMAND &&
           head->type <= RAFT_CHANGE;
}

void lf_raft_mark_init(struct lf_raft_mark *mark)
{
    memset(mark, 0, sizeof *mark);
    memcpy(mark->magic, mark_magic, sizeof mark->magic);
}

bool lf_raft_mark_is_valid(const struct lf_raft_mark *mark, size_t size)
{
    return size == sizeof *mark && memcmp(mark->magic, mark_magic, sizeof mark->magic) == 0 &&
           (mark->start_lsn == 0) == (mark->start_index == 0);
}

void lf_raft_free_entries(struct raft_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (i + 1 == count || entries[i + 1].batch != entries[i].batch)
            raft_free(entries[i].batch);
    raft_free(entries);
}

int lf_raft_error(int error)
{
    switch (error) {
    case 0:
        return 0;
    case LOGFILE_ECORRUPT:
        return RAFT_CORRUPT;
    case LOGFILE_EFORMAT:
        return RAFT_MALFORMED;
    case LOGFILE_ELOCKED:
        return RAFT_BUSY;
    case LOGFILE_EMISMATCH:
    case LOGFILE_EIDENTITY:
    case -EINVAL:
        return RAFT_INVALID;
    case LOGFILE_ETOOBIG:
        return RAFT_TOOBIG;
    case -ENOSPC:
    case -EDQUOT:
    case -EFBIG:
        return RAFT_NOSPACE;
    case -ENOMEM:
        return RAFT_NOMEM;
    default:
        return RAFT_IOERR;
    }
}
