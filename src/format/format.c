/* SPDX-License-Identifier: MIT */
#include "format/format.h"

#include "base/lf_assert.h"
#include "format/checksum.h"
#include "logfile.h"

#include <string.h>

/* CRC32C of a block from byte `from` on. */
static uint32_t checksum_from(uint32_t seed, const void *block, size_t from)
{
    return lf_crc32c(seed, (const uint8_t *)block + from, LF_BLOCK_BYTES - from);
}

bool lf_is_zero(const void *from, const void *to)
{
    const uint8_t *bytes = from;
    const size_t count = (size_t)((const uint8_t *)to - bytes);

    /* The first byte is zero and each byte equals the one before it. */
    return count == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0);
}

uint32_t lf_log_seed(const struct lf_file_header *header)
{
    uint32_t seed = lf_crc32c(0, header->id, sizeof(header->id));

    return lf_crc32c(seed, header->salt, sizeof(header->salt));
}

static uint32_t file_header_checksum(const void *block)
{
    return checksum_from(0, block, offsetof(struct lf_file_header, version));
}

void lf_file_header_seal(void *block)
{
    struct lf_file_header *header = block;

    header->checksum = file_header_checksum(block);
}

bool lf_layout_is_valid(const struct lf_layout *layout)
{
    return layout->segment_bytes == 0 ||
           (layout->segment_bytes % LF_BLOCK_BYTES == 0 &&
            layout->segment_bytes >= LF_FIRST_LSN + layout->slot_bytes + LF_BLOCK_BYTES &&
            layout->segment_bytes <= LF_SEGMENT_BYTES_MAX);
}

/* Whether this version of the library can read a log that says this of itself. */
static bool file_header_is_known(const struct lf_file_header *header)
{
    const struct lf_layout layout = lf_header_layout(header);

    return header->version == LF_FORMAT_VERSION && header->byte_order == LF_BYTE_ORDER_MARK &&
           header->block_bytes == LF_BLOCK_BYTES &&
           (header->features_refuse & ~LF_FEATURES_REFUSE_KNOWN) == 0 &&
           header->generation >= LF_FIRST_GENERATION && lf_is_power_of_two(header->slot_bytes) &&
           header->slot_bytes >= LF_SLOT_BYTES_MIN && header->slot_bytes <= LF_SLOT_BYTES_MAX &&
           lf_layout_is_valid(&layout) &&
           header->first_lsn % (layout.segment_bytes == 0 ? UINT64_MAX : layout.segment_bytes) ==
               LF_FIRST_LSN;
}

enum lf_header_state lf_file_header_judge(const void *block)
{
    const struct lf_file_header *header = block;
    const uint8_t *end = (const uint8_t *)block + LF_BLOCK_BYTES;

    if (memcmp(header->magic, LF_FILE_MAGIC, sizeof(header->magic)) != 0)
        return LF_HEADER_NONE;
    /* Before the checksum, which is stored in the other order too. */
    if (header->byte_order == __builtin_bswap32(LF_BYTE_ORDER_MARK))
        return LF_HEADER_NONE;
    if (header->checksum != file_header_checksum(block))
        return LF_HEADER_DAMAGED;
    if (!file_header_is_known(header))
        return LF_HEADER_UNKNOWN;
    /* What lies behind the fields belongs to a feature that is set, or is zero. */
    const uint64_t features =
        header->features_refuse | header->features_read_only | header->features_ignore;
    return features != 0 || lf_is_zero(header + 1, end) ? LF_HEADER_VALID : LF_HEADER_UNKNOWN;
}

int lf_file_header_check(const void *block)
{
    switch (lf_file_header_judge(block)) {
    case LF_HEADER_VALID:
        return 0;
    case LF_HEADER_DAMAGED:
        return LOGFILE_ECORRUPT;
    case LF_HEADER_UNKNOWN:
    case LF_HEADER_NONE:
        break;
    }
    return LOGFILE_EFORMAT;
}

bool lf_file_header_same_log(const struct lf_file_header *a, const struct lf_file_header *b)
{
    return a->slot_bytes == b->slot_bytes && a->segment_bytes == b->segment_bytes &&
           memcmp(a->id, b->id, sizeof(a->id)) == 0 &&
           memcmp(a->salt, b->salt, sizeof(a->salt)) == 0;
}

bool lf_file_header_is_of_segment(const void *block, const struct lf_file_header *log,
                                  uint64_t index)
{
    const struct lf_file_header *header = block;
    const struct lf_layout layout = lf_header_layout(log);

    return lf_file_header_judge(block) == LF_HEADER_VALID && lf_file_header_same_log(header, log) &&
           header->first_lsn == lf_segment_first_lsn(&layout, index);
}

static uint32_t trim_mark_checksum(const void *block, uint32_t log_seed)
{
    return checksum_from(log_seed, block, offsetof(struct lf_trim_mark, sequence));
}

void lf_trim_mark_seal(void *block, uint32_t log_seed)
{
    struct lf_trim_mark *mark = block;

    mark->checksum = trim_mark_checksum(block, log_seed);
}

static bool is_block_boundary(uint64_t lsn, uint64_t least)
{
    return lsn >= least && lsn % LF_BLOCK_BYTES == 0;
}

bool lf_trim_mark_check(const void *block, uint32_t log_seed)
{
    const struct lf_trim_mark *mark = block;

    if (mark->magic != LF_TRIM_MAGIC || mark->checksum != trim_mark_checksum(block, log_seed))
        return false;
    return mark->sequence >= LF_FIRST_SEQUENCE && mark->epoch >= LF_FIRST_EPOCH &&
           is_block_boundary(mark->oldest_lsn, LF_FIRST_LSN) && mark->oldest_lsn < LF_LSN_END &&
           is_block_boundary(mark->promise, mark->oldest_lsn) && mark->promise <= LF_LSN_END &&
           mark->user_bytes <= LF_USER_BYTES_MAX && mark->zero[0] == 0 && mark->zero[1] == 0 &&
           mark->zero[2] == 0 &&
           lf_is_zero((const uint8_t *)(mark + 1) + mark->user_bytes,
                      (const uint8_t *)block + LF_BLOCK_BYTES);
}

uint32_t lf_epoch_header_checksum(const struct lf_epoch_header *header, uint32_t log_seed)
{
    const size_t from = offsetof(struct lf_epoch_header, epoch);

    return lf_crc32c(log_seed, (const uint8_t *)header + from, sizeof(*header) - from);
}

uint64_t lf_layout_short_tail(uint64_t slot_bytes)
{
    const uint64_t part = lf_round_up(slot_bytes / 8, LF_BLOCK_BYTES);

    return part > 2 * LF_BLOCK_BYTES ? part : 2 * LF_BLOCK_BYTES;
}

/* Length, count and flags agree with each other, and with the place. */
static bool epoch_shape_is_valid(const struct lf_epoch_header *header,
                                 const struct lf_layout *layout)
{
    const uint64_t end_lsn = header->lsn + lf_epoch_extent(header);
    const uint64_t segment_end_lsn = lf_segment_end_lsn(layout, header->lsn);
    const bool is_last = (header->flags & LF_EPOCH_END) != 0;
    const uint32_t marks = header->flags & (LF_EPOCH_OPEN | LF_EPOCH_CLOSE);
    const bool may_be_empty =
        (header->flags & (LF_EPOCH_OPEN | LF_EPOCH_CLOSE | LF_EPOCH_END)) != 0;

    if ((header->flags & ~(uint32_t)LF_EPOCH_FLAGS_KNOWN) != 0 ||
        marks == (LF_EPOCH_OPEN | LF_EPOCH_CLOSE))
        return false;
    /* It ends in its segment, and leaves a block for what follows, unless END says that nothing
     * does. */
    if (is_last ? layout->segment_bytes == 0 || end_lsn > segment_end_lsn
                : end_lsn > segment_end_lsn - LF_BLOCK_BYTES)
        return false;
    if (header->record_count == 0)
        return may_be_empty && header->length == LF_EPOCH_HEADER_BYTES;
    return marks == 0 && header->length > LF_EPOCH_HEADER_BYTES &&
           header->length % LF_RECORD_ALIGN == 0 && header->length <= layout->slot_bytes;
}

bool lf_epoch_header_check(const struct lf_epoch_header *header, uint32_t log_seed,
                           const struct lf_layout *layout, uint64_t lsn)
{
    return header->magic == LF_EPOCH_MAGIC &&
           header->checksum == lf_epoch_header_checksum(header, log_seed) && header->lsn == lsn &&
           header->promise <= lsn && header->epoch >= LF_FIRST_EPOCH && header->incarnation > 0 &&
           header->zero == 0 && header->zero_too == 0 && epoch_shape_is_valid(header, layout);
}

void lf_chain_begin(struct lf_chain *chain, uint32_t incarnation, uint64_t nonce)
{
    chain->incarnation = incarnation;
    chain->nonce = nonce;
    chain->record_seed = lf_crc32c(chain->log_seed, &nonce, sizeof(nonce));
}

bool lf_chain_accepts(const struct lf_chain *chain, const struct lf_epoch_header *header)
{
    if (header->lsn != chain->lsn || header->epoch != chain->epoch || header->chain != chain->chain)
        return false;
    if (chain->incarnation == 0)
        return true;
    if ((header->flags & LF_EPOCH_OPEN) != 0)
        return header->incarnation > chain->incarnation;
    return header->incarnation == chain->incarnation && header->nonce == chain->nonce;
}

void lf_chain_advance(struct lf_chain *chain, const struct lf_epoch_header *header)
{
    chain->lsn = lf_epoch_next_lsn(header, &chain->layout);
    chain->epoch++;
    chain->chain = header->checksum;
}

size_t lf_chain_seal(struct lf_chain *chain, void *buffer, size_t length, uint32_t record_count,
                     uint32_t flags, uint64_t promise)
{
    struct lf_epoch_header *header = buffer;
    uint8_t *end = (uint8_t *)buffer + length;

    LF_ASSERT(promise <= chain->lsn && length <= LF_SLOT_BYTES_MAX);
    const uint64_t end_lsn = chain->lsn + lf_round_up(length, LF_BLOCK_BYTES);
    if (lf_layout_place(&chain->layout, end_lsn) != end_lsn)
        flags |= LF_EPOCH_END;
    *header = (struct lf_epoch_header){
        .magic = LF_EPOCH_MAGIC,
        .epoch = chain->epoch,
        .lsn = chain->lsn,
        .promise = promise,
        .nonce = chain->nonce,
        .incarnation = chain->incarnation,
        .chain = chain->chain,
        .length = (uint32_t)length,
        .record_count = record_count,
        .flags = flags,
        .time_ns = chain->time_ns,
    };
    header->checksum = lf_epoch_header_checksum(header, chain->log_seed);
    const size_t extent = (size_t)lf_epoch_extent(header);
    memset(end, 0, extent - length);
    lf_chain_advance(chain, header);
    return extent;
}
