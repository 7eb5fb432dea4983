"""ELo against numbers derived from its formulas, then against what the paper says."""

import math

import pytest
import torch
import torch.nn.functional as F

from reference_impls import elo
from tests.reference_impls.golden import cases


@pytest.mark.parametrize("case", cases("elo", function="zipf_kl"), ids=str)
def test_zipf_matching_equals_the_derived_numbers(case):
    x, centroids, s = case["x"], case["centroids"], case.params["s"]
    p = elo.cluster_shares(x, centroids)
    ours = {
        "p": p, "q": elo.zipf(len(centroids), s, p),
        "kl_sorted": elo.zipf_kl(x, centroids, s), "kl_as_given": elo.zipf_kl(x, centroids, s, sort=False),
    }
    case.check(**{name: ours[name] for name in case.card["outputs"]})


@pytest.mark.parametrize("case", cases("elo", function="elo_total_loss"), ids=str)
def test_total_loss_equals_the_derived_numbers(case):
    main, aux = case["main"], case["aux"]
    ours = {
        "distill": torch.stack([elo.distillation(m, a) for m, a in zip(main, aux, strict=True)]),
        "total": elo.elo_total_loss(case["task_losses"], case["lambdas"], main, aux, case["lambda_d"]),
    }
    case.check(**{name: ours[name] for name in case.card["outputs"]})


def rand(*shape, seed=0):
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# The loss


def test_each_task_and_each_distillation_counts_by_its_weight():
    losses, main, aux = rand(2, 3), rand(2, 4, 5), rand(2, 4, 5, seed=1)
    pick = torch.zeros(2, 3, dtype=torch.float64)
    pick[1, 2] = 0.5
    none, second = torch.zeros(2), torch.tensor([0.0, 0.25])
    torch.testing.assert_close(elo.elo_total_loss(losses, pick, main, aux, none), losses[1, 2] / 2)
    only = elo.elo_total_loss(losses, 0 * pick, main, aux, second.double())
    torch.testing.assert_close(only, ((main[1] - aux[1]) ** 2).sum().sqrt() / 4)


def test_equal_activations_cost_nothing_and_give_no_broken_gradient():
    main = rand(4, 5).requires_grad_()
    distance = elo.distillation(main, main.detach())
    distance.backward()
    assert distance == 0
    assert torch.equal(main.grad, torch.zeros_like(main))


def test_agreement_wants_the_same_clip_near_and_the_next_one_a_margin_away():
    z = torch.eye(4, dtype=torch.float64)
    assert elo.agreement_loss(z, 3 * z) == 0
    assert elo.agreement_loss(z, z.roll(-1, dims=0)) == 2 + 1
    z, other = rand(4, 6), rand(4, 6, seed=1)
    unit, unit_other = F.normalize(z, dim=1), F.normalize(other, dim=1)
    expected = 0.0
    for i in range(4):
        near, far = (((unit[i] - unit_other[j]) ** 2).sum() for j in (i, i - 1))
        expected += near + max(0, 1 - far)
    torch.testing.assert_close(elo.agreement_loss(z, other), expected / 4)


def total(losses, main, aux):
    return elo.elo_total_loss(losses, losses, main, aux, losses[:, 0])


def matching(x, y, c):
    return elo.zipf_kl(x + y.mean(), c[:, 0] + y.mean())


@pytest.mark.parametrize("loss", [total, matching])
def test_losses_keep_the_dtype_compile_and_bear_half_precision(loss):
    given = [rand(2, 3), rand(2, 4, 3), rand(2, 4, 3, seed=1)]
    exact = loss(*given)
    assert exact.dtype == torch.float64
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*given), exact)
    with torch.autocast("cpu", torch.bfloat16):
        half = loss(*[x.bfloat16() for x in given])
    torch.testing.assert_close(half.double(), exact, rtol=0.05, atol=0.05)


# Fitness


def test_shares_are_softmaxes_of_squared_distances():
    x, c = rand(7, 3), rand(4, 3, seed=1)
    by_hand = torch.softmax(-torch.cdist(x, c).square(), dim=1).mean(dim=0)
    torch.testing.assert_close(elo.cluster_shares(x, c), by_hand)


def test_clusters_that_follow_zipfs_law_are_the_fittest():
    """12, 6, 4 and 3 points, each far from all others' places: shares of 1, 1/2, 1/3, 1/4."""
    centroids = 20 * torch.eye(4, dtype=torch.float64)
    x = torch.cat([centroids[i].expand(n, 4) for i, n in enumerate((12, 6, 4, 3))])
    assert elo.zipf_kl(x, centroids) < 1e-9
    assert elo.zipf_kl(x, centroids.flip(0)) < 1e-9
    assert elo.zipf_kl(x, centroids.flip(0), sort=False) > 0.1
    even = torch.cat([centroids[i].expand(6, 4) for i in range(4)])
    assert elo.zipf_kl(even, centroids) > 0.05
    one = centroids[:1].expand(24, 4)
    torch.testing.assert_close(elo.zipf_kl(one, centroids), -elo.zipf(4, 1.0, one)[0].log())


def test_the_divergence_is_taken_from_p_to_q():
    x, c = rand(20, 3), 3 * rand(5, 3, seed=1)
    p = elo.cluster_shares(x, c).sort(descending=True).values
    q = torch.tensor([1 / (i + 1) for i in range(5)], dtype=torch.float64)
    q = q / q.sum()
    torch.testing.assert_close(elo.zipf_kl(x, c), F.kl_div(q.log(), p, reduction="sum"))


# Evolution


def planted(best):
    return lambda genes: -(genes - best).square().sum().item()


def test_evolution_beats_random_search_at_the_same_budget():
    best = torch.rand(14, generator=generator(9))
    pairs = [
        (elo.evolve(planted(best), 14, 300, generator(s)), elo.random_search(planted(best), 14, 300, generator(s)))
        for s in range(5)
    ]
    assert all(ga.fitness > random.fitness for ga, random in pairs)
    assert sum(ga.fitness for ga, _ in pairs) > 0.5 * sum(random.fitness for _, random in pairs)
    assert all(((ga.genes >= 0) & (ga.genes <= 1)).all() for ga, _ in pairs)


@pytest.mark.parametrize("search", [elo.evolve, elo.random_search])
def test_a_search_spends_its_budget_and_returns_the_best_it_saw(search):
    seen = []

    def fitness(genes):
        seen.append((planted(0.3)(genes), genes.clone()))
        return seen[-1][0]

    found = search(fitness, 5, 60, generator())
    assert len(seen) == len(found.history) == 60
    best, genes = max(seen, key=lambda one: one[0])
    assert found.fitness == best == found.history[-1]
    assert torch.equal(found.genes, genes)
    assert found.history == [max(score for score, _ in seen[: i + 1]) for i in range(60)]
    again = search(planted(0.3), 5, 60, generator())
    assert torch.equal(again.genes, found.genes)


def test_a_child_differs_from_one_of_the_living_in_one_weight():
    seen = []
    elo.evolve(lambda g: seen.append(g.clone()) or float(len(seen)), 8, 40, generator(), population=6, tournament=3)
    for i, child in enumerate(seen[6:], start=6):
        differences = [int((child != other).sum()) for other in seen[:i]]
        assert min(differences) == 1


def test_the_worst_of_a_tournament_dies_and_its_best_has_the_child():
    """With everybody in the tournament, the living are always the best ever seen."""
    seen = []

    def fitness(genes):
        seen.append(planted(0.5)(genes))
        return seen[-1]

    found = elo.evolve(fitness, 2, 200, generator(), population=4, tournament=4)
    assert found.fitness > -1e-3
    assert sum(seen[100:]) / 100 > sum(seen[:4]) / 4


# Data, model, training


def clips(B=4, T=18, side=36, seed=0):
    picture = torch.rand(B, 3, side // 4, side // 4, generator=generator(seed))
    picture = F.interpolate(picture, scale_factor=4, mode="bilinear")
    return torch.stack([picture.roll(t, dims=-1) for t in range(T)], dim=2)


def batch(seed=0):
    return elo.clip_views(clips(), generator(seed))


def small(seed=0):
    torch.manual_seed(seed)
    return elo.build()


def test_half_of_the_orders_are_true_and_the_others_are_permutations():
    b = elo.clip_views(clips(B=8), generator())
    assert b.clips.shape == (8, 3, 16, 32, 32)
    assert b.in_order.sum() == 4
    for order, true in zip(b.shuffled.tolist(), b.in_order.tolist(), strict=True):
        assert sorted(order) == list(range(8))
        assert (order == list(range(8))) == bool(true)


def test_modalities_show_colour_light_and_movement():
    x = clips(T=5)
    torch.testing.assert_close(elo.modality("rgb", x), 2 * x - 1)
    assert elo.modality("grey", x).shape == (4, 1, 5, 36, 36)
    movement = elo.modality("difference", x)
    torch.testing.assert_close(movement[:, :, 1], x[:, :, 2] - x[:, :, 1])
    assert not movement[:, :, -1].any()
    assert not elo.modality("difference", x[:, :, :1].expand(-1, -1, 5, -1, -1)).any()


def test_each_place_of_a_map_draws_its_own_cell_of_pixels():
    net = small().nets["rgb"]
    cells = torch.arange(4 * 8 * 8).view(1, 1, 4, 8, 8).expand(1, math.prod(net.cell), 4, 8, 8)
    frames = net.frames(cells)
    assert frames.shape == (1, 3, 8, 32, 32)
    for t, y, x in [(0, 0, 0), (7, 31, 31), (3, 10, 21)]:
        assert frames[0, 0, t, y, x] == (t // 2) * 64 + (y // 4) * 8 + x // 4


def test_tasks_compare_the_answers_with_the_right_things():
    """Losses recomputed from each network's answers."""
    model, b = small(), batch()
    past, future = b.clips[:, :, :8], b.clips[:, :, 8:]
    shown = torch.stack([clip[:, order] for clip, order in zip(past, b.shuffled, strict=True)])
    answers = {n: net(elo.modality(n, past), elo.modality(n, shown)) for n, net in model.nets.items()}
    losses, pooled = model(b)
    assert losses.shape == (3, 4)
    for row, (name, a) in enumerate(answers.items()):
        torch.testing.assert_close(losses[row, 0], (a.past - elo.modality(name, past)).square().mean())
        torch.testing.assert_close(losses[row, 1], (a.future - elo.modality(name, future)).square().mean())
        chance = a.order.sigmoid()
        right = torch.where(b.in_order == 1, chance, 1 - chance)
        torch.testing.assert_close(losses[row, 2], -right.log().mean())
        other = answers["rgb" if row else "grey"].z
        torch.testing.assert_close(losses[row, 3], elo.agreement_loss(a.z, other))
        torch.testing.assert_close(pooled[row], a.pooled)


def test_weights_of_zero_switch_tasks_off_and_distillation_moves_colour_alone():
    model, b = small(), batch()
    genes = torch.zeros(14)
    genes[12:] = 1
    model.weigh(genes)
    loss, _ = elo.training_step(model, b, 0, 10)
    _, (main, grey, difference) = model(b)
    torch.testing.assert_close(loss, (main - grey).norm() + (main - difference).norm())
    loss.backward()
    moved = {n: any(p.grad is not None and bool(p.grad.any()) for p in net.parameters()) for n, net in model.nets.items()}
    assert moved == {"rgb": True, "grey": False, "difference": False}


def test_weights_are_laid_out_task_by_task():
    model = small()
    model.weigh(torch.arange(14) / 14)
    torch.testing.assert_close(model.lambdas, torch.arange(12).view(3, 4) / 14)
    torch.testing.assert_close(model.lambda_d, torch.tensor([12.0, 13.0]) / 14)


def test_a_short_training_lowers_every_task_and_can_be_judged_without_labels():
    model, b = small(), batch()
    learner = torch.optim.Adam(model.parameters(), lr=3e-3)
    watched = []
    for step in range(10):
        loss, seen = elo.training_step(model, b, step, 10)
        learner.zero_grad(), loss.backward(), learner.step()
        watched.append(seen)
    assert all(watched[-1][task] < watched[0][task] for task in ("loss", *elo.TASKS))
    many = clips(B=12, T=8, side=32)
    fitness = elo.judge(model.eval(), many, generator())
    assert -math.log(12) < fitness <= 0
    assert fitness == elo.judge(model, many, generator())


def test_wrong_calls_are_refused():
    with pytest.raises(ValueError, match=r"\(M, T\)"):
        elo.elo_total_loss(rand(2, 3), rand(3, 2), [], [], rand(0))
    with pytest.raises(ValueError, match="as many of each"):
        elo.elo_total_loss(rand(2, 3), rand(2, 3), rand(1, 4), rand(1, 4), rand(2))
    with pytest.raises(ValueError, match=r"\(k, D\)"):
        elo.zipf_kl(rand(5, 3), rand(2, 4))
    with pytest.raises(ValueError, match="grow in this order"):
        elo.evolve(lambda g: 0.0, 3, 10, generator())
    with pytest.raises(ValueError, match="have 14"):
        small().weigh(torch.ones(3))
    with pytest.raises(ValueError, match="difference"):
        elo.modality("flow", rand(1, 3, 2, 4, 4))
    with pytest.raises(ValueError, match="at least"):
        elo.clip_views(rand(1, 3, 4, 32, 32), generator())
