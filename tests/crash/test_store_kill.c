/* SPDX-License-Identifier: MIT */
/*
 * docs/examples/store under SIGKILL at random instants: while it changes, writes a checkpoint, moves its
 * mark, trims, and while it starts from all that.
 *
 * The test sends `add` commands, a few ahead of the answers, each of 1 to one of KEYS counters in turn.
 * So what the counters come to says how many commands the store has, and each of them alone what it must
 * be then.  After each kill the store must have the commands from the first one on, each once: as many
 * as it said "ok" to at least, and no more than it was sent.
 *
 *     test_store_kill [KILLS]
 */
#include "support.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    KEYS = 7,
    AHEAD = 12,       /* commands without an answer */
    CHANGES = 6,      /* after which the store writes a checkpoint */
    EARLY_US = 12000, /* after the start, at most */
    LATE_US = 4000    /* after some answers, at most */
};

/* A store that runs, and the two ends of its pipes. */
struct store {
    pid_t process;
    int to, from;
    FILE *answers;
};

static uint64_t sent, answered; /* commands, since the store was made */

/* What came of all kills. */
static uint64_t kills, kills_before_ready, starts_from_a_checkpoint, replayed_sum, replayed_max;

static struct store start_store(void)
{
    struct store store;
    int commands[2], answers[2];
    char every[16];

    snprintf(every, sizeof every, "%d", CHANGES);
    ck_assert_int_eq(pipe(commands), 0);
    ck_assert_int_eq(pipe(answers), 0);
    store.process = fork();
    ck_assert_int_ge(store.process, 0);
    if (store.process == 0) {
        dup2(commands[0], STDIN_FILENO);
        dup2(answers[1], STDOUT_FILENO);
        close(commands[0]);
        close(commands[1]);
        close(answers[0]);
        close(answers[1]);
        execl("docs/examples/store", "store", folder_path("kv"), every, NULL);
        _exit(127);
    }
    close(commands[0]);
    close(answers[1]);
    store.to = commands[1];
    store.from = answers[0];
    store.answers = fdopen(store.from, "r");
    ck_assert_ptr_nonnull(store.answers);
    return store;
}

static void end_store(struct store *store, bool is_killed)
{
    int status;

    if (is_killed)
        kill(store->process, SIGKILL);
    close(store->to);
    ck_assert_int_eq(waitpid(store->process, &status, 0), store->process);
    if (is_killed)
        ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
                      "the store ended by itself with status %d", status);
    else
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the store ended with %d",
                      status);
    fclose(store->answers);
}

/* The first line of a store; false: it was killed before. */
static bool read_ready(struct store *store)
{
    uint64_t replayed, from_lsn;
    char line[256];

    if (fgets(line, sizeof line, store->answers) == NULL)
        return false;
    ck_assert_msg(sscanf(line, "ready: replayed %" SCNu64 " records from LSN %" SCNu64, &replayed,
                         &from_lsn) == 2,
                  "%s", line);
    starts_from_a_checkpoint += from_lsn != 0;
    replayed_sum += replayed;
    replayed_max = replayed > replayed_max ? replayed : replayed_max;
    return true;
}

static uint64_t expected_of(unsigned key, uint64_t commands)
{
    return commands / KEYS + (key < commands % KEYS);
}

/* What the store has must be what the first so many commands make of it. */
static void check_store(void)
{
    struct store store = start_store();
    uint64_t values[KEYS] = {0}, sum = 0;
    char line[256];

    ck_assert_msg(read_ready(&store), "the store does not start");
    ck_assert_int_eq(write(store.to, "list\n", 5), 5);
    while (fgets(line, sizeof line, store.answers) != NULL && strcmp(line, "end\n") != 0) {
        unsigned key;
        uint64_t value;
        ck_assert_msg(sscanf(line, "set k%u %" SCNu64, &key, &value) == 2 && key < KEYS, "%s",
                      line);
        values[key] = value;
        sum += value;
    }
    end_store(&store, false);
    ck_assert_msg(sum >= answered, "%" PRIu64 " changes were answered, and %" PRIu64 " are there",
                  answered, sum);
    ck_assert_msg(sum <= sent, "%" PRIu64 " changes were sent, and %" PRIu64 " are there", sent,
                  sum);
    for (unsigned key = 0; key < KEYS; key++)
        ck_assert_msg(values[key] == expected_of(key, sum),
                      "after %" PRIu64 " changes k%u is %" PRIu64 ", not %" PRIu64, sum, key,
                      values[key], expected_of(key, sum));
    sent = answered = sum; /* the store owes what it has recovered */
}

/* Sends commands until so many answers have come, or it is killed. */
static void drive(struct store *store, uint64_t answers)
{
    const uint64_t end = answers > UINT64_MAX - answered ? UINT64_MAX : answered + answers;
    char line[256];

    while (answered < end) {
        while (sent - answered < AHEAD) {
            int length = snprintf(line, sizeof line, "add k%u 1\n", (unsigned)(sent % KEYS));
            if (write(store->to, line, (size_t)length) != length)
                return;
            sent++;
        }
        if (fgets(line, sizeof line, store->answers) == NULL)
            return;
        ck_assert_str_eq(line, "ok\n");
        answered++;
    }
}

/* A process of its own, so that it strikes wherever this one is. */
static pid_t start_killer(pid_t victim, uint64_t us)
{
    pid_t killer = fork();

    ck_assert_int_ge(killer, 0);
    if (killer != 0)
        return killer;
    sleep_us(us);
    kill(victim, SIGKILL);
    _exit(0);
}

static void run_and_kill(struct rng *rng)
{
    const bool strikes_early = rng_one_in(rng, 4); /* while the store starts, or soon after */
    const uint64_t answers = rng_below(rng, 3 * CHANGES);
    const uint64_t us = rng_below(rng, strikes_early ? EARLY_US : LATE_US);
    struct store store = start_store();
    pid_t killer = strikes_early ? start_killer(store.process, us) : -1;

    const bool is_ready = read_ready(&store);
    if (!strikes_early) {
        ck_assert_msg(is_ready, "the store does not start");
        drive(&store, answers);
        killer = start_killer(store.process, us);
    }
    drive(&store, UINT64_MAX);
    waitpid(killer, NULL, 0);
    end_store(&store, true);
    kills++;
    kills_before_ready += !is_ready;
}

static uint64_t wanted_kills;

START_TEST(a_store_that_is_killed_loses_nothing_and_has_nothing_twice)
{
    struct rng rng = {.state = 1};

    signal(SIGPIPE, SIG_IGN);
    enter_folder();
    while (kills < wanted_kills) {
        watchdog_start(60, "test_store_kill");
        run_and_kill(&rng);
        check_store();
        watchdog_stop();
    }
    leave_folder();
    printf("%" PRIu64 " kills, %" PRIu64 " of them before the store was ready; %" PRIu64
           " changes; %" PRIu64 " of %" PRIu64 " starts from a checkpoint, %" PRIu64
           " records replayed a start, %" PRIu64 " at most\n",
           kills, kills_before_ready, sent, starts_from_a_checkpoint,
           2 * kills - kills_before_ready, replayed_sum / (2 * kills - kills_before_ready),
           replayed_max);
    /* It is a test of checkpoints only if there were some; and a start from one is short. */
    ck_assert_uint_gt(starts_from_a_checkpoint, 0);
    ck_assert_uint_gt(replayed_sum, 0);
    ck_assert_uint_le(replayed_max, 4 * CHANGES);
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("store_kill");
    TCase *tcase = tcase_create("store_kill");

    wanted_kills = argc == 2 ? strtoull(argv[1], NULL, 10) : scaled(5, 20, 200);
    if (argc > 2 || wanted_kills == 0) {
        fprintf(stderr, "usage: test_store_kill [KILLS]\n");
        return 2;
    }
    tcase_set_timeout(tcase, (double)scaled(120, 120, 36000));
    tcase_add_test(tcase, a_store_that_is_killed_loses_nothing_and_has_nothing_twice);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
