"""`manage.py import_notes FILE…`: drafts of entries from notes, slides and BibTeX."""

import json
from argparse import ArgumentParser
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from kb.exchange import importing
from kb.exchange.notes import wording


class Command(BaseCommand):
    help = (
        "Turn existing notes into drafts of entries, one for each paper: a book or its "
        "text, Markdown slides, a blog post, the text of a lecture, or BibTeX. Nothing "
        "is lost and nothing is written over; name the folder in KB_PAPERS_DIRS to "
        "read the drafts on the site."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", type=Path)
        parser.add_argument(
            "--into", type=Path, default=settings.VAR_DIR / "imported", metavar="DIR",
            help="folder of the drafts (default: %(default)s)",
        )
        parser.add_argument("--dry-run", action="store_true", help="write nothing")
        parser.add_argument("--json", action="store_true", help="the report as JSON")

    def handle(
        self, *args: object, files: list[Path], into: Path, dry_run: bool, json: bool,
        **options: object,
    ) -> None:
        if into.exists() and not into.is_dir():
            raise CommandError(f"{into} is a file; name a folder with --into")
        report = importing.run(files, into, dry_run=dry_run)
        self.stdout.write(_json(report) if json else wording.as_text(report))
        if errors := report["errors"]:  # each of them stands in the report
            raise CommandError(f"{len(errors)} of {len(files)} could not be read")


def _json(report: object) -> str:
    return json.dumps(report, ensure_ascii=False, indent=2)
