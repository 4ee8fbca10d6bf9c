/* SPDX-License-Identifier: MIT */
/* What verify says of a directory beyond the epochs in it. */
#ifndef LF_TOOL_SEGMENTS_H
#define LF_TOOL_SEGMENTS_H

#include "tool/bad_blocks.h"
#include "tool/line.h"
#include "tool/walk.h"

struct lf_tool_segments {
    struct lf_walk *walk;               /* started; damaged copies are counted there */
    const struct lf_findings *findings; /* NULL: nothing is said */
    const struct lf_bad_blocks *bad;    /* NULL, or what could not be read so far */
};

/* Checks both copies of the header of each segment, and that nothing is left in the two blocks after
 * them.  0, or -errno of a read.  What is said of a damaged copy depends on the verdict: after the
 * walk. */
int lf_tool_check_segment_headers(const struct lf_tool_segments *segments);
/* Names what does not belong into the directory, and segments that have been released.  0 or
 * -errno. */
int lf_tool_name_other_files(const struct lf_tool_segments *segments);
/* Names the segments that are missing where the walk met damage, and one that is misplaced.  0 or
 * -errno. */
int lf_tool_name_lost_segments(const struct lf_tool_segments *segments);

#endif /* LF_TOOL_SEGMENTS_H */
