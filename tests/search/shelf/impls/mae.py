"""A small stand-in for a reference module: read as text, never run."""

import torch
from torch import nn


def patchify(imgs, p):
    """Images to rows of pixels, one row a patch."""
    return imgs.reshape(p, -1)


def random_masking(x, ratio, noise=None):
    """Keep a random part of the patches, the same number in each image."""
    keep = noise.argsort(dim=1)  # -- shuffle
    return torch.gather(x, 1, keep)


def mae_loss(target, prediction, mask):
    """Mean squared error on the hidden patches alone."""
    return ((target - prediction) ** 2 * mask).sum() / mask.sum()


class MAE(nn.Module):
    """Encoder of visible patches and a light decoder."""

    def forward(self, imgs, noise=None):
        """Loss, predicted pixels and mask."""
        return random_masking(patchify(imgs, 16), 0.75, noise)


class MaskedAutoencoderViT(MAE):
    """The name that official checkpoints use."""
