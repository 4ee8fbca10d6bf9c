/* SPDX-License-Identifier: MIT */
/*
 * SIGHUP, SIGINT and SIGTERM as something to wait for, so that what is being written can be closed
 * in order.  One that was ignored from the start stays so.
 */
#ifndef LF_TOOL_SIGNALS_H
#define LF_TOOL_SIGNALS_H

/* From now on they wait to be taken.  A descriptor, or -errno. */
int lf_tool_signals_open(void);
/* Waits until there is something to read from `input`: 0; or for a signal: its number; -errno.  Once a
 * signal was taken, the next one ends the program at once.  input < 0: does not wait. */
int lf_tool_signals_wait(int signals, int input);
/* Ends the program as the signal would have. */
void lf_tool_signals_end(int number);

#endif /* LF_TOOL_SIGNALS_H */
