"""Video prediction against numbers derived from its formulas, then against what the paper says."""

import pytest
import torch
import torch.nn.functional as F

from reference_impls import video_prediction as vp
from tests.reference_impls.golden import cases


@pytest.mark.parametrize("case", cases("video_prediction", function="gdl_loss"), ids=str)
def test_image_losses_and_measures_equal_the_derived_numbers(case):
    pred, target, params = case["pred"], case["target"], case.params
    ours = {
        "gdl": vp.gdl_loss(pred, target, params["alpha"]),
        "lp": vp.lp_loss(pred, target, params["p"]),
        "psnr": vp.psnr(pred, target, params["max"]),
        "sharp_diff": vp.sharpness_diff(pred, target),
    }
    case.check(**{name: ours[name] for name in case.card["outputs"]})


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(*shape, seed=0):
    return torch.rand(shape, dtype=torch.float64, generator=generator(seed))


# Losses on the image


def test_two_possible_futures_the_mean_wins_by_squares_and_loses_by_edges():
    """Why squares blur: an edge is at column 3 or at column 5, nobody knows."""
    futures = torch.zeros(2, 1, 8, 8, dtype=torch.float64)
    futures[0, ..., 3:], futures[1, ..., 5:] = 1, 1
    hedge = futures.mean(0, keepdim=True).expand(2, -1, -1, -1)
    decided = futures[:1].expand(2, -1, -1, -1)
    assert vp.lp_loss(hedge, futures, 2) < vp.lp_loss(decided, futures, 2)
    torch.testing.assert_close(vp.lp_loss(hedge, futures, 1), vp.lp_loss(decided, futures, 1))
    assert vp.gdl_loss(hedge, futures, 2) == vp.gdl_loss(decided, futures, 2) / 2
    assert vp.gdl_loss(hedge, futures, 0.5) > vp.gdl_loss(decided, futures, 0.5)


def test_gradient_difference_is_blind_to_an_offset_and_to_the_sign_of_edges():
    image = images(2, 3, 6, 5)
    assert vp.gdl_loss(image + 0.3, image) < 1e-12
    assert vp.gdl_loss(1 - image, image) < 1e-12
    assert vp.gdl_loss(0.5 * image, image) > 1


@pytest.mark.parametrize("alpha", [1, 2, 1.5])
def test_gradient_difference_is_the_papers_double_sum(alpha):
    pred, target = images(4, 5), images(4, 5, seed=1)
    total = 0.0
    for i in range(4):
        for j in range(5):
            if i > 0:
                total += abs(abs(target[i, j] - target[i - 1, j]) - abs(pred[i, j] - pred[i - 1, j])) ** alpha
            if j > 0:
                total += abs(abs(target[i, j] - target[i, j - 1]) - abs(pred[i, j] - pred[i, j - 1])) ** alpha
    torch.testing.assert_close(vp.gdl_loss(pred, target, alpha), total)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_lp_is_a_sum_of_powers_over_all_pixels(p):
    pred, target = images(2, 3, 4, 4), images(2, 3, 4, 4, seed=1)
    torch.testing.assert_close(vp.lp_loss(pred, target, p), ((pred - target).abs() ** p).sum())


def test_psnr_falls_by_twenty_decibels_when_the_error_grows_tenfold():
    image, noise = images(1, 1, 8, 8), images(1, 1, 8, 8, seed=1)
    near, far = vp.psnr(image + 0.01 * noise, image), vp.psnr(image + 0.1 * noise, image)
    torch.testing.assert_close(near - far, torch.tensor(20.0, dtype=near.dtype))
    wide = vp.psnr(2 * image + 0.02 * noise, 2 * image, max=2)
    torch.testing.assert_close(wide, near)


def test_sharpness_tells_a_blurred_image_from_a_shifted_one():
    """The measure the paper adds because PSNR does not see blur."""
    image = (images(1, 1, 16, 16) > 0.5).double()
    blurred = F.avg_pool2d(image, 3, stride=1, padding=1)
    assert vp.psnr(blurred, image) > vp.psnr(image.roll(1, -1), image)
    assert vp.sharpness_diff(blurred, image) < vp.sharpness_diff(image + 0.2, image)


@pytest.mark.parametrize("measure", [vp.gdl_loss, vp.lp_loss, vp.psnr, vp.sharpness_diff])
def test_losses_keep_the_dtype_compile_and_bear_half_precision(measure):
    pred, target = images(2, 3, 8, 8), images(2, 3, 8, 8, seed=1)
    exact = measure(pred, target)
    assert exact.dtype == torch.float64
    assert measure(pred.float(), target.float()).dtype == torch.float32
    compiled = torch.compile(measure, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(pred, target), exact)
    with torch.autocast("cpu", torch.bfloat16):
        half = measure(pred.bfloat16(), target.bfloat16())
    torch.testing.assert_close(half.double(), exact, rtol=0.05, atol=0)


def test_wrong_calls_are_refused():
    with pytest.raises(ValueError, match="differ"):
        vp.gdl_loss(images(1, 3, 8, 8), images(3, 8, 8))
    with pytest.raises(ValueError, match="positive"):
        vp.lp_loss(images(1, 3, 8, 8), images(1, 3, 8, 8), 0)
    with pytest.raises(ValueError, match="multiples of 4"):
        vp.pyramid(images(1, 3, 8, 6), 3)
    with pytest.raises(ValueError, match="at least 5 frames"):
        vp.clip_views(images(1, 3, 4, 32, 32), generator())
    with pytest.raises(ValueError, match="clip_views"):
        vp.training_step(small_model(), images(1, 3, 7, 32, 32), 0, 1)


# Coarse to fine


def small_model(seed=0):
    torch.manual_seed(seed)
    return vp.build()


def moving_clips(B=4, T=6, side=32, seed=0):
    """Smooth patterns that move one pixel to the right per frame."""
    pattern = torch.rand(B, 3, side, side, generator=generator(seed))
    pattern = F.interpolate(F.avg_pool2d(pattern, 4), scale_factor=4, mode="bilinear")
    return torch.stack([pattern.roll(t, dims=-1) for t in range(T)], dim=2)


def batch(seed=0):
    return vp.clip_views(moving_clips(seed=seed), generator(seed))


def test_the_pyramid_ends_at_the_image_and_each_level_is_half_the_next():
    image = images(2, 3, 16, 8)
    levels = vp.pyramid(image, 3)
    assert [tuple(level.shape[-2:]) for level in levels] == [(4, 2), (8, 4), (16, 8)]
    assert levels[-1] is image
    torch.testing.assert_close(levels[0].mean(), image.mean())
    torch.testing.assert_close(levels[1][..., 0, 0], image[..., :2, :2].mean(dim=(-2, -1)))


def test_a_finer_scale_only_corrects_the_coarser_prediction():
    """Networks that say nothing leave the coarsest guess, enlarged (and tanh at the end)."""
    model = small_model().generator
    context = torch.rand(2, 12, 32, 32, generator=generator())
    for net in model.scales[1:]:
        torch.nn.init.zeros_(net[-1].weight), torch.nn.init.zeros_(net[-1].bias)
    coarse, middle, fine = model(context)
    assert coarse.shape == (2, 3, 8, 8)
    torch.testing.assert_close(middle, vp.doubled(coarse))
    torch.testing.assert_close(fine, vp.doubled(middle).tanh())


def test_each_finer_scale_sees_the_coarse_guess_beside_its_own_frames():
    seen = []
    model = small_model().generator
    for net in model.scales:
        net.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    context = torch.rand(2, 12, 32, 32, generator=generator())
    predictions = model(context)
    for level, given in enumerate(seen):
        torch.testing.assert_close(given[:, :12], vp.pyramid(context, 3)[level])
    torch.testing.assert_close(seen[1][:, 12:], vp.doubled(predictions[0]))
    torch.testing.assert_close(seen[2][:, 12:], vp.doubled(predictions[1]))


def test_a_correction_is_learnt_as_the_papers_laplacian_residual():
    """Were every net perfect, the sum of corrections would be the image again."""
    image = images(1, 3, 16, 16)
    levels = vp.pyramid(image, 3)
    rebuilt = levels[0]
    for finer in levels[1:]:
        rebuilt = vp.doubled(rebuilt) + (finer - vp.doubled(rebuilt))
    torch.testing.assert_close(rebuilt, image)
    inner = vp.doubled(torch.arange(8.0).expand(1, 1, 4, 8))[0, 0, 3, 1:-1]
    torch.testing.assert_close(inner, torch.arange(14) / 2 + 0.25)


def test_predicting_several_frames_feeds_predictions_back():
    model, context = small_model(), torch.rand(2, 12, 32, 32, generator=generator())
    ahead = vp.predict(model, context, 2)
    first = model.generator(context)[-1]
    second = model.generator(torch.cat([context[:, 3:], first], dim=1))[-1]
    torch.testing.assert_close(ahead, torch.stack([first, second], dim=2))


# Adversarial training


def test_a_discriminator_that_does_not_know_pays_log_two_per_scale_and_class():
    unsure = torch.zeros(3, 5, dtype=torch.float64)
    torch.testing.assert_close(vp.discriminator_loss(unsure, unsure), 6 * torch.tensor(2.0, dtype=torch.float64).log())
    sure = torch.full((3, 5), 30.0)
    assert vp.discriminator_loss(sure, -sure) < 1e-9
    assert vp.discriminator_loss(-sure, sure) > 100
    assert vp.adversarial_loss(sure, True) < 1e-9


def test_the_combined_loss_weighs_its_three_terms_per_clip():
    pred, target, logits = images(4, 3, 8, 8), images(4, 3, 8, 8, seed=1), images(2, 4)
    config = vp.Config(p=2, alpha=2, weight_adv=0.1, weight_lp=3, weight_gdl=5)
    parts = vp.adversarial_loss(logits, True), ((pred - target) ** 2).sum() / 4, vp.gdl_loss(pred, target, 2) / 4
    expected = 0.1 * parts[0] + 3 * parts[1] + 5 * parts[2]
    torch.testing.assert_close(vp.generator_loss(pred, target, logits, config), expected)


def gradients(network):
    return {n: p.grad for n, p in network.named_parameters() if p.grad is not None}


def test_neither_networks_loss_reaches_the_other():
    """One sum trains both exactly as two optimisers with two losses would."""
    model = small_model()
    context, target = vp.split(batch())
    predictions = model.generator(context)
    vp.training_step(model, batch(), 0, 1)[0].backward()
    together = {n: p.grad.clone() for n, p in model.named_parameters()}
    model.zero_grad()
    logits = model.discriminator(context, predictions)
    vp.generator_loss(predictions[-1], target, logits).backward()
    for name, grad in gradients(model.generator).items():
        torch.testing.assert_close(together[f"generator.{name}"], grad)
    model.zero_grad()
    filmed = model.discriminator(context, vp.pyramid(target, 3))
    fake = model.discriminator(context, [y.detach() for y in predictions])
    vp.discriminator_loss(filmed, fake).backward()
    assert not gradients(model.generator)
    for name, grad in gradients(model.discriminator).items():
        torch.testing.assert_close(together[f"discriminator.{name}"], grad)


def test_every_scale_is_judged_with_its_context():
    model = small_model()
    context, target = vp.split(batch())
    seen = []
    for net in model.discriminator.scales:
        net.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    logits = model.discriminator(context, vp.pyramid(target, 3))
    assert logits.shape == (3, 4)
    for level, given in enumerate(seen):
        torch.testing.assert_close(given, vp.pyramid(torch.cat([context, target], dim=1), 3)[level])


# Data and training


def test_views_are_stretches_of_neighbouring_frames_between_minus_one_and_one():
    t = torch.arange(9.0).view(1, 1, 9, 1, 1).expand(64, 3, 9, 40, 40) / 8
    views = vp.clip_views(t, generator())
    assert views.shape == (64, 3, 5, 32, 32)
    torch.testing.assert_close(views.diff(dim=2), torch.full_like(views[:, :, 1:], 0.25))
    starts = {round(float(v)) for v in (views[:, 0, 0, 0, 0] + 1) * 4}
    assert starts == {0, 1, 2, 3, 4}
    assert torch.equal(views, vp.clip_views(t, generator()))


def test_half_of_the_clips_are_mirrored_all_frames_alike():
    ramp = torch.linspace(0, 1, 32).expand(200, 3, 5, 32, 32)
    rising = vp.clip_views(ramp, generator()).diff(dim=-1).mean(dim=(1, 3, 4)) > 0
    assert (rising == rising[:, :1]).all()
    assert 0.4 < rising.double().mean() < 0.6


def test_the_last_frame_is_the_target_and_the_others_stay_in_order():
    clips = torch.arange(5.0).view(1, 1, 5, 1, 1).expand(2, 3, 5, 4, 4)
    context, target = vp.split(clips)
    assert context[0, :, 0, 0].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert target.unique().tolist() == [4]


def test_a_short_training_nears_the_next_frame():
    model = small_model()
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    watched = []
    for step in range(16):
        loss, seen = vp.training_step(model, batch(), step, 16)
        optimiser.zero_grad(), loss.backward(), optimiser.step()
        watched.append(seen)
    assert watched[-1]["psnr"] > watched[0]["psnr"] + 3
    assert watched[-1]["loss_d"] < watched[0]["loss_d"]
