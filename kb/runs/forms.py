"""The form of one demo, made from its options in demos.specs."""

from __future__ import annotations

from typing import Any

from django import forms

from demos.specs import IMAGE_FORMATS, VIDEO_FORMATS, Demo, Option
from kb.runs.orders import check, image_fields
from kb.runs.refusals import Refused


class RunForm(forms.Form):
    """Pictures and options of one demo.

    Option fields are plain text to Django, because demos.specs alone decides what is
    right: the same check, with the same words, as in the API and the shell.
    """

    def __init__(
        self, demo: Demo, *args: Any, reuse: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.demo = demo
        for n, name in enumerate(image_fields(demo)):
            needed = n < demo.images[0] and not reuse
            self.fields[name] = picture_field(demo, n, needed)
        for option in demo.options:
            self.fields[option.name] = option_field(option)

    def clean(self) -> dict:
        """Replace the texts by checked values under `options`."""
        super().clean()
        data = self.cleaned_data
        raw = {option.name: data.get(option.name) for option in self.demo.options}
        try:
            data["options"] = check(self.demo, raw)
        except Refused as refused:
            self.add_error(refused.field, refused.message)
        return data

    @property
    def pictures(self) -> list[forms.BoundField]:
        """The file fields, for the template."""
        return [self[name] for name in image_fields(self.demo)]

    @property
    def settings(self) -> list[forms.BoundField]:
        """The option fields, for the template."""
        return [self[option.name] for option in self.demo.options]


def picture_label(demo: Demo, n: int) -> str:
    """What is asked for, its number among several, and whether it may be left out."""
    what = "Clip or picture" if demo.clip else "Picture"
    number = f" {n + 1}" if demo.images[1] > 1 else ""
    return f"{what}{number}{', optional' if n >= demo.images[0] else ''}"


def picture_field(demo: Demo, n: int, needed: bool) -> forms.FileField:
    """A file field; its own check for empty files is left to the upload's."""
    formats = IMAGE_FORMATS | (VIDEO_FORMATS if demo.clip else {})
    what = "clip or a picture" if demo.clip else "picture"
    attrs = {"accept": ",".join(formats.values()), "class": "picture-input"}
    return forms.FileField(
        label=picture_label(demo, n), required=needed, allow_empty_file=True,
        error_messages={"required": f"Choose a {what} from your device."},
        widget=forms.FileInput(attrs=attrs),
    )


def option_field(option: Option) -> forms.Field:
    """The field for one option, prefilled with its default."""
    kind: type[forms.Field] = forms.CharField
    widget: forms.Widget
    if option.kind == "bool":
        kind, widget = forms.BooleanField, forms.CheckboxInput()
    elif option.kind == "choice":
        widget = forms.Select(choices=[(c, c) for c in option.choices])
    else:
        widget = number_input(option)
    return kind(
        label=option.label or option.name, help_text=option.help,
        initial=option.default, required=False, widget=widget,
    )


def number_input(option: Option) -> forms.NumberInput:
    """The input of a number, with the limits that the option has."""
    limits = {"min": option.low, "max": option.high, "step": option.step or "any"}
    present = {name: f"{v:g}" if not isinstance(v, str) and abs(v) < 1e5 else str(v)
               for name, v in limits.items() if v is not None}
    return forms.NumberInput(attrs=present)
