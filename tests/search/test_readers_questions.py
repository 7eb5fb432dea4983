"""What readers ask in their notes leads to the paragraph that answers it."""

from __future__ import annotations

from functools import cache
from urllib.parse import urlsplit

import pytest

from kb.catalogue.library import library
from kb.search.documents import documents
from kb.search.service import search

# A question as a reader would type it, and the places that answer it.
ASKED: list[tuple[str, str]] = [
    # Notes on architectures
    ("Why is it a good idea to pre-train vs. use CNNs directly?",
     "vit#q-why-pre-train-a-transformer-instead-of-using-a-cnn"),
    ("What is the difference in the way Transformers process images vs. CNNs?",
     "vit#q-how-do-transformers-process-images-compared-with-cnns"),
    ("ViT features vs. CNN features",
     "deep_vit_features#q-how-do-vit-features-differ-from-cnn-features"),
    ("Keys are the most stable representations of an image (Why?)",
     "deep_vit_features#q-why-are-keys-the-most-stable-representation-of-an-image"),
    ("is the position of a patch really important? 1D vs 2D encoding",
     "vit#q-what-changes-between-kinds-of-position-embedding-none-1-d"),
    ("positional embedding options: none, 1-dimensional, 2-dimensional",
     "vit#q-what-changes-between-kinds-of-position-embedding-none-1-d"),
    ("ViT if not using class token", "vit#q-class-token-or-mean-of-all-tokens"),
    ("How far is a patch paying attention?", "vit#q-do-early-layers-see-everything"),
    ("why do large ViT models perform worse than ResNets on small datasets?",
     "vit#q-why-is-pre-training-needed"),
    ("ViT different image size or resolution", "vit#q-what-happens-with-another-image-size-or-resolution"),
    ("decreasing the patch size", "vit#q-why-patches-of-16-pixels-and-do-smaller-ones-help"),
    ("overlapping patches",
     "vit#q-what-came-of-overlapping-patches-windows-and-convolutions"
     " deep_vit_features#q-why-overlapping-patches-and-is-it-still-the-same-network"),
    ("introducing convolutions to ViTs",
     "vit#q-what-came-of-overlapping-patches-windows-and-convolutions"),
    ("self-supervision in the original ViT paper",
     "vit#q-does-the-vit-paper-try-self-supervision"),
    ("How does alpha affect accuracy in HiLo?", "hilo#q-what-does-alpha-change-and-which-value-is-best"),
    ("do the low frequency queries come from the high frequency branch?",
     "hilo#q-do-lo-fis-queries-come-from-the-hi-fi-branch"),
    ("why are efficient ViTs with low FLOPs slow on a GPU?",
     "hilo#q-why-is-it-faster-in-practice-when-other-efficient-layers"),
    ("Why does HiLo replace positional encoding by a depth-wise convolution?",
     "hilo#q-why-a-depthwise-convolution-in-place-of-position"),
    ("is DeiT III just a bag of tricks?", "deit3#q-is-it-more-than-a-bag-of-tricks"),
    ("Is there a DeiT II?", "deit3#q-is-there-a-deit-ii"),
    ("why replace cross entropy with binary cross entropy",
     "deit3#q-why-binary-cross-entropy"),
    ("what does LayerScale do", "deit3#q-what-does-layerscale-do-and-why-is-so-small"),
    ("simple random crop", "deit3#q-why-a-simple-crop-on-21k"),
    ("why these three augmentations in DeiT III", "deit3#q-why-only-three-augmentations"),
    # Notes on masking
    ("Why is image masking not as effective as token masking?",
     "mae#q-why-75-when-language-models-hide-15"
     " convnextv2#q-why-must-so-much-of-the-image-be-masked"),
    ("What is being learned by masking?", "mae#q-what-is-learnt-by-masking"),
    ("is the network copying the inputs to the outputs and drawing around them?",
     "mae#q-does-it-just-copy-its-input-to-its-output"),
    ("why is overfitting not possible in masked pretraining?",
     "convnextv2#q-what-about-overfitting-in-so-long-a-pretraining"),
    ("masking in a transformer vs convolution",
     "convnextv2#q-why-is-masking-not-trivial-in-a-convnet"),
    ("Are there similar results with pretraining in convolutional networks?",
     "convnextv2#q-can-masked-pretraining-work-for-a-convolutional-network"),
    ("why do feature maps of ConvNeXt saturate or collapse?",
     "convnextv2#q-what-is-feature-collapse-here-and-is-it-the-collapse-of"
     " convnextv2#q-does-cross-entropy-cause-the-collapse"),
    ("does cross entropy encourage features to go to extremes",
     "convnextv2#q-does-cross-entropy-cause-the-collapse"),
    ("Does GRN work?", "convnextv2#q-what-is-grn-for-and-does-it-work"),
    ("Is self-supervised superior to supervised learning, is there more proof?",
     "cog#q-does-self-supervised-learning-generalise-to-new-concepts"
     " convnextv2#q-is-the-masked-result-superior-to-supervised-learning"),
    ("is self-supervised learning a strong regularizer?",
     "cog#q-is-self-supervised-learning-a-strong-regulariser"),
    ("why is s-DINO anomalously good", "cog#q-why-is-s-dino-so-good-there"),
    ("how is concept generalization tested", "cog#q-what-are-the-levels-l1-to-l5 cog#tldr cog"),
    ("What does the token correspond to in an image transformer?",
     "registers#q-what-does-the-class-token-correspond-to-in-an-image"),
    ("why are attention masks of a self-supervised network superior to supervised ones",
     "dino#q-why-do-dinos-maps-outline-objects-and-a-supervised-vits"),
    ("Which paper proposed DINO?", "dino#q-which-paper-proposed-dino-and-what-followed dino"),
    # Notes on recent papers
    ("denoising loss without the noise level makes it worse, why?",
     "can#q-why-must-the-decoder-be-told-the-noise-level"),
    ("what makes CAN simple, efficient and scalable?",
     "can#q-why-is-it-called-simple-efficient-and-scalable"),
    ("can CAN be extended with multi-crop, a momentum encoder or a tokenizer?",
     "can#q-why-is-it-called-simple-efficient-and-scalable"),
    ("can we train a captioning model from text only?",
     "capdec#q-why-does-noise-on-text-embeddings-let-a-captioner-work-on"
     " capdec#q-so-is-it-really-trained-without-images"),
    ("why mean infinity norm",
     "capdec#q-how-is-epsilon-chosen"
     " capdec#q-is-it-the-mean-infinity-norm-of-15-image-text-pairs"),
    ("is captioning robust to the value of epsilon", "capdec#q-how-is-epsilon-chosen"),
    ("style-guided image captioning",
     "capdec#q-what-is-style-guided-captioning-and-why-does-it-suit-this"),
    ("does it beat Show, Attend and Tell",
     "capdec#q-how-does-it-compare-to-show-attend-and-tell"),
    # Lectures on self-supervision
    ("Can we use the data itself as supervision?",
     "arrow_of_time#q-how-can-the-data-itself-be-the-supervision-and-order-a"
     " jigsaw#q-how-can-the-order-of-frames-be-a-label"),
    ("Problems: size / quality of negative set",
     "moco#q-why-is-the-quality-and-size-of-the-negative-set-a-problem"),
    ("collapse to constant representation",
     "simclr#q-why-does-contrastive-learning-need-negatives"
     " triplet#q-why-are-negatives-needed triplet#q-how-do-i-see-a-collapse"
     " byol#q-why-does-byol-not-collapse simsiam#q-why-does-simsiam-not-collapse"),
    ("what are siamese networks", "triplet#q-what-is-a-siamese-network"),
    ("which composition of data augmentations helps", "simclr#q-which-augmentations-matter"),
    ("SimCLR benefits from bigger models", "simclr#q-why-do-bigger-models-profit-more"),
    ("why a batch size of 4096 in SimCLR", "simclr#q-why-does-simclr-need-large-batches"),
    ("why does PIRL use a memory bank", "pirl#q-why-a-memory-bank"),
    ("covariant vs invariant representations",
     "pirl#q-what-is-the-difference-between-covariant-and-invariant"
     " jigsaw#q-are-the-features-invariant-or-covariant"),
    ("MoCo unstable training, momentum encoder",
     "moco#q-is-the-training-unstable moco#q-why-a-momentum-encoder"),
    ("NNCLR positive is a similar sample from a memory bank",
     "nnclr#q-why-take-a-neighbour-instead-of-a-second-view"
     " nnclr#q-is-this-clustering-or-contrastive-learning"),
    ("SwAV no more negatives", "swav#q-are-there-really-no-negatives"),
    ("how does Sinkhorn-Knopp avoid collapse",
     "swav#q-why-does-swav-not-collapse swav#q-what-does-sinkhorn-knopp-do"),
    ("swapped prediction, soft assignment",
     "swav#q-why-is-the-prediction-swapped swav#q-why-soft-codes"),
    ("WHY DOES THIS NOT COLLAPSE??",
     "dino#q-why-does-this-not-collapse byol#q-why-does-byol-not-collapse"
     " dinov2#q-why-does-it-not-collapse dpc#q-why-does-it-not-collapse"),
    ("why does BYOL not collapse?", "byol#q-why-does-byol-not-collapse"),
    ("is BYOL sensitive to the choice of augmentation?",
     "byol#q-is-byol-sensitive-to-augmentation-batch-size-and"),
    ("BYOL projection dimension",
     "byol#q-is-byol-sensitive-to-augmentation-batch-size-and"),
    ("BYOL small batch size",
     "byol#q-can-i-use-it-with-a-small-batch"
     " byol#q-is-byol-sensitive-to-augmentation-batch-size-and"),
    ("Which components are crucial for avoiding collapse?",
     "simsiam#q-which-components-are-crucial-for-avoiding-collapse"),
    ("SimSiam expectation maximization algorithm",
     "simsiam#q-is-it-really-expectation-maximisation"),
    ("do batch normalization, LARS, weight decay or asymmetry prevent collapse?",
     "barlow_twins#q-which-of-the-usual-tricks-against-collapse-does-it-use"
     " lars#q-does-lars-prevent-collapse-in-self-supervised-learning"
     " simsiam#q-which-components-are-crucial-for-avoiding-collapse"),
    ("why is the momentum teacher teaching something? Polyak-Ruppert averaging",
     "dino#q-why-can-a-momentum-teacher-teach-the-student-anything"),
    ("centering and sharpening",
     "dino#q-what-does-the-centring-do-exactly dino#q-and-the-sharpening"
     " dino#q-why-does-this-not-collapse"),
    ("information bottleneck principle",
     "barlow_twins#q-what-has-this-to-do-with-the-information-bottleneck"),
    ("fine-tuning with 1% of the training set", "linear_probe#q-what-is-the-1-protocol"),
    ("how to evaluate self-supervised features: linear, kNN, data efficiency",
     "knn#q-how-are-self-supervised-features-evaluated"
     " linear_probe#q-linear-probe-k-nn-few-labels-or-fine-tuning-which"),
    ("train a smaller network on the output logits of a large one",
     "knowledge_distillation#q-why-not-match-the-teachers-scores-logits-directly"
     " knowledge_distillation#tldr knowledge_distillation#key-idea"),
    # Notes on video
    ("What about video?",
     "rho_video_ssl#q-what-about-video-do-methods-for-images-carry-over"),
    ("which of SimCLR, MoCo, BYOL and SwAV is best on video?",
     "rho_video_ssl#q-which-of-the-four-methods-is-best-for-video"
     " rho_video_ssl#q-why-are-byol-and-moco-better-than-simclr-and-swav-on-video"
     " rho_video_ssl#q-what-about-video-do-methods-for-images-carry-over"),
    ("why are representations pretrained on video not as good as ImageNet?",
     "vito#q-why-are-representations-learned-from-video-worse-than"),
    ("larger random sized crops", "vito#q-why-larger-random-crops-for-video-frames"),
    ("random crops for video need to be smaller?",
     "vito#q-do-random-crops-for-video-need-to-be-smaller-or-larger"),
    ("attention pooling",
     "vito#q-why-attention-pooling-instead-of-average-pooling"),
    ("what is MoCLR", "vito#q-what-is-moclr-and-how-does-it-differ-from-byol-and-simclr"),
    ("curate video dataset to match ImageNet",
     "vito#q-why-curate-videos-with-a-classifier-that-was-trained-on"),
    ("temporal consistency, arrow of time",
     "arrow_of_time#q-what-belongs-to-temporal-consistency-in-surveys"),
    ("what is tempo consistency",
     "vthcl#q-what-is-visual-tempo"
     " vthcl#q-does-tempo-consistency-make-the-features-blind-to-speed"),
    ("frame order jigsaw: binary vs multi-class",
     "jigsaw#q-what-is-the-difference-between-binary-and-multi-class"
     " cubic_puzzles#q-binary-or-multi-class-what-is-the-difference"),
    ("generative video models, interpolation",
     "video_prediction#q-which-generative-video-models-are-there-and-what-is"),
    ("negatives from other videos, other times, other positions",
     "dpc#q-what-are-the-three-kinds-of-negatives"),
    ("why Zipf's law for the clusters", "elo#q-why-zipfs-law"),
    ("how does the evolutionary algorithm weight the losses",
     "elo#q-how-do-evolved-losses-choose-weights-without-labels elo#q-which-weights"
     " elo#q-why-evolution-and-not-gradient-descent-on-the-weights"),
    ("SVT global to global or local to global matching, motion and cross-view",
     "svt#q-what-is-the-difference-between-motion-and-cross-view"),
    ("does synchronization matter in BraVe", "brave#q-does-synchronisation-matter"),
    ("does the teacher in BraVe predict local from global",
     "brave#q-is-there-a-teacher-in-brave"),
]  # fmt: skip
NEAR = 3  # places a reader looks at before asking again


@cache
def first_places(query: str, engine: str) -> list[str]:
    """`slug#anchor` of the first hits; `slug` for a paper as a whole."""
    places = []
    for hit in search(query).results[:NEAR]:
        anchor = urlsplit(hit.url).fragment
        places.append(f"{hit.slug}#{anchor}" if anchor else hit.slug)
    return places


@pytest.mark.parametrize(("query", "answers"), ASKED, ids=[query for query, _ in ASKED])
def test_a_readers_question_leads_to_its_answer(
    query: str, answers: str, library_of: str
) -> None:
    found = first_places(query, library_of)
    assert set(found) & set(answers.split()), found


def test_every_answer_is_a_place() -> None:
    known = {f"{d.slug}#{d.anchor}" if d.anchor else d.slug for d in documents(library())}
    assert {place for _, answers in ASKED for place in answers.split()} <= known


def test_two_thirds_of_the_answers_are_the_first_hit(library_of: str) -> None:
    first = [first_places(query, library_of)[0] in answers.split()
             for query, answers in ASKED]  # fmt: skip
    assert sum(first) / len(first) >= 2 / 3
