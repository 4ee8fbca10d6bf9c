/* SPDX-License-Identifier: MIT */
#include "fibre.h"

#include <stdint.h>

#if defined(__x86_64__)

/*
 * What a function must preserve goes onto the stack that is left and comes back from the one that
 * is entered.  swapcontext would do the same with two system calls for the signal mask, which make
 * it ten times as slow.
 */
void fibre_swap(void **save, void *load);
__asm__(".text\n"
        ".globl fibre_swap\n"
        ".type fibre_swap, @function\n"
        "fibre_swap:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size fibre_swap, . - fibre_swap\n");

void fibre_prepare(struct fibre_context *context, void *stack, size_t bytes, void (*entry)(void))
{
    uintptr_t top = ((uintptr_t)stack + bytes) & ~(uintptr_t)15;
    void **at = (void **)top;

    *--at = NULL; /* as if entry had been called: the stack is aligned as the ABI has it */
    *--at = (void *)(uintptr_t)entry;
    for (int i = 0; i < 6; i++)
        *--at = NULL;
    context->stack_pointer = at;
}

void fibre_switch(struct fibre_context *from, struct fibre_context *to)
{
    fibre_swap(&from->stack_pointer, to->stack_pointer);
}

#else

void fibre_prepare(struct fibre_context *context, void *stack, size_t bytes, void (*entry)(void))
{
    getcontext(&context->ucontext);
    context->ucontext.uc_stack.ss_sp = stack;
    context->ucontext.uc_stack.ss_size = bytes;
    context->ucontext.uc_link = NULL;
    makecontext(&context->ucontext, entry, 0);
}

void fibre_switch(struct fibre_context *from, struct fibre_context *to)
{
    swapcontext(&from->ucontext, &to->ucontext);
}

#endif
