"""SimCLR against its authors' numbers, then against what the paper says."""

import colorsys
import math

import pytest
import torch
import torch.nn.functional as F
from lightly.loss import NTXentLoss
from torch import nn

from reference_impls import simclr
from tests.reference_impls.golden import cases
from tests.reference_impls.two_processes import on_two

SMALL = simclr.Config(dim=8, img_size=16, patch_size=8, width=16, depth=1, heads=2)


@pytest.mark.parametrize("case", cases("simclr", function="nt_xent_loss"), ids=str)
def test_loss_and_gradient_equal_upstream(case):
    z1, z2 = case.leaf("z1"), case.leaf("z2")
    temperature, normalize = case.params["temperature"], case.params["normalize"]
    loss = simclr.nt_xent_loss(z1, z2, temperature, normalize)
    loss.backward()
    upstream = {}  # what only some of the cases tell, in their authors' own convention
    if "out.loss_upstream_unscaled" in case.arrays:
        upstream["loss_upstream_unscaled"] = 2 * loss
    if "out.logits_ab" in case.arrays:
        a, b = (F.normalize(z) if normalize else z for z in (z1, z2))
        upstream["logits_ab"] = a @ b.T / temperature
    case.check(loss=loss, grad_z1=z1.grad, grad_z2=z2.grad, **upstream)


@pytest.mark.parametrize("case", cases("simclr", function="SimCLRProjectionHead"), ids=str)
def test_head_equals_upstream(case):
    widths = (case.params[name] for name in ("in_dim", "hidden_dim", "out_dim"))
    head = case.load(simclr.SimCLRProjectionHead(*widths)).train()
    y_train = head(case["x"])
    case.check(y_train=y_train, y_eval_after_one_train_pass=head.eval()(case["x"]))


# The loss


def vectors(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=generator(seed))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


@pytest.mark.parametrize("tau", [0.1, 0.5])
def test_contrastive_loss_equals_a_loop_over_every_candidate_but_oneself(tau):
    """2B - 1 terms in each denominator: the partner and 2B - 2 negatives."""
    z1, z2 = vectors(2, 5, 8)
    z, total = torch.cat([z1, z2]).tolist(), 0.0
    for i in range(10):
        others = [math.exp(cosine(z[i], z[k]) / tau) for k in range(10) if k != i]
        assert len(others) == 2 * 5 - 1
        total -= math.log(math.exp(cosine(z[i], z[(i + 5) % 10]) / tau) / sum(others))
    assert simclr.nt_xent_loss(z1, z2, tau).item() == pytest.approx(total / 10, rel=1e-12)


def test_contrastive_loss_equals_lightly():
    z1, z2 = vectors(2, 16, 32).float()
    torch.testing.assert_close(simclr.nt_xent_loss(z1, z2, 0.2), NTXentLoss(temperature=0.2)(z1, z2))


def test_the_two_views_are_interchangeable():
    z1, z2 = vectors(2, 6, 8)
    torch.testing.assert_close(simclr.nt_xent_loss(z1, z2), simclr.nt_xent_loss(z2, z1))


def test_one_pair_alone_has_nothing_to_tell_apart():
    assert simclr.nt_xent_loss(vectors(1, 8), vectors(1, 8, seed=1)).item() == 0


def test_length_matters_only_without_normalisation():
    z1, z2 = vectors(2, 6, 8)
    torch.testing.assert_close(simclr.nt_xent_loss(5 * z1, 0.1 * z2), simclr.nt_xent_loss(z1, z2))
    raw = simclr.nt_xent_loss(z1, z2, normalize=False)
    assert not torch.isclose(raw, simclr.nt_xent_loss(2 * z1, z2, normalize=False))


def test_half_precision_contrasts_as_well_as_full():
    z1, z2 = vectors(2, 8, 16).to(torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = simclr.nt_xent_loss(z1, z2, 0.05)
    torch.testing.assert_close(loss, simclr.nt_xent_loss(z1.float(), z2.float(), 0.05))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept(dtype):
    assert simclr.nt_xent_loss(*vectors(2, 4, 8).to(dtype)).dtype == dtype


def test_loss_compiles_without_a_graph_break():
    compiled = torch.compile(simclr.nt_xent_loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*vectors(2, 4, 8)), simclr.nt_xent_loss(*vectors(2, 4, 8)))


def test_a_view_that_is_no_closer_than_all_others_costs_the_logarithm_of_the_candidates():
    """Orthogonal vectors: every candidate is as near as the partner, 2B - 1 of them."""
    z = torch.eye(12, dtype=torch.float64)
    loss = simclr.nt_xent_loss(z[:6], z[6:])
    assert loss.item() == pytest.approx(math.log(11))


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        (lambda: simclr.nt_xent_loss(torch.zeros(3, 4), torch.zeros(2, 4)), "one shape"),
        (lambda: simclr.nt_xent_loss(torch.zeros(4), torch.zeros(4)), "one shape"),
        (lambda: simclr.nt_xent_loss(torch.zeros(2, 4), torch.zeros(2, 4), 0.0), "above 0"),
        (lambda: simclr.views(torch.rand(2, 1, 8, 8), generator()), r"\(B, 3, H, W\)"),
        (lambda: simclr.features(simclr.SimCLR(nn.Linear(4, 8), 8), torch.rand(1, 4)), "patch tokens"),
    ],
)
def test_wrong_calls_say_what_to_do(wrong, remedy):
    with pytest.raises(ValueError, match=remedy):
        wrong()


# The network


def test_both_views_share_one_batch_norm():
    """Statistics of all 2B rows: the two halves of one pass, not two passes."""
    torch.manual_seed(0)
    model = simclr.SimCLR(nn.Flatten(), 12, dim=4).double()
    x1, x2 = vectors(2, 5, 3, 2, 2)
    z = torch.cat(model(x1, x2 + 3))
    torch.testing.assert_close(z.mean(0), torch.zeros_like(z[0]), rtol=0, atol=1e-9)
    torch.testing.assert_close(z, model.projector(torch.cat([x1, x2 + 3]).flatten(1)))


def test_the_head_has_no_bias_before_its_batch_norms():
    assert [n for n, _ in simclr.SimCLRProjectionHead(4, 6, 2).layers.named_parameters() if n.endswith("bias")] == ["1.bias", "4.bias"]


def test_accuracy_counts_partners_that_are_closest():
    z = torch.eye(4)
    assert simclr.contrastive_accuracy(z, 3 * z) == 1
    assert simclr.contrastive_accuracy(z, z.roll(1, 0)) == 0
    assert simclr.contrastive_accuracy(z, z[[0, 1, 3, 2]]) == 0.5


def test_features_are_the_patch_tokens_before_the_head():
    model, images = simclr.build(SMALL).eval(), torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(simclr.features(model, images), model.encoder.forward_features(images)[:, 1:])


# The views


def pictures(B=64, side=24, seed=0, dtype=torch.float64):
    return torch.rand(B, 3, side, side, dtype=dtype, generator=generator(seed))


def only(**chosen):
    """An augmentation that does nothing but what is named (and flip)."""
    return simclr.Augmentation(**{"blur": 0.0, "jitter": 0.0, "grey": 0.0} | chosen)


def test_the_default_is_colour_distortion_of_strength_one():
    how = simclr.Augmentation()
    assert (how.brightness, how.contrast, how.saturation, how.hue) == (0.8, 0.8, 0.8, 0.2)
    assert (how.jitter, how.grey, how.blur, how.area) == (0.8, 0.2, 0.5, (0.08, 1.0))


def test_the_two_views_come_from_one_distribution(monkeypatch):
    asked = []
    monkeypatch.setattr(simclr, "augment", lambda x, how, size, g: asked.append(how) or x)
    how = only(area=(0.5, 1.0))
    simclr.two_views(pictures(1), generator(), how)
    simclr.views(pictures(1), generator())
    assert asked == [how, how, simclr.Augmentation(), simclr.Augmentation()]


def test_views_are_two_normalised_pictures_that_depend_on_the_generator_alone():
    images = pictures(8)
    torch.manual_seed(1)
    first = simclr.views(images, generator(7))
    torch.manual_seed(2)
    assert all(torch.equal(a, b) for a, b in zip(first, simclr.views(images, generator(7)), strict=True))
    assert not torch.equal(first[0], first[1])
    mean, std = (torch.tensor(n, dtype=torch.float64).view(3, 1, 1) for n in (simclr.MEAN, simclr.STD))
    pixels = first[0] * std + mean
    assert pixels.shape == images.shape
    assert -1e-9 < pixels.min() < 0.2
    assert 0.8 < pixels.max() < 1 + 1e-9


@pytest.mark.parametrize("probability", [0.0, 0.2, 1.0])
def test_a_change_happens_with_its_probability(probability):
    changed = simclr.sometimes(torch.zeros(4000, 1), probability, generator(), lambda x: x + 1)
    assert abs(changed.mean().item() - probability) < 0.03


@pytest.mark.parametrize(("H", "W"), [(64, 64), (48, 96)])
def test_a_crop_shows_the_share_of_the_image_asked_for(H, W):
    ramps = (torch.linspace(0, 1, side, dtype=torch.float64) * (side - 1) / side for side in (H, W))
    y, x = torch.meshgrid(*ramps, indexing="ij")
    images = torch.stack([x, y, x]).expand(400, 3, H, W)
    crops = simclr.random_resized_crop(images, 32, (0.2, 0.4), generator())
    width = (crops[:, 0, 16, -2] - crops[:, 0, 16, 1]) * 32 / 29
    height = (crops[:, 1, -2, 16] - crops[:, 1, 1, 16]) * 32 / 29
    share, ratio = width * height, width * W / (height * H)
    assert share.min() > 0.19
    assert share.max() < 0.41
    assert abs(share.mean() - 0.3) < 0.02
    assert 0.72 < ratio.min() < 0.78
    assert 1.28 < ratio.max() < 1.36


def test_crops_lie_inside_and_reach_every_border():
    """A window of a quarter of the image starts anywhere from the first column to the last that fits."""
    ramp = torch.linspace(0, 1, 64, dtype=torch.float64).expand(2000, 3, 64, 64)
    crops = simclr.random_resized_crop(ramp, 16, (0.25, 0.25), generator())
    step = crops[:, 0, 8, 8] - crops[:, 0, 8, 7]
    left, right = crops[:, 0, 8, 7] - 7.5 * step, crops[:, 0, 8, 8] + 7.5 * step
    assert -0.02 < left.min() < 0.02
    assert 0.98 < right.max() < 1.02


class Watched(torch.Generator):
    """A generator that keeps a diary."""


def test_a_generator_with_a_diary_is_told_what_its_numbers_became_and_draws_the_same():
    watched = Watched()
    watched.diary = []
    watched.manual_seed(4)
    always = simclr.Augmentation(jitter=1.0, grey=1.0, blur=1.0)
    view = simclr.augment(pictures(5), always, 24, watched)
    assert torch.equal(view, simclr.augment(pictures(5), always, 24, generator(4)))
    told = dict(watched.diary)
    assert list(told) == ["view", "crop", "flip", "<lambda>", "colours", "greyscale", "sigma"]
    assert told["view"] is always
    assert all(one.shape == (5,) for one in told["crop"])
    assert told["flip"].dtype == torch.bool
    assert told["greyscale"].all()
    assert told["colours"].shape == (5, 4)
    assert 0.1 <= told["sigma"].min() <= told["sigma"].max() <= 2


def test_half_of_the_views_are_flipped():
    ramp = torch.linspace(0, 1, 24).expand(1000, 3, 24, 24)
    rising = simclr.augment(ramp, only(), 24, generator()).diff(dim=-1).mean(dim=(1, 2, 3)) > 0
    assert abs(rising.double().mean() - 0.5) < 0.05


def test_hue_saturation_value_agree_with_the_standard_library():
    images = pictures(2, side=4)
    hsv = simclr.rgb_to_hsv(images)
    for b, y, x in [(0, 0, 0), (1, 2, 3), (0, 3, 1), (1, 1, 1)]:
        expected = torch.tensor(colorsys.rgb_to_hsv(*images[b, :, y, x].tolist()), dtype=torch.float64)
        torch.testing.assert_close(hsv[b, :, y, x], expected)
    torch.testing.assert_close(simclr.hsv_to_rgb(hsv), images)


def test_grey_and_black_pixels_have_no_hue_and_come_back():
    images = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64).view(3, 1, 1, 1).expand(3, 3, 2, 2)
    hsv = simclr.rgb_to_hsv(images)
    assert (hsv[:, :2] == 0).all()
    assert torch.equal(simclr.hsv_to_rgb(hsv), images)


def test_each_colour_change_does_what_its_name_says():
    images, none = pictures(2, side=6), torch.zeros(2, 1, 1, 1, dtype=torch.float64)
    for change in (simclr.adjust_brightness, simclr.adjust_contrast, simclr.adjust_saturation, simclr.adjust_hue):
        torch.testing.assert_close(change(images, none), images)
    torch.testing.assert_close(simclr.adjust_hue(images, none + 1 / 3), images.roll(1, dims=1))
    torch.testing.assert_close(simclr.adjust_saturation(images, none - 1), images.amax(1, keepdim=True).expand_as(images))
    torch.testing.assert_close(simclr.adjust_brightness(images, none + 0.1), images + 0.1)
    torch.testing.assert_close(simclr.adjust_contrast(images, none - 1), images.mean((2, 3), keepdim=True).expand_as(images))


def test_every_image_has_its_own_jitter_and_without_strength_there_is_none():
    images = pictures(1).expand(16, -1, -1, -1)
    still = only(brightness=0, contrast=0, saturation=0, hue=0)
    torch.testing.assert_close(simclr.color_jitter(images, still, generator()), images)
    jittered = simclr.color_jitter(images, simclr.Augmentation(), generator())
    assert len({round(float(image.sum()), 6) for image in jittered}) == 16
    assert jittered.min() >= 0
    assert jittered.max() <= 1


def test_images_take_the_four_changes_in_different_orders(monkeypatch):
    """Equal images with equal offsets differ in nothing but the order."""
    g, numbers = generator(), [lambda shape: torch.full(shape, 0.9, dtype=torch.float64), lambda shape: torch.rand(shape, generator=g)]
    monkeypatch.setattr(simclr, "draw", lambda generator, shape, like: numbers.pop(0)(shape))
    jittered = simclr.color_jitter(pictures(1).expand(64, -1, -1, -1), simclr.Augmentation(), generator())
    assert 10 < len({round(float(image.sum()), 6) for image in jittered}) <= 24


def test_jitter_stays_within_the_strengths():
    """Brightness alone at most 0.4 either way, and close to it somewhere."""
    brightness = only(brightness=0.4, contrast=0, saturation=0, hue=0)
    images = torch.full((500, 3, 2, 2), 0.5, dtype=torch.float64)
    moved = simclr.color_jitter(images, brightness, generator())[:, 0, 0, 0] - 0.5
    assert -0.4 <= moved.min() < -0.38
    assert 0.38 < moved.max() <= 0.4


def test_blur_keeps_flat_images_and_softens_points():
    flat = torch.full((2, 3, 40, 40), 0.3, dtype=torch.float64)
    torch.testing.assert_close(simclr.gaussian_blur(flat, generator()), flat)
    point = torch.zeros(3, 3, 41, 41, dtype=torch.float64)
    point[..., 20, 20] = 1
    soft = simclr.gaussian_blur(point, generator())
    torch.testing.assert_close(soft.sum(dim=(2, 3)), torch.ones(3, 3, dtype=torch.float64))
    torch.testing.assert_close(soft, soft.mT), torch.testing.assert_close(soft, soft.flip(2))
    assert len(set(soft[:, 0, 20, 20].tolist())) == 3


def test_greyscale_weighs_green_most():
    red, green, blue = simclr.greyscale(torch.eye(3).view(3, 3, 1, 1))[:, 0, 0, 0]
    assert green > red > blue
    assert torch.equal(*simclr.greyscale(pictures(2)).unbind(1)[:2])


# Two processes


def both(z1, z2):
    """This process's loss and gradients, side by side."""
    z1.requires_grad_(), z2.requires_grad_()
    loss = simclr.nt_xent_loss(z1, z2, 0.2)
    loss.backward()
    return torch.cat([loss[None], z1.grad.flatten(), z2.grad.flatten()])


def test_two_processes_give_what_one_gives_on_the_whole_batch(tmp_path):
    """The mean of their losses, and with it gradients half as large, as data parallel training takes them."""
    z1, z2 = vectors(2, 6, 5)
    first, second = on_two(both, tmp_path, z1, z2)
    whole = both(z1, z2)
    torch.testing.assert_close((first[0] + second[0]) / 2, whole[0])
    halves = torch.cat([first[1:].view(2, 3, 5), second[1:].view(2, 3, 5)], dim=1)
    torch.testing.assert_close(halves / 2, whole[1:].view(2, 6, 5))
