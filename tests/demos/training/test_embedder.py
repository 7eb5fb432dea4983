"""Word vectors out of a wheel: a text is the mean of its pieces."""

import zipfile

import pytest
import torch
from safetensors.torch import save
from tokenizers import Tokenizer, models, pre_tokenizers

from demos.training import embedder


@pytest.fixture
def wheel(tmp_path):
    """Three words on three axes, in the places where wordllama keeps its own."""
    pieces = Tokenizer(models.WordLevel({"one": 0, "two": 1, "?": 2}, unk_token="?"))
    pieces.pre_tokenizer = pre_tokenizers.Whitespace()
    vectors = torch.diag(torch.tensor([1.0, 3.0, 5.0])).half()
    with zipfile.ZipFile(tmp_path / "words.whl", "w") as file:
        file.writestr(embedder.VECTORS, save({"embedding.weight": vectors}))
        file.writestr(embedder.PIECES, pieces.to_str())
    return tmp_path / "words.whl"


def test_a_text_is_the_mean_of_its_pieces_at_unit_length(wheel):
    z = embedder.Embedder(wheel)(["one two", "two two one one", "strange", ""])
    long = torch.tensor([1.0, 3.0, 0.0]) / 10**0.5
    torch.testing.assert_close(z[:2], torch.stack([long, long]))
    torch.testing.assert_close(z[2], torch.tensor([0.0, 0.0, 1.0]))
    assert not z[3].any()


def test_without_a_wheel_the_remedy_is_named():
    with pytest.raises(SystemExit, match="pip download --no-deps wordllama"):
        embedder.Embedder(None)
