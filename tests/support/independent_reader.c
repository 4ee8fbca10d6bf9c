/* SPDX-License-Identifier: MIT */
/*
 * A reader written from docs/FORMAT.md alone.  It shares no code with the library and includes
 * none of its headers: where the two disagree, the page, this program or the library is wrong.
 *
 *     independent_reader FILE-OR-DIRECTORY
 *     independent_reader -                     paths on standard input, one a line
 *
 * It prints "record LSN SIZE CRC" for each record that can be read, after damage too, "break LSN"
 * at each break that is passed, where LSN is that of the next whole epoch, and last "verdict WORD
 * END PROMISED"; or one word when there is nothing to read: "unreadable", "corrupt-header".  The
 * verdict is that of the first break.  With "-" a line "end" follows each log.  It loads the whole
 * log and is meant for small ones.
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
#define EPOCH_HEADER 80u
#define FIRST_LSN 16384u /* bytes of the first four blocks */
#define LSN_END ((UINT64_C(1) << 63) - (UINT64_C(1) << 28))
#define SEGMENTS_MAX 1000u

/* The one file, or what has the name of a segment of a directory. */
struct part {
    uint64_t index; /* of the segment */
    int is_regular;
    uint8_t *bytes; /* at least the first four blocks, with zeros for what the file lacks */
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

/* ---- Section 3: file header ---- */

enum copy_state {
    VALID,
    UNKNOWN,
    DAMAGED,
    NOT_A_LOG
};

static int limits_hold(const uint8_t *block)
{
    const uint64_t slot = u64(block + 56);
    const uint64_t segment = u64(block + 64);
    const uint64_t first_lsn = u64(block + 104);

    if (slot < 8192 || slot > 67108864 || (slot & (slot - 1)) != 0)
        return 0;
    if (segment == 0)
        return first_lsn == FIRST_LSN;
    return segment % BLOCK == 0 && segment >= slot + 20480 && segment <= (uint64_t)1 << 40 &&
           first_lsn % segment == FIRST_LSN;
}

static enum copy_state judge_header(const uint8_t *block)
{
    if (memcmp(block, "logfile\n", 8) != 0 || u32(block + 16) == 0x04030201)
        return NOT_A_LOG;
    if (u32(block + 8) != crc(0, block + 12, BLOCK - 12))
        return DAMAGED;

    const int has_features = !all_zero(block + 24, block + 48);
    if (u32(block + 12) != 2 || u32(block + 16) != 0x01020304 || u32(block + 20) != BLOCK ||
        u64(block + 24) != 0 || u64(block + 48) == 0 || !limits_hold(block) ||
        (!has_features && !all_zero(block + 112, block + BLOCK)))
        return UNKNOWN;
    return VALID;
}

/* slot_bytes, segment_bytes, id, salt and first_lsn */
static int have_same_identity(const uint8_t *one, const uint8_t *other)
{
    return memcmp(one + 56, other + 56, 112 - 56) == 0;
}

/* The copy that counts, or NULL with the word to print. */
static const uint8_t *choose_header(const char **word)
{
    const uint8_t *copy[2] = {prologue, prologue + BLOCK};
    const enum copy_state state[2] = {judge_header(copy[0]), judge_header(copy[1])};

    *word = "unreadable";
    if (state[0] == UNKNOWN || state[1] == UNKNOWN)
        return NULL;
    if (state[0] == VALID && state[1] == VALID) {
        const uint64_t generation[2] = {u64(copy[0] + 48), u64(copy[1] + 48)};
        *word = "corrupt-header";
        if (!have_same_identity(copy[0], copy[1]) ||
            (generation[0] == generation[1] && memcmp(copy[0], copy[1], BLOCK) != 0))
            return NULL;
        return generation[1] > generation[0] ? copy[1] : copy[0];
    }
    if (state[0] == VALID || state[1] == VALID)
        return state[0] == VALID ? copy[0] : copy[1];
    if (state[0] == DAMAGED || state[1] == DAMAGED)
        *word = "corrupt-header";
    return NULL;
}

/* ---- Section 4: trim mark ---- */

static int trim_is_valid(const uint8_t *block, uint32_t log_seed)
{
    const uint64_t oldest_lsn = u64(block + 16);
    const uint64_t promise = u64(block + 40);
    const uint32_t user_bytes = u32(block + 48);

    return u32(block) == 0x4d52544c && u32(block + 4) == crc(log_seed, block + 8, BLOCK - 8) &&
           u64(block + 8) >= 1 && oldest_lsn >= FIRST_LSN && oldest_lsn < LSN_END &&
           oldest_lsn % BLOCK == 0 && u64(block + 24) >= 1 && promise >= oldest_lsn &&
           promise <= LSN_END && promise % BLOCK == 0 && user_bytes <= 4000 &&
           all_zero(block + 52, block + 64) && all_zero(block + 64 + user_bytes, block + BLOCK);
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
    const uint8_t *header; /* that counts */
    uint32_t seed;
    uint64_t slot_bytes;
    /* Of the mark. */
    uint64_t oldest_lsn;
    uint64_t oldest_epoch;
    uint32_t mark_incarnation;
    uint64_t mark_promise;
    /* What the next epoch must be. */
    uint64_t lsn;
    uint64_t epoch;
    uint32_t chain;
    int anything_goes; /* at the start: any incarnation and nonce */
    /* Of the last one. */
    uint32_t incarnation; /* 0: there was none */
    uint64_t nonce;
    uint32_t flags;
};

static uint64_t extent(const uint8_t *header)
{
    return ((uint64_t)u32(header + 48) + BLOCK - 1) / BLOCK * BLOCK;
}

static uint64_t first_place(uint64_t index)
{
    return index * segment_bytes + FIRST_LSN;
}

static uint64_t successor_lsn(const uint8_t *header)
{
    const uint64_t lsn = u64(header + 16);

    return u32(header + 56) & FLAG_END ? first_place(index_of(lsn) + 1) : lsn + extent(header);
}

/* Not in the first four blocks, and with its end where it may be. */
static int place_is_valid(const uint8_t *header)
{
    const uint64_t lsn = u64(header + 16);
    const uint64_t end = lsn + extent(header);
    const int is_last = (u32(header + 56) & FLAG_END) != 0;

    if (offset_of(lsn) < FIRST_LSN || lsn >= LSN_END || end > LSN_END)
        return 0;
    if (segment_bytes == 0)
        return !is_last;
    return end + (is_last ? 0 : BLOCK) <= (index_of(lsn) + 1) * segment_bytes;
}

static int shape_is_valid(const struct log *log, const uint8_t *header)
{
    const uint32_t length = u32(header + 48);
    const uint32_t count = u32(header + 52);
    const uint32_t flags = u32(header + 56);
    const int is_empty = length == EPOCH_HEADER && count == 0;

    if ((flags & ~(FLAG_OPEN | FLAG_CLOSE | FLAG_END | FLAG_HEADER_CHECKSUM)) != 0)
        return 0;
    if ((flags & FLAG_OPEN) != 0 && (flags & FLAG_CLOSE) != 0)
        return 0;
    if ((flags & (FLAG_OPEN | FLAG_CLOSE)) != 0)
        return is_empty;
    if ((flags & FLAG_END) != 0 && is_empty)
        return 1;
    return length >= EPOCH_HEADER + 8 && length % 8 == 0 && length <= log->slot_bytes && count >= 1;
}

/* The valid header for that LSN, or NULL. */
static const uint8_t *valid_header(const struct log *log, uint64_t lsn)
{
    const uint8_t *header = bytes_at(lsn, BLOCK);

    if (header == NULL || u32(header) != 0x4850454c ||
        u32(header + 4) != crc(log->seed, header + 8, EPOCH_HEADER - 8))
        return NULL;
    if (u64(header + 16) != lsn || u64(header + 24) > lsn || u64(header + 8) < 1 ||
        u32(header + 40) < 1 || u32(header + 60) != 0 || u64(header + 72) != 0 ||
        !shape_is_valid(log, header) || !place_is_valid(header))
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
    for (uint64_t offset = EPOCH_HEADER; offset < length; count++) {
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
    for (uint64_t offset = EPOCH_HEADER; offset < u32(header + 48);) {
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
        log->lsn = successor_lsn(header);
        log->epoch++;
        log->chain = u32(header + 4);
        log->incarnation = u32(header + 40);
        log->nonce = u64(header + 32);
        log->anything_goes = 0;
        log->flags = u32(header + 56);
    }
}

/* ---- Section 10: files that are not what the log put there ---- */

/* The header is valid, and that of another file. */
static int names_another(const struct log *log, uint64_t index, const uint8_t *header)
{
    uint8_t own[BLOCK];
    uint64_t first_lsn = first_place(index);

    memcpy(own, log->header, BLOCK);
    for (int i = 0; i < 8; i++, first_lsn >>= 8)
        own[104 + i] = (uint8_t)first_lsn;
    return !have_same_identity(own, header);
}

/* With the break at log->lsn, which is in this segment or an earlier one. */
static int is_misplaced(const struct log *log, const struct part *part)
{
    int valid_count = 0;

    if (!is_directory)
        return 0;
    if (!part->is_regular)
        return 1;
    for (int copy = 0; copy < 2; copy++) {
        const uint8_t *header = part->bytes + copy * BLOCK;
        if (judge_header(header) != VALID)
            continue;
        if (names_another(log, part->index, header))
            return 1;
        valid_count++;
    }
    return valid_count == 0 &&
           (part->index > index_of(log->lsn) || log->lsn == first_place(part->index));
}

static int some_are_misplaced(const struct log *log)
{
    for (unsigned i = 0; i < part_count; i++)
        if (parts[i].index >= index_of(log->lsn) && is_misplaced(log, &parts[i]))
            return 1;
    return 0;
}

/* The next LSN to be searched, at or after one; 0: there is none. */
static uint64_t next_search_lsn(uint64_t lsn)
{
    for (unsigned i = 0; i < part_count; i++) {
        const struct part *part = &parts[i];
        const uint64_t start = part->index * segment_bytes;
        if (part->index < index_of(lsn) || !part->is_regular)
            continue;
        if (lsn < start + FIRST_LSN)
            lsn = start + FIRST_LSN;
        if (lsn - start < part->size)
            return lsn;
    }
    return 0;
}

/* ---- Section 7: the verdict ---- */

static uint64_t later_promise(const struct log *log)
{
    uint64_t promise = log->mark_promise;
    uint64_t lsn = next_search_lsn(log->lsn);

    for (; lsn != 0; lsn = next_search_lsn(lsn + BLOCK)) {
        const uint8_t *header = valid_header(log, lsn);
        if (header != NULL && u64(header + 24) > promise)
            promise = u64(header + 24);
    }
    return promise;
}

/* Missing where it must not be. */
static int segment_is_missing(const struct log *log)
{
    const int is_new = log->lsn == FIRST_LSN && log->oldest_lsn == FIRST_LSN &&
                       log->oldest_epoch == 1 && log->mark_incarnation == 0;

    if (!is_directory || index_of(log->lsn) >= LSN_END / segment_bytes)
        return 0;
    return part_of(log->lsn) == NULL && !(is_new && part_count == 0);
}

static int mark_is_contradicted(const struct log *log)
{
    if (log->lsn != log->oldest_lsn)
        return 0;
    if (log->oldest_lsn != FIRST_LSN)
        return 1;
    if (part_of(log->lsn) == NULL)
        return 0;
    if (part_of(log->lsn)->size < FIRST_LSN && !is_directory)
        return 1;
    const uint8_t *header = valid_header(log, log->lsn);
    return header != NULL && !follows(log, header);
}

static int is_corrupt(const struct log *log)
{
    return later_promise(log) > log->lsn || log->incarnation < log->mark_incarnation ||
           segment_is_missing(log) || some_are_misplaced(log) || mark_is_contradicted(log);
}

/* ---- Section 7: reading on ---- */

/* Moves to the next whole epoch at the break or after it; 0 when there is none. */
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
            return 1;
        }
    }
    return 0;
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

/* What the file is too short for of the first four blocks is zero. */
static struct part load(const char *path)
{
    struct part part = {0};
    struct stat status;
    FILE *stream;

    if (lstat(path, &status) != 0)
        fail(path);
    part.bytes = calloc(1, FIRST_LSN + (S_ISREG(status.st_mode) ? (size_t)status.st_size : 0));
    if (part.bytes == NULL)
        fail(path);
    if (!S_ISREG(status.st_mode))
        return part;
    part.is_regular = 1;
    part.size = (uint64_t)status.st_size;
    stream = fopen(path, "rb");
    if (stream == NULL || fread(part.bytes, 1, part.size, stream) != part.size)
        fail(path);
    fclose(stream);
    return part;
}

/* Sixteen digits and ".segment", and not beyond the end; 0: another name. */
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
    return *index < LSN_END / segment_bytes;
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
        struct part part = load(name);
        part.index = index;
        if (part.size > segment_bytes)
            part.size = segment_bytes;
        insert(part);
    }
    closedir(directory);
}

/* 0: there is no regular file that it could be in. */
static int load_prologue(const char *path)
{
    char name[8192];
    struct stat status;

    if (stat(path, &status) != 0)
        fail(path);
    is_directory = S_ISDIR(status.st_mode);
    segment_bytes = 0;
    snprintf(name, sizeof(name), "%s%s", path, is_directory ? "/control" : "");
    if (lstat(name, &status) != 0 || !S_ISREG(status.st_mode))
        return 0;
    const struct part part = load(name);
    prologue = part.bytes;
    if (!is_directory)
        insert(part);
    return 1;
}

static void unload(void)
{
    for (unsigned i = 0; i < part_count; i++)
        free(parts[i].bytes);
    if (is_directory)
        free(prologue);
    part_count = 0;
    prologue = NULL;
}

static void read_path(const char *path)
{
    const char *word = "unreadable";
    const uint8_t *header = load_prologue(path) ? choose_header(&word) : NULL;

    if (header == NULL) {
        printf("%s\n", word);
        return;
    }
    if ((u64(header + 64) != 0) != is_directory || u64(header + 104) != FIRST_LSN) {
        printf("unreadable\n");
        return;
    }
    const uint32_t seed = crc(0, header + 72, 32);
    const uint8_t *mark = choose_trim(seed);
    if (mark == NULL) {
        printf("corrupt-header\n");
        return;
    }
    struct log log = {.header = header,
                      .seed = seed,
                      .slot_bytes = u64(header + 56),
                      .oldest_lsn = u64(mark + 16),
                      .oldest_epoch = u64(mark + 24),
                      .mark_incarnation = u32(mark + 36),
                      .mark_promise = u64(mark + 40),
                      .lsn = u64(mark + 16),
                      .epoch = u64(mark + 24),
                      .chain = u32(mark + 32),
                      .anything_goes = 1};
    segment_bytes = u64(header + 64);
    if (is_directory)
        load_segments(path, log.oldest_lsn);
    read_log(&log);
}

static void read_paths(void)
{
    char path[4096];

    while (fgets(path, sizeof(path), stdin) != NULL) {
        path[strcspn(path, "\n")] = '\0';
        read_path(path);
        unload();
        printf("end\n");
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: independent_reader FILE-OR-DIRECTORY | -\n");
        return 2;
    }
    if (strcmp(argv[1], "-") == 0) {
        read_paths();
        return 0;
    }
    read_path(argv[1]);
    unload();
    return 0;
}
