/* SPDX-License-Identifier: MIT */
#include "rot_log.h"

#include "log_image.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_BYTES 8192
#define SEGMENT_BYTES 40960

/* ---- Places ---------------------------------------------------------------------------------- */

unsigned rot_file_count(struct memory_disk *disk)
{
    unsigned count = 0;

    for (unsigned i = 0; i < MEMORY_FILES_MAX; i++)
        count += disk->files[i].linked;
    return count;
}

static unsigned rank_of(const struct memory_disk *disk, const struct memory_file *file)
{
    unsigned rank = 0;

    for (unsigned i = 0; i < MEMORY_FILES_MAX; i++)
        rank += disk->files[i].linked && strcmp(disk->files[i].name, file->name) < 0;
    return rank;
}

struct memory_file *rot_file(struct memory_disk *disk, unsigned number)
{
    for (unsigned i = 0; i < MEMORY_FILES_MAX; i++)
        if (disk->files[i].linked && rank_of(disk, &disk->files[i]) == number)
            return &disk->files[i];
    return NULL;
}

uint64_t rot_bytes(struct memory_disk *disk)
{
    return memory_disk_bytes(disk);
}

struct rot_place rot_place(struct memory_disk *disk, uint64_t position)
{
    const unsigned count = rot_file_count(disk);

    for (unsigned i = 0; i < count; i++) {
        struct memory_file *file = rot_file(disk, i);
        if (position < file->size)
            return (struct rot_place){file, (size_t)position};
        position -= file->size;
    }
    return (struct rot_place){0};
}

/* Not check's: a single case runs without its framework. */
static void must(bool holds)
{
    if (holds)
        return;
    fprintf(stderr, "rot_log: no memory, or more epochs and marks than there is room for\n");
    exit(1);
}

/* ---- What was written ------------------------------------------------------------------------ */

const char *rot_segment_name(const struct rot_log *log, uint64_t index)
{
    static char names[MEMORY_FILES_MAX][MEMORY_NAME_BYTES]; /* they are asked for without end */

    if (log->layout.segment_bytes == 0)
        return MEMORY_PATH;
    if (index >= MEMORY_FILES_MAX)
        return log_image_segment_path(MEMORY_PATH, index);
    if (names[index][0] == '\0')
        snprintf(names[index], sizeof(names[index]), "%s",
                 log_image_segment_path(MEMORY_PATH, index));
    return names[index];
}

void rot_segment_header(const struct rot_log *log, const uint8_t control[LF_BLOCK_BYTES],
                        uint64_t index, uint8_t block[LF_BLOCK_BYTES])
{
    struct lf_file_header *header = (struct lf_file_header *)block;

    memcpy(block, control, LF_BLOCK_BYTES);
    header->first_lsn = lf_segment_first_lsn(&log->layout, index);
    lf_file_header_seal(block);
}

static bool is_known(const struct rot_log *log, const struct lf_epoch_header *header)
{
    for (unsigned i = 0; i < log->epoch_count; i++)
        if (memcmp(&log->epochs[i].header, header, sizeof(*header)) == 0)
            return true;
    return false;
}

static void learn_epoch(struct rot_log *log, const struct lf_epoch_header *header)
{
    struct rot_epoch *epoch = &log->epochs[log->epoch_count];

    if (is_known(log, header))
        return;
    must(log->epoch_count < ROT_EPOCHS_MAX);
    log->epoch_count++;
    epoch->header = *header;
    epoch->extent = lf_epoch_extent(header);
    epoch->bytes = malloc(epoch->extent);
    memcpy(epoch->bytes, header, epoch->extent);
}

static void learn_mark(struct rot_log *log, const uint8_t *block)
{
    for (unsigned i = 0; i < log->mark_count; i++)
        if (memcmp(log->marks[i], block, LF_BLOCK_BYTES) == 0)
            return;
    must(log->mark_count < ROT_MARKS_MAX);
    memcpy(log->marks[log->mark_count++], block, LF_BLOCK_BYTES);
}

/* Remembers all that the image holds; the epoch that the log ends with too. */
static void learn(struct rot_log *log, struct log_image *image)
{
    uint64_t lsn = image->oldest_lsn;

    log->layout = image->chain.layout;
    memcpy(log->header, image->bytes, LF_BLOCK_BYTES);
    learn_mark(log, image->bytes + 2 * LF_BLOCK_BYTES);
    learn_mark(log, image->bytes + 3 * LF_BLOCK_BYTES);
    log->oldest_lsn = image->oldest_lsn;
    log->end_lsn = image->chain.lsn;
    while (lsn < image->chain.lsn) {
        const struct lf_epoch_header *header = log_image_epoch(image, lsn);
        learn_epoch(log, header);
        log->is_closed = (header->flags & LF_EPOCH_CLOSE) != 0;
        lsn = lf_epoch_next_lsn(header, &log->layout);
    }
}

static void store(const struct log_image *image, struct memory_disk *disk)
{
    memory_disk_init(disk, image->segment_bytes != 0);
    log_image_store(image, &disk->io, MEMORY_PATH);
}

/* What is in the image now was there before what the log will be. */
static struct memory_disk *keep_version(struct rot_log *log, struct log_image *image)
{
    struct memory_disk *disk = &log->versions[log->version_count++];

    learn(log, image);
    store(image, disk);
    return disk;
}

static void finish(struct rot_log *log, struct log_image *image)
{
    learn(log, image);
    store(image, &log->disk);
    log_image_free(image);
}

/* ---- The logs -------------------------------------------------------------------------------- */

/* A record whose every byte depends on its place. */
static void add_record(struct log_image *image, size_t size)
{
    uint8_t *payload = malloc(size + 1);

    payload_fill(payload, size, image->chain.lsn + image->length);
    log_image_record(image, payload, size);
    free(payload);
}

static uint64_t add_epoch(struct log_image *image, size_t size)
{
    add_record(image, size);
    add_record(image, 24);
    return log_image_seal(image);
}

/* 16 KiB of epochs behind the 16 KiB before them; closed, and nothing behind. */
static void make_closed(struct rot_log *log)
{
    struct log_image image;

    log_image_new(&image, SLOT_BYTES, 1);
    log_image_open(&image);
    add_record(&image, 0);
    add_record(&image, 1);
    log_image_pad(&image, 13);
    add_epoch(&image, 1000);
    add_epoch(&image, LF_BLOCK_BYTES - LF_EPOCH_HEADER_BYTES - 8 - 32); /* to its block's end */
    log_image_close(&image);
    finish(log, &image);
}

/* Its last epoch is not promised, and prepared blocks follow. */
static void make_torn(struct rot_log *log)
{
    struct log_image image;

    log_image_new(&image, SLOT_BYTES, 2);
    log_image_open(&image);
    add_epoch(&image, 5000);
    add_epoch(&image, 300);
    add_epoch(&image, 77);
    log_image_extend(&image, 2 * LF_BLOCK_BYTES);
    finish(log, &image);
}

/* Closed, opened again, torn in an epoch of two blocks, opened again: what the third incarnation
 * wrote lies where the torn epoch of the second was. */
static void make_lives(struct rot_log *log)
{
    struct log_image image, torn;
    char name[] = MEMORY_PATH;

    log_image_new(&image, SLOT_BYTES, 3);
    log_image_open(&image);
    add_epoch(&image, 100);
    log_image_close(&image);
    log_image_open(&image);
    log_image_copy(&torn, &image);
    add_epoch(&torn, 5000);
    struct memory_file *file = memory_disk_find(keep_version(log, &torn), name);
    memset(file->bytes + file->size - LF_BLOCK_BYTES, 0, LF_BLOCK_BYTES);
    log_image_free(&torn);
    log_image_open(&image);
    add_epoch(&image, 200);
    add_epoch(&image, 4000);
    log_image_extend(&image, LF_BLOCK_BYTES);
    finish(log, &image);
}

/* Its start is a hole. */
static void make_trimmed(struct rot_log *log)
{
    struct log_image image;

    log_image_new(&image, SLOT_BYTES, 4);
    log_image_open(&image);
    add_epoch(&image, 100);
    add_epoch(&image, 200);
    const uint64_t kept_lsn = add_epoch(&image, 5000);
    add_epoch(&image, 10);
    keep_version(log, &image);
    log_image_trim(&image, kept_lsn);
    log_image_close(&image);
    finish(log, &image);
}

/* Trimmed to its last epoch, and not closed: only the trim mark tells that it was there. */
static void make_trimmed_to_last(struct rot_log *log)
{
    struct log_image image;

    log_image_new(&image, SLOT_BYTES, 5);
    log_image_open(&image);
    add_epoch(&image, 100);
    const uint64_t kept_lsn = add_epoch(&image, 200);
    keep_version(log, &image);
    log_image_trim(&image, kept_lsn);
    finish(log, &image);
}

/* Closed, but the system stopped before the trim marks could say so: in its second incarnation one
 * copy had been written. */
static void make_late_mark(struct rot_log *log)
{
    struct log_image image;

    log_image_new(&image, SLOT_BYTES, 10);
    log_image_open(&image);
    add_epoch(&image, 100);
    log_image_close(&image);
    keep_version(log, &image);
    const size_t copy_1 = 3 * LF_BLOCK_BYTES;
    uint8_t before[LF_BLOCK_BYTES];
    memcpy(before, image.bytes + copy_1, LF_BLOCK_BYTES);
    log_image_open(&image);
    memcpy(image.bytes + copy_1, before, LF_BLOCK_BYTES);
    add_epoch(&image, 5000);
    image.promise = image.chain.lsn;
    image.hold_promise = 1;
    log_image_close(&image);
    finish(log, &image);
}

/* Nothing is promised but where it was opened. */
static void make_unsynced(struct rot_log *log)
{
    struct log_image image;

    log_image_new(&image, SLOT_BYTES, 11);
    log_image_open(&image);
    add_epoch(&image, 100);
    log_image_close(&image);
    log_image_open(&image);
    image.hold_promise = 1;
    add_epoch(&image, 200);
    add_epoch(&image, 6000);
    log_image_extend(&image, LF_BLOCK_BYTES);
    finish(log, &image);
}

/* Payloads that no checksum covers. */
static void make_header_checksum(struct rot_log *log)
{
    struct log_image image;

    log_image_new(&image, SLOT_BYTES, 6);
    image.flags = LF_EPOCH_HEADER_CHECKSUM;
    log_image_open(&image);
    log_image_pad(&image, 40);
    add_epoch(&image, 1001);
    add_epoch(&image, 333);
    log_image_close(&image);
    finish(log, &image);
}

/* Another log, with a file for each segment. */
static void make_other(struct rot_log *log, unsigned number)
{
    struct log_image image;

    log_image_new_segments(&image, SLOT_BYTES, SEGMENT_BYTES, number);
    log_image_open(&image);
    for (unsigned i = 0; i < 5; i++)
        log_image_fill_segment(&image, 200 + 100 * i);
    log_image_close(&image);
    memcpy(log->other_header, image.bytes, LF_BLOCK_BYTES);
    store(&image, &log->other);
    log_image_free(&image);
}

/* Three segments with epochs of two incarnations, and one that was prepared. */
static void make_segments(struct rot_log *log)
{
    struct log_image image;

    log_image_new_segments(&image, SLOT_BYTES, SEGMENT_BYTES, 7);
    log_image_open(&image);
    log_image_fill_segment(&image, 300);
    log_image_close(&image);
    keep_version(log, &image);
    log_image_open(&image);
    log_image_fill_segment(&image, 5000);
    add_epoch(&image, 100);
    keep_version(log, &image);
    log_image_close(&image);
    log_image_prepare_segment(&image);
    finish(log, &image);
    make_other(log, 70);
}

/* Trimmed to its second segment, and the first has become the fourth: behind the last epoch is what
 * it held before. */
static void make_recycled(struct rot_log *log)
{
    struct log_image image;

    log_image_new_segments(&image, SLOT_BYTES, SEGMENT_BYTES, 8);
    log_image_open(&image);
    log_image_fill_segment(&image, 300);
    const uint64_t kept_lsn = image.chain.lsn;
    log_image_fill_segment(&image, 400);
    log_image_fill_segment(&image, 3000);
    keep_version(log, &image);
    log_image_trim(&image, kept_lsn);
    add_epoch(&image, 100);
    add_epoch(&image, 200);
    const size_t used = (size_t)image.chain.lsn % SEGMENT_BYTES;
    log_image_extend(&image, SEGMENT_BYTES - used);
    memcpy(image.bytes + image.chain.lsn, image.bytes + used, SEGMENT_BYTES - used);
    finish(log, &image);

    struct memory_disk *before = &log->versions[log->version_count++];
    memory_disk_init(before, true);
    memory_disk_copy(before, &log->disk);
    make_other(log, 81); /* ids repeat after eight numbers */
    const struct memory_file *first = memory_disk_find(&log->versions[0], rot_segment_name(log, 0));
    memory_file_set(memory_disk_find(before, rot_segment_name(log, 3)), first->bytes, first->size);
}

/* 1 MiB, closed. */
static void make_large(struct rot_log *log)
{
    struct log_image image;
    size_t size = 100;

    log_image_new(&image, 65536, 9);
    log_image_open(&image);
    while (image.chain.lsn < 900 << 10) {
        add_epoch(&image, size);
        size = (size * 3 + 1000) % 65000;
    }
    log_image_close(&image);
    log_image_extend(&image, (1 << 20) - image.size);
    finish(log, &image);
}

static const struct {
    const char *name;
    void (*make)(struct rot_log *log);
} makers[] = {
    {"closed", make_closed},
    {"torn", make_torn},
    {"lives", make_lives},
    {"trimmed", make_trimmed},
    {"trimmed-to-last", make_trimmed_to_last},
    {"late-mark", make_late_mark},
    {"unsynced", make_unsynced},
    {"header-checksum", make_header_checksum},
    {"segments", make_segments},
    {"recycled", make_recycled},
    {"large", make_large},
};

unsigned rot_log_count(void)
{
    return sizeof(makers) / sizeof(makers[0]);
}

const char *rot_log_name(unsigned number)
{
    return makers[number].name;
}

struct rot_log *rot_log_new(const char *name)
{
    for (unsigned i = 0; i < rot_log_count(); i++) {
        if (strcmp(makers[i].name, name) != 0)
            continue;
        struct rot_log *log = calloc(1, sizeof(*log));
        must(log != NULL);
        log->name = makers[i].name;
        makers[i].make(log);
        return log;
    }
    return NULL;
}

void rot_log_free(struct rot_log *log)
{
    for (unsigned i = 0; i < log->epoch_count; i++)
        free(log->epochs[i].bytes);
    for (unsigned i = 0; i < log->version_count; i++)
        memory_disk_free(&log->versions[i]);
    memory_disk_free(&log->disk);
    if (log->layout.segment_bytes != 0)
        memory_disk_free(&log->other);
    free(log);
}
