/* SPDX-License-Identifier: MIT */
/*
 * Static probes (USDT), for tracers to attach to a log that runs: docs/OBSERVING.md names them.
 *
 * One that nobody traces is a nop, and its arguments are where the code has them anyway.  Without
 * <sys/sdt.h>, or with --disable-probes, there are none.
 */
#ifndef LF_PROBE_H
#define LF_PROBE_H

#ifdef HAVE_SYS_SDT_H

#include <sys/sdt.h>

#define LF_PROBE1(name, a) DTRACE_PROBE1(logfile, name, a)
#define LF_PROBE2(name, a, b) DTRACE_PROBE2(logfile, name, a, b)
#define LF_PROBE3(name, a, b, c) DTRACE_PROBE3(logfile, name, a, b, c)

#else

/* Nothing is evaluated. */
#define LF_PROBE1(name, a) ((void)sizeof(a))
#define LF_PROBE2(name, a, b) ((void)sizeof(a), (void)sizeof(b))
#define LF_PROBE3(name, a, b, c) ((void)sizeof(a), (void)sizeof(b), (void)sizeof(c))

#endif

#endif /* LF_PROBE_H */
