"""Does what the visitors were told agree with rows and files? Every fault in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path

from tests.campaigns.ledger import Entry, Ledger

AFTERMATH = 2.0  # seconds that a killed process may take to be back
FINAL = ("done", "failed", "cancelled", "expired")
NEXT = {
    None: {"queued"},
    "queued": {"running", "cancelled", "failed"},
    "running": {"done", "failed", "cancelling", "queued"},
    "cancelling": {"cancelled", "failed"},
}


def audit(ledger: Ledger, rows: dict, var: Path) -> dict[str, list[str]]:
    """Faults under lost, wrong, duplicates, orphans and events."""
    runs = {row["id"]: row for row in rows["runs"]}
    return {
        "lost": list(lost(ledger, runs)),
        "wrong": [*ledger.faults, *wrong(ledger, runs)],
        "duplicates": list(duplicates(rows["runs"])),
        "orphans": list(orphans(runs, var)),
        "events": list(misnumbered(runs, rows["events"])),
    }


def lost(ledger: Ledger, runs: dict[str, dict]) -> Iterator[str]:
    """Acknowledged runs that are gone or have no end; rows nobody asked for."""
    for run_id, entry in ledger.runs.items():
        row = runs.get(run_id)
        wanted = [name for name, how in entry.holders.items() if how == "waits"]
        if row is None and (wanted or not entry.deleted):
            yield f"{run_id} is gone, and {wanted or 'who left it'} did not delete it"
        if row is not None and row["state"] not in FINAL:
            yield f"{run_id} never ended: {row['state']}, {row['message']}"
    for run_id in runs.keys() - ledger.runs.keys():
        yield f"{run_id} was never acknowledged to anybody"


def wrong(ledger: Ledger, runs: dict[str, dict]) -> Iterator[str]:
    """Ends that the visitors' acts do not explain."""
    for run_id, entry in ledger.runs.items():
        if row := runs.get(run_id):
            for fault in unexplained(entry, row):
                yield f"{run_id} {fault}"


def unexplained(entry: Entry, row: dict) -> Iterator[str]:
    """What does not fit in how this run ended."""
    state, code = row["state"], row["error_code"]
    waits = any(how == "waits" for how in entry.holders.values())
    if state == "done":
        if row["result"]["numbers"] != entry.wish.numbers:
            yield f"ended with {row['result']['numbers']} for {entry.wish}"
        if entry.stopped and not waits:
            yield "was cancelled by word of the site, and is done"
    elif state == "cancelled":
        if waits:
            yield "was cancelled though somebody waited for it"
    elif state == "failed" and code == "worker_lost":
        if row["attempts"] < 3:
            yield f"was given up after {row['attempts']} attempts"
    elif state == "failed" and code == "deadline":
        if None in entry.patience:
            yield "was given up at a deadline though somebody had none"
    elif state in FINAL:
        yield f"ended as {state} {code}: {row['error']}"


def duplicates(rows: Sequence[dict]) -> Iterator[str]:
    """Two results for the same pictures, options, weights and code."""
    results = Counter(row["cache_key"] for row in rows if row["state"] == "done")
    for key, count in results.items():
        if count > 1:
            yield f"{count} results for {key}"


def orphans(runs: dict[str, dict], var: Path) -> Iterator[str]:
    """Files and folders that no row explains."""
    for folder in (var / "runs").glob("*"):
        row = runs.get(folder.name)
        if row is None:
            yield f"folder without a row: {folder.name}"
            continue
        out = f"out-{row['attempt']}"
        for path in folder.iterdir():
            if path.name not in (out, *row["images"]):
                yield f"{row['state']} run {folder.name} has {path.name}"
        artifacts = row["result"]["artifacts"] if row["result"] else []
        for file in (*row["images"], *(f"{out}/{one['file']}" for one in artifacts)):
            if not (folder / file).is_file():
                yield f"{row['state']} run {folder.name} lacks {file}"
    halfway = [*(var / "tmp").glob("*"), *(var / "broker").glob(".*")]
    yield from (f"file: {path.relative_to(var)}" for path in halfway)


def misnumbered(runs: dict[str, dict], events: Sequence[dict]) -> Iterator[str]:
    """Gaps in the numbers, and states that do not follow each other."""
    told: defaultdict[str, list[dict]] = defaultdict(list)
    for event in events:
        told[event["run_id"]].append(event)
    for run_id, row in runs.items():
        numbers = [event["seq"] for event in told[run_id]]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"{run_id} has events {numbers}"
        before = None
        for event in told[run_id]:
            if event["kind"] == "state":
                state = event["data"]["state"]
                if state not in NEXT.get(before, ()):
                    yield f"{run_id} went from {before} to {state}"
                before = state
        if before != row["state"]:
            yield f"{run_id} is {row['state']}, its last event says {before}"


def promises(ledger: Ledger, runs: dict[str, dict]) -> tuple[int, int]:
    """How many first estimates of runs that were done came true, of how many."""
    kept = told = 0
    for run_id, entry in ledger.runs.items():
        row = runs.get(run_id)
        if row and row["state"] == "done" and entry.told:
            at, low, high = entry.told[0]
            told += 1
            kept += low <= row["finished"] - at <= high
    return kept, told


def to_cancelled(
    ledger: Ledger, runs: dict[str, dict], at_work: bool, in_peace: bool = False
) -> list[float]:
    """Seconds from the only click to the end, of runs that were cancelled by it.

    at_work: those that a worker had begun; else those in line. in_peace: those alone
    that nothing befell meanwhile, nor shortly before.
    """
    return [
        max(0.0, row["finished"] - entry.clicks[0])
        for run_id, entry in ledger.runs.items()
        if (row := runs.get(run_id)) and row["state"] == "cancelled"
        and len(entry.clicks) == 1
        and at_work == bool(row["started"] and row["started"] <= entry.clicks[0])
        and not (in_peace and troubled(ledger, entry.clicks[0], row["finished"]))
    ]


def troubled(ledger: Ledger, begin: float, end: float) -> bool:
    """Whether something was killed or lost in this time, or shortly before it."""
    return any(begin - AFTERMATH < moment < end for moment in ledger.moments)


def quantile(values: Sequence[float], part: float) -> float:
    """The value below which this part lies; 0 of nothing."""
    ordered = sorted(values)
    return ordered[max(0, ceil(part * len(ordered)) - 1)] if ordered else 0.0
