"""Everything that cannot be made again into one file; the site may go on running."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError

from kb.operations import backup
from kb.operations.parts import Trouble


class Command(BaseCommand):
    """`manage.py backup FILE`"""

    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="such as vitrine-2026-01-31.tar.gz")
        parser.add_argument("--force", action="store_true", help="replace the file")

    def handle(self, *args: Any, file: Path, force: bool, **options: Any) -> None:
        if file.exists() and not force:
            raise CommandError(f"{file} is there already; --force replaces it")
        if not file.parent.is_dir():
            raise CommandError(f"{file.parent} is no folder; make it first")
        try:
            said = backup.save(file)
        except Trouble as trouble:
            raise CommandError(str(trouble)) from trouble
        size = file.stat().st_size / 1e6
        self.stdout.write(
            f"{file}: {said.runs} runs, {said.files} files, {size:.1f} MB. It holds "
            "the site's secret key and visitors' pictures: keep it to yourself."
        )
