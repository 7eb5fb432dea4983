from django.apps import AppConfig


class SearchConfig(AppConfig):
    """The only place that knows an engine."""

    name = "kb.search"
