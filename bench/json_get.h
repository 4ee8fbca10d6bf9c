/* SPDX-License-Identifier: MIT */
/* Reads JSON that a logfile-bench wrote, of this version or another: one object in a line. */
#ifndef BENCH_JSON_GET_H
#define BENCH_JSON_GET_H

#include <stdbool.h>
#include <stddef.h>

/* A piece of the text; NULL: there is none. */
struct bench_json {
    const char *text;
    size_t bytes;
};

struct bench_json_member {
    struct bench_json key; /* without quotes, its escapes as they are */
    struct bench_json value;
};

/* The first member of an object, or the one after `member`; false at the end, and where the text is no object. */
bool bench_json_first(struct bench_json object, struct bench_json_member *member);
bool bench_json_next(struct bench_json object, struct bench_json_member *member);

/* The value of a key, or none. */
struct bench_json bench_json_get(struct bench_json object, const char *key);
bool bench_json_is(struct bench_json text, const char *word);
/* NAN where it is no number. */
double bench_json_number(struct bench_json object, const char *key);
bool bench_json_is_true(struct bench_json object, const char *key);

#endif /* BENCH_JSON_GET_H */
