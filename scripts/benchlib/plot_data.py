"""What scripts/plot draws: python3 plot_data.py RESULTS FOLDER writes a file for each engine, with its
writers, records a second and p99 in milliseconds, and `head`, gnuplot's variables."""
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))
from benchlib.command import give_up, run  # noqa: E402
from benchlib.results import read_results  # noqa: E402
from benchlib.stats import median  # noqa: E402

STEPS = [step * 10.0 ** power for power in range(-9, 16) for step in (1, 2, 5)]


def axis(name, values):
    """Its scale, from and to one of the steps, with labels at powers of ten, or closer if it is short."""
    low = max(step for step in STEPS if step < min(values) / 1.1)
    high = min(step for step in STEPS if step > max(values) * 1.1)
    labels = [f"{step:g}" for number, step in enumerate(STEPS)
              if low * 0.999 <= step <= high * 1.001 and (number % 3 == 0 or high / low <= 1000)]
    return f'{name}_low={low:g}; {name}_high={high:g}; {name}_labels="{", ".join(labels)}"'


def place_of(row):
    kind = row.device.get("kind")
    if kind == "file":
        name = row.device.get("name")
        return f"{row.filesystem.get('type')}" + (f" on {name}" if name else "")
    if kind == "delay":
        return f"a device whose sync takes {row.device.get('delay_us'):g} us"
    return "a null device"


def main(words):
    path, folder = words
    rows = [row for row in read_results(path)[0]
            if row.option("preset") is None and row.get("p99_us") is not None]
    if not rows:
        give_up(f"{path}: no result of logfile-bench that could be drawn")
    points = {}
    for row in rows:
        rounds = points.setdefault(row.engine, {}).setdefault(row.writers, [])
        rounds.append((row.get("records_per_s"), row.get("p99_us") / 1000))
    drawn = [(engine, writers, *map(median, zip(*rounds)))
             for engine, of_engine in points.items() for writers, rounds in sorted(of_engine.items())]
    for engine in points:
        with open(os.path.join(folder, engine), "w", encoding="utf-8") as file:
            file.writelines(f"{writers} {rate} {p99}\n" for one, writers, rate, p99 in drawn
                            if one == engine)
    writers = sorted({point[1] for point in drawn})
    machine = f"{rows[-1].machine.get('hardware_threads')} hardware threads, {rows[-1].machine.get('cpu')}"
    machine = re.sub(r"\((R|TM)\)", "", re.sub(r'[\\"]', " ", machine))
    with open(os.path.join(folder, "head"), "w", encoding="utf-8") as file:
        print(axis("rate", [point[2] for point in drawn]), axis("p99", [point[3] for point in drawn]),
              f"writers_low={writers[0] / 1.2}; writers_high={writers[-1] * 1.2}",
              f'engines="{" ".join(points)}"; tics="{", ".join(map(str, writers))}"',
              f'what="{rows[-1].get("size_bytes"):g} B records on {place_of(rows[-1])}"; machine="{machine}"',
              sep="\n", file=file)
    return 0


if __name__ == "__main__":
    run("plot", main)
