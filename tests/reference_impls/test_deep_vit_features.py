"""Dense descriptors against the authors' numbers, then against what the paper says."""

import math

import pytest
import torch
import torch.nn.functional as F

from reference_impls import deep_vit_features as dvf
from reference_impls.dino import DinoVisionTransformer
from tests.reference_impls.golden import cases


def check(case, **ours):
    """The outputs that the case's card lists."""
    case.check(**{name: ours[name] for name in case.card["outputs"]})


@pytest.mark.parametrize("case", cases("deep_vit_features", function="dense_descriptors"), ids=str)
def test_descriptors_bins_and_saliency_equal_upstream(case):
    p, x = case.params, case["x"]
    names = ("img_size", "patch_size", "embed_dim", "depth", "num_heads", "mlp_ratio")
    vit = case.load(DinoVisionTransformer(**{name: p[name] for name in names}))
    with torch.no_grad():
        facet = dvf.facet_of(vit, x, p["layer"], p["facet"], p["stride"])
        attention = dvf.attention_of(vit, x, p["depth"] - 1, p["stride"])
        descriptors = dvf.dense_descriptors(vit, x, p["layer"], p["facet"], False, p["stride"])
        binned = dvf.log_bin(facet[:, :, 1:], p["grid"], p["hierarchy"])
    assert dvf.grid_of(vit, x, p["stride"]) == tuple(p["grid"])
    check(case, facet=facet, desc=descriptors, logbin=binned, attn_last=attention,
          saliency=dvf.saliency(attention, p["saliency_heads"]))


@pytest.mark.parametrize("case", cases("deep_vit_features", function="best_buddies"), ids=str)
def test_best_buddies_equal_upstream(case):
    d1, d2 = case["d1"], case["d2"]
    salient = [case[name] > case.params["thresh"] for name in ("saliency1", "saliency2")]
    mutual, nn12 = dvf.best_buddies(d1, d2)
    check(case, similarity=dvf.similarity(d1, d2), nn12=nn12, mask_mutual=mutual,
          mask_official=dvf.best_buddies(d1, d2, *salient, rule="official")[0],
          mask_strict=dvf.best_buddies(d1, d2, *salient)[0])


@pytest.mark.parametrize("case", cases("deep_vit_features", function="salient_clusters"), ids=str)
def test_votes_equal_upstream(case):
    votes, salient = dvf.salient_clusters(case["labels"], case["saliency"], **case.params)
    check(case, votes=votes, salient=salient)


@pytest.mark.parametrize("case", cases("deep_vit_features", function="descriptor_pca"), ids=str)
def test_components_equal_upstream(case):
    parts = dvf.descriptor_pca([case[name] for name in case.card["inputs"]], case.params["k"])
    check(case, proj=torch.cat(parts), rgb01=torch.cat([dvf.to_rgb(part) for part in parts]))


# Descriptors


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


@pytest.fixture
def vit():
    torch.manual_seed(0)
    return DinoVisionTransformer(32, 8, 12, 3, 2).double().eval()


def image(B=2, H=32, W=40, seed=0):
    return torch.rand(B, 3, H, W, generator=generator(seed), dtype=torch.float64)


def test_at_the_patch_size_the_tokens_are_the_networks_own(vit):
    for size in ((32, 32), (32, 40)):
        torch.testing.assert_close(dvf.overlapping_patches(vit, image(2, *size)), vit.embed(image(2, *size)))
    tokens = dvf.facet_of(vit, image(), 2, "token")[:, 0]
    torch.testing.assert_close(vit.norm(tokens), vit.forward_features(image()))
    torch.testing.assert_close(dvf.attention_of(vit, image(), 2), vit.get_last_selfattention(image()))


def test_half_the_stride_sees_the_same_patches_and_those_between(vit):
    vit.pos_embed.data.zero_()
    coarse, fine = (dvf.overlapping_patches(vit, image(), s)[:, 1:] for s in (8, 4))
    assert dvf.grid_of(vit, image(), 4) == (7, 9)
    torch.testing.assert_close(fine.view(2, 7, 9, 12)[:, ::2, ::2], coarse.view(2, 4, 5, 12))
    moved = dvf.overlapping_patches(vit, image()[..., 4:, 4:], 8)[:, 1:].view(2, 3, 4, 12)
    torch.testing.assert_close(fine.view(2, 7, 9, 12)[:, 1::2, 1::2], moved)


def test_the_network_is_left_as_it_was(vit):
    before = vit(image())
    dvf.dense_descriptors(vit, image(), 1, stride=2)
    torch.testing.assert_close(vit(image()), before)


def test_a_stride_that_does_not_divide_the_patch_and_a_layer_that_is_not_there_are_refused(vit):
    with pytest.raises(ValueError, match="does not divide"):
        dvf.dense_descriptors(vit, image(), 1, stride=3)
    with pytest.raises(ValueError, match="no layer 9"):
        dvf.dense_descriptors(vit, image())
    with pytest.raises(ValueError, match="choose from"):
        dvf.facet_of(vit, image(), 1, "keys")


@pytest.mark.parametrize("facet", ["query", "key", "value"])
def test_channels_interleave_the_heads(vit, facet):
    feats = dvf.facet_of(vit, image(), 1, facet)
    flat = dvf.dense_descriptors(vit, image(), 1, facet)
    assert flat.shape == (2, 1, 20, 12)
    for head in range(2):
        torch.testing.assert_close(flat[:, 0, :, head::2], feats[:, head, 1:])


def test_queries_keys_and_values_are_what_attention_is_made_of(vit):
    q, k = (dvf.facet_of(vit, image(), 1, facet) for facet in ("query", "key"))
    torch.testing.assert_close((q @ k.mT / math.sqrt(6)).softmax(-1), dvf.attention_of(vit, image(), 1))


def written_out(feats, grid, hierarchy):
    """Bins by loops over places, rings and neighbours."""
    h, w = grid
    maps = feats.permute(0, 3, 1, 2).flatten(1, 2).unflatten(2, grid)
    places = []
    for y in range(h):
        for x in range(w):
            bins = []
            for s in [3**i for i in range(hierarchy)]:
                for cy in (y - s, y, y + s):
                    for cx in (x - s, x, x + s):
                        if (cy, cx) != (y, x) or s == 1:
                            cy_, cx_, r = min(max(cy, 0), h - 1), min(max(cx, 0), w - 1), s // 2
                            bins.append(maps[:, :, max(cy_ - r, 0) : cy_ + r + 1, max(cx_ - r, 0) : cx_ + r + 1].mean((2, 3)))
            places.append(torch.cat(bins, 1))
    return torch.stack(places, 1)[:, None]


@pytest.mark.parametrize(("grid", "hierarchy"), [((4, 5), 1), ((4, 5), 2), ((3, 2), 2), ((7, 4), 3)])
def test_bins_are_the_means_of_squares_around_each_patch(grid, hierarchy):
    feats = normal(2, 3, grid[0] * grid[1], 2)
    binned = dvf.log_bin(feats, grid, hierarchy)
    assert binned.shape == (2, 1, grid[0] * grid[1], (1 + 8 * hierarchy) * 6)
    torch.testing.assert_close(binned, written_out(feats, grid, hierarchy))


def test_bins_of_a_constant_map_are_constant_up_to_the_border():
    assert (dvf.log_bin(torch.ones(1, 2, 20, 3), (4, 5)) == 1).all()


def test_bins_of_tokens_with_the_class_token_are_refused(vit):
    with pytest.raises(ValueError, match="drop the class token"):
        dvf.log_bin(normal(1, 2, 21, 3), (4, 5))
    assert dvf.dense_descriptors(vit, image(), 1, bin=True, stride=4).shape == (2, 1, 63, 17 * 12)


def test_saliency_runs_from_0_to_1_in_every_image():
    attn = normal(3, 6, 10, 10).softmax(-1)
    seen = dvf.saliency(attn)
    assert seen.amin(1).tolist() == [0, 0, 0]
    assert seen.amax(1).tolist() == [1, 1, 1]
    torch.testing.assert_close(dvf.saliency(attn[1:2])[0], seen[1])
    attn[:, 1] = attn[:, 3] = 0
    torch.testing.assert_close(dvf.saliency(attn), seen)
    with pytest.raises(ValueError, match="choose among them"):
        dvf.saliency(attn[:, :3])


# Correspondences


def test_buddies_find_a_permutation_again():
    d1, order = normal(12, 5), torch.randperm(12, generator=generator())
    mask, nn12 = dvf.best_buddies(d1, 3 * d1[order])
    assert mask.all()
    assert torch.equal(order[nn12], torch.arange(12))


def test_a_choice_that_is_not_returned_makes_no_buddies():
    d1 = torch.tensor([[1.0, 0.0], [0.9, 0.5]])
    mask, nn12 = dvf.best_buddies(d1, torch.tensor([[1.0, 0.1]]))
    assert nn12.tolist() == [0, 0]
    assert mask.tolist() == [True, False]


def test_the_strict_rule_asks_the_buddy_and_the_official_one_anybody_who_chose_the_patch():
    d1, d2 = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.1], [1.0, 0.9]])
    fg1, fg2 = torch.tensor([True]), torch.tensor([False, True])
    assert not dvf.best_buddies(d1, d2, fg1, fg2)[0].any()
    assert dvf.best_buddies(d1, d2, fg1, fg2, rule="official")[0].all()
    assert not dvf.best_buddies(d1, d2, ~fg1, fg2, rule="official")[0].any()


def test_descriptors_of_a_batch_are_refused():
    with pytest.raises(ValueError, match=r"descriptors\[0, 0\]"):
        dvf.best_buddies(normal(1, 1, 9, 4), normal(9, 4))


def test_correspondences_are_salient_buddies_one_of_each_kind():
    """Three kinds of patch, six of each, in both images; the most salient of a kind is number 5, 11, 17."""
    kinds = 10 * torch.eye(3, 8, dtype=torch.float64).repeat_interleave(6, 0)
    d1 = kinds + 0.3 * normal(18, 8)
    order = torch.randperm(18, generator=generator(1))
    salient = torch.arange(18) % 6 / 6
    first, second = dvf.correspondences(d1, d1[order], salient, salient[order], generator(), num_pairs=3)
    assert sorted(first.tolist()) == [5, 11, 17]
    assert torch.equal(order[second], first)
    assert len(dvf.correspondences(d1, d1[order], salient, salient[order], generator(), num_pairs=99)[0]) == 15
    assert len(dvf.correspondences(d1, d1, 0 * salient, salient, generator())[0]) == 0


def test_patch_numbers_become_the_pixels_in_the_middle():
    centers = dvf.patch_centers(torch.tensor([0, 8, 10]), (7, 9), patch_size=8, stride=4)
    assert centers.tolist() == [[4, 4], [4, 36], [8, 8]]


# Clusters


def blobs(k=4, each=25, spread=0.05):
    centers = torch.eye(k, 6, dtype=torch.float64)
    return F.normalize(centers.repeat_interleave(each, 0) + spread * normal(k * each, 6), dim=1)


def test_kmeans_agrees_with_scikit_learn():
    from sklearn.cluster import KMeans

    x = normal(60, 3)
    centers, mean = dvf.kmeans(x, 5, generator())
    theirs = KMeans(5, n_init=30, random_state=0).fit(x.numpy())
    assert mean.item() == pytest.approx(theirs.inertia_ / 60, rel=2e-2)
    labels, distance = dvf.nearest(x, centers)
    torch.testing.assert_close(distance, (x - centers[labels]).square().sum(1))
    for label in range(5):
        torch.testing.assert_close(centers[label], x[labels == label].mean(0))


def test_clusters_depend_on_the_generator_alone_and_cannot_outnumber_points():
    x = normal(40, 3)
    torch.testing.assert_close(dvf.kmeans(x, 4, generator(3), 1), dvf.kmeans(x, 4, generator(3), 1))
    assert not torch.equal(dvf.kmeans(x, 4, generator(3), 1)[0], dvf.kmeans(x, 4, generator(4), 1)[0])
    assert dvf.kmeans(torch.ones(6, 2), 3, generator())[1] == 0
    with pytest.raises(ValueError, match="ask for 1 to 40"):
        dvf.kmeans(x, 41, generator())


def test_seeds_lie_apart():
    """Four far blobs are hit by four seeds nearly always; by rows drawn alike one time in ten."""
    hits = [len({int(row[:4].argmax()) for row in dvf.seeds(blobs(), 4, generator(s))}) for s in range(30)]
    assert sum(h == 4 for h in hits) > 24


def test_the_elbow_lies_where_one_more_cluster_hardly_helps():
    labels, k = dvf.elbow_clusters(blobs(3, 30, 0.2), generator(), elbow=0.8)
    assert k == 4
    assert dvf.elbow_clusters(blobs(3, 30, 0.2), generator(), elbow=0.8, sample_interval=3)[1] == 4
    assert labels.max() == 3
    assert dvf.elbow_clusters(normal(50, 4), generator(), elbow=1.1, most=6)[1] == 6


def test_a_cluster_is_kept_when_enough_images_find_it_salient():
    labels = torch.tensor([[0, 0, 1, 1]] * 4)
    salient = torch.tensor([[0.9, 0.1, 0.2, 0.2]] * 3 + [[0.0, 0.2, 0.9, 0.9]])
    votes, kept = dvf.salient_clusters(labels, salient, 3, thresh=0.4, votes_percentage=75)
    assert votes.tolist() == [3, 1, 0]
    assert kept.tolist() == [True, False, False]
    assert not dvf.salient_clusters(labels, salient, 3, thresh=0.4, votes_percentage=76)[1].any()
    with pytest.raises(ValueError, match="same grid"):
        dvf.salient_clusters(labels, salient[:, :3], 2)


def test_what_is_salient_in_all_images_is_their_common_object():
    """Patches of kinds 0 and 1 are salient everywhere, kind 2 in one image, kind 3 nowhere."""
    kinds = torch.arange(4).repeat_interleave(25)
    x, order = blobs(spread=0.02), torch.stack([torch.randperm(100, generator=generator(s)) for s in range(4)])
    salient = (kinds[order] < 2).double()
    salient[0] = (kinds[order[0]] < 3).double()
    mask, labels = dvf.cosegment(5 * x[order], salient, generator(), elbow=0.5, thresh=0.5)
    assert torch.equal(mask, kinds[order] < 2)
    assert all(len(labels[kinds[order] == kind].unique()) <= 2 for kind in range(4))


# Components


@pytest.mark.parametrize("sizes", [(40, 30), (5, 4)])
def test_components_are_scikit_learns_up_to_the_sign(sizes):
    from sklearn.decomposition import PCA

    parts = [normal(n, 10, seed=n) + 3 for n in sizes]
    ours = torch.cat(dvf.descriptor_pca(parts, 4))
    theirs = torch.from_numpy(PCA(4, svd_solver="full").fit_transform(torch.cat(parts).numpy()))
    torch.testing.assert_close(ours.abs(), theirs.abs())


def test_components_are_ordered_joint_and_keep_the_dtype():
    first, second = dvf.descriptor_pca([normal(9, 6).float(), normal(7, 6, seed=1).float() + 2], 3)
    assert (first.shape, second.shape, first.dtype) == ((9, 3), (7, 3), torch.float32)
    both = torch.cat([first, second])
    assert (both.var(0).diff() < 0).all()
    assert both.mean(0).abs().max() < 1e-6
    assert first.mean(0).abs().max() > 0.5


def test_colours_are_the_last_three_components_each_from_0_to_1():
    projected = normal(9, 5)
    colours = dvf.to_rgb(projected)
    assert colours.amin(0).tolist() == [0, 0, 0]
    assert colours.amax(0).tolist() == [1, 1, 1]
    assert torch.equal(colours.argsort(0), projected[:, 2:].argsort(0))


def test_more_components_than_there_are_and_fewer_than_colours_are_refused():
    with pytest.raises(ValueError, match="1 to 5"):
        dvf.descriptor_pca([normal(5, 8)], 6)
    with pytest.raises(ValueError, match="takes 3"):
        dvf.to_rgb(normal(5, 2))


# All


def test_pure_functions_compile_as_one_graph():
    attn = normal(2, 6, 10, 10).softmax(-1)
    for work, given in (
        (dvf.log_bin, (normal(1, 2, 20, 3), (4, 5))), (dvf.saliency, (attn,)),
        (dvf.best_buddies, (normal(9, 4), normal(8, 4, seed=1), normal(9) > 0, normal(8) > 0)),
    ):
        compiled = torch.compile(work, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(*given), work(*given))


def test_the_small_network_gives_descriptors_at_its_layers():
    c = dvf.TINY
    vit = dvf.build(c).eval()
    with torch.no_grad():
        for layer in (c.match_layer, c.part_layer):
            assert dvf.dense_descriptors(vit, torch.rand(1, 3, 64, 64), layer, stride=c.stride).shape == (1, 1, 225, 192)
        assert dvf.saliency(dvf.attention_of(vit, torch.rand(1, 3, 64, 64), c.saliency_layer), c.saliency_heads).shape == (1, 64)
