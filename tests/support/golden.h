/* SPDX-License-Identifier: MIT */
/*
 * The golden files of tests/unit/golden: logs that every version of the library must go on writing
 * and reading byte for byte.  Made by make_golden; the tests build each one again and compare.
 */
#ifndef GOLDEN_H
#define GOLDEN_H

#include "log_image.h"
#include "logfile.h"

struct golden {
    const char *name; /* of the file */
    void (*build)(struct log_image *image);
    enum logfile_verdict verdict; /* of the whole */
    unsigned record_count;        /* what can be read, behind damage too */
};

extern const struct golden golden_files[];
extern const unsigned golden_count;

/* The path of a golden file, for a test that runs in the build folder; static. */
const char *golden_path(const char *name);

#endif /* GOLDEN_H */
