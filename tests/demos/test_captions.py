"""Captions demo: the bundled decoders of the library's prose, given code."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from demos import fingerprint, runner, weights
from demos.drawing import clouds, pages
from demos.drawing.clouds import Cloud
from demos.drawing.pages import Paragraph
from demos.pieces import prose, prose_figures
from demos.pieces.vocabulary import END
from demos.specs.captions import CAPTIONS, PASSAGES
from demos.training import sentences
from reference_impls import capdec

REAL = fingerprint.ROOT / "demos" / "checkpoints"
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def bundle(checkpoints, monkeypatch):
    """The checkpoints that ship, in this file."""
    for module in (fingerprint, weights):
        monkeypatch.setattr(module, "CHECKPOINTS", REAL)


@pytest.fixture(scope="module")
def card():
    return json.loads((REAL / "capdec_prose.json").read_text())


@pytest.fixture(scope="module")
def state():
    return load_file(REAL / "capdec_prose.safetensors")


@pytest.fixture
def run(out):
    def run(**options):
        result = runner.run("captions", "capdec", [], options, out)
        return result, dict(np.load(out / "embeddings.npz")), {a.name: a for a in result.artifacts}

    return run


def test_card_and_weights_speak_of_the_same_bundle(card, state):
    assert card["sentences"] == len(state["read"])
    assert card["words"] == int((state["read"] > END).sum())
    assert len(card["vocabulary"].split()) == card["config"]["vocab"] == len(state["decoders.0.decoder.wte.weight"])
    assert len(card["passages"]) == len(state["prose"]) == len(state["code"]) == card["figures"]["pairs"]["number"]
    assert card["levels"] == [row["level"] for row in card["figures"]["by_level"]]
    assert {key.split(".")[1] for key in state if key.startswith("decoders")} == {str(n) for n in range(len(card["levels"]))}
    assert int(state["read"].max()) == card["config"]["vocab"] - 1
    assert card["data"][0].startswith(f"{card['sentences']} sentences")


def test_all_bundled_weights_together_stay_small():
    own = sum((REAL / f"capdec_prose.{kind}").stat().st_size for kind in ("json", "safetensors"))
    assert own <= 4.5e6
    assert sum(file.stat().st_size for file in REAL.iterdir()) <= 16e6


def test_what_can_be_chosen_is_held_out_and_none_of_it_was_read(card):
    found = prose.bundled(capdec, CPU)
    names = [one["name"] for one in card["passages"]]
    assert set(PASSAGES) <= set(names)
    assert len(set(names)) == len(names)
    for one in card["passages"]:
        assert tuple(found.vocabulary.numbers(one["sentence"])) not in found.known
        assert not [line for line in one["code"].splitlines() if "#" in line or '"""' in line]
        assert one["sentence"] not in one["code"]
        assert sentences.spoken(one["code"])


def test_the_pairs_lie_apart_as_the_card_says(card):
    found = prose.bundled(capdec, CPU)
    pairs = card["figures"]["pairs"]
    cosines = found.prose @ found.code.T
    assert float((found.prose.mean(0) - found.code.mean(0)).norm()) == pytest.approx(pairs["centres_apart"], abs=2e-3)
    assert float(cosines.diagonal().mean()) == pytest.approx(pairs["cosine_of_pairs"], abs=2e-3)
    assert pairs["cosine_of_pairs"] > 2 * pairs["cosine_of_others"]  # they are pairs


def test_captions_are_the_modules_greedy_words_and_the_cards_shares_come_back(card):
    found = prose.bundled(capdec, CPU)
    level = card["levels"][-1]
    said = found.said(capdec, level, found.code)
    longest = card["config"]["max_length"] - card["config"]["prefix_length"]
    rows = capdec.generate(found.decoders[level], found.code, longest, END)
    assert [one.text for one in said] == [found.vocabulary.sentence(row) for row in rows.tolist()]
    row = card["figures"]["by_level"][-1]["from_code"]  # before the weights were halved
    assert np.mean([one.verbatim for one in said]) == pytest.approx(row["verbatim"], abs=0.03)
    again = [one.text for one in said if one.verbatim]
    assert again
    assert all(tuple(found.vocabulary.numbers(text)) in found.known for text in again)
    assert len({one.text for one in said}) / len(said) == pytest.approx(row["distinct"], abs=0.06)


def test_noise_has_the_variance_that_was_asked_for(run, card):
    _, arrays, _ = run(noise=0.5, seed=3, passage="can: blur")
    found = prose.bundled(capdec, CPU)
    rows = found.prose.repeat_interleave(150, dim=0)
    variance = (0.5 * card["epsilon"]) ** 2
    noisy = capdec.inject_noise(rows, variance, generator=torch.Generator().manual_seed(3))
    place = found.place("can: blur")
    np.testing.assert_array_equal(arrays["noisy"], noisy.view(-1, 150, 256)[place])
    cosine = (arrays["noisy"] @ arrays["prose"][place]).mean()
    assert cosine == pytest.approx((1 + 256 * variance) ** -0.5, abs=0.01)


def test_what_is_written_in_the_picture_stands_in_caption_and_alt(run, card):
    result, _, made = run(passage="knn: extract_features")
    found = prose.bundled(capdec, CPU)
    place = found.place("knn: extract_features")
    for name, z in (("captions", found.code), ("read_back", found.prose)):
        for text in (made[name].caption, made[name].alt):
            for level in card["levels"]:
                (one,) = found.said(capdec, level, z[place:place + 1])
                assert f"“{one.text}”" in text
    for text in (made["captions"].caption, made["captions"].alt, made["read_back"].caption):
        assert card["passages"][place]["sentence"] in text
    assert result.numbers["captions_of_code"] == [found.said(capdec, level, found.code[place:place + 1])[0].text for level in card["levels"]]
    assert result.weights["trained"]
    assert f"have read {card['sentences']} sentences" in made["captions"].caption


def test_other_seeds_give_other_noise_and_the_same_words(run):
    one, other = (run(seed=seed) for seed in (0, 1))
    assert (one[1]["noisy"] != other[1]["noisy"]).any()
    assert one[0].numbers == other[0].numbers


def test_the_chosen_pair_is_ringed_in_the_picture_of_the_gap(run, out):
    run(passage="can: blur")
    first = np.array(Image.open(out / "gap.png").convert("RGB")).astype(int)
    run(passage="simclr: greyscale")
    second = np.array(Image.open(out / "gap.png").convert("RGB")).astype(int)
    white = [(picture.min(-1) > 200)[60:].sum() for picture in (first, second)]
    assert min(white) > 100  # two rings and a line
    assert ((first.min(-1) > 200) ^ (second.min(-1) > 200)).sum() > 200  # elsewhere


@pytest.mark.parametrize(
    ("gain", "words"),
    [(0.03, "makes captions no truer: fits change at best by +3.0"), (-0.2, "makes captions no truer: fits change at best by -5.0 points, standard error 2.0, at 0.25"),
     (0.3, "become truer too: fits change by +30.0 points, standard error 2.0, at 1 epsilon")],
)
def test_the_verdict_claims_no_more_than_the_figures_bear(gain, words, card):
    rows = json.loads(json.dumps(card["figures"]["by_level"]))
    for row in rows[1:]:
        row["from_code"].update(gain=gain * row["level"], gain_error=0.02)
    assert words in prose_figures.meaning(rows)


# Drawing


def test_points_keep_their_shape_and_pairs_are_joined():
    left, right = np.array([[0.0, 0], [0, 2]]), np.array([[4.0, 0], [4, 2]])
    drawn = np.array(clouds.drawn([Cloud("a", left, 8), Cloud("b", right, 8)], (Cloud("a", left), Cloud("b", right)), 0)).astype(int)
    orange, blue = (np.argwhere(np.abs(drawn - colour).sum(-1) < 30) for colour in ((247, 161, 62), (108, 182, 255)))
    orange, blue = (points[points[:, 0] > 60] for points in (orange, blue))  # below the names
    across, up = blue[:, 1].mean() - orange[:, 1].mean(), np.ptp(orange[:, 0])
    assert across == pytest.approx(2 * (up - 16), rel=0.05)  # 4 wide, 2 high
    low = orange[orange[:, 0] > orange[:, 0].mean()][:, 0].mean()
    middle = drawn[round(low) - 3:round(low) + 4, 320]
    assert (middle.min(-1) > 150).any()  # the white line of the marked pair


def test_words_wrap_and_code_is_cut_at_the_edge():
    long = "token " * 40
    wrapped, cut = pages.page([Paragraph(long)]), pages.page([Paragraph(long, wraps=False)])
    assert cut.height < wrapped.height
    for picture in (wrapped, cut):
        ink = np.array(picture.convert("L")) > 60
        assert ink[:, :pages.PADDING].sum() == ink[:, -pages.PADDING:].sum() == 0
        assert ink.any()
    assert pages.cut("short", 20, 500) == "short"
    assert pages.cut(long, 20, 100).endswith("…")


def test_the_demo_asks_for_no_picture():
    assert CAPTIONS.images == (0, 0)
    with pytest.raises(ValueError, match="takes no picture"):
        runner.run("captions", "capdec", [REAL / "x.png"], {}, REAL)
