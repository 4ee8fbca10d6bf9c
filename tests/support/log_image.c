/* SPDX-License-Identifier: MIT */
#include "log_image.h"

#include "storage/file.h"
#include "storage/io.h"
#include "paths.h"
#include "format/record.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *memory)
{
    if (memory == NULL) {
        perror("log_image");
        exit(1);
    }
    return memory;
}

/* Makes room for `bytes` from the epoch in the making on. */
static void reserve(struct log_image *image, size_t bytes)
{
    const size_t end = (size_t)image->chain.lsn + bytes;

    if (end <= image->capacity)
        return;
    const size_t capacity = lf_round_up(2 * end, LF_BLOCK_BYTES);
    image->bytes = must(realloc(image->bytes, capacity));
    memset(image->bytes + image->capacity, 0, capacity - image->capacity);
    image->capacity = capacity;
}

/* Blocks 0 and 1, `first_lsn` apart from the same in all of the log's files. */
static void fill_file_header(const struct log_image *image, uint8_t *blocks, uint64_t first_lsn)
{
    struct lf_file_header *header = (struct lf_file_header *)blocks;

    *header = (struct lf_file_header){
        .version = LF_FORMAT_VERSION,
        .byte_order = LF_BYTE_ORDER_MARK,
        .block_bytes = LF_BLOCK_BYTES,
        .generation = LF_FIRST_GENERATION,
        .slot_bytes = image->slot_bytes,
        .segment_bytes = image->segment_bytes,
        .first_lsn = first_lsn,
    };
    memcpy(header->magic, LF_FILE_MAGIC, sizeof(header->magic));
    for (unsigned i = 0; i < 16; i++) {
        header->id[i] = (uint8_t)(32 * image->number + i);
        header->salt[i] = (uint8_t)(32 * image->number + 16 + i);
    }
    lf_file_header_seal(blocks);
    memcpy(blocks + LF_BLOCK_BYTES, blocks, LF_BLOCK_BYTES);
}

static struct lf_trim_mark *mark_of(struct log_image *image, unsigned copy)
{
    return (struct lf_trim_mark *)(image->bytes + (2 + copy) * LF_BLOCK_BYTES);
}

void log_image_write_marks(struct log_image *image)
{
    image->mark.magic = LF_TRIM_MAGIC;
    image->mark.sequence++;
    for (unsigned copy = 0; copy < 2; copy++) {
        struct lf_trim_mark *mark = mark_of(image, copy);
        memset(mark, 0, LF_BLOCK_BYTES);
        *mark = image->mark;
        lf_trim_mark_seal(mark, image->chain.log_seed);
    }
}

static void promise_in_mark(struct log_image *image)
{
    if (image->hold_promise)
        return;
    image->mark.incarnation = image->chain.incarnation;
    image->mark.promise = image->chain.lsn;
    log_image_write_marks(image);
}

void log_image_new(struct log_image *image, uint64_t slot_bytes, unsigned number)
{
    log_image_new_segments(image, slot_bytes, 0, number);
}

void log_image_new_segments(struct log_image *image, uint64_t slot_bytes, uint64_t segment_bytes,
                            unsigned number)
{
    *image = (struct log_image){.slot_bytes = slot_bytes,
                                .segment_bytes = segment_bytes,
                                .number = number,
                                .length = LF_EPOCH_HEADER_BYTES};
    reserve(image, LF_FIRST_LSN);
    image->size = LF_FIRST_LSN;
    fill_file_header(image, image->bytes, LF_FIRST_LSN);

    const uint32_t seed = lf_log_seed((const struct lf_file_header *)image->bytes);
    image->chain = (struct lf_chain){.layout = {slot_bytes, segment_bytes, 0},
                                     .log_seed = seed,
                                     .lsn = LF_FIRST_LSN,
                                     .epoch = LF_FIRST_EPOCH,
                                     .chain = seed};
    image->promise = image->oldest_lsn = LF_FIRST_LSN;
    image->mark = (struct lf_trim_mark){.oldest_lsn = LF_FIRST_LSN,
                                        .epoch = LF_FIRST_EPOCH,
                                        .chain = seed,
                                        .promise = LF_FIRST_LSN};
    log_image_write_marks(image);
}

void log_image_copy(struct log_image *to, const struct log_image *from)
{
    *to = *from;
    to->bytes = must(malloc(from->capacity));
    memcpy(to->bytes, from->bytes, from->capacity);
}

void log_image_free(struct log_image *image)
{
    free(image->bytes);
    image->bytes = NULL;
}

/* Writes the header of the segment whose first epoch goes to `lsn`. */
static void begin_segment(struct log_image *image, uint64_t lsn)
{
    reserve(image, (size_t)(lsn - image->chain.lsn));
    fill_file_header(image, image->bytes + lsn - LF_FIRST_LSN, lsn);
    if (image->size < lsn)
        image->size = (size_t)lsn;
}

/* Everything below an epoch is durable when it is sealed, unless hold_promise says otherwise. */
static uint64_t seal(struct log_image *image, uint32_t flags)
{
    const uint64_t lsn = image->chain.lsn;

    reserve(image, lf_round_up(image->length, LF_BLOCK_BYTES));
    if (!image->hold_promise)
        image->promise = lsn;
    image->chain.time_ns = LOG_IMAGE_TIME_NS;
    lf_chain_seal(&image->chain, image->bytes + lsn, image->length, image->record_count, flags,
                  image->promise);
    if (lf_segment_index(&image->chain.layout, lsn) !=
        lf_segment_index(&image->chain.layout, image->chain.lsn))
        begin_segment(image, image->chain.lsn);
    if (image->size < image->chain.lsn)
        image->size = (size_t)image->chain.lsn;
    image->length = LF_EPOCH_HEADER_BYTES;
    image->record_count = 0;
    return lsn;
}

void log_image_open(struct log_image *image)
{
    const uint32_t incarnation = image->chain.incarnation + 1;

    lf_chain_begin(&image->chain, incarnation, 0x1122334455667787u + incarnation);
    seal(image, LF_EPOCH_OPEN);
    promise_in_mark(image);
}

uint64_t log_image_record(struct log_image *image, const void *data, size_t size)
{
    const struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    const bool header_only = (image->flags & LF_EPOCH_HEADER_CHECKSUM) != 0;
    const uint64_t lsn = image->chain.lsn + image->length;
    const struct lf_payload payload = {&iov, 1, size};
    const struct lf_record_place place = {image->chain.epoch, image->length,
                                          image->chain.record_seed};

    reserve(image, image->length + (size_t)lf_record_bytes(size));
    lf_record_encode(image->bytes + lsn, &place, &payload,
                     header_only ? 0 : lf_payload_crc(&payload));
    image->length += (uint32_t)lf_record_bytes(size);
    image->record_count++;
    return lsn;
}

void log_image_pad(struct log_image *image, size_t size)
{
    uint8_t *zeros = must(calloc(1, size + 1));
    const struct lf_record_place place = {image->chain.epoch, image->length,
                                          image->chain.record_seed};
    const uint64_t lsn = log_image_record(image, zeros, size);
    const struct iovec iov = {.iov_base = zeros, .iov_len = size};
    const struct lf_payload payload = {&iov, 1, size};
    const bool header_only = (image->flags & LF_EPOCH_HEADER_CHECKSUM) != 0;
    struct lf_record_header header = {.word = lf_record_word(LF_RECORD_PAD, size)};

    header.checksum =
        lf_record_checksum(&place, header.word, header_only ? 0 : lf_payload_crc(&payload));
    memcpy(image->bytes + lsn, &header, sizeof(header));
    free(zeros);
}

uint64_t log_image_seal(struct log_image *image)
{
    return seal(image, image->flags);
}

void log_image_close(struct log_image *image)
{
    seal(image, LF_EPOCH_CLOSE);
    promise_in_mark(image);
}

void log_image_extend(struct log_image *image, size_t bytes)
{
    reserve(image, image->size + bytes - (size_t)image->chain.lsn);
    image->size += bytes;
}

void log_image_trim(struct log_image *image, uint64_t lsn)
{
    const struct lf_epoch_header *oldest = log_image_epoch(image, lsn);

    image->mark.oldest_lsn = lsn;
    image->mark.epoch = oldest->epoch;
    image->mark.chain = oldest->chain;
    if (image->mark.promise < lsn)
        image->mark.promise = lsn;
    log_image_write_marks(image);
    image->oldest_lsn = lsn;
    if (image->segment_bytes == 0)
        memset(image->bytes + LF_FIRST_LSN, 0, (size_t)(lsn - LF_FIRST_LSN));
}

uint64_t log_image_fill_segment(struct log_image *image, size_t size)
{
    const struct lf_layout *layout = &image->chain.layout;
    const uint64_t index = lf_segment_index(layout, image->chain.lsn);
    uint8_t *payload = must(calloc(1, size + 1));
    uint64_t lsn;

    do {
        payload[0]++;
        log_image_record(image, payload, size);
        lsn = log_image_seal(image);
    } while (lf_segment_index(layout, image->chain.lsn) == index);
    free(payload);
    return lsn;
}

void log_image_prepare_segment(struct log_image *image)
{
    const uint64_t index = lf_segment_index(&image->chain.layout, image->size - 1) + 1;

    begin_segment(image, lf_segment_first_lsn(&image->chain.layout, index));
}

/* ---- Files ----------------------------------------------------------------------------------- */

static void check(int error, const char *path)
{
    if (error == 0)
        return;
    fprintf(stderr, "log_image: %s: %s\n", path, strerror(-error));
    exit(1);
}

/* Makes the file if there is none; nothing of what was in it is left. */
static void store_file(const struct logfile_io *io, const char *path, const uint8_t *bytes,
                       size_t size)
{
    int fd = io->open(io->context, LOGFILE_IO_HERE, path,
                      LOGFILE_IO_OPEN_WRITE | LOGFILE_IO_OPEN_CREATE, 0644);
    if (fd == -EEXIST)
        fd = io->open(io->context, LOGFILE_IO_HERE, path, LOGFILE_IO_OPEN_WRITE, 0);
    int error = fd < 0 ? fd : io->truncate(io->context, fd, size);

    if (error == 0)
        error = lf_io_write_full(io, fd, bytes, size, 0, 0);
    if (error == 0)
        error = io->sync(io->context, fd);
    if (fd >= 0)
        io->close(io->context, fd);
    if (error == 0)
        error = sync_parent(io, path);
    check(error, path);
}

const char *log_image_segment_path(const char *path, uint64_t index)
{
    static char paths[4][PATH_MAX];
    static unsigned next;
    char name[LF_SEGMENT_NAME_BYTES];
    char *segment = paths[next++ % 4];

    lf_file_segment_name(index, name);
    snprintf(segment, sizeof(paths[0]), "%s/%s", path, name);
    return segment;
}

uint8_t *log_image_segment(const struct log_image *image, uint64_t index, size_t *size)
{
    const uint64_t from = index * image->segment_bytes;
    const uint64_t rest = image->size - from;

    *size = (size_t)(rest < image->segment_bytes ? rest : image->segment_bytes);
    uint8_t *bytes = must(malloc(*size + LF_FIRST_LSN));
    memcpy(bytes, image->bytes + from, *size);
    if (index == 0) {
        memset(bytes, 0, LF_FIRST_LSN);
        fill_file_header(image, bytes, LF_FIRST_LSN);
    }
    return bytes;
}

void log_image_store_segment(const struct log_image *image, const struct logfile_io *io,
                             const char *path, uint64_t index)
{
    size_t size;
    uint8_t *bytes = log_image_segment(image, index, &size);

    store_file(io, log_image_segment_path(path, index), bytes, size);
    free(bytes);
}

static void store_directory(const struct log_image *image, const struct logfile_io *io,
                            const char *path)
{
    const uint64_t first = lf_segment_index(&image->chain.layout, image->oldest_lsn);
    const uint64_t last = lf_segment_index(&image->chain.layout, image->size - 1);
    char control[PATH_MAX];
    int error = io->make_directory(io->context, LOGFILE_IO_HERE, path, 0755);

    if (error == -EEXIST)
        error = 0;
    check(error != 0 ? error : sync_parent(io, path), path);
    snprintf(control, sizeof(control), "%s/" LF_CONTROL_NAME, path);
    store_file(io, control, image->bytes, LF_FIRST_LSN);
    for (uint64_t index = first; index <= last; index++)
        log_image_store_segment(image, io, path, index);
}

void log_image_store(const struct log_image *image, const struct logfile_io *io, const char *path)
{
    if (image->segment_bytes != 0)
        store_directory(image, io, path);
    else
        store_file(io, path, image->bytes, image->size);
}

struct lf_epoch_header *log_image_epoch(struct log_image *image, uint64_t lsn)
{
    return (struct lf_epoch_header *)(image->bytes + lsn);
}

void log_image_reseal(struct log_image *image, struct lf_epoch_header *header)
{
    header->checksum = lf_epoch_header_checksum(header, image->chain.log_seed);
}
