/* SPDX-License-Identifier: MIT */
/*
 * Lives of a node's disk, each decided by its number: entries, conflicting suffixes, terms and votes,
 * snapshots, restarts in order, and with the power gone at some call.  Each start must find what a first
 * part of the operations leaves, all that was called back at the least.
 *
 *     test_raft_campaign           the lives of a run
 *     test_raft_campaign NUMBER    one of them
 */
#include "raft_model.h"

#include "campaign.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPERATIONS = 60
};

struct life {
    struct rng rng;
    uv_loop_t loop;
    struct logfile_sim *sim;
    struct raft_disk disk;
    struct raft_model model;
    uint64_t suffixes; /* cut off, and replaced */
};

static uint64_t below(struct life *life, uint64_t bound)
{
    return rng_below(&life->rng, bound);
}

static bool is_down(const struct life *life)
{
    return logfile_sim_is_down(life->sim);
}

static void append(struct life *life, unsigned most)
{
    int error = model_append(&life->model, 1 + (unsigned)below(life, most), life->model.term);

    ck_assert(error == 0 || is_down(life));
}

/* A new leader has other entries from some index on; mostly near the end, and some are on their way. */
static void replace_suffix(struct life *life)
{
    struct raft_model *model = &life->model;
    raft_index least = model->start > 2 ? model->start : 2;

    if (model->next <= least)
        return;
    uint64_t range = model->next - least;
    uint64_t back = below(life, rng_one_in(&life->rng, 8) || range < 12 ? range : 12);
    model_set_term(model, model->term + 1 + below(life, 3));
    if (is_down(life) || model_truncate(model, model->next - 1 - back) != 0)
        return;
    append(life, 6);
    life->suffixes++;
}

static void take_snapshot(struct life *life)
{
    struct raft_model *model = &life->model;

    model_wait(model);
    if (is_down(life) || model->next <= model->start)
        return;
    raft_index index = model->start + below(life, model->next - model->start);
    model_put(model, index, model_term_at(model, index), (unsigned)below(life, 12));
}

static void install_snapshot(struct life *life)
{
    struct raft_model *model = &life->model;

    model_set_term(model, model->term + 1);
    if (!is_down(life))
        model_put(model, model->start + below(life, 40), model->term, 0);
}

static void reopen(struct life *life, bool after_crash)
{
    /* What has no place in the log yet is cancelled. */
    const bool is_under_way = life->model.answers < life->model.calls;

    raft_disk_close(&life->disk);
    after_crash = after_crash || is_down(life);
    logfile_sim_crash_at(life->sim, 0);
    if (after_crash)
        logfile_sim_reboot(life->sim, rng_next(&life->rng));
    life->model.failed_from = UINT_MAX;
    model_open(&life->model, after_crash || is_under_way);
}

static void make_operation(struct life *life)
{
    switch (below(life, 16)) {
    case 0:
    case 1:
    case 2:
        append(life, 20);
        break;
    case 3:
        model_wait(&life->model);
        break;
    case 4:
        raft_disk_run(&life->disk);
        break;
    case 5:
        model_set_vote(&life->model, 1 + below(life, 5));
        break;
    case 6:
        take_snapshot(life);
        break;
    case 7:
        if (rng_one_in(&life->rng, 4))
            install_snapshot(life);
        break;
    case 8:
        if (rng_one_in(&life->rng, 3))
            reopen(life, false);
        break;
    case 9:
        logfile_sim_crash_at(life->sim, 1 + below(life, 24));
        break;
    default:
        replace_suffix(life);
        break;
    }
}

static void choose_log(struct life *life)
{
    struct logfile_options *options = &life->disk.options;

    options->slot_bytes = rng_one_in(&life->rng, 2) ? 8 << 10 : 32 << 10;
    life->model.data_max = rng_one_in(&life->rng, 4) ? 6000 : 300;
    if (rng_one_in(&life->rng, 3)) { /* segments end all the time */
        options->segment_bytes = (options->slot_bytes + (20 << 10)) * (1 + below(life, 2));
        options->prepare = LOGFILE_PREPARE_ALLOCATE;
        options->prepare_bytes = 2 * options->slot_bytes;
        life->disk.lab.flusher = LOGFILE_FLUSHER_HYBRID; /* others end a segment than who flushes */
    }
}

static uint64_t live(uint64_t number)
{
    struct life life;

    memset(&life, 0, sizeof life);
    life.rng.state = number * 0x9e3779b97f4a7c15u;
    model_begin(&life.model, &life.disk, &life.loop, &life.sim);
    choose_log(&life);
    ck_assert_int_eq(raft_disk_open(&life.disk), 0);
    ck_assert_int_eq(model_bootstrap(&life.model), 0);
    raft_disk_close(&life.disk);
    model_open(&life.model, false);
    for (unsigned i = 0; i < OPERATIONS; i++) {
        make_operation(&life);
        if (is_down(&life))
            reopen(&life, true);
    }
    logfile_sim_crash_at(life.sim, 0);
    model_wait(&life.model);
    reopen(&life, false);
    raft_disk_close(&life.disk);
    ck_assert_uint_eq(model_end(&life.model, life.sim), 0);
    return life.suffixes;
}

static const char *chosen; /* the one life to be lived; NULL: many */

START_TEST(test_every_life_keeps_what_was_called_back)
{
    struct campaign campaign =
        campaign_begin_shared("raft_lives", scaled(60, 800, 40000), 1, scaled(4, 40, 2000));
    uint64_t number, suffixes = 0;

    if (chosen != NULL) {
        printf("%llu suffixes\n", (unsigned long long)live(strtoull(chosen, NULL, 10)));
        return;
    }
    while (campaign_next(&campaign, &number)) {
        uint64_t cut = live(number);
        suffixes += cut;
        campaign_passed(&campaign, cut);
    }
    campaign_end(&campaign);
    ck_assert_uint_ge(suffixes, scaled(10, 200, 10000));
}
END_TEST

static Suite *campaign_suite(void)
{
    Suite *suite = suite_create("raft_campaign");
    TCase *tcase = tcase_create("lives");

    tcase_set_timeout(tcase, (double)scaled(600, 600, 36000));
    tcase_add_test(tcase, test_every_life_keeps_what_was_called_back);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(int argc, char **argv)
{
    chosen = argc == 2 ? argv[1] : NULL;
    return run_suite(campaign_suite());
}
