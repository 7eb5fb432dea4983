"""Arrow of time: turning clips round, flow, and the head, beside plain loops."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.side_by_side import Step, backward
from reference_impls import arrow_of_time


def turn_by_loop(clip: Tensor, labels: Tensor) -> Tensor:
    return torch.stack([
        one if label else -one.flip(1)
        for one, label in zip(clip, labels.tolist(), strict=True)
    ])


def flow_by_solving(clips: Tensor, window: int = 5, ridge: float = 1e-3) -> Tensor:
    """The normal equations of every window, given to a solver."""
    grey = clips.mean(dim=1)
    before, after = grey[:, :-1], grey[:, 1:]
    y, x = torch.gradient((before + after) / 2, dim=(2, 3))
    slopes = torch.stack([x, y], dim=-1)
    squares = slopes[..., :, None] * slopes[..., None, :]
    changes = slopes * (after - before)[..., None]
    (B, T, H, W), pad = before.shape, window // 2

    def windowed(product: Tensor) -> Tensor:
        flat = product.flatten(4).permute(0, 1, 4, 2, 3).flatten(0, 2)[:, None]
        pooled = F.avg_pool2d(flat, window, 1, pad)
        return pooled.view(B, T, -1, H, W).permute(0, 1, 3, 4, 2)

    matrix = windowed(squares).unflatten(-1, (2, 2)) + ridge * torch.eye(2)
    solved = torch.linalg.solve(matrix, -windowed(changes)[..., None])
    return solved.squeeze(-1).permute(0, 4, 1, 2, 3)


def pool_and_map(head: arrow_of_time.TCAMHead, maps: Tensor) -> tuple[Tensor, Tensor]:
    """Pooled, then classified; the map as the weighted sum of channels."""
    x = maps.flatten(1, 2)
    cam = (x * head.fc.weight.view(1, -1, 1, 1)).sum(dim=1)
    return head.fc(x.mean(dim=(2, 3))).squeeze(1), cam


def segment_by_segment(model: arrow_of_time.TCAM, segments: Tensor) -> Tensor:
    maps = [model.encoder(segment) for segment in segments.unbind(1)]
    return pool_and_map(model.head, model.fusion(torch.cat(maps, dim=1))[:, None])[0]


def steps() -> Iterator[Step]:
    g = torch.Generator().manual_seed(0)
    clip = torch.rand(16, 2, 20, 32, 32, generator=g)
    labels = torch.randint(2, (16,), generator=g)
    yield Step(
        "make_aot_batch 16 flows of 20x32x32", "plain transcription",
        ours=lambda: arrow_of_time.make_aot_batch(clip, labels, flow=True),
        theirs=lambda: turn_by_loop(clip, labels),
    )
    clips = torch.rand(4, 3, 9, 64, 64, generator=g)
    yield Step(
        "lucas_kanade 4 clips of 9x64x64", "plain transcription (linalg.solve)",
        ours=lambda: arrow_of_time.lucas_kanade(clips),
        theirs=lambda: flow_by_solving(clips),
    )
    head = arrow_of_time.TCAMHead(1024)
    maps = torch.rand(8, 2, 512, 14, 14, generator=g).requires_grad_()

    def both(answer: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
        logit, cam = answer
        loss = arrow_of_time.aot_loss(logit, labels[:8])
        return (cam, *backward(loss, maps, head.fc.weight))

    yield Step(
        "TCAMHead 8x1024x14x14 forward + backward", "plain transcription",
        ours=lambda: both(head(maps)),
        theirs=lambda: both(pool_and_map(head, maps)),
    )
    torch.manual_seed(0)
    model = arrow_of_time.build().eval()  # batch norm over one segment or two differs
    segments, turned = arrow_of_time.clip_views(clips[..., :32, :32], g)
    weights = list(model.parameters())
    yield Step(
        "TCAM 4 clips forward + backward", "plain transcription",
        ours=lambda: backward(
            arrow_of_time.aot_loss(model(segments)[0], turned), *weights
        ),
        theirs=lambda: backward(
            arrow_of_time.aot_loss(segment_by_segment(model, segments), turned),
            *weights,
        ),
    )
