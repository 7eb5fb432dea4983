"""One key for one result."""

from dataclasses import replace

import pytest

from demos import fingerprint, specs
from demos.fingerprint import cache_key


@pytest.fixture
def key(photo):
    return lambda demo="attention", paper="vit", path=photo, **options: cache_key(
        demo, paper, [path], options
    )


def test_the_key_counts_values_not_their_spelling(key):
    assert key() == key(mass="0.60", layer=-1) == key(mass=0.6)
    assert len(key()) == 64


def test_the_key_counts_stored_files_not_their_names(key, photo, picture, tmp_path):
    (tmp_path / "other.png").write_bytes(photo.read_bytes())
    assert key(path=tmp_path / "other.png") == key()
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
        "demos/shows/attention.py": "from reference_impls.dino import f\n",
        "demos/runner.py": "from demos import specs\n", "demos/specs/__init__.py": "", "demos/specs/looking.py": "",
        "reference_impls/mae.py": "from reference_impls.vit import Block\n",
        "reference_impls/vit.py": "", "reference_impls/dino.py": "",
        "reference_impls/byol.py": "",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(fingerprint, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("reference_impls/mae.py", True), ("reference_impls/vit.py", True),
        ("reference_impls/dino.py", True), ("demos/shows/attention.py", True), ("demos/specs/__init__.py", True),
        ("demos/specs/looking.py", False),
        ("reference_impls/byol.py", False),
    ],
)
def test_code_counts_where_it_is_imported(sources, file, counts):
    before = fingerprint.code_version("mae", "attention")
    assert fingerprint.code_version("mae", "attention") == before
    (sources / file).write_text((sources / file).read_text() + "# changed\n")
    assert (fingerprint.code_version("mae", "attention") != before) is counts


@pytest.mark.parametrize(
    ("change", "counts"),
    [({"summary": "Other words."}, False), ({"seconds": 61}, True), ({"model": "f"}, True), ({"options": ()}, True)],
)
def test_of_a_spec_counts_what_a_result_depends_on(monkeypatch, change, counts):
    demo = specs.DEMOS["attention"]
    before = [fingerprint.code_version("mae", name) for name in ("attention", "reconstruction")]
    monkeypatch.setitem(specs.DEMOS, "attention", replace(demo, **change))
    after = [fingerprint.code_version("mae", name) for name in ("attention", "reconstruction")]
    assert (before[0] != after[0]) is counts
    assert before[1] == after[1]
