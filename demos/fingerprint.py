"""What a result depends on, as hashes: pixels, options, weights, code. Without torch.

Two requests with one key are the same run, so the site can answer the second from the
first. The weights of a paper are named here too, because the hash has to know them.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from demos import images, specs

ROOT = Path(__file__).resolve().parent.parent
CHECKPOINTS = Path(__file__).resolve().parent / "checkpoints"

# Official weights under timm's names, for the papers whose module can hold them.
HUB_NAMES = {
    "vit": "vit_small_patch16_224.augreg_in21k_ft_in1k",
    "deit3": "deit3_small_patch16_224.fb_in1k",
    "dino": "vit_small_patch16_224.dino",
    "mae": "vit_base_patch16_224.mae",
}


def cache_key(
    demo: str, paper: str, pictures: Sequence[Path], options: Mapping[str, object]
) -> str:
    """One hash for one result: 64 hexadecimal digits.

    Options count by their value, not by how they were written; pictures by their
    decoded pixels. Raises ImageError, OptionError, and KeyError for an unknown demo.
    """
    parts = {
        "demo": demo,
        "paper": paper,
        "options": specs.check_options(specs.DEMOS[demo], options),
        "pictures": [pixels_hash(path) for path in pictures],
        "weights": weights_hash(paper),
        "code": code_version(paper, demo),
    }
    return digest([json.dumps(parts, sort_keys=True).encode()])


def pixels_hash(path: Path) -> str:
    """Hash of what the picture shows: size and RGB values, after decoding."""
    picture = images.read(path)
    return digest([repr(picture.size).encode(), picture.tobytes()])


def weights_hash(paper: str) -> str:
    """Hash of every weights file that a run of this paper could come to use."""
    bundled = sorted(CHECKPOINTS.glob("*.*"))
    files = [*operator_files(paper), *hub_files(paper), *bundled]
    allowed = os.environ.get("KB_ALLOW_HUB", "")
    return digest([allowed.encode(), *(file_hash(f).encode() for f in files)])


def operator_files(paper: str) -> list[Path]:
    """The operator's own `<paper>.safetensors` and its card, where they exist."""
    folder = os.environ.get("KB_WEIGHTS_DIR", "")
    names = (f"{paper}.safetensors", f"{paper}.json")
    return [Path(folder, n) for n in names if folder and Path(folder, n).is_file()]


def hub_files(paper: str) -> list[Path]:
    """The paper's official weights in the local hub cache: none, or one file."""
    if paper not in HUB_NAMES:
        return []
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    cache = Path(os.environ.get("HF_HUB_CACHE", home / "hub"))
    repository = cache / f"models--timm--{HUB_NAMES[paper]}"
    head = repository / "refs" / "main"
    if not head.is_file():
        return []
    snapshot = repository / "snapshots" / head.read_text().strip()
    return [f for f in [snapshot / "model.safetensors"] if f.is_file()]


def code_version(paper: str, demo: str) -> str:
    """Hash over the sources of a run: module, demo, runner, and what they import."""
    start = {f"reference_impls.{paper}", f"demos.{demo}", "demos.runner"}
    files = closure(start)
    named = (text.encode() for f in files for text in (f.name, file_hash(f)))
    return digest(named)[:12]


def closure(modules: set[str]) -> list[Path]:
    """Files of these modules and of what they import from the two packages, sorted."""
    found: set[Path] = set()
    while modules:
        path = ROOT.joinpath(*modules.pop().split(".")).with_suffix(".py")
        if path.is_file() and path not in found:
            found.add(path)
            modules |= imports_in(path.read_text())
    return sorted(found)


@lru_cache(maxsize=64)
def imports_in(source: str) -> frozenset[str]:
    """Dotted names that a source may import from `demos` and `reference_impls`."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return frozenset(n for n in names if n.startswith(("demos.", "reference_impls.")))


def file_hash(path: Path) -> str:
    """Hash of a file's bytes, computed once until its size or time changes."""
    found = path.stat()
    return bytes_hash(path.resolve(), found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=512)
def bytes_hash(path: Path, changed: int, size: int) -> str:
    """Hash of the bytes; `changed` and `size` only make a new file a new question."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(chunks: Iterable[bytes]) -> str:
    """SHA-256 over the chunks, each closed off from the next."""
    total = hashlib.sha256()
    for chunk in chunks:
        total.update(len(chunk).to_bytes(8, "big") + chunk)
    return total.hexdigest()
