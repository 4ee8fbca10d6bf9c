/* SPDX-License-Identifier: MIT */
/*
 * One line of output, as text or as a JSON object: "head: key value, key value", or {"key": value,
 * "key": value}.  Whatever bytes are in it, it stays one line, and JSON stays JSON.
 */
#ifndef LF_TOOL_LINE_H
#define LF_TOOL_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct lf_line {
    FILE *out;
    bool json;
    const char *separator; /* what stands before the next field */
};

/* separator: what the text has between its head, which lf_line_text prints, and the first field. */
void lf_line_begin(struct lf_line *line, FILE *out, bool json, const char *separator);
/* Nothing of JSON. */
void lf_line_text(struct lf_line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void lf_line_number(struct lf_line *line, const char *key, uint64_t value);
/* word: text of our own. */
void lf_line_word(struct lf_line *line, const char *key, const char *word);
/* As two digits a byte. */
void lf_line_hex(struct lf_line *line, const char *key, const uint8_t *bytes, size_t count);
/* JSON alone: */
void lf_line_json_number(struct lf_line *line, const char *key, uint64_t value);
void lf_line_json_bool(struct lf_line *line, const char *key, bool value);
void lf_line_json_word(struct lf_line *line, const char *key, const char *word);
/* Any bytes: as a string, if they are UTF-8; else in base64, under the other key. */
void lf_line_json_bytes(struct lf_line *line, const char *key, const char *base64_key,
                        const void *bytes, size_t count);
void lf_line_end(struct lf_line *line);

/* What a check of a log has found, one line each. */
struct lf_findings {
    FILE *out;
    bool json;
    const char *path; /* of the log, for JSON; NULL: not told */
    const char *lead; /* what a line of text starts with */
};

/* Where it was found; all zero: nowhere in particular. */
struct lf_finding_place {
    uint64_t from, to; /* LSNs */
    const char *file;  /* of a directory */
};

/* findings: NULL: nobody asks. */
void lf_finding(const struct lf_findings *findings, const char *kind, struct lf_finding_place place,
                const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif /* LF_TOOL_LINE_H */
