"""Image losses of video prediction, beside the formulas written down term by term."""

from collections.abc import Iterator

import torch

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import video_prediction as vp

PEER = "plain transcription"


def gdl(pred, target, alpha):
    """Eq. 6, each absolute gradient by slices."""
    def down(y):
        return (y[..., 1:, :] - y[..., :-1, :]).abs()

    def across(y):
        return (y[..., :-1] - y[..., 1:]).abs()

    rows = ((down(target) - down(pred)).abs() ** alpha).sum()
    return rows + ((across(target) - across(pred)).abs() ** alpha).sum()


def lp(pred, target, p):
    return ((pred - target).abs() ** p).sum()


def psnr(pred, target):
    return 10 * torch.log10(1 / ((pred - target) ** 2).mean())


def sharpness(pred, target):
    def steep(y):
        here = y[..., 1:, 1:]
        return (here - y[..., :-1, 1:]).abs() + (here - y[..., 1:, :-1]).abs()

    return 10 * torch.log10(1 / (steep(target) - steep(pred)).abs().mean())


def steps() -> Iterator[Step]:
    pred, target = leaves((8, 3, 64, 64), n=2)
    image, target = pred.detach(), target.detach()
    for ours, theirs in ((vp.gdl_loss, gdl), (vp.lp_loss, lp)):
        for power in (1, 2):
            yield Step(
                f"{ours.__name__} 8x3x64x64, power {power}, forward + backward", PEER,
                ours=lambda f=ours, p=power: backward(f(pred, target, p), pred),
                theirs=lambda f=theirs, p=power: backward(f(pred, target, p), pred),
            )
    for ours, theirs in ((vp.psnr, psnr), (vp.sharpness_diff, sharpness)):
        yield Step(
            f"{ours.__name__} 8x3x64x64", PEER,
            ours=lambda f=ours: f(image, target),
            theirs=lambda f=theirs: f(image, target),
        )
