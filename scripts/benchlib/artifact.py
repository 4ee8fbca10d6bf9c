"""A bundle for others to check and to cite: what was measured, and on what.

In the tar: everything that the sweep left, machine.txt, kernel.txt and storage.txt, CITATION.cff,
and SHA256SUMS of all of them (sha256sum -c). No name of a host or a user goes in.
"""

import hashlib
import io
import os
import platform
import subprocess
import tarfile

from .surroundings import mount_of, read

NAME = "artifact.tar.gz"
OF_CPU = ("model name", "microcode", "cache size", "flags", "bugs", "Features", "CPU part")
SETTINGS = ("sys/devices/system/clocksource/clocksource0/current_clocksource",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
            "sys/devices/system/cpu/smt/control", "sys/kernel/mm/transparent_hugepage/enabled",
            "proc/sys/kernel/sched_autogroup_enabled", "proc/sys/vm/dirty_ratio",
            "proc/sys/vm/dirty_background_ratio", "proc/sys/kernel/perf_event_paranoid",
            "proc/pressure/cpu", "proc/pressure/io")
OF_QUEUE = ("scheduler", "nr_requests", "write_cache", "fua", "rotational", "logical_block_size",
            "physical_block_size", "max_sectors_kb", "wbt_lat_usec", "nomerges")


def lines(pairs):
    return "".join(f"{key}: {' '.join(value.split())}\n" for key, value in pairs if value.strip())


def output_of(*command):
    """Of a program that may be missing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              env={**os.environ, "LC_ALL": "C"})
        return done.stdout if done.returncode == 0 else ""
    except OSError:
        return ""


def machine(root="/"):
    first = read(root, "proc/cpuinfo").partition("\n\n")[0]
    pairs = [tuple(part.strip() for part in line.partition(":")[::2])
             for line in first.splitlines()]
    memory = read(root, "proc/meminfo").partition("\n")[0]
    return (lines([pair for pair in pairs if pair[0] in OF_CPU])
            + lines([("memory", memory.partition(":")[2])]) + "\n" + output_of("lscpu"))


def kernel(root="/"):
    folder = os.path.join(root, "sys/devices/system/cpu/vulnerabilities")
    weak = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return lines([("kernel", f"{platform.system()} {platform.release()} {platform.version()}"),
                  ("architecture", platform.machine()),
                  *((name, read(root, name)) for name in SETTINGS),
                  *((f"vulnerabilities/{name}", read(folder, name)) for name in weak)])


def queue_of(where, root="/"):
    """The folder in sysfs of the disk that a folder is on, or None."""
    number = os.stat(where).st_dev
    path = os.path.join(root, "sys/dev/block", f"{os.major(number)}:{os.minor(number)}")
    for folder in (path, os.path.join(path, "..")):
        if os.path.isdir(os.path.join(folder, "queue")):
            return os.path.realpath(folder)
    return None


def storage(where, root="/"):
    mount = mount_of(where, root)
    told = lines(zip(("file system", "source", "mount options"), mount[1:])) if mount else ""
    disk = queue_of(where, root)
    if disk is None:
        return told + "disk: the kernel names none behind this file system\n"
    return told + lines([("disk", os.path.basename(disk)), ("model", read(disk, "device/model")),
                         *((f"queue/{name}", read(disk, "queue", name)) for name in OF_QUEUE)])


def citation(sweep):
    """https://citation-file-format.github.io"""
    version = sweep.get("version") or "unknown"
    date = (sweep.get("started") or "")[:10]
    return ("cff-version: 1.2.0\n"
            "message: If you use these measurements, please cite them as below.\n"
            "type: dataset\n"
            f"title: \"Measurements of logfile {version} by bench-sweep\"\n"
            "authors:\n  - name: \"The logfile authors\"\n"
            f"version: \"{version}\"\n" + (f"date-released: {date}\n" if date else "")
            + "license: MIT\n")


def contents(folder, where, sweep):
    """{name: bytes}, in order."""
    found = {}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if os.path.isfile(path) and name != NAME and not name.endswith(".part"):
            with open(path, "rb") as file:
                found[name] = file.read()
    made = {"machine.txt": machine(), "kernel.txt": kernel(), "storage.txt": storage(where),
            "CITATION.cff": citation(sweep)}
    found.update((name, text.encode("utf-8", "replace")) for name, text in made.items())
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in found.items())
    found["SHA256SUMS"] = sums.encode()
    return found


def bundle(folder, where, sweep):
    """Writes the artifact into the folder of a sweep, and returns its path."""
    path = os.path.join(folder, NAME)
    top = os.path.basename(os.path.abspath(folder))
    with tarfile.open(f"{path}.part", "w:gz") as tar:
        for name, data in contents(folder, where, sweep).items():
            entry = tarfile.TarInfo(f"{top}/{name}")
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
    os.replace(f"{path}.part", path)
    return path
