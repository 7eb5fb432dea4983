"""Decoders of the library's prose: what they learn from, and what they are measured by."""

import json
import zlib

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from demos import train
from demos.pieces.vocabulary import END, PAD, words
from demos.training import caption_scores, captions
from demos.training.sentences import Said
from reference_impls import capdec

OBJECTS = ("mask", "patch", "token", "loss", "queue", "teacher")
VERBS = ("hides", "moves", "weighs", "sorts", "copies", "forgets")
CODE = {("own", f"{verb}_{thing}"): f"def {verb}_{thing}(x):\n    return x.{thing} + " + " + ".join(f"self.{thing}" for _ in range(16)) for verb in VERBS for thing in OBJECTS}


def hashed(texts):
    """Every word a random direction of its own: an embedding without a package."""
    rows = []
    for text in texts:
        found = [torch.randn(32, generator=torch.Generator().manual_seed(zlib.crc32(w.lower().encode()))) for w in words(text)]
        rows.append(torch.stack(found).mean(0) if found else torch.zeros(32))
    return F.normalize(torch.stack(rows), dim=1)


@pytest.fixture
def lesson(monkeypatch):
    said = [Said(f"It {verb} the {thing}.", frozenset({("own", f"{verb}_{thing}")})) for verb in VERBS for thing in OBJECTS]
    said += [Said(f"Then it {verb} a {thing} too.", one.about) for one, (verb, thing) in zip(said, ((v, t) for v in VERBS for t in OBJECTS), strict=True)]
    monkeypatch.setattr(captions, "Embedder", lambda wheel: hashed)
    monkeypatch.setattr(captions.sentences, "everything", lambda: said)
    monkeypatch.setattr(captions.sentences, "functions", lambda: CODE)
    monkeypatch.setitem(captions.SIZE, "width", 16)
    return captions.CaptionLesson(None)


def test_what_is_said_of_held_out_code_is_not_read(lesson):
    assert set(lesson.captions) == {place for place in CODE if captions.held_out(place)}
    assert 4 < len(lesson.captions) < 30
    for verb, thing in (place[1].split("_") for place in lesson.captions):
        assert not [text for text in lesson.read if verb in text and thing in text]
    assert len(lesson.read) == 2 * (len(CODE) - len(lesson.captions))


def test_epsilon_is_the_papers_between_sentences_about_one_function(lesson):
    pairs = [(one, other) for one in lesson.read for other in lesson.read if one.startswith("It") and other == f"Then it {one.split()[1]} a {one.split()[3][:-1]} too."]
    gap = hashed([one for one, _ in pairs]) - hashed([other for _, other in pairs])
    assert lesson.pairs == len(pairs) == len(lesson.read) / 2
    assert lesson.epsilon == pytest.approx(float(gap.abs().amax(1).mean()))
    assert [model.variance for model in lesson.decoders] == pytest.approx([(level * lesson.epsilon) ** 2 for level in captions.LEVELS])


def test_a_view_is_a_sentence_beside_its_own_embedding(lesson):
    index = torch.tensor([3, 0, 5])
    z, tokens = lesson.views(index, torch.Generator())
    told = [lesson.vocabulary.sentence(row) for row in tokens.tolist()]
    assert told == [lesson.read[n] for n in index]
    torch.testing.assert_close(z, hashed(told))
    assert ((tokens == END).sum(1) == 1).all()


def test_a_word_that_is_not_known_is_neither_counted_nor_the_end_of_a_view(lesson):
    lesson.images[0, :3] = torch.tensor([PAD, lesson.images[0, 1], PAD])
    _, tokens = lesson.views(torch.tensor([0]), torch.Generator())
    assert tokens[0, -1] == END
    logits = torch.randn(1, tokens.shape[1], len(lesson.vocabulary))
    changed = logits.clone()
    changed[0, [0, 2]] += torch.randn(len(lesson.vocabulary))
    assert capdec.caption_loss(logits, tokens) == capdec.caption_loss(changed, tokens)


def test_the_loss_is_the_mean_of_the_modules_own_over_those_that_learn(lesson):
    batch = lesson.views(torch.arange(8), torch.Generator())
    alone = lesson.learner(batch, 0, 10)
    assert alone == capdec.caption_loss(lesson.decoders[0](*batch), batch[1])
    lesson.learner.copy()
    torch.manual_seed(5)
    together = lesson.learner(batch, 0, 10)
    torch.manual_seed(5)
    own = [capdec.training_step(model, batch)[0] for model in lesson.decoders]
    assert together == torch.stack(own).mean()
    assert len({round(loss.item(), 4) for loss in own}) == len(own)  # each its own noise


def test_one_learns_alone_and_is_copied_once(lesson):
    def weight(n):
        return lesson.decoders[n].decoder.norm.weight

    with torch.no_grad():
        weight(0).fill_(2)
    lesson.after_step(2, 10)
    assert weight(1)[0] == 1
    lesson.after_step(3, 10)
    assert all(weight(n)[0] == 2 for n in range(4))
    with torch.no_grad():
        weight(0).fill_(3)
    lesson.after_step(4, 10)
    assert weight(1)[0] == 2


def test_words_start_near_their_like(lesson):
    table = lesson.decoders[0].decoder.wte.weight.detach()
    vectors = hashed(lesson.vocabulary.written)
    vectors = vectors - vectors.mean(0)
    torch.testing.assert_close(table.std(), torch.tensor(captions.SPREAD))
    likeness = torch.corrcoef(torch.stack([(table @ table.T).flatten(), (vectors @ vectors.T).flatten()]))[0, 1]
    assert likeness > 0.9


def test_sentences_are_learnt_and_what_is_shipped_says_so(lesson):
    adam = torch.optim.AdamW(lesson.learner.parameters(), lr=3e-3)
    losses = []
    for _ in range(25):
        losses.append(lesson.learner(lesson.views(torch.arange(24), torch.Generator()), 0, 1))
        adam.zero_grad(), losses[-1].backward(), adam.step()
    assert losses[-1] < 0.6 * losses[0]
    lesson.learner.copy()
    state, card = lesson.shipped()
    clean = card["figures"]["by_level"][0]
    assert (clean["from_code"]["gain"], clean["from_code"]["gain_error"]) == (0, 0)
    assert card["sentences"] == len(state["read"]) == len(lesson.read)
    assert state["read"].dtype == torch.int16
    assert card["vocabulary"].split() == lesson.vocabulary.written
    assert [one["sentence"] for one in card["passages"]] == list(lesson.captions.values())
    rebuilt = capdec.build(capdec.Config(**card["config"]))
    own = {k.removeprefix("decoders.3."): v for k, v in state.items() if k.startswith("decoders.3.")}
    rebuilt.load_state_dict(own)


def test_scores_tell_the_true_sentences_from_others(lesson):
    truths = list(lesson.captions.values())
    judge = caption_scores.Judge(lesson, hashed(truths))
    best, won = judge.of(truths)
    assert (best["cosine"], best["nearer"], best["verbatim"], best["distinct"]) == (1, 1, 0, 1)
    assert won.shape == (len(truths),)
    shifted, _ = judge.of(truths[1:] + truths[:1])
    assert shifted["nearer"] < 0.8
    assert shifted["cosine"] < 0.9
    read, _ = judge.of([lesson.read[0]] * len(truths))
    assert (read["verbatim"], read["familiar"], read["distinct"]) == (1, 1, round(1 / len(truths), 3))
    assert judge.of(["Loss mask the sorts a."] * len(truths))[0]["familiar"] < 0.3


def test_the_gap_is_that_between_the_two_and_pairs_are_told_from_others():
    prose = F.normalize(torch.eye(4, 6) + 0.1, dim=1)
    code = F.normalize(prose + torch.tensor([0, 0, 0, 0, 0, 2.0]), dim=1)
    found = caption_scores.gap(prose, code)
    assert found["centres_apart"] == pytest.approx(float((prose - code).mean(0).norm()), abs=1e-3)
    assert found["own_code_nearer"] == 1
    assert found["cosine_of_pairs"] > found["cosine_of_others"]
    assert caption_scores.gap(prose, code.roll(1, 0))["own_code_nearer"] < 1


def test_with_little_noise_a_sentence_stays_nearest_to_itself(lesson):
    lesson.embeddings = torch.eye(32)
    assert caption_scores.kept(lesson, 0.0) == caption_scores.kept(lesson, 0.01) == 1
    assert 0 < caption_scores.kept(lesson, 0.5) < 0.7


def test_overlap_counts_words_that_not_every_sentence_has(lesson, monkeypatch):
    judge = caption_scores.Judge(lesson, hashed(list(lesson.captions.values())))
    monkeypatch.setattr(caption_scores, "COMMON", lesson.vocabulary.number["the"] + 1)
    assert judge.overlap("It strange the loss.", "The queue, the loss!") == pytest.approx(2 / 4)
    assert judge.overlap("The.", "It.") == 0


@pytest.mark.parametrize(("words", "remedy"), [(["captions"], "say --teacher"), (["mae"], "say --data")])
def test_a_lesson_that_lacks_something_names_the_remedy(monkeypatch, tmp_path, words, remedy):
    monkeypatch.setattr("sys.argv", ["train", *words, "--folder", str(tmp_path)])
    with pytest.raises(SystemExit, match=remedy):
        train.main()


def test_the_command_leaves_weights_and_a_card_that_go_together(lesson, monkeypatch, tmp_path):
    words = ["captions", "--teacher", "words.whl", "--minutes", "0.1", "--out", "little", "--folder", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["train", *words])
    train.main()
    card = json.loads((tmp_path / "little.json").read_text())
    assert (card["steps"], card["sentences_seen"], card["data"]) == (6, 6 * 32, lesson.data)
    assert "mean" not in card
    state = load_file(tmp_path / "little.safetensors")
    assert state["read"].dtype == torch.int16
    assert state["decoders.0.decoder.wte.weight"].dtype == torch.float16
    lesson.data = ["other sentences"]
    monkeypatch.setattr(captions, "CaptionLesson", lambda wheel: lesson)
    with pytest.raises(SystemExit, match="choose another --out"):
        train.main()
