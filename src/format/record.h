/* SPDX-License-Identifier: MIT */
/*
 * Framing of one record, on the writer's side and on the reader's.
 */
#ifndef LF_RECORD_H
#define LF_RECORD_H

#include "format/format.h"

#include <sys/uio.h>

/* What ties a record to where it is. */
struct lf_record_place {
    uint64_t epoch;
    uint32_t offset; /* in the epoch */
    uint32_t seed;   /* of the incarnation: lf_chain.record_seed */
};

/*
 * The checksum of a record: CRC32C, seeded with the incarnation's record seed, of the epoch number
 * (8 bytes), the record's offset in the epoch (4), the header word (4) and the CRC32C of the
 * payload (4; 0 where payloads are not covered).  Nothing depends on the record before.
 */
uint32_t lf_record_checksum(const struct lf_record_place *place, uint32_t word,
                            uint32_t payload_crc);

static inline uint32_t lf_record_word(enum lf_record_type type, size_t size)
{
    return (uint32_t)type << 28 | (uint32_t)size;
}
static inline uint32_t lf_record_word_size(uint32_t word)
{
    return word & 0x0fffffffu;
}
static inline unsigned lf_record_word_type(uint32_t word)
{
    return word >> 28;
}

/* The payload of one record, in several buffers. */
struct lf_payload {
    const struct iovec *iov;
    int iov_count;
    size_t size; /* sum of the buffers */
};

/* Several records in a row. */
struct lf_batch {
    const struct iovec *records; /* the payload of each */
    int count;
    uint64_t need; /* bytes of all of them in an epoch */
};

/* CRC32C of a payload. */
uint32_t lf_payload_crc(const struct lf_payload *payload);

/* Writes header, payload and padding of a record at `to`.  payload_crc: 0 where not covered. */
void lf_record_encode(void *to, const struct lf_record_place *place,
                      const struct lf_payload *payload, uint32_t payload_crc);

/* The same of a record whose payload of `size` bytes is in its place already; one of type PAD loses it.
 * is_covered: the checksum is also of the payload. */
void lf_record_finish(void *to, const struct lf_record_place *place, enum lf_record_type type,
                      size_t size, bool is_covered);

/* What lf_record_decode found. */
struct lf_record_view {
    const uint8_t *data;
    uint32_t size;
    enum lf_record_type type;
    uint32_t next; /* offset of what follows */
};

/* Finds the parts of a record in an epoch that has been checked. */
void lf_record_read(const void *epoch_bytes, uint32_t offset, struct lf_record_view *view);

/*
 * Checks the record at its place in an epoch of `length` bytes that starts at `epoch_bytes`.
 * header_only: the epoch is flagged LF_EPOCH_HEADER_CHECKSUM.  Returns whether it is whole.
 */
bool lf_record_decode(const void *epoch_bytes, uint32_t length, const struct lf_record_place *place,
                      bool header_only, struct lf_record_view *view);

#endif /* LF_RECORD_H */
