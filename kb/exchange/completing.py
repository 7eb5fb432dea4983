"""A draft that is there already takes from BibTeX what it lacks."""

from __future__ import annotations

from pathlib import Path

from kb.catalogue import entries
from kb.exchange.notes import drafts
from kb.exchange.notes.drafts import Written
from kb.exchange.notes.known import Known


def complete(paper: Known, folder: Path, *, dry_run: bool) -> Written:
    """Writes a draft for a reference, or adds missing keys to the one that is there.

    No key that stands in the file is changed, and neither is its text.
    """
    draft = drafts.of_paper(paper, [])
    path = folder / f"{paper.slug}.md"
    if not path.exists():
        return drafts.write(draft.name, draft.text(), folder, dry_run=dry_run)
    meta = entries.read(path).meta
    lacking = {key: value for key, value in draft.meta.items() if not meta.get(key)}
    rows = drafts.yaml_rows(lacking)
    if not rows:
        return Written(path, "same")
    if not dry_run:
        path.write_text(_with_rows(path.read_text(encoding="utf-8"), rows, meta))
    return Written(path, "completed")


def _with_rows(text: str, rows: str, meta: dict[str, object]) -> str:
    """The rows behind the others of the front matter, or in one of their own."""
    if not meta:
        return f"---\n{rows}---\n{text}"
    front, rule, body = text.partition("\n---\n")
    return f"{front}\n{rows.rstrip()}{rule}{body}"
