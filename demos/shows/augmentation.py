"""Augmentation demo: one view built change by change, and each change by itself.

The picture goes through the paper's own `augment` again and again, each time with the
same luck and with other changes switched off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import ModuleType

from torch import Tensor

from demos.drawing import boards
from demos.intake import images
from demos.pieces import seeing
from demos.pieces.seeing import SIDE
from demos.pieces.watching import COLOURS, Drawn, read, watcher
from demos.results import Recorder
from demos.scene import Numbers, Scene
from reference_impls.simclr import Augmentation, normalize, random_resized_crop

# After crop and flip, in this order: the change, and the chance that switches it.
CHANCES = {
    "colours": "jitter", "grey": "grey", "blur": "blur", "solarised": "solarize",
}
NOTES = {"flip": "flip", **CHANCES, "grey": "greyscale"}  # as a diary has them
LOW, HIGH = -2.12, 2.64  # of normalised pixels: black in red, white in blue


@dataclass(frozen=True)
class Maker:
    """The paper's `augment` with everything but the distribution fixed."""

    module: ModuleType
    pixels: Tensor  # (1, 3, H, W) in [0, 1]
    side: int       # of the view
    seed: int
    alive: Callable[[], None]

    def view(self, how: Augmentation) -> Tensor:
        """(3, S, S) in [0, 1]."""
        luck = watcher(self.seed, self.alive)
        return self.module.augment(self.pixels, how, self.side, luck)[0]

    def drawn(self, how: Augmentation) -> Drawn:
        """What the same luck comes to."""
        luck = watcher(self.seed, self.alive)
        self.module.augment(self.pixels, how, self.side, luck)
        return read(luck.diary)[0]

    def crop(self, how: Augmentation) -> Tensor:
        """The first step by itself, (3, S, S)."""
        luck = watcher(self.seed, self.alive)
        return random_resized_crop(self.pixels, self.side, how.area, luck)[0]


def show(scene: Scene) -> Numbers:
    """The chosen view's changes one after the other, then each alone."""
    recorder, strength = scene.recorder, float(scene.options["strength"])
    recorder.progress(0, 2, "Changing the picture")
    maker, how, which = prepared(scene)
    how = stronger(how, strength)
    steps, drawn = built(maker, how), maker.drawn(how)
    draw_steps(recorder, steps, drawn, how, which)
    recorder.progress(1, 2, "Each change alone")
    single = alone(maker, how)
    draw_alone(recorder, single, how, strength)
    named = {f"after_{name}": view for name, view in steps.items()}
    named |= {f"only_{name}": view for name, view in single.items()}
    recorder.arrays(
        "steps", "The view after each step, and after each change alone, (3, S, S) in "
        "[0, 1]; normalised: as the network reads it.",
        **{name: view.cpu().numpy() for name, view in named.items()},
    )
    return {
        "drawn": drawn.done,
        "crop_share": round(drawn.share, 3),
        "offsets": [round(offset, 3) for offset in drawn.colours or []],
        "blur_pixels": round(drawn.sigma or 0, 2),
    }


def prepared(scene: Scene) -> tuple[Maker, Augmentation, str]:
    """The luck, the distribution of the chosen view, and which view that is."""
    pixels = seeing.pixels_of(scene.picture).to(scene.device)
    seed, module = int(scene.options["seed"]), scene.module
    told = seeing.settings(module)
    sides = {
        view.drawn.how: view.pixels.shape[-1] if view.pixels.ndim == 3 else SIDE
        for view in seeing.seen(
            module, pixels, watcher(seed, scene.recorder.alive), told
        )
    }
    hows = list(sides)
    chosen = min(("first", "second").index(str(scene.options["view"])), len(hows) - 1)
    which = f"distribution {chosen + 1} of {len(hows)}"
    if len(hows) == 1:
        which = "all views are drawn alike"
    how = hows[chosen]
    assert how is not None, f"{scene.paper} has `augment` and names no distribution"
    alive = scene.recorder.alive
    return Maker(module, pixels, sides[how], seed, alive), how, which


def stronger(how: Augmentation, strength: float) -> Augmentation:
    """The same with colours that may move this many times as far."""
    return replace(how, **{name: strength * getattr(how, name) for name in COLOURS})


def chances(how: Augmentation) -> dict[str, str]:
    """The changes that this distribution has."""
    return {name: c for name, c in CHANCES.items() if getattr(how, c, 0)}


def only(how: Augmentation, kept: Mapping[str, float]) -> Augmentation:
    """With these chances, and never anything else but crop and flip."""
    return replace(how, **dict.fromkeys(chances(how).values(), 0.0) | kept)


def built(maker: Maker, how: Augmentation) -> dict[str, Tensor]:
    """The view after each step: every one has the luck of the last."""
    steps = {"crop": maker.crop(how), "flip": maker.view(only(how, {}))}
    kept: dict[str, float] = {}
    for name, chance in chances(how).items():
        kept[chance] = getattr(how, chance)
        steps[name] = maker.view(only(how, kept))
    return {**steps, "normalised": normalize(steps[name][None])[0]}


def alone(maker: Maker, how: Augmentation) -> dict[str, Tensor]:
    """Crop and flip with one change each, as if it were always drawn."""
    changed = {
        name: maker.view(only(how, {chance: 1.0}))
        for name, chance in chances(how).items()
    }
    return {"unchanged": maker.view(only(how, {})), **changed}


# Pictures


def draw_steps(
    recorder: Recorder,
    steps: dict[str, Tensor],
    drawn: Drawn,
    how: Augmentation,
    which: str,
) -> None:
    """One tile for each step."""
    tiles = [images.from_array(view.cpu().numpy()) for view in steps.values()]
    last = steps["normalised"]
    tiles[-1] = images.from_array(((last - LOW) / (HIGH - LOW)).cpu().numpy())
    labels = [f"{i + 1} {name}\n{fate(name, drawn)}" for i, name in enumerate(steps)]
    labels[-1] += f"{last.min():.1f} to {last.max():.1f}"
    odds = ", ".join(
        f"{name} {100 * getattr(how, chance):.0f} %"
        for name, chance in chances(how).items()
    )
    said = ", ".join([f"crop of {100 * drawn.share:.0f} %", *drawn.said])
    recorder.picture(
        "steps", boards.board(tiles, labels, 3),
        f"One view, step by step, each made from the one before ({which}). Drawn here: "
        f"{said}. Every step has its chance: flip 50 %, {odds}; another seed draws "
        "others. The last tile shows what the network reads, numbers as brightness.",
        f"{len(tiles)} tiles from crop to normalised view. Drawn: {said}.",
    )


def fate(name: str, drawn: Drawn) -> str:
    """Whether a step did anything this time."""
    if name == "crop":
        return f"{100 * drawn.share:.0f} %"
    if name == "normalised":
        return ""
    return "drawn" if NOTES[name] in drawn.done else "not drawn"


def draw_alone(
    recorder: Recorder, single: dict[str, Tensor], how: Augmentation, strength: float
) -> None:
    """One tile for each change, as if drawn."""
    tiles = [images.from_array(view.cpu().numpy()) for view in single.values()]
    reach = ", ".join(f"{name} ± {getattr(how, name):.2g}" for name in COLOURS)
    recorder.picture(
        "alone", boards.board(tiles, list(single), 2),
        "Each change by itself on the same crop, as if it were always drawn. Colours "
        f"may move by {reach} (hue in turns of the colour circle): {strength:g} times "
        "the paper's strength. What survives all of them, mostly shape, is what the "
        "network can still go by.",
        f"{len(tiles)} tiles of the same crop: {', '.join(single)}.",
    )
