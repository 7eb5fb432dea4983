"""Reported numbers as places: what one paper says of one measurement.

Rows that differ only in method, backbone and pre-training are one place: its page is
the table narrowed to them, opened at the row that was meant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

from django.urls import reverse

from kb.results.choice import Choice
from kb.results.table import Row, table
from kb.results.views import PAGE_SIZE
from kb.search import analysis
from kb.search.place import Document, inside

COLUMNS = ("dataset", "metric", "protocol")


def documents(papers: Mapping[str, Document]) -> Iterator[Document]:
    """A place for each paper, dataset, metric and protocol. papers: by slug."""
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in table().rows:
        if row.paper in papers:
            groups[row.paper, row.dataset, row.metric, row.protocol].append(row)
    for (slug, *measured), rows in groups.items():
        yield _result(papers[slug], tuple(measured), rows)


def _result(whole: Document, measured: tuple[str, ...], rows: list[Row]) -> Document:
    dataset, metric, protocol = measured
    heading = f"{metric} on {dataset}, {protocol}"
    return inside(
        whole, "result", "", id=f"{whole.slug}:{', '.join(measured)}",
        title=f"{whole.paper[0]}: {heading}", section="", heading=heading,
        body="\n".join(map(_line, rows)), measured=measured,
        rows=tuple(row.line for row in rows), hint=0.6,
    )


def _line(row: Row) -> str:
    """One line: "76.5: SimCLR, ResNet-50 (4×), pre-trained on ImageNet-1k"."""
    learnt = f"pre-trained on {row.pretraining}" if row.pretraining else ""
    told = filter(None, [row.method, row.backbone, learnt])
    return f"{row.value}: {', '.join(told)}"


def told(document: Document, words: str) -> str:
    """The line of the row that says most of the words."""
    return document.body.split("\n")[_meant(document, words)]


def address(document: Document, words: str) -> str:
    """The table with the place's rows alone, opened at that row."""
    choice = Choice().only("paper", document.slug)
    for column, value in zip(COLUMNS, document.measured, strict=True):
        choice = choice.only(column, value)
    at = _meant(document, words)
    page = {"page": at // PAGE_SIZE + 1} if at >= PAGE_SIZE else {}
    asked = [*choice.pairs, *page.items(), *([("h", words)] if words else [])]
    return f"{reverse('results:page')}?{urlencode(asked)}#row-{document.rows[at]}"


def _meant(document: Document, words: str) -> int:
    """The place in `rows` of the row with most of the words; the first of equals."""
    wanted = set(analysis.terms(words))
    said = [len(wanted & set(analysis.terms(t))) for t in document.body.split("\n")]
    return said.index(max(said))
