"""What a text of the collection can point to, and where its problems go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from django.urls import reverse

from kb.catalogue.drawing import description
from kb.catalogue.drawing.description import Description, DescriptionError
from kb.catalogue.landmarks import Lines

if TYPE_CHECKING:
    from kb.catalogue.code import Module
    from kb.catalogue.papers import Paper


@dataclass
class Around:
    """Surroundings of one text (see kb.catalogue.sink).

    home: the folder of our own texts (papers/); None for a reader's note, which has
        neither concepts nor figures to point to
    module: the code beside the text, if there is any
    report: takes line, message and remedy of each problem
    unread: whether there is code beside the text that is no Python
    """

    shelf: Mapping[str, Paper]
    home: Path | None
    module: Module | None
    report: Callable[[int, str, str], None]
    unread: bool = False

    def lines(self, target: str) -> Lines | None:
        return self.module.find(target) if self.module else None

    def code_url(self, target: str) -> str | None:
        """Address of `slug/Symbol#landmark`, lines of another paper's module."""
        slug, slash, rest = target.partition("/")
        other = self.shelf.get(slug) if slash else None
        lines = other.module.find(rest) if other and other.module else None
        return f"{self._paper(slug)}#L{lines.first}" if lines else None

    def is_unread(self, target: str) -> bool:
        """Whether code cannot be found because its whole module is no Python."""
        slug, slash, _ = target.partition("/")
        other = self.shelf.get(slug) if slash else None
        return other.unread if other else self.unread

    def page_url(self, kind: str, name: str) -> str | None:
        """Address of one of the site's pages, if it exists."""
        match kind:
            case "paper":
                return self._paper(name)
            case "concept":
                known = self.home and (self.home / "concepts" / f"{name}.md").is_file()
                return reverse("connections:concept", args=[name]) if known else None
            case "compare":
                pair = [slug.strip() for slug in name.split(",")]
                known = len(pair) == 2 and all(slug in self.shelf for slug in pair)
                return reverse("connections:compare", args=pair) if known else None
            case "results" if name in self.shelf:
                return f"{reverse('results:page')}?paper={name}"
        return None

    def _paper(self, slug: str) -> str | None:
        known = slug in self.shelf
        return reverse("catalogue:paper", args=[slug]) if known else None

    def drawing(self, source: str) -> Description | None:
        """The description that the named SVG is drawn from."""
        path = self._figure(source)
        if path is None or not path.with_suffix(".toml").is_file():
            return None
        try:
            return description.read(path.with_suffix(".toml"))
        except DescriptionError as error:
            remedy = "mend its description"
            self.report(1, f"{path.with_suffix('.toml').name} {error}", remedy)
            return None

    def figure_url(self, source: str) -> str | None:
        path = self._figure(source)
        return reverse("catalogue:figure", args=[path.name]) if path else None

    def _figure(self, source: str) -> Path | None:
        """The file in papers/figures/ that a picture names, if it exists."""
        if self.home is None:
            return None
        path = self.home / "figures" / source.rpartition("/")[2]
        return path if path.is_file() else None
