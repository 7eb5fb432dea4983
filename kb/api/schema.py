"""What the OpenAPI schema says of a call, noted beside it as plain data.

`kb.api.openapi` reads the notes when a schema is asked for; drf-spectacular's own
decorator would import all of it, and its test client, at every start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict, TypeVar, Unpack

from drf_spectacular.utils import OpenApiParameter

Method = TypeVar("Method", bound=Callable[..., Any])


class Notes(TypedDict, total=False):
    """The same names as `drf_spectacular.utils.extend_schema` has."""

    operation_id: str
    request: Any
    responses: Any
    parameters: list[OpenApiParameter]


def operation(**notes: Unpack[Notes]) -> Callable[[Method], Method]:
    """Attach the notes to a method of an APIView."""

    def attach(method: Method) -> Method:
        method.notes = notes  # type: ignore[attr-defined]
        return method

    return attach
