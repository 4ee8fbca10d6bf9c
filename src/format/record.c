/* SPDX-License-Identifier: MIT */
#include "format/record.h"

#include "base/lf_assert.h"
#include "format/checksum.h"

#include <string.h>

uint32_t lf_record_checksum(const struct lf_record_place *place, uint32_t word,
                            uint32_t payload_crc)
{
    const uint64_t place_and_word = (uint64_t)word << 32 | place->offset;

    return lf_crc32c_20(place->seed, place->epoch, place_and_word, payload_crc);
}

uint32_t lf_payload_crc(const struct lf_payload *payload)
{
    uint32_t crc = 0;

    for (int i = 0; i < payload->iov_count; i++)
        crc = lf_crc32c(crc, payload->iov[i].iov_base, payload->iov[i].iov_len);
    return crc;
}

void lf_record_encode(void *to, const struct lf_record_place *place,
                      const struct lf_payload *payload, uint32_t payload_crc)
{
    const struct iovec *iov = payload->iov;
    const uint32_t word = lf_record_word(LF_RECORD_DATA, payload->size);
    const struct lf_record_header header = {word, lf_record_checksum(place, word, payload_crc)};
    uint8_t *end = (uint8_t *)to + lf_record_bytes(payload->size);
    uint8_t *at = (uint8_t *)to + LF_RECORD_HEADER_BYTES;

    /* The padding is part of the last 8 bytes; what is not padding in them is written after. */
    memset(end - LF_RECORD_ALIGN, 0, LF_RECORD_ALIGN);
    memcpy(to, &header, sizeof(header));
    for (int i = 0; i < payload->iov_count; i++) {
        if (iov[i].iov_len == 0)
            continue; /* its base may be NULL, which memcpy must not see */
        memcpy(at, iov[i].iov_base, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    LF_DEBUG_ASSERT(at <= end && end - at < (ptrdiff_t)LF_RECORD_ALIGN);
}

void lf_record_finish(void *to, const struct lf_record_place *place, enum lf_record_type type,
                      size_t size, bool is_covered)
{
    const uint32_t word = lf_record_word(type, size);
    uint8_t *payload = (uint8_t *)to + LF_RECORD_HEADER_BYTES;
    uint8_t *end = (uint8_t *)to + lf_record_bytes(size);
    uint8_t *zeros = type == LF_RECORD_PAD ? payload : payload + size;

    memset(zeros, 0, (size_t)(end - zeros));
    const uint32_t payload_crc = is_covered ? lf_crc32c(0, payload, size) : 0;
    const struct lf_record_header header = {word, lf_record_checksum(place, word, payload_crc)};
    memcpy(to, &header, sizeof(header));
}

void lf_record_read(const void *epoch_bytes, uint32_t offset, struct lf_record_view *view)
{
    const uint8_t *at = (const uint8_t *)epoch_bytes + offset;
    struct lf_record_header header;

    memcpy(&header, at, sizeof(header));
    view->data = at + LF_RECORD_HEADER_BYTES;
    view->size = lf_record_word_size(header.word);
    view->type = lf_record_word_type(header.word);
    view->next = offset + (uint32_t)lf_record_bytes(view->size);
}

bool lf_record_decode(const void *epoch_bytes, uint32_t length, const struct lf_record_place *place,
                      bool header_only, struct lf_record_view *view)
{
    const uint8_t *bytes = epoch_bytes;
    const uint32_t offset = place->offset;
    struct lf_record_header header;

    if (offset > length || length - offset < LF_RECORD_HEADER_BYTES)
        return false;
    lf_record_read(bytes, offset, view);
    if (view->type != LF_RECORD_DATA && view->type != LF_RECORD_PAD)
        return false;
    if (view->next > length || !lf_is_zero(view->data + view->size, bytes + view->next))
        return false;
    if (view->type == LF_RECORD_PAD && !lf_is_zero(view->data, view->data + view->size))
        return false;

    const uint32_t payload_crc = header_only ? 0 : lf_crc32c(0, view->data, view->size);
    memcpy(&header, bytes + offset, sizeof(header));
    return header.checksum == lf_record_checksum(place, header.word, payload_crc);
}
