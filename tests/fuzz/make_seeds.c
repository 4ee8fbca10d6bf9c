/* SPDX-License-Identifier: MIT */
/*
 * Writes the logs of tests/rot, undamaged and in all their versions, one of large epochs, and two at
 * the end of all numbers, as inputs of the fuzzers: what they start from.
 *
 *     make_seeds DIRECTORY
 */
#include "fuzz_input.h"
#include "log_image.h"
#include "rot/rot_log.h"

#include <stdio.h>
#include <stdlib.h>

static uint8_t input[FUZZ_INPUT_MAX];

static bool write_seed(const char *folder, const char *name, unsigned version,
                       struct memory_disk *disk)
{
    const size_t size = fuzz_input_encode(disk, input);
    char path[4096];

    if (size == 0)
        return true; /* larger than what the fuzzers try */
    snprintf(path, sizeof(path), "%s/%s-%u", folder, name, version);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(input, 1, size, file) != size || fclose(file) != 0) {
        perror(path);
        return false;
    }
    return true;
}

static bool write_seeds(const char *folder, const char *name)
{
    struct rot_log *log = rot_log_new(name);
    bool done = write_seed(folder, name, 0, &log->disk);

    for (unsigned i = 0; i < log->version_count; i++)
        done = done && write_seed(folder, name, i + 1, &log->versions[i]);
    rot_log_free(log);
    return done;
}

/* Epochs that a reader's window has to grow for; their zeros take no room in an input. */
static bool write_large(const char *folder)
{
    static const uint8_t zeros[200000];
    struct memory_disk disk;
    struct log_image image;

    log_image_new(&image, 1 << 20, 20);
    log_image_open(&image);
    for (unsigned i = 1; i <= 3; i++) {
        log_image_record(&image, zeros, i * 60000);
        log_image_seal(&image);
    }
    log_image_close(&image);
    memory_disk_init(&disk, false);
    log_image_store(&image, &disk.io, MEMORY_PATH);
    log_image_free(&image);
    const bool done = write_seed(folder, "large-epochs", 0, &disk);
    memory_disk_free(&disk);
    return done;
}

/* A log at the end of all numbers: its first epoch, the only one, has this one. */
static bool write_numbered(const char *folder, const char *name, uint64_t epoch)
{
    struct memory_disk disk;
    struct log_image image;

    log_image_new(&image, 8192, 21);
    image.mark.epoch = image.chain.epoch = epoch;
    log_image_open(&image);
    memory_disk_init(&disk, false);
    log_image_store(&image, &disk.io, MEMORY_PATH);
    log_image_free(&image);
    const bool done = write_seed(folder, name, 0, &disk);
    memory_disk_free(&disk);
    return done;
}

int main(int argc, char **argv)
{
    bool done = true;

    if (argc != 2) {
        fprintf(stderr, "usage: make_seeds DIRECTORY\n");
        return 2;
    }
    for (unsigned i = 0; i < rot_log_count(); i++)
        done = done && write_seeds(argv[1], rot_log_name(i));
    done = done && write_large(argv[1]);
    done = done && write_numbered(argv[1], "epoch-numbers-end", LF_EPOCH_LIMIT - 1);
    done = done && write_numbered(argv[1], "epoch-number-is-the-greatest", UINT64_MAX);
    return done ? 0 : 1;
}
