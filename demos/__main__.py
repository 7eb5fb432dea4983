"""Demos from the shell: `python -m demos attention photo.jpg --paper vit --out DIR`.

`python -m demos verify --paper all` checks every implementation.
"""

from __future__ import annotations

# ruff: noqa: T201  (a shell command prints)
import argparse
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from demos import specs
from demos.images import ImageError
from demos.offers import papers_with
from demos.results import Progress, Result

if TYPE_CHECKING:
    from demos import verify


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: done. 1: the picture or an option cannot be used, or a golden case
    differs. 130: Ctrl-C.
    """
    args = parser().parse_args(arguments)
    if args.demo == "list":
        return show_list(args.json)
    try:
        return check(args) if args.demo == "verify" else run(args)
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
    for demo in specs.DEMOS.values():
        command = commands.add_parser(
            demo.name, help=demo.title, description=demo.summary
        )
        command.add_argument("--paper", required=True, help="slug: mae, dino, …")
        command.add_argument("--json", action="store_true", help="print JSON")
        if demo is specs.VERIFY:
            continue  # no picture goes in and no file comes out
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
        print(f"{row['name']:<16}{row['summary']}")
        print(f"{'':<16}papers: {', '.join(row['papers']) or 'none yet'}")
        for option in row["options"]:
            print(f"{'':<16}--{option['name']} ({option['default']})  {option['help']}")
    return 0


def run(args: argparse.Namespace) -> int:
    """Run one demo; files into --out, progress to stderr, the result to stdout."""
    from demos import runner  # torch enters here, so that `list` and `--help` are quick

    demo = specs.DEMOS[args.demo]
    missing = [str(path) for path in args.images if not path.is_file()]
    if missing:
        raise ImageError("empty", f"no such file: {', '.join(missing)}")
    given = {o.name: getattr(args, o.name) for o in demo.options}
    args.out.mkdir(parents=True, exist_ok=True)
    result = runner.run(
        demo.name, args.paper, args.images, given, args.out, progress_lines()
    )
    print(file=sys.stderr)
    if args.json:
        print(json.dumps(asdict(result), indent=2, ensure_ascii=False))
    else:
        show_result(result, args.out)
    return 0


def check(args: argparse.Namespace) -> int:
    """Golden cases of one paper or of all, a line for each, or JSON at the end."""
    from demos import verify  # torch again

    offering = papers_with(specs.VERIFY)
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


def show_result(result: Result, out: Path) -> None:
    """Weights, numbers and files in words."""
    state = "trained" if result.weights["trained"] else "UNTRAINED"
    print(f"weights: {result.weights['name']} ({state}). {result.weights['note']}")
    for name, value in result.numbers.items():
        print(f"{name}: {value}")
    for artifact in result.artifacts:
        print(f"{out / artifact.file}: {artifact.caption}")
    print(f"{result.seconds} s on {result.device}, code {result.code_version}")


if __name__ == "__main__":
    sys.exit(main())
