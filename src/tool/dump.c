/* SPDX-License-Identifier: MIT */
/* logfile dump: every structure of a log, one a line. */
#include "tool/segments.h"
#include "tool/tool.h"
#include "tool/walk.h"

#include <inttypes.h>

static const char *yes_no(bool ok)
{
    return ok ? "ok" : "bad";
}

static void print_file_header(unsigned number, const void *block, bool valid)
{
    const struct lf_file_header *header = block;

    printf("block %u: file header, checksum %s, version %" PRIu32 ", features %#" PRIx64
           " %#" PRIx64 " %#" PRIx64 ", generation %" PRIu64 ", block_bytes %" PRIu32
           ", slot_bytes %" PRIu64 ", segment_bytes %" PRIu64 ", id ",
           number, yes_no(valid), header->version, header->features_refuse,
           header->features_read_only, header->features_ignore, header->generation,
           header->block_bytes, header->slot_bytes, header->segment_bytes);
    lf_tool_print_hex(header->id, sizeof(header->id));
    fputs(", salt ", stdout);
    lf_tool_print_hex(header->salt, sizeof(header->salt));
    printf(", first_lsn %" PRIu64 "\n", header->first_lsn);
}

static void print_trim_mark(unsigned number, const void *block, bool valid)
{
    const struct lf_trim_mark *mark = block;

    printf("block %u: trim mark, checksum %s, sequence %" PRIu64 ", oldest_lsn %" PRIu64
           ", epoch %" PRIu64 ", chain %08" PRIx32 ", incarnation %" PRIu32 ", promise %" PRIu64
           ", user_bytes %" PRIu32 "\n",
           number, yes_no(valid), mark->sequence, mark->oldest_lsn, mark->epoch, mark->chain,
           mark->incarnation, mark->promise, mark->user_bytes);
}

static void print_flags(uint32_t flags)
{
    static const char *const names[] = {"OPEN", "CLOSE", "END", "HEADER_CHECKSUM"};
    const char *separator = "";

    fputs(", flags ", stdout);
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((flags & 1u << i) != 0) {
            printf("%s%s", separator, names[i]);
            separator = "|";
        }
    }
    if (*separator == '\0')
        putchar('-');
}

/* `state` says what the scanner made of it. */
static void print_epoch(const struct lf_epoch_header *epoch, const char *state)
{
    printf("epoch %" PRIu64 ": lsn %" PRIu64 ", incarnation %" PRIu32, epoch->epoch, epoch->lsn,
           epoch->incarnation);
    print_flags(epoch->flags);
    printf(", records %" PRIu32 ", length %" PRIu32 ", promise %" PRIu64 ", time_ns %" PRIu64
           ", %s\n",
           epoch->record_count, epoch->length, epoch->promise, epoch->time_ns, state);
}

static void print_records(const struct lf_walk *walk)
{
    uint32_t offset = LF_EPOCH_HEADER_BYTES;
    uint64_t lsn = walk->cursor.scan.epoch->lsn + offset;
    struct lf_record_view view;

    while (lf_walk_record(walk, &offset, &view)) {
        printf("  record: lsn %" PRIu64 ", %s, size %" PRIu32 "\n", lsn,
               view.type == LF_RECORD_DATA ? "DATA" : "PAD", view.size);
        lsn = walk->cursor.scan.epoch->lsn + offset;
    }
}

/* Blocks 0 to 3, with what reading them made of each. */
static int dump_prologue(struct lf_walk *walk)
{
    const struct lf_prologue *prologue = &walk->cursor.scan.prologue;
    _Alignas(LF_BLOCK_BYTES) uint8_t blocks[LF_FIRST_LSN] = {0};
    ssize_t got = lf_file_read_prologue(&walk->cursor.file, blocks, sizeof(blocks), 0);

    if (got < 0)
        return (int)got;
    for (unsigned i = 0; i < 2; i++)
        print_file_header(i, blocks + i * LF_BLOCK_BYTES, prologue->header_valid[i]);
    for (unsigned i = 0; i < 2; i++)
        print_trim_mark(i + 2, blocks + (i + 2) * LF_BLOCK_BYTES, prologue->trim_valid[i]);
    return 0;
}

/* The epoch header at which the chain breaks, where there is something like one. */
static int dump_break(struct lf_walk *walk)
{
    _Alignas(LF_BLOCK_BYTES) uint8_t block[LF_BLOCK_BYTES] = {0};
    const struct lf_epoch_header *header = (const void *)block;
    ssize_t got = lf_file_read(&walk->cursor.file, walk->cursor.tail.end_lsn, block, sizeof(block));

    if (got < 0)
        return (int)got;
    if (header->magic != LF_EPOCH_MAGIC)
        return 0;
    bool valid =
        header->checksum == lf_epoch_header_checksum(header, walk->cursor.scan.prologue.log_seed);
    print_epoch(header, valid ? "checksum ok, not whole" : "checksum bad");
    return 0;
}

static int dump_damage(struct lf_walk *walk)
{
    int error = dump_break(walk);

    printf("damage: LSN %" PRIu64 " to %" PRIu64 "\n", walk->cursor.tail.end_lsn,
           lf_verdict_damage_end(&walk->cursor.tail));
    return error;
}

static int dump_end(struct lf_walk *walk)
{
    int error = dump_break(walk);

    printf("end: LSN %" PRIu64 ", %s%s\n", walk->cursor.tail.end_lsn,
           lf_walk_verdict_name(lf_walk_verdict(walk)), lf_walk_repairable(walk));
    return error;
}

static int dump_step(struct lf_walk *walk, enum lf_step step, bool records)
{
    if (step == LF_STEP_DAMAGE)
        return dump_damage(walk);
    print_epoch(walk->cursor.scan.epoch, "checksum ok");
    if (records)
        print_records(walk);
    return 0;
}

static int dump_epochs(struct lf_walk *walk, bool records)
{
    enum lf_step step;

    while ((step = lf_walk_next(walk)) == LF_STEP_EPOCH || step == LF_STEP_DAMAGE) {
        int error = dump_step(walk, step, records);
        if (error != 0 || ferror(stdout))
            return error;
    }
    if (step == LF_STEP_FAILED)
        return walk->cursor.scan.error;
    const struct lf_tool_segments segments = {.walk = walk, .lead = "", .out = stdout};
    int error = lf_tool_check_segment_headers(&segments);
    return error == 0 ? dump_end(walk) : error;
}

static int dump_log(struct lf_walk *walk, bool records)
{
    int error = lf_walk_start(walk);

    if (error != 0 && error != LOGFILE_ECORRUPT)
        return error;
    int unread = dump_prologue(walk);
    if (error != 0 || unread != 0)
        return unread != 0 ? unread : error;
    error = dump_epochs(walk, records);
    return error == 0 && walk->damage_count > 0 ? LOGFILE_ECORRUPT : error;
}

int lf_tool_dump(const struct lf_tool_args *args)
{
    struct lf_walk walk;
    int error = lf_walk_open(&walk, logfile_io_posix(), args->path);

    if (error != 0)
        return lf_tool_path_error(NULL, args->path, error);
    error = dump_log(&walk, args->records);
    int status = error != 0       ? lf_tool_path_error(NULL, args->path, error)
                 : ferror(stdout) ? lf_tool_output_error()
                                  : LF_TOOL_OK;
    lf_walk_close(&walk);
    return status;
}
