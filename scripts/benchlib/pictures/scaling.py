"""The universal scalability law, where the rates leave its coefficients determined."""

from .. import svg, usl
from ..blocks import WRITERS, Section, figure, lines_of, paragraph, table
from ..charts import Axis, Line, both_widths, line_chart
from ..looks import Plain, looks_of
from ..wording import count, number_of, short, significant


def fits_of(dataset):
    """{variant: the law fitted to its rates by writers}."""
    found = {}
    for variant in dataset.distinct("variant"):
        rows = [row for row in dataset.rows if row.variant == variant and not row.interrupted]
        if len({row.writers for row in rows}) > 1:
            found[variant] = usl.fit([(row.writers, row.get("records_per_s")) for row in rows],
                                     rows[0].machine.get("hardware_threads"))
    return {variant: fit for variant, fit in found.items() if fit}


def with_ends(triple):
    return f"{significant(triple[0])} ({significant(triple[1])} to {significant(triple[2])})"


def row_of_fit(variant, fit):
    if not fit.identifiable:
        return [svg.escape(variant), "–", "–", "–", (fit.reason,)]
    peak = f"{significant(fit.peak)} writers" if fit.peak else "none"
    return [svg.escape(variant), with_ends(fit.contention), with_ends(fit.crosstalk), peak, ("",)]


def line_of_fit(variant, fit, look):
    places = sorted(fit.points)
    steps = [places[0] * (places[-1] / places[0]) ** (i / 40) for i in range(41)]
    points = [(place, fit.at(place), fit.at(place), fit.at(place), "") for place in steps]
    return Line(f"{variant}, fitted", Plain(look), points)


def sections(dataset):
    if dataset.kind not in ("contention", "simulated"):
        return []
    fits = fits_of(dataset)
    if not fits:
        return []
    looks = looks_of(dataset.distinct("variant"))
    clear = {variant: fit for variant, fit in fits.items() if fit.identifiable}
    drawn = ""
    if clear:
        lines = [line for line in lines_of(dataset, WRITERS, "records_per_s", count)
                 if line.name in clear]
        lines += [line_of_fit(variant, fit, looks[variant]) for variant, fit in clear.items()]
        ticks = sorted({place for fit in clear.values() for place in fit.points})
        words = "Records a second against writers, and the law fitted to them"
        picture = both_widths(lambda width: line_chart(
            "Scaling", words, Axis("concurrent writers", short, ticks=ticks),
            Axis("records/s", short), lines, width=width, height=320))
        drawn = figure("The law and what was measured", "records/s", picture, dataset, whole=True)
    heads = ["variant", "contention", "crosstalk", "slower beyond", "why not"]
    content = paragraph("The universal scalability law: what waits for one another (contention) and"
                        " what must agree with one another (crosstalk), with 95 % intervals of a"
                        " bootstrap over rounds. It is about writers that each have a processor.",
                        "quiet") + drawn + table(
        heads, [row_of_fit(variant, fit) for variant, fit in fits.items()], "Scaling")
    finding = f"{len(clear)} of {number_of(len(fits), 'fit')} identifiable." if clear else (
        next(iter(fits.values())).reason.capitalize() + ".")
    return [Section(f"{dataset.name}-scaling", "Scaling: the universal scalability law", content,
                    finding)]
