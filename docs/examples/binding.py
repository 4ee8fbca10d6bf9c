#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""logfile from Python, by ctypes: open, append, submit, wait, read, replay, statistics.

    binding.py LOG [LIBRARY]    appends to a log, and reads it

ctypes gives up the interpreter's lock while it is in the library: threads that append wait together,
and share syncs. Structs that go in are zeroed but for what is set, so that reserved space may be longer
than the library's; those that come out are passed with their size, and may be shorter.
"""
import ctypes
import errno
import sys
import threading
from ctypes import POINTER, byref, c_char, c_int, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p


class Record(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("size", c_size_t), ("lsn", c_uint64)]


class Tail(ctypes.Structure):
    _fields_ = [("verdict", c_uint32), ("incarnation", c_uint32), ("end_lsn", c_uint64),
                ("promised_lsn", c_uint64), ("resume_lsn", c_uint64), ("last_epoch", c_uint64),
                ("cut_bytes", c_uint64), ("reserved", c_uint64 * 4)]


class Report(ctypes.Structure):
    _fields_ = [("tail", Tail), ("message", c_char * 256), ("id", c_uint8 * 16),
                ("reserved", c_uint64 * 14)]


class Options(ctypes.Structure):
    """The first ones; what is not named here is zero, the default."""
    _fields_ = [("io_mode", c_uint32), ("sync", c_uint32), ("prepare", c_uint32),
                ("open_flags", c_uint32), ("mode", c_uint32), ("reserved_32", c_uint32),
                ("slot_bytes", c_size_t), ("segment_bytes", c_uint64),
                ("prepare_bytes", c_uint64), ("keep_free_bytes", c_uint64),
                ("expect_id", c_void_p), ("submit_delay_ns", c_uint64), ("rest", c_uint64 * 64)]


class Stats(ctypes.Structure):
    """The first ones: the library fills in as much as it is asked for."""
    _fields_ = [("io_mode", c_uint32), ("sync", c_uint32), ("incarnation", c_uint32),
                ("reserved_32", c_uint32), ("slot_bytes", c_uint64), ("durable_lsn", c_uint64),
                ("records", c_uint64), ("bytes", c_uint64), ("epochs", c_uint64),
                ("syncs", c_uint64)]


class Timespec(ctypes.Structure):
    _fields_ = [("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long)]


def load(name="liblogfile.so.1"):
    library = ctypes.CDLL(name)
    library.logfile_strerror.restype = ctypes.c_char_p
    library.logfile_open.argtypes = [ctypes.c_char_p, POINTER(Options), POINTER(Report),
                                     POINTER(c_void_p)]
    library.logfile_append.argtypes = [c_void_p, ctypes.c_char_p, c_size_t, POINTER(c_uint64)]
    library.logfile_submit.argtypes = [c_void_p, ctypes.c_char_p, c_size_t, POINTER(Timespec),
                                       POINTER(c_uint64)]
    library.logfile_wait.argtypes = [c_void_p, c_uint64, POINTER(Timespec)]
    library.logfile_stats.argtypes = [c_void_p, POINTER(Stats), c_size_t]
    library.logfile_close.argtypes = [c_void_p]
    library.logfile_reader_open.argtypes = [ctypes.c_char_p, c_void_p, POINTER(c_void_p)]
    library.logfile_reader_next.argtypes = [c_void_p, POINTER(Record)]
    library.logfile_reader_close.argtypes = [c_void_p]
    library.logfile_reader_close.restype = None
    return library


class Failed(Exception):
    def __init__(self, library, code, message=""):
        super().__init__(message or library.logfile_strerror(code).decode())
        self.code = code


class Log:
    """A log, open for appending. As a context manager it is closed at the end."""

    def __init__(self, library, path, **options):
        self.library, self.handle = library, c_void_p()
        report = Report()
        code = library.logfile_open(path.encode(), byref(Options(**options)), byref(report),
                                    byref(self.handle))
        if code != 0:
            raise Failed(library, code, report.message.decode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._check(self.library.logfile_close(self.handle))

    def _check(self, code):
        if code != 0:
            raise Failed(self.library, code)

    def append(self, data):
        """Returns the LSN when the record is on stable storage."""
        lsn = c_uint64()
        self._check(self.library.logfile_append(self.handle, data, len(data), byref(lsn)))
        return lsn.value

    def submit(self, data):
        """Returns the LSN, for wait."""
        lsn = c_uint64()
        self._check(self.library.logfile_submit(self.handle, data, len(data), None, byref(lsn)))
        return lsn.value

    def wait(self, lsn):
        self._check(self.library.logfile_wait(self.handle, lsn, None))

    def stats(self):
        stats = Stats()
        self._check(self.library.logfile_stats(self.handle, byref(stats), ctypes.sizeof(stats)))
        return stats


def read(library, path):
    """Each record of a log that is durable, as (LSN, bytes)."""
    reader, record = c_void_p(), Record()
    code = library.logfile_reader_open(path.encode(), None, byref(reader))
    if code != 0:
        raise Failed(library, code)
    try:
        while (code := library.logfile_reader_next(reader, byref(record))) == 1:
            yield record.lsn, ctypes.string_at(record.data, record.size)
        if code != 0:
            raise Failed(library, code)
    finally:
        library.logfile_reader_close(reader)


def main():
    if not 2 <= len(sys.argv) <= 3:
        sys.exit("usage: binding.py LOG [LIBRARY]")
    path = sys.argv[1]
    library = load(*sys.argv[2:])
    appended = {}

    def append_some(log, thread):
        for i in range(20):
            data = b"thread %d record %d" % (thread, i)
            appended[log.append(data)] = data

    with Log(library, path, slot_bytes=1 << 20) as log:
        threads = [threading.Thread(target=append_some, args=(log, n)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for i in range(1000):
            data = b"submitted %d" % i
            lsn = log.submit(data)
            appended[lsn] = data
        log.wait(lsn)  # and with it all before
        stats = log.stats()
        print(f"{stats.records} records, {stats.epochs} groups, {stats.syncs} syncs")
        assert stats.records == len(appended) and stats.durable_lsn > lsn

    found = dict(read(library, path))
    assert found.items() >= appended.items(), "records are missing"
    try:
        Log(library, path + ".none", open_flags=1)
    except Failed as failure:
        assert failure.code == -errno.ENOENT
        print(failure)


if __name__ == "__main__":
    main()
