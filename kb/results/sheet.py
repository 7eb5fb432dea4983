"""Tables that people write: CSV whose faults are found, never raised."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from kb.catalogue.problems import Problem

Cells = dict[str, str]
QUOTE = 'quote cells that hold a comma: "a, b"'


def read(
    path: Path, columns: Sequence[str]
) -> tuple[list[tuple[int, Cells]], list[Problem]]:
    """Rows that fill all columns, each with its line, and what is wrong with others.

    The file's first line names the columns, in any order.
    """
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if set(reader.fieldnames or ()) != set(columns):
        remedy = f"begin it with {','.join(columns)}"
        return [], [Problem(path, 1, "wrong column names", remedy)]
    rows: list[tuple[int, Cells]] = []
    problems: list[Problem] = []
    for cells in reader:
        if None in cells or None in cells.values():
            message = "has not as many cells as the header"
            problems.append(Problem(path, reader.line_num, message, QUOTE))
        else:
            rows.append((reader.line_num, cells))
    return rows, problems
