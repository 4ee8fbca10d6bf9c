/* SPDX-License-Identifier: MIT */
/* When a cache line is where, to the picosecond. */
#include "../../bench/scale/lines.h"
#include "../../bench/scale/memory.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum {
    CPUS = 4,
    NS = 1000
};

/* Four processors, 100 ns from each other: 33 for a request, 34 for the probe, 33 for the data. */
static void set_up(void)
{
    memset(&costs, 0, sizeof costs);
    costs.processors = costs.node_processors = CPUS;
    costs.request_percent = costs.data_percent = 33;
    costs.memory_ns = 200 * NS;
    costs.shared_interval_ns = 5 * NS;
    costs.invalidate_ns = 2 * NS;
    costs.slice_ns = 1000000 * NS;
    costs.wake_returns_percent = costs.wake_moves_percent = costs.create_moves_percent = 100;
    for (unsigned a = 0; a < CPUS; a++)
        for (unsigned b = 0; b < CPUS; b++)
            costs.line_ps[a][b] = a == b ? 0 : 100 * NS;
    memory_start();
}

static uint64_t ask(struct line *line, unsigned cpu, uint64_t at_ns, bool writes)
{
    uint64_t queued_ps;

    return line_request(line, cpu, at_ns * NS, writes, &queued_ps) / NS;
}

static bool is_here(struct line *line, unsigned cpu, uint64_t at_ns, bool writes)
{
    return line_is_here(line, cpu, at_ns * NS, writes);
}

/* From memory; then from its owner, which has it until the probe comes. */
START_TEST(owner_keeps_it_until_the_probe)
{
    struct line *line = line_new();

    ck_assert_uint_eq(ask(line, 0, 0, true), 200);
    ck_assert(!is_here(line, 0, 199, true));
    ck_assert(is_here(line, 0, 200, true));
    ck_assert_uint_eq(ask(line, 1, 1000, true), 1100);
    ck_assert(is_here(line, 0, 1066, true));
    ck_assert(!is_here(line, 0, 1067, true));
    ck_assert(!is_here(line, 1, 1099, true));
    ck_assert(is_here(line, 1, 1100, true));
    ck_assert_uint_eq(line->transfers, 1);
    ck_assert_uint_eq(line->cold, 1);
}
END_TEST

/* One transfer at a time, in the order of the requests; the next request has travelled meanwhile. */
START_TEST(requests_are_served_in_order)
{
    struct line *line = line_new();
    uint64_t queued_ps;

    ask(line, 0, 0, true);
    ck_assert_uint_eq(ask(line, 1, 1000, true), 1100);
    ck_assert_uint_eq(line_request(line, 2, 1000 * NS, true, &queued_ps), 1167 * NS);
    ck_assert_uint_eq(queued_ps, 67 * NS);
    ck_assert_uint_eq(line_request(line, 3, 1001 * NS, true, &queued_ps), 1234 * NS);
    ck_assert_uint_eq(queued_ps, 133 * NS);
    /* Each has it from when it comes until the next probe. */
    ck_assert(is_here(line, 1, 1100, true) && is_here(line, 1, 1133, true));
    ck_assert(!is_here(line, 1, 1134, true));
    ck_assert(is_here(line, 2, 1167, true) && !is_here(line, 2, 1201, true));
    ck_assert(is_here(line, 3, 1234, true));
}
END_TEST

/* Readers share it with the one that wrote it; a writer takes it from all, and waits for the farthest. */
START_TEST(readers_share_and_a_writer_takes_all)
{
    struct line *line = line_new();

    costs.line_ps[1][3] = costs.line_ps[3][1] = 150 * NS;
    ask(line, 0, 0, true);
    ck_assert_uint_eq(ask(line, 1, 1000, false), 1100);
    ck_assert(is_here(line, 0, 1200, false) && !is_here(line, 0, 1200, true));
    ck_assert_uint_eq(ask(line, 2, 2000, false), 2100);
    ck_assert_uint_eq(ask(line, 3, 2000, false),
                      2105); /* after the other reader, by the interval */
    ck_assert_uint_eq(line->transfers, 3);
    ck_assert_uint_eq(ask(line, 1, 3000, true), 3000 + 150 + 2 * 2); /* three others have it */
    ck_assert_uint_eq(line->upgrades, 1);
    ck_assert_uint_eq(line->transfers, 3);
    ck_assert(is_here(line, 0, 3050, false)); /* until the probe */
    ck_assert(!is_here(line, 0, 3154, false));
    ck_assert(is_here(line, 1, 3154, true));
}
END_TEST

/* The only one that has read it may write it too. */
START_TEST(only_reader_owns)
{
    struct line *line = line_new();

    ck_assert_uint_eq(ask(line, 2, 0, false), 200);
    ck_assert(is_here(line, 2, 200, true));
    ck_assert_uint_eq(ask(line, 2, 300, true), 300);
    ck_assert_uint_eq(line->upgrades, 0);
}
END_TEST

/* ---- Threads ----------------------------------------------------------------------------------- */

static uint64_t *word;
static uint64_t seen_ns[8];
static unsigned seen_count;

static void see(void)
{
    seen_ns[seen_count++] = cpu_self->now_ps / NS;
}

static void *storing(void *arg)
{
    (void)arg;
    cpu_spend(CPU_WORK, 1000 * NS - cpu_self->now_ps);
    scale_store(word, 64, 7);
    ck_assert_uint_eq(scale_load(word, 64), 7); /* its own, at once */
    see();
    return NULL;
}

static void *looking(void *arg)
{
    struct thread *other;

    (void)arg;
    word = memory_take(64, 64);
    other = thread_create(storing, NULL);
    ck_assert_uint_eq(scale_load(word, 64), 0);
    while (scale_load(word, 64) == 0)
        scale_stall();
    see();
    thread_join(other);
    cpus_stop();
}

/* A store is seen by its own thread at once, by a thread that looks for it when it has taken the line, and
 * that has come back. */
START_TEST(store_is_seen_when_its_line_is_there)
{
    costs.pause_ns = 10 * NS;
    cpus_run(2, looking, NULL);
    ck_assert_uint_eq(seen_count, 2);
    ck_assert_uint_eq(seen_ns[0], 1000);
    /* Asked for at 1000; the looker loses it at 1067, looks again within 10 ns, and has it 33 ns (the request)
     * or the rest of the transfer, 34 (the probe) and 33 later. */
    ck_assert_uint_ge(seen_ns[1], 1067 + 100);
    ck_assert_uint_le(seen_ns[1], 1067 + 10 + 100);
}
END_TEST

static void *sleeping(void *arg)
{
    (void)arg;
    memory_note_waiter(word);
    thread_block(UINT64_MAX);
    see();
    return NULL;
}

static void *waking(void *arg)
{
    struct thread *first, *second;

    (void)arg;
    word = memory_take(64, 64);
    first = thread_create(sleeping, NULL);
    second = thread_create(sleeping, NULL);
    cpu_spend_until(CPU_WORK, 10000 * NS);
    cpu_sync();
    ck_assert_ptr_eq(memory_take_waiters(word, 1), first);
    ck_assert(thread_wake(first));
    thread_join(first);
    ck_assert_uint_eq(seen_count, 1);
    ck_assert_uint_eq(seen_ns[0], 10000 + 50 + 20); /* out of idleness, and a switch */
    /* No processor is left for the second one, but this. */
    memory_wake_all(word);
    thread_join(second);
    ck_assert_uint_eq(seen_count, 2);
    cpus_stop();
}

START_TEST(sleepers_wake_in_order)
{
    costs.idle_exit_ns = 50 * NS;
    costs.switch_ns = 20 * NS;
    cpus_run(2, waking, NULL);
    ck_assert_uint_eq(seen_count, 2);
    for (unsigned i = 0; i < cpu_count; i++) {
        uint64_t sum_ps = 0;
        for (unsigned cost = 0; cost < CPU_COST_COUNT; cost++)
            sum_ps += cpus[i].spent_ps[cost];
        ck_assert_uint_eq(sum_ps, cpus[i].now_ps);
    }
}
END_TEST

static unsigned turn_count;

static void *spinning(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 1000; i++) {
        cpu_spend(CPU_WORK, 10 * NS);
        cpu_sync();
    }
    turn_count++;
    return NULL;
}

static void *sharing(void *arg)
{
    struct thread *threads[3];

    (void)arg;
    for (unsigned i = 0; i < 3; i++)
        threads[i] = thread_create(spinning, NULL);
    for (unsigned i = 0; i < 3; i++)
        thread_join(threads[i]);
    see();
    cpus_stop();
}

/* Three threads of 10 us on one processor, in slices of 1 us with a switch of 100 ns. */
START_TEST(threads_share_a_processor)
{
    costs.slice_ns = 1000 * NS;
    costs.switch_ns = 100 * NS;
    cpus_run(1, sharing, NULL);
    ck_assert_uint_eq(turn_count, 3);
    ck_assert_uint_ge(seen_ns[0], 30000 + 30 * 100);
    ck_assert_uint_le(seen_ns[0], 30000 + 40 * 100);
}
END_TEST

static struct thread *made;

/* Its thread sleeps where it was made; what becomes of it when it is woken, while the other one is idle. */
static void *packing(void *arg)
{
    bool *interrupts = arg;

    word = memory_take(64, 64);
    made = thread_create(sleeping, NULL);
    ck_assert_uint_eq(made->cpu, 0);
    ck_assert(thread_yield());
    *interrupts = thread_wake(memory_take_waiters(word, 1));
    cpu_spend(CPU_WORK, 1000 * NS);
    thread_join(made);
    cpus_stop();
}

/* A kernel that packs: new threads start where they are made, and those that wake up queue there. */
START_TEST(threads_stay_on_a_processor)
{
    bool interrupts = true;

    costs.create_moves_percent = costs.wake_moves_percent = 0;
    cpus_run(2, packing, &interrupts);
    ck_assert(!interrupts);
    ck_assert_uint_eq(made->cpu, 0);
    ck_assert_uint_eq(seen_ns[0], 1000); /* when the other one had waited for it */
}
END_TEST

START_TEST(threads_move_to_an_idle_processor)
{
    bool interrupts = false;

    costs.create_moves_percent = 0;
    cpus_run(2, packing, &interrupts);
    ck_assert(interrupts);
    ck_assert_uint_eq(made->cpu, 1);
    ck_assert_uint_eq(seen_ns[0], 0);
}
END_TEST

static void *queueing(void *arg)
{
    struct thread *threads[2];

    (void)arg;
    for (unsigned i = 0; i < 2; i++)
        threads[i] = thread_create(spinning, NULL);
    for (unsigned i = 0; i < 2; i++)
        thread_join(threads[i]);
    see();
    cpus_stop();
}

/* Two threads of 10 us begin on one processor, and an idle one takes one of them after 4 us. */
START_TEST(idle_processor_takes_a_thread)
{
    costs.slice_ns = 1000 * NS;
    costs.create_moves_percent = 0;
    costs.balance_ns = 4000 * NS;
    cpus_run(2, queueing, NULL);
    ck_assert_uint_eq(turn_count, 2);
    ck_assert_uint_ge(seen_ns[0], 11000);
    ck_assert_uint_le(seen_ns[0], 13000);
}
END_TEST

static void *dozing(void *arg)
{
    (void)arg;
    ck_assert(thread_block(5000 * NS));
    return NULL;
}

static void *disturbed(void *arg)
{
    struct thread *threads[2];

    (void)arg;
    threads[0] = thread_create(dozing, NULL);
    threads[1] = thread_create(spinning, NULL);
    thread_join(threads[1]);
    see();
    cpus_stop();
}

/* A timer takes the processor of the thread that is there, and its thread a switch there and one back. */
START_TEST(timer_interrupts_a_processor)
{
    costs.timer_interrupt_ns = 3000 * NS;
    costs.switch_ns = 100 * NS;
    cpus_run(1, disturbed, NULL);
    ck_assert_uint_eq(turn_count, 1);
    /* The first thread's three switches, the spinner's 10 us, the interrupt. */
    ck_assert_uint_ge(seen_ns[0], 13000 + 3 * 100);
    ck_assert_uint_le(seen_ns[0], 13000 + 7 * 100);
    ck_assert_uint_ge(cpus[0].spent_ps[CPU_KERNEL], 3000 * NS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scale_lines");
    TCase *lines = tcase_create("lines");
    TCase *threads = tcase_create("threads");

    tcase_add_checked_fixture(lines, set_up, NULL);
    tcase_add_test(lines, owner_keeps_it_until_the_probe);
    tcase_add_test(lines, requests_are_served_in_order);
    tcase_add_test(lines, readers_share_and_a_writer_takes_all);
    tcase_add_test(lines, only_reader_owns);
    suite_add_tcase(suite, lines);
    tcase_add_checked_fixture(threads, set_up, NULL);
    tcase_add_test(threads, store_is_seen_when_its_line_is_there);
    tcase_add_test(threads, sleepers_wake_in_order);
    tcase_add_test(threads, threads_share_a_processor);
    tcase_add_test(threads, threads_stay_on_a_processor);
    tcase_add_test(threads, threads_move_to_an_idle_processor);
    tcase_add_test(threads, idle_processor_takes_a_thread);
    tcase_add_test(threads, timer_interrupts_a_processor);
    suite_add_tcase(suite, threads);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
