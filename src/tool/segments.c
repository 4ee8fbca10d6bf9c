/* SPDX-License-Identifier: MIT */
#include "segments.h"

#include "tool.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

/* ---- The headers of the segments --------------------------------------------------------------*/

/* Whether the copy is what the log's own header makes it; the log's header has been checked. */
static bool is_header_of(const struct lf_walk *walk, uint64_t index, const uint8_t *block)
{
    struct lf_file_header expected = walk->scan.prologue.header;
    const struct lf_file_header *header = (const void *)block;

    expected.first_lsn = lf_segment_first_lsn(&walk->file.layout, index);
    expected.checksum = header->checksum;
    return lf_file_header_check(block) == 0 && memcmp(header, &expected, sizeof(expected)) == 0;
}

/* What is wrong with the two copies, or NULL.  Nobody looks at the two blocks after them. */
static const char *find_bad_block(const struct lf_walk *walk, uint64_t index, const uint8_t *blocks)
{
    const bool valid[2] = {is_header_of(walk, index, blocks),
                           is_header_of(walk, index, blocks + LF_BLOCK_BYTES)};

    if (!valid[0])
        return valid[1] ? "first copy of its file header" : "both copies of its file header";
    return valid[1] ? NULL : "second copy of its file header";
}

/* A writer may have released the segment since, and be making another one of its file. */
static bool is_released_meanwhile(const struct lf_tool_segments *segments, uint64_t index)
{
    struct lf_walk *walk = segments->walk;
    struct lf_prologue prologue = walk->scan.prologue;

    return lf_trim_mark_read(&walk->file, &prologue) == 0 &&
           index < lf_segment_index(&walk->file.layout, prologue.trim.oldest_lsn);
}

/* 1: the segment is there; 0: it is not; -errno. */
static int check_segment(const struct lf_tool_segments *segments, uint64_t index)
{
    struct lf_walk *walk = segments->walk;
    _Alignas(LF_BLOCK_BYTES) uint8_t blocks[2 * LF_BLOCK_BYTES] = {0};
    char name[LF_SEGMENT_NAME_BYTES];
    ssize_t got = lf_file_read_segment_header(&walk->file, index, blocks, sizeof(blocks));

    if (got < 0)
        return (int)got;
    if (got == 0 &&
        !lf_file_has_segment(&walk->file, lf_segment_first_lsn(&walk->file.layout, index)))
        return 0;
    const char *what = find_bad_block(walk, index, blocks);
    if (what != NULL && !is_released_meanwhile(segments, index)) {
        lf_file_segment_name(index, name);
        fprintf(segments->out, "%s: damage: %s: %s\n", segments->path, name, what);
        walk->damage_count++;
    }
    return 1;
}

static void name_stray(const struct lf_tool_segments *segments, uint64_t index)
{
    char name[LF_SEGMENT_NAME_BYTES];

    lf_file_segment_name(index, name);
    fprintf(segments->out, "%s: damage: %s: no regular file\n", segments->path, name);
    segments->walk->damage_count++;
}

static int check_headers(const struct lf_tool_segments *segments, uint64_t index)
{
    int found = 1;

    while (found == 1) {
        uint64_t next = index + 1;
        found = check_segment(segments, index);
        if (found == 0) {
            found = lf_file_next_segment(&segments->walk->file, index, &next);
            if (found == 1 && next == index) {
                /* Something has its name without being a segment. */
                name_stray(segments, index);
                next = index + 1;
            }
        }
        index = next;
    }
    return found;
}

/* ---- Names ------------------------------------------------------------------------------------*/

static void print_foreign(void *arg, const char *name)
{
    const struct lf_tool_segments *segments = arg;

    fprintf(segments->out, "%s: foreign file: ", segments->path);
    for (const char *c = name; *c != '\0'; c++)
        fputc(iscntrl((unsigned char)*c) ? '?' : *c, segments->out);
    fputc('\n', segments->out);
}

static void print_released(const struct lf_tool_segments *segments,
                           const struct lf_segment_range *range)
{
    char name[LF_SEGMENT_NAME_BYTES];

    if (range->released == range->first)
        return;
    lf_file_segment_name(range->released, name);
    fprintf(segments->out, "%s: note: segments from %s on have been released; not checked\n",
            segments->path, name);
}

int lf_tool_check_segments(const struct lf_tool_segments *segments)
{
    struct lf_file *file = &segments->walk->file;

    if (!lf_file_is_directory(file))
        return 0;
    const struct lf_segment_range range = lf_segments_range(&file->segments);
    print_released(segments, &range);
    int error = lf_file_visit_foreign(file, print_foreign, (void *)(uintptr_t)segments);
    return error != 0 ? error : check_headers(segments, range.first);
}

static void print_missing(const struct lf_tool_segments *segments, uint64_t from, uint64_t to)
{
    char first[LF_SEGMENT_NAME_BYTES], last[LF_SEGMENT_NAME_BYTES];

    lf_file_segment_name(from, first);
    lf_file_segment_name(to, last);
    if (from == to)
        fprintf(segments->out, "%s: damage: %s is missing\n", segments->path, first);
    else
        fprintf(segments->out, "%s: damage: %s to %s are missing\n", segments->path, first, last);
}

int lf_tool_name_missing_segments(const struct lf_tool_segments *segments)
{
    struct lf_file *file = &segments->walk->file;
    const struct logfile_tail *tail = &segments->walk->tail;

    if (!lf_file_is_directory(file))
        return 0;
    const uint64_t last = lf_segment_index(&file->layout, lf_tail_damage_end(tail));
    uint64_t index = lf_segment_index(&file->layout, tail->end_lsn);
    while (index <= last) {
        uint64_t next;
        const int found = lf_file_next_segment(file, index, &next);
        if (found < 0)
            return found;
        if (found == 0 || next > last)
            next = last + 1;
        if (next > index)
            print_missing(segments, index, next - 1);
        index = next + 1;
    }
    return 0;
}
