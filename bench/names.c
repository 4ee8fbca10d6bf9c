/* SPDX-License-Identifier: MIT */
#include "names.h"

#include "options.h"

const struct bench_name bench_engine_names[] = {
    {"ring", LOGFILE_ENGINE_RING},           {"mutex", LOGFILE_ENGINE_MUTEX},
    {"serial", LOGFILE_ENGINE_SERIAL},       {"rocksdb", BENCH_ENGINE_ROCKSDB},
    {"wiredtiger", BENCH_ENGINE_WIREDTIGER}, {"lmdb", BENCH_ENGINE_LMDB},
    {"sqlite", BENCH_ENGINE_SQLITE},         {NULL, 0},
};
const struct bench_name bench_reserve_names[] = {
    {"faa", LOGFILE_RESERVE_FAA},       {"cas", LOGFILE_RESERVE_CAS},
    {"ticket", LOGFILE_RESERVE_TICKET}, {"mcs", LOGFILE_RESERVE_MCS},
    {"mutex", LOGFILE_RESERVE_MUTEX},   {NULL, 0},
};
const struct bench_name bench_flusher_names[] = {
    {"hybrid", LOGFILE_FLUSHER_HYBRID},
    {"sequencer", LOGFILE_FLUSHER_SEQUENCER},
    {"leader", LOGFILE_FLUSHER_LEADER},
    {NULL, 0},
};
const struct bench_name bench_wait_names[] = {
    {"adaptive", LOGFILE_WAIT_ADAPTIVE},
    {"block", LOGFILE_WAIT_BLOCK},
    {"spin", LOGFILE_WAIT_SPIN},
    {NULL, 0},
};
/* By the flag of the variant. */
const struct bench_name bench_gather_names[] = {
    {"on", 0},
    {"off", LOGFILE_VARIANT_NO_GATHER},
    {NULL, 0},
};
const struct bench_name bench_wake_names[] = {
    {"all", 0},
    {"tree", LOGFILE_VARIANT_WAKE_TREE},
    {NULL, 0},
};
const struct bench_name bench_variant_flag_names[] = {
    {"checksum_first", LOGFILE_VARIANT_CHECKSUM_FIRST},
    {"wake_per_epoch", LOGFILE_VARIANT_WAKE_PER_EPOCH},
    {"no_gather", LOGFILE_VARIANT_NO_GATHER},
    {"wake_tree", LOGFILE_VARIANT_WAKE_TREE},
    {NULL, 0},
};
const struct bench_name bench_stage_names[] = {
    {"checksum", LOGFILE_STAGE_CHECKSUM}, {"reserve", LOGFILE_STAGE_RESERVE},
    {"copy", LOGFILE_STAGE_COPY},         {"flip", LOGFILE_STAGE_FLIP},
    {"write", LOGFILE_STAGE_WRITE},       {"sync", LOGFILE_STAGE_SYNC},
    {"wake", LOGFILE_STAGE_WAKE},         {NULL, 0},
};
const struct bench_name bench_io_names[] = {
    {"auto", LOGFILE_IO_AUTO},
    {"direct", LOGFILE_IO_DIRECT},
    {"buffered", LOGFILE_IO_BUFFERED},
    {NULL, 0},
};
const struct bench_name bench_sync_names[] = {
    {"fdatasync", LOGFILE_SYNC_FDATASYNC},
    {"dsync", LOGFILE_SYNC_DSYNC},
    {"none", LOGFILE_SYNC_NONE},
    {NULL, 0},
};
const struct bench_name bench_prepare_names[] = {
    {"zero", LOGFILE_PREPARE_ZERO},
    {"allocate", LOGFILE_PREPARE_ALLOCATE},
    {"none", LOGFILE_PREPARE_NONE},
    {NULL, 0},
};
const struct bench_name bench_checksum_names[] = {
    {"full", LOGFILE_CHECKSUM_FULL},
    {"header", LOGFILE_CHECKSUM_HEADER},
    {NULL, 0},
};
const struct bench_name bench_device_names[] = {
    {"file", BENCH_DEVICE_FILE},
    {"null", BENCH_DEVICE_NULL},
    {"delay", BENCH_DEVICE_DELAY},
    {NULL, 0},
};
const struct bench_name bench_preset_names[] = {
    {"readme", BENCH_PRESET_README},
    {NULL, 0},
};
const struct bench_name bench_arrival_names[] = {
    {"poisson", BENCH_ARRIVALS_POISSON},
    {"even", BENCH_ARRIVALS_EVEN},
    {NULL, 0},
};

const char *bench_name_of(const struct bench_name *names, int value)
{
    while (names->name != NULL && names->value != value)
        names++;
    return names->name != NULL ? names->name : "?";
}
