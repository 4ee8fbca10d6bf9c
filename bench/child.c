/* SPDX-License-Identifier: MIT */
#include "child.h"

#include "base/compat.h"
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_MS 20
#define COULD_NOT_RUN 127

/* ---- Its words ------------------------------------------------------------------------------- */

bool bench_words_add(struct bench_words *words, const char *format, ...)
{
    va_list list;
    if (words->count == BENCH_CHILD_WORDS_MAX)
        return false;
    va_start(list, format);
    if (vasprintf(&words->words[words->count], format, list) < 0)
        words->words[words->count] = NULL;
    va_end(list);
    if (words->words[words->count] == NULL)
        return false;
    words->words[++words->count] = NULL;
    return true;
}

void bench_words_free(struct bench_words *words)
{
    while (words->count > 0)
        free(words->words[--words->count]);
}

/* ---- Its files ------------------------------------------------------------------------------- */

/* Files in memory that the child writes to; the last one tells why it could not be run. */
struct outputs {
    int out;
    int err;
    int results; /* -1: none */
    int failure;
};

/* All that was written, with a zero after it; NULL where memory is out. */
static char *read_all(int fd)
{
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0)
        return NULL;
    char *text = malloc((size_t)status.st_size + 1);
    ssize_t count = text != NULL ? pread(fd, text, (size_t)status.st_size, 0) : 0;
    if (text != NULL)
        text[count > 0 ? count : 0] = '\0';
    return text;
}

static void take_last_line(int fd, char *line, size_t bytes)
{
    static const char name[] = "logfile-bench: ";
    char *text = read_all(fd);
    char empty[] = "";
    char *last = text != NULL ? text : empty;
    size_t length = strlen(last);
    while (length > 0 && last[length - 1] == '\n')
        last[--length] = '\0';
    if (strrchr(last, '\n') != NULL)
        last = strrchr(last, '\n') + 1;
    if (strncmp(last, name, sizeof name - 1) == 0)
        last += sizeof name - 1;
    snprintf(line, bytes, "%s", last);
    free(text);
}

static void close_outputs(const struct outputs *outputs)
{
    const int fds[] = {outputs->out, outputs->err, outputs->results, outputs->failure};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* 0 or -errno. */
static int open_outputs(struct outputs *outputs, bool wants_results)
{
    outputs->out = memfd_create("stdout", MFD_CLOEXEC);
    outputs->err = memfd_create("stderr", MFD_CLOEXEC);
    outputs->failure = memfd_create("failure", MFD_CLOEXEC);
    outputs->results = wants_results ? memfd_create("results", 0) : -1; /* it opens that anew */
    bool has_all = outputs->out >= 0 && outputs->err >= 0 && outputs->failure >= 0 &&
                   (outputs->results >= 0 || !wants_results);
    return has_all ? 0 : -errno;
}

/* ---- The process ----------------------------------------------------------------------------- */

/* In the child.  If the parent is killed it ends as if it were interrupted, and removes its log. */
static void become(const char *program, char **words, const struct outputs *outputs)
{
    prctl(PR_SET_PDEATHSIG, SIGINT);
    if (dup2(outputs->out, STDOUT_FILENO) >= 0 && dup2(outputs->err, STDERR_FILENO) >= 0)
        execvp(program, words);
    int error = errno;
    if (write(outputs->failure, &error, sizeof error) < 0)
        _exit(COULD_NOT_RUN);
    _exit(COULD_NOT_RUN);
}

static int wait_for(pid_t pid)
{
    int status = 0;
    bool was_told = false;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        struct pollfd signal_came = {.fd = was_told ? -1 : bench_signals_fd(), .events = POLLIN};
        poll(&signal_came, 1, LOOK_MS);
        if (!was_told && bench_signals_caught() != 0) {
            kill(pid, bench_signals_caught());
            was_told = true;
        }
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void run(const char *program, char **words, const struct outputs *outputs,
                struct bench_child *child)
{
    int error = 0;
    pid_t pid = fork();
    if (pid == 0)
        become(program, words, outputs);
    if (pid < 0) {
        child->error = -errno;
        return;
    }
    child->status = wait_for(pid);
    if (pread(outputs->failure, &error, sizeof error, 0) == sizeof error)
        child->error = -error;
    child->said = read_all(outputs->out);
    child->wrote = read_all(outputs->results);
    take_last_line(outputs->err, child->line, sizeof child->line);
}

void bench_child_run(const char *program, const struct bench_words *words, bool wants_results,
                     struct bench_child *child)
{
    struct outputs outputs;
    char *argv[BENCH_CHILD_WORDS_MAX + 4];
    char results[64];
    unsigned count = 0;
    memset(child, 0, sizeof *child);
    child->error = open_outputs(&outputs, wants_results);
    argv[count++] = (char *)(uintptr_t)program;
    for (unsigned i = 0; i < words->count; i++)
        argv[count++] = words->words[i];
    if (wants_results) {
        snprintf(results, sizeof results, "/proc/self/fd/%d", outputs.results);
        argv[count++] = (char *)(uintptr_t) "--json";
        argv[count++] = results;
    }
    argv[count] = NULL;
    if (child->error == 0)
        run(program, argv, &outputs, child);
    close_outputs(&outputs);
}

void bench_child_free(struct bench_child *child)
{
    free(child->said);
    free(child->wrote);
    child->said = child->wrote = NULL;
}
