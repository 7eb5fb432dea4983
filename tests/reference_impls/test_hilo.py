"""HiLo against its authors' numbers, then against what the paper says."""

import pytest
import torch
from torch import nn

from reference_impls import hilo, vit
from tests.reference_impls.golden import cases


def layer(**changes) -> hilo.HiLo:
    """A small float64 layer: 4 heads of width 4, windows of 2, half the heads each."""
    torch.manual_seed(0)
    sizes = {"dim": 16, "num_heads": 4, "window_size": 2, "alpha": 0.5} | changes
    return hilo.HiLo(**sizes).double()


def tokens(H: int = 4, W: int = 6, C: int = 16, B: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(B, H * W, C, dtype=torch.float64, generator=generator)


def as_windows(x: torch.Tensor, H: int, W: int, s: int) -> torch.Tensor:
    """Tokens (B, N, C) by window, written as slices: (B, M, s*s, C)."""
    maps = x.reshape(len(x), H, W, -1)
    cut = [maps[:, i:i + s, j:j + s].flatten(1, 2) for i in range(0, H, s) for j in range(0, W, s)]
    return torch.stack(cut, dim=1)


@pytest.mark.parametrize("case", cases("hilo", function="HiLo"), ids=str)
@pytest.mark.parametrize("attention", ["fused", "explicit"])
def test_output_and_flops_equal_upstream(case, attention):
    sizes = dict(case.params)
    H, W = sizes.pop("H"), sizes.pop("W")
    layer = case.load(hilo.HiLo(**sizes))
    y = layer(case["x"], H, W, need_weights=attention == "explicit")
    case.check(y=y if attention == "fused" else y[0], flops=layer.flops(H, W))


def test_alpha_zero_builds_no_low_branch_and_alpha_one_no_high():
    only_high, only_low = layer(alpha=0.0), layer(alpha=1.0)
    assert not any(name.startswith("l_") for name in only_high.state_dict())
    assert not any(name.startswith("h_") for name in only_low.state_dict())
    assert only_high(tokens(), 4, 6, need_weights=True)[1].low is None
    assert only_low(tokens(), 4, 6, need_weights=True)[1].high is None


@pytest.mark.parametrize(("heads", "alpha", "low"), [(3, 0.9, 2), (12, 0.9, 10), (4, 0.5, 2), (24, 0.9, 21)])
def test_the_low_share_of_the_heads_is_rounded_down(heads, alpha, low):
    built = hilo.HiLo(dim=4 * heads, num_heads=heads, alpha=alpha)
    assert (built.l_heads, built.h_heads) == (low, heads - low)


def test_window_attention_never_mixes_windows():
    """Change one window: with Hi-Fi alone, every other window's output stays, its own moves."""
    high, x = layer(alpha=0.0), tokens()
    changed = x.clone()
    changed[:, [2, 3, 8, 9]] += 1.0                            # window in row 0, column 1 of a 4 x 6 map
    moved = (high(changed, 4, 6) - high(x, 4, 6)).abs().amax(dim=(0, 2)) > 1e-12
    assert moved.nonzero().flatten().tolist() == [2, 3, 8, 9]


def test_window_attention_is_plain_attention_of_each_window_cut_out():
    high, x = layer(alpha=0.0), tokens()
    alone = torch.stack([high(w, 2, 2) for w in as_windows(x, 4, 6, 2).unbind(1)], dim=1)
    torch.testing.assert_close(as_windows(high(x, 4, 6), 4, 6, 2), alone)


def test_low_frequency_keys_come_from_the_pooled_map():
    """Noise that every window averages away changes the queries, never keys or values."""
    low, x = layer(alpha=1.0), tokens()
    noise = torch.randn(2, 16, 2, 3, dtype=torch.float64).repeat_interleave(2, 2).repeat_interleave(2, 3)
    sign = torch.tensor([[1.0, -1.0], [-1.0, 1.0]], dtype=torch.float64).repeat(2, 3)
    noisy = x + (noise * sign).flatten(2).transpose(1, 2)
    maps, noisy_maps = x.reshape(2, 4, 6, 16), noisy.reshape(2, 4, 6, 16)
    torch.testing.assert_close(low.pool(noisy_maps), low.pool(maps))
    torch.testing.assert_close(low.pool(maps), as_windows(x, 4, 6, 2).mean(dim=2))
    seen = low(x, 4, 6, need_weights=True)[1].low
    assert seen.shape == (2, 4, 24, 6)
    nn.init.zeros_(low.l_q.weight)                             # equal queries: only keys and values are left
    torch.testing.assert_close(low(noisy, 4, 6), low(x, 4, 6))


def test_the_low_branch_sees_the_whole_image():
    low, x = layer(alpha=1.0), tokens()
    changed = x.clone()
    changed[:, -1] += 1.0
    assert ((low(changed, 4, 6) - low(x, 4, 6)).abs().amax(dim=(0, 2)) > 1e-9).all()


def test_windows_of_one_pixel_are_plain_attention():
    """s = 1 sends every head to Lo-Fi whatever alpha is, and pooling does nothing."""
    ours, x = layer(window_size=1, alpha=0.3), tokens()
    assert ours.h_heads == 0
    plain = nn.MultiheadAttention(16, 4, batch_first=True, dtype=torch.float64)
    plain.load_state_dict({
        "in_proj_weight": torch.cat([ours.l_q.weight, ours.l_kv.weight]), "in_proj_bias": torch.zeros(48).double(),
        "out_proj.weight": ours.l_proj.weight, "out_proj.bias": ours.l_proj.bias,
    })
    expected, weights = plain(x, x, x, average_attn_weights=False)
    out, seen = ours(x, 4, 6, need_weights=True)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(seen.low, weights)


@pytest.mark.parametrize("bias", [True, False])
def test_a_plain_layers_heads_keep_their_order_and_their_answers(bias):
    """With windows of one pixel nothing changes; with larger ones each branch gets its own heads."""
    torch.manual_seed(2)
    plain = vit.Attention(16, 4, qkv_bias=bias).double()
    x = tokens()
    nn.init.eye_(plain.proj.weight), nn.init.zeros_(plain.proj.bias)
    expected, weights = plain(x, need_weights=True)
    same = hilo.from_plain(plain.qkv, 4, window_size=1)
    out, seen = same(x, 4, 6, need_weights=True)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(seen.low, weights)
    high, low = (hilo.from_plain(plain.qkv, 4, 2, alpha)(x, 4, 6) for alpha in (0.0, 1.0))
    both = hilo.from_plain(plain.qkv, 4, 2, 0.5)(x, 4, 6)
    torch.testing.assert_close(both, torch.cat([high[..., :8], low[..., 8:]], dim=-1))


def test_a_plain_layers_heads_in_one_window_see_what_they_saw():
    """A map of one window: there Hi-Fi is the plain layer itself."""
    torch.manual_seed(2)
    plain, x = vit.Attention(16, 4).double(), tokens(2, 2)
    nn.init.eye_(plain.proj.weight), nn.init.zeros_(plain.proj.bias)
    torch.testing.assert_close(hilo.from_plain(plain.qkv, 4, 2, 0.0)(x, 2, 2), plain(x)[0])


def test_high_frequency_channels_come_first():
    both, x = layer(), tokens()
    nn.init.zeros_(both.h_proj.weight), nn.init.constant_(both.h_proj.bias, 7.0)
    out = both(x, 4, 6)
    assert (out[..., :8] == 7.0).all()
    assert (out[..., 8:] != 7.0).all()


def test_weights_of_both_branches_are_distributions_and_do_not_change_the_output():
    both, x = layer(), tokens()
    out, weights = both(x, 4, 6, need_weights=True)
    assert weights.high.shape == (2, 6, 2, 4, 4)
    assert weights.low.shape == (2, 2, 24, 6)
    for rows in weights:
        torch.testing.assert_close(rows.sum(-1), torch.ones_like(rows[..., 0]))
    with torch.no_grad():
        torch.testing.assert_close(both(x, 4, 6), out, rtol=0, atol=1e-6)


def test_pairs_shrink_with_the_window_as_the_paper_counts_them():
    """At s = 2 and alpha = 1 each query meets a quarter of the keys; the rest is linear in the map."""
    def pairs(s: int, alpha: float, side: int) -> int:
        built = hilo.HiLo(dim=64, num_heads=4, window_size=s, alpha=alpha)
        return built.flops(2 * side, 2 * side) - 4 * built.flops(side, side)
    full, low, high = pairs(1, 1.0, 8), pairs(2, 1.0, 8), pairs(2, 0.0, 8)
    assert full == 4 * low                                     # what is left is the quadratic part alone
    assert high == 0                                           # windows: linear in the number of pixels


def test_flops_round_sides_up_to_whole_windows():
    assert layer().flops(3, 5) == layer().flops(4, 6)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_every_parameter_gets_a_gradient_and_one_step_lowers_the_loss(alpha):
    model, x, target = layer(alpha=alpha, qkv_bias=True), tokens(), tokens()[:, :, :16].flip(1)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    before = (model(x, 4, 6) - target).square().mean()
    before.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    sgd.step()
    assert (model(x, 4, 6) - target).square().mean() < before


def test_the_same_seed_builds_the_same_layer():
    torch.testing.assert_close(layer()(tokens(), 4, 6), layer()(tokens(), 4, 6), rtol=0, atol=0)


def test_dtype_is_kept_and_autocast_runs():
    assert layer()(tokens(), 4, 6).dtype == torch.float64
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer().float()(tokens().float(), 4, 6).isfinite().all()


@pytest.mark.parametrize("need_weights", [False, True])
def test_it_compiles_to_one_graph(need_weights):
    model, x = layer(), tokens()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x, 4, 6, need_weights), model(x, 4, 6, need_weights))


def test_a_config_builds_the_layer():
    c = hilo.TINY
    built = hilo.HiLo(c.dim, c.num_heads, c.window_size, c.alpha, c.qkv_bias)
    assert built(torch.randn(1, c.height * c.width, c.dim), c.height, c.width).shape == (1, 64, 32)


def test_wrong_calls_name_the_remedy():
    with pytest.raises(ValueError, match="pad it to a multiple"):
        layer()(tokens(3, 6), 3, 6)
    with pytest.raises(ValueError, match="pad it to a multiple"):
        layer()(tokens(4, 5), 4, 5)
    with pytest.raises(ValueError, match="class token"):
        layer()(tokens(5, 5), 4, 6)
    with pytest.raises(ValueError, match="multiple of num_heads"):
        layer(dim=18)
    with pytest.raises(ValueError, match="from 0 to 1"):
        layer(alpha=1.5)
    with pytest.raises(ValueError, match="use 1 or more"):
        layer(window_size=0)
