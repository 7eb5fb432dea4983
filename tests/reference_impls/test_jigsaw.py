"""Jigsaw and frame orders against stored answers, then against what the papers say."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from reference_impls import jigsaw
from tests.reference_impls.golden import cases

SMALL = jigsaw.Config(grid=2, tile=8, permutations=6, channel_shift=1, grey=0.0, fc6=16, fc7=16, dropout=0.0,
                      img_size=24, patch_size=4, width=16, depth=1, heads=2)


@pytest.mark.parametrize("case", cases("jigsaw", function="select_permutations"), ids=str)
def test_permutations_equal_upstream(case):
    chosen = jigsaw.select_permutations(**case.params)
    apart = jigsaw.hamming_distances(chosen)
    pairs = apart[torch.ones_like(apart, dtype=torch.bool).triu(1)]
    case.check(permutations=chosen, mean_hamming=pairs.mean(), min_hamming=pairs.min())


@pytest.mark.parametrize("case", cases("jigsaw", function="frame_order_targets"), ids=str)
def test_frame_orders_equal_the_stored_ones(case):
    n = case.params["n"]
    index, pair, in_order = jigsaw.frame_order_targets(case["perm_ids"], n)
    everything = jigsaw.frame_order_targets(torch.arange(math.factorial(n)), n)[1]
    assert torch.equal(index, case["perm_ids"])
    case.check(permutations=jigsaw.all_permutations(n), binary=in_order, multiclass_direction_invariant=pair,
               n_classes_invariant=everything.max() + 1)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# Which permutations


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_permutations_come_in_lexicographic_order(n):
    assert jigsaw.all_permutations(n).tolist() == [list(p) for p in itertools.permutations(range(n))]


@pytest.mark.parametrize(("n", "k", "first"), [(3, 6, 2), (4, 24, 0), (5, 60, 100), (6, 40, 7)])
def test_the_greedy_choice_is_that_of_distances_to_everything_chosen(n, k, first):
    """The plain algorithm: all distances anew for every choice, candidates deleted as they go."""
    distance = pytest.importorskip("scipy.spatial.distance")
    left = np.array(list(itertools.permutations(range(n))))
    chosen, j = np.empty((0, n), dtype=int), first
    for _ in range(k):
        chosen, left = np.vstack([chosen, left[j]]), np.delete(left, j, axis=0)
        j = distance.cdist(chosen, left, "hamming").mean(axis=0).argmax() if len(left) else None
    assert np.array_equal(jigsaw.select_permutations(n, k, first), chosen)


def test_chosen_permutations_lie_further_apart_than_random_ones():
    chosen = jigsaw.select_permutations(6, 30)
    random = jigsaw.all_permutations(6)[torch.randperm(720, generator=generator())[:30]]
    off = ~torch.eye(30, dtype=torch.bool)
    near, far = jigsaw.hamming_distances(random)[off], jigsaw.hamming_distances(chosen)[off]
    assert far.mean() > near.mean() + 0.02
    assert len(chosen.unique(dim=0)) == 30


def test_the_first_n_permutations_agree_nowhere():
    """As in a Latin square: the greedy choice finds a complete set of derangements first."""
    apart = jigsaw.hamming_distances(jigsaw.select_permutations(4, 4))
    assert torch.equal(apart, 1 - torch.eye(4, dtype=torch.float64))


def test_nine_tiles_are_chosen_among_all_362880():
    chosen = jigsaw.select_permutations(9, 10)
    assert chosen.sort(dim=1).values.unique(dim=0).tolist() == [list(range(9))]
    assert jigsaw.hamming_distances(chosen)[:9, :9].sum() == 72


# Orders of frames


def test_an_order_and_its_reverse_are_one_class_of_half_as_many():
    n = 5
    orders = jigsaw.all_permutations(n)
    index = {tuple(p): i for i, p in enumerate(orders.tolist())}
    reverse = torch.tensor([index[tuple(p)] for p in orders.flip(1).tolist()])
    _, pair, in_order = jigsaw.frame_order_targets(torch.arange(120), n)
    assert torch.equal(pair, pair[reverse])
    assert torch.equal(pair.bincount(), torch.full((60,), 2))
    first_seen = list(dict.fromkeys(pair.tolist()))
    assert first_seen == list(range(60))
    assert in_order.nonzero().flatten().tolist() == [0, 119]


def test_shuffled_frames_tell_their_order():
    clips = torch.arange(6.0).view(1, 1, 6, 1, 1).expand(6, 2, 6, 3, 3)
    pieces = jigsaw.shuffle_frames(clips, torch.arange(6), 3)
    assert pieces.shape == (6, 3, 2, 2, 3, 3)
    assert torch.equal(pieces[:, :, 0, :, 0, 0] // 2, jigsaw.all_permutations(3)[:, :, None].expand(6, 3, 2))
    assert torch.equal(pieces[:, :, 0, 1, 0, 0] - pieces[:, :, 0, 0, 0, 0], torch.ones(6, 3))


# The tiles


def test_tiles_are_windows_of_their_cells_with_gaps_between_them():
    y, x = torch.meshgrid(torch.arange(24.0), torch.arange(24.0), indexing="ij")
    images = (100 * y + x).expand(400, 3, 24, 24)
    tiles = jigsaw.cut_tiles(images, SMALL, generator())
    assert tiles.shape == (400, 4, 3, 8, 8)
    torch.testing.assert_close(tiles - tiles[..., :1, :1], (100 * y + x)[:8, :8].expand_as(tiles))
    corner = tiles[..., 0, 0].long()                        # (400, 4, 3)
    rows, columns = corner // 100, corner % 100
    cells = torch.arange(4).view(1, 4, 1)
    for place, cell in ((rows, cells // 2), (columns, cells % 2)):
        inside = place - 12 * cell
        assert set(inside.unique().tolist()) == {0, 1, 2, 3, 4}
        assert not torch.equal(inside[:, 0], inside[:, 1])


def test_colour_channels_are_shifted_by_the_pixels_allowed():
    """Where the tile lies away from its cell's border, two channels differ by at most twice the shift."""
    x = torch.arange(24.0).expand(2000, 3, 24, 24)
    left = jigsaw.cut_tiles(x, SMALL, generator())[:, 0, :, 0, 0]
    apart = left[:, 0] - left[:, 1]
    assert set(apart.unique().tolist()) == {-2, -1, 0, 1, 2}
    assert abs(left.mean() - 2) < 0.1                       # either way alike
    still = jigsaw.cut_tiles(x, jigsaw.Config(grid=2, tile=8, channel_shift=0), generator())[:, 0, :, 0, 0]
    assert torch.equal(still[:, 0], still[:, 1])


def test_no_tile_is_brighter_or_has_more_contrast_than_another():
    exposure = torch.linspace(0.2, 2, 12, dtype=torch.float64).view(3, 4, 1, 1, 1)
    tiles = torch.rand(3, 4, 3, 8, 8, dtype=torch.float64, generator=generator())
    tiles = jigsaw.normalize_tiles(exposure * tiles**3 + exposure)
    torch.testing.assert_close(tiles.mean(dim=(2, 3, 4)), torch.zeros(3, 4, dtype=torch.float64))
    torch.testing.assert_close(tiles.std(dim=(2, 3, 4)), torch.ones(3, 4, dtype=torch.float64), atol=1e-4, rtol=0)
    assert (jigsaw.normalize_tiles(torch.ones(1, 3, 8, 8)) == 0).all()


def test_tile_statistics_leave_the_colours_of_a_tile_apart():
    tile = torch.stack([torch.full((8, 8), level) for level in (0.1, 0.2, 0.6)])
    red, green, blue = jigsaw.normalize_tiles(tile).mean(dim=(1, 2))
    assert red < green < blue


def test_views_are_tiles_in_the_order_of_their_class():
    """Tile i of the puzzle is the cell that row `target` of the set names."""
    cell = torch.tensor([[0.0, 1.0], [2.0, 3.0]]).repeat_interleave(12, 0).repeat_interleave(12, 1)
    ramp = torch.linspace(0, 1, 24).expand(24, 24) ** (1 + cell)  # each cell bends its own way
    images = ramp.expand(300, 3, 24, 24)
    fixed = jigsaw.Config(grid=2, tile=12, permutations=8, channel_shift=0, grey=0.0)
    tiles, targets = jigsaw.views(images, generator(), config=fixed)
    own = jigsaw.normalize_tiles(jigsaw.cut_tiles(images[:1], fixed, generator()))[0]
    chosen = jigsaw.select_permutations(4, 8)               # the seventh is not its own inverse
    assert set(targets.tolist()) == set(range(8))
    torch.testing.assert_close(tiles, own[chosen[targets]])


def test_some_images_lose_their_colour():
    images = torch.rand(400, 3, 24, 24, generator=generator())
    how = jigsaw.Config(grid=2, tile=12, permutations=6, channel_shift=0)
    tiles, _ = jigsaw.views(images, generator(), config=how)
    grey = ((tiles[:, :, 0] - tiles[:, :, 1]).abs().amax(dim=(1, 2, 3)) < 1e-5).float().mean()
    assert abs(grey - how.grey) < 0.06


def test_views_depend_on_the_generator_alone_and_keep_the_dtype():
    images = torch.rand(4, 3, 64, 64, dtype=torch.float64, generator=generator())
    torch.manual_seed(1)
    first = jigsaw.views(images, generator(7))
    torch.manual_seed(2)
    again, other = jigsaw.views(images, generator(7)), jigsaw.views(images, generator(8))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert first[0].dtype == torch.float64


# The network


class Means(nn.Module):
    def forward(self, x):
        return x.mean(dim=(2, 3))


def test_a_tile_s_features_do_not_depend_on_its_place_or_neighbours():
    seen = []
    model = jigsaw.ContextFreeNetwork(Means(), 3, classes=6, tiles=4, fc6=5, fc7=8, dropout=0.0)
    model.fc7.register_forward_hook(lambda module, args, output: seen.append(args[0].view(-1, 4, 5)))
    tiles, order = torch.rand(2, 4, 3, 8, 8, generator=generator()), torch.tensor([2, 0, 3, 1])
    assert model(tiles).shape == (2, 6)
    model(tiles[:, order])
    torch.testing.assert_close(seen[1], seen[0][:, order])


def test_a_short_training_solves_the_puzzles_it_saw():
    torch.manual_seed(0)
    model = jigsaw.build(SMALL)
    batch = jigsaw.views(torch.rand(8, 3, 24, 24, generator=generator()), generator(), config=SMALL)
    adam = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(60):
        loss, watched = jigsaw.training_step(model, batch, step, 60)
        adam.zero_grad(), loss.backward(), adam.step()
    assert watched["accuracy"] == 1
    assert watched["loss"] < 0.5


def test_guessing_costs_log_k_and_the_dtype_is_kept():
    loss = jigsaw.jigsaw_loss(torch.zeros(3, 24, dtype=torch.float64), torch.tensor([0, 5, 23]))
    torch.testing.assert_close(loss, torch.tensor(24.0, dtype=torch.float64).log())
    compiled = torch.compile(jigsaw.jigsaw_loss, fullgraph=True, backend="aot_eager")
    logits, targets = torch.randn(4, 6), torch.tensor([1, 0, 5, 2])
    torch.testing.assert_close(compiled(logits, targets), jigsaw.jigsaw_loss(logits, targets))


def test_features_are_patch_tokens_of_the_whole_image():
    model, images = jigsaw.build(SMALL).eval(), torch.rand(2, 3, 24, 24)
    assert jigsaw.features(model, images).shape == (2, 36, 16)


@pytest.mark.parametrize(("call", "remedy"), [
    (lambda: jigsaw.select_permutations(3, 7), "there are 6"),
    (lambda: jigsaw.select_permutations(3, 2, 6), "counted from 0"),
    (lambda: jigsaw.frame_order_targets(torch.tensor([0]), 1), "two frames or more"),
    (lambda: jigsaw.shuffle_frames(torch.rand(1, 3, 5, 2, 2), torch.tensor([0]), 3), "cut the clip"),
    (lambda: jigsaw.views(torch.rand(2, 1, 24, 24), generator()), r"\(B, 3, H, W\)"),
    (lambda: jigsaw.views(torch.rand(2, 3, 24, 24), generator()), "make the tile smaller"),
    (lambda: jigsaw.build(SMALL)(torch.rand(2, 9, 3, 8, 8)), "the network takes"),
    (lambda: jigsaw.jigsaw_loss(torch.rand(3, 6), torch.tensor([1, 2])), "one class per image"),
])
def test_wrong_calls_are_told_the_remedy(call, remedy):
    with pytest.raises(ValueError, match=remedy):
        call()
