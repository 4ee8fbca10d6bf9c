/* SPDX-License-Identifier: MIT */
/* Removing a log, be it a file or a directory of segments, or the folder of another store. */
#ifndef BENCH_REMOVE_H
#define BENCH_REMOVE_H

/* Removes the file, or the directory and what is in it; may be called from a signal handler. */
void bench_remove_log(const char *path);

#endif /* BENCH_REMOVE_H */
