"""Names of papers in headings and sentences, and words that only look like one."""

from __future__ import annotations

import pytest

from kb.exchange.notes.names import Names


@pytest.mark.parametrize(
    ("heading", "slug"),
    [
        ("CAN", "can"), ("CAN: noise and contrast", "can"), ("Can we see?", None),
        ("Can", None), ("DINO", "dino"), ("DINOv2", "dinov2"), ("DINO v2", "dinov2"),
        ("DINOv4", None), ("s-DINO is odd", None), ("MoCo", "moco"), ("MoCo-v3", "moco_v3"),
        ("MoCo v4", None), ("Moco", "moco"), ("ViTs at scale", "vit"),
        ("DeiT III", "deit3"), ("DeiT 3", "deit3"), ("Contrastive: MoCo", "moco"),
        ("3 MAE", "mae"), ("MAE - the details", "mae"), ("LARS optimizer", "lars"),
        ("Triplet loss:", "triplet"), ("Triplet", "triplet"),
        ("Arrow of time", "arrow_of_time"), ("Evolved SSL Losses", "elo"),
        ("Momentum contrast", "moco"), ("Self-Supervised Learning", None),
        ("Contrastive learning", None), ("Video Representation Learning", None),
        ("Not explored in the original ViT paper", None),
    ],
)  # fmt: skip
def test_a_heading_is_about_the_paper_it_names(
    names: Names, heading: str, slug: str | None
) -> None:
    assert names.topic(heading) == slug


@pytest.mark.parametrize(
    ("sentence", "slugs"),
    [
        ("You can use MAE, DINO and DINOv2.", ["mae", "dino", "dinov2"]),
        ("MoCo v3's ViTs, not MoCo's.", ["moco_v3", "vit", "moco"]),
        ("Emerging properties in self-supervised vision transformers", ["dino"]),
        ("A masked auto-encoder or a masked autoencoder", ["mae"]),
        ("CAN or C-A-N, whichever can", ["can", "can"]),
    ],
)
def test_the_longest_name_counts_in_a_sentence(
    names: Names, sentence: str, slugs: list[str]
) -> None:
    assert [slug for slug, _ in names.mentions(sentence)] == slugs


@pytest.mark.parametrize(
    "text",
    [
        "arXiv:2111.06377", "https://arxiv.org/abs/2111.06377v2", "arxiv 2111.06377",
        "https://doi.org/10.48550/ARXIV.2111.06377", "*ArXiv* abs/2111.06377",
    ],
)  # fmt: skip
def test_an_arxiv_number_is_found_in_every_spelling(names: Names, text: str) -> None:
    assert names.by_arxiv(text) == "mae"


def test_a_preprints_other_title_is_the_same_paper(names: Names) -> None:
    title = "Masked Autoencoders Are Learners of Pictures"
    assert names.by_title(title, ["Dollár, Piotr"], 2021) == "mae"
    assert names.by_title(title, ["Somebody, Else"], 2021) is None
    assert names.by_title(title, ["Dollár, Piotr"], 2015) is None
