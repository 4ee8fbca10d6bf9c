"""What holds a measurement back, or makes it mean less, and is easily overlooked: in words."""

import os

from .wording import number_of

VOLATILE = ("tmpfs", "ramfs")


def read(root, *names):
    """The text of a file below `root`; empty where there is none."""
    try:
        with open(os.path.join(root, *names), encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def unescape(text):
    """mountinfo writes a space as \\040."""
    return text.encode("latin-1", "replace").decode("unicode_escape")


def mount_of(where, root="/"):
    """(mount point, type, source, options) of the file system that a folder is on; None where
    nobody knows."""
    found, path = None, os.path.realpath(where)
    for line in read(root, "proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        point, words = unescape(before.split()[4]), after.split()
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and (found is None or len(point) >= len(found[0])):
            found = (point, words[0], words[1], before.split()[5])
    return found


def quota(root="/"):
    """Processors that a control group grants, the least of the group and all above; None: any."""
    lines = read(root, "proc/self/cgroup").splitlines()
    path = next((line[3:] for line in lines if line.startswith("0::")), None)
    least = None
    while path is not None:
        words = read(root, "sys/fs/cgroup" + path.rstrip("/"), "cpu.max").split()
        if len(words) == 2 and words[0].isdigit() and int(words[1]) > 0:
            granted = int(words[0]) / int(words[1])
            least = granted if least is None else min(least, granted)
        path = None if path in ("", "/") else path.rpartition("/")[0] or "/"
    return least


def notes(where, root="/", allowed=None, online=None):
    """Sentences; none where nothing is unusual."""
    allowed = allowed or len(os.sched_getaffinity(0))
    online = online or os.cpu_count() or allowed
    found = []
    if allowed < online:
        found.append(f"only {allowed} of {number_of(online, 'processor')} may be used (a cpuset,"
                     " or taskset)")
    granted = quota(root)
    if granted is not None and granted < allowed:
        found.append(f"a control group grants the time of {granted:g} of"
                     f" {number_of(allowed, 'processor')} (cpu.max)")
    mount = mount_of(where, root)
    if mount and mount[1] in VOLATILE:
        found.append(f"{where} is on {mount[1]}: nothing there survives a power cut, and a sync"
                     " costs nothing; --dir names a folder on a disk")
    return found
