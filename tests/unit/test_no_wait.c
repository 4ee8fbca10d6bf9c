/* SPDX-License-Identifier: MIT */
/*
 * A call whose deadline has passed neither sleeps nor touches the device, under any engine: a thread
 * under a seccomp filter makes each of them, while a flush hangs and while nobody flushes.  A system
 * call that it must not make ends its process with a message.  While a flush hangs it may make no
 * futex call at all; on an idle log it may wake the thread that it hands its record to.
 */
#include "logfile_sim.h"
#include "support.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    SLOT_BYTES = 8 << 10,
    SUBMITS_MAX = 64,
    EXIT_GOOD = 0,
    EXIT_WRONG = 3,
    EXIT_TRAPPED = 4,
    EXIT_NO_SECCOMP = 5
};

static struct variant variant;
static struct logfile_sim *disk;
static struct logfile *log_under_test;
static const char *volatile step = "nothing";

static void complain(const char *what)
{
    ssize_t ignored = write(2, what, strlen(what));
    ignored = write(2, ": ", 2);
    ignored = write(2, variant.name, strlen(variant.name));
    ignored = write(2, ": ", 2);
    ignored = write(2, step, strlen(step));
    ignored = write(2, "\n", 1);
    (void)ignored;
}

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            complain("not so: " #condition);                                                       \
            _exit(EXIT_WRONG);                                                                     \
        }                                                                                          \
    } while (0)

/* ---- The filter ---- */

static void on_trap(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    complain(info->si_syscall == SYS_futex ? "a futex call" : "a system call");
    _exit(EXIT_TRAPPED);
}

#define TRAP(number)                                                                               \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)

/* Of the calling thread, for ever.  False where the kernel has no such thing. */
static bool install_filter(bool may_wake)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        TRAP(SYS_sched_yield),
        TRAP(SYS_nanosleep),
        TRAP(SYS_clock_nanosleep),
        TRAP(SYS_pwrite64),
        TRAP(SYS_pwritev2),
        TRAP(SYS_fdatasync),
        TRAP(SYS_fsync),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        /* Little-endian: the low half of the operation. */
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, FUTEX_CMD_MASK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, may_wake ? FUTEX_WAKE : 0xffff, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, may_wake ? FUTEX_WAKE_BITSET : 0xffff, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};

    sigaction(SIGSYS, &action, NULL);
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* ---- What is called ---- */

static bool is_serial(void)
{
    return variant.lab->engine == LOGFILE_ENGINE_SERIAL;
}

/* What it returns when it is full. */
static int full_error(void)
{
    return variant.lab->engine == LOGFILE_ENGINE_RING ? -EAGAIN : -ETIMEDOUT;
}

/* Until it is refused: nothing is written then. */
static void fill_the_ring(const struct timespec *past)
{
    static const uint8_t payload[4000];
    unsigned count = 0;
    int error;

    step = "submit until full";
    do {
        uint64_t lsn = UINT64_MAX;
        error = logfile_submit(log_under_test, payload, sizeof payload, past, &lsn);
        REQUIRE((error == 0) == (lsn != UINT64_MAX));
        REQUIRE(++count < SUBMITS_MAX);
    } while (error == 0);
    REQUIRE(error == full_error());
}

static void submit_to_a_full_ring(const struct timespec *past)
{
    static const uint8_t payload[SLOT_BYTES];
    struct logfile_stats before, after;
    uint64_t lsn = UINT64_MAX;
    size_t max = logfile_record_max(log_under_test);

    step = "submit to a full ring";
    REQUIRE(logfile_stats(log_under_test, &before, sizeof before) == 0);
    for (unsigned i = 0; i < 10; i++) {
        REQUIRE(logfile_submit(log_under_test, payload, 4000, past, &lsn) == full_error());
        REQUIRE(logfile_submit(log_under_test, payload, max, past, &lsn) == full_error());
        REQUIRE(logfile_append_until(log_under_test, payload, 4000, past, &lsn) == full_error());
    }
    REQUIRE(lsn == UINT64_MAX);
    REQUIRE(logfile_stats(log_under_test, &after, sizeof after) == 0);
    REQUIRE(after.waits_durable == before.waits_durable);
    REQUIRE(after.waits_flip == before.waits_flip);
    REQUIRE(after.waits_space == before.waits_space);
}

/* Each call, while nothing can become durable.  On an idle log the sequencer may be rung, and be at
 * the very moment of a flip: then a call may have to come back without an answer. */
static void make_every_call(const struct timespec *past, bool is_idle)
{
    struct iovec iov = {(char[]){"abc"}, 3};
    uint64_t lsn = UINT64_MAX;

    step = "append_until";
    REQUIRE(logfile_append_until(log_under_test, "abc", 3, past, &lsn) == -ETIMEDOUT);
    REQUIRE((lsn == UINT64_MAX) == is_serial());
    step = "appendv";
    lsn = UINT64_MAX;
    REQUIRE(logfile_appendv(log_under_test, &iov, 1, past, &lsn) == -ETIMEDOUT);
    REQUIRE((lsn == UINT64_MAX) == is_serial());
    step = "the positions";
    REQUIRE(logfile_oldest_lsn(log_under_test) <= logfile_durable_lsn(log_under_test));
    uint64_t next_lsn = logfile_next_lsn(log_under_test);
    step = "wait";
    REQUIRE(logfile_wait(log_under_test, logfile_durable_lsn(log_under_test) - 1, past) == 0);
    int error = logfile_wait(log_under_test, next_lsn + (1 << 30), past);
    REQUIRE(error == -EINVAL || (is_idle && error == -ETIMEDOUT));
    if (lsn != UINT64_MAX)
        REQUIRE(logfile_wait(log_under_test, lsn, past) == -ETIMEDOUT);
    step = "flush";
    if (next_lsn > logfile_durable_lsn(log_under_test))
        REQUIRE(logfile_sync(log_under_test, past) == -ETIMEDOUT);
    if (is_idle) {
        step = "submit";
        error = logfile_submit(log_under_test, "de", 2, past, NULL);
        REQUIRE(error == 0 || error == -ETIMEDOUT);
        step = "submitv";
        error = logfile_submitv(log_under_test, &iov, 1, past, NULL);
        REQUIRE(error == 0 || error == -ETIMEDOUT);
    } else {
        fill_the_ring(past);
        submit_to_a_full_ring(past);
    }
    step = "shutdown";
    REQUIRE(logfile_shutdown(log_under_test, past) == -ETIMEDOUT);
    REQUIRE(logfile_shutdown(log_under_test, past) == -ETIMEDOUT);
}

static void *call_beside_a_hang(void *argument)
{
    struct timespec past = deadline_in_ms(-1);

    if (!install_filter(false))
        _exit(EXIT_NO_SECCOMP);
    make_every_call(&past, false);
    return argument;
}

static void *call_on_an_idle_log(void *argument)
{
    struct timespec past = deadline_in_ms(-1);

    if (!install_filter(true))
        _exit(EXIT_NO_SECCOMP);
    make_every_call(&past, true);
    return argument;
}

static pid_t appender_tid;

static void *append(void *argument)
{
    (void)argument;
    __atomic_store_n(&appender_tid, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
    REQUIRE(logfile_append(log_under_test, "x", 1, NULL) == 0);
    return NULL;
}

/* ---- The processes ---- */

static void ignore_event(void *arg, const struct logfile_event *event)
{
    (void)arg, (void)event;
}

static void open_log(void)
{
    step = "open";
    disk = logfile_sim_new(NULL);
    variant.options.slot_bytes = SLOT_BYTES;
    variant.options.prepare = LOGFILE_PREPARE_NONE; /* There is always room for an epoch. */
    variant.options.io = logfile_sim_io(disk);
    variant.options.event = ignore_event; /* It costs a call nothing. */
    REQUIRE(logfile_open("no_wait.log", &variant.options, NULL, &log_under_test) == 0);
    REQUIRE(logfile_append(log_under_test, "x", 1, NULL) == 0);
}

static void close_log(void)
{
    logfile_sim_gate_open(disk);
    step = "shutdown without a deadline";
    REQUIRE(logfile_shutdown(log_under_test, NULL) == 0);
    REQUIRE(logfile_next_lsn(log_under_test) == logfile_durable_lsn(log_under_test));
    REQUIRE(logfile_close(log_under_test) == 0);
}

/* The appender has counted its sleep by then, if it sleeps for the thread that hangs. */
static void await_asleep(void)
{
    char path[64], state;

    snprintf(path, sizeof path, "/proc/self/task/%d/stat",
             (int)__atomic_load_n(&appender_tid, __ATOMIC_ACQUIRE));
    do {
        FILE *file = fopen(path, "r");

        REQUIRE(file != NULL);
        REQUIRE(fscanf(file, "%*d (%*[^)]) %c", &state) == 1);
        fclose(file);
        sleep_us(1000);
    } while (state != 'S');
}

/* Another thread's flush hangs in its write. */
static void beside_a_hung_flush(void)
{
    pthread_t appender, caller;

    open_log();
    logfile_sim_gate_close(disk, LOGFILE_SIM_WRITE);
    REQUIRE(pthread_create(&appender, NULL, append, NULL) == 0);
    REQUIRE(logfile_sim_gate_is_reached(disk, 60000));
    await_asleep();
    REQUIRE(pthread_create(&caller, NULL, call_beside_a_hang, NULL) == 0);
    pthread_join(caller, NULL);
    logfile_sim_gate_open(disk);
    pthread_join(appender, NULL);
    close_log();
}

/* Whoever flushes first hangs. */
static void on_an_idle_log(void)
{
    pthread_t caller;

    open_log();
    logfile_sim_gate_close(disk, LOGFILE_SIM_WRITE);
    REQUIRE(pthread_create(&caller, NULL, call_on_an_idle_log, NULL) == 0);
    pthread_join(caller, NULL);
    close_log();
}

static int in_a_process(void run(void))
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        run();
        _exit(EXIT_GOOD);
    }
    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- Tests: each engine and flusher ---- */

START_TEST(test_beside_a_hung_flush)
{
    engine_variant_get((unsigned)_i, &variant);
    watchdog_start(120, variant.name);
    ck_assert_int_eq(in_a_process(beside_a_hung_flush), EXIT_GOOD);
    watchdog_stop();
}
END_TEST

START_TEST(test_on_an_idle_log)
{
    engine_variant_get((unsigned)_i, &variant);
    watchdog_start(120, variant.name);
    ck_assert_int_eq(in_a_process(on_an_idle_log), EXIT_GOOD);
    watchdog_stop();
}
END_TEST

/* With room to be made first, and no call that may wait: somebody opens the next epoch all the same. */
START_TEST(test_room_comes_without_waiting)
{
    struct timespec past = deadline_in_ms(-1);
    int error;

    engine_variant_get((unsigned)_i, &variant);
    watchdog_start(120, variant.name);
    disk = logfile_sim_new(NULL);
    variant.options.slot_bytes = SLOT_BYTES;
    variant.options.prepare = LOGFILE_PREPARE_ALLOCATE;
    variant.options.prepare_bytes = 1;
    variant.options.io = logfile_sim_io(disk);
    ck_assert_int_eq(logfile_open("no_wait.log", &variant.options, NULL, &log_under_test), 0);
    for (unsigned i = 0; i < 100 && !is_serial(); i++) {
        static const uint8_t payload[5000];
        while (is_late(error = logfile_submit(log_under_test, payload, 5000, &past, NULL)))
            sleep_us(100);
        ck_assert_int_eq(error, 0);
        ck_assert_int_eq(logfile_sync(log_under_test, NULL), 0);
    }
    ck_assert_int_eq(logfile_close(log_under_test), 0);
    logfile_sim_free(disk);
    watchdog_stop();
}
END_TEST

static void yield_under_the_filter(void)
{
    if (!install_filter(false))
        _exit(EXIT_NO_SECCOMP);
    syscall(SYS_sched_yield);
}

/* The filter does notice. */
START_TEST(test_the_filter_traps)
{
    step = "sched_yield, as it should be";
    ck_assert_int_eq(in_a_process(yield_under_the_filter), EXIT_TRAPPED);
}
END_TEST

static bool has_seccomp(void)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0)
        _exit(install_filter(false) ? EXIT_GOOD : EXIT_NO_SECCOMP);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

int main(void)
{
    Suite *suite;
    TCase *tcase;

    if (HAS_SANITIZER || !has_seccomp()) {
        puts(HAS_SANITIZER ? "skipped: a sanitizer makes system calls of its own"
                           : "skipped: no seccomp filters here");
        return 77;
    }
    suite = suite_create("no wait");
    tcase = tcase_create("no wait");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, test_the_filter_traps);
    tcase_add_loop_test(tcase, test_beside_a_hung_flush, 0, (int)engine_variant_count());
    tcase_add_loop_test(tcase, test_on_an_idle_log, 0, (int)engine_variant_count());
    tcase_add_loop_test(tcase, test_room_comes_without_waiting, 0, (int)engine_variant_count());
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
