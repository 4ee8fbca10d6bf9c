/* SPDX-License-Identifier: MIT */
#include "search.h"

#include "scheduler.h"
#include "sim/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TRAIL_MAX = 1 << 16,
    CHANGES_MAX = 3,      /* of priorities */
    LENGTH_AT_FIRST = 400 /* choices of an execution, until one has been seen */
};

struct choice {
    uint8_t count;
    uint8_t free_count;
    uint8_t taken;
    uint8_t budget;
};

enum strategy {
    FOLLOW, /* the trail as far as it is fixed, then option 0 */
    RANDOM,
    PRIORITIES
};

static struct choice trail[TRAIL_MAX];
static unsigned length, fixed_length;
static enum strategy strategy;
static struct bounds bounds;
static struct bounds used;
static bool is_exhaustive_begun;
static struct rng rng;
/* How many choices of a budget there were in the last random execution, to spread the costs. */
static unsigned seen[BUDGET_COUNT], expected[BUDGET_COUNT];
static unsigned priorities[FIBRES_MAX];
static unsigned change_at[CHANGES_MAX];

/* ---- Choosing ---- */

static void begin(enum strategy how, const struct bounds *within, unsigned fixed)
{
    strategy = how;
    if (within != NULL)
        bounds = *within;
    length = 0;
    fixed_length = fixed;
    memset(&used, 0, sizeof used);
    for (unsigned i = 0; i < BUDGET_COUNT; i++) {
        expected[i] = seen[i] > 0 ? seen[i] : LENGTH_AT_FIRST;
        seen[i] = 0;
    }
}

static bool may_spend(const struct choice *choice)
{
    return choice->count > choice->free_count &&
           used.of[choice->budget] < bounds.of[choice->budget];
}

/* So often that the budget is spent in the course of an execution. */
static bool spends(const struct choice *choice)
{
    unsigned left = bounds.of[choice->budget] - used.of[choice->budget];

    seen[choice->budget]++;
    return may_spend(choice) && rng_below(&rng, expected[choice->budget]) < left;
}

static unsigned choose_at_random(const struct choice *choice)
{
    if (choice->count > choice->free_count && spends(choice))
        return choice->free_count +
               (unsigned)rng_below(&rng, (uint64_t)(choice->count - choice->free_count));
    return choice->free_count > 1 ? (unsigned)rng_below(&rng, choice->free_count) : 0;
}

/* Among those who are ready; the next timer, which may be the last option, is left to chance. */
static unsigned choose_by_priority(const struct choice *choice, const uint8_t *fibres)
{
    unsigned best = 0;

    for (unsigned i = 0; i < CHANGES_MAX; i++)
        if (change_at[i] == length)
            priorities[fibres[0]] = i;
    for (unsigned i = 1; i < choice->count; i++)
        if (priorities[fibres[i]] > priorities[fibres[best]])
            best = i;
    return best;
}

static unsigned decide(const struct choice *choice, const uint8_t *fibres)
{
    if (length < fixed_length)
        return trail[length].taken;
    if (strategy == RANDOM || (strategy == PRIORITIES && fibres == NULL))
        return choose_at_random(choice);
    if (strategy == PRIORITIES)
        return choose_by_priority(choice, fibres);
    return 0;
}

unsigned search_choose(unsigned count, unsigned free_count, enum budget budget,
                       const uint8_t *fibres)
{
    struct choice choice = {(uint8_t)count, (uint8_t)free_count, 0, (uint8_t)budget};

    if (length == TRAIL_MAX)
        scheduler_fail("livelock: %d choices", TRAIL_MAX);
    choice.taken = (uint8_t)decide(&choice, fibres);
    if (choice.taken >= count) {
        scheduler_fail("choice %u of the replayed execution has only %u options", length, count);
        choice.taken = 0;
    }
    if (choice.taken >= free_count)
        used.of[budget]++;
    trail[length++] = choice;
    return choice.taken;
}

/* ---- The next execution ---- */

void search_exhaustive(const struct bounds *within)
{
    begin(FOLLOW, within, 0);
    is_exhaustive_begun = false;
}

/* Moves the choice on; false: it has no option left that can be paid. */
static bool move_on(struct choice *choice)
{
    unsigned next = choice->taken + 1u;

    if (next == choice->count)
        return false;
    if (next == choice->free_count && used.of[choice->budget] == bounds.of[choice->budget])
        return false;
    choice->taken = (uint8_t)next;
    return true;
}

static bool back_track(void)
{
    while (length > 0) {
        struct choice *last = &trail[length - 1];
        if (last->taken >= last->free_count)
            used.of[last->budget]--;
        if (move_on(last))
            return true;
        length--;
    }
    return false;
}

bool search_next(void)
{
    if (is_exhaustive_begun && !back_track())
        return false;
    is_exhaustive_begun = true;
    begin(FOLLOW, NULL, length);
    return true;
}

void search_forget(void)
{
    memset(seen, 0, sizeof seen);
}

void search_random(const struct bounds *within, uint64_t seed)
{
    begin(RANDOM, within, 0);
    rng = (struct rng){seed};
}

void search_priorities(const struct bounds *within, uint64_t seed)
{
    begin(PRIORITIES, within, 0);
    rng = (struct rng){~seed};
    for (unsigned i = 0; i < FIBRES_MAX; i++) {
        unsigned other = (unsigned)rng_below(&rng, i + 1);
        priorities[i] = priorities[other];
        priorities[other] = CHANGES_MAX + i;
    }
    for (unsigned i = 0; i < CHANGES_MAX; i++)
        change_at[i] = (unsigned)rng_below(&rng, expected[BUDGET_PREEMPTIONS] + 1);
}

/* Fills the trail; its length, or 0 with *is_valid false. */
static unsigned parse(const char *text, bool *is_valid)
{
    unsigned count = 0;
    char *end;

    *is_valid = true;
    if (strcmp(text, "-") == 0)
        return 0;
    for (const char *at = text; *at != '\0'; at = end) {
        unsigned long position = strtoul(at, &end, 10);
        unsigned long option = *end == '=' ? strtoul(end + 1, &end, 10) : 0;
        *is_valid = option > 0 && option < UINT8_MAX && position >= count && position < TRAIL_MAX;
        *is_valid &= *end == ',' || *end == '\0';
        if (!*is_valid)
            return 0;
        while (count < position)
            trail[count++] = (struct choice){0};
        trail[count++] = (struct choice){.taken = (uint8_t)option};
        end += *end == ',';
    }
    return count;
}

bool search_replay(const char *text)
{
    bool is_valid;
    unsigned count = parse(text, &is_valid);

    begin(FOLLOW, NULL, count);
    return is_valid;
}

bool search_resume(const struct bounds *within, const char *text)
{
    bool is_valid;
    unsigned count = parse(text, &is_valid);

    begin(FOLLOW, within, count);
    is_exhaustive_begun = true;
    return is_valid;
}

/* ---- What was chosen ---- */

bool search_write(char *text, size_t bytes)
{
    size_t at = 0;

    snprintf(text, bytes, "-");
    for (unsigned i = 0; i < length; i++) {
        if (trail[i].taken == 0)
            continue;
        at += (size_t)snprintf(text + at, bytes - at, "%s%u=%u", at > 0 ? "," : "", i,
                               (unsigned)trail[i].taken);
        if (at >= bytes)
            return false;
    }
    return true;
}

unsigned search_used(enum budget budget)
{
    return used.of[budget];
}

bool search_without(unsigned nth)
{
    for (unsigned i = 0; i < length; i++) {
        if (trail[i].taken == 0 || nth-- > 0)
            continue;
        trail[i].taken = 0;
        begin(FOLLOW, NULL, length);
        return true;
    }
    return false;
}
