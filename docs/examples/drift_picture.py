# SPDX-License-Identifier: MIT
"""A picture of bench-report in one file: how fast each run was, by when it began.

    scripts/bench-report results.json --picture docs/examples/drift_picture.py

What drifts shows as a slope, or as a step, that all variants have in common.
"""

from benchlib.blocks import Section, figure, paragraph, writers_title
from benchlib.charts import Axis, Line, both_widths, line_chart
from benchlib.looks import looks_of
from benchlib.wording import count, short


def runs_of(dataset, writers):
    """With that many writers, in the order of their beginnings."""
    rows = [row for row in dataset.rows if row.writers == writers and row.get("started_at")
            and row.get("records_per_s") and not row.interrupted]
    return sorted(rows, key=lambda row: row.get("started_at"))


def lines_of(rows):
    """A line for each variant: seconds since the first run, and records a second."""
    begin = rows[0].get("started_at")
    found = {}
    for row in rows:
        rate, after = row.get("records_per_s"), row.get("started_at") - begin
        words = f"{row.variant}, round {row.round}: {count(rate)}/s"
        found.setdefault(row.variant, []).append((after, rate, rate, rate, words))
    looks = looks_of(list(found))
    return [Line(variant, looks[variant], points) for variant, points in found.items()
            if len(points) > 1]


def sections(dataset):
    writers = max(dataset.distinct("writers"))
    rows = runs_of(dataset, writers)
    lines = lines_of(rows) if rows else []
    if not lines:
        return []
    words = "Records a second of each run, by when it began: " + ", ".join(line.name for line in lines)
    picture = both_widths(lambda width: line_chart(
        "Drift", words, Axis("seconds since the first run", short, log=False),
        Axis("records/s", short, log=False), lines, width=width, height=300))
    content = paragraph("Each point is one run. Variants that rise and fall together were moved by the"
                        " machine.", "quiet")
    content += figure("Drift", f"records/s, {writers_title(writers)}", picture, dataset, whole=True)
    return [Section(f"{dataset.name}-drift", "Drift: how fast each run was, by when it began", content)]
