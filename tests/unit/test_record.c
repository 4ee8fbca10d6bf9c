/* SPDX-License-Identifier: MIT */
/* Framing of one record: what is encoded is decoded, and nothing else is. */
#include "format/checksum.h"
#include "format/record.h"
#include "support.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define SEED 0xfeedbeefu
#define EPOCH ((uint64_t)0x123456789abcdef)
#define OFFSET 64u

static const struct lf_record_place place = {EPOCH, OFFSET, SEED};

/* An epoch with one record at OFFSET; what is around it is not zero. */
struct sample {
    uint8_t bytes[OFFSET + 8192 + 64];
    uint8_t payload[8192];
    size_t size;
    uint32_t length;
};

static void sample_encode(struct sample *sample, size_t size, bool header_only)
{
    const struct iovec iov = {sample->payload, size};
    const struct lf_payload payload = {&iov, 1, size};

    memset(sample->bytes, 0xa5, sizeof(sample->bytes));
    payload_fill(sample->payload, size, size);
    sample->size = size;
    sample->length = OFFSET + (uint32_t)lf_record_bytes(size);
    lf_record_encode(sample->bytes + OFFSET, &place, &payload,
                     header_only ? 0 : lf_payload_crc(&payload));
}

static bool sample_decodes(const struct sample *sample, bool header_only,
                           struct lf_record_view *view)
{
    return lf_record_decode(sample->bytes, sample->length, &place, header_only, view);
}

/* Makes the header right for what the record now is, so that only what it is can be wrong. */
static void sample_forge(struct sample *sample, uint32_t word, uint32_t payload_crc)
{
    const struct lf_record_header header = {word, lf_record_checksum(&place, word, payload_crc)};

    memcpy(sample->bytes + OFFSET, &header, sizeof(header));
}

START_TEST(round_trip)
{
    static struct sample sample;
    struct lf_record_view view;

    for (size_t size = 0; size <= 200; size++) {
        sample_encode(&sample, size, false);
        ck_assert(sample_decodes(&sample, false, &view));
        ck_assert_uint_eq(view.size, size);
        ck_assert_int_eq(view.type, LF_RECORD_DATA);
        ck_assert_uint_eq(view.next, sample.length);
        ck_assert(payload_matches(view.data, size, size));
    }
}
END_TEST

START_TEST(writes_its_own_bytes_only)
{
    static struct sample sample;

    for (size_t size = 0; size <= 100; size++) {
        sample_encode(&sample, size, false);
        ck_assert_uint_eq(sample.bytes[OFFSET - 1], 0xa5);
        ck_assert_uint_eq(sample.bytes[sample.length], 0xa5);
        ck_assert(lf_is_zero(sample.bytes + OFFSET + 8 + size, sample.bytes + sample.length));
    }
}
END_TEST

START_TEST(gathers_buffers)
{
    static struct sample whole, parts;
    uint8_t *payload = parts.payload;
    const struct iovec iov[] = {{payload, 1}, {NULL, 0}, {payload + 1, 4999}, {payload + 5000, 3}};
    const struct lf_payload gathered = {iov, 4, 5003}, nothing = {NULL, 0, 0};

    sample_encode(&whole, 5003, false);
    memset(parts.bytes, 0xa5, sizeof(parts.bytes));
    payload_fill(payload, 5003, 5003);
    lf_record_encode(parts.bytes + OFFSET, &place, &gathered, lf_payload_crc(&gathered));
    ck_assert_mem_eq(whole.bytes, parts.bytes, sizeof(whole.bytes));
    ck_assert_uint_eq(lf_payload_crc(&nothing), 0);
}
END_TEST

/* docs/FORMAT.md, worked by hand here. */
START_TEST(checksum_covers_what_the_format_says)
{
    uint8_t covered[20];
    const uint32_t offset = 72, word = 0x10000005, crc = 0x9a71bb4c;

    for (int i = 0; i < 8; i++)
        covered[i] = (uint8_t)(EPOCH >> (8 * i));
    for (int i = 0; i < 4; i++) {
        covered[8 + i] = (uint8_t)(offset >> (8 * i));
        covered[12 + i] = (uint8_t)(word >> (8 * i));
        covered[16 + i] = (uint8_t)(crc >> (8 * i));
    }
    ck_assert_uint_eq(lf_record_checksum(&(struct lf_record_place){EPOCH, offset, SEED}, word, crc),
                      lf_crc32c(SEED, covered, sizeof(covered)));
}
END_TEST

START_TEST(every_flipped_bit_is_noticed)
{
    static struct sample sample;
    struct lf_record_view view;

    sample_encode(&sample, 53, false);
    for (uint32_t at = OFFSET; at < sample.length; at++)
        for (int bit = 0; bit < 8; bit++) {
            sample.bytes[at] ^= (uint8_t)(1 << bit);
            ck_assert_msg(!sample_decodes(&sample, false, &view), "byte %u bit %d", at, bit);
            sample.bytes[at] ^= (uint8_t)(1 << bit);
        }
    ck_assert(sample_decodes(&sample, false, &view));
}
END_TEST

START_TEST(header_only_covers_all_but_the_payload)
{
    static struct sample sample;
    struct lf_record_view view;

    sample_encode(&sample, 53, true);
    for (uint32_t at = OFFSET; at < sample.length; at++) {
        const bool payload = at >= OFFSET + 8 && at < OFFSET + 8 + 53;
        sample.bytes[at] ^= 1;
        ck_assert_msg(sample_decodes(&sample, true, &view) == payload, "byte %u", at);
        sample.bytes[at] ^= 1;
    }
    ck_assert(!sample_decodes(&sample, false, &view));
}
END_TEST

START_TEST(bound_to_its_place)
{
    static struct sample sample;
    struct lf_record_view view;
    const uint8_t *bytes = sample.bytes;

    sample_encode(&sample, 100, false);
    ck_assert(!lf_record_decode(bytes, sample.length,
                                &(struct lf_record_place){EPOCH, OFFSET, SEED + 1}, false, &view));
    ck_assert(!lf_record_decode(bytes, sample.length,
                                &(struct lf_record_place){EPOCH + 1, OFFSET, SEED}, false, &view));
    memmove(sample.bytes + OFFSET + 8, sample.bytes + OFFSET, sample.length - OFFSET);
    ck_assert(!lf_record_decode(bytes, sample.length + 8,
                                &(struct lf_record_place){EPOCH, OFFSET + 8, SEED}, false, &view));
}
END_TEST

/* Lengths that lead out of the epoch, with checksums that are right. */
START_TEST(lengths_stay_in_the_epoch)
{
    static struct sample sample;
    struct lf_record_view view;
    static const uint32_t sizes[] = {97, 104, 4096, 0x0ffffff0, 0x0fffffff};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        sample_encode(&sample, 96, true);
        sample_forge(&sample, lf_record_word(LF_RECORD_DATA, sizes[i]), 0);
        ck_assert_msg(!sample_decodes(&sample, true, &view), "size %u", sizes[i]);
    }
    for (uint32_t length = 0; length < sample.length; length++)
        ck_assert(!lf_record_decode(sample.bytes, length,
                                    &(struct lf_record_place){EPOCH, OFFSET, SEED}, true, &view));
    ck_assert(!lf_record_decode(sample.bytes, sample.length,
                                &(struct lf_record_place){EPOCH, sample.length, SEED}, true,
                                &view));
    ck_assert(!lf_record_decode(sample.bytes, sample.length,
                                &(struct lf_record_place){EPOCH, UINT32_MAX - 7, SEED}, true,
                                &view));
}
END_TEST

START_TEST(only_known_types)
{
    static struct sample sample;
    struct lf_record_view view;

    sample_encode(&sample, 16, false);
    const uint32_t crc = lf_crc32c(0, sample.payload, 16);
    for (uint32_t type = 0; type < 16; type++) {
        sample_forge(&sample, type << 28 | 16, crc);
        ck_assert_msg(sample_decodes(&sample, false, &view) == (type == LF_RECORD_DATA), "type %u",
                      type);
    }
}
END_TEST

START_TEST(padding_records_are_zero)
{
    static struct sample sample;
    struct lf_record_view view;
    uint8_t *payload = sample.bytes + OFFSET + 8;

    sample_encode(&sample, 13, false);
    memset(payload, 0, 13);
    sample_forge(&sample, lf_record_word(LF_RECORD_PAD, 13), lf_crc32c(0, payload, 13));
    ck_assert(sample_decodes(&sample, false, &view));
    ck_assert_int_eq(view.type, LF_RECORD_PAD);
    ck_assert_uint_eq(view.next, sample.length);

    payload[12] = 1;
    sample_forge(&sample, lf_record_word(LF_RECORD_PAD, 13), lf_crc32c(0, payload, 13));
    ck_assert(!sample_decodes(&sample, false, &view));
    sample_forge(&sample, lf_record_word(LF_RECORD_PAD, 13), 0);
    ck_assert(!sample_decodes(&sample, true, &view));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("record");
    TCase *tcase = tcase_create("record");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, round_trip);
    tcase_add_test(tcase, writes_its_own_bytes_only);
    tcase_add_test(tcase, gathers_buffers);
    tcase_add_test(tcase, checksum_covers_what_the_format_says);
    tcase_add_test(tcase, every_flipped_bit_is_noticed);
    tcase_add_test(tcase, header_only_covers_all_but_the_payload);
    tcase_add_test(tcase, bound_to_its_place);
    tcase_add_test(tcase, lengths_stay_in_the_epoch);
    tcase_add_test(tcase, only_known_types);
    tcase_add_test(tcase, padding_records_are_zero);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
