/* SPDX-License-Identifier: MIT */
/*
 * Where a run's threads and its ring go: --pin, --pin-sequencer, --ring-memory.
 *
 * A plan is made before the first run, from the topology alone, so that what the machine cannot
 * give is refused then.  It reaches the log through the public hooks thread_start, ring_alloc and
 * ring_free.  What the operating system made of it is read back while the run goes on.
 */
#ifndef BENCH_PLACE_H
#define BENCH_PLACE_H

#include "logfile_lab.h"
#include "pin.h"

#include <stddef.h>

#define BENCH_PLACE_LIST_MAX 1024
#define BENCH_PLACE_TEXT 2048 /* every second one of 512 PUs still fits */

/*
 * SAME and FAR are relative to the writers and need a --pin: writers that roam have no place.
 *
 * SAME is the NUMA node of the first writer's first PU.  FAR is the node whose nearest writer is
 * farthest away; among equals the one farthest from the first writer, then the one of the lowest
 * number.  How far two nodes are is what the machine's latency matrix says; without one, how near
 * the root of the topology they meet: another package before another node of the same one.  Where
 * only one node has PUs, FAR is a core: one that no writer uses if there is one, and of these the
 * one that meets the first writer's first PU nearest the root.
 */
enum bench_place_sequencer {
    BENCH_SEQUENCER_ANY = 0, /* wherever the kernel puts it */
    BENCH_SEQUENCER_SAME,    /* on the processing units of the writers' first NUMA node */
    BENCH_SEQUENCER_FAR,     /* on the node, or else the core, that is farthest from the writers' */
    BENCH_SEQUENCER_CORE     /* core:N, its logical number among those that may be used */
};

/* SEQUENCER needs a --pin-sequencer, WRITERS a --pin.  Memory that is bound does not spill. */
enum bench_place_memory {
    BENCH_MEMORY_ANY = 0,     /* first touch */
    BENCH_MEMORY_SEQUENCER,   /* on the sequencer's node */
    BENCH_MEMORY_WRITERS,     /* on the writers' first node */
    BENCH_MEMORY_INTERLEAVED, /* over all nodes that have memory, page by page */
    BENCH_MEMORY_NODE         /* node:N */
};

/* As asked for on the command line. */
struct bench_place_options {
    enum bench_pin_policy pin;
    unsigned pin_node;
    unsigned pin_list[BENCH_PLACE_LIST_MAX]; /* BENCH_PIN_LIST: PUs by operating system number;
                                                 writer i takes entry i modulo their count, so a PU
                                                 that is listed twice gets twice the writers */
    unsigned pin_list_count;
    enum bench_place_sequencer sequencer;
    unsigned sequencer_core;
    enum bench_place_memory memory;
    unsigned memory_node;
};

/* The values of the three options; 0, or -1 with what is wrong in `message` (one line, without the
 * option's name).  Nothing is stored then. */
int bench_place_parse_pin(const char *text, struct bench_place_options *options, char *message,
                          size_t message_bytes);
int bench_place_parse_sequencer(const char *text, struct bench_place_options *options,
                                char *message, size_t message_bytes);
int bench_place_parse_memory(const char *text, struct bench_place_options *options, char *message,
                             size_t message_bytes);
/* The values again, as text of at most BENCH_PLACE_TEXT bytes ("node:1"). */
void bench_place_print_pin(const struct bench_place_options *options, char *text);
void bench_place_print_sequencer(const struct bench_place_options *options, char *text);
void bench_place_print_memory(const struct bench_place_options *options, char *text);

struct bench_place;

/*
 * Plans for `writers` threads; the topology, loaded by bench_pin_load, must outlive the place.  0,
 * or -1 with one line in `message`, which names the option: memory is out, or the machine (or what
 * this process may use of it) cannot give it.
 */
int bench_place_create(hwloc_topology_t topology, const struct bench_place_options *options,
                       unsigned writers, struct bench_place **placep, char *message,
                       size_t message_bytes);
void bench_place_destroy(struct bench_place *place);

/* The set of one writer; NULL: anywhere. */
hwloc_const_cpuset_t bench_place_writer(const struct bench_place *place, unsigned index);

/* Binds the calling thread as the writer of that number; 0, also where writers are not bound, or
 * -errno.  Any number of writers at a time. */
int bench_place_bind_writer(struct bench_place *place, unsigned index);

/* Puts the hooks into the options of the next log; the place must outlive it, and has one log at a
 * time.  A hook that fails notes it.  The sequencer's thread is bound, the preparer's never. */
void bench_place_hook(struct bench_place *place, struct logfile_options *options,
                      struct logfile_lab *lab);

/* What was read back from the operating system during the last run.  A text that does not fit ends
 * in "...". */
struct bench_placement {
    int error;                        /* 0, or the -errno of the first binding that failed */
    char writers[BENCH_PLACE_TEXT];   /* "0,2-3" by operating system number: where the writers that
                                           still run are bound, all together; empty: anywhere */
    char sequencer[BENCH_PLACE_TEXT]; /* likewise, where its thread is, whether by --pin-sequencer
                                           or inherited; empty: anywhere, or there is none */
    char ring_memory[BENCH_PLACE_TEXT]; /* NUMA nodes that the ring's touched pages lie on, "0:123
                                           1:45" pages each; empty: not known, as without
                                           --ring-memory or in a kernel without NUMA */
};

/* While the log is open and the writers still run. */
void bench_place_read_back(struct bench_place *place, struct bench_placement *placement);

#endif /* BENCH_PLACE_H */
