"""A small library of ten papers, and our own samples of each kind of notes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from kb.catalogue.library import library
from kb.exchange import importing
from kb.exchange.notes import known
from kb.exchange.notes.names import Names

SAMPLES = Path(__file__).parent / "samples"

# slug: title, short, first author, year, venue, arXiv, aliases
PAPERS = {
    "vit": ("An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale", "ViT", "Alexey Dosovitskiy", 2021, "ICLR", "2010.11929", "vision transformer"),
    "deit3": ("DeiT III: Revenge of the ViT", "DeiT III", "Hugo Touvron", 2022, "ECCV", "2204.07118", "DeiT 3"),
    "mae": ("Masked Autoencoders Are Scalable Vision Learners", "MAE", "Piotr Dollár", 2022, "CVPR", "2111.06377", "masked autoencoder"),
    "can": ("A simple, efficient and scalable contrastive masked autoencoder for learning visual representations", "CAN", "Shlok Mishra", 2022, "arXiv", "2210.16870", "C-A-N"),
    "dino": ("Emerging Properties in Self-Supervised Vision Transformers", "DINO", "Mathilde Caron", 2021, "ICCV", "2104.14294", "self-distillation with no labels"),
    "dinov2": ("DINOv2: Learning Robust Visual Features without Supervision", "DINOv2", "Maxime Oquab", 2024, "TMLR", "2304.07193", ""),
    "moco": ("Momentum Contrast for Unsupervised Visual Representation Learning", "MoCo", "Kaiming He", 2020, "CVPR", "1911.05722", ""),
    "moco_v3": ("An Empirical Study of Training Self-Supervised Vision Transformers", "MoCo v3", "Xinlei Chen", 2021, "ICCV", "2104.02057", ""),
    "triplet": ("FaceNet: A Unified Embedding for Face Recognition and Clustering", "Triplet loss", "Florian Schroff", 2015, "CVPR", "1503.03832", "FaceNet"),
    "elo": ("Evolving Losses for Unsupervised Video Representation Learning", "ELo", "AJ Piergiovanni", 2020, "CVPR", "2002.12177", ""),
    "arrow_of_time": ("Learning and Using the Arrow of Time", "Arrow", "Donglai Wei", 2018, "CVPR", "", ""),
    "lars": ("Large Batch Training of Convolutional Networks", "LARS", "Yang You", 2017, "arXiv", "1708.03888", ""),
}  # fmt: skip
ENTRY = """---
title: "{}"
short: {}
authors: [{}, Laurens van der Maaten]
year: {}
venue: {}
arxiv: "{}"
part: video
aliases: [{}]
---
## TL;DR

One sentence.
"""


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, settings: Settings) -> Path:
    """The folder of entries that the settings name."""
    folder = tmp_path / "papers"
    folder.mkdir()
    for slug, values in PAPERS.items():
        (folder / f"{slug}.md").write_text(ENTRY.format(*values), encoding="utf-8")
    settings.PAPERS_DIR, settings.IMPLS_DIR = folder, tmp_path / "none"
    settings.EXTRA_PAPERS_DIRS = []
    return folder


@pytest.fixture
def names() -> Names:
    return Names(known.of(paper) for paper in library().papers.values())


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "imported"


@pytest.fixture
def note(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of notes."""

    def write(content: str | bytes, name: str = "notes.txt") -> Path:
        raw = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(raw)
        return tmp_path / name

    return write


@pytest.fixture
def placed(into: Path, note: Callable[..., Path]) -> Callable[[str], dict[str, Any]]:
    """Heading -> slug of a text's passages, and `{}` -> the report itself."""

    def read(text: str) -> dict[str, Any]:
        report = importing.run([note(text)], into, dry_run=True)
        (file,) = report["files"]
        found: dict[str, Any] = {
            passage["heading"]: paper["slug"]
            for paper in file["papers"] for passage in paper["passages"]
        }
        found |= {passage["heading"]: None for passage in file["unplaced"]}
        return found

    return read
