"""The numbers that papers report, as JSON."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from kb.api.schema import operation
from kb.api.shapes import ErrorAnswer
from kb.catalogue.library import library
from kb.results import choice as choices
from kb.results.choice import LABELS
from kb.results.export import as_data
from kb.results.table import COLUMNS, VERIFIED, published
from kb.runs.refusals import Refused

ASKED = [
    *(
        OpenApiParameter(
            name, str, many=True, description=f"{label}; may stand several times.",
            enum=list(VERIFIED) if name == "verified" else None,
        )
        for name, label in LABELS.items()
    ),
    OpenApiParameter("method", str, description="Words of the method's name."),
    OpenApiParameter(
        "sort", str, enum=[sign + name for name in COLUMNS for sign in ("", "-")],
        description="A column, with a minus before it the other way.",
    ),
]


class ReportedNumber(s.Serializer):
    """One number, and where it was read."""

    paper = s.CharField(help_text="Slug of the entry that the row belongs to.")
    method = s.CharField()
    backbone = s.CharField()
    pretraining = s.CharField()
    protocol = s.CharField()
    dataset = s.CharField()
    metric = s.CharField()
    value = s.CharField(help_text="As printed, with ± where there is one.")
    source = s.CharField()  # type: ignore[assignment]  # DRF takes it out of the class
    verified = s.ChoiceField(
        choices=list(VERIFIED.items()),
        help_text="; ".join(f"{kind}: {words}" for kind, words in VERIFIED.items()),
    )
    number = s.FloatField()
    spread = s.FloatField(allow_null=True, help_text="What stands behind ±.")
    url = s.CharField()
    source_url = s.CharField(allow_null=True)


class ResultsAnswer(s.Serializer):
    """All rows that were asked for."""

    count = s.IntegerField()
    fields = s.ListField(child=s.CharField())  # type: ignore[assignment]  # as source
    query = s.DictField(help_text="The question as it was understood.")
    results = ReportedNumber(many=True)


class Results(APIView):
    """The table of results."""

    @operation(
        operation_id="results_list", parameters=ASKED,
        responses={200: ResultsAnswer, 400: ErrorAnswer, 404: ErrorAnswer},
    )
    def get(self, request: Request) -> Response:
        """Numbers that papers report, each with its protocol and source."""
        try:
            choice = choices.asked(request.query_params, library().papers)
        except choices.Refused as refused:
            code = "not_found" if refused.status == 404 else "bad_request"
            raise Refused(
                refused.status, code, refused.message, refused.parameter
            ) from refused
        return Response(as_data(choices.chosen(published(), choice), choice))
