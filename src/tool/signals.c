/* SPDX-License-Identifier: MIT */
#include "tool/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Those of the three that are not ignored. */
static sigset_t ending_signals(void)
{
    static const int numbers[] = {SIGHUP, SIGINT, SIGTERM};
    struct sigaction action;
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (sigaction(numbers[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(&set, numbers[i]);
    return set;
}

int lf_tool_signals_open(void)
{
    sigset_t set = ending_signals();

    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -errno;
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0 || fd > STDERR_FILENO)
        return fd < 0 ? -errno : fd;
    /* Standard input is closed, and must not be this. */
    int above = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int error = errno;
    close(fd);
    return above < 0 ? -error : above;
}

int lf_tool_signals_wait(int signals, int input)
{
    struct pollfd polled[] = {{.fd = signals, .events = POLLIN}, {.fd = input, .events = POLLIN}};
    struct signalfd_siginfo info;
    int count;

    do
        count = poll(polled, 2, input < 0 ? 0 : -1);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        return -errno;
    if (polled[0].revents == 0)
        return 0;
    const ssize_t bytes = read(signals, &info, sizeof info);
    if (bytes != (ssize_t)sizeof info)
        return bytes < 0 && errno == EAGAIN ? 0 : -EIO;
    /* The next one ends the program at once. */
    const sigset_t set = ending_signals();
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    return (int)info.ssi_signo;
}

void lf_tool_signals_end(int number)
{
    sigset_t set;

    signal(number, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(number);
}
