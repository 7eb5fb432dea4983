"""Registers against official tokens and timm's, then against what the paper says."""

from dataclasses import replace

import pytest
import torch

from reference_impls import dinov2, registers
from reference_impls.dinov2 import DinoVisionTransformer
from reference_impls.registers import RegisterViT
from tests.reference_impls.golden import cases


def arrangement(case):
    """Which tokens have a row in the stored position table."""
    p = case.params
    rows = case.arrays["w.pos_embed"].shape[1] - (p["img_size"] // p["patch_size"]) ** 2
    return {0: "patches", 1: "class and patches"}.get(rows, "all")


@pytest.mark.parametrize("case", cases("registers", function="RegisterViT"), ids=str)
def test_tokens_equal_upstream(case):
    names = ("img_size", "patch_size", "embed_dim", "depth", "num_heads", "mlp_ratio", "num_registers", "init_values")
    model = case.load(RegisterViT(**{name: case.params[name] for name in names}, places=arrangement(case)))
    if "0.1" in str(case.params.get("interpolate")):  # as DINOv2's models without registers
        model.interpolation = "dino"
    with torch.no_grad():
        prenorm = model.embed(case["x"])
        for block in model.blocks:
            prenorm = block(prenorm)
        tokens = model.forward_features(case["x"])
    R = case.params["num_registers"]
    ours = {"tokens": tokens, "prenorm": prenorm, "cls": tokens[:, 0], "reg": tokens[:, 1 : 1 + R],
            "patch": tokens[:, model.num_prefix :]}
    case.check(**{name: ours[name] for name in case.card["outputs"]})


@pytest.mark.parametrize("case", cases("registers", function="outlier_tokens"), ids=str)
def test_outliers_and_neighbours_equal_the_stored(case):
    norms, mask, fraction = registers.outlier_tokens(case["tokens"], case.params["cutoff"])
    ours = {"norms": norms, "mask": mask, "fraction": fraction,
            "neighbor_cosine": registers.neighbor_cosine(case["tokens"], case.params["grid"])}
    case.check(**{name: ours[name] for name in case.card["outputs"]})


SMALL = {"img_size": 28, "patch_size": 7, "embed_dim": 12, "depth": 2, "num_heads": 2, "init_values": 0.5}


def small(seed=0, **other):
    """A network whose registers, mask token and positions are all far from zero."""
    torch.manual_seed(seed)
    model = RegisterViT(**SMALL | other).eval()
    for parameter in (model.register_tokens, model.mask_token, model.pos_embed, model.cls_token):
        torch.nn.init.normal_(parameter)
    return model


def images(seed=0, side=28):
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("extra", [{}, {"no_embed_class": False}], ids=["patches", "all"])
@pytest.mark.parametrize("side", [28, 42])
def test_timm_gives_the_same_tokens_with_the_same_weights(extra, side):
    import timm

    torch.manual_seed(0)
    theirs = timm.create_model(
        "vit_small_patch14_reg4_dinov2", img_size=28, patch_size=7, embed_dim=12, depth=2, num_heads=2, num_classes=0,
        init_values=0.5, dynamic_img_size=True, **extra,
    ).eval()
    for parameter in (theirs.reg_token, theirs.pos_embed, theirs.cls_token):
        torch.nn.init.normal_(parameter)
    ours = RegisterViT(**SMALL, places="all" if extra else "patches").eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    torch.testing.assert_close(ours.forward_features(images(side=side)), theirs.forward_features(images(side=side)), rtol=1e-4, atol=1e-5)
    assert ours.num_prefix == theirs.num_prefix_tokens


def test_official_and_timms_arrangement_are_one_function():
    """The class token's place can be added to the class token: that is how timm converts the files."""
    official, timms = small(), small(places="patches")
    state = official.state_dict()
    state["cls_token"] = state["cls_token"] + state["pos_embed"][:, :1]
    state["pos_embed"] = state["pos_embed"][:, 1:]
    timms.load_state_dict(state)
    torch.testing.assert_close(timms(images()), official(images()))


def test_registers_change_neither_patches_nor_the_class_token_before_the_first_layer():
    model = small()
    plain = DinoVisionTransformer(**SMALL)
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if k != "register_tokens"})
    plain.interpolation = model.interpolation
    for side in (28, 42):
        with_registers, without = model.embed(images(side=side)), plain.embed(images(side=side))
        torch.testing.assert_close(with_registers[:, 0], without[:, 0])
        torch.testing.assert_close(with_registers[:, model.num_prefix :], without[:, 1:])
    assert not torch.allclose(model(images()), plain(images()))


def test_a_register_has_no_place_and_sees_no_image_before_the_first_layer():
    model = small()
    first = model.embed(images())[:, 1:5]
    torch.testing.assert_close(first, model.register_tokens.expand(2, -1, -1))
    model.pos_embed.data.add_(1)
    torch.testing.assert_close(model.embed(images(1))[:, 1:5], first)


def test_the_order_of_registers_does_not_matter():
    """Without positions they are a set."""
    model = small()
    before = model.forward_features(images())
    model.register_tokens.data = model.register_tokens.data[:, [2, 0, 3, 1]]
    after = model.forward_features(images())
    torch.testing.assert_close(after[:, 0], before[:, 0])
    torch.testing.assert_close(after[:, 5:], before[:, 5:])
    torch.testing.assert_close(after[:, 1:5], before[:, [3, 1, 4, 2]])


@pytest.mark.parametrize("R", [1, 4, 8])
def test_patch_tokens_start_behind_the_class_token_and_registers(R):
    model = small(num_registers=R)
    assert model.num_prefix == 1 + R
    assert model.forward_features(images(side=42)).shape == (2, 1 + R + 36, 12)
    assert registers.features(registers.build(replace(TINY, num_registers=R)), images(side=32)).shape == (2, 16, 12)
    changed = images()
    changed[..., -7:, -7:] += 1
    difference = (model.embed(changed) - model.embed(images())).abs().sum(-1)
    assert difference[0].nonzero().flatten().tolist() == [R + 16]


def test_attention_runs_between_all_tokens_and_the_patches_part_excludes_registers():
    model = small()
    maps = model.get_attention(images())
    assert [m.shape for m in maps] == 2 * [(2, 2, 21, 21)]
    torch.testing.assert_close(maps[1].sum(-1), torch.ones(2, 2, 21))
    assert maps[1][:, :, 0, model.num_prefix :].shape[-1] == 16


def test_a_file_without_a_mask_token_leaves_the_networks_own_and_other_gaps_are_refused():
    model, state = small(1), small(2).state_dict()
    kept = model.mask_token.clone()
    model.load_state_dict({k: v for k, v in state.items() if k != "mask_token"}, strict=True)
    assert torch.equal(model.mask_token, kept)
    model.load_state_dict(state, strict=True)
    assert torch.equal(model.mask_token, state["mask_token"])
    with pytest.raises(RuntimeError, match="register_tokens"):
        model.load_state_dict({k: v for k, v in state.items() if k != "register_tokens"})


def test_no_register_is_refused():
    with pytest.raises(ValueError, match="0 registers"):
        RegisterViT(**SMALL, num_registers=0)


# Outliers


def test_outliers_are_the_tokens_above_the_cutoff_and_their_share_is_of_all():
    tokens = torch.tensor([[[3.0, 4.0], [0.0, 6.0]], [[5.1, 0.0], [0.1, 0.0]]], dtype=torch.float64)
    norms, mask, fraction = registers.outlier_tokens(tokens, 5.0)
    torch.testing.assert_close(norms, torch.tensor([[5.0, 6.0], [5.1, 0.1]], dtype=torch.float64))
    assert mask.tolist() == [[False, True], [True, False]]
    assert fraction == 0.5
    assert fraction.dtype == torch.float64


def test_patches_of_one_colour_resemble_their_neighbours_and_an_odd_one_out_does_not():
    tokens = torch.zeros(1, 12, 2, dtype=torch.float64)
    tokens[..., 0] = torch.linspace(1, 9, 12, dtype=torch.float64)
    tokens[0, 5] = torch.tensor([0.0, 2.0])
    cosine = registers.neighbor_cosine(tokens, (3, 4)).view(3, 4)
    expected = torch.tensor([[1, 2 / 3, 1, 1], [2 / 3, 0, 3 / 4, 1], [1, 2 / 3, 1, 1]], dtype=torch.float64)
    torch.testing.assert_close(cosine, expected)


def test_tokens_that_do_not_fill_the_grid_are_refused():
    with pytest.raises(ValueError, match="drop the class token"):
        registers.neighbor_cosine(torch.rand(1, 17, 4), (4, 4))
    with pytest.raises(ValueError, match=r"\(B, N, D\)"):
        registers.outlier_tokens(torch.rand(16, 4))


def test_the_analysis_compiles_as_one_graph():
    tokens = torch.randn(2, 6, 4, dtype=torch.float64)
    for work, argument in ((registers.outlier_tokens, 2.0), (registers.neighbor_cosine, (2, 3))):
        compiled = torch.compile(work, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(tokens, argument), work(tokens, argument))


# Training

TINY = replace(
    registers.TINY, out_dim=24, hidden=16, bottleneck=8, n_local=1, img_size=32, patch_size=8, width=12, depth=2, heads=2,
)


def test_dinov2_trains_with_registers_and_they_learn():
    torch.manual_seed(0)
    model = registers.build(TINY)
    student, teacher = (net.backbone.register_tokens for net in (model.student, model.teacher))
    before = student.detach().clone()
    batch = registers.views(torch.rand(4, 3, 32, 32), torch.Generator().manual_seed(0), 1)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    loss, _ = registers.training_step(model, batch, 9, 10)
    loss.backward(), optimiser.step()
    assert not torch.equal(student, before)
    assert torch.equal(teacher, before)
    registers.after_step(model, 5, 10)
    assert not torch.equal(teacher, before)


def test_a_hidden_patch_is_a_patch_and_never_a_register():
    model = small()
    masks = torch.zeros(2, 16, dtype=torch.bool)
    masks[0, 0] = masks[1, 15] = True
    tokens, plain = model.embed(images(), masks), model.embed(images())
    moved = (tokens != plain).any(-1)
    assert moved.nonzero().tolist() == [[0, 5], [1, 20]]
    torch.testing.assert_close(tokens[0, 5], model.mask_token[0] + model.pos_embed[0, 1])


def test_configuration_is_dinov2s_with_registers():
    assert registers.Config().num_registers == registers.TINY.num_registers == 4
    assert replace(registers.TINY, width=1) == replace(registers.Config(**vars(dinov2.TINY)), width=1)
