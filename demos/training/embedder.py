"""The word vectors inside the PyPI package `wordllama`, read with `tokenizers` alone.

WordLlama (Lee Miller, MIT) keeps a vector for each of 32,000 pieces of words, taken
from large language models and trained on pairs of texts; a text's embedding is the mean
of its pieces' vectors. Fetch it with `pip download --no-deps wordllama`; nothing of the
package is executed, which would ask the network for the tokeniser that it carries.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load
from torch import Tensor

VECTORS = "wordllama/weights/l2_supercat_256.safetensors"
PIECES = "wordllama/tokenizers/l2_supercat_tokenizer_config.json"


class Embedder:
    """Texts to unit vectors in one space, prose and code alike."""

    def __init__(self, wheel: Path | None):
        """Raises SystemExit where no wheel is given."""
        if wheel is None:
            raise SystemExit(
                "say --teacher: the wheel that `pip download --no-deps wordllama` gets"
            )
        from tokenizers import Tokenizer  # an optional extra, needed here only

        with zipfile.ZipFile(wheel) as inside:
            self.vectors = load(inside.read(VECTORS))["embedding.weight"].float()
            pieces = json.loads(inside.read(PIECES))
        self.tokenizer = Tokenizer.from_str(json.dumps(pieces))

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        """(N, 256); a text of nothing gets a vector of nothing."""
        found = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        means = [self.vectors[one.ids].sum(0) / max(1, len(one.ids)) for one in found]
        return F.normalize(torch.stack(means), dim=1)
