"""Options: what is accepted, what is refused, and in which words."""

import subprocess
import sys

import pytest

from demos import specs
from demos.specs import DEMOS, OptionError, check_options

ATTENTION, RECONSTRUCTION, PRETRAINING = (DEMOS[name] for name in ("attention", "reconstruction", "pretraining"))

EVERY_OPTION = [
    pytest.param(demo, option, id=f"{demo.name}-{option.name}")
    for demo in specs.DEMOS.values() for option in demo.options
]


@pytest.mark.parametrize(("demo", "option"), EVERY_OPTION)
def test_every_default_is_a_valid_value(demo, option):
    assert check_options(demo, {option.name: option.default})[option.name] == option.default
    assert option.help.endswith(".")
    assert option.label


@pytest.mark.parametrize(("demo", "option"), EVERY_OPTION)
def test_a_number_field_reaches_default_and_top_in_whole_steps(demo, option):
    """A browser refuses a default that is not low + n * step."""
    if option.kind in ("int", "float"):
        for value in (option.default, option.high):
            n = (value - option.low) / option.step
            assert abs(n - round(n)) < 1e-6


def test_no_options_means_all_defaults():
    assert check_options(RECONSTRUCTION, {}) == {"ratio": 0.75, "seed": 0}


def test_strings_from_a_form_become_numbers_and_an_empty_field_the_default():
    checked = check_options(PRETRAINING, {"steps": "50", "lr": "0.01", "batch": ""})
    assert checked == {"steps": 50, "lr": 0.01, "batch": 16, "seed": 0}
    assert type(checked["steps"]) is int


@pytest.mark.parametrize(
    ("options", "field", "remedy"),
    [
        ({"ratio": 1.2}, "ratio", "0.1 to 0.95"),
        ({"ratio": "nan"}, "ratio", "a number"),
        ({"ratio": True}, "ratio", "a number"),
        ({"ratio": [0.5]}, "ratio", "a number"),
        ({"seed": 1.5}, "seed", "a whole number"),
        ({"seed": -1}, "seed", "0 to"),
        ({"seed": 10**400}, "seed", "a number"),
        ({"rato": 0.5}, "rato", "it has ratio, seed"),
    ],
)
def test_a_wrong_option_is_named_with_its_remedy(options, field, remedy):
    with pytest.raises(OptionError, match=remedy) as caught:
        check_options(RECONSTRUCTION, options)
    assert caught.value.field == field


def test_a_wrong_choice_lists_the_right_ones():
    with pytest.raises(OptionError, match="mean, heads, rollout, layers"):
        check_options(ATTENTION, {"view": "max"})


@pytest.mark.parametrize(
    ("word", "value"), [("on", True), ("false", False), (True, True), (0, False)]
)
def test_yes_and_no_in_many_words(word, value):
    option = specs.Option("flag", "bool", False, "A flag.")
    assert option.parse(word) is value


def test_bool_refuses_other_words():
    with pytest.raises(OptionError, match="true or false"):
        specs.Option("flag", "bool", False, "A flag.").parse("maybe")


def test_a_demo_is_offered_where_the_module_defines_all_it_needs():
    offered = specs.offered_by({"ViT", "ViT.get_attention"})
    assert ATTENTION in offered
    assert not {RECONSTRUCTION, PRETRAINING} & set(offered)
    assert specs.offered_by({"get_attention"}) == []
    assert PRETRAINING not in specs.offered_by({"views", "build", "training_step"})
    assert PRETRAINING in specs.offered_by({"views", "build", "training_step", "features"})


def test_specs_fingerprint_and_images_do_not_import_torch():
    code = "import sys, demos.specs, demos.fingerprint, demos.intake.images, demos.offers; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
