/* SPDX-License-Identifier: MIT */
#include "record.h"

#include "checksum.h"
#include "lf_assert.h"

#include <string.h>

uint32_t lf_record_checksum(uint32_t record_seed, uint64_t epoch, uint32_t offset, uint32_t word,
                            uint32_t payload_crc)
{
    const struct __attribute__((packed)) {
        uint64_t epoch;
        uint32_t offset;
        uint32_t word;
        uint32_t payload_crc;
    } covered = {epoch, offset, word, payload_crc};

    return lf_crc32c(record_seed, &covered, sizeof(covered));
}

uint32_t lf_payload_crc(const struct iovec *iov, int iov_count)
{
    uint32_t crc = 0;

    for (int i = 0; i < iov_count; i++)
        crc = lf_crc32c(crc, iov[i].iov_base, iov[i].iov_len);
    return crc;
}

void lf_record_encode(void *to, uint32_t record_seed, uint64_t epoch, uint32_t offset, size_t size,
                      uint32_t payload_crc, const struct iovec *iov, int iov_count)
{
    const uint32_t word = lf_record_word(LF_RECORD_DATA, size);
    const struct lf_record_header header = {
        word, lf_record_checksum(record_seed, epoch, offset, word, payload_crc)};
    uint8_t *end = (uint8_t *)to + lf_record_bytes(size);
    uint8_t *at = (uint8_t *)to + LF_RECORD_HEADER_BYTES;

    /* The padding is part of the last 8 bytes; what is not padding in them is written after. */
    memset(end - LF_RECORD_ALIGN, 0, LF_RECORD_ALIGN);
    memcpy(to, &header, sizeof(header));
    for (int i = 0; i < iov_count; i++) {
        if (iov[i].iov_len == 0)
            continue; /* its base may be NULL, which memcpy must not see */
        memcpy(at, iov[i].iov_base, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    LF_DEBUG_ASSERT(at <= end && end - at < (ptrdiff_t)LF_RECORD_ALIGN);
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

bool lf_record_decode(const void *epoch_bytes, uint32_t length, uint32_t offset,
                      uint32_t record_seed, uint64_t epoch, bool header_only,
                      struct lf_record_view *view)
{
    const uint8_t *bytes = epoch_bytes;
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
    return header.checksum ==
           lf_record_checksum(record_seed, epoch, offset, header.word, payload_crc);
}
