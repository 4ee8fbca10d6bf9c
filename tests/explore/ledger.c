/* SPDX-License-Identifier: MIT */
#include "ledger.h"

#include "disk.h"
#include "format/record.h"
#include "scheduler.h"

#include <string.h>

enum {
    RECORD_BYTES_MAX = 8192
};

struct entry {
    enum promise promise;
    uint64_t lsn; /* as the log told it */
    bool is_found;
    uint64_t found_lsn;
};

static struct entry entries[RECORDS_MAX];
static struct lf_chain chain;
static bool is_closed;

/* ---- Payloads ---- */

/* They start with their number; what follows differs from record to record. */
const void *ledger_payload(unsigned record, size_t bytes)
{
    static _Alignas(8) uint8_t payloads[RECORDS_MAX][RECORD_BYTES_MAX];
    uint64_t number = record;

    memset(payloads[record], (int)record + 1, bytes);
    memcpy(payloads[record], &number, sizeof number);
    return payloads[record];
}

/* ---- Reading ---- */

void ledger_begin(const struct lf_chain *from)
{
    memset(entries, 0, sizeof entries);
    chain = *from;
    is_closed = false;
}

static void find(const struct lf_record_view *view, uint64_t lsn)
{
    uint64_t record = RECORDS_MAX;

    if (view->size >= RECORD_BYTES_MIN)
        memcpy(&record, view->data, sizeof record);
    if (record >= RECORDS_MAX) {
        scheduler_fail("the disk has a record at %lu that nobody appended", lsn);
        return;
    }
    if (entries[record].is_found)
        scheduler_fail("record %lu is on the disk twice: at %lu and %lu", record,
                       entries[record].found_lsn, lsn);
    entries[record].is_found = true;
    entries[record].found_lsn = lsn;
}

/* What a durable header covers was written with it. */
static void read_records(const struct lf_epoch_header *header)
{
    struct lf_record_place place = {header->epoch, LF_EPOCH_HEADER_BYTES, chain.record_seed};
    uint32_t count = 0;

    for (; place.offset < header->length; count++) {
        struct lf_record_view view;
        if (!lf_record_decode(header, header->length, &place, false, &view)) {
            scheduler_fail("the record at %lu is not whole on the disk",
                           header->lsn + place.offset);
            return;
        }
        if (view.type == LF_RECORD_DATA) /* what was abandoned is padding */
            find(&view, header->lsn + place.offset);
        place.offset = view.next;
    }
    if (count != header->record_count)
        scheduler_fail("the epoch at %lu has %u records and says %u", header->lsn, count,
                       header->record_count);
}

static bool read_epoch(void)
{
    const struct lf_epoch_header *header =
        (const struct lf_epoch_header *)(const void *)(disk_durable() + chain.lsn);

    if (chain.lsn + LF_BLOCK_BYTES > disk_bytes() ||
        !lf_epoch_header_check(header, chain.log_seed, &chain.layout, chain.lsn) ||
        !lf_chain_accepts(&chain, header))
        return false;
    read_records(header);
    is_closed = header->flags & LF_EPOCH_CLOSE;
    lf_chain_advance(&chain, header);
    return true;
}

void ledger_read(void)
{
    while (scheduler_failure() == NULL && read_epoch())
        continue;
}

uint64_t ledger_durable_lsn(void)
{
    return chain.lsn;
}

/* ---- Promises ---- */

void ledger_promise(unsigned record, enum promise promise, uint64_t lsn)
{
    entries[record].promise = promise;
    entries[record].lsn = lsn;
    if (promise == PROMISE_ACKED && !entries[record].is_found)
        scheduler_fail("record %u is acknowledged at %lu and not on the disk", record, lsn);
}

static bool is_owed(enum promise promise, bool failed)
{
    return promise == PROMISE_ACKED ||
           (!failed && (promise == PROMISE_SUBMITTED || promise == PROMISE_PENDING));
}

static void check_entry(unsigned record, bool failed)
{
    const struct entry *entry = &entries[record];

    if (is_owed(entry->promise, failed) && !entry->is_found)
        scheduler_fail("record %u was accepted at %lu and is not on the disk", record, entry->lsn);
    if (!entry->is_found)
        return;
    if (entry->promise == PROMISE_NONE || entry->promise == PROMISE_REFUSED)
        scheduler_fail("record %u was refused and is on the disk at %lu", record, entry->found_lsn);
    if (entry->lsn != entry->found_lsn)
        scheduler_fail("record %u is at %lu on the disk, and %lu was told", record,
                       entry->found_lsn, entry->lsn);
}

void ledger_check(bool failed)
{
    for (unsigned i = 0; i < RECORDS_MAX; i++)
        check_entry(i, failed);
    if (!failed && !is_closed)
        scheduler_fail("the log was closed and is not marked as closed");
}
