/* SPDX-License-Identifier: MIT */
#include "fuzz_target.h"

#include "fuzz_input.h"
#include "fuzz_meter.h"
#include "logfile_lab.h"
#include "format/record.h"
#include "tool/tool.h"
#include "read/window.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Most blocks are read twice to be sure that the log ends here, once to see whether it does so
 * elsewhere, and verify is not among these. */
#define FUZZ_READ_FACTOR 12
#define FUZZ_READ_BYTES (16 * (uint64_t)LF_BLOCK_BYTES)
/* What a reader takes, with the user's bytes of the trim mark, and the names of its files. */
#define FUZZ_READER_BYTES 12288u

static struct fuzz_most most;

struct fuzz_most fuzz_target_most(void)
{
    return most;
}

#define MUST(holds, ...)                                                                           \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fprintf(stderr, "\n");                                                                 \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* ---- The largest epoch that is whole --------------------------------------------------------- */

struct whole {
    struct lf_layout layout;
    uint32_t log_seed;
    uint64_t largest_bytes;
    uint64_t all_bytes;
};

static bool records_are_whole(const struct lf_epoch_header *header, uint32_t log_seed)
{
    const bool header_only = (header->flags & LF_EPOCH_HEADER_CHECKSUM) != 0;
    struct lf_chain chain = {.log_seed = log_seed};
    struct lf_record_place place = {.epoch = header->epoch, .offset = LF_EPOCH_HEADER_BYTES};
    struct lf_record_view view;

    lf_chain_begin(&chain, header->incarnation, header->nonce);
    for (place.seed = chain.record_seed; place.offset < header->length; place.offset = view.next)
        if (!lf_record_decode(header, header->length, &place, header_only, &view))
            return false;
    return true;
}

static void look_at_block(struct whole *whole, const struct memory_file *file, uint64_t at,
                          uint64_t lsn)
{
    const struct lf_epoch_header *header = (const void *)(file->bytes + at);

    if (!lf_epoch_header_check(header, whole->log_seed, &whole->layout, lsn) ||
        lf_epoch_extent(header) > file->size - at || !records_are_whole(header, whole->log_seed))
        return;
    whole->all_bytes += lf_epoch_extent(header);
    if (lf_epoch_extent(header) > whole->largest_bytes)
        whole->largest_bytes = lf_epoch_extent(header);
}

/* The LSN of a file's first byte; false: it has no epochs. */
static bool start_of(const struct whole *whole, const struct memory_file *file, uint64_t *lsn)
{
    uint64_t index = 0;

    if (whole->layout.segment_bytes != 0 &&
        sscanf(file->name, MEMORY_PATH "/%16" SCNx64 ".segment", &index) != 1)
        return false;
    *lsn = index * whole->layout.segment_bytes;
    return true;
}

static struct whole look_at_all(struct memory_disk *disk, const struct lf_file_header *header)
{
    struct whole whole = {lf_header_layout(header), lf_log_seed(header), 0, 0};
    uint64_t lsn;

    for (unsigned i = 0; i < MEMORY_FILES_MAX; i++) {
        const struct memory_file *file = &disk->files[i];
        if (!file->linked || !start_of(&whole, file, &lsn))
            continue;
        for (uint64_t at = LF_FIRST_LSN; at + LF_BLOCK_BYTES <= file->size; at += LF_BLOCK_BYTES)
            look_at_block(&whole, file, at, lsn + at);
    }
    return whole;
}

/* By the copy of the file header that counts; nothing is whole without one. */
static struct whole find_whole(struct memory_disk *disk)
{
    const struct memory_file *file =
        memory_disk_find(disk, disk->is_directory ? MEMORY_PATH "/control" : MEMORY_PATH);
    _Alignas(8) uint8_t blocks[2 * LF_BLOCK_BYTES] = {0};

    if (file == NULL)
        return (struct whole){0};
    memcpy(blocks, file->bytes, file->size < sizeof(blocks) ? file->size : sizeof(blocks));
    for (unsigned copy = 0; copy < 2; copy++)
        if (lf_file_header_check(blocks + copy * LF_BLOCK_BYTES) == 0)
            return look_at_all(disk, (const void *)(blocks + copy * LF_BLOCK_BYTES));
    return (struct whole){0};
}

/* ---- Reading --------------------------------------------------------------------------------- */

struct reading {
    int error; /* of opening; LOGFILE_ECORRUPT: of the first break too */
    enum logfile_verdict verdict;
    uint64_t record_count; /* up to the first break */
    uint64_t digest;       /* of these records */
    uint64_t break_count;
    bool was_appended; /* the last record is the one that append_record appends */
};

static const char later[] = "appended behind what was there";

static uint64_t mix(uint64_t digest, const void *bytes, size_t count)
{
    const uint8_t *byte = bytes;

    while (count-- > 0)
        digest = (digest ^ *byte++) * UINT64_C(1099511628211);
    return digest;
}

static uint64_t mix_record(uint64_t digest, const struct logfile_record *record)
{
    digest = mix(digest, &record->lsn, sizeof(record->lsn));
    digest = mix(digest, &record->size, sizeof(record->size));
    return mix(digest, record->data, record->size);
}

static bool is_later(const struct logfile_record *record)
{
    return record->size == sizeof(later) && memcmp(record->data, later, sizeof(later)) == 0;
}

/* Reads up to a break or the end.  `limit`: of records to take into account. */
static int read_on(struct logfile_reader *reader, uint64_t *lsn, struct reading *reading,
                   uint64_t limit)
{
    struct logfile_record record;
    int found;

    while ((found = logfile_reader_next(reader, &record)) == 1) {
        MUST(record.lsn > *lsn, "LSN %" PRIu64 " behind %" PRIu64, record.lsn, *lsn);
        *lsn = record.lsn;
        if (reading->break_count == 0 && reading->record_count < limit)
            reading->digest = mix_record(reading->digest, &record);
        reading->record_count += reading->break_count == 0;
        reading->was_appended = is_later(&record);
    }
    MUST(found == 0 || found == LOGFILE_ECORRUPT, "next: %d", found);
    return found;
}

static bool skip(struct logfile_reader *reader)
{
    const int error = logfile_reader_skip(reader);

    MUST(error == 0 || error == -ENOENT, "skip: %d", error);
    return error == 0;
}

static void read_all(struct logfile_reader *reader, struct reading *reading, uint64_t limit)
{
    struct logfile_tail tail;
    uint64_t lsn = 0;
    bool go_on = true;

    while (go_on) {
        const int found = read_on(reader, &lsn, reading, limit);
        MUST(logfile_reader_tail(reader, &tail, sizeof tail) == 0, "no tail");
        MUST((found != 0) == (tail.verdict == LOGFILE_CORRUPT), "verdict %d", tail.verdict);
        if (reading->break_count++ == 0)
            reading->verdict = tail.verdict;
        go_on = found != 0 && skip(reader);
    }
}

static bool may_refuse_to_open(int error)
{
    return error == LOGFILE_EFORMAT || error == LOGFILE_ECORRUPT || error == -ENOENT ||
           error == -EISDIR;
}

static struct reading read_disk(struct memory_disk *disk, uint64_t limit)
{
    struct logfile_reader *reader = NULL;
    struct reading reading = {0};

    reading.error = logfile_reader_open(MEMORY_PATH,
                                        &(struct logfile_reader_options){.io = &disk->io}, &reader);
    if (reading.error != 0) {
        MUST(may_refuse_to_open(reading.error), "reader: %d", reading.error);
        return reading;
    }
    read_all(reader, &reading, limit);
    logfile_reader_close(reader);
    if (reading.verdict == LOGFILE_CORRUPT)
        reading.error = LOGFILE_ECORRUPT;
    return reading;
}

static void check_costs(struct memory_disk *disk)
{
    const struct whole whole = find_whole(disk);
    const uint64_t file_bytes = memory_disk_bytes(disk);
    const uint64_t eighth =
        whole.all_bytes / 8 < LF_WINDOW_BYTES_MAX ? whole.all_bytes / 8 : LF_WINDOW_BYTES_MAX;
    const size_t window = (size_t)whole.largest_bytes + LF_WINDOW_BYTES_MIN;
    const size_t bound = (eighth > window ? eighth : window) + FUZZ_READER_BYTES;
    const double factor =
        ((double)disk->read_bytes - (double)FUZZ_READ_BYTES) / ((double)file_bytes + 1);

    if (factor > most.read_factor)
        most.read_factor = factor;
    if (fuzz_meter_peak() > window && fuzz_meter_peak() - window > most.window_bytes)
        most.window_bytes = fuzz_meter_peak() - window;
    MUST(factor <= FUZZ_READ_FACTOR, "%" PRIu64 " bytes read of %" PRIu64, disk->read_bytes,
         file_bytes);
    MUST(fuzz_meter_peak() <= bound, "%zu bytes of memory, with %" PRIu64 " in the largest epoch",
         fuzz_meter_peak(), whole.largest_bytes);
    MUST(fuzz_meter_held() <= 0, "%td bytes of memory not given back", fuzz_meter_held());
}

/* verify says no better of a log than the reader does.  What is no log it would complain of on
 * standard error. */
static void check_verify(struct memory_disk *disk, const struct reading *reading, FILE *out)
{
    if (reading->error != 0 && reading->error != LOGFILE_ECORRUPT)
        return;
    const int status = lf_tool_verify_log(&disk->io, MEMORY_PATH, out);
    if (reading->error == LOGFILE_ECORRUPT)
        MUST(status == LF_TOOL_CORRUPT, "verify: %d of a corrupt log", status);
    else
        MUST(status == LF_TOOL_CORRUPT ||
                 status == (reading->verdict == LOGFILE_CLEAN ? LF_TOOL_OK : LF_TOOL_TORN),
             "verify: %d of a log with the verdict %d", status, reading->verdict);
}

/* ---- Disks that are used again and again ------------------------------------------------------ */

static struct memory_disk *new_disk(void)
{
    struct memory_disk *disk = malloc(sizeof(*disk));

    MUST(disk != NULL, "no memory");
    memory_disk_init(disk, false);
    return disk;
}

static FILE *open_nowhere(void)
{
    FILE *nowhere = fopen("/dev/null", "w");

    MUST(nowhere != NULL, "no /dev/null");
    return nowhere;
}

void fuzz_target_reader(const uint8_t *data, size_t size)
{
    static struct memory_disk *disk;
    static FILE *nowhere;

    if (disk == NULL) {
        disk = new_disk();
        nowhere = open_nowhere();
    }
    fuzz_input_decode(data, size, disk);
    fuzz_meter_start();
    const struct reading reading = read_disk(disk, UINT64_MAX);
    check_costs(disk);
    check_verify(disk, &reading, nowhere);
    MUST(disk->change_count == 0, "a reader has changed the log");
}

/* ---- Opening for appending ------------------------------------------------------------------- */

static int open_disk(struct memory_disk *disk, struct logfile **log)
{
    const struct logfile_options options = {
        .lab = &(struct logfile_lab){.engine = LOGFILE_ENGINE_SERIAL},
        .prepare = LOGFILE_PREPARE_NONE,
        .prepare_bytes = LF_BLOCK_BYTES,
        .open_flags = LOGFILE_OPEN_EXISTING,
        .io = &disk->io};

    return logfile_open(MEMORY_PATH, &options, NULL, log);
}

/* Whether it could be appended to and was closed; a log may have come to the end of all numbers. */
static bool append_record(struct memory_disk *disk, int *error)
{
    struct logfile *log = NULL;

    *error = open_disk(disk, &log);
    if (*error != 0)
        return false;
    const int appended = logfile_append(log, later, sizeof(later), NULL);
    const int closed = logfile_close(log);
    MUST(closed == 0 || appended != 0, "close: %d", closed);
    return appended == 0;
}

/* By a feature of its header, which opening for append asks first. */
static bool can_only_be_read(struct memory_disk *disk)
{
    const struct memory_file *file =
        memory_disk_find(disk, disk->is_directory ? MEMORY_PATH "/control" : MEMORY_PATH);

    for (size_t at = 0; file != NULL && at < 2 * LF_BLOCK_BYTES; at += LF_BLOCK_BYTES) {
        const struct lf_file_header *header = (const void *)(file->bytes + at);
        if (at + LF_BLOCK_BYTES <= file->size && header->features_read_only != 0 &&
            lf_file_header_judge(header) == LF_HEADER_VALID)
            return true;
    }
    return false;
}

void fuzz_target_recover(const uint8_t *data, size_t size)
{
    static struct memory_disk *disk, *before;
    int error;

    if (disk == NULL) {
        disk = new_disk();
        before = new_disk();
    }
    fuzz_input_decode(data, size, disk);
    memory_disk_copy(before, disk);
    const struct reading was = read_disk(before, UINT64_MAX);
    const bool appended = append_record(disk, &error);
    MUST(was.error == 0 || error == was.error ||
             (error == LOGFILE_EFORMAT && can_only_be_read(before)),
         "open: %d, reader: %d", error, was.error);
    if (error == LOGFILE_ECORRUPT || error == LOGFILE_EFORMAT || error == -EOVERFLOW)
        MUST(memory_disk_equals(disk, before), "refused, and changed");
    const struct reading is = read_disk(disk, was.record_count);
    MUST(is.record_count >= was.record_count && is.digest == was.digest,
         "%" PRIu64 " records were readable, and are not any more", was.record_count);
    if (appended)
        MUST(is.error == 0 && is.verdict == LOGFILE_CLEAN && is.was_appended &&
                 is.record_count == was.record_count + 1,
             "an acknowledged record is lost: verdict %d, error %d", is.verdict, is.error);
}
