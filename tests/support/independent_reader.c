/* SPDX-License-Identifier: MIT */
/*
 * A reader written from docs/FORMAT.md alone.  It shares no code with the library and includes
 * none of its headers: where the two disagree, the page, this program or the library is wrong.
 *
 *     independent_reader FILE-OR-DIRECTORY
 *
 * It prints "record LSN SIZE CRC" for each record that can be read, behind damage too, "break LSN"
 * at each break that is passed, and last "verdict WORD END PROMISED"; or one word when there is
 * nothing to read: "unreadable", "corrupt-header".  The verdict is that of the first break.  It
 * loads the whole log and is meant for small ones.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK 4096u
#define FLAG_OPEN 1u
#define FLAG_CLOSE 2u
#define FLAG_END 4u
#define FLAG_HEADER_CHECKSUM 8u
#define SEGMENTS_MAX 1000u

/* The one file, or a segment of a directory. */
struct part {
    uint64_t index; /* of the segment */
    uint8_t *bytes;
    uint64_t size;
};

static uint8_t *prologue; /* the log's blocks 0 to 3 */
static int is_directory;
static struct part parts[SEGMENTS_MAX]; /* in the order of their indexes */
static unsigned part_count;
static uint64_t segment_bytes; /* 0: one file */

/* ---- Section 1: conventions ---- */

static uint32_t u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint64_t u64(const uint8_t *at)
{
    return u32(at) | (uint64_t)u32(at + 4) << 32;
}

static uint32_t crc(uint32_t seed, const uint8_t *bytes, uint64_t count)
{
    uint32_t r = ~seed;

    for (uint64_t i = 0; i < count; i++) {
        r ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            r = r >> 1 ^ (r & 1 ? 0x82f63b78u : 0);
    }
    return ~r;
}

static int all_zero(const uint8_t *from, const uint8_t *to)
{
    while (from < to)
        if (*from++ != 0)
            return 0;
    return 1;
}

/* ---- Sections 2 and 10: where a byte is ---- */

static uint64_t index_of(uint64_t lsn)
{
    return segment_bytes == 0 ? 0 : lsn / segment_bytes;
}

/* NULL: the segment is missing. */
static const struct part *part_of(uint64_t lsn)
{
    for (unsigned i = 0; i < part_count; i++)
        if (parts[i].index == index_of(lsn))
            return &parts[i];
    return NULL;
}

static uint64_t offset_of(uint64_t lsn)
{
    return lsn - index_of(lsn) * segment_bytes;
}

/* So many bytes at an LSN; what the file lacks is not there. */
static const uint8_t *bytes_at(uint64_t lsn, uint64_t count)
{
    const struct part *part = part_of(lsn);

    if (part == NULL || offset_of(lsn) > part->size || part->size - offset_of(lsn) < count)
        return NULL;
    return part->bytes + offset_of(lsn);
}

/*
 * The next LSN to be searched, at or behind one: not in the first four blocks of a segment, and not
 * behind the end of the file or segment; 0: there is none.
 */
static uint64_t next_search_lsn(uint64_t lsn)
{
    for (unsigned i = 0; i < part_count; i++) {
        const struct part *part = &parts[i];
        const uint64_t start = part->index * segment_bytes;
        if (part->index < index_of(lsn))
            continue;
        if (lsn < start + 16384)
            lsn = start + 16384;
        if (lsn - start < part->size)
            return lsn;
    }
    return 0;
}

/* ---- Section 3: file header ---- */

enum copy_state {
    VALID,
    FOREIGN,
    DAMAGED
};

static enum copy_state judge_header(const uint8_t *block)
{
    if (memcmp(block, "logfile\n", 8) != 0 || u32(block + 16) == 0x04030201)
        return FOREIGN;
    if (u32(block + 8) != crc(0, block + 12, BLOCK - 12))
        return DAMAGED;

    const uint64_t slot = u64(block + 32);
    const uint64_t segment = u64(block + 40);
    if (u32(block + 12) != 1 || u32(block + 16) != 0x01020304 || u32(block + 20) != BLOCK ||
        u64(block + 24) != 0 || slot < 8192 || slot > 67108864 || (slot & (slot - 1)) != 0 ||
        !all_zero(block + 88, block + BLOCK))
        return FOREIGN;
    if (segment == 0)
        return u64(block + 80) == 16384 ? VALID : FOREIGN;
    if (segment % BLOCK != 0 || segment < slot + 20480 || segment > (uint64_t)1 << 40 ||
        u64(block + 80) % segment != 16384)
        return FOREIGN;
    return VALID;
}

/* The copy to be used, or NULL with the word to print. */
static const uint8_t *choose_header(const char **word)
{
    const enum copy_state first = judge_header(prologue);
    const enum copy_state second = judge_header(prologue + BLOCK);

    *word = first == FOREIGN && second == FOREIGN ? "unreadable" : "corrupt-header";
    if (first == VALID && second == VALID && memcmp(prologue, prologue + BLOCK, BLOCK) != 0)
        return NULL;
    if (first == VALID)
        return prologue;
    return second == VALID ? prologue + BLOCK : NULL;
}

/* ---- Section 4: trim mark ---- */

static int trim_is_valid(const uint8_t *block, uint32_t log_seed)
{
    return u32(block) == 0x4d52544c && u32(block + 4) == crc(log_seed, block + 8, BLOCK - 8) &&
           u64(block + 16) >= 16384 && u64(block + 16) < (UINT64_C(1) << 63) - (1 << 28) &&
           u64(block + 16) % BLOCK == 0 && u64(block + 24) >= 1 &&
           all_zero(block + 36, block + BLOCK);
}

static const uint8_t *choose_trim(uint32_t log_seed)
{
    const uint8_t *copy[2] = {prologue + 2 * BLOCK, prologue + 3 * BLOCK};
    const int valid[2] = {trim_is_valid(copy[0], log_seed), trim_is_valid(copy[1], log_seed)};

    if (!valid[0] || !valid[1])
        return valid[0] ? copy[0] : valid[1] ? copy[1] : NULL;
    if (u64(copy[0] + 8) == u64(copy[1] + 8))
        return memcmp(copy[0], copy[1], BLOCK) == 0 ? copy[0] : NULL;
    return u64(copy[0] + 8) > u64(copy[1] + 8) ? copy[0] : copy[1];
}

/* ---- Sections 5 and 6: epochs ---- */

struct log {
    uint32_t seed;
    uint64_t slot_bytes;
    uint64_t oldest_lsn;
    uint64_t oldest_epoch;
    /* What the next epoch must be. */
    uint64_t lsn;
    uint64_t epoch;
    uint32_t chain;
    int anything_goes; /* at the start: any incarnation and nonce */
    uint32_t incarnation;
    uint64_t nonce;
    /* Of the last one. */
    uint32_t flags;
};

static uint64_t extent(const uint8_t *header)
{
    return ((uint64_t)u32(header + 48) + BLOCK - 1) / BLOCK * BLOCK;
}

/* Where the epoch behind the one that ends at `end` goes, which is in segment `index`. */
static uint64_t place(const struct log *log, uint64_t index, uint64_t end)
{
    const uint64_t segment_end = (index + 1) * segment_bytes;

    return segment_bytes == 0 || end + log->slot_bytes + BLOCK <= segment_end ? end
                                                                              : segment_end + 16384;
}

static uint64_t successor_lsn(const struct log *log, const uint8_t *header)
{
    const uint64_t lsn = u64(header + 16);

    return place(log, index_of(lsn), lsn + extent(header));
}

/* It ends in its segment, and says so if it is the last one there. */
static int fits_its_segment(const struct log *log, const uint8_t *header)
{
    const uint64_t end = u64(header + 16) + extent(header);
    const int is_last = successor_lsn(log, header) != end;

    return (segment_bytes == 0 || end <= (index_of(u64(header + 16)) + 1) * segment_bytes) &&
           ((u32(header + 56) & FLAG_END) != 0) == is_last;
}

static int shape_is_valid(const struct log *log, const uint8_t *header)
{
    const uint32_t length = u32(header + 48);
    const uint32_t count = u32(header + 52);
    const uint32_t flags = u32(header + 56);

    if ((flags & ~(FLAG_OPEN | FLAG_CLOSE | FLAG_END | FLAG_HEADER_CHECKSUM)) != 0)
        return 0;
    if ((flags & FLAG_OPEN) != 0 && (flags & FLAG_CLOSE) != 0)
        return 0;
    if ((flags & (FLAG_OPEN | FLAG_CLOSE)) != 0)
        return length == 64 && count == 0;
    return length >= 72 && length % 8 == 0 && length <= log->slot_bytes && count >= 1;
}

/* The valid header for that LSN, or NULL. */
static const uint8_t *valid_header(const struct log *log, uint64_t lsn)
{
    const uint8_t *header = bytes_at(lsn, BLOCK);

    if (header == NULL || u32(header) != 0x4850454c ||
        u32(header + 4) != crc(log->seed, header + 8, 56))
        return NULL;
    if (u64(header + 16) != lsn || u64(header + 24) > lsn || u64(header + 8) < 1 ||
        u32(header + 40) < 1 || u32(header + 60) != 0 || !shape_is_valid(log, header) ||
        !fits_its_segment(log, header))
        return NULL;
    return header;
}

/* Bytes that the record at `offset` takes, or 0. */
static uint64_t whole_record(const struct log *log, const uint8_t *header, uint64_t offset)
{
    const uint8_t *at = header + offset;
    const uint64_t room = u32(header + 48) - offset;

    if (room < 8)
        return 0;
    const uint64_t size = u32(at) & 0x0fffffff;
    const uint32_t type = u32(at) >> 28;
    const uint64_t bytes = (8 + size + 7) / 8 * 8;
    if (bytes > room || !all_zero(at + 8 + size, at + bytes))
        return 0;
    if (type != 1 && !(type == 2 && all_zero(at + 8, at + 8 + size)))
        return 0;

    uint8_t covered[20];
    const uint32_t payload_crc = u32(header + 56) & FLAG_HEADER_CHECKSUM ? 0 : crc(0, at + 8, size);
    memcpy(covered, header + 8, 8);
    for (int i = 0; i < 4; i++) {
        covered[8 + i] = (uint8_t)(offset >> 8 * i);
        covered[12 + i] = at[i];
        covered[16 + i] = (uint8_t)(payload_crc >> 8 * i);
    }
    return u32(at + 4) == crc(crc(log->seed, header + 32, 8), covered, 20) ? bytes : 0;
}

static int is_whole(const struct log *log, const uint8_t *header)
{
    const uint32_t length = u32(header + 48);
    uint32_t count = 0;

    if (bytes_at(u64(header + 16), extent(header)) == NULL)
        return 0;
    for (uint64_t offset = 64; offset < length; count++) {
        const uint64_t bytes = whole_record(log, header, offset);
        if (bytes == 0)
            return 0;
        offset += bytes;
    }
    return count == u32(header + 52) && all_zero(header + length, header + extent(header));
}

static int follows(const struct log *log, const uint8_t *header)
{
    if (u64(header + 8) != log->epoch || u32(header + 44) != log->chain)
        return 0;
    if (log->anything_goes)
        return 1;
    if (u32(header + 56) & FLAG_OPEN)
        return u32(header + 40) > log->incarnation;
    return u32(header + 40) == log->incarnation && u64(header + 32) == log->nonce;
}

/* ---- Section 7: reading ---- */

static void print_records(const uint8_t *header)
{
    for (uint64_t offset = 64; offset < u32(header + 48);) {
        const uint8_t *at = header + offset;
        const uint64_t size = u32(at) & 0x0fffffff;
        if (u32(at) >> 28 == 1)
            printf("record %llu %llu %08x\n", (unsigned long long)(u64(header + 16) + offset),
                   (unsigned long long)size, (unsigned)crc(0, at + 8, size));
        offset += (8 + size + 7) / 8 * 8;
    }
}

/* Walks to the next break; returns the greatest promise on the way. */
static uint64_t walk(struct log *log)
{
    uint64_t promise = 0;

    for (;;) {
        const uint8_t *header = valid_header(log, log->lsn);
        if (header == NULL || !follows(log, header) || !is_whole(log, header))
            return promise;
        print_records(header);
        if (u64(header + 24) > promise)
            promise = u64(header + 24);
        log->lsn = successor_lsn(log, header);
        log->epoch++;
        log->chain = u32(header + 4);
        log->incarnation = u32(header + 40);
        log->nonce = u64(header + 32);
        log->anything_goes = 0;
        log->flags = u32(header + 56);
    }
}

static uint64_t later_promise(const struct log *log)
{
    uint64_t promise = 0;

    for (uint64_t lsn = next_search_lsn(log->lsn); lsn != 0; lsn = next_search_lsn(lsn + BLOCK)) {
        const uint8_t *header = valid_header(log, lsn);
        if (header != NULL && u64(header + 24) > promise)
            promise = u64(header + 24);
    }
    return promise;
}

/* Missing where it must not be. */
static int segment_is_missing(const struct log *log)
{
    const int is_new = log->lsn == 16384 && log->oldest_lsn == 16384 && log->oldest_epoch == 1;

    return part_of(log->lsn) == NULL && !(is_new && part_count == 0);
}

static int trim_contradicts(const struct log *log)
{
    if (log->lsn != log->oldest_lsn)
        return 0;
    if (log->oldest_lsn != 16384)
        return 1;
    if (part_of(log->lsn) == NULL)
        return 0;
    if (part_of(log->lsn)->size < 16384 && segment_bytes == 0)
        return 1;
    const uint8_t *header = valid_header(log, log->lsn);
    return header != NULL && !follows(log, header);
}

/* Moves to the next whole epoch behind the break; 0 when there is none. */
static int resume(struct log *log)
{
    uint64_t lsn = next_search_lsn(log->lsn);

    while (lsn != 0) {
        const uint8_t *header = valid_header(log, lsn);
        if (header == NULL || u64(header + 8) < log->epoch || u32(header + 40) < log->incarnation) {
            lsn = next_search_lsn(lsn + BLOCK);
        } else if (!is_whole(log, header)) {
            lsn = next_search_lsn(lsn + extent(header));
        } else {
            log->lsn = lsn;
            log->epoch = u64(header + 8);
            log->chain = u32(header + 44);
            log->anything_goes = 1;
            log->flags = 0;
            return 1;
        }
    }
    return 0;
}

static int is_corrupt(const struct log *log)
{
    return later_promise(log) > log->lsn || segment_is_missing(log) || trim_contradicts(log);
}

static void read_log(struct log *log)
{
    uint64_t promise = walk(log);
    const uint64_t later = later_promise(log);
    int corrupt = is_corrupt(log);
    const char *word = corrupt ? "CORRUPT" : log->flags & FLAG_CLOSE ? "CLEAN" : "TORN";
    const uint64_t end = log->lsn;

    promise = later > promise ? later : promise;
    while (corrupt && resume(log)) {
        printf("break %llu\n", (unsigned long long)log->lsn);
        walk(log);
        corrupt = is_corrupt(log);
    }
    printf("verdict %s %llu %llu\n", word, (unsigned long long)end, (unsigned long long)promise);
}

/* ---- The program ---- */

static _Noreturn void fail(const char *path)
{
    perror(path);
    exit(2);
}

/* What the file is too short for, up to `least` bytes, is zero. */
static struct part load(const char *path, uint64_t least)
{
    struct part part = {0};
    FILE *stream = fopen(path, "rb");
    long size;

    if (stream == NULL || fseek(stream, 0, SEEK_END) != 0 || (size = ftell(stream)) < 0 ||
        fseek(stream, 0, SEEK_SET) != 0)
        fail(path);
    part.size = (uint64_t)size;
    part.bytes = calloc(1, part.size + least + 1);
    if (part.bytes == NULL || fread(part.bytes, 1, part.size, stream) != part.size)
        fail(path);
    fclose(stream);
    return part;
}

/* Sixteen digits and ".segment"; 0: another name. */
static int segment_index(const char *name, uint64_t *index)
{
    static const char digits[] = "0123456789abcdef";

    if (strlen(name) != 24 || strcmp(name + 16, ".segment") != 0)
        return 0;
    *index = 0;
    for (int i = 0; i < 16; i++) {
        const char *digit = strchr(digits, name[i]);
        if (digit == NULL)
            return 0;
        *index = *index << 4 | (uint64_t)(digit - digits);
    }
    return *index < INT64_MAX / segment_bytes;
}

static void insert(struct part part)
{
    unsigned i = part_count++;

    if (part_count > SEGMENTS_MAX) {
        fprintf(stderr, "independent_reader: too many segments\n");
        exit(2);
    }
    for (; i > 0 && parts[i - 1].index > part.index; i--)
        parts[i] = parts[i - 1];
    parts[i] = part;
}

/* Those from the one that holds `oldest_lsn` on. */
static void load_segments(const char *path, uint64_t oldest_lsn)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    uint64_t index;

    if (directory == NULL)
        fail(path);
    while ((entry = readdir(directory)) != NULL) {
        char name[8192];
        if (!segment_index(entry->d_name, &index) || index < index_of(oldest_lsn))
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        struct part part = load(name, 0);
        part.index = index;
        if (part.size > segment_bytes)
            part.size = segment_bytes;
        insert(part);
    }
    closedir(directory);
}

static void load_prologue(const char *path)
{
    char name[8192];
    struct stat status;

    if (stat(path, &status) != 0)
        fail(path);
    is_directory = S_ISDIR(status.st_mode);
    snprintf(name, sizeof(name), "%s%s", path, is_directory ? "/control" : "");
    const struct part part = load(name, 16384);
    prologue = part.bytes;
    if (!is_directory)
        insert(part);
}

int main(int argc, char **argv)
{
    const char *word;

    if (argc != 2) {
        fprintf(stderr, "usage: independent_reader FILE-OR-DIRECTORY\n");
        return 2;
    }
    load_prologue(argv[1]);
    const uint8_t *header = choose_header(&word);
    const uint32_t seed = header == NULL ? 0 : crc(0, header + 48, 32);
    if (header != NULL && ((u64(header + 40) != 0) != is_directory || u64(header + 80) != 16384)) {
        printf("unreadable\n");
        return 0;
    }
    const uint8_t *trim = header == NULL ? NULL : choose_trim(seed);
    if (trim == NULL) {
        printf("%s\n", header == NULL ? word : "corrupt-header");
        return 0;
    }
    segment_bytes = u64(header + 40);
    struct log log = {.seed = seed,
                      .slot_bytes = u64(header + 32),
                      .oldest_lsn = u64(trim + 16),
                      .oldest_epoch = u64(trim + 24),
                      .lsn = u64(trim + 16),
                      .epoch = u64(trim + 24),
                      .chain = u32(trim + 32),
                      .anything_goes = 1};
    if (is_directory)
        load_segments(argv[1], log.oldest_lsn);
    read_log(&log);
    for (unsigned i = 0; i < part_count; i++)
        free(parts[i].bytes);
    if (is_directory)
        free(prologue);
    return 0;
}
