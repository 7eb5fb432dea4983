"""For `DEFAULT_SCHEMA_CLASS`: a call is what `operation` noted about it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema

from kb.api.schema import Notes


class Schema(AutoSchema):
    """Every call of ours carries notes; there is nothing to guess."""

    @property
    def notes(self) -> Notes:
        return getattr(self.view, self.method.lower()).notes

    def get_operation_id(self) -> str:
        return self.notes["operation_id"]

    def get_request_serializer(self) -> Any:
        return self.notes.get("request")

    def get_response_serializers(self) -> Any:
        return self.notes["responses"]

    def get_override_parameters(self) -> list[Any]:
        return self.notes.get("parameters", [])
