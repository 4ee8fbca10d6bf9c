/* SPDX-License-Identifier: MIT */
#include "tool/line.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

/* ---- JSON -------------------------------------------------------------------------------------*/

/* Bytes of the UTF-8 character that these start with; 0: it is none. */
static unsigned character_bytes(const uint8_t *bytes, size_t count)
{
    char text[5] = ""; /* what is cut off ends with a zero byte, which is no part of a character */

    memcpy(text, bytes, count < 4 ? count : 4);
    return lf_utf8_length(text);
}

static bool is_utf8(const uint8_t *bytes, size_t count)
{
    for (size_t at = 0; at < count;) {
        const unsigned length = character_bytes(bytes + at, count - at);
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

/* UTF-8, in quotes.  What a terminal obeys is escaped, and what any program takes for the end of a
 * line. */
static void print_string(FILE *out, const uint8_t *bytes, size_t count)
{
    unsigned length;

    putc('"', out);
    for (size_t at = 0; at < count; at += length) {
        const uint8_t *byte = bytes + at;
        length = character_bytes(byte, count - at);
        if (*byte == '"' || *byte == '\\')
            fprintf(out, "\\%c", *byte);
        else if (*byte < 0x20 || *byte == 0x7f)
            fprintf(out, "\\u%04x", *byte);
        else if (length == 2 && byte[0] == 0xc2 && byte[1] < 0xa0)
            fprintf(out, "\\u%04x", byte[1]);
        else if (length == 3 && byte[0] == 0xe2 && byte[1] == 0x80 && byte[2] >> 1 == 0xa8 >> 1)
            fprintf(out, "\\u20%02x", byte[2] - 0x80);
        else
            fwrite(byte, 1, length, out);
    }
    putc('"', out);
}

static void print_base64(FILE *out, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    putc('"', out);
    for (size_t at = 0; at < count; at += 3) {
        const size_t left = count - at;
        const unsigned second = left > 1 ? bytes[at + 1] : 0, third = left > 2 ? bytes[at + 2] : 0;
        const unsigned bits = (unsigned)bytes[at] << 16 | second << 8 | third;
        putc(digits[bits >> 18], out);
        putc(digits[bits >> 12 & 63], out);
        putc(left > 1 ? digits[bits >> 6 & 63] : '=', out);
        putc(left > 2 ? digits[bits & 63] : '=', out);
    }
    putc('"', out);
}

/* ---- A line -----------------------------------------------------------------------------------*/

void lf_line_begin(struct lf_line *line, FILE *out, bool json, const char *separator)
{
    *line = (struct lf_line){.out = out, .json = json, .separator = json ? "" : separator};
    if (json)
        putc('{', out);
}

void lf_line_text(struct lf_line *line, const char *format, ...)
{
    va_list arguments;

    if (line->json)
        return;
    va_start(arguments, format);
    vfprintf(line->out, format, arguments);
    va_end(arguments);
}

static void print_key(struct lf_line *line, const char *key)
{
    fprintf(line->out, line->json ? "%s\"%s\": " : "%s%s ", line->separator, key);
    line->separator = ", ";
}

void lf_line_number(struct lf_line *line, const char *key, uint64_t value)
{
    print_key(line, key);
    fprintf(line->out, "%" PRIu64, value);
}

void lf_line_word(struct lf_line *line, const char *key, const char *word)
{
    print_key(line, key);
    fprintf(line->out, line->json ? "\"%s\"" : "%s", word);
}

void lf_line_hex(struct lf_line *line, const char *key, const uint8_t *bytes, size_t count)
{
    const char *quote = line->json ? "\"" : "";

    print_key(line, key);
    fputs(quote, line->out);
    for (size_t i = 0; i < count; i++)
        fprintf(line->out, "%02x", bytes[i]);
    fputs(quote, line->out);
}

void lf_line_json_number(struct lf_line *line, const char *key, uint64_t value)
{
    if (line->json)
        lf_line_number(line, key, value);
}

void lf_line_json_bool(struct lf_line *line, const char *key, bool value)
{
    if (!line->json)
        return;
    print_key(line, key);
    fputs(value ? "true" : "false", line->out);
}

void lf_line_json_word(struct lf_line *line, const char *key, const char *word)
{
    if (line->json)
        lf_line_word(line, key, word);
}

void lf_line_json_bytes(struct lf_line *line, const char *key, const char *base64_key,
                        const void *bytes, size_t count)
{
    if (!line->json)
        return;
    const bool is_text = is_utf8(bytes, count);
    print_key(line, is_text ? key : base64_key);
    if (is_text)
        print_string(line->out, bytes, count);
    else
        print_base64(line->out, bytes, count);
}

void lf_line_end(struct lf_line *line)
{
    fputs(line->json ? "}\n" : "\n", line->out);
}

/* ---- Findings ---------------------------------------------------------------------------------*/

void lf_finding(const struct lf_findings *findings, const char *kind, struct lf_finding_place place,
                const char *format, ...)
{
    char text[1024];
    struct lf_line line;
    va_list arguments;

    if (findings == NULL)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);

    lf_line_begin(&line, findings->out, findings->json, "");
    if (findings->path != NULL)
        lf_line_json_bytes(&line, "path", "path_base64", findings->path, strlen(findings->path));
    lf_line_json_word(&line, "kind", kind);
    lf_line_text(&line, "%s%s: ", findings->lead, kind);
    if (place.to > 0) {
        lf_line_json_number(&line, "from_lsn", place.from);
        lf_line_json_number(&line, "to_lsn", place.to);
        lf_line_text(&line, "LSN %" PRIu64 " to %" PRIu64 ": ", place.from, place.to);
    }
    if (place.file != NULL) {
        lf_line_json_word(&line, "file", place.file);
        lf_line_text(&line, "%s: ", place.file);
    }
    lf_line_json_bytes(&line, "text", "text_base64", text, strlen(text));
    lf_line_text(&line, "%s", text);
    lf_line_end(&line);
}
