from django.apps import AppConfig


class RunsConfig(AppConfig):
    """One demo run, from upload to result."""

    name = "kb.runs"
