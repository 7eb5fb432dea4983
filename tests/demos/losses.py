"""Runs of demos that look into a loss, with a cheap encoder in place of a network."""

import numpy as np
import pytest
import torch.nn.functional as F
from PIL import Image

from demos import runner
from demos.pieces import embedding


@pytest.fixture(autouse=True)
def quick_encoder(monkeypatch):
    """The picture's own 8 × 8 colours stand for a network's vector."""

    def class_token(model, x):
        return F.adaptive_avg_pool2d(x, 8).flatten(1)

    monkeypatch.setattr(embedding, "class_token", class_token)


@pytest.fixture
def awkward(tmp_path):
    """A grey strip, 8 × 200, half transparent."""
    strip = np.linspace(0, 255, 1600).reshape(200, 8).astype(np.uint8)
    Image.fromarray(np.stack([strip, 255 - strip], -1), "LA").save(tmp_path / "strip.png")
    return tmp_path / "strip.png"


def run(demo, paper, photo, out, report=lambda progress: None, **options):
    """The result, and the arrays of its one NPZ file."""
    result = runner.run(demo, paper, [photo], options, out, report)
    (file,) = [a.file for a in result.artifacts if a.file.endswith(".npz")]
    for artifact in result.artifacts:
        assert (out / artifact.file).stat().st_size > 0
        assert artifact.caption.endswith(".")
        assert artifact.kind == "data" or artifact.alt.endswith(".")
    return result, dict(np.load(out / file))
