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
from typing import TYPE_CHECKING

from demos import specs, syntax

if TYPE_CHECKING:  # the site makes keys and decodes nothing
    from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
CHECKPOINTS = Path(__file__).resolve().parent / "checkpoints"

# Official weights under timm's names, for the papers whose module can hold them.
HUB_NAMES = {
    "vit": "vit_small_patch16_224.augreg_in21k_ft_in1k",
    "deit3": "deit3_small_patch16_224.fb_in1k",
    "dino": "vit_small_patch16_224.dino",
    "deep_vit_features": "vit_small_patch8_224.dino",
    "mae": "vit_base_patch16_224.mae",
    "convnextv2": "convnextv2_tiny.fcmae_ft_in1k",
    "dinov2": "vit_small_patch14_dinov2.lvd142m",
    "registers": "vit_small_patch14_reg4_dinov2.lvd142m",
}


def cache_key(
    demo: str, paper: str, pictures: Sequence[Path], options: Mapping[str, object]
) -> str:
    """One hash for one result: 64 hexadecimal digits.

    Options count by their value, not by how they were written; pictures by the bytes
    of the files that the site stores, which are the same for the same pixels. Raises
    OptionError, and KeyError for an unknown demo.
    """
    parts = {
        "demo": demo,
        "paper": paper,
        "options": specs.check_options(specs.DEMOS[demo], options),
        "pictures": [file_hash(path) for path in pictures],
        "weights": weights_hash(paper),
        "code": code_version(paper, demo),
    }
    return digest([json.dumps(parts, sort_keys=True).encode()])


def stage_key(paper: str, code: str, pictures: Sequence[Image.Image]) -> str:
    """The same without the options, for pictures that are decoded already.

    code: the `code_version`, which is another one for another demo.
    """
    parts = [paper, weights_hash(paper), code, *map(shown_hash, pictures)]
    return digest(part.encode() for part in parts)


def shown_hash(picture: Image.Image) -> str:
    """Hash of what a picture shows: size and RGB values."""
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
    """Hash over a run's sources: module, demo, runner, and what they import.

    Of the specs, what matters to this demo's results: their words and other demos' do
    not, so the families' files are left out (they are found, not imported).
    """
    start = {f"reference_impls.{paper}", f"demos.shows.{demo}", "demos.runner"}
    named = [text for f in closure(start) for text in (f.name, file_hash(f))]
    spec = specs.DEMOS[demo]
    late = [option.name for option in spec.options if option.late]
    named.append(repr((spec.model, spec.seconds, spec.clip, late)))
    return digest(text.encode() for text in named)[:12]


def closure(modules: set[str]) -> list[Path]:
    """Files of these modules and of what they import from the two packages, sorted."""
    found: set[Path] = set()
    waiting = files_of(modules)
    while waiting:
        path = waiting.pop()
        found.add(path)
        waiting |= imports_in(path, *last_change(path)) - found
    return sorted(found)


def files_of(modules: Iterable[str]) -> set[Path]:
    """The source of each dotted name that is a module or a package."""
    places = [ROOT.joinpath(*name.split(".")) for name in modules]
    paths = {p.with_suffix(".py") for p in places} | {p / "__init__.py" for p in places}
    return {path for path in paths if path.is_file()}


@lru_cache(maxsize=512)
def imports_in(path: Path, changed: int, size: int) -> set[Path]:
    """Files that a source may import from `demos` and `reference_impls`."""
    names = set()
    for node in ast.walk(syntax.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return files_of(n for n in names if n.startswith(("demos.", "reference_impls.")))


def file_hash(path: Path) -> str:
    """Hash of a file's bytes, computed once until its size or time changes."""
    return bytes_hash(path, *last_change(path))


def last_change(path: Path) -> tuple[int, int]:
    """Time and size: with them as arguments, a changed file is a new question."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=512)
def bytes_hash(path: Path, changed: int, size: int) -> str:
    """Hash of the bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(chunks: Iterable[bytes]) -> str:
    """SHA-256 over the chunks, each closed off from the next."""
    total = hashlib.sha256()
    for chunk in chunks:
        total.update(len(chunk).to_bytes(8, "big") + chunk)
    return total.hexdigest()
