/* SPDX-License-Identifier: MIT */
/*
 * The on-disk format, version 2.  docs/FORMAT.md specifies it byte by byte; this file is its
 * mirror in C.  Everything is little-endian, and so are the machines that this builds on.
 *
 *   block 0, 1   file header, two copies
 *   block 2, 3   trim mark, two copies
 *   block 4 ...  epochs, each on a fresh block, back to back
 *
 *   epoch        epoch header (80 bytes), records, zeros to the end of the block
 *   record       record header (8 bytes), payload, zeros to a multiple of 8
 *
 * In a one-file log the LSN of a byte is its offset in the file.  A log of segments is a directory:
 * a control file of blocks 0 to 3, and segment files of segment_bytes each, whose blocks 0 and 1 are
 * a file header too.  Byte `offset` of segment `index` has LSN index * segment_bytes + offset.
 */
#ifndef LF_FORMAT_H
#define LF_FORMAT_H

#include "base/num.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LF_BLOCK_BYTES 4096u
#define LF_FORMAT_VERSION 2u
#define LF_FIRST_LSN ((uint64_t)(4 * LF_BLOCK_BYTES))
#define LF_FIRST_EPOCH 1u
/* A log whose next epoch has this number is not opened for append: what is left is beyond reach. */
#define LF_EPOCH_LIMIT ((uint64_t)3 << 62)
#define LF_SLOT_BYTES_MIN ((uint64_t)8 << 10)
#define LF_SLOT_BYTES_MAX ((uint64_t)64 << 20)
#define LF_SEGMENT_BYTES_MAX ((uint64_t)1 << 40)

/* No epoch reaches this far; sums of LSNs below and sizes of slots do not overflow. */
#define LF_LSN_END (((uint64_t)1 << 63) - 4 * LF_SLOT_BYTES_MAX)

#define LF_FILE_MAGIC "logfile\n"      /* 8 bytes, no terminator */
#define LF_BYTE_ORDER_MARK 0x01020304u /* reads otherwise on a big-endian machine */
#define LF_TRIM_MAGIC 0x4d52544cu      /* "LTRM" */
#define LF_EPOCH_MAGIC 0x4850454cu     /* "LEPH" */

/* Fills the first bytes of blocks 0 and 1; the rest of the block is zero. */
struct lf_file_header {
    char magic[8];               /*   0 */
    uint32_t checksum;           /*   8  CRC32C of bytes 12..4095 of the block */
    uint32_t version;            /*  12 */
    uint32_t byte_order;         /*  16 */
    uint32_t block_bytes;        /*  20  4096 */
    uint64_t features_refuse;    /*  24  a reader must know every bit that is set, */
    uint64_t features_read_only; /*  32  a writer these too; */
    uint64_t features_ignore;    /*  40  and a reader need not know these */
    uint64_t generation;         /*  48  of two valid copies the one with the greater counts */
    uint64_t slot_bytes;         /*  56  no epoch is longer */
    uint64_t segment_bytes;      /*  64  0: a one-file log */
    uint8_t id[16];              /*  72  random: tells logs apart */
    uint8_t salt[16];            /*  88  random: seeds every checksum below the file header */
    uint64_t first_lsn;          /* 104  LSN of block 4 of this file */
};                               /* 112 */
#define LF_FIRST_GENERATION 1u
/* Set aside: records of type 3, whose payload is not what was appended. */
#define LF_FEATURE_REFUSE_TRANSFORMED ((uint64_t)1 << 0)
#define LF_FEATURES_REFUSE_KNOWN ((uint64_t)0)
#define LF_FEATURES_READ_ONLY_KNOWN ((uint64_t)0)

/* Fills the first bytes of blocks 2 and 3, with user_bytes of the user's after it; the rest of the
 * block is zero. */
struct lf_trim_mark {
    uint32_t magic;       /*   0 */
    uint32_t checksum;    /*   4  CRC32C, seeded with the log's seed, of bytes 8..4095 */
    uint64_t sequence;    /*   8  the copy with the greater one counts */
    uint64_t oldest_lsn;  /*  16  where reading starts */
    uint64_t epoch;       /*  24  number of the epoch at oldest_lsn */
    uint32_t chain;       /*  32  what that epoch's chain field must be */
    uint32_t incarnation; /*  36  the last one whose OPEN epoch was durable before; 0: none */
    uint64_t promise;     /*  40  all that starts below was durable before */
    uint32_t user_bytes;  /*  48 */
    uint32_t zero[3];     /*  52 */
};                        /*  64 */
#define LF_FIRST_SEQUENCE 1u
#define LF_USER_BYTES_MAX 4000u

enum lf_epoch_flags {
    LF_EPOCH_OPEN = 1u << 0,           /* first of an incarnation; no records */
    LF_EPOCH_CLOSE = 1u << 1,          /* closed cleanly here; no records */
    LF_EPOCH_END = 1u << 2,            /* last of its segment: the next one is in the next */
    LF_EPOCH_HEADER_CHECKSUM = 1u << 3 /* record checksums do not cover payloads */
};
#define LF_EPOCH_FLAGS_KNOWN 0xfu

struct lf_epoch_header {
    uint32_t magic;        /*  0 */
    uint32_t checksum;     /*  4  CRC32C, seeded with the log's seed, of bytes 8..79 */
    uint64_t epoch;        /*  8  number, one more than the epoch before */
    uint64_t lsn;          /* 16  of this header */
    uint64_t promise;      /* 24  durable LSN when this epoch was sealed; at most lsn */
    uint64_t nonce;        /* 32  random, of the incarnation */
    uint32_t incarnation;  /* 40 */
    uint32_t chain;        /* 44  checksum field of the epoch header before */
    uint32_t length;       /* 48  bytes from this header to the end of the last record */
    uint32_t record_count; /* 52  records, PAD included */
    uint32_t flags;        /* 56 */
    uint32_t zero;         /* 60 */
    uint64_t time_ns;      /* 64  since 1970 (UTC), when it was sealed; 0: not known */
    uint64_t zero_too;     /* 72 */
};                         /* 80 */
#define LF_EPOCH_HEADER_BYTES 80u

enum lf_record_type {
    LF_RECORD_DATA = 1,
    LF_RECORD_PAD = 2
    /* 3 is set aside, for payloads that are compressed or encrypted: behind the record header come
     * the size before that, and the number of a key, 4 bytes each.  No reader of version 2 takes
     * it. */
};

struct lf_record_header {
    uint32_t word;     /* 0  payload bytes in bits 0..27, type in bits 28..31 */
    uint32_t checksum; /* 4  see lf_record_checksum */
};                     /* 8 */
#define LF_RECORD_HEADER_BYTES 8u
#define LF_RECORD_ALIGN 8u

_Static_assert(sizeof(struct lf_file_header) == 112, "file header");
_Static_assert(sizeof(struct lf_trim_mark) == 64, "trim mark");
_Static_assert(sizeof(struct lf_epoch_header) == LF_EPOCH_HEADER_BYTES, "epoch header");
_Static_assert(sizeof(struct lf_record_header) == LF_RECORD_HEADER_BYTES, "record header");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian only");

/* Bytes that a record of `size` payload bytes takes in its epoch. */
static inline uint64_t lf_record_bytes(uint64_t size)
{
    return lf_round_up(LF_RECORD_HEADER_BYTES + size, LF_RECORD_ALIGN);
}

/* What decides where epochs may lie. */
struct lf_layout {
    uint64_t slot_bytes;    /* no epoch is longer */
    uint64_t segment_bytes; /* 0: one file */
    uint64_t tail_bytes; /* what is left of a segment with less is left unused; 0: room for a slot
                               and a CLOSE epoch.  A writer's choice, which no reader needs */
};

static inline struct lf_layout lf_header_layout(const struct lf_file_header *header)
{
    return (struct lf_layout){header->slot_bytes, header->segment_bytes, 0};
}
/* The segment that holds an LSN; 0 in a one-file log. */
static inline uint64_t lf_segment_index(const struct lf_layout *layout, uint64_t lsn)
{
    return layout->segment_bytes == 0 ? 0 : lsn / layout->segment_bytes;
}
/* Where the first epoch of a segment goes. */
static inline uint64_t lf_segment_first_lsn(const struct lf_layout *layout, uint64_t index)
{
    return index * layout->segment_bytes + LF_FIRST_LSN;
}
/* Behind the last byte of the segment that holds an LSN; UINT64_MAX in a one-file log. */
static inline uint64_t lf_segment_end_lsn(const struct lf_layout *layout, uint64_t lsn)
{
    return layout->segment_bytes == 0 ? UINT64_MAX
                                      : (lf_segment_index(layout, lsn) + 1) * layout->segment_bytes;
}
/* Where the last epoch ends at the latest: at a segment's end. */
static inline uint64_t lf_layout_end_lsn(const struct lf_layout *layout)
{
    return layout->segment_bytes == 0 ? LF_LSN_END
                                      : LF_LSN_END / layout->segment_bytes * layout->segment_bytes;
}
/*
 * Where an epoch goes when the one before ends at `lsn`: there, or, where less than tail_bytes is
 * left of the segment, at the start of the next one.  Grows with lsn.
 */
static inline uint64_t lf_layout_place(const struct lf_layout *layout, uint64_t lsn)
{
    if (layout->segment_bytes == 0)
        return lsn;
    /* An epoch may end where its segment does: the byte before says which one that is. */
    const uint64_t index = lf_segment_index(layout, lsn - 1);
    const uint64_t end_lsn = (index + 1) * layout->segment_bytes;
    const uint64_t tail_bytes =
        layout->tail_bytes != 0 ? layout->tail_bytes : layout->slot_bytes + LF_BLOCK_BYTES;

    return lsn + tail_bytes <= end_lsn ? lsn : lf_segment_first_lsn(layout, index + 1);
}
/* The tail that lets a writer use most of a segment: a small part of a slot, and more than a block,
 * because after an epoch there must be room for a CLOSE epoch. */
uint64_t lf_layout_short_tail(uint64_t slot_bytes);
/* How long an epoch can be that starts at `lsn`. */
static inline uint64_t lf_layout_capacity(const struct lf_layout *layout, uint64_t lsn)
{
    const uint64_t left = lf_segment_end_lsn(layout, lsn) - lsn;
    return left < layout->slot_bytes ? left : layout->slot_bytes;
}
/* Whether segments of this size can hold epochs of this size. */
bool lf_layout_is_valid(const struct lf_layout *layout);

/* Whether every byte from `from` up to, not including, `to` is zero. */
bool lf_is_zero(const void *from, const void *to);

/* Seeds every checksum below the file header: CRC32C of id, then salt. */
uint32_t lf_log_seed(const struct lf_file_header *header);

/* Fill in the checksums of a whole 4 KiB block that is zero behind the struct. */
void lf_file_header_seal(void *block);
void lf_trim_mark_seal(void *block, uint32_t log_seed);

/* What a block that should hold a file header is, by itself. */
enum lf_header_state {
    LF_HEADER_VALID,
    LF_HEADER_DAMAGED, /* a log's header, but its checksum is wrong */
    LF_HEADER_UNKNOWN, /* whole, and of another version, block size or feature */
    LF_HEADER_NONE     /* not a log, or one of a machine of the other byte order */
};
enum lf_header_state lf_file_header_judge(const void *block);
/* The same as an error: 0; LOGFILE_EFORMAT: unknown or none; LOGFILE_ECORRUPT: damaged. */
int lf_file_header_check(const void *block);
/* Whether two valid headers belong to one log: everything that never changes is the same, but for
 * first_lsn, which tells a log's files apart. */
bool lf_file_header_same_log(const struct lf_file_header *a, const struct lf_file_header *b);
/* Whether a block holds a valid header of that segment of the log with this header. */
bool lf_file_header_is_of_segment(const void *block, const struct lf_file_header *log,
                                  uint64_t index);
/* Whether the block holds a whole trim mark of this log. */
bool lf_trim_mark_check(const void *block, uint32_t log_seed);

uint32_t lf_epoch_header_checksum(const struct lf_epoch_header *header, uint32_t log_seed);
/*
 * Whether this is an epoch header of this log, written for position `lsn`: all that can be said
 * without the epoch before it and without its records.
 */
bool lf_epoch_header_check(const struct lf_epoch_header *header, uint32_t log_seed,
                           const struct lf_layout *layout, uint64_t lsn);
/* Bytes that the epoch takes on disk. */
static inline uint64_t lf_epoch_extent(const struct lf_epoch_header *header)
{
    return lf_round_up(header->length, LF_BLOCK_BYTES);
}
/* Where the next epoch is: behind this one, or, with END, at the start of the next segment. */
static inline uint64_t lf_epoch_next_lsn(const struct lf_epoch_header *header,
                                         const struct lf_layout *layout)
{
    if ((header->flags & LF_EPOCH_END) != 0)
        return lf_segment_first_lsn(layout, lf_segment_index(layout, header->lsn) + 1);
    return header->lsn + lf_epoch_extent(header);
}

/*
 * Where the next epoch goes and what ties it to the one before.  The thread that holds the flush
 * token owns it.
 */
struct lf_chain {
    struct lf_layout layout;
    uint32_t log_seed;
    uint32_t record_seed; /* CRC32C of the nonce, seeded with the log's seed */
    uint64_t lsn;         /* of the next epoch */
    uint64_t epoch;       /* number of the next epoch */
    uint64_t nonce;
    uint32_t incarnation; /* 0: not known, where reading starts */
    uint32_t chain;       /* checksum of the last epoch's header */
    uint64_t time_ns;     /* what the next header says of the time; only a writer sets it */
};

/* Begin an incarnation: the next epoch, an OPEN one, carries this nonce and number. */
void lf_chain_begin(struct lf_chain *chain, uint32_t incarnation, uint64_t nonce);

/* Whether a header that passed lf_epoch_header_check is that of the chain's next epoch. */
bool lf_chain_accepts(const struct lf_chain *chain, const struct lf_epoch_header *header);
/* Move the chain past an epoch of its incarnation. */
void lf_chain_advance(struct lf_chain *chain, const struct lf_epoch_header *header);

/*
 * Make an epoch of a buffer that holds records from LF_EPOCH_HEADER_BYTES to `length`: write its
 * header, zero the rest of its last block, move the chain on.  Returns the bytes to be written, a
 * multiple of the block size.
 */
size_t lf_chain_seal(struct lf_chain *chain, void *buffer, size_t length, uint32_t record_count,
                     uint32_t flags, uint64_t promise);

#endif /* LF_FORMAT_H */
