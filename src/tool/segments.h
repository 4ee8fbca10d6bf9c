/* SPDX-License-Identifier: MIT */
/* What verify says of a directory beyond the epochs in it. */
#ifndef LF_TOOL_SEGMENTS_H
#define LF_TOOL_SEGMENTS_H

#include "walk.h"

#include <stdio.h>

struct lf_tool_segments {
    struct lf_walk *walk; /* started; damage is counted there */
    const char *path;
    FILE *out;
};

/* Checks the header of each segment, names what does not belong into the directory, and mentions
 * segments that have been released.  0, or -errno of a read. */
int lf_tool_check_segments(const struct lf_tool_segments *segments);
/* Names the segments that are missing where the walk met damage.  0 or -errno. */
int lf_tool_name_missing_segments(const struct lf_tool_segments *segments);

#endif /* LF_TOOL_SEGMENTS_H */
