/* SPDX-License-Identifier: MIT */
/* lf_crc32c: the published values, and a plain bitwise CRC32C as the judge of all the rest. */
#include "checksum.h"
#include "support.h"

#include <check.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static uint32_t bitwise(uint32_t crc, const uint8_t *bytes, size_t count)
{
    crc = ~crc;
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

/* RFC 3720, B.4, and the check value of every catalogue of CRCs. */
START_TEST(published_values)
{
    uint8_t bytes[32];

    ck_assert_uint_eq(lf_crc32c(0, "123456789", 9), 0xe3069283u);
    memset(bytes, 0, sizeof(bytes));
    ck_assert_uint_eq(lf_crc32c(0, bytes, sizeof(bytes)), 0x8a9136aau);
    memset(bytes, 0xff, sizeof(bytes));
    ck_assert_uint_eq(lf_crc32c(0, bytes, sizeof(bytes)), 0x62a8ab43u);
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    ck_assert_uint_eq(lf_crc32c(0, bytes, sizeof(bytes)), 0x46dd794eu);
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(31 - i);
    ck_assert_uint_eq(lf_crc32c(0, bytes, sizeof(bytes)), 0x113fdb5cu);
}
END_TEST

START_TEST(nothing_changes_nothing)
{
    ck_assert_uint_eq(lf_crc32c(0, NULL, 0), 0);
    ck_assert_uint_eq(lf_crc32c(0x12345678, "", 0), 0x12345678u);
}
END_TEST

START_TEST(every_length_and_alignment)
{
    uint8_t bytes[16 + 300];

    payload_fill(bytes, sizeof(bytes), 1);
    for (size_t from = 0; from < 16; from++)
        for (size_t count = 0; count <= 300; count++)
            ck_assert_uint_eq(lf_crc32c((uint32_t)count, bytes + from, count),
                              bitwise((uint32_t)count, bytes + from, count));
}
END_TEST

START_TEST(long_buffers)
{
    const size_t size = 70001;
    uint8_t *bytes = malloc(size);

    ck_assert_ptr_nonnull(bytes);
    payload_fill(bytes, size, 2);
    for (size_t count = size - 40; count <= size; count++)
        ck_assert_uint_eq(lf_crc32c(7, bytes, count), bitwise(7, bytes, count));
    free(bytes);
}
END_TEST

START_TEST(pieces_chain)
{
    uint8_t bytes[1000];

    payload_fill(bytes, sizeof(bytes), 3);
    const uint32_t whole = lf_crc32c(0, bytes, sizeof(bytes));
    for (size_t cut = 0; cut <= sizeof(bytes); cut++) {
        const uint32_t first = lf_crc32c(0, bytes, cut);
        ck_assert_uint_eq(lf_crc32c(first, bytes + cut, sizeof(bytes) - cut), whole);
    }
}
END_TEST

/* ISA-L counts in int: what is longer must not be cut short or wrap around. */
START_TEST(longer_than_int_max)
{
    const size_t piece = (size_t)64 << 20;
    const size_t size = (size_t)INT_MAX + piece + 5;
    uint8_t *zeros =
        mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint32_t expected = 9;

    ck_assert_ptr_ne(zeros, MAP_FAILED);
    for (size_t left = size; left > 0;) {
        const size_t count = left < piece ? left : piece;
        expected = lf_crc32c(expected, zeros, count);
        left -= count;
    }
    ck_assert_uint_eq(lf_crc32c(9, zeros, size), expected);
    munmap(zeros, size);
}
END_TEST

/* The short way for a record's twenty bytes is the long way. */
START_TEST(twenty_bytes_are_as_any)
{
    struct rng rng = {.state = 20};

    for (unsigned i = 0; i < 10000; i++) {
        const uint32_t seed = (uint32_t)rng_next(&rng);
        const struct __attribute__((packed)) {
            uint64_t a, b;
            uint32_t c;
        } bytes = {rng_next(&rng), rng_next(&rng), (uint32_t)rng_next(&rng)};
        ck_assert_uint_eq(lf_crc32c_20(seed, bytes.a, bytes.b, bytes.c),
                          lf_crc32c(seed, &bytes, sizeof bytes));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("checksum");
    TCase *tcase = tcase_create("crc32c");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, published_values);
    tcase_add_test(tcase, nothing_changes_nothing);
    tcase_add_test(tcase, every_length_and_alignment);
    tcase_add_test(tcase, long_buffers);
    tcase_add_test(tcase, pieces_chain);
    tcase_add_test(tcase, longer_than_int_max);
    tcase_add_test(tcase, twenty_bytes_are_as_any);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
