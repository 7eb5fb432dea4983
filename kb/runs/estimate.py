"""How long a run will take, from how long runs like it took."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from math import ceil, log2
from uuid import UUID

from django.utils import timezone

from demos.specs import DEMOS
from kb.runs.models import Run, State

PAST_RUNS = 200  # of a demo, the newest: what the estimate looks at
LATELY = 40  # estimates that the next one is corrected by
ENOUGH = 5  # runs of one kind, before the kind is trusted more than the whole demo
SPREAD = (0.1, 0.9)  # eight of ten runs end within
Range = tuple[float, float]


def quantiles(times: Iterable[float], parts: tuple[float, float]) -> Range:
    """The values below which these parts of the times lie."""
    ordered = sorted(times)
    low, high = (ordered[max(0, ceil(p * len(ordered)) - 1)] for p in parts)
    return low, high


def seconds_of(demo: str) -> Range | None:
    """Median and 90th percentile of how long past runs of `demo` took."""
    times = [seconds for _, seconds in past(demo)]
    return quantiles(times, (0.5, 0.9)) if times else None


def past(demo: str) -> list[tuple[Run, float]]:
    """The newest finished runs of the demo and the seconds each took."""
    done = Run.objects.filter(
        demo=demo, state=State.DONE, started__isnull=False, finished__isnull=False
    )
    columns = ("demo", "paper", "options", "pixels", "cold", "started", "finished")
    return [
        (run, (run.finished - run.started).total_seconds())
        for run in done.only(*columns).order_by("-finished")[:PAST_RUNS]
        if run.started and run.finished
    ]


def kinds(run: Run, cold: bool) -> list[Hashable]:
    """What runs the run is like, the most like it first.

    Numbers count by their size, two steps to each doubling; options that only change
    how a result is shown, and the seed, do not count.
    """
    spec = DEMOS.get(run.demo)
    late = {option.name for option in spec.options if option.late} if spec else set()
    chosen = tuple(
        (name, size(value)) for name, value in sorted(run.options.items())
        if name != "seed" and name not in late
    )
    return [
        (cold, chosen, size(run.pixels), run.paper), (cold, chosen), (chosen,),
        (cold,), (),
    ]


def size(value: object) -> object:
    """The same for numbers of about the same size; other values as they are."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return round(2 * log2(1 + abs(value)))


class Forecast:
    """What is known about times at one moment.

    workers: names of those alive; what they have done they need not load again.
    """

    def __init__(self, workers: Collection[str]) -> None:
        self.demos: dict[str, dict[Hashable, list[float]]] = {}
        met = Run.objects.filter(worker__in=workers, state=State.DONE)
        self.warm = set(met.values_list("demo", "paper").distinct())

    def seconds(self, run: Run) -> Range | None:
        """How long such a run takes; None where no run of its demo is known."""
        known = self.demos.get(run.demo)
        if known is None:
            known = self.demos[run.demo] = defaultdict(list)
            for other, seconds in past(run.demo):
                for kind in kinds(other, other.cold):
                    known[kind].append(seconds)
        cold = (run.demo, run.paper) not in self.warm
        for kind in kinds(run, cold):
            if len(known.get(kind, ())) >= ENOUGH:
                return quantiles(known[kind], SPREAD)
        return quantiles(known[()], SPREAD) if known.get(()) else None


def finish(
    run: Run, working: Sequence[Run], queued: Sequence[Run], slots: int,
    seconds: Mapping[UUID, float],
) -> float:
    """Seconds until `run` is done if each run takes its `seconds`.

    Plays the queue through: each slot takes the next in line, and a visitor's next
    run waits for the one before it.
    """
    free, busy = [0.0] * slots, defaultdict[str, float](float)
    for one in working:
        left = remaining(one, seconds[one.pk])
        if one.pk == run.pk:
            return left
        heapq.heapreplace(free, max(free[0], left))
        busy[one.visitor] = left
    for one in queued:
        end = max(free[0], busy[one.visitor]) + seconds[one.pk]
        if one.pk == run.pk:
            return end
        heapq.heapreplace(free, end)
        busy[one.visitor] = end
    return seconds[run.pk]  # its state changed between the two queries


def remaining(run: Run, seconds: float) -> float:
    """What is left of a working run that takes `seconds` in all."""
    if run.state == State.CANCELLING or run.started is None:
        return 0.0
    spent = (timezone.now() - run.started).total_seconds()
    # Later than nearly all before it: nobody knows, and a quarter more is a guess.
    return max(seconds - spent, 0.25 * seconds)


def correction() -> Range:
    """By what to multiply both ends, so that the newest estimates had been right.

    Workers that are lost and runs before one's own that are cancelled are in no past
    run's time; they are in how wrong earlier estimates were.
    """
    told = Run.objects.filter(state=State.DONE, foretold__isnull=False)
    columns = ("created", "finished", "foretold")
    shares = [
        [(run.finished - run.created).total_seconds() / max(0.1, end)
         for end in run.foretold]
        for run in told.only(*columns).order_by("-finished")[:LATELY]
        if run.finished and run.foretold
    ]
    if len(shares) < ENOUGH:
        return 1.0, 1.0
    low, _ = quantiles((share for share, _ in shares), SPREAD)
    _, high = quantiles((share for _, share in shares), SPREAD)
    return min(1.0, low), max(1.0, high)
