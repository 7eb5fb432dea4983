"""Packs of pictures: read as squares, decoded once, refused by name."""

import numpy as np
import pytest
import torch

from demos.training import packs


def test_a_file_that_is_no_pack_is_named(tmp_path):
    np.savez(tmp_path / "other.npz", pictures=np.zeros(3))
    with pytest.raises(ValueError, match=r"other.npz holds \['pictures'\]; a pack needs `data` and `offsets`"):
        packs.read_pack(tmp_path / "other.npz", 32)
    with pytest.raises(ValueError, match=r"other.npz has no `labels`"):
        packs.read_labels(tmp_path / "other.npz")


def test_a_pack_is_read_as_centre_squares(pack):
    images = packs.read_pack(pack, 16)
    assert (images.shape, images.dtype) == ((12, 3, 16, 16), torch.uint8)


def test_a_pack_is_decoded_once_and_anew_when_it_changed(pack, tmp_path, monkeypatch):
    first = packs.decoded(pack, 16, tmp_path / "kept")
    with monkeypatch.context() as patch:
        patch.setattr(packs, "read_pack", lambda *_: pytest.fail("decoded again"))
        assert torch.equal(packs.decoded(pack, 16, tmp_path / "kept"), first)
    arrays = dict(np.load(pack))
    np.savez(pack, data=arrays["data"], offsets=arrays["offsets"][:7])
    assert len(packs.decoded(pack, 16, tmp_path / "kept")) == 6
