"""Where a trained model looks."""

from demos.specs.demo import Demo
from demos.specs.option import Option

OPACITY = Option(
    "opacity", "float", 0.6, low=0.0, high=1.0, step=0.05, label="Opacity", late=True,
    help="How strongly the map covers the picture: 0 shows only the picture, 1 only "
         "the map.",
)
SIZE = Option(
    "size", "choice", "auto", label="Picture size in pixels",
    choices=("auto", "64", "96", "128", "160", "224"),
    help="Side of the picture that the model reads; an oblong one gets the same area. "
         "auto: twice the size the model was trained at up to 224, or that size itself "
         "where it is more.",
)

ATTENTION = Demo(
    name="attention",
    title="Attention maps",
    summary="Where the class token looks: one map per head and layer of the "
            "transformer, laid over your picture.",
    images=(1, 1),
    options=(
        Option(
            "view", "choice", "mean", choices=("mean", "heads", "rollout", "layers"),
            label="Show first", late=True,
            help="mean: average over the heads of one layer. heads: each head alone. "
                 "rollout: attention followed through all layers down to the pixels. "
                 "layers: the mean of every layer, first to last.",
        ),
        Option(
            "layer", "int", -1, low=-48, high=47, step=1, label="Layer",
            late=True,
            help="-1 is the last layer, which the papers show; 0 is the first.",
        ),
        Option(
            "mass", "float", 0.6, low=0.05, high=1.0, step=0.05, label="Attention kept",
            late=True,
            help="The mask keeps the fewest patches that together hold this share of "
                 "the attention. 0.6 is the choice in DINO's figure.",
        ),
        Option(
            "size", "choice", "auto", label="Picture size in pixels",
            choices=("auto", "64", "96", "128", "160", "224", "320", "448"),
            help="Side of the picture that the model reads; an oblong one gets the "
                 "same area. Larger gives finer maps and takes longer. auto: twice "
                 "the size the model was trained at up to 224, or that size itself "
                 "where it is more.",
        ),
        OPACITY,
    ),
    needs=("*.get_attention",),
    seconds=60,
    unit="layer",
    model="*.get_attention",
    example="dino",
)

ACROSS = Option(
    "x", "float", 0.5, low=0.0, high=1.0, step=0.01, label="Across", late=True,
    help="Where the patch lies: 0 is the left edge of the picture, 1 the right.",
)
DOWN = Option(
    "y", "float", 0.5, low=0.0, high=1.0, step=0.01, label="Down", late=True,
    help="0 is the top edge of the picture, 1 the bottom.",
)

QUERY = Demo(
    name="query",
    title="What one patch attends to",
    summary="Choose a patch of your picture and see from which others it takes what it "
            "needs, in every head and layer.",
    images=(1, 1),
    options=(
        ACROSS,
        DOWN,
        Option(
            "layer", "int", -3, low=-48, high=47, step=1, label="Layer", late=True,
            help="0 is the first layer, -1 the last, where patches often all attend to "
                 "the same.",
        ),
        OPACITY,
        SIZE,
    ),
    needs=("*.get_attention",),
    seconds=60,
    unit="layer",
    model="*.get_attention",
    example="dino",
)
