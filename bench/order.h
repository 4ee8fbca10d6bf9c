/* SPDX-License-Identifier: MIT */
/*
 * In which order a round runs its points and the variants of each, so that nothing that comes with
 * the order falls on one of them.
 *
 * Variants follow a Williams square: over bench_order_rows() rounds each variant stands in each place
 * equally often, and directly after each other variant equally often.  Points are shuffled.
 */
#ifndef BENCH_ORDER_H
#define BENCH_ORDER_H

#include <stdint.h>

/* After how many rows the square is complete: `variants`, or twice that if they are odd. */
unsigned bench_order_rows(unsigned variants);

/* The variant that stands at `place` of a row.  Row 0 is 0, 1, 2, ...; rows go on after the last. */
unsigned bench_order_variant(unsigned variants, unsigned row, unsigned place);

/* Fills points[0 to count - 1] with 0 to count - 1, shuffled anew in each round. */
void bench_order_points(uint64_t seed, unsigned round, unsigned count, unsigned *points);

#endif /* BENCH_ORDER_H */
