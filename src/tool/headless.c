/* SPDX-License-Identifier: MIT */
#include "tool/headless.h"

#include "format/checksum.h"
#include "format/record.h"
#include "logfile.h"
#include "storage/io.h"
#include "tool/segments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONTROL_NAME "control"
#define CONTROL_FD (1 << 30) /* of a control file that is not there */
#define PIECE_BYTES ((size_t)1 << 20)
#define SEEDS_MAX 256

/* ---- The checksum, backwards ------------------------------------------------------------------*/

/* CRC32C, byte by byte: state' = table[(state ^ byte) & 255] ^ state >> 8.  The top bytes of the table's
 * entries are all different, so that of state' tells the entry, and the rest follows. */
struct crc_table {
    uint32_t entry[256];
    uint8_t by_top_byte[256];
};

uint32_t lf_headless_seed(uint32_t checksum, const void *bytes, size_t count)
{
    const uint8_t *byte = bytes;
    struct crc_table table;
    uint32_t state = ~checksum;

    for (uint32_t i = 0; i < 256; i++) {
        uint32_t entry = i;
        for (int bit = 0; bit < 8; bit++)
            entry = entry >> 1 ^ ((entry & 1) != 0 ? 0x82f63b78u : 0);
        table.entry[i] = entry;
        table.by_top_byte[entry >> 24] = (uint8_t)i;
    }
    while (count-- > 0) {
        const uint32_t i = table.by_top_byte[state >> 24];
        state = (state ^ table.entry[i]) << 8 | (i ^ byte[count]);
    }
    return ~state;
}

/* ---- The files of the log ---------------------------------------------------------------------*/

/* One file, or the segments of a directory by their index. */
struct survey {
    struct lf_headless *headless;
    int directory; /* -1: one file */
    uint64_t *indexes;
    size_t count;
    size_t capacity;
    int error;
    uint8_t *piece;
};

static int note_segment(void *arg, const char *name)
{
    struct survey *survey = arg;
    char wanted[LF_SEGMENT_NAME_BYTES];
    char *end;

    errno = 0;
    const uint64_t index = strtoull(name, &end, 16);
    lf_file_segment_name(index, wanted);
    if (errno != 0 || strcmp(name, wanted) != 0)
        return 0;
    if (survey->count == survey->capacity) {
        size_t capacity = 2 * survey->capacity + 16;
        uint64_t *more = realloc(survey->indexes, capacity * sizeof(*more));
        if (more == NULL)
            return -ENOMEM;
        survey->indexes = more;
        survey->capacity = capacity;
    }
    survey->indexes[survey->count++] = index;
    return 0;
}

static int compare_indexes(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* The file that holds blocks 0 to 3; what is no regular file is none. */
static int open_main(const struct survey *survey)
{
    const struct lf_headless *headless = survey->headless;
    const struct logfile_io *io = headless->view.base;
    const bool is_control = survey->directory >= 0;
    struct logfile_io_stat status;
    int fd = io->open(io->context, is_control ? survey->directory : LOGFILE_IO_HERE,
                      is_control ? CONTROL_NAME : headless->path, 0, 0);

    if (fd < 0)
        return fd;
    int error = io->stat(io->context, fd, &status);
    if (error == 0 && status.kind == LOGFILE_IO_REGULAR)
        return fd;
    (void)io->close(io->context, fd);
    return error != 0 ? error : -ENOENT;
}

/* The n-th file that holds epochs. */
static int open_nth(const struct survey *survey, size_t n)
{
    const struct logfile_io *io = survey->headless->view.base;
    char name[LF_SEGMENT_NAME_BYTES];

    if (survey->directory < 0)
        return open_main(survey);
    lf_file_segment_name(survey->indexes[n], name);
    return io->open(io->context, survey->directory, name, 0, 0);
}

static void close_file(const struct survey *survey, int fd)
{
    (void)survey->headless->view.base->close(survey->headless->view.base->context, fd);
}

/* ---- Going through blocks ---------------------------------------------------------------------*/

/* A block where an epoch can start. */
struct place {
    size_t file; /* the n-th */
    uint64_t index;
    uint64_t offset; /* in it */
    const uint8_t *block;
};

/* 0: go on; else what the walk ends with. */
typedef int visit_place(void *arg, const struct place *place);

/* What cannot be read is passed over: others may tell as much. */
static int walk(struct survey *survey, visit_place *visit, void *arg)
{
    const struct logfile_io *io = survey->headless->view.base;
    int result = 0;

    for (size_t n = 0; n < survey->count && result == 0; n++) {
        struct place place = {.file = n, .offset = LF_FIRST_LSN};
        ssize_t got = (ssize_t)PIECE_BYTES, at = 0;
        const int fd = open_nth(survey, n);
        if (fd == -ENOMEM || fd == -EMFILE || fd == -ENFILE)
            return fd;
        if (fd < 0)
            continue;
        if (survey->directory >= 0)
            place.index = survey->indexes[n];
        while (result == 0 && got == (ssize_t)PIECE_BYTES) {
            got = lf_io_read_full(io, fd, survey->piece, PIECE_BYTES, place.offset);
            for (at = 0; result == 0 && at + LF_BLOCK_BYTES <= got; at += LF_BLOCK_BYTES) {
                place.block = survey->piece + at;
                result = visit(arg, &place);
                place.offset += LF_BLOCK_BYTES;
            }
        }
        close_file(survey, fd);
    }
    return result;
}

/* ---- The first epoch --------------------------------------------------------------------------*/

struct first_epoch {
    struct lf_layout layout;
    uint32_t log_seed;
    struct lf_epoch_header header;
};

static int find_first(void *arg, const struct place *place)
{
    struct first_epoch *first = arg;
    const struct lf_epoch_header *header = (const void *)place->block;
    const uint64_t lsn = place->index * first->layout.segment_bytes + place->offset;

    if (!lf_epoch_header_check(header, first->log_seed, &first->layout, lsn))
        return 0;
    first->header = *header;
    return 1;
}

/* 1: *first is the first epoch of a log with this header; 0: it has none; -errno. */
static int find_first_epoch(struct survey *survey, const struct lf_file_header *header,
                            struct first_epoch *first)
{
    *first =
        (struct first_epoch){.layout = lf_header_layout(header), .log_seed = lf_log_seed(header)};
    return walk(survey, find_first, first);
}

/* ---- The seed by epoch headers ----------------------------------------------------------------*/

struct seed {
    uint32_t log_seed;
    unsigned count;         /* headers that give it */
    uint64_t segment_bytes; /* 0: not known */
    size_t file;            /* where the first of them is */
    uint64_t offset;
    struct lf_epoch_header header;
};

struct seeds {
    bool is_directory;
    size_t count;
    struct seed seen[SEEDS_MAX];
    struct seed *proven;
};

/* What a header says of segment_bytes, by where it lies.  False: it does not lie where it says. */
static bool find_segment_bytes(const struct place *place, const struct lf_epoch_header *header,
                               bool is_directory, uint64_t *segment_bytes)
{
    const uint64_t start = header->lsn - place->offset;

    *segment_bytes = 0;
    if (header->lsn < place->offset)
        return false;
    if (!is_directory || place->index == 0)
        return start == 0;
    const struct lf_layout layout = {LF_SLOT_BYTES_MIN, start / place->index, 0};
    *segment_bytes = layout.segment_bytes;
    return start % place->index == 0 && layout.segment_bytes != 0 && lf_layout_is_valid(&layout);
}

/* Of many that differ the first ones are kept: damage is seldom that large. */
static int note_seed(void *arg, const struct place *place)
{
    struct seeds *seeds = arg;
    const struct lf_epoch_header *header = (const void *)place->block;
    uint64_t segment_bytes;

    /* 1. It looks like an epoch, and tells how long a segment is. */
    const bool is_likely = header->magic == LF_EPOCH_MAGIC && header->zero == 0 &&
                           header->zero_too == 0 && header->epoch >= LF_FIRST_EPOCH &&
                           header->incarnation > 0 && header->promise <= header->lsn &&
                           header->length >= LF_EPOCH_HEADER_BYTES &&
                           header->length <= LF_SLOT_BYTES_MAX &&
                           (header->flags & ~(uint32_t)LF_EPOCH_FLAGS_KNOWN) == 0;
    if (!is_likely || !find_segment_bytes(place, header, seeds->is_directory, &segment_bytes))
        return 0;
    /* 2. Its checksum tells the seed of its log. */
    const uint32_t log_seed =
        lf_headless_seed(header->checksum, place->block + offsetof(struct lf_epoch_header, epoch),
                         LF_EPOCH_HEADER_BYTES - offsetof(struct lf_epoch_header, epoch));
    struct seed *seed = seeds->seen;
    while (seed < seeds->seen + seeds->count && seed->log_seed != log_seed)
        seed++;
    if (seed == seeds->seen + seeds->count) {
        if (seeds->count == SEEDS_MAX)
            return 0;
        seeds->count++;
        *seed = (struct seed){
            .log_seed = log_seed, .file = place->file, .offset = place->offset, .header = *header};
    }
    seed->count++;
    if (seed->segment_bytes == 0)
        seed->segment_bytes = segment_bytes;
    if (seed->count > 1)
        seeds->proven = seed;
    /* Another segment tells how long they are. */
    return seeds->proven != NULL && (!seeds->is_directory || seeds->proven->segment_bytes != 0);
}

/* Whether the first record of the epoch has the checksum that the seed demands: 1, 0 or -errno. */
static int try_records(struct survey *survey, const struct seed *seed)
{
    const struct lf_epoch_header *header = &seed->header;
    const bool header_only = (header->flags & LF_EPOCH_HEADER_CHECKSUM) != 0;
    const size_t bytes = (size_t)lf_epoch_extent(header);
    struct lf_chain chain = {.log_seed = seed->log_seed};
    uint8_t *epoch = malloc(bytes);
    struct lf_record_view view;

    const int fd = epoch != NULL ? open_nth(survey, seed->file) : -ENOMEM;
    int proven = fd;
    if (fd >= 0) {
        const ssize_t got =
            lf_io_read_full(survey->headless->view.base, fd, epoch, bytes, seed->offset);
        close_file(survey, fd);
        lf_chain_begin(&chain, header->incarnation, header->nonce);
        struct lf_record_place place = {header->epoch, LF_EPOCH_HEADER_BYTES, chain.record_seed};
        proven = got == (ssize_t)bytes && header->record_count > 0 &&
                 lf_record_decode(epoch, header->length, &place, header_only, &view);
    }
    free(epoch);
    return proven;
}

static void make_up_header(struct lf_headless *headless, const struct seed *seed)
{
    static const uint8_t zeros[4];
    struct lf_file_header *header = &headless->header;
    const size_t before = sizeof(header->salt) - sizeof(zeros);

    *header = (struct lf_file_header){
        .version = LF_FORMAT_VERSION,
        .byte_order = LF_BYTE_ORDER_MARK,
        .block_bytes = LF_BLOCK_BYTES,
        .generation = LF_FIRST_GENERATION,
        .segment_bytes = seed->segment_bytes,
    };
    memcpy(header->magic, LF_FILE_MAGIC, sizeof(header->magic));
    /* Where there is but the first segment, nothing depends on where it ends. */
    if (headless->is_directory && header->segment_bytes == 0)
        header->segment_bytes = LF_SEGMENT_BYTES_MAX;
    /* The greatest slots that there can be. */
    struct lf_layout layout = {LF_SLOT_BYTES_MAX, header->segment_bytes, 0};
    while (layout.slot_bytes > LF_SLOT_BYTES_MIN && !lf_layout_is_valid(&layout))
        layout.slot_bytes /= 2;
    header->slot_bytes = layout.slot_bytes;
    /* The last bytes of the salt that make the log's seed come out as it is: a state changes by the
     * next four bytes as if they were zero and had been added to it before. */
    uint32_t state = lf_crc32c(0, header->id, sizeof(header->id));
    state = lf_crc32c(state, header->salt, before);
    state ^= lf_headless_seed(seed->log_seed, zeros, sizeof(zeros));
    memcpy(header->salt + before, &state, sizeof(state));
    headless->header_from = LF_HEADLESS_EPOCHS;
}

/* 1: headless->header; 0: no epoch tells it; -errno. */
static int header_by_epochs(struct survey *survey)
{
    struct seeds *seeds = calloc(1, sizeof(*seeds));

    if (seeds == NULL)
        return -ENOMEM;
    seeds->is_directory = survey->headless->is_directory;
    int found = walk(survey, note_seed, seeds);
    for (size_t i = 0; found == 0 && seeds->proven == NULL && i < seeds->count; i++) {
        const int proven = try_records(survey, &seeds->seen[i]);
        if (proven == 1)
            seeds->proven = &seeds->seen[i];
        found = proven < 0 ? proven : 0;
    }
    if (found >= 0 && seeds->proven != NULL) {
        make_up_header(survey->headless, seeds->proven);
        found = 1;
    }
    free(seeds);
    return found;
}

/* ---- What is taken ----------------------------------------------------------------------------*/

/* A header that is whole, and that some epoch goes with: 1, 0 or -errno. */
static int take_header(struct survey *survey, const struct lf_file_header *header,
                       enum lf_headless_source source)
{
    struct first_epoch first;

    if (lf_file_header_judge(header) != LF_HEADER_VALID)
        return 0;
    survey->headless->is_foreign |= source == LF_HEADLESS_OWN;
    if ((header->segment_bytes != 0) != survey->headless->is_directory)
        return 0;
    const int found = find_first_epoch(survey, header, &first);
    if (found == 1) {
        survey->headless->header = *header;
        survey->headless->header_from = source;
    }
    return found;
}

static int header_by_segments(struct survey *survey)
{
    _Alignas(LF_BLOCK_BYTES) uint8_t block[LF_BLOCK_BYTES] = {0};
    /* One that is left over after each pair that differs has been taken away: if most agree, it is
     * theirs. */
    struct lf_file_header leader = {0};
    size_t lead = 0;

    if (!survey->headless->is_directory)
        return 0;
    for (size_t n = 0; n < survey->count; n++) {
        const int fd = open_nth(survey, n);
        if (fd < 0)
            continue;
        const ssize_t got =
            lf_io_read_full(survey->headless->view.base, fd, survey->piece, 2 * LF_BLOCK_BYTES, 0);
        close_file(survey, fd);
        /* The first copy that is whole has its segment's vote. */
        for (size_t at = 0; (ssize_t)(at + LF_BLOCK_BYTES) <= got; at += LF_BLOCK_BYTES) {
            const struct lf_file_header *header = (const void *)(survey->piece + at);
            if (lf_file_header_judge(header) != LF_HEADER_VALID || header->segment_bytes == 0 ||
                header->first_lsn / header->segment_bytes != survey->indexes[n])
                continue;
            const bool agrees = lead == 0 || lf_file_header_same_log(&leader, header);
            leader = lead == 0 ? *header : leader;
            lead = agrees ? lead + 1 : lead - 1;
            break;
        }
    }
    if (lead == 0)
        return 0;
    leader.first_lsn = LF_FIRST_LSN;
    memcpy(block, &leader, sizeof(leader));
    lf_file_header_seal(block);
    return take_header(survey, (const void *)block, LF_HEADLESS_SEGMENTS);
}

/* 1: headless->header; 0: nothing tells it; -errno. */
static int find_header(struct survey *survey)
{
    const uint8_t *blocks = survey->headless->blocks;
    int found = take_header(survey, (const void *)blocks, LF_HEADLESS_OWN);

    if (found == 0)
        found = take_header(survey, (const void *)(blocks + LF_BLOCK_BYTES), LF_HEADLESS_OWN);
    if (found == 0)
        found = header_by_segments(survey);
    return found == 0 ? header_by_epochs(survey) : found;
}

/* The mark that counts, or one that names the first epoch. */
static int find_mark(struct survey *survey)
{
    struct lf_headless *headless = survey->headless;
    const uint32_t log_seed = lf_log_seed(&headless->header);
    struct first_epoch first;

    for (size_t i = 2; i < 4; i++) {
        const struct lf_trim_mark *mark = (const void *)(headless->blocks + i * LF_BLOCK_BYTES);
        if (lf_trim_mark_check(mark, log_seed) && mark->sequence > headless->mark.sequence)
            headless->mark = *mark;
    }
    headless->mark_lost = headless->mark.sequence == 0;
    if (!headless->mark_lost)
        return 0;
    const int found = find_first_epoch(survey, &headless->header, &first);
    if (found != 1)
        return found < 0 ? found : LOGFILE_EFORMAT;
    headless->mark = (struct lf_trim_mark){
        .magic = LF_TRIM_MAGIC,
        .sequence = LF_FIRST_SEQUENCE,
        .oldest_lsn = first.header.lsn,
        .epoch = first.header.epoch,
        .chain = first.header.chain,
        .promise = first.header.lsn,
    };
    return 0;
}

/* Blocks 0 to 3 as they would be.  The user's bytes in a mark are nothing that a reader looks at. */
static void make_blocks(struct lf_headless *headless)
{
    const uint32_t log_seed = lf_log_seed(&headless->header);

    memset(headless->blocks, 0, sizeof(headless->blocks));
    headless->header.first_lsn = LF_FIRST_LSN;
    headless->mark.user_bytes = 0;
    for (size_t i = 0; i < 2; i++) {
        uint8_t *block = headless->blocks + i * LF_BLOCK_BYTES;
        memcpy(block, &headless->header, sizeof(headless->header));
        lf_file_header_seal(block);
        memcpy(block + 2 * LF_BLOCK_BYTES, &headless->mark, sizeof(headless->mark));
        lf_trim_mark_seal(block + 2 * LF_BLOCK_BYTES, log_seed);
    }
}

/* ---- The table that shows it ------------------------------------------------------------------*/

static int told_open(void *context, int directory, const char *name, unsigned flags, mode_t mode)
{
    struct lf_headless *headless = context;
    const struct logfile_io *base = headless->view.base;
    struct logfile_io_stat status;
    int fd = base->open(base->context, directory, name, flags, mode);

    /* Is it what holds blocks 0 to 3?  The directory may itself have the name of its control file. */
    const char *slash = strrchr(name, '/');
    const bool is_control = strcmp(slash != NULL ? slash + 1 : name, CONTROL_NAME) == 0 &&
                            (directory != LOGFILE_IO_HERE || strlen(name) > strlen(headless->path));
    if (headless->is_directory ? !is_control : strcmp(name, headless->path) != 0)
        return fd;
    if (headless->is_directory && fd >= 0 &&
        (base->stat(base->context, fd, &status) != 0 || status.kind != LOGFILE_IO_REGULAR)) {
        (void)base->close(base->context, fd);
        fd = -ENOENT;
    }
    if (headless->is_directory && fd < 0)
        fd = CONTROL_FD;
    headless->told_fd = fd >= 0 ? fd : -1;
    return fd;
}

static int told_close(void *context, int fd)
{
    struct lf_headless *headless = context;

    if (fd == headless->told_fd)
        headless->told_fd = -1;
    return fd == CONTROL_FD ? 0 : headless->view.base->close(headless->view.base->context, fd);
}

static int told_stat(void *context, int fd, struct logfile_io_stat *out)
{
    const struct lf_headless *headless = context;

    if (fd != CONTROL_FD)
        return headless->view.base->stat(headless->view.base->context, fd, out);
    *out = (struct logfile_io_stat){.bytes = LF_FIRST_LSN, .kind = LOGFILE_IO_REGULAR, .links = 1};
    return 0;
}

static int told_locked(void *context, int fd)
{
    const struct lf_headless *headless = context;

    return fd == CONTROL_FD ? 0 : headless->view.base->locked(headless->view.base->context, fd);
}

static ssize_t told_read(void *context, int fd, void *buffer, size_t bytes, uint64_t offset)
{
    const struct lf_headless *headless = context;

    if (fd != headless->told_fd || (fd != CONTROL_FD && offset >= LF_FIRST_LSN))
        return headless->view.base->read(headless->view.base->context, fd, buffer, bytes, offset);
    if (offset >= LF_FIRST_LSN)
        return 0;
    if (bytes > LF_FIRST_LSN - offset)
        bytes = (size_t)(LF_FIRST_LSN - offset);
    memcpy(buffer, headless->blocks + offset, bytes);
    return (ssize_t)bytes;
}

static int told_sync(void *context, int fd)
{
    const struct lf_headless *headless = context;

    return fd == CONTROL_FD ? 0 : headless->view.base->sync(headless->view.base->context, fd);
}

static int told_drop_cache(void *context, int fd)
{
    const struct lf_headless *headless = context;

    return fd == CONTROL_FD ? 0 : headless->view.base->drop_cache(headless->view.base->context, fd);
}

static int told_facts(void *context, int fd, struct logfile_io_facts *out)
{
    const struct lf_headless *headless = context;

    if (fd != CONTROL_FD)
        return headless->view.base->facts(headless->view.base->context, fd, out);
    *out = (struct logfile_io_facts){.free_bytes = UINT64_MAX, .total_bytes = UINT64_MAX};
    return 0;
}

/* ---- All of it --------------------------------------------------------------------------------*/

static int find_parts(struct survey *survey)
{
    struct lf_headless *headless = survey->headless;
    const struct logfile_io *io = headless->view.base;
    int error = 0;

    /* 1. What there is: segments, and blocks 0 to 3, of which what cannot be read is lost. */
    if (survey->directory >= 0)
        error = io->list_directory(io->context, survey->directory, note_segment, survey);
    if (error != 0)
        return error;
    if (survey->directory >= 0 && survey->count > 0)
        qsort(survey->indexes, survey->count, sizeof(uint64_t), compare_indexes);
    const int fd = open_main(survey);
    headless->has_control = fd >= 0;
    if (fd >= 0) {
        (void)lf_io_read_full(io, fd, headless->blocks, sizeof(headless->blocks), 0);
        close_file(survey, fd);
    }
    /* 2. A log of another version is not for this program. */
    if (lf_file_header_judge(headless->blocks) == LF_HEADER_UNKNOWN ||
        lf_file_header_judge(headless->blocks + LF_BLOCK_BYTES) == LF_HEADER_UNKNOWN)
        return LOGFILE_EFORMAT;
    /* 3. What is made of it. */
    const int found = find_header(survey);
    if (found != 1)
        return found < 0 ? found : LOGFILE_EFORMAT;
    error = find_mark(survey);
    if (error == 0)
        make_blocks(headless);
    return error;
}

int lf_headless_find(struct lf_headless *headless, const struct logfile_io *io, const char *path)
{
    struct survey survey = {.headless = headless, .count = 1};

    memset(headless, 0, sizeof(*headless));
    headless->path = path;
    headless->told_fd = -1;
    lf_view_init(&headless->view, io);
    headless->view.io.open = told_open;
    headless->view.io.close = told_close;
    headless->view.io.stat = told_stat;
    headless->view.io.locked = told_locked;
    headless->view.io.read = told_read;
    headless->view.io.sync = told_sync;
    headless->view.io.drop_cache = told_drop_cache;
    headless->view.io.facts = told_facts;
    survey.directory = headless->view.base->open(headless->view.base->context, LOGFILE_IO_HERE,
                                                 path, LOGFILE_IO_OPEN_DIRECTORY, 0);
    headless->is_directory = survey.directory >= 0;
    if (headless->is_directory)
        survey.count = 0;
    survey.piece = aligned_alloc(LF_BLOCK_BYTES, PIECE_BYTES);
    int error = survey.piece != NULL ? find_parts(&survey) : -ENOMEM;
    free(survey.piece);
    free(survey.indexes);
    if (headless->is_directory)
        close_file(&survey, survey.directory);
    return error;
}
