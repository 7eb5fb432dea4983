"""Attention divided between what changes slowly and what changes fast."""

from dataclasses import replace

from demos.specs.demo import VIT, Demo
from demos.specs.inside import LAYER
from demos.specs.looking import ACROSS, DOWN
from demos.specs.option import Option

WINDOW = Option(
    "window", "choice", "2", choices=("2", "4"), label="Window side", late=True,
    help="Patches along a side of a window: Hi-Fi looks inside it, Lo-Fi averages it.",
)
ALPHA = Option(
    "alpha", "float", 0.9, low=0.0, high=1.0, step=0.05, label="Share of Lo-Fi heads",
    late=True,
    help="Rounded down to whole heads. 0 leaves Hi-Fi alone, 1 Lo-Fi alone; the paper "
         "takes 0.9.",
)

FREQUENCIES = Demo(
    name="frequencies",
    title="High and low frequencies",
    summary="Send a trained layer's heads through windows or to the pooled map, and "
            "see where each looks and how much detail is left in its answer.",
    images=(1, 1),
    options=(WINDOW, ALPHA, replace(LAYER, default=2), ACROSS, DOWN),
    needs=("*.hifi", "*.lofi", "from_plain"),
    seconds=60,
    unit="layer",
    model=VIT,
)

HILO_SPEED = Demo(
    name="hilo_speed",
    title="HiLo against the clock",
    summary="Time the layer on the page against plain attention on maps of growing "
            "size, here and now, beside the multiply-adds that each needs.",
    images=(0, 0),
    options=(
        replace(
            WINDOW, choices=("2", "4", "8"), late=False,
            help="Pixels along a side of a window: larger ones leave Lo-Fi fewer keys.",
        ),
        replace(ALPHA, late=False),
    ),
    needs=("*.hifi", "*.lofi", "*.flops"),
    seconds=60,
    unit="map",
    fresh=True,
)
