/* SPDX-License-Identifier: MIT */
#include "order.h"

#include "payload.h"

unsigned bench_order_rows(unsigned variants)
{
    return variants % 2 == 0 ? variants : 2 * variants;
}

/* The first row of the square as it is in the books: 0, 1, n-1, 2, n-2, ...  The steps between
 * neighbours are all different, which is what the balance comes from. */
static unsigned first_row(unsigned variants, unsigned place)
{
    return place % 2 == 1 ? place / 2 + 1 : (variants - place / 2) % variants;
}

/* The same the other way round: where a number stands in it. */
static unsigned place_in_first_row(unsigned variants, unsigned number)
{
    return number > 0 && number <= variants / 2 ? 2 * number - 1
                                                : 2 * ((variants - number) % variants);
}

unsigned bench_order_variant(unsigned variants, unsigned row, unsigned place)
{
    row %= bench_order_rows(variants);
    unsigned shift = row;
    /* An odd number of steps cannot all differ; there each row is also run backwards. */
    if (variants % 2 == 1) {
        shift = row / 2;
        if (row % 2 == 1)
            place = variants - 1 - place;
    }
    unsigned number = (first_row(variants, place) + shift) % variants;
    return place_in_first_row(variants, number); /* so that row 0 is in the order of the list */
}

void bench_order_points(uint64_t seed, unsigned round, unsigned count, unsigned *points)
{
    uint64_t random = bench_mix(seed) + round;
    for (unsigned i = 0; i < count; i++) {
        random += UINT64_C(0x9e3779b97f4a7c15);
        unsigned other = (unsigned)(bench_mix(random) % (i + 1));
        points[i] = points[other];
        points[other] = i;
    }
}
