"""The file is read as it stands, and what is wrong with it is said with its line."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.core.checks import ERROR

from kb.results import table as tables
from kb.results.checks import problems, results_are_sound
from kb.results.sources import address
from tests.results.conftest import HEAD, ROWS

ROW = "toy,Toy,R50,none,probe,COCO,AP,{value},{source},{verified}"


def row(value: str = "1.5", source: str = "arXiv 2001.00001", verified: str = "yes") -> str:
    return ROW.format(value=value, source=source, verified=verified)


def test_a_value_keeps_its_digits_and_is_a_number_too(told) -> None:
    (plain, spread) = told(f"{row('81.80')}\n{row('-0.5 ± 0.25', source='x')}\n").rows
    assert (plain.value, plain.number, plain.spread) == ("81.80", 81.8, 0)
    assert (spread.number, spread.spread) == (-0.5, 0.25)


def test_columns_may_stand_in_any_order_and_cells_hold_commas(told, root) -> None:
    path = root / "papers/results.csv"
    path.write_text("value,source,verified,paper,method,backbone,pretraining,protocol,dataset,metric\n"
                    '3,"a, b",no,toy,M,,,p,d,m\n')
    (found,) = tables.read(path).rows
    assert (found.value, found.source, found.backbone, found.line) == ("3", "a, b", "", 2)


@pytest.mark.parametrize(
    ("line", "message", "remedy"),
    [
        (row(value="74.3 %"), "value '74.3 %' is no number", "74.3, or 69.9 ± 0.3"),
        (row(value="nan"), "value 'nan' is no number", "bare"),
        (row(value="1_0"), "value '1_0' is no number", "bare"),
        (row(value=""), "value '' is no number", "bare"),
        (row(source=" "), "no source", "say the source"),
        (row(verified="maybe"), "verified is 'maybe'", "yes, notes, no"),
        (row(verified=""), "verified is ''", "yes, notes, no"),
        ("toy,Toy,R50,none,probe,COCO,AP,1.5,a, b,yes", "as many cells", "quote cells"),
        ("toy,Toy", "as many cells", "quote cells"),
    ],
)
def test_a_bad_row_is_left_out_and_named_with_line_and_remedy(told, line, message, remedy) -> None:
    found = told(f"{row(source='first')}\n{line}\n")
    assert [r.source for r in found.rows] == ["first"]
    (problem,) = found.problems
    assert problem.line == 3
    assert message in problem.message
    assert remedy in problem.remedy


def test_the_same_measurement_twice_is_a_problem_even_with_another_value(told) -> None:
    found = told(f"{row('1.5')}\n{row('1.6')}\n{row('1.5', source='elsewhere')}\n")
    assert [r.value for r in found.rows] == ["1.5", "1.5"]
    (problem,) = found.problems
    assert (problem.line, problem.message) == (3, "the same measurement as line 2")


def test_other_columns_are_one_problem_that_names_the_right_ones(root) -> None:
    path = root / "papers/results.csv"
    path.write_text("paper,value\ntoy,3\n")
    (problem,) = tables.read(path).problems
    assert problem.line == 1
    assert HEAD in problem.remedy


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'"', HEAD.encode() + b'\n"'])
def test_no_content_breaks_the_reader(root, content) -> None:
    path = root / "papers/results.csv"
    path.write_bytes(content)
    assert tables.read(path).rows == ()


def test_a_row_of_a_paper_without_an_entry_is_a_problem(told) -> None:
    found = told(f"{row()}\n{row().replace('toy', 'nothing', 1)}\n")
    (problem,) = problems(found, {"toy"})
    assert problem.line == 3
    assert "no entry 'nothing'" in problem.message


def test_manage_check_reports_a_bad_row_as_an_error_of_its_own(site, told) -> None:
    told(f"{ROWS}{row('many')}\n")
    (error,) = results_are_sound(None)
    assert (error.level, error.id) == (ERROR, "results.E001")
    assert error.msg == "results.csv:7: value 'many' is no number"


def test_the_table_is_read_again_only_when_the_file_has_changed(site, told, monkeypatch) -> None:
    first = tables.table()
    with monkeypatch.context() as patched:
        patched.setattr(tables, "read", lambda path: pytest.fail("it was read again"))
        assert tables.table() is first
    told(ROWS + row() + "\n")
    assert len(tables.table().rows) == len(first.rows) + 1
    (settings.PAPERS_DIR / "results.csv").unlink()
    assert tables.table().rows == ()


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("arXiv 2006.07733, Tab. 1", "https://arxiv.org/abs/2006.07733"),
        ("submission of arXiv 2210.16870, abstract", "https://arxiv.org/abs/2210.16870"),
        ("facebookresearch/mae, FINETUNE.md at efb2a80", "https://github.com/facebookresearch/mae/tree/efb2a80"),
        ("facebookresearch/moco README at 7d22d72", "https://github.com/facebookresearch/moco/tree/7d22d72"),
        ("kahnchana/svt project page (index.html) at 19f0308", "https://github.com/kahnchana/svt/tree/19f0308"),
        ("google-research/simclr", "https://github.com/google-research/simclr"),
        ("see https://example.org/a_b.html, bottom", "https://example.org/a_b.html"),
        ("lecture notes AIL 862, lecture 15", ""),
        ("survey talk (Selva), slide 3/4", ""),
    ],
)
def test_a_source_leads_to_where_it_is_read(source, url) -> None:
    assert address(source) == url
