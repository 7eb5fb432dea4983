"""Symbols and landmarks are found without importing the module."""

from __future__ import annotations

from pathlib import Path

import pytest

from kb.catalogue.code import Module
from kb.catalogue.landmarks import LANDMARK, Lines
from kb.catalogue.library import Paper


def module(tmp_path: Path, source: str) -> Module:
    path = tmp_path / "m.py"
    path.write_text(source)
    return Module(path)


def text(m: Module, lines: Lines | None) -> str:
    assert lines is not None
    return "\n".join(m.lines[lines.first - 1 : lines.last])


def test_symbols_carry_kind_signature_and_docstring(toy: Paper) -> None:
    found = {s.name: s for s in toy.module.symbols}
    assert list(found) == [
        "Config", "Config.tau", "softened", "Toy", "Toy.forward", "Toy.get_attention",
    ]
    assert found["softened"].signature == (
        "softened(x: Tensor, tau: float=0.1) -> Tensor"
    )
    assert found["softened"].doc.startswith("Divides by")
    assert [found[n].kind for n in ("Config", "Config.tau", "softened", "Toy.forward")] == [
        "class", "constant", "function", "method",
    ]
    assert [s.name for s in toy.module.outline] == ["Config", "softened", "Toy"]


def test_a_landmark_behind_code_covers_its_whole_statement(toy: Paper) -> None:
    m = toy.module
    assert text(m, m.find("softened#x / tau")).strip().startswith("y = x / tau")
    whole = text(m, m.find("softened#mean of both"))
    assert whole.strip().startswith("return torch.stack(")
    assert whole.endswith(")")


def test_a_landmark_on_its_own_line_ends_at_a_blank_line(toy: Paper) -> None:
    m = toy.module
    assert text(m, m.find("Toy.forward#two steps")) == (
        "        y = softened(x)\n        y = y + 1"
    )


def test_a_landmark_on_its_own_line_ends_at_a_dedent(tmp_path: Path) -> None:
    m = module(tmp_path, "def f(x):\n    if x:\n        # -- a\n        x = 1\n    return x\n")
    assert m.find("f#a") == Lines(4, 4)


def test_a_class_holds_the_landmarks_of_its_methods_and_no_other(toy: Paper) -> None:
    assert toy.module.find("Toy#two steps") == toy.module.find("Toy.forward#two steps")
    assert toy.module.find("Toy.get_attention#two steps") is None
    assert toy.module.find("Config#two steps") is None


@pytest.mark.parametrize("target", ["", "#x / tau", "Nothing", "softened#nothing", "Toy.x"])
def test_a_dead_target_is_none(toy: Paper, target: str) -> None:
    assert toy.module.find(target) is None


def test_strings_hold_no_landmarks(toy: Paper) -> None:
    assert "not a landmark" not in {mark.name for mark in toy.module.landmarks}


@pytest.mark.parametrize(
    ("comment", "name"),
    [
        ("# -- stop-gradient", "stop-gradient"),
        ("# (B, D) -- D(p1, z2)", "D(p1, z2)"),
        ("# (B,)  -- x -- y", "x -- y"),
        ("# same  -- Hi-Fi", "Hi-Fi"),
        ("# slow -- but right", None),
        ("# a--b", None),
        ("# --", None),
    ],
)
def test_a_dash_inside_a_sentence_is_no_landmark(comment: str, name: str | None) -> None:
    found = LANDMARK.match(comment)
    assert (found[1] if found else None) == name


@pytest.mark.parametrize(
    ("line", "slugs"),
    [
        ("from reference_impls.vit import Block, ViT", ["vit"]),
        ("from reference_impls import vit, mae", ["vit", "mae"]),
        ("import reference_impls.vit", ["vit"]),
        ("from .vit import Block", ["vit"]),
        ("from . import vit", ["vit"]),
        ("import torch\nfrom torch.nn import Module", []),
    ],
)
def test_imports_name_the_papers_built_on(
    tmp_path: Path, line: str, slugs: list[str]
) -> None:
    assert module(tmp_path, line).imports == slugs
