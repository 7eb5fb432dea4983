"""Keys as colours: the module's own components, over one picture and over two."""

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.intake import images
from demos.shows import key_pca
from demos.specs import OptionError
from reference_impls import deep_vit_features as paper


@pytest.fixture
def other(picture, tmp_path):
    picture.rotate(90, expand=True).save(tmp_path / "other.png")
    return tmp_path / "other.png"


def run(pictures, out, **options):
    return runner.run("key_pca", "deep_vit_features", pictures, {"stride": "patch", **options}, out)


def test_components_and_colours_are_those_of_the_module_over_both_pictures(photo, other, out):
    result = run([photo, other], out, layer=2)
    loaded = runner.warm("deep_vit_features", "dense_descriptors", runner.fingerprint.weights_hash("deep_vit_features"))
    arrays, found = np.load(out / "components.npz"), []
    for path in (photo, other):
        fitted = images.fit(images.read(path), 128, 8)
        x = loaded.normalise(torch.from_numpy(images.to_array(fitted.image))[None])
        found.append(paper.dense_descriptors(loaded.model, x, 2)[0, 0])
    for n, one in enumerate(paper.descriptor_pca(found, 4), 1):
        grid = arrays[f"components{n}"].shape[1:]
        assert grid == ((14, 18), (18, 14))[n - 1]
        np.testing.assert_allclose(arrays[f"components{n}"], one.T.reshape(4, *grid), atol=1e-4)
        np.testing.assert_allclose(arrays[f"colours{n}"], paper.to_rgb(one).view(*grid, 3), atol=1e-4)
    assert result.numbers["patches"] == [252, 252]
    shares = result.numbers["variance_percent"]
    assert shares == sorted(shares, reverse=True)
    assert 0 < sum(shares) <= 100.1


def test_each_patch_is_drawn_in_its_own_colour(photo, out):
    run([photo], out)
    colours = np.load(out / "components.npz")["colours1"]
    drawn = np.asarray(Image.open(out / "colours.png").convert("RGB"))
    width = key_pca.CELL
    scale = width / 144 * 8  # pixels of the sheet from patch to patch
    left = 2 * 12 + width
    for row, column in ((0, 0), (7, 9), (13, 17)):
        at = (int(12 + (row + 0.5) * scale), int(left + (column + 0.5) * scale))
        np.testing.assert_allclose(drawn[at], 255 * colours[row, column], atol=2)


def test_other_components_start_from_the_stored_ones(photo, out, monkeypatch):
    seen, project = [], key_pca.project
    monkeypatch.setattr(key_pca, "project", lambda *args: seen.append(1) or project(*args))
    run([photo], out)
    later = np.load(out / "components.npz")["colours1"]
    run([photo], out, components="1 to 3")
    first = np.load(out / "components.npz")["colours1"]
    assert len(seen) == 1
    np.testing.assert_allclose(first[..., 1:], later[..., :2])
    run([photo], out, facet="query")
    assert len(seen) == 2


@pytest.mark.parametrize("facet", ["query", "value", "token"])
def test_other_descriptors_and_bins_give_other_colours(photo, out, facet):
    run([photo], out)
    keys = np.load(out / "components.npz")["colours1"]
    run([photo], out, facet=facet)
    assert np.abs(np.load(out / "components.npz")["colours1"] - keys).mean() > 0.01


@pytest.mark.parametrize(("size", "how"), [((8, 8), {"log_bin": True}), ((500, 20), {"stride": "half"}), ((20, 500), {})])
def test_specks_and_strips_work_beside_a_photo(picture, photo, out, tmp_path, size, how):
    picture.resize(size).save(tmp_path / "odd.png")
    result = run([tmp_path / "odd.png", photo], out, **how)
    assert {a.name for a in result.artifacts} == {"colours", "each", "components", "params"}
    assert all(np.isfinite(one).all() for one in np.load(out / "components.npz").values())


def test_a_layer_that_is_not_there_is_refused(photo, out):
    with pytest.raises(OptionError, match="choose 0 to 5"):
        run([photo], out, layer=6)
