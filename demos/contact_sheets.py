"""Contact sheets: every demo on a few pictures, to look at them all at a glance.

    python -m demos.contact_sheets PICTURE … [--demos DEMO …] [--papers all]

Writes <demo>.png, a row for each set of pictures and all that the demo drew of them,
and all.png, each demo's first picture of each set. A demo that takes two pictures gets
a picture and the one after it. Ends with 1 if a demo failed.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from tqdm import tqdm

from demos import runner
from demos.drawing import pictures
from demos.examples import paper_of
from demos.fingerprint import ROOT
from demos.offers import papers_with
from demos.specs import DEMOS, Demo

CELL = 340  # pixels; as wide as a phone shows a picture
Drawn = dict[str, Image.Image]


def rows(demo: Demo, given: Sequence[Path]) -> Iterator[tuple[str, list[Path]]]:
    """A name and the pictures for each run of the demo; one run if it takes none."""
    if not demo.images[1]:
        yield demo.name, []
        return
    for first, file in enumerate(given):
        wanted = max(1, demo.images[0])
        yield file.stem, list(islice(cycle(given), first, first + wanted))


def drawn(demo: Demo, paper: str, given: list[Path]) -> Drawn:
    """The pictures of one run by name, in their order."""
    with TemporaryDirectory() as folder:
        result = runner.run(demo.name, paper, given, {}, Path(folder))
        return {
            artifact.name: framed(Path(folder, artifact.file))
            for artifact in result.artifacts if artifact.kind == "image"
        }


def framed(file: Path) -> Image.Image:
    """A picture in the middle of a square cell, never enlarged."""
    with Image.open(file) as picture:
        small = picture.convert("RGB")
    small.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
    cell = Image.new("RGB", (CELL, CELL), pictures.GROUND)
    cell.paste(small, ((CELL - small.width) // 2, (CELL - small.height) // 2))
    return cell


def sheet_of(made: dict[str, Drawn]) -> Image.Image:
    """A row for each run, a column for each picture that any of them drew."""
    names = list(dict.fromkeys(name for one in made.values() for name in one))
    empty = Image.new("RGB", (CELL, CELL), pictures.GROUND)
    cells = [one.get(name, empty) for one in made.values() for name in names]
    labels = [f"{run}: {name}" for run in made for name in names]
    return pictures.sheet(cells, labels, columns=len(names))


def tried(
    demo: Demo, papers: list[str], given: Sequence[Path]
) -> dict[str, Drawn | None]:
    """What the demo drew in each run, by picture; None where it failed.

    Several papers' runs are told apart by their names too.
    """
    made: dict[str, Drawn | None] = {}
    for paper in papers:
        for name, files in rows(demo, given):
            run = name if len(papers) == 1 else f"{paper}, {name}"
            try:
                made[run] = drawn(demo, paper, files)
            except Exception:
                made[run] = None
                sys.stderr.write(f"{demo.name} with {paper} on {name}:\n")
                traceback.print_exc()
    return made


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m demos.contact_sheets", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pictures", nargs="+", type=Path, metavar="PICTURE")
    parser.add_argument("--demos", nargs="+", choices=DEMOS, default=list(DEMOS))
    parser.add_argument(
        "--papers", choices=["example", "all"], default="example",
        help="run each demo with its example's paper, or with all that offer it",
    )
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "gallery")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    leads: list[tuple[str, Image.Image]] = []
    failed = False
    for demo in tqdm([DEMOS[name] for name in args.demos]):
        papers = papers_with(demo) if args.papers == "all" else [paper_of(demo)]
        made = tried(demo, papers, args.pictures)
        failed = failed or None in made.values()
        if found := {run: one for run, one in made.items() if one}:
            sheet_of(found).save(args.out / f"{demo.name}.png")
            leads += [(demo.name, next(iter(one.values()))) for one in found.values()]
    if leads:
        labels, cells = zip(*leads, strict=True)
        columns = 2 * min(3, len(args.pictures))
        pictures.sheet(cells, labels, columns).save(args.out / "all.png")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
