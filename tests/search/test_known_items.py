"""Queries that mean one place must bring that place first, on every engine."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kb.search.service import search

SMALL = [
    ("masked autoencoder", "paper", "/papers/mae/"),
    ("Masked Autoencoders", "paper", "/papers/mae/"),
    ("MaskedAutoencoder", "paper", "/papers/mae/"),
    ("mae", "paper", "/papers/mae/"),
    ("2111.06377", "paper", "/papers/mae/"),
    ("arrow of time", "paper", "/papers/arrow_of_time/"),
    ("aot", "paper", "/papers/arrow_of_time/"),
    ("byol loss", "symbol", "#def-byol_loss"),
    ("mae loss", "symbol", "#def-mae_loss"),
    ("random masking", "symbol", "#def-random_masking"),
    ("ema_update", "symbol", "#def-ema_update"),
    ("MAE.forward", "symbol", "#def-MAE.forward"),
    ("MaskedAutoencoderViT", "symbol", "#def-MaskedAutoencoderViT"),
    ("def:patchify", "symbol", "#def-patchify"),
    ("code:lerp_", "symbol", "#def-ema_update"),
    ("stop gradient", "symbol", "/papers/byol/?h=stop+gradient#L6"),
    ("eq:tau", "equation", "/papers/byol/?h=tau#eq-1"),
    (r"eq:\tau", "equation", "#eq-1"),
    ("eq:temperature", "equation", "/papers/arrow_of_time/?h=temperature#eq-1"),
    (r"eq:\kappa", "equation", "/papers/arrow_of_time/"),
    ("byol equation 2", "equation", "#eq-2"),
    ("mae key idea", "section", "/papers/mae/?h=mae+key+idea#key-idea"),
    ("exponential moving average", "section", "/papers/byol/"),
    ("video backwards kind:section", "section", "/papers/arrow_of_time/"),
    ("kaiming kind:paper", "paper", "/papers/mae/"),
    ("temporal order kind:paper", "paper", "/papers/arrow_of_time/"),
]

REAL = [
    ("masked autoencoder", "mae", ""),
    ("mae", "mae", ""),
    ("byol", "byol", ""),
    ("vision transformer", "vit", ""),
    ("byol loss", "byol", "#def-byol_loss"),
    ("random masking", "mae", "#def-random_masking"),
    ("ema_update", "byol", "#def-ema_update"),
    ("def:patchify", "mae", "#def-patchify"),
]


@pytest.mark.parametrize(("query", "kind", "place"), SMALL, ids=[q for q, _, _ in SMALL])
def test_the_place_that_is_meant_comes_first(
    query: str, kind: str, place: str, engine: str, shelf: None, settings
) -> None:
    settings.SEARCH_ENGINE = engine
    first = search(query).results[0]
    assert (first.kind, place in first.url) == (kind, True), first
    if kind == "paper":
        assert "#" not in first.url


@pytest.mark.parametrize(("query", "slug", "anchor"), REAL, ids=[q for q, _, _ in REAL])
def test_the_place_that_is_meant_comes_first_among_the_real_papers(
    query: str, slug: str, anchor: str, real_papers: Callable[[str], None], settings
) -> None:
    if not (settings.PAPERS_DIR / f"{slug}.md").exists():
        pytest.skip(f"papers/{slug}.md is not written yet")
    real_papers("whoosh")
    first = search(query).results[0]
    assert (first.slug, first.url.endswith(anchor)) == (slug, True), first
