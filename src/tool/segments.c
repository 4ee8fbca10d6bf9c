/* SPDX-License-Identifier: MIT */
#include "tool/segments.h"

#include "tool/tool.h"

#include <errno.h>
#include <inttypes.h>

/* ---- The headers of the segments --------------------------------------------------------------*/

/* Where both are damaged, the epochs in the segment prove whose it is, or the verdict is that it is
 * misplaced. */
static void judge_blocks(const struct lf_tool_segments *segments, uint64_t index,
                         const uint8_t *blocks)
{
    static const char *const copies[2] = {"first", "second"};
    const struct lf_walk_copy_words words = lf_walk_copy_words(segments->walk);
    char name[LF_SEGMENT_NAME_BYTES];

    lf_file_segment_name(index, name);
    const struct lf_finding_place place = {.file = name};

    for (unsigned i = 0; i < 2; i++) {
        if (lf_file_header_is_of_segment(blocks + i * (size_t)LF_BLOCK_BYTES,
                                         &segments->walk->cursor.scan.prologue.header, index))
            continue;
        segments->walk->damaged_copies++;
        lf_finding(segments->findings, words.kind, place, "%s copy of its file header is damaged%s",
                   copies[i], words.fate);
    }
    if (!lf_is_zero(blocks + 2 * (size_t)LF_BLOCK_BYTES, blocks + LF_FIRST_LSN))
        lf_finding(segments->findings, "note", place,
                   "blocks 2 and 3 are not zero; nobody reads them");
}

/* 1: the segment is there; 0: it is not; -errno. */
static int check_segment(const struct lf_tool_segments *segments, uint64_t index)
{
    struct lf_walk *walk = segments->walk;
    _Alignas(LF_BLOCK_BYTES) uint8_t blocks[LF_FIRST_LSN] = {0};
    ssize_t got = lf_file_read_segment_header(&walk->cursor.file, index, blocks, sizeof(blocks));

    /* What cannot be read counts as zeros, but nobody repairs it. */
    walk->failed |= segments->bad != NULL && segments->bad->count > 0;
    if (got == -EISDIR || got == -ESPIPE || got == -ELOOP)
        return 1; /* something else has the name, which the verdict names */
    if (got < 0)
        return got == -ENOENT ? 0 : (int)got;
    /* A writer may have released the segment since, and be making another one of its file. */
    struct lf_prologue prologue = walk->cursor.scan.prologue;
    if (lf_prologue_read_mark(&walk->cursor.file, &prologue) != 0 ||
        index >= lf_segment_index(&walk->cursor.file.layout, prologue.trim.oldest_lsn))
        judge_blocks(segments, index, blocks);
    return 1;
}

int lf_tool_check_segment_headers(const struct lf_tool_segments *segments)
{
    struct lf_file *file = &segments->walk->cursor.file;
    char name[LF_SEGMENT_NAME_BYTES];
    int found = 1;

    if (!lf_file_is_directory(file))
        return 0;
    uint64_t index = lf_segments_range(&file->segments).first;
    while (found == 1) {
        uint64_t next = index + 1;
        found = check_segment(segments, index);
        if (found == 0)
            found = lf_file_next_segment(file, index, &next);
        if (found == 1 && next == index) {
            /* Something has its name without being a segment; the verdict counts it. */
            lf_file_segment_name(index, name);
            lf_finding(segments->findings, "damage", (struct lf_finding_place){.file = name},
                       "no regular file");
            next = index + 1;
        }
        index = next;
    }
    return found;
}

/* ---- Names ------------------------------------------------------------------------------------*/

static void tell_foreign(void *arg, const char *name)
{
    const struct lf_tool_segments *segments = arg;

    lf_finding(segments->findings, "foreign file", (struct lf_finding_place){0}, "%s",
               lf_tool_shown(name));
}

int lf_tool_name_other_files(const struct lf_tool_segments *segments)
{
    struct lf_file *file = &segments->walk->cursor.file;
    char name[LF_SEGMENT_NAME_BYTES];

    if (!lf_file_is_directory(file))
        return 0;
    const struct lf_segment_range range = lf_segments_range(&file->segments);
    if (range.released != range.first) {
        lf_file_segment_name(range.released, name);
        lf_finding(segments->findings, "note", (struct lf_finding_place){0},
                   "segments from %s on have been released; not checked", name);
    }
    return lf_file_visit_foreign(file, tell_foreign, (void *)(uintptr_t)segments);
}

int lf_tool_name_lost_segments(const struct lf_tool_segments *segments)
{
    struct lf_file *file = &segments->walk->cursor.file;
    const struct logfile_tail *tail = &segments->walk->cursor.tail;
    char first[LF_SEGMENT_NAME_BYTES], last[LF_SEGMENT_NAME_BYTES];

    if (!lf_file_is_directory(file))
        return 0;
    const uint64_t end = lf_segment_index(&file->layout, lf_verdict_damage_end(tail)) + 1;
    uint64_t index = lf_segment_index(&file->layout, tail->end_lsn);
    while (index < end) {
        uint64_t next;
        const int found = lf_file_next_segment(file, index, &next);
        if (found < 0)
            return found;
        if (found == 0 || next > end)
            next = end;
        lf_file_segment_name(index, first);
        lf_file_segment_name(next > index ? next - 1 : index, last);
        if (next == index + 1)
            lf_finding(segments->findings, "damage", (struct lf_finding_place){0}, "%s is missing",
                       first);
        else if (next > index)
            lf_finding(segments->findings, "damage", (struct lf_finding_place){0},
                       "%s to %s are missing", first, last);
        index = next + 1;
    }
    const struct lf_scan *scan = &segments->walk->cursor.scan;
    if (scan->damage == LF_DAMAGE_MISPLACED) {
        lf_file_segment_name(scan->damage_index, first);
        lf_finding(segments->findings, "damage", (struct lf_finding_place){.file = first},
                   "misplaced: it is not what the log put there");
    }
    return 0;
}
