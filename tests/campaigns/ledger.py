"""What a campaign's visitors were told: every acknowledged run, and what they did to it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Wish:
    """What is sent as one run; equal wishes are the same run."""

    steps: int
    seed: int
    colour: tuple[int, int, int]
    patience: int | None = None

    @property
    def numbers(self) -> dict:
        """What the run must end with."""
        return {"steps": self.steps, "seen": str([self.seed, self.colour])}


@dataclass
class Entry:
    """One run as its visitors know it."""

    wish: Wish
    holders: dict[str, str] = field(default_factory=dict)  # waits | unsure
    deleted: bool = False  # somebody asked for it
    stopped: bool = False  # the site said cancelling or cancelled
    clicks: list[float] = field(default_factory=list)  # times of cancel
    told: list[tuple[float, int, int]] = field(default_factory=list)  # time, low, high
    patience: list[int | None] = field(default_factory=list)


class Ledger:
    """Shared by all threads of the driver."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.runs: dict[str, Entry] = {}
        self.keys: dict[tuple[str, str], str] = {}
        self.places: dict[str, tuple[int, float]] = {}  # the best, and when it came
        self.faults: list[str] = []
        self.counts: Counter[str] = Counter()
        self.troubles: Counter[str] = Counter()
        self.moments: list[float] = []  # when they began

    def trouble(self, what: str) -> None:
        """This is about to be done to the site."""
        with self.lock:
            self.troubles[what] += 1
            self.moments.append(time.time())

    def count(self, what: str) -> None:
        """One more of these."""
        with self.lock:
            self.counts[what] += 1

    def fault(self, what: str) -> None:
        """Something that must not be; it is printed and ends the campaign with 1."""
        with self.lock:
            self.faults.append(what)

    def acknowledged(
        self, visitor: str, key: str, wish: Wish, answer: dict, asked: float,
        again: bool = False,
    ) -> None:
        """The site said 201 or 200 to a submission that was sent at `asked`.

        again: the key was sent before, so it brings nobody back who has left since.
        """
        run_id = answer["id"]
        with self.lock:
            before = self.keys.setdefault((visitor, key), run_id)
            if before != run_id:
                self.faults.append(f"key {key}: run {before}, then run {run_id}")
                return
            entry = self.runs.setdefault(run_id, Entry(wish))
            if (entry.wish.numbers) != wish.numbers:
                self.faults.append(f"run {run_id} was given for another wish")
            if not (again and entry.holders.get(visitor) == "unsure"):
                entry.holders[visitor] = "waits"
            entry.patience.append(wish.patience)
        self.seen(answer, asked)

    def seen(self, answer: dict, asked: float) -> None:
        """The site told something about a run, on a question sent at `asked`.

        Answers to questions that were open at the same time may come in any order.
        """
        run_id, place, eta = answer["id"], answer["position"], answer["eta"]
        with self.lock:
            if place is not None:
                best, came = self.places.get(run_id, (place, time.time()))
                if place > best and asked > came:
                    self.faults.append(f"run {run_id}: position {best}, then {place}")
                if place <= best:
                    self.places[run_id] = place, time.time()
            if eta and answer["state"] == "queued" and run_id in self.runs:
                self.runs[run_id].told.append((time.time(), eta["low"], eta["high"]))

    def leaves(self, visitor: str, run_id: str) -> None:
        """The visitor is about to cancel or delete; whether it arrives is open."""
        with self.lock:
            self.runs[run_id].holders[visitor] = "unsure"
            self.runs[run_id].clicks.append(time.time())

    def own(self, visitor: str) -> list[str]:
        """Runs this visitor waits for or has waited for."""
        with self.lock:
            return [pk for pk, entry in self.runs.items() if visitor in entry.holders]

    def others(self, visitor: str) -> list[str]:
        """Runs this visitor never asked for."""
        with self.lock:
            return [pk for pk, one in self.runs.items() if visitor not in one.holders]

    def wishes(self) -> list[Wish]:
        """What was asked for last, by anybody."""
        with self.lock:
            return [entry.wish for entry in list(self.runs.values())[-6:]]


def by_state(rows: list[dict]) -> Counter[str]:
    """How many rows ended how; failed ones by reason."""
    return Counter(
        f"failed: {row['error_code']}" if row["state"] == "failed"
        else row["state"] for row in rows
    )
