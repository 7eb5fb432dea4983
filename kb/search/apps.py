from django.apps import AppConfig


class SearchConfig(AppConfig):
    """The only place that knows an engine."""

    name = "kb.search"

    def ready(self) -> None:
        from kb.search import checks  # noqa: F401  registers itself
