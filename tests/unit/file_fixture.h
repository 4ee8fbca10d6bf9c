/* SPDX-License-Identifier: MIT */
/*
 * What the tests of storage/file.h share: a log in a folder or on a simulated disk, what is seen of it
 * from outside, and its blocks.
 */
#ifndef FILE_FIXTURE_H
#define FILE_FIXTURE_H

#include "logfile_sim.h"
#include "paths.h"
#include "storage/file.h"
#include "support.h"

#include <check.h>

#define BLOCK ((size_t)LF_BLOCK_BYTES)
#define SLOT_BYTES LF_SLOT_BYTES_MIN
#define SEGMENT_BYTES ((uint64_t)64 << 10)
#define WRITE LOGFILE_IO_OPEN_WRITE
#define CREATE (LOGFILE_IO_OPEN_WRITE | LOGFILE_IO_OPEN_CREATE)
#define PATIENCE_MS 600000

enum place {
    PLACE_FOLDER,
    PLACE_SIM,
    PLACE_COUNT
};

extern const struct logfile_io *io;
extern struct logfile_sim *disk; /* NULL: a folder */
extern const char *log_path;
extern struct lf_file file;
extern struct lf_file_header header;
extern uint64_t reached;
extern uint64_t written;

void use_sim(const struct logfile_sim_options *options);
void use_place(int place);
const char *inside(const char *name);
const char *segment_path(uint64_t index);
void count_foreign(void *arg, const char *name);
unsigned count_names(void);
int64_t bytes_of(const char *path);
bool exists(uint64_t index);
void peek(const char *path, void *to, size_t bytes, uint64_t offset);
void make_file(const char *path, uint64_t bytes);
unsigned descriptor_count(void);
void make_header(uint64_t segment_bytes);
void open_log(const char *path, bool is_directory);
void let_discard(void);
void make_one_file(void);
void open_directory(uint64_t oldest_lsn);
void make_directory(void);
void reopen_directory(uint64_t oldest_lsn);
uint64_t first_lsn_of(uint64_t index);
void extend_to(uint64_t from, uint64_t count);
void make_segments(uint64_t count);
uint8_t *block_of(uint64_t seed);
void write_block(uint64_t lsn, uint64_t seed);
void assert_block(uint64_t lsn, uint64_t seed);
void assert_block_in(const char *path, uint64_t offset, uint64_t seed);
void assert_is_segment(uint64_t index);
void assert_segments(uint64_t from, uint64_t end);

/* On a place of its own, which is left as it was found. */
TCase *new_tcase(const char *name);

#endif /* FILE_FIXTURE_H */
