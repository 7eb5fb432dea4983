"""Django's check, and behind it how much of each module its entry explains."""

from __future__ import annotations

from typing import Any

from django.core.management.commands.check import Command as DjangoCheck

from kb.catalogue import coverage
from kb.catalogue.coverage import Coverage
from kb.catalogue.library import library

ROW = "{:<24}{:>11}{:>16}  {}"


class Command(DjangoCheck):
    """`manage.py check`: fails like Django's, then prints the coverage."""

    def handle(self, *args: Any, **options: Any) -> None:
        whole = not (args or options["tags"] or options["list_tags"])
        try:
            super().handle(*args, **options)
        finally:
            if whole and options["verbosity"]:
                self.stdout.write(table())


def table() -> str:
    """Equations linked and lines explained, one row for each paper, then the totals."""
    papers = [paper for paper in library().papers.values() if paper.module]
    found = {paper.slug: coverage.of(paper) for paper in papers}
    rows = [ROW.format("paper", "equations", "lines explained", "")]
    rows += [row(slug, one) for slug, one in found.items()]
    rows.append(row(f"{len(found)} papers", sum(found.values(), Coverage())))
    return "\n".join(line.rstrip() for line in rows)


def row(name: str, one: Coverage) -> str:
    share = f"{one.explained}/{one.lines} {one.explained / max(one.lines, 1):4.0%}"
    silent = f"not a word of {', '.join(one.silent)}" if one.silent else ""
    return ROW.format(name, f"{one.linked}/{one.equations}", share, silent)
