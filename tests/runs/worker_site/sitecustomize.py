"""Put on PYTHONPATH of a worker under test: demos without torch, as slow as asked.

The option `steps`, or else the seed, is the number of steps, so a test chooses how long
a run takes. What comes out depends on options and pictures alone.
"""

import os
import sys
import time
import types

STEP_SECONDS = float(os.environ.get("FAKE_STEP_SECONDS", "0.05"))


def run(demo, paper, images, options, out, report):
    """Count, report each step, and draw nothing but a line of text."""
    from PIL import Image

    from demos.results import Artifact, Progress, Result

    steps = options.get("steps", options["seed"])
    for step in range(steps):
        report(Progress(step, steps, "counting", {"loss": [(step, 1 / (step + 1))]}))
        time.sleep(STEP_SECONDS)
    colours = [Image.open(path).getpixel((0, 0)) for path in images]
    (out / "numbers.json").write_text(str(colours))
    artifact = Artifact("numbers", "data", "numbers.json", "Numbers.")
    weights = {"name": "none", "source": "", "trained": False, "note": "untrained"}
    seconds = steps * STEP_SECONDS
    numbers = {"steps": steps, "seen": str([options["seed"], *colours])}
    return Result([artifact], numbers, weights, seconds, "cpu", steps, "test")


runner = types.ModuleType("demos.runner")
runner.run = run
sys.modules["demos.runner"] = runner
