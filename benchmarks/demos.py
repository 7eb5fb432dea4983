"""How long a demo takes, beside the least that it could take.

    python benchmarks/demos.py [--json]

ratio = ours / floor. The floor of a demo is the bare forward pass of its model and the
packing of the same pictures and of the one they carry; both sides take turns, so they
see the same machine. The floor of a cold start is a process that only imports torch.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from PIL import Image  # noqa: E402

from demos import stamps  # noqa: E402

PICTURE = ROOT / "static" / "examples" / "cat.png"


def row(what: str, ms: float, floor_ms: float) -> dict[str, Any]:
    return {"what": what, "ms": round(ms, 1), "floor_ms": round(floor_ms, 1),
            "ratio": round(ms / floor_ms, 2)}


def timed(work: Callable[[], Any]) -> float:
    """Milliseconds of one call."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def in_turns(
    what: str, ours: Callable[[], Any], floor: Callable[[], Any], turns: int = 15
) -> dict[str, Any]:
    """The least of many turns on either side."""
    times = [(timed(ours), timed(floor)) for _ in range(turns)]
    return row(what, *(min(column) for column in zip(*times, strict=True)))


def cold(folder: Path) -> dict[str, Any]:
    """From the shell to the files, in a process that has nothing loaded."""
    fresh = (str(folder / f"cold{n}") for n in itertools.count())

    def process(*arguments: str) -> None:
        env = {**os.environ, "KB_STAGE_DIR": next(fresh), "OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, *arguments], cwd=ROOT, env=env, check=True,
                       capture_output=True)

    return in_turns(
        "attention, cold: against importing torch",
        lambda: process("-m", "demos", "attention", str(PICTURE), "--paper", "dino",
                        "--out", str(folder / "cold")),
        lambda: process("-c", "import torch"), turns=3,
    )


def warm(folder: Path) -> list[dict[str, Any]]:
    """The same in a process that has done it before, and its sliders."""
    from demos import runner

    fresh = (folder / f"stages{n}" for n in itertools.count())
    opacities = itertools.cycle(n / 20 for n in range(20))
    seeds = itertools.count()
    out = folder / "out"
    out.mkdir()

    def attention(cache: Path) -> None:
        options = {"opacity": next(opacities)}
        runner.run("attention", "dino", [PICTURE], options, out, cache=cache)

    def reconstruction() -> None:
        options = {"seed": next(seeds)}
        runner.run("reconstruction", "mae", [PICTURE], options, out)

    kept = folder / "kept"
    attention(kept)
    packing, forward = packed(out), attention_pass()
    rows = [
        in_turns("attention, warm: against forward pass and packing",
                 lambda: attention(next(fresh)), lambda: (forward(), packing())),
        in_turns("attention, a slider moved: against packing",
                 lambda: attention(kept), packed(out, layers=False)),
        stored(kept),
    ]
    out = folder / "other"
    out.mkdir()
    reconstruction()
    packing, forward = packed(out), reconstruction_pass()
    return [*rows, in_turns(
        "reconstruction, warm: against forward pass and packing",
        reconstruction, lambda: (forward(), packing()),
    )]


def packed(out: Path, layers: bool = True) -> Callable[[], None]:
    """Packs the pictures of a finished run again. layers: also the partial ones."""
    names = [f for f in out.glob("*.png") if layers or not f.name.startswith("layer_")]
    pictures = [Image.open(file).convert("RGB") for file in names]
    # What the first one carries.
    pictures.append(stamps.reduced(Image.open(PICTURE), stamps.INPUT_SIDE))
    target = out / "packed"

    def pack() -> None:
        for picture in pictures:
            picture.save(target, "PNG", **stamps.PACKING)

    return pack


def attention_pass() -> Callable[[], Any]:
    """The model's `get_attention` on the picture as the demo fits it."""
    import torch

    from demos import fingerprint, runner
    from demos.intake import images
    from demos.pieces import tokens

    loaded = runner.warm("dino", "*.get_attention", fingerprint.weights_hash("dino"))
    fitted = tokens.fit(images.read(PICTURE), loaded, "auto")
    x = loaded.normalise(torch.from_numpy(images.to_array(fitted.image))[None])
    return torch.no_grad()(lambda: loaded.model.get_attention(x))


def reconstruction_pass() -> Callable[[], Any]:
    """MAE on the picture's middle square."""
    import torch

    from demos import fingerprint, runner
    from demos.intake import images

    loaded = runner.warm("mae", "reconstruct", fingerprint.weights_hash("mae"))
    fitted = images.square(images.read(PICTURE), loaded.image_side)
    x = loaded.normalise(torch.from_numpy(images.to_array(fitted.image))[None])
    return torch.no_grad()(lambda: loaded.model(x))


def stored(folder: Path) -> dict[str, Any]:
    """A stage from the disk, against reading the bytes of its file."""
    from demos.stages import Stages

    [file] = folder.iterdir()
    return in_turns("a stored stage, found and read",
                    lambda: Stages(folder).read(file), file.read_bytes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [cold(Path(folder)), *warm(Path(folder))]
    if args.json:
        print(json.dumps(rows, indent=1))
        return
    for entry in rows:
        print(f"{entry['what']:56} {entry['ms']:9.1f} ms  "
              f"floor {entry['floor_ms']:8.1f}  x{entry['ratio']}")


if __name__ == "__main__":
    main()
