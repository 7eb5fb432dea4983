"""Who asks for a name that nothing here bears is told so, and sees what is near."""

from __future__ import annotations

import pytest

from kb.search.service import search

# What is typed, the name that nothing bears, and the paper that is near.
UNCALLED = [
    ("dinov3", "dinov3", "dinov2"), ("DINO v3", "DINO v3", "dinov2"),
    ("mocov4", "mocov4", "moco_v3"), ("moco-v4 loss", "moco v4", "moco_v3"),
    ("vit5", "vit5", "vit"), ("ViT 5", "ViT 5", "vit"),
    ("convnextv3", "convnextv3", "convnextv2"), ("deit 4", "deit 4", "deit3"),
    ("title:dinov3", "dinov3", "dinov2"),
]
CALLED = [
    "dinov2", "DINO v2", "DINO-v2", "dino_v2", "mocov3", "moco-v3", "MoCo v3", "moco v2",
    "convnextv2", "ConvNeXt V2", "deit3", "deit iii", "DeiT-III", "dino v1", "litv2",
    "vit16", "vit-b/16", "mae 85.9", "resnet50", "imagenet", "caron 2021", "gpu memory",
    "random masking", "dinov2 loss", "why does DINO not collapse", "transformer",
]


@pytest.mark.parametrize(("query", "name", "slug"), UNCALLED)
def test_a_version_that_is_not_here_is_told_and_the_last_one_shown(
    query: str, name: str, slug: str, library_of: str
) -> None:
    answer = search(query)
    told = f"Nothing here is called “{name}”, so this shows what is near."
    assert told in answer.query.understood
    assert slug in {hit.slug for hit in answer.results[:3]}


@pytest.mark.parametrize("query", ["swin", "swin transformer", "Swin Transformer", "bert"])
def test_a_name_that_is_only_spoken_of_is_told(query: str, library_of: str) -> None:
    answer = search(query)
    told = f"Nothing here is called “{query.split()[0]}”; these places speak of it."
    assert told in answer.query.understood
    assert answer.count


@pytest.mark.parametrize("query", CALLED)
def test_known_names_and_plain_words_are_not_doubted(query: str, library_of: str) -> None:
    assert "is called" not in search(query).query.understood


def test_words_that_texts_say_of_such_a_name_are_searched_as_typed(
    library_of: str,
) -> None:
    asked = search("Is there a DeiT II?")
    assert "“DeiT II”; these places speak of it." in asked.query.understood
    assert "deit3" in {hit.slug for hit in asked.results[:3]}
    assert "Looking for “deit” and “ii”." in search("deit ii").query.understood
    assert search("deit ii").query.exact_url is None
    assert search("dinov3").query.exact_url == "/search/?q=dinov3&exact=1"
    assert "Looking for “dinov3”." in search("dinov3", exact=True).query.understood


def test_nothing_near_is_promised_where_nothing_passes_the_filters(
    library_of: str,
) -> None:
    answer = search("dinov3", year="1999")
    assert answer.count == 0
    assert "Nothing here is called “dinov3”." in answer.query.understood
