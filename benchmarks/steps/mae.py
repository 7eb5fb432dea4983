"""MAE beside lightly's parts, with the same weights and the same masks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import torch
from lightly.models import utils
from lightly.models.modules import MAEDecoderTIMM, MaskedVisionTransformerTIMM
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import mae

P, RATIO = 16, 0.75


class Lightly(nn.Module):
    """As lightly's documentation composes it: pixels are predicted where hidden."""

    def __init__(self, size: int, width: int, depth: int, heads: int):
        super().__init__()
        vit = VisionTransformer(
            size, P, num_classes=0, embed_dim=width, depth=depth, num_heads=heads
        )
        self.encoder = MaskedVisionTransformerTIMM(vit)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.decoder = MAEDecoderTIMM(
                (size // P) ** 2, P, 3, width, decoder_embed_dim=128, decoder_depth=4,
                decoder_num_heads=4,
            )

    def forward(self, images: Tensor, noise: Tensor) -> Tensor:
        B, N = noise.shape
        order = noise.argsort(dim=1) + 1
        first = torch.zeros(B, 1, dtype=torch.long)
        keep = int(N * (1 - RATIO))
        seen, hidden = torch.cat([first, order[:, :keep]], 1), order[:, keep:]
        x = self.decoder.embed(self.encoder.encode(images, idx_keep=seen))
        tokens = utils.repeat_token(self.decoder.mask_token, (B, N + 1))
        tokens = self.decoder.decode(utils.set_at_index(tokens, seen, x))
        pred = self.decoder.predict(utils.get_at_index(tokens, hidden))
        target = utils.get_at_index(utils.patchify(images, P), hidden - 1)
        return nn.functional.mse_loss(pred, target)


def twins(size: int, width: int, depth: int, heads: int) -> tuple[mae.MAE, Lightly]:
    """The same weights in both; they differ in names."""
    torch.manual_seed(0)
    ours = mae.MAE(
        size, P, 3, width, depth, heads, decoder_embed_dim=128, decoder_depth=4,
        decoder_num_heads=4,
    )
    theirs, state = Lightly(size, width, depth, heads), ours.state_dict()
    decoder = {n: v for n, v in state.items() if n.startswith(("decoder", "mask"))}
    theirs.decoder.load_state_dict(decoder)
    theirs.encoder.vit.load_state_dict({n: state[n] for n in state.keys() - decoder})
    return ours, theirs


def train(model: nn.Module, loss: Tensor) -> Tensor:
    """A step of learning rate 0, so that every turn starts from the same weights."""
    adam = torch.optim.AdamW(model.parameters(), lr=0.0)
    adam.zero_grad(), loss.backward(), adam.step()
    return loss.detach()


def steps() -> Iterator[Step]:
    ours, theirs = twins(224, 192, 12, 3)
    (images,), noise = leaves((4, 3, 224, 224)), torch.rand(4, 196)
    images = images.detach()
    yield Step(
        "MAE ViT-Tiny/16, 4 images of 224, decoder 128d4b4h, a training step",
        "lightly MaskedVisionTransformerTIMM, MAEDecoderTIMM",
        ours=lambda: train(ours, ours(images, RATIO, noise)[0]),
        theirs=lambda: train(theirs, theirs(images, noise)),
    )
    (many,), (pred,) = leaves((16, 3, 224, 224)), leaves((16, 196, P * P * 3), seed=1)
    many, chances = many.detach(), torch.rand(16, 196)
    hidden = chances.argsort(dim=1)[:, 49:]
    mask = torch.zeros(16, 196).scatter(1, hidden, 1.0)
    yield Step(
        "patchify 16x3x224x224", "lightly patchify",
        ours=lambda: mae.patchify(many, P), theirs=lambda: utils.patchify(many, P),
    )

    def lightly_loss() -> Tensor:
        target = utils.get_at_index(utils.patchify(many, P), hidden)
        target = utils.normalize_mean_var(target)
        return nn.functional.mse_loss(utils.get_at_index(pred, hidden), target)

    yield Step(
        "mae_loss, normalised pixels, 16 images of 224, forward + backward",
        "lightly patchify, normalize_mean_var, get_at_index",
        ours=lambda: backward(mae.mae_loss(many, pred, mask, P), pred),
        theirs=lambda: backward(lightly_loss(), pred),
    )
    (tokens,) = leaves((64, 196, 192))

    def lightly_masking() -> Tensor:
        torch.manual_seed(0)
        keep, _ = utils.random_token_mask((64, 196), RATIO, mask_class_token=True)
        return utils.get_at_index(tokens, keep)

    def masking() -> Tensor:
        torch.manual_seed(0)
        return mae.random_masking(tokens, RATIO)[0]

    yield Step(
        "random_masking 64x196x192 forward + backward", "lightly random_token_mask",
        ours=lambda: backward(masking().square().sum(), tokens),
        theirs=lambda: backward(lightly_masking().square().sum(), tokens),
    )
