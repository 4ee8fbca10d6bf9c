/* SPDX-License-Identifier: MIT */
/*
 * Rot: bytes that change, sectors that are lost, old or in the wrong place, files that are cut, gone
 * or renamed.  What was acknowledged is read back as it was, or the damage is named by the reader,
 * by verify and by opening for appending; rot_oracle.c says which, and rot_check.c compares.
 *
 *     test_rot                                     the cases of a run
 *     test_rot LOG KIND AT VALUE [KIND AT VALUE]   one case, as printed by a failure
 *
 * Which bytes may change without anybody saying so is exact: those behind the last epoch, those
 * below the oldest one, what END left unused of a segment, and the payloads of epochs with the flag
 * HEADER_CHECKSUM.  should_become states it for each byte, and each byte is held to it.
 *
 * Damage that is called torn may cost what no header promises that is left: the last epoch of a log
 * that was not closed.  A log that is cut where it had been closed before is that older log.
 */
#include "campaign.h"
#include "rot_check.h"
#include "rot_oracle.h"
#include "support.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGE "large"  /* its bits are tried, not its bytes */
#define LEAST_CASES 20 /* of each log and kind, however slow the machine is */

/* ---- Which byte is what ---------------------------------------------------------------------- */

static const struct rot_epoch *live_epoch(const struct rot_log *log, const struct rot_place *place,
                                          uint64_t lsn)
{
    for (unsigned i = 0; i < log->epoch_count; i++) {
        const struct rot_epoch *epoch = &log->epochs[i];
        const uint64_t from = epoch->header.lsn;
        const uint8_t *bytes = place->file->bytes + place->offset - (lsn - from);
        if (from >= log->oldest_lsn && from <= lsn && lsn < from + epoch->extent &&
            memcmp(bytes, epoch->bytes, epoch->extent) == 0)
            return epoch;
    }
    return NULL;
}

/* A mark that was never replaced says nothing that the other one does not. */
static enum rot_outcome mark_should_become(const struct rot_place *place)
{
    const struct lf_trim_mark *marks[2] = {(const void *)(place->file->bytes + 2 * LF_BLOCK_BYTES),
                                           (const void *)(place->file->bytes + 3 * LF_BLOCK_BYTES)};
    const unsigned copy = (unsigned)(place->offset / LF_BLOCK_BYTES - 2);

    return marks[copy]->sequence > marks[1 - copy]->sequence &&
                   marks[copy]->oldest_lsn != marks[1 - copy]->oldest_lsn
               ? ROT_CORRUPT /* what the older one names has been given back */
               : ROT_FORGIVEN;
}

static enum rot_outcome epoch_should_become(const struct rot_check *check,
                                            const struct rot_epoch *epoch, uint64_t lsn)
{
    if (rot_is_uncovered(epoch, lsn - epoch->header.lsn))
        return ROT_UNNOTICED;
    if (epoch->header.lsn < check->greatest_promise ||
        (epoch->header.lsn == check->log->oldest_lsn && check->log->oldest_lsn != LF_FIRST_LSN))
        return ROT_CORRUPT; /* promised by a later epoch, or named by the mark of a trim */
    return (epoch->header.flags & LF_EPOCH_CLOSE) != 0 ? ROT_MARK_LOST : ROT_CUT;
}

/* What has to come of damage to one byte. */
static enum rot_outcome should_become(const struct rot_check *check, uint64_t position)
{
    struct rot_log *log = check->log;
    const struct rot_place place = rot_place(&log->disk, position);
    uint64_t lsn = place.offset;

    if (place.offset < 2 * LF_BLOCK_BYTES)
        return ROT_FORGIVEN;
    if (log->layout.segment_bytes != 0) {
        uint64_t index = 0;
        while (index < MEMORY_FILES_MAX &&
               strcmp(rot_segment_name(log, index), place.file->name) != 0)
            index++;
        if (index < MEMORY_FILES_MAX && place.offset < LF_FIRST_LSN)
            return ROT_FORGIVEN; /* it has no marks: these are zeros */
        lsn += index * log->layout.segment_bytes;
    }
    if (place.offset < LF_FIRST_LSN)
        return mark_should_become(&place);
    const struct rot_epoch *epoch = live_epoch(log, &place, lsn);
    return epoch != NULL ? epoch_should_become(check, epoch, lsn) : ROT_UNNOTICED;
}

/* ---- Many damages ---------------------------------------------------------------------------- */

struct tally {
    uint64_t outcomes[ROT_OUTCOME_COUNT];
};

static void print_tally(const char *name, const struct tally *tally)
{
    printf("%s:", name);
    for (unsigned i = 0; i < ROT_OUTCOME_COUNT; i++)
        if (tally->outcomes[i] > 0)
            printf(" %" PRIu64 " %s;", tally->outcomes[i], rot_outcome_name(i));
    printf("\n");
}

/* A file that is shorter may end where the log had been closed before; and a directory without
 * segments is a new log.  Nothing else may cost a record without being called torn or corrupt. */
static void check_outcome(const struct rot_check *check, const struct rot_damage *damage,
                          enum rot_outcome outcome)
{
    if (damage->kind <= ROT_BIT)
        ck_assert_msg(outcome == should_become(check, damage->at), "%s: %s, should be %s",
                      check->failure, rot_outcome_name(outcome),
                      rot_outcome_name(should_become(check, damage->at)));
    ck_assert_msg(outcome != ROT_OLDER || damage->kind == ROT_TRUNCATE, "%s: %s", check->failure,
                  rot_outcome_name(outcome));
}

static void try_damage(struct rot_check *check, const struct rot_damage *damage,
                       struct tally *tally)
{
    const enum rot_outcome outcome = rot_check_run(check, damage, 1);

    check_outcome(check, damage, outcome);
    tally->outcomes[outcome]++;
}

/* Spreads `count` numbers over [0, total): all of them where there are as many. */
static uint64_t spread(uint64_t number, uint64_t count, uint64_t total)
{
    struct rng rng = {.state = number};

    return count >= total ? number : number * total / count + rng_below(&rng, total / count);
}

/* Tries at most `wanted` damages of one kind. */
static void try_kind(struct rot_check *check, enum rot_kind kind, uint64_t wanted)
{
    const uint64_t value_count = rot_value_count(check->log, kind);
    const uint64_t total = rot_at_count(check->log, kind) * value_count;
    const uint64_t count = wanted < total ? wanted : total;
    struct tally tally = {0};
    char name[64];
    uint64_t number;

    snprintf(name, sizeof(name), "rot-%s-%s", check->log->name, rot_kind_name(kind));
    /* Half of the time is for all logs and kinds together. */
    struct campaign campaign =
        campaign_begin_shared(name, count, 2 * rot_log_count() * ROT_KIND_COUNT, LEAST_CASES);
    while (campaign_next(&campaign, &number) && number < count) {
        const uint64_t chosen = spread(campaign_spread(number, count), count, total);
        const struct rot_damage damage =
            rot_damage_number(kind, chosen / value_count, chosen % value_count);
        try_damage(check, &damage, &tally);
        campaign_passed(&campaign, 1);
    }
    campaign_end(&campaign);
    print_tally(name, &tally);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void begin(struct rot_check *check, const char *name)
{
    rot_check_init(check, rot_log_new(name));
}

static void end(struct rot_check *check)
{
    rot_check_free(check);
    rot_log_free(check->log);
}

/* Each byte with three of its values: a low bit, a high bit, and all of them. */
START_TEST(each_byte_of_a_closed_log)
{
    static const uint8_t values[] = {0x01, 0x80, 0xff};
    struct tally tally = {0};
    struct rot_check check;
    uint64_t number;

    begin(&check, "closed");
    const uint64_t count = sizeof(values) * rot_bytes(&check.log->disk);
    struct campaign campaign =
        campaign_begin_shared("rot-closed-each-byte", count / scaled(29, 1, 1), 4, LEAST_CASES);
    while (campaign_next(&campaign, &number) && number < count) {
        const uint64_t chosen = campaign_spread(number, count);
        const struct rot_damage damage = {ROT_BYTE, chosen / sizeof(values),
                                          values[chosen % sizeof(values)]};
        try_damage(&check, &damage, &tally);
        campaign_passed(&campaign, 1);
    }
    campaign_end(&campaign);
    print_tally("rot-closed, each byte three times", &tally);
    /* It ends with its CLOSE epoch, so no byte of it is free. */
    ck_assert_uint_eq(tally.outcomes[ROT_UNNOTICED], 0);
    ck_assert_uint_eq(tally.outcomes[ROT_CUT], 0);
    end(&check);
}
END_TEST

START_TEST(each_kind_of_damage)
{
    const bool is_large = strcmp(rot_log_name((unsigned)_i), LARGE) == 0;
    const uint64_t wanted = is_large ? scaled(10, 250, UINT64_MAX) : scaled(60, 3000, UINT64_MAX);
    struct rot_check check;

    begin(&check, rot_log_name((unsigned)_i));
    for (unsigned kind = 0; kind < ROT_KIND_COUNT; kind++)
        if (kind != (is_large ? ROT_BYTE : ROT_BIT))
            try_kind(&check, kind, wanted);
    end(&check);
}
END_TEST

START_TEST(two_damages_at_once)
{
    struct campaign campaign =
        campaign_begin_shared("rot-double", scaled(200, 20000, 1000000), 4, 10 * LEAST_CASES);
    const unsigned log_count = rot_log_count() - 1; /* not the large one, which comes last */
    struct rot_check checks[16];
    struct tally tally = {0};
    uint64_t number;

    for (unsigned i = 0; i < log_count; i++)
        begin(&checks[i], rot_log_name(i));
    while (campaign_next(&campaign, &number)) {
        struct rng rng = {.state = number};
        struct rot_check *check = &checks[rng_below(&rng, log_count)];
        const struct rot_damage damages[2] = {rot_damage_random(check->log, &rng),
                                              rot_damage_random(check->log, &rng)};
        tally.outcomes[rot_check_run(check, damages, 2)]++;
        campaign_passed(&campaign, 1);
    }
    campaign_end(&campaign);
    print_tally("rot-double", &tally);
    for (unsigned i = 0; i < log_count; i++)
        end(&checks[i]);
}
END_TEST

/* ---- One case -------------------------------------------------------------------------------- */

static int usage(void)
{
    fprintf(stderr, "usage: test_rot [LOG KIND AT VALUE [KIND AT VALUE]]\n");
    return 2;
}

static bool parse(char **arguments, struct rot_damage *damage)
{
    char *ends[2];

    *damage = (struct rot_damage){.kind = rot_kind_named(arguments[0]),
                                  .at = strtoull(arguments[1], &ends[0], 0),
                                  .value = strtoull(arguments[2], &ends[1], 0)};
    return damage->kind != ROT_KIND_COUNT && *ends[0] == '\0' && *ends[1] == '\0';
}

static int replay(int argc, char **argv)
{
    const unsigned count = (unsigned)(argc - 2) / 3;
    struct rot_damage damages[2];
    struct rot_log *log = argc == 5 || argc == 8 ? rot_log_new(argv[1]) : NULL;

    if (log == NULL)
        return usage();
    for (unsigned i = 0; i < count; i++)
        if (!parse(argv + 2 + 3 * i, &damages[i]) ||
            (damages[i].kind == ROT_STALE && damages[i].value >= log->version_count))
            return usage();
    struct rot_check check;
    rot_check_init(&check, log);
    printf("%s\n", rot_outcome_name(rot_check_run(&check, damages, count)));
    end(&check);
    return 0;
}

static Suite *rot_suite(void)
{
    Suite *suite = suite_create("rot");
    TCase *tests = tcase_create("rot");

    tcase_set_timeout(tests, (double)scaled(300, 600, 360000));
    tcase_add_test(tests, each_byte_of_a_closed_log);
    tcase_add_loop_test(tests, each_kind_of_damage, 0, (int)rot_log_count());
    tcase_add_test(tests, two_damages_at_once);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(int argc, char **argv)
{
    return argc > 1 ? replay(argc, argv) : run_suite(rot_suite());
}
