/* SPDX-License-Identifier: MIT */
/*
 * What a monitor sees of a log whose device hangs: docs/examples/exporter.c as it is, on a disk whose sync
 * hangs on command.  A sync that hangs for two seconds is seen after one by the event hook, by the
 * in-flight age of logfile_stats, and in the text that the example writes; and so is a failure.
 */
static int exporter_main(int argc, char **argv) __attribute__((unused));
#define main exporter_main
#include "../../docs/examples/exporter.c"
#undef main

#include "hung_disk.h"

#include <ctype.h>
#include <string.h>

#define LOG_PATH "exported.log"
#define HUNG_NS UINT64_C(2000000000)
#define SLOW_S 1.0

static struct hung_disk disk;
static struct variant variant;
static struct logfile *exported;
static struct metrics metrics;
static struct {
    pthread_mutex_t lock;
    struct logfile_event slow; /* the first one of a sync; count 0: there was none */
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void hook(void *arg, const struct logfile_event *event)
{
    metrics_note(arg, event);
    pthread_mutex_lock(&seen.lock);
    if (event->kind == LOGFILE_EVENT_SLOW && event->call == LOGFILE_CALL_SYNC &&
        seen.slow.count == 0)
        seen.slow = *event;
    pthread_mutex_unlock(&seen.lock);
}

static struct logfile_event seen_slow(void)
{
    pthread_mutex_lock(&seen.lock);
    struct logfile_event event = seen.slow;
    pthread_mutex_unlock(&seen.lock);
    return event;
}

static void begin(unsigned index)
{
    engine_variant_get(index, &variant);
    watchdog_start(120, variant.name);
    hung_disk_init(&disk);
    pthread_mutex_init(&metrics.lock, NULL);
    variant.options.prepare = LOGFILE_PREPARE_NONE; /* or its calls are under way as well */
    variant.options.io = &disk.layer.io;
    variant.options.event = hook;
    variant.options.event_arg = &metrics;
    variant.options.thread_start = hung_disk_thread_start;
    variant.options.thread_arg = &disk;
    ck_assert_int_eq(logfile_open(LOG_PATH, &variant.options, NULL, &exported), 0);
}

static void end(int error)
{
    ck_assert_int_eq(logfile_close(exported), error);
    hung_disk_free(&disk);
    watchdog_stop();
}

/* ---- The text ---- */

/* The value of a sample, by its name and labels; every line before it is one of the format. */
static double value_of(const char *text, const char *sample)
{
    const size_t length = strlen(sample);
    double value = -1;

    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
        ck_assert_msg(strchr(line, '\n') != NULL, "a line without an end: %s", line);
        if (strncmp(line, "# HELP logfile_", 15) == 0 || strncmp(line, "# TYPE logfile_", 15) == 0)
            continue;
        ck_assert_msg(strncmp(line, "logfile_", 8) == 0, "no line of the format: %.60s", line);
        const char *space = strchr(line, ' ');
        ck_assert_msg(space != NULL && isdigit((unsigned char)space[1]), "no number: %.60s", line);
        if ((size_t)(space - line) == length && strncmp(line, sample, length) == 0)
            value = strtod(space, NULL);
    }
    ck_assert_msg(value >= 0, "%s is not there", sample);
    return value;
}

/* As the program writes it now. */
static double look_for(const char *sample)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    ck_assert_ptr_nonnull(out);
    ck_assert_int_eq(metrics_print(out, exported, &metrics), 0);
    fclose(out);
    double value = value_of(text, sample);
    free(text);
    return value;
}

/* ---- A sync that hangs ---- */

static void *append(void *arg)
{
    hung_disk_join(&disk, HUNG_CALLER);
    __atomic_store_n((int *)arg, logfile_append(exported, "abc", 3, NULL), __ATOMIC_RELEASE);
    return NULL;
}

/* Seen while it hangs, in each of the three ways. */
static void check_seen(uint64_t durable_lsn)
{
    struct logfile_stats stats;
    struct logfile_event event;

    while (look_for("logfile_inflight_seconds{call=\"sync\"}") < SLOW_S)
        sleep_us(1000);
    ck_assert_int_eq(logfile_stats(exported, &stats, sizeof stats), 0);
    ck_assert_uint_eq(stats.inflight_call, LOGFILE_CALL_SYNC);
    ck_assert_uint_ge(stats.inflight_ns, (uint64_t)((SLOW_S - 0.001) * NS_PER_S)); /* rounded up */
    ck_assert_uint_eq(stats.inflight_lsn, durable_lsn);
    ck_assert_double_eq(look_for("logfile_inflight_lsn"), (double)durable_lsn);
    ck_assert_double_eq(look_for("logfile_inflight_seconds{call=\"write\"}"), 0);
    ck_assert_double_gt(look_for("logfile_pending_bytes"), 0);
    while (look_for("logfile_events_total{kind=\"slow\"}") < 1)
        sleep_us(1000);
    event = seen_slow();
    ck_assert_uint_eq(event.count, 1);
    ck_assert_uint_eq(event.lsn, durable_lsn);
    ck_assert_uint_ge(event.ns, (uint64_t)(SLOW_S * NS_PER_S));
}

/* Ring, mutex and serial. */
static const unsigned engines[] = {0, 3, 5};

/* Loop test: engines. */
START_TEST(test_a_hung_sync_is_seen)
{
    pthread_t thread;
    int error = 1; /* it has not returned */

    begin(engines[_i]);
    ck_assert_int_eq(logfile_append(exported, "x", 1, NULL), 0);
    const uint64_t durable_lsn = logfile_durable_lsn(exported);
    const double syncs = look_for("logfile_sync_seconds_count");
    ck_assert_double_eq(look_for("logfile_records_total"), 1);
    ck_assert_double_eq(look_for("logfile_inflight_seconds{call=\"sync\"}"), 0);
    ck_assert_double_eq(look_for("logfile_events_total{kind=\"slow\"}"), 0);

    hung_disk_begin(&disk, &(struct hung_call){.call = LOGFILE_SIM_SYNC,
                                               .parts = HUNG_CALLER | HUNG_SEQUENCER});
    ck_assert_int_eq(pthread_create(&thread, NULL, append, &error), 0);
    ck_assert(hung_disk_has_caught(&disk, 600000));
    const uint64_t begin_ns = now_ns();
    check_seen(durable_lsn);
    ck_assert_int_eq(__atomic_load_n(&error, __ATOMIC_ACQUIRE), 1);
    ck_assert_double_eq(look_for("logfile_durable_lsn"), (double)durable_lsn);
    while (now_ns() - begin_ns < HUNG_NS)
        sleep_us(1000);
    ck_assert_double_ge(look_for("logfile_inflight_seconds{call=\"sync\"}"), 1.9);
    hung_disk_end(&disk);
    pthread_join(thread, NULL);

    /* It is over: now the histogram has it. */
    ck_assert_int_eq(error, 0);
    ck_assert_double_eq(look_for("logfile_inflight_seconds{call=\"sync\"}"), 0);
    ck_assert_double_eq(look_for("logfile_pending_bytes"), 0);
    ck_assert_double_eq(look_for("logfile_records_total"), 2);
    ck_assert_double_eq(look_for("logfile_sync_seconds_count"), syncs + 1);
    ck_assert_double_ge(look_for("logfile_sync_seconds_sum"), 1.9);
    ck_assert_double_eq(look_for("logfile_failed"), 0);
    end(0);
}
END_TEST

/* ---- A failure, and a refusal ---- */

START_TEST(test_a_failure_is_seen)
{
    struct logfile_sim_fault fault = {.call = LOGFILE_SIM_SYNC, .error = -EIO, .for_ever = true};

    begin(engines[_i]);
    ck_assert_double_eq(look_for("logfile_failed"), 0);
    logfile_sim_fault(disk.sim, &fault);
    ck_assert_int_eq(logfile_append(exported, "x", 1, NULL), LOGFILE_EFAILED);
    ck_assert_double_eq(look_for("logfile_failed"), 1);
    while (look_for("logfile_events_total{kind=\"failed\"}") != 1)
        sleep_us(1000);
    ck_assert_int_eq(logfile_append(exported, "y", 1, NULL), LOGFILE_EFAILED);
    ck_assert_double_eq(look_for("logfile_refused_total{cause=\"ended\"}"), 1);
    end(LOGFILE_EFAILED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("exporter");
    TCase *tcase = tcase_create("exporter");
    const int count = sizeof engines / sizeof engines[0];

    tcase_set_timeout(tcase, 600);
    tcase_add_loop_test(tcase, test_a_hung_sync_is_seen, 0, count);
    tcase_add_loop_test(tcase, test_a_failure_is_seen, 0, count);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
