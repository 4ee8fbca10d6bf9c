/* SPDX-License-Identifier: MIT */
#include <logfile.h>
#include <stdio.h>

int main(void)
{
    struct logfile *log;
    struct logfile_reader *reader;
    struct logfile_record record;

    int error = logfile_open("orders.log", NULL, NULL, &log); /* creates or recovers it */
    if (error == 0) {
        error = logfile_append(log, "hello", 5, NULL); /* 0: the record is on stable storage */
        logfile_close(log);
    }
    if (error == 0)
        error = logfile_reader_open("orders.log", NULL, &reader); /* from the oldest record on */
    if (error == 0) {
        while ((error = logfile_reader_next(reader, &record)) == 1)
            printf("%.*s\n", (int)record.size, (const char *)record.data);
        logfile_reader_close(reader);
    }
    if (error != 0)
        fprintf(stderr, "orders.log: %s\n", logfile_strerror(error));
    return error != 0;
}
