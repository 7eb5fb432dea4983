"""An import from files to drafts and a report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kb.catalogue import entries
from kb.catalogue.library import library
from kb.catalogue.papers import Paper
from kb.exchange import bib, completing
from kb.exchange.notes import drafts, known, reading, report, source, wording
from kb.exchange.notes.drafts import Draft, Written
from kb.exchange.notes.known import Known
from kb.exchange.notes.names import Names
from kb.exchange.notes.reading import Reading
from kb.exchange.notes.source import Unreadable

REPORT = "report"


@dataclass
class Import:
    """One run of the command. `result` is the report, as JSON has it."""

    into: Path
    dry_run: bool
    names: Names
    readings: list[Reading] = field(default_factory=list)
    listed: list[Known] = field(default_factory=list)  # from BibTeX, not in the library
    result: dict[str, Any] = field(
        default_factory=lambda: {"files": [], "drafts": [], "errors": [], "report": ""}
    )


def run(files: Sequence[Path], into: Path, *, dry_run: bool = False) -> dict[str, Any]:
    """Reads files of notes and BibTeX and writes drafts into a folder.

    Nothing there is written over. A file that cannot be read is among `errors` of the
    report that is returned, and the others are taken all the same.
    """
    job = Import(into, dry_run, Names([*_in_library(), *_drafted(into)]))
    # References first: they hold the titles and authors of what notes speak about.
    files = list(dict.fromkeys(files))
    for path in sorted(files, key=lambda path: path.suffix.lower() != ".bib"):
        try:
            _take(job, path)
        except Unreadable as error:
            job.result["errors"].append({"file": str(path), "what": str(error)})
    _write(job)
    return job.result


def _in_library() -> list[Known]:
    return [known.of(p) for p in library().papers.values() if not p.is_note]


def _drafted(into: Path) -> list[Known]:
    """Papers that have a draft from an earlier import, under the same slug."""
    in_library = set(library().papers)
    files = sorted(into.glob("*.md"))
    stems = [f for f in files if f.stem not in in_library | {drafts.UNPLACED, REPORT}]
    papers = [Paper(file.stem, entries.read(file), {}) for file in stems]
    return [
        replace(known.of(paper), part="", is_new=True)
        for paper in papers if not paper.title.startswith(drafts.UNPLACED_TITLE)
    ]


def _take(job: Import, path: Path) -> None:
    if path.suffix.lower() == ".bib":
        _take_references(job, path)
        return
    found = reading.read(path, job.names)
    job.readings.append(found)
    job.result["files"].append(report.of_file(found, job.names))


def _take_references(job: Import, path: Path) -> None:
    papers, remarks = bib.read("\n".join(source.read(path).lines))
    rows = []
    for paper in papers:
        slug = job.names.by_arxiv(f"arXiv:{paper.arxiv}") or job.names.by_title(
            paper.title, paper.authors, paper.year
        )
        if slug is None:
            free = known.slug_for(paper.slug, paper.title, job.names.papers)
            paper = job.names.add(replace(paper, slug=free))
        else:
            paper = replace(paper, slug=slug)
        is_new = job.names.papers[paper.slug].is_new
        if is_new:
            job.listed.append(paper)
        rows.append(report.reference(paper, is_new=is_new))
    job.result["files"].append(report.of_references(path, rows, remarks))


def _write(job: Import) -> None:
    """Drafts of papers, then what has no place, then the report."""
    made = _drafts(job.readings, job.names)
    for one in made:
        _note(job, drafts.write(one.name, one.text(), job.into, dry_run=job.dry_run))
    spoken_of = {draft.name for draft in made}
    for paper in job.listed:
        if paper.slug not in spoken_of:
            _note(job, completing.complete(paper, job.into, dry_run=job.dry_run))
    if job.result["files"]:
        text = wording.as_markdown(job.result)
        written = drafts.write(REPORT, text, job.into, dry_run=job.dry_run)
        job.result["report"] = str(written.path)


def _note(job: Import, written: Written) -> None:
    job.result["drafts"].append({"path": str(written.path), "state": written.state})


def _drafts(readings: Iterable[Reading], names: Names) -> list[Draft]:
    found: dict[str, Draft] = {}
    rest = drafts.unplaced()
    for one in readings:
        tags = one.meta.get("tags")
        for placed in one.placed:
            draft = rest
            if placed.slug:
                paper = names.papers[placed.slug]
                own = drafts.of_paper(paper, tags if isinstance(tags, list) else [])
                draft = found.setdefault(placed.slug, own)
            draft.passages.append((one.path.name, placed.passage))
    for draft in found.values():
        drafts.with_code(draft)
    return [*found.values(), *([rest] if rest.passages else [])]
