"""A small table over the two papers of the catalogue's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from kb.results.table import COLUMNS, Table, read
from tests.catalogue.conftest import root  # noqa: F401  a fixture

HEAD = ",".join(COLUMNS)
# paper, method, backbone, pretraining, protocol, dataset, metric, value, source, verified
ROWS = """\
toy,Toy,ResNet-50,ImageNet-1k,linear probe,ImageNet-1k,top-1,74.3,"arXiv 2001.00001, Tab. 1",yes
toy,Toy,ResNet-50,ImageNet-1k,k-NN,ImageNet-1k,top-1,9.5,"ada/toy, README.md at abcdef1",yes
toy,Other,ViT-B/16,JFT-300M,linear probe,ImageNet-1k,top-1,68.0 ± 0.3,lecture notes,notes
toy,Toy,ResNet-50,ImageNet-1k,fine-tuning,COCO,box AP,40.0,"arXiv 2001.00001, Tab. 2",no
other,Other,ViT-B/16,none,supervised at 224 px,ImageNet-1k,top-1,81.80,https://example.org/x,yes
"""


@pytest.fixture
def told(root: Path) -> Callable[[str], Table]:  # noqa: F811
    """The table with these lines below its header."""

    def tell(lines: str) -> Table:
        path = root / "papers/results.csv"
        path.write_text(f"{HEAD}\n{lines}")
        return read(path)

    return tell


@pytest.fixture
def site(root: Path, told: Callable[[str], Table], settings: Settings) -> Client:  # noqa: F811
    """The site over that small collection."""
    told(ROWS)
    settings.PAPERS_DIR = root / "papers"
    settings.IMPLS_DIR = root / "reference_impls"
    settings.EXTRA_PAPERS_DIRS = []
    return Client()


@pytest.fixture
def rows(told: Callable[[str], Table]) -> list:
    return list(told(ROWS).rows)
