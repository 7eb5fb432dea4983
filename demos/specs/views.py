"""What a network gets to see of a picture while it learns."""

from demos.specs.demo import Demo
from demos.specs.option import SEED, Option

VIEWS = Demo(
    name="views",
    title="What the network gets to see",
    summary="The random views that this paper's own code makes of your picture: where "
            "they are cut, and what is done to them.",
    images=(1, 1),
    options=(
        Option(
            "draws", "int", 3, low=1, high=6, step=1, label="Draws",
            help="How often the dice are thrown anew for the same picture.",
        ),
        SEED,
    ),
    needs=("views",),
    seconds=10,
    unit="draw",
    example="byol",
)

MULTICROP = Demo(
    name="multicrop",
    title="Multi-crop",
    summary="Two large crops of your picture and several small ones, and which of them "
            "the loss compares with each other.",
    images=(1, 1),
    options=(
        Option(
            "local", "int", 8, low=1, high=12, step=1, label="Small crops",
            help="DINO takes 8, SwAV 6. The two large crops are always there.",
        ),
        SEED,
    ),
    needs=("dino_loss|swav_loss|dinov2_dino_loss",),
    seconds=5,
    unit="stage",
    example="dino",
)

AUGMENTATION = Demo(
    name="augmentation",
    title="A view, step by step",
    summary="Crop, flip, colours, grey, blur: how one random view of your picture is "
            "made, and what each change does alone.",
    images=(1, 1),
    options=(
        Option(
            "strength", "float", 1.0, low=0.0, high=2.0, step=0.125,
            label="Strength of colours",
            help="How far colours may move; 1 is this paper's own strength. The same "
                 "seed moves them in the same direction.",
        ),
        Option(
            "view", "choice", "first", choices=("first", "second"), label="View",
            help="Some papers draw their views from two distributions; where there is "
                 "one, both choices are the same.",
        ),
        SEED,
    ),
    needs=("augment",),
    seconds=5,
    unit="stage",
    example="simclr",
)

THREE_AUGMENT = Demo(
    name="three_augment",
    title="One of three",
    summary="The augmentation of this paper on your picture: grey, solarised or "
            "blurred, and never two of them.",
    images=(1, 1),
    options=(
        Option(
            "sigma", "float", 1.5, low=0.1, high=2.0, step=0.1, label="Blur in pixels",
            help="Of the blurred tile, for a view of 224 pixels. The paper draws from "
                 "0.1 to 2.",
        ),
        Option(
            "jitter", "float", 0.3, low=0.0, high=1.0, step=0.1, label="Colour jitter",
            help="How far brightness, contrast and saturation of the draws may move. "
                 "The paper takes 0.3.",
        ),
        SEED,
    ),
    needs=("three_augment",),
    seconds=5,
    unit="stage",
)

CROPS = Demo(
    name="crops",
    title="How much a crop keeps",
    summary="Many random crops of your picture, cut in the usual way and in this "
            "paper's: how much of it stays, and which places are seen.",
    images=(1, 1),
    options=(
        Option(
            "crops", "int", 100, low=10, high=500, step=10, label="Crops",
            help="How many are cut in each way.",
        ),
        SEED,
    ),
    needs=("simple_random_crop|frame_pair",),
    seconds=10,
    unit="stage",
    example="deit3",
)

JIGSAW_TILES = Demo(
    name="jigsaw_tiles",
    title="Jigsaw puzzle",
    summary="Your picture cut into nine tiles and shuffled, as the network gets them, "
            "and why it is so hard to cheat.",
    images=(1, 1),
    options=(
        Option(
            "permutations", "int", 24, low=4, high=100, step=4, label="Orders",
            help="How many orders the network has to tell apart, where the paper "
                 "chooses some: Jigsaw chooses 1000, PIRL draws any.",
        ),
        SEED,
    ),
    needs=("cut_tiles|jigsaw_patches",),
    seconds=10,
    unit="stage",
    example="jigsaw",
)
