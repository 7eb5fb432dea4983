"""Pictures as vectors: the model's own, centred, and read once."""

import shutil
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from demos import fingerprint
from demos.pieces import embedding, pets
from demos.stages import Stages
from demos.weights import Card, checkpoint, untrained
from reference_impls import mae, vit

REAL = fingerprint.ROOT / "demos" / "checkpoints"


def test_the_vector_is_the_vits_own_answer_to_the_picture():
    model = untrained("vit", vit.ViT).model
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(embedding.class_token(model, x), model(x))


def test_without_a_class_token_it_is_the_mean_of_the_patches():
    model = vit.ViT(32, 8, 24, 1, 2, pool="mean")
    assert model.num_prefix == 0
    x = torch.randn(2, 3, 32, 32)
    expected = model.forward_features(x).mean(1)
    torch.testing.assert_close(embedding.class_token(model, x), expected)


def test_directions_are_of_unit_length_and_the_gallery_lies_around_its_middle():
    torch.manual_seed(0)
    known = torch.randn(96, 12) + 5
    found = embedding.directions(known, known)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(96))
    assert F.normalize(known, dim=1).mean(0).norm() > 0.9
    assert found.mean(0).norm() < 0.2


def scene(tmp_path, loaded):
    recorder = SimpleNamespace(alive=lambda: None)
    spec = SimpleNamespace(name="neighbours")
    return SimpleNamespace(
        recorder=recorder, spec=spec, paper="vit", stages=Stages(tmp_path / "stages"),
        loaded=loaded, device=torch.device("cpu"),
    )


def test_the_gallery_is_read_once_for_each_way_to_compare(tmp_path):
    read = []

    def encode(x):
        read.append(len(x))
        return embedding.pixels(x)

    here = scene(tmp_path, None)
    first = embedding.gallery(here, "one", encode)
    assert sum(read) == len(first) == len(pets.LABELS)
    torch.testing.assert_close(embedding.gallery(here, "one", encode), first)
    assert sum(read) == 96
    embedding.gallery(here, "another", encode)
    assert sum(read) == 192


def test_untrained_weights_stand_beside_pixels_alone(tmp_path):
    found = embedding.encoders(scene(tmp_path, untrained("vit", vit.ViT)))
    assert list(found) == ["random initialisation", "plain pixels"]


def test_of_the_checkpoints_that_ship_those_are_compared_that_read_pictures(tmp_path, checkpoints):
    for file in REAL.iterdir():
        shutil.copy(file, checkpoints)
    found = embedding.encoders(scene(tmp_path, checkpoint("vit_tiny80_distilled")))
    assert list(found) == ["vit_tiny80_distilled", "mae_tiny64", "plain pixels"]
    assert found["mae_tiny64"](torch.rand(1, 3, 80, 80)).shape == (1, 192)


def test_a_papers_views_come_back_as_pixels():
    from reference_impls.simclr import normalize

    pictures = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(embedding.as_pixels(normalize(pictures)), pictures)


@pytest.mark.parametrize("side", [64, 80])
def test_any_side_is_brought_to_the_models(side):
    loaded = untrained("mae", mae.MAE)
    encode = embedding.encoder(loaded, torch.device("cpu"))
    with torch.no_grad():
        assert encode(torch.rand(1, 3, side, side)).shape == (1, 192)
    assert isinstance(loaded.card, Card)
