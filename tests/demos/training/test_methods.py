"""Every method of the library learns from pictures, and its encoder can be shipped."""

from importlib import import_module

import pytest
import torch

from demos.architecture import construct, load
from demos.training import methods
from demos.training.course import Course
from demos.training.methods import MethodLesson

OTHERS = {"convnextv2"}  # encoders that are no ViT
METHODS = sorted(set(methods.methods()) - OTHERS)


def test_the_methods_are_those_whose_modules_can_be_trained_on_pictures():
    assert {"barlow_twins", "dino", "mae", "simclr", "swav"} <= set(METHODS)
    assert not {"vit", "knn", "svt", "lars"} & set(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_learns_goes_on_where_it_was_and_ships_an_encoder(method, pictures, alone, tmp_path):
    def begin() -> Course:
        torch.manual_seed(0)
        lesson = MethodLesson(method, pictures)
        lesson.batch = 4
        return Course(lesson, 1.0, 0, tmp_path / "state.pt", alone, {"method": method})

    first = begin()
    start = {name: p.clone() for name, p in first.lesson.model.state_dict().items()}
    first.step(), first.step(), first.save()
    assert any(not torch.equal(start[n], p) for n, p in first.lesson.model.state_dict().items())
    second = begin()
    assert second.step() == first.step()
    for name, value in first.lesson.model.state_dict().items():
        assert torch.equal(value, second.lesson.model.state_dict()[name]), name
    state, described = first.lesson.shipped()
    module, _, kind = described["architecture"]["class"].rpartition(".")
    again = construct(getattr(import_module(module), kind), described["architecture"]["kwargs"], state)
    load(again, state, method, decoder=True)


@pytest.mark.parametrize("method", sorted(OTHERS))
def test_a_method_with_an_encoder_of_its_own_is_refused_by_name(method, pictures):
    with pytest.raises(ValueError, match=f"{method} has an encoder of its own"):
        MethodLesson(method, pictures)


def test_all_methods_train_one_encoder_with_one_recipe(pictures):
    shapes, rates = set(), {}
    for method in METHODS:
        lesson = MethodLesson(method, pictures)
        encoder = getattr(lesson.model, "encoder", lesson.model)
        shapes.add((len(encoder.blocks), *encoder.patch_embed.proj.weight.shape))
        rates[method] = lesson.lr
    assert shapes == {(1, 24, 3, 8, 8)}
    assert rates.pop("mae") == 1.2e-3  # set for this size by the module's TINY
    assert set(rates.values()) == {methods.LR}


def test_a_method_with_a_memory_has_a_row_for_each_picture_and_is_told_which_it_sees(pictures):
    lesson = MethodLesson("pirl", pictures)
    assert len(lesson.model.memory) == 12
    _, _, index = lesson.views(torch.tensor([7, 3]), torch.Generator().manual_seed(0))
    assert index.tolist() == [7, 3]
