"""Colorization against stored answers, then against what the paper says."""

import math

import pytest
import torch
import torch.nn.functional as F

from reference_impls import colorization
from tests.reference_impls.golden import cases


@pytest.mark.parametrize("case", cases("colorization", function="pointer_copy"), ids=str)
def test_pointers_colours_and_loss_equal_the_stored_ones(case):
    R = case.params["num_reference"]
    features, labels = case["features"].flatten(2, 3), case["labels"].flatten(2)
    known = F.one_hot(labels[:, :R].flatten(1), case.params["num_labels"]).to(features)
    attention, probs = colorization.pointer_copy(
        features[:, :R].flatten(1, 2), features[:, R], known, case.params["temperature"]
    )
    target = labels[:, R]
    case.check(
        attention=attention, probs=probs, loss_nll=colorization.pointer_color_loss(probs, target),
        # What the third-party code computes: a softmax of probabilities.
        loss_softmax_on_probs=F.cross_entropy(probs.flatten(0, 1), target.flatten()),
    )


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(*shape, seed=0):
    return torch.rand(shape, dtype=torch.float64, generator=generator(seed))


# The pointer


def test_every_target_pixel_shares_itself_out_among_references():
    attention, copied = colorization.pointer_copy(noise(2, 12, 5), noise(2, 4, 5, seed=1), noise(2, 12, 3, seed=2))
    assert attention.shape == (2, 4, 12)
    torch.testing.assert_close(attention.sum(dim=2), torch.ones(2, 4, dtype=torch.float64))
    torch.testing.assert_close(copied, attention @ noise(2, 12, 3, seed=2))
    assert copied.dtype == torch.float64


def test_a_pixel_whose_feature_is_alone_alike_copies_its_colour():
    """No colour but those of the references can come out."""
    ref = 30 * torch.eye(4)[None]
    order = torch.tensor([2, 0, 3, 1])
    _, copied = colorization.pointer_copy(ref, ref[:, order], torch.eye(4)[None])
    torch.testing.assert_close(copied[0], torch.eye(4)[order])


def test_features_are_not_normalised_and_low_temperatures_sharpen():
    ref, tar, labels = noise(1, 6, 4), noise(1, 3, 4, seed=1), torch.eye(6).double()[None]
    one, _ = colorization.pointer_copy(ref, tar, labels)
    longer, _ = colorization.pointer_copy(ref, 2 * tar, labels)
    half, _ = colorization.pointer_copy(ref, tar, labels, temperature=0.5)
    torch.testing.assert_close(longer, half)
    assert (half.amax(dim=2) > one.amax(dim=2)).all()


def test_loss_is_minus_log_of_the_true_colour_s_probability():
    probs = torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.9, 0.0]]], dtype=torch.float64)
    loss = colorization.pointer_color_loss(probs, torch.tensor([[0, 1]]))
    assert loss.item() == pytest.approx(-(math.log(0.5) + math.log(0.9)) / 2)
    sure = colorization.pointer_color_loss(torch.eye(3)[None], torch.arange(3)[None])
    assert sure == 0


def test_a_colour_that_no_reference_has_costs_much_but_not_infinity():
    probs = torch.tensor([[[1.0, 0.0]]], requires_grad=True)
    loss = colorization.pointer_color_loss(probs, torch.tensor([[1]]))
    loss.backward()
    assert 10 < loss < 30
    assert probs.grad.isfinite().all()


def test_compiled_without_breaks_and_under_autocast_the_pointer_is_the_same():
    ref, tar, labels = noise(1, 12, 5).float(), noise(1, 4, 5, seed=1).float(), F.one_hot(torch.arange(12) % 3)[None]

    def loss(ref, tar):
        _, probs = colorization.pointer_copy(ref, tar, labels)
        return colorization.pointer_color_loss(probs, torch.tensor([[0, 1, 2, 0]]))

    expected = loss(ref, tar)
    torch.testing.assert_close(torch.compile(loss, fullgraph=True, backend="aot_eager")(ref, tar), expected)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(loss(ref, tar), expected)


# Tracking


def test_labels_are_carried_along_with_the_features():
    """Pixels that move about keep what they were labelled, prediction upon prediction."""
    identity = 40 * torch.eye(5)
    orders = [torch.randperm(5, generator=generator(seed)) for seed in range(6)]
    features = torch.stack([identity[order] for order in orders])[None]
    labels = torch.eye(5)[None]
    tracked = colorization.track(features, labels[:, orders[0]])
    assert tracked.shape == (1, 6, 5, 5)
    for t, order in enumerate(orders):
        torch.testing.assert_close(tracked[0, t], torch.eye(5)[order])


def test_a_frame_copies_from_the_last_three_alone():
    features, first = noise(1, 6, 4, 3), noise(1, 4, 2, seed=1)
    tracked = colorization.track(features, first)
    torch.testing.assert_close(tracked[:, 0], first)
    known = tracked[:, 2:5].flatten(1, 2)
    _, expected = colorization.pointer_copy(features[:, 2:5].flatten(1, 2), features[:, 5], known, 0.5)
    torch.testing.assert_close(tracked[:, 5], expected)
    _, second = colorization.pointer_copy(features[:, 0], features[:, 1], first, 0.5)
    torch.testing.assert_close(tracked[:, 1], second)


# Colours


def test_lab_of_known_colours():
    rgb = torch.tensor([[1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0.5], [0.02, 0.02, 0.02]])
    expected = torch.tensor([[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20], [87.73, -86.18, 83.18],
                             [32.30, 79.19, -107.86], [53.39, 0, 0], [1.40, 0, 0]])
    torch.testing.assert_close(colorization.rgb_to_lab(rgb), expected, atol=0.02, rtol=0)


def test_lab_keeps_shape_and_dtype_and_full_precision_under_autocast():
    clips = noise(2, 3, 4, 5, 6)
    lab = colorization.rgb_to_lab(clips)
    assert lab.shape == clips.shape
    assert lab.dtype == torch.float64
    torch.testing.assert_close(colorization.rgb_to_lab(clips[:, :, 1, 2, 3]), lab[:, :, 1, 2, 3])
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(colorization.rgb_to_lab(clips.float()), lab.float(), atol=1e-3, rtol=0)


def test_lab_goes_back_to_the_colours_it_came_from_and_to_no_others():
    clips = noise(2, 3, 4, 5, 6)
    back = colorization.lab_to_rgb(colorization.rgb_to_lab(clips))
    torch.testing.assert_close(back, clips, atol=1e-4, rtol=0)
    garish = torch.tensor([[50.0, 120.0, -120.0]])
    found = colorization.lab_to_rgb(garish)
    assert 0 <= found.min() <= found.max() <= 1


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_clusters_are_those_of_scikit_learn(seed):
    from sklearn.cluster import KMeans

    points, k = noise(300, 2, seed=seed), 6
    start = points[torch.randperm(300, generator=generator(seed))[:k]]
    theirs = KMeans(k, init=start.numpy(), n_init=1, max_iter=100, tol=0).fit(points.numpy())
    ours = colorization.kmeans(points, k, generator(seed), iterations=100)
    torch.testing.assert_close(ours, torch.from_numpy(theirs.cluster_centers_))
    assert torch.equal(colorization.quantize(points, ours), torch.from_numpy(theirs.labels_).long())


def test_a_cluster_without_points_stays_where_it_is():
    points = torch.tensor([[0.0, 0.0]]).repeat(5, 1)
    assert torch.equal(colorization.kmeans(points, 2, generator()), torch.zeros(2, 2))


def test_quantize_finds_the_nearest_colour():
    points, centroids = 100 * noise(2, 5, 7, 2), 100 * noise(16, 2, seed=1)
    expected = torch.cdist(points, centroids.expand(2, 5, 16, 2)).argmin(dim=-1)
    assert torch.equal(colorization.quantize(points, centroids), expected)


def test_whole_clips_lose_their_colour_and_keep_their_light():
    lab = noise(2000, 3, 2, 1, 1) + 1
    dropped = colorization.color_dropout(lab, 0.3, generator())
    assert torch.equal(dropped[:, 0], lab[:, 0])
    grey = (dropped[:, 1:] == 0).flatten(1)
    assert torch.equal(grey.any(dim=1), grey.all(dim=1))
    assert abs(grey.all(dim=1).float().mean() - 0.3) < 0.03


def test_what_must_be_copied_is_coloured_even_where_the_input_is_grey():
    clips = noise(6, 3, 5, 8, 8)
    batch = colorization.clip_views(clips, generator(), config=colorization.Config(color_dropout=1.0))
    lab = colorization.rgb_to_lab(clips[:, :, :4])
    assert not batch.inputs[:, 1:].any()
    torch.testing.assert_close(batch.inputs[:, 0], lab[:, 0] / 50 - 1)
    torch.testing.assert_close(batch.ab, lab[:, 1:])
    coloured = colorization.clip_views(clips, generator(), config=colorization.Config(color_dropout=0.0))
    torch.testing.assert_close(coloured.inputs[:, 1:], lab[:, 1:] / 110)


def test_views_depend_on_the_generator_alone():
    clips = noise(16, 3, 4, 4, 4)
    first, again, other = (colorization.clip_views(clips, generator(seed)) for seed in (7, 7, 8))
    assert torch.equal(first.inputs, again.inputs)
    assert not torch.equal(first.inputs, other.inputs)


# The network


def test_colours_are_taken_at_the_places_of_the_features():
    """Row by row, as `tokens` counts; a place's colour is that of its mean."""
    model = colorization.build()
    model.centroids = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
    ab = torch.zeros(1, 2, 1, 4, 4)
    ab[0, 0, 0, :2, 2:] = 10
    ab[0, 1, 0, 2:, :2] = 10
    assert colorization.colors(model, ab, (2, 2)).tolist() == [[[0, 1, 2, 0]]]
    number = torch.arange(4.0).view(1, 1, 1, 2, 2)
    assert colorization.tokens(number).flatten().tolist() == [0, 1, 2, 3]


def test_the_paper_s_map_is_32_by_32_of_64_channels():
    config = colorization.Config()
    model = colorization.build(config).to("meta")
    maps = model(torch.empty(1, 3, 4, 256, 256, device="meta"))
    assert maps.shape == (1, 64, 4, 32, 32)
    assert model.centroids.shape == (16, 2)


def test_a_short_training_learns_to_point():
    torch.manual_seed(0)
    model, wide = colorization.build(), torch.rand(4, 3, 8, 12, generator=generator())
    wide = F.interpolate(wide, scale_factor=4)
    clips = torch.stack([wide[..., 4 * t : 4 * t + 32] for t in range(4)], dim=2)
    batch = colorization.clip_views(clips, generator())
    adam, losses = torch.optim.Adam(model.parameters(), 3e-3), []
    for step in range(15):
        loss, watched = colorization.training_step(model, batch, step, 15)
        adam.zero_grad(), loss.backward(), adam.step()
        losses.append(watched["loss"])
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize(("call", "remedy"), [
    (lambda: colorization.pointer_copy(noise(1, 6, 4), noise(1, 3, 4), noise(1, 6, 2), 0.0), "above 0"),
    (lambda: colorization.pointer_copy(noise(1, 6, 4), noise(1, 3, 4), noise(1, 3, 2)), "per reference pixel"),
    (lambda: colorization.pointer_color_loss(noise(1, 6, 4), torch.zeros(1, 6, 1)), r"\(B, N, d\) and \(B, N\)"),
    (lambda: colorization.kmeans(noise(3, 2), 4, generator()), "4 or more"),
    (lambda: colorization.clip_views(noise(1, 3, 3, 8, 8), generator()), "T of 4"),
])
def test_wrong_calls_are_told_the_remedy(call, remedy):
    with pytest.raises(ValueError, match=remedy):
        call()
