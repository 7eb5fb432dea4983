"""What a transformer has learnt: its filters, its places, how far it looks."""

from demos.specs.demo import Demo
from demos.specs.looking import ACROSS, DOWN, SIZE
from demos.specs.option import Option

LAYER = Option(
    "layer", "int", -1, low=-48, high=47, step=1, label="Layer", late=True,
    help="-1 is the last layer, 0 the first.",
)

DISTANCE = Demo(
    name="distance",
    title="Attention distance",
    summary="How far the heads of each layer look in your picture: near like a small "
            "convolution, or everywhere.",
    images=(1, 1),
    options=(
        Option(
            "whole", "bool", False, label="Patches alone", late=True,
            help="What goes to the class token crosses no distance, so it makes the "
                 "mean smaller. With this on, each patch's attention to patches counts "
                 "as the whole.",
        ),
        SIZE,
    ),
    needs=("*.get_attention",),
    seconds=60,
    unit="layer",
    model="*.get_attention",
    example="vit",
)

POSITIONS = Demo(
    name="positions",
    title="Position embeddings",
    summary="What a transformer has learnt about the plane: how much the vector of "
            "each place resembles those of all others. No picture takes part.",
    images=(0, 0),
    options=(ACROSS, DOWN),
    needs=("pos_embed_similarity", "sincos_2d_pos_embed", "*.get_attention"),
    seconds=30,
    unit="drawing",
    model="*.get_attention",
)

INTERPOLATION = Demo(
    name="interpolation",
    title="Positions at another size",
    summary="Give the model a picture of a size it was not trained at, resample its "
            "position embeddings in four ways, and see what changes.",
    images=(1, 1),
    options=(
        Option(
            "scale", "choice", "2", choices=("0.5", "1.5", "2", "3"),
            label="Times the trained size",
            help="How large a picture the model gets, as a multiple of the side it was "
                 "trained at. There are that many more places in each direction.",
        ),
        LAYER,
    ),
    needs=("*.positions", "*.get_attention"),
    seconds=60,
    unit="way",
    model="*.get_attention",
    example="vit",
)

FILTERS = Demo(
    name="filters",
    title="First-layer filters",
    summary="What the map that turns patches into tokens looks for, beside what your "
            "picture's patches are made of.",
    images=(1, 1),
    options=(
        Option(
            "components", "int", 8, low=1, high=64, step=1, label="Directions used",
            late=True,
            help="The picture is rebuilt from this many numbers per patch.",
        ),
    ),
    needs=("patch_embed_pca", "*.get_attention"),
    seconds=30,
    unit="drawing",
    model="*.get_attention",
    example="vit",
)

NORMS = Demo(
    name="norms",
    title="Token norms and outliers",
    summary="How long the token of each patch is after every layer, and whether some "
            "stand out, as they do in large models without registers.",
    images=(1, 1),
    options=(
        Option(
            "times", "float", 3.0, low=1.0, high=10.0, step=0.5, late=True,
            label="Outlier from, times the median",
            help="A patch counts as an outlier where its token is longer than this "
                 "many times the median. The paper's outliers are about ten times as "
                 "long as others.",
        ),
        LAYER,
        SIZE,
    ),
    needs=("*.get_attention",),
    seconds=60,
    unit="layer",
    model="*.get_attention",
    example="vit",
)
