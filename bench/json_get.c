/* SPDX-License-Identifier: MIT */
#include "json_get.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The end of the value that begins at `at`: where its level of brackets, outside strings, has a comma or ends. */
static const char *value_end(const char *at, const char *end)
{
    unsigned depth = 0;
    bool in_string = false;
    for (; at < end; at++) {
        if (in_string) {
            at += *at == '\\';
            in_string = *at != '"';
        } else if (*at == '"') {
            in_string = true;
        } else if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']') {
            if (depth == 0)
                return at;
            depth--;
        } else if (*at == ',' && depth == 0) {
            return at;
        }
    }
    return end;
}

/* The member whose key's quote stands at `at`. */
static bool read_member(const char *at, const char *end, struct bench_json_member *member)
{
    if (at >= end || *at != '"')
        return false;
    const char *close = at + 1;
    while (close < end && *close != '"')
        close += *close == '\\' ? 2 : 1;
    if (close + 1 >= end || close[1] != ':')
        return false;
    const char *value = close + 2;
    member->key = (struct bench_json){at + 1, (size_t)(close - at - 1)};
    member->value = (struct bench_json){value, (size_t)(value_end(value, end) - value)};
    return true;
}

bool bench_json_first(struct bench_json object, struct bench_json_member *member)
{
    if (object.text == NULL || object.bytes < 2 || object.text[0] != '{')
        return false;
    return read_member(object.text + 1, object.text + object.bytes, member);
}

bool bench_json_next(struct bench_json object, struct bench_json_member *member)
{
    const char *end = object.text + object.bytes;
    const char *at = member->value.text + member->value.bytes;
    return at < end && *at == ',' && read_member(at + 1, end, member);
}

bool bench_json_is(struct bench_json text, const char *word)
{
    return text.text != NULL && text.bytes == strlen(word) &&
           memcmp(text.text, word, text.bytes) == 0;
}

struct bench_json bench_json_get(struct bench_json object, const char *key)
{
    struct bench_json_member member;
    for (bool more = bench_json_first(object, &member); more;
         more = bench_json_next(object, &member))
        if (bench_json_is(member.key, key))
            return member.value;
    return (struct bench_json){NULL, 0};
}

double bench_json_number(struct bench_json object, const char *key)
{
    struct bench_json value = bench_json_get(object, key);
    char text[64];
    char *end;
    if (value.text == NULL || value.bytes == 0 || value.bytes >= sizeof text)
        return NAN;
    memcpy(text, value.text, value.bytes);
    text[value.bytes] = '\0';
    double number = strtod(text, &end);
    return *end == '\0' ? number : NAN;
}

bool bench_json_is_true(struct bench_json object, const char *key)
{
    return bench_json_is(bench_json_get(object, key), "true");
}
