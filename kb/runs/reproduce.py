"""A result in words that others can use: commands that make it again, a citation."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

from demos.specs import DEMOS
from kb.catalogue.library import Paper
from kb.runs.models import Run

PICTURE = "picture.png"


def shell(run: Run) -> str:
    """The command for a copy of this repository."""
    words = ["python", "-m", "demos", run.demo, *pictures(run), "--paper", run.paper]
    if run.demo != "verify":  # which prints its table and writes no file
        words += ["--out", "result"]
    words += [f"--{name}={value}" for name, value in run.options.items()]
    return wrapped(words)


def python(run: Run) -> str:
    """The same as a few lines of Python."""
    paths = ", ".join(f"Path({name!r})" for name in pictures(run))
    return (
        "from pathlib import Path\n"
        "from demos import runner\n\n"
        'out = Path("result")\n'
        "out.mkdir(exist_ok=True)\n"
        f"result = runner.run(\n    {run.demo!r}, {run.paper!r}, [{paths}],\n"
        f"    {run.options!r},\n    out,\n)\n"
        "print(result.numbers)\n"
    )


def http(run: Run, api: str) -> str:
    """The same through this site's API; `api` is the absolute address of its runs."""
    words = ["curl", "-F", f"demo={run.demo}", "-F", f"paper={run.paper}"]
    fields = ("image", *(f"image{n}" for n in range(2, 10)))
    for field, name in zip(fields, pictures(run), strict=False):
        words += ["-F", f"{field}=@{name}"]
    return wrapped([*words, "-F", f"options={json.dumps(run.options)}", api])


def pictures(run: Run) -> list[str]:
    """Names for the pictures that were sent: picture.png, picture2.png, …"""
    names = (PICTURE, *(PICTURE.replace(".", f"{n}.") for n in range(2, 10)))
    return list(names[: len(run.images)])


def wrapped(words: list[str]) -> str:
    """A command for the shell, quoted, in lines of readable length."""
    return " \\\n    ".join(lines([shlex.quote(word) for word in words]))


def lines(words: list[str]) -> Iterator[str]:
    """Words joined to lines of up to 72 characters."""
    line = ""
    for word in words:
        if line and len(line) + len(word) > 71:
            yield line
            line = ""
        line = f"{line} {word}".strip()
    yield line


def citation(run: Run, paper: Paper | None, url: str) -> str:
    """One sentence that names everything this result depends on."""
    assert run.result is not None, "only a result can be cited"
    assert run.finished is not None, "a result has an end"
    title = DEMOS[run.demo].title if run.demo in DEMOS else run.demo
    named = f"{paper.short} ({paper.title})" if paper else run.paper
    when = f"{run.finished.day} {run.finished:%B %Y}"
    weights = run.result["weights"]["name"]
    return (
        f"{title}, {named}. Made with Vitrine on {when}; weights: {weights}; "
        f"code {run.result['code_version']}; seed {run.result['seed']}. {url}"
    )
