"""Who may import whom, and what belongs together: the promises of the layout."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = {"reference_impls", "demos", "kb"}

# What code in a folder may import beside the standard library and itself. The first
# folder that fits counts, so the narrower ones stand first.
PICTURES_ONLY = {"numpy", "PIL", "demos"}
MAY = {
    "demos/specs/": {"demos"},
    "demos/offers.py": {"demos"},
    "demos/syntax.py": set(),
    "demos/fingerprint.py": PICTURES_ONLY,
    "demos/intake/film.py": {*PICTURES_ONLY, "av"},
    "demos/intake/frames.py": PICTURES_ONLY,
    "demos/intake/images.py": PICTURES_ONLY,
    "demos/intake/packing.py": {"PIL"},
    "demos/intake/pixels.py": PICTURES_ONLY,
    "demos/intake/sampling.py": {"demos"},
    "demos/intake/strangers.py": {"demos"},
    "demos/intake/decoder.py": PICTURES_ONLY,
    "demos/intake/sandbox.py": set(),
    "demos/drawing/colour.py": PICTURES_ONLY,
    "demos/drawing/pictures.py": PICTURES_ONLY,
    "demos/results.py": PICTURES_ONLY,
    "demos/stamps.py": PICTURES_ONLY,
    "demos": {
        "reference_impls", "torch", "torchvision", "timm", "safetensors", "numpy", "PIL",
        "onnx", "tokenizers", "tqdm", "demos",
    },
    "reference_impls": {"torch", "numpy", "reference_impls"},
}
# kb may import its web libraries; of ours, and of what must never be there:
NEVER_IN_KB = {
    "torch", "torchvision", "timm", "safetensors", "reference_impls", "onnx", "av",
}
# Ranking among a hundred thousand places is arithmetic on long rows of numbers.
NUMPY_IN_KB = "kb/search/"
# What of the demos does without torch, and so is open to the site.
LIGHT = {
    place.strip("/").removesuffix(".py").replace("/", ".")
    for place in MAY if place.startswith("demos/")
}
# FFmpeg's, for a process that lives as long as one video; frames.py asks for it there.
APART = "demos.intake.film"
# Packages whose modules are imported by name: `from demos.intake import images`.
LOOSE = OURS | {"demos.drawing", "demos.intake"}
# Of the packages inside kb, whom each may import.
INSIDE_KB = {
    "catalogue": set(),
    "search": {"catalogue", "connections", "results"},
    "gate": set(),
    "runs": {"catalogue", "gate"},
    "results": {"catalogue"},
    "exchange": {"catalogue"},
    "connections": {"catalogue", "results"},
    "operations": {"catalogue", "search", "runs"},
    "api": {"catalogue", "search", "gate", "runs", "results", "operations"},
}
TASK = "kb/runs/tasks.py"


def sources(*folders: str) -> list[str]:
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def imports(file: str) -> Iterator[tuple[str, bool]]:
    """(dotted name, whether inside a function) of each import in a file."""
    tree = ast.parse((ROOT / file).read_text())
    inner = {
        id(child) for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in inner) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                parent = Path(file).parts[: -node.level]
                module = ".".join((*parent, *filter(None, [module])))
            # `from kb import search` names the package in the alias.
            whole = module in LOOSE
            for name in [f"{module}.{a.name}" for a in node.names] if whole else [module]:
                yield name, id(node) in inner


@pytest.mark.parametrize("file", sources("reference_impls", "demos"))
def test_models_and_demos_import_what_the_table_allows(file: str) -> None:
    allowed = next(MAY[place] for place in MAY if file.startswith(place))
    for name, _ in imports(file):
        top = name.split(".")[0]
        assert top in allowed | sys.stdlib_module_names, f"{file} imports {name}"
        if file.startswith("demos/specs/") and top in OURS:
            assert name.startswith("demos.specs"), f"{file} imports {name}"
        if top == "demos" and allowed == PICTURES_ONLY:
            assert name in LIGHT, f"{file} imports {name}, which may need torch"


def test_ffmpeg_is_loaded_where_a_video_is_and_nowhere_before() -> None:
    program = "import sys; import demos.intake.decoder; sys.exit('av' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
    for file in sources("demos"):
        at_once = {name.split(".")[0] for name, inner in imports(file) if not inner}
        named = {name for name, inner in imports(file) if not inner}
        assert "av" not in at_once or file == "demos/intake/film.py"
        assert APART not in named, f"{file} imports {APART}"


@pytest.mark.parametrize("file", sources("kb"))
def test_the_site_imports_no_model_and_only_the_light_doors_of_the_demos(
    file: str,
) -> None:
    for name, inner in imports(file):
        top = name.split(".")[0]
        assert top not in NEVER_IN_KB, f"{file} imports {name}"
        assert top != "numpy" or file.startswith(NUMPY_IN_KB), f"{file} imports {name}"
        if top == "demos":
            task_body = file == TASK and inner and name == "demos.runner"
            light = name in LIGHT and name != APART
            assert light or task_body, f"{file} imports {name}"


@pytest.mark.parametrize("file", sources(*(f"kb/{package}" for package in INSIDE_KB)))
def test_packages_of_the_site_import_in_one_direction(file: str) -> None:
    package = Path(file).parts[1]
    for name, _ in imports(file):
        kb, _, rest = name.partition(".")
        other = rest.split(".")[0]
        if kb == "kb" and other in INSIDE_KB and other != package:
            assert other in INSIDE_KB[package], f"{file} imports {name}"


def test_the_address_table_of_the_site_loads_without_torch(tmp_path: Path) -> None:
    program = (
        "import sys, django; django.setup(); import kb.urls, kb.asgi, kb.celery; "
        "heavy = {'torch', 'timm', 'torchvision', 'reference_impls', 'av'}; "
        "heavy &= set(sys.modules); sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    env = {
        "DJANGO_SETTINGS_MODULE": "kb.settings", "KB_VAR_DIR": str(tmp_path),
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def slugs(folder: str, pattern: str, prefix: str = "") -> set[str]:
    stems = {path.stem.removeprefix(prefix) for path in (ROOT / folder).glob(pattern)}
    return stems - {"__init__"}


MODULES = slugs("reference_impls", "*.py")


def test_every_summary_has_a_module_and_every_module_a_summary() -> None:
    assert slugs("papers", "*.md") == MODULES


def test_every_module_has_a_test_and_every_test_a_module() -> None:
    tested = slugs("tests/reference_impls", "test_*.py", "test_")
    # These two are about the cases themselves, and about what all methods share.
    assert tested - {"golden", "every_method"} == MODULES


def test_every_module_has_golden_cases_and_every_case_a_module() -> None:
    cases = (ROOT / "reference_impls/golden").glob("*/*.json")
    assert {path.parent.name for path in cases} == MODULES


def test_every_module_has_core_steps_to_time() -> None:
    assert slugs("benchmarks/steps", "*.py") == MODULES


def test_slugs_are_lower_case_words() -> None:
    assert all(slug.replace("_", "a").isalnum() and slug.islower() for slug in MODULES)


def test_no_file_is_named_after_nothing() -> None:
    names = {"utils", "helpers", "common", "base", "manager", "misc"}
    ours = sources("kb", "demos", "reference_impls", "benchmarks", "tests")
    assert not [file for file in ours if Path(file).stem in names]
