/* SPDX-License-Identifier: MIT */
#include "near.h"

#include <stdbool.h>
#include <string.h>

#define LETTERS_MAX 32 /* of what is looked at; a longer text is near to nothing */
#define DISTANCE_MAX 2
#define PREFIX_MIN 2 /* letters that tell a beginning from chance */

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned bench_near_distance(const char *text, size_t bytes, const char *name)
{
    unsigned cost[LETTERS_MAX + 1][LETTERS_MAX + 1];
    size_t letters = strlen(name);
    if (bytes > LETTERS_MAX || letters > LETTERS_MAX)
        return LETTERS_MAX;
    for (size_t i = 0; i <= bytes; i++) {
        for (size_t k = 0; k <= letters; k++) {
            if (i == 0 || k == 0) {
                cost[i][k] = (unsigned)(i + k);
                continue;
            }
            unsigned wrong = text[i - 1] != name[k - 1];
            cost[i][k] =
                least(cost[i - 1][k - 1] + wrong, least(cost[i - 1][k], cost[i][k - 1]) + 1);
            if (i > 1 && k > 1 && text[i - 1] == name[k - 2] && text[i - 2] == name[k - 1])
                cost[i][k] = least(cost[i][k], cost[i - 2][k - 2] + 1);
        }
    }
    return cost[bytes][letters];
}

void bench_near_look(struct bench_near *near, const char *name)
{
    unsigned distance = bench_near_distance(near->text, near->bytes, name);
    bool is_beginning = near->bytes >= PREFIX_MIN && strncmp(near->text, name, near->bytes) == 0;
    if (is_beginning)
        distance = least(distance, 1);
    if (!is_beginning && (distance > DISTANCE_MAX || 3 * distance > strlen(name)))
        return;
    if (near->best != NULL && distance >= near->distance)
        return;
    near->best = name;
    near->distance = distance;
}
