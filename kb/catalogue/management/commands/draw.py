"""Draws papers/figures/*.toml as SVG files beside them."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError

from kb.catalogue.drawing import description, svg
from kb.catalogue.drawing.description import DescriptionError


def draw(path: Path) -> str:
    """The SVG of one description. Raises CommandError that names the file."""
    try:
        return svg.standalone(description.read(path), settings.BASE_DIR / "static")
    except DescriptionError as error:
        raise CommandError(f"{path.name} {error}") from None


class Command(BaseCommand):
    """`manage.py draw [slug …]`: writes those that have changed."""

    help = "draw papers/figures/*.toml as SVG"
    requires_system_checks = ()  # a figure is missing until it is drawn

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slugs", nargs="*", help="papers; all when left out")

    def handle(self, *args: Any, slugs: list[str], **options: Any) -> None:
        folder = settings.PAPERS_DIR / "figures"
        found = sorted(folder.glob("*.toml"))
        wanted = [p for p in found if not slugs or any(_of(p, slug) for slug in slugs)]
        if slugs and not wanted:
            raise CommandError(f"no description of {', '.join(slugs)} in {folder}")
        written = 0
        for path in wanted:
            target, drawing = path.with_suffix(".svg"), draw(path)
            if not target.exists() or target.read_text(encoding="utf-8") != drawing:
                target.write_text(drawing, encoding="utf-8")
                written += 1
        self.stdout.write(f"{len(wanted)} drawings, {written} written")


def _of(path: Path, slug: str) -> bool:
    """mae_pipeline is MAE's; dinov2_pipeline is not DINO's, nor moco_v3_x MoCo's."""
    stems = {p.stem for p in settings.PAPERS_DIR.glob("*.md")}
    own = [s for s in stems | {slug} if path.stem.startswith(f"{s}_")]
    return max(own, key=len, default="") == slug
