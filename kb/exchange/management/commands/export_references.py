"""`manage.py export_references [SLUG…]`: references on standard output."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from kb.catalogue.library import library
from kb.catalogue.papers import Paper
from kb.exchange.formats import FORMATS, citable


class Command(BaseCommand):
    help = "Write the references of some papers, or of all, to standard output."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slugs", nargs="*", metavar="SLUG", help="default: all")
        parser.add_argument("--format", choices=FORMATS, default="bibtex")

    def handle(
        self, *args: object, slugs: list[str], format: str, **options: object
    ) -> None:
        papers = [_paper(slug) for slug in slugs] or library().papers.values()
        self.stdout.write(FORMATS[format].write(citable(papers)), ending="")


def _paper(slug: str) -> Paper:
    found = library().get(slug)
    if found is not None:
        return found
    near = library().nearest(slug)
    remedy = f"did you mean {near.slug}?" if near else "see the names in papers/"
    raise CommandError(f"there is no paper {slug!r}; {remedy}")
