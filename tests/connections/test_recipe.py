"""Recipe tables, row by row."""

from __future__ import annotations

from kb.connections.recipe import Setting, match, settings_of
from kb.connections.words import marked


def table(*rows: tuple[str, ...]) -> str:
    cells = ("".join(f"<td>{cell}</td>" for cell in row) for row in rows)
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"


def setting(name: str, value: str, group: str = "training") -> Setting:
    return Setting(group, name, value, value)


def test_a_table_of_two_columns_is_named_by_its_corner() -> None:
    found = settings_of(table(("training", "value"), ("batch", "256")))
    assert found == [Setting("training", "batch", "256", "256")]


def test_further_columns_are_named_by_their_heads_and_empty_cells_are_left_out() -> None:
    html = table(("after", "fine", "probe"), ("lr", "1", "2"), ("mixup", "0.8", ""))
    found = [(one.group, one.name, one.value) for one in settings_of(html)]
    assert found == [("fine", "lr", "1"), ("probe", "lr", "2"), ("fine", "mixup", "0.8")]


def test_formulas_keep_their_markup_and_links_lose_theirs() -> None:
    html = table(
        ("t", "v"), ('<a href="#L1">lr</a>', "<math><mn>1</mn></math> &lt; <a>2</a>")
    )
    (one,) = settings_of(html)
    assert (one.name, one.value) == ("lr", "1 < 2")
    assert one.html == "<math><mn>1</mn></math> &lt; 2"


def test_names_need_not_be_the_same_words() -> None:
    left = [setting("batch", "4096"), setting("optimiser", "SGD")]
    right = [setting("Optimiser", "SGD"), setting("batch, epochs", "4096, 100")]
    found = match(left, right)
    assert [row.name for row in found.differing] == ["batch / batch, epochs"]
    assert [row.name for row in found.equal] == ["optimiser"]
    assert (found.only_left, found.only_right) == ([], [])


def test_unlike_names_stay_alone() -> None:
    found = match([setting("decoder", "8 blocks")], [setting("warm-up", "10")])
    assert not found.differing
    assert not found.equal
    assert [one.name for one in found.only_left] == ["decoder"]
    assert [one.name for one in found.only_right] == ["warm-up"]


def test_the_heading_decides_between_equal_names() -> None:
    left = [setting("lr", "1", "probe")]
    right = [setting("lr", "2", "fine-tuning"), setting("lr", "3", "probe")]
    (row,) = match(left, right).differing
    assert (row.left, row.right) == ("<del>1</del>", "<ins>3</ins>")


def test_only_the_words_that_differ_are_marked() -> None:
    assert marked("AdamW, lr 0.1", "SGD, lr 0.1 <b>") == (
        "<del>AdamW,</del> lr 0.1", "<ins>SGD,</ins> lr 0.1 <ins>&lt;b&gt;</ins>",
    )


def test_a_comma_is_no_difference() -> None:
    assert marked("ResNet-50, wide", "ResNet-50")[1] == "ResNet-50"
