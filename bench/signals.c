/* SPDX-License-Identifier: MIT */
#include "signals.h"

#include "remove.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int event_fd = -1;
static volatile sig_atomic_t first_signal;
static char guarded_path[PATH_MAX]; /* both are changed only while the signals are blocked */
static char guarded_file[PATH_MAX];

static void take_signal(int signal_number)
{
    static const uint64_t one = 1;
    int saved_errno = errno;
    if (first_signal != 0) {
        if (guarded_path[0] != '\0')
            bench_remove_log(guarded_path);
        if (guarded_file[0] != '\0')
            unlink(guarded_file);
        _exit(128 + signal_number);
    }
    first_signal = signal_number;
    if (write(event_fd, &one, sizeof one) < 0)
        _exit(128 + signal_number); /* nobody would ever notice */
    errno = saved_errno;
}

static sigset_t our_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    return set;
}

int bench_signals_init(void)
{
    struct sigaction action = {.sa_handler = take_signal, .sa_flags = SA_RESTART};
    struct sigaction hangup;
    action.sa_mask = our_signals();
    event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (event_fd < 0 || sigaction(SIGHUP, NULL, &hangup) != 0 ||
        sigaction(SIGINT, &action, NULL) != 0 || sigaction(SIGTERM, &action, NULL) != 0)
        return -errno;
    bool is_ignored = hangup.sa_handler == SIG_IGN;
    return is_ignored || sigaction(SIGHUP, &action, NULL) == 0 ? 0 : -errno;
}

void bench_signals_leave_to_main(void)
{
    sigset_t set = our_signals();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int bench_signals_fd(void)
{
    return event_fd;
}

int bench_signals_caught(void)
{
    return first_signal;
}

static void guard(char guarded[PATH_MAX], const char *path)
{
    sigset_t set = our_signals();
    sigset_t before;
    pthread_sigmask(SIG_BLOCK, &set, &before);
    snprintf(guarded, PATH_MAX, "%s", path != NULL ? path : "");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void bench_signals_guard(const char *path)
{
    guard(guarded_path, path);
}

void bench_signals_guard_file(const char *path)
{
    guard(guarded_file, path);
}
