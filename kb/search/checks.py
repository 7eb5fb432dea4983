"""`manage.py check` names a search engine that cannot run here, with the remedy."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from kb.search.engine import engine_fault


@register()
def engine_is_there(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """An error where KB_SEARCH_ENGINE is unknown or its package is missing."""
    fault = engine_fault(settings.SEARCH_ENGINE)
    return [Error(fault, id="search.E001")] if fault else []
