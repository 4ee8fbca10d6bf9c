/* SPDX-License-Identifier: MIT */
/*
 * Rot: bytes that change, sectors that are lost, old or in the wrong place, files that are cut, gone
 * or renamed.  What was acknowledged is read back as it was, or the damage is named by the reader,
 * by verify and by opening for appending; rot_oracle.c says which, and rot_check.c compares.
 *
 *     test_rot                                     the cases of a run
 *     test_rot LOG KIND AT VALUE [KIND AT VALUE]   one case, as printed by a failure
 *
 * Which bytes may change without anybody saying so is exact: those after the last epoch, those
 * below the oldest one, what END left unused of a segment, a segment's blocks 2 and 3, and the
 * payloads of epochs with the flag HEADER_CHECKSUM.  should_become states it for each byte, and each
 * byte is held to it.
 *
 * Damage that is called torn may cost what neither a header that is left nor the trim mark promises:
 * the last epochs of a log that was not closed.  Only a log that is an older one as a whole is taken
 * for that.
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

static enum rot_outcome epoch_should_become(const struct rot_check *check,
                                            const struct rot_epoch *epoch, uint64_t lsn)
{
    if (rot_is_uncovered(epoch, lsn - epoch->header.lsn))
        return ROT_UNNOTICED;
    if (epoch->header.lsn < check->greatest_promise ||
        (epoch->header.lsn == check->log->oldest_lsn && check->log->oldest_lsn != LF_FIRST_LSN))
        return ROT_CORRUPT; /* promised by a later epoch, or by the trim mark, or named by it */
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
            return ROT_UNNOTICED; /* it has no marks: these are zeros */
        lsn += index * log->layout.segment_bytes;
    }
    if (place.offset < LF_FIRST_LSN)
        return ROT_FORGIVEN; /* of either mark */
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

/* Nothing but a log that is older as a whole may be taken for one that was closed with less in it,
 * or end below what its trim mark promises without being called corrupt. */
static void check_outcome(const struct rot_check *check, const struct rot_damage *damage,
                          enum rot_outcome outcome)
{
    if (damage->kind <= ROT_BIT)
        ck_assert_msg(outcome == should_become(check, damage->at), "%s: %s, should be %s",
                      check->failure, rot_outcome_name(outcome),
                      rot_outcome_name(should_become(check, damage->at)));
    if (damage->kind == ROT_OLD_FILE && check->log->layout.segment_bytes == 0)
        return;
    ck_assert_msg(outcome != ROT_OLDER, "%s: %s", check->failure, rot_outcome_name(outcome));
    ck_assert_msg(outcome != ROT_CUT || check->end_lsn >= check->mark_promise,
                  "%s: %s at %" PRIu64 ", below the promise of the trim mark", check->failure,
                  rot_outcome_name(outcome), check->end_lsn);
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
    /* It ends with its CLOSE epoch, so no byte of it is free, and all of it is promised. */
    ck_assert_uint_eq(tally.outcomes[ROT_UNNOTICED], 0);
    ck_assert_uint_eq(tally.outcomes[ROT_MARK_LOST], 0);
    ck_assert_uint_eq(tally.outcomes[ROT_CUT], 0);
    end(&check);
}
END_TEST

/* What comes of the same change in both copies of a header or mark: only a segment of which epochs
 * were read is known without one. */
static void check_both(const struct rot_check *check, const struct rot_place *place,
                       enum rot_outcome outcome)
{
    const struct memory_file *first = memory_disk_find(&check->log->disk, MEMORY_PATH "/control");
    const bool is_log = first == NULL || place->file == first;
    const bool is_refused = outcome == ROT_CORRUPT || outcome == ROT_REFUSED;

    ck_assert_msg(is_refused || (!is_log && outcome == ROT_FORGIVEN), "%s: %s", check->failure,
                  rot_outcome_name(outcome));
}

/* Where copy 0 of header or mark number `pair` is, of all files; UINT64_MAX: there are fewer. */
static uint64_t copy_position(struct rot_log *log, uint64_t pair)
{
    const struct memory_file *control = memory_disk_find(&log->disk, MEMORY_PATH "/control");
    const unsigned file_count = rot_file_count(&log->disk);
    uint64_t position = 0;

    for (unsigned i = 0; i < file_count; i++) {
        const struct memory_file *file = rot_file(&log->disk, i);
        const uint64_t count = control == NULL || file == control ? 2 : 1;
        if (pair < count)
            return position + pair * 2 * LF_BLOCK_BYTES;
        pair -= count;
        position += file->size;
    }
    return UINT64_MAX;
}

static uint64_t copy_count(struct rot_log *log)
{
    uint64_t count = 0;

    while (copy_position(log, count) != UINT64_MAX)
        count++;
    return count;
}

static void try_both(struct rot_check *check, uint64_t at, uint64_t value, struct tally *tally)
{
    const struct rot_damage damages[2] = {{ROT_BYTE, at, value},
                                          {ROT_BYTE, at + LF_BLOCK_BYTES, value}};
    const struct rot_place place = rot_place(&check->log->disk, at);

    try_damage(check, &damages[0], tally);
    try_damage(check, &damages[1], tally);
    const enum rot_outcome outcome = rot_check_run(check, damages, 2);
    check_both(check, &place, outcome);
    tally->outcomes[outcome]++;
}

static const char *const logs_of_copies[] = {"closed", "late-mark", "segments"};
#define LOGS_OF_COPIES (sizeof(logs_of_copies) / sizeof(logs_of_copies[0]))

/* Numbers all bytes with their first value, then all with the second: so a part of them has been
 * everywhere. */
static void try_copies(struct rot_check *check, uint64_t number, struct tally *tally)
{
    const uint64_t places = copy_count(check->log) * LF_BLOCK_BYTES;
    const uint64_t value = number / places * 101 % 255 + 1; /* each of the 255, far from the last */
    const uint64_t pair = number % places / LF_BLOCK_BYTES;

    try_both(check, copy_position(check->log, pair) + number % LF_BLOCK_BYTES, value, tally);
}

/* Each byte of headers and marks, in one copy, in the other one, and in both. */
START_TEST(each_byte_of_both_copies)
{
    struct tally tally = {0};
    struct rot_check check;
    char name[64];
    uint64_t number;

    begin(&check, logs_of_copies[_i]);
    const uint64_t total = copy_count(check.log) * LF_BLOCK_BYTES * 255;
    const uint64_t wanted = scaled(200, 5000, total);
    snprintf(name, sizeof(name), "rot-%s-copies", logs_of_copies[_i]);
    struct campaign campaign = campaign_begin(name, wanted);
    while (campaign_next(&campaign, &number) && number < wanted) {
        try_copies(&check, spread(number, wanted, total), &tally);
        campaign_passed(&campaign, 1);
    }
    campaign_end(&campaign);
    print_tally(name, &tally);
    end(&check);
}
END_TEST

/* What the code that judges a copy says of it: never that it is whole, or of another kind. */
static void expect_refused(const struct rot_check *check, const uint8_t *block, bool is_mark,
                           uint64_t index, size_t at)
{
    const struct lf_file_header *header = (const void *)check->log->header;
    const enum lf_header_state state = lf_file_header_judge(block);

    if (is_mark)
        ck_assert_msg(!lf_trim_mark_check(block, lf_log_seed(header)), "byte %zu of a mark", at);
    else
        ck_assert_msg(state == (at < sizeof(header->magic) ? LF_HEADER_NONE : LF_HEADER_DAMAGED) &&
                          !lf_file_header_is_of_segment(block, header, index),
                      "byte %zu of a header", at);
}

/* All 255 changes of each byte of headers and marks.  All else of the library goes by what these
 * functions say, and by nothing that is in a copy which they refuse: test_veil.sh. */
START_TEST(each_change_of_a_copy_is_refused)
{
    struct rot_check check;
    char name[64];
    uint64_t number;

    begin(&check, logs_of_copies[_i]);
    const uint64_t count = copy_count(check.log) * LF_BLOCK_BYTES;
    snprintf(name, sizeof(name), "rot-%s-judged", logs_of_copies[_i]);
    struct campaign campaign = campaign_begin_shared(name, count, 2 * LOGS_OF_COPIES, LEAST_CASES);
    while (campaign_next(&campaign, &number) && number < count) {
        const uint64_t chosen = campaign_spread(number, count);
        const size_t at = chosen % LF_BLOCK_BYTES;
        const struct rot_place place =
            rot_place(&check.log->disk, copy_position(check.log, chosen / LF_BLOCK_BYTES));
        const struct lf_file_header *header = (const void *)place.file->bytes;
        const uint64_t index = lf_segment_index(&check.log->layout, header->first_lsn);
        for (unsigned change = 2; change < 512; change++) { /* of either copy by turns */
            _Alignas(8) uint8_t block[LF_BLOCK_BYTES];
            memcpy(block, place.file->bytes + place.offset + change % 2 * LF_BLOCK_BYTES,
                   LF_BLOCK_BYTES);
            block[at] ^= (uint8_t)(change / 2);
            expect_refused(&check, block, place.offset != 0, index, at);
        }
        campaign_passed(&campaign, 510);
    }
    campaign_end(&campaign);
    end(&check);
}
END_TEST

/* Under valgrind, which is told that no byte of the damaged copies has a value, and then names each
 * place where what the library does depends on one: test_veil.sh.  With another magic, and with another
 * byte. */
START_TEST(nothing_depends_on_a_copy_that_is_refused)
{
    static const uint64_t places[] = {0, offsetof(struct lf_file_header, version)};
    struct tally tally = {0};
    struct rot_check check;

    begin(&check, logs_of_copies[_i]);
    check.is_veiled = true;
    for (uint64_t pair = 0; pair < copy_count(check.log); pair++)
        for (unsigned i = 0; i < 2; i++)
            try_both(&check, copy_position(check.log, pair) + places[i], 1, &tally);
    print_tally(check.log->name, &tally);
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
            ((damages[i].kind == ROT_STALE || damages[i].kind == ROT_OLD_FILE) &&
             damages[i].value >= log->version_count))
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
    TCase *copies = tcase_create("copies");
    TCase *veil = tcase_create("veil");

    tcase_set_timeout(tests, (double)scaled(300, 600, 360000));
    tcase_set_timeout(copies, (double)scaled(300, 600, 360000));
    tcase_set_timeout(veil, (double)scaled(300, 600, 360000));
    tcase_add_test(tests, each_byte_of_a_closed_log);
    tcase_add_loop_test(copies, each_byte_of_both_copies, 0, LOGS_OF_COPIES);
    tcase_add_loop_test(copies, each_change_of_a_copy_is_refused, 0, LOGS_OF_COPIES);
    tcase_add_loop_test(veil, nothing_depends_on_a_copy_that_is_refused, 0, LOGS_OF_COPIES);
    tcase_add_loop_test(tests, each_kind_of_damage, 0, (int)rot_log_count());
    tcase_add_test(tests, two_damages_at_once);
    suite_add_tcase(suite, tests);
    suite_add_tcase(suite, copies);
    suite_add_tcase(suite, veil);
    return suite;
}

int main(int argc, char **argv)
{
    return argc > 1 ? replay(argc, argv) : run_suite(rot_suite());
}
