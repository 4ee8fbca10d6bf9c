/* SPDX-License-Identifier: MIT */
/* Every way to CRC32C: the published values, and a plain bitwise one as the judge of all the rest. */
#include "format/checksum.h"
#include "support.h"

#include <check.h>
#include <limits.h>
#include <stdio.h>
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

static const struct {
    uint32_t (*crc32c)(uint32_t crc, const void *data, size_t bytes);
} ways[] = {{lf_crc32c}, {lf_crc32c_instructions}, {lf_crc32c_table}};
#define WAY_COUNT ((int)(sizeof ways / sizeof ways[0]))

/* RFC 3720, B.4, and the check value of every catalogue of CRCs. */
START_TEST(published_values)
{
    uint8_t bytes[32];

    ck_assert_uint_eq(ways[_i].crc32c(0, "123456789", 9), 0xe3069283u);
    memset(bytes, 0, sizeof(bytes));
    ck_assert_uint_eq(ways[_i].crc32c(0, bytes, sizeof(bytes)), 0x8a9136aau);
    memset(bytes, 0xff, sizeof(bytes));
    ck_assert_uint_eq(ways[_i].crc32c(0, bytes, sizeof(bytes)), 0x62a8ab43u);
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    ck_assert_uint_eq(ways[_i].crc32c(0, bytes, sizeof(bytes)), 0x46dd794eu);
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(31 - i);
    ck_assert_uint_eq(ways[_i].crc32c(0, bytes, sizeof(bytes)), 0x113fdb5cu);
}
END_TEST

START_TEST(nothing_changes_nothing)
{
    ck_assert_uint_eq(ways[_i].crc32c(0, NULL, 0), 0);
    ck_assert_uint_eq(ways[_i].crc32c(0x12345678, "", 0), 0x12345678u);
}
END_TEST

START_TEST(every_length_and_alignment)
{
    uint8_t bytes[16 + 300];

    payload_fill(bytes, sizeof(bytes), 1);
    for (size_t from = 0; from < 16; from++)
        for (size_t count = 0; count <= 300; count++)
            ck_assert_uint_eq(ways[_i].crc32c((uint32_t)count, bytes + from, count),
                              bitwise((uint32_t)count, bytes + from, count));
}
END_TEST

START_TEST(long_buffers)
{
    /* Some lengths around each sum of the stretches that the instructions read side by side. */
    const size_t size = 70001;
    uint8_t *bytes = malloc(size);

    ck_assert_ptr_nonnull(bytes);
    payload_fill(bytes, size, 2);
    for (size_t count = size - 40; count <= size; count++)
        ck_assert_uint_eq(ways[_i].crc32c(7, bytes, count), bitwise(7, bytes, count));
    for (size_t count = 0; count <= 10000; count += 37)
        ck_assert_uint_eq(ways[_i].crc32c(8, bytes + 1, count), bitwise(8, bytes + 1, count));
    free(bytes);
}
END_TEST

START_TEST(pieces_chain)
{
    uint8_t bytes[1000];

    payload_fill(bytes, sizeof(bytes), 3);
    const uint32_t whole = ways[_i].crc32c(0, bytes, sizeof(bytes));
    for (size_t cut = 0; cut <= sizeof(bytes); cut++) {
        const uint32_t first = ways[_i].crc32c(0, bytes, cut);
        ck_assert_uint_eq(ways[_i].crc32c(first, bytes + cut, sizeof(bytes) - cut), whole);
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

/* A machine without the instructions takes the table, and they would go untested in silence. */
START_TEST(instructions_are_found)
{
    printf("instructions for CRC32C: %s\n", lf_crc32c_has_instructions() ? "yes" : "no");
#if defined(__x86_64__)
    ck_assert_int_eq(lf_crc32c_has_instructions(), __builtin_cpu_supports("sse4.2") != 0 &&
                                                       __builtin_cpu_supports("pclmul") != 0);
#endif
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("checksum");
    TCase *tcase = tcase_create("crc32c");

    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, published_values, 0, WAY_COUNT);
    tcase_add_loop_test(tcase, nothing_changes_nothing, 0, WAY_COUNT);
    tcase_add_loop_test(tcase, every_length_and_alignment, 0, WAY_COUNT);
    tcase_add_loop_test(tcase, long_buffers, 0, WAY_COUNT);
    tcase_add_loop_test(tcase, pieces_chain, 0, WAY_COUNT);
    tcase_add_test(tcase, longer_than_int_max);
    tcase_add_test(tcase, instructions_are_found);
    tcase_add_test(tcase, twenty_bytes_are_as_any);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
