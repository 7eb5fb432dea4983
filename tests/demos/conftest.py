"""A photo to submit, and a house without weights: tests do not depend on what lies about."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demos import fingerprint, runner, weights


@pytest.fixture(autouse=True)
def checkpoints(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder in place of the bundled checkpoints; no hub, no operator's files."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for module in (fingerprint, weights):
        monkeypatch.setattr(module, "CHECKPOINTS", folder)
    for name in ("KB_WEIGHTS_DIR", "KB_ALLOW_HUB", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("KB_STAGE_DIR", str(tmp_path / "stages"))
    runner.warm.cache_clear()
    return folder


@pytest.fixture
def picture() -> Image.Image:
    """A smooth scene with one bright disc, 120 × 90."""
    y, x = np.mgrid[:90, :120]
    disc = 150 * (np.hypot(y - 40, x - 70) < 22)
    channels = np.stack([x, y + disc / 2, 80 + 0 * x + disc], axis=-1)
    return Image.fromarray(channels.clip(0, 255).astype(np.uint8))


@pytest.fixture
def photo(picture: Image.Image, tmp_path: Path) -> Path:
    """The picture as a file."""
    picture.save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where a run writes to."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out"
