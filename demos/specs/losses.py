"""What a loss looks at: matrices, queues and assignments that a paper only writes down.
"""

from demos.specs.demo import VIT, Demo
from demos.specs.option import SEED, Option

FEATURES = Option(
    "features", "choice", "trained", choices=("trained", "encoder", "pixels"),
    late=True, label="Compared by",
    help="trained: a small map on top of the encoder that learnt with this loss, on "
         "other views of the same six pictures. encoder: the bundled network as it is. "
         "pixels: the view's own colours at 16 × 16.",
)

SIMILARITIES = Demo(
    name="similarities",
    title="Finding the other view",
    summary="Two random views of your picture and of five others: the table of "
            "similarities behind a contrastive loss, and what the temperature makes "
            "of it.",
    images=(1, 1),
    options=(
        Option(
            "temperature", "float", 0.1, low=0.02, high=1.0, step=0.01, late=True,
            label="Temperature",
            help="Similarities are divided by it before the softmax. Low: only the "
                 "closest candidates count. High: all count alike.",
        ),
        FEATURES,
        SEED,
    ),
    needs=("nt_xent_loss|moco_v3_loss|nnclr_loss", "views"),
    seconds=60,
    unit="stage",
    model=VIT,
    example="simclr",
)

SINKHORN = Demo(
    name="sinkhorn",
    title="Sharing out the prototypes",
    summary="Twelve crops of your picture are assigned to six prototypes: each for "
            "itself they would crowd onto one or two, and Sinkhorn-Knopp shares them "
            "out, turn by turn.",
    images=(1, 1),
    options=(
        Option(
            "iterations", "int", 3, low=0, high=10, step=1, late=True, label="Turns",
            help="Each turn first evens out the columns, then the rows. 0: every crop "
                 "takes its own softmax. SwAV does 3.",
        ),
        Option(
            "epsilon", "float", 0.05, low=0.01, high=1.0, step=0.01, late=True,
            label="Epsilon",
            help="How soft the assignments are. Near 0 each crop goes to one prototype "
                 "almost whole; at 1 all are spread evenly.",
        ),
        SEED,
    ),
    needs=("sinkhorn_knopp",),
    seconds=60,
    unit="stage",
    model=VIT,
    example="swav",
)

CROSS_CORRELATION = Demo(
    name="cross_correlation",
    title="Towards the identity",
    summary="Twelve features learn from crops of your picture, and you watch their "
            "cross-correlation between two views turn into the identity matrix.",
    images=(1, 1),
    options=(
        Option(
            "steps", "int", 200, low=20, high=600, step=20, label="Steps",
            help="Updates of the small head. The encoder under it stays as it is.",
        ),
        Option(
            "lambd", "float", 0.1, low=0.0, high=1.0, step=0.005, label="Lambda",
            help="How much the cells off the diagonal count. 0: features may all say "
                 "the same. The paper's 0.0051 is for 8192 features, where there are "
                 "67 million such cells; here there are 132.",
        ),
        SEED,
    ),
    needs=("cross_correlation", "redundancy_reduction", "projector", "views"),
    seconds=60,
    unit="step",
    model=VIT,
    example="barlow_twins",
)

QUEUE = Demo(
    name="queue",
    title="A queue of old keys",
    summary="A small MoCo learns on a gallery of pets while its queue fills and rolls; "
            "then your picture has to find its own key among the old ones.",
    images=(1, 1),
    options=(
        Option(
            "steps", "int", 20, low=0, high=100, step=1, label="Steps",
            help="Of training. Each puts eight keys into the queue of sixty-four, so "
                 "from the ninth on the oldest leave.",
        ),
        Option(
            "momentum", "float", 0.9, low=0.0, high=0.995, step=0.005, label="Momentum",
            help="How slowly the key encoder follows. 0: it is a copy of the query "
                 "encoder. The paper's 0.999 is for hundreds of thousands of steps.",
        ),
        Option(
            "temperature", "float", 0.2, low=0.02, high=1.0, step=0.01, late=True,
            label="Temperature", help="Of your picture's question to the queue.",
        ),
        SEED,
    ),
    needs=("moco_info_nce", "*.momentum_update", "*.dequeue_and_enqueue", "views"),
    seconds=60,
    unit="step",
    model=VIT,
    example="moco",
)

TEMPERATURE = Demo(
    name="temperature",
    title="A teacher's doubts",
    summary="A teacher says how like nine gallery pictures yours is, a student "
            "disagrees: watch the temperature soften both, and what it does to the "
            "gradient.",
    images=(1, 1),
    options=(
        Option(
            "temperature", "float", 4.0, low=0.5, high=20.0, step=0.5, late=True,
            label="Temperature",
            help="Scores are divided by it before the softmax. 1: as they are. The "
                 "paper tries 1 to 20.",
        ),
        SEED,
    ),
    needs=("distillation_loss",),
    seconds=60,
    unit="stage",
    model=VIT,
    example="knowledge_distillation",
)
