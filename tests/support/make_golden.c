/* SPDX-License-Identifier: MIT */
/* make_golden FOLDER: writes the golden logs there. */
#include "golden.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make_golden FOLDER\n");
        return 2;
    }
    for (unsigned i = 0; i < golden_count; i++) {
        struct log_image image;
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", argv[1], golden_files[i].name);
        golden_files[i].build(&image);
        log_image_store(&image, logfile_io_posix(), path);
        log_image_free(&image);
    }
    return 0;
}
