"""Which frames of a video are picked: evenly in time, and no dearer than is allowed."""

from __future__ import annotations

import pytest

from demos.intake.sampling import (
    Coded,
    cost,
    entry,
    evenly_in_time,
    is_note,
    pick,
    stretches,
)
from demos.specs import CLIP_FRAMES


def film(n: int, every: int, rate: float = 30) -> list[Coded]:
    """Frames of one unit of work each, every so many a key frame."""
    return [Coded(i / rate, i % every == 0, 1) for i in range(n)]


def test_a_short_video_is_taken_whole():
    picked = pick(film(10, 5), 10)
    assert picked.frames == list(range(10))
    assert picked.note == "all from 0.3 s of video"


@pytest.mark.parametrize(("rate", "every"), [(30, 10), (10, 7), (24, 5), (29.97, 2)])
def test_a_longer_one_is_picked_from_evenly_first_and_last_among_them(rate, every):
    frames = pick(film(31 * every + 1, 1, rate)).frames
    assert frames == list(range(0, 31 * every + 1, every))


def test_what_stands_still_for_long_is_not_taken_twice_and_time_counts_not_number():
    hasty = [Coded(i / 100, True, 1) for i in range(100)]
    quiet = [Coded(1 + i, True, 1) for i in range(10)]
    times = [(hasty + quiet)[n].time for n in evenly_in_time(hasty + quiet, range(110))]
    assert times == sorted(set(times))
    assert times[-9:] == [2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert len(times) <= CLIP_FRAMES


def test_where_all_is_too_dear_key_frames_are_taken_if_they_are_many():
    picked = pick(film(1200, 20), 100)
    assert len(picked.frames) == CLIP_FRAMES
    assert all(n % 20 == 0 for n in picked.frames)
    assert {picked.frames[0], picked.frames[-1]} == {0, 1180}
    assert "key frames of 40.0 s" in picked.note
    assert is_note(picked.note)


def test_where_key_frames_are_few_the_beginning_is_taken_and_that_is_said():
    long = film(4000, 400)
    picked = pick(long, 100)
    assert (picked.frames[0], picked.frames[-1]) == (0, 99)
    assert len(picked.frames) == CLIP_FRAMES
    assert "from the first 3.3 s of 2 min 13 s of video" in picked.note
    assert is_note(picked.note)


@pytest.mark.parametrize("every", [1, 7, 400])
@pytest.mark.parametrize("most", [40, 100, 1000])
def test_nothing_costs_more_than_is_allowed(every, most):
    long = film(2000, every)
    assert cost(long, pick(long, most).frames) <= most


def test_one_frame_is_decoded_however_dear_it_is():
    assert pick(film(50, 50), 0).frames == [0]


def test_what_only_helps_to_decode_others_is_not_shown():
    hidden = [Coded(i / 30, i == 0, 1, shown=i >= 4) for i in range(10)]
    assert pick(hidden).frames == [4, 5, 6, 7, 8, 9]
    assert stretches(hidden, [4, 9]) == [range(10)]
    assert pick(hidden, 2).frames == [4]


def test_each_stretch_begins_where_decoding_can_begin():
    assert stretches(film(30, 10), [3, 7, 25]) == [range(8), range(20, 26)]


def test_what_is_shown_before_a_key_frame_and_coded_after_it_needs_the_one_before():
    order = [(0, True), (2, False), (1, False), (5, True), (3, False), (4, False), (6, False)]
    leading = [Coded(time, key, 1) for time, key in order]
    assert [entry(leading, n) for n in range(7)] == [0, 0, 0, 3, 0, 0, 3]


def test_a_video_without_a_key_frame_is_decoded_from_its_start():
    assert entry([Coded(i, False, 1) for i in range(5)], 4) == 0
