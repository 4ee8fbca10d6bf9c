/* SPDX-License-Identifier: MIT */
/*
 * CRC32C in three ways.
 *
 * All of them keep the bare remainder of what was read so far, bit 0 the highest power, and the
 * inversions that CRC32C prescribes stand once, in the public functions.
 */
#include "format/checksum.h"

#include <string.h>

#ifdef LF_HAVE_ISAL
#include <isa-l/crc.h>
#endif

/* What stands at a place that need not be aligned. */
#define LOAD(type, at)                                                                             \
    ({                                                                                             \
        type word_;                                                                                \
        memcpy(&word_, at, sizeof word_);                                                          \
        word_;                                                                                     \
    })

/* ---- The table ----------------------------------------------------------------------------------
 *
 * table[k][n] is the remainder of byte n with k zero bytes after it, so eight bytes are eight
 * look-ups that depend on the remainder before them only once.  A remainder is linear: that of a
 * byte is the exclusive or of those of its bits, which is how the compiler makes the table.
 */

#define BITS(n, b0, b1, b2, b3, b4, b5, b6, b7)                                                    \
    (((n)&1 ? b0 : 0) ^ ((n)&2 ? b1 : 0) ^ ((n)&4 ? b2 : 0) ^ ((n)&8 ? b3 : 0) ^                   \
     ((n)&16 ? b4 : 0) ^ ((n)&32 ? b5 : 0) ^ ((n)&64 ? b6 : 0) ^ ((n)&128 ? b7 : 0))
#define ROW_4(n, ...)                                                                              \
    BITS(n, __VA_ARGS__), BITS((n) + 1, __VA_ARGS__), BITS((n) + 2, __VA_ARGS__),                  \
        BITS((n) + 3, __VA_ARGS__)
#define ROW_16(n, ...)                                                                             \
    ROW_4(n, __VA_ARGS__), ROW_4((n) + 4, __VA_ARGS__), ROW_4((n) + 8, __VA_ARGS__),               \
        ROW_4((n) + 12, __VA_ARGS__)
#define ROW_64(n, ...)                                                                             \
    ROW_16(n, __VA_ARGS__), ROW_16((n) + 16, __VA_ARGS__), ROW_16((n) + 32, __VA_ARGS__),          \
        ROW_16((n) + 48, __VA_ARGS__)
#define ROW(...)                                                                                   \
    {                                                                                              \
        ROW_64(0, __VA_ARGS__), ROW_64(64, __VA_ARGS__), ROW_64(128, __VA_ARGS__),                 \
            ROW_64(192, __VA_ARGS__)                                                               \
    }

static const uint32_t table[8][256] = {
    ROW(0xf26b8303, 0xe13b70f7, 0xc79a971f, 0x8ad958cf, 0x105ec76f, 0x20bd8ede, 0x417b1dbc,
        0x82f63b78),
    ROW(0x13a29877, 0x274530ee, 0x4e8a61dc, 0x9d14c3b8, 0x3fc5f181, 0x7f8be302, 0xff17c604,
        0xfbc3faf9),
    ROW(0xa541927e, 0x4f6f520d, 0x9edea41a, 0x38513ec5, 0x70a27d8a, 0xe144fb14, 0xc76580d9,
        0x8b277743),
    ROW(0xdd45aab8, 0xbf672381, 0x7b2231f3, 0xf64463e6, 0xe964b13d, 0xd725148b, 0xaba65fe7,
        0x52a0c93f),
    ROW(0x38116fac, 0x7022df58, 0xe045beb0, 0xc5670b91, 0x8f2261d3, 0x1ba8b557, 0x37516aae,
        0x6ea2d55c),
    ROW(0xef306b19, 0xdb8ca0c3, 0xb2f53777, 0x6006181f, 0xc00c303e, 0x85f4168d, 0x0e045beb,
        0x1c08b7d6),
    ROW(0x68032cc8, 0xd0065990, 0xa5e0c5d1, 0x4e2dfd53, 0x9c5bfaa6, 0x3d5b83bd, 0x7ab7077a,
        0xf56e0ef4),
    ROW(0x493c7d27, 0x9278fa4e, 0x211d826d, 0x423b04da, 0x847609b4, 0x0d006599, 0x1a00cb32,
        0x34019664),
};

static uint32_t remainder_by_table(uint32_t crc, const uint8_t *at, size_t bytes)
{
    for (; bytes >= 8; at += 8, bytes -= 8) {
        const uint64_t word = LOAD(uint64_t, at) ^ crc;
        crc = table[7][word & 255] ^ table[6][word >> 8 & 255] ^ table[5][word >> 16 & 255] ^
              table[4][word >> 24 & 255] ^ table[3][word >> 32 & 255] ^ table[2][word >> 40 & 255] ^
              table[1][word >> 48 & 255] ^ table[0][word >> 56];
    }
    for (; bytes > 0; at++, bytes--)
        crc = crc >> 8 ^ table[0][(crc ^ *at) & 255];
    return crc;
}

/* ---- The processor's instructions ---------------------------------------------------------------
 *
 * An instruction takes three cycles, and another can begin in each: three stretches of the input are
 * read side by side on x86-64.  A stretch's remainder passes over the bytes after it by a carry-less
 * product with x^(8 * bytes - 33): the product stands one bit low, and the instruction that takes
 * it in with the last eight bytes multiplies by x^32.
 */

#if defined(__x86_64__)

#define WITH_INSTRUCTIONS __attribute__((target("sse4.2,pclmul")))
typedef long long lanes __attribute__((vector_size(16)));

/* Three stretches of this many bytes each, and x to the power of 16 and 8 times that less 33. */
struct stretch {
    size_t bytes;
    uint32_t over_two, over_one;
};

/* Three of the first are 16 bytes less than a block, three of the second 8 less than 512. */
static const struct stretch stretches[] = {
    {1360, 0x5aa1f3cf, 0x3f70cc6f},
    {168, 0xa60ce07b, 0x1b3d8f29},
    {40, 0x39d3b296, 0x3da6d0cb},
};

WITH_INSTRUCTIONS static inline uint64_t product(uint64_t a, uint32_t b)
{
    return (uint64_t)__builtin_ia32_pclmulqdq128((lanes){(long long)a}, (lanes){b}, 0)[0];
}

WITH_INSTRUCTIONS static uint64_t three_stretches(uint64_t a, const uint8_t *at,
                                                  const struct stretch *stretch)
{
    const size_t size = stretch->bytes;
    const uint8_t *const last = at + size - 8;
    uint64_t b = 0, c = 0;

    for (; at < last; at += 8) {
        a = __builtin_ia32_crc32di(a, LOAD(uint64_t, at));
        b = __builtin_ia32_crc32di(b, LOAD(uint64_t, at + size));
        c = __builtin_ia32_crc32di(c, LOAD(uint64_t, at + 2 * size));
    }
    a = __builtin_ia32_crc32di(a, LOAD(uint64_t, at));
    b = __builtin_ia32_crc32di(b, LOAD(uint64_t, at + size));
    return __builtin_ia32_crc32di(c, LOAD(uint64_t, at + 2 * size) ^ product(a, stretch->over_two) ^
                                         product(b, stretch->over_one));
}

WITH_INSTRUCTIONS static uint32_t remainder_by_instructions(uint32_t crc, const uint8_t *at,
                                                            size_t bytes)
{
    uint64_t state = crc;

    for (size_t i = 0; i < sizeof stretches / sizeof stretches[0]; i++) {
        const size_t step = 3 * stretches[i].bytes;
        for (; bytes >= step; at += step, bytes -= step)
            state = three_stretches(state, at, &stretches[i]);
    }
    for (; bytes >= 8; at += 8, bytes -= 8)
        state = __builtin_ia32_crc32di(state, LOAD(uint64_t, at));
    if ((bytes & 4) != 0) {
        state = __builtin_ia32_crc32si((uint32_t)state, LOAD(uint32_t, at));
        at += 4;
    }
    for (bytes &= 3; bytes > 0; at++, bytes--)
        state = __builtin_ia32_crc32qi((uint32_t)state, *at);
    return (uint32_t)state;
}

WITH_INSTRUCTIONS static uint32_t remainder_of_20(uint32_t crc, uint64_t a, uint64_t b, uint32_t c)
{
    uint64_t state = __builtin_ia32_crc32di(crc, a);

    state = __builtin_ia32_crc32di(state, b);
    return __builtin_ia32_crc32si((uint32_t)state, c);
}

#else

/* The compilers do not agree on how a function is allowed an extension, the assembler is the same. */
#define STEP(instruction, width, crc, data)                                                        \
    __asm__(".arch_extension crc\n\t" instruction " %w0, %w0, %" width "1" : "+r"(crc) : "r"(data))

static uint32_t remainder_by_instructions(uint32_t crc, const uint8_t *at, size_t bytes)
{
    for (; bytes >= 8; at += 8, bytes -= 8)
        STEP("crc32cx", "x", crc, LOAD(uint64_t, at));
    if ((bytes & 4) != 0) {
        STEP("crc32cw", "w", crc, LOAD(uint32_t, at));
        at += 4;
    }
    for (bytes &= 3; bytes > 0; at++, bytes--)
        STEP("crc32cb", "w", crc, *at);
    return crc;
}

static uint32_t remainder_of_20(uint32_t crc, uint64_t a, uint64_t b, uint32_t c)
{
    STEP("crc32cx", "x", crc, a);
    STEP("crc32cx", "x", crc, b);
    STEP("crc32cw", "w", crc, c);
    return crc;
}

#endif

/* ---- Which way ------------------------------------------------------------------------------  */

uint32_t lf_crc32c_table(uint32_t crc, const void *data, size_t bytes)
{
    return ~remainder_by_table(~crc, data, bytes);
}

uint32_t lf_crc32c_instructions(uint32_t crc, const void *data, size_t bytes)
{
    return lf_crc32c_has_instructions() ? ~remainder_by_instructions(~crc, data, bytes)
                                        : lf_crc32c_table(crc, data, bytes);
}

#ifdef LF_HAVE_ISAL

/* ISA-L counts in int; a piece of this size keeps the next one aligned. */
#define PIECE_BYTES ((size_t)1 << 30)

uint32_t lf_crc32c(uint32_t crc, const void *data, size_t bytes)
{
    /* ISA-L's prototype lacks the const; it only reads. */
    unsigned char *at = (unsigned char *)(uintptr_t)data;

    crc = ~crc;
    while (bytes > PIECE_BYTES) {
        crc = crc32_iscsi(at, (int)PIECE_BYTES, crc);
        at += PIECE_BYTES;
        bytes -= PIECE_BYTES;
    }
    return ~crc32_iscsi(at, (int)bytes, crc);
}

#endif

uint32_t lf_crc32c_20(uint32_t crc, uint64_t a, uint64_t b, uint32_t c)
{
    const struct __attribute__((packed)) {
        uint64_t a, b;
        uint32_t c;
    } bytes = {a, b, c};

    return lf_crc32c_has_instructions() ? ~remainder_of_20(~crc, a, b, c)
                                        : lf_crc32c(crc, &bytes, sizeof bytes);
}
