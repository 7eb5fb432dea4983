"""A few pictures, an encoder of one layer, and a clock that is not the machine's."""

import io
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from demos.training import course, methods
from demos.training.crew import Crew


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """Twelve random pictures of 40 × 30 of three kinds as a pack."""
    draw = np.random.default_rng(0)
    files = []
    for _ in range(12):
        buffer = io.BytesIO()
        Image.fromarray(draw.integers(0, 255, (30, 40, 3), np.uint8)).save(buffer, "JPEG")
        files.append(np.frombuffer(buffer.getvalue(), np.uint8))
    offsets = np.cumsum([0, *map(len, files)])
    np.savez(tmp_path / "pack.npz", data=np.concatenate(files), offsets=offsets, labels=np.arange(12) % 3)
    return tmp_path / "pack.npz"


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.randint(256, (12, 3, 64, 64), generator=torch.Generator().manual_seed(0)).byte()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step takes a second of a core, whatever the machine does."""
    ticks = count()
    monkeypatch.setattr(course.time, "process_time", lambda: float(next(ticks)))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"depth": 1, "width": 24, "embed_dim": 24, "heads": 2, "num_heads": 2}.items():
        monkeypatch.setitem(methods.ENCODER, name, value)


@pytest.fixture
def alone() -> Crew:
    return Crew(torch.device("cpu"))
