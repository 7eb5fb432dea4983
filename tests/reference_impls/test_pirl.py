"""PIRL against its authors' numbers, then against what the paper says."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reference_impls import pirl
from tests.reference_impls.golden import cases
from tests.reference_impls.two_processes import on_two

SMALL = pirl.Config(instances=12, negatives=6, dim=8, img_size=32, patch_size=8, width=16, depth=1, heads=2)


@pytest.mark.parametrize("case", cases("pirl", function="pirl_loss"), ids=str)
def test_loss_memory_and_gradients_equal_upstream(case):
    params, memory = case.params, case["memory0"]
    assert params["eps"] == torch.finfo(torch.float32).eps
    Z = None if params["Z_init"] < 0 else params["Z_init"]
    seen = {name: [] for name in ("loss", "grad_v_patch", "grad_v_image", "memory", "Z")}
    for v_patch, v_image, index, neg_index in zip(
        case["v_patch"], case["v_image"], case["index"], case["neg_index"], strict=True
    ):
        v_patch.requires_grad_(), v_image.requires_grad_()
        loss, memory, Z = pirl.pirl_loss(
            v_patch, v_image, memory, index, neg_index, params["temperature"], Z,
            params["loss_type"], params["weights"], params["memory_momentum"],
        )
        loss.backward()
        # InfoNCE needs no Z; upstream stores what it was told.
        told = params["Z_init"] if Z is None else Z
        now = (loss, v_patch.grad, v_image.grad, memory, torch.as_tensor(told, dtype=memory.dtype))
        for name, value in zip(seen, now, strict=True):
            seen[name].append(value.detach().clone())
    case.check(**{name: torch.stack(values) for name, values in seen.items()})


# The loss


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def vectors(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=generator(seed))


@pytest.fixture
def call():
    """Four images, a memory of twenty rows, six negatives."""
    return {
        "v_patch": vectors(4, 8), "v_image": vectors(4, 8, seed=1),
        "memory": F.normalize(vectors(20, 8, seed=2), dim=1), "index": torch.tensor([3, 0, 19, 7]),
        "neg_index": torch.randint(20, (2, 4, 6), generator=generator()), "temperature": 0.5,
    }


def chance(v, row, temperature, Z):
    """exp(cosine / tau) / Z, from plain numbers."""
    return math.exp(float(F.cosine_similarity(v, row, dim=0)) / temperature) / Z


def test_nce_equals_a_loop_over_rows_of_memory(call):
    """Each row is judged alone: the own one as data, K others as noise of density K / N."""
    Z, c, eps, total = 30.0, 6 / 20, 2.0**-23, 0.0
    for term, v in enumerate((call["v_patch"], call["v_image"])):
        for i in range(4):
            own = chance(v[i], call["memory"][call["index"][i]], 0.5, Z)
            total -= 0.5 * math.log(own / (own + c + eps)) / 4
            for j in call["neg_index"][term, i]:
                total -= 0.5 * math.log(c / (chance(v[i], call["memory"][j], 0.5, Z) + c + eps)) / 4
    assert pirl.pirl_loss(**call, Z=Z)[0].item() == pytest.approx(total, rel=1e-9)


def test_z_is_set_by_the_first_jigsaws_and_then_stays(call):
    scores = [chance(call["v_patch"][i], call["memory"][j], 0.5, 1)
              for i in range(4) for j in [call["index"][i], *call["neg_index"][0, i]]]
    _, _, Z = pirl.pirl_loss(**call)
    assert float(Z) == pytest.approx(20 * sum(scores) / len(scores))
    assert pirl.pirl_loss(**(call | {"v_patch": call["v_image"]}), Z=Z)[2] == Z


def test_infonce_is_a_softmax_over_the_own_row_and_its_negatives(call):
    rows = torch.cat([call["index"][:, None], call["neg_index"][1]], dim=1)
    logits = torch.einsum("bd,bkd->bk", F.normalize(call["v_image"], dim=1), call["memory"][rows]) / 0.5
    loss, _, Z = pirl.pirl_loss(**call, loss_type="cross_entropy", weights=(0.0, 1.0))
    torch.testing.assert_close(loss, F.cross_entropy(logits, torch.zeros(4, dtype=torch.long)))
    assert Z is None


def test_weights_belong_to_jigsaw_and_image(call):
    patch, image, both = (pirl.pirl_loss(**call, Z=9.0, weights=w)[0] for w in [(1, 0), (0, 1), (0.3, 0.7)])
    assert patch != image
    torch.testing.assert_close(both, 0.3 * patch + 0.7 * image)
    changed = pirl.pirl_loss(**(call | {"v_image": call["v_patch"]}), Z=9.0, weights=(1, 0))[0]
    assert changed == patch


@pytest.mark.parametrize("momentum", [0.0, 0.5, 1.0])
def test_memory_remembers_the_image_and_not_the_jigsaw(call, momentum):
    before, index = call["memory"].clone(), call["index"]
    _, memory, _ = pirl.pirl_loss(**call, memory_momentum=momentum)
    moved = momentum * before[index] + (1 - momentum) * F.normalize(call["v_image"], dim=1)
    torch.testing.assert_close(memory[index], F.normalize(moved, dim=1))
    others = [i for i in range(20) if i not in index.tolist()]
    assert torch.equal(memory[others], before[others])
    assert torch.equal(call["memory"], before)


def test_no_gradient_reaches_the_memory(call):
    call["memory"].requires_grad_(), call["v_image"].requires_grad_(), call["v_patch"].requires_grad_()
    loss, memory, Z = pirl.pirl_loss(**call)
    loss.backward()
    assert call["memory"].grad is None
    assert not memory.requires_grad
    assert not Z.requires_grad


def test_loss_ignores_the_length_of_embeddings(call):
    longer = call | {"v_patch": 3 * call["v_patch"], "v_image": 0.1 * call["v_image"]}
    torch.testing.assert_close(pirl.pirl_loss(**longer)[0], pirl.pirl_loss(**call)[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("loss_type", ["nce", "cross_entropy"])
def test_dtype_is_kept(call, dtype, loss_type):
    call |= {name: call[name].to(dtype) for name in ("v_patch", "v_image", "memory")}
    loss, memory, _ = pirl.pirl_loss(**call, loss_type=loss_type)
    assert loss.dtype == memory.dtype == dtype


def test_single_precision_counts_thousands_of_negatives(call):
    """A sum of 4096 logarithms next to 4096 log c: what cancels is never added up."""
    call |= {"neg_index": torch.randint(20, (2, 4, 4096), generator=generator()), "Z": 1e6}
    single = call | {name: call[name].float() for name in ("v_patch", "v_image", "memory")}
    torch.testing.assert_close(pirl.pirl_loss(**single)[0].double(), pirl.pirl_loss(**call)[0], rtol=2e-6, atol=0)


@pytest.mark.parametrize("loss_type", ["nce", "cross_entropy"])
def test_loss_compiles_without_a_graph_break(call, loss_type):
    compiled = torch.compile(pirl.pirl_loss, fullgraph=True, backend="aot_eager")
    for ours, theirs in zip(compiled(**call, loss_type=loss_type), pirl.pirl_loss(**call, loss_type=loss_type), strict=True):
        torch.testing.assert_close(ours, theirs) if theirs is not None else None


def test_half_precision_contrasts_as_well_as_full(call):
    call |= {"memory": call["memory"].float(), "temperature": 0.07, "Z": 1e4}
    call |= {name: call[name].bfloat16() for name in ("v_patch", "v_image")}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        halved = pirl.pirl_loss(**call)[0]
    full = call | {name: call[name].float() for name in ("v_patch", "v_image")}
    torch.testing.assert_close(halved, pirl.pirl_loss(**full)[0])


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ({"v_image": torch.zeros(3, 8)}, r"both \(B, D\)"), ({"memory": torch.zeros(20, 4)}, r"memory \(N, D\)"),
        ({"neg_index": torch.zeros(4, 6, dtype=torch.long)}, r"\(2, 4, K\)"), ({"temperature": 0}, "above 0"),
        ({"loss_type": "triplet"}, "choose"),
    ],
)
def test_wrong_calls_say_what_to_do(call, wrong, remedy):
    with pytest.raises(ValueError, match=remedy):
        pirl.pirl_loss(**(call | wrong))


def test_images_too_small_or_beyond_the_memory_are_refused():
    with pytest.raises(ValueError, match="too small"):
        pirl.jigsaw_patches(torch.rand(1, 3, 12, 12), generator())
    with pytest.raises(ValueError, match=r"\(B, 3, H, W\)"):
        pirl.views(torch.rand(1, 1, 32, 32), generator())
    images = torch.rand(2, 3, 32, 32, generator=generator())
    with pytest.raises(ValueError, match="instances"):
        pirl.training_step(pirl.build(SMALL), pirl.views(images, generator(), torch.tensor([3, 12])), 0, 1)


# The jigsaw


def ramps(B, S):
    """Images whose first channel says the row of a pixel and whose second the column."""
    y, x = torch.meshgrid(torch.arange(S), torch.arange(S), indexing="ij")
    return torch.stack([y, x, y]).double().expand(B, 3, S, S)


@pytest.mark.parametrize(("S", "side"), [(64, 16), (255, 64), (32, 8)])
def test_nine_patches_come_whole_one_from_each_cell(S, side):
    patches = pirl.jigsaw_patches(ramps(50, S), generator())
    assert patches.shape == (50, 9, 3, side, side)
    rows, columns = patches[:, :, 0], patches[:, :, 1]
    assert (rows.diff(dim=2) == 1).all()
    assert (columns.diff(dim=3) == 1).all()
    cells = rows[..., 0, 0] // (S // 3) * 3 + columns[..., 0, 0] // (S // 3)
    assert torch.equal(cells, rows[..., -1, -1] // (S // 3) * 3 + columns[..., -1, -1] // (S // 3))
    assert torch.equal(cells.sort(dim=1).values, torch.arange(9).double().expand(50, 9))


def test_every_image_has_its_own_order_and_windows():
    patches = pirl.jigsaw_patches(ramps(50, 64), generator())
    corners = patches[:, :, :2, 0, 0]
    cells = (corners // 21).long()
    orders = {tuple((3 * c[:, 0] + c[:, 1]).tolist()) for c in cells}
    assert len(orders) == 50
    within = corners - 21 * cells
    assert within.min() == 0
    assert within.max() == 21 - 16
    assert len(within.flatten(0, 1).unique(dim=0)) == 36


def test_views_keep_the_rows_of_memory_and_depend_on_the_generator_alone():
    images, index = torch.rand(3, 3, 64, 64, generator=generator()), torch.tensor([5, 2, 9])
    view, jigsaw, rows = pirl.views(images, generator(4), index)
    assert (view.shape, jigsaw.shape) == ((3, 3, 64, 64), (3, 9, 3, 16, 16))
    assert torch.equal(rows, index)
    assert pirl.views(images, generator(4))[2].tolist() == [0, 1, 2]
    assert torch.equal(jigsaw, pirl.views(images, generator(4))[1])
    assert not torch.equal(jigsaw, pirl.views(images, generator(5))[1])


# The model


def small_step(model, seed=0):
    images = torch.rand(4, 3, 32, 32, generator=generator(1))
    batch = pirl.views(images, generator(seed), torch.tensor([3, 1, 0, 11]))
    return pirl.training_step(model, batch, 0, 1)


def test_image_and_patches_share_one_encoder():
    model = pirl.PIRL(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), 3, SMALL).double()
    images, patches = vectors(2, 3, 32, 32), vectors(2, 9, 3, 8, 8)
    v_patch, v_image = model(images, patches)
    torch.testing.assert_close(v_image, model.image_head(images.mean((2, 3))))
    h = torch.stack([model.patch_head(patches[:, i].mean((2, 3))) for i in range(9)], dim=1)
    torch.testing.assert_close(v_patch, model.jigsaw_head(h.reshape(2, -1)))


def test_a_step_renews_the_rows_of_its_images_and_fixes_z():
    torch.manual_seed(0)
    model = pirl.build(SMALL)
    before = model.memory.clone()
    loss, watched = small_step(model)
    changed = (model.memory != before).any(dim=1)
    assert changed.nonzero().flatten().tolist() == [0, 1, 3, 11]
    Z = model.Z.clone()
    assert Z > 0
    assert watched["loss"] == loss.item()
    loss.backward()
    assert all(p.grad.any() for p in model.parameters())
    small_step(model, seed=1)
    assert torch.equal(model.Z, Z)


def test_features_are_the_patch_tokens():
    model, images = pirl.build(SMALL).eval(), torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(pirl.features(model, images), model.encoder.forward_features(images)[:, 1:])


# Two processes


def memory_after(v_patch, v_image, index, neg_index):
    loss, memory, Z = pirl.pirl_loss(
        v_patch, v_image, F.normalize(vectors(20, 8, seed=2), dim=1), index, neg_index.transpose(0, 1), 0.5
    )
    return torch.cat([loss[None], Z[None], memory.flatten()])


def test_two_processes_share_one_memory_and_one_z(call, tmp_path):
    x = [call[name] for name in ("v_patch", "v_image", "index")] + [call["neg_index"].transpose(0, 1)]
    first, second = on_two(memory_after, tmp_path, *x)
    whole = memory_after(*x)
    torch.testing.assert_close(first[1:], whole[1:])
    torch.testing.assert_close(second[1:], whole[1:])
    torch.testing.assert_close((first[0] + second[0]) / 2, whole[0])
