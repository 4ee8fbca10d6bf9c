/* SPDX-License-Identifier: MIT */
#ifndef EXECUTOR_WORLDS_H
#define EXECUTOR_WORLDS_H

/* An executor of `threads` threads, by itself. */
struct executor_world {
    unsigned threads;
    unsigned pause_ns; /* a step that finds nothing new runs again after that; 0: when it is rung */
};

void executor_set_up(const void *arg);
void executor_begin(void);
void executor_check(void);

#endif /* EXECUTOR_WORLDS_H */
