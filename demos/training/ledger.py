"""What a training leaves behind: weights, a card, and a row in the table of all.

`papers/same_budget.csv` has one row for each method and seed, and two that learnt
nothing to compare with. Its first line names the columns; a row fills all of them.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from demos import fingerprint
from demos.training.course import Course

TABLE = fingerprint.ROOT / "papers" / "same_budget.csv"
Figures = dict[str, float]


def code_version(method: str) -> str:
    """Hash over what a training of this method ran: its module, this lab, imports."""
    start = {f"reference_impls.{method}", "demos.train"}
    found = fingerprint.closure(start)
    return hashlib.sha256(b"".join(f.read_bytes() for f in found)).hexdigest()[:12]


def write_checkpoint(course: Course, out: Path, extra: dict[str, Any]) -> None:
    """Weights in fp16 and their card, side by side. `demos.judge` can add figures."""
    state, described = course.lesson.shipped()
    halves = {
        name: (value.half() if value.is_floating_point() else value).cpu().contiguous()
        for name, value in state.items()
    }
    save_file(halves, out.with_suffix(".safetensors"))
    lesson = course.lesson
    card = {
        "name": out.name,
        **described,
        "optimiser": f"AdamW, lr {lesson.lr}, weight decay {lesson.weight_decay}, "
        f"batch {lesson.batch}, warm-up and half a cosine",
        "trained": True,
        "source": "made by this project: python -m demos.train",
        **course.names,
        "steps": course.steps,
        f"{lesson.unit}_seen": course.images_seen,
        "core_minutes": round(course.seconds / 60, 1),
        "curve": [(share, round(loss, 5)) for share, loss in course.curve],
        **extra,
    }
    out.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n")


def trained_row(course: Course, before: Figures, after: Figures) -> dict[str, Any]:
    """A course's row, all but date and note."""
    losses = [loss for _, loss in course.curve]
    return {
        "method": course.names["method"], "seed": course.seed,
        "core_minutes": round(course.seconds / 60, 1),
        "steps": course.steps, "images": course.images_seen,
        "loss_first": f"{losses[0]:.4g}", "loss_last": f"{losses[-1]:.4g}",
        "knn_before": f"{before['knn']:.1f}", "knn_after": f"{after['knn']:.1f}",
        "linear_before": f"{before['linear']:.1f}",
        "linear_after": f"{after['linear']:.1f}",
        "spread": f"{after['spread']:.2f}", "rank": f"{after['rank']:.0f}",
        "curve": " ".join(f"{loss:.4g}" for loss in losses),
        "code": code_version(course.names["method"]),
    }


def control_row(name: str, found: Figures) -> dict[str, Any]:
    """The row of features that no training made."""
    return {
        "method": name, "knn_after": f"{found['knn']:.1f}",
        "linear_after": f"{found['linear']:.1f}", "spread": f"{found['spread']:.2f}",
        "rank": f"{found['rank']:.0f}",
    }


def record(row: dict[str, Any], table: Path, note: str) -> None:
    """The row takes the place of its method's and seed's, or joins; others stay.

    Raises ValueError where it has something that the table has no column for.
    """
    with table.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        columns, rows = list(reader.fieldnames or ()), list(reader)
    row = {"date": datetime.now(UTC).date().isoformat(), "note": note, **row}
    fresh = {name: str(row.get(name, "")) for name in columns}
    who = (fresh["method"], fresh["seed"])
    rows = [r for r in rows if (r["method"], r["seed"]) != who] + [fresh]
    rows.sort(key=lambda r: (r["method"], r["seed"]))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    beside = table.with_suffix(".new")
    beside.write_text(text.getvalue(), encoding="utf-8")
    beside.replace(table)
