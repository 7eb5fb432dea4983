"""Figures of the checkpoints' cards: what they measure, on cases with known answers."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from demos import judge
from reference_impls import mae, vit


def test_iou_is_one_where_the_best_patches_are_the_animal_and_counts_misses():
    cover = torch.tensor([[1.0, 0.9, 0.0, 0.2], [1.0, 0.9, 0.0, 0.2], [0.0, 0.0, 0.0, 0.0]])
    scores = torch.tensor([[0.9, 0.8, 0.1, 0.0], [0.9, 0.0, 0.8, 0.1], [0.4, 0.3, 0.2, 0.1]])
    torch.testing.assert_close(judge.top_patch_iou(scores, cover), torch.tensor([1.0, 1 / 3]))


def test_the_centre_prior_prefers_the_middle():
    prior = judge.centre_prior(5)[0].view(5, 5)
    assert prior.argmax() == 12
    assert prior[0, 0] == prior[4, 4] == prior.min()


def pngs(arrays: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    files = []
    for array in arrays:
        buffer = io.BytesIO()
        Image.fromarray(array).save(buffer, "PNG")
        files.append(np.frombuffer(buffer.getvalue(), np.uint8))
    return np.concatenate(files), np.cumsum([0, *map(len, files)])


@pytest.fixture
def pets(tmp_path):
    """Two pictures with the animal in the left and in the right half, and a border between."""
    left = np.full((32, 32), 2, np.uint8)
    left[:, :16], left[:, 15:17] = 1, 3
    trimaps = [left, left[:, ::-1].copy()]
    pictures = [np.stack([255 * (t == 1)] * 3, -1).astype(np.uint8) for t in trimaps]
    data, offsets = pngs(pictures)
    masks, mask_offsets = pngs(trimaps)
    np.savez(tmp_path / "pets.npz", data=data, offsets=offsets, mask_png=masks, mask_offsets=mask_offsets)
    return tmp_path / "pets.npz"


def test_attention_on_the_animal_beats_both_controls(pets):
    def bright(images):
        weights = torch.nn.functional.avg_pool2d(images.mean(1, keepdim=True), 8).flatten(1)
        full = torch.zeros(len(images), 2, 17, 17)
        full[:, :, 0, 1:] = weights[:, None]
        return [full]

    loaded = SimpleNamespace(patch_size=8, image_side=32, num_prefix=1, normalise=lambda x: x, model=SimpleNamespace(get_attention=bright))
    figures = judge.judge_attention(loaded, pets, scale=1)
    assert figures["attention_iou"] == 1
    assert figures["other_image_iou"] == 0
    assert figures["centre_prior_iou"] == pytest.approx(1 / 3)


@pytest.fixture
def labelled(tmp_path, monkeypatch):
    """Red and blue pictures, told apart by their colour alone, as references and queries."""
    monkeypatch.setattr(judge, "FOLDER", tmp_path / "kept")
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 2
    pictures = rng.integers(0, 60, (24, 32, 32, 3), dtype=np.uint8)
    pictures[labels == 0, ..., 0] += 180
    pictures[labels == 1, ..., 2] += 180
    data, offsets = pngs(list(pictures))
    np.savez(tmp_path / "colours.npz", data=data, offsets=offsets, labels=labels)
    return tmp_path / "colours.npz"


@pytest.mark.parametrize("model", [mae.build(), vit.ViT(64, 8, 64, 2, 2)], ids=["mae", "vit"])
def test_neighbours_vote_by_what_a_model_sees_beside_pixels(labelled, model):
    loaded = SimpleNamespace(model=model, image_side=64)
    figures = judge.judge_neighbours(loaded, labelled, labelled)
    assert figures == {
        "knn": 100, "linear": 100, "raw_pixels_knn": 100, "raw_pixels_linear": 100, "images": 24,
    }


def test_two_packs_are_asked_for_where_two_are_needed(monkeypatch, capsys):
    line = "judge neighbours --checkpoint mae_tiny64 --data one.npz"
    monkeypatch.setattr("sys.argv", line.split())
    with pytest.raises(SystemExit):
        judge.main()
    assert "takes 2 pack(s)" in capsys.readouterr().err


def test_psnr_counts_hidden_pixels_alone():
    truth, guess = torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16)
    guess[..., :8, :8] = 26 / 255
    hidden = torch.tensor([[1.0, 0, 0, 0]])
    assert judge.masked_psnr(truth, guess, hidden, 8).item() == pytest.approx(-20 * np.log10(26 / 255), abs=1e-4)
    assert judge.masked_psnr(truth, guess, 1 - hidden, 8).isinf()


def test_the_blend_takes_colours_from_visible_patches_nearest_first():
    image = torch.zeros(1, 3, 16, 16)
    image[..., :8, 8:] = 1                      # the second patch is white
    mask = torch.tensor([[1.0, 0, 0, 1]])       # first and last are hidden
    blend = judge.blend_of_visible(image, mask, 8, sigma=1.0)
    torch.testing.assert_close(blend[0, 0, :8, :8], torch.full((8, 8), 0.5))
    mask = torch.tensor([[1.0, 0, 1, 0]])       # white is nearer to the first than black
    assert judge.blend_of_visible(image, mask, 8, sigma=1.0)[0, 0, 0, 0] > 0.55
