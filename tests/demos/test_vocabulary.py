"""Sentences as numbers and back."""

import pytest

from demos.pieces.vocabulary import END, MARKS, PAD, Vocabulary, words

READ = ["The ViT's patches, well-known: a few of the rest.", "Few know MAE; the MAE knows few!", "Mae, too. A ViT?", "Mae, again.", "Mae, at last."]


@pytest.fixture
def vocabulary():
    return Vocabulary.of(READ, 1)


def test_words_and_marks_come_back_as_they_were(vocabulary):
    for sentence in READ[:2]:
        assert vocabulary.sentence(vocabulary.numbers(sentence)) == sentence


def test_a_word_is_written_as_inside_of_sentences(vocabulary):
    assert vocabulary.sentence(vocabulary.numbers("FEW KNOW mae, A vit.")) == "Few know MAE, a ViT."


def test_the_commonest_words_come_first_and_rare_ones_are_unknown():
    few = Vocabulary.of(READ, 2)
    counted = [text.lower() for sentence in READ for text in words(sentence)]
    assert [word.lower() for word in few.written[len(MARKS):]] == sorted({w for w in counted if counted.count(w) > 1}, key=lambda w: (-counted.count(w), counted.index(w)))
    assert few.numbers("patches of few") == [PAD, PAD, few.number["few"], END]


def test_nothing_is_read_behind_the_end(vocabulary):
    few = vocabulary.number["few"]
    assert vocabulary.sentence([few, END, few]) == vocabulary.sentence([few, PAD, few]) == "Few"
