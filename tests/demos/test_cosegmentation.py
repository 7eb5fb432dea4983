"""Common parts: the module's own clusters and votes, on two pictures and on four."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.intake import images
from demos.shows import cosegmentation as show
from reference_impls import deep_vit_features as paper


@pytest.fixture
def other(picture, tmp_path):
    picture.rotate(180).save(tmp_path / "other.png")
    return tmp_path / "other.png"


def run(pictures, out, **options):
    options = {"stride": "patch", "elbow": 0.9, **options}
    return runner.run("cosegmentation", "deep_vit_features", pictures, options, out)


def test_what_is_common_is_what_the_papers_cosegment_gives(photo, other, out):
    result = run([photo, other], out, threshold=0.3, votes=50, seed=2)
    loaded = runner.warm("deep_vit_features", "dense_descriptors", runner.fingerprint.weights_hash("deep_vit_features"))
    keys, salient = [], []
    for path in (photo, other):
        fitted = images.square(images.read(path), 128)
        x = loaded.normalise(torch.from_numpy(images.to_array(fitted.image))[None])
        keys.append(paper.dense_descriptors(loaded.model, x, 5)[0, 0])
        salient.append(paper.saliency(paper.attention_of(loaded.model, x, 5), range(6))[0])
    common, labels = paper.cosegment(
        torch.stack(keys), torch.stack(salient), torch.Generator().manual_seed(2), 0.9, 0.3, 50,
    )
    arrays = np.load(out / "clusters.npz")
    np.testing.assert_array_equal(arrays["labels"], labels.view(2, 16, 16))
    np.testing.assert_array_equal(arrays["common"], common.view(2, 16, 16))
    assert 0 < arrays["common"].mean() < 1
    assert result.numbers["common_percent"] == [round(100 * float(m.mean()), 1) for m in arrays["common"]]
    assert result.numbers["kept"] == arrays["kept"].sum()


def test_common_patches_are_lit_and_parts_are_coloured(photo, other, out):
    run([photo, other], out, threshold=0.3, votes=50)
    arrays = np.load(out / "clusters.npz")
    sheet = np.asarray(Image.open(out / "common.png").convert("RGB"))
    parts = np.asarray(Image.open(out / "parts.png").convert("RGB")).astype(int)
    edge = show.CELL / 16
    for n, mask in enumerate(arrays["common"]):
        left = 12 + n * (show.CELL + 12)
        tile = (slice(12, 12 + show.CELL), slice(left, left + show.CELL))
        middles = (np.arange(16) * edge + edge / 2).astype(int)
        lit = sheet[tile][np.ix_(middles, middles)]
        grey = np.ptp(lit, axis=-1) == 0
        assert grey[~mask].all()
        assert not grey[mask].any()
        hue = np.ptp(parts[tile][np.ix_(middles, middles)], axis=-1)
        assert (hue[mask] > 20).all()
        assert (hue[~mask] == 0).all()


def test_every_cluster_is_listed_with_its_votes(photo, other, out):
    result = run([photo, other], out, threshold=0.3, votes=50)
    table = json.loads((out / "votes.json").read_text())
    arrays = np.load(out / "clusters.npz")
    assert len(table["rows"]) == result.numbers["clusters"]
    for c, row in enumerate(table["rows"]):
        assert len(row) == len(table["columns"])
        assert row[-2] == f"{arrays['votes'][c]} of 2"
        assert row[-1] == ("kept" if arrays["kept"][c] else "left out")
        inside = arrays["labels"] == c
        for one, mask, saliency in zip(row[1:3], inside, arrays["saliency"], strict=True):
            assert one == (f"{saliency[mask].mean():.2f}" if mask.any() else "none")


def test_late_options_start_from_the_stored_clusters(photo, other, out, monkeypatch):
    count, cluster = [], show.cluster
    monkeypatch.setattr(show, "cluster", lambda *args: count.append(1) or cluster(*args))
    for late in ({}, {"threshold": 0.6}, {"votes": 100}):
        run([photo, other], out, **late)
    assert len(count) == 1


def test_four_pictures_of_any_shape_are_cut_to_squares(picture, photo, out, tmp_path):
    files = [photo]
    for n, size in enumerate([(8, 8), (500, 20), (20, 500)]):
        picture.resize(size).save(tmp_path / f"{n}.png")
        files.append(tmp_path / f"{n}.png")
    result = run(files, out, threshold=0.9, votes=100)
    assert len(result.numbers["common_percent"]) == 4
    if not result.numbers["kept"]:
        assert "lower the saliency" in result.artifacts[0].caption
