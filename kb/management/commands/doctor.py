"""Is everything in place? One line for each part, with the remedy where it is not."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from django.core.management import BaseCommand, CommandError

from kb.operations import outside, parts


class Command(BaseCommand):
    """`manage.py doctor`: ends with 1 where something is wrong."""

    help = __doc__
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--url", help="open the site there, as visitors do, through its proxy"
        )

    def handle(self, *args: Any, url: str | None, **options: Any) -> None:
        asked = [(part.__name__, part) for part in parts.ALL]
        if url:
            asked += [
                (look.__name__, partial(look, url.rstrip("/"))) for look in outside.ALL
            ]
        sick = self.tell(asked)
        if sick:
            raise CommandError(f"{sick} of {len(asked)} parts need attention")

    def tell(self, asked: Iterable[tuple[str, Callable[[], str]]]) -> int:
        """Print a line for each; how many are not well."""
        sick = 0
        for name, part in asked:
            try:
                said, mark = part(), "ok "
            except Exception as error:
                said, mark, sick = str(error) or type(error).__name__, "BAD", sick + 1
            self.stdout.write(f"{mark} {name:9} {said}")
        return sick
