"""What a picture's features lie next to, in a small gallery that comes with the demos.
"""

from demos.specs.demo import MAE, VIT, Demo
from demos.specs.option import SEED, Option

NEIGHBOURS = Demo(
    name="neighbours",
    title="Nearest neighbours",
    summary="Which pictures of a gallery of ninety-six pets lie nearest to yours: for "
            "this paper's network, for the bundled ones, and for plain pixels.",
    images=(1, 1),
    options=(
        Option(
            "shown", "int", 6, low=1, high=12, step=1, late=True, label="Neighbours",
            help="How many are shown, the nearest first.",
        ),
    ),
    needs=("*.get_attention",),
    seconds=60,
    unit="network",
    model="*.get_attention",
    example="vit",
)

KNN_VOTE = Demo(
    name="knn_vote",
    title="The neighbours vote",
    summary="The nearest of ninety-six pets vote on the breed of the animal in your "
            "picture, and on each other's: see what k and the temperature change.",
    images=(1, 1),
    options=(
        Option(
            "k", "int", 10, low=1, high=95, step=1, late=True, label="Neighbours (k)",
            help="How many vote. The papers ask 20 or 200, among a million pictures.",
        ),
        Option(
            "temperature", "float", 0.07, low=0.01, high=1.0, step=0.01, late=True,
            label="Temperature",
            help="A vote weighs exp(cosine / temperature). Low: only the nearest "
                 "counts. High: all k count alike.",
        ),
    ),
    needs=("nearest", "vote"),
    seconds=60,
    unit="stage",
    model=MAE,
    example="knn",
)

TRIPLETS = Demo(
    name="triplets",
    title="Easy and hard triplets",
    summary="Your picture, a piece of it, and ninety-six pets that are something else: "
            "which of these triplets have anything to teach?",
    images=(1, 1),
    options=(
        Option(
            "margin", "float", 0.2, low=0.05, high=2.0, step=0.05, late=True,
            label="Margin",
            help="How much farther than the piece a pet must be, in squared distance "
                 "between unit vectors (at most 4). FaceNet's is 0.2.",
        ),
        SEED,
    ),
    needs=("triplet_loss", "semi_hard_triplets"),
    seconds=60,
    unit="stage",
    model=VIT,
    example="triplet",
)
