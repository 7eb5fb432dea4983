"""What frozen features are worth, on features with known answers."""

import pytest
import torch
import torch.nn.functional as F

from demos.training import figures, packs
from reference_impls import dino, mae, simclr
from reference_impls.simclr import normalize

LABELS = torch.arange(40) % 4


def test_features_that_tell_the_classes_apart_get_all_right_and_their_directions_are_counted():
    features = torch.eye(4)[LABELS] + 0.01 * torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    found = figures.judged(features, LABELS, features, LABELS)
    assert found["knn"] == found["linear"] == 100
    assert found["rank"] == pytest.approx(3, abs=0.3)  # four corners lie in three dimensions
    line = torch.outer(torch.linspace(-1, 1, 40), torch.ones(4))
    assert figures.judged(line, LABELS, line, LABELS)["rank"] == pytest.approx(1, abs=0.01)


def test_collapsed_features_have_no_spread():
    same = torch.ones(40, 8) + 1e-4 * torch.rand(40, 8)
    assert figures.judged(same, LABELS, same, LABELS)["spread"] < 0.01


@pytest.mark.parametrize("module", [simclr, mae, dino])
def test_a_model_is_seen_as_its_class_token_beside_its_patches_mean(module, pictures):
    model = module.build()
    encoder = getattr(model, "encoder", model)
    found = figures.represent(module.features, model, pictures)
    x = encoder.embed(normalize(pictures.float() / 255))
    for block in encoder.blocks:
        x = block(x)
    tokens = encoder.norm(x)
    width = tokens.shape[-1]
    torch.testing.assert_close(found[:, :width], F.normalize(tokens[:, 0], dim=1), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found[:, width:], F.normalize(tokens[:, 1:].mean(1), dim=1), atol=1e-5, rtol=1e-4)
    assert model.training
    assert not encoder.norm._forward_hooks


def test_pixels_are_judged_small_and_normalised(pictures):
    white = torch.full((1, 3, 64, 64), 255, dtype=torch.uint8)
    assert figures.raw_pixels(pictures).shape == (12, 3 * 16 * 16)
    torch.testing.assert_close(figures.raw_pixels(white).view(3, -1)[:, 0], normalize(torch.ones(1, 3, 1, 1)).flatten())


def test_the_same_pictures_are_drawn_each_time(pack, tmp_path):
    first, again = (figures.drawn(pack, 16, 5, tmp_path / "kept") for _ in range(2))
    assert first.images.shape == (5, 3, 16, 16)
    assert torch.equal(first.images, again.images)
    order = [int((packs.read_pack(pack, 16) == image).all((1, 2, 3)).nonzero()) for image in first.images]
    assert (torch.tensor(order) % 3).tolist() == first.labels.tolist()
