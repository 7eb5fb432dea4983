"""Pictures per core-second of the lab's trainings, some beside lightly's loop.

    python benchmarks/train.py [--method NAME …] [--seconds 10] [--json]

Both sides train one ViT (64 px in patches of 8, width 192, 6 layers) under the same
autocast, views included, in turns of single steps; what counts is this process's CPU
time, so that other work on the machine disturbs little. The peer is what one writes
from lightly's examples: its transforms picture by picture, its heads and losses, timm's
ViT. ratio = ours / peer.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from lightly.loss import DINOLoss, NTXentLoss  # noqa: E402
from lightly.models.modules import (  # noqa: E402
    DINOProjectionHead,
    MAEDecoderTIMM,
    MaskedVisionTransformerTIMM,
    SimCLRProjectionHead,
)
from lightly.models.utils import (  # noqa: E402
    get_at_index,
    patchify,
    random_token_mask,
    update_momentum,
)
from lightly.transforms import DINOTransform, MAETransform, SimCLRTransform  # noqa: E402
from timm.models.vision_transformer import VisionTransformer  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torchvision.transforms.functional import to_pil_image  # noqa: E402

from demos.training.course import Course  # noqa: E402
from demos.training.crew import Crew  # noqa: E402
from demos.training.methods import MethodLesson, methods  # noqa: E402
from demos.training.precision import half_precision  # noqa: E402
from reference_impls import dino, mae, simclr  # noqa: E402

CPU, SIDE, WIDTH = torch.device("cpu"), 64, 192
Loss = Callable[[list[Tensor]], Tensor]


def vit() -> VisionTransformer:
    """timm's ViT of the lab's size."""
    return VisionTransformer(
        img_size=SIDE, patch_size=8, embed_dim=WIDTH, depth=6, num_heads=6,
        num_classes=0, dynamic_img_size=True,
    )


def lightly_simclr() -> tuple[nn.Module, Any, Loss]:
    """Network, transform, and the loss of the transform's views."""
    net = nn.Sequential(vit(), SimCLRProjectionHead(WIDTH, WIDTH, simclr.TINY.dim))
    criterion = NTXentLoss(temperature=simclr.TINY.temperature)
    transform = SimCLRTransform(input_size=SIDE)
    return net, transform, lambda views: criterion(net(views[0]), net(views[1]))


def lightly_dino() -> tuple[nn.Module, Any, Loss]:
    """The same for DINO; the teacher moves before the loss, as in lightly's example."""
    c = dino.TINY
    student, teacher = (
        nn.Sequential(
            vit(), DINOProjectionHead(WIDTH, c.hidden, c.bottleneck, c.out_dim)
        )
        for _ in range(2)
    )
    teacher.load_state_dict(student.state_dict())
    teacher.requires_grad_(False)
    criterion = DINOLoss(c.out_dim, warmup_teacher_temp_epochs=0)
    small = SIDE * 3 // 7 // 8 * 8
    transform = DINOTransform(
        global_crop_size=SIDE, local_crop_size=small, n_local_views=c.n_local
    )

    def loss(views: list[Tensor]) -> Tensor:
        update_momentum(student, teacher, m=c.base_momentum)
        with torch.no_grad():
            targets = [teacher(view) for view in views[:2]]
        return criterion(targets, [student(view) for view in views], epoch=0)

    return student, transform, loss


def lightly_mae() -> tuple[nn.Module, Any, Loss]:
    """The same for MAE."""
    c = mae.TINY
    encoder = MaskedVisionTransformerTIMM(vit=vit())
    T = encoder.sequence_length
    decoder = MAEDecoderTIMM(
        num_patches=T - 1, patch_size=8, embed_dim=WIDTH,
        decoder_embed_dim=c.decoder_embed_dim, decoder_depth=c.decoder_depth,
        decoder_num_heads=c.decoder_num_heads,
    )

    def loss(views: list[Tensor]) -> Tensor:
        images, B = views[0], len(views[0])
        keep, hidden = random_token_mask(size=(B, T), mask_ratio=c.mask_ratio)
        encoded = decoder.embed(encoder.encode(images=images, idx_keep=keep))
        tokens = decoder.mask_token.expand(B, T, -1).to(encoded.dtype)
        index = keep[..., None].expand(-1, -1, encoded.shape[-1])
        decoded = decoder.decode(tokens.scatter(1, index, encoded))
        prediction = decoder.predict(get_at_index(decoded, hidden))
        target = get_at_index(patchify(images, 8), hidden - 1)
        return nn.functional.mse_loss(prediction, target)

    both = nn.ModuleList([encoder, decoder])
    return both, MAETransform(input_size=SIDE), loss


PEERS = {"simclr": lightly_simclr, "dino": lightly_dino, "mae": lightly_mae}


def ours(method: str, images: Tensor, folder: Path) -> tuple[Callable[[], Any], int]:
    """One step of the lab, and its batch."""
    lesson = MethodLesson(method, images)
    state = folder / f"{method}.pt"
    return Course(lesson, 1e6, 0, state, Crew(CPU), {}).step, lesson.batch


def theirs(method: str, images: Tensor, batch: int) -> Callable[[], Any]:
    """One step of the peer, from pictures as a data set holds them."""
    net, transform, loss_of = PEERS[method]()
    net.train()
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-4)
    pictures = [to_pil_image(image) for image in images]

    def step() -> None:
        chosen = torch.randint(len(pictures), (batch,)).tolist()
        rows = [transform(pictures[i]) for i in chosen]
        views = [torch.stack(view) for view in zip(*rows, strict=True)]
        with half_precision(CPU):
            loss = loss_of(views)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def measure(method: str, seconds: float) -> dict[str, Any]:
    """Pictures per core-second of both sides: the middle of single steps in turns."""
    images = torch.randint(256, (256, 3, SIDE, SIDE)).byte()
    with tempfile.TemporaryDirectory() as folder:
        own, batch = ours(method, images, Path(folder))
    sides = [own] + ([theirs(method, images, batch)] if method in PEERS else [])
    for side in sides:
        side()
    times: list[list[float]] = [[] for _ in sides]
    until = time.process_time() + seconds
    while time.process_time() < until or len(times[0]) < 3:
        for side, taken in zip(sides, times, strict=True):
            started = time.process_time()
            side()
            taken.append(time.process_time() - started)
    rates = [batch / statistics.median(taken) for taken in times]
    peer = round(rates[1], 1) if len(rates) > 1 else None
    ratio = round(rates[0] / rates[1], 2) if len(rates) > 1 else None
    return {"method": method, "ours": round(rates[0], 1), "peer": peer, "ratio": ratio}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", nargs="+", default=None)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    chosen = args.method or [m for m in methods() if m != "convnextv2"]
    rows = [measure(method, args.seconds) for method in chosen]
    if args.json:
        print(json.dumps(rows, indent=1))
        return
    print("pictures per core-second; ratio = ours / lightly's loop")
    for row in rows:
        beside = f"{row['peer']:8.1f} {row['ratio']:6.2f}" if row["peer"] else ""
        print(f"{row['method']:14} {row['ours']:8.1f} {beside}")


if __name__ == "__main__":
    main()
