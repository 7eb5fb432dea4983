"""Make the examples that the site shows: each demo run on the example picture.

    python -m demos.examples [DEMO …]

For each demo that is not done anew each time, `static/examples/<demo>/` gets
`<paper>.json` and its pictures. The paper is the spec's `example`; the weights are the
bundled ones, whatever this machine has, and all options are at their defaults.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from tqdm import tqdm

from demos.fingerprint import ROOT
from demos.offers import papers_with
from demos.results import Artifact, Result
from demos.specs import DEMOS, Demo, check_options

EXAMPLES = ROOT / "static" / "examples"
MAX_BYTES = 60_000  # of each picture
QUALITIES = (84, 74, 60)


def make(demo: Demo, folder: Path) -> None:
    """Run one demo and replace its folder of examples."""
    from demos import runner

    with TemporaryDirectory() as scratch:
        out, paper = Path(scratch, "out"), paper_of(demo)
        out.mkdir()
        result = runner.run(
            demo.name, paper, inputs(demo), {}, out, cache=Path(scratch, "stages")
        )
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        pictures = [
            keep(out, artifact, folder, paper)
            for artifact in result.artifacts if artifact.kind == "image"
        ]
    text = json.dumps(
        described(demo, paper, result, pictures), indent=1, ensure_ascii=False
    )
    (folder / f"{paper}.json").write_text(text + "\n")


def paper_of(demo: Demo) -> str:
    """The paper whose code makes the example."""
    return demo.example or papers_with(demo)[0]


def inputs(demo: Demo) -> list[Path]:
    """The example pictures, the cat first: all that the demo takes or has to have.

    A demo of clips gets the clip.
    """
    if demo.clip:
        return [EXAMPLES / "rabbit.webp"]
    found = sorted(EXAMPLES.glob("*.png"), key=lambda file: (file.stem != "cat", file))
    number = max(demo.images[0], min(len(found), demo.images[1]))
    return list(islice(cycle(found), number))


def described(
    demo: Demo, paper: str, result: Result, pictures: list[dict[str, str]]
) -> dict[str, object]:
    """What the JSON file holds."""
    return {
        "demo": demo.name, "paper": paper, "options": check_options(demo, {}),
        "weights": result.weights, "numbers": result.numbers,
        "seconds": result.seconds, "pictures": pictures,
    }


def keep(out: Path, artifact: Artifact, folder: Path, paper: str) -> dict[str, str]:
    """Write a result's picture small enough for a page."""
    file = f"{paper}_{artifact.name}.webp"
    with Image.open(out / artifact.file) as picture:
        (folder / file).write_bytes(small(picture.convert("RGB")))
    return {"file": file, "alt": artifact.alt, "caption": artifact.caption}


def small(picture: Image.Image) -> bytes:
    """The picture as WebP: exact where that is no larger, else as good as may be."""
    while True:
        exact = webp(picture, lossless=True)
        for quality in QUALITIES:
            packed = min(exact, webp(picture, quality=quality), key=len)
            if len(packed) <= MAX_BYTES:
                return packed
        picture = picture.reduce(2)


def webp(picture: Image.Image, **options: bool | int) -> bytes:
    """The picture packed with these options."""
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", method=6, **options)
    return buffer.getvalue()


def bundled_weights_only(empty: Path) -> None:
    """Hide what this machine has beside the bundled checkpoints."""
    for name in ("KB_WEIGHTS_DIR", "KB_ALLOW_HUB"):
        os.environ.pop(name, None)
    os.environ["HF_HUB_CACHE"] = str(empty)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m demos.examples", description=__doc__
    )
    kept = [demo.name for demo in DEMOS.values() if not demo.fresh]
    parser.add_argument("demos", nargs="*", metavar="DEMO", help=", ".join(kept))
    chosen = parser.parse_args().demos or kept
    if unknown := set(chosen) - set(kept):
        parser.error(f"{', '.join(unknown)}: choose from {', '.join(kept)}")
    with TemporaryDirectory() as empty:
        bundled_weights_only(Path(empty))
        for name in tqdm(chosen):
            make(DEMOS[name], EXAMPLES / name)


if __name__ == "__main__":
    main()
