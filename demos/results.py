"""What goes in and comes out of a demo: progress, pictures, numbers. No torch."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from demos import stamps
from demos.drawing.pictures import stamped

Numbers = dict[str, float | int | str | list]

SILENCE = 0.3  # seconds between two reports in a stretch of work without steps
UNTRAINED = "Untrained: the weights are random, the pattern means nothing."


class Cancelled(Exception):
    """Raised by `report` to stop a demo; nothing but the runner's caller catches it."""


@dataclass(frozen=True)
class Artifact:
    """A file that a demo made. The caption says everything that is written in it."""

    name: str
    kind: Literal["image", "data", "table"]
    file: str  # inside the run's folder
    caption: str
    alt: str = ""
    # Width and height of the part, from its top left corner, that stands for the plane
    # in which the options x and y choose a place; None where they do not.
    plane: tuple[int, int] | None = None


@dataclass(frozen=True)
class Progress:
    """How far a demo is. series: new points only; artifact: a partial picture."""

    step: int
    total: int
    message: str
    series: dict[str, list[tuple[int, float]]] | None = None
    artifact: Artifact | None = None


@dataclass(frozen=True)
class Result:
    """What a demo ends with; `weights` is the card of the weights used."""

    artifacts: list[Artifact]
    numbers: Numbers
    weights: dict[str, object]
    seconds: float
    device: str
    seed: int
    code_version: str


@dataclass
class Recorder:
    """Writes a demo's files and reports its progress.

    about: what every PNG carries of how it was made; see demos.stamps.
    inputs: the frames of each picture that was sent; the first picture of the result
    carries them.
    untrained: whether pictures get a red band that says so.
    packers: write pictures while the demo draws the next; see `finish`.
    """

    out: Path
    about: Mapping[str, object]
    inputs: Sequence[Sequence[Image.Image]]
    untrained: bool
    report: Callable[[Progress], None]
    packers: Executor
    artifacts: list[Artifact] = field(default_factory=list)
    packing: dict[str, Future[None]] = field(default_factory=dict)  # by file
    latest: Progress = field(default_factory=lambda: Progress(0, 1, ""))
    reported: float = 0.0

    def progress(
        self,
        step: int,
        total: int,
        message: str,
        series: dict[str, list[tuple[int, float]]] | None = None,
        artifact: Artifact | None = None,
    ) -> None:
        """Report a step. Raises Cancelled where the other side wants an end."""
        if artifact and artifact.file in self.packing:
            self.packing[artifact.file].result()  # what is reported can be fetched
        self.latest = Progress(step, total, message)
        self.reported = time.monotonic()
        self.report(Progress(step, total, message, series, artifact))

    def alive(self) -> None:
        """Repeat the last report if that is some time ago: cheap, call it anywhere."""
        if time.monotonic() - self.reported > SILENCE:
            last = self.latest
            self.progress(last.step, last.total, last.message)

    def picture(
        self,
        name: str,
        image: Image.Image,
        caption: str,
        alt: str,
        partial: bool = False,
        plane: bool = False,
    ) -> Artifact:
        """Write a PNG, stamped if untrained; a partial one is no part of the result.

        image: not to be changed any more. plane: whether x and y can be chosen in it.
        """
        place = image.size if plane else None  # the stamp is no part of it
        if self.untrained:
            image, caption = stamped(image), f"{caption} {UNTRAINED}"
            alt = f"{alt} {UNTRAINED}"
        first = not partial and all(a.kind != "image" for a in self.artifacts)
        inputs = self.inputs if first else ()
        file = f"{name}.png"
        if file in self.packing:
            self.packing[file].result()  # never two at once on one file
        self.packing[file] = self.packers.submit(
            stamps.write, self.out / file, image, self.about, inputs
        )
        made = Artifact(name, "image", file, caption, alt, place)
        return self._keep(made, partial)

    def arrays(self, name: str, caption: str, **arrays: np.ndarray) -> Artifact:
        """Write numbers as an NPZ file."""
        np.savez_compressed(self.out / f"{name}.npz", allow_pickle=False, **arrays)
        return self._keep(Artifact(name, "data", f"{name}.npz", caption))

    def table(
        self, name: str, caption: str, columns: list[str], rows: list[list[str]]
    ) -> Artifact:
        """Write a table as JSON: {"columns": […], "rows": [[…], …]}."""
        text = json.dumps({"columns": columns, "rows": rows}, ensure_ascii=False)
        (self.out / f"{name}.json").write_text(text + "\n")
        return self._keep(Artifact(name, "table", f"{name}.json", caption))

    def parameters(self, name: str, caption: str, content: Mapping) -> Artifact:
        """Write a JSON file."""
        text = json.dumps(content, indent=2, ensure_ascii=False)
        (self.out / f"{name}.json").write_text(text + "\n")
        return self._keep(Artifact(name, "data", f"{name}.json", caption))

    def finish(self) -> None:
        """Wait until all pictures are written. Raises what writing one raised."""
        for packed in self.packing.values():
            packed.result()

    def _keep(self, artifact: Artifact, partial: bool = False) -> Artifact:
        if not partial:
            self.artifacts.append(artifact)
        return artifact
