/* SPDX-License-Identifier: MIT */
/*
 * Salvage of logs that have lost what stands before their first epoch.  Each log, in one file or in
 * segments, trimmed or not, loses each of it in turn; what comes out is every record that was there, or
 * more of those that had been trimmed where the trim mark is what was lost.
 */
#include "format/checksum.h"
#include "format/format.h"
#include "support.h"
#include "tool/headless.h"
#include "tool/tool.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    RECORDS = 60,
    TRIMMED = 40, /* records below this one may be gone */
    RECORD_BYTES = 3000,
    SLOT_BYTES = 8 << 10,
    SEGMENT_BYTES = 44 << 10,
    BLOCK = LF_BLOCK_BYTES
};

static char *report;
static size_t report_bytes;

static void setup(void)
{
    enter_folder();
}

static void teardown(void)
{
    free(report);
    report = NULL;
    leave_folder();
}

/* ---- Logs -------------------------------------------------------------------------------------*/

struct kind {
    const char *name;
    bool is_directory, is_trimmed;
};

static const struct kind kinds[] = {
    {"one file", false, false},
    {"one file, trimmed", false, true},
    {"segments", true, false},
    {"segments, trimmed", true, true},
};
#define KIND_COUNT ((int)(sizeof kinds / sizeof kinds[0]))

static void make_log(const struct kind *kind)
{
    struct logfile_options options = {.slot_bytes = SLOT_BYTES,
                                      .segment_bytes = kind->is_directory ? SEGMENT_BYTES : 0};
    uint8_t payload[RECORD_BYTES];
    uint64_t trim_lsn = 0, lsn;
    struct logfile *log;

    ck_assert_int_eq(logfile_open(folder_path("log"), &options, NULL, &log), 0);
    for (unsigned i = 0; i < RECORDS; i++) {
        payload_fill(payload, sizeof payload, i);
        ck_assert_int_eq(logfile_append(log, payload, sizeof payload, &lsn), 0);
        if (i == TRIMMED)
            trim_lsn = lsn;
    }
    if (kind->is_trimmed)
        ck_assert_int_eq(logfile_trim(log, trim_lsn), 0);
    ck_assert_int_eq(logfile_close(log), 0);
}

static const char *control(const struct kind *kind)
{
    return folder_path(kind->is_directory ? "log/control" : "log");
}

static void overwrite(const char *path, off_t from, size_t bytes, int value)
{
    uint8_t *with = malloc(bytes);
    int fd = open(path, O_WRONLY);

    ck_assert_ptr_nonnull(with);
    memset(with, value, bytes);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, with, bytes, from), (ssize_t)bytes);
    close(fd);
    free(with);
}

static void overwrite_segments(off_t from, size_t bytes, int value)
{
    char path[PATH_MAX];
    struct dirent *entry;
    DIR *directory = opendir(folder_path("log"));

    ck_assert_ptr_nonnull(directory);
    while ((entry = readdir(directory)) != NULL) {
        if (strstr(entry->d_name, ".segment") == NULL)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder_path("log"), entry->d_name);
        overwrite(path, from, bytes, value);
    }
    closedir(directory);
}

/* ---- Losses -----------------------------------------------------------------------------------*/

static void lose_headers(const struct kind *kind)
{
    overwrite(control(kind), 0, 2 * BLOCK, 0);
}

static void lose_everything(const struct kind *kind)
{
    overwrite(control(kind), 0, 4 * BLOCK, 0xff);
}

static void lose_a_bit_of_each(const struct kind *kind)
{
    for (unsigned i = 0; i < 4; i++)
        overwrite(control(kind), (off_t)i * BLOCK + 50, 1, 0x5a);
}

static void lose_marks(const struct kind *kind)
{
    overwrite(control(kind), (off_t)2 * BLOCK, 2 * BLOCK, 0);
}

static void lose_control(const struct kind *kind)
{
    if (kind->is_directory)
        ck_assert_int_eq(unlink(control(kind)), 0);
    else
        lose_everything(kind);
}

static void lose_all_headers(const struct kind *kind)
{
    lose_headers(kind);
    if (kind->is_directory)
        overwrite_segments(0, 2 * BLOCK, 0);
}

static void lose_control_and_headers(const struct kind *kind)
{
    lose_control(kind);
    if (kind->is_directory)
        overwrite_segments(0, 2 * BLOCK, 0);
}

static void link_control(const struct kind *kind)
{
    lose_control(kind);
    if (kind->is_directory)
        ck_assert_int_eq(symlink("nowhere", control(kind)), 0);
}

/* As when files are put back into the wrong directory.  The other log is as long, and of an epoch more. */
static void take_control_of_another(const struct kind *kind)
{
    uint8_t blocks[LF_FIRST_LSN];

    ck_assert_int_eq(rename(folder_path("log"), folder_path("mine")), 0);
    make_log(kind);
    int fd = open(control(kind), O_RDONLY);
    ck_assert_int_eq(pread(fd, blocks, sizeof blocks, 0), sizeof blocks);
    close(fd);
    ck_assert_int_eq(rename(folder_path("log"), folder_path("other")), 0);
    ck_assert_int_eq(rename(folder_path("mine"), folder_path("log")), 0);
    fd = open(control(kind), O_WRONLY);
    ck_assert_int_eq(pwrite(fd, blocks, sizeof blocks, 0), sizeof blocks);
    close(fd);
}

/* Of one that was created just now, and has no epoch yet, or other sizes. */
static void take_control_of_an_empty_log(const struct kind *kind)
{
    struct logfile_options options = {.slot_bytes = 2 * SLOT_BYTES,
                                      .segment_bytes = kind->is_directory ? 2 * SEGMENT_BYTES : 0};
    uint8_t blocks[LF_FIRST_LSN];
    struct logfile *log;

    ck_assert_int_eq(logfile_open(folder_path("empty"), &options, NULL, &log), 0);
    ck_assert_int_eq(logfile_close(log), 0);
    int fd = open(folder_path(kind->is_directory ? "empty/control" : "empty"), O_RDONLY);
    ck_assert_int_eq(pread(fd, blocks, sizeof blocks, 0), sizeof blocks);
    close(fd);
    fd = open(control(kind), O_WRONLY);
    ck_assert_int_eq(pwrite(fd, blocks, sizeof blocks, 0), sizeof blocks);
    close(fd);
}

static const struct loss {
    const char *name;
    void (*lose)(const struct kind *kind);
    bool of_mark;
} losses[] = {
    {"headers", lose_headers, false},
    {"everything", lose_everything, true},
    {"a bit of each", lose_a_bit_of_each, true},
    {"marks", lose_marks, true},
    {"control", lose_control, true},
    {"all headers", lose_all_headers, false},
    {"control and all headers", lose_control_and_headers, true},
    {"control, which is a link", link_control, true},
    {"control, which is of another log", take_control_of_another, true},
    {"control, which is of an empty log", take_control_of_an_empty_log, true},
};
#define LOSS_COUNT ((int)(sizeof losses / sizeof losses[0]))

/* ---- What comes out ---------------------------------------------------------------------------*/

static int salvage(void)
{
    char path[PATH_MAX], output[PATH_MAX];
    struct lf_tool_salvage what = {.path = path, .output = output};

    snprintf(path, sizeof path, "%s", folder_path("log"));
    snprintf(output, sizeof output, "%s", folder_path("copy"));
    free(report);
    FILE *out = open_memstream(&report, &report_bytes);
    ck_assert_ptr_nonnull(out);
    int status = lf_tool_salvage_log(&what, out);
    fclose(out);
    return status;
}

/* The copy holds the records from some one up to the last.  Returns the number of that one. */
static unsigned check_copy(const char *name)
{
    uint8_t payload[RECORD_BYTES];
    struct logfile_reader *reader;
    struct logfile_record record;
    unsigned count = 0, first = RECORDS;
    int found;

    ck_assert_int_eq(logfile_reader_open(folder_path("copy"), NULL, &reader), 0);
    while ((found = logfile_reader_next(reader, &record)) == 1) {
        ck_assert_uint_eq(record.size, sizeof payload);
        for (unsigned i = count == 0 ? 0 : first + count; first == RECORDS && i < RECORDS; i++) {
            payload_fill(payload, sizeof payload, i);
            if (memcmp(payload, record.data, sizeof payload) == 0)
                first = i;
        }
        payload_fill(payload, sizeof payload, first + count);
        ck_assert_msg(memcmp(payload, record.data, sizeof payload) == 0, "%s: record %u of %u",
                      name, count, first);
        count++;
    }
    ck_assert_int_eq(found, 0);
    logfile_reader_close(reader);
    ck_assert_msg(first + count == RECORDS, "%s: %u records from %u on", name, count, first);
    return first;
}

START_TEST(every_loss_leaves_the_records)
{
    const struct kind *kind = &kinds[_i % KIND_COUNT];
    const struct loss *loss = &losses[_i / KIND_COUNT];
    char name[100];

    snprintf(name, sizeof name, "%s without %s", kind->name, loss->name);
    make_log(kind);
    ck_assert_int_eq(salvage(), LF_TOOL_OK);
    const unsigned whole = check_copy(name);
    ck_assert_msg(kind->is_trimmed ? whole > 0 && whole <= TRIMMED : whole == 0, "%s: from %u on",
                  name, whole);
    ck_assert_int_eq(unlink(folder_path("copy")), 0);

    loss->lose(kind);
    ck_assert_msg(salvage() == LF_TOOL_OK, "%s: %s", name, report);
    const unsigned first = check_copy(name);
    ck_assert_msg(loss->of_mark ? first <= whole : first == whole, "%s: from %u on, not %u", name,
                  first, whole);
    ck_assert_msg(strstr(report, " 1 damages skipped") != NULL, "%s: %s", name, report);
}
END_TEST

/* The file that does not belong there is named. */
START_TEST(the_control_of_another_log_is_named)
{
    const bool is_directory = _i == 1;
    char said[1000] = "";
    FILE *errors = tmpfile();
    int kept = dup(STDERR_FILENO);

    make_log(&kinds[is_directory ? 2 : 0]);
    take_control_of_another(&kinds[is_directory ? 2 : 0]);
    fflush(stderr);
    ck_assert_int_ge(dup2(fileno(errors), STDERR_FILENO), 0);
    int status = salvage();
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(errors);
    (void)fread(said, 1, sizeof said - 1, errors);
    fclose(errors);
    ck_assert_int_eq(status, LF_TOOL_OK);
    ck_assert_msg(
        strstr(said, is_directory
                         ? "/log: control: the file header is that of another log: its segments"
                         : "/log: the file header is that of another log: its epochs") != NULL,
        "%s", said);
}
END_TEST

/* ---- The seed ---------------------------------------------------------------------------------*/

START_TEST(seed_is_found_backwards)
{
    uint8_t bytes[100];

    for (uint32_t i = 0; i < 1000; i++) {
        const uint32_t seed = i * 2654435761u;
        const size_t count = i % sizeof bytes;
        payload_fill(bytes, sizeof bytes, i);
        ck_assert_uint_eq(lf_headless_seed(lf_crc32c(seed, bytes, count), bytes, count), seed);
    }
}
END_TEST

/* One epoch with records is left, and nothing else: they prove the seed. */
START_TEST(records_prove_a_seed)
{
    struct logfile_options options = {.slot_bytes = SLOT_BYTES};
    struct logfile *log;

    ck_assert_int_eq(logfile_open(folder_path("log"), &options, NULL, &log), 0);
    ck_assert_int_eq(logfile_append(log, "lonely", 6, NULL), 0);
    ck_assert_int_eq(logfile_close(log), 0);
    ck_assert_int_eq(truncate(folder_path("log"), LF_FIRST_LSN + 2 * BLOCK), 0);
    overwrite(folder_path("log"), 0, LF_FIRST_LSN + BLOCK, 0); /* and the OPEN epoch */
    ck_assert_int_eq(salvage(), LF_TOOL_OK);
    ck_assert_ptr_nonnull(strstr(report, "1 records with 6 bytes copied"));
    /* A record that is damaged proves nothing. */
    ck_assert_int_eq(unlink(folder_path("copy")), 0);
    overwrite(folder_path("log"), LF_FIRST_LSN + BLOCK + LF_EPOCH_HEADER_BYTES + 9, 1, 0xee);
    ck_assert_int_eq(salvage(), LF_TOOL_FAILED);
    ck_assert_int_eq(access(folder_path("copy"), F_OK), -1);
}
END_TEST

/* A first epoch header that is damaged gives a seed of its own, which nothing else goes with. */
START_TEST(damaged_headers_do_not_mislead)
{
    make_log(&kinds[0]);
    lose_everything(&kinds[0]);
    overwrite(folder_path("log"), LF_FIRST_LSN + 33, 1, 0x77);
    ck_assert_int_eq(salvage(), LF_TOOL_OK);
    ck_assert_uint_eq(check_copy("damaged OPEN epoch"), 0);
}
END_TEST

/* ---- What is no log ---------------------------------------------------------------------------*/

START_TEST(other_files_are_no_logs)
{
    uint8_t bytes[8 * BLOCK];

    for (unsigned i = 0; i < 3; i++) {
        payload_fill(bytes, sizeof bytes, i);
        if (i == 1)
            memset(bytes, 0, sizeof bytes);
        FILE *file = fopen(folder_path("log"), "w");
        ck_assert_ptr_nonnull(file);
        ck_assert_uint_eq(fwrite(bytes, 1, i == 2 ? 100 : sizeof bytes, file),
                          i == 2 ? 100 : sizeof bytes);
        fclose(file);
        ck_assert_int_eq(salvage(), LF_TOOL_FAILED);
        ck_assert_int_eq(access(folder_path("copy"), F_OK), -1);
    }
    ck_assert_int_eq(unlink(folder_path("log")), 0);
    ck_assert_int_eq(mkdir(folder_path("log"), 0700), 0);
    ck_assert_int_eq(salvage(), LF_TOOL_FAILED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("headless");
    TCase *tests = tcase_create("headless");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, every_loss_leaves_the_records, 0, KIND_COUNT * LOSS_COUNT);
    tcase_add_loop_test(tests, the_control_of_another_log_is_named, 0, 2);
    tcase_add_test(tests, seed_is_found_backwards);
    tcase_add_test(tests, records_prove_a_seed);
    tcase_add_test(tests, damaged_headers_do_not_mislead);
    tcase_add_test(tests, other_files_are_no_logs);
    suite_add_tcase(suite, tests);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
