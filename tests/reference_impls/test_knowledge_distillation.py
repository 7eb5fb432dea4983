"""Distillation against the community's two reference codes, then against the paper's text."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reference_impls import knowledge_distillation as kd
from tests.reference_impls.golden import cases


@pytest.mark.parametrize("case", cases("knowledge_distillation", function="distillation_loss"), ids=str)
def test_loss_and_gradient_equal_upstream(case):
    student = case.leaf("student_logits")
    loss = kd.distillation_loss(student, case["teacher_logits"], case.params["temperature"])
    loss.backward()
    case.check(loss=loss, grad_student=student.grad)


@pytest.mark.parametrize("case", cases("knowledge_distillation", function="kd_total_loss"), ids=str)
def test_total_loss_and_gradient_equal_upstream(case):
    student = case.leaf("student_logits")
    loss = kd.kd_total_loss(
        student, case["teacher_logits"], case["labels"], case.params["temperature"], case.params["alpha"]
    )
    loss.backward()
    case.check(loss=loss, grad_student=student.grad)


@pytest.fixture
def logits() -> tuple[torch.Tensor, torch.Tensor]:
    """Student and teacher scores, (6, 5), float64."""
    g = torch.Generator().manual_seed(0)
    return tuple(torch.randn(2, 6, 5, dtype=torch.float64, generator=g) * 3)


def test_equals_the_divergence_written_out_term_by_term(logits):
    student, teacher = logits
    T, total = 3.0, 0.0
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        p = [math.exp(v / T) / sum(math.exp(u / T) for u in t) for v in t]
        q = [math.exp(v / T) / sum(math.exp(u / T) for u in s) for v in s]
        total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    assert kd.distillation_loss(student, teacher, T).item() == pytest.approx(T * T * total / 6, rel=1e-12)


def test_a_student_that_agrees_up_to_a_constant_pays_nothing(logits):
    student, teacher = logits
    assert kd.distillation_loss(teacher + 7, teacher, 4.0).abs() < 1e-14
    assert kd.distillation_loss(student, teacher, 4.0) > 0


def test_gradient_is_the_difference_of_the_softened_probabilities(logits):
    """Eq. 2 times T squared, per image of the batch."""
    student, teacher = logits
    student.requires_grad_()
    kd.distillation_loss(student, teacher, 2.5).backward()
    expected = 2.5 * (F.softmax(student / 2.5, 1) - F.softmax(teacher / 2.5, 1)) / len(student)
    torch.testing.assert_close(student.grad, expected.detach())


def test_squared_temperature_keeps_the_size_of_the_gradient(logits):
    """Once T is large the gradient no longer depends on it; without T squared it would fall a hundredfold here."""
    sizes = []
    for T in (50.0, 500.0):
        student = logits[0].clone().requires_grad_()
        kd.distillation_loss(student, logits[1], T).backward()
        sizes.append(student.grad.norm().item())
    assert sizes[1] == pytest.approx(sizes[0], rel=0.05)


def test_at_high_temperature_it_matches_centred_logits(logits):
    """Eq. 4: for zero-mean logits the limit of the gradient is (student - teacher) / C."""
    student, teacher = (z - z.mean(1, keepdim=True) for z in logits)
    student.requires_grad_()
    kd.distillation_loss(student, teacher, 1e5).backward()
    limit = (student - teacher).detach() / student.shape[1] / len(student)
    torch.testing.assert_close(student.grad, limit, rtol=1e-3, atol=1e-5)


def test_direction_matters(logits):
    student, teacher = logits
    forwards = kd.distillation_loss(student, teacher, 2.0)
    assert not torch.isclose(forwards, kd.distillation_loss(teacher, student, 2.0), rtol=1e-3)


def test_mean_is_over_images_not_over_classes(logits):
    student, teacher = logits
    each = [kd.distillation_loss(s[None], t[None], 4.0) for s, t in zip(student, teacher, strict=True)]
    torch.testing.assert_close(kd.distillation_loss(student, teacher, 4.0), torch.stack(each).mean())
    # A class that both find impossible adds nothing, so it must not dilute the mean either.
    never = torch.full((6, 1), -1e4, dtype=torch.float64)
    wider = kd.distillation_loss(torch.cat([student, never], 1), torch.cat([teacher, never], 1), 4.0)
    torch.testing.assert_close(wider, kd.distillation_loss(student, teacher, 4.0))


def test_no_gradient_reaches_the_teacher(logits):
    student, teacher = (z.requires_grad_() for z in logits)
    labels = torch.arange(6) % 5
    kd.kd_total_loss(student, teacher, labels).backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0


def test_alpha_mixes_labels_and_teacher(logits):
    student, teacher = logits
    labels = torch.arange(6) % 5
    hard, soft = F.cross_entropy(student, labels), kd.distillation_loss(student, teacher, 4.0)
    for alpha, expected in [(0.0, hard), (1.0, soft), (0.25, 0.75 * hard + 0.25 * soft)]:
        loss = kd.kd_total_loss(student, teacher, labels, temperature=4.0, alpha=alpha)
        torch.testing.assert_close(loss, expected)


def test_hard_labels_are_read_at_temperature_one(logits):
    student, teacher = logits
    labels = torch.arange(6) % 5
    cool = kd.kd_total_loss(student, teacher, labels, temperature=2.0, alpha=0.0)
    assert cool == kd.kd_total_loss(student, teacher, labels, temperature=20.0, alpha=0.0)


def test_soft_targets_teach_a_class_that_the_student_never_saw():
    """Sec. 3: with one digit left out of the transfer set, the soft targets still place it."""
    g = torch.Generator().manual_seed(0)
    directions = torch.randn(4, 8, generator=g)                      # one cluster per class
    labels = torch.arange(400) % 4
    x = directions[labels] * 2 + torch.randn(400, 8, generator=g)
    teacher = x @ directions.T
    seen = labels != 3
    student = nn.Linear(8, 4)
    nn.init.zeros_(student.weight), nn.init.zeros_(student.bias)
    adam = torch.optim.Adam(student.parameters(), lr=0.1)
    for _ in range(200):
        loss = kd.distillation_loss(student(x[seen]), teacher[seen], 8.0)
        adam.zero_grad(), loss.backward(), adam.step()
    unseen = student(x[~seen]).argmax(1)
    assert (unseen == 3).float().mean() > 0.9


def test_every_parameter_gets_a_gradient_and_one_step_lowers_the_loss():
    g = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    student, x, teacher = nn.Linear(8, 5), torch.randn(16, 8, generator=g), torch.randn(16, 5, generator=g) * 4
    labels = torch.arange(16) % 5
    sgd = torch.optim.SGD(student.parameters(), lr=0.05)
    before = kd.kd_total_loss(student(x), teacher, labels)
    before.backward()
    assert all(p.grad.abs().sum() > 0 for p in student.parameters())
    sgd.step()
    assert kd.kd_total_loss(student(x), teacher, labels) < before


def test_extreme_logits_stay_finite():
    student = torch.tensor([[300.0, -300.0, 0.0]], requires_grad=True)
    loss = kd.distillation_loss(student, -student.detach(), 1.0)
    loss.backward()
    assert loss.isfinite()
    assert student.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept(logits, dtype):
    student, teacher = (z.to(dtype) for z in logits)
    assert kd.distillation_loss(student, teacher).dtype == dtype


def test_half_precision_scores_are_compared_in_full_under_autocast(logits):
    student, teacher = (z.to(torch.bfloat16) for z in logits)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = kd.distillation_loss(student, teacher)
    torch.testing.assert_close(
        loss.float(), kd.distillation_loss(student.float(), teacher.float()), rtol=1e-2, atol=1e-3
    )


def test_compiles_without_a_graph_break(logits):
    labels = torch.arange(6) % 5
    compiled = torch.compile(kd.kd_total_loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*logits, labels), kd.kd_total_loss(*logits, labels))


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"teacher_logits": torch.zeros(6, 4)}, "same classes"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": -1.0}, "temperature"),
        ({"alpha": 1.5}, "alpha"),
        ({"alpha": -0.1}, "alpha"),
    ],
)
def test_wrong_calls_say_what_to_do(change, remedy):
    call = {"student_logits": torch.zeros(6, 5), "teacher_logits": torch.zeros(6, 5),
            "labels": torch.zeros(6, dtype=torch.long)} | change
    with pytest.raises(ValueError, match=remedy):
        kd.kd_total_loss(**call)
