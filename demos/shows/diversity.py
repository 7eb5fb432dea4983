"""Diversity of channels: how far they are from being copies, with GRN and without.

Off is the same network with every GRN's gamma and beta at zero, where it is the
identity. Channels are shown of that network, and behind one GRN of the other.
"""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from demos.drawing import pictures, plots
from demos.intake import images
from demos.listening import listening
from demos.scene import Numbers, Scene
from demos.specs import OptionError

SIDE = 128     # pixels that the network reads
SHOWN = 8      # channels
CELL = 200     # pixels, the longer side of a channel
UNLEARNT = (
    " Nothing was learnt here, so nothing has collapsed: random channels lie near 0.5 "
    "with GRN and without. The paper's collapse comes with masked training, and only "
    "there does GRN prevent it."
)


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """Draw the distances by layer, then loud and quiet channels of one layer."""
    stride = int(scene.loaded.model.stride)  # type: ignore[arg-type]
    fitted = images.fit(scene.picture, SIDE, stride)
    on = with_gamma(scene)
    read = scene.stage("channels", lambda: measure(scene, fitted, on))
    scene.recorder.progress(1, 1, "Drawing")
    layer = chosen_layer(scene, len(read["off"]))
    maps = torch.from_numpy(read[f"layer{layer}"])               # (1, C, h, w)
    plain = mixed(maps, float(scene.options["alike"]))
    grn = [m for m in on.modules() if isinstance(m, scene.module.GRN)][layer]
    behind = grn(plain.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # (1, C, h, w)
    distance = [distance_of(scene, one) for one in (plain, behind)]
    loud = [one[0].flatten(1).norm(dim=1) for one in (plain, behind)]  # two of (C,)
    draw_channels(scene, fitted, (plain[0], behind[0]), loud, layer, distance)
    draw_curves(scene, read, layer, distance[0])
    scene.recorder.arrays(
        "diversity", "Distance of channels by layer, (L,), without GRN and with it; "
        "and the length of every channel of the chosen layer, (C,), before GRN and "
        "behind it.", off=read["off"], on=read["on"], before=loud[0].numpy(),
        behind=loud[1].numpy(),
    )
    return {
        "layers": len(read["off"]), "layer": layer, "channels": plain.shape[1],
        "distance_off": rounded(read["off"]), "distance_on": rounded(read["on"]),
        "distance_shown": rounded(np.array(distance)),
        "loudest_to_mean": rounded(np.array([relative(one)[0] for one in loud])),
    }


# Networks


def with_gamma(scene: Scene, gamma: float | None = None) -> nn.Module:
    """A copy of the network with every GRN at the chosen strength, or at `gamma`.

    It lies on the CPU, where stored channels go through its GRNs.
    """
    model = deepcopy(scene.loaded.model).cpu()
    word = str(scene.options["gamma"])
    if word == "auto":
        word = "learnt" if scene.loaded.card.trained else "1"
    if gamma is None and word != "learnt":
        gamma = float(word)
    for part in model.modules():
        if gamma is not None and isinstance(part, scene.module.GRN):
            nn.init.constant_(part.gamma, gamma)
            nn.init.zeros_(part.beta)
    return model


def measure(
    scene: Scene, fitted: images.Fitted, on: nn.Module
) -> dict[str, np.ndarray]:
    """The expensive stage: distances by layer, off and on (L,), and all maps when off.
    """
    array = torch.from_numpy(images.to_array(fitted.image))[None]
    x = scene.loaded.normalise(array.to(scene.device))
    found: dict[str, np.ndarray] = {}
    networks = {"off": with_gamma(scene, 0.0), "on": on}
    for n, (name, model) in enumerate(networks.items()):
        scene.recorder.progress(n, 2, f"The network with GRN {name} reads the picture")
        with listening(model, scene.recorder.alive):
            maps = scene.module.wide_channels(model.to(scene.device), x)
        found[name] = np.array([distance_of(scene, one) for one in maps])
        if name == "off":
            found |= {f"layer{i}": m.cpu().numpy() for i, m in enumerate(maps)}
        model.cpu()
    return found


def distance_of(scene: Scene, maps: Tensor) -> float:
    """The paper's distance between the channels of one picture, (1, C, h, w)."""
    return max(0.0, float(scene.module.feature_cosine_distance(maps)))


def chosen_layer(scene: Scene, layers: int) -> int:
    """The chosen layer, counted from 0. Raises OptionError beyond the last."""
    wanted = int(scene.options["layer"])
    if not -layers <= wanted < layers:
        message = f"this network has {layers} layers: choose 0 to {layers - 1}"
        raise OptionError("layer", message)
    return wanted % layers


def mixed(maps: Tensor, share: float) -> Tensor:
    """Every channel with that share of the mean channel: 1 makes all of them copies."""
    return torch.lerp(maps, maps.mean(1, keepdim=True).expand_as(maps), share)


def relative(loud: Tensor) -> Tensor:
    """Lengths of channels, longest first, as multiples of their mean."""
    return loud.sort(descending=True).values / loud.mean().clamp(min=1e-12)


def rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 4) for value in values]


# Pictures


def draw_curves(
    scene: Scene, read: dict[str, np.ndarray], layer: int, distance: float
) -> None:
    """Distances over the layers, with GRN and without."""
    layers = range(len(read["off"]))
    series = {
        f"GRN {name}": [(i, float(read[name][i])) for i in layers]
        for name in ("off", "on")
    }
    series["all copies"] = [(0, 0.0), (len(layers) - 1, 0.0)]
    if scene.options["alike"]:
        series["mixed by hand"] = [(layer, distance)]
    lows = " and ".join(f"{read[name].min():.3f} {name}" for name in ("off", "on"))
    honest = "" if scene.loaded.card.trained else UNLEARNT
    scene.recorder.picture(
        "diversity",
        plots.plot(series, plots.Axis("layer"), plots.Axis("distance of channels")),
        "How different the channels of this picture are in each layer: 0 if all are "
        f"copies of one, about 0.5 if they have nothing in common. Least: {lows}."
        f"{honest}",
        f"Two curves over {len(layers)} layers; their least values are {lows}.",
    )


def draw_channels(
    scene: Scene, fitted: images.Fitted, maps: tuple[Tensor, Tensor],
    loud: list[Tensor], layer: int, distance: list[float],
) -> None:
    """From the loudest channel to the quietest, before GRN and behind it."""
    order = loud[0].argsort(descending=True)
    shown = order[torch.linspace(0, len(order) - 1, SHOWN).round().long()]
    size = pictures.scaled(fitted.display, CELL).size
    even = [
        m[shown] / one.mean().clamp(min=1e-12)
        for m, one in zip(maps, loud, strict=True)
    ]
    tiles = on_one_scale(torch.cat(even).numpy(), size)
    labels = [
        f"{name} {value:.2f}"
        for name, one in zip(("off", "on"), loud, strict=True)
        for value in (one / one.mean().clamp(min=1e-12))[shown].tolist()
    ]
    top = [f"{float(relative(one)[0]):.2f}" for one in loud]
    hand = float(scene.options["alike"])
    by_hand = f" {100 * hand:.0f} % of each is the mean of all, by hand."
    scene.recorder.picture(
        "channels", pictures.sheet(tiles, labels, columns=4),
        f"{SHOWN} of the {len(order)} wide channels of layer {layer}, from the loudest "
        f"to the quietest: above before GRN, below the same behind it, each against "
        f"its mean channel, as the numbers are.{by_hand if hand else ''} GRN takes the "
        f"loudest from {top[0]} to {top[1]} times the mean. It makes loud channels "
        "louder, not different: their distance is "
        f"{distance[0]:.3f} before and {distance[1]:.3f} behind. Copies stay copies, "
        "so what keeps channels apart is training under this competition.",
        f"{SHOWN} channels as heat maps, twice; the loudest is {top[0]} times the mean "
        f"before GRN and {top[1]} times behind it.",
    )


def on_one_scale(maps: np.ndarray, size: tuple[int, int]) -> list[Image.Image]:
    """Heat maps of (n, h, w) in which equal colours are equal values."""
    beside = pictures.heat_map(
        np.concatenate(list(maps), axis=1), (size[0] * len(maps), size[1]), smooth=False
    )
    lefts = range(0, beside.width, size[0])
    return [beside.crop((left, 0, left + size[0], size[1])) for left in lefts]
