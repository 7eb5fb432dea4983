"""The map: nothing covers anything, lines run beside names, and circles do no harm."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kb.connections.drawing import BULGE, path
from kb.connections.graph import Edge
from kb.connections.layers import columns
from kb.connections.layout import HEIGHT, WIDTH, Box, Layout, lay_out

NODES = [f"paper{n}" for n in range(9)]


def built(*pairs: tuple[str, str]) -> list[Edge]:
    return [Edge(source, target, "imports") for source, target in pairs]


@st.composite
def maps(draw: st.DrawFn) -> tuple[dict[str, str], list[Edge]]:
    """Papers in parts, and edges between any two, circles included."""
    parts = {node: draw(st.sampled_from(["video", "foundations"])) for node in NODES}
    ends = st.tuples(st.sampled_from(NODES), st.sampled_from(NODES))
    pairs = draw(st.lists(ends.filter(lambda p: p[0] != p[1]), unique=True, max_size=25))
    kinds = st.sampled_from(["imports", "follows"])
    return parts, [Edge(*pair, draw(kinds)) for pair in pairs]


def overlap(one: Box, other: Box) -> bool:
    beside = abs(one.x - other.x) >= WIDTH or abs(one.y - other.y) >= HEIGHT
    return not beside


def covered(layout: Layout, route: list[tuple[float, float]]) -> list[str]:
    """Boxes that a route's straight stretches run through, or its curves reach."""
    found = []
    for box in layout.boxes.values():
        for (x, y), (to_x, _) in zip(route[1::2], route[2::2], strict=False):
            inside = box.x < (x + to_x) / 2 < box.x + WIDTH
            if inside and box.y <= y <= box.y + HEIGHT:
                found.append(box.slug)
        for (x, _), (to_x, _) in zip(route[::2], route[1::2], strict=False):
            edge = max(to_x, x + BULGE if x == to_x else x)
            if x < box.x + WIDTH and edge > box.x:
                found.append(box.slug)
    return found


@settings(deadline=None)
@given(maps())
def test_no_two_papers_overlap(case: tuple[dict[str, str], list[Edge]]) -> None:
    boxes = list(lay_out(*case).boxes.values())
    assert len(boxes) == len(NODES)
    assert not any(
        overlap(one, other) for i, one in enumerate(boxes) for other in boxes[:i]
    )


@settings(deadline=None)
@given(maps())
def test_no_line_crosses_a_name(case: tuple[dict[str, str], list[Edge]]) -> None:
    layout = lay_out(*case)
    for route in layout.routes:
        assert covered(layout, route.points) == []


@settings(deadline=None)
@given(maps())
def test_everything_stands_on_the_sheet(case: tuple[dict[str, str], list[Edge]]) -> None:
    layout = lay_out(*case)
    for box in layout.boxes.values():
        assert 0 <= box.x <= layout.width - WIDTH
        assert 0 <= box.y <= layout.height - HEIGHT
    for route in layout.routes:
        assert all(0 <= y <= layout.height for _, y in route.points)


@settings(deadline=None)
@given(maps())
def test_lines_end_at_their_papers(case: tuple[dict[str, str], list[Edge]]) -> None:
    layout = lay_out(*case)
    for route in layout.routes:
        ends = [route.edge.source, route.edge.target]
        first, last = (layout.boxes[s] for s in (ends[::-1] if route.reverse else ends))
        assert route.points[0] == (first.x + WIDTH, first.middle)
        assert route.points[-1][1] == last.middle


@settings(deadline=None)
@given(maps())
def test_papers_of_two_parts_do_not_mix(case: tuple[dict[str, str], list[Edge]]) -> None:
    layout = lay_out(*case)
    lanes = {lane.part: lane.y for lane in layout.lanes}
    below = sorted(lanes.values())[1:] or [layout.height]
    for slug, box in layout.boxes.items():
        upper = lanes[case[0][slug]] == min(lanes.values())
        assert box.y + HEIGHT <= below[0] if upper else box.y >= below[-1]


def test_a_paper_stands_right_of_all_that_it_imports() -> None:
    found = columns(["a", "b", "c"], built(("a", "b"), ("b", "c"), ("a", "c")))
    assert found == {"a": 0, "b": 1, "c": 2}


def test_a_root_stands_next_to_what_builds_on_it() -> None:
    edges = built(("a", "b"), ("b", "c"), ("late", "c"))
    assert columns(["a", "b", "c", "late"], edges)["late"] == 1


def test_answers_move_only_papers_whose_code_builds_on_nothing() -> None:
    edges = [
        *built(("a", "b"), ("a", "c")), Edge("b", "c", "follows"),
        Edge("b", "lone", "follows"),
    ]
    assert columns(["a", "b", "c", "lone"], edges) == {"a": 0, "b": 1, "c": 1, "lone": 2}


def test_papers_that_answer_each_other_still_get_columns() -> None:
    edges = [Edge("a", "b", "follows"), Edge("b", "a", "follows")]
    assert columns(["a", "b"], edges) == {"a": 0, "b": 1}
    assert [route.reverse for route in lay_out({"a": "x", "b": "x"}, edges).routes] == [
        False, True,
    ]


def test_a_line_is_a_curve_then_straight_then_a_curve() -> None:
    edges = built(("a", "b"), ("b", "c"), ("a", "c"))
    layout = lay_out(dict.fromkeys("abc", "video"), edges)
    letters = [
        "".join(c for c in path(route) if c.isupper()) for route in layout.routes
    ]
    assert letters == ["MC", "MC", "MCHC"]


def test_no_papers_make_an_empty_map() -> None:
    layout = lay_out({}, [])
    assert (layout.boxes, layout.routes) == ({}, [])
