"""ViT against its authors' numbers and timm's, then against what the paper says."""

import pytest
import torch
from timm.layers import resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from reference_impls import vit
from tests.reference_impls.golden import cases

SMALL = {"img_size": 32, "patch_size": 8, "dim": 48, "depth": 2, "heads": 3, "mlp_ratio": 2.0, "num_classes": 5}


def small_vit(**changes) -> vit.ViT:
    """A small network with every weight alive, the head's too (it starts at zero)."""
    torch.manual_seed(0)
    model = vit.ViT(**(SMALL | changes))
    for p in model.parameters():
        nn.init.normal_(p, std=0.2)
    return model


def images(height: int = 32, width: int = 32, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(1))


# The authors' numbers


def from_case(case) -> vit.ViT:
    c = case.params
    mean = c.get("classifier") == "gap" or c.get("global_pool") == "avg"
    return case.load(vit.ViT(
        c["img_size"], c["patch_size"], c["embed_dim"], c["depth"], c["num_heads"],
        # Half a unit more, for the width is the whole part of dim times ratio.
        mlp_ratio=(c["mlp_dim"] + 0.5) / c["embed_dim"] if "mlp_dim" in c else c["mlp_ratio"],
        num_classes=c["num_classes"] or 0, pool="gap" if mean else "cls", gelu=c.get("gelu", "erf"),
        class_token=c.get("class_token"),
    ))


@pytest.mark.parametrize("case", cases("vit", function="ViT"), ids=str)
@pytest.mark.parametrize("attention", ["fused", "explicit"])
def test_logits_and_tokens_equal_upstream(case, attention):
    model = from_case(case)
    if attention == "explicit":
        for block in model.blocks:
            block.forward = lambda x, block=block: block.attend(x)[0]
    ours = {"logits": model(case["x"]), "tokens": model.forward_features(case["x"])}
    case.check(**{name: ours[name] for name in case.card["outputs"]})


@pytest.mark.parametrize("case", cases("vit", function="learned_2d_pos_embed"), ids=str)
def test_learned_2d_positions_equal_the_papers_rule(case):
    case.check(pos_embed=vit.learned_2d_pos_embed(case["x_table"], case["y_table"]))


@pytest.mark.parametrize("case", cases("vit", function="sincos_2d_pos_embed"), ids=str)
def test_sin_cos_positions_equal_upstream(case):
    c = case.params
    case.check(pos_embed=vit.sincos_2d_pos_embed(c["h"], c["w"], c["D"], c["temperature"]))


@pytest.mark.parametrize("case", cases("vit", function="interpolate_pos_embed"), ids=str)
def test_interpolated_positions_equal_each_projects_own(case):
    c = case.params
    new = c.get("new_grid") or (c["image_h"] // c["patch"], c["image_w"] // c["patch"])
    new_hw = (new, new) if isinstance(new, int) else new
    old_hw = (c["old_grid"],) * 2 if isinstance(c["old_grid"], int) else tuple(c["old_grid"])
    given = (case["pos_embed"], new_hw, c.get("num_prefix", 1))
    case.check(**{mode: vit.interpolate_pos_embed(*given, mode, old_hw) for mode in case.card["outputs"]})


@pytest.mark.parametrize("case", cases("vit", function="mean_attention_distance"), ids=str)
def test_attention_distance_equals_upstream(case):
    c = case.params
    args = (case["attn"], tuple(c["grid"]), c["patch_size"], c["num_prefix"])
    case.check(distance=vit.mean_attention_distance(*args),
               distance_renormalized=vit.mean_attention_distance(*args, renormalize=True))


@pytest.mark.parametrize("case", cases("vit", function="pos_embed_similarity"), ids=str)
def test_position_similarity_equals_two_computations(case):
    case.check(similarity=vit.pos_embed_similarity(case["pos_embed"], tuple(case.params["grid"]), case.params["num_prefix"]))


@pytest.mark.parametrize("case", cases("vit", function="patch_embed_pca"), ids=str)
def test_filter_components_equal_scikit_learns(case):
    components, ratio = vit.patch_embed_pca(case["weight"], case.params["k"])
    case.check(components=components, explained_variance_ratio=ratio)


# timm as a second witness


@pytest.mark.parametrize(("pool", "class_token"), [("cls", True), ("gap", False), ("gap", True)])
@pytest.mark.parametrize("size", [(32, 32), (48, 40)], ids=["trained grid", "larger and not square"])
def test_timms_network_loads_strictly_and_gives_the_same_output(pool, class_token, size):
    torch.manual_seed(2)
    options = {} if pool == "cls" else {"class_token": class_token, "global_pool": "avg", "fc_norm": False}
    theirs = VisionTransformer(
        img_size=32, patch_size=8, embed_dim=48, depth=2, num_heads=3, mlp_ratio=2.0, num_classes=5, dynamic_img_size=True, **options,
    ).eval()
    for p in theirs.parameters():
        nn.init.normal_(p, std=0.2)
    ours = vit.ViT(**SMALL, pool=pool, class_token=class_token).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = images(*size)
    torch.testing.assert_close(ours.forward_features(x), theirs.forward_features(x), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-5)
    assert list(ours.state_dict()) == list(theirs.state_dict())


@pytest.mark.parametrize("new_hw", [(7, 7), (3, 5), (6, 2)])
def test_interpolation_to_any_grid_equals_timms(new_hw):
    table = torch.randn(1, 17, 8)
    theirs = resample_abs_pos_embed(table, list(new_hw), num_prefix_tokens=1)
    torch.testing.assert_close(vit.interpolate_pos_embed(table, new_hw), theirs)


# Patches


def test_a_token_is_the_flattened_patch_times_one_matrix():
    embed, x = vit.PatchEmbed(8, 48).double(), images(16, 24).double()
    E, bias = embed.proj.weight.flatten(1).T, embed.proj.bias
    patches = torch.stack([x[:, :, i:i + 8, j:j + 8].flatten(1) for i in (0, 8) for j in (0, 8, 16)], dim=1)
    torch.testing.assert_close(embed(x), patches @ E + bias)


def shuffle_patches(x: torch.Tensor, order: torch.Tensor, P: int = 8) -> torch.Tensor:
    """The picture with patch order[n] at place n."""
    g = x.shape[-1] // P
    patches = x.unflatten(3, (g, P)).unflatten(2, (g, P)).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)[:, order]
    return patches.unflatten(1, (g, g)).permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


def test_a_shuffled_image_with_shuffled_positions_gives_shuffled_tokens():
    """The network knows of the plane through its position embeddings alone."""
    model, x, order = small_vit().double(), images().double(), torch.randperm(16)
    tokens = model.forward_features(x)
    model.pos_embed.data[:, 1:] = model.pos_embed.data[:, 1:][:, order]
    shuffled = model.forward_features(shuffle_patches(x, order))
    torch.testing.assert_close(shuffled[:, 1:], tokens[:, 1:][:, order])
    torch.testing.assert_close(shuffled[:, 0], tokens[:, 0])


def test_without_positions_a_shuffled_image_is_the_same_bag_of_patches():
    x, order = images().double(), torch.randperm(16)
    for pool in ("cls", "gap"):
        bag = small_vit(pos="none", pool=pool).double()
        torch.testing.assert_close(bag(shuffle_patches(x, order)), bag(x))
    ordered = small_vit().double()
    assert not torch.allclose(ordered(shuffle_patches(x, order)), ordered(x), atol=1e-3)


# Attention


def test_attention_is_pytorchs_multi_head_attention():
    ours, x = vit.Attention(48, 3).double(), torch.randn(2, 7, 48).double()
    theirs = nn.MultiheadAttention(48, 3, batch_first=True, dtype=torch.float64)
    theirs.load_state_dict({
        "in_proj_weight": ours.qkv.weight, "in_proj_bias": ours.qkv.bias,
        "out_proj.weight": ours.proj.weight, "out_proj.bias": ours.proj.bias,
    })
    expected = theirs(x, x, x, average_attn_weights=False)
    torch.testing.assert_close(ours(x, need_weights=True), expected)


def test_every_path_through_attention_gives_the_same_tokens():
    attention, x = vit.Attention(48, 3), torch.randn(2, 9, 48)
    with_weights, weights = attention(x, need_weights=True)
    with torch.no_grad():
        fused, none = attention(x)
    torch.testing.assert_close(fused, with_weights, rtol=0, atol=1e-6)
    torch.testing.assert_close(attention(x)[0], with_weights, rtol=0, atol=1e-6)
    assert none is None
    assert weights.shape == (2, 3, 9, 9)


@pytest.mark.parametrize(("pool", "prefix"), [("cls", 1), ("gap", 0)])
def test_attention_rows_sum_to_one_in_every_layer(pool, prefix):
    model = small_vit(pool=pool)
    maps = model.get_attention(images())
    assert (len(maps), model.num_prefix, model.patch_size) == (2, prefix, 8)
    for weights in maps:
        assert weights.shape == (2, 3, 16 + prefix, 16 + prefix)
        torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))


def test_reading_the_attention_does_not_change_the_tokens():
    block, x = vit.Block(48, 3), torch.randn(2, 9, 48)
    with torch.no_grad():
        torch.testing.assert_close(block.attend(x)[0], block(x), rtol=0, atol=1e-6)


def test_a_block_whose_branches_end_in_zero_is_the_identity():
    """Pre-norm: what is not added by a branch passes through untouched."""
    block, x = vit.Block(48, 3), torch.randn(2, 9, 48)
    for layer in (block.attn.proj, block.mlp.fc2):
        nn.init.zeros_(layer.weight), nn.init.zeros_(layer.bias)
    assert torch.equal(block(x), x)


def test_the_two_gelus_are_not_the_same_function():
    exact, tanh = small_vit(), small_vit(gelu="tanh")
    difference = (exact(images()) - tanh(images())).abs().max().item()
    assert 1e-5 < difference < 1e-1


def test_every_layer_norm_has_the_official_epsilon():
    """PyTorch's default is ten times as large; on ordinary inputs that is too little to see."""
    norms = [module for module in small_vit().modules() if isinstance(module, nn.LayerNorm)]
    assert [norm.eps for norm in norms] == [1e-6] * 5


def test_gap_is_the_mean_of_the_normed_tokens():
    model = small_vit(pool="gap")
    tokens = model.forward_features(images())
    torch.testing.assert_close(model(images()), model.head(tokens.mean(1)))
    assert "cls_token" not in model.state_dict()


@pytest.mark.parametrize("pool", ["cls", "gap"])
def test_patch_tokens_are_the_final_tokens_without_what_stands_in_front(pool):
    model = small_vit(pool=pool)
    tokens = vit.patch_tokens(model, images())
    assert tokens.shape == (2, 16, SMALL["dim"])
    assert torch.equal(tokens, model.forward_features(images())[:, -16:])
    assert not tokens.requires_grad


# Positions


@pytest.mark.parametrize("mode", ["bilinear_corners", "bicubic_antialias", "bicubic", "dino"])
def test_interpolation_to_the_same_grid_is_the_identity(mode):
    table = torch.randn(1, 17, 8)
    assert torch.equal(vit.interpolate_pos_embed(table, (4, 4), mode=mode), table)


@pytest.mark.parametrize("mode", ["bilinear_corners", "bicubic_antialias", "bicubic", "dino"])
def test_interpolation_keeps_prefix_rows_and_constants(mode):
    table = torch.full((1, 18, 8), 3.0)
    table[:, :2] = torch.randn(1, 2, 8)
    out = vit.interpolate_pos_embed(table, (5, 6), num_prefix=2, mode=mode)
    assert out.shape == (1, 32, 8)
    assert torch.equal(out[:, :2], table[:, :2])
    torch.testing.assert_close(out[:, 2:], torch.full((1, 30, 8), 3.0))


def test_rows_stay_rows_when_the_grid_is_not_square():
    """Positions that say only their row come back constant along each new row."""
    rows = torch.arange(3.0).repeat_interleave(5).view(1, 15, 1)
    out = vit.interpolate_pos_embed(rows, (6, 5), 0, "bilinear_corners", old_hw=(3, 5)).view(6, 5)
    torch.testing.assert_close(out, torch.linspace(0, 2, 6)[:, None].expand(6, 5))


def test_two_dimensional_positions_share_a_column_and_a_row():
    table = vit.learned_2d_pos_embed(torch.randn(4, 6), torch.randn(3, 6)).view(3, 4, 12)
    assert (table[:, 1, :6] == table[0, 1, :6]).all()
    assert (table[2, :, 6:] == table[2, 0, 6:]).all()


def test_nearby_sin_cos_positions_are_more_alike_than_far_ones():
    similarity = vit.pos_embed_similarity(vit.sincos_2d_pos_embed(8, 8, 64), (8, 8), 0)[0, 0]
    assert similarity[0, 0] > similarity[0, 1] > similarity[0, 2]
    torch.testing.assert_close(similarity, similarity.T)


@pytest.mark.parametrize("pos", ["1d", "2d", "sincos2d", "none"])
def test_every_kind_of_position_runs_on_other_image_sizes(pos):
    model = small_vit(pos=pos)
    for size in ((32, 32), (48, 24)):
        assert model(images(*size)).shape == (2, 5)


@pytest.mark.parametrize("pos", ["2d", "sincos2d"])
def test_positions_for_patches_alone_leave_the_class_token_bare(pos):
    model = small_vit(pos=pos)
    torch.testing.assert_close(model.embed(images())[:, :1], model.cls_token.expand(2, -1, -1))


# Looking inside


def test_attention_to_oneself_has_distance_zero_and_to_the_neighbour_one_patch():
    swap = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    attn = torch.stack([torch.eye(2), swap, torch.full((2, 2), 0.5)])[None]
    assert vit.mean_attention_distance(attn, (1, 2), 16, num_prefix=0).tolist() == [[0.0, 16.0, 8.0]]


def test_renormalised_distance_ignores_what_went_to_the_class_token():
    patches = torch.softmax(torch.randn(1, 2, 4, 4), -1)
    attn = torch.zeros(1, 2, 5, 5)
    attn[..., 1:, 1:], attn[..., 0] = 0.25 * patches, 0.75
    plain = vit.mean_attention_distance(attn, (2, 2), 8)
    whole = vit.mean_attention_distance(attn, (2, 2), 8, renormalize=True)
    torch.testing.assert_close(whole, 4 * plain)
    torch.testing.assert_close(whole, vit.mean_attention_distance(patches, (2, 2), 8, num_prefix=0))


def test_position_similarity_is_a_cosine():
    table = torch.randn(1, 13, 8)
    similarity = vit.pos_embed_similarity(table, (3, 4))
    torch.testing.assert_close(similarity.view(12, 12).diagonal(), torch.ones(12))
    torch.testing.assert_close(similarity, similarity.permute(2, 3, 0, 1))
    torch.testing.assert_close(vit.pos_embed_similarity(5 * table, (3, 4)), similarity)


def test_filter_components_are_orthonormal_and_explain_everything_together():
    components, ratio = vit.patch_embed_pca(torch.randn(40, 3, 2, 2), 12)
    flat = components.flatten(1)
    torch.testing.assert_close(flat @ flat.T, torch.eye(12), rtol=0, atol=1e-5)
    assert ratio.sum().item() == pytest.approx(1, abs=1e-5)
    assert (ratio.diff() <= 0).all()
    assert (flat.gather(1, flat.abs().argmax(1, keepdim=True)) > 0).all()


# Training


def test_a_new_head_starts_at_zero_so_all_classes_are_equally_likely():
    model = vit.ViT(**SMALL)
    assert (model(images()) == 0).all()


@pytest.mark.parametrize("pos", ["1d", "2d"])
def test_every_parameter_gets_a_gradient_and_one_step_lowers_the_loss(pos):
    model, labels = small_vit(pos=pos), torch.tensor([1, 4])
    sgd = torch.optim.SGD(model.parameters(), lr=0.01)
    before = nn.functional.cross_entropy(model(images()), labels)
    before.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    sgd.step()
    assert nn.functional.cross_entropy(model(images()), labels) < before


def test_the_same_seed_builds_and_computes_the_same():
    assert torch.equal(small_vit()(images()), small_vit()(images()))


def test_it_compiles_to_one_graph_on_another_size_too():
    model, x = small_vit(depth=1), images(24, 40)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), model(x))


@pytest.mark.parametrize("pos", ["1d", "2d", "sincos2d", "none"])
def test_dtype_is_kept(pos):
    model, x = small_vit(pos=pos).double(), images(24, 40).double()
    assert model(x).dtype == torch.float64
    assert all(weights.dtype == torch.float64 for weights in model.get_attention(x))


def test_logits_under_autocast_are_close_and_positions_keep_full_precision():
    torch.manual_seed(0)
    model, x = vit.ViT(**SMALL), images(24, 40)
    nn.init.normal_(model.head.weight)
    full, places = model(x), model.positions((3, 5))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(model(x).float(), full, rtol=0.05, atol=0.05)
        torch.testing.assert_close(model.positions((3, 5)), places)
        assert all(weights.isfinite().all() for weights in model.get_attention(x))


def test_the_papers_base_size_has_86_million_parameters():
    with torch.device("meta"):
        c = vit.Config()
        model = vit.ViT(c.img_size, c.patch_size, c.dim, c.depth, c.heads, c.mlp_ratio, c.num_classes)
    assert sum(p.numel() for p in model.parameters()) == 86_567_656


def test_tiny_is_a_network_that_gives_features():
    c = vit.TINY
    model = vit.ViT(c.img_size, c.patch_size, c.dim, c.depth, c.heads, c.mlp_ratio, c.num_classes)
    assert model(images(64, 64)).shape == (2, 192)


def test_wrong_calls_name_the_remedy():
    with pytest.raises(ValueError, match="crop or resize"):
        small_vit()(images(36, 32))
    with pytest.raises(ValueError, match="multiple of the patch size"):
        vit.ViT(img_size=30, patch_size=8)
    with pytest.raises(ValueError, match="heads"):
        vit.Attention(48, 5)
    with pytest.raises(ValueError, match="old_hw"):
        vit.interpolate_pos_embed(torch.ones(1, 16, 8), (4, 4))
    with pytest.raises(ValueError, match="choose from"):
        vit.interpolate_pos_embed(torch.ones(1, 17, 8), (5, 5), mode="nearest")
    with pytest.raises(ValueError, match="choose from"):
        vit.ViT(**SMALL, pos="rope")
    with pytest.raises(ValueError, match="multiple of 4"):
        vit.sincos_2d_pos_embed(2, 2, 10)
    with pytest.raises(ValueError, match="does not fit the grid"):
        vit.mean_attention_distance(torch.ones(1, 1, 5, 5), (3, 3), 8)
    with pytest.raises(ValueError, match="only a ViT"):
        vit.patch_tokens(nn.Identity(), images())
    with pytest.raises(ValueError, match="or fewer"):
        vit.patch_embed_pca(torch.ones(4, 3, 1, 1), 9)


def test_in_bfloat16_a_cpu_trains_by_the_two_products_and_gets_the_kernels_numbers(monkeypatch):
    torch.manual_seed(0)
    attention, x = vit.Attention(48, 3).bfloat16(), torch.randn(2, 17, 48).bfloat16()
    with torch.no_grad():
        kernel, weights = attention(x)
    assert weights is None
    monkeypatch.setattr(vit.F, "scaled_dot_product_attention", None)  # a call would fail
    products, weights = attention(x)
    assert weights is None
    torch.testing.assert_close(products.detach(), kernel, atol=1e-2, rtol=2e-2)
    with torch.no_grad(), pytest.raises(TypeError):
        attention(x)
