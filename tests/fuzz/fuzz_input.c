/* SPDX-License-Identifier: MIT */
#include "fuzz_input.h"

#include "format/format.h"

#include <stdio.h>
#include <string.h>

#define DRAFT_FILE 14u
#define FOREIGN_FILE 15u

bool fuzz_entry_next(const uint8_t *data, size_t size, size_t *at, struct fuzz_entry *entry,
                     size_t *payload)
{
    if (size - *at < sizeof(*entry))
        return false;
    memcpy(entry, data + *at, sizeof(*entry));
    *at += sizeof(*entry);
    *payload = *at;
    entry->file %= FUZZ_FILE_COUNT;
    entry->what %= FUZZ_WHAT_COUNT;
    entry->block %= FUZZ_BLOCK_COUNT;
    entry->offset %= LF_BLOCK_BYTES;
    if (entry->length > size - *at)
        entry->length = (uint16_t)(size - *at);
    *at += entry->what == FUZZ_WRITE ? entry->length : 0;
    return true;
}

static void name_file(bool is_directory, unsigned number, char name[MEMORY_NAME_BYTES])
{
    if (!is_directory)
        snprintf(name, MEMORY_NAME_BYTES, MEMORY_PATH);
    else if (number == 0)
        snprintf(name, MEMORY_NAME_BYTES, MEMORY_PATH "/control");
    else if (number == DRAFT_FILE)
        snprintf(name, MEMORY_NAME_BYTES, MEMORY_PATH "/%016x.segment.new", number);
    else if (number == FOREIGN_FILE)
        snprintf(name, MEMORY_NAME_BYTES, MEMORY_PATH "/README");
    else
        snprintf(name, MEMORY_NAME_BYTES, MEMORY_PATH "/%016x.segment", number - 1);
}

static void do_entry(struct memory_file *file, const struct fuzz_entry *entry,
                     const uint8_t *payload)
{
    const size_t from = entry->block * LF_BLOCK_BYTES + entry->offset;
    const size_t end = (size_t)lf_round_up(from + entry->length, LF_BLOCK_BYTES);
    const bool is_segment = strstr(file->name, ".segment") != NULL;

    if (entry->what == FUZZ_KIND) {
        if (is_segment && entry->file < DRAFT_FILE)
            memory_file_become(file,
                               entry->offset % 2 == 0 ? LOGFILE_IO_DIRECTORY : LOGFILE_IO_OTHER);
        return;
    }
    if (file->kind != LOGFILE_IO_REGULAR)
        return;
    if (entry->what == FUZZ_SIZE) {
        memory_file_resize(file, from);
        return;
    }
    if (file->size < end)
        memory_file_resize(file, end);
    memcpy(file->bytes + from, payload, entry->length);
}

void fuzz_input_decode(const uint8_t *data, size_t size, struct memory_disk *disk)
{
    const bool is_directory = size > 0 && (data[0] & 1) != 0;
    char name[MEMORY_NAME_BYTES];
    struct fuzz_entry entry;
    size_t payload, at = 1;

    memory_disk_clear(disk, is_directory);
    if (size == 0)
        return;
    while (fuzz_entry_next(data, size, &at, &entry, &payload)) {
        name_file(is_directory, entry.file, name);
        do_entry(memory_disk_make(disk, name), &entry, data + payload);
    }
}

/* ---- The other way --------------------------------------------------------------------------- */

static size_t put(uint8_t *data, size_t at, const struct fuzz_entry *entry, const uint8_t *payload)
{
    const size_t bytes = entry->what == FUZZ_WRITE ? entry->length : 0;

    if (at == 0 || FUZZ_INPUT_MAX - at < sizeof(*entry) + bytes)
        return 0;
    memcpy(data + at, entry, sizeof(*entry));
    memcpy(data + at + sizeof(*entry), payload, bytes);
    return at + sizeof(*entry) + bytes;
}

/* Bytes up to the last one that is not zero. */
static size_t used_bytes(const uint8_t *bytes, size_t count)
{
    while (count > 0 && bytes[count - 1] == 0)
        count--;
    return count;
}

/* How much of a file one entry takes: an epoch, where that is possible, or a block. */
static size_t piece_bytes(const struct memory_file *file, size_t from)
{
    const struct lf_epoch_header *header = (const void *)(file->bytes + from);

    if (header->magic != LF_EPOCH_MAGIC || header->length == 0 ||
        header->length > file->size - from ||
        used_bytes(file->bytes + from, header->length) > UINT16_MAX)
        return LF_BLOCK_BYTES;
    return (size_t)lf_round_up(header->length, LF_BLOCK_BYTES);
}

static size_t put_file(uint8_t *data, size_t at, unsigned number, const struct memory_file *file)
{
    const struct fuzz_entry size = {.file = (uint8_t)number,
                                    .what = FUZZ_SIZE,
                                    .block = (uint16_t)(file->size / LF_BLOCK_BYTES),
                                    .offset = (uint16_t)(file->size % LF_BLOCK_BYTES)};
    size_t piece;

    for (size_t from = 0; from + LF_BLOCK_BYTES <= file->size; from += piece) {
        piece = piece_bytes(file, from);
        const struct fuzz_entry entry = {.file = (uint8_t)number,
                                         .block = (uint16_t)(from / LF_BLOCK_BYTES),
                                         .length = (uint16_t)used_bytes(file->bytes + from, piece)};
        if (entry.length > 0)
            at = put(data, at, &entry, file->bytes + from);
    }
    return file->size / LF_BLOCK_BYTES < FUZZ_BLOCK_COUNT ? put(data, at, &size, file->bytes) : 0;
}

size_t fuzz_input_encode(struct memory_disk *disk, uint8_t *data)
{
    char name[MEMORY_NAME_BYTES];
    size_t at = 1;

    data[0] = disk->is_directory;
    for (unsigned number = 0; number < (disk->is_directory ? FUZZ_FILE_COUNT : 1); number++) {
        name_file(disk->is_directory, number, name);
        const struct memory_file *file = memory_disk_find(disk, name);
        if (file != NULL)
            at = put_file(data, at, number, file);
    }
    return at;
}
