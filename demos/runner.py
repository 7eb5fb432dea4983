"""The only way to run a demo: one picture and options in, files and numbers out."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import get_type_hints

import torch
from PIL import Image
from torch import nn

from demos import (
    attention,
    fingerprint,
    images,
    pretraining,
    reconstruction,
    specs,
    verify,
)
from demos.offers import demos_of, papers_with
from demos.results import Artifact, Cancelled, Progress, Recorder, Result
from demos.weights import Card, Loaded, resolve

__all__ = ["Artifact", "Cancelled", "Progress", "Result", "run"]

FROM_NOTHING = Card(
    "trained in this run", "from random weights", True,
    "It has seen nothing but this picture, so it knows nothing else.",
)


# For demos that load no checkpoint.
OWN_WEIGHTS = {"pretraining": FROM_NOTHING, "verify": verify.STORED}


def run(
    demo: str,
    paper: str,
    pictures: Sequence[Path],
    options: Mapping[str, object],
    out: Path,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Result:
    """Run a demo on a paper's reference implementation, on one picture or on none.

    Files are written to `out`, which must exist. `report` is called at least twice a
    second and may raise Cancelled. Raises OptionError, ImageError, WeightsError, and
    ValueError for a demo or paper that does not exist or does not go together.
    """
    started = time.monotonic()
    prepare_torch()
    spec, module = offered(demo, paper)
    checked = specs.check_options(spec, options)
    picture = only_picture(spec, pictures)
    loaded = warm(demo, paper, fingerprint.weights_hash(paper))
    card = loaded.card if loaded else OWN_WEIGHTS[demo]
    seed, code = int(checked.get("seed", 0)), fingerprint.code_version(paper, demo)
    about = {
        "demo": demo, "paper": paper, "options": checked, "seed": seed,
        "weights": asdict(card), "code_version": code,
    }
    untrained = loaded is not None and not card.trained
    recorder = Recorder(out, about, untrained, report)
    if picture is None:
        numbers = verify.show(paper, recorder)
    else:
        numbers = perform(demo, module, loaded, picture, checked, recorder)
    seconds = round(time.monotonic() - started, 3)
    outcome = {"numbers": numbers, "seconds": seconds, "device": str(device())}
    recorder.parameters("params", "How to make this again.", {**about, **outcome})
    return Result(
        artifacts=recorder.artifacts, numbers=numbers, weights=asdict(card),
        seconds=seconds, device=str(device()), seed=seed, code_version=code,
    )


def perform(
    demo: str,
    module: ModuleType,
    loaded: Loaded | None,
    picture: Image.Image,
    options: Mapping,
    recorder: Recorder,
) -> dict[str, float | int | str | list]:
    """Hand over to the demo."""
    if loaded is None:
        return pretraining.show(module, picture, options, recorder, device())
    if demo == "reconstruction":
        return reconstruction.show(module, loaded, picture, options, recorder, device())
    return attention.show(loaded, picture, options, recorder, device())


def offered(demo: str, paper: str) -> tuple[specs.Demo, ModuleType]:
    """The demo's spec and the paper's module. Raises ValueError with the remedy."""
    if demo not in specs.DEMOS:
        raise ValueError(f"no demo {demo!r}; there are {', '.join(specs.DEMOS)}")
    spec = specs.DEMOS[demo]
    if spec not in demos_of(paper):
        others = ", ".join(papers_with(spec))
        raise ValueError(f"{paper!r} does not offer {demo}; these do: {others}")
    return spec, importlib.import_module(f"reference_impls.{paper}")


def only_picture(spec: specs.Demo, pictures: Sequence[Path]) -> Image.Image | None:
    """The submitted picture, decoded, where one is asked for.

    Raises ImageError, ValueError.
    """
    if len(pictures) != spec.images[1]:
        takes = "one picture" if spec.images[1] else "no picture"
        raise ValueError(f"{spec.name} takes {takes}, not {len(pictures)}")
    return images.read(pictures[0]) if pictures else None


def needed_class(spec: specs.Demo, module: ModuleType) -> type[nn.Module] | None:
    """The module's class that the demo looks at; None where it builds its own model."""
    if spec is specs.RECONSTRUCTION:
        return get_type_hints(module.reconstruct)["model"]
    if spec is specs.ATTENTION:
        classes = (v for v in vars(module).values() if isinstance(v, type))
        own = (c for c in classes if c.__module__ == module.__name__)
        return next(c for c in own if hasattr(c, "get_attention"))
    return None


@lru_cache(maxsize=3)
def warm(demo: str, paper: str, weights_hash: str) -> Loaded | None:
    """The model, kept in memory between runs; a changed file has another hash.

    None where the demo builds its own model.
    """
    spec, module = offered(demo, paper)
    model_class = needed_class(spec, module)
    return resolve(paper, demo, model_class) if model_class else None


def device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@cache
def prepare_torch() -> None:
    """One thread unless the operator chose: several collapse beside other processes."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
