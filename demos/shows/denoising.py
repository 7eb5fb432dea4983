"""Denoising demo: what a decoder takes for noise, told how strong it is or not.

The training is stored, so the level of the noise that is shown is free to move.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from demos.drawing import boards
from demos.drawing.plots import Axis, plot
from demos.pieces.denoised import Denoised, denoise
from demos.pieces.hiding import HIDDEN, enlarged
from demos.pieces.noise_training import (
    LEVELS,
    SIGMA_MAX,
    TOLD,
    UNTOLD,
    restored,
    seed_of,
    trained,
    truth_of,
)
from demos.results import Recorder
from demos.scene import Card, Numbers, Scene

LIES = (0.25, 4.0)  # times the true level, as far as such levels occur in training
DEAF = 0.3          # dB between a right level and wrong ones
POINTS = 20         # of a curve of losses, each the mean of some steps

WEIGHTS = Card(
    "trained in this run", "from random weights", True,
    "They have seen nothing but this picture, so they know nothing else.",
)


def show(scene: Scene) -> Numbers:
    """Train both; then denoise the picture at the chosen level and at many."""
    started = time.monotonic()
    stored = scene.stage("training", lambda: trained(scene, started))
    models = {name: restored(scene, stored, name) for name in (TOLD, UNTOLD)}
    sigma, recorder = float(scene.options["sigma"]), scene.recorder
    right, untold, less, more = (
        denoise(models[name], truth_of(scene), sigma, claimed, seed_of(scene))
        for name, claimed in (
            (TOLD, sigma), (UNTOLD, sigma), *((TOLD, lie(sigma, t)) for t in LIES)
        )
    )
    early = said_early(stored)
    draw_pictures(recorder, sigma, right, untold, (less, more), early)
    draw_levels(recorder, stored["levels"])
    draw_losses(recorder, stored["losses"], early)
    recorder.arrays(
        "denoised", "Pictures (3, height, width) in [0, 1] before clipping; PSNR in dB "
        "by level (level, noisy, told, not told); denoising losses (step, told, not "
        "told).", truth=right.truth, noisy=right.noisy, told=right.restored,
        not_told=untold.restored, told_less=less.restored, told_more=more.restored,
        painted=right.painted, levels=stored["levels"], losses=stored["losses"],
    )
    ahead = stored["levels"][:, 2] - stored["levels"][:, 3]
    return {
        "steps": len(stored["losses"]),
        "psnr_noisy_db": right.score("noisy"), "psnr_told_db": right.score("restored"),
        "psnr_not_told_db": untold.score("restored"),
        "psnr_told_less_db": less.score("restored"),
        "psnr_told_more_db": more.score("restored"),
        "telling_gains_db": round(float(ahead.mean()), 2),
    }


def lie(sigma: float, times: float) -> float:
    """A wrong level to tell, of those that occur in training."""
    return min(times * sigma, LEVELS[-1])


def said_early(stored: dict[str, np.ndarray]) -> str:
    """A sentence where training ended before its time."""
    done, wanted = len(stored["losses"]), int(stored["steps"][0])
    short = f" Training stopped after {done} of {wanted} steps: time was up."
    return short if done < wanted else ""


# Pictures


def draw_pictures(
    recorder: Recorder, sigma: float, right: Denoised, untold: Denoised,
    lied: Sequence[Denoised], early: str,
) -> None:
    """What went in above, and four answers to it below."""
    seen = np.where(np.isnan(right.half), np.array(HIDDEN)[:, None, None], right.half)
    answers = {TOLD: right, UNTOLD: untold}
    answers |= {f"told {one.claimed:.2f}": one for one in lied}
    scores = {name: f"{one.score('restored'):.1f} dB" for name, one in answers.items()}
    noisy, painted = (f"{right.score(which):.1f} dB" for which in ("noisy", "painted"))
    arrays = [right.truth, right.noisy, seen, right.painted]
    arrays += [one.restored for one in answers.values()]
    labels = ["the picture", f"noise {sigma:.2f}\n{noisy}"]
    labels += ["half, as seen", f"painted unseen\n{painted}"]
    labels += [f"{name}\n{score}" for name, score in scores.items()]
    said = ", ".join(f"{name} {score}" for name, score in scores.items())
    recorder.picture(
        "denoised", boards.board(enlarged(arrays), labels, 4),
        f"Above: the picture; with noise of {sigma:.2f} deviations of a pixel ({noisy} "
        "from the truth); the half of its patches that a model sees at once; and all "
        f"patches painted without being seen ({painted}). Below: what the decoder "
        f"names as noise where it sees is taken away: {said}. {listens(right, lied)} "
        f"Both models learnt from this picture alone.{early}",
        f"Eight pictures: the picture, with noise ({noisy}), half of it, painted "
        f"({painted}), and denoised: {said}.",
    )


def listens(right: Denoised, lied: Sequence[Denoised]) -> str:
    """What wrong levels say of a decoder that was told the level in training."""
    lost = right.score("restored") - min(one.score("restored") for one in lied)
    if lost < DEAF:
        return (
            "Told a wrong level the decoder answers nearly the same: in so short a "
            "training, with noise this strong, it has not learnt to listen. The "
            "paper's noise is twenty times weaker."
        )
    return f"Told a wrong level the decoder loses up to {lost:.1f} dB: it listens."


def draw_levels(recorder: Recorder, levels: np.ndarray) -> None:
    """PSNR by the level of the noise."""
    names = ("noisy", TOLD, UNTOLD)
    series = {
        name: [(float(row[0]), float(row[n + 1])) for row in levels]
        for n, name in enumerate(names)
    }
    ahead = float((levels[:, 2] - levels[:, 3]).mean())
    recorder.picture(
        "levels", plot(series, Axis("noise, deviations of a pixel"), Axis("PSNR, dB")),
        "How near the answers come to the truth at each level of noise. Above the "
        "noisy curve denoising helps, below it harms: so small a model never names "
        f"exactly nothing. Being told gains {ahead:+.1f} dB on average here. The paper "
        "judges by the features, after training on many pictures with weaker noise.",
        f"PSNR over noise from {LEVELS[0]} to {LEVELS[-1]}: {ends(series)}.",
    )


def draw_losses(recorder: Recorder, losses: np.ndarray, early: str) -> None:
    """The denoising loss of both, step by step."""
    parts = np.array_split(losses, min(POINTS, len(losses)))
    means = [part.mean(0) for part in parts]
    series = {
        name: [(float(row[0]), float(row[n + 1])) for row in means]
        for n, name in enumerate((TOLD, UNTOLD))
    }
    recorder.picture(
        "losses", plot(series, Axis("step"), Axis("denoising loss")),
        "The denoising loss of both while they learn, each point the mean of some "
        "steps. Who always answers that there is no noise pays "
        f"{SIGMA_MAX**2 / 3:.2f}.{early}",
        f"Denoising loss by step: {ends(series)}.",
    )


def ends(series: dict[str, list[tuple[float, float]]]) -> str:
    """First and last value of each curve in words."""
    return "; ".join(
        f"{name} from {points[0][1]:.2f} to {points[-1][1]:.2f}"
        for name, points in series.items()
    )
