/* SPDX-License-Identifier: MIT */
/*
 * Disks that cannot give a block: each block of each file of a small log in turn reads as EIO.
 *   - salvage gets every record that has no byte in that block, in order, and nothing else; it names the
 *     block, and exits with 0 only if no record can be in it;
 *   - a reader ends with the error, and never as if the log ended there;
 *   - verify gives no verdict, and goes on to the end.
 * The logs are one file or segments, closed or not, trimmed or not, with payloads covered or not.
 */
#include "format/format.h"
#include "io_stack.h"
#include "support.h"
#include "tool/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_PATH "/log"
#define COPY_PATH "/copy"

enum {
    GROUPS = 10,
    GROUP_RECORDS = 5,
    RECORDS = GROUPS * GROUP_RECORDS,
    TRIMMED_GROUPS = 3,
    RECORD_BYTES_MAX = 9000,
    SLOT_BYTES = 32 << 10,
    SEGMENT_BYTES = 88 << 10,
    BLOCK = LF_BLOCK_BYTES,
    FDS = 2048, /* of the disk, which counts from 1000 */
    NAME_BYTES = 64
};

/* Of each epoch: in one block, over the edge of two, and over several. */
static const size_t sizes[GROUP_RECORDS] = {10, 3000, 0, RECORD_BYTES_MAX, 1500};

static struct kind {
    bool segments, open, trimmed, header_only;
} kind;

static struct logfile_sim *disk;
static uint64_t lsns[RECORDS];
static unsigned first_record; /* that is kept */

/* ---- The disk with a bad block ----------------------------------------------------------------*/

static struct bad_disk {
    struct io_layer layer;
    char name[NAME_BYTES]; /* of the file, without its directory */
    uint64_t block;        /* of that file; UINT64_MAX: none is bad */
    bool is_open[FDS];     /* the file, by that descriptor */
    unsigned hits;
    unsigned hits_max; /* from then on it can be read */
} bad;

static bool is_bad(const struct io_call *call)
{
    const uint64_t start = bad.block * BLOCK;

    return bad.block != UINT64_MAX && bad.is_open[call->fd] && call->offset < start + BLOCK &&
           start < call->offset + call->bytes;
}

static bool fail_to_read(void *arg, struct io_call *call)
{
    (void)arg;
    call->result = -EIO;
    return call->call == LOGFILE_SIM_READ && is_bad(call) && bad.hits++ < bad.hits_max;
}

static void note_open(void *arg, struct io_call *call)
{
    (void)arg;
    if (call->call != LOGFILE_SIM_OPEN || call->result < 0)
        return;
    const char *slash = strrchr(call->name, '/');
    ck_assert_int_lt(call->result, FDS);
    bad.is_open[call->result] = strcmp(slash != NULL ? slash + 1 : call->name, bad.name) == 0;
}

static void use_bad_disk(const char *name, uint64_t block)
{
    memset(&bad, 0, sizeof bad);
    io_layer_init(&bad.layer, logfile_sim_io(disk));
    bad.layer.before = fail_to_read;
    bad.layer.after = note_open;
    bad.block = block;
    bad.hits_max = UINT32_MAX;
    snprintf(bad.name, sizeof bad.name, "%s", name);
}

/* ---- The logs ---------------------------------------------------------------------------------*/

static void append_groups(struct logfile *log)
{
    uint8_t payload[RECORD_BYTES_MAX];

    for (unsigned i = 0; i < RECORDS; i++) {
        payload_fill(payload, sizes[i % GROUP_RECORDS], i);
        ck_assert_int_eq(logfile_submit(log, payload, sizes[i % GROUP_RECORDS], NULL, &lsns[i]), 0);
        if (i % GROUP_RECORDS == GROUP_RECORDS - 1)
            ck_assert_int_eq(logfile_sync(log, NULL), 0);
    }
}

static void make_log(void)
{
    const struct logfile_lab lab = {.flusher = LOGFILE_FLUSHER_LEADER,
                                    .checksum = kind.header_only ? LOGFILE_CHECKSUM_HEADER
                                                                 : LOGFILE_CHECKSUM_FULL};
    struct logfile_options options = {.slot_bytes = SLOT_BYTES,
                                      .prepare_bytes = 16 << 10,
                                      .segment_bytes = kind.segments ? SEGMENT_BYTES : 0,
                                      .lab = &lab};
    struct logfile_sim *first = logfile_sim_new(NULL);
    struct logfile *log;

    ck_assert_ptr_nonnull(first);
    options.io = logfile_sim_io(first);
    ck_assert_int_eq(logfile_open(LOG_PATH, &options, NULL, &log), 0);
    append_groups(log);
    first_record = kind.trimmed ? TRIMMED_GROUPS * GROUP_RECORDS : 0;
    if (kind.trimmed)
        ck_assert_int_eq(logfile_trim(log, lsns[first_record]), 0);
    disk = logfile_sim_clone(first);
    ck_assert_int_eq(logfile_close(log), 0);
    if (!kind.open) {
        logfile_sim_free(disk);
        disk = logfile_sim_clone(first);
    }
    ck_assert_ptr_nonnull(disk);
    logfile_sim_free(first);
}

/* Whether the record has a byte in the bad block. */
static bool is_lost(unsigned record)
{
    const uint64_t from = lsns[record];
    const uint64_t to = from + LF_RECORD_HEADER_BYTES + sizes[record % GROUP_RECORDS];
    uint64_t start = bad.block * BLOCK;

    if (kind.segments && strcmp(bad.name, "control") == 0)
        return false;
    if (kind.segments)
        start += strtoull(bad.name, NULL, 16) * SEGMENT_BYTES;
    return from < start + BLOCK && start < to;
}

/* ---- What must hold ---------------------------------------------------------------------------*/

static void check_record(const struct logfile_record *record, unsigned number, const char *who)
{
    ck_assert_msg(number < RECORDS && record->size == sizes[number % GROUP_RECORDS] &&
                      payload_matches(record->data, record->size, number),
                  "%s, %s block %" PRIu64 ": not record %u", who, bad.name, bad.block, number);
}

static void check_reader(void)
{
    struct logfile_reader *reader;
    struct logfile_record record;
    unsigned number = first_record;
    int found = logfile_reader_open(LOG_PATH, READING(.io = &bad.layer.io), &reader);

    if (found == 0) {
        while ((found = logfile_reader_next(reader, &record)) == 1)
            check_record(&record, number++, "reader");
        logfile_reader_close(reader);
    }
    ck_assert_msg(found == -EIO || (found == 0 && number == RECORDS),
                  "reader, %s block %" PRIu64 ": %s after %u records", bad.name, bad.block,
                  logfile_strerror(found), number - first_record);
}

static void check_verify(void)
{
    char *report = NULL;
    size_t bytes;
    FILE *out = open_memstream(&report, &bytes);

    ck_assert_ptr_nonnull(out);
    bad.hits = 0;
    const int status = lf_tool_verify_log(&bad.layer.io, LOG_PATH, out);
    fclose(out);
    ck_assert_msg(bad.hits == 0 || status == LF_TOOL_FAILED, "verify, %s block %" PRIu64 ": %d, %s",
                  bad.name, bad.block, status, report);
    if (bad.hits > 0)
        ck_assert_msg(strstr(report, " cannot be read: Input/output error") != NULL &&
                          strstr(report, "repaired") == NULL,
                      "verify, %s block %" PRIu64 ": %s", bad.name, bad.block, report);
    free(report);
}

static void check_copy(struct logfile_sim *to)
{
    struct logfile_reader *reader;
    struct logfile_record record;
    unsigned number = first_record;
    int found;

    ck_assert_int_eq(logfile_reader_open(COPY_PATH, READING(.io = logfile_sim_io(to)), &reader), 0);
    while ((found = logfile_reader_next(reader, &record)) == 1) {
        /* Without its mark a trimmed log begins with what was not given back. */
        while (number < RECORDS && is_lost(number))
            number++;
        check_record(&record, number++, "salvage");
    }
    while (number < RECORDS && is_lost(number))
        number++;
    ck_assert_msg(found == 0 && number == RECORDS, "salvage, %s block %" PRIu64 ": %u of %d",
                  bad.name, bad.block, number, RECORDS);
    logfile_reader_close(reader);
}

static void check_salvage(void)
{
    struct logfile_sim *to = logfile_sim_new(NULL);
    struct lf_tool_salvage what = {
        .from = &bad.layer.io, .path = LOG_PATH, .to = logfile_sim_io(to), .output = COPY_PATH};
    FILE *out = tmpfile();

    ck_assert(to != NULL && out != NULL);
    bad.hits = 0;
    const int status = lf_tool_salvage_log(&what, out);
    const bool may_lose = bad.hits > 0 && bad.block >= LF_FIRST_LSN / BLOCK;
    ck_assert_msg(status == (may_lose ? LF_TOOL_FAILED : LF_TOOL_OK),
                  "salvage, %s block %" PRIu64 ": status %d", bad.name, bad.block, status);
    check_copy(to);
    fclose(out);
    logfile_sim_free(to);
}

static void check_file(const char *name)
{
    char path[2 * NAME_BYTES];

    snprintf(path, sizeof path, kind.segments ? LOG_PATH "/%s" : "%s",
             kind.segments ? name : LOG_PATH);
    const uint64_t blocks = logfile_sim_file_bytes(disk, path) / BLOCK;
    for (uint64_t block = 0; block < blocks; block++) {
        use_bad_disk(name, block);
        check_reader();
        check_verify();
        check_salvage();
        ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
    }
}

struct names {
    char name[16][NAME_BYTES];
    unsigned count;
};

static void add_name(void *arg, const char *name)
{
    struct names *names = arg;

    ck_assert_uint_lt(names->count, 16);
    snprintf(names->name[names->count++], NAME_BYTES, "%s", name);
}

/* Loop test: each kind. */
START_TEST(each_block_costs_no_more_than_what_is_in_it)
{
    struct names names = {.name = {"log"}, .count = 1};

    kind = (struct kind){(_i & 1) != 0, (_i & 2) != 0, (_i & 4) != 0, (_i & 8) != 0};
    make_log();
    if (kind.segments) {
        names.count = 0;
        logfile_sim_list(disk, LOG_PATH, add_name, &names);
    }
    for (unsigned i = 0; i < names.count; i++)
        check_file(names.name[i]);
    logfile_sim_free(disk);
}
END_TEST

/* A block that comes at the second time is no bad one. */
START_TEST(a_block_is_tried_again)
{
    kind = (struct kind){.segments = _i == 1};
    make_log();
    for (uint64_t block = 0; block < 10; block++) {
        struct logfile_sim *to = logfile_sim_new(NULL);
        struct lf_tool_salvage what = {
            .from = &bad.layer.io, .path = LOG_PATH, .to = logfile_sim_io(to), .output = COPY_PATH};
        FILE *out = tmpfile();
        ck_assert_ptr_nonnull(out);
        use_bad_disk(kind.segments ? "0000000000000001.segment" : "log", block);
        bad.hits_max = 2;
        ck_assert_int_eq(lf_tool_salvage_log(&what, out), LF_TOOL_OK);
        ck_assert(bad.hits > 0 || (kind.segments && block < LF_FIRST_LSN / BLOCK));
        bad.block = UINT64_MAX; /* nothing is lost */
        check_copy(to);
        fclose(out);
        logfile_sim_free(to);
    }
    logfile_sim_free(disk);
}
END_TEST

static Suite *bad_blocks_suite(void)
{
    Suite *suite = suite_create("bad blocks");
    TCase *tcase = tcase_create("bad blocks");

    tcase_set_timeout(tcase, (double)scaled(120, 300, 3600));
    tcase_add_loop_test(tcase, each_block_costs_no_more_than_what_is_in_it, 0, 16);
    tcase_add_loop_test(tcase, a_block_is_tried_again, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    /* Thousands of disks are made and freed: what the heap gives back is zeroed by the kernel again. */
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    return run_suite(bad_blocks_suite());
}
