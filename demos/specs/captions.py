"""Captions without pictures: prose is learnt, code is captioned."""

from demos.specs.demo import Demo
from demos.specs.option import SEED, Option

# Of the functions that were held out with what is said of them.
PASSAGES = (
    "barlow_twins: barlow_twins_loss", "brave: clip_views", "can: blur",
    "capdec: caption_loss", "capdec: estimate_epsilon", "cog: train_linear_classifier",
    "colorization: kmeans", "convnextv2: FCMAE.loss",
    "deep_vit_features: best_buddies", "dino: update_center", "dpc: matching_loss",
    "hilo: HiLo.lofi", "knn: extract_features", "mae: get_2d_sincos_pos_embed",
    "mae: random_crop", "moco: MoCo.momentum_update", "simclr: greyscale",
    "swav: swav_loss", "vit: mean_attention_distance", "vthcl: negative_rows",
)

CAPTIONS = Demo(
    name="captions",
    title="Captions for code",
    summary="Small decoders have learnt to read this library's sentences back from "
            "their embeddings, with more noise or less. What do they say when the "
            "embedding is that of code, which they have never seen?",
    images=(0, 0),
    options=(
        Option(
            "passage", "choice", "dino: update_center", choices=PASSAGES,
            label="Function",
            help="Of this library's reference code. Neither it nor the sentence about "
                 "it was there in training. The first shown is among the best read.",
        ),
        Option(
            "noise", "float", 1.0, low=0.05, high=2.0, step=0.05, label="Noise shown",
            help="In the two pictures of embeddings, times epsilon. The paper takes 1; "
                 "with 0.25 a sentence stays nearer to itself than its code is.",
        ),
        SEED,
    ),
    needs=("inject_noise", "estimate_epsilon", "generate"),
    seconds=10,
    unit="picture",
)
