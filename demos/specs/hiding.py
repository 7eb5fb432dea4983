"""What a model makes of what it cannot see."""

from dataclasses import replace

from demos.specs.demo import Demo
from demos.specs.option import SEED, Option

RATIO = Option(
    "ratio", "float", 0.75, low=0.1, high=0.95, step=0.05, label="Hidden share",
    help="Share of the patches that the model does not see. The paper hides three "
         "quarters.",
)

RECONSTRUCTION = Demo(
    name="reconstruction",
    title="Masked reconstruction",
    summary="Hide most patches of your picture and let the model paint them from "
            "the few that are left.",
    images=(1, 1),
    options=(RATIO, SEED),
    needs=("reconstruct",),
    seconds=60,
    unit="stage",
    model="reconstruct",
    example="mae",
)

RATIOS = Demo(
    name="ratios",
    title="How much can be hidden",
    summary="Your picture with 25, 50, 75 and 90 % of its patches hidden and painted, "
            "and a curve of how well, beside fillings that need no model.",
    images=(1, 1),
    options=(SEED,),
    needs=("reconstruct",),
    seconds=60,
    unit="share",
    model="reconstruct",
    example="mae",
)

MASKS = Demo(
    name="masks",
    title="Random, block and grid masks",
    summary="Hide the same number of patches at random, in blocks and by a grid, and "
            "see which gaps are easy to paint.",
    images=(1, 1),
    options=(RATIO, SEED),
    needs=("reconstruct", "random_masking"),
    seconds=60,
    unit="kind of mask",
    model="reconstruct",
    example="mae",
)

DENOISING = Demo(
    name="denoising",
    title="Naming the noise",
    summary="Train two tiny models on your picture to tell noise from detail, one told "
            "how strong the noise is and one not, and compare what they take away.",
    images=(1, 1),
    options=(
        Option(
            "sigma", "float", 0.5, low=0.05, high=0.95, step=0.05, label="Noise",
            late=True,
            help="How strong the noise on the picture is, in deviations of a pixel. "
                 "The paper trains with up to 0.05, which is hard to see.",
        ),
        Option(
            "steps", "int", 240, low=20, high=400, step=20, label="Steps",
            help="Updates of both models' weights. More of them tell noise from detail "
                 "better.",
        ),
        SEED,
    ),
    needs=("noise_level_embedding", "views", "build"),
    seconds=90,
    unit="step",
)

FCMAE = Demo(
    name="fcmae",
    title="What hidden patches leave behind",
    summary="Hide patches of your picture from a convnet and mark, block by block, "
            "which visible places still depend on what they held.",
    images=(1, 1),
    options=(
        replace(
            RATIO, default=0.6,
            help="Share of the patches of 32 pixels that are hidden. The paper hides "
                 "60 %.",
        ),
        Option(
            "grn", "bool", False, label="GRN speaks",
            help="Global response normalisation starts silent. Speaking, it weighs "
                 "each channel by its length over the whole map, so one look across "
                 "the edge reaches everything.",
        ),
        SEED,
    ),
    needs=("FCMAE.forward_encoder", "GRN.forward"),
    seconds=60,
    unit="encoder",
)
