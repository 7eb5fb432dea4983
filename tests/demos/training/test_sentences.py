"""What the library says, and the code it says it of: no prose is left in the code."""

import pytest

from demos.training import sentences
from demos.training.sentences import Said

ENTRY = """---
title: A paper whose title is no sentence here.
---
## TL;DR

Hide [three quarters](code:mask#kept (few)) of an image's patches (Fig. 2). **Why does it work?** Since a [ViT](paper:vit) reads *what is left*.

| a table | says nothing to us here. |

![A drawing says nothing to us here.](figures/x.svg)

$$
L = 1 \\quad \\text{nor does a formula say it.}
$$ {code=mask}

- Its [loss](code:Net.loss) leads, as in [another paper](code:other/far#away), back to pixels.
Here $x$ is a formula inside of a line.

## Sources

From here on nobody is quoted any more.
"""

MODULE = '''"""One module says this of itself.

And this stands below its first line.
"""

LIMIT = 3  # Nobody reads what a comment says.


def mask(images, keepRatio):  # Hide what a comment says, too.
    """Leave a few patches of each image (B, N, D). Both ways are alike.

    Raises an error where all of them are gone.
    """
    # The longest comment of them all.
    if keepRatio > LIMIT:
        raise ValueError(f"ratio {keepRatio} hides every single patch")
    return images.take_few("from the left to the right")


class Net:
    """A network that has one method only."""

    def loss(self, x):
        """Squared error of the hidden pixels alone."""

        def inner():
            """Even functions inside of functions talk."""
        return x
'''


@pytest.fixture
def root(tmp_path):
    for folder, name, text in (("papers", "own.md", ENTRY), ("reference_impls", "own.py", MODULE)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text)
    return tmp_path


def test_entries_give_sentences_and_the_code_that_their_links_name(root):
    found = {said.text: said.about for said in sentences.everything(root)}
    assert found["Hide three quarters of an image's patches."] == {("own", "mask")}
    assert found["Why does it work?"] == set()
    assert found["Since a ViT reads what is left."] == set()
    assert found["Its loss leads, as in another paper, back to pixels."] == {("own", "Net.loss"), ("other", "far")}


def test_tables_drawings_formulas_and_sources_are_no_sentences(root):
    text = " ".join(said.text for said in sentences.everything(root))
    for word in ("title", "table", "drawing", "formula", "quoted", "comment"):
        assert word not in text


def test_a_docstrings_first_sentence_is_about_its_function(root):
    found = {said.text: said.about for said in sentences.everything(root)}
    assert found["Leave a few patches of each image."] == {("own", "mask")}
    assert found["Squared error of the hidden pixels alone."] == {("own", "Net.loss")}
    for other in ("Both ways are alike.", "A network that has one method only.", "One module says this of itself."):
        assert found[other] == set()


@pytest.mark.parametrize("text", ["Too short, this.", "The gradient of L is nothing here.", "From (B, N) to something else.", "Rows, each, of the whole table.", "From the first row to.", "no capital letter in front."])
def test_what_is_torn_or_a_formula_is_not_plain(text):
    assert not sentences.plain(text)
    assert sentences.plain("From the first row to the last.")


def test_what_a_demo_says_is_read_and_is_about_no_papers_code(root):
    (root / "demos").mkdir()
    (root / "demos/own.py").write_text(MODULE.replace("Leave", "Draw"))
    found = {said.text: said.about for said in sentences.everything(root)}
    assert found["Draw a few patches of each image."] == set()
    assert set(sentences.functions(root)) == {("own", "mask"), ("own", "Net.loss")}


def test_what_two_places_say_alike_is_one_sentence_about_both(root):
    (root / "papers/own.md").write_text("[Squared error](code:mask) of the hidden pixels alone.")
    same = [said for said in sentences.everything(root) if said.text.startswith("Squared")]
    assert same == [Said("Squared error of the hidden pixels alone.", frozenset({("own", "mask"), ("own", "Net.loss")}))]


def test_no_prose_is_left_in_code_neither_comment_nor_docstring_nor_message(root):
    code = sentences.functions(root)
    assert set(code) == {("own", "mask"), ("own", "Net.loss")}
    assert code["own", "mask"] == "def mask(images, keepRatio):\n    if keepRatio > LIMIT:\n        raise ValueError(...)\n    return images.take_few(...)"
    assert code["own", "Net.loss"] == "def loss(self, x):\n\n    def inner():\n        pass\n    return x"


def test_names_are_taken_apart_into_words(root):
    assert sentences.spoken("takeFew(keep_mask, nn.BatchNorm1d, HTMLPage)") == "take few keep mask nn batch norm d html page"


def test_no_sentence_of_the_library_stands_in_its_stripped_code():
    together = "\n".join(sentences.functions().values())
    texts = [said.text for said in sentences.everything()]
    assert len(texts) > 1000
    assert not [text for text in texts if text in together]
