/* SPDX-License-Identifier: MIT */
/* logfile stat: what a log is and holds. */
#include "tool/segments.h"
#include "tool/tool.h"
#include "tool/walk.h"

#include <inttypes.h>

static void print_number(const char *key, uint64_t value)
{
    printf("%s: %" PRIu64 "\n", key, value);
}

/* Of a directory: the size of its segments, and how many there are. */
static void print_segments(struct lf_file *file)
{
    if (!lf_file_is_directory(file))
        return;
    const struct lf_segment_range range = lf_segments_range(&file->segments);
    print_number("segment_bytes", file->layout.segment_bytes);
    print_number("first_segment", range.first);
    print_number("segments", range.end - range.first);
}

static int print_stat(struct lf_walk *walk, uint64_t end_lsn)
{
    const struct lf_file_header *header = &walk->cursor.scan.prologue.header;
    const struct lf_layout *layout = &walk->cursor.file.layout;
    enum logfile_verdict verdict = lf_walk_verdict(walk);
    const uint64_t oldest_lsn = walk->cursor.scan.prologue.trim.oldest_lsn;

    print_number("size", end_lsn - lf_segment_index(layout, oldest_lsn) * layout->segment_bytes);
    fputs("id: ", stdout);
    lf_tool_print_hex(header->id, sizeof(header->id));
    putchar('\n');
    print_number("version", header->version);
    print_number("slot_bytes", header->slot_bytes);
    print_segments(&walk->cursor.file);
    print_number("first_lsn", header->first_lsn);
    print_number("oldest_lsn", oldest_lsn);
    print_number("end_lsn", walk->cursor.tail.end_lsn);
    print_number("epochs", walk->epoch_count);
    print_number("records", walk->record_count);
    print_number("payload_bytes", walk->payload_bytes);
    print_number("incarnation", walk->cursor.tail.incarnation);
    print_number("damages", walk->damage_count);
    print_number("damaged_copies", walk->damaged_copies);
    printf("verdict: %s\n", lf_walk_verdict_name(verdict));
    return verdict == LOGFILE_CORRUPT ? LF_TOOL_CORRUPT : LF_TOOL_OK;
}

static int walk_to_end(struct lf_walk *walk)
{
    const struct lf_tool_segments segments = {.walk = walk};
    enum lf_step step;
    int error = lf_walk_start(walk);

    if (error == 0)
        error = lf_tool_check_segment_headers(&segments);
    if (error != 0)
        return error;
    do
        step = lf_walk_next(walk);
    while (step == LF_STEP_EPOCH || step == LF_STEP_DAMAGE);
    return step == LF_STEP_FAILED ? walk->cursor.scan.error : 0;
}

int lf_tool_stat(const struct lf_tool_args *args)
{
    struct lf_walk walk;
    uint64_t end_lsn = 0;
    int error = lf_walk_open(&walk, logfile_io_posix(), args->path);

    if (error != 0)
        return lf_tool_path_error(NULL, args->path, error);
    error = walk_to_end(&walk);
    if (error == 0)
        error = lf_file_end_lsn(&walk.cursor.file, &end_lsn);
    int status =
        error == 0 ? print_stat(&walk, end_lsn) : lf_tool_path_error(NULL, args->path, error);
    lf_walk_close(&walk);
    return status;
}
