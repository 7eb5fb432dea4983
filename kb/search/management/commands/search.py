"""`manage.py search "…"`: the hits of a query on the shell."""

import html
import re
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from kb.search.service import Hit, search
from kb.search.unavailable import NO_INDEX


class Command(BaseCommand):
    help = "Search the papers; the same language and order as on the site."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("query", nargs="+")
        parser.add_argument("--page", type=int, default=1)
        parser.add_argument("--exact", action="store_true", help="correct no spelling")

    def handle(
        self, *args: object, query: list[str], page: int, exact: bool, **options: object
    ) -> None:
        try:
            answer = search(" ".join(query), page=page, exact=exact)
        except NO_INDEX as fault:
            raise CommandError(str(fault)) from fault
        self.stdout.write(answer.query.understood)
        for hit in answer.results:
            self._write(hit)
        self.stdout.write(f"{answer.count} hits in {answer.took_ms:.0f} ms")

    def _write(self, hit: Hit) -> None:
        where = f" ({hit.section})" if hit.section else ""
        self.stdout.write(f"\n{hit.kind:9} {self.style.SUCCESS(hit.title)}{where}")
        self.stdout.write(f"          {hit.url}")
        plain = html.unescape(re.sub("</?mark>", "", hit.snippet))
        self.stdout.write(f"          {' '.join(plain.split())}")
