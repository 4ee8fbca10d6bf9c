/* SPDX-License-Identifier: MIT */
#include "tool/view.h"

#include <errno.h>

/* ---- What is handed on ------------------------------------------------------------------------*/

static const struct logfile_io *base_of(void *context)
{
    const struct lf_view *view = context;

    return view->base;
}

static int view_open(void *context, int directory, const char *name, unsigned flags, mode_t mode)
{
    const struct logfile_io *base = base_of(context);

    return base->open(base->context, directory, name, flags, mode);
}

static int view_close(void *context, int fd)
{
    const struct logfile_io *base = base_of(context);

    return base->close(base->context, fd);
}

static int view_stat(void *context, int fd, struct logfile_io_stat *out)
{
    const struct logfile_io *base = base_of(context);

    return base->stat(base->context, fd, out);
}

static int view_locked(void *context, int fd)
{
    const struct logfile_io *base = base_of(context);

    return base->locked(base->context, fd);
}

static ssize_t view_read(void *context, int fd, void *buffer, size_t bytes, uint64_t offset)
{
    const struct logfile_io *base = base_of(context);

    return base->read(base->context, fd, buffer, bytes, offset);
}

static int view_sync(void *context, int fd)
{
    const struct logfile_io *base = base_of(context);

    return base->sync(base->context, fd);
}

static int view_drop_cache(void *context, int fd)
{
    const struct logfile_io *base = base_of(context);

    return base->drop_cache(base->context, fd);
}

static int view_list_directory(void *context, int directory,
                               int (*visit)(void *visit_arg, const char *name), void *visit_arg)
{
    const struct logfile_io *base = base_of(context);

    return base->list_directory(base->context, directory, visit, visit_arg);
}

static int view_facts(void *context, int fd, struct logfile_io_facts *out)
{
    const struct logfile_io *base = base_of(context);

    return base->facts(base->context, fd, out);
}

/* ---- What is refused --------------------------------------------------------------------------*/

static int refuse(void *context, int fd)
{
    (void)context, (void)fd;
    return -EROFS;
}

static ssize_t refuse_write(void *context, int fd, const void *buffer, size_t bytes,
                            uint64_t offset, unsigned flags)
{
    (void)context, (void)fd, (void)buffer, (void)bytes, (void)offset, (void)flags;
    return -EROFS;
}

static int refuse_range(void *context, int fd, uint64_t offset, uint64_t bytes)
{
    (void)context, (void)fd, (void)offset, (void)bytes;
    return -EROFS;
}

static int refuse_size(void *context, int fd, uint64_t bytes)
{
    (void)context, (void)fd, (void)bytes;
    return -EROFS;
}

static int refuse_name(void *context, int directory, const char *name)
{
    (void)context, (void)directory, (void)name;
    return -EROFS;
}

static int refuse_rename(void *context, int directory, const char *from, const char *to)
{
    (void)context, (void)directory, (void)from, (void)to;
    return -EROFS;
}

static int refuse_directory(void *context, int directory, const char *name, mode_t mode)
{
    (void)context, (void)directory, (void)name, (void)mode;
    return -EROFS;
}

void lf_view_init(struct lf_view *view, const struct logfile_io *base)
{
    view->base = base != NULL ? base : logfile_io_posix();
    view->io = (struct logfile_io){
        .version = LOGFILE_IO_VERSION,
        .context = view,
        .open = view_open,
        .close = view_close,
        .stat = view_stat,
        .lock = refuse,
        .locked = view_locked,
        .read = view_read,
        .write = refuse_write,
        .sync = view_sync,
        .allocate = refuse_range,
        .truncate = refuse_size,
        .drop_cache = view_drop_cache,
        .punch = refuse_range,
        .rename = refuse_rename,
        .unlink = refuse_name,
        .remove_directory = refuse_name,
        .sync_directory = refuse,
        .make_directory = refuse_directory,
        .list_directory = view_list_directory,
        .facts = view_facts,
    };
}
