/* SPDX-License-Identifier: MIT */
/*
 * logfile stat: what a log is and holds, as "key: value" lines, as one JSON object, or in the text
 * format of Prometheus.  With --quick it reads blocks 0 to 3 and asks the file system, no more.
 */
#include "tool/line.h"
#include "tool/segments.h"
#include "tool/tool.h"
#include "tool/walk.h"

#include <inttypes.h>
#include <string.h>

#define FIGURES_MAX 20

struct figure {
    const char *key;
    uint64_t value;
    const char *help; /* for Prometheus */
};

struct stat_result {
    const char *path;
    char id[2 * sizeof(((struct lf_file_header *)0)->id) + 1]; /* as digits */
    const char *verdict;                                       /* NULL: not known without a walk */
    size_t count;
    struct figure figures[FIGURES_MAX];
};

static void add(struct stat_result *result, const char *key, uint64_t value, const char *help)
{
    if (result->count < FIGURES_MAX)
        result->figures[result->count++] = (struct figure){key, value, help};
}

/* Walks to the end, so that everything has been counted.  0 or an error. */
static int walk_to_end(struct lf_walk *walk)
{
    const struct lf_tool_segments segments = {.walk = walk};
    enum lf_step step;
    const int error = lf_tool_check_segment_headers(&segments);

    if (error != 0)
        return error;
    do
        step = lf_walk_next(walk);
    while (step == LF_STEP_EPOCH || step == LF_STEP_DAMAGE);
    return step == LF_STEP_FAILED ? walk->cursor.scan.error : 0;
}

/* What there is to be told of a log that has been opened.  0 or an error. */
static int take_figures(struct lf_walk *walk, bool quick, struct stat_result *result)
{
    struct lf_file *file = &walk->cursor.file;
    const struct lf_prologue *prologue = &walk->cursor.scan.prologue;
    const struct lf_trim_mark *mark = &prologue->trim;
    uint64_t end_lsn = 0;

    int error = lf_walk_start(walk);
    if (error == 0 && !quick)
        error = walk_to_end(walk);
    if (error == 0)
        error = lf_file_end_lsn(file, &end_lsn);
    if (error != 0)
        return error;
    const struct lf_layout *layout = &file->layout;
    const uint64_t first = lf_segment_index(layout, mark->oldest_lsn);
    for (size_t i = 0; i < sizeof(prologue->header.id); i++)
        snprintf(result->id + 2 * i, 3, "%02x", prologue->header.id[i]);
    add(result, "size", end_lsn - first * layout->segment_bytes,
        "Bytes of the file; of a directory, of the LSNs from its first segment on.");
    add(result, "version", prologue->header.version, "Version of the format.");
    add(result, "slot_bytes", prologue->header.slot_bytes, "The largest epoch in bytes.");
    if (lf_file_is_directory(file)) {
        const struct lf_segment_range range = lf_segments_range(&file->segments);
        add(result, "segment_bytes", layout->segment_bytes, "Bytes of a segment.");
        add(result, "first_segment", range.first, "Number of the first segment.");
        add(result, "segments", range.end - range.first, "Segments that hold the log.");
    }
    add(result, "first_lsn", prologue->header.first_lsn, "Where the log began.");
    add(result, "oldest_lsn", mark->oldest_lsn, "Where reading starts.");
    if (quick) {
        add(result, "marked_lsn", mark->promise,
            "What was durable when the mark was last written: at an opening, a trim or a close.");
        add(result, "incarnation", mark->incarnation, "Openings for appending.");
        add(result, "mark_bytes", mark->user_bytes, "Bytes kept by logfile_mark.");
        add(result, "live", walk->cursor.live, "1: a writer has the log open.");
    } else {
        add(result, "end_lsn", walk->cursor.tail.end_lsn, "The end of the last whole epoch.");
        add(result, "epochs", walk->epoch_count, "Whole epochs.");
        add(result, "records", walk->record_count, "Records in them.");
        add(result, "payload_bytes", walk->payload_bytes, "Bytes of payload in them.");
        add(result, "incarnation", walk->cursor.tail.incarnation, "Openings for appending.");
        add(result, "damages", walk->damage_count, "Ranges that cannot be read.");
        result->verdict = lf_walk_verdict_name(lf_walk_verdict(walk));
    }
    add(result, "damaged_copies", walk->damaged_copies,
        "Damaged copies of headers and marks whose other copy is whole.");
    return 0;
}

static void print_json(const struct stat_result *result)
{
    struct lf_line line;

    lf_line_begin(&line, stdout, true, "");
    lf_line_json_bytes(&line, "path", "path_base64", result->path, strlen(result->path));
    lf_line_word(&line, "id", result->id);
    for (size_t i = 0; i < result->count; i++)
        lf_line_number(&line, result->figures[i].key, result->figures[i].value);
    if (result->verdict != NULL)
        lf_line_word(&line, "verdict", result->verdict);
    lf_line_end(&line);
}

/* The path as a label's value: as one line shows it, with what the format takes for its own escaped. */
static void print_label(const char *path)
{
    fputs("{path=\"", stdout);
    for (const char *c = lf_tool_shown(path); *c != '\0'; c++) {
        if (*c == '\\' || *c == '"')
            putchar('\\');
        putchar(*c);
    }
    putchar('"');
}

static void print_prometheus(const struct stat_result *result)
{
    for (size_t i = 0; i < result->count; i++) {
        const struct figure *figure = &result->figures[i];
        const char *unit = strcmp(figure->key, "size") == 0 ? "_bytes" : "";
        printf("# HELP logfile_%s%s %s\n", figure->key, unit, figure->help);
        printf("# TYPE logfile_%s%s gauge\n", figure->key, unit);
        printf("logfile_%s%s", figure->key, unit);
        print_label(result->path);
        printf("} %" PRIu64 "\n", figure->value);
    }
    puts("# HELP logfile_info The log's identity.\n# TYPE logfile_info gauge");
    fputs("logfile_info", stdout);
    print_label(result->path);
    printf(",id=\"%s\"} 1\n", result->id);
    if (result->verdict == NULL)
        return;
    puts("# HELP logfile_verdict 1: what a check of the log says of it.\n"
         "# TYPE logfile_verdict gauge");
    for (enum logfile_verdict verdict = LOGFILE_CLEAN; verdict <= LOGFILE_LIVE; verdict++) {
        const char *name = lf_walk_verdict_name(verdict);
        fputs("logfile_verdict", stdout);
        print_label(result->path);
        printf(",verdict=\"%s\"} %d\n", name, strcmp(name, result->verdict) == 0);
    }
}

int lf_tool_stat(const struct lf_tool_args *args)
{
    struct stat_result result = {.path = args->path};
    struct lf_walk walk;
    int error = lf_walk_open(&walk, logfile_io_posix(), args->path);
    int status = LF_TOOL_OK;

    if (error != 0)
        return lf_tool_path_error(NULL, args->path, error);
    error = take_figures(&walk, args->quick, &result);
    if (error != 0) {
        status = lf_tool_path_error(NULL, args->path, error);
    } else if (args->prometheus) {
        print_prometheus(&result);
    } else if (args->json) {
        print_json(&result);
    } else {
        for (size_t i = 0; i < result.count; i++) {
            printf("%s: %" PRIu64 "\n", result.figures[i].key, result.figures[i].value);
            if (i == 0)
                printf("id: %s\n", result.id);
        }
        if (result.verdict != NULL)
            printf("verdict: %s\n", result.verdict);
    }
    if (error == 0 && lf_walk_verdict(&walk) == LOGFILE_CORRUPT)
        status = LF_TOOL_CORRUPT;
    lf_walk_close(&walk);
    return status;
}
