"""Temperature demo: soft targets, and the paper's loss of them."""

import numpy as np
import pytest
import torch

from demos.shows import temperature
from reference_impls.knowledge_distillation import distillation_loss
from tests.demos.losses import awkward, quick_encoder, run  # noqa: F401

PAPER = ("temperature", "knowledge_distillation")


def test_soft_targets_sum_to_one_and_soften_with_the_temperature(photo, out):
    sure = []
    for T in (1, 4, 20):
        result, found = run(*PAPER, photo, out, temperature=T)
        np.testing.assert_allclose(found["soft_teacher"].sum(), 1, rtol=1e-5)
        np.testing.assert_allclose(found["soft_student"], np.exp(found["student"] / T) / np.exp(found["student"] / T).sum(), rtol=1e-4)
        sure.append(result.numbers["teacher_is_sure_of_its_first"])
    assert sure == sorted(sure, reverse=True)
    assert sure[-1] < 0.2


def test_loss_and_kl_are_the_papers(photo, out):
    result, found = run(*PAPER, photo, out, temperature=3)
    teacher, student = (torch.from_numpy(found[n])[None] for n in ("teacher", "student"))
    loss = distillation_loss(student, teacher, 3.0).item()
    assert result.numbers["loss_with_t_squared"] == pytest.approx(loss, abs=1e-4)
    p, q = found["soft_teacher"], found["soft_student"]
    assert result.numbers["kl"] == pytest.approx((p * np.log(p / q)).sum(), abs=1e-4)


def test_the_square_keeps_the_gradient_at_one_size(photo, out):
    _, found = run(*PAPER, photo, out)
    courses = {T: gradient for T, _, gradient in found["courses"]}
    assert courses[20] == pytest.approx(courses[12], rel=0.25)
    assert courses[20] / 400 < 0.1 * courses[4] / 16


def test_the_gradient_is_a_difference_of_soft_answers(photo, out):
    """T times (student - teacher), at any temperature."""
    _, found = run(*PAPER, photo, out, temperature=2.5)
    gradient = {T: g for T, _, g in found["courses"]}[2.5]
    assert gradient == pytest.approx(2.5 * np.linalg.norm(found["soft_student"] - found["soft_teacher"]), rel=1e-3)


def test_hesitation_is_counted_in_classes():
    assert temperature.effective(np.full(9, 1 / 9)) == pytest.approx(9)
    assert temperature.effective(np.eye(9)[0]) == pytest.approx(1)


def test_an_awkward_picture_works_and_nobody_is_called_a_classifier(awkward, out):  # noqa: F811
    result, _ = run(*PAPER, awkward, out)
    assert "no classifier" in next(a.caption for a in result.artifacts)
