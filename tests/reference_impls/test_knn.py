"""The weighted k-NN classifier against DINO's numbers, then against what the papers say."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reference_impls import knn
from tests.reference_impls.golden import cases


@pytest.mark.parametrize("case", cases("knn", function="weighted_knn"), ids=str)
def test_scores_and_predictions_equal_upstream(case):
    given = case["train_features"], case["train_labels"], case["test_features"]
    how = {"k": case.params["k"], "T": case.params["T"], "num_classes": case.params["num_classes"]}
    scores = knn.weighted_knn(*given, **how)
    five = min(5, case.params["k"])  # upstream's top-5 looks at k classes at most
    top1, top5 = knn.topk_accuracy(scores, case["test_labels"], topk=(1, five))
    ours = {"scores": scores, "pred": scores.argmax(1), "top1": torch.tensor(top1), "top5": torch.tensor(top5)}
    case.check(**ours, probs_softmax=knn.weighted_knn(*given, **how, softmax=True))


def clusters(N=60, M=20, D=8, C=3, seed=0, spread=0.3):
    """Train and test sets around C directions: features and labels of both, float64."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(C, D, dtype=torch.float64, generator=generator)
    labels = torch.randint(C, (N + M,), generator=generator)
    features = centres[labels] + spread * torch.randn(N + M, D, dtype=torch.float64, generator=generator)
    return features[:N], labels[:N], features[N:], labels[N:]


def test_the_score_is_the_sum_of_exp_cosine_over_temperature_written_out():
    train, labels, test, _ = clusters(spread=2.0)
    scores = knn.weighted_knn(train, labels, test, k=7, T=0.3, num_classes=3)
    for m, x in enumerate(test):
        cosines = [(float(x @ t / x.norm() / t.norm()), int(label)) for t, label in zip(train, labels, strict=True)]
        written_out = [0.0, 0.0, 0.0]
        for cosine, label in sorted(cosines, reverse=True)[:7]:
            written_out[label] += math.exp(cosine / 0.3)
        torch.testing.assert_close(scores[m], torch.tensor(written_out, dtype=scores.dtype))


def test_one_neighbour_is_the_nearest_neighbour_classifier():
    train, labels, test, _ = clusters(spread=1.0)
    nearest = torch.cdist(F.normalize(test), F.normalize(train)).argmin(1)
    assert torch.equal(knn.weighted_knn(train, labels, test, k=1).argmax(1), labels[nearest])


def test_a_close_neighbour_outvotes_two_far_ones_only_at_a_low_temperature():
    train = torch.tensor([[1.0, 0.1], [0.7, 0.7], [0.7, -0.7]])
    labels, x = torch.tensor([0, 1, 1]), torch.tensor([[1.0, 0.0]])
    assert knn.weighted_knn(train, labels, x, k=3, T=0.07).argmax() == 0
    assert knn.weighted_knn(train, labels, x, k=3, T=10.0).argmax() == 1


def test_length_of_features_does_not_matter():
    train, labels, test, _ = clusters()
    lengths = torch.arange(1, len(train) + 1, dtype=train.dtype)[:, None]
    scores = knn.weighted_knn(train, labels, test)
    torch.testing.assert_close(knn.weighted_knn(lengths * train, labels, 5 * test), scores)


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_chunks_change_nothing(chunk):
    train, labels, test, _ = clusters()
    whole = knn.weighted_knn(train, labels, test, k=5)
    torch.testing.assert_close(knn.weighted_knn(train, labels, test, k=5, chunk=chunk), whole)


def test_shares_are_the_scores_over_their_sum_and_rank_the_same():
    train, labels, test, _ = clusters(spread=1.5)
    scores = knn.weighted_knn(train, labels, test, k=9)
    shares = knn.weighted_knn(train, labels, test, k=9, softmax=True)
    torch.testing.assert_close(shares, scores / scores.sum(1, keepdim=True))


def test_shares_bear_a_temperature_at_which_scores_overflow():
    train, labels, test, truth = (t.float() if t.is_floating_point() else t for t in clusters())
    with pytest.raises(ValueError, match="softmax=True"):
        knn.weighted_knn(train, labels, test, T=0.01)
    shares = knn.weighted_knn(train, labels, test, T=0.001, softmax=True)
    torch.testing.assert_close(shares.sum(1), torch.ones(len(test)))
    assert knn.topk_accuracy(shares, truth)[0] == 100


def test_more_neighbours_than_training_images_are_all_of_them():
    train, labels, test, _ = clusters(N=6)
    few, many = (knn.weighted_knn(train, labels, test, k=k, num_classes=3) for k in (6, 200))
    torch.testing.assert_close(many, few)


def test_classes_without_a_training_image_get_no_votes():
    train, labels, test, _ = clusters()
    scores = knn.weighted_knn(train, labels, test, num_classes=11)
    assert scores.shape == (len(test), 11)
    assert (scores[:, 3:] == 0).all()
    assert knn.weighted_knn(train, labels, test).shape == (len(test), 3)


def test_it_agrees_with_scikit_learn():
    from sklearn.neighbors import KNeighborsClassifier

    train, labels, test, _ = clusters(N=200, M=50, C=5, spread=2.0)
    peer = KNeighborsClassifier(10, metric="cosine", weights=lambda distance: _exp((1 - distance) / 0.07))
    peer.fit(train.numpy(), labels.numpy())
    shares = knn.weighted_knn(train, labels, test, k=10, num_classes=5, softmax=True)
    torch.testing.assert_close(shares, torch.from_numpy(peer.predict_proba(test.numpy())))


def _exp(x):
    return torch.from_numpy(x).exp().numpy()


def test_it_agrees_with_lightly():
    from lightly.utils.benchmarking import knn_predict

    train, labels, test, _ = clusters(N=200, M=50, C=5, spread=2.0)
    bank = F.normalize(train, dim=1).T.contiguous()
    ranked = knn_predict(F.normalize(test, dim=1), bank, labels, num_classes=5, knn_k=10, knn_t=0.1)
    assert torch.equal(knn.weighted_knn(train, labels, test, k=10, T=0.1).argmax(1), ranked[:, 0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scores_keep_the_dtype(dtype):
    train, labels, test, _ = clusters()
    assert knn.weighted_knn(train.to(dtype), labels, test.to(dtype)).dtype == dtype


def test_half_precision_and_autocast_lose_no_digits_in_the_weights():
    train, labels, test, _ = clusters()
    train, test = train.bfloat16(), test.bfloat16()
    exact = knn.weighted_knn(train.float(), labels, test.float())
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(knn.weighted_knn(train, labels, test), exact)


def test_it_compiles_as_one_graph():
    train, labels, test, _ = clusters()
    how = {"k": 5, "num_classes": 3, "chunk": 8}
    compiled = torch.compile(knn.weighted_knn, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(train, labels, test, **how), knn.weighted_knn(train, labels, test, **how))


def test_top_five_counts_hits_among_the_five_best_and_all_when_there_are_fewer_classes():
    scores = torch.tensor([[3.0, 2, 1, 0, -1, -2], [0, 5, 4, 3, 2, 1]])
    assert knn.topk_accuracy(scores, torch.tensor([1, 0])) == [0.0, 50.0]
    assert knn.topk_accuracy(scores, torch.tensor([0, 1]), topk=(1, 2)) == [100.0, 100.0]
    assert knn.topk_accuracy(torch.zeros(2, 3), torch.tensor([0, 2]), topk=(1, 2)) == [50.0, 50.0]
    assert knn.topk_accuracy(scores[:, :2], torch.tensor([1, 1])) == [50.0, 100.0]


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [({"T": 0.0}, "positive"), ({"k": 0}, "at least one"),
     ({"test_features": torch.rand(4, 5)}, "one encoder"),
     ({"train_labels": torch.zeros(3, dtype=torch.long)}, "one whole number")],
)
def test_wrong_calls_are_refused(wrong, remedy):
    train, labels, test, _ = clusters()
    with pytest.raises(ValueError, match=remedy):
        knn.weighted_knn(**{"train_features": train, "train_labels": labels, "test_features": test} | wrong)


def test_scores_and_labels_of_two_sets_are_refused():
    with pytest.raises(ValueError, match="score rows"):
        knn.topk_accuracy(torch.rand(4, 3), torch.zeros(5, dtype=torch.long))


def batches(sizes=(4, 3)):
    generator = torch.Generator().manual_seed(0)
    return [(torch.rand(n, 6, generator=generator), torch.arange(n)) for n in sizes]


def test_the_encoder_is_frozen_while_features_are_taken_and_comes_back_as_it_was():
    encoder = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Dropout(0.5))
    state = {name: value.clone() for name, value in encoder.state_dict().items()}
    features, labels = knn.extract_features(encoder, batches())
    assert features.shape == (7, 5)
    assert not features.requires_grad
    assert labels.tolist() == [0, 1, 2, 3, 0, 1, 2]
    assert encoder.training
    assert all(torch.equal(value, state[name]) for name, value in encoder.state_dict().items())
    again, _ = knn.extract_features(encoder, batches())
    assert torch.equal(again, features)


def test_an_empty_set_is_refused():
    with pytest.raises(ValueError, match="no batches"):
        knn.extract_features(nn.Identity(), [])


@pytest.mark.parametrize(("H", "W"), [(40, 60), (60, 40), (32, 32)])
def test_test_images_are_the_middle_square_of_the_resized_picture(H, W):
    from PIL import Image

    ramps = torch.meshgrid(torch.linspace(0, 1, H), torch.linspace(0, 1, W), indexing="ij")
    images = torch.stack([ramps[0], ramps[1], ramps[0] * ramps[1]])[None]
    crops = knn.centre_crops(images, resize=32, crop=28)
    for channel, ours in zip(images[0], crops[0], strict=True):
        resized = Image.fromarray(channel.numpy()).resize((32 * W // min(H, W), 32 * H // min(H, W)), Image.BICUBIC)
        width, height = resized.size
        box = ((width - 28) // 2, (height - 28) // 2, (width + 28) // 2, (height + 28) // 2)
        theirs = torch.from_numpy(np.array(resized.crop(box)))
        torch.testing.assert_close(ours, theirs.clamp(0, 1), rtol=0, atol=1e-4)


def test_a_crop_larger_than_the_resized_image_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        knn.centre_crops(torch.rand(1, 3, 40, 40), resize=32, crop=40)
