"""The core steps of the papers, each beside an independent implementation.

    python benchmarks/reference_impls.py [--paper SLUG …] [--seconds S] [--json]

One thread, float32, forward and backward where a step is a loss. ratio = peer / ours:
above 1 ours is faster. Where no package has the step, the peer is the plainest
transcription of its formula and is called that.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from benchmarks.side_by_side import measure  # noqa: E402

STEPS = Path(__file__).parent / "steps"


def papers() -> list[str]:
    """Slugs that have steps to time."""
    return sorted(path.stem for path in STEPS.glob("[a-z]*.py"))


def rows(chosen: list[str], seconds: float) -> Iterator[dict[str, Any]]:
    """One measured row per step."""
    for paper in chosen:
        for step in import_module(f"benchmarks.steps.{paper}").steps():
            yield {"paper": paper, **measure(step, seconds)}


def geometric_mean(ratios: list[float]) -> float:
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paper", nargs="+", default=papers(), choices=papers())
    parser.add_argument("--seconds", type=float, default=4.0, help="per step")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="lightly|timm")
    found = []
    for row in rows(args.paper, args.seconds):
        found.append(row)
        if not args.json:
            print(f"{row['step']:<62}{row['ours_ms']:>10.3f}{row['peer_ms']:>10.3f}"
                  f"{row['ratio']:>8.2f}  {row['peer']}", flush=True)
    if args.json:
        print(json.dumps(found, indent=2))
    else:
        mean = geometric_mean([row["ratio"] for row in found])
        slow = [row["step"] for row in found if row["ratio"] < 0.95]
        print(f"{len(found)} steps, geometric mean {mean:.2f}, "
              f"slower than the peer by more than 5 %: {', '.join(slow) or 'none'}")


if __name__ == "__main__":
    main()
