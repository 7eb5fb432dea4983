"""HiLo against the clock: this machine's milliseconds beside the counted work.

Plain attention is the same layer with windows of one pixel, so both run the same code.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from demos.drawing.plots import Axis, plot
from demos.results import Recorder
from demos.scene import Card, Numbers, Scene

SIDES = (8, 16, 24, 32, 40, 48)  # of the map; every window divides them
REPEATS = 5       # the fastest counts: what is slower was disturbed
ENOUGH = 0.5      # seconds after which a layer is not timed once more
PLAIN = "plain attention"
COLUMNS = [
    "map", "tokens", "plain, ms", "HiLo, ms", "times as fast",
    "plain, M multiply-adds", "HiLo, M multiply-adds", "times less work",
]

WEIGHTS = Card(
    "no weights", "random numbers", True,
    "Time does not depend on what was learnt, so nothing trained takes part.",
)


@dataclass(frozen=True)
class Row:
    """Both layers on one map: milliseconds and millions of multiply-adds."""

    side: int
    ms: tuple[float, float]    # plain, HiLo
    work: tuple[float, float]

    @property
    def faster(self) -> float:
        """How many times as fast HiLo is."""
        return self.ms[0] / self.ms[1]

    @property
    def less(self) -> float:
        """How many times less it computes."""
        return self.work[0] / self.work[1]

    def cells(self) -> list[str]:
        """Under COLUMNS."""
        ms, work = ([f"{v:.1f}" for v in pair] for pair in (self.ms, self.work))
        ends = (f"{self.faster:.2f}", f"{self.less:.2f}")
        size = (f"{self.side} × {self.side}", str(self.side**2))
        return [*size, *ms, ends[0], *work, ends[1]]


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """Time both layers on maps of growing size, and count what they compute."""
    window, alpha = int(str(scene.options["window"])), float(scene.options["alpha"])
    config = scene.module.Config()
    plain, hilo = (
        scene.module.HiLo(config.dim, config.num_heads, s, alpha, config.qkv_bias)
        .to(scene.device)
        for s in (1, window)
    )
    rows = []
    for step, side in enumerate(SIDES):
        scene.recorder.progress(step, len(SIDES), f"Timing {side} × {side}")
        x = torch.randn(1, side**2, config.dim, device=scene.device)
        ms = [1000 * fastest(one, x, side, scene.recorder) for one in (plain, hilo)]
        work = [one.flops(side, side) / 1e6 for one in (plain, hilo)]
        rows.append(Row(side, (ms[0], ms[1]), (work[0], work[1])))
    named = f"HiLo, {hilo.h_heads} high and {hilo.l_heads} low heads, window {window}"
    draw(rows, named, scene)
    scene.recorder.progress(len(SIDES), len(SIDES), "Done")
    return {
        "tokens": [row.side**2 for row in rows],
        "plain_ms": [round(row.ms[0], 3) for row in rows],
        "hilo_ms": [round(row.ms[1], 3) for row in rows],
        "times_as_fast": [round(row.faster, 2) for row in rows],
        "times_less_work": [round(row.less, 2) for row in rows],
    }


def fastest(layer: nn.Module, x: Tensor, side: int, recorder: Recorder) -> float:
    """Seconds of the fastest of a few passes, after one that only warms up."""
    best, total = float("inf"), 0.0
    for turn in range(REPEATS + 1):
        recorder.alive()
        started = time.perf_counter()
        layer(x, side, side)
        if x.is_cuda:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - started
        total += seconds
        if turn:
            best = min(best, seconds)
        if turn and total > ENOUGH:
            break
    return best


# Pictures


def draw(rows: Sequence[Row], hilo: str, scene: Scene) -> None:
    """Two plots over the number of tokens, and the table."""
    last = rows[-1]
    said = (
        f"At {last.side**2} tokens HiLo is {last.faster:.1f} times as fast, with "
        f"{last.less:.1f} times fewer multiply-adds."
    )
    draw_plot(
        rows, hilo, scene.recorder, "ms", "milliseconds",
        f"Measured just now on this machine ({hardware(scene)}), the fastest of up to "
        f"{REPEATS} passes; on both axes equal steps are equal factors. {said} Plain "
        "attention runs on a fused kernel here. A busy machine gives other numbers, "
        "another kind of machine another picture.",
    )
    draw_plot(
        rows, hilo, scene.recorder, "work", "million multiply-adds",
        f"The same layers by counting in place of timing. {said} Where the two differ, "
        "time went into moving numbers about, not into arithmetic.",
    )
    scene.recorder.table(
        "table", "Each map in numbers.", COLUMNS, [row.cells() for row in rows]
    )


def hardware(scene: Scene) -> str:
    """On what the passes ran, in words."""
    if scene.device.type != "cpu":
        return scene.device.type
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' * (threads > 1)}"


def draw_plot(
    rows: Sequence[Row], hilo: str, recorder: Recorder, field: str, unit: str,
    caption: str,
) -> None:
    """Both layers' values of one field of the rows, over the number of tokens."""
    series = {
        name: [(float(row.side**2), getattr(row, field)[n]) for row in rows]
        for n, name in enumerate((PLAIN, hilo))
    }
    ends = "; ".join(
        f"{name} from {points[0][1]:.3g} to {points[-1][1]:.3g}"
        for name, points in series.items()
    )
    recorder.picture(
        field, plot(series, Axis("tokens", log=True), Axis(unit, log=True)), caption,
        f"Plot of {unit} over {rows[0].side**2} to {rows[-1].side**2} tokens: {ends}.",
    )
