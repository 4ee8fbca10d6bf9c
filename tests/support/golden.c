/* SPDX-License-Identifier: MIT */
#include "golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_BYTES 8192u

/* A record whose payload the size and the seed fix. */
static void add_record(struct log_image *image, size_t size, uint64_t seed)
{
    uint8_t payload[SLOT_BYTES];

    for (size_t i = 0; i < size; i++)
        payload[i] = (uint8_t)(37 * seed + 11 * i + (i >> 8));
    log_image_record(image, payload, size);
}

static void build_created(struct log_image *image)
{
    log_image_new(image, SLOT_BYTES, 1);
}

/* The worked example of docs/FORMAT.md. */
static void build_tiny(struct log_image *image)
{
    log_image_new(image, SLOT_BYTES, 0);
    log_image_open(image);
    log_image_record(image, "hello", 5);
    log_image_record(image, NULL, 0);
    log_image_seal(image);
    log_image_close(image);
}

/* Sizes around every boundary, padding, an epoch that fills its blocks and its slot. */
static void build_sizes(struct log_image *image)
{
    log_image_new(image, SLOT_BYTES, 2);
    log_image_open(image);
    for (size_t size = 0; size <= 17; size++)
        add_record(image, size, size);
    log_image_seal(image);
    add_record(image, LF_BLOCK_BYTES - LF_EPOCH_HEADER_BYTES - 8, 20);
    log_image_seal(image);
    add_record(image, LF_BLOCK_BYTES - LF_EPOCH_HEADER_BYTES - 7, 21);
    log_image_pad(image, 0);
    log_image_pad(image, 13);
    log_image_seal(image);
    add_record(image, SLOT_BYTES - LF_EPOCH_HEADER_BYTES - 8, 22);
    log_image_seal(image);
    log_image_close(image);
}

/* Three incarnations, the second one not closed and without payload checksums. */
static void build_reopened(struct log_image *image)
{
    log_image_new(image, SLOT_BYTES, 3);
    log_image_open(image);
    add_record(image, 100, 1);
    log_image_seal(image);
    log_image_close(image);
    log_image_open(image);
    image->flags = LF_EPOCH_HEADER_CHECKSUM;
    add_record(image, 200, 2);
    log_image_pad(image, 40);
    add_record(image, 300, 3);
    log_image_seal(image);
    log_image_open(image);
    image->flags = 0;
    add_record(image, 400, 4);
    log_image_seal(image);
    log_image_close(image);
}

/* The last write reached the disk in part; prepared zeros behind it. */
static void build_torn(struct log_image *image)
{
    log_image_new(image, SLOT_BYTES, 4);
    log_image_open(image);
    add_record(image, 1000, 1);
    log_image_seal(image);
    add_record(image, 6000, 2);
    const uint64_t lsn = log_image_seal(image);
    memset(image->bytes + lsn + 1024, 0, 512);
    log_image_extend(image, 2 * LF_BLOCK_BYTES);
}

/* A lost epoch between two others, which promise it; the first copy of the file header is lost. */
static void build_corrupt(struct log_image *image)
{
    log_image_new(image, SLOT_BYTES, 5);
    log_image_open(image);
    add_record(image, 500, 1);
    log_image_seal(image);
    add_record(image, 600, 2);
    const uint64_t lsn = log_image_seal(image);
    add_record(image, 700, 3);
    log_image_seal(image);
    log_image_close(image);
    memset(image->bytes + lsn, 0, LF_BLOCK_BYTES);
    memset(image->bytes, 0xff, LF_BLOCK_BYTES);
}

/* Starts at its third epoch; one copy of the trim mark is damaged. */
static void build_trimmed(struct log_image *image)
{
    log_image_new(image, SLOT_BYTES, 6);
    log_image_open(image);
    add_record(image, 5000, 1);
    log_image_seal(image);
    add_record(image, 10, 2);
    const uint64_t lsn = log_image_seal(image);
    add_record(image, 20, 3);
    log_image_seal(image);
    log_image_close(image);
    log_image_trim(image, lsn);
    image->bytes[3 * LF_BLOCK_BYTES + 20] ^= 0x40;
}

/* A directory whose first segment has been released: borders that epochs of one and of two blocks
 * end at, a CLOSE epoch that ends its segment, and a last segment that is short. */
static void build_segments(struct log_image *image)
{
    const uint64_t segment_bytes = LF_FIRST_LSN + 3 * SLOT_BYTES + LF_BLOCK_BYTES;

    log_image_new_segments(image, SLOT_BYTES, segment_bytes, 7);
    log_image_open(image);
    log_image_fill_segment(image, 100);
    log_image_fill_segment(image, 6000);
    for (unsigned i = 0; i < 4; i++) {
        add_record(image, 100 * i, i);
        log_image_seal(image);
    }
    log_image_close(image);
    log_image_open(image);
    add_record(image, 5000, 1);
    log_image_seal(image);
    log_image_fill_segment(image, 10);
    add_record(image, 20, 2);
    log_image_seal(image);
    log_image_close(image);
    log_image_trim(image, segment_bytes + LF_FIRST_LSN + SLOT_BYTES);
}

/* What has been set aside for later: a header that was changed, of which one copy is the new one, with
 * a feature that nobody needs to know and what belongs to it; and bytes of the user's in the mark, of
 * which one copy is older. */
static void build_later(struct log_image *image)
{
    static const char text[] = "term 7, vote 2";

    log_image_new(image, SLOT_BYTES, 8);
    struct lf_file_header *header = (struct lf_file_header *)(image->bytes + LF_BLOCK_BYTES);
    header->generation = 2;
    header->features_ignore = 1;
    memset((uint8_t *)header + 2000, 0xa5, 48);
    lf_file_header_seal(header);
    log_image_open(image);
    add_record(image, 100, 1);
    log_image_seal(image);
    log_image_close(image);
    uint8_t *block = image->bytes + 2 * LF_BLOCK_BYTES;
    struct lf_trim_mark *mark = (struct lf_trim_mark *)block;
    mark->sequence++;
    mark->user_bytes = sizeof(text) - 1;
    memcpy(mark + 1, text, sizeof(text) - 1);
    lf_trim_mark_seal(block, image->chain.log_seed);
}

/* A directory that was closed cleanly, whose last two segments have changed names. */
static void build_exchanged(struct log_image *image)
{
    const uint64_t segment_bytes = LF_FIRST_LSN + 2 * SLOT_BYTES + LF_BLOCK_BYTES;
    uint8_t *segment;

    log_image_new_segments(image, SLOT_BYTES, segment_bytes, 9);
    log_image_open(image);
    for (unsigned i = 0; i < 2; i++)
        log_image_fill_segment(image, 100);
    add_record(image, 100, 1);
    log_image_seal(image);
    log_image_close(image);
    log_image_extend(image, (size_t)(3 * segment_bytes - image->size));
    segment = malloc(segment_bytes);
    memcpy(segment, image->bytes + segment_bytes, segment_bytes);
    memcpy(image->bytes + segment_bytes, image->bytes + 2 * segment_bytes, segment_bytes);
    memcpy(image->bytes + 2 * segment_bytes, segment, segment_bytes);
    free(segment);
}

const struct golden golden_files[] = {
    {"created.log", build_created, LOGFILE_TORN, 0},
    {"tiny.log", build_tiny, LOGFILE_CLEAN, 2},
    {"sizes.log", build_sizes, LOGFILE_CLEAN, 21},
    {"reopened.log", build_reopened, LOGFILE_CLEAN, 4},
    {"torn.log", build_torn, LOGFILE_TORN, 1},
    {"corrupt.log", build_corrupt, LOGFILE_CORRUPT, 2},
    {"trimmed.log", build_trimmed, LOGFILE_CLEAN, 2},
    {"later.log", build_later, LOGFILE_CLEAN, 1},
    {"exchanged", build_exchanged, LOGFILE_CORRUPT, 2},
    {"segments", build_segments, LOGFILE_CLEAN, 10},
};
const unsigned golden_count = sizeof(golden_files) / sizeof(golden_files[0]);

const char *golden_path(const char *name)
{
    static char path[4096];
    const char *source = getenv("srcdir"); /* automake sets it */

    snprintf(path, sizeof(path), "%s/tests/unit/golden/%s", source != NULL ? source : ".", name);
    return path;
}
