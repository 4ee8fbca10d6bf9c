/* SPDX-License-Identifier: MIT */
/* make_golden FOLDER: writes the golden files there. */
#include "golden.h"

#include <stdio.h>

static int write_file(const char *folder, const struct golden *golden)
{
    char path[4096];
    struct log_image image;

    snprintf(path, sizeof(path), "%s/%s", folder, golden->name);
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    golden->build(&image);
    const size_t written = fwrite(image.bytes, 1, image.size, file);
    const int failed = fclose(file) != 0 || written != image.size;
    if (failed)
        perror(path);
    log_image_free(&image);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;

    if (argc != 2) {
        fprintf(stderr, "usage: make_golden FOLDER\n");
        return 2;
    }
    for (unsigned i = 0; i < golden_count; i++)
        failed |= write_file(argv[1], &golden_files[i]);
    return failed;
}
