/* SPDX-License-Identifier: MIT */
/* logfile cat: prints records. */
#include "read/reader.h"
#include "storage/message.h"
#include "tool/tool.h"

static bool print_record(const struct logfile_record *record, bool raw)
{
    return fwrite(record->data, 1, record->size, stdout) == record->size &&
           (raw || putchar('\n') != EOF);
}

/* What logfile_reader_next ended with, or 1: standard output failed. */
static int print_all(struct logfile_reader *reader, bool raw)
{
    struct logfile_record record;
    int found;

    do
        found = logfile_reader_next(reader, &record);
    while (found == 1 && print_record(&record, raw));
    return found;
}

static int report_damage(const char *path, struct logfile_reader *reader)
{
    struct logfile_tail tail;
    int error = logfile_reader_tail(reader, &tail, sizeof tail);

    if (error != 0)
        return lf_tool_error(path, error);
    lf_tool_report_damage(path, reader, &tail, LF_MESSAGE_SALVAGE);
    return LF_TOOL_CORRUPT;
}

static int print_log(const char *path, struct logfile_reader *reader, bool raw)
{
    int end = print_all(reader, raw);

    lf_tool_report_unsynced(path, reader);
    if (end == 0)
        return LF_TOOL_OK;
    if (end == 1)
        return lf_tool_output_error();
    return end == LOGFILE_ECORRUPT ? report_damage(path, reader) : lf_tool_error(path, end);
}

int lf_tool_cat(const struct lf_tool_args *args)
{
    struct logfile_reader *reader;
    int error = logfile_reader_open(
        args->path, &(struct logfile_reader_options){.lsn = args->from_lsn}, &reader);

    if (error != 0)
        return lf_tool_path_error(NULL, args->path, error);
    reader->cursor.takes_unsynced = true;
    int status = print_log(args->path, reader, args->raw);
    logfile_reader_close(reader);
    return status;
}
