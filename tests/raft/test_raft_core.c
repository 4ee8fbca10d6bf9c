/* SPDX-License-Identifier: MIT */
/*
 * libraft's core over three of our disks, crashed at every call of a small cluster's life, and in storms of
 * crashes.  raft_cluster.h tells what is looked at.
 *
 *     test_raft_core                     the cases of a run
 *     test_raft_core SERVER CALL [SEED]  one crash; SERVER 0: a storm, of which CALL is the number
 */
#include "raft_cluster.h"

#include "campaign.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    LIFE_STEPS = 300,
    STORM_STEPS = 600
};

static struct totals {
    uint64_t crashes, elections, truncations, acknowledged, installs, lives;
} totals;

static void add_totals(const struct cluster *cluster)
{
    totals.crashes += cluster->crashes;
    totals.elections += cluster->elections;
    totals.truncations += cluster->truncations;
    totals.acknowledged += cluster->acknowledged_count;
    totals.installs += cluster->installs;
    totals.lives++;
}

/* A small life, in which the machine of one server goes down at its nth call that changes something; 0:
 * none does.  Returns how many such calls that server has made. */
static uint64_t live(uint64_t seed, unsigned server, uint64_t crash_at)
{
    static struct cluster cluster;

    cluster_init(&cluster, seed);
    if (crash_at > 0)
        logfile_sim_crash_at(cluster.servers[server].disk.sim, crash_at);
    for (unsigned i = 0; i < LIFE_STEPS; i++)
        cluster_step(&cluster);
    uint64_t calls = logfile_sim_change_count(cluster.servers[server].disk.sim);
    cluster_calm_down(&cluster);
    add_totals(&cluster);
    cluster_free(&cluster);
    return calls;
}

/* Machines go down again and again, also while they start. */
static void storm(uint64_t number)
{
    static struct cluster cluster;
    struct rng rng = {.state = number * 0x2545f4914f6cdd1du + 7};

    cluster_init(&cluster, number + 1000);
    for (unsigned i = 0; i < STORM_STEPS; i++) {
        if (rng_one_in(&rng, 60))
            logfile_sim_crash_at(cluster.servers[rng_below(&rng, CLUSTER_SERVERS)].disk.sim,
                                 1 + rng_below(&rng, 40));
        cluster_step(&cluster);
    }
    cluster_calm_down(&cluster);
    add_totals(&cluster);
    cluster_free(&cluster);
}

static void say_totals(void)
{
    printf("%llu lives: %llu crashes, %llu elections, %llu suffixes cut off, %llu snapshots sent, "
           "%llu "
           "commands acknowledged\n",
           (unsigned long long)totals.lives, (unsigned long long)totals.crashes,
           (unsigned long long)totals.elections, (unsigned long long)totals.truncations,
           (unsigned long long)totals.installs, (unsigned long long)totals.acknowledged);
}

static char **chosen; /* the arguments of one case; NULL: all */

START_TEST(test_a_crash_at_every_call)
{
    struct campaign campaign;
    uint64_t number, calls[CLUSTER_SERVERS], all = 0;

    if (chosen != NULL)
        return;
    for (unsigned i = 0; i < CLUSTER_SERVERS; i++)
        all += calls[i] = live(1, i, 0);
    ck_assert_uint_gt(all, 100);
    campaign = campaign_begin_shared("raft_core_calls", all, 2, scaled(3, 12, all));
    while (campaign_next(&campaign, &number)) {
        uint64_t at = campaign_spread(number % all, all);
        unsigned server = 0;
        while (at >= calls[server])
            at -= calls[server++];
        live(1, server, at + 1);
        campaign_passed(&campaign, 1);
    }
    campaign_end(&campaign);
    say_totals();
    ck_assert_uint_gt(totals.crashes, 0);
}
END_TEST

START_TEST(test_storms)
{
    struct campaign campaign;
    uint64_t number;

    if (chosen != NULL)
        return;
    campaign =
        campaign_begin_shared("raft_core_storms", scaled(5, 60, 20000), 2, scaled(1, 5, 1000));
    while (campaign_next(&campaign, &number)) {
        storm(number);
        campaign_passed(&campaign, 1);
    }
    campaign_end(&campaign);
    say_totals();
    ck_assert_uint_gt(totals.crashes, 0);
    ck_assert_uint_gt(totals.elections, totals.lives);
}
END_TEST

START_TEST(test_one)
{
    if (chosen == NULL)
        return;
    unsigned server = (unsigned)atoi(chosen[0]);
    uint64_t number = strtoull(chosen[1], NULL, 10);
    if (server == 0)
        storm(number);
    else
        live(chosen[2] != NULL ? strtoull(chosen[2], NULL, 10) : 1, server - 1, number);
    say_totals();
}
END_TEST

static Suite *core_suite(void)
{
    Suite *suite = suite_create("raft_core");
    TCase *tcase = tcase_create("cluster");

    tcase_set_timeout(tcase, (double)scaled(600, 600, 360000));
    tcase_add_test(tcase, test_a_crash_at_every_call);
    tcase_add_test(tcase, test_storms);
    tcase_add_test(tcase, test_one);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(int argc, char **argv)
{
    chosen = argc >= 3 ? argv + 1 : NULL;
    return run_suite(core_suite());
}
