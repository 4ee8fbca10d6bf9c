/* SPDX-License-Identifier: MIT */
#include "far_log.h"

#include "format/format.h"
#include "storage/io.h"
#include "log_image.h"
#include "format/record.h"
#include "paths.h"
#include "support.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- The first blocks, and two epochs ---- */

static void start_at(struct log_image *image, const struct far_start *start)
{
    const uint32_t chain = 0x01020304;
    struct lf_trim_mark *mark = (struct lf_trim_mark *)(image->bytes + 2 * LF_BLOCK_BYTES);

    *mark = (struct lf_trim_mark){.magic = LF_TRIM_MAGIC,
                                  .sequence = 2,
                                  .oldest_lsn = start->lsn,
                                  .epoch = start->epoch,
                                  .chain = chain,
                                  .promise = start->lsn};
    lf_trim_mark_seal(mark, image->chain.log_seed);
    image->chain.lsn = start->lsn;
    image->chain.epoch = start->epoch;
    image->chain.chain = chain;
    lf_chain_begin(&image->chain, start->incarnation, 0x1122334455667788u);
}

/* The OPEN epoch and the one with the record; returns its LSN. */
static uint64_t fill_epochs(struct lf_chain *chain, uint8_t blocks[2 * LF_BLOCK_BYTES])
{
    uint8_t payload[FAR_LOG_RECORD_BYTES];
    const struct iovec iov = {payload, sizeof payload};
    const struct lf_payload record = {&iov, 1, sizeof payload};

    lf_chain_seal(chain, blocks, LF_EPOCH_HEADER_BYTES, 0, LF_EPOCH_OPEN, chain->lsn);
    const struct lf_record_place place = {chain->epoch, LF_EPOCH_HEADER_BYTES, chain->record_seed};
    const uint64_t lsn = chain->lsn + LF_EPOCH_HEADER_BYTES;

    payload_fill(payload, sizeof payload, FAR_LOG_RECORD_SEED);
    lf_record_encode(blocks + LF_BLOCK_BYTES + LF_EPOCH_HEADER_BYTES, &place, &record,
                     lf_payload_crc(&record));
    lf_chain_seal(chain, blocks + LF_BLOCK_BYTES,
                  LF_EPOCH_HEADER_BYTES + lf_record_bytes(sizeof payload), 1, 0, chain->lsn);
    return lsn;
}

/* ---- Files ---- */

static void store(const struct logfile_io *io, const char *path, const uint8_t *bytes, size_t size)
{
    unsigned flags = LOGFILE_IO_OPEN_WRITE | LOGFILE_IO_OPEN_CREATE;
    int fd = io->open(io->context, LOGFILE_IO_HERE, path, flags, 0644);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(lf_io_write_full(io, fd, bytes, size, 0, 0), 0);
    ck_assert_int_eq(io->sync(io->context, fd), 0);
    ck_assert_int_eq(io->close(io->context, fd), 0);
    ck_assert_int_eq(sync_parent(io, path), 0);
}

/* The segment of the first epoch: a header of its own, and the epochs where they belong. */
static void store_segment(const struct logfile_io *io, const char *path,
                          const struct log_image *image, uint64_t lsn, const uint8_t *epochs)
{
    static uint8_t bytes[1 << 16];
    const struct lf_layout *layout = &image->chain.layout;
    const uint64_t index = lf_segment_index(layout, lsn);
    struct lf_file_header *header = (struct lf_file_header *)bytes;

    ck_assert_uint_le(layout->segment_bytes, sizeof bytes);
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, image->bytes, LF_BLOCK_BYTES);
    header->first_lsn = lf_segment_first_lsn(layout, index);
    lf_file_header_seal(bytes);
    memcpy(bytes + LF_BLOCK_BYTES, bytes, LF_BLOCK_BYTES);
    memcpy(bytes + lsn % layout->segment_bytes, epochs, 2 * LF_BLOCK_BYTES);
    store(io, log_image_segment_path(path, index), bytes, layout->segment_bytes);
}

static void store_directory(const struct logfile_io *io, const char *path,
                            const struct log_image *image, uint64_t lsn, const uint8_t *epochs)
{
    char control[256];

    snprintf(control, sizeof control, "%s/control", path);
    ck_assert_int_eq(io->make_directory(io->context, LOGFILE_IO_HERE, path, 0755), 0);
    ck_assert_int_eq(sync_parent(io, path), 0);
    store(io, control, image->bytes, LF_FIRST_LSN);
    store_segment(io, path, image, lsn, epochs);
}

uint64_t far_log_make(struct logfile_sim *disk, const char *path, uint64_t slot_bytes,
                      uint64_t segment_bytes, const struct far_start *start, struct io_layer *layer)
{
    uint8_t file[LF_FIRST_LSN + 2 * LF_BLOCK_BYTES] = {0};
    uint8_t *epochs = file + LF_FIRST_LSN;
    struct log_image image;

    io_layer_init(layer, logfile_sim_io(disk));
    log_image_new_segments(&image, slot_bytes, segment_bytes, 1);
    start_at(&image, start);
    const uint64_t record_lsn = fill_epochs(&image.chain, epochs);
    if (segment_bytes != 0) {
        store_directory(logfile_sim_io(disk), path, &image, start->lsn, epochs);
    } else {
        memcpy(file, image.bytes, LF_FIRST_LSN);
        store(logfile_sim_io(disk), path, file, sizeof file);
        io_layer_leave_out(layer, LF_FIRST_LSN, start->lsn - LF_FIRST_LSN);
    }
    log_image_free(&image);
    return record_lsn;
}
