"""Words, identifiers and formulas become the same terms wherever they are written."""

import pytest

from kb.search import analysis, formula


@pytest.mark.parametrize(("word", "parts"), [
    ("get_2d_sincos_pos_embed", ["get", "2d", "sincos", "pos", "embed"]),
    ("HTTPServer", ["HTTP", "Server"]),
    ("MaskedAutoencoderViT", ["Masked", "Autoencoder", "ViT"]),
    ("DeiT3ViT", ["DeiT", "3", "ViT"]),
    ("MAE.forward", ["MAE", "forward"]),
    ("__init__", ["init"]),
])  # fmt: skip
def test_identifiers_are_split_where_a_reader_would(word: str, parts: list[str]) -> None:
    assert analysis.split_identifier(word) == parts


def test_an_identifier_gives_itself_and_its_parts() -> None:
    terms = analysis.terms("random_masking")
    assert terms == ["random_masking", "random", "mask"]


def test_a_method_gives_its_class_and_its_name() -> None:
    assert set(analysis.terms("MAE.random_masking")) >= {
        "mae.random_masking", "mae", "random_masking", "mask",
    }


@pytest.mark.parametrize(("one", "other"), [
    ("masks", "Masking"), ("normalise", "normalization"), ("centre", "centered"),
    ("colour", "colors"), ("learnt", "learned"), ("CNNs", "cnn"), ("Gümüş", "gumus"), ("τ", "tau"), ("λ", "lambda"),
])  # fmt: skip
def test_two_spellings_are_one_term(one: str, other: str) -> None:
    assert analysis.terms(one) == analysis.terms(other)


@pytest.mark.parametrize(("with_hyphen", "without"), [
    ("pre-training", "pretrained"), ("Fine-tuning", "finetune"), ("multi-crop", "multicrops"),
    ("2-D", "2D"),
])  # fmt: skip
def test_a_prefix_belongs_to_its_word_with_and_without_a_hyphen(
    with_hyphen: str, without: str
) -> None:
    assert analysis.terms(without)[0] in analysis.terms(with_hyphen)


def test_other_hyphens_separate_words() -> None:
    assert analysis.terms("stop-gradient") == analysis.terms("stop gradient")


def test_a_common_word_in_capitals_is_a_name_and_an_operator_is_none() -> None:
    assert analysis.terms("CAN can AND") == ["can"]


def test_stop_words_give_no_terms() -> None:
    assert analysis.terms("the of and") == []


@pytest.mark.parametrize("name", ["random_masking", "Random Masking", "randomMasking"])
def test_all_ways_to_write_a_name_share_one_key(name: str) -> None:
    assert analysis.name_key(name) == "random mask"


def test_numbers_stay_whole() -> None:
    assert analysis.terms("0.75 of 2111.06377") == ["0.75", "2111.06377"]


def test_a_formula_gives_its_letters_and_operators_without_layout() -> None:
    tex = r"\frac{1}{N} \sum_i \exp\left(\mathbf{z}_i / \tau\right)"
    assert formula.tokens(tex) == ["1", "n", "sum", "i", "exp", "z", "i", "tau"]


def test_the_letter_and_its_name_meet() -> None:
    assert formula.terms(r"\tau") == formula.terms("τ") == formula.terms("tau")
