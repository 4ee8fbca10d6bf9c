/* SPDX-License-Identifier: MIT */
/* The path reader; its functions are public and documented in logfile.h. */
#ifndef LF_READER_H
#define LF_READER_H

#include "read/cursor.h"
#include "read/watch.h"

struct logfile_reader {
    struct lf_cursor cursor;        /* cursor.scan.epoch is the epoch being read */
    uint32_t offset;                /* of the next record in it */
    struct logfile_cursor position; /* after the last record that was returned */
    struct lf_watch watch;
    bool had_name; /* something led to the log's file */
};

#endif /* LF_READER_H */
