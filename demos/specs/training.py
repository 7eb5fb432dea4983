"""A model that learns in front of the reader."""

from demos.specs.demo import Demo
from demos.specs.option import SEED, Option

PRETRAINING = Demo(
    name="pretraining",
    title="Pretraining in miniature",
    summary="Train a tiny transformer with this paper's method on crops of your one "
            "picture, watch its loss, and compare its features before and after.",
    images=(1, 1),
    options=(
        Option(
            "steps", "int", 40, low=10, high=400, step=10, label="Steps",
            help="Updates of the weights. After a minute training stops by itself.",
        ),
        Option(
            "batch", "int", 16, low=4, high=64, step=4, label="Batch",
            help="Crops of your picture in one step. More is slower and steadier.",
        ),
        Option(
            "lr", "float", 0.001, low=0.0001, high=0.1, step=0.0001,
            label="Learning rate",
            help="How far one step moves the weights. Too large and the loss jumps, "
                 "too small and it hardly falls. It warms up and then decays.",
        ),
        SEED,
    ),
    needs=("training_step", "views", "build", "features"),
    seconds=60,
    unit="step",
    example="mae",
)
