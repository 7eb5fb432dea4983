from django.apps import AppConfig


class ResultsConfig(AppConfig):
    """The numbers that the papers report, each with its source."""

    name = "kb.results"

    def ready(self) -> None:
        from kb.results import checks  # noqa: F401  registers itself
