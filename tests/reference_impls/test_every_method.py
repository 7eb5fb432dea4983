"""What holds for every method that can be trained, whatever it learns from."""

import copy
import inspect
from importlib import import_module
from pathlib import Path

import pytest
import torch

IMPLS = Path(__file__).resolve().parents[2] / "reference_impls"
HOOKS = ("build", "training_step")
BATCH = 8  # batch norm over fewer makes half precision a matter of luck


def data_of(module):
    """The function that makes a batch: of images, or of clips."""
    return getattr(module, "views", None) or getattr(module, "clip_views", None)


def methods():
    found = [import_module(f"reference_impls.{p.stem}") for p in sorted(IMPLS.glob("[a-z]*.py"))]
    return [m for m in found if data_of(m) and all(hasattr(m, name) for name in HOOKS)]


def slug(module):
    return module.__name__.rpartition(".")[2]


@pytest.fixture(params=methods(), ids=slug, scope="module")
def method(request):
    return request.param


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def scenes(side, frames=None, dtype=torch.float32):
    """Smooth pictures, or clips of a window that pans over them; in [0, 1]."""
    wide = torch.rand(BATCH, 3, 12, 12, generator=generator(), dtype=dtype)
    wide = torch.nn.functional.interpolate(wide, scale_factor=side / 6, mode="bicubic").clamp(0, 1)
    if frames is None:
        return wide[..., :side, :side]
    starts = [round(t * (wide.shape[-1] - side) / frames) for t in range(frames)]
    return torch.stack([wide[..., s : s + side, s // 2 : s // 2 + side] for s in starts], dim=2)


def a_batch(module, dtype=torch.float32):
    config = module.TINY
    is_video = not hasattr(module, "views")
    given = scenes(config.img_size, config.frames if is_video else None, dtype)
    return data_of(module)(given, generator(1))


def a_model(module, dtype=torch.float32):
    torch.manual_seed(0)
    return module.build(module.TINY).to(dtype).train()


def a_step(module, model, batch, step=0):
    """The loss of a step; the same chances are drawn each time."""
    torch.manual_seed(7)
    return module.training_step(model, batch, step, 10)


def trained(model):
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def test_every_trained_parameter_gets_a_finite_gradient(method):
    model = a_model(method)
    loss, watched = a_step(method, model, a_batch(method))
    loss.backward()
    assert loss.ndim == 0
    assert watched["loss"] == pytest.approx(loss.item(), rel=1e-4, abs=1e-6)
    assert all(isinstance(value, float) for value in watched.values())
    without = [name for name, p in trained(model).items() if p.grad is None]
    assert not without, "declared as trained, but never reached"
    assert all(p.grad.isfinite().all() for p in trained(model).values())
    still = [n for n, p in trained(model).items() if p.ndim > 1 and not p.grad.any()]
    assert not still, "weights that the loss does not depend on"


def test_a_small_step_down_the_gradient_lowers_the_loss(method):
    model, batch = a_model(method, torch.float64), a_batch(method, torch.float64)
    lower = copy.deepcopy(model)
    loss, _ = a_step(method, model, batch)
    names = trained(model)
    gradients = torch.autograd.grad(loss, list(names.values()))
    length = torch.stack([g.norm() for g in gradients]).norm()
    with torch.no_grad():
        for name, gradient in zip(names, gradients, strict=True):
            lower.get_parameter(name).sub_(1e-6 / length * gradient)
    again, _ = a_step(method, lower, batch)
    assert loss.dtype == torch.float64
    assert again < loss


def three_losses(module):
    model, losses = a_model(module), []
    learner = torch.optim.AdamW(trained(model).values(), lr=1e-3)
    for step in range(3):
        loss, _ = a_step(module, model, a_batch(module), step)
        learner.zero_grad()
        loss.backward()
        learner.step()
        if hasattr(module, "after_step"):
            module.after_step(model, step, 3)
        losses.append(loss.item())
    return losses


def test_the_same_seed_gives_the_same_training(method):
    assert three_losses(method) == three_losses(method)


def test_half_precision_stays_near(method):
    batch = a_batch(method)
    exact, _ = a_step(method, a_model(method), batch)
    with torch.autocast("cpu", torch.bfloat16):
        rounded, _ = a_step(method, a_model(method), batch)
    assert rounded.item() == pytest.approx(exact.item(), rel=5e-2, abs=5e-2)


def test_every_seed_of_the_generator_makes_another_batch_and_the_same_seed_the_same(method):
    def floats(batch):
        if torch.is_tensor(batch):
            return batch.double().flatten()
        return torch.cat([floats(part) for part in batch])

    config = method.TINY
    given = scenes(config.img_size, None if hasattr(method, "views") else config.frames)
    make, kept = data_of(method), given.clone()
    one, same, other = (floats(make(given, generator(seed))) for seed in (3, 3, 4))
    assert torch.equal(given, kept), "the images that came in were changed"
    assert torch.equal(one, same)
    assert one.shape != other.shape or not torch.equal(one, other)


@pytest.mark.parametrize("method", [m for m in methods() if hasattr(m, "features")], ids=slug)
def test_patch_features_form_a_grid_over_the_picture(method):
    model, side = a_model(method).eval(), method.TINY.img_size
    tokens = method.features(model, torch.randn(2, 3, side, side, generator=generator()))
    assert tokens.shape[0] == 2
    assert tokens.ndim == 3
    assert round(tokens.shape[1] ** 0.5) ** 2 == tokens.shape[1]


def test_hooks_have_one_signature_so_that_one_lab_drives_them_all(method):
    parameters = list(inspect.signature(method.training_step).parameters)
    assert parameters[0] == "model"
    assert parameters[2:] == ["step", "steps"]
    if hasattr(method, "after_step"):
        assert list(inspect.signature(method.after_step).parameters) == ["model", "step", "steps"]
    _, given, *more = inspect.signature(data_of(method)).parameters.values()
    assert given.name == "generator"
    assert all(p.default is not inspect.Parameter.empty for p in more)
