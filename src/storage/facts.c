/* SPDX-License-Identifier: MIT */
#include "storage/facts.h"

#include "base/atomic.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- What is said -----------------------------------------------------------------------------*/

void lf_facts_ask(const struct logfile_io *io, int fd, struct logfile_io_facts *said)
{
    memset(said, 0, sizeof *said);
    said->free_bytes = said->total_bytes = UINT64_MAX;
    if (io->facts(io->context, fd, said) == 0)
        return;
    memset(said, 0, sizeof *said);
    said->free_bytes = said->total_bytes = UINT64_MAX;
}

/* A log's transfers are whole blocks, from memory that is aligned to blocks. */
static bool takes_blocks(uint32_t align)
{
    return align <= LOGFILE_IO_BLOCK && (align == 0 || LOGFILE_IO_BLOCK % align == 0);
}

enum lf_direct lf_facts_direct(const struct logfile_io_facts *said)
{
    if (said->direct == LOGFILE_IO_DIRECT_NO || !takes_blocks(said->offset_align) ||
        !takes_blocks(said->memory_align))
        return LF_DIRECT_BUFFERED;
    bool is_said = said->direct == LOGFILE_IO_DIRECT_YES && said->offset_align != 0;
    return is_said ? LF_DIRECT_PROVEN : LF_DIRECT_NOT_SAID;
}

void lf_facts_explain(const struct logfile_io_facts *said, char why[LF_FACTS_WHY_BYTES])
{
    if (!takes_blocks(said->offset_align))
        snprintf(why, LF_FACTS_WHY_BYTES,
                 "it needs an alignment of %" PRIu32 " bytes here, and a log writes blocks of %d",
                 said->offset_align, LOGFILE_IO_BLOCK);
    else if (!takes_blocks(said->memory_align))
        snprintf(why, LF_FACTS_WHY_BYTES,
                 "it needs memory with an alignment of %" PRIu32
                 " bytes here, and a log's has one of %d",
                 said->memory_align, LOGFILE_IO_BLOCK);
    else if (said->direct == LOGFILE_IO_DIRECT_NO)
        snprintf(why, LF_FACTS_WHY_BYTES,
                 "the file system has none here (alignment %" PRIu32
                 "): it goes through the page cache",
                 said->offset_align);
    else
        snprintf(why, LF_FACTS_WHY_BYTES, "the file system does not take it (alignment not known)");
}

bool lf_facts_dsync_saves_flush(const struct logfile_io_facts *said)
{
    return lf_facts_direct(said) == LF_DIRECT_PROVEN && said->dsync_is_one_request == 1;
}

const char *lf_facts_name(const struct logfile_io_facts *said)
{
    static const struct {
        uint64_t type;
        const char *name;
    } names[] = {
        {0xef53, "ext4"},      {0x58465342, "xfs"},     {0x9123683e, "btrfs"},
        {0x01021994, "tmpfs"}, {0x794c7630, "overlay"}, {0x73717368, "squashfs"},
        {0xe0f5e1e2, "erofs"}, {0x65735546, "fuse"},    {0x6969, "nfs"},
        {0xf2f52010, "f2fs"},  {0xff534d42, "cifs"},    {0xfe534d42, "smb"},
        {0x01021997, "9p"},    {0x2fc12fc1, "zfs"},     {0xca451a4e, "bcachefs"},
        {0x00c36400, "ceph"},  {0x01161970, "gfs2"},    {0x7461636f, "ocfs2"},
        {0x9660, "iso9660"},   {0x15013346, "udf"},     {0x4d44, "vfat"},
        {0x2011bab0, "exfat"}, {0x7366746e, "ntfs3"},   {0x858458f6, "ramfs"},
        {0xf15f, "ecryptfs"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].type == said->fs_type)
            return names[i].name;
    return "";
}

/* ---- Of a log that is open for appending ------------------------------------------------------*/

void lf_facts_begin(struct lf_facts *facts, const struct logfile_io_facts *said, bool direct)
{
    *facts = (struct lf_facts){.said = *said, .direct = direct};
    facts->direct_unproven = lf_facts_direct(said) != LF_DIRECT_PROVEN;
}

void lf_facts_note_file(struct lf_facts *facts, const struct logfile_io *io, int fd)
{
    struct logfile_io_facts said;
    if (!lf_facts_bypasses_cache(facts))
        return;
    lf_facts_ask(io, fd, &said);
    if (lf_facts_direct(&said) != LF_DIRECT_PROVEN)
        lf_store_release_32(&facts->direct_unproven, 1); /* S2 */
}

void lf_facts_note_no_allocation(struct lf_facts *facts)
{
    lf_store_relaxed_32(&facts->no_allocation, 1); /* relaxed: for statistics only */
}

bool lf_facts_allocates(const struct lf_facts *facts)
{
    return lf_load_relaxed_32(&facts->no_allocation) == 0; /* relaxed: a statistic */
}

/* ---- For readers ------------------------------------------------------------------------------*/

bool lf_facts_means_no_locks(int error)
{
    /* -EINVAL: the kernel, or what stands in its place, does not know this kind of lock. */
    return error == -ENOLCK || error == -ENOSYS || error == -EOPNOTSUPP || error == -ENOTSUP ||
           error == -EINVAL;
}

int lf_facts_locked(const struct logfile_io *io, int fd)
{
    int locked = io->locked(io->context, fd);
    return lf_facts_means_no_locks(locked) ? 0 : locked;
}

/*
 * The sync is always asked for, and believed where there is an answer: a mount that is read-only
 * may show a file system that somebody else writes to.  -EINVAL says that the file system cannot
 * sync at all, which is no matter where it cannot write either (squashfs, EROFS).  -EROFS is the
 * answer of one that has stopped after an error: what it was told to write may be lost, so it stays
 * an error.
 */
int lf_facts_judge_sync(const struct logfile_io *io, int fd, int error)
{
    struct logfile_io_facts said;
    if (error != -EINVAL)
        return error;
    lf_facts_ask(io, fd, &said);
    return said.read_only != 0 ? 0 : error;
}
