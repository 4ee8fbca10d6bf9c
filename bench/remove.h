/* SPDX-License-Identifier: MIT */
/* Removing a log, be it a file or a directory of segments, or the folder of another store. */
#ifndef BENCH_REMOVE_H
#define BENCH_REMOVE_H

/* Removes the file, or the directory and what is in it; may be called from a signal handler. */
void bench_remove_log(const char *path);

/* Ends also all that the removed log still costs the file system of `dir`, so that the next run does not pay.  Not
 * from a signal handler. */
void bench_remove_log_for_good(const char *path, const char *dir);

#endif /* BENCH_REMOVE_H */
