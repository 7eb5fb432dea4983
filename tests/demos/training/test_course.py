"""One recipe and a budget: the rate, the curve, and what a kill may cost."""

import math
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from demos.training import course
from demos.training.course import Course


class Toy:
    """One weight that is drawn to the mean of the pictures."""

    lr, weight_decay, batch = 1e-2, 0.0, 4

    def __init__(self, images: torch.Tensor):
        self.images, self.places = images, []
        self.learner = Weight()

    def views(self, index, generator):
        noise = torch.rand(len(index), generator=generator) + torch.rand(len(index))
        return self.images[index].float().mean((1, 2, 3)) / 255 + noise

    def after_step(self, step, steps):
        self.places.append((step, steps))


class Weight(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, batch, step, steps):
        return (batch - self.weight).square().mean()


@pytest.fixture
def begin(pictures, alone, tmp_path):
    def begin(name: str = "state", minutes: float = 0.2, **names) -> Course:
        return Course(Toy(pictures), minutes, 0, tmp_path / f"{name}.pt", alone, {"method": "toy", **names})

    return begin


def losses(course: Course, n: int) -> Iterator[float]:
    return (course.step() for _ in range(n))


def test_a_training_that_was_killed_while_saving_ends_as_if_it_had_not_been(begin, monkeypatch):
    whole = list(losses(begin("whole"), 6))
    first = begin()
    assert list(losses(first, 2)) == whole[:2]
    first.save()
    first.step()

    def killed(state, path):
        path.write_bytes(b"half a file")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(course.torch, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            first.save()
    second = begin()
    assert (second.steps, second.seconds) == (2, 2.0)
    assert list(losses(second, 4)) == whole[2:]


def test_the_state_of_another_training_is_refused(begin):
    begin().save()
    with pytest.raises(SystemExit, match=r"choose another --out, or delete the file"):
        begin(data=["others"])


def test_the_rate_warms_up_and_ends_at_zero_with_the_minutes(begin):
    running, rates = begin(), []
    for share in (0, 0.025, 0.05, 0.5, 1.0):
        running.seconds = share * 12
        rates.append(running.learning_rate() / Toy.lr)
    assert rates == pytest.approx([0.01, 0.498, 0.994, 0.5, 0], abs=0.01)


def test_the_budget_is_spent_and_the_modules_schedules_see_its_share(begin):
    running = begin()
    running.run()
    assert (running.steps, running.images_seen, running.done) == (12, 48, 1.0)
    places = running.lesson.places
    assert places[0] == (0, course.SCHEDULE)
    assert places[6] == (course.SCHEDULE // 2, course.SCHEDULE)
    assert begin().steps == 12  # it was saved at the end


def test_a_point_of_the_curve_is_the_mean_since_the_one_before(begin, monkeypatch):
    monkeypatch.setattr(course, "POINTS", 4)
    running = begin(minutes=8 / 60)
    seen = list(losses(running, 8))
    shares, means = zip(*running.curve, strict=True)
    assert shares == (0.25, 0.5, 0.75, 1.0)
    assert means == pytest.approx([(a + b) / 2 for a, b in zip(seen[::2], seen[1::2], strict=True)])


def test_a_loss_that_is_no_number_ends_the_training_with_the_remedy(begin):
    running = begin()
    nn.init.constant_(running.lesson.learner.weight, math.inf)
    with pytest.raises(SystemExit, match="smaller --lr"):
        running.step()
