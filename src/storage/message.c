/* SPDX-License-Identifier: MIT */
#include "storage/message.h"

#include "base/utf8.h"
#include "logfile.h"
#include "storage/file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- Names ------------------------------------------------------------------------------------*/

#define PIECE_BYTES 16 /* three escaped bytes, and a zero byte */

/* Terminals obey the first two, and some programs end a line at any of them. */
static bool is_control(const uint8_t *character, unsigned length)
{
    if (length == 1)
        return character[0] < 0x20 || character[0] == 0x7f;
    if (length == 2)
        return character[0] == 0xc2 && character[1] < 0xa0;
    return length == 3 && character[0] == 0xe2 && character[1] == 0x80 &&
           (character[2] == 0xa8 || character[2] == 0xa9);
}

/* One character of a name, or one byte that is none, as it is shown.  Returns how many bytes of the
 * name that is. */
static unsigned show_piece(const char *name, char piece[PIECE_BYTES])
{
    const uint8_t *character = (const uint8_t *)name;
    const unsigned length = lf_utf8_length(name);
    const unsigned count = length > 0 ? length : 1;

    if (*name == '\n' || *name == '\\')
        snprintf(piece, PIECE_BYTES, "\\%c", *name == '\n' ? 'n' : '\\');
    else if (length == 0 || is_control(character, length))
        for (unsigned i = 0; i < count; i++)
            snprintf(piece + 4 * (size_t)i, PIECE_BYTES - 4 * (size_t)i, "\\x%02x", character[i]);
    else
        snprintf(piece, PIECE_BYTES, "%.*s", (int)length, name);
    return count;
}

char *lf_message_name(const char *name, char *shown, size_t bytes)
{
    static const char cut[] = "...";
    const char *rest = name;
    size_t left = 0; /* bytes of what follows, as it is shown */
    char piece[PIECE_BYTES];
    char *to = shown;

    while (*rest != '\0') {
        rest += show_piece(rest, piece);
        left += strlen(piece);
    }
    *to = '\0';
    if (left >= bytes) {
        to = stpcpy(to, cut);
        while (left + sizeof cut > bytes) {
            name += show_piece(name, piece);
            left -= strlen(piece);
        }
    }
    while (*name != '\0') {
        name += show_piece(name, piece);
        to = stpcpy(to, piece);
    }
    return shown;
}

/* ---- Why a path cannot be opened --------------------------------------------------------------*/

/* Without the slashes at the path's end, which would lead to what is behind the link. */
static bool is_link(const char *path, const char *name)
{
    char whole[PATH_MAX];
    struct stat status;
    int length =
        snprintf(whole, sizeof whole, "%.*s%s", (int)lf_file_path_length(path), path, name);

    return length > 0 && (size_t)length < sizeof whole && lstat(whole, &status) == 0 &&
           S_ISLNK(status.st_mode);
}

const char *lf_message_open_error(const struct logfile_io *io, const char *path, int error)
{
    switch (error) {
    case -ELOOP:
        if ((io != NULL && io != logfile_io_posix()) || is_link(path, ""))
            return "is a symbolic link";
        if (is_link(path, "/" LF_CONTROL_NAME))
            return "its control file is a symbolic link";
        return logfile_strerror(error); /* through too many links: that is for the system to say */
    case -EISDIR:
        return "is a directory with no control file in it";
    case -ESPIPE:
        return "is not a regular file";
    default:
        return logfile_strerror(error);
    }
}

/* ---- Damage -----------------------------------------------------------------------------------*/

/* Any number of 16 digits: how long segments are is not known. */
static int find_segment(void *arg, const char *name)
{
    const size_t digits = strspn(name, "0123456789abcdef");

    if (digits == 16 && strcmp(name + digits, ".segment") == 0)
        *(bool *)arg = true;
    return 0;
}

bool lf_message_is_damage(const struct logfile_io *io, const char *path, int error)
{
    bool found = false;

    if (error != -EISDIR)
        return error == LOGFILE_ECORRUPT;
    /* A directory without a control file has lost it if there are segments in it. */
    io = io != NULL ? io : logfile_io_posix();
    int directory = io->open(io->context, LOGFILE_IO_HERE, path, LOGFILE_IO_OPEN_DIRECTORY, 0);
    if (directory < 0)
        return false;
    (void)io->list_directory(io->context, directory, find_segment, &found);
    (void)io->close(io->context, directory);
    return found;
}
