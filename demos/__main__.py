"""Demos from the shell: `python -m demos attention photo.jpg --paper vit --out DIR`.

`python -m demos verify --paper all` checks every implementation, and
`python -m demos again RESULT.png --out DIR` runs a result again from its picture alone.
"""

from __future__ import annotations

# ruff: noqa: T201  (a shell command prints)
import argparse
import json
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from demos import specs
from demos.intake.images import ImageError
from demos.intake.sandbox import SANDBOX
from demos.offers import papers_with
from demos.results import Progress, Result

if TYPE_CHECKING:
    from demos.shows import verify


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: done. 1: the picture or an option cannot be used, or a golden case
    differs. 130: Ctrl-C.
    """
    args = parser().parse_args(arguments)
    if args.demo == "list":
        return show_list(args.json)
    try:
        return {"verify": check, "again": repeat}.get(args.demo, run)(args)
    except KeyboardInterrupt:
        print("\ncancelled", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        print(f"\nerror: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """One subcommand per demo, its flags made from the demo's options."""
    top = argparse.ArgumentParser(prog="python -m demos", description=__doc__)
    commands = top.add_subparsers(dest="demo", required=True)
    listing = commands.add_parser("list", help="demos, their options and papers")
    listing.add_argument("--json", action="store_true")
    repeating = commands.add_parser("again", help="a result once more, from its PNG")
    repeating.add_argument("result", type=Path, metavar="RESULT.png")
    repeating.add_argument("--out", type=Path, required=True, help="folder to fill")
    repeating.add_argument("--json", action="store_true", help="print JSON")
    for demo in specs.DEMOS.values():
        command = commands.add_parser(
            demo.name, help=demo.title, description=demo.summary
        )
        command.add_argument("--paper", required=True, help="slug: mae, dino, …")
        command.add_argument("--json", action="store_true", help="print JSON")
        if demo.name == "verify":
            continue  # prints its table instead of writing files
        if demo.images[1]:
            command.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
        command.add_argument("--out", type=Path, required=True, help="folder to fill")
        for option in demo.options:
            add_flag(command, option)
    return top


def add_flag(command: argparse.ArgumentParser, option: specs.Option) -> None:
    """`--name VALUE`; the value is checked by the demo's specs, as on the site."""
    ends = f" [{option.low:g} to {option.high:g}]" if option.low is not None else ""
    default = f" (default {option.default})"
    text = (option.help + ends + default).replace("%", "%%")
    allowed = "{" + ",".join(option.choices) + "}" if option.choices else None
    command.add_argument(f"--{option.name}", help=text, metavar=allowed)


def show_list(as_json: bool) -> int:
    """Demos with the papers that offer them."""
    rows = [
        {**asdict(demo), "papers": papers_with(demo)}
        for demo in specs.DEMOS.values()
    ]
    if as_json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        print(f"{row['name']:<20}{row['summary']}")
        print(f"{'':<20}papers: {', '.join(row['papers']) or 'none yet'}")
        for option in row["options"]:
            late = " Answers at once." if option["late"] else ""
            text = f"{option['help']}{late}"
            print(f"{'':<20}--{option['name']} ({option['default']})  {text}")
    return 0


def run(args: argparse.Namespace) -> int:
    """Run one demo; files into --out, progress to stderr, the result to stdout."""
    from demos import runner  # torch enters here, so that `list` and `--help` are quick

    demo = specs.DEMOS[args.demo]
    pictures = getattr(args, "images", [])  # a demo may take none
    missing = [str(path) for path in pictures if not path.is_file()]
    if missing:
        raise ImageError("empty", f"no such file: {', '.join(missing)}")
    given = {o.name: getattr(args, o.name) for o in demo.options}
    args.out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        plain = decoded(pictures, Path(folder), demo.clip)
        result = runner.run(
            demo.name, args.paper, plain, given, args.out, progress_lines()
        )
    show_result(result, args)
    return 0


def decoded(pictures: list[Path], folder: Path, clip: bool) -> list[Path]:
    """The pictures as plain PNG in `folder`, where it can be by a process apart.

    clip: with all frames of what moves. Raises ImageError.
    """
    if not hasattr(socket, "send_fds"):  # Windows
        return pictures
    plain = [folder / f"{n}.png" for n in range(len(pictures))]
    for path, made in zip(pictures, plain, strict=True):
        with path.open("rb") as source, made.open("xb") as target:
            if wrong := SANDBOX.decode(source, target, clip):
                raise ImageError(**wrong)
    return plain


def repeat(args: argparse.Namespace) -> int:
    """Run a result again, and say what has changed since."""
    from demos.again import again

    args.out.mkdir(parents=True, exist_ok=True)
    result, changed = again(args.result, args.out, progress_lines(), decoded)
    show_result(result, args)
    print(*changed, sep="\n", file=sys.stderr)
    return 0


def check(args: argparse.Namespace) -> int:
    """Golden cases of one paper or of all, a line for each, or JSON at the end."""
    from demos.shows import verify  # torch again

    offering = papers_with(specs.DEMOS["verify"])
    if args.paper not in ["all", *offering]:
        raise ValueError(f"{args.paper!r} has no cases; all or {', '.join(offering)}")
    chosen = offering if args.paper == "all" else [args.paper]
    by_paper = groupby((o for _, o in verify.check(chosen)), lambda one: one.paper)
    done: list[verify.Outcome] = []
    for _, outcomes in by_paper:
        cases = verify.merged(outcomes)
        done += cases
        if not args.json:
            show_cases(cases)
    equal = sum(case.passed for case in done)
    if args.json:
        print(json.dumps([asdict(case) for case in done], indent=2))
    else:
        print(f"{equal} of {len(done)} cases of {len(chosen)} papers equal")
    return int(equal < len(done))


def show_cases(cases: Iterable[verify.Outcome]) -> None:
    """A line for each: what its worst output was off by, and whose answer it was."""
    for case in cases:
        _, word, error, allowed, _, source = case.row()
        name = f"{case.paper}/{case.case}"
        print(f"{name:<52}{error:>9} of {allowed:<9} {word}  {source}", flush=True)


def progress_lines() -> Callable[[Progress], None]:
    """Prints each new message to stderr, in one line on a terminal."""
    start, end = ("\r\033[K", "") if sys.stderr.isatty() else ("", "\n")
    said = ""

    def show(progress: Progress) -> None:
        nonlocal said
        line = f"[{progress.step}/{progress.total}] {progress.message}"
        if line != said:
            print(f"{start}{line}", end=end, file=sys.stderr, flush=True)
        said = line

    return show


def show_result(result: Result, args: argparse.Namespace) -> None:
    """Weights, numbers and files in words, or everything as JSON."""
    print(file=sys.stderr)
    if args.json:
        print(json.dumps(asdict(result), indent=2, ensure_ascii=False))
        return
    state = "trained" if result.weights["trained"] else "UNTRAINED"
    print(f"weights: {result.weights['name']} ({state}). {result.weights['note']}")
    for name, value in result.numbers.items():
        print(f"{name}: {value}")
    for artifact in result.artifacts:
        print(f"{args.out / artifact.file}: {artifact.caption}")
    print(f"{result.seconds} s on {result.device}, code {result.code_version}")


if __name__ == "__main__":
    sys.exit(main())
