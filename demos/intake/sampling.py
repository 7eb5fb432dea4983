"""Which frames of a video to decode: few, evenly picked, and at a bounded cost.

A frame can only be decoded after all that stand between it and the key frame before it,
so what is picked decides what is paid. The same file always gives the same frames,
however busy the machine is.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from demos.specs import CLIP_FRAMES

# Pixels decoded for one video, a byte of it as a hundred: one or two seconds.
MOST_WORK = 500_000_000
ENOUGH = CLIP_FRAMES // 2  # frames of which a clip is rather made than of its beginning

# What frames are of a video; the blanks are for durations.
ALL, EVEN = "all from {} of video", "evenly picked from {} of video"
KEYS = (
    "evenly picked from the key frames of {} of video, as the others would take long "
    "to decode"
)
START = "from the first {} of {} of video, as the rest would take long to decode"
A_NOTE = re.compile("|".join(
    re.escape(one).replace(r"\{\}", r"(\d+ min )?\d+(\.\d)? s")
    for one in (ALL, EVEN, KEYS, START)
))


@dataclass(frozen=True)
class Coded:
    """A frame in the file. time: seconds. work: what decoding it costs.

    shown: False for what only serves to decode others.
    """

    time: float
    key: bool
    work: int
    shown: bool = True


@dataclass(frozen=True)
class Picked:
    """Numbers of frames, as they are coded. note: what they are of the video."""

    frames: list[int]
    note: str


def pick(film: Sequence[Coded], most: int = MOST_WORK) -> Picked:
    """At most CLIP_FRAMES frames that can be decoded for `most`.

    film: in coded order, at least one. Evenly picked from all frames where that can be
    paid; else from the key frames; else, where these are too few, from the beginning.
    """
    everything = [n for n, one in enumerate(film) if one.shown] or [0]
    frames = evenly_in_time(film, everything)
    if cost(film, frames) <= most:
        note = ALL if len(frames) == len(everything) else EVEN
        return Picked(frames, note.format(duration(film)))
    keys = evenly_in_time(film, [n for n in everything if film[n].key])
    if len(keys) >= ENOUGH and cost(film, keys) <= most:
        return Picked(keys, KEYS.format(duration(film)))
    paid = accumulate(one.work for one in film)
    end = max(everything[0] + 1, sum(total <= most for total in paid))
    first = evenly_in_time(film, [n for n in everything if n < end])
    return Picked(first, START.format(duration(film[:end]), duration(film)))


def is_note(text: str) -> bool:
    """Whether `pick` can have said this: a stranger's file may say anything else."""
    return A_NOTE.fullmatch(text) is not None


def evenly_in_time(film: Sequence[Coded], among: Sequence[int]) -> list[int]:
    """Those of the numbers that are on show at evenly spaced times, in that order."""
    shown = sorted(among, key=lambda n: film[n].time)
    if len(shown) <= CLIP_FRAMES:
        return shown
    times = [film[n].time for n in shown]
    step = (times[-1] - times[0]) / (CLIP_FRAMES - 1)
    ticks = (times[0] + i * step for i in range(CLIP_FRAMES - 1))
    # A hair later, or rounding would take the frame before.
    at = [bisect_right(times, tick + step / 1000) - 1 for tick in ticks]
    return [shown[i] for i in dict.fromkeys([*at, len(shown) - 1])]


def stretches(film: Sequence[Coded], frames: Sequence[int]) -> list[range]:
    """What is to be decoded, one after another, to have these frames."""
    ends: dict[int, int] = {}
    for n in frames:
        start = entry(film, n)
        ends[start] = max(n, ends.get(start, 0))
    return [range(start, end + 1) for start, end in sorted(ends.items())]


def entry(film: Sequence[Coded], number: int) -> int:
    """The key frame from which a frame can be decoded; the first of all if none is.

    What is shown before a key frame, though coded after it, needs an earlier one.
    """
    shown = film[number].time
    before = (n for n in range(number, 0, -1) if film[n].key and film[n].time <= shown)
    return next(before, 0)


def cost(film: Sequence[Coded], frames: Sequence[int]) -> int:
    """The work of decoding these frames and all that they need."""
    return sum(film[n].work for part in stretches(film, frames) for n in part)


def duration(film: Sequence[Coded]) -> str:
    """How long these frames are on show, in words."""
    times = [one.time for one in film]
    seconds = max(times) - min(times)
    seconds += seconds / max(1, len(film) - 1)  # the last one is shown as long
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
