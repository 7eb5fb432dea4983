"""The only way to run a demo: pictures and options in, files and numbers out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cache, lru_cache
from importlib import import_module
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import get_type_hints

import torch
from PIL import Image
from torch import nn

from demos import fingerprint, specs
from demos.intake import frames, images
from demos.offers import demos_of, papers_with
from demos.results import Artifact, Cancelled, Progress, Recorder, Result
from demos.scene import NO_WEIGHTS, Scene
from demos.stages import Stages, usual_folder
from demos.weights import Loaded, resolve

__all__ = ["Artifact", "Cancelled", "Progress", "Result", "run"]

PACKERS = 2  # threads that pack pictures; more would only wait for each other


def run(
    demo: str,
    paper: str,
    pictures: Sequence[Path],
    options: Mapping[str, object],
    out: Path,
    report: Callable[[Progress], None] = lambda progress: None,
    cache: Path | None = None,
) -> Result:
    """Run a demo on a paper's reference implementation.

    Files are written to `out`, which must exist, and expensive stages to `cache`.
    `report` is called at least twice a second and may raise Cancelled. Raises
    OptionError, ImageError, WeightsError, and ValueError for a demo or paper that does
    not exist or does not go together.
    """
    started = time.monotonic()
    prepare_torch()
    spec, module = offered(demo, paper)
    checked = specs.check_options(spec, options)
    sent = decoded(spec, pictures)
    read = [clip[0] for clip in sent]
    weights_hash = fingerprint.weights_hash(paper)
    loaded = warm(paper, spec.model, weights_hash) if spec.model else None
    show = import_module(f"demos.shows.{demo}")
    card = loaded.card if loaded else getattr(show, "WEIGHTS", NO_WEIGHTS)
    seed, code = int(checked.get("seed", 0)), fingerprint.code_version(paper, demo)
    about = {
        "demo": demo, "paper": paper, "options": checked, "seed": seed,
        "weights": asdict(card), "code_version": code,
    }
    key = fingerprint.stage_key(paper, code, [*chain(*sent)])
    # However it ends, nothing is written to `out` after this.
    with ThreadPoolExecutor(PACKERS) as packers:
        recorder = Recorder(out, about, sent, not card.trained, report, packers)
        scene = Scene(
            spec, paper, module, loaded, read, checked, recorder,
            Stages(cache or usual_folder()), device(), key, sent[0] if sent else (),
        )
        numbers = show.show(scene)
        recorder.finish()
    seconds = round(time.monotonic() - started, 3)
    outcome = {"numbers": numbers, "seconds": seconds, "device": str(device())}
    recorder.parameters("params", "How to make this again.", {**about, **outcome})
    return Result(
        artifacts=recorder.artifacts, numbers=numbers, weights=asdict(card),
        seconds=seconds, device=str(device()), seed=seed, code_version=code,
    )


def offered(demo: str, paper: str) -> tuple[specs.Demo, ModuleType]:
    """The demo's spec and the paper's module. Raises ValueError with the remedy."""
    if demo not in specs.DEMOS:
        raise ValueError(f"no demo {demo!r}; there are {', '.join(specs.DEMOS)}")
    spec = specs.DEMOS[demo]
    if spec not in demos_of(paper):
        others = ", ".join(papers_with(spec))
        raise ValueError(f"{paper!r} does not offer {demo}; these do: {others}")
    return spec, import_module(f"reference_impls.{paper}")


def decoded(spec: specs.Demo, pictures: Sequence[Path]) -> list[list[Image.Image]]:
    """The submitted pictures, as many as are asked for: the frames of each.

    Raises ImageError, ValueError.
    """
    low, high = spec.images
    if not low <= len(pictures) <= high:
        number = ("no", "one", "two")[low] if low == high < 3 else f"{low} to {high}"
        takes = f"{number} picture{'s' * (high > 1)}"
        raise ValueError(f"{spec.name} takes {takes}, not {len(pictures)}")
    if spec.clip:
        return [frames.read(path) for path in pictures]
    return [[images.read(path)] for path in pictures]


@lru_cache(maxsize=3)
def warm(paper: str, need: str, weights_hash: str) -> Loaded:
    """The model for a need (see `Demo.model`), on the device, kept between runs.

    Demos that look at the same model share it; a changed file has another hash.
    """
    loaded = resolve(paper, need, needed_class(paper, need))
    loaded.model.to(device())
    return loaded


def needed_class(paper: str, need: str) -> type[nn.Module]:
    """The paper's class with the needed method, the needed function's network, or the
    class that is named.
    """
    file, _, name = need.partition(".")
    if name and file != "*":
        return getattr(import_module(f"reference_impls.{file}"), name)
    module = import_module(f"reference_impls.{paper}")
    if not need.startswith("*."):
        hints = get_type_hints(getattr(module, need)).values()
        types = (hint for hint in hints if isinstance(hint, type))
        return next(one for one in types if issubclass(one, nn.Module))
    classes = (v for v in vars(module).values() if isinstance(v, type))
    own = (c for c in classes if c.__module__ == module.__name__)
    return next(c for c in own if hasattr(c, need.removeprefix("*.")))


def device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@cache
def prepare_torch() -> None:
    """One thread unless the operator chose: several collapse beside other processes."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
