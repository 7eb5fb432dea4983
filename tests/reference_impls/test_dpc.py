"""Dense predictive coding against its authors' numbers, then against what the paper says."""

import math

import pytest
import torch
import torch.nn.functional as F

from reference_impls import dpc
from tests.reference_impls.golden import cases


@pytest.mark.parametrize("case", cases("dpc", function="dpc_loss"), ids=str)
def test_scores_negatives_and_loss_equal_upstream(case):
    pred, target = case.leaf("pred"), case.leaf("target")
    B, P, _, h, w = pred.shape
    scores, loss = dpc.dpc_scores(pred, target), dpc.dpc_loss(pred, target)
    mask = dpc.score_mask(B, P, h * w)
    right = mask.flatten(0, 2).flatten(1).argmax(dim=1)
    ours = {
        "score": scores.view(B, P, h * w, B, P, h * w), "mask": mask, "loss": loss,
        "top1": (scores.argmax(dim=1) == right).float().mean(),
    }
    if any(name.startswith("grad_") for name in case.card["outputs"]):
        loss.backward()
        ours |= {"grad_pred": pred.grad, "grad_target": target.grad}
    case.check(**{name: ours[name] for name in case.card["outputs"]})


@pytest.mark.parametrize("case", cases("dpc", function="DPCPredictor"), ids=str)
def test_predictor_with_official_weights_equals_upstream(case):
    model = case.load(dpc.DPCPredictor(case.params["dim"])).eval()
    features, steps = case["features"], case.params["pred_step"]
    ours = {"context": model.context(features, steps), "pred": model(features, steps)}
    case.check(**{name: ours[name] for name in case.card["outputs"]})


def maps(B=2, P=3, D=5, h=2, w=2, n=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, B, P, D, h, w, dtype=torch.float64, generator=generator)


# The loss


def test_loss_is_the_papers_equation_over_every_video_step_and_place():
    pred, target = maps()
    dot = torch.einsum("bpdij,cqdkl->bpijcqkl", pred, target).exp()
    total, n = 0.0, 0
    for b in range(2):
        for p in range(3):
            for i in range(2):
                for j in range(2):
                    total -= torch.log(dot[b, p, i, j, b, p, i, j] / dot[b, p, i, j].sum())
                    n += 1
    torch.testing.assert_close(dpc.dpc_loss(pred, target), total / n)


def test_a_blind_guess_costs_the_logarithm_of_all_candidates():
    loss = dpc.dpc_loss(torch.zeros(2, 3, 5, 4, 2), maps(h=4)[0].float())
    torch.testing.assert_close(loss, torch.tensor(math.log(2 * 3 * 4 * 2)))


def test_long_distinct_features_predicted_perfectly_cost_nothing():
    """Lengths count: the same directions, shorter, are less certain."""
    eye = torch.eye(24, dtype=torch.float64).view(2, 3, 2, 2, 24).permute(0, 1, 4, 2, 3)
    assert dpc.dpc_loss(10 * eye, 10 * eye) < 1e-20
    assert dpc.dpc_loss(eye, eye) > 2


def test_both_the_prediction_and_the_target_get_a_gradient():
    pred, target = (m.requires_grad_() for m in maps().clone().unbind())
    dpc.dpc_loss(pred, target).backward()
    assert pred.grad.abs().sum() > 0
    assert target.grad.abs().sum() > 0


def test_the_kinds_of_negatives_are_counted_as_in_the_paper():
    """Each prediction: one positive, P - 1 temporal, P (S - 1) spatial, the rest easy."""
    B, P, S = 3, 4, 5
    mask = dpc.score_mask(B, P, S)
    assert mask.dtype == torch.int8
    for kind, count in ((1, 1), (-1, P - 1), (-3, P * (S - 1)), (0, (B - 1) * P * S)):
        assert ((mask == kind).flatten(0, 2).flatten(1).sum(dim=1) == count).all()
    assert mask[1, 2, 3, 1, 2, 3] == 1
    assert mask[1, 2, 3, 1, 0, 3] == -1
    assert mask[1, 2, 3, 1, 2, 4] == mask[1, 2, 3, 1, 0, 0] == -3
    assert mask[1, 2, 3, 0, 2, 3] == 0


def test_copying_the_context_forward_is_caught_by_temporal_negatives():
    """A prediction that is the same for every step cannot tell steps apart: log P is left."""
    place = 40 * torch.eye(8, dtype=torch.float64).view(2, 1, 2, 2, 8).permute(0, 1, 4, 2, 3)
    still = place.expand(-1, 3, -1, -1, -1)
    torch.testing.assert_close(dpc.dpc_loss(still, still), torch.tensor(math.log(3), dtype=torch.float64))


def test_rows_run_over_video_step_and_place_in_this_order():
    numbers = torch.arange(2 * 3 * 2 * 2).view(2, 3, 1, 2, 2)
    assert dpc.rows(numbers).squeeze(1).tolist() == list(range(24))


def test_loss_keeps_the_dtype_compiles_and_bears_half_precision():
    pred, target = 0.3 * maps(D=8)
    exact = dpc.dpc_loss(pred, target)
    assert exact.dtype == torch.float64
    compiled = torch.compile(dpc.dpc_loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(pred, target), exact)
    with torch.autocast("cpu", torch.bfloat16):
        half = dpc.dpc_loss(pred.bfloat16(), target.bfloat16())
    torch.testing.assert_close(half.double(), exact, rtol=0.05, atol=0)


def test_wrong_calls_are_refused():
    pred, target = maps()
    with pytest.raises(ValueError, match="last P blocks"):
        dpc.dpc_loss(pred, target[:, :2])
    with pytest.raises(ValueError, match="more blocks"):
        dpc.DPCPredictor(5)(pred.float(), 3)
    with pytest.raises(ValueError, match="need 16"):
        dpc.blocks(torch.zeros(1, 3, 15, 8, 8), 4, 4)


# The recurrent predictor


def predictor(dim=5, seed=0):
    torch.manual_seed(seed)
    return dpc.DPCPredictor(dim).double()


def test_the_gru_is_torchs_own_at_every_place():
    """Same gates as torch.nn.GRUCell, except that the reset acts before the matrix product."""
    cell, (x, state) = dpc.ConvGRUCell(5).double(), maps()[:, :, 0]
    new = cell(x, state)
    for b, i, j in [(0, 0, 0), (1, 1, 0), (1, 0, 1)]:
        a, h = x[b, :, i, j], state[b, :, i, j]
        gate = lambda conv, hidden, a=a: conv.weight[:, :, 0, 0] @ torch.cat([a, hidden]) + conv.bias  # noqa: E731
        update, reset = gate(cell.update_gate, h).sigmoid(), gate(cell.reset_gate, h).sigmoid()
        proposal = gate(cell.out_gate, reset * h).tanh()
        torch.testing.assert_close(new[b, :, i, j], (1 - update) * h + update * proposal)


def test_the_future_is_never_looked_at():
    model, (features, _) = predictor().eval(), maps(P=5)
    changed = features.clone()
    changed[:, -2:] = 100
    torch.testing.assert_close(model(changed, 2), model(features, 2))
    assert not torch.allclose(model(changed, 1), model(features, 1))


def test_the_context_sees_features_behind_the_relu():
    model, (features, _) = predictor().eval(), maps(P=5)
    torch.testing.assert_close(model(features.relu(), 2), model(features, 2))


def test_each_prediction_is_fed_back_as_if_it_had_been_seen():
    model, (features, _) = predictor().eval(), maps(P=5)
    first = model(features, 2)[:, 0]
    continued = torch.cat([features[:, :3], first[:, None], features[:, :1]], dim=1)
    torch.testing.assert_close(model(features, 2)[:, 1], model(continued, 1)[:, 0])


def test_places_do_not_mix_in_the_predictor():
    """Kernels of one: what happens at a place is predicted from that place alone."""
    model, (features, _) = predictor().eval(), maps(P=5)
    changed = features.clone()
    changed[..., 0, 0] = 7
    before, after = model(features, 2), model(changed, 2)
    torch.testing.assert_close(before[..., 1, :], after[..., 1, :])
    assert not torch.allclose(before[..., 0, 0], after[..., 0, 0])


def test_dropout_acts_on_the_state_in_training_only():
    model, (features, _) = predictor(), maps(P=5)
    torch.manual_seed(1)
    noisy = torch.stack([model.context(features, 2) for _ in range(200)])
    assert 0.05 < (noisy == 0).double().mean() < 0.15
    assert (model.eval().context(features, 2) != 0).all()


def test_weights_start_orthogonal_and_biases_at_zero():
    model = predictor().float()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name
        else:
            w = parameter[:, :, 0, 0]
            torch.testing.assert_close(w @ w.T, torch.eye(5), rtol=0, atol=1e-5)


# Blocks, augmentation, training


def test_blocks_do_not_overlap_and_skip_frames():
    time = torch.arange(26.0).view(1, 1, 26, 1, 1).expand(2, 3, 26, 4, 4)
    b = dpc.blocks(time, 4, 3, 2)
    assert b.shape == (2, 4, 3, 3, 4, 4)
    assert b[0, :, 0, :, 0, 0].tolist() == [[0, 2, 4], [6, 8, 10], [12, 14, 16], [18, 20, 22]]


def clips(B=4, T=16, side=40, seed=0):
    """Smooth patterns moving to the right, each at a speed of its own."""
    pattern = torch.rand(B, 3, side, side, generator=torch.Generator().manual_seed(seed))
    pattern = F.interpolate(F.avg_pool2d(pattern, 4), scale_factor=4, mode="bilinear")
    return torch.stack(
        [torch.stack([p.roll(t * (i + 1), dims=-1) for i, p in enumerate(pattern)]) for t in range(T)], dim=2
    )


def batch(seed=0):
    return dpc.clip_views(clips(), torch.Generator().manual_seed(seed))


def test_a_crop_is_the_same_in_all_frames_and_different_between_clips():
    still = clips(T=1).expand(-1, -1, 6, -1, -1)
    cropped = dpc.crop_and_flip(still, 32, torch.Generator().manual_seed(0))
    torch.testing.assert_close(cropped, cropped[:, :, :1].expand_as(cropped))
    same = clips(B=1, T=1).expand(64, -1, -1, -1, -1)
    cropped = dpc.crop_and_flip(same, 32, torch.Generator().manual_seed(0))
    assert len({round(float(c.double().sum()), 4) for c in cropped}) > 50
    ramp = torch.linspace(0, 1, 40).expand(400, 1, 1, 40, 40)
    rising = dpc.crop_and_flip(ramp, 32, torch.Generator().manual_seed(0)).diff(dim=-1).mean(dim=(1, 2, 3, 4)) > 0
    assert 0.4 < rising.double().mean() < 0.6


def test_colours_change_frame_by_frame_so_they_do_not_give_the_order_away():
    still = clips(B=8, T=1).expand(-1, -1, 50, -1, -1)
    x = dpc.recolour(still, torch.Generator().manual_seed(0))
    assert x.min() >= 0
    assert x.max() <= 1
    grey = (x - x.mean(dim=1, keepdim=True)).abs().amax(dim=(1, 3, 4)) < 1e-6
    assert 0.4 < grey.double().mean() < 0.6
    assert grey.double().mean(dim=1).min() > 0.2
    assert (x.mean(dim=(1, 3, 4)).std(dim=1) > 0.01).all()


def test_a_batch_is_blocks_of_normalised_frames_and_repeats_with_its_seed():
    config = dpc.TINY
    assert batch().shape == (4, config.num_seq, 3, config.seq_len, 32, 32)
    assert -2.2 < batch().min() < -0.2
    assert torch.equal(batch(), batch())
    assert not torch.equal(batch(), batch(1))


def test_early_stages_look_at_single_frames_and_late_ones_in_time():
    encoder = dpc.build(dpc.Config(widths=(8, 8, 8, 8))).encoder
    assert encoder.conv1.kernel_size[0] == 1
    kernels = [{m.conv1.kernel_size for m in stage} for stage in encoder.layers]
    assert kernels == [{(1, 3, 3)}, {(1, 3, 3)}, {(3, 3, 3)}, {(3, 3, 3)}]
    assert encoder(torch.rand(2, 3, 5, 64, 64)).shape == (2, 8, 2, 2, 2)


def test_targets_can_be_negative_and_batch_statistics_are_not_stored():
    torch.manual_seed(0)
    model = dpc.build()
    pred, target = model(batch())
    assert pred.shape == target.shape == (4, 2, 32, 4, 4)
    assert target.min() < 0
    assert not [name for name, _ in model.named_buffers()]


def test_the_last_blocks_are_predicted_from_those_before_them():
    torch.manual_seed(0)
    model, x = dpc.build().eval(), batch()
    z = model.encoder(x.flatten(0, 1)).mean(dim=2).unflatten(0, (4, 4))
    pred, target = model(x)
    torch.testing.assert_close(target, z[:, 2:])
    torch.testing.assert_close(pred, model.predictor(z, 2))


def test_a_short_training_finds_the_right_video_and_then_the_right_block():
    torch.manual_seed(0)
    model, x = dpc.build(), batch()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    watched = []
    for step in range(20):
        loss, seen = dpc.training_step(model, x, step, 20)
        optimiser.zero_grad(), loss.backward(), optimiser.step()
        watched.append(seen)
    assert watched[0]["top1"] < 5 * watched[0]["chance"]
    assert watched[-1]["easy"] > 0.7
    assert watched[-1]["loss"] < watched[0]["loss"] - 1
