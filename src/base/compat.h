/* SPDX-License-Identifier: MIT */
/*
 * What glibc offers and musl does not, or not in every release.
 */
#ifndef LF_COMPAT_H
#define LF_COMPAT_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef TEMP_FAILURE_RETRY
#define TEMP_FAILURE_RETRY(call)                                                                   \
    (__extension__({                                                                               \
        __typeof__(call) compat_result;                                                            \
        do                                                                                         \
            compat_result = (call);                                                                \
        while (compat_result == -1 && errno == EINTR);                                             \
        compat_result;                                                                             \
    }))
#endif

#ifndef RWF_DSYNC
#define RWF_DSYNC 0x2
#endif

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 0x1
#endif

#ifndef HAVE_PWRITEV2
static inline ssize_t compat_pwritev2(int fd, const struct iovec *iov, int count, off_t offset,
                                      int flags)
{
    /* The kernel takes the offset in two halves, the upper one of which a 64-bit kernel ignores. */
    return syscall(SYS_pwritev2, fd, iov, count, offset, 0, flags);
}
#define pwritev2 compat_pwritev2
#endif

#ifndef HAVE_RENAMEAT2
static inline int compat_renameat2(int from_directory, const char *from, int to_directory,
                                   const char *to, unsigned flags)
{
    return (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
}
#define renameat2 compat_renameat2
#endif

#ifndef HAVE_STRERRORDESC_NP
/* musl's texts are constants, which no later call and no thread changes.  What has none gets that of
 * no error. */
static inline const char *compat_strerrordesc(int error)
{
    const char *text = strerror(error);

    return strcmp(text, strerror(0)) != 0 ? text : NULL;
}
#define strerrordesc_np compat_strerrordesc
#endif

#ifndef __GLIBC__
/* Its struct dirent is the kernel's, and its getdents64, where there is one, wants a pointer to it. */
static inline ssize_t compat_getdents64(int fd, void *entries, size_t bytes)
{
    return syscall(SYS_getdents64, fd, entries, bytes);
}
#undef getdents64
#define getdents64 compat_getdents64
#ifndef dirent64
#define dirent64 dirent
#endif
#endif

#endif /* LF_COMPAT_H */
