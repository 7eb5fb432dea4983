"""The collapse lab: what a switch takes away, and that taking it away shows."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from demos import runner, specs
from demos.pieces import collapse
from demos.pieces.collapse import Trial, squares
from demos.training.figures import rank
from reference_impls import byol, dino, simclr, simsiam

METHODS = ("byol", "simsiam", "dino")


@pytest.fixture
def trained(tmp_path):
    """train(method, **options): the numbers and the folder of a short lab."""

    def train(method: str, **options: object) -> tuple[dict, Path]:
        spec = specs.DEMOS[f"{method}_collapse"]
        chosen = {"steps": 20, **collapse.whole(spec), **options}
        result = runner.run(spec.name, method, [], chosen, tmp_path)
        return result.numbers, tmp_path

    return train


@pytest.fixture
def made(monkeypatch):
    """made(method, **options): the trial that the lab would train."""

    def make(method: str, **options: object) -> Trial:
        spec, caught = specs.DEMOS[f"{method}_collapse"], []
        monkeypatch.setattr(collapse, "run", lambda scene, lab: caught.append(lab))
        show = __import__(f"demos.shows.{spec.name}", fromlist=["show"]).show
        module = {"byol": byol, "simsiam": simsiam, "dino": dino}[method]
        show(type("Scene", (), {"module": module}))
        way = specs.check_options(spec, {**collapse.whole(spec), **options})
        return collapse.seeded(caught[0], way)

    return make


def views(method, count=2):
    generator = torch.Generator().manual_seed(1)
    if method == "dino":
        return dino.views(squares()[:8], generator, n_local=2)
    return simclr.two_views(squares()[:8], generator)


@pytest.mark.parametrize("method", METHODS)
def test_with_everything_on_there_is_only_the_papers_way(trained, method):
    numbers, out = trained(method)
    assert not any(name.endswith("_yours") for name in numbers)
    assert (out / "answers.png").is_file()


def test_the_loss_with_everything_on_is_the_modules_own(made):
    pair = views("byol")
    trial = made("byol")
    assert trial.loss(pair, 0, 9)[0] == byol.byol_loss(*trial.model(*pair))
    trial = made("simsiam")
    assert trial.loss(pair, 0, 9)[0] == simsiam.simsiam_loss(*trial.model(*pair))
    trial, crops = made("dino"), views("dino")
    torch.testing.assert_close(
        trial.loss(crops, 0, 9)[0], made("dino").model.loss(*trial.model(crops), 0)
    )


def test_without_stop_gradient_byol_learns_through_both_sides(made):
    pair = views("byol")
    trial = made("byol", stop_gradient=False, predictor=False)
    with torch.no_grad():  # so that a loss which still asks the target is another one
        for parameter in trial.model.target.parameters():
            parameter.add_(torch.randn_like(parameter))
    loss = trial.loss(pair, 0, 9)[0]
    z1, z2 = trial.model.online(pair[0]), trial.model.online(pair[1])
    torch.testing.assert_close(loss, 2 * byol.regression_loss(z1, z2).mean())
    before = [p.clone() for p in trial.model.target.parameters()]
    trial.step(pair, 0, 9)
    after = list(trial.model.target.parameters())
    assert not all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("method", ["byol", "simsiam"])
def test_a_part_that_is_switched_off_is_gone(made, method):
    whole, bare = made(method), made(method, batch_norm=False, predictor=False)
    norms = [m for m in bare.model.modules() if isinstance(m, nn.BatchNorm1d)]
    assert norms == []
    assert any(isinstance(m, nn.BatchNorm1d) for m in whole.model.modules())
    x = torch.rand(3, 64)
    assert torch.equal(bare.model.predictor(x), x)
    assert whole.optimiser.param_groups[0]["weight_decay"] > 0
    without = made(method, weight_decay=False)
    assert without.optimiser.param_groups[0]["weight_decay"] == 0


@pytest.mark.parametrize("method", ["byol", "dino"])
def test_the_second_network_follows_as_it_is_told(made, method):
    def pair(trial):
        sides = ("target", "online") if method == "byol" else ("teacher", "student")
        return (list(getattr(trial.model, side).parameters()) for side in sides)

    distances = {}
    for how in ("an average", "a copy", "frozen"):
        trial = made(method, target=how)
        first = [p.clone() for p in next(iter(pair(trial)))]
        trial.step(views(method), 1, 9)
        target, online = pair(trial)
        distances[how] = [
            sum((a - b).norm().item() for a, b in zip(target, other, strict=True))
            for other in (first, online)
        ]
    assert distances["a copy"][1] < 1e-5
    assert distances["frozen"][0] == 0
    assert 0 < distances["an average"][0] < distances["an average"][1]


def test_without_centring_dinos_centre_stays_and_without_sharpening_all_is_warm(made):
    crops = views("dino")
    still, moving = made("dino", centring=False), made("dino")
    for trial in (still, moving):
        trial.step(crops, 0, 9)
    assert not still.model.loss.center.any()
    assert moving.model.loss.center.any()
    flat = made("dino", sharpening=False).model.loss
    assert set(flat.teacher_temp_schedule) == {flat.student_temp}


def test_byol_without_stop_gradient_collapses_beside_the_papers_way(trained):
    numbers, out = trained("byol", stop_gradient=False, steps=40)
    paper, yours = numbers["spread_paper"], numbers["spread_yours"]
    assert yours < 0.3
    assert 2 * yours < paper
    with np.load(out / "series.npz") as series:
        # Both start from the same weights, so the first answers are alike.
        assert abs(series["spread_0"][0, 1] - series["spread_1"][0, 1]) < 0.1
        assert series["loss_1"][-1, 1] < 0.5 < series["loss_0"][-1, 1]
    with Image.open(out / "answers.png") as table:
        whole = np.asarray(table.convert("RGB")).astype(int)
    orange = abs(whole - (255, 157, 60)).sum(-1) < 90  # cells that say nearly 1
    upper, lower = np.array_split(orange, 2)
    assert lower.mean() > 1.5 * upper.mean()


def test_what_is_switched_off_is_named():
    spec = specs.DEMOS["byol_collapse"]
    options = specs.check_options(spec, {"predictor": False, "target": "a copy"})
    assert collapse.changed(spec, options) == "without stop-gradient, predictor; the target is a copy"


def test_the_rank_counts_directions():
    turned = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(0)))[0]
    both = torch.cat([turned[:3], -turned[:3]])
    assert rank(both) == pytest.approx(3, abs=1e-4)
    assert rank(torch.ones(5, 4)) == 0


@pytest.mark.parametrize("method", METHODS)
def test_networks_and_pictures_are_on_the_device_that_the_result_names(method, trained, monkeypatch):
    trials, seeded, pictures = [], collapse.seeded, []

    def views(images, generator, **_):
        pictures.append(images)
        raise InterruptedError  # nothing can be computed on this device

    module = {"byol": byol, "simsiam": simsiam, "dino": dino}[method]
    monkeypatch.setattr(runner, "device", lambda: torch.device("meta"))
    monkeypatch.setattr(collapse, "seeded", lambda *way: trials.append(seeded(*way)) or trials[-1])
    monkeypatch.setattr(module, "views", views)
    with pytest.raises(InterruptedError):
        trained(method)
    weights = [p for trial in trials for p in trial.model.parameters()]
    assert weights
    assert {str(one.device) for one in pictures + weights} == {"meta"}
