/* SPDX-License-Identifier: MIT */
#include "fuzz_mutator.h"

#include "format/checksum.h"
#include "fuzz_input.h"
#include "format/record.h"
#include "sim/rng.h"

#include <string.h>

#define ENTRIES_MAX 512u
#define HEADER_BYTES sizeof(struct fuzz_entry)

/* ---- An input, taken apart ------------------------------------------------------------------- */

struct input {
    uint8_t *data;
    size_t size;
    size_t max_size;
    struct rng rng;
    unsigned count;
    size_t at[ENTRIES_MAX]; /* where entries start, */
    struct fuzz_entry entries[ENTRIES_MAX];
    size_t payload[ENTRIES_MAX];
};

static void take_apart(struct input *input)
{
    size_t at = 1;

    input->count = 0;
    if (input->size == 0)
        return;
    while (input->count < ENTRIES_MAX) {
        const unsigned i = input->count;
        input->at[i] = at;
        if (!fuzz_entry_next(input->data, input->size, &at, &input->entries[i], &input->payload[i]))
            break;
        input->count++;
    }
    input->size = input->count < ENTRIES_MAX ? input->size : at;
}

static size_t entry_bytes(const struct input *input, unsigned i)
{
    const struct fuzz_entry *entry = &input->entries[i];

    return HEADER_BYTES + (entry->what == FUZZ_WRITE ? entry->length : 0);
}

static void store_entry(struct input *input, unsigned i)
{
    memcpy(input->data + input->at[i], &input->entries[i], HEADER_BYTES);
}

static bool begins_with(const struct input *input, unsigned i, uint32_t magic, size_t bytes)
{
    const struct fuzz_entry *entry = &input->entries[i];

    return entry->what == FUZZ_WRITE && entry->offset == 0 && entry->length >= bytes &&
           memcmp(input->data + input->payload[i], &magic, sizeof(magic)) == 0;
}

static bool is_epoch(const struct input *input, unsigned i)
{
    return begins_with(input, i, LF_EPOCH_MAGIC, sizeof(struct lf_epoch_header));
}

static bool is_mark(const struct input *input, unsigned i)
{
    return begins_with(input, i, LF_TRIM_MAGIC, sizeof(struct lf_trim_mark) - 4);
}

static bool is_file_header(const struct input *input, unsigned i)
{
    uint32_t magic;

    memcpy(&magic, LF_FILE_MAGIC, sizeof(magic));
    return begins_with(input, i, magic, sizeof(struct lf_file_header) - 5);
}

/* ---- Sealing --------------------------------------------------------------------------------- */

/* A block that starts with the entry's payload. */
static void load_block(const struct input *input, unsigned i, uint8_t block[LF_BLOCK_BYTES])
{
    const size_t length = input->entries[i].length;

    memset(block, 0, LF_BLOCK_BYTES);
    memcpy(block, input->data + input->payload[i],
           length < LF_BLOCK_BYTES ? length : LF_BLOCK_BYTES);
}

static void store_block(struct input *input, unsigned i, const uint8_t *block, size_t bytes)
{
    const size_t length = input->entries[i].length;

    memcpy(input->data + input->payload[i], block, length < bytes ? length : bytes);
}

struct sealing {
    struct lf_layout layout;
    uint32_t log_seed;
    bool positions; /* epochs and segments say where they are, */
    bool chain;     /* and follow each other; */
    bool pairs;     /* both copies say the same, and segments what the control file does */
    uint64_t epoch; /* number of the last one, and */
    uint32_t last;  /* its checksum */
    bool has_header;
    struct lf_file_header header;
    bool has_mark;
    struct lf_trim_mark mark;
};

static uint64_t lsn_of(const struct sealing *sealing, const struct fuzz_entry *entry)
{
    const uint64_t offset = (uint64_t)entry->block * LF_BLOCK_BYTES;

    return offset + (entry->file > 0 && sealing->layout.segment_bytes != 0
                         ? (entry->file - 1) * sealing->layout.segment_bytes
                         : 0);
}

static void seal_file_header(struct input *input, unsigned i, struct sealing *sealing)
{
    _Alignas(8) uint8_t block[LF_BLOCK_BYTES];
    struct lf_file_header *header = (struct lf_file_header *)block;
    const struct fuzz_entry *entry = &input->entries[i];

    load_block(input, i, block);
    if (sealing->pairs && sealing->has_header)
        *header = sealing->header;
    if (sealing->positions && entry->file > 0)
        header->first_lsn = (entry->file - 1) * sealing->layout.segment_bytes + LF_FIRST_LSN;
    lf_file_header_seal(block);
    store_block(input, i, block, sizeof(*header));
    if (entry->file != 0 || entry->block > 1)
        return;
    sealing->has_header = true;
    sealing->header = *header;
    sealing->log_seed = lf_log_seed(header);
    sealing->layout = lf_header_layout(header);
}

static void seal_mark(struct input *input, unsigned i, struct sealing *sealing)
{
    _Alignas(8) uint8_t block[LF_BLOCK_BYTES];

    load_block(input, i, block);
    if (sealing->pairs && sealing->has_mark)
        memcpy(block, &sealing->mark, sizeof(sealing->mark));
    lf_trim_mark_seal(block, sealing->log_seed);
    store_block(input, i, block, sizeof(struct lf_trim_mark));
    memcpy(&sealing->mark, block, sizeof(sealing->mark));
    sealing->has_mark = true;
}

/* What of a payload is not in the entry is zeros. */
static uint32_t payload_crc(const uint8_t *payload, size_t there, size_t size)
{
    static const uint8_t zeros[LF_BLOCK_BYTES];
    uint32_t crc = lf_crc32c(0, payload, there < size ? there : size);

    for (size_t at = there; at < size; at += sizeof(zeros))
        crc = lf_crc32c(crc, zeros, size - at < sizeof(zeros) ? size - at : sizeof(zeros));
    return crc;
}

/* The records whose headers lie in the entry. */
static void seal_records(uint8_t *bytes, size_t length, const struct lf_epoch_header *header,
                         uint32_t log_seed)
{
    const bool header_only = (header->flags & LF_EPOCH_HEADER_CHECKSUM) != 0;
    struct lf_record_place place = {header->epoch, LF_EPOCH_HEADER_BYTES,
                                    lf_crc32c(log_seed, &header->nonce, sizeof(header->nonce))};
    struct lf_record_header record;

    while (place.offset + sizeof(record) <= length) {
        const size_t payload_at = place.offset + sizeof(record);
        memcpy(&record, bytes + place.offset, sizeof(record));
        const uint32_t size = lf_record_word_size(record.word);
        if (size > FUZZ_BLOCK_COUNT * LF_BLOCK_BYTES)
            return; /* than any file */
        const uint32_t crc =
            header_only ? 0 : payload_crc(bytes + payload_at, length - payload_at, size);
        record.checksum = lf_record_checksum(&place, record.word, crc);
        memcpy(bytes + place.offset, &record, sizeof(record));
        place.offset += (uint32_t)lf_record_bytes(size);
    }
}

/* At the place that the trim mark names its values count, else those of the epoch before. */
static void tie(const struct sealing *sealing, struct lf_epoch_header *header)
{
    const bool is_first = sealing->has_mark && header->lsn == sealing->mark.oldest_lsn;

    header->epoch = is_first ? sealing->mark.epoch : sealing->epoch + 1;
    header->chain = is_first ? sealing->mark.chain : sealing->last;
}

static void seal_epoch(struct input *input, unsigned i, struct sealing *sealing)
{
    uint8_t *bytes = input->data + input->payload[i];
    struct lf_epoch_header header;

    memcpy(&header, bytes, sizeof(header));
    if (sealing->positions) {
        header.lsn = lsn_of(sealing, &input->entries[i]);
        header.promise = header.promise < header.lsn ? header.promise : header.lsn;
    }
    if (sealing->chain)
        tie(sealing, &header);
    seal_records(bytes, input->entries[i].length, &header, sealing->log_seed);
    header.checksum = lf_epoch_header_checksum(&header, sealing->log_seed);
    memcpy(bytes, &header, sizeof(header));
    sealing->epoch = header.epoch;
    sealing->last = header.checksum;
}

static void seal(struct input *input, bool positions, bool chain, bool pairs)
{
    struct sealing sealing = {.positions = positions, .chain = chain, .pairs = pairs};

    for (unsigned i = 0; i < input->count; i++)
        if (is_file_header(input, i) && input->entries[i].file == 0)
            seal_file_header(input, i, &sealing);
    for (unsigned i = 0; i < input->count; i++) {
        if (is_file_header(input, i) && input->entries[i].file != 0)
            seal_file_header(input, i, &sealing);
        else if (is_mark(input, i))
            seal_mark(input, i, &sealing);
        else if (is_epoch(input, i))
            seal_epoch(input, i, &sealing);
    }
}

void fuzz_reseal(uint8_t *data, size_t size)
{
    struct input input = {.data = data, .size = size, .max_size = size};

    take_apart(&input);
    seal(&input, true, true, true);
}

/* ---- Mutating -------------------------------------------------------------------------------- */

static uint64_t interesting(struct rng *rng, uint64_t old)
{
    static const uint64_t values[] = {0,
                                      1,
                                      80,
                                      88,
                                      4096,
                                      8192,
                                      16384,
                                      UINT16_MAX,
                                      UINT32_MAX,
                                      UINT64_MAX,
                                      (uint64_t)1 << 28,
                                      LF_LSN_END,
                                      LF_LSN_END - LF_BLOCK_BYTES,
                                      (uint64_t)1 << 40,
                                      (uint64_t)1 << 63};

    switch (rng_below(rng, 6)) {
    case 0:
        return old + 1;
    case 1:
        return old - 1;
    case 2:
        return old ^ (uint64_t)1 << rng_below(rng, 64);
    case 3:
        return old + LF_BLOCK_BYTES;
    case 4:
        return rng_below(rng, 64) * LF_BLOCK_BYTES;
    default:
        return values[rng_below(rng, sizeof(values) / sizeof(values[0]))];
    }
}

static void mutate_field(struct input *input, uint8_t *at, size_t bytes)
{
    uint64_t value = 0;

    memcpy(&value, at, bytes);
    value = interesting(&input->rng, value);
    memcpy(at, &value, bytes);
}

/* Fields of the format start at multiples of their size: 4, or 8, bytes. */
static void mutate_some_field(struct input *input, unsigned i)
{
    const size_t length = input->entries[i].length;
    const size_t longest = sizeof(struct lf_file_header);
    const size_t head = length < longest ? length : longest;
    const size_t bytes = rng_one_in(&input->rng, 2) ? 4 : 8;

    if (head >= bytes)
        mutate_field(input,
                     input->data + input->payload[i] + rng_below(&input->rng, head / bytes) * bytes,
                     bytes);
}

static void mutate_record(struct input *input, unsigned i)
{
    uint8_t *bytes = input->data + input->payload[i];
    size_t offset = LF_EPOCH_HEADER_BYTES;
    uint32_t word;

    while (offset + LF_RECORD_HEADER_BYTES <= input->entries[i].length) {
        memcpy(&word, bytes + offset, sizeof(word));
        if (rng_one_in(&input->rng, 3)) {
            word = rng_one_in(&input->rng, 3) ? word ^ 3u << 28
                                              : word + (uint32_t)rng_below(&input->rng, 17) - 8;
            memcpy(bytes + offset, &word, sizeof(word));
            return;
        }
        offset += lf_record_bytes(lf_record_word_size(word));
    }
}

static void mutate_payload(struct input *input, unsigned i, fuzz_mutate_bytes *mutate_bytes)
{
    const size_t length = input->entries[i].length;

    if (length > 0)
        mutate_bytes(input->data + input->payload[i], length, length);
}

static void remove_entry(struct input *input, unsigned i)
{
    const size_t end = input->at[i] + entry_bytes(input, i);

    memmove(input->data + input->at[i], input->data + end, input->size - end);
    input->size -= end - input->at[i];
}

/* Another one like it goes to the end, one block on from where it was or anywhere. */
static void repeat_entry(struct input *input, unsigned i)
{
    const size_t bytes = entry_bytes(input, i);
    struct fuzz_entry entry = input->entries[i];

    if (bytes > input->max_size - input->size || input->count == ENTRIES_MAX)
        return;
    entry.block = (uint16_t)(rng_one_in(&input->rng, 2) ? entry.block + 1u + entry.length / 4096u
                                                        : rng_below(&input->rng, 32));
    if (rng_one_in(&input->rng, 4))
        entry.file = (uint8_t)rng_below(&input->rng, FUZZ_FILE_COUNT);
    memcpy(input->data + input->size, input->data + input->at[i], bytes);
    memcpy(input->data + input->size, &entry, HEADER_BYTES);
    input->size += bytes;
}

static void move_entry(struct input *input, unsigned i)
{
    struct fuzz_entry *entry = &input->entries[i];
    struct rng *rng = &input->rng;

    switch (rng_below(rng, 4)) {
    case 0:
        entry->block = (uint16_t)(entry->block + (rng_one_in(rng, 2) ? 1 : -1));
        break;
    case 1:
        entry->block = (uint16_t)rng_below(rng, rng_one_in(rng, 4) ? FUZZ_BLOCK_COUNT : 16);
        break;
    case 2:
        entry->file = (uint8_t)rng_below(rng, rng_one_in(rng, 4) ? FUZZ_FILE_COUNT : 5);
        break;
    default:
        entry->offset = (uint16_t)(rng_one_in(rng, 2) ? 0 : rng_below(rng, LF_BLOCK_BYTES));
        break;
    }
    store_entry(input, i);
}

/* Makes no regular file of it. */
static void set_kind(struct input *input, unsigned i)
{
    const struct fuzz_entry entry = {.file = input->entries[i].file,
                                     .what = FUZZ_KIND,
                                     .offset = (uint16_t)rng_below(&input->rng, 2)};

    if (input->max_size - input->size < HEADER_BYTES)
        return;
    memcpy(input->data + input->size, &entry, HEADER_BYTES);
    input->size += HEADER_BYTES;
}

/* Gives a file a size, or takes the entry's own away. */
static void set_size(struct input *input, unsigned i)
{
    const struct fuzz_entry entry = {
        .file = input->entries[i].file,
        .what = FUZZ_SIZE,
        .block = (uint16_t)rng_below(&input->rng, 32),
        .offset = (uint16_t)(rng_one_in(&input->rng, 2) ? 0 : rng_below(&input->rng, 4096))};

    if (input->max_size - input->size < HEADER_BYTES)
        return;
    memcpy(input->data + input->size, &entry, HEADER_BYTES);
    input->size += HEADER_BYTES;
}

static void mutate_once(struct input *input, fuzz_mutate_bytes *mutate_bytes)
{
    const unsigned i = (unsigned)rng_below(&input->rng, input->count);

    switch (rng_below(&input->rng, 12)) {
    case 0:
        mutate_payload(input, i, mutate_bytes);
        break;
    case 1:
    case 2:
    case 3:
    case 4:
        mutate_some_field(input, i);
        break;
    case 5:
    case 6:
        mutate_record(input, i);
        break;
    case 7:
        remove_entry(input, i);
        break;
    case 8:
    case 9:
        repeat_entry(input, i);
        break;
    case 10:
        move_entry(input, i);
        break;
    default:
        if (rng_one_in(&input->rng, 4))
            set_kind(input, i);
        else
            set_size(input, i);
        break;
    }
    take_apart(input);
}

size_t fuzz_mutate(uint8_t *data, size_t size, size_t max_size, uint64_t seed,
                   fuzz_mutate_bytes *mutate_bytes)
{
    struct input input = {.data = data, .size = size, .max_size = max_size, .rng = {seed}};
    const bool positions = !rng_one_in(&input.rng, 4);

    take_apart(&input);
    if (input.count == 0 || rng_one_in(&input.rng, 50))
        return mutate_bytes(data, size, max_size);
    do {
        mutate_once(&input, mutate_bytes);
    } while (input.count > 0 && rng_one_in(&input.rng, 2));
    if (!rng_one_in(&input.rng, 8))
        seal(&input, positions, positions && !rng_one_in(&input.rng, 4),
             !rng_one_in(&input.rng, 4));
    return input.size;
}

static size_t take_entries(const struct input *input, struct rng *rng, uint8_t *out, size_t at,
                           size_t max_size)
{
    for (unsigned i = 0; i < input->count; i++) {
        const size_t bytes = entry_bytes(input, i);
        if (rng_one_in(rng, 2) || bytes > max_size - at)
            continue;
        memcpy(out + at, input->data + input->at[i], bytes);
        at += bytes;
    }
    return at;
}

size_t fuzz_cross_over(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2,
                       uint8_t *out, size_t max_size, uint64_t seed)
{
    struct input input1 = {.data = (uint8_t *)(uintptr_t)data1, .size = size1};
    struct input input2 = {.data = (uint8_t *)(uintptr_t)data2, .size = size2};
    struct input made = {.data = out, .max_size = max_size, .rng = {seed}};

    if (size1 == 0 || max_size == 0)
        return 0;
    take_apart(&input1);
    take_apart(&input2);
    out[0] = data1[0];
    made.size = take_entries(&input1, &made.rng, out, 1, max_size);
    made.size = take_entries(&input2, &made.rng, out, made.size, max_size);
    take_apart(&made);
    seal(&made, true, true, true);
    return made.size;
}
