/* SPDX-License-Identifier: MIT */
/*
 * The library and the independent reader of docs/FORMAT.md agree: on the records, the verdict, the
 * end, the greatest promise and each place where reading goes on after damage, of logs that are made
 * and damaged at random: one file and segments, trimmed or not, of several incarnations, with and
 * without syncs; bytes, fields with their checksums made right again, sectors, blocks and files.
 *
 *     test_independent           the cases of a run
 *     test_independent NUMBER    one case, as printed by a failure; its log is left in "case"
 *
 * The library reads the log in memory, the independent reader from files.
 */
#include "campaign.h"
#include "format/checksum.h"
#include "log_image.h"
#include "logfile.h"
#include "rot/memory_disk.h"
#include "support.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define INDEPENDENT_READER "tests/support/independent_reader"
#define SLOT_BYTES 8192u
#define SECTOR_BYTES 512u
#define EPOCHS_MAX 64

/* ---- A log ----------------------------------------------------------------------------------- */

struct maker {
    struct rng *rng;
    struct log_image image;
    uint64_t lsns[EPOCHS_MAX]; /* of its epochs */
    unsigned count;
    bool is_open;
};

static void note(struct maker *maker, uint64_t lsn)
{
    if (maker->count < EPOCHS_MAX)
        maker->lsns[maker->count++] = lsn;
}

static void add_records(struct maker *maker)
{
    static uint8_t payload[SLOT_BYTES];
    const size_t record_max = SLOT_BYTES - LF_EPOCH_HEADER_BYTES - LF_RECORD_HEADER_BYTES;
    const uint64_t count = 1 + rng_below(maker->rng, 4);
    const size_t large = count == 1 && rng_one_in(maker->rng, 3) ? record_max : 1500;

    for (uint64_t i = 0; i < count; i++) {
        const size_t size = payload_random_size(maker->rng, large);
        payload_fill(payload, size, maker->image.chain.lsn + i);
        if (rng_one_in(maker->rng, 6))
            log_image_pad(&maker->image, size);
        else
            log_image_record(&maker->image, payload, size);
    }
}

/* Some epochs end their segment although more would fit, some only end it. */
static void add_epoch(struct maker *maker)
{
    struct log_image *image = &maker->image;
    const bool is_end = image->segment_bytes != 0 && rng_one_in(maker->rng, 8);

    image->flags =
        (rng_one_in(maker->rng, 5) ? LF_EPOCH_HEADER_CHECKSUM : 0u) | (is_end ? LF_EPOCH_END : 0u);
    if (!is_end || rng_one_in(maker->rng, 2))
        add_records(maker);
    note(maker, log_image_seal(image));
    image->flags = 0;
}

static void open_or_close(struct maker *maker)
{
    note(maker, maker->image.chain.lsn);
    if (maker->is_open && rng_one_in(maker->rng, 2)) {
        log_image_close(&maker->image);
        maker->is_open = false;
        return;
    }
    log_image_open(&maker->image);
    maker->is_open = true;
}

/* The copies of the mark differ, as when the system stops between the two writes. */
static void trim(struct maker *maker)
{
    struct log_image *image = &maker->image;
    uint8_t before[LF_BLOCK_BYTES];
    const unsigned copy = (unsigned)rng_below(maker->rng, 4);

    if (maker->count == 0)
        return;
    const uint64_t lsn = maker->lsns[rng_below(maker->rng, maker->count)];
    if (lsn < image->oldest_lsn)
        return;
    memcpy(before, image->bytes + (2 + copy % 2) * LF_BLOCK_BYTES, LF_BLOCK_BYTES);
    log_image_trim(image, lsn);
    if (copy < 2)
        memcpy(image->bytes + (2 + copy) * LF_BLOCK_BYTES, before, LF_BLOCK_BYTES);
}

/* The same random numbers make the same log, up to one of so many parts of it. */
static void make_log(struct maker *maker, struct rng *rng, bool has_segments, unsigned number,
                     unsigned parts)
{
    const uint64_t segment_bytes = 28672 + rng_below(rng, 7) * LF_BLOCK_BYTES;
    const uint64_t steps = rng_below(rng, 24) / parts;

    *maker = (struct maker){.rng = rng};
    if (has_segments)
        log_image_new_segments(&maker->image, SLOT_BYTES, segment_bytes, number);
    else
        log_image_new(&maker->image, SLOT_BYTES, number);
    for (uint64_t i = 0; i < steps; i++) {
        const uint64_t what = rng_below(rng, 16);
        maker->image.hold_promise = rng_one_in(rng, 6);
        if (!maker->is_open || what < 3)
            open_or_close(maker);
        else if (what == 3)
            trim(maker);
        else
            add_epoch(maker);
    }
    maker->image.hold_promise = 0;
    if (maker->is_open && rng_one_in(rng, 2))
        log_image_close(&maker->image);
    if (has_segments && rng_one_in(rng, 2))
        log_image_prepare_segment(&maker->image);
    else if (rng_one_in(rng, 2))
        log_image_extend(&maker->image, LF_BLOCK_BYTES * rng_below(rng, 4));
}

/* ---- Damage ---------------------------------------------------------------------------------- */

struct trial {
    struct rng rng;
    struct memory_disk disk;
    struct memory_disk older; /* the log some epochs before, */
    struct memory_disk other; /* and another log */
    uint32_t log_seed;
    uint64_t segment_bytes;
};

/* One that has bytes; NULL: there is none left. */
static struct memory_file *random_file(struct trial *trial)
{
    for (unsigned tries = 0; tries < 200; tries++) {
        struct memory_file *file = &trial->disk.files[rng_below(&trial->rng, MEMORY_FILES_MAX)];
        if (file->linked && file->size > 0)
            return file;
    }
    return NULL;
}

/* Headers, marks and epoch headers are hit as often as everything else. */
static uint64_t random_offset(struct trial *trial, const struct memory_file *file)
{
    const uint64_t at = rng_below(&trial->rng, file->size);
    const uint64_t near = (at & ~(uint64_t)(LF_BLOCK_BYTES - 1)) + rng_below(&trial->rng, 128);

    return rng_one_in(&trial->rng, 2) && near < file->size ? near : at;
}

static void damage_byte(struct trial *trial, struct memory_file *file)
{
    const uint64_t at = random_offset(trial, file);

    file->bytes[at] ^= (uint8_t)(rng_one_in(&trial->rng, 2) ? 1u << rng_below(&trial->rng, 8)
                                                            : 1 + rng_below(&trial->rng, 255));
}

static uint8_t *random_piece(struct trial *trial, struct memory_file *file, size_t bytes)
{
    return file->size < bytes ? NULL
                              : file->bytes + rng_below(&trial->rng, file->size / bytes) * bytes;
}

/* A sector or a block is zeros, or what another place holds, or what it held before. */
static void damage_piece(struct trial *trial, struct memory_file *file)
{
    const size_t bytes = rng_one_in(&trial->rng, 2) ? SECTOR_BYTES : LF_BLOCK_BYTES;
    struct memory_file *other = random_file(trial);
    const struct memory_file *before = memory_disk_find(&trial->older, file->name);
    uint8_t *to = random_piece(trial, file, bytes);
    const uint8_t *from = other != NULL ? random_piece(trial, other, bytes) : NULL;

    if (to == NULL || from == NULL)
        return;
    const uint64_t offset = (uint64_t)(to - file->bytes);
    switch (rng_below(&trial->rng, 3)) {
    case 0:
        memset(to, 0, bytes);
        break;
    case 1:
        memmove(to, from, bytes);
        break;
    default:
        if (before != NULL && offset + bytes <= before->size)
            memcpy(to, before->bytes + offset, bytes);
    }
}

static void change_word(struct trial *trial, uint8_t *block, uint64_t from, uint64_t to)
{
    static const uint32_t values[] = {0, 1, 2, 3, 4, 5, 80, 88, 4096, 8192, 16384, UINT32_MAX};
    const uint64_t at = from + rng_below(&trial->rng, (to - from) / 4) * 4;
    uint32_t word;

    memcpy(&word, block + at, sizeof(word));
    switch (rng_below(&trial->rng, 4)) {
    case 0:
        word = values[rng_below(&trial->rng, sizeof(values) / sizeof(values[0]))];
        break;
    case 1:
        word += (uint32_t)rng_below(&trial->rng, 17) - 8;
        break;
    case 2:
        word += LF_BLOCK_BYTES * ((uint32_t)rng_below(&trial->rng, 5) - 2);
        break;
    default:
        word ^= 1u << rng_below(&trial->rng, 32);
    }
    memcpy(block + at, &word, sizeof(word));
}

/* A field is another one, and the checksum right again. */
static void damage_field(struct trial *trial, struct memory_file *file)
{
    uint8_t *block = random_piece(trial, file, LF_BLOCK_BYTES);
    uint32_t magic;

    if (rng_one_in(&trial->rng, 3) && file->size >= LF_FIRST_LSN)
        block = file->bytes + rng_below(&trial->rng, 4) * LF_BLOCK_BYTES;
    if (block == NULL)
        return;
    memcpy(&magic, block, sizeof(magic));
    if (magic == LF_EPOCH_MAGIC) {
        struct lf_epoch_header *header = (struct lf_epoch_header *)block;
        change_word(trial, block, 8, LF_EPOCH_HEADER_BYTES);
        header->checksum = lf_epoch_header_checksum(header, trial->log_seed);
    } else if (magic == LF_TRIM_MAGIC) {
        change_word(trial, block, 8, 80);
        lf_trim_mark_seal(block, trial->log_seed);
    } else if (memcmp(block, LF_FILE_MAGIC, 8) == 0) {
        change_word(trial, block, 12, 120);
        lf_file_header_seal(block);
    }
}

static void damage_size(struct trial *trial, struct memory_file *file)
{
    uint64_t size = random_offset(trial, file);

    if (rng_one_in(&trial->rng, 2))
        size &= ~(uint64_t)(LF_BLOCK_BYTES - 1);
    if (rng_one_in(&trial->rng, 6))
        size = file->size + rng_below(&trial->rng, 3 * LF_BLOCK_BYTES);
    if (rng_one_in(&trial->rng, 3) && size < file->size)
        memset(file->bytes + size, 0, file->size - size);
    else
        memory_file_resize(file, size);
}

static bool is_segment(const struct memory_file *file)
{
    return strstr(file->name, ".segment") != NULL;
}

static void become(struct memory_file *file, struct memory_disk *disk)
{
    const struct memory_file *from = memory_disk_find(disk, file->name);

    if (from != NULL)
        memory_file_set(file, from->bytes, from->size);
}

static void rename_file(struct trial *trial, struct memory_file *file)
{
    const uint64_t index = rng_below(&trial->rng, 8);
    const char *name = log_image_segment_path(MEMORY_PATH, index);
    struct memory_file *other = memory_disk_find(&trial->disk, name);

    if (other != NULL)
        memcpy(other->name, file->name, sizeof(file->name));
    strcpy(file->name, name);
}

/* What can happen to the files of a directory besides. */
static void damage_file(struct trial *trial, struct memory_file *file)
{
    if (!is_segment(file))
        return;
    switch (rng_below(&trial->rng, 5)) {
    case 0:
        file->linked = false;
        break;
    case 1:
        rename_file(trial, file);
        break;
    case 2:
        become(file, &trial->older);
        break;
    case 3:
        become(file, &trial->other);
        break;
    default:
        memory_file_become(file,
                           rng_one_in(&trial->rng, 2) ? LOGFILE_IO_DIRECTORY : LOGFILE_IO_OTHER);
    }
}

static void damage(struct trial *trial)
{
    struct memory_file *file = random_file(trial);

    if (file == NULL)
        return;
    switch (rng_below(&trial->rng, 6)) {
    case 0:
        damage_byte(trial, file);
        break;
    case 1:
        damage_piece(trial, file);
        break;
    case 2:
        damage_size(trial, file);
        break;
    case 3:
        damage_file(trial, file);
        break;
    default:
        damage_field(trial, file);
    }
}

/* ---- Both answers ---------------------------------------------------------------------------- */

struct text {
    size_t used;
    char bytes[1 << 16];
};

static void __attribute__((format(printf, 2, 3))) say(struct text *text, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    const int count =
        vsnprintf(text->bytes + text->used, sizeof(text->bytes) - text->used, format, arguments);
    va_end(arguments);
    ck_assert(count >= 0 && (size_t)count < sizeof(text->bytes) - text->used);
    text->used += (size_t)count;
}

/* In the words of the independent reader. */
static void library_text(struct memory_disk *disk, struct text *text)
{
    static const char *const words[] = {"CLEAN", "TORN", "CORRUPT", "LIVE"};
    struct logfile_reader *reader;
    struct logfile_record record;
    struct logfile_tail first, tail;
    bool is_damaged = false;
    int found = logfile_reader_open(MEMORY_PATH, READING(.io = &disk->io), &reader);

    text->used = 0;
    if (found != 0) {
        say(text, "%s\n", found == LOGFILE_ECORRUPT ? "corrupt-header" : "unreadable");
        ck_assert_msg(found == LOGFILE_EFORMAT || found == LOGFILE_ECORRUPT, "%s",
                      logfile_strerror(found));
        return;
    }
    for (;;) {
        while ((found = logfile_reader_next(reader, &record)) == 1)
            say(text, "record %" PRIu64 " %zu %08x\n", record.lsn, record.size,
                lf_crc32c(0, record.data, record.size));
        ck_assert_msg(found == 0 || found == LOGFILE_ECORRUPT, "%s", logfile_strerror(found));
        ck_assert_int_eq(logfile_reader_tail(reader, &tail, sizeof tail), 0);
        if (!is_damaged)
            first = tail;
        is_damaged = true;
        if (found == 0 || logfile_reader_skip(reader) != 0)
            break;
        say(text, "break %" PRIu64 "\n", tail.resume_lsn);
    }
    say(text, "verdict %s %" PRIu64 " %" PRIu64 "\n", words[first.verdict], first.end_lsn,
        first.promised_lsn);
    logfile_reader_close(reader);
}

/* One process reads all logs: it is told their paths. */
struct independent {
    pid_t pid;
    FILE *paths;
    FILE *answers;
};

static void start(struct independent *independent)
{
    int in[2], out[2];

    ck_assert(pipe(in) == 0 && pipe(out) == 0);
    independent->pid = fork();
    ck_assert_int_ge(independent->pid, 0);
    if (independent->pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        for (int i = 0; i < 2; i++) {
            close(in[i]);
            close(out[i]);
        }
        execl(INDEPENDENT_READER, INDEPENDENT_READER, "-", NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    independent->paths = fdopen(in[1], "w");
    independent->answers = fdopen(out[0], "r");
    ck_assert(independent->paths != NULL && independent->answers != NULL);
}

static void stop(struct independent *independent)
{
    int status;

    fclose(independent->paths);
    fclose(independent->answers);
    ck_assert_int_eq(waitpid(independent->pid, &status, 0), independent->pid);
    ck_assert_int_eq(status, 0);
}

static void independent_text(struct independent *independent, const char *path, struct text *text)
{
    char line[256];

    text->used = 0;
    fprintf(independent->paths, "%s\n", path);
    fflush(independent->paths);
    for (;;) {
        ck_assert_msg(fgets(line, sizeof(line), independent->answers) != NULL, "%s ended",
                      INDEPENDENT_READER);
        if (strcmp(line, "end\n") == 0)
            return;
        say(text, "%s", line);
    }
}

/* ---- Files ----------------------------------------------------------------------------------- */

static void store_file(const struct memory_file *file, const char *path)
{
    if (file->kind == LOGFILE_IO_DIRECTORY) {
        ck_assert_int_eq(mkdir(path, 0755), 0);
        return;
    }
    if (file->kind != LOGFILE_IO_REGULAR) {
        ck_assert_int_eq(mkfifo(path, 0644), 0);
        return;
    }
    FILE *stream = fopen(path, "wb");
    ck_assert_ptr_nonnull(stream);
    ck_assert_uint_eq(fwrite(file->bytes, 1, file->size, stream), file->size);
    ck_assert_int_eq(fclose(stream), 0);
}

/* Files of a disk are named "log", or "log/" and their name. */
static void store_files(const struct memory_disk *disk, const char *path)
{
    char name[5000];

    if (disk->is_directory)
        ck_assert_int_eq(mkdir(path, 0755), 0);
    for (unsigned i = 0; i < MEMORY_FILES_MAX; i++) {
        if (!disk->files[i].linked)
            continue;
        snprintf(name, sizeof(name), "%s%s", path, disk->files[i].name + strlen(MEMORY_PATH));
        store_file(&disk->files[i], name);
    }
}

static void remove_files(const struct memory_disk *disk, const char *path)
{
    char name[5000];

    for (unsigned i = 0; i < MEMORY_FILES_MAX; i++) {
        snprintf(name, sizeof(name), "%s%s", path, disk->files[i].name + strlen(MEMORY_PATH));
        if (disk->files[i].linked)
            ck_assert_int_eq(remove(name), 0);
    }
    if (disk->is_directory)
        ck_assert_int_eq(rmdir(path), 0);
}

/* ---- One case -------------------------------------------------------------------------------- */

static void store_log(struct maker *maker, struct memory_disk *disk)
{
    memory_disk_clear(disk, maker->image.segment_bytes != 0);
    log_image_store(&maker->image, &disk->io, MEMORY_PATH);
}

static void make_trial(struct trial *trial, uint64_t number)
{
    struct maker maker;
    struct rng before;

    trial->rng = (struct rng){.state = number};
    const bool has_segments = rng_one_in(&trial->rng, 2);
    make_log(&maker, &trial->rng, has_segments, 2, 1);
    store_log(&maker, &trial->other);
    log_image_free(&maker.image);
    before = trial->rng;
    make_log(&maker, &trial->rng, has_segments, 1, 1);
    trial->log_seed = maker.image.chain.log_seed;
    trial->segment_bytes = maker.image.segment_bytes;
    store_log(&maker, &trial->disk);
    log_image_free(&maker.image);
    make_log(&maker, &before, has_segments, 1, 2);
    if (maker.is_open && rng_one_in(&trial->rng, 2))
        log_image_close(&maker.image);
    store_log(&maker, &trial->older);
    log_image_free(&maker.image);
    for (uint64_t i = rng_below(&trial->rng, 4); i > 0; i--)
        damage(trial);
}

static const char *const kinds[] = {"unreadable",   "corrupt-header",  "verdict CLEAN",
                                    "verdict TORN", "verdict CORRUPT", "break"};
#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

/* How many logs say what. */
struct tally {
    uint64_t counts[KIND_COUNT];
};

static void count(struct tally *tally, struct text *text)
{
    text->bytes[text->used] = '\0';
    for (unsigned i = 0; i < KIND_COUNT; i++)
        tally->counts[i] += strstr(text->bytes, kinds[i]) != NULL;
}

static void print_tally(const struct tally *tally)
{
    printf("independent:");
    for (unsigned i = 0; i < KIND_COUNT; i++)
        printf(" %" PRIu64 " %s;", tally->counts[i], kinds[i]);
    printf("\n");
}

static void try_case(struct trial *trial, struct independent *independent, uint64_t number,
                     const char *path, struct tally *tally)
{
    static struct text library, other;

    make_trial(trial, number);
    store_files(&trial->disk, path);
    library_text(&trial->disk, &library);
    independent_text(independent, path, &other);
    ck_assert_msg(library.used == other.used && memcmp(library.bytes, other.bytes, other.used) == 0,
                  "tests/rot/test_independent %" PRIu64 "\n--- library\n%.*s--- independent\n%.*s",
                  number, (int)library.used, library.bytes, (int)other.used, other.bytes);
    count(tally, &other);
}

static void init(struct trial *trial)
{
    *trial = (struct trial){0};
    memory_disk_init(&trial->disk, false);
    memory_disk_init(&trial->older, false);
    memory_disk_init(&trial->other, false);
}

static void deinit(struct trial *trial)
{
    memory_disk_free(&trial->disk);
    memory_disk_free(&trial->older);
    memory_disk_free(&trial->other);
}

START_TEST(damaged_logs_agree)
{
    struct tally tally = {0};
    struct campaign campaign = campaign_begin("independent", scaled(300, 10000, 1000000));
    const char *path = folder_path("log");
    struct independent independent;
    struct trial trial;
    uint64_t number;

    init(&trial);
    start(&independent);
    while (campaign_next(&campaign, &number)) {
        try_case(&trial, &independent, number, path, &tally);
        remove_files(&trial.disk, path);
        campaign_passed(&campaign, 1);
    }
    campaign_end(&campaign);
    print_tally(&tally);
    stop(&independent);
    deinit(&trial);
}
END_TEST

static int replay(const char *argument)
{
    struct independent independent;
    struct tally tally = {0};
    struct trial trial;

    init(&trial);
    start(&independent);
    try_case(&trial, &independent, strtoull(argument, NULL, 0), "case", &tally);
    stop(&independent);
    deinit(&trial);
    return 0;
}

int main(int argc, char **argv)
{
    Suite *suite = suite_create("independent");
    TCase *tests = tcase_create("independent");

    if (argc > 1)
        return replay(argv[1]);
    enter_folder();
    signal(SIGPIPE, SIG_IGN);
    tcase_set_timeout(tests, (double)scaled(300, 600, 360000));
    tcase_add_test(tests, damaged_logs_agree);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
