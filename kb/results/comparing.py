"""Whether rows can be set side by side, and what has to be said when they are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kb.results.choice import Choice
from kb.results.plot import Plot, draw
from kb.results.table import Row

MOST = 40  # more marks than that are a wall, not a picture
OFFERED = 8
NAMED = 4
PIXELS = re.compile(r"\b(\d+) ?px\b")
KINDS = {
    "protocol": ("protocol", "protocols"),
    "pretraining": ("kind of pre-training data", "kinds of pre-training data"),
    "pixels": ("input size", "input sizes"),
    "backbone": ("backbone", "backbones"),
}


@dataclass(frozen=True)
class Offer:
    """A narrower question: what it is called, how many rows it has, its parameters."""

    label: str
    count: int
    query: str


@dataclass(frozen=True)
class Comparison:
    """A plot with what its rows differ in; or why there is none, and what to choose."""

    sentence: str
    plot: Plot | None = None
    offers: tuple[Offer, ...] = ()


def compare(rows: list[Row], choice: Choice, names: Mapping[str, str]) -> Comparison:
    """What can be drawn of the rows that a choice leaves. names: papers by slug."""
    measured = Counter((row.dataset, row.metric) for row in rows)
    if len(rows) < 2:
        return Comparison("")
    if len(measured) > 1:
        return Comparison(_incomparable(rows), offers=_measurements(measured, choice))
    if len(rows) <= MOST:
        return Comparison(differences(rows), draw(rows, names))
    # sorted() is stable, and so equal numbers keep the order of the table.
    best = sorted(rows, key=lambda row: row.goodness, reverse=True)[:MOST]
    sentence = f"Of {len(rows)} values, the {MOST} best. {differences(best)}"
    return Comparison(sentence, draw(best, names), _narrower(rows, choice))


def differences(rows: list[Row]) -> str:
    """What rows of one dataset and metric differ in besides the method; or nothing."""
    found = {
        "protocol": {row.protocol for row in rows},
        "pretraining": {row.pretraining for row in rows if row.pretraining},
        "pixels": {f"{size} px" for row in rows if (size := pixels(row))},
        "backbone": {row.backbone for row in rows if row.backbone},
    }
    parts = [_counted(KINDS[kind], of) for kind, of in found.items() if len(of) > 1]
    if not parts:
        return ""
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"These rows mix {listed}: compare within one."


def pixels(row: Row) -> int:
    """The input size that is stated, 0 where none is."""
    found = PIXELS.search(f"{row.protocol} {row.backbone} {row.method}")
    return int(found[1]) if found else 0


def _counted(kind: tuple[str, str], of: Iterable[str]) -> str:
    values = sorted(of)
    shown = ", ".join(values[:NAMED])
    more = f" and {len(values) - NAMED} more" if len(values) > NAMED else ""
    return f"{len(values)} {kind[1]} ({shown}{more})"


def _incomparable(rows: list[Row]) -> str:
    """Several things were measured; how many of which kind."""
    datasets, metrics = {r.dataset for r in rows}, {r.metric for r in rows}
    kinds = [
        f"{len(datasets)} datasets" if len(datasets) > 1 else "",
        f"{len(metrics)} metrics" if len(metrics) > 1 else "",
    ]
    return (
        f"These {len(rows)} rows are of {' and '.join(filter(None, kinds))} and have "
        "no common scale. To see some of them drawn, choose what was measured:"
    )


def _measurements(
    measured: Counter[tuple[str, str]], choice: Choice
) -> tuple[Offer, ...]:
    """The commonest pairs of dataset and metric."""
    return tuple(
        Offer(
            f"{metric} on {dataset}", count,
            choice.only("dataset", dataset).only("metric", metric).query,
        )
        for (dataset, metric), count in measured.most_common(OFFERED) if count > 1
    )


def _narrower(rows: list[Row], choice: Choice) -> tuple[Offer, ...]:
    """The commonest values of the first column that would tell the rows apart."""
    for column in ("protocol", "pretraining", "backbone"):
        counts = Counter(value for row in rows if (value := getattr(row, column)))
        if len(counts) > 1:
            return tuple(
                Offer(value, count, choice.only(column, value).query)
                for value, count in counts.most_common(OFFERED)
            )
    return ()
