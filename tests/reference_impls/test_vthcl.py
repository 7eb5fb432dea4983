"""VTHCL against numbers derived from its formulas, then against what the paper says."""

import math

import pytest
import torch
import torch.nn.functional as F

from reference_impls import vthcl
from tests.reference_impls.golden import cases


@pytest.mark.parametrize("case", cases("vthcl", function="vthcl_loss"), ids=str)
def test_loss_equals_the_derived_numbers(case):
    fast, slow = case.leaf("fast"), case.leaf("slow")
    given = fast, slow, case["bank_slow"], case["bank_fast"], case.params["T"]
    weights = [case[name] for name in case.card["inputs"] if name == "level_weights"]
    loss = vthcl.vthcl_loss(*given, *weights)
    loss.backward()
    ours = {"loss": loss, "per_level": vthcl.per_level(*given), "grad_fast": fast.grad, "grad_slow": slow.grad}
    case.check(**{name: ours[name] for name in case.card["outputs"]})


def levels(L=2, B=4, D=8, K=10, seed=0):
    """fast, slow, bank_slow, bank_fast."""
    generator = torch.Generator().manual_seed(seed)
    return [F.normalize(torch.randn(L, n, D, dtype=torch.float64, generator=generator), dim=2) for n in (B, B, K, K)]


# The loss


def test_each_tempo_looks_for_its_clip_among_the_other_tempos_bank():
    """Two softmaxes per level, the positive in the first column."""
    fast, slow, bank_slow, bank_fast = levels()
    total = 0.0
    for f, s, others_slow, others_fast in zip(fast, slow, bank_slow, bank_fast, strict=True):
        positive = (f * s).sum(dim=1, keepdim=True)
        first = torch.zeros(4, dtype=torch.long)
        total += F.cross_entropy(torch.cat([positive, f @ others_slow.T], dim=1) / 0.07, first)
        total += F.cross_entropy(torch.cat([positive, s @ others_fast.T], dim=1) / 0.07, first)
    torch.testing.assert_close(vthcl.vthcl_loss(fast, slow, bank_slow, bank_fast), total)


def test_tempi_can_be_exchanged_if_their_banks_are():
    fast, slow, bank_slow, bank_fast = levels()
    exchanged = vthcl.vthcl_loss(slow, fast, bank_fast, bank_slow)
    torch.testing.assert_close(exchanged, vthcl.vthcl_loss(fast, slow, bank_slow, bank_fast))
    assert not torch.isclose(vthcl.vthcl_loss(fast, slow, bank_fast, bank_slow), exchanged)


def test_a_level_of_weight_zero_does_not_count_and_none_means_one_each():
    given = levels()
    first = vthcl.vthcl_loss(*[x[:1] for x in given])
    torch.testing.assert_close(vthcl.vthcl_loss(*given, level_weights=(1, 0)), first)
    torch.testing.assert_close(vthcl.vthcl_loss(*given), vthcl.vthcl_loss(*given, level_weights=(1, 1)))


def test_both_tempi_learn_from_both_directions():
    fast, slow, bank_slow, _ = levels()
    fast, slow = fast.requires_grad_(), slow.requires_grad_()
    direction = vthcl.info_nce(fast[0], slow[0], bank_slow[0], 0.07)
    of_fast, of_slow = torch.autograd.grad(direction, (fast, slow))
    assert of_fast[0].abs().sum() > 0
    assert of_slow[0].abs().sum() > 0


def test_agreement_costs_nothing_and_knowing_nothing_the_logarithm_of_all_candidates():
    f = torch.eye(4, 8, dtype=torch.float64)[None]
    others = torch.eye(8, dtype=torch.float64)[None, 4:]
    assert vthcl.vthcl_loss(f, f, others, others) < 1e-4
    one = F.normalize(torch.ones(1, 4, 8, dtype=torch.float64), dim=2)
    blind = vthcl.vthcl_loss(one, one, one[:, :3], one[:, :3])
    torch.testing.assert_close(blind, torch.tensor(2 * math.log(4), dtype=torch.float64))


def test_lengths_of_embeddings_do_not_matter():
    fast, slow, *banks = levels()
    torch.testing.assert_close(vthcl.vthcl_loss(3 * fast, 0.1 * slow, *banks), vthcl.vthcl_loss(fast, slow, *banks))


def test_loss_keeps_the_dtype_compiles_and_bears_half_precision():
    given = levels()
    exact = vthcl.vthcl_loss(*given)
    assert exact.dtype == torch.float64
    compiled = torch.compile(vthcl.vthcl_loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*given), exact)
    with torch.autocast("cpu", torch.bfloat16):
        half = vthcl.vthcl_loss(*[x.bfloat16() for x in given])
    torch.testing.assert_close(half.double(), exact, rtol=0.05, atol=0)


def test_wrong_calls_are_refused():
    given = levels()
    with pytest.raises(ValueError, match="one of each"):
        vthcl.vthcl_loss(given[0], *[x[:1] for x in given[1:]])
    with pytest.raises(ValueError, match="above 0"):
        vthcl.vthcl_loss(*given, T=0)
    with pytest.raises(ValueError, match="one per level"):
        vthcl.vthcl_loss(*given, level_weights=(1, 1, 1))
    with pytest.raises(ValueError, match="fewer"):
        vthcl.negative_rows(torch.arange(4), 10, 7, torch.Generator())
    with pytest.raises(ValueError, match="at least 16 frames"):
        vthcl.clip_views(torch.zeros(1, 3, 15, 32, 32), torch.Generator())


# Two tempi


def clips(B=4, T=18, side=36, seed=0):
    picture = torch.rand(B, 3, side // 4, side // 4, generator=torch.Generator().manual_seed(seed))
    picture = F.interpolate(picture, scale_factor=4, mode="bilinear")
    return torch.stack([picture.roll(t, dims=-1) for t in range(T)], dim=2)


def batch(seed=0, index=None):
    return vthcl.clip_views(clips(), torch.Generator().manual_seed(seed), index)


def test_slow_and_fast_show_the_same_stretch_at_two_rates():
    """The slow view's frames are every other one of the fast view's."""
    b = batch()
    assert b.slow.shape == (4, 3, 4, 32, 32)
    assert b.fast.shape == (4, 3, 8, 32, 32)
    assert torch.equal(b.slow, b.fast[:, :, ::2])


def test_stretches_start_anywhere_and_half_are_mirrored():
    time = torch.arange(18.0).view(1, 1, 18, 1, 1) / 18 + torch.linspace(0, 0.01, 32)
    x = vthcl.clip_views(time.expand(32, 3, 18, 32, 32), torch.Generator().manual_seed(0)).fast
    x = x * vthcl.STD + vthcl.MEAN
    starts = (x[:, 0, 0].mean(dim=(1, 2)) * 18).floor()
    assert starts.unique().tolist() == [0, 1, 2]
    assert 8 < (x.diff(dim=-1).mean(dim=(1, 2, 3, 4)) < 0).sum() < 24


def test_negatives_are_distinct_rows_of_other_instances():
    index = torch.tensor([3, 60, 7, 9])
    b = batch(index=index)
    assert torch.equal(b.rows, index)
    assert len(b.negatives.unique()) == len(b.negatives) == vthcl.TINY.negatives
    assert not torch.isin(b.negatives, index).any()
    all_others = vthcl.negative_rows(index, 64, 60, torch.Generator())
    assert sorted(all_others.tolist() + index.tolist()) == list(range(64))
    assert batch().rows.tolist() == [0, 1, 2, 3]


# Pathways and banks


def small(seed=0):
    torch.manual_seed(seed)
    return vthcl.build()


def test_pathways_share_no_weights_and_the_fast_one_is_thinner():
    model = small()
    slow, fast = ({id(p) for p in path.parameters()} for path in (model.slow, model.fast))
    assert not slow & fast
    count = {n: sum(p.numel() for p in getattr(model, n).encoder.parameters()) for n in ("slow", "fast")}
    assert count["fast"] < count["slow"]
    kernels = [[m.conv1.kernel_size[0] for m in stage] for stage in model.fast.encoder.layers]
    assert kernels == [[3], [3], [3]]
    assert model.slow.encoder.layers[0][0].conv1.kernel_size[0] == 1


def test_a_row_moves_halfway_to_the_new_embedding_and_stays_of_unit_length():
    bank = levels(K=10)[2]
    before, z = bank.clone(), levels(seed=1)[0]
    index = torch.tensor([2, 0, 9, 5])
    vthcl.update_bank(bank, index, z, momentum=0.5)
    torch.testing.assert_close(bank[:, index], F.normalize(before[:, index] + z, dim=2))
    rest = [i for i in range(10) if i not in index]
    assert torch.equal(bank[:, rest], before[:, rest])
    vthcl.update_bank(bank, index, z, momentum=0.75)
    expected = 0.75 * F.normalize(before[:, index] + z, dim=2) + 0.25 * z
    torch.testing.assert_close(bank[:, index], F.normalize(expected, dim=2))


def test_the_banks_are_read_before_they_are_written_each_by_its_own_pathway():
    model, b = small(), batch(index=torch.tensor([8, 1, 40, 5]))
    before = {n: getattr(model, n).clone() for n in ("bank_slow", "bank_fast")}
    with torch.no_grad():
        fast, slow = model(b)
    others = [before[n][:, b.negatives] for n in ("bank_slow", "bank_fast")]
    loss, watched = vthcl.training_step(model, b, 0, 10)
    torch.testing.assert_close(loss, vthcl.vthcl_loss(fast, slow, *others, T=model.config.temperature))
    assert watched["level0"] + watched["level1"] == pytest.approx(watched["loss"], rel=1e-5)
    for name, z in (("bank_slow", slow), ("bank_fast", fast)):
        expected = before[name].clone()
        vthcl.update_bank(expected, b.rows, z, 0.5)
        torch.testing.assert_close(getattr(model, name), expected)


def test_levels_are_the_last_stages_each_with_a_head_of_its_own():
    model = small()
    assert [head.in_features for head in model.slow.heads] == [32, 64]
    assert [head.in_features for head in model.fast.heads] == [16, 32]
    z = model.slow(batch().slow)
    torch.testing.assert_close(z[1].norm(dim=1), torch.ones(4))


def test_a_short_training_brings_the_two_tempi_of_a_clip_together():
    model, b = small(), batch()
    learner = torch.optim.Adam(model.parameters(), lr=3e-3)
    watched = []
    for step in range(8):
        loss, seen = vthcl.training_step(model, b, step, 8)
        learner.zero_grad(), loss.backward(), learner.step()
        watched.append(seen)
    assert watched[-1]["loss"] < watched[0]["loss"] / 2
    assert watched[-1]["agree"] > watched[0]["agree"] + 0.2
