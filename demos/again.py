"""A result once more, from one of its pictures alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from demos import stamps
from demos.results import Progress, Result
from demos.specs import DEMOS, MAX_BYTES

NO_STAMP = (
    "{name} does not say how it was made: take a PNG of a result as it was written; "
    "other programs drop the text in it when they save"
)
NO_INPUT = (
    "{name} does not carry the picture that was sent: only the first picture of a "
    "result does"
)


def again(
    file: Path,
    out: Path,
    report: Callable[[Progress], None],
    decoded: Callable[[list[Path], Path, bool], list[Path]],
) -> tuple[Result, list[str]]:
    """Run what made a result's PNG; the new result, and what is not as it was then.

    decoded: makes plain pictures of a stranger's, in a folder, or clips. Raises
    ValueError with the remedy, and what the runner raises.
    """
    with file.open("rb") as opened:
        stamp = stamps.read(opened.read(MAX_BYTES))
    if stamp is None:
        raise ValueError(NO_STAMP.format(name=file.name))
    spec = DEMOS.get(stamp.demo)
    if spec and spec.images[0] and stamp.picture is None:
        raise ValueError(NO_INPUT.format(name=file.name))
    from demos import runner  # torch enters here

    with TemporaryDirectory() as folder:
        (plain := Path(folder, "plain")).mkdir()
        clip = spec is not None and spec.clip
        pictures = decoded(written(stamp, Path(folder)), plain, clip)
        result = runner.run(
            stamp.demo, stamp.paper, pictures, stamp.options, out, report
        )
    return result, changes(stamp, result)


def written(stamp: stamps.Stamp, folder: Path) -> list[Path]:
    """The pictures that a stamp carries, as files."""
    carried = [stamp.picture, *stamp.others] if stamp.picture else []
    paths = [folder / f"{n}.png" for n in range(len(carried))]
    for path, data in zip(paths, carried, strict=True):
        path.write_bytes(data or b"")
    return paths


def changes(stamp: stamps.Stamp, result: Result) -> list[str]:
    """In words, what may make the two results differ."""
    said = []
    if stamp.code_version != result.code_version:
        said.append(f"code: {stamp.code_version} then, {result.code_version} now")
    if stamp.weights != result.weights["name"]:
        said.append(f"weights: {stamp.weights} then, {result.weights['name']} now")
    if stamp.picture:
        side = stamps.INPUT_SIDE
        said.append(f"picture: carried at no more than {side} pixels a side, lossless")
    return said
