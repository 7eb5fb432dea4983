"""What the answers look like, for the schema; the views build them by hand."""

from __future__ import annotations

from rest_framework import serializers as s

from demos.specs import DEMOS, MAX_BYTES, VIDEO_FORMATS
from kb.catalogue.parts import PARTS
from kb.runs.models import State
from kb.runs.orders import PATIENCE


class Error(s.Serializer):
    """The inside of every error."""

    code = s.CharField()
    message = s.CharField(help_text="A sentence that says what to do.")
    field = s.CharField(allow_null=True)


class ErrorAnswer(s.Serializer):
    """Every error has this shape."""

    error = Error()


class Eta(s.Serializer):
    """Seconds until done: eight of ten past runs like it ended in between."""

    low = s.IntegerField()
    high = s.IntegerField()


class Submitted(s.Serializer):
    """The answer to a submission."""

    id = s.UUIDField()
    url = s.CharField(help_text="The run's page, for people.")
    state = s.ChoiceField(choices=State.values)
    position = s.IntegerField(
        allow_null=True,
        help_text="1 starts next; null where it does not wait, or waits behind "
                  "another run of the same visitor. It never grows.",
    )
    eta = Eta(allow_null=True)


class Progress(s.Serializer):
    """How far a run is."""

    step = s.IntegerField()
    total = s.IntegerField()
    message = s.CharField()


class Artifact(s.Serializer):
    """A file that a run made."""

    name = s.CharField()
    kind = s.ChoiceField(choices=["image", "data", "table"])
    url = s.CharField()
    caption = s.CharField()
    alt = s.CharField()
    plane = s.ListField(
        child=s.IntegerField(), allow_null=True, required=False,
        help_text="Width and height in pixels, from the top left, of what the options "
                  "x and y run over; null where they do not.",
    )


class Weights(s.Serializer):
    """The weights used; untrained ones are always marked as such."""

    name = s.CharField()
    source = s.CharField()  # type: ignore[assignment]  # DRF takes it out of the class
    trained = s.BooleanField()
    note = s.CharField()


class Result(s.Serializer):
    """What a run ended with."""

    artifacts = Artifact(many=True)
    numbers = s.DictField()
    weights = Weights()
    seconds = s.FloatField()
    device = s.CharField()
    seed = s.IntegerField()
    code_version = s.CharField()


class RunAnswer(Submitted):
    """A run as it stands."""

    demo = s.CharField()
    paper = s.CharField()
    options = s.DictField()
    attempts = s.IntegerField()
    created = s.DateTimeField()
    started = s.DateTimeField(allow_null=True)
    finished = s.DateTimeField(allow_null=True)
    deadline = s.DateTimeField(allow_null=True, help_text="Given up after this.")
    pinned = s.BooleanField()
    progress = Progress()
    partials = Artifact(many=True, help_text="Pictures made before the end.")
    result = Result(allow_null=True)
    error = Error(allow_null=True)


class Submission(s.Serializer):
    """The multipart form of a new run."""

    demo = s.ChoiceField(choices=list(DEMOS))
    paper = s.CharField(help_text="Slug of a paper that offers the demo.")
    image = s.FileField(
        required=False,
        help_text="The picture; where the demo takes clips, a video as well: "
        f"{', '.join(VIDEO_FORMATS)}. At most {MAX_BYTES // 10**6} MB.",
    )
    image2 = s.FileField(required=False, help_text="For demos that take two.")
    image3 = s.FileField(required=False, help_text="For demos that take three.")
    image4 = s.FileField(required=False, help_text="For demos that take four.")
    options = s.CharField(required=False, help_text="A JSON object; see /api/demos/.")
    deadline = s.IntegerField(
        required=False, min_value=PATIENCE[0], max_value=PATIENCE[1],
        help_text="Seconds from now after which to give up, waiting or working.",
    )


class DemoOption(s.Serializer):
    """One option of a demo."""

    name = s.CharField()
    type = s.ChoiceField(choices=["int", "float", "choice", "bool"])
    default = s.JSONField()
    low = s.FloatField(allow_null=True)
    high = s.FloatField(allow_null=True)
    step = s.FloatField(allow_null=True)
    choices = s.ListField(child=s.CharField())
    label = s.CharField()  # type: ignore[assignment]  # as Weights.source
    help = s.CharField()
    late = s.BooleanField(help_text="A change of it alone is answered at once.")


class DemoAnswer(s.Serializer):
    """A demo, and the papers whose code can run it."""

    name = s.CharField()
    title = s.CharField()
    summary = s.CharField()
    papers = s.ListField(child=s.CharField())
    images = s.DictField(child=s.IntegerField())
    clip = s.BooleanField(
        help_text="Takes videos, and all frames of a picture that moves."
    )
    options = DemoOption(many=True)
    needs = s.ListField(child=s.CharField())
    seconds = s.IntegerField(help_text="Soft limit of one run.")
    unit = s.CharField(help_text="What one step of progress is.")


class PaperRow(s.Serializer):
    """A paper in the list."""

    slug = s.CharField()
    title = s.CharField()
    short = s.CharField()
    authors = s.ListField(child=s.CharField())
    year = s.IntegerField(allow_null=True)
    venue = s.CharField()
    arxiv = s.CharField()
    part = s.ChoiceField(choices=list(PARTS))
    family = s.CharField()
    tags = s.ListField(child=s.CharField())
    demos = s.ListField(child=s.CharField())
    url = s.CharField()


class SectionRow(s.Serializer):
    """A section of an entry; the url opens it."""

    id = s.CharField()
    title = s.CharField()
    text = s.CharField()
    url = s.CharField()


class SymbolRow(s.Serializer):
    """A class, function, method or constant of the reference module."""

    name = s.CharField()
    kind = s.CharField()
    first = s.IntegerField()
    last = s.IntegerField()
    signature = s.CharField()
    doc = s.CharField()
    url = s.CharField()


class EquationRow(s.Serializer):
    """A display equation and the lines that compute it."""

    number = s.IntegerField()
    latex = s.CharField()
    target = s.CharField(allow_null=True)
    first = s.IntegerField(allow_null=True)
    last = s.IntegerField(allow_null=True)
    url = s.CharField()


class GoldenRow(s.Serializer):
    """A stored answer of the authors' code that ours is tested against."""

    case = s.CharField()
    function = s.CharField()
    upstream = s.CharField()
    rtol = s.FloatField()
    atol = s.FloatField()
    notes = s.CharField()


class PaperAnswer(PaperRow):
    """One entry in full."""

    code = s.CharField(help_text="The authors' repository.")
    aliases = s.ListField(child=s.CharField())
    follows = s.ListField(child=s.CharField())
    builds_on = s.ListField(child=s.CharField())
    built_on_by = s.ListField(child=s.CharField())
    similar = s.ListField(
        child=s.CharField(), help_text="The most alike, best first; [] without index."
    )
    sections = SectionRow(many=True)
    symbols = SymbolRow(many=True)
    equations = EquationRow(many=True)
    golden = GoldenRow(many=True)
    bibtex = s.CharField()


class Understood(s.Serializer):
    """What the search made of the query."""

    understood = s.CharField()
    corrected = s.CharField(allow_null=True)
    exact_url = s.CharField(allow_null=True)


class Hit(s.Serializer):
    """One place that was found; the url opens exactly it."""

    kind = s.CharField()
    slug = s.CharField()
    title = s.CharField()
    url = s.CharField()
    section = s.CharField()
    snippet = s.CharField(help_text="Safe HTML with the words in <mark>.")
    score = s.FloatField()


class SearchAnswer(s.Serializer):
    """One page of hits."""

    count = s.IntegerField()
    took_ms = s.FloatField()
    query = Understood()
    facets = s.DictField(child=s.DictField(child=s.IntegerField()))
    results = Hit(many=True)
