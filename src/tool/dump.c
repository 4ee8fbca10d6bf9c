/* SPDX-License-Identifier: MIT */
/* logfile dump: every structure of a log, one a line. */
#include "tool/line.h"
#include "tool/segments.h"
#include "tool/tool.h"
#include "tool/walk.h"

#include <inttypes.h>

struct dump {
    struct lf_walk walk;
    bool json;
    bool records; /* too */
};

/* Blocks 0 to 3, with what reading them made of each.  0 or -errno. */
static int dump_prologue(struct dump *dump)
{
    const struct lf_prologue *prologue = &dump->walk.cursor.scan.prologue;
    _Alignas(LF_BLOCK_BYTES) uint8_t blocks[LF_FIRST_LSN] = {0};
    struct lf_line line;
    char chain[9];

    const ssize_t got = lf_file_read_prologue(&dump->walk.cursor.file, blocks, sizeof(blocks), 0);
    if (got < 0)
        return (int)got;
    for (unsigned i = 0; i < 2; i++) {
        const struct lf_file_header *header = (const void *)(blocks + i * LF_BLOCK_BYTES);
        lf_line_begin(&line, stdout, dump->json, ", ");
        lf_line_text(&line, "block %u: file header", i);
        lf_line_json_word(&line, "kind", "file header");
        lf_line_json_number(&line, "block", i);
        lf_line_word(&line, "checksum", prologue->header_valid[i] ? "ok" : "bad");
        lf_line_number(&line, "version", header->version);
        lf_line_number(&line, "features_refuse", header->features_refuse);
        lf_line_number(&line, "features_read_only", header->features_read_only);
        lf_line_number(&line, "features_ignore", header->features_ignore);
        lf_line_number(&line, "generation", header->generation);
        lf_line_number(&line, "block_bytes", header->block_bytes);
        lf_line_number(&line, "slot_bytes", header->slot_bytes);
        lf_line_number(&line, "segment_bytes", header->segment_bytes);
        lf_line_hex(&line, "id", header->id, sizeof(header->id));
        lf_line_hex(&line, "salt", header->salt, sizeof(header->salt));
        lf_line_number(&line, "first_lsn", header->first_lsn);
        lf_line_end(&line);
    }
    for (unsigned i = 0; i < 2; i++) {
        const struct lf_trim_mark *mark = (const void *)(blocks + (i + 2) * LF_BLOCK_BYTES);
        lf_line_begin(&line, stdout, dump->json, ", ");
        lf_line_text(&line, "block %u: trim mark", i + 2);
        lf_line_json_word(&line, "kind", "trim mark");
        lf_line_json_number(&line, "block", i + 2);
        lf_line_word(&line, "checksum", prologue->trim_valid[i] ? "ok" : "bad");
        lf_line_number(&line, "sequence", mark->sequence);
        lf_line_number(&line, "oldest_lsn", mark->oldest_lsn);
        lf_line_number(&line, "epoch", mark->epoch);
        snprintf(chain, sizeof(chain), "%08" PRIx32, mark->chain);
        lf_line_word(&line, "chain", chain);
        lf_line_number(&line, "incarnation", mark->incarnation);
        lf_line_number(&line, "promise", mark->promise);
        lf_line_number(&line, "user_bytes", mark->user_bytes);
        lf_line_end(&line);
    }
    return 0;
}

/* valid: its checksum is; whole: so is all of the epoch. */
static void print_epoch(const struct dump *dump, const struct lf_epoch_header *epoch, bool valid,
                        bool whole)
{
    static const char *const names[] = {"OPEN", "CLOSE", "END", "HEADER_CHECKSUM"};
    char flags[64] = "";
    char *to = flags;
    struct lf_line line;

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if ((epoch->flags & 1u << i) != 0)
            to += sprintf(to, "%s%s", to == flags ? "" : "|", names[i]);
    lf_line_begin(&line, stdout, dump->json, ": ");
    lf_line_text(&line, "epoch %" PRIu64, epoch->epoch);
    lf_line_json_word(&line, "kind", "epoch");
    lf_line_json_number(&line, "epoch", epoch->epoch);
    lf_line_number(&line, "lsn", epoch->lsn);
    lf_line_number(&line, "incarnation", epoch->incarnation);
    lf_line_word(&line, "flags", to == flags ? "-" : flags);
    lf_line_number(&line, "records", epoch->record_count);
    lf_line_number(&line, "length", epoch->length);
    lf_line_number(&line, "promise", epoch->promise);
    lf_line_number(&line, "time_ns", epoch->time_ns);
    lf_line_word(&line, "checksum", valid ? "ok" : "bad");
    lf_line_text(&line, "%s", valid && !whole ? ", not whole" : "");
    lf_line_json_bool(&line, "whole", whole);
    lf_line_end(&line);
}

static void print_records(const struct dump *dump)
{
    const struct lf_epoch_header *epoch = dump->walk.cursor.scan.epoch;
    uint32_t offset = LF_EPOCH_HEADER_BYTES;
    uint64_t lsn = epoch->lsn + offset;
    struct lf_record_view view;
    struct lf_line line;

    while (lf_walk_record(&dump->walk, &offset, &view)) {
        const char *type = view.type == LF_RECORD_DATA ? "DATA" : "PAD";
        lf_line_begin(&line, stdout, dump->json, "  record: ");
        lf_line_json_word(&line, "kind", "record");
        lf_line_number(&line, "lsn", lsn);
        lf_line_json_word(&line, "type", type);
        lf_line_text(&line, ", %s", type);
        lf_line_number(&line, "size", view.size);
        lf_line_end(&line);
        lsn = epoch->lsn + offset;
    }
}

/* The epoch header at which the chain breaks, where there is something like one.  0 or -errno. */
static int dump_break(struct dump *dump)
{
    _Alignas(LF_BLOCK_BYTES) uint8_t block[LF_BLOCK_BYTES] = {0};
    const struct lf_epoch_header *header = (const void *)block;
    struct lf_cursor *cursor = &dump->walk.cursor;

    const ssize_t got = lf_file_read(&cursor->file, cursor->tail.end_lsn, block, sizeof(block));
    if (got < 0)
        return (int)got;
    if (header->magic != LF_EPOCH_MAGIC)
        return 0;
    const uint32_t checksum = lf_epoch_header_checksum(header, cursor->scan.prologue.log_seed);
    print_epoch(dump, header, header->checksum == checksum, false);
    return 0;
}

/* Every epoch, every damage, and the end.  0 or an error. */
static int dump_epochs(struct dump *dump)
{
    const struct lf_findings findings = {.out = stdout, .json = dump->json, .lead = ""};
    const struct lf_tool_segments segments = {.walk = &dump->walk, .findings = &findings};
    const struct logfile_tail *tail = &dump->walk.cursor.tail;
    struct lf_line line;
    enum lf_step step;
    int error = 0;

    while ((step = lf_walk_next(&dump->walk)) == LF_STEP_EPOCH || step == LF_STEP_DAMAGE) {
        if (step == LF_STEP_EPOCH)
            print_epoch(dump, dump->walk.cursor.scan.epoch, true, true);
        else
            error = dump_break(dump);
        if (step == LF_STEP_EPOCH && dump->records)
            print_records(dump);
        if (step == LF_STEP_DAMAGE) {
            lf_line_begin(&line, stdout, dump->json, "");
            lf_line_text(&line, "damage: LSN %" PRIu64 " to %" PRIu64, tail->end_lsn,
                         lf_verdict_damage_end(tail));
            lf_line_json_word(&line, "kind", "damage");
            lf_line_json_number(&line, "from_lsn", tail->end_lsn);
            lf_line_json_number(&line, "to_lsn", lf_verdict_damage_end(tail));
            lf_line_end(&line);
        }
        if (error != 0 || ferror(stdout))
            return error;
    }
    if (step == LF_STEP_FAILED)
        return dump->walk.cursor.scan.error;
    error = lf_tool_check_segment_headers(&segments);
    if (error == 0)
        error = dump_break(dump);
    if (error != 0)
        return error;
    const char *verdict = lf_walk_verdict_name(lf_walk_verdict(&dump->walk));
    const char *repairable = lf_walk_repairable(&dump->walk);
    lf_line_begin(&line, stdout, dump->json, "");
    lf_line_text(&line, "end: LSN %" PRIu64 ", %s%s", tail->end_lsn, verdict, repairable);
    lf_line_json_word(&line, "kind", "end");
    lf_line_json_number(&line, "lsn", tail->end_lsn);
    lf_line_json_word(&line, "verdict", verdict);
    lf_line_json_bool(&line, "repairable", *repairable != '\0');
    lf_line_end(&line);
    return 0;
}

int lf_tool_dump(const struct lf_tool_args *args)
{
    struct dump dump = {.json = args->json, .records = args->records};
    int error = lf_walk_open(&dump.walk, logfile_io_posix(), args->path);

    if (error != 0)
        return lf_tool_path_error(NULL, args->path, error);
    /* A log that is refused for what comes before its first epoch still has that. */
    error = lf_walk_start(&dump.walk);
    if (error == 0 || error == LOGFILE_ECORRUPT) {
        const int unread = dump_prologue(&dump);
        if (error == 0 && unread == 0)
            error = dump_epochs(&dump);
        if (unread != 0)
            error = unread;
    }
    if (error == 0 && dump.walk.damage_count > 0)
        error = LOGFILE_ECORRUPT;
    const int status = error != 0       ? lf_tool_path_error(NULL, args->path, error)
                       : ferror(stdout) ? lf_tool_output_error()
                                        : LF_TOOL_OK;
    lf_walk_close(&dump.walk);
    return status;
}
