"""One key for one result."""

import pytest

from demos import fingerprint
from demos.fingerprint import cache_key


@pytest.fixture
def key(photo):
    return lambda demo="attention", paper="vit", path=photo, **options: cache_key(
        demo, paper, [path], options
    )


def test_the_key_counts_values_not_their_spelling(key):
    assert key() == key(mass="0.60", layer=-1) == key(mass=0.6)
    assert len(key()) == 64


def test_the_key_counts_pixels_not_files(key, picture, tmp_path):
    picture.save(tmp_path / "other.bmp")
    assert key(path=tmp_path / "other.bmp") == key()
    picture.transpose(0).save(tmp_path / "mirrored.png")
    assert key(path=tmp_path / "mirrored.png") != key()


def test_demo_paper_and_options_change_the_key(key):
    keys = {key(), key(mass=0.5), key(paper="mae"), key("reconstruction", "mae")}
    assert len(keys) == 4


def test_new_weights_change_the_key(key, tmp_path, monkeypatch):
    before = key()
    monkeypatch.setenv("KB_WEIGHTS_DIR", str(tmp_path))
    assert key() == before
    (tmp_path / "vit.safetensors").write_bytes(b"one")
    first = key()
    (tmp_path / "vit.safetensors").write_bytes(b"other")
    assert len({before, first, key()}) == 3


def test_a_bundled_checkpoint_changes_the_key(key, checkpoints):
    before = key()
    (checkpoints / "vit_tiny64_distilled.safetensors").write_bytes(b"x")
    assert key() != before


def test_weights_in_the_hub_cache_change_the_key(key, tmp_path):
    before = key(paper="dino")
    snapshot = tmp_path / "hub" / "hub" / f"models--timm--{fingerprint.HUB_NAMES['dino']}"
    (snapshot / "refs").mkdir(parents=True)
    (snapshot / "refs" / "main").write_text("abc")
    (snapshot / "snapshots" / "abc").mkdir(parents=True)
    (snapshot / "snapshots" / "abc" / "model.safetensors").write_bytes(b"x")
    assert key(paper="dino") != before


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A project of four files."""
    texts = {
        "demos/attention.py": "from reference_impls.dino import f\n",
        "demos/runner.py": "from demos import attention\n",
        "reference_impls/mae.py": "from reference_impls.vit import Block\n",
        "reference_impls/vit.py": "", "reference_impls/dino.py": "",
        "reference_impls/byol.py": "",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(fingerprint, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("reference_impls/mae.py", True), ("reference_impls/vit.py", True),
        ("reference_impls/dino.py", True), ("demos/attention.py", True),
        ("reference_impls/byol.py", False),
    ],
)
def test_code_counts_where_it_is_imported(sources, file, counts):
    before = fingerprint.code_version("mae", "attention")
    assert fingerprint.code_version("mae", "attention") == before
    (sources / file).write_text((sources / file).read_text() + "# changed\n")
    assert (fingerprint.code_version("mae", "attention") != before) is counts
