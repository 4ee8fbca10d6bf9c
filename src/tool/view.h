/* SPDX-License-Identifier: MIT */
/*
 * An io table that shows another one, to be read through: what changes anything is refused.  A
 * user with more to say of some calls replaces those.
 */
#ifndef LF_TOOL_VIEW_H
#define LF_TOOL_VIEW_H

#include "logfile_io.h"

struct lf_view {
    struct logfile_io io; /* its context is this struct, which must stay where it is */
    const struct logfile_io *base;
};

/* base: NULL for logfile_io_posix(). */
void lf_view_init(struct lf_view *view, const struct logfile_io *base);

#endif /* LF_TOOL_VIEW_H */
