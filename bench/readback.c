/* SPDX-License-Identifier: MIT */
#include "readback.h"

#include "signals.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS_PER_SIGNAL_CHECK 256
#define ANY UINT64_MAX /* nothing of this writer was found so far, and the start may be gone */

struct readback {
    const struct bench_payload *payload;
    unsigned writers;
    uint64_t records;
    uint64_t *next;      /* for each writer, the number of the record that must come next, or ANY */
    uint64_t keep_bytes; /* 0: nothing was trimmed */
    uint64_t first_lsn;  /* of the first record that was found */
    bool by_key;         /* of each record writer and number are known, whatever its size */
    bool was_caught;     /* a signal came before: a second one ends the program anyway */
    char *message;
    size_t message_bytes;
};

static int mismatch(const struct readback *readback, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int mismatch(const struct readback *readback, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(readback->message, readback->message_bytes, format, list);
    va_end(list);
    return -1;
}

static int check_record(struct readback *readback, const struct logfile_record *record)
{
    unsigned writer;
    uint64_t number;
    if (readback->records++ == 0)
        readback->first_lsn = record->lsn;
    if (!bench_payload_is_stamped(readback->payload) && record->size < BENCH_STAMP_BYTES)
        return 0;
    if (!bench_payload_recognise(readback->payload, record->data, record->size, &writer, &number) ||
        writer >= readback->writers)
        return mismatch(readback, "the record at LSN %" PRIu64 " was never appended", record->lsn);
    /* Records too small for a stamp may lie between two with one. */
    uint64_t due = readback->next[writer];
    bool is_due =
        due == ANY || (bench_payload_is_stamped(readback->payload) ? number == due : number >= due);
    if (!is_due)
        return mismatch(readback,
                        "writer %u: record %" PRIu64 " where %" PRIu64 " was due, at LSN %" PRIu64,
                        writer, number, due, record->lsn);
    readback->next[writer] = number + 1;
    return 0;
}

/* Whether a signal has come meanwhile. */
static bool is_caught(const struct readback *readback)
{
    return !readback->was_caught && readback->records % RECORDS_PER_SIGNAL_CHECK == 0 &&
           bench_signals_caught() != 0;
}

static int check_all_records(struct readback *readback, struct logfile_reader *reader)
{
    struct logfile_record record;
    int found;
    while ((found = logfile_reader_next(reader, &record)) == 1) {
        if (check_record(readback, &record) != 0)
            return -1;
        if (is_caught(readback))
            return 1;
    }
    if (found < 0)
        return mismatch(readback, "reading stopped after %" PRIu64 " records: %s",
                        readback->records, logfile_strerror(found));
    return 0;
}

static int check_counts(const struct readback *readback, const struct bench_written *written)
{
    uint64_t acked = 0;
    uint64_t offered = 0;
    for (unsigned i = 0; i < readback->writers; i++) {
        acked += written[i].acked;
        offered += written[i].offered;
        bool is_numbered = readback->by_key || bench_payload_is_stamped(readback->payload);
        if (is_numbered && readback->next[i] != ANY &&
            (readback->next[i] < written[i].acked || readback->next[i] > written[i].offered))
            return mismatch(readback,
                            "writer %u: %" PRIu64 " records found, %" PRIu64 " were acknowledged",
                            i, readback->next[i], written[i].acked);
    }
    bool trimmed = readback->keep_bytes > 0;
    if ((readback->records < acked && !trimmed) || readback->records > offered)
        return mismatch(readback, "%" PRIu64 " records found, %" PRIu64 " were acknowledged",
                        readback->records, acked);
    return 0;
}

/* Trimming stops at the start of an epoch, so that rather more is kept than less. */
static int check_kept(const struct readback *readback, const struct bench_written *written,
                      uint64_t end_lsn)
{
    uint64_t acked = 0;
    for (unsigned i = 0; i < readback->writers; i++)
        acked += written[i].acked;
    if (readback->records >= acked || end_lsn - readback->first_lsn >= readback->keep_bytes)
        return 0;
    return mismatch(readback, "only %" PRIu64 " bytes were left, from LSN %" PRIu64,
                    end_lsn - readback->first_lsn, readback->first_lsn);
}

static int check_tail(const struct readback *readback, const struct bench_written *written,
                      struct logfile_reader *reader)
{
    struct logfile_tail tail;
    int error = logfile_reader_tail(reader, &tail, sizeof tail);
    if (error != 0)
        return mismatch(readback, "judging the end of the log: %s", logfile_strerror(error));
    if (tail.verdict != LOGFILE_CLEAN)
        return mismatch(readback, "the log was closed, but does not end cleanly, at LSN %" PRIu64,
                        tail.end_lsn);
    return readback->keep_bytes > 0 ? check_kept(readback, written, tail.end_lsn) : 0;
}

int bench_readback(const struct bench_run *run, const struct bench_written *written, char *message,
                   size_t message_bytes)
{
    struct readback readback = {.payload = run->payload,
                                .writers = run->writers,
                                .keep_bytes = run->options->trim_keep_bytes,
                                .message = message,
                                .message_bytes = message_bytes,
                                .was_caught = bench_signals_caught() != 0};
    struct logfile_reader *reader = NULL;
    readback.next = calloc(run->writers, sizeof *readback.next);
    if (readback.next == NULL)
        return mismatch(&readback, "out of memory");
    for (unsigned i = 0; readback.keep_bytes > 0 && i < run->writers; i++)
        readback.next[i] = ANY;
    int error = logfile_reader_open(run->path, NULL, &reader);
    int status = error == 0 ? check_all_records(&readback, reader)
                            : mismatch(&readback, "opening it: %s", logfile_strerror(error));
    if (status == 0)
        status = check_counts(&readback, written);
    if (status == 0)
        status = check_tail(&readback, written, reader);
    logfile_reader_close(reader);
    free(readback.next);
    return status;
}

void bench_readback_tell_kept(const char *path, char *message, size_t message_bytes)
{
    char mismatch[512];
    snprintf(mismatch, sizeof mismatch, "%.500s", message);
    snprintf(message, message_bytes, "READ-BACK MISMATCH: %s (it is kept: %.400s)", mismatch, path);
}

/* ---- Other stores ---------------------------------------------------------------------------- */

enum {
    FOUND_MISMATCH = 1,
    FOUND_SIGNAL = 2
};

static bool is_what_was_written(const struct readback *readback, uint64_t key, const void *data,
                                size_t size)
{
    unsigned writer = (unsigned)(key >> BENCH_STAMP_NUMBER_BITS);
    uint64_t number = key & ((UINT64_C(1) << BENCH_STAMP_NUMBER_BITS) - 1);
    if (writer >= readback->writers)
        return false;
    if (size >= BENCH_STAMP_BYTES)
        return bench_payload_recognise(readback->payload, data, size, &writer, &number) &&
               bench_stamp(writer, number) == key;
    return size == bench_payload_size(readback->payload, key) &&
           memcmp(data, bench_payload_place(readback->payload, writer, number), size) == 0;
}

/* A bench_peer_visit. */
static int check_pair(void *arg, uint64_t key, const void *data, size_t size)
{
    struct readback *readback = arg;
    unsigned writer = (unsigned)(key >> BENCH_STAMP_NUMBER_BITS);
    readback->records++;
    if (!is_what_was_written(readback, key, data, size)) {
        mismatch(readback, "the record with key %" PRIx64 " was never appended", key);
        return FOUND_MISMATCH;
    }
    if (bench_stamp(writer, readback->next[writer]) != key) {
        mismatch(readback, "writer %u: key %" PRIx64 " where record %" PRIu64 " was due", writer,
                 key, readback->next[writer]);
        return FOUND_MISMATCH;
    }
    readback->next[writer]++;
    return is_caught(readback) ? FOUND_SIGNAL : 0;
}

int bench_readback_peer(const struct bench_run *run, struct bench_peer_store *store,
                        const struct bench_written *written, char *message, size_t message_bytes)
{
    struct readback readback = {.payload = run->payload,
                                .writers = run->writers,
                                .by_key = true,
                                .message = message,
                                .message_bytes = message_bytes,
                                .was_caught = bench_signals_caught() != 0};
    readback.next = calloc(run->writers, sizeof *readback.next);
    if (readback.next == NULL)
        return mismatch(&readback, "out of memory");
    int status = store->peer->scan(store, check_pair, &readback);
    if (status < 0)
        mismatch(&readback, "reading stopped after %" PRIu64 " records: %s", readback.records,
                 store->message);
    else if (status == 0)
        status = check_counts(&readback, written);
    free(readback.next);
    return status == FOUND_SIGNAL ? 1 : status == 0 ? 0 : -1;
}
