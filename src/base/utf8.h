/* SPDX-License-Identifier: MIT */
/* UTF-8, as far as it takes to keep text from outside printable. */
#ifndef LF_UTF8_H
#define LF_UTF8_H

#include <stdbool.h>
#include <stdint.h>

/* The least and the greatest second byte after a first one.  False: no character starts with it. */
static inline bool lf_utf8_second(uint8_t first, uint8_t *least, uint8_t *greatest)
{
    *least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    *greatest = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    return first >= 0xc2 && first <= 0xf4;
}

/* Bytes of the character that a text, which ends with a zero byte, starts with.  0: it is none; the
 * zero byte itself is a character of 1. */
static inline unsigned lf_utf8_length(const char *text)
{
    const uint8_t *byte = (const uint8_t *)text;
    uint8_t least, greatest;

    if (byte[0] < 0x80)
        return 1;
    if (!lf_utf8_second(byte[0], &least, &greatest) || byte[1] < least || byte[1] > greatest)
        return 0;
    unsigned length = byte[0] < 0xe0 ? 2 : byte[0] < 0xf0 ? 3 : 4;
    for (unsigned i = 2; i < length; i++)
        if (byte[i] < 0x80 || byte[i] > 0xbf)
            return 0;
    return length;
}

#endif /* LF_UTF8_H */
