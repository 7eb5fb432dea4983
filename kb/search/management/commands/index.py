"""`manage.py index`: bring the search index up to date."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from kb.search.generations import IndexBusy, IndexUnwritable
from kb.search.index import live_index


class Command(BaseCommand):
    help = "Rebuild the search index if the papers, the code or the analysis changed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--force", action="store_true", help="rebuild in any case")

    def handle(self, *args: object, force: bool = False, **options: object) -> None:
        try:
            done = live_index().refresh(force=force)
        except (IndexBusy, IndexUnwritable) as reason:
            raise CommandError(str(reason)) from reason
        state = f"rebuilt in {done.seconds:.2f} s" if done.rebuilt else "up to date"
        self.stdout.write(f"search index: {done.documents} documents, {state}")
