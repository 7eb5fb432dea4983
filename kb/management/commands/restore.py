"""A back-up into this site, which must not be running."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError

from kb.operations import backup
from kb.operations.parts import Trouble


class Command(BaseCommand):
    """`manage.py restore FILE`"""

    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--force", action="store_true", help="replace the runs that are here"
        )

    def handle(self, *args: Any, file: Path, force: bool, **options: Any) -> None:
        if backup.anything_there() and not force:
            raise CommandError(
                "there are runs here already; name an empty KB_VAR_DIR and database, "
                "or replace them with --force"
            )
        try:
            said, gone = backup.restore(file)
        except Trouble as trouble:
            raise CommandError(str(trouble)) from trouble
        deleted = f"; {gone} had been deleted meanwhile" if gone else ""
        self.stdout.write(
            f"{said.runs} runs and {said.files} files of {said.made[:16]} are back"
            f"{deleted}. Start the site: the search index makes itself anew."
        )
