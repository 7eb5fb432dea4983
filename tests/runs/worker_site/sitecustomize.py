"""Put on PYTHONPATH of a worker under test: demos without torch, as slow as asked.

The seed is the number of steps, each a twentieth of a second, so a test chooses how
long a run takes.
"""

import sys
import time
import types

STEP_SECONDS = 0.05


def run(demo, paper, images, options, out, report):
    """Count, report each step, and draw nothing but a line of text."""
    from demos.results import Artifact, Progress, Result

    steps = options["seed"]
    for step in range(steps):
        report(Progress(step, steps, "counting", {"loss": [(step, 1 / (step + 1))]}))
        time.sleep(STEP_SECONDS)
    (out / "numbers.json").write_text("{}")
    artifact = Artifact("numbers", "data", "numbers.json", "Numbers.")
    weights = {"name": "none", "source": "", "trained": False, "note": "untrained"}
    seconds = steps * STEP_SECONDS
    return Result([artifact], {"steps": steps}, weights, seconds, "cpu", steps, "test")


runner = types.ModuleType("demos.runner")
runner.run = run
sys.modules["demos.runner"] = runner
