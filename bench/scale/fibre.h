/* SPDX-License-Identifier: MIT */
/* Fibres: stacks that one thread switches between, without the kernel. */
#ifndef FIBRE_H
#define FIBRE_H

#if defined(__x86_64__)

/* Everything else of a fibre that does not run is on its stack. */
struct fibre_context {
    void *stack_pointer;
};

#else

#include <ucontext.h>

struct fibre_context {
    ucontext_t ucontext;
};

#endif

#include <stddef.h>

/* Makes a context that calls `entry`, which must never return, when it is switched to. */
void fibre_prepare(struct fibre_context *context, void *stack, size_t bytes, void (*entry)(void));
/* Keeps where it is in `from`, and goes on where `to` was kept. */
void fibre_switch(struct fibre_context *from, struct fibre_context *to);

#endif /* FIBRE_H */
