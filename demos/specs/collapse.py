"""Why does it not collapse? Take parts away and see.

A switch that is on is the paper's way. One is off from the start in each lab, so that
the first run has something to show.
"""

from demos.specs.demo import Demo
from demos.specs.option import SEED, Option

STEPS = Option(
    "steps", "int", 100, low=20, high=300, step=20, label="Steps",
    help="Updates of the weights, 24 pets in each. The paper's way and yours take the "
         "same ones, side by side.",
)
WEIGHT_DECAY = Option(
    "weight_decay", "bool", True, label="Weight decay",
    help="Pulls all weights a little towards zero at every step.",
)
BATCH_NORM = Option(
    "batch_norm", "bool", True, label="Batch norm",
    help="In the small networks behind the encoder. It keeps the answers to one batch "
         "apart from each other.",
)
FOLLOWS = ("an average", "a copy", "frozen")


def follower(name: str) -> Option:
    """How the second network gets its weights. name: what the paper calls it."""
    return Option(
        "target", "choice", "an average", choices=FOLLOWS, label=f"The {name} is",
        help="an average: a slow one of the network that learns. a copy: the same "
             "weights after every step. frozen: its first, random weights.",
    )


BYOL = Demo(
    name="byol_collapse",
    title="Collapse lab",
    summary="Two networks agree on views of small pictures. Giving every picture the "
            "same answer would be the easy way out: take away a part and see whether "
            "they find it.",
    images=(0, 0),
    options=(
        Option(
            "stop_gradient", "bool", False, label="Stop-gradient",
            help="Off: both sides are the same network, and the loss may move either.",
        ),
        Option(
            "predictor", "bool", True, label="Predictor",
            help="Off: the projections themselves are to agree.",
        ),
        follower("target"), BATCH_NORM, WEIGHT_DECAY, STEPS, SEED,
    ),
    needs=("byol_loss", "ema_update", "build"),
    seconds=90,
    unit="step",
    example="byol",
)

SIMSIAM = Demo(
    name="simsiam_collapse",
    title="Collapse lab",
    summary="One network is to agree with itself on two views. SimSiam keeps only what "
            "is needed against giving every picture the same answer: take that away "
            "too.",
    images=(0, 0),
    options=(
        Option(
            "stop_gradient", "bool", False, label="Stop-gradient",
            help="Off: the loss may move both sides of the comparison.",
        ),
        Option(
            "predictor", "bool", True, label="Predictor",
            help="Off: the two projections are compared directly.",
        ),
        BATCH_NORM, WEIGHT_DECAY, STEPS, SEED,
    ),
    needs=("simsiam_loss", "build"),
    seconds=90,
    unit="step",
    example="simsiam",
)

DINO = Demo(
    name="dino_collapse",
    title="Two collapses",
    summary="The teacher shares pictures out among prototypes. Without centring one "
            "prototype takes all, without sharpening none says anything: switch either "
            "off and watch.",
    images=(0, 0),
    options=(
        Option(
            "centring", "bool", False, label="Centring",
            help="The running mean of the teacher's answers is taken off before the "
                 "softmax. Off: nothing is.",
        ),
        Option(
            "sharpening", "bool", True, label="Sharpening",
            help="The teacher's temperature is far below the student's. Off: it is the "
                 "same.",
        ),
        follower("teacher"), WEIGHT_DECAY, STEPS, SEED,
    ),
    needs=("dino_loss", "update_center", "build"),
    seconds=90,
    unit="step",
    example="dino",
)
