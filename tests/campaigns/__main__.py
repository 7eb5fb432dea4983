"""`python -m tests.campaigns`: kill, cut, cancel and refresh; then count what is lost.

Real web server and workers, once on files and SQLite, once on Redis and PostgreSQL.
Several visitors act by chance while processes are killed. At the end rows, files and
events must agree with what the visitors were told. Ends with 1 on any fault.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.campaigns.audit import audit, promises, quantile, to_cancelled
from tests.campaigns.ledger import Ledger, by_state
from tests.campaigns.real import real_runs
from tests.campaigns.trouble import Redis, Trouble, left_behind
from tests.campaigns.visitor import Visitor
from tests.runs.stack import ROOT, Stack
from tests.services import postgres, wait_until

STACKS = ("files+sqlite", "redis+postgresql")
VISITORS, WORKERS = 8, 3
SETTLE_SECONDS = 120


@contextmanager
def site_of(stack: str, folder: Path) -> Iterator[tuple[Stack, Redis | None]]:
    """The site's folder and services; its processes are not started yet."""
    environment = {
        "FAKE_STEP_SECONDS": "0.005", "KB_WORKERS": "2", "KB_RUN_QUEUE_LIMIT": "14",
        "KB_RUN_ORPHAN_SECONDS": "10", "KB_RUN_TIDY_SECONDS": "2",
        "DJANGO_SETTINGS_MODULE": "kb.settings",
    }
    if stack == STACKS[0]:
        yield Stack(folder, **environment), None
        return
    redis = Redis()
    try:
        with postgres() as url:
            services = {"CELERY_BROKER_URL": redis.url, "DATABASE_URL": url}
            yield Stack(folder, **environment, **services), redis
    finally:
        redis.stop()


def rows_of(site: Stack) -> dict:
    """Every row, as the site's own processes read them."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.campaigns.rows"], cwd=ROOT, env=site.env,
        check=True, capture_output=True,
    )
    return json.loads(done.stdout)


def campaign(stack: str, runs: int, seed: int, folder: Path) -> dict:
    """One campaign: what was counted, and the faults."""
    with site_of(stack, folder) as (site, redis):
        site.run("manage.py", "collectstatic", "--no-input", "-v0", "-i", "rest_framework")
        ledger, began = Ledger(), time.monotonic()
        trouble = Trouble(seed, site, ledger, redis, WORKERS)
        try:
            visitors = [
                Visitor(f"visitor {n}", seed, site, ledger,
                        lambda: len(ledger.runs) >= runs and trouble.was_enough())
                for n in range(VISITORS)
            ]
            for thread in (*visitors, trouble):
                thread.start()
            for visitor in visitors:
                visitor.join()
            trouble.over.set()
            trouble.join()
            seconds = time.monotonic() - began
            settled(site)
            stopped = trouble.settle()
            real_runs(site, ledger)
        finally:
            site.stop()
        rows = rows_of(site)
        faults = audit(ledger, rows, folder)
        faults["orphans"] += left_behind(site)
        return figures(ledger, rows, seconds, stopped) | {"faults": faults}


def settled(site: Stack) -> None:
    """Wait until every run has its end and what was left over is swept up."""

    def over() -> bool:
        states = {row["state"] for row in rows_of(site)["runs"]}
        return not states & {"queued", "running", "cancelling"}

    try:
        wait_until(over, SETTLE_SECONDS, "every run to end")
    except pytest.fail.Exception as late:  # the audit names the runs
        print(late)
    time.sleep(12)  # orphans are swept up after ten seconds here


def figures(ledger: Ledger, rows: dict, seconds: float, stopped: list[float]) -> dict:
    """What the table shows."""
    runs = {row["id"]: row for row in rows["runs"]}
    kept, told = promises(ledger, runs)
    in_line, at_work = (to_cancelled(ledger, runs, at_work) for at_work in (False, True))
    in_peace = to_cancelled(ledger, runs, at_work=True, in_peace=True)
    waits = [row["started"] - row["created"] for row in runs.values() if row["started"]]
    return {
        "runs": len(ledger.runs), **by_state(rows["runs"]),
        "deleted": len(ledger.runs.keys() - runs.keys()),
        "taken up again": sum(row["attempts"] > 1 for row in runs.values()),
        "events": len(rows["events"]),
        **dict(sorted(ledger.counts.items())),
        **{f"trouble: {name}": n for name, n in sorted(ledger.troubles.items())},
        "click to cancelled in line, p95 ms": round(1000 * quantile(in_line, 0.95)),
        "click to cancelled at work, p50 ms": round(1000 * quantile(at_work, 0.5)),
        "click to cancelled at work, p95 ms": round(1000 * quantile(at_work, 0.95)),
        "and nothing killed meanwhile, p95 ms": round(1000 * quantile(in_peace, 0.95)),
        "wait, p50 ms": round(1000 * quantile(waits, 0.5)),
        "wait, p95 ms": round(1000 * quantile(waits, 0.95)),
        "estimates true, %": round(100 * kept / told) if told else 100,
        "estimates": told,
        "worker asked to stop, most ms": round(1000 * max(stopped)),
        "seconds": round(seconds),
    }


def main() -> int:
    """Run the campaigns asked for, print table and totals."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns", description=__doc__)
    parser.add_argument("--runs", type=int, default=60, help="of each stack")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stack", choices=STACKS, action="append")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop what was started
    totals: dict[str, int] = {"runs": 0}
    for stack in chosen.stack or STACKS:
        folder = Path(tempfile.mkdtemp(prefix="campaign-"))
        found = campaign(stack, chosen.runs, chosen.seed, folder)
        faults = found.pop("faults")
        if any(faults.values()):
            print(f"kept for a look: {folder}")
        else:
            shutil.rmtree(folder)
        print(f"\n{stack}")
        for name, value in (*found.items(), *((k, len(v)) for k, v in faults.items())):
            print(f"  {name:32} {value:>8}")
        for kind, named in faults.items():
            print("".join(f"  {kind}: {fault}\n" for fault in named[:20]), end="")
            totals[kind] = totals.get(kind, 0) + len(named)
        totals["runs"] += found["runs"]
    print(", ".join(f"{count} {kind}" for kind, count in totals.items()))
    return int(any(count for kind, count in totals.items() if kind != "runs"))


if __name__ == "__main__":
    sys.exit(main())
