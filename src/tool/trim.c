/* SPDX-License-Identifier: MIT */
/* logfile trim: gives back the space of what is not needed any more. */
#include "tool/tool.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

/* What a file takes of its file system, or all files of a directory; 0 where that cannot be told. */
static uint64_t allocated_bytes(const char *path)
{
    struct stat status;
    struct dirent *entry;
    uint64_t blocks = 0;

    if (lstat(path, &status) != 0)
        return 0;
    if (!S_ISDIR(status.st_mode))
        return (uint64_t)status.st_blocks * 512;
    DIR *directory = opendir(path);
    if (directory == NULL)
        return 0;
    while ((entry = readdir(directory)) != NULL)
        if (fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(status.st_mode))
            blocks += (uint64_t)status.st_blocks;
    closedir(directory);
    return blocks * 512;
}

int lf_tool_trim(const struct lf_tool_args *args)
{
    struct logfile_open_report report = {0};
    /* Nothing is appended: no more than it takes is prepared. */
    struct logfile_options options = {
        .open_flags = LOGFILE_OPEN_EXISTING, .prepare = LOGFILE_PREPARE_NONE, .prepare_bytes = 1};
    const uint64_t before_bytes = allocated_bytes(args->path);
    struct logfile *log;

    int error = logfile_open(args->path, &options, &report, &log);
    if (error != 0)
        return lf_tool_open_error(error, &report);
    const uint64_t end_lsn = logfile_durable_lsn(log);
    int status = LF_TOOL_OK;
    if (args->before_lsn > end_lsn) {
        lf_tool_message("%s: %s, which is LSN %" PRIu64, lf_tool_shown(args->path),
                        logfile_strerror(LOGFILE_EBEYOND), end_lsn);
        status = LF_TOOL_FAILED;
    } else {
        error = logfile_trim(log, args->before_lsn);
        status = error == 0 ? LF_TOOL_OK : lf_tool_error(args->path, error);
    }
    const uint64_t oldest_lsn = logfile_oldest_lsn(log);
    int closed = lf_tool_close(args->path, log);
    if (status == LF_TOOL_OK)
        status = closed;
    if (status != LF_TOOL_OK)
        return status;
    const uint64_t after_bytes = allocated_bytes(args->path);
    printf("oldest LSN %" PRIu64 ", %" PRIu64 " bytes given back\n", oldest_lsn,
           before_bytes > after_bytes ? before_bytes - after_bytes : 0);
    return LF_TOOL_OK;
}
