"""What models of video see of a clip."""

from demos.specs.demo import Demo
from demos.specs.option import SEED, Option

TIME_ARROW = Demo(
    name="time_arrow",
    title="The arrow of time",
    summary="Play your clip forwards and backwards as the network sees it: as motion "
            "alone. One of the two it must call forwards.",
    images=(1, 1),
    options=(
        Option(
            "camera", "bool", True, label="Take camera motion away",
            help="Subtract the motion that all pixels share, as the paper does so that "
                 "the cameraman does not give the direction away.",
        ),
        Option(
            "mirror", "bool", False, label="Mirror",
            help="Left and right exchanged. The arrow of time stays the same, so "
                 "mirrored clips are free data.",
        ),
    ),
    needs=("lucas_kanade", "make_aot_batch", "flip_flow", "stabilize", "aot_loss"),
    seconds=20,
    unit="picture",
    clip=True,
)

CUBIC_PUZZLE = Demo(
    name="cubic_puzzle",
    title="Space-time puzzle",
    summary="Cut your clip into four pieces in space or in time, shuffle them, and see "
            "what is done so that the order cannot be guessed by cheating.",
    images=(1, 1),
    options=(
        Option(
            "cut", "choice", "spatial", choices=("spatial", "temporal"),
            label="Cut in",
            help="spatial: four quarters of the frame at the same time. temporal: four "
                 "times at the same place.",
        ),
        Option(
            "grey", "bool", True, label="One colour channel",
            help="One of red, green and blue in place of all three. Colour fringes of "
                 "the lens would tell where in the frame a piece was.",
        ),
        Option(
            "jitter", "bool", True, label="Jitter",
            help="Each piece is a smaller window of its cell at a random place, so "
                 "edges of neighbours do not meet.",
        ),
        SEED,
    ),
    needs=("cubic_puzzle", "cells", "replicate_channel", "jitter"),
    seconds=20,
    unit="picture",
    clip=True,
)

CLIP_VIEWS = Demo(
    name="clip_views",
    title="Views of a clip",
    summary="What this paper's method cuts out of one clip to learn from: when in "
            "time, where in the frame, and how it looks to the network.",
    images=(1, 1),
    options=(SEED,),
    needs=("clip_views",),
    seconds=30,
    unit="view",
    clip=True,
    example="brave",
)

POINTER = Demo(
    name="pointer",
    title="Tracking by pointing",
    summary="Colour a grey clip from its first frame: each place points at places "
            "before it and copies their colour, or a mark that you set.",
    images=(1, 1),
    options=(
        Option(
            "x", "float", 0.4, low=0.0, high=1.0, step=0.01, label="Mark: across",
            late=True, help="Middle of the marked square: 0 is left, 1 is right.",
        ),
        Option(
            "y", "float", 0.5, low=0.0, high=1.0, step=0.01, label="Mark: down",
            late=True, help="0 is the top, 1 the bottom.",
        ),
        Option(
            "size", "float", 0.3, low=0.1, high=0.8, step=0.05, label="Mark: size",
            late=True, help="Side of the square in shares of the frame's shorter side.",
        ),
        Option(
            "temperature", "float", 0.5, low=0.05, high=2.0, step=0.05,
            label="Temperature", late=True,
            help="Low: each place points at one place. High: at many, and colours mix. "
                 "The paper tracks at 0.5.",
        ),
        Option(
            "steps", "int", 100, low=10, high=300, step=10, label="Training steps",
            help="On this clip alone, from random weights. After half a minute it "
                 "stops by itself.",
        ),
        SEED,
    ),
    needs=("pointer_copy", "track", "rgb_to_lab", "tokens", "training_step"),
    seconds=60,
    unit="step",
    clip=True,
)

NEXT_FRAME = Demo(
    name="next_frame",
    title="The next frame",
    summary="Train two small networks on your clip to paint the frame that comes next, "
            "one by squared error and one that is told to be sharp as well.",
    images=(1, 1),
    options=(
        Option(
            "steps", "int", 100, low=20, high=400, step=20, label="Training steps",
            help="For each network, on patches of this clip alone without its last "
                 "frames.",
        ),
        SEED,
    ),
    needs=("pyramid", "predict", "lp_loss", "gdl_loss", "psnr", "sharpness_diff"),
    seconds=60,
    unit="step",
    clip=True,
)
