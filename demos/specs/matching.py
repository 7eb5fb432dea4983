"""What patches and channels have in common, and what tells them apart."""

from dataclasses import replace

from demos.specs.demo import Demo
from demos.specs.looking import OPACITY
from demos.specs.option import SEED, Option

LATE_SEED = replace(SEED, late=True)
LAYER = Option(
    "layer", "int", -1, low=-48, high=47, step=1, label="Layer",
    help="-1 is the last layer, as in the paper; 0 is the first. Early layers group "
         "patches by place, late ones by meaning.",
)
FACET = Option(
    "facet", "choice", "key", choices=("key", "query", "value", "token"),
    label="Descriptor",
    help="What of a patch is read: its key, query or value in this layer's attention, "
         "or the layer's output. The paper takes keys.",
)
STRIDE = Option(
    "stride", "choice", "half", choices=("half", "patch"), label="Step of the patches",
    help="half: each patch overlaps its neighbours by half, for a grid twice as fine, "
         "as in the paper. patch: side by side, as in training, and faster.",
)

KEY_PCA = Demo(
    name="key_pca",
    title="Keys as colours",
    summary="Paint each patch by the three main directions of its key: parts that mean "
            "the same get the same colour, in a second picture too.",
    images=(1, 2),
    options=(
        LAYER,
        FACET,
        STRIDE,
        Option(
            "log_bin", "bool", False, label="With surroundings",
            help="Describe each patch together with the 16 around it, as the paper "
                 "does for matching. Slower, and smoother.",
        ),
        Option(
            "components", "choice", "2 to 4", choices=("2 to 4", "1 to 3"), late=True,
            label="Components",
            help="Which become red, green and blue. The paper leaves the first out, "
                 "which tends to tell the object from its background.",
        ),
    ),
    needs=("dense_descriptors", "descriptor_pca", "to_rgb"),
    seconds=60,
    unit="stage",
    model="dense_descriptors",
)

SALIENCY = Demo(
    name="saliency",
    title="Saliency",
    summary="What counts as foreground: the patches that the class token looks at, "
            "averaged over heads and cut at a threshold.",
    images=(1, 1),
    options=(
        LAYER,
        STRIDE,
        Option(
            "heads", "choice", "all", late=True, label="Heads",
            choices=("all", "paper", "0", "1", "2", "3", "4", "5"),
            help="Which heads are averaged. paper: 0, 2, 4 and 5, those of DINO's "
                 "ViT-S/8 that look at objects; in another network they are others.",
        ),
        Option(
            "threshold", "float", 0.2, low=0.0, high=1.0, step=0.01, late=True,
            label="Threshold",
            help="Patches above it are foreground. 0 is the least salient patch of "
                 "the picture, 1 the most. The paper takes 0.05 for matching.",
        ),
        OPACITY,
    ),
    needs=("dense_descriptors", "attention_of", "saliency"),
    seconds=60,
    unit="stage",
    model="dense_descriptors",
)

CORRESPONDENCES = Demo(
    name="correspondences",
    title="Matching points",
    summary="Find points of two pictures that show the same part: patches that choose "
            "each other as most alike, with no training for it.",
    images=(2, 2),
    options=(
        replace(
            LAYER, default=-3,
            help="-1 is the last layer, 0 the first. The paper matches in the third "
                 "from the end, which still knows a little about place.",
        ),
        FACET,
        STRIDE,
        Option(
            "log_bin", "bool", True, label="With surroundings",
            help="Compare each patch together with the 16 around it, as in the paper.",
        ),
        Option(
            "pairs", "int", 10, low=1, high=24, step=1, label="Pairs", late=True,
            help="At most so many are shown, spread over the object by clustering.",
        ),
        Option(
            "threshold", "float", 0.05, low=0.0, high=1.0, step=0.01, late=True,
            label="Saliency",
            help="Both patches of a pair must be more salient than this; 0.05 is the "
                 "paper's. Higher keeps to what the class token looks at most.",
        ),
        LATE_SEED,
    ),
    needs=("dense_descriptors", "best_buddies", "correspondences", "patch_centers"),
    seconds=60,
    unit="stage",
    model="dense_descriptors",
)

COSEGMENTATION = Demo(
    name="cosegmentation",
    title="Common parts",
    summary="Cut out what two to four pictures have in common, and divide it into "
            "parts: clusters of keys, kept where the class token looks.",
    images=(2, 4),
    options=(
        LAYER,
        STRIDE,
        Option(
            "elbow", "float", 0.94, low=0.8, high=0.99, step=0.005, label="Elbow",
            help="Clusters are added until the distances fall to no less than this "
                 "share of before. Higher gives more parts; 0.975 is the paper's.",
        ),
        Option(
            "threshold", "float", 0.1, low=0.0, high=1.0, step=0.01, late=True,
            label="Saliency",
            help="A picture votes for the clusters whose mean saliency in it is above "
                 "this. 0.065 is the paper's for DINO's network and four of its heads.",
        ),
        Option(
            "votes", "int", 75, low=1, high=100, step=1, late=True,
            label="Votes in per cent",
            help="A cluster is kept when so many of the pictures vote for it.",
        ),
        SEED,
    ),
    needs=("dense_descriptors", "salient_clusters", "elbow_clusters", "cosegment"),
    seconds=60,
    unit="stage",
    model="dense_descriptors",
)

DIVERSITY = Demo(
    name="diversity",
    title="Diversity of channels",
    summary="How different a network's channels are, layer by layer, with global "
            "response normalisation and without, and what it does to loud and quiet "
            "ones.",
    images=(1, 1),
    options=(
        Option(
            "gamma", "choice", "auto", label="Strength of GRN",
            choices=("auto", "learnt", "0", "0.5", "1", "2", "4"),
            help="The layer's factor gamma. It starts at 0, where the layer changes "
                 "nothing. auto: as learnt, or 1 where nothing was.",
        ),
        Option(
            "layer", "int", 0, low=-48, high=47, step=1, label="Layer", late=True,
            help="Whose channels are shown: 0 is the first block, -1 the last.",
        ),
        Option(
            "alike", "float", 0.0, low=0.0, high=1.0, step=0.05, late=True,
            label="Collapse by hand",
            help="Mixes every channel with the mean of all. 1 makes them copies of "
                 "one another, which is what collapse looks like.",
        ),
    ),
    needs=("wide_channels", "feature_cosine_distance"),
    seconds=60,
    unit="network",
    model="wide_channels",
)
