"""ImageNet-CoG's protocol against its authors' numbers, then against what the paper says."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reference_impls import cog
from reference_impls.knn import topk_accuracy
from tests.reference_impls.golden import cases


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("case", cases("cog", function="few_shot_indices"), ids=str)
def test_samples_equal_upstream(case):
    y, seed = case["y"], case.params["seed"]
    few = cog.few_shot_indices(y, case.params["n_shot"], generator(seed))
    _, val = cog.split_train_val(y, case.params["p_val"], generator(seed), sliced=True)
    case.check(fewshot_idx=few, fewshot_y=y[few], val_idx=val, x_norm=cog.l2_normalize(case["x"]))


@pytest.mark.parametrize("case", cases("cog", function="train_linear_classifier"), ids=str)
def test_training_equals_upstream(case):
    how, X = case.params, case["x"]
    batch = len(X) if how["batch_size"] == "full" else how["batch_size"]
    W, b, history = cog.train_linear_classifier(
        X, case["y"], case["x_test"], how["lr"], how["wd"], how["epochs"], how["momentum"], batch,
        case["w0"], case["b0"], late=True,
    )
    top1, top2 = topk_accuracy(history.logits, case["y_test"], topk=(1, 2))
    case.check(weight=W, bias=b, train_loss=torch.tensor(history.losses, dtype=torch.float64),
               lr_per_epoch_after=torch.tensor(cog.cosine_lrs(how["lr"], how["epochs"]), dtype=torch.float64),
               top1=torch.tensor(top1), top2=torch.tensor(top2))


# Levels


TREE = {
    "thing": [], "animal": ["thing"], "tool": ["thing"], "dog": ["animal"], "cat": ["animal"],
    "poodle": ["dog"], "hound": ["dog"], "hammer": ["tool"], "toy": ["tool", "animal"],
}
IC = cog.information_content(TREE, dict.fromkeys(TREE, 1.0))


def test_information_grows_down_the_tree_and_the_root_says_nothing():
    assert IC["thing"] == 0
    assert IC["animal"] == pytest.approx(-math.log(6 / 9))
    assert IC["poodle"] == pytest.approx(math.log(9))
    assert IC["thing"] < IC["animal"] < IC["dog"] < IC["poodle"]


def test_lin_similarity_is_shared_information_over_all():
    def lin(a, b):
        return cog.lin_similarity(a, b, TREE, IC)

    assert lin("dog", "dog") == 1
    assert lin("poodle", "hammer") == 0
    assert lin("poodle", "hound") == pytest.approx(2 * IC["dog"] / (IC["poodle"] + IC["hound"]))
    assert lin("poodle", "hound") == lin("hound", "poodle") > lin("poodle", "cat")


def test_of_two_common_ancestors_the_more_telling_counts():
    assert cog.lin_similarity("toy", "hammer", TREE, IC) == pytest.approx(2 * IC["tool"] / (IC["toy"] + IC["hammer"]))
    assert cog.lin_similarity("toy", "cat", TREE, IC) == pytest.approx(2 * IC["animal"] / (IC["toy"] + IC["cat"]))


def test_levels_go_from_the_nearest_concepts_to_the_farthest():
    levels = cog.concept_levels(["hammer", "cat", "hound"], ["poodle"], TREE, IC, n_levels=3)
    assert levels == [["hound"], ["cat"], ["hammer"]]
    both = cog.concept_levels(["hammer", "cat"], ["poodle", "tool"], TREE, IC, n_levels=2)
    assert both == [["hammer"], ["cat"]]


# Samples


LABELS = torch.tensor([2, 0, 1] * 7 + [0, 1, 2, 2])


def test_few_shots_are_different_images_with_as_many_of_every_class():
    few = cog.few_shot_indices(LABELS, 3, generator())
    assert len(few.unique()) == 9
    assert LABELS[few].tolist() == [0] * 3 + [1] * 3 + [2] * 3
    assert not torch.equal(few, cog.few_shot_indices(LABELS, 3, generator(1)))


def test_train_and_validation_part_every_class_and_share_no_image():
    train, val = cog.split_train_val(LABELS, 0.25, generator())
    assert sorted(torch.cat([train, val]).tolist()) == list(range(len(LABELS)))
    assert LABELS[val].bincount().tolist() == [2, 2, 2]


def test_a_class_too_small_to_part_stays_whole_in_training():
    train, val = cog.split_train_val(torch.tensor([0, 0, 1, 1, 1, 1, 1]), 0.2, generator())
    assert len(train) == 6
    assert len(val) == 1


def test_or_whole_in_validation_as_upstreams_slice_has_it():
    labels = torch.tensor([0, 0, 1, 1, 1, 1, 1])
    train, val = cog.split_train_val(labels, 0.2, generator(), sliced=True)
    assert labels[train].tolist() == [1] * 4
    assert sorted(labels[val].tolist()) == [0, 0, 1]


# The classifier


def clusters(N=90, M=60, D=8, C=3, spread=0.4, seed=0):
    g = generator(seed)
    centres, y = torch.randn(C, D, dtype=torch.float64, generator=g), torch.arange(N + M) % C
    X = centres[y] + spread * torch.randn(N + M, D, dtype=torch.float64, generator=g)
    return cog.FeatureSet(X[:N], y[:N], X[N:], y[N:])


def test_it_is_what_autograd_and_torch_sgd_do():
    data = clusters()
    torch.manual_seed(0)
    layer = nn.Linear(8, 3).double()
    w0, b0 = layer.weight.detach().clone(), layer.bias.detach().clone()
    sgd = torch.optim.SGD(layer.parameters(), 1.0, momentum=0.8, weight_decay=0.01)
    losses = []
    for lr in cog.cosine_lrs(1.0, 6):
        sgd.param_groups[0]["lr"], total = lr, 0.0
        for x, y in zip(data.X.split(32), data.y.split(32), strict=True):
            loss = F.cross_entropy(layer(x), y)
            sgd.zero_grad(), loss.backward(), sgd.step()
            total += loss.item() * len(x)
        losses.append(total / len(data.X))
    W, b, history = cog.train_linear_classifier(*data[:3], 1.0, 0.01, 6, 0.8, 32, w0, b0)
    torch.testing.assert_close(W, layer.weight.detach())
    torch.testing.assert_close(b, layer.bias.detach())
    assert history.losses == pytest.approx(losses)
    torch.testing.assert_close(history.logits, layer(data.X_test).detach())


def test_trained_long_it_is_the_regression_that_scikit_learn_finds():
    """The decay is on the bias as well, as if it were the weight of a constant feature."""
    from sklearn.linear_model import LogisticRegression

    data, wd = clusters(spread=1.0), 0.02
    peer = LogisticRegression(C=1 / (wd * len(data.X)), fit_intercept=False, tol=1e-10, max_iter=1000)
    peer.fit(torch.cat([data.X, torch.ones(len(data.X), 1)], 1).numpy(), data.y.numpy())
    W, b, _ = cog.train_linear_classifier(*data[:3], 0.3, wd, 500)
    torch.testing.assert_close(torch.cat([W, b[:, None]], 1), torch.from_numpy(peer.coef_), rtol=0, atol=1e-4)


def test_upstream_runs_one_epoch_late():
    data = clusters()
    on_time, late = (cog.train_linear_classifier(*data[:3], 2.0, 0.0, 4, late=late)[2].lrs for late in (False, True))
    assert on_time == cog.cosine_lrs(2.0, 4)
    assert late == [2.0, *on_time[:-1]]


def test_start_weights_are_left_alone_and_dtype_is_kept():
    data, w0, b0 = clusters(), torch.ones(3, 8, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    W, b, _ = cog.train_linear_classifier(*data[:3], 1.0, 0.0, 2, w0=w0, b0=b0)
    assert (w0 == 1).all()
    assert (b0 == 1).all()
    assert W.dtype == b.dtype == torch.float64
    assert not torch.equal(W, w0)


# The protocol


def test_rates_and_decays_are_spread_evenly_over_the_powers_of_ten():
    g = generator()
    drawn = torch.tensor([cog.log_uniform((1e-4, 1e2), g) for _ in range(600)]).log10()
    assert -4 <= drawn.min() < -3.9
    assert 1.9 < drawn.max() <= 2
    assert drawn.histc(6, -4, 2).min() > 70


def test_the_search_takes_the_rate_that_learns_and_never_sees_the_test_set(monkeypatch):
    data, seen = clusters(), []

    def fit(data, lr, wd, config, generator):
        seen.append(len(data.X))
        assert len(data.X_test) == 18
        return -abs(math.log(lr / 7))

    monkeypatch.setattr(cog, "fit", fit)
    config = cog.Config(trials=20)
    lr, _ = cog.search(data.X, data.y, 4, config, generator())
    assert 2 < lr < 25
    assert seen == [12] * 20


def test_more_shots_and_nearer_concepts_are_easier():
    sets = {"L1": clusters(spread=0.9, D=4), "L5": clusters(spread=3.0, D=4)}
    results = cog.cog_evaluate(sets, shots=(1, None))
    assert len(results) == 2 * 2 * len(cog.TINY.seeds)

    def mean(level, shots):
        found = [r.top1 for r in results if (r.level, r.shots) == (level, shots)]
        return sum(found) / len(found)

    assert mean("L1", None) > mean("L1", 1)
    assert mean("L1", None) > mean("L5", None) + 10
    assert results == cog.cog_evaluate(sets, shots=(1, None))


def test_the_protocol_makes_features_unit_length_itself():
    data = clusters()
    scaled = data._replace(X=50 * data.X, X_test=0.1 * data.X_test)
    kept, changed = (cog.cog_evaluate({"L1": d}, shots=(2,)) for d in (data, scaled))
    assert [r.top1 for r in kept] == [r.top1 for r in changed]
    norms = cog.l2_normalize(data.X).norm(dim=1)
    torch.testing.assert_close(norms, torch.ones_like(norms))


@pytest.mark.parametrize(
    ("call", "remedy"),
    [(lambda: cog.few_shot_indices(LABELS, 9, generator()), "smallest class"),
     (lambda: cog.few_shot_indices(LABELS, 0, generator()), "n_shot=0"),
     (lambda: cog.split_train_val(LABELS, 20, generator()), "between 0 and 1"),
     (lambda: cog.concept_levels(["cat"], ["dog"], TREE, IC), "do not fill"),
     (lambda: cog.train_linear_classifier(torch.rand(3, 4), LABELS[:3], torch.rand(2, 5), 1, 0), "one encoder")],
)
def test_wrong_calls_are_refused(call, remedy):
    with pytest.raises(ValueError, match=remedy):
        call()
