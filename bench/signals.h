/* SPDX-License-Identifier: MIT */
/*
 * SIGINT, SIGTERM and (unless it is ignored, as under nohup) SIGHUP.  The first one is noted, and
 * lets the run end cleanly; a second one ends the program at once, whatever it waits for.  Either
 * way no log is left behind.
 */
#ifndef BENCH_SIGNALS_H
#define BENCH_SIGNALS_H

/* 0 or -errno. */
int bench_signals_init(void);

/* The calling thread takes none of them. */
void bench_signals_leave_to_main(void);

/* Readable, for good, when a signal has come. */
int bench_signals_fd(void);

/* The signal that came first, or 0. */
int bench_signals_caught(void);

/* The log or file to remove if a second signal comes; NULL: none. */
void bench_signals_guard(const char *path);

/* A file to remove as well. */
void bench_signals_guard_file(const char *path);

#endif /* BENCH_SIGNALS_H */
