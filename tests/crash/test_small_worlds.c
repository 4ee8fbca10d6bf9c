/* SPDX-License-Identifier: MIT */
/*
 * Everything that can happen in a small world: every sequence of five steps out of eight, once of those
 * of an append and once of those of the other calls, a power cut at each call that changes something,
 * and of what is not synced then every subset kept.  small_world.h tells what the steps are and what
 * must hold.
 *
 *     test_small_worlds                             the sequences of a run
 *     test_small_worlds SEQUENCE [CRASH [SUBSET]]   one, as printed by a failure
 *
 * SEQUENCE is a script, such as ring-buffered:smfrc; CRASH the number of the call within its last
 * step, 0 for none; SUBSET the bits of what is kept.  Without them each of them is tried.
 *
 * Where more than ten things are not synced, ten of them are chosen, and the others are kept or
 * dropped together.  What happens up to a power cut is decided by the steps up to there, so cuts in
 * earlier steps belong to the one sequence that ends with first letters only: each is tried once.
 */
#include "campaign.h"
#include "heap.h"
#include "regressions.h"
#include "small_world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PROGRAM "test_small_worlds"

enum {
    STEP_COUNT = 5,
    LETTER_COUNT = 8,
    SEQUENCE_COUNT = 32768, /* LETTER_COUNT to the power of STEP_COUNT */
    STRIDE = 10007,         /* odd: visits every sequence, and a part of them evenly */
    CHOSEN_MAX = 10,
    NUMBERED_MAX = 64 /* things that have a bit of their own */
};

/* What is being tried, for a message. */
struct trial {
    struct small_world_script script;
    unsigned crash;
    uint64_t keep;
    uint64_t state_count;
    char why[JOURNAL_WHY_BYTES];
};

/* ---- Subsets ---- */

/* Bits of the things that are chosen, spread evenly. */
static uint64_t choose_things(unsigned count)
{
    uint64_t chosen = 0;

    for (unsigned i = 0; i < CHOSEN_MAX; i++)
        chosen |= UINT64_C(1) << i * count / CHOSEN_MAX;
    return chosen;
}

/* The next subset of the chosen ones; 0 behind the last. */
static uint64_t next_subset(uint64_t subset, uint64_t chosen)
{
    return (subset - chosen) & chosen;
}

static bool check_kept(struct trial *trial, struct small_world *world, uint64_t keep)
{
    trial->keep = keep;
    trial->state_count++;
    return small_world_check(world, keep);
}

static bool check_subsets(struct trial *trial, struct small_world *world)
{
    unsigned count = logfile_sim_unsynced_count(world->disk);
    unsigned numbered = count < NUMBERED_MAX ? count : NUMBERED_MAX;
    bool some = numbered > CHOSEN_MAX;
    uint64_t chosen = some ? choose_things(numbered) : (UINT64_C(1) << numbered) - 1;
    uint64_t subset = 0;

    do {
        if (!check_kept(trial, world, subset))
            return false;
        if (some && !check_kept(trial, world, subset | ~chosen))
            return false;
        subset = next_subset(subset, chosen);
    } while (subset != 0);
    return true;
}

/* ---- Crashes ---- */

/* One power cut; whether it was reached. */
static bool try_crash(struct trial *trial, unsigned nth)
{
    struct small_world world;
    bool is_struck = small_world_run(&world, &trial->script, nth);

    trial->crash = nth;
    trial->state_count++;
    if (world.why[0] == '\0' && is_struck)
        check_subsets(trial, &world);
    memcpy(trial->why, world.why, sizeof trial->why);
    small_world_end(&world);
    return is_struck;
}

/* Every power cut in the last step, and none. */
static bool try_crashes(struct trial *trial)
{
    for (unsigned nth = 1; try_crash(trial, nth) && trial->why[0] == '\0'; nth++)
        continue;
    return trial->why[0] == '\0';
}

/* ---- Sequences ---- */

/* Of the steps of each enumeration the first one needs no other to be of use. */
static const char *const alphabets[] = {SMALL_WORLD_LETTERS, SMALL_WORLD_CALL_LETTERS};
enum {
    ALPHABET_COUNT = sizeof alphabets / sizeof alphabets[0]
};

static void spell(const char *letters, unsigned sequence, char steps[STEP_COUNT + 1])
{
    steps[STEP_COUNT] = '\0';
    for (int i = STEP_COUNT - 1; i >= 0; i--) {
        steps[i] = letters[sequence % LETTER_COUNT];
        sequence /= LETTER_COUNT;
    }
}

/* Cuts in the last step, and in those before as long as only first letters follow. */
static bool try_sequence(struct trial *trial, const char *letters, unsigned sequence)
{
    char steps[STEP_COUNT + 1];
    size_t count = STEP_COUNT;

    spell(letters, sequence, steps);
    for (;;) {
        snprintf(trial->script.steps, sizeof trial->script.steps, "%.*s", (int)count, steps);
        if (!try_crashes(trial))
            return false;
        if (count == 0 || steps[count - 1] != letters[0])
            return true;
        count--;
    }
}

/* Case after case another sequence; every eight of them another kind of world, and the second time
 * round the next one. */
static bool try_case(struct trial *trial, const char *letters, uint64_t number,
                     enum small_world_plant plant)
{
    unsigned sequence = (unsigned)(number * STRIDE % SEQUENCE_COUNT);
    uint64_t kind = (number / LETTER_COUNT + number / SEQUENCE_COUNT) % SMALL_WORLD_KIND_COUNT;

    *trial = (struct trial){.script = {.kind = &small_world_kinds[kind], .plant = plant}};
    return try_sequence(trial, letters, sequence);
}

/* ---- The tests ---- */

static void print_command(const struct trial *trial, char command[160])
{
    snprintf(command, 160, "%s %s %u 0x%" PRIx64, PROGRAM, small_world_script_text(&trial->script),
             trial->crash, trial->keep);
}

/* Loop test: enumerations. */
START_TEST(test_promises_hold_in_every_small_world)
{
    static const char *const names[ALPHABET_COUNT] = {"small-worlds", "small-worlds-calls"};
    const uint64_t all = (uint64_t)SEQUENCE_COUNT * SMALL_WORLD_KIND_COUNT;
    struct campaign campaign =
        campaign_begin_shared(names[_i], scaled(64, SEQUENCE_COUNT / 10 + 1, all), ALPHABET_COUNT,
                              LETTER_COUNT * SMALL_WORLD_KIND_COUNT);
    struct trial trial;
    char command[160];
    uint64_t number;

    heap_keep();
    while (campaign_next(&campaign, &number) && number < all) {
        if (!try_case(&trial, alphabets[_i], number, SMALL_WORLD_NO_PLANT)) {
            print_command(&trial, command);
            ck_abort_msg("%s; again with: %s", trial.why, command);
        }
        campaign_passed(&campaign, trial.state_count);
    }
    campaign_end(&campaign);
}
END_TEST

static unsigned count_caught(enum small_world_plant plant, unsigned count)
{
    struct trial trial;
    unsigned caught = 0;

    heap_keep();
    for (unsigned number = 0; number < count; number++)
        caught += !try_case(&trial, SMALL_WORLD_LETTERS, number, plant);
    printf("planted fault %d: %u of %u sequences notice\n", (int)plant, caught, count);
    return caught;
}

START_TEST(test_a_lying_sync_is_noticed)
{
    ck_assert_uint_ge(count_caught(SMALL_WORLD_SYNC_LIES, 64), 25);
}
END_TEST

START_TEST(test_an_early_acknowledgement_is_noticed)
{
    ck_assert_uint_ge(count_caught(SMALL_WORLD_EARLY_ACK, 64), 10);
}
END_TEST

/* ---- One of them ---- */

static int tell(const struct trial *trial)
{
    char command[160];

    if (trial->why[0] == '\0') {
        printf("%s: good after %" PRIu64 " states\n", small_world_script_text(&trial->script),
               trial->state_count);
        return 0;
    }
    print_command(trial, command);
    printf("%s; again with: %s\n", trial->why, command);
    return 1;
}

static bool try_subset(struct trial *trial, unsigned nth, uint64_t keep)
{
    struct small_world world;
    bool is_struck = small_world_run(&world, &trial->script, nth);

    trial->crash = nth;
    if (world.why[0] == '\0' && is_struck)
        check_kept(trial, &world, keep);
    memcpy(trial->why, world.why, sizeof trial->why);
    small_world_end(&world);
    return is_struck;
}

/* KIND:STEPS [CRASH [SUBSET]] */
static int replay_words(const void *arg, char *const words[], unsigned count)
{
    struct trial trial = {0};
    uint64_t nth = 0;
    uint64_t keep = 0;
    bool is_struck = true;

    (void)arg;
    if (count > 3 || !small_world_parse(words[0], &trial.script) ||
        (count > 1 && !regression_number(words[1], &nth)) ||
        (count > 2 && !regression_number(words[2], &keep)))
        return 2;
    if (count == 1)
        try_crashes(&trial);
    else if (count == 2)
        is_struck = try_crash(&trial, (unsigned)nth);
    else
        is_struck = try_subset(&trial, (unsigned)nth, keep);
    if (nth > 0 && !is_struck && trial.why[0] == '\0') {
        printf("%s: its last step has fewer than %" PRIu64 " calls\n", words[0], nth);
        return 2;
    }
    return tell(&trial);
}

START_TEST(test_what_was_found_before_stays_found)
{
    heap_keep();
    ck_assert_uint_ge(regressions_replay(PROGRAM, replay_words, NULL), 1);
}
END_TEST

static Suite *small_worlds_suite(void)
{
    Suite *suite = suite_create("small_worlds");
    TCase *promises = tcase_create("promises");
    TCase *plants = tcase_create("the test itself");

    tcase_set_timeout(promises, (double)scaled(600, 600, 360000));
    tcase_add_test(promises, test_what_was_found_before_stays_found);
    tcase_add_loop_test(promises, test_promises_hold_in_every_small_world, 0, ALPHABET_COUNT);
    suite_add_tcase(suite, promises);
    tcase_set_timeout(plants, 300);
    tcase_add_test(plants, test_a_lying_sync_is_noticed);
    tcase_add_test(plants, test_an_early_acknowledgement_is_noticed);
    suite_add_tcase(suite, plants);
    return suite;
}

int main(int argc, char **argv)
{
    if (argc == 1)
        return run_suite(small_worlds_suite());
    int status = replay_words(NULL, argv + 1, (unsigned)argc - 1);
    if (status == 2)
        fprintf(stderr, "usage: %s [KIND:STEPS [CRASH [SUBSET]]]\n", PROGRAM);
    return status;
}
