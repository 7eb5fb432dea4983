"""A few runs of the real demo at the end of a campaign, one of them killed on the way."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.campaigns.ledger import Ledger, Wish
from tests.runs.stack import Stack, form

COLOURS = [(200, 40, 40), (40, 200, 40), (40, 40, 200)]
SECONDS = 120  # loading torch on a busy machine included


@dataclass
class RealWish(Wish):
    """A picture for the bundled MAE; its numbers are the demo's own affair."""

    answer: dict | None = None

    @property
    def numbers(self) -> dict:
        """What the API said when it was done."""
        return self.answer or {}


def real_runs(site: Stack, ledger: Ledger) -> None:
    """Send them, kill the worker under the first, and look at what comes out."""
    worker = site.start_worker(real=True)
    wishes = {}
    for seed, colour in enumerate(COLOURS):
        body, kind = form(colour, demo="reconstruction", paper="mae")
        asked = time.time()
        status, answer = site.call("POST", "/api/runs/", body, Content_Type=kind)
        if status != 201:
            ledger.fault(f"{status} to a real run: {answer}")
            return
        wishes[answer["id"]] = RealWish(0, seed, colour)
        ledger.acknowledged("real", str(seed), wishes[answer["id"]], answer, asked)
    site.wait_for(next(iter(wishes)), "running", "done", seconds=SECONDS)
    site.kill(worker)
    worker = site.start_worker(real=True)
    for run_id, wish in wishes.items():
        run = site.wait_for(run_id, "done", "failed", seconds=SECONDS)
        wish.answer = run["result"] and run["result"]["numbers"]
        pictures = [one for one in run["result"]["artifacts"] if one["kind"] == "image"]
        if not run["result"]["weights"]["trained"] or not pictures:
            ledger.fault(f"real run {run_id} ended with {run['result']}")
    site.kill(worker)
