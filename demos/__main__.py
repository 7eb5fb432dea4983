"""Demos from the shell: `python -m demos attention photo.jpg --paper vit --out DIR`."""

from __future__ import annotations

# ruff: noqa: T201  (a shell command prints)
import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from demos import specs
from demos.images import ImageError
from demos.offers import papers_with
from demos.results import Progress, Result


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: done. 1: the picture or an option cannot be used. 130: Ctrl-C."""
    args = parser().parse_args(arguments)
    if args.demo == "list":
        return show_list(args.json)
    try:
        return run(args)
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
        command.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
        command.add_argument("--paper", required=True, help="slug: mae, dino, …")
        command.add_argument("--out", type=Path, required=True, help="folder to fill")
        command.add_argument("--json", action="store_true", help="print JSON")
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
