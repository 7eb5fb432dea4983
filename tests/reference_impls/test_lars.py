"""LARS against Barlow Twins' and timm's, then against what the paper says."""

import copy
import itertools

import pytest
import torch
from torch import nn

from reference_impls import lars
from reference_impls.lars import LARS
from tests.reference_impls.golden import cases


@pytest.mark.parametrize("case", cases("lars", function="LARS"), ids=str)
def test_every_step_equals_upstream(case):
    w, b = nn.Parameter(case["w0"]), nn.Parameter(case["b0"])
    optimiser, path = LARS([w, b], **case.params), []
    for w.grad, b.grad in zip(case["grad_w"], case["grad_b"], strict=True):
        optimiser.step()
        path.append((w.detach().clone(), b.detach().clone()))
    ws, bs = zip(*path, strict=True)
    case.check(w=torch.stack(ws), b=torch.stack(bs))


def parameter(*shape, seed=0):
    """A parameter with a gradient."""
    generator = torch.Generator().manual_seed(seed)
    p = nn.Parameter(torch.randn(shape, dtype=torch.float64, generator=generator))
    p.grad = torch.randn(shape, dtype=torch.float64, generator=generator)
    return p


def network(dtype=torch.float64):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.LazyLinear(5)).to(dtype)


def trained(optimiser_of, steps=5, lr=lambda step: 2.0):
    """The network's weights after a few steps on one batch."""
    x = torch.randn(6, 3, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    model = network()
    model(x)
    optimiser = optimiser_of(model)
    for step in range(steps):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x), torch.arange(6) % 5).backward()
        for group in optimiser.param_groups:
            group["lr"] = lr(step)
        optimiser.step()
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def weights_and_others(model):
    """Two groups, as code without `exclude_bias_and_norm` must be told."""
    return [
        {"params": [p for p in model.parameters() if p.ndim > 1]},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]


@pytest.mark.parametrize("package", ["timm", "lightly"])
def test_the_papers_rule_equals_that_of_other_packages(package):
    from lightly.utils.lars import LARS as Lightly
    from timm.optim import Lars

    def theirs(model):
        groups = weights_and_others(model)
        if package == "timm":
            return Lars(groups, lr=2.0, momentum=0.9, weight_decay=0.01, trust_coeff=0.01, eps=0.0)
        return Lightly(groups, lr=2.0, momentum=0.9, weight_decay=0.01, trust_coefficient=0.01, eps=0.0)

    def ours(model):
        return LARS(model.parameters(), lr=2.0, weight_decay=0.01, eta=0.01, joint_norm=False)

    torch.testing.assert_close(trained(ours), trained(theirs), rtol=1e-9, atol=1e-12)


def test_the_two_denominators_agree_without_weight_decay_and_only_then():
    def joint(wd):
        return lambda model: LARS(model.parameters(), lr=2.0, weight_decay=wd, joint_norm=True)

    def apart(wd):
        return lambda model: LARS(model.parameters(), lr=2.0, weight_decay=wd, joint_norm=False)

    torch.testing.assert_close(trained(joint(0.0)), trained(apart(0.0)))
    assert (trained(joint(0.5)) - trained(apart(0.5))).abs().max() > 1e-6


def test_a_layers_first_step_is_as_long_as_lr_eta_and_its_weights_say():
    """Whatever the gradient's size: that is what lets layers with small gradients keep up."""
    for scale in (1e-6, 1.0, 1e6):
        p = parameter(4, 6)
        before, p.grad = p.detach().clone(), p.grad * scale
        LARS([p], lr=0.5, eta=0.02).step()
        torch.testing.assert_close((p - before).norm() / before.norm(), torch.tensor(0.5 * 0.02, dtype=p.dtype))


def test_every_layer_has_a_local_rate_of_its_own():
    small, large = parameter(4, 6), parameter(4, 6)
    large.data *= 100
    LARS(both := [small, large], lr=1.0).step()
    moved = [torch.linalg.norm(p - q * scale) for p, q, scale in zip(both, [parameter(4, 6)] * 2, (1, 100), strict=True)]
    torch.testing.assert_close(moved[1], 100 * moved[0])


def test_biases_and_norms_take_plain_momentum_steps():
    for shape in [(5,), ()]:
        ours, sgd = parameter(*shape), parameter(*shape)
        optimisers = LARS([ours], lr=0.1, weight_decay=0.1), torch.optim.SGD([sgd], lr=0.1, momentum=0.9)
        for _, optimiser in itertools.product(range(3), optimisers):
            optimiser.step()
        torch.testing.assert_close(ours, sgd)


def test_without_the_exclusion_biases_are_adapted_too():
    p = parameter(5)
    before = p.detach().clone()
    LARS([p], lr=1.0, eta=0.02, exclude_bias_and_norm=False).step()
    torch.testing.assert_close((p - before).norm(), 0.02 * before.norm())


def test_a_layer_of_zeros_takes_a_plain_step_and_a_gradient_of_zero_moves_nothing():
    zeros, still = parameter(4, 6), parameter(4, 6)
    with torch.no_grad():
        zeros.zero_(), still.grad.zero_()
    before = still.detach().clone()
    LARS([zeros, still], lr=0.5).step()
    torch.testing.assert_close(zeros.detach(), -0.5 * zeros.grad)
    assert torch.equal(still, before)


def test_gradients_are_left_as_they_were():
    p, bias = parameter(4, 6), parameter(5)
    LARS([p, bias], lr=1.0, weight_decay=0.1).step()
    assert torch.equal(p.grad, parameter(4, 6).grad)
    assert torch.equal(bias.grad, parameter(5).grad)


def test_parameters_without_gradient_stay_and_the_closures_loss_comes_back():
    p, q = parameter(4, 6), parameter(4, 6, seed=1)
    q.grad = None
    before = q.detach().clone()
    optimiser = LARS([p, q], lr=0.1)

    def closure():
        optimiser.zero_grad()
        loss = p.square().sum()
        loss.backward()
        return loss

    first, second = optimiser.step(closure), optimiser.step(closure)
    assert second < first
    assert torch.equal(q, before)
    assert not optimiser.state[q]


def test_each_group_keeps_its_own_options():
    """Barlow Twins gives biases a learning rate of their own."""
    p, q = parameter(5), parameter(5)
    before = p.detach().clone()
    LARS([{"params": [p]}, {"params": [q], "lr": 0.05}], lr=0.1).step()
    torch.testing.assert_close(p - before, 2 * (q - before))


def test_momentum_remembers_steps_without_the_learning_rate():
    """Where the rate changes this is not the paper's Algorithm 1, but what all later code does."""
    p = parameter(5)
    before, optimiser = p.detach().clone(), LARS([p], lr=1.0)
    optimiser.step()
    optimiser.param_groups[0]["lr"] = 0.1
    optimiser.step()
    torch.testing.assert_close(p.detach(), before - p.grad - 0.1 * 1.9 * p.grad)


def test_a_saved_optimiser_goes_on_as_if_never_stopped():
    p = parameter(4, 6)
    optimiser = LARS([p], lr=0.1)
    optimiser.step()
    q = nn.Parameter(p.detach().clone())
    q.grad, resumed = p.grad.clone(), LARS([q], lr=0.1)
    resumed.load_state_dict(copy.deepcopy(optimiser.state_dict()))
    optimiser.step(), resumed.step()
    assert torch.equal(p, q)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_weights_and_momentum_keep_the_dtype(dtype):
    p = nn.Parameter(parameter(4, 6).detach().to(dtype))
    p.grad, optimiser = torch.ones_like(p), LARS([p], lr=0.1, weight_decay=0.1)
    optimiser.step()
    assert p.dtype == optimiser.state[p]["mu"].dtype == dtype


def test_layers_of_two_dtypes_train_together():
    half, whole = nn.Parameter(parameter(4, 6).detach().bfloat16()), parameter(4, 6)
    half.grad, before = torch.ones_like(half), whole.detach().clone()
    LARS([half, whole], lr=0.5, eta=0.02).step()
    torch.testing.assert_close((whole - before).norm(), 0.01 * before.norm())


def test_training_lowers_the_loss():
    torch.manual_seed(0)
    model, x, y = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3)), torch.randn(32, 8), torch.arange(32) % 3
    optimiser, losses = LARS(model.parameters(), lr=1.0, weight_decay=1e-4, eta=0.02), []
    for step in range(60):
        for group in optimiser.param_groups:
            group["lr"] = lars.polynomial_lr(step, 60, 1.0, warmup_steps=5)
        loss = nn.functional.cross_entropy(model(x), y)
        optimiser.zero_grad(), loss.backward(), optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_the_rate_warms_up_to_its_height_then_falls_with_the_square_to_zero():
    rates = [lars.polynomial_lr(step, 104, 2.0, warmup_steps=4) for step in range(105)]
    assert rates[:5] == [0.5, 1.0, 1.5, 2.0, 2.0]
    assert rates[54] == pytest.approx(2.0 * 0.5**2)
    assert rates[104] == 0
    assert all(a > b for a, b in itertools.pairwise(rates[4:]))
    assert lars.polynomial_lr(0, 10, 2.0) == 2.0


@pytest.mark.parametrize("wrong", [{"lr": -1.0}, {"lr": 1.0, "momentum": 1.0}, {"lr": 1.0, "weight_decay": -0.1}, {"lr": 1.0, "eta": 0.0}])
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        LARS([parameter(2, 2)], **wrong)


def test_a_warmup_longer_than_the_training_is_refused():
    with pytest.raises(ValueError, match="shorten"):
        lars.polynomial_lr(0, 10, 1.0, warmup_steps=10)
