/* SPDX-License-Identifier: MIT */
/* Headers, trim marks and the chain, field by field; the golden logs stay what they are. */
#include "format/checksum.h"
#include "format/format.h"
#include "golden.h"
#include "logfile.h"
#include "support.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_BYTES 8192u
#define SEGMENT_BYTES_MIN (LF_FIRST_LSN + SLOT_BYTES + LF_BLOCK_BYTES)

/* ---- Small things ---- */

START_TEST(zeros)
{
    uint8_t bytes[100] = {0};

    ck_assert(lf_is_zero(bytes, bytes));
    ck_assert(lf_is_zero(bytes, bytes + 100));
    for (int i = 0; i < 100; i++) {
        bytes[i] = 1;
        ck_assert(!lf_is_zero(bytes, bytes + 100));
        ck_assert(lf_is_zero(bytes, bytes + i));
        ck_assert(lf_is_zero(bytes + i + 1, bytes + 100));
        bytes[i] = 0;
    }
}
END_TEST

START_TEST(sizes_of_records)
{
    static const uint64_t expected[][2] = {{0, 8}, {1, 16}, {8, 16}, {9, 24}, {4088, 4096}};

    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        ck_assert_uint_eq(lf_record_bytes(expected[i][0]), expected[i][1]);
}
END_TEST

/* ---- File header ---- */

union header_block {
    struct lf_file_header header;
    uint8_t bytes[LF_BLOCK_BYTES];
};

static void header_block_fill(union header_block *block)
{
    struct log_image image;

    log_image_new(&image, SLOT_BYTES, 7);
    memcpy(block->bytes, image.bytes, sizeof(block->bytes));
    log_image_free(&image);
}

static int header_block_reseal(union header_block *block)
{
    lf_file_header_seal(block->bytes);
    return lf_file_header_check(block->bytes);
}

START_TEST(file_header_is_valid)
{
    union header_block block;

    header_block_fill(&block);
    ck_assert_int_eq(lf_file_header_check(block.bytes), 0);
    ck_assert(lf_file_header_judge(block.bytes) == LF_HEADER_VALID);
    ck_assert_mem_eq(block.bytes, "logfile\n", 8);
    ck_assert_uint_eq(lf_log_seed(&block.header), lf_crc32c(0, block.bytes + 72, 32));
    ck_assert_uint_eq(block.header.checksum, lf_crc32c(0, block.bytes + 12, LF_BLOCK_BYTES - 12));
}
END_TEST

static uint64_t field(const uint8_t *bytes, unsigned from, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, bytes + from, size);
    return value;
}

/* Where docs/FORMAT.md has each field. */
START_TEST(file_header_places)
{
    union header_block block;

    memset(block.bytes, 0, sizeof(block.bytes));
    block.header = (struct lf_file_header){.checksum = 1,
                                           .version = 2,
                                           .byte_order = 3,
                                           .block_bytes = 4,
                                           .features_refuse = 5,
                                           .features_read_only = 6,
                                           .features_ignore = 7,
                                           .generation = 8,
                                           .slot_bytes = 9,
                                           .segment_bytes = 10,
                                           .id = {11},
                                           .salt = {12},
                                           .first_lsn = 13};
    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_eq(field(block.bytes, 8 + 4 * i, 4), 1 + i);
    for (unsigned i = 0; i < 6; i++)
        ck_assert_uint_eq(field(block.bytes, 24 + 8 * i, 8), 5 + i);
    ck_assert_uint_eq(block.bytes[72], 11);
    ck_assert_uint_eq(block.bytes[88], 12);
    ck_assert_uint_eq(field(block.bytes, 104, 8), 13);
}
END_TEST

/* Each byte of the block: outside the magic damage is called damage, and nothing is overlooked. */
START_TEST(file_header_damage)
{
    union header_block block;

    header_block_fill(&block);
    for (unsigned i = 0; i < LF_BLOCK_BYTES; i++) {
        block.bytes[i] ^= 0x10;
        ck_assert_int_eq(lf_file_header_check(block.bytes),
                         i < 8 ? LOGFILE_EFORMAT : LOGFILE_ECORRUPT);
        block.bytes[i] ^= 0x10;
    }
}
END_TEST

START_TEST(file_header_of_another_kind)
{
    union header_block block;

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        header_block_fill(&block);                                                                 \
        change;                                                                                    \
        ck_assert_int_eq(header_block_reseal(&block), LOGFILE_EFORMAT);                            \
    } while (0)
    REFUSED(block.header.version = 0);
    REFUSED(block.header.version = 1);
    REFUSED(block.header.version = 3);
    REFUSED(block.header.byte_order = 0x01020305);
    REFUSED(block.header.block_bytes = 512);
    REFUSED(block.header.generation = 0);
    REFUSED(block.header.features_refuse = LF_FEATURE_REFUSE_TRANSFORMED);
    REFUSED(block.header.features_refuse = 2);
    REFUSED(block.header.features_refuse = (uint64_t)1 << 63);
    REFUSED((block.header.features_refuse = 2, block.header.features_ignore = 2));
    REFUSED(block.header.slot_bytes = 0);
    REFUSED(block.header.slot_bytes = 4096);
    REFUSED(block.header.slot_bytes = 12288);
    REFUSED(block.header.slot_bytes = (uint64_t)128 << 20);
    /* Sizes of segments: hostile ones, and by a block too small or too large. */
    REFUSED(block.header.segment_bytes = 1);
    REFUSED(block.header.segment_bytes = LF_BLOCK_BYTES);
    REFUSED(block.header.segment_bytes = LF_FIRST_LSN);
    REFUSED(block.header.segment_bytes = LF_FIRST_LSN + SLOT_BYTES);
    REFUSED(block.header.segment_bytes = SEGMENT_BYTES_MIN + 8);
    REFUSED(block.header.segment_bytes = LF_SEGMENT_BYTES_MAX + LF_BLOCK_BYTES);
    REFUSED(block.header.segment_bytes = (uint64_t)1 << 63);
    REFUSED(block.header.segment_bytes = UINT64_MAX - LF_BLOCK_BYTES + 1);
    REFUSED((block.header.segment_bytes = SEGMENT_BYTES_MIN, block.header.first_lsn = 0));
    REFUSED((block.header.segment_bytes = SEGMENT_BYTES_MIN,
             block.header.first_lsn = SEGMENT_BYTES_MIN));
    REFUSED((block.header.segment_bytes = SEGMENT_BYTES_MIN,
             block.header.first_lsn = LF_FIRST_LSN + LF_BLOCK_BYTES));
    REFUSED(block.header.first_lsn = 0);
    REFUSED(block.header.first_lsn = LF_FIRST_LSN + SEGMENT_BYTES_MIN);
    REFUSED(block.header.first_lsn = (uint64_t)1 << 40);
    REFUSED(block.bytes[112] = 1);
    REFUSED(block.bytes[LF_BLOCK_BYTES - 1] = 1);
#undef REFUSED
    ck_assert(lf_file_header_judge(block.bytes) == LF_HEADER_UNKNOWN);
    header_block_fill(&block);
    block.header.slot_bytes = LF_SLOT_BYTES_MAX;
    ck_assert_int_eq(header_block_reseal(&block), 0);
    block.header.generation = UINT64_MAX;
    ck_assert_int_eq(header_block_reseal(&block), 0);
}
END_TEST

/* A reader need not know them, and what is behind the fields may belong to one of them. */
START_TEST(file_header_with_features)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        union header_block block;
        header_block_fill(&block);
        block.header.features_read_only = (uint64_t)1 << bit;
        ck_assert_int_eq(header_block_reseal(&block), 0);
        block.bytes[112 + bit] = 1;
        ck_assert_int_eq(header_block_reseal(&block), 0);
        block.header.features_read_only = 0;
        ck_assert_int_eq(header_block_reseal(&block), LOGFILE_EFORMAT);
        block.header.features_ignore = (uint64_t)1 << bit;
        ck_assert_int_eq(header_block_reseal(&block), 0);
        block.header.features_refuse = (uint64_t)1 << bit;
        ck_assert_int_eq(header_block_reseal(&block), LOGFILE_EFORMAT);
    }
}
END_TEST

/* What one log's files share; first_lsn tells them apart. */
START_TEST(file_headers_of_one_log)
{
    union header_block a, b;

#define SAME_WITH(change, expected)                                                                \
    do {                                                                                           \
        header_block_fill(&a);                                                                     \
        header_block_fill(&b);                                                                     \
        change;                                                                                    \
        ck_assert(lf_file_header_same_log(&a.header, &b.header) == (expected));                    \
        ck_assert(lf_file_header_same_log(&b.header, &a.header) == (expected));                    \
    } while (0)
    SAME_WITH((void)0, true);
    SAME_WITH(b.header.first_lsn += SEGMENT_BYTES_MIN, true);
    SAME_WITH(b.header.generation++, true);
    SAME_WITH(b.header.features_ignore = 1, true);
    SAME_WITH(b.header.slot_bytes *= 2, false);
    SAME_WITH(b.header.segment_bytes = SEGMENT_BYTES_MIN, false);
    for (unsigned i = 0; i < 16; i++) {
        SAME_WITH(b.header.id[i] ^= 1, false);
        SAME_WITH(b.header.salt[i] ^= 0x80, false);
    }
#undef SAME_WITH
}
END_TEST

START_TEST(file_header_of_a_segment)
{
    static const uint64_t sizes[] = {SEGMENT_BYTES_MIN, SEGMENT_BYTES_MIN + LF_BLOCK_BYTES,
                                     (uint64_t)64 << 20, LF_SEGMENT_BYTES_MAX};
    union header_block block;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (uint64_t index = 0; index < 1000; index = 3 * index + 1) {
            header_block_fill(&block);
            block.header.segment_bytes = sizes[i];
            block.header.first_lsn = index * sizes[i] + LF_FIRST_LSN;
            ck_assert_int_eq(header_block_reseal(&block), 0);
        }
}
END_TEST

/* Written by a big-endian machine: its checksum too is in the other order, and it is no damage. */
START_TEST(file_header_of_the_other_byte_order)
{
    union header_block block;

    header_block_fill(&block);
    block.header.version = __builtin_bswap32(block.header.version);
    block.header.byte_order = __builtin_bswap32(block.header.byte_order);
    lf_file_header_seal(block.bytes);
    block.header.checksum = __builtin_bswap32(block.header.checksum);
    ck_assert_int_eq(lf_file_header_check(block.bytes), LOGFILE_EFORMAT);
    ck_assert(lf_file_header_judge(block.bytes) == LF_HEADER_NONE);
}
END_TEST

START_TEST(no_file_header)
{
    union header_block block;

    memset(block.bytes, 0, sizeof(block.bytes));
    ck_assert_int_eq(lf_file_header_check(block.bytes), LOGFILE_EFORMAT);
    ck_assert(lf_file_header_judge(block.bytes) == LF_HEADER_NONE);
    memset(block.bytes, 'x', sizeof(block.bytes));
    ck_assert_int_eq(lf_file_header_check(block.bytes), LOGFILE_EFORMAT);
}
END_TEST

/* ---- Trim mark ---- */

union trim_block {
    struct lf_trim_mark mark;
    uint8_t bytes[LF_BLOCK_BYTES];
};

/* With user_bytes of the user's. */
static void trim_block_fill(union trim_block *block, uint32_t user_bytes)
{
    memset(block->bytes, 0, sizeof(block->bytes));
    block->mark = (struct lf_trim_mark){.magic = LF_TRIM_MAGIC,
                                        .sequence = 5,
                                        .oldest_lsn = 40960,
                                        .epoch = 9,
                                        .chain = 77,
                                        .incarnation = 3,
                                        .promise = 45056,
                                        .user_bytes = user_bytes};
    memset(block->bytes + 64, 'u', user_bytes);
    lf_trim_mark_seal(block->bytes, 123);
}

START_TEST(trim_mark)
{
    static const uint32_t user_bytes[] = {0, 1, 100, LF_USER_BYTES_MAX};
    union trim_block block;

    for (size_t n = 0; n < sizeof(user_bytes) / sizeof(user_bytes[0]); n++) {
        trim_block_fill(&block, user_bytes[n]);
        ck_assert(lf_trim_mark_check(block.bytes, 123));
        ck_assert(!lf_trim_mark_check(block.bytes, 124));
        for (unsigned i = 0; i < LF_BLOCK_BYTES; i++) {
            block.bytes[i] ^= 0x80;
            ck_assert(!lf_trim_mark_check(block.bytes, 123));
            block.bytes[i] ^= 0x80;
        }
    }
}
END_TEST

/* Where docs/FORMAT.md has each field. */
START_TEST(trim_mark_places)
{
    union trim_block block;

    trim_block_fill(&block, 7);
    ck_assert_mem_eq(block.bytes, "LTRM", 4);
    ck_assert_uint_eq(field(block.bytes, 4, 4),
                      lf_crc32c(123, block.bytes + 8, LF_BLOCK_BYTES - 8));
    ck_assert_uint_eq(field(block.bytes, 8, 8), 5);
    ck_assert_uint_eq(field(block.bytes, 16, 8), 40960);
    ck_assert_uint_eq(field(block.bytes, 24, 8), 9);
    ck_assert_uint_eq(field(block.bytes, 32, 4), 77);
    ck_assert_uint_eq(field(block.bytes, 36, 4), 3);
    ck_assert_uint_eq(field(block.bytes, 40, 8), 45056);
    ck_assert_uint_eq(field(block.bytes, 48, 4), 7);
}
END_TEST

START_TEST(trim_mark_fields)
{
    union trim_block block;

#define CHECK_WITH(change, expected)                                                               \
    do {                                                                                           \
        trim_block_fill(&block, 0);                                                                \
        change;                                                                                    \
        lf_trim_mark_seal(block.bytes, 123);                                                       \
        ck_assert(lf_trim_mark_check(block.bytes, 123) == (expected));                             \
    } while (0)
    CHECK_WITH(block.mark.magic++, false);
    CHECK_WITH(block.mark.sequence = 0, false);
    CHECK_WITH(block.mark.sequence = 1, true);
    CHECK_WITH(block.mark.sequence = UINT64_MAX, true);
    CHECK_WITH(block.mark.oldest_lsn++, false);
    CHECK_WITH(block.mark.oldest_lsn = 12288, false);
    CHECK_WITH((block.mark.oldest_lsn = 16384, block.mark.promise = 16384), true);
    CHECK_WITH((block.mark.oldest_lsn = LF_LSN_END - 4096, block.mark.promise = LF_LSN_END), true);
    CHECK_WITH((block.mark.oldest_lsn = LF_LSN_END, block.mark.promise = LF_LSN_END), false);
    CHECK_WITH(block.mark.epoch = 0, false);
    CHECK_WITH(block.mark.incarnation = 0, true);
    CHECK_WITH(block.mark.incarnation = UINT32_MAX, true);
    CHECK_WITH(block.mark.promise = 40960, true);
    CHECK_WITH(block.mark.promise = 36864, false);
    CHECK_WITH(block.mark.promise = 0, false);
    CHECK_WITH(block.mark.promise += 8, false);
    CHECK_WITH(block.mark.promise = LF_LSN_END, true);
    CHECK_WITH(block.mark.promise = LF_LSN_END + 4096, false);
    for (unsigned i = 52; i < 64; i++)
        CHECK_WITH(block.bytes[i] = 1, false);
    /* The user's bytes, and what is behind them. */
    CHECK_WITH(block.mark.user_bytes = LF_USER_BYTES_MAX, true);
    CHECK_WITH(block.mark.user_bytes = LF_USER_BYTES_MAX + 1, false);
    CHECK_WITH(block.mark.user_bytes = UINT32_MAX, false);
    CHECK_WITH(block.bytes[64] = 1, false);
    CHECK_WITH((block.mark.user_bytes = 1, block.bytes[64] = 1), true);
    CHECK_WITH((block.mark.user_bytes = 1, block.bytes[65] = 1), false);
    CHECK_WITH((block.mark.user_bytes = LF_USER_BYTES_MAX, block.bytes[4063] = 1), true);
    CHECK_WITH((block.mark.user_bytes = LF_USER_BYTES_MAX, block.bytes[4064] = 1), false);
    CHECK_WITH(block.bytes[LF_BLOCK_BYTES - 1] = 1, false);
#undef CHECK_WITH
}
END_TEST

/* ---- Epoch header ---- */

static const struct lf_epoch_header sample_header = {
    .magic = LF_EPOCH_MAGIC,
    .epoch = 3,
    .lsn = 24576,
    .promise = 20480,
    .nonce = 99,
    .incarnation = 2,
    .chain = 7,
    .length = 96,
    .record_count = 2,
    .time_ns = 1,
};

/* Of a one-file log. */
static const struct lf_layout sample_layout = {.slot_bytes = SLOT_BYTES};

static bool header_holds_in(struct lf_epoch_header *header, const struct lf_layout *layout)
{
    header->checksum = lf_epoch_header_checksum(header, 11);
    return lf_epoch_header_check(header, 11, layout, header->lsn);
}

static bool header_holds(struct lf_epoch_header *header)
{
    header->checksum = lf_epoch_header_checksum(header, 11);
    return lf_epoch_header_check(header, 11, &sample_layout, 24576);
}

START_TEST(epoch_header)
{
    struct lf_epoch_header header = sample_header;

    ck_assert(header_holds(&header));
    ck_assert(!lf_epoch_header_check(&header, 12, &sample_layout, 24576));
    ck_assert(!lf_epoch_header_check(&header, 11, &sample_layout, 28672));
    for (unsigned i = 0; i < sizeof(header); i++) {
        ((uint8_t *)&header)[i] ^= 4;
        ck_assert(!lf_epoch_header_check(&header, 11, &sample_layout, 24576));
        ((uint8_t *)&header)[i] ^= 4;
    }
}
END_TEST

/* Where docs/FORMAT.md has each field. */
START_TEST(epoch_header_places)
{
    struct lf_epoch_header header = {.epoch = 1,
                                     .lsn = 2,
                                     .promise = 3,
                                     .nonce = 4,
                                     .incarnation = 5,
                                     .chain = 6,
                                     .length = 7,
                                     .record_count = 8,
                                     .flags = 9,
                                     .time_ns = 10};
    const uint8_t *bytes = (const uint8_t *)&header;

    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_eq(field(bytes, 8 + 8 * i, 8), 1 + i);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq(field(bytes, 40 + 4 * i, 4), 5 + i);
    ck_assert_uint_eq(field(bytes, 64, 8), 10);
    ck_assert_uint_eq(lf_epoch_header_checksum(&header, 11), lf_crc32c(11, bytes + 8, 72));
}
END_TEST

START_TEST(epoch_header_fields)
{
    struct lf_epoch_header header;

#define CHECK_WITH(change, expected)                                                               \
    do {                                                                                           \
        header = sample_header;                                                                    \
        change;                                                                                    \
        ck_assert(header_holds(&header) == (expected));                                            \
    } while (0)
    CHECK_WITH(header.magic ^= 1, false);
    CHECK_WITH(header.epoch = 0, false);
    CHECK_WITH(header.epoch = UINT64_MAX, true);
    CHECK_WITH(header.lsn += 4096, false);
    CHECK_WITH(header.promise = 24576, true);
    CHECK_WITH(header.promise = 24577, false);
    CHECK_WITH(header.promise = 0, true);
    CHECK_WITH(header.incarnation = 0, false);
    CHECK_WITH(header.zero = 1, false);
    CHECK_WITH(header.zero_too = 1, false);
    CHECK_WITH(header.zero_too = (uint64_t)1 << 63, false);
    CHECK_WITH(header.time_ns = 0, true);
    CHECK_WITH(header.time_ns = UINT64_MAX, true);
    CHECK_WITH(header.length = 0, false);
    CHECK_WITH(header.length = 80, false);
    CHECK_WITH(header.length = 88, true);
    CHECK_WITH(header.length = 95, false);
    CHECK_WITH(header.length = 97, false);
    CHECK_WITH(header.length = SLOT_BYTES, true);
    CHECK_WITH(header.length = SLOT_BYTES + 8, false);
    CHECK_WITH(header.length = UINT32_MAX - 7, false);
    CHECK_WITH(header.record_count = 0, false);
    CHECK_WITH((header.record_count = 0, header.length = 80), false);
    CHECK_WITH(header.flags = LF_EPOCH_HEADER_CHECKSUM, true);
    CHECK_WITH(header.flags = LF_EPOCH_END, false); /* never in one file */
    CHECK_WITH((header.flags = LF_EPOCH_END, header.length = 80, header.record_count = 0), false);
    CHECK_WITH(header.flags = 16, false);
    CHECK_WITH(header.flags = 0x80000000u, false);
    CHECK_WITH(header.flags = LF_EPOCH_OPEN, false);
    CHECK_WITH(header.flags = LF_EPOCH_CLOSE, false);
    CHECK_WITH((header.flags = LF_EPOCH_OPEN, header.length = 80), false);
    CHECK_WITH((header.flags = LF_EPOCH_OPEN, header.record_count = 0), false);
    CHECK_WITH((header.flags = LF_EPOCH_OPEN, header.length = 64, header.record_count = 0), false);
    CHECK_WITH((header.flags = LF_EPOCH_OPEN, header.length = 80, header.record_count = 0), true);
    CHECK_WITH((header.flags = LF_EPOCH_CLOSE, header.length = 80, header.record_count = 0), true);
    CHECK_WITH((header.flags = LF_EPOCH_OPEN | LF_EPOCH_CLOSE, header.length = 80,
                header.record_count = 0),
               false);
#undef CHECK_WITH
}
END_TEST

/* ---- Layout ---- */

/* Room for three epochs of two blocks, and the block that must stay behind each of them. */
#define SEGMENT_BYTES (LF_FIRST_LSN + 3 * SLOT_BYTES + LF_BLOCK_BYTES)

static const struct lf_layout segments_layout = {.slot_bytes = SLOT_BYTES,
                                                 .segment_bytes = SEGMENT_BYTES};

/* Every block of two segments: the next epoch goes there, or a full one and a CLOSE epoch would not
 * fit behind it. */
START_TEST(where_epochs_go)
{
    const struct lf_layout *layout = &segments_layout;

    for (uint64_t index = 0; index < 3; index++) {
        const uint64_t first_lsn = lf_segment_first_lsn(layout, index);
        const uint64_t end_lsn = (index + 1) * SEGMENT_BYTES;
        for (uint64_t lsn = first_lsn; lsn <= end_lsn; lsn += LF_BLOCK_BYTES) {
            const bool fits = lsn + SLOT_BYTES + LF_BLOCK_BYTES <= end_lsn;
            ck_assert_uint_eq(lf_layout_place(layout, lsn),
                              fits ? lsn : lf_segment_first_lsn(layout, index + 1));
        }
        ck_assert_uint_eq(lf_segment_index(layout, first_lsn), index);
        ck_assert_uint_eq(lf_segment_index(layout, end_lsn - 1), index);
        ck_assert_uint_eq(lf_segment_end_lsn(layout, first_lsn), end_lsn);
    }
    ck_assert_uint_eq(lf_layout_place(&sample_layout, 123456 * LF_BLOCK_BYTES),
                      123456 * LF_BLOCK_BYTES);
    ck_assert_uint_eq(lf_segment_end_lsn(&sample_layout, 16384), UINT64_MAX);
}
END_TEST

/* An epoch of one or two blocks at every place of a segment: END ends the segment wherever it is, and
 * without END the epoch leaves a block for what follows; none reaches beyond its segment. */
START_TEST(end_flag)
{
    const uint64_t first_lsn = lf_segment_first_lsn(&segments_layout, 5);
    const uint64_t end_lsn = lf_segment_end_lsn(&segments_layout, first_lsn);

    for (uint32_t length = 88; length <= SLOT_BYTES; length += SLOT_BYTES - 88)
        for (uint64_t lsn = first_lsn; lsn < end_lsn; lsn += LF_BLOCK_BYTES) {
            struct lf_epoch_header header = sample_header;
            header.lsn = lsn;
            header.length = length;
            const uint64_t behind = lsn + lf_epoch_extent(&header);
            ck_assert(header_holds_in(&header, &segments_layout) ==
                      (behind + LF_BLOCK_BYTES <= end_lsn));
            ck_assert_uint_eq(lf_epoch_next_lsn(&header, &segments_layout), behind);
            header.flags = LF_EPOCH_END;
            ck_assert(header_holds_in(&header, &segments_layout) == (behind <= end_lsn));
            ck_assert_uint_eq(lf_epoch_next_lsn(&header, &segments_layout),
                              lf_segment_first_lsn(&segments_layout, 6));
        }
}
END_TEST

/* END beside OPEN or CLOSE, and alone: then there is nothing in the epoch but its header. */
START_TEST(end_flag_without_records)
{
    static const uint32_t beside[] = {0, LF_EPOCH_OPEN, LF_EPOCH_CLOSE, LF_EPOCH_HEADER_CHECKSUM};
    struct lf_epoch_header header = sample_header;

    header.lsn = lf_segment_first_lsn(&segments_layout, 5);
    for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
        header.flags = beside[i] | LF_EPOCH_END;
        header.length = 80;
        header.record_count = 0;
        ck_assert(header_holds_in(&header, &segments_layout));
        header.length = 88;
        ck_assert(!header_holds_in(&header, &segments_layout));
        header.length = 80;
        header.record_count = 1;
        ck_assert(!header_holds_in(&header, &segments_layout));
    }
    header.flags = LF_EPOCH_OPEN | LF_EPOCH_CLOSE | LF_EPOCH_END;
    header.record_count = 0;
    ck_assert(!header_holds_in(&header, &segments_layout));
}
END_TEST

/* What a chain seals, another one follows, segment after segment. */
START_TEST(chain_goes_from_segment_to_segment)
{
    _Alignas(8) uint8_t buffer[SLOT_BYTES] = {0};
    const struct lf_epoch_header *header = (const struct lf_epoch_header *)buffer;
    struct lf_chain writer = {
        .layout = segments_layout, .log_seed = 11, .lsn = LF_FIRST_LSN, .epoch = 1, .chain = 11};
    struct lf_chain reader = writer;
    struct rng rng = {.state = 1};
    unsigned ends = 0;

    lf_chain_begin(&writer, 1, 5);
    lf_chain_begin(&reader, 1, 5);
    for (unsigned i = 0; i < 1000; i++) {
        const size_t length = 88 + 8 * (size_t)rng_below(&rng, (SLOT_BYTES - 80) / 8);
        const uint64_t lsn = writer.lsn;
        lf_chain_seal(&writer, buffer, length, 1, 0, lsn);
        ck_assert(lf_epoch_header_check(header, 11, &segments_layout, lsn));
        ck_assert(lf_chain_accepts(&reader, header));
        lf_chain_advance(&reader, header);
        ck_assert_uint_eq(reader.lsn, writer.lsn);
        const bool moved = lf_segment_index(&segments_layout, lsn) !=
                           lf_segment_index(&segments_layout, writer.lsn);
        ck_assert(((header->flags & LF_EPOCH_END) != 0) == moved);
        ck_assert_uint_ge(writer.lsn % SEGMENT_BYTES, LF_FIRST_LSN);
        ends += moved;
    }
    ck_assert_uint_gt(ends, 200);
}
END_TEST

/* ---- Chain ---- */

START_TEST(chain_seals_what_it_accepts)
{
    _Alignas(8) uint8_t buffer[2 * LF_BLOCK_BYTES];
    struct lf_chain writer = {
        .layout = sample_layout, .log_seed = 11, .lsn = 20480, .epoch = 5, .chain = 1};
    struct lf_chain reader = writer;
    const struct lf_epoch_header *header = (const struct lf_epoch_header *)buffer;

    lf_chain_begin(&writer, 4, 0xabcdef);
    const uint64_t nonce = 0xabcdef;
    ck_assert_uint_eq(writer.record_seed, lf_crc32c(11, &nonce, 8));

    memset(buffer, 0xee, sizeof(buffer));
    ck_assert_uint_eq(lf_chain_seal(&writer, buffer, LF_BLOCK_BYTES + 8, 3, 0, 20480),
                      2 * LF_BLOCK_BYTES);
    ck_assert(lf_epoch_header_check(header, 11, &reader.layout, 20480));
    ck_assert(lf_chain_accepts(&reader, header));
    ck_assert_uint_eq(header->epoch, 5);
    ck_assert_uint_eq(header->chain, 1);
    ck_assert_uint_eq(header->record_count, 3);
    ck_assert_uint_eq(buffer[80], 0xee);
    ck_assert_uint_eq(buffer[LF_BLOCK_BYTES + 7], 0xee);
    ck_assert(lf_is_zero(buffer + LF_BLOCK_BYTES + 8, buffer + 2 * LF_BLOCK_BYTES));

    ck_assert_uint_eq(writer.lsn, 20480 + 2 * LF_BLOCK_BYTES);
    ck_assert_uint_eq(writer.epoch, 6);
    ck_assert_uint_eq(writer.chain, header->checksum);
    lf_chain_advance(&reader, header);
    ck_assert_uint_eq(reader.lsn, writer.lsn);
    ck_assert_uint_eq(reader.epoch, writer.epoch);
    ck_assert_uint_eq(reader.chain, writer.chain);
}
END_TEST

/* An epoch that fills its blocks to the last byte has nothing to pad. */
START_TEST(chain_seals_full_blocks)
{
    _Alignas(8) uint8_t buffer[LF_BLOCK_BYTES + 1];
    struct lf_chain chain = {.layout = sample_layout, .log_seed = 11, .lsn = 20480, .epoch = 5};

    memset(buffer, 0xee, sizeof(buffer));
    ck_assert_uint_eq(lf_chain_seal(&chain, buffer, LF_BLOCK_BYTES, 1, 0, 0), LF_BLOCK_BYTES);
    ck_assert_uint_eq(buffer[LF_BLOCK_BYTES - 1], 0xee);
    ck_assert_uint_eq(buffer[LF_BLOCK_BYTES], 0xee);
}
END_TEST

START_TEST(chain_accepts_only_the_next)
{
    const struct lf_chain chain = {
        .lsn = 24576, .epoch = 3, .nonce = 99, .incarnation = 2, .chain = 7};
    struct lf_epoch_header header;

#define ACCEPTS(change, expected)                                                                  \
    do {                                                                                           \
        header = sample_header;                                                                    \
        change;                                                                                    \
        ck_assert(lf_chain_accepts(&chain, &header) == (expected));                                \
    } while (0)
    ACCEPTS((void)0, true);
    ACCEPTS(header.lsn += 4096, false);
    ACCEPTS(header.epoch = 2, false);
    ACCEPTS(header.epoch = 4, false);
    ACCEPTS(header.chain = 8, false);
    ACCEPTS(header.nonce = 98, false);
    ACCEPTS(header.incarnation = 1, false);
    ACCEPTS(header.incarnation = 3, false);
    ACCEPTS(header.flags = LF_EPOCH_OPEN, false);
    ACCEPTS((header.flags = LF_EPOCH_OPEN, header.incarnation = 1), false);
    ACCEPTS((header.flags = LF_EPOCH_OPEN, header.incarnation = 3), true);
    ACCEPTS((header.flags = LF_EPOCH_OPEN, header.incarnation = 9, header.nonce = 1), true);
#undef ACCEPTS
}
END_TEST

/* ---- Golden logs ---- */

static void expect_file(const char *path, const uint8_t *expected, size_t size)
{
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s is missing", path);
    uint8_t *bytes = malloc(size + 1);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(fread(bytes, 1, size + 1, file), size);
    for (size_t i = 0; i < size; i++)
        ck_assert_msg(bytes[i] == expected[i], "%s differs at byte %zu", path, i);
    free(bytes);
    fclose(file);
}

static void expect_directory(const char *path, const struct log_image *image)
{
    char control[5000];

    snprintf(control, sizeof(control), "%s/control", path);
    expect_file(control, image->bytes, LF_FIRST_LSN);
    for (uint64_t index = image->oldest_lsn / image->segment_bytes;
         index * image->segment_bytes < image->size; index++) {
        size_t size;
        uint8_t *expected = log_image_segment(image, index, &size);
        expect_file(log_image_segment_path(path, index), expected, size);
        free(expected);
    }
}

START_TEST(golden_log_is_unchanged)
{
    const struct golden *golden = &golden_files[_i];
    struct log_image image;

    golden->build(&image);
    if (image.segment_bytes != 0)
        expect_directory(golden_path(golden->name), &image);
    else
        expect_file(golden_path(golden->name), image.bytes, image.size);
    log_image_free(&image);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("format");
    TCase *tcase = tcase_create("format");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, zeros);
    tcase_add_test(tcase, sizes_of_records);
    tcase_add_test(tcase, file_header_is_valid);
    tcase_add_test(tcase, file_header_places);
    tcase_add_test(tcase, file_header_damage);
    tcase_add_test(tcase, file_header_of_another_kind);
    tcase_add_test(tcase, file_header_with_features);
    tcase_add_test(tcase, file_headers_of_one_log);
    tcase_add_test(tcase, file_header_of_a_segment);
    tcase_add_test(tcase, file_header_of_the_other_byte_order);
    tcase_add_test(tcase, no_file_header);
    tcase_add_test(tcase, trim_mark);
    tcase_add_test(tcase, trim_mark_places);
    tcase_add_test(tcase, trim_mark_fields);
    tcase_add_test(tcase, epoch_header);
    tcase_add_test(tcase, epoch_header_places);
    tcase_add_test(tcase, epoch_header_fields);
    tcase_add_test(tcase, where_epochs_go);
    tcase_add_test(tcase, end_flag);
    tcase_add_test(tcase, end_flag_without_records);
    tcase_add_test(tcase, chain_goes_from_segment_to_segment);
    tcase_add_test(tcase, chain_seals_what_it_accepts);
    tcase_add_test(tcase, chain_seals_full_blocks);
    tcase_add_test(tcase, chain_accepts_only_the_next);
    tcase_add_loop_test(tcase, golden_log_is_unchanged, 0, (int)golden_count);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
