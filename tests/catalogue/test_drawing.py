"""Drawings: a description becomes an SVG that nothing overlaps in, and that can be read."""

from __future__ import annotations

from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree as etree

import pytest
from django.conf import settings
from django.core.management import call_command

from kb.catalogue.drawing import description, svg
from kb.catalogue.drawing.description import Description, DescriptionError, parse
from kb.catalogue.drawing.layout import Layout, lay_out
from kb.catalogue.drawing.routes import route
from kb.catalogue.landmarks import Lines

STATIC = settings.BASE_DIR / "static"
OWN = sorted((settings.PAPERS_DIR / "figures").glob("*.toml"))


def drawn(*nodes: dict, arrows: list[dict] = ()) -> Description:
    return parse({
        "title": "A toy", "alt": "Two boxes.", "node": list(nodes), "arrow": list(arrows),
    })


def box(name: str, x: float, y: float, **more: object) -> dict:
    return {"id": name, "at": [x, y], "kind": "net", "text": name} | more


def legs(layout: Layout, shown: Description) -> list[list[tuple[float, ...]]]:
    ways = [route(layout, layout.places[a.start], layout.places[a.end]) for a in shown.arrows]
    return [[(*a, *b) for a, b in pairwise(way)] for way in ways]


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"kind": "blob"}, "is a 'blob': kinds are data, net"),
        ({"at": [0]}, "is nowhere: add `at = [column, row]`"),
        ({"at": [0, -1]}, "is nowhere"),
        ({"colour": "red"}, "unknown key 'colour': keys are"),
        ({"kind": "grid"}, "needs `rows`"),
        ({"rows": ["#"]}, "needs `rows`, as only a grid does"),
        ({"kind": "grid", "rows": ["##", "#"]}, "rows of different lengths"),
        ({"kind": "grid", "rows": ["#?"]}, "unknown cell: cells are #"),
        ({"kind": "bars", "values": [0.5, 1.5]}, "outside 0 to 1"),
        ({"id": None}, "has no id"),
    ],
)
def test_what_cannot_be_drawn_is_told_with_the_remedy(change: dict, remedy: str) -> None:
    with pytest.raises(DescriptionError, match=remedy.replace("[", r"\[")):
        drawn(box("a", 0, 0) | change)


def test_an_arrow_to_nowhere_names_the_nodes() -> None:
    with pytest.raises(DescriptionError, match="no node 'b'; ids are"):
        drawn(box("a", 0, 0), arrows=[{"from": "a", "to": "b"}])


def test_two_nodes_of_one_name_are_refused() -> None:
    with pytest.raises(DescriptionError, match="two nodes 'a'"):
        drawn(box("a", 0, 0), box("a", 1, 0))


@pytest.mark.parametrize("missing", ["title", "alt"])
def test_a_drawing_is_told_in_words(missing: str) -> None:
    raw = {"title": "A", "alt": "B", "node": [box("a", 0, 0)]}
    with pytest.raises(DescriptionError, match=f"has no '{missing}'"):
        parse(raw | {missing: " "})


def test_broken_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("title = ")
    with pytest.raises(DescriptionError, match="is no TOML"):
        description.read(tmp_path / "x.toml")


def test_an_arrow_along_a_row_is_straight() -> None:
    shown = drawn(box("a", 0, 0), box("b", 1, 0), arrows=[{"from": "a", "to": "b"}])
    layout = lay_out(shown)
    ((leg,),) = legs(layout, shown)
    assert leg[1] == leg[3] == layout.places["a"].y


def test_an_arrow_goes_round_what_stands_in_its_way() -> None:
    shown = drawn(
        box("a", 0, 0), box("between", 1, 0), box("b", 2, 0),
        arrows=[{"from": "a", "to": "b"}],
    )
    layout = lay_out(shown)
    (way,) = legs(layout, shown)
    assert not any(layout.places["between"].crosses(*leg) for leg in way)


def test_a_box_with_code_is_a_link_to_its_lines() -> None:
    shown = drawn(box("a", 0, 0, code="f#x"), box("b", 1, 0, code="gone"))
    found = {"f#x": Lines(3, 5)}
    root = etree.fromstring(svg.inline(shown, found.get))
    (link,) = root.iter("a")
    assert (link.get("href"), link.get("data-lines")) == ("#L3", "3-5")
    assert root.get("aria-label") == "Two boxes."


def test_inside_a_page_nothing_needs_an_inline_style() -> None:
    text = svg.inline(drawn(box("a", 0, 0)), lambda target: None)
    assert "style" not in text


def test_words_are_escaped() -> None:
    text = svg.inline(drawn(box("a", 0, 0, text="x < y & z")), lambda target: None)
    assert "x &lt; y &amp; z" in text


def test_as_a_file_it_brings_the_sites_colours_in_light_and_dark() -> None:
    text = svg.standalone(drawn(box("a", 0, 0)), STATIC)
    assert text.startswith('<svg class="drawing" viewBox=')
    assert "<title>A toy</title>" in text
    light, dark = text.split("prefers-color-scheme: dark")
    for half in (light, dark):
        assert half.count("--ink: #") == 1
    used = {name for name in text.split() if name.startswith("--") and name.endswith(":")}
    assert "--serif:" not in used


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_every_svg_is_what_its_description_draws(path: Path) -> None:
    """After a change: manage.py draw."""
    drawing = svg.standalone(description.read(path), STATIC)
    assert path.with_suffix(".svg").read_text(encoding="utf-8") == drawing


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_in_every_drawing_nothing_overlaps(path: Path) -> None:
    shown = description.read(path)
    layout = lay_out(shown)
    for a, b in combinations(layout.places.values(), 2):
        apart = (
            abs(a.x - b.x) >= (a.wide + b.wide) / 2
            or a.top >= b.bottom + b.below or b.top >= a.bottom + a.below
        )
        assert apart, f"{a.node.id} lies on {b.node.id}: move one"
    for arrow, way in zip(shown.arrows, legs(layout, shown), strict=True):
        for place in layout.places.values():
            if place.node.id not in (arrow.start, arrow.end):
                hit = any(place.crosses(*leg) for leg in way)
                assert not hit, f"{arrow.start} to {arrow.end} crosses {place.node.id}"


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_every_drawing_can_be_read_in_a_column_of_text(path: Path) -> None:
    """Wider, its words become too small there: break the flow into a second row."""
    layout = lay_out(description.read(path))
    root = etree.parse(path.with_suffix(".svg")).getroot()
    width, height = float(root.get("width")), float(root.get("height"))
    assert width <= 700
    assert height <= 420
    for place in layout.places.values():
        inside = place.x + place.wide / 2 <= width and place.bottom + place.below <= height
        assert inside, f"{place.node.id} is cut off"


def test_every_svg_has_a_description() -> None:
    drawings = {path.stem for path in (settings.PAPERS_DIR / "figures").glob("*.svg")}
    assert drawings == {path.stem for path in OWN}


def test_the_command_draws_the_papers_it_is_told(root: Path, settings, capsys) -> None:
    settings.PAPERS_DIR = root / "papers"
    folder = root / "papers" / "figures"
    for name in ("toy_view", "toys_view"):
        (folder / f"{name}.toml").write_text(
            'title = "T"\nalt = "A"\n[[node]]\nid = "a"\nat = [0, 0]\nkind = "op"\n'
        )
    call_command("draw", "toy")
    assert [path.name for path in folder.glob("*.svg")] == ["toy_view.svg"]
    call_command("draw")
    assert "2 drawings, 1 written" in capsys.readouterr().out
